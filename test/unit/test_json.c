/*
 * test/unit/test_json.c
 *
 * The JSON tokenizer: what it accepts, what it refuses and where, what it
 * decodes.  Inputs are copied to the heap without a terminator, so that the
 * address sanitizer sees a read past the end.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/json.h"
#include "tap.h"

/* Bytes with an explicit length, for those that hold a zero. */
#define BYTES(literal) (literal), (sizeof(literal) - 1)

static char *
heap_copy(const char *bytes, size_t len)
{
	char	   *copy = malloc(len ? len : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, len);
	return copy;
}

/* Reads all tokens; trace, if not null, gets a letter for each. */
static AlStatus
read_all(const char *json, size_t len, AlBuf *trace, AlError *err)
{
	static const char letters[] = "$OoAaksntf0";
	char	   *copy = heap_copy(json, len);
	AlJsonReader reader;
	AlJsonToken token;
	AlStatus	status;

	al_json_start(&reader, copy, len);
	do
	{
		status = al_json_next(&reader, &token, err);
		if (status != AL_OK)
			break;
		if (trace != NULL)
			al_buf_append_char(trace, letters[token.kind]);
		if (token.start > token.end || token.end > len)
			abort();
	} while (token.kind != AL_JSON_END);
	if (status != AL_OK && al_json_next(&reader, &token, NULL) == AL_OK)
		abort();
	al_json_free(&reader);
	free(copy);
	return status;
}

static void
accepts(const char *json, size_t len, const char *want)
{
	AlBuf		trace = {0};
	AlError		err = {""};
	AlStatus	status = read_all(json, len, &trace, &err);

	if (!tap_ok(status == AL_OK, "accepted with tokens %s", want))
	{
		tap_show("json", json, len);
		printf("# %s\n", err.reason);
	}
	tap_is_bytes(trace.data, trace.len, want, strlen(want), "  its tokens");
	al_buf_free(&trace);
}

static void
refuses(const char *json, size_t len, const char *reason)
{
	AlError		err = {""};
	AlStatus	status = read_all(json, len, NULL, &err);

	tap_is_int(status, AL_INVALID, reason);
	if (!tap_ok(strcmp(err.reason, reason) == 0, "  and says so"))
	{
		tap_show("json", json, len);
		printf("# %s\n", err.reason);
	}
}

