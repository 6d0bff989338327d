/*
 * src/httpd/work.h
 *
 * What the database does for a request.
 */
#ifndef AUDIT_LOG_WORK_H
#define AUDIT_LOG_WORK_H

#include "pool.h"

extern void al_work_init(const AlConfig *config);
extern void al_work_execute(AlDatabase *db, AlRequest *request);

#endif							/* AUDIT_LOG_WORK_H */
