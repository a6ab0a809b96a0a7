
=head1 NAME

FuzzAnswer - what a FuzzPeer answers, and in which content codings

=cut

package FuzzAnswer;

use strict;
use warnings;

use Compress::Zlib qw(memGzip compress);
use Digest::MD5 qw(md5_hex);
use Exporter qw(import);

our @EXPORT_OK = qw(read_request json coded any);

=head2 read_request($body)

Row and text that a request names.

=cut

sub read_request
{
	my ($body) = @_;

	return $body =~ /"row": *(\d+), *"text": *"([^"]*)"/ ? ($1, $2) : die "no request: $body";
}

=head2 json($row, $text, $pad)

The answer for them, with up to so many bytes besides.  It holds the row's text and a checksum, so
that it cannot be taken for another's.

=cut

sub json
{
	my ($row, $text, $pad) = @_;
	my $json = sprintf '{"v": "%s %s", "row": %d', $text, substr(md5_hex($text), 0, 12), $row;

	$json .= ', "pad": "' . 'x' x rand($pad) . '"' if $pad && rand() < 0.5;
	return "$json}";
}

=head2 coded($text, $coding)

In that content coding; what Perl knows no compressor for, without compression.

=cut

sub coded
{
	my ($text, $coding) = @_;
	my $length = length $text;

	return memGzip($text) if $coding eq 'gzip';
	return compress($text) if $coding eq 'deflate';
	# RFC 7932: a window of 16 bits, a block as it is, an empty last one
	return substr(pack('V', $length - 1 << 4 | 1 << 20), 0, 3) . "$text\3" if $coding eq 'br';
	# RFC 8878: its length in one or four bytes, a last block as it is
	my $size = $length < 256 ? pack 'CC', 0x20, $length : pack 'CV', 0xa0, $length;
	return "\x28\xb5\x2f\xfd" . $size . substr(pack('V', $length << 3 | 1), 0, 3) . $text;
}

=head2 any(@things)

One of them.

=cut

sub any { return $_[ rand @_ ]; }

1;
