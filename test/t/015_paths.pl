# Paths: all of jsonpath, with PostgreSQL's own evaluation as the oracle; JSON inside a string; paths that find nothing.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;
$t->create_server('api');

# A row's input is the item that comes back.
$t->sql(<<'END');
CREATE TABLE item (id integer PRIMARY KEY, j text);
INSERT INTO item VALUES
	(1, '{"tags": [{"n": "a"}, {"n": "b"}], "score": 0.5, "when": "2026-01-02", "d": {"x": [1, 2, 3]}}'),
	(2, '{"tags": [{"n": "x"}], "score": 7, "when": "2026-11-30", "d": {"x": [4]}}'),
	(3, '{"tags": [], "score": -1, "when": "never", "d": {}}'),
	(4, '{"tags": {"n": "z"}, "score": "7", "d": [{"x": 5}, {"x": 6}]}'),
	(5, '[1, "two", null, {"n": 3}]');
END

# Paths that are not plain, and some that are, all as jsonb.
my @paths = (
	'$.tags[last].n', '$.tags[0 to 1].n', '$.tags.size()', '$.d.x ? (@ > 1)', '$.score.type()',
	'$.score ? (@ > 0)', '$.*', '$.**.n', '$.tags[*].n', '$.when ? (@ like_regex "^2026-1")',
	'$.d.x[1 to last]', '$ ? (@.score > 1).tags', '$.d.keyvalue().key',
	'$[*] ? (@ == "two")', 'exists($.tags)', '$.score == 7');
my $number = 0;
my $output = '{' . join(', ', map { my $p = $_; $p =~ s/"/\\"/g; '"p' . ++$number . " jsonb\": \"$p\"" } @paths) . '}';
my $job = $t->start_job(source => 'item', server => 'api', path => '/answer?raw=1', input => ['j'],
	results => '$.items[*]', target => 'found', output => $output);
my $progress = $t->wait_job($job);
is($progress->{rows_failed}, 0, 'no row fails in lax mode');

# What jsonb_path_query finds: nothing is NULL, one is itself, several are an array.
foreach my $i (1 .. @paths)
{
	my $path = $paths[$i - 1] =~ s/'/''/gr;
	my $wrong = $t->sql(<<"END");
SELECT string_agg(format('row %s: %s instead of %s', i.id, f.p$i, o.value), '; ')
FROM item i JOIN found f USING (id) CROSS JOIN LATERAL (
	SELECT CASE count(*) WHEN 0 THEN NULL WHEN 1 THEN (jsonb_agg(v))->0 ELSE jsonb_agg(v) END AS value
	FROM jsonb_path_query(i.j::jsonb, '$path', silent => true) v) o
WHERE NULLIF(f.p$i, 'null') IS DISTINCT FROM NULLIF(o.value, 'null')
END
	is($wrong, '', "as jsonb_path_query: $paths[$i - 1]");
}

# Errors that even lax mode raises fail their row alone
foreach my $path ('$.score + 1', '$.when.datetime()', '$.d.x.abs()')
{
	$job = $t->start_job(source => 'item', server => 'api', path => '/answer?raw=1', input => ['j'],
		results => '$.items[*]', target => 'maybe' . ++$number, output => "{\"v jsonb\": \"$path\"}");
	$progress = $t->wait_job($job);
	my $raised = 0;
	foreach my $id (1 .. 5)
	{
		$raised++ if $t->sql_error("SELECT jsonb_path_query(j::jsonb, '$path') FROM item WHERE id = $id");
	}
	is($progress->{rows_failed}, $raised, "fails where jsonb_path_query raises an error: $path");
}

# Finds of an array column are an array, however many they are
$job = $t->start_job(source => 'item', server => 'api', path => '/answer?raw=1', input => ['j'],
	results => '$.items[*]', output => '{"names text[]": "$.tags[*].n", "numbers int[]": "$.d.x ? (@ > 1)"}');
$t->wait_job($job);
is($t->sql("SELECT string_agg(id || COALESCE(names::text, '-') || COALESCE(numbers::text, '-'), ' ' ORDER BY id) FROM item"),
	'1{a,b}{2,3} 2{x}{4} 3-- 4{z}{5,6} 5--', 'one find of an array column is an array of one');

