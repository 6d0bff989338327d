/*
 * src/backend/signature.h
 *
 * Signatures as text.
 */
#ifndef AUDIT_LOG_SIGNATURE_H
#define AUDIT_LOG_SIGNATURE_H

#include "core/crypto.h"

extern char *al_signature_make(AlKey *key, const char *bytes, size_t len);
extern bool al_signature_fits(const char *bytes, size_t len,
							  const char *signature, const char *pem);

#endif							/* AUDIT_LOG_SIGNATURE_H */
