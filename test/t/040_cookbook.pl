# The recipes of docs/cookbook.md, word for word: embeddings, texts and labels.
#
# Each SQL block goes to psql as it stands in the cookbook.  The only addition is an
# ALTER SERVER behind each CREATE SERVER, which sets the url from https://HOST/PATH to the
# mock's /HOST/PATH; the tables that recipes speak of are made by test/perl/Cookbook.pm.
# The mock refuses what the real API would: a key in the wrong place, a missing member,
# more texts than a request takes.  041 and 042 check the other recipes; a recipe that
# none of the three checks makes this test fail.

use strict;
use warnings;

use Cookbook;
use EnrichTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $t = EnrichTest->new;
my $book = Cookbook->new($t);

# What the last request brought
sub last_header
{
	my ($name) = @_;

	return ($t->mock_last)[0]{headers}{$name};
}

sub last_target { return ($t->mock_last)[0]{target}; }

sub last_body { return JSON::PP::decode_json(($t->mock_last)[0]{body}); }

# The sizes of the last requests, in texts, the largest first
sub sizes
{
	my ($texts) = @_;

	return join ' ', sort { $b <=> $a } map { scalar @{ $texts->(JSON::PP::decode_json($_->{body})) } } $t->mock_last(50);
}

# All articles have the right embedding in the column, got in requests of the right sizes
sub check_embeddings
{
	my ($dimensions, $sizes, $texts, $column) = @_;

	$column //= 'embedding';
	is(sizes($texts), $sizes, 'the right number of requests, of the right size');
	is($t->mock_stats->{input_repeats}, 0, 'nothing is asked for twice');
	is($book->count_right_embeddings("SELECT title || ' ' || body AS input, $column AS embedding FROM articles", $dimensions),
		120, 'every article has its embedding');
	return;
}

