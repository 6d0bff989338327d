# The ledger over HTTP: the same bytes as the SQL functions give, and clear
# errors before there is one.  It needs the frontend.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Frontend;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = AuditLog::start_node('ledger', "audit.ledger_key = '$dir/ledger.pem'",
	"audit.ledger_origin = 'example.com/shop'", "audit.ignore_paths = '^/'");
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');
my $web = Frontend->start($node, $db);

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

# Before anything is sealed
sql(q{
	CREATE TABLE things (id integer PRIMARY KEY, note text);
	SELECT audit.enable('things');
	INSERT INTO things SELECT g, 'note ' || g FROM generate_series(1, 300) g;
});
my $id = sql('SELECT id FROM audit.objects ORDER BY id LIMIT 1');
is($web->get($_)->{status}, 404, "$_ before the first block")
  for '/audit/checkpoint', '/checkpoint', "/audit/proof/$id", '/tile/0/000', '/tile/entries/000.p/1';
my $log = $web->get('/audit/log')->{json};
is(@{ $log->{data} } . " $log->{size} $log->{next_leaf}", '0 0 0', 'an empty log');
is($log->{next}, undef, 'without a next page');

# Checkpoint and proofs
sql('SELECT audit.seal()');
my $answer = $web->get('/audit/checkpoint');
is($answer->{status}, 200, 'a checkpoint');
is($answer->{content}, sql('SELECT audit.checkpoint()'), 'the same as audit.checkpoint() gives');
like($answer->{headers}{'content-type'}, qr{^text/plain}, 'as plain text');
is($web->get('/checkpoint')->{content}, $answer->{content}, 'also under the name of a tiled log');
for my $leaf (0, 1, 255, 256, 299)
{
	my ($of) = sql("SELECT id FROM audit.ledger_leaves WHERE leaf = $leaf");
	$answer = $web->get("/audit/proof/$of");
	is($answer->{status} . $answer->{content}, 200 . sql("SELECT audit.inclusion_proof('$of')"), "proof of leaf $leaf");
}
is($web->get("/audit/proof/$_")->{status}, 404, "no proof of $_")
  for 'x', '00000000-0000-7000-8000-000000000000', "$id'", $id . '0', '..%2f..';
is($web->get('/audit/proof/%00')->{status}, 400, 'no NUL in a path');
sql(q{INSERT INTO things VALUES (301, 'unsealed')});
is($web->get('/audit/proof/' . sql('SELECT id FROM audit.objects ORDER BY id DESC LIMIT 1'))->{status}, 404,
	'no proof of what is not sealed');

# Tiles: each is served with the bytes of audit.tiles()
sql('SELECT audit.seal()');
my %tiles = map { split /\|/ } split /\n/, sql(q{SELECT path, encode(data, 'hex') FROM audit.tiles() WHERE path LIKE 'tile/%'});
cmp_ok(scalar(keys %tiles), '>=', 4, 'there are full and partial tiles');
for my $path (sort keys %tiles)
{
	$answer = $web->get("/$path");
	is($answer->{status}, 200, "/$path");
	is(unpack('H*', $answer->{content}), $tiles{$path}, '... as audit.tiles() gives it');
}
is($web->get($_)->{status}, 404, "$_")
  for '/tile/', '/tile/0', '/tile/0/x', '/tile/0/999', '/tile/64/000', '/tile/0/000.p/256', '/tile/0/001.p/0', '/tile/-1/000',
  '/tile/0/000/', '/tile/99999999999999999999/000', '/tile/0/00', '/tile/0/%2e%2e/000', "/tile/0/000'";
is($web->send('POST', '/tile/0/000', '')->{status}, 405, 'tiles are read only');
is($web->send('DELETE', '/audit/checkpoint')->{status}, 405, 'and so is the checkpoint');

# Paging by position: every record once, also those that come meanwhile
my ($from, @leaves, @ids, $pages) = (0);
for (;;)
{
	my $page = $web->get("/audit/log?size=100&from=$from")->{json};
	last unless @{ $page->{data} };
	$pages++;
	push @leaves, map { $_->{leaf} } @{ $page->{data} };
	push @ids, map { $_->{record}{id} } @{ $page->{data} };
	is($page->{next}, $page->{next_leaf} < $page->{size} ? "/audit/log?size=100&from=$page->{next_leaf}" : undef, 'the next page');
	$from = $page->{next_leaf};
	sql(q{INSERT INTO things SELECT g, 'late' FROM generate_series(1001, 1050) g; SELECT audit.seal()}) if $pages == 2;
}
is("@leaves", join(' ', 0 .. $#leaves), 'no gap and no duplicate');
is(join("\n", sort @ids), sql(q{SELECT string_agg(id::text, E'\n' ORDER BY id::text COLLATE "C") FROM audit.objects}), 'every record is there');
my $page = $web->get("/audit/log?from=$from")->{json};
is(@{ $page->{data} } . " $page->{next_leaf}", "0 $from", 'at the end, the place to go on');
for my $bad ('-1', 'x', '', '1.5', '9999999999999999999', '0x1', '1 OR 1=1')
{
	$answer = $web->get("/audit/log?from=" . ($bad =~ s/ /%20/gr));
	is("$answer->{status} $answer->{json}{code}", '400 11', "from=$bad");
}
is($web->get('/audit/log?size=1001')->{json}{message}, 'size must be an integer between 1 and 1000', 'size is checked as elsewhere');
is($web->get('/audit/log?from=999999999')->{json}{next_leaf}, 999999999, 'a position to come');

# Status, and a record that was changed by hand
is($web->get('/audit/status')->{status}, 200, 'the state of the ledger');
is($web->get("/audit/verify?ids=$id")->{json}{data}{$id}{ledger}, 'sealed', 'a record that is as it was sealed');
sql(qq{
	ALTER TABLE audit.audit_objects DISABLE TRIGGER audit_log_protect;
	UPDATE audit.audit_objects SET db_user = 'mallory' WHERE id = '$id';
	ALTER TABLE audit.audit_objects ENABLE ALWAYS TRIGGER audit_log_protect;});
is($web->get("/audit/verify?ids=$id")->{json}{data}{$id}{ledger}, 'changed', 'a record that is not');
ok($web->stop, 'the frontend ends when asked');

done_testing();
