
=pod

=head1 NAME

SoakVerdict - what a round of test/soak has come to

=head1 DESCRIPTION

Every function returns what is wrong, as sentences; best none.  Most of it is SQL: a check is
[ what, a query of what is wrong with a column text ].

=cut

package SoakVerdict;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Utils;

our @EXPORT_OK = qw(compare_jobs compare_repeats compare_log compare_rest);

my $json = JSON::PP->new->canonical;

# The catalog's tables: empty once jobs are dropped.
my @catalog = map { "catalog_$_" } qw(job job_counters partition bucket failure);

sub _checked
{
	my ($t, @checks) = @_;
	my $sql = join "\nUNION ALL ", map {
		"SELECT '$_->[0]' AS what, count(*), array_to_json((array_agg(text))[1:5]) AS some FROM ($_->[1]) s"
	} @checks;

	return map { "$_->{what}: $_->{count}, such as " . join(', ', map { $_ // 'NULL' } @{ $_->{some} }) }
	  $t->rows("SELECT * FROM ($sql) c WHERE count > 0");
}

=head2 compare_jobs($t, $secret, $lost, @jobs)

The rows of the jobs, how often they were written, the answers they were given, their
counters; that no more requests are counted than the mock got, but for $lost; and that the
secret is in no view.

=cut

sub compare_jobs
{
	my ($t, $secret, $lost, @jobs) = @_;
	my $answered = $json->encode($t->mock_inputs);
	my $sent = $t->mock_stats->{requests} + $lost;

	$t->sql("CREATE TABLE soak.answered AS SELECT key AS input, value::integer AS times FROM json_each_text(\$json\$$answered\$json\$)");
	return _checked($t,
		map({ my $job = $_; map { [ "$job->{name}: $_->[0]", $_->[1] ] } _rows($job), _writes($job), _answers($job), _counters($job), _failures($job) } @jobs),
		[ "requests counted, of at most $sent", "SELECT sum(requests)::text AS text FROM enrich.progress HAVING sum(requests) > $sent" ],
		[ 'servers with requests in flight', 'SELECT server::text AS text FROM enrich.servers WHERE in_flight <> 0' ],
		map { [ "the secret in enrich.$_", "SELECT v::text AS text FROM enrich.$_ v WHERE v::text LIKE '%$secret%'" ] } qw(jobs progress buckets failures));
}

sub _rows
{
	my ($job) = @_;

	return [ 'rows that differ', <<"END" ];
SELECT format('%s.%s: %s instead of %s', id, item, to_json(f), to_json(e)) AS text
FROM ($job->{expected}) e FULL JOIN ($job->{found}) f USING (id, item)
WHERE e IS NULL OR f IS NULL OR (e.upper, e.value) IS DISTINCT FROM (f.upper, f.value)
END
}

sub _writes
{
	my ($job) = @_;

	return [ 'rows that were not written once', <<"END" ];
SELECT format('%s.%s: %s times', id, item, coalesce(times, 0)) AS text
FROM ($job->{written}) e
	FULL JOIN (SELECT id, item, count(*) AS times FROM soak.written WHERE job = '$job->{name}' GROUP BY 1, 2) w USING (id, item)
WHERE e IS NULL OR times IS DISTINCT FROM 1
END
}

sub _answers
{
	my ($job) = @_;

	return [ 'texts that were never answered', "SELECT input AS text FROM ($job->{sent}) s EXCEPT SELECT input FROM soak.answered" ];
}

sub _failures
{
	my ($job) = @_;

	return [ 'failed rows', "SELECT concat_ws(' ', key, error) AS text FROM enrich.failures WHERE job = $job->{number}" ];
}

# What progress, and the sums of buckets, must say.
sub _counters
{
	my ($job) = @_;
	my $buckets = POSIX::ceil($job->{rows} / $job->{start}{bucket_size});
	my $wanted = $json->encode({
		state => 'completed', percent => '100.0', rows_total => $job->{rows}, rows_failed => 0, rows_skipped => $job->{empty},
		rows_done => $job->{rows} - $job->{empty}, buckets_total => $buckets, buckets_done => $buckets, in_flight => 0,
		found_buckets => $buckets, found_rows => $job->{rows}, other_buckets => 0, enough_requests => 'true',
	});
	my $least = POSIX::ceil(($job->{rows} - $job->{empty}) / $job->{batch});

	return [ 'counters that are wrong', <<"END" ];
SELECT format('%s is %s instead of %s', wanted.key, found.value, wanted.value) AS text
FROM json_each_text('$wanted') wanted LEFT JOIN (SELECT f.* FROM
	(SELECT p.*, b.*, requests >= $least AS enough_requests FROM enrich.progress p,
		(SELECT count(*) AS found_buckets, sum(rows) AS found_rows, count(*) FILTER (WHERE state <> 'completed') AS other_buckets
			FROM enrich.buckets WHERE job = $job->{number}) b
		WHERE job = $job->{number}) l, json_each_text(row_to_json(l)) f) found USING (key)
WHERE found.value IS DISTINCT FROM wanted.value
END
}

=head2 compare_repeats($t, $allowed, @jobs)

After compare_jobs: how many texts of each job were answered again (which becomes its
C<repeats>), and that these are no more than $allowed->($job) says.

=cut

sub compare_repeats
{
	my ($t, $allowed, @jobs) = @_;
	my @repeats = split /\n/, $t->sql(join ";\n",
		map { "SELECT coalesce(sum(times - 1), 0) FROM soak.answered JOIN ($_->{sent}) s USING (input)" } @jobs);

	$jobs[$_]{repeats} = $repeats[$_] foreach 0 .. $#jobs;
	return map { $_->{repeats} > $allowed->($_) ? "$_->{name}: $_->{repeats} texts were answered again, of at most " . $allowed->($_) : () } @jobs;
}

=head2 compare_log($t, $log, $killed, $secret)

In what was logged since the position $log nothing has died that $killed->($pid) does not
know, and the secret is not there.

=cut

sub compare_log
{
	my ($t, $log, $killed, $secret) = @_;
	my $text = $t->log_since($log);
	my @faults = map { "logged: $_" } $text =~ /^.*(?:PANIC|TRAP|recalcitrant).*$/mg;

	while ($text =~ /^.*\(PID (\d+)\) was terminated by signal.*$/mg)
	{
		push @faults, "logged: $&" if !$killed->($1);
	}
	push @faults, 'the secret is in the log' if $text =~ /\Q$secret/;
	return @faults;
}

=head2 compare_rest($t)

Staging is gone; drops the jobs, and then the catalog is empty, too.

=cut

sub compare_rest
{
	my ($t) = @_;
	my @faults;
	my $staging = q{SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'enrich_staging'::regnamespace};

	push @faults, "staging is left: $@" if !eval { $t->poll($staging, '', 60); 1 };
	$t->sql('SELECT enrich.drop(job) FROM enrich.jobs');
	return (@faults, _checked($t, map { [ "rows of enrich.$_", "SELECT r::text AS text FROM enrich.$_ r" ] } @catalog));
}

1;
