# The background worker: it seals by itself and says so when it cannot, without
# harm to any writer; switching it off is sealed too.  It needs a preloaded
# server, its log, and files.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $dir = PostgreSQL::Test::Utils::tempdir;
mkdir "$dir/checkpoints" or die;
my $node = AuditLog::start_worker_node('worker',
	"audit.ledger_key = '$dir/ledger.pem'",
	"audit.checkpoint_dir = '$dir/checkpoints'");

sub sql
{
	return $node->safe_psql('shop', $_[0]);
}

sub eventually
{
	my ($query, $what) = @_;
	ok($node->poll_query_until('shop', $query), $what);
	return;
}

# The worker comes back by itself once its database is there.
AuditLog::create_db($node, 'shop');
eventually('SELECT active FROM audit.status', 'the worker begins the ledger of a database that comes later');
sql(q{CREATE TABLE things (id int PRIMARY KEY); SELECT audit.enable('things'); INSERT INTO things VALUES (1)});
eventually('SELECT size > 0 AND waiting = 0 FROM audit.status', 'it seals by itself');
eventually(q{SELECT sealer = 'waiting' FROM audit.status}, 'and shows in audit.status');
is(sql(q{SELECT count(*) FROM audit.objects WHERE entity ->> 'event' = 'coverage'}), 1, 'it recorded the coverage');
my $blocks = sql('SELECT max(block) FROM audit.ledger_blocks');
eventually("SELECT max(block) > $blocks + 1 FROM audit.ledger_blocks", 'an idle ledger has a heartbeat');
my ($file) = glob "$dir/checkpoints/*shop.checkpoint";
is(-e $file && (stat $file)[2] & 07777, 0644, 'there is a checkpoint file to be carried away');
my $beside = 1;
for (my $tries = 0; $beside && $tries < 1800; $tries++)
{
	# The worker may be writing the next one.
	$beside = () = glob "$dir/checkpoints/*.new";
	usleep(100_000) if $beside;
}
ok(!$beside, 'and nothing beside it');
like(slurp_file($node->logfile), qr/LOG:  audit ledger of database "shop": \S+ \d+ \S{44}$/m, 'the log has a line of each checkpoint');

# Where transactions are serializable, the worker is no reader in the way of
# those that write.
$node->append_conf('postgresql.conf', "default_transaction_isolation = serializable\n");
$node->reload;
my $open = $node->background_psql('shop', on_error_stop => 1);
$open->query_safe('BEGIN; SELECT 1;');
{
	local $ENV{PGOPTIONS} = '-c default_transaction_isolation=read\\ committed';
	my $size = sql('INSERT INTO things VALUES (10); SELECT size FROM audit.status');
	eventually("SELECT size > $size FROM audit.status", 'it seals under that default');
	is(sql(q{SELECT DISTINCT relation::regclass FROM pg_locks WHERE mode = 'SIReadLock'}), '', 'and takes no part in serializable conflicts');
}
$open->query_safe('COMMIT');
$open->quit;
$node->append_conf('postgresql.conf', "default_transaction_isolation = 'read committed'\n");
$node->reload;

# Nor does it matter to it whether sessions may write by default.
$node->append_conf('postgresql.conf', "default_transaction_read_only = on\n");
$node->reload;
{
	my $size = sql('SET default_transaction_read_only = off; INSERT INTO things VALUES (11); SELECT size FROM audit.status');
	eventually("SELECT size > $size AND waiting = 0 FROM audit.status", 'it seals where the default is to be read only');
	my (undef, undef, $err) = $node->psql('shop', "\\set VERBOSITY verbose\nSELECT audit.seal()");
	like($err, qr/ERROR:  25006: cannot execute audit\.seal\(\) in a read-only transaction/, 'where audit.seal() says why it does not');
}
$node->append_conf('postgresql.conf', "default_transaction_read_only = off\n");
$node->reload;
eventually(q{SELECT current_setting('default_transaction_read_only') = 'off'}, 'sessions may write again');

# ---------------------------------------------------------------- cancelling

# worker(DB): the process of the worker of a database, in SQL
sub worker
{
	my ($db) = @_;
	return "(SELECT pid FROM pg_stat_activity WHERE backend_type = 'audit_log sealer' AND datname = '$db')";
}

my $before = sql('SELECT ' . worker('shop'));
my $offset = -s $node->logfile;
my $lock = $node->background_psql('shop', on_error_stop => 1);
$lock->query_safe('BEGIN; LOCK TABLE audit.ledger_blocks IN EXCLUSIVE MODE;');
eventually("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = $before", 'the worker waits for another sealer');
is(sql("SELECT pg_cancel_backend($before)"), 't', 'it is canceled');
$node->wait_for_log(qr/LOG:  audit ledger: sealing was canceled/, $offset);
eventually("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = $before", 'tries again later');
$lock->query_safe('COMMIT');
$lock->quit;
sql('INSERT INTO things VALUES (12)');
eventually('SELECT waiting = 0 FROM audit.status', 'and seals');
# Where it waits for work, nothing is canceled.
for my $i (1 .. 3)
{
	eventually("SELECT bool_or(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE pid = $before AND state = 'idle'", 'it is canceled while it waits');
	my $blocks = sql("INSERT INTO things VALUES (12 + $i); SELECT max(block) FROM audit.ledger_blocks");
	eventually("SELECT max(block) > $blocks FROM audit.ledger_blocks", 'and seals on');
}
is(sql('SELECT ' . worker('shop')), $before, 'all the while it is the same process');
unlike(slurp_file($node->logfile, $offset), qr/WARNING:  (?!audit ledger: could not connect to database "second")|\(PID $before\) exited/, 'that warns of nothing and does not end');

