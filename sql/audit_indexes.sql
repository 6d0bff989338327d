-- Every index of the log is kept up, ours and those that an administrator adds.
CREATE EXTENSION amcheck;
CREATE TABLE indexed (id int PRIMARY KEY, t text);
CREATE TABLE keyless (t text);
SELECT audit.enable('indexed'), audit.enable('keyless');

CREATE INDEX added_hash ON audit.audit_objects USING hash (entity_key);
CREATE INDEX added_expression ON audit.audit_objects ((entity->>'t'));
CREATE INDEX added_partial ON audit.audit_objects (id) WHERE operation = 'delete';
CREATE INDEX added_null ON audit.audit_objects (id) WHERE request_id IS NULL;
CREATE INDEX added_not_null ON audit.audit_objects (workspace, id) WHERE workspace IS NOT NULL;
CREATE INDEX added_brin ON audit.audit_objects USING brin (occurred_at);
ALTER TABLE audit.audit_objects ADD CONSTRAINT added_deferrable
	UNIQUE (salt) DEFERRABLE INITIALLY DEFERRED;

-- With and without what partial indexes ask for; one row, and some batches.
INSERT INTO indexed VALUES (0, 'one');
BEGIN;
SET LOCAL audit.request_id = 'a request';
SET LOCAL audit.workspace = 'a workspace';
INSERT INTO indexed SELECT i, 'many' FROM generate_series(1, 600) AS i;
INSERT INTO keyless VALUES ('without a key');
COMMIT;
UPDATE indexed SET t = 'changed' WHERE id < 300;
SET audit.record_ttl = 0;
DELETE FROM indexed WHERE id < 10;
INSERT INTO keyless VALUES ('without key, request or expiry');
RESET audit.record_ttl;

-- Every row that belongs there is in every b-tree.
SELECT indexrelid::regclass AS index, bt_index_check(indexrelid, true)
FROM pg_index JOIN pg_class c ON c.oid = indexrelid
WHERE indrelid = 'audit.audit_objects'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
ORDER BY indexrelid::regclass::text COLLATE "C";

-- And what is read through an index is what is there.
CREATE FUNCTION compare(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	by_table bigint;
BEGIN
	FOR i IN 1 .. 2 LOOP
		PERFORM set_config('enable_seqscan', (i = 1)::text, true),
			set_config('enable_indexscan', (i = 2)::text, true),
			set_config('enable_bitmapscan', (i = 2)::text, true);
		EXECUTE 'SELECT count(*) FROM audit.audit_objects WHERE dao_name IN (''indexed'', ''keyless'') AND '
			|| condition INTO n;
		by_table := coalesce(by_table, n);
	END LOOP;
	RETURN CASE WHEN n = by_table THEN 'the same ' || n ELSE format('%s, by index %s', by_table, n) END;
END
$$;
SELECT condition, compare(condition) FROM (VALUES
	($$entity_key = '5'$$), ($$entity->>'t' = 'changed'$$), ($$operation = 'delete' AND id > '00000000-0000-0000-0000-000000000000'$$),
	($$request_id = 'a request'$$), ($$request_id IS NULL$$), ($$workspace = 'a workspace'$$),
	($$expire > now()$$), ($$occurred_at > now() - interval '1 hour'$$)) AS c(condition);

-- Expired records are found through the right index, whatever else there is.
CREATE INDEX added_descending ON audit.audit_objects (expire DESC) WHERE expire IS NOT NULL;
CREATE INDEX added_partly ON audit.audit_objects (expire, dao_name) WHERE signature IS NOT NULL;
CREATE INDEX added_order ON audit.audit_objects (txid DESC, id DESC);
SET audit.record_ttl = 1;
INSERT INTO keyless VALUES ('expires soon');
RESET audit.record_ttl;
SELECT pg_sleep(greatest(0, extract(epoch FROM expire + interval '10 milliseconds' - clock_timestamp()))) FROM audit.audit_objects WHERE entity->>'t' = 'expires soon';
SELECT audit.purge() > 0 AS purged;
SELECT count(*) AS expired FROM audit.audit_objects WHERE expire < now();
DROP INDEX audit.added_descending, audit.added_partly, audit.added_order;

ALTER TABLE audit.audit_objects DROP CONSTRAINT added_deferrable;
DROP INDEX audit.added_hash, audit.added_expression, audit.added_partial, audit.added_null,
	audit.added_not_null, audit.added_brin;
DROP TABLE indexed, keyless;
DROP FUNCTION compare(text);
DROP EXTENSION amcheck;
