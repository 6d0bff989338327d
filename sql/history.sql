-- The history of a row, of a table at a moment, and undoing changes.
CREATE TABLE accounts (
	id int PRIMARY KEY,
	owner text NOT NULL,
	balance numeric(12,2),
	seen timestamptz,
	raw bytea,
	twice numeric GENERATED ALWAYS AS (balance * 2) STORED
);
SELECT audit.enable('accounts');
INSERT INTO accounts VALUES (1, 'ann', 10, '2026-01-01 12:00+00', '\x00ff'), (2, 'bob', 20, NULL, NULL), (3, 'cid', 30, NULL, NULL);
SELECT clock_timestamp() AS before \gset
UPDATE accounts SET balance = 11.50 WHERE id = 1;
UPDATE accounts SET id = 33 WHERE id = 3;
DELETE FROM accounts WHERE id = 2;
INSERT INTO accounts VALUES (4, 'dan', 40);
SELECT clock_timestamp() AS middle \gset
UPDATE accounts SET owner = 'anna', balance = 12 WHERE id = 1;

SELECT operation, entity, old_values FROM audit.history('accounts', '1');
SELECT d.* FROM audit.history('accounts', '1') h, audit.diff(h.id) d WHERE h.operation = 'update' ORDER BY h.id, d.column_name;

-- The session's styles do not matter.
SET DateStyle = 'German';
SET bytea_output = escape;
SET TimeZone = 'Asia/Kolkata';
SELECT id, owner, balance, seen = '2026-01-01 12:00+00', raw = '\x00ff', twice FROM audit.as_of(NULL::accounts, :'before') ORDER BY id;
SELECT id, owner, balance, twice FROM audit.as_of(NULL::accounts, :'middle') ORDER BY id;
RESET DateStyle;
RESET bytea_output;
RESET TimeZone;
SELECT count(*) FROM audit.as_of(NULL::accounts, 'infinity');
SELECT count(*) FROM audit.as_of(NULL::accounts, '-infinity');

-- Behind a TRUNCATE.
BEGIN;
TRUNCATE accounts;
INSERT INTO accounts VALUES (9, 'zoe', 90);
SELECT id, owner, balance FROM audit.as_of(NULL::accounts, :'middle') ORDER BY id;
SELECT id, owner, balance FROM audit.as_of(NULL::accounts, :'before') ORDER BY id;
ROLLBACK;

-- A composite key.
CREATE TABLE lines (doc int, line text, t text, PRIMARY KEY (doc, line));
SELECT audit.enable('lines', mask => '{t}');
INSERT INTO lines VALUES (1, 'a"', 'x'), (1, 'b', 'y');
SELECT clock_timestamp() AS before \gset
UPDATE lines SET line = 'c' WHERE line = 'b';
SELECT entity_key, entity FROM audit.history('lines', '[1,"a\""]');
SELECT * FROM audit.as_of(NULL::lines, :'before') ORDER BY line;

-- Undoing.
DO $$
BEGIN
	PERFORM audit.revert(id) FROM audit.history('accounts', '1') WHERE old_values->>'balance' = '10.00';
EXCEPTION WHEN triggered_data_change_violation THEN
	RAISE NOTICE 'refused: the row has changed since';
END
$$;
\set VERBOSITY default
SELECT audit.revert(id) FROM audit.history('accounts', '1') WHERE old_values->>'owner' = 'ann';
SELECT * FROM accounts WHERE id = 1;
SELECT operation, old_values FROM audit.history('accounts', '1') ORDER BY id DESC LIMIT 1;
SELECT audit.revert(id) FROM audit.history('accounts', '2') WHERE operation = 'delete';
SELECT id, owner, balance, twice FROM accounts ORDER BY id;
BEGIN;
SET LOCAL audit.request_id = 'oops';
UPDATE accounts SET balance = balance + 1 WHERE id = 1;
UPDATE accounts SET balance = balance + 1 WHERE id = 1;
DELETE FROM accounts WHERE id = 4;
INSERT INTO accounts VALUES (5, 'eve', 50);
COMMIT;
SELECT audit.revert('oops');
SELECT id, owner, balance, twice FROM accounts ORDER BY id;
\set VERBOSITY sqlstate
SELECT audit.revert('oops');
SELECT audit.revert('no such request');
SELECT audit.revert('00000000-0000-7000-8000-000000000000'::uuid);
SELECT audit.revert('00000000-0000-7000-8000-000000000000');
SELECT audit.revert(NULL);
SELECT audit.as_of(1, now());
SELECT audit.as_of(NULL::accounts, NULL);
CREATE TABLE unkeyed (a int);
SELECT * FROM audit.as_of(NULL::unkeyed, now());
\set VERBOSITY default
\set SHOW_CONTEXT never

