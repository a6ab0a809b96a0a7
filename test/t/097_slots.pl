# Background worker slots, and places for servers in shared memory: what happens when there are
# too few, and who gives them back.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 40;

# Servers that can be in use at a time: SHARED_MAX_SERVERS.
use constant MAX_SERVERS => 256;

# One for the launcher, one for that of logical replication, one for a clerk: leaves four.
my $t = EnrichTest->new(conf => "max_worker_processes = 7\n");

$t->create_server('api', url => '/items');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 3000) i;
END

sub start_sql
{
	return $t->start_sql(
		source => 'source', server => 'api', input => ['txt'], results => '$.items[*]',
		output => { 'upper text' => '$.upper' }, target => 'target', write_mode => 'upsert',
		batch_size => 1, concurrency => 2, max_rows => 100, @_);
}

sub begin
{
	return $t->sql(start_sql(@_));
}

sub has_staging
{
	my ($job) = @_;

	return "SELECT to_regclass('enrich_staging.job_$job') IS NOT NULL";
}

#
# All slots are taken: a clerk still comes
#
my $finished = begin(max_rows => 10);
$t->wait_job($finished, 'completed', PATIENCE);
my $paused = begin(concurrency => 0);
$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $paused", 'running|{}', PATIENCE);
is($t->sql(has_staging($paused)), 't', 'a job has staging, and no worker');

$t->mock_script({ hang => 1 });
my @jobs = map { begin(target => "target_$_") } 1 .. 6;
my $list = join ', ', @jobs;
my $taken = "SELECT count(*) FILTER (WHERE cardinality(pids) = 1 AND in_flight = 2),
	count(*) FILTER (WHERE waiting_for = 'slot' AND pids = '{}') FROM enrich.progress WHERE job IN ($list)";
$t->poll($taken, '4|2', PATIENCE);

$t->sql("SELECT enrich.cancel($paused)");
$t->poll(has_staging($paused), 'f', PATIENCE);
is($t->sql($taken), '4|2', 'all slots are taken: staging of a canceled job is dropped');
$t->sql("ALTER SYSTEM SET pg_enrich.job_retention = '1 s'");
$t->sql('SELECT pg_reload_conf()');
$t->poll("SELECT count(*) FROM enrich.jobs WHERE job = $finished", '0', PATIENCE);
is($t->sql($taken), '4|2', 'all slots are taken: an expired job is forgotten');
$t->sql('ALTER SYSTEM RESET pg_enrich.job_retention');
$t->sql('SELECT pg_reload_conf()');

# Killed, it is replaced, and not by a worker that waits for a slot.
# The one that was here before may just have been called away.
my $clerk = $t->poll_for('a clerk that stands by', sub {
	my $processes = `ps -o pid=,command= --ppid \$(head -1 @{[ $t->node->data_dir ]}/postmaster.pid)`;

	return ($processes =~ /^\s*(\d+) .*pg_enrich clerk/m)[0];
}, PATIENCE);
pass('a clerk stands by');
kill 'TERM', $clerk;
$t->poll_for('its end', sub { !kill 0, $clerk }, PATIENCE);
$t->sql("SELECT enrich.cancel($jobs[-1])");
$t->poll(has_staging($jobs[-1]), 'f', PATIENCE);
pass('another one comes in its place');
pop @jobs;
$list = join ', ', @jobs;
is($t->sql($taken), '4|1', '... and no worker');

# So is one whose launcher has ended.
$t->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_enrich launcher'});
$t->poll_for('the next launcher, and its clerk', sub {
	my @processes = split /\n/, `ps -o command= --ppid \$(head -1 @{[ $t->node->data_dir ]}/postmaster.pid)`;
	return (grep { /pg_enrich launcher/ } @processes) == 1 && (grep { /pg_enrich clerk/ } @processes) == 1;
}, PATIENCE);
is($t->sql($taken), '4|1', 'a launcher that has ended: its jobs go on');

$t->mock_script;
$t->mock_release;
$t->wait_job($_, 'completed', PATIENCE) for @jobs;
pass('all had their turn');

#
# A server that takes no requests: its jobs have no workers, until it takes some
#
my $resting = 'SELECT state, waiting_for, pids, effective_concurrency FROM enrich.progress WHERE job = ';

sub set_cap
{
	my ($change) = @_;

	return "ALTER SERVER api OPTIONS ($change)";
}

