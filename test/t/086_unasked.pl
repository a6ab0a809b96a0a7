# Answers that nobody asked for: none becomes the answer of the next request on the connection.

use strict;
use warnings;

use EnrichTest;
use Http2Frames qw(:all);
use Socket qw(IPPROTO_TCP TCP_CORK);
use Test::More;
use WireJob;
use WirePeer;

my $t = EnrichTest->new(mock => 0);

# One request at a time, 100 ms apart: the connection is idle in between.
my %idle = (server => { requests_per_minute => 600 }, job => { rows => 11, concurrency => 1 });

# A peer that does this after each fifth answer of a connection, instead of only giving it.
sub every_fifth
{
	my ($act) = @_;

	return sub {
		my ($connection, $request) = @_;

		return $connection->answer($request) if $request->{number} % 5;
		$act->($connection, $request);
	};
}

# The answer, and these bytes once the client has had it and has nothing more to say.
sub write_idle
{
	my ($connection, $request, $bytes) = @_;

	$connection->answer($request);
	while ($connection->read(0.02))
	{
		return 0 if !$request->{stream} || asks($connection->{buffer});
	}
	$connection->note('unasked');
	return $connection->write($bytes);
}

# Is there a request among these frames?  Others come at any time.
sub asks
{
	my ($frames) = @_;

	while (my $frame = next_frame(\$frames))
	{
		return 1 if $frame->{type} == HEADERS;
	}
	return 0;
}

sub unasked
{
	my ($connection) = @_;

	return $connection->answer_bytes({}, '{"v": "unasked"}');
}

sub is_right
{
	my ($what, $peer, $version, %option) = @_;
	my $job = WireJob->start($t, { $peer->server_options, max_attempts => 1, timeout => '5s',
		defined $version ? (http_version => $version) : (), %{ $option{server} // {} } }, %{ $option{job} // {} });
	my $rows = $option{job}{rows} // 150;

	$job->wait(20);
	is($job->outcome, "completed: $rows own, 0 of others, 0 failed", $what) or diag($job->reasons);
	isnt(scalar(grep { $_->[1] eq 'unasked' } $peer->notes), 0, "$what: it was idle")
	  if $option{server}{requests_per_minute};
	return;
}

foreach my $tls (0, 1)
{
	my $how = $tls ? 'over TLS' : 'plain';
	my $peer = WirePeer->start(tls => $tls, request => every_fifth(sub {
		my ($connection, $request) = @_;

		$connection->write($connection->answer_bytes($request) . unasked($connection));
	}));
	is_right("$how: with the answer", $peer);

	# in the same segment, as records of their own
	$peer = WirePeer->start(tls => $tls, request => every_fifth(sub {
		my ($connection, $request) = @_;

		setsockopt($connection->{socket}, IPPROTO_TCP, TCP_CORK, 1);
		$connection->answer($request);
		$connection->write(unasked($connection));
		setsockopt($connection->{socket}, IPPROTO_TCP, TCP_CORK, 0);
	}));
	is_right("$how: behind the answer", $peer);

	$peer = WirePeer->start(tls => $tls, request => every_fifth(sub {
		my ($connection, $request) = @_;

		write_idle($connection, $request, unasked($connection));
	}));
	is_right("$how: on the idle connection", $peer, undef, %idle);

	# what a server says that tires of waiting for a request
	$peer = WirePeer->start(tls => $tls, request => every_fifth(sub {
		my ($connection, $request) = @_;

		write_idle($connection, $request, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		  and $connection->close;
	}));
	is_right("$how: 408 and the end, on the idle connection", $peer, undef, %idle);
}

# On the stream that is opened next.  Only where there can be no other open: by default a connection carries one
# request at a time, and else one at a time is made.  It ends the connection, so the answer before it may be lost.
foreach my $idle (0, 1)
{
	my $peer = WirePeer->start(tls => 1, http2 => 1, request => every_fifth(sub {
		my ($connection, $request) = @_;
		my $next = $request->{stream} + 2;
		my $unasked = headers($next, 200) . data($next, '{"v": "unasked"}', END_STREAM);

		return write_idle($connection, $request, $unasked) if $idle;
		$connection->write($connection->answer_bytes($request) . $unasked);
	}));
	my $how = 'HTTP/2, ' . ($idle ? 'on the idle connection' : 'with the answer');
	my %again = (server => { max_attempts => 5 });

	is_right("$how: as it is by default", $peer, undef, $idle ? %idle : %again);
	is_right("$how: http_version 2", $peer, '2', $idle ? %idle : (%again, job => { rows => 50, concurrency => 1 }));
}

$t->stop;
done_testing();