my %check = (
	'OpenAI: embeddings' => sub {
		my (undef, $nearest) = @_;

		is(last_header('authorization'), 'Bearer sk-YOUR-KEY', 'the key');
		is(last_body->{encoding_format}, 'base64', 'answers are base64');
		check_embeddings(256, '100 20', sub { $_[0]{input} });
		is(join("\n", $nearest =~ /([\d.]+)$/mg), $t->sql(<<'END'), 'the nearest articles');
SELECT sum(x * y) AS similarity FROM articles a, articles q, unnest(a.embedding, q.embedding) AS p (x, y)
WHERE q.id = 1 AND a.id <> 1 GROUP BY a.id ORDER BY similarity DESC LIMIT 5
END
	},

	'Azure OpenAI: embeddings' => sub {
		is(last_header('api-key'), 'YOUR-KEY', 'the key');
		is(last_header('authorization'), undef, 'and no other');
		is(last_target, '/your-resource.openai.azure.com/openai/deployments/your-deployment/embeddings?api-version=2024-10-21', 'the URL');
		check_embeddings(256, '100 20', sub { $_[0]{input} });
	},

	'Cohere: embeddings' => sub {
		is(last_header('authorization'), 'Bearer YOUR-KEY', 'the key');
		my @paths = map { $_->{target} } $t->mock_last(50);
		is("@paths", '/api.cohere.com/v2/embed ' x 2 . '/api.cohere.com/v1/embed /api.cohere.com/v1/embed', 'both versions');
		is(sizes(sub { $_[0]{texts} }), '96 96 24 24', 'the right number of requests, of the right size');
		foreach my $column (qw(embedding embedding_v1))
		{
			is($book->count_right_embeddings("SELECT title || ' ' || body AS input, $column AS embedding FROM articles", 1024),
				120, "every article has its $column");
		}
		is($t->sql('SELECT count(*) FROM enrich.jobs WHERE server = \'cohere\' AND tokens = (SELECT sum((length(title || body) + 1 + 3) / 4) FROM articles)'),
			2, 'tokens are counted as the answers report them');
	},

	'Voyage: embeddings' => sub {
		is(last_header('authorization'), 'Bearer pa-YOUR-KEY', 'the key');
		is(last_body->{input_type}, 'document', 'the type of input');
		check_embeddings(1024, '120', sub { $_[0]{input} });
	},

	'Vertex AI: embeddings' => sub {
		is(last_header('authorization'), 'Bearer ya29.YOUR-TOKEN', 'the token');
		is(join(' ', sort keys %{ last_body->{instances}[0] }), 'content task_type', 'an object for each text');
		check_embeddings(768, '100 20', sub { $_[0]{instances} });
		is($t->sql("SELECT count(*) FROM articles WHERE tokens = (length(title || ' ' || body) + 3) / 4 AND NOT cut"), 120, 'statistics');
	},

	'Ollama: a model on your own machine' => sub {
		is(last_header('authorization'), undef, 'no key');
		is($t->mock_stats->{requests}, 4 + 120, 'the right number of requests');
		is($book->count_right_embeddings("SELECT title || ' ' || body AS input, embedding FROM articles", 768), 120,
			'every article has its embedding');
		is($t->sql("SELECT count(*) FROM articles WHERE summary = 'echo: Summarise in one sentence: ' || body"), 120, 'and its summary');
	},

	'Hugging Face: Text Embeddings Inference' => sub {
		ok(last_body->{truncate}, 'long texts are cut');
		check_embeddings(384, '32 32 32 24', sub { $_[0]{inputs} });
	},

	'Chat completions into typed columns' => sub {
		my (undef, $summary) = @_;

		is(last_header('authorization'), 'Bearer sk-YOUR-KEY', 'the key');
		is($t->mock_stats->{requests}, 25, 'a request a row');
		is($t->sql(<<'END'), 25, 'label, score and topic as the schema says');
SELECT count(*) FROM review_labels JOIN reviews r USING (id)
WHERE label = ('{positive,neutral,negative}'::text[])[value_of(r.body) % 3 + 1] AND topic = split_part(r.body, ' ', 1)
AND score = ((value_of(r.body) % 101) / 100.0)::real
END
		is($t->sql("SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'review_labels'::regclass AND attnum > 0"),
			"integer\ntext\nreal\ntext", 'columns of their own types');
		my $sum = 0;
		$sum += $_ foreach $summary =~ /\|(\d+)\|/g;
		is($sum, 25, 'the summary');
		# answers that are no answers: one that is cut off, and a refusal
		my $start = ($book->blocks('Chat completions into typed columns'))[0] =~ s/.*^SELECT/SELECT/msr;
		$t->sql('DROP TABLE review_labels; DELETE FROM reviews WHERE id > 1');
		foreach my $content ('"{\\"label\\": \\"pos"', 'null')
		{
			$t->mock_script({ status => 200, error_body => qq({"choices": [{"message": {"content": $content}}]}) });
			is($t->wait_job($t->sql($start))->{rows_failed}, 1, "content $content: the row fails");
		}
	},

	'DeepL: a translation' => sub {
		is(last_header('authorization'), 'DeepL-Auth-Key YOUR-KEY:fx', 'the key');
		is(sizes(sub { $_[0]{text} }), '50 50 20', 'the right number of requests, of the right size');
		is($t->sql("SELECT count(*) FROM products WHERE german = 'DE: ' || description AND translated_from = 'EN'"), 120, 'translations');
	},

	'Azure language: answers keyed by id' => sub {
		is(last_header('ocp-apim-subscription-key'), 'YOUR-KEY', 'the key');
		is(last_target, '/your-resource.cognitiveservices.azure.com/language/:analyze-text?api-version=2023-04-01', 'the URL');
		is($t->mock_stats->{requests}, 5, 'the right number of requests');
		is($t->sql(<<'END'), '45|t', 'each in its row, NULLs where an item is missing');
SELECT count(*), bool_or(sentiment IS NULL) FROM ticket_sentiments JOIN tickets t USING (id)
WHERE sentiment IS NOT DISTINCT FROM CASE WHEN value_of(t.body) % 10 > 0 THEN ('{positive,neutral,negative}'::text[])[value_of(t.body) % 3 + 1] END
AND (positive IS NULL) = (sentiment IS NULL)
END
	},

	'An object keyed by id' => sub {
		is(last_header('x-api-key'), 'YOUR-KEY', 'the key');
		is($t->mock_stats->{requests}, 2, 'the right number of requests');
		is($t->sql(<<'END'), '25|t', 'each in its row, NULLs where an item is missing');
SELECT count(*), bool_or(label IS NULL) FROM reviews
WHERE label IS NOT DISTINCT FROM CASE WHEN value_of(body) % 10 > 0 THEN 'class ' || value_of(body) % 7 END
AND score IS NOT DISTINCT FROM CASE WHEN value_of(body) % 10 > 0 THEN (value_of(body) % 100 / 100.0)::real END
END
	},
);

foreach my $title ($book->titles)
{
	$book->check($title => $check{$title}) if $check{$title};
}

# Every recipe is checked somewhere, and every check has its recipe
my %checked = map { $_ => 1 } map { slurp_file($_) =~ /^\t'([^']+)' => sub/mg } glob('test/t/04[0-2]_*.pl');
is_deeply([ grep { !$checked{$_} } $book->titles ], [], 'every recipe has a check');
my %recipe = map { $_ => 1 } $book->titles;
is_deeply([ grep { !$recipe{$_} } sort keys %checked ], [], 'every check has a recipe');

# The table of contents leads to every recipe
my @anchors = $book->text =~ /\]\(#([^)]+)\)/g;
my @headings = map { my $a = lc; $a =~ s/[^\w -]//g; $a =~ s/ /-/g; $a } $book->titles;
is_deeply([ sort @anchors ], [ sort @headings ], 'the table of contents');

$t->stop;
done_testing();
