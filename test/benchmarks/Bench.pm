
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

A PostgreSQL server with pg_enrich, and with pg_stat_statements where that is
installed, and the mock, in that directory.  With two cores or more the mock has
the last one for itself, and everything else shares the others.

=cut

sub new
{
	my ($class, %option) = @_;
	my $self = bless { %option, cpus => [ cpus() ], servers => 0 }, $class;

	$self->_start_postgres;
	$self->_start_mock;
	return $self;
}

# The cores that we may run on.
sub cpus
{
	my ($list) = slurp('/proc/self/status') =~ /^Cpus_allowed_list:\s*(\S+)/m;

	return map { /(\d+)-(\d+)/ ? $1 .. $2 : $_ } split /,/, $list // '0';
}

sub cores { return scalar @{ $_[0]{cpus} }; }

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

	my @cpus = @{ $self->{cpus} };

	return () if @cpus < 2;
	return ('taskset', '-c', $what eq 'mock' ? $cpus[-1] : join(',', @cpus[ 0 .. $#cpus - 1 ]));
}

=head2 $bench->on_all_cores($code)

Runs that while new processes of the server may run on every core, the mock's included.

=cut

sub on_all_cores
{
	my ($self, $code) = @_;
	my ($all, @own) = (join(',', @{ $self->{cpus} }), $self->_pinned('postgres'));

	return $code->() if !@own;
	$self->run('taskset', '-pc', $all, $self->{postmaster});
	my $result = eval { $code->() };
	my $error = $@;
	$self->run('taskset', '-pc', $own[-1], $self->{postmaster});
	croak $error if !defined $result;
	return $result;
}

=head2 $bench->with_files($count, $code)

Runs that while the server's processes may have no more files open, whatever they ask for;
the server is started anew behind it, as nobody but root could raise that limit again.

=cut

sub with_files
{
	my ($self, $count, $code) = @_;

	$self->run('prlimit', "--nofile=$count:$count", '--pid', $self->{postmaster});
	my $result = eval { $code->() };
	my $error = $@;
	$self->_start_server('restart');
	croak $error if !defined $result;
	return $result;
}

# Seconds of processor time that the mock has taken so far.
sub mock_seconds { return Sampler::cpu_seconds($_[0]{mock}); }

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
	my ($libraries) = split /\n/, $self->run("$self->{bin}/pg_config", '--pkglibdir');
	my $preloaded = 'pg_enrich';

	$self->{has_statements} = -e "$libraries/pg_stat_statements.so";
	$preloaded .= ', pg_stat_statements' if $self->{has_statements};
	$self->run("$self->{bin}/initdb", '-D', $data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync');
	open(my $conf, '>>', "$data/postgresql.conf") or croak $!;
	print $conf <<"END";
shared_preload_libraries = '$preloaded'
listen_addresses = ''
unix_socket_directories = '$self->{dir}'
max_worker_processes = 16
shared_buffers = 512MB
min_wal_size = 4GB
max_wal_size = 16GB
checkpoint_timeout = 1h
END
	close $conf;
	$self->_start_server('start');
	$self->sql('CREATE EXTENSION pg_enrich');
	$self->sql('CREATE EXTENSION pg_stat_statements') if $self->{has_statements};
	return;
}

sub _start_server
{
	my ($self, $how) = @_;
	my $data = "$self->{dir}/data";

	$self->run($self->_pinned('postgres'), "$self->{bin}/pg_ctl", '-s', '-D', $data, '-l', "$self->{dir}/server.log", '-w', $how);
	($self->{postmaster}) = slurp("$data/postmaster.pid") =~ /^(\d+)/;
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

=head2 $bench->sql($sql, …)

What psql prints, unaligned; dies on an error.  Each argument is a transaction of
its own.

=cut

sub sql
{
	my ($self, @sql) = @_;
	my $pid = open(my $pipe, '-|') // croak $!;

	if ($pid == 0)
	{
		open(STDERR, '>&', \*STDOUT);
		exec "$self->{bin}/psql", '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $self->{dir}, '-U', 'bench', '-d', 'postgres',
		  map { ('-c', $_) } 'SET client_min_messages = warning', @sql
		  or POSIX::_exit(127);
	}
	local $/;
	my $output = <$pipe> // '';
	close $pipe or croak "SQL failed: @sql\n$output";
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
seconds).  Arguments are SQL expressions.  Dies unless every row is done.

Of two that are none, C<watch> is a query: what it gives every half a second while
the job runs is in rows_watched, a list of lists.  C<inspect> is called with the job
once its workers have left, before it is dropped; what it returns is added to the
hash.

=cut

sub job
{
	my ($self, %arguments) = @_;
	my ($watched, $inspect) = delete @arguments{qw(watch inspect)};
	my $sampler = Sampler->start($self->{postmaster});
	my $watch = defined $watched ? $self->_watch($watched) : undef;
	my $job = $self->sql('SELECT enrich.start(' . join(', ', map { "$_ => $arguments{$_}" } sort keys %arguments) . ')');

	$self->sql("CALL enrich.wait($job)");
	my %used = %{ $sampler->stop };
	$used{rows_watched} = $watch->stop if $watch;
	my ($state, $error, $failed, $seconds, $bucketizing, $rows) = split /\|/, $self->sql(<<"END");
SELECT p.state, coalesce(p.error, ''), p.rows_failed + p.rows_skipped, extract(epoch FROM j.finished_at - j.bucketized_at),
	extract(epoch FROM j.bucketized_at - j.started_at), p.rows_done
FROM enrich.progress p JOIN enrich.jobs j USING (job) WHERE p.job = $job
END
	croak "the job is $state: $error" if $state ne 'completed';
	croak "$failed rows were not done" if $failed != 0;
	if ($inspect)
	{
		# what they counted is there to be read when they are gone
		sleep 0.05 while $self->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker'");
		%used = (%used, %{ $inspect->($job) });
	}
	$self->sql("SELECT enrich.drop($job)");
	return { seconds => $seconds, bucketizing => $bucketizing, rows => $rows, %used };
}

# A failed workload has left a job behind: it is not to run beside the next one.
sub clear_up
{
	my ($self) = @_;

	$self->sql('SELECT enrich.cancel(job) FROM enrich.jobs WHERE finished_at IS NULL');
	return;
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

=head2 $bench->reserve_wal($megabytes)

So many WAL files are there to be used again from now on.  A server that has never
written as many makes new ones, full of zeros, while a large job runs and not while
a small one does.  C<min_wal_size> is to be no less.

=cut

sub reserve_wal
{
	my ($self, $megabytes) = @_;

	$self->sql(<<"END");
SELECT count(pg_logical_emit_message(false, 'bench', repeat('x', 1000000)))
FROM generate_series(1, $megabytes - (SELECT sum(size) / 1e6 FROM pg_ls_waldir())::integer)
END
	$self->settle;
	return;
}

# Begins to ask a query every half a second; stop() ends that and returns the rows.
sub _watch
{
	my ($self, $query) = @_;
	my $file = "$self->{dir}/watched";

	open(my $script, '>', "$file.sql") or croak $!;
	print $script "$query \\watch 0.5\n";
	close $script or croak $!;
	my $pid = fork() // croak $!;
	if ($pid == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', $file);
		exec "$self->{bin}/psql", '-XAtq', '-h', $self->{dir}, '-U', 'bench', '-d', 'postgres', '-f', "$file.sql"
		  or POSIX::_exit(127);
	}
	return bless { pid => $pid, file => $file }, 'Bench::Watch';
}

sub Bench::Watch::stop
{
	my ($watch) = @_;

	kill 'INT', $watch->{pid};		# psql writes what it still holds, and ends
	waitpid delete $watch->{pid}, 0;
	return [ map { [ split /\|/, $_ ] } grep { /\|/ } split /\n/, slurp($watch->{file}) ];
}

sub Bench::Watch::DESTROY
{
	my ($watch) = @_;

	local ($@, $?);
	$watch->stop if $watch->{pid};
	return;
}

# Runs SQL and returns the seconds it took, in the server, until it is on disk.
sub timed_sql
{
	my ($self, $sql) = @_;

	return $self->sql('CREATE TEMP TABLE stopwatch AS SELECT clock_timestamp() AS started', $sql,
		'SELECT extract(epoch FROM clock_timestamp() - started) FROM stopwatch');
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
