/*
 * test/unit/test_merkle.c
 *
 * The Merkle tree against the definitions of RFC 6962 written down naively,
 * and the entry of a record against the openssl command line.
 */
#include <stdlib.h>

#include "base64.h"
#include "merkle.h"
#include "tap.h"

#define SMALL 64				/* every pair of sizes up to this */
#define LARGE 66000				/* two levels of stored nodes, and more */

static AlSha256 *sha;

/* A tree as the database stores it: leaf hashes and the levels 8 and 16 */
typedef struct Stored
{
	uint64_t	size;			/* leaves */
	AlHash	   *levels[3];
	uint64_t	counts[3];
	uint64_t	visible;		/* size of the tree that may be read */
	int			misuse;			/* what was asked for against the rules */
} Stored;

static AlStatus
store_node(void *arg, unsigned level, uint64_t index, const AlHash *hash)
{
	Stored	   *stored = arg;
	unsigned	l = level / AL_MERKLE_TILE_HEIGHT;

	if (level % AL_MERKLE_TILE_HEIGHT != 0 || l == 0 || l > 2 ||
		index != stored->counts[l])
		stored->misuse++;
	else
		stored->levels[l][stored->counts[l]++] = *hash;
	return AL_OK;
}

static AlStatus
fetch(void *arg, unsigned level, uint64_t first, unsigned count,
	  AlHash *hashes, AlError *err)
{
	Stored	   *stored = arg;

	(void) err;
	if (level % AL_MERKLE_TILE_HEIGHT != 0 || level > 16 || count == 0 ||
		count > 128 || first / AL_MERKLE_TILE_WIDTH !=
		(first + count - 1) / AL_MERKLE_TILE_WIDTH ||
		(first + count) << level > stored->visible)
	{
		stored->misuse++;
		memset(hashes, 0, count * sizeof(AlHash));
		return AL_OK;
	}
	memcpy(hashes, stored->levels[level / AL_MERKLE_TILE_HEIGHT] + first,
		   count * sizeof(AlHash));
	return AL_OK;
}

static AlStatus
fetch_fails(void *arg, unsigned level, uint64_t first, unsigned count,
			AlHash *hashes, AlError *err)
{
	(void) arg;
	(void) level;
	(void) first;
	(void) count;
	(void) hashes;
	return al_status_fail(err, AL_FAILED, "the bundle is gone");
}

static void
make_leaf(uint64_t index, AlHash *leaf)
{
	AlHash		entry;

	al_crypto_sha256_one(sha, &index, sizeof(index), entry.bytes);
	al_merkle_leaf(sha, &entry, sizeof(entry), leaf);
}

/* RFC 6962 section 2.1, word by word, but on leaf hashes */
static uint64_t
naive_split(uint64_t n)
{
	uint64_t	k = 1;

	while (k * 2 < n)
		k *= 2;
	return k;
}

static void
naive_root(const AlHash *d, uint64_t n, AlHash *root)
{
	uint8_t		text[65];
	uint64_t	k;
	AlHash		left;
	AlHash		right;

	if (n == 0)
	{
		al_crypto_sha256("", 0, root->bytes, NULL);
		return;
	}
	if (n == 1)
	{
		*root = d[0];
		return;
	}
	k = naive_split(n);
	naive_root(d, k, &left);
	naive_root(d + k, n - k, &right);
	text[0] = 1;
	memcpy(text + 1, &left, 32);
	memcpy(text + 33, &right, 32);
	al_crypto_sha256(text, 65, root->bytes, NULL);
}

static void
naive_path(uint64_t m, const AlHash *d, uint64_t n, AlMerkleProof *proof)
{
	uint64_t	k;

	if (n == 1)
		return;
	k = naive_split(n);
	if (m < k)
	{
		naive_path(m, d, k, proof);
		naive_root(d + k, n - k, &proof->hashes[proof->count++]);
	}
	else
	{
		naive_path(m - k, d + k, n - k, proof);
		naive_root(d, k, &proof->hashes[proof->count++]);
	}
}

static void
naive_subproof(uint64_t m, const AlHash *d, uint64_t n, bool whole,
			   AlMerkleProof *proof)
{
	uint64_t	k;

	if (m == n)
	{
		if (!whole)
			naive_root(d, n, &proof->hashes[proof->count++]);
		return;
	}
	k = naive_split(n);
	if (m <= k)
	{
		naive_subproof(m, d, k, whole, proof);
		naive_root(d + k, n - k, &proof->hashes[proof->count++]);
	}
	else
	{
		naive_subproof(m - k, d + k, n - k, false, proof);
		naive_root(d, k, &proof->hashes[proof->count++]);
	}
}

