/*
 * src/backend/glue.h
 *
 * Between src/core and the server, for the ledger.
 */
#ifndef AUDIT_LOG_GLUE_H
#define AUDIT_LOG_GLUE_H

#include "core/buf.h"
#include "core/status.h"

extern void al_glue_check(AlStatus status, const AlError *err);
extern char *al_glue_text(AlStatus status, const AlError *err, AlBuf *buf);

#endif							/* AUDIT_LOG_GLUE_H */
