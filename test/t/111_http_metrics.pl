# What the frontend counts is what was sent and what the log holds: clients that
# work side by side count their own requests, answers and bytes, and both sums
# are compared.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Frontend;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = AuditLog::start_node('metrics');
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');
Frontend::create_consumers($node, $db, 'web');
my $web = Frontend->start($node, $db, '--expose=public.consumers', '--pool-size=2', '--max-body=1000');

# metrics(): every metric with its value; who asks is counted as a request, but
# its answer when it is sent
my $asked = 0;
my @answers;
sub metrics
{
	my $text = $web->get('/metrics')->{content};
	$asked++;
	push @answers, length $text;
	return { $text =~ /^audit_log_httpd_(\S+) (\S+)$/mg };
}

## what was sent

my $before = metrics();
$asked = 0;
my $began = time;
my @kinds = (
	sub { $web->get('/audit/requests?size=3&count=none') },
	sub { $web->send('POST', '/consumers', '{"username":"x"}') },
	sub { $web->send('POST', '/consumers', '{') },
	sub { $web->get('/nowhere') },
	sub { $web->send('HEAD', '/audit/objects?size=2') },
	sub { $web->get('/live') },
	sub { $web->send('PUT', '/audit/objects', '{}') },
	sub { $web->send('OPTIONS', '/consumers') });
my ($clients, $rounds) = (4, 12);
my @pids;
for my $client (1 .. $clients)
{
	push @pids, fork;
	next if $pids[-1];
	my %sum = (bytes => 0, seconds => 0);
	$web->{http} = HTTP::Tiny->new(timeout => 60);
	for my $i (1 .. $rounds)
	{
		for my $kind (@kinds)
		{
			my $answer = $kind->();
			$sum{status}{ $answer->{status} }++;
			$sum{bytes} += length $answer->{content};
		}
		# a head that is refused while it is read, and what is no request
		for my $bytes ("GET /status HTTP/1.1\r\nHost: localhost\r\nnothing\r\n\r\n", "NOTHING\r\n\r\n",
			"POST /consumers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n")
		{
			my ($status, $body) = $web->raw($bytes, 20) =~ m{^HTTP/1\.1 (\d+).*?\r\n\r\n(.*)}s;
			$sum{status}{$status}++;
			$sum{bytes} += length $body;
		}
	}
	append_to_file("$dir/sum$client", encode_json(\%sum));
	POSIX::_exit(0);
}
waitpid $_, 0 for @pids;
my (%status, $bytes);
for my $client (1 .. $clients)
{
	my $sum = decode_json(slurp_file("$dir/sum$client"));
	$status{$_} += $sum->{status}{$_} for keys %{ $sum->{status} };
	$bytes += $sum->{bytes};
}
my $n = $clients * $rounds;
is_deeply(\%status, { 200 => 3 * $n, 201 => $n, 204 => $n, 400 => 3 * $n, 404 => $n, 405 => $n, 413 => $n }, 'all were answered');

my $after;
for (1 .. 100)
{
	$after = metrics();
	# the one that asks, and connections that are being closed
	last if $after->{records_due} == 0 && $after->{connections_active} <= 1;
	sleep 0.05;
}
my %by = map { $_ => $after->{$_} - $before->{$_} } keys %$after;
is($by{requests_total}, 10 * $n + $asked, 'requests, without what is none');
is($by{'responses_total{code="2xx"}'}, 5 * $n + $asked, 'answers: 2xx');
is($by{'responses_total{code="4xx"}'}, 6 * $n, 'answers: 4xx');
is($by{'responses_total{code="5xx"}'}, 0, 'answers: 5xx');
$bytes += $_ for @answers[ 0 .. $#answers - 1 ];
is($by{response_bytes_total}, $bytes, 'bytes of all bodies');
cmp_ok($by{response_seconds_total}, '>', 0, 'time');
cmp_ok($by{response_seconds_total}, '<', ($clients + 1) * (time - $began), '... of which there is not more than clients wait');
cmp_ok($by{connections_accepted_total}, '>=', $clients + 3 * $n, 'connections');
is($by{unrecorded_total}, 0, 'every answer has its record');
is($after->{connections_cut_total} + $after->{requests_abandoned_total}, 0, 'nobody was cut, nobody left');
is("@$after{qw(requests_reading requests_handling requests_sending connections_active)}", '0 1 0 1', 'now there is who asks, and nobody else');
cmp_ok($after->{database_connections}, '<=', 2, 'no more connections to the database than allowed');
is($after->{database_connections}, $node->safe_psql($db, q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'web'}), '... as many as the server has');
is($node->safe_psql($db, q{SELECT string_agg(status || ' ' || n, ', ' ORDER BY status) FROM
	(SELECT status, count(*) AS n FROM audit.requests WHERE path <> '/metrics' GROUP BY status) s}),
	join(', ', "200 ${\ (3 * $n)}", "201 $n", "204 $n", "400 ${\ (2 * $n)}", "404 $n", "405 $n", "413 $n"), 'the log holds as many');

## what is under way

my $lock = $node->background_psql($db, on_error_stop => 1);
$lock->query_safe('BEGIN; LOCK TABLE audit.audit_requests IN SHARE ROW EXCLUSIVE MODE;');
is($web->get('/live')->{status}, 200, 'an answer that waits for nothing') for 1 .. 5;
my $now = metrics();
is("@$now{qw(requests_handling records_due)}", '1 5', 'records that are due are no requests, and can be seen while the database is busy');
my @busy = map {
	my $socket = $web->socket;
	syswrite $socket, "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n";
	$socket } 1 .. 3;
my $arriving = $web->socket;
syswrite $arriving, "GET /status HTTP/1.1\r\nHost: localhost\r\nX:";
for (1 .. 200)
{
	$now = metrics();
	last if $now->{requests_handling} == 4 && $now->{requests_reading} == 1;
	sleep 0.05;
}
is("@$now{qw(requests_reading requests_handling)}", '1 4', 'three wait, one arrives');
$lock->query_safe('COMMIT');
$lock->quit;
for (1 .. 200)
{
	$now = metrics();
	last if $now->{requests_handling} == 1 && $now->{records_due} == 0;
	sleep 0.05;
}
is("@$now{qw(requests_reading requests_handling requests_sending records_due)}", '1 1 0 0', 'all is done but one');
my $server = $web->get('/status')->{json}{server};
is("@$server{qw(connections_active connections_reading connections_writing connections_waiting)}", '5 1 1 3', '/status says of the connections what they do');
is($server->{total_requests}, $now->{requests_total} + 1, '... and counts the same requests');
close $arriving;
ok($web->stop, 'it ends');

## answers without a record

$web = Frontend->start($node, $db, '--pool-size=2');
is($web->get('/audit/objects')->{status}, 200, 'an answer');
$node->safe_psql($db, 'ALTER FUNCTION audit.api_log RENAME TO other_log');
is($web->get('/audit/objects')->{status}, 503, 'one that cannot be recorded');
is($web->metric('unrecorded_total'), 1, '... is counted');
$node->safe_psql($db, 'ALTER FUNCTION audit.other_log RENAME TO api_log');
ok($web->stop, 'it ends');

$node->stop;
done_testing();
