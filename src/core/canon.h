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

/*
 * Keys laid out as they are printed, for objects that are written over and
 * over with the same ones: ,"first":null,"second":null and so on.
 */
#define AL_CANON_LAYOUT_KEYS 24
#define AL_CANON_KEY_SIZE 32	/* bytes of ,"key":null */

typedef struct AlCanonLayout
{
	size_t		count;
	size_t		start[AL_CANON_LAYOUT_KEYS + 1];	/* of each member in text */
	char		text[(AL_CANON_LAYOUT_KEYS + 1) * AL_CANON_KEY_SIZE];
} AlCanonLayout;

extern void al_canon_jcs_begin(AlCanonJcs *jcs, AlBuf *out);
extern void al_canon_jcs_put(AlCanonJcs *jcs, const char *key, size_t key_len,
							 const char *value, size_t value_len);
extern AlStatus al_canon_jcs_lay_out(AlCanonLayout *layout, const char *key,
									 AlError *err);
extern void al_canon_jcs_put_at(AlCanonJcs *jcs, const AlCanonLayout *layout,
								size_t member, const char *value,
								size_t value_len);
extern void al_canon_jcs_put_plain(AlCanonJcs *jcs,
								   const AlCanonLayout *layout, size_t member,
								   const char *value, size_t value_len);
extern void al_canon_jcs_put_nulls(AlCanonJcs *jcs,
								   const AlCanonLayout *layout, size_t member,
								   size_t count);
extern void al_canon_jcs_put_printed(AlCanonJcs *jcs, const char *members,
									 size_t len);
extern AlStatus al_canon_jcs_end(AlCanonJcs *jcs, AlError *err);

#endif							/* AUDIT_LOG_CANON_H */
