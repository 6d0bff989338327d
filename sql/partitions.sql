-- Partitioned tables are recorded under the name of the table that is
-- tracked, however a row reaches its partition.
\pset null -
\set SHOW_CONTEXT never
CREATE SCHEMA partitions;
SET search_path = partitions;
CREATE VIEW news AS
  SELECT dao_name, partition_name, operation, entity_key, entity, old_values
  FROM audit.objects
  WHERE txid = pg_current_xact_id_if_assigned() AND operation <> 'ddl'
  ORDER BY id;
CREATE VIEW triggers AS
  SELECT tgrelid::regclass AS on_table, tgname, tgenabled, tgparentid <> 0 AS cloned
  FROM pg_trigger WHERE tgfoid = 'audit.capture'::regproc
    AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'partitions'::regnamespace)
  ORDER BY tgrelid::regclass::text, tgname;

-- a list of ranges; one leaf has its columns in another order, one has lost some
CREATE TABLE sale (id int, region text, at date, note text, PRIMARY KEY (id, region, at)) PARTITION BY LIST (region);
CREATE TABLE sale_eu PARTITION OF sale FOR VALUES IN ('eu') PARTITION BY RANGE (at);
CREATE TABLE sale_eu_old PARTITION OF sale_eu FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE sale_eu_new (note text, gone1 int, at date NOT NULL, gone2 text, region text NOT NULL, id int NOT NULL);
ALTER TABLE sale_eu_new DROP gone1, DROP gone2;
ALTER TABLE sale_eu ATTACH PARTITION sale_eu_new FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
CREATE TABLE sale_us PARTITION OF sale FOR VALUES IN ('us');
SELECT audit.enable('sale');
SELECT table_name, enabled, record_applied, trigger_name FROM audit.tracked_tables WHERE schema_name = 'partitions';
TABLE triggers;

BEGIN;
INSERT INTO sale VALUES (1, 'eu', '2019-05-01', 'old'), (2, 'eu', '2021-05-01', 'new'), (3, 'us', '2021-05-01', 'us');
TABLE news;
COMMIT;
-- straight to a leaf, and to a level in between
BEGIN;
INSERT INTO sale_eu VALUES (4, 'eu', '2018-01-01', 'middle');
INSERT INTO sale_us VALUES (5, 'us', '2018-01-01', 'leaf');
INSERT INTO sale_eu_new (id, region, at, note) VALUES (6, 'eu', '2022-01-01', 'leaf');
UPDATE sale_eu_new SET note = 'changed' WHERE id = 6;
DELETE FROM sale_eu_old WHERE id = 4;
TABLE news;
ROLLBACK;
-- COPY to the root and to a leaf
BEGIN;
COPY sale FROM stdin (DELIMITER ',');
7,us,2020-02-02,copy
8,eu,2020-02-02,copy
9,eu,2000-02-02,copy
10,us,2000-02-02,copy
\.
COPY sale_eu_new (id, region, at, note) FROM stdin (DELIMITER ',');
11,eu,2020-02-02,leaf
\.
TABLE news;
ROLLBACK;
-- an update that moves a row is a delete there and a create here
BEGIN; UPDATE sale SET note = 'stays' WHERE id = 2; TABLE news; ROLLBACK;
BEGIN; UPDATE sale SET at = '2019-01-01' WHERE id = 2; TABLE news; ROLLBACK;
BEGIN; UPDATE sale SET region = 'us', note = 'moved' WHERE region = 'eu'; TABLE news; ROLLBACK;
BEGIN; UPDATE sale_eu SET at = at + 3650 WHERE id = 1; TABLE news; ROLLBACK;
UPDATE sale_eu_new SET at = '2001-01-01';
BEGIN;
MERGE INTO sale s USING (VALUES (3, 'us'), (12, 'eu')) v(id, region) ON s.id = v.id
  WHEN MATCHED THEN UPDATE SET region = 'eu'
  WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.region, '2021-01-01', 'merged');
SELECT * FROM news ORDER BY entity_key, operation;
ROLLBACK;
BEGIN;
INSERT INTO sale VALUES (3, 'us', '2021-05-01', 'conflict'), (13, 'us', '2021-05-01', 'none')
  ON CONFLICT (id, region, at) DO UPDATE SET note = excluded.note;
TABLE news;
ROLLBACK;

-- TRUNCATE of the root, of a level in between, of a leaf: one record each
BEGIN; TRUNCATE sale; TABLE news; ROLLBACK;
BEGIN; TRUNCATE sale_eu; TABLE news; ROLLBACK;
BEGIN; TRUNCATE sale_eu_new; TABLE news; ROLLBACK;
BEGIN; TRUNCATE sale_us, sale_eu_old; TABLE news; ROLLBACK;
BEGIN; TRUNCATE sale; TRUNCATE sale_us; TABLE news; ROLLBACK;

