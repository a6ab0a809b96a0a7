/*-------------------------------------------------------------------------
 *
 * worker_undecided.h
 *	  Requests whose last attempt has failed, while it is not known whose fault
 *	  that was.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_UNDECIDED_H
#define PG_ENRICH_WORKER_UNDECIDED_H

#include "postgres.h"

#include "worker/request.h"
#include "worker/worker_place.h"

/* It is not known yet whose fault that was: keep the request until it is. */
extern void worker_leave_undecided(Worker *worker, Request *request, int http_status,
								   const char *error);

/* Those of which it is known by now go again, or fail.  A step of the turn. */
extern void worker_decide(Worker *worker);

#endif							/* PG_ENRICH_WORKER_UNDECIDED_H */
