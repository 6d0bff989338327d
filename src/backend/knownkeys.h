/*
 * src/backend/knownkeys.h
 *
 * The keys whose signatures of checkpoints are known.
 */
#ifndef AUDIT_LOG_KNOWNKEYS_H
#define AUDIT_LOG_KNOWNKEYS_H

#include "utils/snapshot.h"

#include "core/note.h"

typedef struct AlKnownKeys
{
	int			count;
	AlNoteKey  *keys;			/* freed with the memory context */
	bool	   *own;
	int64	   *first_size;		/* the smallest tree that it signs */
	int64	   *last_size;		/* -1: still in use */
} AlKnownKeys;

extern void al_knownkeys_read(Snapshot snapshot, AlKnownKeys *keys);
extern int	al_knownkeys_find(const AlKnownKeys *keys, const AlNoteKey *key);
extern bool al_knownkeys_must_sign(const AlKnownKeys *keys, int64 size);
extern void al_knownkeys_add(const AlNoteKey *key, bool own,
							 int64 first_size, int64 last_size);

#endif							/* AUDIT_LOG_KNOWNKEYS_H */
