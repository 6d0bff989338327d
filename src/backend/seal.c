/*
 * src/backend/seal.c
 *
 * Sealing: committed records become leaves of the ledger.
 *
 * One sealer at a time: it holds ExclusiveLock on audit.ledger_blocks until
 * its transaction ends.  The order of what follows must not change:
 *
 *	lock		nobody else can add a block, nor rewrite the tables of the
 *				records: by an older snapshot they would be empty
 *	snapshot	a new one, taken under the lock: with an older one the block
 *				could miss what its predecessor's snapshot has already seen,
 *				or be computed from another predecessor
 *	rows		see harvest.c
 *	write		bundles, nodes and the block, in this transaction
 *	sign		the checkpoint is made, and handed to nobody yet
 *	commit		durable, whatever synchronous_commit says
 *	publish		file, log line, notification; still under the lock
 *
 * The snapshot is our own, so that the isolation level of the caller's
 * transaction does not matter.  Nor does what that transaction has written
 * before: its id counts as running in the snapshot that is stored, so that
 * its records are in the next block.
 *
 * In another cluster (a restored dump, pg_upgrade) transaction ids start
 * anew, and the ids stored in records say nothing about who sees them.  The
 * first block there takes every record that is no leaf yet; later blocks look
 * up the records that are older than it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "bundles.h"
#include "checkpoint.h"
#include "checkpoint_file.h"
#include "forkguard.h"
#include "generations.h"
#include "glue.h"
#include "guc.h"
#include "harvest.h"
#include "ids.h"
#include "locate.h"
#include "publish.h"
#include "seal.h"
#include "store.h"
#include "treewriter.h"

#define POLL_MS 50

/*
 * Takes the sealer's lock, which lasts until the transaction ends, for the
 * function "command".
 */
Relation
al_seal_lock(const char *command)
{
	Relation	rel;

	PreventCommandDuringRecovery(command);
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	/* What is published at commit must not be rolled back before. */
	if (GetCurrentTransactionNestLevel() > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot be called inside a subtransaction",
						command),
				 errhint("Call it outside of savepoints and of blocks with an EXCEPTION clause.")));
	rel = al_tables_open(AL_BLOCKS);
	LockRelation(rel, ExclusiveLock);
	for (int s = 0; s < AL_STREAMS; s++)
		al_tables_close(al_tables_open(s));
	al_tables_close(al_store_open(AL_BUNDLES));
	al_tables_close(al_store_open(AL_NODES));
	al_tables_close(al_store_open(AL_BLOCKS));
	al_tables_close(al_store_open(AL_GENERATIONS));
	return rel;
}

/* A snapshot of this moment, registered; the lock must be held. */
Snapshot
al_seal_snapshot(void)
{
	return RegisterSnapshot(GetLatestSnapshot());
}

static void
write_block(const AlBlock *block)
{
	Datum		values[AL_BLOCK_COLUMNS];
	bool		nulls[AL_BLOCK_COLUMNS] = {false};
	HeapTuple	tuple;

	values[AL_BLOCK_BLOCK - 1] = Int64GetDatum(block->number);
	values[AL_BLOCK_FIRST_LEAF - 1] = Int64GetDatum(block->first_leaf);
	values[AL_BLOCK_SIZE - 1] = Int64GetDatum(block->size);
	values[AL_BLOCK_SEALED_AT - 1] = TimestampTzGetDatum(block->sealed_at);
	values[AL_BLOCK_GENERATION - 1] = Int32GetDatum(block->generation);
	values[AL_BLOCK_TIMELINE - 1] = Int32GetDatum(block->timeline);
	values[AL_BLOCK_SYSTEM - 1] = CStringGetTextDatum(psprintf(UINT64_FORMAT,
											 block->system_identifier));
	values[AL_BLOCK_ROOT - 1] =
		PointerGetDatum(al_glue_bytes(block->root.bytes,
									  sizeof(block->root.bytes)));
	values[AL_BLOCK_SNAPSHOT - 1] = PointerGetDatum(block->snapshot);
	tuple = al_store_form(AL_BLOCKS, values, nulls);
	al_store_write(AL_BLOCKS, &tuple, 1);
}

/*
 * Appends the record that begins a generation, which is its first leaf.
 * Returns its id, or NULL if the block begins none.
 */
static const pg_uuid_t *
append_first(AlTreeWriter *writer, Snapshot snapshot, const AlBlock *last,
			 const AlGeneration *generation, uint64 own_txid)
{
	AlStream	stream;
	TupleTableSlot *slot;
	AlLeaf		leaf;

	if (generation->generation <= last->generation ||
		!generation->has_record ||
		!al_locate_record(snapshot, &generation->record_id, &stream, &slot))
		return NULL;
	/* The next block would take it again, with its transaction. */
	if (own_txid != 0 && al_leaf_txid(stream, slot) == own_txid)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a generation of the ledger cannot be sealed in the transaction that began it"),
				 errhint("Commit first, then call audit.seal().")));
	al_leaf_make(stream, slot, &leaf);
	ExecDropSingleTupleTableSlot(slot);
	al_treewriter_append(writer, &leaf);
	return &generation->record_id;
}

