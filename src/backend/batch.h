/*
 * src/backend/batch.h
 *
 * Records on their way into the store.
 */
#ifndef AUDIT_LOG_BATCH_H
#define AUDIT_LOG_BATCH_H

#include "utils/uuid.h"

#include "tables.h"

typedef struct AlBatch AlBatch;

/* What is the record's own; text and json datums, 0 where there is none. */
typedef struct AlObjectRecord
{
	const char *operation;
	Datum		schema_name;
	Datum		dao_name;
	Datum		partition_name;
	Datum		entity_key;
	Datum		entity;
	Datum		old_values;
	Datum		removed_from_entity;
} AlObjectRecord;

extern void al_batch_init(void);
extern AlBatch *al_batch_begin(void);
extern void al_batch_add(AlBatch *batch, const AlObjectRecord *record);
extern void al_batch_end(AlBatch *batch);
extern void al_batch_write(const AlObjectRecord *record);
extern void al_batch_write_kept(const AlObjectRecord *record, pg_uuid_t *id);
extern void al_batch_add_row(const AlObjectRecord *record);
extern void al_batch_flush_statement(void);

#endif							/* AUDIT_LOG_BATCH_H */
