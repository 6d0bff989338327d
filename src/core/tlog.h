/*
 * src/core/tlog.h
 *
 * The texts of a transparency log: checkpoints, paths of tiles, and proofs
 * that verify offline.  What is signed in them, and how, is note.h's.
 *
 * Nothing here checks a signature or a proof; a parsed text says what it
 * claims, no more.
 */
#ifndef AUDIT_LOG_TLOG_H
#define AUDIT_LOG_TLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "merkle.h"
#include "status.h"

#define AL_TLOG_MAX_TILE_LEVEL 63

typedef struct AlCheckpoint
{
	const char *origin;			/* points into the text */
	size_t		origin_len;
	uint64_t	size;			/* leaves */
	AlHash		root;
} AlCheckpoint;

typedef struct AlTile
{
	bool		entries;		/* a bundle of entries instead of hashes */
	unsigned	level;			/* 0 for entries; 1 is tree level 8, ... */
	uint64_t	index;
	unsigned	width;			/* 1..256, 256 = full */
} AlTile;

typedef struct AlTlogProof
{
	uint64_t	index;
	AlMerkleProof proof;
	const char *extra;			/* base64, not authenticated; NULL = none */
	size_t		extra_len;
	const char *checkpoint;		/* the signed note; points into the text */
	size_t		checkpoint_len;
} AlTlogProof;

extern AlStatus al_tlog_check_origin(const char *origin, size_t len,
									 AlError *err);
extern AlStatus al_tlog_format_checkpoint(const char *origin, uint64_t size,
										  const AlHash *root, AlBuf *out,
										  AlError *err);
extern AlStatus al_tlog_parse_checkpoint(const char *text, size_t len,
										 AlCheckpoint *checkpoint,
										 AlError *err);
extern AlStatus al_tlog_format_tile_path(const AlTile *tile, AlBuf *out,
										 AlError *err);
extern AlStatus al_tlog_parse_tile_path(const char *path, size_t len,
										AlTile *tile, AlError *err);
extern AlStatus al_tlog_format_proof(uint64_t index,
									 const AlMerkleProof *proof,
									 const void *extra, size_t extra_len,
									 const char *checkpoint,
									 size_t checkpoint_len, AlBuf *out,
									 AlError *err);
extern AlStatus al_tlog_parse_proof(const char *text, size_t len,
									AlTlogProof *parsed, AlError *err);

#endif							/* AUDIT_LOG_TLOG_H */
