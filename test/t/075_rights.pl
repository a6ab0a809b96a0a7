# Nobody acts as another through pg_enrich: what a role's functions, triggers, policies,
# casts and names in front of ours run as, when a worker, a clerk or a view meets them;
# rows that row-level security hides; and that our tables and the staging of others are
# closed, whatever ALTER DEFAULT PRIVILEGES grants.  (Who sees and steers which job stands
# in 023_many.pl, rights that go while a job runs in 060_verdict.pl and 071_owner.pl,
# copied databases in 024_steer.pl.)

use strict;
use warnings;

use EnrichTest;
use Test::More;

use constant PATIENCE => 60;

my $t = EnrichTest->new(extension => 0);
my $superuser = $t->sql('SELECT quote_ident(current_user)');

# A session of the role's own: RESET ROLE leads nowhere.
sub login
{
	my ($role, $sql) = @_;

	return $t->node->safe_psql('postgres', $sql, extra_params => [ '-U', $role ]);
}

$t->sql(<<'END');
CREATE ROLE greedy LOGIN;
CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
CREATE ROLE team LOGIN;
CREATE ROLE anna LOGIN IN ROLE team;
CREATE ROLE bob LOGIN;
CREATE ROLE carol LOGIN BYPASSRLS;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO greedy;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO greedy;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO greedy;
CREATE EXTENSION pg_enrich;
GRANT CREATE ON SCHEMA public TO bob;
CREATE SCHEMA AUTHORIZATION anna;
CREATE SCHEMA AUTHORIZATION bob;
CREATE SCHEMA AUTHORIZATION team;
GRANT USAGE ON SCHEMA bob TO PUBLIC;
END
$t->create_server('api');
$t->create_server('theirs');
$t->sql('GRANT USAGE ON FOREIGN SERVER api TO anna, bob, carol, team');

my %shape = (server => 'api', path => '/items', input => ['txt'], results => '$.items[*]',
	output => { 'upper text' => '$.upper' });

#
# What is ours
#
my $roles = q{unnest('{greedy, watcher, anna, bob}'::name[]) role};
is($t->sql(<<"END"), '', 'nobody has a right on our tables, nor more than to read our views');
SELECT c.oid::regclass, role FROM pg_class c, $roles
WHERE relnamespace = 'enrich'::regnamespace AND CASE relkind
	WHEN 'r' THEN has_table_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
		OR has_any_column_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
	WHEN 'v' THEN has_table_privilege(role, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
	WHEN 'S' THEN has_sequence_privilege(role, c.oid, 'USAGE, SELECT, UPDATE') END
END
is($t->sql(<<"END"), '', 'nobody creates in our schemas');
SELECT nspname, role FROM pg_namespace, $roles
WHERE nspname IN ('enrich', 'enrich_staging') AND has_schema_privilege(role, oid, 'CREATE')
END
is($t->sql("SELECT proname FROM pg_proc WHERE pronamespace = 'enrich'::regnamespace AND prosecdef"), '',
	'no function of ours is SECURITY DEFINER');
my %switches = map { $_ => [ PostgreSQL::Test::Utils::slurp_file($_) =~ /^(\w+)\([^{}]*\)\n\{(?:(?!^\}).)*?SetUserId/gms ] }
  glob 'src/*/*.c src/core/*/*.c src/*.c';
my ($listed) = PostgreSQL::Test::Utils::slurp_file('src/README.md') =~ /^## Who acts as whom\n(.*?)^## /ms;
my @switches = map { @{ $switches{$_} } } sort keys %switches;
cmp_ok(scalar(@switches), '>=', 2, 'functions that switch user');
is(join(' ', grep { $listed !~ /`$_`/ } @switches), '', '... are listed in src/README.md, each with its reason');
like($t->sql_error("CREATE SERVER mine FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://localhost')", role => 'anna'),
	qr/42501/, 'a role without a right on the wrapper names no host');
like($t->sql_error(q{ALTER SERVER api OPTIONS (SET url 'http://localhost')}, role => 'anna'), qr/42501/, '... nor changes one');
like($t->sql_error(q{CREATE USER MAPPING FOR bob SERVER api OPTIONS (bearer_token 'x')}, role => 'anna'), qr/42501/,
	'... nor what another role sends');
$t->sql('CREATE TABLE anna.source (id integer PRIMARY KEY, txt text); INSERT INTO anna.source VALUES (1, $$a$$), (2, $$b$$)',
	role => 'anna');
my $start = $t->start_sql(%shape, source => 'anna.source', server => 'theirs');
like($t->sql_error($start, role => 'anna'), qr/42501: permission denied for foreign server theirs/, 'no USAGE, no job');
like($t->sql_error($start =~ s/enrich\.start/enrich.preview/r, role => 'anna'), qr/42501: permission denied for foreign server theirs/,
	'... and no preview');
is($t->mock_stats->{requests}, 0, '... and no request');

#
# A job of anna's, and what others find out
#
my $listener = $t->node->background_psql('postgres');
$listener->query_safe('SET SESSION AUTHORIZATION bob; LISTEN enrich');
my $job = $t->start_job(%shape, source => 'anna.source', target => 'anna.target', write_mode => 'overwrite', concurrency => 0,
	name => 'mine', -role => 'anna');
$t->wait_job($job, 'running', PATIENCE);
is($t->sql('SELECT count(*) FROM enrich_staging.job_' . $job, role => 'anna'), '2', 'staging is the owner\'s');
cmp_ok($t->sql(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace AND relkind IN ('r', 'p')}),
	'>=', 4, '... with its partitions and results');
