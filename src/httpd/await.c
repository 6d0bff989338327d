/*
 * src/httpd/await.c
 *
 * Waiting for the result of a statement, and ending one that nobody wants.
 *
 * Nobody wants what a client asked to read that has gone, nor, once we were
 * told to stop and the time for it is over, anything but records.  The server
 * is then asked to cancel it; what became of it, the result says, as always:
 * it may have been too late.
 *
 * A client has gone when its end of the connection is closed, however much of
 * what it sent before is still to be read.  One that only stops sending and
 * waits on looks the same; so a client is looked at not before TICK, which
 * most statements do not take, and for them costs nothing either.  A change
 * is never ended for that: whoever asks for one and leaves, as a script that
 * sends and forgets does, wants it made.
 *
 * libpq before 17 cancels on a connection that knows no timeout, so a thread
 * does it that may be left behind.  It could hit the next statement then, so
 * the connection must not have one.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <time.h>

#include "await.h"
#include "clock.h"

#define TICK 200				/* milliseconds */
#define GRACE 3000				/* milliseconds that an end may take */

static const AlConfig *config;
static atomic_int stopping;		/* AlStop */

void
al_await_init(const AlConfig *with)
{
	config = with;
}

/* Statements that run notice within a TICK. */
void
al_await_stop(AlStop how)
{
	atomic_store(&stopping, (int) how);
}

AlStop
al_await_stopping(void)
{
	return (AlStop) atomic_load(&stopping);
}

static bool
has_gone(int client)
{
	struct pollfd fd = {client, POLLRDHUP, 0};

	return client >= 0 && poll(&fd, 1, 0) > 0;
}

/* Why nobody wants the result. */
AlEnd
al_await_needless(const AlAwait *await)
{
	AlStop		endured = await->purpose.record ? AL_STOP_WORK : AL_STOP_NOT;

	if (al_await_stopping() > endured)
		return AL_END_STOP;
	return await->long_since && has_gone(await->purpose.client) ?
		AL_END_GONE : AL_END_NOT;
}

static void *
send_cancel(void *arg)
{
#ifdef LIBPQ_HAS_ASYNC_CANCEL
	(void) PQcancelBlocking(arg);
	PQcancelFinish(arg);
#else
	char		why[256];

	(void) PQcancel(arg, why, sizeof(why));
	PQfreeCancel(arg);
#endif
	return NULL;
}

/* Asks the server to end the statement; if it cannot be asked, it runs on. */
static void
ask_to_end(PGconn *conn, AlAwait *await)
{
	int64_t		end = al_clock_now() + (int64_t) GRACE * 1000;
#ifdef LIBPQ_HAS_ASYNC_CANCEL
	PGcancelConn *cancel = PQcancelCreate(conn);
#else
	PGcancel   *cancel = PQgetCancel(conn);
#endif

	await->asked = cancel != NULL &&
		pthread_create(&await->canceller, NULL, send_cancel, cancel) == 0;
	if (await->asked && (await->until == 0 || end < await->until))
		await->until = end;
#ifdef LIBPQ_HAS_ASYNC_CANCEL
	if (!await->asked)
		PQcancelFinish(cancel);
#else
	if (!await->asked)
		PQfreeCancel(cancel);
#endif
}

/* The statement is over; is what was to end it, too? */
static void
join_canceller(AlAwait *await, bool answered)
{
	struct timespec when;

	if (!await->asked)
		return;
	clock_gettime(CLOCK_REALTIME, &when);
	if (answered)
		when.tv_sec += GRACE / 1000;
	await->spoilt =
		pthread_timedjoin_np(await->canceller, NULL, &when) != 0;
	if (await->spoilt)
		pthread_detach(await->canceller);
}

/* Waits for the server's socket; false when the time is over. */
static bool
wait_for(PGconn *conn, short events, AlAwait *await)
{
	for (;;)
	{
		struct pollfd fds[] = {
			{PQsocket(conn), events, 0},
			{-1, POLLRDHUP, 0}
		};
		int64_t		left = TICK;
		int			ready;

		if (await->until != 0)
			left = (await->until - al_clock_now()) / 1000 + 1;
		if (left <= 0)
			return false;
		if (await->long_since && await->end == AL_END_NOT)
			fds[1].fd = await->purpose.client;
		ready = poll(fds, 2, left < TICK ? (int) left : TICK);
		if (ready < 0 && errno != EINTR)
			return false;
		if (fds[0].revents != 0)
			return true;
		await->long_since = true;
		if (await->end != AL_END_NOT)
			continue;
		await->end = al_await_needless(await);
		if (await->end != AL_END_NOT)
			ask_to_end(conn, await);
	}
}

static bool
is_error(const PGresult *result)
{
	return PQresultErrorField(result, PG_DIAG_SQLSTATE) != NULL;
}

static PGresult *
take_result(PGconn *conn, AlAwait *await)
{
	PGresult   *result = NULL;

	while (PQflush(conn) > 0)
	{
		if (!wait_for(conn, POLLIN | POLLOUT, await))
			return NULL;
		if (!PQconsumeInput(conn))
			break;
	}
	for (;;)
	{
		PGresult   *next;

		while (PQisBusy(conn))
		{
			if (!wait_for(conn, POLLIN, await))
			{
				PQclear(result);
				return NULL;
			}
			if (!PQconsumeInput(conn))
				break;
		}
		next = PQgetResult(conn);
		/* the server's last words say more than that it hung up */
		if (next == NULL || (result && is_error(result) &&
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
 * The result of what was just sent.  NULL when the server is silent although
 * its own timeout, or the time to end, is past: it hangs, or the network lost
 * it.
 */
PGresult *
al_await_result(PGconn *conn, AlAwait *await)
{
	PGresult   *result;

	await->end = AL_END_NOT;
	await->asked = false;
	await->until = config->statement_timeout == 0 ? 0 : al_clock_now() +
		((int64_t) config->statement_timeout + GRACE) * 1000;
	result = take_result(conn, await);
	join_canceller(await, result != NULL);
	return result;
}
