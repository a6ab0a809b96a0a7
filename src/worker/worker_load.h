/*-------------------------------------------------------------------------
 *
 * worker_load.h
 *	  The step of a worker's turn that loads rows, and makes requests of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_LOAD_H
#define PG_ENRICH_WORKER_LOAD_H

#include "postgres.h"

#include "worker/worker_place.h"

/* What the plan says.  Was there anything?  Then things are others, and want a new plan. */
extern bool turn_load(Worker *worker);

#endif							/* PG_ENRICH_WORKER_LOAD_H */
