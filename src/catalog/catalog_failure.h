/*-------------------------------------------------------------------------
 *
 * catalog_failure.h
 *	  Rows that failed, and putting them back to work.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_FAILURE_H
#define PG_ENRICH_CATALOG_FAILURE_H

#include "postgres.h"

#include "catalog/job.h"

typedef struct FailureRow
{
	int64		row_number;
	int64		bucket;
	Datum		key;			/* jsonb */
	char	   *input;			/* or NULL */
	int			http_status;	/* 0: none */
	char	   *error;
	int			attempts;
} FailureRow;

extern void catalog_insert_failures(int64 job, const FailureRow *failures, int count);

/* Put all failed rows of a job back to work; returns how many. */
extern int64 catalog_retry_failures(const Job *job);

#endif							/* PG_ENRICH_CATALOG_FAILURE_H */
