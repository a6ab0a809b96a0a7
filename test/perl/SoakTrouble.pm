
=pod

=head1 NAME

SoakTrouble - what befalls the jobs of a round of test/soak

=head1 SYNOPSIS

  my @plan = draw_plan();
  my $trouble = SoakTrouble->new($t, @jobs);
  $trouble->strike($_) foreach @plan;
  $trouble->calm;

=head1 DESCRIPTION

A plan is a list of blows: hashes of C<wait>, in milliseconds; C<kind>; C<what>, its parameters; and
C<start>, whether another job is to start before it.  It follows from the seed alone.  Whom a blow
hits, and in the middle of what, is the machine's to say.

An answer that was paid for may be lost by a death: of the worker, of its server.  Before each
the object looks how many requests are in flight, and how many texts of each job the mock
has answered since 50 ms before that: together the most that may be asked for again.
Once somebody has held a lock on a target its results may wait in memory: then all that was
answered since counts, until the server stops.

=cut

package SoakTrouble;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(shuffle);
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(draw_plan);

# docs/guarantees.md: what has come back within the last fifth of a second may be asked for again.
use constant UNSTORED_SECONDS => 0.2;

use constant UNFINISHED => "'queued', 'bucketizing', 'running', 'paused'";

# A word for the kinds of death, for the report.
our @deaths = ('KILL', 'SEGV', 'TERM', 'stop fast', 'stop immediate', 'launcher TERM', 'launcher KILL');

# What the mock may do to its clients.
my @faults = (
	{},
	{ latency => '0-400' },
	{ status => 429, retry_after => 1 },
	{ status => 429, retry_after => 1, status_every => 7 },
	{ status => 429, header => 'retry-after-ms: 150' },
	{ status => 429 },
	{ status => 429, status_every => 3 },
	{ status => 500 },
	{ status => 500, status_every => 3 },
	{ status => 502, fail_first => 2 },
	{ status => 503 },
	{ status => 503, retry_after => 1, faults_for => 200 },
	{ reset => 1 },
	{ reset_every => 4 },
	{ reset_first => 1 },
	{ cut => 1 },
	{ cut_first => 1 },
	{ hang => 1 },
	{ hang_first => 1 },
	{ hang_body => 1, match => 'row 1' },
	{ max_inputs => 3 },
	{ max_inputs => 8, path => '/items' },
	{ bad_json => 1 },
	{ bad_json => 1, match => 'row 2' },
	{ status => 500, match => 'row 3' },
	({ require_header => 'Authorization: Bearer another' }) x 2,
);
my @paths = ('/items', '/item', '/answer', '/array');

# How often each kind of blow is drawn.
my @kinds = (
	(['fault']) x 9, (['kill', 'KILL']) x 2, (['kill', 'SEGV']) x 2, (['kill', 'TERM']) x 3,
	['stop', 'fast'], ['stop', 'immediate'], ['launcher', 'TERM'], ['launcher', 'KILL'],
	(['pause']) x 3, (['resume']) x 3, (['alter']) x 3, (['server_cap']) x 2, (['cluster_cap']) x 2, (['lock']) x 4);

sub _any { return $_[ int(rand(@_)) ]; }

=head2 draw_plan($count)

So many blows, drawn with rand().

=cut

sub draw_plan
{
	my ($count) = @_;

	return map { _draw_blow() } 1 .. $count;
}

sub _draw_blow
{
	my ($kind, @what) = @{ _any(@kinds) };
	my $chance = rand();

	@what = _draw_fault() if $kind eq 'fault';
	@what = (_any(0, 1, 2, 5, 20, 50)) if $kind =~ /^(alter|server_cap|cluster_cap)$/;
	@what = (_any('rows', 'table'), 100 + int(rand(900))) if $kind eq 'lock';
	return { wait => int(rand(250)), start => rand() < 0.4 || 0, kind => $kind, what => [ $chance, @what ] };
}

sub _draw_fault
{
	my %script = %{ _any(@faults) };

	$script{path} = _any(@paths) if rand() < 0.4;
	return (\%script, rand() < 0.3);
}

=head2 SoakTrouble->new($t, $script, @jobs)

$script is what the mock does when it does nothing else.  Jobs that were started have a C<number>.

=cut

sub new
{
	my ($class, $t, $script, @jobs) = @_;

	return bless {
		t => $t, script => $script, jobs => \@jobs, lost_requests => 0, count => {}, killed => {}, lockers => [],
		allowed => { map { $_->{name} => 0 } @jobs },
		locked_at => {},
	}, $class;
}

=head2 $trouble->allowed($job)

How many texts of the job may have been answered again.

=head2 $trouble->lost_requests

