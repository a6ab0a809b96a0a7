
=head1 NAME

FuzzPeer - an HTTP server that breaks the protocol, as a seed says

=head1 SYNOPSIS

  my $peer = FuzzPeer->start(seed => 7, tls => 1, alpn => ['h2'], bad => 0.3,
      menu => [ FuzzPeer::menu() ], timeout => 1, most => 50, pad => 0);
  # … a job of a server with $peer->server_options …
  my @lines = $peer->log;

=head1 DESCRIPTION

A request names its row: C<{"row": 7, "text": "…"}>.  Its answer is that text and a
checksum of it, so no answer can be taken for another row's.  Most
requests are answered properly, in one of the ways that there are for that; for the
others one or a few of the things on the menu go wrong.

Each connection has a process of its own, which draws from the round's seed and the
connection's number.  What happened is in a file, a line each:

  TIME CONNECTION WORD ROW WORDS…

=over

=item seen

a request for that row came; the words say on which stream

=item proper

its answer was written, wholly proper, on a connection on which all had been proper;
then the seconds for which the client had waited

=item bad

it is answered with what the words name

=item early

what may have been taken for its answer had been written before the request was seen; then
the seconds for which it is certain that there was none yet.  Where they are few no client can
tell, as the two crossed on the way

=item again

it came on a connection that had been mute for so many seconds

=item dirty

from here on the connection is not proper; the words say why

=back

=cut

package FuzzPeer;

use strict;
use warnings;

use Certificate qw(make_certificate);
use FuzzAnswer qw(any);
use FuzzConnection;
use FuzzHttp1;
use FuzzHttp2;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL;
use POSIX ();
use PostgreSQL::Test::Utils;

# What can go wrong before there is a request.
my %openings = (
	'open: silent' => sub { $_[0]->mute; },
	'open: closed' => sub { $_[0]->end('drop'); },
	'open: reset' => sub { $_[0]->end('reset'); },
	'open: garbage' => sub { $_[0]->put_raw(FuzzConnection::garbage(1 + int(rand(200)))); },
	'open: alert' => sub { $_[0]->put_raw(FuzzConnection::alert()); $_[0]->end('drop'); },
	'open: plain 503' => sub { $_[0]->put_raw("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"); $_[0]->end('drop'); },
	'open: cut in the handshake' => sub { $_[0]->put_raw("\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03"); $_[0]->end('drop'); },
);

=head2 menu()

The names of all that can go wrong.

=cut

sub menu
{
	return sort keys %openings, FuzzHttp1::menu(), FuzzHttp2::menu();
}

=head2 FuzzPeer->start(%option)

C<bad> is the share of requests that are answered badly, C<menu> what may happen to them,
C<timeout> and C<most> the client's: how long it waits, and for how many answers at a time.
C<pad> is how many bytes an answer may have besides what it says.

=cut

my ($certificate, $key);

sub start
{
	my ($class, %option) = @_;
	my $listener = IO::Socket::INET->new(Listen => 200, LocalAddr => '127.0.0.1', Proto => 'tcp')
	  or die "could not listen: $!";
	my $self = bless {
		option => \%option, port => $listener->sockport, parent => $$,
		file => PostgreSQL::Test::Utils::tempdir() . "/peer_$option{seed}.log",
	}, $class;

	$option{turns} = "$self->{file}.turns";
	_make_contexts(\%option) if $option{tls};
	unlink $self->{file};
	$self->{pid} = fork() // die "could not fork: $!";
	return $self if $self->{pid};
	setpgrp(0, 0);
	$SIG{$_} = 'DEFAULT' foreach qw(INT TERM HUP __DIE__);
	eval { $self->_accept($listener); };
	warn "the peer ended: $@" if $@;
	POSIX::_exit(0);
}

# One for each of the protocols that a connection may come to.
sub _make_contexts
{
	my ($option) = @_;

	($certificate, $key) = make_certificate(PostgreSQL::Test::Utils::tempdir()) if !$certificate;
	foreach my $protocol (@{ $option->{alpn} })
	{
		$option->{contexts}{$protocol} = IO::Socket::SSL::SSL_Context->new(
			SSL_server => 1, SSL_cert_file => $certificate, SSL_key_file => $key, SSL_alpn_protocols => [$protocol],
			$option->{old_tls} ? (SSL_version => 'TLSv1_2') : ()) or die "no TLS: $SSL_ERROR";
	}
	return;
}

sub _accept
{
	my ($self, $listener) = @_;
	my $ready = IO::Select->new($listener);
	my $until = time() + FuzzConnection::MAX_SECONDS;
	my $number = 0;

	local $SIG{CHLD} = 'IGNORE';
	while (getppid() == $self->{parent} && time() < $until)
	{
		next if !$ready->can_read(0.5);
		my $socket = $listener->accept or next;
		$number++;
		my $pid = fork();
		next if $pid || !defined $pid;
		close $listener;
		eval { $self->_serve($socket, $number); };
		warn "the peer's connection $number, seed $self->{option}{seed}: $@" if $@;
		POSIX::_exit(0);
	}
	return;
}

sub _serve
{
	my ($self, $socket, $number) = @_;
	my $option = $self->{option};

	alarm FuzzConnection::MAX_SECONDS;
	local $SIG{PIPE} = 'IGNORE';
	srand($option->{seed} * 1009 + $number);
	my $connection = FuzzConnection->new($socket, $number, $self->{file}, $option);
	my @openings = grep { $openings{$_} } @{ $option->{menu} };

	if (@openings && rand() < $option->{bad} / 4)
	{
		my $name = any(@openings);

		$connection->dirty($name);
		$openings{$name}->($connection);
		$connection->drain;
		return;
	}
	if ($option->{tls})
	{
		my @protocols = @{ $option->{alpn} };
		my $protocol = any(@protocols);

		$connection->secure($option->{contexts}{$protocol}) or return;
		return FuzzHttp2::serve($connection) if $connection->protocol eq 'h2';
	}
	else
	{
		$connection->more(10) or return;
		return FuzzHttp2::serve($connection) if $connection->{in} =~ /^PRI /;
	}
	return FuzzHttp1::serve($connection);
}

=head2 $peer->server_options

Url and certificate, as CREATE SERVER takes them.

=head2 $peer->log

Its lines so far, as hashes: time, connection, word, row, words.

=cut

sub server_options
{
	my ($self) = @_;
	my $where = "127.0.0.1:$self->{port}";

	return $self->{option}{tls} ? (url => "https://$where", ca_file => $certificate) : (url => "http://$where");
}

sub log    ## no critic
{
	my ($self) = @_;
	my @lines;

	return () if !-e $self->{file};
	foreach my $line (split /\n/, slurp_file($self->{file}))
	{
		my %entry;

		@entry{qw(time connection word row words)} = split / /, $line, 5;
		push @lines, \%entry;
	}
	return @lines;
}

=head2 $peer->stop

Ends it, and all its connections.

=cut

sub stop
{
	my ($self) = @_;

	return if $self->{parent} != $$ || !$self->{pid};
	local ($?, $!);
	kill 'KILL', -$self->{pid}, $self->{pid};
	waitpid delete $self->{pid}, 0;
	return;
}

sub DESTROY
{
	$_[0]->stop;
	return;
}

1;
