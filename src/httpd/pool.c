/*
 * src/httpd/pool.c
 *
 * Worker threads and their database connections.
 *
 * A connection belongs to one worker for its whole life, and a statement is
 * a transaction of its own, so no two requests ever share a transaction and
 * no state of one is left for the next.
 *
 * While the database is away a worker fails at once instead of queueing: a
 * client learns it in milliseconds, and one attempt in RETRY_AFTER, of
 * whichever worker comes first, finds out when it is back.
 *
 * Nor does a client wait long when all workers are busy, or wait themselves
 * for a server that says nothing any more: al_pool_expire() gives up what was
 * queued for too long, and a worker gives up a connection on which a
 * statement is not ended by the server's own timeout.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#define RETRY_AFTER 250000		/* microseconds between attempts to connect */
#define GRACE 3000				/* milliseconds past a statement's timeout */
#define QUEUE_PER_CONNECTION 2
#define RETAINED (4 * 1024 * 1024)	/* bytes, of a server process */

struct AlDatabase
{
	pthread_t	thread;
	PGconn	   *conn;			/* NULL while there is none */
	bool		prepared[AL_MAX_STATEMENTS];
	pthread_cond_t wakeup;
	bool		idle;			/* waits for work, and is in the list */
	AlDatabase *next_idle;
};

static const AlConfig *config;
static AlExecute execute;
static AlFinish finish;
static AlExpire expire;
static AlDatabase *workers;
static int	nworkers;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static AlRequest *first;
static AlRequest **last = &first;
static int	queued;

/*
 * The worker that went idle last is called first: with few clients the same
 * few connections are used, whose server processes have warm caches.
 */
static AlDatabase *idle;
static bool stopping;
static atomic_llong next_attempt;	/* monotonic microseconds */

static void
on_notice(void *arg, const char *message)
{
	(void) arg;
	fprintf(stderr, "audit_log_httpd: %s", message);
}

static void
disconnect(AlDatabase *db)
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

/* Waits for the socket, until "end"; false when nothing came. */
static bool
wait_until(PGconn *conn, bool writing, int64_t end)
{
	struct pollfd fd = {
		.fd = PQsocket(conn),
		.events = (short) (writing ? POLLIN | POLLOUT : POLLIN)
	};
	int64_t		left = end - al_request_now();

	if (config->statement_timeout == 0)
		return poll(&fd, 1, -1) > 0;
	return left > 0 && poll(&fd, 1, (int) (left / 1000 + 1)) > 0;
}

/*
 * The result of what was just sent.  NULL when the server is silent although
 * its own timeout is past: it hangs, or the network lost it.
 */
static PGresult *
await_result(PGconn *conn)
{
	int64_t		end = al_request_now() +
		((int64_t) config->statement_timeout + GRACE) * 1000;
	PGresult   *result = NULL;

	while (PQflush(conn) > 0)
	{
		if (!wait_until(conn, true, end))
			return NULL;
		if (!PQconsumeInput(conn))
			break;
	}
	for (;;)
	{
		PGresult   *next;

		while (PQisBusy(conn))
		{
			if (!wait_until(conn, false, end))
			{
				PQclear(result);
				return NULL;
			}
			if (!PQconsumeInput(conn))
				break;
		}
		next = PQgetResult(conn);
		/* the server's last words say more than that it hung up */
		if (next == NULL || (result && sqlstate(next)[0] == '\0' &&
							 PQstatus(conn) != CONNECTION_OK))
		{
			PQclear(next);
			return result;
		}
		PQclear(result);
		result = next;
	}
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
	char		sql[256];
	PGresult   *result;
	bool		ok;

	/* A lock is waited for, or a client's pause endured, no longer. */
	snprintf(sql, sizeof(sql),
			 "SELECT length(repeat(repeat(' ', 1024), %d)); "
			 "SET statement_timeout = %d; "
			 "SET idle_in_transaction_session_timeout = %d",
			 RETAINED / 1024, config->statement_timeout, config->statement_timeout);
	result = PQsetnonblocking(conn, 1) == 0 && PQsendQuery(conn, sql) ?
		await_result(conn) : NULL;
	ok = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	return ok;
}

