/*-------------------------------------------------------------------------
 *
 * outcome_queue.c
 *	  Outcomes that wait to be stored, in the order in which they came.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_loop.h"

#include "base/clock.h"

/* How large outcomes are: the average follows at once upwards, slowly downwards. */
static void
note_outcome_size(Worker *worker, Size bytes)
{
	if (bytes > worker->outcome_size)
		worker->outcome_size = bytes;
	else
		worker->outcome_size -= (worker->outcome_size - bytes) / 16;
}

void
worker_add_outcome(Worker *worker, Outcome *outcome)
{
	outcome->next = NULL;
	outcome->bytes = outcome->answer.capacity + response_size(&outcome->response);
	outcome->since = clock_now();
	note_outcome_size(worker, outcome->bytes);
	*worker->outcomes_end = outcome;
	worker->outcomes_end = &outcome->next;
	worker->outcome_rows += outcome->row_count;
	worker->failed_rows += outcome->kind == OUTCOME_FAILED ? outcome->row_count : 0;
	worker->found_any |= outcome->response.found_any;
	worker->found_item |= outcome->response.item_count > 0;
	worker->outcome_bytes += outcome->bytes;
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
