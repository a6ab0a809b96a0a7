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
INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 2000) i;
END

my $job = $t->start_job(source => 'source', server => 'api', path => '/items?latency=20', input => ['txt'],
	results => '$.items[*]', output => { 'upper text' => '$.upper' }, target => 'target', batch_size => 1,
	bucket_size => 10, concurrency => 8, workers => 2);
my @pids;

# A process that is stopped would hold up the node's end.
END { kill CONT => $pids[0] if @pids; }

@pids = @{ $t->poll_for('two workers that send', sub {
	my $now = $t->progress($job);
	return $now->{in_flight} == 4 && @{ $now->{pids} } == 2 && $now->{rows_done} > 0 && $now->{pids};
}, PATIENCE) };

# The first one sleeps with requests in flight while the other one sends to the new server.
$t->poll_for('the first worker to be stopped in flight', sub {
	kill STOP => $pids[0];
	my $in_flight = $t->sql("SELECT in_flight FROM enrich.progress WHERE job = $job");
	return 1 if $in_flight > 0 && $t->sql('SELECT count(*) FROM pg_stat_activity
		WHERE pid = ' . $pids[0] . " AND query ~ '[1-9][0-9]* in flight'");
	kill CONT => $pids[0];
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
kill CONT => $pids[0];

my $progress = $t->wait_job($job, 'completed', PATIENCE);
is("@$progress{qw(rows_done rows_failed)}", '2000 0', 'all rows are done');
is($t->sql(q{SELECT count(*) FROM target WHERE upper = 'ROW ' || id}), 2000, '... and stored');
is($t->mock_stats->{repeats}, 0, '... and none was asked for twice');

$t->stop;
done_testing();
