/*
 * src/backend/store.h
 *
 * The only code that writes the tables of the extension.
 */
#ifndef AUDIT_LOG_STORE_H
#define AUDIT_LOG_STORE_H

#include "access/htup.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "tables.h"

/* Grows when one of the tables of records may have changed. */
extern uint64 al_store_generation;

extern void al_store_init(void);
extern void al_store_abort(void);
extern Relation al_store_open(AlTableId table);
extern void al_store_summarize(AlStream stream);
extern HeapTuple al_store_form(AlTableId table, Datum *values, bool *nulls);
extern void al_store_deform(AlTableId table, HeapTuple tuple, Datum *values,
							bool *nulls);
extern bool al_store_delete(AlStream stream, ItemPointer tid);
extern bool al_store_try_delete(Relation rel, ItemPointer tid);
extern Oid	al_store_expire_index(AlStream stream);
extern void al_store_write(AlTableId table, HeapTuple *tuples, int ntuples);

#endif							/* AUDIT_LOG_STORE_H */
