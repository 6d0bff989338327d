# Every request that is answered has exactly one record, with the status it was
# answered with and the id in its header; one that changed something has it in
# the transaction of the change; requests on one connection to the database
# share nothing.  It needs the frontend.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Frontend;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('entities', "audit.ignore_paths = '^/status\$'", "audit.ignore_methods = 'OPTIONS'");
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');
$node->safe_psql($db, q{
	CREATE TABLE consumers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), username text UNIQUE, age integer CHECK (age > 0));
	CREATE TABLE orders (id integer PRIMARY KEY, consumer uuid REFERENCES consumers DEFERRABLE INITIALLY DEFERRED);
	SELECT audit.enable('consumers');
	SELECT audit.enable('orders');
	GRANT SELECT, INSERT, UPDATE, DELETE ON consumers, orders TO web;
});
my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/tokens", "the-secret-of-alice alice 1 north\nthe-secret-of-bob bob 2 south\n");
chmod 0600, "$dir/tokens";
# One connection: whatever a request leaves behind, the next one would get.
my $web = Frontend->start($node, $db, '--expose=public.consumers', '--expose=public.orders', '--pool-size=1',
	"--token-file=$dir/tokens");
my %alice = (Authorization => 'Bearer the-secret-of-alice');
my %bob = (Authorization => 'Bearer the-secret-of-bob');

# once(ANSWER, METHOD, PATH, WHAT): its one record, with its status
sub once
{
	my ($answer, $method, $path, $what) = @_;
	my @records = $web->records($db, $answer->{id} // '');
	like($answer->{id} // '', qr/^[A-Za-z0-9]{32}$/, "$what: the answer has an id");
	is(join(', ', map { "$_->{method} $_->{path} $_->{status}" } @records), "$method $path $answer->{status}", '... and one record');
	return $records[0];
}

sub objects
{
	my ($answer) = @_;
	return $node->safe_psql($db, "SELECT string_agg(operation || ' ' || dao_name || ' ' || coalesce(rbac_user_name, '-'), ', ' ORDER BY id)
		FROM audit.objects WHERE request_id = '$answer->{id}'");
}

# Changes, as JSON and as forms
my $answer = $web->send('POST', '/consumers', '{"username": "ann"}', {%alice});
my $record = once($answer, 'POST', '/consumers', 'POST of JSON');
is($answer->{status}, 201, 'created');
is(objects($answer), 'create consumers alice', 'its object has the id of the request and the user of the token');
is("$record->{rbac_user_name} $record->{rbac_user_id} $record->{workspace} $record->{payload}", 'alice 1 north {"username": "ann"}',
	'so has the record of the request, with its body');
my $key = $answer->{json}{id};
$answer = $web->send('POST', '/consumers', 'username=b%C3%B6b&age=7', { %bob, 'content-type' => 'application/x-www-form-urlencoded' });
once($answer, 'POST', '/consumers', 'POST of a form');
is(objects($answer), 'create consumers bob', 'another user, the same connection');
for (
	[ 'PATCH', '{"age": 8}', 200, 'update consumers alice' ],
	[ 'PUT', '{"username": "ann", "age": 9}', 200, 'update consumers alice' ],
	[ 'GET', undef, 200, '' ],
	[ 'DELETE', undef, 204, 'delete consumers alice' ],
	[ 'DELETE', undef, 404, '' ],
	[ 'GET', undef, 404, '' ])
{
	my ($method, $body, $status, $objects) = @$_;
	$answer = $web->send($method, "/consumers/$key", $body, {%alice});
	is($answer->{status}, $status, "$method answers $status");
	once($answer, $method, "/consumers/$key", $method);
	is(objects($answer), $objects, '... with its objects');
}

# What fails is recorded with its status, and leaves no object.
for (
	[ 'POST', '/consumers', '{"username": "böb"}', 409, 'unique violation' ],
	[ 'POST', '/consumers', '{"age": -1}', 400, 'check violation' ],
	[ 'POST', '/consumers', '{"age": "x"}', 400, 'wrong type' ],
	[ 'POST', '/consumers', '{', 400, 'broken JSON' ],
	[ 'POST', '/consumers', '{"nobody": 1}', 400, 'no such column' ],
	[ 'POST', '/orders', '{"id": 1, "consumer": "11111111-2222-3333-4444-555555555555"}', 400, 'a constraint that speaks at the commit' ],
	[ 'GET', '/nowhere', undef, 404, 'no such path' ],
	[ 'PUT', '/audit/objects', '{}', 405, 'wrong method' ],
	[ 'GET', '/audit/objects?size=0', undef, 400, 'bad parameter' ])
{
	my ($method, $path, $body, $status, $what) = @$_;
	$answer = $web->send($method, $path, $body, {%bob});
	like($answer->{status}, $what =~ /commit/ ? qr/^4\d\d$/ : qr/^$status$/, "$what answers $answer->{status}");
	once($answer, $method, $path, $what);
	is(objects($answer), '', '... and no object');
}
is($node->safe_psql($db, 'SELECT count(*) FROM orders'), '0', 'nothing half-written');
$answer = $web->get('/consumers');
is($answer->{status}, 401, 'without a token');
my ($unknown) = $web->records($db, $answer->{id});
is("$unknown->{status} " . ($unknown->{rbac_user_name} // '-') . ' ' . ($unknown->{workspace} // '-'), '401 - -',
	'it is recorded, and nothing of the requests before is in it');

# A server error, and a change that was made before it
$node->safe_psql($db, q{
	CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION E'a bug\naudit_log_httpd: all is well' USING ERRCODE = 'internal_error'; END $$;
	CREATE CONSTRAINT TRIGGER broken AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION broken(); });
$answer = $web->send('POST', '/orders', '{"id": 2}', {%alice});
is($answer->{status}, 500, 'an error of the server');
like(slurp_file($web->{log}), qr/^audit_log_httpd: request $answer->{id}: XX000: a bug audit_log_httpd: all is well$/m,
	'the operator is told, in one line');
once($answer, 'POST', '/orders', 'it');
is(objects($answer), '', '... and no object');
$answer = $web->get('/consumers', { Authorization => 'Bearer the-secret-of-nobody' });
is($answer->{status}, 401, 'a wrong token');
once($answer, 'GET', '/consumers', 'it');

# Silence
my $before = $node->safe_psql($db, 'SELECT count(*) FROM audit.requests');
is($web->get('/status', {%alice})->{status}, 200, 'an ignored path is answered');
$web->send('OPTIONS', '/consumers', undef, {%alice});
like($web->raw("GARBAGE\r\n\r\n"), qr{^HTTP/1\.[01] 400 }, 'a malformed request line is refused');
$answer = $web->get('/consumers', {%bob});
once($answer, 'GET', '/consumers', 'the next');
is($node->safe_psql($db, 'SELECT count(*) FROM audit.requests') - $before, 1, 'none of the three has a record');
is($node->safe_psql($db, 'SELECT count(*) FROM audit.requests') - $node->safe_psql($db, 'SELECT count(DISTINCT request_id) FROM audit.requests'),
	0, 'no id was used twice');
ok($web->stop, 'the frontend ends when asked');

done_testing();
