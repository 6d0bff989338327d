/*
 * src/backend/request.c
 *
 * Request records, and the context of the request being served.
 *
 * A request record is written at once, in the caller's transaction.  A request
 * whose own transaction rolled back is logged in a new one, by whoever
 * answers it: only they know the status.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "context.h"
#include "exclude.h"
#include "filter.h"
#include "guc.h"
#include "ids.h"
#include "purge.h"
#include "record.h"
#include "request.h"
#include "store.h"
#include "utf8.h"

/* In front of a body that text cannot hold; what follows is escaped. */
#define ESCAPED_MARK "escaped:"

static void
check_request(const AlRequest *request)
{
	if (request->method == NULL || *request->method == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("method of a request must not be empty")));
	if (request->path == NULL || *request->path == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path of a request must not be empty")));
	if (request->status < 100 || request->status > 599)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("status of a request must be between 100 and 599, not %d",
						request->status)));
	if (request->payload != (Datum) 0 && request->payload_bytes != (Datum) 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payload and payload_bytes exclude each other")));
	if (request->duration_ms != (Datum) 0)
	{
		Numeric		duration = DatumGetNumeric(request->duration_ms);
		Datum		zero = NumericGetDatum(int64_to_numeric(0));

		if (numeric_is_nan(duration) || numeric_is_inf(duration) ||
			DatumGetBool(DirectFunctionCall2(numeric_lt, request->duration_ms,
											 zero)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("duration of a request must be a finite number of milliseconds, not negative")));
	}
}

/* Every byte of a body in ASCII: \ooo for what is not, \\ for a backslash. */
static void
escape_body(StringInfo out, const char *bytes, int len)
{
	appendStringInfoString(out, ESCAPED_MARK);
	for (int i = 0; i < len; i++)
	{
		unsigned char c = bytes[i];

		if (c == '\\')
			appendStringInfoString(out, "\\\\");
		else if (c < 0x20 || c >= 0x7f)
			appendStringInfo(out, "\\%03o", c);
		else
			appendStringInfoChar(out, c);
	}
}

/* The payload as it is stored, without excluded keys; 0 if there is none. */
static Datum
payload_text(const AlRequest *request, StringInfo removed)
{
	StringInfoData payload;
	struct varlena *body;
	char	   *text;

	initStringInfo(&payload);
	if (request->payload != (Datum) 0)
	{
		body = PG_DETOAST_DATUM_PACKED(request->payload);
		appendBinaryStringInfo(&payload, VARDATA_ANY(body),
							   VARSIZE_ANY_EXHDR(body));
	}
	else if (request->payload_bytes != (Datum) 0)
	{
		body = PG_DETOAST_DATUM_PACKED(request->payload_bytes);
		text = al_utf8_to_text(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body));
		if (text)
			appendStringInfoString(&payload, text);
		else
		{
			/* Excluded fields of a form can still be found in raw bytes. */
			StringInfoData raw;

			initStringInfo(&raw);
			appendBinaryStringInfo(&raw, VARDATA_ANY(body),
								   VARSIZE_ANY_EXHDR(body));
			if (al_exclude_from_payload(&raw, true, removed))
				escape_body(&payload, raw.data, raw.len);
			else
				appendBinaryStringInfo(&payload, raw.data, raw.len);
			return PointerGetDatum(cstring_to_text_with_len(payload.data,
															payload.len));
		}
	}
	else
		return (Datum) 0;
	al_exclude_from_payload(&payload, false, removed);
	return PointerGetDatum(cstring_to_text_with_len(payload.data,
													payload.len));
}

static void
set_column(Datum *values, bool *nulls, AlRequestColumn column, Datum value)
{
	values[column - 1] = value;
	nulls[column - 1] = false;
}

static void
set_text(Datum *values, bool *nulls, AlRequestColumn column, Datum value)
{
	if (value != (Datum) 0)
		set_column(values, nulls, column, value);
}

static const char *
choose_request_id(const AlRequest *request)
{
	char	   *id;

	if (request->request_id && *request->request_id)
		return request->request_id;
	if (al_guc_is_set(al_guc_request_id))
		return al_guc_request_id;
	id = palloc(AL_REQUEST_ID_SIZE + 1);
	al_ids_request_id(id);
	return id;
}

/* A text, or 0 for one that is null or empty: both mean unset. */
static Datum
given_text(Datum value)
{
	if (value != (Datum) 0 &&
		VARSIZE_ANY_EXHDR(PG_DETOAST_DATUM_PACKED(value)) == 0)
		return (Datum) 0;
	return value;
}

/* What was given, or else what the session has set. */
static Datum
either(Datum given, Datum from_setting)
{
	given = given_text(given);
	return given != (Datum) 0 ? given : from_setting;
}

static Datum
new_salt(void)
{
	bytea	   *salt = palloc(VARHDRSZ + AL_SALT_SIZE);

	SET_VARSIZE(salt, VARHDRSZ + AL_SALT_SIZE);
	al_ids_random(VARDATA(salt), AL_SALT_SIZE);
	return PointerGetDatum(salt);
}

