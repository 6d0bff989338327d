/*
 * src/httpd/await.h
 *
 * The result of a statement, as long as somebody wants it.
 */
#ifndef AUDIT_LOG_AWAIT_H
#define AUDIT_LOG_AWAIT_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* For whom a statement runs, and so what ends it early. */
typedef struct AlPurpose
{
	int			client;			/* the socket of who alone wants the result;
								 * -1: it runs to its end */
	bool		record;			/* the last to be given up when we stop */
} AlPurpose;

/* How far the program is on its way out. */
typedef enum AlStop
{
	AL_STOP_NOT,
	AL_STOP_WORK,				/* statements end, all but records */
	AL_STOP_ALL
} AlStop;

/* Why a statement was ended. */
typedef enum AlEnd
{
	AL_END_NOT,
	AL_END_GONE,				/* the client went away */
	AL_END_STOP
} AlEnd;

/* One statement's wait. */
typedef struct AlAwait
{
	AlPurpose	purpose;
	int64_t		until;			/* monotonic microseconds; 0: for ever */
	AlEnd		end;			/* why it was asked to end, heard or not */
	bool		long_since;		/* so long that the client is looked at */
	bool		spoilt;			/* a request to end what runs on the
								 * connection is still under way, and may hit
								 * the next */
	bool		asked;			/* "canceller" runs */
	pthread_t	canceller;
} AlAwait;

extern void al_await_init(const AlConfig *config);
extern PGresult *al_await_result(PGconn *conn, AlAwait *await);
extern AlEnd al_await_needless(const AlAwait *await);
extern void al_await_stop(AlStop how);
extern AlStop al_await_stopping(void);

#endif							/* AUDIT_LOG_AWAIT_H */
