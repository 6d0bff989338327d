# What went wrong in ledgers before, each shown not to go wrong in this one:
# snapshots older than the lock, standbys, wide transaction ids, row security,
# publishing too early, restored dumps, purges.  It needs several sessions, a
# standby, crashes, and a second cluster.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
mkdir "$dir/checkpoints" or die;

# Transaction ids beyond 32 bits from the beginning
my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', slurp_file($ENV{TEMP_CONFIG} || "$FindBin::RealBin/../regress.conf"));
$node->append_conf('postgresql.conf', "max_prepared_transactions = 10\nautovacuum = off\n"
	  . "audit.checkpoint_dir = '$dir/checkpoints'\naudit.ledger_key = '$dir/ledger.pem'\n");
system_or_bail('pg_resetwal', '-e', 3, '-D', $node->data_dir);
$node->start;
my $db = AuditLog::create_db($node, 'shop');
$node->safe_psql($db, q{CREATE TABLE things (id int PRIMARY KEY, note text); SELECT audit.enable('things')});

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

sub clean
{
	my ($at, $base, $what) = @_;
	is($at->safe_psql($base, 'SELECT * FROM audit.verify_ledger(0, NULL, audit.checkpoint())'), '', "$what: no finding");
	is($at->safe_psql($base, 'SELECT * FROM audit.crosscheck_ledger(audit.checkpoint())'), '', "$what: none in plain SQL");
	return;
}

# session(NODE): a psql that stays; $s->{run}->(SQL) gives its answer,
# $s->{send}->(SQL) does not wait.
sub session
{
	my ($in, $out) = ('', '');
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db) ], '<', \$in, '>', \$out, '2>&1');
	my $n = 0;
	my $wait = sub {
		$psql->pump until $out =~ s/(.*)^done $n\n//ms;
		return $1 =~ s/\n\z//r;
	};
	return { send => sub { $n++; $in .= "$_[0]\n\\echo done $n\n"; $psql->pump_nb while length $in; },
		wait => $wait,
		run => sub { $n++; $in .= "$_[0]\n\\echo done $n\n"; return $wait->(); },
		end => sub { $in .= "\\q\n"; $psql->finish } };
}

# ------------------------------------------------------ wide transaction ids

sql(q{INSERT INTO things VALUES (1, 'wide')});
is(sql('SELECT audit.seal()'), 1, 'sealed');
is(sql(q{SELECT txid::text::bigint > 3 * (1::bigint << 32) FROM audit.objects}), 't', 'a transaction id has more than 32 bits');
is(sql('SELECT pg_snapshot_xmax(snapshot)::text::bigint > 3 * (1::bigint << 32) FROM audit.ledger_blocks'), 't', 'so has the block');
clean($node, $db, 'wide transaction ids');

# ---------------------------------------------- the snapshot before the lock

# Two sealers: the second begins, with a snapshot, while the first holds the
# lock, and must see the block of the first.
for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my ($first, $second) = (session(), session());
	sql(qq{INSERT INTO things SELECT max(id) + 1, 'sealed by the first' FROM things});
	$second->{run}->("BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM things;");
	is($first->{run}->('BEGIN; SELECT audit.seal();'), 1, "$level: the first seals");
	sql(qq{INSERT INTO things SELECT max(id) + 1, 'sealed by the second' FROM things});
	$second->{send}->('SELECT audit.seal();');
	$node->poll_query_until($db, q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'audit.ledger_blocks'::regclass}) or die;
	$first->{run}->('COMMIT;');
	is($second->{wait}->(), 1, 'the second waits, and takes what the first did not see');
	$second->{run}->('COMMIT;');
	$_->{end}->() for $first, $second;
	clean($node, $db, $level);
}

# ------------------------------------------------------------- row security

sql(q{CREATE ROLE scheduler LOGIN; GRANT USAGE ON SCHEMA audit TO scheduler; GRANT EXECUTE ON FUNCTION audit.seal() TO scheduler});
sql(q{ALTER TABLE audit.audit_objects ENABLE ROW LEVEL SECURITY; ALTER TABLE audit.audit_objects FORCE ROW LEVEL SECURITY;
	ALTER TABLE audit.ledger_blocks ENABLE ROW LEVEL SECURITY; ALTER TABLE audit.ledger_blocks FORCE ROW LEVEL SECURITY});
