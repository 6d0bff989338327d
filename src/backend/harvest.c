/*
 * src/backend/harvest.c
 *
 * The records of a block, in the order of its leaves.
 *
 * A block takes the records whose transactions its snapshot sees and the
 * snapshot of the block before does not:
 *
 *	txid >= xmax(before) and txid < xmax(until), or txid in xip(before),
 *	and visible in until
 *
 * in the order of (txid, id).  A transaction that ran while the block before
 * was sealed is in xip(before), and stays in the xip of one block after the
 * other until it ends; one that was prepared does too.  So each committed
 * record is in exactly one block, no long transaction holds up the others,
 * and nothing depends on the order in which ids were given out.  txid is the
 * top-level transaction, also for what a subtransaction wrote.
 *
 * The verifier asks the same of a block of long ago.  Today's snapshot sees
 * more than that of the block did, which is why txids are compared with
 * "until" as well.
 *
 * Both tables are read through their indexes on txid, side by side.  Within a
 * transaction rows nearly always come in the order of their ids; where they
 * do not, they are sorted.  Memory holds the leaves of one transaction.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "harvest.h"

#define RESET_EVERY 256			/* rows between resets of the row context */

typedef struct Cursor
{
	AlTableScan scan;
	bool		open;
	bool		pending;		/* slot holds a row that was not taken */
	uint64		txid;			/* of that row */
} Cursor;

struct AlHarvest
{
	uint64		own_txid;		/* its records are not taken; 0: none */
	const AlTxids *until;
	const AlTxids *before;		/* NULL: all transactions */
	uint32		next_xip;		/* of before */
	bool		in_range;		/* past the transactions in before's xip */
	MemoryContext context;
	MemoryContext row_context;
	int			rows_since_reset;
	Cursor		cursors[AL_STREAMS];
	uint64		txid;			/* of the group */
	AlHarvested *group;			/* the leaves of one transaction, in order */
	Size		ngroup;
	Size		room;
	Size		taken;
};

AlHarvest *
al_harvest_begin(Snapshot snapshot, uint64 own_txid)
{
	static const AttrNumber columns[AL_STREAMS] =
	{AL_OBJECT_TXID, AL_REQUEST_TXID};
	AlHarvest  *harvest = palloc0(sizeof(AlHarvest));

	harvest->own_txid = own_txid;
	harvest->context = CurrentMemoryContext;
	harvest->row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "audit_log leaf",
												 ALLOCSET_DEFAULT_SIZES);
	harvest->room = RESET_EVERY;
	harvest->group = palloc(sizeof(AlHarvested) * harvest->room);
	for (int s = 0; s < AL_STREAMS; s++)
		al_ledger_scan_begin(&harvest->cursors[s].scan, s, columns[s], 2,
							 snapshot);
	return harvest;
}

/* Lets the cursors read the transactions first <= txid < end. */
static void
seek(AlHarvest *harvest, uint64 first, uint64 end)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE,
				UInt64GetDatum(first));
	ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT,
				UInt64GetDatum(end));
	for (int s = 0; s < AL_STREAMS; s++)
	{
		Cursor	   *cursor = &harvest->cursors[s];

		index_rescan(cursor->scan.desc, keys, 2, NULL, 0);
		cursor->open = true;
		cursor->pending = false;
	}
}

/*
 * Goes to the start of a block.  before is the snapshot of the block before,
 * NULL for the first one; both must live until the block is done.
 */
void
al_harvest_block(AlHarvest *harvest, const AlTxids *before,
				 const AlTxids *until)
{
	harvest->before = before;
	harvest->until = until;
	harvest->next_xip = 0;
	harvest->in_range = false;
	harvest->ngroup = harvest->taken = 0;
	for (int s = 0; s < AL_STREAMS; s++)
		harvest->cursors[s].open = harvest->cursors[s].pending = false;
}

