
=head1 NAME

Bench - a server, the mock and a stopwatch for the benchmarks

=cut

package Bench;

use strict;
use warnings;

use Carp;
use HTTP::Tiny;
use JSON::PP ();
use POSIX ();
use Sampler;
use Time::HiRes qw(sleep time);

my $json = JSON::PP->new->utf8->canonical;

=head2 Bench->new(dir => …, bin => …, quick => …)

A PostgreSQL server with pg_enrich, and the mock, in that directory.  With two
cores or more the mock has the last one for itself, and everything else shares
the others.

=cut

sub new
{
	my ($class, %option) = @_;
	my $self = bless { %option, cores => cores(), servers => 0 }, $class;

	$self->_start_postgres;
	$self->_start_mock;
	return $self;
}

sub cores
{
	my @cpus = grep { /^processor/ } split /^/, slurp('/proc/cpuinfo');

	return scalar @cpus;
}

sub slurp
{
	my ($name) = @_;

	open(my $file, '<', $name) or return '';
	local $/;
	return scalar <$file> // '';
}

# The cores of the mock, and of everything else.
sub _pinned
{
	my ($self, $what) = @_;

	return () if $self->{cores} < 2;
	my $last = $self->{cores} - 1;
	return ('taskset', '-c', $what eq 'mock' ? $last : '0-' . ($last - 1));
}

sub run
{
	my ($self, @command) = @_;

	open(my $pipe, '-|', @command) or croak "could not run $command[0]: $!";
	local $/;
	my $output = <$pipe>;
	close $pipe or croak "failed: @command";
	return $output;
}

