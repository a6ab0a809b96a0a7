# The wire: jobs against a peer that breaks HTTP, in a server under sanitizers.  See test/check, stage wire.
#
# Rounds are played until WIRE_SECONDS are over.  WIRE_SEED is the first one's seed; each next one has the
# next seed.  WIRE_MENU, a pattern, chooses among what may go wrong.  What a seed fixes is what the job and the peer do; what meets what is the machine's to say.

use strict;
use warnings;

use EnrichTest;
use FuzzAnswer qw(any);
use FuzzPeer;
use List::Util qw(shuffle min max);
use Test::More;
use Time::HiRes qw(sleep time);
use FuzzVerdict qw(compare_rows compare_log new_sanitizer_reports);

# As many failing rounds end it.
use constant ENOUGH => 10;

# A stop is to take effect within a second; sanitizers and the other processes here take theirs.
use constant STOP_SECONDS => 3;

# So much more than its timeouts may nothing happen to a job, where there is a processor for it.
use constant STALL_SECONDS => 6;

use constant MAX_ATTEMPTS => 6;
use constant BACKOFF_MAX => 0.2;

# So often a job is resumed when it has paused.
use constant RESUMES => 12;

my $seconds = $ENV{WIRE_SECONDS} || 60;
my $seed = $ENV{WIRE_SEED} || time() * 1000 % 1_000_000_000;
my $until = time + $seconds;
my ($number, $failed) = (0, 0);
my (%count, %reasons, %reports);

my $t = EnrichTest->new(mock => 0, conf => <<'END');
restart_after_crash = on
fsync = off
log_statement = none
END

while ((!$number || time < $until) && $failed < ENOUGH)
{
	my $round = draw_round($seed + $number++);
	my @faults = play($round);

	ok(!@faults, sprintf 'seed %d: %s', $round->{seed}, describe($round));
	report($round, @faults) if @faults;
	$failed++ if @faults;
	$count{$_} += $round->{count}{$_} foreach keys %{ $round->{count} };
	$reasons{ s/\d+/N/gr } += $round->{reasons}{$_} foreach keys %{ $round->{reasons} };
	clear($round);
}
stop_amid_work(draw_round($seed + $number));
note(sprintf '%d rounds: %s', $number, join ', ', map { "$count{$_} $_" } sort keys %count);
note("reasons of failures:\n" . join "\n", map { sprintf '%6d %s', $reasons{$_}, $_ } sort { $reasons{$b} <=> $reasons{$a} } keys %reasons);
done_testing();

#
# What a round is
#

