# Steps of the wall clock, by an hour, back and forth: what is measured, waited for and shown goes
# by the monotonic clock, and the times in rows stay in order.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;

# So much later, in seconds, the server's clock is than the machine's: libfaketime reads it at
# each look at the clock.  What is monotonic it leaves alone.
my $clock_file = PostgreSQL::Test::Utils::tempdir() . '/clock';
my ($library) = glob '/usr/lib/*/faketime/libfaketime.so.1';
plan skip_all => 'libfaketime is not installed' if !defined $library;

sub set_clock
{
	my ($seconds) = @_;

	# in one step: it is read all the time
	open my $file, '>', "$clock_file.new" or die $!;
	printf $file "%+d\n", $seconds;
	close $file or die $!;
	rename "$clock_file.new", $clock_file or die $!;
	return;
}

set_clock(0);
my %faked = (
	LD_PRELOAD => join(':', grep { defined } EnrichTest::library('plain_select'), $library, $ENV{LD_PRELOAD}),
	FAKETIME_TIMESTAMP_FILE => $clock_file,
	FAKETIME_NO_CACHE => 1,
	FAKETIME_DONT_FAKE_MONOTONIC => 1,
	DONT_FAKE_MONOTONIC => 1,
	NO_FAKE_STAT => 1,
);

# Runs something with that environment: what starts the server.
sub with_clock
{
	my ($function) = @_;

	local @ENV{ keys %faked } = values %faked;
	return $function->();
}

my $t = with_clock(sub { EnrichTest->new(mock => 0) });
$t->start_mock;
$t->create_server('api', url => '/items', backoff_base => '20ms');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
END

sub start_sql
{
	return $t->start_sql(
		source => 'source', server => 'api', input => ['txt'], results => '$.items[*]',
		output => { 'upper text' => '$.upper' }, target => 'target', write_mode => 'upsert',
		batch_size => 1, concurrency => 4, bucket_size => 10, max_rows => 100, @_);
}

sub begin
{
	return $t->sql(start_sql(@_));
}

# The server's clock, in seconds from the machine's.
sub offset
{
	return $t->sql("SELECT round(extract(epoch FROM clock_timestamp()) - " . time() . ')');
}

sub elapsed
{
	my ($job) = @_;

	return $t->sql("SELECT extract(epoch FROM elapsed) FROM enrich.progress WHERE job = $job");
}

sub in_order
{
	my ($job, $what) = @_;

	is($t->sql(<<"END"), 't|t|t', "$what: times are in order");
SELECT created_at <= started_at, started_at <= bucketized_at, bucketized_at <= finished_at
FROM enrich.jobs WHERE job = $job
END
	is($t->sql("SELECT count(*), sum((started_at <= finished_at)::integer) FROM enrich.buckets WHERE job = $job"),
		'10|10', "$what: those of buckets, too");
	return;
}

cmp_ok(abs(offset()), '<', 10, 'the clock is right');

#
# Between the start and its commit, in the middle of a job, and before its end
#
for my $step (-3600, 3600)
{
	my $what = "a step of $step s";

	$t->mock_reset;
	$t->mock_script({ hang => 1, match => '"row 77"' });
	set_clock(0);
	my $session = $t->node->background_psql('postgres', on_error_die => 1);
	my $job = $session->query_safe('BEGIN; ' . start_sql());
	($job) = $job =~ /(\d+)/;
	set_clock($step);
	cmp_ok(abs(offset() - $step), '<', 10, "$what: it was made");
	$session->query_safe('COMMIT');
	$session->quit;

	$t->poll("SELECT rows_done FROM enrich.progress WHERE job = $job", 99, PATIENCE);
	my $before = elapsed($job);
	cmp_ok($before, '>', 0, "$what: time has passed");
	cmp_ok($before, '<', 600, "$what: and not too much of it");
	set_clock(2 * $step);
	my $then = elapsed($job);
	cmp_ok($then, '>=', $before, "$what, another one: time goes on");
	cmp_ok($then, '<', 600, "$what, another one: and not in leaps");
	is($t->sql("SELECT rows_per_second >= 0 AND coalesce(eta < '1h', true) FROM enrich.progress WHERE job = $job"), 't',
		"$what: the speed is none of the clock's");
	$t->mock_script;
	$t->mock_release;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);
	is("$progress->{rows_done} $progress->{rows_failed}", '100 0', "$what: all rows are done");
	cmp_ok(elapsed($job), '>=', $then, "$what: what has elapsed, at the end");
	cmp_ok(elapsed($job), '<', 600, "$what: and not too much of it");
	cmp_ok($progress->{rows_per_second}, '>', 0.1, "$what: the speed of all");
	in_order($job, $what);
}

