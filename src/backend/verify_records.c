/*
 * src/backend/verify_records.c
 *
 * Leaves against the records they were made of.
 *
 * The leaves of a block and the records that harvest.c gives for its
 * snapshots come in the same order, so they are merged; only where they
 * differ a record is looked up by its id.  A record that is gone after its
 * expiry is no finding, nor is one that audit.erase() removed.
 *
 * Blocks from before the ledger was taken up in another cluster, and the
 * first one there, are compared leaf by leaf through ids: txids mean nothing.
 */
#include "postgres.h"

#include "access/transam.h"
#include "utils/timestamp.h"

#include "bundles.h"
#include "ids.h"
#include "locate.h"
#include "verify_records.h"

static void
find(const AlVerifyRecords *records, const char *kind, int64 leaf,
	 const pg_uuid_t *id, const char *detail)
{
	al_findings_add(records->findings, kind, leaf, id, detail);
}

static bool
same_hash(const AlHash *a, const AlHash *b)
{
	return memcmp(a, b, sizeof(AlHash)) == 0;
}

static bool
same_id(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a, b, UUID_LEN) == 0;
}

void
al_verify_records_begin(AlVerifyRecords *records, Snapshot snapshot,
						const AlFindings *findings, AlVerifyTree *tree)
{
	records->snapshot = snapshot;
	records->findings = findings;
	records->tree = tree;
	records->harvest = al_harvest_begin(snapshot, 0);
	records->now = al_leaf_unix_time(GetCurrentTimestamp());
	records->moved_at = al_ledger_moved_at(snapshot);
}

static char *
time_text(int64 unix_us)
{
	return pstrdup(timestamptz_to_str(unix_us - AL_POSTGRES_EPOCH));
}

static void
compare(AlVerifyRecords *records, int64 number, const AlLeaf *leaf,
		const AlLeaf *record)
{
	if (!same_hash(&leaf->inner, &record->inner))
		find(records, "changed", number, &leaf->id,
			 "the contents do not have the hash that was sealed");
	else if (leaf->expire != record->expire)
		find(records, "changed", number, &leaf->id,
			 leaf->expire == AL_LEAF_NEVER ?
			 "it was sealed never to expire" :
			 psprintf("it was sealed to expire at %s",
					  time_text(leaf->expire)));
}

/* Finds the record of a leaf by its id: its own leaf and its transaction. */
static bool
record_of(AlVerifyRecords *records, const AlLeaf *leaf, AlLeaf *record,
		  uint64 *txid)
{
	AlStream	stream;
	TupleTableSlot *slot;

	if (!al_locate_record(records->snapshot, &leaf->id, &stream, &slot))
		return false;
	al_leaf_make(stream, slot, record);
	*txid = al_leaf_txid(stream, slot);
	ExecDropSingleTupleTableSlot(slot);
	return true;
}

/* A leaf whose record is not where it belongs: gone, or changed? */
static void
missing_record(AlVerifyRecords *records, int64 number, const AlLeaf *leaf)
{
	AlLeaf		record;
	uint64		txid;

	if (leaf->expire <= records->now)
		return;
	if (record_of(records, leaf, &record, &txid))
	{
		if (same_hash(&leaf->inner, &record.inner))
			find(records, "moved", number, &leaf->id,
				 "the leaf is not in the order of transactions");
		else
			compare(records, number, leaf, &record);
		return;
	}
	if (al_locate_erasure(records->snapshot, &leaf->id))
		return;
	find(records, "deleted", number, &leaf->id,
		 leaf->expire == AL_LEAF_NEVER ? "it never expires" :
		 psprintf("it expires at %s", time_text(leaf->expire)));
}

/* Compares a leaf with the record that has its id, wherever that is. */
static void
compare_by_id(AlVerifyRecords *records, int64 number, const AlLeaf *leaf)
{
	AlLeaf		record;
	uint64		txid;

	if (record_of(records, leaf, &record, &txid))
		compare(records, number, leaf, &record);
	else
		missing_record(records, number, leaf);
}

/* A record that the block's snapshot sees and that is not its next leaf. */
static void
extra_record(AlVerifyRecords *records, const AlHarvested *record)
{
	int64		leaf;

	if (records->tree->missing > 0)
	{
		records->tree->missing--;
		return;
	}
	leaf = al_locate_leaf(records->snapshot, &record->leaf.id);
	if (leaf < 0)
		find(records, "inserted", -1, &record->leaf.id,
			 "its transaction was sealed without it");
	else if (records->moved_at == DT_NOBEGIN ||
			 al_ids_time(&record->leaf.id) > records->moved_at)
		find(records, "moved", leaf, &record->leaf.id,
			 "its transaction belongs to another block");
}

