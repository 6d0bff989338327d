/*
 * test/unit/test_redact.c
 *
 * Removing keys: what goes, what stays byte for byte, and the names listed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "core/json.h"
#include "core/redact.h"
#include "jsongen.h"
#include "tap.h"

#define BYTES(literal) (literal), (sizeof(literal) - 1)

typedef AlStatus (*Redact) (const AlRedactRules *, const char *, size_t,
							AlBuf *, AlBuf *, bool *, AlError *);

static AlRedactRules *
compile(const char *list)
{
	AlRedactRules *rules;
	AlError		err = {""};

	if (al_redact_rules_compile(list, strlen(list), &rules, &err) != AL_OK)
	{
		printf("Bail out! %s\n", err.reason);
		exit(1);
	}
	return rules;
}

static bool
contains(AlBuf *buf, const char *text)
{
	bool		found;

	al_buf_append_char(buf, '\0');
	found = strstr(buf->data, text) != NULL;
	buf->len--;
	return found;
}

/* The input is given on the heap, without a byte after it. */
static AlStatus
run(Redact redact, const AlRedactRules *rules, const char *body, size_t len,
	AlBuf *out, AlBuf *removed, bool *changed)
{
	char	   *copy = malloc(len ? len : 1);
	AlStatus	status;

	if (copy == NULL)
		abort();
	memcpy(copy, body, len);
	status = redact(rules, copy, len, out, removed, changed, NULL);
	free(copy);
	return status;
}

/* want NULL: nothing is removed. */
static void
gives(Redact redact, const char *list, const char *body, const char *want,
	  const char *names, const char *name)
{
	AlRedactRules *rules = compile(list);
	AlBuf		out = {0};
	AlBuf		removed = {0};
	bool		changed = want == NULL;
	AlStatus	status;

	al_buf_append_char(&out, '<');
	status = run(redact, rules, body, strlen(body), &out, &removed, &changed);
	if (status != AL_OK || changed != (want != NULL))
	{
		tap_ok(false, "%s", name);
		printf("# status %d, changed %d\n", status, changed);
	}
	else if (want == NULL)
		tap_is_bytes(out.data, out.len, "<", 1, name);
	else
		tap_is_bytes(out.data + 1, out.len - 1, want, strlen(want), name);
	tap_is_bytes(removed.data, removed.len, names, strlen(names),
				 "  and lists the names");
	al_buf_free(&out);
	al_buf_free(&removed);
	al_redact_rules_free(rules);
}

static void
json_is(const char *list, const char *json, const char *want,
		const char *names, const char *name)
{
	gives(al_redact_json, list, json, want, names, name);
}

static void
form_is(const char *list, const char *body, const char *want,
		const char *names, const char *name)
{
	gives(al_redact_form, list, body, want, names, name);
}

