/*
 * test/unit/test_canon.c
 *
 * Canonical forms: published vectors, the rules one by one, and properties
 * over random values.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/canon.h"
#include "jsongen.h"
#include "tap.h"

#define BYTES(literal) (literal), (sizeof(literal) - 1)

typedef AlStatus (*Form) (const char *, size_t, AlBuf *, AlError *);

/* Gives the input on the heap, without a byte after it. */
static AlStatus
run(Form form, const char *json, size_t len, AlBuf *out, AlError *err)
{
	char	   *copy = malloc(len ? len : 1);
	AlStatus	status;

	if (copy == NULL)
		abort();
	memcpy(copy, json, len);
	status = form(copy, len, out, err);
	free(copy);
	return status;
}

static void
gives(Form form, const char *json, const char *want, size_t want_len,
	  const char *name)
{
	AlBuf		out = {0};
	AlError		err = {""};
	AlStatus	status;

	/* what is there already must stay */
	al_buf_append_str(&out, "<");
	status = run(form, json, strlen(json), &out, &err);
	if (status != AL_OK)
	{
		tap_ok(false, "%s", name);
		printf("# %s\n", err.reason);
	}
	else
		tap_is_bytes(out.data + 1, out.len - 1, want, want_len, name);
	al_buf_free(&out);
}

static void
pipe_is(const char *json, const char *want, const char *name)
{
	gives(al_canon_pipe, json, want, strlen(want), name);
}

static void
strict_is(const char *json, const char *want, const char *name)
{
	gives(al_canon_strict, json, want, strlen(want), name);
}

static void
refused(Form form, const char *json, AlStatus want, const char *reason)
{
	AlBuf		out = {0};
	AlError		err = {""};

	al_buf_append_str(&out, "<");
	tap_is_int(run(form, json, strlen(json), &out, &err), want, reason);
	if (!tap_ok(strcmp(err.reason, reason) == 0 && out.len == 1,
				"  with that reason and nothing appended"))
		printf("# %s\n", err.reason);
	tap_is_int(run(form, json, strlen(json), &out, NULL), want,
			   "  also to a caller who wants no reason");
	al_buf_free(&out);
}

static void
test_kong_record(void)
{
	static const char record[] =
		"{\n"
		"    \"client_ip\": \"127.0.0.1\",\n"
		"    \"method\": \"GET\",\n"
		"    \"path\": \"/status\",\n"
		"    \"payload\": null,\n"
		"    \"request_id\": \"Ka2GeB13RkRIbMwBHw0xqe2EEfY0uZG0\",\n"
		"    \"request_timestamp\": 1581617463,\n"
		"    \"signature\": \"l2LWYaRIHfXglFa5ehFc2j9ijfERazxisKVtJnYa+QUz2ck"
		"cytxfOLuA4VKEWHgY7cCLdn5C7uRJzE6es5V2SoOV59NOpskkr5lTt9kzao64UEw5UNO"
		"deZYZKwyhG9Ge7IsxTK6haW0iG3a9dHqlKlwvnHZTbFM8TUV/umg8sJ1QJ/5ivXecbyH"
		"YtD5luKAI6oEgIdZPtQexRkwxlzvfR8lzeC/dDc2slSrjWRbBxNFlgfRKhDdVzVzgu8p"
		"EucgKggu67PKLkJ+bQEkxX1+Yg3czIpJyC3t6cgoggb0UNtBq1uUpswe0wdueKh6G5Gz"
		"z6XrmOjlv7zSz4gtVyEHZgg==\",\n"
		"    \"status\": 200,\n"
		"    \"ttl\": 2591995,\n"
		"    \"workspace\": \"fd51ce6e-59c0-4b6b-b991-aa708a9ff4d2\"\n"
		"}\n";
	static const char want[] =
		"127.0.0.1|GET|/status|Ka2GeB13RkRIbMwBHw0xqe2EEfY0uZG0|1581617463|"
		"200|fd51ce6e-59c0-4b6b-b991-aa708a9ff4d2";

	pipe_is(record, want, "the signed record of the Kong page");
	pipe_is("{\"dao_name\":\"consumers\",\"entity\":\"{\\\"username\\\":"
			"\\\"bob\\\",\\\"type\\\":0}\",\"entity_key\":\"16787ed7\","
			"\"expire\":1544723418009,\"operation\":\"create\"}",
			"consumers|{\"username\":\"bob\",\"type\":0}|16787ed7|create",
			"an object record: the entity is a string, expire is dropped");
}

