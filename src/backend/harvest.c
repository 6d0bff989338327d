/*
 * src/backend/harvest.c
 *
 * The records of blocks, in the order of their leaves.
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
 * The verifier asks the same of blocks of long ago, of several in a row at a
 * time.  Today's snapshot sees more than theirs did, which is why txids are
 * compared with "until" as well.
 *
 * The tables are read page by page in their own order, and what was read is
 * sorted.  Which pages are worth reading is what the BRIN indexes on txid
 * say.  They may say too much, never too little: a range that is not
 * summarized is always read.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "port/pg_bswap.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "compat.h"
#include "harvest.h"
#include "tables.h"

#define FIRST_ROOM 1024
#define RESET_EVERY 256			/* rows between resets of the row context */
#define NEAR_TXIDS 10000		/* looked for together rather than one by one */
#define CACHE_LINE 64			/* bytes; a guess costs time, not correctness */

struct AlHarvest
{
	Snapshot	snapshot;
	uint64		own_txid;		/* its records are not taken; 0: none */
	const AlTxids *before;		/* NULL: all transactions */
	const AlTxids *const *until;	/* of each block */
	int			nblocks;
	const AlTxids *single;		/* the array of one block */
	uint64		last_txid;		/* whose block was looked for last */
	int			last_block;
	MemoryContext context;
	MemoryContext row_context;
	int			rows_since_reset;
	int64		to_count;		/* rows to count at most; 0: take them */
	int64		counted;

	/* What was read; in "sort" instead when it is too much for the memory. */
	AlHarvested *records;
	Size		nrecords;
	Size		room;
	bool		in_order;
	Tuplesortstate *sort;

	Size		taken;
	bool		pending;		/* "next" was not taken yet */
	AlHarvested next;			/* from "sort" */
};

/* Records that are sorted in memory. */
int64
al_harvest_room(void)
{
	return Max((int64) maintenance_work_mem * 1024 / sizeof(AlHarvested),
			   FIRST_ROOM);
}

AlHarvest *
al_harvest_begin(Snapshot snapshot, uint64 own_txid)
{
	AlHarvest  *harvest = palloc0(sizeof(AlHarvest));

	harvest->snapshot = snapshot;
	harvest->own_txid = own_txid;
	harvest->context = CurrentMemoryContext;
	harvest->row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "audit_log leaf",
												 ALLOCSET_DEFAULT_SIZES);
	harvest->room = FIRST_ROOM;
	harvest->records = palloc(sizeof(AlHarvested) * harvest->room);
	return harvest;
}

/* ----------------------------------------------------------------- sorting */

/* Half of an id, as a number in the order of ids */
static inline uint64
half_id(const AlHarvested *record, int half)
{
	uint64		bytes;

	memcpy(&bytes, record->leaf.id.data + half * sizeof(bytes), sizeof(bytes));
	return pg_ntoh64(bytes);
}

static inline int
compare(const AlHarvested *a, const AlHarvested *b)
{
	if (a->block != b->block)
		return a->block < b->block ? -1 : 1;
	if (a->txid != b->txid)
		return a->txid < b->txid ? -1 : 1;
	for (int half = 0; half < 2; half++)
	{
		uint64		of_a = half_id(a, half);
		uint64		of_b = half_id(b, half);

		if (of_a != of_b)
			return of_a < of_b ? -1 : 1;
	}
	return 0;
}

#define ST_SORT sort_records
#define ST_ELEMENT_TYPE AlHarvested
#define ST_COMPARE(a, b) compare(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* What the sort of the server compares: the key, as bytes, in front. */
typedef struct Sorted
{
	char		header[VARHDRSZ];
	uint8		block[sizeof(uint32)];
	uint8		txid[sizeof(uint64)];
	pg_uuid_t	id;
	AlHarvested record;
} Sorted;

