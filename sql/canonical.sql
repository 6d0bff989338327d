-- Canonical forms, and signatures as SQL functions.
CREATE SCHEMA canonical;
SET search_path = canonical, public;
\pset format unaligned
\pset tuples_only on
\pset null <null>

CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
	hint text;
BEGIN
	EXECUTE command INTO result;
	RETURN coalesce(result, '<null>');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || SQLERRM, 'DETAIL ' || nullif(detail, ''), 'HINT ' || nullif(hint, ''));
END $$;
CREATE FUNCTION try_pipe(record text) RETURNS text LANGUAGE sql AS $$
	SELECT canonical.attempt(format('SELECT audit.canonical(%L)', record))
$$;
CREATE FUNCTION try_strict(record text) RETURNS text LANGUAGE sql AS $$
	SELECT canonical.attempt(format('SELECT audit.canonical_strict(%L)', record))
$$;

-- The signed record of Kong's page.
\set kong '{"client_ip": "127.0.0.1", "method": "GET", "path": "/status", "payload": null, "request_id": "Ka2GeB13RkRIbMwBHw0xqe2EEfY0uZG0", "request_timestamp": 1581617463, "signature": "l2LWYaRIHfXglFa5ehFc2j9ijfERazxisKVtJnYa==", "status": 200, "ttl": 2591995, "workspace": "fd51ce6e-59c0-4b6b-b991-aa708a9ff4d2"}'
SELECT audit.canonical(:'kong');
SELECT encode(convert_to(audit.canonical(:'kong'), 'UTF8'), 'hex') =
	encode('127.0.0.1|GET|/status|Ka2GeB13RkRIbMwBHw0xqe2EEfY0uZG0|1581617463|200|fd51ce6e-59c0-4b6b-b991-aa708a9ff4d2', 'hex');
-- Neither the order of its keys nor white space matters.
SELECT audit.canonical(:'kong') = audit.canonical(:'kong'::jsonb::json),
	audit.canonical(:'kong') = audit.canonical(jsonb_pretty(:'kong')::json);
-- A member more, of the three that are not signed, is no change; any other is.
SELECT k, audit.canonical(:'kong') = audit.canonical((:'kong'::jsonb || jsonb_build_object(k, 'x'))::json)
	FROM unnest('{signature,ttl,expire,expires,Ttl,payload,""}'::text[]) AS k;

-- Values that are nothing, values that are empty.
SELECT j, '<' || try_pipe(j) || '>' FROM unnest(ARRAY['{}', '[]', 'null', '""', '{"a":null}', '{"a":""}', '{"a":"","b":null,"c":""}', '[[],{},[[]],{"a":[]}]', '[null,1,null]', '{"a":{},"b":1}', '"x"', '42', 'true', 'false']) AS j;
SELECT audit.canonical(NULL), audit.canonical_strict(NULL);

-- Nesting: members in the order of their keys, elements in theirs.
SELECT audit.canonical('{"c":1,"a":{"z":2,"y":[3,{"k":4,"j":null,"ttl":5}]},"b":6,"expire":7}');
SELECT audit.canonical('{"b":[true,false,{"signature":"kept below the top"}],"a":"first"}');
-- Keys compare as bytes of UTF-8, not as any locale would have it.
SELECT audit.canonical('{"b":1,"B":2,"a":3,"A":4,"_":5,"10":6,"9":7,"é":8,"z":9,"ß":10,"":11,"😀":12,"\ufb33":13,"i":14,"ı":15,"İ":16,"a b":17,"ab":18}');
-- The last one of duplicate keys counts, as in jsonb, however they are spelled.
SELECT audit.canonical('{"a":1,"a":2,"b":3,"\u0061":4}'), audit.canonical('{"a":{"x":1},"a":{"y":2}}'),
	audit.canonical('{"a":1,"a":null}') AS none;

-- Texts: escapes are decoded, nothing is added.
SELECT audit.canonical('{"a":"x|y","b":"line\nfeed\ttab","c":"\"quoted\" \\ \/","d":"\u00e9\u20ac\ud83d\ude00 é€😀"}');
SELECT encode(convert_to(audit.canonical('["a\r\n","\u0001\u001f\u007f","|"]'), 'UTF8'), 'hex');

