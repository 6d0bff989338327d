/*
 * src/backend/tracking.c
 *
 * What a capture trigger must know of its table: the names under which it is
 * recorded, the options in the trigger's arguments, the columns of its key and
 * the plan of its rows.  Made once a trigger and kept for the process, so that
 * a row looks nothing up.
 *
 * A callback marks what may have changed; only al_tracking_get() replaces.
 * What it gives stays as it is until the caller has printed a row, even if the
 * printing calls a function that writes to the same table: what is replaced
 * while a row is being printed lives on until the transaction ends.
 *
 * Options are trigger arguments of the form name=value; they are dumped,
 * renamed and upgraded with the table, and no catalogue of ours can drift:
 *
 *	exclude={a,b}	columns left out, an array literal
 *	mask={a,b}		columns whose values print as AL_MASK
 *	skip_unchanged	updates that change no recorded column leave no record
 *	skip_applied	what is applied is not recorded: the trigger is not enabled
 *					always, and must not be when it is enabled again
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
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

/* What is kept of a trigger. */
typedef struct Kept
{
	Oid			tgoid;			/* hash key */
	bool		valid;
	uint64		filters;		/* al_guc_generation when made */
	AlTracking *tracking;		/* in the memory context of its row plan */
} Kept;

static HTAB *trackings = NULL;
static uint64 invalidations = 0;	/* calls of the callback below */
static int	holders = 0;		/* rows that are being printed */

/* ------------------------------------------------------------ invalidation */

static void
invalidate(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	Kept	   *kept;

	invalidations++;
	if (trackings == NULL)
		return;
	hash_seq_init(&status, trackings);
	while ((kept = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(relid) || relid == kept->tracking->relid ||
			relid == kept->tracking->root ||
			list_member_oid(kept->tracking->row->relids, relid))
			kept->valid = false;
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

	/*
	 * A schema's name is part of a record; a cast to json changes a row, and
	 * its function may be replaced by one of another language.
	 */
	CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate_all, (Datum) 0);
	CacheRegisterSyscacheCallback(CASTSOURCETARGET, invalidate_all, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, invalidate_all, (Datum) 0);
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
		else if (strcmp(arg, "skip_applied") != 0)
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
truncate_recorded_before(const TriggerDesc *triggers, const Trigger *trigger)
{
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *other = &triggers->triggers[i];

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
recording_trigger(const TriggerDesc *triggers, Oid function, Oid *root)
{
	Trigger    *recorder = NULL;
	int			highest = -1;

	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];
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

/* Does another trigger record what this one sees?  "recorder" may be NULL. */
static bool
is_spare(const Trigger *trigger, const Trigger *recorder,
		 const TriggerDesc *triggers)
{
	if (recorder == NULL)
		return true;			/* a TRUNCATE trigger left behind */
	if (TRIGGER_FOR_ROW(trigger->tgtype))
		return recorder->tgoid != trigger->tgoid;
	return TRIGGER_FOR_TRUNCATE(trigger->tgtype) &&
		truncate_recorded_before(triggers, trigger);
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
									  al_rowplan_type_guard(key->type));
		}
		/* What is left out of the row must not show in the key. */
		if (!found)
			tracking->key_removed = true;
	}
	ReleaseSysCache(tuple);
}

/* The names under which a table is recorded, unless an ignore list has one. */
static void
name_tables(AlTracking *tracking, Relation rel)
{
	const char *schema = get_namespace_name(get_rel_namespace(tracking->root));
	const char *table = get_rel_name(tracking->root);
	const char *own_schema = get_namespace_name(RelationGetNamespace(rel));
	const char *own_table = RelationGetRelationName(rel);

	if (schema == NULL || table == NULL)
		elog(ERROR, "cache lookup failed for relation %u", tracking->root);
	tracking->schema_name = CStringGetTextDatum(schema);
	tracking->dao_name = CStringGetTextDatum(table);
	if (tracking->root != tracking->relid)
		tracking->partition_name = CStringGetTextDatum(own_table);
	if (al_filter_table_ignored(schema, table) ||
		al_filter_table_ignored(own_schema, own_table))
		tracking->silent = true;
}

/*
 * Makes what there is to know of a trigger, in memory of its own below the
 * current context: that of its row plan.
 */
static AlTracking *
make_tracking(Relation rel, Trigger *trigger)
{
	AlTracking *tracking;
	TriggerDesc *triggers;
	Trigger    *recorder;
	Oid			root = RelationGetRelid(rel);
	Options		options;
	StringInfoData removed;
	MemoryContext old;
	AlRowPlan  *row;

	if (TRIGGER_FOR_ROW(trigger->tgtype) && !is_complete(trigger))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" does not see every change of table \"%s\"",
						trigger->tgname, RelationGetRelationName(rel)),
				 errhint("Create it with audit.enable().")));

	/*
	 * A copy: what follows reads catalogs, and whenever one is read the
	 * relation cache may put another list in the place of the table's.
	 */
	triggers = CopyTriggerDesc(rel->trigdesc);
	recorder = recording_trigger(triggers, trigger->tgfoid, &root);
	parse_options(trigger, &options);
	initStringInfo(&removed);
	row = al_rowplan_make(RelationGetDescr(rel), options.exclude, options.mask,
						  &removed);

	old = MemoryContextSwitchTo(row->context);
	tracking = palloc0(sizeof(AlTracking));
	tracking->relid = RelationGetRelid(rel);
	tracking->root = root;
	tracking->row = row;
	tracking->guard = row->guard;
	tracking->skip_unchanged = options.skip_unchanged;
	tracking->silent = is_spare(trigger, recorder, triggers);

	initStringInfo(&tracking->removed);
	appendBinaryStringInfo(&tracking->removed, removed.data, removed.len);
	plan_key(tracking, rel);
	tracking->computed = al_virtual_plan(rel);
	name_tables(tracking, rel);
	MemoryContextSwitchTo(old);
	return tracking;
}

/*
 * From here to al_tracking_release() nothing that al_tracking_get() has given
 * is freed.
 */
void
al_tracking_hold(void)
{
	holders++;
}

void
al_tracking_release(void)
{
	Assert(holders > 0);
	holders--;
}

/* Frees what was replaced, or has it freed once nobody can be printing by it. */
static void
drop_tracking(AlTracking *tracking)
{
	if (holders > 0)
		MemoryContextSetParent(tracking->row->context, TopTransactionContext);
	else
		MemoryContextDelete(tracking->row->context);
}

/* What there is to know of a trigger of "rel"; looks nothing up if known. */
const AlTracking *
al_tracking_get(Relation rel, Trigger *trigger)
{
	Kept	   *kept;
	AlTracking *made;
	uint64		filters = al_guc_generation;
	uint64		before = invalidations;
	bool		found;

	if (unlikely(trackings == NULL))
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Kept);
		trackings = hash_create("audit_log tracked tables", 64, &ctl,
								HASH_ELEM | HASH_BLOBS);
	}
	kept = hash_search(trackings, &trigger->tgoid, HASH_FIND, NULL);
	if (likely(kept && kept->valid && kept->filters == filters))
		return kept->tracking;

	/* Anything can fail before the entry is touched, and leave no trace. */
	made = make_tracking(rel, trigger);
	kept = hash_search(trackings, &trigger->tgoid, HASH_ENTER, &found);
	if (found)
		drop_tracking(kept->tracking);
	kept->tracking = made;
	kept->filters = filters;
	/* What changed while it was made may be in it or not: make it again. */
	kept->valid = before == invalidations;
	MemoryContextSetParent(made->row->context, CacheMemoryContext);
	return made;
}
