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
 *
 * Both of our signatures are deterministic, so they are made inside the
 * sealing transaction and stored with the block; but nothing leaves the
 * server before that transaction is durable.  Publishing happens in the
 * callback at commit, still under the sealer's lock: a file outside the data
 * directory, replaced atomically and synced, and a line in the server's log.
 * Nothing can fail there any more; what goes wrong is a WARNING, and the next
 * block publishes again.  The notification is queued before and delivered at
 * commit by the server.
 *
 * The fork guard: before a block is sealed, the file must hold a checkpoint
 * that the stored tree continues.  It does not after the database was
 * restored from an older copy, or was rolled back, or another database took
 * its origin.  Then sealing is refused until audit.new_generation().
 *
 * Keys are replaced by audit.rotate_key(), which leaves the new one beside
 * the old one under the name with ".next".  The next checkpoint is signed by
 * both, and once it is published the new file takes the old one's place.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/async.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "checkpoint.h"
#include "checkpoint_file.h"
#include "glue.h"
#include "guc.h"
#include "keys.h"
#include "knownkeys.h"
#include "notetext.h"

#define CHANNEL "audit_ledger"
#define NOTIFY_MAX 7900			/* bytes; the server's limit is 8000 */

/* What is to be done at commit; in TopMemoryContext. */
typedef struct Announcement
{
	char	   *path;			/* NULL: no file */
	char	   *note;
	char	   *summary;		/* for the log */
	char	   *next_key;		/* takes the place of key; NULL: none */
	char	   *key;
} Announcement;

static Announcement *pending = NULL;

/* ---------------------------------------------------------- at the commit */

static void
forget(void)
{
	Announcement *old = pending;

	pending = NULL;
	if (old == NULL)
		return;
	if (old->path)
		pfree(old->path);
	if (old->next_key)
	{
		pfree(old->next_key);
		pfree(old->key);
	}
	pfree(old->note);
	pfree(old->summary);
	pfree(old);
}

static void
publish(void)
{
	bool		written = true;

	if (pending->path &&
		!al_checkpoint_file_replace(pending->path, pending->note))
	{
		written = false;
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not write checkpoint file \"%s\": %m",
						pending->path),
				 errdetail("The block is sealed; the next one writes the file again.")));
	}
	ereport(LOG,
			(errmsg("%s", pending->summary), errhidestmt(true)));
	if (pending->next_key && written &&
		rename(pending->next_key, pending->key) != 0)
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not rename key file \"%s\" to \"%s\": %m",
						pending->next_key, pending->key)));
}

static void
on_xact_event(XactEvent event, void *arg)
{
	if (pending == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a transaction that has sealed the ledger cannot be prepared")));
			break;
		case XACT_EVENT_COMMIT:
			publish();
			forget();
			break;
		case XACT_EVENT_ABORT:
			forget();
			break;
		default:
			break;
	}
}

void
al_checkpoint_init(void)
{
	RegisterXactCallback(on_xact_event, NULL);
}

/* -------------------------------------------------------------------- text */

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
static char *
stored_lines(Snapshot snapshot, int64 size, int generation)
{
	AlTableScan scan;
	ScanKeyData keys[2];
	StringInfoData lines;

	initStringInfo(&lines);
	al_ledger_scan_begin(&scan, AL_CHECKPOINT_SIGNATURES, AL_SIGNATURE_SIZE,
						 2, snapshot);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(size));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(generation));
	index_rescan(scan.desc, keys, 2, NULL, 0);
	while (al_ledger_scan_next(&scan, true))
	{
		bool		isnull;
		Datum		line = slot_getattr(scan.slot, AL_SIGNATURE_LINE,
										&isnull);

		if (!isnull)
			appendStringInfo(&lines, AL_NOTE_DASH "%s\n",
							 al_notetext_read(TextDatumGetCString(line)));
	}
	al_ledger_scan_end(&scan);
	return lines.data;
}

/* A block's checkpoint as a note, with all signatures that are stored. */
char *
al_checkpoint_note(Snapshot snapshot, const AlBlock *block,
				   const AlGeneration *generation)
{
	return psprintf("%s\n%s", al_checkpoint_text(block, generation),
					stored_lines(snapshot, block->size, block->generation));
}

/* ----------------------------------------------------------------- signing */

/* A memory context callback that frees a private key. */
void
al_checkpoint_drop_key(void *key)
{
	al_crypto_free_key(key);
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
	al_store_close(al_store_open(AL_CHECKPOINT_SIGNATURES));
	tuple = al_store_form(AL_CHECKPOINT_SIGNATURES, values, nulls);
	al_store_write(AL_CHECKPOINT_SIGNATURES, &tuple, 1);
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

static AlKey *
keep_key(AlKey *key)
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
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	callback->func = al_checkpoint_drop_key;
	callback->arg = key;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return key;
}

/* Where audit.rotate_key() leaves the key to come. */
char *
al_checkpoint_next_key_path(void)
{
	return psprintf("%s.next", al_guc_ledger_key);
}

