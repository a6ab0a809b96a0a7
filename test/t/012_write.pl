# Results into the source or a target, by every write mode: what stands in the way
# of one row fails that row alone, and what is there besides stays.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;
my $right = "('x' || substr(md5(name), 1, 8))::bit(32)::bigint % 1000000";

$t->create_server('api', url => '/items', results => '$.items[*]', result_index => '$.index');
$t->sql(<<'END');
CREATE TABLE town (id integer PRIMARY KEY, name text);
INSERT INTO town SELECT i, 'town ' || i FROM generate_series(1, 40) i;
CREATE ROLE bob LOGIN;
GRANT USAGE ON FOREIGN SERVER api TO bob;
END

sub enrich
{
	my (%parameter) = @_;

	return $t->start_job(source => 'town', server => 'api', input => ['name'], bucket_size => 15,
		output => '{"value bigint": "$.value"}', %parameter);
}

sub counts
{
	my ($progress) = @_;

	return join ' ', @$progress{qw(rows_total rows_done rows_failed rows_skipped)};
}

# Runs a job to its end; returns its counts of rows: all, done, failed, skipped.
my $job;
sub enriched
{
	$job = enrich(@_);
	return counts($t->wait_job($job));
}

sub refused
{
	my (%parameter) = @_;

	return $t->sql_error($t->start_sql(source => 'town', server => 'api', input => ['name'],
			output => '{"value bigint": "$.value"}', %parameter));
}

