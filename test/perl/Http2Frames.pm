
=head1 NAME

Http2Frames - the frames of HTTP/2 (RFC 9113), to the byte

=head1 DESCRIPTION

For peers that misbehave: makes any frame, lawful or not, and takes frames apart.
Header blocks are made without compression (RFC 7541's literals), and never read: what
a request says is in its body.

=cut

package Http2Frames;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(PREFACE frame next_frame settings settings_ack headers trailers data rst_stream
  goaway ping window_update header_block
  DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION
  END_STREAM END_HEADERS ACK
  NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR STREAM_CLOSED REFUSED_STREAM CANCEL
  ENHANCE_YOUR_CALM
  HEADER_TABLE_SIZE ENABLE_PUSH MAX_CONCURRENT_STREAMS INITIAL_WINDOW_SIZE MAX_FRAME_SIZE);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

# What a client sends before anything else.
use constant PREFACE => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

# Types of frames, RFC 9113, 6
use constant {
	DATA => 0, HEADERS => 1, PRIORITY => 2, RST_STREAM => 3, SETTINGS => 4, PUSH_PROMISE => 5,
	PING => 6, GOAWAY => 7, WINDOW_UPDATE => 8, CONTINUATION => 9 };

# Flags; ACK is that of SETTINGS and PING
use constant { END_STREAM => 1, END_HEADERS => 4, ACK => 1 };

# Error codes, RFC 9113, 7
use constant {
	NO_ERROR => 0, PROTOCOL_ERROR => 1, INTERNAL_ERROR => 2, FLOW_CONTROL_ERROR => 3,
	STREAM_CLOSED => 5, REFUSED_STREAM => 7, CANCEL => 8, ENHANCE_YOUR_CALM => 11 };

# Settings, RFC 9113, 6.5.2
use constant {
	HEADER_TABLE_SIZE => 1, ENABLE_PUSH => 2, MAX_CONCURRENT_STREAMS => 3,
	INITIAL_WINDOW_SIZE => 4, MAX_FRAME_SIZE => 5 };

=head2 frame($type, $flags, $stream, $payload)

One frame's bytes.

=cut

sub frame
{
	my ($type, $flags, $stream, $payload) = @_;
	my $length = length $payload;

	return pack('CnCCN', $length >> 16, $length & 0xffff, $type, $flags, $stream) . $payload;
}

=head2 next_frame(\$buffer)

Cuts the first frame off the buffer: C<{type, flags, stream, payload}>; undef while it
is not all there.

=cut

sub next_frame
{
	my ($buffer) = @_;

	return undef if length $$buffer < 9;
	my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $$buffer;
	my $length = ($high << 16) + $low;
	return undef if length $$buffer < 9 + $length;
	my $payload = substr $$buffer, 9, $length;
	substr($$buffer, 0, 9 + $length) = '';
	return { type => $type, flags => $flags, stream => $stream & 0x7fffffff, payload => $payload };
}

=head2 settings(NUMBER => $value, …)

=head2 settings_ack()

=cut

sub settings
{
	my (%value) = @_;

	return frame(SETTINGS, 0, 0, join '', map { pack 'nN', $_, $value{$_} } sort keys %value);
}

sub settings_ack { return frame(SETTINGS, ACK, 0, ''); }

=head2 header_block(NAME => $value, …)

The header block of these fields, in that order.

=cut

sub header_block
{
	my @fields = @_;
	my $block = '';

	while (my ($name, $value) = splice @fields, 0, 2)
	{
		$block .= "\0" . _string($name) . _string($value);
	}
	return $block;
}

# RFC 7541, 5.2, without Huffman coding
sub _string
{
	my ($text) = @_;

	return _integer(length $text, 7) . $text;
}

# RFC 7541, 5.1
sub _integer
{
	my ($value, $bits) = @_;
	my $most = (1 << $bits) - 1;
	my $bytes = '';

	return chr $value if $value < $most;
	$value -= $most;
	for (; $value >= 128; $value >>= 7)
	{
		$bytes .= chr(128 | $value & 127);
	}
	return chr($most) . $bytes . chr $value;
}

=head2 headers($stream, $status, \@fields, $flags)

An answer's headers; flags besides END_HEADERS, such as END_STREAM.

=head2 trailers($stream, \@fields)

=cut

sub headers
{
	my ($stream, $status, $fields, $flags) = @_;

	return frame(HEADERS, END_HEADERS | ($flags // 0), $stream,
		header_block(':status' => $status, @{ $fields // [] }));
}

sub trailers
{
	my ($stream, $fields) = @_;

	return frame(HEADERS, END_HEADERS | END_STREAM, $stream, header_block(@$fields));
}

=head2 data($stream, $bytes, $flags)

As many frames as it takes; flags, such as END_STREAM, are those of the last.

=cut

sub data
{
	my ($stream, $bytes, $flags) = @_;
	my $frames = '';

	while (length $bytes > 16384)
	{
		$frames .= frame(DATA, 0, $stream, substr $bytes, 0, 16384, '');
	}
	return $frames . frame(DATA, $flags // 0, $stream, $bytes);
}

=head2 rst_stream($stream, $error)

=head2 goaway($last_stream, $error, $debug)

=head2 ping($flags, $bytes)

=head2 window_update($stream, $bytes)

=cut

sub rst_stream { return frame(RST_STREAM, 0, $_[0], pack 'N', $_[1]); }

sub goaway { return frame(GOAWAY, 0, 0, pack('NN', $_[0], $_[1]) . ($_[2] // '')); }

sub ping { return frame(PING, $_[0] // 0, 0, $_[1] // "\0" x 8); }

sub window_update { return frame(WINDOW_UPDATE, 0, $_[0], pack 'N', $_[1]); }

1;
