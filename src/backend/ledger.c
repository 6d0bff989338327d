/*
 * src/backend/ledger.c
 *
 * Blocks and generations of the ledger; see ledger.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "ledger.h"
#include "tablescan.h"

/* A 64-bit number that no type of SQL holds, stored as text. */
static uint64
get_system(AlTableScan *scan, AttrNumber column)
{
	char	   *text = al_tablescan_text(scan, column);

	return text ? strtou64(text, NULL, 10) : 0;
}

static void
read_block(AlTableScan *scan, AlBlock *block)
{
	bool		isnull;
	Datum		snapshot;

	block->number = al_tablescan_int64(scan, AL_BLOCK_BLOCK);
	block->first_leaf = al_tablescan_int64(scan, AL_BLOCK_FIRST_LEAF);
	block->size = al_tablescan_int64(scan, AL_BLOCK_SIZE);
	block->sealed_at = al_tablescan_int64(scan, AL_BLOCK_SEALED_AT);
	block->generation = al_tablescan_int32(scan, AL_BLOCK_GENERATION);
	block->timeline = al_tablescan_int32(scan, AL_BLOCK_TIMELINE);
	block->system_identifier = get_system(scan, AL_BLOCK_SYSTEM);
	al_tablescan_hash(scan, AL_BLOCK_ROOT, &block->root);
	snapshot = slot_getattr(scan->slot, AL_BLOCK_SNAPSHOT, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block " INT64_FORMAT " of the ledger has no snapshot",
						block->number)));
	block->snapshot = (AlTxids *) PG_DETOAST_DATUM_COPY(snapshot);
}

/* The last block; false if nothing was sealed yet. */
bool
al_ledger_last_block(Snapshot snapshot, AlBlock *block)
{
	AlTableScan scan;
	bool		found;

	al_tablescan_begin(&scan, AL_BLOCKS, AL_BLOCK_BLOCK, 0, snapshot);
	found = al_tablescan_next(&scan, false);
	if (found)
		read_block(&scan, block);
	al_tablescan_end(&scan);
	return found;
}

/* The block with a number, or the next one that is there. */
bool
al_ledger_block_from(Snapshot snapshot, int64 number, AlBlock *block)
{
	AlTableScan scan;
	bool		found;

	al_tablescan_begin(&scan, AL_BLOCKS, AL_BLOCK_BLOCK, 1, snapshot);
	al_tablescan_seek_int8(&scan, BTGreaterEqualStrategyNumber, F_INT8GE,
						   number);
	found = al_tablescan_next(&scan, true);
	if (found)
		read_block(&scan, block);
	al_tablescan_end(&scan);
	return found;
}

bool
al_ledger_block(Snapshot snapshot, int64 number, AlBlock *block)
{
	return al_ledger_block_from(snapshot, number, block) &&
		block->number == number;
}

/*
 * The first block, from number 1 on, for which "reached" holds; it must hold
 * for all that follow.  Blocks are numbered without gaps; where one was
 * removed, the nearest that is left stands for it.
 */
static bool
search_blocks(Snapshot snapshot, bool (*reached) (const AlBlock *block,
												  int64 goal),
			  int64 goal, AlBlock *block)
{
	AlTableScan scan;
	int64		low = 1;
	int64		high;
	bool		found;

	al_tablescan_begin(&scan, AL_BLOCKS, AL_BLOCK_BLOCK, 1, snapshot);
	al_tablescan_seek_int8(&scan, BTGreaterEqualStrategyNumber, F_INT8GE, low);
	found = al_tablescan_next(&scan, false);
	high = found ? al_tablescan_int64(&scan, AL_BLOCK_BLOCK) + 1 : low;
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		al_tablescan_seek_int8(&scan, BTGreaterEqualStrategyNumber, F_INT8GE,
							   middle);
		if (al_tablescan_next(&scan, true))
			read_block(&scan, block);
		else
			break;
		if (reached(block, goal))
			high = middle;
		else
			low = middle + 1;
	}
	al_tablescan_seek_int8(&scan, BTGreaterEqualStrategyNumber, F_INT8GE, low);
	found = al_tablescan_next(&scan, true);
	if (found)
		read_block(&scan, block);
	al_tablescan_end(&scan);
	return found;
}

static bool
holds_leaf(const AlBlock *block, int64 leaf)
{
	return block->size > leaf;
}

/* The block that holds a leaf. */
bool
al_ledger_block_of_leaf(Snapshot snapshot, int64 leaf, AlBlock *block)
{
	return search_blocks(snapshot, holds_leaf, leaf, block) &&
		block->first_leaf <= leaf;
}

