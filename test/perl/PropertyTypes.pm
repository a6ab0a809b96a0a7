
=pod

=head1 NAME

PropertyTypes - values of many types, for tables that tests draw at random

=head1 DESCRIPTION

A type says how a row's number becomes a value of it: C<@> in C<value> stands for
the number.  Different numbers make different values, so that any type can be a
key.  All is done in SQL, so a table follows from the text of its statements.

=cut

package PropertyTypes;

use strict;
use warnings;
use utf8;

use Exporter qw(import);

our @EXPORT_OK = qw(types text_types common_sql value_sql literal identifier);

# Labels of the enum: more than a round has rows that is given many, see _draw_shape.
use constant MOODS => 700;

# Texts with which templates, JSON, URLs and SQL may go wrong.
my @odd = (
	'plain', 'two words', '  spaces  ', "tab\t", "new\nline", "\r\n", '"quoted"', "it's", '\\', '\\u0041', '\\n',
	'{{input}}', '{{', '}}', '["{{each}}", 1]', '%', '%41', '100%', 'a/b', '..', '.', '?x=1&y=2', '#', 'a+b', 'ü',
	'żółw', '日本語', '🐢', "\x{2028}", "\x{feff}", "e\x{301}", "\x{10fffd}", "\x01", "\x7f", '[1]', '{"a": 1}', 'null',
	'true', '1.10', '<b>&amp;</b>', ',', ';', '$1', '%s', 'NULL', '0', '-1', '\\x41', '{}', '()', 'long ' x 60, '~', '[]',
	'"', "''", '@', '--', '/*', '$$', 'E\'\\\'', 'ærø', 'ZEBRA', 'null ', ' ', "a\x{a0}b", '${x}', '`', '|', '=', '\\"');

# name => [ type, value, what is particular ]: limit, how many values there are;
# no_hash: no hash partitioning; via_text: JSON carries no more than its text.
my @types = (
	[ 'integer', '(@ * 48271 % 2147483647 - 1073741823)::integer' ],
	[ 'bigint', '(CASE WHEN @ % 2 = 0 THEN 9223372036854775807 - @ ELSE -9223372036854775807 + @ END)' ],
	[ 'smallint', '(@ * 7 % 32749 - 16000)::smallint' ],
	[ 'text', "(CASE WHEN \@ = 1 THEN '' ELSE public.odd(\@) || '/' || \@ END)" ],
	[ 'character varying(400)', "(public.odd(\@) || '/' || \@)" ],
	[ 'character(20)', "(chr((65 + \@ % 26)::integer) || \@)" ],
	[ 'name', "('n ' || \@)::name" ],
	[ 'uuid', "md5((\@)::text)::uuid" ],
	[ 'date', "(CASE \@ WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' ELSE date '0040-03-01 BC' + (\@ * 17)::integer END)" ],
	[ 'timestamp with time zone', "(CASE \@ WHEN 1 THEN 'infinity' ELSE timestamptz '1847-12-01 00:00:00.000001+00' + \@ * interval '11:17:31.25' END)" ],
	[ 'timestamp without time zone', "(timestamp '1999-12-31 23:59:59.9' + \@ * interval '1.000001 s')" ],
	[ 'time without time zone', "(time '00:00:00.5' + \@ * interval '7 s')", { limit => 12000 } ],
	[ 'interval', "make_interval(days => (\@ % 30)::integer, secs => \@ * 1.5)" ],
	[ 'numeric', "(CASE \@ WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' ELSE ((\@) || '.' || repeat('0', (\@ % 4)::integer) || '5' || repeat('0', (\@ % 3)::integer))::numeric END)" ],
	[ 'numeric(30,5)', '(@ * 12345678901234567890.12345)' ],
	[ 'double precision', '((@)::float8 / 3)', { via_text => 1 } ],
	[ 'real', '((@)::real / 7)', { via_text => 1 } ],
	[ 'bytea', "decode(md5((\@)::text) || '005c27', 'hex')" ],
	[ 'inet', "(inet '10.1.2.3/8' + \@)" ],
	[ 'int4range', 'int4range((@)::integer, (@ + 3)::integer)' ],
	[ 'bit varying(20)', '(@)::integer::bit(20)::varbit', { no_hash => 1 } ],
	[ 'jsonb', "jsonb_build_object('k', public.odd(\@), 'n', \@, 'z', NULL)" ],
	[ 'text[]', "ARRAY[public.odd(\@), NULL, (\@)::text]" ],
	[ 'integer[]', 'ARRAY[[@, 1], [2, NULL]]::integer[]' ],
	[ 'public.mood', "(enum_range(NULL::public.mood))[\@]", { limit => MOODS } ],
	[ 'public.positive', '(@)::integer::public.positive' ],
	[ 'public.label', "(public.odd(\@) || '!' || \@)::public.label" ],
	[ 'public.pair', 'ROW(@, public.odd(@))::public.pair', { no_hash => 1 } ],
	[ 'public.pair[]', 'ARRAY[ROW(@, public.odd(@)), ROW(NULL, NULL)]::public.pair[]', { no_hash => 1 } ],
	[ 'boolean', '(@ = 1)', { limit => 2 } ]);

