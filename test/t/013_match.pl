# Every answer lands on its own row or on none, whatever shape requests and answers
# have; and what goes over the wire is what template, URL and options say.

use strict;
use warnings;

use EnrichTest;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

my $t = EnrichTest->new(init => [ extra => [ '--encoding=UTF8', '--locale=C' ] ]);
my $right = "('x' || substr(md5(name), 1, 8))::bit(32)::bigint % 1000000";

$t->create_server('items', url => '/items', results => '$.items[*]', result_index => '$.index', backoff_base => '5ms');
$t->create_server('answer', url => '/answer', backoff_base => '5ms');
$t->create_server('ordered', url => '/array', backoff_base => '5ms');

my $job;
sub enrich
{
	my (%parameter) = @_;

	$job = $t->start_job(server => 'items', input => ['name'], output => '{"value bigint": "$.value"}', %parameter);
	return $t->wait_job($job);
}

sub make_rows
{
	my ($rows) = @_;

	$t->sql("DROP TABLE IF EXISTS word; CREATE TABLE word AS SELECT i AS id, md5(i::text) AS name, NULL::bigint AS value
		FROM generate_series(1, $rows) i; ALTER TABLE word ADD PRIMARY KEY (id)");
	$t->mock_reset;
	return;
}

# How many rows have their own answer, and how many another one.
sub right_and_wrong
{
	return $t->sql("SELECT count(*) FILTER (WHERE value = $right), count(*) FILTER (WHERE value <> $right) FROM word");
}

#
# Items in any order, requests of any size
#
my $seed = time;
srand($seed);
note("random seed: $seed");
for (1 .. 6)
{
	my $rows = 1 + int(rand(1500));
	my $bucket = 1 + int(rand(400));
	my $batch = 1 + int(rand($bucket));
	my $what = "$rows rows, buckets of $bucket, requests of $batch";

	make_rows($rows);
	$t->mock_script({ shuffle => 1, latency => '0-10', count => 0 });
	my $progress = enrich(source => 'word', bucket_size => $bucket, batch_size => $batch, workers => 1 + int(rand(2)));
	is(right_and_wrong(), "$rows|0", "shuffled: $what");
	my $requests = int($rows / $bucket) * int(($bucket + $batch - 1) / $batch)
	  + int(($rows % $bucket + $batch - 1) / $batch);
	is($progress->{requests}, $requests, "requests: $what");
}
make_rows(700);
enrich(source => 'word', server => 'ordered', bucket_size => 100, batch_size => 30);
is(right_and_wrong(), '700|0', 'items in order, without an index');
is($t->mock_stats->{requests}, 28, '... in requests that end with their bucket');

#
# Answers that do not match: the row they do not match alone fails, and no row gets another's value
#
foreach my $case (
	[ items => { count => -1 }, qr/nothing at .* for 1 row/ ], [ items => { count => 1 }, qr/position|item/ ],
	[ items => { duplicate_index => 1 }, undef ], # of a single item that is the right one
	[ items => { no_index => 1 }, qr/item 0 .*position/ ], [ items => { null_items => 1 }, qr/position|null/ ],
	[ items => { null_items => 5 }, undef ],
	[ ordered => { count => -1 }, qr/nothing at \$\[\*\] for 1 row/ ],
	[ ordered => { count => 1 }, qr/2 items .*1 row|1 row.* 2/ ],
	[ ordered => { count => -20 }, qr/nothing at \$\[\*\] for 1 row/ ])
{
	my ($server, $script, $reason) = @$case;
	my $what = "$server, " . join ' ', %$script;
	my $failed = $reason ? 1 : 0;

	make_rows(60);
	$t->mock_script({ %$script, match => md5_of(25), shuffle => $server eq 'items' ? 1 : 0 });
	my $progress = enrich(source => 'word', server => $server, bucket_size => 20);
	is(right_and_wrong(), 60 - $failed . '|0', "$what: nothing lands on a wrong row");
	is("@$progress{qw(rows_done rows_failed)}", 60 - $failed . " $failed", "$what: no other row fails");
	cmp_ok($progress->{requests}, '>', 3, "$what: the request was parted");
	next if !$failed;
	is($t->sql("SELECT key ->> 'id' FROM enrich.failures WHERE job = $job"), 25, "$what: that row fails");
	like($t->sql("SELECT error FROM enrich.failures WHERE job = $job"), $reason, "$what: a reason to act on");
	$t->mock_script;
	is($t->sql("SELECT enrich.retry($job)"), 1, "$what: retry");
	$t->wait_job($job);
	is(right_and_wrong(), '60|0', "$what: then all rows are right");
}

sub md5_of
{
	my ($id) = @_;

	return $t->sql("SELECT md5('$id')");
}

# an item that is null is an answer, where items are in order
make_rows(20);
$t->mock_script({ null_items => 4 });
is(enrich(source => 'word', server => 'ordered')->{rows_done}, 20, 'items that are null, in order');
is(right_and_wrong(), '15|0', '... are stored as NULL');

# answers that are spoiled once come again, and are stored once
foreach my $script ({ cut_first => 1 }, { reset_first => 1 }, { fail_first => 1 })
{
	my ($fault) = keys %$script;

	make_rows(50);
	$t->mock_script($script);
	my $progress = enrich(source => 'word', bucket_size => 10);
	is(right_and_wrong(), '50|0', "$fault: all rows right in the end");
	is("@$progress{qw(requests retries rows_failed)}", '10 5 0', "$fault: requests are tried again");
}
make_rows(5);
$t->mock_script({ bad_json => 1 });
enrich(source => 'word');
like($t->sql("SELECT min(error) FROM enrich.failures WHERE job = $job"), qr/the answer is cut off/, 'half an answer is never read');
is($t->sql("SELECT max(attempts) FROM enrich.failures WHERE job = $job"), 5, '... but asked for max_attempts times');
is(right_and_wrong(), '0|0', '... nor stored');

# positions that are none, or another row's: here the answer holds what the input says
$t->mock_reset;
$t->sql('CREATE TABLE position (id integer PRIMARY KEY, name text, value bigint)');
my @positions = ('0', '0', '1', '-1', '1.5', '0.0', '"0"', '"a"', '99999999999', '1e400', 'null', 'true', '[0]', '{}', '-0');
$t->sql('INSERT INTO position VALUES ' . join ', ', map { "($_, '{\"i\": $positions[$_], \"v\": $_}')" } 0 .. $#positions);
$t->sql(q{INSERT INTO position VALUES (99, '{"v": 99}')});
enrich(source => 'position', path => '', server => 'answer', result_index => '$.i', results => '$.items[*]', output => '{"value bigint": "$.v"}');
is($t->sql(q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM position WHERE value IS NOT NULL AND value <> id}), '', 'odd positions: no row has the value of another');
is($t->sql(q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM position WHERE value = id}), '0 1 14', '... alone, those that are 0 are the right ones');
is($t->sql(<<"END"), '13|13|0', '... and the others fail, each with what it said');
SELECT count(*), count(DISTINCT error), count(*) FILTER (WHERE error !~ 'has an item for position (1|-1|99999999999), but|has no (integer|position) at')
FROM enrich.failures WHERE job = $job
END

