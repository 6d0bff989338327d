/*
 * src/core/crypto.c
 *
 * Digests, keys and signatures by OpenSSL 3; see crypto.h for the rules.
 *
 * Formats: SHA-256 (FIPS 180-4); RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017
 * section 8.2); Ed25519 (RFC 8032); public keys are SubjectPublicKeyInfo
 * (RFC 5280), Ed25519 private keys PrivateKeyInfo (RFC 8410); time stamps are
 * those of RFC 3161.  The id of a key is the first 16 bytes of SHA-256 over
 * its SubjectPublicKeyInfo, in hex.
 *
 * What OpenSSL charges for is looking things up by name, so that happens
 * once: the digest is fetched once a process, and each object keeps an
 * initialised context.  A ledger leaf takes six digests of little data,
 * though, and for each of them EVP of OpenSSL 3.0 allocates, wipes and frees
 * a state: as much time again as the hashing.  So SHA-256 goes to the
 * functions below EVP where OpenSSL has them and no FIPS provider is asked
 * for, and to EVP elsewhere.
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
 *
 * OpenSSL's error queue belongs to the process.  Each function here clears
 * it before it calls anything that may fail and reads it at once; the
 * digest functions only clear what they leave behind themselves, as they
 * are too short to pay for more.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init() and its kin */

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#include "base64.h"
#include "bytes.h"
#include "crypto.h"

