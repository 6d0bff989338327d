/*
 * src/verify/nodes.c
 *
 * The nodes that the server stores and makes proofs from.
 *
 * They are looked at through the tiles that hold them.  A tile of leaf hashes
 * is made from the leaves each time it is asked for, so only the levels above
 * can be wrong by themselves.
 */
#include <inttypes.h>
#include <string.h>

#include "nodes.h"

/* Compares the tile of a level that ends with the last node. */
static AlStatus
compare(AlNodes *nodes, unsigned level)
{
	uint64_t	last = nodes->count[level] - 1;
	uint64_t	first = last - last % AL_MERKLE_TILE_WIDTH;
	AlTile		tile = {
		.level = level,
		.index = last / AL_MERKLE_TILE_WIDTH,
		.width = (unsigned) (last - first) + 1
	};
	unsigned	shift = level * AL_MERKLE_TILE_HEIGHT;
	AlStatus	status;

	al_buf_reset(&nodes->path);
	status = al_tlog_format_tile_path(&tile, &nodes->path, nodes->err);
	al_buf_append_char(&nodes->path, '\0');
	if (status != AL_OK || nodes->path.failed)
		return AL_NO_MEMORY;
	status = nodes->source->tile(nodes->source, nodes->path.data,
								 &nodes->bytes, nodes->err);
	if (status == AL_MISMATCH)
	{
		al_report_finding(nodes->report, "node", (int64_t) (first << shift),
						  NULL, "%s: %s", nodes->path.data,
						  nodes->err->reason);
		return AL_OK;
	}
	if (status != AL_OK)
		return status;
	if (nodes->bytes.len != tile.width * sizeof(AlHash))
	{
		al_report_finding(nodes->report, "node", (int64_t) (first << shift),
						  NULL, "%s has another length", nodes->path.data);
		return AL_OK;
	}
	for (unsigned i = 0; i < tile.width; i++)
		if (memcmp(nodes->bytes.data + i * sizeof(AlHash),
				   nodes->tile[level][i].bytes, sizeof(AlHash)) != 0)
			al_report_finding(nodes->report, "node", (int64_t) ((first + i) << shift),
							  NULL,
							  "node %" PRIu64 " of level %u does not fit the leaves",
							  first + i, shift);
	return AL_OK;
}

/* An AlMerkleEmit. */
AlStatus
al_nodes_add(void *arg, unsigned level, uint64_t index, const AlHash *hash)
{
	AlNodes    *nodes = arg;
	unsigned	tile_level = level / AL_MERKLE_TILE_HEIGHT;

	if (nodes->source->tile == NULL || tile_level > AL_NODES_LEVELS)
		return AL_OK;
	nodes->tile[tile_level][index % AL_MERKLE_TILE_WIDTH] = *hash;
	nodes->count[tile_level] = index + 1;
	return (index + 1) % AL_MERKLE_TILE_WIDTH == 0 ? compare(nodes, tile_level)
		: AL_OK;
}

/* Compares the tiles that are not full. */
AlStatus
al_nodes_finish(AlNodes *nodes)
{
	AlStatus	status = AL_OK;

	for (unsigned level = 1; level <= AL_NODES_LEVELS && status == AL_OK;
		 level++)
		if (nodes->count[level] % AL_MERKLE_TILE_WIDTH != 0)
			status = compare(nodes, level);
	al_buf_free(&nodes->path);
	al_buf_free(&nodes->bytes);
	return status;
}
