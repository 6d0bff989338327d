/*
 * src/backend/proof.c
 *
 * What is handed out about the ledger: checkpoints, proofs, tiles.  The texts
 * are those of C2SP: tlog-checkpoint, tlog-proof, tlog-witness, tlog-tiles.
 *
 * Sizes are -1 for "the last one".  Only sizes that a block has had can be
 * asked for where a checkpoint goes with the answer.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "core/crypto_timestamp.h"

#include "anchor.h"
#include "bundles.h"
#include "checkpoint.h"
#include "glue.h"
#include "ids.h"
#include "locate.h"
#include "proof.h"
#include "storedtree.h"

/* The snapshot of one answer: what the caller's statement sees. */
static Snapshot
statement_snapshot(void)
{
	return ActiveSnapshotSet() ? GetActiveSnapshot() :
		GetTransactionSnapshot();
}

static void
find_block(Snapshot snapshot, int64 size, AlBlock *block)
{
	AlBlock		last;

	al_ledger_require_last_block(snapshot, &last);
	if (size < 0 || size == last.size)
		*block = last;
	else if (!al_ledger_block_of_size(snapshot, size, block))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no checkpoint of size " INT64_FORMAT, size),
				 errhint("The view audit.blocks lists the sizes.")));
}

static char *
note_of(Snapshot snapshot, const AlBlock *block)
{
	AlGeneration generation;

	al_ledger_require_generation(snapshot, block->generation, &generation);
	return al_checkpoint_note(snapshot, block, &generation);
}

char *
al_proof_checkpoint(int64 size)
{
	Snapshot	snapshot = statement_snapshot();
	AlBlock		block;

	find_block(snapshot, size, &block);
	return note_of(snapshot, &block);
}

/* What a time-stamping authority is asked: AL_TIMESTAMP_REQUEST_LEN bytes. */
void
al_proof_timestamp_request(int64 size, uint8 *request)
{
	Snapshot	snapshot = statement_snapshot();
	AlBlock		block;
	AlGeneration generation;
	uint8		digest[AL_SHA256_LEN];

	find_block(snapshot, size, &block);
	al_ledger_require_generation(snapshot, block.generation, &generation);
	al_anchor_digest(&block, &generation, digest);
	al_crypto_timestamp_request(digest, request);
}

/* The leaf of a record, or -1 if it is not sealed. */
int64
al_proof_leaf(const pg_uuid_t *id)
{
	return al_locate_leaf(statement_snapshot(), id);
}

/*
 * What turns the record that audit.record() gives into its leaf: the expiry
 * and, while the record is there, its transaction and its salt.  It travels in
 * the part of a proof that proves nothing, and whoever changes it gets another
 * leaf.
 */
