# Values of a hundred megabytes are recorded as they are, and what no record can
# hold fails the statement and leaves nothing.  Too heavy for the regress suite,
# whose server stays up for all topics.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('large');
my $db = AuditLog::create_db($node, 'shop');
my $megabytes = 100;

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

sql(q{
	CREATE TABLE large (id integer PRIMARY KEY, t text, b bytea, n integer);
	SELECT audit.enable('large'); });

# Every second character needs an escape; bytea doubles as hex.
sql("INSERT INTO large VALUES (1, repeat('x\"', $megabytes * 524288))");
sql("INSERT INTO large VALUES (2, NULL, convert_to(repeat('b', $megabytes * 1048576), 'UTF8'))");
is(sql("SELECT length(t) FROM large WHERE id = 1"), $megabytes * 1048576, 'the value is as large as it should be');
is(sql("SELECT count(*) FROM audit.objects o JOIN large l ON o.entity_key = l.id::text WHERE o.entity::text = row_to_json(l)::text"),
	'2', 'entities are what row_to_json() prints');
sql("UPDATE large SET n = 1 WHERE id = 1");
is(sql("SELECT old_values FROM audit.objects WHERE operation = 'update'"), '{"n":null}', 'an update beside it has small old values');
sql("UPDATE large SET t = 'short' WHERE id = 1");
is(sql("SELECT length(old_values ->> 't') FROM audit.objects WHERE operation = 'update' ORDER BY id DESC LIMIT 1"), $megabytes * 1048576,
	'an update of it keeps the old value');

# 250 million control characters of six bytes each once they are JSON
my (undef, undef, $err) = $node->psql($db, q{
	\\set VERBOSITY verbose
	BEGIN;
	INSERT INTO large VALUES (3, 'before');
	SAVEPOINT s;
	INSERT INTO large VALUES (4, repeat(E'\\x01', 250000000));
	ROLLBACK TO s;
	COMMIT; }, on_error_stop => 0);
like($err, qr/ERROR:  54000:/, 'what no record can hold is refused, program_limit_exceeded');
is(sql(q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM large}), '1 2 3', 'the row is not there');
is(sql(q{SELECT count(*) FILTER (WHERE entity_key = '3') || ' ' || count(*) FILTER (WHERE entity_key = '4') FROM audit.objects}),
	'1 0', 'nor a record of it; the one before is');

done_testing();
