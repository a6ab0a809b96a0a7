/*-------------------------------------------------------------------------
 *
 * worker_permits.c
 *	  A worker's permits: what they are expected to cost, and how they go back.
 *
 * They go back together, in the order in which requests have ended, with what became of
 * those.  What a failure tells of the server is asked before its own permit goes back.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_permits.h"

#include "common/pg_prng.h"

#include "limits/backoff.h"
#include "worker/worker.h"

/* What was sent, and lost or refused before the server has worked on it, so often is charged. */
#define MAX_UNREACHED 10

int64
worker_expected_tokens(const Worker *worker, const Request *request)
{
	const WorkerPermits *permits = &worker->permits;

	if (permits->tokens_estimated <= 0)
		return request->tokens;
	return (int64) (request->tokens * (permits->tokens_reported / permits->tokens_estimated)) + 1;
}

/*
 * Tokens count for the job's budget as soon as they are known, whichever of
 * its workers spent them.
 */
static void
spend(Worker *worker, int64 tokens)
{
	if (tokens == 0)
		return;
	shared_lock();
	worker->place.entry->tokens += tokens;
	shared_unlock();
}

/*
 * Answers that say what they cost teach what estimates are worth: lately is
 * the last some twenty.
 */
static void
learn_tokens(WorkerPermits *permits, int64 estimated, int64 reported)
{
	if (reported <= 0)
		return;
	permits->tokens_estimated += estimated - permits->tokens_estimated / 20;
	permits->tokens_reported += reported - permits->tokens_reported / 20;
}

static void
log_outage_end(const Worker *worker)
{
	ereport(LOG, errmsg("server \"%s\" answers again", worker->setup.endpoint->server->name));
}

void
worker_give_back(Worker *worker)
{
	WorkerPermits *permits = &worker->permits;

	if (permits->returned_count > 0 &&
		permits_give_back(worker->place.slot_index, worker_server_index(worker),
						  permits->returned, permits->returned_count))
		log_outage_end(worker);
	permits->returned_count = 0;
}

void
worker_return_permit(Worker *worker, const Answer *answer, int64 estimated)
{
	WorkerPermits *permits = &worker->permits;

	worker->counters.unsaved.tokens += answer->tokens;
	spend(worker, answer->tokens);
	learn_tokens(permits, estimated, answer->tokens);
	permits->returned[permits->returned_count++] = *answer;
	if (permits->returned_count == lengthof(permits->returned))
		worker_give_back(worker);
}

/* Exponential backoff with full jitter: anything from now on. */
static int64
backoff_after(const Server *server, int failures)
{
	int64		limit = backoff_us(server->backoff_base_ms * INT64CONST(1000),
								   server->backoff_max_ms * INT64CONST(1000), failures - 1);

	return (int64) (pg_prng_double(&pg_global_prng_state) * (double) limit);
}

/* For a person who may not see the rows: so nothing of what the API said. */
static const char *
describe_failure(const HttpResult *result)
{
	if (result->fault != HTTP_ANSWERED)
		return result->error;
	if (result->status / 100 == 2)
		return "answers that cannot be read";
	return psprintf("HTTP status %d", result->status);
}

Judgement
worker_judge(Worker *worker, Request *request, HealthSign sign, const HttpResult *result,
			 int64 *wait_us)
{
	Trial		trial = {.sign = sign};
	Charge		charge;

	worker_give_back(worker);	/* of those before: the order tells */
	trial.sent_at = request->sent_at;
	trial.wait_us = result->retry_after_ms * 1000;
	trial.failed_before = request->failures > 0;
	trial.outages = request->outages;
	trial.failure = describe_failure(result);
	charge = permits_judge(worker_server_index(worker), &trial);

	if (charge.outage_begins)
		ereport(LOG,
				errmsg("server \"%s\" gives nothing but failures: %s", worker->setup.endpoint->server->name,
					   trial.failure),
				errdetail("It is tried with one request at a time, and no row fails meanwhile."));
	if (charge.outage_ends)
		log_outage_end(worker);
	request->outages = charge.outages;
	if (charge.forgiven)
	{
		request->attempts = 1;	/* the one that has just ended */
		request->failures = 0;
	}

	/*
	 * That the server has not worked on it, or has lost it with its
	 * connection, passes; and that there was no memory to send it.  If it
	 * goes on, it is something in the request after all.
	 */
	if ((result->sent ? !result->reached : result->fault == HTTP_INTERNAL) &&
		request->failures < MAX_UNREACHED)
		charge.counts = false;
	if (!charge.counts)
		request->attempts--;
	*wait_us = 0;

	/*
	 * What fails in an outage, and counts, is charged for good: see
	 * HEALTH_PATIENCE_US.
	 */
	if (charge.counts && request->attempts >= worker->setup.endpoint->server->max_attempts)
		return sign == HEALTH_FAILED && !charge.out ? JUDGED_UNDECIDED : JUDGED_FAILED;
	/* While a server is paused, that alone says who sends when. */
	if (sign == HEALTH_THROTTLED || charge.out)
		return JUDGED_AGAIN;
	request->failures++;
	*wait_us = Max(backoff_after(worker->setup.endpoint->server, request->failures), trial.wait_us);
	return JUDGED_AGAIN;
}
