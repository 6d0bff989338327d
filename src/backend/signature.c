/*
 * src/backend/signature.c
 *
 * Signatures as text: base64 on one line.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "core/base64.h"

#include "glue.h"
#include "signature.h"

/* The base64 of a signature, allocated in the current memory context. */
char *
al_signature_make(AlKey *key, const char *bytes, size_t len)
{
	uint8_t		signature[AL_SIGNATURE_MAX];
	size_t		signature_len;
	AlError		error = {{0}};

	if (al_crypto_sign(key, bytes, len, signature, &signature_len,
					   &error) != AL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("audit record cannot be signed: %s", error.reason)));
	return al_glue_base64(signature, signature_len);
}

/*
 * Does a signature, in base64, fit some bytes under a PEM public key?  What
 * is no signature fits nothing; what is no key is an error.
 *
 * The last key is kept, since records are verified many at a time.
 */
bool
al_signature_fits(const char *bytes, size_t len, const char *signature,
				  const char *pem)
{
	static AlPublicKey *key = NULL; /* malloc'ed by src/core */
	static char *key_pem = NULL;	/* in TopMemoryContext */
	uint8_t		decoded[AL_SIGNATURE_MAX];
	size_t		decoded_len;
	AlError		error = {{0}};
	AlStatus	status;

	if (key == NULL || strcmp(key_pem, pem) != 0)
	{
		char	   *new_pem = MemoryContextStrdup(TopMemoryContext, pem);
		AlPublicKey *new_key;

		status = al_crypto_load_public_key(pem, strlen(pem), &new_key, &error);
		if (status != AL_OK)
		{
			pfree(new_pem);
			ereport(ERROR,
					(errcode(status == AL_NO_MEMORY ? ERRCODE_OUT_OF_MEMORY :
							 ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid public key: %s", error.reason),
					 errhint("Pass the text of a PEM file as \"openssl rsa -pubout\" writes it.")));
		}
		al_crypto_free_public_key(key);
		if (key_pem)
			pfree(key_pem);
		key = new_key;
		key_pem = new_pem;
	}
	if (al_base64_decode(signature, strlen(signature), decoded,
						 sizeof(decoded), &decoded_len, &error) != AL_OK)
		return false;
	status = al_crypto_verify(key, bytes, len, decoded, decoded_len, &error);
	if (status == AL_NO_MEMORY || status == AL_FAILED)
		ereport(ERROR,
				(errcode(status == AL_NO_MEMORY ? ERRCODE_OUT_OF_MEMORY :
						 ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("signature cannot be checked: %s", error.reason)));
	return status == AL_OK;
}