static void
test_places(void)
{
	json_is("token", "{\"token\":1}", "{}", "token", "the only member");
	json_is("token", "{\"token\":1,\"a\":2}", "{\"a\":2}", "token",
			"the first member");
	json_is("token", "{\"a\":2,\"token\":1}", "{\"a\":2}", "token",
			"the last member");
	json_is("token", "{\"a\":2,\"token\":1,\"b\":3}", "{\"a\":2,\"b\":3}",
			"token", "a member between others");
	json_is("token,x", "{\"token\":1,\"x\":2,\"a\":3}", "{\"a\":3}", "token,x",
			"the first two members");
	json_is("token,x", "{\"a\":3,\"token\":1,\"x\":2}", "{\"a\":3}", "token,x",
			"the last two members");
	json_is("token,x", "{\"token\":1,\"a\":3,\"x\":2,\"b\":4,\"token\":5}",
			"{\"a\":3,\"b\":4}", "token,x", "members in turns");
	json_is("token,x", "{\"x\":1,\"token\":2}", "{}", "x,token",
			"all members");
	json_is("token", " { \"token\" : 1 } ", " { } ", "token",
			"whitespace around the only member");
	json_is("token", "{ \"token\" : 1 , \"a\" : 2 }", "{ \"a\" : 2 }", "token",
			"whitespace around the first member");
	json_is("token", "{ \"a\" : 2 , \"token\" : 1 }", "{ \"a\" : 2 }", "token",
			"whitespace around the last member");
	json_is("token", "{ \"a\" : 2 , \"token\" : 1 , \"b\" : 3 }",
			"{ \"a\" : 2 , \"b\" : 3 }", "token",
			"whitespace around a member between others");
	json_is("token",
			"{\n    \"a\": 1,\n    \"token\": \"x\",\n    \"b\": [\n        "
			"{\n            \"token\": null\n        }\n    ]\n}\n",
			"{\n    \"a\": 1,\n    \"b\": [\n        {\n            }\n    ]\n"
			"}\n", "token", "a printed text");
	json_is("token", "{\"a\":{\"token\":1},\"b\":[{\"token\":2},{\"token\":3,"
			"\"c\":4}],\"token\":{\"a\":1}}",
			"{\"a\":{},\"b\":[{},{\"c\":4}]}", "token", "any depth");
	json_is("token", "[[[{\"token\":1}]],{\"token\":2}]", "[[[{}]],{}]",
			"token", "in arrays");
	json_is("a,b", "{\"a\":{\"b\":1,\"c\":[{\"b\":2}]},\"d\":3}", "{\"d\":3}",
			"a", "what goes with its container is not listed");
	json_is("token", "{\"token\":{\"x\":[1,{\"y\":\"}\"}]},\"a\":\"]\"}",
			"{\"a\":\"]\"}", "token", "a value with containers and braces");
	json_is("token", "{\"a\":1.50,\"b\":\"\\u0041\\/\",\"a\":1e2,\"token\":0}",
			"{\"a\":1.50,\"b\":\"\\u0041\\/\",\"a\":1e2}", "token",
			"spellings of what stays are not touched");
	json_is("token", "\xEF\xBB\xBF{\"token\":1,\"a\":2}",
			"\xEF\xBB\xBF{\"a\":2}", "token", "after a byte order mark");
}

static void
test_keys(void)
{
	json_is("token", "{\"\\u0074oken\":1,\"to\\u006Ben\":2,\"a\":3}",
			"{\"a\":3}", "token", "keys spelled with escapes");
	json_is("\xC3\xA9\xF0\x9F\x98\x80", "{\"\\u00e9\\uD83D\\ude00\":1}", "{}",
			"\xC3\xA9\xF0\x9F\x98\x80", "keys beyond ASCII");
	json_is("a\"b", "{\"a\\\"b\":1}", "{}", "a\"b", "a key with a quote");
	json_is("token", "{\"Token\":1,\"TOKEN\":2,\"tokens\":3,\"toke\":4,"
			"\"token \":5,\"\":6}", NULL, "", "other keys stay");
	json_is("token", "{\"a\":\"token\",\"b\":[\"token\",\"\\u0074oken\"]}",
			NULL, "", "values stay");
	json_is("token", "{\"tok\\ud800en\":1,\"\\udc00\":2,\"token\\u0000\":3}",
			NULL, "", "keys that are no text stay");
	json_is("token", "{\"\\ud800\":{\"token\":1},\"a\":\"\\u0000\"}",
			"{\"\\ud800\":{},\"a\":\"\\u0000\"}", "token",
			"what lies below them does not");
	json_is("", "{\"token\":1}", NULL, "", "no rules");
	json_is(" ,, , ", "{\"\":1,\" \":2}", NULL, "", "a list of empty names");
	json_is(" token ,\tsecret\n", "{\"secret\":1,\"token\":2}", "{}",
			"secret,token", "names are trimmed");
	json_is("a b", "{\"a b\":1,\"a\":2}", "{\"a\":2}", "a b",
			"a name with a space");
	json_is("token,token, token", "{\"token\":1,\"a\":{\"token\":2}}",
			"{\"a\":{}}", "token", "a name that is listed twice");
	json_is("token", "42", NULL, "", "a scalar");
	json_is("token", "\"token\"", NULL, "", "a string");
	json_is("token", "[]", NULL, "", "an empty array");
}

