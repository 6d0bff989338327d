# What newer servers let one do with a table is recorded as everything else is.
# Apart from the regress topics, whose expected output is that of all versions.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('newer');
my $db = AuditLog::create_db($node, 'shop');

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

# records(SQL): runs it, gives its records of rows, one a line
sub records
{
	my $before = sql('SELECT pg_current_xact_id()');
	sql($_[0]);
	return sql(qq{SELECT concat_ws(' ', operation, coalesce(partition_name, dao_name), entity_key, entity, old_values)
		FROM audit.objects WHERE txid > '$before' AND operation <> 'ddl' ORDER BY id});
}

sub lines
{
	return join "\n", @_;
}

# same(TABLE, KEY): the last record of each row shows what a query reads
sub same
{
	my ($table, $key) = @_;
	return sql(qq{SELECT count(*), count(*) FILTER (WHERE row_to_json(t)::text = (SELECT entity::text FROM audit.objects
		WHERE dao_name = '$table' AND entity_key = $key ORDER BY id DESC LIMIT 1)) FROM $table t});
}

SKIP:
{
	skip 'version 17', 8 if $node->pg_version < 17;

	sql(q{
		CREATE TABLE p (id int, k text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
		CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE p_b PARTITION OF p FOR VALUES IN ('b');
		CREATE VIEW v AS SELECT * FROM p;
		CREATE TABLE ids (id int GENERATED ALWAYS AS IDENTITY, k int) PARTITION BY LIST (k);
		CREATE TABLE ids_1 PARTITION OF ids FOR VALUES IN (1);
		CREATE TABLE g (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED);
		SELECT audit.enable('p'), audit.enable('ids'), audit.enable('g')});
	my $merge = 'WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.k) WHEN MATCHED THEN UPDATE SET k = s.k';
	is(records("MERGE INTO p USING (VALUES (1, 'a'), (2, 'b')) s (id, k) ON p.id = s.id $merge RETURNING merge_action(), p.*"),
		lines('create p_a [1,"a"] {"id":1,"k":"a"}', 'create p_b [2,"b"] {"id":2,"k":"b"}'), 'MERGE that returns rows');
	is(records("MERGE INTO v USING (VALUES (1, 'b'), (3, 'b')) s (id, k) ON v.id = s.id $merge WHEN NOT MATCHED BY SOURCE THEN DELETE"),
		lines('delete p_a [1,"a"] {"id":1,"k":"a"}', 'create p_b [1,"b"] {"id":1,"k":"b"}', 'delete p_b [2,"b"] {"id":2,"k":"b"}',
			'create p_b [3,"b"] {"id":3,"k":"b"}'), '  into a view, moves a row, deletes what the source lacks');
	is(records("INSERT INTO ids (k) VALUES (1); INSERT INTO ids_1 (k) VALUES (1)"),
		lines('create ids_1 {"id":1,"k":1}', 'create ids_1 {"id":2,"k":1}'), 'an identity of a partitioned table');
	is(records("INSERT INTO g (id, a) VALUES (1, 1); ALTER TABLE g ALTER COLUMN b SET EXPRESSION AS (a * 10); UPDATE g SET a = 2"),
		lines('create g 1 {"id":1,"a":1,"b":2}', 'update g 1 {"id":1,"a":2,"b":20} {"a":1,"b":10}'), 'a generated column is made in another way');
	is(sql(q{SELECT entity ->> 'details' FROM audit.objects WHERE operation = 'ddl' AND dao_name = 'g'}), '["SET EXPRESSION","b",""]', '  and that has a record');
	my ($ret, $out, $err) = $node->psql($db, q{SELECT * FROM audit.as_of(NULL::g, '-infinity')});
	like($err, qr/DETAIL:  ALTER TABLE gave column "b" other values after that moment/, '  so that what it was cannot be told');
	$node->psql($db, "COPY g (id, a) FROM STDIN WITH (ON_ERROR ignore);\n7\t7\nx\t8\n9\t9\n\\.\n");
	is(same('g', 't.id::text'), '3|3', 'COPY that passes over what it cannot read');
	sql(q{
		CREATE TABLE h (id int, a text, b text, c text GENERATED ALWAYS AS (upper(a)) STORED) PARTITION BY LIST (id);
		CREATE TABLE h_1 PARTITION OF h FOR VALUES IN (1);
		CREATE TABLE h_2 PARTITION OF h (c GENERATED ALWAYS AS (upper(b)) STORED) FOR VALUES IN (2);
		SELECT audit.enable('h', mask => '{b}')});
	is(records("INSERT INTO h VALUES (1, 'shown', 'hidden'), (2, 'shown', 'hidden')") . "\n" . sql(q{SELECT mask FROM audit.tracked_tables WHERE table_name = 'h'}),
		lines('create h_1 {"id":1,"a":"shown","b":"***","c":"SHOWN"}', 'create h_2 {"id":2,"a":"shown","b":"***","c":"***"}', '{b,c}'),
		'each partition hides what it computes from a masked column');
}

SKIP:
{
	skip 'version 18', 8 if $node->pg_version < 18;

	sql(q{
		CREATE TABLE price (id int4range, during daterange, amount numeric, PRIMARY KEY (id, during WITHOUT OVERLAPS));
		CREATE TABLE w (id uuid PRIMARY KEY DEFAULT uuidv7(), a int NOT NULL, b int GENERATED ALWAYS AS (a * 2));
		CREATE TABLE owns (id int PRIMARY KEY CHECK (id > 5) NOT ENFORCED, w uuid REFERENCES w NOT ENFORCED);
		SELECT audit.enable('price'), audit.enable('w'), audit.enable('owns')});
	is(records("INSERT INTO price VALUES ('[1,2)', '[2026-01-01,2026-02-01)', 5); UPDATE price SET amount = 6; DELETE FROM price"),
		lines('create price ["[1,2)","[2026-01-01,2026-02-01)"] {"id":"[1,2)","during":"[2026-01-01,2026-02-01)","amount":5}',
			'update price ["[1,2)","[2026-01-01,2026-02-01)"] {"id":"[1,2)","during":"[2026-01-01,2026-02-01)","amount":6} {"amount":5}',
			'delete price ["[1,2)","[2026-01-01,2026-02-01)"] {"id":"[1,2)","during":"[2026-01-01,2026-02-01)","amount":6}'), 'a key without overlaps');
	sql(q{SELECT audit.revert(id) FROM audit.objects WHERE dao_name = 'price' AND operation = 'delete'});
	is(sql('TABLE price'), '[1,2)|[2026-01-01,2026-02-01)|6', '  by which a row is put back');
	sql(q{INSERT INTO w (a) VALUES (-1), (5); UPDATE w SET a = a + 1 RETURNING old.b, new.b});
	is(same('w', 't.id::text'), '2|2', 'virtual columns, where they are returned');
	is(sql(q{SELECT string_agg(old_values::text, ' ' ORDER BY id) FROM audit.objects WHERE dao_name = 'w'}), '{"a":-1,"b":-2} {"a":5,"b":10}', '  with what they were');
	sql(q{ALTER TABLE w ALTER COLUMN b SET EXPRESSION AS (a * 100); UPDATE w SET a = a + 1});
	is(same('w', 't.id::text'), '2|2', '  and made in another way');
	is(records("INSERT INTO owns VALUES (1, '00000000-0000-7000-8000-000000000000'); DELETE FROM owns"),
		lines(map { "$_ owns 1 " . '{"id":1,"w":"00000000-0000-7000-8000-000000000000"}' } 'create', 'delete'), 'constraints that are not enforced');
	sql(q{ALTER TABLE owns ALTER CONSTRAINT owns_w_fkey ENFORCED; ALTER TABLE w DROP CONSTRAINT w_a_not_null; ALTER TABLE w ADD CONSTRAINT filled NOT NULL a NOT VALID});
	is(sql(q{SELECT string_agg(dao_name || ' ' || (entity ->> 'details'), ', ' ORDER BY id) FROM audit.objects WHERE operation = 'ddl'
			AND dao_name IN ('owns', 'w') AND entity ->> 'details' NOT LIKE '%"b"%'}),
		'owns ["OTHER","",""], w ["DROP CONSTRAINT","w_a_not_null",""]', 'constraints that come to be enforced or go have a record, those that come have not');
	# The server's own idea of our ids
	is(sql(q{SELECT bool_and(uuid_extract_version(id) = 7 AND uuid_extract_timestamp(id) = date_trunc('milliseconds', occurred_at)) FROM audit.audit_objects}),
		't', 'ids hold the time of their records');
}

# Indexes of the log that parallel workers build, since version 17 the BRIN ones too
sql(q{CREATE TABLE many (id int PRIMARY KEY); SELECT audit.enable('many'); INSERT INTO many SELECT generate_series(1, 20000)});
my ($ret, $out, $err) = $node->psql($db, q{SET client_min_messages = debug1; SET max_parallel_maintenance_workers = 2; SET min_parallel_table_scan_size = 0;
	SET maintenance_work_mem = '128MB'; REINDEX TABLE audit.audit_objects});
my $built = join ' ', sort $err =~ /building index "audit_objects_(\w+)" .* with request for [1-9]\d* parallel worker/g;
is($built, join(' ', sort qw(entity_key_idx expire_idx pkey request_id_idx), $node->pg_version < 17 ? () : 'txid_idx'), 'indexes are built in parallel') or diag($err);
cmp_ok(sql('SELECT audit.seal()'), '>=', 20000, '  and the sealer finds every record by them');
sql('INSERT INTO many VALUES (0)');
is(sql('SELECT audit.seal()'), '1', '  also those that come later');
is(sql('SELECT count(*) FROM audit.verify_ledger()'), '0', 'all of it verifies');
# A session that listens and never reads fills the queue of notifications.
# That is small enough to be filled here where its size can be set.
SKIP:
{
	skip 'version 17', 6 if $node->pg_version < 17;

	my $full = AuditLog::start_worker_node('full', 'max_notify_queue_pages = 64');
	AuditLog::create_db($full, 'shop');
	my $waiting = sub { return $full->poll_query_until('shop', 'SELECT waiting = 0 AND active FROM audit.status') };
	$full->safe_psql('shop', q{CREATE TABLE things (id int PRIMARY KEY); SELECT audit.enable('things')});
	ok($waiting->(), 'the worker seals');
	my $listener = $full->background_psql('shop', on_error_stop => 1);
	$listener->query_safe('LISTEN noise; LISTEN audit_ledger; BEGIN; SELECT 1');
	my $err = '';
	for (my $tries = 0; $err !~ /ERROR/ && $tries < 100; $tries++)
	{
		(undef, undef, $err) = $full->psql('shop', q{SELECT pg_notify('noise', repeat('x', 7900))});
	}
	like($err, qr/too many notifications in the NOTIFY queue/, 'the queue is full');
	my $offset = -s $full->logfile;
	$full->safe_psql('shop', 'INSERT INTO things VALUES (1)');
	ok($waiting->(), 'it seals on');
	is($full->safe_psql('shop', 'SELECT sealer FROM audit.status'), 'waiting', 'without a failure');
	$full->wait_for_log(qr/WARNING:  a checkpoint was sealed without a notification.*\n.*HINT:  End the transaction/, $offset);
	is($full->safe_psql('shop', 'SELECT * FROM audit.verify_ledger()'), '', 'with a clean ledger');
	# Sealing by hand tells of each notification that comes.
	$listener->query_safe('COMMIT');
	$listener->quit;
	$full->safe_psql('shop', 'ALTER SYSTEM SET audit.ledger_interval = 3600');
	$full->reload;
	$full->poll_query_until('shop', q{SELECT current_setting('audit.ledger_interval') = '1h'});
	like($full->safe_psql('shop', 'LISTEN audit_ledger; INSERT INTO things VALUES (2); SELECT audit.seal()'),
		qr/^Asynchronous notification "audit_ledger" with payload/m, 'once the listener is gone, others are told again');
}

done_testing();
