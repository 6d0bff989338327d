/*
 * src/backend/store.c
 *
 * The only code that writes the tables of the extension.
 *
 * Records go in through the table access method, many at a time as COPY does
 * it: no SPI, no plan, no privilege check and no trigger, so that a writer
 * needs no right on the audit schema and pays for nothing but the records.
 * The indexes are filled index by index, not row by row, to stay on the same
 * pages.  Any index that an administrator adds is kept up.
 *
 * What writing needs to know of a table is gathered in an AlTarget, which
 * lives as long as the process and is dropped when the relation cache says
 * that the table or one of its indexes changed.  A callback only marks it;
 * it is rebuilt by the next al_store_open(), never while in use.
 *
 * Locks are RowExclusiveLock on the table and its indexes, kept until the
 * transaction ends, as for any writer.
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "store.h"

typedef struct AlTarget
{
	Oid			relid;			/* InvalidOid: not looked up yet */
	bool		valid;
	MemoryContext context;		/* everything below lives here */
	TupleDesc	tupdesc;		/* our copy */
	int			nindexes;
	Oid		   *index_oids;
	IndexInfo **index_infos;	/* NULL: made anew for each write */
	AttrNumber *index_wants;	/* column that its records have; 0: any record */
	bool	   *index_ranges;	/* BRIN: an entry stands for a range of pages */
	int			expire_index;	/* position of the index on expire, or -1 */
	MemoryContext row_context;	/* of one index entry */
	TupleTableSlot **slots;
	int			nslots;
	int			slots_room;
	int			busy;			/* slots in use; 0 outside al_store_write() */
} AlTarget;

static AlTarget targets[AL_TABLES];

uint64		al_store_generation = 0;

static void
invalidate(Datum arg, Oid relid)
{
	for (int s = 0; s < AL_TABLES; s++)
	{
		AlTarget   *target = &targets[s];

		if (!OidIsValid(relid) || relid == target->relid)
		{
			target->valid = false;
			if (s < AL_STREAMS)
				al_store_generation++;
		}
		else if (target->valid)
			for (int i = 0; i < target->nindexes; i++)
				if (target->index_oids[i] == relid)
					target->valid = false;
	}
}

void
al_store_init(void)
{
	CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
}

/*
 * After an error: the tuples in the slots went with the transaction's memory,
 * so the slots must forget them without freeing them.
 */
void
al_store_abort(void)
{
	for (int s = 0; s < AL_TABLES; s++)
	{
		for (int i = 0; i < targets[s].busy; i++)
		{
			TupleTableSlot *slot = targets[s].slots[i];

			slot->tts_flags = (slot->tts_flags | TTS_FLAG_EMPTY) &
				~TTS_FLAG_SHOULDFREE;
			slot->tts_nvalid = 0;
			((HeapTupleTableSlot *) slot)->tuple = NULL;
		}
		targets[s].busy = 0;
	}
}

/*
 * Is the predicate of a partial index that a column is not null?  Gives the
 * column, or 0 if there is no predicate.
 */
static bool
wants_column(const IndexInfo *info, AttrNumber *column)
{
	NullTest   *test;
	Var		   *var;

	*column = InvalidAttrNumber;
	if (info->ii_Predicate == NIL)
		return true;
	test = linitial(info->ii_Predicate);
	if (list_length(info->ii_Predicate) != 1 || !IsA(test, NullTest) ||
		test->nulltesttype != IS_NOT_NULL || !IsA(test->arg, Var))
		return false;
	var = (Var *) test->arg;
	if (test->argisrow || var->varattno <= 0)
		return false;
	*column = var->varattno;
	return true;
}

/* Does an index lead to every record that expires, the earliest first? */
static bool
orders_expiry(Relation index, const IndexInfo *info, AttrNumber wants,
			  AttrNumber expire)
{
	return expire != InvalidAttrNumber &&
		info->ii_IndexAttrNumbers[0] == expire &&
		(wants == InvalidAttrNumber || wants == expire) &&
		(index->rd_indoption[0] & INDOPTION_DESC) == 0 &&
		index->rd_index->indisvalid;
}

/*
 * May an IndexInfo outlive the statement, and the index be filled without the
 * executor?  Not if it holds state of a function, or checks at another time; a
 * plain b-tree, also one that is partial on "IS NOT NULL", holds none.
 */
static bool
is_plain(Relation index, const IndexInfo *info, AttrNumber *wants)
{
	return index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_index->indimmediate && info->ii_ReadyForInserts &&
		info->ii_Expressions == NIL && info->ii_ExclusionOps == NULL &&
		wants_column(info, wants);
}

