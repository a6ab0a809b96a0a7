/*-------------------------------------------------------------------------
 *
 * worker_place.h
 *	  A worker's place in shared memory: what it shows there, and its share of what is there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_PLACE_H
#define PG_ENRICH_WORKER_PLACE_H

#include "postgres.h"

#include "shared/shared.h"

typedef struct Worker Worker;

/* Where it is; its claims stand there, too. */
typedef struct WorkerPlace
{
	int			slot_index;
	WorkerSlot *slot;
	JobEntry   *entry;
	Oid			database;
	uint32		seen_version;	/* of the entry, when the job was last read */
} WorkerPlace;

/* What the job waits for, as far as this worker knows. */
extern void worker_set_waiting(Worker *worker, WaitingFor waiting_for);

/* What it tries again and again, and what to do about it; NULL: nothing. */
extern void worker_show_trouble(Worker *worker, const char *error, const char *hint);

/* How many requests of the job may be in flight now, shares of other jobs apart. */
extern int	worker_effective_cap(const Worker *worker);

/* Was the job steered since this worker has read its row? */
extern bool worker_is_behind(const Worker *worker);

#endif							/* PG_ENRICH_WORKER_PLACE_H */
