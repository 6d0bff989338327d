# test/lib/Frontend.pm
#
# What HTTP tests share: a running audit_log_httpd and ways to talk to it.
#
#   my $web = Frontend->start($node, $db, '--expose=public.consumers');
#   my $answer = $web->get('/audit/objects?size=2');    # {status,headers,json,...}
#   my $answer = $web->send('POST', '/consumers', $body, { 'content-type' => ... });
#   my $text = $web->raw("GET / HTTP/1.1\r\n...");      # whatever bytes come back
#   $web->stop;
#
# AUDIT_LOG_HTTPD names another build of the program, one with sanitizers say.
package Frontend;

use strict;
use warnings FATAL => 'all';

use FindBin;
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

# The program of this tree, else the one that is installed.
sub program
{
	return $ENV{AUDIT_LOG_HTTPD} if $ENV{AUDIT_LOG_HTTPD};
	my $built = "$FindBin::RealBin/../../bin/audit_log_httpd";
	return -x $built ? $built : 'audit_log_httpd';
}

# Builds the program once more into that folder, with sanitizers that end it at
# the first thing they find; it is what start() runs from then on.  report()
# has what they said.
my $reports;

sub build_sanitized
{
	my ($dir) = @_;
	my $top = "$FindBin::RealBin/../..";
	my $config = $ENV{PG_CONFIG} // 'pg_config';
	my ($cc, $include, $libdir) = map { my $v = qx{$config $_}; chomp $v; $v } qw(--cc --includedir --libdir);
	my @sources = (glob("$top/src/httpd/*.c"), glob("$top/src/core/*.c"));

	$ENV{AUDIT_LOG_HTTPD} = "$dir/audit_log_httpd";
	system(split(' ', $cc), qw(-std=gnu99 -g -O1 -fno-omit-frame-pointer -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all
		-DFRONTEND -D_GNU_SOURCE), "-I$top/src", "-I$top/build/httpd", "-I$include", @sources, "-L$libdir",
		qw(-lpq -lcrypto -lmicrohttpd -lgnutls -lpthread -o), $ENV{AUDIT_LOG_HTTPD}) == 0
	  or die 'the frontend cannot be built with sanitizers';
	$reports = "$dir/report";
	$ENV{ASAN_OPTIONS} = "exitcode=99:detect_leaks=1:quarantine_size_mb=8:malloc_context_size=12:log_path=$reports";
	$ENV{UBSAN_OPTIONS} = "print_stacktrace=1:log_path=$reports";
	return;
}

sub report
{
	return join '', map { slurp_file($_) } glob "$reports*";
}

# A login role that can call the API and nothing else.
sub create_role
{
	my ($node, $db, $role) = @_;
	$node->safe_psql($db, "CREATE ROLE $role LOGIN IN ROLE audit_log_api");
	return $role;
}

my $count = 0;

sub start
{
	my ($class, $node, $db, @flags) = @_;
	# tests that run side by side share the folder
	my $log = "$PostgreSQL::Test::Utils::log_path/httpd_" . $node->name . '_' . ++$count . '.log';
	my $self = bless { log => $log, node => $node }, $class;

	$self->{user} = 'web';
	$self->{listen} = '127.0.0.1:0';
	@flags = grep { !/^--listen=(.*)/ or ($self->{listen} = $1, 0)[1] } @flags;
	$self->{pid} = fork // die $!;
	if ($self->{pid} == 0)
	{
		$ENV{PGHOST} = $node->host;
		$ENV{PGPORT} = $node->port;
		$ENV{PGDATABASE} = $db;
		$ENV{PGUSER} = 'web';
		open STDOUT, '>', "$log.access" or die $!;
		open STDERR, '>', $log or die $!;
		exec program(), "--listen=$self->{listen}", @flags or exit 127;
	}
	for (1 .. 200)
	{
		my $text = -e $log ? slurp_file($log) : '';
		last if ($self->{port}) = $text =~ /listening on .* port (\d+)/;
		sleep 0.05;
	}
	die "no frontend: " . slurp_file($log) unless $self->{port};
	$self->{url} = "http://127.0.0.1:$self->{port}";
	$self->{http} = HTTP::Tiny->new(timeout => 60, max_redirect => 0);
	return $self;
}

# False when it did not end by itself after SIGTERM.
sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return 1;
	kill TERM => $pid;
	for (1 .. 300)
	{
		if (waitpid($pid, 1) == $pid)
		{
			$self->{exit} = $?;
			return $? == 0;
		}
		sleep 0.05;
	}
	kill KILL => $pid;
	waitpid $pid, 0;
	return 0;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);
	$self->stop;
}

sub send
{
	my ($self, $method, $path, $body, $headers) = @_;
	my %options = (headers => { %{ $headers // {} } });

	if (defined $body)
	{
		$options{content} = $body;
		$options{headers}{'content-type'} //= 'application/json';
	}
	my $answer = $self->{http}->request($method, "$self->{url}$path", \%options);
	$answer->{content} //= '';
	$answer->{json} = eval { JSON::PP->new->utf8->decode($answer->{content}) }
	  if ($answer->{headers}{'content-type'} // '') =~ /json/;
	$answer->{id} = $answer->{headers}{'x-kong-admin-request-id'};
	return $answer;
}

sub get
{
	my ($self, $path, $headers) = @_;
	return $self->send('GET', $path, undef, $headers);
}

sub socket
{
	my ($self) = @_;
	return IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $self->{port},
		Timeout => 10) || die "connect: $!";
}

# Sends the bytes as they are; returns what comes until the other side closes,
# or nothing comes for "patience" seconds.
sub raw
{
	my ($self, $bytes, $patience) = @_;
	my $socket = $self->socket;
	my $text = '';

	$socket->autoflush(1);
	{
		local $SIG{PIPE} = 'IGNORE';
		print $socket $bytes;
	}
	my $select = IO::Select->new($socket);
	while ($select->can_read($patience // 2))
	{
		last unless sysread $socket, $text, 65536, length $text;
	}
	return $text;
}

# What /proc says of its memory, in kB: VmRSS now, VmHWM at most
sub memory
{
	my ($self, $what) = @_;
	my ($kb) = slurp_file("/proc/$self->{pid}/status") =~ /^$what:\s+(\d+) kB/m;
	return $kb;
}

# metric(NAME): its value
sub metric
{
	my ($self, $name) = @_;
	my ($value) = $self->get('/metrics')->{content} =~ /^audit_log_httpd_\Q$name\E (\S+)$/m;
	return $value;
}

# All records of a request, once it has the number that is expected (records of
# answers that wait for nothing are written right after them).
sub records
{
	my ($self, $db, $id, $expected) = @_;
	return unless $id;
	$expected //= 1;
	$self->{node}->poll_query_until($db,
		"SELECT count(*) >= $expected FROM audit.requests WHERE request_id = '$id'");
	my $json = $self->{node}->safe_psql($db,
		"SELECT coalesce(json_agg(audit.record(r)), '[]') FROM audit.requests r WHERE request_id = '$id'");
	return @{ JSON::PP->new->utf8->decode($json) };
}

1;
