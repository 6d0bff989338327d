/*
 * src/backend/locate.c
 *
 * Finding the leaf and the record that have an id.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "bundles.h"
#include "event.h"
#include "ids.h"
#include "ledger.h"
#include "locate.h"

/*
 * A record is sealed after it was made.  Clocks are set back sometimes; this
 * much of it costs nothing.
 */
#define CLOCK_SLACK (10 * USECS_PER_SEC)

/*
 * The stored record with an id.  The slot is the caller's to drop with
 * ExecDropSingleTupleTableSlot(); its tuple is materialized.
 */
bool
al_locate_record(Snapshot snapshot, const pg_uuid_t *id, AlStream *stream,
				 TupleTableSlot **slot)
{
	for (int s = 0; s < AL_STREAMS; s++)
	{
		AlTableScan scan;
		bool		found;

		al_tablescan_begin(&scan, s, al_tables[s].id, 1, snapshot);
		al_tablescan_seek_id(&scan, id);
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

/*
 * Has audit.erase() removed a record?  The record that says so is a leaf
 * itself, or will be.
 */
bool
al_locate_erasure(Snapshot snapshot, const pg_uuid_t *id)
{
	static const char begin[] = "{\"event\":\"erase\"";
	AlTableScan scan;
	bool		found = false;

	al_tablescan_begin(&scan, AL_OBJECTS, AL_OBJECT_ENTITY_KEY, 1, snapshot);
	al_tablescan_seek_text(&scan, al_ids_text(id));
	while (!found && al_tablescan_next(&scan, true))
	{
		char	   *entity = al_tablescan_text(&scan, AL_OBJECT_ENTITY);

		found = entity != NULL && al_event_is_of_ledger(scan.slot) &&
			strncmp(entity, begin, sizeof(begin) - 1) == 0;
	}
	al_tablescan_end(&scan);
	return found;
}

/* The leaf in [first, end) that has an id, or -1; reads nothing but ids. */
static int64
find_id(Snapshot snapshot, const pg_uuid_t *id, int64 first, int64 end)
{
	AlTableScan scan;
	int64		found = -1;

	al_bundles_begin(&scan, snapshot, first);
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

		al_tablescan_seek_int8(&scan, BTLessEqualStrategyNumber, F_INT8LE,
							   middle);
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
	if (!al_locate_record(snapshot, id, &stream, &slot))
		return false;
	txid = al_leaf_txid(stream, slot);
	ExecDropSingleTupleTableSlot(slot);
	*leaf = -1;
	if (!al_ledger_block_of_txid(snapshot, txid, &block))
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
al_locate_leaf(Snapshot snapshot, const pg_uuid_t *id)
{
	TimestampTz time = al_ids_time(id) - CLOCK_SLACK;
	int64		first = 0;
	int64		found;
	AlBlock		block;

	if (find_by_txid(snapshot, id, &found))
		return found;
	if (al_ledger_block_since(snapshot, time, &block))
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
