/*
 * src/verify/idmap.c
 *
 * A bounded set of record ids: open addressing, nothing is ever removed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idmap.h"

#define FIRST_ROOM 256

/* The second half of an id is random unless someone chose it. */
static size_t
start_of(const AlIdMap *map, const uint8_t id[16])
{
	uint64_t	half[2];

	memcpy(half, id, sizeof(half));
	return (size_t) ((half[0] ^ half[1]) * 0x9E3779B97F4A7C15u >> 20) &
		(map->room - 1);
}

static AlIdEntry *
find(const AlIdMap *map, const uint8_t id[16])
{
	size_t		at = start_of(map, id);

	while (map->entries[at].used && memcmp(map->entries[at].id, id, 16) != 0)
		at = (at + 1) & (map->room - 1);
	return &map->entries[at];
}

static bool
make_room(AlIdMap *map)
{
	AlIdMap		larger = {0};

	larger.room = map->room ? map->room * 2 : FIRST_ROOM;
	larger.count = map->count;
	larger.entries = calloc(larger.room, sizeof(AlIdEntry));
	if (larger.entries == NULL)
		return false;
	for (size_t i = 0; i < map->room; i++)
		if (map->entries[i].used)
			*find(&larger, map->entries[i].id) = map->entries[i];
	free(map->entries);
	*map = larger;
	return true;
}

AlIdEntry *
al_idmap_put(AlIdMap *map, const uint8_t id[16])
{
	AlIdEntry  *entry;

	if (map->count == AL_IDMAP_MAX ||
		(map->count * 2 >= map->room && !make_room(map)))
		return NULL;
	entry = find(map, id);
	if (!entry->used)
	{
		memcpy(entry->id, id, 16);
		entry->used = true;
		map->count++;
	}
	return entry;
}

AlIdEntry *
al_idmap_get(const AlIdMap *map, const uint8_t id[16])
{
	AlIdEntry  *entry = map->room ? find(map, id) : NULL;

	return entry && entry->used ? entry : NULL;
}

void
al_idmap_format(const uint8_t id[16], char text[37])
{
	(void) snprintf(text, 37,
					"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
					"%02x%02x%02x%02x%02x%02x",
					id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7],
					id[8], id[9], id[10], id[11], id[12], id[13], id[14],
					id[15]);
}

void
al_idmap_free(AlIdMap *map)
{
	free(map->entries);
	memset(map, 0, sizeof(*map));
}
