-- Requests: the context of a transaction, and the records of requests.
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE SCHEMA requests;
SET search_path = requests;
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE command INTO result;
	RETURN coalesce(result, 'null');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(': ', SQLSTATE, SQLERRM, nullif(detail, ''));
END $$;
CREATE TABLE things (id int PRIMARY KEY, v text);
SELECT audit.enable('things');
-- The records of a request, both streams.
CREATE FUNCTION joined(rid text) RETURNS TABLE (what text, request_source text, rbac_user_id text, rbac_user_name text, workspace text, client_ip text)
LANGUAGE sql AS $$
	SELECT * FROM (
		SELECT method || ' ' || path, r.request_source, r.rbac_user_id, r.rbac_user_name, r.workspace, r.client_ip
			FROM audit.requests r WHERE r.request_id = rid
		UNION ALL
		SELECT operation || ' ' || entity_key, o.request_source, o.rbac_user_id, o.rbac_user_name, o.workspace, o.client_ip
			FROM audit.objects o WHERE o.request_id = rid) AS s
	ORDER BY 1
$$;

-- begin_request(): an id of 32 characters when none is given.
BEGIN;
SELECT audit.begin_request() AS made \gset
SELECT :'made' ~ '^[A-Za-z0-9]{32}$' AS well_formed, current_setting('audit.request_id') = :'made' AS is_set;
INSERT INTO things VALUES (1, 'made');
COMMIT;
SELECT what FROM joined(:'made');
BEGIN;
SELECT audit.begin_request('') ~ '^[A-Za-z0-9]{32}$', audit.begin_request(NULL) ~ '^[A-Za-z0-9]{32}$';
COMMIT;
SELECT count(DISTINCT id), bool_and(id ~ '^[A-Za-z0-9]{32}$'), count(DISTINCT c) AS alphabet, max(n) < 3 * min(n) AS as_likely
	FROM (SELECT id, c, count(*) OVER (PARTITION BY c) AS n
		FROM (SELECT audit.begin_request() AS id FROM generate_series(1, 2000)) AS i, regexp_split_to_table(id, '') AS c) AS s;

-- Each argument reaches both streams, is local to its transaction, and what is
-- not given is unset, whatever the session had.
SET audit.workspace = 'of the session';
SET audit.rbac_user_id = 'session id';
BEGIN;
SELECT audit.begin_request('full', 'ws', 'uid', 'uname', 'src', '203.0.113.9');
INSERT INTO things VALUES (2, 'full');
SELECT audit.log_request('POST', '/things', 201) IS NOT NULL AS logged;
SELECT name, setting FROM pg_settings WHERE name IN ('audit.request_id', 'audit.workspace', 'audit.rbac_user_id', 'audit.rbac_user_name', 'audit.request_source', 'audit.client_ip') ORDER BY name COLLATE "C";
COMMIT;
SELECT * FROM joined('full');
SELECT name, setting FROM pg_settings WHERE name IN ('audit.request_id', 'audit.workspace', 'audit.rbac_user_id', 'audit.rbac_user_name', 'audit.request_source', 'audit.client_ip') ORDER BY name COLLATE "C";
BEGIN;
SELECT audit.begin_request('bare');
INSERT INTO things VALUES (3, 'bare');
SELECT audit.log_request('POST', '/things', 201) IS NOT NULL AS logged;
COMMIT;
SELECT * FROM joined('bare');
RESET audit.workspace;
RESET audit.rbac_user_id;
-- Two requests on one connection, as a pool has them: nothing remains, neither
-- after COMMIT nor ROLLBACK nor an error.
BEGIN; SELECT audit.begin_request('first', rbac_user_name => 'ann'); COMMIT;
INSERT INTO things VALUES (4, 'outside');
BEGIN; SELECT audit.begin_request('second', rbac_user_name => 'bob'); ROLLBACK;
INSERT INTO things VALUES (5, 'outside');
BEGIN; SELECT audit.begin_request('third', rbac_user_name => 'cid'); SELECT 1/0; COMMIT;
INSERT INTO things VALUES (6, 'outside');
SELECT entity_key, request_id, rbac_user_name FROM audit.objects WHERE schema_name = 'requests' AND entity->>'v' = 'outside' ORDER BY id;
-- Within one transaction the second replaces the first, and a savepoint that
-- is rolled back brings the first back.
BEGIN;
SELECT audit.begin_request('outer', 'ws');
SAVEPOINT s;
SELECT audit.begin_request('inner');
INSERT INTO things VALUES (7, 'inner');
ROLLBACK TO s;
INSERT INTO things VALUES (8, 'outer');
SELECT audit.begin_request('next');
INSERT INTO things VALUES (9, 'next');
COMMIT;
SELECT entity_key, request_id, workspace FROM audit.objects WHERE schema_name = 'requests' AND entity_key IN ('7', '8', '9') ORDER BY id;
-- A bad id leaves the context as it was.
BEGIN;
SELECT audit.begin_request('kept', 'ws');
SELECT attempt($$SELECT audit.begin_request(E'a\nb', 'other')$$);
SELECT current_setting('audit.request_id'), current_setting('audit.workspace');
COMMIT;
-- SET LOCAL and set_config() do the same; '' is unset.
BEGIN;
SET LOCAL audit.request_id = 'by set';
SELECT set_config('audit.rbac_user_name', 'dan', true);
SET LOCAL audit.workspace = '';
INSERT INTO things VALUES (10, 'by set');
COMMIT;
SET audit.request_id = '';
INSERT INTO things VALUES (11, 'unset');
SELECT entity_key, request_id, rbac_user_name, workspace FROM audit.objects WHERE schema_name = 'requests' AND entity_key IN ('10', '11') ORDER BY id;
RESET audit.request_id;

