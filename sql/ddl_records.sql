-- Definitions that weaken auditing, and changes of its settings, leave a record
-- of their own.
\pset null -
\set SHOW_CONTEXT never
CREATE SCHEMA ddl_records;
SET search_path = ddl_records;
CREATE VIEW news AS
  SELECT schema_name, dao_name, entity_key,
    entity->>'command_tag' AS tag, entity->>'object_type' AS type, replace(entity->>'object_identity', 'pg_catalog.', '') AS identity,
    entity->>'details' AS details, entity->>'setting' AS setting, entity->>'value' AS value,
    entity->>'database' = current_database() AS this_db, entity->>'role' AS role
  FROM audit.objects
  WHERE txid = pg_current_xact_id_if_assigned() AND operation = 'ddl'
  ORDER BY id;
CREATE VIEW ddl AS SELECT dao_name, tag, type, identity, details FROM news;
CREATE VIEW settings AS SELECT schema_name, dao_name, entity_key, tag, setting, value, this_db, role FROM news;
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
CREATE TABLE other (id int);
SELECT audit.enable('t', exclude => '{b}');

-- Triggers of a tracked table
BEGIN; DROP TRIGGER _audit_log ON t; TABLE ddl; ROLLBACK;
BEGIN; DROP TRIGGER audit_log_truncate ON t; TABLE ddl; ROLLBACK;
BEGIN; SELECT audit.disable('t'); TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t DISABLE TRIGGER _audit_log; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t DISABLE TRIGGER ALL; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t DISABLE TRIGGER USER; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t ENABLE TRIGGER _audit_log; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t ENABLE REPLICA TRIGGER _audit_log; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t ENABLE ALWAYS TRIGGER _audit_log, ENABLE ALWAYS TRIGGER audit_log_truncate; TABLE ddl; ROLLBACK;
-- what strengthens does not cover what weakens beside it
BEGIN; ALTER TABLE t ENABLE ALWAYS TRIGGER audit_log_truncate, DISABLE TRIGGER _audit_log; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t DISABLE TRIGGER _audit_log, ENABLE ALWAYS TRIGGER audit_log_truncate; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0), DISABLE TRIGGER _audit_log; TABLE ddl; ROLLBACK;
-- Who dropped the constraint, also when it went with something else?
CREATE TABLE referenced (id int PRIMARY KEY);
CREATE FUNCTION is_good(int) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE TABLE limited (id int PRIMARY KEY CONSTRAINT good CHECK (is_good(id)), r int CONSTRAINT refers REFERENCES referenced, n int NOT NULL DEFAULT 0,
  CONSTRAINT more CHECK (id > n));
SELECT audit.enable('limited');
BEGIN; ALTER TABLE limited DROP CONSTRAINT refers, ALTER n DROP NOT NULL, ALTER n DROP DEFAULT, ALTER n SET DEFAULT 1, ALTER n SET NOT NULL; TABLE ddl; ROLLBACK;
BEGIN; DROP TABLE referenced CASCADE; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE referenced DROP CONSTRAINT referenced_pkey CASCADE; TABLE ddl; ROLLBACK;
BEGIN; DROP FUNCTION is_good CASCADE; TABLE ddl; ROLLBACK;
-- which is a constraint of its own since version 18
ALTER TABLE limited ALTER n DROP NOT NULL;
BEGIN; ALTER TABLE limited DROP n; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE limited ALTER n TYPE bigint; TABLE ddl; ROLLBACK;
BEGIN; DROP TABLE limited; TABLE ddl; ROLLBACK;
DROP TABLE limited, referenced; DROP FUNCTION is_good;
-- An event trigger that comes before ours may
-- switch ours off and drop more, and what it saw dropped has its record all the same.
CREATE FUNCTION first() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
  IF tg_tag = 'DROP TRIGGER' THEN
    EXECUTE 'DROP TABLE other'; EXECUTE 'ALTER EVENT TRIGGER audit_log_sql_drop DISABLE';
  END IF;
