/*
 * src/backend/exclude.c
 *
 * The keys that audit.payload_exclude takes out of payloads and entities.
 *
 * As with the lists of filter.c, the setting is checked when it is set and
 * compiled when it is first used after a change.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "core/redact.h"

#include "exclude.h"
#include "glue.h"
#include "guc.h"
#include "utf8.h"

/* Bytes of a working buffer that are kept between calls. */
#define KEEP_BUFFER (1024 * 1024)

/* Stands for a body that may hold a secret which cannot be found. */
#define WITHHELD "withheld: cannot be read, and may hold an excluded key"

typedef enum BodyKind
{
	BODY_CLEAN,					/* nothing excluded is in it any more */
	BODY_FORM,					/* not as a form either; but any text is one */
	BODY_UNREADABLE
} BodyKind;

static bool rules_ready = false;	/* false after a change of the setting */
static AlRedactRules *rules = NULL; /* malloc'ed */

static AlRedactRules *
compile_rules(const char *list, AlError *error)
{
	AlRedactRules *compiled = NULL;

	if (al_redact_rules_compile(list ? list : "", list ? strlen(list) : 0,
								&compiled, error) != AL_OK)
		return NULL;
	return compiled;
}

bool
al_exclude_check(char **newval, void **extra, GucSource source)
{
	AlError		error = {{0}};
	AlRedactRules *compiled = compile_rules(*newval, &error);

	if (compiled == NULL)
		GUC_check_errdetail("The list of keys cannot be used: %s.",
							error.reason);
	al_redact_rules_free(compiled);
	return compiled != NULL;
}

void
al_exclude_assign(const char *newval, void *extra)
{
	rules_ready = false;
	al_guc_generation++;
}

/* A short text as UTF-8, or as its bytes if it has no such form. */
static const char *
as_utf8(const char *text)
{
	const char *utf8 = al_utf8_from_text(text, strlen(text));

	return utf8 ? utf8 : text;
}

static void
prepare_rules(void)
{
	AlError		error = {{0}};
	AlRedactRules *compiled;

	if (rules_ready)
		return;
	compiled = compile_rules(as_utf8(al_guc_payload_exclude), &error);
	/* Checked when it was set; only memory can be lacking. */
	if (compiled == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not prepare \"audit.payload_exclude\": %s",
						error.reason)));
	al_redact_rules_free(rules);
	rules = compiled;
	rules_ready = true;
}

/* Is a column left out of every entity? */
bool
al_exclude_column(const char *name)
{
	prepare_rules();
	name = as_utf8(name);
	return al_redact_rules_match(rules, name, strlen(name)) != NULL;
}

/* Adds a name to a comma-separated list, unless it is there. */
void
al_exclude_add_name(StringInfo names, const char *name)
{
	size_t		len = strlen(name);
	const char *p = names->data;

	while (names->len > 0 && p != NULL)
	{
		if (strncmp(p, name, len) == 0 && (p[len] == ',' || p[len] == '\0'))
			return;
		p = strchr(p, ',');
		if (p)
			p++;
	}
	if (names->len > 0)
		appendStringInfoChar(names, ',');
	appendBinaryStringInfo(names, name, len);
}

/* Puts bytes in the place of "out" from "start" on. */
static void
replace_from(StringInfo out, int start, const AlBuf *bytes, bool convert)
{
	char	   *text = NULL;

	/* Only what was converted before is left, so there is a way back. */
	if (convert)
		text = al_utf8_to_text(bytes->len ? bytes->data : "", bytes->len);
	out->len = start;
	out->data[start] = '\0';
	if (text)
		appendStringInfoString(out, text);
	else
		appendBinaryStringInfo(out, bytes->len ? bytes->data : "",
							   bytes->len);
}

/* Adds names of rules, separated by commas, to those of the database. */
static void
add_names(StringInfo removed, const AlBuf *names)
{
	const char *at = names->data;
	const char *end;

	if (names->len == 0)
		return;
	for (end = at + names->len; at < end;)
	{
		const char *comma = memchr(at, ',', end - at);
		int			len = (comma ? comma : end) - at;
		char	   *name = al_utf8_to_text(at, len);

		al_exclude_add_name(removed, name ? name : pnstrdup(at, len));
		at += len + 1;
	}
}

/*
 * Is one of the keys in a text that has no UTF-8 form, spelled as the rules,
 * which are in UTF-8, are not?
 */
static bool
mentions_own_spelling(const char *text, int len)
{
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return false;			/* there the rules are what they are */
	for (size_t i = 0; i < al_redact_rules_count(rules); i++)
	{
		const char *name = al_redact_rules_name(rules, i);
		const char *own = al_utf8_to_text(name, strlen(name));
		const char *dot = own ? strrchr(own, '.') : NULL;
		const char *key = dot ? dot + 1 : own;

		if (own && strcmp(own, name) != 0 &&
			memmem(text, len, key, strlen(key)) != NULL)
			return true;
	}
	return false;
}

