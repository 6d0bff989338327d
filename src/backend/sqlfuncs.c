/*
 * src/backend/sqlfuncs.c
 *
 * The functions that SQL calls: arguments in, one call, result out.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "tcop/cmdtag.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/portal.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "batch.h"
#include "capture.h"
#include "ddl.h"
#include "guc.h"
#include "keys.h"
#include "purge.h"
#include "record.h"
#include "request.h"
#include "signature.h"
#include "watch.h"

PG_FUNCTION_INFO_V1(audit_log_capture);
PG_FUNCTION_INFO_V1(audit_log_flush);
PG_FUNCTION_INFO_V1(audit_log_protect);
PG_FUNCTION_INFO_V1(audit_log_keep);
PG_FUNCTION_INFO_V1(audit_log_snapshot);
PG_FUNCTION_INFO_V1(audit_log_record_object);
PG_FUNCTION_INFO_V1(audit_log_record_request);
PG_FUNCTION_INFO_V1(audit_log_log_request);
PG_FUNCTION_INFO_V1(audit_log_begin_request);
PG_FUNCTION_INFO_V1(audit_log_purge);
PG_FUNCTION_INFO_V1(audit_log_canonical);
PG_FUNCTION_INFO_V1(audit_log_canonical_strict);
PG_FUNCTION_INFO_V1(audit_log_sign);
PG_FUNCTION_INFO_V1(audit_log_verify);
PG_FUNCTION_INFO_V1(audit_log_log_ddl);
PG_FUNCTION_INFO_V1(audit_log_trigger_args);
PG_FUNCTION_INFO_V1(audit_log_ddl_details);

static TriggerData *
trigger_data(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("audit.%s() can only be called as a trigger", name)));
	return (TriggerData *) fcinfo->context;
}

/* A text argument as a C string, or NULL. */
static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static Datum
datum_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? (Datum) 0 : PG_GETARG_DATUM(n);
}

/* ---------------------------------------------------------------- triggers */

/* audit.capture(): records a change of a tracked table. */
Datum
audit_log_capture(PG_FUNCTION_ARGS)
{
	al_capture_change(trigger_data(fcinfo, "capture"));
	return PointerGetDatum(NULL);
}

/* audit.flush(): the end of a statement that made records; see batch.c. */
Datum
audit_log_flush(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = trigger_data(fcinfo, "flush");

	/* A row trigger that returns nothing would make rows vanish. */
	if (!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be fired AFTER a statement",
						trigdata->tg_trigger->tgname),
				 errhint("It belongs to table \"audit.audit_objects\" only.")));
	al_batch_flush_statement();
	return PointerGetDatum(NULL);
}

/*
 * audit.protect(): refuses to change audit records by hand.  A superuser's
 * COPY may add some, because that is how a dump is restored; so may no
 * other command, nor anyone else's COPY.  What logical replication brings is
 * dropped row by row by audit.keep().
 */
Datum
audit_log_protect(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = trigger_data(fcinfo, "protect");

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) &&
		(IsLogicalWorker() ||
		 (superuser() &&
		  ActivePortal && ActivePortal->commandTag == CMDTAG_COPY)))
		return PointerGetDatum(NULL);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("records of table \"%s\" cannot be changed by hand",
					RelationGetRelationName(trigdata->tg_relation)),
			 strncmp(RelationGetRelationName(trigdata->tg_relation),
					 "audit_", 6) == 0 ?
			 errhint("audit.purge() removes expired records, audit.erase() a sealed one before it expires.") : 0));
}

/*
 * audit.keep(): keeps another server's log out of this one.  A publication of
 * all tables holds the audit tables too; their rows would be no leaves of our
 * ledger, and its tables would be overwritten.
 */
Datum
audit_log_keep(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = trigger_data(fcinfo, "keep");

	if (!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be fired BEFORE each row",
						trigdata->tg_trigger->tgname)));
	if (IsLogicalWorker())
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
						   trigdata->tg_newtuple : trigdata->tg_trigtuple);
}

