/*
 * src/backend/verify_checkpoints.c
 *
 * Whether what is signed or stamped is true of the ledger: the signatures and
 * time stamps that are stored, the checkpoint file, and a checkpoint that was
 * kept elsewhere.
 *
 * Blocks are checked in the order of their numbers, so that those without a
 * signature are told of as one range and not each by itself.
 */
#include "postgres.h"

#include "anchor.h"
#include "checkpoint_file.h"
#include "glue.h"
#include "leaf.h"
#include "notetext.h"
#include "verify_checkpoints.h"

static void
find(const AlVerifyCheckpoints *checks, const char *kind, int64 leaf,
	 const char *detail)
{
	al_findings_add(checks->findings, kind, leaf, NULL, detail);
}

void
al_verify_checkpoints_begin(AlVerifyCheckpoints *checks, Snapshot snapshot,
							const AlFindings *findings)
{
	checks->snapshot = snapshot;
	checks->findings = findings;
	checks->unsigned_from = 0;
	al_knownkeys_read(snapshot, &checks->keys);
}

/* Finds the blocks without a signature that came one after the other. */
static void
find_unsigned(AlVerifyCheckpoints *checks)
{
	if (checks->unsigned_from == 0)
		return;
	find(checks, "signature", checks->unsigned_size,
		 checks->unsigned_from == checks->unsigned_to ?
		 psprintf("block " INT64_FORMAT " is not signed by a key of the ledger",
				  checks->unsigned_from) :
		 psprintf("blocks " INT64_FORMAT " to " INT64_FORMAT " are not signed by a key of the ledger",
				  checks->unsigned_from, checks->unsigned_to));
	checks->unsigned_from = 0;
}

/* A block with a signature of a known key, or without. */
static void
note_signed(AlVerifyCheckpoints *checks, const AlBlock *block, bool is_signed)
{
	if (is_signed || !al_knownkeys_must_sign(&checks->keys, block->size))
	{
		find_unsigned(checks);
		return;
	}
	if (checks->unsigned_from == 0)
	{
		checks->unsigned_from = block->number;
		checks->unsigned_size = block->size;
	}
	checks->unsigned_to = block->number;
}

/* Without a key there is nothing to find; nor may that pass for signed. */
void
al_verify_checkpoints_notice(const AlVerifyCheckpoints *checks)
{
	const AlKnownKeys *keys = &checks->keys;

	for (int i = 0; i < keys->count; i++)
		if (keys->own[i])
			return;
	ereport(NOTICE,
			(errmsg("checkpoints of this ledger are not signed by a key of its own"),
			 errhint("Set \"audit.ledger_key\" to the path where the key is to be.")));
}

/* The signatures that are stored with a block, of keys that are known. */
void
al_verify_checkpoints_block(AlVerifyCheckpoints *checks,
							const AlBlock *block)
{
	const AlKnownKeys *keys = &checks->keys;
	AlGeneration generation;
	const char *note;
	AlNote		parts;
	AlError		err = {{0}};
	bool		is_signed = false;

	if (!al_ledger_generation(checks->snapshot, block->generation,
							  &generation))
	{
		find(checks, "generation", block->first_leaf,
			 psprintf("generation %d is missing", block->generation));
		return;
	}
	note = al_checkpoint_note(checks->snapshot, block, &generation);
	if (strcmp(note + strlen(note) - 2, "\n\n") == 0)
	{
		note_signed(checks, block, false);
		return;
	}
	if (al_note_split(note, strlen(note), &parts, &err) != AL_OK)
	{
		find(checks, "signature", block->size,
			 psprintf("block " INT64_FORMAT ": %s", block->number,
					  al_notetext_show(err.reason)));
		return;
	}
	for (const char *line = parts.lines; line < parts.lines + parts.lines_len;)
	{
		const char *end = strchr(line, '\n');
		int			which;

		if (al_note_verify_line(parts.text, parts.text_len, line,
								end + 1 - line, keys->keys, keys->count,
								&which, &err) != AL_OK)
			find(checks, "signature", block->size,
				 psprintf("block " INT64_FORMAT ": %s", block->number,
						  al_notetext_show(err.reason)));
		else if (which >= 0 && keys->last_size[which] >= 0 &&
				 block->size > keys->last_size[which])
			find(checks, "signature", block->size,
				 psprintf("block " INT64_FORMAT " is signed by a key that was replaced at size " INT64_FORMAT,
						  block->number, keys->last_size[which]));
		/* A false one was found already. */
		is_signed |= which >= 0;
		line = end + 1;
	}
	note_signed(checks, block, is_signed);
}

