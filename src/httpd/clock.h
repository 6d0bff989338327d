/*
 * src/httpd/clock.h
 *
 * Time that only passes, for deadlines and durations.
 */
#ifndef AUDIT_LOG_CLOCK_H
#define AUDIT_LOG_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since some moment. */
static inline int64_t
al_clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif							/* AUDIT_LOG_CLOCK_H */
