
=head1 NAME

FuzzConnection - one connection of a FuzzPeer: bytes in and out, and its log

=head1 DESCRIPTION

Reading and writing are the same with and without TLS.  All waiting is bounded; the
process as a whole is by its alarm.

=cut

package FuzzConnection;

use strict;
use warnings;

use FuzzAnswer qw(any);
use Fcntl qw(LOCK_EX LOCK_NB);
use IO::Socket::SSL;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(sleep time);

# Of Linux: options, and where in struct tcp_info the milliseconds since the last bytes are.
use constant { TCP_CORK => 3, TCP_INFO => 11, LAST_DATA_RECEIVED => 52 };

# No process of the peer outlives this, whatever its client does.
use constant MAX_SECONDS => 180;

# How often a wait looks at the clock: how well is known when nothing had come yet.
use constant SLICE => 0.02;

# A new request comes this long after others must have run into their timeout.
use constant SLACK => 1;

=head2 FuzzConnection->new($socket, $number, $file, \%option)

The options are FuzzPeer's.

=cut

sub new
{
	my ($class, $socket, $number, $file, $option) = @_;

	open(my $log, '>>', $file) or die "$file: $!";
	setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
	open(my $raw, '+<&=', fileno $socket) or die $!;
	my $self = bless {
		socket => $socket, raw => $raw, number => $number, log => $log, option => $option,
		in => '', clean => 1, quiet_at => 0,
	}, $class;
	$self->{begun} = time - $self->_waited;
	return $self;
}

# For how many seconds what is to be read has been there, or the connection.
sub _waited
{
	my ($self) = @_;
	my $info = getsockopt $self->{raw}, IPPROTO_TCP, TCP_INFO;

	return unpack("x${\LAST_DATA_RECEIVED}L", $info) / 1000;
}

=head2 $connection->note($word, $row, @words)

A line of the log.

=head2 $connection->dirty($why)

From now on nothing on this connection counts as proper.

=cut

sub note
{
	my ($self, $word, $row, @words) = @_;

	syswrite $self->{log}, sprintf("%.4f %d %s %s %s\n", time, $self->{number}, $word, $row, join ' ', @words);
	return;
}

sub dirty
{
	my ($self, $why) = @_;

	$self->note('dirty', '-', $why);
	$self->{clean} = 0;
	return;
}

=head2 $connection->secure($context)

The TLS handshake; false if there was none.

=head2 $connection->protocol

What was agreed on.

=cut

sub secure
{
	my ($self, $context) = @_;

	return $self->{tls} = IO::Socket::SSL->start_SSL($self->{socket}, SSL_server => 1, SSL_reuse_ctx => $context, Timeout => 10);
}

sub protocol
{
	my ($self) = @_;

	return $self->{socket}->alpn_selected // 'http/1.1';
}

=head1 READING

=head2 $connection->more($seconds)

Adds to C<in> what comes within that time: true; 0 if nothing does, undef at the end.

=head2 $connection->since

When the client began to wait for what was read last: however late this process read it.  For the first
request that is when the connection came about.

=head2 $connection->is_quiet

Nothing has come.

=head2 $connection->quiet_until

So far it is known that the client had sent nothing more.

=cut

sub more
{
	my ($self, $seconds) = @_;
	my $until = time + $seconds;

	while ($self->is_quiet)
	{
		my $left = $until - time;

		return 0 if $left <= 0;
		$self->_wait($left < SLICE ? $left : SLICE);
	}
	my $came = time - $self->_waited;
	my $count = sysread $self->{socket}, $self->{in}, 65536, length $self->{in};
	$self->{came} = $came if $count;
	return $count if $count;
	# a record of TLS that says nothing to us, such as a new key
	return 1 if !defined $count && $self->{tls} && $SSL_ERROR == SSL_WANT_READ;
	return undef;
}

sub since
{
	my ($self) = @_;

	return delete $self->{begun} // $self->{came};
}

sub is_quiet
{
	my ($self) = @_;

	return 0 if $self->{tls} && $self->{socket}->pending || $self->_wait(0);
	$self->{quiet_at} = time;
	return 1;
}

sub quiet_until { return $_[0]->{quiet_at}; }

sub _wait
{
	my ($self, $seconds) = @_;
	my $bits = '';

	vec($bits, fileno $self->{raw}, 1) = 1;
	return select($bits, undef, undef, $seconds) > 0;
}

=head1 WRITING

=head2 $connection->put(@pieces)

One after the other, each at once; a number is a time to wait.  False: the client is gone.

=head2 $connection->put_together(@pieces)

So that the client cannot see one of them without the others; with TLS each is a
record.

=head2 $connection->put_raw($bytes)

Below TLS.

=cut

