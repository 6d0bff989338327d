# Inserts purge a backlog of expired records, and none pays for the index
# entries that earlier purges left behind.  Needs sessions that start anew and
# the counters that the server keeps when they end; one regress session has
# neither.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $backlog = 200_000;
my $node = AuditLog::start_node('purge', 'autovacuum = off', "shared_preload_libraries = ''");
my $db = AuditLog::create_db($node, 'shop');
my $insert = "INSERT INTO goods (t) VALUES ('a')";
my $expired = 'SELECT count(*) FROM audit.audit_objects WHERE expire < now()';

# The number of blocks of the index on expire that all sessions have touched
sub blocks
{
	return $node->safe_psql($db, "SELECT idx_blks_hit + idx_blks_read FROM pg_statio_all_indexes "
		  . "WHERE indexrelname = 'audit_objects_expire_idx'");
}

# The blocks that one insert touches in a session of its own
sub blocks_of_insert
{
	my $before = blocks();

	$node->safe_psql($db, $insert);
	$node->poll_query_until($db, "SELECT idx_blks_hit + idx_blks_read > $before FROM pg_statio_all_indexes "
		  . "WHERE indexrelname = 'audit_objects_expire_idx'") or die 'no blocks were touched';
	return blocks() - $before;
}

$node->safe_psql($db, q{
	CREATE TABLE goods (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text);
	SELECT audit.enable('goods');
	INSERT INTO goods (t) VALUES ('template') });
my $few = blocks_of_insert();

# Copies of a record that expired a millisecond after each other
$node->safe_psql($db, qq{
	CREATE TABLE old AS SELECT * FROM audit.audit_objects WHERE entity->>'t' = 'template';
	INSERT INTO old SELECT r.* FROM old, generate_series(1, $backlog) AS i,
		jsonb_populate_record(old, jsonb_build_object('id', lpad(to_hex(i), 32, '0'),
			'expire', now() - interval '2 days' + i * interval '1 ms')) AS r;
	DELETE FROM old WHERE expire > now();
	COPY old TO '@{[ $node->basedir ]}/old';
	COPY audit.audit_objects FROM '@{[ $node->basedir ]}/old' });
is($node->safe_psql($db, $expired), $backlog, 'there is a backlog');
cmp_ok($node->safe_psql($db, q{SELECT pg_relation_size('audit.audit_objects_expire_idx') / 8192}),
	'>', 150, 'with an index of some size');

# One insert removes some and not all; many rows more than they are.
$node->safe_psql($db, $insert);
my $left = $node->safe_psql($db, $expired);
ok($left < $backlog && $left >= $backlog - 20, 'an insert of one row removes a few');
$node->safe_psql($db, "INSERT INTO goods (t) SELECT 'b' FROM generate_series(1, 1000)");
my $now_left = $node->safe_psql($db, $expired);
ok($now_left < $left - 1000, 'an insert of many rows removes more than it adds');

# Someone removed most of it, and left the entries.
$node->safe_psql($db, "SELECT audit.purge($backlog - 10000)");
$node->safe_psql($db, $expired) for 1 .. 2;
$left = $node->safe_psql($db, $expired);
cmp_ok($left, '>', 1000, 'a part of the backlog is left');
my $blocks = blocks_of_insert();
cmp_ok($blocks, '<', $few + 130, 'a new session does not walk over what is gone');
cmp_ok($node->safe_psql($db, $expired), '<', $left, 'and finds what is left');

$node->safe_psql($db, "INSERT INTO goods (t) SELECT 'c' FROM generate_series(1, $left)");
is($node->safe_psql($db, $expired), 0, 'the backlog is gone');
$node->safe_psql($db, $expired) for 1 .. 2;
$blocks = blocks_of_insert();
cmp_ok($blocks, '<', $few + 130, 'nor does it when nothing is left');

# A record left behind among the dead ones is swept up by those who insert.
$node->safe_psql($db, qq{
	VACUUM audit.audit_objects;
	UPDATE old SET id = '00000000-0000-7000-8000-00000000abcd' WHERE expire = (SELECT min(expire) FROM old);
	COPY (SELECT * FROM old WHERE id = '00000000-0000-7000-8000-00000000abcd') TO '@{[ $node->basedir ]}/one' });
$node->safe_psql($db, qq{
	$insert;
	COPY audit.audit_objects FROM '@{[ $node->basedir ]}/one';
	CREATE PROCEDURE insert_until_swept() LANGUAGE plpgsql AS \$\$
	DECLARE
		until timestamptz := clock_timestamp() + interval '2 min';
	BEGIN
		WHILE clock_timestamp() < until
			AND EXISTS (SELECT FROM audit.audit_objects WHERE expire < now()) LOOP
			$insert;
			COMMIT;
		END LOOP;
	END
	\$\$;
	CALL insert_until_swept() });
is($node->safe_psql($db, $expired), 0, 'a record that was left behind is swept up');

# Records of one statement expire at one moment.  Purging looks at each once.
my $read = "SELECT idx_tup_read FROM pg_stat_all_indexes WHERE indexrelname = 'audit_objects_expire_idx'";
my $many = 20_000;
$node->safe_psql($db, "SET audit.record_ttl = 1; INSERT INTO goods (t) SELECT 'a' FROM generate_series(1, $many)");
$node->poll_query_until($db, "SELECT count(*) = $many FROM audit.audit_objects WHERE expire < now()") or die 'they do not expire';
my $before = $node->safe_psql($db, $read);
is($node->safe_psql($db, 'SELECT audit.purge()'), $many, 'all records of a large statement are purged');
$node->poll_query_until($db, "SELECT $before + $many <= ($read)") or die 'no entries were read';
cmp_ok($node->safe_psql($db, $read), '<', $before + 2 * $many, 'by reading each index entry once');

done_testing();