static void
sort_outside(AlHarvest *harvest, const AlHarvested *record)
{
	Sorted		sorted;
	uint32		block = pg_hton32((uint32) record->block);
	uint64		txid = pg_hton64(record->txid);

	SET_VARSIZE(&sorted, sizeof(sorted));
	memcpy(sorted.block, &block, sizeof(block));
	memcpy(sorted.txid, &txid, sizeof(txid));
	sorted.id = record->leaf.id;
	sorted.record = *record;
	tuplesort_putdatum(harvest->sort, PointerGetDatum(&sorted), false);
}

/* Gives up sorting in memory. */
static void
move_outside(AlHarvest *harvest)
{
	Oid			less = lookup_type_cache(BYTEAOID, TYPECACHE_LT_OPR)->lt_opr;

	harvest->sort = tuplesort_begin_datum(BYTEAOID, less, InvalidOid, false,
										  maintenance_work_mem, NULL,
										  TUPLESORT_NONE);
	for (Size i = 0; i < harvest->nrecords; i++)
		sort_outside(harvest, &harvest->records[i]);
	harvest->nrecords = 0;
}

static void
add(AlHarvest *harvest, const AlHarvested *record)
{
	if (harvest->sort)
	{
		sort_outside(harvest, record);
		return;
	}
	if (harvest->nrecords == harvest->room)
	{
		if (harvest->room >= al_harvest_room())
		{
			move_outside(harvest);
			sort_outside(harvest, record);
			return;
		}
		harvest->room = Min(harvest->room * 2, al_harvest_room());
		harvest->records = repalloc_huge(harvest->records,
										 sizeof(AlHarvested) * harvest->room);
	}
	if (harvest->nrecords > 0 &&
		compare(&harvest->records[harvest->nrecords - 1], record) > 0)
		harvest->in_order = false;
	harvest->records[harvest->nrecords++] = *record;
}

static void
sort(AlHarvest *harvest)
{
	if (harvest->sort)
		tuplesort_performsort(harvest->sort);
	else if (!harvest->in_order)
		sort_records(harvest->records, harvest->nrecords);
}

static void
forget(AlHarvest *harvest)
{
	if (harvest->sort)
		tuplesort_end(harvest->sort);
	harvest->sort = NULL;
	harvest->nrecords = harvest->taken = 0;
	harvest->in_order = true;
	harvest->pending = false;
}

/* ------------------------------------------------------------------ blocks */

/* The first block that takes a transaction; -1 if none does. */
static int
find_block(const AlHarvest *harvest, uint64 txid)
{
	int			low = 0;
	int			high = harvest->nblocks;

	/* A record of transaction 0 is one that somebody made by hand. */
	if ((harvest->own_txid != 0 && txid == harvest->own_txid) ||
		(harvest->before && al_txids_see(harvest->before, txid)))
		return -1;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (harvest->until[middle]->xmax > txid)
			high = middle;
		else
			low = middle + 1;
	}
	while (low < harvest->nblocks &&
		   !al_txids_see(harvest->until[low], txid))
		low++;
	return low < harvest->nblocks ? low : -1;
}

static int
block_of(AlHarvest *harvest, uint64 txid)
{
	if (txid != harvest->last_txid)
	{
		harvest->last_block = find_block(harvest, txid);
		harvest->last_txid = txid;
	}
	return harvest->last_block;
}

/* ----------------------------------------------------------------- reading */

/* Adds the pages with transactions first <= txid < end. */
static void
add_pages(IndexScanDesc scan, TIDBitmap *pages, uint64 first, uint64 end)
{
	ScanKeyData keys[2];

	/* BRIN wants to be told the type, a b-tree does not mind. */
	ScanKeyEntryInitialize(&keys[0], 0, 1, BTGreaterEqualStrategyNumber,
						   XID8OID, InvalidOid, F_XID8GE,
						   UInt64GetDatum(first));
	ScanKeyEntryInitialize(&keys[1], 0, 1, BTLessStrategyNumber,
						   XID8OID, InvalidOid, F_XID8LT,
						   UInt64GetDatum(end));
	index_rescan(scan, keys, 2, NULL, 0);
	(void) index_getbitmap(scan, pages);
}

