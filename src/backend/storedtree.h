/*
 * src/backend/storedtree.h
 *
 * The Merkle tree of the ledger, as it is stored.
 *
 * Of the nodes only those of the levels 8, 16, 24... are stored; the hashes of
 * leaves come from the bundles.
 */
#ifndef AUDIT_LOG_STOREDTREE_H
#define AUDIT_LOG_STOREDTREE_H

#include "utils/snapshot.h"

#include "core/merkle.h"

/* What al_storedtree_fetch() needs; begin with al_storedtree_begin(). */
typedef struct AlStoredTree
{
	Snapshot	snapshot;
	int64		window;			/* of the hashes kept, or -1 */
	int			count;
	AlHash		hashes[AL_MERKLE_TILE_WIDTH];
} AlStoredTree;

extern void al_storedtree_begin(AlStoredTree *tree, Snapshot snapshot);
extern AlStatus al_storedtree_fetch(void *tree, unsigned level, uint64_t first,
									unsigned count, AlHash *hashes,
									AlError *err);
extern int64 al_storedtree_node_from(Snapshot snapshot, unsigned level,
									 int64 index);

#endif							/* AUDIT_LOG_STOREDTREE_H */
