/*
 * src/backend/tracking.c
 *
 * What a capture trigger must know of its table: the names under which it is
 * recorded, the options in the trigger's arguments, the columns of its key and
 * the plan of its rows.  Made once a trigger and kept for the process, so that
 * a row looks nothing up.
 *
 * A callback marks what may have changed; only al_tracking_get() frees, before
 * the row is touched, so that nothing vanishes under a row being printed.  The
 * tracked table is locked by the statement, so what is made stays true until
 * the statement ends.
 *
 * Options are trigger arguments of the form name=value; they are dumped,
 * renamed and upgraded with the table, and no catalogue of ours can drift:
 *
 *	exclude={a,b}	columns left out, an array literal
 *	mask={a,b}		columns whose values print as AL_MASK
 *	skip_unchanged	updates that change no recorded column leave no record
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "filter.h"
#include "guc.h"
#include "tracking.h"

typedef struct Options
{
	List	   *exclude;
	List	   *mask;
	bool		skip_unchanged;
} Options;

static HTAB *trackings = NULL;

/* ------------------------------------------------------------ invalidation */

static void
invalidate(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	AlTracking *tracking;

	if (trackings == NULL)
		return;
	hash_seq_init(&status, trackings);
	while ((tracking = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(relid) || relid == tracking->relid ||
			relid == tracking->root ||
			(tracking->row && list_member_oid(tracking->row->relids, relid)))
			tracking->valid = false;
}

static void
invalidate_all(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidate(arg, InvalidOid);
}

void
al_tracking_init(void)
{
	CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
	/* A schema's name is part of a record; a cast to json changes a row. */
	CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate_all, (Datum) 0);
	CacheRegisterSyscacheCallback(CASTSOURCETARGET, invalidate_all, (Datum) 0);
}

/* ----------------------------------------------------------------- options */

static List *
parse_names(const char *literal)
{
	Datum		array = OidInputFunctionCall(F_ARRAY_IN,
											 unconstify(char *, literal),
											 TEXTOID, -1);
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	List	   *names = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			names = lappend(names, TextDatumGetCString(elements[i]));
	return names;
}

static void
parse_options(Trigger *trigger, Options *options)
{
	memset(options, 0, sizeof(*options));
	for (int i = 0; i < trigger->tgnargs; i++)
	{
		const char *arg = trigger->tgargs[i];

		if (strncmp(arg, "exclude=", 8) == 0)
			options->exclude = parse_names(arg + 8);
		else if (strncmp(arg, "mask=", 5) == 0)
			options->mask = parse_names(arg + 5);
		else if (strcmp(arg, "skip_unchanged") == 0)
			options->skip_unchanged = true;
		else
			ereport(ERROR,
					(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
					 errmsg("unknown argument \"%s\" of trigger \"%s\"",
							arg, trigger->tgname),
					 errhint("Create the trigger with audit.enable().")));
	}
}

/* --------------------------------------------------------------- the table */

/*
 * The table whose trigger a partition's trigger was cloned from, at the top,
 * and how many levels of partitions lie between.
 */
static Oid
tracked_root(Oid tgoid, int *levels)
{
	Relation	pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	Oid			relid = InvalidOid;

	*levels = 0;
	for (;;)
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(tgoid));
		scan = systable_beginscan(pg_trigger, TriggerOidIndexId, true, NULL,
								  1, &key);
		tuple = systable_getnext(scan);
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "could not find trigger %u", tgoid);
		relid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
		tgoid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgparentid;
		systable_endscan(scan);
		if (!OidIsValid(tgoid))
			break;
		(*levels)++;
	}
	table_close(pg_trigger, AccessShareLock);
	return relid;
}

/* Does a row trigger see every change of its table? */
static bool
is_complete(const Trigger *trigger)
{
	return TRIGGER_FOR_ROW(trigger->tgtype) &&
		TRIGGER_FOR_AFTER(trigger->tgtype) &&
		TRIGGER_FOR_INSERT(trigger->tgtype) &&
		TRIGGER_FOR_UPDATE(trigger->tgtype) &&
		TRIGGER_FOR_DELETE(trigger->tgtype) &&
		trigger->tgnattr == 0 && trigger->tgqual == NULL &&
		!OidIsValid(trigger->tgconstraint);
}

/* Is there another TRUNCATE trigger that records the table? */
static bool
truncate_recorded_before(Relation rel, const Trigger *trigger)
{
	for (int i = 0; i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *other = &rel->trigdesc->triggers[i];

		if (other->tgoid == trigger->tgoid)
			break;
		if (other->tgfoid == trigger->tgfoid &&
			TRIGGER_FOR_TRUNCATE(other->tgtype) &&
			other->tgenabled != TRIGGER_DISABLED)
			return true;
	}
	return false;
}

/*
 * The row trigger that records a table: a partition may have one of its own
 * and others from several partitioned tables above it, and that of the
 * topmost table records.
 */
static Trigger *
recording_trigger(Relation rel, Oid function, Oid *root)
{
	Trigger    *recorder = NULL;
	int			highest = -1;

	for (int i = 0; i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];
		Oid			top;
		int			levels;

		if (trigger->tgfoid != function || !is_complete(trigger) ||
			trigger->tgenabled == TRIGGER_DISABLED)
			continue;
		top = tracked_root(trigger->tgoid, &levels);
		if (levels > highest)
		{
			recorder = trigger;
			highest = levels;
			*root = top;
		}
	}
	return recorder;
}

