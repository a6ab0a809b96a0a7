
=head1 NAME

WirePeer - a server of HTTP/1.1 or HTTP/2, with or without TLS, that can be told to misbehave

=head1 SYNOPSIS

  my $peer = WirePeer->start(tls => 1, http2 => 1, request => sub {
      my ($connection, $request) = @_;

      return $connection->silent if $connection->{number} == 1 && $request->{number} > 5;
      $connection->answer($request);
  });
  $t->create_server('api', $peer->server_options);

=head1 DESCRIPTION

The mock speaks correct HTTP, whatever it says in it.  This one keeps its connections
open, answers each request with the text that it holds, and calls the test for what is to
be different: which bytes go out on which connection, and when.

A request is told from others by its row: the first C<row NUMBER> in its body, or
C<row-NUMBER> in its path.  The right answer is C<{"v": "row NUMBER"}>.

=cut

package WirePeer;

use strict;
use warnings;

use Certificate qw(make_certificate);
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Utils;

# No process of a peer outlives this, whatever becomes of the test.
use constant LIFETIME => 150;

=head2 WirePeer->start(%options)

Serves, in a process for each connection, until the object goes.  Options, none of them
needed; what they call is called in the connection's process, with the connection first:

=over

=item accepted

called before anything is read, and before TLS; what it writes is not encrypted

=item request

called with each request that is there as a whole; without it each gets its answer

=item tls

1: TLS with a certificate for 127.0.0.1; or a reference to a hash of further options of
IO::Socket::SSL

=item http2

1: HTTP/2, which over TLS is negotiated

=item proxy

1: not encrypted before the test's function calls start_tls(), as for a CONNECT

=item settings

called for what the SETTINGS of HTTP/2 hold: a list of numbers and values

=back

=cut

