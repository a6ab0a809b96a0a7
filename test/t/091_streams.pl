# Streams of HTTP/2 that the server says it has not processed cost no attempt; and when a connection ends, or is
# broken, no request waits for its timeout.

use strict;
use warnings;

use EnrichTest;
use Http2Frames qw(:all);
use List::Util qw(first);
use Test::More;
use WireJob;
use WirePeer;

use constant PATIENCE => 10;

my $t = EnrichTest->new(mock => 0);

# The right end of a job in time, as it is by default and with many streams on a connection.
sub all_done
{
	my ($what, $request, %server) = @_;

	foreach my $version (undef, '2')
	{
		my $how = "$what, " . (defined $version ? "http_version $version" : 'as it is by default');
		my $peer = WirePeer->start(tls => 1, http2 => 1, request => $request);
		my $job = WireJob->start($t, { $peer->server_options, timeout => '1min',
			defined $version ? (http_version => $version) : (), %server }, rows => 60);

		$job->wait(PATIENCE);
		is($job->outcome, 'completed: 60 own, 0 of others, 0 failed', $how) or diag($job->reasons);
	}
	return;
}

# What the first connection does with its third request and those that come with it; without more it is
# silent from then on.
sub at_third
{
	my ($act) = @_;

	return sub {
		my ($connection, $request) = @_;

		return $connection->answer($request) if $connection->{number} > 1 || $request->{number} < 3;
		return if $request->{number} > 3;
		$act->($connection, $request);
	};
}

#
# Not processed
#
my @unprocessed = (max_attempts => 1);

all_done('REFUSED_STREAM, each fifth row once', sub {
	my ($connection, $request) = @_;

	return $connection->answer($request) if $request->{row} !~ /[05]$/ || !$connection->once($request->{row});
	$connection->write(rst_stream($request->{stream}, REFUSED_STREAM));
}, @unprocessed);

all_done('REFUSED_STREAM, all of a connection', sub {
	my ($connection, $request) = @_;

	return $connection->answer($request) if $connection->{number} > 1;
	$connection->write(rst_stream($request->{stream}, REFUSED_STREAM));
}, @unprocessed);

# more often than a request is repeated at once
all_done('REFUSED_STREAM, the first sixty', sub {
	my ($connection, $request) = @_;

	return $connection->answer($request) if !first { $connection->once("refusal $_") } 1 .. 60;
	$connection->write(rst_stream($request->{stream}, REFUSED_STREAM));
}, @unprocessed);

foreach my $stays (0, 1)
{
	my $end = $stays ? 'and the connection stays' : 'and the connection is closed';
	# of a request that was about to be sent then, libcurl 7.88 never hears again
	my @in_time = $stays ? (timeout => '3s') : ();

	all_done("GOAWAY that leaves streams out, $end", at_third(sub {
		my ($connection, $request) = @_;

		$connection->write(goaway($request->{stream} - 2, NO_ERROR));
		$connection->close if !$stays;
	}), @unprocessed, @in_time);

	all_done("GOAWAY that leaves all streams out, $end", sub {
		my ($connection, $request) = @_;

		return $connection->answer($request) if $connection->{number} > 1;
		$connection->write(goaway(0, NO_ERROR)) if $request->{number} == 1;
		$connection->close if !$stays;
	}, @unprocessed, @in_time);
}

# As nginx ends a connection: announced first, then by the last that counts
all_done('GOAWAY in two steps', at_third(sub {
	my ($connection, $request) = @_;

	$connection->write(goaway(0x7fffffff, NO_ERROR));
	$connection->answer($request);
	$connection->write(goaway($request->{stream}, NO_ERROR));
	$connection->close;
}), @unprocessed);

#
# What goes on without end is charged in the end, though others are answered
#
my %always = (
	'closes the connection' => sub { $_[0]->close },
	'refuses the stream' => sub { $_[0]->write(rst_stream($_[1]->{stream}, REFUSED_STREAM)) },
);
foreach my $what (sort keys %always)
{
	my $peer = WirePeer->start(tls => 1, http2 => 1, request => sub {
		my ($connection, $request) = @_;

		return $request->{row} eq 'row 7' ? $always{$what}->($connection, $request) : $connection->answer($request);
	});
	my $job = WireJob->start($t, { $peer->server_options, max_attempts => 2, backoff_max => '50ms', max_concurrency => 3 }, rows => 600);

	$job->wait(30);
	is($job->outcome, 'completed: 599 own, 0 of others, 1 failed', "a server that $what at one row, always")
	  or diag($job->reasons);
}

#
# Broken connections: what they carried may have been processed
#
my %broken = (
	'HEADERS on stream 0' => sub { frame(HEADERS, END_HEADERS, 0, 'x') },
	'a header block that is none' => sub { frame(HEADERS, END_HEADERS, $_[0]->{stream}, "\xff" x 6) },
	'a frame that is too large' => sub { frame(DATA, 0, $_[0]->{stream}, 'x' x 70_000) },
	'WINDOW_UPDATE of 0' => sub { window_update(0, 0) },
	'plain text' => sub { "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" },
);
foreach my $what (sort keys %broken)
{
	all_done("after $what", at_third(sub {
		my ($connection, $request) = @_;

		$connection->write($broken{$what}->($request));
	}));
}

$t->stop;
done_testing();
