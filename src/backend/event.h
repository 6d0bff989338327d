/*
 * src/backend/event.h
 *
 * Records of events, whose entity is a JSON object that we make ourselves.
 *
 * What was decided about the ledger (a key, an erasure, a generation) is such
 * a record, of the table "ledger" in the schema "audit".
 */
#ifndef AUDIT_LOG_EVENT_H
#define AUDIT_LOG_EVENT_H

#include "executor/tuptable.h"
#include "lib/stringinfo.h"

#define AL_EVENT_OPERATION "ddl"
#define AL_EVENT_SCHEMA "audit"
#define AL_EVENT_LEDGER "ledger"

extern void al_event_begin(StringInfo json);
extern void al_event_add(StringInfo json, const char *key, const char *value);
extern Datum al_event_end(StringInfo json);
extern bool al_event_is_of_ledger(TupleTableSlot *slot);

#endif							/* AUDIT_LOG_EVENT_H */
