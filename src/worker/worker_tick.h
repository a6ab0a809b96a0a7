/*-------------------------------------------------------------------------
 *
 * worker_tick.h
 *	  What a worker does now and then: it shows and counts what it has done, and drops
 *	  partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_TICK_H
#define PG_ENRICH_WORKER_TICK_H

#include "postgres.h"

#include "worker/worker_place.h"

/*
 * Longest sleep.  Invalidations (ALTER SERVER, DROP EXTENSION) do not wake an
 * idle worker: it looks for them this often.
 */
#define TICK_US 500000

typedef struct WorkerTicks
{
	int64		last_at;		/* clock of the last one */
	int64		checked_bucket; /* the lowest open one at the last look for
								 * finished partitions */
	bool		stored_since_check; /* has any row been stored since then? */
} WorkerTicks;

/* The loop begins. */
extern void worker_begin_ticks(Worker *worker);

/* Once a tick: speed, counters, and what pg_stat_activity shows. */
extern void worker_tick(Worker *worker);

/* The loop ends: what was counted is written. */
extern void worker_end_ticks(Worker *worker);

#endif							/* PG_ENRICH_WORKER_TICK_H */
