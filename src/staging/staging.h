/*-------------------------------------------------------------------------
 *
 * staging.h
 *	  The relations of schema enrich_staging: making and dropping them.
 *
 * A job has enrich_staging.job_N, partitioned by list: partition 0 is
 * job_N_failed, for failed rows that may be retried; the others, job_N_1, …,
 * hold runs of buckets.  With write_mode overwrite, job_N_results collects the
 * results.  All belong to the job's owner, and are members of the extension, so
 * that they neither block DROP EXTENSION nor are dumped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_STAGING_H
#define PG_ENRICH_STAGING_H

#include "postgres.h"

#include "recipe/recipe.h"

#define STAGING_SCHEMA "enrich_staging"
#define STAGING_FAILED 0		/* number of the partition of failed rows */

/* Columns of a staging table: partition, row_number, key_1 …, input, fields, fingerprint. */
#define STAGING_KEY_COLUMN 3	/* attribute number of key_1 */

/* Quoted, qualified names; in the current context.  Partition -1: the table itself. */
extern char *staging_name(int64 job, int partition);
extern char *staging_results_name(int64 job);

/* The relation, or InvalidOid where it is not there. */
extern Oid	staging_relation(int64 job, int partition);

/* Make the table and its partition of failed rows; and, for overwrite, the table of results. */
extern void staging_create(const Recipe *recipe);
extern void staging_create_results(const Recipe *recipe);

/* Make one more partition; returns the relation. */
extern Oid	staging_create_partition(const Recipe *recipe, int partition);

/*
 * Drop a partition, if that needs no waiting for a lock.  False: somebody uses
 * the table now; try again later.
 */
extern bool staging_drop_partition(int64 job, int partition);

/*
 * Drop all that is there of a job, waiting for locks, or (conditionally) only
 * if nobody holds one.  False: somebody does.
 */
extern bool staging_drop(int64 job, bool conditionally);

#endif							/* PG_ENRICH_STAGING_H */
