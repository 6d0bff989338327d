# The Kong page's walk-through and the lists, over HTTP: no other tool can see
# status lines, headers and pages that are fetched while records arrive.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Frontend;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('lists');
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');

my $private = AuditLog::make_key(PostgreSQL::Test::Utils::tempdir() . '/private.pem');
my $public = "$private.pub";
system_or_bail('openssl', 'rsa', '-in', $private, '-pubout', '-out', $public);

$node->safe_psql($db, q{
	CREATE TABLE consumers (
		id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
		created_at bigint NOT NULL DEFAULT floor(extract(epoch FROM now()) * 1000),
		type integer NOT NULL DEFAULT 0,
		username text UNIQUE);
	CREATE TABLE things (id integer PRIMARY KEY, name text);
	SELECT audit.enable('consumers');
	SELECT audit.enable('things');
	GRANT SELECT, INSERT, UPDATE, DELETE ON consumers TO web;
});

my $web = Frontend->start($node, $db, '--expose=public.consumers',
	'--workspace=fd51ce6e-59c0-4b6b-b991-aa708a9ff4d2');
my $url = $web->{url};

# curl(ARGUMENT...): status line, headers and decoded body, by the tool itself
sub curl
{
	my ($out, $err) = run_command([ 'curl', '-sS', '-i', '-m', '20', @_ ]);
	is($err, '', "curl @_");
	my ($head, $body) = split /\r?\n\r?\n/, $out, 2;
	my ($status) = $head =~ m{^HTTP/1\.1 (\d+)};
	my ($id) = $head =~ /^X-Kong-Admin-Request-ID: ([A-Za-z0-9]{32})\r?$/m;
	return ($status, $id, eval { JSON::PP->new->utf8->decode($body) });
}

## the walk-through

my ($status, $status_id, $json) = curl("$url/status");
is($status, 200, 'GET /status');
is_deeply([ sort keys %{ $json->{server} } ],
	[qw(connections_accepted connections_active connections_handled
		connections_reading connections_waiting connections_writing total_requests)],
	'/status has the keys of the page');
ok($json->{database}{reachable}, 'the database is reachable');
is($json->{server}{total_requests}, 1, 'it was the first request');

($status, my $id, $json) = curl("$url/audit/requests");
is($status, 200, 'GET /audit/requests');
is($json->{total}, 1, 'one request so far');
is_deeply([ grep { !exists $json->{data}[0]{$_} }
	  qw(client_ip method path payload request_id request_timestamp signature status ttl
	  workspace rbac_user_id rbac_user_name request_source removed_from_payload id key_id
	  duration_ms user_agent db_user occurred_at) ], [], 'every documented key is there');
my $record = $json->{data}[0];
is($record->{request_id}, $status_id, 'the id in the header is that of the record');
is("@$record{qw(client_ip method path status workspace)}",
	'127.0.0.1 GET /status 200 fd51ce6e-59c0-4b6b-b991-aa708a9ff4d2', 'what it says');
ok(!defined $record->{payload} && !defined $record->{signature}, 'no payload, no signature');
ok($record->{ttl} > 2591900 && $record->{ttl} <= 2592000, 'ttl');
ok($record->{duration_ms} > 0, 'duration_ms');

$node->safe_psql($db, "LOAD 'audit_log'; ALTER SYSTEM SET audit.signing_key = '$private'");
$node->reload;
$node->poll_query_until($db, "SELECT current_setting('audit.signing_key') <> ''");

($status, $id, my $bob) = curl("$url/consumers", '-d', 'username=bob');
is($status, 201, 'POST /consumers username=bob');
is($bob->{username}, 'bob', 'the entity comes back');
($status, undef, $json) = curl("$url/consumers", '-H', 'Content-Type: application/json', '-d',
	'{"username": "alice"}');
is("$status $json->{username}", '201 alice', 'as JSON too');

(undef, undef, $json) = curl("$url/audit/requests?method=POST&size=1000");
is($json->{data}[1]{payload}, 'username=bob', 'the form is the payload');
is($json->{data}[0]{payload}, '{"username": "alice"}', 'so is the JSON');
is("$json->{data}[1]{request_id} $json->{data}[1]{status}", "$id 201", 'the same request');

