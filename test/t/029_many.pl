# result_rows => 'many': a target row for each item, as many as the answer has for a row.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;

# /answer gives back what the inputs say: here each row's list of n items
$t->create_server('api', url => '/answer', results => '$.items[*].l[*]', result_index => '$.index');
$t->create_server('get', url => '/answer', method => 'GET');
$t->sql(<<'END');
CREATE TABLE doc (id integer PRIMARY KEY, n integer, word text DEFAULT 'x');
CREATE FUNCTION list(id integer, n integer, word text) RETURNS text STABLE LANGUAGE sql AS $$
	SELECT jsonb_build_object('l', coalesce(jsonb_agg(jsonb_build_object('k', id, 'x', id * 100 + g, 'w', word)), '[]'))::text
	FROM generate_series(0, n - 1) g $$;
END
my @list = (input => ['(list(id, n, word))'], result_rows => 'many', source => 'doc', server => 'api',
	output => '{"x int": "$.x", "w varchar(5)": "$.w"}');
my @keyed = (@list, result_key => '$.k');
my @single = (@list, batch_size => 1);

sub make_docs
{
	my ($rows) = @_;

	$t->sql("TRUNCATE doc; INSERT INTO doc SELECT i, i % 4 FROM generate_series(1, $rows) i");
	return;
}

my $job;
sub enrich
{
	my (%parameter) = @_;

	$job = $t->start_job(%parameter);
	my $progress = $t->wait_job($job);
	return "@$progress{qw(rows_done rows_failed rows_skipped)}";
}

