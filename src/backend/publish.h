/*
 * src/backend/publish.h
 *
 * Publishing checkpoints when the transaction that sealed has committed.
 */
#ifndef AUDIT_LOG_PUBLISH_H
#define AUDIT_LOG_PUBLISH_H

#include "ledger.h"

extern void al_publish_init(void);
extern const char *al_publish_problem(void);
extern void al_publish_checkpoint(Snapshot snapshot, const AlBlock *block,
								  const AlGeneration *generation, bool sign);

#endif							/* AUDIT_LOG_PUBLISH_H */
