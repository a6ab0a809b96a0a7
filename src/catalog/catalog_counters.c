/*-------------------------------------------------------------------------
 *
 * catalog_counters.c
 *	  What a job's workers have done: a row of counters for each.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_counters.h"

#include "catalog/pg_type.h"

#include "catalog/catalog_statement.h"

static Statement add_counters = {
	"INSERT INTO enrich.catalog_job_counters AS c (job, worker, rows_done, rows_failed,"
	" rows_skipped, buckets_done, requests, retries, tokens, throttled)"
	" SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, pg_catalog.make_interval(secs => $10)"
	" WHERE EXISTS (SELECT FROM enrich.catalog_job WHERE job" OP_EQ "$1)"
	" ON CONFLICT (job, worker) DO UPDATE SET rows_done = c.rows_done" OP_PLUS "$3,"
	" rows_failed = c.rows_failed" OP_PLUS "$4, rows_skipped = c.rows_skipped" OP_PLUS "$5,"
	" buckets_done = c.buckets_done" OP_PLUS "$6, requests = c.requests" OP_PLUS "$7,"
	" retries = c.retries" OP_PLUS "$8, tokens = c.tokens" OP_PLUS "$9,"
	" throttled = c.throttled" OP_PLUS "pg_catalog.make_interval(secs => $10), starts = 0",
	10, {INT8OID, INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	FLOAT8OID}, NULL
};

static Datum
seconds_of(int64 microseconds)
{
	return Float8GetDatum((double) microseconds / 1e6);
}

/* Only a retry takes back what was counted. */
static bool pg_attribute_unused()
is_addition(int worker, const Counters *add)
{
	return worker == CATALOG_CORRECTIONS ||
		(add->rows_done >= 0 && add->rows_failed >= 0 && add->rows_skipped >= 0 &&
		 add->buckets_done >= 0 && add->requests >= 0 && add->retries >= 0 &&
		 add->tokens >= 0 && add->throttled_us >= 0);
}

void
catalog_add_counters(int64 job, int worker, const Counters *add)
{
	Arguments	a = {0};

	Assert(is_addition(worker, add));
	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(worker));
	argument_add(&a, Int64GetDatum(add->rows_done));
	argument_add(&a, Int64GetDatum(add->rows_failed));
	argument_add(&a, Int64GetDatum(add->rows_skipped));
	argument_add(&a, Int64GetDatum(add->buckets_done));
	argument_add(&a, Int64GetDatum(add->requests));
	argument_add(&a, Int64GetDatum(add->retries));
	argument_add(&a, Int64GetDatum(add->tokens));
	argument_add(&a, seconds_of(add->throttled_us));
	statement_run(&add_counters, &a);
}

static Statement note_counters = {
	"UPDATE enrich.catalog_job_counters AS c SET requests = c.requests" OP_PLUS "$3,"
	" retries = c.retries" OP_PLUS "$4, tokens = c.tokens" OP_PLUS "$5,"
	" throttled = c.throttled" OP_PLUS "pg_catalog.make_interval(secs => $6)"
	" WHERE job" OP_EQ "$1 AND worker" OP_EQ "$2",
	6, {INT8OID, INT4OID, INT8OID, INT8OID, INT8OID, FLOAT8OID}, NULL
};

void
catalog_note_counters(int64 job, int worker, const Counters *add)
{
	Arguments	a = {0};

	Assert(is_addition(worker, add));
	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(worker));
	argument_add(&a, Int64GetDatum(add->requests));
	argument_add(&a, Int64GetDatum(add->retries));
	argument_add(&a, Int64GetDatum(add->tokens));
	argument_add(&a, seconds_of(add->throttled_us));
	statement_run(&note_counters, &a);
}

static Statement sum_counters = {
	"SELECT pg_catalog.sum(rows_done)::bigint, pg_catalog.sum(rows_failed)::bigint,"
	" pg_catalog.sum(rows_skipped)::bigint, pg_catalog.sum(buckets_done)::bigint,"
	" pg_catalog.sum(requests)::bigint, pg_catalog.sum(retries)::bigint,"
	" pg_catalog.sum(tokens)::bigint FROM enrich.catalog_job_counters WHERE job" OP_EQ "$1",
	1, {INT8OID}, NULL
};

void
catalog_sum_counters(int64 job, Counters *sum)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	statement_begin(&sum_counters, &a);
	sum->rows_done = column_int64(0, 1, 0);
	sum->rows_failed = column_int64(0, 2, 0);
	sum->rows_skipped = column_int64(0, 3, 0);
	sum->buckets_done = column_int64(0, 4, 0);
	sum->requests = column_int64(0, 5, 0);
	sum->retries = column_int64(0, 6, 0);
	sum->tokens = column_int64(0, 7, 0);
	statement_end();
	Assert(sum->rows_failed >= 0 && sum->buckets_done >= 0);
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
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	statement_run(&forget_starts, &a);
}
