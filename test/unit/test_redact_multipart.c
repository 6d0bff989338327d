/*
 * test/unit/test_redact_multipart.c
 *
 * Fields of multipart forms, and bodies that may hold a key although nothing
 * can be taken out of them.
 */
#include <stdlib.h>
#include <time.h>

#include "core/redact.h"
#include "tap.h"

#define BYTES(literal) (literal), (sizeof(literal) - 1)

/* A part of a form with the boundary B */
#define PART(headers, value) "--B\r\n" headers "\r\n\r\n" value "\r\n"
#define NAMED(name) "Content-Disposition: form-data; name=\"" name "\""
#define FIELD(name, value) PART(NAMED(name), value)
#define END "--B--\r\n"

static AlRedactRules *
compile(const char *list)
{
	AlRedactRules *rules;

	if (al_redact_rules_compile(list, strlen(list), &rules, NULL) != AL_OK)
		abort();
	return rules;
}

/* The body is given on the heap, without a byte after it. */
static char *
on_heap(const char *body, size_t len)
{
	char	   *copy = malloc(len ? len : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, body, len);
	return copy;
}

/* want NULL: nothing is removed. */
static void
bytes_become(const char *list, const char *body, size_t len,
			 const char *want, size_t want_len, const char *names,
			 const char *title)
{
	AlRedactRules *rules = compile(list);
	char	   *copy = on_heap(body, len);
	AlBuf		out = {0};
	AlBuf		removed = {0};
	bool		changed;
	AlStatus	status;

	status = al_redact_multipart(rules, copy, len, &out, &removed, &changed,
								 NULL);
	if (status != AL_OK || changed != (want != NULL))
	{
		tap_ok(false, "%s", title);
		printf("# status %d, changed %d\n", status, changed);
	}
	else
		tap_is_bytes(out.data, out.len, want, want_len, title);
	tap_is_bytes(removed.data, removed.len, names, strlen(names),
				 "  and lists the names");
	free(copy);
	al_buf_free(&out);
	al_buf_free(&removed);
	al_redact_rules_free(rules);
}

static void
becomes(const char *list, const char *body, const char *want,
		const char *names, const char *title)
{
	bytes_become(list, body, strlen(body), want, want ? strlen(want) : 0,
				 names, title);
}

static void
is_refused(AlStatus want, const char *list, const char *body,
		   const char *title)
{
	AlRedactRules *rules = compile(list);
	char	   *copy = on_heap(body, strlen(body));
	AlBuf		out = {0};
	AlBuf		removed = {0};
	bool		changed;
	AlStatus	status;

	status = al_redact_multipart(rules, copy, strlen(body), &out, &removed,
								 &changed, NULL);
	tap_ok(status == want && !changed && out.len == 0 && removed.len == 0,
		   "%s", title);
	free(copy);
	al_buf_free(&out);
	al_buf_free(&removed);
	al_redact_rules_free(rules);
}

static void
test_fields(void)
{
	becomes("password", FIELD("user", "bob") FIELD("password", "x") END,
			FIELD("user", "bob") END, "password", "the last field");
	becomes("password", FIELD("password", "x") FIELD("user", "bob") END,
			FIELD("user", "bob") END, "password", "the first field");
	becomes("password", FIELD("a", "1") FIELD("password", "x\r\ny")
			FIELD("b", "2") END, FIELD("a", "1") FIELD("b", "2") END,
			"password", "a field between others, with a line break");
	becomes("password,token", FIELD("token", "") FIELD("password", "x") END,
			END, "token,password", "all fields");
	becomes("password", FIELD("user", "password") FIELD("passwords", "x") END,
			NULL, "", "values and other names stay");
	becomes("password", "\r\n" FIELD("password", "x") FIELD("a", "1") END,
			"\r\n" FIELD("a", "1") END, "password", "after an empty line");
	becomes("password",
			"--B\nContent-Disposition: form-data; name=password\n\nx\n"
			"--B\nContent-Disposition: form-data; name=a\n\n1\n--B--",
			"--B\nContent-Disposition: form-data; name=a\n\n1\n--B--",
			"password", "bare names and line feeds");
	becomes("password", "--B \t\r\n" NAMED("password") "\r\n\r\nx\r\n--B  \r\n"
			NAMED("a") "\r\n\r\n1\r\n--B-- ",
			"--B  \r\n" NAMED("a") "\r\n\r\n1\r\n--B-- ", "password",
			"blanks after a boundary");
	becomes("password", "--B\r\n" NAMED("password") "\r\n\r\nhunter2", "",
			"password", "a body that is cut short");
	becomes("password", "--B\r\n" NAMED("password"), "", "password",
			"one that is cut in the headers");
	becomes("password", FIELD("password", "x\r\n--Bx\r\ny\r\n --B\r\nz\r\n-B")
			FIELD("a", "1") END, FIELD("a", "1") END, "password",
			"what only resembles the boundary");
	bytes_become("password", BYTES(FIELD("password", "\0\xff")
								   FIELD("file", "\0\x80\r\n\0") END),
				 BYTES(FIELD("file", "\0\x80\r\n\0") END), "password",
				 "bytes that are no text");
}

