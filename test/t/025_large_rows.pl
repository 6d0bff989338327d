# Rows that are large, or too large to be recorded.  It needs the memory of a
# process of the server, from outside.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('large');
my $db = AuditLog::create_db($node, 'shop');

# A row whose text is too large: the writer is told that it is the record, and
# what to do.  A cast stands in for a gigabyte.
$node->safe_psql($db, q{
	CREATE TYPE huge AS ENUM ('huge');
	CREATE FUNCTION huge_json(huge) RETURNS json LANGUAGE plpgsql AS $$ BEGIN
		RAISE program_limit_exceeded USING MESSAGE = 'too much';
	END $$;
	CREATE CAST (huge AS json) WITH FUNCTION huge_json(huge);
	CREATE TABLE giants (id int PRIMARY KEY, h huge);
	SELECT audit.enable('giants')});
my (undef, undef, $too_large) = $node->psql($db, "\\set VERBOSITY verbose\nINSERT INTO giants VALUES (1, 'huge')");
like($too_large, qr/ERROR:  54000: too much\nHINT:  The text of a row .* must fit into 1 GB together\. .*"exclude" of audit\.enable\(\)\.\nCONTEXT:.*audit record of a row of table "giants"/s,
	'a row that is too large for its record is refused with a hint');

# Nor does a large row stay in the memory of who sealed it.
SKIP:
{
	skip 'needs /proc', 2 if !-e '/proc/self/status';
	my $session = $node->background_psql($db, on_error_stop => 1);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $memory = sub { return slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m ? $1 : 0 };

	$session->query_safe(q{CREATE TABLE large (id int PRIMARY KEY, v text); SELECT audit.enable('large');
		INSERT INTO large VALUES (0, 'x'); SELECT audit.seal()});
	my $before = $memory->();
	cmp_ok($before, '>', 0, 'a process has memory');
	$session->query_safe(q{INSERT INTO large VALUES (1, repeat('x', 64 * 1024 * 1024)); SELECT audit.seal()});
	cmp_ok($memory->() - $before, '<', 32 * 1024, 'and gives back that of a large row');
	$session->quit;
}

done_testing();
