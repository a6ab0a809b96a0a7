# enrich.progress of a large job: quick, and right.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 60;
use constant ROWS => 1_000_000;

my $t = EnrichTest->new(conf => "fsync = off\n");

$t->create_server('api', url => '/array?latency=20');
# one request hangs: the job is not done before it was looked at
$t->mock_script({ hang => 1, match => 'row 1000000' });
$t->sql(<<'END');
CREATE TABLE source AS SELECT i AS id, 'row ' || i AS txt FROM generate_series(1, 1000000) i;
ALTER TABLE source ADD PRIMARY KEY (id);
ANALYZE source;
END

my $job = $t->start_job(
	source => 'source', server => 'api', input => ['txt'], output => { 'value integer' => '$.value' },
	target => 'target', write_mode => 'insert', bucket_size => 50, concurrency => 20);
my $progress;
my $staged = 0;
$t->poll_for('bucketizing', sub {
	$progress = $t->progress($job);
	$staged = $progress->{rows_total} if $progress->{state} eq 'bucketizing';
	return $progress->{state} eq 'running';
}, PATIENCE);
cmp_ok($staged, '>', 0, 'rows are counted while they are bucketized');
is("$progress->{rows_total} $progress->{buckets_total}", ROWS . ' ' . ROWS / 50, 'all rows and buckets are known');
$t->poll_for('some progress', sub { ($progress = $t->progress($job))->{rows_done} > 20_000 }, PATIENCE);

# Speed: the median of eleven looks, with the job running
my @times = sort { $a <=> $b } map {
	$t->sql('EXPLAIN (ANALYZE, TIMING off, SUMMARY) SELECT * FROM enrich.progress') =~
	  /Execution Time: ([0-9.]+) ms/ ? $1 : die 'no execution time'
} 1 .. 11;
note("execution time of enrich.progress: @times ms");
cmp_ok($times[5], '<', 5, "enrich.progress takes less than 5 ms: $times[5]");

$progress = $t->progress($job);
is($progress->{state}, 'running', 'the job was running meanwhile');
cmp_ok($progress->{rows_done}, '<', ROWS, 'and is not done');
cmp_ok($progress->{percent}, '==', int($progress->{rows_done} * 1000 / ROWS) / 10, 'percent');
my $marks = $progress->{bar} =~ tr/#//;
is($progress->{bar}, '[' . '#' x $marks . '.' x (20 - $marks) . ']', 'bar');
cmp_ok(abs($marks - $progress->{percent} / 5), '<=', 1, 'bar shows percent');
cmp_ok($progress->{rows_per_second}, '>', 0, 'rows_per_second');
like($progress->{eta}, qr/^\d\d:\d\d:\d\d$/, 'eta');

$t->sql("SELECT enrich.cancel($job)");
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
$progress = $t->progress($job);
is($t->sql('SELECT count(*) FROM target'), $progress->{rows_done}, 'what is counted as done is stored');
is($progress->{eta}, undef, 'no eta when canceled');

$t->stop;
done_testing();
