# Whatever a superuser does to a sealed log by hand is found, under its name, by
# audit.verify_ledger() and by the same checks in plain SQL; what is meant to
# happen to a log is no finding.  It needs copies of databases.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Tampering;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
AuditLog::make_key("$dir/records.pem");
my $node = AuditLog::start_node('ledger',
	"audit.signing_key = '$dir/records.pem'",
	"audit.ledger_key = '$dir/ledger.pem'",
	"audit.ledger_origin = 'example.com/shop'");
my $db = AuditLog::create_db($node, 'shop');

# kinds(DATABASE, CALL): the distinct kinds that a verifier finds, sorted
sub kinds
{
	my ($copy, $call) = @_;
	return $node->safe_psql($copy,
		"SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM $call");
}

sub sorted
{
	return join ' ', sort split / /, $_[0];
}

# clean(DATABASE, WHAT): neither verifier finds anything
sub clean
{
	my ($copy, $what) = @_;
	is($node->safe_psql($copy, 'SELECT * FROM audit.verify_ledger()'), '', "$what: no finding");
	is($node->safe_psql($copy, 'SELECT * FROM audit.crosscheck_ledger()'), '', "$what: none in plain SQL either");
}

# against(DATABASE, CHECKPOINT, KINDS, WHAT): what both find with a checkpoint
sub against
{
	my ($copy, $checkpoint, $kinds, $what) = @_;
	is(kinds($copy, "audit.verify_ledger(checkpoint => \$\$$checkpoint\n\$\$)"), $kinds, $what);
	is(kinds($copy, "audit.crosscheck_ledger(\$\$$checkpoint\n\$\$)"), $kinds, '... in plain SQL');
}

# A log with several blocks, both streams, and records that expire soon.
$node->safe_psql($db, q{
	CREATE TABLE things (id integer PRIMARY KEY, note text);
	SELECT audit.enable('things');
	INSERT INTO things VALUES (0, 'first');
	INSERT INTO things SELECT g, 'note ' || g FROM generate_series(1, 300) g;
});
is($node->safe_psql($db, 'SELECT audit.seal()') > 300, 1, 'a first block is sealed');
$node->safe_psql($db, q{
	UPDATE things SET note = 'other' WHERE id < 200;
	SELECT audit.log_request('DELETE', '/things', 403);
	SELECT audit.seal();
});
my $middle = $node->safe_psql($db, 'SELECT audit.checkpoint()');
$node->safe_psql($db, q{
	BEGIN; SET LOCAL audit.record_ttl = '1s'; DELETE FROM things WHERE id > 250; COMMIT;
	INSERT INTO things VALUES (1000, 'last');
	SELECT audit.seal();
	SELECT audit.seal();
});
my $last = $node->safe_psql($db, 'SELECT audit.checkpoint()');
cmp_ok($node->safe_psql($db, 'SELECT size FROM audit.status'), '>', 550, 'the log is large enough to have stored nodes');
clean($db, 'a log as it was written');
against($db, $middle, '', 'an earlier checkpoint fits it');

# What is meant to happen
$node->poll_query_until($db, 'SELECT expired > 40 FROM audit.status') or die;
clean($db, 'expired records that are still there');
cmp_ok($node->safe_psql($db, 'SELECT audit.purge()'), '>', 40, 'they are purged');
clean($db, 'a purge after expiry');
my $erased = $node->safe_psql($db, q{SELECT id FROM audit.objects WHERE dao_name = 'things' AND entity_key = '5' AND operation = 'create'});
$node->safe_psql($db, "SELECT audit.erase('$erased', 'asked for'); SELECT audit.seal();");
is($node->safe_psql($db, "SELECT count(*) FROM audit.objects WHERE id = '$erased'"), '0', 'a record is erased');
clean($db, 'an erasure with its record');
clean(Tampering::copy($node, $db, { sql => 'SELECT 1' }), 'protection switched off and nothing done');

# What is not
for my $case (Tampering::cases())
{
	my $copy = Tampering::copy($node, $db, $case);

	is(kinds($copy, 'audit.verify_ledger()'), sorted($case->{found}), $case->{name});
	is(kinds($copy, 'audit.crosscheck_ledger()'), sorted($case->{crosscheck}), '... in plain SQL')
	  or diag $node->safe_psql($copy, 'SELECT * FROM audit.crosscheck_ledger()');
	Tampering::drop($node, $copy);
}
is(kinds(Tampering::copy($node, $db, { sql => q{DELETE FROM audit.audit_objects WHERE entity ->> 'event' = 'erase'} }),
		'audit.verify_ledger()'),
	'deleted', 'an erasure whose record is gone');

# Each finding says where.
my $changed = Tampering::copy($node, $db, { sql => q{UPDATE audit.audit_objects SET entity = 'null' WHERE entity_key = '1000'} });
like($node->safe_psql($changed, 'SELECT kind, leaf = audit.leaf(id), detail FROM audit.verify_ledger()'),
	qr/^changed\|t\|the contents do not have the hash that was sealed$/, 'a finding names the leaf and the record');
