/*
 * src/core/canon.h
 *
 * Canonical forms: the bytes that a signature or a hash is made of.  The
 * formats are explained in canon.c.
 *
 * Functions append to out.  On failure out is as long as it was before and
 * err, if not null, says why.
 */
#ifndef AUDIT_LOG_CANON_H
#define AUDIT_LOG_CANON_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "status.h"

extern AlStatus al_canon_pipe(const char *json, size_t len, AlBuf *out,
							  AlError *err);
extern AlStatus al_canon_strict(const char *json, size_t len, AlBuf *out,
								AlError *err);

/*
 * Writer of one object in the strict form from strings that the caller has
 * in order already: begin, put for each member, end.
 */
typedef struct AlCanonJcs
{
	AlBuf	   *out;
	size_t		start;			/* of the object in out */
	const char *last_key;		/* the caller's; NULL before the first put */
	size_t		last_key_len;
	bool		misordered;		/* a key did not follow its predecessor */
} AlCanonJcs;

extern void al_canon_jcs_begin(AlCanonJcs *jcs, AlBuf *out);
extern void al_canon_jcs_put(AlCanonJcs *jcs, const char *key, size_t key_len,
							 const char *value, size_t value_len);
extern AlStatus al_canon_jcs_end(AlCanonJcs *jcs, AlError *err);

#endif							/* AUDIT_LOG_CANON_H */
