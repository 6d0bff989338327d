-- The entity of a record is what row_to_json(row)::text gives under fixed
-- settings, whatever the writer's session has set: same bytes, every type.
SET client_min_messages = warning;
CREATE SCHEMA fidelity;
CREATE EXTENSION hstore SCHEMA fidelity;
CREATE EXTENSION citext SCHEMA fidelity;
SET search_path = fidelity, pg_catalog;
CREATE VIEW objects AS SELECT * FROM audit.objects WHERE schema_name = 'fidelity';

-- The yardstick.
CREATE FUNCTION fixed(anyelement) RETURNS text LANGUAGE sql STABLE
	SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
	SET extra_float_digits = 1 SET bytea_output = 'hex'
	SET lc_monetary = 'C' SET quote_all_identifiers = off SET search_path = pg_catalog
	AS 'SELECT row_to_json($1)::text';
CREATE FUNCTION fixed_key(anyelement) RETURNS text LANGUAGE sql STABLE
	SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres'
	SET extra_float_digits = 1 SET bytea_output = 'hex'
	SET lc_monetary = 'C' SET quote_all_identifiers = off SET search_path = pg_catalog
	AS 'SELECT $1::text';

-- Odd sessions; each leaves every setting different from the yardstick's.
CREATE FUNCTION odd_session(n integer) RETURNS void LANGUAGE sql AS $$
	SELECT set_config(name, (setting)[n], false) FROM (VALUES
		('TimeZone', '{Asia/Kolkata,America/St_Johns,"<+03>-3"}'::text[]),
		('DateStyle', '{"SQL, DMY","German, YMD","Postgres, MDY"}'),
		('IntervalStyle', '{iso_8601,sql_standard,postgres_verbose}'),
		('extra_float_digits', '{-15,3,0}'),
		('bytea_output', '{escape,escape,escape}'),
		('xmlbinary', '{hex,base64,hex}'),
		('xmloption', '{document,content,document}'),
		('quote_all_identifiers', '{on,off,on}'),
		('lc_monetary', '{C,POSIX,C}'),
		('search_path', '{"fidelity, pg_catalog","fidelity, public","pg_temp, fidelity"}')
	) AS s(name, setting)
$$;
CREATE FUNCTION session() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(name || '=' || current_setting(name), ' ' ORDER BY ord) FROM unnest('{TimeZone,DateStyle,IntervalStyle,extra_float_digits,bytea_output,xmlbinary,xmloption,quote_all_identifiers,lc_monetary,search_path}'::text[]) WITH ORDINALITY AS s(name, ord)
$$;

-- What records and the yardstick differ in; no row when they agree.
CREATE FUNCTION differences(target regclass, op text, OUT n bigint, OUT recorded text, OUT expected text)
	RETURNS SETOF record LANGUAGE plpgsql SET search_path = fidelity, pg_catalog AS $$
BEGIN
	RETURN QUERY EXECUTE format($q$
		SELECT n, left(r, 200), left(e, 200)
		FROM (SELECT row_number() OVER (ORDER BY o.id) AS n, o.entity::text AS r
			  FROM objects o JOIN pg_class c ON c.relname = o.dao_name
			  WHERE c.oid = %L::oid AND o.operation = %L) AS recorded
		FULL JOIN (SELECT row_number() OVER (ORDER BY alias_of_row.ctid) AS n, fixed(alias_of_row) AS e
				   FROM %s AS alias_of_row) AS expected USING (n)
		WHERE (r COLLATE "C") IS DISTINCT FROM (e COLLATE "C")
		ORDER BY n$q$, target::oid, op, target);
END $$;
-- How many records were compared: a test that compares nothing shows nothing.
CREATE FUNCTION compared(target regclass, op text) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM objects o JOIN pg_class c ON c.relname = o.dao_name
	WHERE c.oid = target AND o.operation = op
$$;

