/*-------------------------------------------------------------------------
 *
 * worker_collect.h
 *	  The step of a worker's turn that takes what the network has brought.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_COLLECT_H
#define PG_ENRICH_WORKER_COLLECT_H

#include "postgres.h"

#include "worker/worker_place.h"

/* Room that is made by that is used at once: it sends, too. */
extern void turn_collect(Worker *worker);

#endif							/* PG_ENRICH_WORKER_COLLECT_H */
