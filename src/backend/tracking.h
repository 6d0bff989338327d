/*
 * src/backend/tracking.h
 *
 * What a capture trigger must know of its table.
 */
#ifndef AUDIT_LOG_TRACKING_H
#define AUDIT_LOG_TRACKING_H

#include "utils/rel.h"
#include "utils/reltrigger.h"

#include "rowjson.h"
#include "virtual.h"

typedef struct AlKeyColumn
{
	AttrNumber	attnum;
	AlTypePlan *type;
	bool		masked;
} AlKeyColumn;

typedef struct AlTracking
{
	Oid			relid;
	Oid			root;			/* the table that was tracked: itself or above */
	bool		silent;			/* ignored, or another trigger records it */
	bool		skip_unchanged;
	Datum		schema_name;	/* text; of the root */
	Datum		dao_name;
	Datum		partition_name; /* 0 unless the root is another table */
	AlRowPlan  *row;			/* everything else lives in its context */
	AlGuard		guard;			/* for the row and the key */
	AlVirtualColumns *computed; /* NULL: there are none */
	StringInfoData removed;		/* names of columns left out */
	bool		key_removed;	/* a column of the key is left out */
	int			nkeys;
	AlKeyColumn *keys;
} AlTracking;

extern void al_tracking_init(void);
extern const AlTracking *al_tracking_get(Relation rel, Trigger *trigger);
extern void al_tracking_hold(void);
extern void al_tracking_release(void);

#endif							/* AUDIT_LOG_TRACKING_H */
