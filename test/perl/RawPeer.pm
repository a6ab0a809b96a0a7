
=head1 NAME

RawPeer - an HTTP server that says anything at all, to the byte

=head1 DESCRIPTION

The mock speaks correct HTTP, whatever it says in it.  This one writes what it is
given: broken status lines, answers without end, half an answer.

=cut

package RawPeer;

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();

=head2 RawPeer->start(\%answers)

Serves, in processes of its own, until the object goes.  A request for F</NAME/...>
gets C<< $answers{NAME} >>, of which each element is written in turn: a string as
it is, a reference to code is called with a function that writes (false: the client
is gone).  The connection is closed behind the last.

=cut

sub start
{
	my ($class, $answers) = @_;
	my $listener = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1', Proto => 'tcp')
	  or die "could not listen: $!";
	my $self = bless { port => $listener->sockport, parent => $$ }, $class;

	$self->{pid} = fork() // die "could not fork: $!";
	if ($self->{pid} == 0)
	{
		local $SIG{CHLD} = 'IGNORE';
		setpgrp(0, 0);
		while (getppid() == $self->{parent} && defined(my $client = $listener->accept))
		{
			next if fork();
			_serve($client, $answers);
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	return $self;
}

# One request on one connection.
sub _serve
{
	my ($client, $answers) = @_;
	my $head = '';

	local $SIG{PIPE} = 'IGNORE';
	while ($head !~ /\r\n\r\n/)
	{
		sysread($client, $head, 65536, length $head) or return;
	}
	my ($name) = $head =~ m{^\S+ /(\w+)};
	my $write = sub {
		my ($bytes) = @_;

		while (length $bytes)
		{
			my $written = syswrite($client, $bytes) or return 0;
			substr($bytes, 0, $written) = '';
		}
		return 1;
	};
	foreach my $part (@{ $answers->{$name} // [] })
	{
		(ref $part ? $part->($write) : $write->($part)) or return;
	}
	# what the client still sends would otherwise make the kernel reset the connection
	shutdown($client, 1);
	1 while sysread($client, $head, 65536);
	return;
}

=head2 $peer->url

Its address, without a path.

=cut

sub url { return "http://127.0.0.1:$_[0]->{port}"; }

sub DESTROY
{
	my ($self) = @_;

	return if $self->{parent} != $$;
	local ($?, $!);
	kill 'KILL', -$self->{pid}, $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

1;
