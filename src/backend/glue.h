/*
 * src/backend/glue.h
 *
 * What src/core reports and has made, as errors and memory of the server.
 */
#ifndef AUDIT_LOG_GLUE_H
#define AUDIT_LOG_GLUE_H

#include "core/buf.h"
#include "core/status.h"

extern void al_glue_no_memory(void) __attribute__((noreturn));
extern void al_glue_check(AlStatus status, const AlError *err);
extern char *al_glue_text(AlStatus status, const AlError *err, AlBuf *buf);
extern bytea *al_glue_bytes(const void *bytes, Size len);
extern char *al_glue_base64(const void *bytes, Size len);

#endif							/* AUDIT_LOG_GLUE_H */
