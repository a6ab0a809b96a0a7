/*-------------------------------------------------------------------------
 *
 * catalog_failure.c
 *	  Rows that failed, and putting them back to work.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_failure.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "catalog/catalog_array.h"
#include "catalog/catalog_bucket.h"
#include "catalog/catalog_counters.h"
#include "catalog/catalog_statement.h"

static Statement insert_failures = {
	"INSERT INTO enrich.catalog_failure (job, row_number, bucket, key, input, http_status, error,"
	" attempts) SELECT $1, u.* FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3),"
	" pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7),"
	" pg_catalog.unnest($8)) AS u",
	8, {INT8OID, INT8ARRAYOID, INT8ARRAYOID, JSONBARRAYOID, TEXTARRAYOID, INT4ARRAYOID,
	TEXTARRAYOID, INT4ARRAYOID}, NULL
};

/* $2 to $8, and the columns. */
static const Field failure_fields[] = {
	FIELD("row_number", FIELD_INT8, FailureRow, row_number),
	FIELD("bucket", FIELD_INT8, FailureRow, bucket),
	FIELD("key", FIELD_JSONB, FailureRow, key),
	FIELD("input", FIELD_TEXT, FailureRow, input),
	FIELD("http_status", FIELD_INT4_OR_0, FailureRow, http_status),
	FIELD("error", FIELD_TEXT, FailureRow, error),
	FIELD("attempts", FIELD_INT4, FailureRow, attempts)
};

void
catalog_insert_failures(int64 job, const FailureRow *failures, int count)
{
	const void **rows = palloc(sizeof(void *) * count);
	Arguments	a = {0};

	for (int i = 0; i < count; i++)
		rows[i] = &failures[i];
	argument_add(&a, Int64GetDatum(job));
	argument_add_fields(&a, failure_fields, lengthof(failure_fields), rows, count);
	statement_run(&insert_failures, &a);
}

/*
 * Buckets with failed rows, as they are once nobody else changes them.  In a statement of
 * its own: workers may still be storing, and who waits for such a bucket is to see
 * afterwards what has become of its rows.
 */
static Statement hold_failed_buckets = {
	"SELECT b.bucket, b.state" OP_EQ "'p', b.finished"
	" FROM (SELECT f.bucket FROM enrich.catalog_failure f WHERE f.job" OP_EQ "$1"
	" GROUP BY f.bucket ORDER BY f.bucket OFFSET 0) u CROSS JOIN LATERAL"
	" (SELECT p.bucket, p.state, p.finished FROM enrich.catalog_bucket p WHERE p.job" OP_EQ "$1"
	" AND p.bucket" OP_EQ "u.bucket FOR UPDATE) b",
	1, {INT8OID}, NULL
};

/* Those that were held, and no others: what fails in another bucket meanwhile stays listed. */
static Statement take_failures = {
	"DELETE FROM enrich.catalog_failure WHERE job" OP_EQ "$1 AND bucket" OP_EQ "ANY ($2)"
	" RETURNING bucket, row_number",
	2, {INT8OID, INT8ARRAYOID}, NULL
};

static Statement reopen_bucket = {
	"UPDATE enrich.catalog_bucket SET state = 'p', finished = $3, retried = true,"
	" error = NULL, finished_at = NULL, attempts = 0"
	" WHERE job" OP_EQ "$1 AND bucket" OP_EQ "$2",
	3, {INT8OID, INT8OID, BYTEAOID}, NULL
};

static Statement lower_accepted = {
	"UPDATE enrich.catalog_job SET failures_accepted = $2"
	" WHERE job" OP_EQ "$1 AND failures_accepted" OP_GT "$2",
	2, {INT8OID, INT8OID}, NULL
};

/* A bucket with failed rows, to be reopened. */
typedef struct FailedBucket
{
	int64		bucket;
	bytea	   *finished;		/* those of its rows, once the failed ones are
								 * taken out */
	bool		was_finished;
	int			rows;			/* that were taken out */
} FailedBucket;

