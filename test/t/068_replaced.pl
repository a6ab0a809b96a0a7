# A server that is dropped and made again under its name while a job runs on it: its
# workers see that one by one, and those that have not yet count for the old one.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new;

$t->create_server('api', max_concurrency => 4);
$t->sql(<<'END');
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 6000) i;
END

my $job = $t->start_job(source => 'source', server => 'api', path => '/items?latency=20', input => ['txt'],
	results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target', batch_size => 1,
	bucket_size => 10, concurrency => 8, workers => 2);
my $stopped;

# A process that is stopped would hold up the node's end.
END { kill CONT => $stopped if $stopped; }

# Waiting for answers and nothing else: it must not sleep with a lock or in a transaction.
sub sleeps_in_flight
{
	my ($pid) = @_;
	my ($found, $late);

	$t->node->psql('postgres', "SELECT true FROM pg_stat_activity WHERE pid = $pid AND xact_start IS NULL
		AND wait_event_type = 'Extension' AND query ~ '[1-9][0-9]* in flight'",
		stdout => \$found, timeout => 5, timed_out => \$late);
	return !$late && $found eq 't';
}

# One worker sleeps with requests in flight while the other one sends to the new server.
$t->poll_for('one of two workers to be stopped in flight', sub {
	my @pids = @{ $t->progress($job)->{pids} };

	return 0 if @pids < 2;
	foreach my $pid (@pids)
	{
		$stopped = $pid;
		kill STOP => $pid;
		return 1 if sleeps_in_flight($pid);
		kill CONT => $pid;
		$stopped = undef;
	}
	return 0;
}, PATIENCE);
my $url = $t->url;
$t->sql(<<"END");
BEGIN;
DROP SERVER api CASCADE;
CREATE SERVER api FOREIGN DATA WRAPPER pg_enrich OPTIONS (url '$url', max_concurrency '4');
COMMIT;
END
$t->poll("SELECT count(*) > 0 FROM enrich.servers WHERE server = 'api' AND requests > 20", 't', PATIENCE);
kill CONT => $stopped;
$t->sql("ALTER SERVER api OPTIONS (SET max_concurrency '200')");
$t->sql("SELECT enrich.alter($job, concurrency => 200)");

my $progress = $t->wait_job($job, 'completed', PATIENCE);
is("@$progress{qw(rows_done rows_failed)}", '6000 0', 'all rows are done');
is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), 6000, '... and stored');
is($t->mock_stats->{repeats}, 0, '... and none was asked for twice');

$t->stop;
done_testing();
