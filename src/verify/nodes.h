/*
 * src/verify/nodes.h
 *
 * The nodes that the server stores and makes proofs from, against those that
 * the leaves give.
 */
#ifndef AUDIT_LOG_NODES_H
#define AUDIT_LOG_NODES_H

#include "core/tlog.h"

#include "report.h"
#include "source.h"

#define AL_NODES_LEVELS (AL_MERKLE_MAX_LEVELS / AL_MERKLE_TILE_HEIGHT)

typedef struct AlNodes
{
	AlSource   *source;
	AlReport   *report;
	AlBuf		path;
	AlBuf		bytes;
	AlError    *err;
	uint64_t	count[AL_NODES_LEVELS + 1]; /* nodes so far; [1] is level 8 */
	AlHash		tile[AL_NODES_LEVELS + 1][AL_MERKLE_TILE_WIDTH];
} AlNodes;

extern AlStatus al_nodes_add(void *nodes, unsigned level, uint64_t index,
							 const AlHash *hash);
extern AlStatus al_nodes_finish(AlNodes *nodes);

#endif							/* AUDIT_LOG_NODES_H */
