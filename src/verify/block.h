/*
 * src/verify/block.h
 *
 * What was sealed at once, with its checkpoint: one row of audit.blocks.
 */
#ifndef AUDIT_LOG_BLOCK_H
#define AUDIT_LOG_BLOCK_H

#include "core/tlog.h"

#include "fields.h"

typedef struct AlTxids
{
	uint64_t	xmin;
	uint64_t	xmax;
	uint64_t   *xip;			/* ascending */
	size_t		nxip;
	size_t		room;
} AlTxids;

typedef struct AlBlock
{
	int64_t		number;			/* from 1; 0: there is none */
	uint64_t	first_leaf;
	uint64_t	size;
	int64_t		generation;
	AlHash		root;
	AlBuf		system_identifier;
	AlBuf		sealed_at;		/* ISO 8601 */
	AlBuf		note;			/* the checkpoint, signed; empty: none */
	AlCheckpoint checkpoint;	/* of the note; its origin points there */
	bool		has_checkpoint;
	AlBuf		stamps;			/* of the checkpoint, in base64, one a line */
	AlTxids		txids;
} AlBlock;

extern AlStatus al_block_read(const char *line, size_t len, AlBlock *block,
							  AlError *err);
extern size_t al_block_text_len(const AlBlock *block);
extern bool al_block_sees(const AlBlock *block, uint64_t txid);
extern void al_block_free(AlBlock *block);

#endif							/* AUDIT_LOG_BLOCK_H */
