# Many clients write in every way while the sealer is terminated and killed at
# random and others seal beside it: each committed record becomes exactly one
# leaf, without a gap and in the order of commits, and a reader that starts over
# at random gets each exactly once.  It needs real processes to kill.
#
#   LEDGER_SECONDS=8     how long the load goes on
#   LEDGER_CLIENTS=12    how many clients write
#   LEDGER_RATE=300      their transactions a second; 0: as fast as they can
#   LEDGER_CRASHES=2     how often a sealer is killed so that the server restarts
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{LEDGER_SECONDS} || 8;
my $clients = $ENV{LEDGER_CLIENTS} || 12;
my $rate = $ENV{LEDGER_RATE} // 300;
my $crashes = $ENV{LEDGER_CRASHES} // 2;

my $dir = PostgreSQL::Test::Utils::tempdir;
mkdir "$dir/checkpoints" or die;
my $node = AuditLog::start_node('load',
	"shared_preload_libraries = 'audit_log'",
	"audit.ledger_database = 'shop'",
	'audit.ledger_interval = 1',
	"audit.ledger_key = '$dir/ledger.pem'",
	"audit.checkpoint_dir = '$dir/checkpoints'",
	'audit.record_ttl = 0',
	'max_prepared_transactions = 50',
	# Lost commits of clients are legal here; a published block must not be.
	'synchronous_commit = off',
	'restart_after_crash = on',
	'log_min_messages = log',
	'log_statement = none');
my $db = AuditLog::create_db($node, 'shop');

$node->safe_psql($db, q{
	CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL);
	CREATE TABLE event (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), note text);
	INSERT INTO counter SELECT i, 0 FROM generate_series(1, 40) AS i;
	SELECT audit.enable('counter');
	SELECT audit.enable('event');
	CREATE FUNCTION nested(who int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		UPDATE counter SET n = n + 1 WHERE id = who;
		BEGIN
			INSERT INTO event DEFAULT VALUES;
			IF random() < 0.5 THEN
				RAISE EXCEPTION 'undo the inner block';
			END IF;
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END
	$$;
});

# put NAME TEXT: a script, and its path
sub put
{
	my ($name, $text) = @_;
	append_to_file("$dir/$name", $text);
	return "$dir/$name";
}

# Prepared transactions take counters of their own, so that none that waits to
# be finished holds up the clients.
my $mix = put('mix.sql', q{
\set who random(1, 20)
\set way random(1, 12)
\if :way <= 4
UPDATE counter SET n = n + 1 WHERE id = :who;
\elif :way <= 6
BEGIN;
INSERT INTO event DEFAULT VALUES;
SAVEPOINT a;
INSERT INTO event (note) SELECT 'lost' FROM generate_series(1, 5);
SAVEPOINT b;
UPDATE counter SET n = n + 1 WHERE id = :who;
ROLLBACK TO a;
UPDATE counter SET n = n + 1 WHERE id = :who;
SELECT audit.log_request('GET', '/kept', 200);
COMMIT;
\elif :way <= 8
BEGIN;
UPDATE counter SET n = n + 1 WHERE id = :who;
INSERT INTO event DEFAULT VALUES;
ROLLBACK;
\elif :way = 9
SELECT nested(:who);
\elif :way = 10
INSERT INTO event (note) SELECT 'bulk' FROM generate_series(1, 20);
\elif :way = 11
BEGIN;
SELECT coalesce(max(id), 0) AS free FROM (SELECT id FROM counter WHERE id > 20 ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED) s \gset
INSERT INTO event (note) VALUES ('prepared');
\if :free > 0
UPDATE counter SET n = n + 1 WHERE id = :free;
SELECT format('PREPARE TRANSACTION %L', gen_random_uuid()) AS prepare \gset
:prepare;
\else
COMMIT;
\endif
\else
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO event DEFAULT VALUES;
SELECT audit.log_request('POST', '/event', 201);
COMMIT;
\endif
});
my $seal = put('seal.sql', "SELECT audit.seal();\n");

my @running;

# load(SCRIPT, OPTION...): a pgbench that goes on until it is ended or dies
sub load
{
	my ($script, @options) = @_;
	my ($out, $err) = ('', '');
	my $pgbench = IPC::Run::start(
		[ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, @options, '-T', 3600, '-f', $script, $db ],
		'<', \undef, '>', \$out, '2>', \$err);
	push @running, $pgbench;
	return $pgbench;
}

sub start_load
{
	load($mix, '-c', $clients, '-j', 2, $rate ? ('-R', $rate) : ());
	load($seal, '-c', 2, '-R', 20);
	return;
}

sub end_load
{
	for my $pgbench (splice @running)
	{
		$pgbench->signal('INT') if $pgbench->pumpable;
		eval { $pgbench->finish };
	}
	return;
}