is($node->safe_psql($changed, q{SELECT count(*) FROM audit.verify_ledger(0, (SELECT size FROM audit.ledger_blocks WHERE block = 1))}),
	'0', 'a range holds its own findings only');
is($node->safe_psql($changed, q{SELECT count(*) FROM audit.verify_ledger((SELECT size FROM audit.ledger_blocks WHERE block = 1), NULL)}),
	'1', '... and the other range the rest');

# The tail is cut: nothing inside the database can tell, a checkpoint can.
my $cut = Tampering::copy($node, $db, { sql => q{
	DELETE FROM audit.audit_objects WHERE audit.leaf(id) IS NULL
		OR audit.leaf(id) >= (SELECT size FROM audit.ledger_blocks WHERE block = 2);
	DELETE FROM audit.audit_requests;
	DELETE FROM audit.ledger_bundles WHERE first_leaf >= (SELECT size FROM audit.ledger_blocks WHERE block = 2);
	DELETE FROM audit.ledger_nodes WHERE (index + 1) << level > (SELECT size FROM audit.ledger_blocks WHERE block = 2);
	DELETE FROM audit.ledger_signatures WHERE size > (SELECT size FROM audit.ledger_blocks WHERE block = 2);
	DELETE FROM audit.ledger_blocks WHERE block > 2 } });
against($cut, $last, 'deleted rolled_back', 'a tail that was cut is found with a checkpoint from elsewhere');

# The tree is made again from changed records, and signed with the real key.
my $rebuild = q{
	UPDATE audit.audit_objects SET entity = '{"id":0,"note":"forged"}' WHERE entity_key = '0' AND operation = 'create';
	DELETE FROM audit.ledger_signatures; DELETE FROM audit.ledger_nodes; DELETE FROM audit.ledger_bundles;
	DELETE FROM audit.ledger_blocks; DELETE FROM audit.ledger_generations;
	SELECT audit.seal()};
my $rebuilt = Tampering::copy($node, $db, { sql => $rebuild });
clean($rebuilt, 'a tree that was made again and signed, alone');
against($rebuilt, $middle, 'checkpoint', 'it is found with a checkpoint from elsewhere');
is(kinds($rebuilt, "audit.verify_ledger(checkpoint => \$\$$last\n\$\$)") =~ /checkpoint|rolled_back/, 1, '... whichever');

# An older copy of the database that went on.
my $older = Tampering::copy($node, $db, { sql => 'SELECT 1' });
$node->safe_psql($db, q{INSERT INTO things VALUES (2000, 'lost'); SELECT audit.seal();});
my $lost = $node->safe_psql($db, 'SELECT audit.checkpoint()');
against($older, $lost, 'rolled_back', 'an older copy is found');
$node->safe_psql($older, q{INSERT INTO things SELECT g, 'other' FROM generate_series(3000, 3010) g; SELECT audit.seal();});
against($older, $lost, 'checkpoint', '... also when it has grown past it');

# A capture trigger that was disabled in the catalog, out of sight of every hook
$node->safe_psql($db, q{SELECT audit.record_coverage(); SELECT audit.seal();});
$node->safe_psql($db, q{
	UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = '_audit_log' AND tgrelid = 'things'::regclass;
	SELECT audit.record_coverage(); SELECT audit.seal();});
is($node->safe_psql($db, q{SELECT count(DISTINCT entity -> 'tables' ->> 0) FROM audit.objects WHERE entity_key = 'coverage'}),
	'2', 'a trigger disabled in the catalog shows in the next record of coverage');
clean($db, 'the log that recorded it');

# The fork guard: the checkpoint file stops the sealer.
mkdir "$dir/checkpoints" or die;
$node->safe_psql('postgres', "ALTER DATABASE shop SET audit.checkpoint_dir = '$dir/checkpoints'");
$node->safe_psql($db, q{INSERT INTO things VALUES (2001, ''); SELECT audit.seal();});
$node->safe_psql('postgres', qq{ALTER DATABASE "$_" SET audit.checkpoint_dir = '$dir/checkpoints'}) for $older, $rebuilt;
for my $fork ($older, $rebuilt)
{
	my ($status, undef, $stderr) = $node->psql($fork, "INSERT INTO things VALUES (2001, ''); SELECT audit.seal();");
	is($status, 3, "a copy that does not continue the checkpoint file is not sealed");
	like($stderr, qr/ERROR:  .*\n(?:.*\n)*HINT:  .*audit\.new_generation/, 'and it says what to do');
	is($node->safe_psql($fork, q{SELECT count(*) FROM things WHERE id = 2001}), '1', 'the writer was not hindered');
}
is(kinds($older, 'audit.verify_ledger()') =~ /checkpoint|rolled_back/, 1, 'the verifier reads the file too');
is($node->safe_psql($older, q{SELECT audit.new_generation('restored'); SELECT audit.seal() > 0; SELECT generation, origin FROM audit.status}),
	"2\nt\n2|example.com/shop/2", 'a restore that is meant goes on under a new origin');
is(kinds($older, 'audit.verify_ledger()'), '', 'and is clean');

done_testing();
