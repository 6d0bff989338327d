# Copies of a database within its cluster: neither the copy nor the original
# takes the other's name or checkpoint file when it goes on, whatever the
# databases are called and whatever settings they share.  It needs databases
# that are made from each other, and files.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
mkdir "$dir/checkpoints" or die;
my $node = AuditLog::start_node('copies', "audit.ledger_key = '$dir/ledger.pem'", "audit.checkpoint_dir = '$dir/checkpoints'");

sub sql
{
	return $node->safe_psql(@_);
}

# add(DB): a record and a block; how many records that took
sub add
{
	return sql($_[0], 'INSERT INTO things SELECT coalesce(max(id), 0) + 1 FROM things; SELECT audit.seal()');
}

# file_of(DB): the checkpoint file that holds its last checkpoint
sub file_of
{
	my ($db) = @_;
	my $checkpoint = sql($db, 'SELECT audit.checkpoint()');
	my @files = grep { slurp_file($_) eq $checkpoint } glob "$dir/checkpoints/*.checkpoint";
	return "@files";
}

sub clean
{
	my ($db, $what) = @_;
	is(sql($db, 'SELECT * FROM audit.verify_ledger(0, NULL, audit.checkpoint())'), '', "$what: no finding");
	is(sql($db, 'SELECT * FROM audit.crosscheck_ledger(audit.checkpoint())'), '', '  none in plain SQL');
	return;
}

AuditLog::create_db($node, 'shop');
sql('shop', q{CREATE TABLE things (id int PRIMARY KEY); SELECT audit.enable('things')});
add('shop');
my $file = file_of('shop');
my $held = slurp_file($file);

# The copy even gets the name that the original had.
sql('postgres', 'ALTER DATABASE shop RENAME TO renamed; CREATE DATABASE shop TEMPLATE renamed');
for my $copy ('shop', 'again')
{
	sql('postgres', 'CREATE DATABASE again TEMPLATE shop') if $copy eq 'again';
	my ($status, undef, $err) = $node->psql($copy, 'SELECT audit.seal()');
	like($err, qr/ERROR:  the ledger was begun in another database.*HINT:  .*audit\.new_generation/s, "$copy: a copy does not go on by itself");
	sql($copy, q{SELECT audit.new_generation('a copy')});
	is(add($copy), 2, '  but as a new generation');
	isnt(file_of($copy), '', '  with a checkpoint file');
	isnt(file_of($copy), $file, '  of its own');
	is(slurp_file($file), $held, '  and leaves that of the original alone');
	clean($copy, '  the copy');
}
is(add('renamed'), 1, 'so the original goes on');
is(file_of('renamed'), $file, 'in its file');
clean('renamed', 'the original');
sql('renamed', q{SELECT audit.new_generation('the original as well')});
is(add('renamed'), 2, 'also as a new generation');
is(file_of('renamed'), $file, 'which keeps its file');
my @dbs = ('renamed', 'shop', 'again');
my %origins = map { sql($_, 'SELECT origin FROM audit.status') => 1 } @dbs;
is(keys %origins, 3, 'each has a name of its own') or diag join "\n", sort keys %origins;
is(join(' ', map { add($_) } @dbs), '1 1 1', 'and goes on');
clean($_, $_) for @dbs;

# A name that is set for all of them
$node->append_conf('postgresql.conf', "audit.ledger_origin = 'example.com/all'");
$node->reload;
AuditLog::create_db($node, 'first');
sql('first', 'SELECT audit.seal()');
sql('postgres', 'CREATE DATABASE twin TEMPLATE first');
my (undef, undef, $err) = $node->psql('twin', "\\set VERBOSITY verbose\nSELECT audit.new_generation('a twin')");
like($err, qr/ERROR:  55000: a copy cannot go on under the name of its original\nDETAIL:  .*database "first"\.\nHINT:  .*ALTER DATABASE twin SET audit\.ledger_origin/,
	'a copy must not take the name that is set');
sql('postgres', q{LOAD 'audit_log'; ALTER DATABASE twin SET audit.ledger_origin = 'example.com/twin'});
sql('twin', q{SELECT audit.new_generation('a twin')});
sql('twin', 'SELECT audit.seal()');
like(sql('twin', 'SELECT audit.checkpoint()'), qr{^example\.com/twin/2\n}, 'but one of its own');
is(sql('first', 'SELECT audit.seal()'), 0, 'and the original goes on');
# Where the original is gone, the copy is what is left of it.
sql('postgres', 'CREATE DATABASE heir TEMPLATE first');
sql('postgres', 'DROP DATABASE first');
sql('heir', q{SELECT audit.new_generation('the original was dropped')});
sql('heir', 'SELECT audit.seal()');
like(sql('heir', 'SELECT audit.checkpoint()'), qr{^example\.com/all/2\n}, 'whose original was dropped goes on under its name');

done_testing();
