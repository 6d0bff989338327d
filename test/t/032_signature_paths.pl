# Records that no plain statement of a plain session writes are signed as well:
# those of logical replication, prepared transactions, deferred triggers,
# aborted subtransactions and concurrent first users of a key.  Needs several
# sessions, a subscription and files that come and go.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Signing;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my %key = map { $_ => Signing::make_key("$dir/$_.pem") } qw(main prepared saved shared again once);
my $node = AuditLog::start_node('paths', 'wal_level = logical', 'max_wal_senders = 5', 'max_replication_slots = 5', 'max_prepared_transactions = 5',
	'wal_retrieve_retry_interval = 100', "audit.signing_key = '$key{main}'");
my $db = AuditLog::create_db($node, 'shop');

# all_good(NAME, CONDITION, COUNT, [KEY]): so many records meet the condition,
# and each is signed, with that key, to the database's mind and to openssl's
sub all_good
{
	my ($name, $condition, $count, $file, $in) = @_;
	my @records = split /\n/, $node->safe_psql($in // $db, "SELECT audit.verify(audit.record(o)) IS TRUE, audit.record(o) FROM audit.objects o WHERE $condition");

	$file //= $key{main};
	is(scalar(@records), $count, "$name: all recorded");
	is(scalar(grep { !/^t\|/ } @records), 0, '  each fits the key that audit.keys has');
	is(scalar(grep { Signing::verdict(s/^t\|//r, "$file.pub") ne 'Verified OK' } @records), 0, '  and openssl finds each good');
	return;
}

$node->safe_psql($db, q{
	CREATE TABLE goods (id int PRIMARY KEY, t text);
	CREATE TABLE parts (id int PRIMARY KEY, goods int REFERENCES goods ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE totals (id int PRIMARY KEY, n int);
	INSERT INTO totals VALUES (1, 0);
	SELECT audit.enable('goods');
	SELECT audit.enable('parts');
	SELECT audit.enable('totals', snapshot => true);
	CREATE FUNCTION count_goods() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN UPDATE totals SET n = n + 1; RETURN NULL; END';
	CREATE CONSTRAINT TRIGGER counted AFTER INSERT ON goods DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION count_goods();
	CREATE FUNCTION use_key(file text) RETURNS text LANGUAGE sql AS
		$$ SELECT set_config('audit.signing_key', file, false) $$;
	CREATE VIEW strangers AS SELECT o.id FROM audit.audit_objects o
		WHERE o.signature IS NOT NULL AND NOT EXISTS (SELECT FROM audit.keys k WHERE k.id = o.key_id) });

## deferred triggers, cascades, parallel plans

all_good('a snapshot', "operation = 'snapshot'", 1);
$node->safe_psql($db, q{
	BEGIN;
	INSERT INTO parts SELECT i, i FROM generate_series(1, 5) i;
	INSERT INTO goods SELECT i, 'x' FROM generate_series(1, 5) i;
	COMMIT;
	UPDATE goods SET id = id + 10;
	DELETE FROM goods WHERE id <= 13;});
all_good('deferred triggers', "dao_name = 'totals' AND operation = 'update'", 5);
all_good('cascades', "dao_name = 'parts' AND operation IN ('update', 'delete')", 8);

my ($ret, $out, $err) = $node->psql($db, "BEGIN; INSERT INTO goods VALUES (100, 'y');\n\\! mv $key{main} $key{main}.away\nCOMMIT;");
like($err, qr/audit record cannot be signed/, 'a deferred trigger that cannot sign fails the commit');
rename "$key{main}.away", $key{main} or die $!;
is($node->safe_psql($db, q{SELECT (SELECT count(*) FROM goods WHERE id = 100) + (SELECT count(*) FROM audit.audit_objects WHERE entity_key = '100') + (SELECT n FROM totals)}),
	5, '  with all that came before it');

my $force_parallel = AuditLog::force_parallel($node);
$node->safe_psql($db, qq{
	CREATE TABLE many AS SELECT i AS id, md5(i::text) AS t FROM generate_series(1, 20000) i;
	SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; $force_parallel;
	INSERT INTO goods SELECT 1000 + count(*), max(t) FROM many WHERE t > 'e';});
all_good('a parallel plan', "entity->>'id' > '1' AND length(entity->>'id') = 4 AND dao_name = 'goods'", 1);
is($node->safe_psql($db, qq{SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; $force_parallel;
	SELECT count(*) FILTER (WHERE audit.verify(r, (SELECT public_key FROM audit.keys LIMIT 1)) IS NOT TRUE) FROM (SELECT audit.record(o) AS r FROM audit.objects o WHERE signature IS NOT NULL) s}),
	0, 'parallel workers verify');
is($node->safe_psql($db, "$force_parallel; SET audit.signing_key = '$key{again}'; SELECT audit.verify('x', audit.sign('x'), pg_read_file('$key{again}.pub'))"),
	't', 'and know a key that the session has set');

## prepared transactions

$node->safe_psql($db, 'DROP TRIGGER counted ON goods');
$node->safe_psql($db, qq{
	SELECT use_key('$key{prepared}');
	BEGIN; INSERT INTO goods VALUES (200, 'prepared'); PREPARE TRANSACTION 'gone';
	BEGIN; INSERT INTO goods VALUES (201, 'prepared'); PREPARE TRANSACTION 'kept';});
$node->stop('immediate');
$node->start;
$node->safe_psql($db, "ROLLBACK PREPARED 'gone'");
is($node->safe_psql($db, q{SELECT count(*) FROM audit.objects WHERE entity_key IN ('200', '201')}), 0, 'a prepared transaction shows nothing');
$node->safe_psql($db, "COMMIT PREPARED 'kept'");
all_good('a prepared transaction', "entity_key = '201'", 1, $key{prepared});

# The key was noted by a transaction that came to nothing, in the same session.
$node->safe_psql($db, qq{
	SELECT use_key('$key{again}');
	BEGIN; INSERT INTO goods VALUES (210, 'x'); PREPARE TRANSACTION 'gone';
	ROLLBACK PREPARED 'gone';
	INSERT INTO goods VALUES (211, 'x');});
all_good('after a prepared transaction was rolled back', "entity_key = '211'", 1, $key{again});
$node->safe_psql($db, qq{
	SELECT use_key('$key{once}');
	BEGIN; INSERT INTO goods VALUES (212, 'x'); ROLLBACK;
	INSERT INTO goods VALUES (213, 'x');});
all_good('after a transaction was rolled back', "entity_key = '213'", 1, $key{once});

## subtransactions

$node->safe_psql($db, qq{
	SELECT use_key('$key{saved}');
	BEGIN;
	SAVEPOINT a; INSERT INTO goods VALUES (300, 'lost'); ROLLBACK TO a;
	INSERT INTO goods VALUES (301, 'kept');
	SAVEPOINT b; INSERT INTO goods VALUES (302, 'kept'); RELEASE b;
	COMMIT;});
all_good('the first record with a key lost to a savepoint', "entity_key IN ('301', '302')", 2, $key{saved});

## two first users of a key, none of whom waits

my @sessions = map { $node->background_psql($db) } 1 .. 2;
for my $n (0, 1)
{
	$sessions[$n]->query_safe("SELECT use_key('$key{shared}'); BEGIN; INSERT INTO goods VALUES (40$n, 'x');");
}
$sessions[0]->query_safe('ROLLBACK');
$sessions[1]->query_safe('COMMIT');
$sessions[0]->query_safe("INSERT INTO goods VALUES (402, 'x')");
$_->quit for @sessions;
all_good('two sessions that use a key first', "entity_key IN ('401', '402')", 2, $key{shared});
is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT id) FROM audit.keys'), '6|6', 'each key is listed once');

## logical replication, which applies without statements

my $copy = AuditLog::create_db($node, 'copy');
$node->safe_psql($db, q{
	CREATE TABLE sent (id int PRIMARY KEY, t text);
	INSERT INTO sent VALUES (1, 'was there');
	CREATE PUBLICATION p FOR TABLE sent;
	SELECT pg_create_logical_replication_slot('s', 'pgoutput');});
$node->safe_psql($copy, q{
	CREATE TABLE sent (id int PRIMARY KEY, t text);
	SELECT audit.enable('sent');});
$node->safe_psql($copy, "CREATE SUBSCRIPTION s CONNECTION '" . ($node->connstr($db) =~ s/'/''/gr) . "' PUBLICATION p WITH (create_slot = false, slot_name = 's')");
$node->poll_query_until($copy, "SELECT count(*) = 1 FROM sent") or die 'no first copy';
$node->poll_query_until($copy, "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel") or die 'not ready';
$node->safe_psql($db, q{
	INSERT INTO sent SELECT i, 'copied | ' || i FROM generate_series(2, 20) i;
	UPDATE sent SET t = t || 'é' WHERE id < 5;
	DELETE FROM sent WHERE id > 15;
	TRUNCATE sent;
	INSERT INTO sent VALUES (1, 'anew');});
$node->poll_query_until($copy, "SELECT count(*) = 1 FROM sent WHERE t = 'anew'") or die 'not applied';
all_good('logical replication', "dao_name = 'sent' AND operation <> 'ddl'", 1 + 19 + 4 + 5 + 1 + 1, undef, $copy);

# Without a key nothing is applied, and nothing lost.
my $offset = -s $node->logfile;
rename $key{main}, "$key{main}.away" or die $!;
$node->safe_psql($db, "SELECT use_key(''); INSERT INTO sent VALUES (50, 'waits')");
$node->wait_for_log(qr/ERROR: .*audit record cannot be signed/, $offset);
is($node->safe_psql($copy, "SELECT (SELECT count(*) FROM sent WHERE id = 50) + (SELECT count(*) FROM audit.audit_objects WHERE entity_key = '50')"),
	0, 'a worker that cannot sign applies nothing');
rename "$key{main}.away", $key{main} or die $!;
$node->poll_query_until($copy, "SELECT count(*) = 1 FROM sent WHERE id = 50") or die 'not applied';
all_good('and once it can', "entity_key = '50'", 1, undef, $copy);
$node->safe_psql($copy, 'DROP SUBSCRIPTION s');

## an extension that is created again, while a session lives

$node->safe_psql($copy, q{
	INSERT INTO sent VALUES (60, 'x');
	SET client_min_messages = warning;
	DROP EXTENSION audit_log CASCADE;
	CREATE EXTENSION audit_log;
	SELECT audit.enable('sent');
	INSERT INTO sent VALUES (61, 'x');});
all_good('after the extension was created again', "entity_key = '61'", 1, undef, $copy);

is($node->safe_psql($_, q{SELECT count(*) FROM audit.audit_objects WHERE signature IS NULL}), 0, "no record of $_ is unsigned") for $db, $copy;
is($node->safe_psql($db, 'SELECT count(*) FROM strangers'), 0, 'none has a key that audit.keys lacks');

done_testing();
