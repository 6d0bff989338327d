/*
 * src/verify/entry.h
 *
 * A leaf of the ledger beside the record that is stored for it: one row of
 * audit.export().
 */
#ifndef AUDIT_LOG_ENTRY_H
#define AUDIT_LOG_ENTRY_H

#include "core/canon.h"

#include "fields.h"

#define AL_ENTRY_NEVER INT64_MAX
#define AL_ENTRY_ID_LEN 36

typedef struct AlEntry
{
	uint64_t	leaf;
	char		id[AL_ENTRY_ID_LEN + 1];
	int64_t		expire;			/* microseconds since 1970, or AL_ENTRY_NEVER */
	AlHash		inner;
	bool		missing;		/* the server says: gone before its time */

	bool		present;		/* the rest is of the record */
	bool		consistent;		/* its parts agree with each other */
	uint64_t	txid;
	int64_t		record_expire;
	AlHash		record_inner;	/* computed from the record */
	bool		is_event;		/* about the ledger itself */
	const char *record;			/* JSON; points into the line */
	size_t		record_len;
	AlFields	fields;			/* of the record */
} AlEntry;

/* Buffers that are used for one line after the other. */
typedef struct AlEntryReader
{
	AlSha256   *sha;
	AlBuf		meta;
	AlBuf		data;
	AlBuf		text;
	AlFields	fields;
} AlEntryReader;

extern AlStatus al_entry_read(AlEntryReader *reader, const char *line,
							  size_t len, AlEntry *entry, AlError *err);
extern AlStatus al_entry_leaf_hash(AlSha256 *sha, const AlEntry *entry,
								   AlHash *hash);
extern bool al_entry_id_bytes(const char *id, uint8_t bytes[16]);
extern void al_entry_free(AlEntryReader *reader);

#endif							/* AUDIT_LOG_ENTRY_H */
