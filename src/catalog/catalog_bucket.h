/*-------------------------------------------------------------------------
 *
 * catalog_bucket.h
 *	  What there is to be done of a job: runs of buckets, and partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_BUCKET_H
#define PG_ENRICH_CATALOG_BUCKET_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/block.h"

#include "catalog/job.h"

/* Most buckets in a run: so many block numbers make a row that needs no TOAST. */
#define CATALOG_RUN_BUCKETS 400

/* A bucket as the catalog has it. */
typedef struct BucketRow
{
	int64		bucket;
	int			partition;
	int64		first_row;
	int			row_count;
	BlockNumber first_block;
	BlockNumber last_block;
	bytea	   *finished;		/* bitmap, or NULL: none */
	bool		retried;
	int			attempts;
	bool		begun;			/* it has a row of its own: something of it
								 * was stored */
} BucketRow;

typedef struct PartitionRow
{
	int			partition;
	int64		first_bucket;
	int64		last_bucket;
} PartitionRow;

/* The rows of a bucket, which its number says. */
extern int64 catalog_bucket_first_row(const Job *job, int64 bucket);
extern int	catalog_bucket_rows(const Job *job, int64 bucket);

/* Buckets that bucketizing has made, in order, with where their rows lie. */
extern void catalog_insert_runs(int64 job, const BucketRow *buckets, int count);

/* All buckets of a job are finished: where their rows lay is not needed any more. */
extern void catalog_delete_runs(int64 job);

/* Those with first <= bucket <= last that are not finished, in order: List of BucketRow *. */
extern List *catalog_pending_buckets(const Job *job, int64 first, int64 last);

/* The first of them that is not finished; last + 1: none. */
extern int64 catalog_first_open_bucket(int64 job, int64 first, int64 last);

/* No bucket before this one can be unfinished: where to begin to look. */
extern int64 catalog_first_bucket(int64 job);

/*
 * Partitions of the staging table.
 */
extern void catalog_insert_partition(int64 job, const PartitionRow *partition);

/* One whose buckets are all finished is gone; or all are, whatever has become of their buckets. */
extern void catalog_delete_partition(int64 job, int partition);
extern void catalog_delete_partitions(int64 job);

/* Those whose buckets are all finished: List of PartitionRow *. */
extern List *catalog_finished_partitions(int64 job);

#endif							/* PG_ENRICH_CATALOG_BUCKET_H */
