# test/bench/Bench.pm: what the measuring scripts share.
#
# A figure is measured in rounds, the variants one after the other in each
# (A B, B A, A B, ...), and a ratio is taken within a round: what else the
# machine does then meets both sides alike.  Shown are the median and, in
# brackets, the lowest and the highest round.
package Bench;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Open2;
use List::Util qw(max min sum);

our @EXPORT = qw(
  $quick $rounds $rows $steal_allowed in_order median spread ratio per_row title say_line
  note bar clock undisturbed digest_ns connect_server run_pgbench);

our $quick = $ENV{BENCH_QUICK} ? 1 : 0;
our $rounds = $ENV{BENCH_ROUNDS} || ($quick ? 3 : 5);
our $steal_allowed = 0.005;
my $steal_tries = 6;
our $rows = $ENV{BENCH_ROWS} || ($quick ? 20_000 : 200_000);

$| = 1;

# ------------------------------------------------------------------ numbers

# The variants in the order of a round: every second one goes backwards.
sub in_order
{
	my ($round, @variants) = @_;
	return $round % 2 ? reverse @variants : @variants;
}

sub median
{
	my @v = sort { $a <=> $b } @_;
	return @v % 2 ? $v[ $#v / 2 ] : ($v[ @v / 2 - 1 ] + $v[ @v / 2 ]) / 2;
}

sub spread
{
	my ($format, @v) = @_;
	return sprintf "$format [$format .. $format]", median(@v), min(@v), max(@v);
}

sub ratio { return spread('%.2f', @_) }

# How statements are timed
sub clock
{
	return -r "/proc/$$/schedstat" ? 'processor time of the server process' : 'time on the clock';
}

# What the host has taken from this virtual machine and what there was in all,
# in ticks of all processors; "steal" of proc(5)
sub processor_ticks
{
	open my $fh, '<', '/proc/stat' or return (0, 1);
	my (undef, @ticks) = split ' ', <$fh>;
	return ($ticks[7] // 0, sum(@ticks[ 0 .. 7 ]));
}

# undisturbed(SUB): what SUB returns, a hash, with "stolen": the share of the
# processors' time that the host took meanwhile.  Above $steal_allowed it is
# done again, a few times; then the least disturbed counts.
sub undisturbed
{
	my ($measure) = @_;
	my $best;

	for (1 .. $steal_tries)
	{
		my ($stolen, $all) = processor_ticks();
		my $result = $measure->();
		my ($stolen_now, $all_now) = processor_ticks();

		$result->{stolen} = ($stolen_now - $stolen) / ($all_now - $all || 1);
		$best = $result if !$best || $result->{stolen} < $best->{stolen};
		last if $best->{stolen} <= $steal_allowed;
	}
	return $best;
}

# Nanoseconds of processor time that a digest of 300 bytes takes.  It tells how
# fast the processor is at the moment, which differs from one shared machine to
# the next and from hour to hour.
sub digest_ns
{
	my $program = "$ENV{BENCH_WORK}/digest";
	if (!-x $program)
	{
		system('cc', '-O2', '-o', $program, 'test/bench/digest.c', '-lcrypto') == 0
		  or die 'test/bench/digest.c does not compile';
	}
	my $ns = qx{$program};
	die "$program failed" if $?;
	return $ns + 0;
}

# ------------------------------------------------------------------- output

sub say_line { print @_, "\n"; return }

sub title
{
	my ($title, @explained) = @_;
	print "\n$title\n", '-' x length $title, "\n";
	print "$_\n" for @explained;
	return;
}

sub note
{
	print "    $_\n" for @_;
	return;
}

# Says what the bar is and whether "value" is within it, and keeps that for the
# summary that test/bench/run prints.  "relation" is <= or >=.
sub bar
{
	my ($what, $value, $relation, $bar, $format) = @_;
	my $met = $relation eq '<=' ? $value <= $bar : $value >= $bar;
	my $verdict = $met ? 'met' : 'NOT MET';

	$format //= '%.2f';
	if ($ENV{BENCH_VERDICTS})
	{
		open my $fh, '>>', $ENV{BENCH_VERDICTS} or die $!;
		printf $fh "%s\t%s\t$format\t%s %s\n", $verdict, $what, $value, $relation, $bar;
		close $fh or die $!;
	}
	return "bar $relation $bar: $verdict";
}

# ------------------------------------------------------------------- server

# A psql that stays connected: one backend, warm after its first statement.
sub connect_server
{
	my ($class) = 'Bench::Session';
	my $self = bless {}, $class;
	$self->{pid} = open2($self->{out}, $self->{in},
		"$ENV{BENCH_BINDIR}/psql", '-qXAt', '-v', 'ON_ERROR_STOP=1');
	$self->{in}->autoflush(1);
	$self->{backend} = $self->sql('SELECT pg_backend_pid();');
	return $self;
}

# run_pgbench(script text, clients, seconds, ...): a hash with the transactions
# a second.  More arguments: options => settings of the sessions; skip =>
# seconds at the beginning that do not count; with it or log => 1 the latencies
# of the transactions come too, in milliseconds, sorted.
sub run_pgbench
{
	my ($script, $clients, $seconds, %more) = @_;
	my $file = "$ENV{BENCH_WORK}/pgbench.sql";
	my $prefix = "$ENV{BENCH_WORK}/pgbench_log";
	my %result;

	open my $fh, '>', $file or die $!;
	print $fh $script;
	close $fh or die $!;
	local $ENV{PGOPTIONS} = $more{options} // '';
	my $skip = $more{skip} // 0;
	my $log = $skip || $more{log};
	my @command = ("$ENV{BENCH_BINDIR}/pgbench", '-n', '-M', 'prepared', '-f', $file,
		'-c', $clients, '-j', $clients, '-T', $seconds + $skip);
	push @command, '-l', "--log-prefix=$prefix" if $log;
	push @command, map { "-D '$_=$more{variables}{$_}'" } keys %{ $more{variables} // {} };
	open my $out, '-|', "@command 2>&1" or die $!;
	my $text = do { local $/; <$out> };
	close $out or die "pgbench failed:\n$text";
	($result{tps}) = $text =~ /^tps = ([\d.]+) \(without/m or die $text;
	return \%result unless $log;

	my @done;
	for my $name (glob "$prefix.*")
	{
		open my $fh, '<', $name or die $!;
		while (<$fh>)
		{
			my (undef, undef, $us, undef, $second, $fraction) = split;
			push @done, [ $second + $fraction / 1e6, $us / 1000 ];
		}
		close $fh;
		unlink $name;
	}
	my $from = min(map { $_->[0] } @done) + $skip;
	@done = grep { $_->[0] >= $from } @done;
	$result{latencies} = [ sort { $a <=> $b } map { $_->[1] } @done ];
	$result{tps} = @done / $seconds if $skip;
	return \%result;
}

package Bench::Session;

# Runs statements and returns the lines they print; any error ends the run.
sub sql
{
	my ($self, $sql) = @_;
	my $end = "-- end of answer --";
	my @lines;
	my $in = $self->{in};
	my $out = $self->{out};

	print $in "$sql\n;\\echo $end\n";
	while (defined(my $line = <$out>))
	{
		chomp $line;
		return wantarray ? @lines : $lines[0] if $line eq $end;
		push @lines, $line;
	}
	die "a statement failed: $sql\n";
}

# Milliseconds of processor time that the backend has used, or undef
sub processor_ms
{
	my ($self) = @_;
	open my $fh, '<', "/proc/$self->{backend}/schedstat" or return undef;
	my ($ns) = split ' ', <$fh>;
	return $ns / 1e6;
}

# What one statement takes: "ms" by the clock that Bench::clock() names, "wall"
# as psql sees it, and the bytes of WAL that it wrote.
sub measure
{
	my ($self, $sql) = @_;
	my $wal = $self->sql('SELECT pg_current_wal_insert_lsn();');
	my $processor = $self->processor_ms;
	my @times = map { /^Time: ([\d.]+) ms/ ? $1 : () } $self->sql("\\timing on\n$sql;\n\\timing off");
	my %result;

	die "no time for: $sql\n" unless @times == 1;
	$result{wall} = $times[0];
	$result{ms} = defined $processor ? $self->processor_ms - $processor : $times[0];
	$result{wal} = $self->sql("SELECT pg_current_wal_insert_lsn() - '$wal'::pg_lsn;");
	return \%result;
}

sub finish
{
	my ($self) = @_;
	close $self->{in};
	close $self->{out};
	waitpid $self->{pid}, 0;
	return;
}

1;
