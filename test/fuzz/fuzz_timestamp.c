/*
 * test/fuzz/fuzz_timestamp.c
 *
 * Any bytes as the reply of a time-stamping authority, or as the token in it:
 * what is refused has a reason; what is taken lies inside the input, and is
 * taken again as a token with the same contents.  The bytes are also read as
 * certificates to trust.
 */
#include <openssl/err.h>

#include "core/crypto_timestamp.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AlTimestamp stamp;
	AlTimestamp again;
	AlAuthorities *authorities;
	AlError		err = {""};

	if (al_crypto_read_timestamp(data, size, NULL, &stamp, &err) != AL_OK)
		FUZZ_CHECK(err.reason[0] != '\0');
	else
	{
		FUZZ_CHECK(stamp.token >= data && stamp.token_len <= size &&
				   (size_t) (stamp.token - data) <= size - stamp.token_len);
		FUZZ_CHECK(al_crypto_read_timestamp(stamp.token, stamp.token_len,
											NULL, &again, &err) == AL_OK);
		FUZZ_CHECK(again.token_len == stamp.token_len &&
				   again.time == stamp.time &&
				   memcmp(again.imprint, stamp.imprint, AL_SHA256_LEN) == 0);
	}
	FUZZ_CHECK(ERR_peek_error() == 0);
	if (al_crypto_load_authorities((const char *) data, size, &authorities,
								   &err) == AL_OK)
		(void) al_crypto_read_timestamp(data, size, authorities, &stamp, &err);
	else
		FUZZ_CHECK(authorities == NULL);
	al_crypto_free_authorities(authorities);
	FUZZ_CHECK(ERR_peek_error() == 0);
	return 0;
}