#
# A worker's backoff, and a clerk's next try: set back, the clock must not make them wait for an hour
#
set_clock(0);
$t->mock_reset;
$t->mock_script({ hang => 1 });
my $job = begin();
for my $time (1 .. 2)
{
	$t->poll_for('a worker', sub { $t->pids($job) == 1 }, PATIENCE);
	my ($pid) = $t->pids($job);
	$t->sql("SELECT pg_terminate_backend($pid)");
	set_clock(-3600 * $time);
	$t->poll_for('another worker', sub { (($t->pids($job))[0] // $pid) != $pid }, PATIENCE);
}
pass('workers are replaced');
my $session = $t->node->background_psql('postgres', on_error_die => 1);
$session->query_safe("BEGIN; LOCK TABLE enrich_staging.job_$job IN ACCESS SHARE MODE");
$t->sql("SELECT enrich.cancel($job)");
$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $job", 'canceled|{}', PATIENCE);
$t->poll("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich clerk'", 0, PATIENCE);
set_clock(-7 * 3600);
$session->query_safe('COMMIT');
$session->quit;
$t->poll("SELECT to_regclass('enrich_staging.job_$job') IS NULL", 't', PATIENCE);
pass('staging that could not be dropped is dropped');

#
# A server's pause
#
for my $step (-3600, 3600)
{
	set_clock(0);
	$t->mock_reset;
	$t->mock_script({ faults_for => 2000, status => 429, retry_after => 5 });
	$job = begin(concurrency => 1);
	$t->poll("SELECT waiting_for FROM enrich.progress WHERE job = $job", 'server', PATIENCE);
	set_clock($step);
	is($t->sql(q{SELECT paused_until - clock_timestamp() BETWEEN '-1 s' AND '6 s' FROM enrich.servers}), 't',
		"a step of $step s: a pause is shown by today's clock");
	my $progress = $t->wait_job($job, 'completed', PATIENCE);
	is($t->sql("SELECT throttled BETWEEN '3 s' AND '20 s', elapsed BETWEEN '4 s' AND '5 min' FROM enrich.progress WHERE job = $job"),
		't|t', "a step of $step s: it lasts as long as it did");
}
is($t->sql(q{SELECT throttled_for BETWEEN '9 s' AND '11 s' FROM enrich.servers}), 't', 'both count');

#
# What elapses: neither pauses nor a server that is down, and a restart forgets little
#
set_clock(0);
$t->mock_reset;
$t->mock_script({ hang => 1, match => '"row 50"' });
$job = begin();
$t->poll("SELECT elapsed > '5.5 s' FROM enrich.progress WHERE job = $job", 't', PATIENCE);
with_clock(sub { $t->node->stop('fast') });
set_clock(3600);
with_clock(sub { $t->node->start });
cmp_ok(elapsed($job), '>=', 4, 'a restart keeps what has elapsed');
cmp_ok(elapsed($job), '<', 600, '... and counts nothing meanwhile');
$t->poll("SELECT elapsed > '7 s' FROM enrich.progress WHERE job = $job", 't', PATIENCE);
$t->sql("SELECT enrich.pause($job)");
$t->mock_script;
$t->mock_release;
$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $job", 'paused|{}', PATIENCE);
my $paused = elapsed($job);
$t->sql('SELECT pg_sleep(0.5)');
is(elapsed($job), $paused, 'nor does a pause count');
set_clock(0);
$t->sql("SELECT enrich.resume($job)");
$t->wait_job($job, 'completed', PATIENCE);
cmp_ok(elapsed($job), '>=', $paused, 'it goes on from there');
in_order($job, 'a restart');

#
# Retention is a matter of the wall clock: what has ended an hour ago by it goes
#
$t->sql("ALTER SYSTEM SET pg_enrich.job_retention = '30 min'");
$t->sql('SELECT pg_reload_conf()');
$job = begin(max_rows => 10);
$t->wait_job($job, 'completed', PATIENCE);
set_clock(3600);
$t->sql('SELECT pg_reload_conf()');
$t->poll("SELECT count(*) FROM enrich.jobs WHERE job = $job", 0, PATIENCE);
pass('a finished job is forgotten by the wall clock');

$t->stop;
done_testing();
