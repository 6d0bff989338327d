/*
 * src/backend/exclude.c
 *
 * The keys that audit.payload_exclude takes out of payloads and entities.
 *
 * As with the lists of filter.c, the setting is checked when it is set and
 * compiled when it is first used after a change.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "core/redact.h"

#include "exclude.h"
#include "guc.h"

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

/*
 * The database's text as the UTF-8 that src/core takes, and back.  In a
 * SQL_ASCII database bytes are whatever they are, and core refuses what is not
 * UTF-8 in its own way.
 */
static char *
to_utf8(const char *text, int len)
{
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return unconstify(char *, text);
	return pg_server_to_any(text, len, PG_UTF8);
}

static char *
from_utf8(const char *utf8, int len)
{
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return unconstify(char *, utf8);
	return pg_any_to_server(utf8, len, PG_UTF8);
}

static void
prepare_rules(void)
{
	AlError		error = {{0}};
	AlRedactRules *compiled;

	if (rules_ready)
		return;
	compiled = compile_rules(to_utf8(al_guc_payload_exclude,
									 strlen(al_guc_payload_exclude)), &error);
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
	name = to_utf8(name, strlen(name));
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

/* Puts UTF-8 bytes in the place of "out" from "start" on. */
static void
replace_from(StringInfo out, int start, const AlBuf *bytes, bool convert)
{
	char	   *copy = palloc(bytes->len + 1);
	char	   *text;

	/* Raw bytes may hold a zero. */
	if (bytes->len > 0)
		memcpy(copy, bytes->data, bytes->len);
	copy[bytes->len] = '\0';
	text = convert ? from_utf8(copy, bytes->len) : copy;
	out->len = start;
	out->data[start] = '\0';
	appendBinaryStringInfo(out, text,
						   text == copy ? bytes->len : strlen(text));
}

/*
 * Takes excluded keys out of the text that starts at "start" of "out", and
 * adds their names to "removed".  "column" is the column that holds the JSON,
 * or NULL for a request's body, which may also be a form.  Raw bytes are not
 * the database's text and stay what they are.
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
	bool		changed = false;
	BodyKind	kind = BODY_CLEAN;
	AlStatus	status;
	AlError		error = {{0}};

	prepare_rules();
	if (al_redact_rules_count(rules) == 0)
		return BODY_CLEAN;		/* for all that it matters */
	utf8 = raw ? text : to_utf8(text, len);
	if (utf8 != text)
		len = strlen(utf8);

	al_buf_reset(&left);
	al_buf_reset(&names);
	if (removed->len > 0)
		al_buf_append_str(&names, to_utf8(removed->data, removed->len));
	if (column)
	{
		column = to_utf8(column, strlen(column));
		status = al_redact_json_at(rules, column, strlen(column), utf8, len,
								   &left, &names, &changed, &error);
	}
	else
	{
		status = al_redact_json(rules, utf8, len, &left, &names, &changed,
								&error);
		if (status == AL_INVALID)
			status = al_redact_multipart(rules, utf8, len, &left, &names,
										 &changed, &error);
		if (status == AL_INVALID)
		{
			kind = BODY_FORM;
			status = al_redact_form(rules, utf8, len, &left, &names, &changed,
									&error);
		}
	}
	if (status == AL_NO_MEMORY || left.failed || names.failed)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (status == AL_OK && changed)
	{
		/* Only what was UTF-8 before is left: it can be converted back. */
		replace_from(out, start, &left, !raw);
		replace_from(removed, 0, &names, true);
	}
	if (left.cap > KEEP_BUFFER)
		al_buf_free(&left);
	return status == AL_OK ? kind : BODY_UNREADABLE;
}

/*
 * Takes excluded keys out of the value of a column that was printed to "out"
 * from "start" on.  A value in which they cannot be looked for, since its
 * bytes are no valid text, is not shown at all.
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
	char	   *utf8 = payload->data;
	AlBuf		names = {0};
	bool		suspect;
	AlError		error = {{0}};
	AlStatus	status;

	if (raw && al_redact_is_compressed(payload->data, payload->len))
		return true;
	if (!raw)
		utf8 = to_utf8(payload->data, payload->len);
	if (removed->len > 0)
		al_buf_append_str(&names, to_utf8(removed->data, removed->len));
	status = al_redact_suspect(rules, utf8, utf8 == payload->data ?
							   payload->len : strlen(utf8), &names, &suspect,
							   &error);
	if (status != AL_OK || names.failed)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (suspect)
		replace_from(removed, 0, &names, true);
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
