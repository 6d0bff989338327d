/*
 * src/backend/rowjson.c
 *
 * Row -> JSON text, byte for byte what row_to_json(row)::text gives under
 * TimeZone UTC, DateStyle ISO, IntervalStyle postgres, extra_float_digits 1,
 * bytea_output hex and search_path pg_catalog, whatever the session has set.
 *
 * row_to_json() itself looks up the category and the output function of every
 * column of every row.  Here that is done once a relation: an AlRowPlan holds
 * the escaped labels and an AlTypePlan for each type, and printing a row looks
 * nothing up.  Whoever keeps a plan drops it when its relation, one of
 * plan->relids or pg_cast changes (tracking.c).
 *
 * Most built-in types print the same under every setting.  For the others the
 * caller puts the settings aside around the whole row (guard.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "exclude.h"
#include "rowjson.h"

typedef enum TypeKind
{
	KIND_OUT,					/* a string, by the output function */
	KIND_BOOL,
	KIND_INT2,
	KIND_INT4,
	KIND_INT8,
	KIND_FLOAT4,
	KIND_FLOAT8,
	KIND_NUMERIC,
	KIND_DATETIME,				/* date, timestamp, timestamptz */
	KIND_TEXT,					/* a varlena whose bytes are the text */
	KIND_NAME,
	KIND_UUID,
	KIND_BYTEA,
	KIND_JSON,
	KIND_JSONB,
	KIND_CAST,					/* not built in, with a cast to json */
	KIND_ARRAY,
	KIND_COMPOSITE
} TypeKind;

struct AlTypePlan
{
	Oid			typid;			/* domains looked through */
	TypeKind	kind;
	AlGuard		guard;			/* of this type and all inside it */
	FmgrInfo	out;			/* output function, or the cast to json */
	FmgrInfo	text_out;		/* output function, for KIND_CAST too */
	FmgrInfo	text_cast;		/* the cast to text; fn_oid is invalid: text_out */
	AlGuard		text_guard;		/* of text_out or text_cast */
	bool		holds_keys;		/* printed as JSON that has keys inside */
	/* KIND_ARRAY */
	AlTypePlan *element;
	int16		typlen;			/* of the element */
	bool		typbyval;
	char		typalign;
	/* KIND_COMPOSITE */
	int			ncolumns;
	AlColumnPlan *columns;
};

static void print_value(StringInfo out, AlTypePlan *type, Datum value);

/* ---------------------------------------------------------------- planning */

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

static TypeKind
simple_kind(Oid typid)
{
	switch (typid)
	{
		case BOOLOID:
			return KIND_BOOL;
		case INT2OID:
			return KIND_INT2;
		case INT4OID:
			return KIND_INT4;
		case INT8OID:
			return KIND_INT8;
		case FLOAT4OID:
			return KIND_FLOAT4;
		case FLOAT8OID:
			return KIND_FLOAT8;
		case NUMERICOID:
			return KIND_NUMERIC;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return KIND_DATETIME;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return KIND_TEXT;
		case NAMEOID:
			return KIND_NAME;
		case UUIDOID:
			return KIND_UUID;
		case BYTEAOID:
			return KIND_BYTEA;
		case JSONOID:
			return KIND_JSON;
		case JSONBOID:
			return KIND_JSONB;
		default:
			return KIND_OUT;
	}
}

