# What a job reads and leaves behind in the database grows with its rows, and no
# faster: buckets are found by their numbers, target rows by their keys, or all that
# lie close together at once.

use strict;
use warnings;

use EnrichTest;
use Test::More;

# autovacuum would take away what is counted
my $t = EnrichTest->new(conf => 'autovacuum = off');
my $value = "('x' || substr(md5(name), 1, 8))::bit(32)::bigint % 1000000";
my $job;

$t->create_server('api', url => '/items', results => '$.items[*]', result_index => '$.index');

# A table of 400 rows whose keys an expression over i, from 1, gives.
sub make_table
{
	my ($type, $key) = @_;

	$t->sql("DROP TABLE IF EXISTS town, done; CREATE TABLE town (id $type PRIMARY KEY, name text, value bigint);
		INSERT INTO town SELECT $key, 'town ' || i FROM generate_series(1, 400) i");
	return;
}

sub start
{
	return $job = $t->start_job(source => 'town', server => 'api', input => ['name'], bucket_size => 100,
		output => '{"value bigint": "$.value"}', @_);
}

# Waits for the job; returns its counts of rows done, failed and skipped.
sub finish
{
	my $progress = $t->wait_job($job);

	return join ' ', @$progress{qw(rows_done rows_failed rows_skipped)};
}

# A number of the statistics, once those of the job's worker, which is gone, are in.
sub statistics
{
	my ($relation, $columns) = @_;

	$t->poll("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_enrich worker%'", 0);
	return $t->sql("SELECT $columns FROM pg_stat_all_tables LEFT JOIN
		(SELECT relid AS r, sum(idx_scan) AS scans FROM pg_stat_all_indexes GROUP BY 1) i ON r = relid
		WHERE relid = '$relation'::regclass");
}

# How often the index on the source's key is gone into by what $run does.
sub look_ups
{
	my ($run) = @_;
	my $before = statistics('town', 'scans');

	$run->();
	return statistics('town', 'scans') - $before;
}

sub right
{
	my ($table) = @_;

	return $t->sql("SELECT count(*) FROM $table r JOIN town USING (id) WHERE r.value = " . $value =~ s/name/town.name/r);
}

#
# Keys that lie close together, and keys that do not
#
foreach my $case (
	[ 'smallint', 'i - 32769', 1 ],
	[ 'integer', 'i - 200', 1 ],
	[ 'bigint', '9223372036854775807 - 2 * i + 2', 1 ],
	[ 'integer', 'i * 10', 0 ],
	[ 'bigint', 'i * (i % 2 * 2 - 1) * 9223372036854775', 0 ],
	[ 'numeric', 'i', 0 ],
	[ 'text', 'i', 0 ])
{
	my ($type, $key, $dense) = @$case;
	my $what = "$type, $key";

	make_table($type, $key);
	my $scans = look_ups(sub { start(); is(finish(), '400 0 0', "$what: update"); });
	is(right('town'), 400, '... each row its own value');
	ok($dense ? $scans < 100 : $scans >= 400, '... by ' . ($dense ? 'ranges' : 'each key')) or diag $scans;
	$scans = look_ups(sub { start(target => 'done'); is(finish(), '400 0 0', "$what: a target"); });
	is(right('done'), 400, '... each row its own value');
	ok($dense ? $scans < 100 : $scans >= 400, '... by ' . ($dense ? 'ranges' : 'each key')) or diag $scans;
}

make_table('integer', 'i');
is(start(where_clause => 'id % 2 = 0') && finish(), '200 0 0', 'every second row');
is($t->sql('SELECT count(value) FROM town WHERE id % 2 = 1'), 0, '... and those between stay as they are');

# Rows that go while their answers are on their way.
foreach my $target (undef, 'done')
{
	make_table('integer', 'i');
	$t->mock_reset;
	$t->mock_script({ hang => 1, match => 'town 1"' });
	start(target => $target, bucket_size => 400);
	$t->poll_for('the request that hangs', sub { $t->mock_stats->{hangs} == 1 });
	$t->sql('DELETE FROM town WHERE id % 4 = 0');
	$t->mock_script;
	$t->mock_release;
	is(finish(), '300 0 100', 'rows deleted meanwhile are skipped');
	is(right($target // 'town'), 300, '... and the others stored');
}

#
# Many buckets: each is read and written a few times, not once for every other one
#
my $buckets = 3000;
$t->sql("DROP TABLE town; CREATE TABLE town (id integer PRIMARY KEY, name text);
	INSERT INTO town SELECT i, 'town ' || i FROM generate_series(1, $buckets) i");
my ($read, $written) = split /\|/, statistics('enrich.catalog_bucket', 'coalesce(idx_tup_fetch, 0) + seq_tup_read, n_tup_ins + n_tup_upd');
start(bucket_size => 1, concurrency => 20, target => 'many');
is(finish(), "$buckets 0 0", 'a bucket a row');
my ($read_then, $written_then, $dead) = split /\|/,
	statistics('enrich.catalog_bucket', 'coalesce(idx_tup_fetch, 0) + seq_tup_read, n_tup_ins + n_tup_upd, n_dead_tup');
is($written_then - $written, $buckets, '... a bucket is written once');
cmp_ok($read_then - $read, '<', 10 * $buckets, '... and read a few times');

#
# What is left behind: dead rows that their own page takes back without vacuum
#
$t->sql("CREATE TABLE long (id integer PRIMARY KEY, name text);
	INSERT INTO long SELECT i, 'town ' || i FROM generate_series(1, 50000) i");
my ($moved, $updated) = split /\|/, statistics('enrich.catalog_bucket', 'n_tup_upd - n_tup_hot_upd, n_tup_upd');
start(source => 'long', bucket_size => 500, batch_size => 20, target => 'long_done', concurrency => 0);
$t->poll("SELECT bucketized_at IS NOT NULL FROM enrich.jobs WHERE job = $job");
# of the pages that hold some: from 16 on a table grows by several at a time
is($t->sql("CREATE EXTENSION pg_visibility;
		SELECT count(*) > 0 AND bool_and(page.all_frozen)
		FROM (SELECT DISTINCT (ctid::text::point)[0]::bigint AS number FROM enrich_staging.job_$job\_1) held,
			pg_visibility_map('enrich_staging.job_$job\_1', held.number) page"),
	't', 'staging rows: reading them writes nothing');
$t->sql("SELECT enrich.alter($job, concurrency => 10)");
is(finish(), '50000 0 0', 'buckets of 500 rows');
# but for some that a snapshot, of whoever looks on, keeps from being pruned in time
my ($moved_then, $updated_then) = split /\|/, statistics('enrich.catalog_bucket', 'n_tup_upd - n_tup_hot_upd, n_tup_upd');
cmp_ok($updated_then - $updated, '>', 0, '... of several requests each');
cmp_ok($moved_then - $moved, '<', 0.15 * ($updated_then - $updated), '... of which few leave their page');
cmp_ok(statistics('enrich.catalog_job_counters', '10 * (n_tup_upd - n_tup_hot_upd) - n_tup_upd'), '<', 0, '... nor do counters often');
cmp_ok($t->sql("SELECT pg_table_size('enrich.catalog_job_counters')"), '<', 100_000, '... nor do they pile up');

$t->stop;
done_testing();
