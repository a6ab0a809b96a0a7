/*-------------------------------------------------------------------------
 *
 * bucketize_query.h
 *	  The query that reads a job's source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_BUCKETIZE_QUERY_H
#define PG_ENRICH_BUCKETIZE_QUERY_H

#include "postgres.h"

#include "recipe/endpoint.h"

/*
 * The query that reads a job's source: key columns, input, was it truncated,
 * fields, fingerprint.  Raises syntax and name errors of where_clause when prepared.
 */
extern char *bucketize_source_query(const Endpoint *endpoint, int64 limit);

#endif							/* PG_ENRICH_BUCKETIZE_QUERY_H */
