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
 *
 * The bytes of the key are wiped where we hold them.  OpenSSL holds them while
 * the key is in use, so a process tells the kernel not to dump its memory
 * before it reads one.  The postmaster, which only checks the file, does not:
 * all processes would inherit it.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include "access/parallel.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "tcop/cmdtag.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "core/base64.h"

#include "guc.h"
#include "keys.h"

#define KEY_FILE_MAX (64 * 1024)
#define KEY_FILE_HINT "Name a PEM file with an unencrypted RSA private key of at least 2048 bits that only the database user can read."

/* A file that is still what it was when it was read. */
typedef struct FileState
{
	dev_t		device;
	ino_t		inode;
	off_t		size;
	struct timespec changed;
} FileState;

static AlKey *current = NULL;	/* malloc'ed by src/core */
static FileState current_state;
static bool defined = false;	/* the setting, and what was set before */

/* How src/core reads the kind of key that is wanted. */
typedef AlStatus (*LoadKey) (const char *pem, size_t len, AlKey **key,
							 AlError *err);

/* What is wrong with a key file; a sentence for errdetail(). */
typedef struct Problem
{
	int			sqlstate;
	char		detail[512];
} Problem;

static void
problem_errno(Problem *problem, const char *what, const char *path)
{
	problem->sqlstate = errno == ENOENT ? ERRCODE_UNDEFINED_FILE :
		errno == EACCES || errno == EPERM ? ERRCODE_INSUFFICIENT_PRIVILEGE :
		ERRCODE_IO_ERROR;
	snprintf(problem->detail, sizeof(problem->detail),
			 "Could not %s key file \"%s\": %s.", what, path, strerror(errno));
}

static void
problem_text(Problem *problem, const char *path, const char *text)
{
	problem->sqlstate = ERRCODE_CONFIG_FILE_ERROR;
	snprintf(problem->detail, sizeof(problem->detail),
			 "Key file \"%s\" %s.", path, text);
}

static void
note_state(const struct stat *st, FileState *state)
{
	memset(state, 0, sizeof(*state));
	state->device = st->st_dev;
	state->inode = st->st_ino;
	state->size = st->st_size;
	state->changed = st->st_ctim;
}

static bool
check_file(const char *path, const struct stat *st, Problem *problem)
{
	if (!S_ISREG(st->st_mode))
		problem_text(problem, path, "is not a regular file");
	else if (st->st_uid != geteuid() && st->st_uid != 0)
		problem_text(problem, path,
					 "must be owned by the database user or root");
	else if (st->st_mode & (S_IRWXG | S_IRWXO))
		problem_text(problem, path,
					 "has group or world access; its mode must be u=rw (0600) or less");
	else if (st->st_size == 0)
		problem_text(problem, path, "is empty");
	else if (st->st_size > KEY_FILE_MAX)
		problem_text(problem, path, "is too large to be a key");
	else
		return true;
	return false;
}

/* A key pasted where its path belongs must not be repeated in a message. */
static bool
is_no_path(const char *path)
{
	return strstr(path, "-----BEGIN") != NULL;
}

/* Keeps the memory of this process, unless it is the postmaster, from cores. */
static void
forbid_dump(void)
{
#ifdef PR_SET_DUMPABLE
	if (IsUnderPostmaster || !IsPostmasterEnvironment)
		(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/*
 * Reads and parses a key file.  Returns NULL, with the problem, on failure;
 * the caller frees the key.  Throws nothing.
 */
static AlKey *
load(const char *path, LoadKey load_key, FileState *state, Problem *problem)
{
	static char buffer[KEY_FILE_MAX];
	struct stat st;
	ssize_t		len = 0;
	AlKey	   *key = NULL;
	AlError		error = {{0}};
	int			fd;

	if (is_no_path(path))
	{
		problem->sqlstate = ERRCODE_INVALID_PARAMETER_VALUE;
		strlcpy(problem->detail,
				"The value is a key itself, not the path of its file.",
				sizeof(problem->detail));
		return NULL;
	}
	forbid_dump();
	fd = BasicOpenFile(path, O_RDONLY | PG_BINARY | O_NONBLOCK);
	if (fd < 0)
	{
		problem_errno(problem, "open", path);
		return NULL;
	}
	if (fstat(fd, &st) < 0)
		problem_errno(problem, "stat", path);
	else if (check_file(path, &st, problem))
	{
		len = read(fd, buffer, sizeof(buffer));
		if (len < 0)
			problem_errno(problem, "read", path);
		else if (load_key(buffer, len, &key, &error) != AL_OK)
		{
			char		text[sizeof(error.reason) + 32];

			snprintf(text, sizeof(text), "cannot be used: %s", error.reason);
			problem_text(problem, path, text);
		}
		al_crypto_cleanse(buffer, sizeof(buffer));
	}
	close(fd);
	if (key)
		note_state(&st, state);
	return key;
}

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
log_problem(const Problem *problem, bool refused)
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
	return (by_statement(source) && defined) || al_guc_is_set(al_guc_signing_key);
}

/*
 * Refuses a key that a statement gives instead of its path.  This throws,
 * unlike other refusals of a check hook, because only so can it keep the
 * statement, which holds the key, out of the server's log.
 */
static void
refuse_pasted_key(const Problem *problem)
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
	FileState	state;
	Problem		problem;
	bool		refused = may_refuse(source);

	if (process_shared_preload_libraries_in_progress)
		preloaded = true;
	if (!al_guc_is_set(*newval) || is_in_force(*newval, source))
		return true;
	key = load(*newval, al_crypto_load_private_key, &state, &problem);
	if (key)
	{
		al_crypto_free_key(key);
		return true;
	}
	if (refused && is_no_path(*newval) && by_statement(source))
		refuse_pasted_key(&problem);
	if ((!refused || (source == PGC_S_FILE && !altering_system())) &&
		!(IsUnderPostmaster && preloaded))
		log_problem(&problem, refused);
	if (!refused)
		return true;
	if (is_no_path(*newval))
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
	FileState	state;
	Problem		problem;

	if (current && stat(al_guc_signing_key, &st) == 0)
	{
		note_state(&st, &state);
		if (memcmp(&state, &current_state, sizeof(state)) == 0)
			return current;
	}
	drop_current();
	current = load(al_guc_signing_key, al_crypto_load_private_key,
				   &current_state, &problem);
	if (current == NULL)
		ereport(ERROR,
				(errcode(problem.sqlstate),
				 errmsg("audit record cannot be signed"),
				 errdetail("%s", problem.detail),
				 errhint("Mend the file that \"audit.signing_key\" names, or unset it to write records without signatures.")));
	return current;
}

