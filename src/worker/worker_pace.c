/*-------------------------------------------------------------------------
 *
 * worker_pace.c
 *	  When a worker loads, reads and stores, and how much at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_pace.h"

#include <poll.h>

#include "base/clock.h"
#include "worker/worker.h"

/* Answers are read for so long; then free permits come first, and the others in the next turn. */
#define READ_US 1000

/*
 * The network is looked after so often at least, whatever is at hand: deadlines are judged
 * there.
 */
#define PUMP_AT_LEAST_US 20000

/* Bytes of an answer that takes a while to read: some 0.1 ms. */
#define LARGE_ANSWER (64 * 1024)

/*
 * Large answers that were asked for together come one behind the other: where one
 * was read, the next is there within so long.
 */
#define BURST_GAP_US 3000

/*
 * Outcomes are stored when so much has come back (or STORE_ROWS), or they are this old; and
 * sooner when there is nothing else to do and a transaction for them is worth it.
 */
#define STORE_BYTES (32 * 1024 * 1024)
#define STORE_AGE_US 50000
#define STORE_IDLE_ROWS 500
#define STORE_IDLE_AGE_US 5000	/* no more: what is not stored is lost in a crash */

/*
 * While there is something to be read, and permits wait for that, outcomes may get
 * older; and by a worker with time to spare more, as it stores them in between.
 */
#define STORE_BUSY_AGE_US 100000

/*
 * What one transaction stores: what takes so long, as no free permit is to wait for
 * more; but where commits are slow, several times what one of them takes, and where
 * there is no time to spare what makes the most of each.
 */
#define STORE_SLICE_US 8000
#define STORE_SLICE_COMMITS 4
#define STORE_BUSY_SLICE_US 40000

/* What a row is thought to take before any has been stored, in microseconds. */
#define STORE_FIRST_ROW_US 10.0

/*
 * A worker that waits for a twentieth of its time, or more, has time to spare.  That is
 * judged over a window or two, which are longer than many an API's latency: answers
 * that come in waves leave it none for a while.
 */
#define LEISURE_SHARE 20
#define LEISURE_WINDOW_US 250000

void
worker_pace_begin(Worker *worker)
{
	worker->pace.leisure.since = worker->pace.leisure.window_at = clock_now();
}

/*
 * Has the worker time to spare?  If not, its answers are not waited for, and what
 * counts is what a row costs; else how long a free permit has to wait.
 */
static bool
has_leisure(const Worker *worker)
{
	const Leisure *leisure = &worker->pace.leisure;

	return (leisure->waited + leisure->waited_before) * LEISURE_SHARE >=
		clock_now() - leisure->since;
}

void
worker_note_waited(Worker *worker, int64 began)
{
	Leisure    *leisure = &worker->pace.leisure;
	int64		now = clock_now();

	leisure->waited += now - began;
	if (now - leisure->window_at < LEISURE_WINDOW_US)
		return;
	leisure->since = leisure->window_at;
	leisure->waited_before = leisure->waited;
	leisure->window_at = now;
	leisure->waited = 0;
}

/* How large answers are: the average follows quickly upwards, slowly downwards. */
void
worker_note_answer_size(Worker *worker, Size bytes)
{
	WorkerPace *pace = &worker->pace;

	if (bytes > pace->answer_size)
		pace->answer_size = bytes;
	else
		pace->answer_size -= (pace->answer_size - bytes) / 16;
}

void
worker_note_read(Worker *worker)
{
	worker->pace.read_at = clock_now();
}

/*
 * Clock until which the next one of a burst of large answers is expected; 0: there is none.
 * Where no request waits for an answer to make room, nothing is held up; and where
 * memory is short, a store makes that room.
 */
static int64
burst_end(const Worker *worker)
{
	if (worker->pace.answer_size < LARGE_ANSWER || worker->outbox.ready == 0 ||
		http_in_flight(worker->http) == 0 ||
		worker_memory_used(worker) > worker_memory_limit(worker))
		return 0;
	return worker->pace.read_at + BURST_GAP_US;
}

