/*
 * src/core/merkle.c
 *
 * The ledger's Merkle tree; see merkle.h for names and levels.
 *
 * Tree and proofs: RFC 6962 section 2.1; merkle_verify.c verifies proofs.
 *
 * The entry of a record, format 1, which cannot change without a new name in
 * its first line:
 *
 *   inner = SHA-256("audit_log/inner/v1\n"
 *                   base64(SHA-256(meta)) "\n"
 *                   base64(SHA-256(salt || data)) "\n")
 *   entry = SHA-256("audit_log/record/v1\n" id "\n" expire "\n"
 *                   base64(inner) "\n")
 *
 * meta and data are canonical JSON made elsewhere, expire is microseconds or
 * "-".  No field may hold a newline, so that two different records never
 * give the same text.  The salt keeps the data of a purged record from being
 * guessed through its inner hash, which stays.
 *
 * Nothing here allocates memory, and nothing recurses.
 */
#include <stdbool.h>
#include <string.h>

#include "base64.h"
#include "merkle.h"

#define AL_INNER_HEAD "audit_log/inner/v1\n"
#define AL_ENTRY_HEAD "audit_log/record/v1\n"

/* Characters of a hash in base64 */
#define AL_HASH_TEXT_LEN AL_BASE64_ENCODED_LEN(AL_SHA256_LEN)

/* What a walk over the stored levels needs */
typedef struct Reader
{
	AlSha256   *sha;
	AlMerkleFetch fetch;
	void	   *arg;
	AlError    *err;
} Reader;

/* Appends a hash as a line of base64; returns the end. */
static char *
put_hash_line(char *pos, const AlHash *hash)
{
	pos += al_base64_encode_to(hash->bytes, sizeof(hash->bytes), pos);
	*pos++ = '\n';
	return pos;
}

AlStatus
al_merkle_inner(AlSha256 *sha, const void *meta, size_t meta_len,
				const uint8_t salt[AL_MERKLE_SALT_LEN], const void *data,
				size_t data_len, AlHash *inner)
{
	char		text[sizeof(AL_INNER_HEAD) - 1 + 2 * (AL_HASH_TEXT_LEN + 1)];
	char	   *pos = text + sizeof(AL_INNER_HEAD) - 1;
	AlHash		meta_hash;
	AlHash		data_hash;
	AlStatus	status;

	status = al_crypto_sha256_one(sha, meta, meta_len, meta_hash.bytes);
	if (status == AL_OK)
		status = al_crypto_sha256_two(sha, salt, AL_MERKLE_SALT_LEN, data,
									  data_len, data_hash.bytes);
	if (status != AL_OK)
		return status;
	memcpy(text, AL_INNER_HEAD, sizeof(AL_INNER_HEAD) - 1);
	pos = put_hash_line(pos, &meta_hash);
	pos = put_hash_line(pos, &data_hash);
	return al_crypto_sha256_one(sha, text, (size_t) (pos - text),
								inner->bytes);
}

/* Appends a field and its newline; NULL if it would not stay on its line. */
static char *
put_line(char *pos, const char *text, size_t len)
{
	if (len == 0 || len > AL_MERKLE_FIELD_MAX ||
		memchr(text, '\n', len) != NULL)
		return NULL;
	memcpy(pos, text, len);
	pos[len] = '\n';
	return pos + len + 1;
}

/*
 * expire is the record's expiry in microseconds since the epoch, as text, or
 * "-".  AL_INVALID if a field is empty, holds a newline or is longer than
 * AL_MERKLE_FIELD_MAX.
 */
AlStatus
al_merkle_entry(AlSha256 *sha, const char *id, size_t id_len,
				const char *expire, size_t expire_len, const AlHash *inner,
				AlHash *entry)
{
	char		text[sizeof(AL_ENTRY_HEAD) - 1 +
					 2 * (AL_MERKLE_FIELD_MAX + 1) + AL_HASH_TEXT_LEN + 1];
	char	   *pos = text + sizeof(AL_ENTRY_HEAD) - 1;

	memcpy(text, AL_ENTRY_HEAD, sizeof(AL_ENTRY_HEAD) - 1);
	pos = put_line(pos, id, id_len);
	if (pos != NULL)
		pos = put_line(pos, expire, expire_len);
	if (pos == NULL)
		return AL_INVALID;
	pos = put_hash_line(pos, inner);
	return al_crypto_sha256_one(sha, text, (size_t) (pos - text),
								entry->bytes);
}

/* Entries of records have 32 bytes; other trees may have others. */
AlStatus
al_merkle_leaf(AlSha256 *sha, const void *entry, size_t entry_len,
			   AlHash *leaf)
{
	return al_crypto_sha256_two(sha, "\0", 1, entry, entry_len, leaf->bytes);
}

