-- Generated columns are recorded as a query reads them, also those that
-- PostgreSQL 18 and later compute only when they are read.
SET client_min_messages = warning;
CREATE SCHEMA generated;
SET search_path = generated;
CREATE FUNCTION create_goods(kind text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE format('CREATE TABLE goods (
		id integer PRIMARY KEY, net numeric, rate numeric, label text,
		tax numeric GENERATED ALWAYS AS (net * rate) %1$s,
		title text GENERATED ALWAYS AS (upper(label) || repeat(''!'', id)) %1$s,
		unused integer,
		free boolean GENERATED ALWAYS AS (coalesce(net, 0) = 0) %1$s)', kind);
	ALTER TABLE goods DROP COLUMN unused;
END $$;
CREATE VIEW records AS
	SELECT operation, entity, old_values, removed_from_entity FROM audit.objects
	WHERE schema_name = 'generated' ORDER BY id;

-- Virtual where the server knows it
SELECT create_goods(CASE WHEN current_setting('server_version_num')::integer >= 180000
	THEN 'VIRTUAL' ELSE 'STORED' END);
INSERT INTO goods VALUES (1, 100, 0.2, 'tea'), (2, NULL, 0.2, NULL);
SELECT audit.enable('goods', snapshot => true, skip_unchanged => true);
INSERT INTO goods VALUES (3, 10, 0.1, 'cup');
UPDATE goods SET net = 50 WHERE id = 1;
UPDATE goods SET label = 'pot' WHERE id = 2;
UPDATE goods SET net = net;
SELECT goods.id, entity::text = row_to_json(goods)::text AS same FROM goods
JOIN LATERAL (SELECT entity FROM audit.objects WHERE schema_name = 'generated'
	AND entity_key = goods.id::text ORDER BY id DESC LIMIT 1) AS last ON true ORDER BY goods.id;
DELETE FROM goods WHERE id = 3;
TABLE records;

-- Their definition may change.
ALTER TABLE goods DROP COLUMN free;
ALTER TABLE goods RENAME label TO name;
UPDATE goods SET net = 60 WHERE id = 1;
SELECT audit.enable('goods', exclude => '{title}', mask => '{tax}');
UPDATE goods SET net = 70, name = 'can' WHERE id = 1;
SELECT * FROM records OFFSET 6;

-- What is computed from a hidden column is hidden with it.
DROP TABLE goods;
CREATE TABLE cards (id integer PRIMARY KEY, card text, password text, holder text, cents integer);
DO $$ DECLARE
	kind text := CASE WHEN current_setting('server_version_num')::integer >= 180000
		THEN 'VIRTUAL' ELSE 'STORED' END;
BEGIN
	EXECUTE format('ALTER TABLE cards
		ADD last4 text GENERATED ALWAYS AS (right(card, 4)) STORED,
		ADD hash text GENERATED ALWAYS AS (md5(password)) %1$s,
		ADD label text GENERATED ALWAYS AS (holder || '' '' || coalesce(right(card, 2), ''-'')) %1$s,
		ADD mixed text GENERATED ALWAYS AS (card || password) STORED,
		ADD euros numeric GENERATED ALWAYS AS (cents / 100.0) STORED', kind);
END $$;
SELECT audit.enable('cards', mask => '{card,cents}');
SELECT exclude, mask FROM audit.tracked_tables WHERE schema_name = 'generated';
CREATE TABLE marks AS SELECT count(*)::integer AS n FROM records;
INSERT INTO cards VALUES (1, '4111111111111111', 'geheim', 'ann', 250), (2, NULL, 'geheim', 'bob', NULL);
SELECT clock_timestamp() AS inserted \gset
UPDATE cards SET card = '5500000000000004', cents = 300 WHERE id = 1;
SELECT operation, entity, old_values, removed_from_entity FROM records OFFSET (TABLE marks);
-- What is masked is unknown, also where it does not look like a number.
SELECT id, holder, label, euros FROM audit.as_of(NULL::cards, :'inserted') ORDER BY id;
DO $$ BEGIN
	PERFORM audit.revert(o.id) FROM audit.objects o WHERE dao_name = 'cards' AND operation = 'update';
EXCEPTION WHEN feature_not_supported THEN RAISE INFO '%', regexp_replace(SQLERRM, '[0-9a-f-]{36}', 'ID');
END $$;
SELECT audit.enable('cards', exclude => '{card}');
UPDATE cards SET card = '4000000000000002' WHERE id = 1;
SELECT operation, entity, old_values, removed_from_entity FROM records OFFSET (SELECT n + 3 FROM marks);
-- The columns of a key too
CREATE TABLE tokens (token text, id text GENERATED ALWAYS AS (md5(token)) STORED PRIMARY KEY);
SELECT audit.enable('tokens');
INSERT INTO tokens VALUES ('geheim');
SELECT entity_key, entity, removed_from_entity FROM audit.objects WHERE schema_name = 'generated' AND dao_name = 'tokens';

DROP SCHEMA generated CASCADE;
