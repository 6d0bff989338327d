/*
 * src/backend/virtual.c
 *
 * Values of virtual generated columns, which PostgreSQL has since version 18.
 *
 * They are computed where a query reads them and are null in the rows that a
 * trigger sees.  A record holds what a query would have read, so they are
 * computed here, into the slot of the row.  PostgreSQL allows only built-in
 * functions and types in them: whatever they depend on comes with the table's
 * own definition.
 */
#include "postgres.h"

#include "virtual.h"

#if PG_VERSION_NUM >= 180000

#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"

struct AlVirtualColumns
{
	ExprContext *econtext;
	int			count;
	struct
	{
		int			att;		/* from 0 */
		ExprState  *expression;
	}			columns[FLEXIBLE_ARRAY_MEMBER];
};

/*
 * How the virtual columns of a table are computed, made in the current
 * context; NULL if it has none.  To be made again when the table changes.
 */
AlVirtualColumns *
al_virtual_plan(Relation rel)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	AlVirtualColumns *columns;

	if (tupdesc->constr == NULL || !tupdesc->constr->has_generated_virtual)
		return NULL;
	columns = palloc0(offsetof(AlVirtualColumns, columns) +
					  tupdesc->natts * sizeof(columns->columns[0]));
	columns->econtext = CreateStandaloneExprContext();
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Node	   *expression;

		if (att->attisdropped ||
			att->attgenerated != ATTRIBUTE_GENERATED_VIRTUAL)
			continue;
		expression = build_generation_expression(rel, i + 1);
		columns->columns[columns->count].att = i;
		columns->columns[columns->count++].expression =
			ExecInitExpr(expression_planner((Expr *) expression), NULL);
	}
	return columns;
}

/*
 * Computes the virtual columns of a row whose other values are there, see
 * slot_getallattrs().  Values are made in the current context.
 */
void
al_virtual_fill(const AlVirtualColumns *columns, TupleTableSlot *slot)
{
	if (likely(columns == NULL))
		return;
	columns->econtext->ecxt_scantuple = slot;
	for (int i = 0; i < columns->count; i++)
	{
		int			att = columns->columns[i].att;

		slot->tts_values[att] = ExecEvalExpr(columns->columns[i].expression,
											 columns->econtext,
											 &slot->tts_isnull[att]);
	}
}

#else

AlVirtualColumns *
al_virtual_plan(Relation rel)
{
	return NULL;
}

void
al_virtual_fill(const AlVirtualColumns *columns, TupleTableSlot *slot)
{
}

#endif
