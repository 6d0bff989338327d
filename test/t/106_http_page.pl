# The page at "/" in a real browser: what it draws, what keys do, and that
# nothing but the frontend is ever asked for anything.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use AuditLog;
use Browser;
use Frontend;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = AuditLog::start_node('page');
my $db = AuditLog::create_db($node, 'shop');
Frontend::create_role($node, $db, 'web');
AuditLog::make_key("$dir/private.pem");
$node->append_conf('postgresql.conf', "audit.signing_key = '$dir/private.pem'");
$node->append_conf('postgresql.conf', "audit.ledger_origin = 'example.com/shop'");
$node->reload;
$node->safe_psql($db, q{
	CREATE TABLE consumers (
		id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
		created_at bigint NOT NULL DEFAULT floor(extract(epoch FROM now()) * 1000),
		username text UNIQUE, plan text NOT NULL DEFAULT 'free',
		budget numeric, tags jsonb, note text);
	CREATE TABLE services (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, host text, port int);
	SELECT audit.enable('consumers');
	SELECT audit.enable('services');
	GRANT SELECT, INSERT, UPDATE, DELETE ON consumers, services TO web;
	GRANT USAGE ON SEQUENCE services_id_seq TO web;
});
append_to_file("$dir/tokens", "0123456789abcdef0123456789abcdef alice 2e959b45 default\n");
append_to_file("$dir/tokens", "fedcba9876543210fedcba9876543210 robert 5d7e1a20 default\n");
chmod 0600, "$dir/tokens";
my $web = Frontend->start($node, $db, '--expose=public.consumers', '--expose=public.services',
	"--token-file=$dir/tokens");
my $alice = { authorization => 'Bearer 0123456789abcdef0123456789abcdef' };
my $robert = { authorization => 'Bearer fedcba9876543210fedcba9876543210' };

my $bob = $web->send('POST', '/consumers',
	'{"username": "bob", "budget": 12345678901234567890.50, "tags": ["a", {"b": 1}]}', $alice);
is($bob->{status}, 201, 'a consumer is made');
my $key = $bob->{json}{id};
$web->send('PATCH', "/consumers/$key", '{"username": "bobby", "plan": "team", "note": "<b>not bold</b>"}', $robert);
$web->send('POST', '/consumers', '{"username": "bobby"}', $alice);
$web->send('POST', '/services', '{"host": "service-' . $_ . '.example.com", "port": 80' . $_ % 10 . '}',
	$_ % 3 ? $alice : $robert)
  for 1 .. 60;
$web->send('DELETE', '/services/3', undef, $robert);
$web->get('/consumers/nobody', $alice);
$web->get('/status', $alice);
$web->get('/audit/requests', $alice);
$node->safe_psql($db, 'SELECT audit.seal()');

my $browser = Browser->start(width => 1360, height => 860);
my $rows = 'return document.querySelectorAll("#rows tbody tr").length';
my $text = sub { my ($selector) = @_;
	return $browser->js('return document.querySelector(arguments[0])?.innerText ?? ""', $selector) };

## the token

$browser->go("$web->{url}/");
$browser->wait_for('return document.querySelector("#login").open', 'the page asks for a token');
$browser->js('document.querySelector("#token").value = "nonsense"');
$browser->click('#login button');
$browser->wait_for('return document.querySelector("#login").open && !document.querySelector("#refused").hidden',
	'and says when it is a wrong one');
$browser->keys('Escape');
$browser->wait_for('return document.querySelector("#again")?.innerText === "Enter the token"', 'without one there is no log');
$browser->click('#again');
$browser->wait_for('return document.querySelector("#login").open', 'until the reader wants to');
$browser->js('document.querySelector("#token").value = arguments[0]', '0123456789abcdef0123456789abcdef');
$browser->click('#login button');

## lists

$browser->wait_for("$rows === 50", 'a page of requests');
is($browser->js('return document.title'), "Requests \x{b7} Audit log", 'the title says which');
like($text->('#count'), qr/^66 requests in all$/, 'how many there are, reads of the log left out');
like($text->('#rows tbody tr:nth-child(2)'), qr{404\s+GET\s+/consumers/nobody\s+alice}, 'what a row says');
$browser->wait_for('return document.querySelectorAll("#rows .proof .good").length === 100',
	'every row is signed and sealed');
