/*
 * src/backend/watch.h
 *
 * DDL and settings that weaken auditing leave a record of their own.
 */
#ifndef AUDIT_LOG_WATCH_H
#define AUDIT_LOG_WATCH_H

#include "utils/array.h"

extern void al_watch_init(void);
extern void al_watch_record(Datum schema_name, Datum dao_name,
							Datum entity_key, Datum entity);
extern ArrayType *al_watch_trigger_args(Oid tgoid);
extern ArrayType *al_watch_ddl_details(void *command);

#endif							/* AUDIT_LOG_WATCH_H */
