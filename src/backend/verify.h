/*
 * src/backend/verify.h
 *
 * Deriving the ledger again and comparing; differences are findings.
 */
#ifndef AUDIT_LOG_VERIFY_H
#define AUDIT_LOG_VERIFY_H

#include "findings.h"

extern void al_verify(int64 from, int64 to, const char *checkpoint,
					  AlFindingSink sink, void *arg);

#endif							/* AUDIT_LOG_VERIFY_H */
