# What clients can do to the frontend: write HTTP badly, slowly, or too much of
# it, come in crowds, hide SQL in what they say; and what can happen to its
# database meanwhile.  It is built with sanitizers for this, talks over sockets
# that only a program can misuse, and its server is stopped under it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Frontend;
use IO::Select;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use POSIX ();
use Socket;
use Time::HiRes qw(sleep time);

$SIG{PIPE} = 'IGNORE';
my $dir = PostgreSQL::Test::Utils::tempdir;
Frontend::build_sanitized($dir);

my $node = AuditLog::start_node('abuse', 'max_connections = 60');
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');
Frontend::create_consumers($node, $db, 'web');
$node->safe_psql($db, q{INSERT INTO consumers (username) SELECT 'first ' || i FROM generate_series(1, 300) i});
my @limits = qw(--max-body=65536 --max-header=8192 --idle-timeout=2 --request-timeout=3 --connect-timeout=2);
my $web = Frontend->start($node, $db, '--expose=public.consumers', '--pool-size=4', @limits);

# answers(TEXT): [status, id, body] of each answer in what a socket gave
sub answers
{
	my ($text) = @_;
	my @found;
	while ($text =~ m{\GHTTP/1\.[01] (\d\d\d)[^\n]*\n(.*?)\r?\n\r?\n}gcs)
	{
		my ($status, $head) = ($1, $2);
		my ($id) = $head =~ /^X-Kong-Admin-Request-ID: (\w+)/mi;
		my ($length) = $head =~ /^Content-Length: (\d+)/mi;
		push @found, [ $status, $id, substr($text, pos $text, $length // 0) ];
		pos($text) += $length // 0;
	}
	return @found;
}

# A body in the form of all errors
sub is_error
{
	my ($body) = @_;
	my $json = eval { JSON::PP->new->utf8->decode($body) };
	return ref $json eq 'HASH' && length($json->{message} // '');
}

# Since 1.0 libmicrohttpd refuses most of what is malformed before we see it:
# in its own words, at times with another status, and without a record.
chomp(my $library = `pkg-config --modversion libmicrohttpd`);
sub refused_by_library
{
	my ($text, $status) = @_;
	return $library !~ /^0/ && $text =~ m{\AHTTP/1\.[01] (?:400|$status) (?:(?!^X-Kong-Admin-Request-ID).)*?^Connection: close\r?\n.*<html>[^\n]*\z}ms;
}

# Refused, in words, and the record that it has: "none" for what is no request.
my $host = 'Host: localhost';
my $post = "POST /consumers HTTP/1.1\r\n$host\r\nContent-Type: application/json";
for (
	[ 'no blank in the first line', "GARBAGE\r\n\r\n", 400, 'none' ],
	[ 'a blank before the first line', " GET /a HTTP/1.1\r\n$host\r\n\r\n", 400, 'none' ],
	[ 'a blank in the target', "GET /a b HTTP/1.1\r\n$host\r\n\r\n", 400, 'none' ],
	[ 'no target', "GET  HTTP/1.1\r\n$host\r\n\r\n", 400, 'none' ],
	[ 'no version', "GET /a\r\n$host\r\n\r\n", 400, 'none' ],
	[ 'a version in small letters', "GET /a http/1.1\r\n$host\r\n\r\n", 400, 'none' ],
	[ 'another version', "GET /a HTTP/9.9\r\n$host\r\n\r\n", 505, 'none' ],
	[ 'the preface of HTTP/2', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 'none' ],
	[ 'a NUL byte in the target', "GET /a\0b HTTP/1.1\r\n$host\r\n\r\n", 400, 'none' ],
	[ 'a method that is no word', "{}GET /a HTTP/1.1\r\n$host\r\n\r\n", 400, 'none' ],
	[ 'a header without a colon', "GET /status HTTP/1.1\r\n$host\r\nnothing\r\n\r\n", 400 ],
	[ 'a line in a header', "GET /status HTTP/1.1\r\n$host\r\nX: y\rContent-Length: 9\r\n\r\n", 400 ],
	[ 'a length that is no number', "$post\r\nContent-Length: x\r\n\r\n", 400 ],
	[ 'a length with a sign', "$post\r\nContent-Length: +2\r\n\r\n{}", 400 ],
	[ 'a length past all numbers', "$post\r\nContent-Length: 18446744073709551616\r\n\r\n", 413 ],
	[ 'a broken chunk', "$post\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400 ],
	[ 'a broken trailer', "$post\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nnothing\r\n\r\n", 400 ],
	[ 'a chunk past all numbers', "$post\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n", 413 ],
	[ 'a header that never ends', "GET /status HTTP/1.1\r\n$host\r\nX-Long: " . ('a' x 200_000), 431 ],
	[ 'a thousand headers', "GET /status HTTP/1.1\r\n$host\r\n" . ("X:y\r\n" x 1600) . "\r\n", 431 ],
	[ 'thousands of parameters', 'GET /status?' . ('a&' x 4000) . " HTTP/1.1\r\n$host\r\n\r\n", 431 ],
	[ 'no Host', "GET /status HTTP/1.1\r\n\r\n", 400 ],
	[ 'two Hosts', "GET /status HTTP/1.1\r\n$host\r\nHost: example.com\r\n\r\n", 400 ],
	[ 'a blank before the colon', "$post\r\nContent-Length : 2\r\n\r\n{}", 400 ],
	[ 'a blank in a name', "GET /status HTTP/1.1\r\n$host\r\nX Y: z\r\n\r\n", 400 ],
	[ 'two lengths', "$post\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 400 ],
	[ 'a length and an encoding', "$post\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 ],
	[ 'two encodings', "$post\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400 ],
	[ 'another encoding', "$post\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501 ],
	[ 'chunks in HTTP/1.0', "POST /consumers HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501 ],
	[ 'a long target', 'GET /' . ('a' x 9000) . " HTTP/1.1\r\n$host\r\n\r\n", 414 ],
	[ 'a long header', "GET /status HTTP/1.1\r\n$host\r\nX-Long: " . ('a' x 9000) . "\r\n\r\n", 431 ],
	[ 'many headers', "GET /status HTTP/1.1\r\n$host\r\n" . (('X: ' . 'y' x 95 . "\r\n") x 90) . "\r\n", 431 ],
	[ 'a long body', "$post\r\nContent-Length: 65537\r\n\r\n" . ('a' x 65537), 413 ],
	[ 'a body past all memory', "$post\r\nContent-Length: 9223372036854775808\r\n\r\n", 413 ],
	[ 'a long body in chunks', "$post\r\nTransfer-Encoding: chunked\r\n\r\n" . (("4000\r\n" . 'a' x 0x4000 . "\r\n") x 5) . "0\r\n\r\n", 413 ])
{
	my ($what, $bytes, $status, $none) = @$_;
	# what is hidden behind it must not become a request
	my $text = $web->raw("${bytes}GET /hidden HTTP/1.1\r\n$host\r\nConnection: close\r\n\r\n");
	my @answers = answers($text);
	if (refused_by_library($text, $status))
	{
		pass("$what is refused by the library");
		next;
	}
	is(join(' ', map { $_->[0] } grep { $what !~ /chunks$/ || $_->[0] != 404 } @answers), $status, "$what is answered with $status, once")
	  or diag($text);
	ok(is_error($answers[0][2] // ''), '... in JSON') or diag($text);
	if ($none)
	{
		is($node->safe_psql($db, q{SELECT count(*) FROM audit.requests WHERE path ~ 'GARBAGE|^/a'}), '0', '... and no record');
		next;
	}
	my @records = $web->records($db, $answers[0][1] // '');
	is(join(' ', map { $_->{status} } @records), $status, '... and one record');
}
is($node->safe_psql($db, "SELECT count(*) FROM audit.requests WHERE path = '/hidden'"), '1',
	'only after a body that was read to its end does another request follow');
for (1 .. 100)
{
	last if $web->metric('connections_active') == 1;
	sleep 0.05;
}
is($web->metric('requests_reading'), 0, 'nothing of them is thought to be still arriving');
# A body in chunks that does not end is cut off, and whoever listens hears why.
{
	my $socket = $web->socket;
	my ($text, $sent) = ('', 0);
	syswrite $socket, "$post\r\nTransfer-Encoding: chunked\r\n\r\n";
	while ($sent < 64 * 1024 * 1024 && !IO::Select->new($socket)->can_read(0))
	{
		$sent += syswrite($socket, "8000\r\n" . 'a' x 0x8000 . "\r\n") // last;
	}
	1 while IO::Select->new($socket)->can_read(10) && sysread $socket, $text, 65536, length $text;
	my ($cut) = answers($text);
	is($cut->[0], 413, 'a body in chunks without end is refused') or diag($text);
	ok(is_error($cut->[2] // ''), '... in JSON');
	like($text, qr/^Connection: close/mi, '... as the last word');
	cmp_ok($sent, '<', 8 * 1024 * 1024, '... in time');
	is(join(' ', map { "$_->{method} $_->{path} $_->{status}" } $web->records($db, $cut->[1])), 'POST /consumers 413', '... with one record');
}
# One whose method is not known before the rest is read has a record, too.
{
	my $text = $web->raw("GET /live HTTP/1.1\r\n$host\r\n\r\nGET /later HTTP/1.1\r\n$host\r\nUser-Agent: x\r\nnothing\r\n\r\n");
	my @answers = answers($text);
	is(join(' ', map { $_->[0] } @answers), '200 400', 'a broken head in the middle of a connection')
	  or diag($text);
	is(join(' ', map { "$_->{method} $_->{path} $_->{client_ip}" } $web->records($db, $answers[1][1])), '- /later 127.0.0.1', '... has a record');
}
# Only this the library answers in its own words, for it tells us nothing.
like($web->raw('GET /' . ('a' x 200_000)), qr{^HTTP/1\.[01] 414 }, 'a first line that never ends is answered with 414');

# SQL, and what no text can hold, in every place that a client fills
my $tables = $node->safe_psql($db, 'SELECT count(*) FROM audit.audit_objects');
my @odd = (q{'}, q{"}, q{\\}, q{'; DROP TABLE consumers; --}, q{' OR '1'='1}, q{$$}, q{$1}, q{%s%n}, q{x'::int; SELECT pg_sleep(9)--},
	q{E'\\x'}, q{') UNION SELECT rolpassword FROM pg_authid --}, "\x{1}\x{7f}", "caf\xc3\xa9", ('z' x 3000));
my @broken = ("\xff", "\xc0\xaf", "\xed\xa0\x80", "a\xc3", "\0", "a\0b");
my $filters = 'request_id rbac_user_name workspace';
my $lists = "size offset before after count $filters";
my %names = (
	'/audit/objects' => "$lists dao_name entity_key operation",
	'/audit/requests' => "$lists method status hide",
	'/audit/histogram' => "stream before after buckets $filters dao_name entity_key operation method status hide",
	'/audit/verify' => 'ids',
	'/audit/log' => 'from size',
	'/consumers' => 'size offset nothing');
sub encode { return $_[0] =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger }
my (@wrong, %seen);
sub look
{
	my ($allowed, $method, $path, $body, $type) = @_;
	my $answer = $web->send($method, $path, $body, { $type ? ('content-type' => $type) : () });
	$seen{ $answer->{status} }++;
	push @wrong, "$method " . substr($path, 0, 200) . ": $answer->{status} " . substr($answer->{content}, 0, 200)
	  unless $answer->{status} =~ /^(?:$allowed)$/
	  && ($answer->{status} == 200 || $answer->{status} == 201 || $answer->{status} == 204 || is_error($answer->{content}));
	return $answer;
}
for my $path (sort keys %names)
{
	my @names = split / /, $names{$path};
	look('200|400', 'GET', "$path?" . join('&', map { "$_=" . encode($odd[ rand $#odd ]) } @names));
	for my $name (@names)
	{
		look('200|400', 'GET', "$path?$name=" . encode($_)) for @odd;
	}
	look('400', 'GET', "$path?request_id=" . encode($_)) for @broken;
}
for my $path (qw(/audit/objects/ /audit/requests/ /audit/proof/ /consumers/ /audit/ /tile/ /))
{
	look('400|404|431', 'GET', $path . encode($_)) for @odd;
	look($path eq '/tile/' ? '400|404' : '400', 'GET', $path . encode($_)) for @broken;
}
for my $odd (@odd)
{
	look('201', 'POST', '/consumers', JSON::PP->new->utf8->encode({ username => $odd }));
	look('400', 'POST', '/consumers', JSON::PP->new->utf8->encode({ $odd => 1 }));
	look('201', 'POST', '/consumers', 'username=' . encode($odd), 'application/x-www-form-urlencoded');
	look('404', 'DELETE', '/consumers/' . encode($odd));
}
for my $broken (@broken)
{
	look('400', 'POST', '/consumers', qq({"username":"$broken"}));
	look('400', 'POST', '/consumers', 'username=' . encode($broken), 'application/x-www-form-urlencoded');
	look('400', 'POST', '/consumers', "username=$broken", 'application/x-www-form-urlencoded');
}
look('400', 'POST', '/consumers', '{"username":"\u0000"}');
is(join("\n", @wrong), '', 'odd text is a value or a clear error: ' . join ', ', map { "$_ x $seen{$_}" } sort keys %seen);
is($node->safe_psql($db, q{SELECT count(*) FROM consumers WHERE username = $$'; DROP TABLE consumers; --$$}), '2',
	'what looks like SQL is kept as it is');
unlike(slurp_file($node->logfile), qr/ERROR:.*(?:syntax error|unterminated)/, 'no statement was broken by it');
my @odd_head = answers($web->raw("GET /nowhere/\xff HTTP/1.1\r\n$host\r\nUser-Agent: a\xff\x01b\r\nX-Forwarded-For: \xff\r\n\r\n", 1));
is($odd_head[0][0], 400, 'bytes that are no text in path and header');
my ($record) = $web->records($db, $odd_head[0][1]);
is("$record->{path} $record->{user_agent}", '/nowhere/%FF a%FF%01b', '... are in the record, escaped');
@odd_head = answers($web->raw(qq{GET /"200/x"\\ HTTP/1.1\r\n$host\r\nConnection: close\r\n\r\n}));
like(slurp_eventually("$web->{log}.access", $odd_head[0][1]), qr{"GET /%22200/x%22%5C" 404 \d+ [\d.]+ $odd_head[0][1] -$}m,
	'nobody forges a field of the access log');
@odd_head = answers($web->raw("HEAD /live HTTP/1.1\r\n$host\r\nConnection: close\r\n\r\n"));
like(slurp_eventually("$web->{log}.access", $odd_head[0][1]), qr{"HEAD /live" 200 0 [\d.]+ $odd_head[0][1] -$}m,
	'it has the bytes that were sent');

sub slurp_eventually
{
	my ($file, $wanted) = @_;
	for (1 .. 200)
	{
		my $text = slurp_file($file);
		return $text if index($text, $wanted) >= 0;
		sleep 0.05;
	}
	return slurp_file($file);
}

# Slow clients are cut, and hold up nobody.
my $cut = $web->metric('connections_cut_total');
my $head = "POST /consumers HTTP/1.1\r\n$host\r\nContent-Type: application/json\r\n";
my %slow = (
	'a header byte by byte' => [ '', $head . "X-Long: " . 'x' x 2000 ],
	'a body byte by byte' => [ "${head}Content-Length: 2000\r\n\r\n", '{' x 2000 ],
	'a body in slow chunks' => [ "${head}Transfer-Encoding: chunked\r\n\r\n", "1\r\n{\r\n" x 400 ]);
my %sockets = map { $_ => $web->socket } sort keys %slow;
for my $what (keys %slow)
{
	$sockets{$what}->autoflush(1);
	syswrite $sockets{$what}, $slow{$what}[0];
}
# Two more ask for more than the buffers of sockets hold; one reads nothing of
# it, the other not much.
my ($deaf, $tardy) = map {
	my $socket = IO::Socket::INET->new(Proto => 'tcp', Type => SOCK_STREAM);
	setsockopt $socket, Socket::SOL_SOCKET(), Socket::SO_RCVBUF(), 4096;
	connect $socket, Socket::pack_sockaddr_in($web->{port}, Socket::inet_aton('127.0.0.1')) or die $!;
	syswrite $socket, "GET /audit/objects?size=1000 HTTP/1.1\r\n$host\r\n\r\n" x 40;
	$socket } 1, 2;
my $slowest = 0;
my $end = time + 30;
while (%sockets && time < $end)
{
	my $began = time;
	is($web->get('/audit/objects?size=1&count=none')->{status}, 200, 'others are served') if $slowest == 0;
	my $took = time - $began;
	$slowest = $took if $took > $slowest;
	sysread $tardy, my $some, 2048 if IO::Select->new($tardy)->can_read(0);
	for my $what (sort keys %sockets)
	{
		my $socket = $sockets{$what};
		if (IO::Select->new($socket)->can_read(0.02) && !sysread $socket, my $byte, 1)
		{
			pass("$what is cut");
			delete $sockets{$what};
			next;
		}
		syswrite $socket, substr($slow{$what}[1], 0, 1, '');
	}
}
is(join(', ', sort keys %sockets), '', 'all slow clients are cut');
for (1 .. 300)
{
	last if $web->metric('connections_active') == 1;
	sysread $tardy, my $some, 2048 if IO::Select->new($tardy)->can_read(0.05);
}
is($web->metric('connections_active'), 1, 'and so are those that do not read');
cmp_ok($web->metric('connections_cut_total'), '>=', $cut + 3, 'they are counted');
close $tardy;
close $deaf;

# Half-closed sockets.  libmicrohttpd hangs up if it reads the end before the
# answer is ready: a whole answer or none, but a change has its records.
my ($half, $text, $answered, @odd_answers);
for my $n (1 .. 20)
{
	my $body = qq({"username":"half $n"});
	$half = $web->socket;
	syswrite $half, "$post\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
	shutdown $half, 1;
	$text = '';
	1 while sysread $half, $text, 65536, length $text;
	next if $text eq '';
	my @found = answers($text);
	$answered++;
	push @odd_answers, $text
	  if @found != 1 || $found[0][0] != 201 || $found[0][2] !~ /"half $n".*\}\s*\z/s;
}
is(join("\n", @odd_answers), '', 'who only stops sending gets a whole answer or none');
$node->poll_query_until($db, q{SELECT count(*) = (SELECT count(*) FROM consumers WHERE username ~ '^half ')
	FROM audit.requests WHERE payload ~ '"half ' AND status = 201}) or die;
my ($made, $recorded) = split /\|/, $node->safe_psql($db, q{
	SELECT (SELECT count(*) FROM consumers WHERE username ~ '^half '),
		(SELECT count(DISTINCT o.id) FROM audit.objects o JOIN audit.requests r USING (request_id)
		 WHERE o.entity ->> 'username' ~ '^half ' AND r.status = 201)});
cmp_ok($made, '>=', $answered // 0, '... what was answered was done');
is($recorded, $made, '... and what was done has its records');
$half = $web->socket;
syswrite $half, "${head}Content-Length: 50\r\n\r\n{";
shutdown $half, 1;
$text = '';
1 while sysread $half, $text, 65536, length $text;
unlike($text, qr/ 20\d /, 'half a request is none');

# A crowd: 1,000 connections at once, each with requests on it
sub crowd
{
	my ($web, $per_child, $children, $path) = @_;
	my (@files, @pids);
	for my $child (1 .. $children)
	{
		push @files, "$dir/crowd$child";
		push @pids, fork;
		next if $pids[-1];
		my @sockets = grep { defined } map {
			my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $web->{port}, Timeout => 20);
			$s } 1 .. $per_child;
		my %status;
		for my $turn (1 .. 2)
		{
			syswrite $_, "GET $path HTTP/1.1\r\n$host\r\n\r\n" for @sockets;
			for my $socket (@sockets)
			{
				my $answer = '';
				while (!answers($answer) || $answer !~ /\}$/)
				{
					last unless IO::Select->new($socket)->can_read(30) && sysread $socket, $answer, 65536, length $answer;
				}
				$status{ (answers($answer))[0][0] // 'none' }++;
			}
		}
		append_to_file($files[-1], join ' ', map { "$_ $status{$_}" } sort keys %status);
		POSIX::_exit(0);
	}
	waitpid $_, 0 for @pids;
	my %all;
	for my $file (@files)
	{
		my %some = split ' ', slurp_file($file);
		$all{$_} += $some{$_} for keys %some;
		unlink $file;
	}
	return join ', ', map { "$all{$_} x $_" } sort keys %all;
}
my @crowded = ('--pool-size=4', '--queue-timeout=60000', '--idle-timeout=60');
my $many = Frontend->start($node, $db, @crowded);
my $path = '/audit/objects?size=20&count=none';
is(crowd($many, 250, 4, $path), '2000 x 200', '1,000 connections at once are all answered');
ok($many->stop, 'that one ends when asked');
is($many->{exit}, 0, 'with status 0');
# Its memory is shown without sanitizers, which take much for every thread.
$many = do { local $ENV{AUDIT_LOG_HTTPD}; Frontend->start($node, $db, @crowded) };
$many->get('/audit/objects?size=20&count=none') for 1 .. 50;
my $calm = $many->memory('VmHWM');
is(crowd($many, 250, 4, $path), '2000 x 200', 'they are, too, by the program as it is');
my $peak = $many->memory('VmHWM');
is(crowd($many, 250, 4, $path), '2000 x 200', 'and again');
my $again = $many->memory('VmHWM');
# a connection has its buffers, a thread and the answer that it waits for
cmp_ok($peak - $calm, '<', 1000 * 100, "memory: $calm kB before, $peak kB with 1,000 connections");
# how many of them wait at once differs; answers that stayed would be half as much again
cmp_ok($again, '<', $peak * 1.3, "... and $again kB the second time");
ok($many->stop, 'it ends');

my $few = Frontend->start($node, $db, '--max-connections-per-address=5');
my @held = map { $few->socket } 1 .. 5;
syswrite $_, "GET /live HTTP/1.1\r\n$host\r\n\r\n" for @held;
is(scalar(grep { IO::Select->new($_)->can_read(10) && sysread $_, my $got, 4096 } @held), 5, 'as many connections as an address may have');
is($few->raw("GET /live HTTP/1.1\r\n$host\r\n\r\n"), '', 'one more is closed at once');
my $elsewhere = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $few->{port}, LocalAddr => '127.0.0.2', Timeout => 10);
syswrite $elsewhere, "GET /live HTTP/1.1\r\n$host\r\n\r\n";
ok(IO::Select->new($elsewhere)->can_read(10) && sysread($elsewhere, $text, 4096) && $text =~ / 200 /, 'other addresses are not concerned');
close $_ for @held, $elsewhere;
ok($few->stop, 'it ends');

# No connection to the database is free: 503 in time, and a record of that.
my $busy = Frontend->start($node, $db, '--expose=public.consumers', '--pool-size=2', '--queue-timeout=300', '--statement-timeout=3000');
my $lock = $node->background_psql($db, on_error_stop => 1);
$lock->query_safe('BEGIN; LOCK TABLE consumers IN ACCESS EXCLUSIVE MODE;');
my @waiting = map { $busy->socket } 1 .. 12;
syswrite $_, "${head}Content-Length: 19\r\n\r\n{\"username\":\"wait\"}" for @waiting;
my %got;
my $select = IO::Select->new(@waiting);
my $asked = time;
my $patience = $asked + 30;
while (keys %got < 10 && time < $patience)
{
	for my $socket ($select->can_read(1))
	{
		sysread $socket, $text, 65536;
		$got{$socket} = (answers($text))[0];
		$select->remove($socket);
	}
}
is(join(' ', map { $_->[0] } values %got), join(' ', ('503') x 10), 'ten requests for which no connection is free get 503');
is(scalar(grep { is_error($_->[2]) } values %got), 10, 'in JSON');
is($busy->get('/live')->{status}, 200, 'what needs no database is answered');
$node->poll_query_until($db, q{SELECT count(*) = 2 FROM pg_stat_activity WHERE usename = 'web' AND wait_event_type = 'Lock'}) or die;
my $took = 1000 * (time - $asked);
$lock->query_safe('COMMIT');
my @last = map { my $s = $_; $text = ''; IO::Select->new($s)->can_read(20) && sysread $s, $text, 65536; (answers($text))[0] } $select->handles;
is(join(' ', map { $_->[0] } @last), '201 201', 'the two that had one are done');
is($busy->send('POST', '/consumers', '{"username":"after"}')->{status}, 201, 'and so is the next, without a restart');
is(join(' ', map { my ($r) = $busy->records($db, $_->[1]); "$r->{status}" } values %got), join(' ', ('503') x 10), 'each has its record');
is($node->safe_psql($db, "SELECT count(*) FROM audit.requests WHERE status = 503 AND duration_ms > $took AND request_id IN ("
	  . join(', ', map { "'$_->[1]'" } values %got) . ')'), '0', '... with the time that the answer took, not the record');
is($node->safe_psql($db, "SELECT count(*) FROM consumers WHERE username = 'wait'"), '2', 'and nothing was done for those that got 503');
$lock->quit;

# A server that says nothing any more, as when the network lost it
my @backends = split /\n/, $node->safe_psql($db, q{SELECT a.pid FROM pg_stat_activity a WHERE a.usename = 'web' AND a.client_port IS NOT NULL});
kill STOP => @backends;
my $began = time;
my $silent = $busy->send('POST', '/consumers', '{"username":"silent"}');
is("$silent->{status} " . (is_error($silent->{content}) ? 'JSON' : ''), '503 JSON', 'a silent server is given up');
kill CONT => @backends;
for (1 .. 100)
{
	last if $busy->get('/ready')->{status} == 200;
	sleep 0.1;
}
is($busy->send('POST', '/consumers', '{"username":"after"}')->{status}, 201, 'and found again');
ok($busy->stop, 'it ends');

# One that takes connections and says nothing keeps one thread at a time.
{
	package Mute;
	my $listener = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1') or die $!;
	my @taken;
	sub new { return bless {} }
	sub host { return '127.0.0.1' }
	sub port { return $listener->sockport }
	sub name { return 'mute' }
	sub attempts
	{
		my $n = @taken;
		push @taken, scalar $listener->accept while IO::Select->new($listener)->can_read(0);
		return @taken - $n;
	}
}
my $alone = Frontend->start(Mute->new, $db, '--pool-size=8', '--connect-timeout=2', '--queue-timeout=60000');
my $attempts = 0;
until ($attempts) { sleep 0.02; $attempts = Mute->attempts }
is($attempts, 1, 'a server that does not even greet is tried at the start');
is($alone->get('/ready')->{status}, 503, '... and is away');
cmp_ok(Mute->attempts, '<=', 1, '... which does not take more than one attempt');
$attempts = 0;
while ($attempts == 0)
{
	my @asking = map { my $s = $alone->socket; syswrite $s, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"; $s } 1 .. 20;
	for (@asking) { $text = ''; sysread $_, $text, 65536; $text =~ /^HTTP\S+ 503/ or die $text }
	$attempts = Mute->attempts;
}
is($attempts, 1, 'of 20 clients at once one tries again');
ok($alone->stop, 'it ends');

# A statement may take longer than a client may be silent.
$lock = $node->background_psql($db, on_error_stop => 1);
$lock->query_safe('BEGIN; LOCK TABLE consumers IN ACCESS EXCLUSIVE MODE;');
my $patient = $web->socket;
syswrite $patient, "${head}Content-Length: 22\r\n\r\n{\"username\":\"patient\"}";
$node->poll_query_until($db, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'web' AND wait_event_type = 'Lock'}) or die;
my $mute = $web->socket;
is(sysread($mute, $text, 1), 0, 'who says nothing for so long is cut');
my $slower = $web->socket;
my $chatting = time + 30;
until (IO::Select->new($slower)->can_read(0.1) || time > $chatting)
{
	syswrite $slower, 'G';
}
is(sysread($slower, $text, 1), 0, 'and who says too little');
$lock->query_safe('COMMIT');
$text = '';
sysread $patient, $text, 65536;
is(join(' ', map { $_->[0] } answers($text)), 201, 'who waits for his answer is not');
close $patient;
$lock->quit;

# The server restarts under writers, and crashes.
my @writers;
for my $n (1 .. 4)
{
	my $file = "$dir/writer$n";
	push @writers, { pid => fork, file => $file };
	next if $writers[-1]{pid};
	my $go = 1;
	local $SIG{TERM} = sub { $go = 0 };
	open my $out, '>', $file or die $!;
	$out->autoflush(1);
	$web->{http} = HTTP::Tiny->new(timeout => 60);
	for (my $i = 0; $go; $i++)
	{
		my $answer = $web->send('POST', '/consumers', qq({"username":"writer $n $i"}));
		print $out "$answer->{status} ", $answer->{id} // '-', ' ', $answer->{status} < 300 || is_error($answer->{content}) ? 'JSON' : 'NOT', "\n";
	}
	close $out;
	POSIX::_exit(0);
}
sub written { return map { split /\n/, -e $_->{file} ? slurp_file($_->{file}) : '' } @writers }
# progress(): until each writer had some good answers more
sub progress
{
	my $until = time + 60;
	my $more = grep({ /^2/ } written()) + 60;
	sleep 0.02 while grep({ /^2/ } written()) < $more && time < $until;
	return;
}
progress();
for my $how ('fast', 'immediate', 'immediate')
{
	$node->stop($how);
	# they hear that it is away
	my $away = grep({ /^503/ } written()) + 20;
	my $until = time + 60;
	sleep 0.02 while grep({ /^503/ } written()) < $away && time < $until;
	$node->start;
	progress();
}
kill TERM => map { $_->{pid} } @writers;
waitpid $_->{pid}, 0 for @writers;
my @lines = written();
my %count;
$count{ (split)[0] }++ for @lines;
cmp_ok($count{201}, '>=', 240, 'writers were served between ' . join(', ', map { "$_ x $count{$_}" } sort keys %count));
is(join("\n", grep { !/^(201|503) \w+ JSON$/ } @lines), '', 'each answer is 201, or 503 in JSON');
append_to_file("$dir/answers", join '', map { my ($status, $id) = split; "$status\t$id\n" } @lines);
$node->safe_psql($db, "CREATE TABLE answers (status integer, id text); COPY answers FROM '$dir/answers'");
is($node->safe_psql($db, q{
	SELECT count(*) FROM answers a WHERE status = 201
	AND ((SELECT count(*) FROM audit.requests r WHERE r.request_id = a.id AND r.status = 201) <> 1
		OR (SELECT count(*) FROM audit.objects o WHERE o.request_id = a.id AND operation = 'create') <> 1)}), '0',
	'every change that was answered has one record, and one of its object');
is($node->safe_psql($db, q{SELECT count(*) FROM answers a JOIN audit.objects o ON o.request_id = a.id WHERE a.status <> 201
	AND NOT EXISTS (SELECT FROM audit.requests r WHERE r.request_id = a.id AND r.status = 201)}), '0',
	'what was answered with an error is not half there');
is($node->safe_psql($db, q{SELECT count(*) FROM consumers c WHERE username ~ '^writer' AND NOT EXISTS (
	SELECT FROM audit.objects o JOIN audit.requests r USING (request_id) WHERE o.entity_key = c.id::text)}), '0',
	'and no change is without records');
is($web->get('/ready')->{status}, 200, 'it needs no restart');

# SIGTERM: what is at hand is answered, nothing else is begun.
$lock = $node->background_psql($db, on_error_stop => 1);
$lock->query_safe('BEGIN; LOCK TABLE consumers IN ACCESS EXCLUSIVE MODE;');
my $late = $web->socket;
my $idle = $web->socket;
syswrite $idle, "GET /live HTTP/1.1\r\n$host\r\n\r\n";
sysread $idle, $text, 4096;
syswrite $late, "${head}Content-Length: 19\r\n\r\n{\"username\":\"late\"}";
$node->poll_query_until($db, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'web' AND wait_event_type = 'Lock'});
kill TERM => $web->{pid};
for (1 .. 200)
{
	last unless IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $web->{port}, Timeout => 2);
	sleep 0.05;
}
ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $web->{port}, Timeout => 2), 'after SIGTERM it takes no connection');
$lock->query_safe('COMMIT');
$text = '';
1 while sysread $late, $text, 65536, length $text;
my ($done) = answers($text);
is($done->[0], 201, 'the request at hand is answered');
like($text, qr/^Connection: close/mi, 'as the last of its connection');
is(sysread($idle, $text, 1), 0, 'idle connections are closed');
ok($web->stop, 'and the program ends');
is($web->{exit}, 0, 'with status 0');
is($node->safe_psql($db, "SELECT status FROM audit.requests WHERE request_id = '$done->[1]'"), '201', 'the last request has its record');
$lock->quit;

is(Frontend::report(), '', 'no sanitizer found anything');
$node->stop;
done_testing();
