/*
 * src/verify/notes.c
 *
 * Checkpoints: those of the blocks, and those that the caller kept.
 *
 * A kept checkpoint is compared with the tree at the moment when the tree has
 * its size, so that no consistency proof is needed: every leaf has been seen.
 *
 * The keys of the ledger sign every checkpoint, in its own name.  Where that
 * begins the caller may not know; but once a trusted key has done so, a
 * checkpoint without the signature of one is a finding.
 *
 * A key that a sealed record introduces (audit.rotate_key()) becomes trusted
 * once a trusted key has signed a checkpoint with that record in it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "notes.h"

/* Reads a checkpoint that the caller kept; its file must be readable. */
AlStatus
al_notes_keep(AlNotes *notes, const char *path, AlError *err)
{
	size_t		room = ((size_t) notes->n_kept + 1) * sizeof(AlKept);
	AlKept	   *larger = realloc(notes->kept, room);
	AlKept	   *kept;
	const char *end;
	size_t		len;
	AlError		reason = {{0}};

	if (larger == NULL)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	notes->kept = larger;
	kept = &larger[notes->n_kept++];
	memset(kept, 0, sizeof(*kept));
	kept->path = path;
	if (al_trust_read_file(path, &kept->note, err) != AL_OK)
		return AL_FAILED;
	/* psql ends its output with one more newline. */
	while (kept->note.len > 2 &&
		   memcmp(kept->note.data + kept->note.len - 2, "\n\n", 2) == 0)
		kept->note.data[--kept->note.len] = '\0';
	end = strstr(kept->note.data, "\n\n");
	len = end ? (size_t) (end - kept->note.data) + 1 : kept->note.len;
	if (al_tlog_parse_checkpoint(kept->note.data, len, &kept->checkpoint,
								 &reason) != AL_OK)
		return al_status_fail(err, AL_INVALID, "\"%.100s\": %.100s", path,
							  reason.reason);
	return AL_OK;
}

static int
by_size(const void *a, const void *b)
{
	uint64_t	x = ((const AlKept *) a)->checkpoint.size;
	uint64_t	y = ((const AlKept *) b)->checkpoint.size;

	return (x > y) - (x < y);
}

AlStatus
al_notes_begin(AlNotes *notes, AlSha256 *sha)
{
	AlFrontier	empty = {0};

	if (notes->n_kept > 0)
		qsort(notes->kept, (size_t) notes->n_kept, sizeof(AlKept), by_size);
	return al_notes_grown(notes, sha, &empty);
}

/*
 * A kept checkpoint must be signed by a key that is trusted, perhaps one that
 * the ledger has introduced.
 */
static AlStatus
check_kept(AlNotes *notes, const AlKept *kept, AlError *err)
{
	AlNote		parts;
	AlStatus	status;

	if (notes->trust->n_publics == 0)
		return AL_OK;
	status = al_trust_bind(notes->trust, kept->checkpoint.origin,
						   kept->checkpoint.origin_len, err);
	if (status == AL_OK)
		status = al_note_verify(kept->note.data, kept->note.len,
								notes->trust->keys, notes->trust->n_keys,
								&parts, NULL, err);
	if (status == AL_NO_MEMORY || status == AL_FAILED)
		return status;
	if (status != AL_OK)
		al_report_finding(notes->report, "signature",
						  (int64_t) kept->checkpoint.size, NULL,
						  "checkpoint \"%s\": %s", kept->path, err->reason);
	return AL_OK;
}

/* Remembers a key that a sealed record introduces. */
void
al_notes_follow(AlNotes *notes, const char *verifier, size_t len)
{
	al_buf_append(&notes->followed, verifier, len);
	al_buf_append_char(&notes->followed, '\n');
}

static AlStatus
accept_followed(AlNotes *notes, AlError *err)
{
	const char *text = notes->followed.data;
	const char *end = text + notes->followed.len;
	AlStatus	status = AL_OK;

	while (text < end && status == AL_OK)
	{
		const char *newline = memchr(text, '\n', (size_t) (end - text));

		status = al_trust_add_verifier(notes->trust, text,
									   (size_t) (newline - text), err);
		text = newline + 1;
	}
	al_buf_reset(&notes->followed);
	return status;
}

