/*
 * src/backend/anchor.h
 *
 * Time stamps of checkpoints by authorities outside.
 */
#ifndef AUDIT_LOG_ANCHOR_H
#define AUDIT_LOG_ANCHOR_H

#include "ledger.h"

/*
 * The record of a stamp: its key, and what its entity begins with, by which
 * the other verifiers find it as well.
 */
#define AL_ANCHOR_EVENT "timestamp"
#define AL_ANCHOR_EVENT_FORMAT \
	"{\"event\":\"timestamp\",\"size\":\"%lld\",\"token\":\"%64[0-9a-f]\""

/* Takes what is wrong with a stored time stamp of the checkpoint of a size. */
typedef void (*AlAnchorSink) (void *arg, int64 size, const char *detail);

/* What has been added, or was there. */
typedef struct AlAnchored
{
	bool		is_new;
	TimestampTz time;
	int64		size;			/* of the checkpoint that is stamped */
	char		token[2 * AL_SHA256_LEN + 1];	/* digest of the token, in hex */
} AlAnchored;

extern void al_anchor_digest(const AlBlock *block,
							 const AlGeneration *generation,
							 uint8 digest[AL_SHA256_LEN]);
extern void al_anchor_add(Snapshot snapshot, const bytea *reply, int64 size,
						  AlAnchored *result);
extern void al_anchor_check(Snapshot snapshot, int64 from, int64 to,
							AlAnchorSink sink, void *arg);

#endif							/* AUDIT_LOG_ANCHOR_H */
