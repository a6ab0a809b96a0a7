# Many jobs: at once, in several databases, of several owners, with more workers
# than one, and with fewer worker slots than jobs.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new(conf => "max_connections = 60\n");
my $node = $t->node;

sub make_sources
{
	my (%option) = @_;

	$t->sql(<<'END', %option);
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 20000) i;
END
	return;
}

sub begin
{
	my ($target, %parameter) = @_;

	return $t->start_job(
		source => 'source', server => 'api', path => '/items', input => ['txt'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => $target,
		write_mode => 'insert', %parameter);
}

$t->create_server('api');
make_sources();

#
# Twenty jobs at once, each with a worker and two requests in flight
#
$t->mock_script({ hang => 1 });
my @jobs = map { begin("target_$_", batch_size => 5, max_rows => 100, concurrency => 2) } 1 .. 20;
$t->poll_for('40 requests in flight', sub { $t->mock_stats->{in_flight} == 40 }, PATIENCE);
is($t->sql(<<'END'), '20|20|40', 'each has a worker of its own');
SELECT count(*), count(DISTINCT pids[1]), sum(in_flight) FROM enrich.progress
WHERE state = 'running' AND cardinality(pids) = 1 AND in_flight = 2
END
$t->mock_script;
$t->mock_release;
$t->wait_job($_, 'completed', PATIENCE) for @jobs;
is($t->sql('SELECT sum(rows_done), sum(rows_failed), sum(requests) FROM enrich.progress'),
	'2000|0|400', 'twenty jobs at once: all rows are done');
is($t->sql(join ' UNION ALL ', map { "SELECT count(*) FROM target_$_ WHERE upper = 'ROW ' || id" } 1 .. 20),
	join("\n", (100) x 20), 'twenty jobs at once: all rows are stored');
$t->poll(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'}, '0', PATIENCE);

#
# Several workers for one job
#
$t->sql(<<'END');
CREATE TABLE shared (id integer PRIMARY KEY, upper text);
END
$t->count_writes('shared');

sub is_exact
{
	my ($job, $what, $repeats) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("$progress->{rows_done} $progress->{buckets_done}", '20000 200', "$what: all rows are done");
	is($t->sql('SELECT count(*), count(DISTINCT id) FROM written'), '20000|20000',
		"$what: every row is written once");
	is($t->sql(q{SELECT count(*) FROM shared WHERE upper = 'ROW ' || id}), '20000',
		"$what: every row has its answer");
	cmp_ok($t->mock_stats->{repeats}, '<=', $repeats, "$what: repeats");
	$t->sql('TRUNCATE shared, written');
	return;
}

$t->mock_reset;
$t->mock_script({ latency => '10-30' });
my $job = begin('shared', workers => 3, batch_size => 10, bucket_size => 100, concurrency => 30);
$t->poll_for('three workers', sub { $t->pids($job) == 3 }, PATIENCE);
is_exact($job, 'three workers', 0);
# Of libmicrohttpd 1.0.10 the mock learns late that an answer is sent, and may count some requests
# too many; were the cap each worker's own, there would be 90.
cmp_ok($t->mock_stats->{max_in_flight}, '<=', 36, 'three workers share the cap of their job');
is($t->sql("SELECT count(*) FROM enrich.catalog_job_counters WHERE job = $job AND rows_done > 0"), '3',
	'three workers: each did its part');

$t->mock_reset;
$t->mock_script({ latency => '10-30', hang => 1, match => '"row 20000"' });
$job = begin('shared', workers => 3, batch_size => 10, bucket_size => 100, concurrency => 30);
$t->poll_for('some progress', sub { $t->progress($job)->{rows_done} > 2000 && $t->pids($job) == 3 }, PATIENCE);
my @pids = $t->pids($job);
$t->sql("SELECT pg_terminate_backend($pids[1])");
$t->mock_script({ latency => '10-30' });
$t->mock_release;
is_exact($job, 'one of three workers terminated', 30);
ok((grep { $_ == $pids[0] || $_ == $pids[2] } @pids) == 2, 'the others went on');

#
# Three databases
#
my @databases = qw(postgres second third);
for my $database (@databases)
{
	next if $database eq 'postgres';
	$t->sql("CREATE DATABASE $database");
	$t->sql('CREATE EXTENSION pg_enrich', database => $database);
	$t->create_server('api', database => $database);
	make_sources(database => $database);
}
$t->mock_reset;
$t->mock_script({ hang => 1 });
my %job_in = map { $_ => begin('far', -database => $_, max_rows => 1000, concurrency => 2) } @databases;
$t->poll_for('six requests in flight', sub { $t->mock_stats->{in_flight} == 6 }, PATIENCE);
is($t->sql("SELECT count(*) FROM enrich.progress WHERE in_flight > 0", database => $_), '1',
	"$_: one job is seen") for @databases;
$t->mock_script;
$t->mock_release;
for my $database (@databases)
{
	my $progress = $t->wait_job($job_in{$database}, 'completed', PATIENCE, database => $database);
	is($progress->{rows_done}, 1000, "$database: all rows are done");
}

#
# Three owners: each sees and steers its own jobs, and no others
#
$t->sql('CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
for my $owner (qw(anna berta))
{
	$t->sql("CREATE ROLE $owner LOGIN");
	$t->create_server("api_$owner");
	$t->sql(<<"END");
GRANT USAGE ON FOREIGN SERVER api_$owner TO $owner;
CREATE SCHEMA AUTHORIZATION $owner;
CREATE TABLE $owner.source AS SELECT id, txt FROM source WHERE id <= 100;
ALTER TABLE $owner.source ADD PRIMARY KEY (id), ADD upper text, OWNER TO $owner;
END
}
$t->mock_reset;
$t->mock_script({ match => '"row 77"', status => 422, error_body => 'no seventy-sevens' });
my %job_of = map {
	$_ => $t->start_job(-role => $_, source => "$_.source", server => "api_$_", path => '/items',
		input => ['txt'], results => '$.items[*]', output => { upper => '$.upper' }, batch_size => 1)
} qw(anna berta);
$t->wait_job($_, 'completed', PATIENCE) for values %job_of;
is($t->sql('SELECT rolname FROM pg_roles r JOIN enrich.catalog_job j ON j.owner = r.oid ' .
	"WHERE job = $job_of{anna}"), 'anna', 'a job belongs to the role that starts it');

for my $owner (qw(anna berta))
{
	for my $view (qw(jobs progress buckets failures))
	{
		is($t->sql("SELECT DISTINCT job FROM enrich.$view", role => $owner), $job_of{$owner},
			"$owner sees only its own job in enrich.$view");
	}
	is($t->sql('SELECT server, requests FROM enrich.servers', role => $owner), "api_$owner|100",
		"$owner sees only its server in enrich.servers");
}
my %count = map { $_ => $t->sql("SELECT count(*) FROM enrich.$_") } qw(jobs progress buckets failures servers);
is($t->sql("SELECT count(*) FROM enrich.$_", role => 'watcher'), $count{$_},
	"pg_monitor sees all of enrich.$_") for sort keys %count;

my $theirs = $job_of{berta};
for my $call ("pause($theirs)", "resume($theirs)", "cancel($theirs)", "retry($theirs)",
	"alter($theirs, concurrency => 1)", "drop($theirs)")
{
	like($t->sql_error("SELECT enrich.$call", role => 'anna'), qr/42704: job $theirs does not exist/,
		"another's job does not exist: $call");
	like($t->sql_error("SELECT enrich.$call", role => 'watcher'), qr/42501: permission denied for job $theirs/,
		"a monitor only watches: $call");
}
like($t->sql_error("CALL enrich.wait($theirs)", role => 'anna'), qr/does not exist/,
	"another's job does not exist: wait");
for my $table (map { "catalog_$_" } qw(job bucket failure job_counters partition))
{
	like($t->sql_error("SELECT FROM enrich.$table", role => 'anna'), qr/42501/,
		"enrich.$table is closed");
}
is($t->sql("SELECT enrich.retry($theirs)", role => 'berta'), '1', 'the owner may steer it');
$t->wait_job($theirs, 'completed', PATIENCE);

#
# Fewer slots than jobs: they wait their turn
#
$t->sql('ALTER SYSTEM SET max_worker_processes = 6');
$node->restart;
my $position = $t->log_position;
$t->mock_reset;
$t->mock_script({ hang => 1 });
@jobs = map { begin("late_$_", batch_size => 10, max_rows => 100) } 1 .. 12;
my $list = join ', ', @jobs;
$t->poll_for('the slots to be used up', sub {
	$t->sql("SELECT count(*) FROM enrich.progress WHERE job IN ($list) AND waiting_for = 'slot'") >= 8 },
	PATIENCE);
cmp_ok($t->sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'}), '>=', 2,
	'as many as can run do run');
like($t->sql("SELECT DISTINCT waiting_for FROM enrich.jobs WHERE job IN ($list) AND waiting_for IS NOT NULL"),
	qr/^slot$/, 'enrich.jobs tells, too');
my $said = () = $t->log_since($position) =~ /waits for a free background worker slot/g;
is($said, 1, 'the log says so, once');
like($t->log_since($position), qr/HINT:.*max_worker_processes/, 'with a hint');
$t->mock_script;
$t->mock_release;
$t->wait_job($_, 'completed', PATIENCE) for @jobs;
is($t->sql("SELECT sum(rows_done), sum(rows_failed) FROM enrich.progress WHERE job IN ($list)"), '1200|0',
	'all had their turn');

$t->stop;
done_testing();
