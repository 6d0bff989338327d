# The ledger of databases of other encodings than UTF-8.  Most have no form for
# the dash that signature lines begin with: whoever gets a checkpoint, in SQL,
# from a file, by a program, over HTTP or in a dump, gets what was signed.  And
# some hold text that has no form in UTF-8: its records are sealed, shown and
# verified all the same.  It needs databases, programs and clients of several
# encodings.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Digest::SHA;
use Frontend;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($verifier, $witness, $checker) = map { AuditLog::program("audit_log_$_") } qw(verify witness verify_record);
mkdir "$dir/checkpoints" or die;
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$dir/witness.pem");
# Clients may be of another encoding again.
my $node = AuditLog::start_node('encodings', 'client_encoding = sql_ascii', "audit.checkpoint_dir = '$dir/checkpoints'");
my $role;

sub sql
{
	return $node->safe_psql(@_[ 0, 1 ]);
}

# sqls(DB, STATEMENT...): each in a transaction of its own
sub sqls
{
	my ($db, @statements) = @_;
	sql($db, $_) for @statements;
	return;
}

# create_db(DB, ENCODING, KEY): an empty database with a key of that name
sub create_db
{
	my ($db, $encoding, $key) = @_;
	sqls('postgres', "CREATE DATABASE $db ENCODING '$encoding' LOCALE 'C' TEMPLATE template0",
		"LOAD 'audit_log'; ALTER DATABASE $db SET audit.ledger_key = '$dir/$key.pem'");
	return;
}

# clean(DB, WHAT, ARGUMENT...): none of the verifiers finds anything
sub clean
{
	my ($db, $what, @args) = @_;
	is(sql($db, 'SELECT * FROM audit.verify_ledger(0, NULL, audit.checkpoint())'), '', "$what: no finding");
	is(sql($db, 'SELECT * FROM audit.crosscheck_ledger(audit.checkpoint())'), '', '  none in plain SQL');
	return if $db eq 'mule_internal';	# no client of another encoding can connect
	$node->command_checks_all([ $verifier, @args, $node->connstr($db) ], 0, [qr/^$/], [qr/; [1-9]\d* signed checkpoints,.* no findings$/m],
		'  none outside');
	return;
}

# hex_of(PATH): what is in a file
sub hex_of
{
	return unpack 'H*', slurp_file($_[0]);
}

