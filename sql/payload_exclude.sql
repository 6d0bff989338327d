-- Keys that never reach the log: from payloads, columns, values inside them and
-- old values.
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE SCHEMA payload_exclude;
SET search_path = payload_exclude;
-- What is stored of a body, given as text or as bytes.
CREATE FUNCTION stored(body text, OUT payload text, OUT removed text) LANGUAGE plpgsql AS $$
DECLARE
	record uuid := audit.log_request('POST', '/stored', 200, payload => body);
BEGIN
	SELECT r.payload, r.removed_from_payload INTO payload, removed FROM audit.requests r WHERE r.id = record;
END $$;
CREATE FUNCTION stored(body bytea, OUT payload text, OUT removed text) LANGUAGE plpgsql AS $$
DECLARE
	record uuid := audit.log_request('POST', '/stored', 200, payload_bytes => body);
BEGIN
	SELECT r.payload, r.removed_from_payload INTO payload, removed FROM audit.requests r WHERE r.id = record;
END $$;

-- JSON: at any depth, in arrays, by the decoded key; everything else as it was.
SELECT b, (stored(b)).* FROM unnest(ARRAY[
	'{"token": 1}', '{"a": 1, "password" : {"x": [1, 2]} , "b": 2}', '[{"a": {"secret": 1, "b": 2.50}}, [[{"secret": null}]]]',
	E'{\n  "a" : 1,\n  "pass\\u0077ord" : 2\n}', '{"Password": 1, "PASSWORD": 2, "passwords": 3, "a": "password"}',
	'{"a": "{\"password\": 1}"}', '{"token": 1, "a": 2, "token": 3}', '"password"', '{}', '']) AS b;
-- A dotted key is that path from the root, through arrays, or so spelled.
SET audit.payload_exclude = ' config.key ,, pin ';
SELECT b, (stored(b)).* FROM unnest(ARRAY[
	'{"config": {"key": 1, "a": {"key": 2}}, "key": 3}', '{"x": {"config": {"key": 1}}}', '{"config": [{"key": 1}, {"key": 2, "a": 3}]}',
	'{"config.key": 1, "a": {"config.key": 2}}', '{"config": {"pin": 1}, "pin": 2, "password": 3}',
	'config[key]=1&config.key=2&key=3&pin=4', 'config[][key]=1&config[0][key]=2&x=3']) AS b;
SET audit.payload_exclude = '';
SELECT b, (stored(b)).* FROM unnest(ARRAY['{"password": 1}', 'password=1', '{"password": ']) AS b;
SET audit.payload_exclude = 'clé, 密码';
SELECT b, (stored(b)).* FROM unnest(ARRAY['{"clé": 1, "密码": 2, "a": 3}', '{"cl\u00e9": 1, "\u5bc6\u7801": 2}', 'cl%C3%A9=1&%e5%af%86%e7%a0%81=2&a=3', '{"clé": ']) AS b;
SET audit.payload_exclude = 'a..b';
RESET audit.payload_exclude;

-- Forms.
SELECT b, (stored(b)).* FROM unnest(ARRAY['user=bob&password=x', 'password=x', 'password', 'p%61ssword=x&a=1', 'user[password]=x&user[name]=bob', 'token=1&a=2&token=3', 'a=password&b=token%3D1']) AS b;
-- Forms of several parts: a field goes with its headers.
CREATE FUNCTION part(headers text, value text) RETURNS text LANGUAGE sql AS $$ SELECT format(E'--XX\r\n%s\r\n\r\n%s\r\n', headers, value) $$;
CREATE FUNCTION field(name text, value text) RETURNS text LANGUAGE sql AS $$ SELECT part(format('Content-Disposition: form-data; name="%s"', name), value) $$;
SELECT translate(b, E'\r', ''), translate(s.payload, E'\r', ''), s.removed FROM unnest(ARRAY[
	field('user', 'bob') || field('password', 'hunter2') || '--XX--',
	field('password', E'hunter2\r\nand 3') || field('user', 'bob') || '--XX--',
	field('user[password]', 'hunter2') || '--XX--',
	part(E'content-disposition: form-data;\r\n name=password', 'hunter2') || field('a', 'password') || '--XX--',
	field('data', '{"password": "hunter2", "a": 1}') || '--XX--',
	field('data', '{"password": "hun'),
	field('a', '1') || E'--XX\r\nContent-Disposition: form-data; name="password"\r\n\r\nhun']) AS b, stored(b) AS s;
-- With a file in it, which text cannot hold.
SELECT stored(convert_to(field('password', 'hunter2') || part(E'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: application/octet-stream', ''), 'UTF8')
	|| '\x00ff' || convert_to(E'\r\n--XX--', 'UTF8'));
-- Withheld when it is not clear what its fields are.
SELECT (stored(b)).* FROM unnest(ARRAY[
	field('a', E'--YY\r\nContent-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n--YY--') || '--XX--',
	part('Content-Disposition: form-data; name*0=pass; name*1=word', 'hunter2') || '--XX--',
	'preamble' || E'\r\n' || field('password', 'hunter2') || '--XX--']) AS b;

