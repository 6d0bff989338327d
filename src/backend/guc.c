/*
 * src/backend/guc.c
 *
 * Every audit.* setting: variable, default, range, who may change it and why.
 *
 * What a suspect could use to hide is PGC_SUSET; what only says who is asking
 * is PGC_USERSET.  A value given before the library is loaded waits in a
 * placeholder; the server checks it against these contexts when the variable
 * is defined, so that an ordinary user gains nothing by setting one early.
 *
 * The rooms that interpret a list check it and learn of its changes through
 * hooks, which module.c brings here: they are above this one.
 */
#include "postgres.h"

#include <limits.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"

#include "compat.h"
#include "guc.h"

/*
 * The library may be loaded by what runs in parallel, VACUUM of our tables for
 * one.  What the configuration says of a setting is applied then, and without
 * this flag would be refused, for the rest of the session.
 */
#define FLAGS GUC_ALLOW_IN_PARALLEL

bool		al_guc_enabled = true;
int			al_guc_record_ttl = 2592000;
char	   *al_guc_signing_key = NULL;
char	   *al_guc_ignore_methods = NULL;
char	   *al_guc_ignore_paths = NULL;
char	   *al_guc_ignore_tables = NULL;
char	   *al_guc_payload_exclude = NULL;
char	   *al_guc_request_id = NULL;
char	   *al_guc_workspace = NULL;
char	   *al_guc_rbac_user_id = NULL;
char	   *al_guc_rbac_user_name = NULL;
char	   *al_guc_request_source = NULL;
char	   *al_guc_client_ip = NULL;
char	   *al_guc_ledger_origin = NULL;
char	   *al_guc_ledger_key = NULL;
char	   *al_guc_checkpoint_dir = NULL;
char	   *al_guc_ledger_database = NULL;
int			al_guc_ledger_interval = 10;
int			al_guc_ledger_heartbeat = 300;
int			al_guc_coverage_interval = 86400;

uint64		al_guc_generation = 1;

static const AlGucHooks *rooms; /* those who interpret a setting */

/*
 * A request id travels in headers, logs and URLs, and anyone may choose it:
 * bounded, and nothing that could forge a line of a log.  Returns NULL, or
 * what is wrong with the value.
 */
static const char *
request_id_problem(const char *value)
{
	bool		utf8 = GetDatabaseEncoding() == PG_UTF8;

	if (pg_mbstrlen(value) > AL_MAX_REQUEST_ID_LENGTH)
		return "A request id may hold at most " CppAsString2(AL_MAX_REQUEST_ID_LENGTH) " characters.";
	for (const unsigned char *p = (const unsigned char *) value; *p; p++)
		/* The second line: U+0080 to U+009F, next line and CSI among them. */
		if (*p < 0x20 || *p == 0x7f ||
			(utf8 && p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
			return "A request id may not hold control characters.";
	return NULL;
}

static bool
check_request_id(char **newval, void **extra, GucSource source)
{
	const char *problem = *newval ? request_id_problem(*newval) : NULL;

	if (problem)
		GUC_check_errdetail("%s", problem);
	return problem == NULL;
}

/* Throws unless "value" may be a request id. */
void
al_guc_require_request_id(const char *value)
{
	const char *problem = request_id_problem(value);

	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid request id"),
				 errdetail("%s", problem)));
}

/* The restrictions are those of the lines that an origin and a key name go into. */
static bool
valid_ledger_origin(const char *newval)
{
	const char *value = newval ? newval : "";

	if (strlen(value) > AL_MAX_ORIGIN_LENGTH)
	{
		GUC_check_errdetail("An origin may hold at most %d bytes.",
							AL_MAX_ORIGIN_LENGTH);
		return false;
	}
	for (const char *p = value; *p; p++)
		if ((unsigned char) *p <= 0x20 || (unsigned char) *p >= 0x7f ||
			*p == '+' || *p == '|')
		{
			GUC_check_errdetail("An origin may hold visible ASCII characters other than \"+\" and \"|\".");
			return false;
		}
	return true;
}

static bool
valid_checkpoint_dir(const char *newval)
{
	char		value[MAXPGPATH];

	strlcpy(value, newval ? newval : "", sizeof(value));
	if (*value && !is_absolute_path(value))
	{
		GUC_check_errdetail("The path must be absolute.");
		return false;
	}
	canonicalize_path(value);
	/* A copy of the data directory must not bring the checkpoint along. */
	if (*value && DataDir && path_is_prefix_of_path(DataDir, value))
	{
		GUC_check_errdetail("The folder must lie outside the data directory.");
		return false;
	}
	return true;
}

/* ---------------------------------------------------- changes of a session */

/*
 * One session's setting is no change of a definition, and leaves no record,
 * but should not go unseen: the server's log has a line, however the session
 * did it.  SET is a command that a hook could see; set_config(), the SET
 * clause of a function and what a client asks for as it connects are none.
 *
 * A check hook is told who wants a value.  A value that comes back, by RESET,
 * set_config(name, NULL), DISCARD or at the end of a function, was checked
 * when it came first, and only the assign hook is called.  That one is called
 * for a reload too, between two commands, and at the end of a transaction.
 * A parallel worker repeats what its leader has set.
 */
