/*
 * src/backend/worker.c
 *
 * The background worker that seals and purges: one for each database that
 * audit.ledger_database names, registered when the library is preloaded.
 *
 * A cycle is up to three transactions: record the coverage if that is due,
 * seal, purge.  Each stands alone.  What fails is a WARNING, and the next
 * cycle comes later, twice as late each time; no writer ever notices.  Whoever
 * cancels the worker cancels the step that it is at.  Until the extension is
 * created in the database, there is nothing to do.
 *
 * A worker that cannot connect to its database, because there is none of that
 * name for one, ends by that, and the postmaster starts it again soon.  How
 * often that was, the next one finds in shared memory, and waits longer each
 * time before it tries.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "guc.h"
#include "publish.h"
#include "purge.h"
#include "seal.h"
#include "worker.h"

#define RESTART_S 10
#define FAILURE_SIZE 512
#define MAX_BACK_OFF_S 300
#define PURGE_A_CYCLE 100000	/* records of each stream */
#define COVER_EVERY (60 * USECS_PER_SEC)	/* looks whether it is due */

PGDLLEXPORT void audit_log_worker_main(Datum arg);

static TimestampTz covered = DT_NOBEGIN;	/* when it was last looked */

static int	workers = 0;
static int *failed_connects = NULL; /* in a row; shared, one a worker */
static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;

static void
cover(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int			ret;

	if (al_guc_coverage_interval == 0 ||
		(now >= covered && now < covered + COVER_EVERY))
		return;
	SPI_connect();
	ret = SPI_execute(psprintf("SELECT audit.record_coverage(pg_catalog.make_interval(secs => %d))",
							   al_guc_coverage_interval), false, 0);
	if (ret != SPI_OK_SELECT)
		elog(ERROR, "could not record the coverage: %s",
			 SPI_result_code_string(ret));
	SPI_finish();
	covered = now;
}

static void
seal(void)
{
	(void) al_seal();
}

static void
purge(void)
{
	(void) al_purge_all(AL_OBJECTS, PURGE_A_CYCLE);
	(void) al_purge_all(AL_REQUESTS, PURGE_A_CYCLE);
}

/*
 * Says that a step was ended by an error; false if it failed, which being
 * canceled is not.  What failed is left in "failure", for audit.sealer().
 */
static bool
report_error(const ErrorData *error, const char *activity, char *failure)
{
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
	{
		ereport(LOG,
				(errmsg("audit ledger: %s was canceled", activity),
				 errdetail("It is tried again in %d seconds.",
						   al_guc_ledger_interval)));
		return true;
	}
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("audit ledger: %s failed: %s", activity, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	snprintf(failure, FAILURE_SIZE, "%s failed: %s", activity,
			 error->message);
	return false;
}

/* Runs one step in a transaction of its own; false if it failed. */
static bool
run(void (*step) (void), const char *activity, MemoryContext context,
	char *failure)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	volatile bool done = true;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();

		/*
		 * Every writer would look like one that changes what we have read,
		 * and fail where the server's default is to be serializable.
		 */
		XactIsoLevel = XACT_READ_COMMITTED;
		/* What sessions may do by default is not meant for it. */
		XactReadOnly = false;
		PushActiveSnapshot(GetTransactionSnapshot());
		pgstat_report_activity(STATE_RUNNING, activity);
		if (OidIsValid(get_extension_oid("audit_log", true)))
			step();
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		/* A request to stop is not a failure of the step. */
		if (error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			proc_exit(1);
		done = report_error(error, activity, failure);
	}
	PG_END_TRY();
	pgstat_report_stat(true);
	MemoryContextSwitchTo(old);
	MemoryContextReset(context);
	return done;
}

