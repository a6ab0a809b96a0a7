# Errors of the database itself, with answers that were paid for in memory: what
# passes is waited for, and the job says what is wrong meanwhile.  No answer is
# lost, none is asked for twice, and nothing more is paid for before the first
# ones are safe.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new(conf => <<'END');
max_connections = 20
max_locks_per_transaction = 20
END
my $node = $t->node;

$t->create_server('api');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 1000) i;

-- what the target's trigger, or reading the source, raises at the moment
CREATE TABLE trouble (code text);
CREATE FUNCTION raise_trouble() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE found text := (SELECT min(code) FROM trouble);
	BEGIN
		IF found IS NOT NULL THEN RAISE EXCEPTION 'in trouble' USING ERRCODE = found; END IF;
	END$$;
CREATE FUNCTION on_target() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN PERFORM raise_trouble(); RETURN NEW; END$$;
CREATE FUNCTION is_fine(id integer) RETURNS boolean LANGUAGE plpgsql AS
	$$BEGIN IF id = 500 THEN PERFORM raise_trouble(); END IF; RETURN true; END$$;
CREATE VIEW fragile AS SELECT id, txt FROM source WHERE is_fine(id);

CREATE TABLE target (id integer PRIMARY KEY, upper text);
CREATE TRIGGER on_target BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION on_target();
END
$t->count_writes('target');

# Starts a job of a hundred requests, which take a moment.
sub begin
{
	my (%parameter) = @_;

	$t->sql('TRUNCATE target, written');
	$t->mock_reset;
	$t->mock_script({ latency => 20 });
	return $t->start_job(
		source => 'source', server => 'api', path => '/items', input => ['txt'], key => ['id'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target',
		write_mode => 'insert', bucket_size => 100, batch_size => 10, concurrency => 4, %parameter);
}

# Waits until the job says what is wrong, and has nothing in flight.  Adds its hint.
# (Where locks are what is missing, our own query may find none, too.)
sub complains
{
	my ($job, $error) = @_;

	return $t->poll_for("job $job to complain", sub {
		my $now = eval { $t->row("SELECT p.*, j.hint FROM enrich.progress p JOIN enrich.jobs j USING (job) WHERE job = $job") }
			// return 0;
		return ($now->{error} // '') =~ $error && $now->{in_flight} == 0 && $now;
	}, PATIENCE);
}

# The job completes, each row is written once, and no answer was asked for twice.
sub is_exact
{
	my ($job, $what) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("$progress->{rows_done} $progress->{rows_failed}", '1000 0', "$what: all rows are done");
	is($progress->{error}, undef, "$what: nothing is wrong any more");
	is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), '1000', "$what: all rows are stored");
	is($t->sql('SELECT count(*), count(DISTINCT id) FROM written'), '1000|1000', "$what: each once");
	is($t->mock_stats->{repeats}, 0, "$what: no answer is asked for twice");
	return;
}

#
# Errors that may pass, in a store
#
my $position = $t->log_position;
for my $code (qw(53100 08006 57014 25P04 XX000))
{
	$t->sql("INSERT INTO trouble VALUES ('$code')");
	my $job = begin();
	my $progress = complains($job, qr/^in trouble$/);
	is("$progress->{state} $progress->{rows_done}", 'running 0', "$code: the job runs, though nothing can be stored");
	ok($progress->{pids}[0], "$code: its worker lives");
	cmp_ok($t->mock_stats->{requests}, '<', 100, "$code: no more is asked for than was on its way");
	like($progress->{hint}, qr/tries again by itself/, "$code: hint");
	$t->sql('TRUNCATE trouble');
	is_exact($job, $code);
}
my $log = $t->log_since($position);
my $lines = () = $log =~ /LOG:  job \d+ of pg_enrich could not store answers: in trouble/g;
is($lines, 5, 'the log says so once for each');
like($log, qr/HINT:  Make room on the disk\. The job tries again by itself\./, '... with a hint');

#
# A disk that is full: the target's file is a device that always is
#
SKIP:
{
	skip 'there is no /dev/full', 6 if !-c '/dev/full';
	$t->sql('CREATE TABLE tight (id integer PRIMARY KEY, upper text); CHECKPOINT');
	my $file = $node->data_dir . '/' . $t->sql(q{SELECT pg_relation_filepath('tight')});
	rename($file, "$file.aside") && symlink('/dev/full', $file) or die "could not link $file: $!";
	my $job = begin(target => 'tight');
	my $progress = complains($job, qr/No space left on device/);
	is($progress->{state}, 'running', 'disk full: the job waits');
	is($progress->{hint}, 'Check free disk space.', 'disk full: hint');
	cmp_ok($t->mock_stats->{requests}, '<', 100, 'disk full: nothing more is asked for');
	unlink($file) && rename("$file.aside", $file) or die "could not move $file back: $!";
	# a new file: the worker may have the full one open
	$t->sql('TRUNCATE tight');
	is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 1000, 'disk full: goes on when there is room');
	is($t->sql(q{SELECT count(*) FROM tight WHERE upper = 'ROW ' || id}), '1000', 'disk full: all rows are stored');
	is($t->mock_stats->{repeats}, 0, 'disk full: no answer is asked for twice');
}

