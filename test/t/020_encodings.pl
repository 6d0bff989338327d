# Databases whose encoding is not UTF-8, and settings that fit only some of
# them: no request goes unrecorded and no value is lost for it.  Needs a
# configuration file that is read before any encoding is known.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

# The second expression is the Latin-1 spelling of "^/é$", the last one fits all.
my $node = AuditLog::start_node('encodings', "shared_preload_libraries = 'audit_log'",
	"audit.ignore_paths = '/status,^/\xe9\$,/health'");
my %encoding = (utf8 => 'UTF8', latin1 => 'LATIN1', eucjp => 'EUC_JP', ascii => 'SQL_ASCII');
for my $db (sort keys %encoding)
{
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0 ENCODING '$encoding{$db}' LOCALE 'C'");
	$node->safe_psql($db, 'CREATE EXTENSION audit_log CASCADE');
}

# paths(DB, SETUP, PATH...): which of the paths are recorded, as hexadecimal
# digits; what the session was told is in $told
my $told;

sub paths
{
	my ($db, $setup, @paths) = @_;
	my $list = join ',', map { "'" . unpack('H*', $_) . "'" } @paths;
	my ($ret, $out);

	($ret, $out, $told) = $node->psql($db, qq{
		SET client_encoding = sql_ascii;
		$setup;
		CREATE TEMP TABLE seen (n serial, p text, kept boolean);
		DO \$\$
		DECLARE
			h text;
		BEGIN
			FOREACH h IN ARRAY ARRAY[$list] LOOP
				INSERT INTO seen (p, kept) SELECT h, audit.log_request('GET', convert_from(decode(h, 'hex'), getdatabaseencoding()), 200) IS NOT NULL;
			END LOOP;
		END \$\$;
		SELECT string_agg(p, ' ' ORDER BY n) FROM seen WHERE kept }, on_error_stop => 1);
	return $ret == 0 ? $out : $told;
}

# hex(PATH...): the same for comparing
sub hex_of
{
	return join ' ', map { unpack 'H*', $_ } @_;
}

# A list that comes from the file.
is(paths('utf8', '', '/status', "/\xc3\xa9", '/health', '/x'), hex_of("/\xc3\xa9", '/x'),
	'UTF8: what cannot be an expression ignores nothing, the others do, and requests are recorded');
is(scalar(() = $told =~ /WARNING:  expression 2 of "audit.ignore_paths" is invalid in this database/g), 1, '  and the session is told once');
is(paths('latin1', '', '/status', "/\xe9", '/health', '/x'), hex_of('/x'), 'LATIN1: it is one');
unlike($told, qr/WARNING/, '  without a warning');
is(paths('eucjp', '', '/status', '/health', '/x'), hex_of('/x'), 'EUC_JP: it is none');
like($told, qr/WARNING:  expression 2 /, '  and the session is told');
is(paths('ascii', '', '/status', "/\xe9", '/health', "/\xe8", '/x'), hex_of("/\xe8", '/x'), 'SQL_ASCII: it is what bytes it is');

# One that is set is refused where it cannot be used.
isnt($node->psql('utf8', "SET client_encoding = sql_ascii; SET audit.ignore_paths = E'/\\xe9'"), 0, 'UTF8: other bytes are refused');
isnt($node->psql('eucjp', "SET client_encoding = sql_ascii; SET audit.ignore_paths = E'/\\xe9'"), 0, 'EUC_JP: so are they');

# Characters, not bytes.
is(paths('latin1', "SET audit.ignore_paths = E'^/.\$,(?i)^/x\xc9,^/\\\\x{e8}\\\\w\$'", "/\xe9", "/x\xe9", "/\xe8\xe8", '/xx'),
	hex_of("/\xe8\xe8", '/xx'), 'LATIN1: one character, its other case, its code point');
is(paths('eucjp', "SET audit.ignore_paths = E'^/.\$,^/[\xc6\xfc\xcb\xdc]{2}\$'", "/\xc6\xfc", "/\xc6\xfc\xcb\xdc", "/\xcb\xdc\xcb\xdc", "/\xc6\xfc\xc6\xfb"),
	hex_of("/\xc6\xfc\xc6\xfb"), 'EUC_JP: a character of two bytes, and a class of them');
