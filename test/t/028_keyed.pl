# result_key: items find their rows by key, whatever the key's type and however the
# API writes it; what no row can be told for lands nowhere.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new(init => [ extra => [ '--encoding=UTF8', '--locale=C' ] ]);

# /answer gives back what the inputs say: here a list of items for each row, none where it is empty
$t->create_server('api', url => '/answer', results => '$.items[*].l[*]', result_index => '$.index');
$t->mock_script({ shuffle => 1 });
my $input = q{('{"l": [' || echo || ']}')};

my $job;
sub enrich
{
	my (%parameter) = @_;

	$job = $t->start_job(server => 'api', input => [$input], output => '{"v text": "$.v"}', result_key => '$.k', %parameter);
	return $t->wait_job($job, 'completed', undef, defined $parameter{-database} ? (database => $parameter{-database}) : ());
}

# The reasons of the rows that failed.
sub reasons
{
	return $t->sql("SELECT string_agg(DISTINCT error, ' | ') FROM enrich.failures WHERE job = $job");
}

#
# Key types: [ type, key in SQL => key in the answer … ]
#
$t->sql(<<'END');
CREATE COLLATION either_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'happy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN more_positive AS positive CHECK (VALUE > 1);
CREATE TYPE place AS (x integer, name text);
END
my $long = 'x' x 2000;
my @types = (
	[ smallint => '1' => '1', '-3' => '-3', '32767' => '"32767"', '0' => '-0' ],
	[ integer => '7' => '7', '2147483647' => '" 2147483647 "', '70' => '"070"' ],
	[ bigint => '9007199254740993' => '9007199254740993', '9007199254740992' => '"9007199254740992"', '-1' => '-1' ],
	[ numeric => '1' => '"1.0"', '1.50' => '1.5', '1000' => '1e3', q{'NaN'} => '"nan"', '0.1' => '0.10000',
		'123456789012345678901234567890.5' => '123456789012345678901234567890.50' ],
	[ 'numeric(4,2)' => '1' => '1', '2.50' => '2.5', '2.51' => '2.51' ],
	[ 'double precision' => '0.1' => '0.1', '100' => '1E2', q{'-Infinity'} => '"-Infinity"', '0' => '-0.0' ],
	[ text => q{'a "b"\c'} => '"a \"b\"\\\\c"', q{''} => '""', q{' '} => '" "', q{'null'} => '"null"', q{'żółw 🐢'} => '"\u017c\u00f3\u0142w \ud83d\udc22"',
		q{'{1,2}'} => '"{1,2}"', q{'1'} => '1', q{'1.0'} => '"1.0"', q{'01'} => '"01"', qq{'$long'} => qq("$long") ],
	[ 'text COLLATE either_case' => q{'Anna'} => '"ANNA"', q{'bert'} => '"bert"', q{'ÄÖ'} => '"äö"' ],
	[ 'char(5)' => q{'ab'} => '"ab   "', q{'cd'} => '"cd"', q{'12345'} => '12345' ],
	[ 'varchar(3)' => q{'abc'} => '"abc"', q{'ab'} => '"ab"' ],
	[ uuid => q{'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'} => '"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"',
		q{'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'} => '"{a0eebc999c0b4ef8bb6d6bb9bd380a12}"' ],
	[ date => q{'2024-02-29'} => '"2024-02-29"', q{'0044-03-15 BC'} => '"0044-03-15 BC"', q{'infinity'} => '"infinity"' ],
	[ timestamptz => q{'2024-07-01 12:00:00.5+00'} => '"2024-07-01T14:00:00.500+02:00"', q{'2024-12-31 23:00+00'} => '"2025-01-01T04:45:00+05:45"',
		q{'2024-01-01 00:00+00'} => '"2024-01-01T00:00:00Z"' ],
	[ interval => q{'1 day'} => '"24:00:00"', q{'1 month'} => '"P1M"' ],
	[ bytea => q{'\xdead'} => '"\\\\xDEAD"', q{'\x00'} => '"\\\\x00"', q{''} => '""' ],
	[ mood => q{'sad'} => '"sad"', q{'so "so"'} => '"so \"so\""' ],
	[ more_positive => '2' => '2', '3' => '"3"' ],
	[ boolean => 'true' => 'true', 'false' => '"f"' ],
	[ jsonb => q{'{"a": 1, "b": [2]}'} => '{"b": [2.0], "a": 1}', q{'"x"'} => '"x"', q{'7'} => '7', q{'[]'} => '[]' ],
	[ 'integer[]' => q{'{1,2}'} => '[1, 2]', q{'{}'} => '[]', q{'{3}'} => '"{3}"' ],
	[ place => q{'(1,here)'} => '{"name": "here", "x": 1}', q{'(,)'} => '{}' ],
	[ inet => q{'10.0.0.1'} => '"10.0.0.1/32"', q{'::1'} => '"0:0:0:0:0:0:0:1"' ],
);
foreach my $case (@types)
{
	my ($type, @keys) = @$case;
	my @rows;

	for (my $i = 0; $i < @keys; $i += 2)
	{
		push @rows, "($keys[$i], 'v$i', \$q\${\"v\": \"v$i\", \"k\": $keys[$i + 1]}\$q\$)";
	}
	$t->sql("DROP TABLE IF EXISTS k, r; CREATE TABLE k (id $type PRIMARY KEY, mine text, echo text); INSERT INTO k VALUES "
		  . join(', ', @rows));
	my $progress = enrich(source => 'k', target => 'r');
	is("$progress->{rows_done} $progress->{requests} " . reasons(), scalar(@rows) . ' 1 ', "$type: in one request");
	is($t->sql('SELECT count(*) FROM k JOIN r USING (id) WHERE v = mine'), scalar(@rows), '... each row has its own');
}

