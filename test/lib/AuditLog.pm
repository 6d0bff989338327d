# test/lib/AuditLog.pm
#
# What TAP tests share: a node that finds the extension, databases with the
# extension in them, and the programs.
#
#   use FindBin;
#   use lib "$FindBin::RealBin/../lib";
#   use AuditLog;
#
#   my $node = AuditLog::start_node('primary',
#       'wal_level = logical', 'max_wal_senders = 10');
#   my $db = AuditLog::create_db($node, 'shop');
#   $node->safe_psql($db, ...);
package AuditLog;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT_OK = qw(put_file get_file);

# new_node(NAME, LINE...): initialised, not started; lines for postgresql.conf
sub new_node
{
	my ($name, @conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	# TEMP_CONFIG, when set, holds these lines too and was read by init.
	$node->append_conf('postgresql.conf',
		slurp_file("$FindBin::RealBin/../regress.conf"))
	  unless $ENV{TEMP_CONFIG};
	$node->append_conf('postgresql.conf', "$_\n") for @conf;
	return $node;
}

sub start_node
{
	my $node = new_node(@_);

	$node->start;
	return $node;
}

# start_worker_node(NAME, LINE...): its worker keeps the ledgers of the
# databases "shop" and "second", at short intervals
sub start_worker_node
{
	my ($name, @conf) = @_;
	return start_node($name,
		"shared_preload_libraries = 'audit_log'",
		"audit.ledger_database = 'shop, second'",
		'audit.ledger_interval = 1',
		'audit.ledger_heartbeat = 2',
		@conf);
}

# create_db(NODE, NAME): a database that has the extension; returns its name
sub create_db
{
	my ($node, $db) = @_;

	$node->safe_psql('postgres', qq(CREATE DATABASE "$db"));
	$node->safe_psql($db, 'CREATE EXTENSION audit_log CASCADE');
	return $db;
}

# force_parallel(NODE): the command that has every query use a parallel worker
sub force_parallel
{
	my ($node) = @_;

	return 'SET ' . ($node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode') . ' = on';
}

# put_file(PATH, BYTES), get_file(PATH): the first returns the path
sub put_file
{
	my ($path, $bytes) = @_;

	open my $fh, '>:raw', $path or die "$path: $!";
	print $fh $bytes;
	close $fh;
	return $path;
}

sub get_file
{
	my ($path) = @_;

	open my $fh, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$fh>;
}

# make_key(PATH): an RSA key that only we can read; returns the path
sub make_key
{
	my ($path) = @_;

	system_or_bail('sh', '-c', "umask 077 && openssl genrsa -out '$path' 2048 2>/dev/null");
	return $path;
}

# program(NAME): path of one of our programs, as it was built
sub program
{
	my ($name) = @_;
	my $path = "$FindBin::RealBin/../../bin/$name";

	die "$path was not built" unless -x $path;
	return $path;
}

1;
