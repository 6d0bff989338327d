/*
 * src/backend/verify_records.h
 *
 * Leaves against the records they were made of.
 */
#ifndef AUDIT_LOG_VERIFY_RECORDS_H
#define AUDIT_LOG_VERIFY_RECORDS_H

#include "findings.h"
#include "harvest.h"
#include "verify_tree.h"

typedef struct AlVerifyRecords
{
	Snapshot	snapshot;
	const AlFindings *findings;
	AlVerifyTree *tree;			/* where the leaves come from */
	AlHarvest  *harvest;		/* where the records come from */
	int64		now;			/* microseconds since 1970 */
	TimestampTz moved_at;		/* see al_ledger_moved_at() */
} AlVerifyRecords;

extern void al_verify_records_begin(AlVerifyRecords *records,
									Snapshot snapshot,
									const AlFindings *findings,
									AlVerifyTree *tree);
extern void al_verify_records_merge(AlVerifyRecords *records, int in_harvest,
									const AlBlock *previous,
									const AlBlock *block,
									const pg_uuid_t *first);
extern void al_verify_records_by_id(AlVerifyRecords *records,
									const AlBlock *previous,
									const AlBlock *block);
extern void al_verify_records_rest(AlVerifyRecords *records,
								   const AlBlock *last);
extern void al_verify_records_end(AlVerifyRecords *records);

#endif							/* AUDIT_LOG_VERIFY_RECORDS_H */