static bool defining = false;	/* settings of the configuration arrive */
static bool announced = false;	/* the check of what is assigned next has been */

static void
tell_change(const char *name)
{
	Oid			role = GetSessionUserId();
	char	   *user = IsTransactionState() ? GetUserNameFromId(role, true) : NULL;

	ereport(LOG,
			(errmsg("setting \"%s\" changed for a session of user \"%s\"",
					name, user ? user : psprintf("%u", role))));
}

/* Always true, to end a check hook with. */
static bool
announce(const char *name, bool changes, GucSource source)
{
	if ((source != PGC_S_SESSION && source != PGC_S_CLIENT) ||
		IsParallelWorker())
		return true;
	announced = source == PGC_S_SESSION;
	if (changes)
		tell_change(name);
	return true;
}

static void
announce_return(const char *name, bool changes)
{
	bool		done = announced;

	announced = false;
	if (changes && !done && !defining && debug_query_string != NULL &&
		IsTransactionState() && !IsParallelWorker())
		tell_change(name);
}

static bool
differ(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") != 0;
}

/*
 * The hooks of a string that is announced; "valid" is what else its check
 * asks, "learn" who else is to learn of a change.
 */
#define ANNOUNCED_TEXT(name, valid, learn) \
static bool \
check_##name(char **newval, void **extra, GucSource source) \
{ \
	return (valid) && \
		announce("audit." #name, differ(*newval, al_guc_##name), source); \
} \
static void \
assign_##name(const char *newval, void *extra) \
{ \
	announce_return("audit." #name, differ(newval, al_guc_##name)); \
	learn; \
}

#define ANNOUNCED_NUMBER(name, type) \
static bool \
check_##name(type *newval, void **extra, GucSource source) \
{ \
	return announce("audit." #name, *newval != al_guc_##name, source); \
} \
static void \
assign_##name(type newval, void *extra) \
{ \
	announce_return("audit." #name, newval != al_guc_##name); \
}

#define NOBODY_ELSE ((void) 0)

ANNOUNCED_NUMBER(enabled, bool)
ANNOUNCED_NUMBER(record_ttl, int)
ANNOUNCED_NUMBER(ledger_heartbeat, int)
ANNOUNCED_TEXT(ignore_methods, rooms->check_methods(newval, extra, source),
			   rooms->assign_methods(newval, extra))
ANNOUNCED_TEXT(ignore_paths, rooms->check_paths(newval, extra, source),
			   rooms->assign_paths(newval, extra))
ANNOUNCED_TEXT(ignore_tables, rooms->check_tables(newval, extra, source),
			   rooms->assign_tables(newval, extra))
ANNOUNCED_TEXT(payload_exclude,
			   rooms->check_payload_exclude(newval, extra, source),
			   rooms->assign_payload_exclude(newval, extra))
ANNOUNCED_TEXT(signing_key, rooms->check_signing_key(newval, extra, source),
			   rooms->assign_signing_key(newval, extra))
ANNOUNCED_TEXT(ledger_origin, valid_ledger_origin(*newval), NOBODY_ELSE)
ANNOUNCED_TEXT(ledger_key, true, NOBODY_ELSE)
ANNOUNCED_TEXT(checkpoint_dir, valid_checkpoint_dir(*newval), NOBODY_ELSE)

/* What is recorded, and how.  Superuser only, all of them. */
static void
define_recording(void)
{
	/* Switching the log off is how one would hide. */
	DefineCustomBoolVariable("audit.enabled",
							 "Writes audit records.",
							 NULL,
							 &al_guc_enabled, true, PGC_SUSET, FLAGS,
							 check_enabled, assign_enabled, NULL);

	/* A short life hides as well as no record. */
	DefineCustomIntVariable("audit.record_ttl",
							"Time after which a record may be purged.",
							"It is fixed when the record is written; 0 means never.",
							&al_guc_record_ttl, 2592000, 0, INT_MAX,
							PGC_SUSET, FLAGS | GUC_UNIT_S, check_record_ttl,
							assign_record_ttl, NULL);

	/* Each of these silences or thins records. */
	DefineCustomStringVariable("audit.ignore_methods",
							   "HTTP methods whose requests are not recorded.",
							   "A comma-separated list; case does not matter.",
							   &al_guc_ignore_methods, "", PGC_SUSET, FLAGS,
							   check_ignore_methods, assign_ignore_methods,
							   NULL);
	DefineCustomStringVariable("audit.ignore_paths",
							   "Paths whose requests are not recorded.",
							   "A comma-separated list of Perl-compatible regular expressions; \"\\,\" writes a comma.",
							   &al_guc_ignore_paths, "", PGC_SUSET, FLAGS,
							   check_ignore_paths, assign_ignore_paths, NULL);
	DefineCustomStringVariable("audit.ignore_tables",
							   "Tables whose changes are not recorded.",
							   "A comma-separated list of table or schema.table.",
							   &al_guc_ignore_tables, "", PGC_SUSET, FLAGS,
							   check_ignore_tables, assign_ignore_tables, NULL);
	DefineCustomStringVariable("audit.payload_exclude",
							   "Keys removed from payloads and entities.",
							   "A comma-separated list: a plain key is removed at any depth, a dotted one at that path.",
							   &al_guc_payload_exclude,
							   "token, secret, password", PGC_SUSET, FLAGS,
							   check_payload_exclude, assign_payload_exclude,
							   NULL);

	/* It names a file that the server reads. */
	DefineCustomStringVariable("audit.signing_key",
							   "File with the PEM private RSA key that signs records.",
							   "Empty means that records are not signed.",
							   &al_guc_signing_key, "",
							   PGC_SUSET, FLAGS,
							   check_signing_key, assign_signing_key, NULL);
}

/* A setting that says something about the request; any user may set it. */
static void
define_context(const char *name, const char *description, char **variable,
			   GucStringCheckHook check)
{
	DefineCustomStringVariable(name, description,
							   "The empty string means unset.",
							   variable, "", PGC_USERSET, FLAGS,
							   check, NULL, NULL);
}

/* Any user may set these: only the application knows who is asking. */
static void
define_contexts(void)
{
	define_context("audit.request_id", "Id of the request being served.",
				   &al_guc_request_id, check_request_id);
	define_context("audit.workspace", "Workspace of the request.",
				   &al_guc_workspace, NULL);
	define_context("audit.rbac_user_id", "Id of the application's user.",
				   &al_guc_rbac_user_id, NULL);
	define_context("audit.rbac_user_name", "Name of the application's user.",
				   &al_guc_rbac_user_name, NULL);
	define_context("audit.request_source", "Where the request came from.",
				   &al_guc_request_source, NULL);
	define_context("audit.client_ip", "Address of the request's client.",
				   &al_guc_client_ip, NULL);
}

/*
 * Settings of the ledger.  Superuser only, all of them: whoever chooses the
 * key, the name or the folder of checkpoints chooses what they prove.
 */
static void
define_ledger(void)
{
	DefineCustomStringVariable("audit.ledger_origin",
							   "Name of the ledger in its checkpoints.",
							   "It is taken when a generation of the ledger begins; empty means one made of the cluster's identifier and the database's name.",
							   &al_guc_ledger_origin, "", PGC_SUSET, FLAGS,
							   check_ledger_origin, assign_ledger_origin, NULL);
	DefineCustomStringVariable("audit.ledger_key",
							   "File with the PEM private Ed25519 key that signs checkpoints.",
							   "It is made with the first checkpoint and replaced by audit.rotate_key(); empty means that a remote signer signs.",
							   &al_guc_ledger_key, "",
							   PGC_SUSET, FLAGS | GUC_SUPERUSER_ONLY,
							   check_ledger_key, assign_ledger_key, NULL);
	DefineCustomStringVariable("audit.checkpoint_dir",
							   "Folder outside the data directory where the last checkpoint of each database is written.",
							   "The ledger is not sealed unless it continues the checkpoint found there; empty means that none is written or compared.",
							   &al_guc_checkpoint_dir, "", PGC_SUSET, FLAGS,
							   check_checkpoint_dir, assign_checkpoint_dir, NULL);

	/*
	 * The worker's; it reads them from the configuration files.  The first is
	 * used when the server starts, but cannot say so where the library is
	 * loaded later, where it means nothing.
	 */
	DefineCustomStringVariable("audit.ledger_database",
							   "Databases whose ledger a background worker seals.",
							   "A comma-separated list; empty means none.",
							   &al_guc_ledger_database, "",
							   process_shared_preload_libraries_in_progress ?
							   PGC_POSTMASTER : PGC_SIGHUP, FLAGS,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("audit.ledger_interval",
							"Time between two blocks of the ledger.",
							NULL,
							&al_guc_ledger_interval, 10, 1, 86400,
							PGC_SIGHUP, FLAGS | GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("audit.ledger_heartbeat",
							"Time after which an idle ledger gets an empty block.",
							"A ledger without a block for three times as long counts as stopped.",
							&al_guc_ledger_heartbeat, 300, 1, 86400,
							PGC_SUSET, FLAGS | GUC_UNIT_S,
							check_ledger_heartbeat, assign_ledger_heartbeat,
							NULL);
	DefineCustomIntVariable("audit.coverage_interval",
							"Time after which the background worker records again which tables are tracked.",
							"It is recorded at once when it has changed; 0 means never.",
							&al_guc_coverage_interval, 86400, 0, INT_MAX,
							PGC_SIGHUP, FLAGS | GUC_UNIT_S, NULL, NULL, NULL);
}

void
al_guc_init(const AlGucHooks *hooks)
{
	rooms = hooks;
	defining = true;

	define_recording();
	define_contexts();
	define_ledger();

	MarkGUCPrefixReserved("audit");
	defining = false;
}
