/*
 * src/core/crypto_private.c
 *
 * Private keys, and signing with them: RSASSA-PKCS1-v1_5 with SHA-256 (RFC
 * 8017 section 8.2) and Ed25519 (RFC 8032).
 *
 * Private bytes:
 * - A key file is decoded by keyfile.c into memory that is wiped here, and
 *   the numbers go to OpenSSL as numbers.  Its own decoders would be less
 *   code, but they free copies of the decoded file without wiping them.
 * - No reason string is made from the contents of a key.
 * - A core dump of a process that signs holds the key, whatever we do.
 *   OpenSSL's secure heap does not prevent it: the cached Montgomery forms
 *   of the RSA primes are put into ordinary memory (switching the cache off
 *   doubles the time of a signature), and only OpenSSL's own decoders place
 *   a key there, which leave many copies of it in freed memory.  An operator
 *   who cares must forbid the dump: RLIMIT_CORE, PR_SET_DUMPABLE.
 * - A key that has been freed leaves nothing; a test looks.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "crypto_openssl.h"

/* Bytes before the seed in the PrivateKeyInfo of an Ed25519 key, RFC 8410 */
static const uint8_t ed25519_prefix[] = {
	0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
	0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20
};

#define AL_ED25519_SEED_LEN 32
#define AL_ED25519_DER_LEN (sizeof(ed25519_prefix) + AL_ED25519_SEED_LEN)

struct AlKey
{
	EVP_PKEY   *pkey;
	EVP_PKEY_CTX *sign;			/* RSA only, initialised for signing */
	EVP_MD_CTX *md_ctx;			/* Ed25519 only */
	AlPublicKey *public_half;	/* its digest context is ours too */
};

/*
 * Gives the numbers of the key to OpenSSL.  The ones marked secure are wiped
 * when they are freed, both as BIGNUM and as parameter.
 */
static EVP_PKEY *
import_rsa(const AlKeyFile *file)
{
	static const char *const names[AL_RSA_PARTS] = {
		OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
		OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
		OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT1
	};
	BIGNUM	   *numbers[AL_RSA_PARTS] = {NULL};
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY   *pkey = NULL;
	bool		good = build != NULL;
	int			i;

	for (i = 0; good && i < AL_RSA_PARTS; i++)
	{
		numbers[i] = i < AL_RSA_PRIVATE_EXPONENT ? BN_new() : BN_secure_new();
		good = numbers[i] != NULL &&
			BN_bin2bn(file->rsa[i].bytes, (int) file->rsa[i].len,
					  numbers[i]) != NULL &&
			OSSL_PARAM_BLD_push_BN(build, names[i], numbers[i]);
	}
	if (good)
		params = OSSL_PARAM_BLD_to_param(build);
	if (params != NULL)
		ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	for (i = 0; i < AL_RSA_PARTS; i++)
		BN_clear_free(numbers[i]);
	return pkey;
}

/*
 * Damage inside the numbers of an RSA key shows only in what it signs.  So
 * a key has to sign something before it is used; this also fills the caches
 * that would make the first real signature slow.
 */
static AlStatus
prove_key(AlKey *key, AlError *err)
{
	static const char text[] = "audit_log key check";
	uint8_t		signature[AL_SIGNATURE_MAX];
	size_t		len;

	if (al_crypto_sign(key, text, sizeof(text), signature, &len, NULL) !=
		AL_OK ||
		al_crypto_verify(key->public_half, text, sizeof(text), signature, len,
						 NULL) != AL_OK)
		return al_status_fail(err, AL_INVALID,
							  "the key is corrupt: its parts do not fit "
							  "together");
	return AL_OK;
}

static AlStatus
prepare_key(AlKey *key, AlError *err)
{
	AlStatus	status;
	unsigned char *der = NULL;
	int			len = i2d_PUBKEY(key->pkey, &der);

	if (len <= 0)
		return al_crypto_failed(err, "could not read the key");
	status = al_crypto_load_spki(der, (size_t) len, &key->public_half, err);
	OPENSSL_free(der);
	if (status != AL_OK)
		return status;
	if (key->public_half->kind == AL_KEY_ED25519)
	{
		key->md_ctx = EVP_MD_CTX_new();
		return key->md_ctx != NULL ? AL_OK : al_crypto_no_memory(err);
	}
	key->sign = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	if (key->sign == NULL || EVP_PKEY_sign_init(key->sign) <= 0)
		return al_crypto_failed(err, "could not prepare signing");
	status = al_crypto_use_pkcs1(key->sign, err);
	return status == AL_OK ? prove_key(key, err) : status;
}

/* Takes over pkey, also when it fails; NULL is the failure of the caller. */
static AlStatus
new_key(EVP_PKEY *pkey, AlKey **key, AlError *err)
{
	AlKey	   *made;
	AlStatus	status;

	if (pkey == NULL)
	{
		ERR_clear_error();
		return al_status_fail(err, AL_INVALID,
							  "the key is corrupt: OpenSSL refuses it");
	}
	made = calloc(1, sizeof(AlKey));
	if (made == NULL)
	{
		EVP_PKEY_free(pkey);
		return al_crypto_no_memory(err);
	}
	made->pkey = pkey;
	status = prepare_key(made, err);
	if (status != AL_OK)
	{
		al_crypto_free_key(made);
		return status;
	}
	*key = made;
	return AL_OK;
}

