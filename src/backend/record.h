/*
 * src/backend/record.h
 *
 * A record as one JSON object: what the API returns and what is signed.
 */
#ifndef AUDIT_LOG_RECORD_H
#define AUDIT_LOG_RECORD_H

#include "lib/stringinfo.h"

#include "core/buf.h"

#include "tables.h"

extern void al_record_json(StringInfo out, AlStream stream,
						   const Datum *values, const bool *nulls);
extern void al_record_of_row(StringInfo out, AlStream stream,
							 const Datum *columns, const bool *column_nulls);
extern int	al_record_fields(AlStream stream);
extern const char *al_record_field_name(AlStream stream, int field);
extern void al_record_canonical(AlBuf *out, const char *json, int len,
								bool strict);
extern void al_record_sign(AlStream stream, HeapTuple *tuples, int ntuples);

#endif							/* AUDIT_LOG_RECORD_H */
