# Throttling: a 429 pauses the server for as long as it asks, at no attempt's cost; the
# limit falls by half and climbs back; and what is said meanwhile counts at once.

use strict;
use warnings;

use EnrichTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant PATIENCE => 40;
use constant AT_ONCE => 2;		# seconds

my $t = EnrichTest->new;

# One attempt only: whatever is charged fails.
$t->create_server('api', url => $t->url('/items?latency=50'), max_concurrency => 8, max_attempts => 1,
	backoff_base => '50ms', backoff_max => '400ms');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, CASE WHEN i <= 8 THEN 'early ' ELSE 'row ' END || i FROM generate_series(1, 5000) i;
END

# Starts a job of a request a row.
sub begin
{
	return $t->start_job(
		source => 'source', server => 'api', input => ['txt'], results => '$.items[*]',
		output => { 'upper text' => '$.upper' }, target => 'target', write_mode => 'upsert',
		batch_size => 1, concurrency => 20, @_);
}

sub server
{
	return $t->row(q{SELECT *, extract(epoch FROM paused_until - clock_timestamp()) AS paused_for,
		extract(epoch FROM throttled_for) AS throttled_seconds FROM enrich.servers WHERE server = 'api'});
}

sub waits_for_server
{
	my ($job) = @_;

	$t->poll_for("job $job to wait for the server", sub {
		($t->progress($job)->{waiting_for} // '') eq 'server' }, PATIENCE);
	return;
}

# When requests arrived, in seconds from the first.
sub arrivals
{
	my @at = map { $_->[0] / 1e6 } @{ $t->mock('GET', '/mock/arrivals') };

	return map { $_ - $at[0] } @at;
}

# The longest time without a request, and how many came before it.
sub longest_gap
{
	my @at = arrivals();
	my ($gap, $before) = (0, 0);

	for my $i (1 .. $#at)
	{
		($gap, $before) = ($at[$i] - $at[$i - 1], $i) if $at[$i] - $at[$i - 1] > $gap;
	}
	return ($gap, $before, grep { $_ >= $at[$before] && $_ < $at[$before] + 0.04 } @at);
}

# All rows are done, none failed, and no paid answer was asked for again.
sub all_is_done
{
	my ($job, $rows, $what) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("$progress->{rows_done} $progress->{rows_failed}", "$rows 0", "$what: every row is done, none failed");
	is($t->mock_stats->{repeats}, 0, "$what: no answer is asked for twice");
	return $progress;
}

#
# One episode: eight requests in flight are told to come again in three seconds
#
$t->mock_script({ status => 429, fail_first => 1, match => 'early', retry_after => 3 });
my $job = begin(max_rows => 200);
waits_for_server($job);
my $progress = $t->progress($job);
my $server = server();
is($progress->{in_flight}, 0, 'nothing is in flight during the pause');
is($progress->{effective_concurrency}, 4, 'the limit is halved, once');
is($server->{effective_concurrency}, 4, '... in enrich.servers, too');
is($server->{max_concurrency}, 8, '... whose cap stays');
cmp_ok($server->{paused_for}, '>', 0, 'paused_until is to come');
cmp_ok($server->{paused_for}, '<=', 3.1, '... within those three seconds');
is($server->{throttled}, 8, 'eight answers were throttled');
$progress = all_is_done($job, 200, 'Retry-After');
is($progress->{requests}, 208, 'each request that was throttled went again');
is($progress->{retries}, 8, '... and counts as a retry');
is($t->sql("SELECT throttled BETWEEN '2.8 s' AND '3.5 s' FROM enrich.progress WHERE job = $job"), 't',
	'throttled says how long the job waited');
my ($gap, $before, @burst) = longest_gap();
is($before, 8, 'none was sent before the time was up');
cmp_ok($gap, '>=', 2.95, 'Retry-After is heeded');
cmp_ok($gap, '<', 3.6, '... and not for longer');
cmp_ok(scalar(@burst), '<=', 4, 'no more than the halved limit go at first');
$server = server();
is($server->{effective_concurrency}, 8, 'the limit has climbed back to the cap');
is($server->{paused_until}, undef, 'it is not paused any more');
cmp_ok($server->{throttled_seconds}, '>=', 2.9, 'throttled_for says how long it was');

# The climb, as the job shows it
$t->mock_reset;
$t->mock_script({ status => 429, fail_first => 1, match => 'early', header => 'retry-after-ms: 700' });
$job = begin();
for my $limit (4, 8)
{
	$t->poll("SELECT state, effective_concurrency FROM enrich.progress WHERE job = $job", "running|$limit", PATIENCE);
	pass("enrich.progress shows a limit of $limit");
}
$t->sql("SELECT enrich.cancel($job)");
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);

# Requests of many rows stay as they are
$t->mock_reset;
$t->mock_script({ status => 429, fail_first => 1, header => 'retry-after-ms: 50' });
$progress = all_is_done(begin(max_rows => 1000, batch_size => 50), 1000, 'large requests');
is("@$progress{qw(requests retries)}", '40 20', 'large requests: each went again as it was');
is($t->sql('SELECT count(*) FROM target WHERE upper IS NOT NULL'), 1000, '... with all of its rows');

#
# Other ways to say so
#
my @ways = (
	[ 'x-ratelimit-reset', { status => 429,
			header => "x-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 700ms" }, 0.65, 1.2 ],
	[ 'RateLimit', { status => 429, header => 'RateLimit: "default";r=0;t=1' }, 0.95, 1.6 ],
	[ 'retry-after-ms', { status => 429, header => 'retry-after-ms: 700' }, 0.65, 1.2 ],
	[ 'a date', { status => 429, retry_after => sub { POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time() + 4)) } }, 0.8, 4.6 ],
	[ '503 with Retry-After', { status => 503, retry_after => 1 }, 0.95, 1.6 ],
	[ 'no word on how long', { status => 429 }, 0, 1 ],
);
for my $way (@ways)
{
	my ($what, $script, $least, $most) = @$way;

	# a date is one from when the requests are sent, not from when the job is begun
	my $job = begin(max_rows => 50, concurrency => 0);
	$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'running', PATIENCE);
	$t->mock_reset;
	$t->mock_script({ (map { $_ => ref $script->{$_} ? $script->{$_}->() : $script->{$_} } keys %$script),
		fail_first => 1, match => 'early' });
	$t->sql("SELECT enrich.alter($job, concurrency => 20)");
	all_is_done($job, 50, $what);
	($gap) = longest_gap();
	cmp_ok($gap, '>=', $least, sprintf('%s: waited for (%.2f s)', $what, $gap));
	cmp_ok($gap, '<', $most, "$what: and not for longer");
}

