# What each http_version costs over TLS: see test/bench --versions, which prepares
# everything for this.
#
#   versions.pl --dir DIR --tree DIR --nginx PROGRAM [--quick] [--markdown] [--runs N]
#
# versions.c sends requests to nginx by way of relay.c, which makes the network as slow
# as one between cities or between continents.  The versions take turns.

use strict;
use warnings;

use Getopt::Long;
use HTTP::Tiny;
use IO::Socket::INET;
use List::Util qw(sum);
use Time::HiRes qw(sleep time);

use constant IN_FLIGHT => 64;

my %option = (runs => 3);
GetOptions(\%option, 'dir=s', 'tree=s', 'nginx=s', 'quick', 'markdown', 'runs=i')
  or die "usage: see test/bench --help\n";
$option{runs} = 1 if $option{quick};
$| = 1;

my %length = (small => 200, large => 2 * 1024 * 1024);
my %title = (small => '200 bytes', large => '2 MB');
my @sizes = ('small', 'large');
my @versions = ('1.1', '-', '2');		# of the program's arguments
my @latencies = (0, 20, 200);			# milliseconds, there and back

# How many requests a run sends: some seconds' worth.
my %requests = (
	small => { 0 => 20000, 20 => 20000, 200 => 3200 },
	large => { 0 => 320, 20 => 320, 200 => 320 });

my @children;

sub median
{
	my @sorted = sort { $a <=> $b } @_;

	return @sorted % 2 ? $sorted[ $#sorted / 2 ] : ($sorted[ @sorted / 2 - 1 ] + $sorted[ @sorted / 2 ]) / 2;
}

sub run
{
	my (@command) = @_;

	open(my $pipe, '-|', @command) or die "$command[0]: $!\n";
	my $output = join '', <$pipe>;
	close $pipe;
	return $output;
}

sub write_file
{
	my ($name, $content) = @_;

	open(my $file, '>', $name) or die "$name: $!\n";
	print $file $content;
	close $file or die "$name: $!\n";
	return;
}

sub slurp
{
	my ($name) = @_;

	open(my $file, '<', $name) or die "$name: $!\n";
	local $/;
	return scalar <$file>;
}

sub free_port
{
	return IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', Proto => 'tcp')->sockport;
}

# Starts a program that ends with this one, or with what is given to it as its input.
sub start
{
	my ($port, @command) = @_;

	open(my $input, '|-', @command) or die "$command[0]: $!\n";
	push @children, $input;
	my $deadline = time() + 10;
	until (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port))
	{
		die "$command[0] does not listen\n" if time() > $deadline;
		sleep 0.02;
	}
	return;
}

# An array of numbers as an embeddings API sends it, of so many bytes.
sub numbers
{
	my ($length) = @_;
	my $text = '{"data": [';

	srand 1;
	$text .= sprintf('%.8f, ', rand(2) - 1) while length $text < $length;
	return substr($text, 0, $length - 2) . "]}";
}

sub start_nginx
{
	my ($port, $status_port) = @_;
	my $dir = "$option{dir}/nginx";

	mkdir $dir or die "$dir: $!\n";
	write_file("$dir/$_", numbers($length{$_})) foreach keys %length;
	system('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', 2,
		'-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem") == 0
	  or die "openssl failed\n";
	# POST of a static file is refused with 405, whose answer is the file.  What is mirrored
	# is read first: an answer before its request is something else.
	write_file("$dir/nginx.conf", <<"END");
worker_processes 1;
daemon off;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path $dir/body;
	proxy_temp_path $dir/proxy;
	fastcgi_temp_path $dir/fastcgi;
	uwsgi_temp_path $dir/uwsgi;
	scgi_temp_path $dir/scgi;
	keepalive_requests 1000000;
	default_type application/json;
	server {
		listen 127.0.0.1:$port ssl http2;
		ssl_certificate $dir/cert.pem;
		ssl_certificate_key $dir/key.pem;
		root $dir;
		location / { mirror /mirror; error_page 405 =200 \$uri; }
		location = /mirror { internal; return 204; }
	}
	server {
		listen 127.0.0.1:$status_port;
		location / { stub_status; }
	}
}
END
	start($status_port, $option{nginx}, '-c', "$dir/nginx.conf", '-e', "$dir/error.log");
	return "$dir/cert.pem";
}

# How many connections nginx has accepted so far, with the one that asks.
sub accepted
{
	my ($status_port) = @_;
	my ($count) = HTTP::Tiny->new->get("http://127.0.0.1:$status_port/")->{content} =~ /^\s*(\d+) \d+ \d+/m;

	return $count;
}

sub measure
{
	my ($port, $status_port, $certificate, $version, $size, $requests) = @_;
	my $before = accepted($status_port);
	my ($seconds, $processor, $failed) = split ' ', run("$option{tree}/test/benchmarks/versions",
		"https://127.0.0.1:$port/$size", $certificate, $version, $requests, IN_FLIGHT, $length{$size});

	die "versions did not run\n" if !defined $failed;
	return {
		rate => $requests / $seconds, processor => $processor * 1000 / $requests, failed => $failed,
		connections => accepted($status_port) - $before - 1 };
}

my %name = ('1.1' => "'1.1'", '-' => 'not given', '2' => "'2'");

# The median of a figure, and that of its ratio to the first version's in the same turn.
sub figures
{
	my ($key, $runs, $reference) = @_;

	return (median(map { $_->{$key} } @$runs), median(map { $runs->[$_]{$key} / $reference->[$_]{$key} } 0 .. $#$runs));
}

# Returns how many requests failed.
sub show
{
	my ($size, $latency, $version, $runs, $reference) = @_;
	my @figures = (figures('rate', $runs, $reference), figures('processor', $runs, $reference));
	my $failed = sum(map { $_->{failed} } @$runs);
	my $name = $name{$version};

	$name =~ s/^('.*')$/`$1`/ if $option{markdown};
	printf $option{markdown}
	  ? "| %s | %d ms | %s | %.4g (%.2f) | %.3g (%.2f) | %d%s |\n"
	  : "%s, %d ms, http_version %s: %.4g requests/s (%.2f), %.3g ms of processor time a request (%.2f), %d connections%s\n",
	  $title{$size}, $latency, $name, @figures, median(map { $_->{connections} } @$runs), $failed ? ", $failed FAILED" : '';
	return $failed;
}

my ($port, $status_port) = (free_port(), free_port());
my $certificate = start_nginx($port, $status_port);
my %port = (0 => $port);
foreach my $latency (grep { $_ } @latencies)
{
	$port{$latency} = free_port();
	start($port{$latency}, "$option{tree}/test/benchmarks/relay", $port{$latency}, $port, $latency);
}
my $failed = 0;
print "| answers | round trip | `http_version` | requests/s | processor time a request, ms | connections |\n", '| --- ' x 6, "|\n"
  if $option{markdown};
foreach my $size (@sizes)
{
	foreach my $latency (@latencies)
	{
		my $requests = $option{quick} ? 2 * IN_FLIGHT : $requests{$size}{$latency};
		my %runs;

		foreach my $run (1 .. $option{runs})
		{
			foreach my $version ($run % 2 ? @versions : reverse @versions)
			{
				push @{ $runs{$version} }, measure($port{$latency}, $status_port, $certificate, $version, $size, $requests);
			}
		}
		$failed += show($size, $latency, $_, $runs{$_}, $runs{ $versions[0] }) foreach @versions;
	}
}
kill 'TERM', slurp("$option{dir}/nginx/pid");
close $_ foreach @children;
exit($failed > 0);
