/*
 * src/core/note.c
 *
 * Signed notes; see note.h.
 *
 * Format: C2SP signed-note.  A signature line is an em dash, a space, the
 * name of the key, a space, and base64 of a four-byte key id and the
 * signature.  Ids:
 *
 *   Ed25519  SHA-256(name "\n" 0x01 public key)[:4]
 *   RSA      SHA-256(name "\n" 0xff "PKIX-RSA-PKCS#1v1.5" SPKI DER)[:4]
 *
 * The bytes after the newline are also what a verifier key ("vkey") encodes:
 * name "+" id in hex "+" base64 of them.  The RSA form is Sigstore Rekor's.
 *
 * Rules:
 * - A key is known by name and id together.  A line of an unknown key is
 *   ignored, however it is made up, as long as it is a signature line: that
 *   is what lets witnesses add theirs, and keys be replaced.
 * - A line of a known key must verify, or the whole note is refused, also
 *   when another line of the same key did: a second signature of one key
 *   adds nothing, and a false one is not overlooked.
 * - The id is too short to be secure and does not need to be; the signature
 *   is checked by the key that the caller trusts.
 */
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "note.h"

#define AL_NOTE_RSA_HEAD "\xff" "PKIX-RSA-PKCS#1v1.5"
#define AL_NOTE_ED25519_HEAD "\x01"

#define AL_NOTE_ID_TEXT_LEN (2 * AL_NOTE_KEY_ID_LEN)
#define AL_NOTE_NO_CHARACTER 0xffffffffU

/* More than any key that al_crypto_load_spki() takes */
#define AL_NOTE_KEY_BYTES_MAX 4096

/*
 * Takes one character off the text, at *pos.  Refuses everything that is not
 * the shortest form of a Unicode scalar value (RFC 3629).
 */
static uint32_t
take_character(const char *text, size_t len, size_t *pos)
{
	static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *byte = (const uint8_t *) text + *pos;
	uint32_t	character = byte[0];
	size_t		more;
	size_t		i;

	if (character < 0x80)
		more = 0;
	else if ((character & 0xe0) == 0xc0)
		more = 1;
	else if ((character & 0xf0) == 0xe0)
		more = 2;
	else if ((character & 0xf8) == 0xf0)
		more = 3;
	else
		return AL_NOTE_NO_CHARACTER;
	if (len - *pos <= more)
		return AL_NOTE_NO_CHARACTER;
	if (more > 0)
		character &= 0x3fU >> more;
	for (i = 1; i <= more; i++)
	{
		if ((byte[i] & 0xc0) != 0x80)
			return AL_NOTE_NO_CHARACTER;
		character = character << 6 | (byte[i] & 0x3fU);
	}
	if (character < smallest[more] || character > 0x10ffff ||
		(character >= 0xd800 && character <= 0xdfff))
		return AL_NOTE_NO_CHARACTER;
	*pos += more + 1;
	return character;
}

/* White space by the Unicode character database */
static bool
is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 ||
		c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
		c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

AlStatus
al_note_check_name(const char *name, size_t len, AlError *err)
{
	size_t		pos = 0;

	if (len == 0)
		return al_status_fail(err, AL_INVALID, "the name is empty");
	while (pos < len)
	{
		uint32_t	c = take_character(name, len, &pos);

		if (c == AL_NOTE_NO_CHARACTER)
			return al_status_fail(err, AL_INVALID,
								  "the name is not valid UTF-8");
		if (c < 0x20 || c == '+' || is_space(c))
			return al_status_fail(err, AL_INVALID,
								  "the name holds a space, a plus sign or a "
								  "control character");
	}
	return AL_OK;
}

/* What of a public key its id and its verifier key are made from */
static void
append_key_bytes(const AlPublicKey *key, AlBuf *out)
{
	if (al_crypto_key_kind(key) == AL_KEY_ED25519)
	{
		al_buf_append_str(out, AL_NOTE_ED25519_HEAD);
		al_buf_append(out, al_crypto_ed25519_public(key),
					  AL_ED25519_PUBLIC_LEN);
	}
	else
	{
		size_t		len;
		const uint8_t *spki = al_crypto_spki(key, &len);

		al_buf_append_str(out, AL_NOTE_RSA_HEAD);
		al_buf_append(out, spki, len);
	}
}

static AlStatus
compute_id(const char *name, const AlPublicKey *key,
		   uint8_t id[AL_NOTE_KEY_ID_LEN], AlError *err)
{
	AlBuf		buf = {0};
	uint8_t		digest[AL_SHA256_LEN];
	AlStatus	status;

	al_buf_append_str(&buf, name);
	al_buf_append_char(&buf, '\n');
	append_key_bytes(key, &buf);
	if (buf.failed)
		status = al_status_fail(err, AL_NO_MEMORY, "out of memory");
	else
		status = al_crypto_sha256(buf.data, buf.len, digest, err);
	al_buf_free(&buf);
	if (status == AL_OK)
		memcpy(id, digest, AL_NOTE_KEY_ID_LEN);
	return status;
}

/*
 * Names a public key, which stays the caller's and must outlive the result.
 */
