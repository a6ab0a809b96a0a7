/*-------------------------------------------------------------------------
 *
 * worker_store.h
 *	  The step of a worker's turn that stores what has come back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_STORE_H
#define PG_ENRICH_WORKER_STORE_H

#include "postgres.h"

#include "shared/wal_flush.h"
#include "store/store.h"
#include "worker/worker_place.h"

typedef struct StoreStage
{
	Store	   *target;			/* the way to it */
	WalFlush	wal_flush;
	int			most_rows;		/* that there was memory for; 0: there is no
								 * bound */
	int			good_stores;	/* since that has changed */
} StoreStage;

/* Make the statements for the recipe at hand. */
extern void worker_open_target(Worker *worker);

/* A run of outcomes, if the plan says that it is due; then there is a new one. */
extern void turn_store(Worker *worker);

#endif							/* PG_ENRICH_WORKER_STORE_H */
