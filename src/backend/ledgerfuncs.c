/*
 * src/backend/ledgerfuncs.c
 *
 * The functions of the ledger that SQL calls: arguments in, one call, result
 * out.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "core/crypto_timestamp.h"

#include "custody.h"
#include "export.h"
#include "glue.h"
#include "notetext.h"
#include "proof.h"
#include "seal.h"
#include "verify.h"

#define MOST_WAITING 100000		/* that audit.waiting() counts */

PG_FUNCTION_INFO_V1(audit_log_seal);
PG_FUNCTION_INFO_V1(audit_log_waiting);
PG_FUNCTION_INFO_V1(audit_log_wait_sealed);
PG_FUNCTION_INFO_V1(audit_log_checkpoint);
PG_FUNCTION_INFO_V1(audit_log_note_bytes);
PG_FUNCTION_INFO_V1(audit_log_note_text);
PG_FUNCTION_INFO_V1(audit_log_leaf);
PG_FUNCTION_INFO_V1(audit_log_inclusion_proof);
PG_FUNCTION_INFO_V1(audit_log_consistency_proof);
PG_FUNCTION_INFO_V1(audit_log_witness_request);
PG_FUNCTION_INFO_V1(audit_log_tiles);
PG_FUNCTION_INFO_V1(audit_log_tile);
PG_FUNCTION_INFO_V1(audit_log_export);
PG_FUNCTION_INFO_V1(audit_log_new_generation);
PG_FUNCTION_INFO_V1(audit_log_rotate_key);
PG_FUNCTION_INFO_V1(audit_log_add_ledger_key);
PG_FUNCTION_INFO_V1(audit_log_add_signature);
PG_FUNCTION_INFO_V1(audit_log_timestamp_request);
PG_FUNCTION_INFO_V1(audit_log_add_timestamp);
PG_FUNCTION_INFO_V1(audit_log_erase);
PG_FUNCTION_INFO_V1(audit_log_verify_ledger);

