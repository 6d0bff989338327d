# What README.md tells people to paste works as it stands: its sql blocks in
# one session of a fresh database, its steps for checking signatures and the
# ledger in a shell.  Regress cannot run a document, nor openssl.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my @blocks;
push @blocks, { tag => $1, text => $2 } while $readme =~ /^```(\w[^\n]*)\n(.*?)^```$/msg;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = AuditLog::start_node('readme', "audit.ledger_key = '$dir/ledger.pem'");
my ($sql) = join "\n", map { $_->{text} } grep { $_->{tag} eq 'sql' } @blocks;
my ($ret, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 1,
	extra_params => [ '-P', 'format=aligned', '-P', 'tuples_only=off' ]);
is($ret, 0, 'the sql blocks run in a fresh database') or diag $err;
my @shown = $readme =~ /^```sql\n[^`]*^```\n\n```\n(.*?)^```$/msg;
ok(@shown > 3, 'there are results to see');
ok(index("$out\n", $_) >= 0, 'what is shown comes out: ' . (split /\n/)[0]) or diag $_ for @shown;
unlike($out, qr/4111|"secret"/, 'what is excluded or masked does not');

my @errors = grep { $_->{tag} eq 'sql error' } @blocks;
ok(@errors > 0, 'there is a statement that must fail');
for my $block (@errors)
{
	($ret, $out, $err) = $node->psql('postgres', $block->{text});
	my ($shown) = $readme =~ /\Q$block->{text}\E```\n\n```\n(.*?)```/s;
	$err =~ s/^psql:<stdin>:\d+: //mg;
	is("$err\n", $shown, 'and fails with the message that is shown');
}

# The reference has a row for every setting, and every function but those whose
# comment begins with "internal"
{
	my %section = map { /^(.*)\n/ ? ($1 => $_) : () } split /^## /m, $readme;
	my @rows = map { s/^\|([^|]*)\|.*/$1/r } grep { /^\|/ } split /\n/,
	  "$section{'Functions and views'}\n$section{Settings}";
	my @wanted = split /\n/, $node->safe_psql('postgres', q{
		LOAD 'audit_log';
		SELECT DISTINCT 'audit.' || proname || '(' FROM pg_proc p
		WHERE pronamespace = 'audit'::regnamespace AND obj_description(oid, 'pg_proc') !~ '^internal'
		UNION ALL SELECT '`' || name || '`' FROM pg_settings WHERE name LIKE 'audit.%'});
	cmp_ok(scalar(@wanted), '>', 50, 'there is much to look up');
	is_deeply([ grep { my $what = $_; !grep { index($_, $what) >= 0 } @rows } @wanted ], [],
		'the reference has all of it');
}

# Links within the page lead somewhere
{
	my %heading = map { my $slug = lc s/[^\w -]//gr; $slug =~ tr/ /-/; ($slug => 1) } $readme =~ /^#+ (.*)$/mg;
	my @links = $readme =~ /\]\(#([^)]+)\)/g;
	cmp_ok(scalar(@links), '>', 30, 'there are links');
	is_deeply([ grep { !$heading{$_} } @links ], [], 'and what they lead to');
}

# The steps of the ledger, one after the other
{
	my ($steps) = join '', map { $_->{text} } grep { $_->{tag} eq 'sh ledger' } @blocks;
	local $ENV{PATH} = "$FindBin::RealBin/../../bin:$ENV{PATH}";
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';

	open my $fh, '>', "$dir/ledger.sh" or die $!;
	print $fh $steps;
	close $fh;
	my $said = `cd $dir && sh -e ledger.sh 2>&1`;
	is($?, 0, 'the steps of the ledger run') or diag $said;
	like($said, qr/kept the checkpoint of ".*", \d+ leaves$/m, 'a checkpoint is kept');
	is(() = $said =~ /no findings$/mg, 5, 'the ledger verifies, from outside and from files');
	like($said, qr/^Verification: OK$/m, 'openssl verifies a time stamp of it');
	like($said, qr/^1 time stamps verified: \d+ leaves existed at /m, 'so does the verifier');
	like($said, qr/^Verified: record /m, 'and so does one record');
}

# Sign a mixed workload, then check every record by the steps as written.
my ($verify) = map { $_->{text} } grep { $_->{tag} eq 'sh verify' } @blocks;
system_or_bail('sh', '-c',
	"cd $dir && umask 077 && openssl genrsa -out private.pem 2048 2>/dev/null"
	  . " && openssl rsa -in private.pem -outform PEM -pubout -out public.pem 2>/dev/null");
$node->append_conf('postgresql.conf', "audit.signing_key = '$dir/private.pem'");
$node->reload;
$node->safe_psql('postgres', q{
	CREATE TABLE mixed (id int PRIMARY KEY, t text, n numeric, j jsonb, r float8, at timestamptz DEFAULT now());
	SELECT audit.enable('mixed');
	INSERT INTO mixed VALUES (1, E'pipe | and\nnewline', 1.50, '{"a": [1, null, {"b": 1e3}]}', 'NaN'),
		(2, 'üñí ☃ 𝄞', -0.000000001, '[]', 1e300), (3, '', NULL, '{}', -0);
	UPDATE mixed SET t = t || '"quoted"\\', n = n * 12345678901234567890;
	DELETE FROM mixed WHERE id = 3;
	TRUNCATE mixed;
	SELECT audit.log_request('POST', '/a?b=|', 201, '{"x": "\u00e9", "password": 1}', duration_ms => 1.250);
	SELECT audit.log_request('GET', '/', 599, payload_bytes => '\x00ff'); });
my @records = split /\n/, $node->safe_psql('postgres', q{
	SELECT audit.record(o) FROM audit.objects o WHERE signature IS NOT NULL
	UNION ALL SELECT audit.record(r) FROM audit.requests r WHERE signature IS NOT NULL });
cmp_ok(scalar(@records), '>=', 10, 'records were signed');

sub verdict
{
	my ($record, $tamper) = @_;
	open my $fh, '>', "$dir/record.json" or die $!;
	print $fh $record;
	close $fh;
	my $script = $verify;
	$script =~ s/^(openssl dgst)/$tamper\n$1/m if $tamper;
	open $fh, '>', "$dir/verify.sh" or die $!;
	print $fh $script;
	close $fh;
	return `cd $dir && sh verify.sh 2>&1`;
}

my @bad = grep { verdict($_) ne "Verified OK\n" } @records;
is(scalar(@bad), 0, 'openssl says "Verified OK" for every record') or diag $bad[0];

my ($record) = grep { /"operation":"update"/ } @records;
unlike(verdict($record, q(printf '\n' >> canonical_record.txt)), qr/Verified OK/,
	'one added newline fails');
like(verdict($record =~ s/"ttl":\d+/"ttl":1/r), qr/Verified OK/, 'ttl is not signed');
for my $field (sort keys %{ { map { $_ => 1 } $record =~ /"(\w+)":/g } })
{
	next if $field =~ /^(ttl|signature|expire)$/ || $record !~ /^.*?[{,]"$field":/;
	next unless $record =~ /(?:^\{|,)"\Q$field\E":("(?:[^"\\]|\\.)*"|null|\d+)/;
	my $value = $1;
	my $other = $value eq 'null' ? '"x"' : $value =~ /^\d/ ? $value + 1 : '"x' . substr($value, 1);
	unlike(verdict($record =~ s/((?:^\{|,)"\Q$field\E":)\Q$value\E/$1$other/r),
		qr/Verified OK/, "a changed $field fails");
}

done_testing();