static bool
same_proof(const AlMerkleProof *a, const AlMerkleProof *b)
{
	return a->count == b->count &&
		memcmp(a->hashes, b->hashes,
			   (size_t) a->count * sizeof(AlHash)) == 0;
}

static bool
same_hash(const AlHash *a, const AlHash *b)
{
	return memcmp(a, b, sizeof(AlHash)) == 0;
}

static AlStatus
check_inclusion(uint64_t index, uint64_t size, const AlHash *leaf,
				const AlMerkleProof *proof, const AlHash *root)
{
	return al_merkle_verify_inclusion(sha, index, size, leaf, proof->hashes,
									  (size_t) proof->count, root, NULL);
}

static AlStatus
check_consistency(uint64_t m, uint64_t n, const AlHash *old_root,
				  const AlHash *root, const AlMerkleProof *proof)
{
	return al_merkle_verify_consistency(sha, m, n, old_root, root,
										proof->hashes, (size_t) proof->count,
										NULL);
}

static void
test_known_roots(void)
{
	/* The leaves and roots that Certificate Transparency tests with */
	static const struct
	{
		const char *leaf;
		size_t		len;
		const char *root;
	}			steps[] = {
		{"", 0, "6e340b9cffb37a989ca544e6bb780a2c"
		"78901d3fb33738768511a30617afa01d"},
		{"\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9d"
		"baf70ad9e621f4bd8d98662f00e3c125"},
		{"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264"
		"db0fa9b51af5e0ba159158f329e06e77"},
		{"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398f"
		"a2a2cf9b4ff0fdfe8b30cd95209614b7"},
		{"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3"
		"bca12c9aefca1612bfce4c13a86264d4"},
		{"\x40\x41\x42\x43", 4, "76e67dadbcdf1e10e1b74ddc608abd2f"
		"98dfb16fbce75277b5232a127f2087ef"},
		{"\x50\x51\x52\x53\x54\x55\x56\x57", 8,
			"ddb89be403809e325750d3d263cd7892"
		"9c2942b7942a34b77e122c9594a74c8c"},
		{"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
			16, "5dc9da79a70659a9ad559cb701ded9a2"
		"ab9d823aad2f4960cfe370eff4604328"},
	};
	AlFrontier	frontier = {0};
	AlHash		hash;
	char		digits[65];
	size_t		i;
	size_t		b;

	al_merkle_root(sha, &frontier, &hash);
	for (b = 0; b < 32; b++)
		sprintf(digits + 2 * b, "%02x", hash.bytes[b]);
	tap_ok(strcmp(digits, "e3b0c44298fc1c149afbf4c8996fb924"
				  "27ae41e4649b934ca495991b7852b855") == 0,
		   "the root of the empty tree");
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		al_merkle_leaf(sha, steps[i].leaf, steps[i].len, &hash);
		al_merkle_append(sha, &frontier, &hash, NULL, NULL);
		al_merkle_root(sha, &frontier, &hash);
		for (b = 0; b < 32; b++)
			sprintf(digits + 2 * b, "%02x", hash.bytes[b]);
		tap_ok(strcmp(digits, steps[i].root) == 0, "the root of %zu leaves",
			   i + 1);
	}
}

static void
test_every_inclusion(Stored *stored, const AlHash *roots)
{
	bool		equal = true;
	bool		verifies = true;
	bool		damage = true;
	bool		length = true;
	uint64_t	m;
	uint64_t	n;

	for (n = 1; n <= SMALL; n++)
		for (m = 0; m < n; m++)
		{
			AlMerkleProof want = {0};
			AlMerkleProof proof;
			const AlHash *leaf = &stored->levels[0][m];
			AlHash		other = *leaf;
			int			i;

			stored->visible = n;
			naive_path(m, stored->levels[0], n, &want);
			if (al_merkle_prove_inclusion(sha, m, n, fetch, stored, &proof,
										  NULL) != AL_OK ||
				!same_proof(&proof, &want))
				equal = false;
			if (check_inclusion(m, n, leaf, &proof, &roots[n]) != AL_OK)
				verifies = false;
			for (i = 0; i < proof.count * AL_SHA256_LEN; i++)
			{
				((uint8_t *) proof.hashes)[i] ^= 0x40;
				if (check_inclusion(m, n, leaf, &proof, &roots[n]) !=
					AL_MISMATCH)
					damage = false;
				((uint8_t *) proof.hashes)[i] ^= 0x40;
			}
			other.bytes[31] ^= 1;
			if (check_inclusion(m, n, &other, &proof, &roots[n]) !=
				AL_MISMATCH)
				damage = false;
			proof.count++;
			proof.hashes[proof.count - 1] = roots[n];
			if (check_inclusion(m, n, leaf, &proof, &roots[n]) != AL_INVALID)
				length = false;
			proof.count -= 2;
			if (proof.count >= 0 &&
				check_inclusion(m, n, leaf, &proof, &roots[n]) != AL_INVALID)
				length = false;
		}
	tap_ok(equal, "inclusion proofs are those of RFC 6962");
	tap_ok(verifies, "they verify");
	tap_ok(damage, "not with any byte changed, nor for another leaf");
	tap_ok(length, "not with a hash more or less");
}

