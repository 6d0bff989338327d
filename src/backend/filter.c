/*
 * src/backend/filter.c
 *
 * What is not recorded: ignored methods, paths and tables, and the keys that
 * audit.payload_exclude takes out of payloads and entities.
 *
 * Every list is checked when it is set, so that a mistake is refused where it
 * is made, and compiled when it is first used after a change.  The assign
 * hooks only note the change: they must not fail.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/redact.h"

#include "filter.h"
#include "guc.h"

/*
 * Steps that one match may take.  A pattern that goes astray on some path
 * fails instead of holding up a request, and a failed match ignores nothing.
 */
#define MATCH_LIMIT 1000000

/* Bytes of a working buffer that are kept between calls. */
#define KEEP_BUFFER (1024 * 1024)

/* Stands for a body that may hold a secret which cannot be found. */
#define WITHHELD "withheld: invalid JSON that mentions an excluded key"

typedef enum BodyKind
{
	BODY_JSON,
	BODY_FORM,
	BODY_OTHER
} BodyKind;

typedef struct TableName
{
	char	   *schema;			/* NULL: any */
	char	   *table;
} TableName;

uint64		al_filter_generation = 1;

static MemoryContext filter_context = NULL;

/* Each list, compiled; false after a change of its setting. */
static bool methods_ready = false;
static List *methods = NIL;
static bool paths_ready = false;
static List *paths = NIL;		/* of pcre2_code, malloc'ed by PCRE2 */
static bool tables_ready = false;
static List *tables = NIL;
static bool rules_ready = false;
static AlRedactRules *rules = NULL; /* malloc'ed */

static MemoryContext
lists_context(void)
{
	if (filter_context == NULL)
		filter_context = AllocSetContextCreate(TopMemoryContext,
											   "audit_log filters",
											   ALLOCSET_SMALL_SIZES);
	return filter_context;
}

/* ------------------------------------------------------------ comma lists */

/* How a comma is kept in an item of a list. */
typedef enum KeepComma
{
	KEEP_NONE,
	KEEP_ESCAPED,				/* by a backslash before it */
	KEEP_QUOTED					/* by double quotes around it */
} KeepComma;

/* Splits a comma-separated list into trimmed, non-empty items. */
static List *
split_list(const char *value, KeepComma keep)
{
	List	   *items = NIL;
	StringInfoData item;
	const char *p = value ? value : "";
	bool		escape = keep == KEEP_ESCAPED;
	bool		quoted = false;

	initStringInfo(&item);
	for (;;)
	{
		if (escape && p[0] == '\\' && p[1] == ',')
		{
			appendStringInfoChar(&item, ',');
			p += 2;
			continue;
		}
		/* Keep other escapes whole, so that "\\," ends an item. */
		if (escape && p[0] == '\\' && p[1] != '\0')
		{
			appendBinaryStringInfo(&item, p, 2);
			p += 2;
			continue;
		}
		if (*p == '"' && keep == KEEP_QUOTED)
			quoted = !quoted;
		if ((*p == ',' && !quoted) || *p == '\0')
		{
			char	   *start = item.data;

			while (isspace((unsigned char) *start))
				start++;
			while (item.len > start - item.data &&
				   isspace((unsigned char) item.data[item.len - 1]))
				item.data[--item.len] = '\0';
			if (*start)
				items = lappend(items, pstrdup(start));
			resetStringInfo(&item);
			if (*p == '\0')
				break;
			p++;
			continue;
		}
		appendStringInfoChar(&item, *p++);
	}
	pfree(item.data);
	return items;
}

/* ---------------------------------------------------------------- methods */

void
al_filter_assign_methods(const char *newval, void *extra)
{
	methods_ready = false;
}

static bool
method_ignored(const char *method)
{
	ListCell   *lc;

	if (!methods_ready)
	{
		MemoryContext old = MemoryContextSwitchTo(lists_context());

		list_free_deep(methods);
		methods = NIL;
		methods = split_list(al_guc_ignore_methods, KEEP_NONE);
		methods_ready = true;
		MemoryContextSwitchTo(old);
	}
	foreach(lc, methods)
		if (pg_strcasecmp(lfirst(lc), method) == 0)
			return true;
	return false;
}

/* ------------------------------------------------------------------ paths */

