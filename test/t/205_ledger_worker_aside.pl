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

my $node = AuditLog::start_worker_node('worker', 'wal_level = replica', 'max_wal_senders = 4', 'allow_in_place_tablespaces = on');

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
# The worker must be there, to be in the way.
$node->safe_psql('postgres', q{CREATE TABLESPACE side LOCATION ''});
$node->safe_psql('postgres', 'GRANT CREATE ON TABLESPACE side TO shopkeeper');
eventually('SELECT ' . worker('shop') . ' IS NOT NULL', 'the worker is back');
is(as('shopkeeper', 'ALTER DATABASE shop SET TABLESPACE side'), '', 'a database that has a worker can be moved');
$node->safe_psql('postgres', 'ALTER DATABASE shop SET TABLESPACE pg_default');
$node->safe_psql('postgres', 'DROP TABLESPACE side');
eventually('SELECT ' . worker('shop') . ' IS NOT NULL AND waiting = 0 FROM audit.status', 'and the worker seals on');
is(sql('SELECT * FROM audit.verify_ledger()'), '', 'with a clean ledger');
sql('ALTER DATABASE second OWNER TO shopkeeper');
ok($node->poll_query_until('second', 'SELECT active FROM audit.status'), 'another database has its worker');
my $offset = -s $node->logfile;
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

# Without a database to go to it tries less and less often, and says how to end
# that.  It does not wait when the configuration is read again.
$node->wait_for_log(qr/WARNING:  audit ledger: could not connect to database "second".*\n.*DETAIL:  It was tried 2 times, and is again in 30 seconds .*\n.*HINT:  Create the database/, $offset);
$offset = -s $node->logfile;
AuditLog::create_db($node, 'second');
$node->reload;
ok($node->poll_query_until('second', 'SELECT active FROM audit.status'), 'it goes to a database that comes again');
unlike(slurp_file($node->logfile, $offset), qr/FATAL:  database "second"/, 'without another failure');

done_testing();
