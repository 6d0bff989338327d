/*
 * src/httpd/syntax.c
 *
 * Is a request written as HTTP wants it, and within the limits?
 *
 * libmicrohttpd forgives much.  Where it and a proxy in front could disagree
 * about where a request ends, a client could hide a second request in the
 * body of the first; so whatever leaves that open is refused, and with it the
 * connection.  Its own refusals have a body of HTML: it is given more memory
 * than our limits need, so that they are noticed here first.
 */
#include <string.h>
#include <strings.h>

#include "syntax.h"

static const AlFault no_fault = {0};
static const AlFault malformed_line = {400, "Malformed request line", true};
static const AlFault wrong_version = {505, "HTTP version not supported", true};

/* What must be there once, or at most once. */
typedef struct Heads
{
	const char *length;
	const char *encoding;
	int			hosts;
	int			lengths;
	int			encodings;
	bool		odd_name;
	bool		odd_value;
} Heads;

/* The characters of a token; a blank before the colon is none of them. */
static bool
is_token(const char *name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (*name == '\0')
		return false;
	for (; *name; name++)
		if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
			  (*name >= '0' && *name <= '9') || strchr(others, *name)))
			return false;
	return true;
}

/* HTTP/1.x; there is no other that is spoken over such lines. */
static AlFault
look_at_version(const char *version, size_t len)
{
	if (len != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.' ||
		version[5] < '0' || version[5] > '9' ||
		version[7] < '0' || version[7] > '9')
		return malformed_line;
	return version[5] == '1' ? no_fault : wrong_version;
}

/*
 * The first bytes that a client sent.  Nothing is wrong with a line that is
 * not whole yet.  "method" gets its method, "" when there is none.
 */
AlFault
al_syntax_first_line(const char *bytes, size_t len, char *method, size_t size)
{
	const char *end;
	const char *blank;
	const char *version;

	method[0] = '\0';
	/* empty lines before a request are legal */
	while (len > 0 && (*bytes == '\r' || *bytes == '\n'))
	{
		bytes++;
		len--;
	}
	end = len > 0 ? memchr(bytes, '\n', len) : NULL;
	blank = len > 0 ?
		memchr(bytes, ' ', end ? (size_t) (end - bytes) : len) : NULL;
	if (blank && (size_t) (blank - bytes) < size)
	{
		memcpy(method, bytes, (size_t) (blank - bytes));
		method[blank - bytes] = '\0';
		if (!is_token(method))
			method[0] = '\0';
	}
	if (end == NULL)
		return no_fault;
	if (end > bytes && end[-1] == '\r')
		end--;
	version = end;
	while (version > bytes && version[-1] != ' ')
		version--;
	if (blank == NULL || blank == bytes || version <= blank + 2 ||
		memchr(bytes, '\0', (size_t) (end - bytes)))
		return malformed_line;
	return look_at_version(version, (size_t) (end - version));
}

static enum MHD_Result
look_at_header(void *cls, enum MHD_ValueKind kind, const char *name,
			   const char *value)
{
	Heads	   *heads = cls;

	(void) kind;
	if (!is_token(name))
		heads->odd_name = true;
	/* for others a line may end there */
	else if (value && strchr(value, '\r'))
		heads->odd_value = true;
	else if (strcasecmp(name, "Host") == 0)
		heads->hosts++;
	else if (strcasecmp(name, "Content-Length") == 0)
	{
		heads->length = value;
		heads->lengths++;
	}
	else if (strcasecmp(name, "Transfer-Encoding") == 0)
	{
		heads->encoding = value;
		heads->encodings++;
	}
	return MHD_YES;
}

static size_t
header_size(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info ? info->header_size : 0;
}

/* The declared length, or more than any limit when it is past all numbers. */
static bool
is_longer(const char *length, size_t limit)
{
	size_t		n = 0;

	for (; *length >= '0' && *length <= '9'; length++)
	{
		n = n * 10 + (size_t) (*length - '0');
		if (n > limit)
			return true;
	}
	return false;
}

static AlFault
fault(unsigned int status, const char *message)
{
	AlFault		result = {status, message, false};

	return result;
}

AlFault
al_syntax_check(const AlConfig *config, struct MHD_Connection *mhd,
				const char *method, const char *target, const char *version)
{
	bool		modern = strcmp(version, "HTTP/1.0") != 0;
	Heads		heads = {0};

	if (!is_token(method) || strchr(target, ' '))
		return malformed_line;
	if (strlen(target) > config->max_header)
		return fault(414, "Request target too long");
	if (header_size(mhd) > config->max_header)
		return fault(431, "Request header too large");
	MHD_get_connection_values(mhd, MHD_HEADER_KIND, look_at_header, &heads);
	if (heads.odd_name)
		return fault(400, "A header has a malformed name");
	if (heads.odd_value)
		return fault(400, "A header has a malformed value");
	if (heads.hosts > 1 || (modern && heads.hosts == 0))
		return fault(400, "There must be one Host header");
	if (heads.lengths + heads.encodings > 1)
		return fault(400,
					 "There may be one Content-Length, or one Transfer-Encoding");
	if (heads.encoding &&
		(!modern || strcasecmp(heads.encoding, "chunked") != 0))
		return fault(501, "Transfer-Encoding can only be chunked");
	if (heads.length && is_longer(heads.length, config->max_body))
		return fault(413, "Request body too large");
	return no_fault;
}
