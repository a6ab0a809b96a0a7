# Ending a job, a worker, the extension, a database or the server takes no time,
# however long the API takes; pausing lets finish what is in flight.

use strict;
use warnings;

use EnrichTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant IN_FLIGHT => 50;
use constant PATIENCE => 30;
use constant AT_ONCE => 2;		# seconds

my $t = EnrichTest->new(conf => "max_connections = 40\n");
my $node = $t->node;

my $tables = <<'END';
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 5000) i;
CREATE TABLE target (id integer PRIMARY KEY, upper text);
END
$t->sql($tables);
$t->create_server('api');

# Starts a job on the empty target, of 500 requests.
sub begin
{
	my (%parameter) = @_;
	my %where = map { $_ => $parameter{$_} } grep { /^-/ } keys %parameter;

	$t->sql('TRUNCATE target', database => $where{-database});
	return $t->start_job(
		source => 'source', server => 'api', path => '/items', input => ['txt'],
		results => '$.items[*]', output => { upper => '$.upper' }, target => 'target',
		write_mode => 'insert', bucket_size => 100, batch_size => 10, concurrency => IN_FLIGHT,
		%parameter);
}

# Starts a job whose requests hang, and waits until as many as may be are in flight.
sub begin_hanging
{
	$t->mock_reset;
	$t->mock_script({ hang => 1 });
	my $job = begin(@_);
	$t->poll_for('requests in flight', sub { $t->mock_stats->{in_flight} == IN_FLIGHT }, PATIENCE);
	return $job;
}

# Runs a function, and tells whether that and what it brings about were quick.
sub is_quick
{
	my ($what, $action, $brought_about) = @_;
	my $began = time();

	$action->();
	$t->poll_for($what, $brought_about, PATIENCE) if $brought_about;
	my $took = time() - $began;
	cmp_ok($took, '<', AT_ONCE, sprintf('%s takes %.2f s', $what, $took));
	return;
}

sub nothing_in_flight { return $t->mock_stats->{in_flight} == 0; }

sub all_are_stored
{
	my ($job, $what) = @_;

	my $progress = $t->wait_job($job, 'completed', PATIENCE);
	is("$progress->{rows_done} $progress->{rows_failed}", '5000 0', "$what: all rows are done");
	is($t->sql('SELECT count(*), count(upper) FROM target'), '5000|5000', "$what: all rows are stored");
	return;
}

