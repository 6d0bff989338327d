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

-- Puts copies of the only record into the log that have expired, one a millisecond.
CREATE FUNCTION add_expired(copies integer) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
	columns text := string_agg(CASE attname
		WHEN 'id' THEN 'lpad(to_hex(i), 32, ''0'')::uuid'
		WHEN 'expire' THEN 'now() - interval ''2 days'' + i * interval ''1 ms'''
		ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
	FROM pg_attribute
	WHERE attrelid = 'audit.audit_objects'::regclass AND attnum > 0 AND NOT attisdropped;
BEGIN
	EXECUTE format('INSERT INTO audit.audit_objects SELECT %s FROM audit.audit_objects, '
				   'generate_series(1, %s) AS i', columns, copies);
END
$$;

-- A record of an update of a row of a table with the key "id", as a SELECT list:
-- all but its id, its key and its times are constants.
CREATE SEQUENCE floor_ids CACHE 1000;

CREATE FUNCTION floor_record(target regclass) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
	record jsonb;
BEGIN
	EXECUTE format('UPDATE %s SET balance = balance WHERE id = 1', target);
	SELECT to_jsonb(o) INTO record FROM audit.audit_objects o ORDER BY id DESC LIMIT 1;
	RETURN string_agg(CASE attname
		WHEN 'id' THEN 'lpad(to_hex(nextval(''floor_ids'')), 32, ''0'')::uuid'
		WHEN 'txid' THEN 'pg_current_xact_id()'
		WHEN 'occurred_at' THEN 'now()'
		WHEN 'expire' THEN 'now() + interval ''720 h'''
		WHEN 'entity_key' THEN 'id::text'
		ELSE quote_nullable(record ->> attname) || '::' || format_type(atttypid, atttypmod)
		END, ', ' ORDER BY attnum)
	FROM pg_attribute
	WHERE attrelid = 'audit.audit_objects'::regclass AND attnum > 0 AND NOT attisdropped;
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
