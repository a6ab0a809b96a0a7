
=pod

=head1 NAME

SoakJobs - the jobs of a round of test/soak, and what SQL says comes of them

=head1 DESCRIPTION

A job is a hash: C<name>, which is in each text it sends; C<rows>, of which C<empty> have nothing
to send; C<batch>, the most rows in a request, and C<texts>, the most texts, if those are more; C<setup>, SQL that makes source and target; C<start>, the parameters of
enrich.start; C<expected> and C<found>, queries with the columns id, item, upper and value;
C<sent>, a query of the texts that the mock must have answered; C<written>, a query of the
rows (id, item) that must have been written once each.

=cut

package SoakJobs;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(shuffle);

our @EXPORT_OK = qw(draw_jobs common_sql);

my @shapes = (\&_update, \&_upsert, \&_single, \&_keyed, \&_many, \&_overwrite, \&_insert);

=head2 common_sql()

What all of them need, in schema soak.

=cut

sub common_sql
{
	return <<'END';
CREATE SCHEMA soak;
CREATE TABLE soak.written (job text, id integer, item integer);
CREATE FUNCTION soak.note_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO soak.written VALUES (TG_ARGV[0], NEW.id, coalesce((to_jsonb(NEW) ->> 'item')::integer, 0));
	RETURN NULL;
END $$;
CREATE FUNCTION soak.value(input text) RETURNS bigint LANGUAGE sql IMMUTABLE AS
	$$SELECT ('x' || substr(md5(input), 1, 8))::bit(32)::bigint % 1000000$$;
END
}

=head2 draw_jobs($count)

So many of them, drawn with rand(): no shape twice before each has been there once.

=cut

sub draw_jobs
{
	my ($count) = @_;
	my @drawn = shuffle(@shapes);

	push @drawn, shuffle(@shapes) while @drawn < $count;
	return map { $drawn[$_]->("j$_") } 0 .. $count - 1;
}

sub between
{
	my ($least, $most) = @_;

	return $least + int(rand($most - $least + 1));
}