/* `"name":` as row_to_json() writes it. */
static void
plan_column(AlRowPlan *plan, AlColumnPlan *column, Form_pg_attribute att)
{
	StringInfoData label;

	initStringInfo(&label);
	al_rowjson_escape(&label, NameStr(att->attname),
					  strlen(NameStr(att->attname)));
	appendStringInfoChar(&label, ':');

	column->attnum = att->attnum;
	column->label = label.data;
	column->label_len = label.len;
	column->name = pstrdup(NameStr(att->attname));
	column->typbyval = att->attbyval;
	column->typlen = att->attlen;
	column->type = al_rowjson_type(plan, att->atttypid);
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

static void
plan_kind(AlRowPlan *plan, AlTypePlan *type)
{
	Oid			element = get_element_type(type->typid);
	Oid			castfunc;

	if (OidIsValid(element))
	{
		type->kind = KIND_ARRAY;
		get_typlenbyvalalign(element, &type->typlen, &type->typbyval,
							 &type->typalign);
		type->element = al_rowjson_type(plan, element);
		type->guard = type->element->guard;
		type->holds_keys = type->element->holds_keys;
	}
	else if (type_is_rowtype(type->typid))
	{
		type->kind = KIND_COMPOSITE;
		type->holds_keys = true;
		plan_composite(plan, type);
	}
	else if (type->typid >= FirstNormalObjectId &&
			 find_coercion_pathway(JSONOID, type->typid, COERCION_EXPLICIT,
								   &castfunc) == COERCION_PATH_FUNC &&
			 OidIsValid(castfunc))
	{
		type->kind = KIND_CAST;
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
		type->guard = Max(type->guard, al_rowjson_type(plan,
													   get_range_subtype(type->typid))->guard);
	else if (type_is_multirange(type->typid))
		type->guard = Max(type->guard, al_rowjson_type(plan,
													   get_multirange_range(type->typid))->guard);
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
		case KIND_BOOL:
		case KIND_INT2:
		case KIND_INT4:
		case KIND_INT8:
		case KIND_NAME:
		case KIND_UUID:
			return;
		case KIND_TEXT:
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
al_rowjson_type(AlRowPlan *plan, Oid typid)
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
	if (type->kind == KIND_OUT)
		plan_kind(plan, type);
	else
		type->holds_keys = type->kind == KIND_JSON || type->kind == KIND_JSONB;
	plan_text(plan, type);

	MemoryContextSwitchTo(old);
	return type;
}

static bool
names_hold(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/*
 * Plans the rows of a relation, in a memory context of its own below the
 * current one.  Columns in "exclude" and those that audit.payload_exclude
 * names are left out and named in "removed"; those in "mask" print as AL_MASK.
 */
AlRowPlan *
al_rowjson_plan(TupleDesc tupdesc, List *exclude, List *mask,
				StringInfo removed)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log row plan",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AlRowPlan  *plan = palloc0(sizeof(AlRowPlan));

	plan->context = context;
	plan->columns = palloc0(sizeof(AlColumnPlan) * Max(tupdesc->natts, 1));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		AlColumnPlan *column = &plan->columns[plan->ncolumns];
		const char *name = NameStr(att->attname);

		if (att->attisdropped)
			continue;
		if (names_hold(exclude, name) || al_exclude_column(name))
		{
			al_exclude_add_name(removed, name);
			continue;
		}
		plan_column(plan, column, att);
		column->masked = names_hold(mask, name);
		if (!column->masked)
			plan->guard = Max(plan->guard, column->type->guard);
		plan->ncolumns++;
	}
	MemoryContextSwitchTo(old);
	return plan;
}

/* What printing a value needs, by al_rowjson_text() or al_rowjson_value(). */
AlGuard
al_rowjson_type_guard(AlTypePlan *type)
{
	return Max(type->guard, type->text_guard);
}

/* ---------------------------------------------------------------- printing */

/* Characters that a JSON string may not hold as they are. */
static inline bool
needs_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

/* Same text as the server's escape_json(), copied in runs. */
void
al_rowjson_escape(StringInfo out, const char *text, int len)
{
	const char *end = text + len;
	const char *run = text;
	const char *p;

	enlargeStringInfo(out, len + 2);
	appendStringInfoCharMacro(out, '"');
	for (p = text; p < end; p++)
	{
		if (likely(!needs_escape((unsigned char) *p)))
			continue;
		appendBinaryStringInfo(out, run, p - run);
		run = p + 1;
		switch (*p)
		{
			case '\b':
				appendBinaryStringInfo(out, "\\b", 2);
				break;
			case '\f':
				appendBinaryStringInfo(out, "\\f", 2);
				break;
			case '\n':
				appendBinaryStringInfo(out, "\\n", 2);
				break;
			case '\r':
				appendBinaryStringInfo(out, "\\r", 2);
				break;
			case '\t':
				appendBinaryStringInfo(out, "\\t", 2);
				break;
			case '"':
				appendBinaryStringInfo(out, "\\\"", 2);
				break;
			case '\\':
				appendBinaryStringInfo(out, "\\\\", 2);
				break;
			default:
				appendStringInfo(out, "\\u%04x", (unsigned char) *p);
				break;
		}
	}
	appendBinaryStringInfo(out, run, end - run);
	appendStringInfoCharMacro(out, '"');
}

static void
escape_cstring(StringInfo out, const char *text)
{
	al_rowjson_escape(out, text, strlen(text));
}

/* Gives room for "len" more bytes and returns where they go. */
static inline char *
reserve(StringInfo out, int len)
{
	enlargeStringInfo(out, len);
	return out->data + out->len;
}

static inline void
advance(StringInfo out, int len)
{
	out->len += len;
	out->data[out->len] = '\0';
}

/* NaN and the infinities are no JSON numbers, and are quoted. */
static void
print_number(StringInfo out, const char *text)
{
	const char *digits = *text == '-' ? text + 1 : text;

	if (*digits >= '0' && *digits <= '9')
		appendStringInfoString(out, text);
	else
		escape_cstring(out, text);
}

static void
print_float(StringInfo out, TypeKind kind, Datum value)
{
	char		text[64];

	if (kind == KIND_FLOAT4)
		float_to_shortest_decimal_buf(DatumGetFloat4(value), text);
	else
		double_to_shortest_decimal_buf(DatumGetFloat8(value), text);
	print_number(out, text);
}

static void
print_uuid(StringInfo out, Datum value)
{
	const unsigned char *data = DatumGetUUIDP(value)->data;
	static const char hex[] = "0123456789abcdef";
	char	   *p = reserve(out, 38);

	*p++ = '"';
	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[data[i] >> 4];
		*p++ = hex[data[i] & 0x0f];
	}
	*p = '"';
	advance(out, 38);
}

