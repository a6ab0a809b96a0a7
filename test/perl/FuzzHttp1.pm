
=head1 NAME

FuzzHttp1 - HTTP/1.1 as FuzzPeer speaks it: properly, and in no way that is proper

=head1 DESCRIPTION

An answer is a hash until it is written: C<status>, the line; C<headers>, lines; C<json> and
C<coding>; C<framing>, one of length, chunked and close; C<delivery>, a function that
writes it; and C<after>, what becomes of the connection.  What goes wrong is a function that
changes that hash.

The bytes of a JSON text are never changed in a way that leaves another JSON text, and each says
whose it is.  So whatever a client takes for an answer must be its row's own.

=cut

package FuzzHttp1;

use strict;
use warnings;

use Compress::Zlib qw(memGzip);
use FuzzAnswer qw(any coded json read_request);
use FuzzConnection;
use IO::Compress::RawDeflate ();
use Time::HiRes qw(time);

# Adds header lines, at any place, or before all others.
sub _header
{
	my ($answer, @lines) = @_;

	splice @{ $answer->{headers} }, any(0, 0, int(rand(1 + @{ $answer->{headers} }))), 0, @lines;
	return;
}

sub _length { return length $_[0]->{body}; }

# The head and body as they are now are what is written.
sub _render
{
	my ($answer) = @_;
	my ($body, @framing) = _framed($answer);
	my @headers = @{ $answer->{headers} };

	splice @headers, $answer->{first} ? @headers : rand(1 + @headers), 0, @framing;
	return join($answer->{eol} // "\r\n", $answer->{status}, @headers, '', '') . $body;
}

sub _framed
{
	my ($answer) = @_;
	my $body = $answer->{body};

	return ($body, map { "Content-Length: $_" } @{ $answer->{lengths} }) if $answer->{lengths};
	return ($body, 'Content-Length: ' . length $body) if $answer->{framing} eq 'length';
	return ($body, 'Connection: close') if $answer->{framing} eq 'close';
	return (join('', _chunks($answer)), 'Transfer-Encoding: ' . ($answer->{transfer} // 'chunked'));
}

sub _chunks
{
	my ($answer) = @_;
	my $most = any(10, 100, 10_000, 1_000_000);
	my @chunks = map { sprintf "%x%s\r\n%s\r\n", length, $answer->{extension} // '', $_ } FuzzConnection::pieces($answer->{body}, $most);

	return (@chunks, '0' . ($answer->{extension} // '') . "\r\n", map({ "$_\r\n" } @{ $answer->{trailers} // [] }), "\r\n");
}

# A chunked answer, in which the last chunk of what there is, or any, is made by a function.
sub _chunked
{
	my ($answer, $function) = @_;

	$answer->{framing} = 'chunked';
	$answer->{render} = sub {
		my $copy = { %$answer, framing => 'length', lengths => [], transfer => undef };
		my $head = _render({ %$copy, body => '', headers => [ 'Transfer-Encoding: chunked', @{ $answer->{headers} } ] });
		return $head . $function->($answer->{body});
	};
	return;
}

sub _chunk { return sprintf("%x\r\n", length $_[0]) . "$_[0]\r\n"; }

# The head with some bytes changed; the body as it is.
sub _spoil_head
{
	my ($answer, $function) = @_;

	$answer->{spoil} = sub {
		my ($head, $body) = $_[0] =~ /\A(.*?\r\n\r\n)(.*)\z/s or return $_[0];
		return $function->($head) . $body;
	};
	return;
}

# A second answer, with nobody to ask for it: the same once more, so that it is known.
sub _unasked
{
	my ($answer) = @_;

	return any(_proper_copy($answer), _proper_copy($answer), _proper_copy($answer), _render({ %$answer, framing => 'chunked', lengths => undef }),
		"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "\r\n", FuzzConnection::garbage(1 + int(rand(40))));
}

sub _proper_copy
{
	my ($answer) = @_;

	return "HTTP/1.1 200 OK\r\nContent-Length: " . length($answer->{json}) . "\r\n\r\n$answer->{json}";
}

# By how much a length is wrong.
sub _off { return 1 + int(rand(any(1, 5, 60))); }

my @odd_numbers = ('-1', '+7', '0x1f', '1 2', '7, 7', '7, 9', '', ' ', 'many', '99999999999999999999', '18446744073709551616',
	'18446744073709551657', '9223372036854775807', '9223372036854775808', '4294967296', '00000000000000000000007', "7\0", '1e3', '7;q=1');

#
# What can go wrong: with the status line
#
my %mutations = (
	'status: HTTP/2' => sub { $_[0]->{status} = any('HTTP/2 200', 'HTTP/2 200 OK', 'HTTP/2.0 200 OK', 'HTTP/3 200', 'HTTP/3 200 OK'); },
	'status: another version' => sub {
		$_[0]->{status} = any('HTTP/1.0 200 OK', 'HTTP/1.2 200 OK', 'HTTP/0.9 200 OK', 'HTTP/7.0 200 OK', 'HTTP/11 200 OK', 'http/1.1 200 OK',
			'HTTP/1.1.1 200 OK', 'HTTP/1. 200 OK', 'HTTP/ 200 OK', 'ICY 200 OK', 'RTSP/1.0 200 OK', "HTTP/1.1\t200\tOK", 'HTTP/1.1  200 OK', ' HTTP/1.1 200 OK');
	},
	'status: another number' => sub {
		$_[0]->{status} = 'HTTP/1.1 ' . any('200', '2000 OK', '20 OK', '020 OK', '-200 OK', '099 OK', '199 OK', '299 OK', '600 OK', '999 OK', 'OK', '', '200OK',
			'200 ' . 'x' x 5000, "200 O\0K", "200 \xff\xfe", '206 Partial Content', '500 No', '502 No', '503 No', '408 Late');
	},
	'status: without a body' => sub { $_[0]->{status} = 'HTTP/1.1 ' . any('204 No Content', '204 No Content', '205 Reset Content', '304 Not Modified'); },
	'status: interim ones' => sub {
		my ($answer) = @_;
		my $interim = join '', map {
			'HTTP/1.1 ' . any(100, 100, 102, 103, 103, 150, 199) . " Wait\r\n" . any('', '', "Link: </x>\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", " x: y\r\n") . "\r\n"
		} 1 .. any(1, 2, 30, 300);
		$answer->{status} = $interim . $answer->{status};
	},
	'status: switching protocols' => sub {
		my ($answer) = @_;
		$answer->{status} = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " . any('h2c', 'h2', 'websocket') . "\r\n\r\n"
		  . any('', FuzzConnection::garbage(20), "\0\0\0\4\0\0\0\0\0") . $answer->{status};
	},
	'status: interim one with a body' => sub {
		my ($answer) = @_;
		# Nothing that could be read as an answer, where the status is spoilt, too.
		$answer->{status} = "HTTP/1.1 100 Continue\r\nContent-Length: 4\r\n\r\n{ok\n$answer->{status}";
	},
);

#
# ... with headers
#
%mutations = (%mutations,
	'header: the first is folded' => sub { unshift @{ $_[0]->{headers} }, any(' folded: x', "\tfolded", ' ', ' : '); $_[0]->{first} = 1; },
	'header: folded' => sub { _header($_[0], 'X-Folded: a', map { any(" b$_", "\tc", ' ') } 1 .. any(1, 3, 200)); },
	'header: no colon' => sub { _header($_[0], any('nothing', 'Content-Length 7', 'a b c')); },
	'header: no name' => sub { _header($_[0], any(': x', ':', ' : x')); },
	'header: control characters' => sub { _header($_[0], any("X-Odd: a\0b", "X\0Odd: a", "X-Odd: a\rb", "X-Odd: a\r", "X-Odd: \x1b[2J", "X-Odd: \x7f\xff", "\0")); },
	'header: long' => sub { _header($_[0], 'X-Long: ' . 'x' x any(4000, 16_380, 20_000, 99_990, 110_000, 400_000)); },
	'header: many' => sub { _header($_[0], map { "X-Many-$_: $_" } 1 .. any(100, 2000, 20_000)); },
	'header: blank before the colon' => sub { _header($_[0], any('Content-Length : 7', 'Transfer-Encoding : chunked', "X\t: y")); },
	'header: line ends' => sub { $_[0]->{eol} = any("\n", "\r", "\r\r\n", "\n\r"); },
	'header: an empty line first' => sub { $_[0]->{status} = any("\r\n", "\n", "\r\n\r\n") . $_[0]->{status}; },
	'header: the connection' => sub {
		_header($_[0], any('Connection: close', 'Connection: keep-alive, close, Upgrade', 'Connection: ,,,', 'Keep-Alive: timeout=-1, max=0', 'Proxy-Connection: close',
			'Upgrade: h2c', "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"));
	},
	'header: what others act upon' => sub {
		_header($_[0], any('Location: http://127.0.0.1:1/', 'Location: ', "Location: \0", 'Alt-Svc: h2=":1"; ma=99', 'Strict-Transport-Security: max-age=99', 'Set-Cookie: a=b; domain=.',
			'WWW-Authenticate: Basic', 'WWW-Authenticate: Negotiate x', 'Content-Range: bytes 5-9/10', 'Last-Modified: never', 'Content-Type: ', 'Trailer: Content-Length', 'Retry-After: -1'));
	},
);

#
# ... with the length of the body
#
%mutations = (%mutations,
	'length: repeated' => sub { $_[0]->{lengths} = [ _length($_[0]), any(_length($_[0]), _length($_[0]) + _off(), 0) ]; },
	'length: too short' => sub { my $length = _length($_[0]) - _off(); $_[0]->{lengths} = [ $length < 0 ? 0 : $length ]; },
	'length: too long' => sub { $_[0]->{lengths} = [ _length($_[0]) + _off() ]; },
	'length: no number' => sub { $_[0]->{lengths} = [ any(@odd_numbers) ]; },
	'length: none' => sub { $_[0]->{lengths} = []; },
	'length: and chunked' => sub { my ($answer) = @_; $answer->{framing} = 'chunked'; _header($answer, 'Content-Length: ' . any(_length($answer), 0, 5, _length($answer) + 99)); },
	'chunked: not so' => sub { _header($_[0], 'Transfer-Encoding: ' . any('chunked', 'gzip', 'identity', 'deflate', 'nothing')); },
	'chunked: among others' => sub {
		@{ $_[0] }{qw(framing transfer)} = ('chunked', any('gzip, chunked', 'chunked, chunked', 'chunked, gzip', 'identity', 'identity, chunked', 'xchunked', 'chunkedx', 'chunked;q=1', 'CHUNKED', ' ,chunked',
			"chunked\r\nTransfer-Encoding: chunked", "\tchunked", ''));
	},
	'chunk: no number' => sub { _chunked($_[0], sub { any('zz', '-1', '', ' ', '0x10', '+5', "\0", 'g', '1' x 17, 'f' x 16, 'f' x 17, '7fffffffffffffff', '8000000000000000', '0' x 100 . '5') . "\r\n$_[0]\r\n0\r\n\r\n" }); },
	'chunk: too short' => sub { _chunked($_[0], sub { my $n = length($_[0]) - _off(); sprintf("%x\r\n%s\r\n0\r\n\r\n", $n > 0 ? $n : 0, $_[0]) }); },
	'chunk: too long' => sub { _chunked($_[0], sub { sprintf "%x\r\n%s\r\n0\r\n\r\n", length($_[0]) + _off(), $_[0] }); },
	'chunk: line ends' => sub { _chunked($_[0], sub { my $end = any('', "\n", "\r", "\n\r"); sprintf('%x', length $_[0]) . any($end, "\r\n") . $_[0] . $end . "0\r\n" . any($end, "\r\n") }); },
	'chunk: extension' => sub { @{ $_[0] }{qw(framing extension)} = ('chunked', ';' . any('', 'a', ' a = "b', "x\0", 'x' x any(20, 5000, 100_000))); },
	'chunk: none is the last' => sub { _chunked($_[0], sub { _chunk($_[0]) . any('', '0', "0\r\n", "00", "0\r\nX: y") }); },
	'chunk: trailers' => sub {
		@{ $_[0] }{qw(framing trailers)} = ('chunked', [ map { any('X-Sum: 1', 'Content-Length: 5', 'Transfer-Encoding: chunked', ' folded', 'no colon', ': x', "X: a\0b", 'X-Long: ' . 'x' x 110_000, 'HTTP/1.1 200 OK',
			'Content-Encoding: gzip', 'Connection: close') } 1 .. any(1, 2, 500) ]);
	},
);

#
# ... with how the body is coded
#
%mutations = (%mutations,
	'coding: broken' => sub {
		my ($answer) = @_;
		my $coding = any('gzip', 'deflate', 'br', 'zstd');
		my $coded = coded($answer->{json}, $coding);
		my $tail = substr $coded, any(0, 2, 10, length($coded) / 2) ;
		my $head = substr $coded, 0, length($coded) - length $tail;

		@$answer{qw(coding body)} = ($coding, any($head . FuzzConnection::garbage(length $tail), $head, $answer->{json}, FuzzConnection::garbage(30), ''));
	},
	'coding: cut' => sub {
		my ($answer) = @_;
		my $coding = any('gzip', 'gzip', 'deflate', 'br', 'zstd');
		my $coded = coded($answer->{json}, $coding);

		@$answer{qw(coding body)} = ($coding, substr $coded, 0, length($coded) - any(1, 4, 8, 9, 12));
	},
	'coding: bytes behind it' => sub {
		my ($answer) = @_;
		my $coding = any('gzip', 'deflate', 'br', 'zstd');
		my $coded = coded($answer->{json}, $coding);

		@$answer{qw(coding body)} = ($coding, $coded . any("\0", 'x', "\r\n", "\x1f\x8b", "\0" x 100, $coded));
	},
	'coding: raw deflate' => sub {
		my ($answer) = @_;
		my $json = $answer->{json};

		IO::Compress::RawDeflate::rawdeflate(\$json => \my $coded);
		@$answer{qw(coding body)} = ('deflate', $coded);
	},
	'coding: not so' => sub { $_[0]->{coding} = any('gzip', 'deflate', 'br', 'zstd', 'compress', 'x-gzip', 'aes128gcm', '', ',', "gzip\0", 'identity'); },
	'coding: several' => sub {
		my ($answer) = @_;
		my $times = any(2, 3, 6, 20);

		$answer->{body} = memGzip($answer->{body}) foreach 2 .. ($times > 4 ? 4 : $times);
		$answer->{body} = memGzip($answer->{body});
		$answer->{coding} = join ', ', ('gzip') x $times;
	},
);

#
# ... with how it is sent, and how often
#
%mutations = (%mutations,
	'sent: bits turned over' => sub { _spoil_head($_[0], sub { FuzzConnection::flip($_[0], any(1, 1, 2, 5, 30)) }); },
	'sent: bytes put in' => sub { _spoil_head($_[0], sub { my ($head) = @_; substr($head, rand length $head, 0) = FuzzConnection::garbage(any(1, 1, 10)); $head }); },
	'sent: bytes left out' => sub { _spoil_head($_[0], sub { my ($head) = @_; substr($head, rand length $head, any(1, 1, 2, 10)) = ''; $head }); },
	'sent: late' => sub { my ($answer, $connection) = @_; $answer->{wait} = $connection->{option}{timeout} * any(0.5, 0.95, 1, 1.05, 1.3); },
	'sent: slowly' => sub {
		my ($answer, $connection) = @_;
		my $wait = $connection->{option}{timeout} / any(5, 10, 20);

		$answer->{deliver} = sub { $connection->put(map { ($_, FuzzConnection::wait_for($wait)) } (FuzzConnection::pieces($_[0], 40))[0 .. 29]) };
	},
	'sent: in part' => sub {
		my ($answer, $connection) = @_;

		$answer->{after} = any('close', 'drop', 'reset', 'notify', 'silent');
		$answer->{deliver} = sub { $connection->put(substr $_[0], 0, rand length $_[0]) };
	},
	'sent: not at all' => sub { $_[0]->{after} = any('close', 'drop', 'reset', 'notify', 'silent'); $_[0]->{deliver} = sub { 1 }; },
	'sent: below TLS' => sub {
		my ($answer, $connection) = @_;
		my $garbage = any(FuzzConnection::garbage(1 + int(rand(100))), FuzzConnection::alert(), "\x17\x03\x03\x40\x01", "\x16\x03\x01\0\0", pack('C3n', 23, 3, 3, 32) . FuzzConnection::garbage(32));

		$answer->{deliver} = sub { $connection->put(rand() < 0.5 ? $_[0] : substr $_[0], 0, rand length $_[0]) && $connection->put_raw($garbage) };
	},
	'twice: in one' => sub { my ($answer, $connection) = @_; my $more = _unasked($answer); $answer->{deliver} = sub { $connection->put(join '', $_[0], ($more) x any(1, 1, 5)) }; },
	'twice: at once' => sub { my ($answer, $connection) = @_; my $more = _unasked($answer); $answer->{deliver} = sub { $connection->put_together($_[0], ($more) x any(1, 1, 5)) }; },
	'twice: later' => sub { my ($answer) = @_; $answer->{later} = { seconds => any(0, 0.005, 0.05, 0.2), bytes => _unasked($answer) }; },
	'after: closed' => sub { $_[0]->{after} = any('close', 'drop', 'reset', 'notify'); },
	'after: silent' => sub { $_[0]->{after} = 'silent'; },
);

#
# ... and without end, as far as the client lets it
#
my %floods = ('interim answers' => "HTTP/1.1 100 Continue\r\n\r\n", 'empty lines' => "\r\n", 'chunks' => "1\r\nx\r\n", 'a body' => 'x' x 1000, 'answers' => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
foreach my $what (keys %floods)
{
	my $flood = $floods{$what} x 1000;

	$mutations{"flood: $what"} = sub {
		my ($answer, $connection) = @_;

		@$answer{qw(framing after)} = ('close', 'drop') if $what eq 'a body';
		$answer->{deliver} = sub { $connection->flood($what =~ /interim/ ? '' : $what eq 'chunks' ? _chunked_head() : $_[0], $flood) };
	};
}

sub _chunked_head { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"; }

=head2 menu()

=cut

sub menu { return keys %mutations; }

=head2 serve($connection)

Answers requests, until one of both sides closes.

=cut

sub serve
{
	my ($connection) = @_;

	while (my $request = _next_request($connection))
	{
		$connection->asked($request->{row}, '-');
		_note_early($connection, $request);
		next if $connection->{mute};
		my $answer = _proper($connection, $request);
		my @bad = _spoil($connection, $answer);

		if (@bad)
		{
			$connection->note('bad', $request->{row}, join '; ', @bad);
			$connection->dirty(join '; ', @bad) if $connection->{clean};
		}
		_send($connection, $request, $answer) or return;
	}
	return;
}

sub _next_request
{
	my ($connection) = @_;
	my $in = \$connection->{in};

	$connection->more(FuzzConnection::MAX_SECONDS) || return while $$in !~ /\r\n\r\n/;
	my $end = $+[0];
	my $head = substr $$in, 0, $end;
	my $length = $head =~ /^Content-Length: *(\d+)/mi ? $1 : 0;
	$connection->more(FuzzConnection::MAX_SECONDS) || return while length $$in < $end + $length;
	my $body = substr $$in, $end, $length;
	substr($$in, 0, $end + $length) = '';
	my ($row, $text) = read_request($body);
	return { row => $row, text => $text, at => $connection->since, codings => $head =~ /^Accept-Encoding: *(.*?)\r/mi ? $1 : '' };
}

# What came unasked before it, may be taken for its answer.
sub _note_early
{
	my ($connection, $request) = @_;

	return if !$connection->{unasked_at};
	my $gap = $connection->quiet_until - $connection->{unasked_at};
	$connection->note('early', $request->{row}, sprintf '%.3f', $gap > 0 ? $gap : 0);
	return;
}

sub _proper
{
	my ($connection, $request) = @_;
	my $json = json(@$request{qw(row text)}, $connection->{option}{pad});
	my @codings = grep { $request->{codings} =~ /\b$_\b/ && ($_ =~ /^[gd]/ || length $json < 60_000) } qw(gzip deflate br zstd);
	my %answer = (status => 'HTTP/1.1 200 OK', headers => [ 'Content-Type: application/json', 'Server: fuzz' ], json => $json, body => $json,
		framing => any('length', 'length', 'chunked'), after => 'keep');

	$answer{coding} = any(@codings) if @codings && rand() < 0.3;
	$answer{framing} = 'close' if rand() < 0.02;
	$answer{status} = 'HTTP/1.1 ' . any('100 Continue', '103 Early Hints') . "\r\n\r\n$answer{status}" if rand() < 0.05;
	$answer{wait} = rand($connection->{option}{timeout} / 5) if rand() < 0.3;
	$answer{deliver} = sub { $connection->put(FuzzConnection::pieces($_[0], any(1, 5, 60))) } if rand() < 0.1;
	$answer{after} = 'close' if $answer{framing} eq 'close';
	$answer{body} = coded($json, $answer{coding}) if $answer{coding};
	return \%answer;
}

# The names of what went wrong.
sub _spoil
{
	my ($connection, $answer) = @_;
	my @names = grep { $mutations{$_} } @{ $connection->{option}{menu} };

	return if !@names || rand() > $connection->{option}{bad};
	my @chosen = map { any(@names) } 1 .. any(1, 1, 1, 2, 3);
	$mutations{$_}->($answer, $connection) foreach @chosen;
	return @chosen;
}

sub _send
{
	my ($connection, $request, $answer) = @_;
	my $clean = $connection->{clean};

	push @{ $answer->{headers} }, "Content-Encoding: $answer->{coding}" if defined $answer->{coding};
	my $bytes = $answer->{render} ? $answer->{render}->() : _render($answer);
	$bytes = $answer->{spoil}->($bytes) if $answer->{spoil};
	$connection->put(FuzzConnection::wait_for($answer->{wait})) if $answer->{wait};
	($answer->{deliver} // sub { $connection->put($_[0]) })->($bytes) or return 0;
	$connection->note('proper', $request->{row}, sprintf '%.3f', time - $request->{at}) if $clean;
	_send_unasked($connection, $answer->{later}) if $answer->{later};
	$connection->end($answer->{after}) if $answer->{after} !~ /^(keep|silent)$/;
	$connection->mute if $answer->{after} eq 'silent';
	return 1;
}

# Only to a client that has nothing on its way that could have asked for it.
sub _send_unasked
{
	my ($connection, $later) = @_;

	return if length $connection->{in} || $connection->more($later->{seconds});
	return if !$connection->is_quiet;
	$connection->put($later->{bytes});
	$connection->{unasked_at} //= time;
	$connection->is_quiet;
	return;
}

1;