#
# Keys of several columns: arrays in the key's order, objects in any order
#
$t->sql(<<'END');
CREATE TABLE multi ("a ""q""" text, day date, n numeric(6,2), echo text, PRIMARY KEY (day, "a ""q""", n));
INSERT INTO multi SELECT 'k' || i % 3, date '2024-01-01' + i % 2, i,
	CASE i % 4 WHEN 0 THEN json_build_object('k', json_build_array(date '2024-01-01' + i % 2, 'k' || i % 3, i), 'v', i)
	WHEN 1 THEN json_build_object('v', i, 'k', json_build_object('n', i || '.000', 'more', null, 'a "q"', 'k' || i % 3, 'day', date '2024-01-01' + i % 2))
	WHEN 2 THEN json_build_object('v', i, 'k', json_build_object('day', date '2024-01-01' + i % 2, 'a "q"', 'k' || i % 3, 'n', i))
	ELSE json_build_object('k', json_build_array((date '2024-01-01' + i % 2) || 'T00:00:00', 'k' || i % 3, i::text), 'v', i) END
FROM generate_series(1, 60) i;
END
is(enrich(source => 'multi', target => 'multi_r', bucket_size => 25)->{rows_done}, 60, 'a key of three columns');
is($t->sql('SELECT count(*) FROM multi_r WHERE v = trunc(n)::text'), 60, '... finds the rows');
is(enrich(source => 'multi', target => 'multi_r2', result_key => '$', input => [ q{('{"l": [' || json_build_object(
	'n', n, 'v', n::integer, 'day', day, 'a "q"', "a ""q""")::text || ']}')} ])->{rows_done}, 60, 'its columns as members of the item itself');
is($t->sql('SELECT count(*) FROM multi_r2 WHERE v = trunc(n)::text'), 60, '... find the rows');
foreach my $case (
	[ '["k1", 1]' => qr/has the key \["k1", 1\], which has 2 elements where the key has 3 columns/ ],
	[ '[1, 2, 3, 4]' => qr/which has 4 elements where/ ],
	[ '"k1"' => qr/has the key "k1", but a key of 3 columns is an array or an object/ ],
	[ '{"day": "2024-01-01", "n": 1}' => qr/which has no member "a "q""/ ],
	[ '["2024-01-01", null, 1]' => qr/in which "a "q"" is null/ ],
	[ '["k1", "2024-01-01", 1]' => qr/which cannot be one: invalid input syntax for type date: "k1"/ ],
	[ '[]' => qr/which has 0 elements/ ])
{
	my ($key, $reason) = @$case;

	enrich(source => 'multi', target => 'multi_bad', input => [ "('{\"l\": [{\"k\": $key, \"v\": 1}]}')" ], max_rows => 1);
	like(reasons(), $reason, "a key of three columns that is $key");
}
is($t->sql('SELECT count(*) FROM multi_bad'), 0, '... is stored nowhere');

