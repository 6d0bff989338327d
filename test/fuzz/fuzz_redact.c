/*
 * test/fuzz/fuzz_redact.c
 *
 * A line of names, then a body.  What is left of JSON is JSON, holds nothing
 * more to remove, and is the input less some of its bytes; so for forms.  What
 * is left of a form of several parts may be none, when no part is.
 */
#include "core/json.h"
#include "core/redact.h"
#include "fuzz.h"

typedef AlStatus (*Redact) (const AlRedactRules *, const char *, size_t,
							AlBuf *, AlBuf *, bool *, AlError *);

static bool
is_subsequence(const AlBuf *part, const char *whole, size_t len)
{
	size_t		at = 0;
	size_t		i;

	for (i = 0; i < len && at < part->len; i++)
	{
		if (part->data[at] == whole[i])
			at++;
	}
	return at == part->len;
}

static AlStatus
check(Redact redact, const AlRedactRules *rules, const char *body, size_t len)
{
	AlBuf		out = {0};
	AlBuf		removed = {0};
	AlBuf		again = {0};
	AlError		err;
	bool		changed;
	bool		more;
	AlStatus	status = redact(rules, body, len, &out, &removed, &changed,
								&err);

	FUZZ_CHECK(changed || (out.len == 0 && removed.len == 0));
	if (changed)
	{
		FUZZ_CHECK(status == AL_OK && removed.len > 0 && out.len < len);
		FUZZ_CHECK(is_subsequence(&out, body, len));
		status = redact(rules, out.data, out.len, &again, &removed, &more,
						&err);
		FUZZ_CHECK(status == AL_OK ||
				   (status == AL_INVALID && redact == al_redact_multipart));
		FUZZ_CHECK(!more && again.len == 0);
	}
	al_buf_free(&out);
	al_buf_free(&removed);
	al_buf_free(&again);
	return status;
}

/* Every key and prefix through the other entries too. */
static void
check_prefix(const AlRedactRules *rules, const char *body, size_t len)
{
	AlBuf		out = {0};
	AlBuf		removed = {0};
	bool		changed;
	size_t		part = len < 6 ? len : 6;
	const char *name = al_redact_rules_match(rules, body, part);

	FUZZ_CHECK(name == NULL || strlen(name) > 0);
	al_redact_json_at(rules, body, part, len % 2, body, len, &out, &removed,
					  &changed, NULL);
	al_buf_free(&out);
	al_buf_free(&removed);
}

/* Suspect or not, a name is listed. */
static void
check_suspect(const AlRedactRules *rules, const char *body, size_t len)
{
	AlBuf		removed = {0};
	bool		suspect;

	FUZZ_CHECK(al_redact_suspect(rules, body, len, &removed, &suspect,
								 NULL) == AL_OK);
	FUZZ_CHECK(suspect == (removed.len > 0));
	al_redact_is_compressed(body, len);
	al_buf_free(&removed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *input = (const char *) data;
	const char *line = size > 0 ? memchr(input, '\n', size) : NULL;
	size_t		list_len = line ? (size_t) (line - input) : size;
	const char *body = line ? line + 1 : input + size;
	size_t		len = size - (size_t) (body - input);
	AlRedactRules *rules;

	/* names with a zero byte do not come from a setting */
	if (list_len > 0 && memchr(input, '\0', list_len) != NULL)
		return 0;
	if (al_redact_rules_compile(input, list_len, &rules, NULL) != AL_OK)
		return 0;
	check(al_redact_json, rules, body, len);
	FUZZ_CHECK(check(al_redact_form, rules, body, len) == AL_OK);
	check(al_redact_multipart, rules, body, len);
	check_prefix(rules, body, len);
	check_suspect(rules, body, len);
	al_redact_rules_free(rules);
	return 0;
}
