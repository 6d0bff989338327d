# Sealing while the operating system fails: no room for the checkpoint file, a
# damaged one, no room for the ledger itself, processes killed at the worst
# moments.  Nothing is lost, the cause is told, and all goes on without a
# restart once it is gone.  It needs a preloaded server and files that fail.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog qw(put_file get_file);
use Faults;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $key = "$dir/ledger.pem";
mkdir "$dir/checkpoints" or die;
my $node = AuditLog::new_node('faults',
	"shared_preload_libraries = 'audit_log'",
	"audit.ledger_database = 'postgres'",
	'audit.ledger_interval = 1',
	"audit.ledger_key = '$key'",
	"audit.checkpoint_dir = '$dir/checkpoints'",
	'restart_after_crash = on',
	'fsync = on');
my $faults = Faults::start($node);
my $db = 'postgres';	# the worker need not wait for it
$node->safe_psql($db, 'CREATE EXTENSION audit_log CASCADE');
my $n = 0;

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

# failure(SQL): what the client is told
sub failure
{
	my (undef, undef, $err) = $node->psql($db, "\\set VERBOSITY verbose\n$_[0]");
	return $err;
}

sub eventually
{
	my ($query, $what) = @_;
	ok($node->poll_query_until($db, $query), $what);
	return;
}

sub write_row
{
	$n++;
	return sql("INSERT INTO things VALUES ($n, repeat(md5('$n'), 10))");
}

sub faults
{
	put_file($faults, join '', map { "$_\n" } @_);
	return;
}

# goes_on(WHAT): sealing, with every record in one leaf
sub goes_on
{
	my ($what) = @_;

	faults();
	eventually('SELECT true', "$what: the server is there");
	write_row();
	sql('SELECT pg_reload_conf()');		# wakes the worker
	eventually(q{SELECT waiting = 0 AND sealer = 'waiting' FROM audit.status}, "$what: sealing goes on");
	is(sql('SELECT * FROM audit.verify_ledger(0, NULL, audit.checkpoint())'), '', 'with a clean ledger');
	is(sql(q{SELECT string_agg(entity_key, ' ' ORDER BY entity_key::int) FROM audit.objects o
		WHERE dao_name = 'things' AND operation = 'create' AND entity_key::int <= 100000 AND audit.leaf(id) IS NOT NULL}), join(' ', 1 .. $n), 'and every record once');
	return;
}

sql(q{CREATE TABLE things (id int PRIMARY KEY, note text); SELECT audit.enable('things')});
goes_on('at first');
my ($file) = glob "$dir/checkpoints/*.checkpoint";

# ------------------------------------------------------- copies of the ledger

# What is kept elsewhere is complete, or it is told that it is not: also if it is
# the last bytes that do not fit, which leave a buffer at the end.
my @verify = (AuditLog::program('audit_log_verify'), '--quiet', '--unsigned');
my $connection = $node->connstr($db);
my ($out, $err);
is(IPC::Run::run([ @verify, "--save=$dir/whole", $connection ], '>', \$out, '2>', \$err), 1, 'the ledger is saved');
my $blocks = int(((-s "$dir/whole/records.jsonl") - 1) / 512);
ok(!IPC::Run::run([ 'sh', '-c', "ulimit -f $blocks" . '; exec "$@"', 'sh', @verify, "--save=$dir/part", $connection ], '>', \$out, '2>', \$err), 'where there is no room it is not');
like($err, qr/could not save all of "records\.jsonl": File too large/, 'and why');

# -------------------------------------------------------- the checkpoint file

faults('full .checkpoint');
write_row();
eventually(q{SELECT waiting = 0 AND sealer LIKE 'publishing failed: could not write checkpoint file "%": No space left on device' FROM audit.status},
	'a block is sealed though its checkpoint cannot be written, which shows');
like(failure('SELECT audit.seal()'), qr/WARNING:  53100: could not write checkpoint file ".*": No space left on device\nDETAIL:  The block is sealed; .*\nHINT:  .* must have room/,
	'also to who seals by hand');
goes_on('no room for the checkpoint');
is((split /\n/, get_file($file))[1], sql('SELECT size FROM audit.status'), 'and the file is written');

