/*-------------------------------------------------------------------------
 *
 * catalog_counters.c
 *	  What a job's workers have done: a row of counters for each.
 *
 * What controls a job, such as its state and concurrency, is in the table of jobs instead: so
 * a user's open transaction that has paused the job holds up no store.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_counters.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"

#include "catalog/catalog_statement.h"
#include "common/field.h"

/*
 * The first of them are progress, which is made by stores alone.  What is written is
 * added, and none is lost: a worker does not read its row.
 */
const Field catalog_counter_fields[] = {
	FIELD("rows_done", FIELD_INT8, Counters, rows_done),
	FIELD("rows_failed", FIELD_INT8, Counters, rows_failed),
	FIELD("rows_skipped", FIELD_INT8, Counters, rows_skipped),
	FIELD("buckets_done", FIELD_INT8, Counters, buckets_done),
	FIELD("requests", FIELD_INT8, Counters, requests),
	FIELD("retries", FIELD_INT8, Counters, retries),
	FIELD("tokens", FIELD_INT8, Counters, tokens),
	FIELD("throttled", FIELD_INTERVAL, Counters, throttled_us)
};

#define COUNTERS ((int) lengthof(catalog_counter_fields))
#define COUNTERS_OF_PROGRESS 4

const int	catalog_counter_count = COUNTERS;

/* "name = c.name + $3", and so on, for the counters from the first one given. */
static void
append_additions(StringInfo sql, int first)
{
	for (int i = first; i < COUNTERS; i++)
	{
		const char *name = catalog_counter_fields[i].name;

		appendStringInfo(sql, "%s%s = c.%s" OP_PLUS "$%d", i > first ? ", " : "", name, name,
						 i - first + 3);
	}
}

/* $1, the job; $2, the worker; and the counters from the first one given. */
static void
add_types(Statement *statement, int first)
{
	statement_add_type(statement, INT8OID);
	statement_add_type(statement, INT4OID);
	for (int i = first; i < COUNTERS; i++)
		statement_add_type(statement, field_type(&catalog_counter_fields[i]));
}

static void
build_add(StringInfo sql, Statement *statement)
{
	appendStringInfoString(sql, "INSERT INTO enrich.catalog_job_counters AS c (job, worker");
	for (int i = 0; i < COUNTERS; i++)
		appendStringInfo(sql, ", %s", catalog_counter_fields[i].name);
	appendStringInfoString(sql, ") SELECT $1, $2");
	for (int i = 0; i < COUNTERS; i++)
		appendStringInfo(sql, ", $%d", i + 3);
	appendStringInfoString(sql, " WHERE EXISTS"
						   " (SELECT FROM enrich.catalog_job WHERE job" OP_EQ "$1)"
						   " ON CONFLICT (job, worker) DO UPDATE SET ");
	append_additions(sql, 0);
	appendStringInfoString(sql, ", starts = 0");
	add_types(statement, 0);
}

static void
build_note(StringInfo sql, Statement *statement)
{
	appendStringInfoString(sql, "UPDATE enrich.catalog_job_counters AS c SET ");
	append_additions(sql, COUNTERS_OF_PROGRESS);
	appendStringInfoString(sql, " WHERE job" OP_EQ "$1 AND worker" OP_EQ "$2");
	add_types(statement, COUNTERS_OF_PROGRESS);
}

static bool
is_summed(const Field *field)
{
	return field->type == FIELD_INT8;
}

static void
build_sum(StringInfo sql, Statement *statement)
{
	const char *separator = "SELECT ";

	for (int i = 0; i < COUNTERS; i++)
		if (is_summed(&catalog_counter_fields[i]))
		{
			appendStringInfo(sql, "%spg_catalog.sum(%s)::bigint", separator,
							 catalog_counter_fields[i].name);
			separator = ", ";
		}
	appendStringInfoString(sql, " FROM enrich.catalog_job_counters WHERE job" OP_EQ "$1");
	statement_add_type(statement, INT8OID);
}

static BuiltStatement add_counters = {"add_counters", build_add, {NULL, 0, {0}, NULL}};
static BuiltStatement note_counters = {"note_counters", build_note, {NULL, 0, {0}, NULL}};
static BuiltStatement sum_counters = {"sum_counters", build_sum, {NULL, 0, {0}, NULL}};

BuiltStatement *const catalog_counters_built[] = {
	&add_counters, &note_counters, &sum_counters, NULL
};

#ifdef USE_ASSERT_CHECKING

/*
 * Only a retry takes back what was stored.  A request may have been counted and not been
 * sent in the end: that is taken back, too, and may be more than what was sent since.
 */
