# The walls of the house, as README's "How it is built" draws them: who may
# include whom, who touches OpenSSL and the audit tables, and what no source
# may say.  No other tool can show it, and it needs no server.
use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Find;
use FindBin;
use Test::More;

chdir "$FindBin::RealBin/../.." or die $!;

# Rooms of src/backend from the ground up.  A file may include headers of lower
# floors and its own, never one of its own floor.
my @floors = (
	[qw(compat)],
	[qw(ddl glue guard ids isotime txids utf8 virtual txidrange)],
	[qw(guc notetext findings keyfiles signature)],
	[qw(keys filter exclude context)],
	[qw(rowplan)],
	[qw(rowjson)],
	[qw(tables)],
	[qw(store tracking leaftext)],
	[qw(keylog leaf tablescan event expired)],
	[qw(record ledger bundles)],
	[qw(storedtree locate)],
	[qw(harvest treewriter generations)],
	[qw(checkpoint_file knownkeys)],
	[qw(checkpoint)],
	[qw(signing)],
	[qw(publish forkguard)],
	[qw(anchor)],
	[qw(purge seal proof export verify_tree verify_checkpoints)],
	[qw(verify_records)],
	[qw(verify)],
	[qw(batch)],
	[qw(capture request watch custody)],
	[qw(sqlfuncs ledgerfuncs revert worker)],
	[qw(evict)],
	[qw(module)],
);
my %floor;
for my $i (0 .. $#floors)
{
	$floor{$_} = $i for @{ $floors[$i] };
}

my %text;
find(
	{
		no_chdir => 1,
		wanted => sub {
			$text{$_} = slurp($_) if -f && /\.[ch]$/;
		}
	},
	'src');

sub slurp
{
	my ($file) = @_;
	open my $fh, '<', $file or die "$file: $!";
	local $/;
	return scalar <$fh>;
}

sub includes
{
	my ($file) = @_;
	return $text{$file} =~ /^[ \t]*#[ \t]*include[ \t]*([<"][^>"]+)/mg;
}

# Comments out, strings kept
sub code
{
	my ($file) = @_;
	(my $code = $text{$file}) =~
	  s{("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])+')|/\*.*?\*/}{$1 // ' '}egs;
	return $code;
}

sub none
{
	my ($what, @found) = @_;
	ok(!@found, $what) or diag(join "\n", @found);
}

my @sources = sort keys %text;
my @core = grep { m{^src/core/} } @sources;
my @backend = grep { m{^src/backend/} } @sources;
my @programs = grep { m{^src/(httpd|verify)/} } @sources;
ok(@core > 0, 'there are sources to look at');

# src/core
my $openssl = 'src/core/crypto_openssl.h';
my $openssl_room = qr{^src/core/crypto_\w+\.c$};
my @bad;
for my $file (@core)
{
	for my $h (includes($file))
	{
		my ($kind, $name) = (substr($h, 0, 1), substr($h, 1));
		next if $kind eq '"' && -f 'src/core/' . basename($name) && $name =~ m{^(core/)?[^/]+$};
		next if $kind eq '<' && $name !~ m{/|^postgres|^pg_|^c\.h$|^libpq};
		next if $kind eq '<' && $name =~ m{^sys/};
		next if $kind eq '<' && $name =~ m{^openssl/} && $file eq $openssl;
		push @bad, "$file includes $name";
	}
	push @bad, "$file throws, prints or exits: $1"
	  if code($file) =~ /\b(ereport|elog|palloc|printf|puts|exit|abort)\s*\(/;
}
none('src/core needs only itself, the C library and, in one file, OpenSSL', @bad);

# OpenSSL: one file includes it, and one room that file
@bad = grep { $_ ne $openssl && grep { /openssl\// } includes($_) } @sources;
none('only src/core/crypto_openssl.h includes OpenSSL', @bad);
@bad = grep { $_ !~ $openssl_room && grep { /crypto_openssl/ } includes($_) } @sources;
none('and only src/core/crypto_*.c include that', @bad);

# src/backend
@bad = ();
for my $file (@backend)
{
	my $room = basename($file) =~ s/\.[ch]$//r;

	if (!defined $floor{$room})
	{
		push @bad, "$file has no floor: give it one in " . basename($0) . ' and in README.md';
		next;
	}
	for my $h (includes($file))
	{
		next unless $h =~ m{^"(?:backend/)?([^/]+)\.h$};
		my $other = $1;
		next if $other eq $room || !-f "src/backend/$other.h";
		next if defined $floor{$other} && $floor{$other} < $floor{$room};
		push @bad, "$file includes $other.h, which is not below it";
	}
	push @bad, "$file includes a program's header"
	  if grep { m{"(httpd|verify)/} } includes($file);
}
none('src/backend includes downwards only', @bad);

# Circles, where no floors are drawn: a room is a source with its header
my (%uses, %state, @circle);
for my $file (@sources)
{
	my $room = $file =~ s/\.[ch]$//r;

	for my $h (includes($file))
	{
		my $name = (substr $h, 1) =~ s/\.h$//r;
		my ($other) = grep { $text{"$_.h"} }
		  (dirname($file) . "/$name", 'src/' . $name =~ s{^\.\./}{}r);

		$uses{$room}{$other} = 1 if $other && $other ne $room;
	}
}

sub visit
{
	my ($room, @way) = @_;
	return if ($state{$room} // '') eq 'done';
	if (($state{$room} // '') eq 'open')
	{
		push @circle, join ' -> ', @way, $room;
		return;
	}
	$state{$room} = 'open';
	visit($_, @way, $room) for sort keys %{ $uses{$room} };
	$state{$room} = 'done';
}
visit($_) for sort keys %uses;
ok($uses{'src/httpd/main'}{'src/httpd/handle'} && $uses{'src/httpd/peer'}{'src/core/buf'},
	'the rooms that a room uses are found');
none('no two rooms use each other, by whatever way', @circle);

# Programs
@bad = ();
for my $file (@programs)
{
	my ($room) = $file =~ m{^src/(\w+)/};
	for my $h (includes($file))
	{
		push @bad, "$file includes $h"
		  if $h =~ m{^"(?:backend|server)/|^"postgres|^<postgres\.h|^"(?:httpd|verify)/}
		  && $h !~ m{^"$room/};
	}
	push @bad, "$file names $1" if code($file) =~ /(audit_(?:requests|objects))\b/;
}
none('programs know libpq, src/core and the SQL functions, not the tables', @bad);

# What the module shows: the server opens modules with RTLD_GLOBAL, so any other
# name could be taken for another module's.
my @shown = map { (split)[2] // () } grep { !/ [aA] / } `nm -D --defined-only audit_log.so`;
ok(@shown > 0, 'the module that was built can be looked at');
none('the module exports what SQL calls, and nothing else',
	grep { !/^(?:_PG_init|Pg_magic_func|(?:pg_finfo_)?audit_log_\w+)$/ } @shown);

# The audit tables
@bad = ();
my $writes = qr{\b(table_multi_insert|table_tuple_(?:insert|update|delete)\w*
	|simple_table_tuple_\w+|heap_(?:multi_)?insert|heap_(?:update|delete)
	|simple_heap_\w+|CatalogTuple(?:Insert|Update|Delete)\w*|ExecInsertIndexTuples)\b}x;
my $sql_writes = qr{\b((?:insert\s+into|update|delete\s+from|truncate(?:\s+table)?)\s+
	(?:only\s+)?audit\.(?:audit_(?:requests|objects)|ledger_\w+))\b}xi;
for my $file (grep { !m{^src/backend/(?:store\.c|compat\.h)$} } @sources)
{
	my $code = code($file);
	push @bad, "$file: $1" while $code =~ /$writes|$sql_writes/g;
}
for my $file (glob 'sql/audit_log--*.sql')
{
	my $sql = slurp($file);
	push @bad, "$file: $1" while $sql =~ /$sql_writes/g;
}
none('only src/backend/store.c writes the audit tables', grep { defined } @bad);

# House style that a machine can see
@bad = ();
for my $file (@sources)
{
	my @inc = includes($file);

	if ($file =~ /\.h$/)
	{
		my $guard = 'AUDIT_LOG_' . uc(basename($file) =~ s/\W/_/gr);
		push @bad, "$file has no guard $guard" unless $text{$file} =~ /^#define $guard$/m;
		push @bad, "$file includes postgres.h" if grep { $_ eq '"postgres.h' } @inc;
	}
	elsif ($file =~ m{^src/backend/})
	{
		push @bad, "$file does not begin with postgres.h" if ($inc[0] // '') ne '"postgres.h';
	}
	push @bad, "$file does not begin with its name and purpose"
	  unless $text{$file} =~ m{\A/\*(?:-+)?\n \* \Q$file\E\n};
	push @bad, "$file has a // comment" if code($file) =~ m{^[^"\n]*//}m;
	push @bad, "$file has white space at the end of a line" if $text{$file} =~ /[ \t]$/m;
	push @bad, "$file breaks a line after an opening parenthesis" if code($file) =~ /\($/m;
}
none('headers, comments and includes are in house style', @bad);

# What a file may not mention: it must make sense to a reader who has nothing
# but the repository.
@bad = ();
my @all = @sources;
find(
	{
		no_chdir => 1,
		wanted => sub {
			return $File::Find::prune = 1 if -d && m{/(?:build|corpus)$};
			push @all, $_ if -f;
		}
	},
	grep { -d } qw(sql expected test));
push @all, grep { -f } glob('*.md *.control META.json Makefile .ci/*');
for my $file (@all)
{
	next if -B $file || $file eq "test/t/" . basename($0);
	my $n = 0;
	for my $line (split /\n/, slurp($file))
	{
		$n++;
		push @bad, "$file:$n: $line"
		  if $line =~ m{(?<![\w.\$\}])/(?:home|root|Users|work)/\w}
		  || $line =~ /\b(?:issue|ticket|bug)s?\s+(?:no\.?\s*)?#?\d/i
		  || $line =~ /(?<![\w&])#\d+\b(?!\s*[;)}])/
		  || $line =~ /\b(?:TODO|FIXME|HACK)\b/;
	}
}
none('no path of a machine, number of an issue or unfinished mark', @bad);

done_testing();
