# Answers that are malformed: the reason says what is wrong with them, and not what libcurl was doing.

use strict;
use warnings;

use Compress::Zlib qw(memGzip);
use EnrichTest;
use Http2Frames qw(:all);
use Test::More;
use WireJob;
use WirePeer;

my $t = EnrichTest->new(mock => 0);
my $json = '{"v": 1}';
my $chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

sub encoded
{
	my ($encoding, $body) = @_;

	return "HTTP/1.1 200 OK\r\nContent-Encoding: $encoding\r\nContent-Length: @{[ length $body ]}\r\n\r\n$body";
}

# A row for each: what it gets, and what its reason says.
my @cases = (
	[ "${chunked}zz\r\n$json\r\n0\r\n\r\n", qr/chunk/ ],
	[ "${chunked}8\r\n${json}no line end", qr/chunk/ ],
	[ "${chunked}" . ('1' x 30) . "\r\n$json\r\n0\r\n\r\n", qr/chunk/ ],
	[ "${chunked}8\r\n$json\r\n0\r\nno trailer at all\r\n\r\n", undef ],
	[ encoded('gzip', memGzip($json) . 'more'), qr/compress|gzip/ ],
	[ encoded('gzip', $json), qr/compress|encod/ ],
	[ encoded('br', $json), qr/compress|encod/i ],
	[ encoded('zstd', $json), qr/compress|encod/i ],
	[ encoded('snappy', $json), qr/encod/ ],
	[ "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nno colon\r\n\r\n$json", undef ],
);
# And over HTTP/2
my @frames = (
	sub { headers($_[0], 200, [ 'content-length' => 100 ]) . data($_[0], $json, END_STREAM) },
	sub { frame(HEADERS, END_HEADERS | END_STREAM, $_[0], header_block('x' => 'no status')) },
	sub { headers($_[0], 200) . data($_[0], $json) . rst_stream($_[0], CANCEL) },
);

# What says nothing of the answer to who does not know libcurl
my $of_libcurl = qr/libcurl could not|writing received|bad argument|Failed init|\(\d+\.\d+\.\d+\.\d+:\d+\):?\s*$/;

sub reasons
{
	my ($rows, %peer) = @_;
	my $peer = WirePeer->start(%peer);
	my $job = WireJob->start($t, { $peer->server_options, max_attempts => 1 }, rows => $rows, concurrency => 2);

	$job->wait(20);
	like($job->outcome, qr/^completed: \d+ own, 0 of others, /, 'the job completes');
	return map { $_->{id} => $_->{error} }
	  $t->rows("SELECT key ->> 'id' AS id, error FROM enrich.failures WHERE job = $job->{job}");
}

# each between others that are answered, so that it is no outage
my %reason = reasons(3 * @cases + 1, request => sub {
	my ($connection, $request) = @_;
	my ($number) = $request->{row} =~ /(\d+)/;

	return $connection->answer($request) if $number % 3;
	$connection->write($cases[ $number / 3 - 1 ][0]);
	$connection->close;
});
foreach my $i (0 .. $#cases)
{
	my ($bytes, $expected) = @{ $cases[$i] };
	my $what = $bytes =~ s/[^ -~]+/ /gr;
	my $reason = $reason{ 3 * ($i + 1) };

	# the last may be taken for what it is meant to be, by some versions
	like($reason // '(it did not fail)', $expected // qr/\w/, $what);
	unlike($reason // '', $of_libcurl, "$what: it is said of the answer");
}

%reason = reasons(3 * @frames + 1, tls => 1, http2 => 1, request => sub {
	my ($connection, $request) = @_;
	my ($number) = $request->{row} =~ /(\d+)/;

	return $connection->answer($request) if $number % 3;
	$connection->write($frames[ $number / 3 - 1 ]->($request->{stream}));
});
foreach my $i (0 .. $#frames)
{
	like($reason{ 3 * ($i + 1) } // '(it did not fail)', qr/HTTP\/?2/, "HTTP/2, case $i");
	unlike($reason{ 3 * ($i + 1) } // '', qr/stream \d/, "HTTP/2, case $i: without the number of a stream");
}

$t->stop;
done_testing();
