/*
 * src/backend/harvest.h
 *
 * The records of a block, in the order of its leaves.
 */
#ifndef AUDIT_LOG_HARVEST_H
#define AUDIT_LOG_HARVEST_H

#include "ledger.h"

typedef struct AlHarvest AlHarvest;

typedef struct AlHarvested
{
	AlLeaf		leaf;
	AlStream	stream;
} AlHarvested;

extern AlHarvest *al_harvest_begin(Snapshot snapshot, uint64 own_txid);
extern void al_harvest_block(AlHarvest *harvest, const AlTxids *before,
							 const AlTxids *until);
extern const AlHarvested *al_harvest_next(AlHarvest *harvest, uint64 *txid);
extern void al_harvest_end(AlHarvest *harvest);

#endif							/* AUDIT_LOG_HARVEST_H */