#
# A storm: every second answer is a 429, to several jobs and workers
#
$t->mock_reset;
$t->mock_script({ status => 429, status_every => 2 });
my @jobs = map { begin(where_clause => "id % 10 = $_", workers => 2) } 1 .. 2;
my $stats;
$t->poll_for('a storm', sub { $stats = $t->mock_stats; ($stats->{answers}{429} // 0) >= 40 }, PATIENCE);
cmp_ok($stats->{answers}{200}, '>=', 38, "a storm: among 40 that are throttled $stats->{answers}{200} are done");
cmp_ok(server()->{effective_concurrency}, '<=', 4, 'a storm: the limit stays low');
$t->mock_script;
all_is_done($_, 500, 'storm') for @jobs;
is(server()->{errors}, 0, 'none of it is an error');

#
# What is said during a long pause counts at once
#
sub within
{
	my ($what, $condition) = @_;
	my $began = time();

	$t->poll_for($what, $condition, PATIENCE);
	cmp_ok(time() - $began, '<', AT_ONCE, "$what, at once");
	return;
}

$t->mock_reset;
$t->mock_script({ status => 429, retry_after => 600 });
$job = begin();
waits_for_server($job);
my $other = begin(target => 'other');
waits_for_server($other);
is($t->mock_stats->{requests}, 8, 'another job does not send either');
my $throttled = $t->sql("SELECT throttled FROM enrich.progress WHERE job = $job");
$t->poll("SELECT throttled > '$throttled' + interval '0.5 s' FROM enrich.progress WHERE job = $job", 't', PATIENCE);
pass('throttled grows meanwhile');
$t->sql("SELECT enrich.pause($job)");
within('the job pauses', sub { my $p = $t->progress($job); $p->{state} eq 'paused' && !@{ $p->{pids} } });
is($t->progress($job)->{waiting_for}, undef, 'and waits for nothing');
cmp_ok($t->sql("SELECT extract(epoch FROM throttled) FROM enrich.progress WHERE job = $job"), '>', 0.5,
	'what it has waited is not forgotten');
$t->sql("SELECT enrich.resume($job)");
waits_for_server($job);
$t->sql("SELECT enrich.alter($job, concurrency => 2)");
within('enrich.alter counts', sub { $t->progress($job)->{effective_concurrency} == 2 });
$t->sql(q{ALTER SERVER api OPTIONS (SET max_concurrency '1')});
within('ALTER SERVER counts', sub { $t->progress($job)->{effective_concurrency} == 1 });
cmp_ok(server()->{paused_for}, '>', 500, 'and does not shorten the pause');
$t->sql("SELECT enrich.cancel($other)");
within('the other is canceled', sub { my $p = $t->progress($other); $p->{state} eq 'canceled' && !@{ $p->{pids} } });
is($t->mock_stats->{requests}, 8, 'nothing was sent by all this');
my ($pid) = $t->pids($job);
$t->sql("SELECT pg_terminate_backend($pid)");
within('another worker begins', sub { my @pids = $t->pids($job); @pids && $pids[0] != $pid });
waits_for_server($job);
is($t->mock_stats->{requests}, 8, 'and knows that it must wait');

# Another address is another server.
$t->mock_script;
$t->sql("ALTER SERVER api OPTIONS (SET url '" . $t->url('/items') . "', SET max_concurrency '50')");
within('it goes on at another url', sub { $t->mock_stats->{requests} > 20 });
$t->sql("SELECT enrich.alter($job, concurrency => 50)");
all_is_done($job, 5000, 'after all that');

$t->stop;
done_testing();
