
=head1 NAME

Sampler - what the workers of a server use while something runs

=cut

package Sampler;

use strict;
use warnings;

use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep);

my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());

=head2 Sampler::cpu_seconds($pid)

Processor time that a process has taken so far; undefined if it is gone.

=cut

sub cpu_seconds
{
	my ($pid) = @_;
	my @stat = split ' ', _slurp("/proc/$pid/stat") =~ s/^.*\) //r;

	# utime and stime, which are fields 14 and 15
	return @stat > 12 ? ($stat[11] + $stat[12]) / $ticks : undef;
}

=head2 Sampler->start($postmaster, $kind)

Looks, fifty times a second, at the children of that process whose title names
such a kind of process ("worker"), until stop(), which returns a hash: peak, the
largest sum of their private memory in bytes; cpu, their seconds of processor
time; cpu_last, those of the process that began last; and cpu_used, those spent
since start().

=cut

sub start
{
	my ($class, $postmaster, $kind) = @_;
	pipe(my $reader, my $writer) or die $!;
	my $pid = fork() // die $!;

	if ($pid == 0)
	{
		my $done = 0;

		close $reader;
		local $SIG{TERM} = sub { $done = 1; };
		my $self = { postmaster => $postmaster, kind => $kind // 'worker', peak => 0, cpu => {}, cpu_before => {} };
		while (!$done)
		{
			_look($self);
			sleep 0.02;
		}
		my ($cpu, $before) = (0, 0);
		$cpu += $_ foreach values %{ $self->{cpu} };
		$before += $_ foreach values %{ $self->{cpu_before} };
		syswrite $writer, JSON::PP::encode_json({ peak => $self->{peak}, cpu => $cpu, cpu_used => $cpu - $before,
			cpu_last => defined $self->{last} ? $self->{cpu}{ $self->{last} } : 0 });
		POSIX::_exit(0);
	}
	close $writer;
	return bless { pid => $pid, reader => $reader }, $class;
}

sub stop
{
	my ($self) = @_;

	kill 'TERM', $self->{pid};
	local $/;
	my $result = readline $self->{reader};
	waitpid delete $self->{pid}, 0;
	return JSON::PP::decode_json($result);
}

sub DESTROY
{
	my ($self) = @_;

	local ($@, $?);
	$self->stop if $self->{pid};
	return;
}

sub _slurp
{
	my ($name) = @_;

	open(my $file, '<', $name) or return '';
	local $/;
	return scalar <$file> // '';
}

sub _look
{
	my ($self) = @_;
	my $memory = 0;

	foreach my $pid (split ' ', _slurp("/proc/$self->{postmaster}/task/$self->{postmaster}/children"))
	{
		next if _slurp("/proc/$pid/cmdline") !~ /pg_enrich $self->{kind}/;
		my ($anonymous) = _slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m or next;
		my $seconds = cpu_seconds($pid);

		$memory += $anonymous * 1024;
		$self->{cpu}{$pid} = $seconds if defined $seconds;
		$self->{last} = $pid if !defined $self->{cpu_before}{$pid};
		$self->{cpu_before}{$pid} //= $self->{cpu}{$pid};
	}
	$self->{peak} = $memory if $memory > $self->{peak};
	return;
}

1;
