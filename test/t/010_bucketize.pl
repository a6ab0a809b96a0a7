# From every kind of source, with every kind of key, through staging: each row is
# taken once, cut into buckets, and what is sent of it is what concat_ws says.

use strict;
use warnings;

use Encode qw(encode);
use EnrichTest;
use Test::More;

my $t = EnrichTest->new(init => [ extra => [ '--encoding=UTF8', '--locale=C' ] ],
	conf => "max_worker_processes = 48\n");

$t->create_server('api', url => '/items', results => '$.items[*]', result_index => '$.index');

# The value that the mock gives an input, as SQL says it.
sub value_of
{
	my ($input) = @_;

	return "('x' || substr(md5($input), 1, 8))::bit(32)::bigint % 1000000";
}

sub enrich
{
	my (%parameter) = @_;

	return $t->start_job(server => 'api', input => ['name'],
		output => '{"value bigint": "$.value"}', %parameter);
}

# Runs a job to its end and returns its progress.
sub enriched { return $t->wait_job(enrich(@_)); }

# Runs a job that fails while it bucketizes, and returns the error.
sub failed
{
	my (%parameter) = @_;
	my $job = enrich(%parameter);
	my $progress = $t->wait_job($job, 'failed');

	like($t->sql_error("SELECT enrich.resume($job)"), qr/ERROR/, 'resume cannot help');
	is($progress->{rows_done}, 0, 'no row of it is done');
	return $progress->{error};
}

sub counts
{
	my ($progress) = @_;

	return join ' ', @$progress{qw(rows_total rows_done rows_failed rows_skipped)};
}

