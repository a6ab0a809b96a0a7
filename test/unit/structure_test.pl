#!/usr/bin/perl
#
# The structure of src/, as its README promises it:
#
#  * folders are in the order in which the Makefile lists them, and no file includes a header
#    of a later one;
#  * what is in core/ knows nothing of PostgreSQL;
#  * no two files call each other, directly or by others: each can be read, and tested, with
#    those below it alone;
#  * no file exceeds 600 lines, no line 100 columns;
#  * pgindent has laid out all of it (where there is one: see test/layout).
#
# A call is any use of a function's name.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use Test::More;

use constant MAX_LINES => 600;
use constant MAX_COLUMNS => 100;
use constant TAB => 4;

my @files = sort map { glob "src/$_" } '*.[ch]', '*/*.[ch]', 'core/*/*.[ch]';
my %text = map { $_ => slurp($_) } @files;
my %code = map { $_ => code_of($text{$_}) } @files;

plan skip_all => 'not in the source tree' if !@files;
none('no file includes a header of a later folder', misplaced_includes());
none('nothing in core/ includes what is not there', servers_in_core());
none('no circle of calls between files', circles());
none('no file is too long', grep { lines($text{$_}) > MAX_LINES } @files);
none('no line is too long', long_lines());
SKIP:
{
	my $changes = `test/layout --check 2>&1`;

	skip 'pgindent is not to be found', 1 if $? >> 8 == 77;
	is($changes, '', 'pgindent would change nothing');
}
done_testing();

sub none
{
	my ($what, @found) = @_;

	return is(join("\n", @found), '', $what);
}

sub slurp
{
	my ($file) = @_;

	open my $in, '<', $file or die "could not open $file: $!";
	local $/ = undef;
	return scalar <$in>;
}

# Without comments and strings, which name functions, too.
sub code_of
{
	my ($text) = @_;

	$text =~ s{("(?:[^"\\\n]|\\.)*"(?:(?<=\.h")(*SKIP)(*FAIL))?)|/\*.*?\*/}{defined $1 ? '""' : ' '}gse;
	return $text;
}

# Folders in the Makefile's order; the entry point comes last.
sub folders
{
	my $lists = slurp('Makefile') =~ s/\\\n//gr;
	my @folders = $lists =~ /\$\(addprefix ((?:core\/)?\w+)\/,/g;
	my %place;

	foreach my $folder (@folders)
	{
		last if $folder =~ /^test/;
		$place{$folder} //= keys %place;
	}
	$place{''} = keys %place;
	return %place;
}

sub folder_of
{
	my ($file) = @_;
	my $folder = dirname($file) =~ s{^src/?}{}r;

	return $folder;
}

# Where an included header is; undef: it is none of ours.
sub find_header
{
	my ($name) = @_;

	return (grep { exists $text{$_} } "src/$name", "src/core/$name")[0];
}

sub includes
{
	my ($file) = @_;

	return $code{$file} =~ /^#include "([^"]+)"/mg;
}

sub misplaced_includes
{
	my %place = folders();
	my @misplaced;

	foreach my $file (@files)
	{
		my $place = $place{ folder_of($file) } // die "the Makefile does not list the folder of $file";

		foreach my $header (grep { defined } map { find_header($_) } includes($file))
		{
			push @misplaced, "$file: $header" if $place{ folder_of($header) } > $place;
		}
	}
	return @misplaced;
}

sub servers_in_core
{
	return map {
		my $file = $_;
		map { "$file: $_" } grep { (find_header($_) // '') !~ m{^src/core/} } includes($file);
	} grep { m{^src/core/} } @files;
}

# Extern functions, with the file that defines them.
sub definitions
{
	my %defined_in;

	foreach my $file (grep { /\.c$/ } @files)
	{
		while ($code{$file} =~ /^([^\n]+)\n(\w+)\([^;{}]*\)\n\{/mg)
		{
			$defined_in{$2} = $file if $1 !~ /\bstatic\b/;
		}
	}
	return %defined_in;
}

sub calls
{
	my %defined_in = definitions();
	my %calls;

	foreach my $file (grep { /\.c$/ } @files)
	{
		foreach my $name ($code{$file} =~ /\b([a-z_]\w+)\b/g)
		{
			my $other = $defined_in{$name};

			$calls{$file}{$other}{$name} = 1 if defined $other && $other ne $file;
		}
	}
	return \%calls;
}

# Files that call each other, with what they call.
sub circles
{
	my $calls = calls();
	my %reaches = map { $_ => { reachable($calls, $_) } } keys %$calls;
	my (%seen, @circles);

	foreach my $file (sort keys %reaches)
	{
		my @circle = grep { $reaches{$file}{$_} && $reaches{$_}{$file} } sort keys %reaches;

		next if !@circle || $seen{$file};
		$seen{$_} = 1 foreach @circle;
		push @circles, join '; ', map { my $from = $_; map { basename($from) . ' calls ' . basename($_) . ': ' . join ' ', sort keys %{ $calls->{$from}{$_} } } grep { $calls->{$from}{$_} } @circle } @circle;
	}
	return @circles;
}

sub reachable
{
	my ($calls, $file) = @_;
	my %seen;
	my @todo = ($file);

	while (defined(my $next = shift @todo))
	{
		push @todo, grep { !$seen{$_}++ } keys %{ $calls->{$next} };
	}
	return %seen;
}

sub lines
{
	return scalar(() = $_[0] =~ /\n/g);
}

sub long_lines
{
	my @long;

	foreach my $file (@files)
	{
		my $number = 0;

		foreach my $line (split /\n/, $text{$file})
		{
			$number++;
			my $shown = $line;
			1 while $shown =~ s/^([^\t]*)\t/$1 . ' ' x (TAB - length($1) % TAB)/e;
			push @long, "$file:$number" if length $shown > MAX_COLUMNS && $shown !~ /"/;
		}
	}
	return @long;
}
