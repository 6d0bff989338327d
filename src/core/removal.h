/*
 * src/core/removal.h
 *
 * Taking pieces out of a body and noting which rule each went by; what the
 * functions of redact.h share.
 *
 * Every byte that is not taken out stays as it is.  That is why this is done
 * on the text: a parsed and printed body would no longer be what was sent.
 * Bodies come from anybody and may be large: all work is linear in the size
 * of the input and none of it recursive.
 */
#ifndef AUDIT_LOG_REMOVAL_H
#define AUDIT_LOG_REMOVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "redact_rules.h"
#include "status.h"

typedef struct AlRemoval
{
	const AlRedactRules *rules;
	const char *input;
	size_t		copied;			/* input up to here was copied or cut */
	AlBuf	   *out;
	AlBuf	   *removed;
	size_t		out_start;
	size_t		removed_start;
	unsigned char *seen;		/* by name; allocated at the first removal */
	bool		changed;
} AlRemoval;

extern void al_removal_begin(AlRemoval *removal, const AlRedactRules *rules,
							 const char *input, AlBuf *out, AlBuf *removed);
extern void al_removal_keep_until(AlRemoval *removal, size_t pos);
extern AlStatus al_removal_note(AlRemoval *removal, uint32_t name,
								AlError *err);
extern AlStatus al_removal_finish(AlRemoval *removal, AlStatus status,
								  size_t len, bool *changed, AlError *err);
extern void al_removal_list(AlBuf *removed, const char *name);

/* Keys of form fields; redact_form.c. */
extern void al_redact_form_decode(const char *key, size_t len, bool plus,
								  AlBuf *out);
extern uint32_t al_redact_form_find(const AlRedactRules *rules,
									const char *key, size_t len);

/* redact_suspect.c */
extern bool al_redact_holds_field(const char *body, size_t len);

#endif							/* AUDIT_LOG_REMOVAL_H */
