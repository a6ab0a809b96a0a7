/*-------------------------------------------------------------------------
 *
 * worker_loop.c
 *	  A worker's loop: where load, send, collect and store meet.
 *
 * A turn does whatever can be done without waiting, then the worker sleeps
 * until a socket, its latch or a time wakes it.  The latch is set when the job
 * was steered, a permit came free, settings changed or the server shuts down.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_loop.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "catalog/catalog_bucket.h"
#include "catalog/catalog_counters.h"
#include "catalog/catalog_job.h"
#include "common/pg_compat.h"
#include "shared/permits.h"
#include "staging/staging.h"
#include "worker/claims.h"

/*
 * Longest sleep.  Invalidations (ALTER SERVER, DROP EXTENSION) do not wake an
 * idle worker: it looks for them this often.
 */
#define TICK_US 500000

/* While answers cannot be read, having some is no reason to stay awake: timeouts may be so late. */
#define UNREAD_US INT64CONST(50000)

/* Counters are committed at least this often while there is something to count. */
#define COUNT_US 1000000

/* The same for the time that a job has taken: so much of it a crash may lose. */
#define ELAPSED_US (5 * INT64CONST(1000000))

/* Weight of the last tick in the speed that is shown. */
#define SPEED_WEIGHT 0.15

/* The job was steered: what is it to be now? */
static void
reread_step(Worker *worker, void *arg pg_attribute_unused())
{
	Job		   *job = catalog_load_job(worker->job->id);

	if (job == NULL || job_is_finished(job->state))
	{
		worker->abandoned = true;
		return;
	}
	worker->job->state = job->state;
	worker->job->concurrency = job->concurrency;
	worker->job->max_failed_rows = job->max_failed_rows;
	worker->job->max_tokens = job->max_tokens;
	worker->job->failures_accepted = job->failures_accepted;
	worker->failures_seen = 0;	/* until the next look */
	worker->job->loss_accepted = job->loss_accepted;
	/* Then the statements that collect what is stored are to be others. */
	worker->misconfigured |= job->replaced != worker->job->replaced;
	worker->job->replaced = job->replaced;
	/* What was in flight when it paused has not been tried anew. */
	if (job->state == JOB_RUNNING)
		worker->job->refused = job->refused;
	/* Back to work: what stood in the way may be mended. */
	if (worker->stopping && worker->pause.reason == NULL && job->state == JOB_RUNNING)
	{
		worker->canceled = false;
		worker->setup++;
		worker_doubt_anew(worker);
		worker_forget_attempts(worker);
	}
	/* Somebody else has paused it: who resumes it does not want this pause any more. */
	if (job->state != JOB_RUNNING)
		worker_drop_pause(worker);
	worker->stopping = job->state != JOB_RUNNING || job->concurrency == 0 ||
		worker->pause.reason != NULL;
	shared_lock();
	worker->entry->concurrency = job->concurrency;
	shared_unlock();
}

/* Take note of what others have changed since the last turn. */
static void
notice_changes(Worker *worker)
{
	uint32		version = worker->entry->version;

	/* Not as an error, which would end the worker with the answers it holds. */
	if (QueryCancelPending)
	{
		QueryCancelPending = false;
		worker_note_cancel(worker);
	}
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	AcceptInvalidationMessages();
	if (intake_server_changed && !worker->abandoned)
	{
		intake_server_changed = false;
		/* What is wrong with it is looked at again when the job is resumed. */
		if (!worker_try_as(worker, STEP_INTAKE, intake_server_step, NULL))
			intake_server_changed |= !worker->misconfigured;
	}
	if (intake_catalog_changed && !worker->abandoned)
	{
		intake_catalog_changed = false;
		(void) worker_can_begin(worker, STEP_CONTROL);
	}
	if (version != worker->seen_version && !worker->abandoned && 
		worker_try(worker, reread_step, NULL))
		worker->seen_version = version;
	if (worker->misconfigured && !worker->stopping && !worker->abandoned &&
		worker_try_as(worker, STEP_INTAKE, intake_again_step, NULL))
		worker->misconfigured = false;
}

/* Is nothing on its way any more? */
static bool
is_idle(const Worker *worker)
{
	if (http_in_flight(worker->http) > 0 || !outcome_queue_is_empty(&worker->outcomes) ||
		worker->pause.reason != NULL || (worker->misconfigured && !worker->stopping))
		return false;
	return worker->stopping || worker_is_spared(worker) ||
		(worker->unloaded == NIL && outbox_count(&worker->outbox) == 0 && worker->exhausted &&
		 worker->undecided == NULL);
}

