
=pod

=head1 NAME

PropertyShapes - ways of asking the mock, with what SQL says it will answer

=head1 DESCRIPTION

A shape is a function of a PropertyRound.  It returns a hash: C<start>, parameters of
enrich.start; C<outputs>, of which a round takes some, the first in any case, since it is
never NULL: each is [ path, type => SQL of the value, … ] or [ path, type => [ SQL of the
value, SQL of when it does not fit ] ].

Further keys: C<single>, the template makes a request one row; C<one>, batch_size is to do that; C<get>; C<script>, what the mock is to do;
C<no_log>, inputs are not where the mock looks for them; C<whole>, inputs must not be cut;
C<absent>, SQL of when the answer has no item for a row; C<items>, SQL of how many items a row has, whose
number is C<item>.

In the SQL C<sent> is what is sent of the row, and its columns have their names.

=cut

package PropertyShapes;

use strict;
use warnings;
use utf8;

use Exporter qw(import);
use JSON::PP ();

use PropertyTypes qw(identifier literal);

our @EXPORT_OK = qw(shapes);

my $json = JSON::PP->new->canonical->allow_nonref;

=head2 shapes()

All of them, as a list of functions.

=cut

sub shapes
{
	return ((\&_items) x 4, \&_array, \&_item, \&_get_items, \&_get_item, \&_answer, \&_answer, \&_scalar, \&_rows,
		\&_each, \&_inputs, \&_echo, \&_get_echo, \&_chat, \&_content, \&_keyed, \&_keyed, \&_keyed_rows, \&_many, \&_many_keyed);
}

# What items say of a text; their position, too, is SQL, or undef where it is not known.
sub _item_outputs
{
	my ($position, $sent) = @_;

	$sent //= 'sent';
	my $value = "(('x' || substr(md5($sent), 1, 8))::bit(32)::bigint % 1000000)";
	my $upper = "upper($sent COLLATE \"und-x-icu\")";
	my @outputs = (
		[ '$.value', bigint => $value, integer => $value, numeric => $value, 'numeric(12,2)' => $value, text => $value,
			jsonb => "to_jsonb($value)", 'double precision' => $value, 'public.low' => [ $value, "$value >= 900000" ], ],
		[ '$.length', integer => "length($sent)", smallint => "length($sent)", text => "length($sent)" ],
		[ '$.text', text => $sent, jsonb => "to_jsonb($sent)", 'character varying(5000)' => $sent ],
		[ '$.upper', text => $upper ],
		[ '$', 'public.item' => "ROW(length($sent), $value, NULL, $sent)" ],
		[ '$.value > 500000', boolean => "$value > 500000", text => "$value > 500000" ],
		[ '$.length ? (@ > 8)', integer => "CASE WHEN length($sent) > 8 THEN length($sent) END",
			'integer[]' => "CASE WHEN length($sent) > 8 THEN ARRAY[length($sent)] END" ],
		[ '$.text.type()', text => "'string'" ],
		[ '$.text starts with "t"', boolean => "starts_with($sent, 't')" ],
		[ '-$.value', bigint => "-$value" ],
		[ '$.keyvalue() ? (@.key == "value" || @.key == "length").value', 'bigint[]' => "ARRAY[$value, length($sent)]" ],
		[ '$.nothing', text => 'NULL', 'date' => 'NULL' ],
		[ 'strict $.value', 'bigint' => $value ],
		[ 'exists($.index)', boolean => 'true' ]);

	push @outputs, [ '$.index', integer => $position ], [ '$', jsonb =>
		"jsonb_build_object('index', $position, 'length', length($sent), 'text', $sent, 'value', $value, 'upper', $upper)" ]
	  if defined $position;
	return \@outputs;
}

sub _items
{
	my ($round) = @_;
	my $key = $round->one_of('input', 'inputs', 'texts');
	my %start = (path => '/items', results => '$.items[*]');

	$start{request} = qq({"$key": "{{inputs}}"}) if $key ne 'input' || $round->chance(30);
	return { start => \%start, outputs => _item_outputs() } if $round->chance(30);
	$start{result_index} = $round->one_of('$.index', '$.index', '$.index + 0');
	return { start => \%start, outputs => _item_outputs(), script => { shuffle => $round->one_of(0, 1, 1) } };
}

