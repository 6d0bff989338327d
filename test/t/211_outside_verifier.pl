# audit_log_verify, with a public key alone: a clean log gives nothing, each
# kind of tampering its finding, from a database and from exported files, and
# it agrees with audit.verify_ledger() and with the cross-check in plain SQL.
# It is a program, and needs a tampered copy of the database for each case.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog qw(put_file);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $verifier = AuditLog::program('audit_log_verify');
AuditLog::make_key("$dir/records.pem");
system_or_bail('sh', '-c',
	"cd $dir && openssl rsa -in records.pem -pubout -out records.pub 2>/dev/null"
	  . " && openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -out stranger.pub 2>/dev/null");
my $node = AuditLog::start_node('ledger', "audit.ledger_key = '$dir/ledger.pem'",
	"audit.signing_key = '$dir/records.pem'", "audit.ledger_origin = 'example.com/shop'",
	'fsync = off');
my $base = AuditLog::create_db($node, 'base');

sub sql
{
	my ($db, $sql) = @_;
	return $node->safe_psql($db, $sql);
}

# verify ARGUMENT...: status, findings (kind, leaf, id, detail), standard error
sub verify
{
	my ($out, $err) = ('', '');

	IPC::Run::run([ $verifier, @_ ], '<', \undef, '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	return ($status, [ map { [ split /\t/ ] } split /\n/, $out ], $err);
}

# ------------------------------------------------------------- a clean log

sql($base, q{
	CREATE TABLE goods (id int PRIMARY KEY, name text);
	SELECT audit.enable('goods');
	INSERT INTO goods SELECT g, 'name ' || g FROM generate_series(1, 300) g;
	SELECT audit.log_request('POST', '/goods', 201, '{"a": 1}', duration_ms => 1.50); });
sql($base, 'SELECT audit.seal()');
my $early = put_file("$dir/early", sql($base, 'SELECT audit.checkpoint()') . "\n");
my $key = sql($base, q{SELECT verifier FROM audit.checkpoint_keys WHERE algorithm = 'Ed25519'});
for my $i (1 .. 5)
{
	sql($base, "UPDATE goods SET name = 'é \"' || $i WHERE id <= $i;"
		  . " SELECT audit.log_request('GET', '/goods/$i', 200)");
	sql($base, 'SELECT audit.seal()');
}
sql($base, q{BEGIN; SET LOCAL audit.record_ttl = 1; DELETE FROM goods WHERE id > 290; COMMIT});
sql($base, 'SELECT audit.seal()');
sql($base, q{SELECT audit.erase(id, 'asked for') FROM audit.export(2, 2)});
sql($base, 'SELECT audit.rotate_key()');
sql($base, q{INSERT INTO goods SELECT g, 'more' FROM generate_series(1001, 1400) g});
sql($base, 'SELECT audit.seal()');
my $late = put_file("$dir/late", sql($base, 'SELECT audit.checkpoint()') . "\n");
sql($base, q{UPDATE goods SET name = 'last' WHERE id < 6});
sql($base, 'SELECT audit.seal()');
ok($node->poll_query_until($base, q{SELECT bool_or(state = 'expired') FROM audit.export()}), 'some records expire');
sql($base, q{SELECT audit.purge()});

my @trust = ('-k', $key, '-r', "$dir/records.pub");
my @kept = ('-c', $early, '-c', $late);
my ($status, $found, $err) = verify(@trust, @kept, $node->connstr($base));
is($status, 0, 'a clean log verifies, with the first key alone') or diag $err;
is_deeply($found, [], 'and nothing is found');
like($err, qr/^\d+ leaves in 9 blocks: \d+ records, 10 expired, 2 erased; 9 signed checkpoints, [1-9]\d+ record signatures verified; no findings$/m,
	'and the sum says what was verified');
unlike($err, qr/\r/, 'without a terminal there is no progress');
is(sql($base, 'SELECT count(*) FROM audit.verify_ledger()'), 0, 'so does audit.verify_ledger()');
is(sql($base, 'SELECT count(*) FROM audit.crosscheck_ledger()'), 0, 'and the cross-check');

sql($base, q{INSERT INTO goods VALUES (7777, 'waits')});
($status, $found, $err) = verify(@trust, $node->connstr($base));
is($status, 0, 'a record that waits is no finding');
like($err, qr/^1 records wait to be sealed$/m, 'it is told');

my $saved = "$dir/saved";
($status) = verify(@trust, '-s', $saved, $node->connstr($base));
is($status, 0, 'what is read can be saved');
($status, $found, $err) = verify(@trust, @kept, '-f', $saved);
is($status, 0, 'and verified again without a server') or diag $err;
my %tiles = map { split /\t/ } split /\n/,
  sql($base, q{COPY (SELECT path, encode(data, 'hex') FROM audit.tiles()) TO STDOUT});
for my $path (keys %tiles)
{
	my ($folder) = $path =~ m{(.*)/};
	system_or_bail('mkdir', '-p', "$saved/$folder");
	put_file("$saved/$path", pack 'H*', $tiles{$path});
}
($status, $found, $err) = verify(@trust, '-f', $saved);
is($status, 0, 'with the tiles as well') or diag $err;

# What psql exports is the same.
mkdir "$dir/psql";
$node->command_ok(
	[ 'psql', '-XAtq', '-v', 'FETCH_COUNT=100', '-d', $node->connstr($base), '-o', "$dir/psql/$_->[0].jsonl", '-c', $_->[1] ],
	"psql exports $_->[0]")
  for [ 'records', 'SELECT row_to_json(audit.export())' ],
  [ 'blocks', 'SELECT row_to_json(b) FROM audit.blocks b ORDER BY block' ];
($status, $found, $err) = verify(@trust, @kept, '-f', "$dir/psql");
is($status, 0, 'what psql exported verifies') or diag $err;

# ------------------------------------------------------- the command line

$node->command_like([ $verifier, '--help' ], qr/^Usage:/m, '--help');
$node->command_like([ $verifier, '--version' ], qr/^audit_log_verify \d/, '--version');
for my $case (
	[ [], qr/no --key was given/ ],
	[ [ '-k', "$dir/nothing" ], qr/key ".*nothing": could not open/ ],
	[ [ '-k', 'a+b+c' ], qr/key "a\+b\+c": / ],
	[ [ '-k', $early ], qr/key ".*early": / ],
	[ [ '-u', '-k', $key ], qr/either --key or --unsigned/ ],
	[ [ '-u', '-f', $saved, 'x' ], qr/either a database or --files/ ],
	[ [ '-u', '-f', $saved, '-s', 'x' ], qr/--save is for/ ],
	[ [ '-u', 'a', 'b' ], qr/too many arguments/ ],
	[ [ '-u', '-f', "$dir/nothing" ], qr/could not verify: could not open ".*records.jsonl"/ ],
	[ [ '-u', '-c', "$dir/records.pub" ], qr/checkpoint ".*records.pub": / ],
	[ [ '-u', '-r', $early ], qr/record key ".*early": / ],
	[ [ '-u', '--bad' ], qr/--help/ ],
	[ [ '-u', "host=$dir dbname=nowhere" ], qr/could not verify: connection to server/ ])
{
	my ($status, $found, $err) = verify(@{ $case->[0] });
	is($status, 2, "exit status 2: @{ $case->[0] }");
	like($err, $case->[1], 'and it says why');
}
sql($base, 'CREATE ROLE outsider LOGIN; CREATE ROLE reader LOGIN IN ROLE audit_log_reader');
($status, $found, $err) = verify('-k', $key, $node->connstr($base) . ' user=outsider');
is($status, 2, 'whoever may not read the log cannot verify it');
like($err, qr/permission denied.*must be in audit_log_reader/, 'and is told so');
($status, $found, $err) = verify('-k', $key, $node->connstr('template1'));
is("$status $err" =~ s/\n//gr, '2 audit_log_verify: could not verify: relation "audit.blocks" does not exist (is the extension audit_log in this database?)',
	'nor a database without the extension');
append_to_file("$dir/ed25519.pub", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n");
(undef, undef, $err) = verify('-k', "$dir/ed25519.pub", $node->connstr($base));
like($err, qr/given as name\+id\+key/, 'an Ed25519 key needs its name');
($status) = verify('-k', $key, $node->connstr($base) . ' user=reader');
is($status, 0, 'a member of audit_log_reader can');
($status, $found) = verify('-k', "$dir/stranger.pub", $node->connstr($base));
is($status, 1, 'checkpoints by another key are a finding');
is_deeply([ map { $_->[0] } @$found ], ['signature'], 'of this kind');
($status, $found) = verify('-k', $key, '-r', "$dir/stranger.pub", $node->connstr($base));
is($found->[0][0], 'signature', 'so are records by another key');
($status, $found, $err) = verify('-k', $key, '-q', $node->connstr($base));
is($err, '', '--quiet tells findings only');

# ------------------------------------------------------------- tampering

my $number = 0;

# tampered NAME SQL: a copy of the log that a superuser has changed
sub tampered
{
	my ($sql) = @_;
	my $db = 'tampered_' . ++$number;

	# A copy that passes for the original: else it would not be sealed.
	sql('postgres', "CREATE DATABASE $db TEMPLATE $base");
	sql($db, q{ALTER TABLE audit.ledger_generations DISABLE TRIGGER ALL;
		UPDATE audit.ledger_generations SET database = (SELECT oid FROM pg_database WHERE datname = current_database())});
	sql($db, q{DO $$ DECLARE t regclass; BEGIN
		FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind = 'r'
		LOOP EXECUTE 'ALTER TABLE ' || t || ' DISABLE TRIGGER ALL'; END LOOP; END $$; } . $sql)
	  if $sql;
	return $db;
}

sub kinds
{
	my %seen = map { $_->[0] => 1 } @{ $_[0] };
	return join ' ', sort keys %seen;
}

# Findings about records, as comparable text
sub about_records
{
	return join ' ', sort map { "$_->[0]:$_->[2]" }
	  grep { $_->[0] =~ /^(changed|deleted|inserted)$/ } @{ $_[0] };
}

sub in_sql
{
	my ($db, $query) = @_;
	return [ map { [ split /\|/ ] } split /\n/,
		sql($db, "SELECT kind, coalesce(leaf::text, '-'), coalesce(id::text, '-') FROM $query") ];
}

my $row = q{(SELECT id FROM audit.export() WHERE leaf = 100)};
my $shift = q{UPDATE audit.ledger_bundles SET inner_hashes = set_byte(inner_hashes, 39, 255 - get_byte(inner_hashes, 39))};
for my $case (
	# name, statements, kinds that are found
	[ 'a changed value',
		qq{UPDATE audit.audit_objects SET entity = '{"id":101,"name":"forged"}' WHERE id = $row}, 'changed' ],
	[ 'a changed author', qq{UPDATE audit.audit_objects SET db_user = 'mallory' WHERE id = $row}, 'changed' ],
	[ 'a changed request', q{UPDATE audit.audit_requests SET path = '/other' WHERE path = '/goods/3'}, 'changed' ],
	[ 'a changed time', qq{UPDATE audit.audit_objects SET occurred_at = occurred_at + interval '1 us' WHERE id = $row}, 'changed' ],
	[ 'a changed salt', qq{UPDATE audit.audit_objects SET salt = substr(sha256('x'), 1, 16) WHERE id = $row}, 'changed' ],
	[ 'a later expiry', qq{UPDATE audit.audit_objects SET expire = expire + interval '1 day' WHERE id = $row}, 'changed' ],
	[ 'an expiry that was taken away', qq{UPDATE audit.audit_objects SET expire = NULL WHERE id = $row}, 'changed' ],
	[ 'another transaction', qq{UPDATE audit.audit_objects SET txid = (txid::text::bigint + 1)::text::xid8 WHERE id = $row}, 'changed moved' ],
	[ 'a deleted record', qq{DELETE FROM audit.audit_objects WHERE id = $row}, 'deleted' ],
	[ 'a deleted request', q{DELETE FROM audit.audit_requests WHERE path = '/goods/3'}, 'deleted' ],
	[ 'an early purge', qq{UPDATE audit.audit_objects SET expire = now() - interval '1 day' WHERE id = $row;
		DELETE FROM audit.audit_objects WHERE id = $row}, 'deleted' ],
	[ 'records deleted after an erasure of another', q{DELETE FROM audit.audit_objects WHERE id IN (SELECT id FROM audit.export(4, 3))}, 'deleted' ],
	[ 'a back-dated record',
		qq{INSERT INTO audit.audit_objects SELECT (jsonb_populate_record(o, jsonb_build_object('id', 'f' || substr(id::text, 2)))).*
		   FROM audit.audit_objects o WHERE id = $row}, 'inserted' ],
	[ 'a record of no transaction',
		qq{INSERT INTO audit.audit_objects SELECT (jsonb_populate_record(o, jsonb_build_object('id', 'f' || substr(id::text, 2), 'txid', '0'))).*
		   FROM audit.audit_objects o WHERE id = $row}, 'inserted' ],
	[ 'a record from the future',
		qq{INSERT INTO audit.audit_objects SELECT (jsonb_populate_record(o, jsonb_build_object('id', 'f' || substr(id::text, 2), 'txid', '99999999'))).*
		   FROM audit.audit_objects o WHERE id = $row}, 'future' ],
	[ 'two records that swapped their ids', q{
		UPDATE audit.audit_objects SET id = 'ffffffff-ffff-7fff-bfff-ffffffffffff' WHERE id = (SELECT id FROM audit.export(110, 1));
		UPDATE audit.audit_objects SET id = (SELECT id FROM audit.export(110, 1)) WHERE id = (SELECT id FROM audit.export(111, 1));
		UPDATE audit.audit_objects SET id = (SELECT id FROM audit.export(111, 1)) WHERE id = 'ffffffff-ffff-7fff-bfff-ffffffffffff'}, 'changed' ],
	[ 'a changed leaf', "$shift WHERE first_leaf = 0", 'changed checkpoint node root' ],
	[ 'a leaf that was made to fit', qq{UPDATE audit.audit_objects SET application_name = 'forged' WHERE id = $row;
		UPDATE audit.ledger_bundles b SET inner_hashes = overlay(inner_hashes placing audit.ledger_inner_hash(t.meta, t.salt, t.data) from 32 * 100 + 1)
		FROM audit.ledger_texts t WHERE b.first_leaf = 0 AND t.id = $row}, 'checkpoint node root signature' ],
	[ 'leaves that are gone', q{DELETE FROM audit.ledger_bundles WHERE first_leaf = 0}, 'bundle checkpoint' ],
	[ 'a bundle that cannot be read', q{ALTER TABLE audit.ledger_bundles DROP CONSTRAINT ledger_bundles_length_check;
		UPDATE audit.ledger_bundles SET ids = '\x00' WHERE first_leaf = 0}, 'bundle checkpoint' ],
	[ 'a changed node', q{UPDATE audit.ledger_nodes SET hash = sha256('x') WHERE level = 8 AND index = 1}, 'node' ],
	[ 'a node that is gone', q{DELETE FROM audit.ledger_nodes WHERE level = 8 AND index = 0}, 'node' ],
	[ 'a changed root', q{UPDATE audit.ledger_blocks SET root = sha256('x') WHERE block = 4}, 'root signature' ],
	[ 'a block that is gone', q{DELETE FROM audit.ledger_blocks WHERE block = 4}, 'block' ],
	[ 'a changed snapshot', q{UPDATE audit.ledger_blocks SET snapshot = '3:3:' WHERE block = 4}, 'block moved' ],
	[ 'a changed signature', q{UPDATE audit.ledger_signatures SET line = left(line, 45) || 'AAAA' || substr(line, 50)
		WHERE size = (SELECT size FROM audit.ledger_blocks WHERE block = 5)}, 'signature' ],
	[ 'a signature that is none', q{UPDATE audit.ledger_signatures SET line = 'x'
		WHERE size = (SELECT size FROM audit.ledger_blocks WHERE block = 5)}, 'signature' ],
	[ 'signatures that are gone', q{DELETE FROM audit.ledger_signatures
		WHERE size = (SELECT size FROM audit.ledger_blocks ORDER BY block DESC LIMIT 1)}, 'signature' ],
	[ 'signatures that are gone in between', q{DELETE FROM audit.ledger_signatures
		WHERE size IN (SELECT size FROM audit.ledger_blocks WHERE block IN (3, 4))}, 'signature' ],
	[ 'no signature left', q{DELETE FROM audit.ledger_signatures}, 'signature' ],
	[ 'a tail that was cut', q{DELETE FROM audit.ledger_blocks WHERE block >= 8; DELETE FROM audit.ledger_bundles WHERE first_leaf >=
			(SELECT size FROM audit.ledger_blocks WHERE block = 7);
		DELETE FROM audit.audit_objects WHERE NOT pg_visible_in_snapshot(txid, (SELECT snapshot FROM audit.ledger_blocks WHERE block = 7));
		DELETE FROM audit.ledger_nodes n WHERE (n.index + 1) * 256 > (SELECT size FROM audit.ledger_blocks WHERE block = 7)}, 'deleted rolled_back' ],
	[ 'blocks that were cut', q{DELETE FROM audit.ledger_blocks WHERE block >= 9}, 'bundle' ],
	[ 'a ledger that is gone', q{TRUNCATE audit.ledger_blocks, audit.ledger_bundles, audit.ledger_nodes, audit.ledger_generations, audit.ledger_signatures}, 'rolled_back' ],
	[ 'a generation that is gone', q{DELETE FROM audit.ledger_generations}, 'checkpoint generation signature' ])
{
	my ($name, $sql, $expected) = @$case;
	my $db = tampered($sql);
	my ($status, $found, $err) = verify(@trust, @kept, '-s', "$dir/$db", $node->connstr($db));
	is($status, 1, "$name is found") or diag $err;
	is(kinds($found), $expected, "as this") or diag explain $found;

	my ($status2, $found2) = verify(@trust, @kept, '-f', "$dir/$db");
	is(kinds($found2), join(' ', grep { !/^(inserted|future|node)$/ } split / /, $expected),
		'in the files as well, but for what they do not hold') or diag explain $found2;

	my $late_text = slurp_file($late);
	my $server = in_sql($db, "audit.verify_ledger(checkpoint => '$late_text')");
	is(about_records($server), about_records($found), 'audit.verify_ledger() finds the same records')
	  or diag explain [ $server, $found ];
	my %server_kinds = map { $_->[0] => 1 } @$server;
	is(scalar(grep { !$server_kinds{ $_->[0] } && $_->[0] !~ /^(signature|checkpoint)$/ } @$found), 0, 'and the same kinds')
	  or diag explain [ $server, $found ];
	my $plain = in_sql($db, 'audit.crosscheck_ledger()');
	# It compares each record with its leaf, and calls one without a leaf inserted.
	$plain = [ grep { $_->[0] ne 'inserted' } @$plain ] if $expected =~ /bundle/;
	is(about_records($plain), about_records($found), 'so does the cross-check')
	  or diag explain [ $plain, $found ];
}

# ------------------------------------------- what only a kept checkpoint shows

# Nor may an exported file name another ledger for some of its blocks.
mkdir "$dir/renamed";
put_file("$dir/renamed/records.jsonl", slurp_file("$saved/records.jsonl"));
put_file("$dir/renamed/blocks.jsonl", join '', map { s/example\.com/example.net/g if /"block":4,/; "$_\n" }
	split /\n/, slurp_file("$saved/blocks.jsonl"));
($status, $found) = verify('-k', $key, '-f', "$dir/renamed");
is(kinds($found), 'generation signature', 'a block with another origin is found, and that no key signed it') or diag explain $found;

my $new_key = sql($base, q{SELECT verifier FROM audit.checkpoint_keys
	WHERE algorithm = 'Ed25519' AND own AND last_size IS NULL});
my $rebuilt = tampered(qq{UPDATE audit.audit_objects SET db_user = 'mallory' WHERE id = $row;
	TRUNCATE audit.ledger_blocks, audit.ledger_bundles, audit.ledger_nodes, audit.ledger_generations, audit.ledger_signatures});
sql($rebuilt, 'SELECT audit.seal()');
($status, $found) = verify('-k', $new_key, $node->connstr($rebuilt));
is($status, 0, 'a ledger that was built again and signed with the key fits itself');
($status, $found) = verify('-k', $new_key, '-c', $late, $node->connstr($rebuilt));
is($status, 1, 'but not a checkpoint that was kept');
is(kinds($found), 'checkpoint', 'which names it') or diag explain $found;
like(join(' ', @{ in_sql($rebuilt, "audit.verify_ledger(checkpoint => '" . slurp_file($late) . "')")->[0] }),
	qr/^checkpoint /, 'so says audit.verify_ledger()');

my $older = tampered('');
sql($older, q{INSERT INTO goods VALUES (9001, 'here')});
sql($older, 'SELECT audit.seal()');
sql($base, q{INSERT INTO goods VALUES (9002, 'there'), (9003, 'there'), (9004, 'there')});
sql($base, 'SELECT audit.seal()');
put_file("$dir/there", sql($base, 'SELECT audit.checkpoint()'));
($status, $found) = verify('-k', $key, '-c', "$dir/there", $node->connstr($older));
is(kinds($found), 'rolled_back', 'an older copy that went on is shorter');
sql($older, q{INSERT INTO goods SELECT g, 'here' FROM generate_series(9100, 9200) g});
sql($older, 'SELECT audit.seal()');
($status, $found) = verify('-k', $key, '-c', "$dir/there", $node->connstr($older));
is(kinds($found), 'checkpoint', 'or another history');
($status) = verify('-k', $key, $node->connstr($older));
is($status, 0, 'which only a checkpoint shows');

# ------------------------------------------------------------- generations

my $going_on = tampered('');
sql($going_on, q{SELECT audit.new_generation('restored'); INSERT INTO goods VALUES (9300, 'after')});
sql($going_on, 'SELECT audit.seal()');
sql($going_on, q{UPDATE goods SET name = 'later' WHERE id = 9300});
sql($going_on, 'SELECT audit.seal()');
($status, $found, $err) = verify(@trust, @kept, $node->connstr($going_on));
is($status, 0, 'a new generation continues the ledger') or diag explain $found;
sql($going_on, q{ALTER TABLE audit.audit_objects DISABLE TRIGGER ALL;
	DELETE FROM audit.audit_objects WHERE entity ->> 'event' = 'new_generation'});
($status, $found) = verify(@trust, @kept, $node->connstr($going_on));
is(kinds($found), 'deleted generation', 'it begins with its record');

# Taken to another cluster, where transaction ids begin anew
my $other = AuditLog::start_node('other', "audit.ledger_key = '$dir/ledger.pem'",
	"audit.ledger_origin = 'example.com/shop'", 'fsync = off');
sql($base, q{INSERT INTO goods VALUES (9400, 'not sealed there')});
$node->command_ok([ 'pg_dump', '-d', $node->connstr($base), '-f', "$dir/dump.sql" ], 'the database is dumped');
$other->safe_psql('postgres', 'CREATE DATABASE base');
$other->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $other->connstr('base'), '-f', "$dir/dump.sql" ], 'and restored');
$other->safe_psql('base', q{SELECT audit.new_generation('moved'); INSERT INTO goods VALUES (9500, 'sealed here')});
$other->safe_psql('base', 'SELECT audit.seal()');
$other->safe_psql('base', q{UPDATE goods SET name = 'later' WHERE id = 9500});
$other->safe_psql('base', 'SELECT audit.seal()');
($status, $found, $err) = verify(@trust, @kept, $other->connstr('base'));
is($status, 0, 'a ledger that was taken to another cluster verifies') or diag explain [ $err, $found ];
is($other->safe_psql('base', 'SELECT count(*) FROM audit.verify_ledger()'), 0, 'so says audit.verify_ledger()');
$other->safe_psql('base', qq{ALTER TABLE audit.audit_objects DISABLE TRIGGER ALL;
	INSERT INTO audit.audit_objects SELECT (jsonb_populate_record(o, jsonb_build_object('id', substr(id::text, 1, 24) || '00000000000f'))).*
	FROM audit.audit_objects o WHERE id = (SELECT id FROM audit.export(100, 1))});
($status, $found) = verify(@trust, @kept, $other->connstr('base'));
is(kinds($found), 'inserted', 'a record that is older than the move is missed by nobody') or diag explain $found;

done_testing();