static bool
network_is_busy(const Worker *worker)
{
	struct pollfd descriptor = {http_descriptor(worker->http), POLLIN, 0};

	return http_in_flight(worker->http) > 0 && poll(&descriptor, 1, 0) > 0;
}

/* Can answers be read, as far as is known? */
static bool
can_read(const Worker *worker)
{
	return worker->attempts[STEP_READ].failed == 0 && !worker->memory.unread;
}

/* Is there something to be read first, or about to be? */
static bool
is_receiving(const Worker *worker)
{
	return (http_has_finished(worker->http) && can_read(worker)) ||
		network_is_busy(worker) || clock_now() < burst_end(worker);
}

/* Enough lies ready for a while: what is to be received, and makes room for it, comes first. */
bool
worker_load_can_wait(const Worker *worker, int share)
{
	return worker->outbox.ready * LOAD_URGENT_SHARE > share && is_receiving(worker);
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

/* Are there answers that cannot be received, or read, before others are stored? */
static bool
needs_memory(const Worker *worker)
{
	return worker->memory.unread || http_holds_back(worker->http);
}

/* The clock of when to store unless the network brings more before, or CLOCK_NEVER. */
static int64
store_at(const Worker *worker)
{
	int64		not_before = worker->attempts[STEP_STORE].not_before;

	if (outcome_queue_is_empty(&worker->outcomes))
		return CLOCK_NEVER;
	not_before = Max(not_before, burst_end(worker));
	if (worker->outcomes.rows >= STORE_IDLE_ROWS || http_in_flight(worker->http) == 0 ||
		needs_memory(worker))
		return not_before;
	return Max(worker->outcomes.first->since + STORE_IDLE_AGE_US, not_before);
}

bool
worker_store_is_due(const Worker *worker, bool urgent)
{
	int64		now = clock_now();
	int64		age;

	if (outcome_queue_is_empty(&worker->outcomes) || now < worker->attempts[STEP_STORE].not_before)
		return false;
	if (urgent || needs_memory(worker))
		return true;
	age = now - worker->outcomes.first->since;
	if (age >= STORE_BUSY_AGE_US || worker->outcomes.bytes >= STORE_BYTES ||
		worker->outcomes.rows >= (has_leisure(worker) ? STORE_BUSY_ROWS : STORE_ROWS))
		return true;
	if (worker->outcomes.rows < STORE_ROWS && age < STORE_AGE_US && now < store_at(worker))
		return false;
	return !is_receiving(worker);
}

/* See STORE_SLICE_US. */
int
worker_slice_rows(const Worker *worker)
{
	const StorePace *pace = &worker->pace.store;
	double		row_us = pace->row_us > 0 ? pace->row_us : STORE_FIRST_ROW_US;
	double		slice_us = has_leisure(worker) ? STORE_SLICE_US : STORE_BUSY_SLICE_US;

	slice_us = Max(slice_us, pace->commit_us * STORE_SLICE_COMMITS);
	return (int) Min(slice_us / row_us, STORE_ROWS);
}

void
worker_note_written(Worker *worker)
{
	worker->pace.store.written_at = clock_now();
}

/* The last few stores count. */
void
worker_note_stored(Worker *worker, int64 began, int rows)
{
	StorePace  *pace = &worker->pace.store;
	double		row_us = (double) Max(pace->written_at - began, 1) / rows;
	double		commit_us = (double) (clock_now() - pace->written_at);

	pace->row_us += pace->row_us > 0 ? (row_us - pace->row_us) / 4 : row_us;
	pace->commit_us += (commit_us - pace->commit_us) / 4;
}

/* Loading waits for the end of a burst. */
int64
worker_pace_due(const Worker *worker)
{
	int64		end = burst_end(worker);

	return end > clock_now() ? Min(end, store_at(worker)) : store_at(worker);
}
