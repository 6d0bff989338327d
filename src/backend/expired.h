/*
 * src/backend/expired.h
 *
 * The records that have expired: where they begin, and deleting some.
 */
#ifndef AUDIT_LOG_EXPIRED_H
#define AUDIT_LOG_EXPIRED_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "tables.h"

/* What a call of al_expired_delete() is to do. */
typedef struct AlPurgeTask
{
	TimestampTz from;			/* records that expired in this span, */
	TimestampTz until;			/* both included */
	int			limit;			/* records to delete */
	int			visits;			/* index entries to look at */
	bool		count_dead;		/* also those that the index knows as dead */
} AlPurgeTask;

/* How far it got. */
typedef struct AlPurgeResult
{
	int			deleted;
	TimestampTz next_due;		/* first expiry not reached, or DT_NOEND */
	TimestampTz position;		/* where to go on */
	bool		exhausted;		/* nothing expired was left behind it */
	TimestampTz held_back;		/* first expiry that "may" refused; DT_NOEND */
} AlPurgeResult;

/* May a record, by its transaction and id, be deleted when it has expired? */
typedef bool (*AlMayDelete) (uint64 txid, const pg_uuid_t *id);

extern TimestampTz al_expired_find(AlStream stream, TimestampTz from,
								   TimestampTz until);
extern void al_expired_delete(AlStream stream, const AlPurgeTask *task,
							  AlMayDelete may, AlPurgeResult *result);

#endif							/* AUDIT_LOG_EXPIRED_H */
