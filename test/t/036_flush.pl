# Stores do not wait for the disk, as the launcher flushes their commits: but never are
# they far ahead of it, and where standbys are waited for, they wait.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;

my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';

my $t;
{
	local $ENV{SLOW_DISK} = $gate;
	$t = EnrichTest->new(preload => 'slow_disk', conf => <<'END');
fsync = on
wal_sync_method = fdatasync
wal_writer_delay = 10s
wal_level = replica
max_wal_senders = 2
autovacuum = off
END
}

END { unlink $gate if defined $gate }	# or the server would not stop

$t->create_server('api');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 200) i;
CREATE TABLE target (id integer PRIMARY KEY, upper text);
END

# A job of so many requests, one at a time, none of which is answered until it is let go.
sub begin
{
	my ($rows, %parameter) = @_;
	my $script = delete $parameter{-script} // {};

	$t->sql('TRUNCATE target');
	$t->mock_reset;
	$t->mock_script({ hang => 1, %$script });
	my $job = $t->start_job(source => 'source', where_clause => "id <= $rows", server => 'api', path => '/items', input => ['txt'],
		key => ['id'], results => '$.items[*]', output => { upper => '$.upper' }, target => 'target',
		write_mode => 'insert', batch_size => 1, concurrency => 1, %parameter);
	asks(1);
	# from now on there is nothing to be committed but what is stored
	$t->poll("SELECT requests FROM enrich.progress WHERE job = $job", 1, PATIENCE);
	return $job;
}

# The job waits for the answer to its n-th request.
sub asks
{
	my ($n) = @_;

	$t->poll_for("request $n", sub { $t->mock_stats->{hangs} == $n }, PATIENCE);
	return;
}

sub close_gate
{
	append_to_file($gate, '');
	return;
}

sub open_gate
{
	unlink $gate or die "unlink: $!";
	return;
}

sub rows_stored
{
	my ($count, $what) = @_;

	$t->poll('SELECT count(*) FROM target', $count, PATIENCE);
	pass($what);
	return;
}

# A query: how many such processes wait for the disk?
sub at_disk
{
	my ($process) = @_;

	return "SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'pg_enrich $process' AND lower(wait_event) IN ('walwrite', 'walsync')";
}

sub waits_for_flush
{
	my ($process) = @_;

	$t->poll(at_disk($process), 1, PATIENCE);
	pass("the $process waits for the disk");
	return;
}

subtest 'a disk that is slow' => sub {
	my $job = begin(3);

	close_gate();
	$t->mock_release;
	rows_stored(1, 'a store does not wait for the disk');
	waits_for_flush('launcher');
	asks(2);
	pass('the next request is sent meanwhile');

	# as long as one may be ahead of the disk
	$t->sql('SELECT pg_sleep(0.2)');
	$t->mock_release;
	waits_for_flush('worker');
	is($t->sql('SELECT count(*) FROM target'), 1, 'what comes later is not stored before the first is on disk');
	open_gate();
	rows_stored(2, 'then it is');
	asks(3);
	$t->mock_release;
	$t->wait_job($job, 'completed', PATIENCE);
	rows_stored(3, 'and all the rest');
};

subtest 'a store that pauses its job' => sub {
	my $job = begin(3, max_failed_rows => 0, -script => { status => 400 });

	close_gate();
	$t->mock_release;
	waits_for_flush('worker');
	is($t->progress($job)->{state}, 'running', 'nobody sees the pause before it is on disk');
	open_gate();
	is($t->wait_job($job, 'paused', PATIENCE)->{reason}, 'failures', 'then they do');
	$t->sql("SELECT enrich.cancel($job)");
};

subtest 'synchronous_commit = off' => sub {
	$t->sql('ALTER ROLE CURRENT_USER SET synchronous_commit = off');
	my $job = begin(3);

	close_gate();
	$t->mock_release;
	asks(2);
	$t->sql('SELECT pg_sleep(0.2)');
	$t->mock_release;
	rows_stored(2, 'nothing waits for the disk');
	is($t->sql(at_disk('launcher')), 0, 'and nobody flushes');
	open_gate();
	asks(3);
	$t->mock_release;
	$t->wait_job($job, 'completed', PATIENCE);
	$t->sql('ALTER ROLE CURRENT_USER RESET synchronous_commit');
};

subtest 'a standby that is waited for' => sub {
	my $job = begin(200);

	$t->sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	$t->sql('SELECT pg_reload_conf()');
	# the worker reads its settings between two requests
	$t->poll_for('a store that waits for it', sub {
		$t->mock_release;
		$t->sql("SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'") eq 'SyncRep' }, PATIENCE);
	pass('a store waits for it');
	cmp_ok($t->sql('SELECT count(*) FROM target'), '<', $t->mock_stats->{answers}{200}, 'and nobody sees it meanwhile');
	$t->sql('ALTER SYSTEM RESET synchronous_standby_names');
	$t->sql('SELECT pg_reload_conf()');
	$t->mock_script({});
	$t->mock_release;
	$t->wait_job($job, 'completed', PATIENCE);
	rows_stored(200, 'until nobody wants one any more');
};

done_testing();
