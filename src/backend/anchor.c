/*
 * src/backend/anchor.c
 *
 * Time stamps of checkpoints by authorities outside (RFC 3161).
 *
 * Whoever holds the keys of the ledger can make it again, with any time in
 * it; the signature of an authority that they do not control shows that a
 * checkpoint existed at a time.  What is stamped is the text of a checkpoint
 * as it is signed, origin, size and root, each with its newline, by its
 * SHA-256 digest: it stays the same when signatures are added to it, and is
 * also in every copy of the checkpoint that somebody kept.
 *
 * Here a stamp is verified by the certificate that comes with it, whoever
 * made that: the server would have to be told whom to trust by those who
 * must not be.  Whether the authority deserves trust is for the auditor to
 * say, outside: openssl ts -verify, audit_log_verify --timestamp-ca.
 *
 * Stamps are not part of the tree, but each leaves a record that is, with the
 * digest of its token: so one that is deleted is missed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "core/crypto.h"
#include "core/crypto_timestamp.h"

#include "anchor.h"
#include "checkpoint.h"
#include "event.h"
#include "glue.h"
#include "ids.h"
#include "store.h"
#include "tablescan.h"

#define KIND "rfc3161"
#define RECENT_BLOCKS 1000		/* searched when no size is given */

/* The digest that is stamped. */
void
al_anchor_digest(const AlBlock *block, const AlGeneration *generation,
				 uint8 digest[AL_SHA256_LEN])
{
	const char *text = al_checkpoint_text(block, generation);
	AlError		err = {{0}};

	al_glue_check(al_crypto_sha256(text, strlen(text), digest, &err), &err);
}

/* Reads and verifies a reply or token; false with the reason. */
static bool
read_stamp(const bytea *reply, AlTimestamp *stamp, AlError *err)
{
	AlStatus	status = al_crypto_read_timestamp(VARDATA_ANY(reply),
												  VARSIZE_ANY_EXHDR(reply),
												  NULL, stamp, err);

	if (status == AL_NO_MEMORY)
		al_glue_check(status, err);
	return status == AL_OK;
}

/* Microseconds since 1970, as the server counts. */
static TimestampTz
stamp_time(const AlTimestamp *stamp)
{
	return stamp->time - AL_POSTGRES_EPOCH;
}

/* Is the digest that of a block's checkpoint? */
static bool
stamps_block(const AlTimestamp *stamp, Snapshot snapshot,
			 const AlBlock *block)
{
	AlGeneration generation;
	uint8		digest[AL_SHA256_LEN];

	if (!al_ledger_generation(snapshot, block->generation, &generation))
		return false;
	al_anchor_digest(block, &generation, digest);
	return memcmp(digest, stamp->imprint, sizeof(digest)) == 0;
}

/* The block that is stamped: that of a size, or one of the last. */
static bool
find_block(const AlTimestamp *stamp, Snapshot snapshot, int64 size,
		   AlBlock *block)
{
	int64		last;

	if (size >= 0)
		return al_ledger_block_of_size(snapshot, size, block) &&
			stamps_block(stamp, snapshot, block);
	if (!al_ledger_last_block(snapshot, block))
		return false;
	last = block->number;
	for (int64 n = last; n > Max(last - RECENT_BLOCKS, 0); n--)
	{
		CHECK_FOR_INTERRUPTS();
		if (al_ledger_block(snapshot, n, block) &&
			stamps_block(stamp, snapshot, block))
			return true;
	}
	return false;
}

/* Begins to scan the stamps of one size, or those from it on. */
static void
begin_scan(AlTableScan *scan, Snapshot snapshot, int64 size, bool exact)
{
	al_tablescan_begin(scan, AL_ANCHORS, AL_ANCHOR_SIZE, 1, snapshot);
	if (exact)
		al_tablescan_seek_int8(scan, BTEqualStrategyNumber, F_INT8EQ, size);
	else
		al_tablescan_seek_int8(scan, BTGreaterEqualStrategyNumber, F_INT8GE,
							   size);
}

/* The digest of a token, in hex with a zero behind it. */
static void
print_digest(const void *token, size_t len, char *hex)
{
	uint8		digest[AL_SHA256_LEN];
	AlError		err = {{0}};

	al_glue_check(al_crypto_sha256(token, len, digest, &err), &err);
	hex[hex_encode((char *) digest, sizeof(digest), hex)] = '\0';
}

/* Is the token with a digest stored as a stamp of the checkpoint of a size? */
static bool
is_stored(Snapshot snapshot, int64 size, const char *digest)
{
	AlTableScan scan;
	bool		found = false;

	begin_scan(&scan, snapshot, size, true);
	while (!found && al_tablescan_next(&scan, true))
	{
		bool		isnull;
		Datum		value = slot_getattr(scan.slot, AL_ANCHOR_TOKEN, &isnull);
		bytea	   *token = isnull ? NULL : DatumGetByteaPP(value);
		char		stored[2 * AL_SHA256_LEN + 1] = "";

		if (token)
			print_digest(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token),
						 stored);
		found = strcmp(stored, digest) == 0;
	}
	al_tablescan_end(&scan);
	return found;
}

