/*-------------------------------------------------------------------------
 *
 * outcome_queue.c
 *	  Outcomes that wait to be stored, in the order in which they came.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/outcome_queue.h"

#include "base/clock.h"

static int
rows_left(const Outcome *outcome)
{
	return outcome->row_count - outcome->stored;
}

static void
count_rows(OutcomeQueue *queue, const Outcome *outcome, int rows)
{
	queue->rows += rows;
	if (outcome->kind == OUTCOME_FAILED)
		queue->failed_rows += rows;
	Assert(queue->rows >= 0 && queue->failed_rows >= 0 && queue->failed_rows <= queue->rows);
}

static void
uncount_bytes(OutcomeQueue *queue, const Outcome *outcome)
{
	Assert(queue->bytes >= outcome->bytes);
	queue->bytes -= outcome->bytes;
}

/* The average follows at once upwards, slowly downwards. */
static void
note_size(OutcomeQueue *queue, Size bytes)
{
	if (bytes > queue->size_lately)
		queue->size_lately = bytes;
	else
		queue->size_lately -= (queue->size_lately - bytes) / 16;
}

void
outcome_queue_push(OutcomeQueue *queue, Outcome *outcome)
{
	outcome->next = NULL;
	if (queue->first == NULL)
		queue->first = outcome;
	else
		queue->last->next = outcome;
	queue->last = outcome;
	count_rows(queue, outcome, rows_left(outcome));
	queue->bytes += outcome->bytes;
}

void
outcome_queue_add(OutcomeQueue *queue, Outcome *outcome)
{
	outcome->bytes = outcome->answer.capacity + response_size(&outcome->response);
	outcome->since = clock_now();
	note_size(queue, outcome->bytes);
	queue->found_any |= outcome->response.found_any;
	queue->found_item |= outcome->response.item_count > 0;
	outcome_queue_push(queue, outcome);
}

void
outcome_queue_fail(OutcomeQueue *queue, Request *request, int http_status, const char *error)
{
	Outcome    *outcome = request_into_outcome(request, OUTCOME_FAILED);

	outcome->http_status = http_status;
	strlcpy(outcome->error, error, sizeof(outcome->error));
	outcome->bucket->http_status = http_status;
	outcome_queue_add(queue, outcome);
}

void
outcome_queue_fail_refused(OutcomeQueue *queue, Request *request)
{
	char		error[sizeof(((Outcome *) NULL)->error)];

	/* It goes with the request. */
	strlcpy(error, request->refusal, sizeof(error));
	outcome_queue_fail(queue, request, request->refusal_status, error);
}

/* It stays counted: a run is. */
static Outcome *
remove_first(OutcomeQueue *queue)
{
	Outcome    *outcome = queue->first;

	queue->first = outcome->next;
	outcome->next = NULL;
	return outcome;
}

static void
put_first(OutcomeQueue *queue, Outcome *outcome)
{
	if (queue->first == NULL)
		queue->last = outcome;
	outcome->next = queue->first;
	queue->first = outcome;
}

Outcome *
outcome_queue_pop(OutcomeQueue *queue)
{
	Outcome    *outcome = remove_first(queue);

	count_rows(queue, outcome, -rows_left(outcome));
	uncount_bytes(queue, outcome);
	return outcome;
}

int
outcome_queue_take(OutcomeQueue *queue, int first_rows, int most_rows, Size most_bytes)
{
	Outcome   **end = &queue->run;
	int			rows = Min(rows_left(queue->first), first_rows);
	Size		bytes = queue->first->bytes;
	int			taken = rows;

	Assert(queue->run == NULL);
	for (;;)
	{
		Outcome    *next;

		*end = remove_first(queue);
		(*end)->taken = taken;
		end = &(*end)->next;
		next = queue->first;
		if (next == NULL || rows + rows_left(next) > most_rows ||
			bytes + next->bytes > most_bytes)
			return rows;
		taken = rows_left(next);
		rows += taken;
		bytes += next->bytes;
	}
}

void
outcome_queue_stored(OutcomeQueue *queue)
{
	Outcome    *outcome = queue->run;

	queue->run = outcome->next;
	count_rows(queue, outcome, -outcome->taken);
	outcome->stored += outcome->taken;
	outcome->taken = 0;
	if (rows_left(outcome) > 0)
		put_first(queue, outcome);
	else
	{
		uncount_bytes(queue, outcome);
		outcome_free(outcome);
	}
}

void
outcome_queue_put_back(OutcomeQueue *queue)
{
	Outcome    *last = queue->run;

	while (last->next != NULL)
		last = last->next;
	if (queue->first == NULL)
		queue->last = last;
	last->next = queue->first;
	queue->first = queue->run;
	queue->run = NULL;
}