sub _start_postgres
{
	my ($self) = @_;
	my $data = "$self->{dir}/data";

	$self->run("$self->{bin}/initdb", '-D', $data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync');
	open(my $conf, '>>', "$data/postgresql.conf") or croak $!;
	print $conf <<"END";
shared_preload_libraries = 'pg_enrich'
listen_addresses = ''
unix_socket_directories = '$self->{dir}'
max_worker_processes = 16
shared_buffers = 512MB
max_wal_size = 16GB
checkpoint_timeout = 1h
END
	close $conf;
	$self->run($self->_pinned('postgres'), "$self->{bin}/pg_ctl", '-s', '-D', $data, '-l', "$self->{dir}/server.log", '-w', 'start');
	($self->{postmaster}) = slurp("$data/postmaster.pid") =~ /^(\d+)/;
	$self->sql('CREATE EXTENSION pg_enrich');
	return;
}

sub _start_mock
{
	my ($self) = @_;
	my $port_file = "$self->{dir}/port";

	$self->{mock} = fork() // croak $!;
	if ($self->{mock} == 0)
	{
		open(STDOUT, '>', "$self->{dir}/mock.log");
		exec $self->_pinned('mock'), "$self->{tree}/test/mock/mockapi", '--with-parent', '--port-file', $port_file
		  or POSIX::_exit(127);
	}
	for (1 .. 200)
	{
		last if -s $port_file;
		sleep 0.05;
	}
	($self->{port}) = slurp($port_file) =~ /(\d+)/ or croak 'the mock did not start';
	return;
}

sub stop
{
	my ($self) = @_;

	kill 'TERM', $self->{mock};
	waitpid $self->{mock}, 0;
	$self->run("$self->{bin}/pg_ctl", '-s', '-D', "$self->{dir}/data", '-m', 'immediate', '-w', 'stop');
	return;
}

=head2 $bench->sql($sql)

What psql prints, unaligned; dies on an error.

=cut

sub sql
{
	my ($self, $sql) = @_;
	my $pid = open(my $pipe, '-|') // croak $!;

	if ($pid == 0)
	{
		open(STDERR, '>&', \*STDOUT);
		exec "$self->{bin}/psql", '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $self->{dir}, '-U', 'bench', '-d', 'postgres',
		  '-c', 'SET client_min_messages = warning', '-c', $sql
		  or POSIX::_exit(127);
	}
	local $/;
	my $output = <$pipe> // '';
	close $pipe or croak "SQL failed: $sql\n$output";
	$output =~ s/\n\z//;
	return $output;
}

=head2 $bench->url($path), $bench->mock($method, $path, $body)

An address of the mock; asking it, where a reference as body is sent as JSON.

=cut

sub url { return "http://127.0.0.1:$_[0]->{port}$_[1]"; }

sub mock
{
	my ($self, $method, $path, $body) = @_;
	my $answer = HTTP::Tiny->new(timeout => 120)->request($method, $self->url($path),
		{ defined $body ? (content => ref $body ? $json->encode($body) : $body) : () });

	croak "$method $path: $answer->{status} $answer->{content}" if !$answer->{success};
	return $answer->{content};
}

# A foreign server for the mock, with these options; its name.
sub server
{
	my ($self, %option) = @_;
	my $name = 'api' . ++$self->{servers};

	$option{url} //= $self->url('');
	$self->sql("CREATE SERVER $name FOREIGN DATA WRAPPER pg_enrich OPTIONS ("
		  . join(', ', map { "$_ '$option{$_}'" } sort keys %option) . ')');
	return $name;
}

=head2 $bench->job(%arguments)

Runs a job and returns a hash: seconds (from the end of bucketizing to the end),
bucketizing (seconds), peak (private memory of its workers, bytes), cpu (their
seconds), dead and catalog (dead rows that the job has left in the tables of schema
enrich, and their size in bytes).  Arguments are SQL expressions.  Dies unless every
row is done.

=cut

sub job
{
	my ($self, %arguments) = @_;

	# what jobs before it have left there
	$self->sql('VACUUM enrich.job, enrich.job_counters, enrich.bucket, enrich.partition, enrich.failure');
	my $sampler = Sampler->start($self->{postmaster});
	my $job = $self->sql('SELECT enrich.start(' . join(', ', map { "$_ => $arguments{$_}" } sort keys %arguments) . ')');

	$self->sql("CALL enrich.wait($job)");
	my $used = $sampler->stop;
	my ($state, $error, $failed, $seconds, $bucketizing, $rows) = split /\|/, $self->sql(<<"END");
SELECT p.state, coalesce(p.error, ''), p.rows_failed + p.rows_skipped, extract(epoch FROM j.finished_at - j.bucketized_at),
	extract(epoch FROM j.bucketized_at - j.started_at), p.rows_done
FROM enrich.progress p JOIN enrich.jobs j USING (job) WHERE p.job = $job
END
	croak "the job is $state: $error" if $state ne 'completed';
	croak "$failed rows were not done" if $failed != 0;
	my ($dead, $catalog) = $self->_catalog;
	$self->sql("SELECT enrich.drop($job)");
	return { seconds => $seconds, bucketizing => $bucketizing, rows => $rows, dead => $dead, catalog => $catalog, %$used };
}

# Dead rows and size of our tables; the workers, whose statistics tell, have ended before that.
sub _catalog
{
	my ($self) = @_;

	sleep 0.02 while $self->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'") > 0;
	return split /\|/, $self->sql("SELECT sum(n_dead_tup), sum(pg_total_relation_size(relid)) FROM pg_stat_all_tables
		WHERE schemaname = 'enrich'");
}

=head2 $bench->settle

Before anything is measured: what others have written is on disk, and WAL files are
there to be used again, so that it pays for its own writing only.

=cut

sub settle
{
	my ($self) = @_;

	$self->sql('CHECKPOINT');
	return;
}

# Runs SQL and returns the seconds it took, in the server.
sub timed_sql
{
	my ($self, $sql) = @_;

	return $self->sql(<<"END");
CREATE TEMP TABLE stopwatch AS SELECT clock_timestamp() AS started;
$sql;
SELECT extract(epoch FROM clock_timestamp() - started) FROM stopwatch
END
}

# Seconds that one of the programs beside this file took, on the cores of the server.
sub reference
{
	my ($self, $program, @arguments) = @_;

	return $self->run($self->_pinned('postgres'), "$self->{tree}/test/benchmarks/$program", @arguments) + 0;
}

# Dies unless a query says that everything is right, by 't'.
sub check
{
	my ($self, $what, $sql) = @_;

	my $result = $self->sql($sql);
	croak "$what: wrong ($result)" if $result ne 't';
	return;
}

1;
