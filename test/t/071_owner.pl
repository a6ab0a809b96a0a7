# What a job's owner may do, and what becomes of the job when that changes: lost
# rights pause it with its paid answers in memory; an owner who cannot connect is
# waited for; the defaults of a role neither break nor redirect its workers.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;
use constant ROWS => 3000;

my $t = EnrichTest->new(conf => "max_connections = 20\n");
my $node = $t->node;
my $major = $node->pg_version->major;

$t->create_server('api');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 3000) i;
GRANT SELECT ON source TO PUBLIC;
GRANT USAGE ON FOREIGN SERVER api TO PUBLIC;
CREATE TABLE written (id integer, by name, state text);
CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		INSERT INTO written VALUES (NEW.id, session_user, concat_ws(' ', current_setting('transaction_isolation'),
			current_setting('transaction_read_only'), current_setting('role'), current_setting('DateStyle')));
		RETURN NULL;
	END$$;
END
$t->sql("CREATE ROLE $_ LOGIN; GRANT CREATE ON SCHEMA public TO $_") for qw(anna carl dora other);

sub make_target
{
	$t->sql(<<'END');
DROP TABLE IF EXISTS target;
CREATE TABLE target (id integer PRIMARY KEY, upper text);
GRANT SELECT, INSERT ON target TO PUBLIC;
CREATE TRIGGER note_write AFTER INSERT ON target FOR EACH ROW EXECUTE FUNCTION note_write();
END
	return;
}

# Starts a job of three hundred requests.
sub begin
{
	my (%parameter) = @_;

	make_target();
	$t->sql('TRUNCATE written');
	$t->mock_reset;
	return $t->start_job(-role => 'anna',
		source => 'source', server => 'api', path => '/items', input => ['txt'], results => '$.items[*]',
		output => { 'upper text' => '$.upper' }, target => 'target', write_mode => 'insert',
		bucket_size => 100, batch_size => 10, concurrency => 4, %parameter);
}

# The same, with requests that hang.
sub begin_hanging
{
	my (%parameter) = @_;
	my $job = begin(%parameter, concurrency => 0);

	$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'running', PATIENCE);
	$t->mock_script({ hang => 1 });
	$t->sql("SELECT enrich.alter($job, concurrency => 4)");
	$t->poll_for('requests in flight', sub { $t->progress($job)->{in_flight} == 4 }, PATIENCE);
	return $job;
}

sub release
{
	$t->mock_script;
	$t->mock_release;
	return;
}

sub is_paused
{
	my ($job, $error, $what) = @_;

	release();
	my $progress = $t->wait_job($job, 'paused', PATIENCE);
	is($progress->{reason}, 'configuration', "$what: the job pauses");
	like($progress->{error}, $error, "$what: error");
	like($t->row("SELECT hint FROM enrich.jobs WHERE job = $job")->{hint}, qr/enrich\.resume/, "$what: hint");
	$t->poll("SELECT in_flight FROM enrich.progress WHERE job = $job", '0', PATIENCE);
	return;
}

sub is_exact
{
	my ($job, $what, $repeats) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("$progress->{rows_done} $progress->{rows_failed}", ROWS . ' 0', "$what: all rows are done");
	is($progress->{error}, undef, "$what: nothing is wrong any more");
	is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), ROWS, "$what: all rows are stored");
	cmp_ok($t->mock_stats->{repeats}, '<=', $repeats // 0, "$what: repeats");
	return;
}

sub resume { return $t->sql("SELECT enrich.resume($_[0])"); }

#
# A right on the target is revoked
#
my $job = begin_hanging();
my @pids = $t->pids($job);
$t->sql('REVOKE INSERT ON target FROM PUBLIC');
is_paused($job, qr/^permission denied for table target$/, 'no INSERT');
is($t->sql("SELECT pids FROM enrich.progress WHERE job = $job"), "{$pids[0]}", 'the worker stays, with its answers');
my $sent = $t->mock_stats->{requests};
resume($job);
is_paused($job, qr/^permission denied for table target$|INSERT/, 'no INSERT, resumed');
is($t->mock_stats->{requests}, $sent, '... sends nothing');
$t->sql('GRANT INSERT ON target TO PUBLIC');
resume($job);
is_exact($job, 'INSERT granted again');
is($t->sql('SELECT count(*), count(DISTINCT id) FROM written'), '3000|3000', '... each row once');

# however often that is tried, nothing is left in the worker's memory
sub contexts
{
	my ($pid, @names) = @_;
	my $position = $t->log_position;

	$t->sql("SELECT pg_log_backend_memory_contexts($pid)");
	my $log = $t->poll_for('memory contexts in the log', sub {
		my $text = $t->log_since($position);
		return $text =~ /\[$pid\] .*Grand total:/ && $text }, PATIENCE);
	return join ' ', map { my $name = $_; scalar(() = $log =~ /level: \d+; (?:\d+; )?\Q$name\E: /g) } @names;
}

