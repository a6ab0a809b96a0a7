
=pod

=head1 NAME

PropertyRound - a job drawn at random, with what SQL says comes of it

=head1 SYNOPSIS

  my $round = PropertyRound->new($seed, $t->url);
  $t->mock_script($round->{script});
  $t->sql($round->script);

=head1 DESCRIPTION

The script makes a source, and table C<expected>, one row for each that the job is to take:
key, outputs, C<"~sent"> (what is sent of it) and C<"~fails"> (its results do not fit).  Then
it starts the job and waits for it.  C<before> is what the target, or the source, held.  All
follows from the seed, so that the text of the script repeats the round by hand.

=cut

package PropertyRound;

use strict;
use warnings;
use utf8;

use JSON::PP ();
use List::Util qw(max min shuffle);

use PropertyShapes qw(shapes);
use PropertyTypes qw(types text_types value_sql literal identifier);

my @names = ('id', 'Key', 'a b', 'select', 'Zażółć', 'back\\slash', 'per%cent', 'dollar$', 'key_1', 'input', 'output_1', 'row_number',
	'r', 'partition', 'truncated', 'fields', 'job', 'x"y', 'text', 'value', 'rows', 'inputs', 'pg_enrich_target', 'prepared',
	'wanted', 'now', 'source', 'cur{{ly', "it's", '%s', 'UPPER', 'a.b', 'a,b', 'fingerprint', 'order', 'n', 'sent', 'x' x 63);
my @schema = ('"Round"', 'public');

my $json = JSON::PP->new->canonical->allow_nonref;

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
	$self->_draw_faults;
	$self->_draw_server;
	$self->{sql} = $self->_script_sql;
	return $self;
}

=head2 $round->script

Source, expectation, server, start and wait, for psql.  Its output is the job's number.

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

sub _noise
{
	my ($salt, $type) = @_;

	return "1 + public.noise(i, '$salt') % " . min($type->{limit}, 20000);
}

sub _draw_columns
{
	my ($self) = @_;
	my @types = types();
	my $count = $self->one_of(1, 1, 1, 2, 2, 3);
	my @fitting = grep { $_->{limit} > $self->{rows} + 30 } @types, text_types();
	my @keys = $self->_column($self->one_of(@fitting), 'i', 'key');

	push @keys, map { my $type = $self->one_of(@types, text_types()); $self->_column($type, _noise("key $_", $type), "key $_") } 2 .. $count;
	$self->{keys} = [ shuffle(@keys) ];
	$self->{values} = [ map { my $type = $self->one_of(@types); $self->_column($type, _noise("value $_", $type), "value $_") } 1 .. 1 + $self->number(4) ];
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
	if ($shape->{whole})
	{
		# the shape has inputs of its own
		$self->{inputs} = [];
		$self->{length} = undef;
		splice @{ $self->{expressions} }, 0, $expressions if @{ $self->{expressions} } > $expressions;
	}
	if ($shape->{single})
	{
		$self->{batch} = undef;
		$self->{rows} = min($self->{rows}, 250);
	}
	return;
}