static void
test_pipe_rules(void)
{
	char		expected[200];

	pipe_is("{}", "", "an empty object gives nothing");
	pipe_is("[]", "", "an empty array gives nothing");
	pipe_is("null", "", "a null gives nothing");
	pipe_is(" \"x\" ", "x", "a top-level string is accepted");
	pipe_is("42", "42", "a top-level number is accepted");
	pipe_is("true", "true", "a top-level boolean is accepted");
	pipe_is("[3,1,2]", "3|1|2", "arrays keep their order");
	pipe_is("{\"b\":1,\"a\":2}", "2|1", "keys are sorted");
	pipe_is("{\"a\":\"\"}", "", "a lone empty string is an empty element");
	pipe_is("{\"a\":\"\",\"b\":\"\"}", "|", "two empty strings");
	pipe_is("{\"a\":\"\",\"b\":null,\"c\":\"\",\"d\":\"x\"}", "||x",
			"nulls give no element, empty strings do");
	pipe_is("{\"a\":{},\"b\":[],\"c\":[[],{}],\"d\":1}", "1",
			"empty containers give no element");
	pipe_is("{\"c\":1,\"a\":{\"z\":2,\"y\":[3,{\"k\":4,\"j\":null}]},\"b\":5}",
			"3|4|2|5|1", "nested containers are flattened in key order");
	pipe_is("[null,[null],{\"a\":null}]", "", "nulls are dropped everywhere");
	pipe_is("{\"a\":true,\"b\":false}", "true|false", "booleans");
	pipe_is("{\"a\":\"x|y\",\"b\":\"l1\\nl2\"}", "x|y|l1\nl2",
			"pipes and newlines in values stay as they are");
	pipe_is("{\"a\":\"\\u00e9\\ud83d\\ude00\\/\"}",
			"\xC3\xA9\xF0\x9F\x98\x80/", "escapes are decoded");

	pipe_is("{\"signature\":1,\"ttl\":2,\"expire\":3,\"x\":4}", "4",
			"signature, ttl and expire are dropped at the top");
	pipe_is("{\"x\":{\"signature\":1,\"ttl\":2,\"expire\":3}}", "3|1|2",
			"but not below it");
	pipe_is("[{\"ttl\":2}]", "2", "nor in a top-level array");
	pipe_is("{\"t\\u0074l\":2,\"si\\u0067nature\":1,\"a\":3}", "3",
			"also when spelled with escapes");
	pipe_is("{\"ttls\":1,\"TTL\":2,\"tt\":3,\"expires\":4,\"\":5}",
			"5|2|4|3|1", "names that only resemble them stay");
	pipe_is("{\"ttl\":{\"a\":[1]},\"b\":2}", "2", "with all that they hold");

	pipe_is("{\"a\":1,\"a\":2}", "2", "the last duplicate wins");
	pipe_is("{\"a\":1,\"b\":3,\"\\u0061\":null}", "3",
			"also when it is null and spelled differently");
	pipe_is("{\"a\":{\"x\":1},\"a\":{\"y\":2},\"a\":{\"z\":3}}", "3",
			"duplicates are not merged");
	pipe_is("{\"c\":9,\"a\":1,\"a\":2,\"b\":5,\"b\":6,\"c\":7}", "2|6|7",
			"duplicates of several keys");

	pipe_is("{\"a\":1,\"B\":2,\"_\":3,\"\":4,\"10\":5,\"9\":6}",
			"4|5|6|2|3|1", "keys compare as bytes, not by any locale");
	pipe_is("{\"ab\":1,\"a\":2,\"a\\u0001\":3,\"aa\":4}", "2|3|4|1",
			"a prefix comes first");
	pipe_is("{\"\\ud83d\\ude00\":1,\"\\ufb33\":2,\"\xC3\xA9\":3,\"z\":4}",
			"4|3|2|1", "keys beyond ASCII compare as UTF-8 bytes");
	snprintf(expected, sizeof(expected), "%s|%s", "x", "y");
	pipe_is("{\"k\\u0062\":\"y\",\"ka\":\"x\"}", expected,
			"an escaped key is sorted by what it means");

	refused(al_canon_pipe, "", AL_INVALID, "unexpected end of JSON at byte 0");
	refused(al_canon_pipe, "{\"a\":1", AL_INVALID,
			"unexpected end of JSON at byte 6");
	refused(al_canon_pipe, "[1,2]x", AL_INVALID,
			"text after the JSON value at byte 5");
	refused(al_canon_pipe, "{\"a\":\"\\u0000\"}", AL_UNSUPPORTED,
			"\\u0000 cannot be converted to text at byte 6");
	refused(al_canon_pipe, "{\"a\\u0000\":1}", AL_UNSUPPORTED,
			"\\u0000 cannot be converted to text at byte 3");
	refused(al_canon_pipe, "{\"a\":\"\\ud800\"}", AL_INVALID,
			"lone surrogate at byte 6");
	refused(al_canon_pipe, "{\"\\udfff\":1}", AL_INVALID,
			"lone surrogate at byte 2");
	refused(al_canon_pipe, "[\"\xFF\"]", AL_INVALID,
			"invalid UTF-8 at byte 2");
}

