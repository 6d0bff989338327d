/*
 * The ledger inside the server: sealing, proofs, keys, generations, erasing,
 * and the errors of each function.  In a database of its own: once something
 * is sealed, other topics would purge differently.
 */
SELECT current_database() AS home \gset
CREATE DATABASE audit_log_ledger;
\c audit_log_ledger
SET client_min_messages = warning;
CREATE EXTENSION audit_log CASCADE;
CREATE TABLE goods (id int PRIMARY KEY, name text);
SELECT audit.enable('goods');

-- ------------------------------------------------- before the first block
SELECT active, origin, size, sealed_at, stopped, waiting, expired, signatures, sealer FROM audit.status;
INSERT INTO goods VALUES (1, 'one'), (2, 'two');
SELECT active, waiting FROM audit.status;
SELECT audit.leaf(id) FROM audit.objects;
SELECT * FROM audit.verify_ledger();
SELECT * FROM audit.crosscheck_ledger();
SELECT * FROM audit.verify_ledger(checkpoint => E'other\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n');
SELECT * FROM audit.crosscheck_ledger(E'other\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n');
SELECT audit.checkpoint();
\echo :LAST_ERROR_SQLSTATE
SELECT audit.inclusion_proof('00000000-0000-7000-8000-000000000000');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.consistency_proof(0);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.witness_request(0);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM audit.tiles();
\echo :LAST_ERROR_SQLSTATE
SELECT audit.new_generation('too early');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.add_ledger_key('x');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.add_signature('x');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.rotate_key();
\echo :LAST_ERROR_SQLSTATE

-- ------------------------------------------------------------ empty ledger
DELETE FROM goods;
CREATE DATABASE audit_log_empty;
\c audit_log_empty
SET client_min_messages = warning;
CREATE EXTENSION audit_log CASCADE;
SET audit.ledger_origin = 'example.com/empty';
SELECT audit.seal();
SELECT block, first_leaf, size, root = sha256('') AS root_of_nothing FROM audit.ledger_blocks;
SELECT audit.checkpoint();
SELECT active, origin, generation, size, stopped, waiting, signatures FROM audit.status;
SELECT audit.consistency_proof(0, 0) = '' AS empty_proof;
SELECT * FROM audit.tiles();
SELECT * FROM audit.verify_ledger(0, NULL, audit.checkpoint());
SELECT * FROM audit.crosscheck_ledger(audit.checkpoint());
SELECT audit.seal();
SELECT count(*) AS blocks FROM audit.ledger_blocks;	-- nothing new, no block
SET audit.ledger_heartbeat = 1;
SELECT pg_sleep(greatest(0, extract(epoch FROM max(sealed_at) + interval '1.1 seconds' - clock_timestamp()))) FROM audit.ledger_blocks;
SELECT audit.seal();
SELECT block, size FROM audit.ledger_blocks ORDER BY block;	-- the heartbeat
\c audit_log_ledger
DROP DATABASE audit_log_empty;
SET client_min_messages = warning;

-- ------------------------------------------------------------------ sealing
SET audit.ledger_origin = 'example.com/goods';
SELECT audit.seal();
SELECT audit.seal();
SELECT size, waiting FROM audit.status;
INSERT INTO goods SELECT g, 'many' FROM generate_series(1, 600) g;
SELECT audit.log_request('POST', '/goods', 201) IS NOT NULL AS logged;
SELECT size, waiting FROM audit.status;
-- a second call in one command sees the block of the first
SELECT audit.seal(), audit.seal();
-- what a transaction has written itself is in the next block
BEGIN;
INSERT INTO goods VALUES (1000, 'own');
SELECT audit.seal();
INSERT INTO goods VALUES (1001, 'own');
SELECT audit.seal();
COMMIT;
SELECT audit.seal();
-- nor does a block that is rolled back leave anything behind
INSERT INTO goods VALUES (1002, 'again');
BEGIN;
SELECT audit.seal();
ROLLBACK;
SELECT audit.seal();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM goods;
INSERT INTO goods VALUES (1003, 'repeatable');
SELECT audit.seal();
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT audit.seal();
COMMIT;
-- subtransactions write under the id of their transaction
BEGIN;
INSERT INTO goods VALUES (1004, 'outer');
SAVEPOINT a;
INSERT INTO goods VALUES (1005, 'kept');
SAVEPOINT b;
INSERT INTO goods VALUES (1006, 'lost');
ROLLBACK TO b;
RELEASE a;
INSERT INTO goods VALUES (1007, 'outer');
COMMIT;
SELECT count(DISTINCT txid) FROM audit.objects WHERE entity_key IN ('1004', '1005', '1007');
SELECT audit.seal();
SELECT block, first_leaf, size, generation FROM audit.ledger_blocks ORDER BY block;
SELECT first_leaf, leaves FROM audit.ledger_bundles ORDER BY 1;
SELECT level, index FROM audit.ledger_nodes ORDER BY 1, 2;
-- every record is one leaf, in the order of (txid, id) within a block
SELECT count(*), count(DISTINCT leaf), min(leaf), max(leaf) FROM audit.ledger_leaves;
SELECT count(*) FROM audit.ledger_leaves l JOIN audit.ledger_texts t USING (id) WHERE audit.leaf(id) = leaf;
SELECT count(*) FROM (
	SELECT (o.txid, l.id) < lag((o.txid, l.id)) OVER (PARTITION BY b.block ORDER BY l.leaf) AS wrong
	FROM audit.ledger_leaves l JOIN audit.ledger_texts o USING (id)
		JOIN audit.ledger_blocks b ON l.leaf >= b.first_leaf AND l.leaf < b.size) s
