-- Which tables are recorded, with which options, and how that survives
-- changes of the tables.
\pset null -
\set SHOW_CONTEXT never
CREATE SCHEMA tracking;
SET search_path = tracking;
CREATE VIEW news AS
  SELECT dao_name, operation, entity_key, entity, old_values, removed_from_entity
  FROM audit.objects
  WHERE txid = pg_current_xact_id_if_assigned() AND operation <> 'ddl'
  ORDER BY id;
CREATE VIEW tracked AS
  SELECT table_name, exclude, mask, skip_unchanged, record_applied, enabled, trigger_name
  FROM audit.tracked_tables WHERE schema_name = 'tracking' ORDER BY table_name;

-- enable, change the options, disable
CREATE TABLE person (id int PRIMARY KEY, name text, phone text, note text);
BEGIN; INSERT INTO person VALUES (1, 'ann', '123', 'x'); TABLE news; COMMIT;
SELECT audit.enable('person');
TABLE tracked;
BEGIN; UPDATE person SET note = 'y'; TABLE news; COMMIT;
SELECT audit.enable('person', exclude => '{phone}', mask => '{note}');
TABLE tracked;
BEGIN;
UPDATE person SET phone = '456', note = 'z';
UPDATE person SET phone = '789';
UPDATE person SET name = 'anne', phone = '0';
INSERT INTO person VALUES (2, 'bob', NULL, NULL);
TABLE news;
ROLLBACK;
SELECT audit.enable('person', exclude => '{phone}', skip_unchanged => true);
TABLE tracked;
BEGIN;
UPDATE person SET phone = '456';
UPDATE person SET name = name;
UPDATE person SET name = 'ANN', phone = '1';
TABLE news;
ROLLBACK;
SELECT audit.enable('person', record_applied => false);
TABLE tracked;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE person SET name = 'applied';
SET LOCAL session_replication_role = origin;
UPDATE person SET name = 'local';
TABLE news;
ROLLBACK;
SELECT audit.enable('person', exclude => '{id}');
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE person SET name = 'applied';
TABLE news;
ROLLBACK;
SELECT audit.disable('person');
TABLE tracked;
BEGIN; UPDATE person SET name = 'silent'; TRUNCATE person; TABLE news; ROLLBACK;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'person'::regclass;

-- A snapshot records the rows that are there, with the options
SELECT audit.enable('person', exclude => '{phone}', snapshot => true);
SELECT operation, entity_key, entity, removed_from_entity FROM audit.objects
  WHERE schema_name = 'tracking' AND operation = 'snapshot' ORDER BY id;
CREATE TABLE big (id int PRIMARY KEY, pad text);
INSERT INTO big SELECT g, repeat('x', 1000) FROM generate_series(1, 1000) g;
DELETE FROM big WHERE id % 2 = 0;
SELECT audit.enable('big', snapshot => true);
SELECT count(*), count(DISTINCT entity_key) FROM audit.objects
  WHERE schema_name = 'tracking' AND dao_name = 'big' AND operation = 'snapshot';
SELECT audit.disable('big');

-- Every mistake has its own error
DO $$
DECLARE
  call text;
  state text;
  message text;
  hint text;
BEGIN
  CREATE VIEW person_view AS SELECT * FROM person;
  CREATE MATERIALIZED VIEW person_mv AS SELECT * FROM person;
  CREATE SEQUENCE person_seq;
  FOREACH call IN ARRAY ARRAY[
    'audit.enable(NULL)',
    'audit.enable(''person'', exclude => NULL)',
    'audit.enable(''person'', mask => NULL)',
    'audit.enable(''person'', skip_unchanged => NULL)',
    'audit.enable(''person'', snapshot => NULL)',
    'audit.enable(''person'', record_applied => NULL)',
    'audit.enable(''person'', exclude => ''{nil}'')',
    'audit.enable(''person'', mask => ''{name,Name,ctid}'')',
    'audit.enable(''person'', exclude => ARRAY[NULL]::text[])',
    'audit.enable(''person'', exclude => ''{{name},{note}}'')',
    'audit.enable(''nobody'')',
    'audit.enable(0)',
    'audit.enable(4294967295)',
    'audit.enable(''person_view'')',
    'audit.enable(''person_mv'')',
    'audit.enable(''person_seq'')',
    'audit.enable(''person_pkey'')',
    'audit.enable(''pg_class'')',
    'audit.enable(''audit.audit_objects'')',
    'audit.enable(''audit.objects'')',
    'audit.enable(''information_schema.sql_features'')',
    'audit.disable(NULL)',
    'audit.disable(''big'')',
    'audit.disable(''person_view'')',
    'audit.disable(0)',
    'audit.enable_all(''nowhere'')',
    'audit.enable_all(''audit'')',
    'audit.enable_all(''pg_toast'')',
    'audit.enable_all(''tracking'', exclude => NULL)',
    'audit.enable_all(''tracking'', mask => ''{{a}}'')',
    'audit.enable_all(''tracking'', snapshot => NULL)',
    'audit.snapshot(''big'', ''audit.capture()'')',
    'audit.snapshot(''person_view'', ''audit.capture()'')']
  LOOP
    BEGIN
      EXECUTE 'SELECT ' || call;
      RAISE NOTICE '%: no error', call;
    EXCEPTION WHEN others THEN
      GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
      RAISE NOTICE '%: %', call, concat_ws(' ', state, message, '(' || nullif(hint, '') || ')');
    END;
  END LOOP;
