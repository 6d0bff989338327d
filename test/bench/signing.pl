# test/bench/signing.pl: the RSA signature of a record beside OpenSSL's own speed.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;

my $db = connect_server();
my $n = $quick ? 500 : 2000;
my $few_rounds = $rounds > 3 ? 3 : $rounds;
my $seconds = $quick ? 1 : 3;
my $key = "$ENV{BENCH_WORK}/tmp/signing.pem";

# The server must be able to read the key, and nobody else.
$db->sql("COPY (SELECT 1) TO PROGRAM 'umask 077; openssl genrsa -out $key 2048 2>/dev/null';");

# Both on one core, the last one.
chomp(my $core = `nproc`);
$core--;
my $pinned = system("taskset -cp $core $db->{backend} >/dev/null 2>&1") == 0;
my $speed = ($pinned ? "taskset -c $core " : '') . "openssl speed -seconds $seconds rsa2048 2>/dev/null";

sub openssl_us
{
	my $text = `$speed`;

	$text =~ /^rsa +2048 bits +([\d.]+)s/m or die "openssl speed said:\n$text";
	$text =~ /^rsa +2048 bits +\S+ +\S+ +([\d.]+)/m or die $text;
	return 1e6 / $1;
}

my (@openssl, @signature, @ratio);
for my $round (0 .. $few_rounds - 1)
{
	my %ms;
	push @openssl, openssl_us() if $round % 2 == 0;
	for my $signed (in_order($round, 0, 1))
	{
		$db->sql("SELECT empty_logs(), fill('audited', false);");
		$db->sql('SET audit.signing_key = ' . ($signed ? "'$key'" : "''") . ';');
		# The key is read, and noted, before the clock runs.
		$db->sql("INSERT INTO audited SELECT id + $n, customer_id, status, amount, created_at, note "
			  . 'FROM orders LIMIT 1;');
		$ms{$signed} = $db->measure("INSERT INTO audited SELECT * FROM orders LIMIT $n")->{ms};
	}
	push @openssl, openssl_us() if $round % 2 == 1;
	push @signature, ($ms{1} - $ms{0}) * 1000 / $n;
	push @ratio, $signature[-1] / $openssl[-1];
}
my $signed = $db->sql('SELECT count(*) FROM audit.audit_objects WHERE signature IS NOT NULL;');
$db->sql('RESET audit.signing_key;');

title("Record signatures, RSA-2048: $n records in a statement, $few_rounds rounds"
	  . ($pinned ? ", all on core $core" : ''));
printf "openssl speed rsa2048      %.1f us a signature\n", median(@openssl);
printf "a signature more a record  %.1f us, with its JSON, canonical form, SHA-256 and base64\n",
  median(@signature);
printf "ratio                      %s   %s\n", spread('%.3f', @ratio),
  bar('record signature / openssl speed', median(@ratio), '<=', 1.05, '%.3f');
$db->sql("SELECT empty_logs(), fill('audited', false);");
$db->finish;