-- log_request(): every argument.
SELECT audit.log_request('PATCH', '/x?q=1', 200, 'body', NULL, 'all arguments', '198.51.100.7', 'curl/8', 12.345, 'ws', 'uid', 'uname', 'src') AS id \gset
SELECT r.id = :'id' AS returned, request_id, method, path, status, payload, removed_from_payload, client_ip, user_agent, duration_ms, workspace, rbac_user_id, rbac_user_name, request_source, db_user = session_user AS db_user
	FROM audit.requests r WHERE request_id = 'all arguments';
-- What is not given, or empty, comes from the context; the rest is given.
BEGIN;
SELECT audit.begin_request('context', 'ws', 'uid', 'uname', 'src', '203.0.113.9');
SELECT audit.log_request('GET', '/none', 200), audit.log_request('GET', '/empty', 200, request_id => '', client_ip => '', user_agent => '', workspace => '', rbac_user_id => '', rbac_user_name => '', request_source => '') \gset ignored
SELECT audit.log_request('GET', '/given', 200, request_id => 'given', client_ip => '::1', workspace => 'w2', rbac_user_id => 'i2', rbac_user_name => 'n2', request_source => 's2') \gset ignored
COMMIT;
SELECT path, request_id, client_ip, user_agent, duration_ms, workspace, rbac_user_id, rbac_user_name, request_source
	FROM audit.requests WHERE request_id IN ('context', 'given') ORDER BY id;
-- Outside a request a record makes its own id, and names no one.
SELECT audit.log_request('GET', '/alone', 200) AS id \gset
SELECT request_id ~ '^[A-Za-z0-9]{32}$' AS request_id, workspace, rbac_user_id, rbac_user_name, request_source, duration_ms, user_agent, payload FROM audit.requests WHERE id = :'id';
-- Bad arguments.
SELECT a, attempt('SELECT audit.log_request(' || a || ')') FROM unnest(ARRAY[
	$$NULL, '/', 200$$, $$'', '/', 200$$, $$'GET', NULL, 200$$, $$'GET', '', 200$$, $$'GET', '/', NULL$$, $$'GET', '/', 99$$, $$'GET', '/', 600$$, $$'GET', '/', -1$$,
	$$'GET', '/', 200, 'x', 'x'$$, $$'GET', '/', 200, duration_ms => -0.001$$, $$'GET', '/', 200, duration_ms => 'NaN'$$, $$'GET', '/', 200, duration_ms => 'Infinity'$$,
	$$'GET', '/', 200, request_id => E'a\x07'$$, $$'GET', '/', 200, request_id => repeat('x', 129)$$]) AS a;