# ------------------------------------------------------------------ failures

# The fork guard: a file that the ledger does not continue
my $kept = slurp_file($file);
my $origin = (split /\n/, $kept)[0];
unlink $file;
append_to_file($file, "$origin\n1000000\n" . ('A' x 43) . "=\n");
sql('INSERT INTO things VALUES (2)');
eventually(q{SELECT sealer LIKE 'sealing failed: the ledger does not continue the checkpoint%' FROM audit.status},
	'a failure shows in audit.status');
like(slurp_file($node->logfile), qr/WARNING:  audit ledger: sealing failed: the ledger does not continue/, 'and as a warning in the log');
is(sql('INSERT INTO things VALUES (3); SELECT waiting FROM audit.status'), 2, 'no writer notices; the backlog shows');
eventually('SELECT stopped FROM audit.status', 'a ledger that stands still is told');
unlink $file;
append_to_file($file, $kept);
sql('SELECT pg_reload_conf()');	# wakes the worker out of its back-off
eventually('SELECT waiting = 0 AND NOT stopped FROM audit.status', 'it goes on when the cause is gone');
is(sql('SELECT * FROM audit.verify_ledger()'), '', 'with a clean ledger');

# A key that cannot be used, then one that can
chmod 0644, "$dir/ledger.pem";
sql('INSERT INTO things VALUES (4)');
eventually(q{SELECT sealer LIKE 'sealing failed: checkpoint cannot be signed' FROM audit.status}, 'a key that others can read is refused');
chmod 0600, "$dir/ledger.pem";
sql('SELECT pg_reload_conf()');
eventually('SELECT waiting = 0 FROM audit.status', 'until it is put right');

# Another ledger that a worker seals may have its key in the same file.  It is
# not replaced under it; a key that was replaced so does not go unseen.
{
	$node->safe_psql('postgres', 'CREATE DATABASE second');
	my (undef, undef, $err) = $node->psql('shop', "\\set VERBOSITY verbose\nSELECT audit.rotate_key()");
	like($err, qr/ERROR:  55000: the ledger of database "second" has its key in file ".*" too\nHINT:  Copy the file .*ALTER DATABASE shop SET/, 'a key that two ledgers share is not replaced');
	$node->safe_psql('postgres', "ALTER DATABASE second SET audit.ledger_key = '$dir/second.pem'");
	my $before = sql('SELECT size FROM audit.status');
	like(sql('SELECT audit.rotate_key()'), qr{/shop\+}, 'once each has one of its own, it is');
	eventually("SELECT size > $before AND signatures = 2 FROM audit.status", 'and both keys sign');
	is(sql('SELECT * FROM audit.verify_ledger()'), '', 'which fits');
	my $from = -s $node->logfile;
	system_or_bail('openssl', 'genpkey', '-quiet', '-algorithm', 'ED25519', '-out', "$dir/stranger.pem");
	chmod 0600, "$dir/stranger.pem";
	chown((stat "$dir/ledger.pem")[ 4, 5 ], "$dir/stranger.pem");
	rename "$dir/ledger.pem", "$dir/kept.pem";
	rename "$dir/stranger.pem", "$dir/ledger.pem";
	sql('INSERT INTO things VALUES (30)');
	$node->wait_for_log(qr/WARNING:  another key is in file ".*ledger.pem" than the one/, $from);
	$node->safe_psql('postgres', 'DROP DATABASE second');
}

# A terminated worker comes back.
my $pid = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'audit_log sealer' AND datname = 'shop'});
sql("SELECT pg_terminate_backend($pid)");
sql('INSERT INTO things VALUES (5)');
eventually("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'audit_log sealer' AND datname = 'shop' AND pid <> $pid",
	'a worker that was terminated comes back');
eventually('SELECT waiting = 0 FROM audit.status', 'and seals');

# --------------------------------------------------------------- switched off

sql(q{ALTER SYSTEM SET audit.ledger_database = ''});
eventually(q{SELECT bool_or(audit.leaf(id) IS NOT NULL) FROM audit.objects
	WHERE operation = 'ddl' AND entity ->> 'event' IS DISTINCT FROM 'coverage' AND entity::text LIKE '%audit.ledger_database%'},
	'switching the ledger off is a sealed record');
sql(q{ALTER SYSTEM RESET audit.ledger_database});

# ------------------------------------------- the extension, the database go

sql('DROP EXTENSION audit_log CASCADE; DROP TABLE things');
sql('SELECT pg_reload_conf()');
sql('CREATE EXTENSION audit_log CASCADE');
my (undef, undef, $again) = $node->psql('shop', 'SELECT audit.seal()');
like($again, qr/ERROR:  the ledger does not continue the checkpoint.*\nDETAIL:.*\nHINT:  If the extension was created again on purpose, keep the file elsewhere/, 'the file of a ledger that was dropped is not written over');
unlink $file;
eventually('SELECT active FROM audit.status', 'an extension that is made again gets a ledger of its own');
is(sql('SELECT min(block) FROM audit.ledger_blocks'), 1, 'from its beginning');
is(sql('SELECT * FROM audit.verify_ledger()'), '', 'and clean');
$node->safe_psql('postgres', 'DROP DATABASE shop');
is($node->safe_psql('postgres', 'SELECT 1'), 1, 'the database can be dropped');
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'nothing crashed');

done_testing();
