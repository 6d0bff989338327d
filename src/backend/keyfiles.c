/*
 * src/backend/keyfiles.c
 *
 * Files that hold private keys: read if nobody else can read them, and made
 * so that nobody can.
 *
 * The bytes of a key are wiped where we hold them.  OpenSSL holds them while
 * the key is in use, so a process tells the kernel not to dump its memory
 * before it reads one.  The postmaster, which only checks a file, does not:
 * all processes would inherit it.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "keyfiles.h"

#define KEY_FILE_MAX (64 * 1024)

static void
problem_errno(AlKeyFileProblem *problem, const char *what, const char *path)
{
	problem->sqlstate = errno == ENOENT ? ERRCODE_UNDEFINED_FILE :
		errno == EACCES || errno == EPERM ? ERRCODE_INSUFFICIENT_PRIVILEGE :
		ERRCODE_IO_ERROR;
	snprintf(problem->detail, sizeof(problem->detail),
			 "Could not %s key file \"%s\": %s.", what, path, strerror(errno));
}

static void
problem_text(AlKeyFileProblem *problem, const char *path, const char *text)
{
	problem->sqlstate = ERRCODE_CONFIG_FILE_ERROR;
	snprintf(problem->detail, sizeof(problem->detail),
			 "Key file \"%s\" %s.", path, text);
}

void
al_keyfiles_state(const struct stat *st, AlKeyFileState *state)
{
	memset(state, 0, sizeof(*state));
	state->device = st->st_dev;
	state->inode = st->st_ino;
	state->size = st->st_size;
	state->changed = st->st_ctim;
}

static bool
check_file(const char *path, const struct stat *st, AlKeyFileProblem *problem)
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
bool
al_keyfiles_is_key(const char *path)
{
	return strstr(path, "-----BEGIN") != NULL;
}

/* Keeps memory of this process, unless it is the postmaster, out of cores. */
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
AlKey *
al_keyfiles_load(const char *path, AlKeyReader reader, AlKeyFileState *state,
				 AlKeyFileProblem *problem)
{
	static char buffer[KEY_FILE_MAX];
	struct stat st;
	ssize_t		len = 0;
	AlKey	   *key = NULL;
	AlError		error = {{0}};
	int			fd;

	if (al_keyfiles_is_key(path))
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
		else if (reader(buffer, len, &key, &error) != AL_OK)
		{
			char		text[sizeof(error.reason) + 32];

			snprintf(text, sizeof(text), "cannot be used: %s", error.reason);
			problem_text(problem, path, text);
		}
		al_crypto_cleanse(buffer, sizeof(buffer));
	}
	close(fd);
	if (key)
		al_keyfiles_state(&st, state);
	return key;
}

/*
 * Reads an Ed25519 key that signs checkpoints; NULL if there is no such file.
 * The caller frees it, also on error.  Throws if the file cannot be used.
 */
AlKey *
al_keyfiles_load_ledger(const char *path)
{
	AlKeyFileState state;
	AlKeyFileProblem problem;
	AlKey	   *key = al_keyfiles_load(path, al_crypto_load_ed25519_key,
									   &state, &problem);

	if (key == NULL && problem.sqlstate != ERRCODE_UNDEFINED_FILE)
		ereport(ERROR,
				(errcode(problem.sqlstate),
				 errmsg("checkpoint cannot be signed"),
				 errdetail("%s", problem.detail),
				 errhint("Name a PEM file with an unencrypted Ed25519 private key that only the database user can read.")));
	return key;
}

/*
 * Writes a key to a file that only we can read, which must not exist.  It gets
 * its name when it is complete and on disk: half a key, as a crash would leave
 * it, could neither be used nor be told from one that somebody has damaged.
 * Returns false with errno.
 */
static bool
write_key(const char *path, const char *pem)
{
	char		temporary[MAXPGPATH];
	char		folder[MAXPGPATH];
	int			len = strlen(pem);
	int			fd;
	bool		written;
	int			save_errno;

	snprintf(temporary, sizeof(temporary), "%s.%d", path, MyProcPid);
	(void) unlink(temporary);	/* an earlier process may have had our id */
	fd = BasicOpenFilePerm(temporary, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY,
						   S_IRUSR | S_IWUSR);
	if (fd < 0)
		return false;
	errno = ENOSPC;				/* what a short write means */
	written = write(fd, pem, len) == len && pg_fsync(fd) == 0;
	save_errno = errno;
	close(fd);
	errno = save_errno;
	/* rename() would replace the key that another process has just made. */
	written = written && link(temporary, path) == 0;
	save_errno = errno;
	(void) unlink(temporary);
	if (written)
	{
		strlcpy(folder, path, sizeof(folder));
		get_parent_directory(folder);
		(void) fsync_fname_ext(folder, true, true, WARNING);
	}
	errno = save_errno;
	return written;
}

/*
 * Makes an Ed25519 key and writes it to a file that only we can read, which
 * must not exist.  The caller frees the key.
 */
AlKey *
al_keyfiles_create_ledger(const char *path)
{
	AlKey	   *key = NULL;
	AlError		error = {{0}};
	char		pem[AL_ED25519_PEM_SIZE];
	bool		written;

	forbid_dump();
	if (al_crypto_generate_ed25519(&key, &error) != AL_OK ||
		al_crypto_export_ed25519(key, pem, &error) != AL_OK)
	{
		al_crypto_free_key(key);
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not make a key: %s", error.reason)));
	}
	written = write_key(path, pem);
	al_crypto_cleanse(pem, sizeof(pem));
	if (!written)
	{
		int			save_errno = errno;

		al_crypto_free_key(key);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write key file \"%s\": %m", path),
				 errhint("Its folder must exist, and the server's user must be allowed to write there.")));
	}
	return key;
}
