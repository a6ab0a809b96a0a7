# Steering and watching jobs: notifications, pg_stat_activity, enrich.wait, pauses
# by failures, retries, autostart, retention, and copies of a database.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant PATIENCE => 30;

my $t = EnrichTest->new(conf => "max_connections = 40\n");
my $node = $t->node;
my $table = <<'END';
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 100) i;
END

$t->create_server('api');
$t->sql($table);

# Starts a job of a hundred requests.
sub start_sql
{
	return $t->start_sql(
		source => 'source', server => 'api', path => '/items', input => ['txt'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target',
		batch_size => 1, @_);
}

sub begin { return $t->sql(start_sql(@_)); }

sub begin_hanging
{
	$t->mock_reset;
	$t->mock_script({ hang => 1 });
	my $job = begin(@_);
	$t->poll_for('requests in flight', sub { $t->progress($job)->{in_flight} == 10 }, PATIENCE);
	return $job;
}

sub release
{
	$t->mock_script;
	$t->mock_release;
	return;
}

#
# Notifications
#
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN enrich');
my $job = begin();
is($t->states_notified($listener, $job, 'completed'), 'queued bucketizing running completed', 'notifications of a plain job');

$job = begin_hanging();
$t->sql("SELECT enrich.pause($job)");
release();
$t->poll_for('the worker to leave', sub { !$t->pids($job) }, PATIENCE);
$t->sql("SELECT enrich.resume($job)");
is($t->states_notified($listener, $job, 'completed'), 'queued bucketizing running paused running completed',
	'notifications of a job that is paused and resumed');

$job = begin_hanging();
$t->sql("BEGIN; SELECT enrich.cancel($job); ROLLBACK");
$t->sql("SELECT enrich.cancel($job)");
is($t->states_notified($listener, $job, 'canceled'), 'queued bucketizing running canceled',
	'notifications of a job that is canceled');

$t->sql('CREATE VIEW broken AS SELECT id, (1 / (id - 50))::text AS txt FROM source');
$job = begin(source => 'broken', key => ['id']);
is($t->states_notified($listener, $job, 'failed'), 'queued bucketizing failed', 'notifications of a job that fails');
like($t->progress($job)->{error}, qr/division by zero/, 'its error');
like($t->sql_error("SELECT enrich.resume($job)"), qr/55000.*it is failed/, 'it cannot be resumed');
$listener->quit;

#
# pg_stat_activity
#
$job = begin_hanging();
my $activity = 'SELECT backend_type, application_name, query, state FROM pg_stat_activity WHERE ';
is($t->row($activity . q{backend_type = 'pg_enrich launcher'})->{backend_type}, 'pg_enrich launcher',
	'one launcher');
$t->poll_for('the worker to tell', sub {
	$t->row($activity . q{backend_type = 'pg_enrich worker'})->{query} =~ /^job $job on source: 10 in flight/ },
	PATIENCE);
my $worker = $t->row($activity . q{backend_type = 'pg_enrich worker'});
is($worker->{application_name}, "pg_enrich job $job", 'application_name of a worker');
is($worker->{state}, 'active', 'state of a worker');

#
# CALL enrich.wait
#
my $began = time();
is($t->sql("CALL enrich.wait($job, '100ms')"), 'running', 'wait ends when its time is up');
cmp_ok(time() - $began, '<', 2, 'soon');
is($t->sql("BEGIN; CALL enrich.wait($job, '100ms'); COMMIT"), 'running', 'the same in a transaction block');
like($t->sql_error("BEGIN ISOLATION LEVEL REPEATABLE READ; CALL enrich.wait($job, '1s')"), qr/25001/,
	'not where commits of others cannot be seen');

my $waiter = $node->background_psql('postgres');
my $waiting = q{FROM pg_stat_activity WHERE query LIKE 'CALL enrich.wait%'};
$waiter->query_until(qr/begun/, "\\echo begun\nCALL enrich.wait($job);\n\\echo ended\n");
$t->poll("SELECT count(*) $waiting", '1', PATIENCE);
$t->poll("SELECT backend_xmin IS NULL $waiting", 't', PATIENCE);
is($t->sql("SELECT count(backend_xmin), count(backend_xid) $waiting"), '0|0', 'wait holds no snapshot')
  for 1 .. 5;
release();
like($waiter->query_until(qr/ended/, ''), qr/completed/, 'wait ends with the job');
$waiter->quit;

is($t->sql("CALL enrich.wait($job)"), 'completed', 'no waiting for a completed job');
my $own = $t->sql_error('BEGIN; ' . start_sql() . " AS job \\gset\nCALL enrich.wait(:job)");
like($own, qr/55000/, 'no waiting for a job of the same transaction');
like($own, qr/HINT:.*COMMIT/, 'with a hint');
like($t->sql_error('CALL enrich.wait(NULL)'), qr/22004/, 'wait for NULL');
like($t->sql_error('CALL enrich.wait(123456)'), qr/42704/, 'wait for what is not there');

#
# Too many failures pause; retry
#
$t->mock_reset;
$t->mock_script({ status => 422, error_body => '{"error": {"message": "no such thing"}}' });
$job = begin(max_failed_rows => 10, concurrency => 1);
is($t->sql("CALL enrich.wait($job, '30s')"), 'paused', 'too many failed rows pause');
my $progress = $t->progress($job);
is($progress->{reason}, 'failures', 'with reason failures');
like($progress->{error}, qr/more than max_failed_rows \(10\)/, 'and an error');
cmp_ok($progress->{rows_failed}, '>', 10, 'after more than max_failed_rows');
cmp_ok($progress->{rows_failed}, '<', 30, 'and not many more');

my $failed = $progress->{rows_failed};
$t->sql("SELECT enrich.resume($job)");
$progress = $t->wait_job($job, 'paused', PATIENCE) while $t->progress($job)->{rows_failed} <= $failed + 10;
$progress = $t->wait_job($job, 'paused', PATIENCE);
is($progress->{reason}, 'failures', 'paused again after as many more');
cmp_ok($progress->{rows_failed}, '>', $failed + 10, 'counted since the resume');

$t->sql("SELECT enrich.alter($job, max_failed_rows => 1000); SELECT enrich.resume($job)");
is($t->wait_job($job, 'completed', PATIENCE)->{rows_failed}, 100, 'completed, all rows failed');
is($t->sql("SELECT count(*), count(DISTINCT key), min(http_status), min(attempts), min(error), min(input)
	FROM enrich.failures WHERE job = $job"), '100|100|422|1|HTTP status 422: no such thing|row 1',
	'enrich.failures tells why');
is($t->sql("SELECT state, http_status, error FROM enrich.buckets WHERE job = $job"),
	'failed|422|HTTP status 422: no such thing', 'enrich.buckets, too');

$t->mock_script({ match => '"row 7"', status => 422 });
is($t->sql("SELECT enrich.retry($job)"), '100', 'retry takes all of them');
is($t->sql("CALL enrich.wait($job, '30s')"), 'completed', 'the job is completed again');
$progress = $t->progress($job);
is("$progress->{rows_done} $progress->{rows_failed}", '99 1', 'all but one are done');
is($t->sql("SELECT key ->> 'id' FROM enrich.failures WHERE job = $job"), '7', 'which is still listed');
$t->mock_script;
is($t->sql("SELECT enrich.retry($job)"), '1', 'retry takes what is left');
$progress = $t->wait_job($job, 'completed', PATIENCE);
is("$progress->{rows_done} $progress->{rows_failed}", '100 0', 'all are done');
is($t->sql("SELECT count(*) FROM target WHERE upper = 'ROW ' || id"), '100', 'and stored');
is($t->sql("SELECT state FROM enrich.buckets WHERE job = $job"), 'completed', 'the bucket is completed');
is($t->sql("SELECT enrich.retry($job)"), '0', 'nothing is left to retry');

#
# A copy of a database does not call out
#
$t->sql('CREATE DATABASE origin');
$t->sql("CREATE EXTENSION pg_enrich; $table", database => 'origin');
$t->create_server('api', database => 'origin');
$t->mock_reset;
$job = $t->sql(start_sql(concurrency => 0), database => 'origin');
$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $job", 'running|{}', PATIENCE, database => 'origin');
$t->poll(q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'origin'}, '0', PATIENCE);
$t->sql('CREATE DATABASE twin TEMPLATE origin');
$t->sql("SELECT enrich.alter($job, concurrency => 5)", database => 'twin');
$progress = $t->wait_job($job, 'paused', PATIENCE, database => 'twin');
is($progress->{reason}, 'copy', 'a job in a copied database is paused');
like($progress->{error}, qr/copy/, 'with an error');
is($t->progress($job, database => 'origin')->{state}, 'running', 'but not the original');
is($t->mock_stats->{requests}, 0, 'the copy calls nothing');
$t->sql("SELECT enrich.resume($job)", database => 'twin');
$progress = $t->wait_job($job, 'completed', PATIENCE, database => 'twin');
is("$progress->{rows_done} " . $t->mock_stats->{requests}, '100 100', 'resumed, it goes on');
is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}, database => 'twin'), '100',
	'and stores its rows in the copy');
