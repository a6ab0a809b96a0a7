
=head1 NAME

FuzzHttp2 - HTTP/2 as FuzzPeer speaks it: properly, and in no way that is proper

=head1 DESCRIPTION

An answer is a hash until it is written: C<fields> of its header block; C<json> and C<coding>;
C<wait>, before the first frame, and C<gap>, between frames; C<rework>, functions that
make its list of frames another one; C<deliver>, instead of writing them; and C<end>, what
becomes of the connection.  What goes wrong is a function that changes that hash.

Answers to several requests are under way at a time, frame by frame.  As in FuzzHttp1 a JSON text that
was changed is none, and no frame goes to a stream on which another row waits.

=cut

package FuzzHttp2;

use strict;
use warnings;

use FuzzAnswer qw(any coded json read_request);
use FuzzConnection;
use Http2Frames qw(:all);
use List::Util qw(min);
use Time::HiRes qw(time);

# Flags besides those of Http2Frames
use constant { PADDED => 8, PRIORITIZED => 32 };

# Numbers at the limits of 31 and 32 bits, and others.
my @numbers = (0, 1, 2, 3, 100, 16_383, 16_384, 65_535, 65_536, 16_777_215, 16_777_216, 0x7fffffff, 0x80000000, 0xffffffff);

sub _field
{
	my ($answer, @fields) = @_;

	splice @{ $answer->{fields} }, 2 * int(rand(1 + @{ $answer->{fields} } / 2)), 0, @fields;
	return;
}

sub _rework
{
	my ($answer, $function) = @_;

	# what is no list of whole frames any more stays as it is
	push @{ $answer->{rework} }, sub { @_ && !grep({ length $_ < 9 } @_) ? $function->(@_) : @_ };
	return;
}

# Frames before, between, or behind those of the answer.
sub _insert
{
	my ($answer, @more) = @_;

	_rework($answer, sub { my @frames = @_; splice @frames, any(0, scalar(@frames), int(rand(1 + @frames))), 0, @more; return @frames });
	return;
}

# The frame with the headers is another one.
sub _block
{
	my ($answer, $function) = @_;

	_rework($answer, sub { my ($first, @others) = @_; return ($function->(substr $first, 9), @others) });
	return;
}

# A stream that is not one of those on which somebody waits.
sub _other_stream
{
	my ($connection, $stream) = @_;
	my @others = (0, 2, $stream + 1, $stream + 2 * $connection->{option}{most} + 100, 0x7fffffff, 1);

	return any(grep { !$connection->{open}{$_} } @others);
}

# An answer that was never asked for on that stream.
sub _whole
{
	my ($answer, $stream) = @_;

	return headers($stream, 200) . data($stream, $answer->{json}, END_STREAM);
}

