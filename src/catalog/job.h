/*-------------------------------------------------------------------------
 *
 * job.h
 *	  A job: its parameters as the user gave them, and its state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_JOB_H
#define PG_ENRICH_JOB_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

/*
 * The states of a job, each with those that may follow it.
 *
 * queued: bucketizing, running (a worker was still bucketizing), paused, canceled
 * bucketizing: running, failed, paused, canceled, queued (resumed while a worker still bucketizes)
 * running: completed, paused, canceled
 * paused: queued (not bucketized yet), running, canceled
 * completed: running (by retry)
 * failed, canceled: none
 *
 * job_may_become() knows the same; catalog_insert_job() makes a job queued, and
 * catalog_transition() is the only one to change a state.
 *
 * A job that is paused while it is bucketized is bucketized to the end first.  If it is
 * resumed meanwhile it is queued until then, and running at once after that.
 */
typedef enum JobState
{
	JOB_QUEUED,
	JOB_BUCKETIZING,
	JOB_RUNNING,
	JOB_PAUSED,
	JOB_COMPLETED,
	JOB_FAILED,
	JOB_CANCELED
} JobState;

/* Most requests that one job may have in flight. */
#define JOB_MAX_CONCURRENCY 10000

#define JOB_STATE_COUNT (JOB_CANCELED + 1)

typedef enum ResultRows
{
	RESULT_ROWS_ONE,
	RESULT_ROWS_MANY
} ResultRows;

typedef enum WriteMode
{
	WRITE_UPDATE,				/* into the source */
	WRITE_INSERT,
	WRITE_UPSERT,
	WRITE_OVERWRITE
} WriteMode;

typedef enum RowSelection
{
	ROWS_ALL,
	ROWS_MISSING,
	ROWS_CHANGED
} RowSelection;

/* What each field is in SQL: job_columns.c. */
typedef struct Job
{
	int64		id;
	char	   *name;			/* or NULL */
	Oid			owner;
	Oid			source;
	char	   *source_name;	/* as regclass shows it */
	char	   *server;
	List	   *input;			/* of char *: column names */
	char	   *output;			/* JSON text */
	char	   *path;			/* or NULL, as the next five */
	char	   *request;		/* JSON text */
	char	   *content;
	char	   *results;
	char	   *result_index;
	char	   *result_key;
	ResultRows	result_rows;
	List	   *key;			/* of char *; resolved: never NIL once stored */
	char	   *target;			/* qualified and quoted, or NULL: the source */
	WriteMode	write_mode;
	RowSelection rows;
	char	   *where_clause;	/* or NULL */
	int64		max_rows;		/* -1: all, as below */
	int64		max_tokens;
	int			bucket_size;
	int			batch_size;		/* 0: not given */
	int			max_input_length;	/* characters; 0: no limit */
	char	   *separator;
	int			concurrency;
	int			workers;
	int64		max_failed_rows;
	List	   *settings;		/* of char *: "name=value" */
	int64		system_identifier;
	Oid			database;

	/* Control */
	JobState	state;
	int64		failures_accepted;	/* failed rows at the last resume */
	bool		loss_accepted;	/* overwrite although rows failed */
	bool		replaced;		/* overwrite has replaced the target's rows */
	bool		refused;		/* was paused because the API refused all: not
								 * again */

	/* Found by bucketizing; -1 until then */
	int64		rows_total;
	int64		buckets_total;
} Job;

extern const char *job_state_name(JobState state);
extern JobState job_state_of(const char *name);
extern bool job_may_become(JobState from, JobState to);
extern bool job_is_finished(JobState state);

extern const char *write_mode_name(WriteMode mode);

/* The names of each enum, in its order, up to a NULL. */
extern const char *const job_state_words[];
extern const char *const result_rows_words[];
extern const char *const write_mode_words[];
extern const char *const row_selection_words[];

#endif							/* PG_ENRICH_JOB_H */