/* The same for a BRIN index over one column that fits into a Datum. */
static bool
is_range_index(Relation index, const IndexInfo *info)
{
	return index->rd_rel->relam == BRIN_AM_OID && info->ii_ReadyForInserts &&
		info->ii_Expressions == NIL && info->ii_Predicate == NIL &&
		info->ii_NumIndexAttrs == 1 &&
		TupleDescAttr(RelationGetDescr(index), 0)->attbyval;
}

static void
build_indexes(AlTarget *target, Relation rel, AttrNumber expire)
{
	List	   *oids = RelationGetIndexList(rel);
	int			n = list_length(oids);
	ListCell   *lc;

	target->index_oids = palloc0(sizeof(Oid) * Max(n, 1));
	target->index_infos = palloc0(sizeof(IndexInfo *) * Max(n, 1));
	target->index_wants = palloc0(sizeof(AttrNumber) * Max(n, 1));
	target->index_ranges = palloc0(sizeof(bool) * Max(n, 1));
	target->nindexes = 0;
	target->expire_index = -1;
	foreach(lc, oids)
	{
		int			i = target->nindexes++;
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);
		IndexInfo  *info = BuildIndexInfo(index);

		target->index_oids[i] = lfirst_oid(lc);
		target->index_ranges[i] = is_range_index(index, info);
		if (target->index_ranges[i])
			target->index_infos[i] = info;
		else if (is_plain(index, info, &target->index_wants[i]))
		{
			target->index_infos[i] = info;
			if (orders_expiry(index, info, target->index_wants[i], expire))
				target->expire_index = i;
		}
		index_close(index, NoLock);
	}
	list_free(oids);
}

static void
build_target(AlTarget *target, AlTableId table, Relation rel)
{
	MemoryContext old;

	if (RelationGetNumberOfAttributes(rel) < al_tables[table].columns)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"audit.%s\" lacks columns",
						al_tables[table].name),
				 errhint("The library and the installed version of the extension differ: run ALTER EXTENSION audit_log UPDATE.")));

	if (target->context)
		MemoryContextReset(target->context);
	else
		target->context = AllocSetContextCreate(TopMemoryContext,
												"audit_log table",
												ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(target->context);
	target->tupdesc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	target->slots = NULL;
	target->nslots = target->slots_room = 0;
	target->row_context = AllocSetContextCreate(target->context,
												"audit_log index entry",
												ALLOCSET_SMALL_SIZES);
	build_indexes(target, rel, al_tables[table].expire);
	MemoryContextSwitchTo(old);
	target->valid = true;
}

/*
 * Opens and locks a table for writing.  Close it with al_tables_close(), which
 * keeps the lock.
 */
Relation
al_store_open(AlTableId table)
{
	AlTarget   *target = &targets[table];
	Relation	rel = NULL;

	if (target->valid)
		rel = table_open(target->relid, RowExclusiveLock);
	/* Taking the lock may have brought news of a change. */
	if (!target->valid)
	{
		if (target->busy)
			elog(ERROR, "audit records written by a function of an audit index");
		if (rel)
			table_close(rel, NoLock);
		target->relid = al_tables_find(table);
		rel = table_open(target->relid, RowExclusiveLock);
		build_target(target, table, rel);
	}
	return rel;
}

/*
 * Lets the BRIN index on txid know what the pages hold that came since the
 * last call; until then it names them all.
 *
 * VACUUM would do it too, but comes seldom to a table that only grows.  When
 * it is at work, or anything else that holds its lock, nothing is done: this
 * must neither wait for it nor stop it.
 */
void
al_store_summarize(AlStream stream)
{
	static BlockNumber ranges_seen[AL_STREAMS];
	Relation	rel = al_tables_open(stream);
	Oid			relid = RelationGetRelid(rel);
	AttrNumber	txid = al_tables[stream].txid;
	Oid			index_oid = al_tables_find_range_index(rel, txid);
	BlockNumber ranges = 0;
	Oid			user;
	int			security;

	if (OidIsValid(index_oid))
	{
		Relation	index = index_open(index_oid, AccessShareLock);

		if (index->rd_rel->relam == BRIN_AM_OID)
			ranges = RelationGetNumberOfBlocks(rel) /
				BrinGetPagesPerRange(index);
		index_close(index, AccessShareLock);
	}
	if (ranges != ranges_seen[stream] && ranges > 0 &&
		ConditionalLockRelationOid(relid, ShareUpdateExclusiveLock))
	{
		GetUserIdAndSecContext(&user, &security);
		SetUserIdAndSecContext(rel->rd_rel->relowner,
							   security | SECURITY_LOCAL_USERID_CHANGE);
		(void) DirectFunctionCall1(brin_summarize_new_values,
								   ObjectIdGetDatum(index_oid));
		SetUserIdAndSecContext(user, security);
		UnlockRelationOid(relid, ShareUpdateExclusiveLock);
		ranges_seen[stream] = ranges;
	}
	al_tables_close(rel);
}

