/*-------------------------------------------------------------------------
 *
 * bucketize_query.c
 *	  The query that reads a job's source.
 *
 *-------------------------------------------------------------------------
 */
#include "staging/bucketize_query.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * An expression of input.  Within CASE it can be no set, of which each member
 * would make a row of its own.
 */
static char *
guarded_expression(const char *expression)
{
	return psprintf("CASE WHEN true THEN %s\n END", expression);
}

/* The column of a job with a single input, where that is text; NULL: it is not. */
static const char *
only_text_column(const Recipe *recipe)
{
	const char *column = linitial(recipe->job->input);
	Oid			source = recipe->job->source;
	Oid			type;

	if (list_length(recipe->job->input) > 1 || recipe_is_expression(column))
		return NULL;
	type = getBaseType(get_atttype(source, get_attnum(source, column)));
	return type == TEXTOID || type == VARCHAROID ? column : NULL;
}

/* What is sent of a row: its inputs joined. */
static char *
input_expression(const Recipe *recipe)
{
	const char *column = only_text_column(recipe);
	StringInfoData sql;
	ListCell   *cell;

	/*
	 * The same as concat_ws of it, but that it is neither unpacked nor copied
	 * three times.
	 */
	if (column != NULL)
		return psprintf("COALESCE(%s.%s::pg_catalog.text, '')", recipe->source_alias,
						quote_identifier(column));
	initStringInfo(&sql);
	appendStringInfo(&sql, "pg_catalog.concat_ws(%s", quote_literal_cstr(recipe->job->separator));
	foreach(cell, recipe->job->input)
	{
		if (recipe_is_expression(lfirst(cell)))
			appendStringInfo(&sql, ", %s", guarded_expression(lfirst(cell)));
		else
			appendStringInfo(&sql, ", %s.%s", recipe->source_alias, quote_identifier(lfirst(cell)));
	}
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* Rows that have no result yet. */
static void
append_missing(StringInfo sql, const Recipe *recipe)
{
	const char *source = recipe->source_alias;
	const char *target = strcmp(source, "pg_enrich_target") != 0
		? "pg_enrich_target"
		: "pg_enrich_target_2";
	StringInfoData empty;

	if (recipe->job->write_mode == WRITE_UPDATE)
		target = source;
	initStringInfo(&empty);
	for (int i = 0; i < recipe->output_count; i++)
		appendStringInfo(&empty, "%s%s.%s IS NULL", i > 0 ? " AND " : "", target,
						 quote_identifier(recipe->outputs[i].name));
	if (recipe->job->write_mode == WRITE_UPDATE)
	{
		appendStringInfo(sql, " AND (%s)", empty.data);
		return;
	}
	appendStringInfo(sql, " AND NOT EXISTS (SELECT FROM %s %s WHERE NOT (%s)",
					 recipe->target_name, target, empty.data);
	for (int i = 0; i < recipe->key_count; i++)
	{
		const char *name = quote_identifier(recipe->keys[i].name);

		appendStringInfo(sql, " AND %s.%s %s %s.%s%s", target, name,
						 recipe_key_equality(&recipe->keys[i]), source, name,
						 recipe_key_collation(&recipe->keys[i], recipe->target));
	}
	appendStringInfoChar(sql, ')');
}

/* SELECT key_1, …, input, fields of the rows wanted: where_clause sees nothing but the source. */
static void
append_wanted_rows(StringInfo sql, const Endpoint *endpoint)
{
	const Recipe *recipe = endpoint->recipe;
	const Job  *job = recipe->job;

	appendStringInfoString(sql, "SELECT ");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, "%s.%s AS key_%d, ", recipe->source_alias,
						 quote_identifier(recipe->keys[i].name), i + 1);
	appendStringInfo(sql, "%s AS input", input_expression(recipe));
	if (endpoint->needs_fields)
	{
		appendStringInfoString(sql, ", ARRAY[");
		for (int i = 0; i < recipe->field_count; i++)
			appendStringInfo(sql, "%spg_catalog.to_json(%s.%s)::pg_catalog.text", i > 0 ? ", " : "",
							 recipe->source_alias, quote_identifier(recipe->fields[i]));
		appendStringInfoString(sql, "] AS fields");
	}
	else
		appendStringInfoString(sql, ", NULL::pg_catalog.text[] AS fields");
	appendStringInfo(sql, " FROM %s WHERE true", recipe->source);
	if (job->where_clause != NULL)
		appendStringInfo(sql, " AND (%s\n)", job->where_clause);
	if (job->rows == ROWS_MISSING)
		append_missing(sql, recipe);
}

