# Every method on every path: what OPTIONS and 405 say of it, that HEAD tells
# what GET would send, and that each such request has its record.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Frontend;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('methods');
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');
Frontend::create_consumers($node, $db, 'web');
my $web = Frontend->start($node, $db, '--expose=public.consumers');
my $made = $web->send('POST', '/consumers', '{"username":"bob"}');
my ($object) = map { $_->{id} } @{ $web->get("/audit/objects?request_id=$made->{id}")->{json}{data} };
my $now = time;

my $reads = 'GET, HEAD, OPTIONS';
my %allow = (
	(map { $_ => $reads } '/', '/live', '/ready', '/status', '/metrics', '/audit/objects', "/audit/objects/$object", '/audit/requests',
		"/audit/requests/$made->{id}", '/audit/histogram', '/audit/status', "/audit/verify?ids=$object", '/audit/log', '/audit/checkpoint',
		'/checkpoint', "/audit/proof/$object", '/tile/0/000', "http://localhost/live"),
	'/consumers' => 'GET, HEAD, POST, OPTIONS',
	"/consumers/$made->{json}{id}" => 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS');

# ask(METHOD, TARGET): status, { header => value }, body; the connection is
# closed after it, so nothing can follow the head unseen
sub ask
{
	my ($method, $target) = @_;
	my $text = $web->raw("$method $target HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 20);
	my ($status, $head, $body) = $text =~ m{\AHTTP/1\.1 (\d+)[^\n]*\n(.*?)\r\n\r\n(.*)\z}s or die $text;
	return ($status, { map { /^(.*?): (.*)$/ ? (lc $1 => $2) : () } split /\r\n/, $head }, $body);
}

my %expected;	# id => what its record says
for my $target (sort keys %allow)
{
	my ($status, $headers, $body) = ask('OPTIONS', $target);
	is("$status $headers->{allow} [$body]", "204 $allow{$target} []", "OPTIONS $target");
	$expected{ $headers->{'x-kong-admin-request-id'} } = "OPTIONS $target 204";
	for my $method (grep { $allow{$target} !~ /\b$_\b/ } qw(POST PUT PATCH DELETE TRACE PROPFIND get))
	{
		($status, $headers, $body) = ask($method, $target);
		is("$status $headers->{allow} $body", "405 $allow{$target} " . '{"message":"Method not allowed"}', "$method $target");
		$expected{ $headers->{'x-kong-admin-request-id'} } = "$method $target 405";
	}
	# What changes from one request to the next is asked for at a fixed place.
	my $fixed = $target =~ m{^/audit/(objects|requests|histogram)$} ? "$target?before=" . ($now - 10) . '&after=' . ($now - 20) : $target;
	my ($get_status, $get_headers, $get_body) = ask('GET', $fixed);
	($status, $headers, $body) = ask('HEAD', $fixed);
	is("$status [$body]", "$get_status []", "HEAD $target");
	$expected{ $headers->{'x-kong-admin-request-id'} } = "HEAD $fixed $status";
	is(length $get_body, $get_headers->{'content-length'}, '... GET sends as much as it says');
	delete @$_{qw(date x-kong-admin-request-id)} for $headers, $get_headers;
	$_->{'content-security-policy'} && $_->{'content-security-policy'} =~ s/nonce-\w+/nonce/g for $headers, $get_headers;
	# counters go on counting
	delete @$_{qw(content-length)} for $target =~ m{^/(metrics|status)$} ? ($headers, $get_headers) : ();
	is_deeply($headers, $get_headers, '... has the same headers');
}

# what is about no path
for (
	[ 'OPTIONS', '*', 204, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' ],
	[ 'CONNECT', 'example.com:443', 405, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' ],
	[ 'GET', '*', 404 ],
	[ 'OPTIONS', '/nowhere', 404 ],
	[ 'HEAD', '/nowhere', 404 ],
	[ 'DELETE', '/nowhere', 404 ])
{
	my ($method, $target, $wanted, $allowed) = @$_;
	my ($status, $headers) = ask($method, $target);
	is("$status " . ($headers->{allow} // '-'), "$wanted " . ($allowed // '-'), "$method $target");
	$expected{ $headers->{'x-kong-admin-request-id'} } = "$method $target $wanted";
}
my $reader = Frontend->start($node, $db);
like($reader->raw("OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), qr/^Allow: GET, HEAD, OPTIONS\r$/m, 'OPTIONS * where no table is exposed');
ok($reader->stop, 'it ends');

my $ids = join ', ', map { "'$_'" } keys %expected;
$node->poll_query_until($db, "SELECT count(*) = ${\ scalar keys %expected} FROM audit.requests WHERE request_id IN ($ids)");
my %recorded = map { split /\t/, $_, 2 } split /\n/,
  $node->safe_psql($db, "SELECT request_id || E'\\t' || string_agg(concat_ws(' ', method, path, status), ', ') FROM audit.requests WHERE request_id IN ($ids) GROUP BY request_id");
is_deeply(\%recorded, \%expected, 'each has its record');

ok($web->stop, 'it ends');
$node->stop;
done_testing();
