# test/lib/Browser.pm
#
# A real headless Chromium, driven through chromedriver, which speaks HTTP and
# JSON.
#
#   my $browser = Browser->start(dark => 1, width => 1300, height => 800);
#   $browser->go($url);
#   my $value = $browser->js('return document.title');
#   $browser->wait_for('return document.querySelectorAll("tr").length > 3', 'what');
#   $browser->keys('j', 'Enter');        # to whatever has the focus
#   $browser->click('#more');
#   $browser->screenshot('name');        # into the test's log folder
#   my @urls = $browser->requested;      # every address it asked for
package Browser;

use strict;
use warnings FATAL => 'all';

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my %special = (
	Enter => "\x{e007}", Escape => "\x{e00c}", Tab => "\x{e004}",
	ArrowLeft => "\x{e012}", ArrowUp => "\x{e013}",
	ArrowRight => "\x{e014}", ArrowDown => "\x{e015}", Home => "\x{e011}", End => "\x{e010}");

sub start
{
	my ($class, %options) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir_short();
	my $log = "$PostgreSQL::Test::Utils::log_path/chromedriver_$$.log";
	my $self = bless { http => HTTP::Tiny->new(timeout => 60) }, $class;

	my $probe = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
	my $port = $probe->sockport;
	close $probe;
	$self->{pid} = fork // die $!;
	if ($self->{pid} == 0)
	{
		# a group of its own, so that the browser goes with it
		setpgrp 0, 0;
		@ENV{qw(HOME XDG_CONFIG_HOME XDG_CACHE_HOME)} = ($dir) x 3;
		open STDOUT, '>', $log or die $!;
		open STDERR, '>&', \*STDOUT or die $!;
		exec 'chromedriver', "--port=$port" or exit 127;
	}
	$self->{url} = "http://127.0.0.1:$port";
	my $ready;
	for (1 .. 200)
	{
		my $answer = $self->{http}->get("$self->{url}/status");
		last if $ready = $answer->{success};
		sleep 0.1;
	}
	die "no chromedriver: " . slurp_file($log) unless $ready;
	my @arguments = (
		'--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
		'--disable-background-networking', '--disable-component-update', '--no-first-run',
		'--hide-scrollbars', "--user-data-dir=$dir/profile",
		'--window-size=' . ($options{width} // 1300) . ',' . ($options{height} // 800));
	push @arguments, '--blink-settings=preferredColorScheme=0' if $options{dark};
	my $session = $self->call(
		'POST', '',
		{
			capabilities => {
				alwaysMatch => {
					'goog:chromeOptions' => { args => \@arguments },
					'goog:loggingPrefs' => { performance => 'ALL', browser => 'ALL' }
				}
			}
		});
	$self->{session} = "/$session->{sessionId}";
	return $self;
}

sub call
{
	my ($self, $method, $path, $body) = @_;
	my $answer = $self->{http}->request(
		$method,
		"$self->{url}/session" . ($self->{session} // '') . $path,
		{
			headers => { 'content-type' => 'application/json' },
			content => $method eq 'GET' ? undef : JSON::PP->new->utf8->encode($body // {})
		});
	my $json = eval { JSON::PP->new->utf8->decode($answer->{content}) };
	die "chromedriver: $method $path: $answer->{status} $answer->{content}"
	  unless $answer->{success} && $json;
	return $json->{value};
}

sub go { my ($self, $url) = @_; return $self->call('POST', '/url', { url => $url }) }

sub js
{
	my ($self, $script, @arguments) = @_;
	return $self->call('POST', '/execute/sync', { script => $script, args => \@arguments });
}

# A test: does the script come to return something true?
sub wait_for
{
	my ($self, $script, $what) = @_;
	my $end = time + 20;
	my $value;

	until ($value = $self->js($script))
	{
		last if time > $end;
		sleep 0.05;
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($value, $what) or diag(join "\n", $self->complaints, $self->screenshot('failed'));
	return $value;
}

sub keys
{
	my ($self, @keys) = @_;
	my @actions = map {
		my $key = $special{$_} // $_;
		({ type => 'keyDown', value => $key }, { type => 'keyUp', value => $key })
	} @keys;
	$self->call('POST', '/actions',
		{ actions => [ { type => 'key', id => 'keyboard', actions => \@actions } ] });
	return;
}

sub element
{
	my ($self, $selector) = @_;
	my $found =
	  $self->call('POST', '/element', { using => 'css selector', value => $selector });
	return (values %$found)[0];
}

sub click
{
	my ($self, $selector) = @_;
	return $self->call('POST', '/element/' . $self->element($selector) . '/click');
}

sub screenshot
{
	my ($self, $name) = @_;
	my $file = "$PostgreSQL::Test::Utils::log_path/page_$name.png";
	open my $fh, '>:raw', $file or die $!;
	print $fh decode_base64($self->call('GET', '/screenshot'));
	close $fh;
	return $file;
}

# Every address that was asked for since the last call
sub requested
{
	my ($self) = @_;
	my @urls;
	for my $entry (@{ $self->call('POST', '/se/log', { type => 'performance' }) })
	{
		my $message = JSON::PP->new->decode($entry->{message})->{message};
		push @urls, $message->{params}{request}{url}
		  if $message->{method} eq 'Network.requestWillBeSent';
	}
	return @urls;
}

# What the page complained of since the last call
sub complaints
{
	my ($self) = @_;
	return map { $_->{message} } @{ $self->call('POST', '/se/log', { type => 'browser' }) };
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	eval { $self->call('DELETE', '') } if $self->{session};
	kill TERM => -$pid;
	for (1 .. 100)
	{
		return if waitpid($pid, 1) == $pid;
		sleep 0.05;
	}
	kill KILL => -$pid;
	waitpid $pid, 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);
	$self->stop;
}

1;
