/*-------------------------------------------------------------------------
 *
 * worker_undecided.c
 *	  Requests whose last attempt has failed, while it is not known whose fault
 *	  that was.
 *
 * A server that gives nothing but failures is out only after some of them, and
 * before that nobody can tell it from a server that chokes on a row.  So rows do
 * not fail with their last attempt, but when something that was sent after it is
 * answered: then it was their own fault.  If the server goes out instead, the
 * request goes again, with all of its attempts before it.
 *
 * No more is kept so than was in flight, about: an answer settles all that had failed when
 * its request was sent, and without any answer the server is out soon.
 *
 * At the end of a job nothing may be left to be sent.  Then such rows fail when
 * nobody else has a request on its way to the server, or after a timeout: by then
 * whatever was on its way at that time has ended.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_undecided.h"

#include "base/clock.h"
#include "worker/worker.h"

void
worker_leave_undecided(Worker *worker, Request *request, int http_status, const char *error)
{
	request_set_refusal(request, http_status, error);
	request->failed_at = clock_now();
	request->next = worker->undecided;
	worker->undecided = request;
}

/* The server is to blame: it is as if the request had not been sent yet. */
static void
send_anew(Worker *worker, Request *request)
{
	request_set_refusal(request, 0, NULL);
	request->attempts = 0;
	request->failures = 0;
	request->not_before = 0;
	outbox_put(&worker->outbox, request);
}

/* Could the worker send, and has nothing to be sent, nor can it load any? */
static bool
has_sent_all(const Worker *worker)
{
	return worker_may_send(worker) && http_in_flight(worker->http) == 0 &&
		outbox_count(&worker->outbox) == 0 && worker->unloaded == NIL &&
		(worker->claims.exhausted || worker->place.slot->claim_count == SHARED_MAX_CLAIMS);
}

/* Will nothing more come that could tell of such a failure? */
static bool
is_final(const Worker *worker, const Request *request)
{
	int64		timeout_us = worker->setup.endpoint->server->timeout_ms * INT64CONST(1000);

	return !permits_server_is_asked(worker_server_index(worker)) ||
		clock_now() - request->failed_at >= timeout_us;
}

void
worker_decide(Worker *worker)
{
	Request    *request = worker->undecided;

	worker->undecided = NULL;
	while (request != NULL)
	{
		Request    *next = request->next;
		HealthBlame blame = permits_blame(worker_server_index(worker), request->failed_at,
										  request->outages);

		if (blame == HEALTH_BLAME_OPEN && has_sent_all(worker) && is_final(worker, request))
			blame = HEALTH_BLAME_REQUEST;
		switch (blame)
		{
			case HEALTH_BLAME_OPEN:
				request->next = worker->undecided;
				worker->undecided = request;
				break;
			case HEALTH_BLAME_REQUEST:
				outcome_queue_fail_refused(&worker->outcomes, request);
				break;
			case HEALTH_BLAME_SERVER:
				send_anew(worker, request);
				break;
		}
		request = next;
	}
}
