/*
 * src/core/crypto_public.c
 *
 * Public keys, and verifying signatures with them: RSASSA-PKCS1-v1_5 with
 * SHA-256 (RFC 8017 section 8.2) and Ed25519 (RFC 8032).
 *
 * Keys are SubjectPublicKeyInfo (RFC 5280).  The id of a key is the first 16
 * bytes of SHA-256 over it, in hex.  Each key keeps an initialised context,
 * because looking things up by name is what OpenSSL charges for.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "crypto_openssl.h"

/* Characters of base64 on one line of PEM, RFC 7468 section 2 */
#define AL_PEM_LINE 64

static AlStatus
set_spki(AlPublicKey *key, AlError *err)
{
	unsigned char *der = NULL;
	int			len = i2d_PUBKEY(key->pkey, &der);
	uint8_t		digest[AL_SHA256_LEN];
	AlStatus	status;
	int			i;

	if (len <= 0)
		return al_crypto_failed(err, "could not encode the public key");
	key->spki = malloc((size_t) len);
	if (key->spki == NULL)
	{
		OPENSSL_free(der);
		return al_crypto_no_memory(err);
	}
	memcpy(key->spki, der, (size_t) len);
	key->spki_len = (size_t) len;
	OPENSSL_free(der);
	status = al_crypto_sha256(key->spki, key->spki_len, digest, err);
	if (status != AL_OK)
		return status;
	for (i = 0; i < AL_KEY_ID_LEN / 2; i++)
		(void) snprintf(key->id + 2 * i, 3, "%02x", digest[i]);
	return AL_OK;
}

static AlStatus
check_rsa(EVP_PKEY *pkey, AlError *err)
{
	int			bits = EVP_PKEY_get_bits(pkey);
	BIGNUM	   *exponent = NULL;
	bool		sound;

	if (bits < AL_RSA_MIN_BITS)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the RSA key has %d bits, at least %d are "
							  "needed", bits, AL_RSA_MIN_BITS);
	if (bits > AL_RSA_MAX_BITS)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the RSA key has %d bits, at most %d are "
							  "supported", bits, AL_RSA_MAX_BITS);
	if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent))
		return al_crypto_failed(err, "could not read the RSA key");
	/* With exponent 1 anyone can sign: a signature is its own padding. */
	sound = BN_is_odd(exponent) && !BN_is_one(exponent);
	BN_free(exponent);
	if (!sound)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the RSA key has an unsafe public exponent");
	return AL_OK;
}

/* The parts of a public key that depend on its kind */
static AlStatus
prepare_public(AlPublicKey *key, AlError *err)
{
	AlStatus	status;
	size_t		len = AL_ED25519_PUBLIC_LEN;

	if (EVP_PKEY_is_a(key->pkey, "RSA"))
	{
		key->kind = AL_KEY_RSA;
		status = check_rsa(key->pkey, err);
		if (status == AL_OK)
			status = al_crypto_sha256_new(&key->sha, err);
		if (status != AL_OK)
			return status;
		key->signature_len = (size_t) EVP_PKEY_get_size(key->pkey);
		key->verify = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
		if (key->verify == NULL || EVP_PKEY_verify_init(key->verify) <= 0)
			return al_crypto_failed(err, "could not prepare verification");
		return al_crypto_use_pkcs1(key->verify, err);
	}
	if (EVP_PKEY_is_a(key->pkey, "ED25519"))
	{
		key->kind = AL_KEY_ED25519;
		key->signature_len = AL_ED25519_SIGNATURE_LEN;
		key->md_ctx = EVP_MD_CTX_new();
		if (key->md_ctx == NULL ||
			!EVP_PKEY_get_raw_public_key(key->pkey, key->raw, &len))
			return al_crypto_failed(err, "could not read the public key");
		return AL_OK;
	}
	return al_status_fail(err, AL_UNSUPPORTED, "%s keys are not supported",
						  EVP_PKEY_get0_type_name(key->pkey));
}

/* Takes over pkey, also when it fails; NULL is the failure of the caller. */
static AlStatus
new_public(EVP_PKEY *pkey, AlPublicKey **key, AlError *err)
{
	AlPublicKey *new_key;
	AlStatus	status;

	*key = NULL;
	if (pkey == NULL)
	{
		ERR_clear_error();
		return al_status_fail(err, AL_INVALID, "the public key is corrupt");
	}
	new_key = calloc(1, sizeof(AlPublicKey));
	if (new_key == NULL)
	{
		EVP_PKEY_free(pkey);
		return al_crypto_no_memory(err);
	}
	new_key->pkey = pkey;
	status = prepare_public(new_key, err);
	if (status == AL_OK)
		status = set_spki(new_key, err);
	if (status != AL_OK)
	{
		al_crypto_free_public_key(new_key);
		return status;
	}
	*key = new_key;
	return AL_OK;
}

/* Reads a SubjectPublicKeyInfo in DER, of an RSA or an Ed25519 key. */
AlStatus
al_crypto_load_spki(const void *der, size_t len, AlPublicKey **key,
					AlError *err)
{
	const unsigned char *pos = der;
	EVP_PKEY   *pkey;

	*key = NULL;
	if (len > INT32_MAX)
		return al_status_fail(err, AL_INVALID, "the public key is corrupt");
	ERR_clear_error();
	pkey = d2i_PUBKEY(NULL, &pos, (long) len);
	if (pkey != NULL && pos != (const unsigned char *) der + len)
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return new_public(pkey, key, err);
}

