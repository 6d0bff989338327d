/*
 * src/httpd/database.h
 *
 * A connection to the database, and statements on it.
 */
#ifndef AUDIT_LOG_DATABASE_H
#define AUDIT_LOG_DATABASE_H

#include "await.h"

#define AL_MAX_STATEMENTS 32
#define AL_MAX_ARGS 40

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
	AL_LOSS_GONE,				/* its client has gone: it did not run, or was
								 * ended */
	AL_LOSS_STOP,				/* we stop: the same */
	AL_LOSS_UNFIT				/* the extension has no such function */
} AlLoss;

typedef struct AlDatabase
{
	PGconn	   *conn;			/* NULL while there is none */
	bool		prepared[AL_MAX_STATEMENTS];
	bool		waited_for;		/* who has it had to wait for it */
	int			process;		/* of the server, at the other end */
	int			lost;			/* the same, of the connection before, if it
								 * may still be at work; 0: none */
	bool		settled;		/* no such process is at work */
	struct AlDatabase *next;	/* in the list of those that are free */
} AlDatabase;

extern void al_database_init(const AlConfig *config);
extern PGresult *al_database_run(AlDatabase *db, const AlStatement *statement,
								 const AlArgs *args, AlPurpose purpose,
								 AlLoss *loss);
extern void al_database_greet(AlDatabase *db);
extern bool al_database_reconnect(AlDatabase *db);
extern bool al_database_is_settled(const AlDatabase *db);
extern void al_database_disconnect(AlDatabase *db);
extern void al_database_arg(AlArgs *args, const char *value);
extern void al_database_arg_bytes(AlArgs *args, const char *bytes,
								  size_t len);

#endif							/* AUDIT_LOG_DATABASE_H */