WHERE wrong;

-- not where it could be rolled back alone, or be prepared, or in a reader
DO $$ BEGIN PERFORM audit.seal(); EXCEPTION WHEN division_by_zero THEN END $$;
\echo :LAST_ERROR_SQLSTATE
BEGIN; SAVEPOINT s;
SELECT audit.new_generation('in a savepoint');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT audit.seal();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
INSERT INTO goods VALUES (1008, 'to be prepared');
BEGIN;
SELECT audit.seal();
PREPARE TRANSACTION 'sealed';
\echo :LAST_ERROR_SQLSTATE
-- a prepared transaction runs until it ends, and holds up nobody
BEGIN;
INSERT INTO goods VALUES (1009, 'prepared');
PREPARE TRANSACTION 'waits';
INSERT INTO goods VALUES (1010, 'passes');
SELECT audit.seal();
SELECT entity_key, audit.leaf(id) IS NOT NULL AS sealed FROM audit.objects
WHERE entity_key IN ('1008', '1009', '1010') ORDER BY 1;
COMMIT PREPARED 'waits';
SELECT size, waiting FROM audit.status;
SELECT audit.seal();
SELECT * FROM audit.verify_ledger();

-- ------------------------------------------------------------------ waiting
INSERT INTO goods VALUES (1011, 'wait') RETURNING pg_current_xact_id() AS xid \gset
SELECT audit.wait_sealed(:'xid', '0');
SELECT audit.wait_sealed(:'xid', '100 ms');
SELECT audit.seal();
SELECT audit.wait_sealed(:'xid');
SELECT audit.wait_sealed('9000000000000000000', '0');
SELECT audit.wait_sealed(NULL) IS NULL AS nothing;
-- a long time is waited, if it is not cut short
SET statement_timeout = '150 ms';
SELECT audit.wait_sealed('9000000000000000000', '30 days');
SELECT audit.wait_sealed('9000000000000000000', '178000000 years');
RESET statement_timeout;
SELECT audit.wait_sealed('9000000000000000000', '-1 day');

-- ----------------------------------------------------- the leaf, once more
-- From the texts of the documentation alone
SELECT t.meta = format('{"format":"1","id":"%s","occurred_at":"%s","stream":"objects","txid":"%s"}', o.id,
		to_char(o.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), o.txid) AS meta,
	audit.ledger_inner_hash(t.meta, t.salt, t.data) = l.inner_hash AS inner_hash,
	l.expire_us = (extract(epoch FROM o.expire) * 1000000)::bigint AS expire
