/*
 * src/backend/watch.c
 *
 * DDL and settings that weaken auditing leave a record of their own.
 *
 * Event triggers of the extension see DDL on tables (install script); what
 * they cannot see, a change of an audit.* setting, is seen here by a hook on
 * utility commands, in every session that has loaded the library.  Preload it
 * to see all of them.  The same hook sees that there was DDL while no event
 * trigger fired.
 *
 * These records have operation "ddl".  No ignore list applies to them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/deparse_utility.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "batch.h"
#include "compat.h"
#include "event.h"
#include "guc.h"
#include "keys.h"
#include "watch.h"

static ProcessUtility_hook_type next_process_utility = NULL;

/* Writes a record of a change of definition, also while the log is off. */
void
al_watch_record(Datum schema_name, Datum dao_name, Datum entity_key,
				Datum entity)
{
	AlObjectRecord record = {0};

	record.operation = AL_EVENT_OPERATION;
	record.schema_name = schema_name;
	record.dao_name = dao_name;
	record.entity_key = entity_key;
	record.entity = entity;
	al_batch_write(&record);
}

static ArrayBuildState *
add_text(ArrayBuildState *array, const char *text)
{
	return accumArrayResult(array, CStringGetTextDatum(text ? text : ""),
							false, TEXTOID, CurrentMemoryContext);
}

static ArrayType *
finish_array(ArrayBuildState *array)
{
	if (array == NULL)
		return construct_empty_array(TEXTOID);
	return DatumGetArrayTypeP(makeArrayResult(array, CurrentMemoryContext));
}

/* The arguments of a trigger; an empty array if there is no such trigger. */
ArrayType *
al_watch_trigger_args(Oid tgoid)
{
	Relation	pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	ArrayBuildState *args = NULL;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(tgoid));
	scan = systable_beginscan(pg_trigger, TriggerOidIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		bytea	   *bytes =
			DatumGetByteaPP(fastgetattr(tuple, Anum_pg_trigger_tgargs,
										RelationGetDescr(pg_trigger), &isnull));
		const char *p = VARDATA_ANY(bytes);
		int			n = ((Form_pg_trigger) GETSTRUCT(tuple))->tgnargs;

		while (n-- > 0)
		{
			args = add_text(args, p);
			p += strlen(p) + 1;
		}
	}
	systable_endscan(scan);
	table_close(pg_trigger, AccessShareLock);
	return finish_array(args);
}

/* What a subcommand of ALTER TABLE does, for those that matter here. */
static const char *
subcommand_name(AlterTableType type)
{
	switch (type)
	{
		case AT_AddColumn:
#if PG_VERSION_NUM < 160000
		case AT_AddColumnRecurse:
#endif
			return "ADD COLUMN";
		case AT_DropColumn:
#if PG_VERSION_NUM < 160000
		case AT_DropColumnRecurse:
#endif
			return "DROP COLUMN";
		case AT_AlterColumnType:
			return "ALTER COLUMN TYPE";
		case AT_AddConstraint:
#if PG_VERSION_NUM < 160000
		case AT_AddConstraintRecurse:
#endif
			return "ADD CONSTRAINT";
		case AT_EnableTrig:
			return "ENABLE TRIGGER";
		case AT_EnableAlwaysTrig:
			return "ENABLE ALWAYS TRIGGER";
		case AT_EnableReplicaTrig:
			return "ENABLE REPLICA TRIGGER";
		case AT_DisableTrig:
			return "DISABLE TRIGGER";
		case AT_EnableTrigAll:
			return "ENABLE TRIGGER ALL";
		case AT_DisableTrigAll:
			return "DISABLE TRIGGER ALL";
		case AT_EnableTrigUser:
			return "ENABLE TRIGGER USER";
		case AT_DisableTrigUser:
			return "DISABLE TRIGGER USER";
		case AT_AttachPartition:
			return "ATTACH PARTITION";
		case AT_DetachPartition:
			return "DETACH PARTITION";
		case AT_AddInherit:
			return "INHERIT";
		case AT_DropInherit:
			return "NO INHERIT";
		case AT_ReplicaIdentity:
			return "REPLICA IDENTITY";
		case AT_ChangeOwner:
			return "OWNER TO";
		default:
			return "OTHER";
	}
}

/*
 * What a command did to a table, for the event trigger: an array of
 * (subcommand, name, new name), flattened; names may be empty.
 */
