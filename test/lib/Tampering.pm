# test/lib/Tampering.pm
#
# What a superuser can do to a log by hand.  Each case is done in a copy of a
# database with a sealed log, and must be found under the names that it lists.
#
#   for my $case (Tampering::cases())
#   {
#       my $copy = Tampering::copy($node, 'shop', $case);
#       ... $case->{found}, $case->{crosscheck} ...
#   }
#
# The log holds an object record of table "things" in an early and in a late
# block, a request, 600 leaves at least and three blocks at least.
package Tampering;

use strict;
use warnings FATAL => 'all';

# Protection goes out of the way and comes back, as only a superuser can.
my @tables = map { "audit.$_" }
  qw(audit_objects audit_requests ledger_generations ledger_blocks
  ledger_bundles ledger_nodes ledger_signatures ledger_keys ledger_anchors);
my $disarm = join '', map { "ALTER TABLE $_ DISABLE TRIGGER ALL;\n" } @tables;
my $rearm = q{DO $$ DECLARE command text; BEGIN
	FOR command IN SELECT format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tgrelid::regclass, tgname)
		FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'audit.%' AND NOT tgisinternal
	LOOP EXECUTE command; END LOOP; END $$;};

my $early = q{(SELECT id FROM audit.audit_objects
	WHERE dao_name = 'things' ORDER BY id LIMIT 1)};
my $insert_copy = q{
	CREATE TEMP TABLE copied AS SELECT * FROM audit.audit_objects WHERE id = %s;
	UPDATE copied SET id = %s, entity_key = 'smuggled' %s;
	INSERT INTO audit.audit_objects SELECT * FROM copied;
	DROP TABLE copied;};

