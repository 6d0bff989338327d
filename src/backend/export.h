/*
 * src/backend/export.h
 *
 * The sealed records in the order of the ledger, one after the other.
 */
#ifndef AUDIT_LOG_EXPORT_H
#define AUDIT_LOG_EXPORT_H

#include "leaf.h"
#include "ledger.h"

typedef struct AlExport AlExport;

typedef enum AlExportState
{
	AL_EXPORT_PRESENT,
	AL_EXPORT_EXPIRED,
	AL_EXPORT_ERASED,
	AL_EXPORT_MISSING			/* before its expiry, and nobody erased it */
} AlExportState;

/* A leaf with its record; lives until the next call. */
typedef struct AlExported
{
	int64		number;
	AlLeaf		leaf;			/* as it was sealed */
	AlExportState state;
	/* The rest is of a record that is present. */
	AlStream	stream;
	uint64		txid;
	int64		expire;			/* as it is stored now */
	const char *salt;
	int			salt_len;
	const char *record;			/* as audit.record() gives it */
	int			record_len;
} AlExported;

extern AlExport *al_export_begin(int64 from, int64 limit);
extern const AlExported *al_export_next(AlExport *export);
extern const char *al_export_state_name(AlExportState state);

#endif							/* AUDIT_LOG_EXPORT_H */