# One frame, of which a byte of its head is another; the first or the last, lest a text lose its middle.
sub _flip_frame
{
	my ($connection, $stream, @frames) = @_;
	my $at = min(any(0, 0, 1, $#frames), $#frames);
	my $head = FuzzConnection::flip(substr($frames[$at], 0, 9), any(1, 1, 2));
	my $to = 0x7fffffff & unpack 'x5N', $head;
	my $many = @frames > 2 && $at > 0;

	return @frames if $to != $stream && $connection->{open}{$to};
	# padding where there is none would cut a piece out of the middle
	substr($head, 4, 1) = substr $frames[$at], 4, 1 if $many;
	substr($frames[$at], 0, 9) = $head;
	return @frames;
}

# Settings under which the client can send nothing more, if it gets to read them.
sub _starve
{
	my ($answer, $settings) = @_;

	_insert($answer, $settings);
	$answer->{starving} = $settings;
	return;
}

#
# What can go wrong: with header blocks
#
my %mutations = (
	'h2 status: none' => sub { splice @{ $_[0]->{fields} }, 0, 2; },
	'h2 status: odd' => sub { $_[0]->{fields}[1] = any('', 'abc', '2000', '99', '-200', '101', '200 OK', ' 200', '0200', '204', '205', '206', "2\0", '600', '100', '500', '503'); },
	'h2 status: two' => sub { push @{ $_[0]->{fields} }, ':status', any('200', '200', '500'); },
	'h2 status: interim ones' => sub {
		my ($answer, undef, $stream) = @_;
		my $status = any(100, 102, 103, 103, 199, 101);
		_rework($answer, sub { (join('', map { headers($stream, $status, any([], [ 'content-length', 5 ]), any(0, 0, 0, END_STREAM)) } 1 .. any(1, 3, 200)), @_) });
	},
	'h2 field: not allowed' => sub {
		_field($_[0], any([ 'Upper', 'x' ], [ 'connection', 'close' ], [ 'transfer-encoding', 'chunked' ], [ 'te', 'gzip' ], [ 'upgrade', 'h2c' ], [ ':path', '/' ], [ ':odd', '' ],
			[ '', 'x' ], [ 'a b', 'x' ], [ 'x:y', 'x' ], [ "x\0", 'x' ], [ 'x', "a\0b" ], [ 'x', "a\r\nb: c" ], [ 'x', "\xff" ], [ 'keep-alive', '9' ])->@*);
	},
	'h2 field: large' => sub { _field($_[0], map { ("x-large-$_", 'x' x any(100, 4000, 16_000)) } 1 .. any(1, 5, 40)); },
	'h2 field: the length' => sub {
		my $length = length $_[0]->{body};
		_field($_[0], 'content-length', any($length + 1, $length - 1, 0, -1, 'x', '', '99999999999999999999', '9223372036854775808', "+$length", "$length, $length", 5));
	},
	'h2 block: garbage' => sub {
		my ($answer, undef, $stream) = @_;
		_block($answer, sub {
			my ($block) = @_;
			my $junk = any(FuzzConnection::garbage(1 + int(rand(60))), '', "\x80", "\xff\xff\xff\xff\xff\xff\xff\xff", "\xbf", "\x3f\xe1\xff\xff\xff\x0f", "\x20", "\x00\x7f\xff\xff\xff\x7fx",
				"\x00\x85\xff\xff\xff\xff\xff\x01x", "\x40\x0a:status", "\x88" x any(2, 5000), FuzzConnection::flip($block, any(1, 3, 20)));
			return frame(HEADERS, END_HEADERS, $stream, any($junk, $block . $junk, $junk . $block));
		});
	},
	'h2 block: cut' => sub {
		my ($answer, undef, $stream) = @_;
		_block($answer, sub { frame(HEADERS, END_HEADERS, $stream, substr $_[0], 0, rand length $_[0]) });
	},
	'h2 continuation: many' => sub {
		my ($answer, undef, $stream) = @_;
		my ($count, $size) = any([ 3, 0 ], [ 500, 0 ], [ 20, 16_000 ], [ 5, 10 ])->@*;
		_block($answer, sub {
			(frame(HEADERS, 0, $stream, $_[0]),
				map({ frame(CONTINUATION, 0, $stream, header_block("x-$_" => 'x' x $size)) } 1 .. $count),
				frame(CONTINUATION, END_HEADERS, $stream, ''));
		});
	},
	'h2 continuation: broken' => sub {
		my ($answer, $connection, $stream) = @_;
		my $other = _other_stream($connection, $stream);
		_block($answer, sub {
			my ($block) = @_;
			my ($begun, $ended) = (frame(HEADERS, 0, $stream, substr $block, 0, 5), frame(CONTINUATION, END_HEADERS, $stream, substr $block, 5));
			return any([ $begun ], [ $ended ], [ $begun, ping(), $ended ], [ $begun, frame(CONTINUATION, END_HEADERS, $other, substr $block, 5) ],
				[ $begun, headers($stream, 200), $ended ], [ headers($stream, 200), $ended ])->@*;
		});
	},
);

#
# ... with the order of frames, and the streams that they are of
#
%mutations = (%mutations,
	'h2 order: no headers' => sub { _rework($_[0], sub { shift; @_ }); },
	'h2 order: headers last' => sub { _rework($_[0], sub { my $first = shift; (@_, $first) }); },
	'h2 order: headers twice' => sub { _rework($_[0], sub { ($_[0], @_) }); },
	'h2 order: no end' => sub { _rework($_[0], sub { my @frames = @_; substr($frames[-1], 4, 1) = "\0"; @frames }); },
	'h2 order: no data' => sub { my (undef, undef, $stream) = @_; my $flags = any(END_STREAM, END_STREAM, 0); $_[0]->{rework} = [ sub { headers($stream, 200, any([], [ 'content-length', 9 ]), $flags) } ]; },
	'h2 order: empty data' => sub { my (undef, undef, $stream) = @_; _insert($_[0], (data($stream, '')) x any(1, 10, 2000)); },
	'h2 order: more than all' => sub {
		my ($answer, undef, $stream) = @_;
		my $more = any(data($stream, 'x'), data($stream, '', END_STREAM), headers($stream, 200), trailers($stream, [ 'x', 'y' ]), _whole($answer, $stream), frame(CONTINUATION, 4, $stream, ''),
			window_update($stream, 9));
		_rework($answer, sub { (@_, ($more) x any(1, 1, 5)) });
	},
	'h2 trailers: odd' => sub {
		my ($answer, undef, $stream) = @_;
		my $trailers = any(trailers($stream, [ ':status', '200' ]), frame(HEADERS, END_HEADERS, $stream, header_block('x', 'y')), trailers($stream, [ 'content-length', '5' ]), trailers($stream, [ 'Upper', "a\0" ]));
		_rework($answer, sub { my @frames = @_; substr($frames[-1], 4, 1) = "\0"; (@frames, $trailers) });
	},
	'h2 stream: another' => sub {
		my ($answer, $connection, $stream) = @_;
		my $other = _other_stream($connection, $stream);
		_insert($answer, any(headers($other, 200), data($other, 'x', any(0, 1)), _whole($answer, $other), rst_stream($other, 8), window_update($other, 1), frame(PRIORITY, 0, $other, "\0\0\0\0\7")));
	},
	'h2 stream: the next, early' => sub {
		my ($answer) = @_;
		$answer->{early} = { at_once => any(0, 1), frames => sub { my ($next) = @_; return _whole($answer, $next); } };
	},
	'h2 rst: any' => sub {
		my ($answer, undef, $stream) = @_;
		my $code = any(0 .. 14, 255, 0xffffffff);
		any(sub { _insert($answer, rst_stream($stream, $code)) }, sub { $answer->{rework} = [ sub { my @frames = @_; (@frames[0 .. rand(@frames) - 1], rst_stream($stream, $code)) } ] })->();
	},
	'h2 goaway: any' => sub {
		my ($answer, $connection, $stream) = @_;
		_insert($answer, (goaway(any(0, $stream, $stream - 2, $stream + 2, 0x7fffffff, 2), any(0 .. 13, 0xffffffff), any('', 'because', 'x' x 10_000))) x any(1, 1, 2));
		$answer->{end} = any('keep', 'keep', 'close', 'drop', 'reset');
	},
);

#
# ... with what is of the whole connection
#
%mutations = (%mutations,
	'h2 settings: any' => sub {
		my %setting = map { any(1 .. 6, 8, 9, 0, 65_535) => any(@numbers) } 1 .. any(1, 1, 3);
		my $starves = ($setting{ +MAX_CONCURRENT_STREAMS } // 100) == 0 || ($setting{ +INITIAL_WINDOW_SIZE } // 65_535) < 1000;
		($starves ? \&_starve : \&_insert)->($_[0], settings(%setting));
	},
	'h2 settings: broken' => sub {
		_insert($_[0], any(frame(SETTINGS, 0, 0, 'x' x any(1, 5, 7)), frame(SETTINGS, 0, 3, ''), settings_ack(), frame(SETTINGS, ACK, 0, 'x' x 6), frame(SETTINGS, 0, 0, "\0\x64\0\0\0\1" x 2000)));
	},
	'h2 settings: a flood' => sub { _insert($_[0], settings(HEADER_TABLE_SIZE, 4096) x any(10, 2000)); },
	'h2 settings: no window' => sub {
		_starve($_[0], settings(any(MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE), 0));
	},
	'h2 window: any' => sub {
		my ($answer, undef, $stream) = @_;
		_insert($answer, (any(window_update(any(0, 0, $stream), any(@numbers)), frame(WINDOW_UPDATE, 0, 0, 'x' x any(0, 3, 5)))) x any(1, 3));
	},
	'h2 ping: any' => sub { _insert($_[0], (any(ping(), ping(), ping(ACK), ping(0, 'short'), frame(PING, 0, 5, '12345678'), ping(0, 'x' x 9))) x any(1, 5, 2000)); },
	'h2 push: any' => sub {
		my ($answer, undef, $stream) = @_;
		my $to = any(2, 4, 0, $stream, $stream + 1, 0x7ffffffe);
		_insert($answer, frame(PUSH_PROMISE, any(END_HEADERS, END_HEADERS, 0), any($stream, $stream, 0), pack('N', $to) . header_block(':method', 'GET', ':scheme', 'https', ':authority', 'x', ':path', '/')));
	},
	'h2 frame: unknown' => sub { my (undef, undef, $stream) = @_; _insert($_[0], frame(any(10, 11, 12, 16, 0xbe, 255), rand 256, any($stream, 0), FuzzConnection::garbage(any(0, 4, 8, 200)))); },
	'h2 frame: bits turned over' => sub { my ($answer, $connection, $stream) = @_; _rework($answer, sub { _flip_frame($connection, $stream, @_) }); },
	'h2 frame: wrong length' => sub {
		_insert($_[0], any(map { my $type = $_; map { frame($type, 0, any(0, 1), 'x' x $_) } 1, 3 } PRIORITY, RST_STREAM, PING, GOAWAY, WINDOW_UPDATE, PUSH_PROMISE), "\xff\xff\xff\0\0\0\0\0\1", "\0\x40\1\0\0\0\0\0\1" . 'x' x 16_385);
	},
	'h2 padding: too long' => sub { my (undef, undef, $stream) = @_; _insert($_[0], frame(any(DATA, HEADERS), PADDED | any(0, END_HEADERS), $stream, any('', "\xff", "\5abcd", "\1"))); },
	'h2 frame: no frame' => sub { _insert($_[0], any(FuzzConnection::garbage(1 + int(rand(100))), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", PREFACE)); },
);

#
# ... with how it is sent
#
%mutations = (%mutations,
	'h2 sent: late' => sub { my ($answer, $connection) = @_; $answer->{wait} = $connection->{option}{timeout} * any(0.5, 0.95, 1, 1.05, 1.5); },
	'h2 sent: slowly' => sub { my ($answer, $connection) = @_; @$answer{qw(most gap)} = (5, $connection->{option}{timeout} / any(2, 5, 10)); },
	'h2 sent: in part' => sub {
		my ($answer) = @_;
		push @{ $answer->{rework} }, sub { my $bytes = join '', @_; substr $bytes, 0, rand length $bytes };
		$answer->{end} = any('close', 'drop', 'reset', 'notify', 'silent');
	},
	'h2 sent: not at all' => sub { $_[0]->{rework} = [ sub { () } ]; },
	'h2 sent: below TLS' => sub {
		my ($answer, $connection) = @_;
		my $garbage = any(FuzzConnection::garbage(1 + int(rand(100))), FuzzConnection::alert(), "\x17\x03\x03\x40\x01", pack('C3n', 23, 3, 3, 32) . FuzzConnection::garbage(32));
		$answer->{deliver} = sub { $connection->put_raw($garbage) };
	},
	'h2 after: closed' => sub { $_[0]->{end} = any('close', 'drop', 'reset', 'notify'); },
	'h2 after: silent' => sub { $_[0]->{end} = 'silent'; },
);

#
# ... and without end, as far as the client lets it; $_ is the stream
#
my %floods = ('empty data' => sub { data($_, '') }, 'padding' => sub { frame(DATA, PADDED, $_, "\xff" . "\0" x 255) }, 'pings' => sub { ping() }, 'priorities' => sub { frame(PRIORITY, 0, $_, "\0\0\0\0\7") },
	'windows' => sub { window_update(0, 1) }, 'unknown frames' => sub { frame(0xbe, 0, 0, '') }, 'settings' => sub { settings() }, 'interim answers' => sub { headers($_, 103) },
	'resets' => sub { rst_stream($_, 8) }, 'data' => sub { data($_, 'x' x 1000) });
foreach my $what (keys %floods)
{
	$mutations{"h2 flood: $what"} = sub {
		my ($answer, $connection, $stream) = @_;
		my $flood = join '', map { $floods{$what}->() } ($stream) x 1000;

		# for some it matters that the answer has begun
		$answer->{rework} = [ sub { $what =~ /interim/ ? () : headers($stream, 200) } ] if rand() < 0.7;
		$answer->{deliver} = sub { $connection->flood('', $flood) };
	};
}

=head2 menu()

=cut

sub menu { return keys %mutations; }

=head2 serve($connection)

Answers requests, until one of both sides closes.

=cut

sub serve
{
	my ($connection) = @_;

	@$connection{qw(open early last queue)} = ({}, {}, 0, []);
	$connection->put(settings(MAX_CONCURRENT_STREAMS, any(100, 100, 10, 2)) . window_update(0, 0x3fffffff));
	$connection->more(10) || return while length $connection->{in} < length PREFACE;
	substr($connection->{in}, 0, length PREFACE, '') eq PREFACE or return;
	while (1)
	{
		while (my $frame = next_frame(\$connection->{in}))
		{
			_take($connection, $frame) or return;
		}
		_write_due($connection) or return;
		my $due = min(map { $_->{due} } @{ $connection->{queue} });
		my $wait = defined $due ? $due - time : FuzzConnection::MAX_SECONDS;
		defined $connection->more($wait > 0 ? $wait : 0) or return;
	}
	return;
}

# A frame of the client's.
sub _take
{
	my ($connection, $frame) = @_;
	my ($type, $flags, $stream) = @$frame{qw(type flags stream)};

	if ($type == HEADERS)
	{
		_note_begun($connection, $stream);
		$connection->{open}{$stream} = { body => '' };
	}
	elsif ($type == DATA && $connection->{open}{$stream})
	{
		$connection->{open}{$stream}{body} .= $frame->{payload};
	}
	elsif ($type == RST_STREAM)
	{
		delete $connection->{open}{$stream};
		@{ $connection->{queue} } = grep { $_->{stream} != $stream || $_->{bad} && rand() < 0.5 } @{ $connection->{queue} };
	}
	return 1 if $connection->{mute};
	return $connection->put(settings_ack()) if $type == SETTINGS && !($flags & ACK);
	return $connection->put(ping(ACK, $frame->{payload})) if $type == PING && !($flags & ACK);
	return 1 if !($type == HEADERS || $type == DATA) || !($flags & END_STREAM) || !$connection->{open}{$stream};
	_answer($connection, $stream, $connection->{open}{$stream}{body});
	return 1;
}

sub _note_begun
{
	my ($connection, $stream) = @_;
	my $early = delete $connection->{early}{$stream};
	my $gap = defined $early ? $connection->quiet_until - $early : undef;

	$connection->{gap}{$stream} = $gap > 0 ? $gap : 0 if defined $gap;
	$connection->{last} = $stream if $stream > $connection->{last};
	$connection->asked('-', $stream) if $connection->{mute};
	$connection->note('again', '-', sprintf '%.3f', time - $connection->{starved_at})
	  if $connection->{starved_at} && time - $connection->{starved_at} > $connection->{option}{timeout} + FuzzConnection::SLACK;
	return;
}

# Draws an answer and puts it into the queue.
sub _answer
{
	my ($connection, $stream, $body) = @_;
	my ($row, $text) = read_request($body);
	my $at = $connection->since;

	$connection->asked($row, $stream);
	$connection->note('early', $row, sprintf '%.3f', delete $connection->{gap}{$stream}) if defined $connection->{gap}{$stream};
	my $answer = _proper($connection, $row, $text);
	my @bad = _spoil($connection, $answer, $stream);
	my @frames = _frames($answer, $stream);
	@frames = $_->(@frames) foreach @{ $answer->{rework} };
	$connection->note('bad', $row, join '; ', @bad) if @bad;
	my $due = time + $answer->{wait};
	my @entries;
	foreach my $bytes (@frames, '')
	{
		push @entries, { due => $due, bytes => $bytes, stream => $stream, bad => join('; ', @bad) };
		$due += $answer->{gap};
	}
	# behind the last frame there is nothing to wait for
	$entries[-1]{due} = $entries[-2]{due} if @entries > 1;
	my $starves = defined $answer->{starving} && grep { $_ eq $answer->{starving} } @frames;
	$entries[-1]{last} = { row => $row, at => $at, starves => $starves, map { $_ => $answer->{$_} } qw(end deliver early) };
	push @{ $connection->{queue} }, @entries;
	return;
}

sub _proper
{
	my ($connection, $row, $text) = @_;
	my $json = json($row, $text, $connection->{option}{pad});
	my %answer = (fields => [ ':status', '200', 'content-type', 'application/json', 'server', 'fuzz' ], json => $json, body => $json,
		wait => 0, gap => 0, rework => [], end => 'keep', most => any(10, 100, 16_384, 16_384));

	if (rand() < 0.2)
	{
		my $coding = any('gzip', 'deflate');
		$answer{body} = coded($json, $coding);
		push @{ $answer{fields} }, 'content-encoding', $coding;
	}
	push @{ $answer{fields} }, 'content-length', length $answer{body} if rand() < 0.6;
	$answer{wait} = rand($connection->{option}{timeout} / 5) if rand() < 0.3;
	$answer{gap} = rand($connection->{option}{timeout} / 500) if rand() < 0.3;
	$answer{between} = any(ping(0, 'question'), settings(HEADER_TABLE_SIZE, 4096), window_update(0, 5), frame(0xbe, 3, 0, 'unknown')) if rand() < 0.05;
	$answer{$_} = rand() < 0.05 foreach qw(continued padded trailers interim);
	return \%answer;
}

# Its frames, in one of the ways that are proper.
sub _frames
{
	my ($answer, $stream) = @_;
	my @data = FuzzConnection::pieces($answer->{body}, $answer->{most});
	my @frames = _block_frames($stream, header_block(@{ $answer->{fields} }), $answer->{continued} ? 3 : 16_384);

	$frames[0] = headers($stream, 103, [ 'link', '</x>' ]) . $frames[0] if $answer->{interim};
	push @frames, $answer->{between} if $answer->{between};
	foreach my $number (0 .. $#data)
	{
		my $flags = $number == $#data && !$answer->{trailers} ? END_STREAM : 0;
		my $padding = int(rand(20));

		push @frames, !$answer->{padded} || length $data[$number] > 10_000 ? data($stream, $data[$number], $flags)
		  : frame(DATA, $flags | PADDED, $stream, chr($padding) . $data[$number] . "\0" x $padding);
	}
	push @frames, trailers($stream, [ 'x-sum', '1' ]) if $answer->{trailers};
	return @frames;
}

# The frames of a header block in one, as nothing may come between them; the first holds so much.
sub _block_frames
{
	my ($stream, $block, $first) = @_;
	my @parts = (substr($block, 0, $first), unpack '(a16384)*', length $block > $first ? substr $block, $first : '');
	my $frames = '';

	foreach my $number (0 .. $#parts)
	{
		$frames .= frame($number ? CONTINUATION : HEADERS, $number == $#parts ? END_HEADERS : 0, $stream, $parts[$number]);
	}
	return $frames;
}

sub _spoil
{
	my ($connection, $answer, $stream) = @_;
	my @names = grep { $mutations{$_} } @{ $connection->{option}{menu} };

	return if !@names || rand() > $connection->{option}{bad};
	my @chosen = map { any(@names) } 1 .. any(1, 1, 1, 2, 3);
	$mutations{$_}->($answer, $connection, $stream) foreach @chosen;
	return @chosen;
}

# In the order in which frames are due; those of a stream stay in theirs.
sub _write_due
{
	my ($connection) = @_;
	my $now = time;
	my $queue = $connection->{queue};
	my @due = sort { $a->{due} <=> $b->{due} } grep { $_->{due} <= $now } @$queue;

	@$queue = grep { $_->{due} > $now } @$queue;
	while (my $entry = shift @due)
	{
		next if $connection->{mute};
		$connection->dirty($entry->{bad}) if $entry->{bad} && $connection->{clean};
		my $clean = $connection->{clean};
		# what comes with the last frame goes out in one with it
		if (@due && $due[0]{last} && $due[0]{stream} == $entry->{stream} && ($due[0]{last}{early} // {})->{at_once})
		{
			_write_early($connection, delete $due[0]{last}{early}, $entry->{bytes}) or return 0;
			next;
		}
		$connection->put($entry->{bytes}) or return 0;
		_finish($connection, $entry->{stream}, $entry->{last}, $clean) or return 0 if $entry->{last};
	}
	return 1;
}

sub _finish
{
	my ($connection, $stream, $last, $clean) = @_;

	$connection->note('proper', $last->{row}, sprintf '%.3f', time - $last->{at}) if $clean;
	delete $connection->{open}{$stream};
	$connection->{starved_at} //= time if $last->{starves};
	return 0 if $last->{deliver} && !$last->{deliver}->();
	_write_early($connection, $last->{early}, '') if $last->{early};
	$connection->end($last->{end}) if $last->{end} !~ /^(keep|silent)$/;
	$connection->mute if $last->{end} eq 'silent';
	return 1;
}

# Behind some bytes, on a stream that the client has not opened, as far as can be known.  One that has a
# single request at a time opens none before it has read what is behind the answer to that.
sub _write_early
{
	my ($connection, $early, $bytes) = @_;
	my $stream = $connection->{last} + 2;

	return $connection->put($bytes) if length $connection->{in} || !$connection->is_quiet;
	$connection->put($bytes . $early->{frames}->($stream)) or return 0;
	$connection->{early}{$stream} //= time if $connection->{option}{most} > 1 || !length $bytes;
	$connection->is_quiet;
	return 1;
}

1;