/* Goes to the next transactions to read; false if there are none. */
static bool
seek_next(AlHarvest *harvest)
{
	const AlTxids *before = harvest->before;

	if (harvest->in_range)
		return false;
	while (before && harvest->next_xip < before->nxip)
	{
		uint64		txid = before->xip[harvest->next_xip++];

		if (al_ledger_txid_visible(harvest->until, txid))
		{
			seek(harvest, txid, txid + 1);
			return true;
		}
	}
	harvest->in_range = true;
	seek(harvest, before ? before->xmax : 0, harvest->until->xmax);
	return true;
}

/* Sees to it that a cursor that has rows left holds the next one. */
static void
advance(AlHarvest *harvest, AlStream stream)
{
	Cursor	   *cursor = &harvest->cursors[stream];

	while (cursor->open && !cursor->pending)
	{
		if (!al_ledger_scan_next(&cursor->scan, true))
		{
			cursor->open = false;
			return;
		}
		cursor->txid = al_leaf_txid(stream, cursor->scan.slot);
		cursor->pending = cursor->txid != harvest->own_txid &&
			al_ledger_txid_visible(harvest->until, cursor->txid);
	}
}

static void
add_leaf(AlHarvest *harvest, AlStream stream)
{
	Cursor	   *cursor = &harvest->cursors[stream];
	MemoryContext old;

	if (harvest->ngroup == harvest->room)
	{
		harvest->room *= 2;
		harvest->group = repalloc_huge(harvest->group,
									   sizeof(AlHarvested) * harvest->room);
	}
	if (++harvest->rows_since_reset >= RESET_EVERY)
	{
		MemoryContextReset(harvest->row_context);
		harvest->rows_since_reset = 0;
		CHECK_FOR_INTERRUPTS();
	}
	old = MemoryContextSwitchTo(harvest->row_context);
	al_leaf_make(stream, cursor->scan.slot,
				 &harvest->group[harvest->ngroup].leaf);
	MemoryContextSwitchTo(old);
	harvest->group[harvest->ngroup++].stream = stream;
	cursor->pending = false;
}

static int
by_id(const void *a, const void *b)
{
	return memcmp(&((const AlHarvested *) a)->leaf.id,
				  &((const AlHarvested *) b)->leaf.id, UUID_LEN);
}

static void
sort_group(AlHarvest *harvest)
{
	for (Size i = 1; i < harvest->ngroup; i++)
		if (by_id(&harvest->group[i - 1], &harvest->group[i]) > 0)
		{
			qsort(harvest->group, harvest->ngroup, sizeof(AlHarvested),
				  by_id);
			return;
		}
}

/* Reads the leaves of the next transaction; false at the end of the block. */
static bool
fill_group(AlHarvest *harvest)
{
	Cursor	   *cursors = harvest->cursors;
	bool		found = false;

	harvest->ngroup = harvest->taken = 0;
	for (;;)
	{
		for (int s = 0; s < AL_STREAMS; s++)
		{
			advance(harvest, s);
			if (cursors[s].pending &&
				(!found || cursors[s].txid < harvest->txid))
			{
				harvest->txid = cursors[s].txid;
				found = true;
			}
		}
		if (found)
			break;
		if (!seek_next(harvest))
			return false;
	}
	for (int s = 0; s < AL_STREAMS; s++)
		while (cursors[s].pending && cursors[s].txid == harvest->txid)
		{
			add_leaf(harvest, s);
			advance(harvest, s);
		}
	sort_group(harvest);
	return true;
}

/* The next record of the block, valid until the next call; NULL at its end. */
const AlHarvested *
al_harvest_next(AlHarvest *harvest, uint64 *txid)
{
	if (harvest->taken == harvest->ngroup && !fill_group(harvest))
		return NULL;
	*txid = harvest->txid;
	return &harvest->group[harvest->taken++];
}

void
al_harvest_end(AlHarvest *harvest)
{
	for (int s = 0; s < AL_STREAMS; s++)
		al_ledger_scan_end(&harvest->cursors[s].scan);
	MemoryContextDelete(harvest->row_context);
	pfree(harvest->group);
	pfree(harvest);
}
