/*-------------------------------------------------------------------------
 *
 * catalog_job.h
 *	  The table of jobs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CATALOG_JOB_H
#define PG_ENRICH_CATALOG_JOB_H

#include "postgres.h"

#include "catalog/job.h"

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

/* Forget a job of which nothing more is stored. */
extern void catalog_delete_job(int64 job);

/* Its statements that follow a table, up to a NULL: for tests. */
struct BuiltStatement;
extern struct BuiltStatement *const catalog_job_built[];

#endif							/* PG_ENRICH_CATALOG_JOB_H */