static void
print_bytea(StringInfo out, Datum value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	int			len = VARSIZE_ANY_EXHDR(bytes);
	int			room;

	if (len > (int) (MaxAllocSize / 2) - 8)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("bytea value of %d bytes is too large for an audit record",
						len)));
	room = len * 2 + 5;
	memcpy(reserve(out, room), "\"\\\\x", 4);
	hex_encode(VARDATA_ANY(bytes), len, out->data + out->len + 4);
	out->data[out->len + room - 1] = '"';
	advance(out, room);
}

static void
print_varlena_text(StringInfo out, Datum value, bool escape)
{
	struct varlena *text = PG_DETOAST_DATUM_PACKED(value);

	if (escape)
		al_rowjson_escape(out, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text));
	else
		appendBinaryStringInfo(out, VARDATA_ANY(text),
							   VARSIZE_ANY_EXHDR(text));
	if ((Pointer) text != DatumGetPointer(value))
		pfree(text);
}

/*
 * Calls a cast function.  Some take the target's modifier and whether the cast
 * is explicit too; collations are those of row_to_json(), none.
 */
static Datum
call_cast(FmgrInfo *cast, Datum value)
{
	if (cast->fn_nargs == 1)
		return FunctionCall1(cast, value);
	if (cast->fn_nargs == 2)
		return FunctionCall2(cast, value, Int32GetDatum(-1));
	return FunctionCall3(cast, value, Int32GetDatum(-1), BoolGetDatum(true));
}

static void
print_array_dimension(StringInfo out, AlTypePlan *element, int dim, int ndim,
					  const int *dims, Datum *values, bool *nulls, int *next)
{
	appendStringInfoChar(out, '[');
	for (int i = 0; i < dims[dim]; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		if (dim + 1 < ndim)
			print_array_dimension(out, element, dim + 1, ndim, dims, values,
								  nulls, next);
		else
		{
			if (nulls[*next])
				appendBinaryStringInfo(out, "null", 4);
			else
				print_value(out, element, values[*next]);
			(*next)++;
		}
	}
	appendStringInfoChar(out, ']');
}

static void
print_array(StringInfo out, AlTypePlan *type, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int			ndim = ARR_NDIM(array);
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			next = 0;

	if (ArrayGetNItems(ndim, ARR_DIMS(array)) <= 0)
	{
		appendBinaryStringInfo(out, "[]", 2);
		return;
	}
	deconstruct_array(array, ARR_ELEMTYPE(array), type->typlen,
					  type->typbyval, type->typalign, &values, &nulls, &count);
	print_array_dimension(out, type->element, 0, ndim, ARR_DIMS(array),
						  values, nulls, &next);
	pfree(values);
	pfree(nulls);
}

static void
print_composite(StringInfo out, AlTypePlan *type, Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc	tupdesc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
												 HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple;
	Datum	   *values = palloc(sizeof(Datum) * Max(tupdesc->natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(tupdesc->natts, 1));

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, tupdesc, values, nulls);

	appendStringInfoChar(out, '{');
	for (int i = 0; i < type->ncolumns; i++)
	{
		AlColumnPlan *column = &type->columns[i];

		if (column->attnum > tupdesc->natts)
			elog(ERROR, "type %u changed while a row was being recorded",
				 type->typid);
		if (i > 0)
			appendStringInfoChar(out, ',');
		appendBinaryStringInfo(out, column->label, column->label_len);
		if (nulls[column->attnum - 1])
			appendBinaryStringInfo(out, "null", 4);
		else
			print_value(out, column->type, values[column->attnum - 1]);
	}
	appendStringInfoChar(out, '}');
	pfree(values);
	pfree(nulls);
	ReleaseTupleDesc(tupdesc);
}

