/*
 * src/backend/tablescan.h
 *
 * Rows of one of our tables in the order of an index.
 */
#ifndef AUDIT_LOG_TABLESCAN_H
#define AUDIT_LOG_TABLESCAN_H

#include "access/stratnum.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "core/merkle.h"

#include "tables.h"

typedef struct AlTableScan
{
	MemoryContext context;		/* in which the scan was begun */
	Relation	rel;
	Relation	index;
	struct IndexScanDescData *desc;
	TupleTableSlot *slot;
} AlTableScan;

extern void al_tablescan_begin(AlTableScan *scan, AlTableId table,
							   AttrNumber column, int nkeys,
							   Snapshot snapshot);
extern void al_tablescan_seek_int8(AlTableScan *scan, StrategyNumber strategy,
								   RegProcedure procedure, int64 value);
extern void al_tablescan_seek_text(AlTableScan *scan, const char *value);
extern void al_tablescan_seek_id(AlTableScan *scan, const pg_uuid_t *value);
extern bool al_tablescan_next(AlTableScan *scan, bool forward);
extern void al_tablescan_end(AlTableScan *scan);

extern int64 al_tablescan_int64(AlTableScan *scan, AttrNumber column);
extern int	al_tablescan_int32(AlTableScan *scan, AttrNumber column);
extern char *al_tablescan_text(AlTableScan *scan, AttrNumber column);
extern void al_tablescan_hash(AlTableScan *scan, AttrNumber column,
							  AlHash *hash);

#endif							/* AUDIT_LOG_TABLESCAN_H */
