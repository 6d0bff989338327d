/*
 * src/backend/request.h
 *
 * Request records, and the context of the request being served.
 */
#ifndef AUDIT_LOG_REQUEST_H
#define AUDIT_LOG_REQUEST_H

#include "utils/uuid.h"

/* Datums are 0 where nothing is given. */
typedef struct AlRequest
{
	const char *method;
	const char *path;
	int			status;
	Datum		payload;		/* text */
	Datum		payload_bytes;	/* bytea; instead of payload */
	const char *request_id;		/* NULL or empty: the setting, or a new one */
	Datum		client_ip;		/* text; these override the settings */
	Datum		workspace;
	Datum		rbac_user_id;
	Datum		rbac_user_name;
	Datum		request_source;
	Datum		user_agent;		/* text */
	Datum		duration_ms;	/* numeric */
} AlRequest;

extern bool al_request_log(const AlRequest *request, pg_uuid_t *id);
extern const char *al_request_begin(const char *request_id,
									const char *workspace,
									const char *rbac_user_id,
									const char *rbac_user_name,
									const char *request_source,
									const char *client_ip);

#endif							/* AUDIT_LOG_REQUEST_H */
