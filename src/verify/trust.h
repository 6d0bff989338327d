/*
 * src/verify/trust.h
 *
 * The public keys that the caller trusts.
 */
#ifndef AUDIT_LOG_TRUST_H
#define AUDIT_LOG_TRUST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/note.h"

typedef struct AlTrust
{
	AlPublicKey **publics;		/* what was given, or followed */
	int			n_publics;
	AlNoteKey  *keys;			/* each under each name it may sign with */
	int			n_keys;
	AlPublicKey **records;		/* of record signatures */
	int			n_records;
} AlTrust;

extern AlStatus al_trust_add(AlTrust *trust, const char *key, AlError *err);
extern AlStatus al_trust_add_verifier(AlTrust *trust, const char *verifier,
									  size_t len, AlError *err);
extern AlStatus al_trust_add_record_key(AlTrust *trust, const char *path,
										AlError *err);
extern AlStatus al_trust_bind(AlTrust *trust, const char *name, size_t len,
							  AlError *err);
extern AlPublicKey *al_trust_record_key(const AlTrust *trust, const char *id);
extern void al_trust_free(AlTrust *trust);

/* Reads a file as a whole, with a zero behind it. */
extern AlStatus al_trust_read_file(const char *path, AlBuf *out, AlError *err);

#endif							/* AUDIT_LOG_TRUST_H */
