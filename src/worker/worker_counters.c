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
#include "worker/worker_loop.h"

#include "base/clock.h"
#include "catalog/catalog_job.h"
#include "shared/permits.h"

bool
worker_has_counters(Worker *worker)
{
	Counters   *unsaved = &worker->unsaved;

	unsaved->throttled_us += permits_throttled(worker->slot_index);
	/* Requests that were counted may have been taken back since then. */
	return unsaved->requests != 0 || unsaved->tokens + unsaved->throttled_us > 0;
}

void
worker_note_counters(Worker *worker)
{
	if (worker_has_counters(worker))
		catalog_note_counters(worker->job->id, worker->slot->worker_number, &worker->unsaved);
}

void
worker_counters_noted(Worker *worker)
{
	worker->counted_at = clock_now();
	memset(&worker->unsaved, 0, sizeof(worker->unsaved));
}

void
worker_note_progress(Worker *worker)
{
	worker->rows_since_tick += worker->storing.rows_done + worker->storing.rows_failed +
		worker->storing.rows_skipped;
	worker->stored_before = true;
	worker_counters_noted(worker);
	shared_lock();
	worker->entry->failures = 0;
	if (worker->slot->waiting_for == WAITING_LOCK)
		worker->slot->waiting_for = WAITING_NOTHING;
	shared_unlock();
}
