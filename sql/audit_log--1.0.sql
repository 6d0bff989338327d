\echo Use "CREATE EXTENSION audit_log" to load this file. \quit

/*
 * Whoever owns the schema could give another one its name, and a function or
 * an operator in it could be called in the place of the server's.
 */
DO $$
BEGIN
	IF NOT (SELECT r.rolsuper
			FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r
				ON r.oid OPERATOR(pg_catalog.=) n.nspowner
			WHERE n.nspname OPERATOR(pg_catalog.=) 'audit')
		OR EXISTS (
			SELECT FROM pg_catalog.pg_depend d
			WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
				AND d.refobjid OPERATOR(pg_catalog.=) 'audit'::pg_catalog.regnamespace
				AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_extension'::pg_catalog.regclass
				/* Other extensions are a superuser's choice. */
				AND NOT EXISTS (
					SELECT FROM pg_catalog.pg_depend m
					WHERE m.classid OPERATOR(pg_catalog.=) d.classid
						AND m.objid OPERATOR(pg_catalog.=) d.objid
						AND m.deptype OPERATOR(pg_catalog.=) 'e'))
	THEN
		RAISE EXCEPTION 'schema "audit" is in use'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Drop it, or rename it with what is in it.';
	END IF;
END
$$;

/*
 * The owner of the audit tables, and a group for those who may read them.
 * Neither can log in, and neither is removed with the extension: another
 * database of the cluster may use it too.
 */
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_roles
			   WHERE rolname OPERATOR(pg_catalog.=) 'audit_log_owner' AND rolcanlogin)
	THEN
		RAISE EXCEPTION 'role "audit_log_owner" can log in'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'It is the name of the role that owns the audit tables.',
				HINT = 'Rename the role, or ALTER ROLE audit_log_owner NOLOGIN.';
	END IF;
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
 * little of a tuple to index it.  src/backend/tables.h numbers the columns.
 *
 * Texts with an index have collation "C": it compares fastest, and the index
 * does not depend on the version of a locale that the next system may bring.
 */
