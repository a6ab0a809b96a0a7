/*-------------------------------------------------------------------------
 *
 * worker_steer.h
 *	  What others have changed since the last turn: the job, its server, the extension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_STEER_H
#define PG_ENRICH_WORKER_STEER_H

#include "postgres.h"

#include "worker/worker_place.h"

/* Take note of it; serves interrupts, too. */
extern void worker_notice_changes(Worker *worker);

#endif							/* PG_ENRICH_WORKER_STEER_H */
