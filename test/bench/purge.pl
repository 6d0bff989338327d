# test/bench/purge.pl: what it costs an insert that expired records are removed.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;
use List::Util qw(min);

my $db = connect_server();
my $seconds = $quick ? 3 : 6;
my $slices = 3;
my $measured = $quick ? 2 : 4;
my $backlog = $quick ? 100_000 : 1_000_000;

$db->sql(<<'');
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL, payload text NOT NULL);
SELECT audit.enable('events');

my %script = (
	1 => "INSERT INTO events (kind, payload) VALUES ('login', 'somebody came in');\n",
	1000 => "INSERT INTO events (kind, payload) SELECT 'login', 'number ' || i "
	  . "FROM generate_series(1, 1000) AS i;\n");

sub clean
{
	$db->sql("SET audit.enabled = off;\nTRUNCATE events;\nRESET audit.enabled;\n"
		  . "SELECT empty_logs();\nVACUUM ANALYZE events, audit.audit_objects;\nCHECKPOINT;");
	return;
}

sub percentile
{
	my ($sorted, $p) = @_;
	return $sorted->[ int($p * $#$sorted) ];
}

# Records live one second, and the first seconds do not count: from then on as
# many expire as are added.
title("Purge in a steady state, $rounds rounds of $measured s, 1 client, fsync off",
	'as many records expire as are added; ratio = mean time of an insert with / without purge', '');
printf "%-26s %16s %16s   %s\n", '', 'without purge', 'with purge', 'ratio';
for my $n (1, 1000)
{
	my (%us, @ratio);

	for my $round (0 .. $rounds - 1)
	{
		for my $ttl (in_order($round, 2_592_000, 1))
		{
			clean();
			my $run = run_pgbench($script{$n}, 1, $measured, skip => 2,
				options => "-c audit.record_ttl=$ttl");
			push @{ $us{$ttl} }, 1e6 / $run->{tps};
		}
		push @ratio, $us{1}[-1] / $us{2_592_000}[-1];
	}
	printf "%-26s %13.1f us %13.1f us   %-20s  %s\n", "inserts of $n row" . ($n > 1 ? 's' : ''),
	  median(@{ $us{2_592_000} }), median(@{ $us{1} }), ratio(@ratio),
	  bar("purge, steady state, inserts of $n: with / without", median(@ratio), '<=', 1.15);
}

title("Purge with $backlog expired records waiting, $slices slices, $seconds s, 1 client, fsync off",
	'latency of inserts in ms, the longest of each slice; "none" is the same without a backlog,',
	'and shows what the machine itself adds now and then. An insert of a row must not take long;',
	'inserts of 1000 rows must remove more than they add.', '');
printf "%-10s %-8s %9s %9s %9s   %-24s %9s\n", '', 'waiting', 'inserts', 'median', '99.9 %',
  'longest', 'removed';
for my $n (1, 1000)
{
	for my $waiting (0, $backlog)
	{
		clean();
		$db->sql("INSERT INTO events (kind, payload) VALUES ('login', 'somebody came in');");
		$db->sql("SELECT add_expired($waiting);\nVACUUM ANALYZE audit.audit_objects;") if $waiting;
		my $left = 'SELECT count(*) FROM audit.audit_objects WHERE expire < now();';
		my $before = $db->sql($left);
		$db->sql('CHECKPOINT;');
		my (@all, @longest);
		for (1 .. $slices)
		{
			my $latencies = run_pgbench($script{$n}, 1, $seconds / $slices, log => 1)->{latencies};
			push @all, @$latencies;
			push @longest, $latencies->[-1];
		}
		@all = sort { $a <=> $b } @all;
		my $removed = $before - $db->sql($left);
		my $verdict = '';
		if ($waiting && $n == 1)
		{
			$verdict = bar("purge, $waiting expired records waiting, inserts of a row: longest, ms",
				median(@longest), '<=', 10);
		}
		elsif ($waiting)
		{
			# All of them, or more than were added
			my $least = min($waiting, $n * @all);
			$verdict = bar("purge, $waiting expired records waiting, inserts of $n: removed, of those it must",
				$removed / $least, '>=', 1);
		}
		printf "%-10s %-8s %9d %9.3f %9.3f   %-24s %9d  %s\n",
		  "$n row" . ($n > 1 ? 's' : ''), $waiting || 'none', scalar @all, percentile(\@all, 0.5),
		  percentile(\@all, 0.999), spread('%.2f', @longest), $removed, $verdict;
	}
}
clean();
$db->sql('DROP TABLE events;');
$db->finish;