static void
test_grammar(void)
{
	accepts(BYTES("{}"), "Oo$");
	accepts(BYTES(" \t\r\n[ ] "), "Aa$");
	accepts(BYTES("{\"a\":[1,-2.5e+3,\"x\",true,false,null,{\"b\":{}}]}"),
			"OkAnnstf0OkOooao$");
	accepts(BYTES("0"), "n$");
	accepts(BYTES("-0.0E-0"), "n$");
	accepts(BYTES("\"\""), "s$");
	accepts(BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aB\""), "s$");
	accepts(BYTES("\"\\u0000\\ud800\""), "s$");
	accepts(BYTES("[[[[]],[]],1]"), "AAAAaaAaana$");

	refuses(BYTES(""), "unexpected end of JSON at byte 0");
	refuses(BYTES("  "), "unexpected end of JSON at byte 2");
	refuses(BYTES("{"), "unexpected end of JSON at byte 1");
	refuses(BYTES("[1,"), "unexpected end of JSON at byte 3");
	refuses(BYTES("{\"a\":1,"), "unexpected end of JSON at byte 7");
	refuses(BYTES("{\"a\":"), "unexpected end of JSON at byte 5");
	refuses(BYTES("{\"a\""), "expected a colon at byte 4");
	refuses(BYTES("{\"a\" 1}"), "expected a colon at byte 5");
	refuses(BYTES("[1,]"), "expected a value at byte 3");
	refuses(BYTES("[,1]"), "expected a value at byte 1");
	refuses(BYTES("{\"a\":1,}"), "expected a key at byte 7");
	refuses(BYTES("{,}"), "expected a key at byte 1");
	refuses(BYTES("{a:1}"), "expected a key at byte 1");
	refuses(BYTES("{1:1}"), "expected a key at byte 1");
	refuses(BYTES("{\"a\":}"), "expected a value at byte 5");
	refuses(BYTES("[1 2]"), "expected a comma or \"]\" at byte 3");
	refuses(BYTES("[1}"), "expected a comma or \"]\" at byte 2");
	refuses(BYTES("{\"a\":1]"), "expected a comma or \"}\" at byte 6");
	refuses(BYTES("{\"a\":1:2}"), "expected a comma or \"}\" at byte 6");
	refuses(BYTES("1 2"), "text after the JSON value at byte 2");
	refuses(BYTES("{}]"), "text after the JSON value at byte 2");
	refuses(BYTES("{},"), "text after the JSON value at byte 2");
	refuses(BYTES("nul"), "expected a value at byte 0");
	refuses(BYTES("True"), "expected a value at byte 0");
	refuses(BYTES("truex"), "text after the JSON value at byte 4");
	refuses(BYTES("NaN"), "expected a value at byte 0");
	refuses(BYTES("'a'"), "expected a value at byte 0");
	refuses(BYTES("[1]/* x */"), "text after the JSON value at byte 3");
	refuses(BYTES("\f1"), "expected a value at byte 0");
	refuses(BYTES("1\0"), "text after the JSON value at byte 1");
	refuses(BYTES("\xEF\xBB\xBF{}"), "expected a value at byte 0");

	refuses(BYTES("01"), "number with a leading zero at byte 0");
	refuses(BYTES("-01"), "number with a leading zero at byte 1");
	refuses(BYTES("-"), "expected a digit at byte 1");
	refuses(BYTES("+1"), "expected a value at byte 0");
	refuses(BYTES(".5"), "expected a value at byte 0");
	refuses(BYTES("1."), "expected a digit at byte 2");
	refuses(BYTES("1.e5"), "expected a digit at byte 2");
	refuses(BYTES("1e"), "expected a digit at byte 2");
	refuses(BYTES("1e+"), "expected a digit at byte 3");
	refuses(BYTES("-Infinity"), "expected a digit at byte 1");
	refuses(BYTES("0x10"), "text after the JSON value at byte 1");

	refuses(BYTES("\"abc"), "unterminated string at byte 0");
	refuses(BYTES("[\"abc\\"), "unterminated string at byte 1");
	refuses(BYTES("\"\\x\""), "invalid escape at byte 1");
	refuses(BYTES("\"\\U0041\""), "invalid escape at byte 1");
	refuses(BYTES("\"\\u12g4\""), "invalid \\u escape at byte 1");
	refuses(BYTES("\"\\u12"), "invalid \\u escape at byte 1");
	refuses(BYTES("\"\\u123\""), "invalid \\u escape at byte 1");
	refuses(BYTES("\"a\nb\""), "control character in a string at byte 2");
	refuses(BYTES("\"a\0b\""), "control character in a string at byte 2");
	refuses(BYTES("\"0123456789\x1F\""),
			"control character in a string at byte 11");
}

static void
test_utf8(void)
{
	accepts(BYTES("\"\xC2\x80 \xDF\xBF\""), "s$");
	accepts(BYTES("\"\xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF\""),
			"s$");
	accepts(BYTES("\"\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF\""), "s$");
	accepts(BYTES("\"\x7F\""), "s$");

	refuses(BYTES("\"\x80\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"ab\xC0\x80\""), "invalid UTF-8 at byte 3");
	refuses(BYTES("\"\xC1\xBF\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xE0\x9F\xBF\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xED\xA0\x80\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xED\xBF\xBF\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xF0\x8F\xBF\xBF\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xF4\x90\x80\x80\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xF5\x80\x80\x80\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xFF\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xC3\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xE2\x82\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xF0\x9F\x98\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xE2\x82\\n\""), "invalid UTF-8 at byte 1");
	refuses(BYTES("\"\xF0\x9F\x98"), "invalid UTF-8 at byte 1");
	refuses(BYTES("{\"abcdefghi\xC3(\":1}"), "invalid UTF-8 at byte 11");
	refuses(BYTES("\xA0[]"), "expected a value at byte 0");
}

