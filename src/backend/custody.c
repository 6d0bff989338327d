/*
 * src/backend/custody.c
 *
 * What people decide about the ledger: to go on under a new origin, to
 * replace a key, to trust one, to erase a record before it expires.  Each
 * leaves a record that never expires and is sealed like any other, so that
 * whoever verifies the ledger finds out by whom and why.
 *
 * The records have operation "ddl", schema "audit", table "ledger", and an
 * entity whose "event" says what happened.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "anchor.h"
#include "batch.h"
#include "checkpoint.h"
#include "checkpoint_file.h"
#include "custody.h"
#include "event.h"
#include "generations.h"
#include "glue.h"
#include "guc.h"
#include "ids.h"
#include "keyfiles.h"
#include "knownkeys.h"
#include "locate.h"
#include "notetext.h"
#include "publish.h"
#include "seal.h"
#include "signing.h"
#include "store.h"

#define RECENT_BLOCKS 1000		/* that a signature may still be added to */

/* ----------------------------------------------------------------- records */

static void
begin_event(StringInfo json, const char *event)
{
	al_event_begin(json);
	al_event_add(json, "event", event);
}

/* Writes the record of an event; "key" finds it again. */
static void
write_event(StringInfo json, const char *key, pg_uuid_t *id)
{
	AlObjectRecord record = {0};

	record.operation = AL_EVENT_OPERATION;
	record.schema_name = CStringGetTextDatum(AL_EVENT_SCHEMA);
	record.dao_name = CStringGetTextDatum(AL_EVENT_LEDGER);
	record.entity_key = CStringGetTextDatum(key);
	record.entity = al_event_end(json);
	al_batch_write_kept(&record, id);
}

static void
require_reason(const char *reason)
{
	if (reason == NULL || *reason == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a reason must be given"),
				 errdetail("It becomes part of the ledger.")));
}

/* The last block and the last generation, which may have no block yet. */
static void
require_ledger(Snapshot snapshot, AlBlock *block, AlGeneration *generation)
{
	al_ledger_require_last_block(snapshot, block);
	if (!al_ledger_last_generation(snapshot, generation))
		al_ledger_require_generation(snapshot, block->generation, generation);
}

/* ------------------------------------------------------------- generations */

/*
 * The last checkpoint known of a generation, as text: what was published, or
 * else what the last block would have; NULL if neither can be had.
 */
static char *
last_checkpoint(Snapshot snapshot, const AlGeneration *generation,
				const AlBlock *block)
{
	const char *path = al_checkpoint_file_path(snapshot, generation);
	char	   *note = path ? al_checkpoint_file_read(path) : NULL;
	AlCheckpoint checkpoint;
	AlGeneration sealed;

	if (note && !al_checkpoint_parse(note, &checkpoint))
		note = NULL;
	if (note == NULL &&
		al_ledger_generation(snapshot, block->generation, &sealed))
		note = al_checkpoint_note(snapshot, block, &sealed);
	return note ? al_notetext_show(note) : NULL;
}

/*
 * Goes on under a new origin, after a restore or a rollback that is meant.
 * The leaves that are there stay; the next block begins with the record that
 * is written here, which holds the last checkpoint known of the generation
 * before.  Returns the number of the generation.
 */
int
al_custody_new_generation(const char *reason)
{
	Relation	lock = al_seal_lock("audit.new_generation()");
	Snapshot	snapshot = al_seal_snapshot();
	AlGeneration last;
	AlGeneration next = {0};
	AlBlock		block;
	StringInfoData json;

	require_reason(reason);
	require_ledger(snapshot, &block, &last);
	next.generation = last.generation + 1;
	next.first_leaf = block.size;
	next.system_identifier = GetSystemIdentifier();
	next.database = MyDatabaseId;
	next.origin = al_generations_next_origin(snapshot, &last);
	next.previous = last_checkpoint(snapshot, &last, &block);

	begin_event(&json, "new_generation");
	al_event_add(&json, "generation", psprintf("%d", next.generation));
	al_event_add(&json, "origin", next.origin);
	al_event_add(&json, "reason", reason);
	al_event_add(&json, "first_leaf", psprintf(INT64_FORMAT, block.size));
	al_event_add(&json, "system_identifier",
				 psprintf(UINT64_FORMAT, next.system_identifier));
	al_event_add(&json, "previous_checkpoint", next.previous);
	write_event(&json, psprintf("generation %d", next.generation),
				&next.record_id);
	next.has_record = true;
	al_generations_write(&next, reason);
	UnregisterSnapshot(snapshot);
	table_close(lock, NoLock);
	return next.generation;
}