-- JSON that is cut short or otherwise invalid is withheld if a key is in it.
SELECT replace(b, E'\uFEFF', '(mark)') AS b, (stored(b)).* FROM unnest(ARRAY['{"password": "hunter2', E'\uFEFF {"password": "hunter2', '{"a": 1}{"password": "hunter2"}', '{"a": "b', '{''password'': 1}', '[\u0070', 'my password']) AS b;
-- Bodies in UTF-16 and UTF-32, with a byte order mark or without.
CREATE FUNCTION wide(body text, size int, little boolean, mark boolean) RETURNS bytea LANGUAGE sql AS $$
	SELECT CASE WHEN NOT mark THEN ''::bytea WHEN little THEN '\xfffe' || zeros ELSE zeros || '\xfeff' END || encoded
	FROM (SELECT decode(repeat('00', size - 2), 'hex') AS zeros,
			string_agg(set_byte(decode(repeat('00', size), 'hex'), CASE WHEN little THEN 0 ELSE size - 1 END, ascii(c)), '' ORDER BY n) AS encoded
		FROM regexp_split_to_table(body, '') WITH ORDINALITY AS t (c, n)) AS s
$$;
SELECT size, little, mark, b, (stored(wide(b, size, little, mark))).removed, (stored(wide(b, size, little, mark))).payload
FROM unnest('{2,4}'::int[]) AS size, unnest('{t,f}'::boolean[]) AS little, unnest('{t,f}'::boolean[]) AS mark,
	unnest(ARRAY['{"password": "hunter2"}', '{"pass\u0077ord": "hunter2"}', 'password=hunter2', '%70assword=hunter2']) AS b
WHERE (stored(wide(b, size, little, mark))).payload <> 'withheld: cannot be read, and may hold an excluded key';
SELECT (stored(wide('{"password": "hunter2"}', 2, true, true))).*;
SELECT (stored(wide('{"a": "b"}', 2, true, true))).*;
SELECT (stored(wide('a=1', 4, false, false))).*;
-- Other bytes: a form is read as one; what is compressed cannot be read.
SELECT (stored(b)).* FROM unnest(ARRAY['\x610062'::bytea, convert_to('password=1&a=', 'UTF8') || '\xff', '\x7b2270617373776f7264223a22ff', '\x1f8b0800', '\x00', '\xff5c']) AS b;
SET audit.payload_exclude = 'clé';
SELECT b, (stored(convert_to(b, 'LATIN1'))).* FROM unnest(ARRAY['{"clé": 1}', 'clé=1', 'é=1', 'plain']) AS b;
RESET audit.payload_exclude;
-- Nothing of the secrets is anywhere in the log.
SELECT count(*) FROM audit.audit_requests r WHERE path = '/stored' AND r::text ~ 'hunter2|h.{0,4}u.{0,4}n.{0,4}t.{0,4}e.{0,4}r.{0,4}2';

-- Objects: columns, keys inside json, jsonb and composite columns and arrays of
-- them, and what an update replaced.
CREATE TYPE pair AS (name text, secret text);
CREATE TABLE users (id int PRIMARY KEY, name text, password text, "Password" text, doc json, docb jsonb, p pair, ps pair[], docs json[], note text);
SELECT audit.enable('users');
INSERT INTO users VALUES (1, 'ann', 'p1', 'kept', '{"token" : 1, "a" : [ {"secret": 2, "b": 3} ]}', '{"token": 1, "a": [{"secret": 2, "b": 3}]}', ('n', 's'), ARRAY[('n', 's')::pair, ('m', NULL)::pair], ARRAY['{"token": 1, "x": 2}'::json], '{"token": 1}');
UPDATE users SET password = 'p2', doc = '{"token": 9}', docb = docb || '{"token": 9, "b": 1}', p = ('n2', 's2') WHERE id = 1;
-- Nothing but a secret has changed.
UPDATE users SET password = 'p3' WHERE id = 1;
UPDATE users SET docb = docb || '{"token": 10}' WHERE id = 1;
DELETE FROM users;
SELECT operation, removed_from_entity, entity, old_values FROM audit.objects WHERE schema_name = 'payload_exclude' AND dao_name = 'users' AND operation <> 'ddl' ORDER BY id;
-- A key of the table that is excluded.
CREATE TABLE tokens (token text PRIMARY KEY, n int);
SELECT audit.enable('tokens');
INSERT INTO tokens VALUES ('abc', 1);
UPDATE tokens SET n = 2;
SELECT operation, entity_key, removed_from_entity, entity, old_values FROM audit.objects WHERE schema_name = 'payload_exclude' AND dao_name = 'tokens' AND operation <> 'ddl' ORDER BY id;
-- A path begins with the column; the setting counts when the row is written.
SET audit.payload_exclude = 'doc.a, docb.x.y, name';
INSERT INTO users (id, name, password, doc, docb) VALUES (2, 'bob', 'shown', '{"a": 1, "b": {"a": 2}}', '{"a": 1, "x": {"y": 1, "z": 2}}');
RESET audit.payload_exclude;
UPDATE users SET note = 'x' WHERE id = 2;
SELECT operation, removed_from_entity, entity, old_values FROM audit.objects WHERE schema_name = 'payload_exclude' AND dao_name = 'users' AND entity_key = '2' ORDER BY id;
-- Together with columns that the table leaves out and masks.
SELECT audit.enable('users', exclude => '{note}', mask => '{doc}');
UPDATE users SET note = 'y', doc = '{"token": "t"}', docb = '{"token": "t"}' WHERE id = 2;
SELECT removed_from_entity, entity, old_values FROM audit.objects WHERE schema_name = 'payload_exclude' AND dao_name = 'users' AND entity_key = '2' ORDER BY id DESC LIMIT 1;
-- Snapshots.
SELECT audit.enable('users', snapshot => true);
SELECT removed_from_entity, entity FROM audit.objects WHERE schema_name = 'payload_exclude' AND dao_name = 'users' AND operation = 'snapshot';

SET client_min_messages = warning;
DROP SCHEMA payload_exclude CASCADE;
