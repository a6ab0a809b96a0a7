# A request that is refused because of its rows is parted until the bad row stands alone;
# the others have their answers.  An API that refuses everything is found out early.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new;

$t->create_server('api', max_attempts => 2, backoff_base => '1ms', max_response_size => '20kB');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i || '.' FROM generate_series(1, 500) i;
CREATE VIEW various AS SELECT id, txt, 400 + id % 2 * 22 AS status FROM source;
END

sub begin
{
	$t->sql('DROP TABLE IF EXISTS target');
	return $t->start_job(source => 'source', server => 'api', path => '/items', input => ['txt'],
		results => '$.items[*]', result_index => '$.index', output => { 'upper text' => '$.upper' }, target => 'target', @_);
}

# A job with that script, when it is completed.
sub run_job
{
	my ($script, %parameter) = @_;

	$t->mock_reset;
	$t->mock_script($script);
	my $job = begin(%parameter);
	return ($job, $t->wait_job($job, 'completed', PATIENCE));
}

sub failed_ids
{
	my ($job) = @_;

	return $t->sql("SELECT string_agg(key ->> 'id', ' ' ORDER BY (key ->> 'id')::integer) FROM enrich.failures WHERE job = $job");
}

sub halvings
{
	my ($rows) = @_;
	my $halvings = 0;

	$halvings++ while 2 ** $halvings < $rows;
	return $halvings;
}

#
# One bad row, wherever it stands, in requests of any size, by whatever it shows
#
foreach my $case (
	[ 500, 1, { status => 400 } ], [ 500, 500, { status => 422 } ], [ 500, 256, { status => 413 } ],
	[ 64, 17, { status => 400 } ], [ 7, 4, { status => 451 } ], [ 2, 2, { status => 400 } ], [ 1, 1, { status => 400 } ],
	[ 100, 33, { count => -1 } ], [ 100, 34, { count => 1 } ], [ 100, 36, { no_index => 1 } ])
{
	my ($rows, $bad, $script) = @$case;
	my $what = "row $bad of $rows, " . join ' ', %$script;

	my ($job, $progress) = run_job({ %$script, match => "row $bad." }, max_rows => $rows, concurrency => 1);
	is("@$progress{qw(rows_done rows_failed)}", $rows - 1 . ' 1', "$what: the others have their answers");
	is(failed_ids($job), $bad, "$what: that row fails");
	cmp_ok($progress->{requests} - 1, '<=', 2 * halvings($rows), "$what: not many requests more");
	is($t->mock_stats->{requests}, $progress->{requests}, "$what: as the API counts them");
	is($progress->{retries}, 0, "$what: which are no retries");
	is($t->sql("SELECT attempts FROM enrich.failures WHERE job = $job"), 1, "$what: tried alone once");
	is($t->mock_stats->{repeats}, 0, "$what: no answer is asked for twice");
	next if $script->{count} || !$script->{status};
	is($t->sql("SELECT http_status, error FROM enrich.failures WHERE job = $job"),
		"$script->{status}|HTTP status $script->{status}: mock says $script->{status}", "$what: by its own reason");
}
is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id || '.'}), 99, 'the answers are the rows\' own');

# Bad rows among good ones, in many requests at once; the first rows are bad
my ($job, $progress) = run_job({ status => 400, match => '1.' }, batch_size => 50, bucket_size => 100, workers => 2);
is($t->sql("SELECT count(*), count(*) FILTER (WHERE key ->> 'id' LIKE '%1') FROM enrich.failures WHERE job = $job"), '50|50',
	'every tenth row is bad: those fail');
is($progress->{rows_done}, 450, '... and the others are done');
($job, $progress) = run_job({ status => 400, match => 'row 1' }, batch_size => 20, concurrency => 1);
is("@$progress{qw(rows_done rows_failed)}", '389 111', 'bad rows at the beginning');
($job, $progress) = run_job({ status => 400, match => 'row 1' }, batch_size => 1, concurrency => 1, max_rows => 100);
is("@$progress{qw(rows_done rows_failed)}", '88 12', '... and one by one, in a small job');

# Retried, they are tried as what they are: rows that were refused before
$t->mock_script({ status => 400 });
is($t->sql("SELECT enrich.retry($job)"), 12, 'retry');
is($t->wait_job($job, 'completed', PATIENCE)->{rows_failed}, 12, '... of bad rows: they fail again');

