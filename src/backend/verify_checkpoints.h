/*
 * src/backend/verify_checkpoints.h
 *
 * Whether what is signed or stamped is true of the ledger.
 */
#ifndef AUDIT_LOG_VERIFY_CHECKPOINTS_H
#define AUDIT_LOG_VERIFY_CHECKPOINTS_H

#include "checkpoint.h"
#include "findings.h"
#include "knownkeys.h"
#include "storedtree.h"

typedef struct AlVerifyCheckpoints
{
	Snapshot	snapshot;
	const AlFindings *findings;
	AlKnownKeys keys;
	int64		unsigned_from;	/* blocks that nobody has signed; 0: none */
	int64		unsigned_to;
	int64		unsigned_size;	/* of the first of them */
} AlVerifyCheckpoints;

extern void al_verify_checkpoints_begin(AlVerifyCheckpoints *checks,
										Snapshot snapshot,
										const AlFindings *findings);
extern void al_verify_checkpoints_notice(const AlVerifyCheckpoints *checks);
extern void al_verify_checkpoints_block(AlVerifyCheckpoints *checks,
										const AlBlock *block);
extern void al_verify_checkpoints_stamps(AlVerifyCheckpoints *checks,
										 int64 from, int64 to);
extern void al_verify_checkpoints_note(AlVerifyCheckpoints *checks,
									   const char *note, const char *what,
									   AlStoredTree *tree,
									   const AlBlock *last);
extern void al_verify_checkpoints_file(AlVerifyCheckpoints *checks,
									   AlStoredTree *tree,
									   const AlBlock *last);
extern void al_verify_checkpoints_end(AlVerifyCheckpoints *checks);

#endif							/* AUDIT_LOG_VERIFY_CHECKPOINTS_H */
