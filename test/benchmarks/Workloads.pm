
=head1 NAME

Workloads - what is measured, and beside what

=head1 DESCRIPTION

Each workload is a hash:

=over

=item title

what it shows, in a line

=item needs

of the machine: disk and memory in MB, cores

=item prepare

is called once, with the bench; returns what the other two get as a second argument

=item ours, reference

are called in turns; each returns a hash with C<value>, in the same unit, and ours with C<peak> and C<cpu> too;
and C<notes>, what else is to be reported: each is name, words, figure and unit

=item runs

at most so many of each, where they take long

=item unit

of the values

=item ratio

C<ours/reference> is the ratio in any case; C<least> or C<most> say what it must reach, C<aim> what is aimed at

=back

Every one checks that what was stored is right, and dies if it is not.

=cut

package Workloads;

use strict;
use warnings;

use Carp;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Sampler;
use Time::HiRes qw(sleep time);

# What the mock's items have for an input.
my $value = q{('x' || substr(md5(name), 1, 8))::bit(32)::bigint % 1000000};

# A table of so many short rows, in a fresh state.
sub _make_rows
{
	my ($bench, $count, $table) = @_;

	$bench->sql("DROP TABLE IF EXISTS $table, $table\_out; CREATE TABLE $table (id bigint PRIMARY KEY, name text);
		INSERT INTO $table SELECT i, 'row ' || i FROM generate_series(1, $count) i");
	$bench->sql("VACUUM ANALYZE $table");
	return;
}

# The body that /canned answers from now on.
sub _can
{
	my ($bench, $body) = @_;

	$bench->mock('POST', '/mock/canned', $body);
	return length $body;
}

# Runs a job from a table of _make_rows into a target of its own.
sub _run
{
	my ($bench, $table, %arguments) = @_;

	$bench->sql("DROP TABLE IF EXISTS $table\_out");
	return $bench->job(source => "'$table'", target => "'$table\_out'", input => q('{name}'), %arguments);
}

sub rows
{
	my ($quick) = @_;
	my $count = $quick ? 20_000 : 200_000;

	return {
		title => "$count rows, a request each, 64 in flight, no latency; beside a bare libcurl loop",
		unit => 'requests/s', least => 0.50, aim => 0.70, needs => { disk => 500, memory => 500, cores => 2 },
		prepare => sub {
			my ($bench) = @_;
			_make_rows($bench, $count, 'single');
			return $bench->server(max_concurrency => 64);
		},
		ours => sub {
			my ($bench, $server) = @_;
			my $job = _run($bench, 'single', server => "'$server'", path => "'/item'", batch_size => 1, concurrency => 64,
				request => q('{"input": "{{input}}"}'), output => q('{"value bigint": "$.value"}'));
			$bench->check('rows', "SELECT count(*) = $count AND bool_and(value = $value) FROM single JOIN single_out USING (id)");
			return { value => $count / $job->{seconds}, %$job };
		},
		reference => sub {
			my ($bench) = @_;
			return { value => $count / $bench->reference('bare_loop', $bench->url('/item'), $count, 64, '{"input": "row %d"}') };
		},
	};
}

sub recipe
{
	my ($quick) = @_;
	my $count = $quick ? 32_000 : 200_000;
	my ($dimensions, $latency, $cap) = (100, 0.2, 32);
	my $requests = $count / 500;

	return {
		title => "$count rows, 500 a request, $dimensions dimensions, 200 ms latency, cap $cap; beside requests / cap, rounded up, × latency",
		unit => 's', most => 1.05, aim => 1.03, needs => { disk => 1000, memory => 500, cores => 2 },
		prepare => sub {
			my ($bench) = @_;
			_make_rows($bench, $count, 'recipe');
			_make_vectors($bench, $dimensions, 'float');
			return $bench->server(max_concurrency => $cap);
		},
		ours => sub {
			my ($bench, $server) = @_;
			my $job = _run_vectors($bench, 'recipe', $server, '/canned?latency=' . $latency * 1000, $cap);
			return { value => $job->{seconds}, %$job };
		},
		# The last requests take all of the latency, too, however few they are: 12.5 times the
		# cap cannot be answered in less than 13 latencies.
		reference => sub {
			return { value => POSIX::ceil($requests / $cap) * $latency };
		},
	};
}

# 500 embeddings of so many dimensions: numbers as models give them, a float4 each in the
# notation of a double, some 22 bytes.  They are the canned answer from now on, and in
# table vectors; vectors.json has them as JSON numbers.  Returns the answer's length.
sub _make_vectors
{
	my ($bench, $dimensions, $format) = @_;
	my (@numbers, @packed);

	srand(1);
	foreach my $position (0 .. 499)
	{
		my $floats = pack 'f<*', map { (rand() - 0.5) / 10 } 1 .. $dimensions;

		push @numbers, '[' . join(',', map { sprintf '%.17g', $_ } unpack('f<*', $floats)) . ']';
		push @packed, '"' . encode_base64($floats, '') . '"';
	}
	open(my $file, '>', "$bench->{dir}/vectors.json") or croak $!;
	print $file _embeddings(@numbers);
	close $file or croak $!;
	$bench->sql("DROP TABLE IF EXISTS vectors; CREATE TABLE vectors AS
		SELECT (item ->> 'index')::integer AS position, translate(item ->> 'embedding', '[]', '{}')::real[] AS embedding
		FROM json_array_elements(pg_read_file('$bench->{dir}/vectors.json')::json -> 'data') item");
	return _can($bench, _embeddings($format eq 'float' ? @numbers : @packed));
}

sub _embeddings
{
	my (@embeddings) = @_;

	return '{"object":"list","data":['
	  . join(',', map { qq({"object":"embedding","index":$_,"embedding":$embeddings[$_]}) } 0 .. $#embeddings)
	  . '],"model":"bench","usage":{"prompt_tokens":2500,"total_tokens":2500}}';
}

# All rows of a table get those vectors, by their position in the request.
sub _run_vectors
{
	my ($bench, $table, $server, $path, $concurrency, %arguments) = @_;
	my $job = _run($bench, $table, server => "'$server'", path => "'$path'", bucket_size => 500, concurrency => $concurrency,
		results => q('$.data[*]'), result_index => q('$.index'), output => q('{"embedding real[]": "$.embedding"}'), %arguments);

	$bench->check($table, "SELECT count(*) = $job->{rows} AND bool_and(o.embedding = v.embedding)
		FROM $table\_out o JOIN vectors v ON v.position = (o.id - 1) % 500");
	return $job;
}

my $vector_requests = 40;

sub vectors
{
	my ($quick) = @_;
	my $count = 500 * ($quick ? 4 : $vector_requests);
	my $bytes;

	return {
		title => "$count rows, 500 × 1536 numbers an answer into real[], stored; beside jansson's parse of the same answers",
		unit => 'MB/s', least => 150 / 49, aim => 250 / 49, needs => { disk => 2000, memory => 1000, cores => 2 },
		prepare => sub {
			my ($bench) = @_;
			_make_rows($bench, $count, 'vector');
			$bytes = _make_vectors($bench, 1536, 'float');
			return $bench->server;
		},
		ours => sub {
			my ($bench, $server) = @_;
			my $job = _run_vectors($bench, 'vector', $server, '/canned', 2);
			return { value => $bytes * $count / 500 / 1e6 / $job->{seconds}, %$job };
		},
		reference => sub {
			my ($bench) = @_;
			return { value => $bytes * 4 / 1e6 / $bench->reference('json_parse', "$bench->{dir}/vectors.json", 4) };
		},
	};
}

sub decode
{
	my ($quick) = @_;
	my $times = $quick ? 4 : 20;
	my $bytes;

	return {
		title => "decoding alone: 500 × 1536 numbers an answer into float4; beside jansson's parse of the same answer",
		unit => 'MB/s', least => 300 / 49, aim => 500 / 49, needs => { disk => 200, memory => 1000, cores => 1 },
		prepare => sub { $bytes = _make_vectors($_[0], 1536, 'float'); },
		ours => sub {
			my ($bench) = @_;
			return { value => $bytes * $times / 1e6 / $bench->reference('decode', "$bench->{dir}/vectors.json", $times) };
		},
		reference => sub {
			my ($bench) = @_;
			return { value => $bytes * 4 / 1e6 / $bench->reference('json_parse', "$bench->{dir}/vectors.json", 4) };
		},
	};
}

sub base64
{
	my ($quick) = @_;
	my $count = 500 * ($quick ? 4 : $vector_requests);

	return {
		title => "$count rows of 1536 numbers as base64; beside the same as JSON numbers",
		unit => 'rows/s', least => 1.5, aim => 2, needs => { disk => 2000, memory => 1000, cores => 2 },
		prepare => sub {
			my ($bench) = @_;
			_make_rows($bench, $count, 'packed');
			return $bench->server;
		},
		ours => sub {
			my ($bench, $server) = @_;
			_make_vectors($bench, 1536, 'base64');
			my $job = _run_vectors($bench, 'packed', $server, '/canned', 2);
			return { value => $count / $job->{seconds}, %$job };
		},
		reference => sub {
			my ($bench, $server) = @_;
			_make_vectors($bench, 1536, 'float');
			my $job = _run_vectors($bench, 'packed', $server, '/canned', 2);
			return { value => $count / $job->{seconds} };
		},
	};
}

sub chat
{
	my ($quick) = @_;
	my $count = $quick ? 10_000 : 100_000;
	my $content = JSON::PP->new->canonical->encode({ label => 'positive', score => 0.75, length => 42, why => 'because ' x 200 });
	my $answer = JSON::PP->new->canonical->encode({ id => 'chat-1', choices => [ { index => 0,
			message => { role => 'assistant', content => $content } } ], usage => { total_tokens => 512 } });

	return {
		title => "$count rows, a request each, answers of 2 KB, three typed columns out of content; beside a bare libcurl loop",
		unit => 'requests/s', least => 0.50, aim => 0.70, needs => { disk => 500, memory => 500, cores => 2 },
		prepare => sub {
			my ($bench) = @_;
			_make_rows($bench, $count, 'talk');
			_can($bench, $answer);
			return $bench->server(max_concurrency => 64);
		},
		ours => sub {
			my ($bench, $server) = @_;
			my $job = _run($bench, 'talk', server => "'$server'", path => "'/canned'", batch_size => 1, concurrency => 64,
				request => q('{"messages": [{"role": "user", "content": "{{input}}"}]}'), content => q('$.choices[0].message.content'),
				output => q('{"label text": "$.label", "score real": "$.score", "length integer": "$.length"}'));
			$bench->check('chat', "SELECT count(*) = $count AND bool_and((label, score, length) = ('positive', 0.75, 42)) FROM talk_out");
			return { value => $count / $job->{seconds}, %$job };
		},
		reference => sub {
			my ($bench) = @_;
			return { value => $count / $bench->reference('bare_loop', $bench->url('/canned'), $count, 64,
					'{"messages": [{"role": "user", "content": "row %d"}]}') };
		},
	};
}

sub bucketize
{
	my ($quick) = @_;
	my $count = $quick ? 200_000 : 2_000_000;

	return {
		title => "bucketizing $count rows; beside CREATE TABLE AS of the same columns",
		unit => 's', most => 1.5, aim => 1.2, needs => { disk => 2500, memory => 500, cores => 1 },
		prepare => sub {
			my ($bench) = @_;
			$bench->sql("DROP TABLE IF EXISTS wide; CREATE TABLE wide (id bigint PRIMARY KEY, name text);
				INSERT INTO wide SELECT i, rpad('row ' || i, 100, ' and so on') FROM generate_series(1, $count) i");
			$bench->sql('VACUUM ANALYZE wide');
			return $bench->server;
		},
		ours => sub {
			my ($bench, $server) = @_;
			my $job = $bench->sql("SELECT enrich.start('wide', '$server', input => '{name}', output => '{\"v text\": \"\$\"}',
				target => 'wide_out', concurrency => 0)");
			my $sampler = Sampler->start($bench->{postmaster});
			sleep 0.05 while $bench->sql("SELECT bucketized_at IS NULL FROM enrich.jobs WHERE job = $job") eq 't';
			my $used = $sampler->stop;
			my $seconds = $bench->sql("SELECT extract(epoch FROM bucketized_at - started_at) FROM enrich.jobs WHERE job = $job");
			$bench->check('bucketize', "SELECT sum(rows) = $count FROM enrich.buckets WHERE job = $job");
			$bench->sql("SELECT enrich.cancel($job)");
			$bench->sql("SELECT enrich.drop($job)");
			return { value => $seconds, %$used };
		},
		reference => sub {
			my ($bench) = @_;
			my $seconds = $bench->timed_sql('CREATE TABLE wide_copy AS SELECT id, name FROM wide');
			$bench->sql('DROP TABLE wide_copy');
			return { value => $seconds };
		},
	};
}

# An answer for 500 rows, of which each says its position.
sub _can_positions
{
	my ($bench) = @_;

	return _can($bench, JSON::PP::encode_json({ items => [ map { { index => $_, value => $_ * 7 } } 0 .. 499 ] }));
}

my %positions = (path => q('/canned'), results => q('$.items[*]'), result_index => q('$.index'), bucket_size => 500);

sub update
{
	my ($quick) = @_;
	my $count = $quick ? 50_000 : 500_000;

	# both begin from a table of the same shape, freshly written
	my $make = sub {
		my ($bench) = @_;
		$bench->sql('DROP TABLE IF EXISTS updated');
		$bench->sql("CREATE TABLE updated (id bigint PRIMARY KEY, name text, value integer);
			INSERT INTO updated SELECT i, 'row ' || i FROM generate_series(1, $count) i");
		$bench->sql('VACUUM ANALYZE updated');
	};
	my $check = sub {
		$_[0]->check('update', "SELECT count(*) = $count AND bool_and(value = (id - 1) % 500 * 7) FROM updated");
	};

	return {
		title => "$count rows into a column of the source; beside one UPDATE FROM of the same values",
		unit => 's', most => 1.5, aim => 1.2, needs => { disk => 1000, memory => 500, cores => 2 },
		prepare => sub {
			my ($bench) = @_;
			_can_positions($bench);
			$bench->sql("DROP TABLE IF EXISTS new_values; CREATE TABLE new_values AS
				SELECT i::bigint AS id, ((i - 1) % 500 * 7) AS value FROM generate_series(1, $count) i; ANALYZE new_values");
			return $bench->server;
		},
		ours => sub {
			my ($bench, $server) = @_;
			$make->($bench);
			my $job = $bench->job(source => q('updated'), server => "'$server'", input => q('{name}'), %positions,
				output => q('{"value": "$.value"}'));
			$check->($bench);
			return { value => $job->{seconds}, %$job };
		},
		reference => sub {
			my ($bench) = @_;
			$make->($bench);
			my $seconds = $bench->timed_sql('UPDATE updated u SET value = v.value FROM new_values v WHERE v.id = u.id');
			$check->($bench);
			return { value => $seconds };
		},
	};
}

# What is looked at while a large job runs: size of its staging, what its workers hold back from vacuum, how far it is.
my $watched = q{SELECT p.state,
	(SELECT sum(pg_relation_size(c.oid)) FROM pg_class c WHERE c.relnamespace = 'enrich_staging'::regnamespace),
	w.xids, w.seconds, p.rows_done
	FROM enrich.progress p, (SELECT max(age(backend_xmin)) AS xids, extract(epoch FROM max(clock_timestamp() - xact_start)) AS seconds
		FROM pg_stat_activity WHERE backend_type = 'pg_enrich worker') w
	ORDER BY job DESC LIMIT 1};

sub _most
{
	my ($most) = sort { $b <=> $a } map { $_ || 0 } @_;

	return $most // 0;
}

# As further lines of the report: name, what it is, figure, unit.
sub _notes_of_watching
{
	my ($rows, $count) = @_;
	my @running = grep { $_->[0] eq 'running' } @$rows;
	my @half = grep { $_->[4] >= $count / 2 } @running;

	return (
		[ staging_peak => 'staging at most', _most(map { $_->[1] } @$rows) / 1e6, 'MB' ],
		[ staging_half => 'staging when half of the rows are done', @half ? ($half[0][1] || 0) / 1e6 : 0, 'MB' ],
		[ oldest_xmin => 'oldest xmin of the worker once it sends, in transactions', _most(map { $_->[2] } @running), '' ],
		[ longest_transaction => 'its longest transaction seen then', _most(map { $_->[3] } @running), 's' ],
	);
}

# What the job leaves in the server; dies if a table was read from end to end that need not be.
sub _notes_of_traces
{
	my ($bench, $table, $count) = @_;
	my ($read, $target_read) = map { $bench->sql("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = '$_'") } $table, "$table\_out";
	my ($dead, $updates, $hot, $size) = split /\|/, $bench->sql(<<"END");
SELECT sum(n_dead_tup), sum(n_tup_upd), sum(n_tup_hot_upd), sum(pg_total_relation_size(relid)) / 1e6
FROM pg_stat_all_tables WHERE schemaname = 'enrich'
END
	my @notes = (
		[ dead_tuples => 'dead tuples in the catalog tables', $dead, '' ],
		[ hot_updates => 'their updates that were HOT', 100 * $hot / $updates, '%' ],
		[ catalog_size => 'their size, with indexes', $size, 'MB' ],
		[ source_read => 'rows of the source read by sequential scans', $read, '' ],
		[ target_read => 'rows of the target read by sequential scans', $target_read, '' ]);

	croak "$read rows of the source were read, not $count" if $read > $count * 1.01;
	croak "the target was scanned: $target_read rows" if $target_read != 0;
	push @notes, [ statements => q(entries in pg_stat_statements, the benchmark's own among them),
		$bench->sql('SELECT count(*) FROM pg_stat_statements'), '' ]
	  if $bench->{has_statements};
	return @notes;
}

# Rows a second once the job is under way: from when a tenth of its buckets is finished to the end.
sub _steady_speed
{
	my ($bench, $job) = @_;

	# the buckets of a job that has just ended are news to the planner: it is not to take them for few
	return $bench->sql(<<"END");
WITH mine AS MATERIALIZED (SELECT rows, finished_at FROM enrich.buckets WHERE job = $job),
	t AS MATERIALIZED (SELECT percentile_disc(0.1) WITHIN GROUP (ORDER BY finished_at) AS tenth FROM mine)
SELECT sum(rows) FILTER (WHERE finished_at > t.tenth) / extract(epoch FROM max(finished_at) - t.tenth)
FROM mine, t GROUP BY t.tenth
END
}

# A run of so many rows with small answers; watched: with notes on what it takes and leaves behind.
sub _run_positions
{
	my ($bench, $server, $count, $is_watched) = @_;
	my @notes;

	_make_rows($bench, $count, 'grown');
	$bench->settle;
	_can_positions($bench);
	$bench->sql(q(SELECT pg_stat_reset_single_table_counters(relid) FROM pg_stat_all_tables
		WHERE schemaname = 'enrich' OR relname = 'grown'));
	$bench->sql('SELECT pg_stat_statements_reset()') if $bench->{has_statements};
	my $job = _run($bench, 'grown', server => "'$server'", %positions, output => q('{"value integer": "$.value"}'),
		($is_watched ? (watch => $watched) : ()), inspect => sub {
			my ($id) = @_;
			push @notes, _notes_of_traces($bench, 'grown', $count) if $is_watched;
			return { speed => _steady_speed($bench, $id) };
		});
	$bench->check('growth', "SELECT count(*) = $count AND bool_and(value = (id - 1) % 500 * 7) FROM grown_out");
	unshift @notes, _notes_of_watching($job->{rows_watched}, $count) if $is_watched;
	return { %$job, notes => \@notes };
}

# The smaller runs are over soon: how much a worker holds at its most, and how fast it is, shows in several.
my $small_runs = 10;

sub memory
{
	my ($quick) = @_;
	my ($small, $large, $runs) = $quick ? (20_000, 200_000, 1) : (100_000, 10_000_000, 2 * $small_runs);

	return {
		title => "peak private memory of the worker at $large rows; beside $small rows, the most of $runs runs",
		unit => 'MB', most => 1.10, needs => { disk => $quick ? 500 : 6000, memory => 1000, cores => 2 }, runs => 3,
		prepare => sub { return $_[0]->server; },
		ours => sub {
			my ($bench, $server) = @_;
			my $job = _run_positions($bench, $server, $large, 1);
			croak sprintf('%.0f MB', $job->{peak} / 1e6) if $job->{peak} > 64e6;
			return { %$job, value => $job->{peak} / 1e6 };
		},
		reference => sub {
			my ($bench, $server) = @_;
			return { value => _most(map { _run_positions($bench, $server, $small)->{peak} / 1e6 } 1 .. $runs) };
		},
	};
}

sub _median
{
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[ $#sorted / 2 ];
}

# WAL that a row of _run_positions takes, of the source and of the job: 335 bytes, and some to spare.
my $wal_per_row = 350;

# The speed of a large job beside that of small ones, before and after it; $run is called
# with the bench, the server, the number of rows, and whether there are to be notes.
sub _growth
{
	my ($small, $large, $quick, $run) = @_;
	my ($seconds, $runs, @cpu);
	my $run_small = sub {
		my ($bench, $server) = @_;

		foreach (1 .. ($quick ? 1 : $small_runs / 2))
		{
			my $job = $run->($bench, $server, $small);
			$seconds += 1 / $job->{speed};
			$runs++;
			push @cpu, $job->{cpu_last} * 1e6 / $small;
		}
	};

	return {
		title => "speed at $large rows, the first tenth apart; beside runs of $small rows before and after, altogether",
		unit => 'rows/s', least => 0.90, needs => { disk => $large / 1600, memory => 1000, cores => 2 }, runs => 3,
		ours_first => 1,
		prepare => sub {
			my ($bench) = @_;
			$bench->reserve_wal($large * $wal_per_row / 1e6) if !$quick;
			return $bench->server;
		},
		ours => sub {
			my ($bench, $server) = @_;
			($seconds, $runs) = (0, 0);
			$run_small->($bench, $server);
			my $job = $run->($bench, $server, $large, 1);
			push @{ $job->{notes} }, [ cpu_per_row => 'processor time a row, bucketizing included', $job->{cpu_last} * 1e6 / $large, 'µs' ];
			return { %$job, value => $job->{speed} };
		},
		reference => sub {
			my ($bench, $server) = @_;
			$run_small->($bench, $server);
			return { value => $runs / $seconds,
				notes => [ [ cpu_per_row_small => "the same at $small rows", _median(@cpu), 'µs' ] ] };
		},
	};
}

sub growth
{
	my ($quick) = @_;

	return $quick ? _growth(20_000, 100_000, 1, \&_run_positions) : _growth(100_000, 10_000_000, 0, \&_run_positions);
}

sub growth_1m
{
	my ($quick) = @_;

	return $quick ? undef : _growth(100_000, 1_000_000, 0, \&_run_positions);
}

# A run of so many rows with a bucket each, and so a claim for every few; noted: with what they cost in the catalog.
sub _run_buckets
{
	my ($bench, $server, $count, $is_noted) = @_;
	my @notes;

	_make_rows($bench, $count, 'small');
	$bench->settle;
	my $position = $bench->sql('SELECT pg_current_wal_insert_lsn()');
	my $job = _run($bench, 'small', server => "'$server'", path => q('/item'), batch_size => 1, bucket_size => 1, concurrency => 64,
		request => q('{"input": "{{input}}"}'), output => q('{"value bigint": "$.value"}'), inspect => sub {
			my ($id) = @_;
			push @notes, [ bucket_size => 'catalog and its indexes, a bucket',
				$bench->sql("SELECT sum(pg_total_relation_size(oid))::float8 / $count FROM pg_class
					WHERE relnamespace = 'enrich'::regnamespace AND relkind = 'r'"), 'bytes' ],
			  [ bucket_wal => 'WAL of the whole job, a row', $bench->sql("SELECT (pg_current_wal_insert_lsn() - '$position') / $count"), 'bytes' ]
			  if $is_noted;
			return { speed => _steady_speed($bench, $id) };
		});
	$bench->check('claims', "SELECT count(*) = $count AND bool_and(value = $value) FROM small JOIN small_out USING (id)");
	return { %$job, notes => \@notes };
}

sub claims
{
	my ($quick) = @_;
	my ($small, $large) = $quick ? (10_000, 30_000) : (10_000, 1_000_000);

	return {
		%{ _growth($small, $large, $quick, \&_run_buckets) },
		title => "speed with $large buckets of a row, a request each, the first tenth apart; beside runs with $small buckets before and after, altogether",
		needs => { disk => $quick ? 500 : 4000, memory => 1000, cores => 2 },
	};
}

sub workers
{
	my ($quick) = @_;
	my $count = 500 * ($quick ? 8 : $vector_requests);

	return {
		title => 'vectors with two workers; beside one worker; where the mock has no core to itself, its time apart',
		unit => 'rows/s', least => 1.6, aim => 1.8, needs => { disk => 2000, memory => 1500, cores => 2 },
		prepare => sub {
			my ($bench) = @_;
			_make_rows($bench, $count, 'shared');
			_make_vectors($bench, 1536, 'float');
			return $bench->server;
		},
		map {
			my ($what, $workers) = @$_;
			$what => sub {
				my ($bench, $server) = @_;
				my $before = $bench->mock_seconds;
				my $job = $bench->on_all_cores(
					sub { return _run_vectors($bench, 'shared', $server, '/canned', 4, workers => $workers); });
				my $mock = $bench->mock_seconds - $before;
				# without a core beside theirs, they could have had a share each of what it took
				my $seconds = $job->{seconds} - ($workers < $bench->cores ? 0 : $mock / $bench->cores);

				return { value => $count / $seconds, %$job,
					notes => [ [ "mock_$workers" => "processor time of the mock, workers => $workers", $mock, 's' ] ] };
			}
		} ([ ours => 2 ], [ reference => 1 ]),
	};
}

sub caps
{
	my ($quick) = @_;
	my $count = $quick ? 3_000 : 20_000;

	return {
		title => "$count rows, 1,000 in flight at 1 s latency from one worker; CPU seconds of the worker beside wall seconds",
		unit => 's', most => 0.30, needs => { disk => 200, memory => 1000, cores => 2 },
		prepare => sub {
			my ($bench) = @_;
			_make_rows($bench, $count, 'waiting');
			return $bench->server;
		},
		ours => sub {
			my ($bench, $server) = @_;
			$bench->mock('POST', '/mock/reset');
			my $job = _run($bench, 'waiting', server => "'$server'", path => q('/item?latency=1000'), batch_size => 1,
				request => q('{"input": "{{input}}"}'), output => q('{"value bigint": "$.value"}'), concurrency => 1000);
			my $most = JSON::PP::decode_json($bench->mock('GET', '/mock/stats'))->{max_in_flight};
			croak "$most in flight" if $most != 1000;
			$bench->check('caps', "SELECT count(*) = $count AND bool_and(value = $value) FROM waiting JOIN waiting_out USING (id)");
			$bench->{wall} = $job->{seconds};
			return { value => $job->{cpu}, %$job };
		},
		reference => sub { return { value => $_[0]{wall} // 1 }; },
		ours_first => 1,
	};
}

# A worker that may have fewer connections than its job requests in flight: what waits for one
# is not to go out once it is paused.
sub queue
{
	my ($quick) = @_;
	my $count = 5_000;
	my $files = 1024;

	return {
		title => "a pause with a cap of 3,000 and $files files: all requests that were sent, beside those that were on the wire",
		unit => 'requests', most => 1, needs => { disk => 200, memory => 500, cores => 2 }, runs => 3, ours_first => 1,
		prepare => sub {
			my ($bench) = @_;
			_make_rows($bench, $count, 'queued');
			return $bench->server;
		},
		ours => sub {
			my ($bench, $server) = @_;
			my $stats = sub { return JSON::PP::decode_json($bench->mock('GET', '/mock/stats')); };

			$bench->sql('ALTER SYSTEM SET pg_enrich.max_concurrency = 3000', 'SELECT pg_reload_conf()');
			$bench->mock('POST', '/mock/reset');
			$bench->mock('POST', '/mock/script', { hang_first => 1 });
			my $sent = $bench->with_files($files, sub {
				my $job = $bench->sql("SELECT enrich.start('queued', '$server', '{name}', '{\"value bigint\": \"\$.value\"}',
					target => 'queued_out', write_mode => 'upsert', path => '/item', request => '{\"input\": \"{{input}}\"}',
					batch_size => 1, concurrency => 3000)");
				my $in_flight = "SELECT in_flight FROM enrich.progress WHERE job = $job";
				my $full = 0;
				while (!$full)			# two looks alike: no more are to come
				{
					my $before = $stats->()->{in_flight};

					sleep 1;
					$full = $before > 0 && $before == $stats->()->{in_flight} && $before == $bench->sql($in_flight);
				}
				$bench->{on_the_wire} = $stats->()->{in_flight};
				$bench->sql("SELECT enrich.pause($job)");
				do { $bench->mock('POST', '/mock/release'); sleep 0.05; } while $bench->sql($in_flight) ne '0';
				my $requests = $stats->()->{requests};
				$bench->sql("SELECT enrich.cancel($job)");
				return $requests;
			});
			$bench->mock('POST', '/mock/reset');
			$bench->sql('ALTER SYSTEM RESET pg_enrich.max_concurrency', 'SELECT pg_reload_conf()');
			return { value => $sent };
		},
		reference => sub { return { value => $_[0]{on_the_wire} }; },
	};
}

sub idle
{
	my ($quick) = @_;
	my $seconds = $quick ? 10 : 60;

	return {
		title => "launcher and a paused job for $seconds s: CPU seconds beside wall seconds, no transaction",
		unit => 's', most => 0.001, needs => { disk => 100, memory => 200, cores => 1 }, runs => 1,
		prepare => sub {
			my ($bench) = @_;
			my $server = $bench->server;
			_make_rows($bench, 1000, 'idle');
			my $job = $bench->sql("SELECT enrich.start('idle', '$server', input => '{name}', output => '{\"v text\": \"\$\"}',
				target => 'idle_out', concurrency => 0)");
			sleep 0.05 while $bench->sql("SELECT state <> 'running' FROM enrich.jobs WHERE job = $job") eq 't';
			$bench->sql("SELECT enrich.pause($job)");
			sleep 2;				# what the pause has set off comes to its end
			return $job;
		},
		ours => sub {
			my ($bench, $job) = @_;
			my $count = q(SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database WHERE datname IS NOT NULL);
			my $autovacuum = 'ALTER SYSTEM SET autovacuum = off';
			$bench->sql($autovacuum);
			$bench->sql('SELECT pg_reload_conf()');
			# one that is at work on what other workloads have left goes on with that
			sleep 0.05 while $bench->sql(q(SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%'));
			# how many this measuring is itself
			my $own = -$bench->sql($count) + $bench->sql($count);
			my $before = $bench->sql($count);
			my $sampler = Sampler->start($bench->{postmaster}, '');
			sleep $seconds;
			my $used = $sampler->stop;
			my $ran = $bench->sql($count) - $before;
			$bench->sql('ALTER SYSTEM RESET autovacuum');
			$bench->sql('SELECT pg_reload_conf(), ' . "enrich.cancel($job)");
			croak $ran - $own . ' transactions while idle' if $ran > $own;
			# not what the launcher has used before, for others
			return { %$used, value => $used->{cpu_used}, cpu => $used->{cpu_used} };
		},
		reference => sub { return { value => $seconds }; },
	};
}

1;