static void
pipe_zeros(const char *json, const char *before, size_t zeros,
		   const char *after, const char *name)
{
	AlBuf		want = {0};
	size_t		i;

	al_buf_append_str(&want, before);
	for (i = 0; i < zeros; i++)
		al_buf_append_char(&want, '0');
	al_buf_append_str(&want, after);
	gives(al_canon_pipe, json, want.data, want.len, name);
	al_buf_free(&want);
}

static void
test_pipe_numbers(void)
{
	static const char *const pairs[][2] = {
		{"0", "0"}, {"-0", "0"}, {"-0.0", "0"}, {"0.000", "0"},
		{"0e5", "0"}, {"-0E-5", "0"}, {"0e999999999999999999999", "0"},
		{"0e-999999999999999999999", "0"},
		{"1", "1"}, {"-1", "-1"}, {"10", "10"}, {"100", "100"},
		{"-1200", "-1200"}, {"1581617463", "1581617463"},
		{"9223372036854775808", "9223372036854775808"},
		{"18446744073709551616", "18446744073709551616"},
		{"123456789012345678901234567890123456789012345678901234567890",
		"123456789012345678901234567890123456789012345678901234567890"},
		{"1.0", "1"}, {"1.50", "1.5"}, {"-1.50", "-1.5"}, {"1.05", "1.05"},
		{"100.00", "100"}, {"0.5", "0.5"}, {"0.10", "0.1"},
		{"1e3", "1000"}, {"1E3", "1000"}, {"1e+3", "1000"}, {"1e0", "1"},
		{"1.5e3", "1500"}, {"1.2345e2", "123.45"}, {"12.30e1", "123"},
		{"1200e-2", "12"}, {"1234e-2", "12.34"}, {"1e-1", "0.1"},
		{"1E-7", "0.0000001"}, {"-2.50e-3", "-0.0025"},
		{"0.00012e2", "0.012"}, {"0.00012e6", "120"}, {"0.0120e4", "120"},
		{"1e00003", "1000"}, {"100e-2", "1"}, {"1000e-1", "100"},
		{"0.1e1", "1"}, {"10.01e2", "1001"}, {"10.010e1", "100.1"},
		{"3.141592653589793238462643383279502884197169399375105820974944",
		"3.141592653589793238462643383279502884197169399375105820974944"}
	};
	AlBuf		long_json = {0};
	size_t		i;

	for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
	{
		char		name[100];

		snprintf(name, sizeof(name), "the number %s", pairs[i][0]);
		pipe_is(pairs[i][0], pairs[i][1], name);
	}
	pipe_zeros("1e131071", "1", 131071, "", "the largest power of ten");
	pipe_zeros("1e-16383", "0.", 16382, "1", "the smallest power of ten");
	pipe_zeros("0.01e131073", "1", 131071, "", "leading zeros are no digits");
	pipe_zeros("1000e-16386", "0.", 16382, "1", "nor are trailing ones");
	refused(al_canon_pipe, "[1e131072]", AL_UNSUPPORTED,
			"number out of range at byte 1");
	refused(al_canon_pipe, "[1e-16384]", AL_UNSUPPORTED,
			"number out of range at byte 1");
	refused(al_canon_pipe, "1.5e-16383", AL_UNSUPPORTED,
			"number out of range at byte 0");
	refused(al_canon_pipe, "-10e131071", AL_UNSUPPORTED,
			"number out of range at byte 0");
	refused(al_canon_pipe, "[0,1e99999999999999999999999]", AL_UNSUPPORTED,
			"number out of range at byte 3");
	refused(al_canon_pipe, "1e-99999999999999999999999", AL_UNSUPPORTED,
			"number out of range at byte 0");
	refused(al_canon_pipe, "1e18446744073709551616", AL_UNSUPPORTED,
			"number out of range at byte 0");

	/* an integer is its own canonical form at any size */
	al_buf_append_char(&long_json, '9');
	for (i = 0; i < 200000; i++)
		al_buf_append_char(&long_json, '0');
	al_buf_append_char(&long_json, '\0');
	gives(al_canon_pipe, long_json.data, long_json.data, long_json.len - 1,
		  "an integer of 200001 digits");
	al_buf_free(&long_json);
}

