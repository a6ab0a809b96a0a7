# enrich.retry while answers are being stored; what was accepted does not count for
# rows that fail once more; keys that are one key only for the target.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant PATIENCE => 30;

my $t = EnrichTest->new(conf => "max_connections = 20\n");
my $node = $t->node;

$t->create_server('api', url => '/items', results => '$.items[*]');
$t->sql(<<'END');
CREATE COLLATION either_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE source (id integer PRIMARY KEY, txt text);
INSERT INTO source SELECT i, CASE WHEN i IN (2, 11) THEN 'late ' ELSE 'row ' END || i FROM generate_series(1, 20) i;
CREATE TABLE target (id integer PRIMARY KEY, upper text);
CREATE TABLE bad (id integer);
INSERT INTO bad VALUES (1), (2), (11);

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN
		IF EXISTS (SELECT FROM bad WHERE id = NEW.id) THEN RAISE EXCEPTION 'bad row'; END IF;
		RETURN NEW;
	END$$;
CREATE TRIGGER refuse BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION refuse();
END

sub begin
{
	return $t->start_job(
		source => 'source', server => 'api', input => ['txt'], output => { 'upper text' => '$.upper' },
		target => 'target', bucket_size => 10, batch_size => 1, concurrency => 20, @_);
}

# of the triggers the first by name, so bad rows wait, too
$t->halt_at('target', 2);

# Waits until such a call of somebody's waits for a lock.
sub call_waits
{
	my ($call) = @_;

	$t->poll("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE a.query ~ '^SELECT $call' AND NOT l.granted", '1', PATIENCE);
	return;
}

