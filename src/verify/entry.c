/*
 * src/verify/entry.c
 *
 * A leaf of the ledger beside the record that is stored for it.
 *
 * The leaf that a record makes, format 1, is computed here from the JSON that
 * audit.record() gives, and not from anything that the server computed:
 *
 *	meta	canonical JSON of format, id, occurred_at, stream, txid
 *	data	canonical JSON of all other members but those that change or are
 *			derived (ttl, request_timestamp); numbers as strings
 *
 * src/core/merkle.c has the hashes.  Every value of the record is in one of
 * the two, except request_timestamp, which is compared with occurred_at, and
 * ttl, which says only what the clock was.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "entry.h"

/* In canonical order. */
static const char *const object_data[] = {
	"application_name", "client_ip", "dao_name", "db_role", "db_user",
	"entity", "entity_key", "key_id", "old_values", "operation",
	"partition_name", "rbac_user_id", "rbac_user_name",
	"removed_from_entity", "request_id", "request_source", "schema_name",
	"signature", "workspace", NULL
};
static const char *const request_data[] = {
	"client_ip", "db_user", "duration_ms", "key_id", "method", "path",
	"payload", "rbac_user_id", "rbac_user_name", "removed_from_payload",
	"request_id", "request_source", "signature", "status", "user_agent",
	"workspace", NULL
};

/* Members that are not in data. */
static const char *const object_rest[] = {
	"id", "txid", "occurred_at", "request_timestamp", "ttl", NULL
};
static const char *const request_rest[] = {
	"id", "occurred_at", "request_timestamp", "ttl", NULL
};

bool
al_entry_id_bytes(const char *id, uint8_t bytes[16])
{
	int			n = 0;

	for (int i = 0; i < AL_ENTRY_ID_LEN; i++)
	{
		const char *digits = "0123456789abcdef";
		const char *digit;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (id[i] != '-')
				return false;
			continue;
		}
		digit = id[i] ? strchr(digits, id[i]) : NULL;
		if (digit == NULL)
			return false;
		if (n % 2 == 0)
			bytes[n / 2] = (uint8_t) ((digit - digits) << 4);
		else
			bytes[n / 2] |= (uint8_t) (digit - digits);
		n++;
	}
	return id[AL_ENTRY_ID_LEN] == '\0';
}

static bool
read_id(AlEntryReader *reader, const AlFields *fields, char *id)
{
	uint8_t		bytes[16];

	if (!al_fields_text(fields, "id", &reader->text) ||
		reader->text.len != AL_ENTRY_ID_LEN ||
		!al_entry_id_bytes(reader->text.data, bytes))
		return false;
	memcpy(id, reader->text.data, AL_ENTRY_ID_LEN + 1);
	return true;
}

/* A number, or null for never. */
static bool
read_expire(const AlFields *fields, const char *key, int64_t *expire)
{
	const AlField *field = al_fields_find(fields, key);

	*expire = AL_ENTRY_NEVER;
	return field != NULL && (field->value.kind == AL_JSON_NULL ||
							 al_fields_number(fields, key, expire));
}

/* Days of the Gregorian calendar since 1970-01-01. */
static int64_t
days(int year, int month, int day)
{
	int64_t		y = year - (month <= 2);
	int64_t		m = month + (month > 2 ? -3 : 9);

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 -
		719468;
}

/* Is the number of seconds that of a time in ISO 8601? */
static bool
same_time(const char *text, int64_t seconds)
{
	int			year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second;
	char		micros[7];
	char		end;

	return sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6[0-9]%c", &year, &month,
				  &day, &hour, &minute, &second, micros, &end) == 8 &&
		end == 'Z' && strlen(text) == 27 &&
		seconds == days(year, month, day) * 86400 +
		hour * 3600 + minute * 60 + second;
}

static bool
is_among(const AlField *field, const char *const *names)
{
	for (; *names; names++)
		if (strlen(*names) == field->key_len &&
			memcmp(*names, field->key, field->key_len) == 0)
			return true;
	return false;
}

/* Has the record the members that a record has, and no others? */
static bool
is_complete(const AlFields *fields, const char *const *data,
			const char *const *rest)
{
	int			n = 0;

	for (int i = 0; i < fields->count; i++)
		if (!is_among(&fields->fields[i], data) &&
			!is_among(&fields->fields[i], rest))
			return false;
	for (; *data; data++)
		n++;
	for (; *rest; rest++)
		n++;
	return fields->count == n;
}

static void
put(AlCanonJcs *jcs, const char *key, const char *value)
{
	al_canon_jcs_put(jcs, key, strlen(key), value, strlen(value));
}

static bool
make_meta(AlEntryReader *reader, AlEntry *entry, const char *stream)
{
	AlCanonJcs	jcs;
	char		txid[24];
	int64_t		seconds;

	if (!al_fields_text(&entry->fields, "occurred_at", &reader->text))
		return false;
	entry->consistent =
		entry->consistent &&
		al_fields_number(&entry->fields, "request_timestamp", &seconds) &&
		same_time(reader->text.data, seconds);
	(void) snprintf(txid, sizeof(txid), "%" PRIu64, entry->txid);
	al_buf_reset(&reader->meta);
	al_canon_jcs_begin(&jcs, &reader->meta);
	put(&jcs, "format", "1");
	put(&jcs, "id", entry->id);
	al_canon_jcs_put(&jcs, "occurred_at", strlen("occurred_at"),
					 reader->text.data, reader->text.len);
	put(&jcs, "stream", stream);
	put(&jcs, "txid", txid);
	return al_canon_jcs_end(&jcs, NULL) == AL_OK;
}