#
# Sources
#
$t->create_loopback;
$t->sql(<<'END');
CREATE TABLE town (id integer PRIMARY KEY, name text);
INSERT INTO town SELECT i, 'town ' || i FROM generate_series(1, 37) i;
CREATE TABLE parted (id integer, name text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 (name text, gone integer, id integer NOT NULL);
ALTER TABLE parted_2 DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (10) TO (1000);
INSERT INTO parted SELECT * FROM town;
CREATE TABLE parent (id integer PRIMARY KEY, name text);
CREATE TABLE child (more text) INHERITS (parent);
INSERT INTO parent SELECT * FROM town WHERE id < 20;
INSERT INTO child SELECT * FROM town WHERE id >= 20;
CREATE VIEW town_view AS SELECT id, initcap(upper(name)) AS name FROM town WHERE id > 0;
CREATE MATERIALIZED VIEW town_matview AS SELECT id, name FROM town;
CREATE UNLOGGED TABLE town_unlogged AS SELECT * FROM town;
CREATE FOREIGN TABLE town_foreign (id integer, name text) SERVER loopback OPTIONS (table_name 'town');
END

my @sources = qw(town parted parent town_view town_matview town_unlogged town_foreign);
my %job = map {
	$_ => enrich(source => $_, target => "${_}_out", key => ['id'], bucket_size => 10)
} @sources;
foreach my $source (@sources)
{
	my $progress = $t->wait_job($job{$source});
	is(counts($progress), '37 37 0 0', "$source: all rows");
	is($t->sql("SELECT count(*) FROM $source s JOIN ${source}_out USING (id) WHERE value = " . value_of('name')),
		37, "$source: every row has its own answer");
}
like($t->sql_error($t->start_sql(source => 'town_view', server => 'api', input => ['name'], target => 'v',
			output => { 'value bigint' => '$.value' })),
	qr/42\w+|22023.*no primary key.*HINT/s, 'a view needs a key');

# a primary key says nothing of the tables that inherit
$t->sql("INSERT INTO child VALUES (5, 'five again')");
like(failed(source => 'parent'), qr/key \(5\) occurs more than once/, 'a child repeats a key of its parent');
$t->sql("DELETE FROM child WHERE name = 'five again'");
is(counts(enriched(source => 'parent')), '37 37 0 0', 'inherited: rows of the child are updated');
is($t->sql('SELECT count(*) FROM parent WHERE value = ' . value_of('name')), 37, '... each with its own answer');

#
# Keys
#
$t->sql(<<'END');
CREATE TYPE pair AS (a integer, b text);
CREATE TYPE mood AS ENUM ('sad', 'fair', 'glad', 'very glad');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE keyed AS SELECT i AS k_integer, i::bigint << 40 AS k_bigint, i::smallint AS k_smallint,
		repeat('x''"\,{} ', i) || i AS k_text, (i || ' é€')::varchar(20) AS k_varchar, i::text::char(9) AS k_char,
		md5(i::text)::uuid AS k_uuid, date '2000-01-31' + i AS k_date, (i / 7.0)::numeric(30, 20) AS k_numeric,
		timestamptz '2024-03-30 20:00:00.123456+00' + i * interval '1 hour' AS k_timestamptz,
		ROW(i % 2, 'b "' || i)::pair AS k_pair, (enum_range(NULL::mood))[i] AS k_mood, i::positive AS k_positive,
		decode(md5(i::text), 'hex') AS k_bytea, ARRAY[i, NULL, i] AS k_array, i % 2 = 0 AS k_boolean,
		('10.0.0.' || i)::inet AS k_inet, i / 3.0::double precision AS k_double, ('n' || i)::name AS k_name,
		jsonb_build_object('k', i) AS k_jsonb, int4range(i, i + 2) AS k_range,
		('Case ' || i) COLLATE ignore_case AS k_nocase, 'name ' || i AS name
	FROM generate_series(1, 4) i;
END
my @keys = split /\n/, $t->sql(q{SELECT attname FROM pg_attribute
	WHERE attrelid = 'keyed'::regclass AND attname LIKE 'k\_%' AND attname <> 'k_boolean'});
$t->sql(join '; ', map { ("CREATE UNIQUE INDEX ON keyed ($_)", "ALTER TABLE keyed ADD v_$_ bigint") } @keys);

%job = ();
foreach my $key (@keys)
{
	$job{"target $key"} = enrich(source => 'keyed', key => [$key], target => "by_$key", bucket_size => 3);
	$job{"update $key"} = enrich(source => 'keyed', key => [$key], output => { "v_$key" => '$.value' });
}
foreach my $key (@keys)
{
	my $right = value_of('name');

	is(counts($t->wait_job($job{"$_ $key"})), '4 4 0 0', "$key: $_") foreach qw(target update);
	is($t->sql("SELECT count(*) FROM keyed JOIN by_$key t USING ($key) WHERE t.value = $right"), 4, "$key: target");
	is($t->sql("SELECT count(*) FROM keyed WHERE v_$key = $right"), 4, "$key: update");
}
is(counts(enriched(source => 'keyed', key => [qw(k_boolean k_mood k_pair)], target => 'by_three')), '4 4 0 0',
	'a key of three columns');
is($t->sql('SELECT count(*) FROM keyed JOIN by_three t USING (k_boolean, k_mood, k_pair) WHERE t.value = '
		. value_of('name')), 4, '... finds its rows');
is($t->sql(q{SELECT string_agg(a.attname, ' ' ORDER BY array_position(i.indkey::int[], a.attnum::int))
	FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
	WHERE i.indrelid = 'by_three'::regclass AND i.indisprimary}),
	'k_boolean k_mood k_pair', '... and is the primary key of the target');

#
# Keys that are none
#
$t->sql(<<'END');
CREATE VIEW with_null AS SELECT NULLIF(id, 17) AS "the id", name FROM town;
CREATE VIEW with_twin AS SELECT NULLIF(id, 17) AS id, name FROM town WHERE id <> 17
	UNION ALL SELECT 23, 'a twin';
CREATE VIEW with_json AS SELECT to_json(id) AS id, name FROM town;
END
like(failed(source => 'with_null', key => ['the id'], target => 'null_out'),
	qr/key column "the id" is NULL in row 17 of public\.with_null/, 'a NULL key is named');
like(failed(source => 'with_twin', key => ['id'], target => 'twin_out'),
	qr/key \(23\) occurs more than once/, 'a duplicate key is named');
like(failed(source => 'with_twin', key => ['id'], target => 'twin_out', write_mode => 'insert'),
	qr/key \(23\) occurs more than once/, '... whatever the write mode');
is($t->sql('SELECT count(*) FROM twin_out'), 0, '... and nothing is written');
like($t->sql_error($t->start_sql(source => 'with_json', server => 'api', key => ['id'], input => ['name'],
			target => 'json_out', output => { 'value bigint' => '$.value' })),
	qr/42883.*key column "id" is of type json, which has no ordering.*HINT/s, 'a key that cannot be compared is refused');
$t->poll(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace}, 0);

