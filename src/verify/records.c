/*
 * src/verify/records.c
 *
 * Records against their leaves, one by one.
 *
 * A record may be gone when its sealed expiry has passed.  Before that only
 * audit.erase() may have removed it, which leaves a record of its own further
 * on in the ledger; so those that are gone are remembered until the end.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base64.h"

#include "records.h"

static void
format_time(int64_t micros, char text[32])
{
	time_t		seconds = (time_t) (micros / 1000000);
	struct tm	parts;

	if (gmtime_r(&seconds, &parts) == NULL ||
		strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
		strcpy(text, "another time");
}

static void
find_deleted(AlRecords *records, int64_t leaf, const char *id, int64_t expire)
{
	char		when[32];

	format_time(expire, when);
	if (expire == AL_ENTRY_NEVER)
		al_report_finding(records->report, "deleted", leaf, id,
						  "it never expires");
	else
		al_report_finding(records->report, "deleted", leaf, id,
						  "it expires at %s", when);
}

/* A leaf without its record. */
static void
check_gone(AlRecords *records, const AlEntry *entry)
{
	uint8_t		id[16];
	AlIdEntry  *gone;

	if (entry->expire <= records->now && !entry->missing)
	{
		records->expired++;
		return;
	}
	gone = al_entry_id_bytes(entry->id, id) ? al_idmap_put(&records->gone, id)
		: NULL;
	if (gone == NULL)
	{
		find_deleted(records, (int64_t) entry->leaf, entry->id, entry->expire);
		return;
	}
	gone->leaf = (int64_t) entry->leaf;
	gone->expire = entry->expire;
}

/* A record that is about the ledger, and that fits its leaf. */
static AlStatus
read_event(AlRecords *records, const AlEntry *entry, AlError *err)
{
	AlBuf		json = {0};
	AlFields	event;
	uint8_t		id[16];
	AlIdEntry  *gone;
	AlStatus	status = AL_OK;

	if (al_fields_text(&entry->fields, "entity", &json) &&
		al_fields_read(&event, json.data, json.len, NULL) == AL_OK)
	{
		if (al_fields_is(&event, "event", "erase") &&
			al_fields_text(&event, "id", &records->text) &&
			records->text.len == AL_ENTRY_ID_LEN &&
			al_entry_id_bytes(records->text.data, id) &&
			(gone = al_idmap_get(&records->gone, id)) != NULL)
			gone->found = true;
		else if (al_fields_is(&event, "event", "rotate_key") &&
				 al_fields_text(&event, "key", &records->text))
			al_notes_follow(records->notes, records->text.data,
							records->text.len);
		else if (al_fields_is(&event, "event", "new_generation") &&
				 al_fields_text(&event, "generation", &records->text))
			records->generation = strtoll(records->text.data, NULL, 10);
		else if (al_fields_is(&event, "event", "timestamp"))
			status = al_stamps_expect(&records->notes->stamps, &event, err);
	}
	al_buf_free(&json);
	return status;
}

/* The signature of the record itself, if keys for it were given. */
static AlStatus
check_signature(AlRecords *records, const AlEntry *entry, AlError *err)
{
	uint8_t		signature[AL_SIGNATURE_MAX];
	size_t		len;
	AlPublicKey *key;
	AlStatus	status;

	if (records->trust->n_records == 0 ||
		!al_fields_text(&entry->fields, "key_id", &records->text))
		return AL_OK;
	key = al_trust_record_key(records->trust, records->text.data);
	if (key == NULL)
	{
		al_report_finding(records->report, "signature", (int64_t) entry->leaf,
						  entry->id,
						  "it is signed by key %.64s, which was not given",
						  records->text.data);
		return AL_OK;
	}
	al_buf_reset(&records->canonical);
	status = al_canon_pipe(entry->record, entry->record_len,
						   &records->canonical, err);
	if (status == AL_OK &&
		(!al_fields_text(&entry->fields, "signature", &records->text) ||
		 al_base64_decode(records->text.data, records->text.len, signature,
						  sizeof(signature), &len, NULL) != AL_OK))
		status = AL_MISMATCH;
	if (status == AL_OK)
		status = al_crypto_verify(key, records->canonical.data,
								  records->canonical.len, signature, len, err);
	if (status == AL_NO_MEMORY || status == AL_FAILED)
		return status;
	records->signatures++;
	if (status != AL_OK)
		al_report_finding(records->report, "signature", (int64_t) entry->leaf,
						  entry->id, "the record's signature does not fit");
	return AL_OK;
}

AlStatus
al_records_check(AlRecords *records, const AlEntry *entry, AlError *err)
{
	char		when[32];
	AlStatus	status = AL_OK;

	records->generation = 0;
	if (!entry->present)
	{
		check_gone(records, entry);
		return AL_OK;
	}
	records->present++;
	if (!entry->consistent ||
		memcmp(&entry->inner, &entry->record_inner, sizeof(AlHash)) != 0)
	{
		al_report_finding(records->report, "changed", (int64_t) entry->leaf,
						  entry->id,
						  "the contents do not have the hash that was sealed");
		return AL_OK;
	}
	if (entry->expire != entry->record_expire)
	{
		format_time(entry->expire, when);
		al_report_finding(records->report, "changed", (int64_t) entry->leaf,
						  entry->id, "it was sealed %s%s",
						  entry->expire == AL_ENTRY_NEVER ? "never to expire"
						  : "to expire at ",
						  entry->expire == AL_ENTRY_NEVER ? "" : when);
	}
	if (entry->is_event)
		status = read_event(records, entry, err);
	return status == AL_OK ? check_signature(records, entry, err) : status;
}

static int
by_leaf(const void *a, const void *b)
{
	int64_t		x = ((const AlIdEntry *) a)->leaf;
	int64_t		y = ((const AlIdEntry *) b)->leaf;

	return (x > y) - (x < y);
}

/* What is gone and was not erased. */
AlStatus
al_records_finish(AlRecords *records, AlSource *source, AlError *err)
{
	AlIdMap    *gone = &records->gone;
	size_t		n = 0;

	for (size_t i = 0; i < gone->room; i++)
		if (gone->entries[i].used)
			gone->entries[n++] = gone->entries[i];
	if (n > 0)
		qsort(gone->entries, n, sizeof(AlIdEntry), by_leaf);
	for (size_t i = 0; i < n; i++)
	{
		AlIdEntry  *entry = &gone->entries[i];
		AlStatus	status = AL_OK;
		char		id[37];

		al_idmap_format(entry->id, id);
		if (!entry->found && source->erased)
			status = source->erased(source, id, &entry->found, err);
		if (status != AL_OK)
			return status;
		if (entry->found)
			records->erased++;
		else
			find_deleted(records, entry->leaf, id, entry->expire);
	}
	return AL_OK;
}

void
al_records_free(AlRecords *records)
{
	al_idmap_free(&records->gone);
	al_buf_free(&records->text);
	al_buf_free(&records->canonical);
}
