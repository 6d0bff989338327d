/*
 * src/verify/block.c
 *
 * What was sealed at once, with its checkpoint.
 */
#include <stdlib.h>
#include <string.h>

#include "core/note.h"

#include "block.h"

static bool
take_txid(const char **pos, char end, uint64_t *txid)
{
	uint64_t	value = 0;

	if (**pos < '0' || **pos > '9')
		return false;
	for (; **pos >= '0' && **pos <= '9'; (*pos)++)
	{
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t) (**pos - '0');
	}
	if (**pos != end && **pos != '\0')
		return false;
	if (**pos == end)
		(*pos)++;
	*txid = value;
	return true;
}

/* Reads the text of a pg_snapshot: xmin:xmax:xip,xip,... */
static AlStatus
read_snapshot(const char *text, AlTxids *txids, AlError *err)
{
	const char *pos = text;

	txids->nxip = 0;
	if (!take_txid(&pos, ':', &txids->xmin) ||
		!take_txid(&pos, ':', &txids->xmax))
		return al_status_fail(err, AL_INVALID, "its snapshot is invalid");
	while (*pos)
	{
		if (txids->nxip == txids->room)
		{
			size_t		room = txids->room ? txids->room * 2 : 64;
			uint64_t   *xip = realloc(txids->xip, room * sizeof(uint64_t));

			if (xip == NULL)
				return al_status_fail(err, AL_NO_MEMORY, "out of memory");
			txids->xip = xip;
			txids->room = room;
		}
		if (!take_txid(&pos, ',', &txids->xip[txids->nxip]) ||
			(txids->nxip > 0 &&
			 txids->xip[txids->nxip] <= txids->xip[txids->nxip - 1]))
			return al_status_fail(err, AL_INVALID, "its snapshot is invalid");
		txids->nxip++;
	}
	return AL_OK;
}

/* Has a transaction that committed ended before the block was sealed? */
bool
al_block_sees(const AlBlock *block, uint64_t txid)
{
	size_t		low = 0;
	size_t		high = block->txids.nxip;

	if (txid < block->txids.xmin)
		return true;
	if (txid >= block->txids.xmax)
		return false;
	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (block->txids.xip[middle] == txid)
			return false;
		if (block->txids.xip[middle] < txid)
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

/* Where the signed text of the checkpoint ends. */
size_t
al_block_text_len(const AlBlock *block)
{
	const char *end = strstr(block->note.data, "\n\n");

	return end ? (size_t) (end - block->note.data) + 1
		: strlen(block->note.data);
}

/* The text of some databases cannot hold the dash of a signature line. */
static bool
take_note(const AlFields *fields, AlBuf *note)
{
	AlBuf		text = {0};
	bool		found = al_fields_text(fields, "checkpoint", &text);

	al_buf_reset(note);
	if (found)
	{
		al_note_replace_dashes(text.data, text.len, AL_NOTE_PLAIN_DASH,
							   AL_NOTE_DASH, note);
		al_buf_append_char(note, '\0');
		note->len--;
	}
	al_buf_free(&text);
	return found && !note->failed;
}

AlStatus
al_block_read(const char *line, size_t len, AlBlock *block, AlError *err)
{
	AlFields	fields;
	AlBuf		snapshot = {0};
	int64_t		first_leaf;
	int64_t		size;
	AlStatus	status = al_fields_read(&fields, line, len, err);

	if (status != AL_OK)
		return status;
	if (!al_fields_number(&fields, "block", &block->number) ||
		!al_fields_number(&fields, "first_leaf", &first_leaf) ||
		!al_fields_number(&fields, "size", &size) ||
		!al_fields_number(&fields, "generation", &block->generation) ||
		!al_fields_text(&fields, "system_identifier",
						&block->system_identifier) ||
		!al_fields_text(&fields, "sealed_at", &block->sealed_at) ||
		!al_fields_bytes(&fields, "root", block->root.bytes,
						 sizeof(block->root.bytes)) ||
		first_leaf < 0 || size < 0)
		return al_status_fail(err, AL_INVALID, "a member is missing");
	block->first_leaf = (uint64_t) first_leaf;
	block->size = (uint64_t) size;
	block->has_checkpoint =
		take_note(&fields, &block->note) &&
		al_tlog_parse_checkpoint(block->note.data, al_block_text_len(block),
								 &block->checkpoint, NULL) == AL_OK;
	if (!al_fields_text(&fields, "timestamps", &block->stamps))
		al_buf_reset(&block->stamps);
	if (!al_fields_text(&fields, "snapshot", &snapshot))
		status = al_status_fail(err, AL_INVALID, "its snapshot is missing");
	else
		status = read_snapshot(snapshot.data, &block->txids, err);
	al_buf_free(&snapshot);
	return status;
}

void
al_block_free(AlBlock *block)
{
	al_buf_free(&block->system_identifier);
	al_buf_free(&block->sealed_at);
	al_buf_free(&block->note);
	al_buf_free(&block->stamps);
	free(block->txids.xip);
}
