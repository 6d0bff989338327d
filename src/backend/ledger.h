/*
 * src/backend/ledger.h
 *
 * Reading the ledger's tables: blocks, bundles, nodes.
 *
 * The ledger is one Merkle tree a database.  A block is what was sealed at
 * once; its snapshot says which transactions' records are in it or in a block
 * before.  A bundle row holds up to 256 leaves, of one block and of one
 * window of 256, so that rows are never rewritten: where blocks are small,
 * several rows make up a window.  Of the nodes only those of the levels 8,
 * 16, 24... are stored.
 */
#ifndef AUDIT_LOG_LEDGER_H
#define AUDIT_LOG_LEDGER_H

#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "core/merkle.h"

#include "leaf.h"
#include "tablescan.h"

/* The server's type pg_snapshot. */
typedef struct AlTxids
{
	int32		header;			/* varlena */
	uint32		nxip;
	uint64		xmin;
	uint64		xmax;
	uint64		xip[FLEXIBLE_ARRAY_MEMBER]; /* running, ascending */
} AlTxids;

#define AL_TXIDS_SIZE(nxip) (offsetof(AlTxids, xip) + sizeof(uint64) * (nxip))

typedef struct AlBlock
{
	int64		number;			/* from 1 */
	int64		first_leaf;
	int64		size;
	TimestampTz sealed_at;
	int			generation;
	int			timeline;
	uint64		system_identifier;
	AlHash		root;
	AlTxids    *snapshot;		/* in the caller's memory context */
} AlBlock;

typedef struct AlGeneration
{
	int			generation;		/* from 1 */
	int64		first_leaf;
	uint64		system_identifier;
	Oid			database;
	char	   *origin;			/* in the caller's memory context */
	bool		has_record;
	pg_uuid_t	record_id;		/* its first leaf */
	char	   *previous;		/* checkpoint, or NULL */
} AlGeneration;

/* Most leaves of a row of audit.ledger_bundles: they fill a page. */
#define AL_BUNDLE_MAX 128

typedef struct AlBundle
{
	int64		first_leaf;
	int			count;			/* 0: the row is damaged */
	AlLeaf		leaves[AL_BUNDLE_MAX];
} AlBundle;

/* What al_ledger_fetch() needs; begin with al_ledger_tree_begin(). */
typedef struct AlLedgerTree
{
	Snapshot	snapshot;
	int64		window;			/* of the hashes kept, or -1 */
	int			count;
	AlHash		hashes[AL_MERKLE_TILE_WIDTH];
} AlLedgerTree;

extern bool al_ledger_txid_visible(const AlTxids *txids, uint64 txid);
extern bool al_ledger_last_block(Snapshot snapshot, AlBlock *block);
extern bool al_ledger_block(Snapshot snapshot, int64 number, AlBlock *block);
extern bool al_ledger_block_from(Snapshot snapshot, int64 number,
								 AlBlock *block);
extern bool al_ledger_block_of_leaf(Snapshot snapshot, int64 leaf,
									AlBlock *block);
extern bool al_ledger_block_of_size(Snapshot snapshot, int64 size,
									AlBlock *block);
extern bool al_ledger_generation(Snapshot snapshot, int generation,
								 AlGeneration *result);
extern bool al_ledger_last_generation(Snapshot snapshot,
									  AlGeneration *result);

extern void al_ledger_bundles_begin(AlTableScan *scan, Snapshot snapshot,
									int64 first_leaf);
extern bool al_ledger_bundles_next(AlTableScan *scan, AlBundle *bundle);
extern int64 al_ledger_find(Snapshot snapshot, const pg_uuid_t *id);
extern bool al_ledger_leaf(Snapshot snapshot, int64 number, AlLeaf *leaf);

/* Ids of leaves, sorted. */
typedef struct AlIdSet
{
	pg_uuid_t  *ids;
	int64		count;
} AlIdSet;

extern void al_ledger_ids_load(Snapshot snapshot, int64 end, AlIdSet *set);
extern bool al_ledger_ids_has(const AlIdSet *set, const pg_uuid_t *id);
extern TimestampTz al_ledger_moved_at(Snapshot snapshot);

extern void al_ledger_tree_begin(AlLedgerTree *tree, Snapshot snapshot);
extern AlStatus al_ledger_fetch(void *tree, unsigned level, uint64_t first,
								unsigned count, AlHash *hashes, AlError *err);

extern int64 al_ledger_node_from(Snapshot snapshot, unsigned level,
								 int64 index);

extern bool al_ledger_erased(Snapshot snapshot, const pg_uuid_t *id);
extern bool al_ledger_record(Snapshot snapshot, const pg_uuid_t *id,
							 AlStream *stream, TupleTableSlot **slot);

#endif							/* AUDIT_LOG_LEDGER_H */
