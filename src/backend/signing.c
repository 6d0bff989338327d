/*
 * src/backend/signing.c
 *
 * Signing checkpoints with the keys of this server: by Ed25519
 * (audit.ledger_key) and, if records are signed, by RSA (audit.signing_key).
 * The name of our keys is the origin.  Both signatures are deterministic.
 *
 * Keys are replaced by audit.rotate_key(), which leaves the new one beside
 * the old one under the name with ".next".  The next checkpoint is signed by
 * both, and once it is published the new file takes the old one's place.
 */
#include "postgres.h"

#include "checkpoint.h"
#include "glue.h"
#include "guc.h"
#include "keyfiles.h"
#include "keys.h"
#include "knownkeys.h"
#include "signing.h"

static void
drop_key(void *key)
{
	al_crypto_free_key(key);
}

/* Frees a key, which may be NULL, with the current memory context. */
AlKey *
al_signing_hold(AlKey *key)
{
	MemoryContextCallback *callback;

	if (key == NULL)
		return NULL;
	callback = MemoryContextAllocExtended(CurrentMemoryContext,
										  sizeof(MemoryContextCallback),
										  MCXT_ALLOC_NO_OOM);
	if (callback == NULL)
	{
		al_crypto_free_key(key);
		al_glue_no_memory();
	}
	callback->func = drop_key;
	callback->arg = key;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return key;
}

/*
 * Signs the text of a checkpoint with a private key, and sees to it that the
 * key is known.  The line is appended to "lines" and stored.
 */
static void
sign_with(AlKey *key, const char *text, const AlBlock *block,
		  const AlGeneration *generation, const AlKnownKeys *known,
		  StringInfo lines)
{
	AlNoteKey	named;
	AlBuf		line = {0};
	AlError		err = {{0}};
	AlStatus	status = al_note_use_key(generation->origin,
										 al_crypto_public_half(key), &named,
										 &err);
	char	   *signature;

	if (status == AL_OK)
		status = al_note_sign(generation->origin, key, text, strlen(text),
							  &line, &err);
	signature = al_glue_text(status, &err, &line);
	if (strstr(lines->data, signature) == NULL)
	{
		int			dash = strlen(AL_NOTE_DASH);

		al_checkpoint_add_line(block, signature + dash,
							   strlen(signature) - dash - 1);
		appendStringInfoString(lines, signature);
	}
	if (al_knownkeys_find(known, &named) < 0)
		al_knownkeys_add(&named, true, block->size, -1);
}

/* Has the database a ledger key of its own that is in use? */
static bool
has_own_ed25519(const AlKnownKeys *known)
{
	for (int i = 0; i < known->count; i++)
		if (known->own[i] &&
			al_crypto_key_kind(known->keys[i].key) == AL_KEY_ED25519)
			return true;
	return false;
}

/* Where audit.rotate_key() leaves the key to come. */
char *
al_signing_next_path(void)
{
	return psprintf("%s.next", al_guc_ledger_key);
}

static bool
is_known(const AlKnownKeys *known, AlKey *key, const AlGeneration *generation)
{
	AlNoteKey	named;

	return al_note_use_key(generation->origin, al_crypto_public_half(key),
						   &named, NULL) == AL_OK &&
		al_knownkeys_find(known, &named) >= 0;
}

/* The key to come, if it is there and audit.rotate_key() was committed. */
static AlKey *
next_key(const AlKnownKeys *known, const AlGeneration *generation)
{
	const char *path = al_signing_next_path();
	AlKey	   *key = al_signing_hold(al_keyfiles_load_ledger(path));

	return key && is_known(known, key, generation) ? key : NULL;
}

/*
 * Is there a key to come that the ledger has already told of?  One that cannot
 * be used does not count.
 */
bool
al_signing_next_waits(Snapshot snapshot, const AlGeneration *generation)
{
	AlKnownKeys known;
	AlKeyFileState state;
	AlKeyFileProblem problem;
	AlKey	   *key = al_signing_hold(al_keyfiles_load(al_signing_next_path(),
													   al_crypto_load_ed25519_key,
													   &state, &problem));

	al_knownkeys_read(snapshot, &known);
	return key && is_known(&known, key, generation);
}

