/*
 * src/backend/checkpoint.h
 *
 * Checkpoints: signed statements of the ledger's size and root.
 */
#ifndef AUDIT_LOG_CHECKPOINT_H
#define AUDIT_LOG_CHECKPOINT_H

#include "core/note.h"
#include "core/tlog.h"

#include "ledger.h"

extern bool al_checkpoint_parse(const char *note, AlCheckpoint *checkpoint);
extern char *al_checkpoint_text(const AlBlock *block,
								const AlGeneration *generation);
extern char *al_checkpoint_lines(Snapshot snapshot, const AlBlock *block);
extern char *al_checkpoint_note(Snapshot snapshot, const AlBlock *block,
								const AlGeneration *generation);
extern void al_checkpoint_add_line(const AlBlock *block, const char *line,
								   int len);

#endif							/* AUDIT_LOG_CHECKPOINT_H */
