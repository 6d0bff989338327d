# Key files: which are taken, how each other kind is refused, how a key is
# replaced, and that no private byte gets out.  Needs files with modes and
# owners, restarts, the server's log and a look at /proc; SQL has none of them.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Signing;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = AuditLog::start_node('keys', 'log_min_messages = debug5', 'log_error_verbosity = verbose',
 'log_statement = none',
	"audit.signing_key = ''", "shared_preload_libraries = ''");
my $db = AuditLog::create_db($node, 'shop');
my $hint = 'Name a PEM file with an unencrypted RSA private key of at least 2048 bits that only the database user can read.';
my $heard = '';			# everything that clients were told

$node->safe_psql($db, q{
	CREATE TABLE goods (id int PRIMARY KEY, t text);
	SELECT audit.enable('goods');
	CREATE VIEW counts AS SELECT (SELECT count(*) FROM goods) AS rows,
		(SELECT count(*) FROM audit.audit_objects WHERE dao_name = 'goods' AND operation <> 'ddl') AS objects,
		(SELECT count(*) FROM audit.audit_requests) AS requests });

# session(STATEMENT...): in one psql, "\! command" included; what it printed,
# and its messages, with SQLSTATEs
sub session
{
	my $script = join "\n", '\set VERBOSITY verbose', (map { /^\\/ ? $_ : "$_;" } "LOAD 'audit_log'", @_);
	my ($ret, $out, $err) = $node->psql($db, $script, on_error_stop => 0);

	$err =~ s/^psql:<stdin>:\d+: //mg;
	$err =~ s/^LOCATION: .*\n?//mg;
	$heard .= "$out\n$err\n";
	return ($out, $err);
}

sub key_in_use
{
	my ($out, $err) = session(@_,
		"INSERT INTO goods SELECT coalesce(max(id), 0) + 1 FROM goods",
		"SELECT coalesce(key_id, 'none') FROM audit.audit_objects WHERE dao_name = 'goods' AND operation = 'create' ORDER BY id DESC LIMIT 1");
	is($err, '', '  without a complaint') if @_ == 0;
	return $err ne '' ? $err : (split /\n/, $out)[-1];
}

sub key_id
{
	my ($file) = @_;
	my $spki = `openssl rsa -in '$file' -pubout -outform DER 2>/dev/null | sha256sum`;
	return substr $spki, 0, 32;
}

# new_log(CODE): runs it; returns what the log got meanwhile
sub new_log
{
	my ($code) = @_;
	my $offset = -s $node->logfile;
	$code->();
	return substr slurp_file($node->logfile), $offset;
}

## keys that work

my %key = (
	pkcs8 => "$dir/pkcs8.pem",
	pkcs1 => "$dir/pkcs1.pem",
	big => "$dir/big.pem");
Signing::make_key($key{pkcs8});
Signing::make_key($key{big}, 3072);
Signing::openssl("genrsa -traditional -out $key{pkcs1} 2048");
like(slurp_file($key{pkcs8}), qr/BEGIN PRIVATE KEY/, 'there is a PKCS#8 file');
like(slurp_file($key{pkcs1}), qr/BEGIN RSA PRIVATE KEY/, 'and a PKCS#1 file');

my $pem = slurp_file($key{pkcs8});
my %good = (
	'PKCS#8' => $key{pkcs8},
	'PKCS#1' => $key{pkcs1},
	'3072 bits' => $key{big},
	'a symbolic link' => "$dir/link.pem",
	'CRLF line ends' => "$dir/crlf.pem",
	'text around it' => "$dir/text.pem",
	'a certificate beside it' => "$dir/both.pem",
	'read only' => "$dir/only.pem",
	'no newline at the end' => "$dir/end.pem",
	'odd characters in its name' => "$dir/it's an \"odd\" näme.pem");
