/*
 * src/core/tlog.c
 *
 * Checkpoints, tile paths and proof texts; see tlog.h.
 *
 * Formats: C2SP tlog-checkpoint (origin, size and base64 root, a line each,
 * then lines that we neither write nor use), tlog-tiles (paths), tlog-proof
 * ("c2sp.org/tlog-proof@v1").  Numbers are decimal without leading zeros, so
 * that a text has one spelling only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "note.h"
#include "tlog.h"

#define AL_TLOG_PROOF_HEAD "c2sp.org/tlog-proof@v1"
#define AL_TLOG_EXTRA_HEAD "extra "
#define AL_TLOG_INDEX_HEAD "index "
#define AL_TLOG_NUMBER_MAX 20	/* digits of a 64-bit number */

/* What is left of a text that is read from the front */
typedef struct Cursor
{
	const char *pos;
	size_t		left;
} Cursor;

static bool
take_text(Cursor *cursor, const char *text)
{
	size_t		len = strlen(text);

	if (cursor->left < len || memcmp(cursor->pos, text, len) != 0)
		return false;
	cursor->pos += len;
	cursor->left -= len;
	return true;
}

/* A line that ends in a newline, which is taken but not part of *line */
static bool
take_line(Cursor *cursor, Cursor *line)
{
	const char *end = cursor->left > 0 ? memchr(cursor->pos, '\n',
												cursor->left) : NULL;

	if (end == NULL)
		return false;
	line->pos = cursor->pos;
	line->left = (size_t) (end - cursor->pos);
	cursor->pos = end + 1;
	cursor->left -= line->left + 1;
	return true;
}