/* -------------------------------------------------------------------- keys */

static char *
verifier_text(const AlNoteKey *key)
{
	AlBuf		text = {0};
	AlStatus	status = al_note_format_verifier(key, &text);

	return al_glue_text(status, NULL, &text);
}

/*
 * Refuses to replace the key of another ledger, which would sign with the new
 * one although no record of its own has told of it.
 */
static void
require_key_of_our_own(void)
{
	char	   *other = NULL;

	SPI_connect();
	if (SPI_execute("SELECT audit.key_shared_with()", true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not look for another ledger with this key");
	other = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (other)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the ledger of database \"%s\" has its key in file \"%s\" too",
						other, al_guc_ledger_key),
				 errhint("Copy the file and have one of them use the copy: ALTER DATABASE %s SET audit.ledger_key = ...",
						 quote_identifier(get_database_name(MyDatabaseId)))));
	SPI_finish();
}

/*
 * Makes the key that will replace the one in audit.ledger_key; the next
 * checkpoint is signed by both.  Returns its verifier key.
 */
char *
al_custody_rotate_key(void)
{
	Relation	lock = al_seal_lock("audit.rotate_key()");
	Snapshot	snapshot = al_seal_snapshot();
	AlGeneration generation;
	AlBlock		block;
	char	   *path;
	AlKey	   *key;
	AlNoteKey	named;
	AlError		err = {{0}};
	StringInfoData json;
	char	   *verifier;
	pg_uuid_t	id;

	if (!al_guc_is_set(al_guc_ledger_key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no key to replace"),
				 errhint("Set \"audit.ledger_key\" to the path where the key is to be.")));
	require_ledger(snapshot, &block, &generation);
	require_key_of_our_own();
	if (al_signing_next_waits(snapshot, &generation))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the key in file \"%s\" has not yet replaced the one before",
						al_signing_next_path()),
				 errhint("Call audit.seal() first: both keys sign the next checkpoint.")));
	path = al_signing_next_path();
	/* One that no committed call knows of signs nothing. */
	if (unlink(path) != 0 && errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", path)));
	key = al_signing_hold(al_keyfiles_create_ledger(path));
	al_glue_check(al_note_use_key(generation.origin,
								  al_crypto_public_half(key), &named, &err),
				  &err);
	verifier = verifier_text(&named);
	begin_event(&json, "rotate_key");
	al_event_add(&json, "key", verifier);
	write_event(&json, "key", &id);
	/* The record that introduces it comes before its first signature. */
	al_knownkeys_add(&named, true, block.size + 1, -1);
	UnregisterSnapshot(snapshot);
	table_close(lock, NoLock);
	return verifier;
}

/* Trusts the key of a remote signer or a witness, given as a verifier key. */
char *
al_custody_add_key(const char *verifier)
{
	Relation	lock = al_seal_lock("audit.add_ledger_key()");
	Snapshot	snapshot = al_seal_snapshot();
	AlBlock		block;
	AlNoteKey	key;
	AlError		err = {{0}};
	AlStatus	status;
	StringInfoData json;
	pg_uuid_t	id;
	const char *note_verifier = al_notetext_read(verifier);
	char	   *volatile name = NULL;

	al_ledger_require_last_block(snapshot, &block);
	status = al_note_parse_verifier(note_verifier, strlen(note_verifier),
									&key, &err);
	if (status != AL_OK)
	{
		al_note_free_key(&key);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid verifier key: %s", err.reason)));
	}
	PG_TRY();
	{
		name = al_notetext_show(key.name);
		al_knownkeys_add(&key, false, block.size, -1);
	}
	PG_FINALLY();
	{
		al_note_free_key(&key);
	}
	PG_END_TRY();
	begin_event(&json, "add_key");
	al_event_add(&json, "key", verifier);
	write_event(&json, "key", &id);
	UnregisterSnapshot(snapshot);
	table_close(lock, NoLock);
	return name;
}

/*
 * A signature line, given with its dash, what text holds in its place, or
 * without, as the line of a note but for the newline.
 */
static char *
read_line(const char *text)
{
	char	   *line = al_notetext_read(text);
	int			len = strlen(line);

	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	return strncmp(line, AL_NOTE_DASH, strlen(AL_NOTE_DASH)) == 0 ? line :
		psprintf(AL_NOTE_DASH "%s", line);
}

