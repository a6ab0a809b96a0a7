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
#include "worker/worker_loop.h"

#include "common/pg_prng.h"

#include "base/clock.h"
#include "shared/permits.h"

/* Answers are read for so long; then free permits come first, and the others in the next turn. */
#define READ_US 1000

/* The network is looked after so often at least, whatever is at hand: deadlines are judged there. */
#define PUMP_AT_LEAST_US 20000

/* Bytes of an answer that takes a while to read: some 0.1 ms. */
#define LARGE_ANSWER (64 * 1024)

/*
 * Large answers that were asked for together come one behind the other: where one
 * was read, the next is there within so long.
 */
#define BURST_GAP_US 3000

/* What was sent, and lost or refused before the server has worked on it, so often is charged. */
#define MAX_UNREACHED 10

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
 * Answers that say what they cost teach what estimates are worth: lately is
 * the last some twenty.
 */
static void
learn_tokens(Worker *worker, int64 estimated, int64 reported)
{
	if (reported <= 0)
		return;
	worker->tokens_estimated += estimated - worker->tokens_estimated / 20;
	worker->tokens_reported += reported - worker->tokens_reported / 20;
}

static void
log_outage_end(const Worker *worker)
{
	ereport(LOG, errmsg("server \"%s\" answers again", worker->server->name));
}

static void
give_back(Worker *worker)
{
	Returns    *returns = &worker->returns;

	if (returns->count > 0 &&
		permits_give_back(worker->slot_index, returns->answers, returns->count))
		log_outage_end(worker);
	returns->count = 0;
}