/* Takes excluded keys out of a body, whichever kind of text it is. */
static AlStatus
redact_body(bool any_bytes, const char *body, size_t len, AlBuf *left,
			AlBuf *names, bool *changed, BodyKind *kind)
{
	AlStatus	status = al_redact_json_at(rules, NULL, 0, any_bytes, body,
										   len, left, names, changed, NULL);

	if (status == AL_INVALID)
		status = al_redact_multipart(rules, body, len, left, names, changed,
									 NULL);
	if (status == AL_INVALID)
	{
		*kind = BODY_FORM;
		status = al_redact_form(rules, body, len, left, names, changed, NULL);
	}
	return status;
}

/*
 * Takes excluded keys out of the text that starts at "start" of "out", and
 * adds their names to "removed".  "column" is the column that holds the JSON,
 * or NULL for a request's body, which may also be a form.  Raw bytes are not
 * the database's text and stay what they are, as do those of a text that has
 * no UTF-8 form: all encodings of databases leave JSON's ASCII characters be.
 */
static BodyKind
redact(StringInfo out, int start, bool raw, const char *column,
	   StringInfo removed)
{
	/* Kept for reuse, unless they have grown large. */
	static AlBuf left;
	static AlBuf names;
	char	   *text = out->data + start;
	int			len = out->len - start;
	char	   *utf8;
	bool		odd = false;
	bool		changed = false;
	BodyKind	kind = BODY_CLEAN;
	AlStatus	status;

	prepare_rules();
	if (al_redact_rules_count(rules) == 0)
		return BODY_CLEAN;		/* for all that it matters */
	utf8 = raw ? text : al_utf8_from_text(text, len);
	if (utf8 == NULL)
	{
		odd = true;
		utf8 = text;
		if (mentions_own_spelling(text, len))
			return BODY_UNREADABLE;
	}
	else if (utf8 != text)
		len = strlen(utf8);

	al_buf_reset(&left);
	al_buf_reset(&names);
	if (column)
	{
		column = as_utf8(column);
		status = al_redact_json_at(rules, column, strlen(column), odd, utf8,
								   len, &left, &names, &changed, NULL);
	}
	else
		status = redact_body(odd, utf8, len, &left, &names, &changed, &kind);
	if (status == AL_NO_MEMORY || left.failed || names.failed)
		al_glue_no_memory();
	if (status == AL_OK && changed)
	{
		replace_from(out, start, &left, utf8 != text);
		add_names(removed, &names);
	}
	if (left.cap > KEEP_BUFFER)
		al_buf_free(&left);
	return status == AL_OK ? kind : BODY_UNREADABLE;
}

/*
 * Takes excluded keys out of the value of a column that was printed to "out"
 * from "start" on.  A value in which they cannot be looked for, since it is no
 * JSON, is not shown at all.
 */
void
al_exclude_from_value(StringInfo out, int start, const char *column,
					  StringInfo removed)
{
	if (redact(out, start, false, column, removed) == BODY_CLEAN)
		return;
	out->len = start;
	appendStringInfoString(out, "null");
	al_exclude_add_name(removed, column);
}

/*
 * May a body that could only be taken as a form hold an excluded key all the
 * same?  Adds the key's name to "removed" if one is known.
 */
static bool
is_suspect(const StringInfoData *payload, bool raw, StringInfo removed)
{
	const char *utf8 = payload->data;
	size_t		len = payload->len;
	AlBuf		names = {0};
	bool		suspect;
	AlStatus	status;

	if (raw && al_redact_is_compressed(utf8, len))
		return true;
	if (!raw)
	{
		utf8 = as_utf8(payload->data);
		len = strlen(utf8);
	}
	status = al_redact_suspect(rules, utf8, len, &names, &suspect, NULL);
	if (status != AL_OK || names.failed)
		al_glue_no_memory();
	if (suspect)
		add_names(removed, &names);
	al_buf_free(&names);
	return suspect;
}

/*
 * Takes excluded keys out of a request's body: JSON, a form, or neither.
 *
 * A body that is neither, and that an excluded key might be in all the same,
 * is not shown at all, because nobody can tell where the secret ends.  Then a
 * note is in its place, and the result is false.
 *
 * A raw body is UTF-8 or nothing that text can hold.
 */
bool
al_exclude_from_payload(StringInfo payload, bool raw, StringInfo removed)
{
	BodyKind	kind = redact(payload, 0, raw, NULL, removed);

	if (kind == BODY_CLEAN ||
		(kind == BODY_FORM && !is_suspect(payload, raw, removed)))
		return true;
	resetStringInfo(payload);
	appendStringInfoString(payload, WITHHELD);
	return false;
}