sub start
{
	my ($class, %option) = @_;
	my $listener = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1', Proto => 'tcp')
	  or die "could not listen: $!";
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my $self = bless { %option, port => $listener->sockport, parent => $$, dir => $dir }, $class;

	$self->_set_up_tls if $option{tls};
	$self->{pid} = fork() // die "could not fork: $!";
	if ($self->{pid} == 0)
	{
		my $number = 0;
		local $SIG{CHLD} = 'IGNORE';
		setpgrp(0, 0);
		while (getppid() == $self->{parent})
		{
			# now and then it looks whether the test has been killed
			next if !IO::Select->new($listener)->can_read(1);
			my $client = $listener->accept // last;
			$number++;
			next if fork();
			alarm LIFETIME;
			close $listener;
			WirePeer::Connection->new($self, $client, $number)->serve;
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	return $self;
}

sub _set_up_tls
{
	my ($self) = @_;
	my %more = ref $self->{tls} ? %{ $self->{tls} } : ();

	require IO::Socket::SSL;
	my ($certificate, $key) = make_certificate($self->{dir});
	$self->{certificate} = $certificate;
	# once for all connections, whose processes would each take long to make it
	$self->{context} = IO::Socket::SSL::SSL_Context->new(
		SSL_server => 1, SSL_cert_file => $certificate, SSL_key_file => $key,
		SSL_alpn_protocols => [ $self->{http2} ? 'h2' : 'http/1.1' ], %more)
	  or die "no TLS: $IO::Socket::SSL::SSL_ERROR";
	return;
}

=head2 $peer->url

Its address, without a path.

=head2 $peer->server_options

Url and certificate, as CREATE SERVER takes them.

=cut

sub url
{
	my ($self) = @_;

	return ($self->{tls} ? 'https' : 'http') . "://127.0.0.1:$self->{port}";
}

sub server_options
{
	my ($self) = @_;

	return (url => $self->url, $self->{tls} ? (ca_file => $self->{certificate}) : ());
}

=head2 $peer->notes

What its connections noted, in order: a list of C<[connection, text]>.  Each notes
C<accepted>, C<request ROW> for each request, and what the test has it note.

=head2 $peer->connections

How many it has accepted.

=cut

sub notes
{
	my ($self) = @_;
	my $notes = eval { slurp_file("$self->{dir}/notes") } // '';

	return map { [ split / /, $_, 2 ] } split /\n/, $notes;
}

sub connections
{
	my ($self) = @_;

	return scalar grep { $_->[1] eq 'accepted' } $self->notes;
}

sub DESTROY
{
	my ($self) = @_;

	return if $self->{parent} != $$;
	local ($?, $!);
	kill 'KILL', -$self->{pid}, $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

=head1 CONNECTIONS

A request is a hash: C<row> ("row 17"), C<body>, C<number> on its connection, from 1;
C<stream> of HTTP/2; C<method> and C<path> of HTTP/1.1.  Of a connection C<number> is
that in which it was accepted, from 1.

=cut

package WirePeer::Connection;

use strict;
use warnings;

use Fcntl qw(O_APPEND O_CREAT O_EXCL O_WRONLY);
use Http2Frames qw(:all !next_frame);
use Time::HiRes qw(time);

sub new
{
	my ($class, $peer, $socket, $number) = @_;

	return bless { peer => $peer, socket => $socket, number => $number, buffer => '', requests => 0 },
	  $class;
}

sub serve
{
	my ($self) = @_;
	my $peer = $self->{peer};

	local $SIG{PIPE} = 'IGNORE';
	setsockopt($self->{socket}, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
	$self->note('accepted');
	$peer->{accepted}->($self) if $peer->{accepted};
	$self->start_tls if $peer->{tls} && !$peer->{proxy};
	$peer->{http2} ? $self->_serve_http2 : $self->_serve_http1;
	$self->close;
	return;
}

=head2 $connection->start_tls

Goes on with TLS; for what is no TLS from the beginning, such as a proxy's tunnel.

=cut

sub start_tls
{
	my ($self) = @_;

	# where that fails the client is to read the alert
	IO::Socket::SSL->start_SSL($self->{socket}, SSL_server => 1, SSL_reuse_ctx => $self->{peer}{context})
	  or $self->cut;
	return;
}

sub _serve_http1
{
	my ($self) = @_;

	while (1)
	{
		while ($self->{buffer} !~ /\r\n\r\n/)
		{
			$self->read or return;
		}
		$self->{buffer} =~ s{^(\S+) (\S+) HTTP/1\.[01]\r\n(.*?)\r\n\r\n}{}s or return;
		my ($method, $path, $fields) = ($1, $2, $3);
		my $length = $fields =~ /^Content-Length: (\d+)/mi ? $1 : 0;
		while (length $self->{buffer} < $length)
		{
			$self->read or return;
		}
		$self->_handle({ method => $method, path => $path, body => substr $self->{buffer}, 0, $length, '' });
	}
	return;
}

sub _serve_http2
{
	my ($self) = @_;
	my $peer = $self->{peer};
	my %body;

	while (length $self->{buffer} < length PREFACE)
	{
		$self->read or return;
	}
	substr($self->{buffer}, 0, length PREFACE) = '';
	$self->write(settings($peer->{settings} ? $peer->{settings}->($self) : ()));
	while (my $frame = $self->next_frame)
	{
		my ($type, $flags, $stream) = @$frame{qw(type flags stream)};

		$self->write(settings_ack()) if $type == SETTINGS && !($flags & ACK);
		$self->write(ping(ACK, $frame->{payload})) if $type == PING && !($flags & ACK);
		$self->note("reset $stream") if $type == RST_STREAM;
		next if $type != DATA && $type != HEADERS;
		$body{$stream} .= $frame->{payload} if $type == DATA;
		$self->write(window_update(0, length $frame->{payload})) if $type == DATA && length $frame->{payload};
		$self->_handle({ stream => $stream, body => delete $body{$stream} // '' }) if $flags & END_STREAM;
	}
	return;
}

sub _handle
{
	my ($self, $request) = @_;
	my $peer = $self->{peer};

	my ($number) = "$request->{body} @{[ $request->{path} // '' ]}" =~ /row[- ](\d+)/;
	$request->{row} = defined $number ? "row $number" : '';
	$request->{number} = ++$self->{requests};
	$self->note("request $request->{row}");
	$peer->{request} ? $peer->{request}->($self, $request) : $self->answer($request);
	return;
}

=head2 $connection->answer($request, $body)

The right answer, or that one.

=head2 $connection->answer_bytes($request, $body, @fields)

The same as bytes, with these further header lines ("Name: value").

=cut

sub answer
{
	my ($self, $request, $body) = @_;

	return $self->write($self->answer_bytes($request, $body));
}

sub answer_bytes
{
	my ($self, $request, $body, @fields) = @_;

	$body //= qq({"v": "$request->{row}"});
	return headers($request->{stream}, 200, [ 'content-length' => length $body, map { split /: /, $_, 2 } @fields ])
	  . data($request->{stream}, $body, END_STREAM)
	  if $request->{stream};
	return join("\r\n", 'HTTP/1.1 200 OK', 'Content-Length: ' . length $body, @fields, '', '') . $body;
}

=head2 $connection->write($bytes)

Ends the connection's process where the client is gone.  Over TLS it is a record of its
own, up to 16 kB.

=head2 $connection->try_write($bytes)

Returns whether the client is still there.

=cut

sub write
{
	my ($self, $bytes) = @_;

	$self->try_write($bytes) or $self->leave;
	return 1;
}

sub try_write
{
	my ($self, $bytes) = @_;

	while (length $bytes)
	{
		my $written = syswrite($self->{socket}, $bytes) or return 0;
		substr($bytes, 0, $written) = '';
	}
	return 1;
}

=head2 $connection->read($seconds)

Adds what comes to its C<buffer>; false when the client has closed it, or after so long.

=head2 $connection->next_frame

The next frame of HTTP/2; undef when the client has closed it.

=cut

sub read
{
	my ($self, $seconds) = @_;
	my $socket = $self->{socket};

	return 0 if defined $seconds && !($socket->can('pending') && $socket->pending)
	  && !IO::Select->new($socket)->can_read($seconds);
	return sysread($socket, $self->{buffer}, 65536, length $self->{buffer});
}

sub next_frame
{
	my ($self) = @_;

	while (1)
	{
		my $frame = Http2Frames::next_frame(\$self->{buffer});
		return $frame if $frame;
		$self->read or return undef;
	}
}

=head2 $connection->close

Ends the connection as it is to be ended, TLS with its close_notify; does not return.

=head2 $connection->cut

The same, but without a word in TLS; does not return.

=head2 $connection->silent

Neither reads nor writes any more, and stays open; does not return.

=head2 $connection->leave

Ends its process; does not return.

=cut

sub close
{
	my ($self) = @_;
	my $socket = $self->{socket};

	$socket->stop_SSL(SSL_fast_shutdown => 1, SSL_no_shutdown => 0) if $socket->can('stop_SSL');
	return $self->cut;
}

sub cut
{
	my ($self) = @_;
	my $descriptor = fileno $self->{socket} // $self->leave;
	my $bytes;

	# a handle of its own, which knows nothing of TLS
	open(my $raw, '+<&', $descriptor) or $self->leave;
	shutdown($raw, 1);
	# what the client still sends would otherwise make the kernel reset the connection
	1 while sysread($raw, $bytes, 65536);
	return $self->leave;
}

sub silent
{
	my ($self) = @_;

	$self->note('silent');
	sleep WirePeer::LIFETIME;
	return $self->leave;
}

sub leave { POSIX::_exit(0); }

=head2 $connection->note($text)

For the test: see notes().

=head2 $connection->once($name)

True for the first, of all connections, that asks.

=cut

sub note
{
	my ($self, $text) = @_;

	sysopen(my $file, "$self->{peer}{dir}/notes", O_WRONLY | O_APPEND | O_CREAT) or die $!;
	syswrite($file, "$self->{number} $text\n");
	return;
}

sub once
{
	my ($self, $name) = @_;

	return sysopen(my $file, "$self->{peer}{dir}/once-" . $name =~ s/\W/-/gr, O_WRONLY | O_CREAT | O_EXCL);
}

1;