/* Positions and sizes are part of what is proved. */
static void
test_inclusion_position(Stored *stored, const AlHash *roots)
{
	bool		good = true;
	uint64_t	m;
	uint64_t	n;
	uint64_t	other;

	for (n = 1; n <= SMALL; n++)
		for (m = 0; m < n; m++)
		{
			AlMerkleProof proof;

			stored->visible = n;
			al_merkle_prove_inclusion(sha, m, n, fetch, stored, &proof, NULL);
			for (other = 0; other <= SMALL + 1; other++)
			{
				if (other != m &&
					check_inclusion(other, n, &stored->levels[0][m], &proof,
									&roots[n]) == AL_OK)
					good = false;
				if (other != n && other <= SMALL &&
					check_inclusion(m, other, &stored->levels[0][m], &proof,
									&roots[other]) == AL_OK)
					good = false;
			}
		}
	tap_ok(good, "no inclusion proof holds for another index or size");
}

static void
test_every_consistency(Stored *stored, const AlHash *roots)
{
	bool		equal = true;
	bool		verifies = true;
	bool		damage = true;
	bool		length = true;
	uint64_t	m;
	uint64_t	n;

	for (n = 0; n <= SMALL; n++)
		for (m = 0; m <= n; m++)
		{
			AlMerkleProof want = {0};
			AlMerkleProof proof;
			AlHash		wrong = roots[m];
			int			i;

			stored->visible = n;
			if (m > 0)
				naive_subproof(m, stored->levels[0], n, true, &want);
			if (al_merkle_prove_consistency(sha, m, n, fetch, stored, &proof,
											NULL) != AL_OK ||
				!same_proof(&proof, &want))
				equal = false;
			if (check_consistency(m, n, &roots[m], &roots[n], &proof) !=
				AL_OK)
				verifies = false;
			for (i = 0; i < proof.count * AL_SHA256_LEN; i++)
			{
				((uint8_t *) proof.hashes)[i] ^= 0x40;
				if (check_consistency(m, n, &roots[m], &roots[n], &proof) !=
					AL_MISMATCH)
					damage = false;
				((uint8_t *) proof.hashes)[i] ^= 0x40;
			}
			wrong.bytes[7] ^= 1;
			if (check_consistency(m, n, &wrong, &roots[n], &proof) !=
				AL_MISMATCH)
				damage = false;
			if (m > 0 &&
				check_consistency(m, n, &roots[m], &wrong, &proof) !=
				AL_MISMATCH)
				damage = false;
			proof.count++;
			proof.hashes[proof.count - 1] = roots[n];
			if (check_consistency(m, n, &roots[m], &roots[n], &proof) !=
				AL_INVALID)
				length = false;
			proof.count -= 2;
			if (proof.count >= 0 &&
				check_consistency(m, n, &roots[m], &roots[n], &proof) !=
				AL_INVALID)
				length = false;
		}
	tap_ok(equal, "consistency proofs are those of RFC 6962");
	tap_ok(verifies, "they verify");
	tap_ok(damage, "not with any byte changed, nor other roots");
	tap_ok(length, "not with a hash more or less");
}

