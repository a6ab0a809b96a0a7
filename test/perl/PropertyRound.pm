
=pod

=head1 NAME

PropertyRound - a job drawn at random, with what SQL says comes of it

=head1 SYNOPSIS

  my $round = PropertyRound->new($seed, $t->url);
  $t->mock_script($round->{script});
  $t->sql($round->script);

=head1 DESCRIPTION

All follows from the seed, so that a round is repeated by it.  What is drawn becomes SQL by
L<PropertySql>, from which this inherits.

=cut

package PropertyRound;

use strict;
use warnings;
use utf8;

use List::Util qw(max min shuffle);

use PropertyShapes qw(shapes);
use PropertyTypes qw(types text_types value_sql identifier);

use parent 'PropertySql';

my @names = ('id', 'Key', 'a b', 'select', 'Zażółć', 'back\\slash', 'per%cent', 'dollar$', 'key_1', 'input', 'output_1', 'row_number',
	'r', 'partition', 'truncated', 'fields', 'job', 'x"y', 'text', 'value', 'rows', 'inputs', 'pg_enrich_target', 'prepared',
	'wanted', 'now', 'source', 'cur{{ly', "it's", '%s', 'UPPER', 'a.b', 'a,b', 'fingerprint', 'order', 'n', 'sent', 'x' x 63);

sub new
{
	my ($class, $seed, $url) = @_;
	my $self = bless { seed => $seed, url => $url }, $class;

	srand($seed);
	$self->{names} = [ shuffle(@names) ];
	$self->_draw_sizes;
	$self->_draw_columns;
	$self->_draw_inputs;
	$self->_draw_shape;
	$self->_draw_where;
	$self->_draw_outputs;
	$self->_draw_max_rows;
	$self->_draw_write;
	$self->_draw_changes;
	$self->_draw_faults;
	$self->_draw_disturbances;
	$self->_draw_server;
	$self->{sql} = $self->script_sql;
	return $self;
}

=head2 $round->script

Source, expectation, server, start and wait, for psql.  What it prints last is the job's number.

=cut

sub script { return $_[0]{sql}; }

=head1 CHANCE

=head2 $round->number($n), chance($percent), one_of(@list), some($n, @list)

=cut

sub number { return int(rand($_[1])); }

sub chance { return rand(100) < $_[1]; }

sub one_of { return $_[ 1 + int(rand(@_ - 1)) ]; }

sub some
{
	my ($self, $count, @list) = @_;

	@list = shuffle(@list);
	return @list[ 0 .. min($count, scalar @list) - 1 ];
}

sub _name { return shift @{ $_[0]{names} }; }

=head1 WHAT IS DRAWN

=cut

