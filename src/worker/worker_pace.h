/*-------------------------------------------------------------------------
 *
 * worker_pace.h
 *	  When a worker loads, reads and stores, and how much at a time.
 *
 * Loading and storing are planned by limits/pace.h, which is told what is the case.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_PACE_H
#define PG_ENRICH_WORKER_PACE_H

#include "postgres.h"

#include "limits/pace.h"
#include "worker/worker_place.h"

typedef struct WorkerPace
{
	PacePlan	plan;			/* what to load and store, as things were at
								 * the last look */
	Pace		stores;			/* what they have taken lately */
	int64		written_at;		/* clock of the last one, before its commit */
	int64		pumped_at;		/* clock of the last look at the network */
} WorkerPace;

/* Look how things are, and make a new plan. */
extern void worker_make_plan(Worker *worker);

/* Collect: is it time to look after the network?  That is noted as done. */
extern bool worker_pump_is_due(Worker *worker);

/* May answers be read on, where the first of this turn was begun at that clock? */
extern bool worker_may_read_on(int64 began);

/* Is there an answer that takes a while to read, and can be read now? */
extern bool worker_has_large_answer(const Worker *worker);

/* A store was written, and is to be committed; it was: so many rows, from that clock on. */
extern void worker_note_written(Worker *worker);
extern void worker_note_stored(Worker *worker, int64 began, int rows);

#endif							/* PG_ENRICH_WORKER_PACE_H */
