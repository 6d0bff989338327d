/*
 * src/backend/guc.h
 *
 * The audit.* settings, as variables.  guc.c says what each means, who may
 * change it and why.
 */
#ifndef AUDIT_LOG_GUC_H
#define AUDIT_LOG_GUC_H

#include "utils/guc.h"

#define AL_MAX_REQUEST_ID_LENGTH 128	/* characters */
#define AL_MAX_ORIGIN_LENGTH 200	/* bytes; room for a generation behind it */

extern bool al_guc_enabled;
extern int	al_guc_record_ttl;	/* seconds; 0 = never expires */
extern char *al_guc_signing_key;
extern char *al_guc_ignore_methods;
extern char *al_guc_ignore_paths;
extern char *al_guc_ignore_tables;
extern char *al_guc_payload_exclude;
extern char *al_guc_request_id;
extern char *al_guc_workspace;
extern char *al_guc_rbac_user_id;
extern char *al_guc_rbac_user_name;
extern char *al_guc_request_source;
extern char *al_guc_client_ip;
extern char *al_guc_ledger_origin;
extern char *al_guc_ledger_key;
extern char *al_guc_checkpoint_dir;
extern char *al_guc_ledger_database;
extern int	al_guc_ledger_interval; /* seconds */
extern int	al_guc_ledger_heartbeat;	/* seconds */
extern int	al_guc_coverage_interval;	/* seconds; 0 = never */

/* Grows whenever a setting changes that plans of tables depend on. */
extern uint64 al_guc_generation;

/*
 * Hooks of the settings that a room above interprets: it checks a new value,
 * and learns of a change.
 */
typedef struct AlGucHooks
{
	GucStringCheckHook check_methods;
	GucStringAssignHook assign_methods;
	GucStringCheckHook check_paths;
	GucStringAssignHook assign_paths;
	GucStringCheckHook check_tables;
	GucStringAssignHook assign_tables;
	GucStringCheckHook check_payload_exclude;
	GucStringAssignHook assign_payload_exclude;
	GucStringCheckHook check_signing_key;
	GucStringAssignHook assign_signing_key;
} AlGucHooks;

/* Unset is the empty string; before the settings are defined, NULL. */
static inline bool
al_guc_is_set(const char *setting)
{
	return setting != NULL && *setting != '\0';
}

extern void al_guc_init(const AlGucHooks *hooks);
extern void al_guc_require_request_id(const char *value);

#endif							/* AUDIT_LOG_GUC_H */
