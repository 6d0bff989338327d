/*
 * src/backend/verify.c
 *
 * Deriving the ledger again and comparing; differences are findings, of the
 * kinds that findings.h lists.
 *
 * The leaves of a block and the records that harvest.c gives for its
 * snapshots come in the same order, so they are merged; only where they
 * differ a record is looked up by its id.  A record that is gone after its
 * expiry is no finding, nor is one that audit.erase() removed.
 *
 * A block belongs to the range that its first leaf is in, so ranges can be
 * verified by several sessions at once.  Each starts from stored nodes, which
 * the range before verifies.
 *
 * Blocks from before the ledger was taken up in another cluster, and the
 * first one there, are compared leaf by leaf through ids: txids mean nothing.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "anchor.h"
#include "checkpoint.h"
#include "glue.h"
#include "harvest.h"
#include "notetext.h"
#include "verify.h"
#include "verify_checkpoints.h"
#include "verify_tree.h"

#define SPAN_BLOCKS 4096

typedef struct Verifier
{
	Snapshot	snapshot;
	AlFindings	findings;
	int64		now;			/* microseconds since 1970 */
	TimestampTz moved_at;
	AlVerifyTree tree;
	AlVerifyCheckpoints checkpoints;
} Verifier;

static void
find(Verifier *v, const char *kind, int64 leaf, const pg_uuid_t *id,
	 const char *detail)
{
	al_findings_add(&v->findings, kind, leaf, id, detail);
}

static bool
same_hash(const AlHash *a, const AlHash *b)
{
	return memcmp(a, b, sizeof(AlHash)) == 0;
}

/* ----------------------------------------------------------------- records */

static char *
time_text(int64 unix_us)
{
	return psprintf("%s", timestamptz_to_str(unix_us -
											 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
											 USECS_PER_DAY));
}

static void
compare(Verifier *v, int64 number, const AlLeaf *leaf, const AlLeaf *record)
{
	if (!same_hash(&leaf->inner, &record->inner))
		find(v, "changed", number, &leaf->id,
			 "the contents do not have the hash that was sealed");
	else if (leaf->expire != record->expire)
		find(v, "changed", number, &leaf->id,
			 leaf->expire == AL_LEAF_NEVER ?
			 "it was sealed never to expire" :
			 psprintf("it was sealed to expire at %s",
					  time_text(leaf->expire)));
}

/* Finds the record of a leaf by its id: its own leaf and its transaction. */
static bool
record_of(Verifier *v, const AlLeaf *leaf, AlLeaf *record, uint64 *txid)
{
	AlStream	stream;
	TupleTableSlot *slot;

	if (!al_ledger_record(v->snapshot, &leaf->id, &stream, &slot))
		return false;
	al_leaf_make(stream, slot, record);
	*txid = al_leaf_txid(stream, slot);
	ExecDropSingleTupleTableSlot(slot);
	return true;
}

/* A leaf whose record is not where it belongs: gone, or changed? */
static void
missing_record(Verifier *v, int64 number, const AlLeaf *leaf)
{
	AlLeaf		record;
	uint64		txid;

	if (leaf->expire <= v->now)
		return;
	if (record_of(v, leaf, &record, &txid))
	{
		if (same_hash(&leaf->inner, &record.inner))
			find(v, "moved", number, &leaf->id,
				 "the leaf is not in the order of transactions");
		else
			compare(v, number, leaf, &record);
		return;
	}
	if (al_ledger_erased(v->snapshot, &leaf->id))
		return;
	find(v, "deleted", number, &leaf->id,
		 leaf->expire == AL_LEAF_NEVER ? "it never expires" :
		 psprintf("it expires at %s", time_text(leaf->expire)));
}

/* Compares a leaf with the record that has its id, wherever that is. */
static void
compare_by_id(Verifier *v, int64 number, const AlLeaf *leaf)
{
	AlLeaf		record;
	uint64		txid;

	if (record_of(v, leaf, &record, &txid))
		compare(v, number, leaf, &record);
	else
		missing_record(v, number, leaf);
}

/* A record that the block's snapshot sees and that is not its next leaf. */
static void
extra_record(Verifier *v, const AlHarvested *record)
{
	int64		leaf;

	if (v->tree.missing > 0)
	{
		v->tree.missing--;
		return;
	}
	leaf = al_ledger_find(v->snapshot, &record->leaf.id);
	if (leaf < 0)
		find(v, "inserted", -1, &record->leaf.id,
			 "its transaction was sealed without it");
	else if (v->moved_at == DT_NOBEGIN ||
			 al_ledger_id_time(&record->leaf.id) > v->moved_at)
		find(v, "moved", leaf, &record->leaf.id,
			 "its transaction belongs to another block");
}

