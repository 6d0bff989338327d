/*
 * src/backend/keyfiles.h
 *
 * Files that hold private keys.
 */
#ifndef AUDIT_LOG_KEYFILES_H
#define AUDIT_LOG_KEYFILES_H

#include <sys/stat.h>

#include "core/crypto.h"

/* A file that is still what it was when it was read. */
typedef struct AlKeyFileState
{
	dev_t		device;
	ino_t		inode;
	off_t		size;
	struct timespec changed;
} AlKeyFileState;

/* What is wrong with a key file; a sentence for errdetail(). */
typedef struct AlKeyFileProblem
{
	int			sqlstate;
	char		detail[512];
} AlKeyFileProblem;

/* How src/core reads the kind of key that is wanted. */
typedef AlStatus (*AlKeyReader) (const char *pem, size_t len, AlKey **key,
								 AlError *err);

extern AlKey *al_keyfiles_load(const char *path, AlKeyReader reader,
							   AlKeyFileState *state,
							   AlKeyFileProblem *problem);
extern void al_keyfiles_state(const struct stat *st, AlKeyFileState *state);
extern bool al_keyfiles_is_key(const char *path);
extern AlKey *al_keyfiles_load_ledger(const char *path);
extern AlKey *al_keyfiles_create_ledger(const char *path);

#endif							/* AUDIT_LOG_KEYFILES_H */
