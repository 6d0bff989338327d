# Pages over HTTP while records arrive, and what a page costs: only two
# clients at once, and the server's own plans, can show it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Encode;
use Frontend;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = AuditLog::start_node('paging');
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');
$node->safe_psql($db, q{
	CREATE TABLE things (id integer PRIMARY KEY, name text);
	CREATE TABLE others (id integer PRIMARY KEY);
	SELECT audit.enable('things');
	SELECT audit.enable('others');});
my $web = Frontend->start($node, $db);

# walk(ADDRESS, AFTER-EACH-PAGE): ids, sizes and totals of all pages
sub walk
{
	my ($next, $between) = @_;
	my (@ids, @sizes, @totals);
	while ($next)
	{
		my $page = $web->get($next)->{json};
		push @ids, map { $_->{id} } @{ $page->{data} };
		push @sizes, scalar @{ $page->{data} };
		push @totals, $page->{total};
		$next = $page->{next};
		$between->() if $between && $next;
	}
	return (\@ids, "@sizes", "@totals");
}

# 250 requests of one second, most of one millisecond, in one transaction
$node->safe_psql($db, q{SELECT audit.log_request('GET', '/thing/' || g, 200,
	rbac_user_name => 'walker') FROM generate_series(1, 250) g});
$node->safe_psql($db, 'INSERT INTO things SELECT g FROM generate_series(1, 250) g');
my $more = 1000;
my %arrive = (
	requests => sub {
		$node->safe_psql($db, q{SELECT audit.log_request('GET', '/late', 200,
			rbac_user_name => 'walker') FROM generate_series(1, 30)});
	},
	objects => sub {
		$node->safe_psql($db, "INSERT INTO things SELECT g FROM generate_series($more + 1, $more + 30) g");
		$more += 30;
	});
for my $stream (qw(requests objects))
{
	my $filter = $stream eq 'requests' ? 'rbac_user_name=walker' : 'dao_name=things';
	my ($want) = $node->safe_psql($db, "SELECT string_agg(id::text, ' ' ORDER BY id DESC) FROM audit.$stream WHERE "
		  . ($stream eq 'requests' ? "rbac_user_name = 'walker'" : "dao_name = 'things'"));
	cmp_ok($node->safe_psql($db, "SELECT count(*) - count(DISTINCT request_timestamp) FROM audit.$stream"),
		'>', 200, "$stream have equal timestamps");
	my ($ids, $sizes, $totals) = walk("/audit/$stream?$filter", $arrive{$stream});
	is($sizes, '100 100 50', "250 $stream in pages of the default size");
	is($totals, '250 250 250', 'the total is stable');
	is("@$ids", $want, 'every record that was there, once, newest first');

	# Odd sizes, and a writer that commits late: its records are older than
	# those that the walk has seen, and newer than those to come.
	$want = $node->safe_psql($db, "SELECT string_agg(id::text, ' ' ORDER BY id DESC) FROM audit.$stream WHERE "
		  . ($stream eq 'requests' ? "rbac_user_name = 'walker'" : "dao_name = 'things'"));
	my $late = $node->background_psql($db, on_error_stop => 1);
	$late->query_safe('BEGIN');
	$late->query_safe($stream eq 'requests'
		? q{SELECT audit.log_request('GET', '/late', 200, rbac_user_name => 'walker')}
		: 'INSERT INTO things VALUES (-1)');
	my $pages = 0;
	($ids, $sizes, $totals) = walk("/audit/$stream?$filter&size=37", sub {
		$arrive{$stream}->();
		$late->query_safe('COMMIT') if ++$pages == 2;
	});
	$late->quit;
	is("@$ids", $want, "odd pages of $stream, with a late commit: the same");
	my %once = map { $_ => 1 } split / /, $totals;
	is(scalar keys %once, 1, 'and one total');
}

## next keeps size and filters, whatever is in them