static void
store_stamp(const AlTimestamp *stamp, const AlBlock *block)
{
	Datum		values[AL_ANCHOR_COLUMNS];
	bool		nulls[AL_ANCHOR_COLUMNS] = {false};
	HeapTuple	tuple;

	values[AL_ANCHOR_SIZE - 1] = Int64GetDatum(block->size);
	values[AL_ANCHOR_GENERATION - 1] = Int32GetDatum(block->generation);
	values[AL_ANCHOR_KIND - 1] = CStringGetTextDatum(KIND);
	values[AL_ANCHOR_STAMPED_AT - 1] = TimestampTzGetDatum(stamp_time(stamp));
	values[AL_ANCHOR_ADDED_AT - 1] =
		TimestampTzGetDatum(GetCurrentTimestamp());
	values[AL_ANCHOR_TOKEN - 1] =
		PointerGetDatum(al_glue_bytes(stamp->token, stamp->token_len));
	al_tables_close(al_store_open(AL_ANCHORS));
	tuple = al_store_form(AL_ANCHORS, values, nulls);
	al_store_write(AL_ANCHORS, &tuple, 1);
}

/*
 * Stores the reply of an authority, or the token in it, with the checkpoint
 * that it stamps: that of "size" or, if it is -1, one of the last.  One that
 * is there already changes nothing.  The caller leaves a record of a new one.
 */
void
al_anchor_add(Snapshot snapshot, const bytea *reply, int64 size,
			  AlAnchored *result)
{
	AlTimestamp stamp;
	AlBlock		block;
	AlError		err = {{0}};

	if (!read_stamp(reply, &stamp, &err))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid time stamp: %s", err.reason),
				 errhint("It must be the reply to audit.timestamp_request(), or the token in it, in DER.")));
	if (!IS_VALID_TIMESTAMP(stamp_time(&stamp)))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time of the time stamp is out of range")));
	if (!find_block(&stamp, snapshot, size, &block))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 size >= 0 ?
				 errmsg("the time stamp is not of the checkpoint of size " INT64_FORMAT,
						size) :
				 errmsg("the time stamp is not of a recent checkpoint"),
				 size >= 0 ? 0 :
				 errhint("If it is of an older one, give its size as well.")));
	result->time = stamp_time(&stamp);
	result->size = block.size;
	print_digest(stamp.token, stamp.token_len, result->token);
	result->is_new = !is_stored(snapshot, block.size, result->token);
	if (result->is_new)
		store_stamp(&stamp, &block);
}

/* What is wrong with the stored stamp in a slot; NULL: nothing. */
static const char *
check_row(Snapshot snapshot, TupleTableSlot *slot)
{
	AlTimestamp stamp;
	AlBlock		block;
	AlError		err = {{0}};

	slot_getallattrs(slot);
	for (int i = 0; i < AL_ANCHOR_COLUMNS; i++)
		if (slot->tts_isnull[i])
			return "the row cannot be read";
	if (strcmp(TextDatumGetCString(slot->tts_values[AL_ANCHOR_KIND - 1]),
			   KIND) != 0)
		return "it is of an unknown kind";
	if (!read_stamp(DatumGetByteaPP(slot->tts_values[AL_ANCHOR_TOKEN - 1]),
					&stamp, &err))
		return pstrdup(err.reason);
	if (!al_ledger_block_of_size(snapshot,
								 DatumGetInt64(slot->tts_values[AL_ANCHOR_SIZE - 1]),
								 &block) ||
		block.generation !=
		DatumGetInt32(slot->tts_values[AL_ANCHOR_GENERATION - 1]))
		return "there is no such checkpoint";
	if (!stamps_block(&stamp, snapshot, &block))
		return "it is of another checkpoint";
	if (DatumGetTimestampTz(slot->tts_values[AL_ANCHOR_STAMPED_AT - 1]) !=
		stamp_time(&stamp))
		return "its time is not that in the token";
	return NULL;
}

/* Finds stamps that have a record and are gone. */
static void
check_gone(Snapshot snapshot, int64 from, int64 to, AlAnchorSink sink,
		   void *arg)
{
	AlTableScan scan;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log missing time stamp",
												  ALLOCSET_DEFAULT_SIZES);

	al_tablescan_begin(&scan, AL_OBJECTS, AL_OBJECT_ENTITY_KEY, 1, snapshot);
	al_tablescan_seek_text(&scan, AL_ANCHOR_EVENT);
	while (al_tablescan_next(&scan, true))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		char	   *entity = al_tablescan_text(&scan, AL_OBJECT_ENTITY);
		long long	size;
		char		digest[2 * AL_SHA256_LEN + 1];

		CHECK_FOR_INTERRUPTS();
		if (entity && al_event_is_of_ledger(scan.slot) &&
			sscanf(entity, AL_ANCHOR_EVENT_FORMAT, &size, digest) == 2 &&
			(from <= 0 || size > from) && (to < 0 || size <= to) &&
			!is_stored(snapshot, size, digest))
			sink(arg, size, "it was added and is gone");
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	al_tablescan_end(&scan);
	MemoryContextDelete(context);
}

/*
 * Checks the stored stamps of checkpoints whose last leaf is in [from, to), to
 * = -1 for all, so that ranges side by side find each once.
 */
void
al_anchor_check(Snapshot snapshot, int64 from, int64 to, AlAnchorSink sink,
				void *arg)
{
	AlTableScan scan;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log time stamp",
												  ALLOCSET_DEFAULT_SIZES);

	begin_scan(&scan, snapshot, from > 0 ? from + 1 : PG_INT64_MIN, false);
	while (al_tablescan_next(&scan, true))
	{
		bool		isnull;
		int64		size = DatumGetInt64(slot_getattr(scan.slot,
													  AL_ANCHOR_SIZE,
													  &isnull));
		const char *detail;
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		if (to >= 0 && size > to)
			break;
		old = MemoryContextSwitchTo(context);
		detail = check_row(snapshot, scan.slot);
		if (detail)
			sink(arg, size, detail);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	al_tablescan_end(&scan);
	MemoryContextDelete(context);
	check_gone(snapshot, from, to, sink, arg);
}
