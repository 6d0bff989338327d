# test/bench/instructions.pl: instructions, counted by callgrind.  They repeat
# where clocks do not, and tell what is called for each row.
#
# A server of its own runs under valgrind; each count is the difference of two
# sessions that do the same for few and for many rows, so that starting a
# session and filling its caches drop out.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Bench;
use List::Util qw(sum0);

if (system('valgrind --version >/dev/null 2>&1') != 0)
{
	say_line "\nInstructions: valgrind is not installed, left out.";
	exit 0;
}

my ($few, $many) = $quick ? (500, 2500) : (1000, 6000);
my ($few_transactions, $many_transactions) = (200, $quick ? 700 : 1200);
my $data = "$ENV{BENCH_WORK}/counted";
my $counts = "$ENV{BENCH_WORK}/tmp/callgrind";
my @as_user = split ' ', $ENV{BENCH_AS_USER};

local $ENV{PGPORT} = 5433;

sub run
{
	system(@_) == 0 or die "failed: @_\n";
	return;
}

sub psql
{
	my ($sql) = @_;
	open my $psql, '|-', "$ENV{BENCH_BINDIR}/psql", qw(-qXAt -v ON_ERROR_STOP=1 -o /dev/null) or die $!;
	print $psql $sql;
	close $psql or die "psql failed: $sql\n";
	return;
}

# ------------------------------------------------------------------- server

sub server
{
	my ($action) = @_;
	my $log = "$ENV{BENCH_WORK}/log/counted";

	run(@as_user, 'sh', '-c',
		"exec '$ENV{BENCH_BINDIR}/pg_ctl' -D '$data' -l '$log' -s -w -m fast $action </dev/null >/dev/null 2>&1");
	return;
}

my $postmaster;
my $resident = '';			# its children when no session is there

# Under valgrind; its messages are of no interest.
sub start_counting
{
	$postmaster = fork // die $!;

	if ($postmaster == 0)
	{
		open STDIN, '<', '/dev/null' or die $!;
		open STDOUT, '>>', "$ENV{BENCH_WORK}/log/callgrind" or die $!;
		open STDERR, '>&', \*STDOUT or die $!;
		exec @as_user, 'valgrind', '-q', '--tool=callgrind', '--trace-children=yes',
		  "--callgrind-out-file=$counts/%p", "$ENV{BENCH_BINDIR}/postgres", '-D', $data or die $!;
	}
	for (1 .. 600)
	{
		last if system("$ENV{BENCH_BINDIR}/pg_isready", '-q') == 0;
		select undef, undef, undef, 0.1;
	}
	select undef, undef, undef, 2;
	$resident = children();
	psql('SELECT 1;');
	return;
}

sub children
{
	open my $fh, '<', "/proc/$postmaster/task/$postmaster/children" or die $!;
	return scalar <$fh> // '';
}

# A session is over when its process is: then its counts are written.
sub wait_for_sessions
{
	for (1 .. 600)
	{
		return if children() eq $resident;
		select undef, undef, undef, 0.1;
	}
	die "a session under valgrind did not end\n";
}

run(@as_user, 'sh', '-c', "mkdir -m 700 '$counts' && '$ENV{BENCH_BINDIR}/initdb' -D '$data' -U postgres -A trust "
	  . "-E UTF8 --locale=C.UTF-8 --no-sync >/dev/null && "
	  . "sed 's/^port .*//' '$ENV{BENCH_WORK}/data/postgresql.conf' >'$data/postgresql.conf' && "
	  . "echo 'port = 5433' >>'$data/postgresql.conf'");
server('start');
run("$ENV{BENCH_BINDIR}/psql -qXAt -v ON_ERROR_STOP=1 -v rows=$many -f '$FindBin::RealBin/prepare.sql' "
	  . ">/dev/null 2>'$ENV{BENCH_WORK}/log/prepare_counted'");
psql(one_row_tables());
my $floor_record = `$ENV{BENCH_BINDIR}/psql -qXAtc "SELECT floor_record('audited_accounts')"`;
chomp $floor_record;
psql('CHECKPOINT;');
server('stop');
start_counting();

# ------------------------------------------------------------------- counts

# Runs a command and reads what callgrind counted in its session: the number
# of instructions, of calls by function, and the instructions below a function.
sub count
{
	my ($what) = @_;

	wait_for_sessions();
	my %before = map { $_ => 1 } glob "$counts/*";
	$what->();
	wait_for_sessions();
	my ($largest) = sort { $b->{all} <=> $a->{all} } map { read_counts($_) } grep { !$before{$_} } glob "$counts/*";
	return $largest // die "callgrind wrote no counts\n";
}

