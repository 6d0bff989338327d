/*
 * src/backend/treewriter.c
 *
 * The stored tree grows: leaves are appended, and the bundles and nodes that
 * are complete with them are written, many rows at a time.
 *
 * The right edge after the last block is kept for the process, so that sealing
 * one block after the other reads no nodes.  If the transaction of that block
 * aborts, its root is not that of the last block, and the edge is not used.
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "glue.h"
#include "store.h"
#include "storedtree.h"
#include "treewriter.h"

/* The right edge after the last block that this process has sealed. */
static AlFrontier kept;
static AlHash kept_root;

static bytea *
new_bytea(Size size)
{
	bytea	   *result = palloc(VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + size);
	return result;
}

static void
write_rows(AlTreeWriter *writer)
{
	if (writer->nbundles > 0)
		al_store_write(AL_BUNDLES, writer->bundles, writer->nbundles);
	if (writer->nnodes > 0)
		al_store_write(AL_NODES, writer->nodes, writer->nnodes);
	writer->nbundles = writer->nnodes = 0;
	MemoryContextReset(writer->context);
}

static void
finish_bundle(AlTreeWriter *writer)
{
	AlBundle   *bundle = &writer->bundle;
	MemoryContext old;
	bytea	   *ids;
	bytea	   *expires;
	bytea	   *inner;
	Datum		values[AL_BUNDLE_COLUMNS];
	bool		nulls[AL_BUNDLE_COLUMNS] = {false};

	if (bundle->count == 0)
		return;
	old = MemoryContextSwitchTo(writer->context);
	ids = new_bytea(UUID_LEN * bundle->count);
	expires = new_bytea(sizeof(int64) * bundle->count);
	inner = new_bytea(sizeof(AlHash) * bundle->count);
	for (int i = 0; i < bundle->count; i++)
	{
		const AlLeaf *leaf = &bundle->leaves[i];
		uint64		expire = pg_hton64((uint64) leaf->expire);

		memcpy(VARDATA(ids) + UUID_LEN * i, leaf->id.data, UUID_LEN);
		memcpy(VARDATA(expires) + sizeof(expire) * i, &expire,
			   sizeof(expire));
		memcpy(VARDATA(inner) + sizeof(AlHash) * i, leaf->inner.bytes,
			   sizeof(AlHash));
	}
	values[AL_BUNDLE_FIRST_LEAF - 1] = Int64GetDatum(bundle->first_leaf);
	values[AL_BUNDLE_LEAVES - 1] = Int32GetDatum(bundle->count);
	values[AL_BUNDLE_IDS - 1] = PointerGetDatum(ids);
	values[AL_BUNDLE_EXPIRES - 1] = PointerGetDatum(expires);
	values[AL_BUNDLE_INNER - 1] = PointerGetDatum(inner);
	writer->bundles[writer->nbundles++] = al_store_form(AL_BUNDLES, values,
														nulls);
	MemoryContextSwitchTo(old);
	bundle->first_leaf += bundle->count;
	bundle->count = 0;
	if (writer->nbundles == AL_TREEWRITER_BUNDLES)
		write_rows(writer);
}

/* An AlMerkleEmit: a node of a stored level is complete. */
static AlStatus
add_node(void *arg, unsigned level, uint64_t index, const AlHash *hash)
{
	AlTreeWriter *writer = arg;
	MemoryContext old = MemoryContextSwitchTo(writer->context);
	Datum		values[AL_NODE_COLUMNS];
	bool		nulls[AL_NODE_COLUMNS] = {false};

	values[AL_NODE_LEVEL - 1] = Int32GetDatum(level);
	values[AL_NODE_INDEX - 1] = Int64GetDatum(index);
	values[AL_NODE_HASH - 1] =
		PointerGetDatum(al_glue_bytes(hash->bytes, sizeof(hash->bytes)));
	writer->nodes[writer->nnodes++] = al_store_form(AL_NODES, values, nulls);
	MemoryContextSwitchTo(old);
	return AL_OK;
}

/* Appends a leaf; its row may be written later. */
void
al_treewriter_append(AlTreeWriter *writer, const AlLeaf *leaf)
{
	AlHash		hash;

	al_leaf_hash(leaf, &hash);
	al_glue_check(al_merkle_append(al_leaf_sha256(), &writer->frontier, &hash,
								   add_node, writer), NULL);
	writer->bundle.leaves[writer->bundle.count++] = *leaf;
	if (writer->frontier.size % AL_BUNDLE_MAX == 0)
		finish_bundle(writer);
	/* One leaf can complete a node of each stored level. */
	if (writer->nnodes >= AL_TREEWRITER_NODES - AL_MERKLE_MAX_LEVELS)
		write_rows(writer);
}

/*
 * Begins behind the leaves of the last block, whose stored tree must have the
 * root of that block.
 */
void
al_treewriter_begin(AlTreeWriter *writer, Snapshot snapshot,
					const AlBlock *last)
{
	AlStoredTree *tree;
	AlHash		root;
	AlError		err = {{0}};

	writer->context = AllocSetContextCreate(CurrentMemoryContext,
											"audit_log ledger rows",
											ALLOCSET_DEFAULT_SIZES);
	writer->nbundles = writer->nnodes = 0;
	writer->bundle.first_leaf = last->size;
	writer->bundle.count = 0;
	if (last->size == kept.size && last->size > 0 &&
		memcmp(&last->root, &kept_root, sizeof(kept_root)) == 0)
	{
		writer->frontier = kept;
		return;
	}
	tree = palloc(sizeof(AlStoredTree));
	al_storedtree_begin(tree, snapshot);
	al_glue_check(al_merkle_restore(al_leaf_sha256(), last->size,
									al_storedtree_fetch, tree,
									&writer->frontier, &err), &err);
	al_glue_check(al_merkle_root(al_leaf_sha256(), &writer->frontier, &root),
				  NULL);
	if (last->number > 0 && memcmp(&root, &last->root, sizeof(root)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the stored tree does not have the root of block " INT64_FORMAT,
						last->number),
				 errhint("Call audit.verify_ledger() to see what was changed, and audit.new_generation() to go on.")));
	pfree(tree);
}

/* Writes what waits: the last bundle is complete as far as this block goes. */
void
al_treewriter_finish(AlTreeWriter *writer, AlHash *root)
{
	finish_bundle(writer);
	write_rows(writer);
	al_glue_check(al_merkle_root(al_leaf_sha256(), &writer->frontier, root),
				  NULL);
}

/* The tree becomes that of the last block, if the transaction commits. */
void
al_treewriter_keep(const AlTreeWriter *writer, const AlHash *root)
{
	kept = writer->frontier;
	kept_root = *root;
}
