/*
 * src/core/redact_rules.h
 *
 * Which keys to remove: a list of names separated by commas, such as
 * "token, config.key".
 *
 *   - A name without a dot means every member with that key, at any depth.
 *   - A name with dots is a path from the root: config.key means the member
 *     key of the object that is the root's member config.  Arrays on the way
 *     are transparent, their indexes not being steps: the name also means
 *     key in each of {"config":[{"key":1},{"key":2}]}.  As some clients send
 *     paths unexpanded, it means a root member "config.key" too.
 *   - Names are compared with decoded keys, byte by byte.
 *
 * Compiled rules are one block from malloc() that holds no pointers, so that
 * it may be copied, al_redact_rules_size() bytes of it, to other memory.
 */
#ifndef AUDIT_LOG_REDACT_RULES_H
#define AUDIT_LOG_REDACT_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

typedef struct AlRedactRules AlRedactRules;

/* Where to look a key up: one of these, or what a look-up gave. */
#define AL_REDACT_NOWHERE 0		/* only names without a dot go on from here */
#define AL_REDACT_ROOT 1

#define AL_REDACT_NO_NAME UINT32_MAX

extern AlStatus al_redact_rules_compile(const char *list, size_t len,
										AlRedactRules **rules, AlError *err);
extern size_t al_redact_rules_size(const AlRedactRules *rules);
extern void al_redact_rules_free(AlRedactRules *rules);

extern const char *al_redact_rules_match(const AlRedactRules *rules,
										 const char *key, size_t len);
extern uint32_t al_redact_rules_find(const AlRedactRules *rules,
									 uint32_t node, const char *key,
									 size_t len, uint32_t *child);
extern const char *al_redact_rules_name(const AlRedactRules *rules,
										uint32_t name);
extern size_t al_redact_rules_count(const AlRedactRules *rules);

#endif							/* AUDIT_LOG_REDACT_RULES_H */