# A job of one item a row, into $target; overridden by what is given.
sub _job
{
	my ($name, $target, %own) = @_;
	my $requests = delete $own{requests} // between(60, 150);
	my $start = delete $own{start} // {};
	my $job = {
		name => $name, batch => $start->{batch_size} // between(3, 30),
		expected => "SELECT id, 0 AS item, upper(txt) AS upper, soak.value(txt) AS value FROM soak.${name}_source",
		found => "SELECT id, 0 AS item, upper, value FROM soak.$target",
		sent => "SELECT txt AS input FROM soak.${name}_source WHERE txt IS NOT NULL",
		written => "SELECT id, 0 AS item FROM soak.${name}_source",
		%own,
	};

	$job->{rows} = $requests * $job->{batch};
	$job->{setup} = _source($job) . ($own{setup} // '')
	  . "CREATE TRIGGER note AFTER INSERT OR UPDATE ON soak.$target FOR EACH ROW EXECUTE FUNCTION soak.note_write('$name');\n";
	$job->{start} = {
		source => "soak.${name}_source", server => 'post', path => '/items', input => ['txt'],
		results => '$.items[*]', output => { upper => '$.upper', value => '$.value' },
		batch_size => $job->{batch}, bucket_size => $job->{batch} * between(1, 12) + between(0, 3),
		concurrency => between(2, 8), workers => between(1, 2), name => $name, %$start,
	};
	$job->{target} = "soak.$target";
	$job->{empty} //= int(($job->{rows} + 33) / 40);
	return $job;
}

# Texts are never twice the same; some rows have none.
sub _source
{
	my ($job) = @_;

	return <<"END";
CREATE TABLE soak.$job->{name}_source (id integer PRIMARY KEY, txt text);
INSERT INTO soak.$job->{name}_source
	SELECT i, CASE WHEN i % 40 <> 7 THEN '$job->{name} row ' || i || repeat(' and', i % 6) END
	FROM generate_series(1, $job->{rows}) i;
END
}

sub _target
{
	my ($name) = @_;

	return "CREATE TABLE soak.${name}_target (id integer PRIMARY KEY, upper text, value bigint);\n";
}

# The results go into the source.
sub _update
{
	my ($name) = @_;

	return _job($name, "${name}_source",
		setup => "ALTER TABLE soak.${name}_source ADD upper text, ADD value bigint;\n");
}

# Items in any order; of some rows there is a result already.
sub _upsert
{
	my ($name) = @_;

	return _job($name, "${name}_target",
		setup => _target($name) . "INSERT INTO soak.${name}_target SELECT id, 'old', 0 FROM soak.${name}_source WHERE id % 3 = 0;\n",
		start => { target => "soak.${name}_target", path => '/items?shuffle=1', result_index => '$.index' });
}

# A request for each row, which the URL names.
sub _single
{
	my ($name) = @_;

	return _job($name, "${name}_target",
		requests => between(200, 500), setup => _target($name),
		start => { target => "soak.${name}_target", server => 'get', path => '/item?input={{input}}', results => undef,
			batch_size => 1, bucket_size => between(30, 200), concurrency => between(6, 16), write_mode => 'insert' });
}

# Items say by their keys which rows they belong to.
sub _keyed
{
	my ($name) = @_;

	return _job($name, "${name}_target",
		setup => _target($name),
		expected => "SELECT id, 0 AS item, txt AS upper, NULL::bigint AS value FROM soak.${name}_source",
		sent => qq(SELECT '{"k": ' || id || ', "v": ' || to_json(txt) || '}' AS input FROM soak.${name}_source WHERE txt IS NOT NULL),
		start => { target => "soak.${name}_target", path => '/answer?shuffle=1', result_key => '$.k', output => { upper => '$.v' },
			request => '{"input": ["{{each}}", {"k": "{{id}}", "v": "{{input}}"}]}' });
}

# Up to three items for a row, each a row of the target.
sub _many
{
	my ($name) = @_;
	my $items = "soak.${name}_source CROSS JOIN LATERAL jsonb_array_elements_text(list) WITH ORDINALITY AS l (text, number)";

	return _job($name, "${name}_target",
		requests => between(100, 300),
		setup => <<"END",
ALTER TABLE soak.${name}_source ADD list jsonb;
UPDATE soak.${name}_source SET list = (SELECT coalesce(jsonb_agg('$name row ' || id || ' item ' || n), '[]') FROM generate_series(1, id % 4) n);
CREATE TABLE soak.${name}_target (id integer, item integer, upper text, value bigint, PRIMARY KEY (id, item));
END
		expected => "SELECT id, number::integer - 1 AS item, upper(text) AS upper, soak.value(text) AS value FROM $items",
		found => "SELECT id, item, upper, value FROM soak.${name}_target",
		sent => "SELECT text AS input FROM $items",
		written => "SELECT id, number::integer - 1 AS item FROM $items",
		start => { target => "soak.${name}_target", input => ['list'], request => '{"input": "{{list}}"}', result_rows => 'many',
			batch_size => 1, bucket_size => between(20, 100), concurrency => between(6, 16) },
		texts => 3, empty => 0);
}

# What is there stays until all of it is replaced.
sub _overwrite
{
	my ($name) = @_;

	return _job($name, "${name}_target",
		setup => _target($name) . "INSERT INTO soak.${name}_target SELECT i, 'old', 0 FROM generate_series(1, 50) i;\n",
		start => { target => "soak.${name}_target", path => '/array', results => '$[*]', write_mode => 'overwrite', workers => 2 },
		overwrites => 1);
}

# Two or three workers on small buckets.
sub _insert
{
	my ($name) = @_;

	return _job($name, "${name}_target",
		setup => _target($name),
		start => { target => "soak.${name}_target", write_mode => 'insert', workers => between(2, 3) });
}

1;
