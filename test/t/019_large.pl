# Large rows and large answers, in little memory.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new(conf => "pg_enrich.worker_memory = '64MB'");
$t->create_server('api');

# Inputs of 1 MB: a bucket of them is more than the worker may hold
$t->sql("CREATE TABLE fat AS SELECT i AS id, repeat(md5(i::text), 32768) AS body FROM generate_series(1, 100) i;
	ALTER TABLE fat ADD PRIMARY KEY (id)");
my $job = $t->start_job(source => 'fat', server => 'api', path => '/v1/embeddings', input => ['body'],
	request => '{"model": "m", "dimensions": 8, "input": "{{inputs}}"}', results => '$.data[*]', result_index => '$.index',
	output => '{"embedding real[]": "$.embedding"}', batch_size => 2, concurrency => 8);
my $most = 0;
$t->poll_for('the job to end', sub {
	my $progress = $t->progress($job);
	foreach my $pid (@{ $progress->{pids} })
	{
		open my $status, '<', "/proc/$pid/status" or next;
		my ($kb) = map { /^RssAnon:\s+(\d+)/ } <$status>;
		$most = $kb if $kb && $kb > $most;
	}
	return $progress->{state} =~ /completed|paused|failed/;
});
is($t->sql('SELECT count(*) FROM fat WHERE cardinality(embedding) = 8'), 100, 'inputs of 1 MB');
is($t->progress($job)->{requests}, 50, 'two in a request');
# rows, bodies made of them, and what malloc keeps: several times the setting, but no 100 MB of rows on top of 100 MB of bodies
cmp_ok($most, '<', 400 * 1024, "the worker's memory stays bounded") if $most;

# What is loaded and what was made of it for requests in flight count together
$t->mock('POST', '/mock/script', { hang => 1 });
$t->sql('UPDATE fat SET embedding = NULL');
$job = $t->start_job(source => 'fat', server => 'api', path => '/v1/embeddings', input => ['body'],
	request => '{"model": "m", "dimensions": 8, "input": "{{inputs}}"}', results => '$.data[*]', result_index => '$.index',
	output => '{"embedding real[]": "$.embedding"}', batch_size => 2, concurrency => 50);
$t->poll("SELECT in_flight > 3 AND memory > 60000000 FROM enrich.progress WHERE job = $job");
my $held = $t->progress($job);
cmp_ok($held->{memory}, '<', 64 * 1024 * 1024 + 5_000_000, 'no more than pg_enrich.worker_memory and a request is held');
cmp_ok($held->{in_flight}, '<', 20, 'so most requests wait, whatever the cap');
$t->mock('POST', '/mock/reset');
$t->mock('POST', '/mock/release');
$t->wait_job($job);
is($t->sql('SELECT count(*) FROM fat WHERE cardinality(embedding) = 8'), 100, 'and go out in the end');
is($t->progress($job)->{memory}, 0, 'nothing is held when no worker is there');

# Answers of 50 MB
$t->sql('CREATE TABLE big AS SELECT i AS id FROM generate_series(1, 4) i; ALTER TABLE big ADD PRIMARY KEY (id)');
$job = $t->start_job(source => 'big', server => 'api', path => '/big?bytes=50000000', input => ['id'], batch_size => 1,
	results => '$.items[*]', output => '{"value text": "$.value"}', concurrency => 4);
$t->wait_job($job);
is($t->sql('SELECT count(*) FROM big WHERE length(value) > 49000000'), 4, 'answers of 50 MB');

# and one that is larger than allowed
$t->sql("ALTER SERVER api OPTIONS (ADD max_response_size '1MB')");
$job = $t->start_job(source => 'big', server => 'api', path => '/big?bytes=2000000', input => ['id'], batch_size => 1,
	results => '$.items[*]', output => '{"value text": "$.value"}');
my $progress = $t->wait_job($job);
is($progress->{rows_failed}, 4, 'larger than max_response_size: the rows fail');
like($t->sql("SELECT min(error) FROM enrich.failures WHERE job = $job"), qr/1048576|1 ?MB|larger/, 'with a reason');

$t->stop;
done_testing();
