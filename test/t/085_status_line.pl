# An answer of HTTP/1.1 that says it is of HTTP/2: the peer still takes one request at a time, and no answer may
# become another row's.

use strict;
use warnings;

use EnrichTest;
use Test::More;
use WireJob;
use WirePeer;

my $t = EnrichTest->new(mock => 0);

# As it is by default every row is done; where HTTP/2 was asked for the rows may fail, or the job pause.
foreach my $tls (0, 1)
{
	foreach my $every (1, 10)
	{
		my $peer = WirePeer->start(tls => $tls, request => sub {
			my ($connection, $request) = @_;
			my $answer = $connection->answer_bytes($request);

			$answer =~ s{^HTTP/1.1 200 OK}{HTTP/2 200} if $request->{row} =~ /(\d+)/ && $1 % $every == 0;
			$connection->write($answer);
		});
		my $what = ($tls ? 'over TLS' : 'plain') . ', ' . ($every == 1 ? 'always' : "one in $every");
		my %server = ($peer->server_options, timeout => '2s', max_attempts => 2);

		my $job = WireJob->start($t, \%server, rows => 300, concurrency => 20);
		$job->wait(20);
		is($job->outcome, 'completed: 300 own, 0 of others, 0 failed', "$what: as it is by default");

		$job = WireJob->start($t, { %server, http_version => '2' }, rows => 300, concurrency => 20);
		$job->wait(20);
		like($job->outcome, qr/^(completed|paused \(configuration\)): \d+ own, 0 of others, /, "$what: http_version 2");
		is(scalar(grep { !/\w/ } $job->reasons), 0, "$what: http_version 2: each row that failed says why");
	}
}

$t->stop;
done_testing();
