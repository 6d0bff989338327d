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

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "batch.h"
#include "compat.h"
#include "ddl.h"
#include "event.h"
#include "guc.h"
#include "keys.h"
#include "watch.h"

#define LOG_OWNER "audit_log_owner"

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

/*
 * A setting that a command changes, if it is one of those that only a
 * superuser may change.  What says who is asking changes with every request
 * and is in the records themselves.
 */
static bool
is_watched(const char *name)
{
	static const char *const names[] =
	{
		"audit.enabled", "audit.record_ttl", "audit.ignore_methods",
		"audit.ignore_paths", "audit.ignore_tables", "audit.payload_exclude",
		"audit.signing_key", "audit.ledger_database", "audit.ledger_key",
		"audit.ledger_origin", "audit.ledger_interval",
		"audit.ledger_heartbeat", "audit.checkpoint_dir",
		"audit.coverage_interval", "shared_preload_libraries",
		"session_replication_role", /* silences record_applied => false */
		"event_triggers"		/* from PostgreSQL 17 on */
	};

	for (int i = 0; i < lengthof(names); i++)
		if (pg_strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Writes a record of a command that no row of a tracked table stands for. */
static void
record(const char *table, const char *key, StringInfo json)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	al_watch_record(CStringGetTextDatum("audit"), CStringGetTextDatum(table),
					CStringGetTextDatum(key), al_event_end(json));
	PopActiveSnapshot();
}

/* A command that stores a setting, for others than its own session. */
typedef struct SettingChange
{
	const char *tag;
	VariableSetStmt *set;		/* NULL: it is no such command */
	const char *database;		/* for this one alone, or NULL */
	const char *role;			/* likewise */
} SettingChange;

static void
read_change(Node *node, SettingChange *change)
{
	memset(change, 0, sizeof(*change));
	switch (nodeTag(node))
	{
		case T_AlterSystemStmt:
			change->set = castNode(AlterSystemStmt, node)->setstmt;
			change->tag = "ALTER SYSTEM";
			break;
		case T_AlterDatabaseSetStmt:
			change->set = castNode(AlterDatabaseSetStmt, node)->setstmt;
			change->tag = "ALTER DATABASE";
			change->database = castNode(AlterDatabaseSetStmt, node)->dbname;
			break;
		case T_AlterRoleSetStmt:
			{
				AlterRoleSetStmt *alter = castNode(AlterRoleSetStmt, node);

				change->set = alter->setstmt;
				change->tag = "ALTER ROLE";
				change->database = alter->database;
				if (alter->role)
					change->role = get_rolespec_name(alter->role);
				break;
			}
		default:
			break;
	}
}

static bool
weakens(const SettingChange *change)
{
	const VariableSetStmt *set = change->set;

	return set != NULL && (set->kind == VAR_RESET_ALL ||
						   (set->name != NULL && is_watched(set->name)));
}

static void
record_setting(const SettingChange *change)
{
	StringInfoData json;
	VariableSetStmt *set = change->set;
	const char *name = set->kind == VAR_RESET_ALL ? "ALL" : set->name;
	char	   *value = NULL;

	if (set->kind == VAR_SET_VALUE)
		value = ExtractSetVariableArgs(set);
	else if (set->kind == VAR_SET_CURRENT)
		value = GetConfigOptionByName(set->name, NULL, true);
	al_event_begin(&json);
	al_event_add(&json, "command_tag", change->tag);
	al_event_add(&json, "setting", name);
	al_event_add(&json, "value", value);
	if (change->database)
		al_event_add(&json, "database", change->database);
	if (change->role)
		al_event_add(&json, "role", change->role);
	record("settings", name, &json);
}

/* May a record of a command be written here? */
static bool
can_record(bool enabled)
{
	return enabled && !RecoveryInProgress() && IsTransactionState() &&
		OidIsValid(get_extension_oid("audit_log", true));
}

static void
record_event_trigger(const char *tag, const char *name, const char *what,
					 const char *value)
{
	StringInfoData json;

	al_event_begin(&json);
	al_event_add(&json, "command_tag", tag);
	al_event_add(&json, "object_type", "event trigger");
	al_event_add(&json, "object_identity", name);
	if (what)
		al_event_add(&json, what, value);
	record("event_triggers", name, &json);
}

static bool
is_ours(const char *event_trigger)
{
	return strncmp(event_trigger, "audit_log", 9) == 0;
}

/*
 * No event trigger sees that one of ours is switched off, renamed or, once it
 * is no part of the extension any more, dropped.
 */
static void
watch_event_triggers(Node *node)
{
	if (IsA(node, AlterEventTrigStmt))
	{
		AlterEventTrigStmt *alter = (AlterEventTrigStmt *) node;
		char		enabled[2] = {alter->tgenabled, '\0'};

		if (is_ours(alter->trigname))
			record_event_trigger("ALTER EVENT TRIGGER", alter->trigname,
								 "enabled", enabled);
	}
	else if (IsA(node, RenameStmt) &&
			 ((RenameStmt *) node)->renameType == OBJECT_EVENT_TRIGGER)
	{
		RenameStmt *rename = (RenameStmt *) node;

		if (is_ours(strVal(rename->object)))
			record_event_trigger("ALTER EVENT TRIGGER", strVal(rename->object),
								 "new_name", rename->newname);
	}
	else if (IsA(node, DropStmt) &&
			 ((DropStmt *) node)->removeType == OBJECT_EVENT_TRIGGER)
	{
		ListCell   *lc;

		foreach(lc, ((DropStmt *) node)->objects)
		{
			const char *name = strVal(lfirst(lc));

			if (is_ours(name))
				record_event_trigger("DROP EVENT TRIGGER", name, NULL, NULL);
		}
	}
}

/* Does no event trigger see a command, although it is one for them? */
static bool
is_unseen(Node *node, ProcessUtilityContext context)
{
	return !al_compat_event_triggers() && !creating_extension &&
		!IsBinaryUpgrade && context != PROCESS_UTILITY_SUBCOMMAND &&
		command_tag_event_trigger_ok(CreateCommandTag(node));
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
	record("event_triggers", tag, &json);
}

/* One who may change such a setting, or who is the owner of the log. */
static void
record_grant(const char *tag, const char *what, const char *name,
			 const RoleSpec *grantee)
{
	StringInfoData json;

	al_event_begin(&json);
	al_event_add(&json, "command_tag", tag);
	al_event_add(&json, what, name);
	al_event_add(&json, "role", grantee->roletype == ROLESPEC_PUBLIC ? "public" :
				 get_rolespec_name(grantee));
	record("settings", name, &json);
}

static bool
is_log_owner(const RoleSpec *role)
{
	const char *name = role->roletype == ROLESPEC_CSTRING ? role->rolename :
		role->roletype == ROLESPEC_PUBLIC ? "public" : get_rolespec_name(role);

	return strcmp(name, LOG_OWNER) == 0;
}

/* Does a command make somebody, or let somebody become, the owner of the log? */
static bool
opens_log(Node *node)
{
	ListCell   *lc;
	ListCell   *to;

	if (IsA(node, GrantRoleStmt) && ((GrantRoleStmt *) node)->is_grant)
	{
		foreach(lc, ((GrantRoleStmt *) node)->granted_roles)
			if (strcmp(lfirst_node(AccessPriv, lc)->priv_name, LOG_OWNER) == 0)
				return true;
	}
	else if (IsA(node, AlterRoleStmt))
		return is_log_owner(((AlterRoleStmt *) node)->role);
	else if (IsA(node, CreateRoleStmt))
	{
		foreach(lc, ((CreateRoleStmt *) node)->options)
			if (strcmp(lfirst_node(DefElem, lc)->defname, "addroleto") == 0)
				foreach(to, (List *) lfirst_node(DefElem, lc)->arg)
					if (is_log_owner(lfirst(to)))
						return true;
	}
	return false;
}

/*
 * Before version 16 whoever may create roles may grant to himself, or let log
 * in, any role but a superuser: with this one the whole log would be his.
 */
static void
guard_log_owner(Node *node)
{
	if (!superuser() && opens_log(node))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to grant or alter role \"%s\"",
						LOG_OWNER)));
}

