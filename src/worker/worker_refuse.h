/*-------------------------------------------------------------------------
 *
 * worker_refuse.h
 *	  Requests that are refused because of their rows: parted until the bad row
 *	  stands alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_REFUSE_H
#define PG_ENRICH_WORKER_REFUSE_H

#include "postgres.h"

#include "worker/request.h"
#include "worker/worker_place.h"

typedef enum RefusalCause
{
	REFUSED_CONTENT,			/* the API says so */
	REFUSED_SIZE,				/* the request or its answer is too large */
	REFUSED_MISMATCH			/* the answer's items are not the rows' */
} RefusalCause;

/* A request will not do because of its rows: it is parted, or its only row fails. */
extern void worker_refuse(Worker *worker, Request *request, RefusalCause cause, int http_status,
						  const char *error);

/* A request of so many rows was answered: the API does not refuse all. */
extern void worker_note_answered(Worker *worker, int rows);

/* The job was resumed: whether the API refuses all is an open question again. */
extern void worker_doubt_anew(Worker *worker);

/* Rows that were held because of that question fail now. */
extern void worker_settle_held(Worker *worker);

/* Part a request that holds more rows than requests may by now; it is freed. */
extern void worker_fit_request(Worker *worker, Request *request);

#endif							/* PG_ENRICH_WORKER_REFUSE_H */