END$$;
CREATE EVENT TRIGGER a_first ON sql_drop EXECUTE FUNCTION first();
BEGIN; SELECT audit.enable('other'); DROP TRIGGER _audit_log ON t; TABLE ddl; ROLLBACK;
DROP EVENT TRIGGER a_first; DROP FUNCTION first;
-- Our own tables: nothing would fill a column or check a constraint.
ALTER TABLE audit.audit_objects ADD x int NOT NULL DEFAULT 1;
ALTER TABLE audit.audit_requests ADD CONSTRAINT x CHECK (status < 600);
-- what is enabled again fires always, as it did before, unless it is not to
CREATE TABLE quiet (id int PRIMARY KEY);
SELECT audit.enable('quiet', record_applied => false);
CREATE TABLE whole (id int) PARTITION BY LIST (id);
CREATE TABLE whole_1 PARTITION OF whole FOR VALUES IN (1);
SELECT audit.enable('whole');
CREATE VIEW weak AS SELECT tgrelid::regclass AS on_table, tgname, tgenabled FROM pg_trigger
  WHERE tgenabled <> 'A' AND NOT tgisinternal ORDER BY tgrelid::regclass::text, tgname;
TABLE weak;
BEGIN; ALTER TABLE t DISABLE TRIGGER ALL; TABLE weak; ALTER TABLE t ENABLE TRIGGER ALL; TABLE weak; ROLLBACK;
BEGIN; ALTER TABLE t ENABLE TRIGGER USER; ALTER TABLE quiet DISABLE TRIGGER ALL; ALTER TABLE quiet ENABLE TRIGGER ALL; TABLE weak; ROLLBACK;
BEGIN; ALTER TABLE whole DISABLE TRIGGER ALL; ALTER TABLE whole ENABLE TRIGGER ALL; TABLE weak; ROLLBACK;
BEGIN; ALTER TABLE whole_1 ENABLE TRIGGER ALL; ALTER TABLE audit.audit_objects ENABLE TRIGGER ALL; ALTER TABLE audit.ledger_blocks ENABLE TRIGGER USER; TABLE weak; ROLLBACK;
DROP VIEW weak; DROP TABLE quiet, whole;
-- a trigger under another name could be dropped unseen
ALTER TRIGGER _audit_log ON t RENAME TO innocent;
-- replaced by a weaker one, or by one that does something else
BEGIN; CREATE OR REPLACE TRIGGER _audit_log AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION audit.capture('skip_unchanged'); TABLE ddl; ROLLBACK;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
BEGIN; CREATE OR REPLACE TRIGGER _audit_log AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing(); TABLE ddl; ROLLBACK;
BEGIN; CREATE TRIGGER mine AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing(); ALTER TRIGGER mine ON t RENAME TO yours; DROP TRIGGER yours ON t; TABLE ddl; ROLLBACK;
-- one that somebody made is known by its name too, and leaves a record beside another
CREATE TRIGGER innocent AFTER INSERT OR UPDATE OR DELETE ON other FOR EACH ROW EXECUTE FUNCTION audit.capture();
BEGIN; CREATE TRIGGER audit_log_2 AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture('exclude={a}'); TABLE ddl; ROLLBACK;
BEGIN;
CREATE TRIGGER audit_log_2 AFTER INSERT OR UPDATE OR DELETE ON other FOR EACH ROW EXECUTE FUNCTION audit.capture();
CREATE OR REPLACE TRIGGER audit_log_2 AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION nothing();
TABLE ddl;
ROLLBACK;
-- the triggers of the audit tables
BEGIN; ALTER TABLE audit.audit_objects DISABLE TRIGGER audit_log_protect; TABLE ddl; ROLLBACK;
BEGIN; DROP TRIGGER audit_log_protect ON audit.audit_requests; TABLE ddl; ROLLBACK;
-- what they call, and what sees all this
SELECT count(*) FROM audit.objects WHERE dao_name = 'event_triggers';
BEGIN; CREATE OR REPLACE FUNCTION audit.capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; TABLE ddl; ROLLBACK;
BEGIN; ALTER FUNCTION audit.capture() SET audit.enabled = off; TABLE ddl; ROLLBACK;
BEGIN; ALTER EVENT TRIGGER audit_log_sql_drop DISABLE; SELECT schema_name, tag, identity FROM news; ROLLBACK;
BEGIN; ALTER EVENT TRIGGER audit_log_sql_drop RENAME TO harmless; ALTER EVENT TRIGGER harmless DISABLE; SELECT schema_name, tag, identity FROM news; ROLLBACK;
BEGIN; ALTER EXTENSION audit_log DROP EVENT TRIGGER audit_log_sql_drop; DROP EVENT TRIGGER audit_log_sql_drop; SELECT schema_name, dao_name, tag, identity FROM news; ROLLBACK;
BEGIN; ALTER FUNCTION audit.begin_request SET SCHEMA public; TABLE ddl; ROLLBACK;
BEGIN; CREATE OR REPLACE VIEW audit.keys AS SELECT k.id, k.algorithm, k.public_key, k.first_use FROM audit.signing_keys k WHERE false; TABLE ddl; ROLLBACK;
BEGIN; ALTER VIEW audit.keys RENAME TO other_keys; TABLE ddl; ROLLBACK;
-- the schema may change hands, but not its name
BEGIN; ALTER SCHEMA audit OWNER TO audit_log_owner; TABLE ddl; ROLLBACK;
ALTER SCHEMA audit RENAME TO elsewhere;

