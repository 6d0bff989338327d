/*
 * src/core/merkle.h
 *
 * The Merkle tree of RFC 6962 over the entries of the ledger, and the entry
 * of one record.
 *
 * An entry has 32 bytes; leaf and node hashes are told apart by a first byte
 * of 0x00 and 0x01.  A node is named by its level (0 = leaf hashes) and its
 * index from the left; node (l, i) covers the leaves from i * 2^l up to, not
 * including, (i + 1) * 2^l.
 *
 * Only the levels 0, 8, 16... are stored: one "tile" of 256 hashes has one
 * hash in the level above.  What lies between is computed again when it is
 * needed, by a callback that reads neighbours of one stored level.
 */
#ifndef AUDIT_LOG_MERKLE_H
#define AUDIT_LOG_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto.h"
#include "status.h"

#define AL_MERKLE_TILE_HEIGHT 8
#define AL_MERKLE_TILE_WIDTH 256
#define AL_MERKLE_MAX_SIZE ((uint64_t) INT64_MAX)
#define AL_MERKLE_MAX_LEVELS 63 /* bits of the largest size */
#define AL_MERKLE_MAX_PROOF 64	/* hashes of the longest proof */
#define AL_MERKLE_SALT_LEN 16
#define AL_MERKLE_FIELD_MAX 128 /* bytes of a record's id or expiry */

typedef struct AlHash
{
	uint8_t		bytes[AL_SHA256_LEN];
} AlHash;

/*
 * The right edge of a tree: enough to append to it and to know its root.
 * A zeroed one is the empty tree.
 */
typedef struct AlFrontier
{
	uint64_t	size;			/* leaves */
	AlHash		nodes[AL_MERKLE_MAX_LEVELS];	/* [l] is set when bit l of
												 * size is: the rightmost
												 * complete node of level l */
} AlFrontier;

typedef struct AlMerkleProof
{
	int			count;
	AlHash		hashes[AL_MERKLE_MAX_PROOF];	/* from the leaves upwards */
} AlMerkleProof;

/*
 * Is told each node of the levels 8, 16, 24... at the moment it is complete.
 */
typedef AlStatus (*AlMerkleEmit) (void *arg, unsigned level, uint64_t index,
								  const AlHash *hash);

/*
 * Reads count hashes of a stored level (a multiple of 8) from index first
 * on.  At most 128 are asked for at a time, all of them complete nodes and
 * all of one tile, and the tiles of a level one after the other, so that it
 * pays to keep the tile read last.
 */
typedef AlStatus (*AlMerkleFetch) (void *arg, unsigned level, uint64_t first,
								   unsigned count, AlHash *hashes,
								   AlError *err);

/* The entry of a record */
extern AlStatus al_merkle_inner(AlSha256 *sha, const void *meta,
								size_t meta_len,
								const uint8_t salt[AL_MERKLE_SALT_LEN],
								const void *data, size_t data_len,
								AlHash *inner);
extern AlStatus al_merkle_entry(AlSha256 *sha, const char *id, size_t id_len,
								const char *expire, size_t expire_len,
								const AlHash *inner, AlHash *entry);

/* Hashes of the tree */
extern AlStatus al_merkle_leaf(AlSha256 *sha, const void *entry,
							   size_t entry_len, AlHash *leaf);
extern AlStatus al_merkle_node(AlSha256 *sha, const AlHash *left,
							   const AlHash *right, AlHash *node);
extern AlStatus al_merkle_reduce(AlSha256 *sha, AlHash *hashes, size_t count,
								 AlHash *root);

/* Growing */
extern AlStatus al_merkle_append(AlSha256 *sha, AlFrontier *frontier,
								 const AlHash *leaf, AlMerkleEmit emit,
								 void *emit_arg);
extern AlStatus al_merkle_root(AlSha256 *sha, const AlFrontier *frontier,
							   AlHash *root);
extern AlStatus al_merkle_restore(AlSha256 *sha, uint64_t size,
								  AlMerkleFetch fetch, void *fetch_arg,
								  AlFrontier *frontier, AlError *err);

/* Proofs */
extern AlStatus al_merkle_prove_inclusion(AlSha256 *sha, uint64_t index,
										  uint64_t size, AlMerkleFetch fetch,
										  void *fetch_arg,
										  AlMerkleProof *proof, AlError *err);
extern AlStatus al_merkle_prove_consistency(AlSha256 *sha, uint64_t old_size,
											uint64_t size,
											AlMerkleFetch fetch,
											void *fetch_arg,
											AlMerkleProof *proof,
											AlError *err);
extern AlStatus al_merkle_verify_inclusion(AlSha256 *sha, uint64_t index,
										   uint64_t size, const AlHash *leaf,
										   const AlHash *proof, size_t count,
										   const AlHash *root, AlError *err);
extern AlStatus al_merkle_verify_consistency(AlSha256 *sha, uint64_t old_size,
											 uint64_t size,
											 const AlHash *old_root,
											 const AlHash *root,
											 const AlHash *proof,
											 size_t count, AlError *err);

#endif							/* AUDIT_LOG_MERKLE_H */
