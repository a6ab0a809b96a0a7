# TLS that fails: what passes costs no row anything while other connections pass; what does not is said.

use strict;
use warnings;

use EnrichTest;
use Test::More;
use WireJob;
use WirePeer;

use constant {
	FATAL => 2, WARNING => 1,
	CLOSE_NOTIFY => 0, HANDSHAKE_FAILURE => 40, INTERNAL_ERROR => 80, USER_CANCELED => 90 };

my $t = EnrichTest->new(mock => 0);

# An alert as a record that is not encrypted (RFC 8446, 5.1 and 6)
sub alert { return pack 'CnnCC', 21, 0x0303, 2, @_; }

my %answers = (
	'alert 80' => alert(FATAL, INTERNAL_ERROR),
	'alert 90' => alert(FATAL, USER_CANCELED),
	'alert 90 as a warning' => alert(WARNING, USER_CANCELED) . alert(WARNING, CLOSE_NOTIFY),
	'close_notify' => alert(WARNING, CLOSE_NOTIFY),
	'a plain 503' => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
);

# A peer that answers some handshakes with these bytes, and a request a connection.
sub start_peer
{
	my ($bytes, $is_chosen) = @_;

	return WirePeer->start(
		tls => 1,
		accepted => sub {
			my ($connection) = @_;

			return if !$is_chosen->($connection->{number});
			$connection->read;
			$connection->write($bytes);
			$connection->cut;
		},
		request => sub {
			my ($connection, $request) = @_;

			$connection->write($connection->answer_bytes($request, undef, 'Connection: close'));
			$connection->close;
		});
}

foreach my $what (sort keys %answers)
{
	my $peer = start_peer($answers{$what}, sub { $_[0] % 5 == 2 });
	my $job = WireJob->start($t, { $peer->server_options, max_attempts => 1 }, rows => 30);

	$job->wait(15);
	is($job->outcome, 'completed: 30 own, 0 of others, 0 failed', "one handshake in five: $what");
}

# Nothing but that is what somebody has to see to
foreach my $what ('alert 80', 'close_notify')
{
	my $peer = start_peer($answers{$what}, sub { 1 });
	my $job = WireJob->start($t, { $peer->server_options, max_attempts => 1 }, rows => 30);
	my $progress = $job->wait(15);

	is($job->outcome, 'paused (configuration): 0 own, 0 of others, 0 failed', "every handshake: $what");
	like($progress->{error} // '', qr/^TLS handshake failed/, "every handshake: $what: and that is said");
}

# A server that wants to see a certificate.  In TLS 1.3 it says so when the client has begun to send.
foreach my $version ('TLSv1_2', 'TLSv1_3')
{
	foreach my $http2 (0, 1)
	{
		my $peer = WirePeer->start(http2 => $http2, tls => { SSL_version => $version, SSL_verify_mode => 3 });
		my $job = WireJob->start($t, { $peer->server_options, max_attempts => 1 });
		my $progress = $job->wait(8);
		my $what = "a certificate is demanded, $version, HTTP/" . ($http2 ? '2' : '1.1');

		is($job->outcome, 'paused (configuration): 0 own, 0 of others, 0 failed', $what);
		like($progress->{error} // '', qr/client certificate/, "$what: and that is said");
	}
}

$t->stop;
done_testing();
