/*
 * src/verify/source.h
 *
 * Where leaves and blocks come from: a database, or files that were exported.
 *
 * Both give the same lines, JSON objects that are the rows of audit.export()
 * and audit.blocks, in order.  A line lives until the next call of the same
 * function.
 */
#ifndef AUDIT_LOG_SOURCE_H
#define AUDIT_LOG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/status.h"

/* AL_OK with *line NULL is the end. */
typedef struct AlSource AlSource;

/* A record that is stored, sealed or not. */
typedef struct AlStored
{
	uint8_t		id[16];
	uint64_t	txid;
	int64_t		expire;			/* microseconds since 1970, INT64_MAX: never */
} AlStored;

struct AlSource
{
	void	   *state;
	uint64_t	total;			/* leaves to come; 0: not known */
	int64_t		now;			/* of the source, microseconds since 1970 */

	AlStatus	(*next_leaf) (AlSource *source, const char **line, size_t *len,
							  AlError *err);
	AlStatus	(*next_block) (AlSource *source, const char **line, size_t *len,
							   AlError *err);
	/* AL_MISMATCH with a reason: it cannot be had. */
	AlStatus	(*tile) (AlSource *source, const char *path, AlBuf *bytes,
						 AlError *err);

	/*
	 * What only a database knows; NULL elsewhere.  stored_next() follows the
	 * leaves, then sealed_next() gives the ids of all leaves once more.
	 */
	AlStatus	(*stored_next) (AlSource *source, AlStored *stored, bool *end,
								AlError *err);
	AlStatus	(*sealed_next) (AlSource *source, uint8_t id[16], bool *end,
								AlError *err);
	AlStatus	(*erased) (AlSource *source, const char *id, bool *erased,
						   AlError *err);
	uint64_t	next_txid;		/* first that has not begun */

	/* Called once all is read that will be; NULL: nothing is left to do. */
	AlStatus	(*finish) (AlSource *source, AlError *err);
	void		(*close) (AlSource *source);
};

extern AlStatus al_live_open(AlSource *source, const char *conninfo,
							 const char *save, AlError *err);
extern AlStatus al_files_open(AlSource *source, const char *folder,
							  AlError *err);

#endif							/* AUDIT_LOG_SOURCE_H */
