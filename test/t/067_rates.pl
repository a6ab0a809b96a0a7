# Rates: requests and tokens a minute, as the server sees them, over windows of less than
# a minute at rates that are the higher for it; shared fairly by jobs and workers; live.

use strict;
use warnings;

use EnrichTest;
use List::Util qw(sum0);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant PATIENCE => 40;

# What the sender may be late, and catch up with: see quota.h.
use constant SLACK => 0.1;
use constant LOOKS => 6;

my $t = EnrichTest->new;

$t->create_server('api', url => '/items', backoff_base => '10ms', backoff_max => '50ms',
	requests_per_minute => 6000);
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i || repeat('x', i % 100) FROM generate_series(1, 30000) i;
END

# Starts a job of a request a row.
sub begin
{
	return $t->start_job(
		source => 'source', server => 'api', input => ['txt'], results => '$.items[*]',
		output => { 'upper text' => '$.upper' }, target => 'target', write_mode => 'upsert',
		batch_size => 1, concurrency => 50, @_);
}

# Requests so far: [seconds, tokens].
sub arrivals
{
	return map { [ $_->[0] / 1e6, $_->[1] ] } @{ $t->mock('GET', '/mock/arrivals') };
}

# The most that any so many seconds saw: of requests, or of tokens (1).
sub most_in
{
	my ($seconds, $what, @arrivals) = @_;
	my ($first, $sum, $most) = (0, 0, 0);

	for my $arrival (@arrivals)
	{
		$sum += $what ? $arrival->[1] : 1;
		while ($arrival->[0] - $arrivals[$first][0] > $seconds)
		{
			$sum -= $what ? $arrivals[$first][1] : 1;
			$first++;
		}
		$most = $sum if $sum > $most;
	}
	return $most;
}

# Collects arrivals for so many seconds of work, from a clean start, of a mock with a script.
sub watch
{
	my ($seconds, $script) = @_;
	my @arrivals;

	$t->mock_reset;
	$t->mock_script($script);
	$t->poll_for("$seconds s of requests", sub {
		@arrivals = arrivals();
		return @arrivals && $arrivals[-1][0] - $arrivals[0][0] >= $seconds;
	}, PATIENCE);
	return @arrivals;
}

# Arrivals keep to a rate per second, evenly spaced, and use it.  A mock that the machine
# holds up sees at once what came meanwhile; so there are some looks, until all is well in
# one.  That no take is too early, whatever the machine does, quota_test shows.
sub keeps_to
{
	my ($rate, $what, $largest, $name, $length, $script) = @_;
	my (%limit, %most, $used);

	for my $look (1 .. LOOKS)
	{
		my @arrivals = watch($length, $script);

		for my $seconds (0.2, 1, 3)
		{
			$most{$seconds} = most_in($seconds, $what, @arrivals);
			# what is on its way to the mock may bunch by some hundredths of a second
			$limit{$seconds} = $rate * ($seconds + SLACK + 0.05) + $largest;
		}
		$used = (sum0(map { $what ? $_->[1] : 1 } @arrivals) - $largest) /
			($arrivals[-1][0] - $arrivals[0][0]);
		last if $used >= 0.95 * $rate && !grep { $most{$_} > $limit{$_} } keys %most;
		note "$name, look $look: " . join(', ', map { "$most{$_} in $_ s" } sort keys %most) .
			sprintf(', %.1f a second', $used);
	}
	cmp_ok($most{$_}, '<=', $limit{$_}, "$name: $_ s see $most{$_}, of $limit{$_} at most")
		for sort keys %most;
	cmp_ok($used, '>=', 0.95 * $rate, sprintf('%s: %.1f a second are used, of %d', $name, $used, $rate));
	return;
}

# Jobs of twenty rows have their turns, whatever a large one wants.
sub is_fair
{
	my ($what, @small) = @_;
	my @requests;

	$t->wait_job($_, 'completed', PATIENCE) for @small;
	# of what came from the first to the last request of the small ones, what is the large one's
	@requests = map { $_->{body} =~ /small/ ? 1 : 0 } $t->mock_last(200);
	shift @requests while @requests && !$requests[0];
	pop @requests while @requests && !$requests[-1];
	my $large = grep { !$_ } @requests;
	cmp_ok($large, '<=', 45, "$what: beside twenty requests a large job sends $large");
	cmp_ok($large, '>=', 8, "$what: nor is the large one starved");
	return;
}

