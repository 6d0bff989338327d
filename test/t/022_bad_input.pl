# Every function of schema audit, as pg_proc lists them, with arguments that
# make no sense: null, empty, huge, negative, malformed, of what does not
# exist.  Each argument is tried alone and beside arguments that do make sense,
# by a superuser, by who may read the log and call the API, and by anyone.
# Nothing may harm the server, or fail as if it were our mistake.  It needs
# statements of their own, since some functions refuse subtransactions, and
# sessions that outlive all of them.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
mkdir "$dir/checkpoints" or die;
my $node = AuditLog::start_node('bad_input', 'log_statement = none', 'log_min_messages = panic', 'log_min_error_statement = panic',
	"audit.ledger_key = '$dir/ledger.pem'", "audit.checkpoint_dir = '$dir/checkpoints'", 'max_stack_depth = 500kB');
my $db = AuditLog::create_db($node, 'shop');

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

sql(q{
	CREATE SCHEMA shop;
	CREATE TABLE shop.things (id integer PRIMARY KEY, note text, extra jsonb);
	CREATE TABLE shop.other (note text);
	CREATE INDEX other_note ON shop.other (note);
	CREATE TABLE shop.parts (id integer, half text) PARTITION BY LIST (half);
	CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES IN ('l');
	CREATE VIEW shop.seen AS SELECT * FROM shop.things;
	CREATE SEQUENCE shop.numbers;
	CREATE TYPE shop.pair AS (a integer, b text);
	CREATE DOMAIN shop.pair_domain AS shop.pair;
	CREATE MATERIALIZED VIEW shop.kept AS SELECT 1 AS a;
	CREATE TABLE shop.empty ();
	CREATE TABLE shop."we""ird 'x' %s \\" ("a""b 'c'" integer PRIMARY KEY);
	CREATE FOREIGN DATA WRAPPER nothing;
	CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
	CREATE FOREIGN TABLE shop.far (a integer) SERVER nowhere;
	CREATE ROLE caller LOGIN IN ROLE audit_log_reader, audit_log_api;
	CREATE ROLE anyone LOGIN;
	GRANT USAGE ON SCHEMA shop TO PUBLIC;
	GRANT ALL ON ALL TABLES IN SCHEMA shop TO caller;
	SELECT audit.enable('shop.things', exclude => '{extra}'), audit.enable('shop.parts');
});
sql(q{
	BEGIN;
	SELECT audit.begin_request('request');
	INSERT INTO shop.things SELECT n, 'x', '{}' FROM generate_series(1, 20) n;
	UPDATE shop.things SET note = 'y' WHERE id = 1;
	INSERT INTO shop.parts VALUES (1, 'l');
	SELECT audit.log_request('POST', '/things', 201, '{"a": 1}');
	COMMIT;
	SELECT audit.seal();
});
my $record = sql(q{SELECT id FROM audit.objects WHERE operation = 'update'});
my $verifier = sql('SELECT verifier FROM audit.checkpoint_keys LIMIT 1');
my $line = sql('SELECT line FROM audit.ledger_signatures LIMIT 1');

# ---------------------------------------------------------------- arguments

my @texts = ("''", "'x'", "'null'", "repeat('y', 200000)", q{E'\x01'}, q{'{"a":1}'}, q{E'a\'b"c\\\\d%s'}, "'9223372036854775808'", "'-1'",
	"'00000000-0000-0000-0000-000000000000'");
my @relations = ("'shop.seen'", "'shop.other'", "'shop.other_note'", "'shop.numbers'", "'shop.pair'", "'shop.parts_1'", "'pg_class'",
	"'audit.audit_objects'", "'audit.objects'", "'shop.kept'", "'shop.empty'", "'shop.far'", "'pg_temp.mine'", q{'shop."we""ird ''x'' %s \\"'},
	"'information_schema.tables'", "(SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'shop.other'::regclass)");
