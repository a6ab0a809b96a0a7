/*-------------------------------------------------------------------------
 *
 * catalog_change.h
 *	  What is done of a job: the rows of its buckets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_CHANGE_H
#define PG_ENRICH_CATALOG_CHANGE_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "catalog/catalog_failure.h"

/* What a store changes of a bucket. */
typedef struct BucketChange
{
	int64		bucket;
	int			partition;
	bool		begun;			/* as far as we know; if not, this makes its
								 * row */
	bytea	   *before;			/* the bitmap this is based on, or NULL */
	bytea	   *after;
	bool		finished;		/* all its rows are */
	int			attempts;		/* requests made for it, in all */
	int			http_status;	/* of the last answer; 0: none */
	TimestampTz started_at;
	bool		accepted;		/* out: the bucket was as expected, the change
								 * is made */
} BucketChange;

/* Make changes of buckets that are as expected; sets accepted in each. */
extern void catalog_change_buckets(int64 job, BucketChange *changes, int count);

/* Rows of finished or half-finished buckets failed: note the last reason with each bucket. */
extern void catalog_mark_buckets_failed(int64 job, const FailureRow *failures, int count);

/*
 * Until the end of the transaction nothing more is stored of the job: before anything else
 * that its stores take is locked.  The second one does not wait; false: one is under way.
 */
extern void catalog_hold_off_stores(int64 job);
extern bool catalog_try_hold_off_stores(int64 job);

#endif							/* PG_ENRICH_CATALOG_CHANGE_H */