is($t->sql(<<"END"), '', '... and nobody else\'s');
SELECT c.oid::regclass, role FROM pg_class c, $roles
WHERE relnamespace = 'enrich_staging'::regnamespace AND relkind IN ('r', 'p') AND role <> 'anna'
	AND has_table_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
END
foreach my $call ('SELECT enrich.pause(%d)', 'SELECT enrich.resume(%d)', 'SELECT enrich.cancel(%d)', 'SELECT enrich.retry(%d)',
	'SELECT enrich.alter(%d, concurrency => -1)', 'SELECT enrich.drop(%d)', 'CALL enrich.wait(%d)')
{
	my @said = map { $t->sql_error(sprintf($call, $_), role => 'bob') =~ s/\b$_\b/N/gr } $job, 987654;
	is($said[0], $said[1], "whether another's job is there does not show: " . sprintf($call, $job));
}
is($t->sql(join(' UNION ALL ', map { "SELECT count(*) FROM enrich.$_" } qw(jobs progress buckets failures job_activity())),
	role => 'bob'), join("\n", (0) x 5), 'views and their functions show nothing of it');
is($t->sql("SELECT enrich.may_see(oid) FROM pg_roles WHERE rolname IN ('anna', 'team')", role => 'bob'), "f\nf", '... nor may they');
$t->sql("SELECT enrich.alter($job, concurrency => 1)", role => 'anna');
$t->wait_job($job, 'completed', PATIENCE);
is($t->states_notified($listener, $job, 'completed'), 'queued bucketizing running completed',
	'notifications reach whoever listens, and hold a number and a state');
$listener->quit;

#
# Roles that a role is a member of
#
$t->sql('CREATE TABLE team.shared (id integer PRIMARY KEY, txt text, upper text); INSERT INTO team.shared VALUES (1, $$a$$)',
	role => 'team');
my $of_anna = $t->start_job(%shape, source => 'team.shared', -role => 'anna');
$t->wait_job($of_anna, 'completed', PATIENCE);
is($t->sql('SELECT upper FROM team.shared'), 'A', 'a member of the table\'s owner may write it');
is($t->sql("SELECT job FROM enrich.jobs WHERE job = $of_anna", role => 'team'), '', '... and its job is its own');
my $of_team = $t->start_job(%shape, source => 'team.shared', concurrency => 0, -role => 'team');
is($t->sql("SELECT owner FROM enrich.jobs WHERE job = $of_team", role => 'anna'), 'team', 'a member sees the role\'s job');
$t->sql("SELECT enrich.cancel($of_team)", role => 'anna');
$t->wait_job($of_team, 'canceled', PATIENCE);
pass('... and steers it');

