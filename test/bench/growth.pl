# test/bench/growth.pl: does a record cost more when many are there?
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;

my $db = connect_server();
my @sizes = $quick ? (10_000, 100_000) : (10_000, 100_000, 1_000_000, 3_000_000);
my $few_rounds = $rounds > 3 ? 3 : $rounds;

# Keys come in no order, so that the index on them is hit all over: the worst case.
my $insert = "INSERT INTO %s SELECT hashint8extended(id, %d), customer_id, status, amount, created_at, "
  . 'note FROM orders LIMIT %d';
my $seed = 0;
my $there = 0;

sub insert
{
	my ($table, $n) = @_;

	$there += $n if $table eq 'audited';
	return sprintf $insert, $table, $seed++, $n;
}

# The floor at this size: the records that the last insert made, again, by a
# statement of PostgreSQL's own into the log itself.
sub measure_floor
{
	my ($n) = @_;

	$db->sql(<<"");
CREATE TEMP TABLE again AS
	SELECT * FROM audit.audit_objects ORDER BY id DESC LIMIT $n;
UPDATE again SET id = overlay(id::text PLACING
	translate(substr(id::text, 25, 1), '0123456789abcdef', '89abcdef01234567') FROM 25)::uuid;
VACUUM again;

	my $result = $db->measure('INSERT INTO audit.audit_objects SELECT * FROM again');
	$db->sql('DROP TABLE again;');
	$there += $n;
	return $result;
}

title("Growth: what a record adds to an INSERT with so many records in the log, $few_rounds rounds",
	'keys in random order; times are ' . clock(), '');
$db->sql("SELECT empty_logs(), fill('audited', false), fill('plain', false);");
printf "%18s   %-22s         %-22s         %s\n", '', 'capture, us a row', 'floor, us a row', 'capture / floor';
my %first;
for my $size (@sizes)
{
	my (@us, @floor, @ratio);

	while ($there < $size)
	{
		my $n = $size - $there < $rows ? $size - $there : $rows;
		$db->sql("SELECT fill('audited', false);\n" . insert('audited', $n) . ';');
	}
	$db->sql("VACUUM ANALYZE audit.audit_objects;");
	my $n = $rows < 20_000 ? $rows : 20_000;
	$n = 5_000 if $size <= 10_000;
	for my $round (0 .. $few_rounds - 1)
	{
		my %ms;
		$db->sql("SELECT fill('audited', false), fill('plain', false);\nCHECKPOINT;");
		for my $table (in_order($round, 'plain', 'audited'))
		{
			$ms{$table} = $db->measure(insert($table, $n))->{ms};
		}
		push @us, ($ms{audited} - $ms{plain}) * 1000 / $n;
		push @floor, measure_floor($n)->{ms} * 1000 / $n;
		push @ratio, $us[-1] / $floor[-1];
	}
	$first{us} //= median(@us);
	$first{floor} //= median(@floor);
	printf "%10d records   %-22s x %-6.2f %-22s x %-6.2f %s\n", $size, spread('%.2f', @us),
	  median(@us) / $first{us}, spread('%.2f', @floor), median(@floor) / $first{floor}, ratio(@ratio);
}
$db->sql("SELECT empty_logs(), fill('audited', false);\nCHECKPOINT;");
$db->finish;