sub _draw_where
{
	my ($self) = @_;
	my $column = identifier($self->one_of(@{ $self->{texts} }, @{ $self->{values} })->{name});
	my $text = identifier($self->{texts}[0]{name});

	$self->{where} = $self->one_of(undef, undef, undef, "$column IS NOT NULL", "length($text) % 2 = 0 OR $text IS NULL -- a comment",
		"EXISTS (SELECT FROM generate_series(1, 3) r WHERE r % 4 = length($text) % 4)", 'false', 'true');
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

		push @{ $self->{outputs} }, { name => $self->_name, path => $path, type => $pairs[$pair], fails => $fails,
			value => "CASE WHEN sent <> ''" . (defined $fails ? " AND NOT ($fails)" : '') . " THEN ($value)::$pairs[$pair] END" };
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

	return if $self->_may_fail || !$self->chance(15);
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
	$self->{mode} = 'upsert' if $self->{mode} eq 'update' && $self->{kind} !~ /table|partitioned/;
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

=head1 AS SQL

=cut

# What the session that starts the job has set, and the job's own are to have, too.
sub _settings_sql
{
	my ($self) = @_;
	my %settings = (
		TimeZone => $self->one_of('UTC', 'Europe/Warsaw', 'Asia/Kolkata', 'America/St_Johns'),
		DateStyle => $self->one_of('ISO, YMD', 'German, DMY', 'SQL, DMY', 'Postgres, MDY'),
		IntervalStyle => $self->one_of(qw(postgres iso_8601 sql_standard postgres_verbose)),
		bytea_output => $self->one_of(qw(hex escape)),
		extra_float_digits => $self->one_of(1, 0, -3, 3),
		client_min_messages => 'error');

	return join '', map { "SET $_ = '$settings{$_}';\n" } sort keys %settings;
}

sub _names
{
	my ($prefix, @columns) = @_;

	return join ', ', map { $prefix . identifier($_->{name}) } @columns;
}

sub _definition
{
	my ($column, $more) = @_;
	my $collation = $column->{collation} ? " COLLATE $column->{collation}" : '';

	return identifier($column->{name}) . " $column->{type}$collation" . ($more // '');
}

# Columns of the source; those it is to lose are among them.
sub _source_columns
{
	my ($self) = @_;
	my @outputs = $self->{mode} eq 'update' ? grep { $_->{there} } @{ $self->{outputs} } : ();

	return (@{ $self->{keys} }, @{ $self->{values} }, @{ $self->{texts} }, @outputs);
}

sub _create_table_sql
{
	my ($self, $table, $columns, $by) = @_;
	my @definitions = map { _definition($_) } shuffle(@$columns);
	my @gone = map { "gone_$_" } 1 .. $self->number(3);

	splice @definitions, $self->number(@definitions + 1), 0, "$_ " . $self->one_of('text', 'integer', 'real[]') foreach @gone;
	my $sql = "CREATE TABLE $table (" . join(', ', @definitions) . ')' . ($by ? " PARTITION BY HASH ($by)" : '') . ";\n";
	# a partition that is attached when the parent has lost its columns, and the other way round
	$sql .= "CREATE TABLE first_part PARTITION OF $table FOR VALUES WITH (MODULUS 3, REMAINDER 0);\n" if $by;
	$sql .= "ALTER TABLE $table DROP COLUMN $_;\n" foreach @gone;
	return $sql if !$by;
	$sql .= $self->_create_table_sql("part_$_", $columns) . "ALTER TABLE $table ATTACH PARTITION part_$_ FOR VALUES WITH (MODULUS 3, REMAINDER $_);\n"
	  foreach 1, 2;
	return $sql;
}

sub _insert_sql
{
	my ($self, $table) = @_;
	my @columns = (@{ $self->{keys} }, @{ $self->{values} }, @{ $self->{texts} });
	my $values = join ",\n\t", map { "($_->{value})::$_->{type}" } @columns;

	return "INSERT INTO $table (" . _names('', @columns) . ") SELECT $values\n\tFROM generate_series(1::bigint, $self->{rows}) i"
	  . $self->one_of('', " ORDER BY public.noise(i, 'order')") . ";\n";
}

sub _source_sql
{
	my ($self) = @_;
	my $kind = $self->{kind};
	my @columns = $self->_source_columns;
	my $base = $kind =~ /table|partitioned/ ? $self->{source} : 'base';
	my $sql = $self->_create_table_sql($base, \@columns, $kind eq 'partitioned' ? identifier($self->{by}{name}) : undef);
	my $keys = _names('', @{ $self->{keys} });

	$sql .= "ALTER TABLE $base ADD PRIMARY KEY ($keys);\n" if $self->{key_by} eq 'primary';
	$sql .= "CREATE UNIQUE INDEX ON $base ($keys);\n" if $self->{key_by} eq 'index';
	$sql .= $self->_insert_sql($base);
	# some rows in later places than they had
	$sql .= "UPDATE $base SET " . _names('', $columns[0]) . ' = ' . _names('', $columns[0]) . " WHERE ctid::text LIKE '%3)';\n" if $self->chance(30);
	$sql .= "ANALYZE $base;\n" if $self->chance(30);
	return $sql if $base eq $self->{source};
	my $list = _names('', shuffle(@columns));
	return $sql . "CREATE VIEW $self->{source} AS SELECT $list FROM base;\n" if $kind eq 'view';
	return $sql . "CREATE MATERIALIZED VIEW $self->{source} AS SELECT $list FROM base ORDER BY $keys;\n" if $kind eq 'matview';
	return $sql . "CREATE FOREIGN TABLE $self->{source} (" . join(', ', map { _definition($_) } @columns)
	  . ") SERVER loopback OPTIONS (schema_name 'Round', table_name 'base');\n";
}

# What is sent of a row.
sub _sent
{
	my ($self) = @_;
	my @inputs = (map({ identifier($_->{name}) } @{ $self->{inputs} }), @{ $self->{expressions} });
	my $sent = 'concat_ws(' . join(', ', literal($self->{separator}), @inputs) . ')';

	return '(' . (defined $self->{length} ? "left($sent, $self->{length})" : $sent) . ') COLLATE "C"';
}

# SQL of the shapes speaks of what is sent by a name that a column may have, too.
sub _with_sent
{
	my ($sql) = @_;

	$sql =~ s/(?<!["\w])sent(?!["\w])/"~sent"/g;
	return $sql;
}

sub _expected_sql
{
	my ($self) = @_;
	my @outputs = map { '(' . _with_sent($_->{value}) . ")::$_->{type} AS " . identifier($_->{name}) } @{ $self->{outputs} };
	my $fails = join ' OR ', map { _with_sent($_->{fails}) } grep { defined $_->{fails} } @{ $self->{outputs} };
	my $where = defined $self->{where} ? "\tWHERE ($self->{where}\n)" : '';

	$fails = $fails ? "\"~sent\" <> '' AND ($fails)" : 'false';
	return "CREATE TABLE expected AS SELECT " . join(",\n\t", _names('', @{ $self->{keys} }), "\"~sent\", $fails AS \"~fails\"", @outputs)
	  . "\n\tFROM (SELECT *, " . $self->_sent . " AS \"~sent\" FROM $self->{source}$where) source;\n";
}


# Columns of two tables that are the same
sub _same_key
{
	my ($self, $left, $right) = @_;

	return join ' AND ', map { "$left." . identifier($_->{name}) . " = $right." . identifier($_->{name}) } @{ $self->{keys} };
}

sub _there { return grep { $_->{there} } @{ $_[0]{outputs} }; }

# The target, with rows of some of the keys, and of others that are no rows of the source.
sub _target_sql
{
	my ($self) = @_;
	my @keys = @{ $self->{keys} };
	my $keys = _names('', @keys);

	return '' if !$self->{there};
	my $sql = $self->_create_table_sql($self->{target}, [ @keys, $self->_there ]) . "ALTER TABLE $self->{target} ADD kept text DEFAULT 'new';\n";
	$sql .= $self->one_of("ALTER TABLE $self->{target} ADD PRIMARY KEY ($keys);\n", "CREATE UNIQUE INDEX ON $self->{target} ($keys);\n")
	  if $self->{mode} ne 'overwrite' || $self->chance(50);
	$sql .= "INSERT INTO $self->{target} ($keys, kept) SELECT " . join(', ', map { "($_->{value})::$_->{type}" } @keys)
	  . ", 'old' FROM generate_series($self->{rows} + 1::bigint, $self->{rows} + 5) i;\n";
	return $sql;
}

# A row's key, and the outputs of another one.
sub _stale_rows
{
	my ($self) = @_;
	my $keys = _names('', @{ $self->{keys} });
	my $mixed = "SELECT *, row_number() OVER (ORDER BY $keys) AS \"~n\", count(*) OVER () AS \"~c\" FROM expected";

	return 'SELECT ' . join(', ', _names('a.', @{ $self->{keys} }), map { _names('b.', $_) } $self->_there)
	  . "\n\tFROM ($mixed) a JOIN ($mixed) b ON b.\"~n\" = (a.\"~n\" * 7 + 3) % a.\"~c\" + 1 WHERE a.\"~n\" % 3 = 0";
}

sub _stale_sql
{
	my ($self) = @_;
	my @there = $self->_there;
	my $stale = $self->_stale_rows;

	return '' if !$self->{stale};
	return !@there ? '' : "UPDATE $self->{source} s SET " . join(', ', map { my $name = _names('', $_); "$name = r.$name" } @there)
	  . " FROM ($stale) r WHERE " . $self->_same_key('s', 'r') . ";\n"
	  if $self->{mode} eq 'update';
	return !$self->{there} ? '' : "INSERT INTO $self->{target} (" . _names('', @{ $self->{keys} }, @there) . ", kept) SELECT *, 'old' FROM ($stale) r;\n";
}

# The table that results go to, and whether it is there before.
sub _written { return $_[0]{mode} eq 'update' ? $_[0]{source} : $_[0]{target}; }

sub _is_there { return $_[0]{mode} eq 'update' || $_[0]{there}; }

# Which rows are not expected after all: those with results, and those whose key is taken.
sub _corrections_sql
{
	my ($self) = @_;
	my $sql = '';
	my $there = "EXISTS (SELECT FROM " . $self->_written . ' t WHERE ' . $self->_same_key('t', 'e');

	return '' if !$self->_is_there;
	$sql .= "DELETE FROM expected e WHERE $there AND NOT (true" . join('', map { ' AND ' . _names('t.', $_) . ' IS NULL' } $self->_there) . "));\n"
	  if $self->{missing};
	$sql .= "UPDATE expected e SET \"~fails\" = true WHERE $there);\n" if $self->{mode} eq 'insert';
	return $sql . 'CREATE TABLE before AS TABLE ' . $self->_written . ";\n";
}

sub _server_sql
{
	my ($self) = @_;
	my %server = %{ $self->{server} };

	return "DROP SERVER IF EXISTS drawn;\nCREATE SERVER drawn FOREIGN DATA WRAPPER pg_enrich OPTIONS ("
	  . join(', ', map { "$_ " . literal($server{$_}) } sort keys %server) . ");\n";
}

sub _array_sql
{
	return 'ARRAY[' . join(', ', map { literal($_) } @_) . ']';
}

sub _output_json
{
	my ($self) = @_;
	my @members;

	foreach my $output (@{ $self->{outputs} })
	{
		my $type = !$output->{there} || $self->chance(50) ? " $output->{type}" : '';

		push @members, $json->encode(identifier($output->{name}) . $type) . ': ' . $json->encode($output->{path});
	}
	return '{' . join(', ', @members) . '}';
}

sub _start_sql
{
	my ($self) = @_;
	my %start = map { $_ => literal($self->{start}{$_}) } keys %{ $self->{start} };

	$start{source} = literal($self->chance(50) ? $self->{source} : "\"Round\".$self->{source}");
	$start{server} = "'drawn'";
	$start{input} = _array_sql(map({ $_->{name} } @{ $self->{inputs} }), @{ $self->{expressions} });
	$start{output} = literal($self->_output_json);
	$start{key} = _array_sql(map { $_->{name} } shuffle(@{ $self->{keys} })) if $self->{key_by} ne 'primary' || $self->chance(30);
	$start{separator} = literal($self->{separator}) if $self->{separator} ne ' ';
	$start{max_input_length} = $self->{length} if defined $self->{length};
	$start{where_clause} = literal($self->{where}) if defined $self->{where};
	$start{max_rows} = $self->{max_rows} if defined $self->{max_rows};
	$start{rows} = "'missing'" if $self->{missing};
	$start{target} = literal($self->{target}) if $self->{mode} ne 'update';
	$start{write_mode} = literal($self->{mode}) if $self->{mode} !~ /update|upsert/ || $self->{mode} eq 'upsert' && $self->chance(50);
	return "SELECT enrich.start(\n\t" . join(",\n\t", map { "$_ => $start{$_}" } sort keys %start) . ") AS job \\gset\n";
}

sub _script_sql
{
	my ($self) = @_;

	return $self->_settings_sql . qq(DROP SCHEMA IF EXISTS "Round" CASCADE;\nCREATE SCHEMA "Round";\nSET search_path = "Round", public;\n)
	  . $self->_source_sql . $self->_expected_sql . $self->_target_sql . $self->_stale_sql . $self->_corrections_sql
	  . $self->_server_sql . $self->_start_sql . "CALL enrich.wait(:job, '2 min') \\g /dev/null\nSELECT :job;\n";
}

=head2 $round->verdict_sql($job)

The query of what came of it, a row: C<total>, C<failed>, C<skipped>, how many rows the job should have counted so;
C<taken>, of how many rows it could take; C<lacking> and C<surplus>, how many rows are not there that should be, and the
other way round, with some C<examples>.

=cut

sub verdict_sql
{
	my ($self) = @_;
	my @columns = $self->{mode} eq 'update' ? $self->_source_columns : @{ $self->{keys} };
	my %have = map { $_->{name} => 1 } @columns;

	push @columns, grep { !$have{ $_->{name} } } @{ $self->{outputs} };
	my $actual = 'SELECT ' . $self->_row_text(map { $self->_actual($_) } @columns) . ' FROM ' . $self->_written . ' t';
	my $expected = $self->{mode} eq 'update' ? $self->_expected_update(@columns) : $self->_expected_target(@columns);
	return <<"END";
WITH actual AS MATERIALIZED ($actual), expected_rows AS MATERIALIZED ($expected),
lacking AS MATERIALIZED (TABLE expected_rows EXCEPT ALL TABLE actual), surplus AS MATERIALIZED (TABLE actual EXCEPT ALL TABLE expected_rows)
SELECT (SELECT count(*) FROM expected) AS total, (SELECT count(*) FROM expected WHERE "~fails") AS failed,
	(SELECT count(*) FROM expected WHERE "~sent" = '' AND NOT "~fails") AS skipped,
	(SELECT count(*) FROM lacking) AS lacking, (SELECT count(*) FROM surplus) AS surplus,
	(SELECT json_agg(x) FROM ((SELECT 'lacking', row FROM lacking LIMIT 3) UNION ALL (SELECT 'surplus', row FROM surplus LIMIT 3)) x) AS examples
END
}

# All that is compared of a row, as text: to the letter.
sub _row_text
{
	my ($self, @values) = @_;

	push @values, 't.kept' if $self->{there};
	return 'ROW(' . join(', ', @values) . ')::text AS row';
}

sub _actual
{
	my ($self, $column) = @_;
	my $name = _names('t.', $column);

	return $column->{name} eq '~taken' ? "CASE WHEN $name IS NOT NULL THEN 'taken' END" : $name;
}

sub _expected_update
{
	my ($self, @columns) = @_;
	my %output = map { $_->{name} => $_ } @{ $self->{outputs} };
	my @values = map {
		my $before = $output{ $_->{name} } && !$_->{there} ? "NULL" : _names('b.', $_);
		$output{ $_->{name} } ? 'CASE WHEN e."~sent" IS NOT NULL THEN ' . _names('e.', $_) . " ELSE $before END" : $before
	} @columns;

	return 'SELECT ' . $self->_row_text(@values) . ' FROM before b LEFT JOIN expected e ON NOT e."~fails" AND ' . $self->_same_key('b', 'e');
}

sub _expected_target
{
	my ($self, @columns) = @_;
	my $key = $self->_same_key('b', 'e');

	return 'SELECT ' . $self->_row_text(map { _names('e.', $_) } @columns) . ' FROM expected e WHERE NOT "~fails"' if !$self->{there};
	my @new = map { _names('e.', $_) } @columns;
	my %output = map { $_->{name} => 1 } @{ $self->{outputs} };
	my @old = map { $output{ $_->{name} } && !$_->{there} ? 'NULL' : _names('b.', $_) } @columns;
	my $kept = $self->{mode} eq 'overwrite' ? "'new'" : "coalesce(b.kept, 'new')";
	my $sql = 'SELECT ROW(' . join(', ', @new, $kept) . ")::text AS row FROM expected e LEFT JOIN before b ON $key WHERE NOT \"~fails\"";
	return $sql if $self->{mode} eq 'overwrite';
	return $sql . ' UNION ALL SELECT ROW(' . join(', ', @old, 'b.kept') . ")::text FROM before b WHERE NOT EXISTS (SELECT FROM expected e WHERE NOT \"~fails\" AND $key)";
}

=head2 $round->taken_sql

Where a job takes no more than max_rows, no matter which: leaves those in C<expected> that it took.

=cut

sub taken_sql
{
	my ($self) = @_;

	return 'DELETE FROM expected e WHERE NOT EXISTS (SELECT FROM ' . $self->_written . ' t WHERE t."~taken" IS NOT NULL AND '
	  . $self->_same_key('t', 'e') . ')';
}

1;
