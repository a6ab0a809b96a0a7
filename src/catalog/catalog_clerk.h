/*-------------------------------------------------------------------------
 *
 * catalog_clerk.h
 *	  What a clerk asks of the catalog: jobs that want workers or cleaning.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_CLERK_H
#define PG_ENRICH_CATALOG_CLERK_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#include "catalog/job.h"

typedef struct JobSummary
{
	int64		id;
	Oid			owner;
	JobState	state;
	int			concurrency;
	int			workers;
	bool		bucketized;
	bool		is_copy;		/* started in another cluster or database */
	char	   *server;
} JobSummary;

/* Jobs that are not finished: List of JobSummary *. */
extern List *catalog_unfinished_jobs(void);

/* Finished jobs whose staging nobody needs and which still have it: List of int64 *. */
extern List *catalog_jobs_to_clean(void);

/*
 * Jobs that finished longer ago than the retention (seconds; -1: none), the first at_most of
 * them: List of int64 *; *next: when the next one is due, or 0.
 */
extern List *catalog_expired_jobs(int retention, int at_most, TimestampTz *next);

#endif							/* PG_ENRICH_CATALOG_CLERK_H */