#
# Out of shared memory for locks: the target has more partitions than there is room for
#
$t->sql(<<'END');
CREATE TABLE wide (id integer PRIMARY KEY, upper text) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE wide_%s PARTITION OF wide FOR VALUES FROM (%s) TO (%s)', i, i * 5 + 1, i * 5 + 6)
	FROM generate_series(0, 199) i \gexec
CREATE FUNCTION use_up_locks(spare integer) RETURNS integer LANGUAGE plpgsql AS $$
	DECLARE taken integer := 0;
	BEGIN
		LOOP
			BEGIN
				PERFORM pg_advisory_lock(i) FROM generate_series(taken + 1, taken + 10) i;
			EXCEPTION WHEN out_of_memory THEN EXIT;
			END;
			taken := taken + 10;
		END LOOP;
		PERFORM pg_advisory_unlock(i) FROM generate_series(taken - spare + 1, taken) i;
		RETURN taken;
	END$$;
END
my $greedy = $node->background_psql('postgres');
cmp_ok($greedy->query_safe('SELECT use_up_locks(250)'), '>', 500, 'locks are used up');
my $job = begin(target => 'wide', bucket_size => 1000, batch_size => 1000);
my $progress = complains($job, qr/^out of shared memory$/);
is($progress->{state}, 'running', 'out of shared memory: the job waits');
like($progress->{hint}, qr/max_locks_per_transaction/, 'out of shared memory: hint');
$greedy->quit;
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 1000, 'out of shared memory: goes on');
is($t->sql(q{SELECT count(*) FROM wide WHERE upper = 'ROW ' || id}), '1000', 'out of shared memory: all rows are stored');
is($t->mock_stats->{repeats}, 0, 'out of shared memory: no answer is asked for twice');

# ... or none is left at all, and answers take a transaction to read
$greedy = $node->background_psql('postgres');
$t->mock_reset;
$job = begin(results => '$.items[*] ? (@.index >= 0)', concurrency => 0);
$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'running', PATIENCE);
$t->mock_script({ hang => 1 });
$t->sql("SELECT enrich.alter($job, concurrency => 4)");
$t->poll("SELECT in_flight FROM enrich.progress WHERE job = $job", 4, PATIENCE);
$position = $t->log_position;
# Who ends a session, or a transaction that was begun before, leaves room.  (The function
# beneath pg_stat_activity takes no locks, of which there are none.)
$t->poll_for('all locks', sub {
	my $taken = $greedy->query_safe('SELECT use_up_locks(0)');
	my $others = $greedy->query_safe(q{SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE pid <> pg_backend_pid()
		AND (backend_type = 'client backend' OR xact_start IS NOT NULL)});
	return $others eq '0' && $greedy->query_safe('SELECT use_up_locks(0)') eq $taken }, PATIENCE);
$t->mock_script;
$t->mock_release;
$t->poll_for('the log to tell', sub {
	$t->log_since($position) =~ /LOG:  job $job of pg_enrich could not read answers: out of shared memory/ }, PATIENCE);
$greedy->quit;
is_exact($job, 'no transaction to be had');

#
# Errors while bucketizing: it is begun again, and nothing is sent before
#
$t->sql("INSERT INTO trouble VALUES ('53200')");
$job = begin(source => 'fragile');
$progress = complains($job, qr/^in trouble$/);
like($progress->{state}, qr/^(queued|bucketizing)$/, 'bucketizing: the job waits');
$t->sql('TRUNCATE trouble');
is_exact($job, 'bucketizing');

$t->sql("INSERT INTO trouble VALUES ('53100')");
$job = begin(source => 'fragile');
$progress = $t->wait_job($job, 'paused', PATIENCE);
is($progress->{reason}, 'crash', 'bucketizing that fills the disk three times pauses the job');
like($progress->{error}, qr/3 times.*in trouble/, '... and says why');
is($t->mock_stats->{requests}, 0, '... having sent nothing');
$t->sql('TRUNCATE trouble');
$t->sql("SELECT enrich.resume($job)");
is_exact($job, 'resumed with room on the disk');

#
# Loading rows
#
$job = begin(concurrency => 0);
$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'running', PATIENCE);
my $locker = $node->background_psql('postgres');
$locker->query_safe("BEGIN; LOCK TABLE enrich_staging.job_$job");
$t->sql("SELECT enrich.alter($job, concurrency => 4)");
$t->poll("SELECT waiting_for FROM enrich.progress WHERE job = $job", 'lock', PATIENCE);
$locker->quit;
is_exact($job, 'a lock on staging');

$t->stop;
done_testing();
