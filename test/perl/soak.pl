# The soak: see test/soak, which prepares everything for this.
#
# SOAK_ROUNDS says how many rounds, SOAK_SEED with which seed the first begins; each next one has
# the next seed.  A round that fails leaves its tables in a schema of their own, soak_SEED.

use strict;
use warnings;

use EnrichTest;
use List::Util qw(max sum0);
use PostgreSQL::Test::Utils;
use SoakJobs qw(draw_jobs common_sql);
use SoakTrouble qw(draw_plan);
use SoakVerdict qw(compare_jobs compare_repeats compare_log compare_rest);
use Test::More;
use Time::HiRes qw(time);

# How long a round may take to come to its end once nothing misbehaves.
use constant PATIENCE => 180;

# As many failing rounds end it.
use constant ENOUGH => 3;

use constant SECRET => 'token-that-nobody-may-see';

# Reasons for which a job may be paused.
my @reasons = qw(user configuration crash);

my $seed = $ENV{SOAK_SEED} || time() * 1000 % 1_000_000_000;
my $rounds = $ENV{SOAK_ROUNDS} // 25;
my $script = { latency => '40-160', require_header => 'Authorization: Bearer ' . SECRET };
my $json = JSON::PP->new->canonical;
my %sum;
my $failed = 0;

my $t = EnrichTest->new(conf => <<'END');
restart_after_crash = on
fsync = off
log_statement = none
END
my %often = (max_concurrency => 50, timeout => '1500ms', backoff_base => '20ms', backoff_max => '300ms', max_attempts => 1000);
$t->create_server('post', %often, mapping => { bearer_token => SECRET });
$t->create_server('get', %often, method => 'GET', mapping => { bearer_token => SECRET });

my $number = 0;
while ($number < $rounds && $failed < ENOUGH)
{
	my $round = { seed => $seed + $number++, began => time, log => $t->log_position };

	srand($round->{seed});
	my $well = play_round($round);
	ok($well, sprintf 'seed %d: %s', $round->{seed}, describe($round));
	report($round) if !$well;
	$failed++ if !$well;
	add_up($round);
}
note(describe_sums());
$t->stop;
done_testing();

# Whether it went well; what did not is in the round's faults.
sub play_round
{
	my ($round) = @_;
	my @jobs = draw_jobs(5);
	my @faults;

	$round->{jobs} = \@jobs;
	$round->{plan} = [ draw_plan(9) ];
	$round->{trouble} = SoakTrouble->new($t, $script, @jobs);
	eval { befall($round); 1 } or push @faults, $@;
	push @faults, eval { judge($round) }, $@ ? "judging: $@" : ();
	push @faults, eval { compare_rest($t) }, $@ ? "dropping: $@" : () if !@faults;
	$round->{faults} = \@faults;
	eval { clear($round); 1 } or push @faults, "clearing up: $@";
	return !@faults;
}

# Some jobs start at once, the others amid all the trouble, in which they then end.
sub befall
{
	my ($round) = @_;
	my @later = @{ $round->{jobs} };
	my $trouble = $round->{trouble};

	begin($round);
	start(splice @later, 0, 3);
	foreach my $blow (@{ $round->{plan} })
	{
		start(shift @later) if @later && $blow->{start};
		$trouble->strike($blow);
	}
	start(@later);
	$trouble->calm;
	complete($round);
	return;
}

sub begin
{
	my ($round) = @_;

	$t->mock_reset;
	$t->mock_script($script);
	$t->mock_log;
	$t->sql(join ";\n", common_sql(), map { $_->{setup} } @{ $round->{jobs} });
	return;
}

sub start
{
	my (@jobs) = @_;
	my @numbers = split /\n/, $t->sql(join ";\n", map { $t->start_sql(%{ $_->{start} }) } @jobs);

	$jobs[$_]{number} = $numbers[$_] foreach 0 .. $#jobs;
	return;
}

