/*-------------------------------------------------------------------------
 *
 * worker_settle.c
 *	  What becomes of a request that has ended.
 *
 * It becomes an outcome to be stored, or goes back to be sent again, by the
 * verdict on how it ended.  No transaction is needed but for paths that are not
 * plain.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_settle.h"

#include "base/clock.h"
#include "recipe/call.h"
#include "recipe/match.h"
#include "server/mask.h"
#include "worker/worker.h"
#include "worker/worker_refuse.h"
#include "worker/worker_undecided.h"

/* Wait for a token's file that somebody may be writing. */
#define FILE_WAIT_US 100000

/* Put a request back, to be sent again after a while. */
static void
put_back(Worker *worker, Request *request, int64 wait_us)
{
	request->not_before = wait_us > 0 ? clock_now() + wait_us : 0;
	outbox_put(&worker->outbox, request);
}

/* An answer that could not be read, as others had the memory, so often is charged. */
#define MAX_LACKS 10

/* The server wants fewer requests: that is nothing against this one. */
static void
return_throttled(Worker *worker, Request *request, const HttpResult *result, Settled *settled)
{
	int64		wait_us;

	request->bucket->http_status = result->status;
	settled->judged = true;
	(void) worker_judge(worker, request, HEALTH_THROTTLED, result, &wait_us);
	put_back(worker, request, wait_us);
}

/* A failure that may pass: try again later, or give up after max_attempts, if it is its own. */
static void
retry_request(Worker *worker, Request *request, const HttpResult *result, const char *error,
			  Settled *settled)
{
	HealthSign	sign = HEALTH_FAILED;
	int64		wait_us;

	if (result->fault == HTTP_INTERNAL || (result->fault == HTTP_ANSWERED && !result->reached))
		sign = HEALTH_NO_SIGN;	/* memory has run out here */
	else if (result->fault != HTTP_ANSWERED && !result->sent)
		sign = HEALTH_UNREACHED;
	request->bucket->http_status = result->status;
	settled->judged = true;
	switch (worker_judge(worker, request, sign, result, &wait_us))
	{
		case JUDGED_AGAIN:
			put_back(worker, request, wait_us);
			break;
		case JUDGED_UNDECIDED:
			worker_leave_undecided(worker, request, result->status, error);
			break;
		case JUDGED_FAILED:
			outcome_queue_fail(&worker->outcomes, request, result->status, error);
			break;
	}
}

static bool
find_tokens(JsonSlice found, void *tokens)
{
	(void) (json_kind(found) == JSON_NUMBER && json_to_int64(found, tokens));
	return false;
}

/*
 * The tokens an answer says it cost; 0 where it does not say.  A number beyond
 * all reason is cut, lest sums overflow and the answer could not be stored.
 */
static int64
reported_tokens(const Endpoint *endpoint, Response *response)
{
	int64_t		tokens = 0;

	if (response->root.start != NULL)
		(void) path_find(&endpoint->usage, response->root, &response->arena, find_tokens, &tokens);
	return Min(Max(tokens, 0), PG_INT32_MAX);
}

/* Items that say by their keys which rows they belong to. */
static void
match_items(const Request *request, Response *response)
{
	const Recipe *recipe = request->endpoint->recipe;
	Datum	  **keys = palloc(sizeof(Datum *) * request->row_count);

	for (int i = 0; i < request->row_count; i++)
		keys[i] = request->rows[i]->keys;
	matcher_assign(recipe->matcher, keys, recipe->many, response);
}

/* An answer that is read, and what is found there. */
typedef struct Reading
{
	const Request *request;
	const HttpResult *result;
	Response	response;
	int64		tokens;			/* that it says it cost */
} Reading;

/*
 * By what an answer is read: the paths of where it was asked for, and values as those columns
 * want them that they are stored in now.  They may have another type since.
 */
static ResponseShape
shape_of(const Worker *worker, const Request *request)
{
	ResponseShape shape = request->endpoint->shape;

	Assert(shape.output_count == worker->setup.recipe->items.output_count);
	shape.outputs = worker->setup.recipe->items.outputs;
	return shape;
}

static void
read_step(Worker *worker, void *arg)
{
	Reading    *reading = arg;
	const Request *request = reading->request;
	Response   *response = &reading->response;
	ResponseShape shape = shape_of(worker, request);

	response_decode(reading->result->body.data, reading->result->body.length, &shape,
					request->row_count, response);
	reading->tokens = reported_tokens(request->endpoint, response);
	if (request->endpoint->recipe->matcher != NULL && response->status == RESPONSE_OK)
		match_items(request, response);
}

/*
 * Keys, and paths that are not plain, are PostgreSQL's own to compare and
 * evaluate.  False: that was canceled, or ran out of memory.
 */
static bool
read_answer(Worker *worker, Reading *reading)
{
	if (!reading->request->endpoint->evaluates)
		read_step(worker, reading);
	else if (!worker_try_as(worker, STEP_READ, read_step, reading))
	{
		response_free(&reading->response);
		return false;
	}
	return true;
}

/*
 * Reading an answer raised an error, and the answer is gone with it.  That is
 * charged, unless somebody canceled it: one that can never be read would be
 * asked and paid for without end.
 */
static void
settle_unread(Worker *worker, Request *request, const HttpResult *result)
{
	const Attempts *attempts = &worker->attempts[STEP_READ];
	const Server *server = worker->setup.endpoint->server;
	bool		charged = attempts->failed > 0 && attempts->last != ERROR_CANCELED;

	/*
	 * Others had the memory: that passes, and costs something only if it does
	 * not.
	 */
	if (attempts->lacked_memory && !result->reached && request->failures++ < MAX_LACKS)
		charged = false;
	if (charged && request->attempts >= server->max_attempts)
	{
		outcome_queue_fail(&worker->outcomes, request, result->status,
						   "the answer could not be read: the server log says why");
		return;
	}
	if (!charged)
		request->attempts--;
	put_back(worker, request, charged ? server->backoff_base_ms * INT64CONST(1000) : 0);
}

