/*-------------------------------------------------------------------------
 *
 * catalog_change.c
 *	  What is done of a job: the rows of its buckets.
 *
 * Whatever is written for many rows is one statement over arrays, or one call: a job
 * of one-row buckets writes thousands of them in a commit.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_change.h"

#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog/catalog_array.h"
#include "catalog/catalog_extension.h"
#include "catalog/catalog_insert.h"
#include "catalog/catalog_statement.h"

/*
 * A lock on an object of a class that nobody else has, our table of jobs: stores share
 * it, and who deletes a job holds it, so that no bucket gets its row after that.  A lock
 * on the job's row would be in the way of those who steer it, and written to disk.
 */
#define STORES_LOCK 1			/* objsubid; those of catalog_lock_name have 0 */

/*
 * The bucket of each u, looked up one by one: joined directly, the planner may
 * go through all of the job's buckets for the few that are wanted.
 */
#define EACH_BUCKET " CROSS JOIN LATERAL (SELECT p.ctid AS place FROM enrich.catalog_bucket p" \
	" WHERE p.job" OP_EQ "$1 AND p.bucket" OP_EQ "u.bucket OFFSET 0) p"

/*
 * The bitmap a change is based on must still be there: then nobody else has
 * finished a row of the bucket meanwhile, and no result is stored twice.  These
 * conditions are looked at again where somebody else is just changing the bucket.
 */
static Statement change_buckets = {
	"UPDATE enrich.catalog_bucket b SET finished = CASE WHEN NOT u.done THEN u.after END,"
	" state = CASE WHEN NOT u.done THEN 'p'::pg_catalog.\"char\" WHEN b.error IS NOT NULL THEN 'f'"
	" ELSE 'c' END,"
	" attempts = u.attempts, http_status = COALESCE(u.http_status::pg_catalog.int2, b.http_status),"
	" started_at = COALESCE(b.started_at, u.started_at),"
	" finished_at = CASE WHEN u.done"
	" THEN GREATEST(b.started_at, u.started_at, pg_catalog.clock_timestamp()) END"
	" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),"
	" pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8))"
	" AS u(bucket, before, after, done, attempts, http_status, started_at)"
	EACH_BUCKET " WHERE b.ctid" OP_EQ "p.place AND b.state" OP_EQ "'p'"
	" AND COALESCE(b.finished, '')" OP_EQ "COALESCE(u.before, '')"
	" RETURNING b.bucket",
	8, {INT8OID, INT8ARRAYOID, BYTEAARRAYOID, BYTEAARRAYOID, BOOLARRAYOID, INT4ARRAYOID,
	INT4ARRAYOID, TIMESTAMPTZARRAYOID}, NULL
};

/* $2 to $8. */
static const Field change_fields[] = {
	FIELD("bucket", FIELD_INT8, BucketChange, bucket),
	FIELD("before", FIELD_BYTEA, BucketChange, before),
	FIELD("after", FIELD_BYTEA, BucketChange, after),
	FIELD("done", FIELD_BOOL, BucketChange, finished),
	FIELD("attempts", FIELD_INT4, BucketChange, attempts),
	FIELD("http_status", FIELD_INT4_OR_0, BucketChange, http_status),
	FIELD("started_at", FIELD_TIME, BucketChange, started_at)
};

static void
set_accepted(BucketChange **changes, int count, int64 bucket, bool accepted)
{
	for (int i = 0; i < count; i++)
		if (changes[i]->bucket == bucket)
			changes[i]->accepted = accepted;
}

/* Changes of buckets that have a row. */
static void
update_buckets(int64 job, BucketChange **changes, int count)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	argument_add_fields(&a, change_fields, lengthof(change_fields),
						(const void *const *) changes, count);
	statement_begin(&change_buckets, &a);
	if (SPI_processed == (uint64) count)
		for (int i = 0; i < count; i++)
			changes[i]->accepted = true;
	else
		for (int i = 0; i < (int) SPI_processed; i++)
			set_accepted(changes, count, column_int64(i, 1, 0), true);
	statement_end();
}

static Statement job_is_there = {
	"SELECT FROM enrich.catalog_job WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL
};