sub draw_round
{
	my ($round_seed) = @_;

	srand($round_seed);
	my ($tls, $alpn, $version) = draw_protocol();
	# with prior knowledge each request may need a connection of its own, and the peer a process
	my $concurrency = any(1, 5, 10, ($version // '') =~ /prior/ ? () : (20, 50));
	my $pad = any(0, 0, 0, 300, 20_000, 400_000);
	my %round = (seed => $round_seed, count => {}, reasons => {}, stops => [], state => 'none', resumes => 0, concurrency => $concurrency,
		rows => max(15, $concurrency * any(3 .. 8)), timeout => any(0.5, 0.7, 1), version => $version, action => any('', '', '', '', 'terminate', 'cancel'), acted => '',
		after => rand(2), rate => rand() < 0.15 ? 60 * max(5, $concurrency) : undef);
	$round{rows} = min($round{rows}, 60) if $pad > 100_000 || $round{rate};
	$round{peer_options} = {
		seed => $round_seed, tls => $tls, alpn => $alpn, old_tls => rand() < 0.3, bad => any(0.1, 0.33, 0.33, 0.5),
		timeout => $round{timeout}, most => $concurrency, pad => $pad, menu => [ draw_menu($tls, $alpn, $version) ],
	};
	return \%round;
}

# TLS, what the peer speaks over it, and what the job asks for.
sub draw_protocol
{
	my $alpn = any(['h2'], ['h2'], ['http/1.1'], [ 'h2', 'http/1.1' ]);

	return (1, $alpn, any(undef, undef, '1.1', '2', '2')) if rand() < 0.7;
	return (0, [], any(undef, undef, undef, '1.1', '2', '2-prior-knowledge'));
}

# Mostly a few things go wrong in a round, so that they meet again and again.
sub draw_menu
{
	my ($tls, $alpn, $version) = @_;
	my $may_h2 = (grep { $_ eq 'h2' } @$alpn) && ($version // '') ne '1.1' || ($version // '') eq '2-prior-knowledge';
	my $may_h1 = !$may_h2 || @$alpn > 1;
	my @names = shuffle(grep { /^h2/ ? $may_h2 : /^open/ || $may_h1 } FuzzPeer::menu());
	my $most = any(1, 3, 3, 6, 6, scalar @names);

	@names = grep { /$ENV{WIRE_MENU}/ } @names if $ENV{WIRE_MENU};

	return sort @names[0 .. min($most, scalar @names) - 1];
}

sub describe
{
	my ($round) = @_;
	my $peer = $round->{peer_options};
	my $how = $peer->{tls} ? join('/', 'TLS', @{ $peer->{alpn} }) : 'plain';
	my %of = map { $_ => $round->{count}{$_} // 0 } qw(stored failed bad);

	return sprintf '%s, http_version %s, %d rows, %d in flight%s: %s, %d stored, %d failed, %d bad answers, %.1f s',
	  $how, $round->{version} // 'default', @$round{qw(rows concurrency)}, $round->{acted} && ", $round->{acted}", $round->{state}, @of{qw(stored failed bad)}, $round->{took} // 0;
}

#
# A round
#

# What went wrong.
sub play
{
	my ($round) = @_;
	my $began = time;
	my $log = $t->log_position;
	my @faults;

	eval { start($round); 1 } or push @faults, "starting: $@";
	push @faults, eval { follow($round) }, $@ ? "following: $@" : () if !@faults;
	$round->{took} = time - $began;
	$t->poll('SELECT true', 't', 60);
	push @faults, eval { compare_rows($t, $round) }, $@ ? "comparing: $@" : () if defined $round->{job};
	push @faults, compare_log($t, $log), new_sanitizer_reports(\%reports);
	return @faults;
}

sub start
{
	my ($round) = @_;

	$round->{peer} = FuzzPeer->start(%{ $round->{peer_options} });
	$t->sql(<<"END");
CREATE SCHEMA wire;
CREATE TABLE wire.source AS SELECT i AS id,
	format('w%s r%s %s', $round->{seed}, i, repeat(substr(md5(i::text), 1, 8), 1 + i % 5)) AS text FROM generate_series(1, $round->{rows}) i;
ALTER TABLE wire.source ADD PRIMARY KEY (id);
END
	$t->create_server('wire', $round->{peer}->server_options, timeout => 1000 * $round->{timeout} . 'ms',
		connect_timeout => 1000 * $round->{timeout} . 'ms', backoff_base => '10ms', backoff_max => 1000 * BACKOFF_MAX . 'ms', max_attempts => MAX_ATTEMPTS,
		$round->{version} ? (http_version => $round->{version}) : (), $round->{rate} ? (requests_per_minute => $round->{rate}) : ());
	$round->{job} = $t->start_job(source => 'wire.source', server => 'wire', input => ['text'], target => 'wire.target',
		path => '/answer', request => '{"row": "{{id}}", "text": "{{input}}"}', output => '{"v text": "$.v"}',
		bucket_size => any(7, 50, 500), concurrency => $round->{concurrency}, max_failed_rows => undef);
	return;
}

# Until the job has ended; whatever is to be done to it meanwhile.
sub follow
{
	my ($round) = @_;
	my $job = $round->{job};
	my $per_row = MAX_ATTEMPTS * ($round->{timeout} + BACKOFF_MAX);
	my $began = time;
	my $bound = 30 + $per_row * $round->{rows} / $round->{concurrency} + ($round->{rate} ? MAX_ATTEMPTS * 60 * $round->{rows} / $round->{rate} : 0);
	my ($moved, $last, @faults) = ($began, '');

	while (1)
	{
		my $seen = look($job);

		return (@faults, 'the server went down') if !$seen;
		$round->{state} = $seen->{state};
		return @faults if $seen->{state} =~ /^(completed|failed|canceled)$/;
		my $state = join ' ', map { $_ // '' } @$seen{qw(requests rows_done rows_failed state)};
		$moved = time if $state ne $last || ($seen->{waiting_for} // '') eq 'rate';
		$last = $state;
		push @faults, resume($round, $seen) if $seen->{state} eq 'paused';
		push @faults, act($round, $seen) if $round->{action} && time > $began + $round->{after};
		if (time > $moved + $round->{timeout} + BACKOFF_MAX + STALL_SECONDS * busy() || time > $began + $bound * busy())
		{
			push @faults, sprintf 'after %.1f s, %.1f without a change: %s', time - $began, time - $moved, join ', ', map { "$_ " . ($seen->{$_} // '-') } qw(state reason waiting_for error requests rows_done rows_failed in_flight effective_concurrency);
			cancel($round);
		}
		return (@faults, 'too many faults') if @faults > 3;
		sleep(0.05);
	}
	return;
}

# The job's progress; undef where the server does not answer.
sub look
{
	my ($job) = @_;
	my $seen = eval { $t->progress($job) };

	die $@ if !$seen && $@ !~ /connection to server|server closed the connection|starting up|recovery mode|crash/;
	return $seen;
}

# A pause has a reason, and is not for ever.
sub resume
{
	my ($round, $seen) = @_;
	my $error = $seen->{error} // '';

	$round->{count}{"paused, $seen->{reason}"}++;
	$round->{reasons}{"paused: $error"}++;
	return cancel($round) if $round->{resumes}++ >= RESUMES;
	$t->sql("SELECT enrich.resume($round->{job})");
	return $error eq '' ? "paused without a reason that says something: \"$error\"" : ();
}

# What a person does to a job that runs: it takes effect at once.
sub act
{
	my ($round, $seen) = @_;
	my $action = $round->{action};

	return if $seen->{state} ne 'running' || !@{ $seen->{pids} };
	$round->{action} = '';
	$round->{acted} = $action;
	$round->{count}{$action}++;
	return $action eq 'cancel' ? cancel($round) : terminate($round, $seen);
}

sub cancel
{
	my ($round) = @_;
	my @pids = $t->pids($round->{job});

	push @{ $round->{stops} }, time;
	# It may come to its end just now.
	eval { $t->sql("SELECT enrich.cancel($round->{job})"); 1 } or $@ =~ /cannot cancel job \d+: it is/ or die $@;
	return see_end('cancel', @pids);
}

sub terminate
{
	my ($round, $seen) = @_;
	my @pids = @{ $seen->{pids} };

	push @{ $round->{stops} }, time;
	$t->sql("SELECT pg_terminate_backend($_)") foreach @pids;
	return see_end('pg_terminate_backend', @pids);
}

# A flood is ended by processor time: where the machine has more to do than it has cores, that
# takes longer.
sub busy
{
	my ($load) = PostgreSQL::Test::Utils::slurp_file('/proc/loadavg') =~ /^(\S+)/;
	my $cores = () = PostgreSQL::Test::Utils::slurp_file('/proc/cpuinfo') =~ /^processor\b/mg;

	return $load > $cores ? $load / $cores : 1;
}

# What is wrong if the processes do not end soon.
sub see_end
{
	my ($what, @pids) = @_;
	my $began = time;

	while (grep { kill 0, $_ } @pids)
	{
		return sprintf '%s: a worker is still there after %.1f s', $what, time - $began if time > $began + 30;
		sleep(0.01);
	}
	my $took = time - $began;
	return $took > STOP_SECONDS * busy() ? sprintf '%s took %.1f s', $what, $took : ();
}

#
# The end of a round
#

sub clear
{
	my ($round) = @_;

	$round->{peer}->stop if $round->{peer};
	$t->poll('SELECT true', 't', 60);
	$t->sql(<<'END');
SET client_min_messages = warning;
SELECT enrich.cancel(job) FROM enrich.jobs WHERE state NOT IN ('completed', 'failed', 'canceled');
SELECT enrich.drop(job) FROM enrich.jobs;
DROP SERVER IF EXISTS wire CASCADE;
DROP SCHEMA IF EXISTS wire CASCADE;
END
	return;
}

sub report
{
	my ($round, @faults) = @_;

	my $menu = $ENV{WIRE_MENU} ? "WIRE_MENU='$ENV{WIRE_MENU}' " : '';

	diag("again: ${menu}WIRE_SEED=$round->{seed} WIRE_SECONDS=1 test/check wire");
	diag("what is wrong:\n" . join "\n", @faults);
	diag(sprintf "%d in 100 answers are bad: %s\n", 100 * $round->{peer_options}{bad}, join ', ', @{ $round->{peer_options}{menu} });
	return;
}

# The server stops as soon as a worker does.
sub stop_amid_work
{
	my ($round) = @_;

	eval { start($round); 1 } or return fail("a job to stop amid: $@");
	eval { $t->poll("SELECT count(*) > 0 FROM wire.target", 't', 10); };
	my $began = time;
	$t->node->stop('fast', fail_ok => 1);
	my $took = time - $began;
	ok(!$t->node->{_pid} && $took < STOP_SECONDS + 2, sprintf 'the server stopped amid seed %d in %.1f s', $round->{seed}, $took);
	$round->{peer}->stop;
	return;
}
