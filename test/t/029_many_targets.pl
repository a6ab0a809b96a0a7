# result_rows => 'many' against what happens meanwhile, and into all kinds of targets:
# deleted rows, triggers, policies, partitions, views, least privileges, locks, kills.

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant PATIENCE => 60;

my $t = EnrichTest->new(conf => "restart_after_crash = on\n");

$t->create_server('api', url => '/answer', results => '$.items[*].l[*]');
$t->create_loopback;
$t->sql(<<'END');
CREATE TABLE doc (id integer PRIMARY KEY, n integer, word text DEFAULT 'x');
CREATE FUNCTION list(id integer, n integer, word text) RETURNS text STABLE LANGUAGE sql AS $$
	SELECT jsonb_build_object('l', coalesce(jsonb_agg(jsonb_build_object('k', id, 'x', id * 10000 + g, 'w', word)), '[]'))::text
	FROM generate_series(0, n - 1) g $$;
END
my %many = (source => 'doc', server => 'api', input => ['(list(id, n, word))'], result_rows => 'many', result_key => '$.k',
	output => '{"x int": "$.x", "w text": "$.w"}');

sub make_docs
{
	my ($rows, $word) = @_;

	$t->sql("TRUNCATE doc; INSERT INTO doc SELECT i, i % 4, '" . ($word // 'x') . "' FROM generate_series(1, $rows) i");
	return;
}

my $job;
sub enrich
{
	my (%parameter) = @_;
	my %role = defined $parameter{-role} ? (role => $parameter{-role}) : ();

	$job = $t->start_job(%many, %parameter);
	my $progress = $t->wait_job($job, 'completed', PATIENCE, %role);
	return "@$progress{qw(rows_done rows_failed rows_skipped)}";
}

sub right
{
	my ($target) = @_;

	return $t->sql("SELECT count(*) FILTER (WHERE item < n AND r.x = id * 10000 + item AND r.w = word), count(*), (SELECT sum(n) FROM doc)
		FROM $target r LEFT JOIN doc USING (id)");
}

#
# A source row that is deleted while its request is in flight keeps what it had
#
make_docs(12);
enrich(target => 'plain');
$t->sql(q{UPDATE doc SET word = 'y', n = 4 - n});
$t->mock_script({ hang => 1 });
$job = $t->start_job(%many, target => 'plain', batch_size => 3);
$t->poll_for('the requests', sub { $t->mock_stats->{hangs} == 4 });
$t->sql('CREATE TABLE gone AS SELECT * FROM doc WHERE id IN (2, 3, 4, 11); DELETE FROM doc WHERE id IN (2, 3, 4, 11)');
$t->mock_script;
$t->mock_release;
my $progress = $t->wait_job($job);
is("@$progress{qw(rows_done rows_failed rows_skipped)}", '8 0 4', 'rows that are deleted meanwhile are skipped');
is($t->sql('SELECT count(*) FROM plain JOIN gone USING (id) WHERE w = $$x$$'), 8, '... and what they had is left alone');
$t->sql('DELETE FROM plain WHERE id IN (SELECT id FROM gone)');
is(right('plain'), $t->sql(q{SELECT concat_ws('|', s, s, s) FROM (SELECT sum(n) s FROM doc) d}), '... others are replaced');

#
# Triggers and policies
#
make_docs(12);
$t->sql(<<'END');
CREATE TABLE guarded (id integer, item integer, x integer, w text, PRIMARY KEY (id, item));
CREATE TABLE log (what text, id integer, item integer);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF NEW.w = 'bad' AND NEW.id = 7 AND NEW.item = 2 THEN RAISE 'not this one'; END IF;
	INSERT INTO log VALUES (TG_OP, coalesce(NEW.id, OLD.id), coalesce(NEW.item, OLD.item)); RETURN coalesce(NEW, OLD); END$$;
CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION note();
END
is(enrich(target => 'guarded'), '12 0 0', 'a trigger');
is($t->sql('SELECT what, count(*) FROM log GROUP BY 1'), 'INSERT|18', '... sees each item');
$t->sql(q{TRUNCATE log; UPDATE doc SET n = (n + 1) % 4, word = 'y'});
is(enrich(target => 'guarded'), '12 0 0', '... again');
is($t->sql('SELECT what, count(*) FROM log WHERE what <> $$INSERT$$ OR NOT EXISTS (SELECT FROM log l WHERE l.what = $$UPDATE$$ AND (l.id, l.item) = (log.id, log.item))
	GROUP BY 1 ORDER BY 1'), "DELETE|9\nINSERT|9\nUPDATE|9", '... each that goes, comes or stays, once');
is(right('guarded'), '18|18|18', '... and all are right');
$t->sql(q{UPDATE doc SET n = 3, word = 'bad' WHERE id IN (6, 7, 8)});
is(enrich(target => 'guarded'), '11 1 0', 'a trigger that refuses an item');
like($t->sql("SELECT error FROM enrich.failures WHERE job = $job"), qr/\Anot this one/, '... fails its row');
is($t->sql(q{SELECT count(*) FROM guarded WHERE id = 7 AND w = 'y'}), $t->sql('SELECT (7 % 4 + 1) % 4'), '... which keeps what it had');
is($t->sql(q{SELECT count(*) FROM guarded WHERE w = 'bad'}), 6, '... others are replaced');

#
# Roles with no more rights than it takes, and policies
#
$t->sql(<<'END');
CREATE ROLE anna LOGIN;
GRANT USAGE ON FOREIGN SERVER api TO anna;
GRANT SELECT (id, n, word) ON doc TO anna;
CREATE TABLE lent (id integer, item integer, x integer, w text, secret text DEFAULT 'hush', PRIMARY KEY (id, item));
END
make_docs(12);
my %as_anna = (%many, -role => 'anna', target => 'lent', output => '{"x": "$.x", "w": "$.w"}');
my @grants = ([ upsert => 'INSERT (id, item, x, w)', 'UPDATE (x, w)', 'SELECT (id, item, x, w)', 'DELETE' ], [ insert => 'INSERT (id, item, x, w)' ],
	[ overwrite => 'INSERT (id, item, x, w)', 'DELETE' ]);
foreach my $case (@grants)
{
	my ($mode, @needed) = @$case;

	foreach my $left_out (0 .. $#needed)
	{
		my @given = @needed;
		my ($what) = split / /, splice(@given, $left_out, 1);
		my %job = %as_anna;

		delete $job{-role};
		$t->sql('REVOKE ALL ON lent FROM anna;' . join ';', map { "GRANT $_ ON lent TO anna" } @given);
		like($t->sql_error($t->start_sql(%job, write_mode => $mode), role => 'anna'),
			qr/42501.*permission denied for table lent.*DETAIL:  .* needs $what\b.*HINT:  Grant it to "anna"/s, "$mode without $what is refused");
	}
	$t->sql("REVOKE ALL ON lent FROM anna; TRUNCATE lent;" . join ';', map { "GRANT $_ ON lent TO anna" } @needed);
	is(enrich(%as_anna, write_mode => $mode), '12 0 0', "$mode with no more than " . join(', ', @needed));
	is(right('lent'), '18|18|18', '... is done');
}
$t->sql(<<'END');
GRANT ALL ON lent TO anna;
ALTER TABLE lent ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON lent TO anna USING (id <> 7) WITH CHECK (id <> 7);
UPDATE doc SET word = 'y', n = (n + 1) % 4;
END
is(enrich(%as_anna, write_mode => 'upsert'), '12 0 0', 'a policy that hides a row whose items all go');
is($t->sql(q{SELECT string_agg(DISTINCT w, '') FROM lent WHERE id = 7}), 'x', '... leaves them');
$t->sql('UPDATE doc SET n = 2 WHERE id = 7');
is(enrich(%as_anna, write_mode => 'upsert'), '11 1 0', 'a policy that refuses a row');
like($t->sql("SELECT error FROM enrich.failures WHERE job = $job"), qr/row-level security policy/, '... says so');
is($t->sql(q{SELECT string_agg(DISTINCT w, '') FROM lent WHERE id = 7}), 'x', '... and it keeps what it had');

#
# Partitions, views, foreign tables
#
make_docs(12);
$t->sql(<<'END');
CREATE TABLE parted (id integer, item integer, x integer, w text, PRIMARY KEY (item, id)) PARTITION BY RANGE (item);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1) TO (100);
CREATE TABLE far (id integer, item integer, x integer, w text);
CREATE VIEW near AS SELECT id, item, x, w FROM far;
CREATE FOREIGN TABLE foreign_far (id integer, item integer, x integer, w text) SERVER loopback OPTIONS (table_name 'far');
CREATE VIEW docs AS SELECT id, n, word FROM doc WHERE id < 100;
END
is(enrich(target => 'parted'), '12 0 0', 'a partitioned target, its key in another order');
is(right('parted'), '18|18|18', '... gets the items');
$t->sql(q{UPDATE doc SET word = 'y', n = (n + 1) % 4});
enrich(target => 'parted');
is(right('parted'), '18|18|18', '... and replaces them');
foreach my $target (qw(near foreign_far))
{
	is(enrich(source => 'docs', key => ['id'], target => $target, write_mode => 'insert'), '12 0 0', "$target as target, a view as source");
	is(right('far'), '18|18|18', '... gets the items');
	$t->sql('TRUNCATE far');
}

#
# A target row that somebody has locked
#
my $session = $t->node->background_psql('postgres');
$session->query_safe('BEGIN; SELECT FROM parted WHERE id = 5 AND item = 0 FOR UPDATE');
$t->sql(q{UPDATE doc SET word = 'z', n = (n + 1) % 4});
$job = $t->start_job(%many, target => 'parted', bucket_size => 4);
$t->poll("SELECT waiting_for FROM enrich.progress WHERE job = $job", 'lock', PATIENCE);
$session->query_safe('COMMIT');
$session->quit;
$progress = $t->wait_job($job, 'completed', PATIENCE);
is("@$progress{qw(rows_done rows_failed requests)}", '12 0 3', 'a lock on a target row is waited for, and nothing asked twice');
is(right('parted'), '18|18|18', '... and all is replaced');

#
# An answer of 5,000 items, for one row and for many
#
$t->sql(q{TRUNCATE doc; INSERT INTO doc VALUES (1, 5000), (2, 4999), (3, 1)});
is(enrich(target => 'large'), '3 0 0', 'an answer of 10,000 items');
is(right('large'), '10000|10000|10000', '... each is a row');
$t->sql(q{UPDATE doc SET n = 5001 - n, word = 'y'});
enrich(target => 'large');
is(right('large'), '5003|5003|5003', '... and a shorter one replaces them');

#
# Two workers, one of which is killed now and then: each item is written once
#
make_docs(3000);
$t->sql(<<'END');
CREATE TABLE counted (id integer, item integer, x integer, w text, PRIMARY KEY (id, item));
END
$t->count_writes('counted');
$t->mock_reset;
# document 2999 hangs, so the job does not end before that
$t->mock_script({ latency => '20-40', shuffle => 1, hang => 1, match => '29990000' });
$job = $t->start_job(%many, target => 'counted', workers => 2, batch_size => 7, bucket_size => 50, concurrency => 8);
foreach my $rows (200, 800, 1400)
{
	my ($pid) = $t->poll_for('the job to be midway', sub {
		my $now = $t->progress($job);
		return $now->{rows_done} >= $rows && $now->{pids}[0];
	}, PATIENCE);
	$t->crash($pid);
}
cmp_ok($t->progress($job)->{rows_done}, '<', 3000, 'workers are killed midway');
$t->mock_script;
$t->mock_release;
$progress = $t->wait_job($job, 'completed', PATIENCE);
is("@$progress{qw(rows_done rows_failed rows_skipped)}", '3000 0 0', '... and others go on');
is(right('counted'), '4500|4500|4500', '... lose nothing');
is($t->sql('SELECT count(*) FROM written'), 4500, '... and write nothing twice');

$t->stop;
done_testing();