# Collations that a key of type text may have.
my @collations = ('', '"C"', '"und-x-icu"', 'public.nocase');

=head2 types()

All types, as a list of hashes: C<type>, C<value>, and C<limit>, C<no_hash>, C<via_text>
where they apply.

=head2 text_types()

Type text, once for each collation.

=cut

sub types
{
	return map { { type => $_->[0], value => $_->[1], limit => 30000, %{ $_->[2] || {} } } } @types;
}

sub text_types
{
	my ($text) = grep { $_->{type} eq 'text' } types();

	return map { { %$text, collation => $_ } } @collations;
}

=head2 value_sql($type, $number)

The SQL of a type's value for a number, which is SQL too.

=cut

sub value_sql
{
	my ($type, $number) = @_;
	my $sql = $type->{value};

	$sql =~ s/\@/($number)/g;
	return $sql;
}

=head2 literal($text), identifier($name)

As SQL, quoted where need be.

=cut

sub literal
{
	my ($text) = @_;

	return 'NULL' if !defined $text;
	$text =~ s/'/''/g;
	return $text =~ s/\\/\\\\/g ? "E'$text'" : "'$text'";
}

sub identifier
{
	my ($name) = @_;

	$name =~ s/"/""/g;
	return "\"$name\"";
}

=head2 common_sql()

The functions and types that the values need, in schema public.

=cut

sub common_sql
{
	my $odd = join ', ', map { literal($_) } @odd;
	my $count = @odd;
	my $moods = join ', ', map { literal("mood $_ \"ü\"") } 1 .. MOODS;

	return <<"END";
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ($moods);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN label AS text CHECK (VALUE <> '');
CREATE DOMAIN low AS bigint CHECK (VALUE < 900000);
CREATE TYPE pair AS (a bigint, b text);
CREATE TYPE item AS (length integer, value numeric, nothing date, text text);
CREATE FUNCTION odd(number bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
	\$odd\$SELECT (ARRAY[$odd])[1 + number * 31 % $count]\$odd\$;
CREATE FUNCTION noise(number bigint, salt text) RETURNS bigint LANGUAGE sql IMMUTABLE AS
	\$\$SELECT ('x' || substr(md5(salt || number), 1, 7))::bit(28)::bigint\$\$;
CREATE FUNCTION disturb(job bigint, what text, after integer, cap integer) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM pg_sleep(after / 1000.0);
	CASE what
		WHEN 'pause' THEN PERFORM enrich.pause(job), enrich.resume(job);
		WHEN 'cap' THEN PERFORM enrich.alter(job, concurrency => cap);
		WHEN 'terminate' THEN PERFORM pg_terminate_backend(pid) FROM enrich.progress p, unnest(pids) pid WHERE p.job = \$1;
	END CASE;
EXCEPTION WHEN OTHERS THEN
	NULL; -- the job is done, and cannot be paused any more
END\$\$;
END
}

1;
