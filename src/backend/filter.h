/*
 * src/backend/filter.h
 *
 * What is not recorded: ignored requests and tables.
 */
#ifndef AUDIT_LOG_FILTER_H
#define AUDIT_LOG_FILTER_H

#include "utils/guc.h"

extern bool al_filter_request_ignored(const char *method, const char *path);
extern bool al_filter_table_ignored(const char *schema, const char *table);

/* Hooks of the settings; see guc.c. */
extern bool al_filter_check_methods(char **newval, void **extra,
									GucSource source);
extern void al_filter_assign_methods(const char *newval, void *extra);
extern bool al_filter_check_paths(char **newval, void **extra,
								  GucSource source);
extern void al_filter_assign_paths(const char *newval, void *extra);
extern bool al_filter_check_tables(char **newval, void **extra,
								   GucSource source);
extern void al_filter_assign_tables(const char *newval, void *extra);

#endif							/* AUDIT_LOG_FILTER_H */
