/*
 * src/backend/ledger.h
 *
 * Blocks and generations of the ledger.
 *
 * The ledger is one Merkle tree a database.  A block is what was sealed at
 * once; its snapshot says which transactions' records are in it or in a block
 * before.  A generation is a stretch of blocks under one origin.
 */
#ifndef AUDIT_LOG_LEDGER_H
#define AUDIT_LOG_LEDGER_H

#include "datatype/timestamp.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "core/merkle.h"

#include "txids.h"

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

extern bool al_ledger_last_block(Snapshot snapshot, AlBlock *block);
extern bool al_ledger_block(Snapshot snapshot, int64 number, AlBlock *block);
extern bool al_ledger_block_from(Snapshot snapshot, int64 number,
								 AlBlock *block);
extern bool al_ledger_block_of_leaf(Snapshot snapshot, int64 leaf,
									AlBlock *block);
extern bool al_ledger_block_of_size(Snapshot snapshot, int64 size,
									AlBlock *block);
extern bool al_ledger_block_of_txid(Snapshot snapshot, uint64 txid,
									AlBlock *block);
extern bool al_ledger_block_since(Snapshot snapshot, TimestampTz time,
								  AlBlock *block);
extern bool al_ledger_generation(Snapshot snapshot, int generation,
								 AlGeneration *result);
extern bool al_ledger_last_generation(Snapshot snapshot,
									  AlGeneration *result);
extern void al_ledger_require_last_block(Snapshot snapshot, AlBlock *block);
extern void al_ledger_require_generation(Snapshot snapshot, int generation,
										 AlGeneration *result);
extern TimestampTz al_ledger_moved_at(Snapshot snapshot);

#endif							/* AUDIT_LOG_LEDGER_H */