static bool
same_key(const AlPublicKey *a, const AlPublicKey *b)
{
	size_t		a_len;
	size_t		b_len;
	const uint8 *a_der = al_crypto_spki(a, &a_len);
	const uint8 *b_der = al_crypto_spki(b, &b_len);

	return a_len == b_len && memcmp(a_der, b_der, a_len) == 0;
}

/* Has the key in a file nothing to do with those that have signed so far? */
static bool
is_stranger(const AlKnownKeys *known, AlKey *key)
{
	for (int i = 0; i < known->count; i++)
		if (known->own[i] &&
			same_key(known->keys[i].key, al_crypto_public_half(key)))
			return false;
	return has_own_ed25519(known);
}

/* The size at which a key of ours was replaced, under any name, or -1. */
static int64
replaced_at(const AlKnownKeys *known, AlKey *key)
{
	for (int i = 0; i < known->count; i++)
		if (known->own[i] && known->last_size[i] >= 0 &&
			same_key(known->keys[i].key, al_crypto_public_half(key)))
			return known->last_size[i];
	return -1;
}

/* Notes that every Ed25519 key of ours but "next" ends with a block. */
static void
retire_keys(const AlKnownKeys *known, const AlPublicKey *next,
			const AlBlock *block)
{
	for (int i = 0; i < known->count; i++)
	{
		const AlPublicKey *key = known->keys[i].key;

		if (known->own[i] && known->last_size[i] < 0 &&
			al_crypto_key_kind(key) == AL_KEY_ED25519 && !same_key(key, next))
			al_knownkeys_add(&known->keys[i], true, block->size,
							 block->size);
	}
}

/*
 * The key in audit.ledger_key, if it is still to sign; NULL if "next" has
 * taken its place, or there is none yet.
 */
static AlKey *
current_key(const AlKnownKeys *known, const AlKey *next)
{
	AlKey	   *key = al_signing_hold(al_keyfiles_load_ledger(al_guc_ledger_key));

	if (key == NULL)
	{
		if (next == NULL && has_own_ed25519(known))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FILE),
					 errmsg("checkpoint cannot be signed"),
					 errdetail("Key file \"%s\" is missing.",
							   al_guc_ledger_key),
					 errhint("Bring the file back; if the key is lost, call audit.rotate_key().")));
		return NULL;
	}
	if (is_stranger(known, key))
		ereport(WARNING,
				(errmsg("another key is in file \"%s\" than the one that has signed the checkpoints before",
						al_guc_ledger_key),
				 errhint("Whoever verifies them does not trust it yet. Replace keys with audit.rotate_key(), and give each ledger a file of its own.")));
	if (replaced_at(known, key) < 0)
		return key;
	if (next == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("checkpoint cannot be signed"),
				 errdetail("The key in file \"%s\" was replaced when the ledger had " INT64_FORMAT " leaves.",
						   al_guc_ledger_key, replaced_at(known, key)),
				 errhint("Bring back the key that replaced it; if that is lost, call audit.rotate_key().")));
	/* A crash came before the next key could take its place. */
	return NULL;
}

/*
 * Signs the text of a block's checkpoint with every key of ours, and appends
 * the lines that are not in "lines" yet.  True if the key to come is one of
 * them: once the checkpoint is published, it takes the old one's place.
 */
bool
al_signing_sign(Snapshot snapshot, const char *text, const AlBlock *block,
				const AlGeneration *generation, StringInfo lines)
{
	AlKnownKeys known;
	AlKey	   *key;
	AlKey	   *next;

	if (!al_guc_is_set(al_guc_ledger_key) && !al_keys_active())
		return false;
	al_knownkeys_read(snapshot, &known);
	if (al_keys_active())
		sign_with(al_keys_current(), text, block, generation, &known, lines);
	if (!al_guc_is_set(al_guc_ledger_key))
		return false;
	next = next_key(&known, generation);
	key = current_key(&known, next);
	if (key == NULL && next == NULL)
		key = al_signing_hold(al_keyfiles_create_ledger(al_guc_ledger_key));
	if (key)
		sign_with(key, text, block, generation, &known, lines);
	if (next)
	{
		sign_with(next, text, block, generation, &known, lines);
		retire_keys(&known, al_crypto_public_half(next), block);
	}
	return next != NULL;
}