END $$;
TABLE tracked;
DROP TABLE person CASCADE;

-- Options follow a rename of the column, the table, the schema
CREATE TABLE account (id int PRIMARY KEY, "secret Word" text, pin text, shown text);
CREATE TABLE account_more (extra text) INHERITS (account);
SELECT audit.enable('account', exclude => '{"secret Word"}', mask => '{pin}');
ALTER TABLE account RENAME "secret Word" TO "Ge,heim""nis{}";
ALTER TABLE account RENAME COLUMN pin TO "PIN";
ALTER TABLE account RENAME shown TO displayed;
TABLE tracked;
BEGIN;
INSERT INTO account VALUES (1, 'hidden', 'hidden', 'shown');
INSERT INTO account_more VALUES (2, 'hidden', 'hidden', 'shown', 'shown');
UPDATE account SET "Ge,heim""nis{}" = 'hidden!', "PIN" = 'hidden!';
TABLE news;
ROLLBACK;
ALTER TABLE account RENAME TO "Account ü";
ALTER SCHEMA tracking RENAME TO tracking_moved;
SET search_path = tracking_moved;
BEGIN;
INSERT INTO "Account ü" VALUES (1, 'hidden', 'hidden', 'shown');
SELECT o.schema_name, n.* FROM news n, audit.objects o WHERE o.txid = pg_current_xact_id_if_assigned();
ROLLBACK;
ALTER SCHEMA tracking_moved RENAME TO tracking;
SET search_path = tracking;
DROP TABLE "Account ü" CASCADE;

-- Columns are added, dropped and change type between two statements of a
-- session that has recorded rows of the table before
CREATE TABLE shape (id int PRIMARY KEY, a int, b text);
SELECT audit.enable('shape', mask => '{b}');
INSERT INTO shape VALUES (1, 1, 'x');
BEGIN;
ALTER TABLE shape ADD c numeric(6,2) DEFAULT 1.50, ADD d int[] NOT NULL DEFAULT '{1,2}';
UPDATE shape SET a = 2;
ALTER TABLE shape DROP b;
INSERT INTO shape VALUES (2, 2);
ALTER TABLE shape ALTER a TYPE text USING a || '!', ALTER c TYPE float8;
UPDATE shape SET a = 'three';
ALTER TABLE shape ADD b jsonb DEFAULT '{"k": 1}';
DELETE FROM shape WHERE id = 2;
ALTER TABLE shape DROP CONSTRAINT shape_pkey, ADD PRIMARY KEY (a, id);
UPDATE shape SET d = NULL || d;
ALTER TABLE shape ALTER id SET DATA TYPE bigint, ALTER d SET STORAGE external;
UPDATE shape SET c = 'NaN';
TABLE news;
COMMIT;
CREATE TYPE pair AS (x int, y text);
ALTER TABLE shape ADD p pair;
UPDATE shape SET p = (1, 'one');
ALTER TYPE pair ADD ATTRIBUTE z date, DROP ATTRIBUTE x CASCADE;
BEGIN; UPDATE shape SET p.z = '2020-01-01'; TABLE news; COMMIT;
DROP TABLE shape;

