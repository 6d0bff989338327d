/*
 * src/backend/treewriter.h
 *
 * The stored tree grows.
 */
#ifndef AUDIT_LOG_TREEWRITER_H
#define AUDIT_LOG_TREEWRITER_H

#include "access/htup.h"

#include "bundles.h"
#include "ledger.h"

#define AL_TREEWRITER_BUNDLES 16	/* rows written at a time */
#define AL_TREEWRITER_NODES 256

typedef struct AlTreeWriter
{
	MemoryContext context;		/* of tuples that wait */
	AlFrontier	frontier;
	AlBundle	bundle;
	HeapTuple	bundles[AL_TREEWRITER_BUNDLES];
	int			nbundles;
	HeapTuple	nodes[AL_TREEWRITER_NODES];
	int			nnodes;
} AlTreeWriter;

extern void al_treewriter_begin(AlTreeWriter *writer, Snapshot snapshot,
								const AlBlock *last);
extern void al_treewriter_append(AlTreeWriter *writer, const AlLeaf *leaf);
extern void al_treewriter_finish(AlTreeWriter *writer, AlHash *root);
extern void al_treewriter_keep(const AlTreeWriter *writer,
							   const AlHash *root);

#endif							/* AUDIT_LOG_TREEWRITER_H */
