/*
 * src/backend/leaf.c
 *
 * The leaf of the ledger that a stored record makes, format 1: hashes of the
 * texts that leaftext.c prints.  How they are made is in src/core/merkle.c.
 *
 * expire is in the entry and salt in front of data, so neither is in a text.
 *
 * This runs for every record that is sealed or verified.  It allocates
 * nothing but what detoasting and numeric output need, so the caller resets
 * its memory context once in a while.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "glue.h"
#include "ids.h"
#include "leaf.h"
#include "leaftext.h"

#define DATA_KEPT (1024 * 1024)	/* bytes of buffer kept between records */

/* The digest that this process uses for all leaves and nodes. */
AlSha256 *
al_leaf_sha256(void)
{
	static AlSha256 *sha = NULL;

	if (sha == NULL)
	{
		AlError		err = {{0}};

		al_glue_check(al_crypto_sha256_new(&sha, &err), &err);
	}
	return sha;
}

/* Microseconds since 1970. */
int64
al_leaf_unix_time(TimestampTz time)
{
	if (time == DT_NOEND)
		return AL_LEAF_NEVER;
	if (time == DT_NOBEGIN)
		return PG_INT64_MIN;
	return time + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* The transaction of a record; fetches with it what its leaf needs next. */
uint64
al_leaf_txid(AlStream stream, TupleTableSlot *slot)
{
	bool		isnull;

	slot_getsomeattrs(slot, al_tables[stream].salt);
	return DatumGetUInt64(slot_getattr(slot, al_tables[stream].txid, &isnull));
}

/*
 * Copies the salt of a record.  False if it is not one, which only a change
 * by hand can cause.
 */
static bool
copy_salt(AlStream stream, TupleTableSlot *slot, uint8 *salt)
{
	bool		isnull;
	Datum		stored = slot_getattr(slot, al_tables[stream].salt, &isnull);
	bytea	   *bytes = isnull ? NULL : DatumGetByteaPP(stored);

	if (bytes == NULL || VARSIZE_ANY_EXHDR(bytes) != AL_MERKLE_SALT_LEN)
		return false;
	memcpy(salt, VARDATA_ANY(bytes), AL_MERKLE_SALT_LEN);
	return true;
}

/* Makes the leaf of the record in a slot. */
void
al_leaf_make(AlStream stream, TupleTableSlot *slot, AlLeaf *leaf)
{
	static AlBuf meta;			/* kept for reuse, unless they have grown large */
	static AlBuf data;
	uint8		salt[AL_MERKLE_SALT_LEN];
	bool		isnull;
	Datum		id = slot_getattr(slot, al_tables[stream].id, &isnull);
	Datum		expire = slot_getattr(slot, al_tables[stream].expire, &isnull);

	leaf->id = *DatumGetUUIDP(id);
	leaf->expire = isnull ? AL_LEAF_NEVER :
		al_leaf_unix_time(DatumGetTimestampTz(expire));
	if (!copy_salt(stream, slot, salt))
	{
		memset(&leaf->inner, 0, sizeof(leaf->inner));
		return;
	}
	al_buf_reset(&meta);
	al_buf_reset(&data);
	al_leaftext_print(stream, slot, &meta, &data);
	al_glue_check(al_merkle_inner(al_leaf_sha256(), meta.data, meta.len,
								  salt, data.data, data.len,
								  &leaf->inner), NULL);
	if (data.cap > DATA_KEPT)
		al_buf_free(&data);
}

/* The entry of a leaf. */
void
al_leaf_entry(const AlLeaf *leaf, AlHash *entry)
{
	static int64 printed = AL_LEAF_NEVER;
	static char expire[MAXINT8LEN + 1] = "-";
	static int	expire_len = 1;
	char		id[AL_UUID_TEXT_LEN];

	if (leaf->expire != printed)
	{
		if (leaf->expire == AL_LEAF_NEVER)
			expire_len = strlcpy(expire, "-", sizeof(expire));
		else
			expire_len = pg_lltoa(leaf->expire, expire);
		printed = leaf->expire;
	}
	al_ids_print(id, &leaf->id);
	al_glue_check(al_merkle_entry(al_leaf_sha256(), id, AL_UUID_TEXT_LEN, expire,
								  expire_len, &leaf->inner, entry), NULL);
}

/* The hash of a leaf in the tree. */
void
al_leaf_hash(const AlLeaf *leaf, AlHash *hash)
{
	AlSha256   *sha = al_leaf_sha256();
	AlHash		entry;

	al_leaf_entry(leaf, &entry);
	al_glue_check(al_merkle_leaf(sha, entry.bytes, sizeof(entry.bytes), hash),
				  NULL);
}