static void
test_strict_rules(void)
{
	strict_is("{}", "{}", "strict: an empty object");
	strict_is("[ ]", "[]", "strict: an empty array");
	strict_is(" null ", "null", "strict: a null");
	strict_is("[[],{},[{}],{\"a\":[]}]", "[[],{},[{}],{\"a\":[]}]",
			  "strict: empty containers in others");
	strict_is("{\"ttl\":1,\"signature\":null,\"expire\":2}",
			  "{\"expire\":2,\"signature\":null,\"ttl\":1}",
			  "strict: nothing is dropped");
	strict_is("{ \"b\" : [ 1 , 2 ] , \"a\" : { \"d\" : true , \"c\" : \"\" } "
			  "}",
			  "{\"a\":{\"c\":\"\",\"d\":true},\"b\":[1,2]}",
			  "strict: no whitespace, members sorted at every depth");
	strict_is("\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001F\\u0020\\\"\\\\\\/"
			  "\\u007f\\u0080\\u2028\"",
			  "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/"
			  "\x7F\xC2\x80\xE2\x80\xA8\"", "strict: the shortest escapes");
	strict_is("{\"a\\u0000\":1,\"a\":2,\"\\u0000\":3}",
			  "{\"\\u0000\":3,\"a\":2,\"a\\u0000\":1}",
			  "strict: zero characters in keys");

	/* the examples of RFC 8785, less the one number that is not exact */
	strict_is("{\n  \"numbers\": [333333333.3333333, 1E30, 4.50,\n"
			  "              2e-3, 0.000000000000000000000000001],\n"
			  "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c"
			  "\\\\\\\"\\/\",\n"
			  "  \"literals\": [null, true, false]\n}",
			  "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,"
			  "1e+30,4.5,0.002,1e-27],\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B"
			  "\\\"\\\\\\\\\\\"/\"}", "strict: RFC 8785, section 3.2.2");
	strict_is("{\n  \"\\u20ac\": \"Euro Sign\",\n  \"\\r\": \"Carriage Return"
			  "\",\n  \"\\ufb33\": \"Hebrew Letter Dalet With Dagesh\",\n"
			  "  \"1\": \"One\",\n  \"\\ud83d\\ude00\": \"Emoji: Grinning Face"
			  "\",\n  \"\\u0080\": \"Control\",\n  \"\\u00f6\": \"Latin Small "
			  "Letter O With Diaeresis\"\n}",
			  "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xC2\x80\":"
			  "\"Control\",\"\xC3\xB6\":\"Latin Small Letter O With Diaeresis"
			  "\",\"\xE2\x82\xAC\":\"Euro Sign\",\"\xF0\x9F\x98\x80\":\"Emoji"
			  ": Grinning Face\",\"\xEF\xAC\xB3\":\"Hebrew Letter Dalet With "
			  "Dagesh\"}", "strict: RFC 8785, section 3.2.3");

	refused(al_canon_strict, "{\"a\":1,\"a\":1}", AL_UNSUPPORTED,
			"duplicate key of the value at byte 11");
	refused(al_canon_strict, "[{\"b\":0,\"a\":[],\"\\u0061\":{}}]",
			AL_UNSUPPORTED, "duplicate key of the value at byte 24");
	refused(al_canon_strict, "\"\\udead\"", AL_INVALID,
			"lone surrogate at byte 1");
	refused(al_canon_strict, "{\"\\ud800\":1}", AL_INVALID,
			"lone surrogate at byte 2");
	refused(al_canon_strict, "[1,]", AL_INVALID,
			"expected a value at byte 3");
}

static void
test_strict_numbers(void)
{
	/* RFC 8785, appendix B, and what lies at the edges of a double */
	static const char *const same[] = {
		"0", "5e-324", "-5e-324", "1.7976931348623157e+308",
		"-1.7976931348623157e+308", "9007199254740992", "-9007199254740992",
		"295147905179352830000", "9.999999999999997e+22", "1e+23",
		"1.0000000000000001e+23", "999999999999999700000",
		"999999999999999900000", "1e+21", "9.999999999999997e-7", "0.000001",
		"333333333.3333332", "333333333.33333325", "333333333.3333333",
		"333333333.3333334", "333333333.33333343", "-0.0000033333333333333333",
		"1424953923781206.2", "0.1", "1e-7", "1.5e-7", "0.3", "123456.789",
		"9007199254740991", "9007199254740994", "1e+300",
		"100000000000000000000", "2.2250738585072014e-308",
		"2.225073858507201e-308", "1e-323", "5.684341886080802e-14",
		"5.684341886080801e-14",
		"4.450147717014403e-308", "1e+22", "6e+307", "9.0802079274763e+307",
		"4.4501477170144e-308"
	};
	static const char *const other[][2] = {
		{"-0", "0"}, {"-0.0e7", "0"}, {"1.0", "1"}, {"1e2", "100"},
		{"4.50", "4.5"}, {"1E21", "1e+21"},
		{"1000000000000000000000", "1e+21"},
		{"1000000000000000000000.0", "1e+21"}, {"0.0000001", "1e-7"},
		{"12300000000000000000000", "1.23e+22"}, {"0.0000010", "0.000001"},
		{"123456789e-3", "123456.789"}, {"10e20", "1e+21"}, {"1e20",
		"100000000000000000000"}, {"90071992547409920e-1", "9007199254740992"}
	};
	static const char *const refuse[] = {
		"9007199254740993", "-9007199254740993", "333333333.33333329",
		"0.1000000000000000055511151231257827", "18446744073709551615",
		"9223372036854775807", "3.14159265358979323846", "1e309", "-1e309",
		"1e99999999999999999999", "1e-400", "2e-324", "3e-324", "4.9e-324",
		"1.7976931348623159e308", "0.30000000000000001", "1e-324",
		"12345678901234567", "5.6843418860808015e-14",
		"2.2250738585072011e-308", "6e-324"
	};
	size_t		i;
	char		name[100];

	for (i = 0; i < sizeof(same) / sizeof(*same); i++)
	{
		snprintf(name, sizeof(name), "strict: %s stays", same[i]);
		strict_is(same[i], same[i], name);
	}
	for (i = 0; i < sizeof(other) / sizeof(*other); i++)
	{
		snprintf(name, sizeof(name), "strict: %s", other[i][0]);
		strict_is(other[i][0], other[i][1], name);
	}
	for (i = 0; i < sizeof(refuse) / sizeof(*refuse); i++)
		refused(al_canon_strict, refuse[i], AL_UNSUPPORTED,
				"number that a double does not hold, "
				"to be written as a string, at byte 0");
}

