# Why rows fail and jobs pause, as a person reads it: where it went wrong, and what would be right.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new(init => [ extra => [ '--encoding=UTF8', '--locale=C' ] ]);
$t->create_server('api', max_attempts => 1);

# What /answer sends back for a row is its input, to the letter.
$t->sql(<<'END');
CREATE TABLE thing (id integer PRIMARY KEY, j text);
INSERT INTO thing VALUES (1, '{"a": "x"}'), (2, '{"a": [1, 2]}'), (3, '{"a": {"b": 1}}'), (4, '{"a": null}'),
	(5, '{"a": "' || repeat('ż', 300) || '"}'), (6, '{"a": 7}');
CREATE DOMAIN small AS integer CHECK (VALUE < 5);
CREATE DOMAIN given AS text NOT NULL;
CREATE TYPE pair AS (b integer, c date);
END

my $number = 0;
my $job;

# Runs a job to its end; the reasons of its failures by key, and in one string without repetitions.
sub reasons
{
	my (%parameter) = @_;
	my $state = delete $parameter{-state};

	$job = $t->start_job(source => 'thing', server => 'api', input => ['j'], target => 'target' . ++$number,
		path => '/answer?raw=1', results => '$.items[*]', %parameter);
	$t->wait_job($job, $state);
	return map { $_->{id} => $_->{error} } $t->rows("SELECT key->>'id' AS id, error FROM enrich.failures WHERE job = $job");
}

#
# A value that does not fit: the column, the value, where it came from, and why
#
my %reason = reasons(output => '{"n integer": "$.a"}');
is(join(' ', sort keys %reason), '1 2 3 5', 'what does not fit fails alone');
is($reason{1}, 'column "n" cannot take "x" from $.a: invalid input syntax for type integer: "x"', 'a string');
is($reason{2}, 'column "n" cannot take [1, 2] from $.a: invalid input syntax for type integer: "[1, 2]"', 'an array');
is($reason{3}, 'column "n" cannot take {"b": 1} from $.a: a JSON object does not fit column "n" of type integer', 'an object');
like($reason{5}, qr/\Acolumn "n" cannot take "(?:ż){29}\.\.\. from \$\.a: invalid input syntax for type integer: "(?:ż){50,}\.\.\.\z/,
	'a long value is cut at a whole character, and PostgreSQL\'s reason too');

%reason = reasons(output => '{"n small": "$.a", "\\"G h\\" given": "$.a"}', where_clause => 'id IN (4, 6)');
is($reason{6}, 'column "n" cannot take 7 from $.a: value for domain small violates check constraint "small_check"', 'a domain');
is($reason{4}, 'column "G h" cannot take null from $.a: domain given does not allow null values', 'nothing, where something must be');

%reason = reasons(output => '{"p pair": "$.a"}', where_clause => 'id IN (1, 3)');
like($reason{1}, qr/\Acolumn "p" cannot take "x" from \$\.a: malformed record literal: "x"/, 'a composite type');
%reason = reasons(output => '{"j text": "$.a", "n integer": "{{j}}"}', where_clause => 'id = 6');
is($reason{6}, 'column "n" cannot take "{\"a\": 7}" from {{j}}: invalid input syntax for type integer: "{"a": 7}"', 'a placeholder');
%reason = reasons(output => '{"v text": "strict $.a.b", "w text": "strict $.a"}');
is($reason{1}, 'the item does not fit strict $.a.b, for column "v"', 'a strict path that does not fit');
is($reason{4}, 'the item does not fit strict $.a.b, for column "v"', '... each row by itself');
is($reason{3}, undef, '... and the one that fits is stored');
%reason = reasons(output => '{"w text": "strict $.a"}', where_clause => 'id IN (4, 6)');
is($reason{4}, 'the item has null at strict $.a, for column "w"', 'a strict path that finds null');

