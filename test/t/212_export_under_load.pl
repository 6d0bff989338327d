# The export beside a live load: twelve clients with savepoints, rollbacks and
# prepared transactions, a transaction that stays open all the time, a sealer
# that is killed again and again, and a reader that is, too.  Every committed
# record comes exactly once, and three verifiers agree on what was sealed.
# Only concurrent sessions can show that.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use IPC::Run;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = AuditLog::start_node('load', 'max_prepared_transactions = 30',
	'max_connections = 60', "audit.ledger_key = '$dir/ledger.pem'");
my $db = AuditLog::create_db($node, 'shop');
$node->safe_psql($db, q{
	CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
	SELECT audit.enable('items');
	CREATE UNLOGGED TABLE served (client int, calls int);
	CREATE PROCEDURE trouble(n int) LANGUAGE plpgsql AS $$ BEGIN
		BEGIN
			INSERT INTO items (v) SELECT 'lost' FROM generate_series(1, n);
			RAISE EXCEPTION 'rolled back to a savepoint';
		EXCEPTION WHEN raise_exception THEN
			INSERT INTO items (v) SELECT 'kept' FROM generate_series(1, n);
		END;
	END $$; });
srand(my $seed = $ENV{SEED} // time);
note "SEED=$seed";

# --------------------------------------------------------------- the load

sub script
{
	my ($name, $text) = @_;
	open my $fh, '>', "$dir/$name" or die $!;
	print $fh $text;
	close $fh;
	return ('-f', "$dir/$name" . ($name =~ /bulk/ ? '@4' : '@1'));
}

my @scripts = (
	script('bulk.sql', "\\set n random(20, 120)\nINSERT INTO items (v) SELECT 'bulk' FROM generate_series(1, :n);\n"),
	script('many.sql', "\\set n random(1, 5)\nBEGIN;\nINSERT INTO items (v) SELECT 'many' FROM generate_series(1, :n);\n"
		  . "SAVEPOINT s;\nINSERT INTO items (v) VALUES ('gone');\nROLLBACK TO s;\n"
		  . "SELECT audit.log_request('POST', '/items', 201) IS NOT NULL;\nCOMMIT;\n"),
	script('back.sql', "BEGIN;\nINSERT INTO items (v) SELECT 'never' FROM generate_series(1, 10);\nROLLBACK;\n"),
	script('inner.sql', "\\set n random(1, 20)\nCALL trouble(:n);\n"),
	script('twophase.sql', "\\set g random(1, 1000000000)\nBEGIN;\nINSERT INTO items (v) SELECT 'prepared' FROM generate_series(1, 3);\n"
		  . "PREPARE TRANSACTION 'g:client_id/:g';\n\\sleep 30 ms\nCOMMIT PREPARED 'g:client_id/:g';\n"));

my ($out, $err) = ('', '');
my $long = $node->background_psql($db, on_error_stop => 0);
$long->query_safe(q{BEGIN; INSERT INTO items (v) SELECT 'slow' FROM generate_series(1, 50)});

my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '12', '-j', '2', '-t', '265', '-R', '400', @scripts, $node->connstr($db) ],
	'>', \$out, '2>', \$err);

# One psql of ours, killed with some luck; true if it came to its end
sub run_killed
{
	my ($luck, @args) = @_;
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), @args ],
		'>', \my $said, '2>', \my $wrong);

	if (rand() < $luck)
	{
		select undef, undef, undef, rand(0.08);
		$run->signal('KILL');
	}
	eval { $run->finish };
	return ($run->full_results)[0] == 0;
}