/*
 * Random doubles in the shortest of the decimals that read back, found the
 * slow way, are printed as they are; with one more digit they are refused.
 */
static void
test_strict_doubles(void)
{
	int			round;
	int			wrong = 0;
	int			refused_longer = 0;
	int			longer = 0;

	for (round = 0; round < 20000 && wrong < 5; round++)
	{
		uint64_t	bits = gen_random64();
		double		value;
		char		shortest[40];
		char		text[60];
		int			digits;
		AlBuf		out = {0};
		AlError		err = {""};

		/* every fourth a power of two, where rounding is not symmetric */
		if (round % 4 == 0)
			bits &= 0x7FF0000000000000u;
		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value) || value == 0)
			continue;
		for (digits = 1; digits <= 17; digits++)
		{
			snprintf(shortest, sizeof(shortest), "%.*e", digits - 1, value);
			if (strtod(shortest, NULL) == value)
				break;
		}
		if (run(al_canon_strict, shortest, strlen(shortest), &out,
				&err) != AL_OK)
		{
			/* the neighbour that the slow way does not look at */
			if (round % 4 != 0)
			{
				wrong++;
				printf("# %s: %s\n", shortest, err.reason);
			}
			al_buf_free(&out);
			continue;
		}
		al_buf_append_char(&out, '\0');
		if (strtod(out.data, NULL) != value)
		{
			wrong++;
			printf("# %s became %s\n", shortest, out.data);
		}
		al_buf_free(&out);
		if (digits < 17)
		{
			longer++;
			snprintf(text, sizeof(text), "%.17e", value);
			if (strtod(text, NULL) == value &&
				run(al_canon_strict, text, strlen(text), &out, NULL) ==
				AL_UNSUPPORTED)
				refused_longer++;
			al_buf_free(&out);
		}
	}
	tap_is_int(wrong, 0, "strict: random doubles keep their shortest form");
	tap_ok(longer > 0 && refused_longer > longer / 2,
		   "strict: their longer forms are refused (%d of %d)",
		   refused_longer, longer);
}

static void
test_pairs(void)
{
	static const char *const pairs[][2] = {
		{"{\"a\":\"x|y\"}", "{\"a\":\"x\",\"b\":\"y\"}"},
		{"{\"a\":1}", "{\"a\":\"1\"}"},
		{"{\"a\":1}", "{\"b\":1}"},
		{"{\"a\":null}", "{}"},
		{"{\"a\":[]}", "{\"a\":{}}"},
		{"{\"a\":{\"b\":1}}", "{\"a\":[1]}"},
		{"{\"a\":true}", "{\"a\":\"true\"}"},
		{"{\"a\":\"\",\"b\":\"|\"}", "{\"a\":\"|\",\"b\":\"\"}"},
		{"{\"ttl\":1}", "{\"ttl\":2}"},
		{"[[1,2],3]", "[1,[2,3]]"}
	};
	size_t		i;

	for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
	{
		AlBuf		pipe[2] = {{0}, {0}};
		AlBuf		strict[2] = {{0}, {0}};
		int			k;

		for (k = 0; k < 2; k++)
		{
			const char *json = pairs[i][k];

			if (run(al_canon_pipe, json, strlen(json), &pipe[k], NULL) ||
				run(al_canon_strict, json, strlen(json), &strict[k], NULL))
				abort();
		}
		tap_ok(pipe[0].len == pipe[1].len &&
			   (pipe[0].len == 0 ||
				memcmp(pipe[0].data, pipe[1].data, pipe[0].len) == 0),
			   "%s and %s are one in pipe form", pairs[i][0], pairs[i][1]);
		tap_ok(strict[0].len != strict[1].len ||
			   memcmp(strict[0].data, strict[1].data, strict[0].len) != 0,
			   "  and two in strict form");
		for (k = 0; k < 2; k++)
		{
			al_buf_free(&pipe[k]);
			al_buf_free(&strict[k]);
		}
	}
}