my $kept = get_file($file);
for ([ 'emptied', '' ], [ 'overwritten', "\xff\0garbage\n" x 20 ])
{
	my ($what, $bytes) = @$_;

	put_file($file, $bytes);
	my $size = sql('SELECT size FROM audit.status');
	write_row();
	eventually(q{SELECT sealer LIKE 'sealing failed: checkpoint file "%" does not hold a checkpoint' FROM audit.status}, "the file is $what: nothing is sealed");
	like(failure('SELECT audit.seal()'), qr/ERROR:  XX001: checkpoint file ".*" does not hold a checkpoint\nDETAIL:  .*\nHINT:  Bring the file back.* remove it/, 'and why is told');
	unlink $file;
	goes_on("a file that was $what is removed");
	put_file($file, $bytes);
	my $before = sql('SELECT audit.checkpoint()') . "\n";
	sql(q{SELECT audit.new_generation('the file is damaged')});
	is(sql('SELECT previous FROM audit.ledger_generations ORDER BY generation DESC LIMIT 1') . "\n", $before, 'a new generation holds the last checkpoint all the same');
	unlink $file;
	goes_on('after that');
}

# --------------------------------------------------------------------- tables

for my $relation (qw(audit_objects audit_objects_pkey ledger_bundles))
{
	my $path = sql("SELECT pg_relation_filepath('audit.$relation')");
	my $rows = sql('SELECT count(*) FROM things');
	my $bulk = 'INSERT INTO things SELECT g, repeat(md5(g::text), 20) FROM generate_series(100001, 103000) g';

	faults("full $path");
	if ($relation eq 'ledger_bundles')
	{
		sql("$bulk; DELETE FROM things WHERE id > 100000");
		eventually(qq{SELECT sealer LIKE 'sealing failed: could not extend file "%": No space left on device' FROM audit.status}, 'a ledger that cannot grow does not keep anybody from writing');
		sql('DELETE FROM things WHERE id > 100000');
		faults();
		eventually('SELECT waiting = 0 FROM audit.status', 'and is sealed later');
		is(sql(q{SELECT count(*), count(audit.leaf(id)) FROM audit.objects WHERE dao_name = 'things' AND entity_key::int > 100000}), '6000|6000', 'as a whole');
		last;
	}
	like(failure($bulk), qr/ERROR:  53100: could not extend file ".*": No space left on device\nHINT:/, "$relation cannot grow: the statement fails");
	is(sql('SELECT count(*) FROM things'), $rows, 'with all that it did');
	goes_on("no room for $relation");
}

# ---------------------------------------------------------------------- crashes

sub crash
{
	my ($where, $command) = @_;

	faults("kill $where");
	$node->psql($db, $command) if $command;
	write_row() unless $command;
	$node->wait_for_log(qr/was terminated by signal 9/, $_[2] // 0);
	return;
}

for my $where ('fsync checkpoint.new', 'rename .checkpoint')
{
	crash($where, undef, -s $node->logfile);
	goes_on("the sealer killed at $where");
}
for my $where ('fsync ledger.pem.next', 'link ledger.pem.next')
{
	crash($where, 'SELECT audit.rotate_key()', -s $node->logfile);
	ok(!-e "$key.next", "killed at $where: half a key does not look like one");
	goes_on('which is in nobody\'s way');
}
# The key is in use before it has its place.
{
	my $old = get_file($key);
	my $offset = -s $node->logfile;

	faults('kill rename ledger.pem');
	like(sql('SELECT audit.rotate_key()'), qr/\+/, 'a key is made');
	$node->wait_for_log(qr/was terminated by signal 9/, $offset);
	faults();
	isnt(get_file("$key.next"), $old, 'and could not take its place');
	goes_on('the sealer killed at rename');
	isnt(get_file($key), $old, 'then it has');
	ok(!-e "$key.next", 'and nothing waits');
}
# One that waits is not thrown away.
sql('ALTER SYSTEM SET audit.ledger_interval = 3600');
sql('SELECT pg_reload_conf()');
eventually(q{SELECT current_setting('audit.ledger_interval') = '1h'}, 'the worker rests');
sql('SELECT audit.rotate_key()');
like(failure('SELECT audit.rotate_key()'), qr/ERROR:  55000: the key in file ".*ledger.pem.next" has not yet replaced the one before\nHINT:  Call audit.seal\(\) first/, 'a key that waits must sign first');
sql('SELECT audit.seal()');
isnt(sql('SELECT audit.rotate_key()'), '', 'before the next is made');
sql('ALTER SYSTEM RESET audit.ledger_interval');
goes_on('keys');

done_testing();
