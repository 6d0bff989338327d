/*
 * src/backend/compat.h
 *
 * What differs between the major versions of PostgreSQL that are supported.
 */
#ifndef AUDIT_LOG_COMPAT_H
#define AUDIT_LOG_COMPAT_H

#include "access/brin_internal.h"
#include "access/genam.h"
#include "catalog/pg_database.h"
#include "commands/event_trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"				/* before, postgres.h had this */
#endif

/* The number of this backend's running top-level transaction. */
#if PG_VERSION_NUM >= 170000
#define al_compat_lxid() (MyProc->vxid.lxid)
#else
#define al_compat_lxid() (MyProc->lxid)
#endif

/* The state of a process, by its number from 1; its snapshot is the session's. */
static inline const PgBackendStatus *
al_compat_backend_status(int n)
{
#if PG_VERSION_NUM >= 160000
	return &pgstat_get_local_beentry_by_index(n)->backendStatus;
#else
	return &pgstat_fetch_stat_local_beentry(n)->backendStatus;
#endif
}

/* Superusers own all. */
static inline bool
al_compat_owns_database(Oid database)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, GetUserId());
#else
	return pg_database_ownercheck(database, GetUserId());
#endif
}

/*
 * Do event triggers fire?  Never in single-user mode, and since version 17 a
 * superuser can switch them off.
 */
static inline bool
al_compat_event_triggers(void)
{
#if PG_VERSION_NUM >= 170000
	return IsUnderPostmaster && event_triggers;
#else
	return IsUnderPostmaster;
#endif
}

/* Came with minor releases of 2024. */
#ifndef GUC_ALLOW_IN_PARALLEL
#define GUC_ALLOW_IN_PARALLEL 0
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

/*
 * Before insertions into a BRIN index by an IndexInfo that outlives the
 * statement.  What the access method keeps there, in "lasting", describes the
 * index and refers to it as it was opened then.  Since version 17 it holds
 * pages as well, and is good for one statement only.
 */
static inline void
al_compat_brin_insert_begin(Relation index, IndexInfo *info,
							MemoryContext lasting, MemoryContext statement)
{
#if PG_VERSION_NUM >= 170000
	info->ii_Context = statement;
	info->ii_AmCache = NULL;	/* an error may have left it behind */
#else
	BrinDesc   *desc = info->ii_AmCache;

	info->ii_Context = lasting;
	if (desc)
	{
		desc->bd_index = index;
		desc->bd_tupdesc = RelationGetDescr(index);
	}
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

static inline IndexScanDesc
al_compat_index_beginscan_bitmap(Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan_bitmap(index, snapshot, NULL, nkeys);
#else
	return index_beginscan_bitmap(index, snapshot, nkeys);
#endif
}

/* A walk over the pages of a bitmap, in their order. */
#if PG_VERSION_NUM >= 180000
typedef TBMPrivateIterator AlPageWalk;
#define al_compat_pages_begin(pages) tbm_begin_private_iterate(pages)
#define al_compat_pages_end(walk) tbm_end_private_iterate(walk)
#else
typedef TBMIterator AlPageWalk;
#define al_compat_pages_begin(pages) tbm_begin_iterate(pages)
#define al_compat_pages_end(walk) tbm_end_iterate(walk)
#endif

static inline bool
al_compat_pages_next(AlPageWalk *walk, BlockNumber *page)
{
#if PG_VERSION_NUM >= 180000
	TBMIterateResult result;

	if (!tbm_private_iterate(walk, &result))
		return false;
	*page = result.blockno;
#else
	TBMIterateResult *result = tbm_iterate(walk);

	if (result == NULL)
		return false;
	*page = result->blockno;
#endif
	return true;
}

/* The next value of a sort, a copy. */
static inline bool
al_compat_tuplesort_getdatum(Tuplesortstate *sort, Datum *value, bool *isnull)
{
#if PG_VERSION_NUM >= 160000
	return tuplesort_getdatum(sort, true, true, value, isnull, NULL);
#else
	return tuplesort_getdatum(sort, true, value, isnull, NULL);
#endif
}

#endif							/* AUDIT_LOG_COMPAT_H */
