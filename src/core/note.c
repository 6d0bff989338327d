/*
 * src/core/note.c
 *
 * Signed notes; see note.h.
 *
 * Format: C2SP signed-note.  A signature line is an em dash, a space, the
 * name of the key, a space, and base64 of a four-byte key id and the
 * signature.  note_key.c has the keys.
 *
 * Rules:
 * - A key is known by name and id together.  A line of an unknown key is
 *   ignored, however it is made up, as long as it is a signature line: that
 *   is what lets witnesses add theirs, and keys be replaced.
 * - A line of a known key must verify, or the whole note is refused, also
 *   when another line of the same key did: a second signature of one key
 *   adds nothing, and a false one is not overlooked.
 */
#include <string.h>

#include "base64.h"
#include "note.h"
#include "unicode.h"

/* A text that can be signed: see al_note_split() for what readers insist on. */
static AlStatus
check_text(const char *text, size_t len, AlError *err)
{
	size_t		pos = 0;

	if (len == 0 || text[len - 1] != '\n')
		return al_status_fail(err, AL_INVALID,
							  "the text does not end in a newline");
	while (pos < len)
	{
		uint32_t	c = al_unicode_take(text, len, &pos);

		if (c == AL_UNICODE_NONE)
			return al_status_fail(err, AL_INVALID,
								  "the text is not valid UTF-8");
		if (c < 0x20 && c != '\n')
			return al_status_fail(err, AL_INVALID,
								  "the text holds a control character");
	}
	return AL_OK;
}

/*
 * Signs text under a name and appends the signature line, with its newline.
 * line may be the buffer that text lies in.
 */
AlStatus
al_note_sign(const char *name, AlKey *key, const char *text, size_t len,
			 AlBuf *line, AlError *err)
{
	AlNoteKey	named;
	uint8_t		bytes[AL_NOTE_KEY_ID_LEN + AL_SIGNATURE_MAX];
	size_t		n;
	AlStatus	status;

	status = check_text(text, len, err);
	if (status == AL_OK)
		status = al_note_use_key(name, al_crypto_public_half(key), &named,
								 err);
	if (status == AL_OK)
		status = al_crypto_sign(key, text, len, bytes + AL_NOTE_KEY_ID_LEN,
								&n, err);
	if (status != AL_OK)
		return status;
	memcpy(bytes, named.id, AL_NOTE_KEY_ID_LEN);
	al_buf_append_str(line, AL_NOTE_DASH);
	al_buf_append_str(line, name);
	al_buf_append_char(line, ' ');
	al_base64_encode(bytes, AL_NOTE_KEY_ID_LEN + n, line);
	al_buf_append_char(line, '\n');
	if (line->failed)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	return AL_OK;
}

/* Reads one signature line; the newline at its end may be missing. */
AlStatus
al_note_parse_line(const char *line, size_t len, AlNoteSignature *signature,
				   AlError *err)
{
	size_t		dash = sizeof(AL_NOTE_DASH) - 1;
	uint8_t		bytes[AL_NOTE_KEY_ID_LEN + AL_NOTE_SIGNATURE_MAX];
	const char *space;
	size_t		n;

	if (len > 0 && line[len - 1] == '\n')
		len--;
	space = len > dash ? memchr(line + dash, ' ', len - dash) : NULL;
	if (space == NULL || memcmp(line, AL_NOTE_DASH, dash) != 0)
		return al_status_fail(err, AL_INVALID, "not a signature line");
	signature->name = line + dash;
	signature->name_len = (size_t) (space - signature->name);
	len -= dash + signature->name_len + 1;
	if (al_note_check_name(signature->name, signature->name_len, err) !=
		AL_OK)
		return AL_INVALID;
	if (al_base64_decode(space + 1, len, bytes, sizeof(bytes), &n, err) !=
		AL_OK)
		return AL_INVALID;
	if (n <= AL_NOTE_KEY_ID_LEN)
		return al_status_fail(err, AL_INVALID, "the signature is too short");
	memcpy(signature->id, bytes, AL_NOTE_KEY_ID_LEN);
	signature->len = n - AL_NOTE_KEY_ID_LEN;
	memcpy(signature->bytes, bytes + AL_NOTE_KEY_ID_LEN, signature->len);
	return AL_OK;
}

static int
find_key(const AlNoteKey *keys, int n_keys, const char *name, size_t name_len,
		 const uint8_t *id)
{
	int			i;

	for (i = 0; i < n_keys; i++)
		if (strlen(keys[i].name) == name_len &&
			memcmp(keys[i].name, name, name_len) == 0 &&
			memcmp(keys[i].id, id, AL_NOTE_KEY_ID_LEN) == 0)
			return i;
	return -1;
}

/*
 * Checks one signature line of text.  *which is the key that made it, or -1
 * if no known key did, which is AL_OK too: the caller decides.
 */