my @oids = qw(0 1 4294967295);
my %odd = (
	text => \@texts,
	name => [ "''", "'x'", "repeat('y', 70)", "'audit'", "'pg_toast'" ],
	'text[]' => [ "'{}'", "'{NULL}'", "'{{a},{b}}'", "'[5:6]={a,b}'", "'{id}'", q('{"a,b","c\\"d",""}'), "array_fill('x'::text, ARRAY[5000])" ],
	json => [ "'null'", "'[]'", "'{}'", q{'"x"'}, q{'{"a":1,"a":2}'}, q{'{"a":1e400,"signature":1}'}, "(repeat('[', 6000) || repeat(']', 6000))",
		"to_json(repeat('z', 200000))" ],
	bytea => [ "''", q{'\x00ff'}, q{convert_to(repeat('k', 200000), 'UTF8')} ],
	boolean => [ 'true', 'false' ],
	integer => [ 0, "'-1'", 100, "'-2147483648'", 2147483647 ],
	bigint => [ 0, "'-1'", 3, 4294967296, "'-9223372036854775808'", 9223372036854775807 ],
	numeric => [ 0, "'-1'", "'NaN'", "'Infinity'", "'-Infinity'", "'1e131071'", "'1e-16383'" ],
	oid => \@oids,
	regclass => [ @oids, @relations ],
	regprocedure => [ @oids, "'pg_catalog.now()'" ],
	uuid => [ "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'018f0000-0000-7000-8000-000000000000'" ],
	xid8 => [ "'0'", "'18446744073709551615'" ],
	interval => [ "'-1 day'", "'0'", "'-178000000 years'", "'2147483647 months 2147483647 days'" ],
	'timestamp with time zone' => [ "'infinity'", "'-infinity'", "'294276-12-31 00:00:00+00'", "'4713-01-01 00:00:00+00 BC'" ],
	pg_snapshot => [ "'1:1:'", "'10:20:15'", "'1:9223372036854775807:'" ],
	pg_ddl_command => [],
	anyelement => [ '1', "'x'::text", 'ROW(1, 2)', 'ARRAY[1]', 'NULL::shop.pair', 'NULL::shop.pair_domain', 'NULL::shop.seen',
		'NULL::shop.other', 'NULL::shop.parts_1', 'NULL::shop.kept', 'NULL::shop.empty', 'NULL::shop.far', 'NULL::pg_temp.mine', 'NULL::pg_class',
		'NULL::audit.objects', 'NULL::shop.things[]' ],
	'audit.objects' => [ map { "json_populate_record(NULL::audit.objects, '$_')" } '{}',
		q({"operation": "update", "schema_name": "shop", "dao_name": "things", "entity": {"id": 1}, "old_values": {}}),
		q({"operation": "delete", "schema_name": "", "dao_name": "", "entity": []}),
		q({"operation": "create", "schema_name": "shop", "dao_name": "things", "entity": {"no": "such"}}),
		q({"operation": "create", "schema_name": "shop", "dao_name": "other", "entity": 5}),
		q({"operation": "x", "schema_name": "shop", "dao_name": "seen", "entity": null}),
		q({"occurred_at": "infinity", "txid": 18446744073709551615}) ],
	'audit.requests' => [ map { "json_populate_record(NULL::audit.requests, '$_')" } '{}',
		q({"status": -5, "duration_ms": "NaN", "occurred_at": "-infinity"}) ],
);
# What may come of them: not supported, data, a trigger's function, a schema, a
# name or right, a limit, a state, nothing found, or it took too long.
my $refusal = qr/^(?:0A|22|39|3F|42|54|55|P0002|57014)/;
# What makes sense, by the name of the argument or else by its type
my %sense = (
	target => "'shop.things'", capture => "'audit.capture()'", id => "'$record'", record_id => "'$record'", ids => "'$record'",
	request_id => "'request'", entity_key => "'1'", verifier => "'$verifier'", line => "'$line'", path => "'tile/0/000.p/20'",
	checkpoint => 'audit.checkpoint()', stream => "'objects'", self => "'/x?'", operation => "'update'", method => "'PUT'",
	count => "'exact'", filter => "''", query => "'SELECT 1'", size => '10', from => "'0'", offset => 'NULL', before => 'NULL',
	after => "'0'", key => "'1'", document => q('{"note":"z"}'), names => 'NULL', vals => 'NULL', options => "''",
	exclude => "'{note}'", mask => "'{}'", target_schema => "'shop'", timeout => "'0'", max_age => "'1 day'", buckets => "'10'",
	schema_name => "'shop'", table_name => "'things'", from_size => 0, old_size => 1, code => 1, alias => "'t'", status => 200,
	'api_read.name' => "'shop.things'", 'api_write.name' => "'shop.things'", 'api_read_statement.name' => "'shop.things'",
	'api_write_statement.name' => "'shop.things'", 'api_relation.name' => "'shop.things'",
	status_is => 'NULL', hide => 'NULL', 'log_request.payload_bytes' => 'NULL', 'log_request.path' => "'/x'", 'api_key.types' => "'{integer}'",
	text => "'x'", name => "'x'", 'text[]' => "'{id}'", json => q('{"id":1}'), bytea => "'x'", boolean => 'true', integer => 1,
	bigint => 1, numeric => 1, oid => '1', regclass => "'shop.things'", regprocedure => "'audit.capture()'", uuid => "'$record'",
	xid8 => "'3'", interval => "'0'", 'timestamp with time zone' => 'now()', pg_snapshot => "'1:1:'", pg_ddl_command => 'NULL',
	anyelement => 'NULL::shop.things', 'audit.objects' => "(SELECT o FROM audit.objects o WHERE id = '$record')",
	'audit.requests' => '(SELECT r FROM audit.requests r LIMIT 1)',
);

