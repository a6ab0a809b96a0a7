/*-------------------------------------------------------------------------
 *
 * catalog_bucket.c
 *	  The tables of buckets, failures, counters and partitions.
 *
 * Whatever is written for many rows is one statement over arrays: a job of
 * one-row buckets changes thousands of them in a commit.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog_internal.h"
#include "shared.h"

/* Columns of a statement over arrays, collected value by value. */
typedef struct ArrayColumn
{
	Oid			type;
	int16		length;
	bool		by_value;
	char		alignment;
	Datum	   *values;
	bool	   *nulls;
} ArrayColumn;

static const ArrayColumn int8_column = {INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, NULL, NULL};
static const ArrayColumn int4_column = {INT4OID, 4, true, TYPALIGN_INT, NULL, NULL};
static const ArrayColumn bool_column = {BOOLOID, 1, true, TYPALIGN_CHAR, NULL, NULL};
static const ArrayColumn text_column = {TEXTOID, -1, false, TYPALIGN_INT, NULL, NULL};
static const ArrayColumn bytea_column = {BYTEAOID, -1, false, TYPALIGN_INT, NULL, NULL};
static const ArrayColumn jsonb_column = {JSONBOID, -1, false, TYPALIGN_INT, NULL, NULL};
static const ArrayColumn time_column = {TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, NULL,
	NULL};

static ArrayColumn
column_make(const ArrayColumn *kind, int count)
{
	ArrayColumn column = *kind;

	column.values = palloc0(sizeof(Datum) * count);
	column.nulls = palloc0(sizeof(bool) * count);
	return column;
}

static void
column_set(ArrayColumn *column, int i, Datum value, bool is_null)
{
	column->values[i] = value;
	column->nulls[i] = is_null;
}

static void
argument_add_column(Arguments *arguments, ArrayColumn *column, int count)
{
	int			dimensions[1] = {count};
	int			lower_bounds[1] = {1};

	argument_add(arguments,
				 PointerGetDatum(construct_md_array(column->values, column->nulls, 1,
													dimensions, lower_bounds, column->type,
													column->length, column->by_value,
													column->alignment)));
}

static Statement insert_buckets = {
	"INSERT INTO enrich.bucket (job, bucket, partition, first_row, row_count, first_block,"
	" last_block)"
	" SELECT $1, u.* FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3),"
	" pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7))"
	" AS u",
	7, {INT8OID, INT8ARRAYOID, INT4ARRAYOID, INT8ARRAYOID, INT4ARRAYOID, INT8ARRAYOID,
	INT8ARRAYOID}, NULL
};

void
catalog_insert_buckets(int64 job, const BucketRow *buckets, int count)
{
	ArrayColumn columns[6];
	Arguments	a = {0};

	if (count == 0)
		return;
	columns[0] = column_make(&int8_column, count);
	columns[1] = column_make(&int4_column, count);
	columns[2] = column_make(&int8_column, count);
	columns[3] = column_make(&int4_column, count);
	columns[4] = column_make(&int8_column, count);
	columns[5] = column_make(&int8_column, count);
	for (int i = 0; i < count; i++)
	{
		column_set(&columns[0], i, Int64GetDatum(buckets[i].bucket), false);
		column_set(&columns[1], i, Int32GetDatum(buckets[i].partition), false);
		column_set(&columns[2], i, Int64GetDatum(buckets[i].first_row), false);
		column_set(&columns[3], i, Int32GetDatum(buckets[i].row_count), false);
		column_set(&columns[4], i, Int64GetDatum((int64) buckets[i].first_block), false);
		column_set(&columns[5], i, Int64GetDatum((int64) buckets[i].last_block), false);
	}
	argument_add(&a, Int64GetDatum(job));
	for (int i = 0; i < 6; i++)
		argument_add_column(&a, &columns[i], count);
	statement_run(&insert_buckets, &a);
}

static Statement pending_buckets = {
	"SELECT bucket, partition, first_row, row_count, first_block, last_block, finished, retried,"
	" attempts"
	" FROM enrich.bucket WHERE job" EQ "$1 AND bucket" GE "$2 AND bucket" LE "$3"
	" AND state" EQ "'pending' ORDER BY bucket LIMIT $4",
	4, {INT8OID, INT8OID, INT8OID, INT4OID}, NULL
};