#
# Items that are not there, and paths to keys that PostgreSQL evaluates
#
$t->sql(<<'END');
CREATE TABLE town (id integer PRIMARY KEY, v text DEFAULT 'old', echo text DEFAULT '');
INSERT INTO town SELECT i, 'old', CASE WHEN i % 3 <> 0 THEN json_build_object('k', i, 'v', i)::text ELSE '' END FROM generate_series(1, 30) i;
CREATE TABLE described AS SELECT id, v FROM town;
ALTER TABLE described ADD PRIMARY KEY (id);
END
foreach my $case ([ 'town', undef ], [ 'described', 'upsert' ], [ 'described', 'overwrite' ])
{
	my ($table, $mode) = @$case;
	my $what = $mode // 'update';
	my $progress = enrich(source => 'town', defined $mode ? (target => $table, write_mode => $mode) : (), bucket_size => 10);

	is("@$progress{qw(rows_done rows_failed rows_skipped)}", '30 0 0', "$what: rows without an item are done");
	is($t->sql("SELECT count(*) FILTER (WHERE v = id::text), count(*) FILTER (WHERE v IS NULL AND id % 3 = 0), count(*) FROM $table"),
		'20|10|30', '... with NULLs in place of what was there');
	$t->sql("UPDATE $table SET v = 'old'");
}
is(enrich(source => 'town', target => 'd2', result_key => '$.k ? (@ > 0)')->{rows_done}, 30, 'a path to the key that is not plain');
is($t->sql('SELECT count(*) FROM d2 WHERE v = id::text'), 20, '... finds the rows');
enrich(source => 'town', target => 'd3', result_key => 'strict $.k');
is($t->sql('SELECT count(*) FROM d3 WHERE v = id::text'), 20, '... and a strict one');
is(enrich(source => 'town', target => 'd4', output => '{"v text": "$.v", "twice integer": "{{id}}", "by bigint": "{{job}}"}')->{rows_done}, 30,
	'placeholders as outputs');
is($t->sql("SELECT count(*) FROM d4 WHERE twice = id AND by = $job AND (v IS NULL) = (id % 3 = 0)"), 30, '... are stored with and without an item');
is(enrich(source => 'town', target => 'd4', rows => 'missing', output => '{"v text": "$.v"}', bucket_size => 4)->{rows_done}, 10,
	'rows without an item are asked again where rows are missing, and none of them has one');

