# What pg_enrich writes holds no secret, in whatever way an API echoes it: not the log at
# debug5, no view, job, failure or staging table, not preview, notifications or errors.  No
# option and no column's value makes a header, or leads to another host; no redirect does.
# (Mappings and token files that change stand in 061_credentials.pl.)

use strict;
use warnings;

use EnrichTest;
use JSON::PP ();
use MIME::Base64 qw(encode_base64 encode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;

use constant PATIENCE => 60;

my $t = EnrichTest->new(conf => <<'END');
shared_preload_libraries = 'pg_enrich, auto_explain'
log_min_messages = debug5
log_statement = all
log_min_duration_statement = 0
log_error_verbosity = verbose
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_verbose = on
END
my $json = JSON::PP->new->allow_nonref;	# bytes stay what they are
my $file = PostgreSQL::Test::Utils::tempdir() . '/token';
my $shown = '';		# whatever anybody gets to see

sub write_file
{
	my ($content) = @_;

	open my $handle, '>', $file or die "could not write $file: $!";
	print $handle $content;
	close $handle or die "could not write $file: $!";
	return;
}

sub literal { return q{E'} . $_[0] =~ s/([\\'])/\\$1/gr . q{'} }

#
# Secrets, of each kind
#
my %secret = (
	token => 'hush-Bearer/Token+1==',
	file => 'hush.file~token/2',
	header => 'hush-header"3\\x',
	scheme => 'hush-scheme-key-4',
	query => 'hush query&5=ü/',
	password => 'é hush pass:w"o\\rd/6é',
	long => 'hush-' . join('', map { chr(65 + $_ * 7 % 26) . $_ } 1 .. 60));
write_file("$secret{file}\n");
my %mapping = (
	bearer => { bearer_token => $secret{token}, secret_query => $json->encode({ key => $secret{query} }) },
	filed => { bearer_token_file => $file,
		secret_headers => $json->encode({ 'X-Api-Key' => $secret{header}, 'X-Long' => $secret{long} }) },
	basic => { username => 'someone', password => $secret{password} },
	scheme => { secret_headers => $json->encode({ Authorization => "DeepL-Auth-Key $secret{scheme}" }) });
$t->sql(<<'END');
CREATE ROLE anna LOGIN;
CREATE SCHEMA AUTHORIZATION anna;
END
for my $server (sort keys %mapping)
{
	$t->create_server($server, max_attempts => 1);
	$t->sql("GRANT USAGE ON FOREIGN SERVER $server TO anna; CREATE USER MAPPING FOR PUBLIC SERVER $server OPTIONS ("
		  . join(', ', map { "$_ " . literal($mapping{$server}{$_}) } sort keys %{ $mapping{$server} }) . ')');
}
my $position = $t->log_position;
my $listener = $t->node->background_psql('postgres');
$listener->query_safe('LISTEN enrich');

# Ways in which an API may write what it was sent, as tokens of JSON
sub tokens
{
	my ($secret) = @_;
	my $escaped = $json->encode($secret);
	my $percent = join '', map { /[A-Za-z0-9]/ ? $_ : sprintf '%%%02X', ord } split //, $secret;
	my @texts = ($secret, "Bearer $secret.", "$secret$secret", $percent, $percent =~ s/(%..)/lc $1/ger,
		join('', map { sprintf '%%%02x', ord } split //, $secret), "{\"k\": $escaped}", $json->encode("{\"k\": $escaped}"),
		(map { encode_base64($_ . $secret, ''), encode_base64url($_ . $secret) } '', 'a', 'user:', "someone:"), 'x' x 50 . $secret);

	return ((map { $json->encode($_) } @texts), '"' . $escaped =~ s/^"|"$//gr =~ s{/}{\\/}gr . '"',
		'"' . join('', map { sprintf '\\u%04x', ord } split //, utf8_decoded($secret)) . '"');
}

sub utf8_decoded { my ($text) = @_; utf8::decode($text); return $text }

sub is_hidden
{
	my ($text, $what) = @_;
	my @found;

	foreach my $kind (sort keys %secret)
	{
		my $s = $secret{$kind};
		my %form = (raw => $s, (map { $_ => substr $json->encode($s), 1, -1 } 'json'),
			percent => (join '', map { /[A-Za-z0-9]/ ? $_ : sprintf '%%%02X', ord } split //, $s), base64 => encode_base64($s, ''),
			beginning => substr($s, 0, 9));

		push @found, map { "$kind as $_" } grep { index(lc $text, lc $form{$_}) >= 0 } sort keys %form;
		push @found, "$kind within base64" if grep {
			index($text, substr(encode_base64($_ . $s, ''), 4, 20)) >= 0 } 'a', 'ab', 'abc';
	}
	push @found, $1 while $text =~ /(.{0,20}(?:hush|%68%75%73%68|\\u0068\\u0075|aHVza|h1c2|odXNo).{0,20})/gi;
	is(join("\n", @found), '', "no secret in $what");
	return;
}

# What was logged since, each line once, without the statements that PostgreSQL logs as they come
sub logged
{
	my ($since) = @_;
	my %line = map { s/^.*?\] //r => 1 } grep { !/statement: / } split /\n(?!\t)/, $t->log_since($since);

	return join "\n", sort keys %line;
}

#
# An API that echoes everything, in values that do not fit their column and in its messages
#
my %echoed = (bearer => [qw(token query)], filed => [qw(file header long)], basic => ['password'], scheme => ['scheme']);
my %tokens = map { $_ => [ map { tokens($secret{$_}) } @{ $echoed{$_} } ] } keys %echoed;
my @quoting = ({ result_key => '$.v' }, { result_key => '$.v.double()' }, { result_index => '$.v' }, { content => '$.items[0].v' },
	{ output => { 'v integer' => 'strict $.v.double()' } });

$t->sql("CREATE TABLE anna.source (id integer PRIMARY KEY, txt text); INSERT INTO anna.source
	SELECT i, 'row ' || i FROM generate_series(1, 100) i", role => 'anna');

sub parameters
{
	my ($server, %more) = @_;

	return (source => 'anna.source', server => $server, path => '/canned', input => ['txt'], results => '$.items[*]',
		output => { 'v integer' => '$.v' }, target => 'anna.target', %more);
}

sub run
{
	my ($server, $state, %more) = @_;
	my %parameter = parameters($server, %more);

	$t->sql('DROP TABLE IF EXISTS anna.target', role => 'anna');
	$shown .= $t->sql('SELECT row_to_json(p) FROM (' . $t->start_sql(%parameter) =~ s/SELECT enrich\.start/SELECT * FROM enrich.preview/r
		  . ') p', role => 'anna') . "\n";
	my $job = $t->start_job(%parameter, -role => 'anna');
	my $progress = $t->wait_job($job, $state, PATIENCE);
	$shown .= $t->sql("SELECT query FROM pg_stat_activity; SELECT * FROM enrich.failures WHERE job = $job") . "\n";
	return ($job, $progress);
}

foreach my $server (sort keys %tokens)
{
	my @tokens = @{ $tokens{$server} };
	my %rows = (max_rows => scalar @tokens);

	$t->mock('POST', '/mock/canned', '{"items": [' . join(', ', map { "{\"v\": $_}" } @tokens) . ']}');
	my ($job, $progress) = run($server, 'completed', %rows);
	is($progress->{rows_failed}, @tokens, "$server: values that do not fit");
	is($t->sql("SELECT error FROM enrich.failures WHERE job = $job AND error NOT LIKE '%***%'"), '', '... are masked');

	# reasons that quote keys, positions and texts of the answer
	foreach my $more (@quoting[ $server eq 'bearer' ? (0 .. 4) : $server eq 'filed' ? (0, 2) : () ])
	{
		($job, $progress) = run($server, 'completed', %rows, output => { 'w text' => '$' }, %$more);
		cmp_ok($progress->{rows_failed}, '>', 0, "$server: " . join(' ', %$more));
	}

	# messages of the API
	$t->mock_script({ status => 400, path => '/canned', error_body => '{"error": {"message": ' . join('', @tokens) =~ s/""/ /gr . '}}' });
	($job, $progress) = run($server, 'completed', %rows);
	like($t->sql("SELECT DISTINCT error FROM enrich.failures WHERE job = $job"), qr/^HTTP status 400: .*\*\*\*/, "$server: a message");
	$t->mock_script({ status => 401, path => '/canned', error_body => '<p>' . join(' ', map { $json->decode($_) } @tokens[0 .. 5]) . '</p>' });
	($job, $progress) = run($server, 'paused', %rows);
	like($progress->{error}, qr/^HTTP status 401: .*\*\*\*/, "$server: why the job is paused");
	$t->sql("SELECT enrich.cancel($job)");
	$t->mock_script;
}
is_hidden($shown, 'previews, failures and what processes show');

#
# Errors that are raised of what was echoed: by a row, and by what stops the job
#
$t->mock('POST', '/mock/canned', '{"items": [' . join(', ', map { "{\"v\": $_}" } @{ $tokens{bearer} }) . ']}');
my %rows = (max_rows => scalar @{ $tokens{bearer} });
foreach my $case ([ 'P0001', 'completed' ], [ '42501', 'paused' ])
{
	my ($code, $state) = @$case;

	$t->sql(<<"END", role => 'anna');
DROP TABLE IF EXISTS anna.raising;
CREATE TABLE anna.raising (id integer PRIMARY KEY, w text);
CREATE OR REPLACE FUNCTION anna.complain() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	RAISE EXCEPTION 'not %', NEW.w USING DETAIL = 'detail ' || NEW.w, HINT = 'hint ' || NEW.w, ERRCODE = '$code';
END\$\$;
CREATE TRIGGER complain BEFORE INSERT ON anna.raising FOR EACH ROW EXECUTE FUNCTION anna.complain();
END
	my ($job, $progress) = run('bearer', $state, %rows, target => 'anna.raising', output => { 'w text' => '$.v' });
	my $error = $progress->{error} // $t->sql("SELECT min(error) FROM enrich.failures WHERE job = $job");
	like($error, qr/^not .*\*\*\*.*\(detail/, "an error of class $code");
	$shown .= $t->sql("SELECT error, hint FROM enrich.jobs WHERE job = $job");
	$t->sql("SELECT enrich.cancel($job)") if $state eq 'paused';
}
is_hidden($shown, 'errors');

# ... also in another encoding, in which a secret is other bytes than were sent
$t->sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
$t->sql('CREATE EXTENSION pg_enrich; CREATE TABLE source AS SELECT id FROM generate_series(1, 40) id; ALTER TABLE source ADD PRIMARY KEY (id)',
	database => 'latin');
$t->create_server('latin', database => 'latin');
$t->sql("SET client_encoding = 'UTF8'; CREATE USER MAPPING FOR PUBLIC SERVER latin OPTIONS (username 'someone', password "
	  . literal($secret{password}) . ')', database => 'latin');
my @latin = @{ $tokens{basic} };
my %latin = (parameters('latin', output => { 'v integer' => '$.v' }, target => 'target', max_rows => scalar @latin), source => 'source', input => ['id']);
$t->mock('POST', '/mock/canned', '{"items": [' . join(', ', map { "{\"v\": $_}" } @latin) . ']}');
$shown = $t->sql($t->start_sql(%latin) =~ s/enrich\.start/enrich.preview/r, database => 'latin');
my $in_latin = $t->start_job(%latin, -database => 'latin');
$t->wait_job($in_latin, 'completed', PATIENCE, database => 'latin');
is($t->sql(q{SELECT count(*) FROM enrich.failures WHERE error LIKE '%***%'}, database => 'latin'), @latin, 'masked in a LATIN1 database');
is_hidden($shown . $t->sql('SELECT error FROM enrich.failures', database => 'latin'), 'failures of a LATIN1 database');
$t->mock('POST', '/mock/canned', '{"items": [' . join(', ', map { "{\"v\": $_}" } @{ $tokens{bearer} }) . ']}');

# what was stored is the answer's
my ($job) = run('bearer', 'completed', %rows, output => { 'w text' => '$.v' });
is($t->sql('SELECT w FROM anna.target WHERE id = 1'), $secret{token}, 'what fits its column is stored as it is');

#
# Everything that is left behind
#
$shown = join "\n", map { $t->sql("SELECT * FROM enrich.$_") } qw(jobs progress buckets failures servers catalog_job catalog_bucket catalog_failure);
$shown .= $t->sql(q{SELECT query_to_xml('SELECT * FROM ' || oid::regclass, true, false, '') FROM pg_class
	WHERE relnamespace = 'enrich_staging'::regnamespace AND relkind = 'r'});
is_hidden($shown, 'views, tables and staging');
is_hidden($listener->query_safe('SELECT 1'), 'notifications');
$listener->quit;
is_hidden(logged($position), 'the log at debug5');

#
# PUBLIC's mapping lends a key without showing it
#
is($t->sql("SELECT count(*), count(umoptions) FROM pg_user_mappings", role => 'anna'), '4|0', 'a borrower sees that there is a mapping');
is($t->sql('SELECT count(option_value) FROM information_schema.user_mapping_options', role => 'anna'), '0', '... not what is in it');
like($t->sql_error('SELECT * FROM pg_user_mapping', role => 'anna'), qr/42501/, '... nowhere');

#
# Headers cannot be injected: by options
#
$position = $t->log_position;
my $evil = "hush\r\nX-Evil: 1";
my $said = '';
foreach my $option ([ bearer_token => $evil ], [ bearer_token => "hush\x01" ], [ username => $evil ], [ password => $evil ],
	(map { my $text = $_; map { [ secret_headers => $_ ] } "{\"X-A\": \"$text\"}", "{\"$text\": \"a\"}" }
		'hush\\r\\nX-Evil: 1', 'hush\\nX-Evil: 1', 'hush\\u0000', 'hush\\u007f', 'hush\\u000bX'),
	[ secret_headers => '{"Host": "hush.example.com"}' ], [ secret_headers => '{"x-forwarded-host": "hush.example.com"}' ],
	[ secret_headers => '{"Transfer-Encoding": "hush"}' ])
{
	my ($name, $value) = @$option;
	my $more = $name =~ /name|word/ ? ($name eq 'username' ? ", password 'a'" : ", username 'a'") : '';
	my $error = $t->sql_error("CREATE USER MAPPING FOR anna SERVER basic OPTIONS ($name " . literal($value) . "$more)");

	like($error, qr/22023: invalid value for option "$name"/, "refused: $name " . $value =~ s/[^ -~]/?/gr);
	$said .= $error;
}
unlike($said, qr/hush/, '... in words that do not quote it');
unlike(logged($position), qr/hush|X-Evil/, '... nor does the log');
like($t->sql_error('CREATE SERVER evil FOREIGN DATA WRAPPER pg_enrich OPTIONS (url ' . literal($t->url . "/$_") . ')'), qr/22023/,
	'refused: url ' . s/[^ -~]/?/gr) for $evil, "a\nb", "a b", "a\x7f";
like($t->sql_error('CREATE SERVER evil FOREIGN DATA WRAPPER pg_enrich OPTIONS (url $$http://a$$, proxy ' . literal("http://127.0.0.1:1$_") . ')'),
	qr/22023/, 'refused: proxy ' . s/[^ -~]/?/gr) for "\r\nX-Evil: 1", "\n", " b", "/\x7f";
like($t->sql_error(q{CREATE SERVER evil FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'http://a', headers '{"X-A": "a\\r\\nX-Evil: 1"}')}),
	qr/22023/, 'refused: headers');
$t->mock('POST', '/mock/canned', '{"items": []}');
foreach my $content ("$secret{file}\r\nX-Evil: 1\n", "hush\0hush", "hush hush")
{
	write_file($content);
	my $error = $t->sql_error($t->start_sql(parameters('filed')) =~ s/enrich\.start/enrich.preview/r, role => 'anna');
	like($error, qr/the bearer token file of server "filed" holds no token/, 'refused: a token file');
	unlike($error, qr/hush|X-Evil|\Q$file\E/, '... which is not quoted');
}
write_file("$secret{file}\n");

# ... and by columns' values, which do not lead to another host either
my @values = ("a\r\nX-Evil: 1", "\r\n\r\nGET /evil HTTP/1.1\r\n", '%0d%0aX-Evil: 1', '//evil.example.com', '@evil.example.com',
	':80@evil.example.com/', '\\\\evil.example.com', "\t\x01\x7f", 'http://evil.example.com/', '?a=b&c=d', '#f', 'ä%c0%ae', "\x{e2}\x80\xa8",
	'..', '../../up', '%2e%2e', '.evil.example.com', 'a/b', '{{txt}}', '"}], "x": [{"');
$t->sql('CREATE TABLE anna.value (id integer PRIMARY KEY, txt text); INSERT INTO anna.value VALUES '
	  . join(', ', map { "($_, " . literal($values[ $_ - 1 ]) . ')' } 1 .. @values), role => 'anna');
foreach my $path ('/echo/{{txt}}', '/echo?q={{txt}}&r={{txt}}', '{{txt}}', '{{txt}}/echo')
{
	$t->mock_reset;
	$job = $t->start_job(source => 'anna.value', server => 'bearer', path => $path, input => ['txt'], results => '$',
		request => '{"txt": "{{txt}}"}', output => { 'body json' => '$.body', 'path text' => '$.path', 'q text' => '$.query.q' }, target => 'anna.echo', -role => 'anna');
	my $progress = $t->wait_job($job, 'completed', PATIENCE);
	my @requests = $t->mock_last(200);
	my ($host) = $t->url =~ m{//(.*)};

	cmp_ok(scalar(@requests), '>=', @values - 5, "$path: requests");
	is(scalar(grep { $_->{headers}{host} ne $host || $_->{headers}{'x-evil'} || $_->{target} !~ m{^/[!-~]*$} || $_->{target} =~ m{^//} }
		@requests), 0, '... to one host, and without headers of others');
	is($progress->{rows_done} + $progress->{rows_failed}, scalar(@values), '... for all rows');
	like($t->sql("SELECT DISTINCT error FROM enrich.failures WHERE job = $job"), qr/\A(a value in the url's path is .*)?\z/,
		'... but those that would make it another path');
	next if $path !~ /^.echo/;
	is($t->sql(q{SELECT id FROM anna.echo JOIN anna.value v USING (id) WHERE path IS NOT NULL AND NOT coalesce(body->>'txt' = v.txt
		AND CASE WHEN q IS NULL THEN path = '/echo/' || v.txt ELSE q = v.txt END, false)}), '', '... and the values arrive as they are');
}

#
# Redirects keep within host, port and scheme; so no secret leaves
#
$t->create_server('moved', follow_redirects => 'true', max_attempts => 1);
$t->sql("GRANT USAGE ON FOREIGN SERVER moved TO anna; CREATE USER MAPPING FOR PUBLIC SERVER moved OPTIONS (bearer_token "
	  . literal($secret{token}) . q{, secret_headers '{"X-Api-Key": "hush-header-3"}', secret_query '{"key": "hush-query-4"}')});
my ($port) = $t->url =~ /:(\d+)/;
my %moved = (source => 'anna.source', server => 'moved', path => '/items', input => ['txt'], results => '$.items[*]',
	output => { 'upper text' => '$.upper' }, target => 'anna.moved', max_rows => 3);
foreach my $url ("http://localhost:$port/echo", "https://127.0.0.1:$port/echo", 'http://127.0.0.1:1/echo', "//localhost:$port/echo",
	"http://127.0.0.1:$port\@localhost:$port/echo", "http://someone:hush\@localhost:$port/echo", "file:///etc/passwd")
{
	$t->mock_reset;
	$t->mock_script({ path => '/items', redirect => $url, status => 307 });
	$job = $t->start_job(%moved, -role => 'anna');
	my $progress = $t->wait_job($job, 'paused', PATIENCE);
	like($progress->{error}, qr/redirect/, "a redirect to $url is not followed");
	is($t->sql("SELECT error || hint FROM enrich.jobs WHERE job = $job AND error || hint ~ 'hush|passwd|localhost'"), '', '... nor shown');
	is(scalar(grep { $_->{target} =~ /echo/ } $t->mock_last(20)), 0, '... and nothing is sent there');
	$t->sql("SELECT enrich.cancel($job)");
}

$t->stop;
done_testing();
