# Answers that are cut off, though nothing had said how long they are to be: what is no JSON any more is asked for
# again, whether the wire tells or not.

use strict;
use warnings;

use Compress::Zlib qw(memGzip);
use EnrichTest;
use Http2Frames qw(:all);
use Test::More;
use Time::HiRes qw(sleep);
use WireJob;
use WirePeer;

my $t = EnrichTest->new(mock => 0);
my $cut = '{"v": "cu';

# Each fifth row's first answer is cut off so; the second one is right.
sub is_asked_again
{
	my ($what, $peer, $act) = @_;

	$peer = WirePeer->start(%$peer, request => sub {
		my ($connection, $request) = @_;

		return $connection->answer($request) if $request->{row} !~ /[05]$/ || !$connection->once($request->{row});
		$act->($connection, $request);
	});
	my $job = WireJob->start($t, { $peer->server_options, max_attempts => 5 }, rows => 50);

	$job->wait(15);
	is($job->outcome, 'completed: 50 own, 0 of others, 0 failed', $what);
	return;
}

is_asked_again('TLS without a close_notify', { tls => 1 }, sub {
	my ($connection) = @_;

	$connection->write("HTTP/1.1 200 OK\r\n\r\n$cut");
	$connection->cut;
});
is_asked_again('HTTP/2: a connection that ends', { tls => 1, http2 => 1 }, sub {
	my ($connection, $request) = @_;

	$connection->write(headers($request->{stream}, 200) . data($request->{stream}, $cut));
	$connection->close;
});
foreach my $pause (0, 0.02)
{
	is_asked_again('HTTP/2: RST_STREAM NO_ERROR' . ($pause ? ' later' : ''), { tls => 1, http2 => 1 }, sub {
		my ($connection, $request) = @_;

		$connection->write(headers($request->{stream}, 200) . data($request->{stream}, $cut));
		sleep($pause) if $pause;
		$connection->write(rst_stream($request->{stream}, NO_ERROR));
	});
}
is_asked_again('gzip that ends too early', {}, sub {
	my ($connection, $request) = @_;

	$connection->write($connection->answer_bytes($request, substr(memGzip('{"v": "cut"}'), 0, -10), 'Content-Encoding: gzip'));
});
is_asked_again('HTTP/1.0', {}, sub {
	my ($connection) = @_;

	$connection->write("HTTP/1.0 200 OK\r\n\r\n$cut");
	$connection->close;
});

# What is ended as it should be is whole
foreach my $tls (0, 1)
{
	my $peer = WirePeer->start(tls => $tls, request => sub {
		my ($connection, $request) = @_;

		$connection->write(qq(HTTP/1.1 200 OK\r\n\r\n{"v": "$request->{row}"}));
		$connection->close;
	});
	my $job = WireJob->start($t, { $peer->server_options, max_attempts => 1 }, rows => 50);

	$job->wait(15);
	is($job->outcome, 'completed: 50 own, 0 of others, 0 failed', 'to the end of the connection, ' . ($tls ? 'TLS' : 'plain'));
	is(scalar(grep { $_->[1] =~ /^request/ } $peer->notes), 50, '... asked for once');
}

$t->stop;
done_testing();
