/*
 * src/core/note_key.c
 *
 * Keys that sign notes: their names, ids and verifier keys.  Ids:
 *
 *   Ed25519  SHA-256(name "\n" 0x01 public key)[:4]
 *   RSA      SHA-256(name "\n" 0xff "PKIX-RSA-PKCS#1v1.5" SPKI DER)[:4]
 *
 * The bytes after the newline are also what a verifier key ("vkey") encodes:
 * name "+" id in hex "+" base64 of them.  The RSA form is Sigstore Rekor's.
 *
 * An id is too short to be secure and does not need to be; a signature is
 * checked by the key that the caller trusts.
 */
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "note.h"
#include "unicode.h"

#define AL_NOTE_RSA_HEAD "\xff" "PKIX-RSA-PKCS#1v1.5"
#define AL_NOTE_ED25519_HEAD "\x01"

#define AL_NOTE_ID_TEXT_LEN (2 * AL_NOTE_KEY_ID_LEN)

/* More than any key that al_crypto_load_spki() takes */
#define AL_NOTE_KEY_BYTES_MAX 4096

AlStatus
al_note_check_name(const char *name, size_t len, AlError *err)
{
	size_t		pos = 0;

	if (len == 0)
		return al_status_fail(err, AL_INVALID, "the name is empty");
	while (pos < len)
	{
		uint32_t	c = al_unicode_take(name, len, &pos);

		if (c == AL_UNICODE_NONE)
			return al_status_fail(err, AL_INVALID,
								  "the name is not valid UTF-8");
		if (c < 0x20 || c == '+' || al_unicode_is_space(c))
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