static bool
has_size(const AlBlock *block, int64 size)
{
	return block->size >= size;
}

/* The first block that made the tree as large. */
bool
al_ledger_block_of_size(Snapshot snapshot, int64 size, AlBlock *block)
{
	return search_blocks(snapshot, has_size, size, block) &&
		block->size == size;
}

static bool
sees_txid(const AlBlock *block, int64 txid)
{
	return al_txids_see(block->snapshot, (uint64) txid);
}

/* The first block whose snapshot sees a transaction. */
bool
al_ledger_block_of_txid(Snapshot snapshot, uint64 txid, AlBlock *block)
{
	return search_blocks(snapshot, sees_txid, (int64) txid, block);
}

static bool
sealed_after(const AlBlock *block, int64 time)
{
	return block->sealed_at >= time;
}

/* The first block that was sealed at a time or later. */
bool
al_ledger_block_since(Snapshot snapshot, TimestampTz time, AlBlock *block)
{
	return search_blocks(snapshot, sealed_after, time, block);
}

static void
read_generation(AlTableScan *scan, AlGeneration *result)
{
	bool		isnull;
	Datum		id = slot_getattr(scan->slot, AL_GENERATION_RECORD_ID,
								  &isnull);

	result->generation = al_tablescan_int32(scan, AL_GENERATION_GENERATION);
	result->first_leaf = al_tablescan_int64(scan, AL_GENERATION_FIRST_LEAF);
	result->system_identifier = get_system(scan, AL_GENERATION_SYSTEM);
	result->database = al_tablescan_int32(scan, AL_GENERATION_DATABASE);
	result->origin = al_tablescan_text(scan, AL_GENERATION_ORIGIN);
	if (result->origin == NULL)
		result->origin = pstrdup("");
	result->has_record = !isnull;
	if (!isnull)
		result->record_id = *DatumGetUUIDP(id);
	result->previous = al_tablescan_text(scan, AL_GENERATION_PREVIOUS);
}

bool
al_ledger_generation(Snapshot snapshot, int generation, AlGeneration *result)
{
	AlTableScan scan;
	ScanKeyData key;
	bool		found;

	al_tablescan_begin(&scan, AL_GENERATIONS, AL_GENERATION_GENERATION, 1,
					   snapshot);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(generation));
	index_rescan(scan.desc, &key, 1, NULL, 0);
	found = al_tablescan_next(&scan, true);
	if (found)
		read_generation(&scan, result);
	al_tablescan_end(&scan);
	return found;
}

bool
al_ledger_last_generation(Snapshot snapshot, AlGeneration *result)
{
	AlTableScan scan;
	bool		found;

	al_tablescan_begin(&scan, AL_GENERATIONS, AL_GENERATION_GENERATION, 0,
					   snapshot);
	found = al_tablescan_next(&scan, false);
	if (found)
		read_generation(&scan, result);
	al_tablescan_end(&scan);
	return found;
}

/* The same as al_ledger_last_block(), for what makes no sense without one. */
void
al_ledger_require_last_block(Snapshot snapshot, AlBlock *block)
{
	if (!al_ledger_last_block(snapshot, block))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing has been sealed yet"),
				 errhint("Call audit.seal(), or have the background worker do it.")));
}

/* The same as al_ledger_generation(), for one that a row refers to. */
void
al_ledger_require_generation(Snapshot snapshot, int generation,
							 AlGeneration *result)
{
	if (!al_ledger_generation(snapshot, generation, result))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("generation %d of the ledger is missing",
						generation)));
}

/*
 * When the ledger was last taken up in another cluster; DT_NOBEGIN: never.
 * Transaction ids of records from before mean nothing in this one.
 */
TimestampTz
al_ledger_moved_at(Snapshot snapshot)
{
	AlTableScan scan;
	uint64		system_identifier = 0;
	int64		moved = -1;
	AlBlock		block;

	al_tablescan_begin(&scan, AL_GENERATIONS, AL_GENERATION_GENERATION, 0,
					   snapshot);
	while (al_tablescan_next(&scan, true))
	{
		AlGeneration generation;

		read_generation(&scan, &generation);
		if (generation.generation > 1 &&
			generation.system_identifier != system_identifier)
			moved = generation.first_leaf;
		system_identifier = generation.system_identifier;
	}
	al_tablescan_end(&scan);
	return moved >= 0 && al_ledger_block_of_leaf(snapshot, moved, &block) ?
		block.sealed_at : DT_NOBEGIN;
}