static void
test_names(void)
{
	becomes("config.password,token", FIELD("config[password]", "x")
			FIELD("config.password", "y") FIELD("a[][token]", "z")
			FIELD("password", "1") END, FIELD("password", "1") END,
			"config.password,token", "paths");
	becomes("password", PART("CONTENT-DISPOSITION:form-data;NAME=password",
							 "x") END, END, "password", "any case of a header");
	becomes("password", PART("Content-Type: text/plain\r\nContent-Disposition:"
							 " form-data; filename=\"a;name=b\" ; name = "
							 "\"password\" ; x", "x") END, END, "password",
			"a name among other parameters");
	becomes("password", PART("Content-Disposition: form-data;\r\n"
							 "\tname=\"password\"", "x") END, END, "password",
			"a header of two lines");
	becomes("password", PART(NAMED("pass\\word"), "x") END, END, "password",
			"a name with a backslash");
	becomes("pass\"word", PART(NAMED("pass\\\"word"), "x")
			PART(NAMED("pass%22word"), "x") END, END, "pass\"word",
			"a name with a quote, in both spellings");
	becomes("a+b", FIELD("a+b", "x") FIELD("a b", "y") END,
			FIELD("a b", "y") END, "a+b", "a plus is no space");
	becomes("password", PART("Content-Disposition: form-data; "
							 "name*=UTF-8''p%61ssword", "x") END, END,
			"password", "an extended name");
	becomes("password", PART("Content-Disposition: form-data; "
							 "filename=\"password\"; named=password", "x") END,
			NULL, "", "other parameters are no name");
	is_refused(AL_UNSUPPORTED, "password",
			   PART("Content-Disposition: form-data; name*0=pass; "
					"name*1=word", "x") END, "a name in pieces is refused");
	is_refused(AL_UNSUPPORTED, "password",
			   PART(NAMED("a") "\r\n" NAMED("password"), "x") END,
			   "two names are refused");
}

static void
test_values(void)
{
	becomes("password,meta.key",
			FIELD("meta", "{\"key\":1,\"a\":{\"password\":2,\"key\":3}}")
			FIELD("other", "{\"key\":1}") END,
			FIELD("meta", "{\"a\":{\"key\":3}}") FIELD("other", "{\"key\":1}")
			END, "meta.key,password", "JSON in a field");
	becomes("password", FIELD("meta", "{\"password\":\"hunt") END,
			FIELD("meta", "") END, "password", "JSON that is cut short");
	becomes("password", FIELD("meta", "{\"a\":\"hunt")
			FIELD("note", "my password") END, NULL, "",
			"what does not mention a key stays");
	bytes_become("password",
				 BYTES(FIELD("meta", "\"\0p\0a\0s\0s\0w\0o\0r\0d\0\"\0") END),
				 BYTES(FIELD("meta", "") END), "password",
				 "a value in UTF-16");
	is_refused(AL_UNSUPPORTED, "password",
			   FIELD("a", "--C\r\n" NAMED("password") "\r\n\r\nx\r\n--C--")
			   END, "a form in a form is refused");
	is_refused(AL_UNSUPPORTED, "password",
			   FIELD("a", "x") END "--B\r\n" NAMED("password") "\r\n\r\nx",
			   "so is text after the end");
}

static void
test_others(void)
{
	is_refused(AL_INVALID, "password", "", "no body is no form");
	is_refused(AL_INVALID, "password", "--", "nor is a dash");
	is_refused(AL_INVALID, "password", "-- a comment\r\nselect 1\r\n",
			   "nor a comment");
	is_refused(AL_INVALID, "password", "--B\r\n", "nor a boundary alone");
	is_refused(AL_INVALID, "password", "--\r\ncontent-type: x\r\n",
			   "nor an empty boundary");
	is_refused(AL_INVALID, "password", "a=1&" FIELD("password", "x") END,
			   "nor what begins with something else");
}

/* names "": not suspect */
static void
suspect_is(const char *list, const char *body, size_t len, const char *names,
		   const char *title)
{
	AlRedactRules *rules = compile(list);
	char	   *copy = on_heap(body, len);
	AlBuf		removed = {0};
	bool		suspect;

	if (al_redact_suspect(rules, copy, len, &removed, &suspect,
						  NULL) != AL_OK)
		abort();
	tap_ok(suspect == (*names != '\0'), "%s", title);
	tap_is_bytes(removed.data, removed.len, names, strlen(names),
				 "  and lists the name");
	free(copy);
	al_buf_free(&removed);
	al_redact_rules_free(rules);
}

