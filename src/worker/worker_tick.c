/*-------------------------------------------------------------------------
 *
 * worker_tick.c
 *	  What a worker does now and then: it shows and counts what it has done, and drops
 *	  partitions.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_tick.h"

#include "pgstat.h"

#include "base/clock.h"
#include "catalog/catalog_bucket.h"
#include "catalog/catalog_counters.h"
#include "staging/staging.h"
#include "worker/worker.h"

/* Counters are committed at least this often while there is something to count. */
#define COUNT_US 1000000

/* The same for the time that a job has taken: so much of it a crash may lose. */
#define ELAPSED_US (5 * INT64CONST(1000000))

/* Weight of the last tick in the speed that is shown. */
#define SPEED_WEIGHT 0.15

/* Rows of the smallest partition, by bucketize.c: so far apart are looks for finished ones. */
#define PARTITION_ROWS 50000

/* Partitions whose buckets are all finished are not needed any more. */
static void
drop_partitions_step(Worker *worker, void *arg pg_attribute_unused())
{
	int64		job = worker->setup.job->id;
	ListCell   *cell;

	foreach(cell, catalog_finished_partitions(job))
	{
		(void) staging_drop_partition(job, ((PartitionRow *) lfirst(cell))->partition);
	}
}

/*
 * Look for finished partitions when this worker's lowest claimed bucket has
 * passed the end of one: whoever passes last sees them all done.  A request that
 * is long in coming holds that bucket back, so look in a quiet moment, too.
 */
static void
drop_finished_partitions(Worker *worker, bool quiet)
{
	WorkerTicks *ticks = &worker->ticks;
	int64		stride = PARTITION_ROWS / worker->setup.job->bucket_size;
	int64		lowest = claims_next_bucket(worker->place.slot_index);

	for (int i = 0; i < worker->place.slot->claim_count; i++)
		lowest = Min(lowest, worker->place.slot->claims[i].first);
	if (lowest <= ticks->checked_bucket + stride && !(quiet && ticks->stored_since_check))
		return;
	ticks->checked_bucket = lowest;
	ticks->stored_since_check = false;
	(void) worker_try_as(worker, STEP_CLEAN, drop_partitions_step, NULL);
}

static void
show_activity(Worker *worker)
{
	char		text[256];

	snprintf(text, sizeof(text),
			 "job " INT64_FORMAT " on %s: %d in flight, %d ready, %d rows to store",
			 worker->setup.job->id, worker->setup.job->source_name, http_in_flight(worker->http),
			 outbox_count(&worker->outbox), worker->outcomes.rows);
	pgstat_report_activity(STATE_RUNNING, text);
}

static void
note_counters_step(Worker *worker, void *arg pg_attribute_unused())
{
	worker_note_counters(worker);
}

/* Where nothing is stored for a while, the world is still to see what is sent. */
static void
note_counters(Worker *worker)
{
	if (worker_has_counters(worker) && outcome_queue_is_empty(&worker->outcomes) &&
		worker_try(worker, note_counters_step, NULL))
		worker_counters_noted(worker);
}

/*
 * The job's time goes on while it is running, and is to be written down now and then, by one
 * of its workers: is it time for that?  The caller holds the lock.
 */
static bool
count_elapsed(Worker *worker)
{
	JobEntry   *entry = worker->place.entry;

	Assert(shared_is_locked());
	shared_count_elapsed(entry, worker->setup.job->state == JOB_RUNNING);
	if (entry->elapsed_us - entry->elapsed_noted < ELAPSED_US)
		return false;
	entry->elapsed_noted = entry->elapsed_us;
	return true;
}

static void
note_elapsed_step(Worker *worker, void *arg pg_attribute_unused())
{
	catalog_note_elapsed(worker->setup.job->id, worker->place.slot->worker_number,
						 shared_job_elapsed(worker->place.database, worker->setup.job->id));
}

/* What others see of the worker.  Returns whether it is to write down what has elapsed. */
static bool
show_in_slot(Worker *worker, double speed)
{
	WorkerSlot *slot = worker->place.slot;
	bool		elapsed_is_due;

	shared_lock();
	if (slot->rows_per_second == 0)
		slot->rows_per_second = speed;
	else
		slot->rows_per_second += SPEED_WEIGHT * (speed - slot->rows_per_second);
	slot->capacity = http_capacity(worker->http);
	elapsed_is_due = count_elapsed(worker);
	shared_unlock();
	return elapsed_is_due;
}

void
worker_begin_ticks(Worker *worker)
{
	worker->ticks.last_at = clock_now();
	show_activity(worker);
}

void
worker_tick(Worker *worker)
{
	int64		now = clock_now();
	bool		quiet = worker->counters.rows_since_tick == 0;
	bool		elapsed_is_due;

	if (now - worker->ticks.last_at < TICK_US)
		return;
	worker->ticks.stored_since_check |= !quiet;
	worker_regrow_memory(worker);
	worker_show_memory(worker, false);
	elapsed_is_due = show_in_slot(worker, worker->counters.rows_since_tick * 1e6 /
								  (double) (now - worker->ticks.last_at));
	worker->counters.rows_since_tick = 0;
	worker->ticks.last_at = now;
	show_activity(worker);

	/*
	 * Else nobody would know what tables need vacuum, or what the planner
	 * should know of them.
	 */
	(void) pgstat_report_stat(false);
	if (now - worker->counters.counted_at >= COUNT_US)
		note_counters(worker);
	if (elapsed_is_due)
		(void) worker_try(worker, note_elapsed_step, NULL);
	drop_finished_partitions(worker, quiet);
}

/* Requests of which nothing came to be stored have been sent all the same. */
void
worker_end_ticks(Worker *worker)
{
	note_counters(worker);
	(void) worker_try(worker, note_elapsed_step, NULL);
}
