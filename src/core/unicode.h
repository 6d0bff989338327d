/*
 * src/core/unicode.h
 *
 * Characters of UTF-8, one by one.
 */
#ifndef AUDIT_LOG_UNICODE_H
#define AUDIT_LOG_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AL_UNICODE_NONE UINT32_MAX

extern uint32_t al_unicode_take(const char *text, size_t len, size_t *pos);
extern bool al_unicode_is_space(uint32_t character);

#endif							/* AUDIT_LOG_UNICODE_H */
