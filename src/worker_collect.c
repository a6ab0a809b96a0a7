/*-------------------------------------------------------------------------
 *
 * worker_collect.c
 *	  The step of a worker's turn that takes what the network has brought.
 *
 * Each request that has ended becomes an outcome to be stored, or goes back to
 * be tried again.  No transaction is needed but for paths that are not plain.
 *
 *-------------------------------------------------------------------------
 */
#include "worker_loop.h"

#include "common/pg_prng.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "permits.h"

void
worker_add_outcome(Worker *worker, Outcome *outcome)
{
	outcome->next = NULL;
	*worker->outcomes_end = outcome;
	worker->outcomes_end = &outcome->next;
	if (worker->outcome_rows == 0)
		worker->outcomes_since = clock_now();
	worker->outcome_rows += outcome->row_count;
	worker->found_any |= outcome->response.found_any;
	worker->outcome_bytes += outcome->answer.capacity + response_size(&outcome->response);
}

void
worker_fail_request(Worker *worker, Request *request, int http_status, const char *error)
{
	Outcome    *outcome = request_into_outcome(request, OUTCOME_FAILED);

	outcome->http_status = http_status;
	strlcpy(outcome->error, error, sizeof(outcome->error));
	outcome->bucket->http_status = http_status;
	worker_add_outcome(worker, outcome);
}

/* Exponential backoff with full jitter: anything from now to base * 2^(attempts - 1), capped. */
static int64
backoff_us(const Server *server, int attempts)
{
	double		limit = (double) server->backoff_base_ms *
		(double) (INT64CONST(1) << Min(attempts - 1, 30));

	limit = Min(limit, (double) server->backoff_max_ms);
	return (int64) (pg_prng_double(&pg_global_prng_state) * limit * 1000.0);
}

/* A failure that may pass: try again later, or give up after max_attempts. */
static void
retry_request(Worker *worker, Request *request, const HttpResult *result, const char *error)
{
	int64		wait = backoff_us(worker->server, request->attempts);

	request->bucket->http_status = result->status;
	if (request->attempts >= worker->server->max_attempts)
	{
		worker_fail_request(worker, request, result->status, error);
		return;
	}
	if (result->retry_after_ms >= 0)
		wait = Max(wait, result->retry_after_ms * 1000);
	request->not_before = clock_now() + wait;
	outbox_put(&worker->outbox, request);
}

typedef struct TokenFind
{
	int64_t		tokens;
} TokenFind;

static bool
find_tokens(JsonSlice found, void *state)
{
	(void) (json_kind(found) == JSON_NUMBER &&
			json_to_int64(found, &((TokenFind *) state)->tokens));
	return false;
}

/* The tokens an answer says it cost; 0 where it does not say. */
static int64
reported_tokens(const Worker *worker, Response *response)
{
	TokenFind	find = {0};

	if (response->root.start != NULL)
		(void) path_find(&worker->recipe->usage, response->root, &response->arena, find_tokens,
						 &find);
	return Max(find.tokens, 0);
}

/* Items that say by their keys which rows they belong to. */
static void
match_items(Worker *worker, const Request *request, Response *response)
{
	Datum	  **keys = palloc(sizeof(Datum *) * request->row_count);

	for (int i = 0; i < request->row_count; i++)
		keys[i] = request->rows[i]->keys;
	matcher_assign(worker->recipe->matcher, keys, worker->recipe->many, response);
}

