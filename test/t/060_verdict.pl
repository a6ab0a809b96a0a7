# What a person must mend pauses the job, with a reason and a hint, once; nothing is
# charged for it, what has come back is stored, and resume goes on after the repair.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new;
my $listener = $t->node->background_psql('postgres');

$t->sql(<<'END');
CREATE ROLE worker LOGIN;
GRANT CREATE ON SCHEMA public TO worker;
CREATE TABLE source (id integer PRIMARY KEY, txt text, tag text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 120) i;
GRANT SELECT ON source TO worker;
END
$listener->query_safe('LISTEN enrich');

sub fresh_server
{
	$t->mock_reset;
	$t->sql('DROP SERVER IF EXISTS api CASCADE; DROP TABLE IF EXISTS target');
	$t->create_server('api', max_attempts => 1, @_);
	$t->sql('GRANT USAGE ON FOREIGN SERVER api TO worker');
	return;
}

# Starts a job of sixty requests with two rows each.
sub begin
{
	return $t->start_job(source => 'source', server => 'api', path => '/items', input => ['txt'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target',
		batch_size => 2, bucket_size => 40, concurrency => 6, -role => 'worker', @_);
}

sub until_done
{
	my ($job, $rows) = @_;

	$t->poll_for("$rows rows of job $job", sub { $t->progress($job)->{rows_done} >= $rows }, PATIENCE);
	return;
}

# Waits until the job is paused for that reason, and nothing is in flight any more.
sub is_paused
{
	my ($job, $what, $error, $hint) = @_;
	my $progress = $t->wait_job($job, 'paused', PATIENCE);

	$t->poll_for('what is in flight', sub { $t->progress($job)->{in_flight} == 0 }, PATIENCE);
	is($progress->{reason}, 'configuration', "$what: the job is paused");
	like($progress->{error}, $error, "$what: the error says why");
	like($t->sql("SELECT hint FROM enrich.jobs WHERE job = $job"), $hint, "$what: the hint says what to do");
	is($t->sql("SELECT count(*) FROM enrich.failures WHERE job = $job"), 0, "$what: no row has failed");
	return $t->progress($job);
}

sub is_resumed
{
	my ($job, $what) = @_;

	$t->sql("SELECT enrich.resume($job)");
	my $progress = $t->wait_job($job, 'completed', PATIENCE);
	is("@$progress{qw(rows_done rows_failed)}", '120 0', "$what: resumed, and completed");
	return;
}

#
# Statuses, right away and half-way
#
foreach my $case (
	[ 401, 'no such key', qr/user mapping/ ], [ 402, 'pay first', qr/nothing left to spend/ ],
	[ 403, 'not with this key', qr/rights/ ], [ 404, 'no such model', qr/path.*enrich\.preview/ ],
	[ 405, 'not so', qr/option method/ ], [ 302, 'over there', qr/follow_redirects/ ])
{
	my ($status, $said, $hint) = @$case;

	fresh_server();
	$t->mock_script({ status => $status, error_body => qq({"error": {"message": "$said"}}), latency => 30 });
	my $job = begin();
	my $progress = is_paused($job, $status, qr/^HTTP status $status: \Q$said\E$/, $hint);
	is("@$progress{qw(requests rows_done)}", '6 0', "$status: after the requests that were in flight");
	$t->mock_script;
	is_resumed($job, $status);
	is($t->states_notified($listener, $job, 'completed'), 'queued bucketizing running paused running completed', "$status: one pause is notified");
}

# What was sent is counted with the pause, though some of it is not answered yet
fresh_server();
$t->mock_script({ hang => 1 });
my $unanswered = begin(concurrency => 1);
$t->poll_for('a request that hangs', sub { $t->mock_stats->{hangs} == 1 }, PATIENCE);
$t->mock_script({ status => 401 });
$t->sql("SELECT enrich.alter($unanswered, concurrency => 2)");
is(join(' ', @{ $t->wait_job($unanswered, 'paused', PATIENCE) }{qw(requests in_flight)}), '2 1', 'a pause shows all that was sent');
$t->sql("SELECT enrich.cancel($unanswered)");

my $quota = '{"error": {"message": "You exceeded your current quota, please check your plan and billing details.",'
  . ' "type": "insufficient_quota", "code": "insufficient_quota"}}';
fresh_server();
$t->mock_script({ latency => 500 });
my $job = begin(workers => 2);
until_done($job, 20);
$t->mock_script({ status => 429, error_body => $quota, latency => '10-60' });
$t->poll_for('the workers to leave', sub { !$t->pids($job) }, PATIENCE);
my $progress = is_paused($job, 'quota', qr/^HTTP status 429: You exceeded your current quota/, qr/nothing left to spend/);
is($progress->{rows_done}, $t->sql('SELECT count(*) FROM target'), 'quota: what had come back is stored');
$t->mock_script;
is_resumed($job, 'quota');
is($t->mock_stats->{repeats}, 0, 'quota: no answer is asked for twice');
is($t->states_notified($listener, $job, 'completed'), 'queued bucketizing running paused running completed', 'quota: two workers, one pause');

# What an API says in characters that the database does not have
$t->sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
$t->sql("CREATE EXTENSION pg_enrich; CREATE TABLE source (id integer PRIMARY KEY, txt text); INSERT INTO source VALUES (1, 'a')",
	database => 'latin');
$t->create_server('api', database => 'latin');
$t->mock_script({ status => 403, error_body => qq({"error": {"message": "gesperrt f\\u00fcr \\u20ac"}}) });
$job = $t->start_job(source => 'source', server => 'api', path => '/items', input => ['txt'], results => '$.items[*]',
	output => { 'upper text' => '$.upper' }, -database => 'latin');
$t->wait_job($job, 'paused', PATIENCE, database => 'latin');
is($t->sql("SELECT error = 'HTTP status 403: gesperrt f' || chr(252) || 'r ?' FROM enrich.jobs", database => 'latin'), 't',
	"its words are in the database's encoding");

# What is in flight when the job pauses is paid for, and stored
fresh_server();
$t->mock_script({ hang => 1 });
$job = begin();
# What has not come there would be taken back.
$t->poll_for('requests in flight', sub { $t->progress($job)->{in_flight} == 6 && $t->mock_stats->{in_flight} == 6 }, PATIENCE);
$t->mock_script({ status => 403 });
$t->sql("SELECT enrich.alter($job, concurrency => 7)");
$t->wait_job($job, 'paused', PATIENCE);
$t->mock_script;
$t->mock_release;
$t->poll_for('the worker to leave', sub { !$t->pids($job) }, PATIENCE);
$progress = is_paused($job, 'in flight', qr/^HTTP status 403/, qr/rights/);
is($progress->{rows_done}, 12, 'in flight: their answers are stored');
is_resumed($job, 'in flight');
is($t->mock_stats->{repeats}, 0, 'in flight: no answer is asked for twice');

# Answers to requests of before the repair do not pause the job again
fresh_server();
$t->mock_script({ hang_first => 1, require_header => 'X-Repaired: yes' });
$job = begin(concurrency => 2, batch_size => 40);
$t->poll_for('requests in flight', sub { $t->progress($job)->{in_flight} == 2 }, PATIENCE);
$t->sql(q{ALTER SERVER api OPTIONS (ADD headers '{"X-Repaired": "yes"}', ADD max_concurrency '1')});
$t->poll_for('the worker to notice', sub { $t->progress($job)->{effective_concurrency} == 1 }, PATIENCE);
$t->mock_script({ require_header => 'X-Repaired: yes' });
$t->mock_release;
$progress = $t->wait_job($job, 'completed', PATIENCE);
is("@$progress{qw(rows_done retries)}", '120 2', 'a repair while requests are in flight that will fail');
is($t->mock_stats->{answers}{401}, 2, '... as they do');

# ... and are no attempts
fresh_server(max_attempts => 2, backoff_base => '1ms');
$t->mock_script({ hang_first => 1, require_header => 'X-Repaired: yes' });
$job = begin(max_rows => 1);
$t->poll_for('a request in flight', sub { $t->progress($job)->{in_flight} == 1 }, PATIENCE);
$t->sql(q{ALTER SERVER api OPTIONS (ADD headers '{"X-Repaired": "yes"}', ADD max_concurrency '1')});
$t->poll_for('the worker to notice', sub { $t->progress($job)->{effective_concurrency} == 1 }, PATIENCE);
$t->mock_script({ status => 500 });
$t->mock_release;
$t->wait_job($job, 'completed', PATIENCE);
is($t->sql("SELECT attempts FROM enrich.failures WHERE job = $job") . ' ' . $t->mock_stats->{requests}, '2 3', '... and are no attempts');

#
# Hosts
#
fresh_server(url => 'http://host.invalid/v1');
$job = begin();
is_paused($job, 'host', qr/^unknown host \(host\.invalid:80\)$/, qr/host in the server's url/);
$t->sql('ALTER SERVER api OPTIONS (SET url ' . $t->sql("SELECT quote_literal('@{[ $t->url ]}')") . ')');
is_resumed($job, 'host');
fresh_server(proxy => 'http://proxy.invalid:3128');
$job = begin();
is_paused($job, 'proxy', qr/^unknown proxy host/, qr/option proxy/);
$t->sql('ALTER SERVER api OPTIONS (DROP proxy)');
is_resumed($job, 'proxy');

#
# Rights and objects that go while the job runs, and come back
#
my $add_target = 'ALTER TABLE target ADD COLUMN upper text';
foreach my $case (
	[ 'USAGE', 'REVOKE USAGE ON FOREIGN SERVER api FROM worker', 'GRANT USAGE ON FOREIGN SERVER api TO worker',
		qr/^permission denied for foreign server api$/, qr/GRANT USAGE ON FOREIGN SERVER api TO worker/ ],
	[ 'SELECT', 'REVOKE SELECT ON source FROM worker', 'GRANT SELECT ON source TO worker',
		qr/^permission denied for table source/, qr/Grant it to "worker"|enrich\.resume/ ],
	[ 'INSERT', 'REVOKE INSERT ON target FROM worker', 'GRANT INSERT ON target TO worker',
		qr/^permission denied for table target/, qr/enrich\.resume/ ],
	[ 'server', 'DROP SERVER api', undef, qr/^server "api" does not exist$/, qr/CREATE SERVER api/ ],
	[ 'column', 'ALTER TABLE target DROP COLUMN upper', $add_target, qr/column "upper".* does not exist/, qr/./ ],
	[ 'type', 'ALTER TABLE target ALTER COLUMN upper TYPE date USING NULL',
		'ALTER TABLE target ALTER COLUMN upper TYPE text', qr/type/, qr/./ ],
	[ 'target', 'ALTER TABLE target RENAME TO other', 'ALTER TABLE other RENAME TO target', qr/target.* does not exist/, qr/./ ])
{
	my ($what, $break, $mend, $error, $hint) = @$case;

	fresh_server();
	$t->mock_script({ latency => 250 });
	$job = begin(concurrency => 2);
	until_done($job, 8);
	$t->sql($break);
	$progress = is_paused($job, $what, $error, $hint);
	if (defined $mend) { $t->sql($mend) }
	else { $t->create_server('api'); $t->sql('GRANT USAGE ON FOREIGN SERVER api TO worker') }
	$t->mock_script;
	is_resumed($job, $what);
	is($t->mock_stats->{repeats}, 0, "$what: no answer is asked for twice");
}

$listener->quit;
$t->stop;
done_testing();
