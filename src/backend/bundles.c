/*
 * src/backend/bundles.c
 *
 * The leaves of the ledger, as they are stored; see bundles.h.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/fmgroids.h"

#include "bundles.h"

/* The bundles from the one that starts with "first_leaf", or comes next. */
void
al_bundles_begin(AlTableScan *scan, Snapshot snapshot, int64 first_leaf)
{
	al_tablescan_begin(scan, AL_BUNDLES, AL_BUNDLE_FIRST_LEAF, 1, snapshot);
	al_tablescan_seek_int8(scan, BTGreaterEqualStrategyNumber, F_INT8GE,
						   first_leaf);
}

/* The bytes of a column, which must be so many; NULL if they are not. */
static const char *
get_bytes(AlTableScan *scan, AttrNumber column, Size size, bytea **detoasted)
{
	bool		isnull;
	Datum		value = slot_getattr(scan->slot, column, &isnull);

	*detoasted = NULL;
	if (isnull)
		return NULL;
	*detoasted = DatumGetByteaPP(value);
	return VARSIZE_ANY_EXHDR(*detoasted) == size ? VARDATA_ANY(*detoasted) :
		NULL;
}

/*
 * The next bundle.  One whose parts do not fit together has no leaves; only
 * a change by hand can cause that.
 */
bool
al_bundles_next(AlTableScan *scan, AlBundle *bundle)
{
	bytea	   *detoasted[3];
	const char *ids;
	const char *expires;
	const char *inner;
	int			count;

	if (!al_tablescan_next(scan, true))
		return false;
	bundle->first_leaf = al_tablescan_int64(scan, AL_BUNDLE_FIRST_LEAF);
	bundle->count = 0;
	count = al_tablescan_int32(scan, AL_BUNDLE_LEAVES);
	if (count < 1 || bundle->first_leaf < 0 ||
		count > AL_BUNDLE_MAX - bundle->first_leaf % AL_BUNDLE_MAX)
		return true;
	ids = get_bytes(scan, AL_BUNDLE_IDS, UUID_LEN * count, &detoasted[0]);
	expires = get_bytes(scan, AL_BUNDLE_EXPIRES, sizeof(int64) * count,
						&detoasted[1]);
	inner = get_bytes(scan, AL_BUNDLE_INNER, sizeof(AlHash) * count,
					  &detoasted[2]);
	if (ids && expires && inner)
	{
		bundle->count = count;
		for (int i = 0; i < count; i++)
		{
			AlLeaf	   *leaf = &bundle->leaves[i];
			uint64		expire;

			memcpy(leaf->id.data, ids + UUID_LEN * i, UUID_LEN);
			memcpy(&expire, expires + sizeof(expire) * i, sizeof(expire));
			leaf->expire = (int64) pg_ntoh64(expire);
			memcpy(leaf->inner.bytes, inner + sizeof(AlHash) * i,
				   sizeof(AlHash));
		}
	}
	for (int i = 0; i < 3; i++)
		if (detoasted[i] && (Pointer) detoasted[i] !=
			DatumGetPointer(scan->slot->tts_values[AL_BUNDLE_IDS - 1 + i]))
			pfree(detoasted[i]);
	return true;
}

/* The leaf with a number. */
bool
al_bundles_leaf(Snapshot snapshot, int64 number, AlLeaf *leaf)
{
	AlTableScan scan;
	AlBundle   *bundle = palloc(sizeof(AlBundle));
	bool		found = false;

	al_tablescan_begin(&scan, AL_BUNDLES, AL_BUNDLE_FIRST_LEAF, 1, snapshot);
	al_tablescan_seek_int8(&scan, BTLessEqualStrategyNumber, F_INT8LE, number);
	if (al_tablescan_next(&scan, false))
	{
		int64		first = al_tablescan_int64(&scan, AL_BUNDLE_FIRST_LEAF);

		al_tablescan_seek_int8(&scan, BTGreaterEqualStrategyNumber, F_INT8GE,
							   first);
		found = al_bundles_next(&scan, bundle) &&
			number - bundle->first_leaf < bundle->count;
		if (found)
			*leaf = bundle->leaves[number - bundle->first_leaf];
	}
	al_tablescan_end(&scan);
	pfree(bundle);
	return found;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/* Loads the ids of all leaves below "end". */
void
al_bundles_ids(Snapshot snapshot, int64 end, AlIdSet *set)
{
	AlTableScan scan;
	AlBundle   *bundle = palloc(sizeof(AlBundle));
	int64		room = Max(end, 1);

	set->count = 0;
	set->ids = MemoryContextAllocHuge(CurrentMemoryContext,
									  sizeof(pg_uuid_t) * room);
	al_bundles_begin(&scan, snapshot, 0);
	while (al_bundles_next(&scan, bundle))
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < bundle->count && set->count < room; i++)
			set->ids[set->count++] = bundle->leaves[i].id;
	}
	al_tablescan_end(&scan);
	pfree(bundle);
	qsort(set->ids, set->count, sizeof(pg_uuid_t), compare_ids);
}

bool
al_bundles_ids_have(const AlIdSet *set, const pg_uuid_t *id)
{
	return bsearch(id, set->ids, set->count, sizeof(pg_uuid_t),
				   compare_ids) != NULL;
}
