/*
 * src/backend/event.c
 *
 * Records of events: their entity, and how those of the ledger are known.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "event.h"
#include "rowjson.h"
#include "tables.h"

/* Begins an entity, with room for the varlena header in front. */
void
al_event_begin(StringInfo json)
{
	initStringInfo(json);
	appendStringInfoSpaces(json, VARHDRSZ);
	appendStringInfoChar(json, '{');
}

/* Adds a member; the value may be NULL. */
void
al_event_add(StringInfo json, const char *key, const char *value)
{
	if (json->len > VARHDRSZ + 1)
		appendStringInfoChar(json, ',');
	al_rowjson_escape(json, key, strlen(key));
	appendStringInfoChar(json, ':');
	if (value)
		al_rowjson_escape(json, value, strlen(value));
	else
		appendStringInfoString(json, "null");
}

/* Ends an entity: a value of type json, in the same memory. */
Datum
al_event_end(StringInfo json)
{
	appendStringInfoChar(json, '}');
	SET_VARSIZE(json->data, json->len);
	return PointerGetDatum(json->data);
}

static bool
column_is(TupleTableSlot *slot, AttrNumber column, const char *expected)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return !isnull && strcmp(TextDatumGetCString(value), expected) == 0;
}

/* Is a row of audit.audit_objects a decision about the ledger? */
bool
al_event_is_of_ledger(TupleTableSlot *slot)
{
	return column_is(slot, AL_OBJECT_OPERATION, AL_EVENT_OPERATION) &&
		column_is(slot, AL_OBJECT_SCHEMA_NAME, AL_EVENT_SCHEMA) &&
		column_is(slot, AL_OBJECT_DAO_NAME, AL_EVENT_LEDGER);
}
