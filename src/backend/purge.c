/*
 * src/backend/purge.c
 *
 * Which expired records go, and how many at a time.
 *
 * Expired records are removed by those who add new ones, as Kong does it on
 * PostgreSQL: twice as many as were added and a few more, oldest first, so
 * that a backlog shrinks under any load while no insert pays for all of it.
 * A process that adds one record after the other does it for some of them at
 * once, because looking costs more than removing.
 * Records that another transaction is deleting are passed over, never waited
 * for.
 *
 * Deleted rows stay in the index until it is vacuumed.  Starting at its left
 * end each time would step over all of them again; so a process remembers how
 * far it came and goes on from there.  Where it does not know, or others may
 * have gone on long since, it searches the place instead of walking there.  It
 * also remembers when the next record is due, and until then does not look at
 * all.  Others may have added records that expire sooner, so that is believed
 * for a moment only.
 *
 * Records that were passed over, because a transaction that was rolled back
 * had deleted them, lie behind all that.  Every process sweeps up behind
 * itself, a few index entries at a time.
 *
 * Once the ledger is active, which is from its first block on, only sealed
 * records may go: those of transactions that the last block's snapshot sees.
 * It never sees less later, so a process keeps it, unless the transaction is
 * rolled back in which it was read, and reads it again when it meets an
 * expired record that it does not see.  That there is no ledger is believed
 * until the relation cache says that the tables of records changed, which the
 * first block makes it say.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "expired.h"
#include "guc.h"
#include "ids.h"
#include "ledger.h"
#include "locate.h"
#include "purge.h"
#include "store.h"

#define PURGE_EXTRA 8			/* records removed beyond twice the added */
#define ADDED_LEAST 8			/* records added before it is worth looking */
#define VISITS_PER_RECORD 4		/* index entries looked at for each */
#define VISITS_EXTRA 64
#define BELIEVE_DUE (1 * USECS_PER_SEC)
#define SWEEP_VISITS 100		/* index entries of a step of the sweep */
#define WARN_AGAIN USECS_PER_HOUR

typedef struct Progress
{
	TimestampTz position;		/* everything that expired before is gone */
	TimestampTz swept;			/* how far the sweep behind it came */
	int			added;			/* records since it was last looked at */
	TimestampTz looked;			/* when the index was last looked at */
	TimestampTz next_due;		/* no record expires before, as far as seen */
} Progress;

static Progress progress[AL_STREAMS];

/* What is known of the ledger. */
static struct
{
	bool		known;
	uint64		generation;		/* of the store, when it was looked at */
	TimestampTz looked;
	bool		active;
	AlTxids    *sealed;			/* of the last block; in TopMemoryContext */
	TimestampTz sealed_at;
	TimestampTz moved_at;		/* see al_ledger_moved_at() */
}			ledger;

static TimestampTz warned = DT_NOBEGIN; /* when it was last said */

/* What was seen may be a block of the transaction that is rolled back. */
static void
on_xact_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		ledger.known = false;
}

void
al_purge_init(void)
{
	RegisterXactCallback(on_xact_event, NULL);
}

/* --------------------------------------------------- what the ledger allows */

/*
 * Expired records are found as they are now, so the ledger must be too: an
 * older snapshot could see no ledger yet, and let go what the first block
 * did not take.
 */
static void
look_at_ledger(TimestampTz now)
{
	AlBlock		last;
	uint64		generation = al_store_generation;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	ledger.active = al_ledger_last_block(snapshot, &last);
	if (ledger.active)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		AlTxids    *copy = al_txids_copy(last.snapshot);

		MemoryContextSwitchTo(old);
		if (ledger.sealed)
			pfree(ledger.sealed);
		ledger.sealed = copy;
		ledger.sealed_at = last.sealed_at;
		ledger.moved_at = al_ledger_moved_at(snapshot);
	}
	UnregisterSnapshot(snapshot);
	ledger.generation = generation;
	ledger.looked = now;
	ledger.known = true;
}

