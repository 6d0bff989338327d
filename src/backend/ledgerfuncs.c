/*
 * src/backend/ledgerfuncs.c
 *
 * The functions of the ledger that SQL calls: arguments in, one call, result
 * out.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "seal.h"

PG_FUNCTION_INFO_V1(audit_log_seal);
PG_FUNCTION_INFO_V1(audit_log_wait_sealed);

/* audit.seal(): seals what has been committed. */
Datum
audit_log_seal(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(al_seal());
}

/* audit.wait_sealed(xid8, interval): waits until a transaction is sealed. */
Datum
audit_log_wait_sealed(PG_FUNCTION_ARGS)
{
	Interval   *timeout = PG_GETARG_INTERVAL_P(1);
	int64		ms = timeout->time / 1000 +
	(timeout->day + (int64) timeout->month * DAYS_PER_MONTH) *
	(USECS_PER_DAY / 1000);

	PG_RETURN_BOOL(al_seal_wait(PG_GETARG_INT64(0), Max(ms, 0)));
}
