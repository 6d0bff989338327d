/*
 * src/core/bytes.h
 *
 * Words from bytes and back, in an order that does not depend on the machine,
 * at any address.  Two instructions each; written with shifts, some compilers
 * make a dozen of them.
 */
#ifndef AUDIT_LOG_BYTES_H
#define AUDIT_LOG_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define AL_BIG_ENDIAN_32(word) __builtin_bswap32(word)
#define AL_BIG_ENDIAN_64(word) __builtin_bswap64(word)
#define AL_LITTLE_ENDIAN_32(word) (word)
#define AL_LITTLE_ENDIAN_64(word) (word)
#else
#define AL_BIG_ENDIAN_32(word) (word)
#define AL_BIG_ENDIAN_64(word) (word)
#define AL_LITTLE_ENDIAN_32(word) __builtin_bswap32(word)
#define AL_LITTLE_ENDIAN_64(word) __builtin_bswap64(word)
#endif

/* Four bytes, the first one highest */
static inline uint32_t
al_load_be32(const void *bytes)
{
	uint32_t	word;

	memcpy(&word, bytes, sizeof(word));
	return AL_BIG_ENDIAN_32(word);
}

static inline void
al_store_be32(void *bytes, uint32_t word)
{
	word = AL_BIG_ENDIAN_32(word);
	memcpy(bytes, &word, sizeof(word));
}

/* Eight bytes, the first one highest */
static inline uint64_t
al_load_be64(const void *bytes)
{
	uint64_t	word;

	memcpy(&word, bytes, sizeof(word));
	return AL_BIG_ENDIAN_64(word);
}

/* Four bytes, the first one lowest */
static inline uint32_t
al_load_le32(const void *bytes)
{
	uint32_t	word;

	memcpy(&word, bytes, sizeof(word));
	return AL_LITTLE_ENDIAN_32(word);
}

/* Eight bytes, the first one lowest */
static inline uint64_t
al_load_le64(const void *bytes)
{
	uint64_t	word;

	memcpy(&word, bytes, sizeof(word));
	return AL_LITTLE_ENDIAN_64(word);
}

static inline void
al_store_le64(void *bytes, uint64_t word)
{
	word = AL_LITTLE_ENDIAN_64(word);
	memcpy(bytes, &word, sizeof(word));
}

#endif							/* AUDIT_LOG_BYTES_H */