/* Every code point, encoded by a second implementation, and every 3 bytes. */
static void
test_utf8_exhaustive(void)
{
	uint32_t	c;
	bool		all_good = true;
	int			accepted = 0;

	for (c = 0x80; c <= 0x110000; c++)
	{
		char		json[8];
		size_t		len = 0;
		bool		valid = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);

		json[len++] = '"';
		if (c >= 0x10000)
		{
			json[len++] = (char) (240 + c / 262144);
			json[len++] = (char) (128 + c / 4096 % 64);
		}
		else if (c >= 0x800)
			json[len++] = (char) (224 + c / 4096);
		if (c >= 0x800)
			json[len++] = (char) (128 + c / 64 % 64);
		else
			json[len++] = (char) (192 + c / 64);
		json[len++] = (char) (128 + c % 64);
		json[len++] = '"';
		if ((read_all(json, len, NULL, NULL) == AL_OK) != valid)
		{
			printf("# U+%04X\n", c);
			all_good = false;
		}
	}
	tap_ok(all_good, "every code point is judged rightly");

	for (c = 0; c < 0x10000; c++)
	{
		char		json[] = "\"\xE0__\"";

		json[1] = (char) (c >> 8);
		json[2] = (char) c;
		json[3] = 'x';
		if (json[1] != '\\' && json[1] != '"' && json[2] != '"' &&
			json[2] != '\\' && read_all(json, 5, NULL, NULL) == AL_OK)
			accepted++;
	}

	/* 94 plain ASCII characters squared, and 30 leads by 64 continuations */
	tap_is_int(accepted, 94 * 94 + 30 * 64,
			   "exactly the valid pairs of bytes are accepted");
}

static void
decodes(const char *json, size_t len, AlStatus want, const char *text,
		size_t text_len, bool keep_nul)
{
	char	   *copy = heap_copy(json, len);
	AlBuf		out = {0};
	AlError		err = {""};
	AlJsonReader reader;
	AlJsonToken token;
	AlStatus	status;

	al_json_start(&reader, copy, len);
	status = al_json_next(&reader, &token, &err);
	if (status == AL_OK)
		status = al_json_decode(copy, &token, keep_nul, &out, &err);
	if (want == AL_OK)
	{
		tap_is_int(status, AL_OK, "decoded");
		tap_is_bytes(out.data, out.len, text, text_len, "  to the text");
	}
	else
	{
		tap_is_int(status, want, text);
		if (!tap_ok(strcmp(err.reason, text) == 0, "  and says so"))
			printf("# %s\n", err.reason);
	}
	al_json_free(&reader);
	al_buf_free(&out);
	free(copy);
}

