# Workers that are canceled, terminated, or die: a cancel pauses the job and loses
# nothing; deaths without progress pause it, too, and only those.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new(conf => "max_connections = 20\nrestart_after_crash = on\n");
my $node = $t->node;

$t->create_server('api');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
CREATE TABLE target (id integer PRIMARY KEY, upper text);
END
$t->halt_at('target', 5);
$t->count_writes('target');

# Starts a job of a hundred requests.
sub begin
{
	my (%parameter) = @_;

	$t->sql('TRUNCATE target, written');
	$t->mock_reset;
	return $t->start_job(
		source => 'source', server => 'api', path => '/items', input => ['txt'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target',
		write_mode => 'insert', bucket_size => 100, batch_size => 10, concurrency => 4, %parameter);
}

# The same, with requests that hang; returns the worker, too.
sub begin_hanging
{
	my $job = begin(@_, concurrency => 0);

	$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'running', PATIENCE);
	$t->mock_script({ hang => 1 });
	$t->sql("SELECT enrich.alter($job, concurrency => 4)");
	return ($job, in_flight($job));
}

# Waits until four requests are in flight, and returns the worker.
sub in_flight
{
	my ($job) = @_;

	return $t->poll_for('requests in flight', sub {
		my $now = $t->progress($job);
		return $now->{in_flight} == 4 && $now->{pids}[0];
	}, PATIENCE);
}

sub release
{
	$t->mock_script;
	$t->mock_release;
	return;
}

sub is_gone
{
	my ($job) = @_;

	$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
	return;
}

sub is_exact
{
	my ($job, $what, $repeats) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("$progress->{rows_done} $progress->{rows_failed}", '1000 0', "$what: all rows are done");
	is($progress->{error}, undef, "$what: nothing is wrong any more");
	is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), '1000', "$what: all rows are stored");
	is($t->sql('SELECT count(*), count(DISTINCT id) FROM written'), '1000|1000', "$what: each once");
	cmp_ok($t->mock_stats->{repeats}, '<=', $repeats // 0, "$what: repeats");
	return;
}

sub is_paused
{
	my ($job, $what) = @_;
	my $progress = $t->wait_job($job, 'paused', PATIENCE);

	is("$progress->{reason}: $progress->{error}", "user: the worker's query was canceled", "$what: the job pauses");
	like($t->row("SELECT hint FROM enrich.jobs WHERE job = $job")->{hint}, qr/enrich\.resume/, "$what: hint");
	return $progress;
}

#
# pg_cancel_backend: while requests are in flight
#
my ($job, $pid) = begin_hanging();
$t->sql("SELECT pg_cancel_backend($pid)");
my $progress = is_paused($job, 'canceled in flight');
is($progress->{pids}[0], $pid, 'the worker waits for what is in flight');
release();
is_gone($job);
is($t->sql('SELECT count(*) FROM target'), 40, '... and stores it');
is($t->mock_stats->{requests}, 4, '... sending nothing more');
$t->sql("SELECT enrich.resume($job)");
is_exact($job, 'canceled in flight');

#
# ... while it stores
#
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)');
$job = begin();
$t->sql('SELECT pg_cancel_backend(' . $t->halted(PATIENCE) . ')');
is_paused($job, 'canceled in a store');
my $sent = $t->mock_stats->{requests};
$holder->query_safe('SELECT pg_advisory_unlock(1)');
is_gone($job);
is($t->sql('SELECT count(*) FROM target'), $sent * 10, '... what it has is stored');
is($t->mock_stats->{requests}, $sent, '... nothing more was sent');
$t->sql("SELECT enrich.resume($job)");
is_exact($job, 'canceled in a store');

# once more, if the store never ends: it leaves at once, and says what it leaves behind
$holder->query_safe('SELECT pg_advisory_lock(1)');
$job = begin();
$t->sql('SELECT pg_cancel_backend(' . $t->halted(PATIENCE) . ')');
is_paused($job, 'canceled twice');
$pid = $t->halted(PATIENCE);
my $position = $t->log_position;
$t->sql("SELECT pg_cancel_backend($pid)");
is_gone($job);
like($t->log_since($position), qr/answers for \d+ rows of job $job of pg_enrich go with their worker/,
	'canceled twice: the log says what is lost');
$sent = $t->mock_stats->{requests};
$holder->quit;
$t->sql("SELECT enrich.resume($job)");
is_exact($job, 'canceled twice', $sent);

#
# ... while it bucketizes
#
$t->sql('CREATE VIEW slow AS SELECT id, txt FROM source WHERE pg_sleep(0.01) IS NOT NULL');
$job = begin(source => 'slow', key => ['id']);
$pid = $t->poll_for('bucketizing', sub {
	my $now = $t->progress($job);
	return $now->{state} eq 'bucketizing' && $now->{pids}[0] }, PATIENCE);
$t->sql("SELECT pg_cancel_backend($pid)");
is_paused($job, 'canceled while bucketizing');
is_gone($job);
$t->sql('CREATE OR REPLACE VIEW slow AS SELECT id, txt FROM source');
$t->sql("SELECT enrich.resume($job)");
is_exact($job, 'canceled while bucketizing');

#
# Starts that end in good order are no crashes, however little they get done
#
$t->create_server('patient', max_attempts => 1000, backoff_base => '10ms', backoff_max => '10ms');
$job = begin(server => 'patient', concurrency => 0);
$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'running', PATIENCE);
$t->mock_script({ reset => 1 });
for (1 .. 5)
{
	my $sent = $t->mock_stats->{requests};
	$t->sql("SELECT enrich.alter($job, concurrency => 4)");
	$t->poll_for('requests that fail', sub { $t->mock_stats->{requests} > $sent }, PATIENCE);
	$t->sql("SELECT enrich.alter($job, concurrency => 0)");
	is_gone($job);
}
is($t->progress($job)->{state}, 'running', 'five workers that left in good order pause nothing');
is($t->sql("SELECT max(starts) FROM enrich.catalog_job_counters WHERE job = $job"), '0', '... as no deaths are counted');
release();
$t->sql("SELECT enrich.alter($job, concurrency => 4)");
is_exact($job, 'five workers');

#
# Deaths, of the worker and of the whole cluster
#
my %end = (
	TERM => sub { $t->sql("SELECT pg_terminate_backend($_[0])") },
	SEGV => sub { $t->crash($_[0], 'SEGV') });
for my $signal (sort keys %end)
{
	# twice, then a store, then twice more: never three without progress
	($job, $pid) = begin_hanging();
	for my $death (1 .. 2)
	{
		$end{$signal}->($pid);
		$pid = $t->poll_for('another worker', sub {
			my $now = $t->progress($job);
			return $now->{in_flight} == 4 && $now->{pids}[0] != $pid && $now->{pids}[0] }, PATIENCE);
	}
	is($t->progress($job)->{state}, 'running', "$signal: two deaths pause nothing");
	$t->mock_script({ hang => 1, match => '"row 99"' });
	$t->mock_release;
	$t->poll("SELECT rows_done >= 900 FROM enrich.progress WHERE job = $job", 't', PATIENCE);
	is($t->sql("SELECT max(starts) FROM enrich.catalog_job_counters WHERE job = $job"), 0, "$signal: progress resets the count");
	$end{$signal}->($pid) if $pid = $t->progress($job)->{pids}[0];
	release();
	is_exact($job, $signal, 16);
}

$t->stop;
done_testing();
