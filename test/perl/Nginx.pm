
=head1 NAME

Nginx - a real nginx that speaks HTTP/2 over TLS, and HTTP/1.1 to who asks for it

=cut

package Nginx;

use strict;
use warnings;

use Certificate qw(make_certificate);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = '/usr/sbin/nginx';

=head2 Nginx->skip_without

Skips the test file where the package is not installed.

=cut

sub skip_without
{
	plan skip_all => 'nginx (package nginx) is not installed' if !-x $program;
	return;
}

=head2 Nginx->start($t, $locations)

Runs until the object goes.  C<$locations> is what stands in its C<server>; F<root> is its
directory, see dir().

=cut

sub start
{
	my ($class, $t, $locations) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my ($certificate, $key) = make_certificate($dir);
	my $self = bless { dir => $dir, port => $port, certificate => $certificate }, $class;

	mkdir "$dir/root" or die $!;
	PostgreSQL::Test::Utils::append_to_file("$dir/nginx.conf", <<"END");
daemon off;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path $dir/body;
	proxy_temp_path $dir/proxy;
	fastcgi_temp_path $dir/fastcgi;
	uwsgi_temp_path $dir/uwsgi;
	scgi_temp_path $dir/scgi;
	server {
		listen 127.0.0.1:$port ssl http2;
		ssl_certificate $certificate;
		ssl_certificate_key $key;
		root $dir/root;
		$locations
	}
}
END
	$self->{process} = IPC::Run::start([ $program, '-e', "$dir/error.log", '-c', "$dir/nginx.conf" ],
		'<', \undef, '>', "$dir/out", '2>', "$dir/err");
	$t->poll_for("nginx on port $port", sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }, 30);
	return $self;
}

=head2 $nginx->dir

The directory whose files it serves.

=head2 $nginx->server_options

Url and certificate, as CREATE SERVER takes them.

=cut

sub dir { return "$_[0]->{dir}/root"; }

sub server_options
{
	my ($self) = @_;

	return (url => "https://127.0.0.1:$self->{port}", ca_file => $self->{certificate});
}

# Its workers end with the master, which TERM ends at once.
sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);

	eval { $self->{process}->kill_kill } if $self->{process};
	return;
}

1;
