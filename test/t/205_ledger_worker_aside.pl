# The background worker where it must stand aside: commands that want a
# database for themselves, and standbys.  It needs a preloaded server, its log,
# several roles and a standby.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('worker', "shared_preload_libraries = 'audit_log'", "audit.ledger_database = 'shop, second'",
	'audit.ledger_interval = 1', 'audit.ledger_heartbeat = 2', 'wal_level = replica', 'max_wal_senders = 4');

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

# worker(DB): the process of the worker of a database, in SQL
sub worker
{
	my ($db) = @_;
	return "(SELECT pid FROM pg_stat_activity WHERE backend_type = 'audit_log sealer' AND datname = '$db')";
}

AuditLog::create_db($node, $_) for 'shop', 'second';
sql(q{CREATE TABLE things (id int PRIMARY KEY); SELECT audit.enable('things')});
eventually('SELECT active FROM audit.status', 'the worker begins a ledger');
my $before = sql('SELECT ' . worker('shop'));

# --------------------------------------- commands that want a database alone

sql('CREATE ROLE shopkeeper LOGIN CREATEDB; CREATE ROLE stranger LOGIN CREATEDB; ALTER DATABASE shop OWNER TO shopkeeper');

# as(ROLE, STATEMENT): from another database; what goes wrong
sub as
{
	my ($role, $statement) = @_;
	my (undef, undef, $err) = $node->psql('postgres', $statement, extra_params => [ '-U', $role ]);
	return $err;
}

like(as('stranger', $_), qr/must be owner|permission denied/, "$_ is refused to a stranger")
  for 'DROP DATABASE shop', 'CREATE DATABASE copy TEMPLATE shop', 'ALTER DATABASE shop RENAME TO stolen';
is(sql('SELECT ' . worker('shop')), $before, 'which does not disturb the worker');
is(as('shopkeeper', 'CREATE DATABASE copy TEMPLATE shop'), '', 'a database that has a worker can be copied');
eventually('SELECT ' . worker('shop') . " <> $before", 'the worker comes back');
is(as('shopkeeper', 'ALTER DATABASE shop RENAME TO renamed'), '', 'it can be renamed');
is(as('shopkeeper', 'ALTER DATABASE renamed RENAME TO shop'), '', 'and back');
is(as('shopkeeper', 'DROP DATABASE copy'), '', 'the copy is dropped');
eventually('SELECT ' . worker('shop') . ' IS NOT NULL AND waiting = 0 FROM audit.status', 'and the worker seals on');
is(sql('SELECT * FROM audit.verify_ledger()'), '', 'with a clean ledger');
sql('ALTER DATABASE second OWNER TO shopkeeper');
ok($node->poll_query_until('second', 'SELECT active FROM audit.status'), 'another database has its worker');
is(as('shopkeeper', 'DROP DATABASE second WITH (FORCE)'), '', 'which its owner can drop by force');

# ------------------------------------------------------------------- standby

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "audit.checkpoint_dir = ''");
$standby->start;
sql('INSERT INTO things VALUES (20)');
eventually('SELECT waiting = 0 FROM audit.status', 'the primary seals');
$node->wait_for_catchup($standby);
is($standby->safe_psql('shop', q{SELECT waiting, sealer IS NULL FROM audit.status}), '0|t', 'a standby has its blocks, and no worker');
unlike(slurp_file($standby->logfile), qr/WARNING|ERROR|FATAL.*(?:sealer|ledger)|background worker "audit_log/, 'and nothing to say about that');
$standby->promote;
$standby->safe_psql('shop', 'INSERT INTO things VALUES (21)');
ok($standby->poll_query_until('shop', 'SELECT waiting = 0 AND sealer IS NOT NULL FROM audit.status'), 'once promoted, it seals');
$standby->stop;

done_testing();
