/*
 * src/backend/ledger.c
 *
 * Reading the ledger's tables; see ledger.h.
 *
 * Everything is read under the snapshot that the caller gives, through the
 * indexes of the tables and without SPI, so that neither row security nor a
 * rule nor the plan of a query can hide a row.  Only AccessShareLock is
 * taken: a standby can read, verify and prove.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "ids.h"
#include "ledger.h"

/*
 * A record is sealed after it was made.  Clocks are set back sometimes; this
 * much of it costs nothing.
 */
#define CLOCK_SLACK (10 * USECS_PER_SEC)

/* ------------------------------------------------------------------ blocks */

/* A 64-bit number that no type of SQL holds, stored as text. */
static uint64
get_system(AlTableScan *scan, AttrNumber column)
{
	char	   *text = al_tablescan_text(scan, column);

	return text ? strtou64(text, NULL, 10) : 0;
}

/* Could a snapshot with these running transactions see "txid"? */
bool
al_ledger_txid_visible(const AlTxids *txids, uint64 txid)
{
	uint32		low = 0;
	uint32		high = txids->nxip;

	if (txid < txids->xmin)
		return true;
	if (txid >= txids->xmax)
		return false;
	while (low < high)
	{
		uint32		middle = (low + high) / 2;

		if (txids->xip[middle] == txid)
			return false;
		if (txids->xip[middle] < txid)
			low = middle + 1;
		else
			high = middle;
	}
	return true;
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
	al_tablescan_seek_int8(&scan, BTGreaterEqualStrategyNumber, F_INT8GE, number);
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

		al_tablescan_seek_int8(&scan, BTGreaterEqualStrategyNumber, F_INT8GE, middle);
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

static bool
has_size(const AlBlock *block, int64 size)
{
	return block->size >= size;
}

static bool
sees_txid(const AlBlock *block, int64 txid)
{
	return al_ledger_txid_visible(block->snapshot, (uint64) txid);
}

static bool
sealed_after(const AlBlock *block, int64 time)
{
	return block->sealed_at >= time;
}

/* The block that holds a leaf. */
bool
al_ledger_block_of_leaf(Snapshot snapshot, int64 leaf, AlBlock *block)
{
	return search_blocks(snapshot, holds_leaf, leaf, block) &&
		block->first_leaf <= leaf;
}

/* The first block that made the tree as large. */
bool
al_ledger_block_of_size(Snapshot snapshot, int64 size, AlBlock *block)
{
	return search_blocks(snapshot, has_size, size, block) &&
		block->size == size;
}

static void
read_generation(AlTableScan *scan, AlGeneration *result)
{
	bool		isnull;
	Datum		id = slot_getattr(scan->slot, AL_GENERATION_RECORD_ID, &isnull);

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

/* ----------------------------------------------------------------- bundles */

/* The bundles from the one that starts with "first_leaf", or comes next. */
void
al_ledger_bundles_begin(AlTableScan *scan, Snapshot snapshot,
						int64 first_leaf)
{
	al_tablescan_begin(scan, AL_BUNDLES, AL_BUNDLE_FIRST_LEAF, 1, snapshot);
	al_tablescan_seek_int8(scan, BTGreaterEqualStrategyNumber, F_INT8GE, first_leaf);
}

/* The bytes of a column, which must be so many; NULL if they are not. */
static const char *
get_bytes(AlTableScan *scan, AttrNumber column, Size size, bytea **detoasted)
{
	bool		isnull;
	Datum		value = slot_getattr(scan->slot, column, &isnull);

	*detoasted = NULL;
	if (isnull)
		return NULL;
	*detoasted = DatumGetByteaPP(value);
	return VARSIZE_ANY_EXHDR(*detoasted) == size ? VARDATA_ANY(*detoasted) :
		NULL;
}

/*
 * The next bundle.  One whose parts do not fit together has no leaves; only
 * a change by hand can cause that.
 */
bool
al_ledger_bundles_next(AlTableScan *scan, AlBundle *bundle)
{
	bytea	   *detoasted[3];
	const char *ids;
	const char *expires;
	const char *inner;
	int			count;

	if (!al_tablescan_next(scan, true))
		return false;
	bundle->first_leaf = al_tablescan_int64(scan, AL_BUNDLE_FIRST_LEAF);
	bundle->count = 0;
	count = al_tablescan_int32(scan, AL_BUNDLE_LEAVES);
	if (count < 1 || bundle->first_leaf < 0 ||
		count > AL_BUNDLE_MAX - bundle->first_leaf % AL_BUNDLE_MAX)
		return true;
	ids = get_bytes(scan, AL_BUNDLE_IDS, UUID_LEN * count, &detoasted[0]);
	expires = get_bytes(scan, AL_BUNDLE_EXPIRES, sizeof(int64) * count,
						&detoasted[1]);
	inner = get_bytes(scan, AL_BUNDLE_INNER, sizeof(AlHash) * count,
					  &detoasted[2]);
	if (ids && expires && inner)
	{
		bundle->count = count;
		for (int i = 0; i < count; i++)
		{
			AlLeaf	   *leaf = &bundle->leaves[i];
			uint64		expire;

			memcpy(leaf->id.data, ids + UUID_LEN * i, UUID_LEN);
			memcpy(&expire, expires + sizeof(expire) * i, sizeof(expire));
			leaf->expire = (int64) pg_ntoh64(expire);
			memcpy(leaf->inner.bytes, inner + sizeof(AlHash) * i,
				   sizeof(AlHash));
		}
	}
	for (int i = 0; i < 3; i++)
		if (detoasted[i] && (Pointer) detoasted[i] !=
			DatumGetPointer(scan->slot->tts_values[AL_BUNDLE_IDS - 1 + i]))
			pfree(detoasted[i]);
	return true;
}

/* The leaf with a number. */
bool
al_ledger_leaf(Snapshot snapshot, int64 number, AlLeaf *leaf)
{
	AlTableScan scan;
	AlBundle   *bundle = palloc(sizeof(AlBundle));
	bool		found = false;

	al_tablescan_begin(&scan, AL_BUNDLES, AL_BUNDLE_FIRST_LEAF, 1, snapshot);
	al_tablescan_seek_int8(&scan, BTLessEqualStrategyNumber, F_INT8LE, number);
	if (al_tablescan_next(&scan, false))
	{
		int64		first = al_tablescan_int64(&scan, AL_BUNDLE_FIRST_LEAF);

		al_tablescan_seek_int8(&scan, BTGreaterEqualStrategyNumber, F_INT8GE, first);
		found = al_ledger_bundles_next(&scan, bundle) &&
			number - bundle->first_leaf < bundle->count;
		if (found)
			*leaf = bundle->leaves[number - bundle->first_leaf];
	}
	al_tablescan_end(&scan);
	pfree(bundle);
	return found;
}

/* The leaf in [first, end) that has an id, or -1; reads nothing but ids. */
static int64
find_id(Snapshot snapshot, const pg_uuid_t *id, int64 first, int64 end)
{
	AlTableScan scan;
	int64		found = -1;

	al_ledger_bundles_begin(&scan, snapshot, first);
	while (found < 0 && al_tablescan_next(&scan, true))
	{
		int64		bundle = al_tablescan_int64(&scan, AL_BUNDLE_FIRST_LEAF);
		bool		isnull;
		Datum		value = slot_getattr(scan.slot, AL_BUNDLE_IDS, &isnull);
		bytea	   *ids;

		if (bundle >= end)
			break;
		CHECK_FOR_INTERRUPTS();
		if (isnull)
			continue;
		ids = DatumGetByteaPP(value);
		for (int i = 0; i < VARSIZE_ANY_EXHDR(ids) / UUID_LEN; i++)
			if (memcmp(VARDATA_ANY(ids) + UUID_LEN * i, id->data,
					   UUID_LEN) == 0)
			{
				found = bundle + i;
				break;
			}
		if ((Pointer) ids != DatumGetPointer(value))
			pfree(ids);
	}
	al_tablescan_end(&scan);
	return found;
}

/* Does the bundle that a scan stands on begin with an id above another? */
static bool
begins_above(AlTableScan *scan, const pg_uuid_t *id)
{
	bool		isnull;
	Datum		value = slot_getattr(scan->slot, AL_BUNDLE_IDS, &isnull);
	bytea	   *ids;

	if (isnull)
		return false;
	ids = DatumGetByteaPP(value);
	return VARSIZE_ANY_EXHDR(ids) >= UUID_LEN &&
		memcmp(VARDATA_ANY(ids), id->data, UUID_LEN) > 0;
}

/*
 * Where in [first, end) an id is likely to be: the bundle that would hold it
 * if ids only grew, which within a block they nearly do.
 */
static int64
guess_bundle(Snapshot snapshot, const pg_uuid_t *id, int64 first, int64 end)
{
	AlTableScan scan;
	int64		guess = first;
	int64		low = first;

	al_tablescan_begin(&scan, AL_BUNDLES, AL_BUNDLE_FIRST_LEAF, 1, snapshot);
	while (low < end)
	{
		int64		middle = low + (end - low) / 2;
		int64		bundle;

		al_tablescan_seek_int8(&scan, BTLessEqualStrategyNumber, F_INT8LE, middle);
		if (!al_tablescan_next(&scan, false))
			break;
		bundle = al_tablescan_int64(&scan, AL_BUNDLE_FIRST_LEAF);
		if (bundle < low || begins_above(&scan, id))
			end = Min(bundle, middle);
		else
		{
			guess = bundle;
			low = bundle + Max(al_tablescan_int32(&scan, AL_BUNDLE_LEAVES), 1);
		}
	}
	al_tablescan_end(&scan);
	return guess;
}

/* The same as find_id() in a block, which may be large. */
static int64
find_id_in_block(Snapshot snapshot, const pg_uuid_t *id, const AlBlock *block)
{
	int64		guess = guess_bundle(snapshot, id, block->first_leaf,
									 block->size);
	int64		found = find_id(snapshot, id,
								Max(block->first_leaf, guess - AL_BUNDLE_MAX),
								Min(block->size, guess + 2 * AL_BUNDLE_MAX));

	return found >= 0 ? found :
		find_id(snapshot, id, block->first_leaf, block->size);
}

/*
 * Looks for the leaf of a record that is still there: its transaction tells
 * the block.  False if that says nothing about the record.
 */
static bool
find_by_txid(Snapshot snapshot, const pg_uuid_t *id, int64 *leaf)
{
	TimestampTz moved_at = al_ledger_moved_at(snapshot);
	AlStream	stream;
	TupleTableSlot *slot;
	uint64		txid;
	AlBlock		block;

	if (moved_at != DT_NOBEGIN && al_ids_time(id) <= moved_at)
		return false;
	if (!al_ledger_record(snapshot, id, &stream, &slot))
		return false;
	txid = al_leaf_txid(stream, slot);
	ExecDropSingleTupleTableSlot(slot);
	*leaf = -1;
	if (!search_blocks(snapshot, sees_txid, (int64) txid, &block))
		return true;			/* not sealed yet */
	*leaf = find_id_in_block(snapshot, id, &block);
	return *leaf >= 0;
}

/*
 * The leaf of a record, or -1.  Of one that was purged only the id is left,
 * which tells when the record was made.  It was sealed later: so the search
 * starts there, and the leaf is nearly always in one of the next blocks.
 */
int64
al_ledger_find(Snapshot snapshot, const pg_uuid_t *id)
{
	TimestampTz time = al_ids_time(id) - CLOCK_SLACK;
	int64		first = 0;
	int64		found;
	AlBlock		block;

	if (find_by_txid(snapshot, id, &found))
		return found;
	if (search_blocks(snapshot, sealed_after, time, &block))
	{
		first = block.first_leaf;
		found = find_id(snapshot, id, first, PG_INT64_MAX);
		if (found >= 0)
			return found;
	}
	else
		first = PG_INT64_MAX;
	return find_id(snapshot, id, 0, first);
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/* Loads the ids of all leaves below "end". */
void
al_ledger_ids_load(Snapshot snapshot, int64 end, AlIdSet *set)
{
	AlTableScan scan;
	AlBundle   *bundle = palloc(sizeof(AlBundle));
	int64		room = Max(end, 1);

	set->count = 0;
	set->ids = MemoryContextAllocHuge(CurrentMemoryContext,
									  sizeof(pg_uuid_t) * room);
	al_ledger_bundles_begin(&scan, snapshot, 0);
	while (al_ledger_bundles_next(&scan, bundle))
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < bundle->count && set->count < room; i++)
			set->ids[set->count++] = bundle->leaves[i].id;
	}
	al_tablescan_end(&scan);
	pfree(bundle);
	qsort(set->ids, set->count, sizeof(pg_uuid_t), compare_ids);
}

bool
al_ledger_ids_has(const AlIdSet *set, const pg_uuid_t *id)
{
	return bsearch(id, set->ids, set->count, sizeof(pg_uuid_t),
				   compare_ids) != NULL;
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

/* ------------------------------------------------------------------- nodes */

void
al_ledger_tree_begin(AlLedgerTree *tree, Snapshot snapshot)
{
	tree->snapshot = snapshot;
	tree->window = -1;
	tree->count = 0;
}

/* Reads the leaf hashes of a window of 256 leaves. */
static void
read_window(AlLedgerTree *tree, int64 window)
{
	AlTableScan scan;
	AlBundle   *bundle = palloc(sizeof(AlBundle));

	tree->window = window;
	tree->count = 0;
	al_ledger_bundles_begin(&scan, tree->snapshot,
							window * AL_MERKLE_TILE_WIDTH);
	while (tree->count < AL_MERKLE_TILE_WIDTH &&
		   al_ledger_bundles_next(&scan, bundle) &&
		   bundle->first_leaf ==
		   window * AL_MERKLE_TILE_WIDTH + tree->count &&
		   bundle->count > 0)
		for (int i = 0; i < bundle->count; i++)
			al_leaf_hash(&bundle->leaves[i], &tree->hashes[tree->count++]);
	al_tablescan_end(&scan);
	pfree(bundle);
}

/* Begins to read a level, from an index on. */
static void
seek_node(AlTableScan *scan, Snapshot snapshot, unsigned level, int64 index)
{
	ScanKeyData keys[2];

	al_tablescan_begin(scan, AL_NODES, AL_NODE_LEVEL, 2, snapshot);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(level));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(index));
	index_rescan(scan->desc, keys, 2, NULL, 0);
}