my $cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
umask 0077;
symlink 'pkcs8.pem', "$dir/link.pem" or die $!;
Signing::write_file($good{'CRLF line ends'}, $pem =~ s/\n/\r\n/gr);
Signing::write_file($good{'text around it'}, "the key of the shop\n\n${pem}\nthe end\n");
Signing::write_file($good{'a certificate beside it'}, "$cert$pem$cert");
Signing::write_file($good{'read only'}, $pem);
chmod 0400, $good{'read only'};
Signing::write_file($good{'no newline at the end'}, $pem =~ s/\n\z//r);
Signing::write_file($good{'odd characters in its name'}, $pem);
for my $name (sort keys %good)
{
	(my $quoted = $good{$name}) =~ s/'/''/g;
	is(key_in_use("SET audit.signing_key = '$quoted'"), key_id($good{$name} =~ /pkcs1|big/ ? $good{$name} : $key{pkcs8}),
		"a key with $name signs");
}
$node->safe_psql($db, q{TRUNCATE goods});
cp_key($key{pkcs8}, $node->data_dir . '/relative.pem');
is(key_in_use("SET audit.signing_key = 'relative.pem'"), key_id($key{pkcs8}), 'a relative path starts at the data directory');

sub cp_key
{
	my ($from, $to) = @_;
	Signing::write_file("$to.new", slurp_file($from));
	rename "$to.new", $to or die $!;
	return;
}

## keys that do not, each with its own words

my $config = 'F0000';		# config_file_error
my %bad;

# bad(NAME, SQLSTATE, REASON, [CONTENTS, [MODE]]): a file and how it is refused
sub bad
{
	my ($name, $state, $reason, $contents, $mode) = @_;
	my $file = "$dir/bad_" . ($name =~ s/\W+/_/gr);

	Signing::write_file($file, $contents) if defined $contents;
	chmod $mode, $file if defined $mode;
	$bad{$name} = { file => $file, state => $state, reason => $reason };
	return $file;
}

# made(COMMAND): what openssl writes to a file
sub made
{
	my ($command) = @_;
	Signing::openssl($command =~ s/OUT/$dir\/made/r);
	return slurp_file("$dir/made");
}

my $cannot = 'cannot be used:';
bad('missing', '58P01', 'No such file or directory');
bad('a missing folder', '58P01', 'No such file or directory');
$bad{'a missing folder'}{file} = "$dir/nowhere/key.pem";
bad('a folder', $config, 'is not a regular file');
mkdir $bad{'a folder'}{file} or die $!;
bad('a file for a folder', '58030', 'Not a directory');
$bad{'a file for a folder'}{file} = "$key{pkcs8}/key.pem";
bad('a pipe', $config, 'is not a regular file');
system_or_bail('mkfifo', $bad{'a pipe'}{file});
bad('a link to nothing', '58P01', 'No such file or directory');
symlink 'nothing', $bad{'a link to nothing'}{file} or die $!;
bad('too long a path', '58030', 'File name too long');
$bad{'too long a path'}{file} = "$dir/" . 'x' x 300;
bad('no right to read', '42501', 'Permission denied', $pem, 0000);
bad('group access', $config, 'has group or world access; its mode must be u=rw \(0600\) or less', $pem, 0640);
bad('world access', $config, 'has group or world access; its mode must be u=rw \(0600\) or less', $pem, 0604);
bad('group may write', $config, 'has group or world access; its mode must be u=rw \(0600\) or less', $pem, 0620);
bad('a link to group access', $config, 'has group or world access');
symlink 'bad_group_access', $bad{'a link to group access'}{file} or die $!;
bad('empty', $config, 'is empty', '');
bad('blank', $config, "$cannot the file is empty", " \n\n");
bad('huge', $config, 'is too large to be a key', $pem . 'x' x 70000);
bad('no PEM', $config, "$cannot not a PEM file: no BEGIN line found", "my key\n");
bad('binary', $config, "$cannot not a PEM file: no BEGIN line found", join '', map { chr(($_ * 37) % 256) } 1 .. 2000);
bad('DER', $config, "$cannot not a PEM file, it looks like DER", made("rsa -in $key{pkcs8} -outform DER -out OUT"));
bad('cut off', $config, "$cannot the PEM block is truncated: no END line", substr $pem, 0, 800);
bad('lines missing', $config, "$cannot the key is corrupt: not a valid PKCS#8 structure", $pem =~ s/(\n.{64}){3}\n/\n/r);
bad('half a line', $config, "$cannot the PEM block is corrupt", $pem =~ s/.(?=\n-----END)//r =~ s/=(?=\n)//gr);
bad('other characters', $config, "$cannot the PEM block is corrupt: invalid base64 character", $pem =~ s/\n(.{20})./\n$1*/r);
bad('another end', $config, "$cannot the END line of the PEM block does not match its BEGIN line", $pem =~ s/END PRIVATE/END RSA PRIVATE/r);
bad('encrypted PKCS#8', $config, "$cannot the private key is encrypted with a passphrase",
	made("pkcs8 -topk8 -in $key{pkcs8} -passout pass:secret -out OUT"));
bad('encrypted PKCS#1', $config, "$cannot the private key is encrypted with a passphrase",
	made("rsa -traditional -aes128 -in $key{pkcs8} -passout pass:secret -out OUT"));
bad('1024 bits', $config, "$cannot the RSA key has 1024 bits, at least 2048 are needed", made('genrsa -out OUT 1024'));
bad('2047 bits', $config, "$cannot the RSA key has 2047 bits, at least 2048 are needed", made('genrsa -out OUT 2047'));
bad('three primes', $config, "$cannot the RSA key has more than two primes", made('genrsa -primes 3 -out OUT 2048'));
bad('exponent 1', $config, "$cannot ", exponent_one());
bad('EC', $config, "$cannot EC keys are not supported", made('ecparam -name prime256v1 -genkey -noout -out OUT'));
bad('EC in PKCS#8', $config, "$cannot EC keys are not supported", made('genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out OUT'));
bad('Ed25519', $config, "$cannot Ed25519 keys are not supported here, an RSA key is needed", made('genpkey -algorithm ed25519 -out OUT'));
bad('RSA-PSS', $config, "$cannot RSA-PSS keys are not supported", made('genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out OUT'));
bad('DSA', $config, "$cannot DSA keys are not supported", made('dsaparam -genkey -noout -out OUT 1024') =~ s/-----BEGIN DSA PARAMETERS.*?-----END[^\n]*\n//sr);
bad('X25519', $config, "$cannot X25519 keys are not supported", made('genpkey -algorithm x25519 -out OUT'));
bad('a public key', $config, "$cannot the file holds a public key, not a private key", slurp_file("$key{pkcs8}.pub"));
bad('a certificate', $config, "$cannot the file holds a certificate, not a private key", $cert);
bad("OpenSSH's own format", $config, "$cannot the key is in OpenSSH's own format, which is not supported",
	"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
bad('changed numbers', $config, "$cannot the key is corrupt: its parts do not fit together", changed_modulus());
bad('an unknown type', $config, "$cannot the private key is of an unknown type", "-----BEGIN NEW PRIVATE KEY-----\nAAAA\n-----END NEW PRIVATE KEY-----\n");

# The DER of a PKCS#1 file, to be changed, and back
sub pkcs1_der
{
	return decode_base64(slurp_file($key{pkcs1}) =~ s/-----[^\n]*\n//gr);
}

sub pkcs1_pem
{
	return "-----BEGIN RSA PRIVATE KEY-----\n" . encode_base64($_[0]) . "-----END RSA PRIVATE KEY-----\n";
}

# A key whose modulus has one other bit.  (OpenSSL signs without the primes if
# these are damaged, so that such a key works.)
sub changed_modulus
{
	my $der = pkcs1_der();

	substr($der, 100, 1) ^= "\x10";
	return pkcs1_pem($der);
}

sub exponent_one
{
	return pkcs1_pem(pkcs1_der() =~ s/\x02\x03\x01\x00\x01/\x02\x03\x00\x00\x01/r);
}

my %said;
my @statements = map {
	"SET audit.signing_key = '" . ($bad{$_}{file} =~ s/'/''/gr) . "'",
	"\\warn '-- " . s/'/\'\'/gr . "'" } sort keys %bad;
my ($out, $err) = session("SET audit.signing_key = '$key{pkcs8}'", @statements,
	'SHOW audit.signing_key', 'INSERT INTO goods VALUES (1000)');
$said{$2} = $1 while $err =~ /\G(.*?)^-- ([^\n]*)\n?/gms;
for my $name (sort keys %bad)
{
	my ($file, $state, $reason) = @{ $bad{$name} }{qw(file state reason)};
	like($said{$name} // '', qr/^ERROR:  $state: invalid value for parameter "audit.signing_key": "\Q$file\E"\nDETAIL:  .*"\Q$file\E".*$reason.*\.\nHINT:  \Q$hint\E\n*\z/,
		"SET refuses a key file: $name") or diag "-- $name";
}
is((split /\n/, $out)[-1], $key{pkcs8}, 'the earlier key stays set');
unlike($err, qr/cannot be signed/, 'and signs');

($out, $err) = session(map({ "ALTER SYSTEM SET audit.signing_key = '" . ($bad{$_}{file} =~ s/'/''/gr) . "'" } sort keys %bad));
is(scalar(() = $err =~ /^ERROR:  \w{5}: invalid value for parameter "audit.signing_key"/mg), scalar(keys %bad), 'so does ALTER SYSTEM');
unlike(slurp_file($node->data_dir . '/postgresql.auto.conf'), qr/signing_key/, 'which writes nothing');
for my $alter ("ALTER DATABASE $db", 'ALTER ROLE ' . $node->safe_psql($db, 'SELECT quote_ident(current_user)'))
{
	(undef, $err) = session("$alter SET audit.signing_key = '$bad{'1024 bits'}{file}'");
	like($err, qr/^ERROR:  F0000: .*\nDETAIL:  .*1024 bits/, "so does $alter");
}
is($node->safe_psql($db, 'SELECT count(*) FROM pg_db_role_setting'), 0, 'which leaves no trace');

# What a session sets before the library is loaded has not been checked.
is($node->psql($db, "SET audit.signing_key = '$bad{EC}{file}'; INSERT INTO goods VALUES (2000)"), 3,
	'a bad file that was set before the library was loaded lets nothing be written');
is($node->safe_psql($db, "SET audit.signing_key = '$key{pkcs1}'; INSERT INTO goods VALUES (2000);
	SELECT key_id FROM audit.audit_objects WHERE entity_key = '2000'"), key_id($key{pkcs1}), 'while a good one signs');

## files of the configuration

sub set_conf
{
	my ($path) = @_;
	$node->adjust_conf('postgresql.conf', 'audit.signing_key', "'$path'");
	return;
}

# Until new sessions see the setting
sub reload_with
{
	my ($path) = @_;
	set_conf($path);
	$node->reload;
	$node->poll_query_until($db, "SELECT current_setting('audit.signing_key') = '$path'") or die 'not reloaded';
	return;
}

reload_with($key{pkcs8});
is(key_in_use(), key_id($key{pkcs8}), 'reload picks up a key');
my $session = $node->background_psql($db);
$session->query_safe("LOAD 'audit_log'; INSERT INTO goods VALUES (3000);");
reload_with($key{pkcs1});
# A session looks at the files when it gets a statement.
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if $session->query_safe('SHOW audit.signing_key') eq $key{pkcs1};
	$session->query_safe('SELECT pg_sleep(0.1)');
}
$session->query_safe('INSERT INTO goods VALUES (3001);');
is($session->query_safe("SELECT string_agg(key_id, ' ' ORDER BY id) FROM audit.audit_objects WHERE entity_key IN ('3000', '3001')"),
	key_id($key{pkcs8}) . ' ' . key_id($key{pkcs1}), 'in a session that lives, too');

# A reload with a bad file: the log says so, the earlier key goes on.
$session->query_safe('INSERT INTO goods VALUES (4000);');
my $log = new_log(sub {
	set_conf($bad{'encrypted PKCS#8'}{file});
	$node->reload;
	my $offset = -s $node->logfile;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$session->query_safe('SELECT pg_sleep(0.1)');
		last if substr(slurp_file($node->logfile), $offset) =~ /the earlier one stays in force/;
	}
});
like($log, qr/LOG:  F0000: new value of "audit.signing_key" cannot be used, the earlier one stays in force\n.*DETAIL:  Key file ".*encrypted_PKCS_8" cannot be used: the private key is encrypted with a passphrase\./,
	'a reload with a bad file says so in the log');
$session->query_safe('INSERT INTO goods VALUES (4001);');
is($session->query_safe("SELECT DISTINCT key_id FROM audit.audit_objects WHERE entity_key IN ('4000', '4001')"),
	key_id($key{pkcs1}), 'and the session goes on with the earlier key');

# A new session has no earlier one: it reads, and writes nothing unsigned.
my $before = $node->safe_psql($db, 'SELECT * FROM counts');
(undef, $err) = session('INSERT INTO goods VALUES (5000)', "SELECT audit.log_request('GET', '/', 200)");
is(scalar(() = $err =~ /^ERROR:  F0000: audit record cannot be signed\nDETAIL:  Key file ".*" cannot be used: the private key is encrypted with a passphrase\.\nHINT:  Mend the file that "audit.signing_key" names, or unset it to write records without signatures\.$/mg),
	2, 'a session that starts with a bad file writes nothing of either stream');
is($node->safe_psql($db, 'SELECT * FROM counts'), $before, 'and leaves nothing behind');
cp_key($key{big}, $bad{'encrypted PKCS#8'}{file});
is(key_in_use(), key_id($key{big}), 'until the file is mended, without a restart');
$session->quit;

# The server's start, without and with the library preloaded
for my $preload ('', 'audit_log')
{
	my $how = $preload ? 'with the library preloaded' : 'without the library preloaded';

	$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'$preload'");
	set_conf($bad{EC}{file});
	$before = $node->safe_psql($db, "SET audit.signing_key = ''; SELECT * FROM counts");
	$log = new_log(sub {
		$node->restart;
		is($node->safe_psql($db, 'SELECT count(*) > 0 FROM goods'), 't', "$how the server starts with a bad file");
		(undef, $err) = session('UPDATE goods SET t = t', 'DELETE FROM goods', "SELECT audit.log_request('GET', '/', 200)");
		is(scalar(() = $err =~ /^ERROR:  F0000: audit record cannot be signed\nDETAIL:  .*EC keys/mg), 3, '  but nothing is written');
	});
	like($log, qr/LOG:  F0000: audit records cannot be signed and are refused\n.*DETAIL:  .*EC keys are not supported/, '  and the log says why');
	is($node->safe_psql($db, 'SELECT * FROM counts'), $before, '  and nothing left');
	(undef, $err) = session("SET audit.signing_key = ''", 'TRUNCATE goods');
	is($err, '', '  and a superuser may choose to write unsigned');
	reload_with($key{pkcs8});
	is(key_in_use(), key_id($key{pkcs8}), '  and a reload mends it');
}

## a file that changes while sessions live

my $live = "$dir/live.pem";
cp_key($key{pkcs8}, $live);
reload_with($live);
$before = $node->safe_psql($db, 'SELECT rows + 3 AS rows, objects + 3 AS objects, requests + 1 AS requests FROM counts');
my @attempts = ('INSERT INTO goods VALUES (6000)', 'UPDATE goods SET t = $$x$$ WHERE id = 1', "SELECT audit.log_request('GET', '/', 200)");
($out, $err) = session('INSERT INTO goods VALUES (6001)',
	"\\! mv $live $live.away", @attempts,
	"\\! cp $bad{'1024 bits'}{file} $live", @attempts,
	"\\! rm $live; cp -p $live.away $live; chmod g+r $live", @attempts,
	"\\! chmod 0600 $live", 'INSERT INTO goods VALUES (6002)', "SELECT audit.log_request('GET', '/', 200) IS NULL",
	"\\! cp $key{pkcs1} $live.new; mv $live.new $live", 'INSERT INTO goods VALUES (6003)',
	"SELECT string_agg(key_id, ' ' ORDER BY id) FROM audit.audit_objects WHERE entity_key IN ('6001', '6002', '6003')");
is(join(' ', $err =~ /^ERROR:  (\w+): audit record cannot be signed$/mg), '58P01 ' x 3 . 'F0000 ' x 5 . 'F0000',
	'no write of either stream while the file is away, short, or readable by others');
is((split /\n/, $out)[-1], join(' ', (key_id($key{pkcs8})) x 2, key_id($key{pkcs1})),
	'the same session signs before and after, and with a file that was put in its place');
is($node->safe_psql($db, 'SELECT * FROM counts'), $before, 'and the failed writes left nothing');

# What ALTER SYSTEM writes to its file would stay when its record fails.
(undef, $err) = session("\\! mv $live $live.away", 'ALTER SYSTEM SET audit.record_ttl = 5', "\\! mv $live.away $live");
like($err, qr/^ERROR:  58P01: audit record cannot be signed\n/, 'nor does ALTER SYSTEM');
unlike(slurp_file($node->data_dir . '/postgresql.auto.conf'), qr/record_ttl/, 'which writes nothing');

# A failure takes the statement, or the savepoint, and not what was before.
($out, $err) = session('BEGIN', 'INSERT INTO goods VALUES (6100)', 'SAVEPOINT s',
	"\\! mv $live $live.away", 'INSERT INTO goods VALUES (6101)', 'ROLLBACK TO s',
	"\\! mv $live.away $live", 'INSERT INTO goods VALUES (6102)', 'COMMIT');
is($node->safe_psql($db, q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM goods WHERE id BETWEEN 6100 AND 6102
	UNION ALL SELECT string_agg(entity_key, ' ' ORDER BY id) FROM audit.audit_objects WHERE entity_key IN ('6100', '6101', '6102')}),
	"6100 6102\n6100 6102", 'a savepoint holds the failure');
# In the middle of a statement of many batches, too
(undef, $err) = session('CREATE FUNCTION lose(i int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN IF i = 12000 THEN COPY (SELECT 1) TO PROGRAM $c$' . "mv $live $live.away" . '$c$; END IF; RETURN i; END $$',
	'INSERT INTO goods SELECT lose(i) FROM generate_series(10000, 13000) AS i', "\\! mv $live.away $live", 'INSERT INTO goods VALUES (6200)');
is(scalar(() = $err =~ /^ERROR:  58P01: audit record cannot be signed$/mg), 1, 'a key lost in the middle of a statement fails it');
is($node->safe_psql($db, q{SELECT (SELECT count(*) FROM goods WHERE id >= 10000) + (SELECT count(*) FROM audit.audit_objects WHERE entity_key ~ '^\d{5}$')}),
	0, 'as a whole');

## rotation

my %public = map { key_id($key{$_}) => slurp_file($key{$_} eq $key{pkcs1} ? pub_of('pkcs1') : "$key{$_}.pub") } keys %key;

sub pub_of
{
	my ($name) = @_;
	Signing::openssl("rsa -in $key{$name} -pubout -out $key{$name}.pub") unless -e "$key{$name}.pub";
	return "$key{$name}.pub";
}

for my $row (split /\n/, $node->safe_psql($db, q{SELECT id || ' ' || translate(public_key, E'\n', '~') || ' ' || algorithm FROM audit.keys}))
{
	my ($id, $text) = $row =~ /^(\w+) (.*~) RSASSA-PKCS1-v1_5 with SHA-256$/ or die $row;
	is($text =~ tr/~/\n/r, $public{$id}, "audit.keys has the public half of $id, as openssl writes it");
	delete $public{$id};
}
is(join(' ', keys %public), '', 'and of every key that signed');
is($node->safe_psql($db, q{SELECT count(*) = 0 AND count(DISTINCT key_id) = 0 FROM audit.objects o WHERE signature IS NOT NULL AND audit.verify(audit.record(o)) IS NOT TRUE}),
	't', 'records stay verifiable when their key is no longer in use');
is($node->safe_psql($db, q{SELECT count(DISTINCT key_id) FROM audit.objects}), 3, 'of all three keys');
is($node->safe_psql($db, q{SELECT count(*) FROM audit.keys k WHERE first_use > (SELECT min(occurred_at) + interval '1 minute' FROM audit.audit_objects o WHERE o.key_id = k.id)
	OR first_use < (SELECT min(occurred_at) FROM audit.audit_objects o WHERE o.key_id = k.id)}), 0, 'first use is the time of the first record');
my @sample = split /\n/, $node->safe_psql($db, q{SELECT record FROM (SELECT audit.record(o) AS record, row_number() OVER (PARTITION BY key_id ORDER BY id) AS n FROM audit.objects o WHERE signature IS NOT NULL) s WHERE n <= 2});
is(scalar(@sample), 6, 'some of each');
for my $record (@sample)
{
	my ($id) = $record =~ /"key_id":"(\w+)"/;
	my ($file) = grep { key_id($key{$_}) eq $id } keys %key;
	is(Signing::verdict($record, pub_of($file)), 'Verified OK', "openssl finds a record of the key $file good");
}

## no private byte gets out

# A process that has read a key belongs to root for /proc, so that its memory
# is for root, and never in a core file of ours.
SKIP:
{
	skip 'needs /proc and no root', 3 if $> == 0 || !-e "/proc/$$/maps";
	for my $case ([ 0, '', 'that signed nothing is like any other' ], [ 1, 'INSERT INTO goods VALUES (7000);', 'that has signed does not dump its memory' ])
	{
		my $session = $node->background_psql($db);
		my $pid = $session->query_safe('SELECT pg_backend_pid()');
		$session->query_safe($case->[1]) if $case->[1];
		is((stat "/proc/$pid/maps")[4] == $> ? 0 : 1, $case->[0], "a session $case->[2]");
		$session->quit;
	}
	is((stat "/proc/$node->{_pid}/maps")[4], $>, 'nor does the postmaster pass that on to all');
}

# A key pasted where its path belongs is repeated nowhere.
$log = new_log(sub {
	for my $statement ("SET audit.signing_key = '$pem'", "ALTER SYSTEM SET audit.signing_key = '$pem'",
		"SELECT set_config('audit.signing_key', '$pem', true)", "ALTER DATABASE $db SET audit.signing_key = '$pem'")
	{
		(undef, $err) = session($statement);
		like($err, qr/^ERROR:  22023: invalid value for parameter "audit.signing_key"\nDETAIL:  The value is a key itself, not the path of its file\.\nHINT:  \Q$hint\E\s*\z/,
			'a key itself is refused: ' . substr $statement, 0, 20);
	}
});
like($log, qr/a key itself/, 'which the log says, too');

system_or_bail('pg_dump', '-f', "$dir/dump", $node->connstr($db));
$node->stop;

# Needles: the factors and exponents in binary, hex and base64, and the lines
# of the files themselves; the modulus is no secret.
my %needle;
for my $name (keys %key)
{
	my $text = `openssl rsa -in $key{$name} -noout -text 2>/dev/null`;
	$needle{$_} = 1 for grep { length >= 60 && index(slurp_file(pub_of($name)), substr $_, 10, 20) < 0 }
	  split /\n/, slurp_file($key{$name});
	for my $part (qw(privateExponent prime1 prime2 exponent1 exponent2 coefficient))
	{
		my ($hex) = $text =~ /^$part:\n((?: +.*\n)+)/m or die $part;
		my $bytes = pack 'H*', $hex =~ s/[\s:]//gr;
		for my $start (10, 60)
		{
			my $piece = substr $bytes, $start, 24;
			$needle{$piece} = 1;
			$needle{ substr encode_base64(substr($piece, $_), ''), 0, 20 } = 1 for 0 .. 2;
			$needle{ unpack 'H*', $piece } = 1;
			$needle{ uc unpack 'H*', $piece } = 1;
			$needle{ join ':', unpack '(H2)*', $piece } = 1;
		}
	}
}
my $pattern = join '|', map { quotemeta } keys %needle;
my @holes;
my $bytes = 0;

sub look_into
{
	my ($what, $content) = @_;
	$bytes += length $content;
	push @holes, $what if $content =~ /$pattern/;
	return;
}

cmp_ok(scalar(keys %needle), '>', 100, 'there is something to look for');
ok(slurp_file($key{pkcs1}) =~ /$pattern/ && pkcs1_der() =~ /$pattern/, 'which is found where it is');
look_into('messages to clients', $heard);
look_into('the log', slurp_file($node->logfile));
look_into('a dump', slurp_file("$dir/dump"));
unlink $node->data_dir . '/relative.pem';
my @files = ($node->data_dir);
while (defined(my $file = shift @files))
{
	push @files, glob "$file/*" if -d $file && !-l $file;
	look_into($file, slurp_file($file)) if -f $file && -s _ > 0;
}
is("@holes", '', 'no private byte is in a message, in the log at debug5, in a dump or in the data directory');
cmp_ok($bytes, '>', 10_000_000, 'of which there is much');

done_testing();