FROM audit.ledger_texts t JOIN audit.audit_objects o USING (id) JOIN audit.ledger_leaves l USING (id)
WHERE o.entity_key = '1011';
SELECT regexp_replace(data, '("(application_name|db_user|client_ip)":)("[^"]*"|null)', '\1...', 'g') AS data
FROM audit.ledger_texts JOIN audit.audit_objects o USING (id) WHERE o.entity_key = '1011';
SELECT regexp_replace(data, '("(client_ip|db_user|request_id)":)("[^"]*"|null)', '\1...', 'g') AS data
FROM audit.ledger_texts WHERE stream = 'requests';
-- no setting changes a leaf
SET timezone = 'Asia/Kathmandu';
SET datestyle = 'SQL, DMY';
SET extra_float_digits = -5;
SET bytea_output = 'escape';
SET intervalstyle = 'iso_8601';
SELECT * FROM audit.verify_ledger();
SELECT * FROM audit.crosscheck_ledger();
SELECT audit.record_coverage();
INSERT INTO goods VALUES (1012, 'odd settings');
SELECT audit.seal();
RESET ALL;
SET client_min_messages = warning;
SELECT * FROM audit.verify_ledger();
SELECT * FROM audit.crosscheck_ledger(audit.checkpoint());
-- the texts of what is hard to print
INSERT INTO goods VALUES (2001, E'quote " slash \\ control \x01\x1f\x7f tab \t é 𝄞');
BEGIN; SET LOCAL audit.record_ttl = 0; INSERT INTO goods VALUES (2002, 'for ever'); COMMIT;
BEGIN; SET LOCAL audit.request_id = ''; SET LOCAL audit.workspace = E'\u2028"'; INSERT INTO goods VALUES (2003, ''); COMMIT;
SELECT audit.log_request('GET', '/', 200, payload_bytes => '\x00ff', duration_ms => 0.5000) IS NOT NULL AS logged;
SELECT audit.seal();
SELECT * FROM audit.verify_ledger();
SELECT * FROM audit.crosscheck_ledger(audit.checkpoint());

-- ------------------------------------------------------ checkpoints, proofs
SELECT audit.checkpoint() = format(E'%s\n%s\n%s\n\n', s.origin, s.size, encode(b.root, 'base64')) AS text
FROM audit.status s JOIN audit.ledger_blocks b USING (size);
SELECT split_part(audit.checkpoint(600 + 5), E'\n', 2);
SELECT audit.checkpoint(3);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.checkpoint(-1);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.checkpoint(1000000);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.inclusion_proof('00000000-0000-7000-8000-000000000000');
\echo :LAST_ERROR_SQLSTATE
DO $$ BEGIN PERFORM audit.inclusion_proof(id, 605) FROM audit.objects WHERE entity_key = '1000';
EXCEPTION WHEN no_data_found THEN RAISE WARNING 'not yet in a ledger of that size'; END $$;
SELECT audit.inclusion_proof(NULL) IS NULL AS nothing;
SELECT audit.consistency_proof(5, 3);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.consistency_proof(1, 1000000);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.consistency_proof(-1, 3);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.witness_request(1000000);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM audit.tiles(1000000);
\echo :LAST_ERROR_SQLSTATE

-- RFC 6962, word for word, as a second opinion
CREATE FUNCTION mth(a int, b int) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
DECLARE
	k int := 1;
BEGIN
	IF b - a = 1 THEN
		RETURN (SELECT audit.ledger_leaf_hash(l.id, l.expire_us, l.inner_hash)
				FROM audit.ledger_leaves l WHERE l.leaf = a);
	END IF;
	WHILE 2 * k < b - a LOOP k := 2 * k; END LOOP;
	RETURN sha256('\x01' || mth(a, a + k) || mth(a + k, b));
END $$;
CREATE FUNCTION path(m int, a int, b int) RETURNS bytea[] LANGUAGE plpgsql STABLE AS $$
DECLARE
	k int := 1;
BEGIN
	IF b - a = 1 THEN RETURN '{}'; END IF;
	WHILE 2 * k < b - a LOOP k := 2 * k; END LOOP;
	RETURN CASE WHEN m < a + k THEN path(m, a, a + k) || mth(a + k, b)
				ELSE path(m, a + k, b) || mth(a, a + k) END;
END $$;
CREATE FUNCTION subproof(m int, a int, b int, whole boolean) RETURNS bytea[] LANGUAGE plpgsql STABLE AS $$
DECLARE
	k int := 1;
BEGIN
	IF m = b THEN RETURN CASE WHEN whole THEN '{}' ELSE ARRAY[mth(a, b)] END; END IF;
	WHILE 2 * k < b - a LOOP k := 2 * k; END LOOP;
	RETURN CASE WHEN m <= a + k THEN subproof(m, a, a + k, whole) || mth(a + k, b)
				ELSE subproof(m, a + k, b, false) || mth(a, a + k) END;