/* The tree has a new size: compares the checkpoints of that size. */
AlStatus
al_notes_grown(AlNotes *notes, AlSha256 *sha, const AlFrontier *frontier)
{
	while (notes->next < notes->n_kept &&
		   notes->kept[notes->next].checkpoint.size <= frontier->size)
	{
		AlKept	   *kept = &notes->kept[notes->next++];
		AlHash		root;
		AlStatus	status;

		if (kept->checkpoint.size < frontier->size)
			continue;
		status = al_merkle_root(sha, frontier, &root);
		if (status != AL_OK)
			return status;
		kept->compared = true;
		if (memcmp(&root, &kept->checkpoint.root, sizeof(root)) != 0)
			al_report_finding(notes->report, "checkpoint",
							  (int64_t) kept->checkpoint.size,
							  NULL, "checkpoint \"%s\" has another root", kept->path);
	}
	return AL_OK;
}

static void
note_origin(AlNotes *notes, const AlBlock *block)
{
	const AlCheckpoint *now = &block->checkpoint;

	for (int i = 0; i < notes->n_kept; i++)
		if (notes->kept[i].checkpoint.origin_len == now->origin_len &&
			memcmp(notes->kept[i].checkpoint.origin, now->origin,
				   now->origin_len) == 0)
			notes->kept[i].known_origin = true;
	al_buf_reset(&notes->origin);
	al_buf_append(&notes->origin, now->origin, now->origin_len);
}

/* The origin may only change with the generation. */
static AlStatus
check_origin(AlNotes *notes, const AlBlock *block, AlError *err)
{
	const AlCheckpoint *claimed = &block->checkpoint;

	if (notes->origin.len == claimed->origin_len &&
		memcmp(notes->origin.data, claimed->origin, claimed->origin_len) == 0)
		return AL_OK;
	/* A name that no key can have leaves the block without a signature. */
	if (al_trust_bind(notes->trust, claimed->origin, claimed->origin_len,
					  err) == AL_NO_MEMORY)
		return AL_NO_MEMORY;
	if (block->generation == notes->generation)
		al_report_finding(notes->report, "generation",
						  (int64_t) block->first_leaf, NULL,
						  "block %" PRId64
						  " has another origin than its generation",
						  block->number);
	note_origin(notes, block);
	return AL_OK;
}

/* Finds the blocks without a signature that came one after the other. */
static void
find_unsigned(AlNotes *notes)
{
	if (notes->unsigned_from == 0)
		return;
	if (notes->unsigned_from == notes->unsigned_to)
		al_report_finding(notes->report, "signature",
						  (int64_t) notes->unsigned_size, NULL,
						  "block %" PRId64
						  " is not signed by a key that is trusted",
						  notes->unsigned_from);
	else
		al_report_finding(notes->report, "signature",
						  (int64_t) notes->unsigned_size, NULL,
						  "blocks %" PRId64 " to %" PRId64
						  " are not signed by a key that is trusted",
						  notes->unsigned_from, notes->unsigned_to);
	notes->unsigned_from = 0;
}

/* A block with a signature of a trusted key, or without. */
static void
note_signed(AlNotes *notes, const AlBlock *block, bool is_signed)
{
	if (!notes->own_signed)
		notes->before_signed += !is_signed;
	else if (is_signed)
		find_unsigned(notes);
	else
	{
		if (notes->unsigned_from == 0)
		{
			notes->unsigned_from = block->number;
			notes->unsigned_size = block->size;
		}
		notes->unsigned_to = block->number;
	}
}

/* Is the key of a signature one that signs in the name of the ledger? */
static bool
is_own(const AlNoteKey *key, const AlCheckpoint *checkpoint)
{
	return strlen(key->name) == checkpoint->origin_len &&
		memcmp(key->name, checkpoint->origin, checkpoint->origin_len) == 0;
}

