# A worker reports its table statistics while it lives: in the middle of a job everybody sees
# what it has changed, and autovacuum starts.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 60;
use constant ROWS => 20000;

my $t = EnrichTest->new(conf => "autovacuum_naptime = 1s\nautovacuum_vacuum_threshold = 100\n"
	. "autovacuum_vacuum_scale_factor = 0.01\nautovacuum_vacuum_insert_threshold = 100\nautovacuum_analyze_scale_factor = 0.01\n");

# The last request hangs: until it is let go the job is in its middle.
$t->mock_script({ hang => 1, match => '"row ' . ROWS . '"' });
$t->create_server('api', url => $t->url('/items'));
$t->sql(<<"END");
CREATE TABLE source (id integer PRIMARY KEY, txt text, upper text);
INSERT INTO source (id, txt) SELECT i, 'row ' || i FROM generate_series(1, @{[ROWS]}) i;
ANALYZE source;
SELECT pg_stat_reset_single_table_counters('source'::regclass);
END
my $job = $t->start_job(source => 'source', server => 'api', input => ['txt'], results => '$.items[*]',
	output => { 'upper' => '$.upper' }, batch_size => 10, bucket_size => 20);
$t->poll("SELECT rows_done FROM enrich.progress WHERE job = $job", ROWS - 10, PATIENCE);

$t->poll("SELECT n_tup_upd, n_dead_tup > 0 OR autovacuum_count > 0 FROM pg_stat_user_tables WHERE relname = 'source'",
	ROWS - 10 . '|t', PATIENCE);
pass('the updates of the source are seen');
# A bucket of two requests has its row when one of them is stored, and is finished by the other.
$t->poll("SELECT n_tup_ins FROM pg_stat_all_tables WHERE relid = 'enrich.catalog_bucket'::regclass", ROWS / 20, PATIENCE);
pass('so are the buckets that were begun, and finished');
foreach my $table ('source', 'enrich.catalog_bucket')
{
	$t->poll("SELECT autovacuum_count > 0 AND autoanalyze_count > 0 FROM pg_stat_all_tables WHERE relid = '$table'::regclass", 't', PATIENCE);
	pass("autovacuum and autoanalyze have visited $table");
}
is($t->progress($job)->{state}, 'running', 'the job is still running');
is($t->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'"), 1, '... by its worker');
$t->mock_script;
$t->mock_release;
$t->wait_job($job, 'completed', PATIENCE);

$t->stop;
done_testing();
