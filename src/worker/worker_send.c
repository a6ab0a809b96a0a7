/*-------------------------------------------------------------------------
 *
 * worker_send.c
 *	  The step of a worker's turn that sends requests.
 *
 * A free permit waits for no other step: what lies ready is sent first, and leaves at
 * once.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_send.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "recipe/call.h"
#include "worker/worker.h"
#include "worker/worker_limits.h"
#include "worker/worker_refuse.h"

/* Requests go as connections, streams and look-ups have room: so often in one turn. */
#define SEND_ROUNDS 8

/* Fill the templates.  False: *why says why not. */
static bool
build(Worker *worker, Request *request, const char **why)
{
	RequestRow *rows = palloc(sizeof(RequestRow) * request->row_count);
	RequestScope scope = {worker->setup.job->id, request->bucket->row.bucket, rows,
	request->row_count};
	bool		built;

	for (int i = 0; i < request->row_count; i++)
		rows[i] = request->rows[i]->request;
	buffer_reset(&request->url);
	buffer_reset(&request->body);
	built = call_build(worker->setup.endpoint, &scope, &request->url, &request->body, why);
	pfree(rows);
	return built;
}

static void
note_sent(Worker *worker, Request *request)
{
	if (request->bucket->started_at == 0)
		request->bucket->started_at = GetCurrentTimestamp();
	request->bucket->row.attempts++;
	worker->memory.body_bytes += request->body.capacity;
	request->endpoint = worker->send.endpoint = worker->setup.endpoint;
	worker->counters.unsaved.requests++;
	request->attempts++;
	request->sent_at = clock_now();
	if (request->sent++ > 0)
		worker->counters.unsaved.retries++;
}

/* Send one request, for which a permit is held. */
static void
send_request(Worker *worker, Request *request)
{
	const char *why = "";

	if (build(worker, request, &why) &&
		call_start(worker->http, worker->setup.endpoint, &request->url, &request->body, request))
	{
		note_sent(worker, request);
		return;
	}
	permits_return_unused(worker->place.slot_index, worker_server_index(worker),
						  request->tokens_taken, clock_now(), false);
	outcome_queue_fail(&worker->outcomes, request, 0,
					   why[0] != '\0' ? why : "out of memory while the request was made");
}

/*
 * What was decided and is not sent yet, because its connection is still being made, is
 * decided anew: caps, pauses, keys and addresses may be others by now.  It takes a look at
 * shared memory, and only while there is such a request.
 */
void
turn_recall(Worker *worker)
{
	bool		all;

	if (http_unsent(worker->http) == 0)
		return;
	all = !worker_may_send(worker) || worker_is_steered(worker) ||
		worker->send.endpoint != worker->setup.endpoint;
	http_recall(worker->http, all ? PG_INT32_MAX
				: permits_excess(worker->place.slot_index, worker_server_index(worker)));
}

/* Nothing of the worker's waits for a permit. */
static void
want_nothing(Worker *worker)
{
	if (worker->place.slot->wants)
		permits_want_nothing(worker->place.slot_index, worker_server_index(worker));
}

/* The job may spend no more: what has not been sent is not to be. */
static void
hold_back(Worker *worker)
{
	/*
	 * Those that are due are not what to wake up for, where the pause cannot
	 * be written yet.
	 */
	(void) outbox_peek(&worker->outbox, clock_now());
	http_recall(worker->http, PG_INT32_MAX);
	want_nothing(worker);
}

/*
 * Is there memory for another request and its answer?  A single request may exceed it, but not
 * on top of answers that wait to be stored.
 */
static bool
has_memory(const Worker *worker)
{
	return worker_memory_used(worker) <= worker_memory_limit(worker) ||
		(http_in_flight(worker->http) == 0 && outcome_queue_is_empty(&worker->outcomes));
}

static bool
take_permit(Worker *worker, Request *request)
{
	Refusal		refusal;

	request->tokens_taken = worker_expected_tokens(worker, request);
	if (permits_take(worker->place.slot_index, worker_server_index(worker),
					 request->tokens_taken, &refusal))
		return true;
	if (refusal.wait_us != CLOCK_NEVER)
		worker->send.permit_not_before = clock_now() + refusal.wait_us;
	return false;
}

/* Returns whether there is more to be sent, by permits, than there are connections for. */
static bool
send_ready(Worker *worker)
{
	Request    *request;
	bool		full = false;

	worker->send.permit_not_before = CLOCK_NEVER;
	if (worker_check_budget(worker))
	{
		hold_back(worker);
		return false;
	}
	while (worker_may_send(worker) && (request = outbox_peek(&worker->outbox, clock_now())) != NULL)
	{
		/*
		 * Requests may have become smaller since it was cut: its server was
		 * changed.
		 */
		if (request->row_count > worker->setup.endpoint->batch_size)
		{
			outbox_pop(&worker->outbox);
			worker_fit_request(worker, request);
			continue;
		}
		if (clock_now() < worker->attempts[STEP_CONNECT].not_before)
			break;
		/* What is not sent at once is decided when it can be. */
		full = http_room(worker->http) == 0;
		if (full || !has_memory(worker))
			break;
		if (!take_permit(worker, request))
			return false;
		outbox_pop(&worker->outbox);
		send_request(worker, request);
	}
	want_nothing(worker);
	return full;
}

/*
 * On the wire at once: what comes next in a turn may take long.  What has come back makes
 * room for others, but comes first itself.
 */
void
turn_send(Worker *worker)
{
	int			rounds = SEND_ROUNDS;
	bool		more;

	if (worker_may_send(worker) && outbox_peek(&worker->outbox, clock_now()) != NULL)
		token_file_look(worker);
	turn_recall(worker);
	do
	{
		more = !worker_is_steered(worker) && send_ready(worker);
		http_flush(worker->http);
		more = more && http_room(worker->http) > 0 && !http_has_finished(worker->http);
	} while (more && --rounds > 0);
	worker->send.more = more;
}
