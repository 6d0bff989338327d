/*
 * src/backend/worker.h
 *
 * The background worker that seals and purges.
 */
#ifndef AUDIT_LOG_WORKER_H
#define AUDIT_LOG_WORKER_H

#define AL_WORKER_TYPE "audit_log sealer"

extern void al_worker_register(void);

#endif							/* AUDIT_LOG_WORKER_H */
