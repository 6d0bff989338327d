/*
 * src/backend/batch.c
 *
 * Object records wait in memory until their statement ends, and are then
 * written together.  This file says which records wait for which statement.
 *
 * When does a statement end?  No hook and no trigger on the tracked table
 * tells: COPY and logical replication run without the executor's hooks, a
 * partition written to directly has no statement trigger, and the library may
 * be loaded by the very statement that it must record.  So the first record of
 * a statement queues an event of its own, behind those of the statement, in
 * the server's queue of AFTER triggers: that of the trigger audit_log_flush on
 * audit.audit_objects.  Foreign key actions queue their events in this way.
 * The server fires it in the same query level, once all events before it are
 * done and before the statement returns.
 *
 * Firing it makes the server open audit.audit_objects for the statement.  Two
 * callers of AFTER triggers never close what was opened so: TRUNCATE and the
 * apply worker of logical replication.  Their records are written at once;
 * the former makes few, and the latter is told of each row by itself.
 *
 * Statements nest: a trigger of the user may run another statement while
 * records of the outer one wait.  Each level has a batch of its own.  Two
 * levels with a batch differ in their trigger depth, because the inner one
 * runs inside a trigger of the outer one; so the depth names the level.
 *
 * Subtransactions: the records of a level were all made in one subtransaction,
 * the one that runs the statement, and are written in it.  If an inner
 * statement's subtransaction aborts, the batches made in it go, and the outer
 * ones, which wait in memory, are untouched.
 *
 * A batch that is still open when the transaction commits means that the
 * flush trigger was dropped or disabled; the commit is refused then.
 *
 * Memory stays bounded: a batch that is full is written at once.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "batch.h"
#include "context.h"
#include "ids.h"
#include "purge.h"
#include "record.h"
#include "store.h"

/* Enough rows to fill some pages; enough bytes for rows of some size. */
#define BATCH_ROWS 256
#define BATCH_BYTES (256 * 1024)

#define FLUSH_TRIGGER "audit_log_flush"

struct AlBatch
{
	AlBatch    *outer;			/* the level around this one */
	int			depth;			/* trigger depth; -1: not a statement's */
	SubTransactionId subid;		/* the subtransaction that opened it */
	MemoryContext context;		/* of the batch; lives until it ends */
	MemoryContext tuple_context;	/* of the records that wait */
	AlContext	who;
	AlIdSequence ids;
	pg_uuid_t	last_id;
	int			ntuples;
	Size		bytes;
	HeapTuple	tuples[BATCH_ROWS];
	Datum		values[AL_OBJECT_COLUMNS];	/* with the context filled in */
	bool		nulls[AL_OBJECT_COLUMNS];
};

/* The batches of the statements that run now, from the inside outwards. */
static AlBatch *innermost = NULL;

static void
set_column(AlBatch *batch, AlObjectColumn column, Datum value, bool present)
{
	batch->values[column - 1] = value;
	batch->nulls[column - 1] = !present;
}

static void
set_text(AlBatch *batch, AlObjectColumn column, Datum value)
{
	set_column(batch, column, value, value != (Datum) 0);
}

/* The columns that all records of the batch share. */
static void
fill_shared_columns(AlBatch *batch)
{
	AlContext  *who = &batch->who;

	memset(batch->nulls, true, sizeof(batch->nulls));
	set_column(batch, AL_OBJECT_TXID,
			   FullTransactionIdGetDatum(GetTopFullTransactionId()), true);
	set_column(batch, AL_OBJECT_OCCURRED_AT,
			   TimestampTzGetDatum(who->occurred_at), true);
	set_column(batch, AL_OBJECT_EXPIRE, TimestampTzGetDatum(who->expire),
			   who->expire != DT_NOEND);
	set_text(batch, AL_OBJECT_REQUEST_ID, who->request_id);
	set_text(batch, AL_OBJECT_RBAC_USER_ID, who->rbac_user_id);
	set_text(batch, AL_OBJECT_RBAC_USER_NAME, who->rbac_user_name);
	set_text(batch, AL_OBJECT_WORKSPACE, who->workspace);
	set_text(batch, AL_OBJECT_REQUEST_SOURCE, who->request_source);
	set_text(batch, AL_OBJECT_CLIENT_IP, who->client_ip);
	set_text(batch, AL_OBJECT_DB_USER, who->db_user);
	set_text(batch, AL_OBJECT_DB_ROLE, who->db_role);
	set_text(batch, AL_OBJECT_APPLICATION_NAME, who->application_name);
}

