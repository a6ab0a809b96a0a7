/*-------------------------------------------------------------------------
 *
 * worker_counters.c
 *	  What a worker has sent and stored, for the job's counters and its speed.
 *
 * A store adds its own; what was sent since the last one is written in between, now and
 * then, by whoever has a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_counters.h"

#include "base/clock.h"
#include "catalog/catalog_counters.h"
#include "worker/worker.h"

bool
worker_has_counters(Worker *worker)
{
	Counters   *unsaved = &worker->counters.unsaved;

	unsaved->throttled_us += permits_throttled(worker->place.slot_index,
											   worker_server_index(worker));
	/* Requests that were counted may have been taken back since then. */
	return unsaved->requests != 0 || unsaved->tokens + unsaved->throttled_us > 0;
}

void
worker_note_counters(Worker *worker)
{
	if (worker_has_counters(worker))
		catalog_note_counters(worker->setup.job->id, worker->place.slot->worker_number,
							  &worker->counters.unsaved);
}

void
worker_counters_noted(Worker *worker)
{
	worker->counters.counted_at = clock_now();
	memset(&worker->counters.unsaved, 0, sizeof(worker->counters.unsaved));
}

void
worker_note_progress(Worker *worker)
{
	const Counters *stored = &worker->counters.storing;

	worker->counters.rows_since_tick += stored->rows_done + stored->rows_failed +
		stored->rows_skipped;
	worker->counters.stored_before = true;
	worker_counters_noted(worker);
	shared_lock();
	worker->place.entry->failures = 0;
	if (worker->place.slot->waiting_for == WAITING_LOCK)
		worker->place.slot->waiting_for = WAITING_NOTHING;
	shared_unlock();
}
