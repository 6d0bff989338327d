/*
 * src/core/crypto.h
 *
 * Digests, keys and signatures.  The files crypto_*.c are the only ones that
 * see OpenSSL; nothing of it shows here.
 *
 * Rules for callers:
 * - An object (AlSha256, AlKey, AlPublicKey) holds contexts that every call
 *   reuses, which is what makes it fast; so one thread at a time may use it.
 *   Different objects do not disturb each other.
 * - Objects live in malloc() memory and are released by their free function,
 *   which accepts NULL.  In a server they must be tied to something that is
 *   released on error as well.
 * - A signature that does not fit is AL_MISMATCH; bytes that cannot be a
 *   signature of that key at all (wrong length) are AL_INVALID.
 */
#ifndef AUDIT_LOG_CRYPTO_H
#define AUDIT_LOG_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "keyfile.h"
#include "status.h"

#define AL_SHA256_LEN 32
#define AL_ED25519_PUBLIC_LEN 32
#define AL_ED25519_SIGNATURE_LEN 64
#define AL_RSA_MIN_BITS 2048
#define AL_RSA_MAX_BITS 16384
#define AL_SIGNATURE_MAX (AL_RSA_MAX_BITS / 8)
#define AL_KEY_ID_LEN 32		/* hex characters, without the final NUL */
#define AL_ED25519_PEM_SIZE 120 /* a private key as PEM, final NUL included */

typedef struct AlSha256 AlSha256;
typedef struct AlKey AlKey;
typedef struct AlPublicKey AlPublicKey;

/* Digests */
extern AlStatus al_crypto_sha256(const void *data, size_t len,
								 uint8_t digest[AL_SHA256_LEN],
								 AlError *err);
extern AlStatus al_crypto_sha256_new(AlSha256 **sha, AlError *err);
extern AlStatus al_crypto_sha256_begin(AlSha256 *sha);
extern AlStatus al_crypto_sha256_update(AlSha256 *sha, const void *data,
										size_t len);
extern AlStatus al_crypto_sha256_end(AlSha256 *sha,
									 uint8_t digest[AL_SHA256_LEN]);
extern AlStatus al_crypto_sha256_one(AlSha256 *sha, const void *data,
									 size_t len,
									 uint8_t digest[AL_SHA256_LEN]);
extern AlStatus al_crypto_sha256_two(AlSha256 *sha, const void *first,
									 size_t first_len, const void *second,
									 size_t second_len,
									 uint8_t digest[AL_SHA256_LEN]);
extern void al_crypto_sha256_free(AlSha256 *sha);

/* Private keys */
extern AlStatus al_crypto_load_private_key(const char *pem, size_t len,
										   AlKey **key, AlError *err);
extern AlStatus al_crypto_load_ed25519_key(const char *pem, size_t len,
										   AlKey **key, AlError *err);
extern AlStatus al_crypto_generate_ed25519(AlKey **key, AlError *err);
extern AlStatus al_crypto_export_ed25519(const AlKey *key,
										 char pem[AL_ED25519_PEM_SIZE],
										 AlError *err);
extern AlStatus al_crypto_sign(AlKey *key, const void *data, size_t len,
							   uint8_t signature[AL_SIGNATURE_MAX],
							   size_t *signature_len, AlError *err);
extern AlPublicKey *al_crypto_public_half(AlKey *key);
extern void al_crypto_free_key(AlKey *key);

/* Public keys */
extern AlStatus al_crypto_load_public_key(const char *pem, size_t len,
										  AlPublicKey **key, AlError *err);
extern AlStatus al_crypto_load_spki(const void *der, size_t len,
									AlPublicKey **key, AlError *err);
extern AlStatus al_crypto_load_ed25519_public(const uint8_t
											  raw[AL_ED25519_PUBLIC_LEN],
											  AlPublicKey **key, AlError *err);
extern AlStatus al_crypto_verify(AlPublicKey *key, const void *data,
								 size_t len, const void *signature,
								 size_t signature_len, AlError *err);
extern AlKeyKind al_crypto_key_kind(const AlPublicKey *key);
extern const char *al_crypto_key_id(const AlPublicKey *key);
extern const uint8_t *al_crypto_spki(const AlPublicKey *key, size_t *len);
extern const uint8_t *al_crypto_ed25519_public(const AlPublicKey *key);
extern size_t al_crypto_signature_len(const AlPublicKey *key);
extern void al_crypto_export_public_pem(const AlPublicKey *key, AlBuf *pem);
extern void al_crypto_free_public_key(AlPublicKey *key);

/* Memory */
extern void al_crypto_cleanse(void *memory, size_t len);

#endif							/* AUDIT_LOG_CRYPTO_H */
