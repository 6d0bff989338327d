-- The functions of the extension refuse to be used in any way but their own,
-- and nothing that is passed to them harms the server.
\pset null -
\set SHOW_CONTEXT never
CREATE SCHEMA trigger_misuse;
SET search_path = trigger_misuse;
CREATE TABLE t (id int PRIMARY KEY, v text);
-- Runs each command and shows what comes of it
CREATE FUNCTION try(VARIADIC commands text[]) RETURNS TABLE (command text, result text) LANGUAGE plpgsql AS $$
DECLARE
  state text;
  message text;
BEGIN
  FOREACH command IN ARRAY commands LOOP
    BEGIN
      EXECUTE command;
      result := 'accepted';
    EXCEPTION WHEN others THEN
      GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
      result := state || ' ' || message;
    END;
    RETURN NEXT;
  END LOOP;
END $$;
-- Gives t a trigger, writes, and takes it back
CREATE FUNCTION misuse(declaration text, write text DEFAULT 'INSERT INTO t VALUES (1)') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  state text;
  message text;
  hint text;
  recorded bigint := (SELECT count(*) FROM audit.objects WHERE schema_name = 'trigger_misuse' AND operation <> 'ddl');
BEGIN
  BEGIN
    EXECUTE format(declaration, 'x');
    EXECUTE write;
    RAISE 'accepted, % recorded', (SELECT count(*) - recorded FROM audit.objects WHERE schema_name = 'trigger_misuse' AND operation <> 'ddl')
      USING ERRCODE = 'P0000';
  EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', nullif(state, 'P0000'), message, '(' || nullif(hint, '') || ')');
  END;
END $$;

-- capture() as another kind of trigger
SELECT misuse('CREATE TRIGGER audit_log_x BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_x BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_x BEFORE TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION audit.capture()', 'TRUNCATE t');
SELECT misuse('CREATE CONSTRAINT TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE CONSTRAINT TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE CONSTRAINT TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit.capture()',
  'INSERT INTO t VALUES (1); SET CONSTRAINTS ALL IMMEDIATE');
