/*
 * src/core/json.h
 *
 * Pull tokenizer for JSON (RFC 8259) over UTF-8 text held in memory.
 *
 * al_json_next() checks the grammar and the encoding completely before it
 * hands out a token, so a caller that reads up to AL_JSON_END has a valid
 * text.  It never recurses: the open containers cost one bit each, and
 * nothing is allocated before the nesting is deeper than a few hundred.
 */
#ifndef AUDIT_LOG_JSON_H
#define AUDIT_LOG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "status.h"

#define AL_JSON_SMALL_DEPTH 256 /* levels held without allocating */

typedef enum AlJsonKind
{
	AL_JSON_END = 0,			/* the text is complete */
	AL_JSON_OBJECT_START,
	AL_JSON_OBJECT_END,
	AL_JSON_ARRAY_START,
	AL_JSON_ARRAY_END,
	AL_JSON_KEY,
	AL_JSON_STRING,
	AL_JSON_NUMBER,
	AL_JSON_TRUE,
	AL_JSON_FALSE,
	AL_JSON_NULL
} AlJsonKind;

typedef struct AlJsonToken
{
	size_t		start;			/* offset of the first byte, quotes included */
	size_t		end;			/* offset after the last byte */
	AlJsonKind	kind;
	bool		escaped;		/* key or string: holds a backslash */
	bool		integer;		/* number: neither fraction nor exponent */
} AlJsonToken;

typedef enum AlJsonExpect
{
	AL_JSON_EXPECT_VALUE,
	AL_JSON_EXPECT_ELEMENT,		/* a value, or the end of an empty array */
	AL_JSON_EXPECT_KEY,			/* a key, or the end of an empty object */
	AL_JSON_EXPECT_MORE,		/* a comma, or the end of what is open */
	AL_JSON_EXPECT_NOTHING		/* failed before; stays so */
} AlJsonExpect;

/* Fields are the tokenizer's own, apart from depth and any_bytes. */
typedef struct AlJsonReader
{
	const char *json;			/* the caller's, not copied */
	size_t		len;
	size_t		pos;
	size_t		depth;			/* containers open after the last token */
	AlJsonExpect expect;
	bool		any_bytes;		/* strings need not be UTF-8 */
	unsigned char *deep;		/* malloc'ed once small is full, else NULL */
	size_t		deep_cap;		/* bytes */
	unsigned char small[AL_JSON_SMALL_DEPTH / 8];	/* bit set: object */
} AlJsonReader;

/* A reader that was started must be given to al_json_free(). */
extern void al_json_start(AlJsonReader *reader, const char *json, size_t len);
extern void al_json_skip_mark(AlJsonReader *reader);
extern AlStatus al_json_next(AlJsonReader *reader, AlJsonToken *token,
							 AlError *err);
extern void al_json_free(AlJsonReader *reader);

extern AlStatus al_json_decode(const char *json, const AlJsonToken *token,
							   bool keep_nul, AlBuf *out, AlError *err);
extern size_t al_json_span(const char *bytes, size_t len);
extern bool al_json_is_utf8(const char *bytes, size_t len);

/* Whether a byte stands for itself in a JSON string. */
static inline bool
al_json_is_plain(char c)
{
	return (unsigned char) c >= 0x20 && c != '"' && c != '\\';
}

/* Value of a hexadecimal digit of either case, or -1. */
static inline int
al_json_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Number of plain bytes, 0 to 8, at the start of the eight given.
 *
 * Each term sets the high bit of a byte that is the one looked for.  Where a
 * subtraction borrows, it may also mark a byte after such a one, so only the
 * first mark counts.
 */
static inline size_t
al_json_span8(const char *bytes)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const uint64_t ones = 0x0101010101010101u;
	uint64_t	word;
	uint64_t	quote;
	uint64_t	backslash;
	uint64_t	hit;

	memcpy(&word, bytes, 8);
	quote = word ^ (ones * '"');
	backslash = word ^ (ones * '\\');
	hit = (word - ones * 0x20) & ~word;
	hit |= (quote - ones) & ~quote;
	hit |= (backslash - ones) & ~backslash;
	hit &= ones * 0x80;
	return hit == 0 ? 8 : (size_t) __builtin_ctzll(hit) >> 3;
#else
	size_t		i = 0;

	while (i < 8 && al_json_is_plain(bytes[i]))
		i++;
	return i;
#endif
}

#endif							/* AUDIT_LOG_JSON_H */
