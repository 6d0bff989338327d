# test/bench/http.pl: pages of the HTTP API, against the same statement without HTTP.
#
# The frontend's own statement is read from the server while it runs, and given
# to pgbench: so both do the same work there, the record of the request included.
#
# How long a page takes is measured with a connection a core, so that none waits
# for another; how many there are in a second with two, which keeps all cores
# busy.  With one, a core idles whenever a page is handed from one process to
# the next, which happens four times with HTTP and twice without.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;
use HTTP::Tiny;
use Time::HiRes qw(sleep);

my $records = $ENV{BENCH_HTTP_RECORDS} || ($quick ? 50_000 : 1_000_000);
my ($unhurried, $busy) = (2, 4);	# connections
my $seconds = $quick ? 2 : 3;
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

# statement(PATH, STREAM, TOKEN): what the frontend sends for it, with its
# arguments, and the same as a script with its variables
sub statement
{
	my ($path, $stream, $token) = @_;
	my $answer = HTTP::Tiny->new->get("$url$path");
	die "$path: $answer->{status} $answer->{content}" unless $answer->{status} == 200;
	my $sql = $db->sql("SELECT query FROM pg_stat_activity WHERE usename = 'web' AND query ~ 'api_list\\(''$stream''' ORDER BY query_start DESC LIMIT 1;");
	my $self = $path =~ s/\?.*//r . '?count=none&';
	my $offset = $token ? "'$token'" : 'NULL';
	my @arguments = (q{replace(gen_random_uuid()::text, '-', '')}, q{'GET'}, "'$path'", 'NULL', q{'127.0.0.1'}, 'NULL', q{'0.1'},
		('NULL') x 3, q{'f'}, q{'f'}, 'NULL', $offset, 'NULL', 'NULL', q{'none'}, ('NULL') x 6, "'$self'");
	my $wanted = () = $sql =~ /\$\d+/g;
	die "$wanted parameters: $sql" unless $wanted == @arguments;
	my %variables = map { $arguments[$_] =~ /^'(.*)'$/ ? ("argument$_" => $1) : () } 0 .. $#arguments;
	my $script = $sql =~ s/\$(\d+)/my $i = $1 - 1; exists $variables{"argument$i"} ? ":argument$i" : $arguments[$i]/gre;
	return ($sql =~ s/\$(\d+)/$arguments[$1 - 1]/gr, "$script;\n", \%variables);
}

sub milliseconds
{
	my ($text) = @_;
	my ($number, $unit) = $text =~ /^([\d.]+)(us|ms|s)$/ or die $text;
	return $number * { us => 0.001, ms => 1, s => 1000 }->{$unit};
}

# wrk(PATH, CONNECTIONS): requests a second, and the latency that 99 of 100
# have at most
sub wrk
{
	my ($path, $connections) = @_;
	my $text = qx{wrk -t1 -c$connections -d${seconds}s --latency '$url$path'};
	die "wrk failed:\n$text" if $? || $text =~ /Non-2xx|Socket errors/;
	my ($rate) = $text =~ m{^Requests/sec:\s+([\d.]+)}m or die $text;
	my ($p99) = $text =~ /^\s+99%\s+(\S+)/m or die $text;
	return { tps => $rate, p99 => milliseconds($p99) };
}

# pgbench(SCRIPT, VARIABLES, CONNECTIONS): the same for a statement
sub pgbench
{
	my ($script, $variables, $connections) = @_;
	local $ENV{PGUSER} = 'web';
	my $result = run_pgbench($script, $connections, $seconds, log => 1, variables => $variables);
	$result->{p99} = $result->{latencies}[ 0.99 * @{ $result->{latencies} } ];
	return $result;
}

# blocks(CALL): pages that the server looks at for it
sub blocks
{
	my ($sql) = @_;
	my ($blocks) = map { /Buffers: shared hit=(\d+)/ ? $1 : () } $db->sql("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) $sql;");
	return $blocks;
}

title("Pages of 100 records of $records over HTTP: wrk and pgbench -M prepared, $rounds rounds of $seconds s",
	"answers a second with $busy connections; ratio = HTTP / the very same statement by pgbench, and with $unhurried;",
	"p99 in ms with $unhurried: wrk counts a pause for every request that it would have held up, pgbench",
	'once, so one pause of a busy machine is the p99 of a round;',
	sprintf('stolen: of the processors\' time, by the host, in the rounds of HTTP with %d; more than %g %%, and a round is', $unhurried, 100 * $steal_allowed),
	'measured again, up to five times;',
	'blocks that the server reads for the page, which no depth changes.', '');
printf "%-9s %-6s %7s %9s %9s   %-20s %-20s %-22s %9s   %s\n", '', 'depth', 'blocks', 'pgbench', 'HTTP', "ratio, $busy", "ratio, $unhurried",
  'p99 HTTP', 'p99 SQL', 'stolen, %';
for my $stream ('requests', 'objects')
{
	my @blocks;
	for my $depth (0, 0.5, 0.99)
	{
		my $token = $depth ? token($stream, $depth) : '';
		my $path = "/audit/$stream?count=none" . ($token ? "&offset=$token" : '');
		my ($sql, $script, $variables) = statement($path, $stream, $token);
		my $page = $sql =~ s/^.* FROM (audit\.api_)/SELECT * FROM $1/sr;
		my (%seen, %ratio);

		blocks($page);
		push @blocks, blocks($page);
		for my $round (0 .. $rounds - 1)
		{
			for my $connections (in_order($round, $busy, $unhurried))
			{
				my %now;
				for my $variant (in_order($round, 'sql', 'http'))
				{
					my $measure = sub { $variant eq 'http' ? wrk($path, $connections) : pgbench($script, $variables, $connections) };

					$now{$variant} = $connections == $unhurried ? undisturbed($measure) : $measure->();
				}
				push @{ $ratio{$connections} }, $now{http}{tps} / $now{sql}{tps};
				push @{ $seen{$_}{$connections} }, $now{$_} for keys %now;
			}
		}
		my $where = $depth ? 100 * $depth . ' %' : 'first';
		my %rate = map { $_ => median(map { $_->{tps} } @{ $seen{$_}{$busy} }) } keys %seen;
		my %p99 = map { $_ => [ map { $_->{p99} } @{ $seen{$_}{$unhurried} } ] } keys %seen;
		my @stolen = map { 100 * $_->{stolen} } @{ $seen{http}{$unhurried} };
		printf "%-9s %-6s %7d %9.0f %9.0f   %-20s %-20s %-22s %9.1f   %s\n", $stream, $where, $blocks[-1], $rate{sql}, $rate{http},
		  ratio(@{ $ratio{$busy} }), ratio(@{ $ratio{$unhurried} }), spread('%.1f', @{ $p99{http} }), median(@{ $p99{sql} }),
		  spread('%.1f', @stolen);
		note(bar("page of $stream, $where: throughput over HTTP / of the statement alone", median(@{ $ratio{$busy} }), '>=', 0.8)
			  . '; p99: ' . bar("page of $stream, $where: p99 in ms", median(@{ $p99{http} }), '<=', 5, '%.1f'));
	}
	note(sprintf 'at any depth the same index scan: %s blocks', join ', ', @blocks);
}
$db->sql('DROP TABLE articles;');
$db->sql('SELECT empty_logs();');
$db->finish;
