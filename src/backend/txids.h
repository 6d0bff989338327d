/*
 * src/backend/txids.h
 *
 * Which transactions a snapshot sees, by their 64-bit ids, which are stored.
 */
#ifndef AUDIT_LOG_TXIDS_H
#define AUDIT_LOG_TXIDS_H

#include "utils/snapshot.h"

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

extern bool al_txids_see(const AlTxids *txids, uint64 txid);
extern AlTxids *al_txids_of(Snapshot snapshot, uint64 own_txid);
extern AlTxids *al_txids_all(void);
extern AlTxids *al_txids_copy(const AlTxids *txids);

#endif							/* AUDIT_LOG_TXIDS_H */
