-- How long records live: fixed when they are written, hidden when it is over,
-- removed by those who write more, and by hand.  In a database of its own,
-- because what may go depends on the ledger.
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SELECT current_database() AS db \gset
CREATE DATABASE regress_retention;
\c regress_retention
SET client_min_messages = warning;
CREATE EXTENSION audit_log CASCADE;
RESET client_min_messages;
CREATE TABLE goods (id int PRIMARY KEY, v text);
SELECT audit.enable('goods');
-- What is stored and not yet over, what is, and what the views show.
CREATE VIEW counts AS SELECT
	(SELECT count(*) FROM audit.audit_objects WHERE coalesce(expire, 'infinity') > now()) AS objects,
	(SELECT count(*) FROM audit.audit_objects WHERE expire <= now()) AS expired,
	(SELECT count(*) FROM audit.objects) AS shown,
	(SELECT count(*) FROM audit.audit_requests WHERE coalesce(expire, 'infinity') > now()) AS requests,
	(SELECT count(*) FROM audit.audit_requests WHERE expire <= now()) AS expired_requests,
	(SELECT count(*) FROM audit.requests) AS shown_requests;
-- Lets the time pass for records that match a condition.
CREATE FUNCTION pass_time(condition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE audit.audit_objects DISABLE TRIGGER USER;
	ALTER TABLE audit.audit_requests DISABLE TRIGGER USER;
	EXECUTE 'UPDATE audit.audit_objects SET expire = now() - interval ''1 min'' WHERE expire IS NOT NULL AND ' || condition;
	UPDATE audit.audit_requests SET expire = now() - interval '1 min' WHERE expire IS NOT NULL;
	ALTER TABLE audit.audit_objects ENABLE ALWAYS TRIGGER audit_log_protect;
	ALTER TABLE audit.audit_objects ENABLE ALWAYS TRIGGER audit_log_keep;
	ALTER TABLE audit.audit_objects ENABLE ALWAYS TRIGGER audit_log_flush;
	ALTER TABLE audit.audit_requests ENABLE ALWAYS TRIGGER audit_log_protect;
	ALTER TABLE audit.audit_requests ENABLE ALWAYS TRIGGER audit_log_keep;
END $$;

-- The setting when the record is written; later changes do not matter.
INSERT INTO goods VALUES (1);
BEGIN;
SET LOCAL audit.record_ttl = 10000;
INSERT INTO goods VALUES (2);
SET LOCAL audit.record_ttl = '1d';
INSERT INTO goods VALUES (3), (4);
SELECT audit.log_request('GET', '/day', 200) IS NOT NULL AS logged;
SET LOCAL audit.record_ttl = 0;
INSERT INTO goods VALUES (5);
SELECT audit.log_request('GET', '/ever', 200) IS NOT NULL AS logged;
COMMIT;
SET audit.record_ttl = 1;
SELECT entity_key, s.expire - s.occurred_at AS lives, o.ttl BETWEEN extract(epoch FROM s.expire - s.occurred_at) - 9000 AND extract(epoch FROM s.expire - s.occurred_at) AS counts_down, o.ttl IS NULL AS for_ever
	FROM audit.objects o JOIN audit.audit_objects s USING (id, entity_key) ORDER BY entity_key;
SELECT path, s.expire - s.occurred_at AS lives, r.ttl IS NULL AS for_ever FROM audit.requests r JOIN audit.audit_requests s USING (id, path) ORDER BY path;
RESET audit.record_ttl;

-- What is over is hidden, and stays while nobody writes.
SELECT * FROM counts;
SELECT pass_time('entity_key IN (''1'', ''2'', ''5'')');
SELECT * FROM counts;
SELECT entity_key FROM audit.objects ORDER BY id;
SELECT count(*) FROM audit.history('goods', '1');
SELECT count(*) FROM audit.audit_objects s, audit.diff(s.id) WHERE s.entity_key = '1';
SELECT * FROM counts;
-- Those who write remove it, each stream its own.
\c -
INSERT INTO goods VALUES (6);
SELECT * FROM counts;
SELECT audit.log_request('GET', '/next', 200) IS NOT NULL AS logged;
SELECT * FROM counts;
-- A transaction that is rolled back removed nothing.
SELECT pass_time('true');
\c -
BEGIN;
INSERT INTO goods VALUES (7);
SELECT expired FROM counts;
ROLLBACK;
SELECT expired FROM counts;
-- One that writes little removes a few of many, one that writes much more than it adds.
INSERT INTO goods SELECT g FROM generate_series(100, 1099) g;
SELECT pass_time('true');
\c -
INSERT INTO goods VALUES (8);
SELECT expired BETWEEN 900 AND 999 AS a_few FROM counts;
INSERT INTO goods SELECT g FROM generate_series(2000, 2099) g;
SELECT expired BETWEEN 600 AND 850 AS more_than_it_added FROM counts;
-- With the log switched off nobody writes, and nobody removes.
SELECT expired FROM counts \gset before_
SET audit.enabled = off;
INSERT INTO goods VALUES (9);
RESET audit.enabled;
SELECT expired = :before_expired AS all_left FROM counts;

-- By hand: at most so many, or all, of both streams; never what is not over.
SELECT expired + expired_requests AS expired FROM counts \gset before_
SELECT audit.purge(10);
SELECT :before_expired - expired - expired_requests AS gone FROM counts;
SELECT audit.purge(0);
SELECT audit.purge(-1);
BEGIN;
SELECT audit.purge() = :before_expired - 10 AS all_others;
SELECT expired, expired_requests FROM counts;
ROLLBACK;
SELECT :before_expired - expired - expired_requests AS gone FROM counts;
SELECT audit.purge(NULL) = :before_expired - 10 AS all_others, audit.purge();
SELECT objects, expired, shown, expired_requests FROM counts;
SELECT count(*) FROM audit.objects WHERE ttl IS NULL;
-- Not by everyone, nor by other means.
CREATE ROLE retention_user;
SET ROLE retention_user;
SELECT audit.purge();
RESET ROLE;
DELETE FROM audit.audit_objects WHERE expire < now();
DROP ROLE retention_user;
-- Nor in a transaction that may not write.
BEGIN READ ONLY;
SELECT audit.purge();
ROLLBACK;

-- With a ledger only what is sealed may go, and what has gone is no finding.
SELECT audit.seal() > 0 AS sealed;
INSERT INTO goods VALUES (20), (21);
SELECT pass_time('entity_key IN (''20'', ''21'')');
SELECT expired FROM counts;
SELECT audit.purge();
INSERT INTO goods VALUES (22);
SELECT expired FROM counts;
SELECT audit.seal() > 0 AS sealed;
SELECT audit.purge();
SELECT expired FROM counts;
SELECT count(*) AS findings FROM audit.verify_ledger();

\c :"db"
DROP DATABASE regress_retention;
