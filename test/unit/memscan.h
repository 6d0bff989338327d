/*
 * test/unit/memscan.h
 *
 * Looks for secret bytes in the memory of this process, as someone with a
 * core dump would.
 *
 * The needle is kept masked, and memory is read through /proc/self/mem into
 * a buffer that is wiped after each step, so that the search does not find
 * itself.  Under the address sanitizer freed memory stays as it was for a
 * while, so what was freed without being wiped is found too.
 */
#ifndef AUDIT_LOG_MEMSCAN_H
#define AUDIT_LOG_MEMSCAN_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMSCAN_NEEDLE 24
#define MEMSCAN_MASK 0xa5
#define MEMSCAN_STEP 65536

/* Checking each of some hundred million reads would take a minute. */
#define MEMSCAN_FAST __attribute__((no_sanitize("address", "undefined")))

typedef struct MemNeedle
{
	uint8_t		masked[MEMSCAN_NEEDLE];
} MemNeedle;

typedef struct MemHits
{
	int			dumped;			/* in memory that a core dump holds */
	int			kept_out;		/* in memory marked MADV_DONTDUMP */
} MemHits;

/* The bytes must be at least MEMSCAN_NEEDLE + 8 long; the ends are not used. */
static inline void
memscan_prepare(MemNeedle *needle, const uint8_t *bytes)
{
	int			i;

	for (i = 0; i < MEMSCAN_NEEDLE; i++)
		needle->masked[i] = bytes[4 + i] ^ MEMSCAN_MASK;
}

/* In either byte order, as big numbers are stored little end first. */
static inline MEMSCAN_FAST bool
memscan_here(const MemNeedle *needle, const uint8_t *at)
{
	const uint8_t *masked = needle->masked;
	int			i;

	for (i = 0; i < MEMSCAN_NEEDLE; i++)
		if ((at[i] ^ MEMSCAN_MASK) != masked[i])
			break;
	if (i == MEMSCAN_NEEDLE)
		return true;
	for (i = 0; i < MEMSCAN_NEEDLE; i++)
		if ((at[i] ^ MEMSCAN_MASK) != masked[MEMSCAN_NEEDLE - 1 - i])
			return false;
	return true;
}

static inline MEMSCAN_FAST int
memscan_range(int mem, const MemNeedle *needle, uint64_t from, uint64_t to)
{
	static uint8_t buffer[MEMSCAN_STEP + MEMSCAN_NEEDLE];
	int			hits = 0;

	while (from < to)
	{
		size_t		want = sizeof(buffer);
		ssize_t		got;
		ssize_t		i;

		if (want > to - from)
			want = (size_t) (to - from);
		got = pread(mem, buffer, want, (off_t) from);
		for (i = 0; i + MEMSCAN_NEEDLE <= got && i < MEMSCAN_STEP; i++)
		{
			uint8_t		first = buffer[i] ^ MEMSCAN_MASK;

			if ((first == needle->masked[0] ||
				 first == needle->masked[MEMSCAN_NEEDLE - 1]) &&
				memscan_here(needle, buffer + i))
				hits++;
		}
		memset(buffer, 0, sizeof(buffer));
		from += MEMSCAN_STEP;
	}
	return hits;
}

static inline bool
memscan_run(const MemNeedle *needle, MemHits *hits)
{
	int			mem = open("/proc/self/mem", O_RDONLY);
	FILE	   *maps = fopen("/proc/self/smaps", "r");
	char		line[512];
	char		access[8] = "";
	unsigned long long from = 0;
	unsigned long long to = 0;
	unsigned long long resident = 0;

	memset(hits, 0, sizeof(*hits));
	if (mem < 0 || maps == NULL)
		return false;
	while (fgets(line, sizeof(line), maps) != NULL)
	{
		unsigned long long a;
		unsigned long long b;
		char		mode[8];
		int			found;

		if (sscanf(line, "%llx-%llx %7s", &a, &b, mode) == 3)
		{
			from = a;
			to = b;
			strcpy(access, mode);
		}
		if (sscanf(line, "Rss: %llu", &a) == 1)
			resident = a;
		if (strncmp(line, "VmFlags:", 8) != 0 || access[0] != 'r' ||
			resident == 0 || to - from > resident * 1024 * 64)
			continue;
		found = memscan_range(mem, needle, from, to);
		if (strstr(line, " dd") != NULL)
			hits->kept_out += found;
		else
			hits->dumped += found;
	}
	fclose(maps);
	close(mem);
	return true;
}

#endif							/* AUDIT_LOG_MEMSCAN_H */
