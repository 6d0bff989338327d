/*
 * src/backend/capture.c
 *
 * From a changed row to its record: this runs for every row that a tracked
 * table gains, changes or loses, and once for a TRUNCATE.
 *
 * One direction, nothing looked up twice a statement: tracking says what to
 * print, rowjson prints it, batch keeps the record until the statement ends.
 * Any failure fails the statement; there is no way on without a record.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "batch.h"
#include "capture.h"
#include "compat.h"
#include "guard.h"
#include "guc.h"
#include "rowjson.h"
#include "tracking.h"

/* Of the texts of a row; the other columns and a tuple's overhead fit beside. */
#define RECORD_MAX (MaxAllocSize - 1024 * 1024)

/* A text under construction, with room for the varlena header in front. */
static void
begin_text(StringInfo text)
{
	initStringInfo(text);
	appendStringInfoSpaces(text, VARHDRSZ);
}

static Datum
end_text(StringInfo text)
{
	SET_VARSIZE(text->data, text->len);
	return PointerGetDatum(text->data);
}

/*
 * Marks the columns of the plan in which two rows differ, by the bytes of
 * their datums: exact for every type, and nothing is printed for it.
 */
static bool
find_changes(const AlRowPlan *plan, TupleTableSlot *old, TupleTableSlot *new,
			 bool *changed)
{
	bool		any = false;

	for (int i = 0; i < plan->ncolumns; i++)
	{
		const AlColumnPlan *column = &plan->columns[i];
		int			att = column->attnum - 1;

		if (old->tts_isnull[att] || new->tts_isnull[att])
			changed[i] = old->tts_isnull[att] != new->tts_isnull[att];
		else
			changed[i] = !datum_image_eq(old->tts_values[att],
										 new->tts_values[att],
										 column->typbyval, column->typlen);
		any |= changed[i];
	}
	return any;
}

/*
 * The key of a row: the text of its one column, or a JSON array of several.
 * 0 if there is no key, or a column of it is not to be shown.
 */
static Datum
entity_key(const AlTracking *tracking, TupleTableSlot *slot)
{
	StringInfoData text;

	if (tracking->nkeys == 0 || tracking->key_removed)
		return (Datum) 0;
	begin_text(&text);
	if (tracking->nkeys > 1)
		appendStringInfoChar(&text, '[');
	for (int i = 0; i < tracking->nkeys; i++)
	{
		const AlKeyColumn *key = &tracking->keys[i];
		int			att = key->attnum - 1;

		if (i > 0)
			appendStringInfoChar(&text, ',');
		if (slot->tts_isnull[att])
		{
			/* Only the columns of a replica identity index of a partition. */
			if (tracking->nkeys == 1)
				return (Datum) 0;
			appendStringInfoString(&text, "null");
		}
		else if (tracking->nkeys > 1)
		{
			if (key->masked)
				appendStringInfoString(&text, "\"" AL_MASK "\"");
			else
				al_rowjson_value(&text, key->type, slot->tts_values[att]);
		}
		else if (key->masked)
			appendStringInfoString(&text, AL_MASK);
		else
			al_rowjson_text(&text, key->type, slot->tts_values[att]);
	}
	if (tracking->nkeys > 1)
		appendStringInfoChar(&text, ']');
	return end_text(&text);
}

/*
 * Prints the parts of a record that come from the row: "slot" is the row that
 * it shows, "old" the row before an update.
 */
