-- Every way of writing a row leaves exactly one record for it, which the same
-- transaction sees right after the statement.
\pset null -
\set SHOW_CONTEXT never
CREATE SCHEMA writing_ways;
SET search_path = writing_ways;

-- What the running transaction recorded, in the order of its statements
CREATE VIEW news AS
  SELECT dao_name, operation, entity_key, entity, old_values
  FROM audit.objects
  WHERE txid = pg_current_xact_id_if_assigned() AND operation <> 'ddl'
  ORDER BY id;

CREATE TABLE item (id int PRIMARY KEY, name text, n int DEFAULT 0);
CREATE TABLE log (id serial PRIMARY KEY, line text);
SELECT audit.enable('item');
SELECT audit.enable('log');

-- INSERT, UPDATE, DELETE
BEGIN; INSERT INTO item VALUES (1, 'one'), (2, 'two'), (3, NULL); TABLE news; COMMIT;
BEGIN; UPDATE item SET n = n + 1, name = 'ONE' WHERE id = 1; TABLE news; COMMIT;
BEGIN; UPDATE item SET n = n WHERE id < 3; TABLE news; COMMIT;
BEGIN; UPDATE item SET id = 30 WHERE id = 3; TABLE news; COMMIT;
BEGIN; DELETE FROM item WHERE id = 30; TABLE news; COMMIT;
BEGIN; INSERT INTO item DEFAULT VALUES; ROLLBACK;
BEGIN; UPDATE item SET n = 5 WHERE id = 99; DELETE FROM item WHERE false; TABLE news; COMMIT;

-- RETURNING
BEGIN;
INSERT INTO item VALUES (3, 'three') RETURNING id, name;
UPDATE item SET n = 7 WHERE id = 3 RETURNING n;
DELETE FROM item WHERE id = 3 RETURNING *;
TABLE news;
COMMIT;

-- FROM, USING, a join that meets a row twice
BEGIN;
UPDATE item SET n = v.n FROM (VALUES (1, 11), (1, 11), (2, 22)) v(id, n) WHERE item.id = v.id;
TABLE news;
ROLLBACK;
BEGIN;
DELETE FROM item USING (VALUES (1), (1), (2)) v(id) WHERE item.id = v.id;
TABLE news;
ROLLBACK;

