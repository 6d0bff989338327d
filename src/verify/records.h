/*
 * src/verify/records.h
 *
 * Records against their leaves, one by one.
 */
#ifndef AUDIT_LOG_RECORDS_H
#define AUDIT_LOG_RECORDS_H

#include "entry.h"
#include "idmap.h"
#include "notes.h"
#include "report.h"
#include "source.h"
#include "trust.h"

typedef struct AlRecords
{
	AlReport   *report;
	AlTrust    *trust;
	AlNotes    *notes;
	int64_t		now;			/* microseconds since 1970 */
	AlIdMap		gone;			/* before their expiry */
	AlBuf		text;
	AlBuf		canonical;
	uint64_t	present;
	uint64_t	expired;
	uint64_t	erased;
	uint64_t	signatures;
	int64_t		generation;		/* that the last entry begins, or 0 */
} AlRecords;

extern AlStatus al_records_check(AlRecords *records, const AlEntry *entry,
								 AlError *err);
extern AlStatus al_records_finish(AlRecords *records, AlSource *source,
								  AlError *err);
extern void al_records_free(AlRecords *records);

#endif							/* AUDIT_LOG_RECORDS_H */
