/*
 * src/core/crypto_openssl.h
 *
 * OpenSSL, and what the files crypto_*.c share of it.  This is the only file
 * that includes it, and they are the only ones that include this.
 *
 * OpenSSL's error queue belongs to the process.  Each function of these files
 * clears it before it calls anything that may fail and reads it at once; the
 * digest functions only clear what they leave behind themselves, as they are
 * too short to pay for more.
 */
#ifndef AUDIT_LOG_CRYPTO_OPENSSL_H
#define AUDIT_LOG_CRYPTO_OPENSSL_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

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