-- Numbers: as written, whatever their size; else as numeric prints them, without idle zeros.
SELECT n, audit.canonical(n::json) FROM unnest('{0,-0,-0.0,0e10,1,-1,10,1.0,1.50,-1.500,100,100.00,0.10,1e3,1E+3,1e-3,1.5e3,12.30e1,1200e-2,1581617463,9223372036854775807,18446744073709551616,-340282366920938463463374607431768211456.7500,3.141592653589793238462643383279502884197,1e-20,1.23e25}'::text[]) AS n;
SELECT n, audit.canonical(n::json) <> trim_scale(n::numeric)::text AS differs FROM (
	SELECT format('%s%s.%s%s', sign, whole, fraction, exponent) AS n
	FROM unnest('{"",-}'::text[]) AS sign, unnest('{0,7,120,98765432109876543210}'::text[]) AS whole,
		unnest('{0,5,50,000,010,00000000000000000001}'::text[]) AS fraction, unnest('{"",e0,e1,E5,e-1,e-7,e+30,e-30}'::text[]) AS exponent
	) AS s WHERE audit.canonical(n::json) <> trim_scale(n::numeric)::text;
SELECT length(audit.canonical(repeat('9', 300000)::json)), md5(audit.canonical(repeat('9', 300000)::json)) = md5(repeat('9', 300000));
SELECT length(audit.canonical('1e131071')), length(audit.canonical('1e-16383'));
SELECT try_pipe(n) FROM unnest('{1e131072,[1e-16384],1e99999999999999999999}'::text[]) AS n;

-- Depth costs no stack, width no time.
SELECT audit.canonical((repeat('[', 6000) || '"deep"' || repeat(']', 6000))::json);
SELECT audit.canonical((repeat('{"k":', 3000) || '1' || repeat('}', 3000))::json);
SELECT length(audit.canonical(json_agg(i))), length(audit.canonical(json_object_agg('k' || i, i))) FROM generate_series(1, 100000) AS i;
-- A big text.
SELECT length(audit.canonical(json_build_object('a', repeat('é|', 5000000))));

-- What is no JSON, and what JSON no text can hold.
SELECT j, split_part(try_pipe(j), E'\n', 1) FROM unnest(ARRAY['', '{', '{"a":1', '[1,]', '{"a"}', '{a:1}', '01', '1.', '.5', '+1', 'NaN', 'nul', '"x', '[1] 2', E'"a\nb"', '"\x"', '"\u12"']) AS j;
SELECT j, try_pipe(j) FROM unnest(ARRAY['"\u0000"', '{"a\u0000":1}', '"\ud800"', '"\udc00x"', '{"\ud800\ud800":1}']) AS j;
SELECT j, try_strict(j) FROM unnest(ARRAY['{"a":1,"a":1}', '{"a":1,"\u0061":2}', '"\ud800"', '{"\udfff":1}', '9007199254740993', '0.1000000000000000055', '1e400', '[3.14159265358979323846]']) AS j;

-- The strict form is that of RFC 8785, whose own examples these are.
SELECT audit.canonical_strict('{"numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001], "string": "\u20ac$\u000F\u000aA''\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}');
SELECT audit.canonical_strict('{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}');
SELECT audit.canonical_strict('{"ttl":1,"signature":null,"expire":[],"a\u0000b":"\u0000"}');
SELECT n, audit.canonical_strict(n::json) FROM unnest('{0,-0,1.0,1e21,1e20,123456789012345680000,0.000001,0.0000001,1e-7,5e-324,1.7976931348623157e308,9007199254740992,-1.5E+2}'::text[]) AS n;
SELECT audit.canonical_strict(audit.canonical_strict(:'kong')::json) = audit.canonical_strict(:'kong'),
	audit.canonical_strict(:'kong') = audit.canonical_strict(:'kong'::jsonb::json);

-- Different values may have the same pipe form, and never have the same strict form.
CREATE TABLE pairs (what text, a json, b json);
INSERT INTO pairs VALUES
	('a pipe in a value', '{"a":"x|y"}', '{"a":"x","b":"y"}'),
	('a value moved over the border', '{"a":"x|y","b":"z"}', '{"a":"x","b":"y|z"}'),
	('another key', '{"a":"x"}', '{"b":"x"}'),
	('swapped meanings', '{"new":"x","old":"y"}', '{"mew":"x","old":"y"}'),
	('null or nothing', '{"a":"x","b":null}', '{"a":"x"}'),
	('a string or a number', '{"a":"1"}', '{"a":1}'),
	('a string or a boolean', '{"a":"true"}', '{"a":true}'),
	('a string or an object', '{"a":"1"}', '{"a":{"b":1}}'),
	('an array or its elements', '{"a":[1,2],"b":3}', '{"a":1,"b":[2,3]}'),
	('empty or nothing', '{"a":[],"b":{},"c":1}', '{"c":1}'),
	('an empty string or nothing', '{"a":""}', '{}'),
	('what is not signed', '{"a":1,"ttl":1}', '{"a":1,"ttl":2}'),
	('the whole or its only element', '["x"]', '"x"'),
	('an operation made another''s name', '{"dao_name":"t","entity":"e","operation":"delete"}', '{"dao_name":"t|e","entity":"delete","operation":null}');
