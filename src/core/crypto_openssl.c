/*
 * src/core/crypto_openssl.c
 *
 * What the files crypto_*.c share; see crypto_openssl.h.
 */
#include "crypto_openssl.h"

static CRYPTO_ONCE fetch_once = CRYPTO_ONCE_STATIC_INIT;
static EVP_MD *sha256_md;		/* lives as long as the process */

static void
fetch_sha256(void)
{
	sha256_md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

/* SHA-256, fetched once a process; NULL if there is none. */
const EVP_MD *
al_crypto_sha256_md(void)
{
	if (!CRYPTO_THREAD_run_once(&fetch_once, fetch_sha256))
		return NULL;
	return sha256_md;
}

/* Turns what OpenSSL has just queued into a status, and empties the queue. */
AlStatus
al_crypto_failed(AlError *err, const char *what)
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

AlStatus
al_crypto_no_memory(AlError *err)
{
	ERR_clear_error();
	return al_status_fail(err, AL_NO_MEMORY, "out of memory");
}

/* RSASSA-PKCS1-v1_5 with SHA-256, for signing or for verifying */
AlStatus
al_crypto_use_pkcs1(EVP_PKEY_CTX *ctx, AlError *err)
{
	if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0 ||
		EVP_PKEY_CTX_set_signature_md(ctx, al_crypto_sha256_md()) <= 0)
		return al_crypto_failed(err, "could not choose the signature scheme");
	return AL_OK;
}

/* Wipes memory in a way that the compiler does not leave out. */
void
al_crypto_cleanse(void *memory, size_t len)
{
	OPENSSL_cleanse(memory, len);
}
