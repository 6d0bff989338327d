/*
 * src/backend/generations.h
 *
 * Generations of the ledger: under which origin it goes on, and where.
 */
#ifndef AUDIT_LOG_GENERATIONS_H
#define AUDIT_LOG_GENERATIONS_H

#include "ledger.h"

extern void al_generations_begin(AlGeneration *generation);
extern void al_generations_write(const AlGeneration *generation,
								 const char *reason);
extern char *al_generations_next_origin(Snapshot snapshot,
										const AlGeneration *last);
extern void al_generations_check_place(const AlGeneration *generation);

#endif							/* AUDIT_LOG_GENERATIONS_H */
