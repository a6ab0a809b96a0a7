# Statements of ours read what they want, however many rows our tables hold, and whatever the planner thinks
# of these: each is seen, as it is run, in a catalog of a million buckets that was never analyzed, and in one
# that was analyzed while it was empty.

use strict;
use warnings;

use EnrichTest;
use Statements;
use Test::More;

my $t = EnrichTest->new(conf => <<'END');
shared_preload_libraries = 'pg_enrich, auto_explain'
autovacuum = off
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_nested_statements = on
auto_explain.log_timing = off
auto_explain.log_buffers = on
auto_explain.log_format = json
END
my $others = 1_000_000;			# the number of a job that has most of the rows

# Rows of jobs, of which none is to be read by another's statements; job 1 has some, too, behind its own.
sub fill
{
	my ($buckets) = @_;

	$t->sql(<<"END");
SET synchronous_commit = off; SET auto_explain.log_min_duration = -1;
ALTER TABLE enrich.catalog_job ALTER job RESTART;
INSERT INTO enrich.catalog_job (job, owner, source, source_name, server, input, output, result_rows, key_columns, write_mode,
	row_selection, bucket_size, separator, concurrency, workers, settings, system_identifier, database, state, rows_total,
	buckets_total, finished_at) OVERRIDING SYSTEM VALUE
	SELECT $others + i, 10, 0, 'x', 'x', '{}', '{}', 'one', '{}', 'update', 'all', 1, ' ', 1, 1, '{}', 0, 0, 'completed',
		$buckets, $buckets, now() + i * interval '1 s' FROM generate_series(0, 20000) i;
INSERT INTO enrich.catalog_job_counters (job, worker) SELECT $others + i, 0 FROM generate_series(0, 20000) i;
INSERT INTO enrich.catalog_partition SELECT $others + i, 1, 1, $buckets FROM generate_series(0, 20000) i;
INSERT INTO enrich.catalog_bucket (job, bucket, attempts, partition, state, retried)
	SELECT $others, i, 1, 1, CASE WHEN i > $buckets / 4 THEN 'p' ELSE 'c' END, false FROM generate_series(1, $buckets / 2) i;
INSERT INTO enrich.catalog_bucket (job, bucket, attempts, partition, state, retried)
	SELECT 1, 1000000 + i, 1, 1, CASE WHEN i > $buckets / 4 THEN 'p' ELSE 'c' END, false FROM generate_series(1, $buckets / 2) i;
INSERT INTO enrich.catalog_bucket_run SELECT job, first + 400 * i + 399, first + 400 * i, 1, array_fill(7, ARRAY[401])
	FROM generate_series(0, $buckets / 800) i, (VALUES ($others, $buckets), (1, 3000000)) jobs (job, first);
INSERT INTO enrich.catalog_failure (job, row_number, bucket, key, error, attempts)
	SELECT $others, i, i, '{}', 'x', 1 FROM generate_series(1, 20000) i;
END
	return;
}

sub start_job
{
	return $t->start_job(source => 'town', server => 'api', path => '/items', input => ['name'], results => '$.items[*]',
		output => '{"value bigint": "$.value"}', target => 'answers', bucket_size => 10, @_);
}

