/*
 * src/backend/rowjson.h
 *
 * Row -> JSON text, by a plan that is made once a relation.
 */
#ifndef AUDIT_LOG_ROWJSON_H
#define AUDIT_LOG_ROWJSON_H

#include "access/tupdesc.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "guard.h"

typedef struct AlTypePlan AlTypePlan;

typedef struct AlColumnPlan
{
	AttrNumber	attnum;
	char	   *label;			/* `"name":`, escaped */
	int			label_len;
	const char *name;
	AlTypePlan *type;
	bool		masked;			/* print AL_MASK instead of a value */
	bool		typbyval;
	int16		typlen;
} AlColumnPlan;

typedef struct AlRowPlan
{
	MemoryContext context;		/* all of the plan lives here */
	int			ncolumns;		/* live columns that are not excluded */
	AlColumnPlan *columns;
	AlGuard		guard;
	List	   *types;			/* every AlTypePlan, for reuse and recursion */
	List	   *relids;			/* composite types printed: their relations */
} AlRowPlan;

#define AL_MASK "***"

extern AlRowPlan *al_rowjson_plan(TupleDesc tupdesc, List *exclude,
								  List *mask, StringInfo removed);
extern AlTypePlan *al_rowjson_type(AlRowPlan *plan, Oid typid);
extern void al_rowjson_row(StringInfo out, const AlRowPlan *plan,
						   const Datum *values, const bool *nulls,
						   const bool *wanted, StringInfo removed);
extern void al_rowjson_value(StringInfo out, AlTypePlan *type, Datum value);
extern void al_rowjson_text(StringInfo out, AlTypePlan *type, Datum value);
extern AlGuard al_rowjson_type_guard(AlTypePlan *type);
extern void al_rowjson_escape(StringInfo out, const char *text, int len);

#endif							/* AUDIT_LOG_ROWJSON_H */
