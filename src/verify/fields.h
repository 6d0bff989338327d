/*
 * src/verify/fields.h
 *
 * The members of one JSON object, as slices of the text they stand in.
 */
#ifndef AUDIT_LOG_FIELDS_H
#define AUDIT_LOG_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/json.h"
#include "core/merkle.h"
#include "core/status.h"

#define AL_FIELDS_MAX 40

typedef struct AlField
{
	const char *key;
	size_t		key_len;
	AlJsonToken value;			/* of a container its first token, and where
								 * it ends */
} AlField;

typedef struct AlFields
{
	const char *json;
	int			count;
	AlField		fields[AL_FIELDS_MAX];
} AlFields;

extern AlStatus al_fields_read(AlFields *fields, const char *json, size_t len,
							   AlError *err);
extern const AlField *al_fields_find(const AlFields *fields, const char *key);

/* False: the member is missing, or not of that kind. */
extern bool al_fields_text(const AlFields *fields, const char *key,
						   AlBuf *out);
extern bool al_fields_is(const AlFields *fields, const char *key,
						 const char *text);
extern bool al_fields_number(const AlFields *fields, const char *key,
							 int64_t *number);
extern bool al_fields_bytes(const AlFields *fields, const char *key,
							void *bytes, size_t len);

#endif							/* AUDIT_LOG_FIELDS_H */
