/*-------------------------------------------------------------------------
 *
 * catalog_bucket.c
 *	  What there is to be done of a job: runs of buckets, and partitions.
 *
 * A bucket has a row of its own only once something of it was stored.  So the
 * pending ones are those that lie in a run and have no such row, and those whose row
 * says so: what finds them reads as much as it finds, however many there are.
 *
 * A job may have millions of buckets, with a bucket_size of 1 as many as rows.  Little is
 * known of all of them from the beginning: bucket n holds the bucket_size rows up to row
 * n * bucket_size, and lies in some blocks of the staging table.  So catalog_bucket_run has a
 * row for up to CATALOG_RUN_BUCKETS of them.  A run is deleted with its partition, whose
 * buckets all have rows by then.  The view enrich.buckets puts both tables together.
 *
 * A bucket that one request fills, which is the usual case, is inserted as it will stay:
 * nothing is updated, and nothing dead is left.  Rows of buckets that take several requests
 * are updated in place, for which fillfactor leaves room.  A bucket of one row takes 139 bytes
 * of WAL and 155 bytes in tables and indexes, all in all.  Rows that were made by bucketizing
 * and updated later took 330 and 404.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_bucket.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "catalog/catalog_counters.h"
#include "catalog/catalog_statement.h"
#include "catalog/leftovers.h"

/* Begun buckets looked at together, in search of one that is not finished. */
#define LOOK_BUCKETS 1000

static Statement insert_run = {
	"INSERT INTO enrich.catalog_bucket_run (job, last_bucket, first_bucket, partition, blocks)"
	" VALUES ($1, $2, $3, $4, $5)",
	5, {INT8OID, INT8OID, INT8OID, INT2OID, INT4ARRAYOID}, NULL
};

/* The block that each bucket begins in, and the one that the last ends in. */
static Datum
blocks_of(const BucketRow *buckets, int count)
{
	Datum	   *blocks = palloc(sizeof(Datum) * (count + 1));

	for (int i = 0; i < count; i++)
		blocks[i] = UInt32GetDatum(buckets[i].first_block);
	blocks[count] = UInt32GetDatum(buckets[count - 1].last_block);
	return PointerGetDatum(construct_array(blocks, count + 1, INT4OID, 4, true, TYPALIGN_INT));
}

static void
write_run(int64 job, const BucketRow *buckets, int count)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int64GetDatum(buckets[count - 1].bucket));
	argument_add(&a, Int64GetDatum(buckets[0].bucket));
	argument_add(&a, Int16GetDatum((int16) buckets[0].partition));
	argument_add(&a, blocks_of(buckets, count));
	statement_run(&insert_run, &a);
}

void
catalog_insert_runs(int64 job, const BucketRow *buckets, int count)
{
	for (int start = 0; start < count;)
	{
		int			end = start + 1;

		while (end < count && end - start < CATALOG_RUN_BUCKETS &&
			   buckets[end].partition == buckets[start].partition)
			end++;
		write_run(job, &buckets[start], end - start);
		start = end;
	}
}

static Statement delete_runs = {
	"DELETE FROM enrich.catalog_bucket_run WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL
};

void
catalog_delete_runs(int64 job)
{
	leftovers_note(statement_run_for_job(&delete_runs, job));
}

/* A bucket of which something was stored. */
typedef struct BegunBucket
{
	BucketRow	row;
	bool		is_pending;
} BegunBucket;

static Statement begun_buckets = {
	"SELECT bucket, partition, state" OP_EQ "'p', finished, retried, attempts"
	" FROM enrich.catalog_bucket"
	" WHERE job" OP_EQ "$1 AND bucket" OP_GE "$2 AND bucket" OP_LE "$3 ORDER BY bucket",
	3, {INT8OID, INT8OID, INT8OID}, NULL
};

static BegunBucket *
read_begun(int64 job, int64 first, int64 last, int *count)
{
	Arguments	a = {0};
	MemoryContext old;
	BegunBucket *begun;

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int64GetDatum(first));
	argument_add(&a, Int64GetDatum(last));
	old = MemoryContextSwitchTo(statement_begin(&begun_buckets, &a));
	*count = (int) SPI_processed;
	begun = palloc0(sizeof(BegunBucket) * (*count + 1));
	for (int i = 0; i < *count; i++)
	{
		BucketRow  *row = &begun[i].row;

		row->bucket = column_int64(i, 1, 0);
		row->partition = DatumGetInt16(column_datum(i, 2));
		begun[i].is_pending = column_bool(i, 3);
		if (!column_is_null(i, 4))
			row->finished = DatumGetByteaPCopy(column_datum(i, 4));
		row->retried = column_bool(i, 5);
		row->attempts = column_int32(i, 6, 0);
		row->begun = true;
	}
	MemoryContextSwitchTo(old);
	statement_end();
	return begun;
}