/* What was given of a record's columns, and what is made up for it. */
static void
fill_columns(const AlRequest *request, const char *request_id,
			 const AlContext *who, const pg_uuid_t *id, Datum *values,
			 bool *nulls)
{
	StringInfoData removed;

	initStringInfo(&removed);
	memset(nulls, true, sizeof(bool) * AL_REQUEST_COLUMNS);
	set_column(values, nulls, AL_REQUEST_ID, UUIDPGetDatum(id));
	set_column(values, nulls, AL_REQUEST_TXID,
			   FullTransactionIdGetDatum(GetTopFullTransactionId()));
	set_column(values, nulls, AL_REQUEST_OCCURRED_AT,
			   TimestampTzGetDatum(who->occurred_at));
	if (who->expire != DT_NOEND)
		set_column(values, nulls, AL_REQUEST_EXPIRE,
				   TimestampTzGetDatum(who->expire));
	set_column(values, nulls, AL_REQUEST_REQUEST_ID,
			   CStringGetTextDatum(request_id));
	set_column(values, nulls, AL_REQUEST_SALT, new_salt());
	set_column(values, nulls, AL_REQUEST_STATUS,
			   Int32GetDatum(request->status));
	set_column(values, nulls, AL_REQUEST_METHOD,
			   CStringGetTextDatum(request->method));
	set_column(values, nulls, AL_REQUEST_PATH,
			   CStringGetTextDatum(request->path));
	set_text(values, nulls, AL_REQUEST_PAYLOAD,
			 payload_text(request, &removed));
	set_text(values, nulls, AL_REQUEST_REMOVED,
			 al_context_text(removed.data));
	set_text(values, nulls, AL_REQUEST_CLIENT_IP,
			 either(request->client_ip, who->client_ip));
	set_text(values, nulls, AL_REQUEST_RBAC_USER_ID,
			 either(request->rbac_user_id, who->rbac_user_id));
	set_text(values, nulls, AL_REQUEST_RBAC_USER_NAME,
			 either(request->rbac_user_name, who->rbac_user_name));
	set_text(values, nulls, AL_REQUEST_WORKSPACE,
			 either(request->workspace, who->workspace));
	set_text(values, nulls, AL_REQUEST_REQUEST_SOURCE,
			 either(request->request_source, who->request_source));
	set_text(values, nulls, AL_REQUEST_DURATION_MS, request->duration_ms);
	set_text(values, nulls, AL_REQUEST_USER_AGENT,
			 given_text(request->user_agent));
	set_text(values, nulls, AL_REQUEST_DB_USER, who->db_user);
}

/*
 * Writes a request record and gives its id.  Returns false, and writes
 * nothing, if the log is off or an ignore list silences the request.
 */
bool
al_request_log(const AlRequest *request, pg_uuid_t *id)
{
	AlContext	who;
	AlIdSequence ids;
	Datum		values[AL_REQUEST_COLUMNS];
	bool		nulls[AL_REQUEST_COLUMNS];
	HeapTuple	tuple;
	const char *request_id;

	check_request(request);
	request_id = choose_request_id(request);
	al_guc_require_request_id(request_id);
	if (!al_guc_enabled ||
		al_filter_request_ignored(request->method, request->path))
		return false;

	/* Nothing below would notice: it writes past the executor. */
	PreventCommandIfReadOnly("audit.log_request()");
	al_context_fill(&who);
	al_ids_start(&ids, who.occurred_at);
	al_ids_next(&ids, id);
	fill_columns(request, request_id, &who, id, values, nulls);

	al_tables_close(al_store_open(AL_REQUESTS));
	tuple = al_store_form(AL_REQUESTS, values, nulls);
	al_record_sign(AL_REQUESTS, &tuple, 1);
	al_store_write(AL_REQUESTS, &tuple, 1);
	al_purge_some(AL_REQUESTS, who.occurred_at, who.expire, 1);
	return true;
}

static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value ? value : "", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Sets the context of the current transaction and returns its request id, a
 * new one if none is given.  What is not given is unset: on a pooled
 * connection nothing may remain of the request before.
 */
const char *
al_request_begin(const char *request_id, const char *workspace,
				 const char *rbac_user_id, const char *rbac_user_name,
				 const char *request_source, const char *client_ip)
{
	if (request_id == NULL || *request_id == '\0')
	{
		char	   *id = palloc(AL_REQUEST_ID_SIZE + 1);

		al_ids_request_id(id);
		request_id = id;
	}
	set_local("audit.request_id", request_id);
	set_local("audit.workspace", workspace);
	set_local("audit.rbac_user_id", rbac_user_id);
	set_local("audit.rbac_user_name", rbac_user_name);
	set_local("audit.request_source", request_source);
	set_local("audit.client_ip", client_ip);
	return request_id;
}