-- A partition made later, by CREATE and by ATTACH, and one attached that was
-- tracked by itself with options of its own
CREATE TABLE sale_asia PARTITION OF sale FOR VALUES IN ('asia');
CREATE TABLE sale_africa (LIKE sale);
ALTER TABLE sale ATTACH PARTITION sale_africa FOR VALUES IN ('africa');
CREATE TABLE sale_oceania (note text, region text NOT NULL, at date NOT NULL, id int NOT NULL);
SELECT audit.enable('sale_oceania', exclude => '{note}');
BEGIN; INSERT INTO sale_oceania VALUES ('secret', 'oceania', '2021-01-01', 20); TABLE news; COMMIT;
ALTER TABLE sale ATTACH PARTITION sale_oceania FOR VALUES IN ('oceania');
CREATE TABLE sale_rest PARTITION OF sale DEFAULT PARTITION BY HASH (id);
CREATE TABLE sale_rest_0 PARTITION OF sale_rest FOR VALUES WITH (MODULUS 1, REMAINDER 0);
TABLE triggers;
BEGIN;
INSERT INTO sale VALUES (21, 'asia', '2021-01-01', 'x'), (22, 'africa', '2021-01-01', 'x'),
  (23, 'oceania', '2021-01-01', 'x'), (24, 'mars', '2021-01-01', 'x');
UPDATE sale_oceania SET note = 'y' WHERE id = 23;
DELETE FROM sale_rest WHERE id = 24;
TABLE news;
ROLLBACK;
BEGIN; TRUNCATE sale_asia; TRUNCATE sale_africa; TRUNCATE sale_oceania; TRUNCATE sale_rest; TRUNCATE sale_rest_0; TABLE news; ROLLBACK;
BEGIN; TRUNCATE sale; TABLE news; ROLLBACK;

-- DETACH: what was tracked by itself is again, the others are not
ALTER TABLE sale DETACH PARTITION sale_oceania;
ALTER TABLE sale DETACH PARTITION sale_africa;
BEGIN;
INSERT INTO sale_oceania VALUES ('secret', 'oceania', '2021-01-01', 30);
INSERT INTO sale_africa VALUES (31, 'africa', '2021-01-01', 'x');
TRUNCATE sale_oceania;
TRUNCATE sale_africa;
INSERT INTO sale VALUES (32, 'oceania', '2021-01-01', 'to the default');
TABLE news;
ROLLBACK;
SELECT table_name, exclude, trigger_name FROM audit.tracked_tables WHERE schema_name = 'partitions' ORDER BY 1;
ALTER TABLE sale DETACH PARTITION sale_eu;
BEGIN; INSERT INTO sale_eu VALUES (33, 'eu', '2021-01-01', 'x'); TABLE news; ROLLBACK;
SELECT audit.enable('sale_eu', skip_unchanged => true);
BEGIN;
INSERT INTO sale_eu VALUES (33, 'eu', '2021-01-01', 'x');
UPDATE sale_eu SET note = 'x' WHERE id = 33;
TABLE news;
ROLLBACK;
-- a tracked partitioned table becomes a partition of a tracked one, and leaves
ALTER TABLE sale ATTACH PARTITION sale_eu FOR VALUES IN ('eu');
BEGIN;
INSERT INTO sale VALUES (34, 'eu', '2021-01-01', 'x');
UPDATE sale_eu_new SET note = 'x' WHERE id = 34;
TRUNCATE sale_eu;
TABLE news;
ROLLBACK;
TABLE triggers;
ALTER TABLE sale DETACH PARTITION sale_eu;
BEGIN;
INSERT INTO sale_eu VALUES (34, 'eu', '2021-01-01', 'x');
UPDATE sale_eu_new SET note = 'x' WHERE id = 34;
TABLE news;
ROLLBACK;
ALTER TABLE sale ATTACH PARTITION sale_eu FOR VALUES IN ('eu');

-- Options reach the partitions; a partition has none of its own
SELECT audit.enable('sale', exclude => '{note}', mask => '{region}', skip_unchanged => true);
BEGIN;
INSERT INTO sale VALUES (40, 'us', '2021-01-01', 'secret'), (41, 'eu', '2021-01-01', 'secret');
UPDATE sale SET note = 'other' WHERE id IN (40, 41);
UPDATE sale_eu_new SET id = 42 WHERE id = 41;
SELECT dao_name, partition_name, operation, entity_key, entity, old_values FROM news;
ROLLBACK;
\set VERBOSITY sqlstate
SELECT audit.enable('sale_us');
SELECT audit.disable('sale_us');
\set VERBOSITY default
SELECT audit.enable('sale_us');
SELECT audit.disable('sale_us');

-- A column that comes, goes, and is renamed
ALTER TABLE sale ADD extra int DEFAULT 5;
ALTER TABLE sale RENAME note TO remark;
BEGIN;
INSERT INTO sale VALUES (50, 'us', '2021-01-01', 'secret'), (51, 'eu', '2021-01-01', 'secret');
TABLE news;
ROLLBACK;
ALTER TABLE sale DROP extra;
BEGIN;
INSERT INTO sale VALUES (50, 'us', '2021-01-01', 'secret'), (51, 'eu', '2021-01-01', 'secret');
TABLE news;
ROLLBACK;

