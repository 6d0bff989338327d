/*
 * src/backend/ids.h
 *
 * Ids and salts of records, and the random part of request ids.
 */
#ifndef AUDIT_LOG_IDS_H
#define AUDIT_LOG_IDS_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#define AL_SALT_SIZE 16
#define AL_REQUEST_ID_SIZE 32
#define AL_UUID_TEXT_LEN 36

/* Where the server's timestamps begin, in microseconds since 1970. */
#define AL_POSTGRES_EPOCH \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* The next ids of one writer at one moment; see ids.c. */
typedef struct AlIdSequence
{
	uint64		prefix;			/* time and version: the first 8 bytes */
	uint64		next;			/* variant and counter: the last 8 bytes */
} AlIdSequence;

extern void al_ids_start(AlIdSequence *ids, TimestampTz at);
extern void al_ids_next(AlIdSequence *ids, pg_uuid_t *id);
extern TimestampTz al_ids_time(const pg_uuid_t *id);
extern void al_ids_print(char *out, const pg_uuid_t *id);
extern char *al_ids_text(const pg_uuid_t *id);
extern void al_ids_random(void *bytes, int len);
extern void al_ids_request_id(char *id);

#endif							/* AUDIT_LOG_IDS_H */
