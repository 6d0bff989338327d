/*
 * audit.export() gives the sealed records by their position, each once, and
 * the HTTP API hands them on.  In a database of its own: once something is
 * sealed, other topics would purge differently.
 */
SELECT current_database() AS home \gset
CREATE DATABASE audit_log_export;
\c audit_log_export
SET client_min_messages = warning;
CREATE EXTENSION audit_log CASCADE;
CREATE TABLE goods (id int PRIMARY KEY, name text);
SELECT audit.enable('goods');

-- nothing is sealed
INSERT INTO goods VALUES (1, 'one'), (2, 'two');
SELECT * FROM audit.export();
SELECT * FROM audit.api_export(NULL, NULL);
SELECT status, body FROM audit.api_checkpoint();
SELECT status FROM audit.api_proof('00000000-0000-0000-0000-000000000000');
SELECT * FROM audit.api_tile('tile/0/000.p/1');

-- sealed in two blocks, of both streams
SELECT audit.seal();
UPDATE goods SET name = E'quote " slash \\ tab \t é' WHERE id = 1;
SELECT audit.log_request('POST', '/goods', 201, '{"name": "three"}', duration_ms => 1.250) IS NOT NULL;
SELECT audit.seal();
INSERT INTO goods VALUES (3, 'three');	-- waits
SELECT leaf, state, stream, expire_us = record_expire_us AS same_expiry, record ->> 'operation' AS operation,
	record ->> 'status' AS status
FROM audit.export();
SELECT count(*) FROM audit.export() e WHERE e.leaf = audit.leaf(e.id) AND e.id = (e.record ->> 'id')::uuid;

-- the record is what audit.record() gives
SELECT count(*) FROM audit.export() e JOIN audit.objects o USING (id)
WHERE e.record::text = audit.record(o)::text;
SELECT count(*) FROM audit.export() e JOIN audit.requests r USING (id)
WHERE e.record::text = audit.record(r)::text;

-- and what it takes to compute the leaf
SELECT e.leaf, e.txid = t.txid::text::bigint AS txid, e.inner_hash = encode(audit.ledger_inner_hash(t.meta, decode(e.salt, 'base64'), t.data), 'base64') AS inner
FROM audit.export() e JOIN audit.ledger_texts t USING (id) ORDER BY 1;

-- positions
SELECT leaf FROM audit.export(2);
SELECT leaf FROM audit.export(1, 2);
SELECT leaf FROM audit.export(max_records => 1);
SELECT leaf FROM audit.export(from_leaf => NULL, max_records => NULL);
SELECT leaf FROM audit.export(0, 0);
SELECT leaf FROM audit.export(4);
SELECT leaf FROM audit.export(9223372036854775807);
SELECT leaf FROM audit.export(-1);
SELECT leaf FROM audit.export(0, -1);

-- it streams: a scan that stops early leaves nothing open
SELECT (e).leaf FROM (SELECT audit.export() AS e) s LIMIT 1;

-- more leaves than a batch, in many small blocks and one large
INSERT INTO goods SELECT g, 'many' FROM generate_series(1001, 1300) g;
SELECT audit.seal();
DO $$
BEGIN
	FOR i IN 1 .. 5 LOOP
		INSERT INTO goods VALUES (2000 + i, 'few');
	END LOOP;
END
$$;
SELECT audit.seal();
SELECT count(*), count(DISTINCT id), min(leaf), max(leaf), bool_and(state = 'present') FROM audit.export();
SELECT count(*), min(leaf), max(leaf) FROM audit.export(255, 47);
SELECT bool_and(a.id = b.id) FROM audit.export(250, 20) a JOIN audit.export() b USING (leaf);

-- gone: expired, erased, missing; neither record nor salt is shown
BEGIN;
SET LOCAL audit.record_ttl = 1;
INSERT INTO goods VALUES (4000, 'short-lived');
COMMIT;
SELECT audit.seal();
DO $$
BEGIN
	WHILE EXISTS (SELECT FROM audit.audit_objects
				  WHERE entity_key = '4000' AND expire >= clock_timestamp()) LOOP
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
SELECT audit.erase(id, 'asked for') FROM audit.objects WHERE entity_key = '1001';
ALTER TABLE audit.audit_objects DISABLE TRIGGER audit_log_protect;
DELETE FROM audit.audit_objects WHERE entity_key = '1002';
UPDATE audit.audit_objects SET expire = expire + interval '1 day' WHERE entity_key = '1003';
ALTER TABLE audit.audit_objects ENABLE ALWAYS TRIGGER audit_log_protect;
SELECT leaf, state, stream, txid, record, salt, record_expire_us, expire_us IS NOT NULL AS expires,
	length(inner_hash)
