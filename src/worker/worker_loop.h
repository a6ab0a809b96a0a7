/*-------------------------------------------------------------------------
 *
 * worker_loop.h
 *	  A worker's loop: where load, send, collect and store meet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_LOOP_H
#define PG_ENRICH_WORKER_LOOP_H

#include "postgres.h"

#include "worker/worker_place.h"

/* Send all of the job's rows: until it is finished, paused, canceled, or has nothing to send. */
extern void worker_run_loop(Worker *worker);

#endif							/* PG_ENRICH_WORKER_LOOP_H */
