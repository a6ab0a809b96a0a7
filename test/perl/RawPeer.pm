
=head1 NAME

RawPeer - an HTTP server that says anything at all, to the byte

=head1 DESCRIPTION

A WirePeer for many different answers, each on a connection of its own: broken status
lines, answers without end, half an answer.

=cut

package RawPeer;

use strict;
use warnings;

use WirePeer;

our @ISA = ('WirePeer');

=head2 RawPeer->start(\%answers)

A request for F</NAME/...> gets C<< $answers{NAME} >>, of which each element is written
in turn: a string as it is, a reference to code is called with a function that writes
(false: the client is gone).  The connection is closed behind the last.

=cut

sub start
{
	my ($class, $answers) = @_;

	return $class->SUPER::start(request => sub {
		my ($connection, $request) = @_;
		my ($name) = $request->{path} =~ m{^/(\w+)};
		my $write = sub { $connection->try_write(@_) };

		foreach my $part (@{ $answers->{$name} // [] })
		{
			(ref $part ? $part->($write) : $write->($part)) or $connection->leave;
		}
		$connection->close;
	});
}

1;