ArrayType *
al_watch_ddl_details(void *command)
{
	CollectedCommand *collected = command;
	ArrayBuildState *parts = NULL;
	ListCell   *lc;

	if (collected->type == SCT_AlterTable)
		foreach(lc, collected->d.alterTable.subcmds)
		{
			CollectedATSubcmd *sub = lfirst(lc);
			AlterTableCmd *cmd = castNode(AlterTableCmd, sub->parsetree);

			parts = add_text(parts, subcommand_name(cmd->subtype));
			if (cmd->name == NULL && cmd->def && IsA(cmd->def, ColumnDef))
				parts = add_text(parts, ((ColumnDef *) cmd->def)->colname);
			else
				parts = add_text(parts, cmd->name);
			parts = add_text(parts, NULL);
		}
	else if (collected->parsetree && IsA(collected->parsetree, RenameStmt))
	{
		RenameStmt *rename = (RenameStmt *) collected->parsetree;
		bool		column = rename->renameType == OBJECT_COLUMN ||
		rename->renameType == OBJECT_ATTRIBUTE;

		parts = add_text(parts, column ? "RENAME COLUMN" : "RENAME");
		parts = add_text(parts, column ? rename->subname : NULL);
		parts = add_text(parts, rename->newname);
	}
	else if (collected->parsetree && IsA(collected->parsetree, CreateTrigStmt))
	{
		CreateTrigStmt *create = (CreateTrigStmt *) collected->parsetree;

		parts = add_text(parts, create->replace ? "REPLACE TRIGGER" :
						 "CREATE TRIGGER");
		parts = add_text(parts, create->trigname);
		parts = add_text(parts, NULL);
	}
	else if (collected->parsetree &&
			 IsA(collected->parsetree, AlterObjectSchemaStmt))
	{
		AlterObjectSchemaStmt *move =
			(AlterObjectSchemaStmt *) collected->parsetree;

		parts = add_text(parts, "SET SCHEMA");
		parts = add_text(parts, NULL);
		parts = add_text(parts, move->newschema);
	}
	return finish_array(parts);
}

/* ---------------------------------------------------------------- settings */

/*
 * A setting that a command changes, if it is one of those that only a
 * superuser may change.  What says who is asking changes with every request
 * and is in the records themselves.
 */
static bool
weakens(const VariableSetStmt *set)
{
	static const char *const names[] =
	{
		"audit.enabled", "audit.record_ttl", "audit.ignore_methods",
		"audit.ignore_paths", "audit.ignore_tables", "audit.payload_exclude",
		"audit.signing_key", "audit.ledger_database", "audit.ledger_key",
		"audit.ledger_origin", "audit.ledger_interval",
		"audit.ledger_heartbeat", "audit.checkpoint_dir",
		"audit.coverage_interval", "shared_preload_libraries",
		"event_triggers"		/* from PostgreSQL 17 on */
	};

	if (set == NULL)
		return false;
	if (set->kind == VAR_RESET_ALL)
		return true;
	if (set->name == NULL)
		return false;
	for (int i = 0; i < lengthof(names); i++)
		if (pg_strcasecmp(set->name, names[i]) == 0)
			return true;
	return false;
}

static void
record_setting(const char *tag, VariableSetStmt *set, const char *database,
			   const char *role)
{
	StringInfoData json;
	const char *name = set->kind == VAR_RESET_ALL ? "ALL" : set->name;
	char	   *value = NULL;

	if (set->kind == VAR_SET_VALUE)
		value = ExtractSetVariableArgs(set);
	else if (set->kind == VAR_SET_CURRENT)
		value = GetConfigOptionByName(set->name, NULL, true);
	al_event_begin(&json);
	al_event_add(&json, "command_tag", tag);
	al_event_add(&json, "setting", name);
	al_event_add(&json, "value", value);
	if (database)
		al_event_add(&json, "database", database);
	if (role)
		al_event_add(&json, "role", role);
	al_watch_record(CStringGetTextDatum("audit"),
					CStringGetTextDatum("settings"),
					CStringGetTextDatum(name), al_event_end(&json));
}

/* May a record of a command be written here? */
static bool
can_record(bool enabled)
{
	return enabled && !RecoveryInProgress() && IsTransactionState() &&
		OidIsValid(get_extension_oid("audit_log", true));
}

/* No event trigger sees that one of ours is switched off. */
static void
record_event_trigger(const AlterEventTrigStmt *alter)
{
	StringInfoData json;
	char		enabled[2] = {alter->tgenabled, '\0'};

	al_event_begin(&json);
	al_event_add(&json, "command_tag", "ALTER EVENT TRIGGER");
	al_event_add(&json, "object_type", "event trigger");
	al_event_add(&json, "object_identity", alter->trigname);
	al_event_add(&json, "enabled", enabled);
	PushActiveSnapshot(GetTransactionSnapshot());
	al_watch_record(CStringGetTextDatum("audit"),
					CStringGetTextDatum("event_triggers"),
					CStringGetTextDatum(alter->trigname),
					al_event_end(&json));
	PopActiveSnapshot();
}

static bool
is_ours(const AlterEventTrigStmt *alter)
{
	return strncmp(alter->trigname, "audit_log", 9) == 0;
}

/* -------------------------------------------------------------- unseen DDL */

/* Does no event trigger see a command, although it is one for them? */
static bool
is_unseen(Node *node, ProcessUtilityContext context)
{
	return !al_compat_event_triggers() && !creating_extension &&
		!IsBinaryUpgrade && context != PROCESS_UTILITY_SUBCOMMAND &&
		command_tag_event_trigger_ok(CreateCommandTag(node));
}

