# What a job of many buckets costs in the catalog, and that it costs nothing any more once it is dropped.

use strict;
use warnings;

use EnrichTest;
use Test::More;

# Whoever frees space here is pg_enrich itself; and records of WAL hold what was changed, no pages
my $t = EnrichTest->new(conf => "autovacuum = off\nfull_page_writes = off\nwal_keep_size = 1GB\ncheckpoint_timeout = 1h");
my $rows = 20_000;

$t->create_server('api', max_concurrency => 64);
$t->sql("CREATE EXTENSION pg_walinspect;
	CREATE TABLE source (id integer PRIMARY KEY, name text);
	INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, $rows) i");

# A job with a bucket a row, that is bucketized.
sub start_job
{
	my $job = $t->start_job(source => 'source', server => 'api', path => '/item', input => ['name'], batch_size => 1,
		bucket_size => 1, request => '{"input": "{{input}}"}', output => '{"value bigint": "$.value"}', target => 'answers',
		concurrency => 0, @_);

	$t->wait_job($job, 'running');
	return $job;
}

sub finish_job
{
	my ($job) = @_;

	$t->sql("SELECT enrich.alter($job, concurrency => 64)");
	is($t->wait_job($job)->{rows_done}, $rows, 'a job of one-row buckets');
	return;
}

my $tables = q((SELECT oid FROM pg_class WHERE relnamespace = 'enrich'::regnamespace AND relname IN ('catalog_bucket', 'catalog_bucket_run')));

# Bytes that the tables of buckets take, with their indexes.
sub size
{
	return $t->sql("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE oid IN $tables");
}

sub position { return $t->sql('SELECT pg_current_wal_flush_lsn()'); }

# Bytes of WAL between two positions that tell of those tables and their indexes.
sub wal
{
	my ($from, $to) = @_;
	my $nodes = $t->sql("SELECT string_agg(pg_relation_filenode(oid)::text, '|') FROM pg_class
		WHERE oid IN $tables OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN $tables)");

	return $t->sql("SELECT coalesce(sum(record_length), 0) FROM pg_get_wal_records_info('$from', '$to')
		WHERE block_ref ~ '^blkref #0: rel \\d+/\\d+/($nodes) '");
}

sub vacuums_done
{
	return $t->sql(q(SELECT coalesce(sum(vacuum_count), 0) FROM pg_stat_all_tables WHERE schemaname = 'enrich'));
}

# Drops a job, and waits until what it leaves behind was seen to.
sub drop_job
{
	my ($job) = @_;
	my $before = vacuums_done();

	$t->sql("SELECT enrich.drop($job)");
	$t->poll("SELECT sum(vacuum_count) >= $before + 3 FROM pg_stat_all_tables WHERE schemaname = 'enrich'");
	$t->poll(q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_enrich clerk'));
	return;
}

# What it costs
my @positions = (position());
my $job = start_job();
push @positions, position();
is($t->sql("SELECT count(*) = $rows AND bool_and(state = 'pending' AND rows = 1 AND partition = 1 AND attempts = 0)
	FROM enrich.buckets WHERE job = $job"), 't', 'all its buckets are shown as pending');
cmp_ok(size() / $rows, '<', 12, 'bytes that a pending one-row bucket takes in the catalog');
cmp_ok(wal(@positions) / $rows, '<', 10, '... and in WAL');
finish_job($job);
push @positions, position();
cmp_ok(size() / $rows, '<=', 395 / 2, 'bytes that a finished one takes');
cmp_ok(wal(@positions[ 0, 2 ]) / $rows, '<=', 330 / 2, '... and in WAL, from its beginning');
is($t->sql("SELECT count(*) = $rows AND count(DISTINCT bucket) = $rows AND bool_and(state = 'completed' AND rows = 1 AND attempts = 1
		AND http_status = 200 AND error IS NULL AND partition = 1 AND started_at <= finished_at)
	FROM enrich.buckets WHERE job = $job"), 't', 'it is shown with all that is known of it');
my $size = size();

# The space is used again
foreach my $round (2 .. 5)
{
	drop_job($job);
	$job = start_job();
	finish_job($job);
	cmp_ok(size(), '<=', $size * 1.3, "round $round takes the space of the first");
}

# What is left of a job that was canceled halfway goes with it
drop_job($job);
$t->mock_script({ hang => 1, match => 'row 19999' });
$job = start_job();
$t->sql("SELECT enrich.alter($job, concurrency => 64)");
$t->poll("SELECT rows_done = $rows - 1 FROM enrich.progress WHERE job = $job");
$t->sql("SELECT enrich.cancel($job)");
$t->mock_reset;
$t->mock_release;
is($t->sql("SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n
	FROM enrich.buckets WHERE job = $job GROUP BY state) s"), 'completed ' . ($rows - 1) . ', pending 1', 'what a canceled job has not done stays pending');
cmp_ok(size(), '<=', $size * 1.3, 'a canceled job takes the same');

# While somebody could still see it, it stays; then it goes
my $reader = $t->node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM enrich.jobs');
my $vacuums = vacuums_done();
$t->sql("SELECT enrich.drop($job)");
$t->poll(q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_enrich clerk'));
is(vacuums_done(), $vacuums, 'nothing is vacuumed in vain');
$reader->query_safe('COMMIT');
$t->poll("SELECT pg_relation_size('enrich.catalog_bucket') = 0");
pass('the last drop gives the space back');
$reader->quit;

$t->stop;
done_testing();
