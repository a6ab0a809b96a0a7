
=pod

=head1 NAME

PropertySql - a PropertyRound as SQL: its script, and what is to come of it

=head1 DESCRIPTION

The script makes a source, and table C<expected>, one row for each that the job is to take:
key, C<"~sent"> (what is sent of it) and C<"~fails"> (its results do not fit).  Table
C<expected_results> has key and outputs of those rows, or of any number of items of each.  Then it
starts the job and waits for it.  C<before> is what the target, or the source, held.

=cut

package PropertySql;

use strict;
use warnings;
use utf8;

use JSON::PP ();
use List::Util qw(shuffle);

use PropertyTypes qw(literal identifier);

my $json = JSON::PP->new->canonical->allow_nonref;

=head2 $round->script_sql

=cut

sub script_sql
{
	my ($self) = @_;

	return $self->_settings_sql . qq(DROP SCHEMA IF EXISTS "Round" CASCADE;\nCREATE SCHEMA "Round";\nSET search_path = "Round", public;\n)
	  . $self->_source_sql . $self->_server_sql . ($self->{changed} ? $self->_target_sql . $self->_run_before_sql : '') . $self->_expected_sql
	  . ($self->{changed} ? '' : $self->_target_sql) . $self->_stale_sql . $self->_corrections_sql
	  . 'DELETE FROM expected_results r WHERE NOT EXISTS (SELECT FROM expected e WHERE NOT "~fails" AND ' . $self->_same_key('e', 'r') . ");\n"
	  . $self->_start_sql . $self->_disturb_sql . "CALL enrich.wait(:job, '2 min') \\g /dev/null\nSELECT :job;\n";
}

# The job as it was run before some of the rows were changed.
sub _run_before_sql
{
	my ($self) = @_;
	my $keys = _names('', @{ $self->{keys} });
	my $base = $self->{kind} =~ /table|partitioned/ ? $self->{source} : 'base';
	my $start = $self->_start_sql;

	$start =~ s/^\trows => 'changed',\n//m or die 'rows';
	my $sql = "CREATE TABLE sent_before AS SELECT $keys, " . $self->_sent . ' AS "~sent" FROM ' . $self->{source} . $self->_where_sql . ";\n"
	  . "${start}CALL enrich.wait(:job, '2 min') \\g /dev/null\n";
	foreach my $text (map { _names('', $_) } @{ $self->{texts} })
	{
		$sql .= "UPDATE $base SET $text = '#' || $text WHERE public.noise(hashtext($text), 'change') % 4 = 0;\n";
	}
	$sql .= "REFRESH MATERIALIZED VIEW $self->{source};\n" if $self->{kind} eq 'matview';
	return $sql;
}

sub _where_sql
{
	my ($self) = @_;

	return defined $self->{where} ? "\n\tWHERE ($self->{where}\n)" : '';
}