/* A number up to max, all digits that follow */
static bool
take_number(Cursor *cursor, uint64_t max, uint64_t *number)
{
	size_t		digits = 0;
	uint64_t	value = 0;

	while (digits < cursor->left && cursor->pos[digits] >= '0' &&
		   cursor->pos[digits] <= '9')
	{
		unsigned	digit = (unsigned) (cursor->pos[digits] - '0');

		if (digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
		digits++;
	}
	if (digits == 0 || (digits > 1 && cursor->pos[0] == '0'))
		return false;
	cursor->pos += digits;
	cursor->left -= digits;
	*number = value;
	return true;
}

static bool
is_hash(const Cursor *line, AlHash *hash)
{
	size_t		len;

	return al_base64_decode(line->pos, line->left, hash->bytes,
							sizeof(hash->bytes), &len, NULL) == AL_OK &&
		len == sizeof(hash->bytes);
}

static void
append_number(AlBuf *out, uint64_t number)
{
	char		text[AL_TLOG_NUMBER_MAX + 1];

	(void) snprintf(text, sizeof(text), "%" PRIu64, number);
	al_buf_append_str(out, text);
}

static AlStatus
written(const AlBuf *out, AlError *err)
{
	if (out->failed)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	return AL_OK;
}

/*
 * What a log of ours may be called.  Beyond the rules for names of keys, "|"
 * is refused: one RSA key may sign both records and checkpoints, and as the
 * signed form of a record always holds a "|", no checkpoint passes for one.
 */
AlStatus
al_tlog_check_origin(const char *origin, size_t len, AlError *err)
{
	AlStatus	status = al_note_check_name(origin, len, err);

	if (status == AL_OK && memchr(origin, '|', len) != NULL)
		return al_status_fail(err, AL_INVALID,
							  "the name holds a vertical bar");
	if (status == AL_OK && len > AL_NOTE_NAME_MAX)
		return al_status_fail(err, AL_INVALID,
							  "the name is longer than %d bytes",
							  AL_NOTE_NAME_MAX);
	return status;
}

/* Appends the text of a checkpoint, which al_note_sign() can sign. */
AlStatus
al_tlog_format_checkpoint(const char *origin, uint64_t size,
						  const AlHash *root, AlBuf *out, AlError *err)
{
	AlStatus	status = al_tlog_check_origin(origin, strlen(origin), err);

	if (status != AL_OK)
		return status;
	al_buf_append_str(out, origin);
	al_buf_append_char(out, '\n');
	append_number(out, size);
	al_buf_append_char(out, '\n');
	al_base64_encode(root->bytes, sizeof(root->bytes), out);
	al_buf_append_char(out, '\n');
	return written(out, err);
}

/* Reads the text of a checkpoint, without the signatures. */
AlStatus
al_tlog_parse_checkpoint(const char *text, size_t len,
						 AlCheckpoint *checkpoint, AlError *err)
{
	Cursor		cursor = {text, len};
	Cursor		line;

	memset(checkpoint, 0, sizeof(*checkpoint));
	if (!take_line(&cursor, &line) || line.left == 0)
		return al_status_fail(err, AL_INVALID,
							  "the checkpoint has no origin");
	checkpoint->origin = line.pos;
	checkpoint->origin_len = line.left;
	if (!take_line(&cursor, &line) ||
		!take_number(&line, AL_MERKLE_MAX_SIZE, &checkpoint->size) ||
		line.left != 0)
		return al_status_fail(err, AL_INVALID,
							  "the checkpoint has no valid size");
	if (!take_line(&cursor, &line) || !is_hash(&line, &checkpoint->root))
		return al_status_fail(err, AL_INVALID,
							  "the checkpoint has no valid root");
	while (cursor.left > 0)
		if (!take_line(&cursor, &line) || line.left == 0)
			return al_status_fail(err, AL_INVALID,
								  "the checkpoint has an invalid line after "
								  "its root");
	return AL_OK;
}

/*
 * Appends the index in groups of three digits, all but the last after an
 * "x": 1234067 is x001/x234/067.
 */
static void
append_index(AlBuf *out, uint64_t index)
{
	uint64_t	unit = 1;
	char		group[8];

	while (index / unit >= 1000)
		unit *= 1000;
	for (; unit > 0; unit /= 1000)
	{
		(void) snprintf(group, sizeof(group), "%s%03u", unit > 1 ? "x" : "",
						(unsigned) (index / unit % 1000));
		al_buf_append_str(out, group);
		if (unit > 1)
			al_buf_append_char(out, '/');
	}
}

/* Appends tile/<level>/<index>[.p/<width>], or tile/entries/... */
AlStatus
al_tlog_format_tile_path(const AlTile *tile, AlBuf *out, AlError *err)
{
	if (tile->width < 1 || tile->width > AL_MERKLE_TILE_WIDTH ||
		tile->level > AL_TLOG_MAX_TILE_LEVEL ||
		(tile->entries && tile->level != 0) ||
		tile->index > AL_MERKLE_MAX_SIZE)
		return al_status_fail(err, AL_INVALID, "there is no such tile");
	al_buf_append_str(out, "tile/");
	if (tile->entries)
		al_buf_append_str(out, "entries");
	else
		append_number(out, tile->level);
	al_buf_append_char(out, '/');
	append_index(out, tile->index);
	if (tile->width < AL_MERKLE_TILE_WIDTH)
	{
		al_buf_append_str(out, ".p/");
		append_number(out, tile->width);
	}
	return written(out, err);
}

static bool
take_index(Cursor *cursor, uint64_t *index)
{
	bool		first = true;
	uint64_t	value = 0;
	bool		more;

	do
	{
		unsigned	group = 0;
		int			i;

		more = take_text(cursor, "x");
		if (cursor->left < 3)
			return false;
		for (i = 0; i < 3; i++)
		{
			if (cursor->pos[i] < '0' || cursor->pos[i] > '9')
				return false;
			group = group * 10 + (unsigned) (cursor->pos[i] - '0');
		}
		cursor->pos += 3;
		cursor->left -= 3;
		/* A group of zeros in front would be a second name of a tile. */
		if ((first && more && group == 0) ||
			value > (AL_MERKLE_MAX_SIZE - group) / 1000)
			return false;
		value = value * 1000 + group;
		first = false;
	} while (more && take_text(cursor, "/"));
	*index = value;
	return !more;
}

/* Reads what al_tlog_format_tile_path() writes, and nothing else. */
AlStatus
al_tlog_parse_tile_path(const char *path, size_t len, AlTile *tile,
						AlError *err)
{
	Cursor		cursor = {path, len};
	uint64_t	level = 0;
	uint64_t	width = AL_MERKLE_TILE_WIDTH;

	memset(tile, 0, sizeof(*tile));
	if (!take_text(&cursor, "tile/"))
		return al_status_fail(err, AL_INVALID, "not the path of a tile");
	tile->entries = take_text(&cursor, "entries/");
	if ((!tile->entries &&
		 (!take_number(&cursor, AL_TLOG_MAX_TILE_LEVEL, &level) ||
		  !take_text(&cursor, "/"))) ||
		!take_index(&cursor, &tile->index) ||
		(take_text(&cursor, ".p/") &&
		 (!take_number(&cursor, AL_MERKLE_TILE_WIDTH - 1, &width) ||
		  width == 0)) ||
		cursor.left != 0)
		return al_status_fail(err, AL_INVALID, "not the path of a tile");
	tile->level = (unsigned) level;
	tile->width = (unsigned) width;
	return AL_OK;
}

/*
 * Appends a proof that leaf index is in the tree of the checkpoint, which is
 * a signed note.  extra is NULL or bytes that travel along unprotected.
 */
AlStatus
al_tlog_format_proof(uint64_t index, const AlMerkleProof *proof,
					 const void *extra, size_t extra_len,
					 const char *checkpoint, size_t checkpoint_len,
					 AlBuf *out, AlError *err)
{
	int			i;

	al_buf_append_str(out, AL_TLOG_PROOF_HEAD "\n");
	if (extra != NULL)
	{
		al_buf_append_str(out, AL_TLOG_EXTRA_HEAD);
		al_base64_encode(extra, extra_len, out);
		al_buf_append_char(out, '\n');
	}
	al_buf_append_str(out, AL_TLOG_INDEX_HEAD);
	append_number(out, index);
	al_buf_append_char(out, '\n');
	for (i = 0; i < proof->count; i++)
	{
		al_base64_encode(proof->hashes[i].bytes, sizeof(AlHash), out);
		al_buf_append_char(out, '\n');
	}
	al_buf_append_char(out, '\n');
	al_buf_append(out, checkpoint, checkpoint_len);
	return written(out, err);
}

static AlStatus
bad_proof(AlError *err, const char *what)
{
	return al_status_fail(err, AL_INVALID, "the proof has no valid %s", what);
}

/* The extra data is checked to be base64, without the room to decode it. */
static bool
is_base64(const Cursor *text)
{
	size_t		done;

	for (done = 0; done < text->left; done += 4)
	{
		uint8_t		bytes[3];
		size_t		n = text->left - done;
		size_t		got;

		if (al_base64_decode(text->pos + done, n < 4 ? n : 4, bytes,
							 sizeof(bytes), &got, NULL) != AL_OK ||
			(got < 3 && n > 4))
			return false;
	}
	return true;
}

AlStatus
al_tlog_parse_proof(const char *text, size_t len, AlTlogProof *parsed,
					AlError *err)
{
	Cursor		cursor = {text, len};
	Cursor		line;

	memset(parsed, 0, sizeof(*parsed));
	if (!take_text(&cursor, AL_TLOG_PROOF_HEAD "\n"))
		return al_status_fail(err, AL_INVALID, "not a proof: the first line "
							  "must be " AL_TLOG_PROOF_HEAD);
	if (!take_line(&cursor, &line))
		return bad_proof(err, "index");
	if (take_text(&line, AL_TLOG_EXTRA_HEAD))
	{
		if (!is_base64(&line))
			return bad_proof(err, "extra data");
		parsed->extra = line.pos;
		parsed->extra_len = line.left;
		if (!take_line(&cursor, &line))
			return bad_proof(err, "index");
	}
	if (!take_text(&line, AL_TLOG_INDEX_HEAD) ||
		!take_number(&line, AL_MERKLE_MAX_SIZE, &parsed->index) ||
		line.left != 0)
		return bad_proof(err, "index");
	for (;;)
	{
		if (!take_line(&cursor, &line))
			return bad_proof(err, "end");
		if (line.left == 0)
			break;
		if (parsed->proof.count == AL_MERKLE_MAX_PROOF ||
			!is_hash(&line, &parsed->proof.hashes[parsed->proof.count]))
			return bad_proof(err, "hashes");
		parsed->proof.count++;
	}
	if (cursor.left == 0)
		return bad_proof(err, "checkpoint");
	parsed->checkpoint = cursor.pos;
	parsed->checkpoint_len = cursor.left;
	return AL_OK;
}