-- The table itself
BEGIN; ALTER TABLE t ADD c int, DROP COLUMN a; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t ALTER a TYPE bigint; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t RENAME a TO aa; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t RENAME b TO bb; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t RENAME TO tt; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t SET SCHEMA public; TABLE ddl; ROLLBACK;
-- under other names of the command; a renamed column stays excluded
BEGIN; ALTER INDEX t RENAME TO tt; TABLE ddl; ROLLBACK;
BEGIN; ALTER VIEW t RENAME b TO bb; SELECT * FROM ddl WHERE tag <> 'DROP TRIGGER'; SELECT exclude FROM audit.tracked_tables WHERE table_name = 't'; ROLLBACK;
BEGIN; ALTER MATERIALIZED VIEW t RENAME b TO bb; SELECT * FROM ddl WHERE tag <> 'DROP TRIGGER'; SELECT exclude FROM audit.tracked_tables WHERE table_name = 't'; ROLLBACK;
BEGIN; ALTER TYPE t RENAME ATTRIBUTE b TO bb; SELECT * FROM ddl WHERE tag <> 'DROP TRIGGER'; SELECT exclude FROM audit.tracked_tables WHERE table_name = 't'; ROLLBACK;
BEGIN; ALTER SCHEMA ddl_records RENAME TO renamed; SET LOCAL search_path = renamed; TABLE ddl; ROLLBACK;
BEGIN; ALTER SCHEMA ddl_records OWNER TO audit_log_owner; TABLE ddl; ROLLBACK;
-- the type that a table is made of
CREATE TYPE model AS (id int, b text);
CREATE TABLE modelled OF model (PRIMARY KEY (id));
SELECT audit.enable('modelled', exclude => '{b}');
BEGIN; ALTER TYPE model RENAME ATTRIBUTE b TO bb CASCADE; SELECT * FROM ddl WHERE tag <> 'DROP TRIGGER'; SELECT exclude FROM audit.tracked_tables WHERE table_name = 'modelled'; ROLLBACK;
BEGIN; ALTER TYPE model DROP ATTRIBUTE b CASCADE; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t OWNER TO audit_log_owner; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE t REPLICA IDENTITY FULL; TABLE ddl; ROLLBACK;
BEGIN; DROP TABLE t; TABLE ddl; ROLLBACK;
BEGIN; CREATE SCHEMA s; ALTER TABLE t SET SCHEMA s; SET LOCAL client_min_messages = warning; DROP SCHEMA s CASCADE; TABLE ddl; ROLLBACK;
-- a partition, and the whole
CREATE TABLE p (id int) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
SELECT audit.enable('p');
BEGIN; DROP TABLE p1; SELECT * FROM ddl ORDER BY 1; ROLLBACK;
BEGIN; DROP TABLE p; SELECT * FROM ddl ORDER BY 1; ROLLBACK;
BEGIN; ALTER TABLE p DETACH PARTITION p1; SELECT * FROM ddl WHERE tag = 'ALTER TABLE'; ROLLBACK;
-- the columns of tables that are tracked by themselves change with those of one that is not
CREATE TABLE plain (id int, a int, b text) PARTITION BY LIST (id);
CREATE TABLE plain_1 PARTITION OF plain FOR VALUES IN (1) PARTITION BY LIST (a);
CREATE TABLE plain_1_1 PARTITION OF plain_1 FOR VALUES IN (1);
CREATE TABLE plain_2 PARTITION OF plain FOR VALUES IN (2);
CREATE TABLE parent (id int, a int);
CREATE TABLE child (b text) INHERITS (parent);
CREATE TABLE grandchild () INHERITS (child);
SELECT audit.enable('plain_1'), audit.enable('grandchild', mask => '{a}');
BEGIN; ALTER TABLE plain ADD c int, DROP COLUMN b; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE plain RENAME b TO bb; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE parent ADD c int; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE parent ALTER a TYPE bigint; TABLE ddl; ROLLBACK;
BEGIN; ALTER TABLE parent RENAME a TO aa; SELECT * FROM ddl WHERE tag <> 'DROP TRIGGER'; ROLLBACK;
BEGIN; ALTER TABLE child DROP COLUMN b; TABLE ddl; ROLLBACK;
-- what concerns the parent alone leaves nothing, nor do the others
BEGIN; ALTER TABLE plain DETACH PARTITION plain_1; ALTER TABLE plain OWNER TO audit_log_owner; ALTER TABLE parent REPLICA IDENTITY FULL; TABLE ddl; ROLLBACK;
SELECT audit.disable('plain_1'), audit.disable('grandchild');
BEGIN; ALTER TABLE plain ADD c int; ALTER TABLE parent ADD c int; TABLE ddl; ROLLBACK;
DROP TABLE plain, grandchild, child, parent;
-- what is not tracked leaves nothing
BEGIN; ALTER TABLE other ADD x int; DROP TABLE other; CREATE TABLE new (id int); CREATE VIEW v AS SELECT 1; DROP VIEW v; TABLE ddl; ROLLBACK;
-- rolled back with the change
BEGIN; SAVEPOINT a; DROP TABLE t; ROLLBACK TO a; TABLE ddl; COMMIT;

