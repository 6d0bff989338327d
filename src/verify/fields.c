/*
 * src/verify/fields.c
 *
 * The members of one JSON object, as slices of the text they stand in.
 *
 * What is read comes from the party that is being verified: nothing is
 * believed about its form.
 */
#include <string.h>

#include "core/base64.h"

#include "fields.h"

/* Reads on to the end of the container that has just been opened. */
static AlStatus
skip_container(AlJsonReader *reader, size_t depth, AlJsonToken *token,
			   AlError *err)
{
	AlStatus	status = AL_OK;

	while (status == AL_OK && reader->depth >= depth)
		status = al_json_next(reader, token, err);
	return status;
}

static AlStatus
read_members(AlFields *fields, AlJsonReader *reader, AlError *err)
{
	AlJsonToken token;
	AlStatus	status = al_json_next(reader, &token, err);

	if (status == AL_OK && token.kind != AL_JSON_OBJECT_START)
		return al_status_fail(err, AL_INVALID, "not a JSON object");
	while (status == AL_OK)
	{
		AlField    *field = &fields->fields[fields->count];

		status = al_json_next(reader, &token, err);
		if (status != AL_OK || token.kind == AL_JSON_OBJECT_END)
			break;
		if (fields->count == AL_FIELDS_MAX)
			return al_status_fail(err, AL_INVALID,
								  "the object has more than %d members",
								  AL_FIELDS_MAX);
		if (token.escaped)
			return al_status_fail(err, AL_INVALID, "a key is escaped");
		field->key = fields->json + token.start + 1;
		field->key_len = token.end - token.start - 2;
		for (int i = 0; i < fields->count; i++)
			if (fields->fields[i].key_len == field->key_len &&
				memcmp(fields->fields[i].key, field->key, field->key_len) == 0)
				return al_status_fail(err, AL_INVALID, "a key comes twice");
		status = al_json_next(reader, &field->value, err);
		if (status == AL_OK && (field->value.kind == AL_JSON_OBJECT_START ||
								field->value.kind == AL_JSON_ARRAY_START))
		{
			status = skip_container(reader, reader->depth, &token, err);
			field->value.end = token.end;
		}
		fields->count++;
	}
	if (status == AL_OK)
		status = al_json_next(reader, &token, err);
	return status;
}

/* Reads a text that must be one object, each key of which comes once. */
AlStatus
al_fields_read(AlFields *fields, const char *json, size_t len, AlError *err)
{
	AlJsonReader reader;
	AlStatus	status;

	fields->json = json;
	fields->count = 0;
	al_json_start(&reader, json, len);
	status = read_members(fields, &reader, err);
	al_json_free(&reader);
	return status;
}

const AlField *
al_fields_find(const AlFields *fields, const char *key)
{
	size_t		len = strlen(key);

	for (int i = 0; i < fields->count; i++)
		if (fields->fields[i].key_len == len &&
			memcmp(fields->fields[i].key, key, len) == 0)
			return &fields->fields[i];
	return NULL;
}

static const AlField *
find_kind(const AlFields *fields, const char *key, AlJsonKind kind)
{
	const AlField *field = al_fields_find(fields, key);

	return field != NULL && field->value.kind == kind ? field : NULL;
}

/* Puts a string in place of what the buffer holds, with a zero behind it. */
bool
al_fields_text(const AlFields *fields, const char *key, AlBuf *out)
{
	const AlField *field = find_kind(fields, key, AL_JSON_STRING);

	al_buf_reset(out);
	if (field == NULL ||
		al_json_decode(fields->json, &field->value, false, out, NULL) != AL_OK)
		return false;
	al_buf_append_char(out, '\0');
	out->len -= !out->failed;
	return !out->failed;
}

bool
al_fields_is(const AlFields *fields, const char *key, const char *text)
{
	const AlField *field = find_kind(fields, key, AL_JSON_STRING);
	size_t		len = strlen(text);

	return field != NULL && !field->value.escaped &&
		field->value.end - field->value.start == len + 2 &&
		memcmp(fields->json + field->value.start + 1, text, len) == 0;
}

bool
al_fields_number(const AlFields *fields, const char *key, int64_t *number)
{
	const AlField *field = find_kind(fields, key, AL_JSON_NUMBER);
	const char *pos;
	const char *end;
	bool		negative;
	uint64_t	value = 0;

	if (field == NULL || !field->value.integer)
		return false;
	pos = fields->json + field->value.start;
	end = fields->json + field->value.end;
	negative = *pos == '-';
	for (pos += negative; pos < end; pos++)
	{
		if (value > (uint64_t) INT64_MAX / 10)
			return false;
		value = value * 10 + (uint64_t) (*pos - '0');
	}
	if (value > (uint64_t) INT64_MAX)
		return false;
	*number = negative ? -(int64_t) value : (int64_t) value;
	return true;
}

/* So many bytes, written in base64. */
bool
al_fields_bytes(const AlFields *fields, const char *key, void *bytes,
				size_t len)
{
	const AlField *field = find_kind(fields, key, AL_JSON_STRING);
	size_t		got;

	return field != NULL && !field->value.escaped &&
		al_base64_decode(fields->json + field->value.start + 1,
						 field->value.end - field->value.start - 2, bytes,
						 len, &got, NULL) == AL_OK &&
		got == len;
}