static Statement find_buckets = {
	"SELECT u.bucket FROM pg_catalog.unnest($2) AS u(bucket)" EACH_BUCKET,
	2, {INT8OID, INT8ARRAYOID}, NULL
};

/* Changes of buckets that, for all we know, have no row yet: which of them is that true of? */
static void
check_unbegun(int64 job, BucketChange **changes, int count)
{
	Arguments	job_argument = {0};
	Arguments	a = {0};

	argument_add(&job_argument, Int64GetDatum(job));
	if (statement_run(&job_is_there, &job_argument) == 0)
		return;
	for (int i = 0; i < count; i++)
		changes[i]->accepted = true;
	argument_add(&a, Int64GetDatum(job));
	argument_add_fields(&a, &change_fields[0], 1, (const void *const *) changes, count);
	statement_begin(&find_buckets, &a);
	for (int i = 0; i < (int) SPI_processed; i++)
		set_accepted(changes, count, column_int64(i, 1, 0), false);
	statement_end();
}

static int
compare_changes(const void *a, const void *b)
{
	int64		left = (*(BucketChange *const *) a)->bucket;
	int64		right = (*(BucketChange *const *) b)->bucket;

	return left < right ? -1 : left > right;
}

/* Buckets get their rows; in order, as the index likes it. */
static void
begin_buckets(int64 job, BucketChange **changes, int count)
{
	int			accepted = 0;

	LockDatabaseObject(catalog_relation("catalog_job"), (Oid) job, STORES_LOCK, AccessShareLock);
	check_unbegun(job, changes, count);
	for (int i = 0; i < count; i++)
		if (changes[i]->accepted)
			changes[accepted++] = changes[i];
	qsort(changes, accepted, sizeof(BucketChange *), compare_changes);
	catalog_insert_buckets(job, changes, accepted);
}

void
catalog_change_buckets(int64 job, BucketChange *changes, int count)
{
	BucketChange **chosen = palloc(sizeof(BucketChange *) * count);

	for (int begun = 0; begun < 2; begun++)
	{
		int			chosen_count = 0;

		for (int i = 0; i < count; i++)
			if (changes[i].begun == (begun == 1))
			{
				changes[i].accepted = false;
				chosen[chosen_count++] = &changes[i];
			}
		if (chosen_count > 0)
			(begun ? update_buckets : begin_buckets) (job, chosen, chosen_count);
	}
	pfree(chosen);
}

void
catalog_hold_off_stores(int64 job)
{
	LockDatabaseObject(catalog_relation("catalog_job"), (Oid) job, STORES_LOCK,
					   AccessExclusiveLock);
}

bool
catalog_try_hold_off_stores(int64 job)
{
	return ConditionalLockDatabaseObject(catalog_relation("catalog_job"), (Oid) job, STORES_LOCK,
										 AccessExclusiveLock);
}

static Statement mark_buckets_failed = {
	"UPDATE enrich.catalog_bucket b SET error = u.error,"
	" http_status = COALESCE(u.http_status::pg_catalog.int2, b.http_status),"
	" state = CASE WHEN b.state" OP_EQ "'c' THEN 'f'::pg_catalog.\"char\" ELSE b.state END"
	" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
	" AS u(bucket, error, http_status)" EACH_BUCKET " WHERE b.ctid" OP_EQ "p.place",
	4, {INT8OID, INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID}, NULL
};

/* $2 to $4. */
static const Field mark_fields[] = {
	FIELD("bucket", FIELD_INT8, FailureRow, bucket),
	FIELD("error", FIELD_TEXT, FailureRow, error),
	FIELD("http_status", FIELD_INT4_OR_0, FailureRow, http_status)
};

void
catalog_mark_buckets_failed(int64 job, const FailureRow *failures, int count)
{
	const void **first = palloc(sizeof(void *) * count);
	Arguments	a = {0};
	int			buckets = 0;

	/* Failures come bucket by bucket: the first of each speaks for it. */
	for (int i = 0; i < count; i++)
		if (i == 0 || failures[i].bucket != failures[i - 1].bucket)
			first[buckets++] = &failures[i];
	argument_add(&a, Int64GetDatum(job));
	argument_add_fields(&a, mark_fields, lengthof(mark_fields), first, buckets);
	statement_run(&mark_buckets_failed, &a);
}