$job = begin_hanging();
($pids[0]) = $t->pids($job);
$t->sql('REVOKE USAGE ON FOREIGN SERVER api FROM PUBLIC');
$t->wait_job($job, 'paused', PATIENCE);
for (1 .. 5)
{
	resume($job);
	$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'paused', PATIENCE);
}
$t->poll_for('no memory to be left of what could not be read again', sub {
	contexts($pids[0], 'pg_enrich job', 'pg_enrich set-up') eq '1 0' }, PATIENCE);
is_paused($job, qr/^permission denied for foreign server api$/, 'no USAGE');
$t->sql('GRANT USAGE ON FOREIGN SERVER api TO PUBLIC');
resume($job);
is_exact($job, 'USAGE granted again');

#
# Stores that last: their statements wait at a gate, and come to nothing if it was not open
#
$t->sql(<<'END');
CREATE TABLE gate AS SELECT 'closed' AS state;
GRANT SELECT ON gate TO PUBLIC;
CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE
		found text := (SELECT state FROM gate);
	BEGIN
		IF found = 'open' THEN RETURN NULL; END IF;
		IF found = 'ajar' THEN
			WHILE (SELECT state FROM gate) = 'ajar' LOOP PERFORM pg_sleep(0.01); END LOOP;
		END IF;
		RAISE insufficient_privilege USING MESSAGE = 'the gate is ' || found;
	END$$;
END

sub set_gate { return $t->sql("UPDATE gate SET state = '$_[0]'"); }

sub begin_at_gate
{
	my ($state) = @_;
	my $begun = begin_hanging();

	set_gate($state);
	$t->sql('CREATE TRIGGER pass_gate BEFORE INSERT ON target FOR EACH STATEMENT EXECUTE FUNCTION pass_gate()');
	return $begun;
}

sub waits_at_gate
{
	my ($job) = @_;

	$t->poll("SELECT wait_event FROM pg_stat_activity WHERE pid = (SELECT pids[1] FROM enrich.progress WHERE job = $job)",
		'PgSleep', PATIENCE);
	return;
}

# The job pauses for another reason while its worker holds answers; that stores, and the job is resumed meanwhile.
sub resume_while_storing
{
	my $begun = begin_at_gate('closed');

	is_paused($begun, qr/^the gate is closed$/, 'gate');
	set_gate('ajar');
	$t->sql('REVOKE USAGE ON FOREIGN SERVER api FROM PUBLIC');
	resume($begun);
	is_paused($begun, qr/^permission denied for foreign server api$/, 'gate and server');
	waits_at_gate($begun);
	$t->sql('GRANT USAGE ON FOREIGN SERVER api TO PUBLIC');
	resume($begun);
	return $begun;
}

# What fails then does not pause the job again ...
$job = resume_while_storing();
set_gate('open');
is_exact($job, 'resumed while storing');

# ... unless somebody cancels it
$job = resume_while_storing();
$t->sql("SELECT pg_cancel_backend(pids[1]) FROM enrich.progress WHERE job = $job");
is($t->wait_job($job, 'paused', PATIENCE)->{reason}, 'user', 'resumed, and then canceled while storing: paused');
set_gate('open');
resume($job);
is_exact($job, 'canceled while storing');

# The same where the worker does not know of the pause either
$job = begin_at_gate('ajar');
release();
waits_at_gate($job);
$t->sql("SELECT enrich.pause($job)");
resume($job);
set_gate('open');
is_exact($job, 'paused and resumed while storing');

# it is given up with a cancel
$job = begin_hanging();
$t->sql('REVOKE INSERT ON target FROM PUBLIC');
is_paused($job, qr/^permission denied/, 'cancel');
$t->sql("SELECT enrich.cancel($job)");
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);

# or when the worker is ended, and then the log says so
$job = begin_hanging();
$t->sql('REVOKE INSERT ON target FROM PUBLIC');
is_paused($job, qr/^permission denied/, 'terminate');
my $position = $t->log_position;
$t->sql("SELECT pg_terminate_backend(pids[1]) FROM enrich.progress WHERE job = $job");
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
my ($lost) = $t->log_since($position) =~ /answers for (\d+) rows of job $job of pg_enrich go with their worker, not stored yet/;
ok($lost, 'terminate: the log says what is lost');
$t->sql('GRANT INSERT ON target TO PUBLIC');
resume($job);
is_exact($job, 'terminate', $lost / 10);

