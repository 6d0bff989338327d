/*
 * src/backend/rowjson.h
 *
 * Row -> JSON text.
 */
#ifndef AUDIT_LOG_ROWJSON_H
#define AUDIT_LOG_ROWJSON_H

#include "lib/stringinfo.h"

#include "rowplan.h"

#define AL_MASK "***"

extern void al_rowjson_row(StringInfo out, const AlRowPlan *plan,
						   const Datum *values, const bool *nulls,
						   const bool *wanted, StringInfo removed);
extern void al_rowjson_value(StringInfo out, AlTypePlan *type, Datum value);
extern void al_rowjson_text(StringInfo out, AlTypePlan *type, Datum value);
extern void al_rowjson_escape(StringInfo out, const char *text, int len);

#endif							/* AUDIT_LOG_ROWJSON_H */
