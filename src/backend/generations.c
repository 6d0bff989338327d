/*
 * src/backend/generations.c
 *
 * Generations of the ledger: under which origin it goes on, and where.
 *
 * Two ledgers must never have one origin, or each could pass for the other.
 * So a generation belongs to the cluster and the database in which it began;
 * anywhere else the ledger goes on in a new one.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "generations.h"
#include "guc.h"
#include "store.h"

/* The origin of this database's ledger if no setting says. */
static char *
default_origin(void)
{
	char	   *name = get_database_name(MyDatabaseId);

	for (char *p = name; *p; p++)
		if (IS_HIGHBIT_SET(*p) ||
			(!isalnum((unsigned char) *p) && strchr("._-", *p) == NULL))
			*p = '_';
	return psprintf("audit_log/" UINT64_FORMAT "/%s", GetSystemIdentifier(),
					name);
}

/* Did a ledger begin, or go on, under a name? */
static bool
was_named(Snapshot snapshot, int generations, const char *name)
{
	size_t		len = strlen(name);
	AlGeneration generation;

	for (int g = 1; g <= generations; g++)
		if (al_ledger_generation(snapshot, g, &generation) &&
			strncmp(generation.origin, name, len) == 0 &&
			(generation.origin[len] == '\0' || generation.origin[len] == '/'))
			return true;
	return false;
}

/*
 * The origin of the generation after "last": that of the first, and a number
 * behind it.  In a copy whose original is still there that would be what the
 * original takes when it goes on likewise, so a copy needs another name.
 */
char *
al_generations_next_origin(Snapshot snapshot, const AlGeneration *last)
{
	AlGeneration first;
	bool		is_copy = last->system_identifier == GetSystemIdentifier() &&
		last->database != MyDatabaseId &&
		get_database_name(last->database) != NULL;
	char	   *name = al_guc_ledger_origin;

	if (al_guc_is_set(name))
	{
		if (is_copy && was_named(snapshot, last->generation, name))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a copy cannot go on under the name of its original"),
					 errdetail("\"audit.ledger_origin\" is the name of the ledger of database \"%s\".",
							   get_database_name(last->database)),
					 errhint("Give this one a name of its own: ALTER DATABASE %s SET audit.ledger_origin = ...",
							 quote_identifier(get_database_name(MyDatabaseId)))));
	}
	else if (is_copy)
	{
		name = default_origin();
		/* The databases may have changed names. */
		if (was_named(snapshot, last->generation, name))
			name = psprintf("%s.%u", name, MyDatabaseId);
	}
	else
	{
		al_ledger_require_generation(snapshot, 1, &first);
		name = first.origin;
	}
	return psprintf("%s/%d", name, last->generation + 1);
}

/* Stores a generation that begins now; "reason" is NULL for the first. */
void
al_generations_write(const AlGeneration *generation, const char *reason)
{
	Datum		values[AL_GENERATION_COLUMNS] = {0};
	bool		nulls[AL_GENERATION_COLUMNS] = {false};
	HeapTuple	tuple;

	values[AL_GENERATION_GENERATION - 1] =
		Int32GetDatum(generation->generation);
	values[AL_GENERATION_FIRST_LEAF - 1] =
		Int64GetDatum(generation->first_leaf);
	values[AL_GENERATION_SYSTEM - 1] =
		CStringGetTextDatum(psprintf(UINT64_FORMAT,
									 generation->system_identifier));
	values[AL_GENERATION_DATABASE - 1] =
		ObjectIdGetDatum(generation->database);
	values[AL_GENERATION_STARTED_AT - 1] =
		TimestampTzGetDatum(GetCurrentTimestamp());
	values[AL_GENERATION_ORIGIN - 1] =
		CStringGetTextDatum(generation->origin);
	nulls[AL_GENERATION_RECORD_ID - 1] = !generation->has_record;
	values[AL_GENERATION_RECORD_ID - 1] =
		UUIDPGetDatum(&generation->record_id);
	nulls[AL_GENERATION_REASON - 1] = reason == NULL;
	if (reason)
		values[AL_GENERATION_REASON - 1] = CStringGetTextDatum(reason);
	nulls[AL_GENERATION_PREVIOUS - 1] = generation->previous == NULL;
	if (generation->previous)
		values[AL_GENERATION_PREVIOUS - 1] =
			CStringGetTextDatum(generation->previous);
	tuple = al_store_form(AL_GENERATIONS, values, nulls);
	al_store_write(AL_GENERATIONS, &tuple, 1);
}

/* Begins the first generation, and with it the ledger. */
void
al_generations_begin(AlGeneration *generation)
{
	memset(generation, 0, sizeof(*generation));
	generation->generation = 1;
	generation->system_identifier = GetSystemIdentifier();
	generation->database = MyDatabaseId;
	generation->origin = al_guc_is_set(al_guc_ledger_origin) ?
		pstrdup(al_guc_ledger_origin) : default_origin();
	al_generations_write(generation, NULL);

	/* Writers that have found no ledger must look again before they purge. */
	for (int s = 0; s < AL_STREAMS; s++)
	{
		Relation	rel = al_tables_open(s);

		CacheInvalidateRelcache(rel);
		al_tables_close(rel);
	}
}

/* Two copies must not go on under one origin. */
void
al_generations_check_place(const AlGeneration *generation)
{
	if (generation->system_identifier == GetSystemIdentifier() &&
		generation->database == MyDatabaseId)
		return;
	if (generation->system_identifier == GetSystemIdentifier())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the ledger was begun in another database"),
				 errdetail("Generation %d belongs to the database with OID %u, this is %u.",
						   generation->generation, generation->database,
						   MyDatabaseId),
				 errhint("In a copy call audit.new_generation() to go on under a new origin.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the ledger was begun in another cluster"),
			 errdetail("Generation %d belongs to system identifier " UINT64_FORMAT ", this is " UINT64_FORMAT ".",
					   generation->generation,
					   generation->system_identifier,
					   GetSystemIdentifier()),
			 errhint("After a restore or an upgrade call audit.new_generation() to go on under a new origin.")));
}
