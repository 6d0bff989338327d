/*
 * src/httpd/counters.h
 *
 * What is counted, for /status and /metrics, and to know when all is done.
 */
#ifndef AUDIT_LOG_COUNTERS_H
#define AUDIT_LOG_COUNTERS_H

#include <stdatomic.h>

typedef struct AlCounters
{
	atomic_ulong accepted;		/* connections, ever */
	atomic_long active;			/* connections, now */
	atomic_long handling;		/* requests whose answer is being made */
	atomic_long due;			/* records left for after the answer */
	atomic_long reading;		/* requests that are arriving */
	atomic_long sending;		/* answers on their way */
	atomic_ulong requests;		/* ever */
	atomic_ulong answers[6];	/* by first digit of the status */
	atomic_ulong microseconds;	/* spent on all answers */
	atomic_ulong bytes;			/* of answers' bodies */
	atomic_ulong unrecorded;	/* answers whose record could not be written */
	atomic_ulong reconnects;	/* of database connections */
	atomic_long databases;		/* connections that work, now */
	atomic_ulong cut;			/* connections cut for being too slow */
	atomic_ulong abandoned;		/* requests whose client went away meanwhile */
} AlCounters;

extern AlCounters al_counters;

#endif							/* AUDIT_LOG_COUNTERS_H */