/* ----------------------------------------------------------------- capture */

/* audit.snapshot(regclass): records the rows that a table has now. */
Datum
audit_log_snapshot(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("audit.snapshot()");
	PG_RETURN_INT64(al_capture_snapshot(PG_GETARG_OID(0), PG_GETARG_OID(1)));
}

/* audit.log_ddl(text, text, text, json): records a change of a definition. */
Datum
audit_log_log_ddl(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("names and entity of a record must not be null")));
	PreventCommandIfReadOnly("audit.log_ddl()");
	if (al_guc_enabled)
		al_watch_record(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
						datum_arg(fcinfo, 2), PG_GETARG_DATUM(3));
	PG_RETURN_VOID();
}

/* audit.trigger_args(oid): the arguments of a trigger. */
Datum
audit_log_trigger_args(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(al_ddl_trigger_args(PG_GETARG_OID(0)));
}

/* audit.ddl_details(pg_ddl_command): what a command did to a table. */
Datum
audit_log_ddl_details(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(al_ddl_details(PG_GETARG_POINTER(0)));
}

/* ---------------------------------------------------------------- requests */

/* audit.log_request(...): writes a request record. */
Datum
audit_log_log_request(PG_FUNCTION_ARGS)
{
	AlRequest	request = {0};
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	request.method = text_arg(fcinfo, 0);
	request.path = text_arg(fcinfo, 1);
	request.status = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	request.payload = datum_arg(fcinfo, 3);
	request.payload_bytes = datum_arg(fcinfo, 4);
	request.request_id = text_arg(fcinfo, 5);
	request.client_ip = datum_arg(fcinfo, 6);
	request.user_agent = datum_arg(fcinfo, 7);
	request.duration_ms = datum_arg(fcinfo, 8);
	request.workspace = datum_arg(fcinfo, 9);
	request.rbac_user_id = datum_arg(fcinfo, 10);
	request.rbac_user_name = datum_arg(fcinfo, 11);
	request.request_source = datum_arg(fcinfo, 12);
	if (!al_request_log(&request, id))
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(id);
}

/* audit.begin_request(...): sets the context of the transaction. */
Datum
audit_log_begin_request(PG_FUNCTION_ARGS)
{
	const char *id = al_request_begin(text_arg(fcinfo, 0),
									  text_arg(fcinfo, 1),
									  text_arg(fcinfo, 2),
									  text_arg(fcinfo, 3),
									  text_arg(fcinfo, 4),
									  text_arg(fcinfo, 5));

	PG_RETURN_TEXT_P(cstring_to_text(id));
}

/* ------------------------------------------------------------------ record */

/* Kept by a call site between rows. */
typedef struct RecordCall
{
	Oid			typid;
	int32		typmod;
	TupleDesc	tupdesc;
} RecordCall;

static TupleDesc
record_tupdesc(FunctionCallInfo fcinfo, HeapTupleHeader row, AlStream stream)
{
	RecordCall *call = fcinfo->flinfo->fn_extra;
	MemoryContext old;
	TupleDesc	tupdesc;

	if (call && call->typid == HeapTupleHeaderGetTypeId(row) &&
		call->typmod == HeapTupleHeaderGetTypMod(row))
		return call->tupdesc;

	tupdesc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row),
									 HeapTupleHeaderGetTypMod(row));
	/* what it has at most, record.c asserts */
	if (tupdesc->natts != al_record_fields(stream))
		elog(ERROR, "view of audit records has %d columns, expected %d",
			 tupdesc->natts, al_record_fields(stream));
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	call = palloc(sizeof(RecordCall));
	call->typid = HeapTupleHeaderGetTypeId(row);
	call->typmod = HeapTupleHeaderGetTypMod(row);
	call->tupdesc = CreateTupleDescCopy(tupdesc);
	MemoryContextSwitchTo(old);
	ReleaseTupleDesc(tupdesc);
	fcinfo->flinfo->fn_extra = call;
	return call->tupdesc;
}