static void
test_paths(void)
{
	json_is("config.password",
			"{\"config\":{\"password\":1,\"x\":2},\"password\":3}",
			"{\"config\":{\"x\":2},\"password\":3}", "config.password",
			"a path from the root");
	json_is("config.password",
			"{\"a\":{\"config\":{\"password\":1}},\"config\":2}", NULL, "",
			"the same path elsewhere");
	json_is("config.password", "{\"config\":{\"a\":{\"password\":1}}}", NULL,
			"", "a longer path");
	json_is("a.b.c", "{\"a\":{\"b\":{\"c\":1,\"d\":2},\"c\":3},\"c\":4}",
			"{\"a\":{\"b\":{\"d\":2},\"c\":3},\"c\":4}", "a.b.c",
			"three steps");
	json_is("a.b.c", "{\"a\":{\"b\":1}}", NULL, "", "a path that ends early");
	json_is("config.password", "{\"config\":[{\"password\":1},[{\"password\":"
			"2,\"a\":3}],{\"b\":{\"password\":4}}]}",
			"{\"config\":[{},[{\"a\":3}],{\"b\":{\"password\":4}}]}",
			"config.password", "arrays are transparent");
	json_is("config.password", "[{\"config\":{\"password\":1}}]",
			"[{\"config\":{}}]", "config.password", "also at the root");
	json_is("config.0.password", "{\"config\":[{\"password\":1}]}", NULL, "",
			"an index is no step");
	json_is("a.b,a.c,a.b.d,x", "{\"a\":{\"c\":1,\"b\":{\"d\":1},\"x\":2}}",
			"{\"a\":{}}", "a.c,a.b,x", "paths that share steps");
	json_is("a.b.d",
			"{\"a\":{\"b\":{\"e\":0},\"f\":0},\"a\":{\"b\":{\"d\":1}}}",
			"{\"a\":{\"b\":{\"e\":0},\"f\":0},\"a\":{\"b\":{}}}", "a.b.d",
			"a key that comes twice");
	json_is("config.password", "{\"con\\u0066ig\":{\"p\\u0061ssword\":1}}",
			"{\"con\\u0066ig\":{}}", "config.password",
			"steps spelled with escapes");
	json_is("config.password", "{\"config.password\":1,\"a\":2}", "{\"a\":2}",
			"config.password", "an unexpanded path at the root");
	json_is("config.password", "{\"a\":{\"config.password\":1}}", NULL, "",
			"but not below it");
	json_is("password,config.password", "{\"config\":{\"password\":1}}",
			"{\"config\":{}}", "password", "the plain name is listed first");
	json_is("a.b", "{\"a\":{\"x\":{\"y\":1},\"b\":2}}",
			"{\"a\":{\"x\":{\"y\":1}}}", "a.b",
			"a path goes on after an inner object");
}