/* The pages that can hold records of the blocks. */
static TIDBitmap *
find_pages(const AlHarvest *harvest, Relation index)
{
	const AlTxids *before = harvest->before;
	uint64		end = harvest->until[harvest->nblocks - 1]->xmax;
	uint64		first = before->xmax;
	uint64		now = Min(end, U64FromFullTransactionId(ReadNextFullTransactionId()));
	uint64		near = Max(NEAR_TXIDS, now > first ? now - first : 0);
	TIDBitmap  *pages = tbm_create(work_mem * (Size) 1024, NULL);
	IndexScanDesc scan = al_compat_index_beginscan_bitmap(index,
														  harvest->snapshot,
														  2);

	for (uint32 i = before->nxip; i > 0; i--)
	{
		uint64		txid = before->xip[i - 1];

		if (find_block(harvest, txid) < 0)
			continue;
		if (before->xmax - txid <= near)
			first = txid;
		else
			add_pages(scan, pages, txid, txid + 1);
	}
	add_pages(scan, pages, first, end);
	index_endscan(scan);
	return pages;
}

static void
read_row(AlHarvest *harvest, AlStream stream, TupleTableSlot *slot)
{
	AlHarvested record;
	MemoryContext old;

	record.txid = al_leaf_txid(stream, slot);
	record.block = block_of(harvest, record.txid);
	if (record.block < 0)
		return;
	if (harvest->to_count > 0)
	{
		harvest->counted++;
		return;
	}
	record.stream = stream;
	if (++harvest->rows_since_reset >= RESET_EVERY)
	{
		MemoryContextReset(harvest->row_context);
		harvest->rows_since_reset = 0;
	}
	old = MemoryContextSwitchTo(harvest->row_context);
	al_leaf_make(stream, slot, &record.leaf);
	MemoryContextSwitchTo(old);
	add(harvest, &record);
}

/*
 * Asks for all of a page when its first row comes.  Large tables come from
 * memory, not from the processor's caches, and waiting for each row in turn
 * is a twentieth of all that reading and hashing take.
 */
static void
prefetch_page(TupleTableSlot *slot, Buffer *last)
{
#ifdef __GNUC__
	Buffer		buffer;

	if (!TTS_IS_BUFFERTUPLE(slot))
		return;
	buffer = ((BufferHeapTupleTableSlot *) slot)->buffer;
	if (buffer == *last)
		return;
	*last = buffer;
	for (int at = 0; at < BLCKSZ; at += CACHE_LINE)
		__builtin_prefetch(BufferGetPage(buffer) + at);
#endif
}

/* Reads the pages first <= page < end of a table. */
static void
read_pages(AlHarvest *harvest, AlStream stream, TableScanDesc scan,
		   TupleTableSlot *slot, BlockNumber first, BlockNumber end)
{
	ItemPointerData from;
	ItemPointerData to;
	Buffer		prefetched = InvalidBuffer;

	if (first == end)
		return;
	ItemPointerSet(&from, first, FirstOffsetNumber);
	ItemPointerSet(&to, end - 1, MaxOffsetNumber);
	table_rescan_tidrange(scan, &from, &to);
	while ((harvest->to_count == 0 || harvest->counted < harvest->to_count) &&
		   table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		prefetch_page(slot, &prefetched);
		read_row(harvest, stream, slot);
	}
}