static bool
is_addition(const Counters *amounts)
{
	return amounts->rows_done >= 0 && amounts->rows_failed >= 0 && amounts->rows_skipped >= 0 &&
		amounts->buckets_done >= 0 && amounts->tokens >= 0 && amounts->throttled_us >= 0;
}

static bool
is_sum(const Counters *sum)
{
	return sum->rows_done >= 0 && sum->rows_failed >= 0 && sum->rows_skipped >= 0 &&
		sum->buckets_done >= 0 && sum->requests >= 0 && sum->retries >= 0 && sum->tokens >= 0;
}

#endif							/* USE_ASSERT_CHECKING */

static void
add_to_row(BuiltStatement *statement, int64 job, int worker, const Counters *amounts, int first)
{
	Arguments	a = {0};

	Assert(worker == CATALOG_CORRECTIONS || is_addition(amounts));
	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(worker));
	for (int i = first; i < COUNTERS; i++)
		argument_add_field(&a, &catalog_counter_fields[i], amounts);
	statement_run(statement_built(statement), &a);
}

void
catalog_add_counters(int64 job, int worker, const Counters *amounts)
{
	add_to_row(&add_counters, job, worker, amounts, 0);
}

void
catalog_note_counters(int64 job, int worker, const Counters *amounts)
{
	add_to_row(&note_counters, job, worker, amounts, COUNTERS_OF_PROGRESS);
}

void
catalog_sum_counters(int64 job, Counters *sum)
{
	Arguments	a = {0};
	int			column = 1;

	argument_add(&a, Int64GetDatum(job));
	statement_begin(statement_built(&sum_counters), &a);
	for (int i = 0; i < COUNTERS; i++)
		if (is_summed(&catalog_counter_fields[i]))
			column_read(0, column++, &catalog_counter_fields[i], sum);
	statement_end();
	Assert(is_sum(sum));
}

static Statement select_elapsed = {
	"SELECT GREATEST(j.elapsed, (SELECT pg_catalog.max(c.elapsed)"
	" FROM enrich.catalog_job_counters c WHERE c.job" OP_EQ "j.job))"
	" FROM enrich.catalog_job j WHERE j.job" OP_EQ "$1",
	1, {INT8OID}, NULL
};

int64
catalog_elapsed(int64 job)
{
	Arguments	a = {0};
	int64		elapsed = 0;

	argument_add(&a, Int64GetDatum(job));
	statement_begin(&select_elapsed, &a);
	if (SPI_processed > 0)
		elapsed = column_int64(0, 1, 0);
	statement_end();
	return elapsed;
}

static Statement note_elapsed = {
	"UPDATE enrich.catalog_job_counters SET elapsed = GREATEST(elapsed, $3)"
	" WHERE job" OP_EQ "$1 AND worker" OP_EQ "$2",
	3, {INT8OID, INT4OID, INT8OID}, NULL
};

void
catalog_note_elapsed(int64 job, int worker, int64 elapsed_us)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(worker));
	argument_add(&a, Int64GetDatum(elapsed_us));
	statement_run(&note_elapsed, &a);
}

static Statement count_start = {
	"INSERT INTO enrich.catalog_job_counters AS c (job, worker, starts) VALUES ($1, $2, 1)"
	" ON CONFLICT (job, worker) DO UPDATE SET starts = c.starts" OP_PLUS "1 RETURNING starts",
	2, {INT8OID, INT4OID}, NULL
};

int
catalog_count_start(int64 job, int worker)
{
	Arguments	a = {0};
	int			starts;

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(worker));
	statement_begin(&count_start, &a);
	starts = column_int32(0, 1, 0);
	statement_end();
	return starts;
}

static Statement uncount_start = {
	"UPDATE enrich.catalog_job_counters SET starts = starts" OP_MINUS "1"
	" WHERE job" OP_EQ "$1 AND worker" OP_EQ "$2 AND starts" OP_GT "0",
	2, {INT8OID, INT4OID}, NULL
};

void
catalog_uncount_start(int64 job, int worker)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(worker));
	statement_run(&uncount_start, &a);
}

/*
 * Who holds such a row is a worker in its first store, which forgets its own: two that
 * waited for each other's would never end.
 */
static Statement forget_starts = {
	"UPDATE enrich.catalog_job_counters SET starts = 0"
	" WHERE job" OP_EQ "$1 AND worker" OP_EQ "ANY (ARRAY("
	"SELECT worker FROM enrich.catalog_job_counters WHERE job" OP_EQ "$1 AND starts" OP_NE "0"
	" FOR UPDATE SKIP LOCKED))",
	1, {INT8OID}, NULL
};

void
catalog_forget_starts(int64 job)
{
	statement_run_for_job(&forget_starts, job);
}