SELECT what, audit.canonical(a) = audit.canonical(b) AS same_pipe_form,
	audit.canonical_strict(a) = audit.canonical_strict(b) AS same_strict_form
FROM pairs;
-- The other way about: two spellings of the same value.
SELECT audit.canonical_strict('{"b":[1.0,"\u0041"],"a":1e2}') = audit.canonical_strict(' { "a" : 100, "b" : [ 1, "A" ] } ');

-- None of it depends on how the session prints things.
SELECT audit.canonical('{"a":1.10,"b":"2024-01-02"}') AS before, audit.canonical_strict('{"a":1.10}') AS strict_before \gset
SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kathmandu'; SET IntervalStyle = sql_standard; SET extra_float_digits = -15; SET bytea_output = escape; SET lc_numeric = 'C'; SET standard_conforming_strings = on;
SELECT audit.canonical('{"a":1.10,"b":"2024-01-02"}') = :'before', audit.canonical_strict('{"a":1.10}') = :'strict_before';
RESET ALL;
SET search_path = canonical, public;

-- Signatures.  The key lives in the server's data directory as long as this topic runs.
COPY (SELECT 1) TO PROGRAM 'umask 077; openssl genrsa -out canonical.key 2048 2>/dev/null; openssl genrsa -out canonical.other 3072 2>/dev/null';
COPY (SELECT 1) TO PROGRAM 'openssl rsa -in canonical.key -pubout -out canonical.pub 2>/dev/null; openssl rsa -in canonical.other -pubout -out canonical.otherpub 2>/dev/null; openssl rsa -in canonical.key -RSAPublicKey_out -out canonical.pkcs1 2>/dev/null';
SELECT pg_read_file('canonical.pub') AS pub, pg_read_file('canonical.otherpub') AS otherpub, pg_read_file('canonical.pkcs1') AS pkcs1 \gset
SELECT attempt($$SELECT audit.sign('x')$$);
SET audit.signing_key = 'canonical.key';
SELECT length(audit.sign('x')), audit.sign('x') ~ '^[A-Za-z0-9+/]+==$';
SELECT audit.sign('x') = audit.sign('x') AS repeatable, audit.sign('x') = audit.sign(E'x\n') AS blind;
SELECT audit.verify(t, audit.sign(t), :'pub') FROM unnest(ARRAY['x', '', 'é€😀', E'a\nb|c', repeat('long', 100000)]) AS t;
SELECT audit.verify('x', audit.sign('x'), :'pkcs1') AS pkcs1, audit.verify('x', audit.sign('x'), :'otherpub') AS other,
	audit.verify(E'x\n', audit.sign('x'), :'pub') AS newline, audit.verify('X', audit.sign('x'), :'pub') AS letter;
SET audit.signing_key = 'canonical.other';
SELECT length(audit.sign('x')), audit.verify('x', audit.sign('x'), :'otherpub'), audit.verify('x', audit.sign('x'), :'pub');
SET audit.signing_key = 'canonical.key';
SELECT audit.sign(NULL), audit.verify(NULL, 'x', :'pub'), audit.verify('x', NULL, :'pub'), audit.verify('x', 'x', NULL);
-- What is no signature fits nothing: other bytes, other lengths, base64 that is written in another way.
SELECT audit.sign('x') AS good \gset
SELECT what, audit.verify('x', s, :'pub') FROM (VALUES
	('good', :'good'),
	('empty', ''),
	('no base64', 'not base64 !'),
	('one byte', 'AA=='),
	('cut', left(:'good', 340)),
	('without padding', rtrim(:'good', '=')),
	('more padding', :'good' || '='),
	('a newline at the end', :'good' || E'\n'),
	('a space before', ' ' || :'good'),
	('lines', regexp_replace(:'good', '(.{64})', E'\\1\n', 'g')),
	('twice', :'good' || :'good'),
	('url alphabet', translate(:'good', '+/', '-_') || '+'),
	('another last bit', overlay(:'good' PLACING chr(ascii(substr(:'good', 342, 1)) + 1) FROM 342 FOR 1)),
	('another first byte', CASE left(:'good', 1) WHEN 'A' THEN 'B' ELSE 'A' END || substr(:'good', 2)),
	('huge', repeat('AAAA', 1000000))
	) AS v (what, s);