CREATE TABLE audit.audit_objects
(
	id						uuid NOT NULL,
	txid					xid8 NOT NULL,
	occurred_at				timestamptz NOT NULL,
	expire					timestamptz,
	request_id				text COLLATE "C",
	entity_key				text COLLATE "C",
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
	request_id				text COLLATE "C" NOT NULL,
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
 * Keys that have signed records; see audit.keys.  Not unique, so that writers
 * who use a new key for the first time do not wait for each other.
 */
CREATE TABLE audit.signing_keys
(
	id						text COLLATE "C" NOT NULL,
	algorithm				text NOT NULL,
	public_key				text NOT NULL,
	first_use				timestamptz NOT NULL
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

/* For the indexes on txid, which the server has no class of BRIN for. */
CREATE FUNCTION audit.txid_range_info(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_txid_range_info';
CREATE FUNCTION audit.txid_range_add(internal, internal, internal, internal) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_txid_range_add';
CREATE FUNCTION audit.txid_range_consistent(internal, internal, internal) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_txid_range_consistent';
CREATE FUNCTION audit.txid_range_union(internal, internal, internal) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_txid_range_union';
REVOKE ALL ON FUNCTION audit.txid_range_info(internal),
	audit.txid_range_add(internal, internal, internal, internal),
	audit.txid_range_consistent(internal, internal, internal),
	audit.txid_range_union(internal, internal, internal) FROM PUBLIC;
CREATE OPERATOR CLASS audit.txid_range_ops FOR TYPE xid8 USING brin AS
	OPERATOR 1 < (xid8, xid8),
	OPERATOR 2 <= (xid8, xid8),
	OPERATOR 3 = (xid8, xid8),
	OPERATOR 4 >= (xid8, xid8),
	OPERATOR 5 > (xid8, xid8),
	FUNCTION 1 audit.txid_range_info(internal),
	FUNCTION 2 audit.txid_range_add(internal, internal, internal, internal),
	FUNCTION 3 audit.txid_range_consistent(internal, internal, internal),
	FUNCTION 4 audit.txid_range_union(internal, internal, internal);

CREATE INDEX audit_objects_request_id_idx ON audit.audit_objects (request_id)
	WHERE request_id IS NOT NULL;
CREATE INDEX audit_objects_entity_key_idx ON audit.audit_objects (entity_key, id)
	WHERE entity_key IS NOT NULL;
CREATE INDEX audit_objects_expire_idx ON audit.audit_objects (expire)
	WHERE expire IS NOT NULL;
CREATE INDEX audit_objects_txid_idx ON audit.audit_objects
	USING brin (txid audit.txid_range_ops) WITH (pages_per_range = 64);

CREATE INDEX audit_requests_request_id_idx ON audit.audit_requests (request_id);
CREATE INDEX audit_requests_expire_idx ON audit.audit_requests (expire)
	WHERE expire IS NOT NULL;
CREATE INDEX audit_requests_txid_idx ON audit.audit_requests
	USING brin (txid audit.txid_range_ops) WITH (pages_per_range = 64);

CREATE INDEX signing_keys_id_idx ON audit.signing_keys (id);

/* ----------------------------------------------------------------- views */

/*
 * The columns of the views are the fields of a record, in the order in which
 * audit.record() gives them; src/backend/record.c holds the same list.
 *
 * They are no security barriers: behind one the newest records would no longer
 * be read in the order of an index, but all be read and sorted.
 */
CREATE VIEW audit.objects AS
	SELECT o.id,
		o.request_id,
		pg_catalog.floor(pg_catalog.date_part('epoch', o.occurred_at))::bigint
			AS request_timestamp,
		o.dao_name,
		o.operation,
		o.entity_key,
		o.entity,
		o.rbac_user_id,
		o.rbac_user_name,
		o.workspace,
		o.request_source,
		pg_catalog.floor(pg_catalog.date_part('epoch',
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
		pg_catalog.floor(pg_catalog.date_part('epoch', r.occurred_at))::bigint
			AS request_timestamp,
		r.workspace,
		r.rbac_user_id,
		r.rbac_user_name,
		r.request_source,
		r.removed_from_payload,
		pg_catalog.floor(pg_catalog.date_part('epoch',
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

CREATE VIEW audit.keys AS
	SELECT DISTINCT ON (k.id) k.id, k.algorithm, k.public_key, k.first_use
	FROM audit.signing_keys k
	ORDER BY k.id, k.first_use;

/* ------------------------------------------------- functions: the triggers */

CREATE FUNCTION audit.capture() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_capture';
REVOKE ALL ON FUNCTION audit.capture() FROM PUBLIC;
COMMENT ON FUNCTION audit.capture() IS
	'internal: trigger of tracked tables: records a change; created by audit.enable()';

CREATE FUNCTION audit.flush() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_flush';
REVOKE ALL ON FUNCTION audit.flush() FROM PUBLIC;
COMMENT ON FUNCTION audit.flush() IS
	'internal: trigger of audit.audit_objects: writes the records of a statement at its end';

CREATE FUNCTION audit.protect() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_protect';
REVOKE ALL ON FUNCTION audit.protect() FROM PUBLIC;
COMMENT ON FUNCTION audit.protect() IS
	'internal: trigger of the audit tables: refuses changes by hand';

CREATE FUNCTION audit.keep() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_keep';
REVOKE ALL ON FUNCTION audit.keep() FROM PUBLIC;
COMMENT ON FUNCTION audit.keep() IS
	'internal: trigger of the audit tables: takes no rows of another server''s log';

DO $$
DECLARE
	name text;
BEGIN
	/* Not tracking_rules, which audit.enable_all() changes in SQL. */
	FOREACH name IN ARRAY ARRAY['audit_objects', 'audit_requests',
								'signing_keys'] LOOP
		EXECUTE pg_catalog.format(
			'CREATE TRIGGER audit_log_protect
				BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON audit.%1$I
				FOR EACH STATEMENT EXECUTE FUNCTION audit.protect();
			 ALTER TABLE audit.%1$I ENABLE ALWAYS TRIGGER audit_log_protect',
			name);
	END LOOP;
	FOREACH name IN ARRAY ARRAY['audit_objects', 'audit_requests',
								'signing_keys', 'tracking_rules'] LOOP
		EXECUTE pg_catalog.format(
			'CREATE TRIGGER audit_log_keep
				BEFORE INSERT OR UPDATE OR DELETE ON audit.%1$I
				FOR EACH ROW EXECUTE FUNCTION audit.keep();
			 ALTER TABLE audit.%1$I ENABLE ALWAYS TRIGGER audit_log_keep',
			name);
	END LOOP;
END
$$;

CREATE TRIGGER audit_log_flush
	AFTER INSERT ON audit.audit_objects
	FOR EACH STATEMENT EXECUTE FUNCTION audit.flush();
ALTER TABLE audit.audit_objects ENABLE ALWAYS TRIGGER audit_log_flush;

/* ---------------------------------------------------- functions: tracking */

/*
 * A table that is tracked has two triggers that call audit.capture(): one FOR
 * EACH ROW, of which (tgtype & 1) = 1, and one for TRUNCATE.  Partitions have
 * the first cloned, with a tgparentid.
 */

CREATE FUNCTION audit.trigger_args(trigger oid) RETURNS text[]
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'audit_log_trigger_args';
REVOKE ALL ON FUNCTION audit.trigger_args(oid) FROM PUBLIC;
COMMENT ON FUNCTION audit.trigger_args(oid) IS
	'internal: the arguments of a trigger';

/* The value of an option in a capture trigger's arguments, or null; the last counts. */
CREATE FUNCTION audit.trigger_option(args text[], option text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pg_catalog.substr(a.arg, pg_catalog.length(option) + 2)
	FROM pg_catalog.unnest(args) WITH ORDINALITY AS a (arg, n)
	WHERE pg_catalog.starts_with(a.arg, option || '=')
	ORDER BY a.n DESC
	LIMIT 1;
END;
REVOKE ALL ON FUNCTION audit.trigger_option(text[], text) FROM PUBLIC;
COMMENT ON FUNCTION audit.trigger_option(text[], text) IS
	'internal: the value of an option in the arguments of a capture trigger';

/*
 * The columns that an option names.  Whoever owns a table and may use
 * audit.capture() can write anything in their place: it must not keep others
 * from seeing what is tracked.
 */
CREATE FUNCTION audit.trigger_columns(args text[], option text) RETURNS text[]
	LANGUAGE plpgsql IMMUTABLE STRICT
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce(audit.trigger_option(args, option), '{}')::text[];
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
	RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION audit.trigger_columns(text[], text) FROM PUBLIC;
COMMENT ON FUNCTION audit.trigger_columns(text[], text) IS
	'internal: the columns that an option in the arguments of a capture trigger names; null if it cannot be read';

/*
 * Some columns of a table, and the generated ones that are computed from them,
 * by the table or a partition of it: they are hidden together.
 */
CREATE FUNCTION audit.hidden_columns(target regclass, names text[]) RETURNS text[]
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT names OPERATOR(pg_catalog.||) ARRAY(
		SELECT DISTINCT g.attname::text COLLATE "C"
		FROM (SELECT target::oid AS relid
			  UNION
			  SELECT p.relid::oid FROM pg_catalog.pg_partition_tree(target) AS p) AS m
			JOIN pg_catalog.pg_attribute g ON g.attrelid = m.relid
				AND g.attgenerated <> '' AND NOT g.attisdropped
			JOIN pg_catalog.pg_attrdef e
				ON e.adrelid = g.attrelid AND e.adnum = g.attnum
			JOIN pg_catalog.pg_depend d
				ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid
					AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
					AND d.refobjid = g.attrelid
			JOIN pg_catalog.pg_attribute a
				ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
		WHERE a.attname::text = ANY (names) AND g.attname::text <> ALL (names)
		ORDER BY 1);
END;
REVOKE ALL ON FUNCTION audit.hidden_columns(regclass, text[]) FROM PUBLIC;
COMMENT ON FUNCTION audit.hidden_columns(regclass, text[]) IS
	'internal: some columns of a table, and the generated ones that are computed from them';

CREATE VIEW audit.tracked_tables AS
	SELECT n.nspname AS schema_name,
		c.relname AS table_name,
		audit.hidden_columns(c.oid, a.exclude) AS exclude,
		audit.hidden_columns(c.oid, a.mask) AS mask,
		'skip_unchanged' = ANY (a.args) AS skip_unchanged,
		t.tgenabled = 'A' AS record_applied,
		t.tgenabled <> 'D' AS enabled,
		t.tgname AS trigger_name,
		CASE
			/* For each row, AFTER INSERT, DELETE and UPDATE */
			WHEN (t.tgtype & 95) <> 29 OR t.tgattr <> ''::int2vector
				OR t.tgqual IS NOT NULL OR t.tgconstraint <> 0
				THEN 'it does not see every change'
			WHEN a.exclude IS NULL THEN 'its list of excluded columns cannot be read'
			WHEN a.mask IS NULL THEN 'its list of masked columns cannot be read'
			WHEN EXISTS (SELECT FROM pg_catalog.unnest(a.args) AS arg
						 WHERE arg NOT IN ('skip_unchanged', 'skip_applied')
							AND NOT pg_catalog.starts_with(arg, 'exclude=')
							AND NOT pg_catalog.starts_with(arg, 'mask='))
				THEN 'it has an unknown argument'
		END AS problem
	FROM pg_catalog.pg_trigger t
		JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
		LATERAL (SELECT g.args,
					audit.trigger_columns(g.args, 'exclude') AS exclude,
					audit.trigger_columns(g.args, 'mask') AS mask
				 FROM audit.trigger_args(t.oid) AS g (args)) a
	WHERE t.tgfoid = 'audit.capture()'::pg_catalog.regprocedure
		AND t.tgparentid = 0
		AND (t.tgtype & 1) = 1;

CREATE FUNCTION audit.snapshot(target regclass, capture regprocedure)
	RETURNS bigint
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'audit_log_snapshot';
REVOKE ALL ON FUNCTION audit.snapshot(regclass, regprocedure) FROM PUBLIC;
COMMENT ON FUNCTION audit.snapshot(regclass, regprocedure) IS
	'internal: records the rows that one table has now; used by audit.enable()';

/* Is a table, or the partitioned table above it, tracked? */
CREATE FUNCTION audit.is_tracked(target regclass) RETURNS boolean
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT EXISTS (
		SELECT FROM pg_catalog.pg_trigger
		WHERE tgrelid = target
			AND tgfoid = 'audit.capture()'::pg_catalog.regprocedure
			AND (tgtype & 1) = 1);
END;
REVOKE ALL ON FUNCTION audit.is_tracked(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.is_tracked(regclass) IS
	'internal: true if changes of a table are captured, by its own trigger or that of the partitioned table above it';

/* Drops the capture triggers that a table has of its own. */
CREATE FUNCTION audit.drop_triggers(target regclass) RETURNS integer
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name name;
	dropped integer := 0;
BEGIN
	FOR name IN
		SELECT tgname FROM pg_trigger
		WHERE tgrelid = target
			AND tgfoid = 'audit.capture()'::regprocedure
			AND tgparentid = 0
	LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', name, target);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION audit.drop_triggers(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.drop_triggers(regclass) IS
	'internal: drops the capture triggers of one table';

/* A table and, of a partitioned one, the partitions of every level. */
CREATE FUNCTION audit.with_partitions(target regclass) RETURNS SETOF regclass
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT t.relid FROM pg_catalog.pg_partition_tree(target) AS t
	UNION
	SELECT target;
END;
REVOKE ALL ON FUNCTION audit.with_partitions(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.with_partitions(regclass) IS
	'internal: a table and its partitions';

/* TRUNCATE triggers are not cloned: each partition needs its own. */
CREATE FUNCTION audit.add_truncate_triggers(target regclass, options text,
											always boolean) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member regclass;
BEGIN
	FOR member IN SELECT audit.with_partitions(target) LOOP
		/* A foreign table can be truncated, yet has no trigger for it. */
		CONTINUE WHEN (SELECT relkind FROM pg_class WHERE oid = member) = 'f';
		IF EXISTS (SELECT FROM pg_trigger
				   WHERE tgrelid = member
					   AND tgfoid = 'audit.capture()'::regprocedure
					   AND (tgtype & 1) = 0)
		THEN
			CONTINUE;
		END IF;
		EXECUTE format('CREATE TRIGGER audit_log_truncate AFTER TRUNCATE ON %s '
					   'FOR EACH STATEMENT EXECUTE FUNCTION audit.capture(%s)',
					   member, options);
		IF always THEN
			EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_log_truncate',
						   member);
		END IF;
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.add_truncate_triggers(regclass, text, boolean)
	FROM PUBLIC;
COMMENT ON FUNCTION audit.add_truncate_triggers(regclass, text, boolean) IS
	'internal: gives a table and its partitions the trigger that records TRUNCATE';

/*
 * The server fires row triggers in the order of their names.  Ours begins with
 * a character that comes before letters, so that a change is recorded before
 * those that other triggers make on account of it, maybe to the same row.
 *
 * A partitioned table's trigger is named after the table, with its schema: its
 * partitions get it under the same name, beside one that they may have had of
 * their own.  A name that is too long would be cut off.
 */
CREATE FUNCTION audit.add_triggers(target regclass, exclude text[],
								   mask text[], skip_unchanged boolean,
								   record_applied boolean) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name name := (SELECT CASE WHEN c.relkind <> 'p' THEN '_audit_log'
							  WHEN octet_length(l.long) > 63 THEN '_audit_log_of_' || md5(l.long)
							  ELSE l.long END
				  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
					LATERAL (SELECT '_audit_log_of_' || n.nspname || '.' || c.relname) AS l (long)
				  WHERE c.oid = target);
	args text[] := '{}';
	options text;
	member regclass;
BEGIN
	IF cardinality(exclude) > 0 THEN
		args := args || ('exclude=' || exclude::text);
	END IF;
	IF cardinality(mask) > 0 THEN
		args := args || ('mask=' || mask::text);
	END IF;
	IF skip_unchanged THEN
		args := args || 'skip_unchanged'::text;
	END IF;
	/* Whether the trigger fires then is its state, see audit.enable_always(). */
	IF NOT record_applied THEN
		args := args || 'skip_applied'::text;
	END IF;
	options := (SELECT coalesce(string_agg(quote_literal(a), ', '), '')
				FROM unnest(args) AS a);

	/* What partitions had of their own would record nothing any more. */
	FOR member IN SELECT audit.with_partitions(target) LOOP
		PERFORM audit.drop_triggers(member);
	END LOOP;
	EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s '
				   'FOR EACH ROW EXECUTE FUNCTION audit.capture(%s)',
				   name, target, options);
	IF record_applied THEN
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', target, name);
	END IF;
	PERFORM audit.add_truncate_triggers(target, options, record_applied);
END
$$;
REVOKE ALL ON FUNCTION audit.add_triggers(regclass, text[], text[], boolean,
										  boolean) FROM PUBLIC;
COMMENT ON FUNCTION audit.add_triggers(regclass, text[], text[], boolean,
									   boolean) IS
	'internal: gives a table its capture triggers, in place of those it had';

/* Throws unless the argument is a plain list of names. */
CREATE FUNCTION audit.check_columns(names text[]) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF names IS NULL OR array_ndims(names) > 1
		OR array_position(names, NULL) IS NOT NULL
	THEN
		RAISE EXCEPTION 'a list of columns must be an array of one dimension without nulls'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.check_columns(text[]) FROM PUBLIC;
COMMENT ON FUNCTION audit.check_columns(text[]) IS
	'internal: throws unless the argument is a plain list of names';

/* Throws for a partition whose trigger is that of the table above it. */
CREATE FUNCTION audit.refuse_partition(target regclass, advice text)
	RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_trigger
			   WHERE tgrelid = target
				   AND tgfoid = 'audit.capture()'::regprocedure
				   AND tgparentid <> 0)
	THEN
		RAISE EXCEPTION 'partition "%" is tracked through the partitioned table above it',
			target
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = advice;
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.refuse_partition(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.refuse_partition(regclass, text) IS
	'internal: throws for a partition that is tracked through the table above it';

CREATE FUNCTION audit.enable(target regclass, exclude text[] DEFAULT '{}',
							 mask text[] DEFAULT '{}',
							 skip_unchanged boolean DEFAULT false,
							 snapshot boolean DEFAULT false,
							 record_applied boolean DEFAULT true) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rel pg_class := (SELECT c FROM pg_class c WHERE c.oid = target);
	missing text;
	child regclass;
BEGIN
	IF target IS NULL OR exclude IS NULL OR mask IS NULL
		OR skip_unchanged IS NULL OR snapshot IS NULL OR record_applied IS NULL
	THEN
		RAISE EXCEPTION 'arguments of audit.enable() must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM audit.check_columns(exclude);
	PERFORM audit.check_columns(mask);
	IF rel.oid IS NULL THEN
		RAISE EXCEPTION 'relation with OID % does not exist', target::oid
			USING ERRCODE = 'undefined_table';
	END IF;
	IF rel.relkind NOT IN ('r', 'p', 'f') THEN
		RAISE EXCEPTION '"%" is not a table', target
			USING ERRCODE = 'wrong_object_type',
				HINT = 'Track the tables behind a view: their changes are captured however they are made.';
	END IF;
	IF rel.relnamespace IN ('pg_catalog'::regnamespace, 'audit'::regnamespace)
		OR rel.relnamespace::regnamespace::text IN ('information_schema', 'pg_toast')
	THEN
		RAISE EXCEPTION 'table "%" cannot be tracked', target
			USING ERRCODE = 'feature_not_supported',
				DETAIL = 'System catalogs and the audit tables themselves are not tracked.';
	END IF;
	missing := (SELECT string_agg(quote_ident(name), ', ' ORDER BY name COLLATE "C")
				FROM unnest(exclude || mask) AS name
				WHERE NOT EXISTS (SELECT FROM pg_attribute
								  WHERE attrelid = target AND attnum > 0
									  AND NOT attisdropped
									  AND attname = name));
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'table "%" has no column %', target, missing
			USING ERRCODE = 'undefined_column';
	END IF;
	PERFORM audit.refuse_partition(target, 'Call audit.enable() for the partitioned table to change its options.');

	PERFORM audit.add_triggers(target, exclude, mask, skip_unchanged,
							   record_applied);
	IF snapshot THEN
		PERFORM audit.snapshot(member, 'audit.capture()')
		FROM audit.with_partitions(target) AS member;
	END IF;

	/* Rows of inheritance children are changed through their parent too. */
	IF rel.relkind <> 'p' THEN
		FOR child IN SELECT inhrelid FROM pg_inherits
					 WHERE inhparent = target
		LOOP
			PERFORM audit.enable(child, exclude, mask, skip_unchanged,
								 snapshot, record_applied);
		END LOOP;
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.enable(regclass, text[], text[], boolean, boolean,
									boolean) FROM PUBLIC;
COMMENT ON FUNCTION audit.enable(regclass, text[], text[], boolean, boolean,
								 boolean) IS
	'starts recording the changes of a table, or changes the options with which they are recorded';

CREATE FUNCTION audit.disable(target regclass) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member regclass;
BEGIN
	PERFORM audit.refuse_partition(target, 'Call audit.disable() for the partitioned table.');
	IF audit.is_tracked(target) IS NOT TRUE THEN
		RAISE EXCEPTION 'table "%" is not tracked', target
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'The view audit.tracked_tables lists the tables that are.';
	END IF;
	FOR member IN SELECT audit.with_partitions(target) LOOP
		PERFORM audit.drop_triggers(member);
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.disable(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.disable(regclass) IS
	'stops recording the changes of a table';

/* Those of "names" that are columns of a table. */
CREATE FUNCTION audit.columns_among(target regclass, names text[])
	RETURNS text[]
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT COALESCE(pg_catalog.array_agg(a.attname::text ORDER BY a.attnum), '{}')
	FROM pg_catalog.pg_attribute a
	WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped
		AND a.attname::text = ANY (names);
END;
REVOKE ALL ON FUNCTION audit.columns_among(regclass, text[]) FROM PUBLIC;
COMMENT ON FUNCTION audit.columns_among(regclass, text[]) IS
	'internal: those of some names that are columns of a table';

CREATE FUNCTION audit.enable_all(target_schema name DEFAULT NULL,
								 exclude text[] DEFAULT '{}',
								 mask text[] DEFAULT '{}',
								 skip_unchanged boolean DEFAULT false,
								 snapshot boolean DEFAULT false,
								 record_applied boolean DEFAULT true)
	RETURNS bigint
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	target regclass;
	tables bigint := 0;
BEGIN
	IF target_schema IS NOT NULL
		AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = target_schema)
	THEN
		RAISE EXCEPTION 'schema "%" does not exist', target_schema
			USING ERRCODE = 'invalid_schema_name';
	END IF;
	IF target_schema IN ('audit', 'information_schema')
		OR starts_with(target_schema::text, 'pg_')
	THEN
		RAISE EXCEPTION 'tables of schema "%" cannot be tracked', target_schema
			USING ERRCODE = 'feature_not_supported';
	END IF;
	IF skip_unchanged IS NULL OR snapshot IS NULL OR record_applied IS NULL THEN
		RAISE EXCEPTION 'arguments of audit.enable_all() must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM audit.check_columns(exclude);
	PERFORM audit.check_columns(mask);
	DELETE FROM audit.tracking_rules r
	WHERE r.schema_name IS NOT DISTINCT FROM target_schema;
	/* A rule is no trigger, whose end would be seen. */
	IF FOUND THEN
		PERFORM audit.log_ddl('audit', 'tracking_rules', target_schema::text,
			json_build_object('command_tag', 'SELECT', 'object_type', 'function',
							  'object_identity', 'audit.enable_all()', 'schema', target_schema));
	END IF;
	INSERT INTO audit.tracking_rules
	VALUES (target_schema, exclude, mask, skip_unchanged, record_applied);

	FOR target IN
		SELECT c.oid
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p')
			AND c.relpersistence <> 't'
			AND NOT c.relispartition
			AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'audit')
			AND NOT starts_with(n.nspname::text, 'pg_')
			AND (target_schema IS NULL OR n.nspname = target_schema)
			/* Tables of an extension are its own business. */
			AND NOT EXISTS (SELECT FROM pg_depend d
							WHERE d.classid = 'pg_class'::regclass
								AND d.objid = c.oid AND d.deptype = 'e')
		ORDER BY c.oid
	LOOP
		PERFORM audit.enable(target, audit.columns_among(target, exclude),
							 audit.columns_among(target, mask),
							 skip_unchanged, snapshot, record_applied);
		tables := tables + 1;
	END LOOP;
	RETURN tables;
END
$$;
REVOKE ALL ON FUNCTION audit.enable_all(name, text[], text[], boolean, boolean,
										boolean) FROM PUBLIC;
COMMENT ON FUNCTION audit.enable_all(name, text[], text[], boolean, boolean,
									 boolean) IS
	'starts recording all tables of a schema or of the database, and those created later';

CREATE FUNCTION audit.disable_all(target_schema name DEFAULT NULL)
	RETURNS bigint
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	target regclass;
	tables bigint := 0;
BEGIN
	DELETE FROM audit.tracking_rules r
	WHERE target_schema IS NULL OR r.schema_name = target_schema;
	/* A rule is no trigger, whose end would be seen. */
	IF FOUND THEN
		PERFORM audit.log_ddl('audit', 'tracking_rules', target_schema::text,
			json_build_object('command_tag', 'SELECT', 'object_type', 'function',
							  'object_identity', 'audit.disable_all()', 'schema', target_schema));
	END IF;
	FOR target IN
		SELECT DISTINCT t.tgrelid
		FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
			JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE t.tgfoid = 'audit.capture()'::regprocedure
			AND t.tgparentid = 0 AND (t.tgtype & 1) = 1
			AND (target_schema IS NULL OR n.nspname = target_schema)
	LOOP
		PERFORM audit.disable(target);
		tables := tables + 1;
	END LOOP;
	RETURN tables;
END
$$;
REVOKE ALL ON FUNCTION audit.disable_all(name) FROM PUBLIC;
COMMENT ON FUNCTION audit.disable_all(name) IS
	'stops recording all tables of a schema or of the database, also those created later';

/* ------------------------------------------- functions: DDL leaves a trace */

CREATE FUNCTION audit.log_ddl(schema_name text, table_name text,
							  entity_key text, entity json) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_log_ddl';
REVOKE ALL ON FUNCTION audit.log_ddl(text, text, text, json) FROM PUBLIC;
COMMENT ON FUNCTION audit.log_ddl(text, text, text, json) IS
	'internal: records a change of a definition; used by the event triggers';

CREATE FUNCTION audit.ddl_details(command pg_ddl_command) RETURNS text[]
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'audit_log_ddl_details';
REVOKE ALL ON FUNCTION audit.ddl_details(pg_ddl_command) FROM PUBLIC;
COMMENT ON FUNCTION audit.ddl_details(pg_ddl_command) IS
	'internal: what a command did to a table: (subcommand, name, new name), flattened';

/*
 * After a column was renamed: the options of the table, and of those that
 * inherit the column, name it by its new name.
 */
CREATE FUNCTION audit.follow_rename(target regclass, old_name text,
									new_name text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tracked record;
BEGIN
	FOR tracked IN
		WITH RECURSIVE family (relid) AS (
			SELECT target::oid
			UNION
			SELECT i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.relid
		)
		SELECT t.tgrelid::regclass AS relid, o.exclude, o.mask,
			'skip_unchanged' = ANY (a.args) AS skip_unchanged,
			'skip_applied' <> ALL (a.args) AS record_applied
		FROM family f JOIN pg_trigger t ON t.tgrelid = f.relid,
			LATERAL (SELECT audit.trigger_args(t.oid) AS args) a,
			LATERAL (SELECT audit.trigger_columns(a.args, 'exclude') AS exclude,
						audit.trigger_columns(a.args, 'mask') AS mask) o
		WHERE t.tgfoid = 'audit.capture()'::regprocedure
			AND t.tgparentid = 0 AND (t.tgtype & 1) = 1
			/* What cannot be read is left as it is, and lets nobody write. */
			AND o.exclude IS NOT NULL AND o.mask IS NOT NULL
	LOOP
		IF old_name = ANY (tracked.exclude || tracked.mask) THEN
			PERFORM audit.add_triggers(tracked.relid,
									   array_replace(tracked.exclude, old_name, new_name),
									   array_replace(tracked.mask, old_name, new_name),
									   tracked.skip_unchanged,
									   tracked.record_applied);
		END IF;
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.follow_rename(regclass, text, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.follow_rename(regclass, text, text) IS
	'internal: keeps a renamed column excluded or masked';

/*
 * Triggers of ours that fire in an ordinary session only, although they should
 * fire always: ALTER TABLE ... ENABLE TRIGGER has put them there, and a restore
 * of data with --disable-triggers does that to every table.  Nothing that is
 * applied would be recorded any more.
 */
CREATE FUNCTION audit.enable_always(target regclass) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	weak record;
BEGIN
	FOR weak IN
		SELECT t.tgrelid::regclass AS relid, t.tgname
		FROM audit.with_partitions(target) AS member
			JOIN pg_trigger t ON t.tgrelid = member
		WHERE t.tgfoid IN ('audit.capture()'::regprocedure, 'audit.flush()'::regprocedure,
						   'audit.protect()'::regprocedure, 'audit.keep()'::regprocedure)
			AND t.tgenabled = 'O'
			AND 'skip_applied' <> ALL (audit.trigger_args(t.oid))
		ORDER BY t.oid
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', weak.relid, weak.tgname);
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.enable_always(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.enable_always(regclass) IS
	'internal: lets the triggers of a table that were enabled again fire always, as audit.enable() does';

/* A new table: what audit.enable_all() or a tracked parent promised for it. */
CREATE FUNCTION audit.track_new_table(target regclass) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rel pg_class := (SELECT c FROM pg_class c WHERE c.oid = target);
	rule record;
BEGIN
	IF rel.relkind NOT IN ('r', 'p') OR rel.relpersistence = 't' THEN
		RETURN;
	END IF;
	IF rel.relispartition THEN
		/* The row trigger was cloned. */
		SELECT a.args, 'skip_applied' <> ALL (a.args) AS always
		INTO rule
		FROM pg_trigger t, LATERAL (SELECT audit.trigger_args(t.oid) AS args) a
		WHERE t.tgrelid = target AND t.tgfoid = 'audit.capture()'::regprocedure
			AND t.tgparentid <> 0;
		IF FOUND THEN
			PERFORM audit.add_truncate_triggers(target,
				(SELECT coalesce(string_agg(quote_literal(a), ', '), '')
				 FROM unnest(rule.args) AS a), rule.always);
		END IF;
		RETURN;
	END IF;
	IF audit.is_tracked(target) THEN
		RETURN;
	END IF;

	/* A child of a tracked table is tracked like its parent. */
	SELECT coalesce(audit.trigger_option(a.args, 'exclude')::text[], '{}') AS exclude,
		coalesce(audit.trigger_option(a.args, 'mask')::text[], '{}') AS mask,
		'skip_unchanged' = ANY (a.args) AS skip_unchanged,
		'skip_applied' <> ALL (a.args) AS record_applied
	INTO rule
	FROM pg_inherits i JOIN pg_trigger t ON t.tgrelid = i.inhparent,
		LATERAL (SELECT audit.trigger_args(t.oid) AS args) a
	WHERE i.inhrelid = target AND t.tgfoid = 'audit.capture()'::regprocedure
		AND (t.tgtype & 1) = 1
	LIMIT 1;
	IF NOT FOUND THEN
		SELECT r.exclude, r.mask, r.skip_unchanged, r.record_applied
		INTO rule
		FROM audit.tracking_rules r
		WHERE (r.schema_name IS NULL
			   OR r.schema_name = (SELECT nspname FROM pg_namespace
								   WHERE oid = rel.relnamespace))
			AND rel.relnamespace NOT IN ('audit'::regnamespace,
										 'pg_catalog'::regnamespace)
		ORDER BY r.schema_name NULLS LAST
		LIMIT 1;
	END IF;
	IF FOUND THEN
		PERFORM audit.add_triggers(target,
								   audit.columns_among(target, rule.exclude),
								   audit.columns_among(target, rule.mask),
								   rule.skip_unchanged, rule.record_applied);
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.track_new_table(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.track_new_table(regclass) IS
	'internal: tracks a new table if audit.enable_all() or a tracked parent asks for it';

/*
 * The event triggers run as the role that installed the extension, since
 * whoever runs DDL needs no right on the audit schema.
 */
CREATE FUNCTION audit.watch_trigger(schema_name text, table_name text,
									trigger name, function oid, target regclass,
									details text[], entity json) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/*
	 * When a capture trigger is dropped or replaced, only its name is left to
	 * know it by.
	 */
	IF function = 'audit.capture()'::regprocedure THEN
		IF details[1] = 'RENAME' THEN
			RAISE EXCEPTION 'trigger of tracked table "%.%" cannot be renamed',
				schema_name, table_name
				USING ERRCODE = 'feature_not_supported',
					HINT = 'audit.disable() stops recording the table, and leaves a record.';
		END IF;
		IF trigger !~ '^_?audit_log' THEN
			RAISE EXCEPTION 'name of trigger "%" of table "%.%" must begin with "_audit_log"',
				trigger, schema_name, table_name
				USING ERRCODE = 'invalid_name',
					HINT = 'Create it with audit.enable().';
		END IF;
	END IF;
	/* A second one may record in the place of the first, and less. */
	IF trigger ~ '^_?audit_log'
		AND (details[1] = 'REPLACE TRIGGER'
			 OR (SELECT count(*) > 1 FROM pg_trigger t
				 WHERE t.tgrelid = target AND t.tgparentid = 0 AND (t.tgtype & 1) = 1
					AND t.tgfoid = 'audit.capture()'::regprocedure))
	THEN
		PERFORM audit.log_ddl(schema_name, table_name, NULL, entity);
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.watch_trigger(text, text, name, oid, regclass,
										   text[], json) FROM PUBLIC;
COMMENT ON FUNCTION audit.watch_trigger(text, text, name, oid, regclass,
										text[], json) IS
	'internal: refuses to hide a capture trigger behind another name and records its replacement';

/*
 * The tables whose own triggers record their rows and whose columns change with
 * those of a table above.
 */
CREATE FUNCTION audit.tables_below(target regclass) RETURNS SETOF regclass
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE family (relid) AS (
		SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = target
		UNION
		SELECT i.inhrelid
		FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.relid
	)
	SELECT f.relid::pg_catalog.regclass
	FROM family f
	WHERE EXISTS (SELECT FROM pg_catalog.pg_trigger t
				  WHERE t.tgrelid = f.relid AND t.tgparentid = 0
					AND t.tgfoid = 'audit.capture()'::pg_catalog.regprocedure
					AND (t.tgtype & 1) = 1);
END;
REVOKE ALL ON FUNCTION audit.tables_below(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.tables_below(regclass) IS
	'internal: tables with a capture trigger of their own that inherit the columns of a table';

/*
 * The tables that a command is about: that of a trigger, those made of a
 * composite type, and of a schema that is renamed those that are tracked.
 */
CREATE FUNCTION audit.tables_of(classid oid, objid oid) RETURNS SETOF regclass
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.oid::pg_catalog.regclass
	FROM pg_catalog.pg_class c
	WHERE c.oid = objid AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass
	UNION ALL
	SELECT t.tgrelid::pg_catalog.regclass
	FROM pg_catalog.pg_trigger t
	WHERE t.oid = objid AND classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
	UNION ALL
	SELECT c.oid::pg_catalog.regclass
	FROM pg_catalog.pg_class t JOIN pg_catalog.pg_class c ON c.reloftype = t.reltype
	WHERE t.oid = objid AND t.relkind = 'c'
		AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass
	UNION ALL
	SELECT t.tgrelid::pg_catalog.regclass
	FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
	WHERE c.relnamespace = objid AND t.tgparentid = 0 AND (t.tgtype & 1) = 1
		AND t.tgfoid = 'audit.capture()'::pg_catalog.regprocedure
		AND classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass;
END;
REVOKE ALL ON FUNCTION audit.tables_of(oid, oid) FROM PUBLIC;
COMMENT ON FUNCTION audit.tables_of(oid, oid) IS
	'internal: the tables that a command on an object is about';

/*
 * After a command on a table that was there before: what was promised of it,
 * or of tables that it has brought along, holds on.
 */
CREATE FUNCTION audit.follow_ddl(target regclass, details text[]) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				 WHERE c.oid = target);
	attached regclass;
BEGIN
	/* Records do not come through SQL: nothing would fill or check these. */
	IF own = 'audit'
		AND details && ARRAY['ADD COLUMN', 'ADD CONSTRAINT', 'SET NOT NULL']
	THEN
		RAISE EXCEPTION 'table "%.%" takes no columns or constraints but its own',
			own, (SELECT relname FROM pg_class WHERE oid = target)
			USING ERRCODE = 'feature_not_supported',
				HINT = 'You may add indexes; a view can show more.';
	END IF;
	IF details[1] = 'RENAME COLUMN' THEN
		PERFORM audit.follow_rename(target, details[2], details[3]);
	ELSIF 'ATTACH PARTITION' = ANY (details) THEN
		FOR attached IN
			SELECT p.relid FROM pg_partition_tree(target) AS p
			WHERE p.relid <> target
		LOOP
			PERFORM audit.track_new_table(attached);
		END LOOP;
	ELSIF details[1] = 'DETACH PARTITION' THEN
		/* On its own now, it falls under a rule of audit.enable_all(). */
		PERFORM audit.track_new_table(c.oid)
		FROM parse_ident(details[2]) AS name
			JOIN pg_class c ON c.relname = name[cardinality(name)]
			JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE NOT c.relispartition
			AND n.nspname = CASE WHEN cardinality(name) > 1 THEN name[1] ELSE own END;
	ELSIF details[1] = 'SET SCHEMA' OR 'INHERIT' = ANY (details) THEN
		PERFORM audit.track_new_table(target);
	END IF;
	IF details && ARRAY['ENABLE TRIGGER', 'ENABLE TRIGGER ALL', 'ENABLE TRIGGER USER'] THEN
		PERFORM audit.enable_always(target);
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.follow_ddl(regclass, text[]) FROM PUBLIC;
COMMENT ON FUNCTION audit.follow_ddl(regclass, text[]) IS
	'internal: keeps tables recorded as they were meant to be after a command on one of them';

/*
 * Records a command on a table that was there before, if the table or one that
 * inherits its columns is tracked.
 *
 * Making a trigger fire always only strengthens, if nothing else is done
 * beside it, and a constraint of a tracked table only limits what is written:
 * restoring a dump adds foreign keys after the triggers.
 */
CREATE FUNCTION audit.log_table_ddl(target regclass, details text[],
									entity json) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changed record;
BEGIN
	FOR changed IN
		SELECT n.nspname, c.relname
		FROM (SELECT target AS relid
			  WHERE (audit.is_tracked(target)
						AND details IS DISTINCT FROM '{ADD CONSTRAINT,"",""}'
					 OR (SELECT relnamespace FROM pg_class WHERE oid = target)
						= 'audit'::regnamespace)
				AND (SELECT bool_and(details[n] = 'ENABLE ALWAYS TRIGGER')
					 FROM generate_series(1, cardinality(details), 3) AS n) IS NOT TRUE
			  UNION ALL
			  SELECT b FROM audit.tables_below(target) AS b
			  WHERE details && ARRAY['ADD COLUMN', 'DROP COLUMN', 'RENAME COLUMN',
									 'ALTER COLUMN TYPE', 'ALTER COLUMN TYPE USING',
									 'SET EXPRESSION']) AS t
			JOIN pg_class c ON c.oid = t.relid
			JOIN pg_namespace n ON n.oid = c.relnamespace
		ORDER BY c.oid <> target, c.oid
	LOOP
		PERFORM audit.log_ddl(changed.nspname::text, changed.relname::text, NULL, entity);
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.log_table_ddl(regclass, text[], json) FROM PUBLIC;
COMMENT ON FUNCTION audit.log_table_ddl(regclass, text[], json) IS
	'internal: records a command on a table, for it and for tables that inherit its columns';

/*
 * Records what the command did to parts of the extension.  What a function of
 * ours does can be replaced like a trigger, and so can what a view shows.  What
 * is no longer part of the extension can be dropped, what has left the schema
 * changed.
 */
CREATE FUNCTION audit.log_own_ddl() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command record;
BEGIN
	FOR command IN
		SELECT DISTINCT c.command_tag, c.object_type, c.object_identity,
			coalesce(p.proname, v.relname, e.extname, s.nspname) AS name
		FROM pg_event_trigger_ddl_commands() AS c
			LEFT JOIN pg_proc p ON c.classid = 'pg_proc'::regclass AND p.oid = c.objid
				AND (p.pronamespace = 'audit'::regnamespace
					 OR EXISTS (SELECT FROM pg_depend d JOIN pg_extension m ON m.oid = d.refobjid
								WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
									AND d.refclassid = 'pg_extension'::regclass
									AND m.extname = 'audit_log'))
			LEFT JOIN pg_class v ON c.classid = 'pg_class'::regclass AND v.oid = c.objid
				AND v.relnamespace = 'audit'::regnamespace AND v.relkind = 'v'
			LEFT JOIN pg_extension e ON c.classid = 'pg_extension'::regclass AND e.oid = c.objid
				AND e.extname = 'audit_log'
			LEFT JOIN pg_namespace s ON c.classid = 'pg_namespace'::regclass AND s.oid = c.objid
				AND s.nspname = 'audit'
		WHERE NOT c.in_extension
			AND coalesce(p.oid, v.oid, e.oid, s.oid) IS NOT NULL
	LOOP
		PERFORM audit.log_ddl('audit', command.name::text, NULL,
			json_build_object('command_tag', command.command_tag,
							  'object_type', command.object_type,
							  'object_identity', command.object_identity));
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.log_own_ddl() FROM PUBLIC;
COMMENT ON FUNCTION audit.log_own_ddl() IS
	'internal: records what a command did to functions, views and the schema of the extension';

/*
 * Records casts.  A record has what a cast to json makes of a value, as
 * row_to_json() has, and a key what a cast to text makes of it: a type's owner
 * chooses.
 */
CREATE FUNCTION audit.log_cast_ddl() RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command record;
BEGIN
	FOR command IN
		SELECT c.command_tag, c.object_type, c.object_identity, n.nspname, t.typname
		FROM pg_event_trigger_ddl_commands() AS c
			JOIN pg_cast k
				ON (c.classid = 'pg_cast'::regclass AND k.oid = c.objid)
				OR (c.classid = 'pg_proc'::regclass AND k.castfunc = c.objid)
			JOIN pg_type t ON t.oid = k.castsource
			JOIN pg_namespace n ON n.oid = t.typnamespace
		WHERE NOT c.in_extension AND k.castfunc <> 0
			AND k.casttarget IN ('json'::regtype, 'text'::regtype)
	LOOP
		PERFORM audit.log_ddl(command.nspname::text, command.typname::text, NULL,
			json_build_object('command_tag', command.command_tag,
							  'object_type', command.object_type,
							  'object_identity', command.object_identity));
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.log_cast_ddl() FROM PUBLIC;
COMMENT ON FUNCTION audit.log_cast_ddl() IS
	'internal: records a cast that decides what records hold of a type';

CREATE FUNCTION audit.on_ddl_command_end() RETURNS event_trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command record;
	details text[];
	entity json;
BEGIN
	IF to_regnamespace('audit') IS NULL THEN
		RAISE EXCEPTION 'schema "audit" cannot be renamed'
			USING ERRCODE = 'feature_not_supported';
	END IF;
	FOR command IN
		SELECT c.*, cl.oid AS relid, cl.relname, n.nspname, t.tgname, t.tgfoid
		FROM pg_event_trigger_ddl_commands() AS c
			LEFT JOIN pg_trigger t
				ON c.classid = 'pg_trigger'::regclass AND t.oid = c.objid
			CROSS JOIN audit.tables_of(c.classid, c.objid) AS target
			JOIN pg_class cl ON cl.oid = target
			JOIN pg_namespace n ON n.oid = cl.relnamespace
		WHERE NOT c.in_extension AND cl.relkind IN ('r', 'p', 'f')
	LOOP
		details := audit.ddl_details(command.command);
		entity := json_build_object('command_tag', command.command_tag,
									'object_type', command.object_type,
									'object_identity', command.object_identity,
									'details', details);
		IF command.tgname IS NOT NULL THEN
			PERFORM audit.watch_trigger(command.nspname::text, command.relname::text,
										command.tgname, command.tgfoid,
										command.relid::regclass, details, entity);
		ELSIF command.classid = 'pg_namespace'::regclass
			AND details[1] IS DISTINCT FROM 'RENAME'
		THEN
			CONTINUE;
		ELSIF command.command_tag LIKE 'CREATE%' OR command.command_tag = 'SELECT INTO'
		THEN
			PERFORM audit.track_new_table(command.relid);
			/* CREATE TABLE AS wrote its rows before there was a trigger. */
			IF command.command_tag IN ('CREATE TABLE AS', 'SELECT INTO')
				AND audit.is_tracked(command.relid)
			THEN
				PERFORM audit.snapshot(command.relid, 'audit.capture()');
			END IF;
		ELSE
			PERFORM audit.follow_ddl(command.relid, details);
			PERFORM audit.log_table_ddl(command.relid, details, entity);
		END IF;
	END LOOP;
	PERFORM audit.log_own_ddl();
	PERFORM audit.log_cast_ddl();
END
$$;
REVOKE ALL ON FUNCTION audit.on_ddl_command_end() FROM PUBLIC;
COMMENT ON FUNCTION audit.on_ddl_command_end() IS
	'internal: event trigger: tracks new tables, follows renamed columns, records changes of tracked tables';

CREATE FUNCTION audit.on_sql_drop() RETURNS event_trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	dropped record;
BEGIN
	FOR dropped IN
		WITH gone AS (
			SELECT * FROM pg_event_trigger_dropped_objects()
		)
		SELECT DISTINCT t.address_names[1] AS schema_name,
			t.address_names[2] AS table_name,
			whole.object_identity IS NOT NULL AS whole,
			coalesce(whole.object_type, 'trigger') AS object_type,
			coalesce(whole.object_identity, t.object_identity) AS object_identity
		FROM gone t
			LEFT JOIN gone whole
				ON whole.object_type IN ('table', 'foreign table')
				AND whole.address_names[1] = t.address_names[1]
				AND whole.address_names[2] = t.address_names[2]
		WHERE t.object_type = 'trigger' AND NOT t.is_temporary
			AND t.address_names[3] ~ '^_?audit_log'
			/* Unless the extension goes, and its tables with it. */
			AND (t.address_names[1] <> 'audit'
				 OR to_regclass('audit.audit_objects') IS NOT NULL)
	LOOP
		PERFORM audit.log_ddl(dropped.schema_name, dropped.table_name, NULL,
			json_build_object('command_tag', tg_tag,
							  'object_type', dropped.object_type,
							  'object_identity', dropped.object_identity));
	END LOOP;

	/*
	 * A column goes with its type, or with one that it is computed from; a
	 * constraint with a column, a function or the table that it refers to.
	 */
	FOR dropped IN
		SELECT n.nspname, c.relname, d.address_names[3] AS name, d.object_type, d.object_identity
		FROM pg_event_trigger_dropped_objects() AS d
			JOIN pg_namespace n ON n.nspname = d.address_names[1]
			JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = d.address_names[2]
		WHERE d.object_type IN ('table column', 'foreign table column', 'table constraint')
			AND NOT d.original
			AND EXISTS (SELECT FROM pg_trigger t
						WHERE t.tgrelid = c.oid AND t.tgparentid = 0 AND (t.tgtype & 1) = 1
							AND t.tgfoid = 'audit.capture()'::regprocedure)
	LOOP
		PERFORM audit.log_ddl(dropped.nspname::text, dropped.relname::text, NULL,
			json_build_object('command_tag', tg_tag,
							  'object_type', dropped.object_type,
							  'object_identity', dropped.object_identity,
							  'details', ARRAY[CASE dropped.object_type WHEN 'table constraint'
											   THEN 'DROP CONSTRAINT' ELSE 'DROP COLUMN' END,
											   dropped.name, '']));
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.on_sql_drop() FROM PUBLIC;
COMMENT ON FUNCTION audit.on_sql_drop() IS
	'internal: event trigger: records that a tracked table, a capture trigger, or a column or constraint beside what was named was dropped';

CREATE EVENT TRIGGER audit_log_ddl_command_end ON ddl_command_end
	/*
	 * ALTER INDEX, VIEW and MATERIALIZED VIEW rename tables and their columns
	 * too, and so does ALTER TYPE.
	 */
	WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO',
				 'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
				 'CREATE SCHEMA', 'CREATE TRIGGER', 'ALTER TRIGGER',
				 'ALTER INDEX', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW',
				 'ALTER TYPE', 'ALTER SCHEMA', 'CREATE FUNCTION',
				 'ALTER FUNCTION', 'ALTER ROUTINE', 'CREATE CAST',
				 'CREATE VIEW', 'ALTER EXTENSION')
	EXECUTE FUNCTION audit.on_ddl_command_end();
ALTER EVENT TRIGGER audit_log_ddl_command_end ENABLE ALWAYS;

CREATE EVENT TRIGGER audit_log_sql_drop ON sql_drop
	EXECUTE FUNCTION audit.on_sql_drop();
ALTER EVENT TRIGGER audit_log_sql_drop ENABLE ALWAYS;

/* ----------------------------------------------------- functions: requests */

CREATE FUNCTION audit.begin_request(request_id text DEFAULT NULL,
									workspace text DEFAULT NULL,
									rbac_user_id text DEFAULT NULL,
									rbac_user_name text DEFAULT NULL,
									request_source text DEFAULT NULL,
									client_ip text DEFAULT NULL) RETURNS text
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_begin_request';
COMMENT ON FUNCTION audit.begin_request(text, text, text, text, text, text) IS
	'sets the request of the current transaction and returns its id, a new one if none is given';

CREATE FUNCTION audit.log_request(method text, path text, status integer,
								  payload text DEFAULT NULL,
								  payload_bytes bytea DEFAULT NULL,
								  request_id text DEFAULT NULL,
								  client_ip text DEFAULT NULL,
								  user_agent text DEFAULT NULL,
								  duration_ms numeric DEFAULT NULL,
								  workspace text DEFAULT NULL,
								  rbac_user_id text DEFAULT NULL,
								  rbac_user_name text DEFAULT NULL,
								  request_source text DEFAULT NULL)
	RETURNS uuid
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_log_request';
REVOKE ALL ON FUNCTION audit.log_request(text, text, integer, text, bytea,
	text, text, text, numeric, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.log_request(text, text, integer, text, bytea,
	text, text, text, numeric, text, text, text, text) IS
	'records an HTTP request and returns the id of its record, or null if an ignore list silences it';

/* ------------------------------------------------------ functions: records */

CREATE FUNCTION audit.record(o audit.objects) RETURNS json
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_record_object';
REVOKE ALL ON FUNCTION audit.record(audit.objects) FROM PUBLIC;
COMMENT ON FUNCTION audit.record(audit.objects) IS
	'an object record as the API returns it and as it is signed';

CREATE FUNCTION audit.record(r audit.requests) RETURNS json
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_record_request';
REVOKE ALL ON FUNCTION audit.record(audit.requests) FROM PUBLIC;
COMMENT ON FUNCTION audit.record(audit.requests) IS
	'a request record as the API returns it and as it is signed';

CREATE FUNCTION audit.purge(max_records bigint DEFAULT NULL) RETURNS bigint
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_purge';
REVOKE ALL ON FUNCTION audit.purge(bigint) FROM PUBLIC;
COMMENT ON FUNCTION audit.purge(bigint) IS
	'removes expired records of both streams, at most so many, and returns their number';

/* ----------------------------------- functions: canonical form, signature */

CREATE FUNCTION audit.canonical(record json) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_canonical';
COMMENT ON FUNCTION audit.canonical(json) IS
	'the canonical form that is signed: values in the order of their keys, joined by "|"';

CREATE FUNCTION audit.canonical_strict(record json) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_canonical_strict';
COMMENT ON FUNCTION audit.canonical_strict(json) IS
	'the canonical form of RFC 8785, in which different texts never look the same';

CREATE FUNCTION audit.sign(canonical text) RETURNS text
	LANGUAGE c VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'audit_log_sign';
REVOKE ALL ON FUNCTION audit.sign(text) FROM PUBLIC;
COMMENT ON FUNCTION audit.sign(text) IS
	'base64 of the RSASSA-PKCS1-v1_5 SHA-256 signature by the key that audit.signing_key names';

CREATE FUNCTION audit.verify(canonical text, signature text, public_key text)
	RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'audit_log_verify';
COMMENT ON FUNCTION audit.verify(text, text, text) IS
	'true if the base64 signature fits the text under the PEM public key';

/*
 * A record in which something has no UTF-8 form: that begins with a zero
 * character, at which ->> fails.
 */
CREATE FUNCTION audit.cannot_be_signed(record json) RETURNS boolean
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.strpos(record::text, '\u0000') OPERATOR(pg_catalog.>) 0
		AND record::text OPERATOR(pg_catalog.~) '(^|[^\\])(\\\\)*\\u0000';
END;
COMMENT ON FUNCTION audit.cannot_be_signed(json) IS
	'internal: does a record hold what has no UTF-8 form?';

CREATE FUNCTION audit.verify(record json, public_key text) RETURNS boolean
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN NOT audit.cannot_be_signed(record)
		THEN audit.verify(audit.canonical(record),
						  record OPERATOR(pg_catalog.->>) 'signature',
						  public_key) END;
END;
COMMENT ON FUNCTION audit.verify(json, text) IS
	'true if the signature in a record fits it under the PEM public key; null if it has none';

CREATE FUNCTION audit.verify(record json) RETURNS boolean
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN NOT audit.cannot_be_signed(record)
		THEN audit.verify(record,
			(SELECT k.public_key FROM audit.keys k
			 WHERE k.id OPERATOR(pg_catalog.=)
				(record OPERATOR(pg_catalog.->>) 'key_id'))) END;
END;
REVOKE ALL ON FUNCTION audit.verify(json) FROM PUBLIC;
COMMENT ON FUNCTION audit.verify(json) IS
	'the same with the key that audit.keys has for the record; null without one';

/* ------------------------------------------------------ functions: history */

/*
 * The name under which a table's changes are recorded: a partition's are
 * recorded under the partitioned table that is tracked.
 */
CREATE FUNCTION audit.recorded_as(target regclass) RETURNS regclass
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE above AS (
		SELECT t.tgrelid, t.tgparentid
		FROM pg_catalog.pg_trigger t
		WHERE t.tgrelid = target
			AND t.tgfoid = 'audit.capture()'::pg_catalog.regprocedure
			AND (t.tgtype & 1) = 1 AND t.tgparentid <> 0
		UNION ALL
		SELECT t.tgrelid, t.tgparentid
		FROM pg_catalog.pg_trigger t JOIN above a ON t.oid = a.tgparentid
	)
	SELECT COALESCE((SELECT a.tgrelid FROM above a WHERE a.tgparentid = 0),
					target)::pg_catalog.regclass;
END;
REVOKE ALL ON FUNCTION audit.recorded_as(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.recorded_as(regclass) IS
	'internal: the table under whose name the changes of a table are recorded';

CREATE FUNCTION audit.history(target regclass, entity_key text)
	RETURNS SETOF audit.objects
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	recorded regclass := audit.recorded_as(target);
BEGIN
	RETURN QUERY
		SELECT o.*
		FROM audit.objects o, pg_class c
			JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = recorded
			AND o.entity_key = history.entity_key
			AND o.dao_name = c.relname AND o.schema_name = n.nspname
			AND o.operation <> 'ddl'
		ORDER BY o.id;
	IF FOUND THEN
		RETURN;
	END IF;
	IF audit.is_tracked(target) IS NOT TRUE THEN
		RAISE NOTICE 'changes of table "%" are not recorded', target
			USING HINT = 'Call audit.enable() to have them recorded from now on.';
	ELSIF audit.key_columns(target) IS NULL THEN
		RAISE NOTICE 'table "%" has no key by which its rows could be followed', target
			USING HINT = 'Look into audit.objects for records of the table, by what is in their "entity".';
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.history(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.history(regclass, text) IS
	'the records of one row, by its key, oldest first; a composite key is a JSON array';

/* The same for a key of any other type, as entity_key holds it. */
CREATE FUNCTION audit.history(target regclass, entity_key anyelement)
	RETURNS SETOF audit.objects
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
	SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $$
	SELECT h.* FROM audit.history(target, entity_key::text) AS h
$$;
REVOKE ALL ON FUNCTION audit.history(regclass, anyelement) FROM PUBLIC;
COMMENT ON FUNCTION audit.history(regclass, anyelement) IS
	'the records of one row, by its key as a number, uuid, date and so on';

CREATE FUNCTION audit.diff(record_id uuid)
	RETURNS TABLE (column_name text, old_value json, new_value json)
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT e.key,
		CASE o.operation WHEN 'delete' THEN e.value
			WHEN 'update' THEN o.old_values OPERATOR(pg_catalog.->) e.key END,
		CASE WHEN o.operation <> 'delete' THEN e.value END
	FROM audit.objects o, pg_catalog.json_each(o.entity) e
	WHERE o.id = record_id AND o.operation <> 'ddl'
		AND (o.operation <> 'update'
			 OR EXISTS (SELECT FROM pg_catalog.json_object_keys(o.old_values) k
						WHERE k = e.key));
END;
REVOKE ALL ON FUNCTION audit.diff(uuid) FROM PUBLIC;
COMMENT ON FUNCTION audit.diff(uuid) IS
	'what a record changed, a row for each column';

/* The columns of a table's key, in the order in which entity_key has them. */
CREATE FUNCTION audit.key_columns(target regclass) RETURNS name[]
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pg_catalog.array_agg(a.attname ORDER BY k.position)
	FROM (SELECT i.indrelid, i.indkey, i.indnkeyatts
		  FROM pg_catalog.pg_index i
		  WHERE i.indrelid = target AND (i.indisprimary OR i.indisreplident)
		  ORDER BY i.indisprimary DESC
		  LIMIT 1) i,
		pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
		JOIN pg_catalog.pg_attribute a
			ON a.attrelid = target AND a.attnum = k.attnum
	WHERE k.position <= i.indnkeyatts;
END;
REVOKE ALL ON FUNCTION audit.key_columns(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.key_columns(regclass) IS
	'internal: the columns of a table''s key; null without one';

/*
 * The expression that gives the recorded key of a row "alias" of a table,
 * under the settings that entity_key is made with but any search_path.
 */
CREATE FUNCTION audit.key_expression(target regclass, alias text) RETURNS text
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key name[] := audit.key_columns(target);
	unknown name := (SELECT k FROM audit.tracked_tables t
						JOIN pg_namespace n ON n.nspname = t.schema_name
						JOIN pg_class c ON c.relnamespace = n.oid
							AND c.relname = t.table_name,
						unnest(key) AS k
					 WHERE c.oid = audit.recorded_as(target)
						AND k = ANY (t.exclude || t.mask)
					 LIMIT 1);
	broken text := (SELECT min(t.problem) FROM audit.tracked_tables t
						JOIN pg_namespace n ON n.nspname = t.schema_name
						JOIN pg_class c ON c.relnamespace = n.oid
							AND c.relname = t.table_name
					WHERE c.oid = audit.recorded_as(target)
						AND (t.exclude IS NULL OR t.mask IS NULL));
BEGIN
	/* What is masked is not known then, and must not be taken for a value. */
	IF broken IS NOT NULL THEN
		RAISE EXCEPTION 'capture trigger of table "%" is of no use: %', target, broken
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Call audit.enable() for the table.';
	END IF;
	IF key IS NULL THEN
		RAISE EXCEPTION 'table "%" has no key by which its rows could be followed', target
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Add a primary key, or a replica identity index.';
	END IF;
	IF unknown IS NOT NULL THEN
		RAISE EXCEPTION 'key of table "%" is not recorded', target
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('Its column "%s" is excluded or masked.', unknown),
				HINT = 'See audit.tracked_tables.';
	END IF;
	IF cardinality(key) = 1 THEN
		RETURN format('%s.%I::pg_catalog.text', alias, key[1]);
	END IF;
	RETURN (SELECT $q$'[' OPERATOR(pg_catalog.||) $q$
				|| string_agg(format('pg_catalog.to_json(%s.%I)::pg_catalog.text', alias, k),
							  $q$ OPERATOR(pg_catalog.||) ',' OPERATOR(pg_catalog.||) $q$)
				|| $q$ OPERATOR(pg_catalog.||) ']'$q$
			FROM unnest(key) AS k);
END
$$;
REVOKE ALL ON FUNCTION audit.key_expression(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.key_expression(regclass, text) IS
	'internal: the SQL expression for the recorded key of a row';

/* The columns of a table whose values are masked, where its changes are recorded. */
CREATE FUNCTION audit.masked_columns(target regclass) RETURNS text[]
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT COALESCE(pg_catalog.array_agg(DISTINCT m.name), '{}')
	FROM pg_catalog.pg_trigger t,
		LATERAL pg_catalog.unnest(audit.hidden_columns(t.tgrelid,
			audit.trigger_columns(audit.trigger_args(t.oid), 'mask'))) AS m (name)
	WHERE t.tgrelid = audit.recorded_as(target)
		AND t.tgfoid = 'audit.capture()'::pg_catalog.regprocedure
		AND t.tgparentid = 0 AND (t.tgtype & 1) = 1;
END;
REVOKE ALL ON FUNCTION audit.masked_columns(regclass) FROM PUBLIC;
COMMENT ON FUNCTION audit.masked_columns(regclass) IS
	'internal: the columns of a table whose values are masked';

/* An entity without the columns whose values are masked: they are unknown. */
CREATE FUNCTION audit.unmasked(entity json, masked text[]) RETURNS json
	LANGUAGE sql IMMUTABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN masked = '{}' THEN entity
			ELSE (SELECT COALESCE(pg_catalog.json_object_agg(e.key, e.value), '{}')
				  FROM pg_catalog.json_each(entity) AS e
				  WHERE e.key <> ALL (masked)) END;
END;
REVOKE ALL ON FUNCTION audit.unmasked(json, text[]) FROM PUBLIC;
COMMENT ON FUNCTION audit.unmasked(json, text[]) IS
	'internal: an entity without the columns whose values are masked';

/*
 * What became of the columns of a table since a moment, oldest first, or null:
 * a record names them as they were named when it was made.
 */
CREATE FUNCTION audit.column_changes(recorded regclass, since timestamptz)
	RETURNS json
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pg_catalog.json_agg(pg_catalog.json_build_object('id', o.id,
				'what', d.details OPERATOR(pg_catalog.->>) n.n,
				'name', d.details OPERATOR(pg_catalog.->>) (n.n + 1),
				'new_name', d.details OPERATOR(pg_catalog.->>) (n.n + 2))
			ORDER BY o.id, n.n)
	FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
		JOIN audit.objects o ON o.schema_name = s.nspname AND o.dao_name = c.relname,
		LATERAL (SELECT CASE WHEN o.operation = 'ddl'
							THEN o.entity OPERATOR(pg_catalog.->) 'details' END AS details) AS d,
		LATERAL pg_catalog.generate_series(0, pg_catalog.json_array_length(d.details) - 1, 3) AS n (n)
	WHERE c.oid = recorded AND o.operation = 'ddl' AND o.occurred_at >= since
		AND d.details OPERATOR(pg_catalog.->>) n.n IN
			('ADD COLUMN', 'DROP COLUMN', 'RENAME COLUMN', 'ALTER COLUMN TYPE USING', 'SET EXPRESSION');
END;
REVOKE ALL ON FUNCTION audit.column_changes(regclass, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION audit.column_changes(regclass, timestamptz) IS
	'internal: what became of the columns of a table since a moment; null: nothing';

/* An entity with its columns named as they are now, without those that went. */
CREATE FUNCTION audit.named_now(changes json, record_id uuid, entity json)
	RETURNS json
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	change record;
BEGIN
	IF changes IS NULL THEN
		RETURN entity;
	END IF;
	FOR change IN
		SELECT c ->> 'name' AS name,
			CASE c ->> 'what' WHEN 'RENAME COLUMN' THEN c ->> 'new_name' END AS becomes
		FROM json_array_elements(changes) WITH ORDINALITY AS e (c, n)
		WHERE c ->> 'what' IN ('DROP COLUMN', 'RENAME COLUMN')
			AND (c ->> 'id')::uuid > record_id
		ORDER BY n
	LOOP
		CONTINUE WHEN entity -> change.name IS NULL;
		entity := (SELECT coalesce(json_object_agg(coalesce(nullif(e.key, change.name), change.becomes),
												   e.value), '{}')
				   FROM json_each(entity) AS e
				   WHERE e.key <> change.name OR change.becomes IS NOT NULL);
	END LOOP;
	RETURN entity;
END
$$;
REVOKE ALL ON FUNCTION audit.named_now(json, uuid, json) FROM PUBLIC;
COMMENT ON FUNCTION audit.named_now(json, uuid, json) IS
	'internal: an entity with its columns named as they are now, without those that went';

/*
 * The columns of a row "alias" as it is now, but null for those that were not
 * there before the changes.  Throws if one has other values since.
 */
CREATE FUNCTION audit.columns_then(target regclass, changes json, alias text)
	RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	att record;
	change record;
	name text;
	value text;
	list text;
BEGIN
	FOR att IN
		SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type
		FROM pg_attribute a
		WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY a.attnum
	LOOP
		name := att.attname;
		value := format('%s.%I', alias, att.attname);
		FOR change IN
			SELECT c ->> 'what' AS what, c ->> 'name' AS name, c ->> 'new_name' AS new_name
			FROM json_array_elements(changes) WITH ORDINALITY AS e (c, n)
			ORDER BY n DESC
		LOOP
			IF change.what = 'RENAME COLUMN' AND change.new_name = name THEN
				name := change.name;
			ELSIF change.what = 'ADD COLUMN' AND change.name = name THEN
				value := 'NULL::' || att.type;
				EXIT;
			ELSIF change.what IN ('ALTER COLUMN TYPE USING', 'SET EXPRESSION')
				AND change.name = name
			THEN
				RAISE EXCEPTION 'rows of table "%" cannot be followed', target
					USING ERRCODE = 'object_not_in_prerequisite_state',
						DETAIL = format('ALTER TABLE gave column "%s" other values after that moment.',
										att.attname);
			END IF;
		END LOOP;
		list := concat_ws(', ', list, value);
	END LOOP;
	RETURN list;
END
$$;
REVOKE ALL ON FUNCTION audit.columns_then(regclass, json, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.columns_then(regclass, json, text) IS
	'internal: the columns of a row as it is now, but null for those that were not there before the changes';

/*
 * What it takes to follow the rows of a table back to a moment: the time since
 * which records matter, all of them where a TRUNCATE is among them, and what
 * was done to columns.  Throws where rows cannot be followed.
 */
CREATE FUNCTION audit.way_back(target regclass, recorded regclass,
							   moment timestamptz, OUT since timestamptz,
							   OUT changes json)
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	masked text[] := audit.masked_columns(target);
	without_key boolean;
	other_key boolean;
BEGIN
	since := moment;
	/* Records from before are under the name that the table had then. */
	IF EXISTS (SELECT FROM pg_class c
					JOIN pg_namespace n ON n.oid = c.relnamespace
					JOIN audit.objects o ON o.schema_name = n.nspname
						AND o.dao_name = c.relname
			   WHERE c.oid = recorded AND o.occurred_at > moment
					/* Others may hold what cannot be taken out of JSON. */
					AND CASE WHEN o.operation = 'ddl'
							THEN o.entity -> 'details' ->> 0 IN ('RENAME', 'SET SCHEMA') END)
	THEN
		RAISE EXCEPTION 'rows of table "%" cannot be followed', target
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'The table or its schema was renamed after that moment.';
	END IF;
	IF EXISTS (SELECT FROM pg_class c
					JOIN pg_namespace n ON n.oid = c.relnamespace
					JOIN audit.objects o ON o.schema_name = n.nspname
						AND o.dao_name = c.relname
			   WHERE c.oid = recorded AND o.occurred_at > moment
					AND CASE WHEN o.operation = 'ddl'
							THEN o.entity ->> 'object_type' IN ('table', 'foreign table')
								AND o.entity -> 'details' IS NULL END)
	THEN
		RAISE EXCEPTION 'rows of table "%" cannot be followed', target
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'A table of that name was dropped after that moment.';
	END IF;
	IF EXISTS (SELECT FROM pg_class c
					JOIN pg_namespace n ON n.oid = c.relnamespace
					JOIN audit.objects o ON o.schema_name = n.nspname
						AND o.dao_name = c.relname
			   WHERE c.oid = recorded AND o.operation = 'truncate'
					AND o.occurred_at > moment)
	THEN
		since := '-infinity';
	END IF;
	changes := audit.column_changes(recorded, since);
	/*
	 * Rows are followed by the key that the table has now.  One of the time
	 * may have been another, or excluded or masked.
	 */
	EXECUTE format($query$
		SELECT bool_or(o.entity_key IS NULL OR o.entity_key = '***'
						 OR o.entity_key LIKE '[%%"***"%%]'),
			bool_or((SELECT o.entity_key <> %2$s
					 FROM json_populate_record(NULL::%1$s, CASE
						WHEN o.entity_key = '***' OR o.entity_key LIKE '[%%"***"%%]' THEN '{}'
						ELSE audit.unmasked(audit.named_now($3, o.id, o.entity), $4) END) AS b) IS TRUE)
		FROM pg_class c
			JOIN pg_namespace n ON n.oid = c.relnamespace
			JOIN audit.objects o ON o.schema_name = n.nspname AND o.dao_name = c.relname
		WHERE c.oid = $1 AND o.operation IN ('create', 'update', 'delete')
			AND o.occurred_at > $2
		$query$, target, audit.key_expression(target, 'b'))
	INTO without_key, other_key
	USING recorded, since, changes, masked;
	IF without_key THEN
		RAISE EXCEPTION 'rows of table "%" cannot be followed', target
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'There are records without the row''s key, which was excluded or masked.';
	ELSIF other_key THEN
		RAISE EXCEPTION 'rows of table "%" cannot be followed', target
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'The key of the table was another one when records were made.';
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.way_back(regclass, regclass, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION audit.way_back(regclass, regclass, timestamptz) IS
	'internal: since when records matter, and what was done to columns, where rows are followed back to a moment';

/*
 * The rows of a table as they were at a moment, worked out from what happened
 * since: a row that was not touched is what it is now; another is what the
 * first later record of its key says it was before, if it was there.  So
 * records older than the moment may have expired.  Only behind a TRUNCATE,
 * which records no rows, the last record before the moment is taken.
 */
CREATE FUNCTION audit.as_of(base anyelement, moment timestamptz)
	RETURNS SETOF anyelement
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
	SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $$
DECLARE
	target regclass := (SELECT t.typrelid FROM pg_type t
						WHERE t.oid = pg_typeof(base) AND t.typrelid <> 0);
	recorded regclass;
	way record;
BEGIN
	IF target IS NULL THEN
		RAISE EXCEPTION 'first argument of audit.as_of() must be of a table''s row type'
			USING ERRCODE = 'datatype_mismatch',
				HINT = 'Write audit.as_of(NULL::my_table, moment).';
	END IF;
	IF moment IS NULL THEN
		RAISE EXCEPTION 'moment of audit.as_of() must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	recorded := audit.recorded_as(target);
	IF audit.is_tracked(target) IS NOT TRUE THEN
		RAISE WARNING 'changes of table "%" are not recorded', target
			USING HINT = 'What is not recorded is shown as it is now.';
	END IF;
	way := audit.way_back(target, recorded, moment);
	RETURN QUERY EXECUTE format($query$
		WITH records AS (
			SELECT o.id, o.occurred_at, o.operation, o.entity_key, o.occurred_at > $1 AS later,
				e.entity, e.old_values,
				CASE WHEN o.operation = 'update' THEN %3$s END AS old_key
			FROM pg_class c
				JOIN pg_namespace n ON n.oid = c.relnamespace,
				audit.objects o,
				LATERAL (SELECT audit.unmasked(audit.named_now($4, o.id, o.entity), $6) AS entity,
							audit.unmasked(audit.named_now($4, o.id, o.old_values), $6) AS old_values) e,
				LATERAL json_populate_record(
					json_populate_record(NULL::%1$s, coalesce(e.entity, '{}')),
					coalesce(e.old_values, '{}')) b
			WHERE c.oid = $3 AND o.schema_name = n.nspname
				AND o.dao_name = c.relname
				AND ($2 = $3 OR o.partition_name IS NULL
					 OR o.partition_name = (SELECT p.relname FROM pg_class p
											WHERE p.oid = $2))
				AND o.operation <> 'ddl' AND o.occurred_at > $5
		), truncated AS (
			SELECT id FROM records
			WHERE operation = 'truncate' AND later ORDER BY id LIMIT 1
		), events AS (
			/* A row that was there under a key, and one that is there now. */
			SELECT r.*, e.key, e.gone
			FROM records r,
				LATERAL (SELECT coalesce(r.old_key, r.entity_key) AS key, true AS gone
						 WHERE r.operation IN ('update', 'delete', 'snapshot')
						 UNION ALL
						 SELECT r.entity_key, false
						 WHERE r.operation IN ('create', 'update', 'snapshot')) AS e
		), first_later AS (
			/*
			 * The rows of a statement, which has one time, change at once: they
			 * may exchange their keys.
			 */
			SELECT DISTINCT ON (key) * FROM events
			WHERE later
				AND NOT EXISTS (SELECT FROM truncated t WHERE t.id < events.id)
			ORDER BY key, occurred_at, gone DESC, id
		), last_before AS (
			SELECT DISTINCT ON (key) * FROM events
			WHERE NOT later
				AND NOT EXISTS (SELECT FROM records t
								WHERE t.operation = 'truncate' AND NOT t.later
									AND t.id > events.id)
				AND EXISTS (SELECT FROM truncated)
			ORDER BY key, occurred_at DESC, gone, id DESC
		)
		SELECT (json_populate_record(
					json_populate_record(NULL::%1$s, f.entity),
					coalesce(f.old_values, '{}'))).*
		FROM first_later f
		WHERE f.gone
		UNION ALL
		SELECT (json_populate_record(NULL::%1$s, l.entity)).*
		FROM last_before l
		WHERE NOT l.gone
			AND NOT EXISTS (SELECT FROM first_later f WHERE f.key = l.key)
		UNION ALL
		SELECT %4$s FROM %1$s c
		WHERE NOT EXISTS (SELECT FROM truncated)
			AND (%2$s) NOT IN (SELECT f.key FROM first_later f)
		$query$, target, audit.key_expression(target, 'c'),
		audit.key_expression(target, 'b'), audit.columns_then(target, way.changes, 'c'))
	USING moment, target, recorded, way.changes, way.since, audit.masked_columns(target);
END
$$;
REVOKE ALL ON FUNCTION audit.as_of(anyelement, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION audit.as_of(anyelement, timestamptz) IS
	'the rows of a table as they were at a moment; columns that are not recorded, or were not there yet, are null';

/*
 * The statement that undoes one record if the row is still as the record left
 * it.  Its parameters are what is known of the recorded row, its key, and the
 * values that the row had before.  It runs with the search_path of whoever
 * asks for it, because triggers of the table may rely on that, and so names
 * the schema of everything.
 */
CREATE FUNCTION audit.revert_statement(r audit.objects, OUT target regclass,
									   OUT statement text, OUT known json,
									   OUT old_values json)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_now text;
	columns text;
	reason text;
	changes json;
	masked text[];
	entity json;
BEGIN
	target := to_regclass(format('%I.%I', r.schema_name, r.dao_name));
	IF target IS NULL THEN
		RAISE EXCEPTION 'table "%.%" does not exist', r.schema_name, r.dao_name
			USING ERRCODE = 'undefined_table';
	END IF;
	/* Under the names that the columns have now; values that are masked are unknown. */
	changes := audit.column_changes(target, r.occurred_at);
	entity := audit.named_now(changes, r.id, r.entity);
	old_values := audit.named_now(changes, r.id, r.old_values);
	masked := audit.masked_columns(target);
	known := audit.unmasked(entity, masked);
	/* What was left out of a row cannot be put back. */
	IF r.operation NOT IN ('create', 'update', 'delete') THEN
		reason := format('Its operation is "%s".', r.operation);
	ELSIF r.operation = 'delete' AND (r.removed_from_entity IS NOT NULL
									  OR known::jsonb <> entity::jsonb)
		OR r.operation = 'update'
			AND (audit.unmasked(old_values, masked)::jsonb <> old_values::jsonb
				 OR r.old_values::jsonb = '{}' AND r.removed_from_entity IS NOT NULL
				 OR EXISTS (SELECT FROM unnest(string_to_array(r.removed_from_entity, ',')) AS name
							WHERE cardinality(audit.columns_among(target, ARRAY[name])) = 0))
	THEN
		reason := 'Values that the row had before are excluded from the record or masked.';
	ELSIF r.operation <> 'delete' AND r.entity_key IS NULL
		AND audit.key_columns(target) IS NOT NULL
	THEN
		reason := 'The row''s key is excluded from the record.';
	ELSIF old_values::jsonb = '{}' AND r.old_values::jsonb <> '{}' THEN
		reason := 'The columns that it changed do not exist any more.';
	END IF;
	IF reason IS NOT NULL THEN
		RAISE EXCEPTION 'record "%" cannot be reverted', r.id
			USING ERRCODE = 'feature_not_supported', DETAIL = reason;
	END IF;

	/* Columns that were recorded and still exist. */
	is_now := (SELECT coalesce(string_agg(format(
				'(t.%1$I::pg_catalog.text OPERATOR(pg_catalog.=) p.%1$I::pg_catalog.text'
				' OR t.%1$I::pg_catalog.text IS NULL AND p.%1$I::pg_catalog.text IS NULL)',
				c), ' AND '), 'true')
			   FROM unnest(audit.columns_among(target,
					(SELECT array_agg(k) FROM json_object_keys(known) AS k))) AS c);
	IF r.operation = 'delete' THEN
		columns := (SELECT string_agg(quote_ident(a.attname), ', ')
					FROM pg_attribute a
					WHERE a.attrelid = target AND a.attnum > 0
						AND NOT a.attisdropped AND a.attgenerated = ''
						AND EXISTS (SELECT FROM json_object_keys(known) AS k
									WHERE k = a.attname));
		statement := format('INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE '
							'SELECT %2$s FROM pg_catalog.json_populate_record(NULL::%1$s, $1) '
							'ON CONFLICT DO NOTHING', target, columns);
	ELSIF r.operation = 'create' THEN
		statement := format('DELETE FROM %1$s t '
							'USING pg_catalog.json_populate_record(NULL::%1$s, $1) p '
							'WHERE %2$s OPERATOR(pg_catalog.=) $2 AND %3$s',
							target, audit.key_expression(target, 't'), is_now);
	ELSE
		columns := (SELECT string_agg(format('%1$I = o.%1$I', a.attname), ', ')
					FROM pg_attribute a
					WHERE a.attrelid = target AND a.attnum > 0
						AND NOT a.attisdropped AND a.attgenerated = ''
						AND EXISTS (SELECT FROM json_object_keys(old_values) AS k
									WHERE k = a.attname));
		/* Null if no column was recorded as changed. */
		statement := format('UPDATE %1$s t SET %2$s '
							'FROM pg_catalog.json_populate_record(NULL::%1$s, $1) p, '
							'pg_catalog.json_populate_record(NULL::%1$s, $3) o '
							'WHERE %3$s OPERATOR(pg_catalog.=) $2 AND %4$s',
							target, columns, audit.key_expression(target, 't'), is_now);
		IF columns IS NULL THEN
			statement := NULL;
		END IF;
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.revert_statement(audit.objects) FROM PUBLIC;
COMMENT ON FUNCTION audit.revert_statement(audit.objects) IS
	'internal: the statement that undoes one record';

/*
 * The statements that undo a record or a request, last first.  An id of a
 * record that was given as text is told from a request's: no request has it.
 */
CREATE FUNCTION audit.revert_statements(record_id uuid, request_id text)
	RETURNS TABLE (id uuid, target regclass, statement text, known json,
				   entity_key text, old_values json)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF record_id IS NULL
		AND request_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
		AND EXISTS (SELECT FROM audit.objects o
					WHERE o.id = revert_statements.request_id::uuid)
	THEN
		record_id := request_id;
		IF EXISTS (SELECT FROM audit.objects o
				   WHERE o.request_id = revert_statements.request_id) THEN
			RAISE EXCEPTION 'both a record and a request have the id "%"', request_id
				USING ERRCODE = 'ambiguous_parameter',
					HINT = 'Give the ids of the records that are to be reverted, with "::uuid".';
		END IF;
	END IF;
	RETURN QUERY
		SELECT o.id, s.target, s.statement, s.known, o.entity_key, s.old_values
		FROM audit.objects o, audit.revert_statement(o) s
		WHERE record_id IS NOT NULL AND o.id = record_id
		UNION ALL
		(SELECT o.id, s.target, s.statement, s.known, o.entity_key, s.old_values
		 FROM audit.objects o, audit.revert_statement(o) s
		 WHERE record_id IS NULL AND o.operation <> 'ddl'
			AND o.request_id = revert_statements.request_id
		 ORDER BY o.id DESC);
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found',
			MESSAGE = CASE WHEN record_id IS NOT NULL
				THEN format('record "%s" does not exist', record_id)
				ELSE format('there is no record of request "%s"', request_id) END,
			HINT = 'It may have expired; audit.objects and audit.requests show the ids.';
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.revert_statements(uuid, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.revert_statements(uuid, text) IS
	'internal: the statements that undo a record or a request; used by audit.revert()';

CREATE FUNCTION audit.revert(record_id uuid) RETURNS bigint
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_revert_record'
	SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
	SET extra_float_digits = 1 SET bytea_output = 'hex';
REVOKE ALL ON FUNCTION audit.revert(uuid) FROM PUBLIC;
COMMENT ON FUNCTION audit.revert(uuid) IS
	'writes the inverse of a recorded change, itself recorded; refuses if the row has changed since';

CREATE FUNCTION audit.revert(request_id text) RETURNS bigint
	LANGUAGE c AS 'MODULE_PATHNAME', 'audit_log_revert'
	SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
	SET extra_float_digits = 1 SET bytea_output = 'hex';
REVOKE ALL ON FUNCTION audit.revert(text) FROM PUBLIC;
COMMENT ON FUNCTION audit.revert(text) IS
	'writes the inverse of all changes of a request, last first, or of the record with this id';

/* ------------------------------------------------------------- privileges */

ALTER TABLE audit.audit_objects OWNER TO audit_log_owner;
ALTER TABLE audit.audit_requests OWNER TO audit_log_owner;
ALTER TABLE audit.signing_keys OWNER TO audit_log_owner;
ALTER VIEW audit.keys OWNER TO audit_log_owner;
ALTER TABLE audit.tracking_rules OWNER TO audit_log_owner;
ALTER VIEW audit.objects OWNER TO audit_log_owner;
ALTER VIEW audit.requests OWNER TO audit_log_owner;

GRANT USAGE ON SCHEMA audit TO PUBLIC;
GRANT SELECT ON audit.objects, audit.requests, audit.tracked_tables, audit.keys
	TO audit_log_reader;
GRANT EXECUTE ON FUNCTION audit.recorded_as(regclass),
	audit.history(regclass, text), audit.history(regclass, anyelement),
	audit.diff(uuid), audit.is_tracked(regclass),
	audit.key_columns(regclass), audit.key_expression(regclass, text),
	audit.masked_columns(regclass), audit.unmasked(json, text[]), audit.column_changes(regclass, timestamptz),
	audit.named_now(json, uuid, json), audit.columns_then(regclass, json, text),
	audit.way_back(regclass, regclass, timestamptz), audit.as_of(anyelement, timestamptz)
	TO audit_log_reader;
GRANT EXECUTE ON FUNCTION audit.record(audit.objects),
	audit.record(audit.requests), audit.verify(json), audit.trigger_args(oid),
	audit.trigger_option(text[], text), audit.trigger_columns(text[], text),
	audit.hidden_columns(regclass, text[])
	TO audit_log_reader;

/* --------------------------------------------------------------- comments */

COMMENT ON TABLE audit.audit_objects IS
	'one record for each row inserted, updated or deleted in a tracked table; read audit.objects';
COMMENT ON COLUMN audit.audit_objects.id IS 'UUIDv7; its time is occurred_at';
COMMENT ON COLUMN audit.audit_objects.txid IS 'top-level transaction that made the change';
COMMENT ON COLUMN audit.audit_objects.occurred_at IS 'when the statement recorded its changes';
COMMENT ON COLUMN audit.audit_objects.expire IS 'when the record may be purged; null: never';
COMMENT ON COLUMN audit.audit_objects.request_id IS 'setting audit.request_id; null outside a request';
COMMENT ON COLUMN audit.audit_objects.entity_key IS 'primary key as text, a JSON array if it is composite';
COMMENT ON COLUMN audit.audit_objects.salt IS 'random; hides the content behind the hashes of the ledger';
COMMENT ON COLUMN audit.audit_objects.operation IS 'create, update, delete, truncate, snapshot or ddl';
COMMENT ON COLUMN audit.audit_objects.schema_name IS 'schema of the tracked table';
COMMENT ON COLUMN audit.audit_objects.dao_name IS 'tracked table; for a partition the partitioned table';
COMMENT ON COLUMN audit.audit_objects.partition_name IS 'partition that holds the row';
COMMENT ON COLUMN audit.audit_objects.rbac_user_id IS 'setting audit.rbac_user_id';
COMMENT ON COLUMN audit.audit_objects.rbac_user_name IS 'setting audit.rbac_user_name';
COMMENT ON COLUMN audit.audit_objects.workspace IS 'setting audit.workspace';
COMMENT ON COLUMN audit.audit_objects.request_source IS 'setting audit.request_source';
COMMENT ON COLUMN audit.audit_objects.client_ip IS 'setting audit.client_ip, or the address of the connection';
COMMENT ON COLUMN audit.audit_objects.db_user IS 'session user';
COMMENT ON COLUMN audit.audit_objects.db_role IS 'current role, when it is another';
COMMENT ON COLUMN audit.audit_objects.application_name IS 'setting application_name';
COMMENT ON COLUMN audit.audit_objects.removed_from_entity IS 'names of columns and keys that were left out, comma-separated';
COMMENT ON COLUMN audit.audit_objects.key_id IS 'key that made the signature';
COMMENT ON COLUMN audit.audit_objects.signature IS 'base64 of an RSA signature of the canonical record';
COMMENT ON COLUMN audit.audit_objects.entity IS 'the row: new for create and update, old for delete';
COMMENT ON COLUMN audit.audit_objects.old_values IS 'previous values of the columns that an update changed';

COMMENT ON TABLE audit.audit_requests IS
	'one record for each HTTP request that was logged; read audit.requests';
COMMENT ON COLUMN audit.audit_requests.id IS 'UUIDv7; its time is occurred_at';
COMMENT ON COLUMN audit.audit_requests.txid IS 'top-level transaction that logged the request';
COMMENT ON COLUMN audit.audit_requests.occurred_at IS 'when the request was logged';
COMMENT ON COLUMN audit.audit_requests.expire IS 'when the record may be purged; null: never';
COMMENT ON COLUMN audit.audit_requests.request_id IS 'joins the request with its object records';
COMMENT ON COLUMN audit.audit_requests.salt IS 'random; hides the content behind the hashes of the ledger';
COMMENT ON COLUMN audit.audit_requests.status IS 'HTTP status it was answered with';
COMMENT ON COLUMN audit.audit_requests.method IS 'HTTP method';
COMMENT ON COLUMN audit.audit_requests.path IS 'path with its query string';
COMMENT ON COLUMN audit.audit_requests.payload IS 'body, without excluded keys';
COMMENT ON COLUMN audit.audit_requests.removed_from_payload IS 'names of keys that were left out, comma-separated';
COMMENT ON COLUMN audit.audit_requests.client_ip IS 'address of the client';
COMMENT ON COLUMN audit.audit_requests.rbac_user_id IS 'id of the application''s user';
COMMENT ON COLUMN audit.audit_requests.rbac_user_name IS 'name of the application''s user';
COMMENT ON COLUMN audit.audit_requests.workspace IS 'workspace of the request';
COMMENT ON COLUMN audit.audit_requests.request_source IS 'where the request came from';
COMMENT ON COLUMN audit.audit_requests.duration_ms IS 'milliseconds that answering took';
COMMENT ON COLUMN audit.audit_requests.user_agent IS 'User-Agent header';
COMMENT ON COLUMN audit.audit_requests.db_user IS 'session user that logged the request';
COMMENT ON COLUMN audit.audit_requests.key_id IS 'key that made the signature';
COMMENT ON COLUMN audit.audit_requests.signature IS 'base64 of an RSA signature of the canonical record';

COMMENT ON TABLE audit.tracking_rules IS
	'what audit.enable_all() was told, for tables created later';
COMMENT ON COLUMN audit.tracking_rules.schema_name IS 'schema of the tables; null: every schema';
COMMENT ON COLUMN audit.tracking_rules.exclude IS 'columns left out';
COMMENT ON COLUMN audit.tracking_rules.mask IS 'columns whose values are masked';
COMMENT ON COLUMN audit.tracking_rules.skip_unchanged IS 'updates that change nothing leave no record';
COMMENT ON COLUMN audit.tracking_rules.record_applied IS 'changes applied by replication are recorded too';

COMMENT ON VIEW audit.objects IS
	'who changed which row, when and how: a record of each change that has not expired';
COMMENT ON VIEW audit.requests IS
	'who asked for what, and what was answered: a record of each request that has not expired';
DO $$
DECLARE
	same record;
BEGIN
	FOR same IN
		SELECT v.attrelid::regclass AS view, v.attname AS name,
			col_description(t.attrelid, t.attnum) AS text
		FROM (VALUES ('audit.objects'::regclass, 'audit.audit_objects'::regclass),
					 ('audit.requests', 'audit.audit_requests')) AS p (view, stored)
			JOIN pg_attribute v ON v.attrelid = p.view
			JOIN pg_attribute t ON t.attrelid = p.stored AND t.attname = v.attname
		WHERE v.attnum > 0 AND t.attnum > 0
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', same.view, same.name, same.text);
	END LOOP;
END
$$;
COMMENT ON COLUMN audit.objects.request_timestamp IS 'occurred_at in seconds since the epoch';
COMMENT ON COLUMN audit.objects.ttl IS 'seconds left until the record expires; null: never';
COMMENT ON COLUMN audit.requests.request_timestamp IS 'occurred_at in seconds since the epoch';
COMMENT ON COLUMN audit.requests.ttl IS 'seconds left until the record expires; null: never';
COMMENT ON TABLE audit.signing_keys IS
	'public keys of the records'' signatures; read audit.keys';
COMMENT ON COLUMN audit.signing_keys.id IS 'first half of SHA-256 over the public key''s SPKI, in hex';
COMMENT ON COLUMN audit.signing_keys.algorithm IS 'how the key signs';
COMMENT ON COLUMN audit.signing_keys.public_key IS 'PEM';
COMMENT ON COLUMN audit.signing_keys.first_use IS 'when a record was first signed with it';
COMMENT ON VIEW audit.keys IS 'keys that have signed records, with their first use';
COMMENT ON COLUMN audit.keys.id IS 'first half of SHA-256 over the public key''s SPKI, in hex';
COMMENT ON COLUMN audit.keys.algorithm IS 'how the key signs';
COMMENT ON COLUMN audit.keys.public_key IS 'PEM, as openssl takes it';
COMMENT ON COLUMN audit.keys.first_use IS 'when a record was first signed with it';
COMMENT ON VIEW audit.tracked_tables IS 'tables whose changes are recorded, with their options';
COMMENT ON COLUMN audit.tracked_tables.schema_name IS 'schema of the table';
COMMENT ON COLUMN audit.tracked_tables.table_name IS 'table; a partitioned one stands for its partitions';
COMMENT ON COLUMN audit.tracked_tables.exclude IS 'columns that are left out';
COMMENT ON COLUMN audit.tracked_tables.mask IS 'columns whose values are shown as ***';
COMMENT ON COLUMN audit.tracked_tables.skip_unchanged IS 'updates that change nothing leave no record';
COMMENT ON COLUMN audit.tracked_tables.record_applied IS 'changes applied by replication are recorded too';
COMMENT ON COLUMN audit.tracked_tables.enabled IS 'false: somebody disabled the trigger, nothing is recorded';
COMMENT ON COLUMN audit.tracked_tables.trigger_name IS 'trigger that records the changes';
COMMENT ON COLUMN audit.tracked_tables.problem IS 'what is wrong with a trigger that audit.enable() did not make; null: nothing';

/* -------------------------------------------------------------- HTTP API */

/*
 * What audit_log_httpd calls.  Its login role is a member of this group and
 * needs nothing else; rights on tables that it is to serve as entities are
 * granted to the login role itself.
 */
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles
				   WHERE rolname OPERATOR(pg_catalog.=) 'audit_log_api')
	THEN
		CREATE ROLE audit_log_api NOLOGIN;
	END IF;
END
$$;

GRANT USAGE ON SCHEMA audit TO audit_log_api;

/*
 * An error in Kong's form; the keys without value are left out.
 */
CREATE FUNCTION audit.api_error(code integer, name text, message text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '{' || coalesce('"code":' || $1 || ',"name":' || to_json($2) || ',', '')
		|| '"message":' || to_json($3) || '}'
$$;
REVOKE ALL ON FUNCTION audit.api_error(integer, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_error(integer, text, text)
	TO audit_log_api;
COMMENT ON FUNCTION audit.api_error(integer, text, text) IS
	'internal: body of an error answer of the HTTP API';

/*
 * The smallest id of a record made at that second or later.  Ids are UUIDs of
 * version 7, which begin with their record's time in milliseconds, so a time
 * is a bound on the primary key.
 */
CREATE FUNCTION audit.api_first_id(epoch numeric)
	RETURNS uuid
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (lpad(to_hex((greatest(least(epoch, 281474976710), 0) * 1000)::bigint),
				 12, '0') || '00000000000000000000')::uuid
$$;
REVOKE ALL ON FUNCTION audit.api_first_id(numeric) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_first_id(numeric) TO audit_log_api;
COMMENT ON FUNCTION audit.api_first_id(numeric) IS
	'internal: smallest id of a record made at that second since the epoch or later';

/*
 * A point in time as a parameter gives it: seconds since the epoch, or
 * YYYY-MM-DDTHH:MM:SSZ.  Null when it is neither.
 */
CREATE FUNCTION audit.api_epoch(value text)
	RETURNS numeric
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part text[];
BEGIN
	IF value ~ '^-?[0-9]{1,18}$' THEN
		RETURN value::numeric;
	END IF;
	part := regexp_match(value,
		'^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z$');
	IF part IS NULL OR part[1]::int < 1 OR part[4]::int > 23
		OR part[5]::int > 59 OR part[6]::int > 59
	THEN
		RETURN NULL;
	END IF;
	/* a day that the month does not have is an error of make_date() */
	IF part[2]::int NOT BETWEEN 1 AND 12 OR part[3]::int < 1
		OR part[3]::int > EXTRACT(day FROM
			make_date(part[1]::int, part[2]::int, 1) + interval '1 month'
			- interval '1 day')
	THEN
		RETURN NULL;
	END IF;
	RETURN EXTRACT(epoch FROM make_timestamptz(part[1]::int, part[2]::int,
		part[3]::int, part[4]::int, part[5]::int, part[6]::double precision,
		'UTC'));
END
$$;
REVOKE ALL ON FUNCTION audit.api_epoch(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_epoch(text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_epoch(text) IS
	'internal: seconds since the epoch of a before or after parameter, null when it is malformed';

/*
 * Reads the parameters that all lists share.
 *
 * An offset is 44 bytes in base64url: the last id of the page before, the
 * newest id of the first page, the total that was counted then (-1: it was
 * not) and a hash of the filters it was counted for.  So "total" stays what
 * it was while records arrive between pages, and is counted once a walk.
 */
CREATE FUNCTION audit.api_page(
	size text, "offset" text, before text, after text, count text, mark text,
	OUT error text, OUT rows integer, OUT upper uuid, OUT lower uuid,
	OUT newest uuid, OUT total bigint, OUT counted bigint, OUT hash integer)
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bound numeric;
	token text;
	same boolean;
BEGIN
	rows := 100;
	upper := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
	lower := '00000000-0000-0000-0000-000000000000';

	IF size IS NOT NULL THEN
		IF size ~ '^[0-9]{1,6}$' THEN
			rows := size::integer;
		ELSIF size ~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$' THEN
			rows := 0;
		ELSE
			error := audit.api_error(9, 'invalid size', 'size must be a number');
			RETURN;
		END IF;
		IF rows NOT BETWEEN 1 AND 1000 THEN
			error := audit.api_error(9, 'invalid size',
				'size must be an integer between 1 and 1000');
			RETURN;
		END IF;
	END IF;
	IF count NOT IN ('exact', 'estimated', 'none') THEN
		error := audit.api_error(11, 'invalid options',
			'count must be exact, estimated or none');
		RETURN;
	END IF;
	IF after IS NOT NULL THEN
		bound := audit.api_epoch(after);
		IF bound IS NULL THEN
			error := audit.api_error(11, 'invalid options',
				'after must be seconds since the epoch or YYYY-MM-DDTHH:MM:SSZ');
			RETURN;
		END IF;
		lower := audit.api_first_id(bound);
	END IF;
	IF before IS NOT NULL THEN
		bound := audit.api_epoch(before);
		IF bound IS NULL THEN
			error := audit.api_error(11, 'invalid options',
				'before must be seconds since the epoch or YYYY-MM-DDTHH:MM:SSZ');
			RETURN;
		END IF;
		upper := audit.api_first_id(bound);
	END IF;

	hash := hashtext(concat_ws('|', lower, upper, mark));
	IF "offset" IS NOT NULL THEN
		IF "offset" !~ '^[A-Za-z0-9_-]{58}[AEIMQUYcgkosw048]$' THEN
			error := audit.api_error(7, 'invalid offset',
				'''' || "offset" || ''' is not a valid offset');
			RETURN;
		END IF;
		token := encode(decode(translate("offset", '-_', '+/') || '=',
							   'base64'), 'hex');
		upper := least(upper, substr(token, 1, 32)::uuid);
		newest := substr(token, 33, 32)::uuid;
		counted := ('x' || substr(token, 65, 16))::bit(64)::bigint;
		same := ('x' || substr(token, 81, 8))::bit(32)::integer = hash;
		IF counted >= 0 AND same THEN
			total := counted;
		END IF;
	END IF;
	counted := NULL;
END
$$;
REVOKE ALL ON FUNCTION audit.api_page(text, text, text, text, text, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_page(text, text, text, text, text, text)
	TO audit_log_api;
COMMENT ON FUNCTION audit.api_page(text, text, text, text, text, text) IS
	'internal: reads the parameters that the lists of the HTTP API share';

/* What follows the records of a page of a list, as JSON. */
CREATE FUNCTION audit.api_rest(
	more boolean, total bigint, counted boolean, last uuid, newest uuid,
	hash integer, self text)
	RETURNS text
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	token text;
	rest text := '],"total":' || coalesce(total::text, 'null');
BEGIN
	IF NOT more THEN
		RETURN rest || ',"next":null}';
	END IF;
	token := rtrim(translate(encode(uuid_send(last) || uuid_send(newest)
		|| int8send(CASE WHEN counted THEN total ELSE -1 END)
		|| int4send(hash), 'base64'), E'+/\n', '-_'), '=');
	RETURN rest || ',"next":' || to_json(self || 'offset=' || token)::text
		|| ',"offset":"' || token || '"}';
END
$$;
REVOKE ALL ON FUNCTION audit.api_rest(boolean, bigint, boolean, uuid, uuid,
	integer, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.api_rest(boolean, bigint, boolean, uuid, uuid,
	integer, text) IS
	'internal: what follows the records of a page of a list of the HTTP API';

/*
 * How many rows the planner expects.  Volatile, because EXPLAIN is a utility
 * statement, which a stable function may not run.
 */
CREATE FUNCTION audit.api_estimate(query text)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan->0->'Plan'->>'Plan Rows';
END
$$;
REVOKE ALL ON FUNCTION audit.api_estimate(text) FROM PUBLIC;
COMMENT ON FUNCTION audit.api_estimate(text) IS
	'internal: number of rows that the planner expects of a query';

/*
 * Conditions on r, as SQL text, from the filters of a list or histogram.  A
 * filter of the other stream is ignored, as every unknown parameter is.
 *
 * hide=own leaves out who looks at the log itself: a page that shows requests
 * as they come would otherwise mostly show its own.
 */
CREATE FUNCTION audit.api_filter(
	stream text, request_id text, rbac_user_name text, workspace text,
	dao_name text, entity_key text, operation text, method text,
	status_is text, hide text,
	OUT error text, OUT filter text)
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	objects boolean := stream = 'objects';
BEGIN
	IF NOT objects AND status_is !~ '^[0-9]{1,9}$' THEN
		error := audit.api_error(11, 'invalid options',
			'status must be an integer');
		RETURN;
	END IF;
	IF hide <> 'own' THEN
		error := audit.api_error(11, 'invalid options', 'hide must be own');
		RETURN;
	END IF;
	filter := concat(
		CASE WHEN request_id IS NOT NULL THEN
			format(' AND r.request_id = %L', request_id) END,
		CASE WHEN rbac_user_name IS NOT NULL THEN
			format(' AND r.rbac_user_name = %L', rbac_user_name) END,
		CASE WHEN workspace IS NOT NULL THEN
			format(' AND r.workspace = %L', workspace) END,
		CASE WHEN objects AND dao_name IS NOT NULL THEN
			format(' AND r.dao_name = %L', dao_name) END,
		CASE WHEN objects AND entity_key IS NOT NULL THEN
			format(' AND r.entity_key = %L', entity_key) END,
		CASE WHEN objects AND operation IS NOT NULL THEN
			format(' AND r.operation = %L', operation) END,
		CASE WHEN NOT objects AND method IS NOT NULL THEN
			format(' AND r.method = %L', method) END,
		CASE WHEN NOT objects AND status_is IS NOT NULL THEN
			format(' AND r.status = %s', status_is::integer) END,
		CASE WHEN NOT objects AND hide IS NOT NULL THEN
			' AND NOT (r.method IN (''GET'', ''HEAD'')'
			' AND r.path ~ ''^/(audit/|tile/|[?]|$)'')' END);
END
$$;
REVOKE ALL ON FUNCTION audit.api_filter(text, text, text, text, text, text,
	text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.api_filter(text, text, text, text, text, text,
	text, text, text, text) IS
	'internal: SQL conditions from the filters of the HTTP API';

/*
 * GET /audit/objects and /audit/requests: one page of a stream, newest first.
 *
 * The order is that of the primary key read backwards, so a page costs the
 * same at any depth.  With a request id the ids are looked up first: its
 * index has no order, but a planner that takes the request for a large one
 * would walk the primary key in search of a few records.  For the other
 * filters sorting is off: a planner that expects few records would read and
 * sort all there are, for each page anew.  What it then puts on the cost of a
 * few records that have to be sorted would have them compiled, for half a
 * second.
 *
 * Without a filter, as most pages are read, nothing is planned anew, and
 * whether there is more is looked up: counting the records while they are
 * read would have all of them copied.  A page is long, and it is copied each
 * time that it goes from one function to another; so nothing is left to one
 * that could be done here.
 *
 * Stable, so that total and records are of one snapshot.
 */
CREATE FUNCTION audit.api_list(
	stream text, size text, "offset" text, before text, after text,
	count text, request_id text, rbac_user_name text, workspace text,
	dao_name text, entity_key text, operation text, method text,
	status_is text, hide text, self text,
	OUT status integer, OUT body text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_sort = off
	SET jit = off
	SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	conditions record;
	page record;
	records text;
	ids uuid[];
	source text;
	found_by text;
	counting text;
	more boolean := false;
BEGIN
	status := 400;
	IF stream IS NULL OR stream NOT IN ('objects', 'requests') THEN
		body := audit.api_error(11, 'invalid options',
			'stream must be objects or requests');
		RETURN;
	END IF;
	conditions := audit.api_filter(stream, request_id, rbac_user_name,
		workspace, dao_name, entity_key, operation, method, status_is, hide);
	IF conditions.error IS NOT NULL THEN
		body := conditions.error;
		RETURN;
	END IF;
	page := audit.api_page(size, "offset", before, after, count,
		stream || conditions.filter);
	IF page.error IS NOT NULL THEN
		body := page.error;
		RETURN;
	END IF;

	source := 'audit.' || stream || ' r';
	IF conditions.filter = '' AND stream = 'objects' THEN
		SELECT string_agg(audit.record(s.r)::text, ','), array_agg(s.id)
		INTO records, ids
		FROM (SELECT r, r.id FROM audit.objects r
			  WHERE r.id < page.upper AND r.id >= page.lower
			  ORDER BY r.id DESC LIMIT page.rows) s;
		IF cardinality(ids) = page.rows THEN
			PERFORM FROM audit.objects r
			WHERE r.id < ids[page.rows] AND r.id >= page.lower
			ORDER BY r.id DESC LIMIT 1;
			more := FOUND;
		END IF;
	ELSIF conditions.filter = '' THEN
		SELECT string_agg(audit.record(s.r)::text, ','), array_agg(s.id)
		INTO records, ids
		FROM (SELECT r, r.id FROM audit.requests r
			  WHERE r.id < page.upper AND r.id >= page.lower
			  ORDER BY r.id DESC LIMIT page.rows) s;
		IF cardinality(ids) = page.rows THEN
			PERFORM FROM audit.requests r
			WHERE r.id < ids[page.rows] AND r.id >= page.lower
			ORDER BY r.id DESC LIMIT 1;
			more := FOUND;
		END IF;
	ELSE
		found_by := source
			|| ' WHERE r.id < $1 AND r.id >= $2' || conditions.filter;
		IF request_id IS NOT NULL THEN
			found_by := source || ' JOIN (SELECT i.id FROM (SELECT r.id FROM '
				|| found_by || ' OFFSET 0) i ORDER BY i.id DESC LIMIT $3 + 1) k'
				|| ' ON r.id = k.id';
		END IF;
		EXECUTE 'SELECT string_agg(audit.record(n.r)::text, '','')'
			|| ' FILTER (WHERE n.row_number <= $3), array_agg(n.id)'
			|| ' FROM (SELECT s.r, s.id, row_number() OVER ()'
			|| ' FROM (SELECT r, r.id FROM ' || found_by
			|| ' ORDER BY r.id DESC LIMIT $3 + 1) s) n'
		INTO records, ids
		USING page.upper, page.lower, page.rows;
		more := coalesce(cardinality(ids), 0) > page.rows;
	END IF;

	IF page.newest IS NULL THEN
		page.newest := ids[1];
	END IF;
	IF count IS DISTINCT FROM 'none' AND page.total IS NULL
		OR count = 'estimated'
	THEN
		counting := ' FROM ' || source || ' WHERE true' || conditions.filter;
		IF page.newest IS NOT NULL AND "offset" IS NOT NULL THEN
			counting := counting || format(' AND r.id <= %L', page.newest);
		ELSIF before IS NOT NULL THEN
			counting := counting || format(' AND r.id < %L', page.upper);
		END IF;
		IF after IS NOT NULL THEN
			counting := counting || format(' AND r.id >= %L', page.lower);
		END IF;
		IF count = 'estimated' THEN
			page.total := audit.api_estimate('SELECT' || counting);
		ELSE
			EXECUTE 'SELECT count(*)' || counting INTO page.total;
		END IF;
	ELSIF count = 'none' THEN
		page.total := NULL;
	END IF;

	status := 200;
	body := '{"data":[' || coalesce(records, '')
		|| audit.api_rest(more, page.total,
			count IS NULL OR count = 'exact', ids[page.rows], page.newest,
			page.hash, self);
END
$$;
REVOKE ALL ON FUNCTION audit.api_list(text, text, text, text, text, text,
	text, text, text, text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_list(text, text, text, text, text, text,
	text, text, text, text, text, text, text, text, text, text)
	TO audit_log_api;
COMMENT ON FUNCTION audit.api_list(text, text, text, text, text, text, text,
	text, text, text, text, text, text, text, text, text) IS
	'internal: GET /audit/objects and /audit/requests: a page of records';

CREATE FUNCTION audit.api_object(id text, OUT status integer, OUT body text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	status := 404;
	body := audit.api_error(NULL, NULL, 'Not found');
	IF id ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' THEN
		SELECT 200, audit.record(r)::text INTO status, body
		FROM audit.objects r WHERE r.id = api_object.id::uuid;
		IF NOT FOUND THEN
			status := 404;
			body := audit.api_error(NULL, NULL, 'Not found');
		END IF;
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.api_object(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_object(text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_object(text) IS
	'internal: GET /audit/objects/{id}: one object record';

/*
 * Oldest first, the order in which the request did them; a request of more
 * than 1000 objects shows the first of them and where the list is.
 */
CREATE FUNCTION audit.api_request(
	request_id text, OUT status integer, OUT body text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	request text;
	objects text;
	total bigint;
BEGIN
	SELECT audit.record(r)::text INTO request
	FROM audit.requests r WHERE r.request_id = api_request.request_id
	ORDER BY r.id DESC LIMIT 1;
	IF NOT FOUND THEN
		status := 404;
		body := audit.api_error(NULL, NULL, 'Not found');
		RETURN;
	END IF;
	SELECT string_agg(audit.record(s.r)::text, ',')
	INTO objects
	FROM (SELECT r
		  FROM audit.objects r
		  JOIN (SELECT i.id
				FROM (SELECT o.id FROM audit.objects o
					  WHERE o.request_id = api_request.request_id OFFSET 0) i
				ORDER BY i.id LIMIT 1000) k ON k.id = r.id
		  ORDER BY r.id) s;
	SELECT count(*) INTO total
	FROM audit.objects o WHERE o.request_id = api_request.request_id;
	status := 200;
	body := left(request, -1) || ',"objects":[' || coalesce(objects, '')
		|| '],"objects_total":' || total || '}';
END
$$;
REVOKE ALL ON FUNCTION audit.api_request(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_request(text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_request(text) IS
	'internal: GET /audit/requests/{request_id}: a request record with its objects';

/*
 * Records per slice of time, with the filters of the lists.  By default the
 * last hour; a slice is a whole number of seconds.
 */
CREATE FUNCTION audit.api_histogram(
	stream text, before text, after text, buckets text, request_id text,
	rbac_user_name text, workspace text, dao_name text, entity_key text,
	operation text, method text, status_is text, hide text,
	OUT status integer, OUT body text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	until bigint := coalesce(audit.api_epoch(before),
		floor(EXTRACT(epoch FROM statement_timestamp())) + 1);
	since bigint := coalesce(audit.api_epoch(after), until - 3600);
	slices integer := 60;
	width bigint;
	conditions record;
	data text;
BEGIN
	status := 400;
	stream := coalesce(stream, 'objects');
	IF stream NOT IN ('objects', 'requests') THEN
		body := audit.api_error(11, 'invalid options',
			'stream must be objects or requests');
		RETURN;
	END IF;
	IF buckets IS NOT NULL THEN
		slices := CASE WHEN buckets ~ '^[0-9]{1,4}$' THEN buckets::integer END;
	END IF;
	IF slices IS NULL OR slices NOT BETWEEN 1 AND 1000 THEN
		body := audit.api_error(11, 'invalid options',
			'buckets must be an integer between 1 and 1000');
		RETURN;
	END IF;
	IF before IS NOT NULL AND audit.api_epoch(before) IS NULL
		OR after IS NOT NULL AND audit.api_epoch(after) IS NULL
		OR since >= until OR since < 0 OR until > 281474976710
	THEN
		body := audit.api_error(11, 'invalid options',
			'after and before must be seconds since the epoch or YYYY-MM-DDTHH:MM:SSZ, and in this order');
		RETURN;
	END IF;
	SELECT * INTO conditions
	FROM audit.api_filter(stream, request_id, rbac_user_name, workspace,
		dao_name, entity_key, operation, method, status_is, hide);
	IF conditions.error IS NOT NULL THEN
		body := conditions.error;
		RETURN;
	END IF;
	width := greatest(1, ceil((until - since)::numeric / slices));
	EXECUTE format(
		'SELECT string_agg(format(''[%%s,%%s]'', $1 + s.slice * $3, coalesce(c.n, 0)), '','' ORDER BY s.slice)'
		' FROM generate_series(0, ($2 - $1 - 1) / $3) AS s(slice)'
		' LEFT JOIN (SELECT date_bin($4, r.occurred_at, to_timestamp($1)) AS start, count(*) AS n'
		' FROM audit.%I r WHERE r.id >= %L AND r.id < %L%s GROUP BY 1) c'
		' ON c.start = to_timestamp($1 + s.slice * $3)',
		stream, audit.api_first_id(since), audit.api_first_id(until),
		conditions.filter)
	INTO data USING since, until, width, make_interval(secs => width);
	status := 200;
	body := '{"stream":"' || stream || '","after":' || since
		|| ',"before":' || until || ',"step":' || width
		|| ',"data":[' || data || ']}';
END
$$;
REVOKE ALL ON FUNCTION audit.api_histogram(text, text, text, text, text, text,
	text, text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_histogram(text, text, text, text, text,
	text, text, text, text, text, text, text, text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_histogram(text, text, text, text, text, text,
	text, text, text, text, text, text, text) IS
	'internal: GET /audit/histogram: records per slice of time';

/*
 * What the ledger says of the whole log.
 */
CREATE FUNCTION audit.api_status(OUT status integer, OUT body text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	status := 200;
	body := (SELECT json_build_object('active', s.active, 'origin', s.origin,
			'generation', s.generation, 'size', s.size,
			'sealed_at', floor(EXTRACT(epoch FROM s.sealed_at)),
			'stopped', s.stopped, 'waiting', s.waiting, 'expired', s.expired,
			'signatures', s.signatures)
		FROM audit.status s);
END
$$;
REVOKE ALL ON FUNCTION audit.api_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_status() TO audit_log_api;
COMMENT ON FUNCTION audit.api_status() IS
	'internal: GET /audit/status: state of the ledger';

/*
 * Where a record stands in the ledger: what was sealed of it is derived anew
 * from what is stored now.
 */
CREATE FUNCTION audit.api_sealed(
	record_id uuid, record_txid xid8, sealed pg_snapshot,
	OUT ledger text, OUT leaf bigint)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	place bigint;
	same boolean;
BEGIN
	ledger := 'off';
	IF sealed IS NULL THEN
		RETURN;
	END IF;
	ledger := 'waiting';
	IF NOT pg_visible_in_snapshot(record_txid, sealed) THEN
		RETURN;
	END IF;
	leaf := audit.leaf(record_id);
	ledger := 'missing';
	IF leaf IS NULL THEN
		RETURN;
	END IF;
	SELECT audit.ledger_inner_hash(t.meta, t.salt, t.data)
			= substr(b.inner_hashes, (32 * (leaf - b.first_leaf))::integer + 1, 32)
		AND int8send(coalesce((EXTRACT(epoch FROM t.expire) * 1000000)::bigint,
							  9223372036854775807))
			= substr(b.expires, (8 * (leaf - b.first_leaf))::integer + 1, 8)
	INTO same
	FROM audit.ledger_texts t,
		(SELECT * FROM audit.ledger_bundles b
		 WHERE b.first_leaf <= api_sealed.leaf
		 ORDER BY b.first_leaf DESC LIMIT 1) b
	WHERE t.id = record_id;
	ledger := CASE WHEN same THEN 'sealed' ELSE 'changed' END;
END
$$;
REVOKE ALL ON FUNCTION audit.api_sealed(uuid, xid8, pg_snapshot) FROM PUBLIC;
COMMENT ON FUNCTION audit.api_sealed(uuid, xid8, pg_snapshot) IS
	'internal: whether a record is in the ledger, as it was sealed';

/*
 * Signature and seal of some records, those of a page say.
 */
CREATE FUNCTION audit.api_verify(
	ids text, OUT status integer, OUT body text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted uuid[];
	sealed pg_snapshot := (SELECT b.snapshot FROM audit.ledger_blocks b
						   ORDER BY b.block DESC LIMIT 1);
	found json;
BEGIN
	IF ids ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(,[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}){0,199}$' THEN
		wanted := string_to_array(ids, ',')::uuid[];
	ELSE
		status := 400;
		body := audit.api_error(11, 'invalid options',
			'ids must be 1 to 200 ids of records, separated by commas');
		RETURN;
	END IF;
	SELECT json_object_agg(r.id, json_build_object(
			'signature', CASE
				WHEN r.signature IS NULL THEN 'none'
				WHEN k.public_key IS NULL THEN 'unknown key'
				WHEN audit.verify(r.record, k.public_key) THEN 'valid'
				ELSE 'invalid' END,
			'key_id', r.key_id,
			'ledger', s.ledger,
			'leaf', s.leaf))
	INTO found
	FROM (SELECT o.id, o.signature, o.key_id, audit.record(o) AS record, o.txid
		  FROM audit.objects o WHERE o.id = ANY (wanted)
		  UNION ALL
		  SELECT r.id, r.signature, r.key_id, audit.record(r), t.txid
		  FROM audit.requests r JOIN audit.audit_requests t ON t.id = r.id
		  WHERE r.id = ANY (wanted)) r
	LEFT JOIN audit.keys k ON k.id = r.key_id
	CROSS JOIN audit.api_sealed(r.id, r.txid, sealed) s;
	status := 200;
	body := json_build_object('data', coalesce(found, '{}'));
END
$$;
REVOKE ALL ON FUNCTION audit.api_verify(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_verify(text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_verify(text) IS
	'internal: GET /audit/verify: whether records are as they were signed and sealed';

/*
 * The record of a request.  Not durable: the commit need not wait for the
 * disk, which a record of a mere read does not deserve.  Retried: the record
 * may be there already.  The duration is what passed before the statement
 * plus what passed in it.
 */
CREATE FUNCTION audit.api_log(
	request_id text, method text, path text, payload bytea, client_ip text,
	user_agent text, waited_ms numeric, workspace text, rbac_user_id text,
	rbac_user_name text, durable boolean, retried boolean, status integer)
	RETURNS uuid
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF retried AND EXISTS (SELECT FROM audit.requests r
						   WHERE r.request_id = api_log.request_id)
	THEN
		RETURN NULL;
	END IF;
	IF NOT durable THEN
		PERFORM set_config('synchronous_commit', 'off', true);
	END IF;
	RETURN audit.log_request(
		method => method,
		path => path,
		status => status,
		payload_bytes => payload,
		request_id => request_id,
		client_ip => client_ip,
		user_agent => user_agent,
		duration_ms => round(waited_ms + 1000 * EXTRACT(epoch FROM
			clock_timestamp() - statement_timestamp()), 3),
		workspace => workspace,
		rbac_user_id => rbac_user_id,
		rbac_user_name => rbac_user_name);
END
$$;
REVOKE ALL ON FUNCTION audit.api_log(text, text, text, bytea, text, text,
	numeric, text, text, text, boolean, boolean, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_log(text, text, text, bytea, text, text,
	numeric, text, text, text, boolean, boolean, integer) TO audit_log_api;
COMMENT ON FUNCTION audit.api_log(text, text, text, bytea, text, text,
	numeric, text, text, text, boolean, boolean, integer) IS
	'internal: writes the record of a request that the HTTP frontend handled';

CREATE FUNCTION audit.api_outcome(request_id text)
	RETURNS integer
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.status FROM audit.requests r WHERE r.request_id = $1
	ORDER BY r.id DESC LIMIT 1
$$;
REVOKE ALL ON FUNCTION audit.api_outcome(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_outcome(text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_outcome(text) IS
	'internal: status of a request whose answer was lost with the connection, null when it was not done';

/*
 * Entities.  These functions have the rights of who calls them, the
 * frontend's login role: what was granted to it on a table decides what can
 * be done with it over HTTP.
 *
 * Only api_read() and api_write() run statements on tables of users; they
 * have no search_path of their own, because triggers, defaults and checks of
 * those tables may rely on the role's.  Everything of ours is in functions
 * that have one.
 *
 * A key is the primary key as text, or as the text of a JSON array when it
 * has several columns: entity_key of an object record.
 */
CREATE FUNCTION audit.api_relation(
	name text, OUT relation regclass, OUT target text, OUT columns text[],
	OUT settable text[], OUT key_columns text[], OUT key_types text[])
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	relation := to_regclass(name);
	IF relation IS NULL THEN
		RETURN;
	END IF;
	SELECT format('%I.%I', n.nspname, c.relname) INTO target
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.oid = relation;
	SELECT array_agg(a.attname::text ORDER BY a.attnum),
		array_agg(a.attname::text ORDER BY a.attnum)
			FILTER (WHERE a.attgenerated = '' AND a.attidentity = '')
	INTO columns, settable
	FROM pg_attribute a
	WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped;
	SELECT array_agg(a.attname::text ORDER BY k.position),
		array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY k.position)
	INTO key_columns, key_types
	FROM pg_index i
	CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k(attnum, position)
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
	WHERE i.indrelid = relation AND i.indisprimary
		AND k.position <= i.indnkeyatts;
END
$$;
REVOKE ALL ON FUNCTION audit.api_relation(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_relation(text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_relation(text) IS
	'internal: what the HTTP API must know of a table that it serves';

/*
 * The key's values as expressions of the key's types; null when the text
 * cannot be a key of that table.
 */
CREATE FUNCTION audit.api_key(key text, types text[])
	RETURNS text[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part text[] := ARRAY[key];
	result text[] := '{}';
BEGIN
	IF types IS NULL THEN
		RETURN NULL;
	END IF;
	IF cardinality(types) > 1 THEN
		IF json_typeof(key::json) <> 'array' THEN
			RETURN NULL;
		END IF;
		SELECT array_agg(e.value ORDER BY e.ordinality) INTO part
		FROM json_array_elements_text(key::json) WITH ORDINALITY e;
	END IF;
	IF cardinality(part) IS DISTINCT FROM cardinality(types)
		OR array_position(part, NULL) IS NOT NULL
	THEN
		RETURN NULL;
	END IF;
	FOR i IN 1 .. cardinality(types) LOOP
		result := result || format('%L::%s', part[i], types[i]);
	END LOOP;
	EXECUTE 'SELECT ' || array_to_string(result, ', ');
	RETURN result;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION audit.api_key(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_key(text, text[]) TO audit_log_api;
COMMENT ON FUNCTION audit.api_key(text, text[]) IS
	'internal: reads the key of an entity from a path of the HTTP API';

/*
 * The statement that reads one entity, or a page of them in the order of the
 * key.  An offset is the key of the last entity before, in base64url.
 */
CREATE FUNCTION audit.api_read_statement(
	name text, key text, size text, "offset" text,
	OUT status integer, OUT body text, OUT statement text,
	OUT rows integer)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rel record;
	page record;
	place text[];
	quoted text;
BEGIN
	SELECT * INTO rel FROM audit.api_relation(name);
	SELECT string_agg(format('t.%I', c.name), ', ' ORDER BY c.position)
	INTO quoted
	FROM unnest(rel.key_columns) WITH ORDINALITY AS c(name, position);
	IF key IS NOT NULL THEN
		place := audit.api_key(key, rel.key_types);
	END IF;
	IF rel.relation IS NULL OR key IS NOT NULL AND place IS NULL THEN
		status := 404;
		body := audit.api_error(NULL, NULL, 'Not found');
		RETURN;
	END IF;
	IF key IS NOT NULL THEN
		statement := format(
			'SELECT pg_catalog.row_to_json(t)::text, NULL::text FROM %s t WHERE (%s) = (%s)',
			rel.target, quoted, array_to_string(place, ', '));
		RETURN;
	END IF;

	SELECT * INTO page FROM audit.api_page(size, NULL, NULL, NULL, NULL, '');
	IF page.error IS NOT NULL THEN
		status := 400;
		body := page.error;
		RETURN;
	END IF;
	rows := page.rows;
	IF "offset" IS NOT NULL THEN
		BEGIN
			place := audit.api_key(convert_from(decode(
				translate("offset", '-_', '+/')
				|| repeat('=', (4 - length("offset") % 4) % 4),
				'base64'), 'UTF8'), rel.key_types);
		EXCEPTION WHEN data_exception THEN
			place := NULL;
		END;
		IF place IS NULL THEN
			status := 400;
			body := audit.api_error(7, 'invalid offset',
				'''' || "offset" || ''' is not a valid offset');
			RETURN;
		END IF;
	END IF;
	statement := format(
		'SELECT pg_catalog.row_to_json(t)::text, %s FROM %s t%s%s LIMIT %s',
		CASE cardinality(rel.key_columns)
			WHEN 1 THEN quoted || '::text'
			ELSE coalesce('pg_catalog.json_build_array(' || quoted || ')::text',
						  'NULL::text') END,
		rel.target,
		' WHERE (' || quoted || ') > (' || array_to_string(place, ', ') || ')',
		' ORDER BY ' || quoted, rows + 1);
END
$$;
REVOKE ALL ON FUNCTION audit.api_read_statement(text, text, text, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_read_statement(text, text, text, text)
	TO audit_log_api;
COMMENT ON FUNCTION audit.api_read_statement(text, text, text, text) IS
	'internal: makes the statement of GET /{table} and GET /{table}/{key}';

CREATE FUNCTION audit.api_rows(
	entities text[], keys text[], rows integer, self text)
	RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	token text;
BEGIN
	IF cardinality(entities) > rows AND keys[rows] IS NOT NULL THEN
		token := rtrim(translate(encode(convert_to(keys[rows], 'UTF8'),
			'base64'), E'+/\n', '-_'), '=');
	END IF;
	RETURN '{"data":[' || coalesce(array_to_string(entities[:rows], ','), '')
		|| '],"next":'
		|| coalesce(to_json(self || 'offset=' || token)::text, 'null')
		|| coalesce(',"offset":"' || token || '"', '') || '}';
END
$$;
REVOKE ALL ON FUNCTION audit.api_rows(text[], text[], integer, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_rows(text[], text[], integer, text)
	TO audit_log_api;
COMMENT ON FUNCTION audit.api_rows(text[], text[], integer, text) IS
	'internal: a page of entities, as JSON';

CREATE FUNCTION audit.api_read(
	name text, key text, size text, "offset" text, self text,
	OUT status integer, OUT body text)
	LANGUAGE plpgsql STABLE
AS $$
DECLARE
	plan record;
	entities text[];
	keys text[];
BEGIN
	SELECT * INTO plan
	FROM audit.api_read_statement(name, key, size, "offset");
	IF plan.statement IS NULL THEN
		status := plan.status;
		body := plan.body;
	ELSIF key IS NOT NULL THEN
		status := 200;
		EXECUTE plan.statement INTO body;
		IF body IS NULL THEN
			status := 404;
			body := audit.api_error(NULL, NULL, 'Not found');
		END IF;
	ELSE
		status := 200;
		EXECUTE 'SELECT pg_catalog.array_agg(s.e), pg_catalog.array_agg(s.k) FROM ('
			OPERATOR(pg_catalog.||) plan.statement
			OPERATOR(pg_catalog.||) ') AS s(e, k)'
		INTO entities, keys;
		body := audit.api_rows(entities, keys, plan.rows, self);
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.api_read(text, text, text, text, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_read(text, text, text, text, text)
	TO audit_log_api;
COMMENT ON FUNCTION audit.api_read(text, text, text, text, text) IS
	'internal: GET /{table} and GET /{table}/{key}, with the rights of the caller';

/*
 * The statements of a change, to be tried in turn until one returns a row.
 * $1 is the entity as json.  PUT replaces: what is not given gets its
 * default; a key that is not there is created.
 */
CREATE FUNCTION audit.api_write_statement(
	name text, method text, key text, document text, names text[],
	vals text[],
	OUT status integer, OUT body text, OUT entity json, OUT statements text[],
	OUT statuses integer[])
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rel record;
	place text[];
	given text[];
	unknown text;
	matches text;
	assigned text;
	filled text;
BEGIN
	IF method NOT IN ('POST', 'PUT', 'PATCH', 'DELETE')
		OR (method = 'POST') IS DISTINCT FROM (key IS NULL)
	THEN
		status := 405;
		body := audit.api_error(NULL, NULL, 'Method not allowed');
		RETURN;
	END IF;
	SELECT * INTO rel FROM audit.api_relation(name);
	IF key IS NOT NULL THEN
		place := audit.api_key(key, rel.key_types);
	END IF;
	IF rel.relation IS NULL OR key IS NOT NULL AND place IS NULL THEN
		status := 404;
		body := audit.api_error(NULL, NULL, 'Not found');
		RETURN;
	END IF;
	SELECT string_agg(format('t.%I = %s', k.name, place[k.position]), ' AND ')
	INTO matches
	FROM unnest(rel.key_columns) WITH ORDINALITY AS k(name, position);
	IF method = 'DELETE' THEN
		statements := ARRAY[format(
			'DELETE FROM %s t WHERE %s RETURNING ''''::text', rel.target,
			matches)];
		statuses := ARRAY[204];
		RETURN;
	END IF;

	BEGIN
		entity := coalesce(json_object(names, vals), coalesce(document, '')::json);
	EXCEPTION WHEN data_exception THEN
		entity := NULL;
	END;
	IF json_typeof(entity) IS DISTINCT FROM 'object' THEN
		status := 400;
		body := audit.api_error(NULL, NULL, 'Cannot parse JSON body');
		RETURN;
	END IF;
	SELECT array_agg(DISTINCT k), min(k) FILTER (WHERE k <> ALL (rel.columns))
	INTO given, unknown
	FROM json_object_keys(entity) k;
	IF unknown IS NOT NULL THEN
		status := 400;
		body := left(audit.api_error(2, 'schema violation',
				format('schema violation (%s: unknown field)', unknown)), -1)
			|| ',"fields":{' || to_json(unknown) || ':"unknown field"}}';
		RETURN;
	END IF;

	IF method = 'POST' THEN
		statements := ARRAY[CASE WHEN given IS NULL THEN
			format('INSERT INTO %s AS t DEFAULT VALUES', rel.target)
		ELSE
			format('INSERT INTO %s AS t (%s) SELECT %s FROM pg_catalog.json_populate_record(NULL::%s, $1) r',
				rel.target, (SELECT string_agg(quote_ident(g), ', ') FROM unnest(given) g),
				(SELECT string_agg(format('r.%I', g), ', ') FROM unnest(given) g), rel.target)
		END || ' RETURNING pg_catalog.row_to_json(t)::text'];
		statuses := ARRAY[201];
		RETURN;
	END IF;

	IF method = 'PUT' THEN
		/* the path names the key, whatever the body says */
		given := ARRAY(SELECT g FROM unnest(given) g
					   WHERE g <> ALL (rel.key_columns));
		filled := (SELECT string_agg(format('%I = DEFAULT', c), ', ')
				   FROM unnest(rel.settable) c
				   WHERE c <> ALL (given) AND c <> ALL (rel.key_columns));
	END IF;
	assigned := concat_ws(', ', (SELECT string_agg(
			format('%I = r.%I', g, g), ', ') FROM unnest(given) g), filled);
	statements := ARRAY[CASE WHEN assigned = '' THEN
		format('SELECT pg_catalog.row_to_json(t)::text FROM %s t WHERE %s',
			rel.target, matches)
	ELSE
		format('UPDATE %s t SET %s FROM pg_catalog.json_populate_record(NULL::%s, $1) r WHERE %s RETURNING pg_catalog.row_to_json(t)::text',
			rel.target, assigned, rel.target, matches)
	END];
	statuses := ARRAY[200];
	IF method = 'PUT' THEN
		statements := statements || format(
			'INSERT INTO %s AS t (%s) SELECT %s FROM pg_catalog.json_populate_record(NULL::%s, $1) r RETURNING pg_catalog.row_to_json(t)::text',
			rel.target,
			(SELECT string_agg(quote_ident(c), ', ') FROM unnest(rel.key_columns || given) c),
			concat_ws(', ', array_to_string(place, ', '),
				(SELECT string_agg(format('r.%I', g), ', ') FROM unnest(given) g)),
			rel.target);
		statuses := ARRAY[200, 201];
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.api_write_statement(text, text, text, text,
	text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_write_statement(text, text, text, text,
	text[], text[]) TO audit_log_api;
COMMENT ON FUNCTION audit.api_write_statement(text, text, text, text, text[],
	text[]) IS
	'internal: makes the statements of POST, PUT, PATCH and DELETE on an entity';

/*
 * The context that the records of a change carry.  It ends with the
 * transaction, so a pooled connection has none of it left.
 */
CREATE FUNCTION audit.api_begin(
	request_id text, client_ip text, workspace text, rbac_user_id text,
	rbac_user_name text)
	RETURNS text
	LANGUAGE sql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT audit.begin_request(
		request_id => $1,
		workspace => $3,
		rbac_user_id => $4,
		rbac_user_name => $5,
		client_ip => $2)
$$;
REVOKE ALL ON FUNCTION audit.api_begin(text, text, text, text, text)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_begin(text, text, text, text, text)
	TO audit_log_api;
COMMENT ON FUNCTION audit.api_begin(text, text, text, text, text) IS
	'internal: sets the context of a change that came over HTTP';

CREATE FUNCTION audit.api_write(
	request_id text, method text, path text, payload bytea, client_ip text,
	user_agent text, waited_ms numeric, workspace text, rbac_user_id text,
	rbac_user_name text, durable boolean, retried boolean,
	name text, key text, document text, names text[], vals text[],
	OUT status integer, OUT body text)
	LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	plan record;
	result text;
BEGIN
	PERFORM audit.api_begin(request_id, client_ip, workspace, rbac_user_id,
							rbac_user_name);
	SELECT * INTO plan
	FROM audit.api_write_statement(name, method, key, document, names, vals);
	status := plan.status;
	body := plan.body;
	IF plan.statements IS NOT NULL THEN
		status := 404;
		FOR i IN 1 .. pg_catalog.cardinality(plan.statements) LOOP
			EXECUTE plan.statements[i] INTO result USING plan.entity;
			IF result IS NOT NULL THEN
				status := plan.statuses[i];
				EXIT;
			END IF;
		END LOOP;
		body := CASE WHEN status OPERATOR(pg_catalog.=) 404 THEN
			audit.api_error(NULL, NULL, 'Not found')
		WHEN status OPERATOR(pg_catalog.<>) 204 THEN result END;
	END IF;
	PERFORM audit.api_log(request_id, method, path, payload, client_ip,
		user_agent, waited_ms, workspace, rbac_user_id, rbac_user_name,
		durable, retried, status);
END
$$;
REVOKE ALL ON FUNCTION audit.api_write(text, text, text, bytea, text, text,
	numeric, text, text, text, boolean, boolean, text, text, text, text[],
	text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_write(text, text, text, bytea, text, text,
	numeric, text, text, text, boolean, boolean, text, text, text, text[],
	text[]) TO audit_log_api;
COMMENT ON FUNCTION audit.api_write(text, text, text, bytea, text, text,
	numeric, text, text, text, boolean, boolean, text, text, text, text[],
	text[]) IS
	'internal: POST, PUT, PATCH and DELETE on an entity, with the rights of the caller, and the record of the request';

/*
 * The functions that read or write the audit tables do it as their owner,
 * who has no right beyond them.
 */
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT p.oid FROM pg_catalog.pg_proc p
		WHERE p.pronamespace OPERATOR(pg_catalog.=) 'audit'::regnamespace
			AND p.proname OPERATOR(pg_catalog.~) '^api_'
	LOOP
		EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO audit_log_owner', f);
	END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION audit.record(audit.objects),
	audit.record(audit.requests),
	audit.log_request(text, text, integer, text, bytea, text, text, text,
		numeric, text, text, text, text)
	TO audit_log_owner;

/* ---------------------------------------------------------------- ledger */

/*
 * The Merkle tree over the records of both streams, see src/backend/ledger.h.
 * Rows are only ever added, and only by src/backend/store.c.
 */
CREATE TABLE audit.ledger_generations
(
	generation				integer NOT NULL,
	first_leaf				bigint NOT NULL,
	system_identifier		text NOT NULL,
	database				oid NOT NULL,
	started_at				timestamptz NOT NULL,
	origin					text NOT NULL,
	record_id				uuid,
	reason					text,
	previous				text,
	CONSTRAINT ledger_generations_pkey PRIMARY KEY (generation)
);

CREATE TABLE audit.ledger_blocks
(
	block					bigint NOT NULL,
	first_leaf				bigint NOT NULL,
	size					bigint NOT NULL,
	sealed_at				timestamptz NOT NULL,
	generation				integer NOT NULL,
	timeline				integer NOT NULL,
	system_identifier		text NOT NULL,
	root					bytea NOT NULL,
	snapshot				pg_snapshot NOT NULL,
	CONSTRAINT ledger_blocks_pkey PRIMARY KEY (block),
	CONSTRAINT ledger_blocks_size_check CHECK
		(first_leaf >= 0 AND size >= first_leaf),
	CONSTRAINT ledger_blocks_root_check CHECK
		(pg_catalog.octet_length(root) = 32)
);

/* A bundle holds leaves of one block and of one stretch of 128 leaves. */
CREATE TABLE audit.ledger_bundles
(
	first_leaf				bigint NOT NULL,
	leaves					integer NOT NULL,
	ids						bytea NOT NULL,
	expires					bytea NOT NULL,
	inner_hashes			bytea NOT NULL,
	CONSTRAINT ledger_bundles_pkey PRIMARY KEY (first_leaf),
	CONSTRAINT ledger_bundles_leaves_check CHECK
		(leaves BETWEEN 1 AND 128 - first_leaf % 128),
	CONSTRAINT ledger_bundles_length_check CHECK
		(pg_catalog.octet_length(ids) = 16 * leaves
		 AND pg_catalog.octet_length(expires) = 8 * leaves
		 AND pg_catalog.octet_length(inner_hashes) = 32 * leaves)
);
/*
 * A full bundle fills a page, so that nothing of it is put elsewhere; and
 * hashes cannot be compressed.
 */
ALTER TABLE audit.ledger_bundles
	ALTER COLUMN ids SET STORAGE PLAIN,
	ALTER COLUMN expires SET STORAGE PLAIN,
	ALTER COLUMN inner_hashes SET STORAGE PLAIN;

CREATE TABLE audit.ledger_nodes
(
	level					integer NOT NULL,
	index					bigint NOT NULL,
	hash					bytea NOT NULL,
	CONSTRAINT ledger_nodes_pkey PRIMARY KEY (level, index),
	CONSTRAINT ledger_nodes_level_check CHECK
		(level BETWEEN 8 AND 56 AND level % 8 = 0),
	CONSTRAINT ledger_nodes_hash_check CHECK
		(pg_catalog.octet_length(hash) = 32)
);

/* Lines of signature under a checkpoint: ours, remote signers', witnesses'. */
CREATE TABLE audit.ledger_signatures
(
	size					bigint NOT NULL,
	generation				integer NOT NULL,
	added_at				timestamptz NOT NULL,
	line					text NOT NULL
);
CREATE INDEX ledger_signatures_idx
	ON audit.ledger_signatures (size, generation);

/*
 * Keys that may sign checkpoints.  One that is replaced gets a second row
 * that says where it ended.
 */
CREATE TABLE audit.ledger_keys
(
	name					text NOT NULL,
	key_hash				text NOT NULL,
	algorithm				text NOT NULL,
	own						boolean NOT NULL,
	first_size				bigint NOT NULL,
	last_size				bigint,
	spki					bytea NOT NULL
);

/*
 * What somebody outside has signed about a checkpoint: time stamps by RFC
 * 3161, whose token is a ContentInfo in DER.
 */
CREATE TABLE audit.ledger_anchors
(
	size					bigint NOT NULL,
	generation				integer NOT NULL,
	kind					text NOT NULL,
	stamped_at				timestamptz NOT NULL,
	added_at				timestamptz NOT NULL,
	token					bytea NOT NULL,
	CONSTRAINT ledger_anchors_kind_check CHECK (kind = 'rfc3161')
);
CREATE INDEX ledger_anchors_idx ON audit.ledger_anchors (size);

DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['ledger_generations', 'ledger_blocks',
								'ledger_bundles', 'ledger_nodes',
								'ledger_signatures', 'ledger_keys',
								'ledger_anchors'] LOOP
		EXECUTE pg_catalog.format(
			'CREATE TRIGGER audit_log_protect
				BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON audit.%1$I
				FOR EACH STATEMENT EXECUTE FUNCTION audit.protect();
			 ALTER TABLE audit.%1$I ENABLE ALWAYS TRIGGER audit_log_protect;
			 CREATE TRIGGER audit_log_keep
				BEFORE INSERT OR UPDATE OR DELETE ON audit.%1$I
				FOR EACH ROW EXECUTE FUNCTION audit.keep();
			 ALTER TABLE audit.%1$I ENABLE ALWAYS TRIGGER audit_log_keep;
			 ALTER TABLE audit.%1$I OWNER TO audit_log_owner',
			name);
	END LOOP;
END
$$;
GRANT SELECT ON audit.ledger_generations, audit.ledger_blocks,
	audit.ledger_bundles, audit.ledger_nodes, audit.ledger_signatures,
	audit.ledger_keys, audit.ledger_anchors TO audit_log_reader;

CREATE FUNCTION audit.seal() RETURNS bigint
	LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'audit_log_seal';
REVOKE ALL ON FUNCTION audit.seal() FROM PUBLIC;
COMMENT ON FUNCTION audit.seal() IS
	'adds the records committed since the last block to the ledger, and returns their number';

CREATE FUNCTION audit.wait_sealed(txid xid8,
								  timeout interval DEFAULT '30 seconds')
	RETURNS boolean
	LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'audit_log_wait_sealed';
REVOKE ALL ON FUNCTION audit.wait_sealed(xid8, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.wait_sealed(xid8, interval)
	TO audit_log_reader;
COMMENT ON FUNCTION audit.wait_sealed(xid8, interval) IS
	'waits until the records of a transaction are in the ledger; false if they were not in time';

CREATE FUNCTION audit.checkpoint(size bigint DEFAULT NULL) RETURNS text
	LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'audit_log_checkpoint';
REVOKE ALL ON FUNCTION audit.checkpoint(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.checkpoint(bigint) TO audit_log_reader;
COMMENT ON FUNCTION audit.checkpoint(bigint) IS
	'the last checkpoint, or that of an earlier size, as a signed note';

/*
 * Signature lines begin with an em dash.  In databases whose encoding has
 * none, text shows a hyphen in its place.
 */
CREATE FUNCTION audit.note_bytes(note text) RETURNS bytea
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'audit_log_note_bytes';
REVOKE ALL ON FUNCTION audit.note_bytes(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.note_bytes(text) TO audit_log_reader;
COMMENT ON FUNCTION audit.note_bytes(text) IS
	'the exact bytes, in UTF-8, of a checkpoint or proof that another function gave as text';

CREATE FUNCTION audit.note_text(note bytea) RETURNS text
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'audit_log_note_text';
REVOKE ALL ON FUNCTION audit.note_text(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.note_text(bytea) TO audit_log_reader;
COMMENT ON FUNCTION audit.note_text(bytea) IS
	'a checkpoint or proof, given by its bytes, as text of this database';

CREATE FUNCTION audit.leaf(id uuid) RETURNS bigint
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'audit_log_leaf';
REVOKE ALL ON FUNCTION audit.leaf(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.leaf(uuid) TO audit_log_reader;
COMMENT ON FUNCTION audit.leaf(uuid) IS
	'number of the leaf that a record is; null if it is not sealed';

CREATE FUNCTION audit.inclusion_proof(id uuid, size bigint DEFAULT NULL)
	RETURNS text
	LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'audit_log_inclusion_proof';
REVOKE ALL ON FUNCTION audit.inclusion_proof(uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.inclusion_proof(uuid, bigint)
	TO audit_log_reader;
COMMENT ON FUNCTION audit.inclusion_proof(uuid, bigint) IS
	'proof that a record is in the ledger, with the checkpoint (C2SP tlog-proof)';

CREATE FUNCTION audit.consistency_proof(old_size bigint,
										size bigint DEFAULT NULL)
	RETURNS text
	LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'audit_log_consistency_proof';
REVOKE ALL ON FUNCTION audit.consistency_proof(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.consistency_proof(bigint, bigint)
	TO audit_log_reader;
COMMENT ON FUNCTION audit.consistency_proof(bigint, bigint) IS
	'proof that the ledger of one size continues that of another: hashes in base64';

CREATE FUNCTION audit.witness_request(old_size bigint) RETURNS text
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'audit_log_witness_request';
REVOKE ALL ON FUNCTION audit.witness_request(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.witness_request(bigint) TO audit_log_reader;
COMMENT ON FUNCTION audit.witness_request(bigint) IS
	'what a witness that knows the ledger of an old size is asked to sign (C2SP tlog-witness)';

CREATE FUNCTION audit.tiles(from_size bigint DEFAULT 0, OUT path text,
							OUT data bytea)
	RETURNS SETOF record
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'audit_log_tiles';
REVOKE ALL ON FUNCTION audit.tiles(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.tiles(bigint) TO audit_log_reader;
COMMENT ON FUNCTION audit.tiles(bigint) IS
	'files of a tiled log that are new since the ledger had a size (C2SP tlog-tiles)';

CREATE FUNCTION audit.tile(path text) RETURNS bytea
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'audit_log_tile';
REVOKE ALL ON FUNCTION audit.tile(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.tile(text) TO audit_log_reader;
COMMENT ON FUNCTION audit.tile(text) IS
	'one file of a tiled log, such as tile/0/000; null if there is none of that name (C2SP tlog-tiles)';

CREATE FUNCTION audit.export(from_leaf bigint DEFAULT 0,
							 max_records bigint DEFAULT NULL,
							 OUT leaf bigint, OUT id uuid,
							 OUT expire_us bigint, OUT inner_hash text,
							 OUT state text, OUT stream text,
							 OUT txid bigint, OUT record_expire_us bigint, OUT salt text,
							 OUT record json)
	RETURNS SETOF record
	LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'audit_log_export';
REVOKE ALL ON FUNCTION audit.export(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.export(bigint, bigint) TO audit_log_reader;
COMMENT ON FUNCTION audit.export(bigint, bigint) IS
	'sealed records in the order of the ledger, each exactly once, with what it takes to verify them elsewhere';

CREATE FUNCTION audit.new_generation(reason text) RETURNS integer
	LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'audit_log_new_generation';
REVOKE ALL ON FUNCTION audit.new_generation(text) FROM PUBLIC;
COMMENT ON FUNCTION audit.new_generation(text) IS
	'lets the ledger go on under a new origin, after a restore that is meant';

/*
 * Another database that a worker seals and whose key is in the same file, as
 * its own setting or the configuration says; those sealed by other means, or
 * in another cluster, cannot be seen.
 */
CREATE FUNCTION audit.key_shared_with() RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT pg_catalog.min(d.datname::text)
	FROM pg_catalog.regexp_split_to_table(
			NULLIF(pg_catalog.current_setting('audit.ledger_database'), ''), ',') AS item,
		pg_catalog.parse_ident(pg_catalog.btrim(item)) AS name
		JOIN pg_catalog.pg_database d ON d.datname = name[1]
	WHERE d.datname <> pg_catalog.current_database()
		AND COALESCE((SELECT pg_catalog.substr(c, pg_catalog.length('audit.ledger_key=') + 1)
					  FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS c
					  WHERE s.setdatabase = d.oid AND s.setrole = 0
						AND pg_catalog.starts_with(c, 'audit.ledger_key=')),
					 (SELECT f.setting FROM pg_catalog.pg_file_settings f
					  WHERE f.name = 'audit.ledger_key' AND f.error IS NULL
					  ORDER BY f.seqno DESC LIMIT 1))
			= pg_catalog.current_setting('audit.ledger_key');
END;
REVOKE ALL ON FUNCTION audit.key_shared_with() FROM PUBLIC;
COMMENT ON FUNCTION audit.key_shared_with() IS
	'internal: another database that a worker seals with the key in the same file; null if there is none';

CREATE FUNCTION audit.rotate_key() RETURNS text
	LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'audit_log_rotate_key';
REVOKE ALL ON FUNCTION audit.rotate_key() FROM PUBLIC;
COMMENT ON FUNCTION audit.rotate_key() IS
	'makes a new key for checkpoints and returns its public half; the next checkpoint is signed by both';

CREATE FUNCTION audit.add_ledger_key(verifier text) RETURNS text
	LANGUAGE c VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'audit_log_add_ledger_key';
REVOKE ALL ON FUNCTION audit.add_ledger_key(text) FROM PUBLIC;
COMMENT ON FUNCTION audit.add_ledger_key(text) IS
	'trusts the key of a remote signer or a witness: name, id and key joined by plus signs';

CREATE FUNCTION audit.add_signature(line text) RETURNS void
	LANGUAGE c VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'audit_log_add_signature';
REVOKE ALL ON FUNCTION audit.add_signature(text) FROM PUBLIC;
COMMENT ON FUNCTION audit.add_signature(text) IS
	'adds a signature line, by a key that is known, to the checkpoint that it signs';

CREATE FUNCTION audit.timestamp_request(size bigint DEFAULT NULL)
	RETURNS bytea
	LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'audit_log_timestamp_request';
REVOKE ALL ON FUNCTION audit.timestamp_request(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.timestamp_request(bigint)
	TO audit_log_reader;
COMMENT ON FUNCTION audit.timestamp_request(bigint) IS
	'what a time-stamping authority is asked to sign about the last checkpoint, or that of an earlier size (RFC 3161)';

CREATE FUNCTION audit.add_timestamp(reply bytea, size bigint DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'audit_log_add_timestamp';
REVOKE ALL ON FUNCTION audit.add_timestamp(bytea, bigint) FROM PUBLIC;
COMMENT ON FUNCTION audit.add_timestamp(bytea, bigint) IS
	'adds the reply of a time-stamping authority, or the token in it, to the checkpoint that it stamps, and returns its time';

CREATE FUNCTION audit.erase(id uuid, reason text) RETURNS void
	LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'audit_log_erase';
REVOKE ALL ON FUNCTION audit.erase(uuid, text) FROM PUBLIC;
COMMENT ON FUNCTION audit.erase(uuid, text) IS
	'removes a sealed record before it expires, and records why';

/*
 * What is recorded, and whether what sees to it is in place: so that a capture
 * trigger that was removed from the catalog by hand shows as a difference
 * between two records, and so does a function, a view, or a rule of
 * audit.enable_all().  A setting that only superusers
 * may read is there as a digest.
 */
CREATE FUNCTION audit.record_coverage(max_age interval DEFAULT '1 day')
	RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	last record;
	now json := json_build_object(
		'event', 'coverage',
		'tables', (SELECT json_agg(t ORDER BY t.schema_name, t.table_name)
				   FROM audit.tracked_tables t),
		'rules', (SELECT json_agg(r ORDER BY r.schema_name) FROM audit.tracking_rules r),
		'triggers', (SELECT json_object_agg(t.tgrelid::regclass || ' ' || t.tgname,
									t.tgenabled ORDER BY t.tgrelid::regclass::text, t.tgname)
					 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
					 WHERE c.relnamespace = 'audit'::regnamespace
						 AND NOT t.tgisinternal),
		'event_triggers', (SELECT json_object_agg(e.evtname, e.evtenabled
												  ORDER BY e.evtname)
						   FROM pg_event_trigger e
						   WHERE starts_with(e.evtname::text, 'audit_log')),
		'functions', (SELECT encode(sha256(convert_to(string_agg(f.definition, ''
													  ORDER BY f.definition COLLATE "C"), getdatabaseencoding())), 'hex')
					  FROM (SELECT row(p.oid::regprocedure, p.proowner::regrole, p.prolang, p.prosecdef,
									   p.prosrc, p.probin, p.prosqlbody, p.proconfig, p.proacl)::text AS definition
							FROM pg_proc p
							WHERE p.pronamespace = 'audit'::regnamespace) AS f),
		'views', (SELECT encode(sha256(convert_to(string_agg(v.definition, ''
													  ORDER BY v.definition COLLATE "C"), getdatabaseencoding())), 'hex')
				  FROM (SELECT row(c.relname, c.relowner::regrole, c.reloptions,
								   pg_get_viewdef(c.oid))::text AS definition
						FROM pg_class c
						WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind = 'v') AS v),
		'settings', (SELECT json_object_agg(s.name,
										CASE WHEN s.name = 'audit.ledger_key' AND s.setting <> ''
											THEN encode(sha256(convert_to(s.setting, getdatabaseencoding())), 'hex')
											ELSE s.setting END ORDER BY s.name)
					 FROM pg_settings s
					 WHERE s.name LIKE 'audit.%' AND s.context <> 'user'),
		'shared_preload_libraries', current_setting('shared_preload_libraries'));
BEGIN
	SELECT o.entity, o.occurred_at INTO last
	FROM audit.audit_objects o
	WHERE o.entity_key = 'coverage' AND o.operation = 'ddl'
		AND o.schema_name = 'audit' AND o.dao_name = 'ledger'
		/* Not one of a clock that was set back since. */
		AND o.occurred_at <= clock_timestamp()
	ORDER BY o.id DESC LIMIT 1;
	IF last.entity::text = now::text
		AND last.occurred_at > clock_timestamp() - max_age
	THEN
		RETURN false;
	END IF;
	PERFORM audit.log_ddl('audit', 'ledger', 'coverage', now);
	RETURN true;
END
$$;
REVOKE ALL ON FUNCTION audit.record_coverage(interval) FROM PUBLIC;
COMMENT ON FUNCTION audit.record_coverage(interval) IS
	'records which tables are tracked and what protects the log, if that changed or the last such record is older';

/* What the background worker says; it cannot leave a failure in a table. */
CREATE FUNCTION audit.sealer() RETURNS text
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT a.query FROM pg_catalog.pg_stat_activity a
	WHERE a.backend_type = 'audit_log sealer'
		AND a.datname = pg_catalog.current_database();
END;
REVOKE ALL ON FUNCTION audit.sealer() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.sealer() TO audit_log_reader;
COMMENT ON FUNCTION audit.sealer() IS
	'internal: what the background worker of this database does, or what went wrong last; null: there is none';

CREATE FUNCTION audit.waiting() RETURNS bigint
	LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'audit_log_waiting';
REVOKE ALL ON FUNCTION audit.waiting() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.waiting() TO audit_log_reader;
COMMENT ON FUNCTION audit.waiting() IS
	'internal: records that are not sealed yet; stops counting at 100000';

/* One row; counts stop at 100000. */
CREATE VIEW audit.status AS
	SELECT b.block IS NOT NULL AS active,
		g.origin,
		b.generation,
		b.size,
		b.sealed_at,
		b.sealed_at < pg_catalog.statement_timestamp()
			- 3 * COALESCE(pg_catalog.current_setting('audit.ledger_heartbeat', true),
						   '300s')::interval AS stopped,
		audit.waiting() AS waiting,
		(SELECT pg_catalog.count(*) FROM (
			SELECT FROM audit.audit_objects o
			WHERE o.expire < pg_catalog.statement_timestamp()
			LIMIT 100000) AS o)
		+ (SELECT pg_catalog.count(*) FROM (
			SELECT FROM audit.audit_requests r
			WHERE r.expire < pg_catalog.statement_timestamp()
			LIMIT 100000) AS r) AS expired,
		(SELECT pg_catalog.count(*) FROM audit.ledger_signatures s
		 WHERE s.size = b.size AND s.generation = b.generation) AS signatures,
		(SELECT pg_catalog.max(o.occurred_at) FROM audit.audit_objects o
		 WHERE o.entity_key = 'coverage' AND o.operation = 'ddl'
			AND o.schema_name = 'audit' AND o.dao_name = 'ledger') AS covered_at,
		audit.sealer() AS sealer
	FROM (VALUES (0)) AS one
		LEFT JOIN (SELECT * FROM audit.ledger_blocks
				   ORDER BY block DESC LIMIT 1) AS b ON true
		LEFT JOIN audit.ledger_generations g ON g.generation = b.generation;
ALTER VIEW audit.status OWNER TO audit_log_owner;
GRANT SELECT ON audit.status TO audit_log_reader;
COMMENT ON VIEW audit.status IS
	'state of the ledger: how large, when sealed, what waits';
COMMENT ON COLUMN audit.status.active IS 'the ledger has begun: something was sealed';
COMMENT ON COLUMN audit.status.origin IS 'name of the ledger, the first line of its checkpoints';
COMMENT ON COLUMN audit.status.generation IS 'counts the times that it went on under a new origin';
COMMENT ON COLUMN audit.status.size IS 'records that are sealed';
COMMENT ON COLUMN audit.status.sealed_at IS 'when the last block was sealed';
COMMENT ON COLUMN audit.status.stopped IS 'true: no block came for three times audit.ledger_heartbeat';
COMMENT ON COLUMN audit.status.waiting IS 'records that are not sealed yet; stops counting at 100000';
COMMENT ON COLUMN audit.status.expired IS 'expired records that are not purged yet; stops counting at 100000 of each stream';
COMMENT ON COLUMN audit.status.signatures IS 'signatures of the last checkpoint';
COMMENT ON COLUMN audit.status.covered_at IS 'when it was last recorded which tables are tracked';
COMMENT ON COLUMN audit.status.sealer IS 'what the background worker does, or what went wrong last; null: there is none';

/*
 * A moment as it is sealed: ISO 8601 in UTC, with microseconds.  Not by
 * to_char(), which converts the names of months to the encoding of the database
 * even where none is asked for, and to some encodings cannot.
 */
CREATE FUNCTION audit.utc_text(moment timestamptz) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT (pg_catalog.to_json(pg_catalog.date_trunc('second', moment AT TIME ZONE 'UTC')) #>> '{}')
		|| '.' || pg_catalog.lpad((EXTRACT(microseconds FROM moment)::bigint % 1000000)::text, 6, '0')
		|| 'Z';
END;
REVOKE ALL ON FUNCTION audit.utc_text(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.utc_text(timestamptz) TO audit_log_reader;
COMMENT ON FUNCTION audit.utc_text(timestamptz) IS
	'internal: a moment as the ledger writes it, in UTC with microseconds';

/* With audit.export() all that a verifier elsewhere needs. */
CREATE VIEW audit.blocks AS
	SELECT b.block,
		b.first_leaf,
		b.size,
		audit.utc_text(b.sealed_at) AS sealed_at,
		b.generation,
		b.timeline,
		b.system_identifier,
		pg_catalog.encode(b.root, 'base64') AS root,
		b.snapshot::text AS snapshot,
		g.origin || E'\n' || b.size || E'\n'
			|| pg_catalog.encode(b.root, 'base64') || E'\n\n'
			|| COALESCE((
				/* the dash, as text of this database */
				SELECT pg_catalog.string_agg(
					audit.note_text('\xe2809420'::bytea) || s.line || E'\n', ''
					ORDER BY s.added_at, s.ctid)
				FROM audit.ledger_signatures s
				WHERE s.size = b.size AND s.generation = b.generation), '')
			AS checkpoint,
		(SELECT pg_catalog.string_agg(pg_catalog.translate(
				pg_catalog.encode(a.token, 'base64'), E'\n', ''), E'\n'
				ORDER BY a.added_at, a.ctid)
		 FROM audit.ledger_anchors a
		 WHERE a.size = b.size AND a.generation = b.generation
			AND a.kind = 'rfc3161') AS timestamps
	FROM audit.ledger_blocks b
		LEFT JOIN audit.ledger_generations g ON g.generation = b.generation;
ALTER VIEW audit.blocks OWNER TO audit_log_owner;
GRANT SELECT ON audit.blocks TO audit_log_reader;
COMMENT ON VIEW audit.blocks IS
	'what was sealed at once, with its checkpoint and the time stamps of that';
COMMENT ON COLUMN audit.blocks.block IS 'number of the block';
COMMENT ON COLUMN audit.blocks.first_leaf IS 'position of its first record';
COMMENT ON COLUMN audit.blocks.size IS 'records in the ledger up to and with this block';
COMMENT ON COLUMN audit.blocks.sealed_at IS 'when it was sealed, UTC';
COMMENT ON COLUMN audit.blocks.generation IS 'generation of the ledger';
COMMENT ON COLUMN audit.blocks.timeline IS 'timeline of the server';
COMMENT ON COLUMN audit.blocks.system_identifier IS 'cluster that sealed it';
COMMENT ON COLUMN audit.blocks.root IS 'root hash of the tree up to this block, base64';
COMMENT ON COLUMN audit.blocks.snapshot IS 'transactions whose records are in it or before it';
COMMENT ON COLUMN audit.blocks.checkpoint IS 'signed statement of size and root';
COMMENT ON COLUMN audit.blocks.timestamps IS 'time stamps of the checkpoint (RFC 3161), base64, one a line';

/* What whoever verifies signatures elsewhere is given, once. */
CREATE VIEW audit.checkpoint_keys AS
	SELECT k.name, k.key_hash, k.algorithm, k.own,
		pg_catalog.min(k.first_size) AS first_size,
		pg_catalog.max(k.last_size) AS last_size,
		k.name || '+' || k.key_hash || '+' || pg_catalog.translate(
			pg_catalog.encode(CASE k.algorithm WHEN 'Ed25519'
				THEN '\x01'::bytea || pg_catalog.substr(k.spki, 13)
				ELSE '\xff504b49582d5253412d504b4353233176312e35'::bytea
					|| k.spki END, 'base64'), E'\n', '') AS verifier,
		E'-----BEGIN PUBLIC KEY-----\n' || pg_catalog.encode(k.spki, 'base64')
			|| E'\n-----END PUBLIC KEY-----\n' AS public_key
	FROM audit.ledger_keys k
	GROUP BY k.name, k.key_hash, k.algorithm, k.own, k.spki;
ALTER VIEW audit.checkpoint_keys OWNER TO audit_log_owner;
GRANT SELECT ON audit.checkpoint_keys TO audit_log_reader;
COMMENT ON VIEW audit.checkpoint_keys IS
	'public keys of checkpoints: what a verifier elsewhere is given';
COMMENT ON COLUMN audit.checkpoint_keys.name IS 'name of the ledger, signer or witness';
COMMENT ON COLUMN audit.checkpoint_keys.key_hash IS 'id of the key in signature lines';
COMMENT ON COLUMN audit.checkpoint_keys.algorithm IS 'Ed25519 or RSA';
COMMENT ON COLUMN audit.checkpoint_keys.own IS 'true: the ledger''s own; false: a signer''s or witness''';
COMMENT ON COLUMN audit.checkpoint_keys.first_size IS 'size of the ledger when the key was first used';
COMMENT ON COLUMN audit.checkpoint_keys.last_size IS 'size at which it was replaced; null: in use';
COMMENT ON COLUMN audit.checkpoint_keys.verifier IS 'verifier key of signed notes: name, id and key';
COMMENT ON COLUMN audit.checkpoint_keys.public_key IS 'PEM, as openssl takes it';

/*
 * All that is stored, sealed or not: a verifier elsewhere looks for what the
 * ledger does not know.  There is no content in it.
 */
CREATE VIEW audit.stored_records AS
	SELECT o.id, o.txid, o.expire FROM audit.audit_objects o
	UNION ALL
	SELECT r.id, r.txid, r.expire FROM audit.audit_requests r;
ALTER VIEW audit.stored_records OWNER TO audit_log_owner;
GRANT SELECT ON audit.stored_records TO audit_log_reader;
COMMENT ON VIEW audit.stored_records IS
	'ids, transactions and expiries of the stored records of both streams';
COMMENT ON COLUMN audit.stored_records.id IS 'id of the record';
COMMENT ON COLUMN audit.stored_records.txid IS 'transaction that wrote it';
COMMENT ON COLUMN audit.stored_records.expire IS 'when it may be purged; null: never';

CREATE FUNCTION audit.verify_ledger(from_leaf bigint DEFAULT 0,
									to_leaf bigint DEFAULT NULL,
									checkpoint text DEFAULT NULL,
									OUT kind text, OUT leaf bigint,
									OUT id uuid, OUT detail text)
	RETURNS SETOF record
	LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'audit_log_verify_ledger';
REVOKE ALL ON FUNCTION audit.verify_ledger(bigint, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.verify_ledger(bigint, bigint, text)
	TO audit_log_reader;
COMMENT ON FUNCTION audit.verify_ledger(bigint, bigint, text) IS
	'compares the records, the ledger and a checkpoint, and returns what does not fit; no row means that all is well';

/* ---------------------------------------------- the ledger in plain SQL */

/* Bound to pgcrypto's function where the extension is installed. */
CREATE FUNCTION audit.sha256(bytes bytea) RETURNS bytea
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT digest(bytes, 'sha256');
END;
COMMENT ON FUNCTION audit.sha256(bytea) IS
	'internal: SHA-256 by pgcrypto; what the SQL form of the ledger is made of';

CREATE FUNCTION audit.json_string(value text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT COALESCE(pg_catalog.to_json(value)::text, 'null');
END;
COMMENT ON FUNCTION audit.json_string(text) IS
	'internal: a string of canonical JSON (RFC 8785), or null';

/*
 * Text that has no UTF-8 form is sealed as a zero character and its bytes in
 * hex.  Whether it has one only an error tells, whose subtransaction would
 * keep every plan from being parallel; so the function looks for it where the
 * encoding of the database allows such text.
 */
DO $$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=) 'UTF8'
	THEN
		RETURN;
	END IF;
	CREATE OR REPLACE FUNCTION audit.json_string(value text) RETURNS text
		LANGUAGE plpgsql IMMUTABLE
		SET search_path = pg_catalog, pg_temp
	AS $f$
	BEGIN
		IF value ~ '[^\x01-\x7f]' THEN
			BEGIN
				PERFORM convert_to(value, 'UTF8');
			EXCEPTION WHEN untranslatable_character
				OR character_not_in_repertoire OR undefined_function THEN
				RETURN '"\u0000'
					|| encode(convert_to(value, getdatabaseencoding()), 'hex')
					|| '"';
			END;
		END IF;
		RETURN COALESCE(to_json(value)::text, 'null');
	END
	$f$;
END
$$;

/*
 * The bytes that are hashed: UTF-8.  Text of SQL_ASCII is that already; from
 * MULE_INTERNAL there is no way, and only ASCII comes here.
 */
CREATE FUNCTION audit.utf8_bytes(value text) RETURNS bytea
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.convert_to(value, CASE pg_catalog.getdatabaseencoding()
		WHEN 'SQL_ASCII' THEN 'SQL_ASCII'
		WHEN 'MULE_INTERNAL' THEN 'MULE_INTERNAL'
		ELSE 'UTF8' END);
END;
COMMENT ON FUNCTION audit.utf8_bytes(text) IS
	'internal: the bytes of a text that are hashed';

/*
 * The two texts of a record that are hashed, as src/backend/leaf.c makes them:
 * canonical JSON, so the keys are in order and all values are strings or null.
 * Written out key by key, because what was sealed once must give the same text
 * for ever: a column that is added later is not in it.
 */
CREATE VIEW audit.ledger_texts AS
	SELECT 'objects' AS stream, o.id, o.txid, o.expire, o.salt,
		'{"format":"1","id":"' || o.id || '","occurred_at":"'
			|| audit.utc_text(o.occurred_at)
			|| '","stream":"objects","txid":"' || o.txid || '"}' AS meta,
		'{"application_name":' || audit.json_string(o.application_name)
			|| ',"client_ip":' || audit.json_string(o.client_ip)
			|| ',"dao_name":' || audit.json_string(o.dao_name)
			|| ',"db_role":' || audit.json_string(o.db_role)
			|| ',"db_user":' || audit.json_string(o.db_user)
			|| ',"entity":' || audit.json_string(o.entity::text)
			|| ',"entity_key":' || audit.json_string(o.entity_key)
			|| ',"key_id":' || audit.json_string(o.key_id)
			|| ',"old_values":' || audit.json_string(o.old_values::text)
			|| ',"operation":' || audit.json_string(o.operation)
			|| ',"partition_name":' || audit.json_string(o.partition_name)
			|| ',"rbac_user_id":' || audit.json_string(o.rbac_user_id)
			|| ',"rbac_user_name":' || audit.json_string(o.rbac_user_name)
			|| ',"removed_from_entity":' || audit.json_string(o.removed_from_entity)
			|| ',"request_id":' || audit.json_string(o.request_id)
			|| ',"request_source":' || audit.json_string(o.request_source)
			|| ',"schema_name":' || audit.json_string(o.schema_name)
			|| ',"signature":' || audit.json_string(o.signature)
			|| ',"workspace":' || audit.json_string(o.workspace) || '}' AS data
	FROM audit.audit_objects o
	UNION ALL
	SELECT 'requests', r.id, r.txid, r.expire, r.salt,
		'{"format":"1","id":"' || r.id || '","occurred_at":"'
			|| audit.utc_text(r.occurred_at)
			|| '","stream":"requests","txid":"' || r.txid || '"}',
		'{"client_ip":' || audit.json_string(r.client_ip)
			|| ',"db_user":' || audit.json_string(r.db_user)
			|| ',"duration_ms":' || audit.json_string(r.duration_ms::text)
			|| ',"key_id":' || audit.json_string(r.key_id)
			|| ',"method":' || audit.json_string(r.method)
			|| ',"path":' || audit.json_string(r.path)
			|| ',"payload":' || audit.json_string(r.payload)
			|| ',"rbac_user_id":' || audit.json_string(r.rbac_user_id)
			|| ',"rbac_user_name":' || audit.json_string(r.rbac_user_name)
			|| ',"removed_from_payload":' || audit.json_string(r.removed_from_payload)
			|| ',"request_id":' || audit.json_string(r.request_id)
			|| ',"request_source":' || audit.json_string(r.request_source)
			|| ',"signature":' || audit.json_string(r.signature)
			|| ',"status":' || audit.json_string(r.status::text)
			|| ',"user_agent":' || audit.json_string(r.user_agent)
			|| ',"workspace":' || audit.json_string(r.workspace) || '}'
	FROM audit.audit_requests r;

/* The leaves, one a row. */
CREATE VIEW audit.ledger_leaves AS
	SELECT b.first_leaf + i AS leaf,
		pg_catalog.encode(pg_catalog.substr(b.ids, 16 * i + 1, 16), 'hex')::uuid
			AS id,
		NULLIF(('x' || pg_catalog.encode(pg_catalog.substr(b.expires, 8 * i + 1, 8),
										 'hex'))::bit(64)::bigint,
			   9223372036854775807) AS expire_us,
		pg_catalog.substr(b.inner_hashes, 32 * i + 1, 32) AS inner_hash
	FROM audit.ledger_bundles b,
		LATERAL pg_catalog.generate_series(0, b.leaves - 1) AS i
	/* A row whose parts do not fit together holds no leaf. */
	WHERE pg_catalog.octet_length(b.ids) = 16 * b.leaves
		AND pg_catalog.octet_length(b.expires) = 8 * b.leaves
		AND pg_catalog.octet_length(b.inner_hashes) = 32 * b.leaves;

CREATE FUNCTION audit.ledger_inner_hash(meta text, salt bytea, data text)
	RETURNS bytea
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT audit.sha256(audit.utf8_bytes(
		E'audit_log/inner/v1\n'
		|| pg_catalog.encode(audit.sha256(audit.utf8_bytes(meta)), 'base64')
		|| E'\n'
		|| pg_catalog.encode(audit.sha256(salt || audit.utf8_bytes(data)),
							 'base64') || E'\n'));
END;
COMMENT ON FUNCTION audit.ledger_inner_hash(text, bytea, text) IS
	'internal: hash of the contents of a record, from columns of audit.ledger_texts';

CREATE FUNCTION audit.ledger_leaf_hash(id uuid, expire_us bigint,
									   inner_hash bytea)
	RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT audit.sha256('\x00'::bytea || audit.sha256(audit.utf8_bytes(
		E'audit_log/record/v1\n' || id || E'\n'
		|| COALESCE(expire_us::text, '-') || E'\n'
		|| pg_catalog.encode(inner_hash, 'base64') || E'\n')));
END;
COMMENT ON FUNCTION audit.ledger_leaf_hash(uuid, bigint, bytea) IS
	'internal: leaf hash, from columns of audit.ledger_leaves';

/* RFC 6962, level by level; an odd node moves up as it is. */
CREATE FUNCTION audit.ledger_root(size bigint) RETURNS bytea
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	nodes bytea[] := (
		SELECT array_agg(audit.ledger_leaf_hash(l.id, l.expire_us, l.inner_hash)
						 ORDER BY l.leaf)
		FROM audit.ledger_leaves l WHERE l.leaf < size);
BEGIN
	IF size = 0 THEN
		RETURN audit.sha256('');
	END IF;
	WHILE cardinality(nodes) > 1 LOOP
		nodes := (
			SELECT array_agg(CASE WHEN p.n = 1 THEN p.pair
								  ELSE audit.sha256('\x01'::bytea || p.pair) END
							 ORDER BY p.i)
			FROM (SELECT (u.o - 1) / 2 AS i, count(*) AS n,
					string_agg(u.hash, ''::bytea ORDER BY u.o) AS pair
				  FROM unnest(nodes) WITH ORDINALITY AS u (hash, o)
				  GROUP BY 1) AS p);
	END LOOP;
	RETURN nodes[1];
END
$$;
REVOKE ALL ON FUNCTION audit.ledger_root(bigint) FROM PUBLIC;
COMMENT ON FUNCTION audit.ledger_root(bigint) IS
	'root hash of the first leaves of the ledger, computed in SQL';

/*
 * The tree over the stored leaves, compared with the nodes, the blocks and a
 * checkpoint.  "nodes" holds the complete nodes of each level behind those of
 * the level below; starts[l + 1] is how many come before level l.
 */
CREATE FUNCTION audit.crosscheck_tree(checkpoint text DEFAULT NULL,
									  OUT kind text, OUT leaf bigint,
									  OUT detail text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	nodes bytea[] := '{}';
	starts bigint[] := '{}';
	level bytea[];
	sound bigint;	/* leaves before the first that is missing */
	last bigint := COALESCE((SELECT b.size FROM audit.ledger_blocks b
							 ORDER BY b.block DESC LIMIT 1), 0);
	claim record;
	root bytea;
	node bytea;
BEGIN
	FOR leaf, detail IN
		SELECT b.expected, 'leaves are missing or doubled'
		FROM (SELECT b.first_leaf, b.intact,
				COALESCE(lag(b.first_leaf + b.leaves) OVER (ORDER BY b.first_leaf), 0) AS expected
			  FROM (SELECT *, octet_length(b.ids) = 16 * b.leaves
						AND octet_length(b.expires) = 8 * b.leaves
						AND octet_length(b.inner_hashes) = 32 * b.leaves AS intact
					FROM audit.ledger_bundles b
					UNION ALL SELECT last, 0, NULL, NULL, NULL, true) AS b) AS b
		WHERE b.first_leaf <> b.expected OR NOT b.intact
		ORDER BY b.expected
	LOOP
		kind := 'bundle';
		sound := LEAST(sound, leaf);
		RETURN NEXT;
	END LOOP;
	sound := COALESCE(sound, last);

	level := (SELECT array_agg(audit.ledger_leaf_hash(l.id, l.expire_us, l.inner_hash)
							   ORDER BY l.leaf)
			  FROM audit.ledger_leaves l WHERE l.leaf < sound);
	WHILE level IS NOT NULL LOOP
		starts := starts || cardinality(nodes)::bigint;
		nodes := nodes || level;
		level := (SELECT array_agg(audit.sha256('\x01'::bytea || p.hash || p.next) ORDER BY p.o)
				  FROM (SELECT u.hash, lead(u.hash) OVER (ORDER BY u.o) AS next, u.o
						FROM unnest(level) WITH ORDINALITY AS u (hash, o)) AS p
				  WHERE p.o % 2 = 1 AND p.next IS NOT NULL);
	END LOOP;

	FOR leaf, detail IN
		SELECT COALESCE(c.index, n.index) << COALESCE(c.level, n.level),
			'node ' || COALESCE(c.index, n.index) || ' of level '
				|| COALESCE(c.level, n.level) || ' does not fit the leaves'
		FROM (SELECT l AS level, i AS index, nodes[starts[l + 1] + i + 1] AS hash
			  FROM generate_series(8, cardinality(starts) - 1, 8) AS l,
				LATERAL generate_series(0, (sound >> l) - 1) AS i) AS c
			FULL JOIN audit.ledger_nodes n
				ON n.level = c.level AND n.index = c.index
		WHERE c.hash IS DISTINCT FROM n.hash
			AND (c.hash IS NOT NULL OR sound = last)
		ORDER BY 1
	LOOP
		kind := 'node';
		RETURN NEXT;
	END LOOP;

	IF split_part(checkpoint, E'\n', 2)::bigint > last THEN
		kind := 'rolled_back';
		leaf := last;
		detail := 'the given checkpoint has ' || split_part(checkpoint, E'\n', 2) || ' leaves';
		RETURN NEXT;
	END IF;

	/*
	 * The root of a size joins the largest complete subtrees that fit, from
	 * the right.  From the first root on that differs every one does.
	 */
	FOR claim IN
		SELECT 'root' AS kind, b.size, b.root, 'block ' || b.block || ' does not have the root of its leaves' AS detail
		FROM audit.ledger_blocks b WHERE b.size <= sound
		UNION ALL
		SELECT 'checkpoint', c.size, decode(split_part(checkpoint, E'\n', 3), 'base64'), 'the given checkpoint has another root'
		FROM (SELECT split_part(checkpoint, E'\n', 2)::bigint AS size) AS c WHERE c.size <= last
		ORDER BY 1, 2
	LOOP
		root := CASE WHEN claim.size = 0 THEN audit.sha256('') END;
		FOR l IN 0 .. CASE WHEN claim.size <= sound THEN cardinality(starts) - 1 ELSE -1 END LOOP
			IF (claim.size >> l) & 1 = 1 THEN
				node := nodes[starts[l + 1] + (claim.size >> l)];
				root := CASE WHEN root IS NULL THEN node
							 ELSE audit.sha256('\x01'::bytea || node || root) END;
			END IF;
		END LOOP;
		IF root IS DISTINCT FROM claim.root AND kind IS DISTINCT FROM claim.kind THEN
			kind := claim.kind;
			leaf := claim.size;
			detail := claim.detail;
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.crosscheck_tree(text) FROM PUBLIC;
COMMENT ON FUNCTION audit.crosscheck_tree(text) IS
	'internal: the part of audit.crosscheck_ledger() that is about the tree';

/*
 * What audit.verify_ledger() finds about records, leaves, nodes, blocks and a
 * checkpoint, without a line of our C: to be read, pasted and changed by
 * whoever trusts neither.  It sees where signatures and time stamps are
 * missing, but cannot verify them.
 */
CREATE FUNCTION audit.crosscheck_ledger(checkpoint text DEFAULT NULL,
										OUT kind text, OUT leaf bigint,
										OUT id uuid, OUT detail text)
	RETURNS SETOF record
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
BEGIN ATOMIC
	WITH blocks AS (
		SELECT b.*, lag(b.block, 1, 0::bigint) OVER w AS block_before,
			lag(b.size, 1, 0::bigint) OVER w AS size_before,
			lag(b.snapshot) OVER w AS snapshot_before,
			lag(b.generation, 1, 1) OVER w AS generation_before,
			lag(b.system_identifier, 1, b.system_identifier) OVER w AS system_before
		FROM audit.ledger_blocks b
		WINDOW w AS (ORDER BY b.block)
	), last AS (
		SELECT b.* FROM blocks b ORDER BY b.block DESC LIMIT 1
	), joined AS (
		SELECT l.leaf, COALESCE(l.id, t.id) AS id, l.inner_hash, l.expire_us,
			t.id IS NOT NULL AS present, t.txid, t.meta, t.salt, t.data,
			COALESCE(l.expire_us, 9223372036854775807)
				<= EXTRACT(epoch FROM statement_timestamp()) * 1000000 AS expired,
			(EXTRACT(epoch FROM t.expire) * 1000000)::bigint AS row_expire_us
		FROM audit.ledger_leaves l
			FULL JOIN audit.ledger_texts t ON t.id = l.id
	), placed AS (
		/* Blocks and leaves in one row of numbers tell the block of a leaf. */
		SELECT p.leaf, p.id, p.txid, max(p.block) OVER (ORDER BY p.leaf, p.id NULLS FIRST) AS block
		FROM (SELECT j.leaf, j.id, j.txid, NULL::bigint AS block
			  FROM joined j WHERE j.present AND j.leaf IS NOT NULL
			  UNION ALL
			  SELECT b.size_before, NULL, NULL, b.block FROM blocks b) AS p
	), located AS (
		SELECT p.leaf, p.id, p.txid, b.block,
			pg_visible_in_snapshot(p.txid, b.snapshot)
				AND pg_visible_in_snapshot(p.txid, b.snapshot_before) IS NOT TRUE AS in_block
		FROM placed p
			JOIN blocks b ON b.block = p.block
			LEFT JOIN audit.ledger_generations g ON g.record_id = p.id
		WHERE p.id IS NOT NULL AND g.record_id IS NULL
			AND b.system_identifier = b.system_before
			AND b.system_identifier = (SELECT l.system_identifier FROM last l)
	), ordered AS (
		SELECT l.*, (l.txid, l.id) < (lag(l.txid) OVER w, lag(l.id) OVER w) AS too_late
		FROM located l
		WINDOW w AS (PARTITION BY l.block, l.in_block ORDER BY l.leaf)
	)
	SELECT f.kind, f.leaf, f.id, f.detail
	FROM (SELECT CASE
			WHEN j.leaf IS NULL AND pg_visible_in_snapshot(j.txid, last.snapshot)
				THEN 'inserted'
			WHEN j.leaf IS NULL AND j.txid >= pg_snapshot_xmax(pg_current_snapshot())
				THEN 'future'
			WHEN j.leaf IS NULL THEN NULL
			WHEN NOT j.present AND NOT j.expired AND NOT EXISTS (
					SELECT FROM audit.audit_objects e
					WHERE e.entity_key = j.id::text AND e.operation = 'ddl'
						AND e.schema_name = 'audit' AND e.dao_name = 'ledger'
						AND e.entity ->> 'event' = 'erase')
				THEN 'deleted'
			WHEN j.present AND (j.row_expire_us IS DISTINCT FROM j.expire_us
					OR audit.ledger_inner_hash(j.meta, j.salt, j.data)
						IS DISTINCT FROM j.inner_hash)
				THEN 'changed'
			END AS kind, j.leaf, j.id, NULL::text AS detail
		  FROM joined j, last) AS f
	WHERE f.kind IS NOT NULL
	UNION ALL
	SELECT 'moved', o.leaf, o.id, 'the leaf is not in the order of transactions'
	FROM ordered o
	WHERE NOT o.in_block OR o.too_late
	UNION ALL
	SELECT 'block', b.first_leaf, NULL, 'block ' || b.block || ' does not continue the one before'
	FROM blocks b
	WHERE b.block <> b.block_before + 1 OR b.first_leaf <> b.size_before
		OR b.size < b.size_before OR b.generation < b.generation_before
		OR (b.system_identifier = b.system_before
			AND pg_snapshot_xmax(b.snapshot) < pg_snapshot_xmax(b.snapshot_before))
	UNION ALL
	SELECT 'generation', b.first_leaf, g.record_id, 'generation ' || b.generation || ' does not begin with its record'
	FROM blocks b
		LEFT JOIN audit.ledger_generations g ON g.generation = b.generation
		LEFT JOIN audit.ledger_leaves l ON l.leaf = b.first_leaf
	WHERE g.generation IS NULL
		OR b.generation > b.generation_before AND l.id IS DISTINCT FROM g.record_id
	UNION ALL
	SELECT 'signature', min(u.size), NULL,
		CASE count(*) WHEN 1 THEN 'block ' || min(u.block) || ' is'
			ELSE 'blocks ' || min(u.block) || ' to ' || max(u.block) || ' are' END
			|| ' not signed by a key of the ledger'
	FROM (SELECT b.block, b.size, b.block - row_number() OVER (ORDER BY b.block) AS run
		  FROM blocks b
		  WHERE EXISTS (
				SELECT FROM audit.checkpoint_keys k
				WHERE k.own AND k.first_size <= b.size
					AND b.size <= COALESCE(k.last_size, b.size))
			/* Base64 of an id and what follows begins with that of the id. */
			AND NOT EXISTS (
				SELECT FROM audit.checkpoint_keys k
					JOIN audit.ledger_signatures s
						ON starts_with(s.line, k.name || ' ' || left(encode(decode(k.key_hash, 'hex'), 'base64'), 5))
				WHERE s.size = b.size AND s.generation = b.generation)) AS u
	GROUP BY u.run
	UNION ALL
	SELECT 'timestamp', CASE WHEN s.size ~ '^[0-9]{1,18}$' THEN s.size::bigint END, NULL,
		'the time stamp of the checkpoint of size ' || s.size || ': it was added and is gone'
	FROM (SELECT e.entity ->> 'size' AS size, e.entity ->> 'token' AS token
		  FROM audit.audit_objects e
		  WHERE e.entity_key = 'timestamp' AND e.operation = 'ddl'
			AND e.schema_name = 'audit' AND e.dao_name = 'ledger'
			AND e.entity ->> 'event' = 'timestamp') AS s
	WHERE NOT EXISTS (
		SELECT FROM audit.ledger_anchors a
		WHERE a.size::text = s.size AND encode(audit.sha256(a.token), 'hex') = s.token)
	UNION ALL
	SELECT t.kind, t.leaf, NULL, t.detail
	FROM audit.crosscheck_tree(checkpoint) AS t;
END;
REVOKE ALL ON FUNCTION audit.crosscheck_ledger(text) FROM PUBLIC;
COMMENT ON FUNCTION audit.crosscheck_ledger(text) IS
	'the checks of audit.verify_ledger(), but for whether signatures fit, in plain SQL';

ALTER VIEW audit.ledger_texts OWNER TO audit_log_owner;
ALTER VIEW audit.ledger_leaves OWNER TO audit_log_owner;
GRANT SELECT ON audit.ledger_leaves TO audit_log_reader;

COMMENT ON VIEW audit.ledger_texts IS
	'the texts of the stored records that the ledger is made of';
COMMENT ON VIEW audit.ledger_leaves IS 'the leaves of the ledger, one a row';
COMMENT ON COLUMN audit.ledger_texts.stream IS 'objects or requests';
COMMENT ON COLUMN audit.ledger_texts.id IS 'id of the record';
COMMENT ON COLUMN audit.ledger_texts.txid IS 'transaction that wrote it';
COMMENT ON COLUMN audit.ledger_texts.expire IS 'when it may be purged; null: never';
COMMENT ON COLUMN audit.ledger_texts.salt IS 'random; hides the content behind the hash';
COMMENT ON COLUMN audit.ledger_texts.meta IS 'canonical JSON of what identifies the record';
COMMENT ON COLUMN audit.ledger_texts.data IS 'canonical JSON of all else in the record';
COMMENT ON COLUMN audit.ledger_leaves.leaf IS 'position in the ledger';
COMMENT ON COLUMN audit.ledger_leaves.id IS 'id of the record';
COMMENT ON COLUMN audit.ledger_leaves.expire_us IS 'when it expires, microseconds since the epoch; null: never';
COMMENT ON COLUMN audit.ledger_leaves.inner_hash IS 'hash of its content and salt';

/* ------------------------------------------- the ledger in the HTTP API */

/*
 * Oldest first.  The page after the last leaf is empty until more is sealed,
 * so "next_leaf" is where to go on in any case.
 */
CREATE FUNCTION audit.api_export(
	"from" text, size text, OUT status integer, OUT body text)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	page record;
	first bigint := 0;
	leaves text;
	next bigint;
	sealed bigint := coalesce((SELECT b.size FROM audit.ledger_blocks b
							   ORDER BY b.block DESC LIMIT 1), 0);
BEGIN
	SELECT * INTO page
	FROM audit.api_page(size, NULL, NULL, NULL, 'none', '');
	status := 400;
	body := page.error;
	IF body IS NOT NULL THEN
		RETURN;
	END IF;
	IF "from" IS NOT NULL THEN
		IF "from" !~ '^[0-9]{1,18}$' THEN
			body := audit.api_error(11, 'invalid options',
				'from must be the number of a leaf');
			RETURN;
		END IF;
		first := "from"::bigint;
	END IF;
	SELECT string_agg(row_to_json(e)::text, ',' ORDER BY e.leaf),
		max(e.leaf) + 1
	INTO leaves, next
	FROM audit.export(first, page.rows) e;
	next := coalesce(next, first);
	status := 200;
	body := '{"data":[' || coalesce(leaves, '') || '],"size":' || sealed
		|| ',"next_leaf":' || next || ',"next":'
		|| CASE WHEN next < sealed AND next > first
				THEN '"/audit/log?size=' || page.rows || '&from=' || next || '"'
				ELSE 'null' END || '}';
END
$$;
REVOKE ALL ON FUNCTION audit.api_export(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_export(text, text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_export(text, text) IS
	'internal: GET /audit/log: sealed records in the order of the ledger';

CREATE FUNCTION audit.api_checkpoint(OUT status integer, OUT body text,
									 OUT data bytea)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM audit.ledger_blocks) THEN
		status := 404;
		body := audit.api_error(NULL, NULL, 'Nothing has been sealed yet');
		RETURN;
	END IF;
	status := 200;
	data := audit.note_bytes(audit.checkpoint());
END
$$;
REVOKE ALL ON FUNCTION audit.api_checkpoint() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_checkpoint() TO audit_log_api;
COMMENT ON FUNCTION audit.api_checkpoint() IS
	'internal: GET /audit/checkpoint: the last checkpoint, a signed note, in data, or an error in body';

CREATE FUNCTION audit.api_proof(id text, OUT status integer, OUT body text,
								OUT data bytea)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	status := 404;
	body := audit.api_error(NULL, NULL, 'Not found');
	IF id ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' THEN
		data := audit.note_bytes(audit.inclusion_proof(id::uuid));
		status := 200;
		body := NULL;
	END IF;
EXCEPTION
	/* no ledger, or no such leaf */
	WHEN object_not_in_prerequisite_state OR no_data_found THEN
		NULL;
END
$$;
REVOKE ALL ON FUNCTION audit.api_proof(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_proof(text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_proof(text) IS
	'internal: GET /audit/proof/{id}: proof that a record is in the ledger (C2SP tlog-proof), in data, or an error in body';

CREATE FUNCTION audit.api_tile(path text, OUT status integer, OUT body text,
							   OUT data bytea)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	data := audit.tile(path);
	status := 200;
	IF data IS NULL THEN
		status := 404;
		body := audit.api_error(NULL, NULL, 'Not found');
	END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.api_tile(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.api_tile(text) TO audit_log_api;
COMMENT ON FUNCTION audit.api_tile(text) IS
	'internal: GET /tile/...: a file of the tiled log in data, or an error in body';

ALTER FUNCTION audit.api_export(text, text) OWNER TO audit_log_owner;
ALTER FUNCTION audit.api_checkpoint() OWNER TO audit_log_owner;
ALTER FUNCTION audit.api_proof(text) OWNER TO audit_log_owner;
ALTER FUNCTION audit.api_tile(text) OWNER TO audit_log_owner;
GRANT EXECUTE ON FUNCTION audit.export(bigint, bigint),
	audit.checkpoint(bigint), audit.inclusion_proof(uuid, bigint),
	audit.note_bytes(text), audit.tile(text)
	TO audit_log_owner;

COMMENT ON TABLE audit.ledger_generations IS
	'spans of the ledger with an origin of their own: a new one begins after a restore';
COMMENT ON COLUMN audit.ledger_generations.generation IS 'from 1';
COMMENT ON COLUMN audit.ledger_generations.first_leaf IS 'first leaf sealed in it';
COMMENT ON COLUMN audit.ledger_generations.system_identifier IS 'of the cluster in which it began';
COMMENT ON COLUMN audit.ledger_generations.database IS 'the database in which it began';
COMMENT ON COLUMN audit.ledger_generations.started_at IS 'when it was begun';
COMMENT ON COLUMN audit.ledger_generations.origin IS 'first line of its checkpoints, and name of its keys';
COMMENT ON COLUMN audit.ledger_generations.record_id IS 'record that began it, which is its first leaf; null for the first';
COMMENT ON COLUMN audit.ledger_generations.reason IS 'as given to audit.new_generation()';
COMMENT ON COLUMN audit.ledger_generations.previous IS 'last checkpoint known of the one before';

COMMENT ON TABLE audit.ledger_blocks IS 'one row each time that records were sealed';
COMMENT ON COLUMN audit.ledger_blocks.block IS 'from 1';
COMMENT ON COLUMN audit.ledger_blocks.first_leaf IS 'its first leaf; equal to size if it has none';
COMMENT ON COLUMN audit.ledger_blocks.size IS 'leaves of the tree with it';
COMMENT ON COLUMN audit.ledger_blocks.sealed_at IS 'when it was sealed';
COMMENT ON COLUMN audit.ledger_blocks.generation IS 'of audit.ledger_generations';
COMMENT ON COLUMN audit.ledger_blocks.timeline IS 'of the cluster';
COMMENT ON COLUMN audit.ledger_blocks.system_identifier IS 'of the cluster';
COMMENT ON COLUMN audit.ledger_blocks.root IS 'root hash of the tree with it';
COMMENT ON COLUMN audit.ledger_blocks.snapshot IS 'transactions whose records are in it or in one before';

COMMENT ON TABLE audit.ledger_bundles IS 'leaves of the tree, up to 128 a row';
COMMENT ON COLUMN audit.ledger_bundles.first_leaf IS 'its first leaf';
COMMENT ON COLUMN audit.ledger_bundles.leaves IS 'how many it holds';
COMMENT ON COLUMN audit.ledger_bundles.ids IS 'ids of the records, 16 bytes each';
COMMENT ON COLUMN audit.ledger_bundles.expires IS 'their expiry: microseconds since 1970, 8 bytes each, big-endian; the largest number: never';
COMMENT ON COLUMN audit.ledger_bundles.inner_hashes IS 'hashes of their contents, 32 bytes each';

COMMENT ON TABLE audit.ledger_nodes IS 'nodes of the tree, of every eighth level';
COMMENT ON COLUMN audit.ledger_nodes.level IS '8, 16, 24 ...';
COMMENT ON COLUMN audit.ledger_nodes.index IS 'from the left, from 0';
COMMENT ON COLUMN audit.ledger_nodes.hash IS 'hash over 2^level leaves';

COMMENT ON TABLE audit.ledger_signatures IS 'signatures of checkpoints';
COMMENT ON COLUMN audit.ledger_signatures.size IS 'size of the checkpoint';
COMMENT ON COLUMN audit.ledger_signatures.generation IS 'generation of the checkpoint';
COMMENT ON COLUMN audit.ledger_signatures.added_at IS 'when it was made or added';
COMMENT ON COLUMN audit.ledger_signatures.line IS 'line of the signed note, without the dash in front and the newline';

COMMENT ON TABLE audit.ledger_keys IS 'public keys whose signatures of checkpoints are known';
COMMENT ON COLUMN audit.ledger_keys.name IS 'name in the signature line';
COMMENT ON COLUMN audit.ledger_keys.key_hash IS 'key id in the signature line, in hex';
COMMENT ON COLUMN audit.ledger_keys.algorithm IS 'Ed25519 or RSA';
COMMENT ON COLUMN audit.ledger_keys.own IS 'false: a remote signer''s or a witness''s';
COMMENT ON COLUMN audit.ledger_keys.first_size IS 'size of the smallest tree that it may sign';
COMMENT ON COLUMN audit.ledger_keys.last_size IS 'size of the tree when it was replaced';
COMMENT ON COLUMN audit.ledger_keys.spki IS 'the public key, SubjectPublicKeyInfo in DER';

COMMENT ON TABLE audit.ledger_anchors IS 'time stamps of checkpoints by authorities outside';
COMMENT ON COLUMN audit.ledger_anchors.size IS 'size of the checkpoint';
COMMENT ON COLUMN audit.ledger_anchors.generation IS 'generation of the checkpoint';
COMMENT ON COLUMN audit.ledger_anchors.kind IS 'rfc3161';
COMMENT ON COLUMN audit.ledger_anchors.stamped_at IS 'time in the token';
COMMENT ON COLUMN audit.ledger_anchors.added_at IS 'when it was added';
COMMENT ON COLUMN audit.ledger_anchors.token IS 'TimeStampToken, in DER; it stamps origin, size and root of the checkpoint, each with a newline';

/* ------------------------------------------------------------------ dumps */

SELECT pg_catalog.pg_extension_config_dump('audit.audit_objects', '');
SELECT pg_catalog.pg_extension_config_dump('audit.audit_requests', '');
SELECT pg_catalog.pg_extension_config_dump('audit.signing_keys', '');
SELECT pg_catalog.pg_extension_config_dump('audit.tracking_rules', '');
SELECT pg_catalog.pg_extension_config_dump('audit.ledger_generations', '');
SELECT pg_catalog.pg_extension_config_dump('audit.ledger_blocks', '');
SELECT pg_catalog.pg_extension_config_dump('audit.ledger_bundles', '');
SELECT pg_catalog.pg_extension_config_dump('audit.ledger_nodes', '');
SELECT pg_catalog.pg_extension_config_dump('audit.ledger_signatures', '');
SELECT pg_catalog.pg_extension_config_dump('audit.ledger_keys', '');
SELECT pg_catalog.pg_extension_config_dump('audit.ledger_anchors', '');

/* The HTTP API reads and checks the ledger as the owner of the log. */
GRANT EXECUTE ON FUNCTION audit.leaf(uuid), audit.waiting(),
	audit.ledger_inner_hash(text, bytea, text), audit.sha256(bytea),
	audit.utf8_bytes(text), audit.json_string(text), audit.utc_text(timestamptz)
	TO audit_log_owner;
