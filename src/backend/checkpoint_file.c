/*
 * src/backend/checkpoint_file.c
 *
 * The file outside the data directory that holds the last checkpoint: one for
 * each database that seals, replaced atomically and synced.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "checkpoint_file.h"
#include "guc.h"

#define FILE_MAX (256 * 1024)	/* bytes; a note is a few hundred */

/*
 * The file of this database's checkpoints: named by the origin of the first
 * generation that began in this place, which the database shares with itself
 * when it was rolled back.  One that goes on elsewhere gets a file of its own:
 * the original may live, and write its own.  NULL if no folder is set.
 */
const char *
al_checkpoint_file_path(Snapshot snapshot, const AlGeneration *generation)
{
	AlGeneration first = *generation;
	char	   *name;

	if (!al_guc_is_set(al_guc_checkpoint_dir))
		return NULL;
	for (int g = generation->generation - 1; g > 0; g--)
	{
		AlGeneration before;

		al_ledger_require_generation(snapshot, g, &before);
		if (before.system_identifier != first.system_identifier ||
			before.database != first.database)
			break;
		first = before;
	}
	name = pstrdup(first.origin);
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '_';
	return psprintf("%s/%s.checkpoint", al_guc_checkpoint_dir, name);
}

/* The contents of a checkpoint file, NULL if there is none. */
char *
al_checkpoint_file_read(const char *path)
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	struct stat st;
	char	   *text;
	int			len;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open checkpoint file \"%s\": %m", path),
				 errhint("\"audit.checkpoint_dir\" must be a folder that the server's user can read and write.")));
	if (st.st_size > FILE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("checkpoint file \"%s\" is too large", path)));
	text = palloc(st.st_size + 1);
	len = read(fd, text, st.st_size);
	if (len < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read checkpoint file \"%s\": %m", path)));
	text[len] = '\0';
	CloseTransientFile(fd);
	return text;
}

/*
 * Replaces a file so that a crash leaves the old or the new one.  Returns
 * false with errno; throws nothing, since it runs after the commit.
 */
bool
al_checkpoint_file_replace(const char *path, const char *text)
{
	char		temporary[MAXPGPATH];
	char		folder[MAXPGPATH];
	int			len = strlen(text);
	int			fd;
	bool		ok;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	strlcpy(folder, path, sizeof(folder));
	get_parent_directory(folder);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return false;
	/* It is made to be carried away; the folder says who may. */
	errno = 0;
	ok = fchmod(fd, 0644) == 0 && write(fd, text, len) == len &&
		fsync(fd) == 0;
	/* A short write does not say why. */
	if (!ok && errno == 0)
		errno = ENOSPC;
	if (!ok)
	{
		int			save_errno = errno;

		close(fd);
		errno = save_errno;
		return false;
	}
	if (close(fd) != 0 || rename(temporary, path) != 0)
		return false;
	fd = open(folder, O_RDONLY);
	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	close(fd);
	return ok;
}