(undef, undef, $json) = curl("$url/audit/objects?request_id=$id");
is($json->{total}, 1, 'its object');
my $object = $json->{data}[0];
is("@$object{qw(dao_name operation entity_key request_id)}", "consumers create $bob->{id} $id",
	'what the object record says');
is_deeply(decode_json($object->{entity}), $bob, 'entity is the row, as a string');
is($object->{client_ip}, '127.0.0.1', 'the client of the request, not of the database');

(undef, undef, $json) = curl("$url/audit/requests/$id");
is("$json->{request_id} $json->{objects}[0]{id} $json->{objects_total}", "$id $object->{id} 1",
	'the request with its objects');
($status, undef, $json) = curl("$url/audit/objects/$object->{id}");
is("$status $json->{id}", "200 $object->{id}", 'one object');

# Signature of what the API returned, by openssl
ok($object->{signature}, 'the object is signed');
my (undef, undef, $again) = curl("$url/audit/objects/$object->{id}");
{
	my $body = $web->get("/audit/objects/$object->{id}")->{content};
	my $canonical = $node->safe_psql($db, 'SELECT audit.canonical(' . "\$j\$$body\$j\$::json)");
	my $dir = PostgreSQL::Test::Utils::tempdir();
	append_to_file("$dir/record", $canonical);
	append_to_file("$dir/signature.b64", "$object->{signature}\n");
	system_or_bail('openssl', 'base64', '-d', '-A', '-in', "$dir/signature.b64", '-out',
		"$dir/signature");
	my ($out) = run_command([ 'openssl', 'dgst', '-sha256', '-verify', $public, '-signature',
		"$dir/signature", "$dir/record" ]);
	is($out, 'Verified OK', 'openssl verifies the record that came over HTTP');
}
$node->safe_psql($db, "LOAD 'audit_log'; ALTER SYSTEM RESET audit.signing_key");
$node->reload;
$node->poll_query_until($db, "SELECT current_setting('audit.signing_key') = ''");

## paging

# One statement: 250 records of one transaction and, mostly, one millisecond.
$node->safe_psql($db, "INSERT INTO things SELECT g, 'old' FROM generate_series(1, 250) g");
my (@ids, @sizes, @totals, $next);
$next = '/audit/objects?size=100&dao_name=things&operation=create';
while ($next)
{
	my $page = $web->get($next)->{json};
	push @ids, map { $_->{id} } @{ $page->{data} };
	push @sizes, scalar @{ $page->{data} };
	push @totals, $page->{total};
	is(defined $page->{next}, exists $page->{offset}, 'next and offset come together');
	like($page->{next}, qr/^\/audit\/objects\?size=100&dao_name=things&operation=create&offset=/,
		'next repeats size and filters') if $page->{next};
	$next = $page->{next};
	$node->safe_psql($db, "INSERT INTO things SELECT g, 'new' FROM generate_series(
		(SELECT max(id) + 1 FROM things), (SELECT max(id) + 37 FROM things)) g") if $next;
}
is("@sizes", '100 100 50', '250 records in pages of 100');
is("@totals", '250 250 250', 'the total is stable while records arrive');
is(scalar keys %{ { map { $_ => 1 } @ids } }, 250, 'no record comes twice');
is(join(',', @ids), join(',', reverse sort @ids), 'newest first, ties by id');
is($node->safe_psql($db, "SELECT count(*) FROM audit.objects WHERE id::text IN ('"
	  . join("','", @ids) . "') AND entity->>'name' = 'old'"), 250, 'no gap');

my $page = $web->get('/audit/objects?size=250&dao_name=nothing')->{json};
is_deeply($page, { data => [], total => 0, next => undef }, 'an empty list');
$page = $web->get('/audit/objects?size=1&count=none')->{json};
ok(exists $page->{total} && !defined $page->{total}, 'count=none does not count');
$page = $web->get('/audit/objects?size=1&count=estimated')->{json};
like($page->{total}, qr/^\d+$/, 'count=estimated asks the planner');
$page = $web->get('/audit/requests?size=1&nonsense=1&size=2')->{json};
is(scalar @{ $page->{data} }, 1, 'unknown parameters are ignored, the first of two counts');

