# The frontend and the extension in the database are installed apart, so one
# can be there without the other, or older.  What the operator is told at the
# start and at the first request, what clients are told, and that it needs no
# restart once the database is put right.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Frontend;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = AuditLog::start_node('versions');
my ($ours) = slurp_file("$FindBin::RealBin/../../audit_log.control") =~ /^default_version = '(.*)'/m;
is(qx{@{[ Frontend::program() ]} --version}, "audit_log_httpd $ours\n", 'the program has the version of its extension');

# says(WEB, TEXT): the program said so, or says so soon
sub says
{
	my ($web, $wanted, $what) = @_;
	my $text = '';
	for (1 .. 200)
	{
		$text = slurp_file($web->{log});
		last if index($text, $wanted) >= 0;
		sleep 0.05;
	}
	return ok(index($text, $wanted) >= 0, $what) || diag("$wanted\n$text");
}
my $unfit = '503 {"message":"The extension in the database does not fit this service"}';

## no extension

$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('postgres', 'CREATE ROLE web LOGIN');
my $web = Frontend->start($node, 'bare');
says($web, 'database "bare" has no extension audit_log: run CREATE EXTENSION audit_log CASCADE there', 'at the start it says that the extension is missing');
my $answer = $web->get('/audit/objects');
is("$answer->{status} $answer->{content}", $unfit, 'clients get 503');
is($web->get('/ready')->{status}, 503, '/ready, too');
$node->safe_psql('bare', 'CREATE EXTENSION audit_log CASCADE');
$web->get('/audit/objects');
says($web, 'role "web" may not call the API: run GRANT audit_log_api TO "web"', 'then it says that the role has no right');
$node->safe_psql('bare', 'GRANT audit_log_api TO web');
is($web->get('/audit/objects')->{status}, 200, 'once all is there it works, without a restart');
ok($web->stop, 'it ends');

## another version

my $db = AuditLog::create_db($node, 'shop');
Frontend::create_consumers($node, $db, 'web');
$node->safe_psql($db, q{UPDATE pg_extension SET extversion = '0.1' WHERE extname = 'audit_log'});
$web = Frontend->start($node, $db, '--expose=public.consumers');
says($web, qq{this is audit_log_httpd $ours, but database "shop" has audit_log 0.1: run ALTER EXTENSION audit_log UPDATE there},
	'at the start it says which versions there are, and what to do');
is($web->get('/audit/objects')->{status}, 200, 'what is the same in both works');
ok($web->stop, 'it ends');
$node->safe_psql($db, qq{UPDATE pg_extension SET extversion = '$ours' WHERE extname = 'audit_log'});

## tables that cannot be served

$node->safe_psql($db, 'CREATE TABLE secrets (id int PRIMARY KEY); CREATE SCHEMA hidden; CREATE TABLE hidden.things (id int PRIMARY KEY)');
$web = Frontend->start($node, $db, map { "--expose=$_" } qw(public.consumers public.nothing public.secrets hidden.things));
says($web, $_, "at the start it says: $_") for '--expose=public.nothing: database "shop" has no such table',
  '--expose=public.secrets: role "web" may not read it: run GRANT SELECT ON public.secrets TO "web"', '--expose=hidden.things: permission denied for schema hidden';
unlike(slurp_file($web->{log}), qr/--expose=public.consumers/, '... and nothing of what can be');
ok($web->stop, 'it ends');

## functions that are not there any more, before the first call and after

$web = Frontend->start($node, $db, '--expose=public.consumers');
says($web, qq{connected to database "shop" as "web", audit_log $ours}, 'else it says where it is');
is($web->get('/audit/objects')->{status}, 200, 'a list');
$node->safe_psql($db, 'ALTER FUNCTION audit.api_list RENAME TO other_list; ALTER FUNCTION audit.api_object RENAME TO other_object');
for my $path (qw(/audit/objects /audit/objects/x))
{
	$answer = $web->get($path);
	is("$answer->{status} $answer->{content} " . ($answer->{headers}{'retry-after'} // ''), "$unfit 1", "$path misses its function");
	is(join(' ', map { $_->{status} } $web->records($db, $answer->{id})), '503', '... and has its record');
}
says($web, qq{does not fit audit_log $ours of database "shop": function audit.api_list(}, 'the log names it');
is(scalar(() = slurp_file($web->{log}) =~ /does not fit/g), 1, '... once');
$node->safe_psql($db, 'ALTER FUNCTION audit.other_list RENAME TO api_list; ALTER FUNCTION audit.other_object RENAME TO api_object');
is($web->get('/audit/objects')->{status}, 200, 'when it is back it works, without a restart');
is($web->get('/audit/objects/x')->{status}, 404, '... the other, too');

## what is missed by a trigger of the user's is no business of ours

$node->safe_psql($db, q{
	CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nowhere(NEW.id); RETURN NEW; END $$;
	CREATE TRIGGER broken BEFORE UPDATE ON consumers FOR EACH ROW EXECUTE FUNCTION broken();
	INSERT INTO consumers VALUES (7, 'seven');});
$answer = $web->send('PATCH', '/consumers/7', '{"username":"eight"}');
is("$answer->{status} $answer->{content}", '500 {"message":"An unexpected error occurred"}', 'a broken trigger');
is(join(' ', map { $_->{status} } $web->records($db, $answer->{id})), '500', '... has one record');
ok($web->stop, 'it ends');

$node->stop;
done_testing();
