/*
 * src/httpd/fit.c
 *
 * Does the extension in the database fit this program?
 *
 * The two are built from one tree, but installed apart: packages replace the
 * program and leave the extension as it is in each database, until somebody
 * updates it there.  Clients need not know; whoever runs the program reads here
 * what is wrong and what to do, when it connects and when a function is missed.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "diag.h"
#include "fit.h"

#define SAY_AGAIN 60000000		/* microseconds until a miss is named again */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char said[512];			/* what was said of the last connection */
static char database[128];		/* of it */
static char version[64];		/* of the extension there; "": none */
static int64_t missed;			/* when a miss was last named; 0: not yet */

static void
describe(const char *role, bool allowed, char *line, size_t size)
{
	if (version[0] == '\0')
		snprintf(line, size,
				 "database \"%s\" has no extension audit_log: run CREATE EXTENSION audit_log CASCADE there, as a superuser",
				 database);
	else if (strcmp(version, AL_HTTPD_VERSION) != 0)
		snprintf(line, size,
				 "this is audit_log_httpd " AL_HTTPD_VERSION
				 ", but database \"%s\" has audit_log %s: run ALTER EXTENSION audit_log UPDATE there, or start the audit_log_httpd of that version",
				 database, version);
	else if (!allowed)
		snprintf(line, size,
				 "role \"%s\" may not call the API: run GRANT audit_log_api TO \"%s\" in database \"%s\"",
				 role, role, database);
	else
		snprintf(line, size,
				 "connected to database \"%s\" as \"%s\", audit_log %s",
				 database, role, version);
}

/* Says what a new connection found, unless the one before found the same. */
void
al_fit_look(const PGresult *found)
{
	char		line[sizeof(said)];

	pthread_mutex_lock(&lock);
	snprintf(database, sizeof(database), "%s", PQgetvalue(found, 0, 0));
	snprintf(version, sizeof(version), "%s", PQgetvalue(found, 0, 2));
	describe(PQgetvalue(found, 0, 1), PQgetvalue(found, 0, 3)[0] == 't',
			 line, sizeof(line));
	if (strcmp(line, said) != 0)
	{
		al_diag("%s", line);
		memcpy(said, line, sizeof(said));
	}
	pthread_mutex_unlock(&lock);
}

/* Says what the server does not know of that we call, but not all the time. */
void
al_fit_miss(const PGresult *error)
{
	int64_t		now = al_clock_now();

	pthread_mutex_lock(&lock);
	if (missed == 0 || now > missed + SAY_AGAIN)
	{
		al_diag("this program, version " AL_HTTPD_VERSION
				", does not fit audit_log %s of database \"%s\": %s; run ALTER EXTENSION audit_log UPDATE there, or start the audit_log_httpd that came with it",
				version[0] ? version : "(none)", database,
				PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY));
		missed = now;
	}
	pthread_mutex_unlock(&lock);
}