static void
test_prefix(void)
{
	AlRedactRules *rules = compile("config.password,config.a.b,token,other.x");
	const char	json[] = "{\"password\":1,\"a\":{\"b\":2},\"token\":3,"
		"\"config\":{\"password\":4},\"x\":5,\"config.password\":6}";
	const char	want[] = "{\"a\":{},\"config\":{\"password\":4},\"x\":5,"
		"\"config.password\":6}";
	const char	other[] = "{\"password\":1,\"a\":{\"b\":2},"
		"\"config\":{\"password\":4},\"x\":5,\"config.password\":6}";
	AlBuf		out = {0};
	AlBuf		removed = {0};
	bool		changed;

	al_redact_json_at(rules, BYTES("config"), false, BYTES(json), &out,
					  &removed,
					  &changed, NULL);
	tap_is_bytes(out.data, out.len, BYTES(want),
				 "under a prefix paths go on from there");
	tap_is_bytes(removed.data, removed.len,
				 BYTES("config.password,config.a.b,token"),
				 "  and the names are the whole ones");
	al_buf_reset(&out);
	al_redact_json_at(rules, BYTES("nothing"), false, BYTES(json), &out,
					  &removed,
					  &changed, NULL);
	tap_is_bytes(out.data, out.len, BYTES(other),
				 "under a prefix of no path only plain names count");
	tap_is_bytes(removed.data, removed.len,
				 BYTES("config.password,config.a.b,token"),
				 "  names of an earlier call are not repeated");
	al_buf_reset(&out);
	al_redact_json_at(rules, BYTES("other"), false,
					  BYTES("[{\"x\":1}]"), &out, &removed, &changed, NULL);
	tap_is_bytes(removed.data, removed.len,
				 BYTES("config.password,config.a.b,token,other.x"),
				 "  and new ones follow");

	al_buf_reset(&removed);
	al_buf_append_str(&removed, "tok,token2");
	al_buf_reset(&out);
	al_redact_json(rules, BYTES("{\"token\":1}"), &out, &removed, &changed,
				   NULL);
	tap_is_bytes(removed.data, removed.len, BYTES("tok,token2,token"),
				 "  a name that only resembles one of them is added");

	al_buf_reset(&out);
	al_redact_json_at(rules, NULL, 0, true, BYTES("{\"token\":1,\"\xFF\":"
												  "\"\xE9\xA0\"}"), &out,
					  &removed, &changed, NULL);
	tap_is_bytes(out.data, out.len, BYTES("{\"\xFF\":\"\xE9\xA0\"}"),
				 "bytes that are not UTF-8, where they are allowed");

	tap_ok(strcmp(al_redact_rules_match(rules, BYTES("token")), "token") == 0,
		   "a column with a plain name matches");
	tap_ok(al_redact_rules_match(rules, BYTES("config")) == NULL &&
		   al_redact_rules_match(rules, BYTES("password")) == NULL &&
		   al_redact_rules_match(rules, BYTES("")) == NULL,
		   "  one with a step of a path does not");
	tap_ok(strcmp(al_redact_rules_match(rules, BYTES("config.password")),
				  "config.password") == 0,
		   "  one that is called like a path does");
	al_buf_free(&out);
	al_buf_free(&removed);
	al_redact_rules_free(rules);
}

static void
test_rules(void)
{
	static const char *const bad[] = {"a..b", ".a", "a.", "."};
	AlRedactRules *rules;
	AlRedactRules *copy;
	AlError		err = {""};
	AlBuf		list = {0};
	AlBuf		json = {0};
	AlBuf		out = {0};
	AlBuf		removed = {0};
	bool		changed;
	size_t		size;
	size_t		i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
	{
		char		text[40];
		int			len = snprintf(text, sizeof(text), "x, ,%s,y", bad[i]);

		tap_ok(al_redact_rules_compile(text, (size_t) len, &rules,
									   &err) == AL_INVALID && rules == NULL &&
			   strcmp(err.reason,
					  "empty step between dots in name 2 of the list") == 0,
			   "the name \"%s\" is refused", bad[i]);
	}

	/* many names, in a copy of the block */
	for (i = 0; i < 3000; i++)
	{
		char		name[80];

		snprintf(name, sizeof(name), "plain%zu,path.to%zu.x,", i, i);
		al_buf_append_str(&list, name);
		snprintf(name, sizeof(name), "%s\"plain%zu\":0,\"k%zu\":1",
				 i ? "," : "{", i, i);
		al_buf_append_str(&json, name);
	}
	al_buf_append_str(&json,
					  ",\"path\":{\"to2999\":{\"x\":[]},\"to3000\":{}}}");
	tap_is_int(al_redact_rules_compile(list.data, list.len, &rules, &err),
			   AL_OK, "6000 names compile");
	size = al_redact_rules_size(rules);
	copy = malloc(size);
	if (copy == NULL)
		abort();
	memcpy(copy, rules, size);
	al_redact_rules_free(rules);
	tap_is_int(al_redact_json(copy, json.data, json.len, &out, &removed,
							  &changed, &err), AL_OK,
			   "  and work where they are copied to");
	tap_ok(!contains(&out, "plain") && contains(&out, "\"k0\":1,\"k1\":1,") &&
		   contains(&out, "1,\"path\":{\"to2999\":{},\"to3000\":{}}}"),
		   "  each of them");
	free(copy);
	al_buf_free(&list);
	al_buf_free(&json);
	al_buf_free(&out);
	al_buf_free(&removed);
}