static bool
connect_now(AlDatabase *db)
{
	char		timeout[16];
	const char *keywords[] = {"fallback_application_name", "client_encoding",
	"connect_timeout", NULL};
	const char *values[] = {"audit_log_httpd", "UTF8", timeout, NULL};
	PGconn	   *conn;

	snprintf(timeout, sizeof(timeout), "%d", config->connect_timeout);
	conn = PQconnectdbParams(keywords, values, 0);
	if (PQstatus(conn) != CONNECTION_OK || !set_session(conn))
	{
		atomic_store(&next_attempt, al_request_now() + RETRY_AFTER);
		on_notice(NULL, PQerrorMessage(conn));
		PQfinish(conn);
		return false;
	}
	PQsetNoticeProcessor(conn, on_notice, NULL);
	db->conn = conn;
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
	struct pollfd fd = {.fd = PQsocket(conn),.events = POLLIN};

	if (PQstatus(conn) != CONNECTION_OK)
		return true;
	if (poll(&fd, 1, 0) <= 0)
		return false;
	return PQconsumeInput(conn) == 0 || PQstatus(conn) != CONNECTION_OK;
}

static bool
is_connected(AlDatabase *db)
{
	if (db->conn && is_stale(db->conn))
		disconnect(db);
	if (db->conn)
		return true;
	if (al_request_now() < atomic_load(&next_attempt))
		return false;
	return connect_now(db);
}

/* Connects anew, waiting a moment for a server that is starting. */
bool
al_pool_reconnect(AlDatabase *db)
{
	int64_t		end = al_request_now() + 8 * RETRY_AFTER;

	while (!is_connected(db))
	{
		if (al_request_now() > end)
			return false;
		poll(NULL, 0, RETRY_AFTER / 1000);
	}
	return true;
}

/* NULL when the connection gave no result, or not in time. */
static PGresult *
run_once(AlDatabase *db, const AlStatement *statement, const AlArgs *args,
		 AlLoss *loss)
{
	char		name[16];
	PGresult   *result;

	snprintf(name, sizeof(name), "al%d", statement->number);
	*loss = AL_LOSS_AWAY;
	if (!db->prepared[statement->number])
	{
		result = PQsendPrepare(db->conn, name, statement->sql, 0, NULL) ?
			await_result(db->conn) : NULL;
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			return result;
		PQclear(result);
		db->prepared[statement->number] = true;
	}
	*loss = AL_LOSS_UNKNOWN;
	if (!PQsendQueryPrepared(db->conn, name, args->n, args->values,
							 args->lengths, args->formats, 0))
		return NULL;
	return await_result(db->conn);
}

/*
 * Runs a statement.  NULL, with the reason in *loss, when the connection gave
 * no answer; the caller owns the result otherwise.
 */
PGresult *
al_pool_run(AlDatabase *db, const AlStatement *statement, const AlArgs *args,
			AlLoss *loss)
{
	for (int attempt = 0;; attempt++)
	{
		PGresult   *result;
		const char *code;

		*loss = AL_LOSS_AWAY;
		if (!is_connected(db))
			return NULL;
		result = run_once(db, statement, args, loss);
		code = sqlstate(result);
		if (result == NULL || PQstatus(db->conn) != CONNECTION_OK)
		{
			/* A server that says it is going down has rolled back. */
			if (strncmp(code, "57P0", 4) == 0)
				*loss = AL_LOSS_AWAY;
			PQclear(result);
			disconnect(db);
			if (*loss == AL_LOSS_AWAY && attempt == 0)
				continue;
			return NULL;
		}
		*loss = AL_LOSS_NONE;
		if (PQtransactionStatus(db->conn) != PQTRANS_IDLE)
			disconnect(db);
		/* The extension was updated under a prepared statement of ours. */
		else if ((strcmp(code, "0A000") == 0 || strcmp(code, "26000") == 0) &&
				 attempt == 0)
		{
			PQclear(result);
			disconnect(db);
			continue;
		}
		return result;
	}
}

