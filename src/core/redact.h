/*
 * src/core/redact.h
 *
 * Removing named keys, such as passwords, from request bodies and json
 * values before they are recorded.  Which keys, redact_rules.h explains.
 *
 * The functions append what is left to out and the names of the rules that
 * removed something to removed, as they were written, separated by commas, in
 * the order of the first removal.  A name that removed holds already is not
 * repeated, so that one buffer can serve all columns of a row.  When nothing
 * is removed *changed is false and out untouched: the input is the result.
 * On failure out and removed are as long as before.
 *
 * Whether a body is of some kind, the function for that kind says: it is
 * AL_INVALID if not.  Any bytes are a form, so that comes last.
 */
#ifndef AUDIT_LOG_REDACT_H
#define AUDIT_LOG_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "redact_rules.h"
#include "status.h"

extern AlStatus al_redact_json(const AlRedactRules *rules,
							   const char *json, size_t len, AlBuf *out,
							   AlBuf *removed, bool *changed, AlError *err);
extern AlStatus al_redact_json_at(const AlRedactRules *rules,
								  const char *prefix, size_t prefix_len,
								  bool any_bytes, const char *json, size_t len, AlBuf *out,
								  AlBuf *removed, bool *changed,
								  AlError *err);
extern AlStatus al_redact_multipart(const AlRedactRules *rules,
									const char *body, size_t len, AlBuf *out,
									AlBuf *removed, bool *changed,
									AlError *err);
extern AlStatus al_redact_form(const AlRedactRules *rules,
							   const char *body, size_t len, AlBuf *out,
							   AlBuf *removed, bool *changed, AlError *err);
extern AlStatus al_redact_suspect(const AlRedactRules *rules,
								  const char *body, size_t len,
								  AlBuf *removed, bool *suspect,
								  AlError *err);
extern bool al_redact_is_compressed(const char *body, size_t len);

#endif							/* AUDIT_LOG_REDACT_H */
