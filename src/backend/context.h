/*
 * src/backend/context.h
 *
 * Who is changing something and for which request: gathered once a
 * statement, as datums ready for a record.
 */
#ifndef AUDIT_LOG_CONTEXT_H
#define AUDIT_LOG_CONTEXT_H

#include "datatype/timestamp.h"

typedef struct AlContext
{
	/* text datums; 0 where there is none */
	Datum		request_id;
	Datum		rbac_user_id;
	Datum		rbac_user_name;
	Datum		workspace;
	Datum		request_source;
	Datum		client_ip;
	Datum		db_user;		/* session user; never 0 */
	Datum		db_role;		/* current role, when it is another */
	Datum		application_name;

	TimestampTz occurred_at;
	TimestampTz expire;			/* DT_NOEND: never */
} AlContext;

extern void al_context_fill(AlContext *context);
extern Datum al_context_text(const char *value);

#endif							/* AUDIT_LOG_CONTEXT_H */
