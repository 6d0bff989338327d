/*
 * src/verify/files.c
 *
 * Leaves and blocks from a folder of exported files:
 *
 *	records.jsonl	rows of audit.export()
 *	blocks.jsonl	rows of audit.blocks
 *	tile/			files of audit.tiles(), if they are to be checked
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "source.h"
#include "trust.h"

#define PATH_MAX_LEN 4096

typedef struct LineFile
{
	FILE	   *file;
	char		path[PATH_MAX_LEN];
	char	   *line;
	size_t		room;
} LineFile;

typedef struct Files
{
	const char *folder;
	LineFile	leaves;
	LineFile	blocks;
} Files;

static AlStatus
open_lines(LineFile *lines, const char *folder, const char *name, AlError *err)
{
	if (snprintf(lines->path, sizeof(lines->path), "%s/%s", folder, name) >=
		(int) sizeof(lines->path))
		return al_status_fail(err, AL_INVALID, "the path is too long");
	lines->file = fopen(lines->path, "rb");
	if (lines->file == NULL)
		return al_status_fail(err, AL_FAILED, "could not open \"%.150s\": %s",
							  lines->path, strerror(errno));
	return AL_OK;
}

static AlStatus
next_line(LineFile *lines, const char **line, size_t *len, AlError *err)
{
	ssize_t		got;

	errno = 0;
	got = getline(&lines->line, &lines->room, lines->file);
	*line = NULL;
	if (got < 0 && (ferror(lines->file) || errno == ENOMEM))
		return al_status_fail(err, AL_FAILED, "could not read \"%.150s\": %s",
							  lines->path, strerror(errno));
	if (got < 0)
		return AL_OK;
	while (got > 0 &&
		   (lines->line[got - 1] == '\n' || lines->line[got - 1] == '\r'))
		got--;
	*line = lines->line;
	*len = (size_t) got;
	return AL_OK;
}

static AlStatus
next_leaf(AlSource *source, const char **line, size_t *len, AlError *err)
{
	return next_line(&((Files *) source->state)->leaves, line, len, err);
}

static AlStatus
next_block(AlSource *source, const char **line, size_t *len, AlError *err)
{
	return next_line(&((Files *) source->state)->blocks, line, len, err);
}

static AlStatus
read_tile(AlSource *source, const char *tile, AlBuf *bytes, AlError *err)
{
	char		path[PATH_MAX_LEN];

	if (snprintf(path, sizeof(path), "%s/%s",
				 ((Files *) source->state)->folder,
				 tile) >= (int) sizeof(path))
		return al_status_fail(err, AL_MISMATCH, "the path is too long");
	return al_trust_read_file(path, bytes, err) == AL_OK ? AL_OK : AL_MISMATCH;
}

static void
close_lines(LineFile *lines)
{
	if (lines->file)
		fclose(lines->file);
	free(lines->line);
}

static void
close_files(AlSource *source)
{
	Files	   *files = source->state;

	close_lines(&files->leaves);
	close_lines(&files->blocks);
	free(files);
}

static bool
has_tiles(const char *folder)
{
	char		path[PATH_MAX_LEN];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/tile", folder) <
		(int) sizeof(path) &&
		stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The source must be closed, also if this fails. */
AlStatus
al_files_open(AlSource *source, const char *folder, AlError *err)
{
	Files	   *files = calloc(1, sizeof(Files));
	AlStatus	status;

	if (files == NULL)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	files->folder = folder;
	source->state = files;
	source->next_leaf = next_leaf;
	source->next_block = next_block;
	source->tile = has_tiles(folder) ? read_tile : NULL;
	source->close = close_files;
	status = open_lines(&files->leaves, folder, "records.jsonl", err);
	if (status == AL_OK)
		status = open_lines(&files->blocks, folder, "blocks.jsonl", err);
	return status;
}
