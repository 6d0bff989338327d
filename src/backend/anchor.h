/*
 * src/backend/anchor.h
 *
 * Time stamps of checkpoints by authorities outside.
 */
#ifndef AUDIT_LOG_ANCHOR_H
#define AUDIT_LOG_ANCHOR_H

#include "ledger.h"

/* Takes what is wrong with a stored time stamp of the checkpoint of a size. */
typedef void (*AlAnchorSink) (void *arg, int64 size, const char *detail);

extern void al_anchor_digest(const AlBlock *block,
							 const AlGeneration *generation,
							 uint8 digest[AL_SHA256_LEN]);
extern TimestampTz al_anchor_add(Snapshot snapshot, const bytea *reply,
								 int64 size);
extern void al_anchor_check(Snapshot snapshot, int64 from, int64 to,
							AlAnchorSink sink, void *arg);

#endif							/* AUDIT_LOG_ANCHOR_H */