static void
find_timestamp(void *arg, int64 size, const char *detail)
{
	find(arg, "timestamp", size,
		 psprintf("the time stamp of the checkpoint of size " INT64_FORMAT ": %s",
				  size, detail));
}

/* The stored time stamps of checkpoints of [from, to), to = -1 for all. */
void
al_verify_checkpoints_stamps(AlVerifyCheckpoints *checks, int64 from,
							 int64 to)
{
	al_anchor_check(checks->snapshot, from, to, find_timestamp, checks);
}

/*
 * Compares a checkpoint from outside the database, which findings call
 * "what", with the ledger whose last block is "last".
 */
void
al_verify_checkpoints_note(AlVerifyCheckpoints *checks, const char *note,
						   const char *what, AlStoredTree *tree,
						   const AlBlock *last)
{
	AlCheckpoint checkpoint;
	AlFrontier	frontier;
	AlHash		root;
	AlNote		parts;
	AlError		err = {{0}};

	if (!al_checkpoint_parse(note, &checkpoint))
	{
		find(checks, "checkpoint", -1, psprintf("%s cannot be read", what));
		return;
	}
	if (al_note_verify(note, strlen(note), checks->keys.keys,
					   checks->keys.count, &parts, NULL,
					   &err) == AL_MISMATCH &&
		strstr(err.reason, "does not match"))
		find(checks, "signature", checkpoint.size,
			 psprintf("%s: %s", what, al_notetext_show(err.reason)));
	if (checkpoint.size > last->size)
	{
		find(checks, "rolled_back", last->size,
			 psprintf("%s has " UINT64_FORMAT " leaves, the ledger " INT64_FORMAT,
					  what, checkpoint.size, last->size));
		return;
	}
	if (al_merkle_restore(al_leaf_sha256(), checkpoint.size,
						  al_storedtree_fetch, tree, &frontier, &err) != AL_OK)
	{
		find(checks, "checkpoint", checkpoint.size,
			 psprintf("%s cannot be compared: %s", what, err.reason));
		return;
	}
	al_glue_check(al_merkle_root(al_leaf_sha256(), &frontier, &root), NULL);
	if (memcmp(&root, &checkpoint.root, sizeof(AlHash)) != 0)
		find(checks, "checkpoint", checkpoint.size,
			 psprintf("%s has another root", what));
}

/* Compares the checkpoint file of the last generation, if there is one. */
void
al_verify_checkpoints_file(AlVerifyCheckpoints *checks, AlStoredTree *tree,
						   const AlBlock *last)
{
	AlGeneration generation;
	const char *path;
	char	   *note;

	/* One that waits for its first block was begun as the file did not fit. */
	if (!al_ledger_last_generation(checks->snapshot, &generation) ||
		generation.generation != last->generation)
		return;
	path = al_checkpoint_file_path(checks->snapshot, &generation);
	note = path ? al_checkpoint_file_read(path) : NULL;
	if (note)
		al_verify_checkpoints_note(checks, note, "the checkpoint file", tree,
								   last);
}

/* Finds the last blocks, if they are not signed. */
void
al_verify_checkpoints_end(AlVerifyCheckpoints *checks)
{
	find_unsigned(checks);
}
