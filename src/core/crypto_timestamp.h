/*
 * src/core/crypto_timestamp.h
 *
 * Time stamps by authorities (RFC 3161).
 *
 * Authorities live in malloc() memory and are released by their free function,
 * which accepts NULL.
 */
#ifndef AUDIT_LOG_CRYPTO_TIMESTAMP_H
#define AUDIT_LOG_CRYPTO_TIMESTAMP_H

#include <stddef.h>
#include <stdint.h>

#include "crypto.h"

#define AL_TIMESTAMP_REQUEST_LEN 59
#define AL_TIMESTAMP_MAX (64 * 1024)	/* bytes of a reply; usual are 5000 */

typedef struct AlAuthorities AlAuthorities;

/* What a time-stamping authority has signed (RFC 3161). */
typedef struct AlTimestamp
{
	const uint8_t *token;		/* DER; part of the reply that was read */
	size_t		token_len;
	uint8_t		imprint[AL_SHA256_LEN]; /* digest of what was stamped */
	int64_t		time;			/* microseconds since 1970 */
} AlTimestamp;

extern void al_crypto_timestamp_request(const uint8_t digest[AL_SHA256_LEN],
										uint8_t
										request[AL_TIMESTAMP_REQUEST_LEN]);
extern AlStatus al_crypto_read_timestamp(const void *reply, size_t len,
										 const AlAuthorities *trusted,
										 AlTimestamp *stamp, AlError *err);
extern AlStatus al_crypto_load_authorities(const char *pem, size_t len,
										   AlAuthorities **authorities,
										   AlError *err);
extern void al_crypto_free_authorities(AlAuthorities *authorities);

#endif							/* AUDIT_LOG_CRYPTO_TIMESTAMP_H */
