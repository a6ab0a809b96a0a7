# Workers of one job share what it may have in flight; and results whose keys a target
# did not hold a moment ago still take the place of rows that came in between.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant { PATIENCE => 120, ROWS => 240 };

my $t = EnrichTest->new;
my $right = "('x' || substr(md5(name), 1, 8))::bit(32)::bigint % 1000000";

$t->create_server('api', results => '$.items[*]', result_index => '$.index');
$t->sql(<<'END');
CREATE TABLE thing (id integer PRIMARY KEY, name text);
INSERT INTO thing SELECT i, 'thing ' || i FROM generate_series(1, 300) i;
END

sub begin
{
	my (%parameter) = @_;

	return $t->start_job(source => 'thing', server => 'api', path => '/items', input => ['name'],
		output => '{"value bigint": "$.value"}', %parameter);
}

# Requests of each worker of a job, the fewest first.
sub requests_by_worker
{
	my ($job) = @_;

	return map { $_->{requests} } $t->rows("SELECT requests FROM enrich.catalog_job_counters WHERE job = $job ORDER BY requests");
}

#
# One that has all permits gives way to one that has none.  What takes long here is to
# receive and to read the answers: whoever has done that asks again at once.
#
foreach my $case ([ 2, 2 ], [ 2, 4 ], [ 3, 3 ])
{
	my ($workers, $concurrency) = @$case;
	my $what = "$workers workers, $concurrency in flight";

	$t->sql('DROP TABLE IF EXISTS shared');
	$t->mock_reset;
	$t->mock_script({ hang => 1 });
	my $job = begin(target => 'shared', path => '/big?bytes=3000000', output => '{"position bigint": "$.index"}',
		where_clause => "id <= @{[ROWS]}", bucket_size => 1, workers => $workers, concurrency => $concurrency);
	# nothing is answered before all are at work
	$t->poll("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'job $job on %in flight%'", $workers, PATIENCE);
	$t->poll_for('requests', sub { $t->mock_stats->{hangs} == $concurrency }, PATIENCE);
	$t->mock_script;
	$t->mock_release;
	is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, ROWS, "$what: all rows");
	my @requests = requests_by_worker($job);
	is(scalar @requests, $workers, '... by all workers');
	cmp_ok($requests[0], '>=', ROWS / $workers / 2, '... none of which has less than half of its share') or diag "@requests";
	is($t->sql('SELECT count(*) FROM shared WHERE position = 0'), ROWS, '... and every row has its result');
}

#
# A key that comes while results go in
#
$t->sql(<<'END');
CREATE TABLE busy (id integer PRIMARY KEY, value bigint, other integer UNIQUE);
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(2);
	RETURN NEW;
END $$;
CREATE TRIGGER dawdle BEFORE INSERT ON busy FOR EACH ROW WHEN (NEW.id = 5 AND NEW.value IS NOT NULL) EXECUTE FUNCTION dawdle();
END
my $job = begin(target => 'busy', where_clause => 'id <= 100', bucket_size => 100);
$t->poll_for('a store at work',
	sub { $t->sql(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker' AND wait_event = 'PgSleep')) }, PATIENCE);
$t->sql('INSERT INTO busy VALUES (50, -1, 7), (51, -1, 8)');
my $progress = $t->wait_job($job, 'completed', PATIENCE);
is("@$progress{qw(rows_done rows_failed)}", '100 0', 'keys that another session inserts meanwhile fail no row');
is($t->sql("SELECT count(*) FROM busy JOIN thing USING (id) WHERE value = $right"), 100, '... their rows take the results');
is($t->sql('SELECT string_agg(other::text, $$ $$ ORDER BY id) FROM busy WHERE other IS NOT NULL'), '7 8', '... and keep what is there besides');

# Where another unique column stands in the way, that row fails alone
$t->sql('DROP TABLE busy; CREATE TABLE busy (id integer PRIMARY KEY, value bigint UNIQUE)');
$t->sql("INSERT INTO busy SELECT 1000, $right FROM thing WHERE id = 30");
$job = begin(target => 'busy', where_clause => 'id <= 100', bucket_size => 100);
$progress = $t->wait_job($job, 'completed', PATIENCE);
is("@$progress{qw(rows_done rows_failed)}", '99 1', 'a value that has to be unique and is not fails its own row');
is($t->sql("SELECT key->>'id' FROM enrich.failures WHERE job = $job"), '30', '... and no other');

$t->stop;
done_testing();