END $$;
-- the hashes of a proof: its lines between the head and the checkpoint
CREATE FUNCTION proof_hashes(proof text) RETURNS bytea[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(decode(line, 'base64') ORDER BY n), '{}')
	FROM regexp_split_to_table(proof, '\n') WITH ORDINALITY AS l (line, n)
	WHERE length(line) = 44 AND n < coalesce((
		SELECT min(e.n) FROM regexp_split_to_table(proof, '\n') WITH ORDINALITY AS e (line, n) WHERE e.line = ''), 1000000)
$$;
SELECT count(*) AS compared, count(*) FILTER (WHERE proof_hashes(audit.inclusion_proof(l.id, b.size)) <> path(l.leaf::int, 0, b.size::int)) AS different
FROM audit.ledger_leaves l CROSS JOIN (SELECT DISTINCT size FROM audit.ledger_blocks WHERE size IN (2 + 2, 605, 608)) b
WHERE l.leaf < b.size AND (l.leaf % 101 = 0 OR l.leaf > 600 OR l.leaf < 2 OR l.leaf BETWEEN 254 AND 257);
SELECT count(*) AS compared, count(*) FILTER (WHERE proof_hashes(audit.consistency_proof(m, n)) <> subproof(m, 0, n, true)) AS different
FROM unnest('{1,3,4,64,255,256,257,511,512,600,605,610}'::int[]) m,
	unnest('{1,4,5,256,257,512,605,608,611}'::int[]) n
WHERE m <= n;
SELECT audit.consistency_proof(0, 600) = '' AS from_nothing, audit.consistency_proof(605, 605) = '' AS to_itself;
SELECT audit.witness_request(0) = E'old 0\n\n' || audit.checkpoint() AS from_nothing,
	audit.witness_request(256) = E'old 256\n' || audit.consistency_proof(256) || E'\n' || audit.checkpoint() AS request;

-- tiles: all the files of a tiled log, and what is new since
SELECT path, length(data) FROM audit.tiles();
SELECT path FROM audit.tiles(605);
SELECT path FROM audit.tiles((SELECT size FROM audit.status));
SELECT string_agg(substr(t.data, 1, 64), ''::bytea) = mth(0, 1) || mth(1, 2) AS level_0,
	(SELECT substr(data, 1, 64) FROM audit.tiles() WHERE path LIKE 'tile/1/%') = mth(0, 256) || mth(256, 512) AS level_1
FROM audit.tiles() t WHERE t.path = 'tile/0/000';

-- -------------------------------------------------------------------- keys
SELECT set_config('audit.ledger_key', current_setting('data_directory') || '/audit_log_ledger_key.pem', false) IS NOT NULL AS set;
INSERT INTO goods VALUES (3001, 'signed');
SELECT audit.seal();
SELECT signatures FROM audit.status;
SELECT name, algorithm, own, first_size, last_size FROM audit.ledger_keys;
SELECT size, generation, line LIKE 'example.com/goods %' AS ours, length(decode(split_part(line, ' ', 2), 'base64')) AS bytes
FROM audit.ledger_signatures;
SELECT encode(substr(decode(split_part(line, ' ', 2), 'base64'), 1, 4), 'hex') = k.key_hash AS key_id
FROM audit.ledger_signatures, audit.ledger_keys k;
SELECT audit.rotate_key() LIKE 'example.com/goods+%' AS verifier;
SELECT algorithm, own, last_size IS NULL AS in_use FROM audit.ledger_keys;
SELECT audit.seal();	-- the record of the new key; signed by both
SELECT s.size - min(s.size) OVER () AS more, count(*) FROM audit.ledger_signatures s GROUP BY s.size ORDER BY 1;
SELECT algorithm, own, last_size IS NULL AS in_use FROM audit.ledger_keys;
INSERT INTO goods VALUES (3002, 'signed by the new key');
SELECT audit.seal();
SELECT s.size - min(s.size) OVER () AS more, count(*) FROM audit.ledger_signatures s GROUP BY s.size ORDER BY 1;
SELECT count(*) AS keys_in_the_ledger FROM audit.objects WHERE schema_name = 'audit' AND dao_name = 'ledger'
	AND entity ->> 'event' = 'rotate_key' AND ttl IS NULL;
SELECT * FROM audit.verify_ledger();