SELECT audit.log_request('GET', '/edge', s, duration_ms => d) IS NOT NULL FROM (VALUES (100, 0), (599, 1e100)) AS v (s, d);
-- Not in a transaction that may not write.
BEGIN READ ONLY;
SELECT attempt($$SELECT audit.log_request('GET', '/read-only', 200)$$);
SELECT length(audit.begin_request());
COMMIT;

-- The status is the one that the request was answered with, also if its own
-- transaction rolled back: then it is logged in another one.
BEGIN;
SELECT audit.begin_request('failed') \gset ignored
INSERT INTO things VALUES (20, 'lost');
INSERT INTO things VALUES (20, 'twice');
ROLLBACK;
SELECT audit.log_request('POST', '/things', 409, request_id => 'failed') IS NOT NULL AS logged;
SELECT what FROM joined('failed');
SELECT status FROM audit.requests WHERE request_id = 'failed';
-- One that was logged in the transaction that rolled back is gone with it.
BEGIN;
SELECT audit.log_request('POST', '/gone', 201, request_id => 'gone') IS NOT NULL AS logged;
SELECT count(*) FROM joined('gone');
ROLLBACK;
SELECT count(*) FROM joined('gone');

-- Payloads as they came: JSON, a form, other text, nothing, the empty body.
SELECT count(audit.log_request('POST', '/payload', 200, p)) FROM (VALUES (1, E' {"a" : 1,\n "b":[ 2 ]} '), (2, 'a=1&b=%20x+y'), (3, E'line\nline | "quoted" \\ ü 日本'), (4, '"just a string"'), (5, ''), (6, NULL)) AS v (n, p);
SELECT payload, removed_from_payload FROM audit.requests WHERE path = '/payload' ORDER BY id;
-- Bytes: text if they are valid, else escaped, and it says so.
SELECT count(audit.log_request('POST', '/bytes', 200, payload_bytes => p)) FROM (VALUES (1, convert_to('{"k":"ü"}', 'UTF8')), (2, ''), (3, NULL), (4, '\x610062'), (5, '\xff5c0a41'), (6, '\xc0af'), (7, '\xeda080'), (8, '\xc3')) AS v (n, p);
SELECT payload, removed_from_payload FROM audit.requests WHERE path = '/bytes' ORDER BY id;
-- A text that looks escaped is told from one that is by nothing but its
-- backslashes: bytes are given back whole.
SELECT string_agg(substr(payload, 9)::bytea::text, ' ' ORDER BY id) FROM audit.requests WHERE path = '/bytes' AND payload LIKE 'escaped:%';
-- Every byte there is.
SELECT audit.log_request('POST', '/all', 200, payload_bytes => decode(string_agg(lpad(to_hex(b), 2, '0'), ''), 'hex')) FROM generate_series(0, 255) AS b \gset ignored
SELECT payload, encode(substr(payload, 9)::bytea, 'hex') = (SELECT string_agg(lpad(to_hex(b), 2, '0'), '' ORDER BY b) FROM generate_series(0, 255) AS b) AS whole FROM audit.requests WHERE path = '/all';
-- Large.
SELECT audit.log_request('POST', '/large', 200, '{"password": "hidden", "a": "' || repeat('0123456789', 1000000) || '"}') \gset ignored
SELECT audit.log_request('POST', '/large', 200, payload_bytes => decode(repeat('ff00', 5000000), 'hex')) \gset ignored
SELECT length(payload), left(payload, 20), right(payload, 10), removed_from_payload FROM audit.requests WHERE path = '/large' ORDER BY id;
-- Deep.
SELECT audit.log_request('POST', '/deep', 200, repeat('[', 1000000) || repeat(']', 1000000)) \gset ignored
SELECT length(payload) FROM audit.requests WHERE path = '/deep';

