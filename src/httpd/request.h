/*
 * src/httpd/request.h
 *
 * One HTTP request from its first byte to its last, and the connection it
 * came on.  A request belongs to the thread of its connection, and from its
 * answer on also to one that writes its record, if that was left for later.
 */
#ifndef AUDIT_LOG_REQUEST_H
#define AUDIT_LOG_REQUEST_H

#include <libpq-fe.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdint.h>

#include "../core/buf.h"
#include "auth.h"
#include "config.h"
#include "connection.h"
#include "uri.h"

#define AL_REQUEST_ID_LENGTH 32

typedef enum AlMethod
{
	AL_GET = 1,
	AL_HEAD = 2,
	AL_POST = 4,
	AL_PUT = 8,
	AL_PATCH = 16,
	AL_DELETE = 32,
	AL_OPTIONS = 64,
	AL_OTHER = 128
} AlMethod;

/* What the database does for a request; see routes.c. */
typedef enum AlWork
{
	AL_WORK_RECORD,				/* the answer stands, only its record is due */
	AL_WORK_STATUS,
	AL_WORK_READY,
	AL_WORK_LIST_OBJECTS,
	AL_WORK_LIST_REQUESTS,
	AL_WORK_ONE_OBJECT,
	AL_WORK_ONE_REQUEST,
	AL_WORK_HISTOGRAM,
	AL_WORK_LEDGER,
	AL_WORK_VERIFY,
	AL_WORK_EXPORT,
	AL_WORK_CHECKPOINT,
	AL_WORK_PROOF,
	AL_WORK_TILE,
	AL_WORK_READ_ENTITY,
	AL_WORK_WRITE_ENTITY,
	AL_WORK_OUTCOME				/* of a change whose answer was lost */
} AlWork;

/* The answer.  The body is static, in "text", or in "result". */
typedef struct AlAnswer
{
	unsigned int status;
	const char *body;			/* NULL for none */
	size_t		len;
	AlBuf		text;
	PGresult   *result;
	const char *type;			/* Content-Type */
	const char *policy;			/* Content-Security-Policy, in "nonce" */
	unsigned int allow;			/* methods for Allow; 0 for none */
	char		nonce[360];
} AlAnswer;

typedef struct AlRequest
{
	struct MHD_Connection *mhd;
	AlConnection *connection;
	int			client;			/* its socket, -1: unknown */
	atomic_long *stage;			/* counter of where it is now */
	struct AlRequest *next;		/* of those whose record is due */
	atomic_int	references;		/* of its connection, and of its record when
								 * detached */

	char		id[AL_REQUEST_ID_LENGTH + 1];
	int64_t		started;		/* monotonic microseconds */
	int64_t		answered;		/* the same, when detached; 0: not yet */
	char	   *target;			/* request target as it came */
	char	   *path;			/* the same, printable, for records and logs */
	char		method_name[32];
	AlMethod	method;
	char		peer[INET6_ADDRSTRLEN];
	char	   *user_agent;		/* printable; NULL for none */
	char	   *content_type;
	AlIdentity	identity;

	AlBuf		body;
	size_t		received;		/* bytes of body seen, kept or not */
	bool		has_body;
	bool		is_form;		/* "params" are the body's pairs */
	bool		too_large;
	bool		seen;			/* headers were looked at */
	bool		detached;		/* answered before its record is written */

	AlWork		work;
	AlParams	params;
	char	   *segments;		/* storage of the decoded path */
	AlBuf		place;			/* storage of a tile's path */
	const char *table;			/* of the entity routes */
	const char *key;			/* last segment, decoded; NULL for none */
	AlAnswer	answer;
} AlRequest;

extern bool al_request_init(void);
extern AlRequest *al_request_make(struct MHD_Connection *mhd,
								  AlConnection *connection,
								  const char *target);
extern void al_request_enter(AlRequest *request, atomic_long *stage);
extern void al_request_release(AlRequest *request);

#endif							/* AUDIT_LOG_REQUEST_H */
