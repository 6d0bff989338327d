/*
 * src/core/base64.h
 *
 * Base64 as RFC 4648 section 4 defines it: the alphabet with "+" and "/",
 * padded, on one line.
 *
 * Decoding is strict because signed text must have one spelling only: what
 * two different strings decode to the same bytes would let a copy differ
 * from the original without any signature noticing.  It refuses white space,
 * missing or surplus padding and set bits behind the last byte.
 */
#ifndef AUDIT_LOG_BASE64_H
#define AUDIT_LOG_BASE64_H

#include <stddef.h>

#include "buf.h"
#include "status.h"

/* Characters that len bytes encode to, and the most bytes len can decode to */
#define AL_BASE64_ENCODED_LEN(len) (((len) + 2) / 3 * 4)
#define AL_BASE64_DECODED_MAX(len) ((len) / 4 * 3 + 3)

extern void al_base64_encode(const void *bytes, size_t len, AlBuf *out);
extern size_t al_base64_encode_to(const void *bytes, size_t len, char *out);
extern AlStatus al_base64_decode(const char *text, size_t len, void *out,
								 size_t cap, size_t *out_len, AlError *err);
extern AlStatus al_base64_decode_lines(const char *text, size_t len, void *out,
									   size_t cap, size_t *out_len,
									   AlError *err);

#endif							/* AUDIT_LOG_BASE64_H */
