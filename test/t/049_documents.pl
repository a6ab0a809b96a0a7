# README and the pages of docs/ name what exists, and all that exists; README's SQL runs,
# as a newcomer would run it.

use strict;
use warnings;

use Cookbook qw(sql_blocks);
use EnrichTest;
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;

my $t = EnrichTest->new;
my %page = map { $_ => slurp_file($_) } 'README.md', glob 'docs/*.md';
my $all = join "\n", map { $page{$_} } sort keys %page;

# The first column of the result, as the keys of a hash
sub set_of { return map { $_ => 1 } split /\n/, $t->sql($_[0]); }

# Those keys of a hash that another lacks
sub beyond
{
	my ($these, $those) = @_;
	return join ' ', grep { !$those->{$_} } sort keys %$these;
}

# What stands in backticks in the first cells of a page's tables, below a heading of which this is a part
sub first_cells
{
	my ($name, $heading) = @_;
	my ($level) = $page{$name} =~ /^(#+) \Q$heading\E$/m or die "$name has no section $heading";
	my $depth = length $level;
	my ($section) = $page{$name} =~ /^#+ \Q$heading\E\n(.*?)(?=^#{1,$depth} |\z)/ms;

	return map { $_ => 1 } map { /`(\w+)`/g } $section =~ /^\| ([^|]*) \|/mg;
}

#
# Objects
#
my %object = set_of(<<'END');
SELECT proname FROM pg_proc WHERE pronamespace = 'enrich'::regnamespace UNION
SELECT relname FROM pg_class WHERE relnamespace = 'enrich'::regnamespace AND relkind IN ('r', 'v')
END
my %public = set_of(<<'END');
SELECT relname FROM pg_class WHERE relnamespace = 'enrich'::regnamespace AND relkind = 'v' AND has_table_privilege('public', oid, 'SELECT') UNION
SELECT unnest('{start,preview,pause,resume,cancel,retry,alter,drop,wait}'::text[])
END
my %named = map { $_ => 1 } $all =~ /\benrich\.(\w+)/g;
is(beyond(\%named, \%object), '', 'each enrich.* that is named exists');
is(beyond(\%public, \%named), '', 'all that users may use are named');
is($t->sql(q{SELECT string_agg(c.relname, ' ') FROM pg_class c WHERE relnamespace = 'enrich'::regnamespace AND relkind = 'v'
	AND has_table_privilege('public', oid, 'SELECT')}) =~ tr/ //, 4, 'there are five views');

#
# Columns: those that are shown as VIEW.COLUMN exist, and all those of the views are explained
#
my %column = set_of(<<'END');
SELECT DISTINCT format('%s.%s', attrelid::regclass, attname) FROM pg_attribute
WHERE attnum > 0 AND attrelid IN ('enrich.jobs'::regclass, 'enrich.progress'::regclass, 'enrich.buckets'::regclass,
	'enrich.failures'::regclass, 'enrich.servers'::regclass)
END
my %shown = map { $_ => 1 } $all =~ /\b(enrich\.(?:jobs|progress|buckets|failures|servers)\.\w+)/g;
is(beyond(\%shown, \%column), '', 'each column that is named with its view exists');
foreach my $view (qw(progress servers))
{
	my %of_view = map { /^enrich\.$view\.(.*)/ ? ($1 => 1) : () } keys %column;
	my %explained = first_cells('docs/operate.md', "`enrich.$view`");

	# a range of columns is named by its ends
	$explained{$_} = 1 foreach $explained{answers_2xx} ? qw(answers_3xx answers_4xx) : ();
	is(beyond(\%of_view, \%explained), '', "all columns of enrich.$view are explained");
	is(beyond(\%explained, \%of_view), '', '... and no others');
}
foreach my $view (qw(jobs buckets failures))
{
	my %of_view = map { /^enrich\.$view\.(.*)/ ? ($1 => 1) : () } keys %column;
	my %word = map { $_ => 1 } $all =~ /(\w+)/g;

	is(beyond(\%of_view, \%word), '', "all columns of enrich.$view are spoken of");
}

#
# Parameters
#
my %parameter = set_of(<<'END');
SELECT unnest(proargnames) FROM pg_proc WHERE oid = 'enrich.start'::regproc
END
my %listed = first_cells('docs/jobs.md', 'Parameters');
is(beyond(\%listed, \%parameter), '', 'each parameter in the table exists');
is(beyond(\%parameter, \%listed), '', 'all parameters of enrich.start are in the table');
my %argument = set_of(<<'END');
SELECT unnest(proargnames[:pronargs]) FROM pg_proc WHERE pronamespace = 'enrich'::regnamespace
END
my %used = map { $_ => 1 } map { /\b(\w+) => /g } map { sql_blocks($_) } values %page;
is(beyond(\%used, \%argument), '', 'each argument in a block of SQL exists');

#
# Options
#
sub valid_options
{
	my ($statement) = @_;
	my ($list) = $t->sql_error($statement) =~ /Valid options in this context are: ([\w, ]+)/ or die 'no hint';

	return map { $_ => 1 } split /, /, $list;
}

my %server_option = valid_options("CREATE SERVER s FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://api.example', nonsense '1')");
my %in_table = first_cells('docs/servers.md', 'Server options');
$t->sql("CREATE SERVER s FOREIGN DATA WRAPPER pg_enrich OPTIONS (url 'https://api.example')");
my %mapping_option = valid_options("CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (nonsense '1')");
my %secret = first_cells('docs/servers.md', 'Secrets');
is(beyond(\%in_table, \%server_option), '', 'each server option in the table exists');
is(beyond(\%server_option, \%in_table), '', 'all server options are in the table');
is(beyond(\%secret, \%mapping_option), '', 'each option of user mappings in the table exists');
is(beyond(\%mapping_option, \%secret), '', 'all options of user mappings are in the table');

#
# Settings
#
my %setting = set_of("SELECT name FROM pg_settings WHERE name LIKE 'pg\\_enrich.%'");
my %spoken = map { $_ => 1 } $all =~ /\b(pg_enrich\.[a-z_]+)\b(?!--)/g;
delete $spoken{'pg_enrich.control'};
is(beyond(\%spoken, \%setting), '', 'each setting that is named exists');
my %explained = map { $_ => 1 } $page{'docs/settings.md'} =~ /^\| `(pg_enrich\.\w+)` \|/mg;
is(beyond(\%setting, \%explained), '', 'all settings are in the table');

#
# States, reasons, and what a job waits for
#
my %value = set_of(<<'END');
SELECT DISTINCT m[1] FROM pg_constraint, regexp_matches(pg_get_constraintdef(oid), '''(\w+)''', 'g') m
WHERE conrelid = 'enrich.catalog_job'::regclass AND contype = 'c'
END
my %state = first_cells('docs/operate.md', 'States');
my $source = join '', map { slurp_file($_) } glob 'src/*/*.[ch]';
is(scalar(keys %state), 7, 'there are seven states');
foreach my $word (sort(keys %state), sort keys %{ { first_cells('docs/operate.md', 'Reasons') } }, sort keys %{ { first_cells('docs/operate.md', 'What a job waits for') } })
{
	ok(index($source, qq("$word")) >= 0 || $value{$word}, "$word is a word of the source");
}

#
# Messages: the headings of troubleshooting are what somebody sees.  Those of the API, and
# of PostgreSQL, are not ours.
#
my %others = map { $_ => 1 } (
	'... rows', 'could not extend file "...": No space left on device', 'out of shared memory', 'out of memory',
	'permission denied for ...', 'relation "..." does not exist', '429: You exceeded your current quota ...',
	'invalid input syntax for type json', 'permission denied to set option "ca_file"', '403', '405', 'HTTP status 30x');
$source .= join '', map { slurp_file($_) } glob 'src/core/*/*.[ch]';
# strings that are written in pieces, with what is filled in
$source =~ s/"\s*(?:INT64_FORMAT|UINT64_FORMAT)?\s*"//g;
$source =~ s/\\"/"/g;
$source =~ s/%(?:-?\d+|\.\*)?(?:l|ll|z)?[sdiu]/\0/g;
foreach my $heading ($page{'docs/troubleshooting.md'} =~ /^### (.*)/mg)
{
	foreach my $message (grep { /\W.*\w \w/ && !$others{$_} } $heading =~ /`([^`]+)`/g)
	{
		next if $message =~ /^[A-Z]+ [A-Z]+|^HTTP status|=>/;
		# what stands between numbers, names and punctuation is there word for word
		my @parts = grep { /\w \w/ } map { s/^\s+|\s+$//gr } split /\.\.\.|\d+ ?\w*|[(),:"]/, $message;
		my @missing = grep { index($source, $_) < 0 } @parts;
		ok(@parts > 0 && !@missing, "a message of ours: $message") or diag("not in the source: @missing");
	}
}

#
# README's SQL, as it stands
#
my $book = Cookbook->new($t);
my ($recipe, @blocks) = sql_blocks($page{'README.md'});
$t->sql('DROP SERVER s');
$t->sql(Cookbook::TABLES);
$book->run_block($recipe);
is($t->sql('SELECT count(*), count(embedding) FROM articles'), '120|120', 'the first block fills the column');
$t->sql('DROP EXTENSION pg_enrich CASCADE; ALTER TABLE articles DROP COLUMN embedding; CREATE ROLE analyst');
foreach my $block (@blocks)
{
	# what is watched would be so for ever
	my $statement = $block =~ s/ \\watch 1$/;/mr;
	my $printed = $t->sql($book->on_mock($statement));

	is($printed, '1', 'README: the job is the first one') if $statement =~ /enrich\.start/;
	like($printed, qr/completed/, 'README: it completes') if $statement =~ /enrich\.wait/;
	like($printed, qr{^http://[^|]*/embeddings\|.*\|200\|}s, 'README: the preview shows an answer') if $statement =~ /enrich\.preview/;
}
is($t->sql('SELECT count(*), count(embedding) FROM articles'), '120|120', 'README: each article has its embedding');

#
# Links lead somewhere
#
sub anchor_of
{
	my ($heading) = @_;

	$heading =~ s/[^\w\- ]//g;
	return lc($heading) =~ tr/ /-/r;
}

my @markdown = ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', glob('docs/*.md src/README.md src/*/README.md src/*/*/README.md test/README.md test/*/README.md'));
my (%anchors, @broken);
foreach my $file (@markdown)
{
	my $text = slurp_file($file) =~ s/^```.*?^```$//msgr;
	$anchors{$file} = { map { anchor_of($_) => 1 } $text =~ /^#+ (.*)/mg };
	foreach my $link ($text =~ /\]\((?!https?:)([^)\s]+)\)/g)
	{
		my ($path, $anchor) = split /#/, $link;
		my $target = $path eq '' ? $file : dirname($file) . "/$path";

		1 while $target =~ s{(^|/)(?!\.\./)[^/]+/\.\./}{$1};
		$target =~ s{^(\./)+}{};
		push @broken, [ $file, $link, $target, $anchor ];
	}
}
is(join(' ', map { "$_->[0]: $_->[1]" } grep { !-e $_->[2] || (defined $_->[3] && $anchors{ $_->[2] } && !$anchors{ $_->[2] }{ $_->[3] }) } @broken),
	'', scalar(@broken) . ' links lead somewhere');

$t->stop;
done_testing();
