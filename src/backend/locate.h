/*
 * src/backend/locate.h
 *
 * Finding the leaf and the record that have an id.
 */
#ifndef AUDIT_LOG_LOCATE_H
#define AUDIT_LOG_LOCATE_H

#include "executor/tuptable.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "tables.h"

extern int64 al_locate_leaf(Snapshot snapshot, const pg_uuid_t *id);
extern bool al_locate_record(Snapshot snapshot, const pg_uuid_t *id,
							 AlStream *stream, TupleTableSlot **slot);
extern bool al_locate_erasure(Snapshot snapshot, const pg_uuid_t *id);

#endif							/* AUDIT_LOG_LOCATE_H */