# Strict paths that do not fit fail their row alone
$job = $t->start_job(source => 'item', server => 'api', path => '/answer?raw=1', input => ['j'],
	results => '$.items[*]', output => '{"doubled double precision": "strict $.score.double()"}');
$progress = $t->wait_job($job);
is("@$progress{qw(rows_done rows_failed)}", '4 1', 'strict: the row that does not fit fails alone');
like($t->sql("SELECT error FROM enrich.failures WHERE job = $job"), qr/does not fit strict/, 'and its reason names the path');

# Items where a filter finds them
$job = $t->start_job(source => 'item', server => 'api', path => '/items', input => ['j'], target => 'few',
	results => '$.items ? (@.index >= 0)', result_index => '$.index', output => '{"length int": "$.length"}');
$t->wait_job($job);
is($t->sql('SELECT count(*) FROM few JOIN item USING (id) WHERE few.length = length(j)'), 5, 'results by a filter');

# JSON inside a string
my $chat = '{"model": "m", "response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "{{input}}"}]}';
$job = $t->start_job(source => 'item', server => 'api', path => '/v1/chat/completions', input => ['j'],
	request => $chat, content => '$.choices[0].message.content', target => 'said', where_clause => 'id < 5',
	output => '{"label text": "$.label", "score real": "$.score", "length int": "$.length"}');
$progress = $t->wait_job($job);
is($t->sql("SELECT count(*) FROM said JOIN item USING (id) WHERE length = length(j) AND label IN ('positive', 'negative', 'neutral')"),
	4, 'content: the string is read as JSON');
$t->sql("ALTER SERVER api OPTIONS (ADD backoff_base '5ms', ADD max_attempts '2')");
$job = $t->start_job(source => 'item', server => 'api', path => '/v1/chat/completions', input => ['j'],
	request => '{"model": "m", "messages": [{"role": "user", "content": "{{input}}"}]}', target => 'echoed',
	content => '$.choices[0].message.content', output => '{"label text": "$.label"}');
$progress = $t->wait_job($job);
is("@$progress{qw(rows_failed retries)}", '5 5', 'content that is no JSON is asked for again, then fails');
like($t->sql("SELECT min(error) FROM enrich.failures WHERE job = $job"),
	qr/^the string at \$\."choices"\[0\]\."message"\."content" is not JSON/, 'with a reason');

# Paths that find nothing at all
$t->sql("CREATE TABLE many AS SELECT i AS id, 'row ' || i AS name FROM generate_series(1, 100) i; ALTER TABLE many ADD PRIMARY KEY (id)");
$t->mock_reset;
$job = $t->start_job(source => 'many', server => 'api', path => '/items', input => ['name'], bucket_size => 10,
	concurrency => 1, results => '$.items[*]', output => '{"label text": "$.lable", "value text": "$.valeu"}');
$progress = $t->wait_job($job, 'paused');
is($progress->{reason}, 'configuration', 'a first bucket without any find pauses the job');
like($progress->{error}, qr/no output path found anything/, 'and says why');
cmp_ok($t->mock_stats->{requests}, '<=', 3, 'before much is spent');
$t->sql("SELECT enrich.resume($job)");
$t->wait_job($job);
is($t->sql('SELECT count(*) FROM many WHERE label IS NULL'), 100, 'resume goes on with NULLs');

# What is tried in a subtransaction, and is canceled, leaves the session as it was
$t->sql(<<'END');
CREATE FUNCTION linger(jsonb) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(60); RETURN true; END$$;
CREATE DOMAIN lingering AS jsonb CHECK (linger(VALUE));
END
my ($status, $said, $complaint) = $t->node->psql('postgres', <<'END', on_error_stop => 0);
SET statement_timeout = '2s';
SELECT enrich.preview('many', 'api', path => '/items', input => '{name}', results => '$.items[*]',
	output => '{"slow lingering": "$.text"}');
SELECT 'still here';
END
like($complaint, qr/statement timeout/, 'a preview is canceled while it converts');
is($said, 'still here', 'and its session goes on, outside of any transaction');

$t->stop;
done_testing();
