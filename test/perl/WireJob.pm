
=head1 NAME

WireJob - a job whose every row must get its own answer, from a peer that misbehaves

=head1 SYNOPSIS

  my $job = WireJob->start($t, { $peer->server_options, timeout => '1s' }, concurrency => 20);
  $job->wait(10);
  is($job->outcome, 'completed: 150 own, 0 of others, 0 failed', 'a silent connection');

=cut

package WireJob;

use strict;
use warnings;

use Test::More;

my $jobs = 0;

=head2 WireJob->start($t, \%server, %options)

Rows C<row 1> and so on, a request each, through a server with these options.  The others
are those of enrich.start, and C<rows>, how many (150).

=cut

sub start
{
	my ($class, $t, $server, %option) = @_;
	my $name = 'wire' . ++$jobs;
	my $rows = delete $option{rows} // 150;

	$t->create_server($name, backoff_base => '20ms', backoff_max => '200ms', %$server);
	$t->sql("CREATE TABLE $name AS SELECT i AS id, 'row ' || i AS name, NULL::text AS v FROM generate_series(1, $rows) i;
		ALTER TABLE $name ADD PRIMARY KEY (id)");
	my $job = $t->start_job(source => $name, server => $name, input => ['name'],
		request => '{"v": "{{input}}"}', output => '{"v": "$.v"}', %option);
	return bless { t => $t, table => $name, job => $job, rows => $rows }, $class;
}

=head2 $job->wait($seconds)

Until it is completed, paused or failed, but no longer, and cancels what is left of it then.
Returns its progress from before that; undef where the server is down.

=cut

sub wait
{
	my ($self, $seconds) = @_;
	my ($t, $job) = @$self{qw(t job)};

	eval {
		$t->poll_for('the job to end', sub {
			$self->{progress} = $t->progress($job);
			return $self->{progress}{state} =~ /^(completed|paused|failed)$/;
		}, $seconds);
		1;
	} or $@ =~ /timed out/ or return undef;
	$t->sql("SELECT enrich.cancel($job)") if $self->{progress}{state} ne 'completed';
	return $self->{progress};
}

=head2 $job->outcome

State and rows: those with their own answer, with another row's, and that have failed.

=cut

sub outcome
{
	my ($self) = @_;
	my ($t, $job, $table, $progress) = @$self{qw(t job table progress)};
	my ($own, $others) = split /\|/, $t->sql("SELECT count(*) FILTER (WHERE v = name), count(*) FILTER (WHERE v <> name) FROM $table");
	my $failed = $t->sql("SELECT count(*) FROM enrich.failures WHERE job = $job");
	my $state = $progress->{state} eq 'paused' ? "paused ($progress->{reason})" : $progress->{state};

	diag($progress->{error}) if $progress->{error};
	diag($_) foreach $self->reasons;
	return "$state: $own own, $others of others, $failed failed";
}

=head2 $job->reasons

Why rows have failed: each reason once.

=cut

sub reasons
{
	my ($self) = @_;

	return map { $_->{error} }
	  $self->{t}->rows("SELECT DISTINCT error FROM enrich.failures WHERE job = $self->{job} ORDER BY error");
}

1;