#
# What does not match: no row gets another's value, and a person is told why
#
$t->sql('DELETE FROM town WHERE id > 4');
foreach my $case (
	[ 'an unknown key', q({"k": 99, "v": 1}), qr/\Aitem \d of the answer, counted from 0, has the key 99, which no row of the request has\z/ ],
	[ 'a repeated key', q({"k": 1, "v": "a"}, {"k": "1", "v": "b"}), qr/more items than the 1 row of the request/ ],
	[ 'a null key', q({"k": null, "v": 1}), qr/has no key at \$\."k"|has no key at \$\.k/ ], [ 'no key', q({"v": 1}), qr/has no key at / ],
	[ 'an item that is null', 'null', qr/has no key at / ],
	[ 'a key of another type', q({"k": "one", "v": 1}), qr/has the key "one", which cannot be one: invalid input syntax for type integer: "one"/ ],
	[ 'a fraction', q({"k": 1.5, "v": 1}), qr/has the key 1\.5, which cannot be one: / ],
	[ 'a key out of range', q({"k": 4294967297, "v": 1}), qr/has the key 4294967297, which cannot be one: .*out of range/ ],
	[ 'an array', q({"k": [1], "v": 1}), qr/has the key \[1\], which cannot be one/ ],
	[ 'an object', q({"k": {"id": 1}, "v": 1}), qr/has the key \{"id": 1\}, which cannot be one/ ],
	[ 'a long key', '{"k": "' . 'ż' x 3000 . '", "v": 1}', qr/has the key "(?:ż){30,39}\.\.\., which cannot be one: / ],
	[ 'more items than rows', join(', ', map { qq({"k": $_, "v": 1}) } 1 .. 5), qr/more items than the 1 row of the request/ ])
{
	my ($what, $items, $reason) = @$case;

	$t->sql("UPDATE town SET v = 'old', echo = CASE WHEN id = 2 THEN \$q\$$items\$q\$ ELSE '' END");
	my $progress = enrich(source => 'town');
	is("@$progress{qw(rows_done rows_failed)}", '3 1', "$what fails its row");
	like(reasons(), $reason, '... with the reason');
	is($t->sql("SELECT string_agg(id::text, ' ') FROM town WHERE v = 'old'"), 2, '... and stores nothing for it');
}
# a row that is alone has no item too many but of its own; so look where none of many rows' requests match
$t->sql(<<'END');
CREATE TABLE village (id integer PRIMARY KEY, echo text);
INSERT INTO village SELECT i, CASE WHEN i % 15 = 1 THEN format('{"k": %s, "v": 1}, {"k": "%1$s", "v": 2}', i) ELSE '' END FROM generate_series(1, 120) i;
END
$job = $t->start_job(server => 'api', source => 'village', target => 'v1', input => [$input], output => '{"v text": "$.v"}', result_key => '$.k');
like($t->wait_job($job, 'paused')->{error},
	qr/\Ano answer matches the rows of its request so far: item \d of the answer, counted from 0, has the key "?\d+"?, as an item before it has\z/, 'a repeated key');
enrich(source => 'town', result_key => '$.k[*]', input => [ q{('{"l": [{"k": [1, 2]}]}')} ]);
like(reasons(), qr/has more than one key at /, 'two keys');
$t->sql(<<'END');
CREATE TABLE name (id varchar(3) PRIMARY KEY, echo text);
INSERT INTO name VALUES ('abc', '{"k": "abc  ", "v": 1}');
CREATE TABLE price (id numeric(3,2) PRIMARY KEY, echo text);
INSERT INTO price VALUES (1, '{"k": 1.004, "v": 1}');
END
foreach my $table (qw(name price))
{
	is(enrich(source => $table, target => "${table}_r")->{rows_failed}, 1, "$table: what the column's modifier would make of a key is not the key");
}

# rows that failed find their items when they are tried again
$t->sql(q{UPDATE town SET v = 'old', echo = CASE WHEN id = 2 THEN '{"k": 2, "v": "two"}' ELSE '' END});
$t->mock_script({ status => 422 });
is(enrich(source => 'town', batch_size => 2)->{rows_failed}, 4, 'refused');
$t->mock_script({ shuffle => 1 });
$t->sql("SELECT enrich.retry($job)");
$t->wait_job($job);
is($t->sql(q{SELECT string_agg(coalesce(v, '-'), ' ' ORDER BY id) FROM town}), '- two - -', '... and tried again');

#
# Keys that stand out of line, and are no index's
#
$t->sql(<<'END');
CREATE TABLE page (body text NOT NULL, echo text);
INSERT INTO page SELECT s, json_build_object('k', s, 'v', md5(s)) FROM (SELECT i || string_agg(md5((i * 10000 + j)::text), '') AS s
	FROM generate_series(1, 8) i, generate_series(1, 1500) j GROUP BY i) p;
CREATE TABLE page_r (body text, v text);
END
is(enrich(source => 'page', key => ['body'], target => 'page_r', write_mode => 'insert', bucket_size => 3)->{rows_done}, 8, 'keys of 48 kB');
is($t->sql('SELECT count(*) FROM page_r WHERE v = md5(body)'), 8, '... find their rows');

#
# A database in another encoding: names and keys are converted, and what it cannot hold is no key of its rows
#
$t->sql(q{CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
$t->sql('CREATE EXTENSION pg_enrich', database => 'latin');
$t->create_server('api', url => '/answer', results => '$.items[*].l[*]', database => 'latin');
$t->sql(<<'END', database => 'latin');
SET client_encoding = 'UTF8';
CREATE TABLE k ("clé" text, n integer, echo text, PRIMARY KEY ("clé", n));
INSERT INTO k VALUES ('é', 1, '{"k": {"clé": "\u00e9", "n": 1}, "v": "ü"}'), ('straße', 2, '{"k": ["stra\u00dfe", 2], "v": "ß"}'), ('-', 3, '');
END
is(enrich(source => 'k', target => 'r', -database => 'latin')->{rows_done}, 3, 'LATIN1');
is($t->sql(q{SELECT count(*) FROM r WHERE v = CASE n WHEN 1 THEN chr(252) WHEN 2 THEN chr(223) END}, database => 'latin'), 2,
	'... each row has its own');
$t->sql(q{UPDATE k SET echo = '{"k": ["\u0416", 1], "v": 1}' WHERE n = 1; UPDATE k SET echo = '' WHERE n > 1}, database => 'latin');
is(enrich(source => 'k', target => 'r2', -database => 'latin')->{rows_failed}, 1, 'LATIN1: a key in Cyrillic');
like($t->sql("SELECT min(error) FROM enrich.failures WHERE job = $job", database => 'latin'), qr/has the key .*which cannot be one: .*no equivalent in encoding "LATIN1"/s,
	'... cannot be one');

$t->stop;
done_testing();