/* Forms a row in the current memory context, of a table that is open. */
HeapTuple
al_store_form(AlTableId table, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc = targets[table].tupdesc;
	Datum	   *all_values;
	bool	   *all_nulls;

	if (likely(tupdesc->natts == al_tables[table].columns))
		return heap_form_tuple(tupdesc, values, nulls);

	/* Columns that someone added are left null. */
	all_values = palloc0(sizeof(Datum) * tupdesc->natts);
	all_nulls = palloc(sizeof(bool) * tupdesc->natts);
	memset(all_nulls, true, sizeof(bool) * tupdesc->natts);
	memcpy(all_values, values, sizeof(Datum) * al_tables[table].columns);
	memcpy(all_nulls, nulls, sizeof(bool) * al_tables[table].columns);
	return heap_form_tuple(tupdesc, all_values, all_nulls);
}

/* The columns of a tuple that al_store_form() made. */
void
al_store_deform(AlTableId table, HeapTuple tuple, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc = targets[table].tupdesc;

	if (likely(tupdesc->natts == al_tables[table].columns))
		heap_deform_tuple(tuple, tupdesc, values, nulls);
	else
		for (int i = 0; i < al_tables[table].columns; i++)
			values[i] = heap_getattr(tuple, i + 1, tupdesc, &nulls[i]);
}

/* At least "n" slots, kept for the process. */
static TupleTableSlot **
get_slots(AlTarget *target, int n)
{
	MemoryContext old = MemoryContextSwitchTo(target->context);

	if (target->slots_room < n)
	{
		TupleTableSlot **slots = palloc(sizeof(TupleTableSlot *) * n);

		if (target->nslots > 0)
			memcpy(slots, target->slots,
				   sizeof(TupleTableSlot *) * target->nslots);
		if (target->slots)
			pfree(target->slots);
		target->slots = slots;
		target->slots_room = n;
	}
	while (target->nslots < n)
	{
		target->slots[target->nslots] =
			MakeSingleTupleTableSlot(target->tupdesc, &TTSOpsHeapTuple);
		target->nslots++;
	}
	MemoryContextSwitchTo(old);
	return target->slots;
}

/* The executor's way into an index: it knows every kind. */
static void
fill_any_index(Relation rel, Relation index, TupleTableSlot **slots,
			   int nslots)
{
	EState	   *estate = CreateExecutorState();
	IndexInfo  *info = BuildIndexInfo(index);
	ResultRelInfo result;

	MemSet(&result, 0, sizeof(result));
	result.type = T_ResultRelInfo;
	result.ri_RelationDesc = rel;
	result.ri_NumIndices = 1;
	result.ri_IndexRelationDescs = &index;
	result.ri_IndexRelationInfo = &info;
	for (int n = 0; n < nslots; n++)
	{
		al_compat_insert_index_tuples(&result, slots[n], estate);
		ResetPerTupleExprContext(estate);
	}
	al_compat_index_insert_done(index, info);
	FreeExecutorState(estate);
}

/* The short way, into a b-tree that is_plain() accepts. */
static void
fill_plain_index(AlTarget *target, int i, Relation rel, Relation index,
				 TupleTableSlot **slots, int nslots)
{
	IndexInfo  *info = target->index_infos[i];
	AttrNumber	wants = target->index_wants[i];
	MemoryContext old = MemoryContextSwitchTo(target->row_context);
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int n = 0; n < nslots; n++)
	{
		if (wants && slot_attisnull(slots[n], wants))
			continue;
		FormIndexDatum(info, slots[n], NULL, values, nulls);
		(void) index_insert(index, values, nulls, &slots[n]->tts_tid, rel,
							info->ii_Unique ? UNIQUE_CHECK_YES :
							UNIQUE_CHECK_NO, false, info);
		MemoryContextReset(target->row_context);
	}
	MemoryContextSwitchTo(old);
}