List *
catalog_pending_buckets(int64 job, int64 first, int64 last, int limit)
{
	Arguments	a = {0};
	MemoryContext context;
	List	   *buckets = NIL;

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int64GetDatum(first));
	argument_add(&a, Int64GetDatum(last));
	argument_add(&a, Int32GetDatum(limit));
	context = statement_begin(&pending_buckets, &a);
	for (int i = 0; i < (int) SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		BucketRow  *row = palloc0(sizeof(BucketRow));

		row->bucket = column_int64(i, 1, 0);
		row->partition = column_int32(i, 2, 0);
		row->first_row = column_int64(i, 3, 0);
		row->row_count = column_int32(i, 4, 0);
		row->first_block = (BlockNumber) column_int64(i, 5, 0);
		row->last_block = (BlockNumber) column_int64(i, 6, 0);
		if (!column_is_null(i, 7))
			row->finished = DatumGetByteaPCopy(column_datum(i, 7));
		row->retried = column_bool(i, 8);
		row->attempts = column_int32(i, 9, 0);
		buckets = lappend(buckets, row);
		MemoryContextSwitchTo(old);
	}
	statement_end();
	return buckets;
}

/*
 * The bucket of each u, looked up one by one: joined directly, the planner may
 * go through all of the job's buckets for the few that are wanted.
 */
#define EACH_BUCKET " CROSS JOIN LATERAL (SELECT p.ctid AS place FROM enrich.bucket p" \
	" WHERE p.job" EQ "$1 AND p.bucket" EQ "u.bucket OFFSET 0) p WHERE b.ctid" EQ "p.place"

/*
 * The bitmap a change is based on must still be there: then nobody else has
 * finished a row of the bucket meanwhile, and no result is stored twice.  These
 * conditions are looked at again where somebody else is just changing the bucket.
 */
static Statement change_buckets = {
	"UPDATE enrich.bucket b SET finished = u.after,"
	" state = CASE WHEN NOT u.done THEN 'pending' WHEN b.error IS NOT NULL THEN 'failed'"
	" ELSE 'completed' END,"
	" attempts = u.attempts, http_status = COALESCE(u.http_status, b.http_status),"
	" started_at = COALESCE(b.started_at, u.started_at),"
	" finished_at = CASE WHEN u.done"
	" THEN GREATEST(b.started_at, u.started_at, pg_catalog.clock_timestamp()) END"
	" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),"
	" pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8))"
	" AS u(bucket, before, after, done, attempts, http_status, started_at)"
	EACH_BUCKET " AND b.state" EQ "'pending'"
	" AND COALESCE(b.finished, '')" EQ "COALESCE(u.before, '')"
	" RETURNING b.bucket",
	8, {INT8OID, INT8ARRAYOID, BYTEAARRAYOID, BYTEAARRAYOID, BOOLARRAYOID, INT4ARRAYOID,
	INT4ARRAYOID, TIMESTAMPTZARRAYOID}, NULL
};

static void
mark_accepted(BucketChange *changes, int count, int64 bucket)
{
	for (int i = 0; i < count; i++)
		if (changes[i].bucket == bucket)
			changes[i].accepted = true;
}

void
catalog_change_buckets(int64 job, BucketChange *changes, int count)
{
	ArrayColumn columns[7];
	Arguments	a = {0};

	columns[0] = column_make(&int8_column, count);
	columns[1] = column_make(&bytea_column, count);
	columns[2] = column_make(&bytea_column, count);
	columns[3] = column_make(&bool_column, count);
	columns[4] = column_make(&int4_column, count);
	columns[5] = column_make(&int4_column, count);
	columns[6] = column_make(&time_column, count);
	for (int i = 0; i < count; i++)
	{
		BucketChange *change = &changes[i];

		change->accepted = false;
		column_set(&columns[0], i, Int64GetDatum(change->bucket), false);
		column_set(&columns[1], i, PointerGetDatum(change->before), change->before == NULL);
		column_set(&columns[2], i, PointerGetDatum(change->after), false);
		column_set(&columns[3], i, BoolGetDatum(change->finished), false);
		column_set(&columns[4], i, Int32GetDatum(change->attempts), false);
		column_set(&columns[5], i, Int32GetDatum(change->http_status), change->http_status == 0);
		column_set(&columns[6], i, TimestampTzGetDatum(change->started_at),
				   change->started_at == 0);
	}
	argument_add(&a, Int64GetDatum(job));
	for (int i = 0; i < 7; i++)
		argument_add_column(&a, &columns[i], count);
	statement_begin(&change_buckets, &a);
	if (SPI_processed == (uint64) count)
		for (int i = 0; i < count; i++)
			changes[i].accepted = true;
	else
		for (int i = 0; i < (int) SPI_processed; i++)
			mark_accepted(changes, count, column_int64(i, 1, 0));
	statement_end();
}