-- Keys: none, composite, a replica identity index, one that is excluded or
-- masked, and one of every column
CREATE TABLE no_key (a int, b text);
CREATE TABLE composite (b text, a int, c date, PRIMARY KEY (c, a, b));
CREATE TABLE identity (a int NOT NULL, b text NOT NULL UNIQUE);
ALTER TABLE identity REPLICA IDENTITY USING INDEX identity_b_key;
CREATE TABLE covering (a int, b int, PRIMARY KEY (a) INCLUDE (b));
CREATE TABLE deferred (a int PRIMARY KEY DEFERRABLE);
CREATE TABLE secret_key (a text, b int, PRIMARY KEY (a, b));
CREATE TABLE full_identity (a int);
ALTER TABLE full_identity REPLICA IDENTITY FULL;
CREATE TABLE no_columns ();
SELECT audit.enable(t) FROM unnest('{no_key,composite,identity,covering,deferred,full_identity,no_columns}'::regclass[]) t;
SELECT audit.enable('secret_key', exclude => '{a}');
BEGIN;
INSERT INTO no_key VALUES (1, 'x'), (1, 'x');
DELETE FROM no_key;
INSERT INTO composite VALUES (E'q"\\', 5, '2020-02-03');
UPDATE composite SET a = 6;
INSERT INTO identity VALUES (1, 'k');
INSERT INTO covering VALUES (1, 2);
INSERT INTO deferred VALUES (1);
INSERT INTO secret_key VALUES ('s', 1);
INSERT INTO full_identity VALUES (1);
INSERT INTO no_columns DEFAULT VALUES;
TABLE news;
COMMIT;
SELECT audit.enable('secret_key', mask => '{a}');
BEGIN; UPDATE secret_key SET b = 2; TABLE news; COMMIT;
ALTER TABLE identity REPLICA IDENTITY DEFAULT;
ALTER TABLE no_key ADD PRIMARY KEY (a);
BEGIN; UPDATE identity SET a = 2; INSERT INTO no_key VALUES (3); TABLE news; COMMIT;
ALTER TABLE identity ADD PRIMARY KEY (a);
ALTER TABLE no_key DROP CONSTRAINT no_key_pkey;
BEGIN; UPDATE identity SET a = 3; INSERT INTO no_key VALUES (3); TABLE news; COMMIT;

-- 1600 columns
DO $$
BEGIN
  EXECUTE (SELECT 'CREATE TABLE wide (' || string_agg(format('c%s int', g), ', ' ORDER BY g) || ')' FROM generate_series(1, 1600) g);
  PERFORM audit.enable('wide');
  EXECUTE (SELECT 'INSERT INTO wide VALUES (' || string_agg(g::text, ', ' ORDER BY g) || ')' FROM generate_series(1, 1600) g);
  UPDATE wide SET c1600 = NULL;
END $$;
SELECT o.operation, o.entity::text = row_to_json(w)::text AS same, old_values
  FROM wide w, audit.objects o WHERE schema_name = 'tracking' AND dao_name = 'wide' AND operation = 'update';
DROP TABLE wide;

