# Time stamps of checkpoints by an authority outside: what openssl asks, we
# ask; what its authority answers is taken, checks with openssl alone, and
# nothing else is taken; what a superuser does to it by hand is found.  It
# needs openssl, a throw-away authority, and copies of a database.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog qw(put_file get_file);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Tampering;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $verifier = AuditLog::program('audit_log_verify');
my $node = AuditLog::start_node('stamped', "audit.ledger_key = '$dir/ledger.pem'",
	"audit.ledger_origin = 'example.com/shop'", 'fsync = off',
	'log_statement = none', 'log_min_error_statement = panic', 'log_min_messages = log');
my $db = AuditLog::create_db($node, 'shop');

sub sql
{
	my ($sql, $in) = @_;
	return $node->safe_psql($in // $db, $sql);
}

# sqlstate(SQL, ROLE): the SQLSTATE of its failure, and the whole message
sub sqlstate
{
	my ($sql, $role) = @_;
	my (undef, undef, $err) = $node->psql($db, "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role // $ENV{PGUSER} // getpwuid $< ]);
	return ($err =~ /ERROR:  (\w{5}): / ? $1 : '', $err);
}

# Files are in that folder.
sub put { return put_file("$dir/$_[0]", $_[1]) }
sub get { return get_file("$dir/$_[0]") }

# openssl(ARGUMENT...): succeeds?, and what it says
sub openssl
{
	my $said = '';
	my $ok = IPC::Run::run([ 'openssl', @_ ], '<', \undef, '>&', \$said, init => sub { chdir $dir or die });
	return wantarray ? ($ok, $said) : $ok;
}

sub literal
{
	return q{'\\x} . unpack('H*', $_[0]) . q{'};
}

# ------------------------------------------------------ an authority, and one more

put('tsa.cnf', join "\n", '[tsa]', 'default_tsa = own', '[own]', 'serial = serial', 'signer_digest = sha256',
	'default_policy = 1.2.3.4.1', 'digests = sha256, sha512', 'accuracy = secs:1', 'clock_precision_digits = 6',
	'ess_cert_id_chain = yes', '');
put('serial', "01\n");
put('stamping', "extendedKeyUsage=critical,timeStamping\n");
put('other', "extendedKeyUsage=serverAuth\n");
for (['ca', 'tsa', 'stamping'], ['ca2', 'tsa2', 'stamping'], ['ca', 'web', 'other'])
{
	my ($ca, $name, $purpose) = @$_;

	-e "$dir/$ca.pem"
	  or openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', "$ca.key", '-out', "$ca.pem", '-subj', "/CN=$ca", '-days', 3)
	  or die;
	openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', "$name.key", '-out', "$name.csr", '-subj', "/CN=$name") or die;
	openssl('x509', '-req', '-in', "$name.csr", '-CA', "$ca.pem", '-CAkey', "$ca.key", '-CAcreateserial', '-extfile', $purpose,
		'-out', "$name.pem", '-days', 2) or die;
}

# reply(REQUEST, AUTHORITY): what an authority answers
sub reply
{
	my ($request, $tsa) = @_;
	$tsa //= 'tsa';
	put('request.tsq', $request);
	my ($ok, $said) = openssl('ts', '-config', 'tsa.cnf', '-reply', '-queryfile', 'request.tsq', '-signer', "$tsa.pem", '-inkey', "$tsa.key",
		'-chain', $tsa eq 'tsa' ? 'ca.pem' : 'ca2.pem', '-out', 'reply.tsr');
	die $said unless $ok;
	return get('reply.tsr');
}

sub request
{
	my ($size) = @_;
	return pack 'H*', sql("SELECT encode(audit.timestamp_request($size), 'hex')");
}

sub add
{
	my ($reply, $size) = @_;
	return sql('SELECT audit.add_timestamp(' . literal($reply) . (defined $size ? ", $size" : '') . q{) AT TIME ZONE 'UTC'});
}

# ------------------------------------------------------------- asking, adding

my ($state, $err) = sqlstate('SELECT audit.timestamp_request()');
is($state, '55000', 'without a checkpoint there is nothing to stamp');
sql(q{CREATE TABLE things (id int PRIMARY KEY, note text); SELECT audit.enable('things');
	INSERT INTO things SELECT g, 'first' FROM generate_series(1, 20) g});
sql('SELECT audit.seal()');
sql(q{INSERT INTO things SELECT g, 'second' FROM generate_series(21, 300) g});
sql('SELECT audit.seal()');
sql('SELECT audit.seal()');    # a heartbeat of the same checkpoint
sub size_of { return sql("SELECT size FROM audit.blocks WHERE block = $_[0]") }
my ($first, $second) = (size_of(1), size_of(2));

# The bytes that are stamped are what psql gives of a checkpoint.
$node->command_ok([ 'sh', '-c', q{psql -XAtd "$0" -c "SELECT audit.checkpoint($1)" | head -n 3 > "$2"}, $node->connstr($db), $second, "$dir/checkpoint" ],
	'the stamped text is the first three lines of a checkpoint');
openssl('ts', '-query', '-data', 'checkpoint', '-sha256', '-cert', '-no_nonce', '-out', 'by_openssl.tsq') or die;
is(unpack('H*', request('')), unpack('H*', get('by_openssl.tsq')), 'the request is what openssl makes of that');
isnt(request($first), request($second), 'each checkpoint has its own');

my $reply = reply(request(''));
my (undef, $text) = openssl('ts', '-reply', '-in', put('kept.tsr', $reply), '-text');
my ($clock, $year) = $text =~ /^Time stamp: (\w+ +\d+ [\d:.]+) (\d+) GMT$/m;
my $time = add($reply);
is($time, sql("SELECT to_timestamp('$clock $year', 'Mon DD HH24:MI:SS.US YYYY')::timestamp"), 'the time of the stamp is returned, to the microsecond');
is(sql(q{SELECT size, generation, kind, stamped_at AT TIME ZONE 'UTC', added_at > now() - interval '1 hour' FROM audit.ledger_anchors}),
	"$second|1|rfc3161|$time|t", 'and the stamp is stored');
is(add($reply), $time, 'it may come again');
my $token = pack 'H*', sql(q{SELECT encode(token, 'hex') FROM audit.ledger_anchors});
is(add($token), $time, 'as a token too');
is(sql('SELECT count(*) FROM audit.ledger_anchors'), 1, 'but is stored once');
ok(add(reply(request($first), 'tsa2'), $first), 'an older checkpoint, by another authority');
is(sql('SELECT size FROM audit.ledger_anchors ORDER BY added_at DESC LIMIT 1'), $first, 'gets its stamp');
is(sql("SELECT audit.add_timestamp(NULL) IS NULL"), 't', 'null adds nothing');
is(sql('SELECT * FROM audit.verify_ledger()'), '', 'the ledger is clean');

# ------------------------------------------------------------ without us

$node->command_ok([ 'sh', '-c', q{psql -XAtd "$0" -c "SELECT encode(token, 'base64') FROM audit.ledger_anchors WHERE size = $1" | base64 -d > "$2"},
		$node->connstr($db), $second, "$dir/token.tst" ], 'psql gives the token');
my @ts = ('ts', '-verify', '-data', 'checkpoint', '-token_in', '-in', 'token.tst');
like((openssl(@ts, '-CAfile', 'ca.pem'))[1], qr/^Verification: OK$/m, 'openssl verifies it over the checkpoint');
ok(!openssl(@ts, '-CAfile', 'ca2.pem'), 'not under another authority');
put('checkpoint', get('checkpoint') =~ s/\n\d+\n/\n1\n/r);
ok(!openssl(@ts, '-CAfile', 'ca.pem'), 'nor over another checkpoint');

# verify ARGUMENT...: status, kinds of findings, standard error
sub verify
{
	my ($out, $err) = ('', '');
	IPC::Run::run([ $verifier, @_ ], '<', \undef, '>', \$out, '2>', \$err);
	my %kinds = map { /^(\w+)/ ? ($1 => 1) : () } split /\n/, $out;
	return ($? >> 8, join(' ', sort keys %kinds), $err);
}

my @key = ('-k', sql(q{SELECT verifier FROM audit.checkpoint_keys}));
put('both.pem', get('ca.pem') . get('ca2.pem'));
my ($status, $kinds, $said) = verify(@key, '--timestamp-ca', "$dir/both.pem", '-s', "$dir/saved", $node->connstr($db));
is("$status $kinds", '0 ', 'audit_log_verify verifies the stamps');
like($said, qr/^2 time stamps verified: $first leaves existed at [\dT:-]+Z, $second at [\dT:-]+Z$|^2 time stamps verified: $second leaves existed/m, 'and says what they show') or diag $said;
($status, $kinds) = verify(@key, '-t', "$dir/both.pem", '-f', "$dir/saved");
is("$status $kinds", '0 ', 'from files too');
($status, $kinds, $said) = verify(@key, '-f', "$dir/saved");
like("$status $kinds $said", qr/^0 .*2 time stamps verified, by authorities that nobody vouches for/s, 'without authorities it says so');
($status, $kinds) = verify(@key, '-t', "$dir/ca.pem", '-f', "$dir/saved");
is("$status $kinds", '1 timestamp', 'a stamp by one that is not trusted is a finding');
for my $file ('ca.key', 'nothing')
{
	($status, undef, $said) = verify(@key, '-t', "$dir/$file", '-f', "$dir/saved");
	like("$status $said", qr/^2 .*certificates ".*$file": /s, "$file holds no certificate");
}

# ----------------------------------------------------------- what is not taken

my $sha512 = do {
	put('text', (join "\n", (split /\n/, sql('SELECT audit.checkpoint()'))[ 0 .. 2 ]) . "\n");
	openssl('ts', '-query', '-data', 'text', '-sha512', '-cert', '-out', 'sha512.tsq') or die;
	reply(get('sha512.tsq'));
};
my $no_certificate = do {
	openssl('ts', '-query', '-data', 'text', '-sha256', '-no_nonce', '-out', 'no_certificate.tsq') or die;
	reply(get('no_certificate.tsq'));
};
my $refused = do {
	openssl('ts', '-query', '-data', 'text', '-md5', '-cert', '-out', 'md5.tsq') or die;
	reply(get('md5.tsq'));
};
# What the authority signed, signed again by a certificate for something else
put('token.tst', $token);
openssl('cms', '-verify', '-noverify', '-inform', 'DER', '-in', 'token.tst', '-out', 'info.der') or die;
openssl('cms', '-sign', '-binary', '-nodetach', '-cades', '-econtent_type', 'id-smime-ct-TSTInfo', '-outform', 'DER', '-md', 'sha256',
	'-in', 'info.der', '-signer', 'web.pem', '-inkey', 'web.key', '-out', 'web.tst') or die;
openssl('cms', '-sign', '-binary', '-nodetach', '-cades', '-outform', 'DER', '-md', 'sha256',
	'-in', 'info.der', '-signer', 'tsa.pem', '-inkey', 'tsa.key', '-out', 'data.tst') or die;
# The same with nothing odd about it, or the two would prove little
openssl('cms', '-sign', '-binary', '-nodetach', '-cades', '-econtent_type', 'id-smime-ct-TSTInfo', '-outform', 'DER', '-md', 'sha256',
	'-in', 'info.der', '-signer', 'tsa.pem', '-inkey', 'tsa.key', '-out', 'again.tst') or die;
is(add(get('again.tst')), $time, 'what openssl cms signs for an authority is taken');
my $stored = sql('SELECT count(*) FROM audit.ledger_anchors');

for my $case (
	[ 'nothing', '', qr/neither a reply nor a token in DER, or cut off/ ],
	[ 'text', 'no reply at all', qr/neither a reply nor a token/ ],
	[ 'the request', request(''), qr/neither a reply nor a token|cannot be read/ ],
	[ 'half a reply', substr($reply, 0, length($reply) / 2), qr/cut off/ ],
	[ 'a reply and more', "${reply}x", qr/cut off/ ],
	[ 'an endless sequence', "\x30\x80\x06\x01\x00\x00\x00", qr/neither a reply nor a token in DER/ ],
	[ 'an empty sequence', "\x30\x00", qr/neither a reply nor a token/ ],
	[ 'an empty token', "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", qr/the token is no time stamp/ ],
	[ 'a status without a token', "\x30\x05\x30\x03\x02\x01\x00", qr/the reply cannot be read/ ],
	[ 'a waiting', "\x30\x05\x30\x03\x02\x01\x03", qr/the authority refused: status 3 \(waiting\)/ ],
	[ 'a status of no number', "\x30\x0d\x30\x0b\x02\x09\x7f\xff\xff\xff\xff\xff\xff\xff\xff", qr/the authority refused: status -1/ ],
	[ 'a refusal', $refused, qr/the authority refused: status 2 \(rejection\): / ],
	[ 'another digest', $sha512, qr/the stamp is not of a SHA-256 digest/ ],
	[ 'no certificate', $no_certificate, qr/the signature of the stamp does not verify: signer certificate not found/ ],
	[ 'a certificate for something else', get('web.tst'), qr/does not verify: certificate verify error \(Verify error:unsuitable certificate purpose\)/ ],
	[ 'signed data that are no stamp', get('data.tst'), qr/the token is no time stamp/ ],
	[ 'another signature', substr($token, 0, -1) . chr(255 - ord substr $token, -1), qr/the signature of the stamp does not verify/ ],
	[ 'something huge', "\x30\x84\x00\x10\x00\x00" . "\0" x (1 << 20), qr/longer than 65536 bytes/ ])
{
	my ($name, $bytes, $message) = @$case;
	my ($state, $err) = sqlstate('SELECT audit.add_timestamp(' . literal($bytes) . ')');
	is($state, '22023', "$name is not taken");
	like($err, qr/invalid time stamp: .*$message.*\n(?:.*\n)*HINT:  It must be the reply to audit\.timestamp_request/, '  and it says why');
}
my $strange = do {
	put('text', "another text\n");
	openssl('ts', '-query', '-data', 'text', '-sha256', '-cert', '-out', 'strange.tsq') or die;
	reply(get('strange.tsq'));
};
($state, $err) = sqlstate('SELECT audit.add_timestamp(' . literal($strange) . ')');
like("$state $err", qr/^22023 .*the time stamp is not of a recent checkpoint\nHINT:  .*give its size/s, 'nor is a stamp of something else');
($state, $err) = sqlstate('SELECT audit.add_timestamp(' . literal($reply) . ", $first)");
like("$state $err", qr/^22023 .*the time stamp is not of the checkpoint of size $first$/m, 'nor one with the size of another checkpoint');
($state) = sqlstate('SELECT audit.add_timestamp(' . literal($reply) . ', 100000)');
is($state, '22023', 'nor one with a size that there is not');
($state) = sqlstate('SELECT audit.add_timestamp(' . literal($reply) . ', -1)');
is($state, '22023', 'nor one with a negative size');
($state) = sqlstate('SELECT audit.timestamp_request(100000)');
is($state, '22023', 'there is no request for it either');

# One byte at a time, all in one session that would show what is left over
sql('CREATE TABLE good AS SELECT token FROM audit.ledger_anchors ORDER BY added_at LIMIT 1');
my $changed = join '', map { "BEGIN; SELECT audit.add_timestamp(set_byte(token, $_, get_byte(token, $_) # (1 << $_ % 8))) AT TIME ZONE 'UTC' FROM good; ROLLBACK;\n" }
  0 .. length($token) - 1;
my (undef, $out, $errors) = $node->psql($db, $changed, on_error_stop => 0);
my $refusals = () = $errors =~ /ERROR:  (?:invalid time stamp: |the time stamp is not of a recent checkpoint)/g;
my @others = grep { !/ERROR:  (?:invalid time stamp: |the time stamp is not of a recent)|HINT:  /  } split /\n/, $errors;
is("@others", '', 'a changed byte gives no other error');
my @taken = split /\n/, $out;
is(join(' ', grep { $_ ne $time } @taken), '', 'nor another time');
is($refusals + @taken, length $token, 'each was tried');
cmp_ok($refusals, '>', length($token) / 2, 'and most of it is signed, but for the certificates of others');
is(sql('SELECT count(*) FROM audit.ledger_anchors'), $stored, 'nothing of all that was stored');
is(add($reply), $time, 'and the server goes on');

# -------------------------------------------------------------------- rights

sql('CREATE ROLE anyone LOGIN; CREATE ROLE auditor LOGIN IN ROLE audit_log_reader');
is((sqlstate('SELECT audit.timestamp_request()', 'anyone'))[0], '42501', 'not everybody may ask');
is((sqlstate('SELECT * FROM audit.ledger_anchors', 'anyone'))[0], '42501', 'nor look');
is((sqlstate('SELECT audit.timestamp_request(); SELECT count(*) FROM audit.ledger_anchors', 'auditor'))[0], '', 'a reader may do both');
is((sqlstate('SELECT audit.add_timestamp(' . literal($reply) . ')', 'auditor'))[0], '42501', 'but adds nothing');
for my $sql ('DELETE FROM audit.ledger_anchors', 'UPDATE audit.ledger_anchors SET size = size', 'TRUNCATE audit.ledger_anchors',
	'INSERT INTO audit.ledger_anchors SELECT * FROM audit.ledger_anchors')
{
	is((sqlstate($sql))[0], '42501', "a superuser cannot by hand: $sql");
}

# ------------------------------------------------------------------ by hand

# Each stamp has left a record, which is sealed.
is(sql(q{SELECT count(*) FROM audit.objects o JOIN audit.ledger_anchors a
	ON o.entity ->> 'size' = a.size::text AND o.entity ->> 'token' = encode(sha256(a.token), 'hex')
	WHERE o.entity_key = 'timestamp' AND o.entity ->> 'event' = 'timestamp'}), $stored, 'each stamp has left one record');
is(sql('SELECT audit.seal()'), $stored, 'which is sealed');
is(sql('SELECT * FROM audit.verify_ledger()') . sql('SELECT * FROM audit.crosscheck_ledger()'), '', 'and nothing is missed');
($status, $kinds) = verify(@key, '-t', "$dir/both.pem", '-s', "$dir/saved", $node->connstr($db));
is("$status $kinds", '0 ', 'nor outside');
my $newest = "(SELECT max(size) FROM audit.ledger_anchors)";
for my $case (
	# name, statements, what audit.verify_ledger() finds, what audit_log_verify does
	[ 'a stamp that is gone', "DELETE FROM audit.ledger_anchors WHERE size = $first", 'timestamp', 'timestamp' ],
	[ 'all that are gone', 'TRUNCATE audit.ledger_anchors', 'timestamp', 'timestamp' ],
	[ 'a stamp that is gone with its record', q{DELETE FROM audit.ledger_anchors; DELETE FROM audit.audit_objects WHERE entity_key = 'timestamp'}, 'deleted', 'deleted' ],
	[ 'a changed signature', "UPDATE audit.ledger_anchors SET token = set_byte(token, octet_length(token) - 1, 255 - get_byte(token, octet_length(token) - 1)) WHERE size = $newest",
		'timestamp', 'timestamp' ],
	[ 'a token that is none', q{UPDATE audit.ledger_anchors SET token = '\x00'}, 'timestamp', 'timestamp' ],
	[ 'the stamp of another checkpoint', "UPDATE audit.ledger_anchors SET token = (SELECT token FROM audit.ledger_anchors WHERE size = $first) WHERE size = $second",
		'timestamp', 'timestamp' ],
	[ 'a stamp of another size', "UPDATE audit.ledger_anchors SET size = $first WHERE size = $second", 'timestamp', 'timestamp' ],
	[ 'a stamp of no size', 'UPDATE audit.ledger_anchors SET size = 1000000', 'timestamp', 'timestamp' ],
	[ 'a stamp of no generation', 'UPDATE audit.ledger_anchors SET generation = 7', 'timestamp', 'timestamp' ],
	[ 'another time', "UPDATE audit.ledger_anchors SET stamped_at = stamped_at - interval '1 day'", 'timestamp', '' ],
	[ 'another kind', 'ALTER TABLE audit.ledger_anchors DROP CONSTRAINT ledger_anchors_kind_check; ' . q{UPDATE audit.ledger_anchors SET kind = 'other'},
		'timestamp', 'timestamp' ],
	[ 'a value that is missing', 'ALTER TABLE audit.ledger_anchors ALTER token DROP NOT NULL; UPDATE audit.ledger_anchors SET token = NULL',
		'timestamp', 'timestamp' ],
	# The very thing that it is for: the key is there, the tree is made again.
	[ 'a ledger that was built again and signed', q{UPDATE audit.audit_objects SET db_user = 'mallory' WHERE id = (SELECT id FROM audit.export(3, 1));
		DELETE FROM audit.ledger_signatures; DELETE FROM audit.ledger_nodes; DELETE FROM audit.ledger_bundles; DELETE FROM audit.ledger_blocks;
		DELETE FROM audit.ledger_generations; SELECT audit.seal()}, 'timestamp', 'timestamp' ])
{
	my ($name, $statements, $inside, $outside) = @$case;
	my $copy = Tampering::copy($node, $db, { sql => $statements });
	is(sql(q{SELECT string_agg(DISTINCT kind, ' ') FROM audit.verify_ledger()}, $copy), $inside, "$name is found")
	  or diag sql('SELECT * FROM audit.verify_ledger()', $copy);
	is(sql(q{SELECT string_agg(DISTINCT kind, ' ') FROM audit.crosscheck_ledger()}, $copy), $inside, '  in plain SQL, which sees that it is gone') if $name =~ /gone/;
	(undef, $kinds, $said) = verify(@key, $node->connstr($copy));
	is($kinds, $outside, $outside ? '  from outside too' : '  from outside, where only tokens and checkpoints show, it is not') or diag $said;
	Tampering::drop($node, $copy);
}
my $copy = Tampering::copy($node, $db, { sql => 'UPDATE audit.ledger_anchors SET generation = 7' });
is(sql("SELECT (SELECT count(*) FROM audit.verify_ledger(0, $first)), (SELECT count(*) FROM audit.verify_ledger($first, NULL)), count(*) FROM audit.ledger_anchors", $copy),
	'1|' . ($stored - 1) . "|$stored", 'ranges find each once');

# -------------------------------------------------------------------- dumps

$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", '-d', $node->connstr($db) ], 'a dump');
sql('CREATE DATABASE restored TEMPLATE template0', 'postgres');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), "$dir/dump" ], 'is restored');
my $all = q{SELECT md5(string_agg(a::text, '|' ORDER BY a::text)) FROM audit.ledger_anchors a};
is(sql($all, 'restored'), sql($all), 'with the stamps');

done_testing();