# An argument of type internal is one that no SQL can give.
my @functions;
for (split /\n/, sql(q{SELECT format('%I.%I', n.nspname, p.proname) || '|' || coalesce(array_to_string(ARRAY(
		SELECT format('%s %s', p.proargnames[a.n], format_type(a.type, NULL))
		FROM unnest(p.proargtypes) WITH ORDINALITY AS a(type, n) ORDER BY a.n), '|'), '')
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE n.nspname = 'audit' AND 'internal'::regtype <> ALL (p.proargtypes::oid[]) ORDER BY p.oid}))
{
	my ($name, @args) = split /\|/;
	push @functions, { name => $name, args => [ map { [ split / /, $_, 2 ] } @args ] };
}
cmp_ok(scalar(@functions), '>=', 90, 'every function of the schema is called');
my %types = map { $_->[1] => 1 } map { @{ $_->{args} } } @functions;
is(join(', ', grep { !$odd{$_} } sort keys %types), '', 'for every type of argument there is something odd');

# calls(FUNCTION, DEEP): statements; only beside sensible arguments if DEEP
sub calls
{
	my ($f, $deep) = @_;
	my ($base) = $f->{name} =~ /\.(.*)/;
	my @nulls = map { $_->[1] eq 'anyelement' ? 'NULL::integer' : 'NULL' } @{ $f->{args} };
	my @good = map { $sense{"$base.$_->[0]"} // ($_->[1] =~ /^(?:bytea|bigint)$/ ? undef : $sense{ $_->[0] }) // $sense{ $_->[1] } } @{ $f->{args} };
	my @vectors = ([@nulls], [@good]);

	for my $i (0 .. $#{ $f->{args} })
	{
		for my $value (@{ $odd{ $f->{args}[$i][1] } }, $nulls[$i])
		{
			my @others = $deep ? \@good : (\@good, \@nulls);

			push @vectors, map { my @v = @$_; $v[$i] = $value; \@v } @others;
		}
	}
	return map {
		my $v = $_;
		"SELECT $f->{name}(" . join(', ', map {
			my $type = $f->{args}[$_][1];
			$type eq 'anyelement' ? $v->[$_] : "$v->[$_]::$type" } 0 .. $#$v) . ')' } @vectors;
}

# sweep(ROLE, DEEP, SQL): calls all, then does SQL in the same session; returns
# [statement, SQLSTATE, message] of what failed, and what SQL answered.
sub sweep
{
	my ($role, $deep, $after) = @_;
	my @calls = map { calls($_, $deep) } @functions;
	my $input = "CREATE TEMP TABLE mine (id integer PRIMARY KEY);\nSET client_min_messages = error;\nSET statement_timeout = '5s';\n"
	  . "SELECT 'pid', pg_backend_pid();\n\\set SHOW_CONTEXT never\n";
	my %failed;

	for my $n (0 .. $#calls)
	{
		$input .= "\\o /dev/null\nBEGIN;\n$calls[$n];\n\\o\n\\echo $n :SQLSTATE :LAST_ERROR_MESSAGE\nROLLBACK;\n";
	}
	$input .= "SELECT 'pid', pg_backend_pid();\n$after";
	my ($status, $out) = $node->psql($db, $input, on_error_stop => 0, extra_params => [ '-U', $role ]);
	is($status, 0, "$role: the session lives");
	my @pids = $out =~ /^pid\|(\d+)$/mg;
	is(scalar(@pids), 2, "$role: both its pids are known");
	is($pids[0], $pids[1], "$role: it is the same to the end");
	my @results = $out =~ /^(\d+ \w{5} .*)$/mg;
	is(scalar(@results), scalar(@calls), "$role: every call was answered");
	my @failed = map { /^(\d+) (\w{5}) (.*)/; $2 eq '00000' ? () : [ $calls[$1], $2, $3 ] } @results;
	$out =~ s/.*^pid\|\d+\n?//ms;
	return (\@failed, $out);
}

# show(FAILED...): each function and message once
sub show
{
	my %shown;
	return join "\n", map { my ($f) = $_->[0] =~ /SELECT ([\w.]+)/;
		$shown{"$f $_->[1] $_->[2]"}++ ? () : substr($_->[0], 0, 300) . " -> $_->[1] $_->[2]" } @_;
}

sub contents
{
	my @tables = split /\n/, sql(q{SELECT oid::regclass FROM pg_class WHERE relkind = 'r'
		AND relnamespace IN ('audit'::regnamespace, 'shop'::regnamespace) ORDER BY 1});
	return sql(join ' UNION ALL ', map { "SELECT '" . s/'/''/gr . "', count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM $_ t" } @tables)
	  . sql('SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2');
}

my $started = sql('SELECT pg_postmaster_start_time()');
my $contents = contents();
# What a session does afterwards is recorded as ever.
my $afterwards = q{
	SET client_min_messages = warning;
	BEGIN;
	INSERT INTO shop.things SELECT n, 'later', '{}' FROM generate_series(100, 102) n;
	UPDATE shop.things SET note = 'last' WHERE id = 100;
	DELETE FROM shop.things WHERE id > 99;
	SELECT string_agg(operation || entity_key, ' ' ORDER BY id) FROM audit.objects WHERE txid = pg_current_xact_id();
	ROLLBACK;
};

for my $role ($node->safe_psql($db, 'SELECT current_user'), 'caller', 'anyone')
{
	my ($failed, $then) = sweep($role, $role eq 'caller' || $role eq 'anyone', $role eq 'anyone' ? '' : $afterwards);
	my %may = map { $_ => 1 } split /\n/, sql(qq{SELECT DISTINCT format('audit.%I', proname) FROM pg_proc
		WHERE pronamespace = 'audit'::regnamespace AND has_function_privilege('$role', oid, 'execute')});
	my @mine = grep { $may{ ($_->[0] =~ /SELECT ([\w.]+)/)[0] } } @$failed;

	is(show(grep { $_->[1] !~ $refusal || $_->[2] =~ /cache lookup/ } @$failed), '', "$role: nothing fails as if it were our mistake");
	is(show(grep { $_->[1] eq '42601' && $_->[0] !~ /audit\.(?:api_estimate|api_key|add_truncate_triggers)\(/ } @mine), '',
		"$role: no argument is taken for SQL");
	is(show(grep { !$may{ ($_->[0] =~ /SELECT ([\w.]+)/)[0] } && $_->[1] !~ /^(?:42501|54001)$/ } @$failed), '', "$role: who may not call hears of that alone");
	cmp_ok(scalar(@mine), '>', 0, "$role: some calls are refused for their arguments");
	is($then, 'create100 create101 create102 update100 delete100 delete101 delete102', "$role: the session records its changes as ever")
	  unless $role eq 'anyone';
}

# What was promised to be read only writes nothing, as on a standby.
my @once = map { (calls($_))[1] } @functions;
my (undef, $wrote) = $node->psql($db, "SET client_min_messages = error;\n" . join('', map { "\\o /dev/null\nBEGIN READ ONLY;\n$once[$_];\n\\o\n"
		. "SELECT $_ WHERE pg_current_xact_id_if_assigned() IS NOT NULL;\nROLLBACK;\n" } 0 .. $#once), on_error_stop => 0);
is(join("\n", map { $once[$_] } split /\n/, $wrote), '', 'no function writes in a read-only transaction');

is(sql('SELECT pg_postmaster_start_time()'), $started, 'the server lives');
is(contents(), $contents, 'no table and no trigger has changed');
done_testing();
