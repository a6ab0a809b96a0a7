# The end of a job that replaces its target's rows: paused, refused or canceled just then,
# nothing that was collected is lost, and the job says what is the matter.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new(conf => "max_connections = 20\n");
my $session = $t->node->background_psql('postgres');

$t->create_server('api', url => '/items', results => '$.items[*]');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 50) i;
CREATE TABLE target (id integer PRIMARY KEY, upper text);
END

# Starts a job whose last request hangs, on a target with an old row.
sub begin
{
	$t->sql("TRUNCATE target CASCADE; INSERT INTO target VALUES (-1, 'old')");
	$t->mock_reset;
	$t->mock_script({ hang => 1, match => '"row 50"' });
	my $job = $t->start_job(
		source => 'source', server => 'api', input => ['txt'], output => { upper => '$.upper' },
		target => 'target', write_mode => 'overwrite', bucket_size => 10, concurrency => 5);
	$t->poll("SELECT rows_done FROM enrich.progress WHERE job = $job", '40', PATIENCE);
	return $job;
}

sub release
{
	$t->mock_script;
	$t->mock_release;
	return;
}

# The job is paused, its target is as it was, and all answers are kept.
sub is_paused
{
	my ($job, $reason, $error, $what) = @_;
	my $progress = $t->wait_job($job, 'paused', PATIENCE);

	is($progress->{reason}, $reason, "$what: the job is paused");
	like($progress->{error} // '', $error, "$what: with an error that says why");
	$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
	is("@$progress{qw(rows_done rows_failed buckets_done)}", '50 0 5', "$what: all answers are kept");
	is($t->sql('SELECT string_agg(upper, $$,$$) FROM target'), 'old', "$what: the old rows are there");
	return;
}

sub is_resumed
{
	my ($job, $what) = @_;

	$t->sql("SELECT enrich.resume($job)");
	$t->wait_job($job, 'completed', PATIENCE);
	is($t->sql(q{SELECT count(*), count(*) FILTER (WHERE upper = 'ROW ' || id) FROM target}), '50|50',
		"$what: resumed, all rows are replaced");
	is($t->mock_stats->{repeats}, 0, "$what: nothing is asked for twice");
	$t->poll("SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace", '0', PATIENCE);
	return;
}

#
# A transaction that pauses the job commits when there is but its end to write
#
my $job = begin();
$session->query_safe("BEGIN; SELECT enrich.pause($job)");
release();
$t->poll(q{SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE a.backend_type = 'pg_enrich worker' AND NOT l.granted}, 't', PATIENCE);
is($t->sql("SELECT buckets_done FROM enrich.progress WHERE job = $job"), '5', 'paused at the end: all is done but that');
$session->query_safe('COMMIT');
is_paused($job, 'user', qr/^$/, 'paused at the end');
is_resumed($job, 'paused at the end');

#
# A collected row that the target does not take
#
$t->sql(q{TRUNCATE target; ALTER TABLE target ADD CONSTRAINT not_that CHECK (upper <> 'ROW 7')});
$job = begin();
my $position = $t->log_position;
release();
is_paused($job, 'configuration', qr/violates check constraint "not_that"/, 'a constraint');
like($t->sql("SELECT hint FROM enrich.jobs WHERE job = $job"), qr/enrich\.resume/, 'a constraint: hint');
my $complaints = () = $t->log_since($position) =~ /could not finish: .*not_that/g;
is($complaints, 1, 'a constraint: that is tried once');
$t->sql('ALTER TABLE target DROP CONSTRAINT not_that');
is_resumed($job, 'a constraint');

# ... or that only the end of the transaction would refuse
$t->sql(<<'END');
CREATE TABLE referring (id integer REFERENCES target DEFERRABLE INITIALLY DEFERRED);
END
$job = begin();
$t->sql('INSERT INTO referring VALUES (-1)');
release();
is_paused($job, 'configuration', qr/violates foreign key constraint/, 'a deferred constraint');
$t->sql('DROP TABLE referring');
is_resumed($job, 'a deferred constraint');

#
# pg_cancel_backend while the rows are replaced
#
$t->halt_at('target', 5);
$job = begin();
$session->query_safe('SELECT pg_advisory_lock(1)');
release();
$t->sql('SELECT pg_cancel_backend(' . $t->halted(PATIENCE) . ')');
is_paused($job, 'user', qr/canceled/, 'canceled');
$session->query_safe('SELECT pg_advisory_unlock(1)');
is_resumed($job, 'canceled');

$session->quit;
$t->stop;
done_testing();
