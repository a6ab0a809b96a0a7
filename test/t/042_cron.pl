# The recipe of docs/cookbook.md for every night, run by pg_cron itself.
#
# The recipe is scheduled word for word (but for the url, see 040_cookbook.pl), at three
# in the morning.  Then its schedule alone is changed to @reboot, which every version of
# pg_cron knows, and a night is a restart of the server.

use strict;
use warnings;

use Cookbook;
use EnrichTest;
use Test::More;

chomp(my $library = `pg_config --pkglibdir`);
plan skip_all => 'pg_cron is not installed' if !-e "$library/pg_cron.so";

my $t = EnrichTest->new(conf => <<'END');
shared_preload_libraries = 'pg_cron, pg_enrich'
cron.database_name = 'postgres'
cron.use_background_workers = on
END
$t->sql('CREATE EXTENSION pg_cron');
my $book = Cookbook->new($t);

sub count_runs { return $t->sql("SELECT count(*) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')"); }

# All schedules fire, and their commands end; returns how they ended
sub fire
{
	my $before = count_runs();
	my $schedules = $t->sql('SELECT count(*) FROM cron.job');

	$t->node->restart;
	$t->poll("SELECT count(*) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')", $before + $schedules);
	return $t->sql("SELECT string_agg(status, ' ') FROM (SELECT status FROM cron.job_run_details ORDER BY runid DESC LIMIT $schedules) d");
}

# A night: what the API was asked for, in order
sub night
{
	$t->mock_log;
	is(fire(), 'succeeded', 'pg_cron runs the command');
	$t->wait_job($t->sql('SELECT max(job) FROM enrich.jobs'));
	return join ', ', sort keys %{ $t->mock_inputs };
}

sub count_jobs { return $t->sql('SELECT count(*) FROM enrich.jobs'); }

# Nothing that stands in the table differs from the articles as they are
sub is_current
{
	my $rows = $t->sql('SELECT count(*) FROM articles');

	is($book->count_right_embeddings(q{SELECT concat_ws(' ', title, body) AS input, embedding FROM articles JOIN article_embeddings USING (id)}, 256),
		$rows, $_[0]);
	$t->mock_reset;
	return;
}

my %check = (
	'Every night' => sub {
		is($t->sql('SELECT schedule, jobname, database FROM cron.job'), '0 3 * * *|embed articles|postgres', 'scheduled for every night');
		is(count_jobs(), 0, 'and not yet started');
		$t->sql("SELECT cron.alter_job(jobid, schedule => '\@reboot') FROM cron.job");

		my @asked = split /, /, night();
		is(scalar @asked, 120, 'the first night: all rows are sent');
		is($t->mock_stats->{requests}, 2, 'in requests of 100');
		is(($t->mock_last)[0]{headers}{authorization}, 'Bearer sk-YOUR-KEY', 'with the key');
		is_current('and every article has its embedding');

		is(night(), '', 'nothing new: nothing is sent');
		$t->sql("UPDATE articles SET body = 'edited' WHERE id IN (3, 30); INSERT INTO articles VALUES (121, 'Title 121', 'new')");
		is(night(), 'Title 121 new, Title 3 edited, Title 30 edited', 'only what is new or was edited is sent');
		is_current('and stored');
	},
);

foreach my $title ($book->titles)
{
	$book->check($title => $check{$title}) if $check{$title};
}

subtest 'a night that is not over when the next begins' => sub {
	my $jobs = count_jobs();

	$t->mock_script({ hang => 1 });
	$t->sql("UPDATE articles SET body = 'slow' WHERE id = 50");
	# twice the same command, at the same moment
	$t->sql("SELECT cron.schedule('again', schedule, command) FROM cron.job");
	my $log = $t->log_position;
	is(fire(), 'succeeded succeeded', 'both commands run');
	is(count_jobs(), $jobs + 1, 'one job');
	like($t->log_since($log), qr/NOTICE: +job "embed articles" .*skipping/, 'and a NOTICE');
	$t->poll_for('the request', sub { $t->mock_stats->{in_flight} == 1 });
	$t->sql("SELECT cron.unschedule('again')");
	$log = $t->log_position;
	is(fire(), 'succeeded', 'the next night');
	is(count_jobs(), $jobs + 1, 'finds the job unfinished, and starts none');
	like($t->log_since($log), qr/NOTICE: +job "embed articles" .*skipping/, 'and says so');
	$t->poll_for('the request', sub { $t->mock_stats->{in_flight} == 1 });
	$t->mock_script;
	$t->mock_release;
	$t->wait_job($t->sql('SELECT max(job) FROM enrich.jobs'));
	is_current('and that job ends well');
};

subtest 'a night that fails' => sub {
	$t->mock_script({ status => 422 });
	$t->sql("UPDATE articles SET body = 'unlucky' WHERE id IN (7, 70)");
	is(fire(), 'succeeded', 'the command runs');
	is($t->wait_job($t->sql('SELECT max(job) FROM enrich.jobs'))->{rows_failed}, 2, 'its rows fail');
	$t->mock_reset;
	is(night(), 'Title 7 unlucky, Title 70 unlucky', 'the next night sends them again');
	is_current('and stores them');
};

subtest 'a job that is paused' => sub {
	my $jobs = count_jobs();

	$t->mock_script({ hang => 1 });
	$t->sql("UPDATE articles SET body = 'paused' WHERE id = 8");
	fire();
	my $job = $t->sql('SELECT max(job) FROM enrich.jobs');
	$t->poll_for('the request', sub { $t->mock_stats->{in_flight} == 1 });
	$t->sql("SELECT enrich.pause($job)");
	$t->mock_script;
	$t->mock_release;
	is(fire(), 'succeeded', 'the command runs');
	is(count_jobs(), $jobs + 1, 'and starts nothing');
	is($t->sql("SELECT job, state FROM enrich.jobs WHERE state IN ('paused', 'failed')"), "$job|paused", 'the alert shows it');
	$t->sql("SELECT enrich.resume($job)");
	$t->wait_job($job);
	is_current('until it is resumed');
};

$t->stop;
done_testing();
