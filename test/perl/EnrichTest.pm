
=pod

=head1 NAME

EnrichTest - a PostgreSQL node with pg_enrich, and the mock API server beside it

=head1 SYNOPSIS

  use EnrichTest;
  use Test::More;

  my $t = EnrichTest->new;
  $t->create_server('api', max_concurrency => 4);
  $t->mock_script({ latency => 100, path => '/items' });
  $t->sql('CREATE TABLE town (id integer PRIMARY KEY, name text)');
  my $job = $t->start_job(source => 'town', server => 'api', path => '/items',
      input => ['name'], results => '$.items[*]', output => { 'label text' => '$.upper' });
  $t->wait_job($job, 'completed');
  is($t->progress($job)->{rows_failed}, 0, 'no row failed');
  $t->stop;
  done_testing();

=head1 DESCRIPTION

Nothing in here sleeps for luck: whatever takes time is polled for, until a
deadline of C<PG_TEST_TIMEOUT_DEFAULT> seconds (180 if that is not set).  What
does not come about ends the test by die(), with what is there instead.

The mock is the program named by C<ENRICH_MOCK>, else test/mock/mockapi.  See
test/mock/README.md for its endpoints and scripts.

Where C<ENRICH_FRONT> is C<h2>, jobs reach the mock by a front that speaks HTTP/2 over TLS,
with requests that share connections: see L<Front>.  The test itself still asks the mock.

=cut

package EnrichTest;

use strict;
use warnings;

use Carp;
use HTTP::Tiny;
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

# How long to wait between two looks at a condition.
use constant POLL_SECONDS => 0.02;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $json_text = JSON::PP->new->canonical->allow_nonref;

# Parameters of enrich.start that are JSON, and those that are arrays.
my %is_json = map { $_ => 1 } qw(output request);
my %is_array = map { $_ => 1 } qw(input key);

=head1 START AND END

=head2 EnrichTest->new(%options)

A running node with pg_enrich preloaded and created in database postgres, and a
running mock.  Options, none of them needed:

=over

=item name

of the node ("main"); a test with several nodes names each

=item conf

lines for postgresql.conf

=item init

reference to the arguments of the node's init()

=item preload

a library that the server runs with: F<test/lib/NAME.c>, which is compiled for it

=item extension

0: no CREATE EXTENSION

=item mock

reference to a list of further options of the mock, such as C<['--threads', 2]>;
0: no mock

=back

=cut

sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		node => PostgreSQL::Test::Cluster->new($option{name} // 'main'),
		http => HTTP::Tiny->new(timeout => 30),
		mock_options => $option{mock} || [],
	}, $class;

	$self->node->init(@{ $option{init} || [] });
	$self->node->append_conf('postgresql.conf', <<"END");