# What happens to the job while it runs, if it still does.
sub _disturb_sql
{
	my ($self) = @_;

	return join '', map { "SELECT public.disturb(:job, '$_->{what}', $_->{after}, " . ($_->{cap} // 'NULL') . ") \\g /dev/null\n" } @{ $self->{disturbances} };
}

# What the session that starts the job has set, and the job's own are to have, too.
sub _settings_sql
{
	my ($self) = @_;
	my %settings = (
		TimeZone => $self->one_of('UTC', 'Europe/Warsaw', 'Asia/Kolkata', 'America/St_Johns'),
		DateStyle => $self->one_of('ISO, YMD', 'German, DMY', 'SQL, DMY', 'Postgres, MDY'),
		IntervalStyle => $self->one_of(qw(postgres iso_8601 sql_standard postgres_verbose)),
		bytea_output => $self->one_of(qw(hex escape)),
		# a key that lost digits on its way would be another one
		extra_float_digits => $self->one_of(1, 3, exists $self->{start}{result_key} ? () : (0, -3)),
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
	my @outputs = $self->{mode} eq 'update' ? grep { $_->{there} && !$_->{own} } @{ $self->{outputs} } : ();

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

# What the job takes, and what it is to write.
sub _expected_sql
{
	my ($self) = @_;
	my $keys = _names('', @{ $self->{keys} });
	my @outputs = map { '(' . _with_sent($_->{value}) . ")::$_->{type} AS " . identifier($_->{name}) } @{ $self->{outputs} };
	my $fails = join ' OR ', map { _with_sent($_->{fails}) } grep { defined $_->{fails} } @{ $self->{outputs} };
	my $taken = '(SELECT *, ' . $self->_sent . " AS \"~sent\" FROM $self->{source}" . $self->_where_sql . ') source';
	my $items = $self->{many} ? ", generate_series(0, ($self->{shape}{items})::integer - 1) item WHERE \"~sent\" <> ''" : '';

	$fails = $fails ? "\"~sent\" <> '' AND ($fails)" : 'false';
	return "CREATE TABLE expected AS SELECT $keys, \"~sent\", $fails AS \"~fails\"\n\tFROM $taken;\n"
	  . 'CREATE TABLE expected_results AS SELECT ' . join(",\n\t", _names('', $self->_target_keys), @outputs) . "\n\tFROM $taken$items;\n";
}

# The key of the target: with many the number of the item is part of it.
sub _target_keys
{
	my ($self) = @_;

	return (@{ $self->{keys} }, $self->{many} ? { name => 'item', type => 'integer', value => '0' } : ());
}

# Are rows of two tables of the same row of the source, or even the same result?
sub _same_key
{
	my ($self, $left, $right) = @_;

	return _same($left, $right, @{ $self->{keys} });
}

sub _same_result
{
	my ($self, $left, $right) = @_;

	return _same($left, $right, $self->_target_keys);
}

sub _same
{
	my ($left, $right, @columns) = @_;

	return join ' AND ', map { "$left." . identifier($_->{name}) . " = $right." . identifier($_->{name}) } @columns;
}

sub _there { return grep { $_->{there} } @{ $_[0]{outputs} }; }

# The target, with rows of keys that are none of the source.
sub _target_sql
{
	my ($self) = @_;
	my @keys = $self->_target_keys;
	my $keys = _names('', @keys);
	my $target = $self->{target};

	return '' if !$self->{there};
	my $sql = $self->_create_table_sql($target, [ @keys, $self->_there ]) . "ALTER TABLE $target ADD kept text DEFAULT 'new';\n";
	$sql .= $self->one_of("ALTER TABLE $target ADD PRIMARY KEY ($keys);\n", "CREATE UNIQUE INDEX ON $target ($keys);\n")
	  if $self->{mode} ne 'overwrite' || $self->chance(50);
	$sql .= "INSERT INTO $target ($keys, kept) SELECT " . join(', ', map { "($_->{value})::$_->{type}" } @keys)
	  . ", 'old' FROM generate_series($self->{rows} + 1::bigint, $self->{rows} + 5) i;\n";
	return $sql;
}

# A third of the results, each with the outputs of another one; and, with many, items that a row has no more.
sub _stale_rows
{
	my ($self) = @_;
	my @there = grep { !$_->{own} } $self->_there;
	my @keys = map { _names('a.', $_) } $self->_target_keys;
	my @outputs = map { _names('b.', $_) } @there;
	my $all = $self->_numbered_results;
	my $from = "\n\tFROM ($all) a JOIN ($all) b ON b.\"~n\" = (a.\"~n\" * 7 + 3) % a.\"~c\" + 1 WHERE a.\"~n\"";
	my $sql = 'SELECT ' . join(', ', @keys, @outputs) . "$from % 3 = 0";

	return $sql if !$self->{many};
	$keys[-1] = 'a."~last" + 1 + a.item';
	$sql .= "\n\tUNION ALL SELECT " . join(', ', @keys, @outputs) . "$from % 4 < 2";
	return $sql . "\n\tUNION ALL SELECT " . join(', ', _names('e.', @{ $self->{keys} }), 0, map { "NULL::$_->{type}" } @there)
	  . ' FROM expected e WHERE NOT EXISTS (SELECT FROM expected_results r WHERE ' . $self->_same_key('e', 'r') . ')';
}

# The results, with numbers: "~n" of "~c", and with many that of a row's last item.
sub _numbered_results
{
	my ($self) = @_;
	my $last = $self->{many} ? ', max(item) OVER (PARTITION BY ' . _names('', @{ $self->{keys} }) . ') AS "~last"' : '';

	return 'SELECT *, row_number() OVER (ORDER BY ' . _names('', $self->_target_keys) . ") AS \"~n\", count(*) OVER () AS \"~c\"$last FROM expected_results";
}

# They are in the target, or in the source, before the job is.
sub _stale_sql
{
	my ($self) = @_;
	my @there = grep { !$_->{own} } $self->_there;
	my $stale = $self->_stale_rows;

	return '' if !$self->{stale} || !$self->_is_there;
	return "INSERT INTO $self->{target} (" . _names('', $self->_target_keys, @there) . ", kept) SELECT *, 'old' FROM ($stale) r;\n"
	  if $self->{mode} ne 'update';
	return '' if !@there;
	return "UPDATE $self->{source} s SET " . join(', ', map { my $name = _names('', $_); "$name = r.$name" } @there)
	  . " FROM ($stale) r WHERE " . $self->_same_key('s', 'r') . ";\n";
}


# The table that results go to, and whether it is there before.
sub _written { return $_[0]{mode} eq 'update' ? $_[0]{source} : $_[0]{target}; }

sub _is_there { return $_[0]{mode} eq 'update' || $_[0]{there}; }

# Which rows are not expected after all: those that have results, and those whose key is taken.
sub _corrections_sql
{
	my ($self) = @_;
	my $written = $self->_written;
	my $sql = '';

	$sql .= 'DELETE FROM expected e USING sent_before s WHERE s."~sent" = e."~sent" AND ' . $self->_same_key('s', 'e') . ";\n" if $self->{changed};
	return $sql . 'CREATE TABLE before AS TABLE ' . $self->_written . ";\n" if $self->{changed};
	return '' if !$self->_is_there;
	$sql .= "DELETE FROM expected e WHERE EXISTS (SELECT FROM $written t WHERE " . $self->_same_key('t', 'e') . ' AND NOT (true'
	  . join('', map { ' AND ' . _names('t.', $_) . ' IS NULL' } $self->_there) . "));\n"
	  if $self->{missing};
	$sql .= "UPDATE expected e SET \"~fails\" = true WHERE EXISTS (SELECT FROM $written t JOIN expected_results r ON " . $self->_same_result('t', 'r')
	  . ' AND ' . $self->_same_key('r', 'e') . ");\n"
	  if $self->{mode} eq 'insert';
	return "${sql}CREATE TABLE before AS TABLE $written;\n";
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
	my $order = $self->{key_order};

	$start{source} = literal($self->chance(50) ? $self->{source} : "\"Round\".$self->{source}");
	$start{server} = "'drawn'";
	$start{input} = _array_sql(map({ $_->{name} } @{ $self->{inputs} }), @{ $self->{expressions} });
	$start{output} = literal($self->_output_json);
	$start{key} = _array_sql(map { $_->{name} } $order ? @$order : shuffle(@{ $self->{keys} })) if $order || $self->{key_by} ne 'primary' || $self->chance(30);
	$start{separator} = literal($self->{separator}) if $self->{separator} ne ' ';
	$start{max_input_length} = $self->{length} if defined $self->{length};
	$start{where_clause} = literal($self->{where}) if defined $self->{where};
	$start{max_rows} = $self->{max_rows} if defined $self->{max_rows};
	$start{rows} = "'missing'" if $self->{missing};
	$start{rows} = "'changed'" if $self->{changed};
	$start{target} = literal($self->{target}) if $self->{mode} ne 'update';
	$start{write_mode} = literal($self->{mode}) if $self->{mode} !~ /update|upsert/ || $self->{mode} eq 'upsert' && $self->chance(50);
	return "SELECT enrich.start(\n\t" . join(",\n\t", map { "$_ => $start{$_}" } sort keys %start) . ") AS job \\gset\n";
}

=head2 $round->verdict_sql($job)

The query of what came of it, a row: C<total>, C<failed>, C<skipped>, how many rows the job should have counted so;
C<taken>, of how many rows it could take; C<lacking> and C<surplus>, how many rows are not there that should be, and the
other way round, with some C<examples>.

=cut

sub verdict_sql
{
	my ($self) = @_;
	my @columns = $self->{mode} eq 'update' ? $self->_source_columns : $self->_target_keys;
	my %have = map { $_->{name} => 1 } @columns;

	push @columns, grep { !$have{ $_->{name} } } @{ $self->{outputs} };
	my $actual = 'SELECT ' . $self->_row_text(map { _value('t', $_) } @columns) . ' FROM ' . $self->_written . ' t';
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

# A column's value; of a fingerprint it is compared only whether there is one.
sub _value
{
	my ($alias, $column) = @_;
	my $name = _names("$alias.", $column);

	return $column->{name} eq '~taken' ? "CASE WHEN $name IS NOT NULL THEN 'taken' END" : $name;
}

# The same before the job, where the column may not have been there.
sub _value_before
{
	my ($self, $column) = @_;
	my $made = grep { $_->{name} eq $column->{name} && !$_->{there} } @{ $self->{outputs} };

	return $made && !$self->{changed} ? 'NULL' : _value('b', $column);
}

sub _expected_update
{
	my ($self, @columns) = @_;
	my %output = map { $_->{name} => 1 } @{ $self->{outputs} };
	my ($key) = map { _names('e.', $_) } @{ $self->{keys} };
	my @values = map {
		my $before = $self->_value_before($_);
		$output{ $_->{name} } ? "CASE WHEN $key IS DISTINCT FROM NULL THEN " . _value('e', $_) . " ELSE $before END" : $before
	} @columns;

	return 'SELECT ' . $self->_row_text(@values) . ' FROM before b LEFT JOIN expected_results e ON ' . $self->_same_key('b', 'e');
}

sub _expected_target
{
	my ($self, @columns) = @_;
	my @new = map { _value('e', $_) } @columns;
	my @old = map { $self->_value_before($_) } @columns;

	return 'SELECT ' . $self->_row_text(@new) . ' FROM expected_results e' if !$self->{there} && !$self->{changed};
	if ($self->{there})
	{
		push @new, $self->{mode} eq 'overwrite' ? "'new'" : "coalesce(b.kept, 'new')";
		push @old, 'b.kept';
	}
	my $sql = 'SELECT ROW(' . join(', ', @new) . ")::text AS row\n\tFROM expected_results e LEFT JOIN before b ON " . $self->_same_result('b', 'e');
	return $sql if $self->{mode} eq 'overwrite';
	# and those that no row of the job has replaced
	$sql .= "\n\tUNION ALL SELECT ROW(" . join(', ', @old) . ")::text FROM before b\n\tWHERE NOT EXISTS (SELECT FROM expected e WHERE NOT \"~fails\" AND "
	  . $self->_same_key('b', 'e') . ')';
	$sql .= ' OR NOT EXISTS (SELECT FROM expected_results e WHERE ' . $self->_same_result('b', 'e') . ')' if $self->{mode} eq 'insert';
	return $sql;
}

=head2 $round->taken_sql

Where a job takes no more than max_rows, no matter which: leaves those expected that it took.

=cut

sub taken_sql
{
	my ($self) = @_;

	return join '', map { "DELETE FROM $_ e WHERE NOT EXISTS (SELECT FROM " . $self->_written . ' t WHERE t."~taken" IS NOT NULL AND '
		  . $self->_same_key('t', 'e') . ");\n" } 'expected', 'expected_results';
}

1;
