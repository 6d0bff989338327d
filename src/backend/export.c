/*
 * src/backend/export.c
 *
 * The sealed records in the order of the ledger, one after the other.
 *
 * A record's position never changes and is given out after its commit, so
 * whoever reads on from where he stopped gets every record exactly once, also
 * one whose transaction ended long after others that began later.  Paging by
 * time or by id cannot give that.
 *
 * A leaf comes as it was sealed, beside what is stored now: that is what a
 * verifier outside compares.  So nothing is left out because it does not fit;
 * only bundles that cannot be read leave a gap in the numbers.
 *
 * A record past the expiry it was sealed with is shown as one that is gone,
 * also while it waits to be purged, as the views do.
 *
 * Leaves are read in batches, so that no scan stays open while the caller
 * consumes them, and so that memory holds a batch at most.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "bundles.h"
#include "export.h"
#include "locate.h"
#include "record.h"

#define BATCH_LEAVES 256
#define BATCH_BYTES (1024 * 1024)

struct AlExport
{
	Snapshot	snapshot;		/* the caller's statement's */
	int64		next;			/* first leaf not in a batch yet */
	int64		left;			/* leaves that may still be given */
	bool		done;			/* no bundle is left */
	MemoryContext context;		/* of the batch */
	AlExported	leaves[BATCH_LEAVES];
	int			count;
	int			given;			/* of them */
};

const char *
al_export_state_name(AlExportState state)
{
	static const char *const names[] = {"present", "expired", "erased", "missing"};

	return names[state];
}

/* At most "limit" leaves from "from" on; -1 is no limit. */
AlExport *
al_export_begin(int64 from, int64 limit)
{
	AlExport   *export = palloc0(sizeof(AlExport));

	export->snapshot = GetActiveSnapshot();
	export->next = from;
	export->left = limit < 0 ? PG_INT64_MAX : limit;
	export->context = AllocSetContextCreate(CurrentMemoryContext,
											"audit_log exported records",
											ALLOCSET_DEFAULT_SIZES);
	return export;
}

/* Takes the stored record out of its row. */
static void
read_record(AlExported *out, AlStream stream, TupleTableSlot *slot)
{
	StringInfoData json;
	AttrNumber	salt = al_tables[stream].salt - 1;
	AttrNumber	expire = al_tables[stream].expire - 1;

	slot_getallattrs(slot);
	out->state = AL_EXPORT_PRESENT;
	out->stream = stream;
	out->txid = al_leaf_txid(stream, slot);
	out->expire = slot->tts_isnull[expire] ? AL_LEAF_NEVER :
		al_leaf_unix_time(DatumGetTimestampTz(slot->tts_values[expire]));
	if (!slot->tts_isnull[salt])
	{
		bytea	   *bytes = DatumGetByteaPP(slot->tts_values[salt]);

		out->salt_len = VARSIZE_ANY_EXHDR(bytes);
		out->salt = memcpy(palloc(out->salt_len + 1), VARDATA_ANY(bytes),
						   out->salt_len);
	}
	initStringInfo(&json);
	al_record_of_row(&json, stream, slot->tts_values, slot->tts_isnull);
	out->record = json.data;
	out->record_len = json.len;
}

static void
find_record(AlExport *export, AlTableScan *scans, AlExported *out)
{
	for (int s = 0; s < AL_STREAMS; s++)
	{
		al_tablescan_seek_id(&scans[s], &out->leaf.id);
		if (al_tablescan_next(&scans[s], true))
		{
			read_record(out, s, scans[s].slot);
			return;
		}
	}
	out->state = al_locate_erasure(export->snapshot, &out->leaf.id) ?
		AL_EXPORT_ERASED : AL_EXPORT_MISSING;
}

/* Adds a leaf to the batch; false when the batch is full. */
static bool
add_leaf(AlExport *export, AlTableScan *scans, const AlLeaf *leaf,
		 int64 *bytes)
{
	AlExported *out = &export->leaves[export->count];

	memset(out, 0, sizeof(*out));
	out->number = export->next;
	out->leaf = *leaf;
	if (leaf->expire <= al_leaf_unix_time(GetCurrentStatementStartTimestamp()))
		out->state = AL_EXPORT_EXPIRED;
	else
		find_record(export, scans, out);
	*bytes += out->record_len;
	export->count++;
	export->next++;
	export->left--;
	return export->count < BATCH_LEAVES && export->left > 0 &&
		*bytes < BATCH_BYTES;
}

/*
 * Fills the batch.  A bundle lies within a window of 256 leaves, so the one
 * that holds the next leaf begins in its window.
 */
static void
load_batch(AlExport *export)
{
	MemoryContext old;
	AlTableScan bundles;
	AlTableScan scans[AL_STREAMS];
	AlBundle   *bundle;
	int64		bytes = 0;
	bool		room = export->left > 0;

	MemoryContextReset(export->context);
	old = MemoryContextSwitchTo(export->context);
	export->count = export->given = 0;
	bundle = palloc(sizeof(AlBundle));
	al_bundles_begin(&bundles, export->snapshot,
					 export->next - export->next % AL_MERKLE_TILE_WIDTH);
	for (int s = 0; s < AL_STREAMS; s++)
		al_tablescan_begin(&scans[s], s, al_tables[s].id, 1,
						   export->snapshot);
	while (room && (room = al_bundles_next(&bundles, bundle)))
	{
		int64		skip = Max(export->next - bundle->first_leaf, 0);

		CHECK_FOR_INTERRUPTS();
		if (skip >= bundle->count)
			continue;
		export->next = bundle->first_leaf + skip;
		for (int i = skip; i < bundle->count && room; i++)
			room = add_leaf(export, scans, &bundle->leaves[i], &bytes);
		if (!room)
			break;
	}
	if (room || export->count == 0)
		export->done = true;
	for (int s = 0; s < AL_STREAMS; s++)
		al_tablescan_end(&scans[s]);
	al_tablescan_end(&bundles);
	MemoryContextSwitchTo(old);
}

/* The next leaf, NULL when there is none. */
const AlExported *
al_export_next(AlExport *export)
{
	if (export->given == export->count && !export->done)
		load_batch(export);
	return export->given < export->count ?
		&export->leaves[export->given++] : NULL;
}
