# Placeholders as outputs, re-running only the rows that changed, and a budget of tokens.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;
$t->create_server('api');
$t->sql(<<'END');
CREATE TABLE town (id integer PRIMARY KEY, name text, founded date);
INSERT INTO town SELECT i, 'Town ' || i, date '1200-01-01' + i FROM generate_series(1, 30) i;
INSERT INTO town VALUES (31, '', NULL);
END

my %items = (source => 'town', server => 'api', path => '/items', input => ['name'], results => '$.items[*]',
	result_index => '$.index', bucket_size => 10, rows => 'changed');
my $output = '{"label text": "$.upper", "made_by bigint": "{{job}}", "made_at timestamptz": "{{ now }}",'
  . ' "name text": "{{name}}", "town integer": "{{id}}", "mark text": "{{fingerprint}}"}';

# What a run took: rows, skipped ones, inputs the API was asked for
sub run_job
{
	my (%more) = @_;

	$t->mock_reset;
	my $job = $t->start_job(%items, output => $output, %more);
	my $progress = $t->wait_job($job);
	return ("@$progress{qw(rows_total rows_skipped)} " . ($t->mock_stats->{inputs} // 0), $job);
}

sub rows_taken { return (run_job(@_))[0] =~ s/ .*//r; }

foreach my $target (undef, 'described')
{
	my $where = defined $target ? 'in a target' : 'in the source';
	my $table = $target // 'town';
	my %more = (target => $target);

	# with no target the column name is an input: its output goes elsewhere
	$more{output} = '{"label text": "$.upper", "mark text": "{{fingerprint}}", "made_by bigint": "{{job}}"}' if !$target;
	my ($took, $first) = run_job(%more);
	is($took, '31 1 30', "$where: the first run takes all rows");
	is($t->sql("SELECT count(*) FROM $table r JOIN town USING (id) WHERE r.label = upper(town.name)
		AND r.made_by = $first AND r.mark ~ '^[0-9a-f]{32}\$'"), 30, "$where: placeholders are stored");
	is($t->sql("SELECT label IS NULL AND mark IS NOT NULL FROM $table WHERE id = 31"), 't',
		"$where: a row that is not sent has its fingerprint");
	($took) = run_job(%more);
	is($took, '0 0 0', "$where: nothing has changed");
	$t->sql("UPDATE town SET name = 'Village' WHERE id IN (4, 25); UPDATE town SET founded = NULL WHERE id = 7");
	($took, my $second) = run_job(%more);
	is($took, '2 0 2', "$where: only the rows whose input changed are sent again");
	is($t->sql("SELECT string_agg(id || label, ' ' ORDER BY id) FROM $table WHERE made_by = $second"),
		'4VILLAGE 25VILLAGE', "$where: and stored");
	($took) = run_job(%more, separator => '-', input => [ 'name', 'founded' ]);
	# rows 7 and 31 have no date: what is sent of them is as before
	is($took, '29 0 29', "$where: other inputs change the rows") if $target;
	($took) = run_job(%more, path => '/items?x=1');
	is($took, '31 1 30', "$where: another request changes all rows");
	$t->sql("UPDATE town SET name = 'Town ' || id WHERE id IN (4, 25)");
}
is($t->sql('SELECT count(*) FROM described JOIN town USING (id) WHERE described.name = town.name OR id IN (4, 25)'), 31,
	'a column of the row is stored beside');
is($t->sql('SELECT count(*) FROM described WHERE town = id AND made_at > now() - interval \'1 hour\''), 31,
	'and a number, and the time');

# In which order the key is given is nothing that changes a row
$t->sql(q{CREATE TABLE visit AS SELECT i % 5 AS town, i AS day, 'visit ' || i AS name FROM generate_series(1, 20) i;
	ALTER TABLE visit ADD PRIMARY KEY (town, day)});
my %visits = (source => 'visit', path => '/echo', target => 'visited', result_index => undef, results => undef,
	request => '{"k": "{{input}} {{day}} {{town}}"}', output => '{"said text": "$.body.k", "mark text": "{{fingerprint}}"}');
is(rows_taken(%visits), 20, 'a key of two columns: the first run takes all rows');
is(rows_taken(%visits, key => [qw(day town)]), 0, '... the other way round nothing has changed');
$t->sql('UPDATE visit SET day = 100 WHERE day = 7');
is(rows_taken(%visits, key => [qw(day town)]), 1, '... a row of another key is new');

# A row that is edited while its request is in flight is not marked current
$t->sql('DROP TABLE described');
$t->mock_reset;
$t->mock_script({ hang => 1, match => 'Town 12' });
my $job = $t->start_job(%items, output => $output, target => 'described');
$t->poll_for('the request that hangs', sub { $t->mock_stats->{hangs} == 1 });
$t->sql("UPDATE town SET name = 'Metropolis' WHERE id = 12");
$t->mock_script;
$t->mock_release;
$t->wait_job($job);
my ($took) = run_job(target => 'described');
is($took, '1 0 1', 'a row edited meanwhile is sent by the next run');
is($t->sql('SELECT label FROM described WHERE id = 12'), 'METROPOLIS', 'and then it is right');

# What is refused
my $plain = '{"label text": "$.upper"}';
like($t->sql_error($t->start_sql(%items, output => $plain, target => 'x')),
	qr/22023.*needs an output column for the fingerprint.*HINT.*\{\{fingerprint\}\}/s, 'changed needs a fingerprint');
like($t->sql_error($t->start_sql(%items, output => '{"label text": "{{nobody}}"}', target => 'x')),
	qr/42703.*unknown placeholder "\{\{nobody\}\}".*HINT.*\{\{name\}\}/s, 'an unknown placeholder');
like($t->sql_error($t->start_sql(%items, output => '{"mark integer": "{{fingerprint}}"}', target => 'x')),
	qr/42804.*fingerprint column "mark" is of type integer/s, 'a fingerprint that fits no number');

# A budget of tokens
$t->sql("CREATE TABLE story AS SELECT i AS id, repeat('word ', 80) || i AS body FROM generate_series(1, 400) i;
	ALTER TABLE story ADD PRIMARY KEY (id)");
$t->mock_reset;
$t->mock_script({ latency => 20 });
$job = $t->start_job(source => 'story', server => 'api', path => '/v1/embeddings', input => ['body'], bucket_size => 10,
	request => '{"model": "m", "dimensions": 8, "input": "{{inputs}}"}', results => '$.data[*]', result_index => '$.index',
	output => '{"embedding real[]": "$.embedding"}', concurrency => 2, max_tokens => 10000);
my $progress = $t->wait_job($job, 'paused');
is($progress->{reason}, 'budget', 'a spent budget pauses the job');
like($progress->{error}, qr/max_tokens \(10000\)/, 'and says so');
$t->poll("SELECT pids = '{}' FROM enrich.progress WHERE job = $job");
$progress = $t->progress($job);
my $each = $progress->{tokens} / $progress->{requests};
cmp_ok($progress->{tokens}, '>=', 10000, 'all of it is used');
cmp_ok($progress->{tokens}, '<', 10000 + 2 * $each + 1, 'and no more than what was in flight beyond');
is($progress->{rows_done}, 10 * $progress->{requests}, 'what was paid for is stored');
$t->sql("SELECT enrich.alter($job, max_tokens => 1000000), enrich.resume($job)");
$t->wait_job($job);
is($t->sql('SELECT count(*) FROM story WHERE cardinality(embedding) = 8'), 400, 'with a larger one it goes on');
is($t->mock_stats->{requests}, 40, 'and asks nothing twice');

$t->stop;
done_testing();
