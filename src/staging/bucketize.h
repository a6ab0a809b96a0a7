/*-------------------------------------------------------------------------
 *
 * bucketize.h
 *	  From the source to the staging table: rows numbered, cut into buckets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_BUCKETIZE_H
#define PG_ENRICH_BUCKETIZE_H

#include "postgres.h"

#include "recipe/endpoint.h"

/* What bucketizing tells while it goes on; raises an error to end it. */
typedef void (*BucketizeProgress) (int64 rows, void *state);

/* What bucketizing found. */
typedef struct Bucketized
{
	int64		rows;
	int64		buckets;
	int64		rows_truncated; /* inputs cut to max_input_length */
} Bucketized;

/*
 * Fill the job's staging table and its buckets' rows in the catalog, in the
 * current transaction, as the current user.  Raises not_null_violation and
 * unique_violation for a key that is no key, naming it, and whatever reading
 * the source raises.
 */
extern Bucketized bucketize(const Endpoint *endpoint, BucketizeProgress progress, void *state);

/*
 * Parse and plan the query that reads the source, for its errors: names, types, privileges, and
 * temporary tables, which no worker sees.
 */
extern void bucketize_check_query(const Endpoint *endpoint);

#endif							/* PG_ENRICH_BUCKETIZE_H */
