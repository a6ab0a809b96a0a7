/*-------------------------------------------------------------------------
 *
 * store_sql.c
 *	  The statements that write results into the target.
 *
 *-------------------------------------------------------------------------
 */
#include "store/store_sql.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "staging/staging.h"

/* Columns of the target: key, item with many, outputs. */
static void
append_target_columns(StringInfo sql, const Recipe *recipe)
{
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, "%s%s", i > 0 ? ", " : "", quote_identifier(recipe->keys[i].name));
	if (recipe->many)
		appendStringInfoString(sql, ", " ITEM_COLUMN);
	for (int i = 0; i < recipe->output_count; i++)
		appendStringInfo(sql, ", %s", quote_identifier(recipe->outputs[i].name));
}

static void
append_result_columns(StringInfo sql, const Recipe *recipe)
{
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, "%skey_%d", i > 0 ? ", " : "", i + 1);
	if (recipe->many)
		appendStringInfoString(sql, ", " ITEM_COLUMN);
	for (int i = 0; i < recipe->output_count; i++)
		appendStringInfo(sql, ", output_%d", i + 1);
}

/* table.key = r.key_1 AND …, by the keys' own equality; table stands for the relation */
static void
append_key_match(StringInfo sql, const Recipe *recipe, const char *table, Oid relation)
{
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, "%s%s.%s %s r.key_%d%s", i > 0 ? " AND " : "", table,
						 quote_identifier(recipe->keys[i].name),
						 recipe_key_equality(&recipe->keys[i]), i + 1,
						 recipe_key_collation(&recipe->keys[i], relation));
}

static void
append_key_range(StringInfo sql, const Recipe *recipe, const char *table)
{
	const char *name = quote_identifier(recipe->keys[0].name);

	appendStringInfo(sql, " AND %s.%s OPERATOR(pg_catalog.>=) $1 AND %s.%s OPERATOR(pg_catalog.<=)"
					 " $2", table, name, table, name);
}

static void
append_update(StringInfo sql, const Recipe *recipe)
{
	appendStringInfo(sql, "UPDATE %s pg_enrich_target SET ", recipe->target_name);
	for (int i = 0; i < recipe->output_count; i++)
		appendStringInfo(sql, "%s%s = r.output_%d", i > 0 ? ", " : "",
						 quote_identifier(recipe->outputs[i].name), i + 1);
	appendStringInfo(sql, " FROM %s r WHERE ", RESULTS_RELATION);
	append_key_match(sql, recipe, "pg_enrich_target", recipe->target);
}

/* Key columns that are GENERATED ALWAYS in the target take the source's values all the same. */
static void
append_insert(StringInfo sql, const Recipe *recipe, const char *from)
{
	appendStringInfo(sql, "INSERT INTO %s (", recipe->target_name);
	append_target_columns(sql, recipe);
	appendStringInfoString(sql, ") OVERRIDING SYSTEM VALUE SELECT ");
	append_result_columns(sql, recipe);
	appendStringInfo(sql, " FROM %s r", from);
}

/*
 * Only rows that are still in the source.  Where no index finds them this
 * would cost more than it is worth.
 */
static void
append_still_there(StringInfo sql, const Recipe *recipe, bool in_range)
{
	if (!recipe->key_is_unique)
		return;
	appendStringInfo(sql, " WHERE EXISTS (SELECT FROM %s pg_enrich_source WHERE ", recipe->source);
	append_key_match(sql, recipe, "pg_enrich_source", recipe->job->source);
	if (in_range)
		append_key_range(sql, recipe, "pg_enrich_source");
	appendStringInfoChar(sql, ')');
}

static void
append_on_conflict(StringInfo sql, const Recipe *recipe)
{
	appendStringInfoString(sql, " ON CONFLICT (");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, "%s%s", i > 0 ? ", " : "", quote_identifier(recipe->keys[i].name));
	appendStringInfoString(sql, recipe->many ? ", " ITEM_COLUMN : "");
	appendStringInfoString(sql, ") DO UPDATE SET ");
	for (int i = 0; i < recipe->output_count; i++)
	{
		const char *name = quote_identifier(recipe->outputs[i].name);

		appendStringInfo(sql, "%s%s = EXCLUDED.%s", i > 0 ? ", " : "", name, name);
	}
}

static void
append_collect(StringInfo sql, const Recipe *recipe, const char *from)
{
	appendStringInfo(sql, "INSERT INTO %s (row_number, ", staging_results_name(recipe->job->id));
	append_result_columns(sql, recipe);
	appendStringInfoString(sql, ") SELECT row_number, ");
	append_result_columns(sql, recipe);
	appendStringInfo(sql, " FROM %s r", from);
}

/* With overwrite, until the target is replaced; rows that are retried then go straight into it. */
static bool
collects(const Recipe *recipe)
{
	return recipe->job->write_mode == WRITE_OVERWRITE && !recipe->job->replaced;
}

/* Does what is written take the place of what is there? */
static bool
replaces(const Recipe *recipe)
{
	return recipe->job->write_mode == WRITE_UPSERT ||
		(recipe->job->write_mode == WRITE_OVERWRITE && recipe->job->replaced &&
		 recipe->target_has_key);
}

/*
 * With many, in one statement, which tells how many rows are still in the
 * source: their items go in, and those that are more than a row has now go.
 * What is there is updated in place: foreign keys may refer to it.
 */