/* Does the record of a leaf come later in the block than "other"? */
static bool
comes_later(AlVerifyRecords *records, const AlLeaf *leaf,
			const AlHarvested *other, const AlTxids *before,
			const AlTxids *until)
{
	AlLeaf		record;
	uint64		txid;

	if (!record_of(records, leaf, &record, &txid))
		return false;
	if ((before && al_txids_see(before, txid)) ||
		!al_txids_see(until, txid))
		return false;
	if (txid != other->txid)
		return txid > other->txid;
	return memcmp(&leaf->id, &other->leaf.id, UUID_LEN) > 0;
}

/* The next record of a block but the one that begins its generation. */
static const AlHarvested *
next_record(AlVerifyRecords *records, int in_harvest, const pg_uuid_t *first)
{
	const AlHarvested *record;

	do
		record = al_harvest_next(records->harvest, in_harvest);
	while (record && first && same_id(&record->leaf.id, first));
	return record;
}

/*
 * Compares a block of this cluster.  Its records are those of number
 * "in_harvest"; "first" is the record that begins a generation, which is the
 * first leaf whatever its transaction, or NULL.
 */
void
al_verify_records_merge(AlVerifyRecords *records, int in_harvest,
						const AlBlock *previous, const AlBlock *block,
						const pg_uuid_t *first)
{
	const AlTxids *before = previous->number > 0 ? previous->snapshot : NULL;
	const AlHarvested *record = next_record(records, in_harvest, first);

	for (int64 number = previous->size; number < block->size; number++)
	{
		const AlLeaf *leaf = al_verify_tree_next(records->tree, number);

		if (leaf == NULL)
			continue;
		if (first && number == previous->size && same_id(&leaf->id, first))
		{
			compare_by_id(records, number, leaf);
			continue;
		}
		while (record && !same_id(&record->leaf.id, &leaf->id) &&
			   comes_later(records, leaf, record, before, block->snapshot))
		{
			extra_record(records, record);
			record = next_record(records, in_harvest, first);
		}
		if (record && same_id(&record->leaf.id, &leaf->id))
		{
			compare(records, number, leaf, &record->leaf);
			record = next_record(records, in_harvest, first);
		}
		else
			missing_record(records, number, leaf);
	}
	for (; record; record = next_record(records, in_harvest, first))
		extra_record(records, record);
}

/* Compares a block of another cluster, leaf by leaf. */
void
al_verify_records_by_id(AlVerifyRecords *records, const AlBlock *previous,
						const AlBlock *block)
{
	for (int64 number = previous->size; number < block->size; number++)
	{
		const AlLeaf *leaf = al_verify_tree_next(records->tree, number);

		if (leaf)
			compare_by_id(records, number, leaf);
	}
}

/* Records of the clusters before this one that are no leaves. */
static void
look_for_strays(AlVerifyRecords *records, const AlBlock *last)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	AlIdSet		leaves;
	const AlHarvested *record;

	al_bundles_ids(records->snapshot, last->size, &leaves);
	al_harvest_block(records->harvest, NULL, al_txids_all());
	while ((record = al_harvest_next(records->harvest, 0)) != NULL)
		if (al_ids_time(&record->leaf.id) <= records->moved_at &&
			!al_txids_see(last->snapshot, record->txid) &&
			!al_bundles_ids_have(&leaves, &record->leaf.id) &&
			record->txid >= next)
			find(records, "inserted", -1, &record->leaf.id,
				 "it is older than this cluster and was not sealed");
	pfree(leaves.ids);
}

/* Records of transactions that have not begun yet. */
static void
look_for_future(AlVerifyRecords *records)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	AlTxids		before = {0};
	const AlHarvested *record;

	before.xmin = before.xmax = next;
	al_harvest_block(records->harvest, &before, al_txids_all());
	while ((record = al_harvest_next(records->harvest, 0)) != NULL)
		if (records->moved_at == DT_NOBEGIN ||
			al_ids_time(&record->leaf.id) > records->moved_at)
			find(records, "future", -1, &record->leaf.id,
				 psprintf("transaction " UINT64_FORMAT " has not begun",
						  record->txid));
}

/* Finds records that no block up to the last can have. */
void
al_verify_records_rest(AlVerifyRecords *records, const AlBlock *last)
{
	look_for_future(records);
	if (records->moved_at != DT_NOBEGIN)
		look_for_strays(records, last);
}

void
al_verify_records_end(AlVerifyRecords *records)
{
	al_harvest_end(records->harvest);
}
