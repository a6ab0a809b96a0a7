/*-------------------------------------------------------------------------
 *
 * worker_limits.h
 *	  Bounds of a job that pause it: failed rows, tokens, and paths that find nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_LIMITS_H
#define PG_ENRICH_WORKER_LIMITS_H

#include "postgres.h"

#include "worker/worker_place.h"

/* Pause the job, with reason budget, when it has spent its tokens.  True: it sends nothing more. */
extern bool worker_check_budget(Worker *worker);

/* In a transaction: pause the job when too many rows have failed, or no path finds anything. */
extern void worker_check_failures(Worker *worker);
extern void worker_check_paths(Worker *worker);

#endif							/* PG_ENRICH_WORKER_LIMITS_H */
