/*
 * src/httpd/database.c
 *
 * A connection to the database, and statements on it; one thread at a time.
 *
 * While the database is away a statement fails at once: a client learns it in
 * milliseconds, and one attempt at a time, of whichever thread comes first
 * RETRY_AFTER the one before, finds out when it is back.  One that hears
 * nothing takes long, and must not have company.
 *
 * Nor does a client wait for a server that says nothing any more: a connection
 * is given up on which a statement is not ended by the server's own timeout,
 * or when nobody wants its result; see await.c.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "counters.h"
#include "database.h"
#include "diag.h"
#include "fit.h"

#define PROCESS_END 3000000		/* microseconds for a process to end */
#define RETRY_AFTER 250000		/* microseconds between attempts to connect */
#define RETAINED (4 * 1024 * 1024)	/* bytes, of a server process */

/* What we ask the server for ourselves. */
static const AlPurpose our_own = {
	.client = -1,
	.record = true
};

static const AlConfig *config;
static atomic_llong next_attempt;	/* monotonic microseconds; 0: any time */

void
al_database_init(const AlConfig *with)
{
	config = with;
}

static void
on_notice(void *arg, const char *message)
{
	(void) arg;
	al_diag("%s", message);
}

void
al_database_disconnect(AlDatabase *db)
{
	if (db->conn == NULL)
		return;
	PQfinish(db->conn);
	db->conn = NULL;
	memset(db->prepared, 0, sizeof(db->prepared));
	atomic_fetch_sub(&al_counters.databases, 1);
}

/* The error of a result that did not succeed, "" when there is none. */
static const char *
sqlstate(const PGresult *result)
{
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return code ? code : "";
}

/*
 * What a page of records takes, glibc in the server process would give back
 * to the system after each statement, and get again, with a page fault for
 * every 4 kB, for the next.  Once it saw a piece of RETAINED bytes come and
 * go, it keeps as much.
 */
static bool
set_session(PGconn *conn)
{
	char		sql[1024];
	AlAwait		await = {.purpose = our_own};
	PGresult   *result;
	bool		ok;

	/* A lock is waited for, or a client's pause endured, no longer. */
	snprintf(sql, sizeof(sql),
			 "SELECT length(repeat(repeat(' ', 1024), %d)); "
			 "SET statement_timeout = %d; "
			 "SET idle_in_transaction_session_timeout = %d; "
			 AL_FIT_QUERY,
			 RETAINED / 1024, config->statement_timeout,
			 config->statement_timeout);
	result = PQsetnonblocking(conn, 1) == 0 && PQsendQuery(conn, sql) ?
		al_await_result(conn, &await) : NULL;
	ok = PQresultStatus(result) == PGRES_TUPLES_OK;
	if (ok)
		al_fit_look(result);
	PQclear(result);
	return ok;
}

/*
 * Ends a process of the server whose connection broke under a statement, and
 * waits until it is gone.  It learns only when it has an answer that nobody
 * listens: till then it would hold its locks, and what it changed or recorded
 * would be there after we looked for it.
 */
static bool
end_process(PGconn *conn, int process)
{
	int64_t		end = al_clock_now() + PROCESS_END;
	char		sql[256];
	bool		known;
	bool		gone;

	snprintf(sql, sizeof(sql),
			 "SELECT count(pg_catalog.pg_terminate_backend(a.pid))"
			 " FROM pg_catalog.pg_stat_activity a"
			 " WHERE a.pid = %d AND a.usename = current_user", process);
	for (;;)
	{
		AlAwait		await = {.purpose = our_own};
		PGresult   *result = PQsendQuery(conn, sql) ?
			al_await_result(conn, &await) : NULL;

		known = PQresultStatus(result) == PGRES_TUPLES_OK;
		gone = known && strcmp(PQgetvalue(result, 0, 0), "0") == 0;
		PQclear(result);
		if (gone || !known || al_clock_now() > end)
			return gone;
		poll(NULL, 0, 20);
	}
}