# compressed answers
make_rows(300);
$t->mock_script({ gzip => 1, shuffle => 1 });
enrich(source => 'word');
is(right_and_wrong(), '300|0', 'gzip');
like(($t->mock_last)[0]{headers}{'accept-encoding'}, qr/gzip/, '... is asked for');

#
# GET, with placeholders in the URL
#
$t->sql(<<'END');
CREATE TABLE odd (id integer PRIMARY KEY, name text, "a b" text, value bigint);
INSERT INTO odd SELECT row_number() OVER (), n, 'ab' FROM unnest(ARRAY['plain', 'two words', '100%', '%41', 'a/b', 'ż→🐢', 'x&input=y',
	'a?b#c', '../..', 'a+b', '"q"', E'tab\tnew\nline', ';=,:@!$()*~', '{{input}}', '[1]', '.', E'\\']) n;
END
$t->create_server('get', url => '/items', method => 'GET');
$t->mock_reset;
my $odd = $t->sql('SELECT count(*) FROM odd');
my $progress = enrich(source => 'odd', server => 'get', path => '?input={{input}}&k={{id}}', results => '$.items[0]');
is("@$progress{qw(rows_done requests)}", "$odd $odd", 'GET: a request for each row');
is($t->sql("SELECT string_agg(name, ' ') FROM odd WHERE value IS DISTINCT FROM $right"), '', '... with what belongs to it');
my @last = $t->mock_last($odd);
is($last[0]{method} . $last[0]{body_length}, 'GET0', '... and no body');
is((grep { $_->{target} !~ m{^/items\?input=[A-Za-z0-9%._~-]+&k=\d+$} } @last) + 0, 0, '... percent-encoded');
ok((grep { $_->{target} =~ m{^/items\?input=x%26input%3Dy&k=} } @last), '... so that a value adds no parameter');
$t->sql('UPDATE odd SET value = NULL');
$t->create_server('item', url => '/', method => 'GET');
enrich(source => 'odd', server => 'item', path => 'item/{{name}}', where_clause => q{name NOT IN ('.', '../..')});
is($t->sql("SELECT string_agg(name, ' ') FROM odd WHERE value IS DISTINCT FROM $right AND name NOT IN ('.', '../..')"), '',
	'GET: placeholders in the path');
