/*
 * src/backend/bundles.h
 *
 * The leaves of the ledger, as they are stored.
 *
 * A bundle row holds up to 128 leaves, of one block and of one stretch of 128,
 * so that rows are never rewritten: where blocks are small, several rows make
 * up a stretch.
 */
#ifndef AUDIT_LOG_BUNDLES_H
#define AUDIT_LOG_BUNDLES_H

#include "leaf.h"
#include "tablescan.h"

/* Most leaves of a row of audit.ledger_bundles: they fill a page. */
#define AL_BUNDLE_MAX 128

typedef struct AlBundle
{
	int64		first_leaf;
	int			count;			/* 0: the row is damaged */
	AlLeaf		leaves[AL_BUNDLE_MAX];
} AlBundle;

/* Ids of leaves, sorted. */
typedef struct AlIdSet
{
	pg_uuid_t  *ids;
	int64		count;
} AlIdSet;

extern void al_bundles_begin(AlTableScan *scan, Snapshot snapshot,
							 int64 first_leaf);
extern bool al_bundles_next(AlTableScan *scan, AlBundle *bundle);
extern bool al_bundles_leaf(Snapshot snapshot, int64 number, AlLeaf *leaf);
extern void al_bundles_ids(Snapshot snapshot, int64 end, AlIdSet *set);
extern bool al_bundles_ids_have(const AlIdSet *set, const pg_uuid_t *id);

#endif							/* AUDIT_LOG_BUNDLES_H */
