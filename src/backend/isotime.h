/*
 * src/backend/isotime.h
 *
 * Times as ISO 8601 (RFC 3339) in UTC with microseconds.
 */
#ifndef AUDIT_LOG_ISOTIME_H
#define AUDIT_LOG_ISOTIME_H

#include "datatype/timestamp.h"

#define AL_ISOTIME_SIZE 40		/* bytes that al_isotime_print() may write */

extern int	al_isotime_print(char *out, TimestampTz time);

#endif							/* AUDIT_LOG_ISOTIME_H */