static void
print_row(const AlTracking *tracking, TupleTableSlot *slot,
		  TupleTableSlot *old, const bool *changed, AlObjectRecord *record)
{
	StringInfoData entity;
	StringInfoData old_values;
	StringInfoData removed;
	AlGuardState guard;

	begin_text(&entity);
	initStringInfo(&removed);
	appendBinaryStringInfo(&removed, tracking->removed.data,
						   tracking->removed.len);
	al_guard_enter(&guard, tracking->guard);
	al_tracking_hold();
	PG_TRY();
	{
		record->entity_key = entity_key(tracking, slot);
		al_rowjson_row(&entity, tracking->row, slot->tts_values,
					   slot->tts_isnull, NULL, &removed);
		record->entity = end_text(&entity);
		if (old)
		{
			begin_text(&old_values);
			al_rowjson_row(&old_values, tracking->row, old->tts_values,
						   old->tts_isnull, changed, &removed);
			record->old_values = end_text(&old_values);
		}
	}
	PG_FINALLY();
	{
		al_tracking_release();
		al_guard_leave(&guard);
	}
	PG_END_TRY();
	if (removed.len > 0)
		record->removed_from_entity =
			PointerGetDatum(cstring_to_text_with_len(removed.data,
													 removed.len));
}

static void
begin_record(AlObjectRecord *record, const AlTracking *tracking,
			 const char *operation)
{
	memset(record, 0, sizeof(*record));
	record->operation = operation;
	record->schema_name = tracking->schema_name;
	record->dao_name = tracking->dao_name;
	record->partition_name = tracking->partition_name;
}

/* Who wrote a row that is too large for a record must know that it was that. */
static void
explain_too_large(void *arg)
{
	const AlTracking *tracking = arg;

	if (geterrcode() != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		return;
	errhint("The text of a row and of what an update changed must fit into 1 GB together. Leave large columns out, with the option \"exclude\" of audit.enable().");
	errcontext("audit record of a row of table \"%s\"",
			   TextDatumGetCString(tracking->dao_name));
}

static void
require_fitting(const AlObjectRecord *record)
{
	Size		size = VARSIZE(DatumGetPointer(record->entity)) +
	(record->old_values ? VARSIZE(DatumGetPointer(record->old_values)) : 0);

	if (size > RECORD_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("audit record of %zu bytes is too large", size)));
}

/* Makes all values of a row ready in its slot. */
static void
read_row(const AlTracking *tracking, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	al_virtual_fill(tracking->computed, slot);
}

static void
capture_row(TriggerData *trigdata, const AlTracking *tracking)
{
	TupleTableSlot *slot = trigdata->tg_trigslot;
	TupleTableSlot *old = NULL;
	bool	   *changed = NULL;
	AlObjectRecord record;
	ErrorContextCallback context;

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		begin_record(&record, tracking, "create");
	else if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		begin_record(&record, tracking, "delete");
	else
	{
		old = slot;
		slot = trigdata->tg_newslot;
		read_row(tracking, old);
		begin_record(&record, tracking, "update");
	}
	read_row(tracking, slot);
	if (old)
	{
		changed = palloc(sizeof(bool) * Max(tracking->row->ncolumns, 1));
		if (!find_changes(tracking->row, old, slot, changed) &&
			tracking->skip_unchanged)
			return;
	}
	context.callback = explain_too_large;
	context.arg = unconstify(AlTracking *, tracking);
	context.previous = error_context_stack;
	error_context_stack = &context;
	print_row(tracking, slot, old, changed, &record);
	require_fitting(&record);
	error_context_stack = context.previous;
	al_batch_add_row(&record);
}

/*
 * TRUNCATE of a partitioned table fires the triggers of its partitions too.
 * Have we just recorded, in the same command, that of a table above "rel"?
 */
