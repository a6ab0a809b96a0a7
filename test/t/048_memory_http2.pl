# Many large answers over HTTP/2, a connection for each, and little memory for them.

use strict;
use warnings;

use EnrichTest;
use Nginx;
use PostgreSQL::Test::Utils;
use Test::More;

use constant ANSWERS => 24;

Nginx->skip_without;
my $t = EnrichTest->new(conf => "pg_enrich.worker_memory = '64MB'", mock => 0);
my $nginx = Nginx->start($t, '');
my $padding = 'x' x 20_000_000;

PostgreSQL::Test::Utils::append_to_file($nginx->dir . '/large.json', qq({"padding": "$padding", "v": 1}));
$t->sql("CREATE TABLE source AS SELECT i AS id FROM generate_series(1, @{[ ANSWERS ]}) i; ALTER TABLE source ADD PRIMARY KEY (id)");
foreach my $version ('2', '1.1')
{
	my $name = $version eq '2' ? 'http2' : 'http1';
	my $most = 0;

	$t->create_server($name, $nginx->server_options, method => 'GET', max_response_size => '100MB',
		$version eq '2' ? () : (http_version => $version));	# asked for by name, 2 is for sharing
	my $job = $t->start_job(source => 'source', target => "answers_$name", server => $name, path => '/large.json?{{id}}', input => ['id'],
		batch_size => 1, results => '$', output => '{"v integer": "$.v"}', concurrency => ANSWERS);
	$t->poll_for('the job to end', sub {
		my $progress = $t->progress($job);
		foreach my $pid (@{ $progress->{pids} })
		{
			open my $status, '<', "/proc/$pid/status" or next;
			my ($kb) = map { /^RssAnon:\s+(\d+)/ } <$status>;
			$most = $kb if ($kb // 0) > $most;
		}
		return $progress->{state} =~ /completed|paused|failed/;
	});
	is($t->sql("SELECT count(*) FROM \"answers_$name\" WHERE v = 1"), ANSWERS, "large answers over HTTP/$version");
	is($t->progress($job)->{requests}, ANSWERS, '... each was asked for once');
	cmp_ok($most / 1024, '<', 140, '... within worker_memory and an answer or so');
}

$t->stop;
done_testing();