#
# The target is gone, and comes back with another column type
#
$job = begin_hanging();
$t->sql('DROP TABLE target');
is_paused($job, qr/relation .*target" does not exist/, 'target dropped');
make_target();
$t->sql('ALTER TABLE target ALTER upper TYPE varchar(20)');
$t->sql("UPDATE enrich.catalog_job SET output = replace(output, ' text', ' varchar(20)') WHERE job = $job");
resume($job);
is_exact($job, 'target made again');

# keys in memory are of the type that they had
$job = begin_hanging();
$t->sql('REVOKE INSERT ON target FROM PUBLIC');
is_paused($job, qr/^permission denied/, 'key type');
my $of_type = 'ALTER TABLE source ALTER id TYPE %1$s; ALTER TABLE target ALTER id TYPE %1$s';
$t->sql('GRANT INSERT ON target TO PUBLIC; ' . sprintf($of_type, 'bigint'));
resume($job);
is_paused($job, qr/^the key of "source" is of another type now$/, 'key type changed');
$t->sql(sprintf($of_type, 'integer'));
resume($job);
is_exact($job, 'key type changed back');

#
# A right that loading needs: what is in flight is stored, and the worker leaves
#
$job = begin_hanging();
$t->sql("REVOKE SELECT ON enrich_staging.job_${job}_1 FROM anna");
is_paused($job, qr/^permission denied for table job_${job}_1$/, 'no SELECT on staging');
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
is($t->sql('SELECT count(*) FROM target'), $t->mock_stats->{requests} * 10, '... what was asked for is stored');
$t->sql("GRANT SELECT ON enrich_staging.job_${job}_1 TO anna");
resume($job);
is_exact($job, 'SELECT on staging granted again');

#
# An owner who cannot connect is waited for
#
sub is_waited_for
{
	my ($what, $forbid, $error, $allow) = @_;

	my $job = begin(concurrency => 0);
	$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $job", 'running|{}', PATIENCE);
	$t->sql($forbid);
	my $position = $t->log_position;
	$t->sql("SELECT enrich.alter($job, concurrency => 4)");
	$t->poll_for("$what: the error", sub { ($t->progress($job)->{error} // '') =~ $error }, PATIENCE);
	is($t->progress($job)->{state}, 'running', "$what: the job waits");
	unlike($t->log_since($position), qr/FATAL/, "$what: no worker fails in vain");
	$t->sql($allow);
	is_exact($job, "$what no more");
	return;
}

is_waited_for('no CONNECT', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC',
	qr/^the job's owner may not connect to the database$/, 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
is_waited_for('NOLOGIN', 'ALTER ROLE anna NOLOGIN', qr/^the job's owner may not log in$/, 'ALTER ROLE anna LOGIN')
  if $major < 17;

# whose worker runs already is not disturbed
$job = begin_hanging();
$t->sql('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; ALTER ROLE anna NOLOGIN CONNECTION LIMIT 0');
release();
is_exact($job, 'may not connect, but is');
$t->sql('GRANT CONNECT ON DATABASE postgres TO PUBLIC; ALTER ROLE anna LOGIN CONNECTION LIMIT -1');

# the connections of a role and of a database do not count for workers
$t->sql('ALTER ROLE anna CONNECTION LIMIT 0; ALTER DATABASE postgres CONNECTION LIMIT 5');
my @sessions = map { $node->background_psql('postgres') } 1 .. 4;
is_exact(begin(), 'connection limits');
$_->quit for @sessions;
$t->sql('ALTER ROLE anna CONNECTION LIMIT -1; ALTER DATABASE postgres CONNECTION LIMIT -1');

#
# The owner is dropped
#
$job = begin_hanging(-role => 'carl');
$t->sql('REASSIGN OWNED BY carl TO CURRENT_USER; DROP OWNED BY carl; DROP ROLE carl');
release();
for my $time (1, 2)
{
	my $progress = $t->wait_job($job, 'paused', PATIENCE);
	is("$progress->{reason}: $progress->{error}", "configuration: the job's owner does not exist any more",
		'owner dropped: the job pauses');
	resume($job) if $time == 1;
	$t->poll("SELECT state FROM enrich.progress WHERE job = $job", 'paused', PATIENCE);
}
is($t->sql("SELECT owner FROM enrich.jobs WHERE job = $job"), '(dropped)', 'owner dropped: enrich.jobs');
$t->sql("SELECT enrich.cancel($job)");
is($t->progress($job)->{state}, 'canceled', 'owner dropped: a superuser ends the job');
$t->poll("SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace", '0', PATIENCE);

#
# Defaults of a role
#
$t->sql(<<'END');
GRANT other TO dora;
ALTER ROLE dora SET role = other;
ALTER ROLE dora SET search_path = nowhere;
ALTER ROLE dora SET statement_timeout = '1ms';
ALTER ROLE dora SET lock_timeout = '1ms';
ALTER ROLE dora SET idle_in_transaction_session_timeout = '1ms';
ALTER ROLE dora SET default_transaction_read_only = on;
ALTER ROLE dora SET default_transaction_isolation = serializable;
ALTER ROLE dora SET default_transaction_deferrable = on;
ALTER ROLE dora SET standard_conforming_strings = off;
ALTER ROLE dora SET DateStyle = 'German';
ALTER ROLE dora SET row_security = off;
CREATE ROLE eric LOGIN SUPERUSER;
ALTER ROLE eric SET session_replication_role = replica;
END
$t->sql(q{ALTER ROLE dora SET transaction_timeout = '500ms'}) if $major >= 17;
for my $role (qw(dora eric))
{
	$job = begin(-role => $role);
	is_exact($job, "defaults of $role");
	is($t->sql('SELECT DISTINCT by, state, count(*) FROM written GROUP BY by, state'),
		"$role|read committed off none ISO, MDY|3000", "... act as $role, in plain transactions, and fire triggers");
}

$t->stop;
done_testing();
