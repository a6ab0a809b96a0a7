/*-------------------------------------------------------------------------
 *
 * catalog_clerk.c
 *	  What a clerk asks of the catalog: jobs that want workers or cleaning.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_clerk.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/catalog_statement.h"

static Statement unfinished_jobs = {
	"SELECT job, owner, state, concurrency, workers, buckets_total IS NOT NULL,"
	" system_identifier" OP_NE "$1 OR database" OP_NE "$2, server FROM enrich.catalog_job"
	" WHERE enrich.is_unfinished(state) ORDER BY job",
	2, {INT8OID, OIDOID}, NULL
};

List *
catalog_unfinished_jobs(void)
{
	Arguments	a = {0};
	MemoryContext context;
	List	   *jobs = NIL;

	argument_add(&a, Int64GetDatum((int64) GetSystemIdentifier()));
	argument_add(&a, ObjectIdGetDatum(MyDatabaseId));
	context = statement_begin(&unfinished_jobs, &a);
	for (int i = 0; i < (int) SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		JobSummary *job = palloc0(sizeof(JobSummary));

		job->id = column_int64(i, 1, 0);
		job->owner = DatumGetObjectId(column_datum(i, 2));
		job->state = job_state_of(column_text(i, 3, context));
		job->concurrency = column_int32(i, 4, 0);
		job->workers = column_int32(i, 5, 1);
		job->bucketized = column_bool(i, 6);
		job->is_copy = column_bool(i, 7);
		job->server = column_text(i, 8, context);
		jobs = lappend(jobs, job);
		MemoryContextSwitchTo(old);
	}
	statement_end();
	return jobs;
}

/* The jobs a statement without arguments, or with one interval in seconds, lists. */
static List *
list_jobs(Statement *statement, const Arguments *arguments)
{
	MemoryContext context = statement_begin(statement, arguments);
	List	   *jobs = NIL;

	for (int i = 0; i < (int) SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int64	   *job = palloc(sizeof(int64));

		*job = column_int64(i, 1, 0);
		jobs = lappend(jobs, job);
		MemoryContextSwitchTo(old);
	}
	statement_end();
	return jobs;
}

/*
 * From the staging tables there are, job_N, to their jobs: there are far fewer of them
 * than jobs that are kept.  Their names lie between 'job_' and what follows all of these.
 */
static Statement jobs_to_clean = {
	"SELECT j.job FROM (SELECT CASE WHEN c.relname::pg_catalog.text OPERATOR(pg_catalog.~)"
	" '^job_[1-9][0-9]{0,17}$' THEN pg_catalog.substr(c.relname::pg_catalog.text, 5)::bigint END"
	" AS job FROM pg_catalog.pg_class c WHERE c.relname" OP_GE "'job_'::pg_catalog.name"
	" AND c.relname" OP_LT "'job`'::pg_catalog.name AND c.relkind" OP_EQ "'p'"
	" AND c.relnamespace" OP_EQ "'enrich_staging'::pg_catalog.regnamespace OFFSET 0) s"
	" JOIN enrich.catalog_job j ON j.job" OP_EQ "s.job WHERE j.state" OP_EQ "'canceled'"
	" OR j.state" OP_EQ "'completed'"
	" AND (SELECT f.job FROM enrich.catalog_failure f WHERE f.job" OP_EQ "j.job LIMIT 1) IS NULL",
	0, {0}, NULL
};

List *
catalog_jobs_to_clean(void)
{
	return list_jobs(&jobs_to_clean, NULL);
}

static Statement expired_jobs = {
	"SELECT job FROM enrich.catalog_job WHERE finished_at" OP_LE "$1 ORDER BY finished_at LIMIT $2",
	2, {TIMESTAMPTZOID, INT8OID}, NULL
};

static Statement next_expiry = {
	"SELECT pg_catalog.min(finished_at) FROM enrich.catalog_job WHERE finished_at" OP_GT "$1",
	1, {TIMESTAMPTZOID}, NULL
};

List *
catalog_expired_jobs(int retention, int at_most, TimestampTz *next)
{
	TimestampTz limit = GetCurrentTimestamp() - (int64) retention * USECS_PER_SEC;
	Arguments	a = {0};
	Arguments	later;
	List	   *jobs;

	*next = 0;
	if (retention < 0)
		return NIL;
	argument_add(&a, TimestampTzGetDatum(limit));
	later = a;
	argument_add(&a, Int64GetDatum(at_most));
	jobs = list_jobs(&expired_jobs, &a);
	statement_begin(&next_expiry, &later);
	if (!column_is_null(0, 1))
		*next = DatumGetTimestampTz(column_datum(0, 1)) + (int64) retention * USECS_PER_SEC;
	statement_end();
	return jobs;
}
