/*
 * src/backend/keylog.c
 *
 * Which keys have signed records of this database: a key's public half is
 * stored in audit.signing_keys together with the first record that it signs,
 * so that the records stay verifiable after the key has been replaced.
 *
 * The table has no unique constraint: two writers that use a new key for the
 * first time must not wait for each other.  Each may add a row, and the view
 * audit.keys shows the earliest.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "glue.h"
#include "keylog.h"
#include "store.h"

/*
 * The key that is known to be stored, and the table that holds it.  Forgotten
 * when a transaction aborts, and when one is prepared, since that may be
 * rolled back later and elsewhere; and when the table changes, since the
 * extension may have been dropped and created again.
 */
static char known[AL_KEY_ID_LEN + 1];
static Oid	known_in;

static void
on_xact_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		known[0] = '\0';
}

static void
on_subxact_event(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		known[0] = '\0';
}

static void
on_relcache_event(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == known_in)
		known[0] = '\0';
}

void
al_keylog_init(void)
{
	CacheRegisterRelcacheCallback(on_relcache_event, (Datum) 0);
	RegisterXactCallback(on_xact_event, NULL);
	RegisterSubXactCallback(on_subxact_event, NULL);
}

/* An index by the id of keys alone or first, as the install script makes it. */
static bool
is_by_id(Relation index)
{
	return index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_index->indisvalid &&
		index->rd_index->indkey.values[0] == AL_SIGNING_KEY_ID &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

static bool
is_stored(const char *id)
{
	Relation	rel = al_store_open(AL_SIGNING_KEYS);
	List	   *indexes = RelationGetIndexList(rel);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ScanKeyData key;
	bool		found = false;
	ListCell   *lc;

	/* Without an index the key is stored once more, which does no harm. */
	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		bool		usable = is_by_id(index);

		if (usable)
		{
			IndexScanDesc scan = al_compat_index_beginscan(rel, index,
														   SnapshotSelf, 1);

			ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber,
								   InvalidOid, index->rd_indcollation[0],
								   F_TEXTEQ, CStringGetTextDatum(id));
			index_rescan(scan, &key, 1, NULL, 0);
			found = index_getnext_slot(scan, ForwardScanDirection, slot);
			index_endscan(scan);
		}
		index_close(index, NoLock);
		if (usable)
			break;
	}
	known_in = RelationGetRelid(rel);
	list_free(indexes);
	ExecDropSingleTupleTableSlot(slot);
	al_tables_close(rel);
	return found;
}

/* Sees to it that the key is stored when the current transaction commits. */
void
al_keylog_note(const AlPublicKey *key)
{
	const char *id = al_crypto_key_id(key);
	Datum		values[AL_SIGNING_KEY_COLUMNS];
	bool		nulls[AL_SIGNING_KEY_COLUMNS] = {false};
	HeapTuple	tuple;

	if (strcmp(known, id) == 0)
		return;
	if (!is_stored(id))
	{
		AlBuf		pem = {0};

		al_crypto_export_public_pem(key, &pem);
		if (pem.failed)
			al_glue_no_memory();
		values[AL_SIGNING_KEY_ID - 1] = CStringGetTextDatum(id);
		values[AL_SIGNING_KEY_ALGORITHM - 1] =
			CStringGetTextDatum("RSASSA-PKCS1-v1_5 with SHA-256");
		values[AL_SIGNING_KEY_PUBLIC_KEY - 1] =
			PointerGetDatum(cstring_to_text_with_len(pem.data, pem.len));
		al_buf_free(&pem);
		values[AL_SIGNING_KEY_FIRST_USE - 1] =
			TimestampTzGetDatum(GetCurrentTimestamp());
		tuple = al_store_form(AL_SIGNING_KEYS, values, nulls);
		al_store_write(AL_SIGNING_KEYS, &tuple, 1);
	}
	strlcpy(known, id, sizeof(known));
}