my $odd = q{a b&c=d?e/f%g+h"i'j\\k;l#m} . "\xc3\xa9";
my $encoded = $odd =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;
$node->safe_psql($db, 'SELECT audit.log_request(\'GET\', \'/odd\', 200, rbac_user_name => $odd$'
	  . Encode::decode('UTF-8', $odd) . '$odd$) FROM generate_series(1, 5)');
my ($ids, $sizes) = walk("/audit/requests?size=2&rbac_user_name=$encoded&method=GET&status=200&hide=own"
	  . '&after=2020-01-01T00:00:00Z&before=4102444800&count=exact&unknown=1');
is($sizes, '2 2 1', 'odd values survive in next');
my $next = $web->get("/audit/requests?size=2&rbac_user_name=$encoded&method=GET&after=2020-01-01T00:00:00Z&unknown=1")
  ->{json}{next};
like($next, qr{^/audit/requests\?size=2&after=2020-01-01T00:00:00Z&rbac_user_name=a%20b%26c%3Dd.*&method=GET&offset=[\w-]+$},
	'next repeats what was asked, without what is not known');

## an offset of another list, or one that was tampered with

my $page = $web->get('/audit/objects?size=10')->{json};
my $other = $web->get("/audit/objects?size=10&dao_name=others&offset=$page->{offset}");
is("$other->{status} $other->{json}{total}", '200 0', 'an offset of other filters does not bring its total');
my $tampered = $page->{offset};
substr($tampered, 50, 1) = substr($tampered, 50, 1) eq 'A' ? 'B' : 'A';
$other = $web->get("/audit/objects?size=10&offset=$tampered");
is($other->{status}, 200, 'a forged token is only another place');
for my $bad ('x', '%00', '..', 'A' x 58, 'A' x 60, ('A' x 58) . 'B', "$page->{offset}A", '%C3%A9')
{
	is($web->get("/audit/objects?offset=$bad")->{status}, 400, "offset=$bad is refused");
}

## every list query walks an index, and costs the same at any depth

$node->safe_psql($db, q{
	INSERT INTO others SELECT g FROM generate_series(1, 30000) g;
	SELECT audit.log_request('POST', '/x', 201, request_id => 'bulk' || g / 10) FROM generate_series(1, 30000) g;});
$node->safe_psql($db, 'VACUUM ANALYZE');
my $request = 'bulk77';

# plan_of(QUERY): what auto_explain says of the statements that reached the tables
sub plan_of
{
	my ($sql) = @_;
	my ($ret, $out, $err) = $node->psql($db, qq{
		LOAD 'auto_explain';
		SET auto_explain.log_min_duration = 0;
		SET auto_explain.log_nested_statements = on;
		SET auto_explain.log_analyze = on;
		SET auto_explain.log_buffers = on;
		SET client_min_messages = log;
		$sql});
	die $err if $ret;
	return $err;
}

sub list_sql
{
	my ($stream, %set) = @_;
	my @names = qw(stream size offset before after count request_id rbac_user_name workspace
		dao_name entity_key operation method status hide self);
	%set = (stream => $stream, count => 'none', self => '/?', %set);
	return 'SELECT body FROM audit.api_list('
	  . join(', ', map { defined $set{$_} ? "'$set{$_}'" : 'NULL' } @names) . ')';
}

# The deepest page, by its token
sub deep
{
	my ($stream, %set) = @_;
	my $id = $node->safe_psql($db, "SELECT id FROM audit.$stream ORDER BY id OFFSET 150 LIMIT 1");
	my $token = $node->safe_psql($db, "SELECT rtrim(translate(encode(uuid_send('$id') || uuid_send('$id')"
		  . q{ || int8send(-1) || int4send(0), 'base64'), E'+/\n', '-_'), '=')});
	return (%set, offset => $token);
}

my %cases = (
	objects => [ {}, { dao_name => 'others' }, { dao_name => 'nothing' }, { operation => 'delete' },
		{ entity_key => '15000' }, { request_id => 'none' }, { rbac_user_name => 'walker' }, { workspace => 'w' },
		{ before => '4102444800', after => '0' } ],
	requests => [ {}, { method => 'POST' }, { status => '201' }, { status => '500' }, { request_id => $request },
		{ rbac_user_name => 'nobody' }, { workspace => 'w' }, { hide => 'own' },
		{ before => '4102444800', after => '0' } ]);
for my $stream (sort keys %cases)
{
	for my $case (@{ $cases{$stream} })
	{
		my %cost;
		my $what = "$stream " . (join(' ', map { "$_=$case->{$_}" } sort keys %$case) || 'unfiltered');
		for my $where ('first', 'deep')
		{
			my $text = plan_of(list_sql($stream, $where eq 'deep' ? deep($stream, %$case) : %$case));
			my @scans = $text =~ /^.*?((?:Seq|Index Only|Index|Bitmap Heap) Scan[^\n]* on audit_$stream)/mg;
			my @bad = grep { !/^Index (Only )?Scan/ && !($case->{request_id} && /^Bitmap/) } @scans;
			push @bad, 'a sort' if !$case->{request_id} && $text =~ /->  Sort/;
			push @bad, 'no scan' unless @scans;
			push @bad, 'compiled' if $text =~ /^\s*JIT:/m;
			is("@bad", '', "$what, $where page: an index scan") or diag($text);
			# blocks of the outermost statement
			my @blocks = $text =~ /Buffers: shared hit=(\d+)/g;
			$cost{$where} = (sort { $b <=> $a } @blocks)[0];
		}
		cmp_ok($cost{deep}, '<', $cost{first} + 150,
			"$what: $cost{first} blocks for the first page, $cost{deep} for a deep one");
	}
}

ok($web->stop, 'SIGTERM ends it');
$node->stop;
done_testing();
