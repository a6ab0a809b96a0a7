# Few file descriptors: a worker makes as many connections as the process's limit allows,
# and no more; what waits for one is not in flight, is not charged, and looks like no outage.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 60;
use constant FEW => 256;
use constant ROWS => 1200;

plan skip_all => 'there is no prlimit' if system('prlimit --version >/dev/null 2>&1') != 0;

my ($hard) = `prlimit --nofile --output HARD --noheadings --raw --pid $$` =~ /(\d+)/;
plan skip_all => "no more than $hard open files are allowed" if $hard < 3000;

# What this process may have open its children may, the server's among them.
sub limit
{
	my ($pid, $limits) = @_;

	system_or_bail('prlimit', "--nofile=$limits", '--pid', $pid);
	return;
}

limit($$, FEW . ':');
my $t = EnrichTest->new(mock => 0, conf => "max_locks_per_transaction = 400\n");
limit($$, "$hard:");
$t->start_mock;
my $postmaster = PostgreSQL::Test::Utils::slurp_file($t->node->data_dir . '/postmaster.pid') =~ s/\n.*//sr;

# The target has more files than descriptors are allowed.
$t->create_server('api', url => '/items', max_attempts => 1, backoff_base => '10ms');
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 1200) i;
CREATE TABLE target (id integer PRIMARY KEY, upper text) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE target_%s PARTITION OF target FOR VALUES FROM (%s) TO (%s)', i, i * 6 + 1, i * 6 + 7)
	FROM generate_series(0, 199) i \gexec
END

# A job of a request a row, a thousand at a time; those first in flight hang until told.
sub run_job
{
	my ($what, $in_flight) = @_;

	$t->sql('TRUNCATE target');
	$t->mock_reset;
	$t->mock_script({ hang_first => 1 });
	my $job = $t->start_job(source => 'source', server => 'api', input => ['txt'], results => '$.items[*]',
		output => { 'upper text' => '$.upper' }, target => 'target', batch_size => 1, concurrency => 1000);
	my $seen = $t->poll_for("$in_flight requests at the API", sub {
		my $stats = $t->mock_stats;
		return $stats->{in_flight} >= $in_flight && $stats->{in_flight} }, PATIENCE);
	$t->poll_for("what the API has is what is in flight", sub {
		my $progress = $t->progress($job);
		return $progress->{in_flight} == $t->mock_stats->{in_flight} && $progress->{in_flight} >= $in_flight
			&& $progress->{effective_concurrency} >= $progress->{in_flight}
			&& ($in_flight == 1000 || $progress->{effective_concurrency} < FEW);
	}, PATIENCE);
	my ($pid) = $t->pids($job);
	my $most = 0;
	$t->mock_script;
	my $progress = $t->poll_for('the job to end', sub {
		my @open = glob "/proc/$pid/fd/*";

		$most = @open if @open > $most;
		$t->mock_release;
		my $now = $t->progress($job);
		return $now->{state} ne 'running' && $now;
	}, PATIENCE);
	is("@$progress{qw(state rows_done rows_failed retries)}", 'completed ' . ROWS . ' 0 0', "$what: no row fails, no request fails");
	is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), ROWS, "$what: all rows are stored");
	is($t->mock_stats->{repeats}, 0, "$what: no answer is asked for twice");
	return ($seen, $most);
}

my $log = $t->log_position;
my ($seen) = run_job('a limit that can be raised', 1000);
is($seen, 1000, 'a soft limit is raised: a thousand requests are in flight');

# ... and one that cannot
limit($postmaster, FEW . ':' . FEW);
($seen, my $most) = run_job('a hard limit', 50);
cmp_ok($seen, '<', FEW, "a hard limit: the others wait ($seen at the API)");
cmp_ok($most, '<', FEW, "a hard limit: descriptors are left ($most are open)");
is($t->sql('SELECT errors, paused_until FROM enrich.servers'), '0|', 'no request has failed');
unlike($t->log_since($log), qr/gives nothing but failures|too many open files|out of file descriptors/i, '... and the log knows of nothing');

$t->stop;
done_testing();
