# HTTP/2, TLS and compression: through nghttpx, which speaks them, to the mock, which does not.

use strict;
use warnings;

use Certificate qw(make_certificate);
use EnrichTest;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Test::More;

my $nghttpx = '/usr/sbin/nghttpx';
plan skip_all => 'nghttpx (package nghttp2-proxy) is not installed' if !-x $nghttpx;

my $t = EnrichTest->new;
my $dir = PostgreSQL::Test::Utils::tempdir();
my ($mock_port) = $t->url('') =~ /:(\d+)/;
my ($plain, $tls) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;
my $value = q{('x' || substr(md5(name), 1, 8))::bit(32)::bigint % 1000000};

my ($certificate, $key) = make_certificate($dir);
my $proxy = IPC::Run::start([ $nghttpx, '--conf=/dev/null', '--errorlog-file=' . "$dir/nghttpx.log",
		'--workers=1', "--frontend=127.0.0.1,$plain;no-tls", "--frontend=127.0.0.1,$tls",
		"--backend=127.0.0.1,$mock_port", $key, $certificate ],
	'<', \undef, '>', "$dir/out", '2>', "$dir/err");
foreach my $port ($plain, $tls)
{
	$t->poll_for("nghttpx on port $port",
		sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }, 30);
}

my $tables = 0;

# A job through that server, and the table it is for.
sub begin
{
	my ($server, %more) = @_;
	my $table = 'town' . ++$tables;

	$t->mock_reset;
	$t->sql("CREATE TABLE $table AS SELECT i AS id, 'row ' || i AS name FROM generate_series(1, 500) i;
		ALTER TABLE $table ADD PRIMARY KEY (id)");
	my $job = $t->start_job(source => $table, server => $server, path => '/items', input => ['name'],
		results => '$.items[*]', result_index => '$.index', output => '{"value bigint": "$.value"}',
		bucket_size => 50, batch_size => 5, concurrency => 20, %more);
	return ($job, $table);
}

# The same, until it is done.
sub run_job
{
	my ($job, $table) = begin(@_);
	my $progress = $t->wait_job($job);
	my $right = $t->sql("SELECT count(*) FROM $table WHERE value = $value");

	return ($progress, $right);
}

# HTTP/2 on a plain connection
$t->create_server('h2c', url => "http://127.0.0.1:$plain", http_version => '2-prior-knowledge');
my ($progress, $right) = run_job('h2c');
is($right, 500, 'HTTP/2 with prior knowledge: every row has its answer');
my ($last) = $t->mock_last;
like($last->{headers}{via} // '', qr/^2 nghttpx/, 'it was HTTP/2');

# HTTP/2 by TLS, where it is negotiated; the certificate is checked
$t->create_server('h2', url => "https://127.0.0.1:$tls", ca_file => $certificate);
($progress, $right) = run_job('h2');
is($right, 500, 'HTTP/2 by TLS: every row has its answer');
($last) = $t->mock_last;
like($last->{headers}{via} // '', qr/^2 nghttpx/, 'it was HTTP/2');

# HTTP/1.1 where that is asked for
$t->create_server('h1', url => "https://127.0.0.1:$tls", ca_file => $certificate, http_version => '1.1');
($progress, $right) = run_job('h1');
is($right, 500, 'HTTP/1.1 by TLS: every row has its answer');
($last) = $t->mock_last;
like($last->{headers}{via} // '', qr/^1\.1 nghttpx/, 'it was HTTP/1.1');

# A certificate that nobody vouches for pauses the job, until the server's options say otherwise
$t->create_server('untrusted', url => "https://127.0.0.1:$tls");
my ($job, $table) = begin('untrusted');
$progress = $t->wait_job($job, 'paused');
is("@$progress{qw(reason rows_failed)}", 'configuration 0', 'an untrusted certificate pauses the job');
like($progress->{error}, qr/^TLS certificate not accepted \(127\.0\.0\.1:$tls\)/, 'and the reason is the certificate');
like($t->sql("SELECT hint FROM enrich.jobs WHERE job = $job"), qr/ca_file and verify_tls/, 'with the options that count');
is($t->mock_stats->{requests}, 0, 'nothing was sent');
$t->sql("ALTER SERVER untrusted OPTIONS (ADD ca_file '$certificate')");
$t->sql("SELECT enrich.resume($job)");
$t->wait_job($job);
is($t->sql("SELECT count(*) FROM $table WHERE value = $value"), 500, 'resumed with its authority: every row has its answer');
# ... and so does one that is another host's
$t->create_server('misnamed', url => "https://localhost:$tls", ca_file => $certificate);
($job) = begin('misnamed');
$progress = $t->wait_job($job, 'paused');
like("$progress->{reason}: $progress->{error}", qr/^configuration: TLS certificate not accepted \(localhost:$tls\)/,
	"another host's certificate pauses the job");
is($t->mock_stats->{requests}, 0, 'and nothing was sent');
$t->sql("SELECT enrich.cancel($job)");
$t->create_server('unverified', url => "https://127.0.0.1:$tls", verify_tls => 'false');
($progress, $right) = run_job('unverified');
is($right, 500, 'verify_tls false accepts it');

# Who speaks no TLS is refused as well; or, where it just closes the connection, asked again
$t->create_server('mute', url => $t->url =~ s/^http:/https:/r);
($job) = begin('mute');
# what a job pauses for is shown before the pause is written
$progress = $t->poll_for('a pause, or an outage', sub {
	my $now = $t->progress($job);
	return ($now->{state} eq 'paused' || ($now->{error} // '') =~ /nothing but failures/) && $now;
});
is("$progress->{rows_done} $progress->{rows_failed}", '0 0', 'https where there is none fails no row');
like(($progress->{reason} // 'running') . ": $progress->{error}", qr/^configuration: TLS |nothing but failures since .*TLS handshake/,
	'and is said to be that');
# a connection that is lost may be lost for any reason: that is waited for
if ($progress->{error} =~ /TLS handshake failed/)
{
	$progress = $t->wait_job($job, 'paused');
	like("$progress->{reason}: $progress->{error}", qr/^configuration: TLS handshake failed/, 'in the end it is why the job pauses');
}
$t->sql("SELECT enrich.cancel($job)");

# Compressed answers, connections reused
$t->create_server('plain');
($progress, $right) = run_job('plain', path => '/items?gzip=1');
is($right, 500, 'gzip: every row has its answer');
my $stats = $t->mock_stats;
is($stats->{requests}, 100, 'a hundred requests');
cmp_ok($stats->{connections}, '<=', 20, 'over no more connections than were in flight');

$proxy->kill_kill;
$t->stop;
done_testing();
