/*-------------------------------------------------------------------------
 *
 * outcome_queue.h
 *	  Outcomes that wait to be stored, in the order in which they came.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_OUTCOME_QUEUE_H
#define PG_ENRICH_OUTCOME_QUEUE_H

#include "postgres.h"

#include "store/store.h"
#include "worker/request.h"

/*
 * Zero-filled to begin with.  What a store has taken off counts as queued until it is stored:
 * it is still in memory, and would be lost with the worker.
 */
typedef struct OutcomeQueue
{
	Outcome    *first;
	Outcome    *last;
	Outcome    *run;			/* taken off by the store under way, or NULL */
	int			rows;			/* that are not stored yet */
	int			failed_rows;	/* of those, in outcomes that are failures */
	Size		bytes;			/* in memory, rows apart */
	Size		size_lately;	/* of an outcome, in bytes; 0: there was none
								 * yet */
	bool		found_any;		/* of all so far, one in which an output path
								 * has found something */
	bool		found_item;		/* ... or that held an item at all */
} OutcomeQueue;

static inline bool
outcome_queue_is_empty(const OutcomeQueue *queue)
{
	return queue->rows == 0;
}

/* A new outcome, which is measured, and is there from now on. */
extern void outcome_queue_add(OutcomeQueue *queue, Outcome *outcome);

/* All rows of a request fail with this reason (UTF-8, masked); the request is freed. */
extern void outcome_queue_fail(OutcomeQueue *queue, Request *request, int http_status,
							   const char *error);

/* The same with what request_set_refusal has kept. */
extern void outcome_queue_fail_refused(OutcomeQueue *queue, Request *request);

/* The first one is taken out, and is the caller's; one that was there goes to the end. */
extern Outcome *outcome_queue_pop(OutcomeQueue *queue);
extern void outcome_queue_push(OutcomeQueue *queue, Outcome *outcome);

/*
 * Take a run off for a store: the first outcome, but no more of its rows than first_rows, and
 * those behind it as long as all of them hold no more than most_rows and most_bytes.  Returns
 * how many rows were taken, which each outcome's "taken" says, too.  There must be one, and
 * no other run.
 */
extern int	outcome_queue_take(OutcomeQueue *queue, int first_rows, int most_rows, Size most_bytes);

/*
 * What was taken of the run's first outcome is stored.  It is freed, or what is left of it goes
 * back to the front of the queue.
 */
extern void outcome_queue_stored(OutcomeQueue *queue);

/* The run was not stored: it goes back to the front of the queue. */
extern void outcome_queue_put_back(OutcomeQueue *queue);

#endif							/* PG_ENRICH_OUTCOME_QUEUE_H */
