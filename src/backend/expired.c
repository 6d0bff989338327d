/*
 * src/backend/expired.c
 *
 * The records that have expired: where they begin, and deleting some.  Which
 * may go, and how many, purge.c says.
 *
 * They are walked in the order of the index on expire.  Nothing here waits for
 * another transaction.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "expired.h"
#include "store.h"

#define PROBE_ENTRIES 2			/* index entries that tell for all after them */
#define NEAR_ENOUGH (100 * (TimestampTz) 1000)	/* us, in al_expired_find() */

/* The first two columns of both streams are the id and the transaction. */
static bool
may_delete(TupleTableSlot *slot, AlMayDelete may)
{
	slot_getsomeattrs(slot, AL_OBJECT_TXID);
	return may(DatumGetUInt64(slot->tts_values[AL_OBJECT_TXID - 1]),
			   DatumGetUUIDP(slot->tts_values[AL_OBJECT_ID - 1]));
}

/*
 * A walk over the index on expire.
 *
 * SnapshotSelf takes part in no serializable conflict as a reader, costs
 * nothing to take, and sees a deletion as soon as it is committed.
 */
typedef struct ExpiryScan
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	TimestampTz expire;			/* of the entry that next_entry() came to */
} ExpiryScan;

static void
begin_expiry_scan(ExpiryScan *walk, AlStream stream)
{
	Oid			index;

	walk->rel = al_store_open(stream);
	index = al_store_expire_index(stream);
	if (!OidIsValid(index))
	{
		al_tables_close(walk->rel);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"audit.%s\" has no usable index on column \"expire\"",
						al_tables[stream].name),
				 errhint("Expired records are found by a valid b-tree index on (expire) WHERE expire IS NOT NULL; create it again.")));
	}
	walk->index = index_open(index, RowExclusiveLock);
	walk->slot = table_slot_create(walk->rel, NULL);
	walk->scan = al_compat_index_beginscan(walk->rel, walk->index,
										   SnapshotSelf, 1);
	walk->scan->xs_want_itup = true;
}

static void
end_expiry_scan(ExpiryScan *walk)
{
	index_endscan(walk->scan);
	ExecDropSingleTupleTableSlot(walk->slot);
	index_close(walk->index, NoLock);
	al_tables_close(walk->rel);
}

/* Goes to the entries that expire at "from" or later. */
static void
seek_expiry(ExpiryScan *walk, TimestampTz from)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(from));
	index_rescan(walk->scan, &key, 1, NULL, 0);
}

static bool
next_entry(ExpiryScan *walk)
{
	bool		isnull;

	if (index_getnext_tid(walk->scan, ForwardScanDirection) == NULL)
		return false;
	walk->expire =
		DatumGetTimestampTz(index_getattr(walk->scan->xs_itup, 1,
										  RelationGetDescr(walk->index),
										  &isnull));
	return !isnull;
}

/* Are the entries from "from" on those of records that are gone? */
static bool
is_dead_at(ExpiryScan *walk, TimestampTz from, TimestampTz until)
{
	seek_expiry(walk, from);
	for (int i = 0; i < PROBE_ENTRIES; i++)
	{
		if (!next_entry(walk) || walk->expire > until ||
			index_fetch_heap(walk->scan, walk->slot))
			return false;
	}
	return true;
}

/*
 * Where, between "from" and "until", the expired records begin that are still
 * there; a moment before it rather than one after it.
 *
 * Records go in the order in which they expire, and leave their index entries
 * behind until these are vacuumed.  There may be millions, and even those that
 * the index itself knows to be dead take time to step over, page by page.  So
 * the place is found by halving.  Where someone left a record behind among the
 * dead, it is not seen.
 */
TimestampTz
al_expired_find(AlStream stream, TimestampTz from, TimestampTz until)
{
	ExpiryScan	walk;

	begin_expiry_scan(&walk, stream);
	/* The index must not skip what it knows to be dead. */
	walk.scan->ignore_killed_tuples = false;
	if (is_dead_at(&walk, from, until))
	{
		from = walk.expire;
		while (!TIMESTAMP_NOT_FINITE(from) && until - from > NEAR_ENOUGH)
		{
			TimestampTz middle = from + (until - from) / 2;

			if (is_dead_at(&walk, middle, until))
				from = walk.expire;
			else
				until = middle;
		}
	}
	end_expiry_scan(&walk);
	return from;
}

/*
 * Deletes expired records, oldest first, within the bounds of "task".
 *
 * Never waits: a record that another transaction is deleting is passed over.
 * A record that "may" refuses is passed over too.
 */
void
al_expired_delete(AlStream stream, const AlPurgeTask *task,
				  AlMayDelete may, AlPurgeResult *result)
{
	ExpiryScan	walk;
	int			visits = 0;

	result->deleted = 0;
	result->next_due = DT_NOEND;
	result->position = task->from;
	result->exhausted = true;
	result->held_back = DT_NOEND;
	begin_expiry_scan(&walk, stream);
	walk.scan->ignore_killed_tuples = !task->count_dead;
	seek_expiry(&walk, task->from);
	while (next_entry(&walk))
	{
		CHECK_FOR_INTERRUPTS();
		result->position = walk.expire;
		if (walk.expire > task->until)
		{
			result->next_due = walk.expire;
			break;
		}
		if (result->deleted >= task->limit || visits++ >= task->visits)
		{
			result->exhausted = false;
			break;
		}
		if (!index_fetch_heap(walk.scan, walk.slot))
			continue;
		if (!may_delete(walk.slot, may))
			result->held_back = Min(result->held_back, walk.expire);
		else if (al_store_try_delete(walk.rel, &walk.slot->tts_tid))
			result->deleted++;
	}
	end_expiry_scan(&walk);
}
