# Who leaves before the answer is ready: clients, and the frontend itself when
# it is told to stop.  What they leave behind must not keep the database busy,
# must not lose a change, and has one record.  It needs sockets that close at a
# chosen moment, locks that hold a statement up, and signals.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Frontend;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket;
use Test::More;
use Time::HiRes qw(sleep);

$SIG{PIPE} = 'IGNORE';
my $dir = PostgreSQL::Test::Utils::tempdir;
Frontend::build_sanitized($dir);
my $node = AuditLog::start_node('leaving');
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');
Frontend::create_consumers($node, $db, 'web');
my $host = 'Host: localhost';

# Nothing but what is tested ends a statement here.
my @patient = ('--expose=public.consumers', '--statement-timeout=3600000', '--queue-timeout=3600000');
my $lock = $node->background_psql($db, on_error_stop => 1);
sub lock_table { $lock->query_safe("BEGIN; LOCK TABLE $_[0] IN ACCESS EXCLUSIVE MODE"); return }
sub unlock { $lock->query_safe('COMMIT'); return }

# running(N): until that many statements of the frontend wait for the lock
sub running
{
	my ($n) = @_;
	return $node->poll_query_until($db, "SELECT count(*) = $n FROM pg_stat_activity WHERE usename = 'web' AND wait_event_type = 'Lock'");
}

# ask(WEB, METHOD, PATH, BODY, HEADER...): a socket that waits for the answer
sub ask
{
	my ($web, $method, $path, $body, @headers) = @_;
	my $socket = $web->socket;
	# its connection is taken up
	syswrite $socket, "GET /live HTTP/1.1\r\n$host\r\n\r\n";
	sysread $socket, my $live, 65536;
	my $head = join '', map { "$_\r\n" } "$method $path HTTP/1.1", $host, @headers;
	syswrite $socket, $head . (defined $body ? 'Content-Length: ' . length($body) . "\r\n\r\n$body" : "\r\n");
	return $socket;
}

