/*
 * src/backend/tables.c
 *
 * The tables of the extension, as whoever reads them needs to know them; see
 * tables.h.  store.c writes them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "tables.h"

const AlTable al_tables[AL_TABLES] = {
	[AL_OBJECTS] = {
		.name = "audit_objects",
		.columns = AL_OBJECT_COLUMNS,
		.id = AL_OBJECT_ID,
		.txid = AL_OBJECT_TXID,
		.occurred_at = AL_OBJECT_OCCURRED_AT,
		.expire = AL_OBJECT_EXPIRE,
		.salt = AL_OBJECT_SALT,
		.key_id = AL_OBJECT_KEY_ID,
		.signature = AL_OBJECT_SIGNATURE
	},
	[AL_REQUESTS] = {
		.name = "audit_requests",
		.columns = AL_REQUEST_COLUMNS,
		.id = AL_REQUEST_ID,
		.txid = AL_REQUEST_TXID,
		.occurred_at = AL_REQUEST_OCCURRED_AT,
		.expire = AL_REQUEST_EXPIRE,
		.salt = AL_REQUEST_SALT,
		.key_id = AL_REQUEST_KEY_ID,
		.signature = AL_REQUEST_SIGNATURE
	},
	[AL_SIGNING_KEYS] = {"signing_keys", AL_SIGNING_KEY_COLUMNS},
	[AL_GENERATIONS] = {"ledger_generations", AL_GENERATION_COLUMNS},
	[AL_BLOCKS] = {"ledger_blocks", AL_BLOCK_COLUMNS},
	[AL_BUNDLES] = {"ledger_bundles", AL_BUNDLE_COLUMNS},
	[AL_NODES] = {"ledger_nodes", AL_NODE_COLUMNS},
	[AL_SIGNATURES] = {"ledger_signatures", AL_SIGNATURE_COLUMNS},
	[AL_LEDGER_KEYS] = {"ledger_keys", AL_LEDGER_KEY_COLUMNS},
	[AL_ANCHORS] = {"ledger_anchors", AL_ANCHOR_COLUMNS}
};

/* The OID of a table; throws if there is none. */
Oid
al_tables_find(AlTableId id)
{
	Oid			namespace = get_namespace_oid("audit", true);
	Oid			relid = OidIsValid(namespace) ?
		get_relname_relid(al_tables[id].name, namespace) : InvalidOid;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"audit.%s\" does not exist", al_tables[id].name),
				 errhint("Run CREATE EXTENSION audit_log.")));
	return relid;
}

/* Opens a table for reading, which a standby may do. */
Relation
al_tables_open(AlTableId id)
{
	return table_open(al_tables_find(id), AccessShareLock);
}

/* Closes a table and keeps its lock, as until the end of the transaction. */
void
al_tables_close(Relation rel)
{
	table_close(rel, NoLock);
}

/*
 * An ascending b-tree index whose first column is "column", the primary key's
 * where it is one; over all rows of the table if "whole".
 */
Oid
al_tables_find_index(Relation rel, AttrNumber column, bool whole)
{
	List	   *oids = RelationGetIndexList(rel);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_rel->relam == BTREE_AM_OID &&
			index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == column &&
			(index->rd_indoption[0] & INDOPTION_DESC) == 0 &&
			(!whole || heap_attisnull(index->rd_indextuple,
									  Anum_pg_index_indpred, NULL)) &&
			(!OidIsValid(found) || index->rd_index->indisprimary))
			found = lfirst_oid(lc);
		index_close(index, AccessShareLock);
	}
	list_free(oids);
	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"audit.%s\" has no usable index on column \"%s\"",
						RelationGetRelationName(rel),
						NameStr(TupleDescAttr(RelationGetDescr(rel),
											  column - 1)->attname)),
				 errhint("Create the index again as the install script does.")));
	return found;
}

/*
 * A b-tree or BRIN index over all rows that finds a span of values of its
 * first column, "column"; InvalidOid if there is none.
 */
Oid
al_tables_find_range_index(Relation rel, AttrNumber column)
{
	Oid			type = TupleDescAttr(RelationGetDescr(rel),
									 column - 1)->atttypid;
	List	   *oids = RelationGetIndexList(rel);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if ((index->rd_rel->relam == BRIN_AM_OID ||
			 index->rd_rel->relam == BTREE_AM_OID) &&
			index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == column &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred,
						   NULL) &&
			OidIsValid(get_opfamily_member(index->rd_opfamily[0], type, type,
										   BTGreaterEqualStrategyNumber)))
			found = lfirst_oid(lc);
		index_close(index, AccessShareLock);
		if (OidIsValid(found))
			break;
	}
	list_free(oids);
	return found;
}