static char *
write_items(const Recipe *recipe)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "WITH present AS MATERIALIZED (SELECT * FROM %s r", RESULTS_RELATION);
	append_still_there(&sql, recipe, false);
	appendStringInfoString(&sql, "), ");
	if (replaces(recipe))
	{
		appendStringInfo(&sql, "removed AS (DELETE FROM %s pg_enrich_target USING present r"
						 " WHERE r.ends AND pg_enrich_target.%s OPERATOR(pg_catalog.>=) r.%s AND ",
						 recipe->target_name, ITEM_COLUMN, ITEM_COLUMN);
		append_key_match(&sql, recipe, "pg_enrich_target", recipe->target);
		appendStringInfoString(&sql, "), ");
	}
	appendStringInfoString(&sql, "stored AS (");
	if (collects(recipe))
		append_collect(&sql, recipe, "present");
	else
		append_insert(&sql, recipe, "present");
	appendStringInfoString(&sql, " WHERE NOT r.ends");
	if (replaces(recipe))
		append_on_conflict(&sql, recipe);
	appendStringInfoString(&sql, ") SELECT pg_catalog.count(*) FROM present WHERE ends");
	return sql.data;
}

char *
store_sql_write(const Recipe *recipe, bool in_range, bool is_new)
{
	StringInfoData sql;

	if (recipe->many)
		return write_items(recipe);
	initStringInfo(&sql);
	if (recipe->job->write_mode == WRITE_UPDATE)
	{
		append_update(&sql, recipe);
		if (in_range)
			append_key_range(&sql, recipe, "pg_enrich_target");
		return sql.data;
	}
	if (collects(recipe))
		append_collect(&sql, recipe, RESULTS_RELATION);
	else
		append_insert(&sql, recipe, RESULTS_RELATION);
	append_still_there(&sql, recipe, in_range);
	if (replaces(recipe) && !is_new)
		append_on_conflict(&sql, recipe);
	return sql.data;
}

/*
 * LIMIT keeps the planner from turning the join around: a target that it knows
 * nothing of yet could look small enough to be gone through.
 */
char *
store_sql_find_runs(const Recipe *recipe)
{
	const char *key = quote_identifier(recipe->keys[0].name);

	return psprintf("SELECT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2))"
					" pg_enrich_run (lowest, highest), LATERAL (SELECT FROM ONLY %s pg_enrich_target"
					" WHERE pg_enrich_target.%s OPERATOR(pg_catalog.>=) pg_enrich_run.lowest"
					" AND pg_enrich_target.%s OPERATOR(pg_catalog.<=) pg_enrich_run.highest"
					" LIMIT 1) pg_enrich_found)",
					recipe->target_name, key, key);
}

char *
store_sql_delete_replaced(const Recipe *recipe, bool in_place)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s pg_enrich_target", recipe->target_name);
	if (!in_place)
		return sql.data;
	appendStringInfo(&sql, " WHERE NOT EXISTS (SELECT FROM %s r WHERE ",
					 staging_results_name(recipe->job->id));
	append_key_match(&sql, recipe, "pg_enrich_target", recipe->target);
	if (recipe->many)
		appendStringInfo(&sql, " AND pg_enrich_target.%s OPERATOR(pg_catalog.=) r.%s", ITEM_COLUMN,
						 ITEM_COLUMN);
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

char *
store_sql_insert_collected(const Recipe *recipe, bool in_place)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_insert(&sql, recipe, staging_results_name(recipe->job->id));
	appendStringInfo(&sql, " ORDER BY row_number%s", recipe->many ? ", " ITEM_COLUMN : "");
	if (in_place)
		append_on_conflict(&sql, recipe);
	return sql.data;
}

/* {"key column": value, …} of a staging row. */
static void
append_key_object(StringInfo sql, const Recipe *recipe)
{
	appendStringInfoString(sql, "pg_catalog.jsonb_build_object(");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, "%s%s, key_%d", i > 0 ? ", " : "",
						 quote_literal_cstr(recipe->keys[i].name), i + 1);
	appendStringInfoChar(sql, ')');
}

static void
append_staging_columns(StringInfo sql, const Recipe *recipe)
{
	appendStringInfoString(sql, "row_number");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(sql, ", key_%d", i + 1);
	appendStringInfoString(sql, ", input, fields, fingerprint");
}

char *
store_sql_move_failed(const Recipe *recipe, int partition)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "WITH moved AS (DELETE FROM %s WHERE row_number"
					 " OPERATOR(pg_catalog.=) ANY ($1) RETURNING ",
					 staging_name(recipe->job->id, partition));
	append_staging_columns(&sql, recipe);
	appendStringInfo(&sql, "), kept AS (INSERT INTO %s (partition, ",
					 staging_name(recipe->job->id, STAGING_FAILED));
	append_staging_columns(&sql, recipe);
	appendStringInfo(&sql, ") SELECT %d, ", STAGING_FAILED);
	append_staging_columns(&sql, recipe);
	appendStringInfoString(&sql, " FROM moved) SELECT row_number, ");
	append_key_object(&sql, recipe);
	appendStringInfoString(&sql, ", input FROM moved");
	return sql.data;
}

char *
store_sql_read_failed(const Recipe *recipe)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT row_number, ");
	append_key_object(&sql, recipe);
	appendStringInfo(&sql, ", input FROM %s WHERE row_number OPERATOR(pg_catalog.=) ANY ($1)",
					 staging_name(recipe->job->id, STAGING_FAILED));
	return sql.data;
}

char *
store_sql_delete_failed(const Recipe *recipe)
{
	return psprintf("DELETE FROM %s WHERE row_number OPERATOR(pg_catalog.=) ANY ($1)",
					staging_name(recipe->job->id, STAGING_FAILED));
}
