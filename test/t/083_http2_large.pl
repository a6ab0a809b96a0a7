# Large answers over HTTP/2, through a real nginx: they come in many pieces, on connections that carry others too.

use strict;
use warnings;

use EnrichTest;
use Nginx;
use PostgreSQL::Test::Utils;
use Test::More;
use WireJob;

use constant ROWS => 60;

Nginx->skip_without;
my $t = EnrichTest->new;
my $nginx = Nginx->start($t, "location /v1/ { proxy_pass @{[ $t->url ]}; }");

# A file for each row, of 300 kB
my $padding = 'x' x 300_000;
foreach my $i (1 .. ROWS)
{
	PostgreSQL::Test::Utils::append_to_file($nginx->dir . "/$i.json", qq({"padding": "$padding", "v": "row $i"}));
}
foreach my $version (undef, '2')
{
	foreach my $concurrency (2, 16)
	{
		my $job = WireJob->start($t, { $nginx->server_options, method => 'GET', defined $version ? (http_version => $version) : () },
			rows => ROWS, path => '/{{id}}.json', request => undef, concurrency => $concurrency);
		$job->wait(30);
		is($job->outcome, "completed: @{[ ROWS ]} own, 0 of others, 0 failed",
			"answers of 300 kB, $concurrency at a time, " . (defined $version ? "http_version $version" : 'as it is by default'));
	}
}

# What an embeddings API sends: a hundred of 1,536 numbers; once without all that, to compare
$t->sql("CREATE TABLE town AS SELECT i AS id, 'town ' || i AS name FROM generate_series(1, 3000) i;
	ALTER TABLE town ADD PRIMARY KEY (id)");
my %embed = (source => 'town', path => '/v1/embeddings', input => ['name'], batch_size => 100, bucket_size => 100,
	request => { input => '{{inputs}}', dimensions => 1536 }, results => '$.data[*]', result_index => '$.index',
	output => { 'embedding real[]' => '$.embedding' });
$t->create_server('plain');
$t->create_server('nginx', $nginx->server_options);
my $expected = $t->start_job(%embed, server => 'plain', target => 'expected');
my $job = $t->start_job(%embed, server => 'nginx', target => 'embedded');
$t->wait_job($_, 'completed', 60) foreach $expected, $job;
is($t->sql('SELECT count(*) FROM embedded JOIN expected USING (id, embedding)'), 3000,
	'answers with a hundred embeddings of 1,536 numbers');

$t->stop;
done_testing();