$t->mock_script({ latency => 20 });
my @resting = (begin(max_rows => 1000, workers => 2, bucket_size => 100), begin(target => 'second', max_rows => 1000));
$t->poll("SELECT rows_done > 50 FROM enrich.progress WHERE job = $_", 't', PATIENCE) for @resting;
$t->sql(set_cap(q{ADD max_concurrency '0'}));
$t->poll($resting . $_, 'running|cap|{}|0', PATIENCE) for @resting;
is($t->sql("SELECT waiting_for FROM enrich.jobs WHERE job = $resting[0]"), 'cap', 'enrich.jobs tells, too');
my $progress = $t->progress($resting[0]);
is($progress->{rows_done}, $progress->{requests}, 'what was on its way is stored');

# One that begins then bucketizes, and waits.
push @resting, begin(target => 'third', max_rows => 200);
$t->poll($resting . $resting[-1], 'running|cap|{}|0', PATIENCE);
is($t->progress($resting[-1])->{requests}, 0, 'a job that begins then sends nothing');
$t->sql('BEGIN; ' . set_cap(q{SET max_concurrency '5'}) . '; ROLLBACK');
$t->sql(set_cap(q{ADD timeout '50s'}));
$t->poll(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich clerk'}, '0', PATIENCE);
is($t->sql($resting . $_), 'running|cap|{}|0', 'what was rolled back, or is another option, changes nothing') for @resting;
$t->sql(set_cap(q{SET max_concurrency '5'}));
is($t->wait_job($resting[$_], 'completed', PATIENCE)->{rows_done}, (1000, 1000, 200)[$_], 'raised, they go on') for 0 .. 2;

my $job = begin(max_rows => 500);
$t->poll("SELECT rows_done > 20 FROM enrich.progress WHERE job = $job", 't', PATIENCE);
for my $time (1 .. 5)
{
	$t->sql(set_cap(q{SET max_concurrency '0'}));
	$t->sql(set_cap(q{SET max_concurrency '5'}));
}
$t->sql(set_cap('DROP max_concurrency'));
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 500, 'to and fro, it goes on');
$t->stop;

#
# One server more than can be in use: its job waits until another one is done with
#
$t = EnrichTest->new(name => 'many', conf => 'max_worker_processes = ' . (MAX_SERVERS + 20) . "\n");
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 4) i;
END
$t->mock_script({ hang => 1 });
$t->sql(join ";\n", map {
	"CREATE SERVER many_$_ FOREIGN DATA WRAPPER pg_enrich OPTIONS (url '" . $t->url('/items') . "')" } 1 .. MAX_SERVERS + 2);
# one table for all: only servers are to be many
begin(server => 'many_1', concurrency => 1, max_rows => 1);
$t->sql(join ";\n", map { start_sql(server => "many_$_", concurrency => 1, max_rows => 1) } 2 .. MAX_SERVERS);
$t->poll('SELECT count(*) FROM enrich.progress WHERE in_flight = 1', MAX_SERVERS, 120);
my $position = $t->log_position;
my $began = time;
my @late = map { begin(server => 'many_' . (MAX_SERVERS + $_), max_rows => 4) } 1, 2;
for my $job (@late)
{
	$t->poll("SELECT waiting_for, pids FROM enrich.progress WHERE job = $job", 'server|{}', PATIENCE);
	like($t->row("SELECT error, hint FROM enrich.jobs WHERE job = $job")->{error}, qr/^too many servers are in use/,
		'one server more: the job says what it waits for');
}
# Whatever has the launcher look again, it is said once.
for my $time (1 .. 10)
{
	$t->sql("SELECT enrich.alter($late[0], concurrency => $time)");
	$t->poll(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich clerk'}, '0', PATIENCE);
}
my $log = $t->log_since($position);
my $said = () = $log =~ /LOG:  job \d+ of pg_enrich waits for its server: too many are in use/g;
ok($said >= 1 && $said <= 1 + int((time() - $began) / 60), 'the log says so, once a minute')
  or diag "$said times";
unlike($log, qr/ERROR:  too many servers|exited with exit code/, '... and not at every try');
$t->mock_script;
$t->mock_release;
is($t->wait_job($_, 'completed', 120)->{rows_done}, 4, 'it has its turn when others are done') for @late;
is($t->sql(q{SELECT count(*) FROM enrich.jobs WHERE error IS NOT NULL}), '0', 'no error is left');

$t->stop;
done_testing();