is($t->sql('SELECT count(*) FROM target', database => 'origin'), '0', 'there alone');

#
# autostart off: after a start of the server jobs wait
#
$t->sql('ALTER SYSTEM SET pg_enrich.autostart = off; SELECT pg_reload_conf()');
$job = begin_hanging();
my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_enrich launcher'};
my $old = $t->sql($launcher);
$t->sql("SELECT pg_terminate_backend($old)");
$t->poll("SELECT count(*) FROM ($launcher) l WHERE pid <> $old", '1', PATIENCE);
my $other = begin(target => 'other', concurrency => 1);
$t->poll_for('a job after the new launcher', sub { $t->mock_stats->{hangs} == 11 }, PATIENCE);
is($t->progress($job)->{state}, 'running', 'a new launcher is not a start of the server');
$t->mock_script;
$node->restart;
for my $waits ($job, $other)
{
	$progress = $t->wait_job($waits, 'paused', PATIENCE);
	is($progress->{reason}, 'user', 'autostart off: jobs are paused at the start');
	like($progress->{error}, qr/autostart/, 'autostart off: the error says why');
}
$t->wait_job(begin(target => 'third'), 'completed', PATIENCE);
$t->sql("SELECT enrich.resume($job)");
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 100, 'resumed, it goes on');
is($t->progress($other)->{state}, 'paused', 'the other one still waits');

#
# Finished jobs are forgotten after a while, unfinished ones are not
#
$t->sql(q{ALTER SYSTEM SET pg_enrich.job_retention = '1s'; SELECT pg_reload_conf()});
$t->poll('SELECT string_agg(job::text, \' \') FROM enrich.jobs', $other, PATIENCE);
$t->sql("SELECT enrich.resume($other)");
$t->poll('SELECT count(*) FROM enrich.jobs', '0', PATIENCE);
is($t->sql('SELECT count(*) FROM enrich.catalog_bucket'), '0', 'with all that belonged to them');
is($t->sql(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace}), '0',
	'and their staging');

$t->stop;
done_testing();
