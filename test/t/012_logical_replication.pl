# Two servers that both have the extension, one a subscriber of the other: what
# is applied is recorded there once, or not at all if the table is told so,
# through a first copy, TRUNCATE, a conflict, restarts, streams, two phases and
# tables of another shape.  The log itself is never replicated.  Needs two
# servers and their background workers.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = AuditLog::start_node('publisher', 'wal_level = logical', 'max_wal_senders = 10');
my $subscriber = AuditLog::start_node('subscriber', 'wal_retrieve_retry_interval = 100ms');
AuditLog::create_db($_, 'shop') for $publisher, $subscriber;

# "quiet" is recorded by the publisher alone.
for my $node ($publisher, $subscriber)
{
	my $applied = $node == $publisher ? 'true' : 'false';

	$node->safe_psql('shop', qq{
		CREATE TABLE items (id int PRIMARY KEY, v text);
		CREATE TABLE quiet (id int PRIMARY KEY, v text);
		SELECT audit.enable('items'), audit.enable('quiet', record_applied => $applied)});
}

# records(NODE, TABLE[, CONDITION, DB]): what is recorded of a table, in order
sub records
{
	my ($node, $table, $condition, $db) = @_;

	return $node->safe_psql($db // 'shop', qq{SELECT string_agg(concat_ws(' ', operation, entity_key, entity, old_values), E'\\n' ORDER BY id)
		FROM audit.objects WHERE dao_name = '$table' AND operation <> 'ddl' AND } . ($condition // 'true'));
}

# subscribe(DB): the subscriber takes all of the publication with that name
sub subscribe
{
	my ($db) = @_;
	my $connection = $publisher->connstr($db) =~ s/'/''/gr;

	$subscriber->safe_psql($db, "CREATE SUBSCRIPTION $db CONNECTION '$connection' PUBLICATION $db");
	$subscriber->wait_for_subscription_sync($publisher, $db, $db);
}

sub catch_up
{
	$publisher->wait_for_catchup('shop');
}

# The first copy
$publisher->safe_psql('shop', q{
	INSERT INTO items SELECT g, 'old' FROM generate_series(1, 3) g;
	INSERT INTO quiet SELECT g, 'old' FROM generate_series(1, 3) g;
	CREATE PUBLICATION shop FOR TABLE items, quiet});
subscribe('shop');
is($subscriber->safe_psql('shop', 'SELECT count(*) FROM items') . $subscriber->safe_psql('shop', 'SELECT count(*) FROM quiet'), '33', 'the first copy is there');
is(records($subscriber, 'items'), records($publisher, 'items'), 'and recorded, each row once');
is(records($subscriber, 'quiet'), '', 'or not, if the table does not record what is applied');

# Every kind of change
$publisher->safe_psql('shop', q{
	BEGIN;
	SELECT audit.begin_request('of the publisher', rbac_user_name => 'ann');
	INSERT INTO items VALUES (4, 'new'), (5, 'new');
	UPDATE items SET v = 'changed' WHERE id <= 2;
	UPDATE items SET id = 30 WHERE id = 3;
	DELETE FROM items WHERE id = 4;
	SAVEPOINT s; INSERT INTO items VALUES (6, 'lost'); ROLLBACK TO s;
	INSERT INTO quiet VALUES (4, 'new'); UPDATE quiet SET v = 'changed'; DELETE FROM quiet WHERE id = 1;
	COMMIT;
	INSERT INTO items SELECT g, 'bulk' FROM generate_series(100, 1099) g});
catch_up();
is(records($subscriber, 'items'), records($publisher, 'items'), 'what is applied is recorded as it was where it happened');
is(records($subscriber, 'quiet'), '', 'nothing of the other table');
is($subscriber->safe_psql('shop', q{SELECT DISTINCT request_id IS NULL, rbac_user_name IS NULL, db_user = current_user FROM audit.objects WHERE entity_key = '5'}), 't|t|t',
	'in the name of the subscription, without the request of the other server');
$subscriber->safe_psql('shop', q{INSERT INTO quiet VALUES (50, 'local'); DELETE FROM quiet WHERE id = 50});
is($subscriber->safe_psql('shop', q{SELECT string_agg(operation, ' ' ORDER BY id) FROM audit.objects WHERE dao_name = 'quiet' AND operation <> 'ddl'}), 'create delete',
	"the subscriber's own changes of it are recorded");

# TRUNCATE
$publisher->safe_psql('shop', 'TRUNCATE items, quiet');
catch_up();
is(records($subscriber, 'items', "operation = 'truncate'"), 'truncate', 'TRUNCATE is recorded once');
is(records($subscriber, 'quiet', "operation = 'truncate'"), '', 'or not');

# A conflict: the worker tries again and again, and leaves nothing.
$subscriber->safe_psql('shop', q{INSERT INTO items VALUES (7, 'local')});
my $offset = -s $subscriber->logfile;
$publisher->safe_psql('shop', q{BEGIN; INSERT INTO items VALUES (8, 'before'), (7, 'remote'), (9, 'after'); COMMIT});
$subscriber->wait_for_log(qr/(?:duplicate key value|insert_exists).*(?:duplicate key value|insert_exists)/s, $offset);
is(records($subscriber, 'items', "entity_key IN ('7', '8', '9') AND (entity->>'v') <> 'local'"), '', 'a change that cannot be applied leaves no record, however often it is tried');
$subscriber->safe_psql('shop', q{DELETE FROM items WHERE id = 7});
catch_up();
is($subscriber->safe_psql('shop', q{SELECT string_agg(operation || ' ' || (entity->>'v'), ', ' ORDER BY id) FROM audit.objects WHERE entity_key = '7' AND dao_name = 'items'}),
	'create local, delete local, create remote', 'once it is resolved each change has its record');
is($subscriber->safe_psql('shop', q{SELECT string_agg(entity_key, ' ' ORDER BY entity_key) FROM audit.objects WHERE dao_name = 'items' AND entity_key IN ('8', '9') AND operation = 'create'}),
	'8 9', 'so have those around it, once');

# The worker is stopped, the server is killed, and both go on where they were.
$publisher->safe_psql('shop', qq{DO \$\$ BEGIN FOR i IN 1..300 LOOP INSERT INTO items VALUES (10000 + i, 'steady'); COMMIT; END LOOP; END \$\$});
$subscriber->safe_psql('shop', 'ALTER SUBSCRIPTION shop DISABLE');
$publisher->safe_psql('shop', q{UPDATE items SET v = 'while disabled' WHERE id IN (10001, 10002)});
$subscriber->safe_psql('shop', 'ALTER SUBSCRIPTION shop ENABLE');
$publisher->safe_psql('shop', qq{DO \$\$ BEGIN FOR i IN 301..600 LOOP INSERT INTO items VALUES (10000 + i, 'steady'); COMMIT; END LOOP; END \$\$});
$subscriber->stop('immediate');
$publisher->safe_psql('shop', q{DELETE FROM items WHERE id = 10600});
$subscriber->start;
catch_up();
is($subscriber->safe_psql('shop', q{SELECT count(*) FROM items WHERE id > 10000}), 599, 'all is applied after restarts');
is(records($subscriber, 'items', "entity_key::int > 10000"), records($publisher, 'items', "entity_key::int > 10000"), 'and recorded exactly once');
is(records($subscriber, 'quiet', 'txid > (SELECT max(txid) FROM audit.objects WHERE dao_name = \'quiet\' AND operation = \'delete\')'), '', 'the other table stays silent');

# A publication of all tables holds the log's too, but each server keeps its own.
AuditLog::create_db($_, 'everything') for $publisher, $subscriber;
$_->safe_psql('everything', q{CREATE TABLE items (id int PRIMARY KEY, v text); SELECT audit.enable('items')}) for $publisher, $subscriber;
$publisher->safe_psql('everything', q{
	INSERT INTO items VALUES (1, 'copied');
	SELECT audit.log_request('POST', '/copied', 201);
	SELECT audit.seal();
	CREATE PUBLICATION everything FOR ALL TABLES});
$subscriber->safe_psql('everything', q{SELECT audit.seal()});
subscribe('everything');
$publisher->safe_psql('everything', q{
	INSERT INTO items VALUES (2, 'applied');
	SELECT audit.log_request('POST', '/applied', 201);
	SELECT audit.seal();
	ALTER TABLE audit.audit_objects DISABLE TRIGGER USER;
	UPDATE audit.audit_objects SET expire = now() - interval '1 s' WHERE entity_key = '1';
	ALTER TABLE audit.audit_objects ENABLE TRIGGER USER;
	INSERT INTO items VALUES (3, 'last')});
$publisher->wait_for_catchup('everything');
is($subscriber->safe_psql('everything', q{SELECT string_agg(operation || ' ' || entity_key, ', ' ORDER BY id) FROM audit.objects WHERE dao_name = 'items' AND operation <> 'ddl'}),
	'create 1, create 2, create 3', 'a publication of all tables doubles no record');
is($subscriber->safe_psql('everything', 'SELECT count(*) FROM audit.requests'), 0, "the publisher's requests are not the subscriber's");
is($subscriber->safe_psql('everything', 'SELECT audit.seal() > 0'), 't', "the subscriber's ledger goes on");
is($subscriber->safe_psql('everything', 'SELECT * FROM audit.verify_ledger()'), '', 'and is its own');

# Streams, two phases, partitions and tables of another shape
AuditLog::create_db($_, 'shapes') for $publisher, $subscriber;
$publisher->append_conf('postgresql.conf', "logical_decoding_work_mem = '64kB'\nmax_prepared_transactions = 5");
$subscriber->append_conf('postgresql.conf', 'max_prepared_transactions = 5');
$_->restart for $publisher, $subscriber;
$publisher->safe_psql('shapes', q{
	CREATE TABLE parts (region text, id int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
	CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
	CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
	CREATE TABLE whole (k int, id int, PRIMARY KEY (k, id)) PARTITION BY HASH (id);
	CREATE TABLE whole_1 PARTITION OF whole FOR VALUES WITH (MODULUS 1, REMAINDER 0);
	CREATE TABLE grown (id int PRIMARY KEY, v text);
	CREATE TABLE keyless (id int, v text);
	ALTER TABLE keyless REPLICA IDENTITY FULL;
	CREATE TABLE streamed (id int PRIMARY KEY, v text);
	CREATE PUBLICATION shapes FOR TABLE parts, grown, keyless, streamed;
	CREATE PUBLICATION roots FOR TABLE whole WITH (publish_via_partition_root)});
$subscriber->safe_psql('shapes', q{
	CREATE TABLE parts (region text, id int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
	CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
	CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
	CREATE TABLE whole (k int, id int, PRIMARY KEY (k, id)) PARTITION BY RANGE (k);
	CREATE TABLE whole_low PARTITION OF whole FOR VALUES FROM (MINVALUE) TO (100);
	CREATE TABLE whole_high PARTITION OF whole FOR VALUES FROM (100) TO (MAXVALUE);
	CREATE TABLE grown (extra int DEFAULT 7, gone int, v text, twice text GENERATED ALWAYS AS (v || v) STORED, id int PRIMARY KEY, token text DEFAULT 't');
	ALTER TABLE grown DROP COLUMN gone;
	CREATE TABLE keyless (v text, id int);
	CREATE TABLE streamed (id int PRIMARY KEY, v text);
	SELECT audit.enable('parts'), audit.enable('whole'), audit.enable('grown', mask => '{extra}'), audit.enable('keyless'), audit.enable('streamed')});
my $connection = $publisher->connstr('shapes') =~ s/'/''/gr;
$subscriber->safe_psql('shapes', "CREATE SUBSCRIPTION shapes CONNECTION '$connection' PUBLICATION shapes, roots WITH (streaming = " . ($subscriber->pg_version >= 16 ? 'parallel' : 'on') . ', two_phase = on)');
$subscriber->wait_for_subscription_sync($publisher, 'shapes', 'shapes');
$publisher->safe_psql('shapes', q{
	INSERT INTO parts VALUES ('eu', 1), ('us', 2);
	UPDATE parts SET region = 'us' WHERE id = 1;
	DELETE FROM parts WHERE id = 2;
	INSERT INTO whole VALUES (1, 1), (2, 2);
	UPDATE whole SET k = 200 WHERE id = 1;
	TRUNCATE whole;
	INSERT INTO grown VALUES (1, 'a');
	UPDATE grown SET v = 'b';
	INSERT INTO keyless VALUES (1, 'same'), (1, 'same');
	DELETE FROM keyless WHERE ctid = '(0,1)'});
$publisher->safe_psql('shapes', q{
	BEGIN;
	INSERT INTO streamed SELECT g, repeat('x', 50) FROM generate_series(1, 2000) g;
	SAVEPOINT s; INSERT INTO streamed SELECT g, repeat('y', 50) FROM generate_series(2001, 4000) g; ROLLBACK TO s;
	UPDATE streamed SET v = 'z' WHERE id <= 10;
	COMMIT;
	BEGIN; INSERT INTO streamed SELECT g, repeat('x', 50) FROM generate_series(5001, 7000) g; ROLLBACK;
	BEGIN; INSERT INTO streamed VALUES (8001, 'kept'); PREPARE TRANSACTION 'kept';
	BEGIN; INSERT INTO streamed VALUES (8002, 'lost'); PREPARE TRANSACTION 'lost'});
$publisher->wait_for_catchup('shapes');
is($subscriber->safe_psql('shapes', 'SELECT count(*) FROM pg_prepared_xacts'), 2, 'two transactions are prepared there');
is(records($subscriber, 'streamed', 'entity_key::int > 8000', 'shapes'), '', 'which show no record yet');
$publisher->safe_psql('shapes', q{COMMIT PREPARED 'kept'});
$publisher->safe_psql('shapes', q{ROLLBACK PREPARED 'lost'});
$publisher->wait_for_catchup('shapes');
is(records($subscriber, 'streamed', 'entity_key::int > 8000', 'shapes'), 'create 8001 {"id":8001,"v":"kept"}', 'but the one that was committed does then');
is($subscriber->safe_psql('shapes', q{SELECT operation, count(*), count(DISTINCT entity_key) FROM audit.objects
	WHERE dao_name = 'streamed' AND operation <> 'ddl' AND entity_key::int < 8000 GROUP BY 1 ORDER BY 1}), "create|2000|2000\nupdate|10|10",
	'a transaction that came in a stream is recorded once, what it took back is not');
is(records($subscriber, 'parts', undef, 'shapes'), join("\n", 'create ["eu",1] {"region":"eu","id":1}', 'create ["us",2] {"region":"us","id":2}', 'delete ["eu",1] {"region":"eu","id":1}',
		'create ["us",1] {"region":"us","id":1}', 'delete ["us",2] {"region":"us","id":2}'), 'partitions are recorded under the name of the whole');
is(records($subscriber, 'whole', "operation <> 'truncate'", 'shapes'), join("\n", 'create [1,1] {"k":1,"id":1}', 'create [2,2] {"k":2,"id":2}',
		'delete [1,1] {"k":1,"id":1}', 'create [200,1] {"k":200,"id":1}'), 'so are those that are partitioned otherwise there');
is(records($subscriber, 'grown', undef, 'shapes'), join("\n", 'create 1 {"extra":"***","v":"a","twice":"aa","id":1}',
		'update 1 {"extra":"***","v":"b","twice":"bb","id":1} {"v":"a","twice":"aa"}'), "a table is recorded as the subscriber has it, by the subscriber's options");
is(records($subscriber, 'keyless', undef, 'shapes'), join("\n", ('create {"v":"same","id":1}') x 2, 'delete {"v":"same","id":1}'), 'and one without a key');

done_testing();