static void
test_large(Stored *stored, const AlHash *roots)
{
	static const uint64_t sizes[] = {
		1, 2, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 1000, 4095,
		4096, 32767, 32768, 32769, 65279, 65280, 65281, 65535, 65536, 65537,
		65791, 65792, 65793, LARGE};
	const int	n_sizes = sizeof(sizes) / sizeof(sizes[0]);
	bool		inclusion = true;
	bool		consistency = true;
	bool		restored = true;
	int			n;
	int			m;

	for (n = 0; n < n_sizes; n++)
	{
		AlFrontier	frontier;
		AlFrontier	grown = {0};
		AlHash		root;
		uint64_t	i;

		stored->visible = sizes[n];
		al_merkle_restore(sha, sizes[n], fetch, stored, &frontier, NULL);
		for (i = 0; i < sizes[n]; i++)
			al_merkle_append(sha, &grown, &stored->levels[0][i], NULL, NULL);
		al_merkle_root(sha, &frontier, &root);
		if (!same_hash(&root, &roots[sizes[n]]) ||
			frontier.size != grown.size)
			restored = false;
		for (i = 0; i < AL_MERKLE_MAX_LEVELS; i++)
			if ((sizes[n] >> i & 1) != 0 &&
				!same_hash(&frontier.nodes[i], &grown.nodes[i]))
				restored = false;
		for (m = 0; m <= n; m++)
		{
			AlMerkleProof proof;

			if (al_merkle_prove_consistency(sha, sizes[m], sizes[n], fetch,
											stored, &proof, NULL) != AL_OK ||
				check_consistency(sizes[m], sizes[n], &roots[sizes[m]],
								  &roots[sizes[n]], &proof) != AL_OK)
				consistency = false;
			if (al_merkle_prove_inclusion(sha, sizes[m] - 1, sizes[n], fetch,
										  stored, &proof, NULL) != AL_OK ||
				check_inclusion(sizes[m] - 1, sizes[n],
								&stored->levels[0][sizes[m] - 1], &proof,
								&roots[sizes[n]]) != AL_OK)
				inclusion = false;
		}
	}
	tap_ok(restored, "a frontier is restored from the stored levels");
	tap_ok(inclusion, "inclusion proofs from the stored levels");
	tap_ok(consistency, "consistency proofs from the stored levels");
	tap_is_int(stored->misuse, 0, "only complete stored nodes are read");
}

static void
test_refusals(Stored *stored)
{
	AlMerkleProof proof = {0};
	AlFrontier	frontier;
	AlHash		hash = {{0}};
	AlError		err = {""};

	tap_ok(al_merkle_prove_inclusion(sha, 5, 5, fetch, stored, &proof,
									 &err) == AL_INVALID, "%s", err.reason);
	tap_ok(al_merkle_prove_inclusion(sha, 0, 0, fetch, stored, &proof,
									 NULL) == AL_INVALID,
		   "nothing is in the empty tree");
	tap_ok(al_merkle_verify_inclusion(sha, 0, 0, &hash, NULL, 0, &hash,
									  NULL) == AL_INVALID &&
		   al_merkle_verify_inclusion(sha, 0, UINT64_MAX, &hash, NULL, 0,
									  &hash, NULL) == AL_INVALID &&
		   al_merkle_verify_inclusion(sha, UINT64_MAX, UINT64_MAX, &hash,
									  NULL, 0, &hash, NULL) == AL_INVALID,
		   "absurd sizes are refused");
	tap_ok(al_merkle_prove_consistency(sha, 6, 5, fetch, stored, &proof,
									   &err) == AL_INVALID, "%s", err.reason);
	tap_ok(al_merkle_verify_consistency(sha, 6, 5, &hash, &hash, NULL, 0,
										NULL) == AL_INVALID &&
		   al_merkle_verify_consistency(sha, 3, 5, &hash, &hash, NULL, 0,
										NULL) == AL_INVALID &&
		   al_merkle_verify_consistency(sha, 4, UINT64_MAX, &hash, &hash,
										NULL, 0, NULL) == AL_INVALID,
		   "also for consistency");
	tap_ok(al_merkle_restore(sha, UINT64_MAX, fetch, stored, &frontier,
							 NULL) == AL_INVALID, "and for a frontier");
	memset(&frontier, 0, sizeof(frontier));
	frontier.size = AL_MERKLE_MAX_SIZE;
	tap_ok(al_merkle_append(sha, &frontier, &hash, NULL, NULL) == AL_INVALID,
		   "a full tree takes no leaf");
	tap_ok(al_merkle_prove_inclusion(sha, 1, 3, fetch_fails, NULL, &proof,
									 &err) == AL_FAILED &&
		   strcmp(err.reason, "the bundle is gone") == 0 &&
		   al_merkle_prove_consistency(sha, 1, 3, fetch_fails, NULL, &proof,
									   NULL) == AL_FAILED &&
		   al_merkle_restore(sha, 3, fetch_fails, NULL, &frontier, NULL) ==
		   AL_FAILED, "a failure to read is passed on");
}

