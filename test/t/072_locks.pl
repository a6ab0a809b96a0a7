# Locks that others hold: answers wait in memory while requests go on, within a
# bound; nothing deadlocks for good, and in the end all is stored exactly once.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new(conf => "max_connections = 20\n");
my $node = $t->node;

$t->create_server('api');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
CREATE VIEW backwards AS SELECT id, txt FROM source ORDER BY id DESC;
CREATE TABLE target (id integer PRIMARY KEY, upper text);
END
$t->count_writes('target');

# Starts a job of a hundred requests.
sub begin
{
	my (%parameter) = @_;

	return $t->start_job(
		source => 'source', server => 'api', path => '/items', input => ['txt'], key => ['id'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target',
		write_mode => 'upsert', bucket_size => 100, batch_size => 10, concurrency => 4, %parameter);
}

sub reset_all
{
	$t->sql('TRUNCATE target, written');
	$t->mock_reset;
	return;
}

sub is_exact
{
	my ($job, $what) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("$progress->{rows_done} $progress->{rows_failed}", '1000 0', "$what: all rows are done");
	is($progress->{error}, undef, "$what: nothing is wrong");
	is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), '1000', "$what: all rows are stored");
	is($t->mock_stats->{repeats}, 0, "$what: no answer is asked for twice");
	return;
}

# All that the job wants to know is answered, and none of it can be stored.
sub is_held_up
{
	my ($job) = @_;

	$t->poll_for('all requests, whatever is locked', sub { $t->mock_stats->{requests} == 100 }, PATIENCE);
	$t->poll("SELECT waiting_for FROM enrich.progress WHERE job = $job AND in_flight = 0", 'lock', PATIENCE);
	return;
}

# Waits for two more tries of a store that waits for a lock.
sub two_tries
{
	my $tries = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker' AND wait_event_type = 'Lock'";

	for (1, 2)
	{
		$t->poll($tries, '1', PATIENCE);
		$t->poll($tries, '0', PATIENCE);
	}
	return;
}

sub is_written
{
	my ($times, $what) = @_;

	is($t->sql('SELECT count(*), count(DISTINCT id) FROM written'), 1000 * $times . '|1000', "$what: written $times times");
	return;
}

#
# A row of the target is locked, and so is a row of the source in the middle
#
reset_all();
$t->sql(q{INSERT INTO target SELECT id, 'old' FROM source; TRUNCATE written});
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; UPDATE target SET upper = upper WHERE id = 500');
my $job = begin();
is_held_up($job);
my @pids = $t->pids($job);
is($t->sql("SELECT rows_done < 1000, error FROM enrich.progress WHERE job = $job"), 't|', 'its answers wait');
$locker->query_safe('COMMIT');
is_exact($job, 'a locked row');
is($t->sql('SELECT count(*), count(DISTINCT id) FROM written WHERE id <> 500'), '999|999', 'a locked row: each is written once');

# the worker is steered meanwhile
reset_all();
$locker->query_safe('BEGIN; LOCK TABLE target IN EXCLUSIVE MODE');
$job = begin();
is_held_up($job);
$t->sql("SELECT enrich.pause($job)");
is($t->sql("SELECT pids <> '{}' FROM enrich.progress WHERE job = $job"), 't', 'paused, the worker keeps the answers');
$locker->query_safe('COMMIT');
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
is($t->sql('SELECT count(*) FROM target'), 1000, '... and stores them when it can');
$t->sql("SELECT enrich.resume($job)");
is_exact($job, 'paused behind a lock');
is_written(1, 'paused behind a lock');

reset_all();
$locker->query_safe('BEGIN; LOCK TABLE target IN EXCLUSIVE MODE');
$job = begin();
is_held_up($job);
$t->sql("SELECT enrich.cancel($job)");
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
is($t->progress($job)->{state}, 'canceled', 'canceled behind a lock');
$locker->query_safe('COMMIT');

