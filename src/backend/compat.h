/*
 * src/backend/compat.h
 *
 * What differs between the major versions of PostgreSQL that are supported.
 */
#ifndef AUDIT_LOG_COMPAT_H
#define AUDIT_LOG_COMPAT_H

#include "access/genam.h"
#include "executor/executor.h"
#include "storage/proc.h"

/* The number of this backend's running top-level transaction. */
#if PG_VERSION_NUM >= 170000
#define al_compat_lxid() (MyProc->vxid.lxid)
#else
#define al_compat_lxid() (MyProc->lxid)
#endif

/* Index entries for a new tuple, in all indexes of "result". */
static inline void
al_compat_insert_index_tuples(ResultRelInfo *result, TupleTableSlot *slot,
							  EState *estate)
{
#if PG_VERSION_NUM >= 160000
	(void) ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL,
								 false);
#else
	(void) ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL);
#endif
}

/* Lets go of what an index keeps between the insertions of a statement. */
static inline void
al_compat_index_insert_done(Relation index, IndexInfo *info)
{
#if PG_VERSION_NUM >= 170000
	index_insert_cleanup(index, info);
#endif
}

static inline IndexScanDesc
al_compat_index_beginscan(Relation rel, Relation index, Snapshot snapshot,
						  int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(rel, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(rel, index, snapshot, nkeys, 0);
#endif
}

#endif							/* AUDIT_LOG_COMPAT_H */
