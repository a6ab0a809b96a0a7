# A folded line where an answer's first header should be: there is nothing that it goes on from.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;
use WireJob;
use WirePeer;

my $t = EnrichTest->new(mock => 0);

foreach my $tls (0, 1)
{
	my $peer = WirePeer->start(tls => $tls, request => sub {
		my ($connection, $request) = @_;
		my $answer = $connection->answer_bytes($request);

		# on connections and handles that were used before
		$answer =~ s/\r\n/\r\n folded: x\r\n/ if $request->{row} =~ /[05]$/ && $request->{number} > 1;
		$connection->write($answer);
	});
	my $job = WireJob->start($t, { $peer->server_options, max_attempts => 1 });
	my $what = $tls ? 'over TLS' : 'plain';

	if (!$job->wait(20))
	{
		fail("$what: the server stays up");
		last;
	}
	# a libcurl that makes something of it gives the row its own answer
	my ($own, $failed) = $job->outcome =~ /^completed: (\d+) own, 0 of others, (\d+) failed$/;
	is(($own // 0) + ($failed // 0), 150, "$what: every row has its own answer or has failed");
	cmp_ok($own // 0, '>=', 120, "$what: ... and has not failed for another's answer");
	is(scalar(grep { !/malformed answer|header/i } $job->reasons), 0, "$what: ... with that reason");
}
is(scalar(() = slurp_file($t->node->logfile) =~ /PANIC|terminated by signal|TRAP/g), 0, 'no process died');
done_testing();