/* The key to come, if it is there and audit.rotate_key() was committed. */
static AlKey *
next_key(const AlKnownKeys *known, const AlGeneration *generation)
{
	AlKey	   *key = keep_key(al_keys_load_ledger(al_checkpoint_next_key_path()));
	AlNoteKey	named;

	if (key == NULL ||
		al_note_use_key(generation->origin, al_crypto_public_half(key),
						&named, NULL) != AL_OK ||
		al_knownkeys_find(known, &named) < 0)
		return NULL;
	return key;
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

/* Signs with every key of ours; true if a key to come is one of them. */
static bool
sign_all(Snapshot snapshot, const char *text, const AlBlock *block,
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
	key = keep_key(al_keys_load_ledger(al_guc_ledger_key));
	next = next_key(&known, generation);
	if (key && replaced_at(&known, key) >= 0)
	{
		if (next == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("checkpoint cannot be signed"),
					 errdetail("The key in file \"%s\" was replaced when the ledger had " INT64_FORMAT " leaves.",
							   al_guc_ledger_key, replaced_at(&known, key)),
					 errhint("Bring back the key that replaced it; if that is lost, call audit.rotate_key().")));
		/* A crash came before the next key could take its place. */
		key = NULL;
	}
	if (key == NULL && next == NULL && has_own_ed25519(&known))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("checkpoint cannot be signed"),
				 errdetail("Key file \"%s\" is missing.", al_guc_ledger_key),
				 errhint("Bring the file back; if the key is lost, call audit.rotate_key().")));
	if (key == NULL && next == NULL)
		key = keep_key(al_keys_create_ledger(al_guc_ledger_key));
	if (key)
		sign_with(key, text, block, generation, &known, lines);
	if (next)
	{
		sign_with(next, text, block, generation, &known, lines);
		retire_keys(&known, al_crypto_public_half(next), block);
	}
	return next != NULL;
}

/*
 * Makes the checkpoint of a block, signs it if "sign", and has it published
 * when the transaction commits.
 */
void
al_checkpoint_publish(Snapshot snapshot, const AlBlock *block,
					  const AlGeneration *generation, bool sign)
{
	const char *text = al_checkpoint_text(block, generation);
	const char *path;
	StringInfoData lines;
	Announcement *announcement;
	MemoryContext old;
	bool		rotate = false;
	char	   *database = get_database_name(MyDatabaseId);

	initStringInfo(&lines);
	appendStringInfoString(&lines, stored_lines(snapshot, block->size,
												block->generation));
	if (sign)
		rotate = sign_all(snapshot, text, block, generation, &lines);
	path = al_checkpoint_file_path(snapshot, generation);

	forget();
	old = MemoryContextSwitchTo(TopMemoryContext);
	announcement = palloc0(sizeof(Announcement));
	announcement->note = psprintf("%s\n%s", text, lines.data);
	announcement->summary =
		psprintf("audit ledger of database \"%s\": %s", database, text);
	/* One line: that is what a log shipper carries away. */
	for (char *p = announcement->summary; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	if (path)
		announcement->path = pstrdup(path);
	if (rotate)
	{
		announcement->next_key = al_checkpoint_next_key_path();
		announcement->key = pstrdup(al_guc_ledger_key);
	}
	pending = announcement;
	MemoryContextSwitchTo(old);
	ForceSyncCommit();
	Async_Notify(CHANNEL, strlen(announcement->note) < NOTIFY_MAX ?
				 al_notetext_show(announcement->note) : text);
}

/* -------------------------------------------------------------- fork guard */

static void
refuse(const char *path, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the ledger does not continue the checkpoint in file \"%s\"",
					path),
			 errdetail("%s", detail),
			 errhint("If the database was restored or cloned on purpose, call audit.new_generation() to go on under a new origin.")));
}

/*
 * Checks the file against the stored tree whose last block is "last"; throws
 * if it is not an ancestor.  Returns the note in the file, NULL if there is
 * none.
 */
char *
al_checkpoint_guard(Snapshot snapshot, const AlBlock *last,
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
		refuse(path, "The file does not hold a checkpoint.");
	if (checkpoint.size > last->size)
		refuse(path, psprintf("The checkpoint has " UINT64_FORMAT " leaves, the ledger " INT64_FORMAT ".",
							  checkpoint.size, last->size));
	if (!al_ledger_block_of_size(snapshot, checkpoint.size, &block) ||
		memcmp(&block.root, &checkpoint.root, sizeof(AlHash)) != 0)
		refuse(path, "The ledger never had that size and root.");
	/* The same leaves under another origin belong to another copy. */
	for (int g = last->generation; g > 0; g--)
		if (al_ledger_generation(snapshot, g, &then) &&
			strlen(then.origin) == checkpoint.origin_len &&
			memcmp(then.origin, checkpoint.origin,
				   checkpoint.origin_len) == 0)
			return note;
	refuse(path, psprintf("Its origin \"%s\" is none of this ledger's.",
						  al_notetext_show(pnstrdup(checkpoint.origin,
													checkpoint.origin_len))));
	return NULL;
}
