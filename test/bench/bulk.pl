# test/bench/bulk.pl: statements that change many rows, beside PostgreSQL's own
# speed of writing the same records, and beside other ways to log changes.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;

my $db = connect_server();
my $half = int($rows / 2);
my $columns = 'customer_id, status, amount, created_at, note';

# Operation: does it start with the rows there, and the statement
my @operations = (
	[ 'INSERT', 0, sub { "INSERT INTO $_[0] SELECT id, $columns FROM orders LIMIT $_[1]" } ],
	[ 'UPDATE', 1, sub { "UPDATE $_[0] SET status = 'paid', amount = amount + 1 WHERE id <= $_[1]" } ],
	[ 'DELETE', 1, sub { "DELETE FROM $_[0] WHERE id <= $_[1]" } ],
	[ 'COPY', 0, sub { "COPY $_[0] (id, $columns) FROM '$ENV{BENCH_WORK}/tmp/orders.$_[1]'" } ],
	[ 'ON CONFLICT', 1, sub {
		my $half = int($_[1] / 2);
		"INSERT INTO $_[0] SELECT id + $rows - $half, $columns FROM orders LIMIT $_[1] "
		  . 'ON CONFLICT (id) DO UPDATE SET status = excluded.status, amount = excluded.amount + 1' } ],
);

my @logs = qw(by_hand_log table_logged_log);

# Puts a table into the state in which an operation starts, all logs empty.
sub prepare
{
	my ($table, $filled) = @_;

	$db->sql("SELECT empty_logs(), fill('$table', " . ($filled ? 'true' : 'false') . ');');
	$db->sql("VACUUM ANALYZE $table;\nCHECKPOINT;");
	return;
}

sub measure
{
	my ($table, $operation, $n) = @_;
	my (undef, $filled, $statement) = @$operation;

	prepare($table, $filled);
	return $db->measure($statement->($table, $n));
}

# The floor of the records that the last measured statement left in the log
sub measure_floor
{
	my ($n) = @_;
	my $found = $db->sql('SELECT count(*) FROM audit.audit_objects;');

	die "$found records of $n rows\n" if $found != $n;
	$db->sql("VACUUM ANALYZE audit.audit_objects;\nCHECKPOINT;");
	return $db->measure('INSERT INTO floor SELECT * FROM audit.audit_objects');
}

sub sizes
{
	my ($n) = @_;
	my $query = <<"";
SELECT c.relname || ' ' || round(pg_relation_size(c.oid) / $n.0)
FROM pg_class c
WHERE c.oid = 'audit.audit_objects'::regclass
	OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'audit.audit_objects'::regclass)
	OR c.oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'audit.audit_objects'::regclass)
		AND pg_relation_size(c.oid) > 0
ORDER BY c.relkind DESC, c.relname;

	return $db->sql($query);
}

for my $n ($rows, int($rows / 4))
{
	$db->sql("COPY (SELECT id, $columns FROM orders LIMIT $n) TO '$ENV{BENCH_WORK}/tmp/orders.$n';");
}

# ---------------------------------------------------------------- the floor

my %disk;
my %wal;

title("Bulk statements: $rows rows in one statement, $rounds rounds",
	'capture = audited minus unaudited time; floor = INSERT ... SELECT of the same records',
	'into an identical table with the same indexes. Times are ' . clock() . ';',
	'"by the wall" is the same ratio by the clock on the wall.', '');
printf "%-12s %10s %10s %13s %12s   %-20s   %-20s\n", '', 'unaudited', 'audited', 'capture',
  'floor', 'capture / floor', 'by the wall';
