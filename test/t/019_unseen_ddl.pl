# Where no event trigger fires DDL leaves a record all the same: in single-user
# mode, and where a superuser has switched event triggers off.  Needs a server
# that is stopped, and the library preloaded.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('unseen', "shared_preload_libraries = 'audit_log'");
my $db = AuditLog::create_db($node, 'shop');
my $last = 0;

# news(): what the records of definitions since the last call say
sub news
{
	my $news = $node->safe_psql($db, qq{SELECT concat_ws(' ', entity ->> 'command_tag', coalesce(entity ->> 'named', entity ->> 'setting', '-'), dao_name)
		FROM audit.objects WHERE operation = 'ddl' AND txid > '$last' ORDER BY id});

	$last = $node->safe_psql($db, 'SELECT pg_current_xact_id()');
	return $news;
}

$node->safe_psql($db, q{
	CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int); CREATE TABLE "U" (id int);
	CREATE SCHEMA s; CREATE TABLE s.v (id int);
	SELECT audit.enable('t'), audit.enable('u'), audit.enable('"U"'), audit.enable('s.v')});
news();

# In single-user mode
$node->stop;
my ($out, $err) = ('', '');
IPC::Run::run([ $node->config_data('--bindir') . '/postgres', '--single', '-D', $node->data_dir, $db ],
	'<', \qq{ALTER TABLE t DISABLE TRIGGER _audit_log\nINSERT INTO t VALUES (1)\nSET audit.enabled = off\nDROP TABLE u\n}, '>', \$out, '2>', \$err);
is($?, 0, 'a session in single-user mode') or diag "$out$err";
$node->start;
is(news(), 'ALTER TABLE t event_triggers', 'a trigger disabled there leaves a record');
is($node->safe_psql($db, "SELECT to_regclass('u') IS NULL, count(*) FROM t"), 't|1', '  in effect');
unlike($node->safe_psql($db, 'SELECT string_agg(entity::text, chr(10)) FROM audit.objects'), qr/DROP/, '  and no more once the log is off');

# The owner of the log is nobody's to give but a superuser's, whoever may create
# roles; no event trigger sees that.
$node->safe_psql($db, 'SET audit.enabled = on; CREATE ROLE maker CREATEROLE; CREATE ROLE guest ADMIN maker; CREATE ROLE fond ADMIN maker');
for ('GRANT audit_log_owner TO maker', 'GRANT fond, audit_log_owner TO guest', 'ALTER GROUP audit_log_owner ADD USER guest',
	'CREATE ROLE heir IN ROLE audit_log_owner', 'ALTER ROLE audit_log_owner LOGIN', q{ALTER ROLE audit_log_owner PASSWORD 'x'})
{
	my ($ret, $stdout, $stderr) = $node->psql($db, "SET ROLE maker; $_");
	like($stderr, qr/ERROR:  must be superuser to grant or alter role "audit_log_owner"/, "not allowed: $_");
}
$node->safe_psql($db, 'SET ROLE maker; GRANT fond TO guest; ALTER ROLE guest LOGIN; CREATE ROLE heir IN ROLE fond; DROP ROLE heir');
news();
$node->safe_psql($db, 'GRANT audit_log_owner TO guest; REVOKE audit_log_owner FROM guest; CREATE ROLE heir IN ROLE audit_log_owner; DROP ROLE heir;
	ALTER ROLE audit_log_owner LOGIN; ALTER ROLE audit_log_owner NOLOGIN');
is($node->safe_psql($db, qq{SELECT string_agg(concat_ws(' ', entity ->> 'command_tag', entity ->> 'role'), ', ' ORDER BY id) FROM audit.objects
	WHERE operation = 'ddl' AND txid >= '$last'}),
	'GRANT ROLE guest, REVOKE ROLE guest, CREATE ROLE heir, ALTER ROLE audit_log_owner, ALTER ROLE audit_log_owner', 'a superuser does it, on record');
$last = $node->safe_psql($db, 'SELECT pg_current_xact_id()');

SKIP:
{
	skip 'event triggers cannot be switched off before version 17', 11 if $node->pg_version < 17;

	# off(SQL): run by a superuser with event triggers off
	sub off
	{
		$node->safe_psql($db, "SET event_triggers = off; $_[0]");
		return news();
	}

	is(off('DROP TABLE s.v, "U"'), 'DROP TABLE s.v, "U" event_triggers', 'a tracked table is dropped');
	is(off('DROP TRIGGER _audit_log ON t'), 'DROP TRIGGER t._audit_log event_triggers', 'a trigger is dropped');
	is(off('ALTER TRIGGER audit_log_truncate ON t RENAME TO x'), 'ALTER TRIGGER t event_triggers', 'one is renamed');
	is(off('DROP SCHEMA s'), 'DROP SCHEMA s event_triggers', 'a schema is dropped');
	is(off('CREATE TABLE w AS SELECT 1 AS id'), 'CREATE TABLE AS w event_triggers', 'a table is made that nothing tracks');
	is(off('CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1'), 'CREATE FUNCTION - event_triggers', 'something else is made');
	is(off('SELECT 1; VACUUM t; SET work_mem = 100; CREATE ROLE r'), '', 'what event triggers would not see leaves none');

	# However they are switched off
	$node->safe_psql($db, q{CREATE FUNCTION quietly() RETURNS void LANGUAGE plpgsql SET event_triggers = off AS 'BEGIN DROP TABLE w; END'; SELECT quietly()});
	is(news(), 'DROP TABLE w event_triggers', 'within a function');
	$node->safe_psql($db, q{CREATE TABLE w AS SELECT set_config('event_triggers', 'off', false)});
	is(news(), 'CREATE TABLE AS w event_triggers', 'by the command itself');
	$node->safe_psql($db, q{ALTER ROLE CURRENT_USER SET event_triggers = off});
	is(news(), 'ALTER ROLE event_triggers settings', 'for a role');
	$node->safe_psql($db, 'DROP TABLE w');
	is(news(), 'DROP TABLE w event_triggers', '  in its sessions');
	$node->safe_psql($db, 'ALTER ROLE CURRENT_USER RESET event_triggers');
}

done_testing();