static AlStatus
import_key(const AlKeyFile *file, AlKeyKind wanted, AlKey **key, AlError *err)
{
	EVP_PKEY   *pkey;

	if (file->kind != wanted)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "%s keys are not supported here, an %s key is "
							  "needed",
							  file->kind == AL_KEY_RSA ? "RSA" : "Ed25519",
							  wanted == AL_KEY_RSA ? "RSA" : "Ed25519");
	ERR_clear_error();
	if (wanted == AL_KEY_ED25519)
		pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL,
											   file->seed.bytes,
											   file->seed.len);
	else
		pkey = import_rsa(file);
	return new_key(pkey, key, err);
}

static AlStatus
load_key(const char *pem, size_t len, AlKeyKind wanted, AlKey **key,
		 AlError *err)
{
	size_t		cap = AL_BASE64_DECODED_MAX(len);
	uint8_t    *der;
	AlKeyFile	file;
	AlStatus	status;

	*key = NULL;
	der = malloc(cap);
	if (der == NULL)
		return al_crypto_no_memory(err);
	status = al_keyfile_read_private(pem, len, der, cap, &file, err);
	if (status == AL_OK)
		status = import_key(&file, wanted, key, err);
	OPENSSL_cleanse(der, cap);
	free(der);
	return status;
}

/*
 * Loads an RSA private key from PEM, PKCS#1 or PKCS#8.  No other kind is
 * taken, and never a passphrase asked for.  The text stays the caller's to
 * wipe, with al_crypto_cleanse().
 */
AlStatus
al_crypto_load_private_key(const char *pem, size_t len, AlKey **key,
						   AlError *err)
{
	return load_key(pem, len, AL_KEY_RSA, key, err);
}

/* The same for an Ed25519 key, PKCS#8. */
AlStatus
al_crypto_load_ed25519_key(const char *pem, size_t len, AlKey **key,
						   AlError *err)
{
	return load_key(pem, len, AL_KEY_ED25519, key, err);
}

AlStatus
al_crypto_generate_ed25519(AlKey **key, AlError *err)
{
	EVP_PKEY   *pkey;

	*key = NULL;
	ERR_clear_error();
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (pkey == NULL)
		return al_crypto_failed(err, "could not generate an Ed25519 key");
	return new_key(pkey, key, err);
}

/*
 * Writes an Ed25519 private key as PKCS#8 PEM, NUL-terminated, for the
 * caller to store and wipe.  An array and not an AlBuf, because a buffer
 * that grows leaves copies behind.
 */
AlStatus
al_crypto_export_ed25519(const AlKey *key, char pem[AL_ED25519_PEM_SIZE],
						 AlError *err)
{
	static const char begin[] = "-----BEGIN PRIVATE KEY-----\n";
	static const char end[] = "\n-----END PRIVATE KEY-----\n";
	uint8_t		der[AL_ED25519_DER_LEN];
	size_t		len = AL_ED25519_SEED_LEN;
	char	   *pos = pem;

	if (key->public_half->kind != AL_KEY_ED25519)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "only Ed25519 keys can be exported");
	memcpy(der, ed25519_prefix, sizeof(ed25519_prefix));
	ERR_clear_error();
	if (!EVP_PKEY_get_raw_private_key(key->pkey, der + sizeof(ed25519_prefix),
									  &len))
		return al_crypto_failed(err, "could not read the key");
	memcpy(pos, begin, sizeof(begin) - 1);
	pos += sizeof(begin) - 1;
	pos += al_base64_encode_to(der, sizeof(der), pos);
	memcpy(pos, end, sizeof(end));
	OPENSSL_cleanse(der, sizeof(der));
	return AL_OK;
}

/*
 * Signs data: RSASSA-PKCS1-v1_5 with SHA-256, or Ed25519, as the key is.
 * The length is always al_crypto_signature_len() of the key.
 */
AlStatus
al_crypto_sign(AlKey *key, const void *data, size_t len,
			   uint8_t signature[AL_SIGNATURE_MAX], size_t *signature_len,
			   AlError *err)
{
	uint8_t		digest[AL_SHA256_LEN];

	*signature_len = AL_SIGNATURE_MAX;
	ERR_clear_error();
	if (key->sign != NULL)
	{
		if (al_crypto_sha256_one(key->public_half->sha, data, len, digest) !=
			AL_OK ||
			EVP_PKEY_sign(key->sign, signature, signature_len, digest,
						  sizeof(digest)) <= 0)
			return al_crypto_failed(err, "could not sign");
		return AL_OK;
	}
	if (!EVP_MD_CTX_reset(key->md_ctx) ||
		EVP_DigestSignInit(key->md_ctx, NULL, NULL, NULL, key->pkey) <= 0 ||
		EVP_DigestSign(key->md_ctx, signature, signature_len, data, len) <= 0)
		return al_crypto_failed(err, "could not sign");
	return AL_OK;
}

/* The public key that belongs to key; valid as long as key, not to be freed. */
AlPublicKey *
al_crypto_public_half(AlKey *key)
{
	return key->public_half;
}

void
al_crypto_free_key(AlKey *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_CTX_free(key->sign);
	EVP_MD_CTX_free(key->md_ctx);
	EVP_PKEY_free(key->pkey);
	al_crypto_free_public_key(key->public_half);
	free(key);
}