static void
add_name(StringInfo names, const char *name)
{
	if (names->len > 0)
		appendStringInfoString(names, ", ");
	appendStringInfoString(names, name);
}

static void
add_relation(StringInfo names, const RangeVar *relation)
{
	if (relation)
		add_name(names, quote_qualified_identifier(relation->schemaname,
												   relation->relname));
}

/* The tables, triggers and schemas that a command names, as it names them. */
static char *
names_in(Node *node)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	switch (nodeTag(node))
	{
		case T_DropStmt:
			foreach(lc, ((DropStmt *) node)->objects)
			{
				Node	   *object = lfirst(lc);

				if (IsA(object, List))
					add_name(&names, NameListToQuotedString((List *) object));
				else if (IsA(object, String))
					add_name(&names, quote_identifier(strVal(object)));
			}
			break;
		case T_AlterTableStmt:
			add_relation(&names, ((AlterTableStmt *) node)->relation);
			break;
		case T_RenameStmt:
			add_relation(&names, ((RenameStmt *) node)->relation);
			break;
		case T_AlterObjectSchemaStmt:
			add_relation(&names, ((AlterObjectSchemaStmt *) node)->relation);
			break;
		case T_CreateTrigStmt:
			add_relation(&names, ((CreateTrigStmt *) node)->relation);
			break;
		case T_CreateStmt:
		case T_CreateForeignTableStmt:	/* begins with one */
			add_relation(&names, ((CreateStmt *) node)->relation);
			break;
		case T_CreateTableAsStmt:
			add_relation(&names, ((CreateTableAsStmt *) node)->into->rel);
			break;
		default:
			break;
	}
	return names.len > 0 ? names.data : NULL;
}

/*
 * What the command did to tracked tables only an event trigger could tell; so
 * there is a record whatever it did.
 */
static void
record_unseen(const char *tag, const char *names)
{
	StringInfoData json;

	al_event_begin(&json);
	al_event_add(&json, "command_tag", tag);
	al_event_add(&json, "named", names);
	al_event_add(&json, "event_triggers", "off");
	PushActiveSnapshot(GetTransactionSnapshot());
	al_watch_record(CStringGetTextDatum("audit"),
					CStringGetTextDatum("event_triggers"),
					CStringGetTextDatum(tag), al_event_end(&json));
	PopActiveSnapshot();
}

/*
 * The record is written after the command, which may refuse.  But the file
 * that ALTER SYSTEM has written keeps the change when the record fails; so it
 * is seen to before that a record can be signed.  Switching the log off is
 * recorded as well as switching it on.  ALTER SYSTEM is allowed in a read-only
 * transaction, and so is its record.
 */
static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *env, DestReceiver *dest,
				QueryCompletion *completion)
{
	Node	   *node = pstmt->utilityStmt;
	VariableSetStmt *set = NULL;
	const char *tag = NULL;
	const char *database = NULL;
	const char *role = NULL;
	bool		was_enabled = al_guc_enabled;
	bool		unseen = is_unseen(node, context);

	switch (nodeTag(node))
	{
		case T_AlterSystemStmt:
			set = castNode(AlterSystemStmt, node)->setstmt;
			tag = "ALTER SYSTEM";
			break;
		case T_AlterDatabaseSetStmt:
			set = castNode(AlterDatabaseSetStmt, node)->setstmt;
			tag = "ALTER DATABASE";
			database = castNode(AlterDatabaseSetStmt, node)->dbname;
			break;
		case T_AlterRoleSetStmt:
			set = castNode(AlterRoleSetStmt, node)->setstmt;
			tag = "ALTER ROLE";
			database = castNode(AlterRoleSetStmt, node)->database;
			if (castNode(AlterRoleSetStmt, node)->role)
				role = get_rolespec_name(castNode(AlterRoleSetStmt, node)->role);
			break;
		default:
			break;
	}
	if (IsA(node, AlterSystemStmt) && weakens(set) && can_record(was_enabled) &&
		al_keys_active())
		(void) al_keys_current();
	if (next_process_utility)
		next_process_utility(pstmt, query, read_only_tree, context, params,
							 env, dest, completion);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params,
								env, dest, completion);

	if (IsA(node, AlterEventTrigStmt) && !creating_extension && !IsBinaryUpgrade &&
		is_ours((AlterEventTrigStmt *) node) &&
		can_record(was_enabled || al_guc_enabled))
		record_event_trigger((AlterEventTrigStmt *) node);
	/* The command may itself have switched them off. */
	if ((unseen || is_unseen(node, context)) &&
		can_record(was_enabled || al_guc_enabled))
		record_unseen(GetCommandTagName(CreateCommandTag(node)), names_in(node));
	/* What a session sets is announced in guc.c. */
	if (tag && weakens(set) && can_record(was_enabled || al_guc_enabled))
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		record_setting(tag, set, database, role);
		PopActiveSnapshot();
	}
}

void
al_watch_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