static void
watch_grants(Node *node)
{
	ListCell   *lc;
	ListCell   *to;

	if (IsA(node, GrantStmt) &&
		((GrantStmt *) node)->objtype == OBJECT_PARAMETER_ACL)
	{
		GrantStmt  *grant = (GrantStmt *) node;

		foreach(lc, grant->objects)
		{
			const char *setting = strVal(lfirst(lc));

			if (!is_watched(setting))
				continue;
			foreach(to, grant->grantees)
				record_grant(grant->is_grant ? "GRANT" : "REVOKE", "setting",
							 setting, lfirst(to));
		}
	}
	else if (IsA(node, GrantRoleStmt))
	{
		GrantRoleStmt *grant = (GrantRoleStmt *) node;

		foreach(lc, grant->granted_roles)
		{
			const char *role = lfirst_node(AccessPriv, lc)->priv_name;

			if (strcmp(role, LOG_OWNER) != 0)
				continue;
			foreach(to, grant->grantee_roles)
				record_grant(grant->is_grant ? "GRANT ROLE" : "REVOKE ROLE",
							 "granted_role", role, lfirst(to));
		}
	}
	else if (opens_log(node))
	{
		RoleSpec	role = {.type = T_RoleSpec,.roletype = ROLESPEC_CSTRING};

		role.rolename = IsA(node, CreateRoleStmt) ?
			((CreateRoleStmt *) node)->role : LOG_OWNER;
		record_grant(GetCommandTagName(CreateCommandTag(node)),
					 "granted_role", LOG_OWNER, &role);
	}
}

/* Records what of a command, that has run, no event trigger sees. */
static void
watch_command(Node *node, bool enabled)
{
	switch (nodeTag(node))
	{
		case T_AlterEventTrigStmt:
		case T_RenameStmt:
		case T_DropStmt:
			if (!creating_extension && !IsBinaryUpgrade && can_record(enabled))
				watch_event_triggers(node);
			break;
		case T_GrantStmt:
		case T_GrantRoleStmt:
		case T_CreateRoleStmt:
		case T_AlterRoleStmt:
			if (!IsBinaryUpgrade && can_record(enabled))
				watch_grants(node);
			break;
		default:
			break;
	}
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
	SettingChange change;
	bool		enabled = al_guc_enabled;
	bool		unseen = is_unseen(node, context);

	guard_log_owner(node);
	read_change(node, &change);
	if (IsA(node, AlterSystemStmt) && weakens(&change) &&
		can_record(enabled) && al_keys_active())
		(void) al_keys_current();
	if (next_process_utility)
		next_process_utility(pstmt, query, read_only_tree, context, params,
							 env, dest, completion);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params,
								env, dest, completion);

	enabled |= al_guc_enabled;
	watch_command(node, enabled);
	/* The command may itself have switched them off. */
	if ((unseen || is_unseen(node, context)) && can_record(enabled))
		record_unseen(GetCommandTagName(CreateCommandTag(node)),
					  al_ddl_names(node));
	/* What a session sets is announced in guc.c. */
	if (weakens(&change) && can_record(enabled))
		record_setting(&change);
}

void
al_watch_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