/* Does the record of a leaf come later in the block than "other"? */
static bool
comes_later(Verifier *v, const AlLeaf *leaf, const AlHarvested *other,
			const AlTxids *before, const AlTxids *until)
{
	AlLeaf		record;
	uint64		txid;

	if (!record_of(v, leaf, &record, &txid))
		return false;
	if ((before && al_ledger_txid_visible(before, txid)) ||
		!al_ledger_txid_visible(until, txid))
		return false;
	if (txid != other->txid)
		return txid > other->txid;
	return memcmp(&leaf->id, &other->leaf.id, UUID_LEN) > 0;
}

/* ------------------------------------------------------------------ blocks */

/* Compares a block of this cluster, by merging its leaves with its records. */
static void
merge_block(Verifier *v, AlHarvest *harvest, int in_harvest,
			const AlBlock *block, int64 first_leaf, const AlTxids *before,
			const pg_uuid_t *first)
{
	const AlHarvested *record = al_harvest_next(harvest, in_harvest);
	int64		number = first_leaf;

	for (; number < block->size; number++)
	{
		const AlLeaf *leaf = al_verify_tree_next(&v->tree, number);

		if (leaf == NULL)
			continue;
		if (first && number == first_leaf &&
			memcmp(&leaf->id, first, UUID_LEN) == 0)
		{
			/* The record that begins a generation comes before its turn. */
			compare_by_id(v, number, leaf);
			continue;
		}
		for (;;)
		{
			if (record && first &&
				memcmp(&record->leaf.id, first, UUID_LEN) == 0)
				record = al_harvest_next(harvest, in_harvest);
			if (record == NULL)
				missing_record(v, number, leaf);
			else if (memcmp(&record->leaf.id, &leaf->id, UUID_LEN) == 0)
			{
				compare(v, number, leaf, &record->leaf);
				record = al_harvest_next(harvest, in_harvest);
			}
			else if (comes_later(v, leaf, record, before, block->snapshot))
			{
				extra_record(v, record);
				record = al_harvest_next(harvest, in_harvest);
				continue;
			}
			else
				missing_record(v, number, leaf);
			break;
		}
	}
	for (; record; record = al_harvest_next(harvest, in_harvest))
		if (first == NULL || memcmp(&record->leaf.id, first, UUID_LEN) != 0)
			extra_record(v, record);
}

/* Compares a block of another cluster, leaf by leaf. */
static void
look_up_block(Verifier *v, const AlBlock *block, int64 first_leaf)
{
	for (int64 number = first_leaf; number < block->size; number++)
	{
		const AlLeaf *leaf = al_verify_tree_next(&v->tree, number);

		if (leaf)
			compare_by_id(v, number, leaf);
	}
}

/* Records of the clusters before this one that are no leaves. */
static void
look_for_strays(Verifier *v, AlHarvest *harvest, const AlBlock *last)
{
	AlTxids		all = {0};
	AlIdSet		leaves;
	const AlHarvested *record;

	al_ledger_ids_load(v->snapshot, last->size, &leaves);
	all.xmin = all.xmax = PG_UINT64_MAX;
	al_harvest_block(harvest, NULL, &all);
	while ((record = al_harvest_next(harvest, 0)) != NULL)
		if (al_ledger_id_time(&record->leaf.id) <= v->moved_at &&
			!al_ledger_txid_visible(last->snapshot, record->txid) &&
			!al_ledger_ids_has(&leaves, &record->leaf.id) &&
			record->txid >= U64FromFullTransactionId(ReadNextFullTransactionId()))
			find(v, "inserted", -1, &record->leaf.id,
				 "it is older than this cluster and was not sealed");
	pfree(leaves.ids);
}