static AlStatus
load_pkcs1_public(const AlKeyBytes *der, AlPublicKey **key, AlError *err)
{
	const unsigned char *pos = der->bytes;
	EVP_PKEY   *pkey;

	ERR_clear_error();
	pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &pos, (long) der->len);
	if (pkey != NULL && pos != der->bytes + der->len)
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return new_public(pkey, key, err);
}

/*
 * Reads an RSA public key from PEM, as SubjectPublicKeyInfo or PKCS#1.  An
 * Ed25519 key is refused: no record is signed with one, and taking it would
 * let whoever names the key choose the algorithm too.
 */
AlStatus
al_crypto_load_public_key(const char *pem, size_t len, AlPublicKey **key,
						  AlError *err)
{
	size_t		cap = AL_BASE64_DECODED_MAX(len);
	uint8_t    *der = malloc(cap);
	AlPublicKeyFile file;
	AlStatus	status;

	*key = NULL;
	if (der == NULL)
		return al_crypto_no_memory(err);
	status = al_keyfile_read_public(pem, len, der, cap, &file, err);
	if (status == AL_OK && file.is_pkcs1)
		status = load_pkcs1_public(&file.der, key, err);
	else if (status == AL_OK)
		status = al_crypto_load_spki(file.der.bytes, file.der.len, key, err);
	free(der);
	if (status == AL_OK && (*key)->kind != AL_KEY_RSA)
	{
		al_crypto_free_public_key(*key);
		*key = NULL;
		status = al_status_fail(err, AL_UNSUPPORTED,
								"an RSA public key is needed");
	}
	return status;
}

AlStatus
al_crypto_load_ed25519_public(const uint8_t raw[AL_ED25519_PUBLIC_LEN],
							  AlPublicKey **key, AlError *err)
{
	ERR_clear_error();
	return new_public(EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL,
													 raw,
													 AL_ED25519_PUBLIC_LEN),
					  key, err);
}

/* How OpenSSL says that a signature does not fit is not uniform: 0 or less. */
static AlStatus
verify_result(int result, AlError *err)
{
	unsigned long code = ERR_peek_last_error();

	if (result == 1)
		return AL_OK;
	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		return al_crypto_no_memory(err);
	ERR_clear_error();
	return al_status_fail(err, AL_MISMATCH, "the signature does not match");
}

/* AL_OK only if signature is one of these data by this key. */
AlStatus
al_crypto_verify(AlPublicKey *key, const void *data, size_t len,
				 const void *signature, size_t signature_len, AlError *err)
{
	uint8_t		digest[AL_SHA256_LEN];

	if (signature_len != key->signature_len)
		return al_status_fail(err, AL_INVALID,
							  "the signature has %zu bytes instead of %zu",
							  signature_len, key->signature_len);
	ERR_clear_error();
	if (key->kind == AL_KEY_RSA)
	{
		if (al_crypto_sha256_one(key->sha, data, len, digest) != AL_OK)
			return al_crypto_failed(err, "could not digest the signed data");
		return verify_result(EVP_PKEY_verify(key->verify, signature,
											 signature_len, digest,
											 sizeof(digest)), err);
	}
	if (!EVP_MD_CTX_reset(key->md_ctx) ||
		EVP_DigestVerifyInit(key->md_ctx, NULL, NULL, NULL, key->pkey) <= 0)
		return al_crypto_failed(err, "could not prepare verification");
	return verify_result(EVP_DigestVerify(key->md_ctx, signature,
										  signature_len, data, len), err);
}

AlKeyKind
al_crypto_key_kind(const AlPublicKey *key)
{
	return key->kind;
}

/* AL_KEY_ID_LEN hex characters; valid as long as the key. */
const char *
al_crypto_key_id(const AlPublicKey *key)
{
	return key->id;
}

/* SubjectPublicKeyInfo in DER; valid as long as the key. */
const uint8_t *
al_crypto_spki(const AlPublicKey *key, size_t *len)
{
	*len = key->spki_len;
	return key->spki;
}

/* The 32 bytes of an Ed25519 key, NULL for any other; valid like the key. */
const uint8_t *
al_crypto_ed25519_public(const AlPublicKey *key)
{
	return key->kind == AL_KEY_ED25519 ? key->raw : NULL;
}

/* Bytes of every signature of this key */
size_t
al_crypto_signature_len(const AlPublicKey *key)
{
	return key->signature_len;
}

/* Appends the key as PEM, the way "openssl pkey -pubout" writes it. */
void
al_crypto_export_public_pem(const AlPublicKey *key, AlBuf *pem)
{
	size_t		step = AL_PEM_LINE / 4 * 3;
	size_t		done;

	al_buf_append_str(pem, "-----BEGIN PUBLIC KEY-----\n");
	for (done = 0; done < key->spki_len; done += step)
	{
		size_t		left = key->spki_len - done;

		al_base64_encode(key->spki + done, left < step ? left : step, pem);
		al_buf_append_char(pem, '\n');
	}
	al_buf_append_str(pem, "-----END PUBLIC KEY-----\n");
}

void
al_crypto_free_public_key(AlPublicKey *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_CTX_free(key->verify);
	EVP_MD_CTX_free(key->md_ctx);
	EVP_PKEY_free(key->pkey);
	al_crypto_sha256_free(key->sha);
	free(key->spki);
	free(key);
}
