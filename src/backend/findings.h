/*
 * src/backend/findings.h
 *
 * What verification finds, handed on one at a time.  The kinds:
 *
 *	changed		a record does not have the hash or the expiry of its leaf
 *	deleted		a record is gone before the expiry it was sealed with
 *	inserted	a record that a block's snapshot sees is no leaf
 *	moved		a leaf is not where its record's transaction belongs
 *	future		a record of a transaction that has not begun yet
 *	bundle		leaves are missing or cannot be read
 *	node		a stored node is not the hash of what is below it
 *	root		a block's root is not the hash of its leaves
 *	block		a block does not follow its predecessor
 *	generation	a generation does not begin with its record
 *	signature	a stored signature of a known key does not fit, or there is none
 *				although the ledger had a key
 *	timestamp	a stored time stamp is not one of its checkpoint
 *	checkpoint	the ledger does not continue a checkpoint
 *	rolled_back	a checkpoint has more leaves than the ledger
 */
#ifndef AUDIT_LOG_FINDINGS_H
#define AUDIT_LOG_FINDINGS_H

#include "utils/uuid.h"

/* leaf is -1, id NULL where a finding is not about one. */
typedef void (*AlFindingSink) (void *arg, const char *kind, int64 leaf,
							   const pg_uuid_t *id, const char *detail);

typedef struct AlFindings
{
	AlFindingSink sink;
	void	   *arg;			/* of the sink */
} AlFindings;

static inline void
al_findings_add(const AlFindings *findings, const char *kind, int64 leaf,
				const pg_uuid_t *id, const char *detail)
{
	findings->sink(findings->arg, kind, leaf, id, detail);
}

#endif							/* AUDIT_LOG_FINDINGS_H */
