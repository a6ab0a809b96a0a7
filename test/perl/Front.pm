
=head1 NAME

Front - TLS and HTTP/2 before the mock, which speaks neither

=head1 SYNOPSIS

  my $front = Front->start($mock_port);
  $front->url('/items');        # https://127.0.0.1:PORT/items
  $front->server_options;       # ca_file => …, http_version => '2'
  $front->stop;
  $front->listen;
  $front->check;

=head1 DESCRIPTION

nghttpx, of Debian's package nghttp2-proxy.  It passes on what it is given as it comes: an
answer that the mock cuts off is a stream that is reset.  But where the mock closes a
connection without an answer, it answers with status 502 itself.

=cut

package Front;

use strict;
use warnings;

use Carp;
use Certificate qw(make_certificate);
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

my $program = '/usr/sbin/nghttpx';

=head2 Front->start($port)

Listens on a port of its own, and speaks HTTP/1.1 with that one of 127.0.0.1.  It ends
with the test, however that ends.

=cut

sub start
{
	my ($class, $backend_port) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my ($certificate, $key) = make_certificate($dir);
	my $self = bless {
		port => PostgreSQL::Test::Cluster::get_free_port(), backend_port => $backend_port,
		dir => $dir, certificate => $certificate, key => $key,
	}, $class;

	$self->listen;
	return $self;
}

=head2 $front->stop, $front->listen

Stopped, it refuses connections, and all that there were are lost.  Then it listens on
the port that it had before.

=cut

sub listen		## no critic
{
	my ($self) = @_;
	my @command = ($program, '--conf=/dev/null', '--single-process', '--workers=1',
		"--frontend=127.0.0.1,$self->{port}", "--backend=127.0.0.1,$self->{backend_port}",
		"--errorlog-file=$self->{dir}/error", "--accesslog-file=$self->{dir}/access", '--accesslog-format=$alpn $request',
		'--no-server-rewrite', '--no-location-rewrite', '--no-via', $self->{key}, $self->{certificate});

	$self->{pid} = fork() // croak "could not fork: $!";
	if ($self->{pid} == 0)
	{
		open STDOUT, '>', "$self->{dir}/out" or POSIX::_exit(126);
		open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
		# it does not outlive the test
		exec 'setpriv', '--pdeathsig', 'KILL', @command or POSIX::_exit(127);
	}
	my $deadline = time() + 30;
	until (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}))
	{
		croak "$program does not listen: " . slurp_file("$self->{dir}/out")
		  if time() > $deadline || waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
		sleep 0.02;
	}
	return;
}

sub stop
{
	my ($self) = @_;

	return if !$self->{pid};
	kill 'TERM', $self->{pid};
	local $?;
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

=head2 $front->check

Dies where no request came by HTTP/2: then the test has tried nothing.

=cut

sub check
{
	my ($self) = @_;

	croak 'no request came by HTTP/2' if slurp_file("$self->{dir}/access") !~ /^h2 /m;
	return;
}

=head2 $front->url($path)

Its address.

=head2 $front->server_options

What CREATE SERVER is told besides.

=cut

sub url
{
	my ($self, $path) = @_;

	return "https://127.0.0.1:$self->{port}" . ($path // '');
}

sub server_options
{
	my ($self) = @_;

	return (ca_file => $self->{certificate}, http_version => '2');
}

1;
