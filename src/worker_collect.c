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
#include "worker_loop.h"

#include "permits.h"

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

/*
 * Answers that take a transaction to read are left where they are while none
 * can be had.
 */
static bool
may_read(Worker *worker)
{
	return !worker->recipe->evaluates || !http_has_finished(worker->http) ||
		worker_can_begin(worker, STEP_READ);
}

void
turn_collect(Worker *worker)
{
	Answer		answers[64];
	int			count = 0;
	HttpResult	result;

	http_pump(worker->http);
	if (!may_read(worker))
		return;
	while (worker->attempts[STEP_READ].failed == 0 && http_next_finished(worker->http, &result))
	{
		Answer	   *answer = &answers[count++];

		answer->status = result.fault == HTTP_ANSWERED ? result.status : 0;
		answer->elapsed_us = result.elapsed_us;
		answer->bytes_in = result.bytes_in;
		answer->bytes_out = result.bytes_out;
		note_answer_size(worker, result.body.length);
		answer->tokens = worker_settle(worker, &result);
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