AlStatus
al_note_verify_line(const char *text, size_t text_len, const char *line,
					size_t line_len, const AlNoteKey *keys, int n_keys,
					int *which, AlError *err)
{
	AlNoteSignature signature;
	AlStatus	status;

	*which = -1;
	status = al_note_parse_line(line, line_len, &signature, err);
	if (status != AL_OK)
		return status;
	*which = find_key(keys, n_keys, signature.name, signature.name_len,
					  signature.id);
	if (*which < 0)
		return AL_OK;
	status = al_crypto_verify(keys[*which].key, text, text_len,
							  signature.bytes, signature.len, err);
	if (status == AL_INVALID || status == AL_MISMATCH)
		return al_status_fail(err, AL_MISMATCH,
							  "the signature of key \"%.100s\" does not match",
							  keys[*which].name);
	return status;
}

/*
 * Takes a note apart at its last empty line and checks its form, the
 * signature lines included.
 */
AlStatus
al_note_split(const char *note, size_t len, AlNote *parts, AlError *err)
{
	AlNoteSignature signature;
	AlStatus	status = check_text(note, len, err);
	int			lines = 0;
	size_t		pos;

	memset(parts, 0, sizeof(*parts));
	if (status != AL_OK)
		return status;
	pos = len;
	while (pos >= 2 && !(note[pos - 1] == '\n' && note[pos - 2] == '\n'))
		pos--;
	if (pos < 2 || pos == len)
		return al_status_fail(err, AL_INVALID, "the note is not signed");
	parts->text = note;
	parts->text_len = pos - 1;
	parts->lines = note + pos;
	parts->lines_len = len - pos;
	while (pos < len)
	{
		const char *end = memchr(note + pos, '\n', len - pos);
		size_t		n = (size_t) (end - (note + pos)) + 1;

		if (++lines > AL_NOTE_MAX_LINES)
			return al_status_fail(err, AL_UNSUPPORTED,
								  "the note has more than %d signatures",
								  AL_NOTE_MAX_LINES);
		status = al_note_parse_line(note + pos, n, &signature, err);
		if (status != AL_OK)
			return status;
		pos += n;
	}
	return AL_OK;
}

/*
 * Appends a text in which lines that began with the dash "from" begin with
 * "to", one of AL_NOTE_DASH and AL_NOTE_PLAIN_DASH.  No line of a checkpoint
 * or a proof begins like that but those of signatures, so that the way back
 * leads to the same bytes.
 */
void
al_note_replace_dashes(const char *text, size_t len, const char *from,
					   const char *to, AlBuf *out)
{
	size_t		dash = strlen(from);

	while (len > 0)
	{
		const char *end = memchr(text, '\n', len);
		size_t		n = end != NULL ? (size_t) (end - text) + 1 : len;

		if (n >= dash && memcmp(text, from, dash) == 0)
		{
			al_buf_append_str(out, to);
			al_buf_append(out, text + dash, n - dash);
		}
		else
			al_buf_append(out, text, n);
		text += n;
		len -= n;
	}
}

/* Two keys that a line cannot tell apart would leave open which was meant. */
static AlStatus
check_keys(const AlNoteKey *keys, int n_keys, AlError *err)
{
	int			i;

	for (i = 0; i < n_keys; i++)
		if (find_key(keys, n_keys, keys[i].name, strlen(keys[i].name),
					 keys[i].id) != i)
			return al_status_fail(err, AL_INVALID,
								  "two known keys share the name \"%.100s\" "
								  "and an id", keys[i].name);
	return AL_OK;
}

/*
 * AL_OK if at least one known key signed the note and no line of a known key
 * is false.  signed_by, if not NULL, has n_keys elements and tells which
 * keys signed.
 */
AlStatus
al_note_verify(const char *note, size_t len, const AlNoteKey *keys,
			   int n_keys, AlNote *parts, bool *signed_by, AlError *err)
{
	bool		any = false;
	size_t		pos = 0;
	AlStatus	status;

	if (signed_by != NULL && n_keys > 0)
		memset(signed_by, 0, (size_t) n_keys * sizeof(bool));
	status = al_note_split(note, len, parts, err);
	if (status == AL_OK)
		status = check_keys(keys, n_keys, err);
	while (status == AL_OK && pos < parts->lines_len)
	{
		const char *line = parts->lines + pos;
		const char *end = memchr(line, '\n', parts->lines_len - pos);
		int			which;

		status = al_note_verify_line(parts->text, parts->text_len, line,
									 (size_t) (end - line) + 1, keys, n_keys,
									 &which, err);
		pos += (size_t) (end - line) + 1;
		if (which < 0)
			continue;
		any = true;
		if (signed_by != NULL && status == AL_OK)
			signed_by[which] = true;
	}
	if (status == AL_OK && !any)
		return al_status_fail(err, AL_MISMATCH,
							  "the note is not signed by a known key");
	return status;
}
