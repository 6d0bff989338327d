# A record is verified in a folder where there is nothing but its JSON, its
# proof, a checkpoint and a public key, by sh, openssl and coreutils; a byte
# that was changed anywhere fails.  And a witness accepts that a ledger grows,
# nothing else.  It needs a shell without a server, and copies of a cluster.
use strict;
use warnings FATAL => 'all';

use File::Copy;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog qw(put_file get_file);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = AuditLog::new_node('ledger', "audit.ledger_key = '$dir/ledger.pem'",
	"audit.ledger_origin = 'example.com/shop'");
AuditLog::make_key("$dir/records.pem");
$node->append_conf('postgresql.conf', "audit.signing_key = '$dir/records.pem'");
$node->start;
my $db = AuditLog::create_db($node, 'shop');

my $verify = AuditLog::program('audit_log_verify_record');
my $witness = AuditLog::program('audit_log_witness');

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

# run_in FOLDER PATH COMMAND...: status, standard output, standard error
sub run_in
{
	my ($folder, $path, @command) = @_;
	my ($out, $err) = ('', '');
	local $ENV{PATH} = $path;

	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err,
		init => sub { chdir $folder or die });
	return ($? >> 8, $out, $err);
}

# ------------------------------------------------------ records of all kinds

sql(q{
	CREATE TABLE things (id text PRIMARY KEY, note text, n numeric, j jsonb);
	SELECT audit.enable('things');
	INSERT INTO things VALUES ('plain', 'text', 1.50, '{"a": [1, null]}');
	INSERT INTO things VALUES ('odd', E'quote " backslash \\\\ both \\\\" tab \t newline \n bell \x07 end\\\\', NULL, '"\\\\"');
	INSERT INTO things VALUES ('unicode', 'üñí ☃ 𝄞 ÁÀ', 0, '{}');
	INSERT INTO things VALUES ('', '', -0.1, '[]');
	INSERT INTO things SELECT 'long', string_agg('"' || g || '\\\\', ','), 1, '{}' FROM generate_series(1, 3000) g;
	UPDATE things SET note = note || '"' WHERE id IN ('plain', 'odd');
	DELETE FROM things WHERE id = 'unicode';
	TRUNCATE things;
	SELECT audit.log_request('POST', '/things?q="', 201, '{"x": "\u00e9\\\\"}', duration_ms => 1.250,
		user_agent => 'curl/8 "quoted"');
	SELECT audit.log_request('GET', '/', 599, payload_bytes => '\x00ff');
	BEGIN; SET LOCAL audit.record_ttl = 0; INSERT INTO things VALUES ('for ever'); COMMIT; });
sql('SELECT audit.seal()');
my $size = sql('SELECT size FROM audit.status');

# A folder to take away, and a PATH with coreutils and openssl alone
my $away = "$dir/away";
mkdir $away or die;
mkdir "$dir/bin" or die;
for my $tool (qw(cat cp head mkdir mktemp mv od openssl rm tail tr wc))
{
	my ($path) = grep { -x } map { "$_/$tool" } split /:/, $ENV{PATH};
	symlink $path, "$dir/bin/$tool" or die;
}
copy($verify, "$away/verify") or die;
put_file("$away/ledger.pub", sql(q{SELECT public_key FROM audit.checkpoint_keys WHERE algorithm = 'Ed25519'}) . "\n");
put_file("$away/records.pub", sql(q{SELECT public_key FROM audit.checkpoint_keys WHERE algorithm = 'RSA'}) . "\n");
put_file("$away/checkpoint", sql('SELECT audit.checkpoint()') . "\n");
my @keys = ('-k', 'ledger.pub', '-k', 'records.pub');

sub verify_record
{
	return run_in($away, "$dir/bin", '/bin/sh', 'verify', @_);
}

my @ids = split /\n/, sql('SELECT id FROM audit.export()');
my ($good, $lines) = (0, 0);
for my $id (@ids)
{
	put_file("$away/record", sql("SELECT record FROM audit.export() WHERE id = '$id'") . "\n");
	put_file("$away/line", sql("SELECT row_to_json(e) FROM audit.export() e WHERE id = '$id'") . "\n");
	put_file("$away/proof", sql("SELECT audit.inclusion_proof('$id')") . "\n");
	my ($status, $out, $err) = verify_record(@keys, 'record', 'proof', 'checkpoint');
	$good++ if $status == 0 && $out =~ /^Verified: record \Q$id\E /;
	diag "$id: $err" if $status;
	# each second one, to save time
	next if $good % 2 && ++$lines;
	($status, $out, $err) = verify_record(@keys, 'line', 'proof');
	$lines++ if $status == 0 && $out =~ /^Verified: record \Q$id\E /;
	diag "$id: $err" if $status;
}
cmp_ok(scalar(@ids), '>=', 10, 'there are records of every kind');
is($good, @ids, 'the JSON of every record verifies with its proof, the checkpoint and the keys');
is($lines, @ids, 'so does an exported line');

