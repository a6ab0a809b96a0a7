# The kinds of work on columns: one or several inputs, plain or with an inside, to one or several outputs, plain or
# with an inside; in columns that are added, in columns that are replaced, and from table to table.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;

# Its items are what the requests hold of each row, to the letter.
$t->create_server('api', results => '$.items[*]');
$t->sql(<<'END');
CREATE TYPE address AS (street text, number integer, tags text[]);
CREATE TABLE person (id integer PRIMARY KEY, name text, age integer, home address, doc jsonb, nick text);
INSERT INTO person SELECT i, 'Name "' || i || '" \ é', i * 3,
	ROW('Street ' || i, i, ARRAY['a' || i, NULL, 'b,{}'])::address, jsonb_build_object('n', i, 'list', jsonb_build_array(i, 'x', NULL)),
	'nick ' || i
FROM generate_series(1, 40) i;
UPDATE person SET home = NULL WHERE id = 7;
UPDATE person SET doc = NULL, age = NULL WHERE id = 8;
END

# Runs a job over all persons and compares: no row may be other than the condition says.
sub run_job
{
	my ($what, $right, %job) = @_;

	my $id = $t->start_job(source => 'person', server => 'api', path => '/answer', bucket_size => 7, %job);
	my $progress = $t->wait_job($id);
	is("$progress->{state} $progress->{rows_done} $progress->{rows_failed}", 'completed 40 0', "$what: all rows are done");
	my $table = $job{target} // 'person';
	is($t->sql("SELECT count(*) FILTER (WHERE $right) || ' of ' || count(*)
		FROM person" . ($job{target} ? " LEFT JOIN $table r USING (id)" : ' r')), '40 of 40', "$what: and right");
}

# A value of each row as an element of its own
sub each_row { return qq({"input": ["{{each}}", $_[0]]}); }

run_job('scalar to scalar, added', 'r.shout = upper(name)',
	path => '/items', input => ['name'], output => '{"shout text": "$.upper"}');
run_job('scalar to scalar, replaced', "r.nick = 'NICK ' || id",
	path => '/items', input => ['nick'], output => '{"nick": "$.upper"}');
$t->sql("ALTER TABLE person ALTER nick TYPE varchar(20)");
run_job('an expression to a column of another type', 'r.squared = age * age OR age IS NULL',
	path => '/item', batch_size => 1, input => ['(coalesce(age * age, 1)::text)'],
	request => '{"input": "{{input}}"}', results => '$', output => '{"squared numeric(10,2)": "$.text"}');

run_job('scalar to struct, composite', '(r.place).street = name AND (r.place).number = id AND (r.place).tags IS NULL',
	input => [ 'name', 'id' ], request => each_row('{"street": "{{name}}", "number": "{{id}}", "other": 1}'),
	output => '{"place address": "$"}');
run_job('scalar to struct, jsonb', "r.made = jsonb_build_object('name', name, 'age', age)",
	input => [ 'name', 'age' ], request => each_row('{"name": "{{name}}", "age": "{{age}}"}'), output => '{"made jsonb": "$"}');

run_job('struct to scalar, composite', 'r.street IS NOT DISTINCT FROM (home).street',
	input => [ '(coalesce(home::text, \'none\'))', 'home' ], request => each_row('"{{home}}"'),
	output => '{"street text": "$.street"}');
run_job('struct to scalar, jsonb', "r.n IS NOT DISTINCT FROM (doc ->> 'n')::integer",
	input => [ 'id', 'doc' ], request => each_row('{"inner": "{{doc}}"}'), output => '{"n integer": "$.inner.n"}');

run_job('struct to struct, composite', 'r.home2 IS NOT DISTINCT FROM home',
	input => [ 'id', 'home' ], request => each_row('"{{home}}"'), output => '{"home2 address": "$"}');
run_job('struct to struct, jsonb', 'r.doc2 IS NOT DISTINCT FROM doc',
	input => [ 'id', 'doc' ], request => each_row('"{{doc}}"'), output => '{"doc2 jsonb": "$"}');
run_job('struct to struct, composite to jsonb and back, replaced',
	'r.home_doc IS NOT DISTINCT FROM to_jsonb(home) AND r.home2 IS NOT DISTINCT FROM home',
	input => [ 'id', 'home' ], request => each_row('"{{home}}"'), output => '{"home_doc jsonb": "$", "home2": "$"}');

run_job('several to several, table to table', <<'END',
r.shout = name AND r.years IS NOT DISTINCT FROM age AND r.place IS NOT DISTINCT FROM home AND r.first IS NOT DISTINCT FROM (home).tags
	AND r.list IS NOT DISTINCT FROM doc -> 'list' AND r.whole ->> 'b' = id::text AND r.whole ? 'a'
END
	input => [ 'name', 'age', 'home', 'doc' ], target => 'described',
	request => each_row('{"a": "{{name}}", "b": "{{id}}", "c": {"d": "{{age}}", "e": "{{home}}"}, "f": ["{{doc}}"]}'),
	output => '{"shout text": "$.a", "years integer": "$.c.d", "place address": "$.c.e", "first text[]": "$.c.e.tags[*]",'
	  . ' "list jsonb": "$.f[0].list", "whole jsonb": "$"}');
is($t->sql("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'described'::regclass AND attnum > 0"),
	'id shout years place first list whole', 'the table is made in the order of the output');

run_job('rows as objects', 'r.mine = jsonb_build_object(\'id\', id, \'name\', name, \'home\', home, \'doc\', doc)',
	input => [ 'name', 'home', 'doc' ], request => '{"inputs": "{{rows}}"}', output => '{"mine jsonb": "$"}');

done_testing();
