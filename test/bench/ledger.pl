# test/bench/ledger.pl: what the ledger takes: sealing, verifying, proofs, the
# bytes of a leaf, and what writers pay for it.
#
# Rates are by processor time of one server process.  What a writer pays is the
# index on the transaction, which only the ledger reads: it is measured by
# dropping it, and rolling that back.
#
# The bar for sealing and verifying, 2 us a record, was set where SHA-256 of 300
# bytes takes 225 ns.  What this processor takes for that is measured in each
# round: by that, the bar is the time of 8.9 such digests.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;

my $db = connect_server();
my $digests_allowed = 2000 / 225;
my (@seal, @verify, @digest, @with, @without, @wal);
my $index = 'audit.audit_objects_txid_idx';
my $part = $rows / 4;
my $fill = "INSERT INTO audited SELECT * FROM orders LIMIT $part";

title('Ledger', "$rows records a block, by " . clock());
$db->sql('SELECT audit.seal()');
for my $round (0 .. $rounds - 1)
{
	$db->sql("SELECT fill('audited', false)");
	$db->sql('CHECKPOINT');
	$db->sql('INSERT INTO audited SELECT * FROM orders');
	my $size = $db->sql('SELECT size FROM audit.status');
	my $sealed = $db->measure('SELECT audit.seal()');
	my $more = $db->sql('SELECT size FROM audit.status') - $size;
	die 'not all was sealed' if $more < $rows;
	push @seal, $more / $sealed->{ms} * 1000;
	push @wal, $sealed->{wal} / $more;
	push @digest, digest_ns();
	my $verified = $db->measure("SELECT * FROM audit.verify_ledger($size, NULL)");
	push @verify, $more / $verified->{ms} * 1000;
}

# The difference is small: many short turns tell more than a few long ones.
for my $turn (1 .. $rounds * $rows / $part)
{
	for my $with (in_order($turn, 1, 0))
	{
		$db->sql("SELECT fill('audited', false)");
		$db->sql('BEGIN');
		$db->sql("DROP INDEX $index") if !$with;
		push @{ $with ? \@with : \@without }, $db->measure($fill)->{ms} * 1000 / $part;
		$db->sql($with ? 'COMMIT' : 'ROLLBACK');
	}
}
$db->sql('SELECT audit.seal()');
say_line 'SHA-256            ', spread('%.0f', @digest), ' ns for 300 bytes (225 where the bar was set)';
for ([ 'sealing', @seal ], [ 'verifying', @verify ])
{
	my ($what, @rates) = @$_;
	my @digests = map { 1e9 / $rates[$_] / $digest[$_] } 0 .. $#rates;

	say_line sprintf('%-19s', $what), spread('%.0f', @rates), ' records/s a core; ',
	  bar("$what, records/s a core", median(@rates), '>=', 500_000, '%.0f');
	say_line ' ' x 19, spread('%.1f', @digests), ' such digests a record; ',
	  bar("$what, digests of 300 bytes a record", median(@digests), '<=', sprintf('%.1f', $digests_allowed), '%.1f');
}
my @cost = map { $with[$_] - $without[$_] } 0 .. $#with;
say_line 'writers            ', spread('%.2f', @cost), ' us a row for the ledger; ',
  bar('ledger, us a row for a writer', median(@cost), '<=', 0.7);
say_line 'WAL                ', spread('%.0f', @wal), ' bytes a leaf';
say_line 'disk               ', $db->sql(q{SELECT round(sum(pg_total_relation_size(t)) / (SELECT size FROM audit.status), 1)
	FROM unnest('{audit.ledger_bundles,audit.ledger_nodes,audit.ledger_blocks}'::regclass[]) t}), ' bytes a leaf';
my $proof = $db->measure(q{SELECT count(audit.inclusion_proof(id)) FROM (SELECT id FROM audit.audit_objects ORDER BY random() LIMIT 200) s});
say_line 'inclusion proof    ', sprintf('%.2f ms at %d leaves', $proof->{ms} / 200, $db->sql('SELECT size FROM audit.status'));
my $leaf = $db->measure(q{SELECT count(audit.leaf(id)) FROM (SELECT id FROM audit.audit_objects ORDER BY random() LIMIT 200) s});
say_line 'position of a leaf ', sprintf('%.2f ms', $leaf->{ms} / 200);