FROM audit.export() WHERE state <> 'present' ORDER BY leaf;
SELECT leaf, state, record_expire_us - expire_us AS longer FROM audit.export() WHERE record_expire_us <> expire_us;

-- a salt is not given out with a proof once its record has expired
SELECT e.state, convert_from(decode((regexp_match(audit.inclusion_proof(e.id), 'extra (\S+)'))[1], 'base64'), 'UTF8')
	= E'audit_log/leaf/v1\n' || coalesce(expire_us::text, '-') || E'\n'
		|| coalesce(txid::text, '-') || E'\n' || coalesce(salt, '-') || E'\n' AS extra
FROM audit.export() e WHERE e.leaf IN (0, 2, 4, 5) OR e.state <> 'present' ORDER BY e.leaf;

-- blocks with their checkpoints
SELECT block, first_leaf, size, generation, checkpoint = audit.checkpoint(size) AS checkpoint
FROM audit.blocks ORDER BY block;

-- what is stored
SELECT s.id IS NULL AS gone, e.leaf IS NULL AS waits, count(*), bool_and(s.txid::text::bigint = e.txid) AS txid
FROM audit.stored_records s FULL JOIN audit.export() e USING (id) GROUP BY 1, 2 ORDER BY 1, 2;

-- tiles one by one are those of audit.tiles()
SELECT count(*), bool_and(t.data = audit.tile(t.path)) FROM audit.tiles() t;
SELECT audit.tile(path) IS NULL AS none FROM (VALUES ('tile/0/001'), ('tile/1/001'), ('tile/2/000'), ('tile/0/999'),
	('tile/63/000'), ('tile/0/0'), ('tile'), (''), ('/tile/0/000'), ('tile/0/x922/x337/x203/x685/x477/580')) v (path);
SELECT length(audit.tile('tile/0/000')), length(audit.tile('tile/0/000.p/7')), length(audit.tile('tile/1/000.p/1')),
	length(audit.tile('tile/entries/000.p/7'));

-- HTTP
SELECT status, body::json -> 'size' AS size, body::json -> 'next_leaf' AS next_leaf, body::json -> 'next' AS next,
	json_array_length(body::json -> 'data') AS leaves, body::json #> '{data,0,leaf}' AS first
FROM (VALUES (NULL, NULL), ('0', '2'), ('310', NULL), ('310', '2'), ('999999', NULL)) v ("from", size),
	audit.api_export(v."from", v.size);
SELECT status, body FROM (VALUES ('x', NULL), ('-1', NULL), ('', NULL), ('9999999999999999999', NULL),
	(NULL, '0'), (NULL, '1001'), (NULL, 'x')) v ("from", size), audit.api_export(v."from", v.size);
SELECT status, data = audit.note_bytes(audit.checkpoint()) FROM audit.api_checkpoint();
SELECT p.status, p.data = audit.note_bytes(audit.inclusion_proof(e.id)) FROM audit.export(0, 1) e, audit.api_proof(e.id::text) p;
SELECT p.status FROM audit.objects o, audit.api_proof(o.id::text) p WHERE o.entity #>> '{event}' = 'erase';
SELECT status, body FROM audit.api_proof(''' OR true');
SELECT status, body, data = audit.tile('tile/0/000') AS data FROM audit.api_tile('tile/0/000');
SELECT * FROM audit.api_tile('tile/9/000');

-- who may
CREATE ROLE regress_export_nobody;
CREATE ROLE regress_export_reader IN ROLE audit_log_reader;
CREATE ROLE regress_export_api IN ROLE audit_log_api;
SET ROLE regress_export_nobody;
SELECT * FROM audit.export(0, 1);
SELECT * FROM audit.blocks;
SELECT * FROM audit.stored_records;
SELECT audit.tile('tile/0/000');
SELECT audit.api_export('0', '1');
SET ROLE regress_export_reader;
SELECT leaf, record IS NOT NULL FROM audit.export(0, 1);
SELECT count(*) FROM audit.blocks;
SELECT count(*) FROM audit.stored_records;
SELECT length(audit.tile('tile/0/000'));
SET ROLE regress_export_api;
SELECT status FROM audit.api_export('0', '1');
SELECT status FROM audit.api_checkpoint();
SELECT status FROM audit.api_proof('x');
SELECT status FROM audit.api_tile('tile/0/000');
SELECT * FROM audit.export(0, 1);
SELECT audit.tile('tile/0/000');
RESET ROLE;
DROP ROLE regress_export_nobody, regress_export_reader, regress_export_api;

\c :home
DROP DATABASE audit_log_export;