# A user-defined character, which has no UTF-8 form
is(paths('eucjp', "SET audit.ignore_paths = '/status,/./x'", "/\xf5\xa1", "/status/\xf5\xa1", "/\xf5\xa1/x"), hex_of("/\xf5\xa1", "/\xf5\xa1/x"),
	'EUC_JP: a path that cannot be converted is matched as far as it can be');
is(paths('ascii', "SET audit.ignore_paths = E'^/.\$'", "/\xc3\xa9", "/\xe9", '/x'), hex_of("/\xe9"), 'SQL_ASCII: characters where they are UTF-8');

# entity(DB, JSON): what is recorded of a json column with these bytes
sub entity
{
	my ($db, $json) = @_;
	my ($ret, $out, $err) = $node->psql($db, "SET client_encoding = sql_ascii;
		CREATE TABLE docs (id int PRIMARY KEY, doc json);
		SELECT audit.enable('docs');
		INSERT INTO docs VALUES (1, convert_from('\\x" . unpack('H*', $json) . "', getdatabaseencoding())::json);
		SELECT encode(convert_to((entity->'doc')::text || ' ' || coalesce(removed_from_entity, '-'), getdatabaseencoding()), 'escape')
			FROM audit.objects WHERE dao_name = 'docs' AND operation = 'create' ORDER BY id DESC LIMIT 1;
		DROP TABLE docs", on_error_stop => 1);
	return $ret == 0 ? $out =~ s/^\s+//r : $err;
}

# escaped(BYTES): as PostgreSQL shows bytea
sub escaped
{
	return $_[0] =~ s/([\x80-\xff])/sprintf '\\%03o', ord $1/ger;
}
my $odd = qq({"a": "\xe9\xff", "\xe8": 1});
is(entity('ascii', $odd), escaped($odd) . ' -', 'SQL_ASCII: JSON with any bytes is recorded as it is');
is(entity('ascii', qq({"\xff": "\xe9", "password": "x\xe9", "b": 1})), escaped(qq({"\xff": "\xe9", "b": 1})) . ' password', '  without excluded keys');
is(entity('eucjp', qq({"a": "\xf5\xa1", "password": "\xf5\xa2"})), escaped(qq({"a": "\xf5\xa1"})) . ' password',
	'EUC_JP: so is JSON with characters that have no UTF-8 form');
is(entity('latin1', qq({"a": "\xe9", "password": "\xe8"})), escaped(qq({"a": "\xe9"})) . ' password', 'LATIN1: and all others');
$node->append_conf('postgresql.conf', "audit.payload_exclude = 'password, \xc6\xfc'");
$node->reload;
is(entity('eucjp', qq({"\xc6\xfc": 1, "a": 2})), '{"a": 2} ' . escaped("\xc6\xfc"), 'EUC_JP: a key of its own is taken out');
is(entity('eucjp', qq({"\xc6\xfc": 1, "a": "\xf5\xa1"})), 'null doc', '  with a character that has no UTF-8 form the value is withheld');

# Bodies, the same way.
sub payload
{
	my ($db, $argument) = @_;
	my ($ret, $out, $err) = $node->psql($db, "SET client_encoding = sql_ascii;
		SELECT audit.log_request('POST', '/body', 200, $argument);
		SELECT encode(convert_to(payload || ' ' || coalesce(removed_from_payload, '-'), getdatabaseencoding()), 'escape') FROM audit.requests WHERE path = '/body' ORDER BY id DESC LIMIT 1",
		on_error_stop => 1);
	return $ret == 0 ? ($out =~ s/.*\n//sr) : $err;
}
is(payload('ascii', "convert_from('\\x" . unpack('H*', qq({"password": 1, "a": "\xe9"})) . "', 'sql_ascii')"), escaped(qq({"a": "\xe9"})) . ' password',
	'SQL_ASCII: a body with any bytes');
is(payload('latin1', "payload_bytes => convert_to('{\"password\": 1, \"a\": \"' || chr(233) || '\"}', 'utf8')"), escaped(qq({"a": "\xe9"})) . ' password',
	'LATIN1: a body in UTF-8 that it can hold');
is(payload('latin1', "payload_bytes => '\\x" . unpack('H*', qq({"password": 1, "a": "\xe6\x97\xa5"})) . "'"),
	'escaped:{"a": "\\\\346\\\\227\\\\245"} password', '  and one that it cannot');

done_testing();