/* node may be one of the two children. */
AlStatus
al_merkle_node(AlSha256 *sha, const AlHash *left, const AlHash *right,
			   AlHash *node)
{
	uint8_t		both[1 + 2 * sizeof(AlHash)];

	both[0] = 0x01;
	memcpy(both + 1, left, sizeof(AlHash));
	memcpy(both + 1 + sizeof(AlHash), right, sizeof(AlHash));
	return al_crypto_sha256_one(sha, both, sizeof(both), node->bytes);
}

/*
 * Root over count neighbouring nodes of one level, which it overwrites.  An
 * odd one at the end moves up as it is; that is the same tree as RFC 6962's
 * split at the largest power of two.
 */
AlStatus
al_merkle_reduce(AlSha256 *sha, AlHash *hashes, size_t count, AlHash *root)
{
	AlStatus	status;
	size_t		i;

	if (count == 0)
		return al_crypto_sha256_one(sha, "", 0, root->bytes);
	while (count > 1)
	{
		for (i = 0; i + 1 < count; i += 2)
		{
			status = al_merkle_node(sha, &hashes[i], &hashes[i + 1],
									&hashes[i / 2]);
			if (status != AL_OK)
				return status;
		}
		if (i < count)
			hashes[i / 2] = hashes[i];
		count = (count + 1) / 2;
	}
	*root = hashes[0];
	return AL_OK;
}

/*
 * Appends a leaf hash.  emit, which may be NULL, is called before the leaf
 * counts; when it fails, the frontier is to be thrown away.
 */
AlStatus
al_merkle_append(AlSha256 *sha, AlFrontier *frontier, const AlHash *leaf,
				 AlMerkleEmit emit, void *emit_arg)
{
	AlHash		node = *leaf;
	unsigned	level = 0;
	AlStatus	status;

	if (frontier->size >= AL_MERKLE_MAX_SIZE)
		return AL_INVALID;
	while (frontier->size >> level & 1)
	{
		status = al_merkle_node(sha, &frontier->nodes[level], &node, &node);
		level++;
		if (status == AL_OK && emit != NULL &&
			level % AL_MERKLE_TILE_HEIGHT == 0)
			status = emit(emit_arg, level, frontier->size >> level, &node);
		if (status != AL_OK)
			return status;
	}
	frontier->nodes[level] = node;
	frontier->size++;
	return AL_OK;
}

AlStatus
al_merkle_root(AlSha256 *sha, const AlFrontier *frontier, AlHash *root)
{
	bool		started = false;
	unsigned	level;
	AlStatus	status;

	if (frontier->size == 0)
		return al_merkle_reduce(sha, NULL, 0, root);
	for (level = 0; level < AL_MERKLE_MAX_LEVELS; level++)
	{
		if ((frontier->size >> level & 1) == 0)
			continue;
		if (!started)
			*root = frontier->nodes[level];
		else
		{
			status = al_merkle_node(sha, &frontier->nodes[level], root, root);
			if (status != AL_OK)
				return status;
		}
		started = true;
	}
	return AL_OK;
}

static AlStatus
no_digest(AlError *err, AlStatus status)
{
	return al_status_fail(err, status, "could not compute a SHA-256 digest");
}

/* A complete node of any level, from the stored level below it */
static AlStatus
read_node(const Reader *reader, unsigned level, uint64_t index, AlHash *node)
{
	AlHash		hashes[AL_MERKLE_TILE_WIDTH / 2];
	unsigned	above = level % AL_MERKLE_TILE_HEIGHT;
	unsigned	count = 1U << above;
	AlStatus	status;

	status = reader->fetch(reader->arg, level - above, index << above, count,
						   hashes, reader->err);
	if (status != AL_OK)
		return status;
	status = al_merkle_reduce(reader->sha, hashes, count, node);
	return status == AL_OK ? AL_OK : no_digest(reader->err, status);
}

/* Level of the largest complete node that fits into count leaves, count > 0 */
static unsigned
top_level(uint64_t count)
{
	unsigned	level = 0;

	while (count >> level > 1)
		level++;
	return level;
}

/*
 * Root over the leaves [first, end), where first is the left edge of a
 * subtree of the tree that ends at end.
 */
static AlStatus
read_range(const Reader *reader, uint64_t first, uint64_t end, AlHash *root)
{
	uint64_t	count = end - first;
	bool		started = false;
	unsigned	level;
	AlStatus	status = AL_OK;

	for (level = 0; count >> level != 0 && status == AL_OK; level++)
	{
		AlHash		node;

		if ((count >> level & 1) == 0)
			continue;
		/* The rightmost node of this level that is not read yet */
		end -= (uint64_t) 1 << level;
		status = read_node(reader, level, end >> level, &node);
		if (status != AL_OK)
			return status;
		if (started)
			status = al_merkle_node(reader->sha, &node, root, root);
		else
			*root = node;
		started = true;
	}
	return status == AL_OK ? AL_OK : no_digest(reader->err, status);
}

