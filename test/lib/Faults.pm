# test/lib/Faults.pm
#
# A server whose operating system fails on demand, through faults.c beside this
# file, which says what can be asked for.
#
#   my $faults = Faults::start($node);    # of AuditLog::new_node()
#   put_file($faults, "full .checkpoint\n");
#   put_file($faults, '');
package Faults;

use strict;
use warnings FATAL => 'all';

use AuditLog;
use FindBin;
use PostgreSQL::Test::Utils;

# Starts a node; returns the file to write faults to.
sub start
{
	my ($node) = @_;
	my $library = $node->basedir . '/faults.so';
	my $file = AuditLog::put_file($node->basedir . '/faults', '');

	system_or_bail('cc', '-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror',
		'-o', $library, "$FindBin::RealBin/../lib/faults.c", '-ldl');
	{
		# The server keeps it, its clients do not.
		local $ENV{LD_PRELOAD} = $library;
		local $ENV{FAULTS} = $file;
		$node->start;
	}
	return $file;
}

1;
