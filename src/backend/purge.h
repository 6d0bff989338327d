/*
 * src/backend/purge.h
 *
 * Which expired records go, and how many at a time.
 */
#ifndef AUDIT_LOG_PURGE_H
#define AUDIT_LOG_PURGE_H

#include "tables.h"

extern void al_purge_init(void);
extern void al_purge_some(AlStream stream, TimestampTz now,
						  TimestampTz new_expire, int inserted);
extern int64 al_purge_all(AlStream stream, int64 limit);

#endif							/* AUDIT_LOG_PURGE_H */
