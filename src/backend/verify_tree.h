/*
 * src/backend/verify_tree.h
 *
 * The stored tree: its leaves in order, and whether nodes and roots are the
 * hashes of what is below them.
 */
#ifndef AUDIT_LOG_VERIFY_TREE_H
#define AUDIT_LOG_VERIFY_TREE_H

#include "bundles.h"
#include "findings.h"
#include "ledger.h"
#include "storedtree.h"

typedef struct AlVerifyTree
{
	Snapshot	snapshot;
	const AlFindings *findings;
	AlStoredTree stored;
	AlTableScan bundles;
	AlBundle	bundle;
	int			in_bundle;		/* leaves taken of it */
	bool		more_bundles;
	AlFrontier	frontier;
	bool		sound;			/* frontier is that of the leaves so far */
	int64		missing;		/* leaves of the block that no bundle had */
} AlVerifyTree;

extern void al_verify_tree_begin(AlVerifyTree *tree, Snapshot snapshot,
								 const AlFindings *findings, int64 size);
extern const AlLeaf *al_verify_tree_next(AlVerifyTree *tree, int64 number);
extern void al_verify_tree_block(AlVerifyTree *tree, const AlBlock *block);
extern void al_verify_tree_rest(AlVerifyTree *tree, const AlBlock *last);
extern void al_verify_tree_end(AlVerifyTree *tree);

#endif							/* AUDIT_LOG_VERIFY_TREE_H */
