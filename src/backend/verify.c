/*
 * src/backend/verify.c
 *
 * Deriving the ledger again and comparing; differences are findings, of the
 * kinds that findings.h lists.
 *
 * A block belongs to the range that its first leaf is in, so ranges can be
 * verified by several sessions at once.  Each starts from stored nodes, which
 * the range before verifies.
 *
 * What is checked at each block lies in verify_tree.c (bundles, nodes and
 * roots), verify_records.c (leaves and records) and verify_checkpoints.c
 * (signatures); how blocks follow each other is checked here.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "bundles.h"
#include "tables.h"
#include "verify.h"
#include "verify_checkpoints.h"
#include "verify_records.h"
#include "verify_tree.h"

#define SPAN_BLOCKS 4096		/* most that are read together */

typedef struct Verifier
{
	Snapshot	snapshot;
	AlFindings	findings;
	AlVerifyTree tree;
	AlVerifyRecords records;
	AlVerifyCheckpoints checkpoints;
} Verifier;

static void
find(const Verifier *v, const char *kind, int64 leaf, const char *detail)
{
	al_findings_add(&v->findings, kind, leaf, NULL, detail);
}

/* Does a block follow the one before it? */
static void
check_sequence(Verifier *v, const AlBlock *previous, const AlBlock *block)
{
	if (block->number != previous->number + 1)
		find(v, "block", block->first_leaf,
			 psprintf("block " INT64_FORMAT " comes after block " INT64_FORMAT,
					  block->number, previous->number));
	if (block->first_leaf != previous->size)
		find(v, "block", block->first_leaf,
			 psprintf("block " INT64_FORMAT " starts with leaf " INT64_FORMAT " instead of " INT64_FORMAT,
					  block->number, block->first_leaf, previous->size));
	if (block->size < previous->size ||
		block->generation < previous->generation ||
		(block->system_identifier == previous->system_identifier &&
		 previous->number > 0 &&
		 block->snapshot->xmax < previous->snapshot->xmax))
		find(v, "block", block->first_leaf,
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
		!al_bundles_leaf(v->snapshot, block->first_leaf, &leaf) ||
		memcmp(&leaf.id, &generation.record_id, UUID_LEN) != 0)
	{
		find(v, "generation", block->first_leaf,
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

/* The records of the block are those of number "in_harvest". */
static void
verify_block(Verifier *v, int in_harvest, const AlBlock *previous,
			 const AlBlock *block)
{
	const pg_uuid_t *first = first_of_generation(v, previous, block);

	check_sequence(v, previous, block);
	if (is_foreign(previous, block))
		al_verify_records_by_id(&v->records, previous, block);
	else
		al_verify_records_merge(&v->records, in_harvest, previous, block,
								first);
	al_verify_tree_block(&v->tree, block);
	al_verify_checkpoints_block(&v->checkpoints, block);
}

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
verify_span(Verifier *v, const AlBlock *previous, const Span *span)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log verified block",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	if (!is_foreign(previous, &span->blocks[0]))
		al_harvest_blocks(v->records.harvest,
						  previous->number > 0 ? previous->snapshot : NULL,
						  span->snapshots, span->count);
	for (int i = 0; i < span->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		verify_block(v, i, previous, &span->blocks[i]);
		previous = &span->blocks[i];
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * Verifies the blocks behind "previous" up to "last" and to the one that
 * starts with leaf "to"; "previous" becomes the last of them.
 */
static void
verify_blocks(Verifier *v, AlBlock *previous, int64 last, int64 to)
{
	Span	   *span = palloc(sizeof(Span));
	MemoryContext context = CurrentMemoryContext;
	MemoryContext span_context = AllocSetContextCreate(context,
													   "audit_log verified blocks",
													   ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(span_context);
	while (read_span(v, span, previous, last, to))
	{
		verify_span(v, previous, span);
		*previous = span->blocks[span->count - 1];
		MemoryContextSwitchTo(context);
		previous->snapshot = al_txids_copy(previous->snapshot);
		MemoryContextSwitchTo(span_context);
		MemoryContextReset(span_context);
	}
	MemoryContextSwitchTo(context);
}

/* The block before the range that begins with leaf "from"; number 0: none. */
static AlBlock
block_before(const Verifier *v, int64 from, const AlBlock *last)
{
	AlBlock		previous = {0};
	AlBlock		block;

	if (from == 0)
		return previous;
	if (!al_ledger_block_of_leaf(v->snapshot, from - 1, &previous))
		return *last;
	/* An empty block behind it belongs to the same range. */
	while (previous.number < last->number &&
		   al_ledger_block(v->snapshot, previous.number + 1, &block) &&
		   block.first_leaf < from)
		previous = block;
	return previous;
}

/*
 * Whoever has a checkpoint of an empty ledger has not lost anything.  That
 * nothing is found must not pass for a log that was verified.
 */
static void
verify_empty(const Verifier *v, const char *checkpoint)
{
	AlCheckpoint claimed;

	if (checkpoint && al_checkpoint_parse(checkpoint, &claimed) &&
		claimed.size > 0)
		find(v, "rolled_back", 0, "nothing has been sealed");
	ereport(NOTICE,
			(errmsg("nothing has been sealed yet, so nothing was verified"),
			 errhint("Call audit.seal(), or have the background worker do it.")));
}

static void
verify_range(Verifier *v, int64 from, int64 to, const char *checkpoint,
			 const AlBlock *last)
{
	AlBlock		previous = block_before(v, from, last);

	al_verify_checkpoints_begin(&v->checkpoints, v->snapshot, &v->findings);
	if (from == 0)
		al_verify_checkpoints_notice(&v->checkpoints);
	al_verify_tree_begin(&v->tree, v->snapshot, &v->findings, previous.size);
	al_verify_records_begin(&v->records, v->snapshot, &v->findings, &v->tree);
	verify_blocks(v, &previous, last->number, to);
	al_verify_checkpoints_end(&v->checkpoints);
	al_verify_checkpoints_stamps(&v->checkpoints, from, to);
	if (previous.number >= last->number)
	{
		al_verify_tree_rest(&v->tree, last);
		al_verify_records_rest(&v->records, last);
		al_verify_checkpoints_file(&v->checkpoints, &v->tree.stored, last);
	}
	if (checkpoint)
		al_verify_checkpoints_note(&v->checkpoints, checkpoint,
								   "the given checkpoint", &v->tree.stored,
								   last);
	al_verify_tree_end(&v->tree);
	al_verify_records_end(&v->records);
}

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

	/* What rewrites a table hides its rows from snapshots of before. */
	for (int s = 0; s < AL_TABLES; s++)
		al_tables_close(al_tables_open(s));
	v->snapshot = RegisterSnapshot(GetLatestSnapshot());
	v->findings.sink = sink;
	v->findings.arg = arg;
	if (al_ledger_last_block(v->snapshot, &last))
		verify_range(v, from, to, checkpoint, &last);
	else
		verify_empty(v, checkpoint);
	UnregisterSnapshot(v->snapshot);
}