static void
test_suspects(void)
{
	suspect_is("a.b,token", BYTES("{\"token\":"), "token",
			   "cut JSON that mentions a key");
	suspect_is("x,a.b", BYTES("\xEF\xBB\xBF [\"b"), "a.b",
			   "  behind a mark, with the last step of a path");
	suspect_is("token", BYTES("{\"tok"), "", "cut JSON that does not");
	suspect_is("x,token", BYTES("{\"tok\\u0065n"), "x", "  but has escapes");
	suspect_is("token", BYTES("my token \\u0065"), "", "other text");
	suspect_is("token", BYTES("preamble\r\n" FIELD("token", "x") END),
			   "token", "a form with a preamble");
	suspect_is("tok\xC3\xA9n", BYTES("{\"tok\xC3\xA9n"), "tok\xC3\xA9n",
			   "a key that is not ASCII");
	suspect_is("tok\xC3\xA9n", BYTES("{\"tok\xC3\xA8n"), "",
			   "  is told from another in UTF-8");
	suspect_is("tok\xC3\xA9n", BYTES("tok\xE9n=1"), "tok\xC3\xA9n",
			   "  and looked for in other encodings");
	suspect_is("tok\xC3\xA9n,password", BYTES("tok=\xE9&password"), "",
			   "  whose text is not suspect without it");
	suspect_is("token", BYTES("{\0\"\0t\0o\0k\0e\0n\0\"\0:\0" "1\0}\0"),
			   "token", "JSON in UTF-16, little end first");
	suspect_is("token", BYTES("\xFE\xFF\0{\0\"\0t\0o\0k\0e\0n\0\"\0:\0" "1\0}"),
			   "token", "  big end first, behind a mark");
	suspect_is("ab", BYTES("{\0\0\0\"\0\0\0a\0\0\0b\0\0\0\"\0\0\0:\0\0\0"),
			   "ab", "JSON in UTF-32");
	suspect_is("x", BYTES("{\0\"\0\\\0u\0" "0\0" "0\0" "7\0" "8\0"), "x",
			   "  and its escapes");
	suspect_is("tok\xC3\xA9n", BYTES("{\0\"\0t\0o\0k\0\xE9\0n\0"),
			   "tok\xC3\xA9n", "  and its keys that are not ASCII");
	suspect_is("token", BYTES("a\0=\0" "1\0&\0%\0" "7\0" "4\0o\0k\0e\0n\0=\0"),
			   "token", "a form in UTF-16");
	suspect_is("token", BYTES("\xFE\xFF\0%\0" "7\0" "4\0o\0k\0e\0n\0="),
			   "token", "  behind a mark");
	suspect_is("token", BYTES("{\0\"\0t\0o\0k\0\"\0:\0" "1\0}\0"), "",
			   "JSON in UTF-16 without a key");
	suspect_is("token", BYTES("\0\0\0\0"), "", "zeros");
	suspect_is("", BYTES("{\0token"), "", "no rules");
	tap_ok(al_redact_is_compressed(BYTES("\x1f\x8b\x08")) &&
		   al_redact_is_compressed(BYTES("\x28\xb5\x2f\xfd\x04")) &&
		   al_redact_is_compressed(BYTES("\x78\x9c\x4b")),
		   "compressed bodies are known");
	tap_ok(!al_redact_is_compressed(BYTES("")) &&
		   !al_redact_is_compressed(BYTES("x=1")), "  and others");
}

static void
test_size(void)
{
	AlRedactRules *rules = compile("token");
	AlBuf		body = {0};
	AlBuf		out = {0};
	AlBuf		removed = {0};
	bool		changed;
	clock_t		begin = clock();
	int			i;

	for (i = 0; i < 100000; i++)
		al_buf_append_str(&body, FIELD("a", "1") FIELD("token", "x"));
	al_buf_append_str(&body, END);
	al_redact_multipart(rules, body.data, body.len, &out, &removed, &changed,
						NULL);
	tap_is_int((long long) out.len,
			   100000 * (long long) strlen(FIELD("a", "1")) +
			   (long long) strlen(END), "200000 fields");

	al_buf_reset(&body);
	al_buf_append_str(&body, "--B\r\n" NAMED("a") "\r\n\r\n");
	for (i = 0; i < 1000000; i++)
		al_buf_append_str(&body, "\n--B-x");
	al_buf_append_str(&body, "\r\n" END);
	al_redact_multipart(rules, body.data, body.len, &out, &removed, &changed,
						NULL);
	tap_ok(!changed, "a million lines that resemble a boundary");
	tap_ok((double) (clock() - begin) / CLOCKS_PER_SEC < 20,
		   "all that without quadratic work");
	al_buf_free(&body);
	al_buf_free(&out);
	al_buf_free(&removed);
	al_redact_rules_free(rules);
}

int
main(void)
{
	test_fields();
	test_names();
	test_values();
	test_others();
	test_suspects();
	test_size();
	return tap_done();
}