# name, what is done, kinds that audit.verify_ledger() finds, kinds that
# audit.crosscheck_ledger() finds.  The second cannot verify a signature, only
# see whether there is one, and to it a record whose leaf is gone was inserted.
my @cases = (
	[ 'an entity is changed',
		"UPDATE audit.audit_objects SET entity = '{\"id\":1}' WHERE id = $early",
		'changed', 'changed' ],
	[ 'who did it is changed',
		"UPDATE audit.audit_objects SET db_user = 'mallory' WHERE id = $early",
		'changed', 'changed' ],
	[ 'the status of a request is changed',
		"UPDATE audit.audit_requests SET status = 200",
		'changed', 'changed' ],
	[ 'a signature is removed',
		"UPDATE audit.audit_objects SET signature = NULL, key_id = NULL WHERE id = $early",
		'changed', 'changed' ],
	[ 'a record is moved to another transaction',
		"UPDATE audit.audit_objects SET txid = (SELECT max(txid) FROM audit.audit_requests) WHERE id = $early",
		'changed moved', 'changed moved' ],
	[ 'the id of a record is changed',
		"UPDATE audit.audit_objects SET id = '00000000-0000-7000-8000-000000000000' WHERE id = $early",
		'deleted inserted', 'deleted inserted' ],
	[ 'a record is deleted',
		"DELETE FROM audit.audit_objects WHERE id = $early",
		'deleted', 'deleted' ],
	[ 'a request is deleted',
		'DELETE FROM audit.audit_requests',
		'deleted', 'deleted' ],
	[ 'a time to live is shortened',
		"UPDATE audit.audit_objects SET expire = now() - interval '1 day' WHERE id = $early",
		'changed', 'changed' ],
	[ 'a time to live is shortened, and the record purged',
		"UPDATE audit.audit_objects SET expire = now() - interval '1 day' WHERE id = $early;\nSELECT audit.purge()",
		'deleted', 'deleted' ],
	[ 'a back-dated record is inserted',
		sprintf($insert_copy, $early, "'00000000-0000-7000-8000-000000000000'", ''),
		'inserted', 'inserted' ],
	[ 'a record of no transaction is inserted',
		sprintf($insert_copy, $early, "'00000000-0000-7000-8000-000000000000'", ", txid = '0'"),
		'inserted', 'inserted' ],
	[ 'a record of a transaction to come is inserted',
		sprintf($insert_copy, $early, 'gen_random_uuid()', ", txid = '900000000000'"),
		'future', 'future' ],
	[ 'the hash of a leaf is changed',
		"UPDATE audit.ledger_bundles SET inner_hashes = set_byte(inner_hashes, 7, 255 - get_byte(inner_hashes, 7)) WHERE first_leaf = 0",
		'changed node root', 'changed node root' ],
	[ 'the expiry of a leaf is changed',
		"UPDATE audit.ledger_bundles SET expires = set_byte(expires, 7, 255 - get_byte(expires, 7)) WHERE first_leaf = 0",
		'changed node root', 'changed node root' ],
	[ 'the id of a leaf is changed',
		"UPDATE audit.ledger_bundles SET ids = set_byte(ids, 15, 255 - get_byte(ids, 15)) WHERE first_leaf = 0",
		'deleted inserted node root', 'deleted inserted node root' ],
	[ 'two leaves change places',
		q{UPDATE audit.ledger_bundles SET
			ids = substr(ids, 17, 16) || substr(ids, 1, 16) || substr(ids, 33),
			expires = substr(expires, 9, 8) || substr(expires, 1, 8) || substr(expires, 17),
			inner_hashes = substr(inner_hashes, 33, 32) || substr(inner_hashes, 1, 32) || substr(inner_hashes, 65)
		WHERE first_leaf = 0},
		'moved node root', 'moved node root' ],
	[ 'a bundle is deleted',
		'DELETE FROM audit.ledger_bundles WHERE first_leaf = 0',
		'bundle', 'bundle inserted' ],
	[ 'a node is changed',
		'UPDATE audit.ledger_nodes SET hash = sha256(hash) WHERE index = 0',
		'node', 'node' ],
	[ 'a node is deleted',
		'DELETE FROM audit.ledger_nodes WHERE index = 0',
		'node', 'node' ],
	[ 'the root of the last block is changed',
		'UPDATE audit.ledger_blocks SET root = sha256(root) WHERE block = (SELECT max(block) FROM audit.ledger_blocks)',
		'root signature', 'root' ],
	[ 'a block is deleted',
		'DELETE FROM audit.ledger_blocks WHERE block = 2',
		'block', 'block' ],
	[ 'the snapshot of a block is changed',
		q{UPDATE audit.ledger_blocks b SET snapshot = (SELECT snapshot FROM audit.ledger_blocks WHERE block = 1)
			WHERE block = 2},
		'moved', 'moved' ],
	[ 'the size of a block is changed',
		'UPDATE audit.ledger_blocks SET size = size + 1 WHERE block = 2',
		'block root signature', 'block root signature' ],
	[ 'a block is added',
		q{INSERT INTO audit.ledger_blocks SELECT block + 1, size, size, sealed_at, generation, timeline, system_identifier, sha256(''), snapshot
			FROM audit.ledger_blocks ORDER BY block DESC LIMIT 1},
		'root signature', 'root' ],
	[ 'a leaf is added',
		q{INSERT INTO audit.ledger_bundles SELECT size, 1, uuid_send(gen_random_uuid()), int8send(0), sha256('')
			FROM audit.ledger_blocks ORDER BY block DESC LIMIT 1},
		'bundle', 'bundle' ],
	[ 'a node is added',
		q{INSERT INTO audit.ledger_nodes VALUES (8, 100, sha256(''))},
		'node', 'node' ],
	[ 'the origin is changed',
		q{UPDATE audit.ledger_generations SET origin = 'example.org/other'},
		'signature', '' ],
	[ 'a signature line is changed',
		q{UPDATE audit.ledger_signatures SET line = overlay(line placing CASE substr(line, length(line) - 40, 1) WHEN 'A' THEN 'B' ELSE 'A' END from length(line) - 40 for 1)
			WHERE size = (SELECT max(size) FROM audit.ledger_blocks)},
		'signature', '' ],
	[ 'the signatures of the last block are deleted',
		'DELETE FROM audit.ledger_signatures WHERE size = (SELECT max(size) FROM audit.ledger_blocks)',
		'signature', 'signature' ],
	[ 'the signatures of an earlier block are deleted',
		'DELETE FROM audit.ledger_signatures WHERE size = (SELECT size FROM audit.ledger_blocks WHERE block = 2)',
		'signature', 'signature' ],
	[ 'all signatures are deleted',
		'DELETE FROM audit.ledger_signatures',
		'signature', 'signature' ],
	[ 'signatures are replaced by those of a stranger',
		q{UPDATE audit.ledger_signatures SET line = regexp_replace(line, '^[^ ]+ ', 'stranger.example ')},
		'signature', 'signature' ],
);

sub cases
{
	return map {
		my ($name, $sql, $found, $crosscheck) = @$_;
		{ name => $name, sql => $sql, found => $found, crosscheck => $crosscheck }
	} @cases;
}

my $copies = 0;

# copy(NODE, DATABASE, CASE): name of a copy in which the case was done
sub copy
{
	my ($node, $db, $case) = @_;
	my $copy = "${db}_" . ++$copies;

	$node->safe_psql('postgres', qq{CREATE DATABASE "$copy" TEMPLATE "$db"});
	# A copy that passes for the original: else it would not be sealed.
	$node->safe_psql($copy, "${disarm}UPDATE audit.ledger_generations SET database = (SELECT oid FROM pg_database WHERE datname = current_database());\n$case->{sql};\n$rearm");
	return $copy;
}

sub drop
{
	my ($node, $copy) = @_;

	$node->safe_psql('postgres', qq{DROP DATABASE "$copy"});
}

1;
