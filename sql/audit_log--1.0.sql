\echo Use "CREATE EXTENSION audit_log" to load this file. \quit

/*
 * The owner of the audit tables, and a group for those who may read them.
 * Neither can log in, and neither is removed with the extension: another
 * database of the cluster may use it too.
 */
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles
				   WHERE rolname OPERATOR(pg_catalog.=) 'audit_log_owner')
	THEN
		CREATE ROLE audit_log_owner NOLOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles
				   WHERE rolname OPERATOR(pg_catalog.=) 'audit_log_reader')
	THEN
		CREATE ROLE audit_log_reader NOLOGIN;
	END IF;
END
$$;

/* ---------------------------------------------------------------- tables */

/*
 * Fixed-width columns first, then those that indexes need: a writer deforms
 * little of a tuple to index it.  src/backend/store.h numbers the columns.
 */
CREATE TABLE audit.audit_objects
(
	id						uuid NOT NULL,
	txid					xid8 NOT NULL,
	occurred_at				timestamptz NOT NULL,
	expire					timestamptz,
	request_id				text,
	entity_key				text,
	salt					bytea NOT NULL,
	operation				text NOT NULL,
	schema_name				text NOT NULL,
	dao_name				text NOT NULL,
	partition_name			text,
	rbac_user_id			text,
	rbac_user_name			text,
	workspace				text,
	request_source			text,
	client_ip				text,
	db_user					text NOT NULL,
	db_role					text,
	application_name		text,
	removed_from_entity		text,
	key_id					text,
	signature				text,
	entity					json,
	old_values				json,
	CONSTRAINT audit_objects_pkey PRIMARY KEY (id),
	CONSTRAINT audit_objects_operation_check CHECK (operation IN
		('create', 'update', 'delete', 'truncate', 'snapshot', 'ddl')),
	CONSTRAINT audit_objects_entity_check CHECK
		((entity IS NOT NULL) = (operation <> 'truncate')),
	CONSTRAINT audit_objects_old_values_check CHECK
		((old_values IS NOT NULL) = (operation = 'update')),
	CONSTRAINT audit_objects_salt_check CHECK
		(pg_catalog.octet_length(salt) = 16),
	CONSTRAINT audit_objects_signature_check CHECK
		((key_id IS NULL) = (signature IS NULL))
);

CREATE TABLE audit.audit_requests
(
	id						uuid NOT NULL,
	txid					xid8 NOT NULL,
	occurred_at				timestamptz NOT NULL,
	expire					timestamptz,
	request_id				text NOT NULL,
	salt					bytea NOT NULL,
	status					integer NOT NULL,
	method					text NOT NULL,
	path					text NOT NULL,
	payload					text,
	removed_from_payload	text,
	client_ip				text,
	rbac_user_id			text,
	rbac_user_name			text,
	workspace				text,
	request_source			text,
	duration_ms				numeric,
	user_agent				text,
	db_user					text NOT NULL,
	key_id					text,
	signature				text,
	CONSTRAINT audit_requests_pkey PRIMARY KEY (id),
	CONSTRAINT audit_requests_status_check CHECK
		(status BETWEEN 100 AND 599),
	CONSTRAINT audit_requests_duration_ms_check CHECK (duration_ms >= 0),
	CONSTRAINT audit_requests_salt_check CHECK
		(pg_catalog.octet_length(salt) = 16),
	CONSTRAINT audit_requests_signature_check CHECK
		((key_id IS NULL) = (signature IS NULL))
);

/*
 * What audit.enable_all() was told, so that the event trigger can do the same
 * for tables created later.  A null schema means every schema.
 */
CREATE TABLE audit.tracking_rules
(
	schema_name				name UNIQUE,
	exclude					text[] NOT NULL DEFAULT '{}',
	mask					text[] NOT NULL DEFAULT '{}',
	skip_unchanged			boolean NOT NULL DEFAULT false,
	record_applied			boolean NOT NULL DEFAULT true
);

/* --------------------------------------------------------------- indexes */

CREATE INDEX audit_objects_request_id_idx ON audit.audit_objects (request_id)
	WHERE request_id IS NOT NULL;
CREATE INDEX audit_objects_entity_key_idx ON audit.audit_objects (entity_key, id)
	WHERE entity_key IS NOT NULL;
CREATE INDEX audit_objects_expire_idx ON audit.audit_objects (expire)
	WHERE expire IS NOT NULL;
CREATE INDEX audit_objects_txid_idx ON audit.audit_objects (txid);

CREATE INDEX audit_requests_request_id_idx ON audit.audit_requests (request_id);
CREATE INDEX audit_requests_expire_idx ON audit.audit_requests (expire)
	WHERE expire IS NOT NULL;
CREATE INDEX audit_requests_txid_idx ON audit.audit_requests (txid);

/* ----------------------------------------------------------------- views */

/*
 * The columns of the views are the fields of a record, in the order in which
 * audit.record() gives them; src/backend/record.c holds the same list.
 */
CREATE VIEW audit.objects AS
	SELECT o.id,
		o.request_id,
		pg_catalog.floor(EXTRACT(epoch FROM o.occurred_at))::bigint
			AS request_timestamp,
		o.dao_name,
		o.operation,
		o.entity_key,
		o.entity,
		o.rbac_user_id,
		o.rbac_user_name,
		o.workspace,
		o.request_source,
		pg_catalog.floor(EXTRACT(epoch FROM
			o.expire - pg_catalog.statement_timestamp()))::bigint AS ttl,
		o.signature,
		o.schema_name,
		o.partition_name,
		o.key_id,
		o.old_values,
		o.removed_from_entity,
		o.db_user,
		o.db_role,
		o.application_name,
		o.client_ip,
		o.txid,
		o.occurred_at
	FROM audit.audit_objects o
	WHERE o.expire IS NULL
		OR o.expire > pg_catalog.statement_timestamp();

CREATE VIEW audit.requests AS
	SELECT r.request_id,
		r.client_ip,
		r.method,
		r.path,
		r.payload,
		r.status,
		pg_catalog.floor(EXTRACT(epoch FROM r.occurred_at))::bigint
			AS request_timestamp,
		r.workspace,
		r.rbac_user_id,
		r.rbac_user_name,
		r.request_source,
		r.removed_from_payload,
		pg_catalog.floor(EXTRACT(epoch FROM
			r.expire - pg_catalog.statement_timestamp()))::bigint AS ttl,
		r.signature,
		r.id,
		r.key_id,
		r.duration_ms,
		r.user_agent,
		r.db_user,
		r.occurred_at
	FROM audit.audit_requests r
	WHERE r.expire IS NULL
		OR r.expire > pg_catalog.statement_timestamp();
