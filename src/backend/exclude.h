/*
 * src/backend/exclude.h
 *
 * Taking excluded keys out of what is recorded.
 */
#ifndef AUDIT_LOG_EXCLUDE_H
#define AUDIT_LOG_EXCLUDE_H

#include "lib/stringinfo.h"
#include "utils/guc.h"

extern bool al_exclude_column(const char *name);
extern void al_exclude_add_name(StringInfo names, const char *name);
extern void al_exclude_from_value(StringInfo out, int start,
								  const char *column, StringInfo removed);
extern bool al_exclude_from_payload(StringInfo payload, bool raw,
									StringInfo removed);

/* Hooks of the setting; see guc.c. */
extern bool al_exclude_check(char **newval, void **extra, GucSource source);
extern void al_exclude_assign(const char *newval, void *extra);

#endif							/* AUDIT_LOG_EXCLUDE_H */