my ($object, $request) = split /\n/, sql(q{
	SELECT id FROM audit.objects WHERE operation = 'update' AND entity_key = 'odd'
	UNION ALL SELECT id FROM audit.requests WHERE status = 201});
my ($status, $out, $err);

# ---------------------------------------------------------- a changed byte

# FLIP_STEP=1 changes every byte of every file; else a sample of each.  What a
# ttl counts is the time, which nobody can sign.
my $step = $ENV{FLIP_STEP} // 97;
my %verifies;
for my $id ($object, $request)
{
	my %file = (
		record => sql("SELECT record FROM audit.export() WHERE id = '$id'"),
		line => sql("SELECT row_to_json(e) FROM audit.export() e WHERE id = '$id'"),
		proof => sql("SELECT audit.inclusion_proof('$id')") . "\n",
		checkpoint => get_file("$away/checkpoint"));
	put_file("$away/$_", $file{$_}) for keys %file;
	is((verify_record(@keys, $_, 'proof', 'checkpoint'))[0], 0, "the $_ verifies as it is")
	  for qw(record line);
	for my $name (sort keys %file)
	{
		my $offset = length($name) % $step;
		my ($ttl, $ttl_end) = $file{$name} =~ /"ttl":(\d+)/ ? ($-[1], $+[1]) : (-1, -1);

		for (my $at = $offset; $at < length $file{$name}; $at += $step)
		{
			next if $at >= $ttl && $at < $ttl_end;
			my $changed = $file{$name};
			substr($changed, $at, 1) ^= "\x01";
			put_file("$away/$name", $changed);
			my ($status, $out, $err) =
			  verify_record(@keys, $name eq 'line' ? 'line' : 'record', 'proof', 'checkpoint');
			$verifies{$name}++;
			next if $status == 1 && $out eq '' && $err =~ /^audit_log_verify_record: \S.*\S\n/;
			fail("byte $at of $name changed") or diag "$status $out $err";
		}
		put_file("$away/$name", $file{$name});
	}
}
cmp_ok($verifies{$_}, '>=', 5, "no changed byte of the $_ verifies ($verifies{$_} tried)")
  for sort keys %verifies;

# -------------------------------------------------------- other mistakes

my $other_proof = put_file("$away/other", sql("SELECT audit.inclusion_proof('$object')"));
($status, $out, $err) = verify_record(@keys, 'record', 'other');
is($status, 1, 'the proof of another record does not do');
like($err, qr/do not lead to the root|not that of the proof/, 'and it says why');

sql(q{INSERT INTO things VALUES ('later')});
sql('SELECT audit.seal()');
put_file("$away/newer", sql('SELECT audit.checkpoint()'));
($status, $out, $err) = verify_record(@keys, 'record', 'proof', 'newer');
is($status, 1, 'nor does the proof for another checkpoint');
like($err, qr/the proof is for another checkpoint than "newer"/, 'and it says why');
put_file("$away/proof", sql("SELECT audit.inclusion_proof('$request', $size)"));
($status, $out, $err) = verify_record(@keys, 'record', 'proof', 'checkpoint');
is($status, 0, 'a proof for a checkpoint that was kept can be had later') or diag $err;

put_file("$away/terminal", get_file("$away/newer") =~ s/^example/\e]0;example/r);
($status, $out, $err) = verify_record(@keys, 'record', 'proof', 'terminal');
is($status, 1, 'nor a checkpoint with control characters');
unlike($err, qr/\e/, 'and none is shown');

system_or_bail('sh', '-c',
	"cd $away && openssl genpkey -algorithm ed25519 2>/dev/null | openssl pkey -pubout -out stranger.pub");
($status, $out, $err) = verify_record('-k', 'stranger.pub', 'record', 'proof');
is($status, 1, 'nor another key');
like($err, qr/is not signed by the key "stranger.pub"/, 'and it says why');
put_file("$away/vkey", sql(q{SELECT verifier FROM audit.checkpoint_keys WHERE algorithm = 'Ed25519'}) . "\n");
put_file("$away/rsa.vkey", sql(q{SELECT verifier FROM audit.checkpoint_keys WHERE algorithm = 'RSA'}) . "\n");
($status, $out) = verify_record('-k', 'vkey', '-k', 'rsa.vkey', 'record', 'proof');
is($status, 0, 'keys in the form of signed notes do');
($status, $out) = verify_record('-k', 'vkey', 'record', 'proof');
like($out, qr/1 more signatures are by keys that were not given/, 'a key that is not given is told');
($status, $out, $err) = verify_record('record', 'proof');
is($status, 2, 'without a key nothing is verified');
($status, $out, $err) = verify_record('-k', 'vkey', 'nothing', 'proof');
is($status, 2, 'nor without a record');
like($err, qr/there is no file "nothing"/, 'and it says why');
sql("SELECT audit.erase('$request', 'asked for')");
put_file("$away/gone", sql("SELECT audit.inclusion_proof('$request')"));
($status, $out, $err) = verify_record('-k', 'vkey', 'record', 'gone');
is($status, 1, 'the proof of a record that is gone does not hold what its leaf is made of');
like($err, qr/the record was gone already/, 'and it says why');