# rest(SOCKET): what comes until the end; the status of its first answer and its id
sub rest
{
	my ($socket) = @_;
	my $text = '';
	my $select = IO::Select->new($socket);
	1 while $select->can_read($PostgreSQL::Test::Utils::timeout_default) && sysread $socket, $text, 65536, length $text;
	my ($status) = $text =~ m{^HTTP/1\.1 (\d+)};
	my ($id) = $text =~ /^X-Kong-Admin-Request-ID: (\w+)/m;
	return ($status // 'none', $id // '', $text);
}

# statuses(PATH): of the records with that path
sub statuses
{
	my ($path) = @_;
	return $node->safe_psql($db, "SELECT coalesce(string_agg(status::text, ' ' ORDER BY status), '') FROM audit.requests WHERE path = '$path'");
}

sub recorded
{
	my ($path, $statuses, $what) = @_;
	my $n = () = $statuses =~ /\d+/g;
	$node->poll_query_until($db, "SELECT count(*) >= $n FROM audit.requests WHERE path = '$path'");
	is(statuses($path), $statuses, $what);
	return;
}

## clients

my $web = Frontend->start($node, $db, @patient, '--pool-size=4');
lock_table('consumers');
# Those that stay wait longer than any of those that leave.
my $pipelining = ask($web, 'GET', '/consumers?who=stays');
syswrite $pipelining, "GET /live HTTP/1.1\r\n$host\r\nConnection: close\r\n\r\n";
my $change = ask($web, 'POST', '/consumers?who=forgets', '{"username":"forgotten"}');
running(2);
close $change;

my $leaving = ask($web, 'GET', '/consumers?who=leaves');
running(3);
close $leaving;
running(2);
recorded('/consumers?who=leaves', '499', 'a client that leaves: its statement ends, and that is recorded once');
$leaving = ask($web, 'HEAD', '/consumers?who=resets');
running(3);
setsockopt $leaving, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
close $leaving;
running(2);
recorded('/consumers?who=resets', '499', 'and one that resets its connection');
my $half = ask($web, 'GET', '/consumers?who=halves');
syswrite $half, "GET /live?who=late HTTP/1.1\r\n$host\r\n\r\n";
shutdown $half, 1;
my ($status, $id, $text) = rest($half);
is("$status " . ($text =~ /^Connection: close/mi ? 'close' : 'open'), '499 close', 'and one that only stops sending, and waits on: it is told');
like($text, qr/\r\n\r\n\{"message":"The client closed[^"]*"\}$/, '... in JSON, and gets nothing else');
is(join(' ', map { $_->{status} } $web->records($db, $id)), '499', '... as is recorded');
is($web->metric('requests_abandoned_total'), 3, 'they are counted');

is($node->safe_psql($db, q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'web' AND wait_event_type = 'Lock'}), '2',
	'a change runs on without its client, and so does a read whose client has sent more');
unlock();
($status, undef, $text) = rest($pipelining);
like($text, qr{^HTTP/1\.1 200 .*\r\n\r\n\{"data":.*HTTP/1\.1 200 .*\{"live":true\}$}s, 'who stays is answered, twice');
recorded('/consumers?who=forgets', '201', 'the change is recorded');
is($node->safe_psql($db, q{SELECT count(*) FROM audit.objects JOIN audit.requests USING (request_id)
	JOIN consumers ON entity_key = consumers.id::text WHERE username = 'forgotten'}), '1', '... and made, once');
recorded('/consumers?who=stays', '200', 'each of them has one record');
ok($web->stop, 'it ends');

# One connection: what is ended must not end what comes next on it.
$web = Frontend->start($node, $db, @patient, '--pool-size=1');
my @wrong;
for my $n (1 .. 5)
{
	lock_table('consumers');
	$leaving = ask($web, 'GET', "/consumers?turn=$n");
	running(1);
	my @next = map { ask($web, 'POST', '/consumers', qq({"username":"next $n $_"})) } 1 .. 3;
	my $in_line = ask($web, 'GET', "/consumers?line=$n");
	close $in_line;
	close $leaving;
	recorded("/consumers?turn=$n", '499', 'a client leaves while others wait for the connection it has');
	unlock();
	for my $socket (@next)
	{
		sysread $socket, $text, 65536;
		push @wrong, $text unless $text =~ m{^HTTP/1\.1 201 };
	}
	recorded("/consumers?line=$n", '499', '... and one of these, before it had it');
}
is(join("\n", @wrong), '', 'the next on that connection are served');
ok($web->stop, 'it ends');

# A server that does not hear that it should end: nobody waits for that long.
$web = Frontend->start($node, $db, @patient, '--pool-size=1', '--connect-timeout=2');
lock_table('consumers');
$leaving = ask($web, 'GET', '/consumers?who=unheard');
running(1);
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
kill STOP => $postmaster;
close $leaving;
for (1 .. 1200)
{
	last if slurp_file("$web->{log}.access") =~ m{/consumers\?who=unheard" 499};
	sleep 0.05;
}
like(slurp_file("$web->{log}.access"), qr{/consumers\?who=unheard" 499}, 'its connection is given up');
kill CONT => $postmaster;
for (1 .. 1200)
{
	last if $web->get('/ready')->{status} == 200;
	sleep 0.05;
}
ok(running(0), '... and it hears of it later');
cmp_ok($web->metric('database_connects_total'), '>=', 2, '... there is a new one');
is(statuses('/consumers?who=unheard'), '', '... while none could be had there was no record');
cmp_ok($web->metric('unrecorded_total'), '>=', 1, '... which is counted');
unlock();
ok($web->stop, 'it ends');

# The connection to the database is lost under a change, of which the server
# knows nothing: what its client is told must not become untrue later.
{
	package Proxy;
	sub start
	{
		my ($class, $node) = @_;
		my $listener = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1') or die $!;
		my $self = bless { port => $listener->sockport, pid => fork // die $! }, $class;
		return $self if $self->{pid};
		# What the parent has at its end is not for this process.
		local $SIG{TERM} = 'DEFAULT';
		# USR1: the frontend's side is closed, the server's stays as it is
		my $lose = 0;
		my (%other, @kept);
		local $SIG{USR1} = sub { $lose = 1 };
		my $select = IO::Select->new($listener);
		for (;;)
		{
			my @ready = $select->can_read(0.1);
			if ($lose)
			{
				push @kept, grep { !$_->isa('IO::Socket::INET') } values %other;
				$select->remove(values %other);
				close $_ for grep { $_->isa('IO::Socket::INET') } values %other;
				%other = ();
				$lose = 0;
				next;
			}
			for my $from (@ready)
			{
				if ($from == $listener)
				{
					my $near = $listener->accept;
					my $far = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die $!;
					$other{$near} = $far;
					$other{$far} = $near;
					$select->add($near, $far);
					next;
				}
				my $to = $other{$from} or next;
				my $bytes;
				next if sysread($from, $bytes, 65536) && syswrite $to, $bytes;
				$select->remove($from, $to);
				delete @other{ $from, $to };
				close $_ for $from, $to;
			}
		}
	}
	sub host { return '127.0.0.1' }
	sub port { return $_[0]->{port} }
	sub name { return 'proxy' }
}
my $proxy = Proxy->start($node);
$web = Frontend->start($proxy, $db, @patient, '--pool-size=1');
lock_table('consumers');
my $lost = ask($web, 'POST', '/consumers?who=loses', '{"username":"lost"}', 'Connection: close');
running(1);
kill USR1 => $proxy->{pid};
is((rest($lost))[0], 503, 'a change whose connection to the database is lost');
unlock();
running(0);
is($node->safe_psql($db, "SELECT count(*) FROM consumers WHERE username = 'lost'"), '0', '... is not made after that was said');
recorded('/consumers?who=loses', '503', '... and has one record');
lock_table('consumers');
$lost = ask($web, 'GET', '/consumers?who=looks', undef, 'Connection: close');
running(1);
my $process = $node->safe_psql($db, q{SELECT pid FROM pg_stat_activity WHERE usename = 'web' AND wait_event_type = 'Lock'});
kill USR1 => $proxy->{pid};
ok($node->poll_query_until($db, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $process)"),
	'a read: the server does not go on with what nobody hears');
running(1);
unlock();
is((rest($lost))[0], 200, '... but begins anew');
recorded('/consumers?who=looks', '200', '... and that has one record');
ok($web->stop, 'it ends');
kill TERM => $proxy->{pid};
waitpid $proxy->{pid}, 0;

## TLS

system('sh', '-c', "cd '$dir' && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null") == 0 or die;
$web = Frontend->start($node, $db, @patient, "--tls-cert=$dir/cert.pem", "--tls-key=$dir/key.pem");
lock_table('consumers');
my $curl = IPC::Run::start([ 'curl', '-sk', '--noproxy', '*', "https://127.0.0.1:$web->{port}/consumers?who=tls" ], '>', \my $out);
running(1);
IPC::Run::kill_kill($curl);
running(0);
recorded('/consumers?who=tls', '499', 'a client that leaves a TLS connection');
unlock();
ok($web->stop, 'it ends');

## the frontend

# stopping(WEB): until it takes no connection
sub stopping
{
	my ($web) = @_;
	kill TERM => $web->{pid};
	for (1 .. 600)
	{
		my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $web->{port}, Timeout => 2) or return;
		sleep 0.05;
	}
	return;
}
for ([ 'when the time is over', '--drain-timeout=1' ], [ 'when told to again', '--drain-timeout=3600' ])
{
	my ($what, $flag) = @$_;
	$web = Frontend->start($node, $db, @patient, '--pool-size=2', $flag);
	lock_table('consumers');
	my @waiting = map { ask($web, @$_) } [ 'GET', "/consumers?$flag" ], [ 'POST', "/consumers?$flag", '{"username":"stopped"}' ];
	running(2);
	push @waiting, ask($web, 'GET', "/consumers?$flag");
	stopping($web);
	kill TERM => $web->{pid} if $flag =~ /3600/;
	my @got = map { [ rest($_) ] } @waiting;
	is(join(' ', map { $_->[0] } @got), '503 503 503', "$what, who waits for the database gets 503");
	is(scalar(grep { $_->[2] =~ /^Connection: close.*\r\n\r\n\{"message":"[^"]+"\}$/ms } @got), 3, '... in JSON, and the connection ends');
	ok($web->stop, '... and it ends');
	is($web->{exit}, 0, '... with status 0');
	is(statuses("/consumers?$flag"), '503 503 503', '... each with its record');
	unlock();
}
is($node->safe_psql($db, "SELECT count(*) FROM consumers WHERE username = 'stopped'"), '0', 'nothing of it was done');

# Not even records hold it up for ever.
$web = Frontend->start($node, $db, @patient, '--drain-timeout=0');
lock_table('audit.audit_requests');
my $unrecorded = ask($web, 'GET', '/consumers?who=unrecorded');
# that, and the record of the request before it
running(2);
ok($web->stop, 'it ends when no record can be written');
like(slurp_file($web->{log}), qr/^audit_log_httpd: request \w{32} has no record: there was no time left for it$/m, '... and says of which');
unlock();

is(Frontend::report(), '', 'no sanitizer found anything');
$node->stop;
done_testing();