/*
 * The short way into a BRIN index.  It takes the page of a record rather than
 * its place, so that all records of a transaction on a page are one entry in
 * the index on txid.
 */
static void
fill_range_index(AlTarget *target, int i, Relation rel, Relation index,
				 TupleTableSlot **slots, int nslots)
{
	IndexInfo  *info = target->index_infos[i];
	MemoryContext old = MemoryContextSwitchTo(target->row_context);
	BlockNumber last_page = InvalidBlockNumber;
	Datum		last = 0;
	bool		last_isnull = false;

	al_compat_brin_insert_begin(index, info, target->context,
								target->row_context);
	for (int n = 0; n < nslots; n++)
	{
		BlockNumber page = ItemPointerGetBlockNumber(&slots[n]->tts_tid);
		Datum		value;
		bool		isnull;

		FormIndexDatum(info, slots[n], NULL, &value, &isnull);
		if (page == last_page && value == last && isnull == last_isnull)
			continue;
		(void) index_insert(index, &value, &isnull, &slots[n]->tts_tid, rel,
							UNIQUE_CHECK_NO, false, info);
		last_page = page;
		last = value;
		last_isnull = isnull;
	}
	al_compat_index_insert_done(index, info);
	MemoryContextSwitchTo(old);
	MemoryContextReset(target->row_context);
}

/* Would none of the records have an entry in the index? */
static bool
leaves_out_all(const AlTarget *target, int i, TupleTableSlot **slots,
			   int nslots)
{
	AttrNumber	wants = target->index_wants[i];

	if (wants == InvalidAttrNumber)
		return false;
	for (int n = 0; n < nslots; n++)
		if (!slot_attisnull(slots[n], wants))
			return false;
	return true;
}

/* Adds the records in "slots" to one index. */
static void
fill_index(AlTarget *target, int i, Relation rel, TupleTableSlot **slots,
		   int nslots)
{
	Relation	index;

	if (leaves_out_all(target, i, slots, nslots))
		return;
	index = index_open(target->index_oids[i], RowExclusiveLock);
	if (target->index_ranges[i])
		fill_range_index(target, i, rel, index, slots, nslots);
	else if (target->index_infos[i])
		fill_plain_index(target, i, rel, index, slots, nslots);
	else
		fill_any_index(rel, index, slots, nslots);
	index_close(index, NoLock);
}

/*
 * Writes rows and their index entries under the current transaction and
 * command.  Takes over the tuples and frees them.
 */
void
al_store_write(AlTableId table, HeapTuple *tuples, int ntuples)
{
	Relation	rel = al_store_open(table);
	AlTarget   *target = &targets[table];
	TupleTableSlot **slots;

	if (target->busy)
		elog(ERROR, "audit records written by a function of an audit index");
	slots = get_slots(target, ntuples);
	target->busy = ntuples;

	/*
	 * A change of the table's indexes takes a lock that conflicts with ours,
	 * so that from here on the target stays as it is.
	 */
	for (int n = 0; n < ntuples; n++)
		ExecStoreHeapTuple(tuples[n], slots[n], true);
	table_multi_insert(rel, slots, ntuples, GetCurrentCommandId(true), 0,
					   NULL);
	for (int i = 0; i < target->nindexes; i++)
		fill_index(target, i, rel, slots, ntuples);
	for (int n = 0; n < ntuples; n++)
		ExecClearTuple(slots[n]);
	target->busy = 0;
	al_tables_close(rel);
}

/*
 * The index that leads to every record that expires, of a table that is open;
 * InvalidOid if there is none.
 */
Oid
al_store_expire_index(AlStream stream)
{
	AlTarget   *target = &targets[stream];

	return target->expire_index < 0 ? InvalidOid :
		target->index_oids[target->expire_index];
}

/* Deletes a row unless another transaction is at it; never waits. */
bool
al_store_try_delete(Relation rel, ItemPointer tid)
{
	TM_FailureData failure;

	return table_tuple_delete(rel, tid, GetCurrentCommandId(true), SnapshotAny,
							  InvalidSnapshot, false, &failure,
							  false) == TM_Ok;
}

/* Deletes the record at a place; false if someone else has done so. */
bool
al_store_delete(AlStream stream, ItemPointer tid)
{
	Relation	rel = al_store_open(stream);
	TM_FailureData failure;
	TM_Result	result = table_tuple_delete(rel, tid,
											GetCurrentCommandId(true),
											GetActiveSnapshot(),
											InvalidSnapshot, true, &failure,
											false);

	al_tables_close(rel);
	return result == TM_Ok;
}
