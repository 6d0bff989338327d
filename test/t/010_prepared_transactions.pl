# Records of a prepared transaction are there exactly when its changes are:
# committed by another session, rolled back, or decided after a restart.
# Two-phase commit needs a server setting, and a restart.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
AuditLog::make_key("$dir/records.pem");
my $node = AuditLog::start_node('prepared', 'max_prepared_transactions = 10',
	"audit.signing_key = '$dir/records.pem'");
my $db = AuditLog::create_db($node, 'shop');

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

# records(KEY): operations recorded of a row, in order
sub records
{
	my ($key) = @_;
	return sql("SELECT string_agg(operation, ' ' ORDER BY id) FROM audit.objects WHERE entity_key = '$key'");
}

sql(q{
	CREATE TABLE things (id text PRIMARY KEY, note text);
	CREATE TABLE parts (thing text REFERENCES things ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, n integer, PRIMARY KEY (thing, n));
	SELECT audit.enable('things');
	SELECT audit.enable('parts');
	INSERT INTO things VALUES ('whole');
	INSERT INTO parts VALUES ('whole', 1), ('whole', 2);
});

sub prepare
{
	my ($name) = @_;
	sql(qq{
		BEGIN;
		SELECT audit.begin_request('request of $name');
		INSERT INTO things VALUES ('$name');
		SAVEPOINT kept;
		UPDATE things SET note = 'kept' WHERE id = '$name';
		SAVEPOINT lost;
		UPDATE things SET note = 'lost' WHERE id = '$name';
		ROLLBACK TO lost;
		RELEASE kept;
		SELECT audit.log_request('POST', '/$name', 201);
		PREPARE TRANSACTION '$name';
	});
}

# In doubt: the session that wrote is gone, nobody sees anything yet.
prepare($_) for qw(committed given_up survives dies);
is(sql(q{SELECT count(*) FROM audit.objects WHERE entity_key IN ('committed', 'given_up', 'survives', 'dies')}),
	'0', 'records of a prepared transaction cannot be seen');
sql(q{COMMIT PREPARED 'committed'});
sql(q{ROLLBACK PREPARED 'given_up'});
is(records('committed'), 'create update', 'a committed one has each of its records once');
is(records('given_up'), '', 'one that was rolled back has none');
is(sql(q{SELECT count(DISTINCT o.txid) || ' ' || count(*) FROM audit.objects o JOIN audit.requests r USING (request_id)
	WHERE r.path = '/committed' AND r.request_id = 'request of committed'}), '1 2',
	'the request and its objects are joined');
is(sql(q{SELECT count(*) FROM audit.requests WHERE path = '/given_up'}), '0', 'no request of the other');

# A restart, also an unclean one, keeps what is in doubt.
$node->stop('immediate');
$node->start;
is(records('survives'), '', 'still in doubt after a crash');
sql(q{COMMIT PREPARED 'survives'});
sql(q{ROLLBACK PREPARED 'dies'});
is(records('survives'), 'create update', 'committed after a crash');
is(records('dies'), '', 'rolled back after a crash');

# Deferred work happens before the transaction is prepared.
sql(q{
	BEGIN;
	INSERT INTO parts VALUES ('later', 1);
	INSERT INTO things VALUES ('later');
	DELETE FROM things WHERE id = 'whole';
	PREPARE TRANSACTION 'deferred';
	COMMIT PREPARED 'deferred';
});
is(sql(q{SELECT string_agg(dao_name || ' ' || operation || ' ' || entity_key, ', ' ORDER BY id) FROM audit.objects
	WHERE txid = (SELECT txid FROM audit.objects WHERE entity_key = 'later')}),
	'parts create ["later",1], things create later, things delete whole, parts delete ["whole",1], parts delete ["whole",2]',
	'cascades are in the prepared transaction');

# One that cannot be prepared leaves nothing.
my (undef, undef, $stderr) = $node->psql($db, q{
	BEGIN;
	INSERT INTO things VALUES ('refused');
	INSERT INTO parts VALUES ('nowhere', 1);
	PREPARE TRANSACTION 'refused'; });
like($stderr, qr/violates foreign key constraint/, 'a deferred constraint stops PREPARE TRANSACTION');
is(records('refused'), '', 'and its records are gone with it');
is(sql('SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing is left in doubt');

# The same session goes on after it prepared one.
sql(q{
	BEGIN; INSERT INTO things VALUES ('one'); PREPARE TRANSACTION 'one';
	INSERT INTO things VALUES ('two');
	BEGIN; INSERT INTO things VALUES ('three'); ROLLBACK;
	COMMIT PREPARED 'one';
	UPDATE things SET note = '' WHERE id = 'one';
});
is(records('one') . ', ' . records('two') . ', ' . records('three'), 'create update, create, ',
	'a session that prepared a transaction goes on as before');
is(sql(q{SELECT count(*) FROM audit.objects o WHERE audit.verify(audit.record(o)) IS NOT TRUE}), '0', 'every signature fits');

done_testing();
