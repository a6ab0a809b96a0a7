/*-------------------------------------------------------------------------
 *
 * worker_permits.h
 *	  A worker's permits: what they are expected to cost, and how they go back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_PERMITS_H
#define PG_ENRICH_WORKER_PERMITS_H

#include "postgres.h"

#include "http/http.h"
#include "shared/permits.h"
#include "worker/request.h"
#include "worker/worker_place.h"

typedef struct WorkerPermits
{
	Answer		returned[64];	/* permits of what has ended, not given back
								 * yet */
	int			returned_count;
	double		tokens_estimated;	/* of answers lately that said what they
									 * cost ... */
	double		tokens_reported;	/* ... and what they said */
} WorkerPermits;

/* What is to become of a request that was throttled or has failed in passing. */
typedef enum Judgement
{
	JUDGED_AGAIN,				/* it is sent again */
	JUDGED_FAILED,				/* it has had its attempts */
	JUDGED_UNDECIDED			/* ... but the last may be the server's fault */
} Judgement;

/* What such a request tells of the server.  JUDGED_AGAIN: *wait_us from now. */
extern Judgement worker_judge(Worker *worker, Request *request, HealthSign sign,
							  const HttpResult *result, int64 *wait_us);

/*
 * A request has ended, which was estimated to cost so many tokens: its permit goes back with
 * others, and with the last of these, by worker_give_back, at the latest.
 */
extern void worker_return_permit(Worker *worker, const Answer *answer, int64 estimated);
extern void worker_give_back(Worker *worker);

/* What it will probably cost: the estimate, and how answers so far have differed from theirs. */
extern int64 worker_expected_tokens(const Worker *worker, const Request *request);

#endif							/* PG_ENRICH_WORKER_PERMITS_H */
