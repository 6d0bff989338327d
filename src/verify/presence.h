/*
 * src/verify/presence.h
 *
 * Records that are stored and should be leaves, but are not.
 */
#ifndef AUDIT_LOG_PRESENCE_H
#define AUDIT_LOG_PRESENCE_H

#include "block.h"
#include "entry.h"
#include "report.h"
#include "source.h"

#define AL_PRESENCE_BUCKETS 65536

typedef struct AlIdSum
{
	uint64_t	count;			/* leaves less stored records */
	uint64_t	sum[2];			/* of their ids, likewise */
} AlIdSum;

typedef struct AlPresence
{
	int64_t		from;			/* records that expire before are left out */
	int64_t		moved_at;		/* start of the last cluster; INT64_MIN: the
								 * first */
	uint64_t	waiting;		/* not sealed yet */
	AlIdSum		buckets[AL_PRESENCE_BUCKETS];
} AlPresence;

extern void al_presence_leaf(AlPresence *presence, const AlEntry *entry);
extern AlStatus al_presence_check(AlPresence *presence, AlSource *source,
								  const AlBlock *last, uint64_t missing,
								  AlReport *report, AlError *err);

#endif							/* AUDIT_LOG_PRESENCE_H */