-- The root is renamed, or moved to another schema
CREATE SCHEMA partitions_other;
ALTER TABLE sale RENAME TO sold;
ALTER TABLE sold SET SCHEMA partitions_other;
BEGIN;
INSERT INTO sale_us VALUES (60, 'us', '2021-01-01', 'x');
SELECT o.schema_name, n.* FROM news n, audit.objects o WHERE o.txid = pg_current_xact_id_if_assigned();
ROLLBACK;
ALTER TABLE partitions_other.sold SET SCHEMA partitions;
ALTER TABLE sold RENAME TO sale;

-- Ignored by the name of the root or of a partition
SET audit.ignore_tables = 'sale_us';
BEGIN; INSERT INTO sale VALUES (70, 'us', '2021-01-01', 'x'), (71, 'eu', '2021-01-01', 'x'); TABLE news; ROLLBACK;
SET audit.ignore_tables = 'partitions.sale';
BEGIN; INSERT INTO sale VALUES (70, 'us', '2021-01-01', 'x'), (71, 'eu', '2021-01-01', 'x'); TABLE news; ROLLBACK;
RESET audit.ignore_tables;

-- A foreign key that cascades into partitions, and one that refers to them
CREATE TABLE owner (id int PRIMARY KEY);
CREATE TABLE thing (id int, owner int REFERENCES owner ON DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE thing_1 PARTITION OF thing FOR VALUES FROM (0) TO (10);
CREATE TABLE thing_2 PARTITION OF thing FOR VALUES FROM (10) TO (20);
CREATE TABLE part (id int PRIMARY KEY, thing int REFERENCES thing ON DELETE SET NULL ON UPDATE CASCADE);
SELECT audit.enable('owner'), audit.enable('thing'), audit.enable('part');
INSERT INTO owner VALUES (1);
INSERT INTO thing VALUES (1, 1), (11, 1);
INSERT INTO part VALUES (1, 1), (2, 11);
BEGIN; DELETE FROM owner; TABLE news; ROLLBACK;
BEGIN; UPDATE thing SET id = 12 WHERE id = 1; TABLE news; ROLLBACK;

-- Triggers of two tables of the same name, or of names that begin alike, get along
CREATE SCHEMA partitions_twin;
CREATE TABLE partitions_twin.thing (id int, owner int) PARTITION BY RANGE (owner);
CREATE TABLE twin_with_a_name_that_is_as_long_as_a_name_of_one_may_get_a (id int) PARTITION BY LIST (id);
CREATE TABLE twin_with_a_name_that_is_as_long_as_a_name_of_one_may_get_b (id int) PARTITION BY HASH (id);
SELECT audit.enable('partitions_twin.thing'), audit.enable('twin_with_a_name_that_is_as_long_as_a_name_of_one_may_get_a'), audit.enable('twin_with_a_name_that_is_as_long_as_a_name_of_one_may_get_b');
BEGIN; ALTER TABLE partitions_twin.thing ATTACH PARTITION thing DEFAULT; ROLLBACK;
BEGIN; ALTER TABLE twin_with_a_name_that_is_as_long_as_a_name_of_one_may_get_a ATTACH PARTITION twin_with_a_name_that_is_as_long_as_a_name_of_one_may_get_b DEFAULT; ROLLBACK;
DROP TABLE twin_with_a_name_that_is_as_long_as_a_name_of_one_may_get_a, twin_with_a_name_that_is_as_long_as_a_name_of_one_may_get_b;

-- A snapshot goes through the partitions
SELECT audit.enable('thing', snapshot => true);
SELECT dao_name, partition_name, operation, entity_key, entity FROM audit.objects
  WHERE schema_name = 'partitions' AND operation = 'snapshot' ORDER BY partition_name;

-- What is detached is a table like others, and tracked where they all are
CREATE SCHEMA partitions_all;
SELECT audit.enable_all('partitions_all', exclude => '{note}');
CREATE TABLE partitions_all.whole (id int, note text) PARTITION BY LIST (id);
CREATE TABLE partitions_all.one PARTITION OF partitions_all.whole FOR VALUES IN (1);
CREATE TABLE partitions_all.two PARTITION OF partitions_all.whole FOR VALUES IN (2) PARTITION BY LIST (id);
SET search_path = partitions_all;
ALTER TABLE whole DETACH PARTITION one CONCURRENTLY;
SET search_path = partitions;
ALTER TABLE partitions_all.whole DETACH PARTITION partitions_all.two;
SELECT table_name, exclude FROM audit.tracked_tables WHERE schema_name = 'partitions_all' ORDER BY table_name;
BEGIN; INSERT INTO partitions_all.one VALUES (1, 'secret'); TABLE news; ROLLBACK;
SELECT audit.disable_all('partitions_all');

-- disable() leaves no trigger, on no partition
SELECT audit.disable('sale'), audit.disable('thing');
TABLE triggers;
BEGIN; INSERT INTO sale VALUES (80, 'us', '2021-01-01', 'x'); INSERT INTO sale_us VALUES (81, 'us', '2021-01-01', 'x'); TRUNCATE sale; TABLE news; ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA partitions, partitions_other, partitions_twin, partitions_all CASCADE;
