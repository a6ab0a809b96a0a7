# A server that is altered while requests are in flight: what was sent before is read as it
# was sent, what is sent after that goes elsewhere, and is read in another way.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant ROWS => 10;

my $t = EnrichTest->new;

$t->create_server('api', url => $t->url('/items'), results => '$.items[*]');
$t->sql("CREATE TABLE source (id integer PRIMARY KEY, txt text);
	INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, @{[ROWS]}) i");

# Two hang; all others go to the other address, where an item stands in an array of its own
$t->mock_script({ path => '/items', hang => 1 });
my $job = $t->start_job(source => 'source', server => 'api', input => ['txt'], output => { 'upper text' => '$.upper' },
	target => 'target', batch_size => 1, concurrency => 2);
$t->poll_for('two requests', sub { $t->mock_stats->{in_flight} == 2 });
my ($url, $array) = ($t->url('/array'), '$[*]');
$t->sql("ALTER SERVER api OPTIONS (SET url '$url', SET results '$array'); SELECT enrich.alter($job, concurrency => 4)");
$t->poll("SELECT rows_done FROM enrich.progress WHERE job = $job", ROWS - 2);
is($t->mock_stats->{in_flight}, 2, 'all rows are done at the new address, but for those in flight');

$t->mock_release;
is($t->wait_job($job)->{rows_failed}, 0, 'these are answered by the old one');
is($t->sql(q(SELECT count(*) FROM target JOIN source USING (id) WHERE upper = upper(txt))), ROWS, '... and read as they were sent');
is($t->mock_stats->{repeats}, 0, '... once');

$t->stop;
done_testing();
