/*-------------------------------------------------------------------------
 *
 * claims.h
 *	  Which worker of a job works on which buckets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CLAIMS_H
#define PG_ENRICH_CLAIMS_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "catalog/job.h"
#include "shared/shared.h"

/* What a worker knows of its claims, beside what stands in its slot. */
typedef struct Claims
{
	int			slot_index;
	bool		exhausted;		/* nothing was left to be claimed at the last
								 * look */
	int			open_buckets[SHARED_MAX_CLAIMS];	/* of each, in the order
													 * of the slot's */
} Claims;

/* May there be something left to be claimed, and is there room for that? */
extern bool claims_may_take(Claims *claims, const Job *job);

/*
 * Claim up to count buckets that nobody works on, and return those of them that are not
 * finished: List of BucketRow *, in the current context; NIL when there are none left.  Needs
 * a transaction with no snapshot taken yet, for the catalog is read after the claim is registered.
 */
extern List *claims_take(Claims *claims, const Job *job, int count);

/* So many buckets of the last claim are being worked on.  One that is not confirmed is given up. */
extern void claims_confirm(Claims *claims, int open);

/* A claimed bucket is finished, or was given up. */
extern void claims_release(Claims *claims, int64 bucket);

/* Something was given up, perhaps by others: look at all buckets again. */
extern void claims_rescan(Claims *claims);

/* All buckets of that worker's job before this one are done or claimed. */
extern int64 claims_next_bucket(int slot_index);

/* Does any worker of the job hold a claim? */
extern bool claims_any(int job_index);

#endif							/* PG_ENRICH_CLAIMS_H */
