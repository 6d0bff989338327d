/*
 * src/core/number.h
 *
 * Printing the numbers of a JSON text without ever computing with them: the
 * value is the decimal that was written, whatever its size, and it comes out
 * in the one spelling that the canonical form wants.
 *
 * Both functions take a number token's text, as al_json_next() accepted it.
 * They return AL_UNSUPPORTED, with nothing appended, for a value that their
 * form cannot hold; the caller knows the place and words the reason.
 */
#ifndef AUDIT_LOG_NUMBER_H
#define AUDIT_LOG_NUMBER_H

#include <stddef.h>

#include "buf.h"
#include "status.h"

/* What the server's numeric type can hold around the decimal point. */
#define AL_NUMBER_MAX_WHOLE 131072
#define AL_NUMBER_MAX_FRACTION 16383

extern AlStatus al_number_print_plain(const char *text, size_t len,
									  AlBuf *out);
extern AlStatus al_number_print_es6(const char *text, size_t len, AlBuf *out);

#endif							/* AUDIT_LOG_NUMBER_H */