static AlBatch *
create_batch(int depth)
{
	/* a statement's is freed where it is closed; another's may be left over */
	MemoryContext parent = depth < 0 ? CurTransactionContext :
		TopTransactionContext;
	MemoryContext context = AllocSetContextCreate(parent, "audit_log batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AlBatch    *batch = palloc(sizeof(AlBatch));

	batch->outer = NULL;
	batch->depth = depth;
	batch->subid = GetCurrentSubTransactionId();
	batch->context = context;
	batch->tuple_context = AllocSetContextCreate(context,
												 "audit_log records",
												 ALLOCSET_DEFAULT_SIZES);
	batch->ntuples = 0;
	batch->bytes = 0;
	al_context_fill(&batch->who);
	al_ids_start(&batch->ids, batch->who.occurred_at);
	fill_shared_columns(batch);
	MemoryContextSwitchTo(old);
	return batch;
}

/* The trigger whose event ends a statement's batch, as it is meant to be. */
static Trigger *
flush_trigger(const TriggerDesc *triggers)
{
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (strcmp(trigger->tgname, FLUSH_TRIGGER) == 0 &&
			TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_STATEMENT,
								 TRIGGER_TYPE_AFTER, TRIGGER_TYPE_INSERT) &&
			trigger->tgqual == NULL && trigger->tgnewtable == NULL)
			return trigger;
	}
	return NULL;
}

/*
 * Queues the event that will end the statement's batch; see above.  It is that
 * of our trigger alone: one that somebody added may have a condition, which
 * takes the executor to be judged.
 */
static void
queue_flush(void)
{
	Relation	rel = al_store_open(AL_OBJECTS);
	Trigger    *trigger = flush_trigger(rel->trigdesc);
	TriggerDesc triggers;
	ResultRelInfo result;

	if (trigger == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("trigger \"%s\" of table \"audit.audit_objects\" is missing",
						FLUSH_TRIGGER),
				 errhint("Run DROP EXTENSION and CREATE EXTENSION, or create the trigger again as the install script does.")));
	MemSet(&triggers, 0, sizeof(triggers));
	triggers.triggers = trigger;
	triggers.numtriggers = 1;
	triggers.trig_insert_after_statement = true;
	MemSet(&result, 0, sizeof(result));
	result.type = T_ResultRelInfo;
	result.ri_RelationDesc = rel;
	result.ri_TrigDesc = &triggers;
	ExecASInsertTriggers(NULL, &result, NULL);
	al_tables_close(rel);
}

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/* The batch of the statement whose trigger is running, opened on first use. */
static AlBatch *
batch_of_statement(void)
{
	int			depth = trigger_depth();
	AlBatch    *batch = innermost;

	if (batch && batch->depth == depth)
		return batch;
	Assert(batch == NULL || batch->depth < depth);
	queue_flush();
	batch = create_batch(depth);
	batch->outer = innermost;
	innermost = batch;
	return batch;
}

/* A batch outside any statement; the caller ends it with al_batch_end(). */
AlBatch *
al_batch_begin(void)
{
	al_tables_close(al_store_open(AL_OBJECTS));
	return create_batch(-1);
}

static void
write_waiting(AlBatch *batch)
{
	int			n = batch->ntuples;

	if (n == 0)
		return;
	batch->ntuples = 0;
	batch->bytes = 0;
	al_record_sign(AL_OBJECTS, batch->tuples, n);
	al_store_write(AL_OBJECTS, batch->tuples, n);
	MemoryContextReset(batch->tuple_context);
	al_purge_some(AL_OBJECTS, batch->who.occurred_at, batch->who.expire, n);
}