static void
test_decode(void)
{
	decodes(BYTES("\"plain \xC3\xA9\""), AL_OK, BYTES("plain \xC3\xA9"),
			false);
	decodes(BYTES("\"\""), AL_OK, BYTES(""), false);
	decodes(BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), AL_OK,
			BYTES("\"\\/\b\f\n\r\t"), false);
	decodes(BYTES("\"a\\u0041z\""), AL_OK, BYTES("aAz"), false);
	decodes(BYTES("\"\\u00e9\\u20AC\""), AL_OK, BYTES("\xC3\xA9\xE2\x82\xAC"),
			false);
	decodes(BYTES("\"\\uFFFF\\u07ff\\u0800\""), AL_OK,
			BYTES("\xEF\xBF\xBF\xDF\xBF\xE0\xA0\x80"), false);
	decodes(BYTES("\"\\uD83D\\uDE00\""), AL_OK, BYTES("\xF0\x9F\x98\x80"),
			false);
	decodes(BYTES("\"\\udbff\\udfff\\ud800\\udc00\""), AL_OK,
			BYTES("\xF4\x8F\xBF\xBF\xF0\x90\x80\x80"), false);
	decodes(BYTES("\"\\\\u0041\""), AL_OK, BYTES("\\u0041"), false);
	decodes(BYTES("\"\\ud7ff\\ue000\""), AL_OK,
			BYTES("\xED\x9F\xBF\xEE\x80\x80"), false);

	decodes(BYTES("\"ab\\ud800\""), AL_INVALID,
			BYTES("lone surrogate at byte 3"), false);
	decodes(BYTES("\"\\ud800x\\udc00\""), AL_INVALID,
			BYTES("lone surrogate at byte 1"), false);
	decodes(BYTES("\"\\ud800\\n12345\""), AL_INVALID,
			BYTES("lone surrogate at byte 1"), false);
	decodes(BYTES("\"\\udc00\\ud800\""), AL_INVALID,
			BYTES("lone surrogate at byte 1"), false);
	decodes(BYTES("\"\\ud800\\ud800\\udc00\""), AL_INVALID,
			BYTES("lone surrogate at byte 1"), false);
	decodes(BYTES("\"\\ud83d\\ude00\\udfff\""), AL_INVALID,
			BYTES("lone surrogate at byte 13"), true);

	decodes(BYTES("\"a\\u0000b\""), AL_UNSUPPORTED,
			BYTES("\\u0000 cannot be converted to text at byte 2"), false);
	decodes(BYTES("\"a\\u0000b\""), AL_OK, BYTES("a\0b"), true);
}

static void
test_depth(void)
{
	size_t		depth = 300000;
	char	   *json = malloc(depth * 6);
	AlError		err = {""};
	size_t		len = 0;
	size_t		i;

	if (json == NULL)
		abort();
	for (i = 0; i < depth; i++)
		json[len++] = '[';
	for (i = 0; i < depth; i++)
		json[len++] = ']';
	tap_is_int(read_all(json, len, NULL, &err), AL_OK,
			   "300000 nested arrays are read");
	json[len - 100000] = '}';
	tap_is_int(read_all(json, len, NULL, &err), AL_INVALID,
			   "a wrong bracket deep inside is found");
	tap_ok(strcmp(err.reason, "expected a comma or \"]\" at byte 500000") == 0,
		   "  at its place");

	/* arrays and objects in turns: each close must match its own open */
	len = 0;
	for (i = 0; i < depth; i++)
	{
		if (i % 3 == 0)
			json[len++] = '[';
		else
		{
			memcpy(json + len, "{\"\":", 4);
			len += 4;
		}
	}
	json[len++] = '0';
	for (i = depth; i-- > 0;)
		json[len++] = i % 3 == 0 ? ']' : '}';
	tap_is_int(read_all(json, len, NULL, &err), AL_OK,
			   "300000 mixed containers are read");
	free(json);
}

static void
test_span(void)
{
	size_t		at;
	int			c;
	bool		right = true;

	for (at = 0; at < 24; at++)
	{
		for (c = 0; c < 256; c++)
		{
			char		bytes[24];
			bool		stops = c < 0x20 || c == '"' || c == '\\';

			memset(bytes, 'a', sizeof(bytes));
			bytes[at] = (char) c;
			if (al_json_span(bytes, sizeof(bytes)) !=
				(stops ? at : sizeof(bytes)))
				right = false;
		}
	}
	tap_ok(right, "the plain span ends at the right byte in every position");
}

int
main(void)
{
	test_grammar();
	test_utf8();
	test_utf8_exhaustive();
	test_decode();
	test_depth();
	test_span();
	return tap_done();
}
