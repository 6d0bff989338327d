/*
 * src/httpd/fit.h
 *
 * Does the extension in the database fit this program?
 */
#ifndef AUDIT_LOG_FIT_H
#define AUDIT_LOG_FIT_H

#include <libpq-fe.h>

/* What a new connection is asked for al_fit_look(). */
#define AL_FIT_QUERY \
	"SELECT pg_catalog.current_database(), current_user, " \
	"(SELECT e.extversion FROM pg_catalog.pg_extension e" \
	" WHERE e.extname = 'audit_log'), " \
	"(SELECT pg_catalog.pg_has_role(r.oid, 'usage')" \
	" FROM pg_catalog.pg_roles r WHERE r.rolname = 'audit_log_api')"

extern void al_fit_look(const PGresult *found);
extern void al_fit_miss(const PGresult *error);

#endif							/* AUDIT_LOG_FIT_H */