-- What tables that come later are promised
CREATE SCHEMA later;
BEGIN; SELECT audit.enable_all('later'); TABLE ddl; SELECT audit.enable_all('later', exclude => '{a}'); TABLE ddl; ROLLBACK;
BEGIN; SELECT audit.enable_all('later'); SELECT audit.disable_all('later'); TABLE ddl; ROLLBACK;
DROP SCHEMA later;

-- Settings
BEGIN; ALTER ROLE audit_log_reader SET audit.enabled = off; TABLE settings; ROLLBACK;
BEGIN; ALTER ROLE ALL SET audit.ignore_tables = 't'; TABLE settings; ROLLBACK;
BEGIN; ALTER ROLE audit_log_reader RESET audit.enabled; ALTER ROLE audit_log_reader RESET ALL; TABLE settings; ROLLBACK;
DO $$
BEGIN
  EXECUTE format('ALTER DATABASE %I SET audit.record_ttl = 5', current_database());
  EXECUTE format('ALTER ROLE audit_log_reader IN DATABASE %I SET audit.ignore_paths = ''x''', current_database());
  EXECUTE format('ALTER DATABASE %I RESET audit.record_ttl', current_database());
  EXECUTE format('ALTER ROLE audit_log_reader IN DATABASE %I RESET ALL', current_database());
END $$;
SELECT entity->>'command_tag' AS tag, entity->>'setting' AS setting, entity->>'value' AS value,
    entity->>'database' = current_database() AS this_db, entity->>'role' AS role
  FROM audit.objects WHERE txid = (SELECT max(txid) FROM audit.objects) ORDER BY id;
-- ALTER SYSTEM runs outside a transaction block
ALTER SYSTEM SET audit.enabled = off;
ALTER SYSTEM RESET audit.enabled;
SELECT entity->>'command_tag' AS tag, entity->>'setting' AS setting, entity->>'value' AS value
  FROM audit.objects WHERE operation = 'ddl' AND entity->>'command_tag' = 'ALTER SYSTEM' ORDER BY id DESC LIMIT 2;