static pcre2_code *
compile_path(const char *pattern, char *reason, size_t reason_size,
			 size_t *offset)
{
	uint32		flags = PCRE2_NEVER_BACKSLASH_C;
	int			error;
	pcre2_code *code;

	if (GetDatabaseEncoding() == PG_UTF8)
		flags |= PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
	code = pcre2_compile((PCRE2_SPTR) pattern, PCRE2_ZERO_TERMINATED, flags,
						 &error, offset, NULL);
	if (code == NULL)
		pcre2_get_error_message(error, (PCRE2_UCHAR *) reason, reason_size);
	return code;
}

bool
al_filter_check_paths(char **newval, void **extra, GucSource source)
{
	List	   *items = split_list(*newval, KEEP_ESCAPED);
	ListCell   *lc;

	foreach(lc, items)
	{
		char		reason[256];
		size_t		offset;
		pcre2_code *code = compile_path(lfirst(lc), reason, sizeof(reason),
										&offset);

		if (code == NULL)
		{
			GUC_check_errcode(ERRCODE_INVALID_REGULAR_EXPRESSION);
			GUC_check_errdetail("Invalid regular expression \"%s\" at offset %zu: %s.",
								(char *) lfirst(lc), offset, reason);
			GUC_check_errhint("Items are separated by commas; write \"\\,\" for a comma inside an expression.");
			return false;
		}
		pcre2_code_free(code);
	}
	list_free_deep(items);
	return true;
}

void
al_filter_assign_paths(const char *newval, void *extra)
{
	paths_ready = false;
}

static void
prepare_paths(void)
{
	MemoryContext old;
	List	   *items;
	ListCell   *lc;

	foreach(lc, paths)
		pcre2_code_free(lfirst(lc));
	list_free(paths);
	paths = NIL;

	items = split_list(al_guc_ignore_paths, KEEP_ESCAPED);
	old = MemoryContextSwitchTo(lists_context());
	foreach(lc, items)
	{
		char		reason[256];
		size_t		offset;
		pcre2_code *code = compile_path(lfirst(lc), reason, sizeof(reason),
										&offset);

		/* Checked when it was set; only memory can be lacking. */
		if (code == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("could not compile \"audit.ignore_paths\": %s",
							reason)));
		paths = lappend(paths, code);
	}
	MemoryContextSwitchTo(old);
	paths_ready = true;
}

/*
 * Is there a match anywhere in the path?  The query string is no part of it:
 * else "?x=/status" would hide a DELETE.
 */
static bool
path_ignored(const char *path)
{
	size_t		len = strcspn(path, "?");
	pcre2_match_context *context;
	ListCell   *lc;
	bool		ignored = false;

	if (!paths_ready)
		prepare_paths();
	if (paths == NIL)
		return false;
	context = pcre2_match_context_create(NULL);
	if (context == NULL)
		return false;
	pcre2_set_match_limit(context, MATCH_LIMIT);
	foreach(lc, paths)
	{
		pcre2_code *code = lfirst(lc);
		pcre2_match_data *match = pcre2_match_data_create(1, NULL);

		if (match == NULL)
			break;
		ignored = pcre2_match(code, (PCRE2_SPTR) path, len, 0, 0, match,
							  context) >= 0;
		pcre2_match_data_free(match);
		if (ignored)
			break;
	}
	pcre2_match_context_free(context);
	return ignored;
}

bool
al_filter_request_ignored(const char *method, const char *path)
{
	return method_ignored(method) || path_ignored(path);
}

/* ----------------------------------------------------------------- tables */

/* One name of "table" or "schema.table"; double quotes keep dots and commas. */
static char *
parse_name(const char **p)
{
	StringInfoData name;
	bool		quoted = false;

	initStringInfo(&name);
	for (; **p; (*p)++)
	{
		if (**p == '"')
		{
			if (quoted && (*p)[1] == '"')
				(*p)++;
			else
			{
				quoted = !quoted;
				continue;
			}
		}
		else if (**p == '.' && !quoted)
			break;
		appendStringInfoChar(&name, **p);
	}
	return name.len > 0 && !quoted ? name.data : NULL;
}

static TableName *
parse_table(const char *item)
{
	TableName  *name = palloc0(sizeof(TableName));

	name->table = parse_name(&item);
	if (name->table && *item == '.')
	{
		item++;
		name->schema = name->table;
		name->table = parse_name(&item);
	}
	return name->table && *item == '\0' ? name : NULL;
}

