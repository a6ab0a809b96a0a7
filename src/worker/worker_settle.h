/*-------------------------------------------------------------------------
 *
 * worker_settle.h
 *	  What becomes of a request that has ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_SETTLE_H
#define PG_ENRICH_WORKER_SETTLE_H

#include "postgres.h"

#include "http/http.h"
#include "worker/worker_place.h"

/* What was found out when a request that has ended was settled. */
typedef struct Settled
{
	int64		tokens;			/* that it has cost */
	bool		judged;			/* its server's health knows of it:
								 * worker_judge has told it */
} Settled;

/*
 * Settle it.  *settled begins with zeros.  False: there is no memory to read its answer, but
 * will be; nothing has changed.
 */
extern bool worker_settle(Worker *worker, HttpResult *result, Settled *settled);

#endif							/* PG_ENRICH_WORKER_SETTLE_H */
