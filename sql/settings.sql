-- The audit.* settings: what they are, what they refuse, when they apply.
CREATE SCHEMA settings;
SET search_path = settings, public;
-- The library is loaded by the first use of one of its functions.
SELECT audit.canonical('[1]');
SELECT name, setting, unit, vartype, context, min_val, max_val, source
	FROM pg_settings WHERE name LIKE 'audit.%' ORDER BY name COLLATE "C";
SELECT name, short_desc, extra_desc FROM pg_settings WHERE name LIKE 'audit.%' ORDER BY name COLLATE "C";

CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	-- Some versions print the unit with each end of a range.
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || regexp_replace(SQLERRM, '\((\d+) s \.\. (\d+) s\)', '(\1 .. \2)'), 'DETAIL ' || nullif(detail, ''), 'HINT ' || nullif(hint, ''));
END $$;
CREATE FUNCTION try_set(name text, value text) RETURNS text LANGUAGE sql AS $$
	SELECT settings.attempt(format('SELECT set_config(%L, %L, false)', name, value))
$$;
\pset format unaligned
\pset tuples_only on

-- Units, ranges and words.
SELECT v, attempt(format('SET audit.record_ttl = %L', v)), current_setting('audit.record_ttl') FROM unnest('{30d,1h,90,0,2147483647,-1,2147483648,abc,1 fortnight,1.5}'::text[]) AS v;
RESET audit.record_ttl;
SELECT v, try_set('audit.enabled', v), current_setting('audit.enabled') FROM unnest('{off,1,no,true,maybe,""}'::text[]) AS v;
RESET audit.enabled;
SELECT try_set('audit.no_such_setting', 'x');

-- Paths: each must be a regular expression.
SELECT try_set('audit.ignore_paths', '/ok,/bad(,/ok');
SELECT try_set('audit.ignore_paths', '[');
SELECT try_set('audit.ignore_paths', 'a{2,1}');
SELECT try_set('audit.ignore_paths', 'a{2\,1}');
SELECT try_set('audit.ignore_paths', '(?<n>a)(?<n>b)');
SELECT try_set('audit.ignore_paths', '\C');
SELECT try_set('audit.ignore_paths', '(?C1)x');
SELECT try_set('audit.ignore_paths', '\p{Greek}+,^/ü,(?i)/ÄB,a{1\,2},,  ,');
SELECT current_setting('audit.ignore_paths');
SELECT try_set('audit.ignore_paths', repeat('/x,', 10000));
RESET audit.ignore_paths;

-- Tables.
SELECT v, try_set('audit.ignore_tables', v) FROM unnest(ARRAY['a', ' a , b.c ', '"a,b"', '"odd.name"', 's."o""dd"', 'a,,b', '', 'a.b.c', '.a', 'a.', 'a"b', '""', '"', 'a b', '"a"b', '.', 'a,"b,c']) AS v;
RESET audit.ignore_tables;

-- Keys.
SELECT v, try_set('audit.payload_exclude', v) FROM unnest(ARRAY['', 'a', 'a.b.c', ' a , b ', 'a..b', '.a', 'a.', ',', 'ä.ö']) AS v;
RESET audit.payload_exclude;
SELECT v, try_set('audit.ignore_methods', v) FROM unnest(ARRAY['', 'get, Post', ',', 'GET POST', 'GET,P(ST']) AS v;
RESET audit.ignore_methods;

-- Request ids: 128 characters, not bytes; no control characters.
SELECT try_set('audit.request_id', repeat('x', 128)), length(current_setting('audit.request_id'));
SELECT try_set('audit.request_id', repeat('日', 128)), length(current_setting('audit.request_id'));
SELECT try_set('audit.request_id', repeat('x', 129)), length(current_setting('audit.request_id'));
SELECT try_set('audit.request_id', repeat('日', 129));
SELECT ascii(c), try_set('audit.request_id', 'a' || c || 'b') FROM unnest(ARRAY[E'\n', E'\r', E'\t', E'\x01', E'\x1f', E'\x7f', E'\u0080', E'\u0085', E'\u009f', E'\u00a0', ' ', '|', '/', '"', '<']) AS c;
SELECT try_set('audit.request_id', ''), current_setting('audit.request_id');
-- begin_request() and log_request() have the same rule.
SELECT attempt($$SELECT audit.begin_request(repeat('x', 129))$$);
SELECT attempt($$SELECT audit.begin_request(E'a\nb')$$);
SELECT attempt($$SELECT audit.log_request('GET', '/', 200, request_id => repeat('x', 129))$$);
SELECT attempt($$SELECT audit.log_request('GET', '/', 200, request_id => E'a\x7fb')$$);
RESET audit.request_id;