like($text->('#more'), qr/50 of 66 shown/, 'how many are on the page');
is($browser->js('return [...document.querySelectorAll("#seen-rbac_user_name option")].map(o => o.value).join()'),
	'alice,robert', 'fields suggest what was seen');
like($text->('#ledger'), qr{^(all sealed|\d+ waiting) \d+ sealed in example\.com/shop \x{b7} (just now|\d+ s ago)}, 'the state of the ledger');
$browser->screenshot('requests');
$browser->click('#more');
$browser->wait_for("$rows === 66", 'the older ones');
$browser->click('#tab-objects');
$browser->wait_for('return document.title.startsWith("Objects")', 'the other stream');
$browser->wait_for("$rows === 50", 'has its own list');
like($text->('#rows tbody tr'), qr/delete\s+services\s+.*service-3\.example\.com.*robert/s, 'newest first');

## filters, in the address too

$browser->js('location.hash = "#objects?dao_name=consumers"');
$browser->wait_for("$rows === 2", 'filtered by table');
is($browser->js('return document.querySelector("#filters [name=dao_name]").value'), 'consumers',
	'the field shows the filter of the address');
$browser->keys('/');
$browser->wait_for('return document.activeElement.name === "dao_name"', '/ leads to the filters');
$browser->js('document.activeElement.select()');
$browser->keys(split(//, 'nothing'), 'Enter');
$browser->wait_for('return !document.querySelector("#empty").hidden', 'none fits');
like($text->('#empty'), qr/No record fits/, 'and the page says so');
like($text->('#count'), qr/^0 objects fit$/, 'also in figures');
$browser->js('history.back()');
$browser->wait_for("$rows === 2", 'Back works');
is($browser->js('return document.querySelector("#filters [name=dao_name]").value'), 'consumers',
	'for the field, too');

## diff

$browser->js('document.activeElement.blur()');
$browser->keys('j', 'Enter');
$browser->wait_for('return !!document.querySelector("#diff")', 'Enter opens the record');
is($browser->js('return [...document.querySelectorAll("#diff tbody tr")].map(r => [...r.cells].map(c => c.innerText).join("|")).join(" ")'),
	'username|bob|bobby plan|free|team note|null|<b>not bold</b>',
	'before and after, markup as text');
is($browser->js('return document.querySelectorAll("#detail b").length'), 0, 'no markup of a record lives');
is($browser->js('return document.querySelector("#diff ins").innerText'), 'by', 'the letters that are new');
like($text->('#detail details summary'), qr/4 unchanged/, 'what did not change is folded');
like($text->('#proof'), qr/signed\s*sealed.*the signature fits.*Sealed as leaf \d+/s, 'signature and seal');
like($browser->js('document.querySelector("#detail details").open = true; return document.querySelector("#detail details").innerText'),
	qr/budget\s+12345678901234567890\.50/, 'numbers keep every digit');
is($browser->js('return document.title'), "update consumers $key \x{b7} Objects \x{b7} Audit log", 'the title names the record');
like($text->('#detail .head'), qr/\d\d:\d\d:\d\d \S+ \x{b7} (just now|\d.* ago)/, 'how long ago it was');
is($browser->js(q{return document.querySelector('#rows td.key').innerText}), $key, 'the list says which row');
$browser->screenshot('diff');

# changes inside a value, by their paths
my $changes = sub { return $browser->js(
	'return changes(...arguments).map(c => c.map(v => v ?? "-").join(" ")).join("; ")', @_, 'x') };
is($changes->('{"a": {"b": 1, "c": [1, 2]}, "d": 1.50}', '{"a": {"b": 2, "c": [1, 2]}, "e": null}'),
	'x.a.b 1 2; x.d 1.50 -; x.e - null', 'keys that changed, went and came');
is($changes->('["a", "b", "c"]', '["z", "a", "b", "c"]'), 'x[0] - "z"', 'one more in front is one change');
is($changes->('[1, 2, 3]', '[1, 3]'), 'x[1] 2 -', 'one less in the middle, too');
is($changes->('[1, {"k": []}]', '[1, {"k": {}}]'), 'x[1].k [] {}', 'another kind of value');
is($changes->('{"a": [1, {"b": "]}"}]}', '{"a": [1, {"b": "[{"}]}'), 'x.a[1].b "]}" "[{"', 'brackets in strings are none');

# what is copied and saved is the record as it came
$browser->js(q{window.saved = []; URL.createObjectURL = blob => { blob.text().then(t => saved.push(t)); return '#'; };
	HTMLAnchorElement.prototype.click = () => {};});
$browser->js('document.querySelector("#check-it").open = true');
$browser->click('#to-record');
$browser->wait_for('return saved.length === 1', 'the record can be saved');
my $opened = $browser->js('return openId');
is($browser->js('return saved[0]') =~ s/"ttl":\d+/"ttl":0/r,
	$node->safe_psql($db, "SELECT audit.record(o) FROM audit.objects o WHERE id = '$opened'") =~ s/"ttl":\d+/"ttl":0/r,
	'as the database gives it');
$browser->click('#to-proof');
$browser->wait_for('return saved[1]?.startsWith("c2sp.org/tlog-proof@v1")', 'and its proof');
like($text->('#check-it pre'), qr/^audit_log_verify_record .*\Q$opened\E\.json .*\Q$opened\E\.tlog-proof$/s, 'with the command that checks them');
$browser->js('document.querySelector("#detail [aria-label=\"Copy request_id\"]").click()');
$browser->wait_for('return document.querySelector("#detail .copy.done")?.innerText === "copied"', 'an id can be copied');

# the zone of times
my $time = 'return document.querySelector("#rows tbody time").innerText';
$browser->call('POST', '/goog/cdp/execute', { cmd => 'Emulation.setTimezoneOverride', params => { timezoneId => 'Asia/Kathmandu' } });
$browser->keys('z');
$browser->wait_for('return document.querySelector("#zone").innerText === "UTC"', 'z: times in UTC');
is($browser->js($time), substr($browser->js('return document.querySelector("#rows tbody time").dateTime'), 11, 8), 'in the list');
like($text->('#detail .head'), qr/ UTC /, 'in the record');
my $utc = $browser->js($time);
$browser->keys('z');
$browser->wait_for('return document.querySelector("#zone").innerText === "GMT+5:45"', 'or of the reader');
isnt($browser->js($time), $utc, 'which differ');
$browser->call('POST', '/goog/cdp/execute', { cmd => 'Emulation.setTimezoneOverride', params => { timezoneId => 'UTC' } });

## the timeline of its request

$browser->click('#to-request');
$browser->wait_for('return !!document.querySelector("#timeline")', 'from a change to its request');
like($text->('#timeline'), qr{PATCH /consumers/$key.*by robert.*update.*consumers.*username: bob.*answered.*200}s,
	'what was asked, done and answered, in this order');
like($text->('#payload'), qr/\{\n  "username": "bobby",\n  "plan": "team"/, 'with the body, in lines');
like($text->('#proof'), qr/signed\s*sealed/, 'and its proof');
$browser->screenshot('timeline');
$browser->keys('Escape');
$browser->wait_for('return document.querySelector("#detail").hidden', 'Escape closes it');

## a change of the schema, a deleted row, what was left out

$node->safe_psql($db, q{ALTER TABLE services ADD token text; INSERT INTO services (host, token) VALUES ('leaving', 'hush');
	DELETE FROM services WHERE host = 'leaving'});
$browser->js('location.hash = "#objects?dao_name=services"');
$browser->wait_for('return document.querySelector("#rows tbody tr:nth-child(3) .what")?.innerText === "ALTER TABLE public.services ADD COLUMN token"',
	'DDL reads like the command');
$browser->click('#rows tbody tr');
$browser->wait_for('return document.querySelector("#detail h3")?.innerText === "The row that was deleted"', 'what was deleted');
like($text->('#left-out'), qr/^Left out: token$/, 'what was left out is named');
like($text->('#detail .acts'), qr/^Made outside any request\./, 'and that no request did it');
$browser->click('#to-history');
$browser->wait_for("$rows === 2", 'the history of the row');
$browser->js('location.hash = "#requests"');
$browser->wait_for("$rows === 50", 'back to requests');

## the list comes alive

my $before = $browser->js($rows);
$web->send('POST', '/services', '{"host": "late.example.com"}', $alice);
$browser->wait_for('return document.querySelector("#rows tbody tr td:nth-child(4)").innerText === "/services"'
	  . ' && document.querySelector("#rows tbody tr").classList.contains("fresh")', 'a new request shows by itself');
$browser->wait_for('return /signed\\s*waiting/.test(document.querySelector("#rows tbody tr .proof").innerText)',
	'signed, not sealed yet');
$node->safe_psql($db, 'SELECT audit.seal()');
$browser->wait_for('return document.querySelector("#rows tbody tr .proof").innerText.includes("sealed")',
	'until it is');
$browser->keys('l');
$browser->wait_for('return document.querySelector("#live").getAttribute("aria-pressed") === "false"', 'l stops it');

## histogram

my $bars = 'return [...document.querySelectorAll("#histogram .bar")].reduce((a, b) => a + Number(b.dataset.n), 0)';
$browser->wait_for("$bars >= 67", 'the histogram counts them');
$browser->keys('h', 'Home', 'ArrowRight', 'End');
$browser->wait_for('return /: \d+$/.test(document.querySelector("#slice").innerText)', 'keys move along it');
$browser->keys('Home', 'Enter');
$browser->wait_for('return !!document.querySelector("#period")', 'Enter shows a slice');
$browser->wait_for('return !document.querySelector("#empty").hidden', 'an hour ago there was nothing');
$browser->click('#period');
$browser->wait_for("$rows === 50", 'and all times again');

## keyboard alone

$browser->keys('o');
$browser->wait_for('return document.title.startsWith("Objects")', 'o: objects');
$browser->wait_for("$rows === 50", 'they load');
$browser->keys('j', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'Enter');
$browser->wait_for('return document.querySelector("#rows tr[aria-selected=true]")?.rowIndex === 2', 'arrows and Enter');
$browser->keys('j');
$browser->wait_for('return document.querySelector("#rows tr[aria-selected=true]")?.rowIndex === 3', 'the next one, open');
$browser->keys('?');
$browser->wait_for('return document.querySelector("#help").open', '?: the keys');
$browser->keys('Escape');
$browser->wait_for('return !document.querySelector("#help").open', 'Escape closes them');
is($browser->js('return [...document.querySelectorAll("button, input, select, [role=slider]")].filter(e => !(e.textContent.trim() || e.labels?.length || e.getAttribute("aria-label") || e.value)).map(e => e.outerHTML).join()'),
	'', 'every control has a name');

## a record that somebody changed

my $victim = $node->safe_psql($db, "SELECT id FROM audit.objects WHERE entity->>'username' = 'bobby' LIMIT 1");
$node->safe_psql($db, qq{
	ALTER TABLE audit.audit_objects DISABLE TRIGGER ALL;
	UPDATE audit.audit_objects SET rbac_user_name = 'mallory' WHERE id = '$victim';
	ALTER TABLE audit.audit_objects ENABLE TRIGGER USER;});
$browser->go("$web->{url}/#objects?open=$victim");
$browser->wait_for('return /signature does not fit.*not what was sealed/s.test(document.querySelector("#proof")?.innerText)',
	'is found out');
$browser->js('location.hash = "#objects?dao_name=consumers"');
$browser->wait_for('return document.querySelectorAll("#rows tr.alarm").length === 1', 'and stands out in the list');

## times in a link that somebody wrote

$browser->js('location.hash = "#objects?dao_name=consumers&after=2020-06-15T12:00:00Z"');
$browser->wait_for('const period = document.querySelector("#period")?.innerText; return /15/.test(period) && !/T12/.test(period) && document.querySelectorAll("#rows tr.alarm").length === 1',
	'may be as the API takes them');
$browser->js('location.hash = "#objects?before=2099-06-15T12:00:00Z"');
$browser->wait_for('return /\b15\b/.test(document.querySelector("#to").innerText)', '... and so may those of the histogram');
$browser->js('location.hash = "#objects?after=soon"');
$browser->wait_for('return /after must be/.test(document.querySelector("#empty").innerText)', 'what is no time is refused');
like($browser->js('return document.querySelector("#period").innerText'), qr/^soon/, '... and shown as it is');

## a database that is away

$node->stop('fast');
$browser->js('location.hash = "#objects?dao_name=services"');
$browser->wait_for('return /The log cannot be read.*available/s.test(document.querySelector("#empty").innerText)', 'a log that cannot be read says why');
$node->start;
$browser->click('#again');
$browser->wait_for("$rows === 50", 'and comes back');

## narrow, and dark

$browser->go('about:blank');
$browser->go("$web->{url}/#objects");
$browser->call('POST', '/goog/cdp/execute', { cmd => 'Emulation.setDeviceMetricsOverride',
	params => { width => 390, height => 844, deviceScaleFactor => 1, mobile => JSON::PP::false } });
$browser->wait_for("$rows === 50", 'on a phone');
is($browser->js('return [...document.querySelectorAll("#rows td")].filter(e => e.offsetWidth && e.getBoundingClientRect().right > innerWidth).length'),
	0, 'every row fits');
ok(!$browser->js('return document.querySelector("#filters [name=dao_name]").offsetWidth'), 'filters wait');
$browser->click('#to-filters');
ok($browser->js('return document.querySelector("#filters [name=dao_name]").offsetWidth'), 'behind a button');
$browser->js('scrollTo(0, 900); document.querySelector("#rows tbody tr:nth-child(12)").click()');
$browser->wait_for('return document.activeElement.id === "detail" && document.querySelector("#list").offsetWidth === 0', 'a record takes the place of the list');
$browser->screenshot('phone');
$browser->keys('Escape');
$browser->wait_for('return document.querySelector("#list").offsetWidth > 0 && scrollY > 800', 'which comes back where it was');
$browser->call('POST', '/goog/cdp/execute', { cmd => 'Emulation.clearDeviceMetricsOverride', params => {} });
$browser->go("$web->{url}/#objects?open=$victim");
$browser->call('POST', '/window/rect', { width => 520, height => 900 });
$browser->wait_for('return document.querySelector("#detail").offsetWidth > 300 && document.querySelector("#list").offsetWidth === 0',
	'on a narrow screen the record has the room');
is($browser->js('return document.documentElement.scrollWidth <= innerWidth'), JSON::PP::true, 'nothing sticks out');
$browser->screenshot('narrow');
$browser->call('POST', '/window/rect', { width => 1360, height => 860 });
my $light = $browser->js('return getComputedStyle(document.body).backgroundColor');
$browser->keys('t', 't');
$browser->wait_for('return document.documentElement.dataset.theme === "dark"', 't: colours');
isnt($browser->js('return getComputedStyle(document.body).backgroundColor'), $light, 'are dark');
is($browser->js(q{
	const lum = c => { const [r, g, b] = c.match(/[\d.]+/g).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
	const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c; } return 'rgb(0, 0, 0)'; };
	const faint = [];
	for (const theme of ['light', 'dark']) {
		document.documentElement.dataset.theme = theme;
		for (const e of document.querySelectorAll('body *')) {
			if (!e.offsetParent || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
			const [a, b] = [lum(getComputedStyle(e).color), lum(back(e))].sort((x, y) => y - x);
			if ((a + .05) / (b + .05) < 4.5) faint.push(theme + ' ' + e.tagName + ' ' + e.className + ' ' + e.innerText.slice(0, 20));
		}
	}
	document.documentElement.dataset.theme = 'dark';
	return faint.slice(0, 5).join('; ');}), '', 'text can be read in both schemes (4.5 to 1)');
$browser->screenshot('dark');

## nobody else is asked, and nothing complains

my @foreign = grep { !m{^\Q$web->{url}\E/} && !/^(data|chrome|about|chrome-extension):/ } $browser->requested;
is_deeply(\@foreign, [], 'no request leaves the host');
my @complaints = grep { !/status of (40[014]|503)/ } $browser->complaints;
is_deeply(\@complaints, [], 'the console is empty');
$browser->stop;

$browser = Browser->start(dark => 1, width => 1360, height => 860);
$browser->go("$web->{url}/");
is($browser->js('return document.documentElement.dataset.theme'), 'dark', 'a dark system gets a dark page');
$browser->stop;

ok($web->stop, 'the frontend ends');
$node->stop;
done_testing();
