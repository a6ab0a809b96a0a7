# Peers that are hostile or unlucky: whatever they send, the row fails with a reason, its neighbours have their
# answers, memory is bounded, and the server stays up.

use strict;
use warnings;

use Compress::Zlib qw(memGzip);
use EnrichTest;
use RawPeer;
use Test::More;

sub answer
{
	my ($body, @headers) = @_;

	return join("\r\n", 'HTTP/1.1 200 OK', 'Content-Length: ' . length $body, @headers, '', '') . $body;
}

my $chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
my $megabyte = 'x' x 1_000_000;

# Writes bytes without end; how far it got is in a file.
my $written = PostgreSQL::Test::Utils::tempdir() . '/written';
sub endless
{
	my ($bytes) = @_;

	return sub {
		my ($write) = @_;
		my $sum = 0;

		$sum += length $bytes while $sum < 1e9 && $write->($bytes);
		open(my $file, '>>', $written) or die $!;
		print $file "$sum\n";
		close $file;
		return 0;
	};
}

# A byte now and then, for as long as the client bears it
my $trickle = sub {
	my ($write) = @_;

	select(undef, undef, undef, 0.05) while $write->('.');
	return 0;
};

# Name => what is sent, and why the row fails; undef: it does not.  These take until the timeout:
my %slow = (
	slow => [ [ "HTTP/1.1 200 OK\r\nX-Slow: ", $trickle ], qr/no (whole )?answer within 2 s/ ],
	slow_body => [ [ "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", $trickle ], qr/no whole answer within 2 s/ ],
);
my %cases = (
	too_large => [ [ answer(qq({"v": "$megabyte$megabyte"})) ], qr/max_response_size/ ],
	too_large_unsaid => [ [ "HTTP/1.1 200 OK\r\n\r\n{\"v\": \"$megabyte$megabyte\"}" ], qr/max_response_size/ ],
	endless_body => [ [ "HTTP/1.1 200 OK\r\n\r\n{\"v\": \"", endless($megabyte) ], qr/max_response_size/ ],
	endless_chunks => [ [ $chunked, endless("10\r\n0123456789abcdef\r\n" x 1000) ], qr/max_response_size/ ],
	endless_headers => [ [ "HTTP/1.1 200 OK\r\n", endless("X-Header: value\r\n" x 1000) ], qr/head/ ],
	endless_header => [ [ "HTTP/1.1 200 OK\r\nX-Header: ", endless($megabyte) ], qr/header|too large/i ],
	endless_continue => [ [ endless("HTTP/1.1 100 Continue\r\n\r\n" x 1000) ], qr/head/ ],
	gzip_bomb => [ [ answer(memGzip('{"v": "' . ($megabyte x 50) . '"}'), 'Content-Encoding: gzip') ],
		qr/max_response_size/ ],
	gzip_broken => [ [ answer('{"v": 1}', 'Content-Encoding: gzip') ], qr/encod|compress|decod/i ],
	no_status => [ [ '{"v": 1}' ], qr/HTTP/ ],
	bad_status => [ [ "HTTP/1.1 yes\r\nContent-Length: 8\r\n\r\n{\"v\": 1}" ], qr/HTTP/ ],
	bad_version => [ [ "HTTP/7.0 200 OK\r\nContent-Length: 8\r\n\r\n{\"v\": 1}" ], qr/HTTP/ ],
	garbage => [ [ join('', map { chr(($_ * 7919) % 256) } 1 .. 5000) ], qr/HTTP/ ],
	header_nul => [ [ answer('{"v": 1}', "X-Header: a\0b") ], qr/header/i ],
	length_negative => [ [ "HTTP/1.1 200 OK\r\nContent-Length: -8\r\n\r\n{\"v\": 1}" ], qr/\w/ ],
	length_too_long => [ [ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"v\": 1}" ], qr/closed|cut|before/i ],
	bad_chunk => [ [ $chunked, "zz\r\n{\"v\": 1}\r\n0\r\n\r\n" ], qr/\w/ ],
	no_last_chunk => [ [ $chunked, "8\r\n{\"v\": 1}\r\n" ], qr/closed|cut|before/i ],
	closed_before => [ [], qr/closed|nothing|empty/i ],
	closed_in_head => [ [ "HTTP/1.1 200 OK\r\nContent-" ], qr/\w/ ],
	closed_in_body => [ [ "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"v\"" ], qr/closed|cut|before/i ],
	elsewhere => [ [ "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/secret\r\nContent-Length: 0\r\n\r\n" ], qr/redirect/ ],
	to_a_file => [ [ "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n" ], qr/redirect/ ],
	# the peer closes each connection, which some versions of libcurl tire of first
	in_circles => [ [ "HTTP/1.1 302 Found\r\nLocation: /in_circles/2\r\nContent-Length: 0\r\n\r\n" ], qr/redirect|Connection died/ ],
	empty => [ [ answer('') ], qr/empty/ ],
	nul_byte => [ [ answer("{\"v\": \"a\0b\"}") ], qr/not JSON.*byte 8/ ],
	nul_escape => [ [ answer('{"v": "a\u0000b"}') ], qr/\\u0000/ ],
	surrogate => [ [ answer('{"v": "a\ud800b"}') ], qr/surrogate/ ],
	invalid_utf8 => [ [ answer("{\"v\": \"a\xe9b\"}") ], qr/not JSON.*UTF-8/ ],
	overlong_utf8 => [ [ answer("{\"v\": \"\xc0\xaf\"}") ], qr/not JSON.*UTF-8/ ],
	cut_json => [ [ answer('{"v": [1, 2') ], qr/cut off/ ],
	two_values => [ [ answer('{"v": 1} {"v": 2}') ], qr/not JSON/ ],
	nested_deep => [ [ answer(('[' x 100_000) . (']' x 100_000)) ], qr/nested|deep/ ],
	nan => [ [ answer('{"v": NaN}') ], qr/not JSON/ ],
	duplicate_keys => [ [ answer('{"v": "first", "v": "last"}') ], undef, 'last' ],
	number_400_digits => [ [ answer('{"v": ' . '9' x 400 . '}') ], undef, '9' x 400 ],
	html => [ [ answer('<html><body>Bad gateway</body></html>') ], qr/not JSON/ ],
);