-- Who may change what.
CREATE ROLE settings_user;
GRANT USAGE ON SCHEMA settings TO settings_user;
SET ROLE settings_user;
SELECT name, attempt(format('SET %s = %L', name, CASE WHEN name LIKE '%ttl' THEN '1' WHEN name LIKE '%enabled' THEN 'off' ELSE 'x' END)) FROM (SELECT name FROM pg_settings WHERE name LIKE 'audit.%' ORDER BY name COLLATE "C") AS s;
SELECT attempt('RESET audit.enabled');
RESET ROLE;
SELECT name, setting FROM pg_settings WHERE name LIKE 'audit.%' AND setting IS DISTINCT FROM boot_val ORDER BY name COLLATE "C";
RESET audit.request_id; RESET audit.workspace; RESET audit.rbac_user_id; RESET audit.rbac_user_name; RESET audit.request_source; RESET audit.client_ip;
-- A parameter privilege lets a superuser delegate.
GRANT SET ON PARAMETER audit.record_ttl TO settings_user;
SET ROLE settings_user;
SELECT attempt('SET audit.record_ttl = 60');
RESET ROLE;
REVOKE SET ON PARAMETER audit.record_ttl FROM settings_user;
RESET audit.record_ttl;

-- Settings of a database and of a role reach new sessions.
SELECT current_database() AS db, current_user AS superuser \gset
ALTER DATABASE :"db" SET audit.record_ttl = '2h';
ALTER ROLE settings_user SET audit.workspace = 'of the role';
ALTER ROLE settings_user SET audit.payload_exclude = 'pin';
ALTER ROLE settings_user IN DATABASE :"db" SET audit.ignore_methods = 'PUT';
ALTER ROLE settings_user LOGIN;
\c - settings_user
SELECT audit.canonical('[1]');
SELECT name, setting, source FROM pg_settings WHERE name LIKE 'audit.%' AND source <> 'default' ORDER BY name COLLATE "C";
\c - :superuser
ALTER DATABASE :"db" RESET audit.record_ttl;
SET search_path = settings, public;
\pset format unaligned
\pset tuples_only on
-- What could not be set is refused by these commands too, once the library is
-- loaded.
SELECT audit.canonical('[1]');
SELECT attempt(format('ALTER DATABASE %I SET audit.ignore_paths = ''(''', current_database()));
SELECT attempt('ALTER ROLE settings_user SET audit.request_id = ''a' || E'\n' || '''');
SELECT attempt('ALTER ROLE settings_user SET audit.no_such = 1');
ALTER SYSTEM SET audit.ignore_paths = '(';
ALTER SYSTEM SET audit.record_ttl = 'soon';

-- Switched off, nothing of either stream is written.
CREATE TABLE switched (k integer PRIMARY KEY);
SELECT audit.enable('switched');
CREATE FUNCTION written() RETURNS bigint LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM audit.objects WHERE schema_name = 'settings' AND operation <> 'ddl') + (SELECT count(*) FROM audit.requests WHERE path = '/switched')
$$;
SET audit.enabled = off;
INSERT INTO switched SELECT generate_series(1, 3);
UPDATE switched SET k = k + 10;
DELETE FROM switched;
TRUNCATE switched;
SELECT audit.log_request('GET', '/switched', 200) IS NULL AS silent;
SELECT written();
-- A bad request is an error all the same.
SELECT attempt($$SELECT audit.log_request('GET', '/switched', 99)$$);
SET audit.enabled = on;
INSERT INTO switched VALUES (1);
SELECT audit.log_request('GET', '/switched', 200) IS NULL AS silent;
SELECT written();
-- In the middle of a transaction, and of a statement.
BEGIN;
SET LOCAL audit.enabled = off;
INSERT INTO switched VALUES (2);
COMMIT;
INSERT INTO switched VALUES (3);
SELECT written();

-- Ignored tables: in every form, at once, also for prepared statements and
-- cached plans.
CREATE TABLE plain (k integer);
CREATE TABLE "Odd.Name, ""q""" (k integer);
CREATE TABLE parted (k integer) PARTITION BY RANGE (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
CREATE TABLE parent (k integer);
CREATE TABLE child () INHERITS (parent);
SELECT count(audit.enable(t)) FROM unnest('{plain,"\"Odd.Name, \"\"q\"\"\"",parted,parent}'::regclass[]) AS t;
CREATE FUNCTION write_plain() RETURNS void LANGUAGE plpgsql AS $$ BEGIN 
	INSERT INTO settings.plain VALUES (1);
	INSERT INTO settings."Odd.Name, ""q""" VALUES (1);
	INSERT INTO settings.parted VALUES (1), (11);
	INSERT INTO settings.child VALUES (1);
END $$;
PREPARE write_plain AS INSERT INTO plain VALUES (2);
CREATE FUNCTION recorded(list text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
BEGIN
	PERFORM set_config('audit.ignore_tables', list, false);
	before := (SELECT count(*) FROM audit.objects);
	PERFORM settings.write_plain();
	RETURN (SELECT coalesce(string_agg(coalesce(partition_name, dao_name), '; ' ORDER BY o.id), 'nothing')
			FROM (SELECT * FROM audit.objects ORDER BY id OFFSET before) AS o);
END $$;
SELECT l, recorded(l) FROM unnest(ARRAY['', 'plain', 'settings.plain', 'other.plain', 'PLAIN', '"plain"', ' plain , "Odd.Name, ""q""" ', 'settings."Odd.Name, ""q"""', '"settings.plain"', 'parted', 'parted_1', 'settings.parted_2', 'parent', 'child', 'plain,parted,child,settings."Odd.Name, ""q"""']) AS l;
SET audit.ignore_tables = '';
EXECUTE write_plain; EXECUTE write_plain;
SET audit.ignore_tables = 'plain';
EXECUTE write_plain;
SET audit.ignore_tables = '';
EXECUTE write_plain;
SELECT count(*) FROM audit.objects WHERE dao_name = 'plain' AND entity->>'k' = '2';
-- A renamed table is ignored under its new name.
SET audit.ignore_tables = 'renamed';
EXECUTE write_plain;
ALTER TABLE plain RENAME TO renamed;
INSERT INTO renamed VALUES (2);
ALTER SCHEMA settings RENAME TO settings2;
SET search_path = settings2, public;
SET audit.ignore_tables = 'settings2.renamed';
INSERT INTO renamed VALUES (2);
SET audit.ignore_tables = 'settings.renamed';
INSERT INTO renamed VALUES (2);
SELECT schema_name, dao_name, count(*) FROM audit.objects WHERE dao_name IN ('plain', 'renamed') AND entity->>'k' = '2' GROUP BY 1, 2 ORDER BY 1, 2;
-- Requests are not affected.
SET audit.ignore_tables = 'audit_requests,requests';
SELECT audit.log_request('GET', '/switched', 200) IS NULL AS silent;
-- TRUNCATE too.
SET audit.ignore_tables = 'renamed';
TRUNCATE renamed, parent;
RESET audit.ignore_tables;
SELECT dao_name FROM audit.objects WHERE operation = 'truncate' AND schema_name = 'settings2' ORDER BY id;

-- Nobody gets rid of settings by loading the library in a parallel operation.
CREATE TABLE many AS SELECT g FROM generate_series(1, 1000) g;
CREATE FUNCTION loads(int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN RETURN length(audit.canonical('{"a":1}')); END $$;
ALTER DATABASE :"db" SET audit.payload_exclude = pin;
\c -
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers = 0;
SELECT count(settings2.loads(g)) FROM settings2.many;
SHOW audit.payload_exclude;
ALTER DATABASE :"db" RESET audit.payload_exclude;

\pset tuples_only off
\pset format aligned
SET client_min_messages = warning;
DROP SCHEMA settings2 CASCADE;
DROP OWNED BY settings_user;
DROP ROLE settings_user;