/*
 * Reads an Ed25519 key that signs checkpoints; NULL if there is no such file.
 * The caller frees it, also on error.  Throws if the file cannot be used.
 */
AlKey *
al_keys_load_ledger(const char *path)
{
	FileState	state;
	Problem		problem;
	AlKey	   *key = load(path, al_crypto_load_ed25519_key, &state, &problem);

	if (key == NULL && problem.sqlstate != ERRCODE_UNDEFINED_FILE)
		ereport(ERROR,
				(errcode(problem.sqlstate),
				 errmsg("checkpoint cannot be signed"),
				 errdetail("%s", problem.detail),
				 errhint("Name a PEM file with an unencrypted Ed25519 private key that only the database user can read.")));
	return key;
}

/*
 * Makes an Ed25519 key and writes it to a file that only we can read, which
 * must not exist.  The caller frees the key.
 */
AlKey *
al_keys_create_ledger(const char *path)
{
	AlKey	   *key = NULL;
	AlError		error = {{0}};
	char		pem[AL_ED25519_PEM_SIZE];
	int			fd;
	int			len;
	bool		written;
	int			save_errno;

	forbid_dump();
	if (al_crypto_generate_ed25519(&key, &error) != AL_OK ||
		al_crypto_export_ed25519(key, pem, &error) != AL_OK)
	{
		al_crypto_free_key(key);
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not make a key: %s", error.reason)));
	}
	len = strlen(pem);
	fd = BasicOpenFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY,
						   S_IRUSR | S_IWUSR);
	errno = fd >= 0 ? ENOSPC : errno;	/* what a short write means */
	written = fd >= 0 && write(fd, pem, len) == len && pg_fsync(fd) == 0;
	save_errno = errno;
	if (fd >= 0)
	{
		close(fd);
		/* Half a key would be in the way of the next try. */
		if (!written)
			(void) unlink(path);
	}
	al_crypto_cleanse(pem, sizeof(pem));
	if (!written)
	{
		al_crypto_free_key(key);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write key file \"%s\": %m", path)));
	}
	return key;
}

/* The base64 of a signature, allocated in the current memory context. */
char *
al_keys_sign(AlKey *key, const char *bytes, size_t len)
{
	uint8_t		signature[AL_SIGNATURE_MAX];
	size_t		signature_len;
	AlError		error = {{0}};
	char	   *text;
	size_t		text_len;

	if (al_crypto_sign(key, bytes, len, signature, &signature_len,
					   &error) != AL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("audit record cannot be signed: %s", error.reason)));
	text = palloc(AL_BASE64_ENCODED_LEN(signature_len) + 1);
	text_len = al_base64_encode_to(signature, signature_len, text);
	text[text_len] = '\0';
	return text;
}

/*
 * Does a signature, in base64, fit some bytes under a PEM public key?  What
 * is no signature fits nothing; what is no key is an error.
 *
 * The last key is kept, since records are verified many at a time.
 */
bool
al_keys_verify(const char *bytes, size_t len, const char *signature,
			   const char *pem)
{
	static AlPublicKey *key = NULL; /* malloc'ed by src/core */
	static char *key_pem = NULL;	/* in TopMemoryContext */
	uint8_t		decoded[AL_SIGNATURE_MAX];
	size_t		decoded_len;
	AlError		error = {{0}};
	AlStatus	status;

	if (key == NULL || strcmp(key_pem, pem) != 0)
	{
		char	   *new_pem = MemoryContextStrdup(TopMemoryContext, pem);
		AlPublicKey *new_key;

		status = al_crypto_load_public_key(pem, strlen(pem), &new_key, &error);
		if (status != AL_OK)
		{
			pfree(new_pem);
			ereport(ERROR,
					(errcode(status == AL_NO_MEMORY ? ERRCODE_OUT_OF_MEMORY :
							 ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid public key: %s", error.reason),
					 errhint("Pass the text of a PEM file as \"openssl rsa -pubout\" writes it.")));
		}
		al_crypto_free_public_key(key);
		if (key_pem)
			pfree(key_pem);
		key = new_key;
		key_pem = new_pem;
	}
	if (al_base64_decode(signature, strlen(signature), decoded,
						 sizeof(decoded), &decoded_len, &error) != AL_OK)
		return false;
	status = al_crypto_verify(key, bytes, len, decoded, decoded_len, &error);
	if (status == AL_NO_MEMORY || status == AL_FAILED)
		ereport(ERROR,
				(errcode(status == AL_NO_MEMORY ? ERRCODE_OUT_OF_MEMORY :
						 ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("signature cannot be checked: %s", error.reason)));
	return status == AL_OK;
}