static void
print_value(StringInfo out, AlTypePlan *type, Datum value)
{
	char	   *text;

	switch (type->kind)
	{
		case KIND_TEXT:
			print_varlena_text(out, value, true);
			break;
		case KIND_INT2:
			advance(out, pg_itoa(DatumGetInt16(value), reserve(out, 16)));
			break;
		case KIND_INT4:
			advance(out, pg_ltoa(DatumGetInt32(value), reserve(out, 16)));
			break;
		case KIND_INT8:
			advance(out, pg_lltoa(DatumGetInt64(value), reserve(out, 24)));
			break;
		case KIND_BOOL:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			break;
		case KIND_FLOAT4:
		case KIND_FLOAT8:
			print_float(out, type->kind, value);
			break;
		case KIND_NUMERIC:
			text = OutputFunctionCall(&type->out, value);
			print_number(out, text);
			pfree(text);
			break;
		case KIND_DATETIME:
			{
				static const int utc = 0;

				text = reserve(out, MAXDATELEN + 3);
				text[0] = '"';
				JsonEncodeDateTime(text + 1, value, type->typid, &utc);
				advance(out, strlen(text));
				appendStringInfoChar(out, '"');
				break;
			}
		case KIND_NAME:
			escape_cstring(out, NameStr(*DatumGetName(value)));
			break;
		case KIND_UUID:
			print_uuid(out, value);
			break;
		case KIND_BYTEA:
			print_bytea(out, value);
			break;
		case KIND_JSON:
			print_varlena_text(out, value, false);
			break;
		case KIND_JSONB:
			{
				Jsonb	   *jb = DatumGetJsonbP(value);

				JsonbToCString(out, &jb->root, VARSIZE(jb));
				break;
			}
		case KIND_CAST:
			print_varlena_text(out, call_cast(&type->out, value), false);
			break;
		case KIND_ARRAY:
			check_stack_depth();
			print_array(out, type, value);
			break;
		case KIND_COMPOSITE:
			check_stack_depth();
			print_composite(out, type, value);
			break;
		case KIND_OUT:
			text = OutputFunctionCall(&type->out, value);
			escape_cstring(out, text);
			pfree(text);
			break;
	}
}

/* Appends the JSON value of a datum that is not null. */
void
al_rowjson_value(StringInfo out, AlTypePlan *type, Datum value)
{
	print_value(out, type, value);
}

/* Appends what value::text gives, for a datum that is not null. */
void
al_rowjson_text(StringInfo out, AlTypePlan *type, Datum value)
{
	switch (type->kind)
	{
		case KIND_INT2:
		case KIND_INT4:
		case KIND_INT8:
		case KIND_BOOL:
			print_value(out, type, value);
			return;
		default:
			break;
	}
	if (OidIsValid(type->text_cast.fn_oid))
		print_varlena_text(out, call_cast(&type->text_cast, value), false);
	else if (type->kind == KIND_TEXT)
		print_varlena_text(out, value, false);
	else
		appendStringInfoString(out,
							   OutputFunctionCall(&type->text_out, value));
}

/*
 * Appends a row as a JSON object: all columns of the plan, or those whose
 * entry in "wanted" (by position in the plan) is true.  Keys that
 * audit.payload_exclude takes out of values are added to "removed".
 *
 * The caller has entered plan->guard.
 */
void
al_rowjson_row(StringInfo out, const AlRowPlan *plan, const Datum *values,
			   const bool *nulls, const bool *wanted, StringInfo removed)
{
	bool		first = true;

	appendStringInfoChar(out, '{');
	for (int i = 0; i < plan->ncolumns; i++)
	{
		AlColumnPlan *column = &plan->columns[i];
		int			att = column->attnum - 1;

		if (wanted && !wanted[i])
			continue;
		if (!first)
			appendStringInfoChar(out, ',');
		first = false;
		appendBinaryStringInfo(out, column->label, column->label_len);
		if (nulls[att])
			appendBinaryStringInfo(out, "null", 4);
		else if (column->masked)
			escape_cstring(out, AL_MASK);
		else
		{
			int			start = out->len;

			print_value(out, column->type, values[att]);
			if (column->type->holds_keys)
				al_exclude_from_value(out, start, column->name, removed);
		}
	}
	appendStringInfoChar(out, '}');
}
