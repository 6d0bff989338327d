/*
 * src/backend/leaf.h
 *
 * The leaf of the ledger that a stored record makes.
 */
#ifndef AUDIT_LOG_LEAF_H
#define AUDIT_LOG_LEAF_H

#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/uuid.h"

#include "core/merkle.h"

#include "tables.h"

#define AL_LEAF_NEVER PG_INT64_MAX

typedef struct AlLeaf
{
	pg_uuid_t	id;
	int64		expire;			/* microseconds since 1970, or AL_LEAF_NEVER */
	AlHash		inner;			/* hash of the record's contents */
} AlLeaf;

extern AlSha256 *al_leaf_sha256(void);
extern uint64 al_leaf_txid(AlStream stream, TupleTableSlot *slot);
extern void al_leaf_make(AlStream stream, TupleTableSlot *slot, AlLeaf *leaf);
extern void al_leaf_entry(const AlLeaf *leaf, AlHash *entry);
extern void al_leaf_hash(const AlLeaf *leaf, AlHash *hash);
extern int64 al_leaf_unix_time(TimestampTz time);

#endif							/* AUDIT_LOG_LEAF_H */