# Requests that are too large, or whose answers are
($job, $progress) = run_job({ max_inputs => 40 });
is("@$progress{qw(rows_done rows_failed)}", '500 0', '413: requests are parted until they fit');
cmp_ok($progress->{requests}, '<=', 31, '... and no further');
($job, $progress) = run_job({});
is("@$progress{qw(rows_done rows_failed)}", '500 0', 'answers beyond max_response_size: the same');
is($progress->{requests}, 3, '... and no further');

# A request of a server that changes takes no more rows than it may then
$t->mock_reset;
$t->mock_script({ hang => 1 });
$job = begin(bucket_size => 50, concurrency => 1);
$t->poll_for('a request in flight', sub { $t->progress($job)->{in_flight} == 1 }, PATIENCE);
$t->sql("ALTER SERVER api OPTIONS (ADD batch_size '5')");
$t->poll_for('the worker to notice', sub { $t->sql("SELECT enrich.alter($job, concurrency => 4)"); $t->progress($job)->{in_flight} == 4 }, PATIENCE);
$t->mock_script;
$t->mock_release;
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 500, 'batch_size of the server lowered while a job runs');
cmp_ok($t->mock_stats->{requests}, '>', 60, '... counts for requests that are ready');
$t->sql('ALTER SERVER api OPTIONS (DROP batch_size)');

#
# Everything is refused
#
sub is_found_out
{
	my ($what, $script, $error, $most, %parameter) = @_;

	$t->mock_reset;
	$t->mock_script({ latency => '1-20', %$script });
	my $job = begin(%parameter);
	my $progress = $t->wait_job($job, 'paused', PATIENCE);
	$t->poll_for('the workers to leave', sub { !$t->pids($job) }, PATIENCE);
	$progress = $t->progress($job);
	is("@$progress{qw(reason rows_failed)}", 'configuration 0', "$what: the job pauses, and no row has failed");
	like($progress->{error}, $error, "$what: the API's message");
	cmp_ok($progress->{requests}, '<=', $most, "$what: after few requests");
	return $job;
}

my $one_by_one = '^the API refuses all rows so far, 10 of them one by one: ';
$job = is_found_out('large requests', { status => 400, error_body => '{"error": {"message": "no such model"}}' },
	qr/${one_by_one}HTTP status 400: no such model$/, 20, concurrency => 1);
like($t->sql("SELECT hint FROM enrich.jobs WHERE job = $job"), qr/enrich\.preview/, '... with a hint');
$t->mock_script;
$t->sql("SELECT enrich.resume($job)");
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 500, '... mended and resumed');

$job = is_found_out('many at once', { status => 422 }, qr/${one_by_one}HTTP status 422/, 60, batch_size => 25, bucket_size => 100, workers => 2);
# whoever resumes it all the same accepts that rows fail
$t->sql("SELECT enrich.alter($job, max_failed_rows => 100); SELECT enrich.resume($job)");
$progress = $t->wait_job($job, 'paused', PATIENCE);
is($progress->{reason}, 'failures', '... resumed without a repair, rows fail');
$t->sql("SELECT enrich.cancel($job)");

is_found_out('row by row', { status => 400 }, qr/${one_by_one}HTTP status 400/, 20, batch_size => 1);
is_found_out('in various ways', {}, qr/^the API refuses all rows so far, 50 of them one by one: HTTP status 4[02][02]/, 60,
	path => '/items?status={{status}}', input => [ 'txt', 'status' ], source => 'various', key => ['id']);
is_found_out('items that do not match, row by row', { count => -1 }, qr/${one_by_one}the answer has nothing at/, 20, batch_size => 1);
my $no_match = '^no answer matches the rows of its request so far: ';
is_found_out('items that do not match', { no_index => 1 }, qr/${no_match}item 0 of the answer, .* has no position/, 5);
# ... of which a single row would have one, though not its own. Every answer takes as long, so both halves of a
# request are back before a quarter of it is.
is_found_out('a path to no items', { latency => 20 }, qr/${no_match}the answer has 1 item for 50 rows/, 60,
	results => '$', result_index => undef, batch_size => 100);

# One answer, even if it is the last of the first requests, is enough to know better
$t->mock_reset;
$t->mock_script({ status => 400, match => 'row 1' });
$job = begin(batch_size => 1, concurrency => 12, where_clause => 'id < 10 OR id BETWEEN 100 AND 200');
$progress = $t->wait_job($job, 'completed', PATIENCE);
is("@$progress{qw(rows_done rows_failed)}", '9 101', 'an API that answers some rows is not refused') or diag explain $progress;

$t->stop;
done_testing();