/* Appends the records of the new block, which gives it a size and a root. */
static void
append_records(AlTreeWriter *writer, Snapshot snapshot, const AlBlock *last,
			   AlBlock *block, const AlGeneration *generation,
			   uint64 own_txid)
{
	bool		moved = last->number > 0 &&
	last->system_identifier != block->system_identifier;
	TimestampTz moved_at = moved ? DT_NOBEGIN : al_ledger_moved_at(snapshot);
	AlIdSet		sealed = {NULL, 0};
	AlHarvest  *harvest = al_harvest_begin(snapshot, own_txid);
	const AlHarvested *record;
	const pg_uuid_t *first = append_first(writer, snapshot, last, generation,
										  own_txid);

	if (moved)
		al_bundles_ids(snapshot, last->size, &sealed);
	al_harvest_block(harvest, last->number > 0 && !moved ? last->snapshot :
					 NULL, moved ? al_txids_all() : block->snapshot);
	while ((record = al_harvest_next(harvest, 0)) != NULL)
	{
		const pg_uuid_t *id = &record->leaf.id;

		if (first && memcmp(id, first, UUID_LEN) == 0)
			continue;
		if (moved && al_bundles_ids_have(&sealed, id))
			continue;
		if (moved_at != DT_NOBEGIN && al_ids_time(id) <= moved_at &&
			al_locate_leaf(snapshot, id) >= 0)
			continue;
		al_treewriter_append(writer, &record->leaf);
	}
	al_harvest_end(harvest);
	al_treewriter_finish(writer, &block->root);
	block->size = writer->frontier.size;
	/* So that the next block finds its records without reading these. */
	for (int s = 0; s < AL_STREAMS; s++)
		al_store_summarize(s);
}

/* Was the last checkpoint not published?  A crash can do that. */
static bool
file_is_behind(Snapshot snapshot, const char *note, const AlBlock *last,
			   const AlGeneration *generation)
{
	AlCheckpoint checkpoint;

	if (al_checkpoint_file_path(snapshot, generation) == NULL)
		return false;
	return note == NULL || !al_checkpoint_parse(note, &checkpoint) ||
		checkpoint.size != last->size ||
		checkpoint.origin_len != strlen(generation->origin) ||
		memcmp(checkpoint.origin, generation->origin,
			   checkpoint.origin_len) != 0;
}

static bool
heartbeat_due(const AlBlock *last, TimestampTz now)
{
	return now < last->sealed_at ||
		now >= last->sealed_at +
		(TimestampTz) al_guc_ledger_heartbeat * USECS_PER_SEC;
}

/*
 * Seals what has been committed, and returns how many records that were.
 * The block becomes part of the ledger when the transaction commits.
 */
int64
al_seal(void)
{
	Relation	lock = al_seal_lock("audit.seal()");
	Snapshot	snapshot = al_seal_snapshot();
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	uint64		own_txid = FullTransactionIdIsValid(own) ?
	U64FromFullTransactionId(own) : 0;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log sealer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AlBlock		last = {0};
	AlBlock		block = {0};
	AlGeneration generation;
	AlTreeWriter *writer = palloc(sizeof(AlTreeWriter));
	char	   *note;

	(void) al_ledger_last_block(snapshot, &last);
	if (!al_ledger_last_generation(snapshot, &generation))
		al_generations_begin(&generation);
	al_generations_check_place(&generation);
	note = al_forkguard_check(snapshot, &last, &generation);

	block.number = last.number + 1;
	block.first_leaf = last.size;
	block.sealed_at = GetCurrentTimestamp();
	block.generation = generation.generation;
	block.timeline = GetWALInsertionTimeLine();
	block.system_identifier = GetSystemIdentifier();
	block.snapshot = al_txids_of(snapshot, own_txid);
	al_treewriter_begin(writer, snapshot, &last);
	append_records(writer, snapshot, &last, &block, &generation, own_txid);
	if (block.size > last.size || last.number == 0 ||
		generation.generation > last.generation ||
		heartbeat_due(&last, block.sealed_at))
	{
		write_block(&block);
		al_publish_checkpoint(snapshot, &block, &generation, true);
		al_treewriter_keep(writer, &block.root);
	}
	else if (file_is_behind(snapshot, note, &last, &generation))
		al_publish_checkpoint(snapshot, &last, &generation, false);
	/* A second block in the same command must see this one. */
	CommandCounterIncrement();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	UnregisterSnapshot(snapshot);
	table_close(lock, NoLock);
	return block.size - last.size;
}

/* How many records that a snapshot sees are not sealed yet, up to "most". */
int64
al_seal_waiting(Snapshot snapshot, int64 most)
{
	AlHarvest  *harvest = al_harvest_begin(snapshot, 0);
	AlTxids    *until = al_txids_of(snapshot, 0);
	AlBlock		last;
	bool		active = al_ledger_last_block(snapshot, &last);
	int64		count;

	/* The caller's own transaction counts, and those of another cluster. */
	until->xmax = PG_UINT64_MAX;
	count = al_harvest_count(harvest, active ? last.snapshot : NULL, until,
							 most);
	al_harvest_end(harvest);
	return count;
}

/* Is a transaction's outcome sealed?  Waits for it, -1 for ever. */
bool
al_seal_wait(uint64 txid, int64 timeout_ms)
{
	instr_time	start;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log last block",
												  ALLOCSET_SMALL_SIZES);

	INSTR_TIME_SET_CURRENT(start);
	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		Snapshot	snapshot = al_seal_snapshot();
		AlBlock		last;
		bool		sealed = al_ledger_last_block(snapshot, &last) &&
		al_txids_see(last.snapshot, txid);
		instr_time	waited;

		UnregisterSnapshot(snapshot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		if (sealed)
			return true;
		INSTR_TIME_SET_CURRENT(waited);
		INSTR_TIME_SUBTRACT(waited, start);
		if (timeout_ms >= 0 && INSTR_TIME_GET_MILLISEC(waited) >= timeout_ms)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT |
						 WL_EXIT_ON_PM_DEATH, POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
