/*
 * src/backend/rowplan.c
 *
 * How the rows of a relation are printed; see rowplan.h.
 *
 * row_to_json() looks up the category and the output function of every column
 * of every row.  Here that is done once a relation: an AlRowPlan holds the
 * escaped labels and an AlTypePlan for each type, and printing a row looks
 * nothing up.  Whoever keeps a plan drops it when its relation, one of
 * plan->relids or pg_cast changes (tracking.c).
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/nodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "exclude.h"
#include "rowplan.h"

/* What a built-in type's text depends on. */
static AlGuard
builtin_guard(Oid typid)
{
	switch (typid)
	{
		case CHAROID:
		case OIDOID:
		case TIDOID:
		case XIDOID:
		case CIDOID:
		case XID8OID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case BITOID:
		case VARBITOID:
		case TSVECTOROID:
		case TSQUERYOID:
		case LSNOID:
		case JSONPATHOID:
		case XMLOID:
		case PG_SNAPSHOTOID:
			return AL_GUARD_NONE;
		case MONEYOID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
			return AL_GUARD_FULL;
		default:
			return AL_GUARD_STYLE;
	}
}

/*
 * A function in C depends on styles at most; other languages resolve names,
 * and one with settings of its own needs the settings machinery to be right.
 */
static AlGuard
function_guard(Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Oid			language;
	bool		plain;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	language = ((Form_pg_proc) GETSTRUCT(tuple))->prolang;
	plain = heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	ReleaseSysCache(tuple);
	return plain &&
		(language == INTERNALlanguageId || language == ClanguageId) ?
		AL_GUARD_STYLE : AL_GUARD_FULL;
}

static AlTypeKind
simple_kind(Oid typid)
{
	switch (typid)
	{
		case BOOLOID:
			return AL_KIND_BOOL;
		case INT2OID:
			return AL_KIND_INT2;
		case INT4OID:
			return AL_KIND_INT4;
		case INT8OID:
			return AL_KIND_INT8;
		case FLOAT4OID:
			return AL_KIND_FLOAT4;
		case FLOAT8OID:
			return AL_KIND_FLOAT8;
		case NUMERICOID:
			return AL_KIND_NUMERIC;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return AL_KIND_DATETIME;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return AL_KIND_TEXT;
		case NAMEOID:
			return AL_KIND_NAME;
		case UUIDOID:
			return AL_KIND_UUID;
		case BYTEAOID:
			return AL_KIND_BYTEA;
		case JSONOID:
			return AL_KIND_JSON;
		case JSONBOID:
			return AL_KIND_JSONB;
		default:
			return AL_KIND_OUT;
	}
}

/* `"name":` as row_to_json() writes it. */
static void
plan_column(AlRowPlan *plan, AlColumnPlan *column, Form_pg_attribute att)
{
	StringInfoData label;

	initStringInfo(&label);
	escape_json(&label, NameStr(att->attname));
	appendStringInfoChar(&label, ':');

	column->attnum = att->attnum;
	column->label = label.data;
	column->label_len = label.len;
	column->name = pstrdup(NameStr(att->attname));
	column->typbyval = att->attbyval;
	column->typlen = att->attlen;
	column->type = al_rowplan_type(plan, att->atttypid);
}

static void
plan_composite(AlRowPlan *plan, AlTypePlan *type)
{
	TupleDesc	tupdesc = lookup_rowtype_tupdesc(type->typid, -1);

	type->columns = palloc0(sizeof(AlColumnPlan) * Max(tupdesc->natts, 1));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		AlColumnPlan *column = &type->columns[type->ncolumns];

		if (att->attisdropped)
			continue;
		plan_column(plan, column, att);
		type->guard = Max(type->guard, column->type->guard);
		type->ncolumns++;
	}
	ReleaseTupleDesc(tupdesc);
	plan->relids = list_append_unique_oid(plan->relids,
										  get_typ_typrelid(type->typid));
}

/* A type whose text holds values of another one. */
static void
guard_as(AlRowPlan *plan, AlTypePlan *type, Oid inner)
{
	type->guard = Max(type->guard, al_rowplan_type(plan, inner)->guard);
}

static void
plan_kind(AlRowPlan *plan, AlTypePlan *type)
{
	Oid			element = get_element_type(type->typid);
	Oid			castfunc;

	if (OidIsValid(element))
	{
		type->kind = AL_KIND_ARRAY;
		get_typlenbyvalalign(element, &type->typlen, &type->typbyval,
							 &type->typalign);
		type->element = al_rowplan_type(plan, element);
		type->guard = type->element->guard;
		type->holds_keys = type->element->holds_keys;
	}
	else if (type_is_rowtype(type->typid))
	{
		type->kind = AL_KIND_COMPOSITE;
		type->holds_keys = true;
		plan_composite(plan, type);
	}
	else if (type->typid >= FirstNormalObjectId &&
			 find_coercion_pathway(JSONOID, type->typid, COERCION_EXPLICIT,
								   &castfunc) == COERCION_PATH_FUNC &&
			 OidIsValid(castfunc))
	{
		type->kind = AL_KIND_CAST;
		type->holds_keys = true;
		type->guard = function_guard(castfunc);
		fmgr_info_cxt(castfunc, &type->out, plan->context);
	}
	else if (type->typid >= FirstNormalObjectId)
		type->guard = get_typtype(type->typid) == TYPTYPE_ENUM ?
			AL_GUARD_NONE : function_guard(type->text_out.fn_oid);
	else
		type->guard = builtin_guard(type->typid);

	/* A range prints its bounds as their own type does. */
	if (type_is_range(type->typid))
		guard_as(plan, type, get_range_subtype(type->typid));
	else if (type_is_multirange(type->typid))
		guard_as(plan, type, get_multirange_range(type->typid));
}

