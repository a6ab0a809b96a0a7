# Two sessions start a job of one name at the same time: one of them does.

use strict;
use warnings;

use EnrichTest;
use IPC::Run;
use Test::More;

my $t = EnrichTest->new(mock => 0);
$t->create_server('api', url => 'http://127.0.0.1:9');
$t->sql("CREATE TABLE town AS SELECT 1 AS id, 'a' AS name; ALTER TABLE town ADD PRIMARY KEY (id)");

my $start = $t->start_sql(source => 'town', server => 'api', input => ['name'], output => '{"label text": "$"}',
	name => 'nightly', concurrency => 0);
my $or_not = $start =~ s/\)$/, if_not_exists => true)/r;

# A session that runs this and says what comes of it.
sub session
{
	my ($name, $sql, $out) = @_;

	return IPC::Run::start([ 'psql', '-XAtq', '-d', $t->node->connstr('postgres') . " application_name=$name",
			'-c', $sql ], '>', $out, '2>&1');
}

# The first session has started the job, and does not commit before the other two wait for it.
$t->sql(<<'END');
CREATE FUNCTION until_others_wait() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('second', 'third')
			AND wait_event_type = 'Lock') < 2 LOOP
		PERFORM pg_stat_clear_snapshot(), pg_sleep(0.02);
	END LOOP;
	RETURN 'they do';
END $$;
END
my ($said, $again, $refused);
my $first = session('first', "BEGIN; $start; SELECT until_others_wait(); COMMIT", \$said);
$t->poll("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'first' AND wait_event = 'PgSleep'");
my $second = session('second', $or_not, \$again);
my $third = session('third', $start, \$refused);
$_->finish foreach ($first, $second, $third);

my ($job) = $said =~ /^(\d+)$/m;
ok($job, 'the first session starts the job');
like($again, qr/NOTICE:  job "nightly" is not finished yet, skipping\nDETAIL:  It is (queued|bucketizing|running)\.\n.*^$job$/ms, 'if_not_exists returns it to the second');
like($refused, qr/ERROR:  job "nightly" is not finished yet/, 'the third is told that it is there');
is($t->sql('SELECT count(*) FROM enrich.jobs'), 1, 'there is one job');

$t->stop;
done_testing();
