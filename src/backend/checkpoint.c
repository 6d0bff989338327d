/*
 * src/backend/checkpoint.c
 *
 * Checkpoints: signed statements of the ledger's size and root.
 *
 * A checkpoint is a signed note (C2SP): origin, size and root, then one line
 * for each signature: ours by Ed25519 (audit.ledger_key) and, if records are
 * signed, by RSA (audit.signing_key); others are added by remote signers and
 * witnesses.  The name of our keys is the origin.  Here notes are UTF-8, as
 * they are signed; lines are stored without their dash, as text that every
 * encoding can hold.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "checkpoint.h"
#include "glue.h"
#include "notetext.h"
#include "store.h"
#include "tablescan.h"

/* Reads a checkpoint, signed or not; says nothing about signatures. */
bool
al_checkpoint_parse(const char *note, AlCheckpoint *checkpoint)
{
	const char *end = strstr(note, "\n\n");
	size_t		len = end ? end + 1 - note : strlen(note);

	return al_tlog_parse_checkpoint(note, len, checkpoint, NULL) == AL_OK;
}

/* What is signed: origin, size and root. */
char *
al_checkpoint_text(const AlBlock *block, const AlGeneration *generation)
{
	AlBuf		text = {0};
	AlError		err = {{0}};
	AlStatus	status = al_tlog_format_checkpoint(generation->origin,
												   block->size, &block->root,
												   &text, &err);

	return al_glue_text(status, &err, &text);
}

/* The stored signature lines of a checkpoint, each with its newline. */
char *
al_checkpoint_lines(Snapshot snapshot, const AlBlock *block)
{
	AlTableScan scan;
	ScanKeyData keys[2];
	StringInfoData lines;

	initStringInfo(&lines);
	al_tablescan_begin(&scan, AL_SIGNATURES, AL_SIGNATURE_SIZE,
					   2, snapshot);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(block->size));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(block->generation));
	index_rescan(scan.desc, keys, 2, NULL, 0);
	while (al_tablescan_next(&scan, true))
	{
		bool		isnull;
		Datum		line = slot_getattr(scan.slot, AL_SIGNATURE_LINE,
										&isnull);

		if (!isnull)
			appendStringInfo(&lines, AL_NOTE_DASH "%s\n",
							 al_notetext_read(TextDatumGetCString(line)));
	}
	al_tablescan_end(&scan);
	return lines.data;
}

/* A block's checkpoint as a note, with all signatures that are stored. */
char *
al_checkpoint_note(Snapshot snapshot, const AlBlock *block,
				   const AlGeneration *generation)
{
	return psprintf("%s\n%s", al_checkpoint_text(block, generation),
					al_checkpoint_lines(snapshot, block));
}

/* Stores a signature line, given without its dash and its newline. */
void
al_checkpoint_add_line(const AlBlock *block, const char *line, int len)
{
	Datum		values[AL_SIGNATURE_COLUMNS];
	bool		nulls[AL_SIGNATURE_COLUMNS] = {false};
	HeapTuple	tuple;

	values[AL_SIGNATURE_SIZE - 1] = Int64GetDatum(block->size);
	values[AL_SIGNATURE_GENERATION - 1] = Int32GetDatum(block->generation);
	values[AL_SIGNATURE_ADDED_AT - 1] =
		TimestampTzGetDatum(GetCurrentTimestamp());
	values[AL_SIGNATURE_LINE - 1] =
		CStringGetTextDatum(al_notetext_show(pnstrdup(line, len)));
	al_tables_close(al_store_open(AL_SIGNATURES));
	tuple = al_store_form(AL_SIGNATURES, values, nulls);
	al_store_write(AL_SIGNATURES, &tuple, 1);
}