/* What a run says of its buckets. */
typedef struct BucketRun
{
	int64		first_bucket;
	int64		last_bucket;
	int			partition;
	const int32 *blocks;
} BucketRun;

/* Those that any of the buckets lies in: a run ends less than its length behind each of its own. */
static Statement select_runs = {
	"SELECT first_bucket, last_bucket, partition, blocks FROM enrich.catalog_bucket_run"
	" WHERE job" OP_EQ "$1 AND last_bucket" OP_GE "$2 AND last_bucket" OP_LT "$3"
	" AND first_bucket" OP_LE "$4 ORDER BY last_bucket",
	4, {INT8OID, INT8OID, INT8OID, INT8OID}, NULL
};

static const int32 *
read_blocks(int i, const BucketRun *run)
{
	ArrayType  *array = DatumGetArrayTypePCopy(column_datum(i, 4));

	if (ARR_HASNULL(array) || ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) !=
		run->last_bucket - run->first_bucket + 2)
		elog(ERROR, "bucket run with last bucket " INT64_FORMAT " is damaged", run->last_bucket);
	return (const int32 *) ARR_DATA_PTR(array);
}

static BucketRun *
read_runs(int64 job, int64 first, int64 last, int *count)
{
	Arguments	a = {0};
	MemoryContext old;
	BucketRun  *runs;

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int64GetDatum(first));
	argument_add(&a, Int64GetDatum(last + CATALOG_RUN_BUCKETS));
	argument_add(&a, Int64GetDatum(last));
	old = MemoryContextSwitchTo(statement_begin(&select_runs, &a));
	*count = (int) SPI_processed;
	runs = palloc0(sizeof(BucketRun) * (*count + 1));
	for (int i = 0; i < *count; i++)
	{
		runs[i].first_bucket = column_int64(i, 1, 0);
		runs[i].last_bucket = column_int64(i, 2, 0);
		runs[i].partition = DatumGetInt16(column_datum(i, 3));
		runs[i].blocks = read_blocks(i, &runs[i]);
	}
	MemoryContextSwitchTo(old);
	statement_end();
	return runs;
}

int64
catalog_bucket_first_row(const Job *job, int64 bucket)
{
	return (bucket - 1) * job->bucket_size + 1;
}

int
catalog_bucket_rows(const Job *job, int64 bucket)
{
	return (int) Min(job->bucket_size,
					 job->rows_total - catalog_bucket_first_row(job, bucket) + 1);
}

/* A bucket that is pending, for what its own row (or NULL) and its run (or NULL) say of it. */
static BucketRow *
make_row(const Job *job, int64 bucket, const BucketRow *begun, const BucketRun *run)
{
	BucketRow  *row = palloc0(sizeof(BucketRow));

	if (begun != NULL)
		*row = *begun;
	row->bucket = bucket;
	row->first_row = catalog_bucket_first_row(job, bucket);
	row->row_count = catalog_bucket_rows(job, bucket);
	if (run != NULL)
	{
		const int32 *blocks = run->blocks + (bucket - run->first_bucket);

		row->partition = run->partition;
		row->first_block = (BlockNumber) blocks[0];
		row->last_block = (BlockNumber) blocks[1];
	}
	return row;
}

List *
catalog_pending_buckets(const Job *job, int64 first, int64 last)
{
	int			begun_count;
	int			run_count;
	BegunBucket *begun = read_begun(job->id, first, last, &begun_count);

	/*
	 * Later than those: buckets of a run that has gone meanwhile are
	 * finished.
	 */
	BucketRun  *run = read_runs(job->id, first, last, &run_count);
	const BegunBucket *begun_end = begun + begun_count;
	const BucketRun *run_end = run + run_count;
	List	   *pending = NIL;

	for (int64 bucket = first; bucket <= last; bucket++)
	{
		bool		is_begun = begun < begun_end && begun->row.bucket == bucket;
		bool		in_run;

		while (run < run_end && run->last_bucket < bucket)
			run++;
		in_run = run < run_end && run->first_bucket <= bucket;
		if (is_begun ? begun->is_pending : in_run)
			pending = lappend(pending, make_row(job, bucket, is_begun ? &begun->row : NULL,
												in_run ? run : NULL));
		begun += is_begun;
	}
	return pending;
}

