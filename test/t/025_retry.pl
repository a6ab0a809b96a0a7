# Failures that pass: requests are tried again, with backoff, up to max_attempts;
# then their rows fail, with a reason, and enrich.retry brings them back.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new;

$t->create_server('api', backoff_base => '10ms', backoff_max => '50ms', timeout => '1s', max_attempts => 3);
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 40) i;
END

# Starts a job of twenty requests with two rows each.
sub begin
{
	return $t->start_job(
		source => 'source', server => 'api', path => '/items', input => ['txt'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target',
		write_mode => 'upsert', batch_size => 2, concurrency => 20, @_);
}

# What was done, once the job is completed.
sub counts
{
	my ($job) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	return join ' ', map { "$_=$progress->{$_}" } qw(rows_done rows_failed requests retries);
}

sub is_stored
{
	my ($what) = @_;

	is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), '40', "$what: all rows are stored");
	is($t->mock_stats->{repeats}, 0, "$what: no answer is asked for twice");
	$t->sql('TRUNCATE target');
	return;
}

#
# What fails twice, or once, is tried again
#
my @scripts = (
	{ what => 'status 500', script => { fail_first => 2 }, times => 2 },
	{ what => 'status 503', script => { fail_first => 2, status => 503 }, times => 2 },
	{ what => 'cut off', script => { cut_first => 2 }, times => 2 },
	{ what => 'timeout', script => { hang_first => 1 }, times => 1 },
);
for my $case (@scripts)
{
	$t->mock_reset;
	$t->mock_script($case->{script});
	my $retries = 20 * $case->{times};
	my $job = begin();
	is(counts($job), 'rows_done=40 rows_failed=0 requests=' . (20 + $retries) . " retries=$retries",
		"$case->{what}: tried again until it works");
	is($t->sql("SELECT count(*) FROM enrich.failures WHERE job = $job"), '0', "$case->{what}: no failures");
	is($t->sql("SELECT state, error, attempts FROM enrich.buckets WHERE job = $job"),
		'completed||' . (20 + $retries), "$case->{what}: the bucket is completed");
	is_stored($case->{what});
}

# A connection that was in use before and is reset without a byte of an answer:
# there libcurl itself sends the request once more, which is not counted as a retry.
$t->mock_reset;
$t->mock_script({ reset_first => 2 });
my $job = begin();
like(counts($job), qr/^rows_done=40 rows_failed=0 /, 'reset: tried again until it works');
cmp_ok($t->progress($job)->{retries}, '>=', 20, 'reset: retries');
is($t->mock_stats->{resets}, 40, 'reset: each request was, twice');
is_stored('reset');

#
# Full jitter: those that failed together come again at any time up to backoff_base
#
$t->create_server('spread', url => '/items', backoff_base => '1s', backoff_max => '1s');
my (@waits, $apart);
for my $look (1 .. 4)		# a mock that is held up sees some of them at once
{
	@waits = ();
	for (1, 2)
	{
		$t->mock_reset;
		$t->mock_script({ fail_first => 1 });
		# so few are no outage
		$t->wait_job(begin(server => 'spread', path => undef, batch_size => 1, max_rows => 7), 'completed', PATIENCE);
		my @at = map { $_->[0] / 1e6 } @{ $t->mock('GET', '/mock/arrivals') };
		is(scalar(@at), 14, 'jitter: seven requests, twice');
		push @waits, map { $_ - $at[6] } @at[ 7 .. 13 ];
	}
	@waits = sort { $a <=> $b } @waits;
	$apart = grep { $waits[$_] - $waits[ $_ - 1 ] > 0.005 } 1 .. $#waits;
	last if $apart >= 7;
}
cmp_ok($waits[0], '<', 0.6, "jitter: the first comes after $waits[0] s");
cmp_ok($waits[-1], '>', 0.4, "jitter: the last comes after $waits[-1] s");
cmp_ok($waits[-1], '<', 2.5, 'jitter: within backoff_base');
cmp_ok($apart, '>=', 7, 'jitter: they do not come together');
$t->sql('TRUNCATE target');

#
# A server says when to come again
#
$t->mock_reset;
$t->mock_script({ fail_first => 1, status => 503, retry_after => '1' });
$job = begin();
$t->wait_job($job, 'completed', PATIENCE);
is($t->sql("SELECT elapsed >= '1 s' FROM enrich.progress WHERE job = $job"), 't', 'Retry-After is heeded');
is_stored('Retry-After');

#
# max_attempts
#
@scripts = (
	{ what => 'status 500', script => { status => 500, error_body => '{"error": {"message": "out of order"}}' },
		reason => qr/^HTTP status 500: out of order$/, status => 500 },
	{ what => 'reset', script => { reset => 1 }, $t->has_front
		? (reason => qr/502/, status => 502)	# says the front
		: (reason => qr/reset|closed/i, status => '') },
	# where the stream's end comes together with its beginning, libcurl keeps the status to itself
	{ what => 'cut off', script => { cut => 1 }, reason => qr/\w/, status => $t->has_front ? '(200)?' : 200 },
	{ what => 'hanging', script => { hang => 1 }, reason => qr/within 1 s/, status => '' },
	{ what => 'hanging body', script => { hang_body => 1 }, reason => qr/within 1 s/, status => 200 },
	{ what => 'no JSON', script => { bad_json => 1 }, reason => qr/cut off|JSON/, status => 200 },
);
for my $case (@scripts)
{
	$t->mock_reset;
	# only the requests that hold row 7 or row 8, which go together
	$t->mock_script({ %{ $case->{script} }, match => '"row 7"' });
	$job = begin();
	is(counts($job), 'rows_done=38 rows_failed=2 requests=22 retries=2',
		"$case->{what}: given up after max_attempts");
	my @failures = $t->rows("SELECT * FROM enrich.failures WHERE job = $job ORDER BY (key ->> 'id')::int");
	is(join(' ', map { $_->{key}{id} } @failures), '7 8', "$case->{what}: the rows of that request failed");
	is($failures[0]{attempts}, 3, "$case->{what}: attempts");
	like($failures[0]{http_status} // '', qr/^$case->{status}$/, "$case->{what}: http_status");
	like($failures[0]{error}, $case->{reason}, "$case->{what}: reason");
	is($failures[0]{input}, 'row 7', "$case->{what}: input");
	is($t->sql('SELECT count(*) FROM target'), '38', "$case->{what}: the others are stored");

	$t->mock_script;
	is($t->sql("SELECT enrich.retry($job)"), '2', "$case->{what}: retry takes the failed rows");
	is(counts($job), 'rows_done=40 rows_failed=0 requests=23 retries=2', "$case->{what}: retry");
	is($t->sql("SELECT count(*) FROM enrich.failures WHERE job = $job"), '0',
		"$case->{what}: nothing is listed any more");
	is_stored("$case->{what}, retried");
}

#
# What the server's statistics say of all this
#
$t->sql('DROP SERVER api CASCADE');
$t->create_server('api', backoff_base => '10ms', backoff_max => '10ms');
$t->mock_reset;
$t->mock_script({ fail_first => 1 });
$t->wait_job(begin(), 'completed', PATIENCE);
$t->mock_script({ reset_first => 1 });
$t->wait_job(begin(), 'completed', PATIENCE);
is($t->sql('SELECT requests, answers_2xx, answers_5xx, errors, in_flight FROM enrich.servers WHERE server = \'api\''),
	$t->has_front ? '80|40|40|0|0' : '80|40|20|20|0', 'enrich.servers counts answers and errors');

$t->stop;
done_testing();
