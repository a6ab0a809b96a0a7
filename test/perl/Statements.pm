
=head1 NAME

Statements - the statements that pg_enrich runs on its own tables, and how a server planned them

=head1 SYNOPSIS

  my %sql = (Statements::of_sources, Statements::of_server($t));
  my @plans = Statements::plans($log);

=head1 DESCRIPTION

They are read from the sources, so that a test which wants to have seen all of them cannot
forget a new one.  Of those that are made of a table at their first use the sources tell the
names alone; a server tells their texts.

=cut

package Statements;

use strict;
use warnings;

use Carp;
use JSON::PP ();
use PostgreSQL::Test::Utils;

my $tables = qr/\benrich\.catalog_\w+/;

my $literal = qr/"(?:[^"\\]|\\.)*"/;

# "a" MACRO "b", as the compiler puts it together.
sub _joined
{
	my ($text, $macros) = @_;
	my $sql = '';

	while ($text =~ /\G\s*(?:"((?:[^"\\]|\\.)*)"|([A-Z_]+))/gc)
	{
		my ($literal, $macro) = ($1, $2);

		croak "there is no macro $macro" if defined $macro && !defined $macros->{$macro};
		$sql .= defined $macro ? $macros->{$macro} : $literal =~ s/\\(.)/$1/gr;
	}
	return $sql;
}

sub _macros
{
	my %macros;

	# those of the header first: others are made of them
	foreach my $file ('src/catalog/catalog_statement.h', glob 'src/catalog/catalog*.c')
	{
		my $source = slurp_file($file) =~ s/\\\n//gr;

		while ($source =~ /^#define ([A-Z_]+)((?:\s+(?:"[^"\n]*"|[A-Z_]+))+)$/mg)
		{
			my ($name, $value) = ($1, $2);
			$macros{$name} = _joined($value, \%macros) if $value =~ /"/;
		}
	}
	return \%macros;
}

=head2 Statements::of_sources()

A hash: the text of each, to where it stands.

=head2 Statements::built()

A hash: the name of each that is made of a table, to where it stands.

=head2 Statements::of_server($t)

As of_sources, for those; croaks if they are others than the sources name.

=head2 Statements::strays()

Files that name the tables in SQL of theirs, and are not catalog*.c; and those of these whose
statements are not all understood.

=cut

sub of_sources
{
	my $macros = _macros();
	my %statements;

	foreach my $file (glob 'src/catalog/catalog*.c')
	{
		my $source = slurp_file($file);

		while ($source =~ /static Statement (\w+)(?:\[\])? = \{\n(.*?)\n\};/gs)
		{
			my ($name, $body) = ($1, $2);
			my @texts = $body =~ /(?:^|\{)(\s*$literal(?:\s*(?:$literal|[A-Z_]+))*),/g;

			croak "$file: $name is not understood" if !@texts;
			$statements{ _joined($_, $macros) } = "$file: $name" foreach @texts;
		}
	}
	return %statements;
}

sub _built_in
{
	my ($file, $source) = @_;
	my %builders;

	while ($source =~ /static BuiltStatement (\w+) = \{(.*?)\};/gs)
	{
		my ($name, $body) = ($1, $2);
		my ($text, $builder) = $body =~ /^"(\w+)", (\w+), \{NULL, 0, \{0\}, NULL\}$/
		  or croak "$file: $name is not understood";

		croak "$file: $name calls itself $text" if $text ne $name;
		$builders{$name} = $builder;
	}
	return %builders;
}

sub built
{
	my %built;

	foreach my $file (glob 'src/catalog/catalog*.c')
	{
		my %builders = _built_in($file, slurp_file($file));
		$built{$_} = "$file: $_" foreach keys %builders;
	}
	return %built;
}

sub of_server
{
	my ($t) = @_;
	my %places = built();

	$t->sql(q(CREATE FUNCTION built_statements(OUT name text, OUT sql text) RETURNS SETOF record
		LANGUAGE C STRICT AS '$libdir/pg_enrich', 'enrich_built_statements'));
	my %texts = map { $_->{name} => $_->{sql} } $t->rows('SELECT * FROM built_statements()');
	$t->sql('DROP FUNCTION built_statements');
	croak 'the server has others: ' . join ' ', sort keys %texts
	  if "@{[ sort keys %texts ]}" ne "@{[ sort keys %places ]}";
	return map { $texts{$_} => $places{$_} } keys %texts;
}

sub strays
{
	my @strays;

	foreach my $file (glob 'src/*/*.c src/core/*/*.c src/*.c')
	{
		my $code = slurp_file($file) =~ s{/\*.*?\*/}{}gsr;
		my $is_catalog = $file =~ m{^src/catalog/};

		push @strays, $file
		  if !$is_catalog && $code =~ /"[^"\n]*(?:FROM|INTO|UPDATE|JOIN) $tables/;
		next if !$is_catalog;
		# parts of statements
		$code =~ s/^#define (?:[^\n]*\\\n)*[^\n]*$//mg;
		$code =~ s/static Statement \w+(?:\[\])? = \{\n.*?\n\};//gs;
		# what makes statements
		my %builders = _built_in($file, $code);
		$code =~ s/static void\n$_\(StringInfo sql, Statement \*statement\)\n\{\n.*?\n\}\n//s foreach values %builders;
		push @strays, $file if $code =~ /\bStatement \w+(?:\[\])?\s*=|"[^"\n]*(?:FROM|INTO|UPDATE|JOIN) $tables/;
	}
	return @strays;
}

=head2 Statements::plans($log)

The plans that auto_explain, with log_format json, has written there: hashes with sql and plan,
which is decoded.

=cut

sub plans
{
	my ($log) = @_;
	my @plans;

	foreach my $entry (split /^(?=\d{4}-\d\d-\d\d \d\d:)/m, $log)
	{
		my ($text) = $entry =~ /LOG:  duration: [\d.]+ ms  plan:\n(.*)/s or next;
		my $explained = JSON::PP->new->decode($text =~ s/^\t//mgr);

		push @plans, { sql => $explained->{'Query Text'}, plan => $explained->{Plan} };
	}
	return @plans;
}

=head2 Statements::nodes($plan)

The nodes of a plan, as a list.

=cut

sub nodes
{
	my ($plan) = @_;

	return ($plan, map { nodes($_) } @{ $plan->{Plans} // [] });
}

1;
