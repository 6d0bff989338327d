/*
 * src/httpd/uri.c
 *
 * Percent-decoding, query strings and forms; see uri.h.
 */
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/unicode.h"

#include "uri.h"

/* Can a UTF-8 database hold it as text?  A NUL byte it cannot. */
bool
al_uri_is_utf8(const char *text, size_t len)
{
	size_t		pos = 0;

	while (pos < len)
	{
		/* Most text is ASCII. */
		if ((signed char) text[pos] > 0)
			pos++;
		else if (text[pos] == '\0' ||
				 al_unicode_take(text, len, &pos) == AL_UNICODE_NONE)
			return false;
	}
	return true;
}

/*
 * Decodes in place; "plus" reads + as a space, as queries and forms do.
 * False for a broken escape, a NUL byte or invalid UTF-8.
 */
bool
al_uri_decode(char *text, bool plus)
{
	char	   *in = text;
	char	   *out = text;

	while (*in)
	{
		if (*in == '%')
		{
			int			high = al_json_hex_digit(in[1]);
			int			low = high < 0 ? -1 : al_json_hex_digit(in[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*out++ = (char) (high * 16 + low);
			in += 3;
		}
		else
		{
			*out++ = plus && *in == '+' ? ' ' : *in;
			in++;
		}
	}
	*out = '\0';
	return al_uri_is_utf8(text, (size_t) (out - text));
}

/*
 * Splits name=value&... and decodes it.  False when something cannot be
 * decoded or there are too many pairs; free the result in either case.
 */
bool
al_uri_parse_params(AlParams *params, const char *text, size_t len)
{
	char	   *next;

	params->n = 0;
	params->storage = malloc(len + 1);
	if (params->storage == NULL || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(params->storage, text, len);
	params->storage[len] = '\0';

	next = params->storage;
	while (next)
	{
		AlParam    *param = &params->items[params->n];
		char	   *end = strchr(next, '&');
		char	   *equals;

		param->name = next;
		if (end)
			*end++ = '\0';
		next = end;
		if (*param->name == '\0')
			continue;
		if (params->n == AL_MAX_PARAMS - 1)
			return false;
		equals = strchr(param->name, '=');
		if (equals)
			*equals++ = '\0';
		param->value = equals ? equals : param->name + strlen(param->name);
		if (!al_uri_decode(param->name, true) ||
			(equals && !al_uri_decode(param->value, true)))
			return false;
		params->n++;
	}
	return true;
}

/* The first value of that name, or NULL. */
const char *
al_uri_param(const AlParams *params, const char *name)
{
	for (int i = 0; i < params->n; i++)
		if (strcmp(params->items[i].name, name) == 0)
			return params->items[i].value;
	return NULL;
}

void
al_uri_free_params(AlParams *params)
{
	free(params->storage);
	params->storage = NULL;
	params->n = 0;
}

static bool
is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || strchr("-._~:", c) != NULL;
}

static void
append_escape(AlBuf *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	char		escape[3] = {'%', digits[c >> 4], digits[c & 15]};

	al_buf_append(out, escape, 3);
}

void
al_uri_encode(AlBuf *out, const char *text)
{
	for (const unsigned char *s = (const unsigned char *) text; *s; s++)
	{
		if (is_unreserved(*s))
			al_buf_append_char(out, (char) *s);
		else
			append_escape(out, *s);
	}
}

/*
 * The text with every byte outside printable ASCII percent-escaped: a record
 * or log line can always hold it.  Malloc'd; NULL when out of memory.
 */
char *
al_uri_printable(const char *text)
{
	AlBuf		out = {0};

	for (const unsigned char *s = (const unsigned char *) text; *s; s++)
	{
		if (*s >= 0x20 && *s < 0x7f)
			al_buf_append_char(&out, (char) *s);
		else
			append_escape(&out, *s);
	}
	al_buf_append_char(&out, '\0');
	if (out.failed)
	{
		al_buf_free(&out);
		return NULL;
	}
	return out.data;
}
