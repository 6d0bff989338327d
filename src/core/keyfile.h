/*
 * src/core/keyfile.h
 *
 * Reading key files: from PEM text to the numbers of a key, without any
 * cryptography.
 *
 * A file is read here and not by OpenSSL's PEM functions for three reasons:
 * they may ask a terminal for a passphrase, they leave decoded copies of a
 * private key in freed memory, and they cannot tell an operator what is
 * wrong with the file beyond "unsupported".
 */
#ifndef AUDIT_LOG_KEYFILE_H
#define AUDIT_LOG_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

typedef enum AlKeyKind
{
	AL_KEY_RSA = 1,
	AL_KEY_ED25519
} AlKeyKind;

/* Part of the memory that a key file was decoded to */
typedef struct AlKeyBytes
{
	const uint8_t *bytes;
	size_t		len;
} AlKeyBytes;

/* Order of the numbers in an RSAPrivateKey, RFC 8017 appendix A.1.2 */
typedef enum AlRsaPart
{
	AL_RSA_MODULUS,
	AL_RSA_PUBLIC_EXPONENT,
	AL_RSA_PRIVATE_EXPONENT,
	AL_RSA_PRIME1,
	AL_RSA_PRIME2,
	AL_RSA_EXPONENT1,
	AL_RSA_EXPONENT2,
	AL_RSA_COEFFICIENT,
	AL_RSA_PARTS
} AlRsaPart;

typedef struct AlKeyFile
{
	AlKeyKind	kind;
	AlKeyBytes	rsa[AL_RSA_PARTS];	/* big-endian, without leading zeros */
	AlKeyBytes	seed;			/* Ed25519 only, 32 bytes */
} AlKeyFile;

/* A public key file: the DER bytes and which of the two structures they are */
typedef struct AlPublicKeyFile
{
	AlKeyBytes	der;
	int			is_pkcs1;		/* RSAPublicKey, else SubjectPublicKeyInfo */
} AlPublicKeyFile;

extern AlStatus al_keyfile_read_private(const char *pem, size_t len,
										uint8_t *der, size_t cap,
										AlKeyFile *file, AlError *err);
extern AlStatus al_keyfile_read_public(const char *pem, size_t len,
									   uint8_t *der, size_t cap,
									   AlPublicKeyFile *file, AlError *err);

#endif							/* AUDIT_LOG_KEYFILE_H */
