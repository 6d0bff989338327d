/*
 * src/core/merkle_verify.c
 *
 * Verification of proofs: RFC 9162 sections 2.1.3.2 and 2.1.4.2.
 *
 * A proof is untrusted: its length is never used for more than a loop, and
 * sizes and indexes are checked before any arithmetic on them.
 */
#include <stdbool.h>
#include <string.h>

#include "merkle.h"

static AlStatus
no_digest(AlError *err, AlStatus status)
{
	return al_status_fail(err, status, "could not compute a SHA-256 digest");
}

/* Skips levels on which the last node of the tree has no sibling. */
static void
skip_lone(uint64_t *fn, uint64_t *sn)
{
	while ((*fn & 1) == 0 && *fn != 0)
	{
		*fn >>= 1;
		*sn >>= 1;
	}
}

static bool
same(const AlHash *one, const AlHash *other)
{
	return memcmp(one, other, sizeof(AlHash)) == 0;
}

static AlStatus
wrong_length(AlError *err)
{
	return al_status_fail(err, AL_INVALID,
						  "the proof has the wrong number of hashes");
}

/*
 * AL_OK only if leaf is the hash of leaf index in the tree of that size and
 * root.
 */
AlStatus
al_merkle_verify_inclusion(AlSha256 *sha, uint64_t index, uint64_t size,
						   const AlHash *leaf, const AlHash *proof,
						   size_t count, const AlHash *root, AlError *err)
{
	uint64_t	fn = index;
	uint64_t	sn = size - 1;
	AlHash		hash = *leaf;
	AlStatus	status;
	size_t		i;

	if (index >= size || size > AL_MERKLE_MAX_SIZE)
		return al_status_fail(err, AL_INVALID,
							  "the leaf is not in a tree of that size");
	for (i = 0; i < count; i++)
	{
		if (sn == 0)
			return wrong_length(err);
		if ((fn & 1) != 0 || fn == sn)
		{
			status = al_merkle_node(sha, &proof[i], &hash, &hash);
			skip_lone(&fn, &sn);
		}
		else
			status = al_merkle_node(sha, &hash, &proof[i], &hash);
		if (status != AL_OK)
			return no_digest(err, status);
		fn >>= 1;
		sn >>= 1;
	}
	if (sn != 0)
		return wrong_length(err);
	if (!same(&hash, root))
		return al_status_fail(err, AL_MISMATCH,
							  "the proof does not lead to the root");
	return AL_OK;
}

/* The cases that need no hash: RFC 9162 leaves the empty tree out. */
static AlStatus
verify_trivial(AlSha256 *sha, uint64_t old_size, const AlHash *old_root,
			   const AlHash *root, size_t count, AlError *err)
{
	AlHash		empty;
	AlStatus	status;

	if (count != 0)
		return wrong_length(err);
	if (old_size != 0)
		return same(old_root, root) ? AL_OK
			: al_status_fail(err, AL_MISMATCH,
							 "trees of one size have different roots");
	status = al_merkle_reduce(sha, NULL, 0, &empty);
	if (status != AL_OK)
		return no_digest(err, status);
	return same(old_root, &empty) ? AL_OK
		: al_status_fail(err, AL_MISMATCH,
						 "the root of the empty tree is wrong");
}

/*
 * AL_OK only if the tree of old_size and old_root is the beginning of the
 * one of size and root.
 */
AlStatus
al_merkle_verify_consistency(AlSha256 *sha, uint64_t old_size, uint64_t size,
							 const AlHash *old_root, const AlHash *root,
							 const AlHash *proof, size_t count, AlError *err)
{
	uint64_t	fn = old_size - 1;
	uint64_t	sn = size - 1;
	AlHash		old_hash;
	AlHash		hash;
	AlStatus	status = AL_OK;
	size_t		i = 0;

	if (old_size > size || size > AL_MERKLE_MAX_SIZE)
		return al_status_fail(err, AL_INVALID,
							  "the old tree is larger than the new one");
	if (old_size == size && size == 0 && !same(old_root, root))
		return al_status_fail(err, AL_MISMATCH,
							  "trees of one size have different roots");
	if (old_size == 0 || old_size == size)
		return verify_trivial(sha, old_size, old_root, root, count, err);
	if (count == 0)
		return wrong_length(err);
	while ((fn & 1) != 0)
	{
		fn >>= 1;
		sn >>= 1;
	}
	/* An old tree that is itself a node is not repeated in the proof. */
	old_hash = fn == 0 ? *old_root : proof[i++];
	hash = old_hash;
	for (; i < count; i++)
	{
		if (sn == 0)
			return wrong_length(err);
		if ((fn & 1) != 0 || fn == sn)
		{
			status = al_merkle_node(sha, &proof[i], &old_hash, &old_hash);
			if (status == AL_OK)
				status = al_merkle_node(sha, &proof[i], &hash, &hash);
			skip_lone(&fn, &sn);
		}
		else
			status = al_merkle_node(sha, &hash, &proof[i], &hash);
		if (status != AL_OK)
			return no_digest(err, status);
		fn >>= 1;
		sn >>= 1;
	}
	if (sn != 0)
		return wrong_length(err);
	if (!same(&old_hash, old_root))
		return al_status_fail(err, AL_MISMATCH,
							  "the proof does not lead to the old root");
	if (!same(&hash, root))
		return al_status_fail(err, AL_MISMATCH,
							  "the proof does not lead to the root");
	return AL_OK;
}
