# A dump that is restored brings the log over as it was: whole, in parallel, in
# sections, or the schema first and then the data with the triggers live or
# without them.  Needs pg_dump and pg_restore.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = AuditLog::start_node('dumped');
my $db = AuditLog::create_db($node, 'shop');
my @tables = qw(things parts shop.sales shop.plain);

sub sql
{
	my ($in, $sql) = @_;
	return $node->safe_psql($in, $sql);
}

sql($db, q{
	CREATE SCHEMA shop;
	CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, code text, twice text GENERATED ALWAYS AS (name || name) STORED);
	CREATE TABLE parts (thing int REFERENCES things ON DELETE CASCADE, n int, doc json, PRIMARY KEY (thing, n));
	CREATE TABLE shop.sales (region text, id int, at timestamptz, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
	CREATE TABLE shop.sales_eu PARTITION OF shop.sales FOR VALUES IN ('eu');
	CREATE TABLE shop.sales_us PARTITION OF shop.sales FOR VALUES IN ('us');
	SELECT audit.enable('things', exclude => '{name}', mask => '{code}', skip_unchanged => true);
	SELECT audit.enable('parts', record_applied => false);
	SELECT audit.enable_all('shop');
	CREATE TABLE shop.plain (v text);
	BEGIN;
	SELECT audit.begin_request('before the dump', rbac_user_name => 'ann');
	INSERT INTO things (name, code) SELECT 'n' || g, 'c' FROM generate_series(1, 50) g;
	INSERT INTO parts SELECT g, 1, '{"a" : [1,  2.50], "password": 1}' FROM generate_series(1, 50) g;
	INSERT INTO shop.sales SELECT CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END, g, '2026-01-01 12:00+00' FROM generate_series(1, 50) g;
	INSERT INTO shop.plain VALUES (E'tab\t, newline\n, backslash \\\\ and ü');
	DELETE FROM things WHERE id = 1;
	SELECT audit.log_request('POST', '/things', 201, payload_bytes => '\x00ff5c');
	COMMIT;
	SELECT audit.seal()});

# log(DB): every stored byte of the log
sub log_of
{
	my ($in, $condition) = @_;

	$condition //= 'true';
	return join "\n", map { sql($in, "SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) || ' ' || count(*) FROM $_ AS t WHERE $condition") }
	  'audit.audit_objects', 'audit.audit_requests';
}

# rows(DB): every row of the tables
sub rows
{
	my ($in) = @_;
	return join "\n", map { sql($in, "SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) || ' ' || count(*) FROM $_ AS t") } @tables;
}

sub tracked
{
	my ($in) = @_;
	return sql($in, 'SELECT t FROM audit.tracked_tables t ORDER BY 1');
}

# goes_on(DB, WHAT): the restored tables are tracked as before, later ones too
sub goes_on
{
	my ($in, $what) = @_;

	is(tracked($in), tracked($db), "  $what: tables are tracked as before, with their options");
	my $before = sql($in, 'SELECT pg_current_xact_id()');
	sql($in, q{
		INSERT INTO things (name, code) VALUES ('later', 'c');
		INSERT INTO parts VALUES (2, 2, NULL);
		UPDATE shop.sales SET region = 'us' WHERE id = 2;
		CREATE TABLE shop.later (id int PRIMARY KEY); INSERT INTO shop.later VALUES (7)});
	is(sql($in, qq{SELECT string_agg(concat_ws(' ', operation, dao_name, entity_key, entity, removed_from_entity), E'\\n' ORDER BY id) FROM audit.objects
			WHERE txid > '$before' AND operation <> 'ddl'}),
		join("\n", 'create things 51 {"id":51,"code":"***"} name,twice', 'create parts [2,2] {"thing":2,"n":2,"doc":null}',
			'delete sales ["eu",2] {"region":"eu","id":2,"at":"2026-01-01T12:00:00+00:00"}',
			'create sales ["us",2] {"region":"us","id":2,"at":"2026-01-01T12:00:00+00:00"}', 'create later 7 {"id":7}'),
		"  $what: and changes are recorded, also of tables that are created later");
}

my ($log, $rows) = (log_of($db), rows($db));
my $last = sql($db, 'SELECT max(txid) FROM (SELECT txid FROM audit.audit_objects UNION ALL SELECT txid FROM audit.audit_requests) t');