/*
 * Was there no memory to read the answer?  Where others that arrive have it, that is nothing
 * against this one.
 */
static bool
lacks_memory(Worker *worker, bool was_read, const Response *response, HttpResult *result)
{
	if (was_read ? response->status != RESPONSE_OUT_OF_MEMORY
		: !worker->attempts[STEP_READ].lacked_memory)
		return false;
	worker_note_memory_refused(worker);
	if (http_received_bytes(worker->http) > 0)
		result->reached = false;
	return true;
}

/* The answer was read, and cannot be used.  Reasons quote its keys and values. */
static void
settle_unusable(Worker *worker, Request *request, const HttpResult *result,
				const Response *response, Settled *settled)
{
	const char *reason = mask_text(response->error, request->endpoint->credentials);

	if (response->status == RESPONSE_MISMATCHED)
		worker_refuse(worker, request, REFUSED_MISMATCH, result->status, reason);
	else
		retry_request(worker, request, result, reason, settled);
}

/* The outcome takes the response over, and the answer where that refers to it. */
static void
settle_answered(Worker *worker, Request *request, HttpResult *result, Response *response)
{
	ResponseShape shape = shape_of(worker, request);
	Outcome    *outcome;

	worker_note_answered(worker, request->row_count);
	request->bucket->http_status = result->status;
	outcome = request_into_outcome(request, OUTCOME_ANSWERED);
	outcome->http_status = result->status;
	if (!response_detach(response, &shape, result->body.data, result->body.length))
	{
		outcome->answer = result->body;
		memset(&result->body, 0, sizeof(result->body));
	}
	outcome->response = *response;
	outcome_queue_add(&worker->outcomes, outcome);
}

/* False: it could not be read, but may be once others were stored. */
static bool
decode(Worker *worker, Request *request, HttpResult *result, Settled *settled)
{
	Reading		reading = {
		.request = request,
		.result = result
	};
	bool		was_read = read_answer(worker, &reading);

	if (lacks_memory(worker, was_read, &reading.response, result) &&
		!outcome_queue_is_empty(&worker->outcomes))
	{
		response_free(&reading.response);
		return false;
	}
	if (!was_read)
	{
		settle_unread(worker, request, result);
		return true;
	}
	settled->tokens = reading.tokens;
	if (reading.response.status == RESPONSE_OK)
		settle_answered(worker, request, result, &reading.response);
	else
	{
		settle_unusable(worker, request, result, &reading.response, settled);
		response_free(&reading.response);
	}
	return true;
}

/*
 * Something is to be mended.  Nothing is charged for it; and where server or
 * credentials are others by now, it is mended already.
 */
static void
settle_configuration(Worker *worker, Request *request, const HttpResult *result,
					 const char *error, const char *hint)
{
	bool		is_past = request->endpoint != worker->setup.endpoint;

	request->bucket->http_status = result->status;
	request->attempts--;
	if (token_file_is_awaited(worker))
	{
		put_back(worker, request, FILE_WAIT_US);
		return;
	}
	put_back(worker, request, 0);
	if (worker->control.mode == WORKER_WORKING && !is_past &&
		!intake_refresh(worker))
		worker_pause(worker, "configuration", worker_message(worker, error), hint);
}

/* The API has no result for the row. */
static void
settle_nothing(Worker *worker, Request *request, const HttpResult *result)
{
	Outcome    *outcome = request_into_outcome(request, OUTCOME_NOTHING);

	worker_note_answered(worker, 1);
	outcome->http_status = result->status;
	outcome->bucket->http_status = result->status;
	outcome_queue_add(&worker->outcomes, outcome);
}

static Verdict
judge(const Worker *worker, const Request *request, const HttpResult *result)
{
	bool		others_pass = result->fault == HTTP_REFUSED &&
		permits_others_pass(worker_server_index(worker), result->may_pass, request->sent_at);

	return call_verdict(request->endpoint, result, request->row_count, others_pass);
}

/* Why it was no success, for a person. */
static const char *
describe_end(const Request *request, const HttpResult *result)
{
	return call_describe_failure(result, request->endpoint->credentials);
}

static bool
is_about_size(const HttpResult *result)
{
	return result->fault == HTTP_TOO_LARGE || result->status == 413 || result->status == 414;
}

bool
worker_settle(Worker *worker, HttpResult *result, Settled *settled)
{
	Request    *request = result->tag;
	Verdict		verdict = judge(worker, request, result);

	worker->memory.body_bytes -= request->body.capacity;
	buffer_free(&request->body);
	buffer_free(&request->url);
	switch (verdict.kind)
	{
		case VERDICT_ANSWERED:
			if (!decode(worker, request, result, settled))
				return false;
			break;
		case VERDICT_NOTHING:
			settle_nothing(worker, request, result);
			break;
		case VERDICT_THROTTLED:
			return_throttled(worker, request, result, settled);
			break;
		case VERDICT_TRANSIENT:
			retry_request(worker, request, result, describe_end(request, result), settled);
			break;
		case VERDICT_CONFIGURATION:
			settle_configuration(worker, request, result, describe_end(request, result),
								 verdict.hint);
			break;
		case VERDICT_BAD_ROWS:
			worker_refuse(worker, request, is_about_size(result) ? REFUSED_SIZE : REFUSED_CONTENT,
						  result->status, describe_end(request, result));
			break;
	}
	buffer_free(&result->body);
	return true;
}
