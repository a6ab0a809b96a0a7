# A connection of HTTP/2 on which nothing comes any more, as when a load balancer has lost it: requests that have
# waited in vain leave it for a new one.

use strict;
use warnings;

use EnrichTest;
use Http2Frames qw(:all);
use Test::More;
use WireJob;
use WirePeer;

# The timeout, and what starting a job and answering its rows take on a slow machine
use constant PATIENCE => 8;

my $t = EnrichTest->new(mock => 0);

my %ways = (
	'silent after five answers' => {
		request => sub {
			my ($connection, $request) = @_;

			$connection->silent if $connection->{number} == 1 && $request->{number} > 5;
			$connection->answer($request);
		} },
	# these go on reading, and answer pings
	'MAX_CONCURRENT_STREAMS 0' => {
		settings => sub { $_[0]->{number} == 1 ? (MAX_CONCURRENT_STREAMS, 0) : () } },
	'INITIAL_WINDOW_SIZE 0' => {
		settings => sub { $_[0]->{number} == 1 ? (INITIAL_WINDOW_SIZE, 0) : () } },
);
foreach my $way (sort keys %ways)
{
	foreach my $version (undef, '2')
	{
		my $what = "$way, " . (defined $version ? "http_version $version" : 'as it is by default');
		my $peer = WirePeer->start(tls => 1, http2 => 1, %{ $ways{$way} });
		my $job = WireJob->start($t,
			{ $peer->server_options, timeout => '1s', defined $version ? (http_version => $version) : () });

		$job->wait(PATIENCE);
		is($job->outcome, 'completed: 150 own, 0 of others, 0 failed', $what);
	}
}

$t->stop;
done_testing();
