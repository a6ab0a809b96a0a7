# Outages: a server that gives nothing but failures is paused and probed with one request
# at a time, and no row fails for it.  What fails while others succeed does fail.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 40;

my $t = EnrichTest->new;

$t->create_server('api', url => '/items', backoff_base => '20ms', backoff_max => '100ms',
	timeout => '1s', max_attempts => 2);
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 3000) i;
END

# Starts a job of a request a row.
sub begin
{
	return $t->start_job(
		source => 'source', server => 'api', input => ['txt'], results => '$.items[*]',
		output => { 'upper text' => '$.upper' }, target => 'target', write_mode => 'upsert',
		batch_size => 1, concurrency => 20, @_);
}

# The job is kept from sending, and says why.
sub is_out
{
	my ($job, $reason, $what) = @_;

	$t->poll("SELECT waiting_for FROM enrich.progress WHERE job = $job AND error ~ 'nothing but failures'",
		'server', PATIENCE);
	my $progress = $t->progress($job);
	like($progress->{error}, qr/^the server has given nothing but failures since \d{4}-.*: .*$reason/,
		"$what: the job says what is the matter");
	is("$progress->{state} $progress->{effective_concurrency}", 'running 1', "$what: one request at a time");
	like($t->sql("SELECT hint FROM enrich.jobs WHERE job = $job"), qr/no row fails/, "$what: hint");
	isnt($t->row('SELECT * FROM enrich.servers')->{paused_until}, undef, "$what: the server is paused");
	return;
}

# So many further requests are made meanwhile.
sub probes
{
	my ($job, $count) = @_;
	my $before = $t->progress($job)->{requests};

	$t->poll("SELECT requests >= $before + $count FROM enrich.progress WHERE job = $job", 't', PATIENCE);
	return;
}

# The most requests seen in flight while so many are made.
sub most_in_flight
{
	my ($count) = @_;
	my $before = $t->mock_stats->{requests};
	my $most = 0;

	$t->poll_for('probes', sub {
		my $stats = $t->mock_stats;
		$most = $stats->{in_flight} if $stats->{in_flight} > $most;
		return $stats->{requests} >= $before + $count;
	}, PATIENCE);
	return $most;
}

sub completes
{
	my ($job, $rows, $what) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("$progress->{rows_done} $progress->{rows_failed}", "$rows 0", "$what: every row is done, none failed");
	is($progress->{error}, undef, "$what: no error is left");
	is($t->row('SELECT * FROM enrich.servers')->{paused_until}, undef, "$what: nothing is paused");
	return $progress;
}

#
# Nobody listens, in the middle of a job, for many times max_attempts
#
$t->mock_script({ latency => 50 });
my $job = begin(max_rows => 1000);
$t->poll("SELECT rows_done > 100 FROM enrich.progress WHERE job = $job", 't', PATIENCE);
my $log = $t->log_position;
$t->stop_mock;
is_out($job, 'could not connect .*refused', 'nobody listens');
probes($job, 20);
is($t->progress($job)->{rows_failed}, 0, 'nobody listens: no row has failed');
is($t->progress($job)->{throttled}, '00:00:00', 'nobody listens: that is no throttling');
$t->start_mock;
completes($job, 1000, 'nobody listens');
like($t->log_since($log), qr/server "api" gives nothing but failures: .*server "api" answers again/s,
	'the log tells of both');

# The same for a single row, and from the beginning.
$t->stop_mock;
$job = begin(max_rows => 1);
is_out($job, 'could not connect', 'a single row');
probes($job, 10);
$t->start_mock;
completes($job, 1, 'a single row');

#
# It answers, but only with failures; two jobs and three workers share the probe
#
my @ways = (
	[ 'status 500', { status => 500 }, 'HTTP status 500$' ],
	[ 'reset', { reset => 1 }, $t->has_front ? 'HTTP status 502' : 'closed|reset' ],
	[ 'hanging', { hang => 1 }, 'no answer within 1 s' ],
	[ 'no JSON', { bad_json => 1 }, 'answers that cannot be read$' ],
);
for my $way (@ways)
{
	my ($what, $script, $reason) = @$way;

	$t->mock_reset;
	$t->mock_script({ latency => 40, %$script });
	my @jobs = (begin(max_rows => 100, workers => 2), begin(max_rows => 100, target => 'second'));
	is_out($_, $reason, $what) for @jobs;
	$t->poll_for('nothing in flight', sub { $t->mock_stats->{in_flight} <= 1 }, PATIENCE);
	# one that was given up may be on its way through the front for a moment
	my $most = $what eq 'hanging' && $t->has_front ? 2 : 1;
	cmp_ok(most_in_flight(5), '<=', $most, "$what: one probe at a time, of all jobs and workers");
	$t->mock_script;
	$t->mock_release;
	completes($_, 100, $what) for @jobs;
}
is($t->row('SELECT * FROM enrich.servers')->{throttled}, 0, 'nothing of this is throttling');

#
# The worker that probes dies; a pause and a cancel count at once
#
$t->mock_script({ status => 500, latency => 200 });
$job = begin(max_rows => 100);
is_out($job, 'HTTP status 500', 'dying prober');
$t->sql("SELECT pg_terminate_backend($_)") for $t->pids($job);
probes($job, 3);
$t->sql("SELECT enrich.pause($job)");
$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $job", 'paused|{}', PATIENCE);
$t->mock_script;
$t->sql("SELECT enrich.resume($job)");
completes($job, 100, 'dying prober');

#
# Rows that the API chokes on, among others: they fail, however many are left at the end
#
$t->sql(<<'END');
CREATE TABLE spiked (id integer PRIMARY KEY, txt text);
INSERT INTO spiked SELECT i, CASE WHEN i % 10 = 0 THEN 'poison ' ELSE 'row ' END || i FROM generate_series(1, 300) i;
END
$t->mock_reset;
$t->mock_script({ status => 500, match => 'poison' });
$job = begin(source => 'spiked', target => 'unspiked', concurrency => 10);
my $progress = $t->wait_job($job, 'completed', PATIENCE);
is("$progress->{rows_done} $progress->{rows_failed}", '270 30', 'rows that always fail do fail');
is($t->sql("SELECT DISTINCT attempts, error FROM enrich.failures WHERE job = $job"), '2|HTTP status 500: mock says 500',
	'... after max_attempts');

# A few of them alone are no outage: they fail as well.
is($t->sql("SELECT enrich.retry($job)"), 30, 'retry');
$t->mock_script;
completes($job, 300, 'retried');
$t->mock_script({ status => 500 });
$job = begin(max_rows => 2);
$progress = $t->wait_job($job, 'completed', PATIENCE);
is("$progress->{rows_done} $progress->{rows_failed} $progress->{requests}", '0 2 4', 'two requests that fail are no outage');

#
# An answer that trickles is too late as a whole
#
$t->mock_reset;
$t->mock_script({ trickle => 100, match => 'row 7"' });
$job = begin(max_rows => 50);
$progress = $t->wait_job($job, 'completed', PATIENCE);
is("$progress->{rows_done} $progress->{rows_failed}", '49 1', 'a row whose answer trickles fails');
like($t->sql("SELECT error FROM enrich.failures WHERE job = $job"),
	qr/^no whole answer within 1 s .*: \d+ bytes of it received$/, '... by the timeout');

$t->stop;
done_testing();
