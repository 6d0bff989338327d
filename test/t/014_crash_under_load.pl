# The server is killed while clients write in every way that could lose or
# double a record: after recovery each committed change has exactly one.  A
# long run of the same is test/torture/run.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('crash', 'max_prepared_transactions = 20', 'restart_after_crash = off', 'audit.record_ttl = 0');
my $db = AuditLog::create_db($node, 'shop');
my $script = $node->basedir . '/mix.sql';

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

# state(PID): of a process, and the parent's id; nothing if there is none
sub state
{
	my ($pid) = @_;

	open my $fh, '<', "/proc/$pid/stat" or return;
	return <$fh> =~ /\) (\S) (\d+)/;
}

# Ends the postmaster without warning.  Its children leave when they notice;
# where nobody reaps it, its lock files look alive.
sub kill_server
{
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @children = grep { ((state($_))[1] // 0) == $postmaster } map { m{(\d+)$} } glob '/proc/[0-9]*';
	my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;

	$node->kill9;
	while (grep { ((state($_))[0] // 'Z') ne 'Z' } $postmaster, @children)
	{
		die 'a process of the server does not end' unless $tries--;
		select undef, undef, undef, 0.1;
	}
	unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock';
}

# A row of "counter" that says n has had n updates, so it has one record for
# each of 1..n; a row of "event" has one.  Neither needs trust in the log.
sql(q{
	CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL);
	CREATE TABLE event (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), bulk int);
	INSERT INTO counter SELECT g, 0 FROM generate_series(1, 20) g;
	SELECT audit.enable('counter'), audit.enable('event');
	CREATE FUNCTION nested(who int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		UPDATE counter SET n = n + 1 WHERE id = who;
		BEGIN
			INSERT INTO event DEFAULT VALUES;
			UPDATE counter SET n = n + 1 WHERE id = who;
			IF random() < 0.5 THEN
				RAISE EXCEPTION 'undo the inner block';
			END IF;
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END $$});
append_to_file($script, <<'SQL');
\set who random(1, 20)
\set way random(1, 6)
\if :way = 1
UPDATE counter SET n = n + 1 WHERE id = :who;
\elif :way = 2
BEGIN;
INSERT INTO event DEFAULT VALUES;
SAVEPOINT s;
INSERT INTO event (bulk) SELECT g FROM generate_series(1, 300) AS g;
ROLLBACK TO s;
UPDATE counter SET n = n + 1 WHERE id = :who;
COMMIT;
\elif :way = 3
BEGIN;
UPDATE counter SET n = n + 1 WHERE id = :who;
INSERT INTO event DEFAULT VALUES;
ROLLBACK;
\elif :way = 4
SELECT nested(:who);
\elif :way = 5
INSERT INTO event (bulk) SELECT g FROM generate_series(1, 300) AS g;
\else
BEGIN;
UPDATE counter SET n = n + 1 WHERE id = :who;
PREPARE TRANSACTION 'of client :client_id';
\if random(1, 5) = 1
ROLLBACK PREPARED 'of client :client_id';
\else
COMMIT PREPARED 'of client :client_id';
\endif
\endif
SQL

# What does not fit: steps without one record, records without a step
my $wrong = q{
	WITH told AS (
		SELECT (entity->>'id')::int AS id, (entity->>'n')::int AS n, count(*) AS times
		FROM audit.audit_objects WHERE dao_name = 'counter' AND operation = 'update' GROUP BY 1, 2
	), steps AS (
		SELECT c.id, g AS n FROM counter c, generate_series(1, c.n) AS g
	), events AS (
		SELECT entity_key, count(*) AS times FROM audit.audit_objects WHERE dao_name = 'event' AND operation = 'create' GROUP BY 1
	)
	SELECT (SELECT count(*) FROM told FULL JOIN steps USING (id, n) WHERE told.times IS DISTINCT FROM 1 OR steps.id IS NULL)
		+ (SELECT count(*) FROM events r FULL JOIN event e ON e.id::text = r.entity_key WHERE r.times IS DISTINCT FROM 1 OR e.id IS NULL)};

my $before = 0;
for my $round (1 .. 3)
{
	my ($in, $out, $err) = ('', '', '');
	my $load = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-j', '2', '-T', '120', '-f', $script, $node->connstr($db) ], '<', \$in, '>', \$out, '2>', \$err);

	# Not before there is something to lose
	$node->poll_query_until($db, "SELECT sum(n) > $before + 150 FROM counter") or die "no load: $err";
	kill_server();
	$load->finish;
	$node->start;
	sql($_) for split /\n/, sql(q{SELECT CASE WHEN random() < 0.5 THEN 'COMMIT' ELSE 'ROLLBACK' END || format(' PREPARED %L', gid) FROM pg_prepared_xacts});
	is(sql($wrong), 0, "crash $round: each committed change has exactly one record");
	$before = sql('SELECT sum(n) FROM counter');
}
cmp_ok(sql(q{SELECT count(*) FROM event}), '>', 300, 'many rows were among them');
is(sql('SELECT audit.seal() > 0'), 't', 'what is left can be sealed');
is(sql('SELECT * FROM audit.verify_ledger()'), '', 'and verified');

done_testing();
