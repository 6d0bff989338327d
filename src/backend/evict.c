/*
 * src/backend/evict.c
 *
 * Our workers leave a database that nobody may be connected to.
 *
 * DROP DATABASE, CREATE DATABASE ... TEMPLATE, and renaming or moving one fail
 * while somebody is connected.  Of the background processes the server only
 * ends its own autovacuum workers.  So before such a command runs, our worker
 * in that database is asked to end.  A block that it was sealing is rolled
 * back; whoever copies the database finds its ledger as of the block before.
 * The postmaster starts the worker again after a while, and the server keeps
 * it waiting as long as the command holds its lock.
 *
 * Who may not give the command must not interrupt the worker by trying, so
 * the rights are checked as the command does.
 */
#include "postgres.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/backend_status.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "evict.h"
#include "worker.h"

#define PATIENCE_MS 5000		/* as long as the command waits for others */
#define POLL_MS 10

static ProcessUtility_hook_type next_process_utility = NULL;

/* The process of our worker in a database, 0 if there is none. */
static int
find_worker(Oid database)
{
	int			count = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= count; i++)
	{
		const PgBackendStatus *entry = al_compat_backend_status(i);
		const char *type;

		if (entry->st_backendType != B_BG_WORKER ||
			entry->st_databaseid != database)
			continue;
		type = GetBackgroundWorkerTypeByPid(entry->st_procpid);
		if (type && strcmp(type, AL_WORKER_TYPE) == 0)
			return entry->st_procpid;
	}
	return 0;
}

static void
evict(Oid database)
{
	int			pid = find_worker(database);

	if (pid == 0 || kill(pid, SIGTERM) != 0)
		return;
	for (int waited = 0; waited < PATIENCE_MS; waited += POLL_MS)
	{
		if (BackendPidGetProc(pid) == NULL)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT |
						 WL_EXIT_ON_PM_DEATH, POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* The server has a function for it that not every minor release exports. */
static bool
may_create_databases(void)
{
	HeapTuple	tuple;
	bool		may;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(tuple))
		return false;
	may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return may;
}

/* The database that a command wants for itself, NULL if it is another one. */
static const char *
wanted_database(Node *node)
{
	ListCell   *lc;

	switch (nodeTag(node))
	{
		case T_DropdbStmt:
			return castNode(DropdbStmt, node)->dbname;
		case T_RenameStmt:
			return castNode(RenameStmt, node)->renameType == OBJECT_DATABASE ?
				castNode(RenameStmt, node)->subname : NULL;
		case T_AlterDatabaseStmt:
			foreach(lc, castNode(AlterDatabaseStmt, node)->options)
			{
				DefElem    *option = lfirst_node(DefElem, lc);

				if (strcmp(option->defname, "tablespace") == 0)
					return castNode(AlterDatabaseStmt, node)->dbname;
			}
			return NULL;
		case T_CreatedbStmt:
			foreach(lc, castNode(CreatedbStmt, node)->options)
			{
				DefElem    *option = lfirst_node(DefElem, lc);

				if (strcmp(option->defname, "template") == 0 && option->arg &&
					may_create_databases())
					return defGetString(option);
			}
			return NULL;
		default:
			return NULL;
	}
}

static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *env, DestReceiver *dest,
				QueryCompletion *completion)
{
	const char *name = wanted_database(pstmt->utilityStmt);

	/* In a transaction block the command fails. */
	if (name && context == PROCESS_UTILITY_TOPLEVEL &&
		!IsTransactionBlock() && !RecoveryInProgress())
	{
		Oid			database = get_database_oid(name, true);

		if (OidIsValid(database) && database != MyDatabaseId &&
			al_compat_owns_database(database))
			evict(database);
	}
	if (next_process_utility)
		next_process_utility(pstmt, query, read_only_tree, context, params,
							 env, dest, completion);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params,
								env, dest, completion);
}

void
al_evict_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
