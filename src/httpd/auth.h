/*
 * src/httpd/auth.h
 *
 * Who asks: bearer tokens and client certificates.
 */
#ifndef AUDIT_LOG_AUTH_H
#define AUDIT_LOG_AUTH_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* Recorded with the request; an empty string is none. */
typedef struct AlIdentity
{
	char		user_name[AL_MAX_NAME];
	char		user_id[AL_MAX_NAME];
	char		workspace[AL_MAX_NAME];
} AlIdentity;

extern bool al_auth_load_tokens(const char *file, char *why, size_t why_len);
extern bool al_auth_check_token(const char *authorization,
								AlIdentity *identity);
extern bool al_auth_check_certificate(struct MHD_Connection *mhd,
									  AlIdentity *identity);

#endif							/* AUDIT_LOG_AUTH_H */
