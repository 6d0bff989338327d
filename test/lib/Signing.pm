# test/lib/Signing.pm
#
# What tests of signatures share: keys, the canonical form of a record written
# once more from its description, and openssl's opinion.  None of it asks the
# extension.
package Signing;

use strict;
use warnings FATAL => 'all';

use MIME::Base64;
use PostgreSQL::Test::Utils;

# openssl(SHELL WORDS): runs it, its messages dropped; dies if it fails
sub openssl
{
	my ($command) = @_;

	system("umask 077; openssl $command 2>/dev/null") == 0
	  or die "openssl $command failed";
	return;
}

# make_key(FILE): a private RSA key, and its public half in FILE.pub
sub make_key
{
	my ($file, $bits) = @_;

	openssl("genrsa -out '$file' " . ($bits // 2048));
	openssl("rsa -in '$file' -outform PEM -pubout -out '$file.pub'");
	return $file;
}

# ------------------------------------------------------------ canonical form

# parse(JSON): the value, in which a number stays the text that it was.  An
# object is a hash; other values are array references ["kind", what].
sub parse
{
	my ($json) = @_;
	my $value = parse_value(\$json);

	$json =~ /\G\s*\z/gc or die 'text after the JSON value';
	return $value;
}

sub parse_value
{
	my ($json) = @_;

	if ($$json =~ /\G\s*\{/gc)
	{
		my %object;
		return \%object if $$json =~ /\G\s*\}/gc;
		do
		{
			$$json =~ /\G\s*(?=")/gc or die 'no key';
			my $key = parse_value($json)->[1];
			$$json =~ /\G\s*:/gc or die 'no colon';
			$object{$key} = parse_value($json);
		} while ($$json =~ /\G\s*,/gc);
		$$json =~ /\G\s*\}/gc or die 'no end of an object';
		return \%object;
	}
	if ($$json =~ /\G\s*\[/gc)
	{
		my @array;
		return [ array => \@array ] if $$json =~ /\G\s*\]/gc;
		do { push @array, parse_value($json) } while ($$json =~ /\G\s*,/gc);
		$$json =~ /\G\s*\]/gc or die 'no end of an array';
		return [ array => \@array ];
	}
	if ($$json =~ /\G\s*"/gc)
	{
		my $from = pos $$json;
		1 while $$json =~ /\G(?:[^"\\]+|\\.)/gcs;
		my $text = substr $$json, $from, pos($$json) - $from;
		$$json =~ /\G"/gc or die 'no end of a string';
		return [ string => unescape($text) ];
	}
	return [ number => $1 ] if $$json =~ /\G\s*(-?\d[-+.\deE]*)/gc;
	return [ word => $1 ] if $$json =~ /\G\s*(true|false|null)/gc;
	die 'no JSON value';
}

# Bytes in, bytes out: UTF-8 on both sides
sub unescape
{
	my ($text) = @_;
	my %short = (b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");

	$text =~ s{\\(?:u([dD][89abAB]..)\\u(....)|u(....)|(.))}{
		my $code = defined $1 ? 0x10000 + ((hex($1) & 0x3ff) << 10) + (hex($2) & 0x3ff)
		  : defined $3 ? hex $3 : undef;
		my $bytes = defined $code ? chr $code : $short{$4} // $4;
		utf8::encode($bytes) if defined $code;
		$bytes }gesx;
	return $text;
}

sub plain_number
{
	my ($text) = @_;
	my ($sign, $whole, $fraction, $exponent) =
	  $text =~ /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/ or die "number $text";

	$fraction //= '';
	$exponent //= 0;
	$fraction .= '0' x ($exponent - length $fraction) if $exponent > length $fraction;
	$whole = '0' x (-$exponent - length($whole)) . $whole if -$exponent > length $whole;
	if ($exponent > 0)
	{
		$whole .= substr $fraction, 0, $exponent, '';
	}
	elsif ($exponent < 0)
	{
		$fraction = substr($whole, $exponent, -$exponent, '') . $fraction;
	}
	$whole =~ s/^0+(?=\d)//;
	$whole = '0' if $whole eq '';
	$fraction =~ s/0+$//;
	$sign = '' if "$whole$fraction" =~ /^0*$/;
	return $sign . $whole . ($fraction eq '' ? '' : ".$fraction");
}

sub parts
{
	my ($value, @dropped) = @_;

	if (ref $value eq 'HASH')
	{
		my %drop = map { $_ => 1 } @dropped;
		return map { parts($value->{$_}) } grep { !$drop{$_} } sort keys %$value;
	}
	my ($kind, $what) = @$value;
	return map { parts($_) } @$what if $kind eq 'array';
	return () if $what eq 'null' && $kind eq 'word';
	return $kind eq 'number' ? plain_number($what) : $what;
}

# canonical(JSON): the bytes that a record's signature covers
sub canonical
{
	return join '|', parts(parse($_[0]), qw(signature ttl expire));
}

# ------------------------------------------------------------- verification

my $dir;

# verdict(RECORD, PUBLIC KEY FILE, ...): what openssl says of a record's JSON.
# With more bytes they are appended to its canonical form.
sub verdict
{
	my ($record, $public, $more) = @_;
	my $signature = parse($record)->{signature}[1];

	$dir //= PostgreSQL::Test::Utils::tempdir();
	write_file("$dir/canonical", canonical($record) . ($more // ''));
	write_file("$dir/signature", decode_base64($signature));
	my $said = `openssl dgst -sha256 -verify '$public' -signature $dir/signature $dir/canonical 2>&1`;
	return $said =~ /^Verified OK$/m ? 'Verified OK' : 'Verification failure';
}

sub write_file
{
	my ($file, $bytes) = @_;

	open my $fh, '>:raw', $file or die "$file: $!";
	print $fh $bytes;
	close $fh or die "$file: $!";
	return;
}

1;