shared_preload_libraries = 'pg_enrich'
max_worker_processes = 32
log_min_messages = info
@{[ $option{conf} // '' ]}
END
	{
		local $ENV{LD_PRELOAD} = join ':', grep { defined } library($option{preload}), $ENV{LD_PRELOAD}
		  if defined $option{preload};
		$self->node->start;
	}
	$self->sql('CREATE EXTENSION pg_enrich') if $option{extension} // 1;
	$self->start_mock if !exists $option{mock} || $option{mock};
	return $self;
}

=head2 EnrichTest::library($name)

Compiles F<test/lib/NAME.c>, for LD_PRELOAD; returns its path.

=cut

sub library
{
	my ($name) = @_;
	my $library = PostgreSQL::Test::Utils::tempdir() . "/$name.so";

	system_or_bail($ENV{CC} // 'cc', '-shared', '-fPIC', '-o', $library, "test/lib/$name.c", '-ldl');
	return $library;
}

=head2 $t->node

The PostgreSQL::Test::Cluster, for restarts, crashes and its log.

=cut

sub node { return $_[0]->{node}; }

=head2 $t->stop

Stops the mock and the node.  Without it both end with the test.

=cut

sub stop
{
	my ($self) = @_;

	$self->stop_mock;
	$self->node->stop('fast');
	$self->{front}->check if $self->{front};
	return;
}

=head1 SQL

All take C<< database => >> and C<< role => >> at the end: postgres and the
superuser by default.

=head2 $t->sql($sql, %option)

Runs SQL and returns its output, unaligned and without headers; dies where the
SQL fails.

=cut

sub sql
{
	my ($self, $sql, %option) = @_;
	my ($status, $out, $err) = $self->_psql($sql, %option);

	croak "SQL failed: $err\nin: $sql" if $status != 0;
	return $out;
}

=head2 $t->sql_error($sql, %option)

Runs SQL that is to fail and returns what psql prints to stderr, with the
SQLSTATE; the empty string if it did not fail.

=cut

sub sql_error
{
	my ($self, $sql, %option) = @_;
	my ($status, $out, $err) = $self->_psql("\\set VERBOSITY verbose\n$sql", %option);

	return $status == 0 ? '' : $err;
}

sub _psql
{
	my ($self, $sql, %option) = @_;
	my ($out, $err);

	# not part of what may be one statement: CALL enrich.wait runs outside a block
	$sql = "SET ROLE \"$option{role}\";\n$sql" if defined $option{role};
	my $status = eval {
		$self->node->psql($option{database} // 'postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 1);
	};

	# a psql that cannot connect may be gone before it is handed its input
	return (2, '', 'psql: error: connection to server at its socket failed: psql ended before it read anything') if !defined $status && $@ =~ /Broken pipe/;
	die $@ if !defined $status;
	return ($status, $out, $err);
}

=head2 $t->row($sql, %option)

The one row of a query, as a hash by column; dies where there is not just one.

=head2 $t->rows($sql, %option)

All rows of a query, as a list of such hashes.

=cut

sub rows
{
	my ($self, $sql, %option) = @_;

	$sql =~ s/;?\s*$//;
	my $lines = $self->sql("SELECT row_to_json(r) FROM ($sql) r", %option);
	return map { $json_text->decode($_) } split /\n/, $lines;
}

sub row
{
	my ($self, $sql, %option) = @_;
	my @rows = $self->rows($sql, %option);

	croak scalar(@rows) . " rows instead of one: $sql" if @rows != 1;
	return $rows[0];
}

=head2 $t->poll($sql, $expected, $timeout, %option)

Runs a query again and again until it returns just $expected ("t" if that is
undefined); dies after $timeout seconds.  This and wait_job() bear that the server
is down for a while.

=cut

sub poll
{
	my ($self, $sql, $expected, $timeout, %option) = @_;
	my $last;

	$expected //= 't';
	return if $self->_until($timeout, sub {
		$last = $self->_unless_down(sub { $self->sql($sql, %option) }) // 'no connection';
		return $last eq $expected;
	});
	croak "still not \"$expected\" but \"$last\": $sql";
}

# What the function returns; undef where the server is down, or not yet up again.
sub _unless_down
{
	my ($self, $function) = @_;
	my $result = eval { $function->() };

	return $result if defined $result;
	return undef if $@ =~ /connection to server (on|at)|server closed the connection/;
	die $@;
}

=head2 $t->poll_for($what, $condition, $timeout)

Calls a function until it returns true, and returns that; dies after $timeout
seconds, with $what was waited for.

=cut

sub poll_for
{
	my ($self, $what, $condition, $timeout) = @_;

	return $self->_until($timeout, $condition) || croak "timed out waiting for $what";
}

# What $condition returned, once it is true; false after the deadline.
sub _until
{
	my ($self, $timeout, $condition) = @_;
	my $deadline = time() + ($timeout // $PostgreSQL::Test::Utils::timeout_default);

	while (1)
	{
		my $result = $condition->();
		return $result if $result;
		return 0 if time() > $deadline;
		sleep(POLL_SECONDS);
	}
}

=head1 SERVERS AND JOBS

=head2 $t->create_server($name, %option)

CREATE SERVER with these options; C<url> is the mock's, if not given.  A C<url>
that begins with a slash is a path below the mock's.  Where that is the front's, what
it takes to reach it is added.  C<mapping> is a reference
to the options of a user mapping, which is then created for PUBLIC; C<database>
counts as in sql().

=cut

sub create_server
{
	my ($self, $name, %option) = @_;
	my $mapping = delete $option{mapping};
	my %where = (database => delete $option{database} // 'postgres');

	$option{url} //= '';
	$option{url} = $self->url($option{url}) if $option{url} =~ m{^(/|$)};
	%option = ($self->{front}->server_options, %option)
	  if $self->{front} && index($option{url}, $self->{front}->url) == 0;
	$self->sql("CREATE SERVER \"$name\" FOREIGN DATA WRAPPER pg_enrich OPTIONS "
		  . _options(%option), %where);
	$self->sql("CREATE USER MAPPING FOR PUBLIC SERVER \"$name\" OPTIONS " . _options(%$mapping), %where)
	  if $mapping;
	return;
}

sub _options
{
	my (%option) = @_;

	return '(' . join(', ', map { "\"$_\" " . _literal($option{$_}) } sort keys %option) . ')';
}

sub _literal
{
	my ($value) = @_;

	$value =~ s/'/''/g;
	return $value =~ s/\\/\\\\/g ? "E'$value'" : "'$value'";
}

=head2 $t->create_loopback

Makes the foreign server C<loopback>, by which postgres_fdw reaches this very
database.

=cut

sub create_loopback
{
	my ($self) = @_;

	$self->sql(<<'END');
CREATE EXTENSION postgres_fdw;
DO $$BEGIN
	EXECUTE format('CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
		split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), 'postgres');
END$$;
CREATE USER MAPPING FOR CURRENT_USER SERVER loopback;
END
	return;
}

=head2 $t->count_writes($table)

Notes the id of each row that is written to a table from now on, once a write,
in table C<written>, which this makes.

=cut

sub count_writes
{
	my ($self, $table) = @_;

	$self->sql(<<"END");
CREATE TABLE written (id integer);
CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS
	\$\$BEGIN INSERT INTO written VALUES (NEW.id); RETURN NULL; END\$\$;
CREATE TRIGGER note_write AFTER INSERT OR UPDATE ON $table
	FOR EACH ROW EXECUTE FUNCTION note_write();
END
	return;
}

=head2 $t->halt_at($table, $id)

From now on an INSERT of the row with that id waits while somebody holds the advisory
lock 1, whatever its lock_timeout.

=head2 $t->halted($timeout)

The worker that waits so; waits until there is one, and dies after $timeout seconds.

=cut

sub halt_at
{
	my ($self, $table, $id) = @_;

	$self->sql(<<"END");
CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
	\$\$BEGIN
		IF NEW.id = $id THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
		RETURN NEW;
	END\$\$;
CREATE TRIGGER halt BEFORE INSERT ON $table FOR EACH ROW EXECUTE FUNCTION halt();
END
	return;
}

sub halted
{
	my ($self, $timeout) = @_;

	return $self->poll_for('a worker that waits for the advisory lock', sub {
		$self->sql(q{SELECT pid FROM pg_stat_activity
			WHERE backend_type = 'pg_enrich worker' AND wait_event = 'advisory'}) }, $timeout);
}

=head2 $t->start_sql(%parameter)

The text of a call of enrich.start() with these parameters: C<output> and
C<request> may be references, and become JSON; C<input> and C<key> may be
references to arrays; undef is NULL.  A hash has no order: where the order of
the keys matters, give JSON as a string.

=cut

sub start_sql
{
	my ($self, %parameter) = @_;
	my @arguments;

	foreach my $name (sort keys %parameter)
	{
		push @arguments, "\"$name\" => " . _argument($name, $parameter{$name});
	}
	return 'SELECT enrich.start(' . join(', ', @arguments) . ')';
}

sub _argument
{
	my ($name, $value) = @_;

	return 'NULL' if !defined $value;
	return _literal($json_text->encode($value)) if $is_json{$name} && ref $value;
	return 'ARRAY[' . join(', ', map { _literal($_) } @$value) . ']::text[]'
	  if $is_array{$name} && ref $value;
	return _literal($value);
}

=head2 $t->start_job(%parameter)

Calls enrich.start() with the parameters of start_sql(), and returns the number
of the job.  C<-role> and C<-database> say who starts it, and where.

=cut

sub start_job
{
	my ($self, %parameter) = @_;
	my %option;

	foreach my $name (qw(role database))
	{
		my $value = delete $parameter{"-$name"};
		$option{$name} = $value if defined $value;
	}
	return $self->sql($self->start_sql(%parameter), %option);
}

=head2 $t->progress($job, %option)

The job's line of enrich.progress, as a hash.

=cut

sub progress
{
	my ($self, $job, %option) = @_;

	return $self->row("SELECT * FROM enrich.progress WHERE job = $job", %option);
}

=head2 $t->wait_job($job, $state, $timeout, %option)

Waits until the job is in that state ("completed") and returns its progress; dies,
with its reason and error, as soon as it is in another one that it cannot leave
by itself.

=cut

sub wait_job
{
	my ($self, $job, $state, $timeout, %option) = @_;
	my $progress;

	$state //= 'completed';
	my $done = $self->_until($timeout, sub {
		$progress = $self->_unless_down(sub { $self->progress($job, %option) }) // return 0;
		return $progress->{state} eq $state
		  || $progress->{state} =~ /^(paused|completed|failed|canceled)$/;
	});
	return $progress if $done && $progress->{state} eq $state;
	croak "job $job is not $state: " . ($progress ? $json->encode($progress) : 'no connection');
}

=head2 $t->pids($job, %option)

The process ids of the job's workers, as a list.

=cut

sub pids
{
	my ($self, $job, %option) = @_;

	return @{ $self->progress($job, %option)->{pids} };
}

=head2 $t->states_notified($listener, $job, $last)

What a session that has done LISTEN enrich heard of the job's states, from the
beginning: joined by blanks, once $last is the last of them.  A notification comes
somewhat later than what it tells of can be seen.

=cut

sub states_notified
{
	my ($self, $listener, $job, $last) = @_;
	my @states;

	$self->poll_for("notification of $last", sub {
		$self->{notified} .= $listener->query_safe('SELECT 1');
		@states = $self->{notified} =~ /notification "enrich" with payload "\{"job": $job, "state": "(\w+)"\}"/g;
		return @states && $states[-1] eq $last;
	});
	return join ' ', @states;
}

=head2 $t->log_position

Where the node's log ends now; for log_since().

=head2 $t->log_since($position)

What has been logged since.

=cut

sub log_position
{
	my ($self) = @_;

	return -s $self->node->logfile;
}

sub log_since
{
	my ($self, $position) = @_;

	return PostgreSQL::Test::Utils::slurp_file($self->node->logfile, $position);
}

=head2 $t->crash($pid, $signal)

Kills a process of the node so that all others end as well (KILL, unless told
otherwise), and waits until the node has recovered.

=cut

sub crash
{
	my ($self, $pid, $signal) = @_;
	my $position = $self->log_position;

	kill $signal // 'KILL', $pid;
	$self->node->wait_for_log(qr/all server processes terminated; reinitializing/, $position);
	$self->poll('SELECT true');
	return;
}

=head1 THE MOCK

=head2 $t->start_mock, $t->stop_mock

Stopped, it refuses connections.  Started again, it listens on the port that it
had before, with everything forgotten.  So does its front, where there is one.

=head2 $t->has_front

Whether there is one.

=cut

sub has_front { return defined $_[0]{front}; }

sub start_mock
{
	my ($self) = @_;
	my $program = $ENV{ENRICH_MOCK} || 'test/mock/mockapi';
	my $port_file = PostgreSQL::Test::Utils::tempdir_short() . '/port';

	my $pid = fork() // croak "could not fork: $!";
	if ($pid == 0)
	{
		# --with-parent: it does not outlive the test, however that ends
		exec $program, '--with-parent', '--port', $self->{mock_port} // 0,
		  '--port-file', $port_file, @{ $self->{mock_options} }
		  or POSIX::_exit(127);
	}
	$self->{mock_pid} = $pid;
	$self->poll_for("$program to listen", sub {
		croak "$program ended" if waitpid($pid, POSIX::WNOHANG()) == $pid;
		return -s $port_file;
	});
	($self->{mock_port}) = PostgreSQL::Test::Utils::slurp_file($port_file) =~ /(\d+)/;
	$self->_start_front if $ENV{ENRICH_FRONT};
	return;
}

sub _start_front
{
	my ($self) = @_;

	croak "there is no front $ENV{ENRICH_FRONT}" if $ENV{ENRICH_FRONT} ne 'h2';
	return $self->{front}->listen if $self->{front};
	require Front;
	$self->{front} = Front->start($self->{mock_port});
	return;
}

sub stop_mock
{
	my ($self) = @_;

	$self->{front}->stop if $self->{front};
	return if !$self->{mock_pid};
	kill 'TERM', $self->{mock_pid};
	local $?;
	waitpid($self->{mock_pid}, 0);
	delete $self->{mock_pid};
	return;
}

=head2 $t->url($path)

An address of the mock, for servers: the front's, where there is one.

=head2 $t->mock_url($path)

The mock's own.

=cut

sub url
{
	my ($self, $path) = @_;

	return $self->{front} ? $self->{front}->url($path) : $self->mock_url($path);
}

sub mock_url
{
	my ($self, $path) = @_;

	return "http://127.0.0.1:$self->{mock_port}" . ($path // '');
}

=head2 $t->mock($method, $path, $body)

Asks the mock anything; a reference as body is sent as JSON.  Returns the decoded
JSON of the answer, and dies where that is none or the status is not 2xx.

=cut

sub mock
{
	my ($self, $method, $path, $body) = @_;
	my %content;

	%content = (content => ref $body ? $json->encode($body) : $body) if defined $body;
	my $answer = $self->{http}->request($method, $self->mock_url($path), \%content);
	croak "$method $path: $answer->{status} $answer->{content}" if !$answer->{success};
	return $json->decode($answer->{content});
}

=head2 $t->mock_script({ key => value … })

What the mock does to all requests from now on; without keys: nothing any more.

=head2 $t->mock_reset

Clears script, counters, log and last requests.

=head2 $t->mock_release

Answers every request that hangs.

=head2 $t->mock_stats

The counters, as a hash.

=head2 $t->mock_last($n)

The last $n requests (1), the oldest first, as a list of hashes.

=head2 $t->mock_log

Begins to record the inputs that are answered.

=head2 $t->mock_inputs

What was recorded: a hash that says how often each input was answered.

=cut

sub mock_script
{
	my ($self, $script) = @_;

	$self->mock('POST', '/mock/script', $script || {});
	return;
}

sub mock_reset
{
	my ($self) = @_;

	$self->mock('POST', '/mock/reset');
	return;
}

sub mock_release
{
	my ($self) = @_;

	$self->mock('POST', '/mock/release');
	return;
}

sub mock_stats
{
	my ($self) = @_;

	return $self->mock('GET', '/mock/stats');
}

sub mock_last
{
	my ($self, $n) = @_;

	return @{ $self->mock('GET', '/mock/last?n=' . ($n // 1)) };
}

sub mock_log
{
	my ($self) = @_;

	$self->mock('POST', '/mock/log', { enabled => JSON::PP::true });
	return;
}

sub mock_inputs
{
	my ($self) = @_;

	return $self->mock('GET', '/mock/log')->{inputs};
}

1;
