# At the limits of memory: pg_enrich.worker_memory bounds what is received, too, and where the
# system has no more to give, answers are stored all the same, with less at a time.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant MB => 1_000_000;

my $t = EnrichTest->new(conf => "pg_enrich.worker_memory = '64MB'");
$t->create_server('api', max_response_size => '200MB');
$t->sql('CREATE TABLE source AS SELECT i AS id FROM generate_series(1, 32) i; ALTER TABLE source ADD PRIMARY KEY (id)');

# A job for answers of so many bytes each
sub begin
{
	my ($bytes, %option) = @_;
	return $t->start_job(source => 'source', server => 'api', path => "/big?bytes=$bytes", input => ['id'], batch_size => 1,
		results => '$.items[*]', output => '{"value text": "$.value"}', concurrency => 32, %option);
}

# What /proc says of a process, in kB
sub status_of
{
	my ($pid, $field) = @_;
	open my $status, '<', "/proc/$pid/status" or return 0;
	my ($kb) = map { /^$field:\s+(\d+)/ } <$status>;
	return $kb // 0;
}

# Waits for a job; the most private memory, in MB, that its worker was seen with
sub wait_and_watch
{
	my ($job) = @_;
	my $most = 0;

	$t->poll_for('the job to end', sub {
		my $progress = $t->progress($job);
		foreach my $pid (@{ $progress->{pids} })
		{
			my $kb = status_of($pid, 'RssAnon');
			$most = $kb if $kb > $most;
		}
		return $progress->{state} =~ /completed|paused|failed/;
	});
	is($t->progress($job)->{state}, 'completed', 'the job completes');
	return $most / 1024;
}

# A job whose requests are all under way, and answered once its worker may have only so many MB more
sub begin_with_little
{
	my ($more, @job) = @_;

	$t->mock_script({ hang => 1 });
	my $job = begin(@job);
	my $pid = $t->poll_for('requests', sub {
		my $progress = $t->progress($job);
		return $progress->{in_flight} > 0 && $t->mock_stats->{in_flight} == $progress->{in_flight} && $progress->{pids}[0];
	});
	my $limit = (status_of($pid, 'VmSize') + $more * 1024) * 1024;
	system_or_bail('prlimit', '--pid', $pid, "--as=$limit");
	$t->mock('POST', '/mock/reset');
	$t->mock('POST', '/mock/release');
	return $job;
}

#
# Many large answers at once
#
my $job = begin(20 * MB, output => '{"number integer": "$.index"}', path => '/big?bytes=20000000&latency=300');
my $most = wait_and_watch($job);
is($t->sql('SELECT count(*) FROM source WHERE number = 0'), 32, '32 answers of 20 MB in flight at once are received');
is($t->progress($job)->{requests}, 32, 'each once');
cmp_ok($most, '<', 120, 'within worker_memory and an answer') or diag "$most MB";

# compressed, so that nobody knows how long they are
$job = begin(20 * MB, output => '{"number integer": "$.index"}', path => '/big?bytes=20000000&latency=300&gzip=1');
cmp_ok(wait_and_watch($job), '<', 140, '... compressed, too');

# What is held is shown, also while it is being stored
$t->sql('CREATE TABLE halted (id integer PRIMARY KEY, value text)');
$t->halt_at('halted', 1);
my $locker = $t->node->background_psql('postgres');
$locker->query_safe('SELECT pg_advisory_lock(1)');
$job = begin(50 * MB, target => 'halted', where_clause => 'id = 1');
$t->halted;
cmp_ok($t->progress($job)->{memory}, '>=', 45 * MB, 'memory shows an answer that is being stored');
$locker->query_safe('SELECT pg_advisory_unlock(1)');
$t->wait_job($job);
$locker->quit;

#
# Less memory than the settings say
#
$t->sql("ALTER SYSTEM SET pg_enrich.worker_memory = '2GB'; SELECT pg_reload_conf()");
$t->poll('SHOW pg_enrich.worker_memory', '2GB');
$job = begin_with_little(400, 25 * MB, where_clause => 'id <= 16');
wait_and_watch($job);
is($t->sql('SELECT count(*) FROM source WHERE length(value) > 24000000'), 16,
	'16 answers of 25 MB where there is no room for all of them, nor for copies of a few');
my $progress = $t->progress($job);
is("$progress->{requests} $progress->{rows_failed}", '16 0', 'each was asked for once, and no row failed');

# A store that takes more than there is, unless it is of a few rows
$t->sql(<<'END');
CREATE TABLE hungry (id integer PRIMARY KEY, value text);
CREATE FUNCTION devour() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN PERFORM length(string_agg(repeat('x', 60000000), '')) FROM stored; RETURN NULL; END$$;
CREATE TRIGGER devour AFTER INSERT ON hungry REFERENCING NEW TABLE AS stored
	FOR EACH STATEMENT EXECUTE FUNCTION devour();
END
$job = begin_with_little(450, 0, target => 'hungry', batch_size => 16, where_clause => 'id <= 16', path => '/items',
	output => '{"value text": "$.text"}');
wait_and_watch($job);
is($t->sql('SELECT count(*) FROM hungry WHERE value = id::text'), 16, 'a store takes fewer rows where memory runs out');
is($t->progress($job)->{requests}, 1, 'of an answer that was asked for once');

# One row for which there is never enough
$t->sql(<<'END');
CREATE TABLE hungriest (id integer PRIMARY KEY, value text);
CREATE FUNCTION devour_one() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN IF NEW.id = 3 THEN NEW.value = repeat('x', 900000000); END IF; RETURN NEW; END$$;
CREATE TRIGGER devour BEFORE INSERT ON hungriest FOR EACH ROW EXECUTE FUNCTION devour_one();
END
$job = begin_with_little(300, 2 * MB, target => 'hungriest', where_clause => 'id <= 8');
wait_and_watch($job);
is($t->sql('SELECT string_agg(id::text, \' \' ORDER BY id) FROM hungriest'), '1 2 4 5 6 7 8', 'the others are stored');
like($t->sql("SELECT error FROM enrich.failures WHERE job = $job"), qr/^out of memory/, 'it fails, and says why');

$t->stop;
done_testing();
