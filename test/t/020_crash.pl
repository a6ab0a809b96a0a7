# Whatever dies, and however: a job goes on by itself, no row is lost, no result
# is written twice, and no more is asked for again than was in flight or just
# being stored.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant ROWS => 20_000;
use constant CONCURRENCY => 40;
use constant PATIENCE => 30;

my $t = EnrichTest->new(conf => <<'END');
restart_after_crash = on
max_connections = 40
END
my $node = $t->node;

$t->create_server('api');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 20000) i;

-- while somebody holds the advisory lock 1, reading it stops at row 10000
CREATE FUNCTION stop_at(id integer) RETURNS boolean LANGUAGE plpgsql AS
	$$BEGIN
		IF id = 10000 THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
		RETURN true;
	END$$;
CREATE VIEW slow AS SELECT id, txt FROM source WHERE stop_at(id);

CREATE TABLE target (id integer PRIMARY KEY, upper text, value bigint);
END
$t->count_writes('target');

my %answers = (latency => '10-30');

sub let_go
{
	$t->mock_script(\%answers);
	$t->mock_release;
	return;
}

# Starts a job on the empty target: 2,000 requests, which take about a second.  One of
# them hangs until let_go, so whatever is done to the job by then comes midway.
sub begin
{
	my (%parameter) = @_;
	my $script = delete $parameter{-script} // { %answers, hang => 1, match => '"row 20000"' };

	$t->sql('TRUNCATE target, written');
	$t->mock_reset;
	$t->mock_script($script);
	return $t->start_job(
		source => 'source', server => 'api', path => '/items', input => ['txt'], key => ['id'],
		results => '$.items[*]', output => { upper => '$.upper', value => '$.value' },
		target => 'target', write_mode => 'insert', bucket_size => 100, batch_size => 10,
		concurrency => CONCURRENCY, %parameter);
}

# Waits until the job has done some of its rows, and returns its worker.
sub midway
{
	my ($job, $rows) = @_;

	$rows //= 3_000;
	my $progress = $t->poll_for("job $job to be midway", sub {
		my $now = $t->progress($job);
		return @{ $now->{pids} } && $now->{rows_done} >= $rows && $now;
	}, PATIENCE);
	cmp_ok($progress->{rows_done}, '<', ROWS, 'the job is midway');
	return $progress->{pids}[0];
}

# The job completes, and everything is as if nothing had happened, though its
# workers have died that often while they were at it.
sub is_exact
{
	my ($job, $what, $deaths) = @_;

	let_go();
	my $progress = $t->wait_job($job, 'completed', PATIENCE);
	is($progress->{rows_done}, ROWS, "$what: all rows are counted as done");
	is($progress->{buckets_done}, $progress->{buckets_total}, "$what: all buckets are done");
	is($t->sql(<<'END'), '0', "$what: every row has its answer");
SELECT count(*) FROM source s FULL JOIN target t USING (id)
WHERE (t.upper = upper(s.txt) AND t.value =
	('x' || substr(md5(s.txt), 1, 8))::bit(32)::bigint % 1000000) IS NOT TRUE
END
	is($t->sql('SELECT count(*), count(DISTINCT id) FROM written'), ROWS . '|' . ROWS,
		"$what: every row is written once");
	# forty requests in flight, and the answers of the last tenth of a second, at some 2,000 a second
	cmp_ok($t->mock_stats->{repeats}, '<=', $deaths * 6 * CONCURRENCY,
		"$what: only what was in flight or being stored is repeated");
	$t->poll(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace},
		'0', PATIENCE);
	return;
}

#
# A worker is terminated
#
my $job = begin();
my $pid = midway($job);
$t->sql("SELECT pg_terminate_backend($pid)");
is_exact($job, 'terminated worker', 1);

# the same with all rows in one bucket, of which some are done, here and there
$job = begin(bucket_size => ROWS);
$pid = midway($job);
$t->sql("SELECT pg_terminate_backend($pid)");
is_exact($job, 'terminated worker of a large bucket', 1);

#
# A worker is killed, four times, so the whole cluster restarts; as each worker
# has got on, the job is not given up
#
$job = begin();
for my $rows (3_000, 6_000, 9_000, 12_000)
{
	$t->crash(midway($job, $rows));
}
is_exact($job, 'killed worker', 4);

#
# The server is stopped
#
for my $mode (qw(immediate fast))
{
	$job = begin();
	midway($job);
	$node->stop($mode);
	$node->start;
	is_exact($job, "$mode stop", 1);
}

#
# The launcher ends, and is there again for the next job, and for a worker that dies
#
my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_enrich launcher'};
$job = begin();
$pid = midway($job);
my $old = $t->sql($launcher);
$t->sql("SELECT pg_terminate_backend($old)");
$t->sql("SELECT pg_terminate_backend($pid)");
is_exact($job, 'terminated launcher', 1);
$t->poll("SELECT count(*) FROM ($launcher) l WHERE pid <> $old", '1', PATIENCE);

$job = begin();
$t->sql("SELECT pg_terminate_backend(pid) FROM ($launcher) l");
is_exact($job, 'terminated launcher, new job', 0);

#
# A worker ends while it bucketizes
#
for my $signal (qw(TERM KILL))
{
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('SELECT pg_advisory_lock(1)');
	$job = begin(source => 'slow');
	$pid = $t->poll_for('bucketizing to be midway', sub {
		my $now = $t->progress($job);
		return $now->{state} eq 'bucketizing' && $now->{rows_total} > 3_000 && $now->{pids}[0];
	}, PATIENCE);
	if ($signal eq 'KILL')
	{
		# with it goes the holder of the lock
		$t->crash($pid);
	}
	else
	{
		$t->sql("SELECT pg_terminate_backend($pid)");
		like($t->progress($job)->{state}, qr/^(bucketizing|queued)$/, "$signal: not bucketized yet");
	}
	eval { $holder->quit };
	is_exact($job, "$signal while bucketizing", 0);
	is($t->sql("SELECT count(*), sum(rows) FROM enrich.buckets WHERE job = $job"), '200|20000',
		"$signal: bucketized once");
}

#
# A job whose workers die without getting anywhere is paused, and can be resumed
#
$t->sql(<<'END');
CREATE FUNCTION kill_writer() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NULL; END$$;
CREATE TRIGGER kill_writer AFTER INSERT ON target FOR EACH ROW EXECUTE FUNCTION kill_writer();
END
$job = begin();
my $progress = $t->wait_job($job, 'paused', PATIENCE);
is($progress->{reason}, 'crash', 'paused after three deaths without progress: reason');
like($progress->{error}, qr/3 times/, 'paused after three deaths without progress: error');
is($t->sql('SELECT count(*) FROM target'), '0', 'nothing is written that kills its writer');
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);

$t->sql('DROP TRIGGER kill_writer ON target');
$t->sql("SELECT enrich.resume($job)");
is_exact($job, 'resumed after deaths', 3);

#
# The same by crashes of the whole cluster, which forgets everything else
#
$job = begin(-script => { hang => 1 });
for my $death (1 .. 3)
{
	$pid = $t->poll_for('requests in flight', sub {
		my $now = $t->progress($job);
		return $now->{in_flight} == CONCURRENCY && $now->{pids}[0];
	}, PATIENCE);
	$t->crash($pid);
}
$progress = $t->wait_job($job, 'paused', PATIENCE);
is($progress->{reason}, 'crash', 'paused after three crashes without progress');
$t->sql("SELECT enrich.resume($job)");
is_exact($job, 'resumed after crashes', 3);

$t->stop;
done_testing();