static void
check_sequence(Verifier *v, const AlBlock *previous, const AlBlock *block)
{
	if (block->number != previous->number + 1)
		find(v, "block", block->first_leaf, NULL,
			 psprintf("block " INT64_FORMAT " comes after block " INT64_FORMAT,
					  block->number, previous->number));
	if (block->first_leaf != previous->size)
		find(v, "block", block->first_leaf, NULL,
			 psprintf("block " INT64_FORMAT " starts with leaf " INT64_FORMAT " instead of " INT64_FORMAT,
					  block->number, block->first_leaf, previous->size));
	if (block->size < previous->size ||
		block->generation < previous->generation ||
		(block->system_identifier == previous->system_identifier &&
		 previous->number > 0 &&
		 block->snapshot->xmax < previous->snapshot->xmax))
		find(v, "block", block->first_leaf, NULL,
			 psprintf("block " INT64_FORMAT " does not continue the one before",
					  block->number));
}

/* The id of the record that must be the first leaf of a block, or NULL. */
static pg_uuid_t *
first_of_generation(Verifier *v, const AlBlock *previous, const AlBlock *block)
{
	AlGeneration generation;
	AlLeaf		leaf;
	pg_uuid_t  *id;

	if (block->generation == previous->generation || block->generation <= 1)
		return NULL;
	if (!al_ledger_generation(v->snapshot, block->generation, &generation))
		return NULL;
	if (!generation.has_record ||
		!al_ledger_leaf(v->snapshot, block->first_leaf, &leaf) ||
		memcmp(&leaf.id, &generation.record_id, UUID_LEN) != 0)
	{
		find(v, "generation", block->first_leaf, NULL,
			 psprintf("generation %d does not begin with its record",
					  block->generation));
		return NULL;
	}
	id = palloc(sizeof(pg_uuid_t));
	*id = generation.record_id;
	return id;
}

/* Were the block or the one before it sealed in another cluster? */
static bool
is_foreign(const AlBlock *previous, const AlBlock *block)
{
	return block->system_identifier != GetSystemIdentifier() ||
		(previous->number > 0 &&
		 previous->system_identifier != block->system_identifier);
}

/* harvest stands before the records of its block "in_harvest", this one. */
static void
verify_block(Verifier *v, AlHarvest *harvest, int in_harvest,
			 const AlBlock *previous, const AlBlock *block)
{
	const AlTxids *before = previous->number > 0 ? previous->snapshot : NULL;
	const pg_uuid_t *first = first_of_generation(v, previous, block);

	check_sequence(v, previous, block);
	if (is_foreign(previous, block))
		look_up_block(v, block, previous->size);
	else
		merge_block(v, harvest, in_harvest, block, previous->size, before,
					first);
	al_verify_tree_block(&v->tree, block);
	al_verify_checkpoints_block(&v->checkpoints, block);
}

static void
check_future(Verifier *v, AlHarvest *harvest)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	AlTxids		before = {0};
	AlTxids		all = {0};
	const AlHarvested *record;

	before.xmin = before.xmax = next;
	all.xmin = all.xmax = PG_UINT64_MAX;
	al_harvest_block(harvest, &before, &all);
	while ((record = al_harvest_next(harvest, 0)) != NULL)
		if (v->moved_at == DT_NOBEGIN ||
			al_ledger_id_time(&record->leaf.id) > v->moved_at)
			find(v, "future", -1, &record->leaf.id,
				 psprintf("transaction " UINT64_FORMAT " has not begun",
						  record->txid));
}

/* What concerns the end of the ledger. */
static void
check_end(Verifier *v, AlHarvest *harvest, const AlBlock *last)
{
	al_verify_tree_rest(&v->tree, last);
	check_future(v, harvest);
	if (v->moved_at != DT_NOBEGIN)
		look_for_strays(v, harvest, last);
	al_verify_checkpoints_file(&v->checkpoints, &v->tree.stored, last);
}

/* ------------------------------------------------------------------- spans */

/*
 * Blocks whose records are read together, so that a table is not looked
 * through once a block.
 */
typedef struct Span
{
	AlBlock		blocks[SPAN_BLOCKS];
	const AlTxids *snapshots[SPAN_BLOCKS];
	int			count;
} Span;

/* Does a block belong to the same span as the one before it? */
static bool
goes_on(const Span *span, const AlBlock *block)
{
	const AlBlock *first = &span->blocks[0];
	const AlBlock *previous = &span->blocks[span->count - 1];

	return span->count < SPAN_BLOCKS &&
		block->size - first->first_leaf <= al_harvest_room() &&
		!is_foreign(previous, block) &&
		block->snapshot->xmax >= previous->snapshot->xmax;
}

/*
 * Reads the blocks after "previous" that are verified next, up to "last" and
 * to the one that starts with leaf "to"; false if there are none.
 */
