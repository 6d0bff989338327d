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

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

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

# program(NAME): path of one of our programs, as it was built
sub program
{
	my ($name) = @_;
	my $path = "$FindBin::RealBin/../../bin/$name";

	die "$path was not built" unless -x $path;
	return $path;
}

1;