#
# Row-level security
#
$t->sql(<<'END');
CREATE TABLE secured (id integer PRIMARY KEY, txt text, upper text);
INSERT INTO secured SELECT i, 'row ' || i FROM generate_series(1, 10) i;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON secured USING (id % 2 = 0);
END
foreach my $case ([ 'anna', 5 ], [ 'carol', 10 ])
{
	my ($role, $count) = @$case;

	$t->mock_reset;
	$t->mock_log;
	my $progress = $t->wait_job($t->start_job(%shape, source => 'secured', -role => $role), 'completed', PATIENCE);
	is("$progress->{rows_total} $progress->{rows_done}", "$count $count", "$role has a job of the rows it sees");
	is(scalar(keys %{ $t->mock_inputs }), $count, '... which alone are sent');
	is($t->sql('SELECT count(upper) FROM secured'), $count, '... and written');
}

# ... of a target, too: rows that its policies forbid fail, and the others are written
$t->sql(<<'END');
CREATE TABLE guarded (id integer PRIMARY KEY, upper text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON guarded USING (true) WITH CHECK (id % 2 = 0);
GRANT SELECT, INSERT, UPDATE ON guarded TO anna;
END
$t->sql('DROP POLICY even ON secured; CREATE POLICY every ON secured USING (true)');
my $guarded = $t->start_job(%shape, source => 'secured', target => 'guarded', -role => 'anna');
my $checked = $t->wait_job($guarded, 'completed', PATIENCE);
is("@$checked{qw(rows_done rows_failed)}", '5 5', "a target's policy");
is($t->sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM guarded"), '2 4 6 8 10', '... what it forbids is not written');
like($t->sql("SELECT DISTINCT error FROM enrich.failures WHERE job = $guarded"),
	qr/^new row violates row-level security policy for table "guarded"$/, '... and the rows say so');

# ... whose conditions are asked of the job's rows only, however close others lie to them
$t->sql(<<'END');
CREATE TABLE touchy (id integer PRIMARY KEY, txt text, upper text);
INSERT INTO touchy SELECT i, 'row ' || i FROM generate_series(1, 100) i;
CREATE FUNCTION is_even(id integer) RETURNS boolean LANGUAGE plpgsql AS
	$$BEGIN
		IF id % 2 = 1 THEN RAISE insufficient_privilege; END IF;
		RETURN true;
	END$$;
CREATE POLICY every ON touchy USING (true);
ALTER TABLE touchy ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON touchy TO anna;
END
$t->mock_reset;
$t->mock_script({ hang => 1 });
my $touchy = $t->start_job(%shape, source => 'touchy', where_clause => 'id % 2 = 0', batch_size => 50, bucket_size => 50, -role => 'anna');
$t->poll("SELECT in_flight FROM enrich.progress WHERE job = $touchy", 1, PATIENCE);
$t->sql('ALTER POLICY every ON touchy USING (is_even(id))');
$t->mock_script;
$t->mock_release;
is($t->wait_job($touchy, 'completed', PATIENCE)->{rows_done}, 50, "a policy that bears the job's rows alone");

#
# Code of a role's own, wherever it may stand: it runs as the role, and gets no further
#
my @escapes = ('RESET ROLE', 'SET ROLE NONE', 'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION DEFAULT',
	"SET ROLE $superuser", "SET SESSION AUTHORIZATION $superuser", 'SET ROLE anna', 'SELECT FROM enrich.catalog_job',
	'CREATE TABLE enrich_staging.mine ()', 'ALTER ROLE bob SUPERUSER', 'ALTER TABLE enrich.catalog_job OWNER TO bob');
my $escapes = join ', ', map { "'$_'" } @escapes;
login('bob', <<"END");
CREATE TABLE bob.seen (place text, who text, command text, came_through boolean);
GRANT INSERT ON bob.seen TO PUBLIC;
CREATE FUNCTION bob.me() RETURNS text LANGUAGE sql AS
	\$\$ SELECT concat_ws(' ', current_user, session_user, current_setting('is_superuser')) \$\$;
CREATE FUNCTION bob.try(place text) RETURNS boolean LANGUAGE plpgsql AS \$\$
DECLARE
	command text;
	came_through boolean;
BEGIN
	INSERT INTO bob.seen VALUES (place, bob.me());
	FOREACH command IN ARRAY ARRAY[$escapes]
	LOOP
		BEGIN
			EXECUTE command;
			came_through := true;
		EXCEPTION WHEN OTHERS THEN
			came_through := false;
		END;
		INSERT INTO bob.seen VALUES (place, bob.me(), command, came_through);
	END LOOP;
	RETURN true;
END\$\$;
CREATE FUNCTION bob.try_fixed(place text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN bob.try(place); END \$\$;
CREATE FUNCTION bob.before_row() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM bob.try('trigger'); RETURN NEW; END \$\$;
CREATE TYPE bob.mood AS ENUM ('good');
CREATE FUNCTION bob.mood_json(bob.mood) RETURNS json LANGUAGE plpgsql AS \$\$ BEGIN PERFORM bob.try('cast'); RETURN '"good"'; END \$\$;
CREATE CAST (bob.mood AS json) WITH FUNCTION bob.mood_json(bob.mood);
CREATE DOMAIN bob.tried AS text CHECK (bob.try('domain'));
CREATE TABLE bob.plain (id integer PRIMARY KEY, txt text, mood bob.mood DEFAULT 'good');
INSERT INTO bob.plain VALUES (1, 'a'), (2, 'b');
CREATE VIEW bob.source AS SELECT id, txt, mood FROM bob.plain WHERE bob.try('view');
CREATE TABLE bob.target (id integer PRIMARY KEY, upper bob.tried, d boolean DEFAULT bob.try('default'),
	g boolean GENERATED ALWAYS AS (bob.try_fixed('generated')) STORED, CHECK (bob.try('check')));
CREATE INDEX ON bob.target ((bob.try_fixed('index of ' || id)));
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE ON bob.target FOR EACH ROW EXECUTE FUNCTION bob.before_row();
ALTER TABLE bob.target ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tried ON bob.target USING (bob.try('policy'));
GRANT SELECT ON bob.source TO PUBLIC;
GRANT SELECT, INSERT, UPDATE ON bob.target TO PUBLIC;
TRUNCATE bob.seen;
END

# What of the commands came to something, and who ran them, but for that role.
sub is_confined
{
	my ($role, $what) = @_;

	is($t->sql("SELECT DISTINCT place, who FROM bob.seen WHERE who <> '$role $role off'"), '', "$what: all as $role");
	is($t->sql(q{SELECT DISTINCT place, command FROM bob.seen WHERE came_through AND command !~ 'RESET|NONE|DEFAULT'}
		  . " AND command <> 'SET ROLE $role'"), '',
		"$what: none gets further");
	return;
}

foreach my $role (qw(bob anna))
{
	$t->sql('TRUNCATE bob.seen, bob.target');
	my %parameter = (%shape, source => 'bob.source', key => ['id'], target => 'bob.target', where_clause => "bob.try('where')",
		input => [ 'txt', "(bob.try('input')::text)" ], output => { upper => '$.upper' },
		request => '{"inputs": ["{{each}}", "{{input}}"], "moods": ["{{each}}", "{{mood}}"]}');
	$parameter{input} = [ 'txt', 'mood', "(bob.try('input')::text)" ];
	my $progress = $t->wait_job(login($role, $t->start_sql(%parameter)), 'completed', PATIENCE);
	is("$progress->{rows_done} $progress->{rows_failed}", '2 0', "$role: a job over code of bob's");
	is($t->sql(q{SELECT string_agg(DISTINCT substr(place, 1, 8), ' ' ORDER BY substr(place, 1, 8)) FROM bob.seen}),
		'cast check default domain generate index of input policy trigger view where', "$role: ... all of which has run");
	is_confined($role, "$role: worker");
}

# The staging table belongs to the job's owner, whose functions meet it while the worker fills it
login('bob', <<"END");
TRUNCATE bob.seen;
CREATE TABLE bob.planted (command text, came_through boolean);
CREATE FUNCTION bob.plant() RETURNS boolean LANGUAGE plpgsql AS \$\$
DECLARE
	staging regclass := (SELECT max(oid) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace AND relkind = 'p'
		AND relowner = 'bob'::regrole);
	command text;
	came_through boolean;
BEGIN
	IF EXISTS (SELECT FROM bob.planted) THEN
		RETURN true;
	END IF;
	FOREACH command IN ARRAY ARRAY[
		'CREATE INDEX ON ONLY %s ((bob.try_fixed(\$a\$staging index\$a\$)))',
		'ALTER TABLE %s ADD EXCLUDE USING btree ((bob.try_fixed(\$a\$staging exclude\$a\$)) WITH =)',
		'ALTER TABLE %s SET SCHEMA enrich', 'ALTER TABLE %s RENAME TO job_1000000',
		'ALTER TABLE ONLY %s ALTER input SET DEFAULT bob.try(\$a\$staging default\$a\$)::text',
		'CREATE TRIGGER before_row BEFORE INSERT ON %s FOR EACH ROW WHEN (bob.try(\$a\$staging when\$a\$)) EXECUTE FUNCTION bob.before_row()',
		'ALTER TABLE %s ADD CHECK (bob.try(\$a\$staging check\$a\$)) NOT VALID',
		'ALTER TABLE ONLY %s ENABLE ROW LEVEL SECURITY',
		'CREATE POLICY p ON %s USING (bob.try(\$a\$staging policy\$a\$))']
	LOOP
		BEGIN
			EXECUTE format(command, staging);
			came_through := true;
		EXCEPTION WHEN OTHERS THEN
			came_through := false;
		END;
		INSERT INTO bob.planted VALUES (format(command, 'staging'), came_through);
	END LOOP;
	RETURN true;
END\$\$;
END
$job = login('bob', $t->start_sql(%shape, source => 'bob.plain', where_clause => 'bob.plant()', target => 'bob.planted_target'));
$t->poll("SELECT state IN ('completed', 'failed', 'paused') FROM enrich.jobs WHERE job = $job", 't', PATIENCE);
is($t->sql('SELECT state, error FROM enrich.jobs WHERE job = ' . $job), 'completed|', 'what is planted in staging does not hinder the job');
is($t->sql(q{SELECT command FROM bob.planted WHERE came_through AND command ~ 'INDEX|EXCLUDE|SCHEMA|RENAME'}), '',
	'... indexes cannot be, which partitions would inherit, and no name of ours is taken');
cmp_ok($t->sql('SELECT count(*) FROM bob.planted WHERE came_through'), '>=', 3, '... while other things can');
$t->poll("SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace AND relname = 'job_$job'", '0', PATIENCE);
is_confined('bob', 'staging');

#
# Names in front of ours, or of pg_catalog's: neither our statements nor those made for the owner take them
#
my $operator = <<'END';
CREATE FUNCTION public.%1$s(%3$s, %3$s) RETURNS boolean LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO bob.trap VALUES (current_user, '%2$s %3$s'); RETURN $1 OPERATOR(pg_catalog.%2$s) $2; END$$;
CREATE OPERATOR public.%2$s (LEFTARG = %3$s, RIGHTARG = %3$s, FUNCTION = public.%1$s);
END
my $function = <<'END';
CREATE FUNCTION public.%1$s(%2$s) RETURNS %3$s LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO bob.trap VALUES (current_user, '%1$s'); RETURN %4$s pg_catalog.%1$s(%5$s); END$$;
END
my @operators = ([ 'eq', '=' ], [ 'ne', '<>' ], [ 'gt', '>' ], [ 'ge', '>=' ], [ 'le', '<=' ], [ 'lt', '<' ]);
my @functions = ([ 'concat_ws', 'text, text', 'text' ], [ 'md5', 'text', 'text' ], [ 'left', 'text, integer', 'text' ],
	[ 'length', 'text', 'integer' ], [ 'to_json', 'text', 'json' ], [ 'jsonb_build_object', 'text, integer', 'jsonb' ],
	[ 'now', '', 'timestamptz' ], [ 'clock_timestamp', '', 'timestamptz' ], [ 'concat', 'text, bigint', 'text' ],
	[ 'get_byte', 'bytea, integer', 'integer' ], [ 'unnest', 'bigint[]', 'SETOF bigint' ], [ 'pg_has_role', 'oid, text', 'boolean' ]);
$t->sql(join('', 'CREATE TABLE bob.trap (who text, what text); GRANT INSERT, SELECT ON bob.trap TO PUBLIC;',
	(map { my ($name, $symbol) = @$_; map { sprintf $operator, $name, $symbol, $_ } qw(integer bigint text oid) } @operators),
	(map { sprintf $function, @$_, $_->[2] =~ /SETOF/ ? 'QUERY SELECT' : '', join ', ', ('$1', '$2')[ 0 .. split(/,/, $_->[1]) - 1 ] } @functions),
	(map { "CREATE DOMAIN public.$_ AS pg_catalog.$_ CHECK (bob.try('domain $_'));" } qw(int4 int8 jsonb json name oid regclass timestamptz)),
	'CREATE TABLE public.job (job bigint); CREATE TABLE public.bucket (job bigint);'), role => 'bob');
sub as_anna { return $t->sql("SET search_path = public, pg_catalog, anna;\n$_[0]", role => 'anna') }
as_anna(q{DO $$BEGIN PERFORM pg_catalog.int8 '1' = pg_catalog.int8 '1', length('a'::pg_catalog.text); END$$});
is($t->sql('SELECT string_agg(what, $$, $$ ORDER BY what) FROM bob.trap'), '= bigint, length', 'names in front do take what is not qualified');
$t->sql('TRUNCATE bob.trap, bob.seen');
$t->sql(q{CREATE TABLE anna.words (id integer PRIMARY KEY, txt text); INSERT INTO anna.words SELECT i, 'w' || i FROM generate_series(1, 30) i},
	role => 'anna');
$t->mock_script({ match => '"w7"', status => 422 });
my %words = (%shape, source => 'anna.words', target => 'anna.words_done', max_input_length => 20, batch_size => 1,
	request => '{"inputs": ["{{each}}", "{{txt}}"]}', output => { 'upper text' => '$.upper', 'mark text' => '{{fingerprint}}',
		'at timestamp' => '{{now}}', 'no bigint' => '{{job}}' });
foreach my $more ({}, { rows => 'missing' }, { rows => 'changed' }, { write_mode => 'overwrite' }, { result_index => '$.index' },
	{ source => 'anna.words', target => undef })
{
	my %parameter = (%words, %$more, concurrency => 0);

	as_anna($t->start_sql(%parameter) =~ s/enrich\.start/enrich.preview/r);
	$job = as_anna($t->start_sql(%parameter));
	as_anna("SELECT enrich.pause($job)");
	as_anna("SELECT enrich.alter($job, concurrency => 2)");
	as_anna("SELECT enrich.resume($job)");
	as_anna("CALL enrich.wait($job)");
	as_anna("SELECT enrich.resume($job)") if $more->{write_mode} && $t->progress($job)->{state} eq 'paused';
	$t->wait_job($job, 'completed', PATIENCE);
	as_anna("SELECT * FROM enrich.$_") for qw(progress jobs buckets failures servers);
	as_anna("SELECT enrich.retry($job)");
	as_anna("CALL enrich.wait($job, '1s')");
	as_anna("SELECT enrich.cancel($job)") if $t->progress($job)->{state} ne 'completed';
	as_anna("SELECT enrich.drop($job)");
}
is($t->sql('SELECT DISTINCT who, what FROM bob.trap'), '', 'no statement of ours takes them');
is($t->sql('SELECT DISTINCT who, place FROM bob.seen'), '', '... nor types');
is($t->sql('SELECT count(*) FROM anna.words WHERE upper = $$W$$ || id'), 29, '... and the jobs have done their work');

$t->stop;
done_testing();
