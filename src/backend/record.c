/*
 * src/backend/record.c
 *
 * The one definition of a record: a JSON object with a fixed list of keys, in
 * a fixed order, that depends on no setting of the session.  audit.record()
 * returns it, the HTTP interface passes it on, and signatures are made of it.
 *
 *	- entity and old_values are JSON strings that hold JSON text, as in Kong
 *	- request_timestamp, ttl, status and txid are numbers
 *	- occurred_at is ISO 8601 in UTC with microseconds
 *	- text that has no UTF-8 form, which JSON is in, is a zero character and
 *	  its bytes in hex, as in leaf.c; such a record cannot be signed
 *
 * The fields are the columns of the views audit.objects and audit.requests,
 * in their order.
 *
 * A record is signed in its canonical form, and a writer gets that from the
 * fields themselves: by way of the JSON text it took longer than everything
 * else about a signature but the RSA operation.  Whoever checks a signature
 * starts from the JSON, so the two ways must give the same bytes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/canon.h"

#include "glue.h"
#include "ids.h"
#include "isotime.h"
#include "keylog.h"
#include "keys.h"
#include "record.h"
#include "rowjson.h"
#include "signature.h"
#include "store.h"
#include "utf8.h"

typedef enum FieldKind
{
	FIELD_TEXT,					/* text and json: a JSON string */
	FIELD_UUID,
	FIELD_INT4,
	FIELD_INT8,
	FIELD_NUMERIC,
	FIELD_TIME
} FieldKind;

typedef struct Field
{
	const char *name;
	const char *key;			/* with a comma, quotes and a colon */
	int			key_len;
	FieldKind	kind;
	AttrNumber	column;			/* of the table; 0: it has none */
} Field;

#define FIELD(name, kind, column) \
	{name, ",\"" name "\":", sizeof(",\"" name "\":") - 1, kind, column}

static const Field object_fields[] =
{
	FIELD("id", FIELD_UUID, AL_OBJECT_ID),
	FIELD("request_id", FIELD_TEXT, AL_OBJECT_REQUEST_ID),
	FIELD("request_timestamp", FIELD_INT8, 0),
	FIELD("dao_name", FIELD_TEXT, AL_OBJECT_DAO_NAME),
	FIELD("operation", FIELD_TEXT, AL_OBJECT_OPERATION),
	FIELD("entity_key", FIELD_TEXT, AL_OBJECT_ENTITY_KEY),
	FIELD("entity", FIELD_TEXT, AL_OBJECT_ENTITY),
	FIELD("rbac_user_id", FIELD_TEXT, AL_OBJECT_RBAC_USER_ID),
	FIELD("rbac_user_name", FIELD_TEXT, AL_OBJECT_RBAC_USER_NAME),
	FIELD("workspace", FIELD_TEXT, AL_OBJECT_WORKSPACE),
	FIELD("request_source", FIELD_TEXT, AL_OBJECT_REQUEST_SOURCE),
	FIELD("ttl", FIELD_INT8, 0),
	FIELD("signature", FIELD_TEXT, AL_OBJECT_SIGNATURE),
	FIELD("schema_name", FIELD_TEXT, AL_OBJECT_SCHEMA_NAME),
	FIELD("partition_name", FIELD_TEXT, AL_OBJECT_PARTITION_NAME),
	FIELD("key_id", FIELD_TEXT, AL_OBJECT_KEY_ID),
	FIELD("old_values", FIELD_TEXT, AL_OBJECT_OLD_VALUES),
	FIELD("removed_from_entity", FIELD_TEXT, AL_OBJECT_REMOVED),
	FIELD("db_user", FIELD_TEXT, AL_OBJECT_DB_USER),
	FIELD("db_role", FIELD_TEXT, AL_OBJECT_DB_ROLE),
	FIELD("application_name", FIELD_TEXT, AL_OBJECT_APPLICATION_NAME),
	FIELD("client_ip", FIELD_TEXT, AL_OBJECT_CLIENT_IP),
	FIELD("txid", FIELD_INT8, AL_OBJECT_TXID),
	FIELD("occurred_at", FIELD_TIME, AL_OBJECT_OCCURRED_AT),
};

