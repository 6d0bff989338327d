/*
 * src/core/crypto_openssl.h
 *
 * What the files crypto_*.c share, and nobody else includes: they alone know
 * OpenSSL.
 *
 * OpenSSL's error queue belongs to the process.  Each function of these files
 * clears it before it calls anything that may fail and reads it at once; the
 * digest functions only clear what they leave behind themselves, as they are
 * too short to pay for more.
 */
#ifndef AUDIT_LOG_CRYPTO_OPENSSL_H
#define AUDIT_LOG_CRYPTO_OPENSSL_H

#include <openssl/evp.h>

#include "crypto.h"

struct AlPublicKey
{
	AlKeyKind	kind;
	EVP_PKEY   *pkey;
	EVP_PKEY_CTX *verify;		/* RSA only, initialised for verifying */
	EVP_MD_CTX *md_ctx;			/* Ed25519 only */
	AlSha256   *sha;			/* RSA only: digest of the signed data */
	size_t		signature_len;
	uint8_t    *spki;			/* DER; from malloc() */
	size_t		spki_len;
	uint8_t		raw[AL_ED25519_PUBLIC_LEN]; /* Ed25519 only */
	char		id[AL_KEY_ID_LEN + 1];
};

extern const EVP_MD *al_crypto_sha256_md(void);
extern AlStatus al_crypto_use_pkcs1(EVP_PKEY_CTX *ctx, AlError *err);
extern AlStatus al_crypto_failed(AlError *err, const char *what);
extern AlStatus al_crypto_no_memory(AlError *err);

#endif							/* AUDIT_LOG_CRYPTO_OPENSSL_H */
