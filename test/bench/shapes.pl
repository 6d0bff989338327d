# test/bench/shapes.pl: wide rows, large values, many tables, and memory.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;

my $db = connect_server();
my $n = int($rows / 20);
my $few = int($rows / 200);

# 50 columns of five types, and a row with a large value out of line
my @types = (
	[ 'integer', 'i' ], [ 'text', "'some text ' || i" ], [ 'numeric', 'i + 0.5' ],
	[ 'timestamptz', "timestamptz '2024-01-01 UTC' + i * interval '1 s'" ], [ 'boolean', 'i % 2 = 0' ]);
my $wide_columns = join ', ', map { "c$_ $types[$_ % 5][0]" } 1 .. 49;
my $wide_values = join ', ', map { "$types[ $_ % 5 ][1] AS c$_" } 1 .. 49;
my $large = "(SELECT string_agg(md5(k::text || i), '') FROM generate_series(1, 1000) AS k)";

for my $suffix ('', '_audited')
{
	$db->sql("CREATE TABLE wide$suffix (id bigint PRIMARY KEY, $wide_columns);");
	$db->sql("CREATE TABLE large$suffix (id bigint PRIMARY KEY, n integer, value text);");
	$db->sql("SELECT audit.enable('$_');") for $suffix ? ("wide$suffix", "large$suffix") : ();
}
$db->sql("CREATE TABLE wide_rows AS SELECT i AS id, $wide_values FROM generate_series(1, $n) AS i;");
$db->sql("CREATE TABLE large_rows AS SELECT i AS id, i AS n, $large AS value FROM generate_series(1, $few) AS i;");
$db->sql('VACUUM ANALYZE wide_rows, large_rows;');

title("Other shapes of rows, $rounds rounds",
	'As for bulk statements; the bars are set for rows of ordinary size, so there is none here.', '');
printf "%-44s %8s %13s %13s   %s\n", '', 'rows', 'capture', 'floor', 'capture / floor';
for my $case (
	[ '50 columns, INSERT', 'wide', $n, 0, 'INSERT INTO %s SELECT * FROM wide_rows' ],
	[ '50 columns, UPDATE of one column', 'wide', $n, 1, 'UPDATE %s SET c5 = c5 + 1' ],
	[ '32 kB value out of line, INSERT', 'large', $few, 0, 'INSERT INTO %s SELECT * FROM large_rows' ],
	[ '32 kB value, UPDATE of another column', 'large', $few, 1, 'UPDATE %s SET n = n + 1' ])
{
	my ($label, $table, $count, $filled, $statement) = @$case;
	my (@capture, @floor, @ratio);

	for my $round (0 .. $rounds - 1)
	{
		my %ms;
		for my $target (in_order($round, $table, "${table}_audited"))
		{
			$db->sql("SET audit.enabled = off;\nTRUNCATE $target;");
			$db->sql("INSERT INTO $target SELECT * FROM ${table}_rows;") if $filled;
			$db->sql("RESET audit.enabled;\nSELECT empty_logs();\nVACUUM ANALYZE $target;\nCHECKPOINT;");
			$ms{$target} = $db->measure(sprintf $statement, $target)->{ms};
			next if $target eq $table;
			$db->sql("VACUUM ANALYZE audit.audit_objects;\nCHECKPOINT;");
			$ms{floor} = $db->measure('INSERT INTO floor SELECT * FROM audit.audit_objects')->{ms};
		}
		push @capture, $ms{"${table}_audited"} - $ms{$table};
		push @floor, $ms{floor};
		push @ratio, $capture[-1] / $floor[-1];
	}
	printf "%-44s %8d %6.1f us/row %6.1f us/row   %s\n", $label, $count,
	  median(@capture) * 1000 / $count, median(@floor) * 1000 / $count, ratio(@ratio);
}

# ------------------------------------------------------------------- tables