static bool
connect_now(AlDatabase *db)
{
	char		timeout[16];
	const char *keywords[] = {
		"fallback_application_name", "client_encoding", "connect_timeout", NULL
	};
	const char *values[] = {"audit_log_httpd", "UTF8", timeout, NULL};
	PGconn	   *conn;

	snprintf(timeout, sizeof(timeout), "%d", config->connect_timeout);
	conn = PQconnectdbParams(keywords, values, 0);
	if (PQstatus(conn) != CONNECTION_OK || !set_session(conn))
	{
		atomic_store(&next_attempt, al_clock_now() + RETRY_AFTER);
		on_notice(NULL, PQerrorMessage(conn));
		PQfinish(conn);
		return false;
	}
	PQsetNoticeProcessor(conn, on_notice, NULL);
	db->settled = db->lost == 0 || end_process(conn, db->lost);
	db->lost = 0;
	atomic_store(&next_attempt, 0);
	db->conn = conn;
	/* once it is broken, libpq does not say any more */
	db->process = PQbackendPID(conn);
	atomic_fetch_add(&al_counters.databases, 1);
	atomic_fetch_add(&al_counters.reconnects, 1);
	return true;
}

/*
 * Did the server close the connection while it was idle?  Asked before each
 * statement, because afterwards nobody could tell whether it ran.
 */
static bool
is_stale(PGconn *conn)
{
	struct pollfd fd = {PQsocket(conn), POLLIN, 0};

	if (PQstatus(conn) != CONNECTION_OK)
		return true;
	if (poll(&fd, 1, 0) <= 0)
		return false;
	return PQconsumeInput(conn) == 0 || PQstatus(conn) != CONNECTION_OK;
}

/* Is it this thread's turn?  If the attempt before failed, it is of one. */
static bool
may_connect(void)
{
	int64_t		now = al_clock_now();
	int64_t		after = now + (int64_t) config->connect_timeout * 1000000;
	long long	due = atomic_load(&next_attempt);

	return due == 0 ||
		(now >= due &&
		 atomic_compare_exchange_strong(&next_attempt, &due, after));
}

static bool
is_connected(AlDatabase *db)
{
	if (db->conn && is_stale(db->conn))
		al_database_disconnect(db);
	if (db->conn)
		return true;
	return may_connect() && connect_now(db);
}

/* Says of a table that is to be served why it cannot be. */
static void
look_at_table(PGconn *conn, const char *table)
{
	static const char sql[] =
		"SELECT pg_catalog.has_table_privilege("
		"pg_catalog.to_regclass($1)::pg_catalog.oid, 'SELECT')";
	AlAwait		await = {.purpose = our_own};
	PGresult   *result = PQsendQueryParams(conn, sql, 1, NULL, &table, NULL,
										   NULL, 0) ?
		al_await_result(conn, &await) : NULL;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		al_diag("--expose=%s: %s", table, result ?
				PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) :
				PQerrorMessage(conn));
	else if (PQgetisnull(result, 0, 0))
		al_diag("--expose=%s: database \"%s\" has no such table", table,
				PQdb(conn));
	else if (PQgetvalue(result, 0, 0)[0] != 't')
		al_diag("--expose=%s: role \"%s\" may not read it: run GRANT SELECT ON %s TO \"%s\", and grant what else it is to do",
				table, PQuser(conn), table, PQuser(conn));
	PQclear(result);
}

/* Connects, if it can be done at once, to see what is there. */
void
al_database_greet(AlDatabase *db)
{
	if (!is_connected(db))
		return;
	for (int i = 0; i < config->nexposed; i++)
		look_at_table(db->conn, config->exposed[i].table);
}

/* Connects anew, waiting a moment for a server that is starting. */
bool
al_database_reconnect(AlDatabase *db)
{
	int64_t		end = al_clock_now() + 8 * RETRY_AFTER;

	while (!is_connected(db))
	{
		if (al_clock_now() > end)
			return false;
		poll(NULL, 0, RETRY_AFTER / 1000);
	}
	return true;
}

/* Did what was lost with the connection before come to its end? */
bool
al_database_is_settled(const AlDatabase *db)
{
	return db->settled;
}