/* The formula of the entry, written down in shell */
static void
test_entry(void)
{
	static const char command[] =
		"b64() { openssl dgst -sha256 -binary | openssl base64 -A; }; "
		"meta=$(printf %s '{\"id\":\"7\"}' | b64); "
		"data=$(printf %s 'saltsaltsaltsalt{\"a\":null}' | b64); "
		"inner=$(printf 'audit_log/inner/v1\\n%s\\n%s\\n' $meta $data | b64); "
		"echo $inner; for e in - 1767225600000000; do "
		"printf 'audit_log/record/v1\\n%s\\n%s\\n%s\\n' 7 $e $inner | b64; "
		"echo; done";
	static const char *const expires[] = {"-", "1767225600000000"};
	FILE	   *pipe = popen(command, "r");
	char		want[64];
	AlBuf		got = {0};
	char		longest[AL_MERKLE_FIELD_MAX + 1];
	AlHash		inner;
	AlHash		entry;
	int			i;

	al_merkle_inner(sha, "{\"id\":\"7\"}", 10,
					(const uint8_t *) "saltsaltsaltsalt", "{\"a\":null}", 10,
					&inner);
	al_base64_encode(&inner, sizeof(inner), &got);
	tap_ok(fgets(want, sizeof(want), pipe) != NULL && got.len == 44 &&
		   memcmp(got.data, want, 44) == 0, "inner hash as openssl has it");
	for (i = 0; i < 2; i++)
	{
		al_merkle_entry(sha, "7", 1, expires[i], strlen(expires[i]), &inner,
						&entry);
		al_buf_reset(&got);
		al_base64_encode(&entry, sizeof(entry), &got);
		tap_ok(fgets(want, sizeof(want), pipe) != NULL && got.len == 44 &&
			   memcmp(got.data, want, 44) == 0,
			   "entry as openssl has it, expire %s", expires[i]);
	}
	pclose(pipe);
	al_buf_free(&got);
	memset(longest, 'x', sizeof(longest));
	tap_ok(al_merkle_entry(sha, longest, AL_MERKLE_FIELD_MAX, longest,
						   AL_MERKLE_FIELD_MAX, &inner, &entry) == AL_OK &&
		   al_merkle_entry(sha, longest, AL_MERKLE_FIELD_MAX + 1, "-", 1,
						   &inner, &entry) == AL_INVALID,
		   "a field has a longest length");
	tap_ok(al_merkle_entry(sha, "7\n8", 3, "-", 1, &inner, &entry) ==
		   AL_INVALID &&
		   al_merkle_entry(sha, "", 0, "-", 1, &inner, &entry) == AL_INVALID &&
		   al_merkle_entry(sha, "7", 1, "", 0, &inner, &entry) ==
		   AL_INVALID &&
		   al_merkle_entry(sha, "7", 1, "1\n", 2, &inner, &entry) ==
		   AL_INVALID, "a field that would break the line is refused");
}

int
main(void)
{
	Stored		stored = {0};
	AlFrontier	frontier = {0};
	AlHash	   *roots = malloc((LARGE + 1) * sizeof(AlHash));
	AlHash		root;
	bool		good = true;
	uint64_t	i;

	if (al_crypto_sha256_new(&sha, NULL) != AL_OK || roots == NULL)
		return 1;
	stored.size = LARGE;
	stored.levels[0] = malloc(LARGE * sizeof(AlHash));
	stored.levels[1] = malloc((LARGE >> 8) * sizeof(AlHash));
	stored.levels[2] = malloc((LARGE >> 16) * sizeof(AlHash));
	al_merkle_root(sha, &frontier, &roots[0]);
	for (i = 0; i < LARGE; i++)
	{
		make_leaf(i, &stored.levels[0][i]);
		al_merkle_append(sha, &frontier, &stored.levels[0][i], store_node,
						 &stored);
		al_merkle_root(sha, &frontier, &roots[i + 1]);
	}
	test_known_roots();
	tap_ok(stored.misuse == 0 && stored.counts[1] == LARGE >> 8 &&
		   stored.counts[2] == LARGE >> 16,
		   "each node of the stored levels is emitted once");
	for (i = 0; i <= 600; i++)
	{
		naive_root(stored.levels[0], i, &root);
		good = good && same_hash(&root, &roots[i]);
	}
	naive_root(stored.levels[0], LARGE, &root);
	tap_ok(good && same_hash(&root, &roots[LARGE]),
		   "roots are those of RFC 6962");
	naive_root(stored.levels[0], 65536, &root);
	tap_ok(same_hash(&root, &stored.levels[2][0]), "so is a stored node");
	test_every_inclusion(&stored, roots);
	test_inclusion_position(&stored, roots);
	test_every_consistency(&stored, roots);
	test_large(&stored, roots);
	test_refusals(&stored);
	test_entry();
	al_crypto_sha256_free(sha);
	free(roots);
	for (i = 0; i < 3; i++)
		free(stored.levels[i]);
	return tap_done();
}
