/*
 * test/unit/tap.h
 *
 * The few lines of TAP that the unit tests of src/core need.  One program a
 * file: call tap_ok() and its relatives, return tap_done() from main().
 */
#ifndef AUDIT_LOG_TAP_H
#define AUDIT_LOG_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int	tap_count;
static int	tap_failures;

/* Reports one check under a printf-style name; returns whether it held. */
static inline bool __attribute__((format(printf, 2, 3)))
tap_ok(bool held, const char *name, ...)
{
	va_list		args;

	printf("%sok %d - ", held ? "" : "not ", ++tap_count);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	if (!held)
		tap_failures++;
	return held;
}

/* Prints bytes so that a diagnostic stays on one line. */
static inline void
tap_show(const char *label, const char *bytes, size_t len)
{
	size_t		i;

	printf("# %s: \"", label);
	for (i = 0; i < len && i < 500; i++)
	{
		unsigned char c = (unsigned char) bytes[i];

		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	printf("\"%s (%zu bytes)\n", i < len ? "..." : "", len);
}

static inline bool
tap_is_bytes(const char *got, size_t got_len, const char *want,
			 size_t want_len, const char *name)
{
	bool		held = got_len == want_len &&
		(got_len == 0 || memcmp(got, want, got_len) == 0);

	tap_ok(held, "%s", name);
	if (!held)
	{
		tap_show("got ", got, got_len);
		tap_show("want", want, want_len);
	}
	return held;
}

static inline bool
tap_is_int(long long got, long long want, const char *name)
{
	bool		held = got == want;

	tap_ok(held, "%s", name);
	if (!held)
		printf("# got %lld, want %lld\n", got, want);
	return held;
}

/* Prints the plan; the exit status says whether every check held. */
static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures == 0 ? 0 : 1;
}

#endif							/* AUDIT_LOG_TAP_H */
