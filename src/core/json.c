/*
 * src/core/json.c
 *
 * Pull tokenizer for JSON; see json.h for the contract.
 *
 * Payloads come from whoever can send a request, so every loop is linear in
 * the input and no depth of nesting reaches the C stack.  Offsets in reasons
 * count bytes from 0; reasons never quote the input, which may be secret.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define HIGHS ((uint64_t) 0x8080808080808080)

static AlStatus
fail(AlError *err, AlStatus status, const char *what, size_t pos)
{
	return al_status_fail(err, status, "%s at byte %zu", what, pos);
}

/* As fail() for broken JSON; the reader gives nothing more after it. */
static AlStatus
invalid(AlJsonReader *reader, AlError *err, const char *what, size_t pos)
{
	reader->expect = AL_JSON_EXPECT_NOTHING;
	return fail(err, AL_INVALID, what, pos);
}

/*
 * Number of leading bytes that stand for themselves in a JSON string: all
 * but the quote, the backslash and the control characters.  Bytes from 0x80
 * up count as such; whether they are UTF-8 is a separate question.
 */
size_t
al_json_span(const char *bytes, size_t len)
{
	size_t		i = 0;

	while (len - i >= 8)
	{
		size_t		plain = al_json_span8(bytes + i);

		i += plain;
		if (plain < 8)
			return i;
	}
	while (i < len && al_json_is_plain(bytes[i]))
		i++;
	return i;
}

static bool
is_continuation(const unsigned char *s, size_t len, size_t i)
{
	return i < len && (s[i] & 0xC0) == 0x80;
}

/*
 * Length of the valid UTF-8 at the start of the bytes: len if all of it is.
 * Overlong forms, surrogates and what lies above U+10FFFF are not valid.
 */
static size_t
utf8_span(const char *bytes, size_t len)
{
	const unsigned char *s = (const unsigned char *) bytes;
	size_t		i = 0;

	while (i < len)
	{
		unsigned char c = s[i];

		if (len - i >= 8)
		{
			uint64_t	word;

			memcpy(&word, s + i, 8);
			if ((word & HIGHS) == 0)
			{
				i += 8;
				continue;
			}
		}
		if (c < 0x80)
			i++;
		else if (c >= 0xC2 && c <= 0xDF)
		{
			if (!is_continuation(s, len, i + 1))
				break;
			i += 2;
		}
		else if (c >= 0xE0 && c <= 0xEF)
		{
			if (!is_continuation(s, len, i + 1) ||
				!is_continuation(s, len, i + 2) ||
				(c == 0xE0 && s[i + 1] < 0xA0) ||
				(c == 0xED && s[i + 1] > 0x9F))
				break;
			i += 3;
		}
		else if (c >= 0xF0 && c <= 0xF4)
		{
			if (!is_continuation(s, len, i + 1) ||
				!is_continuation(s, len, i + 2) ||
				!is_continuation(s, len, i + 3) ||
				(c == 0xF0 && s[i + 1] < 0x90) ||
				(c == 0xF4 && s[i + 1] > 0x8F))
				break;
			i += 4;
		}
		else
			break;
	}
	return i;
}

bool
al_json_is_utf8(const char *bytes, size_t len)
{
	return utf8_span(bytes, len) == len;
}

