/*
 * src/backend/ddl.c
 *
 * What a command of DDL did, and to what: of that the event triggers of the
 * install script see little, and nobody when they do not fire.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "tcop/deparse_utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "ddl.h"

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
al_ddl_trigger_args(Oid tgoid)
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
		Datum		stored = fastgetattr(tuple, Anum_pg_trigger_tgargs,
										 RelationGetDescr(pg_trigger),
										 &isnull);
		bytea	   *bytes = DatumGetByteaPP(stored);
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

/* Does ALTER COLUMN TYPE make other values than a cast of the old ones? */
static bool
is_converted(const AlterTableCmd *cmd)
{
	Node	   *value = castNode(ColumnDef, cmd->def)->raw_default;

	while (value && IsA(value, TypeCast))
		value = ((TypeCast *) value)->arg;
	return value &&
		!(IsA(value, ColumnRef) &&
		  strcmp(NameListToString(((ColumnRef *) value)->fields),
				 cmd->name) == 0);
}

/* Did ADD COLUMN IF NOT EXISTS find that there is one? */
static bool
is_passed_over(const AlterTableCmd *cmd, Oid made)
{
	switch (cmd->subtype)
	{
		case AT_AddColumn:
#if PG_VERSION_NUM < 160000
		case AT_AddColumnRecurse:
#endif
			return cmd->missing_ok && !OidIsValid(made);
		default:
			return false;
	}
}

/* What a subcommand of ALTER TABLE does, for those that matter here. */
static const char *
subcommand_name(const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_AlterColumnType:
			return is_converted(cmd) ? "ALTER COLUMN TYPE USING" :
				"ALTER COLUMN TYPE";
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
#if PG_VERSION_NUM >= 170000
		case AT_SetExpression:
			return "SET EXPRESSION";
#endif
		case AT_AddConstraint:
#if PG_VERSION_NUM < 160000
		case AT_AddConstraintRecurse:
#endif
			return "ADD CONSTRAINT";
		case AT_DropConstraint:
#if PG_VERSION_NUM < 160000
		case AT_DropConstraintRecurse:
#endif
			return "DROP CONSTRAINT";
		case AT_SetNotNull:
			return "SET NOT NULL";
		case AT_DropNotNull:
			return "DROP NOT NULL";
		case AT_ColumnDefault:
			return cmd->def ? "SET DEFAULT" : "DROP DEFAULT";
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
		case AT_DetachPartitionFinalize:
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

/* Adds one part of what a command did; a name may be NULL. */
static ArrayBuildState *
add_part(ArrayBuildState *parts, const char *what, const char *name,
		 const char *new_name)
{
	parts = add_text(parts, what);
	parts = add_text(parts, name);
	return add_text(parts, new_name);
}

/* The column, trigger or partition that a subcommand of ALTER TABLE names. */
static const char *
subcommand_object(const AlterTableCmd *cmd)
{
	if (cmd->def && IsA(cmd->def, PartitionCmd))
	{
		RangeVar   *partition = ((PartitionCmd *) cmd->def)->name;

		return quote_qualified_identifier(partition->schemaname,
										  partition->relname);
	}
	if (cmd->name == NULL && cmd->def && IsA(cmd->def, ColumnDef))
		return ((ColumnDef *) cmd->def)->colname;
	return cmd->name;
}

/*
 * What a command did to a table, for the event trigger: an array of
 * (subcommand, name, new name), flattened; names may be empty.
 */
ArrayType *
al_ddl_details(void *command)
{
	CollectedCommand *collected = command;
	Node	   *node = collected->parsetree;
	ArrayBuildState *parts = NULL;

	if (collected->type == SCT_AlterTable)
	{
		ListCell   *lc;

		foreach(lc, collected->d.alterTable.subcmds)
		{
			CollectedATSubcmd *sub = lfirst(lc);
			AlterTableCmd *cmd = castNode(AlterTableCmd, sub->parsetree);

			if (!is_passed_over(cmd, sub->address.objectId))
				parts = add_part(parts, subcommand_name(cmd),
								 subcommand_object(cmd), NULL);
		}
	}
	else if (node && IsA(node, RenameStmt))
	{
		RenameStmt *rename = (RenameStmt *) node;

		if (rename->renameType == OBJECT_COLUMN ||
			rename->renameType == OBJECT_ATTRIBUTE)
			parts = add_part(parts, "RENAME COLUMN", rename->subname,
							 rename->newname);
		else
			parts = add_part(parts, "RENAME", NULL, rename->newname);
	}
	else if (node && IsA(node, CreateTrigStmt))
	{
		CreateTrigStmt *create = (CreateTrigStmt *) node;

		parts = add_part(parts, create->replace ? "REPLACE TRIGGER" :
						 "CREATE TRIGGER", create->trigname, NULL);
	}
	else if (node && IsA(node, AlterObjectSchemaStmt))
		parts = add_part(parts, "SET SCHEMA", NULL,
						 ((AlterObjectSchemaStmt *) node)->newschema);
	return finish_array(parts);
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

/*
 * The tables, triggers and schemas that a command names, as it names them;
 * NULL if it names none.
 */
char *
al_ddl_names(Node *node)
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
