/*-------------------------------------------------------------------------
 *
 * catalog_insert.h
 *	  Rows of enrich.catalog_bucket, many at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_INSERT_H
#define PG_ENRICH_CATALOG_INSERT_H

#include "postgres.h"

#include "catalog/catalog_change.h"

/*
 * Rows of enrich.catalog_bucket for these changes, in order, in no way but as INSERT would make
 * them, and all together.  Raises serialization_failure if somebody else has just made
 * one of them.
 */
extern void catalog_insert_buckets(int64 job, BucketChange **changes, int count);

#endif							/* PG_ENRICH_CATALOG_INSERT_H */
