
=pod

=head1 NAME

Cookbook - the recipes of docs/cookbook.md, to be run word for word

=head1 SYNOPSIS

  use Cookbook;

  my $book = Cookbook->new($t);
  $book->check('OpenAI: embeddings' => sub { my ($nearest) = @_; … });

=head1 DESCRIPTION

A recipe is a heading and the blocks marked C<sql> below it.  The blocks are given to
psql as they stand, with one exception: behind each CREATE SERVER goes an

  ALTER SERVER … OPTIONS (SET url 'http://127.0.0.1:PORT/HOST/PATH')

so that what the recipe asks of https://HOST/PATH is asked of the mock, which plays
that API there (see "Real APIs" in test/mock/README.md).  The tables that recipes
speak of are made by make_tables().

=cut

package Cookbook;

use strict;
use warnings;

use Carp;
use Exporter qw(import);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK = qw(sql_blocks);

use constant COOKBOOK => 'docs/cookbook.md';

# The number that follows from a text: see "Inputs" in test/mock/README.md.
use constant VALUE_FUNCTION => <<'END';
CREATE FUNCTION value_of(input text) RETURNS bigint IMMUTABLE RETURN ('x' || substr(md5(input), 1, 8))::bit(32)::bigint % 1000000;
END

# Sizes are such that full requests and a last one that is not full occur.
use constant TABLES => <<'END';
CREATE TABLE articles AS SELECT i AS id, 'Title ' || i AS title, 'body of the article ' || i * 7 AS body FROM generate_series(1, 120) i;
CREATE TABLE reviews AS SELECT i AS id, 'word' || i % 5 || ' of review ' || i AS body FROM generate_series(1, 25) i;
CREATE TABLE products AS SELECT i AS id, 'product ' || i AS description FROM generate_series(1, 120) i;
CREATE TABLE tickets AS SELECT 'T-' || i AS id, 'complaint ' || i AS body FROM generate_series(1, 45) i;
CREATE TABLE patients AS SELECT i AS id FROM generate_series(1, 40) i;
CREATE TABLE customers AS SELECT i AS id, i || ' Main & Side Street' AS street, 'Zürich' AS city FROM generate_series(1, 40) i;
CREATE TABLE documents AS SELECT i AS id, (SELECT string_agg(md5(i || '-' || n), ' ') FROM generate_series(1, i * 25) n) AS body FROM generate_series(1, 6) i;
DO $$ DECLARE name text; BEGIN
	FOREACH name IN ARRAY '{articles,reviews,products,tickets,patients,customers,documents}'::text[] LOOP
		EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (id)', name);
	END LOOP;
END $$;
END

# Everything that a recipe has made, and the tables it has written to.
use constant CLEAN_UP => <<'END';
DO $$ DECLARE name text; BEGIN
	FOR name IN SELECT srvname FROM pg_foreign_server LOOP
		EXECUTE format('DROP SERVER %I CASCADE', name);
	END LOOP;
	FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('DROP TABLE %I CASCADE', name);
	END LOOP;
END $$;
END

=head2 Cookbook->new($t)

Reads the cookbook, to be run with this EnrichTest, in which it makes function
C<value_of(text)>.

=cut

sub new
{
	my ($class, $t) = @_;
	my $self = bless { t => $t, text => slurp_file(COOKBOOK), recipes => {}, titles => [] }, $class;
	my ($title, $code);

	foreach my $line (split /\n/, $self->{text})
	{
		if (!defined $code && $line =~ /^##+ (.*)/)
		{
			$title = $1;
		}
		elsif ($line eq '```sql')
		{
			$code = '';
		}
		elsif ($line eq '```')
		{
			push @{ $self->{titles} }, $title if !$self->{recipes}{$title};
			push @{ $self->{recipes}{$title} }, $code;
			undef $code;
		}
		elsif (defined $code)
		{
			$code .= "$line\n";
		}
	}
	$t->sql(VALUE_FUNCTION) if $t;
	return $self;
}

=head2 $book->titles

The headings of all recipes.

=head2 $book->text

The cookbook as it is.

=head2 $book->blocks($title)

The SQL blocks of a recipe.

=cut

sub titles { return @{ $_[0]->{titles} }; }

sub text { return $_[0]->{text}; }

sub blocks
{
	my ($self, $title) = @_;

	return @{ $self->{recipes}{$title} || croak "there is no recipe \"$title\"" };
}

=head2 sql_blocks($text)

The SQL blocks of any text in markdown.

=cut

sub sql_blocks
{
	my ($text) = @_;

	return $text =~ /^```sql\n(.*?)^```$/msg;
}

=head2 $book->check($title => $function, $sql)

A subtest: makes the tables, runs $sql if there is any, runs the recipe, waits after each block for the jobs
it has started to complete, and calls the function with what each block printed.

=cut

sub check
{
	my ($self, $title, $function, $before) = @_;
	my $t = $self->{t};

	subtest $title => sub {
		$t->sql(CLEAN_UP . TABLES . ($before // ''));
		$t->mock_reset;
		$t->mock_log;
		$function->(map { $self->run_block($_) } $self->blocks($title));
	};
	return;
}

=head2 $book->run_block($sql)

Gives SQL to psql, with servers turned to the mock, waits for the jobs that it has started
to complete, and returns what it printed.

=head2 $book->on_mock($sql)

The SQL with servers turned to the mock.

=cut

sub on_mock
{
	my ($self, $sql) = @_;
	my $mock = $self->{t}->url;

	$sql =~ s{(CREATE SERVER (\w+)[^;]*\burl 'https?://([^']*)'[^;]*;)}
		{$1\nALTER SERVER $2 OPTIONS (SET url '$mock/$3');}g;
	return $sql;
}

sub run_block
{
	my ($self, $sql) = @_;
	my $t = $self->{t};
	my $out = $t->sql($self->on_mock($sql));

	$t->wait_job($_)
	  foreach split /\n/, $t->sql("SELECT job FROM enrich.jobs WHERE state NOT IN ('completed', 'canceled')");
	return $out;
}

=head2 $book->again($title, $n)

Runs the last statement of a recipe's block ($n, 0: the first) once more, and returns the number
of requests that it has taken.

=cut

sub again
{
	my ($self, $title, $n) = @_;
	my ($start) = ($self->blocks($title))[ $n // 0 ] =~ /^(SELECT enrich\.start.*)/ms;

	$self->{t}->mock_reset;
	$self->{t}->mock_log;
	$self->run_block($start);
	return $self->{t}->mock_stats->{requests};
}

=head2 $book->count_right_embeddings($select, $dimensions)

Of the rows (input, embedding) that a query finds, how many have the embedding that the
mock gives to the input, asked at its plain OpenAI endpoint.

=cut

sub count_right_embeddings
{
	my ($self, $select, $dimensions) = @_;
	my $t = $self->{t};
	my @rows = $t->rows($select);
	my $answer = $t->mock('POST', '/v1/embeddings',
		{ input => [ map { $_->{input} } @rows ], dimensions => $dimensions });

	return scalar grep {
		my $right = $answer->{data}[$_]{embedding};
		my $found = $rows[$_]{embedding} || [];
		@$found == @$right && !grep { abs($found->[$_] - $right->[$_]) > 1e-6 } 0 .. $#$right;
	} 0 .. $#rows;
}

1;
