# The benchmarks: see test/bench, which prepares everything for this.
#
#   run.pl --dir DIR --bin DIR --tree DIR [--quick] [--csv | --markdown] [--runs N] [--only NAME …]
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

my @names = qw(rows recipe vectors decode base64 chat bucketize update memory growth growth_1m claims workers caps queue idle);
my %option = (runs => 3, only => []);
GetOptions(\%option, 'dir=s', 'bin=s', 'tree=s', 'quick', 'csv', 'markdown', 'runs=i', 'only=s@')
  or die "usage: see test/bench --help\n";
my %known = map { $_ => 1 } @names;
foreach my $name (@{ $option{only} })
{
	die "there is no workload $name; there are: @names\n" if !$known{$name};
}
@names = @{ $option{only} } if @{ $option{only} };
$option{runs} = 1 if $option{quick};
$| = 1;

my @remarks;					# to be printed below a Markdown table

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
	return "$needs->{cores} cores, there are " . $bench->cores if $bench->cores < $needs->{cores};
	return;
}

# Ours and the reference, in turns.
sub measure
{
	my ($bench, $workload) = @_;
	my $prepared = $workload->{prepare} ? $workload->{prepare}->($bench) : undef;
	my (@ours, @references);

	foreach my $run (1 .. min($option{runs}, $workload->{runs} // $option{runs}))
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
		notes => [ map { @{ $_->{notes} // [] } } $ours[-1], $references[-1] ],
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

sub wanted
{
	my ($workload) = @_;

	return defined $workload->{least} ? '>= ' . sprintf('%.3g', $workload->{least}) : '<= ' . sprintf('%.3g', $workload->{most});
}

sub note
{
	my (undef, $words, $figure, $unit) = @{ $_[0] };

	return "$words: " . sprintf($figure =~ /^\d+$/ ? '%d' : '%.3g', $figure) . ($unit ne '' ? " $unit" : '');
}

sub show_text
{
	my ($name, $workload, $result) = @_;

	printf "%-10s %s\n", $name, $workload->{title};
	printf "           %.6g %s beside %.6g: ratio %.3f (%.3f to %.3f), wanted %s: %s\n", $result->{figure}, $workload->{unit},
	  $result->{reference}, @$result{qw(ratio least most)}, wanted($workload), judge($workload, $result->{ratio});
	printf "           workers: at most %.1f MB of private memory, %.2f s of processor time\n", @$result{qw(peak cpu)}
	  if $result->{peak};
	print "           $_\n" foreach map { note($_) } @{ $result->{notes} };
	return;
}

# What is reported beside the ratio has lines of its own: memory.staging_peak and the like.
sub show_csv
{
	my ($name, $workload, $result) = @_;

	print join(',', $name, map({ sprintf '%.6g', $_ } @$result{qw(figure reference)}), qq("$workload->{unit}"),
		map({ sprintf '%.4g', $_ } @$result{qw(ratio least most peak cpu)}),
		'"' . wanted($workload) . '"', '"' . judge($workload, $result->{ratio}) . '"'), "\n";
	print join(',', "$name.$_->[0]", sprintf('%.6g', $_->[2]), '', qq("$_->[3]"), ('') x 7), "\n" foreach @{ $result->{notes} };
	return;
}

sub show_markdown
{
	my ($name, $workload, $result) = @_;
	my $aim = defined $workload->{aim} ? sprintf('%.3g', $workload->{aim}) : '';

	printf "| `%s` | %s | %.4g %s | %.4g | **%.2f** (%.2f to %.2f) | %s | %s | %s | %s |\n", $name, $workload->{title},
	  $result->{figure}, $workload->{unit}, $result->{reference}, @$result{qw(ratio least most)}, wanted($workload), $aim,
	  judge($workload, $result->{ratio}),
	  $result->{peak} ? sprintf('%.1f MB, %.1f s', @$result{qw(peak cpu)}) : '';
	push @remarks, map { "* `$name`: " . note($_) } @{ $result->{notes} };
	return;
}

# What is above the table: what it was measured on.
sub describe_machine
{
	my ($bench) = @_;
	my ($model) = Bench::slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*?)\s*$/m;
	my ($memory) = Bench::slurp('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
	my ($system) = Bench::slurp('/etc/os-release') =~ /^PRETTY_NAME="?(.*?)"?$/m;
	my ($curl) = $bench->run('curl-config', '--version') =~ /(\d\S*)/;

	return sprintf '%s core%s (%s), %.0f GB of memory, %s, PostgreSQL %s, libcurl %s; each %s.', $bench->cores,
	  $bench->cores == 1 ? '' : 's', $model // 'unknown', $memory / 1024 / 1024, $system // 'unknown',
	  $bench->sql('SHOW server_version') =~ s/ .*//r, $curl, $option{runs} == 1 ? 'once' : "$option{runs} times, what takes long less often";
}

# Of a workload without a ratio; a Markdown table cannot be interrupted by it.
sub remark
{
	my ($text) = @_;

	if ($option{markdown}) { push @remarks, "* $text"; }
	else { print STDERR "$text\n"; }
	return;
}

my %show = (text => \&show_text, csv => \&show_csv, markdown => \&show_markdown);
my $format = $option{markdown} ? 'markdown' : $option{csv} ? 'csv' : 'text';
my $bench = Bench->new(dir => $option{dir}, bin => $option{bin}, tree => $option{tree}, quick => $option{quick});
my %count = map { $_ => 0 } qw(done skipped failed);
print "workload,figure,reference,unit,ratio,least,most,peak_mb,cpu_s,wanted,verdict\n" if $format eq 'csv';
print "\n### The last full run\n\n", describe_machine($bench), "\n\n",
  "| workload | what | figure | reference | ratio (from, to) | must reach | aim | | workers: memory, processor time |\n",
  '| --- ' x 9, "|\n"
  if $format eq 'markdown';
foreach my $name (@names)
{
	my $workload = Workloads->can($name)->($option{quick}) or next;
	my $lack = lacks($bench, $workload->{needs});

	if ($lack)
	{
		remark("$name: skipped, it needs $lack");
		$count{skipped}++;
		next;
	}
	my $result = eval { measure($bench, $workload) };
	if (!defined $result)
	{
		remark("$name: FAILED: " . $@ =~ s/\s+\z//r);
		eval { $bench->clear_up; 1 } or print STDERR $@;
		$count{failed}++;
		next;
	}
	$show{$format}->($name, $workload, $result);
	$count{done}++;
}
print map { "$_\n" } '', @remarks if @remarks;
$bench->stop;
print "\n" if $format eq 'markdown';
print { $format eq 'csv' ? *STDERR : *STDOUT } "$count{done} workloads, $count{skipped} skipped, $count{failed} failed\n";
exit($count{failed} > 0);
