# test/bench/http.pl: pages of the HTTP API, against the same statement without HTTP.
#
# The frontend's own statement is read from the server while it runs, and given
# to pgbench: so both do the same work there, the record of the request included.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;
use HTTP::Tiny;
use Time::HiRes qw(sleep);

my $records = $ENV{BENCH_HTTP_RECORDS} || ($quick ? 50_000 : 1_000_000);
my $clients = 2;
my $seconds = $quick ? 2 : 5;
my $db = connect_server();

$db->sql(<<"");
SELECT empty_logs();
CREATE ROLE web LOGIN IN ROLE audit_log_api;
CREATE TABLE articles (id bigint PRIMARY KEY, name text, price numeric, note text, changed_at timestamptz DEFAULT now());
SELECT audit.enable('articles');
INSERT INTO articles SELECT i, 'article ' || i % 1000, i * 1.5, 'note number ' || i FROM generate_series(1, $records) i;
SELECT count(audit.log_request('GET', '/articles/' || i, 200, request_id => 'r' || i, client_ip => '10.0.0.1',
	user_agent => 'curl/8', duration_ms => 1.5, rbac_user_name => 'user' || i % 10)) FROM generate_series(1, $records) i;
VACUUM ANALYZE;
CHECKPOINT;

my $frontend;
my $url = do {
	my $log = "$ENV{BENCH_WORK}/log/httpd";
	$frontend = fork // die $!;
	if ($frontend == 0)
	{
		local $ENV{PGUSER} = 'web';
		open STDOUT, '>', '/dev/null' or die $!;
		open STDERR, '>', $log or die $!;
		exec "$ENV{BENCH_WORK}/root$ENV{BENCH_BINDIR}/audit_log_httpd", '--listen=127.0.0.1:0', '--no-access-log' or exit 127;
	}
	my $port;
	for (1 .. 200)
	{
		sleep 0.05;
		open my $fh, '<', $log or next;
		($port) = map { /listening on .* port (\d+)/ } <$fh>;
		last if $port;
	}
	$port or die 'the frontend does not start';
	"http://127.0.0.1:$port";
};
END { kill TERM => $frontend if $frontend }

# token(STREAM, SHARE): offset of the page that follows so much of the records
sub token
{
	my ($stream, $share) = @_;
	my $id = $db->sql("SELECT id FROM audit.$stream ORDER BY id DESC OFFSET " . int($records * $share) . ' LIMIT 1;');
	return $db->sql("SELECT rtrim(translate(encode(uuid_send('$id') || uuid_send('$id') || int8send(-1) || int4send(0), 'base64'),"
		  . q{ E'+/\n', '-_'), '=');});
}

# statement(PATH, STREAM, TOKEN): what the frontend sends for it, with its arguments
sub statement
{
	my ($path, $stream, $token) = @_;
	my $answer = HTTP::Tiny->new->get("$url$path");
	die "$path: $answer->{status} $answer->{content}" unless $answer->{status} == 200;
	my $sql = $db->sql("SELECT query FROM pg_stat_activity WHERE usename = 'web' AND query ~ 'api_$stream' ORDER BY query_start DESC LIMIT 1;");
	my $self = $path =~ s/\?.*//r . '?count=none&';
	my $offset = $token ? "'$token'" : 'NULL';
	my @arguments = (q{replace(gen_random_uuid()::text, '-', '')}, q{'GET'}, "'$path'", 'NULL', q{'127.0.0.1'}, 'NULL', q{'0.1'},
		('NULL') x 3, q{'f'}, q{'f'}, 'NULL', $offset, 'NULL', 'NULL', q{'none'}, ('NULL') x 6, "'$self'");
	my $wanted = () = $sql =~ /\$\d+/g;
	die "$wanted parameters: $sql" unless $wanted == @arguments;
	$sql =~ s/\$(\d+)/$arguments[$1 - 1]/g;
	return $sql;
}

sub milliseconds
{
	my ($text) = @_;
	my ($number, $unit) = $text =~ /^([\d.]+)(us|ms|s)$/ or die $text;
	return $number * { us => 0.001, ms => 1, s => 1000 }->{$unit};
}

# wrk(PATH): requests a second, and the latency that 99 of 100 have at most
sub wrk
{
	my ($path) = @_;
	my $text = qx{wrk -t1 -c$clients -d${seconds}s --latency '$url$path'};
	die "wrk failed:\n$text" if $? || $text =~ /Non-2xx|Socket errors/;
	my ($rate) = $text =~ m{^Requests/sec:\s+([\d.]+)}m or die $text;
	my ($p99) = $text =~ /^\s+99%\s+(\S+)/m or die $text;
	return ($rate, milliseconds($p99));
}

# blocks(CALL): pages that the server looks at for it
sub blocks
{
	my ($sql) = @_;
	my ($blocks) = map { /Buffers: shared hit=(\d+)/ ? $1 : () } $db->sql("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) $sql;");
	return $blocks;
}

title("Pages of 100 records of $records over HTTP: wrk and pgbench -M prepared, $clients connections each, $rounds rounds of $seconds s",
	'answers a second; ratio = HTTP / the very same statement by pgbench; p99 in ms: wrk counts a pause for',
	'every request that it would have held up, pgbench once, so one pause of a busy machine is the p99 of a round;',
	'blocks that the server reads for the page, which no depth changes.', '');
printf "%-9s %-6s %7s %9s %9s   %-20s %-22s %9s\n", '', 'depth', 'blocks', 'pgbench', 'HTTP', 'ratio', 'p99 HTTP', 'p99 SQL';
my $worst = 0;
for my $stream ('requests', 'objects')
{
	my @blocks;
	for my $depth (0, 0.5, 0.99)
	{
		my $token = $depth ? token($stream, $depth) : '';
		my $path = "/audit/$stream?count=none" . ($token ? "&offset=$token" : '');
		my $sql = statement($path, $stream, $token);
		my $page = $sql =~ s/^.* FROM (audit\.api_)/SELECT * FROM $1/sr;
		my (@ratio, @p99, @sql_p99, %rate);

		blocks($page);
		push @blocks, blocks($page);
		for my $round (0 .. $rounds - 1)
		{
			for my $variant (in_order($round, 'sql', 'http'))
			{
				if ($variant eq 'http')
				{
					my ($rate, $p99) = wrk($path);
					push @{ $rate{http} }, $rate;
					push @p99, $p99;
				}
				else
				{
					local $ENV{PGUSER} = 'web';
					my $result = run_pgbench("$sql;\n", $clients, $seconds, log => 1);
					push @{ $rate{sql} }, $result->{tps};
					push @sql_p99, $result->{latencies}[ 0.99 * @{ $result->{latencies} } ];
				}
			}
			push @ratio, $rate{http}[-1] / $rate{sql}[-1];
		}
		my $where = $depth ? 100 * $depth . ' %' : 'first';
		printf "%-9s %-6s %7d %9.0f %9.0f   %-20s %-22s %9.1f\n", $stream, $where, $blocks[-1], median(@{ $rate{sql} }), median(@{ $rate{http} }),
		  ratio(@ratio), spread('%.1f', @p99), median(@sql_p99);
		note(bar("page of $stream, $where: throughput over HTTP / of the statement alone", median(@ratio), '>=', 0.8)
			  . '; p99: ' . bar("page of $stream, $where: p99 in ms", median(@p99), '<=', 5, '%.1f'));
	}
	note(sprintf 'at any depth the same index scan: %s blocks', join ', ', @blocks);
}
$db->sql('DROP TABLE articles;');
$db->sql('SELECT empty_logs();');
$db->finish;
