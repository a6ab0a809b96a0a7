# A name server that does not answer: whatever waits for it holds up nothing else, no
# other transfer, no signal, no stop of the server.  No row fails for it, and the job says
# what it waits for.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant PATIENCE => 30;

# A look-up that hangs does so for ever; whoever waits for one is far beyond this.
use constant AT_ONCE => 10;

my $t = EnrichTest->new(preload => 'slow_dns');
my ($port) = $t->url =~ /:(\d+)$/;

# A single attempt: whatever is charged fails.
my %brief = (connect_timeout => '300ms', max_attempts => 1, backoff_base => '20ms', backoff_max => '100ms');

$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 200) i;
END

sub begin
{
	my ($server, %more) = @_;

	return $t->start_job(source => 'source', server => $server, path => '/items', input => ['txt'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => "target_$server",
		batch_size => 1, concurrency => 50, %more);
}

sub move
{
	my ($server, $host) = @_;

	return $t->sql("ALTER SERVER $server OPTIONS (SET url 'http://$host:$port')");
}

sub is_out
{
	my ($job, $reason, $what) = @_;

	$t->poll("SELECT waiting_for FROM enrich.progress WHERE job = $job AND error ~ 'nothing but failures'", 'server', PATIENCE);
	my $progress = $t->progress($job);
	like($progress->{error}, qr/: $reason$/, "$what: the job says why it waits");
	is("$progress->{state} $progress->{rows_failed}", 'running 0', "$what: and no row fails");
	like($t->sql("SELECT hint FROM enrich.jobs WHERE job = $job"), qr/ALTER SERVER/, "$what: hint");
	return;
}

sub completes
{
	my ($job, $what) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("@$progress{qw(rows_done rows_failed)}", '200 0', "$what: every row is done");
	return;
}

sub takes_no_time
{
	my ($what, $function) = @_;
	my $began = time();

	$function->();
	cmp_ok(time() - $began, '<', AT_ONCE, $what);
	return;
}

#
# Nothing is heard of the host.  Beside it, in the same worker, requests of before are
# answered; and another job does not notice.
#
my $no_address = qr/no connection within 300 ms \(hang\.test:$port\): looking up the host's address/;
$t->create_server('api', url => "http://127.0.0.1:$port", %brief);
$t->create_server('other');
$t->mock_script({ hang => 1 });
my $job = begin('api', concurrency => 4);
$t->poll("SELECT in_flight FROM enrich.progress WHERE job = $job", 4, PATIENCE);
move('api', 'hang.test');
$t->sql("SELECT enrich.alter($job, concurrency => 50)");
is_out($job, $no_address, 'no address');
$t->mock_script;
takes_no_time('answers come in beside look-ups that hang', sub {
	$t->mock_release;
	$t->poll("SELECT rows_done FROM enrich.progress WHERE job = $job", 4, PATIENCE);
});
takes_no_time('another job runs beside them', sub { completes(begin('other'), 'another job') });
is($t->mock_stats->{requests}, 204, 'nothing was sent anywhere else');
my ($pid) = $t->pids($job);
takes_no_time('a worker with look-ups that hang is terminated', sub {
	$t->sql("SELECT pg_terminate_backend($pid)");
	$t->poll("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", 0, PATIENCE);
});
is_out($job, $no_address, 'another worker');
takes_no_time('the job is paused', sub {
	$t->sql("SELECT enrich.pause($job)");
	$t->poll("SELECT state, pids FROM enrich.progress WHERE job = $job", 'paused|{}', PATIENCE);
});
$t->sql(q{ALTER SERVER api OPTIONS (SET connect_timeout '1min')});
takes_no_time('a preview is canceled', sub {
	like($t->sql_error(q[SET statement_timeout = '300ms';
		SELECT enrich.preview('source', 'api', input => '{txt}', output => '{"upper text": "$.upper"}')]),
		qr/57014/, 'a preview waits, and can be canceled');
});
move('api', '127.0.0.1');
$t->sql("SELECT enrich.resume($job)");
completes($job, 'the host is known again');
is($t->mock_stats->{requests}, 400, '... and no answer is asked for twice');

#
# Nobody knows the host at the moment; and one that is found slowly
#
$t->sql(q{ALTER SERVER api OPTIONS (SET connect_timeout '10s'); DROP TABLE target_api});
move('api', 'later.test');
$job = begin('api');
is_out($job, qr/host could not be looked up \(later\.test:$port\)/, 'not now');
move('api', 'slow.test');
completes($job, 'found slowly');

#
# The server is stopped while as many look-ups hang as there can be
#
$t->sql(q{ALTER SERVER api OPTIONS (SET connect_timeout '1min'); DROP TABLE target_api});
move('api', 'hang.test');
$job = begin('api');
# so many are asked for at a time: the others are not in flight yet
$t->poll("SELECT in_flight FROM enrich.progress WHERE job = $job", 32, PATIENCE);
takes_no_time('the server stops', sub { $t->node->stop('fast') });
$t->stop_mock;

done_testing();
