/*
 * src/backend/harvest.h
 *
 * The records of blocks, in the order of their leaves.
 */
#ifndef AUDIT_LOG_HARVEST_H
#define AUDIT_LOG_HARVEST_H

#include "leaf.h"
#include "ledger.h"

typedef struct AlHarvest AlHarvest;

typedef struct AlHarvested
{
	uint64		txid;
	int			block;			/* position in the blocks asked for */
	AlStream	stream;
	AlLeaf		leaf;
} AlHarvested;

extern AlHarvest *al_harvest_begin(Snapshot snapshot, uint64 own_txid);
extern void al_harvest_blocks(AlHarvest *harvest, const AlTxids *before,
							  const AlTxids *const *until, int nblocks);
extern void al_harvest_block(AlHarvest *harvest, const AlTxids *before,
							 const AlTxids *until);
extern int64 al_harvest_count(AlHarvest *harvest, const AlTxids *before,
							  const AlTxids *until, int64 most);
extern const AlHarvested *al_harvest_next(AlHarvest *harvest, int block);
extern int64 al_harvest_room(void);
extern void al_harvest_end(AlHarvest *harvest);

#endif							/* AUDIT_LOG_HARVEST_H */
