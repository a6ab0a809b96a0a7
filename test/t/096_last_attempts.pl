# A request's last attempt: whether its failure is the row's or the server's is known only
# when something that was sent later is answered, or nothing is.  Until then its rows do
# not fail: an outage costs no row, however low max_attempts is.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 40;

my $t = EnrichTest->new;

$t->create_server('api', url => '/items', backoff_base => '20ms', backoff_max => '100ms',
	timeout => '1s', max_attempts => 1);
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

sub completes
{
	my ($job, $done, $failed, $what) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("$progress->{rows_done} $progress->{rows_failed}", "$done $failed", "$what: rows done and failed");
	return $progress;
}

sub set_attempts
{
	my ($attempts) = @_;

	$t->sql("ALTER SERVER api OPTIONS (SET max_attempts '$attempts')");
	return;
}

#
# The whole API fails in the middle of two jobs, and answers again
#
my @ways = (
	[ 'status 500', { status => 500 } ],
	[ 'resets', { reset => 1 } ],
	[ 'no JSON', { bad_json => 1 } ],
	[ 'hanging', { hang => 1 } ],
);
for my $attempts (1 .. 3)
{
	set_attempts($attempts);
	for my $way (@ways)
	{
		my ($what, $script) = @$way;
		my $name = "$what, max_attempts $attempts";

		$t->mock_reset;
		$t->mock_script({ latency => '10-40' });
		my @jobs = (begin(max_rows => 2000, workers => 2, bucket_size => 50),
			begin(max_rows => 500, target => 'second'));
		my $ours = 'job IN (' . join(', ', @jobs) . ')';
		$t->poll("SELECT min(rows_done) > 100 FROM enrich.progress WHERE $ours", 't', PATIENCE);
		$t->mock_script({ latency => '10-40', %$script });
		# The second one may have been done before.
		$t->poll("SELECT count(*) > 0 AND bool_and(coalesce(error ~ 'nothing but failures', false))
			FROM enrich.progress WHERE $ours AND state <> 'completed'", 't', PATIENCE);
		my $before = $t->sql("SELECT sum(requests) FROM enrich.progress WHERE $ours");
		$t->poll("SELECT sum(requests) > $before + 2 FROM enrich.progress WHERE $ours", 't', PATIENCE);
		$t->mock_script({ latency => '10-40' });
		$t->mock_release;
		completes($jobs[0], 2000, 0, $name);
		completes($jobs[1], 500, 0, "$name, another job");
	}
}

# From the first request on, one at a time.
set_attempts(1);
$t->mock_reset;
$t->mock_script({ status => 500 });
my $job = begin(max_rows => 50, concurrency => 1);
$t->poll("SELECT error ~ 'nothing but failures' FROM enrich.progress WHERE job = $job", 't', PATIENCE);
$t->mock_script;
completes($job, 50, 0, 'from the first request on');

#
# Rows that the API chokes on, among others: each fails for itself, and is asked no more often
#
for my $attempts (1 .. 3)
{
	set_attempts($attempts);
	$t->mock_reset;
	$t->mock_script({ latency => '1-10', status => 500, match => 'poison' });
	$t->sql(<<"END");
CREATE TABLE spiked_$attempts (id integer PRIMARY KEY, txt text);
INSERT INTO spiked_$attempts SELECT i, CASE WHEN i % 50 = 7 THEN 'poison ' ELSE 'row ' END || i FROM generate_series(1, 300) i;
END
	$job = begin(source => "spiked_$attempts", target => "unspiked_$attempts", concurrency => 8);
	my $progress = completes($job, 294, 6, "bad rows, max_attempts $attempts");
	is($progress->{requests}, 294 + 6 * $attempts, '... no request more than that');
	is($t->sql("SELECT DISTINCT attempts, error FROM enrich.failures WHERE job = $job"),
		"$attempts|HTTP status 500: mock says 500", '... each with its attempts, and the reason');
}

#
# At the end of a job, and alone: nothing is left that could tell
#
set_attempts(1);
$t->mock_reset;
$t->mock_script({ status => 500, match => '"row 100"' });
$job = begin(max_rows => 100, concurrency => 1);
is(completes($job, 99, 1, 'the last row')->{requests}, 100, '... was asked once');

$t->mock_script({ status => 500 });
$job = begin(max_rows => 1);
is(completes($job, 0, 1, 'a row alone')->{requests}, 1, '... was asked once');

# All of them in a row, with those before, would look like an outage.
$t->mock_script;
completes(begin(max_rows => 10), 10, 0, 'some rows between');
$t->mock_script({ status => 500 });
$job = begin(max_rows => 6, workers => 2, bucket_size => 2);
is(completes($job, 0, 6, 'a few rows alone, of two workers')->{requests}, 6, '... were asked once each');

#
# A row whose fate is open, as all others hang: they were sent before it has failed
#
$t->create_server('literal', url => '/answer?raw=1', backoff_base => '20ms', max_attempts => 1);
$t->sql(<<'END');
CREATE TABLE mixed (id integer PRIMARY KEY, txt text);
INSERT INTO mixed SELECT i, CASE i WHEN 3 THEN 'no JSON' ELSE '{"upper": "SLOW ' || i || '"}' END FROM generate_series(1, 5) i;
END

sub begin_open
{
	$t->mock_reset;
	$t->mock_script({ hang => 1, match => 'SLOW' });
	my $job = begin(source => 'mixed', server => 'literal');
	$t->poll("SELECT in_flight, requests FROM enrich.progress WHERE job = $job", '4|5', PATIENCE);
	is($t->sql("SELECT rows_failed, waiting_for FROM enrich.progress WHERE job = $job"), '0|', 'it is open');
	return $job;
}

# It is not asked again once others are answered, though those had to be sent again.
$job = begin_open();
$t->mock_script;
$t->mock_release;
is(completes($job, 4, 1, 'an open row')->{requests} <= 9, 1, '... was asked once');
is($t->sql("SELECT key->>'id', attempts FROM enrich.failures WHERE job = $job"), '3|1', '... and failed so');

# A pause leaves it open: it is asked again after that.
$job = begin_open();
$t->sql("SELECT enrich.pause($job)");
$t->mock_script;
$t->mock_release;
$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $job", 'paused|{}', PATIENCE);
cmp_ok($t->progress($job)->{rows_failed}, '<=', 1, 'paused while it was open');
$t->sql("SELECT enrich.resume($job)");
completes($job, 4, 1, 'resumed');

# A cancel does not wait.
$job = begin_open();
$t->sql("SELECT enrich.cancel($job)");
$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $job", 'canceled|{}', PATIENCE);
$t->mock_release;

$t->stop;
done_testing();
