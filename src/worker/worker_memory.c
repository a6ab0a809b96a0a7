/*-------------------------------------------------------------------------
 *
 * worker_memory.c
 *	  What a worker holds in memory, and may hold.
 *
 * pg_enrich.worker_memory bounds rows, requests, answers, and those that arrive.  There
 * may be less than that: where the system refuses memory, the bound becomes half of what
 * was held then, and grows again by and by.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_memory.h"

#include "common/settings.h"
#include "worker/worker.h"

/*
 * What a store needs beside an outcome, in copies of it: its values, the results' tuples, and
 * the target's, as they are and as they are compressed.
 */
#define STORE_COPIES 4

/* Answers that arrive may hold this part of the bound, whatever else is held. */
#define ARRIVING_SHARE 16

/* The least bound: that of the setting. */
#define MIN_BOUND (1024 * 1024)

/* By this part of it a reduced bound grows each tick: it doubles in 3 s. */
#define REGROWTH_SHARE 8

/* What is held is shown at once where it differs by so much, in bytes. */
#define SHOWN_AT_ONCE (4 * 1024 * 1024)

Size
worker_memory_limit(const Worker *worker)
{
	Size		setting = (Size) settings_worker_memory * 1024;

	return worker->memory.bound > 0 ? Min(setting, worker->memory.bound) : setting;
}

/* The average follows at once upwards, slowly downwards. */
void
worker_note_answer_size(Worker *worker, Size bytes)
{
	if (bytes > worker->memory.answer_size)
		worker->memory.answer_size = bytes;
	else
		worker->memory.answer_size -= (worker->memory.answer_size - bytes) / 16;
}

/* Rows, what was made of them, and answers at hand. */
static Size
held_beside_arriving(const Worker *worker)
{
	return worker->memory.loaded_bytes + worker->memory.body_bytes + worker->outcomes.bytes;
}

Size
worker_memory_held(const Worker *worker)
{
	return held_beside_arriving(worker) + (Size) http_received_bytes(worker->http);
}

Size
worker_memory_used(const Worker *worker)
{
	Size		to_come = (Size) http_in_flight(worker->http) * worker->memory.answer_size;

	return held_beside_arriving(worker) + Max(to_come, (Size) http_received_bytes(worker->http));
}

/*
 * What the next store is going to need, by the largest outcomes lately.  As long as there
 * was none, some of the bound is left for it.  Where stores have to wait (for a lock, say),
 * what is on its way is to come in meanwhile.
 */
static Size
store_need(const Worker *worker, Size limit)
{
	const Attempts *store = &worker->attempts[STEP_STORE];
	Size		size = worker->outcomes.size_lately;

	if (store->failed > 0 && !store->lacked_memory)
		return 0;
	return size > 0 ? STORE_COPIES * size : limit / 2;
}

void
worker_bound_arriving(Worker *worker)
{
	Size		limit = worker_memory_limit(worker);
	Size		others = held_beside_arriving(worker) + store_need(worker, limit);
	Size		room = limit / ARRIVING_SHARE;

	if (http_memory_refused(worker->http) != worker->memory.refused_before)
	{
		worker->memory.refused_before = http_memory_refused(worker->http);
		worker_note_memory_refused(worker);
	}
	if (others < limit)
		room = Max(room, limit - others);
	http_set_room(worker->http, (int64) room, !outcome_queue_is_empty(&worker->outcomes));
}

void
worker_note_memory_refused(Worker *worker)
{
	Size		held = worker_memory_held(worker);

	/* What is held beyond the bound goes first: then it may be low enough. */
	if (held <= worker_memory_limit(worker))
		worker->memory.bound = Max(held / 2, MIN_BOUND);
}

void
worker_regrow_memory(Worker *worker)
{
	if (worker->memory.bound == 0)
		return;
	worker->memory.bound += worker->memory.bound / REGROWTH_SHARE;
	if (worker->memory.bound >= (Size) settings_worker_memory * 1024)
		worker->memory.bound = 0;
}

static void
show(Worker *worker, Size held)
{
	shared_lock();
	worker->place.slot->memory_used = held;
	worker->place.slot->holds_back = http_holds_back(worker->http);
	shared_unlock();
}

void
worker_show_memory(Worker *worker, bool if_much)
{
	Size		held = worker_memory_held(worker);
	Size		shown = worker->place.slot->memory_used;
	Size		change = Max(held, shown) - Min(held, shown);

	if (!if_much || change > SHOWN_AT_ONCE)
		show(worker, held);
}
