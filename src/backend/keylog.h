/*
 * src/backend/keylog.h
 *
 * Which keys have signed records of this database.
 */
#ifndef AUDIT_LOG_KEYLOG_H
#define AUDIT_LOG_KEYLOG_H

#include "core/crypto.h"

extern void al_keylog_init(void);
extern void al_keylog_note(const AlPublicKey *key);

#endif							/* AUDIT_LOG_KEYLOG_H */