static AlStatus
fetch_nodes(AlLedgerTree *tree, unsigned level, uint64 first, unsigned count,
			AlHash *hashes, AlError *err)
{
	AlTableScan scan;
	unsigned	got = 0;

	seek_node(&scan, tree->snapshot, level, first);
	while (got < count && al_tablescan_next(&scan, true) &&
		   al_tablescan_int64(&scan, AL_NODE_INDEX) == first + got)
		al_tablescan_hash(&scan, AL_NODE_HASH, &hashes[got++]);
	al_tablescan_end(&scan);
	if (got < count)
		return al_status_fail(err, AL_INVALID,
							  "node " INT64_FORMAT " of level %u is missing",
							  (int64) (first + got), level);
	return AL_OK;
}

/* The first stored node of a level from an index on, or -1. */
int64
al_ledger_node_from(Snapshot snapshot, unsigned level, int64 index)
{
	AlTableScan scan;
	int64		found = -1;

	seek_node(&scan, snapshot, level, index);
	if (al_tablescan_next(&scan, true))
		found = al_tablescan_int64(&scan, AL_NODE_INDEX);
	al_tablescan_end(&scan);
	return found;
}

/* An AlMerkleFetch over the stored ledger. */
AlStatus
al_ledger_fetch(void *arg, unsigned level, uint64_t first, unsigned count,
				AlHash *hashes, AlError *err)
{
	AlLedgerTree  *tree = arg;
	int			offset = first % AL_MERKLE_TILE_WIDTH;

	if (level > 0)
		return fetch_nodes(tree, level, first, count, hashes, err);
	if (tree->window != first / AL_MERKLE_TILE_WIDTH ||
		tree->count < offset + count)
		read_window(tree, first / AL_MERKLE_TILE_WIDTH);
	if (tree->count < offset + count)
		return al_status_fail(err, AL_INVALID,
							  "leaf " INT64_FORMAT " is missing or damaged",
							  tree->window * AL_MERKLE_TILE_WIDTH +
							  tree->count);
	memcpy(hashes, &tree->hashes[offset], sizeof(AlHash) * count);
	return AL_OK;
}

