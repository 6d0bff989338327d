/*
 * src/verify/stamps.h
 *
 * Time stamps of checkpoints.
 */
#ifndef AUDIT_LOG_STAMPS_H
#define AUDIT_LOG_STAMPS_H

#include "core/crypto_timestamp.h"

#include "block.h"
#include "idmap.h"
#include "report.h"

typedef struct AlStamps
{
	AlReport   *report;
	AlAuthorities *trusted;		/* NULL: any certificate is taken */
	AlBuf		last;			/* stamps of the block before, and its size */
	uint64_t	last_size;
	AlIdMap		stored;			/* by a digest of size and token */
	bool		forgot;			/* there are more than the map holds */
	uint64_t	verified;
	int64_t		earliest;		/* microseconds since 1970, with verified > 0 */
	uint64_t	earliest_size;
	int64_t		latest;
	uint64_t	latest_size;
} AlStamps;

extern AlStatus al_stamps_trust(AlStamps *stamps, const char *path,
								AlError *err);
extern AlStatus al_stamps_block(AlStamps *stamps, const AlBlock *block,
								AlError *err);
extern AlStatus al_stamps_expect(AlStamps *stamps, const AlFields *event,
								 AlError *err);
extern void al_stamps_say(const AlStamps *stamps);
extern void al_stamps_free(AlStamps *stamps);

#endif							/* AUDIT_LOG_STAMPS_H */
