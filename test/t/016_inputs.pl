# What is sent of a row: columns and expressions, joined, cut, skipped.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;
$t->create_server('api');
$t->sql(<<'END');
CREATE TABLE town (id integer PRIMARY KEY, name text, area numeric, tags text[]);
INSERT INTO town SELECT i, 'Town ' || i, i * 1.5, ARRAY['a' || i, 'b'] FROM generate_series(1, 50) i;
END

my %items = (source => 'town', server => 'api', path => '/items', results => '$.items[*]', result_index => '$.index',
	target => 'sent', output => '{"text text": "$.text"}');

# Stored is what the mock says it was asked: the input itself.
sub sent
{
	my ($what, $sql, %more) = @_;

	$t->sql('DROP TABLE IF EXISTS sent');
	my $job = $t->start_job(%items, %more);
	$t->wait_job($job);
	is($t->sql("SELECT count(*) FROM sent JOIN town USING (id) WHERE text = $sql"), 50, $what);
	return $job;
}

sent('an expression', 'upper(name)', input => ['(upper(name))']);
sent('columns and expressions', q{concat_ws('|', name, area * 2, tags[1])},
	input => [ 'name', '(area * 2)', '(tags[1])' ], separator => '|');
sent('a subquery', q{(SELECT string_agg(x, '+') FROM unnest(tags) x)},
	input => [q{((SELECT string_agg(x, '+') FROM unnest(tags) x))}]);
sent('values as concat_ws shows them', q{concat_ws(' ', id > 10, tags)}, input => [ '(id > 10)', 'tags' ]);
sent('an expression with a comment', 'lower(name)', input => ["(lower(name) -- as it is\n)"]);
sent('columns of expressions by the name of their table', 'town.name', input => ['(town.name)']);
my $job = sent('inputs are cut', 'left(name, 6)', input => ['(name)'], max_input_length => 6);
is($t->sql("SELECT rows_truncated FROM enrich.jobs WHERE job = $job"), 41, 'and those that were cut are counted');

# A column alone is what concat_ws makes of it, whatever its type, and however large
$t->sql(q{CREATE DOMAIN label AS varchar(20);
	ALTER TABLE town ADD short varchar(10), ADD code char(9), ADD sign label, ADD long text, ADD packed text;
	UPDATE town SET short = name, code = name, sign = name, packed = repeat(name || ' ', 2000),
		long = (SELECT string_agg(md5(id + g || ''), ' ') FROM generate_series(1, 200) g)});
foreach my $column (qw(name short code sign long packed area tags))
{
	sent("$column alone", "concat_ws(' ', $column)", input => [$column]);
}

# Empty ones are not sent
$t->mock_reset;
$t->sql('DROP TABLE sent');
$job = $t->start_job(%items, input => [q{(NULLIF(name, 'Town 7'))}]);
my $progress = $t->wait_job($job);
is("@$progress{qw(rows_done rows_skipped)}", '49 1', 'an empty expression skips its row');
is($t->mock_stats->{inputs}, 49, 'and is not sent');
is($t->sql('SELECT text IS NULL FROM sent WHERE id = 7'), 't', 'its output is NULL');
$t->sql('UPDATE town SET short = NULL WHERE id = 8');
$job = $t->start_job(%items, input => ['short']);
is($t->wait_job($job)->{rows_skipped}, 1, 'so does a column that is NULL');

# What is no expression of a row
my %wrong = (
	'(uper(name))' => qr/42883.*function uper\(text\) does not exist/s,
	'(nope)' => qr/42703.*column "nope" does not exist/s,
	'(max(name))' => qr/42803.*aggregate functions are not allowed/s,
	'(row_number() OVER ())' => qr/42P20.*window functions are not allowed/s,
	'(unnest(tags))' => qr/0A000.*set-returning functions are not allowed/s,
	'(name' => qr/42601/,
	'(name), (area)' => qr/42601/,
	'(name) FROM town; DROP TABLE town' => qr/42601/);
foreach my $input (sort keys %wrong)
{
	like($t->sql_error($t->start_sql(%items, input => [$input])), $wrong{$input}, "refused: $input");
}
is($t->sql('SELECT count(*) FROM town'), 50, 'and nothing happened to the table');

$t->stop;
done_testing();
