/*-------------------------------------------------------------------------
 *
 * catalog_counters.h
 *	  What a job's workers have done: a row of counters for each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_COUNTERS_H
#define PG_ENRICH_CATALOG_COUNTERS_H

#include "postgres.h"

#include "common/field.h"

/* In place of a worker's number: the counters that a retry has corrected. */
#define CATALOG_CORRECTIONS (-1)

/* Amounts to add to a worker's counters. */
typedef struct Counters
{
	int64		rows_done;
	int64		rows_failed;
	int64		rows_skipped;
	int64		buckets_done;
	int64		requests;
	int64		retries;
	int64		tokens;
	int64		throttled_us;	/* waited for a throttled server */
} Counters;

/* Each as a column of the table of counters. */
extern const Field catalog_counter_fields[];
extern const int catalog_counter_count;

/* Add what a store has done to a worker's counters, for a job that is still there. */
extern void catalog_add_counters(int64 job, int worker, const Counters *amounts);

/* Add what is no progress, requests, retries, tokens, time throttled, where there is a row. */
extern void catalog_note_counters(int64 job, int worker, const Counters *amounts);

/* What all of a job's workers have done, but for throttled_us, which is left alone. */
extern void catalog_sum_counters(int64 job, Counters *sum);

/* How long the job has taken, in microseconds, as far as that was written down; and do that. */
extern int64 catalog_elapsed(int64 job);
extern void catalog_note_elapsed(int64 job, int worker, int64 elapsed_us);

/* A worker begins: how often it began since it last stored something, this time included. */
extern int	catalog_count_start(int64 job, int worker);
extern void catalog_uncount_start(int64 job, int worker);	/* ... and ended in good
															 * order */
extern void catalog_forget_starts(int64 job);

/* Its statements that follow a table, up to a NULL: for tests. */
struct BuiltStatement;
extern struct BuiltStatement *const catalog_counters_built[];

#endif							/* PG_ENRICH_CATALOG_COUNTERS_H */
