# The clock is set back, or ahead and back: what happened to a row keeps its
# order in the log, the worker goes on, and the ledger verifies.  It needs a
# server whose clock can be set.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog qw(put_file);
use Faults;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::new_node('clock',
	"shared_preload_libraries = 'audit_log'",
	"audit.ledger_database = 'postgres'",
	'audit.ledger_interval = 1',
	'audit.ledger_heartbeat = 2');
my $faults = Faults::start($node);
my $db = 'postgres';	# the worker need not wait for it
$node->safe_psql($db, 'CREATE EXTENSION audit_log CASCADE');
my $session = $node->background_psql($db, on_error_stop => 1);

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

sub ahead
{
	put_file($faults, "clock $_[0]\n");
	return;
}

# operations(KEY): of a row, in the order of the log, and whether time went on
sub operations
{
	return sql("SELECT string_agg(operation, ' ' ORDER BY id), bool_and(later IS NOT false)
		FROM (SELECT id, operation, occurred_at > lag(occurred_at) OVER (ORDER BY id) AS later
			FROM audit.objects WHERE dao_name = 'things' AND entity_key = '$_[0]') o");
}

sql(q{CREATE TABLE things (id int PRIMARY KEY, note text); SELECT audit.enable('things')});
ok($node->poll_query_until($db, 'SELECT active AND waiting = 0 FROM audit.status'), 'the ledger has begun');

# In one transaction, by any step
ahead(86400);
$session->query_safe(q{BEGIN; SET LOCAL audit.request_id = 'r1'; INSERT INTO things VALUES (1, 'a')});
ahead(0);
$session->query_safe(q{UPDATE things SET note = 'b'; UPDATE things SET note = 'c'; SELECT audit.log_request('POST', '/things', 201); COMMIT});
is(operations(1), 'create update update|t', 'in a transaction nothing is recorded as if it came before');
is(sql(q{SELECT bool_and(r.id > o.id) FROM audit.requests r JOIN audit.objects o USING (request_id)}), 't', 'nor its request');
is(sql(q{SELECT audit.revert('r1')}), 3, 'so it can be reverted');
is(sql(q{SELECT count(*) FROM things}), 0, 'down to the beginning');

# A transaction has the time that the clock shows, but for a small step.
is(sql(q{SELECT bool_and(abs(extract(epoch FROM occurred_at - clock_timestamp())) < 3600) FROM audit.objects
	WHERE dao_name = 'things' AND operation = 'delete'}), 't', 'the next transaction has the time of the clock');
ahead(1);
$session->query_safe(q{INSERT INTO things VALUES (2, 'a')});
ahead(0);
$session->query_safe(q{UPDATE things SET note = 'b'}) for 1 .. 3;
$session->query_safe(q{UPDATE things SET note = 'c'});
is(operations(2), 'create update update update update|t', 'a session does not follow a step of a second');

# Nor does a wait become longer by what the clock is set back.
my $state = sub { return "SELECT state = '$_[0]' FROM pg_stat_activity WHERE query LIKE 'SELECT audit.wait_sealed%'" };
$session->query_until(qr/begun/, "BEGIN;\nSELECT txid_current() AS open \\gset\n\\echo begun\nSELECT audit.wait_sealed(:'open'::xid8, '2 s');\n");
ok($node->poll_query_until($db, $state->('active')), 'a transaction waits for what cannot be sealed before it ends');
ahead(-7200);
ok($node->poll_query_until($db, $state->('idle in transaction')), 'no longer than it was told to');
ahead(0);
$session->quit;

# The worker
ahead(86400);
sql(q{INSERT INTO things VALUES (3, 'tomorrow')});
ok($node->poll_query_until($db, 'SELECT sealed_at > clock_timestamp() - interval $$1 hour$$ AND waiting = 0 FROM audit.status'), 'a block of tomorrow');
ahead(-3600);
sql(q{INSERT INTO things VALUES (4, 'an hour ago')});
ok($node->poll_query_until($db, 'SELECT sealed_at < clock_timestamp() + interval $$1 hour$$ AND waiting = 0 AND NOT stopped FROM audit.status'), 'the worker seals on');
my $blocks = sql('SELECT max(block) FROM audit.ledger_blocks');
ok($node->poll_query_until($db, "SELECT max(block) > $blocks FROM audit.ledger_blocks"), 'with heartbeats');
is(sql('SELECT * FROM audit.verify_ledger()'), '', 'and verifies');
is(sql('SELECT count(audit.leaf(id)) = count(*) FROM audit.objects'), 't', 'every record is a leaf that is found');
ok($node->poll_query_until($db, q{SELECT count(*) = 1 FROM audit.objects
	WHERE entity ->> 'event' = 'coverage' AND occurred_at < clock_timestamp() + interval '1 minute'}), 'what is covered is recorded at the new time');
is(sql(q{SELECT audit.record_coverage('1 day')}), 'f', 'once');

done_testing();