# A whole dump, in each format.
for my $format (qw(plain custom directory))
{
	my $new = "new_$format";
	my $file = "$dir/$format";

	$node->command_ok([ 'pg_dump', "--format=$format", $format eq 'directory' ? '--jobs=2' : (), '-f', $file, $db ], "$format: a dump is made");
	sql('postgres', "CREATE DATABASE $new TEMPLATE template0");
	$node->command_ok(
		$format eq 'plain' ? [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $new, '-f', $file ]
		: [ 'pg_restore', '--exit-on-error', $format eq 'directory' ? '--jobs=2' : (), '-d', $new, $file ],
		'  and restored');
	is(rows($new), $rows, '  no row is lost or doubled');
	is(log_of($new, "txid <= '$last'"), $log, '  the log is what it was to the byte');
	# Only in parallel can a key come after the triggers, which is an ALTER TABLE,
	# or a partition's rows after the trigger of the partitioned table.
	is(sql($new, qq{SELECT count(*) FROM audit.objects WHERE txid > '$last'}
			  . ($format eq 'directory' ? q{ AND entity ->> 'command_tag' IS DISTINCT FROM 'ALTER TABLE' AND NOT (operation = 'create' AND partition_name IS NOT NULL)} : '')), 0,
		'  and the restore added nothing')
	  or diag(sql($new, qq{SELECT concat_ws(' ', operation, dao_name, entity) FROM audit.objects WHERE txid > '$last' ORDER BY id LIMIT 50}));
	goes_on($new, $format);
}

# The schema first, and then the data with the triggers live.
$node->command_ok([ 'pg_dump', '--format=custom', '--schema-only', '-f', "$dir/schema", $db ], 'a dump of the schema is made');
$node->command_ok([ 'pg_dump', '--format=custom', '--data-only', '-f', "$dir/data", $db ], '  and one of the data');
sql('postgres', 'CREATE DATABASE apart TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'apart', "$dir/schema" ], '  the schema is restored');
is(sql('apart', 'SELECT (SELECT count(*) FROM audit.audit_objects) + (SELECT count(*) FROM audit.audit_requests)'), 0, '  with an empty log');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'apart', "$dir/data" ], '  and the data');
is(rows('apart'), $rows, '  no row is lost or doubled');
is(log_of('apart', "txid <= '$last'"), $log, '  the log is what it was');
is(sql('apart', qq{SELECT string_agg(dao_name || ' ' || operation || ' ' || n, ', ' ORDER BY dao_name) FROM (
	SELECT dao_name, operation, count(*) AS n FROM audit.audit_objects WHERE txid > '$last' GROUP BY 1, 2) t}),
	'parts create 49, plain create 1, sales create 50, things create 49', '  and has a record of each row that came');
goes_on('apart', 'apart');

# The same without the triggers: what is enabled again afterwards fires always.
sql('postgres', 'CREATE DATABASE disabled TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'disabled', "$dir/schema" ], 'the schema is restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--disable-triggers', '-d', 'disabled', "$dir/data" ], '  and the data without triggers');
is(rows('disabled'), $rows, '  no row is lost or doubled');
is(log_of('disabled', "txid <= '$last'"), $log, '  the log is what it was');
is(sql('disabled', qq{SELECT string_agg(DISTINCT operation, ' ') FROM audit.audit_objects WHERE txid > '$last'}), 'ddl', '  and has only a record of how its triggers were disabled');
is(sql('disabled', 'SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = \'audit\'::regnamespace) AND NOT tgisinternal'),
	'A', '  its own triggers fire always');
goes_on('disabled', 'disabled');

# Section by section, and one of INSERTs, whose data comes without triggers
$node->command_ok([ 'pg_dump', '--format=custom', '--inserts', '-f', "$dir/inserts", $db ], 'a dump of INSERTs is made');
for my $way ([ 'sections', 'custom', '--section=data' ], [ 'inserts', 'inserts', '--data-only', '--disable-triggers' ])
{
	my ($new, $file, @data) = @$way;

	sql('postgres', "CREATE DATABASE $new TEMPLATE template0");
	for my $part ([ '--section=pre-data' ], \@data, [ '--section=post-data' ])
	{
		$node->command_ok([ 'pg_restore', '--exit-on-error', @$part, '-d', $new, "$dir/$file" ], "$new: restored @$part");
	}
	is(rows($new), $rows, '  no row is lost or doubled');
	is(log_of($new, "txid <= '$last'"), $log, '  the log is what it was to the byte');
	is(sql($new, qq{SELECT string_agg(DISTINCT operation, ' ') FROM audit.objects WHERE txid > '$last'}), $new eq 'inserts' ? 'ddl' : '', '  nothing but that of its triggers came to it');
	goes_on($new, $new);
}

# A ledger goes on as a new generation, in each of them.
for my $new (qw(new_custom apart disabled inserts))
{
	isnt($node->psql($new, 'SELECT audit.seal()'), 0, "$new: a copy does not go on as the ledger it was");
	sql($new, q{SELECT audit.new_generation('restored')});
	is(sql($new, 'SELECT audit.seal() > 0'), 't', '  but as a new generation');
	is(sql($new, 'SELECT kind, leaf, detail FROM audit.verify_ledger()'), '', '  and all of it verifies');
}

done_testing();
