/*
 * src/backend/rowplan.h
 *
 * How the rows of a relation are printed, planned once.
 */
#ifndef AUDIT_LOG_ROWPLAN_H
#define AUDIT_LOG_ROWPLAN_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "guard.h"

typedef enum AlTypeKind
{
	AL_KIND_OUT,				/* a string, by the output function */
	AL_KIND_BOOL,
	AL_KIND_INT2,
	AL_KIND_INT4,
	AL_KIND_INT8,
	AL_KIND_FLOAT4,
	AL_KIND_FLOAT8,
	AL_KIND_NUMERIC,
	AL_KIND_DATETIME,			/* date, timestamp, timestamptz */
	AL_KIND_TEXT,				/* a varlena whose bytes are the text */
	AL_KIND_NAME,
	AL_KIND_UUID,
	AL_KIND_BYTEA,
	AL_KIND_JSON,
	AL_KIND_JSONB,
	AL_KIND_CAST,				/* not built in, with a cast to json */
	AL_KIND_ARRAY,
	AL_KIND_COMPOSITE
} AlTypeKind;

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

struct AlTypePlan
{
	Oid			typid;			/* domains looked through */
	AlTypeKind	kind;
	AlGuard		guard;			/* of this type and all inside it */
	FmgrInfo	out;			/* output function, or the cast to json */
	FmgrInfo	text_out;		/* output function, for AL_KIND_CAST too */
	FmgrInfo	text_cast;		/* the cast to text; no fn_oid: text_out */
	AlGuard		text_guard;		/* of text_out or text_cast */
	bool		holds_keys;		/* printed as JSON that has keys inside */
	/* AL_KIND_ARRAY */
	AlTypePlan *element;
	int16		typlen;			/* of the element */
	bool		typbyval;
	char		typalign;
	/* AL_KIND_COMPOSITE */
	int			ncolumns;
	AlColumnPlan *columns;
};

typedef struct AlRowPlan
{
	MemoryContext context;		/* all of the plan lives here */
	int			ncolumns;		/* live columns that are not excluded */
	AlColumnPlan *columns;
	AlGuard		guard;
	List	   *types;			/* every AlTypePlan, for reuse and recursion */
	List	   *relids;			/* composite types printed: their relations */
} AlRowPlan;

extern AlRowPlan *al_rowplan_make(TupleDesc tupdesc, List *exclude,
								  List *mask, StringInfo removed);
extern AlTypePlan *al_rowplan_type(AlRowPlan *plan, Oid typid);
extern AlGuard al_rowplan_type_guard(AlTypePlan *type);

#endif							/* AUDIT_LOG_ROWPLAN_H */