static void
test_invalid(void)
{
	static const char *const bad[] = {
		"", "token=1", "{\"token\":1", "{\"token\":1}}", "{\"token\":}",
		"{\"token\":1,}", "{\"a\":1,\"token\":[1,2}", "{\"token\":1} x",
		"{\"token\":\"\xFF\"}", "{\"token\":1,\"a\":01}"
	};
	AlRedactRules *rules = compile("token");
	AlBuf		out = {0};
	AlBuf		removed = {0};
	size_t		i;

	al_buf_append_str(&out, "<");
	al_buf_append_str(&removed, "x");
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
	{
		bool		changed = true;
		AlStatus	status = run(al_redact_json, rules, bad[i],
								 strlen(bad[i]), &out, &removed, &changed);

		tap_ok(status == AL_INVALID && !changed && out.len == 1 &&
			   removed.len == 1, "not JSON, nothing done: %s", bad[i]);
	}
	al_buf_free(&out);
	al_buf_free(&removed);
	al_redact_rules_free(rules);
}

static void
test_form(void)
{
	form_is("token", "token=1", "", "token", "form: the only pair");
	form_is("token", "token=1&a=2", "a=2", "token", "form: the first pair");
	form_is("token", "a=2&token=1", "a=2", "token", "form: the last pair");
	form_is("token", "a=2&token=1&b=3", "a=2&b=3", "token",
			"form: a pair between others");
	form_is("token,x", "token=1&x=2&a=3&x=4&token=5&b=6", "a=3&b=6", "token,x",
			"form: several pairs");
	form_is("token,x", "token=1&x=2", "", "token,x", "form: all pairs");
	form_is("token", "a=token&tokens=1&Token=2&token+=3", NULL, "",
			"form: other keys and values stay");
	form_is("token", "", NULL, "", "form: an empty body");
	form_is("token", "&&a=1&&", NULL, "", "form: empty pairs");
	form_is("token", "a=1&=3&token=2&=%", "a=1&=3&=%", "token",
			"form: empty keys");
	form_is("token", "&token=1&&token&a", "&&a", "token",
			"form: empty pairs stay, a pair may lack its value");
	form_is("token", "a=%41+%zz&t%6Fken=1&%74%6f%6b%65%6E=2", "a=%41+%zz",
			"token", "form: keys are decoded, the rest is not touched");
	form_is("a b,c%zz", "a+b=1&a%20b=2&c%zz=3&c%25zz=4&d%2", "d%2", "a b,c%zz",
			"form: plus is a space, a stray % itself");
	form_is("token", "user[token]=1&user%5Btoken%5D=2&token[a][b]=3&x[]=4",
			"x[]=4", "token", "form: plain names in brackets");
	form_is("config.password", "config[password]=1&config%5bpassword%5d[]=2&"
			"config.password=3&password=4&x[config][password]=5&config[x]=6",
			"password=4&x[config][password]=5&config[x]=6", "config.password",
			"form: paths in brackets and dots");
	form_is("a.b", "a[][b]=1&a[0][b]=2&a[x][b]=3&[a][b]=4", "a[x][b]=3", "a.b",
			"form: indexes are transparent");
	form_is("a.0.b", "a[0][b]=1&a[1][b]=2", "a[1][b]=2", "a.0.b",
			"form: unless they are named");
	form_is("token", "user.token=1&a=2", "a=2", "token",
			"form: plain names after a dot");
	form_is("a[b]", "a[b]=1&a[c]=2", "a[c]=2", "a[b]",
			"form: a name with brackets");
	form_is("token", "\xFF\x01=1&token=\xFF", "\xFF\x01=1", "token",
			"form: bytes that are no text");
	form_is("token", "{\"x\":1}", NULL, "", "form: no form at all");
}