/*
 * How value::text is made: by the output function, unless there is a cast (of
 * inet and bpchar there is, and it gives another text).
 */
static void
plan_text(AlRowPlan *plan, AlTypePlan *type)
{
	Oid			castfunc;

	switch (type->kind)
	{
		case AL_KIND_BOOL:
		case AL_KIND_INT2:
		case AL_KIND_INT4:
		case AL_KIND_INT8:
		case AL_KIND_NAME:
		case AL_KIND_UUID:
			return;
		case AL_KIND_TEXT:
			if (type->typid != BPCHAROID)
				return;
			break;
		default:
			break;
	}

	/* Output functions of floats and times follow the session's styles. */
	type->text_guard = Max(type->guard, AL_GUARD_STYLE);
	if (find_coercion_pathway(TEXTOID, type->typid, COERCION_EXPLICIT,
							  &castfunc) == COERCION_PATH_FUNC &&
		OidIsValid(castfunc))
	{
		fmgr_info_cxt(castfunc, &type->text_cast, plan->context);
		type->text_guard = Max(type->text_guard, function_guard(castfunc));
	}
	else if (type->typid >= FirstNormalObjectId)
		type->text_guard = Max(type->text_guard,
							   function_guard(type->text_out.fn_oid));
}

/*
 * The plan of a type, made on first use.  A type that contains itself finds
 * its own unfinished plan here, which is complete by the time it is used.
 */
AlTypePlan *
al_rowplan_type(AlRowPlan *plan, Oid typid)
{
	MemoryContext old;
	AlTypePlan *type;
	ListCell   *lc;
	Oid			outfunc;
	bool		isvarlena;
	Oid			basetype = getBaseType(typid);

	foreach(lc, plan->types)
	{
		type = lfirst(lc);
		if (type->typid == basetype)
			return type;
	}

	check_stack_depth();
	old = MemoryContextSwitchTo(plan->context);
	type = palloc0(sizeof(AlTypePlan));
	type->typid = basetype;
	plan->types = lappend(plan->types, type);

	getTypeOutputInfo(basetype, &outfunc, &isvarlena);
	fmgr_info_cxt(outfunc, &type->text_out, plan->context);
	fmgr_info_cxt(outfunc, &type->out, plan->context);

	type->kind = simple_kind(basetype);
	if (type->kind == AL_KIND_OUT)
		plan_kind(plan, type);
	else
		type->holds_keys = type->kind == AL_KIND_JSON ||
			type->kind == AL_KIND_JSONB;
	plan_text(plan, type);

	MemoryContextSwitchTo(old);
	return type;
}

static bool
names_hold(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

/* The numbers of the columns that are to be left out, and to be masked. */
static void
find_hidden(TupleDesc tupdesc, List *exclude, List *mask,
			Bitmapset **excluded, Bitmapset **masked)
{
	TupleConstr *constr = tupdesc->constr;

	*excluded = NULL;
	*masked = NULL;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		const char *name = NameStr(att->attname);

		if (att->attisdropped)
			continue;
		if (names_hold(exclude, name) || al_exclude_column(name))
			*excluded = bms_add_member(*excluded, att->attnum);
		if (names_hold(mask, name))
			*masked = bms_add_member(*masked, att->attnum);
	}

	/*
	 * A generated column shows what it is made of.  PostgreSQL lets none be
	 * made of another one, nor of the whole row.
	 */
	for (int i = 0; constr && i < constr->num_defval; i++)
	{
		AttrDefault *made = &constr->defval[i];
		Bitmapset  *of = NULL;
		int			x = -1;

		if (!TupleDescAttr(tupdesc, made->adnum - 1)->attgenerated)
			continue;
		pull_varattnos(stringToNode(made->adbin), 1, &of);
		while ((x = bms_next_member(of, x)) >= 0)
		{
			int			attnum = x + FirstLowInvalidHeapAttributeNumber;

			if (attnum > 0 && bms_is_member(attnum, *excluded))
				*excluded = bms_add_member(*excluded, made->adnum);
			if (attnum > 0 && bms_is_member(attnum, *masked))
				*masked = bms_add_member(*masked, made->adnum);
		}
	}
}

/*
 * Plans the rows of a relation, in a memory context of its own below the
 * current one.  Columns in "exclude" and those that audit.payload_exclude
 * names are left out and named in "removed"; those in "mask" print as AL_MASK.
 * So are generated columns that are computed from them.
 */
AlRowPlan *
al_rowplan_make(TupleDesc tupdesc, List *exclude, List *mask,
				StringInfo removed)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log row plan",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AlRowPlan  *plan = palloc0(sizeof(AlRowPlan));
	Bitmapset  *excluded;
	Bitmapset  *masked;

	plan->context = context;
	plan->columns = palloc0(sizeof(AlColumnPlan) * Max(tupdesc->natts, 1));
	find_hidden(tupdesc, exclude, mask, &excluded, &masked);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		AlColumnPlan *column = &plan->columns[plan->ncolumns];

		if (att->attisdropped)
			continue;
		if (bms_is_member(att->attnum, excluded))
		{
			al_exclude_add_name(removed, NameStr(att->attname));
			continue;
		}
		plan_column(plan, column, att);
		column->masked = bms_is_member(att->attnum, masked);
		if (!column->masked)
			plan->guard = Max(plan->guard, column->type->guard);
		plan->ncolumns++;
	}
	MemoryContextSwitchTo(old);
	return plan;
}

/* What printing a value needs, by al_rowjson_text() or al_rowjson_value(). */
AlGuard
al_rowplan_type_guard(AlTypePlan *type)
{
	return Max(type->guard, type->text_guard);
}
