
=head1 NAME

FuzzVerdict - what a round of wire.pl has come to

=head1 DESCRIPTION

Rows, failures and the peer's log are compared.  Each function returns what is wrong, as
sentences; best none.

=cut

package FuzzVerdict;

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Exporter qw(import);

our @EXPORT_OK = qw(compare_rows compare_log new_sanitizer_reports);

# An answer that nobody asked for and the next request cross on the way, if they are no further
# apart than this: then no client can tell.  Processes wait for a processor meanwhile.
use constant CROSSED_SECONDS => 0.15;

# What breaks a connection so soon after an answer may come in together with that.
use constant TOGETHER_SECONDS => 0.1;

# What was answered its timeout and so long before a stop is stored by then.
use constant STORED_SECONDS => 1;

# Of the time that an answer may take, what the peer may have of it.  The handshakes of many
# connections take theirs.
use constant SHARE => 0.4;

# As many of each kind are shown.
use constant SHOWN => 5;

# What says nothing to who reads it.
use constant EMPTY_REASON => qr/\A\s*\z|libcurl could not be used|Failed writing received data/;

=head2 compare_rows($t, $round)

The round has C<job>, C<peer>, C<timeout>, C<state> and C<stops>: when something was stopped.  Counts
what it sees in the round's C<count>, and reasons in its C<reasons>.

=cut

