# Jobs drawn at random: whatever the table, key, template, sizes, output types, write
# mode and faults, what is stored is what a plain query says the API answers.
#
# PROPERTY_ROUNDS says how many rounds (else as many as fit into 20 seconds), and
# PROPERTY_SEED with which seed the first begins: a number, or "time".  Else it is 1, so
# that a change is tried with the same jobs as the code before it.  Each round has a seed
# of its own, so a round that fails is repeated alone by its seed and PROPERTY_ROUNDS=1,
# or by hand: what is printed of it is a script for psql.

use strict;
use warnings;
use utf8;

use Encode qw(decode_utf8 encode_utf8);
use EnrichTest;
use PropertyRound;
use PropertyTypes;
use Test::More;

my $t = EnrichTest->new(init => [ extra => [ '--encoding=UTF8', '--locale=C' ] ], conf => "fsync = off\n");
my $seed = $ENV{PROPERTY_SEED} // 1;
$seed = time() * 1000 % 1_000_000_000 if $seed eq 'time';
my $rounds = $ENV{PROPERTY_ROUNDS};
my $began = time;
my $wrong = 0;

note("PROPERTY_SEED=$seed");
$t->sql(encode_utf8(PropertyTypes::common_sql()));
$t->create_loopback;

my $count = 0;
while (defined $rounds ? $count < $rounds : time < $began + 20)
{
	my $round = PropertyRound->new($seed + $count++, $t->url);
	my @faults = eval { play($round) };
	push @faults, decode_utf8($@) if $@;
	next if !@faults;
	$wrong++;
	fail("PROPERTY_SEED=$round->{seed} PROPERTY_ROUNDS=1");
	diag('mock script: ' . join ', ', map { "$_ = $round->{script}{$_}" } sort keys %{ $round->{script} });
	diag(encode_utf8(join '', $round->script, "-- verdict\n", $round->verdict_sql, "\n-- seed $round->{seed}\n", map { "-- $_\n" } @faults));
}
cmp_ok($count, '>', 0, 'there were rounds');
is($wrong, 0, "rounds that went wrong, of $count");

$t->stop;
done_testing();

# What is wrong with a round: sentences, best none.
sub play
{
	my ($round) = @_;
	my @faults;

	$t->mock_reset;
	$t->mock_script($round->{script});
	$t->mock_log;
	my $job = $t->sql(encode_utf8($round->script));
	my $progress = $t->progress($job);
	push @faults, $progress->{state} eq 'completed'
	  ? (compare($round, $progress), compare_buckets($round, $progress), compare_requests($round, $progress), compare_staging($progress))
	  : "job $job is $progress->{state}: " . decode_utf8($progress->{error} // 'no error');
	push @faults, map { "$_->{count} rows failed: " . decode_utf8($_->{error}) }
	  $t->rows("SELECT error, count(*) FROM enrich.failures WHERE job = $job GROUP BY 1 LIMIT 5")
	  if @faults;
	$t->sql("SELECT enrich.cancel($job)") if $progress->{state} ne 'completed';
	$t->sql("SELECT enrich.drop($job)");
	return @faults;
}

sub unless_same
{
	my ($what, $found, $expected) = @_;

	return $found == $expected ? () : "$what: $found instead of $expected";
}

# Every row of the target, and the counters
sub compare
{
	my ($round, $progress) = @_;
	my $set = "SET search_path = \"Round\", public; SET extra_float_digits = 3;\n";
	my @faults;

	if (defined $round->{max_rows})
	{
		my $could = $t->sql("$set SELECT count(*) FROM expected");
		my $taken = $could < $round->{max_rows} ? $could : $round->{max_rows};
		$t->sql(encode_utf8($set . $round->taken_sql));
		push @faults, unless_same('rows that were taken', $t->sql("$set SELECT count(*) FROM expected"), $taken);
	}
	my $verdict = json_row($set, $round->verdict_sql);
	push @faults, unless_same("rows_$_", $progress->{"rows_$_"}, $verdict->{$_}) foreach qw(total failed skipped);
	push @faults, unless_same('rows counted', $progress->{rows_done} + $progress->{rows_failed} + $progress->{rows_skipped}, $verdict->{total});
	push @faults, "$verdict->{lacking} rows lacking, $verdict->{surplus} too many: "
	  . join "\n--    ", map { join ' ', values %$_ } @{ $verdict->{examples} }
	  if $verdict->{lacking} + $verdict->{surplus} > 0;
	return @faults;
}

sub json_row
{
	my ($set, $sql) = @_;

	return JSON::PP->new->decode(decode_utf8($t->sql(encode_utf8("${set}SELECT row_to_json(r) FROM ($sql) r"))));
}

sub compare_buckets
{
	my ($round, $progress) = @_;
	my $total = $progress->{rows_total};
	my $found = $t->row("SELECT count(*), coalesce(sum(rows), 0) AS rows, coalesce(max(rows), 0) AS most FROM enrich.buckets WHERE job = $progress->{job}");

	return (unless_same('buckets', $found->{count}, int(($total + $round->{bucket} - 1) / $round->{bucket})),
		unless_same('rows of buckets', $found->{rows}, $total),
		$found->{most} > $round->{bucket} ? "a bucket of $found->{most} rows" : ());
}

# Nothing is left of the job's staging table but rows that failed.
sub compare_staging
{
	my ($progress) = @_;

	return () if $progress->{rows_failed} > 0;
	return eval { $t->poll("SELECT count(*) FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace", 0, 10); 1 } ? () : $@;
}

# The mock has answered each input as often as there are rows of it, and never more requests at a time than allowed.
sub compare_requests
{
	my ($round, $progress) = @_;
	my $stats = $t->mock_stats;
	my $most = $round->most_in_flight;
	my @faults;

	return () if $round->{repeats} || $round->{changed};
	push @faults, "$stats->{max_in_flight} requests in flight where $most are allowed" if $stats->{max_in_flight} > $most;
	push @faults, compare_inputs() if !$round->{shape}{no_log};
	return @faults if $round->{faults};
	push @faults, unless_same('requests', $stats->{requests}, $progress->{requests}), unless_same('retries', $progress->{retries}, 0);
	return @faults if defined $round->{tokens} || $progress->{rows_skipped} > 0;
	push @faults, unless_same('requests counted', $progress->{requests}, requests_of($round, $progress->{rows_total}));
	return @faults;
}

sub compare_inputs
{
	my $answered = $t->mock_inputs;
	my $sent = json_row('SET search_path = "Round";', <<'END')->{sent};
SELECT coalesce(json_object_agg("~sent", count), '{}') AS sent FROM (SELECT "~sent", count(*) FROM expected WHERE "~sent" <> '' GROUP BY 1) s
END
	my %both = (%$answered, %$sent);
	my @odd = grep { ($answered->{$_} // 0) != ($sent->{$_} // 0) } sort keys %both;

	return () if !@odd;
	return 'inputs answered too often or not at all: ' . @odd . ', such as '
	  . join ', ', map { "\"$_\": " . ($answered->{$_} // 0) . ' instead of ' . ($sent->{$_} // 0) } grep { defined } @odd[ 0 .. 7 ];
}

sub requests_of
{
	my ($round, $total) = @_;
	my $bucket = $round->{bucket};
	my $batch = $round->{shape}{single} ? 1 : $round->{batch} // $bucket;
	my $in_bucket = sub { int(($_[0] + $batch - 1) / $batch) };

	return int($total / $bucket) * $in_bucket->($bucket) + $in_bucket->($total % $bucket);
}