bool
al_filter_check_tables(char **newval, void **extra, GucSource source)
{
	List	   *items = split_list(*newval, KEEP_QUOTED);
	ListCell   *lc;

	foreach(lc, items)
		if (parse_table(lfirst(lc)) == NULL)
		{
			GUC_check_errdetail("\"%s\" is not of the form table or schema.table.",
								(char *) lfirst(lc));
			return false;
		}
	return true;
}

void
al_filter_assign_tables(const char *newval, void *extra)
{
	tables_ready = false;
	al_filter_generation++;
}

bool
al_filter_table_ignored(const char *schema, const char *table)
{
	ListCell   *lc;

	if (!tables_ready)
	{
		MemoryContext old = MemoryContextSwitchTo(lists_context());
		List	   *items = split_list(al_guc_ignore_tables, KEEP_QUOTED);

		list_free_deep(tables);
		tables = NIL;
		foreach(lc, items)
			tables = lappend(tables, parse_table(lfirst(lc)));
		tables_ready = true;
		MemoryContextSwitchTo(old);
	}
	foreach(lc, tables)
	{
		TableName  *name = lfirst(lc);

		if (strcmp(name->table, table) == 0 &&
			(name->schema == NULL || strcmp(name->schema, schema) == 0))
			return true;
	}
	return false;
}

/* ---------------------------------------------------------- excluded keys */

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
al_filter_check_payload_exclude(char **newval, void **extra, GucSource source)
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
al_filter_assign_payload_exclude(const char *newval, void *extra)
{
	rules_ready = false;
	al_filter_generation++;
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
al_filter_column_excluded(const char *name)
{
	prepare_rules();
	name = to_utf8(name, strlen(name));
	return al_redact_rules_match(rules, name, strlen(name)) != NULL;
}

/* Adds a name to a comma-separated list, unless it is there. */
void
al_filter_add_name(StringInfo names, const char *name)
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
	BodyKind	kind = BODY_JSON;
	AlStatus	status;
	AlError		error = {{0}};

	prepare_rules();
	if (al_redact_rules_count(rules) == 0)
		return BODY_JSON;		/* for all that it matters */
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
		status = al_redact_json(rules, utf8, len, &left, &names, &changed,
								&error);
	if (status == AL_INVALID && column == NULL)
	{
		kind = BODY_FORM;
		status = al_redact_form(rules, utf8, len, &left, &names, &changed,
								&error);
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
	return status == AL_OK ? kind : BODY_OTHER;
}

/*
 * Takes excluded keys out of the value of a column that was printed to "out"
 * from "start" on.  A value in which they cannot be looked for, since its
 * bytes are no valid text, is not shown at all.
 */
void
al_filter_redact_value(StringInfo out, int start, const char *column,
					   StringInfo removed)
{
	if (redact(out, start, false, column, removed) == BODY_JSON)
		return;
	out->len = start;
	appendStringInfoString(out, "null");
	al_filter_add_name(removed, column);
}

/*
 * Takes excluded keys out of a request's body: JSON, a form, or neither.
 *
 * JSON that is cut short or otherwise invalid is none.  If such a body
 * mentions an excluded key, or might in escapes, it is not shown at all,
 * because nobody can tell where the secret ends.
 *
 * A raw body is UTF-8 or nothing that text can hold.
 */
void
al_filter_redact_payload(StringInfo payload, bool raw, StringInfo removed)
{
	char		first = payload->data[strspn(payload->data, " \t\r\n")];
	bool		looks_json = first == '{' || first == '[';
	bool		escapes = memmem(payload->data, payload->len, "\\u", 2) != NULL;

	if (redact(payload, 0, raw, NULL, removed) == BODY_JSON || !looks_json)
		return;
	for (size_t i = 0; i < al_redact_rules_count(rules); i++)
	{
		const char *name = al_redact_rules_name(rules, i);
		const char *key = strrchr(name, '.') ? strrchr(name, '.') + 1 : name;

		if (!raw)
			key = from_utf8(key, strlen(key));
		if (!escapes &&
			memmem(payload->data, payload->len, key, strlen(key)) == NULL)
			continue;
		resetStringInfo(payload);
		appendStringInfoString(payload, WITHHELD);
		al_filter_add_name(removed, from_utf8(name, strlen(name)));
		return;
	}
}
