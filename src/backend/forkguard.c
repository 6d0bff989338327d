/*
 * src/backend/forkguard.c
 *
 * The fork guard: before a block is sealed, the checkpoint file must hold a
 * checkpoint that the stored tree continues.  It does not after the database
 * was restored from an older copy, or was rolled back, or another database
 * took its origin.  Then sealing is refused until audit.new_generation().
 */
#include "postgres.h"

#include "checkpoint.h"
#include "checkpoint_file.h"
#include "forkguard.h"
#include "notetext.h"

static void
refuse(const char *path, const AlBlock *last, const char *detail)
{
	bool		begins = last->number == 0;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the ledger does not continue the checkpoint in file \"%s\"",
					path),
			 errdetail("%s", detail),
			 begins ?
			 errhint("If the extension was created again on purpose, keep the file elsewhere, which is all that is left of the ledger before, and remove it here.") :
			 errhint("If the database was restored or cloned on purpose, call audit.new_generation() to go on under a new origin.")));
}

/*
 * Checks the file against the stored tree whose last block is "last"; throws
 * if it is not an ancestor.  Returns the note in the file, NULL if there is
 * none.
 */
char *
al_forkguard_check(Snapshot snapshot, const AlBlock *last,
				   const AlGeneration *generation)
{
	const char *path = al_checkpoint_file_path(snapshot, generation);
	char	   *note = path ? al_checkpoint_file_read(path) : NULL;
	AlCheckpoint checkpoint;
	AlBlock		block;
	AlGeneration then;

	if (note == NULL)
		return NULL;
	/* audit.new_generation() has seen this very checkpoint. */
	if (generation->generation > last->generation && generation->previous &&
		strcmp(generation->previous, al_notetext_show(note)) == 0)
		return note;
	if (!al_checkpoint_parse(note, &checkpoint))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("checkpoint file \"%s\" does not hold a checkpoint",
						path),
				 errdetail("Whether the ledger continues what was published last cannot be told."),
				 errhint("Bring the file back, from wherever a copy was taken. If there is none, remove it: the next block writes it again.")));
	if (checkpoint.size > last->size)
		refuse(path, last, psprintf("The checkpoint has " UINT64_FORMAT " leaves, the ledger " INT64_FORMAT ".",
							  checkpoint.size, last->size));
	if (!al_ledger_block_of_size(snapshot, checkpoint.size, &block) ||
		memcmp(&block.root, &checkpoint.root, sizeof(AlHash)) != 0)
		refuse(path, last, "The ledger never had that size and root.");
	/* The same leaves under another origin belong to another copy. */
	for (int g = last->generation; g > 0; g--)
		if (al_ledger_generation(snapshot, g, &then) &&
			strlen(then.origin) == checkpoint.origin_len &&
			memcmp(then.origin, checkpoint.origin,
				   checkpoint.origin_len) == 0)
			return note;
	refuse(path, last, psprintf("Its origin \"%s\" is none of this ledger's.",
						  al_notetext_show(pnstrdup(checkpoint.origin,
													checkpoint.origin_len))));
	return NULL;
}
