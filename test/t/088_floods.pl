# A peer that sends without end, faster than it is read: a worker that reads must still hear of timeouts, of a
# cancel, and of its server's end.

use strict;
use warnings;

use EnrichTest;
use Http2Frames qw(:all);
use Test::More;
use Time::HiRes qw(time);
use WireJob;
use WirePeer;

# A flood ends by itself, so that a test that fails does.
use constant FLOOD_SECONDS => 20;

# What anything may take that is to count at once
use constant AT_ONCE => 2;

# These bytes again and again; it is noted once much has been read.
sub flood
{
	my ($connection, $bytes) = @_;
	my $end = time + FLOOD_SECONDS;
	my $written = 0;

	for (my $noted = 0; time < $end;)
	{
		$connection->write($bytes);
		$written += length $bytes;
		$connection->note('flooding') if $written > 1e6 && !$noted++;
	}
	$connection->leave;
	return;
}

my $destination = WirePeer->start(tls => 1);
my $empty = WirePeer->start(tls => 1, http2 => 1, request => sub {
	my ($connection, $request) = @_;

	$connection->write(headers($request->{stream}, 200));
	flood($connection, frame(DATA, 0, $request->{stream}, '') x 10_000);
});
my $proxy = WirePeer->start(request => sub {
	my ($connection) = @_;

	$connection->write("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
		  . "Transfer-Encoding: chunked\r\n\r\n");
	flood($connection, "10\r\n0123456789abcdef\r\n" x 5000);
});
my @floods = (
	[ 'empty DATA frames', $empty, { $empty->server_options } ],
	[ "the body of a proxy's 407", $proxy, { $destination->server_options, proxy => $proxy->url } ],
);

my $t = EnrichTest->new(mock => 0);
my $good = WirePeer->start;

# A job in the flood, once that is under way.
sub start_in_flood
{
	my ($flood, %more) = @_;
	my (undef, $peer, $server) = @$flood;
	my $before = noted($peer, 'flooding');
	my $job = WireJob->start($t, { %$server, timeout => '1min', %more }, rows => 3, concurrency => 1);

	$t->poll_for('the flood', sub { noted($peer, 'flooding') > $before });
	return $job->{job};
}

sub noted
{
	my ($peer, $what) = @_;

	return scalar grep { $_->[1] eq $what } $peer->notes;
}

# How long it takes until the query says true after this.
sub seconds_until
{
	my ($query, $act) = @_;
	my $began = time;

	$act->();
	$t->poll($query, 't', FLOOD_SECONDS + 10);
	return time - $began;
}

foreach my $flood (@floods)
{
	my ($what, $peer, $server) = @$flood;

	my $job = start_in_flood($flood);
	my $other = WireJob->start($t, { $good->server_options });
	$other->wait(10);
	is($other->outcome, 'completed: 150 own, 0 of others, 0 failed', "$what: another job goes on");
	cmp_ok(seconds_until("SELECT state = 'canceled' AND pids = '{}' FROM enrich.progress WHERE job = $job",
			sub { $t->sql("SELECT enrich.cancel($job)") }), '<', AT_ONCE, "$what: cancel");

	$job = start_in_flood($flood);
	my ($pid) = $t->pids($job);
	cmp_ok(seconds_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid",
			sub { $t->sql("SELECT pg_terminate_backend($pid)") }), '<', AT_ONCE, "$what: pg_terminate_backend");
	$t->sql("SELECT enrich.cancel($job)");

	# by the next attempt, or a pause
	$job = start_in_flood($flood, timeout => '1s', connect_timeout => '1s');
	my $floods = noted($peer, 'flooding');
	my $began = time;
	eval {
		$t->poll_for('the end of it', sub {
			noted($peer, 'flooding') > $floods || $t->progress($job)->{state} eq 'paused' }, 1 + AT_ONCE);
	};
	cmp_ok(time - $began, '<', 1 + AT_ONCE, "$what: the timeout");
	$t->sql("SELECT enrich.cancel($job)");

	start_in_flood($flood);
	$began = time;
	$t->node->stop('fast');
	cmp_ok(time - $began, '<', AT_ONCE, "$what: a fast stop of the server");
	$t->node->start;
}

$t->stop;
done_testing();
