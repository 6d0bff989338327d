/*
 * test/fuzz/fuzz_keyfile.c
 *
 * Any bytes for the readers of key files, raw and with PEM around them, so
 * that damage reaches the DER too.  What is refused has a reason and gives
 * nothing; what is taken lies inside the memory it was decoded to; a private
 * key that is taken signs what its own public half verifies.
 */
#include "core/base64.h"
#include "core/crypto.h"
#include "core/keyfile.h"
#include "fuzz.h"

static void
check_inside(const AlKeyBytes *part, const uint8_t *der, size_t cap)
{
	FUZZ_CHECK(part->bytes >= der && part->len <= cap &&
			   (size_t) (part->bytes - der) <= cap - part->len);
}

static void
check_parts(const char *pem, size_t len)
{
	size_t		cap = AL_BASE64_DECODED_MAX(len);
	uint8_t    *der = malloc(cap ? cap : 1);
	AlKeyFile	file;
	AlPublicKeyFile public_file;
	AlError		err = {""};
	int			i;

	if (al_keyfile_read_private(pem, len, der, cap, &file, &err) != AL_OK)
		FUZZ_CHECK(err.reason[0] != '\0');
	else if (file.kind == AL_KEY_RSA)
		for (i = 0; i < AL_RSA_PARTS; i++)
			check_inside(&file.rsa[i], der, cap);
	else
		check_inside(&file.seed, der, cap);
	if (al_keyfile_read_public(pem, len, der, cap, &public_file,
							   &err) == AL_OK)
		check_inside(&public_file.der, der, cap);
	free(der);
}

static void
check_keys(const char *pem, size_t len)
{
	AlKey	   *key;
	AlPublicKey *public_key;
	AlError		err = {""};
	uint8_t		signature[AL_SIGNATURE_MAX];
	size_t		signature_len;

	if (al_crypto_load_private_key(pem, len, &key, &err) != AL_OK)
		FUZZ_CHECK(key == NULL && err.reason[0] != '\0');
	else
		FUZZ_CHECK(al_crypto_sign(key, "x", 1, signature, &signature_len,
								  NULL) == AL_OK &&
				   al_crypto_verify(al_crypto_public_half(key), "x", 1,
									signature, signature_len,
									NULL) == AL_OK);
	al_crypto_free_key(key);
	if (al_crypto_load_public_key(pem, len, &public_key, &err) != AL_OK)
		FUZZ_CHECK(public_key == NULL && err.reason[0] != '\0');
	else if (len >= al_crypto_signature_len(public_key))
		FUZZ_CHECK(al_crypto_verify(public_key, "x", 1, pem,
									al_crypto_signature_len(public_key),
									NULL) != AL_OK);
	al_crypto_free_public_key(public_key);
}

static void
check_wrapped(const char *label, const uint8_t *der, size_t len)
{
	AlBuf		pem = {0};

	al_buf_append_str(&pem, "-----BEGIN ");
	al_buf_append_str(&pem, label);
	al_buf_append_str(&pem, "-----\n");
	al_base64_encode(der, len, &pem);
	al_buf_append_str(&pem, "\n-----END ");
	al_buf_append_str(&pem, label);
	al_buf_append_str(&pem, "-----\n");
	check_parts(pem.data, pem.len);
	check_keys(pem.data, pem.len);
	al_buf_free(&pem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const labels[] = {
		"PRIVATE KEY", "RSA PRIVATE KEY", "PUBLIC KEY", "RSA PUBLIC KEY"};
	const char *text = (const char *) data;
	size_t		i;

	check_parts(text, size);
	check_keys(text, size);
	for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		check_wrapped(labels[i], data, size);
	return 0;
}