static bool
make_data(AlEntryReader *reader, const AlFields *fields,
		  const char *const *names)
{
	AlCanonJcs	jcs;

	al_buf_reset(&reader->data);
	al_canon_jcs_begin(&jcs, &reader->data);
	for (; *names; names++)
	{
		const AlField *field = al_fields_find(fields, *names);
		const char *value = NULL;
		size_t		len = 0;

		if (field == NULL)
			return false;
		switch (field->value.kind)
		{
			case AL_JSON_NULL:
				break;
			case AL_JSON_NUMBER:
				value = fields->json + field->value.start;
				len = field->value.end - field->value.start;
				break;
			case AL_JSON_STRING:
				value = fields->json + field->value.start + 1;
				len = field->value.end - field->value.start - 2;
				if (!field->value.escaped)
					break;
				al_buf_reset(&reader->text);
				/* A zero begins what has no UTF-8 form. */
				if (al_json_decode(fields->json, &field->value, true,
								   &reader->text, NULL) != AL_OK)
					return false;
				value = reader->text.data ? reader->text.data : "";
				len = reader->text.len;
				break;
			default:
				return false;
		}
		al_canon_jcs_put(&jcs, *names, strlen(*names), value, len);
	}
	return al_canon_jcs_end(&jcs, NULL) == AL_OK;
}

/* Computes the inner hash that the record makes. */
static AlStatus
read_record(AlEntryReader *reader, const AlField *record, AlEntry *entry,
			AlError *err)
{
	const AlFields *line = &reader->fields;
	bool		objects = al_fields_is(line, "stream", "objects");
	uint8_t		salt[AL_MERKLE_SALT_LEN];
	char		id[AL_ENTRY_ID_LEN + 1];
	int64_t		txid;
	int64_t		own_txid;
	AlStatus	status;

	entry->present = entry->consistent = true;
	entry->record = line->json + record->value.start;
	entry->record_len = record->value.end - record->value.start;
	status = al_fields_read(&entry->fields, entry->record, entry->record_len,
							err);
	if (status != AL_OK)
		return status;
	if (!objects && !al_fields_is(line, "stream", "requests"))
		return al_status_fail(err, AL_INVALID, "the stream is not known");
	if (!al_fields_number(line, "txid", &txid) ||
		!read_expire(line, "record_expire_us", &entry->record_expire))
		return al_status_fail(err, AL_INVALID, "a member is missing");
	entry->txid = (uint64_t) txid;
	entry->consistent =
		al_fields_is(line, "state", "present") &&
		is_complete(&entry->fields, objects ? object_data : request_data,
					objects ? object_rest : request_rest) &&
		read_id(reader, &entry->fields, id) && strcmp(id, entry->id) == 0 &&
		(!objects || (al_fields_number(&entry->fields, "txid", &own_txid) &&
					  own_txid == txid));
	entry->is_event = objects &&
		al_fields_is(&entry->fields, "operation", "ddl") &&
		al_fields_is(&entry->fields, "schema_name", "audit") &&
		al_fields_is(&entry->fields, "dao_name", "ledger");
	if (!make_meta(reader, entry, objects ? "objects" : "requests") ||
		!make_data(reader, &entry->fields,
				   objects ? object_data : request_data) ||
		!al_fields_bytes(line, "salt", salt, sizeof(salt)))
	{
		entry->consistent = false;
		return AL_OK;
	}
	return al_merkle_inner(reader->sha, reader->meta.data, reader->meta.len,
						   salt, reader->data.data, reader->data.len,
						   &entry->record_inner);
}

/*
 * Reads a line.  AL_INVALID if it cannot be read as what it should be; a
 * record that does not fit its leaf is for the caller to see.
 */
AlStatus
al_entry_read(AlEntryReader *reader, const char *line, size_t len,
			  AlEntry *entry, AlError *err)
{
	const AlFields *fields = &reader->fields;
	const AlField *record;
	int64_t		leaf;
	AlStatus	status = al_fields_read(&reader->fields, line, len, err);

	if (status != AL_OK)
		return status;
	entry->present = entry->is_event = false;
	if (!al_fields_number(fields, "leaf", &leaf) || leaf < 0)
		return al_status_fail(err, AL_INVALID, "it has no leaf number");
	entry->leaf = (uint64_t) leaf;
	if (!read_id(reader, fields, entry->id) ||
		!read_expire(fields, "expire_us", &entry->expire) ||
		!al_fields_bytes(fields, "inner_hash", entry->inner.bytes,
						 sizeof(entry->inner.bytes)))
		return al_status_fail(err, AL_INVALID,
							  "id, expiry or inner hash is missing");
	entry->missing = al_fields_is(fields, "state", "missing");
	record = al_fields_find(fields, "record");
	if (record == NULL || record->value.kind == AL_JSON_NULL)
		return AL_OK;
	return read_record(reader, record, entry, err);
}

/* The hash of the leaf as it was sealed. */
AlStatus
al_entry_leaf_hash(AlSha256 *sha, const AlEntry *entry, AlHash *hash)
{
	char		expire[24] = "-";
	AlHash		bytes;
	AlStatus	status;

	if (entry->expire != AL_ENTRY_NEVER)
		(void) snprintf(expire, sizeof(expire), "%" PRId64, entry->expire);
	status = al_merkle_entry(sha, entry->id, AL_ENTRY_ID_LEN, expire,
							 strlen(expire), &entry->inner, &bytes);
	if (status == AL_OK)
		status = al_merkle_leaf(sha, bytes.bytes, sizeof(bytes.bytes), hash);
	return status;
}

void
al_entry_free(AlEntryReader *reader)
{
	al_buf_free(&reader->meta);
	al_buf_free(&reader->data);
	al_buf_free(&reader->text);
}