static bool
read_span(Verifier *v, Span *span, const AlBlock *previous, int64 last,
		  int64 to)
{
	int64		number = previous->number;
	AlBlock		block;

	span->count = 0;
	while (number < last)
	{
		if (!al_ledger_block_from(v->snapshot, number + 1, &block))
			elog(ERROR, "last block of the ledger disappeared");
		if ((to >= 0 && block.first_leaf >= to) ||
			(span->count > 0 && !goes_on(span, &block)))
			break;
		span->blocks[span->count] = block;
		span->snapshots[span->count++] = block.snapshot;
		number = block.number;
		if (is_foreign(previous, &block))
			break;
	}
	return span->count > 0;
}

static void
verify_span(Verifier *v, AlHarvest *harvest, const AlBlock *previous,
			const Span *span)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log verified block",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	if (!is_foreign(previous, &span->blocks[0]))
		al_harvest_blocks(harvest,
						  previous->number > 0 ? previous->snapshot : NULL,
						  span->snapshots, span->count);
	for (int i = 0; i < span->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		verify_block(v, harvest, i, previous, &span->blocks[i]);
		previous = &span->blocks[i];
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* -------------------------------------------------------------------- main */

/*
 * Verifies the blocks whose first leaf is in [from, to), to = -1 for all, and
 * a checkpoint from elsewhere if one is given.
 */
void
al_verify(int64 from, int64 to, const char *checkpoint, AlFindingSink sink,
		  void *arg)
{
	Verifier   *v = palloc0(sizeof(Verifier));
	AlBlock		last;
	AlBlock		block;
	AlBlock		previous = {0};
	AlHarvest  *harvest;
	Span	   *span = palloc(sizeof(Span));
	MemoryContext span_context = AllocSetContextCreate(CurrentMemoryContext,
													   "audit_log verified blocks",
													   ALLOCSET_DEFAULT_SIZES);
	MemoryContext context = CurrentMemoryContext;

	/* What rewrites a table hides its rows from snapshots of before. */
	for (int s = 0; s < AL_TABLES; s++)
		al_store_close(al_store_open_read(s));
	v->snapshot = RegisterSnapshot(GetLatestSnapshot());
	v->findings.sink = sink;
	v->findings.arg = arg;
	v->now = al_leaf_unix_time(GetCurrentTimestamp());
	if (!al_ledger_last_block(v->snapshot, &last))
	{
		AlCheckpoint claimed;

		if (checkpoint && al_checkpoint_parse(checkpoint, &claimed) &&
			claimed.size > 0)
			find(v, "rolled_back", 0, NULL, "nothing has been sealed");
		UnregisterSnapshot(v->snapshot);
		return;
	}
	v->moved_at = al_ledger_moved_at(v->snapshot);
	al_verify_checkpoints_begin(&v->checkpoints, v->snapshot, &v->findings);
	if (from == 0)
		al_verify_checkpoints_notice(&v->checkpoints);
	harvest = al_harvest_begin(v->snapshot, 0);

	/* The first block of the range, and the one before it. */
	if (from > 0)
	{
		if (!al_ledger_block_of_leaf(v->snapshot, from - 1, &previous))
			previous = last;
		/* An empty block behind it belongs to the same range. */
		while (previous.number < last.number &&
			   al_ledger_block(v->snapshot, previous.number + 1, &block) &&
			   block.first_leaf < from)
			previous = block;
	}
	al_verify_tree_begin(&v->tree, v->snapshot, &v->findings, previous.size);

	MemoryContextSwitchTo(span_context);
	while (read_span(v, span, &previous, last.number, to))
	{
		verify_span(v, harvest, &previous, span);
		previous = span->blocks[span->count - 1];
		MemoryContextSwitchTo(context);
		previous.snapshot = (AlTxids *)
			PG_DETOAST_DATUM_COPY(PointerGetDatum(previous.snapshot));
		MemoryContextSwitchTo(span_context);
		MemoryContextReset(span_context);
	}
	MemoryContextSwitchTo(context);
	al_verify_checkpoints_end(&v->checkpoints);
	al_verify_checkpoints_stamps(&v->checkpoints, from, to);
	if (previous.number >= last.number)
		check_end(v, harvest, &last);
	if (checkpoint)
		al_verify_checkpoints_note(&v->checkpoints, checkpoint,
								   "the given checkpoint", &v->tree.stored,
								   &last);
	al_verify_tree_end(&v->tree);
	al_harvest_end(harvest);
	UnregisterSnapshot(v->snapshot);
}