-- also in a session that may only read
SET default_transaction_read_only = on;
ALTER SYSTEM SET audit.record_ttl = 5;
ALTER SYSTEM RESET audit.record_ttl;
RESET default_transaction_read_only;
SELECT entity->>'setting' AS setting, entity->>'value' AS value
  FROM audit.objects WHERE operation = 'ddl' AND entity->>'command_tag' = 'ALTER SYSTEM' ORDER BY id DESC LIMIT 2;
BEGIN; SET LOCAL audit.record_ttl = 77; ALTER ROLE audit_log_reader SET audit.record_ttl FROM CURRENT; TABLE settings; ROLLBACK;
-- who may change them, and who owns the log
CREATE ROLE ddl_records_suspect;
BEGIN; GRANT SET, ALTER SYSTEM ON PARAMETER audit.enabled, work_mem TO ddl_records_suspect, audit_log_reader; REVOKE SET ON PARAMETER audit.enabled FROM audit_log_reader; GRANT SET ON PARAMETER audit.record_ttl TO PUBLIC; TABLE settings; ROLLBACK;
BEGIN; GRANT audit_log_owner, audit_log_reader TO ddl_records_suspect; REVOKE audit_log_owner FROM ddl_records_suspect; TABLE settings; ROLLBACK;
BEGIN; ALTER ROLE ddl_records_suspect SET session_replication_role = replica; TABLE settings; ROLLBACK;
DROP ROLE ddl_records_suspect;
-- other settings leave nothing, nor does a refused command, nor a session's own
BEGIN; ALTER ROLE audit_log_reader SET work_mem = '1MB'; ALTER ROLE audit_log_reader SET audit.workspace = 'x'; TABLE settings; ROLLBACK;
BEGIN; SAVEPOINT a; ALTER ROLE audit_log_reader SET audit.record_ttl = 'soon'; ROLLBACK TO a; ALTER ROLE audit_log_reader SET audit.ignore_paths = '('; ROLLBACK TO a; TABLE settings; ROLLBACK;
BEGIN; SET audit.enabled = off; SET audit.enabled = on; TABLE settings; ROLLBACK;
BEGIN READ ONLY; SET LOCAL audit.enabled = off; TABLE settings; ROLLBACK;

-- A cast to json decides what is recorded of a value: making it and changing its function leaves a record
CREATE TYPE verdict AS ENUM ('guilty', 'innocent');
CREATE TABLE verdicts (id int PRIMARY KEY, v verdict);
SELECT audit.enable('verdicts');
CREATE FUNCTION shown(verdict) RETURNS json LANGUAGE sql AS $$SELECT '"innocent"'::json$$;
BEGIN; CREATE CAST (verdict AS json) WITH FUNCTION shown(verdict); TABLE ddl; COMMIT;
INSERT INTO verdicts VALUES (1, 'guilty');
-- a session that has used the cast takes up its function's other language
BEGIN; CREATE OR REPLACE FUNCTION shown(verdict) RETURNS json LANGUAGE plpgsql AS $$BEGIN RETURN '"unknown"'; END$$; TABLE ddl; COMMIT;
INSERT INTO verdicts VALUES (2, 'guilty');
SELECT entity FROM audit.objects WHERE dao_name = 'verdicts' ORDER BY id;
-- other casts and functions leave none
BEGIN; CREATE FUNCTION other(verdict) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (verdict AS int) WITH FUNCTION other(verdict); TABLE ddl; ROLLBACK;

-- A transaction whose records nobody would write cannot commit
ALTER TABLE audit.audit_objects DISABLE TRIGGER audit_log_flush;
INSERT INTO t VALUES (1);
ALTER TABLE audit.audit_objects ENABLE REPLICA TRIGGER audit_log_flush;
INSERT INTO t VALUES (1);
SELECT count(*) FROM t;
ALTER TABLE audit.audit_objects ENABLE TRIGGER audit_log_flush;
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO t VALUES (1);
SELECT operation, entity FROM audit.objects WHERE txid = pg_current_xact_id_if_assigned() ORDER BY id;
ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA ddl_records CASCADE;
