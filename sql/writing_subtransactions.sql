-- A subtransaction that aborts takes the records made in it and no other; an
-- error in the middle of a statement leaves nothing behind in the session.
\pset null -
\set SHOW_CONTEXT never
CREATE SCHEMA writing_subtransactions;
SET search_path = writing_subtransactions;
CREATE VIEW news AS
  SELECT dao_name, operation, entity_key, entity, partition_name
  FROM audit.objects
  WHERE txid = pg_current_xact_id_if_assigned() AND operation <> 'ddl'
  ORDER BY id;
-- Records since the last TRUNCATE against rows, by their keys
CREATE FUNCTION differences() RETURNS TABLE (what text, dao_name text, key text) LANGUAGE plpgsql AS $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY '{outer_t,inner_t,deep_t}'::text[] LOOP
    RETURN QUERY EXECUTE format($q$
      WITH mine AS (SELECT * FROM audit.objects WHERE schema_name = 'writing_subtransactions' AND dao_name = %1$L),
        recorded AS (
          SELECT entity_key AS key, count(*) FILTER (WHERE operation = 'create') - count(*) FILTER (WHERE operation = 'delete') AS n
          FROM mine
          WHERE operation IN ('create', 'delete')
            AND id::text > coalesce((SELECT max(id::text) FROM mine WHERE operation = 'truncate'), '')
          GROUP BY 1),
        stored AS (SELECT id::text AS key, 1 AS n FROM %1$I r)
      SELECT CASE WHEN coalesce(r.n, 0) > coalesce(s.n, 0) THEN 'recorded, not stored' ELSE 'stored, not recorded' END, %1$L, key
      FROM recorded r FULL JOIN stored s USING (key)
      WHERE coalesce(r.n, 0) <> coalesce(s.n, 0) ORDER BY 1, 3 LIMIT 10$q$, t);
  END LOOP;
END $$;

CREATE TABLE outer_t (id int PRIMARY KEY, v text);
CREATE TABLE inner_t (id int PRIMARY KEY, v text);
CREATE TABLE deep_t (id int PRIMARY KEY, v text);
SELECT audit.enable(t) FROM unnest('{outer_t,inner_t,deep_t}'::regclass[]) t;

-- Savepoints: released, rolled back, nested, and rolled back to twice
BEGIN;
INSERT INTO outer_t VALUES (1, 'kept');
SAVEPOINT a;
INSERT INTO outer_t VALUES (2, 'lost');
SAVEPOINT b;
INSERT INTO outer_t VALUES (3, 'lost');
RELEASE b;
ROLLBACK TO a;
INSERT INTO outer_t VALUES (4, 'lost too');
ROLLBACK TO a;
INSERT INTO outer_t VALUES (5, 'kept');
RELEASE a;
SAVEPOINT c;
INSERT INTO outer_t VALUES (6, 'kept');
SAVEPOINT d;
DELETE FROM outer_t;
ROLLBACK TO d;
UPDATE outer_t SET v = 'changed' WHERE id = 1;
RELEASE c;
TABLE news;
COMMIT;
SELECT operation, entity FROM audit.objects WHERE schema_name = 'writing_subtransactions' AND dao_name = 'outer_t' ORDER BY id;
TRUNCATE outer_t;

-- PL/pgSQL blocks with EXCEPTION, nested
BEGIN;
DO $$
BEGIN
  INSERT INTO outer_t VALUES (1, 'kept');
  BEGIN
    INSERT INTO inner_t VALUES (1, 'lost');
    BEGIN
      INSERT INTO deep_t VALUES (1, 'lost');
    EXCEPTION WHEN others THEN
      NULL;
    END;
    RAISE 'inner';
  EXCEPTION WHEN others THEN
    INSERT INTO inner_t VALUES (2, 'from the handler');
  END;
  BEGIN
    INSERT INTO inner_t VALUES (3, 'kept');
  EXCEPTION WHEN others THEN
    NULL;
  END;
  BEGIN
    -- fails with some of its rows recorded
    INSERT INTO inner_t SELECT g, 'lost' FROM generate_series(1000, 1, -1) g;
  EXCEPTION WHEN unique_violation THEN
    INSERT INTO outer_t VALUES (2, 'kept');
  END;
END $$;
TABLE news;
ROLLBACK;

-- An outer statement's records wait while a row trigger runs an inner
-- statement in a subtransaction that aborts.  Outer rows divisible by three
-- have an inner statement that aborts, after it recorded v::int rows of its
-- own; the others have one that succeeds.
CREATE FUNCTION write_inner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    INSERT INTO inner_t SELECT new.id * 10000 + g, 'of ' || new.id FROM generate_series(1, new.v::int) g;
    IF new.id % 3 = 0 THEN
      RAISE 'abort inner';
    END IF;
  EXCEPTION WHEN raise_exception THEN
    NULL;
  END;
  RETURN NULL;
