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

/*
 * How much of the session must be set aside while a value is printed.
 * Ordered: a row needs what its most demanding column needs.
 */
typedef enum AlGuard
{
	AL_GUARD_NONE,				/* the text depends on no setting */
	AL_GUARD_STYLE,				/* date, interval, float, bytea styles, zone */
	AL_GUARD_FULL				/* search_path and locale too */
} AlGuard;

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

/*
 * The guard: settings that change how values are printed, set aside and put
 * back.  Between the two calls nothing may return; an error must reach
 * al_rowjson_guard_leave() through PG_FINALLY().
 */
typedef struct AlGuardState
{
	AlGuard		guard;
	int			date_style;
	int			date_order;
	int			interval_style;
	int			float_digits;
	int			bytea_output;
	bool		quote_identifiers;
	void	   *timezone;
	int			nest_level;
} AlGuardState;

extern void al_rowjson_guard_enter(AlGuardState *state, AlGuard guard);
extern void al_rowjson_guard_leave(AlGuardState *state);

#endif							/* AUDIT_LOG_ROWJSON_H */