static const Field request_fields[] =
{
	FIELD("request_id", FIELD_TEXT, AL_REQUEST_REQUEST_ID),
	FIELD("client_ip", FIELD_TEXT, AL_REQUEST_CLIENT_IP),
	FIELD("method", FIELD_TEXT, AL_REQUEST_METHOD),
	FIELD("path", FIELD_TEXT, AL_REQUEST_PATH),
	FIELD("payload", FIELD_TEXT, AL_REQUEST_PAYLOAD),
	FIELD("status", FIELD_INT4, AL_REQUEST_STATUS),
	FIELD("request_timestamp", FIELD_INT8, 0),
	FIELD("workspace", FIELD_TEXT, AL_REQUEST_WORKSPACE),
	FIELD("rbac_user_id", FIELD_TEXT, AL_REQUEST_RBAC_USER_ID),
	FIELD("rbac_user_name", FIELD_TEXT, AL_REQUEST_RBAC_USER_NAME),
	FIELD("request_source", FIELD_TEXT, AL_REQUEST_REQUEST_SOURCE),
	FIELD("removed_from_payload", FIELD_TEXT, AL_REQUEST_REMOVED),
	FIELD("ttl", FIELD_INT8, 0),
	FIELD("signature", FIELD_TEXT, AL_REQUEST_SIGNATURE),
	FIELD("id", FIELD_UUID, AL_REQUEST_ID),
	FIELD("key_id", FIELD_TEXT, AL_REQUEST_KEY_ID),
	FIELD("duration_ms", FIELD_NUMERIC, AL_REQUEST_DURATION_MS),
	FIELD("user_agent", FIELD_TEXT, AL_REQUEST_USER_AGENT),
	FIELD("db_user", FIELD_TEXT, AL_REQUEST_DB_USER),
	FIELD("occurred_at", FIELD_TIME, AL_REQUEST_OCCURRED_AT),
};

static const struct
{
	const Field *fields;
	int			nfields;
}			streams[AL_STREAMS] = {
	[AL_OBJECTS] = {object_fields, lengthof(object_fields)},
	[AL_REQUESTS] = {request_fields, lengthof(request_fields)}
};

StaticAssertDecl(lengthof(object_fields) <= AL_MAX_COLUMNS,
				 "a record has no more fields than its table columns");
StaticAssertDecl(lengthof(request_fields) <= AL_MAX_COLUMNS,
				 "a record has no more fields than its table columns");

int
al_record_fields(AlStream stream)
{
	return streams[stream].nfields;
}

const char *
al_record_field_name(AlStream stream, int field)
{
	return streams[stream].fields[field].name;
}

static void
print_time(StringInfo out, TimestampTz time)
{
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	enlargeStringInfo(out, AL_ISOTIME_SIZE);
	out->len += al_isotime_print(out->data + out->len, time);
	out->data[out->len] = '\0';
}

/* Appends a value that is not text, without quotes. */
static void
print_scalar(StringInfo out, FieldKind kind, Datum value)
{
	char		digits[Max(MAXINT8LEN + 1, AL_UUID_TEXT_LEN)];

	switch (kind)
	{
		case FIELD_TEXT:
			Assert(false);
			break;
		case FIELD_UUID:
			al_ids_print(digits, DatumGetUUIDP(value));
			appendBinaryStringInfo(out, digits, AL_UUID_TEXT_LEN);
			break;
		case FIELD_INT4:
			appendBinaryStringInfo(out, digits,
								   pg_ltoa(DatumGetInt32(value), digits));
			break;
		case FIELD_INT8:
			appendBinaryStringInfo(out, digits,
								   pg_lltoa(DatumGetInt64(value), digits));
			break;
		case FIELD_NUMERIC:
			value = DirectFunctionCall1(numeric_out, value);
			appendStringInfoString(out, DatumGetCString(value));
			break;
		case FIELD_TIME:
			print_time(out, DatumGetTimestampTz(value));
			break;
	}
}

static void
print_text(StringInfo out, const char *bytes, int len)
{
	char	   *utf8 = al_utf8_from_text(bytes, len);

	if (utf8)
	{
		al_rowjson_escape(out, bytes, len);
		if (utf8 != bytes)
			pfree(utf8);
		return;
	}
	appendStringInfoString(out, "\"\\u0000");
	enlargeStringInfo(out, 2 * len + 1);
	out->len += hex_encode(bytes, len, out->data + out->len);
	appendStringInfoChar(out, '"');
}