sub _array
{
	my ($round) = @_;
	my %start = (path => '/array', request => $round->one_of('"{{inputs}}"', '["{{each}}", "{{input}}"]'), results => '$[*]');

	delete $start{results} if ($round->{batch} // $round->{bucket}) > 1;
	return { start => \%start, outputs => _item_outputs() };
}

sub _item
{
	my ($round) = @_;

	return { start => { path => '/item', request => $round->one_of('{"input": "{{input}}"}', '{"texts": ["{{input}}"]}', '["{{input}}"]') },
		outputs => _item_outputs('0'), single => 1 };
}

sub _get_items
{
	return { start => { path => '/items?input={{input}}', results => '$.items[0]' }, outputs => _item_outputs('0'),
		single => 1, get => 1 };
}

sub _get_item
{
	return { start => { path => '/item/x{{input}}' }, outputs => _item_outputs('0', "('x' || sent)"), single => 1,
		get => 1, no_log => 1 };
}

# Answers that are what the input says: values of any type there and back.
sub _answer
{
	my ($round) = @_;
	my ($object, @outputs) = _built($round);

	$round->{expressions} = [ _sometimes($round, $object) ];
	return { start => { path => '/answer', results => '$.items[*]' }, outputs => \@outputs, all => 1, whole => 1 };
}

# SQL of an object with values of some columns, and further members; and the outputs that are in it.
sub _built
{
	my ($round, @more) = @_;
	my @columns = $round->some(1 + $round->number(4), @{ $round->{keys} }, @{ $round->{values} });
	my @members = map { "'f$_', " . identifier($columns[$_]{name}) } 0 .. $#columns;

	return ('json_build_object(' . join(', ', "'there', 1", @members, @more) . ')',
		[ '$.there', integer => '1' ], map { [ "\$.f$_", _carried($columns[$_]) ] } 0 .. $#columns);
}

# As an input: NULL for some rows, perhaps.
sub _sometimes
{
	my ($round, $sql) = @_;

	return $round->chance(30) ? "(CASE WHEN public.noise(length(($sql)::text), 'e') % 9 > 0 THEN $sql END)" : "($sql)";
}

# SQL of a key as JSON, in one of the forms that result_key takes.
sub _key_json
{
	my ($round) = @_;
	my @keys = @{ $round->{key_order} = [ $round->some(9, @{ $round->{keys} }) ] };
	my @columns = map { identifier($_->{name}) } @keys;

	return "to_json($columns[0])" if @keys == 1;
	return 'json_build_array(' . join(', ', @columns) . ')' if $round->chance(50);
	return 'json_build_object(' . join(', ', "'more', 1", map { literal($_->{name}) . ', ' . identifier($_->{name}) } reverse @keys) . ')';
}

# Items that bear their row's key, in any order; some perhaps missing.
sub _keyed
{
	my ($round) = @_;
	my $first = identifier($round->{keys}[0]{name});
	my $keep = "public.noise(hashtext(($first)::text), 'keep') % 4 > 0";
	my ($object, @outputs) = _built($round, "'keep', $keep", "'row', json_build_object('id', " . _key_json($round) . ')');
	my %shape = (start => { path => '/answer', results => '$.items[*]', result_key => $round->one_of('$.row.id', '$.row.id', 'strict $."row"."id"') },
		script => { shuffle => 1 }, outputs => \@outputs, all => 1, whole => 1);

	$round->{expressions} = [ _sometimes($round, $object) ];
	return \%shape if $round->chance(60);
	$shape{start}{results} = '$.items[*] ? (@.keep == true)';
	return { %shape, absent => "NOT ($keep)" };
}

# The object that {{rows}} makes of a row is a key, too.
sub _keyed_rows
{
	my ($round) = @_;
	my $shape = _rows($round);

	$shape->{start}{result_key} = @{ $round->{keys} } > 1 ? '$' : _member('$', $round->{keys}[0]);
	return $shape;
}

# Any number of items for a row, none for some; $key is SQL of a further member.
sub _several
{
	my ($round, @key) = @_;
	my $first = identifier($round->{keys}[0]{name});
	my $count = "(public.noise(hashtext(($first)::text), 'items') % 4)";
	my ($object, @outputs) = _built($round, "'n', item", @key);

	push @outputs, [ '$.n', integer => 'item', text => 'item' ];
	$round->{expressions} = [ _sometimes($round, "(SELECT coalesce(json_agg($object ORDER BY item), '[]') FROM generate_series(0, ($count)::integer - 1) item)") ];
	return (outputs => \@outputs, all => 1, whole => 1, items => $count);
}

sub _many
{
	my ($round) = @_;

	return { start => { path => '/answer', results => $round->one_of('$.items[0][*]', '$.items[0] ? (@.n >= 0)') }, _several($round), one => 1 };
}

sub _many_keyed
{
	my ($round) = @_;
	my %several = _several($round, "'id', " . _key_json($round));

	return { start => { path => '/answer', results => '$.items[*][*]', result_key => '$.id' }, %several, script => { shuffle => 1 } };
}

# The same with items that are bare values.
sub _scalar
{
	my ($round) = @_;
	my $column = $round->one_of(@{ $round->{keys} });

	$round->{expressions} = [ '(to_json(' . identifier($column->{name}) . '))' ];
	return { start => { path => '/answer', results => '$.items[*]' }, outputs => [ [ '$', _carried($column) ] ], whole => 1 };
}

# type => SQL of a column that has been through JSON
sub _carried
{
	my ($column) = @_;
	my $name = identifier($column->{name});

	return ($column->{type}, $column->{via_text} ? "(($name)::text)::$column->{type}" : $name);
}

# What {{column}} is within a longer text
sub _as_text
{
	my ($column) = @_;

	return "coalesce(to_json(" . identifier($column->{name}) . ") #>> '{}', '')";
}

# Columns that a placeholder can name, and where they are then found in an item.
sub _fields
{
	my ($round) = @_;

	return grep { $_->{name} !~ /[{}]|^(job|bucket|inputs|rows|input|each|now|fingerprint)$/ } $round->field_columns;
}

sub _member
{
	my ($path, $column) = @_;

	return "$path." . $json->encode($column->{name});
}

sub _rows
{
	my ($round) = @_;
	my @outputs = map { [ _member('$', $_), _carried($_) ] } $round->field_columns;

	return { start => { path => '/echo', request => '{"list": "{{rows}}", "a": [{}]}', results => '$.body.list[*]' },
		outputs => \@outputs, no_log => 1 };
}

# A template of several placeholders for one row, and what comes of them below $path.
sub _object
{
	my ($round, $path) = @_;
	my @fields = $round->some(1 + $round->number(3), _fields($round));
	my $key = $json->encode($round->one_of('k', 'K 1', 'ü"'));
	my @members = (qq($key: "{{input}}"), '"n": null');
	my @outputs = [ "$path.$key", text => 'sent', jsonb => 'to_jsonb(sent)' ];

	foreach my $i (0 .. $#fields)
	{
		my $mark = "{{$fields[$i]{name}}}";

		push @members, qq("e$i": [{"v": ) . $json->encode($mark) . '}]',
		  qq("s$i": ) . $json->encode("<{{input}} é\\\"$mark$mark>{{{{x}}");
		push @outputs, [ "$path.e${i}[*].v", _carried($fields[$i]) ] if $fields[$i]{type} !~ /\[\]$/;
		push @outputs, [ "$path.s$i", text => "'<' || sent || ' é\\\"' || " . _as_text($fields[$i]) . ' || ' . _as_text($fields[$i]) . " || '>{{x}}'" ];
	}
	return ('{' . join(', ', @members) . '}', @outputs);
}

sub _each
{
	my ($round) = @_;
	my ($object, @outputs) = _object($round, '$');

	return { start => { path => '/echo', request => qq({"a": 1, "list": ["{{each}}", $object], "b": "{{job}}"}), results => '$.body.list[*]' },
		outputs => \@outputs, no_log => 1 };
}

sub _inputs
{
	my ($round) = @_;

	return { start => { path => '/echo', results => '$.body.input[*]' }, outputs => [ [ '$', text => 'sent', jsonb => 'to_jsonb(sent)' ] ],
		no_log => 1 };
}

sub _echo
{
	my ($round) = @_;
	my ($object, @outputs) = _object($round, '$.body');

	return { start => { path => '/echo', request => $object }, single => 1, no_log => 1,
		outputs => [ @outputs, [ '$.method', text => "'POST'" ] ] };
}

sub _get_echo
{
	my ($round) = @_;
	my ($field) = $round->some(1, grep { $_->{name} !~ /[^a-z0-9_ ]/ } _fields($round));
	my $path = '/echo/a{{input}}';
	my @outputs = ([ '$.query.q', text => 'sent' ], [ '$.method', text => "'GET'" ]);

	if (defined $field)
	{
		$path .= "/b{{$field->{name}}}";
		push @outputs, [ '$.path', text => "'/echo/a' || sent || '/b' || " . _as_text($field) ];
	}
	return { start => { path => "$path?p=1&q={{input}}" }, outputs => \@outputs, single => 1, get => 1, no_log => 1 };
}

sub _chat
{
	return { start => { path => '/v1/chat/completions',
			request => '{"model": "m", "messages": [{"role": "system", "content": "be {{job}}"}, {"role": "user", "content": "Q: {{input}}"}]}' },
		outputs => [ [ '$.choices[0].message.content', text => "'echo: Q: ' || sent" ] ], single => 1, no_log => 1 };
}

sub _content
{
	return { start => { path => '/v1/chat/completions', content => '$.choices[0].message.content', results => '$.items[*]', result_index => '$.index',
			request => '{"messages": [{"role": "user", "content": " {{inputs}}"}], "response_format": {"type": "json_object"}}' },
		outputs => [ [ '$.length', integer => 'length(sent)' ], [ '$.label.type()', text => "'string'" ] ], no_log => 1 };
}

1;
