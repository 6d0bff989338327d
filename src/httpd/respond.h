/*
 * src/httpd/respond.h
 *
 * Answers: their bodies, headers and the line about them in the access log.
 */
#ifndef AUDIT_LOG_RESPOND_H
#define AUDIT_LOG_RESPOND_H

#include "request.h"

/* Kong's numbers for what can be wrong with a request. */
typedef enum AlCode
{
	AL_CODE_NONE = 0,			/* message alone */
	AL_CODE_SCHEMA = 2,
	AL_CODE_FOREIGN_KEY = 4,
	AL_CODE_UNIQUE = 5,
	AL_CODE_OFFSET = 7,
	AL_CODE_SIZE = 9,
	AL_CODE_OPTIONS = 11
} AlCode;

extern void al_respond_init(const AlConfig *config);
extern void al_respond_error(AlRequest *request, unsigned int status,
							 const char *message);
extern void al_respond_failure(AlRequest *request, const PGresult *result);
extern void al_respond_result(AlRequest *request, PGresult *result);
extern void al_respond_text(AlRequest *request, unsigned int status,
							const char *type);
extern void al_respond_allow(AlRequest *request, unsigned int methods);
extern bool al_respond_is_transient(const PGresult *result);
extern enum MHD_Result al_respond_send(AlRequest *request);
extern void al_respond_send_last(AlRequest *request);

#endif							/* AUDIT_LOG_RESPOND_H */
