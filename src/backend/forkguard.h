/*
 * src/backend/forkguard.h
 *
 * Whether the ledger continues the checkpoint that was published last.
 */
#ifndef AUDIT_LOG_FORKGUARD_H
#define AUDIT_LOG_FORKGUARD_H

#include "ledger.h"

extern char *al_forkguard_check(Snapshot snapshot, const AlBlock *last,
								const AlGeneration *generation);

#endif							/* AUDIT_LOG_FORKGUARD_H */