#
# Answers do not pile up beyond the memory limit
#
reset_all();
$t->sql(q{ALTER SYSTEM SET pg_enrich.worker_memory = '16MB'; SELECT pg_reload_conf()});
$t->sql('ALTER TABLE target ADD value text');
$t->poll('SHOW pg_enrich.worker_memory', '16MB', PATIENCE);
$locker->query_safe('BEGIN; LOCK TABLE target IN EXCLUSIVE MODE');
$job = begin(path => '/big?bytes=2000000', batch_size => 1, output => { 'value text' => '$.value' });
$t->poll("SELECT waiting_for FROM enrich.progress WHERE job = $job", 'lock', PATIENCE);
two_tries();
my $sent = $t->mock_stats->{requests};
cmp_ok($sent, '>=', 4, 'requests go on ...');
cmp_ok($sent, '<=', 20, '... until so much memory is used');
two_tries();
is($t->mock_stats->{requests}, $sent, '... and no further');
$t->sql("SELECT enrich.cancel($job)");
$locker->query_safe('COMMIT');
$t->sql('ALTER SYSTEM RESET pg_enrich.worker_memory; SELECT pg_reload_conf()');
$t->sql('ALTER TABLE target DROP value');

#
# Two jobs, with two workers each, upsert the same rows in opposite order
#
$t->sql(<<'END');
-- so slowly that they meet
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN PERFORM pg_sleep(0.0005); RETURN NEW; END$$;
CREATE TRIGGER dawdle AFTER INSERT OR UPDATE ON target FOR EACH ROW EXECUTE FUNCTION dawdle();
END
for my $timeout ('1s', '10ms')
{
	reset_all();
	$t->sql("ALTER SYSTEM SET deadlock_timeout = '$timeout'; SELECT pg_reload_conf()");
	my @jobs = map { begin(source => $_, workers => 2, concurrency => 40, max_rows => 1000) } qw(source backwards);
	for my $each (@jobs)
	{
		my $progress = $t->wait_job($each, 'completed', PATIENCE);
		is("$progress->{rows_done} $progress->{rows_failed}", '1000 0', "opposite order, deadlock_timeout $timeout: all rows are done");
	}
	is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), '1000', '... and stored');
	is_written(2, '...');
	cmp_ok($t->mock_stats->{requests}, '<=', 200, '... each asked for once');
}
$t->sql('DROP TRIGGER dawdle ON target');

#
# An open transaction that has steered the job holds up nothing
#
reset_all();
$t->mock_script({ latency => 5 });
$job = begin(concurrency => 0);
$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'running', PATIENCE);
$t->sql("SELECT enrich.alter($job, concurrency => 1)");
$t->poll("SELECT rows_done > 0 FROM enrich.progress WHERE job = $job", 't', PATIENCE);
$locker->query_safe("BEGIN; SELECT enrich.pause($job)");
my $other = begin(max_rows => 10);
is($t->wait_job($other, 'completed', PATIENCE)->{rows_done}, 10, 'another job goes on');
$t->poll("SELECT rows_done FROM enrich.progress WHERE job = $job", '1000', PATIENCE);
pass('and so does the job itself, until there is but its end to write');
$locker->query_safe('ROLLBACK');
is($t->wait_job($job, 'completed', PATIENCE)->{error}, undef, 'it completes');

#
# A job that is dropped while its worker is about to begin
#
reset_all();
my $position = $t->log_position;
$locker->query_safe('BEGIN; LOCK TABLE enrich.catalog_job_counters IN SHARE MODE');
$job = begin();
$t->poll(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker' AND wait_event_type = 'Lock'}, '1', PATIENCE);
$locker->query_safe("SELECT enrich.cancel($job), enrich.drop($job); COMMIT");
$t->poll(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'}, '0', PATIENCE);
unlike($t->log_since($position), qr/terminated by signal/, 'a job that is dropped before it began: its worker leaves in good order');
is($t->sql('SELECT count(*) FROM target'), 0, '... and did nothing');
$locker->quit;

$t->stop;
done_testing();