static bool
truncated_above(Relation rel)
{
	static LocalTransactionId lxid = InvalidLocalTransactionId;
	static CommandId command = InvalidCommandId;
	static List *truncated = NIL;
	MemoryContext old;
	ListCell   *lc;

	if (lxid != al_compat_lxid() || command != GetCurrentCommandId(false))
	{
		list_free(truncated);
		truncated = NIL;
		lxid = al_compat_lxid();
		command = GetCurrentCommandId(false);
	}
	if (rel->rd_rel->relispartition)
	{
		foreach(lc, get_partition_ancestors(RelationGetRelid(rel)))
		{
			if (list_member_oid(truncated, lfirst_oid(lc)))
				return true;
		}
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	truncated = lappend_oid(truncated, RelationGetRelid(rel));
	MemoryContextSwitchTo(old);
	return false;
}

/* One record for each table that is named or reached by a cascade. */
static void
capture_truncate(TriggerData *trigdata, const AlTracking *tracking)
{
	AlObjectRecord record;

	if (truncated_above(trigdata->tg_relation))
		return;
	begin_record(&record, tracking, "truncate");
	al_batch_write(&record);
}

/*
 * The trigger.  Anyone who may create triggers could attach it to a table in
 * some other way than audit.enable() does; refuse what would lose records.
 */
void
al_capture_change(TriggerData *trigdata)
{
	const AlTracking *tracking;
	bool		row = TRIGGER_FIRED_FOR_ROW(trigdata->tg_event);
	bool		truncate = TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event);

	if (!TRIGGER_FIRED_AFTER(trigdata->tg_event) || row == truncate)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be fired AFTER INSERT, UPDATE or DELETE FOR EACH ROW, or AFTER TRUNCATE",
						trigdata->tg_trigger->tgname),
				 errhint("Create it with audit.enable().")));
	if (OidIsValid(trigdata->tg_trigger->tgconstraint))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must not be a constraint trigger",
						trigdata->tg_trigger->tgname),
				 errhint("Create it with audit.enable().")));
	if (!al_guc_enabled)
		return;

	tracking = al_tracking_get(trigdata->tg_relation, trigdata->tg_trigger);
	if (tracking->silent)
		return;
	if (truncate)
		capture_truncate(trigdata, tracking);
	else
		capture_row(trigdata, tracking);
}

/* The capture trigger among those of a table, or NULL. */
static Trigger *
row_trigger(const TriggerDesc *triggers, Oid function)
{
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tgfoid == function &&
			TRIGGER_FOR_ROW(trigger->tgtype) &&
			trigger->tgenabled != TRIGGER_DISABLED)
			return trigger;
	}
	return NULL;
}

/* Adds a record of every row that a table has now; returns their number. */
static int64
capture_rows(Relation rel, const AlTracking *tracking, AlBatch *batch)
{
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "audit_log snapshot row",
													  ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	int64		rows = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		AlObjectRecord record;

		CHECK_FOR_INTERRUPTS();
		read_row(tracking, slot);
		begin_record(&record, tracking, "snapshot");
		print_row(tracking, slot, NULL, NULL, &record);
		al_batch_add(batch, &record);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
		rows++;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row_context);
	return rows;
}

/*
 * Records the rows that a tracked table has now, as operation "snapshot".
 * The table's own rows only: the caller goes over its partitions.
 *
 * Printing a value can call functions that its type's owner wrote, and who
 * asks for a snapshot is a superuser most of the time, also where an event
 * trigger does it.  So rows are printed with the rights of the table's owner,
 * as VACUUM computes index expressions.  Who asked is in the records: the
 * batch was begun before.
 */
int64
al_capture_snapshot(Oid relid, Oid function)
{
	Relation	rel = try_table_open(relid, ShareLock);
	Trigger    *trigger;
	const AlTracking *tracking;
	AlBatch    *batch;
	int64		rows;
	Oid			save_user;
	int			save_security;
	int			save_nest_level;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	/* Copied, because the relation cache does not keep its own in place. */
	trigger = row_trigger(CopyTriggerDesc(rel->trigdesc), function);

	if (trigger == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not tracked",
						RelationGetRelationName(rel)),
				 errhint("Call audit.enable() first.")));
	tracking = al_tracking_get(rel, trigger);
	if (!al_guc_enabled || tracking->silent ||
		!RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind))
	{
		table_close(rel, NoLock);
		return 0;
	}

	batch = al_batch_begin();
	GetUserIdAndSecContext(&save_user, &save_security);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   save_security | SECURITY_RESTRICTED_OPERATION);
	save_nest_level = NewGUCNestLevel();
	rows = capture_rows(rel, tracking, batch);
	AtEOXact_GUC(false, save_nest_level);
	SetUserIdAndSecContext(save_user, save_security);
	al_batch_end(batch);
	table_close(rel, NoLock);
	return rows;
}
