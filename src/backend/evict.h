/*
 * src/backend/evict.h
 *
 * Our workers leave a database that nobody may be connected to.
 */
#ifndef AUDIT_LOG_EVICT_H
#define AUDIT_LOG_EVICT_H

extern void al_evict_init(void);

#endif							/* AUDIT_LOG_EVICT_H */