sub cancel
{
	my ($job) = @_;

	$t->sql("SELECT enrich.cancel($job)");
	$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
	return;
}

#
# Requests a minute, of two jobs with two workers each
#
my @jobs = map { begin(target => "target_$_", workers => 2) } 1 .. 2;
$t->poll("SELECT sum(requests) > 20 FROM enrich.progress", 't', PATIENCE);
keeps_to(100, 0, 1, '6000 a minute', 4);
my @done = map { $t->progress($_)->{requests} } @jobs;
my ($less, $more) = sort { $a <=> $b } @done;
cmp_ok($less, '>', 0.4 * ($less + $more), "shared fairly: $less and $more");

# Live, down and up again
$t->sql(q{ALTER SERVER api OPTIONS (SET requests_per_minute '1200')});
$t->poll("SELECT waiting_for FROM enrich.progress WHERE job = $jobs[0]", 'rate', PATIENCE);
sleep(1);						# ALTER SERVER counts within a second
keeps_to(20, 0, 1, '1200 a minute', 3);
$t->sql(q{ALTER SERVER api OPTIONS (SET requests_per_minute '1')});
sleep(1);
$t->mock_reset;
my $began = time();
$t->sql(q{ALTER SERVER api OPTIONS (SET requests_per_minute '6000')});
$t->poll_for('requests again', sub { $t->mock_stats->{requests} >= 50 }, PATIENCE);
cmp_ok(time() - $began, '<', 2.5, 'what was waited off at 1 a minute does not count at 6000');

# Retries count
keeps_to(100, 0, 1, 'every second one fails', 3, { status => 500, status_every => 2 });
cmp_ok($t->mock_stats->{answers}{500}, '>', 100, '... while every second one does');
$t->mock_script;
cancel($_) for @jobs;

#
# A small job beside a large one: by the rate, and by a cap of one
#
$t->sql(q{ALTER SERVER api OPTIONS (SET requests_per_minute '1200')});
my %small = (max_rows => 20, input => [q{('small ' || txt)}]);
my $large = begin(concurrency => 500);
$t->poll("SELECT requests > 20 FROM enrich.progress WHERE job = $large", 't', PATIENCE);
is_fair('a rate of 20/s', begin(target => 'small', %small));

$t->sql(q{ALTER SERVER api OPTIONS (DROP requests_per_minute, ADD max_concurrency '1')});
$t->mock_reset;
$t->mock_script({ latency => 80 });
is_fair('a cap of one', map { begin(target => "other_$_", %small) } 1 .. 2);
is($t->progress($large)->{state}, 'running', 'the large job goes on');
cancel($large);
$t->mock_script;

#
# Tokens a minute: estimates are corrected by what answers report
#
$t->sql(q{ALTER SERVER api OPTIONS (DROP max_concurrency, ADD tokens_per_minute '60000', SET url '} . $t->url . q{')});
my %embed = (path => '/v1/embeddings', results => '$.data[*]', output => { 'first real' => '$.embedding[0]' });

# Each row's text goes behind a text of 400 characters, which no estimate knows of.
my $long = 'y' x 400;
my %cases = (
	'estimates about right' => [ { request => '{"dimensions": 2, "input": "{{inputs}}"}' }, 30 ],
	'estimates far too low' => [ { request => qq({"dimensions": 2, "input": ["{{each}}", "$long {{input}}"]}) }, 130 ],
);
for my $case (sort keys %cases)
{
	my ($parameters, $largest) = @{ $cases{$case} };
	my $job = begin(%embed, %$parameters, target => 'embedded', workers => 2);

	$t->poll("SELECT requests > 15 FROM enrich.progress WHERE job = $job", 't', PATIENCE);
	keeps_to(1000, 1, $largest, $case, 4);
	is($t->progress($job)->{waiting_for} // 'rate', 'rate', "$case: the job waits for the rate");
	cancel($job);
}

#
# What an API says that it has cost, beyond all reason
#
$t->create_server('absurd', url => '/answer', usage => '$.items[0]');
$t->sql(q{CREATE TABLE much (id integer PRIMARY KEY, txt text);
	INSERT INTO much SELECT i, '9223372036854775807' FROM generate_series(1, 4) i});
my $job = begin(source => 'much', server => 'absurd', output => { 'said numeric' => '$' }, target => 'said');
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 4, 'answers of any cost are stored');
is($t->progress($job)->{tokens}, 4 * (2 ** 31 - 1), '... and counted as the largest');

$t->stop;
done_testing();
