/*
 * src/backend/rowjson.c
 *
 * Row -> JSON text, byte for byte what row_to_json(row)::text gives under
 * TimeZone UTC, DateStyle ISO, IntervalStyle postgres, extra_float_digits 1,
 * bytea_output hex and search_path pg_catalog, whatever the session has set.
 *
 * Nothing is looked up while a row is printed: rowplan.c did that.
 *
 * Most built-in types print the same under every setting.  For the others the
 * caller puts the settings aside around the whole row (guard.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "exclude.h"
#include "ids.h"
#include "rowjson.h"

static void print_value(StringInfo out, AlTypePlan *type, Datum value);

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
print_float(StringInfo out, AlTypeKind kind, Datum value)
{
	char		text[64];

	if (kind == AL_KIND_FLOAT4)
		float_to_shortest_decimal_buf(DatumGetFloat4(value), text);
	else
		double_to_shortest_decimal_buf(DatumGetFloat8(value), text);
	print_number(out, text);
}

static void
print_uuid(StringInfo out, Datum value)
{
	char	   *p = reserve(out, AL_UUID_TEXT_LEN + 2);

	*p++ = '"';
	al_ids_print(p, DatumGetUUIDP(value));
	p[AL_UUID_TEXT_LEN] = '"';
	advance(out, AL_UUID_TEXT_LEN + 2);
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
	Oid			typid = HeapTupleHeaderGetTypeId(header);
	int32		typmod = HeapTupleHeaderGetTypMod(header);
	TupleDesc	tupdesc = lookup_rowtype_tupdesc(typid, typmod);
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
		case AL_KIND_TEXT:
			print_varlena_text(out, value, true);
			break;
		case AL_KIND_INT2:
			advance(out, pg_itoa(DatumGetInt16(value), reserve(out, 16)));
			break;
		case AL_KIND_INT4:
			advance(out, pg_ltoa(DatumGetInt32(value), reserve(out, 16)));
			break;
		case AL_KIND_INT8:
			advance(out, pg_lltoa(DatumGetInt64(value), reserve(out, 24)));
			break;
		case AL_KIND_BOOL:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			break;
		case AL_KIND_FLOAT4:
		case AL_KIND_FLOAT8:
			print_float(out, type->kind, value);
			break;
		case AL_KIND_NUMERIC:
			text = OutputFunctionCall(&type->out, value);
			print_number(out, text);
			pfree(text);
			break;
		case AL_KIND_DATETIME:
			{
				static const int utc = 0;

				text = reserve(out, MAXDATELEN + 3);
				text[0] = '"';
				JsonEncodeDateTime(text + 1, value, type->typid, &utc);
				advance(out, strlen(text));
				appendStringInfoChar(out, '"');
				break;
			}
		case AL_KIND_NAME:
			escape_cstring(out, NameStr(*DatumGetName(value)));
			break;
		case AL_KIND_UUID:
			print_uuid(out, value);
			break;
		case AL_KIND_BYTEA:
			print_bytea(out, value);
			break;
		case AL_KIND_JSON:
			print_varlena_text(out, value, false);
			break;
		case AL_KIND_JSONB:
			{
				Jsonb	   *jb = DatumGetJsonbP(value);

				JsonbToCString(out, &jb->root, VARSIZE(jb));
				break;
			}
		case AL_KIND_CAST:
			print_varlena_text(out, call_cast(&type->out, value), false);
			break;
		case AL_KIND_ARRAY:
			check_stack_depth();
			print_array(out, type, value);
			break;
		case AL_KIND_COMPOSITE:
			check_stack_depth();
			print_composite(out, type, value);
			break;
		case AL_KIND_OUT:
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
		case AL_KIND_INT2:
		case AL_KIND_INT4:
		case AL_KIND_INT8:
		case AL_KIND_BOOL:
			print_value(out, type, value);
			return;
		default:
			break;
	}
	if (OidIsValid(type->text_cast.fn_oid))
		print_varlena_text(out, call_cast(&type->text_cast, value), false);
	else if (type->kind == AL_KIND_TEXT)
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
