# Credentials that change while a job runs: mappings, PUBLIC's mapping, files of tokens
# that are replaced by name or in place; a 401 looks again before it pauses the job; and
# no secret shows anywhere.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new;
my $dir = PostgreSQL::Test::Utils::tempdir();
my $file = "$dir/token";
my $began = $t->log_position;

$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 200) i;
END

sub write_file
{
	my ($path, $content) = @_;

	open my $handle, '>', $path or die "could not write $path: $!";
	print $handle $content;
	close $handle or die "could not write $path: $!";
	return;
}

# Starts a job of two hundred requests, four at a time.
sub begin
{
	my ($server, %more) = @_;

	$t->sql('DROP TABLE IF EXISTS target');
	return $t->start_job(source => 'source', server => $server, path => '/items', input => ['txt'],
		results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target',
		batch_size => 1, concurrency => 4, %more);
}

sub require_token
{
	my ($token, %more) = @_;

	$t->mock_script({ latency => 30, require_header => "Authorization: Bearer $token", %more });
	return;
}

# While the API takes any token: waits until that one is sent, and requires it from then on.
sub until_sent
{
	my ($token) = @_;

	$t->poll_for("requests with $token",
		sub { (($t->mock_last)[0]{headers}{authorization} // '') eq "Bearer $token" }, PATIENCE);
	require_token($token);
	return;
}

sub until_done
{
	my ($job, $rows) = @_;

	$t->poll_for("$rows rows of job $job", sub { $t->progress($job)->{rows_done} >= $rows }, PATIENCE);
	return;
}

# All rows are there, and nothing was charged for what changed on the way.
sub is_complete
{
	my ($job, $what) = @_;
	my $progress = $t->wait_job($job, 'completed', PATIENCE);

	is("@$progress{qw(rows_done rows_failed)}", '200 0', "$what: all rows are done");
	is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), 200, "$what: ... and stored");
	is($t->mock_stats->{repeats}, 0, "$what: no answer is asked for twice");
	return $progress;
}

sub paused_by
{
	my ($job) = @_;
	my $progress = $t->wait_job($job, 'paused', PATIENCE);

	$t->poll_for('the worker to leave', sub { !$t->pids($job) }, PATIENCE);
	return "$progress->{reason}: $progress->{error}";
}

#
# A file that is replaced: the next requests carry what it holds
#
write_file($file, "token-1\n");
$t->create_server('filed', max_attempts => 1, mapping => { bearer_token_file => $file });
require_token('token-1');
my $job = begin('filed');
until_done($job, 20);
$t->mock_script({ latency => 30 });
write_file("$file.new", "token-2\n");
rename "$file.new", $file or die "rename: $!";
until_sent('token-2');
is_complete($job, 'file replaced by name');

$t->mock_reset;
require_token('token-2');
$job = begin('filed');
until_done($job, 20);
$t->mock_script({ latency => 30 });
write_file($file, "token-3\n");	# as long as the old one
until_sent('token-3');
is_complete($job, 'file replaced in place');

#
# A token that expires: whoever replaced the file meanwhile is asked first
#
$t->mock_reset;
require_token('token-3');
$job = begin('filed');
until_done($job, 20);
# The file first: else a 401 may be there before it is.  And any token meanwhile: the new one may be sent at once.
$t->mock_script({ latency => 30 });
write_file($file, "token-4\n");
require_token('token-4', latency => 0);
is_complete($job, 'file replaced when the old token had expired');
is($t->sql("SELECT count(*) FROM enrich.failures WHERE job = $job"), 0, '... with max_attempts 1');

# ... and where nobody has, the job pauses once, and goes on when somebody did
my $listener = $t->node->background_psql('postgres');
$listener->query_safe('LISTEN enrich');
$t->mock_reset;
require_token('token-4');
$job = begin('filed');
until_done($job, 20);
require_token('token-5', latency => 0);
is(paused_by($job), 'configuration: HTTP status 401: Authorization not accepted: Bearer ***',
	'an expired token pauses the job, and the API\'s quotation of it is masked');
like($t->row("SELECT hint FROM enrich.jobs WHERE job = $job")->{hint}, qr/user mapping/, '... with a hint');
my $progress = $t->progress($job);
is($progress->{rows_failed}, 0, '... and charges nothing');
is($progress->{rows_done}, $t->sql('SELECT count(*) FROM target'), '... and what had come back is stored');
my $asked = $t->mock_stats->{requests};
cmp_ok($asked - $progress->{rows_done}, '<=', 8, '... after what was in flight');
is($progress->{requests}, $asked, '... which is counted');
$t->sql("SELECT enrich.resume($job)");
is(paused_by($job), 'configuration: HTTP status 401: Authorization not accepted: Bearer ***',
	'resumed without a repair it pauses again');
cmp_ok($t->mock_stats->{requests} - $asked, '<=', 8, '... at once');
write_file($file, "token-5\n");
$t->sql("SELECT enrich.resume($job)");
is_complete($job, 'resumed with another token');
is($t->states_notified($listener, $job, 'completed'), 'queued bucketizing running paused running paused running completed',
	'each pause is notified once');
$listener->quit;

#
# A file that cannot be used
#
my $cannot = 'configuration: could not read the bearer token file of server "filed": No such file or directory';
$t->mock_reset;
require_token('token-5', latency => 150);	# the file's absence is borne for a second
$job = begin('filed');
until_done($job, 20);
unlink $file;
is(paused_by($job), $cannot, 'a file that is gone pauses the job');
is($t->progress($job)->{rows_done}, $t->sql('SELECT count(*) FROM target'), '... what had come back is stored');
is($t->mock_stats->{repeats}, 0, '... and not asked for again');
write_file($file, "secret words\n");
$t->sql("SELECT enrich.resume($job)");
like(paused_by($job), qr/^configuration: the bearer token file of server "filed" holds no token \(It holds a space/,
	'so does one that holds something else, which is not shown');
require_token('token-5');
write_file($file, "token-5\n");
$t->sql("SELECT enrich.resume($job)");
is_complete($job, 'file mended');
unlink $file;
$job = begin('filed');
is(paused_by($job), $cannot, 'a job that begins without the file is paused, too');
$t->sql("SELECT enrich.cancel($job)");

#
# Mappings
#
$t->create_server('mapped', max_attempts => 1, mapping => { bearer_token => 'public-1' });
$t->mock_reset;
require_token('public-1');
$job = begin('mapped');
until_done($job, 20);
$t->mock_script({ latency => 30 });
$t->sql(q{ALTER USER MAPPING FOR PUBLIC SERVER mapped OPTIONS (SET bearer_token 'public-2')});
require_token('public-2');
is_complete($job, "PUBLIC's mapping changed");

$t->mock_reset;
require_token('public-2');
$job = begin('mapped');
until_done($job, 20);
$t->mock_script({ latency => 30 });
$t->sql(q{CREATE USER MAPPING FOR CURRENT_USER SERVER mapped OPTIONS (secret_headers '{"Authorization": "Bearer own-1"}')});
until_sent('own-1');
is_complete($job, "a mapping of one's own goes before PUBLIC's");

$t->mock_reset;
require_token('own-1');
$job = begin('mapped');
until_done($job, 20);
$t->sql('DROP USER MAPPING FOR PUBLIC SERVER mapped; DROP USER MAPPING FOR CURRENT_USER SERVER mapped');
is(paused_by($job), 'configuration: HTTP status 401: Authorization not accepted: none', 'without any mapping: 401');
$t->sql(q{CREATE USER MAPPING FOR PUBLIC SERVER mapped OPTIONS (bearer_token 'own-1')});
$t->sql("SELECT enrich.resume($job)");
is_complete($job, 'a mapping is there again');

#
# No secret shows: but in the statements above, which PostgreSQL itself logs where it is told to
#
my $secrets = qr/token-\d|public-\d|own-\d|secret words/;
my @lines = grep { /$secrets/ && !/STATEMENT|statement:/ } split /\n/, $t->log_since($began);
is("@lines", '', 'no secret in the log');
my $views = join "\n", map { $t->sql("SELECT * FROM enrich.$_") } qw(progress jobs buckets failures servers);
unlike($views, $secrets, 'nor in a view');

$t->stop;
done_testing();
