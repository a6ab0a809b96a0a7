/*-------------------------------------------------------------------------
 *
 * catalog_job.h
 *	  Our tables: SPI in, structs out.
 *
 * catalog*.c are the only files that name tables of schema enrich.  They act as
 * the extension's owner, for the length of one statement on fixed-type columns
 * of our own; so does staging.c alone, to make its tables.  catalog_insert.c needs
 * no statement.  All need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_JOB_H
#define PG_ENRICH_CATALOG_JOB_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/block.h"
#include "utils/timestamp.h"

#include "catalog/job.h"

/* Most buckets in a run: so many block numbers make a row that needs no TOAST. */
#define CATALOG_RUN_BUCKETS 400

/* In place of a worker's number: the counters that a retry has corrected. */
#define CATALOG_CORRECTIONS (-1)

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
	bool		begun;			/* it has a row of its own: something of it was stored */
} BucketRow;

/* What a store changes of a bucket. */
typedef struct BucketChange
{
	int64		bucket;
	int			partition;
	bool		begun;			/* as far as we know; if not, this makes its row */
	bytea	   *before;			/* the bitmap this is based on, or NULL */
	bytea	   *after;
	bool		finished;		/* all its rows are */
	int			attempts;		/* requests made for it, in all */
	int			http_status;	/* of the last answer; 0: none */
	TimestampTz started_at;
	bool		accepted;		/* out: the bucket was as expected, the change is made */
} BucketChange;

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

typedef struct PartitionRow
{
	int			partition;
	int64		first_bucket;
	int64		last_bucket;
} PartitionRow;

/* The user our tables belong to: the extension's owner.  InvalidOid: not installed here. */
extern Oid	catalog_owner(void);

/* Our table of that name. */
extern Oid	catalog_relation(const char *name);

/* Take a share of the extension for this transaction.  False: it is not there, or being dropped. */
extern bool catalog_lock_extension(void);

/* Does somebody wait for what catalog_lock_extension took (DROP EXTENSION)? */
extern bool catalog_extension_is_wanted(void);

/*
 * Jobs.
 */
extern int64 catalog_insert_job(const Job *job);

/* NULL: there is none.  In the current memory context. */
extern Job *catalog_load_job(int64 id);

/*
 * The same, for steering: raises errors unless it is there and the current
 * user may act as its owner.
 */
extern Job *catalog_steer_job(int64 id);

/*
 * Until the end of the transaction no other one starts a job of the owner with
 * that name: so that what catalog_find_job says stays true.
 */
extern void catalog_lock_name(Oid owner, const char *name);

/* The unfinished job of the owner with that name; 0: none. */
extern int64 catalog_find_job(Oid owner, const char *name);

/*
 * Change a job's state, with NOTIFY, and tell its workers at commit.  reason
 * (only for JOB_PAUSED), error and hint may be NULL.  False: the job is not
 * there or its present state (now in *present, when not NULL) does not allow it.
 */
extern bool catalog_transition(int64 job, JobState to, const char *reason,
							   const char *error, const char *hint, JobState *present);

/* If the job's owner does not exist any more, pause it for that.  True: so it was. */
extern bool catalog_pause_without_owner(int64 job, Oid owner);

extern void catalog_set_concurrency(int64 job, int concurrency);
extern void catalog_set_max_failed_rows(int64 job, int64 max_failed_rows);
extern void catalog_set_max_tokens(int64 job, int64 max_tokens);

/* A resumed job: failures so far are accepted, the present cluster and database are its own. */
extern void catalog_accept_failures(int64 job);

/* The job is being paused because the API refuses all. */
extern void catalog_set_refused(int64 job);

/* Overwrite: the target's rows are replaced. */
extern void catalog_set_replaced(int64 job);

/*
 * Until the end of the transaction nobody else changes the job's state, which is now
 * in *state.  False: the job is not there.
 */
extern bool catalog_hold_job(int64 job, JobState *state);

/*
 * End of bucketizing: totals; the state becomes running unless it was paused.
 * False: canceled meanwhile.
 */
extern bool catalog_set_bucketized(int64 job, int64 rows, int64 buckets, int64 rows_truncated);

/*
 * Until the end of the transaction nothing more is stored of the job: before anything else
 * that its stores take is locked.  The second one does not wait; false: one is under way.
 */
extern void catalog_hold_off_stores(int64 job);
extern bool catalog_try_hold_off_stores(int64 job);

/* Forget a job of which nothing more is stored. */
extern void catalog_delete_job(int64 job);

/* How long the job has taken, in microseconds, as far as that was written down; and do that. */
extern int64 catalog_elapsed(int64 job);
extern void catalog_note_elapsed(int64 job, int worker, int64 elapsed_us);

/* A worker begins: how often it began since it last stored something, this time included. */
extern int	catalog_count_start(int64 job, int worker);
extern void catalog_uncount_start(int64 job, int worker);	/* ... and ended in good order */
extern void catalog_forget_starts(int64 job);

/*
 * Buckets.
 */

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

/* Make changes of buckets that are as expected; sets accepted in each. */
extern void catalog_change_buckets(int64 job, BucketChange *changes, int count);

/* Rows of finished or half-finished buckets failed: note the last reason with each bucket. */
extern void catalog_mark_buckets_failed(int64 job, const FailureRow *failures, int count);

extern void catalog_insert_failures(int64 job, const FailureRow *failures, int count);
extern void catalog_add_counters(int64 job, int worker, const Counters *add);

/* The same of what is no progress: requests, retries, tokens, time throttled. */
extern void catalog_note_counters(int64 job, int worker, const Counters *add);
extern void catalog_sum_counters(int64 job, Counters *sum);

/* Put all failed rows of a job back to work; returns how many. */
extern int64 catalog_retry_failures(const Job *job);

/*
 * Partitions of the staging table.
 */
extern void catalog_insert_partition(int64 job, const PartitionRow *partition);

/* One whose buckets are all finished is gone; or all are, whatever has become of their buckets. */
extern void catalog_delete_partition(int64 job, int partition);
extern void catalog_delete_partitions(int64 job);

/* Those whose buckets are all finished: List of PartitionRow *. */
extern List *catalog_finished_partitions(int64 job);

/*
 * For the clerk.
 */
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

#endif							/* PG_ENRICH_CATALOG_JOB_H */
