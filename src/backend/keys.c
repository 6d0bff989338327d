/*
 * src/backend/keys.c
 *
 * The private key that signs records: its file is read, checked and parsed
 * once a process, and read again when the setting or the file changes.
 *
 * Fail closed: once audit.signing_key names a file, a record is written signed
 * or not at all.  A value is refused where someone is there to read the
 * refusal: by SET and ALTER, and by a reload if an earlier key can stay in
 * use.  Where there is no earlier key, as at the start of a server, refusing
 * the value would mean to go on without signatures; so it is accepted, which
 * the server's log says, and writes fail until the file is mended.  A value
 * that was set before the library was loaded is such a case, too.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/parallel.h"
#include "miscadmin.h"
#include "tcop/cmdtag.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

#include "guc.h"
#include "keyfiles.h"
#include "keys.h"

#define KEY_FILE_HINT "Name a PEM file with an unencrypted RSA private key of at least 2048 bits that only the database user can read."

static AlKey *current = NULL;	/* malloc'ed by src/core */
static AlKeyFileState current_state;
static bool defined = false;	/* the setting, and what was set before */

static void
drop_current(void)
{
	al_crypto_free_key(current);
	current = NULL;
}

/* ALTER SYSTEM has values checked as if they were read from a file. */
static bool
altering_system(void)
{
	return ActivePortal && ActivePortal->commandTag == CMDTAG_ALTER_SYSTEM;
}

/*
 * Is a value in force already?  So it is for the worker of a parallel query,
 * and when the server's files are read again.  It is not checked again then:
 * every process would read the key, and signing looks at the file anyway.
 */
static bool
is_in_force(const char *value, GucSource source)
{
	if (InitializingParallelWorker)
		return true;
	return IsUnderPostmaster && source < PGC_S_INTERACTIVE &&
		!altering_system() && al_guc_is_set(al_guc_signing_key) &&
		strcmp(value, al_guc_signing_key) == 0;
}

/* The server itself logs what the postmaster refuses, and no other process. */
static void
log_problem(const AlKeyFileProblem *problem, bool refused)
{
	if (refused && !IsUnderPostmaster)
		return;
	ereport(LOG,
			(errcode(problem->sqlstate),
			 refused ?
			 errmsg("new value of \"audit.signing_key\" cannot be used, the earlier one stays in force") :
			 errmsg("audit records cannot be signed and are refused"),
			 errdetail("%s", problem->detail)));
}

/* Does a statement give the value, to which an error is the answer? */
static bool
by_statement(GucSource source)
{
	return source >= PGC_S_INTERACTIVE || altering_system();
}

/* Can a value be refused without going on unsigned? */
static bool
may_refuse(GucSource source)
{
	return (by_statement(source) && defined) ||
		al_guc_is_set(al_guc_signing_key);
}

/*
 * Refuses a key that a statement gives instead of its path.  This throws,
 * unlike other refusals of a check hook, because only so can it keep the
 * statement, which holds the key, out of the server's log.
 */
static void
refuse_pasted_key(const AlKeyFileProblem *problem)
{
	ereport(ERROR,
			(errcode(problem->sqlstate),
			 errmsg("invalid value for parameter \"audit.signing_key\""),
			 errdetail("%s", problem->detail),
			 errhint(KEY_FILE_HINT),
			 errhidestmt(true),
			 errhidecontext(true)));
}

bool
al_keys_check_signing_key(char **newval, void **extra, GucSource source)
{
	static bool preloaded = false;	/* the postmaster checks files, too */
	AlKey	   *key;
	AlKeyFileState state;
	AlKeyFileProblem problem;
	bool		refused = may_refuse(source);

	if (process_shared_preload_libraries_in_progress)
		preloaded = true;
	if (!al_guc_is_set(*newval) || is_in_force(*newval, source))
		return true;
	key = al_keyfiles_load(*newval, al_crypto_load_private_key, &state,
						   &problem);
	if (key)
	{
		al_crypto_free_key(key);
		return true;
	}
	if (refused && al_keyfiles_is_key(*newval) && by_statement(source))
		refuse_pasted_key(&problem);
	if ((!refused || (source == PGC_S_FILE && !altering_system())) &&
		!(IsUnderPostmaster && preloaded))
		log_problem(&problem, refused);
	if (!refused)
		return true;
	if (al_keyfiles_is_key(*newval))
		GUC_check_errmsg("invalid value for parameter \"audit.signing_key\"");
	GUC_check_errcode(problem.sqlstate);
	GUC_check_errdetail("%s", problem.detail);
	GUC_check_errhint(KEY_FILE_HINT);
	return false;
}

/* From here on a value that cannot be used is refused where it is set. */
void
al_keys_defined(void)
{
	defined = true;
}

/* Called with the earlier value still in the variable. */
void
al_keys_assign_signing_key(const char *newval, void *extra)
{
	if (!al_guc_is_set(newval) || !al_guc_is_set(al_guc_signing_key) ||
		strcmp(newval, al_guc_signing_key) != 0)
		drop_current();
}

/* Are records to be signed? */
bool
al_keys_active(void)
{
	return al_guc_is_set(al_guc_signing_key);
}

/*
 * The key that signs now, loaded if need be.  It stays valid until settings
 * can change.  Throws if there is none that works.
 */
AlKey *
al_keys_current(void)
{
	struct stat st;
	AlKeyFileState state;
	AlKeyFileProblem problem;

	if (current && stat(al_guc_signing_key, &st) == 0)
	{
		al_keyfiles_state(&st, &state);
		if (memcmp(&state, &current_state, sizeof(state)) == 0)
			return current;
	}
	drop_current();
	current = al_keyfiles_load(al_guc_signing_key, al_crypto_load_private_key,
							   &current_state, &problem);
	if (current == NULL)
		ereport(ERROR,
				(errcode(problem.sqlstate),
				 errmsg("audit record cannot be signed"),
				 errdetail("%s", problem.detail),
				 errhint("Mend the file that \"audit.signing_key\" names, or unset it to write records without signatures.")));
	return current;
}
