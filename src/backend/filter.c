/*
 * src/backend/filter.c
 *
 * What is not recorded: ignored methods, paths and tables.
 *
 * Every list is checked when it is set, so that a mistake is refused where it
 * is made, and compiled when it is first used after a change.  The assign
 * hooks only note the change: they must not fail.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "filter.h"
#include "guc.h"
#include "utf8.h"

/*
 * Steps that one match may take.  A pattern that goes astray on some path
 * fails instead of holding up a request, and a failed match ignores nothing.
 */
#define MATCH_LIMIT 1000000

typedef struct TableName
{
	char	   *schema;			/* NULL: any */
	char	   *table;
} TableName;

/* A list, compiled. */
typedef struct Filter
{
	bool		ready;			/* false after a change of its setting */
	MemoryContext context;		/* of the items; NULL before the first use */
	List	   *items;
} Filter;

static Filter methods;			/* of strings */
static Filter paths;			/* of pcre2_code, malloc'ed by PCRE2 */
static Filter tables;			/* of TableName */

/* Forgets the items and enters the context of the new ones. */
static MemoryContext
begin_filter(Filter *filter)
{
	if (filter->context == NULL)
		filter->context = AllocSetContextCreate(TopMemoryContext,
												"audit_log filter",
												ALLOCSET_SMALL_SIZES);
	filter->items = NIL;
	MemoryContextReset(filter->context);
	return MemoryContextSwitchTo(filter->context);
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

/* A method is a token of RFC 9110, section 5.6.2. */
static bool
is_method(const char *text)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return text[strspn(text, token)] == '\0';
}

bool
al_filter_check_methods(char **newval, void **extra, GucSource source)
{
	List	   *items = split_list(*newval, KEEP_NONE);
	ListCell   *lc;

	foreach(lc, items)
	{
		if (!is_method(lfirst(lc)))
		{
			GUC_check_errdetail("\"%s\" is not an HTTP method.",
								(char *) lfirst(lc));
			GUC_check_errhint("Separate methods by commas.");
			return false;
		}
	}
	return true;
}

void
al_filter_assign_methods(const char *newval, void *extra)
{
	methods.ready = false;
}

static bool
method_ignored(const char *method)
{
	ListCell   *lc;

	if (!methods.ready)
	{
		MemoryContext old = begin_filter(&methods);

		methods.items = split_list(al_guc_ignore_methods, KEEP_NONE);
		methods.ready = true;
		MemoryContextSwitchTo(old);
	}
	foreach(lc, methods.items)
	{
		if (pg_strcasecmp(lfirst(lc), method) == 0)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------ paths */

/*
 * Patterns match characters, not bytes, so patterns and paths are turned into
 * UTF-8.  Only in a SQL_ASCII database may a pattern be other bytes.
 */
static pcre2_code *
compile_path(const char *pattern, char *reason, size_t reason_size,
			 size_t *offset)
{
	uint32		flags = PCRE2_NEVER_BACKSLASH_C;
	const char *utf8 = al_utf8_from_text(pattern, strlen(pattern));
	int			error;
	pcre2_code *code;

	*offset = 0;
	if (utf8)
		flags |= PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
	else if (GetDatabaseEncoding() != PG_SQL_ASCII)
	{
		strlcpy(reason, "it has no equivalent in UTF-8", reason_size);
		return NULL;
	}
	code = pcre2_compile((PCRE2_SPTR) (utf8 ? utf8 : pattern),
						 PCRE2_ZERO_TERMINATED, flags, &error, offset, NULL);
	if (code == NULL)
		pcre2_get_error_message(error, (PCRE2_UCHAR *) reason, reason_size);
	return code;
}

/*
 * Can a pattern be checked here?  At the start of the server and at a reload
 * no encoding, or no conversion, may be known; then prepare_paths() judges.
 */
static bool
can_check(const char *pattern)
{
	return IsTransactionState() ||
		al_utf8_from_text(pattern, strlen(pattern)) != NULL;
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
		pcre2_code *code;

		if (!can_check(lfirst(lc)))
			continue;
		code = compile_path(lfirst(lc), reason, sizeof(reason), &offset);
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
	paths.ready = false;
}

static void
prepare_paths(void)
{
	MemoryContext old;
	ListCell   *lc;
	int			number = 0;

	foreach(lc, paths.items)
		pcre2_code_free(lfirst(lc));
	old = begin_filter(&paths);
	paths.ready = true;
	foreach(lc, split_list(al_guc_ignore_paths, KEEP_ESCAPED))
	{
		char		reason[256];
		size_t		offset;
		pcre2_code *code = compile_path(lfirst(lc), reason, sizeof(reason),
										&offset);

		/*
		 * A list from a configuration file may fit other databases.  Better
		 * one record too many than none at all.
		 */
		number++;
		if (code)
			paths.items = lappend(paths.items, code);
		else
			ereport(WARNING,
					(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
					 errmsg("expression %d of \"audit.ignore_paths\" is invalid in this database and ignores nothing",
							number),
					 errdetail("At offset %zu: %s.", offset, reason)));
	}
	MemoryContextSwitchTo(old);
}

/*
 * Is there a match anywhere in the path?  The query string is no part of it:
 * else "?x=/status" would hide a DELETE.
 */
static bool
path_ignored(const char *path)
{
	size_t		len = strcspn(path, "?");
	const char *utf8;
	pcre2_match_context *context;
	ListCell   *lc;
	bool		ignored = false;

	if (!paths.ready)
		prepare_paths();
	if (paths.items == NIL)
		return false;

	/* One that is no UTF-8 is matched as far as it is. */
	path = pnstrdup(path, len);
	utf8 = al_utf8_from_text(path, len);
	if (utf8)
	{
		path = utf8;
		len = strlen(path);
	}

	context = pcre2_match_context_create(NULL);
	if (context == NULL)
		return false;
	pcre2_set_match_limit(context, MATCH_LIMIT);
	foreach(lc, paths.items)
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
	{
		if (parse_table(lfirst(lc)) == NULL)
		{
			GUC_check_errdetail("\"%s\" is not of the form table or schema.table.",
								(char *) lfirst(lc));
			return false;
		}
	}
	return true;
}

void
al_filter_assign_tables(const char *newval, void *extra)
{
	tables.ready = false;
	al_guc_generation++;
}

bool
al_filter_table_ignored(const char *schema, const char *table)
{
	ListCell   *lc;

	if (!tables.ready)
	{
		MemoryContext old = begin_filter(&tables);

		foreach(lc, split_list(al_guc_ignore_tables, KEEP_QUOTED))
			tables.items = lappend(tables.items, parse_table(lfirst(lc)));
		tables.ready = true;
		MemoryContextSwitchTo(old);
	}
	foreach(lc, tables.items)
	{
		TableName  *name = lfirst(lc);

		if (strcmp(name->table, table) == 0 &&
			(name->schema == NULL || strcmp(name->schema, schema) == 0))
			return true;
	}
	return false;
}
