/*
 * src/backend/verify_tree.c
 *
 * The stored tree, derived again: bundles, nodes and roots.
 *
 * Leaves are taken one by one and in order.  After the first that is missing,
 * or the first root that is wrong, no hash above them can be right: from
 * there on the tree is not sound, and hashes are not compared any more.
 */
#include "postgres.h"

#include "glue.h"
#include "verify_tree.h"

static void
find(const AlVerifyTree *tree, const char *kind, int64 leaf,
	 const char *detail)
{
	al_findings_add(tree->findings, kind, leaf, NULL, detail);
}

static void
load_bundle(AlVerifyTree *tree)
{
	tree->in_bundle = 0;
	tree->more_bundles = al_bundles_next(&tree->bundles,
										 &tree->bundle);
}

/*
 * Begins behind the first "size" leaves, whose nodes are believed: whoever
 * verifies those leaves verifies them.
 */
void
al_verify_tree_begin(AlVerifyTree *tree, Snapshot snapshot,
					 const AlFindings *findings, int64 size)
{
	AlError		err = {{0}};

	tree->snapshot = snapshot;
	tree->findings = findings;
	tree->missing = 0;
	al_storedtree_begin(&tree->stored, snapshot);
	tree->sound = al_merkle_restore(al_leaf_sha256(), size,
									al_storedtree_fetch, &tree->stored,
									&tree->frontier, &err) == AL_OK;
	if (!tree->sound)
		find(tree, "node", size, err.reason);
	al_bundles_begin(&tree->bundles, snapshot, size);
	load_bundle(tree);
}

/* The stored leaf with a number; what is skipped or overlaps is found. */
static const AlLeaf *
stored_leaf(AlVerifyTree *tree, int64 number)
{
	while (tree->more_bundles)
	{
		AlBundle   *bundle = &tree->bundle;

		if (bundle->count == 0)
			find(tree, "bundle", bundle->first_leaf,
				 "the row cannot be read");
		else if (tree->in_bundle == 0 && bundle->first_leaf < number)
			find(tree, "bundle", bundle->first_leaf,
				 "the row overlaps the one before");
		else if (bundle->first_leaf > number)
			break;
		else if (tree->in_bundle < bundle->count)
			return &bundle->leaves[tree->in_bundle++];
		load_bundle(tree);
	}
	return NULL;
}

/* Is the hash of a node that is complete now stored as well? */
static AlStatus
check_node(void *arg, unsigned level, uint64_t index, const AlHash *hash)
{
	AlVerifyTree *tree = arg;
	AlHash		stored;

	if (al_storedtree_fetch(&tree->stored, level, index, 1, &stored,
							NULL) != AL_OK)
		find(tree, "node", index << level,
			 psprintf("node " INT64_FORMAT " of level %u is missing",
					  (int64) index, level));
	else if (memcmp(&stored, hash, sizeof(AlHash)) != 0)
		find(tree, "node", index << level,
			 psprintf("node " INT64_FORMAT " of level %u does not fit the leaves",
					  (int64) index, level));
	return AL_OK;
}

/*
 * Takes the leaf with a number, NULL if no bundle has it.  Numbers only grow
 * from call to call.  The leaf is valid until the next call.
 */
const AlLeaf *
al_verify_tree_next(AlVerifyTree *tree, int64 number)
{
	const AlLeaf *leaf = stored_leaf(tree, number);
	AlHash		hash;

	if (leaf == NULL)
	{
		if (tree->missing++ == 0)
			find(tree, "bundle", number, "leaves are missing");
		tree->sound = false;
		return NULL;
	}
	if (tree->sound)
	{
		al_leaf_hash(leaf, &hash);
		al_glue_check(al_merkle_append(al_leaf_sha256(), &tree->frontier,
									   &hash, check_node, tree), NULL);
	}
	return leaf;
}

/* Ends a block whose leaves were all taken, by comparing its root. */
void
al_verify_tree_block(AlVerifyTree *tree, const AlBlock *block)
{
	AlHash		root;

	tree->missing = 0;
	if (!tree->sound)
		return;
	al_glue_check(al_merkle_root(al_leaf_sha256(), &tree->frontier, &root),
				  NULL);
	if (memcmp(&root, &block->root, sizeof(AlHash)) != 0)
	{
		find(tree, "root", block->size,
			 psprintf("block " INT64_FORMAT " does not have the root of its leaves",
					  block->number));
		tree->sound = false;
	}
}

/* Finds what lies behind the last block of the ledger. */
void
al_verify_tree_rest(AlVerifyTree *tree, const AlBlock *last)
{
	if (tree->more_bundles && tree->in_bundle >= tree->bundle.count)
		load_bundle(tree);
	if (tree->more_bundles)
		find(tree, "bundle", tree->bundle.first_leaf,
			 "there are leaves behind the last block");
	for (unsigned level = AL_MERKLE_TILE_HEIGHT; level < AL_MERKLE_MAX_LEVELS;
		 level += AL_MERKLE_TILE_HEIGHT)
	{
		int64		stray = al_storedtree_node_from(tree->snapshot, level,
													last->size >> level);

		if (stray >= 0)
			find(tree, "node", last->size,
				 psprintf("node " INT64_FORMAT " of level %u lies behind the last block",
						  stray, level));
	}
}

void
al_verify_tree_end(AlVerifyTree *tree)
{
	al_tablescan_end(&tree->bundles);
}