static Statement mark_buckets_failed = {
	"UPDATE enrich.bucket b SET error = u.error,"
	" http_status = COALESCE(u.http_status, b.http_status),"
	" state = CASE WHEN b.state" EQ "'completed' THEN 'failed' ELSE b.state END"
	" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
	" AS u(bucket, error, http_status)" EACH_BUCKET,
	4, {INT8OID, INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID}, NULL
};

void
catalog_mark_buckets_failed(int64 job, const FailureRow *failures, int count)
{
	ArrayColumn columns[3];
	Arguments	a = {0};
	int			buckets = 0;

	columns[0] = column_make(&int8_column, count);
	columns[1] = column_make(&text_column, count);
	columns[2] = column_make(&int4_column, count);
	for (int i = 0; i < count; i++)
	{
		/* Failures come bucket by bucket: the first of each speaks for it. */
		if (i > 0 && failures[i].bucket == failures[i - 1].bucket)
			continue;
		column_set(&columns[0], buckets, Int64GetDatum(failures[i].bucket), false);
		column_set(&columns[1], buckets, CStringGetTextDatum(failures[i].error), false);
		column_set(&columns[2], buckets, Int32GetDatum(failures[i].http_status),
				   failures[i].http_status == 0);
		buckets++;
	}
	argument_add(&a, Int64GetDatum(job));
	for (int i = 0; i < 3; i++)
		argument_add_column(&a, &columns[i], buckets);
	statement_run(&mark_buckets_failed, &a);
}

static Statement insert_failures = {
	"INSERT INTO enrich.failure (job, row_number, bucket, key, input, http_status, error, attempts)"
	" SELECT $1, u.* FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3),"
	" pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7),"
	" pg_catalog.unnest($8)) AS u",
	8, {INT8OID, INT8ARRAYOID, INT8ARRAYOID, JSONBARRAYOID, TEXTARRAYOID, INT4ARRAYOID,
	TEXTARRAYOID, INT4ARRAYOID}, NULL
};

void
catalog_insert_failures(int64 job, const FailureRow *failures, int count)
{
	ArrayColumn columns[7];
	Arguments	a = {0};

	columns[0] = column_make(&int8_column, count);
	columns[1] = column_make(&int8_column, count);
	columns[2] = column_make(&jsonb_column, count);
	columns[3] = column_make(&text_column, count);
	columns[4] = column_make(&int4_column, count);
	columns[5] = column_make(&text_column, count);
	columns[6] = column_make(&int4_column, count);
	for (int i = 0; i < count; i++)
	{
		const FailureRow *row = &failures[i];

		column_set(&columns[0], i, Int64GetDatum(row->row_number), false);
		column_set(&columns[1], i, Int64GetDatum(row->bucket), false);
		column_set(&columns[2], i, row->key, false);
		column_set(&columns[3], i, row->input ? CStringGetTextDatum(row->input) : (Datum) 0,
				   row->input == NULL);
		column_set(&columns[4], i, Int32GetDatum(row->http_status), row->http_status == 0);
		column_set(&columns[5], i, CStringGetTextDatum(row->error), false);
		column_set(&columns[6], i, Int32GetDatum(row->attempts), false);
	}
	argument_add(&a, Int64GetDatum(job));
	for (int i = 0; i < 7; i++)
		argument_add_column(&a, &columns[i], count);
	statement_run(&insert_failures, &a);
}

static Statement add_counters = {
	"INSERT INTO enrich.job_counters AS c (job, worker, rows_done, rows_failed, rows_skipped,"
	" buckets_done, requests, retries, tokens, throttled)"
	" SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, pg_catalog.make_interval(secs => $10)"
	" WHERE EXISTS (SELECT FROM enrich.job WHERE job" EQ "$1)"
	" ON CONFLICT (job, worker) DO UPDATE SET rows_done = c.rows_done" PLUS "$3,"
	" rows_failed = c.rows_failed" PLUS "$4, rows_skipped = c.rows_skipped" PLUS "$5,"
	" buckets_done = c.buckets_done" PLUS "$6, requests = c.requests" PLUS "$7,"
	" retries = c.retries" PLUS "$8, tokens = c.tokens" PLUS "$9,"
	" throttled = c.throttled" PLUS "pg_catalog.make_interval(secs => $10), starts = 0",
	10, {INT8OID, INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	FLOAT8OID}, NULL
};

