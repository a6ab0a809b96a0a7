# A column gets another type while answers for it are on their way: they were read for
# the type it had, and are stored in the one it has.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant PATIENCE => 120;

my $t = EnrichTest->new;

$t->create_server('api', url => '/v1/embeddings', request => '{"model": "m", "dimensions": 16, "input": "{{inputs}}"}',
	results => '$.data[*]', result_index => '$.index');
$t->sql("CREATE TABLE doc (id integer PRIMARY KEY, body text); INSERT INTO doc SELECT i, 'document ' || i FROM generate_series(1, 60) i");

sub begin
{
	return $t->start_job(source => 'doc', server => 'api', input => ['body'], bucket_size => 20, @_);
}

# What it is to be
my $job = begin(target => 'right_ones', output => '{"e real[]": "$.embedding"}');
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 60, 'embeddings as real[]');

foreach my $case (
	[ 'jsonb', 'to_jsonb(e)', '(SELECT array_agg(n::text::real ORDER BY i) FROM jsonb_array_elements(o.e) WITH ORDINALITY x(n, i))' ],
	[ 'text', 'e::text', q{translate(o.e, '[]', '{}')::real[]} ],
	[ 'double precision[]', 'e::double precision[]', 'o.e::real[]' ])
{
	my ($type, $using, $as_reals) = @$case;

	$t->sql('DROP TABLE IF EXISTS other; CREATE TABLE other (id integer PRIMARY KEY, e real[])');
	$t->mock_reset;
	$t->mock_script({ hang => 1 });
	$job = begin(target => 'other', output => '{"e": "$.embedding"}');
	$t->poll_for('requests in flight', sub { $t->progress($job)->{in_flight} == 3 }, PATIENCE);
	$t->sql("ALTER TABLE other ALTER COLUMN e TYPE $type USING $using");
	$t->mock_script;
	$t->mock_release;
	# Some types take real[] by themselves; for the others the job pauses, and what it holds is stored once it is resumed
	$t->poll_for('the job to pause or end', sub { $t->progress($job)->{state} =~ /paused|completed/ }, PATIENCE);
	$t->sql("SELECT enrich.resume($job)") if $t->progress($job)->{state} eq 'paused';
	my $progress = $t->wait_job($job, 'completed', PATIENCE);
	is("@$progress{qw(rows_done rows_failed requests)}", '60 0 3', "$type: every row is stored, and nothing asked for again");
	is($t->sql("SELECT count(*) FROM other o JOIN right_ones r USING (id) WHERE $as_reals = r.e"), 60, '... with its numbers');
}

# One answer comes when the job has been resumed: it is read for the type that is there now.  No digit is lost.
$t->mock_reset;
$job = begin(target => 'right_texts', output => '{"e jsonb": "$.embedding"}');
$t->wait_job($job, 'completed', PATIENCE);
$t->sql('DROP TABLE other; CREATE TABLE other (id integer PRIMARY KEY, e real[])');
$t->mock_script({ latency => 5000, hang => 1, match => '"document 50"' });
$job = begin(target => 'other', output => '{"e": "$.embedding"}');
$t->poll_for('requests in flight', sub { $t->progress($job)->{in_flight} == 3 }, PATIENCE);
$t->sql('ALTER TABLE other ALTER COLUMN e TYPE jsonb USING to_jsonb(e)');
$t->poll_for('the job to pause', sub { $t->progress($job)->{state} eq 'paused' }, PATIENCE);
$t->sql("SELECT enrich.resume($job)");
$t->poll('SELECT count(*) FROM other', 40);
$t->mock_release;
$t->wait_job($job, 'completed', PATIENCE);
is($t->sql('SELECT count(*) FROM other o JOIN right_texts r USING (id) WHERE o.e = r.e AND id > 40'), 20,
	'answers that come after the resume are read for the new type');

$t->stop;
done_testing();