void
al_pool_arg(AlArgs *args, const char *value)
{
	args->values[args->n] = value;
	args->lengths[args->n] = 0;
	args->formats[args->n] = 0;
	args->n++;
}

void
al_pool_arg_bytes(AlArgs *args, const char *bytes, size_t len)
{
	args->values[args->n] = bytes;
	args->lengths[args->n] = (int) len;
	args->formats[args->n] = 1;
	args->n++;
}

static AlRequest *
take(AlDatabase *db)
{
	AlRequest  *request;

	pthread_mutex_lock(&lock);
	while (first == NULL && !stopping)
	{
		db->idle = true;
		db->next_idle = idle;
		idle = db;
		while (db->idle && !stopping)
			pthread_cond_wait(&db->wakeup, &lock);
	}
	request = first;
	if (request)
	{
		first = request->next;
		if (first == NULL)
			last = &first;
		queued--;
	}
	pthread_mutex_unlock(&lock);
	return request;
}

static void *
work(void *arg)
{
	AlDatabase *db = arg;
	AlRequest  *request;

	while ((request = take(db)) != NULL)
	{
		execute(db, request);
		finish(request);
	}
	disconnect(db);
	return NULL;
}

/*
 * Hands a request to the workers; false when they have stopped.  The queue is
 * bounded by the number of connections, but for detached requests, which have
 * been answered and are refused when too many of them wait.
 */
bool
al_pool_submit(AlRequest *request)
{
	bool		accepted;

	pthread_mutex_lock(&lock);
	accepted =
		!stopping && (!request->detached ||
					  queued < config->max_connections * QUEUE_PER_CONNECTION);
	if (accepted)
	{
		request->next = NULL;
		request->queued = al_request_now();
		*last = request;
		last = &request->next;
		queued++;
		if (idle)
		{
			AlDatabase *db = idle;

			idle = db->next_idle;
			db->idle = false;
			pthread_cond_signal(&db->wakeup);
		}
	}
	pthread_mutex_unlock(&lock);
	return accepted;
}

/*
 * Gives up the requests that have waited too long: they are answered now, and
 * wait on for their record alone; but when too many do, without one.
 */
void
al_pool_expire(void)
{
	int64_t		limit = al_request_now() - (int64_t) config->queue_timeout * 1000;
	int			bound = config->max_connections * QUEUE_PER_CONNECTION;
	AlRequest **link = &first;

	pthread_mutex_lock(&lock);
	while (*link && (*link)->queued < limit)
	{
		AlRequest  *request = *link;
		bool		record = queued <= bound;

		if (request->detached || record)
			link = &request->next;
		else
		{
			*link = request->next;
			if (last == &request->next)
				last = link;
			queued--;
		}
		if (!request->detached)
			expire(request, record);
	}
	pthread_mutex_unlock(&lock);
}

bool
al_pool_start(const AlConfig *with, AlExecute on_execute, AlFinish on_finish,
			  AlExpire on_expire)
{
	config = with;
	execute = on_execute;
	finish = on_finish;
	expire = on_expire;
	workers = calloc((size_t) config->pool_size, sizeof(AlDatabase));
	if (workers == NULL)
		return false;
	for (nworkers = 0; nworkers < config->pool_size; nworkers++)
	{
		pthread_cond_init(&workers[nworkers].wakeup, NULL);
		if (pthread_create(&workers[nworkers].thread, NULL, work,
						   &workers[nworkers]) != 0)
			return false;
	}
	return true;
}

/* Finishes what is queued, then ends the workers. */
void
al_pool_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	for (int i = 0; i < nworkers; i++)
		pthread_cond_signal(&workers[i].wakeup);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < nworkers; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
}
