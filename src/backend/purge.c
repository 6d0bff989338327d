/*
 * src/backend/purge.c
 *
 * Which expired records go, and how many at a time.
 *
 * Expired records are removed by those who add new ones, as Kong does it on
 * PostgreSQL: twice as many as were added and a few more, oldest first, so
 * that a backlog shrinks under any load while no insert pays for all of it.
 * Records that another transaction is deleting are passed over, never waited
 * for.
 *
 * Deleted rows stay in the index until it is vacuumed.  Starting at its left
 * end each time would step over all of them again; so a process remembers how
 * far it came and goes on from there, and starts over once in a while for
 * those that were passed over.  It also remembers when the next record is due,
 * and until then does not look at all.  Others may have added records that
 * expire sooner, so that is believed for a moment only.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "purge.h"

#define PURGE_EXTRA 8			/* records removed beyond twice the added */
#define VISITS_PER_RECORD 4		/* index entries looked at for each */
#define VISITS_EXTRA 64
#define PURGE_CHUNK 1000		/* records of one step of al_purge_all() */
#define BELIEVE_DUE (1 * USECS_PER_SEC)
#define START_OVER (60 * USECS_PER_SEC)

typedef struct Progress
{
	TimestampTz position;		/* everything that expired before is gone */
	TimestampTz started;		/* when position was last at the beginning */
	TimestampTz looked;			/* when the index was last looked at */
	TimestampTz next_due;		/* no record expires before, as far as seen */
} Progress;

static Progress progress[AL_STREAMS];

/*
 * Removes some expired records after "inserted" were added at "now", which
 * will expire at "new_expire".
 */
void
al_purge_some(AlStream stream, TimestampTz now, TimestampTz new_expire,
			  int inserted)
{
	Progress   *p = &progress[stream];
	int			limit = 2 * inserted + PURGE_EXTRA;
	AlPurgeResult result;

	p->next_due = Min(p->next_due, new_expire);
	if (now < p->next_due && now >= p->looked &&
		now < p->looked + BELIEVE_DUE)
		return;

	/* A clock that was set back starts over as well. */
	if (now >= p->started + START_OVER || now < p->started)
	{
		p->position = DT_NOBEGIN;
		p->started = now;
	}
	al_store_delete_expired(stream, p->position, now, limit,
							limit * VISITS_PER_RECORD + VISITS_EXTRA, &result);
	p->looked = now;
	p->next_due = result.exhausted ? result.next_due : now;

	/*
	 * Nothing deleted for all the visits: the entries at this position are
	 * dead but may not be removed yet.  Step over them.
	 */
	if (!result.exhausted && result.deleted == 0)
		result.position++;
	p->position = Min(result.position, now);
}

/* Removes expired records, up to "limit" or, if that is 0, all of them. */
int64
al_purge_all(AlStream stream, int64 limit)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz position = DT_NOBEGIN;
	int64		deleted = 0;
	AlPurgeResult result;

	do
	{
		int			chunk = PURGE_CHUNK;

		if (limit > 0)
			chunk = Min(chunk, limit - deleted);
		CHECK_FOR_INTERRUPTS();
		al_store_delete_expired(stream, position, now, chunk, INT_MAX,
								&result);
		deleted += result.deleted;
		position = result.position;
	} while (!result.exhausted && (limit == 0 || deleted < limit));
	return deleted;
}
