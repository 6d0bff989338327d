/*
 * src/backend/tablescan.c
 *
 * Rows of one of our tables in the order of an index; see tablescan.h.
 *
 * Everything is read under the snapshot that the caller gives and without
 * SPI, so that neither row security nor a rule nor the plan of a query can
 * hide a row.  Only AccessShareLock is taken: a standby can read too.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "compat.h"
#include "tablescan.h"

/*
 * Opens a table for reading by its index on "column"; index_rescan() with
 * "nkeys" keys must follow, unless there are none.
 */
void
al_tablescan_begin(AlTableScan *scan, AlTableId table, AttrNumber column,
				   int nkeys, Snapshot snapshot)
{
	/* Few records have no entity key, and none of them is searched by it. */
	bool		whole = table != AL_OBJECTS || column != AL_OBJECT_ENTITY_KEY;

	scan->context = CurrentMemoryContext;
	scan->rel = al_tables_open(table);
	scan->index = index_open(al_tables_find_index(scan->rel, column, whole),
							 AccessShareLock);
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->desc = al_compat_index_beginscan(scan->rel, scan->index, snapshot,
										   nkeys);
	if (nkeys == 0)
		index_rescan(scan->desc, NULL, 0, NULL, 0);
}

bool
al_tablescan_next(AlTableScan *scan, bool forward)
{
	/* The access method keeps what it allocates as long as the scan. */
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	bool		found = index_getnext_slot(scan->desc,
										   forward ? ForwardScanDirection :
										   BackwardScanDirection,
										   scan->slot);

	MemoryContextSwitchTo(old);
	return found;
}

void
al_tablescan_end(AlTableScan *scan)
{
	index_endscan(scan->desc);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->rel, NoLock);
}

/* Goes to the rows whose first indexed column compares with a value. */
void
al_tablescan_seek_int8(AlTableScan *scan, StrategyNumber strategy,
					   RegProcedure procedure, int64 value)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, strategy, procedure, Int64GetDatum(value));
	index_rescan(scan->desc, &key, 1, NULL, 0);
}

/* Goes to the rows whose indexed column is a text. */
void
al_tablescan_seek_text(AlTableScan *scan, const char *value)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(value));
	key.sk_collation = scan->index->rd_indcollation[0];
	index_rescan(scan->desc, &key, 1, NULL, 0);
}

/* Goes to the row whose indexed column is an id. */
void
al_tablescan_seek_id(AlTableScan *scan, const pg_uuid_t *value)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(value));
	index_rescan(scan->desc, &key, 1, NULL, 0);
}

static Datum
get(AlTableScan *scan, AttrNumber column, bool *isnull)
{
	return slot_getattr(scan->slot, column, isnull);
}

/*
 * Columns of the row that a scan stands on.  Damaged rows may hold nulls: then
 * a number is -1 and a text NULL.
 */
int64
al_tablescan_int64(AlTableScan *scan, AttrNumber column)
{
	bool		isnull;
	Datum		value = get(scan, column, &isnull);

	return isnull ? -1 : DatumGetInt64(value);
}

int
al_tablescan_int32(AlTableScan *scan, AttrNumber column)
{
	bool		isnull;
	Datum		value = get(scan, column, &isnull);

	return isnull ? -1 : DatumGetInt32(value);
}

char *
al_tablescan_text(AlTableScan *scan, AttrNumber column)
{
	bool		isnull;
	Datum		value = get(scan, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Copies a hash; what is none becomes zeros, which no hash is. */
void
al_tablescan_hash(AlTableScan *scan, AttrNumber column, AlHash *hash)
{
	bool		isnull;
	Datum		value = get(scan, column, &isnull);
	bytea	   *bytes = isnull ? NULL : DatumGetByteaPP(value);

	memset(hash, 0, sizeof(*hash));
	if (bytes && VARSIZE_ANY_EXHDR(bytes) == sizeof(hash->bytes))
		memcpy(hash->bytes, VARDATA_ANY(bytes), sizeof(hash->bytes));
}