static void
print_field(StringInfo out, FieldKind kind, Datum value)
{
	bool		quoted = kind == FIELD_UUID || kind == FIELD_TIME;

	if (kind == FIELD_TEXT)
	{
		text	   *t = DatumGetTextPP(value);

		print_text(out, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
		return;
	}
	if (quoted)
		appendStringInfoChar(out, '"');
	print_scalar(out, kind, value);
	if (quoted)
		appendStringInfoChar(out, '"');
}

/* Appends the record whose fields, in order, are "values". */
void
al_record_json(StringInfo out, AlStream stream, const Datum *values,
			   const bool *nulls)
{
	const Field *fields = streams[stream].fields;

	appendStringInfoChar(out, '{');
	for (int i = 0; i < streams[stream].nfields; i++)
	{
		int			first = i == 0; /* no comma */

		appendBinaryStringInfo(out, fields[i].key + first,
							   fields[i].key_len - first);
		if (nulls[i])
			appendBinaryStringInfo(out, "null", strlen("null"));
		else
			print_field(out, fields[i].kind, values[i]);
	}
	appendStringInfoChar(out, '}');
}

/* -------------------------------------------------------------- canonical */

/*
 * Appends a canonical form of a JSON text in the server's encoding; the form
 * itself is UTF-8, as the API returns records.  Throws for a text that has
 * none.
 */
void
al_record_canonical(AlBuf *out, const char *json, int len, bool strict)
{
	char	   *utf8 = pg_server_to_any(json, len, PG_UTF8);
	AlError		error = {{0}};
	AlStatus	status;

	if (utf8 != json)
		len = strlen(utf8);
	status = strict ? al_canon_strict(utf8, len, out, &error) :
		al_canon_pipe(utf8, len, out, &error);
	if (status == AL_OK && !out->failed)
		return;
	if (status == AL_OK || status == AL_NO_MEMORY)
		al_glue_no_memory();
	ereport(ERROR,
			(errcode(status == AL_UNSUPPORTED ?
					 ERRCODE_FEATURE_NOT_SUPPORTED :
					 ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("json has no canonical form: %s", error.reason)));
}

/* Does the signature of a record cover a field? */
static bool
is_signed(const Field *field)
{
	return strcmp(field->name, "signature") != 0 &&
		strcmp(field->name, "ttl") != 0;
}

/* The signed fields of a stream in the bytewise order of their names. */
static int
sort_fields(AlStream stream, uint8 *order)
{
	const Field *fields = streams[stream].fields;
	int			n = 0;

	for (int i = 0; i < streams[stream].nfields; i++)
	{
		int			at = n;

		if (!is_signed(&fields[i]))
			continue;
		while (at > 0 &&
			   strcmp(fields[order[at - 1]].name, fields[i].name) > 0)
		{
			order[at] = order[at - 1];
			at--;
		}
		order[at] = i;
		n++;
	}
	return n;
}

/* Appends a text as UTF-8, as which JSON leaves the server. */
static void
print_utf8(StringInfo out, const Field *field, text *t)
{
	char	   *bytes = VARDATA_ANY(t);
	int			len = VARSIZE_ANY_EXHDR(t);
	char	   *utf8;

	if (GetDatabaseEncoding() == PG_SQL_ASCII &&
		!pg_verify_mbstr(PG_UTF8, bytes, len, true))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("audit record cannot be signed"),
				 errdetail("Its field \"%s\" is not valid UTF-8.",
						   field->name),
				 errhint("What is signed is UTF-8; a database with encoding SQL_ASCII does not keep other bytes out.")));
	utf8 = pg_server_to_any(bytes, len, PG_UTF8);
	if (utf8 == bytes)
		appendBinaryStringInfo(out, bytes, len);
	else
		appendStringInfoString(out, utf8);
}

static void
print_canonical_field(StringInfo out, const Field *field, Datum value)
{
	if (field->kind == FIELD_TEXT)
	{
		print_utf8(out, field, DatumGetTextPP(value));
		return;
	}
	if (field->kind == FIELD_NUMERIC)
		value = DirectFunctionCall1(numeric_trim_scale, value);
	print_scalar(out, field->kind, value);
}

/*
 * Appends what al_record_canonical() makes of the JSON of the record whose
 * fields, in order, are "values".
 */
