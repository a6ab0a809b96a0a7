# The recipes of docs/cookbook.md, word for word: look-ups, runs again, chunks, and the
# way to an API that is not there; and that what README and docs/operate.md show of them
# is the same.
#
# Each SQL block goes to psql as it stands in the cookbook.  The only addition is an
# ALTER SERVER behind each CREATE SERVER, which sets the url from https://HOST/PATH to the
# mock's /HOST/PATH; the tables that recipes speak of are made by test/perl/Cookbook.pm.

use strict;
use warnings;

use Cookbook qw(sql_blocks);
use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $t = EnrichTest->new;
my $book = Cookbook->new($t);

# The parts of the last request's target
sub query_of
{
	my ($request) = @_;

	return $request->{target} =~ /[?&]key=YOUR-KEY(&|$)/ ? 'key' : 'no key';
}

# The inputs that the mock has answered since it began to record them, in order
sub asked { return join ' ', sort keys %{ $t->mock_inputs }; }

my %check = (
	'Look-up by URL: 404 means none' => sub {
		is($t->mock_stats->{requests}, 40, 'a request a row');
		is(($t->mock_last)[0]{headers}{accept}, 'application/fhir+json', 'the header');
		is($t->sql(<<'END'), '40|t', 'each in its row, NULLs for those that are unknown');
SELECT count(*), bool_or(birth_date IS NULL) FROM patient_data JOIN patients USING (id), value_of(id::text) v
WHERE birth_date IS NOT DISTINCT FROM CASE WHEN v % 10 > 0 THEN make_date((1930 + v % 80)::integer, (1 + v % 12)::integer, (1 + v % 28)::integer) END
AND gender IS NOT DISTINCT FROM CASE WHEN v % 10 = 0 THEN NULL WHEN v % 2 = 0 THEN 'female' ELSE 'male' END
END
		# a job that finds nobody
		$t->sql('DROP TABLE patient_data; DELETE FROM patients WHERE value_of(id::text) % 10 > 0');
		my ($start) = ($book->blocks('Look-up by URL: 404 means none'))[0] =~ /^(SELECT.*)/ms;
		my $job = $t->sql($start);
		is($t->wait_job($job)->{state}, 'completed', 'not one result among few rows: that may be');
		is($t->sql('SELECT count(*) = (SELECT count(*) FROM patients) FROM patient_data WHERE gender IS NULL'), 't', 'they are NULL');
		$job = $t->sql($start =~ s/\);\s*$/, bucket_size => 2, concurrency => 1)/r);
		is($t->wait_job($job, 'paused')->{reason}, 'configuration', 'not one result, and more rows to ask for: the job pauses');
		$t->sql("SELECT enrich.resume($job)");
		is($t->wait_job($job)->{state}, 'completed', 'and goes on if it is told to');
	},

	'OpenCage: a geocoder' => sub {
		my @requests = $t->mock_last(50);
		my $took = $requests[-1]{at} - $requests[0]{at};
		my @gaps = map { $requests[$_]{at} - $requests[ $_ - 1 ]{at} } 1 .. $#requests;

		is(scalar @requests, 4, 'a request a row');
		is(join(' ', map { query_of($_) } @requests), 'key key key key', 'the key is in the query');
		# three seconds, of which a mock that is held up may see less
		cmp_ok($took, '>', 2.5, 'one a second');
		cmp_ok(scalar(grep { $_ < 0.9 } @gaps), '<=', 1, '... one by one') or diag("@gaps");
		is($t->sql(<<'END'), '4|1|4', 'each in its row');
SELECT count(*), count(*) - count(latitude), count(places_found) FROM customers, value_of(street || ', ' || city) v
WHERE latitude IS NOT DISTINCT FROM CASE WHEN v % 10 > 0 THEN ((v % 180001 - 90000) / 1000.0)::float8 END
AND longitude IS NOT DISTINCT FROM CASE WHEN v % 10 > 0 THEN ((v % 360001 - 180000) / 1000.0)::float8 END
AND places_found = (v % 10 > 0)::integer
END
		is($book->again('OpenCage: a geocoder'), 0, 'nobody is asked for twice, found or not');
	},

	'FHIR: many rows for one' => sub {
		my (undef, $all) = @_;

		is($t->mock_stats->{requests}, 40, 'a request a row');
		is($t->sql(<<'END'), $t->sql('SELECT sum(value_of(id::text) % 4) FROM patients'), 'as many rows as there are observations');
SELECT count(*) FROM observations o, value_of(id::text) v
WHERE item < v % 4 AND code = ('{8867-4,8310-5,29463-7}'::text[])[item + 1] AND value = (v + 10 * item) % 200
AND taken_at = timestamptz '2024-01-01 08:00+00' + item * interval '1 day'
AND (name, unit) = (('{Heart rate,Body temperature,Body weight}'::text[])[item + 1], ('{/min,Cel,kg}'::text[])[item + 1])
END
		is($t->sql('SELECT count(*) FROM observations'), $t->sql('SELECT sum(value_of(id::text) % 4) FROM patients'), 'and no others');
		is(scalar(split /\n/, $all), $t->sql('SELECT sum(greatest(value_of(id::text) % 4, 1)) FROM patients'),
			'the query shows every patient');
		$t->sql("UPDATE observations SET value = -1; INSERT INTO observations (id, item) VALUES (1, 99)");
		is($book->again('FHIR: many rows for one'), 40, 'another run asks for all');
		is($t->sql('SELECT count(*) FROM observations WHERE value >= 0'), $t->sql('SELECT sum(value_of(id::text) % 4) FROM patients'),
			'and replaces the rows of each patient');
	},

	'Only the rows that changed' => sub {
		my $right = q{SELECT title || ' ' || body AS input, embedding FROM articles JOIN article_embeddings USING (id)};

		is($book->count_right_embeddings($right, 256), 120, 'every article has its embedding');
		is($book->again('Only the rows that changed'), 0, 'nothing has changed, nothing is asked');
		$t->sql("UPDATE articles SET body = 'another' WHERE id IN (5, 50); INSERT INTO articles VALUES (121, 'new', 'one')");
		is($book->again('Only the rows that changed'), 1, 'one request for what has');
		is(asked(), 'Title 5 another Title 50 another new one', 'and only for that');
		is($book->count_right_embeddings($right, 256), 121, 'every article has its embedding again');
		is($t->sql('SELECT count(DISTINCT embedded_at::timestamptz(3)) > 1 FROM article_embeddings'), 't', 'with the time it was made');
	},

	'Long documents, in chunks' => sub {
		my $chunks = 'SELECT sum(ceil(greatest(length(body) - 500, 1) / 1500.0)) FROM documents';

		is($t->sql('SELECT count(*) FROM chunk_embeddings'), $t->sql($chunks), 'as many chunks as there should be');
		is($t->sql(<<'END'), 't', 'which make up the documents');
SELECT bool_and(joined = body) FROM documents d JOIN (SELECT document, string_agg(CASE WHEN chunk = 0 THEN body ELSE substr(body, 501) END, '' ORDER BY chunk) AS joined
	FROM chunks GROUP BY document) c ON c.document = d.id
END
		is($t->sql(<<'END'), 2000, 'of 2,000 characters, but for the last');
SELECT min(length(body)) FROM chunks c WHERE EXISTS (SELECT FROM chunks n WHERE n.document = c.document AND n.chunk = c.chunk + 1)
END
		is($book->count_right_embeddings('SELECT body AS input, embedding FROM chunks JOIN chunk_embeddings USING (document, chunk)', 256),
			$t->sql($chunks), 'every chunk has its embedding');
		$t->sql('UPDATE documents SET body = left(body, 1700) WHERE id = 6');
		is($book->again('Long documents, in chunks'), 1, 'an edit is one request');
		$book->run_block(($book->blocks('Long documents, in chunks'))[1]);
		is($t->sql('SELECT count(*) FROM chunk_embeddings'), $t->sql($chunks), 'and the chunks that are gone are gone');
	},

	'How to find the paths for an API that is not here' => sub {
		my ($preview) = @_;

		is($t->mock_stats->{requests}, 1, 'one request');
		like($preview, qr{^http://[^|]*/hapi\.fhir\.org/baseR4/Patient/\d+\|200\|\{"resourceType":"Patient".*\|.*"answer"}s, 'everything is shown');
		is($t->sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'patients'::regclass AND attnum > 0"), 1, 'and nothing is written');
	},
);

# What is asked for in the preview is to be there; what a geocoder is asked for takes a second each: four rows, one of which is unknown
my %before = (
	'OpenCage: a geocoder' => <<'END',
DELETE FROM customers WHERE id NOT IN (
	SELECT min(id) FROM customers WHERE value_of(street || ', ' || city) % 10 = 0 UNION ALL
	(SELECT id FROM customers WHERE value_of(street || ', ' || city) % 10 > 0 ORDER BY id LIMIT 3));
END
	'How to find the paths for an API that is not here' => 'DELETE FROM patients WHERE value_of(id::text) % 10 = 0;',
);

foreach my $title ($book->titles)
{
	$book->check($title => $check{$title}, $before{$title}) if $check{$title};
}

# The recipes that other pages show are the cookbook's: the first block of README, and what pg_cron runs every night
my ($first) = sql_blocks(slurp_file('README.md'));
my @nightly = grep { /^SELECT cron\.schedule/ } sql_blocks(slurp_file('docs/operate.md'));
like($first // '', qr/^SELECT enrich\.start/m, 'README begins with a recipe');
is(scalar @nightly, 1, 'docs/operate.md shows the nightly run');
foreach my $shown (grep { defined } $first, @nightly)
{
	cmp_ok(index($book->text, $shown), '>=', 0, 'a recipe of another page is the cookbook\'s') or diag($shown);
}

$t->stop;
done_testing();
