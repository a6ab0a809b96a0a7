/*-------------------------------------------------------------------------
 *
 * worker_collect.c
 *	  The step of a worker's turn that takes what the network has brought.
 *
 * What becomes of each request that has ended is settled in worker_settle.c;
 * here its permit goes back and what it cost is counted.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_collect.h"

#include "base/clock.h"
#include "worker/worker.h"
#include "worker/worker_refuse.h"
#include "worker/worker_settle.h"
#include "worker/worker_undecided.h"

/*
 * Answers that take a transaction to read are left where they are while none
 * can be had; and all of them until a store has made memory for one.
 */
static bool
may_read(Worker *worker)
{
	worker->memory.unread &= !outcome_queue_is_empty(&worker->outcomes);
	if (worker->memory.unread)
		return false;
	return !worker->setup.evaluates || !http_has_finished(worker->http) ||
		worker_can_begin(worker, STEP_READ);
}

static void
pump(Worker *worker)
{
	if (!worker_pump_is_due(worker))
		return;
	worker_bound_arriving(worker);
	http_pump(worker->http);
}

/*
 * A request that was answered makes room for the next one before its answer is
 * read, if that is large: then reading it takes as long as receiving it.  But not
 * while what is in the answer decides whether there is to be a next one.
 */
static void
refill(Worker *worker)
{
	int			answered;

	if (!worker_has_large_answer(worker) || !worker_may_send(worker) ||
		!worker->outcomes.found_any || worker->outcomes.failed_rows > 0 ||
		worker->held != NULL || worker->setup.job->max_tokens >= 0 ||
		permits_server_is_out(worker_server_index(worker)) || worker_is_steered(worker))
		return;
	answered = http_note_answered(worker->http);
	if (answered == 0)
		return;
	permits_return_answered(worker->place.slot_index, answered);
	turn_send(worker);
}

/* It was sent more often than anybody was told. */
static void
count_resent(Worker *worker, Request *request, HttpResult *result)
{
	worker->counters.unsaved.requests += result->resent;
	worker->counters.unsaved.retries += result->resent;
	request->bucket->row.attempts += result->resent;
	result->resent = 0;
}

/* It is not on the wire, and never was: as before note_sent. */
static void
uncount_sent(Worker *worker, Request *request)
{
	worker->counters.unsaved.requests--;
	request->bucket->row.attempts--;
	if (--request->sent > 0)
		worker->counters.unsaved.retries--;
}

/* It was not sent after all, or only in vain: it goes as soon as it may, before all others. */
static void
take_back(Worker *worker, HttpResult *result)
{
	Request    *request = result->tag;

	permits_return_unused(worker->place.slot_index, worker_server_index(worker),
						  request->tokens_taken, request->sent_at, result->resent > 0);
	worker->memory.body_bytes -= request->body.capacity;
	buffer_free(&request->body);
	buffer_free(&request->url);
	buffer_free(&result->body);
	if (result->resent == 0)
		uncount_sent(worker, request);
	else
	{
		result->resent--;		/* the first time is counted */
		count_resent(worker, request, result);
	}
	request->attempts--;
	outbox_put_first(&worker->outbox, request);
	if (result->starved)
		worker_note_starved(worker);
}

/* What became of a request, for its server's statistics. */
static Answer
answer_to(const Request *request, const HttpResult *result)
{
	Answer		answer = {0};

	answer.status = result->fault == HTTP_ANSWERED ? result->status : 0;
	answer.works = result->fault == HTTP_ANSWERED || result->fault == HTTP_TOO_LARGE;
	answer.sent_at = request->sent_at;
	answer.elapsed_us = result->elapsed_us;
	answer.bytes_in = result->bytes_in;
	answer.bytes_out = result->bytes_out;
	answer.tokens_taken = request->tokens_taken;
	answer.returned = result->noted;
	return answer;
}

/* A request has ended.  False: there is no memory to read its answer, but will be. */
static bool
take_result(Worker *worker, HttpResult *result)
{
	Request    *request = result->tag;	/* until it is settled */
	Answer		answer = answer_to(request, result);
	int64		estimated = request->tokens;
	Settled		settled = {0};

	if (result->sent && request->sent_at >= worker->attempts[STEP_CONNECT].not_before)
		worker_forget_failure(worker, STEP_CONNECT);
	count_resent(worker, request, result);
	worker_note_answer_size(worker, result->body.length);
	if (!worker_settle(worker, result, &settled))
	{
		http_put_back(worker->http, result);
		worker->memory.unread = true;
		return false;
	}
	answer.tokens = settled.tokens;
	answer.works = answer.works && !settled.judged;
	worker_return_permit(worker, &answer, estimated);
	return true;
}

/* What has ended, as long as it may be read. */
static void
take_results(Worker *worker)
{
	int64		began = clock_now();
	HttpResult	result;

	while ((worker->attempts[STEP_READ].failed == 0 || !worker->setup.evaluates) &&
		   worker_may_read_on(began) && http_next_finished(worker->http, &result))
	{
		if (result.fault == HTTP_NOT_SENT)
			take_back(worker, &result);
		else if (!take_result(worker, &result))
			break;
	}
	worker_give_back(worker);
}

void
turn_collect(Worker *worker)
{
	pump(worker);
	refill(worker);
	if (!may_read(worker))
		return;
	worker_show_memory(worker, true);
	take_results(worker);
	/* Another worker's request may have been answered, too. */
	if (worker->held != NULL && worker->place.entry->answered)
		worker_settle_held(worker);
	worker_decide(worker);
}