# sql(QUERY): the result, or undef while the server is down
sub sql
{
	my ($status, $out) = $node->psql($db, $_[0]);
	return $status == 0 ? $out : undef;
}

# A prepared transaction is committed or rolled back, some time.
sub finish_prepared
{
	my ($share) = @_;
	my $commands = sql(qq{SELECT format('%s PREPARED %L;', CASE WHEN random() < 0.7 THEN 'COMMIT' ELSE 'ROLLBACK' END, gid)
		FROM pg_prepared_xacts WHERE random() < $share});
	sql($_) for split /\n/, $commands // '';
	return;
}

# The reader of the export: it remembers where it is only after it has taken a
# batch over, and is interrupted before that at random.
my ($position, %delivered) = (0);

sub export_some
{
	my $limit = 1 + int rand 2000;
	my $batch = sql("SELECT leaf, id FROM audit.export($position, $limit)");

	return 0 if !defined $batch || rand() < 0.2;
	my @lines = split /\n/, $batch;
	for (@lines)
	{
		my ($leaf, $id) = split /\|/;
		$delivered{$id}++;
		$position = $leaf + 1;
	}
	return scalar @lines;
}

# A backend that seals just now, else the worker
my $sealers = q{SELECT pid FROM pg_stat_activity
	WHERE backend_type = 'audit_log sealer' OR query LIKE 'SELECT audit.seal()%' AND pid <> pg_backend_pid()
	ORDER BY state = 'active' DESC, random()};

sub sealer
{
	return (split /\n/, sql($sealers) // '')[0];
}

my %done;

sub work_until
{
	my ($end) = @_;

	while (time < $end)
	{
		my $what = int rand 10;
		if ($what < 4)
		{
			$done{exported} += export_some();
		}
		elsif ($what < 7)
		{
			finish_prepared(0.5);
		}
		elsif ($what < 9)
		{
			my $pid = sealer();
			$done{terminated}++ if $pid && (sql("SELECT pg_terminate_backend($pid)") // '') eq 't';
			load($seal, '-c', 2, '-R', 20) if !sealer();
		}
		else
		{
			sql('BEGIN; SELECT audit.seal(); ROLLBACK') // next;
		}
	}
	return;
}

# ------------------------------------------------- with a long transaction

ok($node->poll_query_until($db, 'SELECT active FROM audit.status'), 'the worker seals by itself');
start_load();
my ($in, $out, $err) = ('', '', '');
my $long = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db) ], '<', \$in, '>', \$out, '2>', \$err);
$in = "BEGIN; INSERT INTO event (note) VALUES ('long') RETURNING pg_current_xact_id();\n";
$long->pump until $out =~ /^(\d+)\n/;
my $long_txid = $1;
work_until(time + $seconds / 2);
$in .= "INSERT INTO event (note) VALUES ('long'); COMMIT;\n\\q\n";
$long->finish;
is($err, '', 'a long transaction commits at last');
my $before_long = sql('SELECT max(block) FROM audit.ledger_blocks');

# ------------------------------------------------- with crashes of the server

