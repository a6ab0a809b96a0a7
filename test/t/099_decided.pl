# No request is sent that was not decided now.  Here a worker may have fewer connections
# than its job may have requests in flight: what waits for a connection holds no permit, and
# does not go out when it has one in the end, after a pause, a lower cap, a refused or a new
# key, a throttled server or another address.

use strict;
use warnings;

use EnrichTest;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 60;
use constant FILES => 1024;
use constant ROWS => 640;		# at most 200 more than connections: as many requests the mock remembers

plan skip_all => 'there is no prlimit' if system('prlimit --version >/dev/null 2>&1') != 0;

my $t = EnrichTest->new;
my $postmaster = PostgreSQL::Test::Utils::slurp_file($t->node->data_dir . '/postmaster.pid') =~ s/\n.*//sr;
system_or_bail('prlimit', '--nofile=' . FILES . ':' . FILES, '--pid', $postmaster);

# Each row says what its answer suffers; the first one is answered on its own, after the others came.
$t->create_server('api', url => $t->url(''), backoff_base => '10ms', mapping => { bearer_token => 'first' });
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text, hang integer, fail integer, status integer, wait text, latency integer);
END

# Starts a job, three thousand in flight, and waits until as many are as there are connections.
sub begin
{
	my (%first) = (hang => 1, fail => 0, status => 0, wait => '', latency => 0, @_);

	$t->mock_reset;
	$t->sql("TRUNCATE source; DROP TABLE IF EXISTS target;
		INSERT INTO source VALUES (1, 'row 1', $first{hang}, $first{fail}, $first{status}, '$first{wait}', $first{latency});
		INSERT INTO source SELECT i, 'row ' || i, 1, 0, 0, '', 0 FROM generate_series(2, @{[ROWS]}) i");
	my $job = $t->start_job(source => 'source', server => 'api', results => '$.items[*]',
		input => [qw(txt hang fail status wait latency)], request => { input => '{{txt}}' },
		path => '/items?hang_first={{hang}}&fail_first={{fail}}&status={{status}}&retry_after={{wait}}&latency={{latency}}',
		output => { 'upper text' => '$.upper' }, target => 'target', batch_size => 1, concurrency => 3000);
	my $progress;
	my $in_flight = $t->poll_for('as many in flight as there are connections', sub {
		$progress = $t->progress($job);
		return $progress->{in_flight} > 0 && $progress->{in_flight} == $progress->{effective_concurrency}
			&& $progress->{in_flight} == $t->mock_stats->{in_flight} && $progress->{in_flight};
	}, PATIENCE);
	return ($job, $in_flight);
}

# The API answers all that it has, and has been sent nothing but that.
sub nothing_more
{
	my ($what, $job, $in_flight) = @_;

	$t->mock_release;
	$t->poll("SELECT in_flight FROM enrich.progress WHERE job = $job", 0, PATIENCE);
	$t->poll("SELECT rows_done + rows_failed >= $in_flight - 1 FROM enrich.progress WHERE job = $job", 't', PATIENCE);
	is($t->mock_stats->{requests}, $in_flight, "$what: of $in_flight on the wire no more are sent");
	return;
}

# The mock answers what it holds until the job is done: all rows, none twice.
sub all_once
{
	my ($what, $job, $refused) = @_;

	$t->poll_for('the job to end', sub {
		$t->mock_release;
		return $t->progress($job)->{state} ne 'running';
	}, PATIENCE);
	my $progress = $t->progress($job);
	is("@$progress{qw(state rows_done rows_failed)}", 'completed ' . ROWS . ' 0', "$what: then the job goes on to its end");
	is($progress->{requests}, ROWS + $refused, "$what: ... and has counted what was sent");
	is($t->mock_stats->{repeats}, 0, "$what: ... no answer is asked for twice");
	return;
}

my ($job, $in_flight) = begin();
cmp_ok($in_flight, '>', 256, "a connection takes one descriptor: $in_flight in flight of " . FILES . ' files');
cmp_ok($in_flight, '<', FILES, '... and leaves some');
is($t->progress($job)->{requests}, $in_flight, 'what waits for a connection does not count as sent');
$t->sql("SELECT enrich.pause($job)");
nothing_more('pause', $job, $in_flight);
$t->sql("SELECT enrich.resume($job)");
all_once('pause', $job, 0);

($job, $in_flight) = begin();
$t->sql("SELECT enrich.alter($job, concurrency => 0)");
nothing_more('a cap of none', $job, $in_flight);
$t->sql("SELECT enrich.alter($job, concurrency => 3000)");
all_once('a cap of none', $job, 0);

($job, $in_flight) = begin();
$t->sql("SELECT enrich.alter($job, concurrency => 7)");
$t->mock_release;
$t->poll("SELECT in_flight FROM enrich.progress WHERE job = $job", 7, PATIENCE);
is($t->mock_stats->{in_flight}, 7, 'a lower cap: so many are in flight from then on');
$t->sql("SELECT enrich.alter($job, concurrency => 3000)");
all_once('a lower cap', $job, 0);

# The first row is refused while the others hang.
($job, $in_flight) = begin(hang => 0, fail => 1, status => 401, latency => 4000);
$t->poll("SELECT state, reason FROM enrich.progress WHERE job = $job", 'paused|configuration', PATIENCE);
nothing_more('a key that is refused', $job, $in_flight);
$t->sql("SELECT enrich.resume($job)");
all_once('a key that is refused', $job, 1);

($job, $in_flight) = begin(hang => 0, fail => 1, status => 429, wait => '60', latency => 4000);
$t->poll("SELECT paused_until IS NOT NULL FROM enrich.servers", 't', PATIENCE);
nothing_more('a throttled server', $job, $in_flight);
is($t->progress($job)->{waiting_for}, 'server', '... the job waits for it');
$t->sql("SELECT enrich.cancel($job)");
# The server is at another address: what was said of it does not count any more.
$t->sql("ALTER SERVER api OPTIONS (SET url '" . ($t->url('') =~ s/127\.0\.0\.1/localhost/r) . "')");

# From now on the old key is refused.
($job, $in_flight) = begin();
$t->mock_script({ require_header => 'Authorization: Bearer second' });
$t->sql("ALTER USER MAPPING FOR PUBLIC SERVER api OPTIONS (SET bearer_token 'second')");
all_once('a new key', $job, 0);

($job, $in_flight) = begin();
$t->sql("ALTER SERVER api OPTIONS (SET url '" . $t->url('') . "')");
all_once('another address', $job, 0);
my %hosts;
$hosts{ $_->{headers}{host} =~ s/:.*//r }++ foreach $t->mock_last(ROWS - $in_flight);
is_deeply(\%hosts, { '127.0.0.1' => ROWS - $in_flight }, 'another address: the old one is sent nothing more');

# A connection that is never ready: what waits for it is taken back at once.
my $silent = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1') or die "no listener: $!";
$t->create_server('silent', url => 'https://127.0.0.1:' . $silent->sockport, connect_timeout => '5min');
$job = $t->start_job(source => 'source', server => 'silent', input => ['txt'], output => { 'upper text' => '$.upper' },
	results => '$.items[*]', target => 'target', write_mode => 'upsert', batch_size => 1, concurrency => 50);
$t->poll("SELECT in_flight FROM enrich.progress WHERE job = $job", 50, PATIENCE);
$t->sql("SELECT enrich.pause($job)");
$t->poll("SELECT state, in_flight, requests, retries, rows_failed FROM enrich.progress WHERE job = $job", 'paused|0|0|0|0', PATIENCE);
pass('connections that are being made: a pause takes their requests back');
is($t->sql("SELECT requests, errors FROM enrich.servers WHERE server = 'silent'"), '0|0', '... and the server was sent nothing');
$t->sql("SELECT enrich.cancel($job)");

$t->stop;
done_testing();