#
# Buckets
#
sub numbers
{
	my ($rows) = @_;

	$t->sql("DROP TABLE IF EXISTS numbers; CREATE TABLE numbers AS
		SELECT i AS id, 'row ' || i AS name FROM generate_series(1, $rows) i; ALTER TABLE numbers ADD PRIMARY KEY (id)");
	return;
}

foreach my $case ([ 0, 10, '' ], [ 1, 10, '1' ], [ 20, 10, '10 10' ], [ 21, 10, '10 10 1' ],
	[ 3, 1, '1 1 1' ], [ 1500, 100000, '1500' ], [ 1001, 1000, '1000 1' ])
{
	my ($rows, $size, $sizes) = @$case;
	my $what = "$rows rows in buckets of $size";

	numbers($rows);
	$t->mock_reset;
	my $progress = enriched(source => 'numbers', bucket_size => $size);
	my @sizes = split / /, $sizes;
	is(counts($progress), "$rows $rows 0 0", "$what: rows");
	is("@$progress{qw(buckets_total buckets_done requests)}", join(' ', (scalar @sizes) x 3), "$what: buckets");
	is($progress->{percent} + 0, 100, "$what: percent");
	is($t->sql("SELECT string_agg(rows::text, ' ' ORDER BY bucket) FROM enrich.buckets WHERE job = $progress->{job}"),
		$sizes, "$what: sizes");
	is($t->mock_stats->{inputs}, $rows, "$what: inputs sent");
	is($t->sql('SELECT count(*) FROM numbers WHERE value = ' . value_of('name')), $rows, "$what: stored");
}
foreach my $size (0, 100001)
{
	like($t->sql_error($t->start_sql(source => 'town', server => 'api', input => ['name'],
				bucket_size => $size, output => { 'value bigint' => '$.value' })),
		qr/22023.*bucket_size is out of range.*HINT.*1 and 100000/s, "bucket_size $size is refused");
}

# More buckets than are described at a time
numbers(2500);
is(counts(enriched(source => 'numbers', bucket_size => 1, concurrency => 50)), '2500 2500 0 0', 'many small buckets');
is($t->sql('SELECT count(*) FROM numbers WHERE value = ' . value_of('name')), 2500, '... each with its own answer');

#
# Partitions: each goes as soon as its buckets are finished
#
numbers(120_000);
$t->mock_reset;
$t->mock_script({ hang => 1, match => '"row 119999"' });
my $job = enrich(source => 'numbers', target => 'numbers_out', bucket_size => 700);
$t->poll("SELECT rows_done FROM enrich.progress WHERE job = $job", 120_000 - 120_000 % 700);
my $progress = $t->progress($job);
is($progress->{rows_total}, 120_000, 'rows_total while it runs');
is($progress->{buckets_total} - $progress->{buckets_done}, 1, 'one bucket is left');
is($progress->{percent} + 0, int(1000 * $progress->{rows_done} / 120_000) / 10, 'percent says how far it is');
is($t->sql("SELECT string_agg(DISTINCT partition::text, ' ') FROM enrich.buckets WHERE job = $job"), '1 2 3',
	'several partitions');
is($t->sql("SELECT min(rows) FROM (SELECT sum(rows) AS rows FROM enrich.buckets
		WHERE job = $job AND partition < 3 GROUP BY partition) p"), 50_400, '... of whole buckets');
$t->poll("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r'
	AND relname LIKE 'job\\_$job\\_%' AND relname NOT LIKE '%failed'", "job_${job}_3");
$t->mock_script;
$t->mock_release;
is(counts($t->wait_job($job)), '120000 120000 0 0', 'and it completes');
is($t->sql('SELECT count(*) FROM numbers_out JOIN numbers USING (id) WHERE numbers_out.value = ' . value_of('name')),
	120_000, 'every row has its own answer');
$t->poll(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace}, 0);

#
# Which rows
#
my $take = sub {
	my (%parameter) = @_;
	$t->sql('DROP TABLE IF EXISTS taken');
	enriched(source => 'town', target => 'taken', %parameter);
	return $t->sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM taken");
};
is($take->(where_clause => 'id % 9 = 0 -- nines'), '9 18 27 36', 'where_clause with a comment');
is($take->(where_clause => 'town.id < 3 OR public.town.name = \'town 30\''), '1 2 30',
	'where_clause with OR and qualified columns');
is($take->(where_clause => 'id IN (SELECT max(id) FROM numbers WHERE numbers.id < 30)'), '29',
	'where_clause with a subquery');
is($take->(where_clause => 'false'), '', 'where_clause that takes nothing');
is($take->(where_clause => 'NULL'), '', 'where_clause that is NULL');
is($take->(max_rows => 0), '', 'max_rows 0');
is(scalar(split / /, $take->(max_rows => 5)), 5, 'max_rows 5');
is($take->(max_rows => 2, where_clause => 'id > 35'), '36 37', 'max_rows after where_clause');
$t->sql('DELETE FROM taken');
$t->sql('INSERT INTO taken VALUES (1, 1), (2, NULL), (3, 3)');
$progress = enriched(source => 'town', target => 'taken', rows => 'missing', where_clause => 'id = 1 OR id < 5');
is(counts($progress), '2 2 0 0', 'where_clause with OR besides rows => missing');
foreach my $clause ('id > 0) OR (true', 'id > 0; DROP TABLE town', 'nothing = 1', "id = 'x'", 'count(*) > 1', 'id')
{
	isnt($t->sql_error($t->start_sql(source => 'town', server => 'api', input => ['name'], target => 'taken',
				where_clause => $clause, output => { 'value bigint' => '$.value' })),
		'', "where_clause is refused: $clause");
}

#
# Inputs
#
$t->sql(<<'END');
CREATE TABLE thing (id integer PRIMARY KEY, a text, b integer, c date, d jsonb, e boolean, f text[]);
INSERT INTO thing VALUES (1, 'one', 1, '2024-02-29', '{"k": [1, 2]}', true, '{x,"y z"}'), (2, NULL, 2, NULL, NULL, false, NULL),
	(3, 'żółw 🐢', NULL, NULL, 'null', NULL, '{}'), (4, NULL, NULL, NULL, NULL, NULL, NULL),
	(5, '', NULL, NULL, NULL, NULL, NULL), (6, ' ', NULL, NULL, NULL, NULL, NULL);
END
foreach my $separator (' ', '', ', ', q{'\\"}, '→')
{
	my $literal = $separator =~ s/'/''/gr;

	$t->sql('DROP TABLE IF EXISTS sent');
	$progress = enriched(source => 'thing', input => [qw(a b c d e f)], separator => $separator,
		target => 'sent', output => '{"text text": "$.text"}');
	is($t->sql("SET standard_conforming_strings = on;
			SELECT count(*) FROM thing LEFT JOIN sent USING (id)
			WHERE text IS DISTINCT FROM NULLIF(concat_ws('$literal', a, b, c, d, e, f), '')"),
		0, "separator \"$separator\": what is sent is what concat_ws says");
	is(counts($progress), '6 4 0 2', "separator \"$separator\": empty inputs are skipped");
}

# a row whose input is empty is not sent: its outputs become NULL
$t->sql('ALTER TABLE thing ADD value bigint DEFAULT 77');
$t->mock_reset;
$t->mock_log;
$progress = enriched(source => 'thing', input => ['a'], bucket_size => 2);
is(counts($progress), '6 3 0 3', 'empty inputs are counted as skipped');
is(join('|', map { encode('UTF-8', $_) } sort keys %{ $t->mock_inputs }), ' |one|żółw 🐢', '... and not sent');
is($t->sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM thing WHERE value IS NULL"), '2 4 5',
	'... and their outputs become NULL');

# max_input_length counts characters
$t->sql('DROP TABLE sent');
$progress = enriched(source => 'thing', input => [qw(a f)], max_input_length => 5,
	target => 'sent', output => '{"text text": "$.text"}');
is($t->sql("SELECT string_agg(id || ':' || text, '|' ORDER BY id) FROM sent WHERE text IS NOT NULL"),
	'1:one {|3:żółw |6: ', 'max_input_length counts characters');
is($t->sql("SELECT rows_truncated FROM enrich.jobs WHERE job = $progress->{job}"), 2, 'rows_truncated');

#
# Names
#
$t->sql(<<'END');
CREATE SCHEMA "Odd "" schema";
CREATE TABLE "Odd "" schema"."Weird "" Table" ("Weird ""Name" integer PRIMARY KEY, "order" text, "input" text,
	"Ünï {{x}} 'q'" text, input_text text, key_1 text, row_number text, output_1 text, r text, fields text);
INSERT INTO "Odd "" schema"."Weird "" Table"
	SELECT i, 'o' || i, 'i' || i, 'u' || i, 't' || i, 'k', 'n', 'o', 'r' || i, 'f' FROM generate_series(1, 5) i;
END
my $odd = '"Odd "" schema"."Weird "" Table"';
my @odd = (source => $odd, input => ['order', 'input', "Ünï {{x}} 'q'", qw(input_text key_1 row_number output_1 r fields)]);
my $odd_input = qq{concat_ws(' ', "order", "input", "Ünï {{x}} 'q'", input_text, key_1, row_number, output_1, r, fields)};
is(counts(enriched(@odd, output => '{"\"Weird \"\"Out\" bigint": "$.value"}')), '5 5 0 0', 'odd names: update');
is($t->sql(qq{SELECT count(*) FROM $odd WHERE "Weird ""Out" = } . value_of($odd_input)), 5, '... stored');
is(counts(enriched(@odd, target => '"Odd "" schema"."select"',
			where_clause => qq{input_text <> '' AND "order" <> 'o2' AND "Weird "" Table".r <> 'r3'},
			output => '{"\"ORDER\" bigint": "$.value"}')), '3 3 0 0', 'odd names: target');
is($t->sql(qq{SELECT count(*) FROM "Odd "" schema"."select" s JOIN $odd USING ("Weird ""Name") WHERE s."ORDER" = }
		. value_of($odd_input)), 3, '... stored');
$t->sql('CREATE TABLE pg_enrich_row AS SELECT * FROM town; CREATE TABLE pg_enrich_target AS SELECT * FROM town;
	ALTER TABLE pg_enrich_target ADD PRIMARY KEY (id); CREATE TABLE pg_enrich_results AS SELECT * FROM town');
foreach my $name (qw(pg_enrich_row pg_enrich_target pg_enrich_results))
{
	is(counts(enriched(source => $name, key => ['id'], target => "${name}_out", rows => 'missing')), '37 37 0 0',
		"a source called $name");
}
is(counts(enriched(source => 'pg_enrich_target')), '37 37 0 0', 'an updated source called pg_enrich_target');

$t->stop;
done_testing();