static void
print_canonical(StringInfo out, AlStream stream, const Datum *values,
				const bool *nulls)
{
	static struct
	{
		int			n;			/* 0: not yet sorted */
		uint8		fields[AL_MAX_COLUMNS];
	}			orders[lengthof(streams)];
	const Field *fields = streams[stream].fields;
	bool		first = true;

	if (orders[stream].n == 0)
		orders[stream].n = sort_fields(stream, orders[stream].fields);
	for (int i = 0; i < orders[stream].n; i++)
	{
		int			field = orders[stream].fields[i];

		if (nulls[field])
			continue;
		if (!first)
			appendStringInfoChar(out, '|');
		first = false;
		print_canonical_field(out, &fields[field], values[field]);
	}
}

/* ---------------------------------------------------------------- signing */

/* The fields of a record, from the columns of its table. */
static void
fields_of_columns(AlStream stream, const Datum *columns,
				  const bool *column_nulls, Datum *values, bool *nulls)
{
	const Field *fields = streams[stream].fields;

	for (int i = 0; i < streams[stream].nfields; i++)
	{
		AttrNumber	column = fields[i].column;

		nulls[i] = column == 0 || column_nulls[column - 1];
		values[i] = nulls[i] ? (Datum) 0 : columns[column - 1];
		if (strcmp(fields[i].name, "request_timestamp") == 0)
		{
			AttrNumber	occurred_at = al_tables[stream].occurred_at;
			TimestampTz at = DatumGetTimestampTz(columns[occurred_at - 1]);

			/* Records are not made before 1970: no rounding below zero. */
			nulls[i] = false;
			values[i] = Int64GetDatum((at + AL_POSTGRES_EPOCH) / USECS_PER_SEC);
		}
	}
}

/*
 * Appends the record that a row of the table makes, with the time that it has
 * left at the start of the statement.
 */
void
al_record_of_row(StringInfo out, AlStream stream, const Datum *columns,
				 const bool *column_nulls)
{
	const Field *fields = streams[stream].fields;
	AttrNumber	expire = al_tables[stream].expire;
	Datum		values[AL_MAX_COLUMNS];
	bool		nulls[AL_MAX_COLUMNS];

	fields_of_columns(stream, columns, column_nulls, values, nulls);
	for (int i = 0; i < streams[stream].nfields; i++)
		if (strcmp(fields[i].name, "ttl") == 0 && !column_nulls[expire - 1])
		{
			TimestampTz at = DatumGetTimestampTz(columns[expire - 1]);
			int64		left = at - GetCurrentStatementStartTimestamp();

			nulls[i] = TIMESTAMP_NOT_FINITE(at);
			values[i] = Int64GetDatum(left / USECS_PER_SEC -
									  (left % USECS_PER_SEC < 0));
		}
	al_record_json(out, stream, values, nulls);
}

/*
 * Signs records that are about to be written, if audit.signing_key is set:
 * replaces each tuple by one with the id of the key and the signature.  The
 * signature covers the key's id, and all else that al_record_json() shows but
 * the signature itself and what changes with time.
 */
void
al_record_sign(AlStream stream, HeapTuple *tuples, int ntuples)
{
	AlKey	   *key;
	Datum		key_id;
	StringInfoData canonical;

	if (!al_keys_active())
		return;
	key = al_keys_current();
	key_id = CStringGetTextDatum(al_crypto_key_id(al_crypto_public_half(key)));
	al_keylog_note(al_crypto_public_half(key));
	initStringInfo(&canonical);
	for (int n = 0; n < ntuples; n++)
	{
		Datum		columns[AL_MAX_COLUMNS];
		bool		column_nulls[AL_MAX_COLUMNS];
		Datum		values[AL_MAX_COLUMNS];
		bool		nulls[AL_MAX_COLUMNS];
		AttrNumber	signature = al_tables[stream].signature;
		AttrNumber	key_column = al_tables[stream].key_id;
		HeapTuple	signed_tuple;

		al_store_deform(stream, tuples[n], columns, column_nulls);
		columns[key_column - 1] = key_id;
		column_nulls[key_column - 1] = false;
		fields_of_columns(stream, columns, column_nulls, values, nulls);
		resetStringInfo(&canonical);
		print_canonical(&canonical, stream, values, nulls);
		columns[signature - 1] =
			CStringGetTextDatum(al_signature_make(key, canonical.data,
												  canonical.len));
		column_nulls[signature - 1] = false;
		signed_tuple = al_store_form(stream, columns, column_nulls);
		heap_freetuple(tuples[n]);
		tuples[n] = signed_tuple;
	}
}
