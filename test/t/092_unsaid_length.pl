# Answers of HTTP/2 whose length is not said, as nghttpx passes on what comes in chunks: it counts what a client
# resets, and refuses one that does so often.

use strict;
use warnings;

use Certificate qw(make_certificate);
use EnrichTest;
use IO::Socket::INET;
use Test::More;
use WireJob;
use WirePeer;

my $nghttpx = '/usr/sbin/nghttpx';
plan skip_all => 'nghttpx (package nghttp2-proxy) is not installed' if !-x $nghttpx;

my $t = EnrichTest->new(mock => 0);
my $dir = PostgreSQL::Test::Utils::tempdir();
my ($certificate, $key) = make_certificate($dir);
my $port = PostgreSQL::Test::Cluster::get_free_port();

my $chunked = WirePeer->start(request => sub {
	my ($connection, $request) = @_;
	my $body = qq({"v": "$request->{row}"});

	$connection->write(sprintf "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", length $body, $body);
});
my $proxy = IPC::Run::start([ $nghttpx, '--conf=/dev/null', "--errorlog-file=$dir/nghttpx.log", '--workers=1',
		"--frontend=127.0.0.1,$port", "--backend=127.0.0.1,$chunked->{port}", $key, $certificate ],
	'<', \undef, '>', "$dir/out", '2>', "$dir/err");
$t->poll_for("nghttpx on port $port", sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }, 30);

foreach my $version (undef, '2')
{
	my $job = WireJob->start($t, { url => "https://127.0.0.1:$port", ca_file => $certificate, max_attempts => 1,
			timeout => '5s', defined $version ? (http_version => $version) : () }, rows => 8000, concurrency => 20);

	$job->wait(40);
	is($job->outcome, 'completed: 8000 own, 0 of others, 0 failed', defined $version ? "http_version $version" : 'as it is by default')
	  or diag($job->reasons);
}

$proxy->kill_kill;
$t->stop;
done_testing();