static Datum
seconds_of(int64 microseconds)
{
	return Float8GetDatum((double) microseconds / 1e6);
}

void
catalog_add_counters(int64 job, int worker, const Counters *add)
{
	Arguments	a = {0};

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
	"UPDATE enrich.job_counters AS c SET requests = c.requests" PLUS "$3,"
	" retries = c.retries" PLUS "$4, tokens = c.tokens" PLUS "$5,"
	" throttled = c.throttled" PLUS "pg_catalog.make_interval(secs => $6)"
	" WHERE job" EQ "$1 AND worker" EQ "$2",
	6, {INT8OID, INT4OID, INT8OID, INT8OID, INT8OID, FLOAT8OID}, NULL
};

void
catalog_note_counters(int64 job, int worker, const Counters *add)
{
	Arguments	a = {0};

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
	" pg_catalog.sum(tokens)::bigint FROM enrich.job_counters WHERE job" EQ "$1",
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
}

/*
 * In a statement of its own: workers may still be storing, and who waits for such a
 * bucket is to see afterwards what has become of it, and of its rows.
 */
static Statement hold_failed_buckets = {
	"SELECT b.bucket FROM enrich.bucket b"
	" WHERE b.job" EQ "$1 AND EXISTS (SELECT FROM enrich.failure f WHERE f.job" EQ "b.job"
	" AND f.bucket" EQ "b.bucket) ORDER BY b.bucket FOR UPDATE",
	1, {INT8OID}, NULL
};

/* Those that were held, and no others: what fails in another bucket meanwhile stays listed. */
static Statement take_failures = {
	"WITH taken AS (DELETE FROM enrich.failure WHERE job" EQ "$1 AND bucket" EQ "ANY ($2)"
	" RETURNING bucket, row_number)"
	" SELECT b.bucket, b.first_row, b.finished, b.state" EQ "'pending', r.row_numbers"
	" FROM (SELECT t.bucket, pg_catalog.array_agg(t.row_number) AS row_numbers FROM taken t"
	" GROUP BY t.bucket) r JOIN enrich.bucket b ON b.job" EQ "$1 AND b.bucket" EQ "r.bucket"
	" ORDER BY b.bucket",
	2, {INT8OID, INT8ARRAYOID}, NULL
};

static Statement reopen_bucket = {
	"UPDATE enrich.bucket SET state = 'pending', finished = $3, retried = true,"
	" error = NULL, finished_at = NULL, attempts = 0"
	" WHERE job" EQ "$1 AND bucket" EQ "$2",
	3, {INT8OID, INT8OID, BYTEAOID}, NULL
};

static Statement lower_accepted = {
	"UPDATE enrich.job SET failures_accepted = $2"
	" WHERE job" EQ "$1 AND failures_accepted" GT "$2",
	2, {INT8OID, INT8OID}, NULL
};

/* A bucket with failed rows, to be reopened. */
typedef struct FailedBucket
{
	int64		bucket;
	bytea	   *finished;		/* without the failed rows */
	bool		was_finished;
} FailedBucket;

/* The buckets of which rows have failed; until the end of the transaction nobody else changes them. */
static ArrayColumn
hold_buckets(int64 job, int *count)
{
	Arguments	a = {0};
	ArrayColumn held;
	MemoryContext old;

	argument_add(&a, Int64GetDatum(job));
	old = MemoryContextSwitchTo(statement_begin(&hold_failed_buckets, &a));
	*count = (int) SPI_processed;
	held = column_make(&int8_column, *count);
	for (int i = 0; i < *count; i++)
		column_set(&held, i, Int64GetDatum(column_int64(i, 1, 0)), false);
	MemoryContextSwitchTo(old);
	statement_end();
	return held;
}

