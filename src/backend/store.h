/*
 * src/backend/store.h
 *
 * The only code that writes the tables of the extension.
 */
#ifndef AUDIT_LOG_STORE_H
#define AUDIT_LOG_STORE_H

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/uuid.h"

#include "tables.h"

/* What a call of al_store_delete_expired() is to do. */
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
	TimestampTz next_due;		/* first expiry not reached; DT_NOEND: none seen */
	TimestampTz position;		/* where to go on */
	bool		exhausted;		/* nothing expired was left behind it */
	TimestampTz held_back;		/* first expiry that "may" refused; DT_NOEND */
} AlPurgeResult;

/* May a record, by its transaction and id, be deleted when it has expired? */
typedef bool (*AlMayDelete) (uint64 txid, const pg_uuid_t *id);

/* Grows when one of the tables of records may have changed. */
extern uint64 al_store_generation;

extern void al_store_init(void);
extern void al_store_abort(void);
extern Relation al_store_open(AlStream stream);
extern void al_store_summarize(AlStream stream, AttrNumber column);
extern HeapTuple al_store_form(AlStream stream, Datum *values, bool *nulls);
extern void al_store_deform(AlStream stream, HeapTuple tuple, Datum *values,
							bool *nulls);
extern bool al_store_delete(AlStream stream, ItemPointer tid);
extern void al_store_write(AlStream stream, HeapTuple *tuples, int ntuples);
extern TimestampTz al_store_find_expired(AlStream stream, TimestampTz from,
										 TimestampTz until);
extern void al_store_delete_expired(AlStream stream, const AlPurgeTask *task,
									AlMayDelete may, AlPurgeResult *result);

#endif							/* AUDIT_LOG_STORE_H */
