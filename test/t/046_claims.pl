# Buckets are found and stored once: after a crash, when two store the same one, and when the job is dropped meanwhile.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new(conf => "autovacuum = off\nrestart_after_crash = on");
my $value = "('x' || substr(md5(name), 1, 8))::bit(32)::bigint % 1000000";
my $job;

$t->create_server('api', url => '/item');
$t->sql(q(CREATE TABLE town (id integer PRIMARY KEY, name text); INSERT INTO town SELECT i, 'town ' || i FROM generate_series(1, 120000) i));

# A job with a bucket a row.
sub start
{
	$t->sql('DROP TABLE IF EXISTS done; CREATE TABLE done (id integer PRIMARY KEY, value bigint)');
	return $job = $t->start_job(source => 'town', server => 'api', input => ['name'], request => '{"input": "{{input}}"}',
		output => '{"value bigint": "$.value"}', target => 'done', bucket_size => 1, batch_size => 1, concurrency => 32, @_);
}

sub right { return $t->sql("SELECT count(*) FROM done JOIN town USING (id) WHERE value = $value"); }

sub no_worker
{
	$t->poll(q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'));
	return;
}

#
# Somebody else stores a bucket that a worker has an answer for
#
my $other = $t->node->background_psql('postgres');

foreach my $end ('COMMIT', 'ROLLBACK')
{
	$t->mock_script({ hang => 1, match => 'town 7"' });
	start(max_rows => 100);
	$t->poll("SELECT rows_done = 99 FROM enrich.progress WHERE job = $job");
	$other->query_safe("BEGIN; INSERT INTO enrich.catalog_bucket (job, bucket, attempts, partition, state, retried) VALUES ($job, 7, 1, 1, 'c', false);
		INSERT INTO enrich.catalog_job_counters (job, worker, rows_done, buckets_done) VALUES ($job, 9, 1, 1)");
	$t->mock_reset;
	$t->mock_release;
	$t->poll("SELECT waiting_for = 'lock' FROM enrich.progress WHERE job = $job");
	pass("$end: until it is known whether they have, the answer waits");
	$other->query_safe($end);
	is($t->wait_job($job)->{rows_done}, 100, '... then the job ends');
	is(right(), $end eq 'COMMIT' ? 99 : 100, '... and the answer is stored if theirs was not');
	is($t->sql("SELECT count(*) FROM enrich.buckets WHERE job = $job AND state = 'completed'"), 100, '... once');
}

#
# The job is dropped while a worker stores
#
$other->query_safe('SELECT pg_advisory_lock(1)');
start(max_rows => 100, concurrency => 0);
$t->halt_at('done', 7);
$t->sql("SELECT enrich.alter($job, concurrency => 32)");
$t->halted;
$t->sql("SELECT enrich.cancel($job)");
my $dropper = $t->node->background_psql('postgres');
$dropper->query_until(qr/began/, "\\echo began\nSELECT enrich.drop($job);\n");
$t->poll(q(SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'object'));
$other->query_safe('SELECT pg_advisory_unlock(1)');
$dropper->query_safe('SELECT 1');
no_worker();
is($t->sql("SELECT count(*) FROM enrich.catalog_bucket WHERE job = $job") . $t->sql("SELECT count(*) FROM enrich.catalog_job_counters WHERE job = $job"),
	'00', 'a drop waits for the store under way: nothing of it is left');
$dropper->quit;
$t->sql('DROP FUNCTION halt CASCADE');

#
# Two of three partitions are done with, but for a row that failed and is put back to work; then there is a crash
#
$t->mock_script({ status => 422, match => 'town 17"' });
start();
$t->poll("SELECT rows_failed = 1 FROM enrich.progress WHERE job = $job");
$t->mock_script({ hang => 1, match => 'town 110000"' });
$t->poll("SELECT rows_done = 119998 FROM enrich.progress WHERE job = $job");
$t->poll("SELECT string_agg(partition::text, ' ') = '3' FROM enrich.catalog_partition WHERE job = $job");
is($t->sql("SELECT count(*) FROM enrich.catalog_bucket_run WHERE job = $job AND partition < 3"), 0, 'what is finished leaves no runs behind');
is($t->sql("SELECT string_agg(bucket || ' ' || state, ', ' ORDER BY bucket) FROM enrich.buckets WHERE job = $job AND state <> 'completed'"),
	'17 failed, 110000 pending', '... and all its buckets are shown');

# What it reads of the buckets that are done, to find the one that is not
sub read_so_far
{
	return $t->sql(q(SELECT idx_tup_read FROM pg_stat_all_indexes WHERE indexrelname = 'catalog_bucket_pkey'));
}
my ($worker) = $t->pids($job);
$t->sql("SELECT pg_terminate_backend($worker)");
no_worker();
my $before = read_so_far();
$t->poll_for('the next worker', sub { my ($pid) = $t->pids($job); return $pid && $pid != $worker });
$t->poll_for('its request', sub { $t->mock_stats->{in_flight} == 1 });
$t->sql("SELECT enrich.pause($job)");
$t->mock_reset;
$t->mock_release;
no_worker();
cmp_ok(read_so_far() - $before, '<', 40_000, 'a new worker looks for the first open bucket where partitions are left');

# The bucket of which a row is tried again has no partition any more
$t->sql("SELECT enrich.retry($job)");
$t->mock_script({ hang => 1, match => 'town 17"' });
$t->sql("SELECT enrich.resume($job)");
$t->poll_for('the row that is tried again', sub { $t->mock_stats->{in_flight} == 1 });
$t->crash($t->pids($job));
$t->mock_reset;
my $progress = $t->wait_job($job);
is("$progress->{rows_done} $progress->{rows_failed}", '120000 0', '... but everywhere, where rows were put back to work');
is(right(), 120000, 'all are stored');

$other->quit;
$t->stop;
done_testing();