static List *
take_failed_buckets(int64 job, int64 *rows)
{
	Arguments	a = {0};
	int			count;
	ArrayColumn held = hold_buckets(job, &count);
	List	   *buckets = NIL;
	MemoryContext context;

	argument_add(&a, Int64GetDatum(job));
	argument_add_column(&a, &held, count);
	context = statement_begin(&take_failures, &a);
	for (int i = 0; i < (int) SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		FailedBucket *bucket = palloc0(sizeof(FailedBucket));
		int64		first_row = column_int64(i, 2, 0);
		Datum	   *failed;

		bucket->bucket = column_int64(i, 1, 0);
		bucket->finished = DatumGetByteaPCopy(column_datum(i, 3));
		bucket->was_finished = !column_bool(i, 4);
		deconstruct_array(DatumGetArrayTypeP(column_datum(i, 5)), INT8OID, 8, FLOAT8PASSBYVAL,
						  TYPALIGN_DOUBLE, &failed, NULL, &count);
		for (int j = 0; j < count; j++)
		{
			int			row = (int) (DatumGetInt64(failed[j]) - first_row);

			VARDATA(bucket->finished)[row / 8] &= ~(1 << (row % 8));
		}
		*rows += count;
		buckets = lappend(buckets, bucket);
		MemoryContextSwitchTo(old);
	}
	statement_end();
	return buckets;
}

int64
catalog_retry_failures(int64 job)
{
	Counters	correction = {0};
	Counters	sum;
	int64		rows = 0;
	List	   *buckets = take_failed_buckets(job, &rows);
	ListCell   *cell;
	Arguments	accepted = {0};

	if (rows == 0)
		return 0;
	foreach(cell, buckets)
	{
		FailedBucket *bucket = lfirst(cell);
		Arguments	a = {0};

		argument_add(&a, Int64GetDatum(job));
		argument_add(&a, Int64GetDatum(bucket->bucket));
		argument_add(&a, PointerGetDatum(bucket->finished));
		statement_run(&reopen_bucket, &a);
		correction.buckets_done -= bucket->was_finished;
	}
	correction.rows_failed = -rows;
	catalog_add_counters(job, -1, &correction);
	/* Those that fail again have not been accepted. */
	catalog_sum_counters(job, &sum);
	argument_add(&accepted, Int64GetDatum(job));
	argument_add(&accepted, Int64GetDatum(sum.rows_failed));
	statement_run(&lower_accepted, &accepted);
	return rows;
}

static Statement insert_partition = {
	"INSERT INTO enrich.partition (job, partition, first_bucket, last_bucket)"
	" VALUES ($1, $2, $3, $4)",
	4, {INT8OID, INT4OID, INT8OID, INT8OID}, NULL
};

void
catalog_insert_partition(int64 job, const PartitionRow *partition)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(partition->partition));
	argument_add(&a, Int64GetDatum(partition->first_bucket));
	argument_add(&a, Int64GetDatum(partition->last_bucket));
	statement_run(&insert_partition, &a);
}

static Statement delete_partition = {
	"DELETE FROM enrich.partition WHERE job" EQ "$1 AND ($2" LT "0 OR partition" EQ "$2)",
	2, {INT8OID, INT4OID}, NULL
};

void
catalog_delete_partition(int64 job, int partition)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(partition));
	statement_run(&delete_partition, &a);
}

static Statement finished_partitions = {
	"SELECT p.partition, p.first_bucket, p.last_bucket FROM enrich.partition p WHERE p.job" EQ "$1"
	" AND ($2 OR NOT EXISTS (SELECT FROM enrich.bucket b WHERE b.job" EQ "p.job"
	" AND b.bucket" GE "p.first_bucket AND b.bucket" LE "p.last_bucket AND b.state" EQ "'pending'))"
	" ORDER BY p.partition",
	2, {INT8OID, BOOLOID}, NULL
};

List *
catalog_finished_partitions(int64 job, bool all)
{
	Arguments	a = {0};
	MemoryContext context;
	List	   *partitions = NIL;

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, BoolGetDatum(all));
	context = statement_begin(&finished_partitions, &a);
	for (int i = 0; i < (int) SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		PartitionRow *row = palloc(sizeof(PartitionRow));

		row->partition = column_int32(i, 1, 0);
		row->first_bucket = column_int64(i, 2, 0);
		row->last_bucket = column_int64(i, 3, 0);
		partitions = lappend(partitions, row);
		MemoryContextSwitchTo(old);
	}
	statement_end();
	return partitions;
}