--
-- Every built-in type that a column can have, with values that are hard.
--
CREATE TABLE literals (type regtype, literal text);
INSERT INTO literals SELECT type::regtype, unnest(literals) FROM (VALUES
	('bool', ARRAY['t', 'f']),
	('int2', ARRAY['-32768', '32767', '0']),
	('int4', ARRAY['-2147483648', '2147483647']),
	('int8', ARRAY['-9223372036854775808', '9223372036854775807']),
	('float4', ARRAY['NaN', 'Infinity', '-Infinity', '-0', '0.1', '3.4028235e38', '1e-45', '16777216', '1e15', '1e16', '1e-5', '0.0001']),
	('float8', ARRAY['NaN', 'Infinity', '-Infinity', '-0', '0.1', '1.7976931348623157e308', '5e-324', '9007199254740993', '1e15', '1e16', '0.30000000000000004', '1e-5']),
	('numeric', ARRAY['NaN', 'Infinity', '-Infinity', '1.0', '1.00', '0.000000000000000000000000000000000001', '123456789012345678901234567890.123456789', '-0.0', '1e1000']),
	('money', ARRAY['-92233720368547758.08', '12345678.90', '0']),
	('text', ARRAY['', E'"\\/\b\f\n\r\t\u0001\u001f\u007f', 'süß 日本 🎉', E'\u0080\u00ad\u2028\u2029\ufeff', '<&''>']),
	('varchar', ARRAY['', E'tab\there', 'é']),
	('bpchar', ARRAY['a  ', '  a']),
	('name', ARRAY['', 'Ünïcode "name"', 'a''b']),
	('"char"', ARRAY['a', '', '"', '\', E'\u0001']),
	('bytea', ARRAY['', '\x00ff5c0a27', '\x416261']),
	('date', ARRAY['infinity', '-infinity', '0044-03-15 BC', '4713-11-24 BC', '5874897-12-31', '2024-02-29', '0001-01-01']),
	('time', ARRAY['00:00', '23:59:59.999999', '24:00:00', '01:02:03.1']),
	('timetz', ARRAY['00:00+15:59', '23:59:59.999999-15:59:59', '24:00:00+00', '12:00+05:30']),
	('timestamp', ARRAY['infinity', '-infinity', '0044-03-15 12:00:00.5 BC', '4713-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999', '2024-02-29 01:02:03.1', '2024-07-01']),
	('timestamptz', ARRAY['infinity', '-infinity', '0044-03-15 12:00:00.5+00 BC', '4713-11-24 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00', '1890-01-01 00:00:00+00', '2024-07-01 12:34:56.789+05:30']),
	('interval', ARRAY['0', '1 year 2 mons -3 days 04:05:06.789', '-178000000 years', '-1 day 00:00:01', '00:00:00.000001', '-00:00:01.5']),
	('json', ARRAY[E'{"b" :1, "a":1,"a" : 2 , "\\u00e9":"\\u0001","x":1.0e5}', '[ ]', 'null', ' 1.50 ', E'{"\\/":"\\/"}', E'\n{ "a"\t:\r\n[1 ,{}]}']),
	('jsonb', ARRAY['{"b":1, "a":1.00,"a":2.00, "\u00e9":"\n\u0001"}', '[]', 'null', '1.50', '"\ud83c\udf89"', '{}', '[1e2, -0.0]']),
	('jsonpath', ARRAY['$.a[*] ? (@.b > 1.50)', 'strict $."x y"', '$.date.datetime()']),
	('xml', ARRAY['', '<a b="c">&lt;</a>', '<?xml version="1.0" encoding="utf-8"?><a/>', '<a/><b/>']),
	('uuid', ARRAY['16787ED7-d805-434a-9cec-5e5a3e5c9e4f', '00000000000000000000000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']),
	('oid', ARRAY['0', '4294967295']),
	('xid', ARRAY['0', '4294967295']),
	('xid8', ARRAY['0', '18446744073709551615']),
	('cid', ARRAY['0', '4294967295']),
	('tid', ARRAY['(0,0)', '(4294967295,65535)']),
	('regproc', ARRAY['pg_catalog.now', 'fidelity.fixed', '0']),
	('regprocedure', ARRAY['fidelity.fixed(anyelement)', 'pg_catalog.abs(int4)', '0']),
	('regoper', ARRAY['pg_catalog.||/', 'fidelity.?&', '0']),
	('regoperator', ARRAY['pg_catalog.+(int4,int4)', 'fidelity.->(fidelity.hstore,text)', '0']),
	('regclass', ARRAY['pg_catalog.pg_class', 'fidelity.literals', '4294967295']),
	('regcollation', ARRAY['pg_catalog."C"', 'pg_catalog."default"', '0']),
	('regtype', ARRAY['timestamp with time zone', 'fidelity.hstore', 'text[]']),
	('regrole', ARRAY['0', 'pg_monitor', '4294967295']),
	('regnamespace', ARRAY['fidelity', 'pg_catalog', '4294967295']),
	('regconfig', ARRAY['pg_catalog.simple', 'pg_catalog.german']),
	('regdictionary', ARRAY['pg_catalog.simple', 'pg_catalog.german_stem']),
	('pg_lsn', ARRAY['0/0', 'FFFFFFFF/FFFFFFFF', '16/B374D848']),
	('pg_snapshot', ARRAY['10:20:10,14,15', '1:1:']),
	('txid_snapshot', ARRAY['10:20:10,14,15']),
	('tsvector', ARRAY['', 'a:1A fat:2B,4C cat:5', '''qu''''ote'' ''back\\slash''']),
	('tsquery', ARRAY['', '''fat'' & ( ''rat'' | !''c a t'':*AB )', 'a <-> b <3> c']),
	('inet', ARRAY['192.168.1.1/24', '::1', '0.0.0.0/0', '::ffff:1.2.3.4/96']),
	('cidr', ARRAY['192.168.0.0/16', '2001:db8::/32', '10/8']),
	('macaddr', ARRAY['08:00:2b:01:02:03']),
	('macaddr8', ARRAY['08:00:2b:01:02:03:04:05']),
	('bit', ARRAY['0', '1']),
	('varbit', ARRAY['', '10110', '0']),
	('point', ARRAY['(0.1,-0)', '(NaN,Infinity)', '(1e300,1e-300)']),
	('line', ARRAY['{0.1,-1,0}']),
	('lseg', ARRAY['[(0.1,0.2),(0.30000000000000004,1e16)]']),
	('box', ARRAY['(0.1,0.2),(0.3,0.4)']),
	('path', ARRAY['[(0.1,0),(1,1)]', '((0.1,0),(1,1))']),
	('polygon', ARRAY['((0.1,0),(1,1),(2,0))']),
	('circle', ARRAY['<(0.1,0.2),0.3>']),
	('aclitem', ARRAY['=r/pg_monitor', 'pg_monitor=r*w/pg_read_all_data']),
	('int2vector', ARRAY['1 2 -3', '']),
	('oidvector', ARRAY['1 2 4294967295', '']),
	('refcursor', ARRAY['', 'a cursor']),
	('int4range', ARRAY['empty', '(,)', '[1,5)', '(,5]']),
	('int8range', ARRAY['empty', '[1,9223372036854775807)']),
	('numrange', ARRAY['[1.0,1.00]', '(,NaN]', 'empty']),
	('daterange', ARRAY['[-infinity,infinity]', '[2024-02-01,2024-02-29]', '(,0044-03-15 BC)']),
	('tsrange', ARRAY['[2024-02-29 01:02:03.1,2024-07-01)', '(,infinity)']),
	('tstzrange', ARRAY['[2024-02-29 01:02:03.1+00,2024-07-01 00:00+00)', '(-infinity,0044-03-15 12:00+00 BC]']),
	('int4multirange', ARRAY['{}', '{[1,3),[7,)}']),
	('int8multirange', ARRAY['{}', '{(,3),[7,9)}']),
	('nummultirange', ARRAY['{[1.0,1.50),[2,3]}']),
	('datemultirange', ARRAY['{[2024-02-01,2024-02-29),[2025-01-01,)}']),
	('tsmultirange', ARRAY['{[2024-02-29 01:02:03.1,2024-07-01)}']),
	('tstzmultirange', ARRAY['{[2024-02-29 01:02:03.1+00,2024-07-01 00:00+00)}'])
) AS v(type, literals);


-- Types for which there is no literal above: those that no input makes.
CREATE VIEW column_types AS
	SELECT t.oid::regtype AS type, 'c_' || t.typname AS name, false AS is_array, t.oid::regtype AS element
	FROM pg_type t
	WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'r', 'm', 'e')
		AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
	UNION ALL
	SELECT t.oid::regtype, 'c_' || t.typname, true, e.oid::regtype
	FROM pg_type t JOIN pg_type e ON e.typarray = t.oid
	WHERE t.typnamespace = 'pg_catalog'::regnamespace AND e.typtype IN ('b', 'r', 'm', 'e');
SELECT type FROM column_types
	WHERE element NOT IN (SELECT type FROM literals)
	ORDER BY type::text COLLATE "C";

-- A column of each type, its nth row holding literal n, and of each array
-- type: empty, plain, with nulls, of two dimensions, with lower bounds, null.
CREATE FUNCTION make_samples() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	col record;
	v text[];
BEGIN
	EXECUTE (SELECT 'CREATE TABLE samples (n integer, ' || string_agg(format('%I %s', name, type), ', ' ORDER BY is_array, name COLLATE "C") || ')' FROM column_types);
	INSERT INTO samples (n) SELECT generate_series(1, 13);
	FOR col IN SELECT * FROM column_types WHERE element IN (SELECT type FROM literals) LOOP
		v := (SELECT array_agg(literal) FROM literals WHERE type = col.element);
		IF NOT col.is_array THEN
			EXECUTE format('UPDATE samples SET %I = (($1::text)::%s[])[n]', col.name, col.type) USING v;
		ELSE
			EXECUTE format('UPDATE samples SET %1$I = CASE n
				WHEN 1 THEN ARRAY[]::%2$s[]
				WHEN 2 THEN ($1::text)::%2$s[]
				WHEN 3 THEN ARRAY[NULL, (($1::text)::%2$s[])[1], NULL]
				WHEN 4 THEN ARRAY[($1::text)::%2$s[], ($1::text)::%2$s[]]
				WHEN 5 THEN array_fill((($1::text)::%2$s[])[1], ''{2,1,2}'', ''{-1,0,7}'')
				WHEN 6 THEN array_fill(NULL::%2$s, ''{2,2}'', ''{5,-5}'') END',
				col.name, col.element) USING v;
		END IF;
	END LOOP;
END $$;
SELECT make_samples();
VACUUM FULL samples;
SELECT count(*) > 140 AS many_types FROM pg_attribute WHERE attrelid = 'samples'::regclass AND attnum > 0;

-- The value that a literal meant is made before the session becomes odd.
CREATE TABLE every_type (LIKE samples);
SELECT audit.enable('every_type');

SELECT odd_session(1);
INSERT INTO every_type SELECT * FROM samples ORDER BY n;
SELECT session();
RESET ALL; SET search_path = fidelity, pg_catalog;
SELECT compared('every_type', 'create');
SELECT * FROM differences('every_type', 'create');

DELETE FROM every_type;
SELECT odd_session(2);
INSERT INTO every_type SELECT * FROM samples ORDER BY n;
SELECT session();
RESET ALL; SET search_path = fidelity, pg_catalog;

-- An update under odd settings that changes every column but one where the
-- next sample differs: the new row, and the previous values of what changed.
CREATE TABLE before_update AS SELECT * FROM every_type ORDER BY n;
SELECT odd_session(3);
DO $$ BEGIN
	EXECUTE (SELECT format('UPDATE fidelity.every_type AS t SET (%1$s) = (SELECT %1$s FROM fidelity.samples s WHERE s.n = t.n %% 13 + 1)', string_agg(quote_ident(name), ', ')) FROM fidelity.column_types);
END $$;
SELECT session();
RESET ALL; SET search_path = fidelity, pg_catalog;
CREATE FUNCTION old_values_differences(changed regclass, before regclass, key name, OUT n integer, OUT col name, OUT recorded text, OUT expected text)
	RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	o record;
	cols text;
	e text;
	c name;
BEGIN
	FOR o IN SELECT old_values::text AS old, entity->>key AS key FROM objects JOIN pg_class p ON relname = dao_name
			 WHERE p.oid = changed AND operation = 'update' ORDER BY id
	LOOP
		cols := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
				 WHERE attrelid = before AND attnum > 0 AND NOT attisdropped AND attname IN (SELECT json_object_keys(o.old::json)));
		CONTINUE WHEN cols IS NULL AND o.old = '{}';
		EXECUTE format('SELECT fidelity.fixed(s) FROM (SELECT %s FROM %s WHERE %I = %L) AS s', cols, before, key, o.key) INTO e;
		IF o.old COLLATE "C" IS DISTINCT FROM e THEN
			n := o.key; recorded := left(o.old, 200); expected := left(e, 200);
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
SELECT * FROM old_values_differences('every_type', 'before_update', 'n');
-- Columns are in old_values exactly if they differ, to the last byte.
SELECT count(*) AS records, sum((SELECT count(*) FROM json_object_keys(o.old_values))) > 500 AS many_changes,
	count(*) FILTER (WHERE o.old_values->'n' IS NOT NULL) AS unchanged_column,
	count(*) FILTER (WHERE EXISTS (
		SELECT FROM json_each(o.entity) AS new JOIN json_each(fixed(b)::json) AS old USING (key)
		WHERE (old.value::text IS DISTINCT FROM new.value::text) <> (o.old_values->key IS NOT NULL)))  AS wrong
	FROM objects o JOIN before_update b ON b.n = (o.entity->>'n')::integer
	WHERE o.dao_name = 'every_type' AND o.operation = 'update';
SELECT count(*) AS differences FROM (SELECT fixed(t) COLLATE "C" AS f FROM every_type t EXCEPT SELECT entity::text FROM objects WHERE dao_name = 'every_type' AND operation = 'update') AS d;

-- A delete shows the row that went.
SELECT odd_session(1);
CREATE TABLE before_delete AS SELECT * FROM every_type ORDER BY n;
DELETE FROM every_type;
RESET ALL; SET search_path = fidelity, pg_catalog;
SELECT count(*) AS records,
	count(*) FILTER (WHERE o.entity::text <> fixed(b) COLLATE "C") AS wrong
	FROM objects o JOIN before_delete b ON b.n = (o.entity->>'n')::integer
	WHERE o.dao_name = 'every_type' AND o.operation = 'delete'
		AND o.id::text > (SELECT max(id::text) FROM objects WHERE operation = 'update');

--
-- Types that users make: each kind, inside each other, with parts dropped.
--
CREATE TYPE mood AS ENUM ('sad', 'a "quoted", ö', E'tab\tbed');
CREATE TYPE pair AS (a integer, dropped_first text, "B ""c""" text, d timestamptz);
ALTER TYPE pair DROP ATTRIBUTE dropped_first;
CREATE TYPE nest AS (p pair, ps pair[], m mood, f float8, b bytea, r tstzrange, i interval);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN tags AS text[] CHECK (array_length(VALUE, 1) < 10);
CREATE DOMAIN dpair AS pair CHECK ((VALUE).a <> 0);
CREATE DOMAIN dnest AS nest;
CREATE DOMAIN drange AS tstzrange;
CREATE DOMAIN djson AS json;
CREATE DOMAIN ddomain AS dpair NOT NULL;
CREATE DOMAIN dmood AS mood;
CREATE DOMAIN dmoney AS money;
CREATE TYPE float_range AS RANGE (SUBTYPE = float8);
CREATE TYPE pair_range AS RANGE (SUBTYPE = pair);
CREATE TYPE class_range AS RANGE (SUBTYPE = regclass, SUBTYPE_OPCLASS = oid_ops);
CREATE TABLE made (
	k integer PRIMARY KEY, m mood, ms mood[], p pair, ps pair[], n nest, ns nest[],
	dp positive, dt tags, dts tags[], ddp dpair, ddps dpair[], dn dnest, dr drange, dj djson, djs djson[],
	dd ddomain, dm dmood, dms dmood[], dmo dmoney, fr float_range, frm float_multirange, pr pair_range,
	prs pair_range[], cr class_range, h hstore, hs hstore[], c citext, cs citext[],
	row_of_catalog pg_catalog.pg_am, g integer GENERATED ALWAYS AS (k * 2) STORED,
	i bigint GENERATED BY DEFAULT AS IDENTITY);
SELECT audit.enable('made');
CREATE TABLE made_samples AS SELECT * FROM made;
INSERT INTO made_samples VALUES
	(1, 'a "quoted", ö', '{sad,NULL,"a \"quoted\", ö"}', ROW(1, E'x\ty"', '2024-07-01 12:00+00'), ARRAY[ROW(1, NULL, NULL)::pair, NULL],
	 ROW(ROW(1, '', 'infinity'), ARRAY[ROW(2, 'é', '0044-03-15 12:00+00 BC')]::pair[], E'tab\tbed', 0.1, '\x5c00', '[2024-01-01 00:00+00,)', '1 day -2 hours'),
	 ARRAY[NULL, ROW(NULL, NULL, NULL, '-0', NULL, NULL, '1 year')::nest],
	 1, '{a,NULL,"b c"}', ARRAY['{a,b}'::tags], ROW(1, 'x', NULL), ARRAY[ROW(1, 'x', now())::dpair], ROW(NULL, '{}', 'sad', 'NaN', '', 'empty', '0'), '[2024-01-01 00:00+00,2024-02-01 00:00+00)', '{"a" : 1.0 }', ARRAY['{"a" : 1.0 }'::djson],
	 ROW(7, '', '2024-07-01 12:00+00'), 'sad', '{sad}', 12.5, '[0.1,0.30000000000000004)', '{[1e16,1e17]}', '["(1,a,2024-01-01 00:00:00+00)","(2,b,)"]',
	 ARRAY['(,)'::pair_range], '[fidelity.made,]', 'a=>1, "b c"=>NULL, d=>"x\"y", e=>t', ARRAY['a=>b'::hstore], 'ÄbC', '{ÄbC,NULL}',
	 (SELECT a FROM pg_am a WHERE amname = 'btree'), 0, 5),
	(2, NULL, '{}', ROW(NULL, NULL, NULL), '{}', ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL), '{}', NULL, '{}', '{}', NULL, '{}', NULL, 'empty', 'null', '{}',
	 ROW(NULL, NULL, NULL), NULL, '{}', NULL, 'empty', '{}', 'empty', '{}', 'empty', '', '{}', '', '{}', NULL, 0, 6);
CREATE FUNCTION write_made() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE (SELECT format('INSERT INTO fidelity.made (%1$s) SELECT %1$s FROM fidelity.made_samples ORDER BY k', string_agg(quote_ident(attname), ', '))
		FROM pg_attribute WHERE attrelid = 'fidelity.made'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
END $$;
SELECT odd_session(1);
SELECT write_made();
SELECT session();
RESET ALL; SET search_path = fidelity, pg_catalog;
SELECT compared('made', 'create');
SELECT * FROM differences('made', 'create');
SELECT entity->'p' AS p, entity->'h' AS h, entity->'g' AS g FROM objects WHERE dao_name = 'made' ORDER BY id;

-- The types change while a session holds plans of them.
ALTER TYPE pair ADD ATTRIBUTE added integer CASCADE;
ALTER TYPE pair RENAME ATTRIBUTE a TO "renamed a" CASCADE;
ALTER TYPE mood RENAME VALUE 'sad' TO 'glad';
ALTER DOMAIN tags RENAME TO labels;
CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE sql AS $$ SELECT json_build_object('mood', $1::text) $$;
CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);
ALTER TABLE made DROP COLUMN cs, DROP COLUMN dp;
ALTER TABLE made ADD COLUMN late timestamptz DEFAULT '2024-07-01 12:00+05:30', ADD COLUMN later text DEFAULT 'x"y';
CREATE TABLE made_before AS SELECT * FROM made;
SELECT odd_session(2);
UPDATE made SET k = k;
RESET ALL; SET search_path = fidelity, pg_catalog;
SELECT compared('made', 'update');
SELECT * FROM differences('made', 'update');
SELECT entity->'p' AS p, entity->'m' AS m, entity->'h' AS h, entity->'late' AS late, old_values FROM objects WHERE dao_name = 'made' AND operation = 'update' ORDER BY id;
UPDATE made SET p.added = 3, later = 'y', late = late;
SELECT * FROM old_values_differences('made', 'made_before', 'k') WHERE recorded <> '{}';
SELECT old_values FROM objects WHERE dao_name = 'made' AND operation = 'update' AND old_values::text <> '{}' ORDER BY id;
DELETE FROM made;
DELETE FROM made_samples;

--
-- Rows that were there before a column was added.
--
CREATE TABLE grown (k integer, gone text);
INSERT INTO grown VALUES (1, 'a'), (2, 'b');
ALTER TABLE grown DROP COLUMN gone;
ALTER TABLE grown ADD COLUMN at timestamptz NOT NULL DEFAULT '2024-07-01 12:00+05:30', ADD COLUMN r regclass DEFAULT 'grown', ADD COLUMN n numeric DEFAULT 1.00, ADD COLUMN t text DEFAULT 'é';
SELECT audit.enable('grown');
SELECT odd_session(1);
UPDATE grown SET n = 1.0 WHERE k = 1;
DELETE FROM grown WHERE k = 2;
RESET ALL; SET search_path = fidelity, pg_catalog;
SELECT operation, entity, old_values FROM objects WHERE dao_name = 'grown' ORDER BY id;
SELECT * FROM differences('grown', 'update');

-- Equal is not the same: what = calls equal is a change if the text differs.
CREATE TABLE equal_values (k integer, n numeric, f float8, c citext, t interval, b bpchar, j jsonb, s text COLLATE "C");
SELECT audit.enable('equal_values');
INSERT INTO equal_values VALUES (1, 1.0, 0, 'a', '1 day', 'x', '{"a":1.0}', NULL);
UPDATE equal_values SET n = 1.00, f = '-0', c = 'A', t = '24:00:00', j = '{"a":1.00}', s = '';
UPDATE equal_values SET n = n, f = '-0'::float8, c = 'A', s = '';
UPDATE equal_values SET s = NULL;
SELECT old_values, entity FROM objects WHERE dao_name = 'equal_values' AND operation = 'update' ORDER BY id;

-- What only json, not jsonb or text, can hold is kept too.
CREATE TABLE odd_json (j json);
SELECT audit.enable('odd_json');
INSERT INTO odd_json VALUES ('{"nul" : "\u0000", "lone surrogate" : "\ud800", "big":1e999999, "a":1, "a":2}');
SELECT entity::text AS entity, entity::text = fixed(o) AS same FROM objects, odd_json o WHERE dao_name = 'odd_json';

-- Large values, in line, compressed and out of line; changed and not.
CREATE TABLE large (k integer, a text, b text, c bytea, d jsonb);
ALTER TABLE large ALTER a SET STORAGE EXTERNAL;
SELECT audit.enable('large');
CREATE FUNCTION noise(seed text, kilobytes integer) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(encode(sha512((seed || i)::bytea), 'hex'), '') FROM generate_series(1, kilobytes * 8) AS i $$;
INSERT INTO large SELECT 1, noise('a', 20), repeat('b', 100000), noise('c', 20)::bytea, jsonb_build_object('d', noise('d', 20));
CREATE TABLE large_before AS SELECT * FROM large;
UPDATE large SET k = 2;
UPDATE large SET a = a || 'x', d = d;
UPDATE large SET b = repeat('b', 100000), c = noise('c', 20)::bytea, d = jsonb_build_object('d', noise('d', 20));
UPDATE large SET d = jsonb_set(d, '{d}', '"small"');
SELECT length(entity::text), left(old_values::text, 8) AS old, length(old_values::text) FROM objects WHERE dao_name = 'large' ORDER BY id;
SELECT (old_values->>'a') = a AS same_a FROM large_before, (SELECT old_values FROM objects WHERE dao_name = 'large' AND operation = 'update' OFFSET 0) AS o WHERE old_values->'a' IS NOT NULL;
SELECT (old_values->'d')::text = d::text AS same_d FROM large_before, (SELECT old_values FROM objects WHERE dao_name = 'large' AND operation = 'update' OFFSET 0) AS o WHERE old_values->'d' IS NOT NULL;
SELECT * FROM differences('large', 'update') WHERE n = 5;
SELECT entity::text = fixed(l) AS same FROM objects, large_before l WHERE dao_name = 'large' AND operation = 'create';

--
-- Keys: the text of the one column, or a JSON array of several.
--
CREATE FUNCTION check_key(type text, literal text) RETURNS TABLE (key_type text, entity_key text, same boolean) LANGUAGE plpgsql AS $$
DECLARE want text;
BEGIN
	EXECUTE format('CREATE TABLE fidelity.keyed (k %s PRIMARY KEY)', type);
	PERFORM audit.enable('fidelity.keyed');
	EXECUTE format('INSERT INTO fidelity.keyed VALUES (%L)', literal);
	EXECUTE 'SELECT fidelity.fixed_key(k) FROM fidelity.keyed' INTO want;
	RETURN QUERY SELECT type, o.entity_key, o.entity_key = want COLLATE "C" FROM objects o WHERE dao_name = 'keyed' ORDER BY id DESC LIMIT 1;
	DROP TABLE fidelity.keyed;
END $$;
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'German';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = -15;
SET bytea_output = 'escape';
SELECT k.* FROM (VALUES ('integer', '7'), ('bigint', '-7'), ('smallint', '7'), ('boolean', 'true'), ('text', E'a"\\\tb'), ('varchar', ''), ('char(5)', 'ab'),
	('uuid', '16787ED7-d805-434a-9cec-5e5a3e5c9e4f'), ('numeric', '1.00'), ('float4', '0.1'), ('float8', '0.30000000000000004'), ('float8', '-Infinity'),
	('date', '29.02.2024'), ('timestamp', '29.02.2024 12:00:00.5'), ('timestamptz', '29.02.2024 12:00:00.5'), ('time', '12:00'), ('timetz', '12:00'), ('interval', 'P1DT2H'),
	('bytea', '\x00ff27'), ('name', 'n'), ('"char"', 'x'), ('inet', '10.0.0.1'), ('oid', '4294967295'), ('regclass', 'fidelity.made'), ('money', '1.5'), ('bit(3)', '101'),
	('float8[]', '{0.1,0.30000000000000004}'), ('timestamptz[]', '{29.02.2024 12:00:00.5}'), ('bytea[]', '{"\\x00ff"}'), ('date[]', '{29.02.2024}'), ('interval[]', '{P1DT2H}'),
	('tstzrange', '[29.02.2024 12:00,)'), ('daterange', '[29.02.2024,)'), ('tstzmultirange', '{[29.02.2024 12:00,)}'), ('float_range', '[0.1,0.2]'),
	('mood', 'glad'), ('pair', '(1,x,29.02.2024 12:00:00.5,2)'), ('ddomain', '(1,x,29.02.2024 12:00:00.5,2)'), ('pair[]', '{"(1,x,29.02.2024 12:00:00.5,2)"}'), ('labels', '{a,b}'),
	('hstore', 'a=>1'), ('citext', 'AbC'), ('jsonb', '{"b":1,"a":"x"}'), ('pg_lsn', '0/16')) AS t(type, literal), check_key(type, literal) AS k;
CREATE TABLE composite_key (a text, b timestamptz, c float8, d bytea, x integer, PRIMARY KEY (d, a, b, c));
SELECT audit.enable('composite_key');
INSERT INTO composite_key VALUES (E'x"\ty', '29.02.2024 12:00', 0.1, '\x00ff');
CREATE TABLE identity_key (a numeric NOT NULL, b text);
CREATE UNIQUE INDEX identity_key_idx ON identity_key (a);
ALTER TABLE identity_key REPLICA IDENTITY USING INDEX identity_key_idx;
SELECT audit.enable('identity_key');
INSERT INTO identity_key VALUES (1.50, 'x');
CREATE TABLE no_key (a integer UNIQUE);
SELECT audit.enable('no_key');
INSERT INTO no_key VALUES (1);
UPDATE composite_key SET a = 'new';
RESET ALL; SET search_path = fidelity, pg_catalog;
SELECT dao_name, operation, entity_key FROM objects WHERE dao_name LIKE '%\_key' ORDER BY id;

--
-- Names.
--
CREATE TABLE "Ünï ""quoted"" \ name, 日本 and as long as it may be, ab" ("select" integer, "a ""b""" text, "back\slash" text, "日本" text, "tab	and
newline" text, "'; --" text, "sixty-three bytes sixty-three bytes sixty-three bytes sixty-thre" text);
SELECT audit.enable('"Ünï ""quoted"" \ name, 日本 and as long as it may be, ab"');
INSERT INTO "Ünï ""quoted"" \ name, 日本 and as long as it may be, ab" VALUES (1, 'a', 'b', 'c', 'd', 'e', 'f');
UPDATE "Ünï ""quoted"" \ name, 日本 and as long as it may be, ab" SET "日本" = 'x', "tab	and
newline" = 'y';
SELECT dao_name, operation, entity, old_values FROM objects WHERE dao_name LIKE 'Ü%' ORDER BY id;

-- As many columns as a table may have.
SELECT 'CREATE TABLE wide (' || string_agg(format('"column %s" %s', i, (ARRAY['integer', 'text', 'boolean', 'date'])[i % 4 + 1]), ', ') || ')' FROM generate_series(1, 1600) AS i \gexec
SELECT audit.enable('wide');
SELECT 'INSERT INTO wide VALUES (' || string_agg((ARRAY['7', '''ab''', 'NULL', '''2024-02-29'''])[CASE WHEN i % 4 = 2 THEN 3 ELSE i % 4 + 1 END], ', ') || ')' FROM generate_series(1, 1600) AS i \gexec
SET DateStyle = 'German';
UPDATE wide SET "column 1600" = 8, "column 1" = NULL;
RESET DateStyle;
SELECT old_values FROM objects WHERE dao_name = 'wide' AND operation = 'update';
SELECT compared('wide', 'update');
SELECT * FROM differences('wide', 'update');

-- No column at all.
CREATE TABLE bare ();
SELECT audit.enable('bare');
INSERT INTO bare DEFAULT VALUES;
SELECT entity FROM objects WHERE dao_name = 'bare';

--
-- Functions of users that print a value: what they see, what they leave.
--
CREATE TYPE shown AS ENUM ('settings', 'fail', 'own settings', 'caught');
CREATE FUNCTION shown_json(shown) RETURNS json LANGUAGE plpgsql
	SET TimeZone = 'Asia/Tokyo' SET DateStyle = 'German' SET IntervalStyle = 'iso_8601' SET extra_float_digits = -15 SET bytea_output = 'escape' AS $$
BEGIN
	IF $1 = 'fail' THEN
		RAISE EXCEPTION 'cannot be shown';
	ELSIF $1 = 'caught' THEN
		BEGIN
			PERFORM 1 / 0;
		EXCEPTION WHEN division_by_zero THEN
			RETURN to_json('caught at ' || timestamptz '2024-07-01 12:00+00');
		END;
	END IF;
	RETURN to_json($1::text);
END $$;
CREATE CAST (shown AS json) WITH FUNCTION shown_json(shown);
CREATE TYPE seen AS ENUM ('seen');
CREATE FUNCTION seen_json(seen) RETURNS json LANGUAGE plpgsql AS $$ BEGIN
	RETURN json_build_array(current_setting('TimeZone'), current_setting('DateStyle'), current_setting('search_path'), timestamptz '2024-07-01 12:00+00' || '', 0.30000000000000004::float8 || '');
END $$;
CREATE CAST (seen AS json) WITH FUNCTION seen_json(seen);
CREATE TABLE shows (k tstzrange PRIMARY KEY, s shown, n seen, r tstzrange, d daterange, i interval, f point, b bytea, t timetz);
SELECT audit.enable('shows');
SELECT odd_session(2);
SET search_path = fidelity, pg_catalog;
INSERT INTO shows SELECT '[2024-01-01 00:00+00,)', s, 'seen', '[2024-01-01 00:00+00,)', '[2024-01-01,)', '1 day 2 hours', '(0.30000000000000004,0)', '\x00ff', '12:00' FROM unnest('{settings}'::shown[]) AS s;
SELECT session();
INSERT INTO shows SELECT '[2023-01-01 00:00+00,)', 'fail', 'seen';
SELECT session();
BEGIN;
SAVEPOINT s;
INSERT INTO shows SELECT '[2023-01-01 00:00+00,)', 'fail', 'seen';
ROLLBACK TO s;
SELECT session();
INSERT INTO shows SELECT '[2022-01-01 00:00+00,)', 'caught', 'seen', r, d, i, f, b, t FROM shows;
SET LOCAL DateStyle = 'SQL, DMY';
COMMIT;
SELECT session();
DO $$ BEGIN
	INSERT INTO fidelity.shows SELECT '[2021-01-01 00:00+00,)', 'fail', 'seen';
EXCEPTION WHEN raise_exception THEN RAISE WARNING '%', SQLERRM;
END $$;
SELECT session();
RESET ALL; SET search_path = fidelity, pg_catalog;
SELECT compared('shows', 'create');
SELECT * FROM differences('shows', 'create');
SELECT entity FROM objects WHERE dao_name = 'shows' ORDER BY id;

-- A type with its own output function follows the settings as built-in ones do.
SET client_min_messages = warning;
CREATE TYPE moment;
CREATE FUNCTION moment_in(cstring, oid, integer) RETURNS moment IMMUTABLE STRICT LANGUAGE internal AS 'timestamptz_in';
CREATE FUNCTION moment_out(moment) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'timestamptz_out';
CREATE TYPE moment (INPUT = moment_in, OUTPUT = moment_out, LIKE = timestamptz);
RESET client_min_messages;
CREATE CAST (timestamptz AS moment) WITHOUT FUNCTION;
CREATE TABLE moments (m moment, ms moment[]);
SELECT audit.enable('moments');
SELECT odd_session(1);
INSERT INTO moments VALUES (timestamptz '2024-07-01 12:00+00'::moment, ARRAY[timestamptz '2024-07-01 12:00+00'::moment]);
RESET ALL; SET search_path = fidelity, pg_catalog;
SELECT entity FROM objects WHERE dao_name = 'moments';

SET client_min_messages = warning;
DROP EXTENSION hstore, citext CASCADE;
DROP SCHEMA fidelity CASCADE;