void
al_batch_add(AlBatch *batch, const AlObjectRecord *record)
{
	MemoryContext old = MemoryContextSwitchTo(batch->tuple_context);
	pg_uuid_t	id;
	struct
	{
		int32		header;
		char		bytes[AL_SALT_SIZE];
	}			salt;
	HeapTuple	tuple;

	al_ids_next(&batch->ids, &id);
	batch->last_id = id;
	SET_VARSIZE(&salt, sizeof(salt));
	al_ids_random(salt.bytes, AL_SALT_SIZE);
	set_column(batch, AL_OBJECT_ID, UUIDPGetDatum(&id), true);
	set_column(batch, AL_OBJECT_SALT, PointerGetDatum(&salt), true);
	set_column(batch, AL_OBJECT_OPERATION,
			   CStringGetTextDatum(record->operation), true);
	set_text(batch, AL_OBJECT_SCHEMA_NAME, record->schema_name);
	set_text(batch, AL_OBJECT_DAO_NAME, record->dao_name);
	set_text(batch, AL_OBJECT_PARTITION_NAME, record->partition_name);
	set_text(batch, AL_OBJECT_ENTITY_KEY, record->entity_key);
	set_text(batch, AL_OBJECT_ENTITY, record->entity);
	set_text(batch, AL_OBJECT_OLD_VALUES, record->old_values);
	set_text(batch, AL_OBJECT_REMOVED, record->removed_from_entity);

	tuple = al_store_form(AL_OBJECTS, batch->values, batch->nulls);
	MemoryContextSwitchTo(old);

	batch->tuples[batch->ntuples++] = tuple;
	batch->bytes += tuple->t_len;
	if (batch->ntuples == BATCH_ROWS || batch->bytes >= BATCH_BYTES)
		write_waiting(batch);
}

void
al_batch_end(AlBatch *batch)
{
	write_waiting(batch);
	MemoryContextDelete(batch->context);
}

/* Writes a record now, outside any batch. */
void
al_batch_write(const AlObjectRecord *record)
{
	AlBatch    *batch = al_batch_begin();

	al_batch_add(batch, record);
	al_batch_end(batch);
}

/*
 * The same for a record that must never expire, because it explains what the
 * ledger will go on showing.  Gives its id.
 */
void
al_batch_write_kept(const AlObjectRecord *record, pg_uuid_t *id)
{
	AlBatch    *batch = al_batch_begin();

	batch->who.expire = DT_NOEND;
	set_column(batch, AL_OBJECT_EXPIRE, (Datum) 0, false);
	al_batch_add(batch, record);
	*id = batch->last_id;
	al_batch_end(batch);
}

/* Adds the record of a row that the running statement changed. */
void
al_batch_add_row(const AlObjectRecord *record)
{
	if (IsLogicalWorker())
		al_batch_write(record);
	else
		al_batch_add(batch_of_statement(), record);
}

/* Called by the flush trigger: ends the batch of the statement that ends. */
void
al_batch_flush_statement(void)
{
	AlBatch    *batch = innermost;

	/* A superuser who restores audit records fires the trigger too. */
	if (batch == NULL || batch->depth != trigger_depth())
		return;
	write_waiting(batch);
	innermost = batch->outer;
	MemoryContextDelete(batch->context);
}

static void
on_xact_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (innermost)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("audit records of this transaction were not written"),
						 errhint("The trigger \"%s\" of table \"audit.audit_objects\" must be enabled ALWAYS.",
								 FLUSH_TRIGGER)));
			break;
		case XACT_EVENT_ABORT:
			al_store_abort();
			/* The batches themselves go with TopTransactionContext. */
			innermost = NULL;
			break;
		default:
			break;
	}
}

static void
on_subxact_event(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		al_store_abort();
		while (innermost && innermost->subid == subid)
		{
			AlBatch    *batch = innermost;

			innermost = batch->outer;
			MemoryContextDelete(batch->context);
		}
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (AlBatch *batch = innermost; batch; batch = batch->outer)
			if (batch->subid == subid)
				batch->subid = parent;
	}
}

void
al_batch_init(void)
{
	RegisterXactCallback(on_xact_event, NULL);
	RegisterSubXactCallback(on_subxact_event, NULL);
}
