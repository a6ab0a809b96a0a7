# The benchmarks: see test/bench, which prepares everything for this.
#
#   run.pl --dir DIR --bin DIR --tree DIR [--quick] [--csv] [--runs N] [--only NAME …]
#
# Each workload runs beside its own reference, in turns, and only their ratio is
# to be read: machines differ, and this one may be busy.

use strict;
use warnings;

use Bench;
use Getopt::Long;
use List::Util qw(max min);
use Time::HiRes qw(time);
use Workloads;

my @names = qw(rows recipe vectors decode base64 chat bucketize update memory growth growth_1m workers caps idle);
my %option = (runs => 3, only => []);
GetOptions(\%option, 'dir=s', 'bin=s', 'tree=s', 'quick', 'csv', 'runs=i', 'only=s@')
  or die "usage: see test/bench --help\n";
my %known = map { $_ => 1 } @names;
foreach my $name (@{ $option{only} })
{
	die "there is no workload $name; there are: @names\n" if !$known{$name};
}
@names = @{ $option{only} } if @{ $option{only} };
$option{runs} = 1 if $option{quick};
$| = 1;

sub median
{
	my @sorted = sort { $a <=> $b } @_;

	return @sorted % 2 ? $sorted[ $#sorted / 2 ] : ($sorted[ @sorted / 2 - 1 ] + $sorted[ @sorted / 2 ]) / 2;
}

# What the machine lacks for a workload, or nothing.
sub lacks
{
	my ($bench, $needs) = @_;
	my ($disk) = $bench->run('df', '-Pm', $bench->{dir}) =~ /^\S+\s+\d+\s+\d+\s+(\d+)/m;
	my ($memory) = Bench::slurp('/proc/meminfo') =~ /^MemAvailable:\s+(\d+)/m;

	return "$needs->{disk} MB of disk, $disk are free" if $disk < $needs->{disk};
	return "$needs->{memory} MB of memory, " . int($memory / 1024) . ' are free' if $memory / 1024 < $needs->{memory};
	return "$needs->{cores} cores, there are $bench->{cores}" if $bench->{cores} < $needs->{cores};
	return;
}

# Ours and the reference, in turns.
sub measure
{
	my ($bench, $workload) = @_;
	my $prepared = $workload->{prepare} ? $workload->{prepare}->($bench) : undef;
	my (@ours, @references);

	foreach my $run (1 .. ($workload->{once} ? 1 : $option{runs}))
	{
		my $ours = sub { $bench->settle; push @ours, $workload->{ours}->($bench, $prepared); };
		my $reference = sub { $bench->settle; push @references, $workload->{reference}->($bench, $prepared); };

		# each is the first one as often, so that neither always finds the warmer cache
		if ($run % 2 == 1 || $workload->{ours_first}) { $ours->(); $reference->(); }
		else { $reference->(); $ours->(); }
	}
	my @ratios = map { $ours[$_]{value} / $references[$_]{value} } 0 .. $#ours;
	return {
		figure => median(map { $_->{value} } @ours), reference => median(map { $_->{value} } @references),
		ratio => median(@ratios), least => min(@ratios), most => max(@ratios),
		peak => max(map { $_->{peak} // 0 } @ours) / 1e6, cpu => median(map { $_->{cpu} // 0 } @ours),
		dead => max(map { $_->{dead} // 0 } @ours), catalog => max(map { $_->{catalog} // 0 } @ours) / 1e6,
	};
}

sub judge
{
	my ($workload, $ratio) = @_;
	my ($least, $most) = @$workload{qw(least most)};

	return 'too small to say' if $option{quick};
	return 'MISSED' if (defined $least && $ratio < $least) || (defined $most && $ratio > $most);
	return 'reached' if !defined $workload->{aim};
	return (defined $least ? $ratio >= $workload->{aim} : $ratio <= $workload->{aim}) ? 'aim reached' : 'reached';
}

sub show
{
	my ($name, $workload, $result) = @_;
	my $wanted = defined $workload->{least} ? ">= " . sprintf('%.3g', $workload->{least}) : "<= " . sprintf('%.3g', $workload->{most});
	my $verdict = judge($workload, $result->{ratio});

	if ($option{csv})
	{
		print join(',', $name, map({ sprintf '%.6g', $_ } @$result{qw(figure reference)}), qq("$workload->{unit}"),
			map({ sprintf '%.4g', $_ } @$result{qw(ratio least most peak cpu dead catalog)}), qq("$wanted"), qq("$verdict")), "\n";
		return;
	}
	printf "%-10s %s\n", $name, $workload->{title};
	printf "           %.6g %s beside %.6g: ratio %.3f (%.3f to %.3f), wanted %s: %s\n", $result->{figure}, $workload->{unit},
	  $result->{reference}, @$result{qw(ratio least most)}, $wanted, $verdict;
	printf "           workers: at most %.1f MB of private memory, %.2f s of processor time\n", @$result{qw(peak cpu)}
	  if $result->{peak};
	printf "           catalog: %d dead rows, %.1f MB at the end of the job\n", @$result{qw(dead catalog)}
	  if $result->{catalog};
	return;
}

my $bench = Bench->new(dir => $option{dir}, bin => $option{bin}, tree => $option{tree}, quick => $option{quick});
my $failed = 0;
print "workload,figure,reference,unit,ratio,least,most,peak_mb,cpu_s,dead_rows,catalog_mb,wanted,verdict\n" if $option{csv};
foreach my $name (@names)
{
	my $workload = Workloads->can($name)->($option{quick}) or next;
	my $lack = lacks($bench, $workload->{needs});

	if ($lack)
	{
		print STDERR "$name: skipped, it needs $lack\n";
		next;
	}
	my $result = eval { measure($bench, $workload) };
	if (!defined $result)
	{
		print STDERR "$name: FAILED: $@";
		$failed = 1;
		next;
	}
	show($name, $workload, $result);
}
$bench->stop;
exit $failed;
