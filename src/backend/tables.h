/*
 * src/backend/tables.h
 *
 * The tables of the extension: their names, columns and indexes.
 */
#ifndef AUDIT_LOG_TABLES_H
#define AUDIT_LOG_TABLES_H

#include "access/attnum.h"
#include "utils/relcache.h"

typedef enum AlTableId
{
	AL_OBJECTS,
	AL_REQUESTS,
	AL_SIGNING_KEYS,
	AL_GENERATIONS,
	AL_BLOCKS,
	AL_BUNDLES,
	AL_NODES,
	AL_SIGNATURES,
	AL_LEDGER_KEYS,
	AL_ANCHORS
} AlTableId;

#define AL_TABLES 10

/* A table of records: AL_OBJECTS or AL_REQUESTS. */
typedef AlTableId AlStream;

#define AL_STREAMS 2

/* Columns of audit.audit_objects, as the install script orders them. */
typedef enum AlObjectColumn
{
	AL_OBJECT_ID = 1,
	AL_OBJECT_TXID,
	AL_OBJECT_OCCURRED_AT,
	AL_OBJECT_EXPIRE,
	AL_OBJECT_REQUEST_ID,
	AL_OBJECT_ENTITY_KEY,
	AL_OBJECT_SALT,
	AL_OBJECT_OPERATION,
	AL_OBJECT_SCHEMA_NAME,
	AL_OBJECT_DAO_NAME,
	AL_OBJECT_PARTITION_NAME,
	AL_OBJECT_RBAC_USER_ID,
	AL_OBJECT_RBAC_USER_NAME,
	AL_OBJECT_WORKSPACE,
	AL_OBJECT_REQUEST_SOURCE,
	AL_OBJECT_CLIENT_IP,
	AL_OBJECT_DB_USER,
	AL_OBJECT_DB_ROLE,
	AL_OBJECT_APPLICATION_NAME,
	AL_OBJECT_REMOVED,
	AL_OBJECT_KEY_ID,
	AL_OBJECT_SIGNATURE,
	AL_OBJECT_ENTITY,
	AL_OBJECT_OLD_VALUES
} AlObjectColumn;

#define AL_OBJECT_COLUMNS AL_OBJECT_OLD_VALUES

/* Columns of audit.audit_requests, likewise. */
typedef enum AlRequestColumn
{
	AL_REQUEST_ID = 1,
	AL_REQUEST_TXID,
	AL_REQUEST_OCCURRED_AT,
	AL_REQUEST_EXPIRE,
	AL_REQUEST_REQUEST_ID,
	AL_REQUEST_SALT,
	AL_REQUEST_STATUS,
	AL_REQUEST_METHOD,
	AL_REQUEST_PATH,
	AL_REQUEST_PAYLOAD,
	AL_REQUEST_REMOVED,
	AL_REQUEST_CLIENT_IP,
	AL_REQUEST_RBAC_USER_ID,
	AL_REQUEST_RBAC_USER_NAME,
	AL_REQUEST_WORKSPACE,
	AL_REQUEST_REQUEST_SOURCE,
	AL_REQUEST_DURATION_MS,
	AL_REQUEST_USER_AGENT,
	AL_REQUEST_DB_USER,
	AL_REQUEST_KEY_ID,
	AL_REQUEST_SIGNATURE
} AlRequestColumn;

#define AL_REQUEST_COLUMNS AL_REQUEST_SIGNATURE

/* Columns of audit.signing_keys. */
typedef enum AlSigningKeyColumn
{
	AL_SIGNING_KEY_ID = 1,
	AL_SIGNING_KEY_ALGORITHM,
	AL_SIGNING_KEY_PUBLIC_KEY,
	AL_SIGNING_KEY_FIRST_USE
} AlSigningKeyColumn;

#define AL_SIGNING_KEY_COLUMNS AL_SIGNING_KEY_FIRST_USE
#define AL_MAX_COLUMNS AL_OBJECT_COLUMNS

