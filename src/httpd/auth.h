/*
 * src/httpd/auth.h
 *
 * Who asks, and whether that is allowed: bearer tokens, client certificates,
 * and the checks that keep other web sites out of a browser's reach.
 */
#ifndef AUDIT_LOG_AUTH_H
#define AUDIT_LOG_AUTH_H

#include <microhttpd.h>

#include "config.h"

#define AL_MAX_NAME 128

/* Recorded with the request; an empty string is none. */
typedef struct AlIdentity
{
	char		user_name[AL_MAX_NAME];
	char		user_id[AL_MAX_NAME];
	char		workspace[AL_MAX_NAME];
} AlIdentity;

extern bool al_auth_load_tokens(const char *file, char *why, size_t why_len);
extern bool
			al_auth_check_token(const char *authorization, AlIdentity *identity);
extern bool
			al_auth_check_certificate(struct MHD_Connection *mhd, AlIdentity *identity);
extern bool
			al_auth_same_site(const AlConfig *config, struct MHD_Connection *mhd);

#endif							/* AUDIT_LOG_AUTH_H */
