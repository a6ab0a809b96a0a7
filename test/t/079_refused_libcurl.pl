# A libcurl that cannot be trusted with connections is refused, with the version that is needed; a job that is there
# already pauses for it.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new(preload => 'refused_curl');
my $needed = qr/libcurl 8\.9\.0 .*8\.9\.1 is needed/;
my $arguments = q{'town', 'api', '{name}', '{"v text": "$.v"}'};

$t->create_server('api');
$t->sql(q{CREATE TABLE town (id integer PRIMARY KEY, name text); INSERT INTO town VALUES (1, 'Ulm')});
foreach my $call ("SELECT enrich.start($arguments)", "SELECT * FROM enrich.preview($arguments)")
{
	my $error = $t->sql_error($call);

	like($error, qr/ERROR:  0A000: $needed/, $call);
	like($error, qr/HINT:  Install another version of libcurl/, 'with a hint');
}

# started with another one, which is then replaced
$t->node->restart;
my $job = $t->start_job(source => 'town', server => 'api', path => '/items', input => ['name'],
	output => '{"v text": "$.upper"}', results => '$.items[*]', concurrency => 0);
$t->poll("SELECT state = 'running' FROM enrich.progress WHERE job = $job");
{
	local $ENV{LD_PRELOAD} = EnrichTest::library('refused_curl');
	$t->node->restart;
}
$t->sql("SELECT enrich.alter($job, concurrency => 1)");
my $progress = $t->wait_job($job, 'paused');
like("$progress->{reason}: $progress->{error}", qr/^configuration: $needed/, 'a job that is there pauses');
$t->node->restart;
$t->sql("SELECT enrich.resume($job)");
$t->wait_job($job);
is($t->sql('SELECT v FROM town'), 'ULM', 'and goes on with one that will do');

$t->stop;
done_testing();
