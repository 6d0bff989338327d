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

DROP SCHEMA generated CASCADE;