# constraints of the table speak for themselves
$t->sql('CREATE TABLE strict_target (id integer PRIMARY KEY, n integer CONSTRAINT few CHECK (n < 5))');
%reason = reasons(output => '{"n": "$.a"}', where_clause => 'id = 6', target => 'strict_target');
like($reason{6}, qr/\Anew row for relation "strict_target" violates check constraint "few" \(Failing row/, 'a constraint');

# preview says the same
my $results = $t->sql(q{SELECT results->>0 FROM enrich.preview('thing', 'api', '{j}', '{"n integer": "$.a"}',
	path => '/answer?raw=1', results => '$.items[*]', target => 'nowhere', where_clause => 'id = 1')});
like($results, qr/"error": "column \\"n\\" cannot take \\"x\\" from \$\.a: invalid input syntax/, 'preview says the same');

foreach my $case ([ 'mock says 502', 'HTTP status 502: mock says 502' ], [ ' ', 'HTTP status 502' ])
{
	$t->mock_script({ status => 502, error_body => $case->[0] });
	is($t->sql(q{SELECT results->>'error' FROM enrich.preview('thing', 'api', '{j}', '{"n integer": "$.a"}',
		path => '/answer?raw=1', target => 'nowhere')}), $case->[1], "... and so it does of a status: $case->[1]");
}
$t->mock_script;

# what says nothing of the value is no reason against it
$t->sql(<<'END');
CREATE FUNCTION fills_disk(integer) RETURNS boolean LANGUAGE plpgsql AS
	$$BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END$$;
CREATE DOMAIN unlucky AS integer CHECK (fills_disk(VALUE));
END
like($t->sql_error(q{SELECT results FROM enrich.preview('thing', 'api', '{j}', '{"n unlucky": "$.a"}',
	path => '/answer?raw=1', results => '$.items[*]', target => 'nowhere', where_clause => 'id = 6')}),
	qr/no space left/, 'preview ends by a full disk, and does not blame the row');

# ... but never a part of a secret that comes back
my $token = 'tok' . ('en' x 60);
$t->create_server('echo', url => '/echo', mapping => { bearer_token => $token });
$results = $t->sql(q{SELECT results FROM enrich.preview('thing', 'echo', '{j}', '{"n integer": "$.headers.authorization"}',
	request => '{"q": "{{input}}"}', target => 'nowhere', where_clause => 'id = 1')});
like($results, qr/cannot take \\"Bearer \*\*\*\\" from/, 'a preview masks a secret in a reason');
unlike($results, qr/token/, '... before it cuts the value');

#
# Answers that do not match: what was expected, what came, and what is there instead.  The
# request and its halves do not: so the job pauses, with the reason of a half.
#
$t->sql(q{CREATE TABLE many AS SELECT i AS id, json_build_object('a', 'x' || i) AS j FROM generate_series(1, 120) i});
$t->sql('ALTER TABLE many ADD PRIMARY KEY (id)');

sub mismatch
{
	reasons(source => 'many', path => '/items', output => '{"v text": "$.value"}', -state => 'paused', @_);
	my $progress = $t->progress($job);
	return $progress->{error} =~ s/^no answer matches the rows of its request so far: //r;
}

foreach my $case (
	[ 'the array instead of its elements', { results => '$.items' }, 'the answer has 1 item for 60 rows, an array: its elements are at $."items"[*]' ],
	[ 'no path to the items', { results => undef }, 'the answer has 1 item for 60 rows; it has the members "items"' ],
	[ 'a path to nothing', { results => '$.data[*]' }, 'the answer has nothing at $."data"[*] for 60 rows; it has the members "items"' ],
	[ 'the index of all items', { results => '$.items', result_index => '$.index' },
		'item 0 of the answer, counted from 0, has more than one position at $."index", an array: its elements are at $."items"[*]' ],
	[ 'an index that is none', { result_index => '$.nr' },
		'item 0 of the answer, counted from 0, has no position at $."nr"; it has the members "index", "value", "text", "upper", "length"' ],
	[ 'an index that is text', { result_index => '$.text' }, qr/\Aitem 0 of the answer, counted from 0, has no integer at \$\."text" but: "\{\\"a\\" : \\"x\d+\\"\}"\z/ ],
	[ 'an index out of range', { result_index => '$.value' }, qr/\Athe answer has an item for position \d+, but the positions of the request are 0 to 59\z/ ],
	[ 'no key', { result_key => '$.id' },
		'item 0 of the answer, counted from 0, has no key at $."id"; it has the members "index", "value", "text", "upper", "length"' ],
	[ 'no content', { content => '$.choices[0].text' }, 'the answer has nothing at $."choices"[0]."text"; it has the members "items"' ])
{
	my ($what, $parameter, $expected) = @$case;
	my $reason = mismatch(%$parameter);

	ref $expected ? like($reason, $expected, $what) : is($reason, $expected, $what);
	cmp_ok($t->progress($job)->{requests}, '<=', 7, "$what: the job pauses soon");
	is($t->progress($job)->{rows_failed}, 0, "$what: at no row's cost");
}
$t->mock_script({ count => -2 });
is(mismatch(), 'the answer has 58 items for 60 rows', 'too few items');
like(mismatch(result_index => '$.index'), qr/\Athe answer has no item for position 58, nor for 1 other/, 'with an index: which are missing');
$t->mock_script({ duplicate_index => 1 });
is(mismatch(result_index => '$.index'), 'the answer has more than one item for position 0', '... and which is repeated');
like($t->sql("SELECT hint FROM enrich.jobs WHERE job = $job"), qr/enrich\.preview.* result_key/, '... with something to do');
$t->sql("SELECT enrich.resume($job)");
is($t->wait_job($job)->{rows_done}, 120, 'resumed, its requests are parted until they match');
$t->mock_script;

#
# Paths that find nothing: the job pauses, and names them
#
reasons(path => '/items', output => '{"v text": "$.valeu", "w text": "$.lable", "at timestamptz": "{{now}}"}', -state => 'paused');
my $paused = $t->row("SELECT reason, error, hint FROM enrich.jobs WHERE job = $job");
is($paused->{reason}, 'configuration', 'paths that find nothing');
is($paused->{error}, 'no output path found anything in the whole first bucket: $.valeu, $.lable', '... are named');
like($paused->{hint}, qr/enrich\.preview/, '... with something to do');

$t->stop;
done_testing();
