-- What a record holds, column by column, and how audit.record() gives it.
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE SCHEMA record;
SET search_path = record;
CREATE ROLE record_owner;
GRANT USAGE ON SCHEMA record TO record_owner;
CREATE TABLE people (id int PRIMARY KEY, name text, password text, born date);
GRANT ALL ON people TO record_owner;
SELECT audit.enable('people');

-- With everything set
SET application_name = 'record test';
BEGIN;
SELECT audit.begin_request('req-1', 'ws', 'uid', 'ann', 'rbac', '203.0.113.9');
SELECT clock_timestamp() AS before \gset
SET LOCAL ROLE record_owner;
INSERT INTO people VALUES (1, 'bob', 'secret', '2000-01-02');
RESET ROLE;
SELECT clock_timestamp() AS after, pg_current_xact_id() AS xid \gset
COMMIT;
\x on
SELECT id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS id_is_version_7,
	('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint = floor(extract(epoch FROM occurred_at) * 1000) AS id_holds_its_time,
	request_id, request_timestamp = floor(extract(epoch FROM occurred_at)) AS request_timestamp, dao_name, operation, entity_key, entity,
	rbac_user_id, rbac_user_name, workspace, request_source, ttl BETWEEN 2582000 AND 2592000 AS ttl, signature, schema_name, partition_name,
	key_id, old_values, removed_from_entity, db_user = session_user AS db_user, db_role, application_name, client_ip, txid = :'xid'::xid8 AS txid,
	occurred_at BETWEEN :'before' AND :'after' AS occurred_at
FROM audit.objects o WHERE request_id = 'req-1';
-- With nothing set
RESET application_name;
SET application_name = '';
UPDATE people SET name = 'bobby', born = NULL;
SELECT request_id, operation, entity_key, entity, old_values, rbac_user_id, rbac_user_name, workspace, request_source, db_role, application_name, client_ip
FROM audit.objects WHERE schema_name = 'record' AND operation = 'update';
DELETE FROM people;
TRUNCATE people;
\x off
SELECT operation, entity_key, entity, old_values, removed_from_entity FROM audit.objects WHERE schema_name = 'record' AND operation <> 'ddl' ORDER BY id;

-- What is stored beside that: the salt of the ledger, of its own for each.
SELECT count(*), count(DISTINCT salt), bool_and(octet_length(salt) = 16) FROM audit.audit_objects WHERE schema_name = 'record';
-- All of a statement have one time, in the order in which they were made.
INSERT INTO people SELECT g FROM generate_series(1, 1000) g;
SELECT count(DISTINCT occurred_at), count(DISTINCT id), bool_and(entity_key::int = n) AS in_order
FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM audit.objects WHERE schema_name = 'record' AND txid = (SELECT max(txid) FROM audit.objects WHERE schema_name = 'record')) s;

-- The keys of a record: every one, always, and the columns of the view.
SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM audit.objects o, json_object_keys(audit.record(o)) k WHERE request_id = 'req-1';
SELECT operation, count(DISTINCT keys) AS sets_of_keys FROM (
	SELECT operation, (SELECT string_agg(k, ',') FROM json_object_keys(audit.record(o)) k) AS keys FROM audit.objects o WHERE schema_name = 'record') s GROUP BY 1 ORDER BY 1;
SELECT count(*) AS that_differ FROM (SELECT k FROM audit.objects o, json_object_keys(audit.record(o)) k WHERE request_id = 'req-1') r
	FULL JOIN (SELECT attname FROM pg_attribute WHERE attrelid = 'audit.objects'::regclass AND attnum > 0) v ON k = attname WHERE k IS NULL OR attname IS NULL;
-- entity and old_values are strings in it, with the very text.
SELECT json_typeof(audit.record(o)->'entity') AS entity, json_typeof(audit.record(o)->'old_values') AS old_values,
	audit.record(o)->>'entity' = entity::text AS same, (audit.record(o)->>'entity')::json->>'name' AS name
FROM audit.objects o WHERE schema_name = 'record' AND operation = 'update';
-- Types of the others
SELECT k, json_typeof(v) FROM audit.objects o, json_each(audit.record(o)) AS e (k, v) WHERE request_id = 'req-1' ORDER BY k COLLATE "C";
SELECT (audit.record(o)->>'occurred_at') ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$' AS iso, (audit.record(o)->>'occurred_at')::timestamptz = occurred_at AS same FROM audit.objects o WHERE request_id = 'req-1';
-- Nothing in it follows the session.
CREATE TABLE seen AS SELECT id, audit.record(o)::jsonb - 'ttl' AS record, audit.canonical(audit.record(o)) AS canonical FROM audit.objects o WHERE schema_name = 'record';
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'German';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SELECT count(*) AS that_differ FROM seen s JOIN audit.objects o USING (id) WHERE audit.record(o)::jsonb - 'ttl' <> s.record OR audit.canonical(audit.record(o)) <> s.canonical;
RESET TimeZone;
RESET DateStyle;
RESET IntervalStyle;
RESET extra_float_digits;
RESET bytea_output;

-- Requests, the same way
SELECT audit.log_request('POST', '/people?x=1', 201, '{"a": 1, "token": 2}', NULL, 'req-2', '203.0.113.9', 'curl/8', 12.50, 'ws', 'uid', 'ann', 'rbac') IS NOT NULL AS logged;
SELECT audit.log_request('GET', '/', 200, request_id => 'req-3') IS NOT NULL AS logged;
\x on
SELECT request_id, client_ip, method, path, payload, status, request_timestamp = floor(extract(epoch FROM occurred_at)) AS request_timestamp, workspace, rbac_user_id, rbac_user_name,
	request_source, removed_from_payload, ttl BETWEEN 2582000 AND 2592000 AS ttl, signature, id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7' AS id_is_version_7, key_id, duration_ms, user_agent,
	db_user = session_user AS db_user, occurred_at <= now() AS occurred_at
FROM audit.requests WHERE request_id IN ('req-2', 'req-3') ORDER BY id;
\x off
SELECT k, string_agg(json_typeof(v), ' ' ORDER BY id) FROM audit.requests r, json_each(audit.record(r)) AS e (k, v) WHERE request_id IN ('req-2', 'req-3') GROUP BY k ORDER BY k COLLATE "C";
SELECT audit.record(r)->>'payload', audit.record(r)->>'duration_ms' FROM audit.requests r WHERE request_id = 'req-2';

-- No half of a record can be stored, not even by a restore.
\set VERBOSITY sqlstate
INSERT INTO audit.audit_objects SELECT * FROM audit.audit_objects;
SELECT conname FROM pg_constraint WHERE conrelid IN ('audit.audit_objects'::regclass, 'audit.audit_requests'::regclass) AND contype = 'c' ORDER BY 1;

SET client_min_messages = warning;
DROP SCHEMA record CASCADE;
DROP OWNED BY record_owner;
DROP ROLE record_owner;
