# What only some majors of PostgreSQL or only machines with pgvector have.

use strict;
use warnings;

use EnrichTest;
use Test::More;

my $t = EnrichTest->new;
my $version = $t->sql('SHOW server_version_num');

$t->create_server('api');
$t->sql('CREATE TABLE town (id integer PRIMARY KEY, name text);
	INSERT INTO town SELECT i, \'town \' || i FROM generate_series(1, 300) i');

my %items = (source => 'town', server => 'api', path => '/items', input => ['name'],
	results => '$.items[*]', result_index => '$.index', output => { 'upper text' => '$.upper' });

#
# pgvector: numbers and base64, into a column that the job makes and into one that is there
#
SKIP:
{
	skip 'pgvector is not installed', 6
	  if !$t->sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'});

	my %embed = (source => 'town', server => 'api', path => '/v1/embeddings', input => ['name'],
		results => '$.data[*]', result_index => '$.index');
	my $request = '{"model": "mock", "dimensions": 100, "encoding_format": "%s", "input": "{{inputs}}"}';
	my $float = sprintf($request, 'float');
	my $base64 = sprintf($request, 'base64');

	$t->sql('CREATE EXTENSION vector; ALTER TABLE town ADD numbers real[], ADD there vector');
	$t->wait_job($t->start_job(%embed, request => $float, output => { numbers => '$.embedding' }));
	$t->wait_job($t->start_job(%embed, request => $float, output => { 'made vector(100)' => '$.embedding' }));
	is($t->sql(q{SELECT format_type(atttypid, atttypmod) FROM pg_attribute
			WHERE attrelid = 'town'::regclass AND attname = 'made'}),
		'vector(100)', 'the column is made as a vector(100)');
	is($t->sql('SELECT count(*) FROM town WHERE made::real[] = numbers'), 300,
		'a vector holds the numbers of the answer');
	$t->wait_job($t->start_job(%embed, request => $base64, output => { there => '$.embedding' }));
	is($t->sql('SELECT count(*) FROM town WHERE there::real[] = numbers'), 300, 'as it does of base64');

	my $job = $t->start_job(%embed, request => $float, target => 'short', max_rows => 2,
		output => { 'v vector(99)' => '$.embedding' });
	is($t->wait_job($job)->{rows_failed}, 2, 'a vector of other dimensions fails its row');
	like($t->sql("SELECT error FROM enrich.failures WHERE job = $job LIMIT 1"),
		qr/expected 99 dimensions, not 100/, 'and the reason says so');
	like($t->sql_error($t->start_sql(%embed, output => { 'made vector(99)' => '$.embedding' })),
		qr/42804.*vector\(100\), not vector\(99\)/s, 'the dimensions are part of the type');
}

#
# 17: a role's transaction_timeout does not count for its jobs
#
SKIP:
{
	skip 'there is no transaction_timeout before 17', 1 if $version < 170000;

	$t->sql(<<'END');
CREATE ROLE hasty LOGIN;
ALTER ROLE hasty SET transaction_timeout = '300ms';
GRANT USAGE ON FOREIGN SERVER api TO hasty;
GRANT CREATE ON SCHEMA public TO hasty;
CREATE VIEW slow AS SELECT t.id, t.name FROM town t
	CROSS JOIN LATERAL (SELECT pg_sleep(CASE WHEN t.id = 7 THEN 0.8 ELSE 0 END)) s;
GRANT SELECT ON slow TO hasty;
END
	my $job = $t->start_job(%items, source => 'slow', key => ['id'], target => 'of_hasty', -role => 'hasty');
	is($t->wait_job($job)->{rows_done}, 300, 'transaction_timeout does not end a long transaction of a job');
}

#
# 17: a role that may not log in can have jobs; before, start says why not
#
$t->sql(<<'END');
CREATE ROLE nobody NOLOGIN;
GRANT USAGE ON FOREIGN SERVER api TO nobody;
GRANT CREATE ON SCHEMA public TO nobody;
GRANT SELECT ON town TO nobody;
END
if ($version >= 170000)
{
	my $job = $t->start_job(%items, target => 'of_nobody', -role => 'nobody');
	is($t->wait_job($job)->{rows_done}, 300, 'a role that may not log in has a job');
	is($t->sql(q{SELECT tableowner FROM pg_tables WHERE tablename = 'of_nobody'}), 'nobody',
		'that runs as that role');
}
else
{
	like($t->sql_error($t->start_sql(%items, target => 'of_nobody'), role => 'nobody'),
		qr/HINT:.*log ?in/si, 'a role that may not log in is told so');
}

#
# 17: waits have names
#
SKIP:
{
	skip 'waits of extensions have no names before 17', 2 if $version < 170000;

	my $waits = q{SELECT wait_event_type || '.' || wait_event FROM pg_stat_activity WHERE backend_type = 'pg_enrich %s'};
	$t->mock_script({ hang => 1 });
	my $job = $t->start_job(%items, target => 'waited_for', batch_size => 100);
	$t->poll(sprintf($waits, 'worker'), 'Extension.PgEnrichHttp');
	pass('a worker waits for HTTP');
	$t->poll(sprintf($waits, 'launcher'), 'Extension.PgEnrichLauncher');
	pass('the launcher waits for work');
	$t->sql("SELECT enrich.cancel($job)");
	$t->mock_script;
}

#
# 17: intervals may be infinite
#
SKIP:
{
	skip 'there are no infinite intervals before 17', 2 if $version < 170000;

	my $job = $t->start_job(%items, target => 'timeless', concurrency => 0);
	like($t->sql("CALL enrich.wait($job, '-infinity')"), qr/^(queued|bucketizing|running)$/,
		'a wait that is over at once');
	$t->sql("SELECT enrich.alter($job, concurrency => 1)");
	is($t->sql("CALL enrich.wait($job, 'infinity')"), 'completed', 'a wait without end');
}

#
# 18: virtual generated columns are read as others are, and never written
#
SKIP:
{
	skip 'there are no virtual generated columns before 18', 5 if $version < 180000;

	$t->sql(<<'END');
CREATE TABLE virtual (id integer PRIMARY KEY, name text,
	double text GENERATED ALWAYS AS (name || name) VIRTUAL, upper text,
	shout text GENERATED ALWAYS AS (upper || '!') VIRTUAL);
INSERT INTO virtual SELECT id, name FROM town;
CREATE TABLE into_virtual (id integer PRIMARY KEY, upper text,
	size integer GENERATED ALWAYS AS (length(upper)) VIRTUAL);
END
	like($t->sql_error($t->start_sql(%items, source => 'virtual', output => { shout => '$.upper' })),
		qr/428C9.*"shout" is a generated column/s, 'a virtual generated column is no output');
	$t->wait_job($t->start_job(%items, source => 'virtual', input => ['double'],
			where_clause => q{double <> ''}, output => { upper => '$.upper' }));
	is($t->sql('SELECT count(*) FROM virtual WHERE upper = upper(name || name)'), 300, 'it can be an input');
	is($t->sql(q{SELECT count(*) FROM virtual WHERE shout = upper(name || name) || '!'}), 300,
		'and follows the output');
	$t->wait_job($t->start_job(%items, target => 'into_virtual', output => { upper => '$.upper' }));
	is($t->sql('SELECT count(*) FROM into_virtual WHERE size = length(upper)'), 300, 'a target may have one');
	is($t->sql(q{SELECT module_name || ' ' || version FROM pg_get_loaded_modules() WHERE module_name = 'pg_enrich'}),
		'pg_enrich 1.0', 'the library says its name and version');
}

$t->stop;
done_testing();