# ------------------------------------------------------------- a witness

my $kept = "$dir/kept";
sql(q{CREATE ROLE auditor LOGIN IN ROLE audit_log_reader});

sub witness
{
	my ($of, @more) = @_;
	return run_in($dir, $ENV{PATH}, '/bin/sh', $witness, '-k', "$away/ledger.pub", @more,
		'-d', $kept, $of->connstr($db) . ' user=auditor');
}

($status, $out, $err) = witness($node);
is($status, 0, 'a witness keeps the first checkpoint it sees') or diag $err;
is(get_file("$kept/checkpoint"), sql('SELECT audit.checkpoint()') . "\n" =~ s/\n\z//r, 'as it is');
($status) = witness($node);
is($status, 0, 'and the same one again');
$node->stop;
$node->backup_fs_cold('older');
$node->start;
my $grown = 0;
for my $more (1, 1, 2, 5, 17)
{
	sql("INSERT INTO things SELECT gen_random_uuid()::text FROM generate_series(1, $more)");
	sql('SELECT audit.seal()');
	my ($status, $out, $err) = witness($node);
	$grown++ if $status == 0 && get_file("$kept/checkpoint") eq sql('SELECT audit.checkpoint()');
	diag $err if $status;
}
is($grown, 5, 'and each one to which the ledger has grown');

my $fork = PostgreSQL::Test::Cluster->new('fork');
$fork->init_from_backup($node, 'older');
$fork->start;
my $before = get_file("$kept/checkpoint");
($status, $out, $err) = witness($fork);
is($status, 1, 'not one that was rolled back');
like($err, qr/it was rolled back \(kept as ".*refused"\)/, 'and it says so');
$fork->safe_psql($db, q{INSERT INTO things SELECT 'x' || g FROM generate_series(1, 100) g; });
$fork->safe_psql($db, 'SELECT audit.seal()');
($status, $out, $err) = witness($fork);
is($status, 1, 'nor one of another history');
like($err, qr/does not continue the one of \d+ leaves that was kept: it was forked or rewritten/, 'and it says so');
is(get_file("$kept/checkpoint"), $before, 'what was kept stays');
is(get_file("$kept/refused"), $fork->safe_psql($db, 'SELECT audit.checkpoint()'), 'what was refused is kept beside it');
($status) = witness($node);
is($status, 0, 'the true one is still accepted');

($status, $out, $err) = run_in($dir, $ENV{PATH}, '/bin/sh', $witness, '-k', "$away/stranger.pub", '-d', "$dir/none", $node->connstr($db));
is($status, 1, 'a checkpoint by another key is refused');
ok(!-e "$dir/none/checkpoint", 'and not kept');
($status, $out, $err) = run_in($dir, $ENV{PATH}, '/bin/sh', $witness, '-k', "$away/ledger.pub", '-d', "$dir/none", "host=$dir dbname=nowhere");
is($status, 2, 'a server that does not answer is another status');
like($err, qr/the server did not answer/, 'and it says so');

# Its signature goes into the ledger.
system_or_bail('sh', '-c', "cd $dir && umask 077 && openssl genpkey -algorithm ed25519 -out witness.pem 2>/dev/null");
my @sign = ('-s', "$dir/witness.pem", '-n', 'witness.example');
($status, my $verifier) = run_in($dir, $ENV{PATH}, '/bin/sh', $witness, @sign, '-p');
chomp $verifier;
like($verifier, qr/^witness\.example\+[0-9a-f]{8}\+[A-Za-z0-9+\/]{44}$/, 'a witness tells its public key');
is(sql("SELECT audit.add_ledger_key('$verifier')"), 'witness.example', 'which the ledger accepts');
sql('SELECT audit.seal(); GRANT EXECUTE ON FUNCTION audit.add_signature(text) TO auditor');
($status, $out, $err) = witness($node, @sign, '-a');
is($status, 0, 'it signs what it keeps') or diag $err;
chomp $out;
like(sql('SELECT audit.checkpoint()') . "\n", qr/^\Q$out\E$/m, 'and its line is in the ledger');
for my $name ('', "a b", 'a+b', "a'b", 'a\\b', "a\tb", 'ä')
{
	my ($status, $out, $err) = run_in($dir, $ENV{PATH}, '/bin/sh', $witness, '-s', "$dir/witness.pem", '-n', $name, '-p');
	is($status, 2, "a witness cannot be called \"$name\"") or diag $out;
}
put_file("$away/witness.vkey", $verifier);
put_file("$away/record", sql("SELECT record FROM audit.export() WHERE id = '$object'"));
put_file("$away/proof", sql("SELECT audit.inclusion_proof('$object')"));
copy("$kept/checkpoint", "$away/checkpoint") or die;
($status, $out, $err) = verify_record(@keys, '-k', 'witness.vkey', 'record', 'proof', 'checkpoint');
is($status, 0, 'where a verifier that trusts the witness finds it') or diag $err;

done_testing();
