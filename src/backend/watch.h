/*
 * src/backend/watch.h
 *
 * DDL and settings that weaken auditing leave a record of their own.
 */
#ifndef AUDIT_LOG_WATCH_H
#define AUDIT_LOG_WATCH_H

extern void al_watch_init(void);
extern void al_watch_record(Datum schema_name, Datum dao_name,
							Datum entity_key, Datum entity);

#endif							/* AUDIT_LOG_WATCH_H */
