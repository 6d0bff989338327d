/*
 * src/httpd/pool.h
 *
 * Who may use a database connection.
 */
#ifndef AUDIT_LOG_POOL_H
#define AUDIT_LOG_POOL_H

#include "database.h"

#define AL_POOL_PATIENT (-1)

extern bool al_pool_start(const AlConfig *config);
extern AlDatabase *al_pool_take(int milliseconds);
extern void al_pool_give(AlDatabase *db);
extern void al_pool_hurry(AlStop how);
extern void al_pool_greet(void);
extern void al_pool_stop(void);

#endif							/* AUDIT_LOG_POOL_H */
