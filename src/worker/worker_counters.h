/*-------------------------------------------------------------------------
 *
 * worker_counters.h
 *	  What a worker has sent and stored, for the job's counters and its speed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_COUNTERS_H
#define PG_ENRICH_WORKER_COUNTERS_H

#include "postgres.h"

#include "catalog/catalog_counters.h"
#include "worker/worker_place.h"

typedef struct WorkerCounters
{
	Counters	unsaved;		/* requests, retries, tokens since the last
								 * store */
	Counters	storing;		/* what the store under way adds */
	int64		rows_since_tick;	/* stored */
	int64		counted_at;		/* clock of the last commit of counters */
	int64		failures_seen;	/* of the job since it was resumed, at the
								 * last look */
	bool		stored_before;	/* this worker has stored something */
} WorkerCounters;

/* Is there something to count that is not written yet? */
extern bool worker_has_counters(Worker *worker);

/* In a transaction: write what was counted since the last store; and once that is committed. */
extern void worker_note_counters(Worker *worker);
extern void worker_counters_noted(Worker *worker);

/* A store was committed, with what it was to count. */
extern void worker_note_progress(Worker *worker);

#endif							/* PG_ENRICH_WORKER_COUNTERS_H */
