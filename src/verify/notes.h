/*
 * src/verify/notes.h
 *
 * Checkpoints: those of the blocks, and those that the caller kept.
 */
#ifndef AUDIT_LOG_NOTES_H
#define AUDIT_LOG_NOTES_H

#include "block.h"
#include "report.h"
#include "stamps.h"
#include "trust.h"

typedef struct AlKept
{
	const char *path;
	AlBuf		note;
	AlCheckpoint checkpoint;	/* points into note */
	bool		compared;
	bool		known_origin;
} AlKept;

typedef struct AlNotes
{
	AlTrust    *trust;
	AlReport   *report;
	AlKept	   *kept;			/* by size, once al_notes_begin() has sorted
								 * them */
	int			n_kept;
	int			next;			/* first that is larger than the tree so far */
	AlBuf		last;			/* note of the block before */
	AlBuf		origin;			/* of the block before */
	int64_t		generation;		/* likewise */
	AlBuf		followed;		/* verifiers of keys that wait to be trusted */
	uint64_t	signed_notes;
	bool		last_signed;	/* the last block's, by a trusted key */
	bool		own_signed;		/* any, by a trusted key under its origin */
	uint64_t	before_signed;	/* blocks until then */
	int64_t		unsigned_from;	/* blocks without a trusted key's signature */
	int64_t		unsigned_to;	/* since; 0: none */
	uint64_t	unsigned_size;	/* of the first of them */
	AlStamps	stamps;
} AlNotes;

extern AlStatus al_notes_keep(AlNotes *notes, const char *path, AlError *err);
extern AlStatus al_notes_begin(AlNotes *notes, AlSha256 *sha);
extern void al_notes_follow(AlNotes *notes, const char *verifier, size_t len);
extern AlStatus al_notes_grown(AlNotes *notes, AlSha256 *sha,
							   const AlFrontier *frontier);
extern AlStatus al_notes_block(AlNotes *notes, const AlBlock *block,
							   AlError *err);
extern AlStatus al_notes_finish(AlNotes *notes, uint64_t size, AlError *err);
extern void al_notes_free(AlNotes *notes);

#endif							/* AUDIT_LOG_NOTES_H */