AlStatus
al_note_use_key(const char *name, AlPublicKey *public_key, AlNoteKey *key,
				AlError *err)
{
	size_t		len = strlen(name);
	AlStatus	status = al_note_check_name(name, len, err);

	memset(key, 0, sizeof(*key));
	if (status != AL_OK)
		return status;
	if (len > AL_NOTE_NAME_MAX)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the name is longer than %d bytes",
							  AL_NOTE_NAME_MAX);
	memcpy(key->name, name, len);
	key->key = public_key;
	return compute_id(name, public_key, key->id, err);
}

/* The key from the bytes that append_key_bytes() writes */
static AlStatus
load_key_bytes(const uint8_t *bytes, size_t len, AlPublicKey **key,
			   AlError *err)
{
	size_t		head = sizeof(AL_NOTE_RSA_HEAD) - 1;

	if (len == 1 + AL_ED25519_PUBLIC_LEN && bytes[0] == 0x01)
		return al_crypto_load_ed25519_public(bytes + 1, key, err);
	if (len > head && memcmp(bytes, AL_NOTE_RSA_HEAD, head) == 0)
	{
		AlStatus	status;

		status = al_crypto_load_spki(bytes + head, len - head, key, err);
		if (status == AL_OK && al_crypto_key_kind(*key) != AL_KEY_RSA)
		{
			al_crypto_free_public_key(*key);
			*key = NULL;
			status = al_status_fail(err, AL_INVALID,
									"the verifier key is of another kind "
									"than it says");
		}
		return status;
	}
	return al_status_fail(err, AL_UNSUPPORTED,
						  "the verifier key is of a kind that is not "
						  "supported");
}

static AlStatus
not_a_verifier(AlError *err)
{
	return al_status_fail(err, AL_INVALID,
						  "name, id and key joined by plus signs are "
						  "needed");
}

/*
 * Reads a verifier key.  al_note_free_key() releases it, and may be called
 * after a failure too.
 */
AlStatus
al_note_parse_verifier(const char *text, size_t len, AlNoteKey *key,
					   AlError *err)
{
	const char *plus = len > 0 ? memchr(text, '+', len) : NULL;
	uint8_t		bytes[AL_NOTE_KEY_BYTES_MAX];
	char		name[AL_NOTE_NAME_MAX + 1];
	char		id[AL_NOTE_ID_TEXT_LEN + 1];
	AlPublicKey *public_key;
	size_t		name_len;
	size_t		n;
	AlStatus	status;

	memset(key, 0, sizeof(*key));
	if (plus == NULL)
		return not_a_verifier(err);
	name_len = (size_t) (plus - text);
	if (name_len > AL_NOTE_NAME_MAX || memchr(text, '\0', name_len) != NULL)
		return not_a_verifier(err);
	memcpy(name, text, name_len);
	name[name_len] = '\0';
	text += name_len + 1;
	len -= name_len + 1;
	if (len <= AL_NOTE_ID_TEXT_LEN || text[AL_NOTE_ID_TEXT_LEN] != '+')
		return not_a_verifier(err);
	status = al_base64_decode(text + AL_NOTE_ID_TEXT_LEN + 1,
							  len - AL_NOTE_ID_TEXT_LEN - 1, bytes,
							  sizeof(bytes), &n, err);
	if (status == AL_OK)
		status = load_key_bytes(bytes, n, &public_key, err);
	if (status != AL_OK)
		return status;
	status = al_note_use_key(name, public_key, key, err);
	key->key = public_key;
	key->owned = true;
	if (status != AL_OK)
		return status;
	(void) snprintf(id, sizeof(id), "%02x%02x%02x%02x", key->id[0],
					key->id[1], key->id[2], key->id[3]);
	if (memcmp(id, text, AL_NOTE_ID_TEXT_LEN) != 0)
		return al_status_fail(err, AL_INVALID,
							  "the id in the verifier key does not belong to "
							  "its name and key");
	return AL_OK;
}

AlStatus
al_note_format_verifier(const AlNoteKey *key, AlBuf *out)
{
	AlBuf		bytes = {0};
	char		id[AL_NOTE_ID_TEXT_LEN + 3];

	append_key_bytes(key->key, &bytes);
	(void) snprintf(id, sizeof(id), "+%02x%02x%02x%02x+", key->id[0],
					key->id[1], key->id[2], key->id[3]);
	al_buf_append_str(out, key->name);
	al_buf_append_str(out, id);
	al_base64_encode(bytes.data, bytes.len, out);
	out->failed = out->failed || bytes.failed;
	al_buf_free(&bytes);
	return out->failed ? AL_NO_MEMORY : AL_OK;
}

void
al_note_free_key(AlNoteKey *key)
{
	if (key == NULL)
		return;
	if (key->owned)
		al_crypto_free_public_key(key->key);
	memset(key, 0, sizeof(*key));
}

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
		uint32_t	c = take_character(text, len, &pos);

		if (c == AL_NOTE_NO_CHARACTER)
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
		size_t		n = (size_t) ((const char *) memchr(note + pos, '\n',
														len - pos) -
								  (note + pos)) + 1;

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