sub compare_rows
{
	my ($t, $round) = @_;
	my @rows = $t->rows(<<"END");
SELECT s.id, s.text, o.id IS NOT NULL AS stored, o.v, f.error, f.id IS NOT NULL AS failed
FROM wire.source s LEFT JOIN wire.target o USING (id)
	LEFT JOIN (SELECT (key->>'id')::integer AS id, error FROM enrich.failures WHERE job = $round->{job}) f USING (id)
ORDER BY id
END
	my %owner = map { _answer_of($_->{text}) => $_->{id} } @rows;
	my $told = _read_log($round);
	my %faults;

	foreach my $row (@rows)
	{
		foreach my $fault (_faults_of($round, $row, \%owner, $told->{ $row->{id} } // {}))
		{
			push @{ $faults{ $fault->[0] } }, "row $row->{id}: $fault->[1]";
		}
	}
	push @{ $faults{'asked on a connection that had been mute'} }, @{ $told->{again} } if $told->{again};
	return map { _describe($_, @{ $faults{$_} }) } sort keys %faults;
}

sub _describe
{
	my ($kind, @faults) = @_;
	my $more = @faults > SHOWN ? ', …' : '';

	return "$kind, " . @faults . ': ' . join('; ', @faults[0 .. ($more ? SHOWN : @faults) - 1]) . $more;
}

sub _answer_of
{
	my ($text) = @_;

	return "$text " . substr md5_hex($text), 0, 12;
}

# What the peer tells of each row.
sub _read_log
{
	my ($round) = @_;
	my @lines = $round->{peer}->log;
	my %dirty = map { $_->{word} eq 'dirty' ? ($_->{connection} => $_->{time}) : () } reverse @lines;
	my %refusable = map { $_->{word} eq 'seen' && _is_refusable($round, $_) ? ($_->{connection} => 1) : () } @lines;
	my %told;

	foreach my $line (@lines)
	{
		my ($word, $row) = @$line{qw(word row)};
		my $about = $told{$row} //= {} if $row ne '-';

		$round->{count}{$word}++;
		push @{ $about->{bad} }, $line->{words} if $word eq 'bad';
		$about->{crossed} = 1 if $word eq 'early' && $line->{words} < CROSSED_SECONDS;
		push @{ $told{again} }, "row $row, connection $line->{connection}, after $line->{words} s" if $word eq 'again';
		$about->{seen}++ if $word eq 'seen';
		$round->{count}{'asked again'}++ if $word eq 'seen' && $about->{proper};
		$about->{proper} = $line
		  if $word eq 'proper' && !$refusable{ $line->{connection} } && _is_due($round, $line, $dirty{ $line->{connection} });
	}
	return \%told;
}

# May the answers of the connection on which this request came be refused?  Where requests share
# connections and the peer speaks both protocols, or says that it does, libcurl may send several on
# one of HTTP/1.1.  Their answers are nobody's, and the requests are sent again at no attempt's cost.
sub _is_refusable
{
	my ($round, $line) = @_;
	my $peer = $round->{peer_options};
	my $is_http1 = $line->{words} eq '-';
	my $claims_both = @{ $peer->{alpn} } > 1 || grep { $_ eq 'status: HTTP/2' } @{ $peer->{menu} };

	return $is_http1 && $claims_both && ($round->{version} // '') eq '2';
}

# Must that answer have been stored?
sub _is_due
{
	my ($round, $line, $dirty_at) = @_;

	return 0 if $line->{words} > $round->{timeout} * SHARE;
	return 0 if defined $dirty_at && $dirty_at >= $line->{time} && $dirty_at < $line->{time} + TOGETHER_SECONDS;
	return !grep { $line->{time} > $_ - STORED_SECONDS - $round->{timeout} && $line->{time} < $_ + STORED_SECONDS } @{ $round->{stops} };
}

# Pairs of what kind of fault it is, and which.
sub _faults_of
{
	my ($round, $row, $owner, $told) = @_;
	my $own = _answer_of($row->{text});
	my $told_bad = $told->{bad} ? ' (' . join(' | ', @{ $told->{bad} }) . ')' : '';
	my @faults;

	if ($row->{stored})
	{
		my $value = $row->{v} // 'NULL';
		my $of = $owner->{$value};

		$round->{count}{stored}++;
		if (defined $of && $value ne $own)
		{
			return [ "another row's answer", "that of $of$told_bad" ] if !$told->{crossed};
			$round->{count}{'crossed on the way'}++;
			return;
		}
		return [ 'an answer that is none', "$value$told_bad" ] if $value ne $own;
	}
	push @faults, [ 'stored and failed', $row->{error} ] if $row->{stored} && $row->{failed};
	if ($row->{failed})
	{
		my $reason = $row->{error} // '';

		$round->{count}{failed}++;
		$round->{reasons}{$reason}++;
		push @faults, [ 'no reason that says something', "\"$reason\"$told_bad" ] if $reason =~ EMPTY_REASON;
		push @faults, [ 'failed, and the peer never saw it', $reason ] if !$told->{seen} && !_was_late($round, $row);
	}
	push @faults, [ 'neither stored nor failed', "it was asked for @{[ $told->{seen} // 0 ]} times$told_bad" ]
	  if $round->{state} eq 'completed' && !$row->{stored} && !$row->{failed};
	push @faults, [ 'answered properly, and not stored', ($row->{error} // $round->{state}) . "$told_bad, on connection $told->{proper}{connection}" ]
	  if $told->{proper} && !$row->{stored} && ($row->{failed} || _is_before_stop($round, $told->{proper})) && !_was_late($round, $row);
	return @faults;
}

# A request may have waited for another connection, or for the peer's new process, and had little of
# its time left when the peer saw it.  That is seldom so.
sub _was_late
{
	my ($round, $row) = @_;

	return ($row->{error} // '') =~ /answer within \d+ m?s/ && ++$round->{count}{late} <= 2 + $round->{rows} / 50;
}

# Of a job that was canceled what had come before must be there.
sub _is_before_stop
{
	my ($round, $line) = @_;

	return $round->{state} eq 'canceled' && !grep { $line->{time} > $_ } @{ $round->{stops} };
}

=head2 compare_log($t, $position)

Nothing crashed since, and UndefinedBehaviorSanitizer found nothing.

=cut

sub compare_log
{
	my ($t, $position) = @_;
	my $text = $t->log_since($position);

	return map { "logged: $_" } $text =~ /^.*(?:PANIC|TRAP|recalcitrant|was terminated by signal|reinitializing|runtime error: ).*$/mg;
}

=head2 new_sanitizer_reports(\%known)

What AddressSanitizer has written since, of which the hash keeps track: the first lines.

=cut

sub new_sanitizer_reports
{
	my ($known) = @_;
	my @reports;

	return () if !$ENV{WIRE_SANITIZER};
	foreach my $file (grep { !$known->{$_}++ } glob "$ENV{WIRE_SANITIZER}/*")
	{
		my $text = PostgreSQL::Test::Utils::slurp_file($file);

		push @reports, join "\n", grep { defined } (split /\n/, $text)[0 .. 14];
	}
	return @reports;
}

1;