# Rows of a target: right ones, and all; and how many there should be.
sub right
{
	my ($target) = @_;

	return $t->sql("SELECT count(*) FILTER (WHERE item < doc.n AND r.x = id * 100 + item AND r.w = word), count(*), (SELECT sum(n) FROM doc)
		FROM $target r LEFT JOIN doc USING (id)");
}

sub items_of
{
	my ($target, $id) = @_;

	return $t->sql("SELECT string_agg(item || ':' || x, ' ' ORDER BY item) FROM $target WHERE id = $id");
}

#
# A request for each row; and many rows in one, with keys, in any order
#
make_docs(40);
is(enrich(@single, target => 'alone'), '40 0 0', 'batch_size 1');
is(right('alone'), '60|60|60', '... each item is a row');
is(items_of('alone', 7), '0:700 1:701 2:702', '... numbered from 0');
is($t->sql('SELECT min(n), max(n) FROM doc WHERE NOT EXISTS (SELECT FROM alone WHERE alone.id = doc.id)'), '0|0', '... none for a row without one');
is(enrich(@list, server => 'get', path => '?input={{input}}', results => '$.items[0].l[*]', target => 'got'), '40 0 0', 'a URL for each row');
is(right('got'), '60|60|60', '... each item is a row');
$t->mock_script({ shuffle => 1 });
is(enrich(@keyed, target => 'keyed', bucket_size => 17, batch_size => 7, workers => 2), '40 0 0', 'keys, and many rows in a request');
is(right('keyed'), '60|60|60', '... each item is a row of its own row');
is(items_of('keyed', 7), '0:700 1:701 2:702', '... in the order in which its row has them');
$t->mock_script;
$t->sql('CREATE TABLE numbered AS SELECT num::numeric FROM generate_series(1, 3) num');
my @mixed = (@keyed, source => 'numbered', key => ['num'], target => 'mixed', write_mode => 'insert', input => [
	q{(CASE num WHEN 1 THEN '{"l": [{"k": 1, "x": 5}, {"k": 2, "x": 6}, {"k": "1", "x": 7}, {"k": 3.0e0, "x": 8}]}' ELSE '{"l": []}' END)} ]);
is(enrich(@mixed, batch_size => 2), '2 1 0', 'an item of no row of the request');
like($t->sql("SELECT DISTINCT error FROM enrich.failures WHERE job = $job"), qr/has the key [23].*, which no row of the request has/, '... says so');
is(enrich(@mixed), '3 0 0', 'items of several rows, mixed');
is($t->sql(q{SELECT string_agg(concat_ws(':', num, item, x), ' ' ORDER BY num, item) FROM mixed}), '1:0:5 1:1:7 2:0:6 3:0:8', '... go each to its own');
is(enrich(@single, target => 'bare', results => undef, server => 'get', path => '?input={{input}}', output => '{"x text": "$"}', max_rows => 1), '1 0 0',
	'without results');
like($t->sql('SELECT x FROM bare WHERE item = 0'), qr/\A\{"items"/, '... an answer that is no array is the one item');
is(enrich(@single, target => 'inside', input => [ '(to_json(list(id, n, word)))' ], content => '$.items[0]', results => '$.l[*]'), '40 0 0',
	'items in a string that holds JSON');
is(right('inside'), '60|60|60', '... each is a row');

#
# Upsert replaces a row's items, in place
#
$t->sql(<<'END');
CREATE TABLE note (id integer, item integer, FOREIGN KEY (id, item) REFERENCES alone ON DELETE CASCADE);
INSERT INTO note SELECT id, item FROM alone;
CREATE TABLE was AS SELECT * FROM alone;
UPDATE doc SET n = (n + 1) % 4, word = 'y';
END
is(enrich(@single, target => 'alone'), '40 0 0', 'upsert');
is(right('alone'), '60|60|60', '... more, fewer and no items');
is($t->sql('SELECT count(*) FROM note'), $t->sql('SELECT count(*) FROM was JOIN alone USING (id, item)'),
	'... and what refers to those that stay, stays');
$t->sql(q{UPDATE doc SET word = NULL, n = 3 WHERE id <= 10; CREATE TABLE blank AS SELECT * FROM doc});
is(enrich(@single, target => 'alone', input => [ q{(CASE WHEN id > 4 THEN list(id, n, word) ELSE '' END)} ]), '36 0 4', 'rows that are not sent');
is($t->sql('SELECT count(*) FROM alone WHERE id <= 4'), 0, '... have no items any more');
is($t->sql('SELECT count(*) FROM alone WHERE id IN (5, 6) AND w IS NULL'), 6, '... and items have NULLs');
$t->mock_script({ match => '"k": 9,', status => 404 });
is(enrich(@list, server => 'get', path => '?input={{input}}', results => '$.items[0].l[*]', target => 'alone'), '40 0 0', 'rows the API knows nothing of');
is($t->sql('SELECT count(*) FROM alone WHERE id = 9'), 0, '... have no items any more');
is($t->sql('SELECT count(*) FROM alone WHERE id = 8'), 3, '... others do');
$t->mock_script;

#
# A value that does not fit fails its row as a whole
#
make_docs(20);
enrich(@keyed, target => 'whole', batch_size => 10);
$t->sql(q{UPDATE doc SET word = 'y'});
is(enrich(@single, target => 'whole', input => [ q{(replace(list(id, n, word), '"x": 702', '"x": "none"'))} ]), '19 1 0', 'a value that does not fit');
is($t->sql(q{SELECT string_agg(w, '') FROM whole WHERE id = 7}), 'xxx', '... fails its row, which keeps what it had');
is($t->sql(q{SELECT count(*) FROM whole WHERE w = 'y'}), $t->sql('SELECT sum(n) FROM doc WHERE id <> 7'), '... and no other');
like($t->sql("SELECT error FROM enrich.failures WHERE job = $job"), qr/invalid input syntax for type integer: "none"/, '... with the reason');
is(enrich(@keyed, target => 'whole', input => [ q{(replace(list(id, n, word), '"x": 702', '"y": 702'))} ],
		output => '{"x int": "strict $.x", "w": "$.w"}', batch_size => 10), '19 1 0', 'an item without a value that must be there');
like($t->sql("SELECT error FROM enrich.failures WHERE job = $job"), qr/the item (has nothing at|does not fit) strict/, '... fails its row');
is(enrich(@single, target => 'whole', input => [ q{(CASE id WHEN 7 THEN '{}' WHEN 8 THEN '{"l": []}' WHEN 9 THEN '{"l": 1}' ELSE list(id, n, word) END)} ],
		results => 'strict $.items[0].l[*]'), '18 2 0', 'an answer without a list, where the path is strict');
like($t->sql("SELECT string_agg(DISTINCT error, ' ') FROM enrich.failures WHERE job = $job"), qr/\Athe answer does not fit strict \S+;[^;]*\z/, '... fails the row');
is(enrich(@keyed, target => 'whole', write_mode => 'insert'), '5 15 0', 'insert: rows that have items there already fail, those without any are done');
like($t->sql("SELECT min(error) FROM enrich.failures WHERE job = $job"), qr/duplicate key value violates unique constraint/, '... with the reason');
is($t->sql('SELECT count(*) FROM whole'), 30, '... and nothing is added');
is(enrich(@keyed, target => 'fresh', write_mode => 'insert'), '20 0 0', 'insert into a new table');
is(right('fresh'), '30|30|30', '... each item is a row');

#
# Placeholders, and runs that take only what is missing or has changed
#
make_docs(20);
my $marked = '{"x int": "$.x", "w text": "$.w", "n integer": "{{n}}", "by bigint": "{{job}}", "at timestamptz": "{{now}}", "mark text": "{{fingerprint}}"}';
$t->sql(q{ALTER TABLE doc ADD l jsonb; UPDATE doc SET l = list(id, n, word)::jsonb -> 'l'});
my @marked = (@keyed, input => [ 'n', 'l' ], target => 'marked', output => $marked, bucket_size => 5,
	request => '{"input": ["{{each}}", {"l": "{{l}}"}]}');
is(enrich(@marked, rows => 'changed'), '20 0 0', 'changed: at first all rows');
is(right('marked'), '30|30|30', '... each item is a row');
is($t->sql("SELECT count(*) FROM marked JOIN doc USING (id, n) WHERE by = $job AND at > now() - interval '1 hour' AND mark ~ '^[0-9a-f]{32}\$'"), 30,
	'... and has its placeholders');
is($t->sql('SELECT max(c), count(*) FROM (SELECT count(DISTINCT mark) c FROM marked GROUP BY id) m'), '1|15', '... one fingerprint a row');
is(enrich(@marked, rows => 'changed'), '5 0 0', '... then only those that have nothing');
$t->sql(q{UPDATE doc SET n = 2, word = 'z', l = list(id, 2, 'z')::jsonb -> 'l' WHERE id IN (3, 13)});
is(enrich(@marked, rows => 'changed'), '7 0 0', '... and those that have changed');
is($t->sql("SELECT string_agg(id || ':' || item || w, ' ' ORDER BY id, item) FROM marked WHERE by = $job"), '3:0z 3:1z 13:0z 13:1z', '... which are replaced');
$t->sql('DELETE FROM marked WHERE id = 5; UPDATE marked SET x = NULL, w = NULL, n = NULL, by = NULL, at = NULL, mark = NULL WHERE id = 6 OR id = 7 AND item = 0');
is(enrich(@marked, rows => 'missing'), '7 0 0', 'missing: rows without items, and with nothing but NULLs');
is(right('marked'), '29|30|30', '... are filled in, and no others');
$t->sql('UPDATE doc SET l = $$[]$$ WHERE id = 20');
is(enrich(@marked, rows => 'missing'), '5 0 0', '... again and again where the answer has none');

#
# Overwrite
#
make_docs(20);
$t->sql(<<'END');
CREATE TABLE seen (id integer, item integer, x integer, w text, PRIMARY KEY (id, item));
INSERT INTO seen SELECT i, g, -1, 'old' FROM generate_series(1, 30) i, generate_series(0, 1) g;
CREATE VIEW look AS SELECT * FROM seen;
END
is(enrich(@keyed, target => 'seen', write_mode => 'overwrite', output => '{"x": "$.x", "w": "$.w"}'), '20 0 0', 'overwrite');
is(right('look'), '30|30|30', '... leaves nothing of what was there');
$t->sql(<<'END');
CREATE TABLE note_2 (id integer, item integer, FOREIGN KEY (id, item) REFERENCES seen ON DELETE CASCADE);
INSERT INTO note_2 SELECT id, item FROM seen;
UPDATE doc SET word = 'y', n = (n + 1) % 4;
END
my $notes = $t->sql('SELECT count(*) FROM note_2 JOIN doc USING (id) WHERE item < n AND id <> 6');
$t->mock_script({ match => ': 600', status => 422 });
$job = $t->start_job(@keyed, target => 'seen', write_mode => 'overwrite', batch_size => 1, output => '{"x": "$.x", "w": "$.w"}');
my $progress = $t->wait_job($job, 'paused');
is("@$progress{qw(reason rows_done rows_failed)}", 'failures 19 1', 'overwrite with a row that fails pauses');
is($t->sql(q{SELECT count(*) FROM seen WHERE w = 'x'}), 30, '... before anything is replaced');
$t->sql("SELECT enrich.resume($job)");
$t->wait_job($job);
is(right('seen'), '27|27|30', '... and goes on without it');
is($t->sql('SELECT count(*) FROM note_2'), $notes, '... in place, for what refers to it');
$t->sql(q{INSERT INTO seen SELECT 6, g, 1, 'stray' FROM generate_series(0, 5) g});
$t->mock_script;
$t->sql("SELECT enrich.retry($job)");
$t->wait_job($job);
is(items_of('seen', 6), '0:600 1:601 2:602', '... a row that is tried again later replaces what is there meanwhile');
$t->sql('CREATE TABLE bag (id integer, item integer, x integer, w text); INSERT INTO bag VALUES (1, 0, 0), (1, 0, 0)');
is(enrich(@keyed, target => 'bag', write_mode => 'overwrite', output => '{"x": "$.x", "w": "$.w"}'), '20 0 0', 'overwrite where no index is');
is(right('bag'), '30|30|30', '... each item is a row');

#
# Preview shows what would be written
#
my $preview = q{SELECT results FROM enrich.preview('doc', 'api', '{n,l}', '{"x int": "$.x"}', target => 'none', result_rows => 'many',
	request => '{"input": ["{{each}}", {"l": "{{l}}"}]}', result_key => '$.k', %s)};
$t->sql(q{UPDATE doc SET l = list(id, n, word)::jsonb -> 'l'});
is($t->sql(sprintf $preview, 'where_clause => $$id IN (1, 2, 3)$$'), '[{"x": 100, "key": {"id": 1}, "item": 0}, '
	  . '{"x": 101, "key": {"id": 1}, "item": 1}, {"x": 200, "key": {"id": 2}, "item": 0}, {"x": 201, "key": {"id": 2}, "item": 1}, '
	  . '{"x": 202, "key": {"id": 2}, "item": 2}]', 'preview: what would be written');
$t->sql(q{UPDATE doc SET l = replace(l::text, '"k": 2', '"k": 5')::jsonb WHERE id = 2});
like($t->sql(sprintf $preview, 'where_clause => $$id IN (1, 2, 3)$$'), qr/\A\{"error": "item \d .* has the key 5, which no row of the request has"\}\z/,
	'... or why not');
$t->sql(q{UPDATE doc SET l = '[{"k": 2, "x": 1}, {"k": 2, "x": "none"}]' WHERE id = 2});
like($t->sql(sprintf $preview, 'where_clause => $$id IN (2, 3)$$'),
	qr/\A\[\{"x": 1, "key": \{"id": 2\}, "item": 0, "error": "([^}]*invalid input syntax[^}]*")\}, \{"x": "none", "key": \{"id": 2\}, "item": 1, "error": "\1\}\]\z/,
	'... or what does not fit, with all items of its row');
is($t->sql(sprintf $preview, 'where_clause => $$id = 3$$'), '[]', '... or nothing');
$t->sql(q{UPDATE doc SET l = '[{"k": 2, "x": 1}, {"k": 2, "x": 2}]' WHERE id = 2});
$preview =~ s/result_rows => 'many'/result_rows => 'one'/;
like($t->sql(sprintf $preview, 'where_clause => $$id IN (2, 3)$$'), qr/\A\{"error": "item 1 .* has the key 2, as an item before it has"\}\z/,
	'preview of single results: why not');
$t->sql(q{UPDATE doc SET l = '[{"k": 2, "x": 1}]' WHERE id = 2});
is($t->sql(sprintf $preview, 'where_clause => $$id IN (2, 3)$$'), '[{"x": 1, "key": {"id": 2}}, {"x": null, "key": {"id": 3}}]',
	'... or NULLs for a row without an item');

$t->stop;
done_testing();