/*
 * All buckets are done: replace the target's rows (overwrite), drop staging but
 * for failed rows, and call the job completed.  Staging that somebody uses now is
 * left to a clerk.  *finished (a bool): the job is completed, once that is committed.
 */
static void
finish_step(Worker *worker, void *finished)
{
	const Job  *job = worker->job;
	JobState	state;
	Counters	sum;

	*(bool *) finished = false;
	/* It may have been paused, or another worker has found the same, since this one has looked. */
	if (!catalog_hold_job(job->id, &state) || state != JOB_RUNNING)
		return;
	catalog_sum_counters(job->id, &sum);
	if (sum.buckets_done < job->buckets_total)
	{
		/* Somebody died with open buckets: nobody holds a claim, so they are there to be taken. */
		worker_rescan(worker);
		return;
	}
	if (job->write_mode == WRITE_OVERWRITE && !job->replaced)
	{
		/*
		 * What was accepted were the failures of that moment, not those of a
		 * retry or of later buckets.
		 */
		if (sum.rows_failed > (job->loss_accepted ? job->failures_accepted : 0))
		{
			catalog_transition(job->id, JOB_PAUSED, "failures",
							   psprintf(INT64_FORMAT " rows have failed: they would be missing in "
										"%s",
										sum.rows_failed, worker->recipe->target_name),
							   "enrich.retry tries them again; enrich.resume replaces the target's "
							   "rows without them.",
							   NULL);
			worker->stopping = true;
			return;
		}
		store_replace(worker->store);
	}
	if (sum.rows_failed == 0)
		(void) staging_drop(job->id, true);
	catalog_delete_runs(job->id);
	(void) catalog_transition(job->id, JOB_COMPLETED, NULL, NULL, NULL, NULL);
	*(bool *) finished = true;
}

/* Partitions whose buckets are all finished are not needed any more. */
static void
drop_partitions_step(Worker *worker, void *arg pg_attribute_unused())
{
	ListCell   *cell;

	foreach(cell, catalog_finished_partitions(worker->job->id))
		(void) staging_drop_partition(worker->job->id, ((PartitionRow *) lfirst(cell))->partition);
}

/*
 * Look for finished partitions when this worker's lowest claimed bucket has
 * passed the end of one: whoever passes last sees them all done.  A request that
 * is long in coming holds that bucket back, so look in a quiet moment, too.
 */
static void
drop_finished_partitions(Worker *worker, bool quiet)
{
	int64		lowest = claims_next_bucket(worker->slot_index);

	for (int i = 0; i < worker->slot->claim_count; i++)
		lowest = Min(lowest, worker->slot->claims[i].first);
	if (lowest <= worker->partition_checked_at + worker->partition_stride &&
		!(quiet && worker->stored_since_check))
		return;
	worker->partition_checked_at = lowest;
	worker->stored_since_check = false;
	(void) worker_try_as(worker, STEP_CLEAN, drop_partitions_step, NULL);
}