static void
reload_configuration(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* Waits, in no database, until it is time to try to connect once more. */
static void
wait_to_connect(const char *database, int failed)
{
	/* The postmaster has waited RESTART_S. */
	int			wait = Min(RESTART_S << Min(failed, 10), MAX_BACK_OFF_S) -
		RESTART_S;
	instr_time	start;
	long		left = wait * 1000L;	/* ms; no clock that can be set tells */

	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_DATABASE),
			 errmsg("audit ledger: could not connect to database \"%s\", which \"audit.ledger_database\" names",
					database),
			 errdetail("It was tried %d times, and is again in %d seconds or when the configuration is reloaded.",
					   failed, wait),
			 errhint("Create the database, or take its name out of the setting and restart the server.")));
	INSTR_TIME_SET_CURRENT(start);
	while (!ConfigReloadPending && left > 0)
	{
		instr_time	now;

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		left = wait * 1000L - (long) INSTR_TIME_GET_MILLISEC(now);
	}
	reload_configuration();
}

static void
connect_to_database(int worker)
{
	int			failed = failed_connects[worker];

	/* The first time another process may just have been quicker. */
	if (failed > 1)
		wait_to_connect(MyBgworkerEntry->bgw_extra, failed);
	failed_connects[worker] = failed + 1;
	BackgroundWorkerInitializeConnection(MyBgworkerEntry->bgw_extra, NULL, 0);
	failed_connects[worker] = 0;
}

void
audit_log_worker_main(Datum arg)
{
	MemoryContext context;
	char		failure[FAILURE_SIZE];
	int			back_off = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	connect_to_database(DatumGetInt32(arg));

	context = AllocSetContextCreate(TopMemoryContext, "audit_log worker",
									ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		bool		done = run(cover, "recording coverage", context, failure);

		done = run(seal, "sealing", context, failure) && done;
		done = run(purge, "purging", context, failure) && done;
		/* The block is sealed all the same: no reason to come later. */
		if (done && al_publish_problem())
			snprintf(failure, sizeof(failure), "publishing failed: %s",
					 al_publish_problem());
		pgstat_report_activity(STATE_IDLE, done && !al_publish_problem() ?
							   "waiting" : failure);
		back_off = done ? 0 : Min(Max(2 * back_off, al_guc_ledger_interval),
								  MAX_BACK_OFF_S);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 (al_guc_ledger_interval + back_off) * 1000L,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		/* There is nothing to cancel here. */
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		reload_configuration();
	}
}

static void
request_shmem(void)
{
	if (next_shmem_request)
		next_shmem_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(int) * workers));
}

static void
startup_shmem(void)
{
	bool		found;

	if (next_shmem_startup)
		next_shmem_startup();
	failed_connects = ShmemInitStruct("audit_log workers",
									  sizeof(int) * workers, &found);
	if (!found)
		memset(failed_connects, 0, sizeof(int) * workers);
}

/* Registers a worker for each database; the library is being preloaded. */
void
al_worker_register(void)
{
	char	   *list = pstrdup(al_guc_ledger_database ?
							   al_guc_ledger_database : "");
	List	   *names;
	ListCell   *lc;

	if (!SplitIdentifierString(list, ',', &names))
	{
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list syntax in parameter \"%s\"",
						"audit.ledger_database")));
		return;
	}
	foreach(lc, names)
	{
		BackgroundWorker worker;

		memset(&worker, 0, sizeof(worker));
		worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
			BGWORKER_BACKEND_DATABASE_CONNECTION;
		worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
		worker.bgw_restart_time = RESTART_S;
		strlcpy(worker.bgw_library_name, "audit_log", BGW_MAXLEN);
		strlcpy(worker.bgw_function_name, "audit_log_worker_main",
				BGW_MAXLEN);
		snprintf(worker.bgw_name, BGW_MAXLEN, "audit_log sealer of %s",
				 (char *) lfirst(lc));
		strlcpy(worker.bgw_type, AL_WORKER_TYPE, BGW_MAXLEN);
		strlcpy(worker.bgw_extra, lfirst(lc), sizeof(worker.bgw_extra));
		worker.bgw_main_arg = Int32GetDatum(workers++);
		RegisterBackgroundWorker(&worker);
	}
	list_free(names);
	pfree(list);
	if (workers > 0)
	{
		next_shmem_request = shmem_request_hook;
		shmem_request_hook = request_shmem;
		next_shmem_startup = shmem_startup_hook;
		shmem_startup_hook = startup_shmem;
	}
}
