# A session that changes a setting by which it could hide leaves one line in
# the server's log, whichever way it takes: SET, set_config(), pg_settings,
# the SET clause of a function or the options of a connection, before the
# library is loaded or after.  Needs the log.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = AuditLog::start_node('settings', 'log_statement = none', 'max_parallel_workers = 4');
my $db = AuditLog::create_db($node, 'shop');
my $user = $node->safe_psql($db, 'SELECT current_user');

$node->safe_psql($db, q{
	CREATE ROLE boss LOGIN SUPERUSER;
	CREATE ROLE app LOGIN;
	CREATE TABLE things (id int PRIMARY KEY);
	GRANT ALL ON things TO app;
	SELECT audit.enable('things');
	CREATE FUNCTION quietly(i int) RETURNS void LANGUAGE sql SECURITY DEFINER SET audit.enabled = off AS 'INSERT INTO things VALUES (i)';
	CREATE FUNCTION busy(i int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS 'BEGIN RETURN i; END'});

# lines(SQL, ROLE): the settings that the log says changed, and who changed them
sub lines
{
	my ($sql, $role) = @_;
	my $from = -s $node->logfile;

	$node->psql($db, $sql, on_error_stop => 0, extra_params => [ '-U', $role // $user ]);
	# What a session writes is in the log before it is gone; make sure it is gone.
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '$db' AND backend_type = 'client backend'") or die;
	my $log = substr(slurp_file($node->logfile), $from);
	return join ', ', map { "$_->[0] $_->[1]" } map { [ /"audit\.(\w+)" changed for a session of user "(\w+)"/ ] } grep { /changed for a session/ } split /\n/, $log;
}

my $load = q{SELECT audit.canonical('{}');};
is(lines("$load SET audit.enabled = off", 'boss'), 'enabled boss', 'SET leaves a line');
is(lines("$load SELECT set_config('audit.enabled', 'off', false)", 'boss'), 'enabled boss', 'set_config() leaves one');
is(lines("$load BEGIN; SELECT set_config('audit.enabled', 'off', true); COMMIT", 'boss'), 'enabled boss', 'one for a transaction too');
is(lines("$load BEGIN; SET LOCAL audit.enabled = off; ROLLBACK", 'boss'), 'enabled boss', 'one if it is taken back');
is(lines("$load PREPARE p AS SELECT set_config(\$1, \$2, false); EXECUTE p ('audit.record_ttl', '1')", 'boss'), 'record_ttl boss', 'a prepared statement');
is(lines("$load DO \$\$ BEGIN PERFORM set_config('audit.ignore_tables', 'things', false); END \$\$", 'boss'), 'ignore_tables boss', 'code');
is(lines("$load UPDATE pg_settings SET setting = 'x' WHERE name = 'audit.payload_exclude'", 'boss'), 'payload_exclude boss', 'pg_settings');
is(lines("$load SELECT quietly(1)", 'app'), 'enabled app, enabled app', 'a function that has it of its own: one as it begins, one as it ends');
for my $back ('RESET audit.enabled', 'RESET ALL', 'SET audit.enabled TO DEFAULT', 'DISCARD ALL', q{SELECT set_config('audit.enabled', NULL, false)},
	q{UPDATE pg_settings SET setting = NULL WHERE name = 'audit.enabled'})
{
	is(lines("$load SET audit.enabled = off; $back", 'boss'), 'enabled boss, enabled boss', "SET leaves one, and $back another");
	is(lines("$load $back", 'boss'), '', "$back leaves none where there is nothing to take back");
}
# What a session comes with, and goes back to.
{
	local $ENV{PGOPTIONS} = '-c audit.record_ttl=5';
	is(lines("$load SET audit.record_ttl = 7; SELECT set_config('audit.record_ttl', NULL, false)", 'boss'), join(', ', ('record_ttl boss') x 3), 'what a client asks for as it connects leaves one too');
}
is(lines("SET audit.enabled = off; SELECT audit.canonical('{}')", 'boss'), 'enabled boss', 'one that waits for the library leaves it when the library comes');

# Each of them
for my $change ('ignore_methods GET', 'ignore_paths /x', 'ledger_heartbeat 7', 'ledger_origin example.com', "ledger_key $dir/key.pem", "checkpoint_dir $dir")
{
	my ($name, $value) = split / /, $change;
	is(lines("$load SET audit.$name = '$value'; SELECT set_config('audit.$name', '$value', false)", 'boss'), "$name boss", "$name: one line for a change, none for the same value again");
}
system_or_bail('openssl', 'genpkey', '-quiet', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', "$dir/rsa.pem");
chmod 0600, "$dir/rsa.pem";
is(lines("$load SELECT set_config('audit.signing_key', '$dir/rsa.pem', false)", 'boss'), 'signing_key boss', 'signing_key');

# Nothing has changed
is(lines("$load SET audit.enabled = on; SELECT set_config('audit.enabled', 'on', false)", 'boss'), '', 'what is set already leaves no line');
is(lines("$load SELECT set_config('audit.ignore_paths', '(', false)", 'boss'), '', 'nor does what is refused');
is(lines("$load SET audit.enabled = off; SELECT set_config('audit.enabled', 'off', false)", 'app'), '', 'nor who may not');
is(lines("$load SELECT audit.begin_request(); SET audit.workspace = 'x'; SELECT set_config('audit.client_ip', 'x', false)", 'app'), '', 'nor who says who is asking');
# The settings of a session go to its parallel workers.
is(lines("$load SELECT set_config('audit.ignore_tables', 'x', false); " . AuditLog::force_parallel($node) . "; SET parallel_setup_cost = 0; SELECT sum(busy(oid::int)) FROM pg_class", 'boss'),
	'ignore_tables boss', 'parallel workers add none');
# The configuration is read by everyone, and has its own lines.
my $session = $node->background_psql($db);
$session->query_safe($load);
my $from = -s $node->logfile;
$node->safe_psql($db, "$load ALTER SYSTEM SET audit.ignore_tables = 'things'; SELECT pg_reload_conf()");
my $tries = 0;
until ($session->query_safe('SELECT pg_sleep(0.01); SHOW audit.ignore_tables') =~ /things/ || $tries++ > 1000) { }
cmp_ok($tries, '<=', 1000, 'a session has read the configuration again');
unlike(substr(slurp_file($node->logfile), $from), qr/changed for a session/, 'a reload says nothing of sessions');
$session->quit;

done_testing();
