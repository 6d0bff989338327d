/*
 * src/backend/custody.h
 *
 * What people decide about the ledger, each with a record of its own.
 */
#ifndef AUDIT_LOG_CUSTODY_H
#define AUDIT_LOG_CUSTODY_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

extern int	al_custody_new_generation(const char *reason);
extern char *al_custody_rotate_key(void);
extern char *al_custody_add_key(const char *verifier);
extern void al_custody_add_signature(const char *line);
extern TimestampTz al_custody_add_timestamp(const bytea *reply, int64 size);
extern void al_custody_erase(const pg_uuid_t *id, const char *reason);

#endif							/* AUDIT_LOG_CUSTODY_H */