for (
	[ 'LATIN1', "\xe9" ], [ 'EUC_JP', "\xc6\xfc" ], [ 'WIN1252', "\x80" ],
	[ 'MULE_INTERNAL', 'x' ], [ 'SQL_ASCII', "\xc3\xa9" ], [ 'UTF8', "\xc3\xa9" ])
{
	my ($encoding, $letter) = @$_;
	my $db = lc $encoding;
	my $bytes = unpack 'H*', $letter;

	create_db($db, $encoding, $db);
	sqls($db, 'CREATE EXTENSION audit_log CASCADE', 'CREATE TABLE things (id int PRIMARY KEY, note text)', q{SELECT audit.enable('things')},
		"INSERT INTO things VALUES (1, convert_from('\\x$bytes', '$encoding'))", 'SELECT audit.seal()');
	my $file = (glob "$dir/checkpoints/*${db}.checkpoint")[0] or die;
	my $key = sql($db, 'SELECT verifier FROM audit.checkpoint_keys');
	my $note = slurp_file($file);
	like($note, qr/\n\n\xe2\x80\x94 \S+ \S+\n\z/, "$encoding: the checkpoint file is a signed note");
	is(sql($db, q{SELECT encode(audit.note_bytes(audit.checkpoint()), 'hex')}), unpack('H*', $note), '  the database gives its bytes');
	is(sql($db, "SELECT audit.note_text('\\x" . unpack('H*', $note) . "') = audit.checkpoint()"), 't', '  and takes them');
	is(sql($db, 'SELECT count(*) FROM audit.blocks WHERE checkpoint = audit.checkpoint()'), 1, '  its blocks show the same text');
	clean($db, '  a signed ledger', '-k', $key);

	# Witnesses
	my @keep = ($witness, '-k', $key, '-d', "$dir/kept_$db");
	$node->command_ok([ @keep, $node->connstr($db) ], '  a witness keeps its checkpoint');
	is(hex_of("$dir/kept_$db/checkpoint"), unpack('H*', $note), '  byte for byte');
	sqls($db, q{INSERT INTO things VALUES (2, 'more')}, 'SELECT audit.seal()');
	my @sign = (@keep, '-s', "$dir/witness.pem", '-n', 'witness.example', '-a');
	IPC::Run::run([ $witness, '-s', "$dir/witness.pem", '-n', 'witness.example', '-p' ], '>', \my $trusted) or die;
	chomp $trusted;
	is(sql($db, "SELECT audit.add_ledger_key('$trusted')"), 'witness.example', '  a witness is trusted');
	$node->command_ok([ @sign, $node->connstr($db) ], '  and signs');
	like(slurp_file($file), qr/\n\xe2\x80\x94 witness\.example \S+\n\z/, '  its line gets into the file');
	is(hex_of("$dir/kept_$db/checkpoint"), hex_of($file), '  and both have the same checkpoint');
	is(sql($db, "SELECT audit.add_signature(split_part(audit.checkpoint(), E'\\n', 6)); SELECT signatures FROM audit.status"), "\n2", '  a line is not added twice');
	is(sql($db, "SELECT count(*) FROM audit.verify_ledger(0, NULL, audit.note_text('\\x" . hex_of("$dir/kept_$db/checkpoint") . "'))"), 0,
		'  what it kept is verified inside');
	# One whose name is not ASCII; its line is given without the dash.
	if ($encoding eq 'LATIN1' || $encoding eq 'UTF8')
	{
		my $name = "t\xc3\xa9moin";
		my $public = substr scalar(qx{openssl pkey -in $dir/witness.pem -pubout -outform DER}), 12;
		my $id = substr Digest::SHA::sha256("$name\n\x01$public"), 0, 4;
		append_to_file("$dir/text_$db", (slurp_file($file) =~ /\A((?:.*\n){3})/)[0]);
		my $signature = qx{openssl pkeyutl -sign -inkey $dir/witness.pem -rawin -in $dir/text_$db};
		my $signed = "$name " . encode_base64($id . $signature, '');
		sqls($db, "SET client_encoding = utf8; SELECT audit.add_ledger_key('$name+" . unpack('H*', $id) . '+' . encode_base64("\x01$public", '') . "')",
			"SET client_encoding = utf8; SELECT audit.add_signature('$signed')");
		like(slurp_file($file), qr/\n\xe2\x80\x94 \Q$signed\E\n\z/, '  one with another name as well');
	}
	sqls($db, 'SELECT audit.rotate_key()', 'SELECT audit.seal()');
	$node->command_ok([ @keep, $node->connstr($db) ], '  it follows when the key is replaced');
	clean($db, '  a ledger with a witness', '-k', $key, '-k', $trusted, '-c', "$dir/kept_$db/checkpoint");

	# Files, by the verifier and by psql
	my @folders = ("$dir/psql_$db", $encoding eq 'MULE_INTERNAL' ? () : "$dir/saved_$db");
	$node->command_ok([ $verifier, '-k', $key, '-s', $_, $node->connstr($db) ], '  it is saved') for @folders[ 1 .. $#folders ];
	mkdir "$dir/psql_$db";
	{
		local $ENV{PGCLIENTENCODING} = $encoding eq 'MULE_INTERNAL' ? 'SQL_ASCII' : 'UTF8';
		system_or_bail('psql', '-XAtq', '-d', $node->connstr($db), '-o', "$dir/psql_$db/$_->[0].jsonl", '-c', "SELECT row_to_json(r) FROM $_->[1] r")
		  for [ 'records', 'audit.export()' ], [ 'blocks', 'audit.blocks' ];
	}
	$node->command_ok([ $verifier, '-k', $key, '-c', "$dir/kept_$db/checkpoint", '-f', $_ ], '  and verified from files') for @folders;

	# Tampering
	is(sql($db, qq{BEGIN; ALTER TABLE audit.ledger_signatures DISABLE TRIGGER ALL;
		UPDATE audit.ledger_signatures SET line = overlay(line placing CASE substr(line, length(line) - 10, 1) WHEN 'A' THEN 'B' ELSE 'A' END from length(line) - 10 for 1)
			WHERE size = 1;
		SELECT kind, leaf FROM audit.verify_ledger() ORDER BY leaf;
		ROLLBACK}), 'signature|1', '  a changed signature is found');

	# HTTP
	next if $encoding eq 'MULE_INTERNAL';
	$role ||= Frontend::create_role($node, $db, 'web');
	my $web = Frontend->start($node, $db);
	is(unpack('H*', $web->get('/checkpoint')->{content}), hex_of($file), '  HTTP gives the checkpoint');
	my $id = sql($db, 'SELECT id FROM audit.objects ORDER BY id LIMIT 1');
	is($web->get("/audit/proof/$id")->{status}, 200, '  and a proof');
	append_to_file("$dir/$db.proof", $web->get("/audit/proof/$id")->{content});
	append_to_file("$dir/$db.json", $web->get("/audit/objects/$id")->{content});
	$node->command_like([ $checker, '-k', sql($db, q{SELECT verifier FROM audit.checkpoint_keys WHERE own AND last_size IS NULL}), "$dir/$db.json", "$dir/$db.proof" ],
		qr/^Verified: /, '  by which a record is verified');
	ok($web->stop, '  and ends');
}

# Records with text that has no UTF-8 form, in names of columns, values and the
# context: bytes of SQL_ASCII, characters of EUC_JP
for (['ascii', 'SQL_ASCII', "\xfe\x41"], ['eucjp', 'EUC_JP', "\xf5\xa1"])
{
	my ($db, $encoding, $odd) = @$_;
	my $bytes = unpack 'H*', $odd;

	create_db($db, $encoding, $db);
	sqls($db, 'CREATE EXTENSION audit_log CASCADE', qq{CREATE TABLE things (id int PRIMARY KEY, note text, "\xe3\xc1$odd" text)}, q{SELECT audit.enable('things')},
		"INSERT INTO things VALUES (1, 'plain'), (2, convert_from('\\x$bytes', '$encoding')), (3, 'after it')",
		"BEGIN; SELECT set_config('audit.rbac_user_name', convert_from('\\x$bytes', '$encoding'), true);"
		  . " SELECT audit.log_request('POST', '/things', 201, convert_from('\\x$bytes', '$encoding')); COMMIT",
		q{INSERT INTO things VALUES (4, '\u0000fe41 "\u0000'), (5, E'\\\\u0000')}, 'SELECT audit.seal()');
	my $key = sql($db, 'SELECT verifier FROM audit.checkpoint_keys');
	clean($db, "$encoding: records without a UTF-8 form", '-k', $key);
	my $id = sql($db, q{SELECT id FROM audit.objects WHERE entity_key = '2'});
	{
		local $ENV{PGCLIENTENCODING} = 'UTF8';
		my ($request) = $node->safe_psql($db, 'SELECT audit.record(r) FROM audit.requests r');
		like($request, qr/"payload":"\\u0000$bytes"/, '  a client of UTF-8 gets them as their bytes') or diag $request;
		is($node->safe_psql($db, 'SELECT count(*), count(audit.verify(audit.record(o))), count(audit.verify(audit.record(o), public_key)) FROM audit.objects o, audit.checkpoint_keys'),
			'5|0|0', '  without a signature');
		mkdir "$dir/psql_$db";
		system_or_bail('psql', '-XAtq', '-d', $node->connstr($db), '-o', "$dir/psql_$db/$_->[0].jsonl", '-c', "SELECT row_to_json(r) FROM $_->[1] r")
		  for [ 'records', 'audit.export()' ], [ 'blocks', 'audit.blocks' ];
	}
	$node->command_ok([ $verifier, '-k', $key, '-s', "$dir/saved_$db", $node->connstr($db) ], '  what is read of them can be saved');
	$node->command_ok([ $verifier, '-k', $key, '-f', "$dir/${_}_$db" ], '  and verified from files') for 'saved', 'psql';

	my $web = Frontend->start($node, $db);
	like($web->get('/audit/requests')->{content}, qr/"payload":"\\u0000$bytes"/, '  HTTP shows them');
	is(scalar @{ $web->get('/audit/objects')->{json}{data} }, 5, '  in lists');
	is($web->get("/audit/verify?ids=$id")->{json}{data}{$id}{$_->[0]}, $_->[1], "  $_->[0]: $_->[1]") for [ 'ledger', 'sealed' ], [ 'signature', 'none' ];
	is($web->get('/audit/log')->{json}{next_leaf}, 6, '  and by position');
	append_to_file("$dir/$db.json", $web->get("/audit/objects/$id")->{content});
	append_to_file("$dir/$db.proof", $web->get("/audit/proof/$id")->{content});
	$node->command_like([ $checker, '-k', $key, "$dir/$db.json", "$dir/$db.proof" ], qr/^Verified: /, '  and each by its proof');
	$web->stop;

	# Text that looks like it is another text.
	my $leaf = sql($db, "SELECT audit.leaf('$id')");
	for (
		[ q{entity = replace(entity::text, 'plain', 'plane')::json}, q{entity_key = '1'}, 0 ],
		[ "entity = overlay(entity::text placing 'x' from position('note' in entity::text) + 7)::json", "id = '$id'", $leaf ],
		[ "dao_name = E'\\\\u0000' || encode(convert_to(dao_name, getdatabaseencoding()), 'hex')", "id = '$id'", $leaf ])
	{
		my ($change, $where, $found) = @$_;
		my $copy = "${db}_changed";
		sql('postgres', "DROP DATABASE IF EXISTS $copy");
		sql('postgres', "CREATE DATABASE $copy TEMPLATE $db");
		sql($copy, "ALTER TABLE audit.audit_objects DISABLE TRIGGER ALL; UPDATE audit.audit_objects SET $change WHERE $where");
		is(sql($copy, 'SELECT kind, leaf FROM audit.verify_ledger()'), "changed|$found", '  a change is found');
		is(sql($copy, 'SELECT kind, leaf FROM audit.crosscheck_ledger()'), "changed|$found", '  in plain SQL');
		$node->command_checks_all([ $verifier, '-k', $key, $node->connstr($copy) ], 1, [qr/^changed\t$found\t[^\n]*\n\z/], [], '  and outside');
	}
}

# A dump is restored, and the ledger goes on, where text is of another encoding.
for (['latin1', 'UTF8'], ['utf8', 'LATIN1'], ['euc_jp', 'UTF8'])
{
	my ($from, $encoding) = @$_;
	my $to = "from_$from";
	my $key = sql($from, 'SELECT verifier FROM audit.checkpoint_keys ORDER BY first_size LIMIT 1');

	create_db($to, $encoding, $from);
	$node->command_ok([ 'pg_dump', '-Fc', '-E', 'UTF8', '-f', "$dir/$from.dump", '-d', $node->connstr($from) ], "$from: a dump");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($to), "$dir/$from.dump" ], "  is restored as $encoding");
	sqls($to, q{SELECT audit.new_generation('restored')}, 'SELECT audit.seal()', q{INSERT INTO things VALUES (3, 'more')}, 'SELECT audit.seal()');
	is(sql($to, q{SELECT encode(audit.note_bytes(audit.checkpoint(1)), 'hex')}), sql($from, q{SELECT encode(audit.note_bytes(audit.checkpoint(1)), 'hex')}),
		'  its checkpoints are the same bytes');
	clean($to, '  the ledger that goes on', '-k', $key);
}

done_testing();
