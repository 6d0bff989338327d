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
SELECT audit.revert('oops'::text);
SELECT id, owner, balance, twice FROM accounts ORDER BY id;
\set VERBOSITY sqlstate
SELECT audit.revert('oops'::text);
SELECT audit.revert('no such request'::text);
SELECT audit.revert('00000000-0000-7000-8000-000000000000'::uuid);
SELECT audit.as_of(1, now());
SELECT audit.as_of(NULL::accounts, NULL);
CREATE TABLE keyless (a int);
SELECT * FROM audit.as_of(NULL::keyless, now());
\set VERBOSITY default
DROP TABLE accounts, lines, keyless;
