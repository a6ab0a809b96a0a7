/*-------------------------------------------------------------------------
 *
 * bucketize_check.c
 *	  Whether a job's inputs and its where_clause can be evaluated at all.
 *
 * The user's expressions are parsed by themselves first, so that PostgreSQL's
 * errors point into them and not into a query that the user never wrote; then
 * the source query is planned as bucketizing will run it.
 *
 *-------------------------------------------------------------------------
 */
#include "staging/bucketize.h"

#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "parser/parse_relation.h"
#include "utils/plancache.h"

#include "common/error_source.h"
#include "staging/bucketize_query.h"

static SPIPlanPtr
prepare(const char *sql)
{
	SPIPlanPtr	plan = SPI_prepare(sql, 0, NULL);

	if (plan == NULL)
		elog(ERROR, "could not prepare an expression: %s", SPI_result_code_string(SPI_result));
	return plan;
}

/* An expression may hold subqueries, and these name tables. */
static void
refuse_temporary_tables(SPIPlanPtr plan, const char *parameter)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));
	ListCell   *cell;

	foreach(cell, source->query_list)
	{
		if (isQueryUsingTempRelation(lfirst_node(Query, cell)))
			ereport(ERROR,
					errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					errmsg("%s reads a temporary table", parameter),
					errdetail("Background workers cannot see the temporary tables of a session."),
					errhint("Use an ordinary or an unlogged table."));
	}
}

/*
 * Parse an expression by itself, within the beginning and the end of a query,
 * so that errors point into it.
 */
static void
check_expression(const char *before, const char *expression, const char *after,
				 const char *parameter)
{
	ExpressionSubject subject = {expression, parameter, pg_mbstrlen(before)};
	ErrorContextCallback callback = {error_context_stack, recipe_point_into_expression,
	&subject};
	SPIPlanPtr	plan;

	error_context_stack = &callback;
	plan = prepare(psprintf("%s%s%s", before, expression, after));
	error_context_stack = callback.previous;
	refuse_temporary_tables(plan, parameter);
}

/*
 * PostgreSQL's own message speaks of a WHERE or a CASE, and the user has written none.
 */
static void
check_input_expression(const Recipe *recipe, const char *expression)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		/* In WHERE, where there are no aggregates either. */
		check_expression(psprintf("SELECT FROM %s WHERE CASE WHEN true THEN ", recipe->source),
						 expression, "\n END IS NULL", "input");
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error_misplaced_functions(error) == NULL)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				errcode(error->sqlerrcode),
				errmsg("%s are not allowed in input", error_misplaced_functions(error)),
				errdetail("An input is one value, made of one row of the source."),
				errhint("Take a view that computes it as the source."),
				internalerrposition(error->internalpos),
				internalerrquery(error->internalquery),
				errcontext("input"));
	}
	PG_END_TRY();
}

void
bucketize_check_query(const Endpoint *endpoint)
{
	const Recipe *recipe = endpoint->recipe;
	char	   *sql = bucketize_source_query(endpoint, recipe->job->max_rows);
	ListCell   *cell;

	SPI_connect();
	foreach(cell, recipe->job->input)
	{
		if (recipe_is_expression(lfirst(cell)))
			check_input_expression(recipe, lfirst(cell));
	}
	if (recipe->job->where_clause != NULL)
		check_expression(psprintf("SELECT FROM %s WHERE (", recipe->source),
						 recipe->job->where_clause, "\n)", "where_clause");
	/* this looks at privileges too, and reads nothing */
	if (SPI_execute(psprintf("EXPLAIN %s", sql), false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not plan the source query");
	SPI_finish();
}
