--
-- How the sealer finds its records: pages by the BRIN indexes on txid, and
-- what it reads in order, however much it is.
--
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT current_database() AS home \gset
DROP DATABASE IF EXISTS audit_log_ledger_reading;
CREATE DATABASE audit_log_ledger_reading;
\c audit_log_ledger_reading
SET client_min_messages = warning;
CREATE EXTENSION audit_log CASCADE;
CREATE TABLE goods (id int PRIMARY KEY, t text);
SELECT audit.enable('goods');
SELECT audit.seal();

-- ------------------------------------------------------- the index on txid
CREATE FUNCTION read_by(txids text, way text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	PERFORM set_config('enable_seqscan', (way = 'table')::text, true), set_config('enable_bitmapscan', (way = 'index')::text, true);
	EXECUTE 'SELECT count(*) FROM audit.audit_objects WHERE txid ' || txids INTO n;
	RETURN n;
END
$$;
INSERT INTO goods SELECT g, 'first' FROM generate_series(1, 10) g;
-- From here on the first range of pages has a summary, which has to grow.
SELECT brin_summarize_range('audit.audit_objects_txid_idx', 0);
SELECT pg_current_xact_id() AS before \gset
INSERT INTO goods SELECT g, 'second' FROM generate_series(11, 20) g;
BEGIN;
INSERT INTO goods VALUES (21, 'third');
SAVEPOINT s;
INSERT INTO goods VALUES (22, 'third');
ROLLBACK TO s;
INSERT INTO goods VALUES (23, 'third');
COMMIT;
SELECT way, read_by(format('>= %L', :'before'), way) AS newer, read_by(format('< %L', :'before'), way) AS older,
	read_by('= (SELECT max(txid) FROM audit.audit_objects)', way) AS newest
FROM unnest('{table,index}'::text[]) way;

-- ------------------------------------------------------ what sealing leaves
SELECT audit.seal();
INSERT INTO goods SELECT g, 'many' FROM generate_series(1001, 8000) g;
INSERT INTO goods SELECT g, 'many' FROM generate_series(8001, 9000) g;
-- whoever may seal need not own the tables
CREATE ROLE audit_log_sealer;
GRANT EXECUTE ON FUNCTION audit.seal() TO audit_log_sealer;
SET ROLE audit_log_sealer;
SELECT audit.seal();
RESET ROLE;
-- what waits is counted as it is read
SELECT waiting FROM audit.status;
BEGIN;
UPDATE goods SET t = 'own' WHERE id BETWEEN 1001 AND 1005;
SELECT waiting FROM audit.status;
ROLLBACK;
-- no range of pages that is full is without a summary
SELECT brin_summarize_new_values('audit.audit_objects_txid_idx') AS left_over;
SELECT * FROM audit.verify_ledger();

-- --------------------------------- more than fits into the memory for sorting
SET maintenance_work_mem = '1MB';
UPDATE goods SET t = 'changed' WHERE id > 1000;
UPDATE goods SET t = 'again' WHERE id > 1000;
SELECT audit.seal();
SELECT * FROM audit.verify_ledger();
SELECT count(*) FROM (
	SELECT (o.txid, l.id) < lag((o.txid, l.id)) OVER (PARTITION BY b.block ORDER BY l.leaf) AS wrong
	FROM audit.ledger_leaves l JOIN audit.ledger_texts o USING (id)
		JOIN audit.ledger_blocks b ON l.leaf >= b.first_leaf AND l.leaf < b.size) s
WHERE wrong;
RESET maintenance_work_mem;

-- ------------------------------------- what was sealed is not read once more
CREATE FUNCTION share_read() RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT audit.waiting()' INTO plan;
	RETURN ((plan->0->'Plan'->>'Shared Hit Blocks')::numeric + (plan->0->'Plan'->>'Shared Read Blocks')::numeric)
		/ (pg_relation_size('audit.audit_objects') / current_setting('block_size')::int);
END
$$;
INSERT INTO goods SELECT g, 'all at once' FROM generate_series(10001, 40000) g;
SELECT audit.seal();
SELECT waiting, share_read() < 0.3 AS little FROM audit.status;
-- nor after another transaction
INSERT INTO goods VALUES (40001, 'alone');
SELECT audit.seal();
SELECT waiting, share_read() < 0.3 AS little FROM audit.status;

-- ------------------------------------------ records where older ones have been
SELECT set_config('audit.record_ttl', '1', false);
UPDATE goods SET t = 'expires' WHERE id <= 4000;
SELECT audit.seal() > 0 AS sealed;
SELECT pg_sleep(greatest(0, extract(epoch FROM max(expire) + interval '10 milliseconds' - clock_timestamp()))) FROM audit.audit_objects WHERE entity->>'t' = 'expires';
RESET audit.record_ttl;
UPDATE goods SET t = 'behind them' WHERE id = 1;
SELECT audit.purge() > 0 AS purged;
VACUUM audit.audit_objects;
UPDATE goods SET t = 'in old places' WHERE id BETWEEN 6001 AND 9000;
SELECT count(*) > 1000 AS reused FROM audit.audit_objects o
WHERE entity->>'t' = 'in old places' AND ctid < (SELECT ctid FROM audit.audit_objects b WHERE b.entity->>'t' = 'behind them');
SELECT audit.seal();
SELECT * FROM audit.verify_ledger();

-- ------------------- what a record shares with the one before it, and what not
CREATE FUNCTION write_as(setting text, value text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config(setting, value, false);
	UPDATE goods SET t = t || setting WHERE id BETWEEN 2001 AND 2003;
END
$$;
-- nothing, as text, with one header or another, compressed, and stored elsewhere
CREATE TABLE lengths (n int, value text);
INSERT INTO lengths VALUES (1, ''), (2, 'a'), (3, 'b'), (4, 'bc'), (5, repeat('x', 126)), (6, repeat('x', 127)), (7, repeat('y', 127)), (8, repeat('z', 9000)),
	(9, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i)), (10, (SELECT string_agg(md5(i::text), '') FROM generate_series(2, 301) i)), (11, '"\'), (12, E'\n');
SELECT count(write_as(setting, l.value))
FROM unnest('{audit.workspace,audit.rbac_user_id,audit.rbac_user_name,audit.request_source,audit.request_id,application_name}'::text[]) setting,
	LATERAL (SELECT value FROM lengths WHERE n < 6 OR setting NOT IN ('audit.request_id', 'application_name') ORDER BY n) l;
SELECT count(write_as(setting, ''))
FROM unnest('{audit.workspace,audit.rbac_user_id,audit.rbac_user_name,audit.request_source,audit.request_id}'::text[]) setting;
DELETE FROM goods WHERE id BETWEEN 2001 AND 2003;
RESET application_name;
SELECT count(DISTINCT pg_column_size(workspace)) AS sizes, count(DISTINCT rbac_user_name) AS users FROM audit.audit_objects;
SELECT audit.seal();
SELECT * FROM audit.verify_ledger();
SELECT * FROM audit.crosscheck_ledger();

-- ------------------------------------------------------------ many blocks
DO $$ BEGIN
	FOR i IN 1 .. 40 LOOP
		UPDATE goods SET t = 'block ' || i WHERE id = i % 20 + 1;
		PERFORM audit.log_request('PUT', '/goods', 200);
		COMMIT;
		PERFORM audit.seal();
		COMMIT;
	END LOOP;
END $$;
SELECT block, size FROM audit.ledger_blocks ORDER BY block DESC LIMIT 1;
SELECT * FROM audit.verify_ledger();
SELECT * FROM audit.verify_ledger(2000);

-- ----------------------- the operator class, and with it the library, loaded late
ALTER DATABASE audit_log_ledger_reading SET audit.record_ttl = 77;
ALTER DATABASE audit_log_ledger_reading SET audit.payload_exclude = 'pin';
INSERT INTO goods SELECT g, 'for vacuum' FROM generate_series(50001, 55000) g;
\c audit_log_ledger_reading
SET client_min_messages = warning;
SET min_parallel_index_scan_size = 0;
VACUUM (PARALLEL 2) audit.audit_objects;
-- a worker may have done it
LOAD 'audit_log';
SHOW audit.record_ttl;
SHOW audit.payload_exclude;
ALTER DATABASE audit_log_ledger_reading RESET ALL;
\c audit_log_ledger_reading
SET client_min_messages = warning;
SELECT audit.seal();

-- ------------------------------------- another index does as well, and none too
DROP INDEX audit.audit_objects_txid_idx;
INSERT INTO goods VALUES (9001, 'no index');
SELECT audit.seal();
SELECT * FROM audit.verify_ledger();
CREATE INDEX ordered ON audit.audit_objects (txid DESC);
INSERT INTO goods VALUES (9002, 'a b-tree');
SELECT audit.seal();
SELECT * FROM audit.verify_ledger();

\c :home
DROP DATABASE audit_log_ledger_reading;
DROP ROLE audit_log_sealer;
