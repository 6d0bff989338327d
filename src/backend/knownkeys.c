/*
 * src/backend/knownkeys.c
 *
 * The keys whose signatures of checkpoints are known: ours, and those of
 * remote signers and witnesses.
 *
 * Rows of audit.ledger_keys are only added.  That a key is replaced is a row
 * of its own, so a key's time is what all of its rows together say.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/builtins.h"

#include "glue.h"
#include "knownkeys.h"
#include "notetext.h"
#include "store.h"

static void
free_keys(void *arg)
{
	AlKnownKeys *keys = arg;

	for (int i = 0; i < keys->count; i++)
		al_note_free_key(&keys->keys[i]);
	keys->count = 0;
}

/* The position of a key, or -1. */
int
al_knownkeys_find(const AlKnownKeys *keys, const AlNoteKey *key)
{
	for (int i = 0; i < keys->count; i++)
		if (strcmp(keys->keys[i].name, key->name) == 0 &&
			memcmp(keys->keys[i].id, key->id, AL_NOTE_KEY_ID_LEN) == 0)
			return i;
	return -1;
}

static void
read_key(TupleTableSlot *slot, AlKnownKeys *keys)
{
	AlNoteKey  *key = &keys->keys[keys->count];
	Datum		values[AL_LEDGER_KEY_COLUMNS];
	AlPublicKey *public_key = NULL;
	bytea	   *spki;
	const char *name;
	int			known;

	slot_getallattrs(slot);
	memcpy(values, slot->tts_values, sizeof(values));
	for (int i = 0; i < AL_LEDGER_KEY_COLUMNS; i++)
		if (slot->tts_isnull[i] && i != AL_LEDGER_KEY_LAST_SIZE - 1)
			return;
	spki = DatumGetByteaPP(values[AL_LEDGER_KEY_SPKI - 1]);
	if (al_crypto_load_spki(VARDATA_ANY(spki), VARSIZE_ANY_EXHDR(spki),
							&public_key, NULL) != AL_OK)
		return;
	name = TextDatumGetCString(values[AL_LEDGER_KEY_NAME - 1]);
	if (al_note_use_key(al_notetext_read(name), public_key, key,
						NULL) != AL_OK)
	{
		al_crypto_free_public_key(public_key);
		return;
	}
	key->key = public_key;
	key->owned = true;
	known = al_knownkeys_find(keys, key);
	if (known >= 0)
		al_note_free_key(key);
	else
	{
		known = keys->count++;
		keys->own[known] = DatumGetBool(values[AL_LEDGER_KEY_OWN - 1]);
		keys->first_size[known] = PG_INT64_MAX;
		keys->last_size[known] = -1;
	}
	keys->first_size[known] =
		Min(keys->first_size[known],
			DatumGetInt64(values[AL_LEDGER_KEY_FIRST_SIZE - 1]));
	if (!slot->tts_isnull[AL_LEDGER_KEY_LAST_SIZE - 1])
		keys->last_size[known] =
			DatumGetInt64(values[AL_LEDGER_KEY_LAST_SIZE - 1]);
}

/* Reads the known keys into the current memory context. */
void
al_knownkeys_read(Snapshot snapshot, AlKnownKeys *keys)
{
	Relation	rel = al_tables_open(AL_LEDGER_KEYS);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));
	int			room = 8;

	keys->count = 0;
	keys->keys = palloc(sizeof(AlNoteKey) * room);
	keys->own = palloc(sizeof(bool) * room);
	keys->first_size = palloc(sizeof(int64) * room);
	keys->last_size = palloc(sizeof(int64) * room);
	callback->func = free_keys;
	callback->arg = memcpy(palloc(sizeof(AlKnownKeys)), keys,
						   sizeof(AlKnownKeys));
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		if (keys->count == room)
		{
			room *= 2;
			keys->keys = repalloc(keys->keys, sizeof(AlNoteKey) * room);
			keys->own = repalloc(keys->own, sizeof(bool) * room);
			keys->first_size = repalloc(keys->first_size,
										sizeof(int64) * room);
			keys->last_size = repalloc(keys->last_size, sizeof(int64) * room);
		}
		read_key(slot, keys);
		memcpy(callback->arg, keys, sizeof(AlKnownKeys));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

/*
 * Was a key of ours in use when the ledger had a size?  Each of them signs
 * every checkpoint of its time, in the transaction that seals the block; when
 * a remote signer or a witness comes is their business.
 */
bool
al_knownkeys_must_sign(const AlKnownKeys *keys, int64 size)
{
	for (int i = 0; i < keys->count; i++)
		if (keys->own[i] && keys->first_size[i] <= size &&
			(keys->last_size[i] < 0 || size <= keys->last_size[i]))
			return true;
	return false;
}

/* Stores a key, or with last_size >= 0 that it is replaced. */
void
al_knownkeys_add(const AlNoteKey *key, bool own, int64 first_size,
				 int64 last_size)
{
	Datum		values[AL_LEDGER_KEY_COLUMNS];
	bool		nulls[AL_LEDGER_KEY_COLUMNS] = {false};
	const uint8 *der;
	size_t		der_len;
	HeapTuple	tuple;

	der = al_crypto_spki(key->key, &der_len);
	values[AL_LEDGER_KEY_NAME - 1] =
		CStringGetTextDatum(al_notetext_show(key->name));
	values[AL_LEDGER_KEY_HASH - 1] =
		CStringGetTextDatum(psprintf("%02x%02x%02x%02x", key->id[0],
									 key->id[1], key->id[2], key->id[3]));
	values[AL_LEDGER_KEY_ALGORITHM - 1] =
		CStringGetTextDatum(al_crypto_key_kind(key->key) == AL_KEY_RSA ?
							"RSA" : "Ed25519");
	values[AL_LEDGER_KEY_OWN - 1] = BoolGetDatum(own);
	values[AL_LEDGER_KEY_FIRST_SIZE - 1] = Int64GetDatum(first_size);
	values[AL_LEDGER_KEY_LAST_SIZE - 1] = Int64GetDatum(last_size);
	nulls[AL_LEDGER_KEY_LAST_SIZE - 1] = last_size < 0;
	values[AL_LEDGER_KEY_SPKI - 1] =
		PointerGetDatum(al_glue_bytes(der, der_len));
	al_tables_close(al_store_open(AL_LEDGER_KEYS));
	tuple = al_store_form(AL_LEDGER_KEYS, values, nulls);
	al_store_write(AL_LEDGER_KEYS, &tuple, 1);
}
