# pg_upgrade carries the log, the tracked tables with their options and the
# ledger over: here to a cluster of the same version, which takes the same way
# as one to the next.  Needs two clusters.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = AuditLog::start_node('old', "shared_preload_libraries = 'audit_log'");
my $new = AuditLog::new_node('new', "shared_preload_libraries = 'audit_log'");
my $db = AuditLog::create_db($old, 'shop');
my $bin = $old->config_data('--bindir');

$old->safe_psql($db, q{
	CREATE SCHEMA shop;
	CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, gone int, code text, twice text GENERATED ALWAYS AS (name || name) STORED);
	ALTER TABLE things DROP COLUMN gone;
	CREATE TABLE shop.sales (region text, id int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
	CREATE TABLE shop.sales_eu PARTITION OF shop.sales FOR VALUES IN ('eu');
	CREATE TABLE quiet (id int PRIMARY KEY);
	SELECT audit.enable('things', exclude => '{name}', mask => '{code}', skip_unchanged => true), audit.enable('quiet', record_applied => false);
	SELECT audit.enable_all('shop');
	CREATE ROLE app; GRANT INSERT ON things TO app;
	INSERT INTO things (name, code) SELECT 'n' || g, 'c' FROM generate_series(1, 500) g;
	INSERT INTO shop.sales SELECT 'eu', g FROM generate_series(1, 50) g;
	UPDATE shop.sales SET id = id + 100;
	SELECT audit.log_request('POST', '/things', 201, payload_bytes => '\x00ff5c');
	SELECT audit.seal();
	INSERT INTO things (name, code) VALUES ('not sealed', 'c')});

# What an upgrade must not change
sub contents
{
	my ($node) = @_;
	my @tables = split /\n/, $node->safe_psql($db, q{SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'audit'::regnamespace ORDER BY 1});

	return join "\n", map({ $node->safe_psql($db, "SELECT '$_', count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM $_ t") } @tables),
	  $node->safe_psql($db, q{
		SELECT t FROM audit.tracked_tables t ORDER BY 1;
		SELECT tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2;
		SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1;
		SELECT p.oid::regprocedure, proacl FROM pg_proc p WHERE pronamespace = 'audit'::regnamespace ORDER BY p.oid::regprocedure::text;
		SELECT relname, relacl, relowner::regrole FROM pg_class WHERE relnamespace = 'audit'::regnamespace ORDER BY 1;
		SELECT extname, extversion, (SELECT count(*) FROM pg_depend WHERE refobjid = e.oid AND deptype = 'e') FROM pg_extension e ORDER BY 1});
}

my $contents = contents($old);
$old->stop;
chdir PostgreSQL::Test::Utils::tempdir or die;
$new->command_ok([ "$bin/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
	'-s', $new->host, '-p', $old->port, '-P', $new->port ], 'the cluster is upgraded');
$new->start;

is(contents($new), $contents, 'log, ledger, triggers and rights are what they were');
is($new->safe_psql($db, 'SELECT kind, leaf, detail FROM audit.verify_ledger()'), '', 'what was sealed verifies');
my (undef, undef, $err) = $new->psql($db, 'SELECT audit.seal()');
like($err, qr/ERROR:  the ledger was begun in another cluster.*HINT:  .*audit\.new_generation/s, 'the ledger asks for a new generation');
$new->safe_psql($db, q{SELECT audit.new_generation('upgraded')});
my $before = $new->safe_psql($db, 'SELECT pg_current_xact_id()');
$new->safe_psql($db, q{
	SET ROLE app; INSERT INTO things (name, code) VALUES ('later', 'c'); RESET ROLE;
	UPDATE shop.sales SET id = 1 WHERE id = 101;
	ALTER TABLE things RENAME code TO pin; UPDATE things SET pin = 'd' WHERE id = 1;
	CREATE TABLE shop.later (id int PRIMARY KEY); INSERT INTO shop.later VALUES (7)});
is($new->safe_psql($db, qq{SELECT string_agg(concat_ws(' ', operation, dao_name, entity_key, entity, removed_from_entity), E'\\n' ORDER BY id) FROM audit.objects
		WHERE txid > '$before' AND operation <> 'ddl'}),
	join("\n", 'create things 502 {"id":502,"code":"***"} name,twice', 'update sales ["eu",1] {"region":"eu","id":1}',
		'update things 1 {"id":1,"pin":"***"} name,twice', 'create later 7 {"id":7}'),
	'changes are recorded as before, those of new tables too');
is($new->safe_psql($db, 'SELECT audit.seal() > 0; SELECT waiting FROM audit.status'), "t\n0", 'everything is sealed');
is($new->safe_psql($db, 'SELECT kind, leaf, detail FROM audit.verify_ledger()'), '', 'and verifies');

done_testing();