-- An id as it is pasted: a record's or a request's, but not both.
UPDATE accounts SET balance = 77 WHERE id = 1;
SELECT id AS record FROM audit.history('accounts', '1') ORDER BY id DESC LIMIT 1 \gset
SELECT audit.revert(:'record');
SELECT balance FROM accounts WHERE id = 1;
SELECT operation, old_values FROM audit.history('accounts', '1') ORDER BY id DESC LIMIT 1;
BEGIN;
SELECT audit.begin_request('5f0b4d0e-8a55-4f2e-9c3e-000000000001') IS NOT NULL AS begun;
UPDATE accounts SET balance = 78 WHERE id = 1;
COMMIT;
SELECT audit.revert('5f0b4d0e-8a55-4f2e-9c3e-000000000001');
SELECT balance FROM accounts WHERE id = 1;
BEGIN;
SELECT set_config('audit.request_id', :'record', true) = :'record' AS taken;
UPDATE accounts SET balance = 79 WHERE id = 1;
\set VERBOSITY sqlstate
SELECT audit.revert(:'record');
\set VERBOSITY default
ROLLBACK;
-- What was undone can be undone.
SELECT audit.revert(id) FROM audit.history('accounts', '1') ORDER BY id DESC LIMIT 1;
SELECT balance FROM accounts WHERE id = 1;

-- Who may: EXECUTE and rights on the table are enough, and both are needed.
CREATE ROLE history_clerk;
GRANT EXECUTE ON FUNCTION audit.revert(text) TO history_clerk;
UPDATE accounts SET balance = 80 WHERE id = 1;
SELECT id AS record FROM audit.history('accounts', '1') ORDER BY id DESC LIMIT 1 \gset
SET ROLE history_clerk;
SELECT audit.revert(:'record');
RESET ROLE;
GRANT SELECT, UPDATE ON accounts TO history_clerk;
SET ROLE history_clerk;
SELECT audit.revert(:'record'::uuid);
SELECT audit.revert(:'record');
SELECT count(*) FROM audit.objects;
SELECT audit.revert_statements(:'record', NULL);
RESET ROLE;
SELECT balance FROM accounts WHERE id = 1;
SELECT operation, db_role, old_values FROM audit.history('accounts', '1') ORDER BY id DESC LIMIT 1;
DROP OWNED BY history_clerk;
DROP ROLE history_clerk;