/* ----------------------------------------------------------------- records */

/*
 * Has audit.erase() removed a record?  The record that says so is a leaf
 * itself, or will be.
 */
bool
al_ledger_erased(Snapshot snapshot, const pg_uuid_t *id)
{
	AlTableScan scan;
	bool		found = false;

	al_tablescan_begin(&scan, AL_OBJECTS, AL_OBJECT_ENTITY_KEY, 1, snapshot);
	al_tablescan_seek_text(&scan, DatumGetCString(DirectFunctionCall1(uuid_out,
																	  UUIDPGetDatum(id))));
	while (!found && al_tablescan_next(&scan, true))
	{
		char	   *entity = al_tablescan_text(&scan, AL_OBJECT_ENTITY);

		found = entity != NULL &&
			al_tablescan_is(&scan, AL_OBJECT_OPERATION, "ddl") &&
			al_tablescan_is(&scan, AL_OBJECT_SCHEMA_NAME, "audit") &&
			al_tablescan_is(&scan, AL_OBJECT_DAO_NAME, "ledger") &&
			strncmp(entity, "{\"event\":\"erase\"", 16) == 0;
	}
	al_tablescan_end(&scan);
	return found;
}

/*
 * The stored record with an id.  The slot is the caller's to drop with
 * ExecDropSingleTupleTableSlot(); its tuple is materialized.
 */
bool
al_ledger_record(Snapshot snapshot, const pg_uuid_t *id, AlStream *stream,
				 TupleTableSlot **slot)
{
	static const AttrNumber columns[AL_STREAMS] = {AL_OBJECT_ID, AL_REQUEST_ID};

	for (int s = 0; s < AL_STREAMS; s++)
	{
		AlTableScan scan;
		ScanKeyData key;
		bool		found;

		al_tablescan_begin(&scan, s, columns[s], 1, snapshot);
		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ,
					UUIDPGetDatum(id));
		index_rescan(scan.desc, &key, 1, NULL, 0);
		found = al_tablescan_next(&scan, true);
		if (found)
		{
			*stream = s;
			*slot = scan.slot;
			ExecMaterializeSlot(*slot);
			scan.slot = MakeSingleTupleTableSlot(RelationGetDescr(scan.rel),
												 &TTSOpsVirtual);
		}
		al_tablescan_end(&scan);
		if (found)
			return true;
	}
	return false;
}