for my $operation (@operations)
{
	my $name = $operation->[0];
	my (@plain, @audited, @floor, @capture, @ratio, @wall_ratio);

	for my $round (0 .. $rounds - 1)
	{
		my %got;
		for my $table (in_order($round, 'plain', 'audited'))
		{
			$got{$table} = measure($table, $operation, $rows);
			next if $table eq 'plain';
			$disk{$name} = [ sizes($rows) ];
			$got{floor} = measure_floor($rows);
		}
		push @plain, $got{plain}{ms};
		push @audited, $got{audited}{ms};
		push @floor, $got{floor}{ms};
		push @capture, $got{audited}{ms} - $got{plain}{ms};
		push @ratio, $capture[-1] / $got{floor}{ms};
		push @wall_ratio, ($got{audited}{wall} - $got{plain}{wall}) / $got{floor}{wall};
		$wal{$name}{$_} = $got{$_}{wal} for keys %got;
	}
	printf "%-12s %7.0f ms %7.0f ms %6.2f us/row %5.2f us/row   %-20s   %-20s  %s\n", $name,
	  median(@plain), median(@audited), median(@capture) * 1000 / $rows,
	  median(@floor) * 1000 / $rows, ratio(@ratio), ratio(@wall_ratio),
	  $name eq 'ON CONFLICT' ? '' : bar("bulk $name: capture / floor", median(@ratio), '<=', 1.15);
}

title('What a record takes on disk and in the write-ahead log, bytes');
for my $name ('INSERT', 'UPDATE')
{
	my $total = 0;

	print "$name\n";
	for (@{ $disk{$name} })
	{
		my ($relation, $bytes) = split;
		printf "    %-36s %6d\n", $relation, $bytes;
		$total += $bytes;
	}
	printf "    %-36s %6d\n", 'disk together', $total;
	printf "    %-36s %6d   (floor: %d)\n", 'WAL',
	  ($wal{$name}{audited} - $wal{$name}{plain}) / $rows, $wal{$name}{floor} / $rows;
}

# --------------------------------------------------------------- the others

my $few = int($rows / 4);
my $few_rounds = $rounds > 3 ? 3 : $rounds;
my %there = map { $_ => 1 } $db->sql("SELECT relname FROM pg_class WHERE relkind = 'r';");
my @others = grep { $there{ $_->[0] } } (
	[ 'by_hand', 'PL/pgSQL jsonb trigger', 3 ],
	[ 'table_logged', 'table_log', 5 ],
	[ 'with_periods', 'periods' ]);

title("Other ways to log changes: time they add to a row, $few_rounds rounds",
	"$few rows in one statement.",
	'In brackets how many times the time that audit_log adds in the same round.', '');
printf "%-12s %-12s", '', 'audit_log';
printf "  %-34s", $_->[1] for @others;
print "\n";
my @verdicts;
for my $operation (@operations)
{
	my $name = $operation->[0];
	my %added;
	my %times;

	for my $round (0 .. $few_rounds - 1)
	{
		my %ms;
		for my $table (in_order($round, 'plain', 'audited', map { $_->[0] } @others))
		{
			next if $table eq 'with_periods' && $name =~ /INSERT|COPY/;
			$ms{$table} = measure($table, $operation, $few)->{ms};
			for my $log (grep { $there{$_} } @logs)
			{
				$db->sql("TRUNCATE $log;");
			}
			$db->sql('TRUNCATE with_periods_history;') if $there{with_periods_history};
		}
		for my $table (grep { $_ ne 'plain' } keys %ms)
		{
			my $us = ($ms{$table} - $ms{plain}) * 1000 / $few;
			push @{ $added{$table} }, $us;
			push @{ $times{$table} }, $us / (($ms{audited} - $ms{plain}) * 1000 / $few);
		}
	}
	printf "%-12s %6.2f us   ", $name, median(@{ $added{audited} });
	for (@others)
	{
		my ($table, $label, $bar) = @$_;
		if (!$added{$table})
		{
			printf "  %-34s", 'keeps no inserted row';
			next;
		}
		printf "  %-34s", sprintf '%6.1f us (x %s)', median(@{ $added{$table} }),
		  spread('%.1f', @{ $times{$table} });
		push @verdicts, sprintf 'UPDATE, %s / audit_log: %.1f, %s', $label, median(@{ $times{$table} }),
		  bar("bulk UPDATE: added time of $label / ours", median(@{ $times{$table} }), '>=', $bar, '%.1f')
		  if $bar && $name eq 'UPDATE';
	}
	print "\n";
}
print "\n";
note(@verdicts);
$db->finish;