my %script;
for my $suffix ('', '_audited')
{
	$script{$suffix} = "\\set id random(1, 1000)\nBEGIN;\n";
	for my $k (1 .. 10)
	{
		my $table = "many$k$suffix";
		$db->sql(<<"");
CREATE TABLE $table (id bigint PRIMARY KEY, note text, n bigint);
INSERT INTO $table SELECT i, 'note ' || i, 0 FROM generate_series(1, 1000) AS i;

		$db->sql("SELECT audit.enable('$table');") if $suffix;
		$script{$suffix} .= "UPDATE $table SET n = n + 1 WHERE id = :id;\n";
	}
	$script{$suffix} .= "COMMIT;\n";
}
my (%tps, @ratio);
my $seconds = $quick ? 1 : 3;
for my $round (0 .. $rounds - 1)
{
	$db->sql("SELECT empty_logs();\nVACUUM;\nCHECKPOINT;");
	for my $suffix (in_order($round, '', '_audited'))
	{
		push @{ $tps{$suffix} }, run_pgbench($script{$suffix}, 1, $seconds)->{tps};
	}
	push @ratio, $tps{_audited}[-1] / $tps{''}[-1];
}
printf "\nOne row of each of 10 tables in one transaction, 1 client, without waiting for a disk:\n"
  . "    %.0f transactions a second unaudited, %.0f audited, ratio %s\n",
  median(@{ $tps{''} }), median(@{ $tps{_audited} }), ratio(@ratio);

# ------------------------------------------------------------------- memory

# The largest private memory (kB) of the backend during a statement
sub peak_memory
{
	my ($statement) = @_;
	my $session = connect_server();
	my $file = "$ENV{BENCH_WORK}/peak";

	$session->sql('SELECT 1;');
	my $sampler = fork // die $!;
	if ($sampler == 0)
	{
		my ($peak, $stop) = (0, 0);
		local $SIG{TERM} = sub { $stop = 1 };
		while (!$stop)
		{
			open my $fh, '<', "/proc/$session->{backend}/status" or last;
			while (<$fh>)
			{
				$peak = $1 if /^RssAnon:\s+(\d+) kB/ && $1 > $peak;
			}
			select undef, undef, undef, 0.005;
		}
		open my $fh, '>', $file or die $!;
		print $fh $peak;
		close $fh;
		require POSIX;
		POSIX::_exit(0);
	}
	$session->sql("$statement;");
	kill TERM => $sampler;
	waitpid $sampler, 0;
	$session->finish;
	open my $fh, '<', $file or die $!;
	return scalar <$fh>;
}

if (-r "/proc/$$/status")
{
	$db->sql(<<'');
CREATE TABLE triggered (LIKE orders INCLUDING ALL);
CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER do_nothing AFTER INSERT ON triggered
	FOR EACH ROW EXECUTE FUNCTION do_nothing();

	print "\nPrivate memory of the backend at its largest during an INSERT, kB; the trigger that does\n"
	  . "nothing shows what the server itself keeps of each row until an AFTER trigger has run:\n";
	my @counts = $quick ? (2_000, 100_000) : (10_000, 2_000_000);
	my %own;
	for my $count (@counts)
	{
		my %peak;
		for my $table ('triggered', 'audited')
		{
			$db->sql("SELECT empty_logs(), fill('$table', false);");
			$peak{$table} = peak_memory("INSERT INTO $table SELECT i, 1, 'open', 1, '2024-01-01 UTC', 'note' "
				  . "FROM generate_series(1, $count) AS i");
		}
		$own{$count} = $peak{audited} - $peak{triggered};
		printf "    %7d rows: %6d with a trigger that does nothing, %6d audited: %+d\n", $count,
		  $peak{triggered}, $peak{audited}, $own{$count};
	}
	my $growth = $own{ $counts[1] } - $own{ $counts[0] };
	printf "    our own buffers with $counts[1] rows instead of $counts[0]: %+d kB, %s\n", $growth,
	  bar("memory: growth of our own buffers from $counts[0] to $counts[1] rows, kB", $growth, '<=', 1024, '%d');
	$db->sql("SELECT empty_logs(), fill('audited', false);\nCHECKPOINT;");
	$db->sql('DROP TABLE triggered;');
}
$db->finish;
