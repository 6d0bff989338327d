/*
 * src/core/crypto_digest.c
 *
 * SHA-256 (FIPS 180-4).
 *
 * What OpenSSL charges for is looking things up by name, so the digest is
 * fetched once a process.  A ledger leaf takes six digests of little data,
 * though, and for each of them EVP of OpenSSL 3.0 allocates, wipes and frees
 * a state: as much time again as the hashing.  So SHA-256 goes to the
 * functions below EVP where OpenSSL has them and no FIPS provider is asked
 * for, and to EVP elsewhere.
 *
 * These functions stay in one file, so that the compiler can inline them into
 * each other.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init() and its kin */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crypto_openssl.h"

/* Bytes of a message that are copied to be hashed in one piece */
#define SHORT_MESSAGE 1024

struct AlSha256
{
	EVP_MD_CTX *ctx;			/* NULL: below EVP */
#ifndef OPENSSL_NO_DEPRECATED_3_0
	SHA256_CTX	state;
#endif
};

/*
 * A digest without a context of one's own; two to three times the time of
 * al_crypto_sha256_one() for short data.
 */
AlStatus
al_crypto_sha256(const void *data, size_t len, uint8_t digest[AL_SHA256_LEN],
				 AlError *err)
{
	const EVP_MD *md = al_crypto_sha256_md();

	ERR_clear_error();
	if (md == NULL || !EVP_Digest(data, len, digest, NULL, md, NULL))
		return al_crypto_failed(err, "could not compute a SHA-256 digest");
	return AL_OK;
}

/* Whether digests may go past EVP */
static bool
below_evp(void)
{
#ifndef OPENSSL_NO_DEPRECATED_3_0
	return !EVP_default_properties_is_fips_enabled(NULL);
#else
	return false;
#endif
}

AlStatus
al_crypto_sha256_new(AlSha256 **sha, AlError *err)
{
	AlSha256   *new_sha = calloc(1, sizeof(AlSha256));
	const EVP_MD *md;

	*sha = NULL;
	if (new_sha == NULL)
		return al_crypto_no_memory(err);
	ERR_clear_error();
	if (!below_evp())
	{
		md = al_crypto_sha256_md();
		new_sha->ctx = EVP_MD_CTX_new();
		if (md == NULL || new_sha->ctx == NULL ||
			!EVP_DigestInit_ex2(new_sha->ctx, md, NULL))
		{
			al_crypto_sha256_free(new_sha);
			return al_crypto_failed(err, "could not prepare SHA-256");
		}
	}
	*sha = new_sha;
	return AL_OK;
}

static AlStatus
digest_done(int success)
{
	if (success)
		return AL_OK;
	ERR_clear_error();
	return AL_FAILED;
}

/* Starts a digest; one that was begun and not ended is forgotten. */
AlStatus
al_crypto_sha256_begin(AlSha256 *sha)
{
#ifndef OPENSSL_NO_DEPRECATED_3_0
	if (sha->ctx == NULL)
		return digest_done(SHA256_Init(&sha->state));
#endif
	return digest_done(EVP_DigestInit_ex2(sha->ctx, NULL, NULL));
}

AlStatus
al_crypto_sha256_update(AlSha256 *sha, const void *data, size_t len)
{
#ifndef OPENSSL_NO_DEPRECATED_3_0
	if (sha->ctx == NULL)
		return digest_done(SHA256_Update(&sha->state, data, len));
#endif
	return digest_done(EVP_DigestUpdate(sha->ctx, data, len));
}

/* Ends a digest; the next needs al_crypto_sha256_begin() first. */
AlStatus
al_crypto_sha256_end(AlSha256 *sha, uint8_t digest[AL_SHA256_LEN])
{
#ifndef OPENSSL_NO_DEPRECATED_3_0
	if (sha->ctx == NULL)
		return digest_done(SHA256_Final(digest, &sha->state));
#endif
	return digest_done(EVP_DigestFinal_ex(sha->ctx, digest, NULL));
}

AlStatus
al_crypto_sha256_one(AlSha256 *sha, const void *data, size_t len,
					 uint8_t digest[AL_SHA256_LEN])
{
	return al_crypto_sha256_two(sha, data, len, NULL, 0, digest);
}

#ifndef OPENSSL_NO_DEPRECATED_3_0
/*
 * A message of at most SHORT_MESSAGE bytes goes to OpenSSL padded as FIPS
 * 180-4 section 5.1.1 says, so that all of it is whole blocks.  A leaf of the
 * ledger is six digests of one to nine blocks, in which copying and wiping
 * what is left of a block took 2,000 instructions, and takes 1,200 like this.
 */
static AlStatus
digest_short(AlSha256 *sha, const void *first, size_t first_len,
			 const void *second, size_t second_len,
			 uint8_t digest[AL_SHA256_LEN])
{
	uint8_t		message[SHORT_MESSAGE + 2 * SHA256_CBLOCK];
	size_t		len = first_len + second_len;
	size_t		padded = (len + 1 + 8 + SHA256_CBLOCK - 1) /
		SHA256_CBLOCK * SHA256_CBLOCK;

	if (first_len > 0)
		memcpy(message, first, first_len);
	if (second_len > 0)
		memcpy(message + first_len, second, second_len);
	message[len] = 0x80;
	memset(message + len + 1, 0, SHA256_CBLOCK + 8);
	al_store_be32(message + padded - 4, (uint32_t) len * 8);
	if (!SHA256_Init(&sha->state) ||
		!SHA256_Update(&sha->state, message, padded))
		return digest_done(0);
	for (int i = 0; i < AL_SHA256_LEN / 4; i++)
		al_store_be32(digest + 4 * i, sha->state.h[i]);
	return AL_OK;
}
#endif

/* Digest of two byte strings, one after the other. */
AlStatus
al_crypto_sha256_two(AlSha256 *sha, const void *first, size_t first_len,
					 const void *second, size_t second_len,
					 uint8_t digest[AL_SHA256_LEN])
{
	AlStatus	status;

#ifndef OPENSSL_NO_DEPRECATED_3_0
	if (sha->ctx == NULL && first_len <= SHORT_MESSAGE &&
		second_len <= SHORT_MESSAGE - first_len)
		return digest_short(sha, first, first_len, second, second_len,
							digest);
#endif
	status = al_crypto_sha256_begin(sha);
	if (status == AL_OK)
		status = al_crypto_sha256_update(sha, first, first_len);
	if (status == AL_OK && second_len > 0)
		status = al_crypto_sha256_update(sha, second, second_len);
	if (status == AL_OK)
		status = al_crypto_sha256_end(sha, digest);
	return status;
}

void
al_crypto_sha256_free(AlSha256 *sha)
{
	if (sha == NULL)
		return;
	EVP_MD_CTX_free(sha->ctx);
	free(sha);
}
