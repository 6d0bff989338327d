/*
 * src/backend/checkpoint_file.h
 *
 * The file outside the data directory that holds the last checkpoint.
 */
#ifndef AUDIT_LOG_CHECKPOINT_FILE_H
#define AUDIT_LOG_CHECKPOINT_FILE_H

#include "ledger.h"

extern const char *al_checkpoint_file_path(Snapshot snapshot,
										   const AlGeneration *generation);
extern char *al_checkpoint_file_read(const char *path);
extern bool al_checkpoint_file_replace(const char *path, const char *text);

#endif							/* AUDIT_LOG_CHECKPOINT_FILE_H */
