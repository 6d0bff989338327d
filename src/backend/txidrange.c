/*
 * src/backend/txidrange.c
 *
 * The BRIN operator class audit.txid_range_ops, for the transactions of
 * records: the lowest and the highest of a range of pages.
 *
 * Unlike the server's minmax classes it counts ahead.  Transactions only
 * grow, so in a range that has a summary each would have to raise the highest
 * value, and log that.  Where one follows the other it is raised by more than
 * is needed instead; what comes next finds itself covered.
 *
 * An index that names too many pages gives no wrong answer, but the sealer
 * reads them each time until the transactions that were counted have passed.
 * So nothing is counted ahead for the first transaction that comes to a
 * range, nor for the first after a while: one that is big fills many ranges
 * alone, and they shall not be read again.
 */
#include "postgres.h"

#include "access/brin_internal.h"
#include "access/brin_tuple.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/typcache.h"

#define AHEAD 1024

enum
{
	LOWEST,
	HIGHEST,
	NSTORED
};

PG_FUNCTION_INFO_V1(audit_log_txid_range_info);
PG_FUNCTION_INFO_V1(audit_log_txid_range_add);
PG_FUNCTION_INFO_V1(audit_log_txid_range_consistent);
PG_FUNCTION_INFO_V1(audit_log_txid_range_union);

/* What is stored of a range. */
Datum
audit_log_txid_range_info(PG_FUNCTION_ARGS)
{
	BrinOpcInfo *info = palloc0(MAXALIGN(SizeofBrinOpcInfo(NSTORED)));

	info->oi_nstored = NSTORED;
	info->oi_regular_nulls = true;
	info->oi_typcache[LOWEST] = info->oi_typcache[HIGHEST] =
		lookup_type_cache(XID8OID, 0);
	PG_RETURN_POINTER(info);
}

/* Makes a range cover others; true if it did not. */
static bool
cover(BrinValues *range, uint64 lowest, uint64 highest)
{
	bool		changed = range->bv_allnulls;

	if (changed || lowest < DatumGetUInt64(range->bv_values[LOWEST]))
	{
		range->bv_values[LOWEST] = UInt64GetDatum(lowest);
		changed = true;
	}
	if (range->bv_allnulls ||
		highest > DatumGetUInt64(range->bv_values[HIGHEST]))
	{
		range->bv_values[HIGHEST] = UInt64GetDatum(highest);
		changed = true;
	}
	range->bv_allnulls = false;
	return changed;
}

/*
 * What to raise the highest value to.  The more transactions a range may hold
 * the further it is, up to a limit: a range that two big ones share is not
 * read again for long either.
 */
static uint64
count_ahead(const BrinValues *range, uint64 txid)
{
	uint64		lowest;
	uint64		highest;

	if (range->bv_allnulls)
		return txid;
	lowest = DatumGetUInt64(range->bv_values[LOWEST]);
	highest = DatumGetUInt64(range->bv_values[HIGHEST]);
	if (txid <= highest || txid - highest > AHEAD ||
		txid > PG_UINT64_MAX - AHEAD)
		return txid;
	return txid + Min(txid - lowest, AHEAD);
}

/* Adds a record's transaction, which is never null. */
Datum
audit_log_txid_range_add(PG_FUNCTION_ARGS)
{
	BrinValues *range = (BrinValues *) PG_GETARG_POINTER(1);
	uint64		txid = DatumGetUInt64(PG_GETARG_DATUM(2));

	PG_RETURN_BOOL(cover(range, txid, count_ahead(range, txid)));
}

/* Could a value of the range fit the condition? */
Datum
audit_log_txid_range_consistent(PG_FUNCTION_ARGS)
{
	BrinValues *range = (BrinValues *) PG_GETARG_POINTER(1);
	ScanKey		key = (ScanKey) PG_GETARG_POINTER(2);
	uint64		lowest = DatumGetUInt64(range->bv_values[LOWEST]);
	uint64		highest = DatumGetUInt64(range->bv_values[HIGHEST]);
	uint64		txid = DatumGetUInt64(key->sk_argument);

	switch (key->sk_strategy)
	{
		case BTLessStrategyNumber:
			PG_RETURN_BOOL(lowest < txid);
		case BTLessEqualStrategyNumber:
			PG_RETURN_BOOL(lowest <= txid);
		case BTEqualStrategyNumber:
			PG_RETURN_BOOL(lowest <= txid && txid <= highest);
		case BTGreaterEqualStrategyNumber:
			PG_RETURN_BOOL(highest >= txid);
		case BTGreaterStrategyNumber:
			PG_RETURN_BOOL(highest > txid);
		default:
			elog(ERROR, "invalid strategy number %d", key->sk_strategy);
	}
}

/* Makes one range cover another as well. */
Datum
audit_log_txid_range_union(PG_FUNCTION_ARGS)
{
	BrinValues *other = (BrinValues *) PG_GETARG_POINTER(2);

	(void) cover((BrinValues *) PG_GETARG_POINTER(1),
				 DatumGetUInt64(other->bv_values[LOWEST]),
				 DatumGetUInt64(other->bv_values[HIGHEST]));
	PG_RETURN_VOID();
}
