/*
 * src/verify/stamps.c
 *
 * Time stamps of checkpoints (RFC 3161).
 *
 * What is stamped is the signed text of a checkpoint: origin, size, root.
 * Without authorities that the caller trusts a stamp is verified by the
 * certificate that comes with it: then it shows only that nobody has changed
 * it since somebody made it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base64.h"

#include "stamps.h"
#include "trust.h"

/* Trusts the certificates in a file. */
AlStatus
al_stamps_trust(AlStamps *stamps, const char *path, AlError *err)
{
	AlBuf		text = {0};
	AlStatus	status;

	if (stamps->trusted != NULL)
		return al_status_fail(err, AL_INVALID,
							  "one file must hold all certificates");
	status = al_trust_read_file(path, &text, err);
	if (status == AL_OK)
		status = al_crypto_load_authorities(text.data, text.len,
											&stamps->trusted, err);
	al_buf_free(&text);
	return status;
}

static void
count(AlStamps *stamps, const AlTimestamp *stamp, uint64_t size)
{
	if (stamps->verified == 0 || stamp->time < stamps->earliest)
	{
		stamps->earliest = stamp->time;
		stamps->earliest_size = size;
	}
	if (stamps->verified == 0 || stamp->time > stamps->latest)
	{
		stamps->latest = stamp->time;
		stamps->latest_size = size;
	}
	stamps->verified++;
}

/* What a stamp is known by: a digest of its size and its token's, in hex. */
static AlStatus
make_id(const char *size, const char *token, uint8_t digest[AL_SHA256_LEN],
		AlError *err)
{
	char		text[2 * AL_SHA256_LEN + 32];

	(void) snprintf(text, sizeof(text), "%.20s %.64s", size, token);
	return al_crypto_sha256(text, strlen(text), digest, err);
}

/* Remembers a stamp that is stored, right or wrong. */
static AlStatus
remember(AlStamps *stamps, const void *token, size_t len, uint64_t size,
		 AlError *err)
{
	uint8_t		digest[AL_SHA256_LEN];
	char		hex[2 * AL_SHA256_LEN + 1];
	char		number[24];
	AlStatus	status = al_crypto_sha256(token, len, digest, err);

	for (int i = 0; i < AL_SHA256_LEN; i++)
		(void) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	(void) snprintf(number, sizeof(number), "%" PRIu64, size);
	if (status == AL_OK)
		status = make_id(number, hex, digest, err);
	if (status == AL_OK && al_idmap_put(&stamps->stored, digest) == NULL)
		stamps->forgot = true;
	return status;
}

/*
 * A record that says that a stamp was added.  The checkpoint that it stamps
 * came before.
 */
AlStatus
al_stamps_expect(AlStamps *stamps, const AlFields *event, AlError *err)
{
	AlBuf		size = {0};
	AlBuf		token = {0};
	uint8_t		digest[AL_SHA256_LEN];
	AlStatus	status = AL_OK;

	if (!stamps->forgot && al_fields_text(event, "size", &size) &&
		al_fields_text(event, "token", &token))
	{
		status = make_id(size.data, token.data, digest, err);
		if (status == AL_OK && al_idmap_get(&stamps->stored, digest) == NULL)
			al_report_finding(stamps->report, "timestamp",
							  strtoll(size.data, NULL, 10), NULL,
							  "the time stamp of the checkpoint of size %.20s: it was added and is gone",
							  size.data);
	}
	al_buf_free(&size);
	al_buf_free(&token);
	return status;
}

/* Verifies one stamp, in base64, of a text with a digest. */
static AlStatus
check_stamp(AlStamps *stamps, const char *text, size_t len,
			const uint8_t digest[AL_SHA256_LEN], const AlBlock *block,
			AlError *err)
{
	uint8_t    *token = malloc(AL_BASE64_DECODED_MAX(len) + 1);
	AlTimestamp stamp;
	size_t		token_len;
	AlStatus	status;

	if (token == NULL)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	status = al_base64_decode(text, len, token, AL_BASE64_DECODED_MAX(len),
							  &token_len, err);
	if (status == AL_OK)
		status = remember(stamps, token, token_len, block->size, err);
	if (status == AL_OK)
		status = al_crypto_read_timestamp(token, token_len, stamps->trusted,
										  &stamp, err);
	if (status == AL_OK &&
		memcmp(stamp.imprint, digest, AL_SHA256_LEN) != 0)
		status = al_status_fail(err, AL_MISMATCH,
								"it is of another checkpoint");
	free(token);
	if (status == AL_NO_MEMORY)
		return status;
	if (status == AL_OK)
		count(stamps, &stamp, block->size);
	else
		al_report_finding(stamps->report, "timestamp", (int64_t) block->size,
						  NULL,
						  "the time stamp of the checkpoint of size %" PRIu64 ": %s",
						  block->size, err->reason);
	return AL_OK;
}

/* Verifies the stamps of a block's checkpoint. */
AlStatus
al_stamps_block(AlStamps *stamps, const AlBlock *block, AlError *err)
{
	uint8_t		digest[AL_SHA256_LEN];
	const char *end = block->stamps.data + block->stamps.len;
	AlStatus	status;

	if (block->stamps.len == 0 || !block->has_checkpoint)
		return AL_OK;
	/* An idle ledger repeats its checkpoint, and the stamps of that. */
	if (stamps->last_size == block->size &&
		stamps->last.len == block->stamps.len &&
		memcmp(stamps->last.data, block->stamps.data, block->stamps.len) == 0)
		return AL_OK;
	stamps->last_size = block->size;
	al_buf_reset(&stamps->last);
	al_buf_append(&stamps->last, block->stamps.data, block->stamps.len);
	if (stamps->last.failed)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	status = al_crypto_sha256(block->note.data, al_block_text_len(block),
							  digest, err);
	for (const char *line = block->stamps.data; status == AL_OK && line < end;)
	{
		const char *newline = memchr(line, '\n', (size_t) (end - line));
		size_t		len = (size_t) ((newline ? newline : end) - line);

		status = check_stamp(stamps, line, len, digest, block, err);
		line += len + 1;
	}
	return status;
}

static const char *
print_time(int64_t us, char *out, size_t room)
{
	time_t		seconds = (time_t) (us / 1000000);
	struct tm	parts;

	if (gmtime_r(&seconds, &parts) == NULL ||
		strftime(out, room, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		return "?";
	return out;
}

void
al_stamps_say(const AlStamps *stamps)
{
	char		earliest[40];
	char		latest[40];

	if (stamps->verified == 0)
		return;
	al_report_say(stamps->report,
				  "%" PRIu64 " time stamps verified%s: %" PRIu64
				  " leaves existed at %s, %" PRIu64 " at %s",
				  stamps->verified,
				  stamps->trusted ? "" : ", by authorities that nobody vouches for (--timestamp-ca)",
				  stamps->earliest_size,
				  print_time(stamps->earliest, earliest, sizeof(earliest)),
				  stamps->latest_size,
				  print_time(stamps->latest, latest, sizeof(latest)));
}

void
al_stamps_free(AlStamps *stamps)
{
	al_crypto_free_authorities(stamps->trusted);
	al_buf_free(&stamps->last);
	al_idmap_free(&stamps->stored);
}
