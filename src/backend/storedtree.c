/*
 * src/backend/storedtree.c
 *
 * The Merkle tree of the ledger, as it is stored; see storedtree.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "utils/fmgroids.h"

#include "bundles.h"
#include "storedtree.h"

void
al_storedtree_begin(AlStoredTree *tree, Snapshot snapshot)
{
	tree->snapshot = snapshot;
	tree->window = -1;
	tree->count = 0;
}

/* Reads the leaf hashes of a window of 256 leaves. */
static void
read_window(AlStoredTree *tree, int64 window)
{
	AlTableScan scan;
	AlBundle   *bundle = palloc(sizeof(AlBundle));

	tree->window = window;
	tree->count = 0;
	al_bundles_begin(&scan, tree->snapshot, window * AL_MERKLE_TILE_WIDTH);
	while (tree->count < AL_MERKLE_TILE_WIDTH &&
		   al_bundles_next(&scan, bundle) &&
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
fetch_nodes(AlStoredTree *tree, unsigned level, uint64 first, unsigned count,
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
al_storedtree_node_from(Snapshot snapshot, unsigned level, int64 index)
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
al_storedtree_fetch(void *arg, unsigned level, uint64_t first, unsigned count,
					AlHash *hashes, AlError *err)
{
	AlStoredTree *tree = arg;
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