# Resumes what is paused, until all jobs are completed.
sub complete
{
	my ($round) = @_;
	my $seen;

	$t->poll_for('all jobs to be completed', sub {
		$seen = [ $t->rows('SELECT job, name, state, reason, waiting_for, error FROM enrich.progress') ];
		resume($round, $_) foreach grep { $_->{state} eq 'paused' } @$seen;
		return !grep { $_->{state} ne 'completed' } @$seen;
	}, PATIENCE);
	return;
}

# Only what was done to a job may have paused it.
sub resume
{
	my ($round, $seen) = @_;
	my $trouble = $round->{trouble};
	my $why = $seen->{reason};

	die "$seen->{name} is paused, reason $why: " . ($seen->{error} // 'no error') . "\n"
	  if !grep({ $_ eq $why } @reasons)
	  || $why eq 'configuration' && !($trouble->count('configuration') && $seen->{error} =~ /^HTTP status 401/)
	  || $why eq 'crash' && sum0(map { $trouble->count($_) } @SoakTrouble::deaths) < 3;
	die "the secret is in the error: $seen->{error}\n" if ($seen->{error} // '') =~ SECRET;
	$round->{paused}{$why}++;
	$trouble->steer({ number => $seen->{job} }, 'resume(job)', "'paused'");
	return;
}

sub judge
{
	my ($round) = @_;
	my $trouble = $round->{trouble};
	my @jobs = grep { defined $_->{number} } @{ $round->{jobs} };

	return (compare_jobs($t, SECRET, $trouble->lost_requests, @jobs),
		compare_repeats($t, sub { $trouble->allowed($_[0]) }, @jobs),
		compare_log($t, $round->{log}, sub { $trouble->killed($_[0]) }, SECRET));
}

# The next round finds no trace of this one, but for the schema of one that went wrong.
sub clear
{
	my ($round) = @_;

	if (@{ $round->{faults} })
	{
		$t->sql("SELECT enrich.cancel(job) FROM enrich.jobs WHERE state NOT IN ('completed', 'failed', 'canceled')");
		$t->sql("SELECT enrich.drop(job) FROM enrich.jobs; ALTER SCHEMA soak RENAME TO soak_$round->{seed}");
		return;
	}
	$t->sql('SET client_min_messages = warning; DROP SCHEMA soak CASCADE');
	return;
}

#
# What is printed
#

sub texts
{
	my ($round) = @_;
	my ($jobs, $trouble) = @$round{qw(jobs trouble)};

	return (rows => sum0(map { $_->{rows} } @$jobs), repeats => sum0(map { $_->{repeats} // 0 } @$jobs),
		allowed => sum0(map { $trouble->allowed($_) } @$jobs));
}

sub describe_figures
{
	my (%figure) = @_;
	my @deaths = map { $figure{$_} ? "$figure{$_} $_" : () } @SoakTrouble::deaths, map { "paused by $_" } @reasons;

	return sprintf '%d rows, %s, %d of at most %d texts answered again, %.1f s', $figure{rows}, join(', ', @deaths) || 'no death',
	  @figure{qw(repeats allowed seconds)};
}

sub figures
{
	my ($round) = @_;

	return (texts($round), seconds => time - $round->{began},
		map({ $_ => $round->{trouble}->count($_) } @SoakTrouble::deaths),
		map { ("paused by $_" => $round->{paused}{$_} // 0) } @reasons);
}

sub describe { return describe_figures(figures($_[0])); }

sub describe_sums { return "$number rounds: " . describe_figures(%sum); }

sub add_up
{
	my ($round) = @_;
	my %figure = figures($round);

	$sum{$_} += $figure{$_} foreach keys %figure;
	return;
}

sub report
{
	my ($round) = @_;

	diag("again: test/soak --rounds 1 --seed $round->{seed}");
	diag("what differs:\n" . join "\n", @{ $round->{faults} });
	diag('jobs: ' . join "\n", map { $json->encode({ number => $_->{number}, %{ $_->{start} } }) } @{ $round->{jobs} });
	diag('blows: ' . join "\n", map { $json->encode($_) } @{ $round->{plan} });
	return;
}
