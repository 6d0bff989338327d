/*
 * src/backend/verify.h
 *
 * Deriving the ledger again and comparing; differences are findings.
 */
#ifndef AUDIT_LOG_VERIFY_H
#define AUDIT_LOG_VERIFY_H

#include "utils/uuid.h"

/* leaf is -1, id NULL where a finding is not about one. */
typedef void (*AlFindingSink) (void *arg, const char *kind, int64 leaf,
							   const pg_uuid_t *id, const char *detail);

extern void al_verify(int64 from, int64 to, const char *checkpoint,
					  AlFindingSink sink, void *arg);

#endif							/* AUDIT_LOG_VERIFY_H */