END $$;
CREATE TRIGGER zz_inner AFTER INSERT ON outer_t FOR EACH ROW EXECUTE FUNCTION write_inner();
BEGIN;
INSERT INTO outer_t SELECT g, '1' FROM generate_series(1, 6) g;
TABLE news;
ROLLBACK;
-- with more rows than a batch holds: outside, inside, and both
BEGIN;
INSERT INTO outer_t SELECT g, '1' FROM generate_series(1, 900) g;
SELECT dao_name, operation, count(*), count(DISTINCT entity_key) FROM news GROUP BY 1, 2 ORDER BY 1;
SELECT * FROM differences();
ROLLBACK;
BEGIN;
INSERT INTO outer_t SELECT g, '700' FROM generate_series(1, 9) g;
SELECT dao_name, operation, count(*), count(DISTINCT entity_key) FROM news GROUP BY 1, 2 ORDER BY 1;
SELECT * FROM differences();
ROLLBACK;
INSERT INTO outer_t SELECT g, CASE WHEN g IN (299, 300, 301, 302, 303, 600) THEN '600' ELSE '1' END FROM generate_series(1, 800) g;
SELECT dao_name, count(*) FROM audit.objects
  WHERE txid = (SELECT max(txid) FROM audit.objects) GROUP BY 1 ORDER BY 1;
SELECT * FROM differences();
-- exactly one batch, and one row less and more
BEGIN; INSERT INTO outer_t SELECT g, '255' FROM generate_series(2002, 2003) g; SELECT dao_name, count(*) FROM news GROUP BY 1 ORDER BY 1; ROLLBACK;
BEGIN; INSERT INTO outer_t SELECT g, '256' FROM generate_series(2002, 2003) g; SELECT dao_name, count(*) FROM news GROUP BY 1 ORDER BY 1; ROLLBACK;
BEGIN; INSERT INTO outer_t SELECT g, '257' FROM generate_series(2002, 2003) g; SELECT dao_name, count(*) FROM news GROUP BY 1 ORDER BY 1; ROLLBACK;
DROP TRIGGER zz_inner ON outer_t;

-- The same over three levels: which level aborts is chosen by the row
CREATE FUNCTION write_deep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    INSERT INTO deep_t SELECT new.id * 1000 + g, new.v FROM generate_series(1, 300) g;
    IF new.v LIKE '%deep%' THEN
      RAISE 'abort deep';
    END IF;
  EXCEPTION WHEN raise_exception THEN
    NULL;
  END;
  IF new.v LIKE '%inner%' THEN
    RAISE 'abort inner' USING ERRCODE = 'P0999';
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION write_middle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    INSERT INTO inner_t VALUES (new.id * 10, new.v), (new.id * 10 + 1, new.v);
  EXCEPTION WHEN sqlstate 'P0999' THEN
    NULL;
  END;
  RETURN NULL;
END $$;
TRUNCATE outer_t, inner_t, deep_t;
CREATE TRIGGER zz_middle AFTER INSERT ON outer_t FOR EACH ROW EXECUTE FUNCTION write_middle();
CREATE TRIGGER aa_deep AFTER INSERT ON inner_t FOR EACH ROW EXECUTE FUNCTION write_deep();
BEGIN;
INSERT INTO outer_t VALUES (1, 'all'), (2, 'no deep'), (3, 'no inner'), (4, 'no deep, no inner'), (5, 'all');
SELECT dao_name, entity->>'v' AS v, count(*), count(DISTINCT entity_key) FROM news GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM differences();
ROLLBACK;
-- behind the capture trigger of the middle level
DROP TRIGGER aa_deep ON inner_t;
CREATE TRIGGER zz_deep AFTER INSERT ON inner_t FOR EACH ROW EXECUTE FUNCTION write_deep();
BEGIN;
INSERT INTO outer_t VALUES (1, 'all'), (2, 'no deep'), (3, 'no inner'), (4, 'no deep, no inner'), (5, 'all');
SELECT dao_name, entity->>'v' AS v, count(*), count(DISTINCT entity_key) FROM news GROUP BY 1, 2 ORDER BY 1, 2;
ROLLBACK;
-- within savepoints: what was released counts, what was rolled back does not
BEGIN;
SAVEPOINT a;
INSERT INTO outer_t VALUES (1, 'all');
SAVEPOINT b;
INSERT INTO outer_t VALUES (2, 'no deep');
ROLLBACK TO b;
INSERT INTO outer_t VALUES (3, 'no inner');
RELEASE a;
SELECT dao_name, entity->>'v' AS v, count(*) FROM news GROUP BY 1, 2 ORDER BY 1, 2;
ROLLBACK;
DROP TRIGGER zz_middle ON outer_t;
DROP TRIGGER zz_deep ON inner_t;