static Statement look_at_buckets = {
	"SELECT bucket, state" OP_EQ "'p' FROM enrich.catalog_bucket"
	" WHERE job" OP_EQ "$1 AND bucket" OP_GE "$2 AND bucket" OP_LE "$3 ORDER BY bucket LIMIT $4",
	4, {INT8OID, INT8OID, INT8OID, INT4OID}, NULL
};

int64
catalog_first_open_bucket(int64 job, int64 first, int64 last)
{
	bool		found = false;

	while (!found && first <= last)
	{
		Arguments	a = {0};
		uint64		count;

		argument_add(&a, Int64GetDatum(job));
		argument_add(&a, Int64GetDatum(first));
		argument_add(&a, Int64GetDatum(last));
		argument_add(&a, Int32GetDatum(LOOK_BUCKETS));
		statement_begin(&look_at_buckets, &a);
		count = SPI_processed;
		for (uint64 i = 0; i < count && !found; i++)
		{
			found = column_int64((int) i, 1, 0) != first || column_bool((int) i, 2);
			first += !found;
		}
		statement_end();
		found |= count < LOOK_BUCKETS;
	}
	return first;
}

/*
 * Buckets before the first partition that is left are finished, unless rows of them
 * were put back to work: that leaves counters of its own.
 */
static Statement first_kept = {
	"SELECT p.first_bucket FROM enrich.catalog_partition p WHERE p.job" OP_EQ "$1 AND NOT EXISTS"
	" (SELECT FROM enrich.catalog_job_counters c WHERE c.job" OP_EQ "$1 AND c.worker" OP_EQ "$2)"
	" ORDER BY p.partition LIMIT 1",
	2, {INT8OID, INT4OID}, NULL
};

int64
catalog_first_bucket(int64 job)
{
	Arguments	a = {0};
	int64		first = 1;

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(CATALOG_CORRECTIONS));
	statement_begin(&first_kept, &a);
	if (SPI_processed > 0)
		first = column_int64(0, 1, 1);
	statement_end();
	return first;
}

static Statement insert_partition = {
	"INSERT INTO enrich.catalog_partition (job, partition, first_bucket, last_bucket)"
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

static Statement delete_partition[] = {
	{"DELETE FROM enrich.catalog_bucket_run r USING enrich.catalog_partition p"
		" WHERE p.job" OP_EQ "$1 AND p.partition" OP_EQ "$2 AND r.job" OP_EQ "p.job"
		" AND r.last_bucket" OP_GE "p.first_bucket AND r.last_bucket" OP_LE "p.last_bucket",
	2, {INT8OID, INT4OID}, NULL},
	{"DELETE FROM enrich.catalog_partition WHERE job" OP_EQ "$1 AND partition" OP_EQ "$2",
	2, {INT8OID, INT4OID}, NULL}
};

void
catalog_delete_partition(int64 job, int partition)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int32GetDatum(partition));
	for (int i = 0; i < (int) lengthof(delete_partition); i++)
		leftovers_note(statement_run(&delete_partition[i], &a));
}

static Statement delete_partitions = {
	"DELETE FROM enrich.catalog_partition WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL
};

void
catalog_delete_partitions(int64 job)
{
	statement_run_for_job(&delete_partitions, job);
}

static Statement select_partitions = {
	"SELECT partition, first_bucket, last_bucket FROM enrich.catalog_partition WHERE job" OP_EQ "$1"
	" ORDER BY partition",
	1, {INT8OID}, NULL
};

static PartitionRow *
read_partitions(int64 job, int *count)
{
	Arguments	a = {0};
	MemoryContext old;
	PartitionRow *partitions;

	argument_add(&a, Int64GetDatum(job));
	old = MemoryContextSwitchTo(statement_begin(&select_partitions, &a));
	*count = (int) SPI_processed;
	partitions = palloc(sizeof(PartitionRow) * (*count + 1));
	for (int i = 0; i < *count; i++)
	{
		partitions[i].partition = column_int32(i, 1, 0);
		partitions[i].first_bucket = column_int64(i, 2, 0);
		partitions[i].last_bucket = column_int64(i, 3, 0);
	}
	MemoryContextSwitchTo(old);
	statement_end();
	return partitions;
}

List *
catalog_finished_partitions(int64 job)
{
	int			count;
	PartitionRow *partitions = read_partitions(job, &count);
	List	   *finished = NIL;

	for (int i = 0; i < count; i++)
		if (catalog_first_open_bucket(job, partitions[i].first_bucket,
									  partitions[i].last_bucket) > partitions[i].last_bucket)
			finished = lappend(finished, &partitions[i]);
	return finished;
}