ok((grep { $_->{target} eq '/item/a%2Fb' } $t->mock_last($odd)), '... where a slash is data');
$t->mock_reset;
enrich(source => 'odd', server => 'item', path => 'item/{{name}}', where_clause => q{name IN ('.', '../..')});
is(join(' ', map { $_->{target} } $t->mock_last(5)), '', '... and dots do not climb');
is($t->sql("SELECT string_agg(input, ' ' ORDER BY input) FROM enrich.failures WHERE job = $job
	AND error LIKE 'a value in the url''s path is empty, %'"), '. ../..', '... nor vanish');
$t->create_server('query', url => '/echo?fixed=1', method => 'GET', mapping => { secret_query => '{"key": "a s&cret"}' });
enrich(source => 'odd', server => 'query', path => '/sub/{{job}}/{{bucket}}?n={{name}}', where_clause => 'id = 2', output => { 'url text' => '$.target' });
is($t->sql('SELECT url FROM odd WHERE id = 2'), "/echo/sub/$job/1?fixed=1&n=two%20words&key=a%20s%26cret",
	'path, query and secret query are put together');
(my $preview = $t->start_sql(source => 'odd', server => 'query', input => ['name'], output => '{"url text": "$.target"}',
	path => '/sub', where_clause => 'id = 2')) =~ s/SELECT enrich.start/SELECT response FROM enrich.preview/;
my $echoed = $t->sql($preview);
like($echoed, qr/"key":\s*"\*\*\*"/, 'a preview masks a secret that comes back,');
unlike($echoed, qr/s(&|%26)cret/, '... as it was sent and as it is');

#
# Bodies
#
$t->create_server('echo', url => '/echo', http_version => '1.1', headers => '{"X-Plain": "a b", "X-Other": "ü"}',
	mapping => { bearer_token => 'tok/en=', secret_headers => '{"X-Secret": "hush"}' });
$t->sql(q{CREATE TABLE thing (id bigint PRIMARY KEY, n numeric, b boolean, t text, j jsonb, d date, a integer[], e text);
	INSERT INTO thing VALUES (9007199254740993, 1.10, true, 'say "hi" \ {{t}}', '{"k": [1, null]}', '2024-02-29', '{1,2}', NULL),
		(2, 'NaN', NULL, E'ü\n', 'null', NULL, NULL, '')});

# The body that was sent for the rows of thing, as text.
sub sent
{
	my ($request, %parameter) = @_;

	enrich(source => 'thing', server => 'echo', input => [qw(t n b j d a e)], request => $request, results => '$',
		output => '{"raw text": "$.raw"}', where_clause => 'id <> 2', %parameter);
	return ($t->mock_last)[0]{body};
}

my $input = 'say \"hi\" \\\\ {{t}} 1.10 t {\"k\": [1, null]} 2024-02-29 {1,2}';
is(sent('{"z": 1.0, "input": "{{input}}", "a": {"y": [], "x": null}, "text": "<{{input}}>"}'),
	qq({"z": 1.0, "input": "$input", "a": {"y": [], "x": null}, "text": "<$input>"}), '{{input}}, and the order of keys');
is($t->sql("SELECT raw = (SELECT body FROM (VALUES (\$\$" . sent('{"i": "{{input}}"}') . "\$\$)) v (body)) FROM thing WHERE id <> 2"), 't',
	'what was sent is what arrived');
my $typed = sent('{"id": "{{id}}", "n": "{{n}}", "b": "{{b}}", "t": "{{t}}", "j": "{{j}}", "d": "{{d}}", "a": "{{a}}", "e": "{{e}}", "m": "{{id}}-{{b}}"}');
is($typed, '{"id": 9007199254740993, "n": 1.10, "b": true, "t": "say \"hi\" \\\\ {{t}}", "j": {"k": [1, null]}, '
	  . '"d": "2024-02-29", "a": [1,2], "e": null, "m": "9007199254740993-true"}', '{{column}} has its JSON type');
is(sent('{"job": "{{job}}", "bucket": "{{bucket}}", "text": "{{job}}/{{bucket}}", "lit": "{{{{job}}", "i": "{{input}}"}'),
	qq({"job": $job, "bucket": 1, "text": "$job/1", "lit": "{{job}}", "i": "$input"}), '{{job}}, {{bucket}} and a literal');
is(sent('{"inputs": "{{inputs}}", "text": "all: {{inputs}}"}', batch_size => 1),
	qq({"inputs": ["$input"], "text": "all: ) . substr(JSON::PP->new->allow_nonref->encode(qq(["$input"])), 1) . '}',
	'{{inputs}}, as JSON and as text');
my $rows = JSON::PP->new->decode(sent('{"rows": "{{rows}}"}', input => [qw(t b)], where_clause => undef,
		results => '$.body.rows[*]', output => '{"raw text": "$.id"}'))->{rows};
is(join('|', sort map { join ',', sort keys %$_ } @$rows), 'b,id,t|b,id,t', '{{rows}}: key and input columns');
is($t->sql('SELECT count(*) FROM thing WHERE raw = id::text'), 2, '... each with its own key');
is(sent('{"list": ["{{each}}", {"n": "{{id}}", "t": "{{t}}"}], "k": 1}', input => ['t'], results => '$.body.list[*]', output => '{"raw text": "$.n"}'),
	'{"list": [{"n": 9007199254740993, "t": "say \"hi\" \\\\ {{t}}"}], "k": 1}', '{{each}}');
like($t->sql_error($t->start_sql(source => 'thing', server => 'echo', input => ['t'], batch_size => 2,
			request => '{"i": "{{input}}"}', output => { 'raw text' => '$' })),
	qr/22023.*batch_size is 2, but "\{\{input\}\}" stands for a single row/s, 'a single-row placeholder takes one row');

#
# Headers
#
my $headers = ($t->mock_last)[0]{headers};
is($headers->{authorization}, 'Bearer tok/en=', 'bearer token');
is($headers->{'x-plain'}, 'a b', 'headers of the server');
is($headers->{'x-secret'}, 'hush', 'secret headers');
like($headers->{'content-type'}, qr{^application/json}, 'content type');
$t->create_server('basic', url => '/items', results => '$.items[*]', headers => '{"Content-Type": "application/x+json"}',
	mapping => { username => 'me', password => 'p:w d' });
make_rows(2);
enrich(source => 'word', server => 'basic');
$headers = ($t->mock_last)[0]{headers};
is($headers->{authorization}, 'Basic ' . encode_base64('me:p:w d', ''), 'basic authentication');
is($headers->{'content-type'}, 'application/x+json', 'a content type of one\'s own');
is(right_and_wrong(), '2|0', 'and answers are stored');

$t->stop;
done_testing();
