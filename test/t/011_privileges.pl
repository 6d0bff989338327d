# Who may do what: writers are recorded without any right of their own, nobody
# writes records by hand, and nobody but a superuser can switch anything off,
# whatever they set, create or call, also before the library is loaded.  It
# needs connections of their own with options of their own.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('privileges');
my $db = AuditLog::create_db($node, 'shop');

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

# as(ROLE, SQL): standard output; as_error(ROLE, SQL): the last error, or ''
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql($db, $sql, extra_params => [ '-U', $role ]);
	diag "$role: $err" if $status;
	return $out;
}

sub as_error
{
	my ($role, $sql) = @_;
	my (undef, undef, $err) = $node->psql($db, "\\set VERBOSITY sqlstate\n$sql",
		extra_params => [ '-U', $role ]);
	return join ' ', $err =~ /(?:ERROR|FATAL):  (\w+)/g;
}

sub recorded
{
	my ($condition) = @_;
	return sql("SELECT string_agg(operation || ' ' || db_user || coalesce('/' || db_role, ''), ', ' ORDER BY id)
		FROM audit.objects WHERE $condition");
}

# "owner" has tables, "app" may write them, neither knows of the audit schema.
sql(q{
	CREATE ROLE owner LOGIN;
	CREATE ROLE app LOGIN;
	CREATE ROLE reader LOGIN IN ROLE audit_log_reader;
	CREATE ROLE clerk;
	GRANT clerk TO app;
	CREATE SCHEMA shop AUTHORIZATION owner;
	SET ROLE owner;
	CREATE TABLE shop.things (id text PRIMARY KEY, note text);
	CREATE TABLE shop.parts (thing text REFERENCES shop.things ON DELETE CASCADE, n integer, PRIMARY KEY (thing, n));
	CREATE TABLE shop.rows (id text PRIMARY KEY, who text DEFAULT current_user);
	ALTER TABLE shop.rows ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON shop.rows USING (who = current_user);
	CREATE FUNCTION shop.add(id text) RETURNS void LANGUAGE sql SECURITY DEFINER
		AS 'INSERT INTO shop.things VALUES (id)';
	GRANT USAGE ON SCHEMA shop TO app, clerk;
	GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA shop TO app;
	GRANT INSERT ON shop.things TO clerk;
	RESET ROLE;
	SELECT audit.enable_all('shop');
	REVOKE USAGE ON SCHEMA audit FROM PUBLIC;
});

# Writers
as('app', q{
	INSERT INTO shop.things VALUES ('a'), ('b');
	UPDATE shop.things SET note = 'x' WHERE id = 'a';
	INSERT INTO shop.parts VALUES ('a', 1);
	DELETE FROM shop.things WHERE id = 'a';
	SELECT shop.add('c');
	SET ROLE clerk; INSERT INTO shop.things VALUES ('d'); RESET ROLE;
	INSERT INTO shop.rows VALUES ('mine', 'app'), ('more', 'app');
	TRUNCATE shop.things CASCADE;
	COPY shop.things FROM STDIN;
e	copied
\.
});
is(recorded(q{entity_key = 'a'}), 'create app, update app, delete app', 'a writer without any right on the audit schema is recorded');
is(recorded(q{dao_name = 'parts'}), 'create app, delete app, truncate app', 'what a cascade deletes and a TRUNCATE is theirs too');
is(recorded(q{entity_key = 'c'}), 'create app/owner', 'so does a definer function; the session user stands first');
is(recorded(q{entity_key = 'd'}), 'create app/clerk', 'the role that was set is recorded');
is(recorded(q{dao_name = 'rows'}), 'create app, create app', 'tables with row security');
is(recorded(q{entity_key = 'e'}), 'create app', 'COPY');
sql('GRANT USAGE ON SCHEMA audit TO PUBLIC');

# Records by hand
my @tables = split /\n/, sql(q{SELECT format('audit.%I', relname) FROM pg_class
	WHERE relnamespace = 'audit'::regnamespace AND relkind = 'r' ORDER BY 1});
my @logs = grep { /audit_|ledger_/ } @tables;
cmp_ok(scalar(@logs), '>=', 8, 'both streams and the ledger are looked at');
for my $role (qw(app owner reader))
{
	my @allowed;

	for my $table (@tables)
	{
		for my $sql ("INSERT INTO $table SELECT * FROM $table", "UPDATE $table SET id = id", "DELETE FROM $table",
			"TRUNCATE $table", "COPY $table FROM STDIN;\n\\.", "DROP TABLE $table", "ALTER TABLE $table DISABLE TRIGGER ALL",
			"ALTER TABLE $table ADD COLUMN x int", "CREATE TRIGGER t BEFORE INSERT ON $table FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
			"CREATE TABLE public.child () INHERITS ($table)", "CREATE RULE r AS ON INSERT TO $table DO INSTEAD NOTHING", "BEGIN; LOCK $table")
		{
			my $error = as_error($role, $sql);
			push @allowed, "$sql: $error" unless $error =~ /^(?:42501|42703)$/;
		}
	}
	is("@allowed", '', "$role can change no table of the log");
}
my $superuser = $node->safe_psql($db, 'SELECT current_user');
my @allowed;
for my $table (@logs)
{
	for my $sql ("INSERT INTO $table SELECT * FROM $table", "UPDATE $table SET ctid = ctid", "DELETE FROM $table", "TRUNCATE $table",
		"MERGE INTO $table t USING $table s ON false WHEN NOT MATCHED THEN DO NOTHING WHEN MATCHED THEN DELETE",
		"WITH gone AS (DELETE FROM $table RETURNING *) SELECT count(*) FROM gone",
		"SET session_replication_role = replica; DELETE FROM $table")
	{
		my $error = as_error($superuser, $sql);
		push @allowed, "$sql: $error" unless $error =~ /^(?:42501|55000|0A000|428C9)$/;
	}
}
is(join("\n", @allowed), '', 'a superuser cannot change them by hand either, short of dropping the triggers');
is(as_error('app', 'SELECT * FROM audit.objects'), '42501', 'not everybody may read the log');
is(as_error('owner', 'SELECT * FROM audit.audit_objects'), '42501', 'nor the owner of a tracked table');
cmp_ok(as('reader', 'SELECT count(*) FROM audit.objects'), '>', 5, 'a reader may');

# Switching it off
my @settings = split /\n/, sql(q{LOAD 'audit_log'; SELECT name FROM pg_settings WHERE name LIKE 'audit.%' AND context <> 'user'});
cmp_ok(scalar(@settings), '>=', 8, 'there are settings to protect');
my %harm = map { $_ => /enabled/ ? 'off' : /ttl|interval|heartbeat/ ? '1' : /tables/ ? 'things' : /methods/ ? 'GET' : 'x' } @settings;
@allowed = ();
for my $name (@settings)
{
	# where the library is loaded, and where it is not loaded yet
	for my $sql ("SET $name = '$harm{$name}'", "SELECT set_config('$name', '$harm{$name}', false)", "RESET $name; SET LOCAL $name = '$harm{$name}'",
		"ALTER ROLE app SET $name = '$harm{$name}'", "ALTER DATABASE shop SET $name = '$harm{$name}'", "ALTER SYSTEM SET $name = '$harm{$name}'",
		"CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql SET $name = '$harm{$name}' AS ''")
	{
		my $error = as_error('app', "INSERT INTO shop.things VALUES ('loaded'); DELETE FROM shop.things WHERE id = 'loaded'; $sql");
		push @allowed, "$sql: $error" unless $error =~ /^(?:42501|55P02)$/;
	}
}
is(join("\n", @allowed), '', 'no setting that could hide something, once the library is loaded');
sub hides
{
	my ($what, $role, $before, %options) = @_;
	my $id = 'hidden ' . $what;

	local $ENV{PGOPTIONS} = $options{pgoptions} if $options{pgoptions};
	$node->psql($db, "$before\nINSERT INTO shop.things VALUES (\$\$$id\$\$);", extra_params => [ '-U', $role ], on_error_stop => 0);
	my $written = sql("SELECT count(*) FROM shop.things WHERE id = \$\$$id\$\$");
	is(sql("SELECT count(*) FROM audit.audit_objects WHERE entity_key = \$\$$id\$\$ AND removed_from_entity IS NULL
		AND (expire IS NULL OR expire > now() + interval '29 days')"), $written, "$what hides nothing");
	return;
}
for my $name (@settings)
{
	next if $name =~ /ledger|checkpoint|coverage/;
	hides("$name set before the library is loaded", 'app', "SET $name = '$harm{$name}';");
	hides("$name set in the connection's options", 'app', '', pgoptions => "-c $name=$harm{$name}");
}
hides('session_replication_role', 'app', 'SET session_replication_role = replica;');
hides('session_replication_role of a superuser', $superuser, 'SET session_replication_role = replica;');
hides('row_security', 'app', 'SET row_security = off;');
hides('an operator in pg_temp', 'app', q{
	SET search_path = pg_temp, public, shop;
	CREATE FUNCTION pg_temp.no(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
	CREATE OPERATOR pg_temp.= (leftarg = text, rightarg = text, function = pg_temp.no);
	CREATE TEMP TABLE audit_objects (id uuid);
	CREATE TEMP VIEW objects AS SELECT 1;});
hides('a search path', 'app', q{SET search_path = ''; SET default_tablespace = ''; SET default_table_access_method = heap;});
hides('a temporary table of the same name', 'app', 'CREATE TEMP TABLE things (id text);');

# Triggers belong to the owner of a table; that is recorded.
is(as_error('app', 'ALTER TABLE shop.things DISABLE TRIGGER _audit_log'), '42501', 'a writer cannot disable a capture trigger');
is(as_error('app', 'DROP TRIGGER _audit_log ON shop.things'), '42501', '... or drop it');
is(as_error('owner', 'ALTER EVENT TRIGGER audit_log_ddl_command_end DISABLE') =~ /42501|42704/, 1, 'an owner cannot disable the event triggers');
is(as('owner', 'ALTER TABLE shop.things DISABLE TRIGGER _audit_log'), '', 'an owner can disable the capture trigger');
like(sql(q{SELECT entity FROM audit.objects WHERE operation = 'ddl' AND db_user = 'owner' ORDER BY id DESC LIMIT 1}),
	qr/DISABLE TRIGGER/, '... and that is recorded');
as('owner', 'ALTER TABLE shop.things ENABLE ALWAYS TRIGGER _audit_log');
is(as_error('owner', q{CREATE TABLE shop.own (id int); CREATE TRIGGER t AFTER INSERT ON shop.own FOR EACH ROW EXECUTE FUNCTION audit.capture()}),
	'42501', 'only those who may call audit.capture() make capture triggers');
is(as_error('owner', q{SELECT audit.disable('shop.things')}), '42501', 'audit.disable() is not for everybody');

# A snapshot is made by a superuser, who must not run what an owner wrote
as('owner', q{
	CREATE TYPE shop.trap AS ENUM ('shut');
	CREATE FUNCTION shop.spring(shop.trap) RETURNS json LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM set_config('search_path', 'shop', false);
		RETURN to_json(current_user::text);
	END $$;
	CREATE CAST (shop.trap AS json) WITH FUNCTION shop.spring(shop.trap);
	CREATE TABLE shop.baits AS SELECT 'shut'::shop.trap AS bait;
});
is(sql(q{SELECT db_user || ' ' || (entity ->> 'bait') FROM audit.objects WHERE dao_name = 'baits' AND operation = 'snapshot'}),
	'owner owner', 'CREATE TABLE AS of a tracked table calls no function of its owner as a superuser');
is(sql(q{SELECT audit.enable('shop.baits', snapshot => true) IS NULL;
	SELECT string_agg(concat_ws('/', db_user, db_role) || ' ' || (entity ->> 'bait'), ', ' ORDER BY id)
	FROM audit.objects WHERE dao_name = 'baits' AND operation = 'snapshot';
	SELECT current_setting('search_path') ~ 'public', current_user}),
	"f\nowner/$superuser owner, $superuser owner\nt|$superuser", 'nor does a snapshot that a superuser asks for, which still says who asked');

# Everything that PUBLIC may call
is(sql(q{SELECT string_agg(p.oid::regprocedure::text, E'\n' ORDER BY p.oid::regprocedure::text COLLATE "C")
	FROM pg_proc p WHERE pronamespace = 'audit'::regnamespace AND has_function_privilege('public', p.oid, 'execute')}),
	join("\n", sort 'audit.begin_request(text,text,text,text,text,text)',
	'audit.canonical(json)', 'audit.canonical_strict(json)', 'audit.verify(text,text,text)', 'audit.verify(json,text)',
	'audit.sha256(bytea)', 'audit.json_string(text)', 'audit.cannot_be_signed(json)', 'audit.utf8_bytes(text)', 'audit.ledger_inner_hash(text,bytea,text)',
	'audit.ledger_leaf_hash(uuid,bigint,bytea)'), 'the functions that everybody may call');
is(sql(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'v', 'S') AND (
	has_table_privilege('public', oid, 'SELECT') OR has_table_privilege('public', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'))}),
	'0', 'and no table or view is for everybody');
is(sql(q{SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p WHERE pronamespace = 'audit'::regnamespace
	AND prosecdef AND NOT coalesce(proconfig::text, '') ~ 'search_path=pg_catalog, pg_temp'}), '', 'every definer function has its search path');
is(sql(q{SELECT string_agg(rolname, ', ') FROM pg_roles WHERE rolname LIKE 'audit_log%' AND (rolcanlogin OR rolsuper)}), '', 'no role of ours can log in');

# Where somebody else has made the schema, or the role, the extension is not created.
$node->safe_psql('postgres', 'CREATE DATABASE before OWNER owner');
for my $case (
	[ 'CREATE SCHEMA audit', 'DROP SCHEMA audit', 'of another owner' ],
	[ 'CREATE SCHEMA audit; CREATE FUNCTION audit.f() RETURNS int LANGUAGE sql AS $$SELECT 1$$', 'ALTER SCHEMA audit OWNER TO CURRENT_USER; DROP FUNCTION audit.f()', 'that holds something' ])
{
	my ($made, $mended, $what) = @$case;
	my (undef, undef, $err) = $node->psql('before', $made, extra_params => [ '-U', 'owner' ]);
	is($err, '', "a schema $what is made");
	$node->safe_psql('before', $mended =~ s/; DROP.*//r) if $mended =~ /^ALTER/;
	(undef, undef, $err) = $node->psql('before', "\\set VERBOSITY verbose\nCREATE EXTENSION audit_log CASCADE");
	like($err, qr/ERROR:  55000: schema "audit" is in use\n(?:.*\n)*?HINT:  Drop it/, '  and is not used');
	$node->safe_psql('before', $mended);
}
$node->safe_psql('before', 'ALTER ROLE audit_log_owner LOGIN');
like(($node->psql('before', 'CREATE EXTENSION audit_log CASCADE'))[2], qr/ERROR:  role "audit_log_owner" can log in/, 'an owner of the log that can log in is refused');
$node->safe_psql('before', 'ALTER ROLE audit_log_owner NOLOGIN');
$node->safe_psql('before', 'CREATE EXTENSION audit_log CASCADE');
is($node->safe_psql('before', 'SELECT count(*) FROM audit.objects'), 0, 'an empty schema of a superuser will do');

done_testing();