/* Reads the pages of a bitmap, as few runs of them as there are. */
static void
read_bitmap(AlHarvest *harvest, AlStream stream, TableScanDesc scan,
			TupleTableSlot *slot, TIDBitmap *pages)
{
	AlPageWalk *walk = al_compat_pages_begin(pages);
	BlockNumber first = 0;
	BlockNumber end = 0;		/* of the run */
	BlockNumber page;

	while (al_compat_pages_next(walk, &page))
	{
		if (page != end)
		{
			read_pages(harvest, stream, scan, slot, first, end);
			first = page;
		}
		end = page + 1;
	}
	read_pages(harvest, stream, scan, slot, first, end);
	al_compat_pages_end(walk);
}

static void
read_stream(AlHarvest *harvest, AlStream stream)
{
	Relation	rel = al_tables_open(stream);
	Oid			index_oid = al_tables_find_range_index(rel,
														   al_tables[stream].txid);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ItemPointerData start;
	TableScanDesc scan;

	ItemPointerSet(&start, 0, FirstOffsetNumber);
	scan = table_beginscan_tidrange(rel, harvest->snapshot, &start, &start);
	if (harvest->before && OidIsValid(index_oid))
	{
		Relation	index = index_open(index_oid, AccessShareLock);
		TIDBitmap  *pages = find_pages(harvest, index);

		read_bitmap(harvest, stream, scan, slot, pages);
		tbm_free(pages);
		/* Kept, it could wait for REINDEX, which waits for it, at the next. */
		index_close(index, AccessShareLock);
	}
	else
		read_pages(harvest, stream, scan, slot, 0,
				   RelationGetNumberOfBlocks(rel));
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	al_tables_close(rel);
}

/*
 * Reads the records of consecutive blocks, whose snapshots are in "until".
 * before is the snapshot of the block before the first, NULL if there is
 * none.  All must live until the records have been taken.
 */
void
al_harvest_blocks(AlHarvest *harvest, const AlTxids *before,
				  const AlTxids *const *until, int nblocks)
{
	MemoryContext old = MemoryContextSwitchTo(harvest->context);

	forget(harvest);
	harvest->counted = 0;
	harvest->before = before;
	harvest->until = until;
	harvest->nblocks = nblocks;
	harvest->last_txid = 0;
	harvest->last_block = find_block(harvest, 0);
	for (int s = 0; s < AL_STREAMS; s++)
		read_stream(harvest, s);
	sort(harvest);
	MemoryContextSwitchTo(old);
}

void
al_harvest_block(AlHarvest *harvest, const AlTxids *before,
				 const AlTxids *until)
{
	harvest->single = until;
	al_harvest_blocks(harvest, before, &harvest->single, 1);
}

/* Counts the records of a block, up to "most". */
int64
al_harvest_count(AlHarvest *harvest, const AlTxids *before,
				 const AlTxids *until, int64 most)
{
	harvest->to_count = most;
	al_harvest_block(harvest, before, until);
	harvest->to_count = 0;
	return harvest->counted;
}

/* The next record of all blocks, which stays the next; NULL at the end. */
static const AlHarvested *
peek(AlHarvest *harvest)
{
	Datum		value;
	bool		isnull;

	if (harvest->sort == NULL)
		return harvest->taken < harvest->nrecords ?
			&harvest->records[harvest->taken] : NULL;
	if (!harvest->pending)
	{
		if (!al_compat_tuplesort_getdatum(harvest->sort, &value, &isnull))
			return NULL;
		harvest->next = ((Sorted *) DatumGetPointer(value))->record;
		pfree(DatumGetPointer(value));
		harvest->pending = true;
	}
	return &harvest->next;
}

/*
 * The next record of a block, valid until the next call; NULL at its end.
 * Blocks are taken in their order.
 */
const AlHarvested *
al_harvest_next(AlHarvest *harvest, int block)
{
	const AlHarvested *record = peek(harvest);

	if (record == NULL || record->block != block)
		return NULL;
	harvest->taken++;
	harvest->pending = false;
	return record;
}

void
al_harvest_end(AlHarvest *harvest)
{
	forget(harvest);
	MemoryContextDelete(harvest->row_context);
	pfree(harvest->records);
	pfree(harvest);
}
