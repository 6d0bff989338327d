/*
 * src/backend/keys.h
 *
 * The private key that signs records.
 */
#ifndef AUDIT_LOG_KEYS_H
#define AUDIT_LOG_KEYS_H

#include "utils/guc.h"

#include "core/crypto.h"

extern bool al_keys_active(void);
extern AlKey *al_keys_current(void);

/* Hooks of the setting; see guc.c. */
extern bool al_keys_check_signing_key(char **newval, void **extra,
									  GucSource source);
extern void al_keys_assign_signing_key(const char *newval, void *extra);
extern void al_keys_defined(void);

#endif							/* AUDIT_LOG_KEYS_H */