static int
compare_fields(const void *a, const void *b, void *recipe)
{
	char	  **fields = ((const Recipe *) recipe)->fields;

	return strcmp(fields[*(const int *) a], fields[*(const int *) b]);
}

/*
 * The row's fields, those of the key by name: the order in which the caller gave
 * the key is no change of the row.  Where they are so anyway the array is named
 * once, as the planner puts its expressions wherever it is.
 */
static char *
fields_in_order(const Recipe *recipe)
{
	int		   *order = palloc(sizeof(int) * recipe->key_count);
	bool		given_so = true;
	StringInfoData sql;

	for (int i = 0; i < recipe->key_count; i++)
		order[i] = i;
	qsort_arg(order, recipe->key_count, sizeof(int), compare_fields, (void *) recipe);
	initStringInfo(&sql);
	for (int i = 0; i < recipe->key_count; i++)
	{
		given_so &= order[i] == i;
		appendStringInfo(&sql, "%sprepared.fields[%d]", i > 0 ? ", " : "", order[i] + 1);
	}
	if (given_so)
		return "prepared.fields";
	return psprintf("(ARRAY[%s] OPERATOR(pg_catalog.||) prepared.fields[%d:])", sql.data,
					recipe->key_count + 1);
}

/* md5 of all that decides on the row's result: templates, paths, and the row as it is sent. */
static char *
fingerprint_expression(const Endpoint *endpoint)
{
	if (endpoint->fingerprint_seed == NULL)
		return "NULL::pg_catalog.text";
	return psprintf("pg_catalog.md5(pg_catalog.concat('%s|', prepared.input, %s))",
					endpoint->fingerprint_seed,
					endpoint->sends_fields
					? psprintf("'|', %s::pg_catalog.text", fields_in_order(endpoint->recipe))
					: "''");
}

/* Rows whose result was made from what they hold now have its fingerprint beside it. */
static void
append_changed(StringInfo sql, const Endpoint *endpoint)
{
	const Recipe *recipe = endpoint->recipe;

	appendStringInfo(sql, " WHERE NOT EXISTS (SELECT FROM %s pg_enrich_target WHERE ",
					 recipe->target_name);
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, "pg_enrich_target.%s %s prepared.key_%d%s AND ",
						 quote_identifier(recipe->keys[i].name),
						 recipe_key_equality(&recipe->keys[i]), i + 1,
						 recipe_key_collation(&recipe->keys[i], recipe->target));
	for (int i = 0; i < recipe->output_count; i++)
		if (recipe->outputs[i].kind == OUTPUT_FINGERPRINT)
			appendStringInfo(sql, "pg_enrich_target.%s::pg_catalog.text OPERATOR(pg_catalog.=) %s)",
							 quote_identifier(recipe->outputs[i].name),
							 fingerprint_expression(endpoint));
}

/* SELECT key_1, …, input, truncated, fields: what is sent of each row. */
static void
append_prepared_rows(StringInfo sql, const Endpoint *endpoint)
{
	const Recipe *recipe = endpoint->recipe;
	int			length = recipe->job->max_input_length;

	appendStringInfoString(sql, "SELECT ");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, "key_%d, ", i + 1);
	if (length > 0)
		appendStringInfo(sql, "pg_catalog.left(input, %d) AS input, pg_catalog.length(input)"
						 " OPERATOR(pg_catalog.>) %d AS truncated", length, length);
	else
		appendStringInfoString(sql, "input, false AS truncated");
	appendStringInfoString(sql, ", fields FROM (");
	append_wanted_rows(sql, endpoint);
	appendStringInfoString(sql, ") wanted");
}

char *
bucketize_source_query(const Endpoint *endpoint, int64 limit)
{
	const Recipe *recipe = endpoint->recipe;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(&sql, "prepared.key_%d, ", i + 1);
	appendStringInfo(&sql,
					 "prepared.input, prepared.truncated, prepared.fields, %s AS fingerprint"
					 " FROM (",
					 fingerprint_expression(endpoint));
	append_prepared_rows(&sql, endpoint);
	appendStringInfoString(&sql, ") prepared");
	if (recipe->job->rows == ROWS_CHANGED)
		append_changed(&sql, endpoint);
	if (limit >= 0)
		appendStringInfo(&sql, " LIMIT " INT64_FORMAT, limit);
	return sql.data;
}