-- other signers: the example of the signed-note specification, an Ed25519 key
SELECT audit.add_ledger_key('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
SELECT audit.add_ledger_key('PeterNeumann+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.add_ledger_key('no key');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.add_ledger_key(NULL) IS NULL AS nothing;
SELECT name, own FROM audit.ledger_keys WHERE NOT own;
SELECT audit.add_signature('— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.add_signature('not a line');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.add_signature('— stranger.example AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=');
\echo :LAST_ERROR_SQLSTATE
-- one that is there already changes nothing
SELECT count(*) AS lines FROM audit.ledger_signatures;
SELECT audit.add_signature(line) FROM audit.ledger_signatures ORDER BY size DESC LIMIT 1;
SELECT count(*) AS lines FROM audit.ledger_signatures;

-- ------------------------------------------------------------- generations
SELECT audit.new_generation(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.new_generation('');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.seal() > 0 AS sealed;
RESET audit.ledger_origin;
BEGIN;
SELECT audit.new_generation('a restore that was meant');
SELECT audit.seal();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
INSERT INTO goods VALUES (4001, 'older than the generation');
SELECT audit.new_generation('a restore that was meant');
INSERT INTO goods VALUES (4002, 'newer');
SELECT audit.seal();
SELECT origin, generation FROM audit.status;
SELECT generation, origin, reason, b.first_leaf = g.first_leaf AS begins_with_block, l.id = g.record_id AS begins_with_record
FROM audit.ledger_generations g JOIN audit.ledger_blocks b USING (generation) JOIN audit.ledger_leaves l ON l.leaf = g.first_leaf
WHERE generation = 2;
SELECT entity ->> 'previous_checkpoint' = audit.checkpoint((entity ->> 'first_leaf')::bigint) AS holds_the_last_checkpoint
FROM audit.objects WHERE entity ->> 'event' = 'new_generation';
SELECT name, algorithm, own FROM audit.ledger_keys WHERE name LIKE '%/2';	-- keys are named by the origin
SELECT * FROM audit.verify_ledger(0, NULL, audit.checkpoint());
SELECT * FROM audit.crosscheck_ledger(audit.checkpoint());
SELECT count(*) - count(DISTINCT id) AS doubled FROM audit.ledger_leaves;

-- ------------------------------------------------------------------ erasing
SELECT id AS erased FROM audit.objects WHERE entity_key = '1005' \gset
SELECT audit.erase(:'erased', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT audit.erase(NULL, 'no id');
\echo :LAST_ERROR_SQLSTATE
SELECT audit.erase('00000000-0000-7000-8000-000000000000', 'no record');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO goods VALUES (5001, 'not sealed');
CREATE FUNCTION try_erase(id uuid, reason text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM audit.erase(id, reason);
	RETURN 'erased';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || replace(SQLERRM, id::text, '...');
END $$;
SELECT try_erase(id, 'not sealed') FROM audit.objects WHERE entity_key = '5001';
SELECT try_erase(id, 'hide it') FROM audit.objects WHERE entity ->> 'event' = 'new_generation';
SELECT audit.erase(:'erased', 'asked for by the person');
SELECT count(*) FROM audit.objects WHERE id = :'erased';
SELECT try_erase(:'erased', 'again');
SELECT entity ->> 'reason' AS reason, (entity ->> 'leaf')::bigint = audit.leaf(:'erased') AS leaf, ttl IS NULL AS for_ever
FROM audit.objects WHERE entity ->> 'event' = 'erase';
SELECT audit.seal();
SELECT audit.leaf(id) IS NOT NULL AS sealed FROM audit.objects WHERE entity ->> 'event' = 'erase';
SELECT audit.inclusion_proof(:'erased') IS NOT NULL AS still_proven;
SELECT * FROM audit.verify_ledger();
SELECT * FROM audit.crosscheck_ledger();

-- ------------------------------------------------- expired and not yet sealed
BEGIN;
SET LOCAL audit.record_ttl = 1;
INSERT INTO goods SELECT g, 'short' FROM generate_series(6001, 6020) g;
COMMIT;
SELECT pg_sleep(greatest(0, extract(epoch FROM max(expire) + interval '10 milliseconds' - clock_timestamp()))) FROM audit.audit_objects WHERE entity_key = '6020';
SELECT audit.purge() AS purged;
SELECT waiting, expired FROM audit.status;
SELECT audit.seal();
SELECT audit.purge() AS purged;
SELECT count(*) FROM audit.audit_objects WHERE entity_key BETWEEN '6001' AND '6020';
SELECT * FROM audit.verify_ledger();
SELECT * FROM audit.crosscheck_ledger();
-- nor does one go that was sealed by a transaction that was rolled back; a
-- session believes for a second what it has seen
BEGIN;
SET LOCAL audit.record_ttl = 1;
INSERT INTO goods VALUES (6021, 'short');
COMMIT;
SELECT pg_sleep(greatest(0, extract(epoch FROM expire + interval '10 milliseconds' - clock_timestamp()))) FROM audit.audit_objects WHERE entity_key = '6021';
BEGIN;
SELECT audit.seal();
INSERT INTO goods VALUES (6022, 'never written');
SELECT count(*) AS kept FROM audit.audit_objects WHERE entity_key = '6021';
ROLLBACK;
SELECT pg_sleep(1.1);
INSERT INTO goods VALUES (6022, 'written');
SELECT count(*) AS kept FROM audit.audit_objects WHERE entity_key = '6021';
SELECT audit.seal();
SELECT audit.purge() AS purged;
SELECT * FROM audit.verify_ledger();
-- a leaf is still found by the id of a record that is gone
SELECT count(*) FROM audit.ledger_leaves l
WHERE NOT EXISTS (SELECT FROM audit.ledger_texts t WHERE t.id = l.id) AND audit.leaf(l.id) = l.leaf;

-- ----------------------------------------------------------------- coverage
SELECT audit.record_coverage(), audit.record_coverage();
CREATE TABLE more (id int PRIMARY KEY);
SELECT audit.enable('more');
SELECT audit.record_coverage();
SELECT audit.record_coverage('0');
SELECT pg_typeof(covered_at), covered_at > now() - interval '1 hour' AS recent FROM audit.status;
SELECT entity ->> 'event' AS event, entity #>> '{tables,0,table_name}' AS first_table, entity -> 'triggers' ->> 'audit.audit_objects audit_log_protect' AS protected
FROM audit.objects WHERE entity_key = 'coverage' ORDER BY id DESC LIMIT 1;
-- a trigger that is removed from the catalog leaves no record: the next one shows it
DELETE FROM pg_trigger WHERE tgrelid = 'more'::regclass AND NOT tgisinternal;
SELECT audit.record_coverage();
SELECT json_array_length(entity -> 'tables') AS tables
FROM audit.objects WHERE entity_key = 'coverage' ORDER BY id DESC LIMIT 2;
-- so does a function that is changed there, and a path is not shown to who may not read it
BEGIN;
UPDATE pg_proc SET prosrc = 'BEGIN RETURN false; END' WHERE oid = 'audit.erase(uuid, text)'::regprocedure;
SET LOCAL audit.ledger_key = '/nowhere/ledger.pem';
SELECT audit.record_coverage();
SELECT lead(entity ->> 'functions') OVER w <> entity ->> 'functions' AS functions_differ,
    entity -> 'settings' ->> 'audit.ledger_key' = encode(sha256('/nowhere/ledger.pem'), 'hex') AS key_is_digest
FROM audit.objects WHERE entity_key = 'coverage' WINDOW w AS (ORDER BY id DESC) LIMIT 1;
ROLLBACK;
SELECT audit.seal() > 0 AS sealed;

-- ------------------------------------------------------------------- rights
CREATE ROLE audit_log_nobody;
CREATE ROLE audit_log_auditor IN ROLE audit_log_reader;
SET ROLE audit_log_nobody;
SELECT audit.seal();
SELECT audit.verify_ledger();
SELECT audit.erase('00000000-0000-7000-8000-000000000000', 'x');
SELECT count(*) FROM audit.ledger_bundles;
SET ROLE audit_log_auditor;
SELECT audit.seal();
SELECT audit.erase('00000000-0000-7000-8000-000000000000', 'x');
SELECT audit.rotate_key();
SELECT audit.new_generation('x');
SELECT count(*) FROM audit.verify_ledger();
SELECT audit.checkpoint() LIKE 'example.com/goods/2%' AS may_read, sealer FROM audit.status;
RESET ROLE;
DROP ROLE audit_log_nobody, audit_log_auditor;
DELETE FROM audit.ledger_blocks;
\echo :LAST_ERROR_SQLSTATE
UPDATE audit.ledger_bundles SET leaves = leaves;
INSERT INTO audit.ledger_nodes VALUES (8, 1000, sha256(''));
TRUNCATE audit.ledger_signatures;
-- ranges together find what the whole finds
SELECT count(*) FROM (SELECT (audit.verify_ledger(f, f + 100)).* FROM generate_series(0, 700, 100) f) s;
SELECT audit.verify_ledger(-1);
\echo :LAST_ERROR_SQLSTATE

\c :home
DROP DATABASE audit_log_ledger;