#
# While all requests hang: terminate, cancel
#
my $job = begin_hanging();
my ($pid) = $t->pids($job);
is_quick('terminating a worker', sub { $t->sql("SELECT pg_terminate_backend($pid)") },
	sub { $t->sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0' });
$t->poll_for('the next worker', sub { ($t->pids($job))[0] }, PATIENCE);

is_quick('enrich.cancel', sub { $t->sql("SELECT enrich.cancel($job)") },
	sub { nothing_in_flight() && !$t->pids($job) });
is($t->progress($job)->{state}, 'canceled', 'the job is canceled');
$t->poll(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace},
	'0', PATIENCE);

#
# pg_cancel_backend pauses; the second time the worker leaves at once
#
$job = begin_hanging();
($pid) = $t->pids($job);
is_quick('pg_cancel_backend', sub { $t->sql("SELECT pg_cancel_backend($pid)") },
	sub { $t->progress($job)->{state} eq 'paused' });
is_quick('another pg_cancel_backend', sub { $t->sql("SELECT pg_cancel_backend($pid)") },
	sub { nothing_in_flight() && !$t->pids($job) });
my $progress = $t->wait_job($job, 'paused', PATIENCE);
is($progress->{reason}, 'user', 'pg_cancel_backend pauses the job');
$t->mock_reset;
$t->sql("SELECT enrich.resume($job)");
all_are_stored($job, 'resumed after pg_cancel_backend');

#
# enrich.pause: what is in flight is answered and stored, then the workers go
#
$job = begin_hanging();
$t->sql("SELECT enrich.pause($job)");
is($t->progress($job)->{in_flight}, IN_FLIGHT, 'requests stay in flight after enrich.pause');
is(scalar($t->pids($job)), 1, 'and so does their worker');
is($t->progress($job)->{state}, 'paused', 'while the job is paused');
$t->mock_script;
$t->mock_release;
$t->poll_for('the worker to leave', sub { !$t->pids($job) }, PATIENCE);
is($t->mock_stats->{requests}, IN_FLIGHT, 'nothing new is sent after enrich.pause');
is($t->sql('SELECT count(*) FROM target'), 10 * IN_FLIGHT, 'what was in flight is stored');
is($t->progress($job)->{rows_done}, 10 * IN_FLIGHT, 'and counted');
$t->sql("SELECT enrich.resume($job)");
all_are_stored($job, 'resumed after enrich.pause');
is($t->mock_stats->{repeats}, 0, 'nothing is sent twice after enrich.pause');

#
# An open transaction that steers the job is in nobody's way
#
my $session = $node->background_psql('postgres');
$t->mock_reset;
# One request hangs, so the job is not done before it is paused, however slow this session is
$t->mock_script({ latency => 5, hang => 1, match => 'row 5000' });
$job = begin(concurrency => 0);
$t->wait_job($job, 'running', PATIENCE);
$session->query_safe("BEGIN; SELECT enrich.pause($job)");
is($t->progress($job)->{state}, 'running', 'enrich.pause takes effect at commit');
$session->query_safe("ROLLBACK; BEGIN; SELECT enrich.alter($job, concurrency => 7)");
$session->query_safe('COMMIT');
$session->query_safe("BEGIN; SELECT enrich.pause($job)");
$t->poll_for('stores', sub { $t->progress($job)->{rows_done} > 1000 }, PATIENCE);
is($t->progress($job)->{state}, 'running', 'stores go on while a transaction that pauses the job is open');
$session->query_safe('COMMIT');
$progress = $t->wait_job($job, 'paused', PATIENCE);
is($progress->{reason}, 'user', 'the job is paused at commit');
cmp_ok($progress->{rows_done}, '<', 5000, '... before its end');
$t->mock_script;
$t->mock_release;
$t->sql("SELECT enrich.resume($job)");
all_are_stored($job, 'resumed after an open pause');

#
# A user's lock on a target row: HTTP goes on, what is answered waits for the lock
#
$t->mock_reset;
$t->sql('INSERT INTO target SELECT id FROM source ON CONFLICT DO NOTHING');
$session->query_safe('BEGIN; SELECT id FROM target WHERE id IN (1, 2501) FOR UPDATE');
$t->mock_script({ latency => 5 });
$job = $t->start_job(
	source => 'source', server => 'api', path => '/items', input => ['txt'],
	results => '$.items[*]', output => { upper => '$.upper' }, target => 'target',
	write_mode => 'upsert', bucket_size => 100, batch_size => 10, concurrency => 5);
$t->poll_for('all answers', sub { $t->mock_stats->{requests} == 500 }, PATIENCE);
$t->poll_for('waiting_for to be lock', sub {
	($t->progress($job)->{waiting_for} // '') eq 'lock' }, PATIENCE);
is($t->progress($job)->{state}, 'running', 'HTTP goes on while a store waits for a lock');
is($t->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'
	AND backend_xid IS NOT NULL AND xact_start < now() - interval '1 second'"), '0',
	'no transaction stays open meanwhile');
$session->query_safe('COMMIT');
all_are_stored($job, 'after the lock');
is($t->mock_stats->{repeats}, 0, 'nothing is sent twice because of the lock');
$session->quit;

#
# DROP EXTENSION, DROP DATABASE, a fast shutdown
#
$job = begin_hanging();
($pid) = $t->pids($job);
is_quick('DROP EXTENSION', sub { $t->sql('DROP EXTENSION pg_enrich CASCADE') },
	sub { nothing_in_flight() && $t->sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0' });
is($t->sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'enrich%'"), '0',
	'DROP EXTENSION leaves no schema behind');
$t->sql('CREATE EXTENSION pg_enrich');
$t->create_server('api');

$t->sql('CREATE DATABASE other');
$t->sql("CREATE EXTENSION pg_enrich; $tables", database => 'other');
$t->create_server('api', database => 'other');
$job = begin_hanging(-database => 'other');
is_quick('DROP DATABASE', sub { $t->sql('DROP DATABASE other WITH (FORCE)') }, \&nothing_in_flight);

my $position = $t->log_position;
$job = begin_hanging();
is_quick('a fast shutdown', sub { $node->stop('fast') }, \&nothing_in_flight);
unlike($t->log_since($position), qr/PANIC|terminated by signal/, 'the shutdown is clean');
$t->mock_reset;
$node->start;
all_are_stored($job, 'after the shutdown');

$t->stop;
done_testing();