-- What cannot be undone, and says why.
TRUNCATE accounts;
CREATE FUNCTION refused(record uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM audit.revert(record);
	RETURN 'reverted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(': ', SQLSTATE, replace(SQLERRM, record::text, 'ID'), nullif(detail, ''));
END $$;
SELECT refused(id) FROM audit.objects WHERE dao_name = 'accounts' AND operation = 'truncate' ORDER BY id DESC LIMIT 1;
CREATE TABLE vaults (id int PRIMARY KEY, note text, password text, code text);
SELECT audit.enable('vaults', mask => '{code}');
INSERT INTO vaults VALUES (1, 'a', 'p', 'c'), (2, 'b', 'p', 'c');
UPDATE vaults SET note = 'b' WHERE id = 1;
UPDATE vaults SET code = 'd' WHERE id = 1;
UPDATE vaults SET password = 'q' WHERE id = 1;
DELETE FROM vaults WHERE id = 2;
SELECT operation, entity_key, old_values, refused(id) FROM audit.objects WHERE dao_name = 'vaults' AND operation IN ('update', 'delete') ORDER BY id;
TABLE vaults ORDER BY id;
CREATE TABLE vanished (id int PRIMARY KEY);
SELECT audit.enable('vanished');
INSERT INTO vanished VALUES (1);
DROP TABLE vanished;
SELECT refused(id) FROM audit.objects WHERE dao_name = 'vanished' AND operation = 'create';

-- A key that is not recorded: refused, not answered with other rows.
CREATE TABLE citizens (ssn text PRIMARY KEY, name text);
SELECT audit.enable('citizens', mask => '{ssn}');
INSERT INTO citizens VALUES ('123', 'ann'), ('456', 'bob');
UPDATE citizens SET name = 'anna' WHERE ssn = '123';
SELECT * FROM audit.as_of(NULL::citizens, now());
SELECT refused(id) FROM audit.objects WHERE dao_name = 'citizens' AND operation = 'update';
SELECT audit.enable('citizens', exclude => '{ssn}');
SELECT * FROM audit.as_of(NULL::citizens, now());
-- Neither is what happened while it was not recorded.
SELECT audit.enable('citizens');
SELECT * FROM audit.as_of(NULL::citizens, '-infinity');
SELECT refused(id) FROM audit.objects WHERE dao_name = 'citizens' AND operation = 'update';
SELECT * FROM audit.as_of(NULL::citizens, clock_timestamp()) ORDER BY ssn;
CREATE TABLE passes (token text, n int, v text, PRIMARY KEY (token, n));
SELECT audit.enable('passes');
INSERT INTO passes VALUES ('t', 1, 'a');
UPDATE passes SET v = 'b';
SELECT * FROM audit.as_of(NULL::passes, '-infinity');
SELECT refused(id) FROM audit.objects WHERE dao_name = 'passes' AND operation = 'update';

-- Partitions, a change of the partition, and the whole table under one name.
CREATE TABLE sales (region text, id int, amount int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE sales_eu PARTITION OF sales FOR VALUES IN ('eu');
CREATE TABLE sales_us PARTITION OF sales FOR VALUES IN ('us');
SELECT audit.enable('sales');
INSERT INTO sales VALUES ('eu', 1, 10), ('us', 2, 20);
SELECT clock_timestamp() AS before \gset
BEGIN;
SET LOCAL audit.request_id = 'moved';
UPDATE sales SET region = 'us' WHERE id = 1;
UPDATE sales_us SET amount = 11 WHERE id = 1;
COMMIT;
SELECT operation, partition_name, entity, old_values FROM audit.history('sales', '["us",1]');
SELECT operation, partition_name FROM audit.history('sales_eu', '["eu",1]');
SELECT * FROM audit.as_of(NULL::sales, :'before') ORDER BY id;
SELECT * FROM audit.as_of(NULL::sales_eu, :'before') ORDER BY id;
SELECT * FROM audit.as_of(NULL::sales_us, :'before') ORDER BY id;
SELECT audit.revert('moved');
SELECT tableoid::regclass, * FROM sales ORDER BY id;

-- Triggers of the table find what they name as they do in any statement.
CREATE SCHEMA history_side;
CREATE TABLE history_side.seen (amount numeric);
CREATE FUNCTION history_side.see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (new.amount); RETURN NULL; END';
CREATE TRIGGER see AFTER UPDATE ON sales FOR EACH ROW EXECUTE FUNCTION history_side.see();
-- and nobody can put something in the place of what reverting itself needs
CREATE FUNCTION history_side.json_populate_record(base sales, value json) RETURNS sales LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'called'; END$$;
CREATE FUNCTION history_side.to_json(value int) RETURNS json LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'called'; END$$;
CREATE FUNCTION history_side.same(a text, b text) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'called'; END$$;
CREATE OPERATOR history_side.= (FUNCTION = history_side.same, LEFTARG = text, RIGHTARG = text);
SET search_path = history_side, pg_catalog, public;
UPDATE sales SET amount = 12 WHERE id OPERATOR(pg_catalog.=) 2;
SELECT audit.revert(id) FROM audit.history('sales', '["us",2]') ORDER BY id DESC LIMIT 1;
TABLE seen;
RESET search_path;
DROP TRIGGER see ON sales;
SET client_min_messages = warning;
DROP SCHEMA history_side CASCADE;
RESET client_min_messages;

-- Records are under the name that a table had: what came before a new name is
-- not mistaken for nothing.
CREATE TABLE named (id int PRIMARY KEY, v text);
SELECT audit.enable('named');
INSERT INTO named VALUES (1, 'first');
SELECT clock_timestamp() AS before \gset
UPDATE named SET v = 'second';
ALTER TABLE named RENAME TO renamed;
SELECT * FROM audit.as_of(NULL::renamed, :'before');
SELECT clock_timestamp() AS before \gset
UPDATE renamed SET v = 'third';
SELECT * FROM audit.as_of(NULL::renamed, :'before');
DROP TABLE renamed;

-- Columns that were renamed, dropped, added again or given another type since:
-- a record names them as they were named.
CREATE TABLE shaped (id int PRIMARY KEY, price numeric(10, 1), note text, size int, kind varchar(4));
SELECT audit.enable('shaped');
INSERT INTO shaped VALUES (1, 10, 'first', 1, 'a'), (2, 20, 'second', 2, 'b'), (3, 30, 'third', 3, 'c');
SELECT clock_timestamp() AS before \gset
UPDATE shaped SET price = 11, note = 'changed' WHERE id = 1;
DELETE FROM shaped WHERE id = 3;
ALTER TABLE shaped RENAME price TO net;
ALTER TABLE shaped RENAME net TO gross;
UPDATE shaped SET gross = 12 WHERE id = 1;
ALTER TABLE shaped DROP note, ADD note text DEFAULT 'another column', ALTER size TYPE bigint, ALTER kind TYPE text USING kind::text;
ALTER TABLE shaped ADD COLUMN IF NOT EXISTS size int;
UPDATE shaped SET note = 'new' WHERE id = 1;
SELECT * FROM audit.as_of(NULL::shaped, :'before') ORDER BY id;
SELECT * FROM audit.as_of(NULL::shaped, now()) ORDER BY id;
SELECT audit.revert(id) FROM audit.objects WHERE dao_name = 'shaped' AND operation = 'delete';
SELECT operation, old_values, refused(id) FROM audit.objects WHERE dao_name = 'shaped' AND operation = 'update' ORDER BY id DESC;
SELECT * FROM shaped ORDER BY id;
TRUNCATE shaped;
SELECT * FROM audit.as_of(NULL::shaped, :'before') ORDER BY id;
-- A change of nothing but a column that is gone
UPDATE shaped SET id = id;
INSERT INTO shaped VALUES (4);
UPDATE shaped SET note = 'soon gone';
ALTER TABLE shaped DROP note;
SELECT refused(id) FROM audit.objects WHERE dao_name = 'shaped' AND old_values::text LIKE '%another column%';
-- Columns that went with something else
CREATE DOMAIN shape AS text;
ALTER TABLE shaped ADD form shape, ADD twice bigint GENERATED ALWAYS AS (size * 2) STORED;
DROP DOMAIN shape CASCADE;
ALTER TABLE shaped DROP size CASCADE;
SELECT entity FROM audit.objects WHERE dao_name = 'shaped' AND operation = 'ddl' ORDER BY id DESC LIMIT 4;
-- What the table was cannot be told, and is not guessed.
SELECT clock_timestamp() AS before \gset
ALTER TABLE shaped ALTER gross TYPE int USING gross * 100;
SELECT * FROM audit.as_of(NULL::shaped, :'before');
SELECT clock_timestamp() AS before \gset
UPDATE shaped SET gross = 5;
ALTER TABLE shaped DROP CONSTRAINT shaped_pkey, ADD PRIMARY KEY (gross);
SELECT * FROM audit.as_of(NULL::shaped, :'before');
SELECT id, gross FROM audit.as_of(NULL::shaped, clock_timestamp());
SELECT clock_timestamp() AS before \gset
DROP TABLE shaped;
CREATE TABLE shaped (gross int PRIMARY KEY);
SELECT audit.enable('shaped');
SELECT * FROM audit.as_of(NULL::shaped, :'before');

-- What a trigger changes on account of a change comes after it, in the same row
-- and in others of the statement.
CREATE TABLE stock (id int PRIMARY KEY, n int, version int DEFAULT 0, neighbour int);
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF pg_trigger_depth() = 1 THEN UPDATE stock SET version = version + 1 WHERE id IN (new.id, new.neighbour); END IF;
	RETURN NULL;
END$$;
CREATE TRIGGER a_bump AFTER UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION bump();
SELECT audit.enable('stock');
INSERT INTO stock VALUES (1, 10, 0, 2), (2, 20, 0, NULL);
SELECT clock_timestamp() AS before \gset
BEGIN;
SET LOCAL audit.request_id = 'bumped';
UPDATE stock SET n = n + 1;
COMMIT;
SELECT entity_key, entity ->> 'version' AS version, old_values FROM audit.objects WHERE request_id = 'bumped' ORDER BY id;
SELECT * FROM audit.as_of(NULL::stock, :'before') ORDER BY id;
SELECT audit.revert('bumped');
SELECT id, n FROM stock ORDER BY id;

-- Keys that change, pass to other rows, and are exchanged in one statement
CREATE TABLE seats (n int PRIMARY KEY DEFERRABLE, guest text);
SELECT audit.enable('seats');
INSERT INTO seats VALUES (1, 'ann'), (2, 'bob'), (7, 'cid');
UPDATE seats SET n = 3 - n WHERE n < 3;
UPDATE seats SET n = 8 WHERE n = 7;
CREATE TABLE seated AS TABLE seats;
SELECT clock_timestamp() AS before \gset
UPDATE seats SET guest = 'anna' WHERE n = 2;
UPDATE seats SET n = 5 WHERE n = 2;
INSERT INTO seats VALUES (2, 'dan');
UPDATE seats SET n = 6 WHERE n = 2;
UPDATE seats SET n = 9 - n WHERE n IN (1, 8);
UPDATE seats SET n = 7 WHERE n = 8; UPDATE seats SET n = 8 WHERE n = 7;
DELETE FROM seats WHERE guest = 'bob'; INSERT INTO seats VALUES (1, 'eve');
SELECT * FROM audit.as_of(NULL::seats, :'before') ORDER BY n;
TRUNCATE seats;
INSERT INTO seats VALUES (1, 'fay');
SELECT * FROM audit.as_of(NULL::seats, :'before') ORDER BY n;
SELECT n, guest FROM seated ORDER BY n;

-- Foreign keys are judged when all is written.
CREATE TABLE makers (id int PRIMARY KEY);
CREATE TABLE goods (id int PRIMARY KEY, maker int REFERENCES makers ON DELETE CASCADE ON UPDATE CASCADE,
	like_maker int REFERENCES makers ON DELETE SET NULL, like_good int REFERENCES goods);
SELECT audit.enable('makers'), audit.enable('goods');
INSERT INTO makers VALUES (1), (2), (3);
INSERT INTO goods VALUES (1, 1, 3, 2), (2, 1, NULL, 1), (3, 2, NULL, NULL), (4, 3, 2, NULL);
BEGIN;
SET LOCAL audit.request_id = 'cascade';
DELETE FROM makers WHERE id < 3;
COMMIT;
SELECT operation, dao_name, entity_key, old_values FROM audit.objects WHERE request_id = 'cascade' ORDER BY id;
BEGIN;
SET LOCAL audit.request_id = 'renumber';
UPDATE makers SET id = id + 10;
COMMIT;
SELECT audit.revert('renumber'), audit.revert('cascade');
TABLE makers ORDER BY id;
TABLE goods ORDER BY id;
DELETE FROM goods;
DELETE FROM makers WHERE id = 1;
SELECT operation, refused(id) FROM audit.objects WHERE dao_name = 'goods' AND operation = 'delete' AND entity_key = '2' ORDER BY id DESC LIMIT 1;
TABLE goods;

-- Without a key there is a record of each change, but no history of a row.
INSERT INTO unkeyed VALUES (1);
SELECT audit.enable('unkeyed');
INSERT INTO unkeyed VALUES (2);
SELECT count(*) FROM audit.history('unkeyed', '2');
-- A key may be given as it is; nothing is said when there is nothing to say.
CREATE TABLE dated (day timestamptz PRIMARY KEY, n numeric);
SELECT audit.enable('dated');
INSERT INTO dated VALUES ('2024-02-29 12:00+00', 1);
SELECT operation FROM audit.history('dated', '2024-02-29 13:00+01'::timestamptz);
SELECT operation FROM audit.history('dated', timestamptz '2024-02-29 12:00+00' + interval '1 day');
SELECT count(*) FROM audit.history('accounts', 1) n, audit.history('accounts', '1') t WHERE n.id = t.id;
SELECT count(*) FROM audit.history('lines', '[1,"a\""]'::json) j, audit.history('lines', '[1,"a\""]') t WHERE j.id = t.id;
-- What is not recorded is said.
SELECT audit.disable('dated');
SELECT operation FROM audit.history('dated', '2024-02-29 12:00:00+00');
SELECT operation FROM audit.history('dated', '2024-01-01 12:00:00+00');
SELECT n FROM audit.as_of(NULL::dated, now() - interval '1 day');
SELECT audit.disable('dated');
SELECT audit.revert('nobody asked');
DROP TABLE dated;
SELECT refused(id) FROM audit.objects WHERE dao_name = 'unkeyed' AND operation = 'create';
-- What a record changed: all of a row that came or went, and nothing of others.
SELECT o.operation, d.* FROM audit.objects o, audit.diff(o.id) d WHERE dao_name = 'vaults' AND entity_key = '2' ORDER BY o.id, d.column_name;
SELECT count(*) FROM audit.diff('00000000-0000-7000-8000-000000000000');

DROP FUNCTION refused;
DROP TABLE accounts, lines, unkeyed, vaults, citizens, passes, sales, shaped, stock, goods, makers, seats, seated;
DROP FUNCTION bump;