sql(q{INSERT INTO things VALUES (100, 'hidden by row security')});
is(sql('SELECT count(*) FROM audit.objects'), 0, 'row security hides the records from the views');
my $sealed = $node->safe_psql($db, 'SELECT audit.seal()', extra_params => [ '-U', 'scheduler' ]);
sql(q{ALTER TABLE audit.audit_objects DISABLE ROW LEVEL SECURITY; ALTER TABLE audit.ledger_blocks DISABLE ROW LEVEL SECURITY});
is(sql(q{SELECT audit.leaf(id) IS NOT NULL FROM audit.objects WHERE entity_key = '100'}), 't',
	'but nothing from a sealer with no right but that');
is($sealed, 5, 'which seals that record and those of the four commands');
clean($node, $db, 'row security');

# -------------------------------------- an old snapshot, and the first block

# A transaction that has seen no ledger may not purge what was not sealed.
my $other = AuditLog::create_db($node, 'other');
$node->safe_psql($other, q{CREATE TABLE t (id int); SELECT audit.enable('t')});
{
	my ($in, $out) = ('', '');
	my $old = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($other) ], '<', \$in, '>', \$out, '2>&1');
	$in = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'began', count(*) FROM t;\n";
	$old->pump until $out =~ /began/;
	$node->safe_psql($other, q{SELECT audit.seal()});
	$node->safe_psql($other, q{SET audit.record_ttl = 1; INSERT INTO t SELECT generate_series(1, 5)});
	$node->poll_query_until($other, q{SELECT expired = 5 FROM audit.status}) or die;
	$in .= "SELECT audit.purge(); INSERT INTO t VALUES (6); COMMIT;\n\\q\n";
	$old->finish;
	like($out, qr/^0$/m, 'a transaction from before the first block purges nothing that is not sealed') or diag $out;
	is($node->safe_psql($other, 'SELECT audit.seal()'), 6, 'all of it is sealed');
	is($node->safe_psql($other, 'SELECT audit.purge()'), 5, 'and then purged');
	clean($node, $other, 'the purge');
}

# --------------------------------------------- a transaction that goes on long

