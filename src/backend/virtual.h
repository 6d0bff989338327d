/*
 * src/backend/virtual.h
 *
 * Values of virtual generated columns.
 */
#ifndef AUDIT_LOG_VIRTUAL_H
#define AUDIT_LOG_VIRTUAL_H

#include "executor/tuptable.h"
#include "utils/rel.h"

typedef struct AlVirtualColumns AlVirtualColumns;

extern AlVirtualColumns *al_virtual_plan(Relation rel);
extern void al_virtual_fill(const AlVirtualColumns *columns,
							TupleTableSlot *slot);

#endif							/* AUDIT_LOG_VIRTUAL_H */