/* Returns the tokens it cost. */
static int64
decode(Worker *worker, Request *request, HttpResult *result)
{
	Response	response;
	Outcome    *outcome;
	int64		tokens;

	/* Keys, and paths that are not plain, are PostgreSQL's own to compare and evaluate. */
	if (worker->recipe->evaluates && !worker_begin(worker))
	{
		request_free(request);	/* the extension is gone, and so is the job */
		return 0;
	}
	response_decode(result->body.data, result->body.length, &worker->recipe->shape,
					request->row_count, &response);
	tokens = reported_tokens(worker, &response);
	if (worker->recipe->matcher != NULL && response.status == RESPONSE_OK)
		match_items(worker, request, &response);
	if (worker->recipe->evaluates)
	{
		worker_commit();
		MemoryContextSwitchTo(worker->turn);
	}
	if (response.status != RESPONSE_OK)
	{
		if (response.status == RESPONSE_MISMATCHED)
			worker_fail_request(worker, request, result->status, response.error);
		else
			retry_request(worker, request, result, response.error);
		response_free(&response);
		return tokens;
	}
	request->bucket->http_status = result->status;
	outcome = request_into_outcome(request, OUTCOME_ANSWERED);
	outcome->http_status = result->status;
	outcome->response = response;
	outcome->answer = result->body;
	memset(&result->body, 0, sizeof(result->body));
	worker_add_outcome(worker, outcome);
	return tokens;
}

/*
 * A whole answer with a status that is no success; where the URL names a row,
 * some say that there is nothing to be had for it.
 */
static void
refuse(Worker *worker, Request *request, const HttpResult *result)
{
	char		reason[400];
	char		error[512];

	if (request->row_count == 1 && template_single_row_placeholder(worker->recipe->url) != NULL &&
		list_member_int(worker->server->not_found, result->status))
	{
		Outcome    *outcome = request_into_outcome(request, OUTCOME_NOTHING);

		outcome->http_status = result->status;
		outcome->bucket->http_status = result->status;
		worker_add_outcome(worker, outcome);
		return;
	}
	response_error_text(result->body.data, result->body.length, reason, sizeof(reason));
	snprintf(error, sizeof(error), reason[0] != '\0' ? "HTTP status %d: %s" : "HTTP status %d",
			 result->status, reason);
	if (result->status >= 500)
		retry_request(worker, request, result, error);
	else
		worker_fail_request(worker, request, result->status, error);
}

/* What becomes of a request that has ended.  Returns the tokens it cost. */
static int64
settle(Worker *worker, HttpResult *result)
{
	Request    *request = result->tag;
	int64		tokens = 0;

	buffer_free(&request->body);
	buffer_free(&request->url);
	switch (result->fault)
	{
		case HTTP_ANSWERED:
			if (result->status / 100 == 2)
				tokens = decode(worker, request, result);
			else
				refuse(worker, request, result);
			break;
		case HTTP_TRANSIENT:
		case HTTP_INTERNAL:
			retry_request(worker, request, result, result->error);
			break;
		case HTTP_REFUSED:
		case HTTP_TOO_LARGE:
			worker_fail_request(worker, request, result->status, result->error);
			break;
	}
	buffer_free(&result->body);
	return tokens;
}

/* How large answers are: the average follows quickly upwards, slowly downwards. */
static void
note_answer_size(Worker *worker, size_t length)
{
	if (length > worker->answer_size)
		worker->answer_size = length;
	else
		worker->answer_size -= (worker->answer_size - length) / 16;
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
	worker->entry->tokens += tokens;
	shared_unlock();
}

void
turn_collect(Worker *worker)
{
	Answer		answers[64];
	int			count = 0;
	HttpResult	result;

	http_pump(worker->http);
	while (http_next_finished(worker->http, &result))
	{
		Answer	   *answer = &answers[count++];

		answer->status = result.fault == HTTP_ANSWERED ? result.status : 0;
		answer->elapsed_us = result.elapsed_us;
		answer->bytes_in = result.bytes_in;
		answer->bytes_out = result.bytes_out;
		note_answer_size(worker, result.body.length);
		answer->tokens = settle(worker, &result);
		worker->unsaved.tokens += answer->tokens;
		spend(worker, answer->tokens);
		if (count == lengthof(answers))
		{
			permits_give_back(worker->slot_index, answers, count);
			count = 0;
		}
	}
	if (count > 0)
		permits_give_back(worker->slot_index, answers, count);
}