sub _draw_sizes
{
	my ($self) = @_;

	$self->{bucket} = $self->one_of(1, 2, 7, 20, 64, 100, 500, 1000);
	$self->{batch} = $self->one_of(undef, 1, 3, 10, 50, $self->{bucket}, $self->{bucket} - 1);
	$self->{batch} = undef if defined $self->{batch} && ($self->{batch} < 1 || $self->{batch} > $self->{bucket});
	my $size = $self->one_of($self->{bucket}, $self->{batch} // 10);
	$self->{rows} = $self->one_of(0, 1, 2, $size - 1, $size, $size + 1, 2 * $size, 3 * $size + 1, $self->number(300), $self->number(2500));
	# a request, or a bucket, for each row
	$self->{rows} = min($self->{rows}, 250) if $self->{bucket} < 10 || ($self->{batch} // 10) < 3;
	return;
}

# Columns of a type, whose values are that of a number; nothing but keys are without NULLs.
sub _column
{
	my ($self, $type, $number, $salt) = @_;
	my $value = value_sql($type, $number);

	$value = "CASE WHEN public.noise(i, '$salt null') % 6 > 0 THEN $value END" if $salt !~ /^key/;
	return { %$type, name => $self->_name, value => $value };
}

# A column of one of the types, in which values come more than once.
sub _noisy_column
{
	my ($self, $salt, @types) = @_;
	my $type = $self->one_of(@types);

	return $self->_column($type, "1 + public.noise(i, '$salt') % " . min($type->{limit}, 20000), $salt);
}

sub _draw_columns
{
	my ($self) = @_;
	my @types = types();
	my $count = $self->one_of(1, 1, 1, 2, 2, 3);
	my @fitting = grep { $_->{limit} > $self->{rows} + 30 } @types, text_types();
	my @keys = $self->_column($self->one_of(@fitting), 'i', 'key');

	push @keys, map { $self->_noisy_column("key $_", @types, text_types()) } 2 .. $count;
	$self->{keys} = [ shuffle(@keys) ];
	$self->{values} = [ map { $self->_noisy_column("value $_", @types) } 1 .. 1 + $self->number(4) ];
	$self->{texts} = [ map { { type => 'text', name => $self->_name, value => $self->_text("text $_") } } 1 .. 1 + $self->number(3) ];
	return;
}

# Texts that are odd, empty or NULL, and seldom the same.
sub _text
{
	my ($self, $salt) = @_;
	my $none = $self->one_of('false', 'false', "public.noise(i, '$salt none') % 7 = 0");
	my $odd = "public.odd(public.noise(i, '$salt'))";

	return "CASE WHEN $none THEN " . $self->one_of("''", 'NULL', "nullif('', left(i::text, 1))")
	  . ' ELSE ' . $self->one_of("$odd || i", "i || $odd", $odd, "'town ' || i") . ' END';
}

sub _draw_inputs
{
	my ($self) = @_;
	my @texts = @{ $self->{texts} };
	my $text = identifier($self->one_of(@texts)->{name});
	my @columns = $self->some($self->one_of(1, 1, 2), @texts);

	push @columns, $self->some(1, @{ $self->{values} }, @{ $self->{keys} }) if $self->chance(25);
	$self->{inputs} = [ shuffle(@columns) ];
	$self->{expressions} = [];
	push @{ $self->{expressions} }, $self->one_of("(upper($text))", "($text || '-' || length($text))", "(left($text, 3) -- a comment\n)",
		"((SELECT string_agg(x, '+') FROM regexp_split_to_table($text, ' ') x))", "(NULLIF(length($text), 3) > 5)", "(ARRAY[$text, NULL])")
	  if $self->chance(30);
	$self->{separator} = $self->one_of(' ', ' ', '', ', ', "\n", '{{', '"\\', 'ü');
	$self->{length} = $self->one_of(undef, undef, undef, 1, 5, 12, 40);
	return;
}

=head2 $round->field_columns

Columns that placeholders may name: the key's, and inputs that are columns.

=cut

sub field_columns
{
	my ($self) = @_;
	my %seen;

	return grep { !$seen{ $_->{name} }++ } @{ $self->{keys} }, @{ $self->{inputs} };
}

sub _draw_shape
{
	my ($self) = @_;
	my @all = shapes();
	my $expressions = @{ $self->{expressions} };
	my $shape = $self->one_of(@all)->($self);

	$self->{shape} = $shape;
	$self->{start} = $shape->{start};
	$self->{many} = defined $shape->{items};
	$self->{start}{result_rows} = 'many' if $self->{many};
	if ($shape->{whole})
	{
		# the shape has inputs of its own
		$self->{inputs} = [];
		$self->{length} = undef;
		splice @{ $self->{expressions} }, 0, $expressions if @{ $self->{expressions} } > $expressions;
	}
	if (defined $shape->{absent} || $self->{many})
	{
		# a first bucket in which nothing is found would pause the job
		$self->{bucket} = max($self->{bucket}, 64);
		$self->{rows} = 60 + $self->number(500);
	}
	if ($shape->{single} || $shape->{one})
	{
		$self->{batch} = $shape->{one} ? 1 : undef;
		$self->{rows} = min($self->{rows}, 250);
	}
	return;
}

sub _draw_where
{
	my ($self) = @_;
	my $column = identifier($self->one_of(@{ $self->{texts} }, @{ $self->{values} })->{name});
	my $text = identifier($self->{texts}[0]{name});

	return if defined $self->{shape}{absent} || $self->{many};
	$self->{where} = $self->one_of(undef, undef, undef, "$column IS NOT NULL", "length($text) % 2 = 0 OR $text IS NULL -- a comment",
		"EXISTS (SELECT FROM generate_series(1, 3) pick WHERE pick % 4 = length($text) % 4)", 'false', 'true');
	return;
}

sub _draw_outputs
{
	my ($self) = @_;
	my ($first, @rest) = @{ $self->{shape}{outputs} };
	my @drawn = ($first, $self->some($self->{shape}{all} ? @rest + 0 : $self->number(4), @rest));

	foreach my $output (@drawn)
	{
		my ($path, @pairs) = @$output;
		my $pair = 2 * $self->number(@pairs / 2);
		my ($value, $fails) = ref $pairs[ $pair + 1 ] ? @{ $pairs[ $pair + 1 ] } : $pairs[ $pair + 1 ];

		my $found = join ' AND ', "sent <> ''", map { "NOT ($_)" } grep { defined } $fails, $self->{shape}{absent};
		push @{ $self->{outputs} }, { name => $self->_name, path => $path, type => $pairs[$pair], fails => $fails,
			value => "CASE WHEN $found THEN ($value)::$pairs[$pair] END" };
	}
	if ($self->chance(20))
	{
		my $field = $self->one_of(grep { $_->{name} !~ /[{}]|^(job|now|fingerprint)$/ } $self->field_columns);
		push @{ $self->{outputs} }, { name => $self->_name, path => "{{$field->{name}}}", type => $field->{type}, value => identifier($field->{name}) }
		  if $field && !$field->{via_text};
	}
	$self->{outputs} = [ shuffle(@{ $self->{outputs} }) ];
	return;
}

# A fingerprint then says which rows were taken.
sub _draw_max_rows
{
	my ($self) = @_;

	return if $self->_may_fail || $self->{many} || !$self->chance(15);
	$self->{max_rows} = $self->number($self->{rows} + 3);
	push @{ $self->{outputs} }, { name => '~taken', path => '{{fingerprint}}', type => 'text', value => "'taken'" };
	return;
}

sub _may_fail { return scalar grep { defined $_->{fails} } @{ $_[0]{outputs} }; }

sub _draw_write
{
	my ($self) = @_;
	my @kinds = qw(table table table partitioned view matview foreign);
	my @hashable = grep { !$_->{no_hash} } @{ $self->{keys} };

	$self->{kind} = $self->one_of(@kinds);
	$self->{source} = $self->one_of('source', '"Sour ce"', '"sóurce"""');
	$self->{target} = $self->one_of('results', '"Tar get"', '"Round"."źródło"');
	$self->{kind} = 'table' if $self->{kind} eq 'partitioned' && !@hashable;
	$self->{by} = $self->one_of(@hashable);
	$self->{mode} = $self->one_of('update', 'update', 'insert', 'upsert', 'upsert', 'overwrite');
	$self->{mode} = 'upsert' if $self->{mode} eq 'update' && ($self->{kind} !~ /table|partitioned/ || $self->{many});
	$self->{mode} = 'upsert' if $self->{mode} eq 'overwrite' && $self->_may_fail;
	# a key by primary key, by a unique index, or only by word
	$self->{key_by} = $self->{kind} =~ /table|partitioned/ ? $self->one_of('primary', 'primary', 'index') : 'word';
	$self->{key_by} = $self->one_of($self->{key_by}, 'word') if $self->{mode} ne 'update';
	$self->{there} = $self->{mode} ne 'update' && $self->chance(60);
	$self->{missing} = $self->chance(20) && $self->{mode} ne 'overwrite' && !defined $self->{max_rows};
	# columns of the target that are there already, with values of another run
	my $may = $self->{there} || $self->{mode} eq 'update';
	$_->{there} = $may && $self->chance(50) || ($self->{there} && $_->{name} eq '~taken') foreach @{ $self->{outputs} };
	$self->{stale} = !defined $self->{max_rows};
	return;
}

# A source that was sent before, and then changed; an output in the place of an input.
sub _draw_changes
{
	my ($self) = @_;
	my ($text) = grep { $_->{type} eq 'text' && !$_->{there} && $_->{name} ne '~taken' } @{ $self->{outputs} };
	my $plain = !$self->_may_fail && !$self->{many} && !$self->{missing} && !defined $self->{max_rows};

	if ($self->{mode} =~ /update|upsert/ && $plain && $self->chance(15))
	{
		$self->{changed} = 1;
		$self->{stale} = 0;
		$self->{length} = undef;
		push @{ $self->{outputs} }, { name => '~taken', path => '{{fingerprint}}', type => 'text', value => "'taken'", there => $self->{there} };
	}
	elsif ($self->{mode} eq 'update' && $text && $self->chance(30))
	{
		$text->{own} = $text->{there} = 1;
		$text->{name} = $self->one_of(@{ $self->{texts} })->{name};
	}
	return;
}

# What may be done to a job under way, and changes nothing of what comes of it.
sub _draw_disturbances
{
	my ($self) = @_;
	my @all = ([ 'pause' ], [ 'pause' ], [ 'terminate' ], [ 'cap', 1 + $self->number(3) ]);

	$self->{disturbances} = [];
	return if !$self->chance(20);
	$self->{script}{latency} = '1-20';
	$self->{disturbances} = [ map { { what => $_->[0], cap => $_->[1], after => $self->number(80) } } $self->some(1 + $self->number(3), @all) ];
	# what was in flight is asked again
	$self->{repeats} = grep { $_->{what} eq 'terminate' } @{ $self->{disturbances} };
	return;
}

=head2 $round->most_in_flight

The highest cap that the job has at any time.

=cut

sub most_in_flight
{
	my ($self) = @_;

	return max($self->{start}{concurrency}, map { $_->{cap} // 0 } @{ $self->{disturbances} });
}

sub _draw_faults
{
	my ($self) = @_;
	my @faults = ({ latency => $self->one_of(1, '0-3', '0-20') }, { fail_first => $self->one_of(1, 2) }, { gzip => 1 },
		{ status_every => $self->one_of(5, 20), status => $self->one_of(500, 502) }, { reset_every => 9 }, { reset_first => 1 }, { cut_first => 1 });
	my %script = map { %$_ } $self->some($self->one_of(0, 0, 1, 1, 2, 3), @faults);

	$self->{faults} = grep { !/latency|gzip/ } keys %script;
	$self->{script} = { %script, %{ $self->{shape}{script} || {} } };
	return;
}

sub _draw_server
{
	my ($self) = @_;
	my $start = $self->{start};
	my %server = (backoff_base => '1ms', backoff_max => '20ms', max_attempts => 40, url => $self->{url});

	$start->{batch_size} = $self->{batch} if defined $self->{batch};
	$server{method} = 'GET' if $self->{shape}{get};
	$server{max_request_tokens} = $self->{tokens} = $self->one_of(20, 200) if $self->chance(10);
	$server{max_concurrency} = 3 if $self->chance(10);
	foreach my $name (qw(request results result_index content batch_size))
	{
		$server{$name} = delete $start->{$name} if defined $start->{$name} && $self->chance(20);
	}
	$server{url} .= delete $start->{path} if $self->chance(30);
	$self->{server} = \%server;
	$start->{bucket_size} = $self->{bucket} if $self->{bucket} != 500;
	$start->{concurrency} = $self->one_of(1, 2, 10, 40);
	$start->{workers} = $self->one_of(1, 1, 2, 3);
	$start->{max_failed_rows} = undef;
	return;
}

1;
