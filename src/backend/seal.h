/*
 * src/backend/seal.h
 *
 * Sealing: committed records become leaves of the ledger.
 */
#ifndef AUDIT_LOG_SEAL_H
#define AUDIT_LOG_SEAL_H

#include "utils/relcache.h"
#include "utils/snapshot.h"

extern Relation al_seal_lock(const char *command);
extern Snapshot al_seal_snapshot(void);
extern int64 al_seal(void);
extern int64 al_seal_waiting(Snapshot snapshot, int64 most);
extern bool al_seal_wait(uint64 txid, int64 timeout_ms);

#endif							/* AUDIT_LOG_SEAL_H */