-- Ignored methods: trimmed, without regard to case, whole words.
CREATE FUNCTION is_logged(method text, path text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	before bigint := (SELECT count(*) FROM audit.requests);
	id uuid := audit.log_request(method, path, 200);
	added bigint := (SELECT count(*) FROM audit.requests) - before;
BEGIN
	ASSERT added = (id IS NOT NULL)::int;
	RETURN id IS NOT NULL;
END $$;
CREATE FUNCTION logged(methods text[], paths text[] DEFAULT '{/}') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', m, p), ', ' ORDER BY i, j) FROM unnest(methods) WITH ORDINALITY AS m (m, i), unnest(paths) WITH ORDINALITY AS p (p, j) WHERE requests.is_logged(m, p)
$$;
SELECT l, set_config('audit.ignore_methods', l, false) IS NULL, logged('{GET,get,HEAD,OPTIONS,GETX,GE}') FROM unnest('{"","GET,OPTIONS"," get ,, Options ,",HEAD,"GET*",","}'::text[]) AS l;
SET audit.ignore_methods = 'GET';
-- Objects are not affected.
BEGIN; SELECT audit.begin_request('object of a GET') \gset ignored
INSERT INTO things VALUES (30, 'x'); COMMIT;
SELECT what FROM joined('object of a GET');
RESET audit.ignore_methods;

-- Ignored paths: the examples of Kong's page.
SET audit.ignore_paths = '/foo,/status,^/services,/routes$,/one/.+/two,/upstreams/';
SELECT p, is_logged('GET', p) FROM unnest('{/status,/status/,/foo,/foo/,/services,/services/example/,/one/services/two,/one/test/two,/routes,/plugins/routes,/one/routes/two,/upstreams/,bad400request}'::text[]) WITH ORDINALITY AS l (p, n) ORDER BY n;
SELECT p, is_logged('GET', p) FROM unnest('{/example/services,/routes/plugins,/one/two,/routes/,/upstreams}'::text[]) WITH ORDINALITY AS l (p, n) ORDER BY n;
-- The query string is no part of the path, for any method.
SELECT p, is_logged('DELETE', p) FROM unnest('{/users/1?x=/status,"/users/1?/foo",/users?a=b?/status,/status?x=1,/routes?x=1,"?/status",/users/1;/status,/users/1#/status}'::text[]) WITH ORDINALITY AS l (p, n) ORDER BY n;
-- Case counts; what a pattern says, goes.
CREATE FUNCTION matched(patterns text, VARIADIC paths text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('audit.ignore_paths', patterns, false);
	RETURN (SELECT coalesce(string_agg(p, ' ' ORDER BY n), 'none') FROM unnest(paths) WITH ORDINALITY AS l (p, n) WHERE NOT requests.is_logged('GET', p));
END $$;
SELECT matched('/Status', '/status', '/Status'), matched('(?i)/Status', '/status', '/Status');
SELECT matched('', '/', '/x'), matched(',', '/', '/x'), matched(' , ,', '/', '/x'), matched('/x,,', '/', '/x'), matched('  /x  ', '/', '/x', 'a/x  ');
SELECT matched('/a{1\,2}b', '/ab', '/aab', '/aaab', '/a,2}b'), matched('\,', '/a,b', '/ab'), matched('/x\\,/y', '/x\', '/y', '/x,/y'), matched('a\,b,c', 'a,b', 'a', 'b', 'c');
SELECT matched('^/(?=.*secret)(?!public)\w+$', '/topsecret', '/public_secret', '/plain'), matched('^/(\w)\1$', '/aa', '/ab'), matched('\bx\b', '/x/', '/xy');
SELECT matched('^/.$', '/ü', '/日', '/xx'), matched('(?i)^/ÄÖ$', '/äö'), matched('^/\p{Han}+$', '/日本', '/nihon'), matched('^/\x{65e5}', '/日本');
SELECT matched('^$', '/', '?x'), matched(repeat('/none,', 5000) || '/last', '/x', '/last');
-- A pattern that goes astray on some path gives up, and the request is
-- recorded; the other patterns still count.
SELECT matched('^/(a+)+$', '/aaaa', '/' || repeat('a', 60) || '!') = '/aaaa' AS gives_up;
SELECT matched('^/(a+)+$,!$', '/' || repeat('a', 60) || '!') <> 'none' AS others_count;
SELECT matched('^(/x|/x)*$', repeat('/x', 200000)) IS NOT NULL AS survives;
-- An invalid one is refused, and the list stays as it was.
SET audit.ignore_paths = '/kept';
SELECT attempt($$SET audit.ignore_paths = '/ok,('$$);
SELECT is_logged('GET', '/kept'), is_logged('GET', '/ok');
-- Ignored or not, a bad request is an error.
SELECT attempt($$SELECT audit.log_request('GET', '/kept', 1)$$);
-- Objects are not affected.
BEGIN; SELECT audit.begin_request('ignored path') \gset ignored
INSERT INTO things VALUES (31, 'x'); COMMIT;
SELECT what FROM joined('ignored path');
RESET audit.ignore_paths;

-- Lists of a role, of a database, and both; a reconnected session has them.
CREATE ROLE requests_app LOGIN;
GRANT USAGE ON SCHEMA requests TO requests_app;
GRANT INSERT ON things TO requests_app;
SELECT current_database() AS db, current_user AS superuser \gset
ALTER DATABASE :"db" SET audit.ignore_methods = 'OPTIONS';
ALTER ROLE requests_app SET audit.ignore_paths = '/health';
ALTER ROLE requests_app SET audit.payload_exclude = 'pin';
ALTER ROLE requests_app SET audit.request_source = 'app';
\c - requests_app
SET search_path = requests;
-- Without a right on log_request() a role has a context all the same.
SELECT audit.log_request('GET', '/', 200);
BEGIN;
SELECT audit.begin_request('app', rbac_user_name => 'eve') \gset ignored
INSERT INTO things VALUES (40, 'app');
COMMIT;
TABLE audit.requests;
\c - :superuser
SET search_path = requests;
\pset null -
\set VERBOSITY terse
-- begin_request() unsets what the role has set, as what is not given.
SELECT request_source, rbac_user_name, db_user FROM audit.objects WHERE request_id = 'app';
GRANT EXECUTE ON FUNCTION audit.log_request TO requests_app;
\c - requests_app
\set VERBOSITY terse
SELECT audit.log_request(m, p, 200, '{"pin": 1, "password": 2}', request_id => 'app') IS NOT NULL AS logged FROM (VALUES ('GET', '/'), ('OPTIONS', '/'), ('GET', '/health')) AS v (m, p);
SET audit.ignore_paths = '';
SELECT set_config('audit.payload_exclude', '', true);
\c - :superuser
\pset null -
SELECT method, path, payload, removed_from_payload, request_source, db_user FROM audit.requests WHERE request_id = 'app';

-- JSON that is cut short is withheld if an excluded key is in it, or might be in escapes.
SELECT audit.log_request('POST', '/cut', 400, body, request_id => 'cut') IS NOT NULL AS logged
FROM unnest(ARRAY['{"name": "bob", "pass', '{"password": "hunter2', '{"pass\u0077ord": "hunter2', '["caf\u00e9"', '{"x": 1}}']) body;
SELECT payload, removed_from_payload FROM audit.requests WHERE request_id = 'cut' ORDER BY id;

SET client_min_messages = warning;
ALTER DATABASE :"db" RESET audit.ignore_methods;
DROP SCHEMA requests CASCADE;
REVOKE ALL ON FUNCTION audit.log_request FROM requests_app;
DROP ROLE requests_app;