# All that can become of jobs.
sub live
{
	$t->mock_reset;

	# Many one-row buckets; a name; limits; then what was sent, and nothing stored
	my $job = start_job(bucket_size => 1, max_rows => 3000, name => 'ours', concurrency => 0);
	is($job, 1, 'the first job');
	$t->wait_job($job, 'running');
	is(start_job(name => 'ours', if_not_exists => 'true'), $job, 'found by its name');
	$t->mock_script({ hang => 1, match => 'town' });
	$t->sql("SELECT enrich.alter($job, concurrency => 8, max_failed_rows => 1, max_tokens => 1000000)");
	$t->poll("SELECT sum(requests) >= 8 FROM enrich.catalog_job_counters WHERE job = $job");
	# Paused before anything is stored, it leaves in good order
	$t->sql("SELECT enrich.pause($job)");
	$t->poll(q(SELECT wait_event IS NOT NULL FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'));
	# Rows that fail pause it; they are put back to work
	$t->mock_script({ status => 422, match => 'town 17' });
	$t->sql("SELECT enrich.resume($job)");
	$t->mock_release;
	$t->wait_job($job, 'paused');
	$t->poll(q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'));
	$t->mock_reset;
	cmp_ok($t->sql("SELECT enrich.retry($job)"), '>', 1, 'failed rows are retried');
	$t->sql("SELECT enrich.resume($job)");
	is($t->wait_job($job)->{rows_done}, 3000, 'a job of one-row buckets');
	like($t->sql_error("SELECT enrich.pause($job)"), qr/55000/, 'a job at its end');

	# Buckets that take several requests; partitions that are done with before the job is
	$t->mock_script({ hang => 1, match => 'town 120000' });
	$job = start_job(bucket_size => 500, batch_size => 100);
	$t->poll("SELECT count(*) = 1 FROM enrich.catalog_partition WHERE job = $job");
	$t->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'");
	$t->mock_reset;
	$t->mock_release;
	is($t->wait_job($job)->{rows_done}, 120000, 'a job of several partitions');

	# An API that refuses everything
	$t->mock_script({ status => 422 });
	$job = start_job(max_rows => 200);
	$t->wait_job($job, 'paused');
	$t->sql("SELECT enrich.cancel($job)");
	$t->poll("SELECT to_regclass('enrich_staging.job_$job') IS NULL");
	$t->mock_reset;

	# A target that is replaced
	$job = start_job(max_rows => 200, write_mode => 'overwrite');
	$t->wait_job($job);

	# The end of them
	$t->sql("SELECT enrich.drop($job)");
	$t->sql('ALTER SYSTEM SET pg_enrich.job_retention = 1');
	$t->sql('SELECT pg_reload_conf()');
	$t->poll("SELECT count(*) = 0 FROM enrich.catalog_job WHERE job < $others");
	$t->sql('ALTER SYSTEM RESET pg_enrich.job_retention');
	$t->sql('SELECT pg_reload_conf()');
	return;
}

# Nodes that read no more than what they return, and in the order that they find it in.
my $harmless = qr/^(?:Index Scan|Index Only Scan|Tid Scan|Nested Loop|Limit|Result|ModifyTable|LockRows|Function Scan|Subquery Scan|Group|Aggregate)$/;

sub is_harmless
{
	my ($node) = @_;

	return 0 if $node->{'Node Type'} !~ $harmless;
	return 0 if ($node->{Strategy} // '') eq 'Hashed';
	# all of an index, but for that on unfinished jobs only
	return 0 if $node->{'Node Type'} =~ /^Index/ && !defined $node->{'Index Cond'} && $node->{'Index Name'} ne 'catalog_job_unfinished_idx';
	return 1;
}

# How many it has read beyond one for each row that it has found.
sub buffers
{
	my ($plan) = @_;

	return $plan->{'Shared Hit Blocks'} + $plan->{'Shared Read Blocks'} - $plan->{'Actual Rows'};
}

my %known = (Statements::of_sources, Statements::of_server($t));
# What is done for a claim, or by a clerk who finds nothing to do.  What it reads is bounded
my $bounded = qr/: (?:first_kept|look_at_buckets|begun_buckets|select_runs|unfinished_jobs|jobs_to_clean|expired_jobs|next_expiry)$/;

sub check
{
	my ($what, $log) = @_;
	my (%seen, %most);

	foreach my $found (Statements::plans($log))
	{
		my $name = $known{ $found->{sql} } // next;
		my @bad = grep { !is_harmless($_) } Statements::nodes($found->{plan});

		fail("$what: $name: $bad[0]{'Node Type'}") if @bad && !$seen{$name}++;
		diag(JSON::PP->new->pretty->canonical->encode($found->{plan})) if @bad && $seen{$name} == 1;
		$seen{$name} //= 0;
		my $buffers = buffers($found->{plan});
		$most{$name} = $buffers if $buffers > ($most{$name} // -1);
	}
	is_deeply([ sort grep { !defined $seen{$_} } values %known ], [], "$what: every statement was seen");
	is_deeply([ grep { $seen{$_} } sort keys %seen ], [], '... by its index, and in its order');
	is_deeply([ map { "$_ $most{$_}" } grep { /$bounded/ && $most{$_} >= 40 } sort keys %most ], [], '... those for a claim, and of clerks, reading little');
	return;
}

cmp_ok(scalar keys %known, '>', 40, 'statements in the sources');
cmp_ok(scalar(my %built = Statements::built), '>', 3, '... some of them made of a table');
is_deeply([ Statements::strays() ], [], '... and none elsewhere');

foreach my $case ([ 'never analyzed', 1_000_000, '' ], [ 'analyzed when empty', 100_000, 'ANALYZE' ])
{
	my ($what, $buckets, $before) = @$case;

	$t->sql('DROP EXTENSION IF EXISTS pg_enrich CASCADE; DROP TABLE IF EXISTS town, answers; CREATE EXTENSION pg_enrich;
		CREATE TABLE town (id integer PRIMARY KEY, name text);' . q(INSERT INTO town SELECT i, 'town ' || i FROM generate_series(1, 120000) i));
	$t->create_server('api');
	$t->sql($before) if $before ne '';
	fill($buckets);
	my $position = $t->log_position;
	live();
	check($what, $t->log_since($position));
}

$t->stop;
done_testing();
