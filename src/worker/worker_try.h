/*-------------------------------------------------------------------------
 *
 * worker_try.h
 *	  A worker's transactions, and what becomes of those that fail.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_TRY_H
#define PG_ENRICH_WORKER_TRY_H

#include "postgres.h"

#include "worker/worker_error.h"
#include "worker/worker_place.h"

/*
 * What a worker tries again when database or system would not have it, each with its own
 * patience.
 */
typedef enum StepKind
{
	STEP_CONTROL,				/* rereading the job, changing its state */
	STEP_INTAKE,				/* reading the server or everything anew */
	STEP_READ,					/* answers that take a transaction to read */
	STEP_LOAD,
	STEP_STORE,
	STEP_FINISH,
	STEP_CLEAN,					/* dropping partitions: a clerk does it in the
								 * end */
	STEP_CONNECT,				/* opening connections, which take descriptors */
	STEP_KIND_COUNT
} StepKind;

/* How a kind of step fares. */
typedef struct Attempts
{
	int			failed;			/* in a row */
	ErrorClass	last;			/* what the last of them failed with */
	bool		lacked_memory;	/* ... which was for want of memory, of this
								 * process's own */
	int64		not_before;		/* clock of the next one */
	int64		logged_at;		/* clock of the last line in the log */
} Attempts;

/*
 * Transactions.  worker_begin is false when the extension is gone, or about to
 * be: then no transaction is open, and the worker is leaving.
 */
extern bool worker_begin(Worker *worker);
extern void worker_commit(void);

/*
 * Run a step of the loop in a transaction of its own.  False: an error came, it is too
 * early after the last one, or the worker is leaving; nothing is changed.  What it was is dealt
 * with here: the step may be tried again, or the job is being paused.  arg is the step's
 * own: what it works on, and where it says what it has found.
 */
typedef void (*WorkerStep) (Worker *worker, void *arg);
extern bool worker_try_as(Worker *worker, StepKind kind, WorkerStep step, void *arg);
extern bool worker_try(Worker *worker, WorkerStep step, void *arg); /* as STEP_CONTROL */

/* Can a transaction be had at all? */
extern bool worker_can_begin(Worker *worker, StepKind kind);

/* There was no descriptor for a request's connection, neither of this process nor of the system. */
extern void worker_note_starved(Worker *worker);

/* The job was resumed, or the like: whatever failed is tried at once; or one kind of step. */
extern void worker_forget_attempts(Worker *worker);
extern void worker_forget_failure(Worker *worker, StepKind kind);

/* Change the state if worker_pause is pending.  A step of the turn. */
extern void worker_write_pause(Worker *worker);

/* The worker has committed a pause, with its counters. */
extern void worker_pause_written(Worker *worker);

/* An API's words, which are UTF-8, for the job's row.  Begins and commits a transaction. */
extern const char *worker_message(Worker *worker, const char *utf8);

#endif							/* PG_ENRICH_WORKER_TRY_H */