-- Names that need quoting, name options, or lie at the limit of a name
CREATE TABLE "Ta ble"".,;'$\ü" ("co l,umn" int PRIMARY KEY, "exclude={x}" text, "a'b" text, "{" text, "}" text, "\" text, "ß漢" text, "null" text, " " text);
SELECT audit.enable('"Ta ble"".,;''$\ü"', exclude => ARRAY['exclude={x}', 'a''b', '{', '\'], mask => ARRAY['}', 'ß漢', 'null', ' ']);
SELECT table_name, exclude, mask FROM audit.tracked_tables WHERE schema_name = 'tracking' AND table_name LIKE 'Ta%';
BEGIN;
INSERT INTO "Ta ble"".,;'$\ü" VALUES (1, 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x');
TABLE news;
COMMIT;
DO $$
DECLARE
  long text := repeat('ü', 31) || 'x';
BEGIN
  EXECUTE format('CREATE TABLE %I (%I int PRIMARY KEY) PARTITION BY RANGE (%2$I)', long, long);
  EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', 'p' || repeat('ü', 31), long);
  PERFORM audit.enable(long::regclass);
  EXECUTE format('INSERT INTO %I VALUES (1)', long);
  EXECUTE format('TRUNCATE %I', long);
END $$;
SELECT dao_name, partition_name, operation, entity FROM audit.objects WHERE dao_name LIKE 'üü%' AND operation <> 'ddl' ORDER BY id;
-- reserved by the format of the options, yet legal names of tables and schemas
CREATE TABLE "select" ("from" int PRIMARY KEY);
SELECT audit.enable('"select"');
BEGIN; INSERT INTO "select" VALUES (1); TABLE news; COMMIT;

-- Temporary, unlogged and foreign tables
CREATE TEMP TABLE scratch (id int PRIMARY KEY);
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE far (id int) SERVER nowhere;
SELECT audit.enable('scratch'), audit.enable('unlogged'), audit.enable('far');
BEGIN;
INSERT INTO scratch VALUES (1);
INSERT INTO unlogged VALUES (1);
TRUNCATE scratch;
SELECT dao_name, operation, entity FROM news;
COMMIT;
BEGIN;
CREATE TEMP TABLE gone_too (id int) ON COMMIT DROP;
SELECT audit.enable('gone_too');
INSERT INTO gone_too VALUES (1);
COMMIT;
SELECT dao_name, operation, entity FROM audit.objects WHERE dao_name = 'gone_too' AND operation = 'create';
DROP TABLE scratch;
DROP SERVER nowhere CASCADE;
DROP FOREIGN DATA WRAPPER nothing;

-- A table made, tracked, written and dropped in one transaction
BEGIN;
CREATE TABLE brief (id int PRIMARY KEY);
SELECT audit.enable('brief');
INSERT INTO brief VALUES (1), (2);
DROP TABLE brief;
SELECT dao_name, operation, entity FROM news;
COMMIT;

-- enable_all: the tables of a schema, and those made later
CREATE SCHEMA "All of it";
CREATE TABLE "All of it".first (id int PRIMARY KEY, password_hash text);
CREATE TABLE "All of it".parted (id int, password_hash text) PARTITION BY LIST (id);
CREATE TABLE "All of it".parted_1 PARTITION OF "All of it".parted FOR VALUES IN (1);
CREATE VIEW "All of it".view AS SELECT 1;
SELECT audit.enable_all('All of it', exclude => '{password_hash,other}', skip_unchanged => true);
CREATE TABLE "All of it".second (id int PRIMARY KEY, other text, third text);
CREATE TABLE "All of it".made AS SELECT 1 AS id, 'x' AS password_hash;
SELECT 1 AS id INTO "All of it".into_it;
CREATE TABLE "All of it".parted_2 PARTITION OF "All of it".parted FOR VALUES IN (2);
CREATE TABLE "All of it".like_it (LIKE "All of it".first INCLUDING ALL);
CREATE TABLE IF NOT EXISTS "All of it".first (id int);
CREATE TABLE elsewhere (id int);
CREATE SCHEMA inline CREATE TABLE inline_t (id int);
SELECT schema_name, table_name, exclude, skip_unchanged FROM audit.tracked_tables
  WHERE schema_name IN ('All of it', 'inline') OR table_name = 'elsewhere' ORDER BY 1, 2;
BEGIN;
INSERT INTO "All of it".second VALUES (1, 'hidden', 'x');
INSERT INTO "All of it".made VALUES (2, 'hidden');
INSERT INTO "All of it".parted VALUES (1, 'hidden'), (2, 'hidden');
TABLE news;
ROLLBACK;
-- what CREATE TABLE AS wrote itself
SELECT dao_name, operation, entity FROM audit.objects
  WHERE schema_name = 'All of it' AND operation = 'snapshot' ORDER BY id;
-- a table that moves into the schema, and one that becomes a child of a
-- tracked table, are new to it
ALTER TABLE elsewhere SET SCHEMA "All of it";
CREATE TABLE adopted (id int NOT NULL, password_hash text);
ALTER TABLE adopted INHERIT "All of it".first;
BEGIN;
INSERT INTO "All of it".elsewhere VALUES (1);
INSERT INTO adopted VALUES (1, 'hidden');
UPDATE "All of it".first SET id = 2;
TABLE news;
ROLLBACK;
ALTER TABLE adopted NO INHERIT "All of it".first;
DROP TABLE adopted;
-- the rule can be changed and taken back
SELECT audit.enable_all('All of it');
SELECT schema_name, exclude, skip_unchanged FROM audit.tracking_rules;
SELECT audit.disable_all('All of it');
CREATE TABLE "All of it".late (id int);
SELECT count(*) FROM audit.tracked_tables WHERE schema_name = 'All of it';
SELECT count(*) FROM audit.tracking_rules;
-- the whole database
SELECT audit.enable_all(snapshot => false) > 0;
SELECT DISTINCT schema_name FROM audit.tracked_tables WHERE schema_name IN ('All of it', 'inline', 'tracking') ORDER BY 1;
CREATE TABLE inline.second (id int PRIMARY KEY);
CREATE TEMP TABLE passing (id int);
BEGIN; INSERT INTO inline.second VALUES (1); INSERT INTO passing VALUES (1); TABLE news; ROLLBACK;
-- an ordinary role's new table is tracked though it has no right on the schema
CREATE ROLE tracking_user;
GRANT USAGE, CREATE ON SCHEMA inline TO tracking_user;
SET ROLE tracking_user;
CREATE TABLE inline.by_user (id int PRIMARY KEY);
INSERT INTO inline.by_user VALUES (1);
ALTER TABLE inline.by_user ADD v text;
DROP TABLE inline.by_user;
RESET ROLE;
SELECT operation, entity FROM audit.objects WHERE dao_name = 'by_user' AND operation = 'create';
SELECT audit.disable_all() > 0;
SELECT count(*) FROM audit.tracked_tables;
SELECT count(*) FROM pg_trigger WHERE tgfoid = 'audit.capture'::regproc;

-- Off: no record; on again: records
SELECT audit.enable('identity');
SET audit.enabled = off;
BEGIN; UPDATE identity SET b = 'off'; TRUNCATE identity; TABLE news; ROLLBACK;
RESET audit.enabled;
BEGIN; UPDATE identity SET b = 'on'; TABLE news; ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA tracking, "All of it", inline CASCADE;
DROP ROLE tracking_user;
