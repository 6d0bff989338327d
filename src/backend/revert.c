/*
 * src/backend/revert.c
 *
 * audit.revert(): writes the inverse of recorded changes.
 *
 * The log is read with the rights of the function's owner, so that EXECUTE on
 * the function is all that its caller needs of us.  What is written is written
 * with the caller's own rights, and recorded as theirs.
 *
 * AFTER triggers fire once everything is written, as if it were one statement:
 * foreign keys are judged by what is there then, whichever row came first, and
 * no trigger of the user changes a row whose earlier state is still to come.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(audit_log_revert_record);
PG_FUNCTION_INFO_V1(audit_log_revert);

/* What undoes the chosen records, last first. */
#define READ_STATEMENTS \
	"SELECT id, target, statement, known, entity_key, old_values " \
	"FROM audit.revert_statements($1, $2)"

enum
{
	COLUMN_ID = 1,
	COLUMN_TARGET,
	COLUMN_STATEMENT,			/* null: there is nothing to undo */
	COLUMN_KNOWN,				/* this and what follows: its parameters */
	COLUMN_KEY,
	COLUMN_OLD_VALUES
};

#define PARAMETERS 3

static Oid
function_owner(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Runs READ_STATEMENTS with the rights of the owner. */
static SPITupleTable *
read_statements(Oid function, Datum record_id, Datum request_id)
{
	Oid			types[2] = {UUIDOID, TEXTOID};
	Datum		values[2] = {record_id, request_id};
	char		nulls[2] = {record_id ? ' ' : 'n', request_id ? ' ' : 'n'};
	Oid			caller;
	int			security;
	int			result;

	/* An error resets this at the end of the transaction. */
	GetUserIdAndSecContext(&caller, &security);
	SetUserIdAndSecContext(function_owner(function),
						   security | SECURITY_LOCAL_USERID_CHANGE);
	result = SPI_execute_with_args(READ_STATEMENTS, 2, types, values, nulls,
								   false, 0);
	SetUserIdAndSecContext(caller, security);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not read what to revert: %s",
			 SPI_result_code_string(result));
	return SPI_tuptable;
}

static void
execute(HeapTuple row, TupleDesc tupdesc)
{
	Oid			types[PARAMETERS] = {JSONOID, TEXTOID, JSONOID};
	Datum		values[PARAMETERS];
	char		nulls[PARAMETERS];
	char	   *statement = SPI_getvalue(row, tupdesc, COLUMN_STATEMENT);
	SPIPlanPtr	plan;
	int			result;

	if (statement == NULL)
		return;
	for (int i = 0; i < PARAMETERS; i++)
	{
		bool		isnull;

		values[i] = SPI_getbinval(row, tupdesc, COLUMN_KNOWN + i, &isnull);
		nulls[i] = isnull ? 'n' : ' ';
	}
	plan = SPI_prepare(statement, PARAMETERS, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare to revert a record: %s",
			 SPI_result_code_string(SPI_result));
	result = SPI_execute_snapshot(plan, values, nulls, InvalidSnapshot,
								  InvalidSnapshot, false, false, 0);
	if (result < 0)
		elog(ERROR, "could not revert a record: %s",
			 SPI_result_code_string(result));
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("record \"%s\" cannot be reverted",
						SPI_getvalue(row, tupdesc, COLUMN_ID)),
				 errdetail("Row %s of table \"%s\" has changed since.",
						   SPI_getvalue(row, tupdesc, COLUMN_KEY),
						   SPI_getvalue(row, tupdesc, COLUMN_TARGET)),
				 errhint("Revert the later records first.")));
	SPI_freeplan(plan);
}

/* Undoes one record, or those that request_id names; returns their number. */
static int64
revert(Oid function, Datum record_id, Datum request_id)
{
	SPITupleTable *rows;
	EState	   *estate;
	int64		count;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	rows = read_statements(function, record_id, request_id);
	count = rows->numvals;
	estate = CreateExecutorState();
	AfterTriggerBeginQuery();
	for (int64 i = 0; i < count; i++)
		execute(rows->vals[i], rows->tupdesc);
	AfterTriggerEndQuery(estate);
	ExecCloseResultRelations(estate);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
	SPI_finish();
	return count;
}

static void
require_id(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("id of what to revert must not be null")));
}

Datum
audit_log_revert_record(PG_FUNCTION_ARGS)
{
	require_id(fcinfo);
	PG_RETURN_INT64(revert(fcinfo->flinfo->fn_oid, PG_GETARG_DATUM(0),
						   (Datum) 0));
}

Datum
audit_log_revert(PG_FUNCTION_ARGS)
{
	require_id(fcinfo);
	PG_RETURN_INT64(revert(fcinfo->flinfo->fn_oid, (Datum) 0,
						   PG_GETARG_DATUM(0)));
}