## filters and times

my $key = $bob->{id};
$web->send('PATCH', "/consumers/$key", '{"type": 5}');
is_deeply([ map { $_->{operation} } @{ $web->get("/audit/objects?entity_key=$key")->{json}{data} } ],
	[ 'update', 'create' ], 'filter by entity_key');
is($web->get("/audit/objects?entity_key=$key&operation=update")->{json}{total}, 1, 'and operation');
is($web->get('/audit/requests?status=404')->{json}{total}, 0, 'filter by status: none');
$web->get('/nowhere');
is($web->get('/audit/requests?status=404')->{json}{total}, 1, 'filter by status: one');
is($web->get('/audit/requests?workspace=other')->{json}{total}, 0, 'filter by workspace');

my $when = $node->safe_psql($db, q{SELECT request_timestamp, to_char(to_timestamp(request_timestamp)
	AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM audit.objects ORDER BY id DESC LIMIT 1});
my ($epoch, $iso) = split /\|/, $when;
my $all = $node->safe_psql($db, 'SELECT count(*) FROM audit.objects');
my $before = $node->safe_psql($db, "SELECT count(*) FROM audit.objects WHERE request_timestamp < $epoch");
for my $time ($epoch, $iso)
{
	is($web->get("/audit/objects?before=$time")->{json}{total}, $before, "before=$time is exclusive");
	is($web->get("/audit/objects?after=$time")->{json}{total}, $all - $before, "after=$time is inclusive");
}
is($web->get('/audit/objects?after=0&before=99999999999999')->{json}{total}, $all, 'far bounds');

## errors

my %wrong = (
	'size=0' => '{"code":9,"name":"invalid size","message":"size must be an integer between 1 and 1000"}',
	'size=1001' => '{"code":9,"name":"invalid size","message":"size must be an integer between 1 and 1000"}',
	'size=-1' => '{"code":9,"name":"invalid size","message":"size must be an integer between 1 and 1000"}',
	'size=1.5' => '{"code":9,"name":"invalid size","message":"size must be an integer between 1 and 1000"}',
	'size=99999999999999999999' => '{"code":9,"name":"invalid size","message":"size must be an integer between 1 and 1000"}',
	'size=abc' => '{"code":9,"name":"invalid size","message":"size must be a number"}',
	'size=' => '{"code":9,"name":"invalid size","message":"size must be a number"}',
	'offset=x' => q({"code":7,"name":"invalid offset","message":"'x' is not a valid offset"}),
	'offset=' => q({"code":7,"name":"invalid offset","message":"'' is not a valid offset"}),
	'before=soon' => '{"code":11,"name":"invalid options","message":"before must be seconds since the epoch or YYYY-MM-DDTHH:MM:SSZ"}',
	'after=2026-02-30T00:00:00Z' => '{"code":11,"name":"invalid options","message":"after must be seconds since the epoch or YYYY-MM-DDTHH:MM:SSZ"}',
	'after=2026-02-03T00:00:61Z' => '{"code":11,"name":"invalid options","message":"after must be seconds since the epoch or YYYY-MM-DDTHH:MM:SSZ"}',
	'count=some' => '{"code":11,"name":"invalid options","message":"count must be exact, estimated or none"}');
for my $query (sort keys %wrong)
{
	for my $stream (qw(requests objects))
	{
		my $answer = $web->get("/audit/$stream?$query");
		is("$answer->{status} $answer->{content}", "400 $wrong{$query}", "$stream?$query");
	}
}
is($web->get('/audit/requests?status=x')->{status}, 400, 'status must be a number');
is($web->get('/audit/requests?status=99999999999')->{status}, 400, 'of a sensible size');

my $answer = $web->get('/nowhere');
is("$answer->{status} $answer->{content}", '404 {"message":"Not found"}', 'no such path');
is($web->get("/audit/$_")->{status}, 404, "no such $_")
  for qw(objects/x objects/00000000-0000-0000-0000-000000000000 requests/x requests/a/b);
$answer = $web->send('DELETE', '/audit/requests');
is("$answer->{status} $answer->{headers}{allow}", '405 GET, HEAD, OPTIONS', '405 says what is allowed');
$answer = $web->send('PUT', '/consumers', '{}');
is("$answer->{status} $answer->{headers}{allow}", '405 GET, HEAD, POST, OPTIONS', 'for entities too');
$answer = $web->send('OPTIONS', '/audit/objects');
is("$answer->{status} $answer->{headers}{allow}", '204 GET, HEAD, OPTIONS', 'OPTIONS');
$answer = $web->send('HEAD', '/audit/objects?size=1');
is("$answer->{status} $answer->{content}", '200 ', 'HEAD has no body');
ok($answer->{headers}{'content-length'} > 100, 'but its length');

## entities

is($web->send('POST', '/consumers', '{"username": "bob"}')->{status}, 409, 'unique violation');
is($web->send('POST', '/consumers', '{"nickname": "bob"}')->{content},
	'{"code":2,"name":"schema violation","message":"schema violation (nickname: unknown field)","fields":{"nickname":"unknown field"}}',
	'unknown field');
is($web->send('POST', '/consumers', '{"type": "x"}')->{status}, 400, 'wrong type');
is($web->send('POST', '/consumers', '{"type": null}')->{status}, 400, 'null where none may be');
is($web->send('POST', '/consumers', $_)->{status}, 400, "body $_") for '{', '[]', '"x"', '', '1', "\xff";
is($web->send('POST', '/consumers', '<x/>', { 'content-type' => 'text/xml' })->{status}, 415,
	'neither JSON nor form');
is($web->send('POST', '/consumers', 'a=%zz', { 'content-type' => 'application/x-www-form-urlencoded' })
	  ->{status}, 400, 'broken form');
$answer = $web->send('POST', '/consumers', 'username=%C3%A9+%26&type=3',
	{ 'content-type' => 'application/x-www-form-urlencoded' });
is("$answer->{status} $answer->{json}{username} $answer->{json}{type}", "201 \x{e9} & 3",
	'a form is decoded');
$key = $answer->{json}{id};
is($web->get("/consumers/$key")->{json}{type}, 3, 'GET one');
is($web->send('PATCH', "/consumers/$key", '{"type": 4}')->{json}{type}, 4, 'PATCH');
is($web->send('PATCH', "/consumers/$key", '{}')->{json}{type}, 4, 'PATCH of nothing');
$answer = $web->send('PUT', "/consumers/$key", '{"username": "put"}');
is("$answer->{status} $answer->{json}{username} $answer->{json}{type}", '200 put 0',
	'PUT replaces: what is not given gets its default');
$answer = $web->send('PUT', '/consumers/11111111-2222-3333-4444-555555555555', '{"username": "made"}');
is("$answer->{status} $answer->{json}{id}", '201 11111111-2222-3333-4444-555555555555', 'PUT creates');
is($web->send('DELETE', "/consumers/$key")->{status}, 204, 'DELETE');
is($web->send('DELETE', "/consumers/$key")->{status}, 404, 'DELETE again');
is($web->get($_)->{status}, 404, $_) for "/consumers/$key", '/consumers/nokey', '/things', '/consumers/a/b';

$node->safe_psql($db, "INSERT INTO consumers (username) SELECT 'c' || g FROM generate_series(1, 25) g");
my %seen;
@sizes = ();
$next = '/consumers?size=10';
while ($next)
{
	$page = $web->get($next)->{json};
	push @sizes, scalar @{ $page->{data} };
	$seen{ $_->{id} }++ for @{ $page->{data} };
	$next = $page->{next};
}
my $rows = $node->safe_psql($db, 'SELECT count(*) FROM consumers');
is(scalar(keys %seen), $rows, 'all entities are listed, once');
is($web->get('/consumers?offset=%25')->{json}{code}, 7, 'bad offset of entities');
is($web->get('/consumers?size=0')->{json}{code}, 9, 'bad size of entities');

## constant cost: every list reads an index backwards, whatever the depth

$node->safe_psql($db, "INSERT INTO things SELECT g FROM generate_series(100001, 120000) g");
$node->safe_psql($db, 'VACUUM ANALYZE');
my $read = sub {
	my ($offset) = @_;
	my $body = $web->get("/audit/objects?size=100&count=none" . ($offset ? "&offset=$offset" : ''))->{json};
	return $body;
};
sub blocks
{
	my ($call) = @_;
	return $node->safe_psql($db, qq{
		LOAD 'auto_explain';
		SELECT 1 FROM audit.api_list('objects', $call) a;
		SELECT sum(shared_hit + shared_read) FROM (
			SELECT (p->0->'Plan'->>'Shared Hit Blocks')::int AS shared_hit,
				(p->0->'Plan'->>'Shared Read Blocks')::int AS shared_read
			FROM (SELECT audit_test_explain(\$q\$SELECT 1 FROM audit.api_list('objects', $call) a\$q\$) AS p) s) t;})
	  =~ s/^1\n//r;
}
$node->safe_psql($db, q{
	CREATE FUNCTION audit_test_explain(q text) RETURNS json LANGUAGE plpgsql AS
	$$ DECLARE p json; BEGIN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || q INTO p; RETURN p; END $$;});
my $nulls = join ', ', ('NULL') x 9;
my $first = blocks("'100', NULL, NULL, NULL, 'none', $nulls, '/?'");
my $deep = $read->();
for (1 .. 150) { $deep = $read->($deep->{offset}); }
my $last = blocks("'100', '$deep->{offset}', NULL, NULL, 'none', $nulls, '/?'");
cmp_ok($last, '<', $first + 100, "page 150 reads about as many blocks ($last) as page 1 ($first)");
my $by_key = blocks("'100', NULL, NULL, NULL, 'none', NULL, NULL, NULL, NULL, '110000', NULL, NULL, NULL, NULL, '/?'");
cmp_ok($by_key, '<', 400, "a key is found through its index ($by_key blocks)");
my @rare = ("'100', NULL, NULL, NULL, 'none', NULL, NULL, NULL, 'nothing', NULL, NULL, NULL, NULL, NULL, '/?'");
my $walked = blocks(@rare);
$node->safe_psql($db, 'CREATE INDEX of_mine ON audit.audit_objects (dao_name, id)');
my $looked_up = blocks(@rare);
cmp_ok($looked_up, '<', $walked / 2, "a value that is in no record walks the log, unless somebody adds an index for it ($walked blocks, $looked_up)");
$node->safe_psql($db, 'DROP INDEX audit.of_mine');
my $by_request = blocks("'100', NULL, NULL, NULL, 'none', '$id', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '/?'");
cmp_ok($by_request, '<', 400, "a request is found through its index ($by_request blocks)");

## the rest

is($web->get('/live')->{content}, '{"live":true}', '/live');
is($web->get('/ready')->{content}, '{"ready":true}', '/ready');
$answer = $web->get('/metrics');
like($answer->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4}, '/metrics is for Prometheus');
like($answer->{content}, qr/^audit_log_httpd_requests_total \d+$/m, 'and counts');
my @bad = grep { !/^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="\w+"\})? -?[0-9.e+-]+)$/ } split /\n/, $answer->{content};
is_deeply(\@bad, [], 'in the form that Prometheus reads');
$answer = $web->get('/audit/histogram?stream=requests&buckets=10');
is(scalar @{ $answer->{json}{data} }, 10, '/audit/histogram');
my $sum = 0;
$sum += $_->[1] for @{ $answer->{json}{data} };
cmp_ok($sum, '>', 50, 'holds the requests of this test');
is($web->get("/audit/histogram?$_")->{status}, 400, "histogram?$_")
  for qw(stream=x buckets=0 buckets=x after=x before=0&after=0 after=5&before=4);

ok($web->stop, 'SIGTERM ends it');
$node->stop;
done_testing();