SELECT misuse('CREATE VIEW v AS SELECT * FROM t; CREATE TRIGGER audit_log_x INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION audit.capture()', 'INSERT INTO v VALUES (1)');
-- for some of the changes only
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OF v OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW WHEN (true) EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER UPDATE ON t REFERENCING OLD TABLE AS o FOR EACH ROW EXECUTE FUNCTION audit.capture()', 'INSERT INTO t VALUES (1); UPDATE t SET v = 1');
-- with arguments that are no options
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture(''nonsense'')');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture(''exclude={'')');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture(''exclude='')');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture(''exclude={NULL,{v}}'')');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture('''')');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture(''mask={no_such_column}'')');
SELECT misuse('CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture(' || string_agg(quote_literal('skip_unchanged'), ',') || ')')
  FROM generate_series(1, 2000);
-- a second one beside that of audit.enable() neither doubles nor hides, and none has a name that would not be known once it is gone
SELECT audit.enable('t');
SELECT misuse('CREATE TRIGGER aaa AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_zzz AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_aaa AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_aaa AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION audit.capture()');
SELECT misuse('CREATE TRIGGER audit_log_aaa AFTER TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION audit.capture()', 'TRUNCATE t');
-- the other trigger functions, on tables that are not theirs
SELECT misuse('CREATE TRIGGER x AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION audit.flush()');
SELECT misuse('CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION audit.flush()');
SELECT misuse('CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION audit.flush()');
SELECT misuse('CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION audit.protect()');
SELECT misuse('CREATE TRIGGER x AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION audit.protect()', 'UPDATE t SET v = 1');
SELECT audit.disable('t');

-- What is wrong with a trigger shows where the tables are listed, and keeps
-- nobody from reading the list, renaming a column or looking at other tables.
BEGIN;
CREATE FUNCTION give(name text, arguments text, event text DEFAULT 'AFTER INSERT OR UPDATE OR DELETE', condition text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE %I (a int PRIMARY KEY, b text)', name);
  EXECUTE format('CREATE TRIGGER audit_log_x %s ON %I FOR EACH ROW %s EXECUTE FUNCTION audit.capture(%s)', event, name, condition, arguments);
END $$;
SELECT give(name, quote_literal(argument)) FROM (VALUES ('half a list', 'exclude={'), ('no list', 'mask=x'), ('empty', 'exclude='),
    ('deep', 'mask=' || repeat('{', 7) || 'a' || repeat('}', 7)), ('unbalanced', 'exclude={{a},{b,a}}'), ('bounds', 'mask=[2:1]={}'),
    ('upper case', 'EXCLUDE={a}'), ('unknown', 'nonsense'), ('nothing', ''), ('nested', 'exclude={{a},{b}}'), ('null', 'mask={NULL,b}')) AS v (name, argument);
SELECT give('twice', $$'exclude={a}', 'exclude={b}'$$), give('second', $$'exclude={a}', 'mask={'$$), give('skips', $$'skip_unchanged'$$),
  give('inserts', '', 'AFTER INSERT'), give('some columns', '', 'AFTER INSERT OR UPDATE OF b OR DELETE'),
  give('condition', '', condition => 'WHEN (pg_trigger_depth() = 0)'), give('before', '', 'BEFORE INSERT OR UPDATE OR DELETE');
SELECT table_name, exclude, mask, skip_unchanged, problem FROM audit.tracked_tables WHERE schema_name = 'trigger_misuse' ORDER BY table_name COLLATE "C";
-- the list says what writing does
CREATE FUNCTION writes(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('INSERT INTO %I VALUES (1)', name);
  RETURN 'recorded';
EXCEPTION WHEN others THEN
  RETURN 'refused';
END $$;
SELECT table_name, problem, writes(table_name) FROM audit.tracked_tables
WHERE schema_name = 'trigger_misuse' AND (problem IS NULL) <> (writes(table_name) = 'recorded');
SELECT entity FROM audit.objects WHERE dao_name = 'twice' AND operation = 'create';
-- a child with such a trigger, and what needs its list
CREATE TABLE parent (a int, b text);
CREATE TABLE child () INHERITS (parent);
SELECT audit.enable('parent', mask => '{b}');
DROP TRIGGER _audit_log ON child;
CREATE TRIGGER audit_log_x AFTER INSERT OR UPDATE OR DELETE ON child FOR EACH ROW EXECUTE FUNCTION audit.capture('mask={');
ALTER TABLE parent RENAME COLUMN b TO c;
SELECT table_name, mask, problem FROM audit.tracked_tables WHERE table_name IN ('parent', 'child') ORDER BY 1;
SELECT * FROM try('SELECT * FROM audit.as_of(NULL::"half a list", now())', 'SELECT * FROM audit.as_of(NULL::skips, now())',
  'SELECT audit.record_coverage()', 'SELECT audit.enable(''"half a list"'')', 'INSERT INTO "half a list" VALUES (1)');
ROLLBACK;

-- the trigger that ends a statement, replaced by one with a condition, and one
-- with a condition beside it
BEGIN;
SELECT audit.enable('t');
SAVEPOINT a;
CREATE OR REPLACE TRIGGER audit_log_flush AFTER INSERT ON audit.audit_objects FOR EACH STATEMENT WHEN (current_user IS NOT NULL) EXECUTE FUNCTION audit.flush();
INSERT INTO t VALUES (1);
ROLLBACK TO a;
CREATE TRIGGER beside AFTER INSERT ON audit.audit_objects FOR EACH STATEMENT WHEN (current_user IS NOT NULL) EXECUTE FUNCTION audit.flush();
INSERT INTO t VALUES (1);
SELECT entity FROM audit.objects WHERE dao_name = 't' AND operation = 'create';
ROLLBACK;
-- a cast that is called to print a value, and meanwhile changes what is printed
-- of the same table
CREATE TYPE meddler AS ENUM ('idle', 'busy');
CREATE TABLE printed (id int PRIMARY KEY, a text, b text, m meddler, c text);
SELECT audit.enable('printed');
CREATE FUNCTION meddle(meddler) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
  IF $1 = 'busy' THEN
    PERFORM set_config('audit.payload_exclude', 'id,a', true);
    ANALYZE trigger_misuse.printed;
    INSERT INTO trigger_misuse.printed SELECT max(id) + 1, 'nested' FROM trigger_misuse.printed;
    PERFORM set_config('audit.payload_exclude', '', true);
  END IF;
  RETURN to_json($1::text);
END $$;
CREATE CAST (meddler AS json) WITH FUNCTION meddle(meddler);
INSERT INTO printed VALUES (1, 'a', 'b', 'busy', 'c');
INSERT INTO printed VALUES (10, 'a', 'b', 'idle', 'c'), (11, 'a', 'b', 'busy', 'c'), (12, 'a', 'b', 'idle', 'c');
UPDATE printed SET m = 'busy', b = 'new b' WHERE id IN (1, 10);
SELECT operation, entity_key, entity, old_values FROM audit.objects WHERE dao_name = 'printed' AND operation <> 'ddl' ORDER BY id;

-- Called directly
SELECT * FROM try('SELECT audit.capture()', 'SELECT audit.flush()', 'SELECT audit.protect()',
  'SELECT audit.on_ddl_command_end()', 'SELECT audit.on_sql_drop()',
  'CREATE EVENT TRIGGER x ON ddl_command_start EXECUTE FUNCTION audit.on_sql_drop(); CREATE TABLE x ()',
  'SELECT audit.ddl_details(NULL)', 'SELECT audit.ddl_details(''x'')');
-- by code that declares them otherwise
DO $$
DECLARE
  f record;
BEGIN
  FOR f IN SELECT DISTINCT ON (prosrc) prosrc FROM pg_proc WHERE pronamespace = 'audit'::regnamespace
    AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND prorettype = 'trigger'::regtype
  LOOP
    EXECUTE format('CREATE FUNCTION as_plain_%1$s() RETURNS int LANGUAGE c AS ''audit_log'', %1$L', f.prosrc);
  END LOOP;
END $$;
SELECT * FROM try('SELECT as_plain_audit_log_capture()', 'SELECT as_plain_audit_log_flush()', 'SELECT as_plain_audit_log_protect()');

-- Every function of the extension with all its arguments null, then with one
-- of them not: an error or a result, and the server lives on
SET client_min_messages = error;
DO $$
DECLARE
  f record;
  call text;
  odd text;
BEGIN
  FOR f IN
    SELECT p.oid, p.oid::regprocedure AS signature, p.proargtypes::regtype[] AS types, pronargs
    FROM pg_proc p
    WHERE pronamespace = 'audit'::regnamespace AND prokind = 'f'
      AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
      AND NOT 'internal'::regtype = ANY (p.proargtypes::regtype[])
      AND NOT 'pg_ddl_command'::regtype = ANY (p.proargtypes::regtype[])
      AND proname NOT IN ('enable_all', 'disable_all')
    ORDER BY 2::text
  LOOP
    FOR one IN -1 .. f.pronargs - 1 LOOP
      FOREACH odd IN ARRAY ARRAY['0', '-1', '4294967295', '-9223372036854775808', '9223372036854775807', 'NaN', '', 'x', '{}',
          '{"a":1}', '()', '(,)', '{{a},{b}}', E'\\x00', '\x00', '00000000-0000-0000-0000-000000000000', 'infinity', 'pg_class', repeat('y', 100000)]
      LOOP
        CONTINUE WHEN one < 0 AND odd <> '0';
        SELECT format('SELECT %s(%s)', f.oid::regproc,
            string_agg(CASE WHEN n = one + 1 THEN quote_literal(odd) ELSE 'NULL' END || '::' || t::text, ', ' ORDER BY n))
          INTO call FROM unnest(f.types) WITH ORDINALITY AS u(t, n);
        BEGIN
          EXECUTE call;
          RAISE 'undo' USING ERRCODE = 'P0000';
        EXCEPTION
          WHEN sqlstate 'P0000' THEN
            NULL;
          WHEN internal_error OR data_corrupted THEN
            RAISE WARNING '%: % %', left(call, 200), SQLSTATE, SQLERRM;
          WHEN others THEN
            NULL;
        END;
      END LOOP;
    END LOOP;
  END LOOP;
END $$;
RESET client_min_messages;
SELECT * FROM try(
  'SELECT audit.purge(0)', 'SELECT audit.purge(-5)', 'SELECT audit.purge(-9223372036854775808)',
  'SELECT audit.log_request(NULL, NULL, NULL)', 'SELECT audit.log_request('''', ''/'', 200)', 'SELECT audit.log_request(''GET'', '''', 200)',
  'SELECT audit.log_request(''GET'', ''/'', 99)', 'SELECT audit.log_request(''GET'', ''/'', 600)', 'SELECT audit.log_request(''GET'', ''/'', 2147483647)',
  'SELECT audit.log_request(''GET'', ''/'', 200, payload => ''x'', payload_bytes => ''x'')',
  'SELECT audit.log_request(''GET'', ''/'', 200, duration_ms => -1)', 'SELECT audit.log_request(''GET'', ''/'', 200, duration_ms => ''NaN'')',
  'SELECT audit.log_request(''GET'', ''/'', 200, duration_ms => ''Infinity'')',
  'SELECT audit.log_request(''GET'', ''/'', 200, request_id => repeat(''x'', 129))', 'SELECT audit.log_request(''GET'', ''/'', 200, request_id => E''a\nb'')',
  'SELECT audit.begin_request(repeat(''x'', 129))', 'SELECT audit.begin_request(E''a\tb'')',
  'SELECT audit.log_ddl(NULL, NULL, NULL, NULL)', 'SELECT audit.log_ddl(''s'', ''t'', NULL, NULL)');
-- records that are no rows of the views
SELECT * FROM try('SELECT audit.record(ROW(1, 2)::audit.objects)', 'SELECT audit.record(ROW())',
  'SELECT audit.record(t) FROM trigger_misuse.t', 'SELECT audit.record(NULL::audit.objects)',
  'SELECT audit.record(json_populate_record(NULL::audit.objects, ''{}''))',
  'SELECT audit.record(json_populate_record(NULL::audit.requests, ''{"status": -5, "duration_ms": "NaN", "occurred_at": "infinity"}''))',
  'SELECT audit.record(json_populate_record(NULL::audit.objects, ''{"txid": 18446744073709551615, "occurred_at": "-infinity", "entity": "x"}''))',
  'SELECT audit.record(json_populate_record(NULL::audit.objects, ''{"occurred_at": "294276-12-31 23:59:59+00"}''))',
  'SELECT audit.record(json_populate_record(NULL::audit.objects, ''{"occurred_at": "4713-01-01 00:00:00+00 BC"}''))');

SET client_min_messages = warning;
DROP SCHEMA trigger_misuse CASCADE;
