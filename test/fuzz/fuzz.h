/*
 * test/fuzz/fuzz.h
 *
 * What fuzz targets share: the entry point's prototype, and a check that
 * stays on whatever the optimization is.
 */
#ifndef AUDIT_LOG_FUZZ_H
#define AUDIT_LOG_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_CHECK(held) \
	do \
	{ \
		if (!(held)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, \
					__LINE__, #held); \
			abort(); \
		} \
	} while (0)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif							/* AUDIT_LOG_FUZZ_H */
