/*
 * src/httpd/pool.h
 *
 * Database connections, one thread at a time.
 */
#ifndef AUDIT_LOG_POOL_H
#define AUDIT_LOG_POOL_H

#include "await.h"

#define AL_MAX_STATEMENTS 32
#define AL_MAX_ARGS 40
#define AL_POOL_PATIENT (-1)

/* A statement, prepared once a connection when it is first used. */
typedef struct AlStatement
{
	int			number;			/* 0 .. AL_MAX_STATEMENTS - 1, unique */
	const char *sql;
} AlStatement;

/* Arguments of a statement; NULL values are SQL nulls. */
typedef struct AlArgs
{
	int			n;
	const char *values[AL_MAX_ARGS];
	int			lengths[AL_MAX_ARGS];
	int			formats[AL_MAX_ARGS];	/* 1: binary */
} AlArgs;

/* What became of a statement that gave no result. */
typedef enum AlLoss
{
	AL_LOSS_NONE,
	AL_LOSS_AWAY,				/* no connection: it did not run */
	AL_LOSS_UNKNOWN,			/* the connection broke: it may have run */
	AL_LOSS_GONE,				/* its client has gone: it was not run, or to no end */
	AL_LOSS_STOP				/* we stop: the same */
} AlLoss;

typedef struct AlDatabase AlDatabase;

extern bool al_pool_start(const AlConfig *config);
extern AlDatabase *al_pool_take(int milliseconds);
extern void al_pool_give(AlDatabase *db);
extern void al_pool_hurry(AlStop how);
extern void al_pool_stop(void);
extern PGresult *al_pool_run(AlDatabase *db, const AlStatement *statement,
							 const AlArgs *args, AlPurpose purpose,
							 AlLoss *loss);
extern bool al_pool_reconnect(AlDatabase *db);
extern bool al_pool_is_settled(const AlDatabase *db);
extern void al_pool_arg(AlArgs *args, const char *value);
extern void al_pool_arg_bytes(AlArgs *args, const char *bytes, size_t len);

#endif							/* AUDIT_LOG_POOL_H */
