/*
 * src/core/redact_suspect.c
 *
 * Bodies that nothing could be removed from, because they are no valid JSON
 * and no form: might an excluded key be in one all the same?  Nobody can tell
 * where its secret would end, so such a body must not be kept at all.
 *
 * It is suspect if it
 *   - looks like JSON, and mentions a key or has escapes that might spell one,
 *   - looks like a form with fields, and mentions a key,
 *   - holds zero bytes, as text in UTF-16 and UTF-32 does, and mentions a key
 *     when they are passed over,
 *   - is not in UTF-8, and may mention a key that is not ASCII in some other
 *     encoding.
 * Any other text is not: that a letter says "password" is no secret.
 */
#include <string.h>
#include <strings.h>

#include "json.h"
#include "redact.h"
#include "removal.h"

static bool
begins_with(const char *text, size_t len, const char *bytes, size_t count)
{
	return len >= count && memcmp(text, bytes, count) == 0;
}

/* Length of the byte order mark at the start. */
static size_t
mark_length(const char *text, size_t len)
{
	if (begins_with(text, len, "\xEF\xBB\xBF", 3))
		return 3;
	if (begins_with(text, len, "\xFE\xFF", 2) ||
		begins_with(text, len, "\xFF\xFE", 2))
		return 2;
	return 0;
}

/* Is there a brace or bracket first? */
static bool
looks_like_json(const char *text, size_t len)
{
	size_t		i = 0;

	while (i < len && (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r')))
		i++;
	return i < len && (text[i] == '{' || text[i] == '[');
}

static bool
holds(const char *text, size_t len, const char *bytes, size_t count)
{
	const char *at = text;
	const char *end = text + len;

	while ((size_t) (end - at) >= count &&
		   (at = memchr(at, *bytes, (size_t) (end - at) - count + 1)) != NULL)
	{
		if (memcmp(at, bytes, count) == 0)
			return true;
		at++;
	}
	return false;
}

static bool
is_ascii(const char *text)
{
	while (*text && (unsigned char) *text < 0x80)
		text++;
	return *text == '\0';
}

/*
 * Is a key in a text?  In an unknown encoding only the ASCII letters of the
 * key look the same, so all its runs of them must be there.
 */
static bool
mentions(const char *text, size_t len, const char *key, bool known)
{
	size_t		count;

	if (known)
		return holds(text, len, key, strlen(key));
	for (; *key; key += count ? count : 1)
	{
		for (count = 0; key[count] && (unsigned char) key[count] < 0x80;)
			count++;
		if (count > 0 && !holds(text, len, key, count))
			return false;
	}
	return true;
}

/* Does a line look like the header of a field of a multipart body? */
bool
al_redact_holds_field(const char *body, size_t len)
{
	static const char header[] = "content-disposition";
	size_t		from = 0;

	while (from < len)
	{
		const char *end = memchr(body + from, '\n', len - from);

		if (len - from >= sizeof(header) - 1 &&
			strncasecmp(body + from, header, sizeof(header) - 1) == 0)
			return true;
		from = end ? (size_t) (end - body) + 1 : len;
	}
	return false;
}

/* Judges a text whose zero bytes are passed over already. */
static AlStatus
judge(const AlRedactRules *rules, const char *text, size_t len,
	  bool had_zeros, AlBuf *removed, bool *suspect, AlError *err)
{
	size_t		mark = mark_length(text, len);
	AlBuf		left = {0};
	AlStatus	status = AL_OK;
	bool		json;
	bool		any;
	bool		known;
	bool		spells;
	uint32_t	i;

	text += mark;
	len -= mark;
	json = looks_like_json(text, len);
	any = json || had_zeros || al_redact_holds_field(text, len);
	known = !had_zeros && al_json_is_utf8(text, len);
	spells = json && holds(text, len, "\\u", 2);
	for (i = 0; i < al_redact_rules_count(rules) && !*suspect; i++)
	{
		const char *name = al_redact_rules_name(rules, i);
		const char *dot = strrchr(name, '.');
		const char *key = dot ? dot + 1 : name;

		if (spells ||
			((any || (!known && !is_ascii(key))) &&
			 mentions(text, len, key, known)))
		{
			*suspect = true;
			al_removal_list(removed, name);
		}
	}
	if (!*suspect && had_zeros)
	{
		status = al_redact_form(rules, text, len, &left, removed, suspect,
								err);
		al_buf_free(&left);
	}
	return status;
}

/*
 * Tells whether a body may hold an excluded key, and adds the name of one such
 * key to removed.
 */
AlStatus
al_redact_suspect(const AlRedactRules *rules, const char *body, size_t len,
				  AlBuf *removed, bool *suspect, AlError *err)
{
	AlBuf		text = {0};
	AlStatus	status;
	size_t		from;
	size_t		to;

	*suspect = false;
	if (len == 0 || al_redact_rules_count(rules) == 0)
		return AL_OK;
	if (memchr(body, '\0', len) == NULL)
		return judge(rules, body, len, false, removed, suspect, err);

	for (from = 0; from < len; from = to + 1)
	{
		const char *zero = memchr(body + from, '\0', len - from);

		to = zero ? (size_t) (zero - body) : len;
		al_buf_append(&text, body + from, to - from);
	}
	if (text.failed)
		status = al_status_fail(err, AL_NO_MEMORY, "out of memory");
	else if (text.len == 0)
		status = AL_OK;
	else
		status = judge(rules, text.data, text.len, true, removed, suspect,
					   err);
	al_buf_free(&text);
	return status;
}

/* gzip, zstd, and zlib at its usual levels */
bool
al_redact_is_compressed(const char *body, size_t len)
{
	return begins_with(body, len, "\x1f\x8b", 2) ||
		begins_with(body, len, "\x28\xb5\x2f\xfd", 4) ||
		begins_with(body, len, "\x78\x01", 2) ||
		begins_with(body, len, "\x78\x5e", 2) ||
		begins_with(body, len, "\x78\x9c", 2) ||
		begins_with(body, len, "\x78\xda", 2);
}
