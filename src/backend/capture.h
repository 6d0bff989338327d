/*
 * src/backend/capture.h
 *
 * From a changed row to its record.
 */
#ifndef AUDIT_LOG_CAPTURE_H
#define AUDIT_LOG_CAPTURE_H

#include "commands/trigger.h"
#include "utils/rel.h"

extern void al_capture_change(TriggerData *trigdata);
extern int64 al_capture_snapshot(Oid relid, Oid function);

#endif							/* AUDIT_LOG_CAPTURE_H */
