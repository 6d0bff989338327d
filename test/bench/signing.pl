# test/bench/signing.pl: the RSA signature of a record beside OpenSSL's own speed.
#
# What a signature adds to a record is everything that a signed record takes
# and an unsigned one does not: its canonical form, digest, RSA operation,
# base64, and the longer row with its WAL and its share of the indexes.  Nothing
# is taken off it.
#
# A busy or virtual machine's clock rate drifts by more than the bar leaves
# room for, so the slices are short, on one core, and each measurement of ours
# lies between two of OpenSSL's, whose mean it is compared with.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;

my $db = connect_server();
my $n = $quick ? 500 : 1500;
my $turns = $quick ? 5 : 9;
my $key = "$ENV{BENCH_WORK}/tmp/signing.pem";

# The server must be able to read the key, and nobody else.
$db->sql("COPY (SELECT 1) TO PROGRAM 'umask 077; openssl genrsa -out $key 2048 2>/dev/null';");

# Both on one core, the last one.
chomp(my $core = `nproc`);
$core--;
my $pinned = system("taskset -cp $core $db->{backend} >/dev/null 2>&1") == 0;
my $speed = ($pinned ? "taskset -c $core " : '') . 'openssl speed -seconds 1 rsa2048 2>/dev/null';

# Microseconds of processor time a signature, by "openssl speed"
sub openssl_us
{
	my $text = `$speed`;

	$text =~ /^rsa +2048 bits +\S+ +\S+ +([\d.]+)/m or die "openssl speed said:\n$text";
	return 1e6 / $1;
}

my (@openssl, @signature, @ratio);
push @openssl, openssl_us();
for my $turn (0 .. $turns - 1)
{
	my %ms;
	for my $signed (in_order($turn, 0, 1))
	{
		$db->sql("SELECT empty_logs(), fill('audited', false);");
		$db->sql('SET audit.signing_key = ' . ($signed ? "'$key'" : "''") . ';');
		# The key is read, and noted, before the clock runs.
		$db->sql("INSERT INTO audited SELECT id + $n, customer_id, status, amount, created_at, note "
			  . 'FROM orders LIMIT 1;');
		$ms{$signed} = $db->measure("INSERT INTO audited SELECT * FROM orders LIMIT $n")->{ms};
		die 'the records are not what they should be'
		  if $db->sql('SELECT count(*) FROM audit.audit_objects WHERE signature IS NOT NULL;') != $signed * ($n + 1);
	}
	push @openssl, openssl_us();
	push @signature, ($ms{1} - $ms{0}) * 1000 / $n;
	push @ratio, $signature[-1] / (($openssl[-1] + $openssl[-2]) / 2);
}
$db->sql('RESET audit.signing_key;');

title("Record signatures, RSA-2048: $n records in a statement, $turns turns, by "
	  . clock() . ($pinned ? ", all on core $core" : ''));
printf "openssl speed rsa2048      %s us a signature\n", spread('%.1f', @openssl);
printf "a signature more a record  %s us: canonical form, digest, RSA, base64, longer row\n",
  spread('%.1f', @signature);
printf "ratio                      %s   %s\n", spread('%.3f', @ratio),
  bar('record signature / openssl speed', median(@ratio), '<=', 1.05, '%.3f');
$db->sql("SELECT empty_logs(), fill('audited', false);");
$db->finish;