sub put
{
	my ($self, @pieces) = @_;

	foreach my $piece (@pieces)
	{
		if (ref $piece)
		{
			sleep($$piece);
			next;
		}
		_write($self->{socket}, $piece) or return 0;
	}
	return 1;
}

sub put_together
{
	my ($self, @pieces) = @_;

	return $self->put(join '', @pieces) if !$self->{tls};
	setsockopt $self->{raw}, IPPROTO_TCP, TCP_CORK, 1;
	my $done = $self->put(@pieces);
	setsockopt $self->{raw}, IPPROTO_TCP, TCP_CORK, 0;
	return $done;
}

sub put_raw
{
	my ($self, $bytes) = @_;

	return _write($self->{raw}, $bytes);
}

sub _write
{
	my ($to, $bytes) = @_;

	for (my $done = 0; $done < length $bytes;)
	{
		my $written = syswrite $to, $bytes, length($bytes) - $done, $done;

		return 0 if !$written;
		$done += $written;
	}
	return 1;
}

=head2 $connection->flood($first, $bytes)

Those bytes again and again behind the first, for as long as the client bears it, but no more than four
seconds; notes for how long that was.  One connection does so at a time: others, that would take the client's
processor, only begin.

=cut

sub flood
{
	my ($self, $first, $bytes) = @_;
	my $done = $self->put($first . $bytes);

	open(my $turn, '>>', $self->{option}{turns}) or die $!;
	return $done if !flock $turn, LOCK_EX | LOCK_NB;
	my $began = time;
	while ($done && time < $began + 4)
	{
		$done = $self->put($bytes);
	}
	$self->note('flood', '-', sprintf '%.3f', time - $began);
	return $done;
}

=head2 wait_for($seconds)

A piece for put(): a time to wait.

=head2 pieces($bytes, $most)

The bytes in pieces of at most that many, no more than a hundred.

=cut

sub wait_for
{
	my ($seconds) = @_;

	return \$seconds;
}

sub pieces
{
	my ($bytes, $most) = @_;
	my @pieces;

	push @pieces, substr $bytes, 0, 1 + int(rand($most)), '' while length $bytes && @pieces < 100;
	return (@pieces, length $bytes ? $bytes : ());
}

=head2 garbage($count)

Bytes at random.

=head2 alert()

One of TLS, not encrypted.

=head2 flip($bytes, $count)

Some bits turned over.

=cut

sub garbage
{
	my ($count) = @_;

	return join '', map { chr rand 256 } 1 .. $count;
}

sub alert
{
	my @codes = (0, 10, 20, 21, 22, 40, 42, 46, 48, 70, 80, 86, 90, 109, 116, 120, 255);

	return pack 'C3nCC', 21, 3, 3, 2, 1 + int(rand(2)), any(@codes);
}

sub flip
{
	my ($bytes, $count) = @_;

	return $bytes if !length $bytes;
	foreach (1 .. $count)
	{
		my $at = rand length $bytes;

		substr($bytes, $at, 1) = chr(ord(substr $bytes, $at, 1) ^ 1 << rand 8);
	}
	return $bytes;
}

=head1 THE END

=head2 $connection->end($how)

C<close>, as is proper; C<drop>, without TLS's close_notify; C<reset>; C<notify>, TLS's alone and then nothing.
Ends the process but for the last.

=cut

sub end
{
	my ($self, $how) = @_;

	if ($how eq 'reset')
	{
		setsockopt $self->{raw}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
		POSIX::_exit(0);
	}
	$self->{socket}->stop_SSL(SSL_fast_shutdown => 1, SSL_ctx_free => 0)
	  if $self->{tls} && ($how eq 'close' || $how eq 'notify');
	delete $self->{tls};
	return $self->drain if $how eq 'notify';
	# what the client still sends would otherwise make the kernel reset the connection
	shutdown $self->{raw}, 1;
	$self->drain;
	POSIX::_exit(0);
}

=head2 $connection->drain

Reads until the client closes, without a word.

=head2 $connection->mute

From now on nothing is written any more: what the client asks for is noted, and not answered.

=head2 $connection->asked($row, $stream)

A request has come: notes it, and whether it should not have.

=cut

sub drain
{
	my ($self) = @_;

	while (1)
	{
		my $count = sysread $self->{raw}, my $bytes, 65536;
		last if !$count;
	}
	return;
}

sub mute
{
	my ($self) = @_;

	$self->{mute} = 1;
	return;
}

sub asked
{
	my ($self, $row, $stream) = @_;
	my $now = time;

	$self->note('seen', $row, $stream);
	return if !$self->{mute};
	$self->{unanswered_at} //= $now;
	my $seconds = $now - $self->{unanswered_at};
	$self->note('again', $row, sprintf '%.3f', $seconds) if $seconds > $self->{option}{timeout} + SLACK;
	return;
}

1;