my $sealer = fork // die;
if ($sealer == 0)
{
	# Killing the client leaves the server at work, so the server is told as well.
	while (!-e "$dir/loaded")
	{
		run_killed(0, '-c', "SET application_name = 'sealer'", '-c', 'SELECT audit.seal()');
		run_killed(0, '-c', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sealer' AND random() < 0.3});
	}
	POSIX::_exit(0);
}
my $killer = fork // die;
if ($killer == 0)
{
	while (!-e "$dir/loaded")
	{
		select undef, undef, undef, rand(1.2);
		run_killed(0, '-c', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sealer'});
	}
	POSIX::_exit(0);
}

# -------------------------------------------------------------- the reader

my @exported;
my $restarts = 0;

# Reads on from where it stopped; what a killed psql wrote is not taken.
sub read_on
{
	my ($luck) = @_;
	my $size = int(rand(8000)) + 1;
	my $from = @exported;
	my $file = "$dir/page";

	unlink $file;
	if (!run_killed($luck, '-o', $file, '-c', "SELECT leaf, id, state FROM audit.export($from, $size)"))
	{
		$restarts++;
		return;
	}
	push @exported, split /\n/, slurp_file($file);
}

while ($load->pumpable)
{
	$load->pump_nb;
	read_on(0.3);
}
$load->finish;
like($out, qr/number of transactions actually processed: \d{2,}/, 'the clients worked') or diag $err;
open my $flag, '>', "$dir/loaded" or die $!;
close $flag;
waitpid $_, 0 for $sealer, $killer;
cmp_ok($restarts, '>', 3, "the reader was killed, $restarts times");
cmp_ok($node->safe_psql($db, 'SELECT count(*) FROM audit.blocks'), '>', 3, 'blocks were sealed meanwhile');
my $before = @exported;
cmp_ok($before, '>', 0, 'and read');

$long->query_safe('COMMIT');
$long->quit;
$node->safe_psql($db, q{DO $$ DECLARE g text; BEGIN FOR g IN SELECT gid FROM pg_prepared_xacts LOOP RAISE EXCEPTION 'prepared: %', g; END LOOP; END $$});
$node->safe_psql($db, 'SELECT audit.seal()');
my $size = $node->safe_psql($db, 'SELECT size FROM audit.status');
for (1 .. 10000)
{
	last if @exported == $size;
	read_on(0.1);
}

# --------------------------------------------------------------- the count

my @leaves = map { (split /\|/)[0] } @exported;
my @ids = map { (split /\|/)[1] } @exported;
is(scalar(grep { $leaves[$_] != $_ } 0 .. $#leaves), 0, 'leaves come in order and without a gap');
is(scalar(grep { !/\|present$/ } @exported), 0, 'with their records');
my %committed = map { $_ => 1 } split /\n/, $node->safe_psql($db,
	'SELECT o.id FROM audit.objects o UNION ALL SELECT r.id FROM audit.requests r');
my %seen;
$seen{$_}++ for @ids;
is(scalar(grep { $seen{$_} > 1 } keys %seen), 0, 'no record comes twice');
is(scalar(grep { !$seen{$_} } keys %committed), 0, 'every committed record comes');
is(scalar(grep { !$committed{$_} } keys %seen), 0, 'and no other');
my $rows = $node->safe_psql($db, 'SELECT count(*) FROM items');
is($node->safe_psql($db, q{SELECT count(*) FROM audit.objects WHERE dao_name = 'items'}), $rows, 'which is one a row');
my %slow = map { $_ => 1 } split /\n/, $node->safe_psql($db, q{SELECT id FROM audit.objects WHERE entity ->> 'v' = 'slow'});
is(scalar(grep { $slow{ $ids[$_] } && $_ >= $before } 0 .. $#ids), 50,
	'also those that were written first and committed last');

# ------------------------------------------------------------ the verifiers

cmp_ok(scalar(@ids), '>=', 100_000, 'the log is large') or diag scalar(@ids);
my $key = $node->safe_psql($db, q{SELECT verifier FROM audit.checkpoint_keys});
# What plain SQL does not know of its tables costs it minutes.
$node->safe_psql($db, 'ANALYZE');
my ($inside, $plain) = ('', '');
my @finding_queries = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db), '-c', "SELECT count(*) FROM $_->[0]" ], '>', $_->[1]) }
  [ 'audit.crosscheck_ledger()', \$plain ], [ 'audit.verify_ledger()', \$inside ];
my $outside = IPC::Run::run([ AuditLog::program('audit_log_verify'), '-q', '-k', $key, $node->connstr($db) ], '>', \my $findings);
ok($outside, 'audit_log_verify finds nothing') or diag $findings;
$_->finish for @finding_queries;
is($inside, "0\n", 'nor does audit.verify_ledger()');
is($plain, "0\n", 'nor the cross-check in plain SQL');

done_testing();
