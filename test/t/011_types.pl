# Answers into columns of every type: a value that fits is stored to the letter,
# one that does not fails its row alone, with a reason.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new(init => [ extra => [ '--encoding=UTF8', '--locale=C' ] ],
	conf => "max_worker_processes = 48\n");

# Each row's input is the JSON that comes back.
$t->create_server('api', url => '/answer?raw=1', results => '$.items[*]');

$t->sql(<<'END');
CREATE TYPE addr AS (street text, zip varchar(5), nr integer);
CREATE TYPE person AS (name text, home addr, gone integer, others addr[], tags text[], v numeric(6,2));
ALTER TYPE person DROP ATTRIBUTE gone;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN pos AS integer CHECK (VALUE > 0);
CREATE DOMAIN filled AS text NOT NULL;
CREATE DOMAIN short_array AS integer[] CHECK (cardinality(VALUE) < 4);
CREATE DOMAIN real_addr AS addr CHECK ((VALUE).nr > 0);
CREATE TABLE answer (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, type text, json text, want text);
END

# By type: the answers, each with what is stored, as text, or why the row fails.
my $nines = '9' x 30;
my $floats = '"AACAPwAAAEAAAEBA"';		# 1, 2, 3 as little-endian float4
my %cases = (
	integer => [
		'12' => '12', '"12"' => '12', 'null' => undef, '-2147483648' => '-2147483648',
		'1.5' => qr/invalid input syntax for type integer: "1\.5"/, '2147483648' => qr/out of range for type integer/,
		'true' => qr/invalid input syntax/, '{"a": 1}' => qr/a JSON object does not fit column "v" of type integer/,
		'""' => qr/invalid input syntax/,
	],
	bigint => [ '9223372036854775807' => '9223372036854775807', '9223372036854775808' => qr/out of range for type bigint/ ],
	numeric => [
		"$nines.$nines" => "$nines.$nines", "-$nines.${nines}0" => "-$nines.${nines}0", '1e-5' => '0.00001',
		'1.10' => '1.10', '"NaN"' => 'NaN', '0' => '0', '1E5' => '100000',
	],
	'numeric(10,2)' => [ '1.005' => '1.01', '123456789.5' => qr/numeric field overflow.*precision 10, scale 2/ ],
	'double precision' => [
		'0.1' => '0.1', '-0.0' => '-0', '1e-310' => '1e-310', '0.30000000000000004' => '0.30000000000000004',
		'1e400' => qr/"1e400" is out of range/,
	],
	real => [ '0.1' => '0.1', '16777217' => '1.6777216e+07', '1e40' => qr/out of range for type real/ ],
	boolean => [ 'true' => 'true', 'false' => 'false', '"yes"' => 'true', '1' => 'true', '2' => qr/boolean/ ],
	text => [
		'"a \"quoted\" \\\\ \/ \n\t"' => qq{a "quoted" \\ / \n\t}, '"h\u00e9 \ud83d\ude00"' => "h\xc3\xa9 \xf0\x9f\x98\x80",
		"\"\xe2\x82\xac'\"" => "\xe2\x82\xac'", '""' => '', 'true' => 'true', '1.0' => '1.0', 'null' => undef, '"null"' => 'null',
		'{"a": [1,  2], "b": "\u00e9"}' => '{"a": [1,  2], "b": "\u00e9"}', '[1, "a"]' => '[1, "a"]',
		'"a\u0000b"' => qr/\\u0000 cannot be text/, '"\ud800"' => qr/half of a surrogate pair/,
	],
	'character varying(5)' => [
		"\"\xc3\xa9t\xc3\xa9 \xc3\xa9\"" => "\xc3\xa9t\xc3\xa9 \xc3\xa9", '"abcdef"' => qr/value too long for type character varying\(5\)/,
		'"abcde   "' => 'abcde',
	],
	'character(3)' => [ '"a"' => 'a', '"abcd"' => qr/value too long/ ],
	'timestamp with time zone' => [
		'"2024-02-29T23:59:59.678901Z"' => '2024-02-29 23:59:59.678901+00', '"2024-06-01T00:00:00+02:00"' => '2024-05-31 22:00:00+00',
		'"2023-02-29"' => qr/date\/time field value out of range/, '1718000000' => qr/date|timestamp/,
	],
	date => [ '"2024-01-02"' => '2024-01-02', '20240102' => '2024-01-02', '"soon"' => qr/invalid input syntax for type date: "soon"/ ],
	interval => [ '"P1DT2H"' => '1 day 02:00:00' ],
	uuid => [ '"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"' => 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '"x"' => qr/uuid/ ],
	bytea => [ '"\\\\x6869ff"' => '\x6869ff', '"hi"' => '\x6869', '"\\\\xZZ"' => qr/invalid hexadecimal digit/, '[1]' => qr/JSON array/ ],
	json => [
		'{"b": 1.10,  "a": [ ]}' => '{"b": 1.10,  "a": [ ]}', '"s"' => '"s"', '1' => '1', 'null' => undef,
		'"{\"a\": 1}"' => '"{\"a\": 1}"', "1$nines" => "1$nines",
	],
	jsonb => [
		'{"b": 1.10,  "a": [ {"c": null} ]}' => '{"a": [{"c": null}], "b": 1.10}', '"s"' => '"s"', 'true' => 'true',
		'"a\u0000b"' => qr/unsupported Unicode escape sequence/, 'null' => undef,
	],
	'real[]' => [
		'[1.5, -2, 3e2]' => '{1.5,-2,300}', '[]' => '{}', '[null, 0.1]' => '{NULL,0.1}', '["1.5", "NaN"]' => '{1.5,NaN}',
		'[[1, 2], [3, 4]]' => '{{1,2},{3,4}}', $floats => '{1,2,3}', '"{1,2}"' => '{1,2}', 'null' => undef,
		'[1e39]' => qr/out of range for type real/, '[1, [2]]' => qr/mixes arrays and other values/, '"hello"' => qr/base64/,
		'"AACAPwAA"' => qr/base64/, '5' => qr/malformed array literal/,
	],
	# 2^62 and -2^63 as float4
	'bigint[]' => [ '"AACAXgAAAN8="' => '{4611686018427387904,-9223372036854775808}', '[1e3]' => qr/invalid input syntax for type bigint/ ],
	'double precision[]' => [ '"zczMPQ=="' => '{0.10000000149011612}', '[0.1, 1e22]' => '{0.1,1e+22}' ],
	'integer[]' => [
		'[[1, null], [3, 4]]' => '{{1,NULL},{3,4}}', '[[], []]' => '{}', '[[[1]]]' => '{{{1}}}', '"[0:1]={1,2}"' => '[0:1]={1,2}',
		'[[1, 2], [3]]' => qr/nested arrays have different lengths/, '[1.5]' => qr/invalid input syntax for type integer/,
		'[[[[[[[1]]]]]]]' => qr/nested too deep/, '{"a": 1}' => qr/JSON object/,
	],
	'text[]' => [
		'["a\"b", "c,d", "{}", "NULL", null, "\u00e9", ""]' => qq({"a\\"b","c,d","{}","NULL",NULL,\xc3\xa9,""}),
		'[{"a":1}, 1.0, true]' => '{"{\"a\":1}",1.0,true}',
	],
	'numeric(5,2)[]' => [ '[1.005, 2]' => '{1.01,2.00}', '[12345]' => qr/numeric field overflow/ ],
	'jsonb[]' => [ '[[1, 2], {"a": null}, "s", null]' => '{"[1, 2]","{\"a\": null}","\"s\"",NULL}' ],
	mood => [ '"ok"' => 'ok', '"bad"' => qr/invalid input value for enum mood: "bad"/ ],
	'mood[]' => [ '["ok", "sad"]' => '{ok,sad}' ],
	pos => [ '5' => '5', '0' => qr/violates check constraint "pos_check"/, '"x"' => qr/invalid input syntax/, 'null' => undef ],
	filled => [ '"a"' => 'a', 'null' => qr/domain filled does not allow null values/ ],
	short_array => [ '[1,2,3]' => '{1,2,3}', '[1,2,3,4]' => qr/short_array_check/ ],
	addr => [
		'{"nr": 5, "street": "Main, \"1\"", "zip": "12345", "more": {"x": [1]}}' => '("Main, ""1""",12345,5)', '{}' => '(,,)',
		'{"zip": "123456"}' => qr/too long/, '{"nr": "x"}' => qr/integer: "x"/, '"(Main,1,5)"' => '(Main,1,5)', '[1]' => qr/JSON array/,
	],
	real_addr => [ '{"nr": 1}' => '(,,1)', '{"nr": 0}' => qr/real_addr_check/ ],
	person => [
		'{"name": "A", "home": {"street": "s"}, "others": [{"nr": 1}, null], "tags": ["a", null], "v": 1.005}'
		=> '(A,"(s,,)","{""(,,1)"",NULL}","{a,NULL}",1.01)', '{"others": [{"nr": "bad"}]}' => qr/integer: "bad"/,
	],
	'addr[]' => [ '[{"nr": 1}, {"nr": 2}]' => '{"(,,1)","(,,2)"}' ],
	int4range => [ '"[1,5]"' => '[1,6)' ],
	inet => [ '"10.0.0.1/8"' => '10.0.0.1/8', '"ten"' => qr/inet/ ],
	regclass => [ '"pg_class"' => 'pg_class', '"nosuch"' => qr/relation "nosuch" does not exist/ ],
);

sub literal
{
	my ($value) = @_;

	return defined $value ? "'" . $value =~ s/'/''/gr . "'" : 'NULL';
}

my $insert = '';
foreach my $type (sort keys %cases)
{
	my @pairs = @{ $cases{$type} };

	while (my ($json, $want) = splice @pairs, 0, 2)
	{
		$want = undef if ref $want;
		$insert .= "INSERT INTO answer (type, json, want) VALUES ('$type', " . literal($json) . ', ' . literal($want) . ");\n";
	}
}
$t->sql($insert);

my (%job, %target);
foreach my $type (sort keys %cases)
{
	$target{$type} = 'into_' . (1 + keys %target);
	$job{$type} = $t->start_job(source => 'answer', server => 'api', input => ['json'], where_clause => "type = '$type'",
		target => $target{$type}, output => { "v $type" => '$' });
}
foreach my $type (sort keys %cases)
{
	my @pairs = @{ $cases{$type} };
	my $progress = $t->wait_job($job{$type});
	my %error = map { $_->{input} => $_->{error} } $t->rows("SELECT input, error FROM enrich.failures WHERE job = $job{$type}");
	my ($stored, $failed) = (0, 0);

	while (my ($json, $want) = splice @pairs, 0, 2)
	{
		my $row = "FROM answer a LEFT JOIN $target{$type} s USING (id) WHERE a.type = '$type' AND a.json = " . literal($json);
		if (ref $want)
		{
			$failed++;
			like($error{$json} // '', $want, "$type: $json fails");
			is($t->sql("SELECT count(s.id) $row"), 0, "$type: $json is not written");
			next;
		}
		$stored++;
		is($t->sql("SET timezone = 'UTC'; SELECT s.id IS NOT NULL AND s.v::text COLLATE \"C\" IS NOT DISTINCT FROM a.want $row"),
			't', "$type: $json is stored") or diag($error{$json} // $t->sql("SELECT s.v $row"));
	}
	is("@$progress{qw(rows_done rows_failed)}", "$stored $failed", "$type: counts");
}

#
# One bad value among 500 rows
#
$t->sql(<<'END');
CREATE TABLE many AS SELECT i AS id, CASE WHEN i = 321 THEN '"x"' ELSE i::text END AS json FROM generate_series(1, 500) i;
ALTER TABLE many ADD PRIMARY KEY (id), ADD v pos DEFAULT 7, ADD w text DEFAULT 'old';
END
my $job = $t->start_job(source => 'many', server => 'api', input => ['json'], output => '{"v": "$", "w": "$"}');
my $progress = $t->wait_job($job);
is("@$progress{qw(rows_done rows_failed requests)}", '499 1 1', 'its 499 neighbours are stored');
is($t->sql('SELECT count(*) FROM many WHERE v = id AND w = json'), 499, '... with what belongs to them');
is($t->sql('SELECT v, w FROM many WHERE id = 321'), '7|old', '... and the row is as it was');
my $failure = $t->row("SELECT * FROM enrich.failures WHERE job = $job");
is($failure->{key}{id}, 321, 'the failure names the row');
is($failure->{input}, '"x"', '... and its input');
like($failure->{error}, qr/invalid input syntax for type integer: "x"/, '... and why');
is($failure->{http_status}, 200, '... though the API had answered well');
is($t->sql("SELECT state FROM enrich.buckets WHERE job = $job"), 'failed', 'the bucket is failed');

# the value mended, a retry brings it
$t->sql('ALTER TABLE many ALTER v TYPE text');
is($t->sql("SELECT enrich.retry($job)"), 1, 'retried');
is($t->wait_job($job)->{rows_failed}, 0, 'the column changed, the row is stored');
is($t->sql('SELECT v FROM many WHERE id = 321'), 'x', '... with its value');

#
# Paths
#
$t->sql(<<'END');
CREATE TABLE path (id integer PRIMARY KEY, json text);
INSERT INTO path VALUES (1, '{"a": {"b": [10, 11]}, "c d": 1}'), (2, '{"a": null}'), (3, '{}'), (4, '7'),
	(5, '{"a": {"b": 12}}'), (6, '{"a": [{"b": [13]}, {"b": [14]}]}'), (7, 'null'), (8, '{"a": {"b": []}}');
END
foreach my $case (
	[ '$.a.b[0]', '1:10 5:12 6:[13,14]', '' ],
	[ 'lax $.a.b[1]', '1:11', '' ],
	[ '$."c d"', '1:1', '' ],
	[ '$.a[1].b', '6:[14]', '' ],
	[ 'strict $.a.b[0]', '1:10', '2 3 4 5 6 7 8' ],
	[ 'strict $.a', '1:{"b": [10, 11]} 5:{"b": 12} 6:[{"b": [13]}, {"b": [14]}] 8:{"b": []}', '2 3 4 7' ])
{
	my ($path, $stored, $failed) = @$case;
	$t->sql('DROP TABLE IF EXISTS by_path');
	$job = $t->start_job(source => 'path', server => 'api', input => ['json'], target => 'by_path',
		output => { 'v text' => $path });
	$t->wait_job($job);
	is($t->sql(q{SELECT COALESCE(string_agg(id || ':' || v, ' ' ORDER BY id), '') FROM by_path WHERE v IS NOT NULL}),
		$stored, "$path: values");
	is($t->sql("SELECT COALESCE(string_agg(key->>'id', ' ' ORDER BY key->>'id'), '') FROM enrich.failures WHERE job = $job"),
		$failed, "$path: failed rows");
	is($t->sql('SELECT count(*) FROM by_path'), 8 - (() = $failed =~ /\d/g), "$path: all others are done, with NULL");
}

#
# A database in LATIN1
#
$t->sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
my %latin = (database => 'latin');
$t->sql(q{CREATE EXTENSION pg_enrich; CREATE TABLE word (id integer PRIMARY KEY, w text, "n} . "\xe9" . q{" text);
	INSERT INTO word VALUES (1, 'caf' || chr(233)), (2, 'plain'), (3, chr(255) || 'x'), (4, '"' || chr(252))}, %latin);
$t->create_server('items', url => '/items', results => '$.items[*]', result_index => '$.index', %latin);
$t->mock_reset;
$job = $t->start_job(source => 'word', server => 'items', input => ['w'], output => { 'text text' => '$.text', 'upper text' => '$.upper' },
	-database => 'latin');
$progress = $t->wait_job($job, 'completed', undef, %latin);
is(($t->mock_last)[0]{body}, qq({"input": ["caf\xe9","plain","\xffx","\\"\xfc"]}), 'inputs arrive as UTF-8');
is("@$progress{qw(rows_done rows_failed)}", '3 1', 'what LATIN1 lacks fails its row alone');
is($t->sql(q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM word
	WHERE text = w AND upper = translate(upper(w), chr(233) || chr(252), chr(201) || chr(220))}, %latin), '1 2 4', 'others are stored');
$failure = $t->row("SELECT * FROM enrich.failures WHERE job = $job", %latin, );
is($failure->{key}{id}, 3, 'the failure names the row');
like($failure->{error}, qr/0xc5 0xb8.*no equivalent in encoding "LATIN1"|LATIN1/, '... and why');

# names beyond ASCII, too
my $name = "n\xe9";
$t->sql(qq{UPDATE word SET "$name" = 'x' || chr(233) WHERE id < 3}, %latin);
$job = $t->start_job(source => 'word', server => 'items', input => [$name], output => qq({"\\"A$name\\" text": "\$.text"}),
	request => qq({"inputs": ["{{each}}", "{{$name}}"], "$name": 1}), where_clause => qq("$name" = 'x\xe9'), -database => 'latin');
$t->wait_job($job, 'completed', undef, %latin);
is(($t->mock_last)[0]{body}, qq({"inputs": ["x\xe9","x\xe9"], "$name": 1}), 'names in LATIN1: sent');
is($t->sql(qq{SELECT count(*) FROM word WHERE "A$name" = "$name"}, %latin), 2, 'names in LATIN1: stored');

$t->create_server('api', url => '/answer?raw=1', results => '$.items[*]', %latin);
$t->sql(q{CREATE TABLE escaped (id integer PRIMARY KEY, json text);
	INSERT INTO escaped VALUES (1, '"\u00e9"'), (2, '"\u20ac"'), (3, '{"a": "\u00e9"}'), (4, '{"a": "\u20ac"}')}, %latin);
foreach my $case ([ text => '1 3 4' ], [ jsonb => '1 3' ], [ json => '1 2 3 4' ])
{
	my ($type, $stored) = @$case;
	$job = $t->start_job(source => 'escaped', server => 'api', input => ['json'], output => { "as_$type $type" => '$' }, -database => 'latin');
	$progress = $t->wait_job($job, 'completed', undef, %latin);
	is($t->sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM escaped WHERE as_$type IS NOT NULL", %latin), $stored,
		"LATIN1, escapes into $type");
}
is($t->sql('SELECT as_text = chr(233) FROM escaped WHERE id = 1', %latin), 't', 'an escape becomes its character');

$t->stop;
done_testing();