/* Kinds, strings decoded and numbers as written: what a text says. */
static AlStatus
dump(const char *json, size_t len, AlBuf *out)
{
	AlJsonReader reader;
	AlJsonToken token;
	AlStatus	status;

	al_json_start(&reader, json, len);
	while ((status = al_json_next(&reader, &token, NULL)) == AL_OK &&
		   token.kind != AL_JSON_END)
	{
		al_buf_append_char(out, (char) ('A' + token.kind));
		if (token.kind == AL_JSON_KEY || token.kind == AL_JSON_STRING)
			al_json_decode(json, &token, true, out, NULL);
		else if (token.kind == AL_JSON_NUMBER)
			al_buf_append(out, json + token.start, token.end - token.start);
		al_buf_append_char(out, '\0');
	}
	al_json_free(&reader);
	return status;
}

static bool
in_list(const char *const *list, const char *text)
{
	while (*list != NULL && strcmp(*list, text) != 0)
		list++;
	return *list != NULL;
}

/*
 * The naive way: keys have no dots here, so a path is its text.  The root's is
 * NULL.
 */
static void
remove_naively(GenValue *value, const char *path, const char *const *plain,
			   const char *const *dotted, AlBuf *names)
{
	int			kept = 0;
	int			i;

	for (i = 0; i < value->count; i++)
	{
		GenValue   *child = value->children[i];
		char		deeper[400];
		const char *name = NULL;

		if (value->kind == GEN_OBJECT)
		{
			snprintf(deeper, sizeof(deeper), "%s%s%s", path ? path : "",
					 path ? "." : "", child->key);
			name = in_list(plain, child->key) ? child->key :
				in_list(dotted, deeper) ? deeper : NULL;
		}
		if (name == NULL)
		{
			remove_naively(child, value->kind == GEN_OBJECT ? deeper : path,
						   plain, dotted, names);
			value->children[kept++] = child;
			continue;
		}
		if (!contains(names, name))
		{
			if (names->len > 0)
				al_buf_append_char(names, ',');
			al_buf_append_str(names, name);
		}
		gen_free(child);
	}
	value->count = kept;
}

static bool
is_subsequence(const AlBuf *part, const AlBuf *whole)
{
	size_t		at = 0;
	size_t		i;

	for (i = 0; i < whole->len && at < part->len; i++)
	{
		if (part->data[at] == whole->data[i])
			at++;
	}
	return at == part->len;
}

