# Look-ups by GET: a row a URL, and rows that the API knows nothing of.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;
$t->create_server('api', method => 'GET');
$t->sql("CREATE TABLE place AS SELECT i AS id, 'place ' || i AS name FROM generate_series(1, 40) i; ALTER TABLE place ADD PRIMARY KEY (id)");

my %look_up = (source => 'place', server => 'api', path => '/item/{{name}}', input => ['name'], bucket_size => 20,
	output => '{"value bigint": "$.value"}');

# 404 where the URL names the row: no result, which is no failure
$t->mock_script({ status => 404, match => 'place 7' });
my $job = $t->start_job(%look_up, target => 'found');
my $progress = $t->wait_job($job);
is("@$progress{qw(rows_done rows_failed rows_skipped)}", '40 0 0', '404 is an answer');
is($t->sql('SELECT count(*) FROM found WHERE value IS NULL'), 1, 'which is NULL');
is($t->sql('SELECT value IS NULL FROM found WHERE id = 7'), 't', 'for the right row');
is($t->mock_stats->{requests}, 40, 'asked for once');
is($t->sql(q{SELECT status, results FROM enrich.preview('place', 'api', path => '/item/{{name}}', input => '{name}',
	output => '{"value bigint": "$.value"}', where_clause => 'id = 7')}), '404|[{"key": {"id": 7}, "value": null}]', 'preview shows it so');

# unless the server's options say otherwise
$t->sql("ALTER SERVER api OPTIONS (ADD not_found '410')");
$job = $t->start_job(%look_up, target => 'found_2');
$progress = $t->wait_job($job);
is("@$progress{qw(rows_done rows_failed)}", '39 1', 'another list of statuses: 404 fails its row');
$t->mock_script({ status => 410, match => 'place 7' });
is($t->sql("SELECT enrich.retry($job)"), 1, 'tried again');
$progress = $t->wait_job($job);
is("@$progress{qw(rows_done rows_failed)}", '40 0', 'and 410 is no result');

# Of a URL that names no row it says that the URL is wrong
$t->sql("ALTER SERVER api OPTIONS (SET not_found '404,410', SET method 'POST')");
$t->mock_script({ status => 404 });
$job = $t->start_job(%look_up, path => '/items', results => '$.items[*]', target => 'found_3');
$progress = $t->wait_job($job, 'paused');
is("@$progress{qw(reason rows_failed error)}", 'configuration 0 HTTP status 404: mock says 404', '404 for a batch pauses the job');

$t->stop;
done_testing();
