/*-------------------------------------------------------------------------
 *
 * worker_send.h
 *	  The step of a worker's turn that sends requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_SEND_H
#define PG_ENRICH_WORKER_SEND_H

#include "postgres.h"

#include "recipe/endpoint.h"
#include "worker/worker_place.h"

typedef struct SendStage
{
	const Endpoint *endpoint;	/* that requests were last sent to */
	int64		permit_not_before;	/* no permit before this, unless woken */
	bool		more;			/* the next turn is not to wait: there is room
								 * for more */
} SendStage;

/* What is ready, as far as it may be sent now. */
extern void turn_send(Worker *worker);

/* Take back what is not on the wire, and is not to be sent now. */
extern void turn_recall(Worker *worker);

#endif							/* PG_ENRICH_WORKER_SEND_H */