/* Columns of audit.ledger_generations. */
typedef enum AlGenerationColumn
{
	AL_GENERATION_GENERATION = 1,
	AL_GENERATION_FIRST_LEAF,
	AL_GENERATION_SYSTEM,
	AL_GENERATION_DATABASE,
	AL_GENERATION_STARTED_AT,
	AL_GENERATION_ORIGIN,
	AL_GENERATION_RECORD_ID,
	AL_GENERATION_REASON,
	AL_GENERATION_PREVIOUS
} AlGenerationColumn;

#define AL_GENERATION_COLUMNS AL_GENERATION_PREVIOUS

/* Columns of audit.ledger_blocks. */
typedef enum AlBlockColumn
{
	AL_BLOCK_BLOCK = 1,
	AL_BLOCK_FIRST_LEAF,
	AL_BLOCK_SIZE,
	AL_BLOCK_SEALED_AT,
	AL_BLOCK_GENERATION,
	AL_BLOCK_TIMELINE,
	AL_BLOCK_SYSTEM,
	AL_BLOCK_ROOT,
	AL_BLOCK_SNAPSHOT
} AlBlockColumn;

#define AL_BLOCK_COLUMNS AL_BLOCK_SNAPSHOT

/* Columns of audit.ledger_bundles. */
typedef enum AlBundleColumn
{
	AL_BUNDLE_FIRST_LEAF = 1,
	AL_BUNDLE_LEAVES,
	AL_BUNDLE_IDS,
	AL_BUNDLE_EXPIRES,
	AL_BUNDLE_INNER
} AlBundleColumn;

#define AL_BUNDLE_COLUMNS AL_BUNDLE_INNER

/* Columns of audit.ledger_nodes. */
typedef enum AlNodeColumn
{
	AL_NODE_LEVEL = 1,
	AL_NODE_INDEX,
	AL_NODE_HASH
} AlNodeColumn;

#define AL_NODE_COLUMNS AL_NODE_HASH

/* Columns of audit.ledger_signatures. */
typedef enum AlSignatureColumn
{
	AL_SIGNATURE_SIZE = 1,
	AL_SIGNATURE_GENERATION,
	AL_SIGNATURE_ADDED_AT,
	AL_SIGNATURE_LINE
} AlSignatureColumn;

#define AL_SIGNATURE_COLUMNS AL_SIGNATURE_LINE

/* Columns of audit.ledger_keys. */
typedef enum AlLedgerKeyColumn
{
	AL_LEDGER_KEY_NAME = 1,
	AL_LEDGER_KEY_HASH,
	AL_LEDGER_KEY_ALGORITHM,
	AL_LEDGER_KEY_OWN,
	AL_LEDGER_KEY_FIRST_SIZE,
	AL_LEDGER_KEY_LAST_SIZE,
	AL_LEDGER_KEY_SPKI
} AlLedgerKeyColumn;

#define AL_LEDGER_KEY_COLUMNS AL_LEDGER_KEY_SPKI

/* Columns of audit.ledger_anchors. */
typedef enum AlAnchorColumn
{
	AL_ANCHOR_SIZE = 1,
	AL_ANCHOR_GENERATION,
	AL_ANCHOR_KIND,
	AL_ANCHOR_STAMPED_AT,
	AL_ANCHOR_ADDED_AT,
	AL_ANCHOR_TOKEN
} AlAnchorColumn;

#define AL_ANCHOR_COLUMNS AL_ANCHOR_TOKEN

typedef struct AlTable
{
	const char *name;
	int			columns;		/* that we know; someone may have added others */
	/* columns that both streams have; 0 in other tables */
	AttrNumber	id;
	AttrNumber	txid;
	AttrNumber	occurred_at;
	AttrNumber	expire;
	AttrNumber	salt;
	AttrNumber	key_id;
	AttrNumber	signature;
} AlTable;

extern const AlTable al_tables[AL_TABLES];

extern Oid	al_tables_find(AlTableId id);
extern Relation al_tables_open(AlTableId id);
extern void al_tables_close(Relation rel);
extern Oid	al_tables_find_index(Relation rel, AttrNumber column, bool whole);
extern Oid	al_tables_find_range_index(Relation rel, AttrNumber column);

#endif							/* AUDIT_LOG_TABLES_H */