static void
show_activity(Worker *worker)
{
	char		text[256];

	snprintf(text, sizeof(text),
			 "job " INT64_FORMAT " on %s: %d in flight, %d ready, %d rows to store",
			 worker->job->id, worker->job->source_name, http_in_flight(worker->http),
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
	JobEntry   *entry = worker->entry;

	Assert(shared_is_locked());
	shared_count_elapsed(entry, worker->job->state == JOB_RUNNING);
	if (entry->elapsed_us - entry->elapsed_noted < ELAPSED_US)
		return false;
	entry->elapsed_noted = entry->elapsed_us;
	return true;
}

static void
note_elapsed_step(Worker *worker, void *arg pg_attribute_unused())
{
	catalog_note_elapsed(worker->job->id, worker->slot->worker_number,
						 shared_job_elapsed(worker->database, worker->job->id));
}

/* Once a tick: speed, counters, and what pg_stat_activity shows. */
static void
tick(Worker *worker)
{
	int64		now = clock_now();
	bool		quiet = worker->rows_since_tick == 0;
	bool		elapsed_is_due;
	double		speed;

	if (now - worker->tick_at < TICK_US)
		return;
	worker->stored_since_check |= !quiet;
	speed = worker->rows_since_tick * 1e6 / (double) (now - worker->tick_at);
	worker_regrow_memory(worker);
	worker_show_memory(worker, false);
	shared_lock();
	if (worker->slot->rows_per_second == 0)
		worker->slot->rows_per_second = speed;
	else
		worker->slot->rows_per_second += SPEED_WEIGHT * (speed - worker->slot->rows_per_second);
	worker->slot->capacity = http_capacity(worker->http);
	elapsed_is_due = count_elapsed(worker);
	shared_unlock();
	worker->rows_since_tick = 0;
	worker->tick_at = now;
	show_activity(worker);
	/* Else nobody would know what tables need vacuum, or what the planner should know of them. */
	(void) pgstat_report_stat(false);
	if (now - worker->counted_at >= COUNT_US)
		note_counters(worker);
	if (elapsed_is_due)
		(void) worker_try(worker, note_elapsed_step, NULL);
	drop_finished_partitions(worker, quiet);
}

/* Milliseconds until something is due, rounded up. */
static long
time_to_sleep(const Worker *worker)
{
	int64		now = clock_now();
	int64		wake_at = worker->tick_at + TICK_US;
	int64		http = http_timeout(worker->http);

	if (worker->more_to_send)
		return 0;
	if (worker_may_send(worker))
		wake_at = Min(wake_at, outbox_next_due(&worker->outbox));
	wake_at = Min(wake_at, worker->permit_not_before);
	wake_at = Min(wake_at, worker_pace_due(worker));
	for (int kind = 0; kind < STEP_KIND_COUNT; kind++)
		if (worker->attempts[kind].not_before > now)
			wake_at = Min(wake_at, worker->attempts[kind].not_before);
	if (http >= 0 && (worker->unread || worker->attempts[STEP_READ].not_before > now))
		wake_at = Min(wake_at, now + Max(http * 1000, UNREAD_US));
	else if (http >= 0)
		wake_at = Min(wake_at, now + http * 1000);
	return (long) Max(0, (wake_at - now + 999) / 1000);
}

static void
sleep_until_event(Worker *worker, WaitEventSet *events, long timeout)
{
	static uint32 wait_event = 0;
	WaitEvent	event;
	int64		began = clock_now();

	/* What happens in a transaction must never wait for the network. */
	Assert(!IsTransactionState());
	(void) WaitEventSetWait(events, timeout, &event, 1,
							COMPAT_WAIT_EVENT(wait_event, "PgEnrichHttp"));
	ResetLatch(MyLatch);
	worker_note_waited(worker, began);
}

static WaitEventSet *
make_events(const Worker *worker)
{
	WaitEventSet *events = compat_create_wait_event_set(3);

	AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(events, WL_SOCKET_READABLE, http_descriptor(worker->http), NULL, NULL);
	return events;
}

void
worker_run_loop(Worker *worker)
{
	WaitEventSet *events = make_events(worker);
	bool		finished = false;
	bool		loading;

	worker->tick_at = clock_now();
	worker_pace_begin(worker);
	worker->partition_stride = 50000 / worker->job->bucket_size;
	show_activity(worker);
	while (!worker->abandoned)
	{
		MemoryContextReset(worker->turn);
		MemoryContextSwitchTo(worker->turn);
		/* What others have changed counts for what is not on the wire. */
		turn_recall(worker);
		/* First, so that time spent in the database counts for no deadline. */
		turn_collect(worker);
		notice_changes(worker);
		worker_write_pause(worker);
		if (worker->abandoned)
			break;
		/* First with what is at hand: a free permit waits for nothing else. */
		turn_send(worker);
		loading = turn_load(worker);
		if (loading)
			turn_send(worker);
		turn_store(worker);
		if (!worker->abandoned && is_idle(worker))
		{
			if (worker->stopping)
				break;
			/* There is nothing left that could be answered: they are simply bad. */
			if (!worker_is_spared(worker))
				worker_settle_held(worker);
			if (!outcome_queue_is_empty(&worker->outcomes))
				continue;
			/* Only what was committed counts. */
			if (!claims_any(worker->slot->job_index) &&
				worker_try_as(worker, STEP_FINISH, finish_step, &finished))
				worker->abandoned |= finished;
			if (worker_is_spared(worker))
				break;
			if (worker->pause.reason != NULL)
				continue;		/* the next turn writes it */
			if (worker->abandoned || worker->stopping)
				break;
		}
		tick(worker);
		worker_bound_arriving(worker);	/* what was stored has made room */
		/* Where rows were loaded, more may be wanted; else there is nothing left to do. */
		sleep_until_event(worker, events, loading ? 0 : time_to_sleep(worker));
	}
	/* Requests of which nothing came to be stored have been sent all the same. */
	if (!worker->abandoned)
	{
		note_counters(worker);
		(void) worker_try(worker, note_elapsed_step, NULL);
	}
	FreeWaitEventSet(events);
}
