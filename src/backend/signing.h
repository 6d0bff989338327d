/*
 * src/backend/signing.h
 *
 * Signing checkpoints with the keys of this server.
 */
#ifndef AUDIT_LOG_SIGNING_H
#define AUDIT_LOG_SIGNING_H

#include "lib/stringinfo.h"

#include "core/crypto.h"

#include "ledger.h"

extern bool al_signing_sign(Snapshot snapshot, const char *text,
							const AlBlock *block,
							const AlGeneration *generation,
							StringInfo lines);
extern bool al_signing_next_waits(Snapshot snapshot,
								  const AlGeneration *generation);
extern char *al_signing_next_path(void);
extern AlKey *al_signing_hold(AlKey *key);

#endif							/* AUDIT_LOG_SIGNING_H */