static Datum
record_json(FunctionCallInfo fcinfo, AlStream stream)
{
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc	tupdesc = record_tupdesc(fcinfo, row, stream);
	HeapTupleData tuple;
	Datum		values[AL_MAX_COLUMNS];
	bool		nulls[AL_MAX_COLUMNS];
	StringInfoData json;

	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	heap_deform_tuple(&tuple, tupdesc, values, nulls);
	initStringInfo(&json);
	al_record_json(&json, stream, values, nulls);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(json.data, json.len));
}

/* audit.record(audit.objects): the record as the API returns it. */
Datum
audit_log_record_object(PG_FUNCTION_ARGS)
{
	return record_json(fcinfo, AL_OBJECTS);
}

/* audit.record(audit.requests): likewise. */
Datum
audit_log_record_request(PG_FUNCTION_ARGS)
{
	return record_json(fcinfo, AL_REQUESTS);
}

/* ------------------------------------------------------------------- purge */

/* audit.purge(bigint): removes expired records of both streams. */
Datum
audit_log_purge(PG_FUNCTION_ARGS)
{
	int64		limit = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	int64		deleted;

	if (!PG_ARGISNULL(0) && limit <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of records to purge must be positive")));
	PreventCommandIfReadOnly("audit.purge()");
	deleted = al_purge_all(AL_OBJECTS, limit);
	if (limit == 0 || deleted < limit)
		deleted += al_purge_all(AL_REQUESTS, limit == 0 ? 0 : limit - deleted);
	PG_RETURN_INT64(deleted);
}

/* -------------------------------------------------- canonical and signature */

#define CANONICAL_KEPT (64 * 1024)	/* bytes of buffer kept between calls */

static Datum
canonical(FunctionCallInfo fcinfo, bool strict)
{
	static AlBuf out;			/* kept for reuse */
	text	   *json = PG_GETARG_TEXT_PP(0);
	char	   *bytes;
	char	   *result;

	al_buf_reset(&out);
	al_record_canonical(&out, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json),
						strict);
	bytes = pnstrdup(out.data ? out.data : "", out.len);
	result = pg_any_to_server(bytes, out.len, PG_UTF8);
	if (out.cap > CANONICAL_KEPT)
		al_buf_free(&out);
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

/* audit.canonical(json): the form that is signed. */
Datum
audit_log_canonical(PG_FUNCTION_ARGS)
{
	return canonical(fcinfo, false);
}

/* audit.canonical_strict(json): RFC 8785. */
Datum
audit_log_canonical_strict(PG_FUNCTION_ARGS)
{
	return canonical(fcinfo, true);
}

/* A text as UTF-8 bytes, as it leaves the server for most clients. */
static char *
utf8_bytes(text *t, size_t *len)
{
	char	   *bytes = text_to_cstring(t);
	char	   *utf8 = pg_server_to_any(bytes, VARSIZE_ANY_EXHDR(t), PG_UTF8);

	*len = strlen(utf8);
	return utf8;
}

/* audit.sign(text): the base64 of a signature by the key of the setting. */
Datum
audit_log_sign(PG_FUNCTION_ARGS)
{
	size_t		len;
	char	   *bytes = utf8_bytes(PG_GETARG_TEXT_PP(0), &len);

	if (!al_keys_active())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no key to sign with"),
				 errhint("Set \"audit.signing_key\" to the path of a PEM private key.")));
	PG_RETURN_TEXT_P(cstring_to_text(al_signature_make(al_keys_current(),
													   bytes, len)));
}

/* audit.verify(text, text, text): does the signature fit text and key? */
Datum
audit_log_verify(PG_FUNCTION_ARGS)
{
	size_t		len;
	char	   *bytes = utf8_bytes(PG_GETARG_TEXT_PP(0), &len);

	PG_RETURN_BOOL(al_signature_fits(bytes, len,
									 text_to_cstring(PG_GETARG_TEXT_PP(1)),
									 text_to_cstring(PG_GETARG_TEXT_PP(2))));
}