/* Was it sealed in another cluster?  Its txid means nothing in this one. */
static bool
sealed_elsewhere(const pg_uuid_t *id)
{
	/* One of many, and each looks at many blocks. */
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "audit_log leaf of a record",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		sealed = al_locate_leaf(snapshot, id) >= 0;

	UnregisterSnapshot(snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return sealed;
}

/* An AlMayDelete. */
static bool
is_sealed(uint64 txid, const pg_uuid_t *id)
{
	TimestampTz now;

	if (ledger.known && ledger.active && ledger.moved_at == DT_NOBEGIN &&
		al_txids_see(ledger.sealed, txid))
		return true;
	if (ledger.known && !ledger.active &&
		ledger.generation == al_store_generation)
		return true;
	now = GetCurrentTimestamp();
	if (!ledger.known || !ledger.active || now < ledger.looked ||
		now >= ledger.looked + BELIEVE_DUE)
		look_at_ledger(now);
	if (!ledger.active)
		return true;
	if (ledger.moved_at != DT_NOBEGIN &&
		al_ids_time(id) <= ledger.moved_at)
		return sealed_elsewhere(id);
	return al_txids_see(ledger.sealed, txid);
}

/* Expired records wait for a sealer that does not come: say so. */
static void
warn_if_stopped(TimestampTz now)
{
	if (!ledger.active || now < ledger.sealed_at +
		3 * (TimestampTz) al_guc_ledger_heartbeat * USECS_PER_SEC)
		return;
	if (warned != DT_NOBEGIN && now >= warned && now < warned + WARN_AGAIN)
		return;
	warned = now;
	ereport(WARNING,
			(errmsg("expired audit records are kept because the ledger is not being sealed"),
			 errdetail("The last block was sealed at %s.",
					   timestamptz_to_str(ledger.sealed_at)),
			 errhint("See audit.status; call audit.seal() from a scheduler, or preload the library and set audit.ledger_database.")));
}

/* ---------------------------------------------------------------- removing */

/* Deletes a few of the records that lie behind the position. */
static void
sweep(AlStream stream, Progress *p)
{
	AlPurgeTask task = {
		.from = p->swept,
		.until = p->position - 1,
		.limit = PURGE_EXTRA,
		.visits = SWEEP_VISITS,
		.count_dead = true
	};
	AlPurgeResult result;

	al_expired_delete(stream, &task, is_sealed, &result);
	if (result.exhausted)
		p->swept = DT_NOBEGIN;
	else
		p->swept = Max(result.position, p->swept + 1);
}

/* Finds its place again, after a while in which others may have gone on. */
static void
catch_up(AlStream stream, Progress *p, TimestampTz now)
{
	/* A clock that was set back, or the first time. */
	if (now < p->looked || p->looked == 0)
		p->position = p->swept = DT_NOBEGIN;
	p->position = al_expired_find(stream, p->position, now);
	if (p->position > DT_NOBEGIN)
		sweep(stream, p);
}

/*
 * Removes some expired records after "inserted" were added at "now", which
 * will expire at "new_expire".
 */
void
al_purge_some(AlStream stream, TimestampTz now, TimestampTz new_expire,
			  int inserted)
{
	Progress   *p = &progress[stream];
	bool		fresh = now >= p->looked && now < p->looked + BELIEVE_DUE;
	AlPurgeTask task = {.until = now};
	AlPurgeResult result;

	p->next_due = Min(p->next_due, new_expire);
	if (fresh && now < p->next_due)
		return;
	p->added += inserted;
	if (fresh && p->added < ADDED_LEAST)
		return;
	if (!fresh)
		catch_up(stream, p, now);

	task.from = p->position;
	task.limit = 2 * p->added + PURGE_EXTRA;
	p->added = 0;
	task.visits = task.limit * VISITS_PER_RECORD + VISITS_EXTRA;
	al_expired_delete(stream, &task, is_sealed, &result);
	p->looked = now;
	p->next_due = result.exhausted ? result.next_due : now;

	/*
	 * Nothing deleted for all the visits: the entries at this position are
	 * dead but may not be removed yet.  Step over them.
	 */
	if (!result.exhausted && result.deleted == 0)
		result.position++;
	p->position = Min(result.position, now);

	/* Come back for what waits to be sealed, but not for each statement. */
	if (result.held_back != DT_NOEND)
	{
		p->position = Min(p->position, result.held_back);
		p->next_due = now + BELIEVE_DUE;
		warn_if_stopped(now);
	}
}

/* Removes expired records, up to "limit" or, if that is 0, all of them. */
int64
al_purge_all(AlStream stream, int64 limit)
{
	TimestampTz now = GetCurrentTimestamp();
	AlPurgeTask task = {
		.from = DT_NOBEGIN,
		.until = now,
		.visits = INT_MAX
	};
	int64		deleted = 0;
	AlPurgeResult result;

	/* Whoever asks for it expects what was sealed just now to go. */
	ledger.known = false;
	do
	{
		/*
		 * In one step: the next would begin with all the dead entries of
		 * records that expire at the same moment, as those of a statement do.
		 */
		task.limit = limit > 0 ? Min(limit - deleted, INT_MAX) : INT_MAX;
		al_expired_delete(stream, &task, is_sealed, &result);
		if (result.held_back != DT_NOEND)
			warn_if_stopped(now);
		deleted += result.deleted;
		task.from = result.position;
	} while (!result.exhausted && (limit == 0 || deleted < limit));
	return deleted;
}