static void
test_random(void)
{
	/* no name is a part of another, which the naive listing relies on */
	static const char *const plain[] = {"token", "\xE2\x82\xAC", NULL};
	static const char *const dotted[] = {"a.b", "b.a.a", "/.\"", NULL};
	AlRedactRules *rules = compile("token,a.b, \xE2\x82\xAC,b.a.a,/.\"");
	int			wrong = 0;
	int			changes = 0;
	int			round;

	for (round = 0; round < 30000 && wrong < 3; round++)
	{
		GenValue   *value = gen_value(5);
		AlBuf		json = {0};
		AlBuf		again = {0};
		AlBuf		out = {0};
		AlBuf		removed = {0};
		AlBuf		names = {0};
		AlBuf		got = {0};
		AlBuf		want = {0};
		bool		changed;
		bool		good = true;

		gen_write(value, &json);
		good &= run(al_redact_json, rules, json.data, json.len, &out,
					&removed, &changed) == AL_OK;
		remove_naively(value, NULL, plain, dotted, &names);
		gen_write(value, &again);
		good &= dump(again.data, again.len, &want) == AL_OK;
		if (changed)
		{
			changes++;
			good &= dump(out.data, out.len, &got) == AL_OK;
			good &= is_subsequence(&out, &json);
		}
		else
			good &= out.len == 0 && dump(json.data, json.len, &got) == AL_OK;
		good &= got.len == want.len &&
			memcmp(got.data, want.data, got.len) == 0;
		good &= changed == (names.len > 0);
		good &= names.len == removed.len &&
			(names.len == 0 ||
			 memcmp(names.data, removed.data, names.len) == 0);
		if (!good)
		{
			wrong++;
			tap_show("json   ", json.data, json.len);
			tap_show("out    ", out.data, out.len);
			tap_show("want   ", again.data, again.len);
			tap_show("removed", removed.data, removed.len);
			tap_show("want   ", names.data, names.len);
		}
		al_buf_free(&json);
		al_buf_free(&again);
		al_buf_free(&out);
		al_buf_free(&removed);
		al_buf_free(&names);
		al_buf_free(&got);
		al_buf_free(&want);
		gen_free(value);
	}
	tap_is_int(wrong, 0, "random values lose what they should, no more");
	tap_ok(changes > round / 20 && changes < round - round / 20,
		   "  of which some change (%d of %d)", changes, round);
	al_redact_rules_free(rules);
}

static double
seconds(Redact redact, const AlRedactRules *rules, const AlBuf *body,
		size_t want_len, const char *name)
{
	AlBuf		out = {0};
	AlBuf		removed = {0};
	bool		changed;
	clock_t		start = clock();
	AlStatus	status = redact(rules, body->data, body->len, &out, &removed,
								&changed, NULL);
	clock_t		end = clock();

	tap_ok(status == AL_OK && changed && out.len == want_len, "%s", name);
	al_buf_free(&out);
	al_buf_free(&removed);
	return (double) (end - start) / CLOCKS_PER_SEC;
}

/*
 * Large and nasty inputs.  The bounds on time are far above what is needed
 * and far below what quadratic work on such inputs takes.
 */
static void
test_size(void)
{
	AlRedactRules *rules = compile("token,a.b");
	AlBuf		body = {0};
	double		taken = 0;
	size_t		i;

	for (i = 0; i < 300000; i++)
		al_buf_append_str(&body, i % 2 ? "[" : "{\"a\":");
	al_buf_append_str(&body, "{\"token\":1}");
	for (i = 300000; i-- > 0;)
		al_buf_append_char(&body, i % 2 ? ']' : '}');
	taken += seconds(al_redact_json, rules, &body, body.len - 9,
					 "300000 levels, one removal at the bottom");

	al_buf_reset(&body);
	for (i = 0; i < 500000; i++)
		al_buf_append_str(&body, i ? ",\"token\":[{}]" : "{\"token\":[{}]");
	al_buf_append_char(&body, '}');
	taken += seconds(al_redact_json, rules, &body, 2, "500000 removals");

	al_buf_reset(&body);
	for (i = 0; i < 500000; i++)
		al_buf_append_str(&body, "token=%41&x=1&");
	taken += seconds(al_redact_form, rules, &body, 500000 * 4,
					 "form: 500000 removals");

	al_buf_reset(&body);
	al_buf_append_str(&body, "token=1&");
	for (i = 0; i < 500000; i++)
		al_buf_append_str(&body, "[a%5b].");
	taken += seconds(al_redact_form, rules, &body, body.len - 8,
					 "form: a key of 500000 steps");
	tap_ok(taken < 20, "all that without quadratic work");
	al_buf_free(&body);
	al_redact_rules_free(rules);
}

int
main(void)
{
	gen_seed();
	test_places();
	test_keys();
	test_paths();
	test_prefix();
	test_rules();
	test_invalid();
	test_form();
	test_random();
	test_size();
	return tap_done();
}