-- What is no public RSA key is an error.
SELECT what, attempt(format('SELECT audit.verify(%L, %L, %L)', 'x', :'good', k)) FROM (VALUES
	('empty', ''),
	('blank', E' \n'),
	('words', 'my key'),
	('a label', '-----BEGIN PUBLIC KEY-----'),
	('cut', left(:'pub', 200)),
	('no base64', E'-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n'),
	('nothing in it', E'-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n'),
	('no key in it', E'-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'),
	('other ends', E'-----BEGIN PUBLIC KEY-----\nAAAA\n-----END CERTIFICATE-----\n'),
	('a certificate', E'-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
	('a private key', E'-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
	('an EC key', E'-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n'),
	('an Ed25519 key', E'-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n')
	) AS v (what, k);
COPY (SELECT 1) TO PROGRAM 'openssl genrsa 1024 2>/dev/null | openssl rsa -pubout -out canonical.short 2>/dev/null';
SELECT attempt(format('SELECT audit.verify(%L, %L, %L)', 'x', :'good', pg_read_file('canonical.short')));
-- The key that worked still does, also among text and with another line end.
SELECT audit.verify('x', :'good', :'pub'), audit.verify('x', :'good', E'a comment\n' || replace(:'pub', E'\n', E'\r\n') || 'more');

-- A signed record: in the table, as the view gives it, and checked with the key that the database knows.
CREATE TABLE signed (id int PRIMARY KEY, t text);
SELECT audit.enable('signed');
INSERT INTO signed VALUES (1, E'a|b\n"é"');
SELECT audit.log_request('POST', '/x?y=|', 201, '{"token": 1, "a": "é"}', duration_ms => 1.250) IS NOT NULL;
CREATE VIEW records AS
	SELECT audit.record(o) AS r FROM audit.objects o WHERE schema_name = 'canonical' AND dao_name = 'signed' AND operation = 'create'
	UNION ALL SELECT audit.record(r) FROM audit.requests r WHERE path = '/x?y=|';
SELECT audit.verify(r), audit.verify(r, :'pub'), audit.verify(r, :'otherpub'), audit.verify(audit.canonical(r), r->>'signature', :'pub'), r->>'signature' = audit.sign(audit.canonical(r)) FROM records;
-- The id of the key is signed, so that nobody can say that it was another.
SELECT audit.canonical(r) LIKE '%|' || (r->>'key_id') || '|%', k.algorithm, k.public_key = :'pub', k.first_use <= now(),
	k.id = left(encode(sha256(decode(regexp_replace(k.public_key, '-----[^-]*-----', '', 'g'), 'base64')), 'hex'), 32)
FROM records JOIN audit.keys k ON k.id = r->>'key_id';
-- Every change of a field shows, but that of ttl; a record that lost its signature or its key is not verified.
SELECT audit.verify((r::jsonb || '{"ttl": 1}')::json), audit.verify((r::jsonb || '{"db_user": "x"}')::json),
	audit.verify((r::jsonb || '{"signature": null}')::json), audit.verify((r::jsonb - 'signature')::json),
	audit.verify((r::jsonb || '{"signature": 1}')::json), audit.verify((r::jsonb - 'key_id')::json), audit.verify((r::jsonb || '{"key_id": "x"}')::json),
	audit.verify((r::jsonb - 'key_id')::json, :'pub')
FROM records;
SELECT audit.verify(j, :'pub') FROM unnest(ARRAY[NULL, '1', '[]', '{}']::json[]) AS j;
RESET audit.signing_key;
INSERT INTO signed VALUES (2, 'not signed');
SELECT r->>'signature', r->>'key_id', audit.verify(r), audit.verify(r, :'pub') FROM records WHERE r->>'entity_key' = '2';

-- Who may.
CREATE ROLE canonical_user;
GRANT USAGE ON SCHEMA canonical, audit TO canonical_user;
SET ROLE canonical_user;
SELECT audit.canonical('[1]'), audit.canonical_strict('[1]'), audit.verify('x', :'good', :'pub');
SELECT attempt(c) FROM unnest(ARRAY[$$SELECT audit.sign('x')$$, $$SELECT audit.verify('{}'::json)$$, $$SELECT count(*) FROM audit.keys$$, $$SET audit.signing_key = 'canonical.key'$$, $$SET audit.signing_key = ''$$]) AS c;
RESET ROLE;
COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; rm -f canonical.key canonical.other canonical.pub canonical.otherpub canonical.pkcs1 canonical.short';

SELECT audit.disable('signed');
SET client_min_messages = warning;
DROP OWNED BY canonical_user;
DROP ROLE canonical_user;
DROP SCHEMA canonical CASCADE;
