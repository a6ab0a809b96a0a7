# Without the library preloaded, in dumps, and through pg_upgrade: what works then, and what says why not.

use strict;
use warnings;

use EnrichTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my %job = (
	source => 'town',
	server => 'api',
	path => '/items',
	results => '$.items[*]',
	input => ['name'],
	output => '{"label text": "$.upper"}',);

sub make_table
{
	my ($t, $name, %option) = @_;

	$t->sql("CREATE TABLE $name AS SELECT i AS id, 'row ' || i AS name FROM generate_series(1, 20) i;
		ALTER TABLE $name ADD PRIMARY KEY (id)", %option);
	return;
}

sub preload
{
	my ($node, $libraries) = @_;

	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'");
	$node->restart;
	return;
}

my $t = EnrichTest->new(conf => "shared_preload_libraries = ''");

# What needs no shared memory works: the extension's objects, servers, views, previews
$t->create_server('api', mapping => { bearer_token => 'a-secret' });
like($t->sql_error("CREATE SERVER other FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://127.0.0.1', timeot '5s')"),
	qr/invalid option "timeot".*HINT:.*timeout/s, 'the validator refuses a bad option');
make_table($t, 'town');
foreach my $view (qw(jobs progress buckets failures servers))
{
	is($t->sql("SELECT count(*) FROM enrich.$view"), $view eq 'servers' ? 1 : 0, "enrich.$view answers");
}
(my $preview = $t->start_sql(%job)) =~ s/SELECT enrich.start/SELECT status FROM enrich.preview/;
is($t->sql($preview), 200, 'preview works');

# What needs it says which setting is missing
foreach my $call ($t->start_sql(%job), 'SELECT enrich.pause(1)', 'SELECT enrich.resume(1)', 'SELECT enrich.cancel(1)',
	'SELECT enrich.retry(1)', 'SELECT enrich.alter(1, concurrency => 2)', 'SELECT enrich.drop(1)', 'CALL enrich.wait(1)')
{
	my ($name) = $call =~ /(enrich\.\w+)/;
	like($t->sql_error($call), qr/ERROR:  55000: .*HINT:  [^\n]*shared_preload_libraries/s, "$name names the setting");
}
is($t->sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'town'::regclass AND attname = 'label'"),
	0, 'start has made nothing');

# Settings of the library are known as soon as a session has loaded it, and cannot hurt
is($t->sql("LOAD 'pg_enrich'; SELECT count(*) > 0 FROM pg_settings WHERE name LIKE 'pg_enrich.%'"), 't', 'its settings are known');

# Preloaded, with a job that is done and one that is not
preload($t->node, 'pg_enrich');
my $done = $t->start_job(%job);
$t->wait_job($done);
make_table($t, 'river');
my $waiting = $t->start_job(%job, source => 'river', target => 'river_label', concurrency => 0);
$t->wait_job($waiting, 'running');
my $staging = "SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace";
cmp_ok($t->sql($staging), '>', 0, 'one of them has staging');

# A dump has servers and tables, and neither jobs nor staging; a restore needs no preloading
my $dump = "$PostgreSQL::Test::Utils::tmp_check/not_preloaded.dump";
$t->node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $t->node->connstr('postgres') ], 'pg_dump');
my ($listing) = run_command([ 'pg_restore', '-f', '-', $dump ]);
unlike($listing, qr/enrich_staging\.|enrich\.job|COPY enrich/, 'no staging and no jobs in it');
like($listing, qr/CREATE SERVER api/, 'but the server');

sub restore
{
	my ($database) = @_;

	$t->sql("CREATE DATABASE $database");
	$t->node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $t->node->connstr($database), $dump ],
		"pg_restore into $database");
	is($t->sql("SELECT count(*) FROM town WHERE label = upper(name)", database => $database), 20, 'results are there');
	is($t->sql("SELECT count(*) FROM enrich.jobs", database => $database), 0, 'no jobs');
	is($t->sql($staging, database => $database), 0, 'no staging');
	is($t->sql("SELECT srvname, umoptions FROM pg_user_mappings", database => $database),
		'api|{bearer_token=a-secret}', 'server and mapping are there');
	return;
}

restore('restored');
make_table($t, 'lake', database => 'restored');
my $new = $t->start_job(%job, source => 'lake', -database => 'restored');
$t->wait_job($new, 'completed', undef, database => 'restored');
pass('a job runs in it');

# The library taken away again: everything is still there to be seen, and nothing moves
preload($t->node, '');
restore('restored_2');
is($t->sql("SELECT state FROM enrich.jobs WHERE job = $waiting"), 'running', 'the job is still there');
like($t->sql_error("SELECT enrich.cancel($waiting)"), qr/shared_preload_libraries/, 'it cannot be steered');
$t->sql('DROP EXTENSION pg_enrich CASCADE', database => 'restored');
is($t->sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'enrich%'", database => 'restored'), 0,
	'the extension can be dropped');

# And back: it goes on
preload($t->node, 'pg_enrich');
$t->sql("SELECT enrich.alter($waiting, concurrency => 1)");
$t->wait_job($waiting);
is($t->sql('SELECT count(*) FROM river_label JOIN river USING (id) WHERE label = upper(name)'), 20, 'preloaded again, the job goes on');

# pg_upgrade carries jobs and staging along; what is not finished waits for a word that it is no copy
make_table($t, 'hill');
my $upgraded = $t->start_job(%job, source => 'hill', concurrency => 0, name => 'upgraded');
$t->wait_job($upgraded, 'running');
my $old = $t->node;
my $node = PostgreSQL::Test::Cluster->new('upgraded');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_enrich'\nmax_worker_processes = 32");
$old->stop;
my $bin = $old->config_data('--bindir');
chdir $PostgreSQL::Test::Utils::tmp_check or die $!;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $node->data_dir, '-b', $bin, '-B', $bin,
	'-s', $node->host, '-p', $old->port, '-P', $node->port ], 'pg_upgrade');
$node->start;
$t->{node} = $node;
$t->poll("SELECT state = 'paused' FROM enrich.jobs WHERE job = $upgraded");
is($t->sql("SELECT reason, hint IS NOT NULL FROM enrich.jobs WHERE job = $upgraded"), 'copy|t', 'an unfinished job waits');
is($t->sql("SELECT state FROM enrich.jobs WHERE job = $done"), 'completed', 'a finished one is there');
$t->sql("SELECT enrich.alter($upgraded, concurrency => 1); SELECT enrich.resume($upgraded)");
$t->wait_job($upgraded);
is($t->sql('SELECT count(*) FROM hill WHERE label = upper(name)'), 20, 'resumed, it goes on where it was');
is($t->sql($staging), 0, 'its staging is gone at the end');

$t->stop;
done_testing();
