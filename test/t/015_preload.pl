# The extension works however its library comes into a session: preloaded by
# the server, by the session, by LOAD, or with the first function that needs it.
# Only the background worker wants the first.  Needs restarts.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('preload');
my $db = AuditLog::create_db($node, 'shop');
my $settings = q{SELECT count(*) FROM pg_settings WHERE name LIKE 'audit.%'};
my $loaded = q{SELECT count(*) > 0 FROM pg_settings WHERE name = 'audit.enabled'};

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

# in_session(SQL, ROLE): output and errors of one session
sub in_session
{
	my ($sql, $role) = @_;
	my ($ret, $out, $err) = $node->psql($db, $sql, on_error_stop => 0, $role ? (extra_params => [ '-U', $role ]) : ());
	return "$out$err";
}

# conf(LINE): the only line of ours in the configuration, after a restart
sub conf
{
	my ($line) = @_;

	unlink $node->data_dir . '/ours.conf';
	append_to_file($node->data_dir . '/ours.conf', "$line\n");
	$node->restart;
}

$node->append_conf('postgresql.conf', "include 'ours.conf'");
sql(q{
	CREATE ROLE app LOGIN;
	CREATE ROLE admin LOGIN SUPERUSER;
	CREATE TABLE things (id int PRIMARY KEY, v text, pin text);
	GRANT ALL ON things TO app;
	SELECT audit.enable('things')});

my %way = (
	'not preloaded' => '',
	'preloaded by the session' => "session_preload_libraries = 'audit_log'",
	'preloaded by the server' => "shared_preload_libraries = 'audit_log'");
my $all;
my $id = 0;

for my $way ('not preloaded', 'preloaded by the session', 'preloaded by the server')
{
	conf("$way{$way}\naudit.payload_exclude = 'pin'\naudit.request_id = 'of the file'");

	is(sql($loaded), $way eq 'not preloaded' ? 'f' : 't', "$way: the library is there from the start or not");
	# LOAD, or the first function, brings all settings.
	my $count = sql("LOAD 'audit_log'; $settings");
	$all //= $count;
	cmp_ok($count, '>', 15, "  $way: all settings are known");
	is($count, $all, '    the same ones');
	is(sql("SELECT audit.canonical('{}'); $loaded"), "\nt", '    also after the first call');

	# What the file says counts in each case, the first statement included.
	$id++;
	in_session("INSERT INTO things VALUES ($id, 'x', '1234')", 'app');
	is(sql(qq{SELECT concat_ws(' ', entity::text, removed_from_entity, request_id, db_user) FROM audit.objects WHERE entity_key = '$id'}),
		qq({"id":$id,"v":"x"} pin of the file app), "  $way: the first statement of a session is recorded as the file says");

	# A value that waits in a placeholder, or is set, is checked either way.
	like(in_session("SET audit.ignore_tables = 'things'; INSERT INTO things VALUES (${id}0); SELECT audit.begin_request()", 'app'),
		qr/permission denied to set parameter "audit.ignore_tables"/, "  $way: a user cannot hide");
	is(sql("SELECT count(*) FROM audit.objects WHERE entity_key = '${id}0'"), 1, '    and is recorded');
	in_session("SET audit.ignore_tables = 'things'; INSERT INTO things VALUES (${id}1)", 'admin');
	is(sql("SELECT count(*) FROM audit.objects WHERE entity_key = '${id}1'"), 0, '    a superuser can');
	in_session("BEGIN; SET LOCAL audit.request_id = 'set early'; INSERT INTO things VALUES (${id}2); COMMIT; INSERT INTO things VALUES (${id}3)", 'app');
	is(sql("SELECT string_agg(request_id, ', ' ORDER BY id) FROM audit.objects WHERE entity_key IN ('${id}2', '${id}3')"), 'set early, of the file',
		"  $way: the request of a transaction is set before the library is there, and gone after it");
	like(in_session("SET audit.ignore_paths = '('; SELECT audit.canonical('{}'); SHOW audit.ignore_paths", 'admin'),
		qr/invalid value for parameter "audit.ignore_paths"/, "  $way: a bad value does not stay");
	like(in_session("SELECT audit.canonical('{}'); SET audit.no_such_setting = 1", 'admin'),
		qr/invalid configuration parameter name "audit.no_such_setting"/, "  $way: a misspelled setting is refused");

	# Settings of a role and of the database
	sql(q{LOAD 'audit_log'; ALTER ROLE app SET audit.workspace = 'of the role'; ALTER DATABASE shop SET audit.record_ttl = 1000});
	in_session("INSERT INTO things VALUES (${id}4)", 'app');
	is(sql("SELECT workspace || ' ' || (ttl BETWEEN 900 AND 1000) FROM audit.objects WHERE entity_key = '${id}4'"), 'of the role true', "  $way: what a role and a database have set");
	sql(q{ALTER ROLE app RESET audit.workspace; ALTER DATABASE shop RESET audit.record_ttl});
}

# The worker
my $worker = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'audit_log%'};
conf("audit.ledger_database = 'shop'");
is(sql($worker), 0, 'without preloading there is no worker');
conf("session_preload_libraries = 'audit_log'\naudit.ledger_database = 'shop'");
is(sql($worker), 0, 'nor when the session does it');
conf("shared_preload_libraries = 'audit_log'\naudit.ledger_database = 'shop'\naudit.ledger_interval = 1");
ok($node->poll_query_until($db, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type LIKE 'audit_log%' AND datname = 'shop'}), 'with it there is one for the database');
sql('INSERT INTO things VALUES (1000)');
ok($node->poll_query_until($db, q{SELECT size > 0 AND waiting = 0 FROM audit.status}), 'which seals');
conf("shared_preload_libraries = 'audit_log'");
is(sql($worker), 0, 'and none when no database is named');
isnt($node->psql('postgres', "LOAD 'audit_log'"), 3, 'a database without the extension can load it');
is($node->safe_psql('postgres', 'CREATE TABLE other (a int); INSERT INTO other VALUES (1); SELECT count(*) FROM other'), 1, 'and writes as ever');

done_testing();