# What failed, as "key: reason".
sub failures
{
	return $t->sql("SELECT string_agg(key->>'id' || ': ' || error, E'\\n' ORDER BY (key->>'id')::int)
		FROM enrich.failures WHERE job = $job");
}

# How many rows of a table hold the value that belongs to the town of their key.
sub right
{
	my ($table) = @_;

	return $t->sql("SELECT count(*) FROM $table r JOIN town USING (id) WHERE r.value = "
		. $right =~ s/name/town.name/r);
}

sub start_hanging
{
	my ($what, %parameter) = @_;

	$t->mock_reset;
	$t->mock_script({ hang => 1, match => $what });
	$job = enrich(%parameter);
	$t->poll_for('the request that hangs', sub { $t->mock_stats->{hangs} == 1 });
	return;
}

sub release
{
	$t->mock_script;
	$t->mock_release;
	return counts($t->wait_job($job));
}

#
# Updating the source
#
is(enriched(output => '{"value bigint": "$.value", "label varchar(20)": "$.upper"}'), '40 40 0 0', 'update: new columns');
is(right('town'), 40, '... hold the answers');
is($t->sql(q{SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = 'town'::regclass AND attnum > 2}), 'bigint, character varying(20)', '... of the types asked for');
$t->sql('UPDATE town SET value = -1');
is(enriched(output => { value => '$.value' }), '40 40 0 0', 'update: an existing column');
is(right('town'), 40, '... is written over');
like(refused(output => '{"value text": "$.value"}'), qr/42804.*column "value" of "town" is of type bigint, not text/s,
	'a type that is not the column\'s is refused');

$t->sql(<<'END');
ALTER TABLE town ADD size integer GENERATED ALWAYS AS (length(label)) STORED, ADD changed integer DEFAULT 0;
CREATE FUNCTION on_town() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF NEW.id = 7 THEN RAISE EXCEPTION 'no label for %', NEW.name USING DETAIL = 'it is seven'; END IF;
	IF NEW.id = 9 THEN RETURN NULL; END IF;
	NEW.changed := NEW.changed + 1;
	RETURN NEW;
END$$;
CREATE TRIGGER on_town BEFORE UPDATE ON town FOR EACH ROW EXECUTE FUNCTION on_town();
UPDATE town SET label = NULL WHERE id NOT IN (7, 9);
END
is(enriched(output => { label => '$.upper' }, where_clause => 'id <> 40'), '39 37 1 1', 'update: triggers');
is(failures(), '7: no label for town 7 (it is seven)', '... fail one row alone');
is($t->sql(q{SELECT count(*) FROM town WHERE label = upper(name) AND size = length(name) AND changed = 2}), 37,
	'... and change others, generated columns follow');
like(refused(output => { size => '$.length' }), qr/428C9.*generated/s, 'a generated column is no output');
$t->sql('DROP TRIGGER on_town ON town');

$t->sql(<<'END');
CREATE TABLE parted (id integer, part integer, name text, value bigint, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES IN (0);
CREATE TABLE parted_1 (value bigint, name text, id integer NOT NULL, part integer NOT NULL);
ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES IN (1);
INSERT INTO parted SELECT id, id % 2, name FROM town;
CREATE TABLE no_index AS SELECT id, name FROM town;
END
is(enriched(source => 'parted'), '40 40 0 0', 'update: a partitioned table');
is(right('parted'), 40, '... has its answers');
like(refused(source => 'no_index', key => ['id']), qr/42P10.*no unique index on the key.*HINT.*CREATE UNIQUE INDEX/s,
	'update: needs a unique index');

# rows that are there no more when their answer comes: all are in one request, in whatever order they lie
start_hanging('"town 2"', bucket_size => 40);
$t->sql('DELETE FROM town WHERE id IN (2, 3)');
is(release(), '40 38 0 2', 'rows deleted meanwhile are skipped and counted');
is($t->sql('SELECT count(*) FROM town'), 38, '... and do not come back');
$t->sql(q{INSERT INTO town (id, name) VALUES (2, 'town 2'), (3, 'town 3')});

# only rows that have no result
$t->sql('ALTER TABLE town ADD second bigint; UPDATE town SET value = NULL, second = 5 WHERE id < 5;
	UPDATE town SET value = NULL, second = NULL WHERE id IN (10, 20)');
is(enriched(rows => 'missing', output => '{"value": "$.value", "second": "$.length"}'), '2 2 0 0',
	'missing: rows whose outputs are all NULL');
is($t->sql('SELECT count(*) FROM town WHERE value IS NULL'), 4, '... and no others');
is(enriched(rows => 'missing'), '4 4 0 0', '... of the outputs of this job');
is(enriched(rows => 'missing', output => '{"third bigint": "$.value"}'), '40 40 0 0', '... all, where the column is new');

#
# A target that is made
#
is(enriched(source => 'parted', target => 'made', output => '{"z numeric(12,2)": "$.value", "a text[]": "$"}'), '40 0 40 0',
	'an object fits no array');
is(enriched(source => 'parted', target => 'made', output => '{"z numeric(12,2)": "$.value", "a text[]": "$.none"}'), '40 40 0 0',
	'target: made');
is($t->sql(q{SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull, ', ' ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = 'made'::regclass AND attnum > 0}),
	'part integer true, id integer true, z numeric(12,2) false, a text[] false', '... with key and outputs, in their order');
is($t->sql(q{SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'made'::regclass AND contype = 'p'}),
	'PRIMARY KEY (part, id)', '... and a primary key');
is($t->sql("SELECT count(*) FROM made JOIN parted USING (part, id) WHERE z = $right"), 40, '... holds the answers');

#
# insert, upsert
#
$t->sql('CREATE TABLE target (id integer PRIMARY KEY, value bigint, more text DEFAULT \'new\');
	INSERT INTO target VALUES (5, -5, \'old\'), (33, -33, \'old\'), (1000, -1000, \'old\')');
is(enriched(target => 'target', write_mode => 'insert'), '40 38 2 0', 'insert: duplicate keys fail alone');
like(failures(), qr/\A5: duplicate key value violates unique constraint "target_pkey" \(Key \(id\)=\(5\) already exists\.\)
33: duplicate key .*\z/, '... with the reason');
is(right('target'), 38, '... all others are stored');
is(enriched(target => 'target'), '40 40 0 0', 'upsert is the default');
is(right('target'), 40, '... brings the two that were there');
is($t->sql(q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM target WHERE more = 'old'}), '5 33 1000',
	'... and leaves other columns and rows alone');
$t->sql(q{UPDATE town SET name = name || ' again' WHERE id % 2 = 0});
is(enriched(target => 'target'), '40 40 0 0', 'upsert once more');
is(right('target'), 40, '... with new answers');
$t->sql('DELETE FROM target WHERE id IN (4, 5); UPDATE target SET value = NULL WHERE id = 6');
is(enriched(target => 'target', rows => 'missing'), '3 3 0 0', 'missing: no target row, or NULL');
is(right('target'), 40, '... are brought');
is(enriched(target => 'target', rows => 'missing', write_mode => 'insert'), '0 0 0 0', 'missing: nothing');

#
# overwrite
#
$t->sql(<<'END');
CREATE TABLE content (id integer PRIMARY KEY REFERENCES town, value bigint);
CREATE INDEX content_value ON content (value);
CREATE VIEW content_view AS SELECT * FROM content;
CREATE TABLE reader (id integer REFERENCES content DEFERRABLE);
GRANT SELECT ON content TO bob;
INSERT INTO content VALUES (1, -1), (2, -2);
INSERT INTO reader VALUES (1);
END
my $identity = q{SELECT c.oid, c.relacl, (SELECT count(*) FROM pg_constraint WHERE c.oid IN (conrelid, confrelid)),
	(SELECT count(*) FROM pg_index WHERE indrelid = c.oid) FROM pg_class c WHERE relname = 'content'};
my $before = $t->sql($identity);
start_hanging('"town 39"', target => 'content', write_mode => 'overwrite');
$t->poll("SELECT rows_done > 20 FROM enrich.progress WHERE job = $job");
is($t->sql('SELECT sum(id), sum(value) FROM content_view'), '3|-3', 'overwrite: readers see the old rows until the end');
is(release(), '40 40 0 0', 'overwrite: done');
is(right('content_view'), 40, '... with all new rows');
is($t->sql($identity), $before, '... and all that hangs on the table');
$t->poll(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace AND relname LIKE 'job\_} . "$job%'", 0);

# with failed rows it asks first
$t->sql('UPDATE content SET value = -1');
$t->mock_script({ status => 400, match => '"town 11"' });
my %lossy = (target => 'content', write_mode => 'overwrite', batch_size => 1, where_clause => 'id BETWEEN 10 AND 20');
$job = enrich(%lossy);
my $progress = $t->wait_job($job, 'paused');
is($progress->{reason}, 'failures', 'overwrite: with failed rows it pauses');
like($progress->{error}, qr/1 rows? ha(s|ve) failed.*content/, '... and says why');
is($t->sql('SELECT count(*) FROM content WHERE value = -1'), 40, '... the old rows are there');
$t->sql('DELETE FROM reader');
$t->sql("SELECT enrich.resume($job)");
is(counts($t->wait_job($job)), '11 10 1 0', 'overwrite: resume accepts the loss');
is($t->sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM content"), '10 12 13 14 15 16 17 18 19 20', '... and replaces the rows');
$t->mock_script;
is($t->sql("SELECT enrich.retry($job)"), 1, 'overwrite: retry');
is(counts($t->wait_job($job)), '11 11 0 0', '... completes it');
is(right('content') . ' ' . $t->sql('SELECT count(*) FROM content'), '11 11', '... and adds the row to the others');

# a retry before the loss is accepted
$t->mock_script({ status => 400, match => '"town 11"' });
$job = enrich(%lossy, where_clause => 'id BETWEEN 11 AND 13');
$t->wait_job($job, 'paused');
$t->sql("SELECT enrich.retry($job)");
$t->sql("SELECT enrich.resume($job)");
$t->poll("SELECT state = 'paused' AND rows_failed = 1 FROM enrich.progress WHERE job = $job");
pass('overwrite: a row that fails once more is not accepted ahead of time');
$t->mock_script;
is($t->sql("SELECT enrich.retry($job)"), 1, 'overwrite: retry while paused');
is($t->progress($job)->{state}, 'paused', '... puts the row back, the job stays paused');
$t->sql("SELECT enrich.resume($job)");
is(counts($t->wait_job($job)), '3 3 0 0', '... completes it');
is(right('content') . ' ' . $t->sql('SELECT count(*) FROM content'), '3 3', '... without any loss');
is(enriched(target => 'overwritten', write_mode => 'overwrite'), '40 40 0 0', 'overwrite: a target that is made');
is(right('overwritten'), 40, '... and filled');

#
# What stands in the way of a row
#
$t->sql(<<'END');
CREATE TABLE strict (id integer PRIMARY KEY, value bigint, must text NOT NULL);
CREATE TABLE allowed (id integer PRIMARY KEY);
INSERT INTO allowed SELECT id FROM town WHERE id NOT IN (8, 32);
CREATE TABLE deferred (id integer PRIMARY KEY REFERENCES allowed DEFERRABLE INITIALLY DEFERRED, value bigint);
CREATE TABLE half (id integer PRIMARY KEY, value bigint) PARTITION BY RANGE (id);
CREATE TABLE half_1 PARTITION OF half FOR VALUES FROM (1) TO (21);
CREATE TABLE guarded (id integer PRIMARY KEY, value bigint);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY most ON guarded TO bob USING (true) WITH CHECK (id > 3);
GRANT SELECT (id, name) ON town TO bob;
GRANT INSERT, UPDATE, SELECT ON guarded TO bob;
CREATE TABLE columns (id integer PRIMARY KEY, value bigint, other text);
GRANT INSERT (id, value), UPDATE (value), SELECT (id) ON columns TO bob;
END
is(enriched(target => 'strict'), '40 0 40 0', 'a column that must not be NULL fails all rows');
like(failures(), qr/\A1: null value in column "must" of relation "strict" violates not-null constraint/, '... with the reason');
is(enriched(target => 'deferred'), '40 38 2 0', 'a deferred foreign key fails rows alone');
like(failures(), qr/\A8: .*violates foreign key constraint.*not present in table "allowed".*\n32: /, '... with the reason');
is(right('deferred'), 38, '... and lets others pass');
is(enriched(target => 'half'), '40 20 20 0', 'a partition that is missing fails rows alone');
like(failures(), qr/\A21: no partition of relation "half" found for row/, '... with the reason');
is(right('half'), 20, '... and lets others pass');

is(enriched(target => 'guarded', -role => 'bob'), '40 37 3 0', 'a policy fails rows alone');
like(failures(), qr/\A1: new row violates row-level security policy for table "guarded"/, '... with the reason');
is(right('guarded'), 37, '... and lets others pass');
like($t->sql_error($t->start_sql(source => 'town', server => 'api', input => ['name'], target => 'columns',
			output => { value => '$.value' }), role => 'bob'),
	qr/42501.*needs SELECT on column "value"/s, 'an upsert reads what it writes');
$t->sql('GRANT SELECT (value) ON columns TO bob');
is(enriched(target => 'columns', -role => 'bob'), '40 40 0 0', 'privileges on columns suffice: target');
is(right('columns'), 40, '... is filled');
$t->sql('GRANT UPDATE (value) ON town TO bob; UPDATE town SET value = NULL');
is(enriched(output => { value => '$.value' }, -role => 'bob'), '40 40 0 0', 'privileges on columns suffice: source');
is(right('town'), 40, '... is updated');
$t->sql('REVOKE UPDATE (value) ON town FROM bob');
like($t->sql_error($t->start_sql(source => 'town', server => 'api', input => ['name'], output => { value => '$.value' }),
		role => 'bob'), qr/42501.*permission denied/s, 'without them it is refused');

#
# Foreign and other targets
#
$t->create_loopback;
$t->sql(<<'END');
CREATE TABLE far (id integer PRIMARY KEY, value bigint);
CREATE FOREIGN TABLE near (id integer, value bigint) SERVER loopback OPTIONS (table_name 'far');
CREATE VIEW far_view AS SELECT * FROM far;
END
is(enriched(target => 'near', write_mode => 'insert'), '40 40 0 0', 'a foreign table as target');
is(right('far'), 40, '... is filled');
$t->sql('DELETE FROM far WHERE id > 10');
is(enriched(target => 'far_view', write_mode => 'insert'), '40 30 10 0', 'a view as target');
is(right('far'), 40, '... is filled');
like(refused(target => 'near'), qr/42809.*near.*HINT.*insert/s, 'a foreign table cannot be upserted');
like(refused(target => 'town'), qr/22023.*HINT/s, 'the source is no target');

#
# What refers to a target that is overwritten, and what is gone from the source
#
$t->sql(<<'END');
CREATE TABLE referred (id integer PRIMARY KEY, value bigint);
INSERT INTO referred SELECT i, -1 FROM generate_series(31, 50) i;
CREATE TABLE referring (id integer REFERENCES referred ON DELETE CASCADE);
INSERT INTO referring SELECT i FROM generate_series(31, 50) i;
END
is(enriched(target => 'referred', write_mode => 'overwrite'), '40 40 0 0', 'overwrite: foreign keys refer to the target');
is(right('referred'), 40, '... its rows are replaced');
is($t->sql('SELECT count(*), max(id) FROM referred'), '40|40', '... those that did not come back are gone');
is($t->sql('SELECT count(*), min(id), max(id) FROM referring'), '10|31|40', '... and only those cascade');

foreach my $mode (qw(insert upsert overwrite))
{
	start_hanging('town 7', target => "kept_$mode", write_mode => $mode, where_clause => 'id < 16');
	$t->sql('DELETE FROM town WHERE id IN (7, 9)');
	is(release(), '15 13 0 2', "$mode: source rows deleted meanwhile are skipped and counted");
	is($t->sql("SELECT count(*) FROM kept_$mode WHERE id IN (7, 9)"), 0, '... and not written');
	$t->sql("INSERT INTO town VALUES (7, 'town 7'), (9, 'town 9')");
}

$t->stop;
done_testing();
