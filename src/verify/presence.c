/*
 * src/verify/presence.c
 *
 * Records that are stored and should be leaves, but are not.
 *
 * The leaves come first and in another order than the stored records, and
 * neither fits in memory.  So ids are counted and added up in buckets, with a
 * sign; what remains in a bucket at the end tells that some of its ids are
 * not on both sides.  Only ids of such buckets are read a second time and
 * compared one by one.
 *
 * A record is expected to be a leaf if its transaction is one that the last
 * block has seen.  Where the ledger was taken up in another cluster, txids
 * from before mean nothing, and every record is looked for.
 */
#include <inttypes.h>
#include <string.h>

#include "idmap.h"
#include "presence.h"

/* The end of an id is random. */
static AlIdSum *
bucket_of(AlPresence *presence, const uint8_t id[16])
{
	return &presence->buckets[(size_t) id[14] << 8 | id[15]];
}

static bool
is_even(const AlIdSum *bucket)
{
	return bucket->count == 0 && bucket->sum[0] == 0 && bucket->sum[1] == 0;
}

static void
add(AlPresence *presence, const uint8_t id[16], bool leaf)
{
	AlIdSum    *bucket = bucket_of(presence, id);
	uint64_t	half[2];

	memcpy(half, id, sizeof(half));
	if (leaf)
	{
		bucket->count++;
		bucket->sum[0] += half[0];
		bucket->sum[1] += half[1];
	}
	else
	{
		bucket->count--;
		bucket->sum[0] -= half[0];
		bucket->sum[1] -= half[1];
	}
}

/* A leaf whose record is stored. */
void
al_presence_leaf(AlPresence *presence, const AlEntry *entry)
{
	uint8_t		id[16];

	if (entry->present && entry->record_expire > presence->from &&
		al_entry_id_bytes(entry->id, id))
		add(presence, id, true);
}

/* When a record was made, by its id, in microseconds. */
static int64_t
made_at(const uint8_t id[16])
{
	int64_t		ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id[i];
	return ms * 1000;
}

/* Is it to be found among the leaves? */
static bool
is_expected(const AlPresence *presence, const AlStored *stored,
			const AlBlock *last)
{
	if (stored->expire <= presence->from)
		return false;
	return presence->moved_at != INT64_MIN ||
		al_block_sees(last, stored->txid);
}

static AlStatus
add_stored(AlPresence *presence, AlSource *source, const AlBlock *last,
		   AlReport *report, AlError *err)
{
	AlStored	stored;
	AlStatus	status;
	bool		end;
	char		id[37];

	for (;;)
	{
		status = source->stored_next(source, &stored, &end, err);
		if (status != AL_OK || end)
			return status;
		if (is_expected(presence, &stored, last))
			add(presence, stored.id, false);
		else if (!al_block_sees(last, stored.txid))
			presence->waiting++;
		if (stored.txid >= source->next_txid &&
			made_at(stored.id) > presence->moved_at)
		{
			al_idmap_format(stored.id, id);
			al_report_finding(report, "future", -1, id,
							  "transaction %" PRIu64 " has not begun",
							  stored.txid);
		}
	}
}

/* Collects the ids that may have no leaf. */
static AlStatus
collect(AlPresence *presence, AlSource *source, const AlBlock *last,
		AlIdMap *suspects, bool *all, AlError *err)
{
	AlStored	stored;
	AlStatus	status;
	bool		end;
	AlIdEntry  *entry;

	*all = true;
	for (;;)
	{
		status = source->stored_next(source, &stored, &end, err);
		if (status != AL_OK || end)
			return status;
		if (!is_expected(presence, &stored, last) ||
			is_even(bucket_of(presence, stored.id)))
			continue;
		entry = al_idmap_put(suspects, stored.id);
		if (entry == NULL)
			*all = false;
		else
			entry->txid = stored.txid;
	}
}

/* Marks the ids that are leaves, whose records are not suspect any more. */
static AlStatus
find_sealed(AlIdMap *suspects, AlSource *source, AlError *err)
{
	for (;;)
	{
		uint8_t		id[16];
		bool		end;
		AlIdEntry  *entry;
		AlStatus	status = source->sealed_next(source, id, &end, err);

		if (status != AL_OK || end)
			return status;
		entry = al_idmap_get(suspects, id);
		if (entry)
			entry->found = true;
	}
}

/* An old record, in a ledger that was moved: not sealed, or still to be? */
static bool
is_stray(const AlPresence *presence, const AlIdEntry *entry,
		 const AlSource *source, const AlBlock *last)
{
	if (presence->moved_at == INT64_MIN || al_block_sees(last, entry->txid))
		return true;
	return entry->txid >= source->next_txid &&
		made_at(entry->id) <= presence->moved_at;
}

/* Tells of what was not found; returns how many that are. */
static uint64_t
report_strays(const AlPresence *presence, const AlIdMap *suspects,
			  const AlSource *source, const AlBlock *last, bool each,
			  AlReport *report)
{
	uint64_t	n = 0;
	char		text[37];

	for (size_t i = 0; i < suspects->room; i++)
	{
		const AlIdEntry *entry = &suspects->entries[i];

		if (!entry->used || entry->found ||
			!is_stray(presence, entry, source, last))
			continue;
		n++;
		al_idmap_format(entry->id, text);
		if (each)
			al_report_finding(report, "inserted", -1, text,
							  "its transaction was sealed without it");
	}
	return n;
}

/*
 * So many leaves are missing: the records of those are without a leaf too, and
 * only if there are more than that some must have been inserted.
 */
AlStatus
al_presence_check(AlPresence *presence, AlSource *source, const AlBlock *last,
				  uint64_t missing, AlReport *report, AlError *err)
{
	AlIdMap		suspects = {0};
	bool		all;
	bool		even = true;
	uint64_t	strays;
	AlStatus	status = add_stored(presence, source, last, report, err);

	for (size_t i = 0; i < AL_PRESENCE_BUCKETS && even; i++)
		even = is_even(&presence->buckets[i]);
	if (status != AL_OK || even)
		return status;
	status = collect(presence, source, last, &suspects, &all, err);
	if (status == AL_OK)
		status = find_sealed(&suspects, source, err);
	if (status == AL_OK)
	{
		strays = report_strays(presence, &suspects, source, last, missing == 0,
							   report);
		if (missing > 0 && strays > missing)
			al_report_finding(report, "inserted", -1, NULL,
							  "%" PRIu64
							  " records have no leaf, and only %" PRIu64
							  " leaves are missing",
							  strays, missing);
		if (!all)
			al_report_finding(report, "inserted", -1, NULL,
							  "there may be more; %d were looked at",
							  AL_IDMAP_MAX);
	}
	al_idmap_free(&suspects);
	return status;
}
