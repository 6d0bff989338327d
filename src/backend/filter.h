/*
 * src/backend/filter.h
 *
 * What is not recorded: ignored requests and tables, excluded keys.
 */
#ifndef AUDIT_LOG_FILTER_H
#define AUDIT_LOG_FILTER_H

#include "lib/stringinfo.h"
#include "utils/guc.h"

/* Grows whenever a setting changes that plans depend on. */
extern uint64 al_filter_generation;

extern bool al_filter_request_ignored(const char *method, const char *path);
extern bool al_filter_table_ignored(const char *schema, const char *table);
extern bool al_filter_column_excluded(const char *name);
extern void al_filter_add_name(StringInfo names, const char *name);
extern void al_filter_redact_value(StringInfo out, int start,
								   const char *column, StringInfo removed);
extern void al_filter_redact_payload(StringInfo payload, bool raw,
									 StringInfo removed);

/* Hooks of the settings; see guc.c. */
extern void al_filter_assign_methods(const char *newval, void *extra);
extern bool al_filter_check_paths(char **newval, void **extra,
								  GucSource source);
extern void al_filter_assign_paths(const char *newval, void *extra);
extern bool al_filter_check_tables(char **newval, void **extra,
								   GucSource source);
extern void al_filter_assign_tables(const char *newval, void *extra);
extern bool al_filter_check_payload_exclude(char **newval, void **extra,
											GucSource source);
extern void al_filter_assign_payload_exclude(const char *newval, void *extra);

#endif							/* AUDIT_LOG_FILTER_H */