/* The frontier of a tree whose stored levels can be read */
AlStatus
al_merkle_restore(AlSha256 *sha, uint64_t size, AlMerkleFetch fetch,
				  void *fetch_arg, AlFrontier *frontier, AlError *err)
{
	Reader		reader = {sha, fetch, fetch_arg, err};
	unsigned	level;
	AlStatus	status;

	memset(frontier, 0, sizeof(*frontier));
	if (size > AL_MERKLE_MAX_SIZE)
		return al_status_fail(err, AL_INVALID, "the tree size is too large");
	for (level = 0; level < AL_MERKLE_MAX_LEVELS; level++)
	{
		if ((size >> level & 1) == 0)
			continue;
		status = read_node(&reader, level, (size >> level) - 1,
						   &frontier->nodes[level]);
		if (status != AL_OK)
			return status;
	}
	frontier->size = size;
	return AL_OK;
}

/*
 * The walks below go down from the root, so they meet the hashes of a proof
 * from its end.
 */
static void
reverse(AlMerkleProof *proof)
{
	int			i;

	for (i = 0; i < proof->count / 2; i++)
	{
		AlHash	   *low = &proof->hashes[i];
		AlHash	   *high = &proof->hashes[proof->count - 1 - i];
		AlHash		swap = *low;

		*low = *high;
		*high = swap;
	}
}

/* Where RFC 6962 divides count leaves: the largest power of two below count */
static uint64_t
split(uint64_t count)
{
	return (uint64_t) 1 << top_level(count - 1);
}

static AlStatus
add_range(const Reader *reader, uint64_t first, uint64_t end,
		  AlMerkleProof *proof)
{
	return read_range(reader, first, end, &proof->hashes[proof->count++]);
}

/* Proves that leaf index is in the tree of the first size leaves. */
AlStatus
al_merkle_prove_inclusion(AlSha256 *sha, uint64_t index, uint64_t size,
						  AlMerkleFetch fetch, void *fetch_arg,
						  AlMerkleProof *proof, AlError *err)
{
	Reader		reader = {sha, fetch, fetch_arg, err};
	uint64_t	first = 0;
	uint64_t	end = size;
	AlStatus	status;

	proof->count = 0;
	if (size > AL_MERKLE_MAX_SIZE)
		return al_status_fail(err, AL_INVALID, "the tree size is too large");
	if (index >= size)
		return al_status_fail(err, AL_INVALID,
							  "the leaf is not in a tree of that size");
	while (end - first > 1)
	{
		uint64_t	middle = first + split(end - first);

		if (index < middle)
		{
			status = add_range(&reader, middle, end, proof);
			end = middle;
		}
		else
		{
			status = add_range(&reader, first, middle, proof);
			first = middle;
		}
		if (status != AL_OK)
			return status;
	}
	reverse(proof);
	return AL_OK;
}

/*
 * Proves that the tree of the first old_size leaves is the beginning of the
 * tree of the first size leaves.  From the empty tree, and between equal
 * sizes, the proof is empty.
 */
AlStatus
al_merkle_prove_consistency(AlSha256 *sha, uint64_t old_size, uint64_t size,
							AlMerkleFetch fetch, void *fetch_arg,
							AlMerkleProof *proof, AlError *err)
{
	Reader		reader = {sha, fetch, fetch_arg, err};
	uint64_t	first = 0;
	uint64_t	end = size;
	AlStatus	status = AL_OK;

	proof->count = 0;
	if (size > AL_MERKLE_MAX_SIZE)
		return al_status_fail(err, AL_INVALID, "the tree size is too large");
	if (old_size > size)
		return al_status_fail(err, AL_INVALID,
							  "the old tree is larger than the new one");
	if (old_size == 0)
		return AL_OK;
	while (end != old_size && status == AL_OK)
	{
		uint64_t	middle = first + split(end - first);

		if (old_size <= middle)
		{
			status = add_range(&reader, middle, end, proof);
			end = middle;
		}
		else
		{
			status = add_range(&reader, first, middle, proof);
			first = middle;
		}
	}
	/* The old tree is itself a node: its root is known to the verifier. */
	if (status == AL_OK && first != 0)
		status = add_range(&reader, first, end, proof);
	if (status != AL_OK)
		return status;
	reverse(proof);
	return AL_OK;
}