How many requests may have been on their way when their worker died, and never have arrived.

=head2 $trouble->count($what)

How often that was done: one of @deaths, or 'configuration'.

=head2 $trouble->killed($pid)

Whether that process was killed by this object.

=cut

sub allowed { return $_[0]->{allowed}{ $_[1]->{name} }; }
sub lost_requests { return $_[0]->{lost_requests}; }
sub count { return $_[0]->{count}{ $_[1] } // 0; }
sub killed { return $_[0]->{killed}{ $_[1] }; }

=head2 $trouble->strike($blow)

=cut

sub strike
{
	my ($self, $blow) = @_;

	sleep($blow->{wait} / 1000);
	$self->can("_$blow->{kind}")->($self, @{ $blow->{what} });
	$self->_see_overwritten;
	return;
}

# Readers of what is being overwritten see all of the old or all of the new.
sub _see_overwritten
{
	my ($self) = @_;

	foreach my $job (grep { $_->{overwrites} } @{ $self->{jobs} })
	{
		my $seen = $self->{t}->sql("SELECT count(*), count(*) FILTER (WHERE upper = 'old') FROM $job->{target}");

		die "$job->{name}: readers saw (rows|old ones) $seen\n" if $seen ne '50|50' && $seen ne "$job->{rows}|0";
	}
	return;
}

=head1 DEATHS

=cut

# Texts answered, by job.
sub _answered
{
	my ($self) = @_;
	my $answer = HTTP::Tiny->new(timeout => 60)->get($self->{t}->url('/mock/log'));
	my %sum;

	die "the mock's log: $answer->{status}\n" if !$answer->{success};
	$sum{$1} += $2 while $answer->{content} =~ /\b(j\d+) row (?:[^"\\]|\\.)*":(\d+)/g;
	return \%sum;
}

# Does what kills the workers of some jobs (all), and notes what that may cost.  The
# function gets the jobs' progress, and returns the names of those it hit.
sub _deadly
{
	my ($self, $what, $function) = @_;
	my $began = time();
	my $before = $self->_answered;

	sleep(UNSTORED_SECONDS - (time() - $began)) if time() - $began < UNSTORED_SECONDS;
	my %progress = map { $_->{name} => $_ }
	  $self->{t}->rows("SELECT name, in_flight, pids FROM enrich.progress WHERE state NOT IN ('completed', 'canceled')");
	my %hit = map { $_ => 1 } $function->(\%progress) or return;
	my $after = $self->_answered;

	$self->{count}{$what}++;
	foreach my $job (grep { $hit{ $_->{name} } } @{ $self->{jobs} })
	{
		my $name = $job->{name};

		$self->{lost_requests} += $progress{$name}{in_flight};
		$self->{allowed}{$name} += $progress{$name}{in_flight} * ($job->{texts} // $job->{batch})
		  + ($after->{$name} // 0) - ($self->{locked_at}{$name} // $before->{$name} // 0);
	}
	# with the server all went that had waited in memory, and all locks
	$self->{locked_at} = {} if $what !~ /TERM/;
	return;
}

sub _workers
{
	my ($progress) = @_;

	return map { my $name = $_; map { [ $name, $_ ] } @{ $progress->{$name}{pids} } } sort keys %$progress;
}

sub _send_signal
{
	my ($self, $signal, $pid) = @_;

	$self->{killed}{$pid} = 1;
	return kill $signal, $pid;
}

# Waits until it is gone; and, where it was a crash, until the server, which goes down with it, is up
# again.  False: it had just ended by itself when the signal came.
sub _see_it_die
{
	my ($self, $signal, $pid, $log) = @_;
	my $t = $self->{t};

	$t->poll_for("process $pid to end after SIG$signal", sub { !kill 0, $pid }, 60);
	return 1 if $signal eq 'TERM';
	# whoever can connect comes after what the postmaster did and logged when it was told of the death
	$t->poll('SELECT true', 't', 60);
	return $t->log_since($log) =~ /\(PID $pid\) was terminated by signal/;
}

sub _kill
{
	my ($self, $chance, $signal) = @_;

	$self->_deadly($signal, sub {
		my ($progress) = @_;
		my @workers = _workers($progress) or return;
		my ($name, $pid) = @{ $workers[ int($chance * @workers) ] };
		my $log = $self->{t}->log_position;

		$self->_send_signal($signal, $pid) or return;
		$self->_see_it_die($signal, $pid, $log) or return;
		return $signal eq 'TERM' ? $name : keys %$progress;
	});
	return;
}

sub _launcher
{
	my ($self, undef, $signal) = @_;
	my $t = $self->{t};

	$self->_deadly("launcher $signal", sub {
		my ($progress) = @_;
		my $pid = $t->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_enrich launcher'") or return;
		my $log = $t->log_position;

		$self->_send_signal($signal, $pid) or return;
		$self->_see_it_die($signal, $pid, $log) or return;
		return keys %$progress if $signal eq 'KILL';
		$self->{count}{"launcher $signal"}++;
		return;
	});
	return;
}

sub _stop
{
	my ($self, undef, $mode) = @_;
	my $node = $self->{t}->node;

	$self->_deadly("stop $mode", sub {
		my ($progress) = @_;

		$node->stop($mode, fail_ok => 1);
		die "the server did not stop ($mode)\n" if $node->{_pid};
		$node->start(fail_ok => 1) or die "the server did not start again\n";
		return keys %$progress;
	});
	return;
}

=head1 WHAT DOES NOT KILL

=cut

sub _fault
{
	my ($self, undef, $script, $release) = @_;

	$self->{count}{configuration}++ if $script->{require_header};
	$self->{t}->mock_script({ %{ $self->{script} }, %$script });
	$self->{t}->mock_release if $release;
	return;
}

# One of those that have been started.
sub _job
{
	my ($self, $chance) = @_;
	my @jobs = grep { defined $_->{number} } @{ $self->{jobs} };

	return $jobs[ int($chance * @jobs) ];
}

=head2 $trouble->steer($job, $call, $states)

Calls a function of enrich for the job where its state, which may change at any moment, is among these.

=cut

sub steer
{
	my ($self, $job, $call, $states) = @_;

	return if eval {
		$self->{t}->sql("SELECT enrich.$call FROM enrich.jobs WHERE job = $job->{number} AND state IN ($states)");
		1;
	};
	die $@ if $@ !~ /ERROR:  cannot \w+ job \d+: it is /;
	return;
}

sub _pause
{
	my ($self, $chance) = @_;

	return $self->steer($self->_job($chance), 'pause(job)', "'queued', 'bucketizing', 'running'");
}

sub _resume
{
	my ($self, $chance) = @_;

	return $self->steer($self->_job($chance), 'resume(job)', "'paused'");
}

sub _alter
{
	my ($self, $chance, $cap) = @_;

	return $self->steer($self->_job($chance), "alter(job, concurrency => $cap)", UNFINISHED);
}

sub _server_cap
{
	my ($self, $chance, $cap) = @_;
	my $server = $chance < 0.5 ? 'post' : 'get';

	$self->{t}->sql("ALTER SERVER $server OPTIONS (SET max_concurrency '$cap')");
	return;
}

sub _cluster_cap
{
	my ($self, undef, $cap) = @_;

	$self->{t}->sql("ALTER SYSTEM SET pg_enrich.max_concurrency = $cap");
	$self->{t}->sql('SELECT pg_reload_conf()');
	return;
}

=head1 LOCKS

=cut

# Somebody holds rows of a target, or all of it, for a while.
sub _lock
{
	my ($self, $chance, $what, $milliseconds) = @_;
	my $job = $self->_job($chance);
	my $lock = $what eq 'table'
	  ? "LOCK TABLE $job->{target} IN EXCLUSIVE MODE" : "SELECT FROM $job->{target} WHERE id % 3 = 0 FOR UPDATE";
	my $answered = $self->_answered;

	$self->{locked_at}{ $job->{name} } //= $answered->{ $job->{name} } // 0;
	my $pid = fork() // die "could not fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		exec 'psql', '-Xqd', $self->{t}->node->connstr('postgres'), '-c',
		  "BEGIN; $lock; SELECT pg_sleep($milliseconds / 1000.0); COMMIT"
		  or POSIX::_exit(127);
	}
	push @{ $self->{lockers} }, $pid;
	return;
}

sub _wait_for_lockers
{
	my ($self) = @_;
	local $?;

	waitpid($_, 0) foreach @{ $self->{lockers} };
	return;
}

=head1 THE END

=head2 $trouble->calm

Nothing misbehaves any more, no lock is held, nothing is capped.

=cut

sub calm
{
	my ($self) = @_;
	my $t = $self->{t};

	$t->mock_script({ %{ $self->{script} }, latency => 0 });
	$t->mock_release;
	$self->_wait_for_lockers;
	$t->sql('ALTER SYSTEM RESET pg_enrich.max_concurrency');
	$t->sql(<<'END');
SELECT pg_reload_conf();
ALTER SERVER post OPTIONS (SET max_concurrency '50');
ALTER SERVER get OPTIONS (SET max_concurrency '50');
END
	$self->steer($_, 'alter(job, concurrency => 20)', UNFINISHED) foreach @{ $self->{jobs} };
	return;
}

1;