/* A size that may be left out: -1 then. */
static int64
size_arg(FunctionCallInfo fcinfo, int n)
{
	int64		size;

	if (PG_ARGISNULL(n))
		return -1;
	size = PG_GETARG_INT64(n);
	if (size < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size must not be negative")));
	return size;
}

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* audit.seal(): seals what has been committed. */
Datum
audit_log_seal(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(al_seal());
}

/* audit.waiting(): how many records the next block would take. */
Datum
audit_log_waiting(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(al_seal_waiting(GetActiveSnapshot(), MOST_WAITING));
}

/* audit.wait_sealed(xid8, interval): waits until a transaction is sealed. */
Datum
audit_log_wait_sealed(PG_FUNCTION_ARGS)
{
	Interval   *timeout = PG_GETARG_INTERVAL_P(1);
	int64		ms = timeout->time / 1000 +
		(timeout->day + (int64) timeout->month * DAYS_PER_MONTH) *
		(USECS_PER_DAY / 1000);

	/* In microseconds it must fit into 64 bits as well. */
	ms = Min(ms, PG_INT64_MAX / 1000);
	PG_RETURN_BOOL(al_seal_wait(PG_GETARG_INT64(0), Max(ms, 0)));
}

/* ------------------------------------------------------------------ proofs */

static text *
note_text(const char *note)
{
	return cstring_to_text(al_notetext_show(note));
}

/* audit.checkpoint(bigint): a checkpoint with its signatures. */
Datum
audit_log_checkpoint(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(note_text(al_proof_checkpoint(size_arg(fcinfo, 0))));
}

/* audit.note_bytes(text): the bytes of what a function here gave as text. */
Datum
audit_log_note_bytes(PG_FUNCTION_ARGS)
{
	/* A text is laid out as the bytes are. */
	PG_RETURN_BYTEA_P((bytea *) cstring_to_text(al_notetext_read(text_arg(fcinfo, 0))));
}

/* audit.note_text(bytea): the way back. */
Datum
audit_log_note_text(PG_FUNCTION_ARGS)
{
	/* Zeros end it, which no note holds. */
	PG_RETURN_TEXT_P(note_text(text_arg(fcinfo, 0)));
}

/* audit.leaf(uuid): where a record is in the ledger. */
Datum
audit_log_leaf(PG_FUNCTION_ARGS)
{
	int64		leaf = al_proof_leaf(PG_GETARG_UUID_P(0));

	if (leaf < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(leaf);
}

/* audit.inclusion_proof(uuid, bigint): that a record is in a tree. */
Datum
audit_log_inclusion_proof(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(note_text(al_proof_inclusion(PG_GETARG_UUID_P(0),
												  size_arg(fcinfo, 1))));
}

/* audit.consistency_proof(bigint, bigint): that a tree continues another. */
Datum
audit_log_consistency_proof(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(al_proof_consistency(size_arg(fcinfo, 0),
														  size_arg(fcinfo, 1))));
}

/* audit.witness_request(bigint): what a witness is asked to sign. */
Datum
audit_log_witness_request(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(note_text(al_proof_witness_request(PG_GETARG_INT64(0))));
}

/* audit.timestamp_request(bigint): what a time-stamping authority is asked. */
Datum
audit_log_timestamp_request(PG_FUNCTION_ARGS)
{
	bytea	   *request = palloc(VARHDRSZ + AL_TIMESTAMP_REQUEST_LEN);

	SET_VARSIZE(request, VARHDRSZ + AL_TIMESTAMP_REQUEST_LEN);
	al_proof_timestamp_request(size_arg(fcinfo, 0),
							   (uint8 *) VARDATA(request));
	PG_RETURN_BYTEA_P(request);
}

static void
put_tile(void *arg, const char *path, const void *bytes, int len)
{
	ReturnSetInfo *rsinfo = arg;
	bytea	   *data = al_glue_bytes(bytes, len);
	Datum		values[2];
	bool		nulls[2] = {false, false};

	values[0] = CStringGetTextDatum(path);
	values[1] = PointerGetDatum(data);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	pfree(data);
}

/* audit.tiles(bigint): what is new in the files of a tiled log. */
Datum
audit_log_tiles(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	al_proof_tiles(PG_GETARG_INT64(0), put_tile, fcinfo->resultinfo);
	return (Datum) 0;
}

static void
keep_tile(void *arg, const char *path, const void *bytes, int len)
{
	*(bytea **) arg = al_glue_bytes(bytes, len);
}

/* audit.tile(text): one file of a tiled log. */
Datum
audit_log_tile(PG_FUNCTION_ARGS)
{
	bytea	   *data;

	if (!al_proof_tile(text_to_cstring(PG_GETARG_TEXT_PP(0)), keep_tile,
					   &data))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(data);
}

/* --------------------------------------------------------------- exporting */

/* Columns of audit.export(); those from the stream on are of the record. */
typedef enum ExportColumn
{
	EXPORT_LEAF,
	EXPORT_ID,
	EXPORT_EXPIRE,
	EXPORT_INNER,
	EXPORT_STATE,
	EXPORT_STREAM,
	EXPORT_TXID,
	EXPORT_RECORD_EXPIRE,
	EXPORT_SALT,
	EXPORT_RECORD,
	EXPORT_COLUMNS
} ExportColumn;

static Datum
exported_datum(FuncCallContext *call, const AlExported *exported)
{
	bool		present = exported->state == AL_EXPORT_PRESENT;
	Datum		values[EXPORT_COLUMNS] = {0};
	bool		nulls[EXPORT_COLUMNS] = {false};

	values[EXPORT_LEAF] = Int64GetDatum(exported->number);
	values[EXPORT_ID] = UUIDPGetDatum(&exported->leaf.id);
	values[EXPORT_EXPIRE] = Int64GetDatum(exported->leaf.expire);
	nulls[EXPORT_EXPIRE] = exported->leaf.expire == AL_LEAF_NEVER;
	values[EXPORT_INNER] =
		CStringGetTextDatum(al_glue_base64(exported->leaf.inner.bytes,
										   sizeof(AlHash)));
	values[EXPORT_STATE] =
		CStringGetTextDatum(al_export_state_name(exported->state));
	for (int i = EXPORT_STREAM; i < EXPORT_COLUMNS; i++)
		nulls[i] = !present;
	if (present)
	{
		values[EXPORT_STREAM] =
			CStringGetTextDatum(exported->stream == AL_OBJECTS ? "objects" :
								"requests");
		values[EXPORT_TXID] = Int64GetDatum(exported->txid);
		values[EXPORT_RECORD_EXPIRE] = Int64GetDatum(exported->expire);
		nulls[EXPORT_RECORD_EXPIRE] = exported->expire == AL_LEAF_NEVER;
		values[EXPORT_SALT] =
			CStringGetTextDatum(al_glue_base64(exported->salt,
											   exported->salt_len));
		values[EXPORT_RECORD] =
			PointerGetDatum(cstring_to_text_with_len(exported->record,
													 exported->record_len));
	}
	return HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls));
}

