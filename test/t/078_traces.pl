# What a job leaves behind in the server, and what it holds up there while it runs: as little as can be.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $libraries = `pg_config --pkglibdir`;
chomp $libraries;
my $has_statements = -e "$libraries/pg_stat_statements.so";

my $t = EnrichTest->new(conf => $has_statements ? "shared_preload_libraries = 'pg_enrich, pg_stat_statements'" : '');
$t->create_server('api');
$t->sql('CREATE EXTENSION pg_stat_statements') if $has_statements;
$t->sql(q(CREATE TABLE source (id bigint PRIMARY KEY, name text);
	INSERT INTO source SELECT i, 'row ' || i FROM generate_series(1, 120000) i; VACUUM ANALYZE source));

sub start_job
{
	my (%more) = @_;

	return $t->start_job(source => 'source', server => 'api', path => '/items', input => ['name'], results => '$.items[*]',
		output => '{"value bigint": "$.value"}', target => 'answers', %more);
}

# Waits for a job with three partitions and some hundred buckets to end, and for its worker to be gone.
sub finish_job
{
	my ($job) = @_;

	$t->wait_job($job);
	is($t->sql("SELECT rows_done FROM enrich.progress WHERE job = $job"), 120000, 'a job of 120,000 rows');
	$t->poll("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'");
}

# The compiler would be the largest thing in a worker's memory
$t->sql('ALTER SYSTEM SET jit_above_cost = 0');
$t->sql('SELECT pg_reload_conf()');
# What a worker does only where it takes a second or more: it says what it has sent though nothing was stored, and
# drops finished partitions.  Here it does both, so that the next job is not the first to because the machine was slow
$t->mock_script({ hang => 1 });
my $job = start_job(where_clause => q(pg_catalog.current_setting('jit') = 'off'));
$t->poll("SELECT sum(requests) > 0 FROM enrich.catalog_job_counters WHERE job = $job");
$t->mock_script({ hang => 1, match => 'row 120000' });
$t->mock_release;
$t->poll("SELECT count(*) = 1 FROM enrich.catalog_partition WHERE job = $job");
$t->mock_reset;
$t->mock_release;
finish_job($job);

# Each bucket is written once; source and target are not gone through for it
is($t->sql(q(SELECT n_tup_ins || ' ' || n_tup_upd FROM pg_stat_all_tables WHERE relid = 'enrich.catalog_bucket'::regclass)),
	'240 0', 'a bucket is written when it is done');
is($t->sql(q(SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = 'enrich.catalog_bucket'::regclass)), 0, 'and leaves nothing behind');
is($t->sql(q(SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'answers')), 0, 'the target is not scanned');
is($t->sql(q(SELECT seq_tup_read / 120000 FROM pg_stat_user_tables WHERE relname = 'source')),
	$t->sql(q(SELECT 1)), 'the source is, once');

SKIP:
{
	skip 'pg_stat_statements is not installed', 8 if !$has_statements;
	my $others = q(SELECT translate(query, E'\n\t', '  ') AS text FROM pg_stat_statements s
		JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
		WHERE query !~ 'pg_stat|enrich\.(start|progress|jobs)|public\.answers');

	is($t->sql(q(SELECT count(*) FROM pg_stat_statements WHERE query ~ 'enrich_staging')), 0, 'no statement names a staging table');
	is($t->sql(q(SELECT sum(rows) FROM pg_stat_statements WHERE query ~ '^INSERT INTO public\.answers')), 120000,
		'though those that write are there');
	my %before = map { $_->{text} => 1 } $t->rows($others);
	finish_job(start_job());
	my @added = grep { !$before{$_} } map { $_->{text} } $t->rows($others);
	is(@added, 1, 'another job adds its source query, and nothing else') or diag explain \@added;
	# keys that lie close together or not, and are there or not; and whether they are
	cmp_ok($t->sql(q(SELECT count(*) FROM pg_stat_statements WHERE query ~ 'public\.answers' AND query ~ 'pg_enrich_')), '<=', 5,
		'but for the ways to write');

	# Answers in any order: what was stored before lies between the keys at hand
	$t->mock_script({ latency => '1-20' });
	finish_job(start_job(target => 'others'));
	is($t->sql(q(SELECT sum(calls) FROM pg_stat_statements WHERE query ~ '^INSERT INTO public\.others' AND query ~ 'ON CONFLICT')),
		'', 'keys that a target does not hold are not looked for one by one');
	is($t->sql('SELECT count(*) FROM others'), 120000, '... and all are there');
}

# While the network is waited for, nothing is held up
$t->mock_script({ hang => 1 });
$job = start_job(max_rows => 5000);
$t->poll("SELECT in_flight = 10 FROM enrich.progress WHERE job = $job");
$t->poll(q(SELECT bool_and(xact_start IS NULL AND backend_xmin IS NULL AND backend_xid IS NULL) FROM pg_stat_activity
	WHERE backend_type = 'pg_enrich worker'));
pass('no transaction and no snapshot while requests are in flight');
$t->mock_reset;
$t->mock_release;
$t->wait_job($job);

$t->stop;
done_testing();
