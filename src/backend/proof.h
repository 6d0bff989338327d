/*
 * src/backend/proof.h
 *
 * What is handed out about the ledger: checkpoints, proofs, tiles.
 */
#ifndef AUDIT_LOG_PROOF_H
#define AUDIT_LOG_PROOF_H

#include "lib/stringinfo.h"
#include "utils/uuid.h"

#include "ledger.h"

typedef void (*AlTileSink) (void *arg, const char *path, const void *bytes,
							int len);

extern char *al_proof_checkpoint(int64 size);
extern int64 al_proof_leaf(const pg_uuid_t *id);
extern char *al_proof_inclusion(const pg_uuid_t *id, int64 size);
extern char *al_proof_consistency(int64 old_size, int64 size);
extern void al_proof_timestamp_request(int64 size, uint8 *request);
extern char *al_proof_witness_request(int64 old_size);
extern bool al_proof_tile(const char *path, AlTileSink sink, void *arg);
extern void al_proof_tiles(int64 from, AlTileSink sink, void *arg);

#endif							/* AUDIT_LOG_PROOF_H */
