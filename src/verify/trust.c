/*
 * src/verify/trust.c
 *
 * The public keys that the caller trusts.
 *
 * A key signs checkpoints under a name, which is part of its id there.  The
 * ledger signs with the origin as the name, and the origin gets a new number
 * with each generation, so a key that was given is accepted under every
 * origin of the ledger that is verified.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust.h"

#define FILE_MAX_SIZE (1024 * 1024)

AlStatus
al_trust_read_file(const char *path, AlBuf *out, AlError *err)
{
	FILE	   *file = fopen(path, "rb");
	char		chunk[8192];
	size_t		got;
	bool		failed;

	if (file == NULL)
		return al_status_fail(err, AL_FAILED, "could not open \"%.150s\": %s",
							  path, strerror(errno));
	al_buf_reset(out);
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0 &&
		   out->len <= FILE_MAX_SIZE)
		al_buf_append(out, chunk, got);
	failed = ferror(file) != 0;
	fclose(file);
	if (failed)
		return al_status_fail(err, AL_FAILED, "could not read \"%.150s\": %s",
							  path, strerror(errno));
	if (out->len > FILE_MAX_SIZE)
		return al_status_fail(err, AL_INVALID, "\"%.150s\" is too large",
							  path);
	al_buf_append_char(out, '\0');
	if (out->failed)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	out->len--;
	return AL_OK;
}

static void *
grow(void *array, int n, size_t size, AlError *err)
{
	void	   *larger = realloc(array, ((size_t) n + 1) * size);

	if (larger == NULL)
		(void) al_status_fail(err, AL_NO_MEMORY, "out of memory");
	return larger;
}

static AlStatus
add_public(AlPublicKey ***list, int *n, AlPublicKey *key, AlError *err)
{
	AlPublicKey **larger = grow(*list, *n, sizeof(AlPublicKey *), err);

	if (larger == NULL)
	{
		al_crypto_free_public_key(key);
		return AL_NO_MEMORY;
	}
	*list = larger;
	larger[(*n)++] = key;
	return AL_OK;
}

/* Accepts a key under a name; it must outlive the trust. */
static AlStatus
accept(AlTrust *trust, AlPublicKey *key, const char *name, AlError *err)
{
	AlNoteKey  *larger;
	AlNoteKey	named;
	AlStatus	status = al_note_use_key(name, key, &named, err);

	if (status != AL_OK)
		return status;
	for (int i = 0; i < trust->n_keys; i++)
		if (strcmp(trust->keys[i].name, named.name) == 0 &&
			memcmp(trust->keys[i].id, named.id, sizeof(named.id)) == 0)
			return AL_OK;
	larger = grow(trust->keys, trust->n_keys, sizeof(AlNoteKey), err);
	if (larger == NULL)
		return AL_NO_MEMORY;
	trust->keys = larger;
	larger[trust->n_keys++] = named;
	return AL_OK;
}

/* Accepts every key under one more name. */
AlStatus
al_trust_bind(AlTrust *trust, const char *name, size_t len, AlError *err)
{
	char		text[AL_NOTE_NAME_MAX + 1];
	AlStatus	status = AL_OK;

	if (len > AL_NOTE_NAME_MAX)
		return al_status_fail(err, AL_INVALID, "the origin is too long");
	memcpy(text, name, len);
	text[len] = '\0';
	for (int i = 0; i < trust->n_publics && status == AL_OK; i++)
		status = accept(trust, trust->publics[i], text, err);
	return status;
}

AlStatus
al_trust_add_verifier(AlTrust *trust, const char *verifier, size_t len,
					  AlError *err)
{
	AlNoteKey	key;
	AlStatus	status = al_note_parse_verifier(verifier, len, &key, err);

	if (status != AL_OK)
	{
		al_note_free_key(&key);
		return status;
	}
	status = add_public(&trust->publics, &trust->n_publics, key.key, err);
	if (status == AL_OK)
		status = accept(trust, key.key, key.name, err);
	return status;
}

/* A key as text: the verifier keys of a note, one a line, or PEM. */
static AlStatus
add_text(AlTrust *trust, const char *text, AlError *err)
{
	AlPublicKey *key = NULL;
	AlStatus	status;

	if (strstr(text, "-----BEGIN") != NULL)
	{
		status = al_crypto_load_public_key(text, strlen(text), &key, err);
		if (status == AL_UNSUPPORTED)
			return al_status_fail(err, status,
								  "PEM must hold an RSA key; an Ed25519 key is "
								  "given as name+id+key, as "
								  "audit.checkpoint_keys shows it");
		return status == AL_OK
			? add_public(&trust->publics, &trust->n_publics, key, err)
			: status;
	}
	for (status = AL_OK; *text && status == AL_OK;)
	{
		size_t		len = strcspn(text, "\r\n");

		if (len > 0)
			status = al_trust_add_verifier(trust, text, len, err);
		text += len + strspn(text + len, "\r\n");
	}
	return status;
}

/* A key of checkpoints, or the file that holds it. */
AlStatus
al_trust_add(AlTrust *trust, const char *key, AlError *err)
{
	AlBuf		text = {0};
	FILE	   *file = fopen(key, "rb");
	int			before = trust->n_publics;
	AlStatus	status;

	if (file == NULL && strchr(key, '+') != NULL)
		return al_trust_add_verifier(trust, key, strlen(key), err);
	if (file != NULL)
		fclose(file);
	status = al_trust_read_file(key, &text, err);
	if (status == AL_OK)
		status = add_text(trust, text.data, err);
	if (status == AL_OK && trust->n_publics == before)
		status = al_status_fail(err, AL_INVALID,
								"there is no key in \"%.150s\"", key);
	al_buf_free(&text);
	return status;
}

AlStatus
al_trust_add_record_key(AlTrust *trust, const char *path, AlError *err)
{
	AlBuf		text = {0};
	AlPublicKey *key = NULL;
	AlStatus	status = al_trust_read_file(path, &text, err);

	if (status == AL_OK)
		status = al_crypto_load_public_key(text.data, text.len, &key, err);
	al_buf_free(&text);
	return status == AL_OK
		? add_public(&trust->records, &trust->n_records, key, err)
		: status;
}

/* The key with an id, or NULL. */
AlPublicKey *
al_trust_record_key(const AlTrust *trust, const char *id)
{
	for (int i = 0; i < trust->n_records; i++)
		if (strcmp(al_crypto_key_id(trust->records[i]), id) == 0)
			return trust->records[i];
	return NULL;
}

void
al_trust_free(AlTrust *trust)
{
	for (int i = 0; i < trust->n_publics; i++)
		al_crypto_free_public_key(trust->publics[i]);
	for (int i = 0; i < trust->n_records; i++)
		al_crypto_free_public_key(trust->records[i]);
	free(trust->publics);
	free(trust->records);
	free(trust->keys);
}