# Rows done, failed, and listed as failed.
sub counts
{
	my ($job) = @_;

	return $t->sql("SELECT rows_done, rows_failed, (SELECT count(*) FROM enrich.failures f WHERE f.job = p.job)
		FROM enrich.progress p WHERE job = $job");
}

#
# Rows fail in a store while a retry waits for it
#
my $holder = $node->background_psql('postgres');
my $session = $node->background_psql('postgres');
$t->mock_script({ hang => 1, match => 'late' });
my $job = begin();
$t->poll_for('one row to fail', sub { counts($job) eq '17|1|1' }, PATIENCE);
$holder->query_safe('SELECT pg_advisory_lock(1)');
$t->sql("SELECT enrich.pause($job)");
$t->mock_script;
$t->mock_release;
$t->halted(PATIENCE);
$session->query_until(qr/begun/, "\\echo begun\nSELECT enrich.retry($job);\n");
call_waits('enrich.retry');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
$session->query_safe('SELECT 1');
my ($done, $failed, $listed) = split /\|/, counts($job);
is("$done $failed", "17 $listed", 'a retry during a store: what fails meanwhile is listed');
$t->sql("TRUNCATE bad; SELECT enrich.resume($job)");
$t->wait_job($job, 'completed', PATIENCE);
is(counts($job), (20 - $listed) . "|$listed|$listed", '... or was tried once more');
$t->sql("SELECT enrich.retry($job)");
$t->wait_job($job, 'completed', PATIENCE) if $listed > 0;
is(counts($job), '20|0|0', '... so that in the end none is missing');
is($t->sql('SELECT count(*) FROM target'), '20', '... in the target either');

#
# Rows that fail are put back while somebody resumes the job
#
$t->sql('TRUNCATE target; INSERT INTO bad VALUES (1), (11)');
$t->mock_reset;
$t->mock_script({ hang => 1, match => 'row 20' });
$job = begin();
$t->poll_for('two rows to fail', sub { counts($job) eq '17|2|2' }, PATIENCE);
$t->sql("SELECT enrich.pause($job)");
$t->mock_script;
$t->mock_release;
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
is(counts($job), '18|2|2', 'paused, with failed rows');
$session->query_safe("BEGIN; SELECT enrich.retry($job)");
$holder->query_until(qr/begun/, "\\echo begun\nSELECT enrich.resume($job);\n");
call_waits('enrich.resume');
$t->sql('TRUNCATE bad');
$session->query_safe('COMMIT');
$holder->query_safe('SELECT 1');
$t->wait_job($job, 'completed', PATIENCE);
is(counts($job), '20|0|0', '... and resumed while they are put back: none is forgotten');

#
# What resume has accepted is not accepted of rows that fail once more
#
$t->sql('TRUNCATE target; INSERT INTO bad SELECT id FROM source');
$t->mock_reset;
$t->mock_script({ hang => 1 });
$job = begin(max_failed_rows => 10);
$t->poll_for('all requests', sub { $t->mock_stats->{hangs} == 20 }, PATIENCE);
$t->mock_script;
$t->mock_release;
is($t->wait_job($job, 'paused', PATIENCE)->{reason}, 'failures', 'more rows than max_failed_rows fail');
$t->poll("SELECT pids FROM enrich.progress WHERE job = $job", '{}', PATIENCE);
is(counts($job), '0|20|20', '... with those that were in flight');
$t->sql("SELECT enrich.resume($job)");
$t->wait_job($job, 'completed', PATIENCE);
is($t->sql("SELECT enrich.retry($job)"), 20, '... are accepted, and retried');
is($t->wait_job($job, 'paused', PATIENCE)->{reason}, 'failures', '... and count again as they fail again');
$t->sql("SELECT enrich.cancel($job); TRUNCATE bad");

#
# Keys that are the same for the target alone
#
$t->mock_reset;
$t->sql(<<'END');
CREATE TABLE named (k text COLLATE "C" PRIMARY KEY, txt text);
INSERT INTO named SELECT c || i, c || i FROM generate_series(1, 50) i, unnest(ARRAY['key', 'KEY']) c;
CREATE TABLE either (k text COLLATE either_case PRIMARY KEY, upper text);
END
my %named = (source => 'named', key => ['k'], target => 'either', batch_size => undef, bucket_size => 200);
$job = begin(%named);
$t->wait_job($job, 'completed', PATIENCE);
is(counts($job), '100|0|0', 'keys that differ in case: both answers are written');
is($t->sql('SELECT count(*), count(*) FILTER (WHERE upper COLLATE "C" = upper(k) COLLATE "C") FROM either'), '50|50', '... into one row');

# and rows without a result are those of which the target has no such key
$t->sql('DELETE FROM either WHERE k IN ($$key7$$, $$key8$$)');
$job = begin(%named, rows => 'missing');
is($t->wait_job($job, 'completed', PATIENCE)->{rows_total}, 4, "rows => 'missing': by the target's collation");
$t->sql('DROP TABLE either; CREATE TABLE either (k text COLLATE either_case PRIMARY KEY, upper text)');
my %changed = (%named, rows => 'changed', where_clause => "k ~ '^key'",
	output => { 'upper text' => '$.upper', 'sent text' => '{{fingerprint}}' });
$job = begin(%changed);
is($t->wait_job($job, 'completed', PATIENCE)->{rows_total}, 50, "rows => 'changed': all at first");
$t->sql(q{UPDATE named SET txt = 'other' WHERE k = 'key7'});
$job = begin(%changed);
is($t->wait_job($job, 'completed', PATIENCE)->{rows_total}, 1, '... then those that have');

# and so are those that an upsert of many items, or an overwrite in place, takes away
$t->sql(<<'END');
CREATE TABLE items (k text COLLATE either_case, item integer, upper text, PRIMARY KEY (k, item));
INSERT INTO items SELECT 'KEY' || i, 5, 'old' FROM generate_series(1, 10) i;
CREATE TABLE referring (k text COLLATE either_case REFERENCES either);
INSERT INTO referring VALUES ('KEY1');
END
my %lower = (%named, where_clause => "k ~ '^key'");
$job = begin(%lower, target => 'items', result_rows => 'many', batch_size => 1);
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 50, 'many items: stored by the target\'s collation');
is($t->sql('SELECT count(*), count(DISTINCT k) FROM items'), '50|50', '... in place of what was there');
$job = begin(%lower, write_mode => 'overwrite');
is($t->wait_job($job, 'completed', PATIENCE)->{rows_done}, 50, 'overwrite in place: too');
is($t->sql('SELECT count(*) FROM referring JOIN either USING (k)'), '1', '... and what refers to a key still does');

$_->quit for $holder, $session;
$t->stop;
done_testing();
