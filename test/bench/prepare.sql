-- test/bench/prepare.sql: the extension, and what it is compared with.

CREATE EXTENSION audit_log CASCADE;

-- The log is emptied between rounds, which nobody may do otherwise.
ALTER TABLE audit.audit_objects DISABLE TRIGGER audit_log_protect;

-- The floor: what PostgreSQL itself takes to write the very same records.
CREATE TABLE floor (LIKE audit.audit_objects INCLUDING ALL);

CREATE FUNCTION empty_logs() RETURNS void LANGUAGE sql
	AS 'TRUNCATE audit.audit_objects, floor';

-- Makes a table like "orders", empty or with its rows, and unseen by any log.
CREATE FUNCTION fill(target regclass, filled boolean) RETURNS void
	LANGUAGE plpgsql SET audit.enabled = off
	SET session_replication_role = replica
AS $$
BEGIN
	EXECUTE 'TRUNCATE ' || target;
	IF filled THEN
		EXECUTE format('INSERT INTO %s SELECT * FROM orders', target);
	END IF;
END
$$;

-- A trigger as one writes it by hand.
CREATE TABLE by_hand_log
(
	id				bigserial PRIMARY KEY,
	at				timestamptz NOT NULL DEFAULT now(),
	txid			bigint NOT NULL DEFAULT txid_current(),
	db_user			text NOT NULL DEFAULT session_user,
	table_name		text NOT NULL,
	operation		text NOT NULL,
	old_row			jsonb,
	new_row			jsonb
);
CREATE INDEX ON by_hand_log (table_name, at);

CREATE FUNCTION by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF tg_op = 'INSERT' THEN
		INSERT INTO by_hand_log (table_name, operation, new_row)
			VALUES (tg_table_name, tg_op, to_jsonb(new));
	ELSIF tg_op = 'UPDATE' THEN
		INSERT INTO by_hand_log (table_name, operation, old_row, new_row)
			VALUES (tg_table_name, tg_op, to_jsonb(old), to_jsonb(new));
	ELSE
		INSERT INTO by_hand_log (table_name, operation, old_row)
			VALUES (tg_table_name, tg_op, to_jsonb(old));
	END IF;
	RETURN NULL;
END
$$;

-- Written by us in the shape of supa_audit: a row trigger that looks the primary
-- key up in the catalogue for every row, makes the row jsonb, takes the key out
-- of that by name and hashes it to a record id, for the old and the new row.
CREATE TABLE record_version
(
	id				bigserial PRIMARY KEY,
	record_id		uuid,
	old_record_id	uuid,
	op				text NOT NULL,
	ts				timestamptz NOT NULL DEFAULT now(),
	table_oid		oid NOT NULL,
	table_schema	name NOT NULL,
	table_name		name NOT NULL,
	record			jsonb,
	old_record		jsonb,
	CHECK (coalesce(record_id, old_record_id) IS NOT NULL OR op = 'TRUNCATE'),
	CHECK (op IN ('INSERT', 'UPDATE') = (record_id IS NOT NULL)),
	CHECK (op IN ('UPDATE', 'DELETE') = (old_record_id IS NOT NULL))
);
CREATE INDEX ON record_version (record_id) WHERE record_id IS NOT NULL;
CREATE INDEX ON record_version (old_record_id) WHERE old_record_id IS NOT NULL;
CREATE INDEX ON record_version USING brin (ts);
CREATE INDEX ON record_version (table_oid);

CREATE FUNCTION key_columns(target oid) RETURNS text[]
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
	SELECT coalesce(pg_catalog.array_agg(a.attname::text ORDER BY a.attnum), '{}')
	FROM pg_catalog.pg_index i
		JOIN pg_catalog.pg_attribute a
			ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
	WHERE i.indrelid = target AND i.indisprimary
$$;

CREATE FUNCTION record_id(target oid, key text[], record jsonb) RETURNS uuid
	LANGUAGE sql STABLE
AS $$
	SELECT CASE
		WHEN record IS NULL THEN NULL
		WHEN key = '{}' THEN gen_random_uuid()
		ELSE (SELECT md5((jsonb_build_array(to_jsonb(target)) ||
						  jsonb_agg(record ->> k))::text)::uuid
			  FROM unnest(key) AS k)
	END
$$;

CREATE FUNCTION version_row() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
	key text[] := key_columns(tg_relid);
	record_jsonb jsonb := to_jsonb(new);
	old_record_jsonb jsonb := to_jsonb(old);
BEGIN
	INSERT INTO record_version (record_id, old_record_id, op, table_oid,
								table_schema, table_name, record, old_record)
	SELECT record_id(tg_relid, key, record_jsonb),
		record_id(tg_relid, key, old_record_jsonb),
		tg_op, tg_relid, tg_table_schema, tg_table_name,
		record_jsonb, old_record_jsonb;
	RETURN coalesce(new, old);
END
$$;

-- The work.
CREATE TABLE orders
(
	id				bigint PRIMARY KEY,
	customer_id		integer NOT NULL,
	status			text NOT NULL,
	amount			numeric(12, 2) NOT NULL,
	created_at		timestamptz NOT NULL,
	note			text
);
INSERT INTO orders
	SELECT i, i % 5000, 'open', i % 1000 + 0.25,
		timestamptz '2024-01-01 UTC' + i * interval '1 second',
		CASE WHEN i % 10 <> 0 THEN 'order number ' || i END
	FROM generate_series(1, :rows) AS i;
VACUUM ANALYZE orders;

CREATE TABLE plain (LIKE orders INCLUDING ALL);
CREATE TABLE audited (LIKE orders INCLUDING ALL);
SELECT audit.enable('audited');
CREATE TABLE by_hand (LIKE orders INCLUDING ALL);
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON by_hand
	FOR EACH ROW EXECUTE FUNCTION by_hand();
CREATE TABLE versioned (LIKE orders INCLUDING ALL);
CREATE TRIGGER version_row AFTER INSERT OR UPDATE OR DELETE ON versioned
	FOR EACH ROW EXECUTE FUNCTION version_row();

-- Not everywhere installed.
SELECT count(*) FILTER (WHERE name = 'table_log') AS table_log,
	count(*) FILTER (WHERE name = 'periods') AS periods
	FROM pg_available_extensions \gset
\if :table_log
CREATE EXTENSION table_log;
CREATE TABLE table_logged (LIKE orders INCLUDING ALL);
SELECT table_log_init(5, 'public', 'table_logged', 'public', 'table_logged_log',
					  'SINGLE', false, '{INSERT,UPDATE,DELETE}');
\endif
\if :periods
CREATE EXTENSION periods CASCADE;
CREATE TABLE with_periods (LIKE orders INCLUDING ALL);
SELECT periods.add_system_time_period('with_periods');
SELECT periods.add_system_versioning('with_periods');
\endif