-- A subtransaction begun and ended inside one firing, with another table's
-- cascade and TRUNCATE in it
CREATE TABLE parent_t (id int PRIMARY KEY);
CREATE TABLE child_t (id int PRIMARY KEY, p int REFERENCES parent_t ON DELETE CASCADE);
SELECT audit.enable('parent_t'), audit.enable('child_t');
INSERT INTO parent_t SELECT generate_series(1, 3);
INSERT INTO child_t SELECT g, (g - 1) / 300 + 1 FROM generate_series(1, 900) g;
CREATE FUNCTION cascade_inner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    DELETE FROM parent_t WHERE id = new.id;
    IF new.id = 2 THEN
      TRUNCATE parent_t, child_t;
      RAISE 'abort';
    END IF;
  EXCEPTION WHEN raise_exception THEN
    NULL;
  END;
  RETURN NULL;
END $$;
CREATE TRIGGER zz AFTER INSERT ON deep_t FOR EACH ROW EXECUTE FUNCTION cascade_inner();
BEGIN;
INSERT INTO deep_t SELECT generate_series(1, 3);
SELECT dao_name, operation, count(*), count(DISTINCT entity_key) FROM news GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM child_t;
ROLLBACK;
DROP TRIGGER zz ON deep_t;

-- TRUNCATE that fails, then TRUNCATE of a partition: still recorded
CREATE TABLE root_t (id int, v int) PARTITION BY LIST (v);
CREATE TABLE leaf_t PARTITION OF root_t DEFAULT;
SELECT audit.enable('root_t');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
CREATE TRIGGER zz_refuse AFTER TRUNCATE ON root_t FOR EACH STATEMENT EXECUTE FUNCTION refuse();
BEGIN;
DO $$
BEGIN
  BEGIN
    TRUNCATE root_t;
  EXCEPTION WHEN raise_exception THEN
    TRUNCATE leaf_t;
  END;
END $$;
SAVEPOINT a;
TRUNCATE root_t;
ROLLBACK TO a;
TRUNCATE leaf_t;
TABLE news;
ROLLBACK;

-- An error in the middle of a large statement, then on in the same session
TRUNCATE outer_t, inner_t, deep_t;
INSERT INTO outer_t SELECT g, 1 / (700 - g) FROM generate_series(1, 1000) g;
CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF new.id = 700 THEN RAISE 'row %', new.id; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER zz_fail AFTER INSERT OR UPDATE ON outer_t FOR EACH ROW EXECUTE FUNCTION fail_late();
INSERT INTO outer_t SELECT g, 'late' FROM generate_series(1, 1000) g;
INSERT INTO outer_t SELECT g, 'fine' FROM generate_series(1, 600) g;
BEGIN;
UPDATE outer_t SET v = 'again';
SAVEPOINT a;
UPDATE outer_t SET id = id + 100;
ROLLBACK TO a;
UPDATE outer_t SET v = 'once more' WHERE id > 300;
COMMIT;
SELECT operation, entity->>'v' AS v, count(*), count(DISTINCT entity_key) FROM audit.objects
  WHERE schema_name = 'writing_subtransactions' AND dao_name = 'outer_t'
    AND entity->>'v' IN ('late', 'fine', 'again', 'once more') GROUP BY 1, 2 ORDER BY 1, 2;
-- an error while a batch is written: a second index forbids the records
SELECT count(*) FROM outer_t;
CREATE UNIQUE INDEX forbids ON audit.audit_objects ((entity->>'v')) WHERE dao_name = 'deep_t' AND schema_name = 'writing_subtransactions';
INSERT INTO deep_t SELECT g, 'twice' FROM generate_series(1, 600) g;
INSERT INTO deep_t VALUES (1, 'once');
BEGIN;
INSERT INTO deep_t VALUES (2, 'other');
SAVEPOINT a;
INSERT INTO deep_t VALUES (3, 'other');
ROLLBACK TO a;
INSERT INTO deep_t VALUES (4, 'third');
COMMIT;
DROP INDEX audit.forbids;
INSERT INTO deep_t VALUES (5, 'third');
SELECT * FROM differences();
SELECT entity FROM audit.objects
  WHERE schema_name = 'writing_subtransactions' AND dao_name = 'deep_t' AND operation = 'create' ORDER BY id;

-- A cursor that is open over a rolled back savepoint
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM deep_t ORDER BY id;
FETCH c;
SAVEPOINT a;
UPDATE deep_t SET v = 'lost' WHERE CURRENT OF c;
ROLLBACK TO a;
FETCH c;
UPDATE deep_t SET v = 'cursor' WHERE CURRENT OF c;
TABLE news;
ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA writing_subtransactions CASCADE;
