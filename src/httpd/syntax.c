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

/* What must be there once, or at most once. */
typedef struct Heads
{
	const char *length;
	const char *encoding;
	int			hosts;
	int			lengths;
	int			encodings;
	bool		odd_name;
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

static enum MHD_Result
look_at_header(void *cls, enum MHD_ValueKind kind, const char *name,
			   const char *value)
{
	Heads	   *heads = cls;

	(void) kind;
	if (!is_token(name))
		heads->odd_name = true;
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
				const char *target, const char *version)
{
	bool		modern = strcmp(version, "HTTP/1.0") != 0;
	Heads		heads = {0};

	if (strchr(target, ' '))
		return malformed_line;
	if (strlen(target) > config->max_header)
		return fault(414, "Request target too long");
	if (header_size(mhd) > config->max_header)
		return fault(431, "Request header too large");
	MHD_get_connection_values(mhd, MHD_HEADER_KIND, look_at_header, &heads);
	if (heads.odd_name)
		return fault(400, "A header has a malformed name");
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