-- MERGE
BEGIN;
MERGE INTO item USING (VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')) s(id, name) ON item.id = s.id
  WHEN MATCHED AND s.id = 1 THEN UPDATE SET name = s.name
  WHEN MATCHED THEN DELETE
  WHEN NOT MATCHED AND s.id = 3 THEN INSERT VALUES (s.id, s.name)
  WHEN NOT MATCHED THEN DO NOTHING;
SELECT * FROM news ORDER BY entity_key;
ROLLBACK;

-- ON CONFLICT
BEGIN;
INSERT INTO item VALUES (1, 'again'), (5, 'five') ON CONFLICT DO NOTHING;
TABLE news;
ROLLBACK;
BEGIN;
INSERT INTO item VALUES (1, 'again'), (5, 'five')
  ON CONFLICT (id) DO UPDATE SET name = excluded.name, n = 100;
TABLE news;
ROLLBACK;
BEGIN;
INSERT INTO item VALUES (1, 'again'), (2, 'again')
  ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE item.id = 2;
TABLE news;
ROLLBACK;

-- COPY
BEGIN;
COPY item (id, name) FROM stdin;
10	ten
11	\N
12	a\\b\tc
\.
TABLE news;
COPY item FROM stdin (FORMAT csv);
13,"x,y",1
\.
TABLE news;
ROLLBACK;

-- Writable CTEs that touch several tables, also those nobody reads
BEGIN;
WITH moved AS (DELETE FROM item WHERE id = 2 RETURNING name),
  noted AS (INSERT INTO log (line) SELECT 'moved ' || name FROM moved RETURNING id),
  unread AS (UPDATE item SET n = 50 WHERE id = 1)
SELECT count(*) FROM moved;
SELECT * FROM news ORDER BY dao_name, operation;
ROLLBACK;

-- Functions that write while another statement writes
CREATE FUNCTION note(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log (line) VALUES ($1);
  RETURN $1;
END $$;
CREATE FUNCTION note_sql(text) RETURNS SETOF text LANGUAGE sql AS $$
  INSERT INTO log (line) VALUES ($1 || ' 1'), ($1 || ' 2') RETURNING line;
$$;
ALTER SEQUENCE log_id_seq RESTART;
BEGIN;
INSERT INTO item SELECT g, note('item ' || g) FROM generate_series(20, 21) g;
TABLE news;
ROLLBACK;
ALTER SEQUENCE log_id_seq RESTART;
BEGIN;
SELECT note_sql('sql');
UPDATE item SET name = note('returned') WHERE id = 1 RETURNING note('returning');
TABLE news;
ROLLBACK;

-- A function that looks finds the records of the statement before
BEGIN;
DO $$
BEGIN
  INSERT INTO item VALUES (6, 'six');
  RAISE NOTICE 'after the insert: %', (SELECT count(*) FROM news);
  UPDATE item SET n = 1 WHERE id = 6;
  RAISE NOTICE 'after the update: %', (SELECT count(*) FROM news);
  FOR i IN 1..3 LOOP
    UPDATE item SET n = n + i WHERE id = 6;
  END LOOP;
  RAISE NOTICE 'after the loop: %', (SELECT count(*) FROM news);
END $$;
TABLE news;
ROLLBACK;

-- Cursors, prepared statements, EXPLAIN ANALYZE, several statements at once
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM item ORDER BY id FOR UPDATE;
FETCH c;
UPDATE item SET n = 70 WHERE CURRENT OF c;
MOVE c;
DELETE FROM item WHERE CURRENT OF c;
PREPARE put AS INSERT INTO item VALUES ($1, 'prepared');
EXECUTE put(60);
EXECUTE put(61);
DEALLOCATE put;
DO $$
BEGIN
  EXECUTE 'EXPLAIN ANALYZE INSERT INTO item VALUES (62, ''explained'')';
  EXECUTE 'EXPLAIN INSERT INTO item VALUES (63, ''not executed'')';
END $$;
INSERT INTO item VALUES (64, 'a')\; UPDATE item SET name = 'b' WHERE id = 64\; DELETE FROM item WHERE id = 64;
TABLE news;
ROLLBACK;

-- Reading and locking leave nothing
BEGIN;
SELECT id FROM item ORDER BY id FOR UPDATE;
SELECT id FROM item ORDER BY id FOR KEY SHARE;
LOCK TABLE item;
TABLE news;
COMMIT;

-- A procedure that commits between its statements
CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO item VALUES (70, 'kept');
  COMMIT;
  INSERT INTO item VALUES (71, 'lost');
  ROLLBACK;
  DELETE FROM item WHERE id = 70;
END $$;
CALL steps();
SELECT operation, entity_key, entity FROM audit.objects
  WHERE schema_name = 'writing_ways' AND entity_key IN ('70', '71') ORDER BY id;

-- Foreign keys: every action, over several levels, and a table that refers to
-- itself
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b ON DELETE CASCADE ON UPDATE CASCADE,
  a int DEFAULT 0 REFERENCES a ON DELETE SET DEFAULT ON UPDATE SET NULL);
CREATE TABLE d (id int PRIMARY KEY, c int REFERENCES c ON DELETE SET NULL, up int REFERENCES d ON DELETE CASCADE);
SELECT audit.enable(t) FROM unnest('{a,b,c,d}'::regclass[]) t;
INSERT INTO a VALUES (0), (1), (2);
INSERT INTO b VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO c VALUES (1, 1, 1), (2, 3, 1), (3, 2, 2);
INSERT INTO d VALUES (1, 1, NULL), (2, 1, 1), (3, 3, 2), (4, NULL, 3);
BEGIN; DELETE FROM a WHERE id = 1; TABLE news; ROLLBACK;
BEGIN; UPDATE a SET id = 10 WHERE id = 1; TABLE news; ROLLBACK;
BEGIN; UPDATE b SET id = id + 10; TABLE news; ROLLBACK;
BEGIN; DELETE FROM d WHERE id = 1; TABLE news; ROLLBACK;
-- the parent is not tracked
SELECT audit.disable('a');
BEGIN; DELETE FROM a WHERE id = 2; TABLE news; ROLLBACK;

-- Deferred constraints and deferred triggers
CREATE TABLE later (id int PRIMARY KEY, up int REFERENCES later DEFERRABLE INITIALLY DEFERRED,
  place int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log (line) VALUES (tg_argv[0] || ' ' || tg_op);
  RETURN coalesce(new, old);
END $$;
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE ON later DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION note_row('deferred');
SELECT audit.enable('later');
ALTER SEQUENCE log_id_seq RESTART;
BEGIN;
INSERT INTO later VALUES (1, 2, 1), (2, 1, 2);
UPDATE later SET place = 3 - place;
TABLE news;
SET CONSTRAINTS ALL IMMEDIATE;
TABLE news;
ROLLBACK;
INSERT INTO later VALUES (7, NULL, 7);
SELECT dao_name, operation, entity FROM audit.objects
  WHERE txid = (SELECT max(txid) FROM audit.objects) ORDER BY id;
-- the commit fails, and with it the records
INSERT INTO later VALUES (8, NULL, 7);
INSERT INTO later VALUES (9, 10, 9);
SELECT count(*) FROM audit.objects
  WHERE schema_name = 'writing_ways' AND dao_name = 'later';
DELETE FROM log;

-- BEFORE triggers change a row, suppress it, or write themselves
CREATE TABLE guarded (id int PRIMARY KEY, v text);
CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF tg_op = 'DELETE' THEN
    RETURN CASE WHEN old.id = 1 THEN NULL ELSE old END;
  END IF;
  IF new.v = 'no' THEN
    RETURN NULL;
  END IF;
  INSERT INTO log (line) VALUES ('before ' || new.v);
  new.v := new.v || '!';
  RETURN new;
END $$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION guard();
SELECT audit.enable('guarded');
ALTER SEQUENCE log_id_seq RESTART;
BEGIN;
INSERT INTO guarded VALUES (1, 'a'), (2, 'no'), (3, 'b');
UPDATE guarded SET v = CASE id WHEN 1 THEN 'c' ELSE 'no' END;
DELETE FROM guarded;
TABLE news;
ROLLBACK;

-- AFTER triggers that write, before and behind the capture trigger in the
-- order of names, for each row and for each statement, nested
CREATE TABLE chain (id int PRIMARY KEY, v text);
CREATE FUNCTION chain_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log (line) VALUES (tg_name || ' at ' || pg_trigger_depth());
  IF new.id < 3 THEN
    INSERT INTO chain VALUES (new.id + 1, 'from ' || tg_name) ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "A first" AFTER INSERT ON chain FOR EACH ROW EXECUTE FUNCTION chain_on();
CREATE TRIGGER "z last" AFTER INSERT ON chain FOR EACH ROW EXECUTE FUNCTION chain_on();
CREATE TRIGGER statement AFTER INSERT ON chain FOR EACH STATEMENT EXECUTE FUNCTION note_row('statement');
SELECT audit.enable('chain');
ALTER SEQUENCE log_id_seq RESTART;
BEGIN;
INSERT INTO chain VALUES (1, 'start');
SELECT dao_name, operation, entity_key, entity FROM news ORDER BY dao_name, entity_key::int;
ROLLBACK;
-- a trigger that changes its own row again
CREATE TABLE again (id int PRIMARY KEY, n int);
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE again SET n = n + 1 WHERE id = new.id AND n < 3;
  RETURN NULL;
END $$;
CREATE TRIGGER again AFTER INSERT OR UPDATE ON again FOR EACH ROW EXECUTE FUNCTION again();
SELECT audit.enable('again');
BEGIN;
INSERT INTO again VALUES (1, 0), (2, 2);
SELECT dao_name, operation, entity_key, entity, old_values FROM news ORDER BY entity_key, entity->>'n';
ROLLBACK;
-- a transition table goes along
CREATE FUNCTION count_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log (line) SELECT count(*) || ' new' FROM fresh;
  RETURN NULL;
END $$;
CREATE TRIGGER counted AFTER INSERT ON item REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION count_new();
ALTER SEQUENCE log_id_seq RESTART;
BEGIN;
INSERT INTO item VALUES (80, 'x'), (81, 'y');
TABLE news;
ROLLBACK;
DROP TRIGGER counted ON item;

-- Rules
CREATE TABLE ruled (id int PRIMARY KEY, v text);
SELECT audit.enable('ruled');
CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO log (line) VALUES ('rule ' || new.v);
CREATE RULE instead AS ON DELETE TO ruled DO INSTEAD UPDATE ruled SET v = 'deleted' WHERE id = old.id;
ALTER SEQUENCE log_id_seq RESTART;
BEGIN;
INSERT INTO ruled VALUES (1, 'a');
DELETE FROM ruled;
TABLE news;
ROLLBACK;

-- Views: updatable ones, and those with triggers
CREATE VIEW below_100 AS SELECT id, name FROM item WHERE id < 100 WITH CHECK OPTION;
CREATE VIEW joined AS SELECT i.id, i.name, l.line FROM item i, log l;
CREATE FUNCTION split() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO item VALUES (new.id, new.name);
  INSERT INTO log (line) VALUES (new.line);
  RETURN new;
END $$;
CREATE TRIGGER split INSTEAD OF INSERT ON joined FOR EACH ROW EXECUTE FUNCTION split();
ALTER SEQUENCE log_id_seq RESTART;
BEGIN;
INSERT INTO below_100 VALUES (40, 'view');
UPDATE below_100 SET name = 'VIEW' WHERE id = 40;
DELETE FROM below_100 WHERE id = 40;
INSERT INTO joined VALUES (41, 'joined', 'line');
TABLE news;
ROLLBACK;
INSERT INTO below_100 VALUES (100, 'refused');

-- Identity, generated and dropped columns
CREATE TABLE shapes (
  gone1 int, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, w int, gone2 text DEFAULT 'x', h int,
  area int GENERATED ALWAYS AS (w * h) STORED);
ALTER TABLE shapes DROP gone1;
SELECT audit.enable('shapes');
BEGIN;
INSERT INTO shapes (w, h) VALUES (2, 3);
UPDATE shapes SET w = 4;
TABLE news;
COMMIT;
ALTER TABLE shapes DROP gone2, ADD late text DEFAULT 'late';
BEGIN;
UPDATE shapes SET h = 5;
DELETE FROM shapes;
INSERT INTO shapes (w, h) OVERRIDING SYSTEM VALUE VALUES (1, 1);
TABLE news;
ROLLBACK;

-- Inheritance: a child is written through its parent, also one made later
CREATE TABLE base (id int PRIMARY KEY, v text);
CREATE TABLE child (extra int, PRIMARY KEY (id)) INHERITS (base);
SELECT audit.enable('base');
CREATE TABLE grandchild (PRIMARY KEY (id)) INHERITS (child);
BEGIN;
INSERT INTO base VALUES (1, 'base');
INSERT INTO child VALUES (2, 'child', 20);
INSERT INTO grandchild VALUES (3, 'grandchild', 30);
UPDATE base SET v = upper(v);
DELETE FROM base WHERE id > 1;
TABLE news;
ROLLBACK;

-- TRUNCATE: one record a table
CREATE TABLE t1 (id int PRIMARY KEY);
CREATE TABLE t2 (id int PRIMARY KEY, t1 int REFERENCES t1);
CREATE TABLE t3 (id int REFERENCES t2);
SELECT audit.enable(t) FROM unnest('{t1,t2,t3}'::regclass[]) t;
BEGIN; TRUNCATE t3; TABLE news; COMMIT;
BEGIN; TRUNCATE t1, t2, t3, t1 RESTART IDENTITY; TABLE news; COMMIT;
BEGIN; TRUNCATE t1 CASCADE; TABLE news; ROLLBACK;
BEGIN; TRUNCATE t3; TRUNCATE t3; TABLE news; COMMIT;
BEGIN; TRUNCATE base; TABLE news; ROLLBACK;
BEGIN; TRUNCATE ONLY base; TABLE news; ROLLBACK;
BEGIN; INSERT INTO t1 VALUES (1); TRUNCATE t1 CASCADE; INSERT INTO t1 VALUES (1); TABLE news; ROLLBACK;
-- and what its triggers write
CREATE TRIGGER noted AFTER TRUNCATE ON t3 FOR EACH STATEMENT EXECUTE FUNCTION note_row('truncated');
ALTER SEQUENCE log_id_seq RESTART;
BEGIN; TRUNCATE t2 CASCADE; TABLE news; ROLLBACK;
TRUNCATE t1;

-- Large statements: many batches, all of them, in order
BEGIN;
INSERT INTO item SELECT g, 'bulk' FROM generate_series(1001, 2000) g;
UPDATE item SET n = id WHERE name = 'bulk';
DELETE FROM item WHERE name = 'bulk' AND id <> 1500;
SELECT operation, count(*), count(DISTINCT entity_key), min(entity_key::int), max(entity_key::int)
  FROM news GROUP BY operation ORDER BY operation;
SELECT bool_and(ordered) FROM (
  SELECT entity_key::int > lag(entity_key::int) OVER (PARTITION BY operation ORDER BY id) AS ordered
  FROM audit.objects WHERE txid = pg_current_xact_id_if_assigned()) s;
COMMIT;
SELECT operation, count(*) FROM audit.objects
  WHERE schema_name = 'writing_ways' AND entity->>'name' = 'bulk' GROUP BY operation ORDER BY operation;

-- What remains after all this: nothing doubled, nothing of what was rolled back
SELECT dao_name, operation, count(*) FROM audit.objects
  WHERE schema_name = 'writing_ways' AND operation <> 'ddl'
  GROUP BY dao_name, operation ORDER BY dao_name, operation;

SET client_min_messages = warning;
DROP SCHEMA writing_ways CASCADE;
