# What a proxy answers to CONNECT: a 429 is its wish for fewer, another 4xx is somebody's to see to, and what comes
# before the answer is none.

use strict;
use warnings;

use EnrichTest;
use Test::More;
use WireJob;
use WirePeer;

my $t = EnrichTest->new(mock => 0);

# A proxy that tunnels to itself, and a job through it; what it does instead of a tunnel, where it returns true.
sub run_job
{
	my ($instead, %more) = @_;
	my $proxy = WirePeer->start(tls => 1, proxy => 1, request => sub {
		my ($connection, $request) = @_;

		return $connection->answer($request) if $request->{method} ne 'CONNECT';
		return if $instead->($connection);
		$connection->write("HTTP/1.1 200 Connection established\r\n\r\n");
		$connection->start_tls;
	});
	my $job = WireJob->start($t, { $proxy->server_options, proxy => "http://127.0.0.1:$proxy->{port}", max_attempts => 1 }, %more);

	$job->wait(15);
	return $job;
}

sub answers
{
	my ($connection, @lines) = @_;

	$connection->write(join "\r\n", @lines, 'Content-Length: 0', '', '');
	return 1;
}

my $job = run_job(sub { 0 });
is($job->outcome, 'completed: 150 own, 0 of others, 0 failed', 'a proxy that tunnels');

# each connection that was made is used to its end
$job = run_job(sub { $_[0]->{number} % 5 == 2 && answers($_[0], 'HTTP/1.1 429 Too Many Requests', 'Retry-After: 1') });
is($job->outcome, 'completed: 150 own, 0 of others, 0 failed', '429 now and then');
cmp_ok($t->sql("SELECT throttled FROM enrich.servers WHERE server = '$job->{table}'"), '>', 0, '429 now and then: throttled');
cmp_ok($t->sql("SELECT extract(epoch FROM throttled) FROM enrich.progress WHERE job = $job->{job}"), '>=', 0.9,
	'429 now and then: for as long as it says');

$job = run_job(sub { answers($_[0], 'HTTP/1.1 407 Proxy Authentication Required', 'Proxy-Authenticate: Basic realm="x"') });
is($job->outcome, 'paused (configuration): 0 own, 0 of others, 0 failed', '407');
like($job->{progress}{error}, qr/proxy.*407/, '407: and that is said');

# Works, or is said to be that
$job = run_job(sub { $_[0]->write("HTTP/1.1 100 Continue\r\n\r\n"); 0 });
my $outcome = $job->outcome;
like($outcome eq 'completed: 150 own, 0 of others, 0 failed' ? 'proxy: 100' : "$job->{progress}{error} ($outcome)",
	qr/^(the )?proxy.* 100/, '100 before the 200: works, or that is said');
unlike($outcome, qr/[1-9]\d* failed/, '100 before the 200: no row fails');

$t->stop;
done_testing();