/* Verifies the lines of a checkpoint; finds false ones. */
static AlStatus
check_lines(AlNotes *notes, const AlBlock *block, AlError *err)
{
	AlNote		parts;
	bool		any = false;
	bool		known = false;

	notes->last_signed = false;
	/* Without a line it is a checkpoint that nobody has signed. */
	if (block->note.len >= 2 &&
		memcmp(block->note.data + block->note.len - 2, "\n\n", 2) == 0)
	{
		note_signed(notes, block, false);
		return AL_OK;
	}
	if (al_note_split(block->note.data, block->note.len, &parts, err) != AL_OK)
	{
		al_report_finding(notes->report, "signature", (int64_t) block->size,
						  NULL, "block %" PRId64 ": %s", block->number,
						  err->reason);
		return AL_OK;
	}
	for (const char *line = parts.lines; line < parts.lines + parts.lines_len;)
	{
		const char *end = strchr(line, '\n') + 1;
		int			which = -1;
		AlStatus	status;

		status = al_note_verify_line(parts.text, parts.text_len, line,
									 (size_t) (end - line),
									 notes->trust->keys, notes->trust->n_keys,
									 &which, err);
		if (status == AL_NO_MEMORY || status == AL_FAILED)
			return status;
		if (status != AL_OK)
			al_report_finding(notes->report, "signature", (int64_t) block->size,
							  NULL,
							  "block %" PRId64 ": %s", block->number, err->reason);
		else if (which >= 0)
		{
			any = true;
			notes->own_signed |= is_own(&notes->trust->keys[which],
										&block->checkpoint);
		}
		/* A false one was found already. */
		known |= which >= 0;
		line = end;
	}
	notes->last_signed = any;
	note_signed(notes, block, known);
	if (!any)
		return AL_OK;
	notes->signed_notes++;
	return accept_followed(notes, err);
}

/* The checkpoint of a block says what the block says, and is signed. */
AlStatus
al_notes_block(AlNotes *notes, const AlBlock *block, AlError *err)
{
	const AlCheckpoint *claimed = &block->checkpoint;
	AlStatus	status;

	if (!block->has_checkpoint)
	{
		al_report_finding(notes->report, "generation", (int64_t) block->first_leaf,
						  NULL,
						  "generation %" PRId64 " is missing", block->generation);
		notes->last_signed = false;
		return AL_OK;
	}
	if (claimed->size != block->size ||
		memcmp(&claimed->root, &block->root, sizeof(AlHash)) != 0)
		al_report_finding(notes->report, "checkpoint", (int64_t) block->size,
						  NULL,
						  "block %" PRId64 " has a checkpoint of something else",
						  block->number);
	status = al_stamps_block(&notes->stamps, block, err);
	if (status != AL_OK)
		return status;
	/* An idle ledger repeats its checkpoint. */
	if (block->note.len == notes->last.len && notes->last.len > 0 &&
		memcmp(block->note.data, notes->last.data, block->note.len) == 0)
	{
		if (notes->unsigned_from > 0)
			notes->unsigned_to = block->number;
		return AL_OK;
	}
	al_buf_reset(&notes->last);
	al_buf_append(&notes->last, block->note.data, block->note.len);
	status = check_origin(notes, block, err);
	if (status != AL_OK)
		return status;
	notes->generation = block->generation;
	return check_lines(notes, block, err);
}

/* What can be said of the kept checkpoints once the end is known. */
AlStatus
al_notes_finish(AlNotes *notes, uint64_t size, AlError *err)
{
	for (int i = 0; i < notes->n_kept; i++)
	{
		AlKept	   *kept = &notes->kept[i];
		AlStatus	status = check_kept(notes, kept, err);

		if (status != AL_OK)
			return status;
		if (!kept->known_origin && size > 0)
			al_report_finding(notes->report, "checkpoint",
							  (int64_t) kept->checkpoint.size,
							  NULL, "checkpoint \"%s\" is of another ledger, \"%.*s\"",
							  kept->path, (int) kept->checkpoint.origin_len,
							  kept->checkpoint.origin);
		if (kept->checkpoint.size > size)
			al_report_finding(notes->report, "rolled_back", (int64_t) size,
							  NULL,
							  "checkpoint \"%s\" has %" PRIu64
							  " leaves, the ledger %" PRIu64,
							  kept->path, kept->checkpoint.size, size);
		else if (!kept->compared)
			al_report_finding(notes->report, "checkpoint",
							  (int64_t) kept->checkpoint.size, NULL,
							  "checkpoint \"%s\" cannot be compared: "
							  "the leaves before it do not fit",
							  kept->path);
	}
	if (notes->unsigned_from > 0)
		find_unsigned(notes);
	else if (notes->trust->n_publics > 0 && size > 0 && !notes->last_signed)
		al_report_finding(notes->report, "signature", (int64_t) size, NULL,
						  "the last checkpoint is not signed by a key that is trusted");
	if (notes->last.failed || notes->origin.failed || notes->followed.failed)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	return AL_OK;
}

void
al_notes_free(AlNotes *notes)
{
	for (int i = 0; i < notes->n_kept; i++)
		al_buf_free(&notes->kept[i].note);
	free(notes->kept);
	al_buf_free(&notes->last);
	al_buf_free(&notes->origin);
	al_buf_free(&notes->followed);
	al_stamps_free(&notes->stamps);
}