/* Rows of a bucket, all of them. */
static bytea *
full_bitmap(const Job *job, int64 bucket)
{
	int			rows = catalog_bucket_rows(job, bucket);
	int			bytes = (rows + 7) / 8;
	bytea	   *bitmap = palloc0(VARHDRSZ + bytes);

	SET_VARSIZE(bitmap, VARHDRSZ + bytes);
	for (int row = 0; row < rows; row++)
		VARDATA(bitmap)[row / 8] |= 1 << (row % 8);
	return bitmap;
}

/*
 * The buckets of which rows have failed, in order; until the end of the transaction nobody
 * else changes them.
 */
static FailedBucket *
hold_buckets(const Job *job, int *count)
{
	Arguments	a = {0};
	MemoryContext old;
	FailedBucket *held;

	argument_add(&a, Int64GetDatum(job->id));
	old = MemoryContextSwitchTo(statement_begin(&hold_failed_buckets, &a));
	*count = (int) SPI_processed;
	held = palloc0(sizeof(FailedBucket) * (*count + 1));
	for (int i = 0; i < *count; i++)
	{
		held[i].bucket = column_int64(i, 1, 0);
		held[i].was_finished = !column_bool(i, 2);
		held[i].finished = held[i].was_finished
			? full_bitmap(job, held[i].bucket)
			: DatumGetByteaPCopy(column_datum(i, 3));
	}
	MemoryContextSwitchTo(old);
	statement_end();
	return held;
}

static int
compare_buckets(const void *a, const void *b)
{
	int64		left = ((const FailedBucket *) a)->bucket;
	int64		right = ((const FailedBucket *) b)->bucket;

	return left < right ? -1 : left > right;
}

/* A failed row is no finished one any more. */
static void
take_row(const Job *job, FailedBucket *held, int count, int64 bucket, int64 row_number)
{
	FailedBucket key = {.bucket = bucket};
	FailedBucket *found = bsearch(&key, held, count, sizeof(FailedBucket), compare_buckets);
	int64		row = row_number - catalog_bucket_first_row(job, bucket);

	Assert(found != NULL);
	VARDATA(found->finished)[row / 8] &= ~(1 << (row % 8));
	found->rows++;
}

/* Failed rows of those buckets are listed no more; returns how many. */
static int64
take_rows(const Job *job, FailedBucket *held, int count)
{
	static const Field bucket = FIELD("bucket", FIELD_INT8, FailedBucket, bucket);
	const void **buckets = palloc(sizeof(void *) * count);
	Arguments	a = {0};
	int64		rows;

	for (int i = 0; i < count; i++)
		buckets[i] = &held[i];
	argument_add(&a, Int64GetDatum(job->id));
	argument_add_fields(&a, &bucket, 1, buckets, count);
	statement_begin(&take_failures, &a);
	rows = (int64) SPI_processed;
	for (int i = 0; i < (int) rows; i++)
		take_row(job, held, count, column_int64(i, 1, 0), column_int64(i, 2, 0));
	statement_end();
	return rows;
}

static void
reopen(const Job *job, const FailedBucket *bucket)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job->id));
	argument_add(&a, Int64GetDatum(bucket->bucket));
	argument_add(&a, PointerGetDatum(bucket->finished));
	statement_run(&reopen_bucket, &a);
}

int64
catalog_retry_failures(const Job *job)
{
	Counters	correction = {0};
	Counters	sum;
	int			count;
	FailedBucket *held = hold_buckets(job, &count);
	int64		rows = take_rows(job, held, count);
	Arguments	accepted = {0};

	if (rows == 0)
		return 0;
	for (int i = 0; i < count; i++)
		if (held[i].rows > 0)
		{
			reopen(job, &held[i]);
			correction.buckets_done -= held[i].was_finished;
		}
	correction.rows_failed = -rows;
	catalog_add_counters(job->id, CATALOG_CORRECTIONS, &correction);
	/* Those that fail again have not been accepted. */
	catalog_sum_counters(job->id, &sum);
	argument_add(&accepted, Int64GetDatum(job->id));
	argument_add(&accepted, Int64GetDatum(sum.rows_failed));
	statement_run(&lower_accepted, &accepted);
	return rows;
}