/* Value of four hexadecimal digits, or -1. */
static int
hex_unit(const char *s)
{
	int			unit = 0;
	int			i;

	for (i = 0; i < 4; i++)
	{
		int			digit = al_json_hex_digit(s[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

void
al_json_start(AlJsonReader *reader, const char *json, size_t len)
{
	reader->json = json;
	reader->len = len;
	reader->pos = 0;
	reader->depth = 0;
	reader->expect = AL_JSON_EXPECT_VALUE;
	reader->deep = NULL;
	reader->deep_cap = 0;
	reader->any_bytes = false;
}

/*
 * Passes over a byte order mark at the start, which is no JSON, but which
 * RFC 8259 allows a reader to ignore.
 */
void
al_json_skip_mark(AlJsonReader *reader)
{
	if (reader->pos == 0 && reader->len >= 3 &&
		memcmp(reader->json, "\xEF\xBB\xBF", 3) == 0)
		reader->pos = 3;
}

void
al_json_free(AlJsonReader *reader)
{
	free(reader->deep);
	reader->deep = NULL;
	reader->deep_cap = 0;
}

static bool
in_object(const AlJsonReader *reader)
{
	const unsigned char *bits = reader->deep ? reader->deep : reader->small;
	size_t		level;

	if (reader->depth == 0)
		return false;
	level = reader->depth - 1;
	return (bits[level >> 3] >> (level & 7)) & 1;
}

static bool
push_level(AlJsonReader *reader, bool object)
{
	size_t		cap = reader->deep ? reader->deep_cap : sizeof(reader->small);
	size_t		level = reader->depth;
	unsigned char *bits;

	if (level >> 3 >= cap)
	{
		bits = realloc(reader->deep, cap * 2);
		if (bits == NULL)
			return false;
		if (reader->deep == NULL)
			memcpy(bits, reader->small, sizeof(reader->small));
		reader->deep = bits;
		reader->deep_cap = cap * 2;
	}
	bits = reader->deep ? reader->deep : reader->small;
	if (object)
		bits[level >> 3] |= (unsigned char) (1 << (level & 7));
	else
		bits[level >> 3] &= (unsigned char) ~(1 << (level & 7));
	reader->depth++;
	return true;
}

static void
skip_space(AlJsonReader *reader)
{
	const char *s = reader->json;
	size_t		pos = reader->pos;

	while (pos < reader->len && (s[pos] == ' ' || s[pos] == '\n' ||
								 s[pos] == '\r' || s[pos] == '\t'))
		pos++;
	reader->pos = pos;
}

/* Reads a string whose opening quote is at the current position. */
static AlStatus
read_string(AlJsonReader *reader, AlJsonToken *token, AlError *err)
{
	const char *s = reader->json;
	size_t		len = reader->len;
	size_t		pos = reader->pos + 1;

	token->escaped = false;
	for (;;)
	{
		size_t		span = al_json_span(s + pos, len - pos);
		size_t		good = reader->any_bytes ? span : utf8_span(s + pos, span);

		pos += good;
		if (good < span)
			return invalid(reader, err, "invalid UTF-8", pos);
		if (pos == len)
			return invalid(reader, err, "unterminated string", token->start);
		if (s[pos] == '"')
			break;
		if (s[pos] != '\\')
			return invalid(reader, err, "control character in a string", pos);
		token->escaped = true;
		if (len - pos < 2)
			return invalid(reader, err, "unterminated string", token->start);
		switch (s[pos + 1])
		{
			case '"':
			case '\\':
			case '/':
			case 'b':
			case 'f':
			case 'n':
			case 'r':
			case 't':
				pos += 2;
				break;
			case 'u':
				if (len - pos < 6 || hex_unit(s + pos + 2) < 0)
					return invalid(reader, err, "invalid \\u escape", pos);
				pos += 6;
				break;
			default:
				return invalid(reader, err, "invalid escape", pos);
		}
	}
	reader->pos = token->end = pos + 1;
	return AL_OK;
}

static size_t
skip_digits(const AlJsonReader *reader, size_t pos)
{
	while (pos < reader->len && reader->json[pos] >= '0' &&
		   reader->json[pos] <= '9')
		pos++;
	return pos;
}

static AlStatus
read_number(AlJsonReader *reader, AlJsonToken *token, AlError *err)
{
	const char *s = reader->json;
	size_t		len = reader->len;
	size_t		pos = reader->pos;
	size_t		from;

	token->kind = AL_JSON_NUMBER;
	token->integer = true;
	if (s[pos] == '-')
		pos++;
	from = pos;
	pos = skip_digits(reader, pos);
	if (pos == from)
		return invalid(reader, err, "expected a digit", pos);
	if (s[from] == '0' && pos - from > 1)
		return invalid(reader, err, "number with a leading zero", from);
	if (pos < len && s[pos] == '.')
	{
		token->integer = false;
		from = ++pos;
		pos = skip_digits(reader, pos);
		if (pos == from)
			return invalid(reader, err, "expected a digit", pos);
	}
	if (pos < len && (s[pos] == 'e' || s[pos] == 'E'))
	{
		token->integer = false;
		pos++;
		if (pos < len && (s[pos] == '+' || s[pos] == '-'))
			pos++;
		from = pos;
		pos = skip_digits(reader, pos);
		if (pos == from)
			return invalid(reader, err, "expected a digit", pos);
	}
	reader->pos = token->end = pos;
	return AL_OK;
}

static AlStatus
read_word(AlJsonReader *reader, AlJsonToken *token, AlJsonKind kind,
		  const char *word, AlError *err)
{
	size_t		len = strlen(word);

	if (reader->len - reader->pos < len ||
		memcmp(reader->json + reader->pos, word, len) != 0)
		return invalid(reader, err, "expected a value", reader->pos);
	token->kind = kind;
	reader->pos = token->end = reader->pos + len;
	return AL_OK;
}

static AlStatus
read_value(AlJsonReader *reader, AlJsonToken *token, AlError *err)
{
	char		c = reader->json[reader->pos];

	reader->expect = AL_JSON_EXPECT_MORE;
	switch (c)
	{
		case '{':
		case '[':
			if (!push_level(reader, c == '{'))
			{
				reader->expect = AL_JSON_EXPECT_NOTHING;
				return fail(err, AL_NO_MEMORY, "out of memory", reader->pos);
			}
			token->kind = c == '{' ? AL_JSON_OBJECT_START :
				AL_JSON_ARRAY_START;
			reader->expect = c == '{' ? AL_JSON_EXPECT_KEY :
				AL_JSON_EXPECT_ELEMENT;
			token->end = ++reader->pos;
			return AL_OK;
		case '"':
			token->kind = AL_JSON_STRING;
			return read_string(reader, token, err);
		case 't':
			return read_word(reader, token, AL_JSON_TRUE, "true", err);
		case 'f':
			return read_word(reader, token, AL_JSON_FALSE, "false", err);
		case 'n':
			return read_word(reader, token, AL_JSON_NULL, "null", err);
		default:
			if (c != '-' && (c < '0' || c > '9'))
				return invalid(reader, err, "expected a value", reader->pos);
			return read_number(reader, token, err);
	}
}

static AlStatus
read_key(AlJsonReader *reader, AlJsonToken *token, AlError *err)
{
	AlStatus	status;

	if (reader->json[reader->pos] != '"')
		return invalid(reader, err, "expected a key", reader->pos);
	token->kind = AL_JSON_KEY;
	status = read_string(reader, token, err);
	if (status != AL_OK)
		return status;
	skip_space(reader);
	if (reader->pos == reader->len || reader->json[reader->pos] != ':')
		return invalid(reader, err, "expected a colon", reader->pos);
	reader->pos++;
	reader->expect = AL_JSON_EXPECT_VALUE;
	return AL_OK;
}

static AlStatus
close_level(AlJsonReader *reader, AlJsonToken *token)
{
	token->kind = in_object(reader) ? AL_JSON_OBJECT_END : AL_JSON_ARRAY_END;
	token->end = ++reader->pos;
	reader->depth--;
	reader->expect = AL_JSON_EXPECT_MORE;
	return AL_OK;
}

/*
 * Reads the next token.  A key's token comes before its value's, the colon
 * and the commas are consumed silently, and AL_JSON_END comes only if
 * nothing but whitespace follows the value.  After a failure every further
 * call fails.
 */
AlStatus
al_json_next(AlJsonReader *reader, AlJsonToken *token, AlError *err)
{
	char		c;

	token->escaped = false;
	token->integer = false;
	skip_space(reader);
	if (reader->expect == AL_JSON_EXPECT_MORE && reader->depth > 0 &&
		reader->pos < reader->len && reader->json[reader->pos] == ',')
	{
		reader->pos++;
		skip_space(reader);
		reader->expect = AL_JSON_EXPECT_VALUE;
		token->start = reader->pos;
		if (in_object(reader) && reader->pos < reader->len)
			return read_key(reader, token, err);
	}
	token->start = reader->pos;
	if (reader->pos == reader->len)
	{
		if (reader->expect != AL_JSON_EXPECT_MORE || reader->depth > 0)
			return invalid(reader, err, "unexpected end of JSON",
						   reader->pos);
		token->kind = AL_JSON_END;
		token->end = reader->pos;
		return AL_OK;
	}
	c = reader->json[reader->pos];
	switch (reader->expect)
	{
		case AL_JSON_EXPECT_VALUE:
			return read_value(reader, token, err);
		case AL_JSON_EXPECT_ELEMENT:
			if (c == ']')
				return close_level(reader, token);
			return read_value(reader, token, err);
		case AL_JSON_EXPECT_KEY:
			if (c == '}')
				return close_level(reader, token);
			return read_key(reader, token, err);
		case AL_JSON_EXPECT_MORE:
			if (reader->depth == 0)
				return invalid(reader, err, "text after the JSON value",
							   reader->pos);
			if (c == (in_object(reader) ? '}' : ']'))
				return close_level(reader, token);
			return invalid(reader, err, in_object(reader) ?
						   "expected a comma or \"}\"" :
						   "expected a comma or \"]\"", reader->pos);
		case AL_JSON_EXPECT_NOTHING:
			break;
	}
	return invalid(reader, err, "reading after a failure", reader->pos);
}

static void
append_utf8(AlBuf *out, uint32_t c)
{
	unsigned char bytes[4];
	size_t		len = 0;

	if (c < 0x80)
		bytes[len++] = (unsigned char) c;
	else if (c < 0x800)
		bytes[len++] = (unsigned char) (0xC0 | c >> 6);
	else if (c < 0x10000)
	{
		bytes[len++] = (unsigned char) (0xE0 | c >> 12);
		bytes[len++] = (unsigned char) (0x80 | (c >> 6 & 0x3F));
	}
	else
	{
		bytes[len++] = (unsigned char) (0xF0 | c >> 18);
		bytes[len++] = (unsigned char) (0x80 | (c >> 12 & 0x3F));
		bytes[len++] = (unsigned char) (0x80 | (c >> 6 & 0x3F));
	}
	if (c >= 0x80)
		bytes[len++] = (unsigned char) (0x80 | (c & 0x3F));
	al_buf_append(out, bytes, len);
}

/*
 * Appends the characters that a \u escape at s stands for and returns its
 * length, 12 for a pair of surrogates, or 0 if a surrogate stands alone.
 */
static size_t
decode_unit(const char *s, size_t len, AlBuf *out)
{
	int			high = hex_unit(s + 2);
	int			low;

	if (high < 0xD800 || high > 0xDFFF)
	{
		append_utf8(out, (uint32_t) high);
		return 6;
	}
	if (high > 0xDBFF || len < 12 || s[6] != '\\' || s[7] != 'u')
		return 0;
	low = hex_unit(s + 8);
	if (low < 0xDC00 || low > 0xDFFF)
		return 0;
	append_utf8(out, 0x10000 + ((uint32_t) (high - 0xD800) << 10) +
				(uint32_t) (low - 0xDC00));
	return 12;
}

static char
simple_escape(char c)
{
	switch (c)
	{
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		default:
			return c;
	}
}

/*
 * Appends what a key or string token that al_json_next() gave stands for, in
 * UTF-8 and without the quotes.
 *
 * The grammar allows two things that UTF-8 text cannot hold.  A surrogate
 * without its other half is AL_INVALID.  \u0000 is AL_UNSUPPORTED unless
 * keep_nul, which appends a zero byte.  Then out holds a part of the string.
 */
AlStatus
al_json_decode(const char *json, const AlJsonToken *token, bool keep_nul,
			   AlBuf *out, AlError *err)
{
	size_t		pos = token->start + 1;
	size_t		end = token->end - 1;

	if (!token->escaped)
		al_buf_append(out, json + pos, end - pos);
	else
	{
		while (pos < end)
		{
			size_t		span = al_json_span(json + pos, end - pos);

			al_buf_append(out, json + pos, span);
			pos += span;
			if (pos == end)
				break;
			if (json[pos + 1] != 'u')
			{
				al_buf_append_char(out, simple_escape(json[pos + 1]));
				pos += 2;
				continue;
			}
			if (!keep_nul && hex_unit(json + pos + 2) == 0)
				return fail(err, AL_UNSUPPORTED,
							"\\u0000 cannot be converted to text", pos);
			span = decode_unit(json + pos, end - pos, out);
			if (span == 0)
				return fail(err, AL_INVALID, "lone surrogate", pos);
			pos += span;
		}
	}
	if (out->failed)
		return fail(err, AL_NO_MEMORY, "out of memory", token->start);
	return AL_OK;
}