my %all = (%cases, %slow);
my $peer = RawPeer->start({ good => [ answer('{"v": "good"}') ], map { $_ => $all{$_}[0] } keys %all });
my $t = EnrichTest->new(mock => 0);
my $postmaster = $t->sql('SELECT pg_postmaster_start_time()');
my $peak = 0;
my %reason;

# A job with these cases, each between two rows that are answered.
sub run_cases
{
	my ($table, $cases, %option) = @_;

	$t->create_server($table, url => $peer->url, method => 'GET', max_response_size => '1MB', backoff_base => '1ms',
		follow_redirects => 'true', %option);
	$t->sql("CREATE TABLE $table (id integer PRIMARY KEY, name text, v text, n integer, f real);
		INSERT INTO $table SELECT 3 * n + i, CASE i WHEN 1 THEN name ELSE 'good' END
		FROM unnest('{@{[ join ',', sort keys %$cases ]}}'::text[]) WITH ORDINALITY c (name, n), generate_series(0, 2) i");
	my $job = $t->start_job(source => $table, server => $table, path => '/{{name}}/{{id}}', input => ['name'],
		output => '{"v": "$.v"}', concurrency => 50);
	my $progress = $t->poll_for('the job to end', sub {
		my $now = $t->progress($job);

		foreach my $pid ($t->pids($job))
		{
			my $status = eval { PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") } // '';
			$peak = $1 if $status =~ /RssAnon:\s+(\d+)/ && $1 > $peak;
		}
		return $now->{state} =~ /^(completed|paused|failed)$/ && $now;
	}, 180);

	is($progress->{state}, 'completed', "$table: the job is completed") or diag $progress->{error};
	is($t->sql("SELECT count(*) FROM $table WHERE name = 'good' AND v = 'good'"), 2 * keys %$cases,
		"$table: the neighbours have their answers");
	%reason = (%reason, map { $_->{name} => $_->{error} }
		  $t->rows("SELECT p.name, f.error FROM enrich.failures f JOIN $table p ON p.id = (f.key ->> 'id')::integer WHERE f.job = $job"));
	return;
}

run_cases('page', \%cases, timeout => '2min', max_attempts => 2);
run_cases('slow_page', \%slow, timeout => '2s', max_attempts => 1);
foreach my $name (sort keys %all)
{
	my (undef, $expected, $value) = @{ $all{$name} };

	if (defined $expected)
	{
		like($reason{$name} // '(it did not fail)', $expected, $name);
	}
	else
	{
		is($t->sql("SELECT v FROM page WHERE name = '$name'"), $value, $name);
	}
}
# The same to somebody who only wants to see
foreach my $name (sort keys %cases)
{
	my ($expected, $value) = @{ $cases{$name} }[ 1, 2 ];
	my $shown = $t->sql(qq{SELECT results FROM enrich.preview('page', 'page', path => '/{{name}}/{{id}}', input => '{name}',
		output => '{"v": "\$.v"}', where_clause => \$\$name = '$name'\$\$)});

	like($shown, $expected // qr/"v": "?\Q$value\E"?/, "preview: $name");
}
is(scalar(grep { /secret|passwd/ } values %reason), 0, 'no reason tells where a redirect leads');
cmp_ok($peak, '<', 100_000, 'memory of the worker: less than 100 MB') or diag "$peak kB";
my @sums = split /\n/, PostgreSQL::Test::Utils::slurp_file($written);
cmp_ok((sort { $b <=> $a } @sums)[0], '<', 50e6, 'no answer was read to its end');

# Numbers that no column of theirs can hold
my %numbers = (v1 => '1e400', v2 => '-1e400', v3 => '99999999999', v4 => '1.5', v5 => '1' x 400, v6 => '1e-400', v7 => '"1"');
my $numbers = RawPeer->start({ map { $_ => [ answer("{\"v\": $numbers{$_}}") ] } keys %numbers });
$t->create_server('numbers', url => $numbers->url, method => 'GET');
$t->sql("TRUNCATE page; INSERT INTO page SELECT i, 'v' || i FROM generate_series(1, 7) i");
my @outcomes;
foreach my $column (qw(n f))
{
	my $job = $t->start_job(source => 'page', server => 'numbers', path => '/{{name}}/', input => ['name'],
		output => qq({"$column": "\$.v"}));
	$t->wait_job($job);
	push @outcomes, [ map { $_->{outcome} }
		  $t->rows("SELECT coalesce(p.$column\::text, f.error) AS outcome FROM page p LEFT JOIN enrich.failures f
			ON f.job = $job AND (f.key ->> 'id')::integer = p.id ORDER BY p.id") ];
}
my $out_of_range = qr/out of range/;
like($outcomes[0][$_], $out_of_range, "an integer: $numbers{'v' . ($_ + 1)}") foreach 2;
like($outcomes[0][4], qr/cannot take 1{60}/, 'an integer of 400 digits');
like($outcomes[0][$_], qr/invalid input syntax for type integer/, "an integer: $numbers{'v' . ($_ + 1)}") foreach 0, 1, 3;
is($outcomes[0][6], '1', 'an integer in a string');
like($outcomes[1][$_], $out_of_range, "a real: $numbers{'v' . ($_ + 1)}") foreach 0, 1, 5;
like($outcomes[1][4], qr/cannot take 1{60}/, 'a real of 400 digits');
is($outcomes[1][2], '1e+11', 'a real');

is($t->sql('SELECT pg_postmaster_start_time()'), $postmaster, 'the server was up all the time');
is(scalar(() = PostgreSQL::Test::Utils::slurp_file($t->node->logfile) =~ /PANIC|terminated by signal|TRAP/g), 0,
	'and no process died');

done_testing();