/* The index whose columns identify a row, or InvalidOid. */
static Oid
key_index(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			key = RelationGetReplicaIndex(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Oid			oid = lfirst_oid(lc);
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));

		/* A deferrable primary key counts too, unlike for replication. */
		if (HeapTupleIsValid(tuple))
		{
			if (((Form_pg_index) GETSTRUCT(tuple))->indisprimary)
				key = oid;
			ReleaseSysCache(tuple);
		}
	}
	list_free(indexes);
	return key;
}

static void
plan_key(AlTracking *tracking, Relation rel)
{
	Oid			oid = key_index(rel);
	HeapTuple	tuple;
	Form_pg_index index;

	if (!OidIsValid(oid))
		return;
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", oid);
	index = (Form_pg_index) GETSTRUCT(tuple);
	tracking->keys = palloc0(sizeof(AlKeyColumn) * index->indnkeyatts);
	for (int i = 0; i < index->indnkeyatts; i++)
	{
		AlKeyColumn *key = &tracking->keys[tracking->nkeys++];
		bool		found = false;

		key->attnum = index->indkey.values[i];
		for (int c = 0; c < tracking->row->ncolumns; c++)
		{
			AlColumnPlan *column = &tracking->row->columns[c];

			if (column->attnum != key->attnum)
				continue;
			found = true;
			key->type = column->type;
			key->masked = column->masked;
			if (!key->masked)
				tracking->guard = Max(tracking->guard,
									  al_rowjson_type_guard(key->type));
		}
		/* What is left out of the row must not show in the key. */
		if (!found)
			tracking->key_removed = true;
	}
	ReleaseSysCache(tuple);
}

/*
 * Makes what there is to know of a trigger, in memory of its own below the
 * current context.  Without a trigger it is what a new one without options
 * would have.
 */
AlTracking *
al_tracking_make(Relation rel, Trigger *trigger)
{
	AlTracking *tracking = palloc0(sizeof(AlTracking));
	Trigger    *recorder;
	Options		options;
	StringInfoData removed;
	MemoryContext old;
	const char *schema;
	const char *table;

	tracking->tgoid = trigger->tgoid;
	tracking->relid = tracking->root = RelationGetRelid(rel);
	tracking->filters = al_guc_generation;
	if (TRIGGER_FOR_ROW(trigger->tgtype) && !is_complete(trigger))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" does not see every change of table \"%s\"",
						trigger->tgname, RelationGetRelationName(rel)),
				 errhint("Create it with audit.enable().")));
	recorder = recording_trigger(rel, trigger->tgfoid, &tracking->root);
	if (recorder == NULL)
		tracking->silent = true;	/* a TRUNCATE trigger left behind */
	else if (TRIGGER_FOR_ROW(trigger->tgtype) &&
			 recorder->tgoid != trigger->tgoid)
		tracking->silent = true;
	else if (TRIGGER_FOR_TRUNCATE(trigger->tgtype) &&
			 truncate_recorded_before(rel, trigger))
		tracking->silent = true;

	parse_options(trigger, &options);
	tracking->skip_unchanged = options.skip_unchanged;
	initStringInfo(&removed);
	tracking->row = al_rowjson_plan(RelationGetDescr(rel), options.exclude,
									options.mask, &removed);
	tracking->guard = tracking->row->guard;

	old = MemoryContextSwitchTo(tracking->row->context);
	initStringInfo(&tracking->removed);
	appendBinaryStringInfo(&tracking->removed, removed.data, removed.len);
	plan_key(tracking, rel);
	tracking->computed = al_virtual_plan(rel);
	schema = get_namespace_name(get_rel_namespace(tracking->root));
	table = get_rel_name(tracking->root);
	if (schema == NULL || table == NULL)
		elog(ERROR, "cache lookup failed for relation %u", tracking->root);
	tracking->schema_name = CStringGetTextDatum(schema);
	tracking->dao_name = CStringGetTextDatum(table);
	if (tracking->root != tracking->relid)
		tracking->partition_name =
			CStringGetTextDatum(RelationGetRelationName(rel));
	MemoryContextSwitchTo(old);

	if (al_filter_table_ignored(schema, table) ||
		al_filter_table_ignored(get_namespace_name(RelationGetNamespace(rel)),
								RelationGetRelationName(rel)))
		tracking->silent = true;
	tracking->valid = true;
	return tracking;
}

/* What there is to know of a trigger of "rel"; looks nothing up if known. */
const AlTracking *
al_tracking_get(Relation rel, Trigger *trigger)
{
	AlTracking *tracking;
	AlTracking *made;
	bool		found;

	if (unlikely(trackings == NULL))
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),
		.entrysize = sizeof(AlTracking)};

		trackings = hash_create("audit_log tracked tables", 64, &ctl,
								HASH_ELEM | HASH_BLOBS);
	}
	tracking = hash_search(trackings, &trigger->tgoid, HASH_FIND, NULL);
	if (likely(tracking && tracking->valid &&
			   tracking->filters == al_guc_generation))
		return tracking;

	/* Anything can fail before the entry is touched, and leave no trace. */
	made = al_tracking_make(rel, trigger);
	tracking = hash_search(trackings, &trigger->tgoid, HASH_ENTER, &found);
	if (found && tracking->row)
		MemoryContextDelete(tracking->row->context);
	*tracking = *made;
	MemoryContextSetParent(tracking->row->context, CacheMemoryContext);
	return tracking;
}