static void
test_size(void)
{
	size_t		depth = 200000;
	AlBuf		json = {0};
	AlBuf		want = {0};
	size_t		i;

	for (i = 0; i < depth; i++)
		al_buf_append_str(&json, i % 2 ? "[" : "{\"b\":1,\"a\":");
	al_buf_append_str(&json, "\"deep\"");
	al_buf_append_str(&want, "deep");
	for (i = depth; i-- > 0;)
	{
		al_buf_append_char(&json, i % 2 ? ']' : '}');
		if (i % 2 == 0)
			al_buf_append_str(&want, "|1");
	}
	al_buf_append_char(&json, '\0');
	gives(al_canon_pipe, json.data, want.data, want.len,
		  "200000 levels are no danger to the stack");
	al_buf_reset(&want);
	tap_is_int(run(al_canon_strict, json.data, json.len - 1, &want, NULL),
			   AL_OK, "strict: nor are they here");
	tap_is_int((long long) want.len, (long long) json.len - 1,
			   "  and all of them come out");
	al_buf_reset(&json);
	al_buf_reset(&want);

	/* many members, in the worst order for a sort that is not one */
	al_buf_append_char(&json, '{');
	for (i = 300000; i-- > 0;)
	{
		char		member[40];

		snprintf(member, sizeof(member), "\"%06zu\":%zu%s", i, i,
				 i > 0 ? "," : "}");
		al_buf_append_str(&json, member);
	}
	for (i = 0; i < 300000; i++)
	{
		char		element[24];

		snprintf(element, sizeof(element), "%s%zu", i > 0 ? "|" : "", i);
		al_buf_append_str(&want, element);
	}
	al_buf_append_char(&json, '\0');
	gives(al_canon_pipe, json.data, want.data, want.len, "300000 members");
	al_buf_free(&json);
	al_buf_free(&want);
}

