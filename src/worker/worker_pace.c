/*-------------------------------------------------------------------------
 *
 * worker_pace.c
 *	  When a worker loads, reads and stores, and how much at a time.
 *
 * What is to be loaded and stored limits/pace.c decides, by what it is told here.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_pace.h"

#include "base/clock.h"
#include "worker/worker.h"

/*
 * Answers are read for so long, and the others in the next turn: it bounds how long a permit
 * that has come free waits for them.
 */
#define READ_US 1000

/* It bounds how late deadlines are judged, whatever is at hand: a pump does that. */
#define PUMP_AT_LEAST_US 20000

/* Bytes of an answer that takes a while to read: some 0.1 ms. */
#define LARGE_ANSWER (64 * 1024)

/* How many requests this worker may have in flight: of the job's cap each has its share. */
static int
share_of_cap(Worker *worker)
{
	int			share = permits_share(worker_effective_cap(worker), worker->setup.job->workers);

	return Min(share, http_capacity(worker->http));
}

/* Can answers be read, as far as is known? */
static bool
can_read(const Worker *worker)
{
	return worker->attempts[STEP_READ].failed == 0 && !worker->memory.unread;
}

/* Will the job pause for its failures once those at hand are stored? */
static bool
too_many_failed(const Worker *worker)
{
	int			failed = worker->outcomes.failed_rows;
	int64		bound = worker->setup.job->max_failed_rows;

	return failed > 0 && bound >= 0 && worker->counters.failures_seen + failed > bound;
}

/* Then the paths may be wrong, and no more is to be paid for. */
static bool
nothing_found_yet(const Worker *worker)
{
	return worker->setup.recipe->items.output_count > 0 && !worker->outcomes.found_any;
}

static void
note_requests(Worker *worker, PaceFacts *facts)
{
	facts->share = share_of_cap(worker);
	facts->batch_size = worker->setup.endpoint->batch_size;
	facts->ready = worker->outbox.ready;
	facts->queued = outbox_count(&worker->outbox);
	facts->in_flight = http_in_flight(worker->http);
	facts->receiving = (http_has_finished(worker->http) && can_read(worker)) ||
		http_is_receiving(worker->http);
}

static void
note_outcomes(const Worker *worker, PaceFacts *facts)
{
	const OutcomeQueue *outcomes = &worker->outcomes;

	facts->rows = outcomes->rows;
	facts->bytes = outcomes->bytes;
	facts->since = outcome_queue_is_empty(outcomes) ? 0 : outcomes->first->since;
	facts->job_may_pause = too_many_failed(worker) || nothing_found_yet(worker);
	facts->store_not_before = worker->attempts[STEP_STORE].not_before;
}

void
worker_make_plan(Worker *worker)
{
	PaceFacts	facts = {.now = clock_now()};

	note_requests(worker, &facts);
	note_outcomes(worker, &facts);
	facts.memory_used = worker_memory_used(worker);
	facts.memory_limit = worker_memory_limit(worker);
	facts.needs_memory = worker->memory.unread || http_holds_back(worker->http);
	worker->pace.plan = pace_plan(&worker->pace.stores, &facts);
}

bool
worker_has_large_answer(const Worker *worker)
{
	return http_next_length(worker->http) >= LARGE_ANSWER && can_read(worker);
}

/* A large answer at hand is in the processor's caches: it comes before more of them. */
bool
worker_pump_is_due(Worker *worker)
{
	int64		now = clock_now();

	if (worker_has_large_answer(worker) && now - worker->pace.pumped_at < PUMP_AT_LEAST_US)
		return false;
	worker->pace.pumped_at = now;
	return true;
}

bool
worker_may_read_on(int64 began)
{
	return clock_now() - began < READ_US;
}

void
worker_note_written(Worker *worker)
{
	worker->pace.written_at = clock_now();
}

void
worker_note_stored(Worker *worker, int64 began, int rows)
{
	WorkerPace *pace = &worker->pace;

	pace_note_store(&pace->stores, rows, pace->written_at - began, clock_now() - pace->written_at);
}