/* Exponential backoff with full jitter: anything from now to base * 2^(failures - 1), capped. */
static int64
backoff_us(const Server *server, int failures)
{
	double		limit = (double) server->backoff_base_ms *
		(double) (INT64CONST(1) << Min(failures - 1, 30));

	limit = Min(limit, (double) server->backoff_max_ms);
	return (int64) (pg_prng_double(&pg_global_prng_state) * limit * 1000.0);
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

	give_back(worker);			/* of those before: the order tells */
	trial.sent_at = request->sent_at;
	trial.wait_us = result->retry_after_ms * 1000;
	trial.failed_before = request->failures > 0;
	trial.outages = request->outages;
	trial.failure = describe_failure(result);
	charge = permits_judge(worker->slot_index, &trial);
	worker->returns.judged = true;

	if (charge.outage_begins)
		ereport(LOG,
				errmsg("server \"%s\" gives nothing but failures: %s", worker->server->name,
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
	 * That the server has not worked on it, or has lost it with its connection, passes; and that
	 * there was no memory to send it.  If it goes on, it is something in the request after all.
	 */
	if ((result->sent ? !result->reached : result->fault == HTTP_INTERNAL) &&
		request->failures < MAX_UNREACHED)
		charge.counts = false;
	if (!charge.counts)
		request->attempts--;
	*wait_us = 0;
	/* Of what fails in an outage it is decided already that it is charged: see HEALTH_PATIENCE_US. */
	if (charge.counts && request->attempts >= worker->server->max_attempts)
		return sign == HEALTH_FAILED && !charge.out ? JUDGED_UNDECIDED : JUDGED_FAILED;
	/* While a server is paused, that alone says who sends when. */
	if (sign == HEALTH_THROTTLED || charge.out)
		return JUDGED_AGAIN;
	request->failures++;
	*wait_us = Max(backoff_us(worker->server, request->failures), trial.wait_us);
	return JUDGED_AGAIN;
}

/*
 * Answers that take a transaction to read are left where they are while none
 * can be had; and all of them until a store has made memory for one.
 */
static bool
may_read(Worker *worker)
{
	worker->unread &= worker->outcomes != NULL;
	if (worker->unread)
		return false;
	return !worker->recipe->evaluates || !http_has_finished(worker->http) ||
		worker_can_begin(worker, STEP_READ);
}

/*
 * Where no request waits for an answer to make room, nothing is held up; and where
 * memory is short, a store makes that room.
 */
int64
worker_burst_end(const Worker *worker)
{
	if (worker->answer_size < LARGE_ANSWER || worker->outbox.ready == 0 ||
		http_in_flight(worker->http) == 0 ||
		worker_memory_used(worker) > worker_memory_limit(worker))
		return 0;
	return worker->read_at + BURST_GAP_US;
}

/* Is there an answer that takes a while to read, and can be read now? */
static bool
has_large_answer(const Worker *worker)
{
	return worker->answer_size >= LARGE_ANSWER && http_has_finished(worker->http) &&
		worker_can_read(worker);
}

/* A large answer at hand is in the processor's caches: it comes before more of them. */
static void
pump(Worker *worker)
{
	int64		now = clock_now();

	if (has_large_answer(worker) && now - worker->pumped_at < PUMP_AT_LEAST_US)
		return;
	worker->pumped_at = now;
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

	if (!has_large_answer(worker) || !worker_may_send(worker) || !worker->found_any ||
		worker->held != NULL || worker->failed_rows > 0 || worker->job->max_tokens >= 0 ||
		permits_server_is_out(worker->slot_index) || worker_is_steered(worker))
		return;
	answered = http_note_answered(worker->http);
	if (answered == 0)
		return;
	permits_return_answered(worker->slot_index, answered);
	turn_send(worker);
}

/* It was sent more often than anybody was told. */
static void
count_resent(Worker *worker, Request *request, HttpResult *result)
{
	worker->unsaved.requests += result->resent;
	worker->unsaved.retries += result->resent;
	request->bucket->row.attempts += result->resent;
	result->resent = 0;
}

/* It is not on the wire, and never was: as before note_sent. */
static void
uncount_sent(Worker *worker, Request *request)
{
	worker->unsaved.requests--;
	request->bucket->row.attempts--;
	if (--request->sent > 0)
		worker->unsaved.retries--;
}

/* It was not sent after all, or only in vain: it goes as soon as it may, before all others. */
static void
take_back(Worker *worker, HttpResult *result)
{
	Request    *request = result->tag;

	permits_return_unused(worker->slot_index, request->tokens_taken, request->sent_at,
						  result->resent > 0);
	worker->body_bytes -= request->body.capacity;
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

void
turn_collect(Worker *worker)
{
	Returns    *returns = &worker->returns;
	HttpResult	result;
	int64		began;

	pump(worker);
	refill(worker);
	if (!may_read(worker))
		return;
	worker_show_memory(worker, true);
	began = clock_now();
	while ((worker->attempts[STEP_READ].failed == 0 || !worker->recipe->evaluates) &&
		   clock_now() - began < READ_US && http_next_finished(worker->http, &result))
	{
		Request    *request = result.tag;
		Answer		answer = {0};
		int64		estimated = request->tokens;

		if (result.fault == HTTP_NOT_SENT)
		{
			take_back(worker, &result);
			continue;
		}
		answer.status = result.fault == HTTP_ANSWERED ? result.status : 0;
		answer.sent_at = request->sent_at;
		answer.elapsed_us = result.elapsed_us;
		answer.bytes_in = result.bytes_in;
		answer.bytes_out = result.bytes_out;
		answer.tokens_taken = request->tokens_taken;
		answer.returned = result.noted;
		answer.works = result.fault == HTTP_ANSWERED || result.fault == HTTP_TOO_LARGE;
		if (result.sent && request->sent_at >= worker->attempts[STEP_CONNECT].not_before)
			worker_forget_failure(worker, STEP_CONNECT);
		count_resent(worker, request, &result);
		note_answer_size(worker, result.body.length);
		returns->judged = false;
		if (!worker_settle(worker, &result, &answer.tokens))
		{
			http_put_back(worker->http, &result);
			worker->unread = true;
			break;
		}
		answer.works = answer.works && !returns->judged;
		worker->unsaved.tokens += answer.tokens;
		spend(worker, answer.tokens);
		learn_tokens(worker, estimated, answer.tokens);
		returns->answers[returns->count++] = answer;
		if (returns->count == lengthof(returns->answers))
			give_back(worker);
		worker->read_at = clock_now();
	}
	give_back(worker);
	/* Another worker's request may have been answered, too. */
	if (worker->held != NULL && worker->entry->answered)
		worker_settle_held(worker);
	worker_decide(worker);
}