/* NULL when the connection gave no result, or not in time. */
static PGresult *
run_once(AlDatabase *db, const AlStatement *statement, const AlArgs *args,
		 AlAwait *await, AlLoss *loss)
{
	char		name[16];
	PGresult   *result;

	snprintf(name, sizeof(name), "al%d", statement->number);
	*loss = AL_LOSS_AWAY;
	if (!db->prepared[statement->number])
	{
		result = PQsendPrepare(db->conn, name, statement->sql, 0, NULL) ?
			al_await_result(db->conn, await) : NULL;
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			return result;
		PQclear(result);
		if (await->spoilt)
			return NULL;
		db->prepared[statement->number] = true;
	}
	*loss = AL_LOSS_UNKNOWN;
	if (!PQsendQueryPrepared(db->conn, name, args->n, args->values,
							 args->lengths, args->formats, 0))
		return NULL;
	return al_await_result(db->conn, await);
}

static AlLoss
loss_by(AlEnd end)
{
	return end == AL_END_GONE ? AL_LOSS_GONE : AL_LOSS_STOP;
}

/* No such function, or not even the schema. */
static bool
is_unknown_call(const char *code)
{
	return strcmp(code, "42883") == 0 || strcmp(code, "3F000") == 0;
}

/* Has what a statement was prepared for changed since? */
static bool
is_stale_call(const char *code)
{
	return is_unknown_call(code) || strcmp(code, "0A000") == 0 ||
		strcmp(code, "26000") == 0;
}

/*
 * Runs a statement.  NULL, with the reason in *loss, when the connection gave
 * no answer; the caller owns the result otherwise.
 */
PGresult *
al_database_run(AlDatabase *db, const AlStatement *statement,
				const AlArgs *args, AlPurpose purpose, AlLoss *loss)
{
	AlAwait		await = {
		.purpose = purpose,
		.long_since = db->waited_for
	};

	for (int attempt = 0;; attempt++)
	{
		PGresult   *result;
		const char *code;
		AlEnd		needless = al_await_needless(&await);

		if (needless != AL_END_NOT)
		{
			*loss = loss_by(needless);
			return NULL;
		}
		*loss = AL_LOSS_AWAY;
		if (!is_connected(db))
			return NULL;
		await.spoilt = false;
		result = run_once(db, statement, args, &await, loss);
		/* if it is run again, its client waits since then */
		db->waited_for = await.long_since;
		code = sqlstate(result);
		if (result == NULL || PQstatus(db->conn) != CONNECTION_OK)
		{
			/* A server that says it is going down has rolled back. */
			if (strncmp(code, "57P0", 4) == 0)
				*loss = AL_LOSS_AWAY;
			PQclear(result);
			if (*loss == AL_LOSS_UNKNOWN)
				db->lost = db->process;
			al_database_disconnect(db);
			if (*loss == AL_LOSS_AWAY && attempt == 0)
				continue;
			return NULL;
		}
		*loss = AL_LOSS_NONE;
		if (await.spoilt || PQtransactionStatus(db->conn) != PQTRANS_IDLE)
			al_database_disconnect(db);
		if (await.end != AL_END_NOT && strcmp(code, "57014") == 0)
		{
			PQclear(result);
			*loss = loss_by(await.end);
			return NULL;
		}
		if (!db->prepared[statement->number] && is_unknown_call(code))
		{
			al_fit_miss(result);
			PQclear(result);
			al_database_disconnect(db);
			*loss = AL_LOSS_UNFIT;
			return NULL;
		}

		/*
		 * The extension was updated under a prepared statement of ours; or it
		 * is a trigger of the user's that misses something, again.
		 */
		if (is_stale_call(code) && attempt == 0)
		{
			PQclear(result);
			al_database_disconnect(db);
			continue;
		}
		return result;
	}
}

void
al_database_arg(AlArgs *args, const char *value)
{
	args->values[args->n] = value;
	args->lengths[args->n] = 0;
	args->formats[args->n] = 0;
	args->n++;
}

void
al_database_arg_bytes(AlArgs *args, const char *bytes, size_t len)
{
	args->values[args->n] = bytes;
	args->lengths[args->n] = (int) len;
	args->formats[args->n] = 1;
	args->n++;
}