# What was committed since is not read again because of it.
my $busy = AuditLog::create_db($node, 'busy');
$node->safe_psql($busy, q{CREATE TABLE t (id int); SELECT audit.enable('t'); SELECT audit.seal()});
{
	my $old = $node->background_psql($busy, on_error_stop => 1);
	$old->query_safe('BEGIN; INSERT INTO t VALUES (0);');
	is($node->safe_psql($busy, 'INSERT INTO t SELECT generate_series(1, 20000); SELECT audit.seal()'), 20000, 'others are sealed before it');
	my ($hit, $read) = $node->safe_psql($busy, 'SELECT audit.waiting(); EXPLAIN (ANALYZE, BUFFERS) SELECT audit.waiting()') =~ /shared hit=(\d+)(?: read=(\d+))?/ or die;
	my $pages = $node->safe_psql($busy, q{SELECT pg_relation_size('audit.audit_objects') / current_setting('block_size')::int});
	cmp_ok($hit + ($read // 0), '<', $pages * 0.3, 'their pages are not read again');
	$old->query_safe('COMMIT;');
	$old->quit;
	is($node->safe_psql($busy, 'SELECT waiting FROM audit.status'), 1, 'until it ends it does not wait, then it does');
	is($node->safe_psql($busy, 'SELECT audit.seal()'), 1, 'and is sealed');
	clean($node, $busy, 'the long transaction');
}

# -------------------------------------------- publishing before it is durable

my $file = (glob "$dir/checkpoints/*shop.checkpoint")[0];
ok(defined $file, 'there is a checkpoint file');
is(slurp_file($file), sql('SELECT audit.checkpoint()'), 'it holds the last checkpoint');
{
	my $s = session();
	sql(q{INSERT INTO things VALUES (200, 'rolled back')});
	my $before = slurp_file($file);
	$s->{run}->('BEGIN; SELECT audit.seal();');
	is(slurp_file($file), $before, 'nothing is published before the commit');
	$s->{run}->('ROLLBACK;');
	is(slurp_file($file), $before, 'nor after a rollback');
	# With synchronous_commit off only the block itself is flushed.
	$s->{run}->('SET synchronous_commit = off; SELECT audit.seal();');
	$node->stop('immediate');
	$node->start;
	like(slurp_file($file), qr/\n\Q${\ sql('SELECT size FROM audit.status')}\E\n/, 'what was published is there after a crash');
	is(sql('SELECT audit.seal()'), 0, 'and the ledger goes on');
	eval { $s->{end}->() };
}

# ------------------------------------------------------------------ standby

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql(q{INSERT INTO things VALUES (300, 'for the standby')});
sql('SELECT audit.seal()');
$node->wait_for_catchup($standby);
for my $call ('audit.seal()', q{audit.new_generation('x')}, 'audit.rotate_key()', q{audit.add_timestamp('x')},
	q{audit.erase((SELECT id FROM audit.objects LIMIT 1), 'x')})
{
	my ($name) = $call =~ /^([\w.]+\()/;
	my (undef, undef, $err) = $standby->psql($db, "\\set VERBOSITY verbose\nSELECT $call");
	like($err, qr/ERROR:  25006: cannot execute \Q$name\E\) (during recovery|in a read-only transaction)/, "$call is refused on a standby");
}
clean($standby, $db, 'a standby verifies');
is($standby->safe_psql($db, 'SELECT audit.checkpoint()'), sql('SELECT audit.checkpoint()'), 'it hands out checkpoints');
is($standby->safe_psql($db, q{SELECT audit.inclusion_proof(id) IS NOT NULL FROM audit.objects WHERE entity_key = '300'}), 't', 'and proofs');
$standby->promote;
$node->stop;
is($standby->safe_psql($db, q{INSERT INTO things VALUES (301, 'promoted'); SELECT audit.seal()}), 1, 'once promoted, it seals');
is($standby->safe_psql($db, 'SELECT count(DISTINCT timeline) FROM audit.ledger_blocks'), 2, 'on its own timeline');
clean($standby, $db, 'a promoted standby');
$node->start;
my (undef, undef, $err) = $node->psql($db, "INSERT INTO things VALUES (302, 'left behind'); SELECT audit.seal()");
like($err, qr/ERROR:  the ledger does not continue the checkpoint in file/, 'the old primary does not');

# ------------------------------------------------------------ restored dumps

my $target = AuditLog::start_node('target', "audit.ledger_key = '$dir/target.pem'");
$standby->safe_psql($db, q{INSERT INTO things VALUES (400, 'not sealed there')});
my $count = $standby->safe_psql($db, 'SELECT count(*) FROM audit.audit_objects');
$target->safe_psql('postgres', 'CREATE DATABASE shop; CREATE ROLE scheduler');
$standby->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", '-d', $standby->connstr($db) ], 'a dump');
$target->command_ok([ 'pg_restore', '--exit-on-error', '-d', $target->connstr($db), "$dir/dump" ], 'is restored');
(undef, undef, $err) = $target->psql($db, 'SELECT audit.seal()');
like($err, qr/ERROR:  the ledger was begun in another cluster.*HINT:  .*audit\.new_generation/s, 'it does not continue the old origin');
$target->safe_psql($db, q{INSERT INTO things VALUES (401, 'written here')});
is($target->safe_psql($db, q{SELECT audit.new_generation('moved')}), 2, 'it goes on as a new generation');
(undef, undef, $err) = $target->psql($db, 'SELECT audit.seal()');
like($err, qr/ERROR:  checkpoint cannot be signed\nDETAIL:  Key file ".*" is missing\.\nHINT:  .*audit\.rotate_key/, 'the key stayed behind');
like($target->safe_psql($db, 'SELECT audit.rotate_key()'), qr{/2\+[0-9a-f]{8}\+}, 'a new one takes its place');
is($target->safe_psql($db, 'SELECT audit.seal()'), 4, 'what was not sealed there, what was written here, and the records of both decisions are sealed');
ok(-f "$dir/target.pem" && !-e "$dir/target.pem.next", 'and the new key is in place');
is($target->safe_psql($db, 'SELECT count(*) FROM audit.checkpoint_keys WHERE last_size IS NULL'), 1, 'the lost one has ended');
like($target->safe_psql($db, 'SELECT origin FROM audit.status'), qr{/2$}, 'under a new origin');
$target->safe_psql($db, q{INSERT INTO things VALUES (402, 'later')});
is($target->safe_psql($db, 'SELECT audit.seal()'), 1, 'and seals on');
is($target->safe_psql($db, 'SELECT count(*), count(DISTINCT id) FROM audit.ledger_leaves'), join('|', ($count + 4) x 2), 'each record is one leaf');
clean($target, $db, 'a ledger that was moved');

# ------------------------------------------------------ a copy in the cluster

$target->safe_psql('postgres', "CREATE DATABASE copied TEMPLATE $db");
(undef, undef, $err) = $target->psql('copied', 'SELECT audit.seal()');
like($err, qr/ERROR:  the ledger was begun in another database.*HINT:  .*audit\.new_generation/s, 'a copy does not go on under the same origin');
is($target->safe_psql('copied', q{SELECT audit.new_generation('copied')}), 3, 'but as a new generation');
is($target->safe_psql('copied', q{INSERT INTO things VALUES (500, 'written in the copy'); SELECT audit.seal()}), 2, 'which it seals');
clean($target, 'copied', 'a ledger that was copied');
is($target->safe_psql($db, q{INSERT INTO things VALUES (500, 'written elsewhere'); SELECT audit.seal()}), 1, 'and the original goes on as it was');
clean($target, $db, 'the original of a copy');

# ------------------------------------------------------------ replaced keys

use File::Copy ();
File::Copy::copy("$dir/target.pem", "$dir/old.pem") or die;
$target->safe_psql($db, 'SELECT audit.rotate_key(); SELECT audit.seal()');
ok(slurp_file("$dir/target.pem") ne slurp_file("$dir/old.pem"), 'the key was replaced');
clean($target, $db, 'a ledger with a replaced key');
rename("$dir/target.pem", "$dir/new.pem") && File::Copy::copy("$dir/old.pem", "$dir/target.pem") && chmod(0600, "$dir/target.pem") or die;
(undef, undef, $err) = $target->psql($db, q{INSERT INTO things VALUES (501, 'old key'); SELECT audit.seal()});
like($err, qr/ERROR:  checkpoint cannot be signed\nDETAIL:  The key in file ".*target\.pem" was replaced when the ledger had \d+ leaves\./, 'the old one signs nothing any more');
rename("$dir/new.pem", "$dir/target.pem") or die;
is($target->safe_psql($db, q{INSERT INTO things VALUES (502, 'new key'); SELECT audit.seal()}), 2, 'the new one does');
$target->safe_psql($db, q{ALTER TABLE audit.ledger_keys DISABLE TRIGGER ALL; UPDATE audit.ledger_keys SET last_size = 1 WHERE last_size IS NOT NULL});
like($target->safe_psql($db, q{SELECT DISTINCT kind, detail FROM audit.verify_ledger()}), qr/^signature\|block \d+ is signed by a key that was replaced at size 1$/m, 'a signature by a key that was replaced before is found');

# ------------------------------------------------ ledgers without signatures

# findings(SQL): what both verifiers find, and what they say besides
sub findings
{
	my ($at, $base) = @_;
	my (undef, $found, $said) = $at->psql($base, q{SELECT kind, leaf, detail FROM audit.verify_ledger() ORDER BY leaf});
	is($at->safe_psql($base, q{SELECT kind, leaf, detail FROM audit.crosscheck_ledger() ORDER BY leaf}), $found, 'plain SQL finds the same');
	return ($found, $said);
}

my $bare = AuditLog::start_node('bare');
$bare->safe_psql('postgres', q{CREATE EXTENSION audit_log CASCADE; CREATE TABLE things (id int PRIMARY KEY); SELECT audit.enable('things')});
my $seal = q{INSERT INTO things SELECT coalesce(max(id), 0) + 1 FROM things; SELECT audit.seal()};
$bare->safe_psql('postgres', $seal) for 1 .. 2;
my ($found, $said) = findings($bare, 'postgres');
is($found, '', 'a ledger that never had a key is clean');
like($said, qr/^(?:psql:.*: )?NOTICE:  checkpoints of this ledger are not signed by a key of its own\nHINT:  Set "audit\.ledger_key"/, 'and says so');
is($bare->safe_psql('postgres', 'SELECT signatures FROM audit.status'), 0, 'so does its state');
is($bare->safe_psql('postgres', "SET audit.ledger_key = '$dir/bare.pem'; SELECT split_part(audit.rotate_key(), '+', 1) = origin FROM audit.status"), 't', 'a first key by audit.rotate_key()');
is((findings($bare, 'postgres'))[0], '', 'makes nothing of what was sealed before a finding');
$bare->append_conf('postgresql.conf', "audit.ledger_key = '$dir/bare.pem'");
$bare->reload;
$bare->safe_psql('postgres', $seal) for 3 .. 5;
($found, $said) = findings($bare, 'postgres');
is($found, '', 'nor do those that it signs');
is($said, '', 'and there is nothing more to say');
is($bare->safe_psql('postgres', 'SELECT count(*) FROM audit.ledger_blocks b WHERE EXISTS (SELECT FROM audit.ledger_signatures s WHERE s.size = b.size)'), 3, 'three of five are signed');
my $bare_key = $bare->safe_psql('postgres', 'SELECT verifier FROM audit.checkpoint_keys');
my @outside = (AuditLog::program('audit_log_verify'), '-k', $bare_key, $bare->connstr('postgres'));
$bare->command_checks_all(\@outside, 0, [qr/^$/], [qr/^checkpoints of the first 2 blocks are not signed by a key that is trusted; later ones cover them$/m],
	'the outside verifier tells of the others');
# A key that goes away unseen does not make the rest unsigned unseen.
$bare->append_conf('postgresql.conf', "audit.ledger_key = ''");
$bare->reload;
$bare->safe_psql('postgres', $seal) for 6 .. 7;
($found) = findings($bare, 'postgres');
is($found, 'signature|' . $bare->safe_psql('postgres', 'SELECT size FROM audit.ledger_blocks WHERE block = 6') . '|blocks 6 to 7 are not signed by a key of the ledger',
	'blocks without a signature are a finding once there was a key');
$bare->command_checks_all(\@outside, 1, [qr/^signature\t\d+\t-\tblocks 6 to 7 are not signed by a key that is trusted$/], [], 'from outside as well');

# ---------------------------------------------- text that has no UTF-8 form

my $odd = AuditLog::start_node('odd', 'client_encoding = sql_ascii', "audit.ledger_key = '$dir/odd.pem'");
for (['SQL_ASCII', 'fe41'], ['EUC_JP', 'a9a1'], ['MULE_INTERNAL', '81e9'])
{
	my ($encoding, $bytes) = @$_;
	my $name = lc $encoding;

	$odd->safe_psql('postgres', "CREATE DATABASE $name ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$odd->safe_psql($name, q{CREATE EXTENSION audit_log CASCADE; CREATE TABLE things (id int PRIMARY KEY, note text); SELECT audit.enable('things')});
	$odd->safe_psql($name, "INSERT INTO things VALUES (1, 'plain'), (2, convert_from('\\x$bytes', '$encoding')), (3, 'after it')");
	is($odd->safe_psql($name, 'SELECT audit.seal()'), 3, "$encoding: records are sealed beside one that has no UTF-8 form");
	is($odd->safe_psql($name, 'SELECT * FROM audit.verify_ledger()'), '', 'and verified');
	is($odd->safe_psql($name, 'SELECT * FROM audit.crosscheck_ledger()'), '', 'in plain SQL as well');
	$odd->safe_psql($name, 'ALTER TABLE audit.audit_objects DISABLE TRIGGER ALL');
	$odd->safe_psql($name, "UPDATE audit.audit_objects SET entity = replace(entity::text, 'plain', 'plane')::json");
	$odd->safe_psql($name, "UPDATE audit.audit_objects SET entity = overlay(entity::text placing 'x' from length(entity::text) - 2)::json WHERE entity_key = '2'");
	is($odd->safe_psql($name, 'SELECT kind, leaf FROM audit.verify_ledger() ORDER BY leaf'), "changed|0\nchanged|1", 'a change of either is found');
	is($odd->safe_psql($name, 'SELECT kind, leaf FROM audit.crosscheck_ledger() ORDER BY leaf'), "changed|0\nchanged|1", 'in plain SQL as well');
}

done_testing();