static char *
leaf_secrets(Snapshot snapshot, const pg_uuid_t *id, int64 number)
{
	AlLeaf		leaf;
	AlStream	stream;
	TupleTableSlot *slot;
	char	   *salt_text = "-";
	char	   *txid = "-";

	if (!al_bundles_leaf(snapshot, number, &leaf))
		return NULL;
	if (leaf.expire > al_leaf_unix_time(GetCurrentStatementStartTimestamp()) &&
		al_locate_record(snapshot, id, &stream, &slot))
	{
		bool		isnull;
		Datum		salt = slot_getattr(slot, al_tables[stream].salt, &isnull);

		txid = psprintf(UINT64_FORMAT, al_leaf_txid(stream, slot));
		if (!isnull)
		{
			bytea	   *bytes = DatumGetByteaPP(salt);

			salt_text = al_glue_base64(VARDATA_ANY(bytes),
									   VARSIZE_ANY_EXHDR(bytes));
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	return psprintf("audit_log/leaf/v1\n%s\n%s\n%s\n",
					leaf.expire == AL_LEAF_NEVER ? "-" :
					psprintf(INT64_FORMAT, leaf.expire), txid, salt_text);
}

char *
al_proof_inclusion(const pg_uuid_t *id, int64 size)
{
	Snapshot	snapshot = statement_snapshot();
	AlBlock		block;
	int64		leaf;
	AlStoredTree tree;
	AlMerkleProof proof;
	AlBuf		out = {0};
	AlError		err = {{0}};
	AlStatus	status;
	char	   *note;
	char	   *extra;

	find_block(snapshot, size, &block);
	leaf = al_locate_leaf(snapshot, id);
	if (leaf < 0 || leaf >= block.size)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("record \"%s\" is not in the ledger of that size",
						al_ids_text(id)),
				 errhint("Records are sealed after they are committed; see audit.wait_sealed().")));
	note = note_of(snapshot, &block);
	al_storedtree_begin(&tree, snapshot);
	al_glue_check(al_merkle_prove_inclusion(al_leaf_sha256(), leaf,
											block.size, al_storedtree_fetch,
											&tree, &proof, &err), &err);
	extra = leaf_secrets(snapshot, id, leaf);
	status = al_tlog_format_proof(leaf, &proof, extra,
								  extra ? strlen(extra) : 0, note,
								  strlen(note), &out, &err);
	return al_glue_text(status, &err, &out);
}

static void
prove_consistency(Snapshot snapshot, int64 old_size, int64 size,
				  StringInfo out)
{
	AlStoredTree tree;
	AlMerkleProof proof;
	AlError		err = {{0}};

	if (old_size < 0 || old_size > size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("old size must be between 0 and " INT64_FORMAT,
						size)));
	al_storedtree_begin(&tree, snapshot);
	al_glue_check(al_merkle_prove_consistency(al_leaf_sha256(), old_size,
											  size, al_storedtree_fetch, &tree,
											  &proof, &err), &err);
	for (int i = 0; i < proof.count; i++)
		appendStringInfo(out, "%s\n", al_glue_base64(proof.hashes[i].bytes,
													 AL_SHA256_LEN));
}

/* The hashes, in base64, a line each. */
char *
al_proof_consistency(int64 old_size, int64 size)
{
	Snapshot	snapshot = statement_snapshot();
	AlBlock		last;
	StringInfoData out;

	al_ledger_require_last_block(snapshot, &last);
	if (size > last.size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the ledger has only " INT64_FORMAT " leaves",
						last.size)));
	initStringInfo(&out);
	prove_consistency(snapshot, old_size, size < 0 ? last.size : size, &out);
	return out.data;
}

/* What a witness that has seen "old_size" leaves is asked to sign. */
char *
al_proof_witness_request(int64 old_size)
{
	Snapshot	snapshot = statement_snapshot();
	AlBlock		last;
	StringInfoData out;

	al_ledger_require_last_block(snapshot, &last);
	initStringInfo(&out);
	appendStringInfo(&out, "old " INT64_FORMAT "\n", old_size);
	prove_consistency(snapshot, old_size, last.size, &out);
	appendStringInfo(&out, "\n%s", note_of(snapshot, &last));
	return out.data;
}

/* ------------------------------------------------------------------- tiles */

static void
emit_tile(const AlTile *tile, const void *bytes, int len, AlTileSink sink,
		  void *arg)
{
	AlBuf		path = {0};
	AlError		err = {{0}};
	AlStatus	status = al_tlog_format_tile_path(tile, &path, &err);

	sink(arg, al_glue_text(status, &err, &path), bytes, len);
}