/* The block, one of the last, whose checkpoint a line signs; throws if none. */
static void
find_signed(Snapshot snapshot, const char *line, AlBlock *block,
			AlGeneration *generation)
{
	AlKnownKeys keys;
	AlError		err = {{0}};
	int64		last = block->number;

	al_knownkeys_read(snapshot, &keys);
	for (int64 n = last; n > Max(last - RECENT_BLOCKS, 0); n--)
	{
		const char *text;
		int			which;

		if (!al_ledger_block(snapshot, n, block) ||
			!al_ledger_generation(snapshot, block->generation, generation))
			continue;
		text = al_checkpoint_text(block, generation);
		if (al_note_verify_line(text, strlen(text), line, strlen(line),
								keys.keys, keys.count, &which, &err) != AL_OK)
			continue;
		if (which >= 0)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the signature is by a key that is not known"),
				 errhint("Call audit.add_ledger_key() with the signer's verifier key.")));
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the line does not sign a recent checkpoint"),
			 errdetail("%s", err.reason[0] ? al_notetext_show(err.reason) :
					   "No checkpoint fits.")));
}

/*
 * Adds a signature line to the checkpoint that it signs, one of the last; it
 * must be by a known key.
 */
void
al_custody_add_signature(const char *text_line)
{
	Relation	lock = al_seal_lock("audit.add_signature()");
	Snapshot	snapshot = al_seal_snapshot();
	AlBlock		last;
	AlBlock		block;
	AlGeneration generation;
	const char *line = read_line(text_line);
	int			dash = strlen(AL_NOTE_DASH);

	al_ledger_require_last_block(snapshot, &last);
	block = last;
	find_signed(snapshot, line, &block, &generation);
	if (strstr(al_checkpoint_note(snapshot, &block, &generation), line) == NULL)
	{
		al_checkpoint_add_line(&block, line + dash, strlen(line) - dash);
		CommandCounterIncrement();
		if (block.number == last.number)
		{
			UnregisterSnapshot(snapshot);
			snapshot = al_seal_snapshot();
			al_publish_checkpoint(snapshot, &block, &generation, false);
		}
	}
	UnregisterSnapshot(snapshot);
	table_close(lock, NoLock);
}

/* Adds the reply of a time-stamping authority to the checkpoint it stamps. */
TimestampTz
al_custody_add_timestamp(const bytea *reply, int64 size)
{
	Relation	lock = al_seal_lock("audit.add_timestamp()");
	Snapshot	snapshot = al_seal_snapshot();
	AlBlock		block;
	AlAnchored	added;
	StringInfoData json;
	pg_uuid_t	id;

	al_ledger_require_last_block(snapshot, &block);
	al_anchor_add(snapshot, reply, size, &added);
	if (added.is_new)
	{
		begin_event(&json, AL_ANCHOR_EVENT);
		al_event_add(&json, "size", psprintf(INT64_FORMAT, added.size));
		al_event_add(&json, "token", added.token);
		write_event(&json, AL_ANCHOR_EVENT, &id);
	}
	UnregisterSnapshot(snapshot);
	table_close(lock, NoLock);
	return added.time;
}

/* ----------------------------------------------------------------- erasing */

/* Removes a record before it expires; its leaf stays. */
void
al_custody_erase(const pg_uuid_t *id, const char *reason)
{
	Snapshot	snapshot;
	AlStream	stream;
	TupleTableSlot *slot;
	int64		leaf;
	StringInfoData json;
	pg_uuid_t	event_id;
	char	   *id_text = al_ids_text(id);

	require_reason(reason);
	PreventCommandIfReadOnly("audit.erase()");
	snapshot = al_seal_snapshot();
	leaf = al_locate_leaf(snapshot, id);
	if (!al_locate_record(snapshot, id, &stream, &slot))
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("record \"%s\" does not exist", id_text)));
	if (stream == AL_OBJECTS && al_event_is_of_ledger(slot))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("record \"%s\" belongs to the ledger itself", id_text),
				 errdetail("It says what was decided about the ledger, and cannot be erased.")));
	if (leaf < 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("record \"%s\" is not sealed yet", id_text),
				 errhint("Only what the ledger holds can be erased without a gap: call audit.seal() first.")));
	begin_event(&json, "erase");
	al_event_add(&json, "id", id_text);
	al_event_add(&json, "leaf", psprintf(INT64_FORMAT, leaf));
	al_event_add(&json, "reason", reason);
	write_event(&json, id_text, &event_id);
	if (!al_store_delete(stream, &slot->tts_tid))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("record \"%s\" was deleted concurrently", id_text)));
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}
