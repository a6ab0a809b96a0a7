/*-------------------------------------------------------------------------
 *
 * worker_control.h
 *	  What a worker is at: working, about to pause its job, stopping, or leaving.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_CONTROL_H
#define PG_ENRICH_WORKER_CONTROL_H

#include "postgres.h"

#include "worker/worker_place.h"

/*
 * What a worker is at.  Only worker_enter changes it.
 *
 * WORKER_STARTING: it reads its job, or bucketizes; errors end it.  Next: working, leaving.
 * WORKER_WORKING: its loop runs, and all of it.  Next: pausing, stopping, leaving.
 * WORKER_PAUSING: as stopping, and a pause is still to be written into the job's row.  Next:
 * stopping, once it is written, or somebody else has paused the job; leaving.
 * WORKER_STOPPING: the job is paused, has ended, or may have no request in flight.  Nothing
 * new is sent; what is in flight is still stored.  Next: working, when it goes on; pausing,
 * where that is to be written although nothing is sent; leaving.
 * WORKER_LEAVING: nothing matters any more, it leaves at once: the job has been finished, is
 * gone, or the extension is about to be.  Nothing comes next.
 */
typedef enum WorkerMode
{
	WORKER_STARTING,
	WORKER_WORKING,
	WORKER_PAUSING,
	WORKER_STOPPING,
	WORKER_LEAVING
} WorkerMode;

/* A pause that is still to be written into the job's row: there is one in WORKER_PAUSING. */
typedef struct PendingPause
{
	char	   *reason;
	char	   *error;
	char	   *hint;			/* or empty */
} PendingPause;

typedef struct WorkerControl
{
	WorkerMode	mode;
	PendingPause pause;
	bool		canceled;		/* its query was: the next time it leaves at
								 * once */
} WorkerControl;

/* Does the server take no requests now?  Then the worker leaves once nothing is on its way. */
extern bool worker_is_spared(const Worker *worker);

/* May new requests be loaded and sent? */
extern bool worker_may_send(const Worker *worker);

/* Go over to another mode, which may be the same. */
extern void worker_enter(Worker *worker, WorkerMode mode);

/* Nothing new is to be sent: others know why. */
extern void worker_stop(Worker *worker);

/*
 * The job must pause.  From now on nothing new is sent; the state is changed by
 * a transaction of its own, as soon as one can be had.  Callable anywhere.
 */
extern void worker_pause(Worker *worker, const char *reason, const char *error, const char *hint);

/* A pause that is pending is not to be written any more, or is written. */
extern void worker_drop_pause(Worker *worker);

/* Somebody canceled the worker's query: the job pauses; a second time the worker leaves at once. */
extern void worker_note_cancel(Worker *worker);

#endif							/* PG_ENRICH_WORKER_CONTROL_H */