sub read_counts
{
	my ($file) = @_;
	my (%name, %calls, %below, $function, $called);
	my $all = 0;

	open my $fh, '<', $file or die "$file: $!";
	while (<$fh>)
	{
		if (my ($is_called, $id, $text) = /^(c?)fn=\((\d+)\)(?: (.*))?/)
		{
			# A recursive call is named function'2.
			$name{$id} = $text =~ s/'\d+$//r if defined $text;
			if ($is_called) { $called = $name{$id} }
			else { $function = $name{$id} }
		}
		elsif (/^calls=(\d+)/)
		{
			$calls{$called} += $1;
			$_ = <$fh>;
			my (undef, $cost) = split;
			$below{$called} += $cost if $called ne $function;
		}
		elsif (/^totals: (\d+)/) { $all = $1 }
	}
	close $fh;
	return { all => $all, calls => \%calls, below => \%below };
}

# The same for one more of "n": rows or transactions
sub difference
{
	my ($more, $less, $n) = @_;
	my %result = (all => ($more->{all} - $less->{all}) / $n);

	for my $kind ('calls', 'below')
	{
		$result{$kind}{$_} = ($more->{$kind}{$_} - ($less->{$kind}{$_} // 0)) / $n for keys %{ $more->{$kind} };
	}
	return \%result;
}

# How often, more than in "base", functions whose names match are called
sub calls
{
	my ($with, $base, $names) = @_;
	return sum0(map { $with->{calls}{$_} - ($base->{calls}{$_} // 0) } grep { /^(?:$names)$/ } keys %{ $with->{calls} });
}

# --------------------------------------------------------------------- bulk

my @operations = (
	[ 'INSERT', 'false', 'INSERT INTO %s SELECT * FROM orders LIMIT %d' ],
	[ 'UPDATE', 'true', "UPDATE %s SET status = 'paid', amount = amount + 1 WHERE id <= %d" ],
	[ 'DELETE', 'true', 'DELETE FROM %s WHERE id <= %d' ]);

sub rows_counted
{
	my ($operation, $table, $more) = @_;
	my (undef, $filled, $statement) = @$operation;
	my @both = map {
		my $n = $_;
		count(sub { psql("SELECT empty_logs(), fill('$table', $filled);\n" . sprintf($statement, $table, $n) . ";\n$more") })
	} $few, $many;

	return difference($both[1], $both[0], $many - $few);
}

# The first to do something does more.
psql("SELECT empty_logs(), fill('$_', true);\nUPDATE $_ SET status = 'paid' WHERE id = 1;\n"
	  . 'INSERT INTO floor SELECT * FROM audit.audit_objects;') for 'plain', 'audited';

title("Instructions a row, counted by callgrind: $many rows less $few rows", '');
printf "%-10s %10s %10s %10s %10s %17s\n", '', 'unaudited', 'audited', 'capture', 'floor', 'capture / floor';
my %lookups;
for my $operation (@operations)
{
	my $plain = rows_counted($operation, 'plain', '');
	my $audited = rows_counted($operation, 'audited', '');
	my $both = rows_counted($operation, 'audited', 'INSERT INTO floor SELECT * FROM audit.audit_objects;');
	my ($capture, $floor) = ($audited->{all} - $plain->{all}, $both->{all} - $audited->{all});

	printf "%-10s %10.0f %10.0f %10.0f %10.0f %17.2f\n", $operation->[0], $plain->{all}, $audited->{all},
	  $capture, $floor, $capture / $floor;
	for (
		[ 'catalog lookups', 'SearchCatCache.*|SearchSysCache.*|systable_beginscan.*|heap_beginscan' ],
		[ 'SPI calls', 'SPI_.*' ],
		[ 'name resolutions', 'RangeVarGetRelid.*|get_namespace_oid|get_relname_relid|LookupFuncName.*|regclassin' ],
		[ 'snapshots', 'GetSnapshotData|GetTransactionSnapshot|GetLatestSnapshot|PushActiveSnapshot' ],
		[ 'relations opened', 'RelationIdGetRelation' ],
		[ 'locks taken', 'LockAcquireExtended' ],
		[ 'memory contexts made', 'AllocSetContextCreateInternal' ],
		[ 'executor states made', 'CreateExecutorState' ],
		[ 'random bytes bought', 'pg_strong_random' ],
		[ 'clock read', 'GetCurrentTimestamp' ])
	{
		my ($label, $names) = @$_;
		$lookups{$label}{ $operation->[0] } = calls($audited, $plain, $names);
	}
}
say_line "\nCalls that capture adds to a row (once a batch of 256 rows is 0.004):\n";
printf "%-24s" . ('%10s' x @operations) . "\n", '', map { $_->[0] } @operations;
for my $label ('catalog lookups', 'SPI calls', 'name resolutions', 'snapshots', 'executor states made',
	'memory contexts made', 'random bytes bought', 'clock read', 'relations opened', 'locks taken')
{
	my @calls = map { $lookups{$label}{ $_->[0] } } @operations;
	my ($most) = sort { $b <=> $a } @calls;
	# -0.000 looks odd.
	printf "%-24s" . ('%10.3f' x @calls) . "%s\n", $label, (map { $_ + 0 < 0.0005 && $_ > -0.0005 ? 0 : $_ } @calls),
	  $label =~ /catalog|SPI|name/
	  ? '   ' . bar("$label a row, by capture", $most < 0.0005 ? 0 : $most, '<=', 0, '%.3f')
	  : '';
}

# ------------------------------------------------------------------ one row

sub one_row_tables
{
	my $sql = '';

	for my $table ('accounts', 'audited_accounts')
	{
		# Room for new versions: pruning would come when it likes.
		$sql .= <<"";
CREATE TABLE $table (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	owner text NOT NULL, balance bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50);
INSERT INTO $table (owner) SELECT 'owner ' || i FROM generate_series(1, 100000) AS i;

	}
	return $sql . "SELECT audit.enable('audited_accounts');\nVACUUM ANALYZE;";
}

sub transactions_counted
{
	my ($statement) = @_;
	my $file = "$ENV{BENCH_WORK}/counted.sql";

	open my $fh, '>', $file or die $!;
	print $fh "\\set id random(1, 100000)\n$statement;\n";
	close $fh or die $!;
	my @both = map {
		my $n = $_;
		psql('SELECT empty_logs(); VACUUM accounts, audited_accounts;');
		count(sub {
			run("$ENV{BENCH_BINDIR}/pgbench -n -M prepared --random-seed=1 -c 1 -t $n -f $file >/dev/null 2>&1") })
	} $few_transactions, $many_transactions;

	return difference($both[1], $both[0], $many_transactions - $few_transactions);
}

title('Instructions of a transaction of one row, pgbench -M prepared', '');
printf "%-10s %10s %10s %10s %14s\n", '', 'unaudited', 'audited', 'added', 'by statement';
my %statement = (
	UPDATE => 'UPDATE %s SET balance = balance + 1 WHERE id = :id',
	INSERT => "INSERT INTO %s (owner) VALUES ('somebody')");
my $shown;
for my $operation ('UPDATE', 'INSERT')
{
	my $plain = transactions_counted(sprintf $statement{$operation}, 'accounts');
	my $audited = transactions_counted(sprintf $statement{$operation}, 'audited_accounts');
	my $floor = transactions_counted('WITH changed AS (' . sprintf($statement{$operation}, 'accounts')
		  . " RETURNING id) INSERT INTO floor SELECT $floor_record FROM changed");

	printf "%-10s %10.0f %10.0f %10.0f %14.0f\n", $operation, $plain->{all}, $audited->{all},
	  $audited->{all} - $plain->{all}, $floor->{all} - $plain->{all};
	$shown //= [ $audited, $plain ];
}
say_line "\nOf what is added to an UPDATE of one row (functions, with what they call):\n";
my ($audited, $plain) = @$shown;
my $below = sub { $audited->{below}{ $_[0] } // 0 };
my $more = sub { $below->($_[0]) - ($plain->{below}{ $_[0] } // 0) };
my $added = $audited->{all} - $plain->{all};
my @parts = (
	[ 'record into the table: heap_multi_insert', $below->('heap_multi_insert') ],
	[ sprintf('entries into %.0f indexes: index_insert', calls($audited, $plain, 'index_insert')), $more->('index_insert') ],
	[ 'opening and locking table and indexes: relation_open', $more->('relation_open') ],
	[ 'end of the transaction: CommitTransactionCommand', $more->('CommitTransactionCommand') ],
	[ 'row to record, with its share of the above: audit_log_capture', $below->('audit_log_capture') ],
	[ 'purge: al_purge_some', $below->('al_purge_some') ]);
for (@parts)
{
	printf "    %-56s %8.0f  %4.0f %%\n", $_->[0], $_->[1], 100 * $_->[1] / $added;
}
my $rest = $added - sum0(map { $_->[1] } @parts);
printf "    %-56s %8.0f  %4.0f %%\n", 'the rest: AFTER trigger events, batch, buffers', $rest, 100 * $rest / $added;

server('stop');