/*
 * audit.export(bigint, bigint): the sealed records by their position.  Rows
 * go out one by one, so that SELECT audit.export(...) streams.
 */
Datum
audit_log_export(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	const AlExported *exported;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		TupleDesc	desc;
		int64		from = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
		int64		limit = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT64(1);

		if (from < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("number of the first leaf must not be negative")));
		if (limit < 0 && !PG_ARGISNULL(1))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("number of records must not be negative")));
		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
			desc->natts != EXPORT_COLUMNS)
			elog(ERROR, "return type must be a row type");
		call->tuple_desc = BlessTupleDesc(desc);
		call->user_fctx = al_export_begin(from, limit);
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	exported = al_export_next(call->user_fctx);
	if (exported == NULL)
		SRF_RETURN_DONE(call);
	SRF_RETURN_NEXT(call, exported_datum(call, exported));
}

/* --------------------------------------------------------------- decisions */

/* audit.new_generation(text): goes on under a new origin. */
Datum
audit_log_new_generation(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(al_custody_new_generation(text_arg(fcinfo, 0)));
}

/* audit.rotate_key(): makes a new key for checkpoints. */
Datum
audit_log_rotate_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(al_custody_rotate_key()));
}

/* audit.add_ledger_key(text): trusts the key of a signer or witness. */
Datum
audit_log_add_ledger_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(al_custody_add_key(text_arg(fcinfo, 0))));
}

/* audit.add_signature(text): adds a line to a checkpoint. */
Datum
audit_log_add_signature(PG_FUNCTION_ARGS)
{
	al_custody_add_signature(text_arg(fcinfo, 0));
	PG_RETURN_VOID();
}

/* audit.add_timestamp(bytea, bigint): adds a stamp to a checkpoint. */
Datum
audit_log_add_timestamp(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(al_custody_add_timestamp(PG_GETARG_BYTEA_PP(0),
												   size_arg(fcinfo, 1)));
}

/* audit.erase(uuid, text): removes a record before it expires. */
Datum
audit_log_erase(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("id of the record must not be null")));
	al_custody_erase(PG_GETARG_UUID_P(0), text_arg(fcinfo, 1));
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------ verification */

static void
put_finding(void *arg, const char *kind, int64 leaf, const pg_uuid_t *id,
			const char *detail)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};

	values[0] = CStringGetTextDatum(kind);
	values[1] = Int64GetDatum(leaf);
	nulls[1] = leaf < 0;
	values[2] = UUIDPGetDatum(id);
	nulls[2] = id == NULL;
	values[3] = CStringGetTextDatum(detail);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* audit.verify_ledger(bigint, bigint, text): what does not fit. */
Datum
audit_log_verify_ledger(PG_FUNCTION_ARGS)
{
	int64		from = size_arg(fcinfo, 0);
	char	   *checkpoint = text_arg(fcinfo, 2);

	InitMaterializedSRF(fcinfo, 0);
	al_verify(Max(from, 0), size_arg(fcinfo, 1),
			  checkpoint ? al_notetext_read(checkpoint) : NULL,
			  put_finding, fcinfo->resultinfo);
	return (Datum) 0;
}