static bool
same_bytes(const AlBuf *a, const AlBuf *b)
{
	return a->len == b->len &&
		(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Random values against the naive implementation of jsongen.h. */
static void
test_random(void)
{
	int			round;
	int			wrong[3] = {0, 0, 0};
	int			refusals = 0;

	for (round = 0; round < 20000; round++)
	{
		GenValue   *value = gen_value(4);
		AlBuf		json = {0};
		AlBuf		got = {0};
		AlBuf		want = {0};
		bool		good;

		/* with duplicates first: only the pipe form knows what they mean */
		gen_write(value, &json);
		run(al_canon_pipe, json.data, json.len, &got, NULL);
		gen_unique(value);
		gen_sort(value, false);
		al_buf_append_char(&want, '-');
		gen_pipe(value, &want);
		if (want.len > 1)
			memmove(want.data, want.data + 2, want.len -= 2);
		else
			want.len = 0;
		if (!same_bytes(&got, &want) && wrong[0]++ < 3)
		{
			tap_show("json", json.data, json.len);
			tap_show("got ", got.data, got.len);
			tap_show("want", want.data, want.len);
		}

		/* another spelling of the same value */
		gen_shuffle(value);
		al_buf_reset(&json);
		al_buf_reset(&got);
		gen_write(value, &json);
		run(al_canon_pipe, json.data, json.len, &got, NULL);
		wrong[1] += !same_bytes(&got, &want);

		al_buf_reset(&got);
		al_buf_reset(&want);
		gen_sort(value, true);
		good = gen_strict(value, &want);
		refusals += !good;
		if (run(al_canon_strict, json.data, json.len, &got, NULL) !=
			(good ? AL_OK : AL_UNSUPPORTED) ||
			(good && !same_bytes(&got, &want)))
		{
			if (wrong[2]++ < 3)
			{
				tap_show("json", json.data, json.len);
				tap_show("got ", got.data, got.len);
				tap_show("want", want.data, want.len);
			}
		}

		/* what is canonical stays as it is */
		if (good)
		{
			al_buf_reset(&json);
			run(al_canon_strict, got.data, got.len, &json, NULL);
			wrong[2] += !same_bytes(&got, &json);
		}
		gen_free(value);
		al_buf_free(&json);
		al_buf_free(&got);
		al_buf_free(&want);
	}
	tap_is_int(wrong[0], 0, "random values have the naive pipe form");
	tap_is_int(wrong[1], 0, "which no order and no spelling changes");
	tap_is_int(wrong[2], 0, "random values have the naive strict form");
	tap_ok(refusals > 100 && refusals < round - 100,
		   "of which some are refused (%d of %d)", refusals, round);
}

/* Strings of all lengths around the writer's internal chunks. */
static void
test_lengths(void)
{
	static const char pieces[] = "aaaaaaaa\n\"\\\x01\x1F~";
	char		text[1200];
	int			density;
	int			wrong = 0;
	size_t		len;

	for (density = 1; density <= 64; density *= 8)
	{
		for (len = 0; len < sizeof(text); len++)
		{
			AlBuf		out = {0};
			AlBuf		want = {0};
			AlCanonJcs	jcs;
			size_t		i;

			for (i = 0; i < len; i++)
				text[i] = gen_random(density) == 0 ?
					pieces[gen_random((int) sizeof(pieces) - 1)] : 'x';
			text[len] = '\0';
			al_canon_jcs_begin(&jcs, &out);
			al_canon_jcs_put(&jcs, "k", 1, text, len);
			wrong += al_canon_jcs_end(&jcs, NULL) != AL_OK;
			al_buf_append_str(&want, "{\"k\":");
			gen_strict_string(text, &want);
			al_buf_append_char(&want, '}');
			wrong += !same_bytes(&out, &want);
			al_buf_free(&out);
			al_buf_free(&want);
		}
	}
	tap_is_int(wrong, 0, "writer: strings of every length");
}

static void
test_jcs_writer(void)
{
	AlBuf		out = {0};
	AlBuf		again = {0};
	AlCanonJcs	jcs;
	AlError		err = {""};

	al_buf_append_char(&out, '<');
	al_canon_jcs_begin(&jcs, &out);
	tap_is_int(al_canon_jcs_end(&jcs, &err), AL_OK, "writer: no member");
	tap_is_bytes(out.data, out.len, BYTES("<{}"), "  is an empty object");

	al_buf_reset(&out);
	al_canon_jcs_begin(&jcs, &out);
	al_canon_jcs_put(&jcs, BYTES(""), BYTES(""));
	al_canon_jcs_put(&jcs, BYTES("a"), NULL, 0);
	al_canon_jcs_put(&jcs, BYTES("a\""), BYTES("x\"y\\z\n\x01\0end"));
	al_canon_jcs_put(&jcs, BYTES("\xF0\x9F\x98\x80"), BYTES("\xC3\xA9"));
	al_canon_jcs_put(&jcs, BYTES("\xEE\x80\x80"), BYTES("0123456789abcdef"));
	tap_is_int(al_canon_jcs_end(&jcs, &err), AL_OK, "writer: some members");
	tap_is_bytes(out.data, out.len,
				 BYTES("{\"\":\"\",\"a\":null,\"a\\\"\":\"x\\\"y\\\\z\\n"
					   "\\u0001\\u0000end\",\"\xF0\x9F\x98\x80\":\"\xC3\xA9\","
					   "\"\xEE\x80\x80\":\"0123456789abcdef\"}"),
				 "  are written in the strict form");
	tap_is_int(al_canon_strict(out.data, out.len, &again, &err), AL_OK,
			   "  which the parser takes");
	tap_is_bytes(again.data, again.len, out.data, out.len,
				 "  and leaves as it is");

	al_buf_reset(&out);
	al_buf_append_char(&out, '<');
	al_canon_jcs_begin(&jcs, &out);
	al_canon_jcs_put(&jcs, BYTES("b"), BYTES("1"));
	al_canon_jcs_put(&jcs, BYTES("a"), BYTES("2"));
	al_canon_jcs_put(&jcs, BYTES("c"), BYTES("3"));
	tap_is_int(al_canon_jcs_end(&jcs, &err), AL_INVALID,
			   "writer: keys out of order are refused");
	tap_ok(strcmp(err.reason, "keys are not in order") == 0 && out.len == 1,
		   "  with a reason and nothing appended");
	al_canon_jcs_begin(&jcs, &out);
	al_canon_jcs_put(&jcs, BYTES("a"), BYTES("1"));
	al_canon_jcs_put(&jcs, BYTES("a"), BYTES("2"));
	tap_is_int(al_canon_jcs_end(&jcs, NULL), AL_INVALID,
			   "writer: so is a key put twice");

	out.failed = true;
	al_canon_jcs_begin(&jcs, &out);
	al_canon_jcs_put(&jcs, BYTES("a"), BYTES("1"));
	tap_is_int(al_canon_jcs_end(&jcs, &err), AL_NO_MEMORY,
			   "writer: a failed allocation is reported");
	tap_is_int(al_canon_pipe(BYTES("[1]"), &out, &err), AL_NO_MEMORY,
			   "  by the parsing forms too");
	al_buf_free(&out);
	al_buf_free(&again);
}

static AlStatus
lay_out(AlCanonLayout *layout, const char *key)
{
	AlError		err = {""};
	AlStatus	status = al_canon_jcs_lay_out(layout, key, &err);

	if (status != AL_OK && err.reason[0] == '\0')
		return AL_FAILED;
	return status;
}

/* Keys that are laid out beforehand, with every choice of nulls among them. */
static void
test_jcs_layout(void)
{
	static const char *const keys[] = {"A", "_", "a", "a1", "aa", "ab_c",
	"twenty_two_letters_abcd"};
	AlCanonLayout layout = {0};
	AlCanonLayout full = {0};
	AlBuf		out = {0};
	AlBuf		want = {0};
	AlCanonJcs	jcs;
	AlStatus	status = AL_OK;
	size_t		count = sizeof(keys) / sizeof(keys[0]);
	size_t		i;
	unsigned	choice;
	int			equal = 0;
	int			printed = 0;

	for (i = 0; i < count && status == AL_OK; i++)
		status = lay_out(&layout, keys[i]);
	tap_is_int(status, AL_OK, "layout: keys in order are taken");

	for (choice = 0; choice < 1u << count; choice++)
	{
		al_buf_reset(&want);
		al_canon_jcs_begin(&jcs, &want);
		for (i = 0; i < count; i++)
			al_canon_jcs_put(&jcs, keys[i], strlen(keys[i]),
							 choice >> i & 1 ? NULL : i % 2 ? "x\"y\n" : "x,y",
							 i % 2 ? 4 : 3);
		(void) al_canon_jcs_end(&jcs, NULL);
		al_buf_reset(&out);
		al_canon_jcs_begin(&jcs, &out);
		for (i = 0; i < count;)
		{
			size_t		nulls = 0;

			while (i + nulls < count && choice >> (i + nulls) & 1)
				nulls++;
			al_canon_jcs_put_nulls(&jcs, &layout, i, nulls);
			i += nulls;
			if (i < count && i % 2)
				al_canon_jcs_put_at(&jcs, &layout, i, "x\"y\n", 4);
			else if (i < count)
				al_canon_jcs_put_plain(&jcs, &layout, i, "x,y", 3);
			i++;
		}
		if (al_canon_jcs_end(&jcs, NULL) == AL_OK && out.len == want.len &&
			memcmp(out.data, want.data, out.len) == 0)
			equal++;

		/* All but the brace at the end, as it was printed */
		al_buf_reset(&out);
		al_canon_jcs_begin(&jcs, &out);
		al_canon_jcs_put_printed(&jcs, want.data, 0);
		al_canon_jcs_put_printed(&jcs, want.data, want.len / 2);
		al_canon_jcs_put_printed(&jcs, want.data + want.len / 2,
								 want.len - want.len / 2 - 1);
		if (al_canon_jcs_end(&jcs, NULL) == AL_OK && out.len == want.len &&
			memcmp(out.data, want.data, out.len) == 0)
			printed++;
	}
	tap_is_int(equal, 1 << count,
			   "layout: objects of it are those that keys make");
	tap_is_int(printed, 1 << count, "  and those that were printed before");

	tap_is_int(lay_out(&layout, "a"), AL_INVALID,
			   "layout: a key out of order is refused");
	tap_is_int(lay_out(&layout, "twenty_two_letters_abcd"), AL_INVALID,
			   "  and one that comes again");
	tap_is_int(lay_out(&layout, "twenty_four_letters_abcde"), AL_INVALID,
			   "  and one that is too long");
	tap_is_int(lay_out(&layout, "u\"v"), AL_INVALID,
			   "  and one that would be escaped");
	for (i = 0; i < AL_CANON_LAYOUT_KEYS; i++)
	{
		char		key[] = "the_longest_there_is__a";

		key[sizeof(key) - 2] = (char) ('a' + i);
		if (lay_out(&full, key) != AL_OK)
			break;
	}
	tap_ok(i == AL_CANON_LAYOUT_KEYS && lay_out(&full, "z") == AL_INVALID,
		   "  and one more than there is room for");
	al_buf_reset(&out);
	al_canon_jcs_begin(&jcs, &out);
	al_canon_jcs_put_nulls(&jcs, &full, 0, i - 1);
	al_canon_jcs_put_plain(&jcs, &full, i - 1, "1", 1);
	tap_ok(al_canon_jcs_end(&jcs, NULL) == AL_OK &&
		   out.len == 1 + i * (AL_CANON_KEY_SIZE - 1) - 1,
		   "  which does not spoil it");

	out.failed = true;
	al_canon_jcs_begin(&jcs, &out);
	al_canon_jcs_put_at(&jcs, &layout, 0, "1", 1);
	al_canon_jcs_put_plain(&jcs, &layout, 1, "1", 1);
	al_canon_jcs_put_nulls(&jcs, &layout, 2, 1);
	tap_is_int(al_canon_jcs_end(&jcs, NULL), AL_NO_MEMORY,
			   "layout: a failed allocation is reported");
	al_buf_free(&out);
	al_buf_free(&want);
}

int
main(void)
{
	gen_seed();
	test_kong_record();
	test_pipe_rules();
	test_pipe_numbers();
	test_strict_rules();
	test_strict_numbers();
	test_strict_doubles();
	test_pairs();
	test_size();
	test_random();
	test_jcs_writer();
	test_jcs_layout();
	test_lengths();
	return tap_done();
}