for my $crash (1 .. $crashes)
{
	work_until(time + $seconds / 2 / $crashes);
	load($seal, '-c', 2, '-R', 20) if !sealer();
	$node->poll_query_until($db, "SELECT count(*) > 0 FROM ($sealers) s") or die 'nobody seals';
	$done{killed} += kill 'KILL', sealer();
	end_load();
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'the server does not come back';
	start_load() if $crash < $crashes;
}
end_load();
$node->poll_query_until($db, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
finish_prepared(1);
is(sql('SELECT count(*) FROM pg_prepared_xacts'), '0', 'every prepared transaction is finished');
ok(defined sql('SELECT audit.seal()'), 'what is left is sealed');
1 while export_some() || $position < sql('SELECT size FROM audit.status');

# ---------------------------------------------------------------- the count

my $records = sql('SELECT (SELECT count(*) FROM audit.audit_objects) + (SELECT count(*) FROM audit.audit_requests)');
note("$records records in " . sql('SELECT max(block) FROM audit.ledger_blocks')
	  . " blocks; sealers terminated: " . ($done{terminated} // 0) . ', killed: ' . ($done{killed} // 0));
cmp_ok($records, '>', 500, 'there was a load');
cmp_ok($done{terminated} // 0, '>', 0, 'sealers were terminated');
is($done{killed} // 0, $crashes, 'sealers were killed');
is(sql('SELECT count(*) FROM audit.ledger_leaves'), $records, 'there are as many leaves as committed records');
is(sql(q{SELECT count(*) FROM audit.ledger_leaves l FULL JOIN audit.ledger_texts t USING (id)
	WHERE l.leaf IS NULL OR t.id IS NULL}), '0', 'each record is a leaf, and each leaf a record');
is(sql('SELECT count(*) - count(DISTINCT id) FROM audit.ledger_leaves'), '0', 'none is there twice');
is(sql('SELECT count(*) = max(leaf) + 1 AND count(DISTINCT leaf) = count(*) FROM audit.ledger_leaves'), 't', 'there is no gap');
is(sql(q{SELECT count(*) FROM (SELECT block, first_leaf, lag(block, 1, 0::bigint) OVER w AS before, lag(size, 1, 0::bigint) OVER w AS end
		FROM audit.ledger_blocks WINDOW w AS (ORDER BY block)) b
	WHERE block <> before + 1 OR first_leaf <> b.end}), '0', 'the blocks follow one another');

# The truth that needs no trust in the log: the tables themselves.
is(sql(q{SELECT count(*) FROM (SELECT entity_key, count(*) AS times FROM audit.audit_objects
			WHERE dao_name = 'event' GROUP BY 1) r FULL JOIN event e ON e.id::text = r.entity_key
	WHERE r.times IS DISTINCT FROM 1 OR e.id IS NULL}), '0', 'each row of a table has its record');
is(sql(q{SELECT count(*) FROM (SELECT (entity ->> 'id')::int AS id, (entity ->> 'n')::int AS n FROM audit.audit_objects
			WHERE dao_name = 'counter' AND operation = 'update') r
		FULL JOIN (SELECT c.id, g AS n FROM counter c, generate_series(1, c.n) AS g) t USING (id, n)
	WHERE r.n IS NULL OR t.n IS NULL}), '0', 'each update has its record');

# Counting up a row waits for the transaction that counted before: the numbers
# are the order of commits.
is(sql(q{WITH placed AS MATERIALIZED (
		SELECT (o.entity ->> 'id')::int AS id, (o.entity ->> 'n')::int AS n,
			(SELECT b.block FROM audit.ledger_blocks b WHERE b.size > l.leaf ORDER BY b.block LIMIT 1) AS block
		FROM audit.audit_objects o JOIN audit.ledger_leaves l USING (id)
		WHERE o.dao_name = 'counter' AND o.operation = 'update')
	SELECT count(*) FROM (SELECT block < lag(block) OVER (PARTITION BY id ORDER BY n) AS wrong FROM placed) p
	WHERE wrong}), '0', 'records are in the order of commits');
is(sql("SELECT count(*) > 0 FROM audit.ledger_leaves l JOIN audit.audit_objects o USING (id)
	WHERE o.txid > '$long_txid' AND l.leaf < (SELECT min(l.leaf) FROM audit.ledger_leaves l JOIN audit.audit_objects o USING (id)
		WHERE o.txid = '$long_txid')"), 't', 'nobody waited for the long transaction');
is(sql("SELECT count(*), count(DISTINCT b.block) FROM audit.audit_objects o JOIN audit.ledger_leaves l USING (id)
		JOIN audit.ledger_blocks b ON l.leaf >= b.first_leaf AND l.leaf < b.size
	WHERE o.txid = '$long_txid'"), '2|1', 'its records are in one block');
is(sql(q{SELECT count(*) > 0 FROM audit.audit_objects WHERE entity ->> 'note' = 'prepared'}), 't', 'there are records of prepared transactions');
is(sql(q{SELECT count(*) FROM audit.audit_objects WHERE entity ->> 'note' = 'lost'}), '0', 'and none of what was rolled back');

# Whatever left the server is in the ledger.
my %published;
my $log = slurp_file($node->logfile);
$published{"$1 $2"}++ while $log =~ /audit ledger of database "shop": \S+ (\d+) (\S{44})/g;
my %stored = map { $_ => 1 } split /\n/, sql(q{SELECT size || ' ' || encode(root, 'base64') FROM audit.ledger_blocks});
cmp_ok(scalar(keys %published), '>', 2, 'checkpoints were published');
is(scalar(grep { !$stored{$_} } keys %published), 0, 'each published checkpoint is one of the ledger');

is(sql('SELECT * FROM audit.verify_ledger(0, NULL, audit.checkpoint())'), '', 'the verifier finds nothing');
my $key = sql(q{SELECT verifier FROM audit.checkpoint_keys WHERE algorithm = 'Ed25519'});
$node->command_ok([ AuditLog::program('audit_log_verify'), '-k', $key, $node->connstr($db) ], 'nor does the one outside');
is(sql('SELECT * FROM audit.crosscheck_ledger(audit.checkpoint())'), '', 'nor does the one in plain SQL');

is(scalar(keys %delivered), $records, 'the export delivered every record');
is(scalar(grep { $_ != 1 } values %delivered), 0, 'each once');

done_testing();
