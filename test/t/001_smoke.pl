# From a table through the mock API and back: the ways of a job's life, once each.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;

# The value that the mock gives an input, as SQL says it.
my $value = q{('x' || substr(md5(name), 1, 8))::bit(32)::bigint % 1000000};

my %items = (
	server => 'api',
	path => '/items',
	results => '$.items[*]',
	result_index => '$.index',
	input => ['name'],);

sub make_table
{
	my ($name, $rows) = @_;

	$t->sql("CREATE TABLE $name AS SELECT i AS id, 'row ' || i AS name FROM generate_series(1, $rows) i;
		ALTER TABLE $name ADD PRIMARY KEY (id)");
	return;
}

$t->create_server('api', mapping => { bearer_token => 'a-secret' });

# Every row gets its own answer, whatever the order of the items, within the cap
make_table('town', 1234);
$t->mock_log;
$t->mock_script({ latency => '5-30', shuffle => 1 });
my $job = $t->start_job(%items, source => 'town', concurrency => 3, bucket_size => 100,
	output => '{"value bigint": "$.value", "label text": "$.upper"}');
my $progress = $t->wait_job($job);

is($t->sql("SELECT count(*) FROM town WHERE value = $value AND label = upper(name)"),
	1234, 'every row has its own answer');
is("@$progress{qw(rows_total rows_done rows_failed rows_skipped)}", '1234 1234 0 0', 'rows are counted');
is("@$progress{qw(buckets_total buckets_done)}", '13 13', 'buckets are counted');
is("@$progress{qw(requests retries in_flight)}", '13 0 0', 'requests are counted');
is($progress->{percent} + 0, 100, 'it says that it is done');
my $stats = $t->mock_stats;
is($stats->{requests}, 13, 'a request for each bucket');
cmp_ok($stats->{max_in_flight}, '<=', 3, 'no more requests at a time than the cap');
is($stats->{input_repeats}, 0, 'no input was answered twice');
my ($last) = $t->mock_last;
is($last->{headers}{authorization}, 'Bearer a-secret', 'the token is sent');
is($t->sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace AND relkind = 'r'"),
	0, 'staging is gone');

# Embeddings into another table, one bucket in several requests
$t->mock_reset;
$job = $t->start_job(source => 'town', server => 'api', path => '/v1/embeddings', input => ['name'],
	request => '{"model": "mock", "dimensions": 64, "input": "{{inputs}}"}',
	results => '$.data[*]', result_index => '$.index', target => 'town_embedding', batch_size => 50,
	output => '{"embedding real[]": "$.embedding"}');
$progress = $t->wait_job($job);
is($progress->{requests}, 25, 'buckets of 500 rows, sent by 50');
is($t->sql('SELECT count(*), min(cardinality(embedding)), max(cardinality(embedding)) FROM town_embedding'),
	'1234|64|64', 'embeddings are stored beside the table');
cmp_ok($progress->{tokens}, '>', 0, 'tokens are counted');

# Pause and go on: nothing twice, nothing left out
make_table('river', 400);
$t->mock_reset;
# requests hang, at most two, so it does not end before it is paused
$t->mock_script({ latency => 20, hang => 1, match => 'row 20' });
$job = $t->start_job(%items, source => 'river', concurrency => 2, bucket_size => 10,
	output => { 'value bigint' => '$.value' });
$t->poll("SELECT rows_done >= 50 FROM enrich.progress WHERE job = $job");
$t->sql("SELECT enrich.pause($job)");
$progress = $t->wait_job($job, 'paused');
is($progress->{reason}, 'user', 'paused by the user');
$t->mock_script({ latency => 20 });
$t->mock_release;
$t->poll("SELECT in_flight = 0 AND pids = '{}' FROM enrich.progress WHERE job = $job");
my $sent = $t->mock_stats->{requests};
my $done = $t->progress($job)->{rows_done};
is($done, $sent * 10, 'what was in flight is stored');
cmp_ok($done, '<', 400, 'it is paused midway');
$t->sql("SELECT enrich.resume($job)");
$t->wait_job($job);
is($t->sql("SELECT count(*) FROM river WHERE value = $value"), 400, 'it goes on to the end');
is($t->mock_stats->{input_repeats}, 0, 'and asks nothing twice');

# A row that the API refuses fails alone, with a reason, and can be retried
make_table('lake', 64);
$t->mock_reset;
$t->mock_script({ status => 422, error_body => '{"error": {"message": "no such lake"}}', match => '"row 33"' });
$job = $t->start_job(%items, source => 'lake', batch_size => 1, output => { 'value bigint' => '$.value' });
$progress = $t->wait_job($job);
is("@$progress{qw(rows_done rows_failed)}", '63 1', 'one row fails alone');
my $failure = $t->row("SELECT * FROM enrich.failures WHERE job = $job");
is($failure->{key}{id}, 33, 'it is the right one');
is($failure->{input}, 'row 33', 'its input is kept');
is($failure->{http_status}, 422, 'with the status');
like($failure->{error}, qr/no such lake/, 'and what the API said');
$t->mock_script;
is($t->sql("SELECT enrich.retry($job)"), 1, 'it is put back to work');
$t->wait_job($job);
is($t->sql("SELECT count(*) FROM lake WHERE value = $value"), 64, 'and done');
is($t->sql("SELECT count(*) FROM enrich.failures WHERE job = $job"), 0, 'and no failure any more');

# A server that fails now and then is tried again
make_table('hill', 100);
$t->mock_reset;
$t->mock_script({ fail_first => 1, status => 503 });
$t->sql("ALTER SERVER api OPTIONS (ADD backoff_base '10ms')");
$job = $t->start_job(%items, source => 'hill', bucket_size => 50, output => { 'value bigint' => '$.value' });
$progress = $t->wait_job($job);
is($progress->{rows_done}, 100, 'all rows are done in the end');
cmp_ok($progress->{retries}, '>=', 2, 'retries are counted');

# Cancel ends it now, whatever hangs
make_table('wood', 10);
$t->mock_reset;
$t->mock_script({ hang => 1 });
$job = $t->start_job(%items, source => 'wood', batch_size => 5, output => { 'value bigint' => '$.value' });
$t->poll("SELECT in_flight = 2 AND state = 'running' FROM enrich.progress WHERE job = $job");
$t->sql("SELECT enrich.cancel($job)");
$t->wait_job($job, 'canceled');
$t->poll_for('requests in flight to be aborted', sub { $t->mock_stats->{aborted} == 2 });
$t->poll("SELECT pids = '{}' FROM enrich.progress WHERE job = $job");
is($t->sql('SELECT count(*) FROM wood WHERE value IS NOT NULL'), 0, 'a canceled job writes nothing more');
$t->mock_script;

# A transaction that is rolled back leaves nothing
my $jobs = $t->sql('SELECT count(*) FROM enrich.jobs');
$t->sql('BEGIN; ' . $t->start_sql(%items, source => 'wood', output => { 'other bigint' => '$.value' })
	  . '; ROLLBACK');
is($t->sql('SELECT count(*) FROM enrich.jobs'), $jobs, 'no job of a transaction that was rolled back');
is($t->sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'wood'::regclass AND attname = 'other'"),
	0, 'nor its column');

# The secret is nowhere to be seen
unlike($t->sql('SELECT * FROM enrich.jobs') . $t->sql('SELECT * FROM enrich.servers')
	  . $t->sql('SELECT * FROM enrich.failures'), qr/a-secret/, 'no secret in the views');
# what logs of statements there are, CREATE USER MAPPING among them, is PostgreSQL's
my $log = join '', grep { !/statement:|OPTIONS/ } split /^/, $t->log_since(0);
unlike($log, qr/a-secret/, 'no secret in the log');

$t->stop;
done_testing();