/* The entries of a window: each with its length in two bytes in front. */
static void
emit_entries(Snapshot snapshot, const AlTile *tile, AlTileSink sink,
			 void *arg)
{
	AlTableScan scan;
	AlBundle   *bundle = palloc(sizeof(AlBundle));
	StringInfoData out;
	unsigned	n = 0;

	initStringInfo(&out);
	al_bundles_begin(&scan, snapshot, tile->index * AL_MERKLE_TILE_WIDTH);
	while (n < tile->width && al_bundles_next(&scan, bundle))
		for (int i = 0; i < bundle->count && n < tile->width; i++, n++)
		{
			uint16		len = pg_hton16(AL_SHA256_LEN);
			AlHash		entry;

			al_leaf_entry(&bundle->leaves[i], &entry);
			appendBinaryStringInfo(&out, (char *) &len, sizeof(len));
			appendBinaryStringInfo(&out, (char *) entry.bytes,
								   sizeof(entry.bytes));
		}
	al_tablescan_end(&scan);
	emit_tile(tile, out.data, out.len, sink, arg);
}

static void
emit_hashes(AlStoredTree *tree, const AlTile *tile, AlTileSink sink,
			void *arg)
{
	AlHash		hashes[AL_MERKLE_TILE_WIDTH];
	AlError		err = {{0}};

	al_glue_check(al_storedtree_fetch(tree,
									  tile->level * AL_MERKLE_TILE_HEIGHT,
									  tile->index * AL_MERKLE_TILE_WIDTH,
									  tile->width, hashes, &err), &err);
	emit_tile(tile, hashes, tile->width * sizeof(AlHash), sink, arg);
}

/*
 * Every tile that is new since the tree had "from" leaves: whole ones, and
 * the partial ones of the last checkpoint.
 */
void
al_proof_tiles(int64 from, AlTileSink sink, void *arg)
{
	Snapshot	snapshot = statement_snapshot();
	AlBlock		last;
	AlStoredTree *tree = palloc(sizeof(AlStoredTree));

	al_ledger_require_last_block(snapshot, &last);
	if (from < 0 || from > last.size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size must be between 0 and " INT64_FORMAT,
						last.size)));
	al_storedtree_begin(tree, snapshot);
	for (unsigned level = 0;; level++)
	{
		int			shift = level * AL_MERKLE_TILE_HEIGHT;
		int64		nodes = shift < 63 ? last.size >> shift : 0;
		int64		first = shift < 63 ? from >> shift : 0;

		if (nodes == 0 || (level > 0 && nodes == first))
			break;
		for (int64 index = first / AL_MERKLE_TILE_WIDTH;
			 index * AL_MERKLE_TILE_WIDTH < nodes; index++)
		{
			AlTile		tile = {false, level, index, 0};

			CHECK_FOR_INTERRUPTS();
			tile.width = Min(AL_MERKLE_TILE_WIDTH,
							 nodes - index * AL_MERKLE_TILE_WIDTH);
			if (index * AL_MERKLE_TILE_WIDTH + tile.width == first)
				continue;
			emit_hashes(tree, &tile, sink, arg);
			if (level == 0)
			{
				tile.entries = true;
				emit_entries(snapshot, &tile, sink, arg);
			}
		}
	}
}

/*
 * One tile of the last checkpoint's tree, or false if there is no such tile.
 * A part of a tile that has grown since is still to be had.
 */
bool
al_proof_tile(const char *path, AlTileSink sink, void *arg)
{
	Snapshot	snapshot = statement_snapshot();
	AlBlock		last;
	AlStoredTree *tree = palloc(sizeof(AlStoredTree));
	AlTile		tile;
	int			shift;
	int64		nodes;

	if (al_tlog_parse_tile_path(path, strlen(path), &tile, NULL) != AL_OK ||
		!al_ledger_last_block(snapshot, &last))
		return false;
	shift = tile.level * AL_MERKLE_TILE_HEIGHT;
	nodes = shift < 63 ? last.size >> shift : 0;
	if (tile.index > nodes / AL_MERKLE_TILE_WIDTH ||
		tile.index * AL_MERKLE_TILE_WIDTH + tile.width > nodes)
		return false;
	al_storedtree_begin(tree, snapshot);
	if (tile.entries)
		emit_entries(snapshot, &tile, sink, arg);
	else
		emit_hashes(tree, &tile, sink, arg);
	return true;
}