/* Bytes before the seed in the PrivateKeyInfo of an Ed25519 key */
static const uint8_t ed25519_prefix[] = {
	0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
	0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

#define AL_ED25519_SEED_LEN 32
#define AL_ED25519_DER_LEN (sizeof(ed25519_prefix) + AL_ED25519_SEED_LEN)

/* Characters of base64 on one line of PEM, RFC 7468 section 2 */
#define AL_PEM_LINE 64

/* Bytes of a message that are copied to be hashed in one piece */
#define SHORT_MESSAGE 1024

struct AlSha256
{
	EVP_MD_CTX *ctx;			/* NULL: below EVP */
#ifndef OPENSSL_NO_DEPRECATED_3_0
	SHA256_CTX	state;
#endif
};

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

struct AlKey
{
	EVP_PKEY   *pkey;
	EVP_PKEY_CTX *sign;			/* RSA only, initialised for signing */
	EVP_MD_CTX *md_ctx;			/* Ed25519 only */
	AlPublicKey *public_half;	/* its digest context is ours too */
};

struct AlAuthorities
{
	X509_STORE *store;
};

static CRYPTO_ONCE fetch_once = CRYPTO_ONCE_STATIC_INIT;
static EVP_MD *sha256_md;		/* lives as long as the process */

static void
fetch_sha256(void)
{
	sha256_md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

static const EVP_MD *
get_sha256(void)
{
	if (!CRYPTO_THREAD_run_once(&fetch_once, fetch_sha256))
		return NULL;
	return sha256_md;
}

/* Turns what OpenSSL has just queued into a status, and empties the queue. */
static AlStatus
openssl_failed(AlError *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	AlStatus	status = AL_FAILED;

	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		status = AL_NO_MEMORY;
	ERR_clear_error();
	if (reason == NULL)
		return al_status_fail(err, status, "%s", what);
	return al_status_fail(err, status, "%s: %s", what, reason);
}

static AlStatus
no_memory(AlError *err)
{
	ERR_clear_error();
	return al_status_fail(err, AL_NO_MEMORY, "out of memory");
}

/*
 * A digest without a context of one's own; two to three times the time of
 * al_crypto_sha256_one() for short data.
 */
AlStatus
al_crypto_sha256(const void *data, size_t len, uint8_t digest[AL_SHA256_LEN],
				 AlError *err)
{
	const EVP_MD *md = get_sha256();

	ERR_clear_error();
	if (md == NULL || !EVP_Digest(data, len, digest, NULL, md, NULL))
		return openssl_failed(err, "could not compute a SHA-256 digest");
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
		return no_memory(err);
	ERR_clear_error();
	if (!below_evp())
	{
		md = get_sha256();
		new_sha->ctx = EVP_MD_CTX_new();
		if (md == NULL || new_sha->ctx == NULL ||
			!EVP_DigestInit_ex2(new_sha->ctx, md, NULL))
		{
			al_crypto_sha256_free(new_sha);
			return openssl_failed(err, "could not prepare SHA-256");
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

static AlStatus
set_spki(AlPublicKey *key, AlError *err)
{
	unsigned char *der = NULL;
	int			len = i2d_PUBKEY(key->pkey, &der);
	uint8_t		digest[AL_SHA256_LEN];
	AlStatus	status;
	int			i;

	if (len <= 0)
		return openssl_failed(err, "could not encode the public key");
	key->spki = malloc((size_t) len);
	if (key->spki == NULL)
	{
		OPENSSL_free(der);
		return no_memory(err);
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
		return openssl_failed(err, "could not read the RSA key");
	/* With exponent 1 anyone can sign: a signature is its own padding. */
	sound = BN_is_odd(exponent) && !BN_is_one(exponent);
	BN_free(exponent);
	if (!sound)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the RSA key has an unsafe public exponent");
	return AL_OK;
}

static AlStatus
set_rsa_scheme(EVP_PKEY_CTX *ctx, AlError *err)
{
	if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0 ||
		EVP_PKEY_CTX_set_signature_md(ctx, get_sha256()) <= 0)
		return openssl_failed(err, "could not choose the signature scheme");
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
			return openssl_failed(err, "could not prepare verification");
		return set_rsa_scheme(key->verify, err);
	}
	if (EVP_PKEY_is_a(key->pkey, "ED25519"))
	{
		key->kind = AL_KEY_ED25519;
		key->signature_len = AL_ED25519_SIGNATURE_LEN;
		key->md_ctx = EVP_MD_CTX_new();
		if (key->md_ctx == NULL ||
			!EVP_PKEY_get_raw_public_key(key->pkey, key->raw, &len))
			return openssl_failed(err, "could not read the public key");
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
		return no_memory(err);
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
		return no_memory(err);
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
		return no_memory(err);
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
			return openssl_failed(err, "could not digest the signed data");
		return verify_result(EVP_PKEY_verify(key->verify, signature,
											 signature_len, digest,
											 sizeof(digest)), err);
	}
	if (!EVP_MD_CTX_reset(key->md_ctx) ||
		EVP_DigestVerifyInit(key->md_ctx, NULL, NULL, NULL, key->pkey) <= 0)
		return openssl_failed(err, "could not prepare verification");
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
		OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
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
		return openssl_failed(err, "could not read the key");
	status = al_crypto_load_spki(der, (size_t) len, &key->public_half, err);
	OPENSSL_free(der);
	if (status != AL_OK)
		return status;
	if (key->public_half->kind == AL_KEY_ED25519)
	{
		key->md_ctx = EVP_MD_CTX_new();
		return key->md_ctx != NULL ? AL_OK : no_memory(err);
	}
	key->sign = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	if (key->sign == NULL || EVP_PKEY_sign_init(key->sign) <= 0)
		return openssl_failed(err, "could not prepare signing");
	status = set_rsa_scheme(key->sign, err);
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
		return no_memory(err);
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
		return no_memory(err);
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
		return openssl_failed(err, "could not generate an Ed25519 key");
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
		return openssl_failed(err, "could not read the key");
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
			return openssl_failed(err, "could not sign");
		return AL_OK;
	}
	if (!EVP_MD_CTX_reset(key->md_ctx) ||
		EVP_DigestSignInit(key->md_ctx, NULL, NULL, NULL, key->pkey) <= 0 ||
		EVP_DigestSign(key->md_ctx, signature, signature_len, data, len) <= 0)
		return openssl_failed(err, "could not sign");
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

/* ------------------------------------------------------------- time stamps */

/*
 * The request for a time stamp of a SHA-256 digest, in DER.  It asks for the
 * authority's certificate and holds no nonce: that would have to be kept
 * until the reply comes, only to refuse an older stamp of the same digest,
 * which proves more than a new one.
 */
void
al_crypto_timestamp_request(const uint8_t digest[AL_SHA256_LEN],
							uint8_t request[AL_TIMESTAMP_REQUEST_LEN])
{
	static const uint8_t head[] = {
		0x30, 0x39, 0x02, 0x01, 0x01,	/* version 1 */
		0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
		0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};	/* SHA-256 */
	static const uint8_t tail[] = {0x01, 0x01, 0xff};	/* certReq */

	memcpy(request, head, sizeof(head));
	memcpy(request + sizeof(head), digest, AL_SHA256_LEN);
	memcpy(request + sizeof(head) + AL_SHA256_LEN, tail, sizeof(tail));
}

/*
 * Turns what OpenSSL has just queued into "what: reason", and empties the
 * queue.  Some of the text may come from the reply.
 */
static AlStatus
stamp_failed(AlError *err, AlStatus status, const char *what)
{
	const char *data = NULL;
	int			flags = 0;
	unsigned long code = ERR_peek_last_error_all(NULL, NULL, NULL, &data,
												 &flags);
	const char *reason = ERR_reason_error_string(code);

	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		status = AL_NO_MEMORY;
	if (reason == NULL)
		(void) al_status_fail(err, status, "%s", what);
	else if (data != NULL && *data != '\0' && (flags & ERR_TXT_STRING))
		(void) al_status_fail(err, status, "%s: %s (%.100s)", what, reason,
							  data);
	else
		(void) al_status_fail(err, status, "%s: %s", what, reason);
	ERR_clear_error();
	return status;
}

/* What an authority says is printed as far as it is plain text. */
static AlStatus
refused(const TS_STATUS_INFO *info, long status, AlError *err)
{
	static const char *const names[] = {
		"granted", "granted with changes", "rejection", "waiting",
		"revocation warning", "revoked"};
	const STACK_OF(ASN1_UTF8STRING) *texts = TS_STATUS_INFO_get0_text(info);
	char		said[121] = "";

	if (texts != NULL && sk_ASN1_UTF8STRING_num(texts) > 0)
	{
		const ASN1_UTF8STRING *text = sk_ASN1_UTF8STRING_value(texts, 0);
		int			len = ASN1_STRING_length(text);
		int			i;

		for (i = 0; i < len && i < (int) sizeof(said) - 1; i++)
		{
			unsigned char c = ASN1_STRING_get0_data(text)[i];

			said[i] = c >= 0x20 && c < 0x7f ? (char) c : '?';
		}
		said[i] = '\0';
	}
	return al_status_fail(err, AL_UNSUPPORTED,
						  "the authority refused: status %ld (%s)%s%s", status,
						  status >= 0 && status < 6 ? names[status] :
						  "unknown", *said ? ": " : "", said);
}

/* Takes the header off a DER value; false if there is none of that tag. */
static bool
enter(const uint8_t **pos, size_t len, int tag, size_t *content)
{
	long		content_len;
	int			found;
	int			class;
	int			form = ASN1_get_object(pos, &content_len, &found, &class,
									   (long) len);

	/* Bit 0 is the indefinite length, which DER does not have. */
	if ((form & 0x81) != 0 || found != tag || class != V_ASN1_UNIVERSAL)
		return false;
	*content = (size_t) content_len;
	return true;
}

/*
 * Finds the token in a reply, which may be the token itself: that begins with
 * an object identifier, a reply with the status, which must be that it was
 * granted.
 */
static AlStatus
find_token(const uint8_t *reply, size_t len, AlTimestamp *stamp, AlError *err)
{
	const uint8_t *pos = reply;
	TS_RESP    *parsed;
	TS_STATUS_INFO *info;
	size_t		content;
	size_t		status_len;
	int64_t		code = -1;
	AlStatus	status;

	if (len > AL_TIMESTAMP_MAX)
		return al_status_fail(err, AL_INVALID,
							  "the reply is longer than %d bytes",
							  AL_TIMESTAMP_MAX);
	if (!enter(&pos, len, V_ASN1_SEQUENCE, &content) ||
		(size_t) (pos - reply) + content != len)
		return al_status_fail(err, AL_INVALID,
							  "neither a reply nor a token in DER, or cut off");
	stamp->token = reply;
	stamp->token_len = len;
	if (content > 0 && *pos == V_ASN1_OBJECT)
		return AL_OK;
	if (!enter(&pos, content, V_ASN1_SEQUENCE, &status_len))
		return al_status_fail(err, AL_INVALID,
							  "neither a reply nor a token");
	stamp->token = pos + status_len;
	stamp->token_len = len - (size_t) (stamp->token - reply);
	pos = reply;
	parsed = d2i_TS_RESP(NULL, &pos, (long) len);
	if (parsed == NULL)
		return stamp_failed(err, AL_INVALID, "the reply cannot be read");
	info = TS_RESP_get_status_info(parsed);
	if (!ASN1_INTEGER_get_int64(&code, TS_STATUS_INFO_get0_status(info)))
		code = -1;
	if (code != TS_STATUS_GRANTED && code != TS_STATUS_GRANTED_WITH_MODS)
		status = refused(info, (long) code, err);
	else
		status = AL_OK;
	TS_RESP_free(parsed);
	return status;
}

/* Microseconds since 1970; the fraction of a second is read from the text. */
static bool
read_time(const ASN1_GENERALIZEDTIME *time, int64_t *us)
{
	ASN1_TIME  *epoch = ASN1_TIME_set(NULL, 0);
	const char *text = (const char *) ASN1_STRING_get0_data(time);
	int			len = ASN1_STRING_length(time);
	int64_t		scale = 100000;
	int			days;
	int			seconds;
	bool		good;

	good = epoch != NULL && ASN1_GENERALIZEDTIME_check(time) &&
		ASN1_TIME_diff(&days, &seconds, epoch, time);
	ASN1_TIME_free(epoch);
	if (!good)
		return false;
	*us = ((int64_t) days * 86400 + seconds) * 1000000;
	if (len > 15 && text[14] == '.')
		for (int i = 15; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		{
			*us += (text[i] - '0') * scale;
			scale /= 10;
		}
	return true;
}

/* What the token says, before anything of it is believed. */
static AlStatus
read_info(TS_TST_INFO *info, AlTimestamp *stamp, AlError *err)
{
	TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(info);
	const ASN1_OBJECT *algorithm;
	const ASN1_OCTET_STRING *digest;

	X509_ALGOR_get0(&algorithm, NULL, NULL, TS_MSG_IMPRINT_get_algo(imprint));
	digest = TS_MSG_IMPRINT_get_msg(imprint);
	if (TS_TST_INFO_get_version(info) != 1)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the token is not of version 1");
	if (OBJ_obj2nid(algorithm) != NID_sha256 ||
		ASN1_STRING_length(digest) != AL_SHA256_LEN)
		return al_status_fail(err, AL_UNSUPPORTED,
							  "the stamp is not of a SHA-256 digest");
	if (!read_time(TS_TST_INFO_get_time(info), &stamp->time))
		return stamp_failed(err, AL_INVALID,
							"the time of the stamp cannot be read");
	memcpy(stamp->imprint, ASN1_STRING_get0_data(digest), AL_SHA256_LEN);
	return AL_OK;
}

/* Everything about a chain of certificates counts but where it ends. */
static int
trust_any_end(int ok, X509_STORE_CTX *ctx)
{
	switch (X509_STORE_CTX_get_error(ctx))
	{
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
			return 1;
		default:
			return ok;
	}
}

/*
 * The signature, by a certificate for time stamping that was valid at the
 * time of the stamp and that the token names as the signer's.
 */
static AlStatus
verify_token(PKCS7 *token, int64_t time, const AlAuthorities *trusted,
			 AlError *err)
{
	X509_STORE *store = trusted != NULL ? trusted->store : X509_STORE_new();
	AlStatus	status = AL_OK;

	if (store == NULL)
		return no_memory(err);
	if (trusted == NULL)
		X509_STORE_set_verify_cb(store, trust_any_end);
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store),
							   (time_t) (time / 1000000));
	if (!TS_RESP_verify_signature(token, NULL, store, NULL))
		status = stamp_failed(err, AL_MISMATCH,
							  "the signature of the stamp does not verify");
	if (trusted == NULL)
		X509_STORE_free(store);
	return status;
}

/*
 * Reads the reply of a time-stamping authority, or the token in it, and
 * verifies its signature: against authorities that are trusted or, if
 * "trusted" is NULL, by the certificate in it whoever made that, so that all
 * it shows is that the token is as it was signed.
 */
AlStatus
al_crypto_read_timestamp(const void *reply, size_t len,
						 const AlAuthorities *trusted, AlTimestamp *stamp,
						 AlError *err)
{
	const uint8_t *pos;
	PKCS7	   *token;
	TS_TST_INFO *info = NULL;
	AlStatus	status;

	ERR_clear_error();
	status = find_token(reply, len, stamp, err);
	if (status != AL_OK)
	{
		ERR_clear_error();
		return status;
	}
	pos = stamp->token;
	token = d2i_PKCS7(NULL, &pos, (long) stamp->token_len);
	if (token == NULL || pos != stamp->token + stamp->token_len)
		status = stamp_failed(err, AL_INVALID, "the token cannot be read");
	else if (!PKCS7_type_is_signed(token) ||
			 (info = PKCS7_to_TS_TST_INFO(token)) == NULL)
		status = stamp_failed(err, AL_INVALID, "the token is no time stamp");
	else
		status = read_info(info, stamp, err);
	if (status == AL_OK)
		status = verify_token(token, stamp->time, trusted, err);
	TS_TST_INFO_free(info);
	PKCS7_free(token);
	ERR_clear_error();
	return status;
}

/* Loads the certificates that are trusted to end a chain, as PEM. */
AlStatus
al_crypto_load_authorities(const char *pem, size_t len,
						   AlAuthorities **authorities, AlError *err)
{
	AlAuthorities *made = calloc(1, sizeof(AlAuthorities));
	BIO		   *in;
	X509	   *certificate;
	int			n = 0;

	ERR_clear_error();
	*authorities = NULL;
	if (made == NULL)
		return no_memory(err);
	made->store = X509_STORE_new();
	in = len <= INT_MAX ? BIO_new_mem_buf(pem, (int) len) : NULL;
	while (made->store != NULL && in != NULL &&
		   (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL)
	{
		n += X509_STORE_add_cert(made->store, certificate) == 1;
		X509_free(certificate);
	}
	BIO_free(in);
	ERR_clear_error();
	if (n == 0)
	{
		al_crypto_free_authorities(made);
		return al_status_fail(err, AL_INVALID,
							  "there is no certificate in it");
	}
	*authorities = made;
	return AL_OK;
}

void
al_crypto_free_authorities(AlAuthorities *authorities)
{
	if (authorities == NULL)
		return;
	X509_STORE_free(authorities->store);
	free(authorities);
}

/* ------------------------------------------------------------------ memory */

/* Wipes memory in a way that the compiler does not leave out. */
void
al_crypto_cleanse(void *memory, size_t len)
{
	OPENSSL_cleanse(memory, len);
}
