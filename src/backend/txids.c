/*
 * src/backend/txids.c
 *
 * Which transactions a snapshot sees, by their 64-bit ids, which are stored.
 */
#include "postgres.h"

#include "access/transam.h"
#include "fmgr.h"

#include "compat.h"
#include "txids.h"

/* Could a snapshot with these running transactions see "txid"? */
bool
al_txids_see(const AlTxids *txids, uint64 txid)
{
	uint32		low = 0;
	uint32		high = txids->nxip;

	if (txid < txids->xmin)
		return true;
	if (txid >= txids->xmax)
		return false;
	while (low < high)
	{
		uint32		middle = (low + high) / 2;

		if (txids->xip[middle] == txid)
			return false;
		if (txids->xip[middle] < txid)
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

static uint64
widen(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		return xid;
	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch,
																	 xid));
}

static int
compare_txids(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return (x > y) - (x < y);
}

/* What a snapshot sees, with our own transaction as one that is running. */
AlTxids *
al_txids_of(Snapshot snapshot, uint64 own_txid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	AlTxids    *txids = palloc0(AL_TXIDS_SIZE(snapshot->xcnt + 1));
	uint32		n = 0;

	txids->xmin = widen(snapshot->xmin, next);
	txids->xmax = widen(snapshot->xmax, next);
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		txids->xip[n++] = widen(snapshot->xip[i], next);
	if (own_txid != 0 && own_txid < txids->xmax)
	{
		txids->xip[n++] = own_txid;
		txids->xmin = Min(txids->xmin, own_txid);
	}
	qsort(txids->xip, n, sizeof(uint64), compare_txids);
	/* While a transaction is being prepared its id shows up twice. */
	for (uint32 i = 0; i < n; i++)
		if (i == 0 || txids->xip[i] != txids->xip[i - 1])
			txids->xip[txids->nxip++] = txids->xip[i];
	SET_VARSIZE(txids, AL_TXIDS_SIZE(txids->nxip));
	return txids;
}

/* All transactions: what is taken then, the snapshot of the scan decides. */
AlTxids *
al_txids_all(void)
{
	AlTxids    *txids = palloc0(AL_TXIDS_SIZE(0));

	txids->xmin = txids->xmax = PG_UINT64_MAX;
	SET_VARSIZE(txids, AL_TXIDS_SIZE(0));
	return txids;
}

/* A copy in the current memory context. */
AlTxids *
al_txids_copy(const AlTxids *txids)
{
	return memcpy(palloc(VARSIZE(txids)), txids, VARSIZE(txids));
}
