/*
 * src/verify/idmap.h
 *
 * A bounded set of record ids, each with what is known of the record.
 */
#ifndef AUDIT_LOG_IDMAP_H
#define AUDIT_LOG_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AL_IDMAP_MAX (1 << 20)	/* entries; what memory may grow to */

typedef struct AlIdEntry
{
	uint8_t		id[16];
	bool		used;
	/* the rest is the caller's */
	bool		found;
	int64_t		leaf;
	int64_t		expire;
	uint64_t	txid;
} AlIdEntry;

typedef struct AlIdMap
{
	AlIdEntry  *entries;
	size_t		room;			/* a power of two, or 0 */
	size_t		count;
} AlIdMap;

/* NULL: the map is full, or there is no memory. */
extern AlIdEntry *al_idmap_put(AlIdMap *map, const uint8_t id[16]);
extern AlIdEntry *al_idmap_get(const AlIdMap *map, const uint8_t id[16]);
extern void al_idmap_format(const uint8_t id[16], char text[37]);
extern void al_idmap_free(AlIdMap *map);

#endif							/* AUDIT_LOG_IDMAP_H */
