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
#include "storage/latch.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "catalog/catalog_bucket.h"
#include "catalog/catalog_counters.h"
#include "catalog/catalog_job.h"
#include "common/pg_compat.h"
#include "staging/staging.h"
#include "worker/worker.h"
#include "worker/worker_collect.h"
#include "worker/worker_load.h"
#include "worker/worker_refuse.h"
#include "worker/worker_steer.h"

/* While answers cannot be read, having some is no reason to stay awake: timeouts may be so late. */
#define UNREAD_US INT64CONST(50000)

/* Is nothing on its way any more? */
static bool
is_idle(const Worker *worker)
{
	if (http_in_flight(worker->http) > 0 || !outcome_queue_is_empty(&worker->outcomes))
		return false;
	if (worker->control.mode != WORKER_WORKING)
		return worker->control.mode == WORKER_STOPPING;
	if (worker->setup.is_stale)
		return false;
	return worker_is_spared(worker) ||
		(worker->unloaded == NIL && outbox_count(&worker->outbox) == 0 &&
		 worker->claims.exhausted && worker->undecided == NULL);
}

/*
 * All buckets are done: replace the target's rows (overwrite), drop staging but
 * for failed rows, and call the job completed.  Staging that somebody uses now is
 * left to a clerk.  *finished (a bool): the job is completed, once that is committed.
 */
static void
finish_step(Worker *worker, void *finished)
{
	const Job  *job = worker->setup.job;
	JobState	state;
	Counters	sum;

	*(bool *) finished = false;

	/*
	 * It may have been paused, or another worker has found the same, since
	 * this one has looked.
	 */
	if (!catalog_hold_job(job->id, &state) || state != JOB_RUNNING)
		return;
	catalog_sum_counters(job->id, &sum);
	if (sum.buckets_done < job->buckets_total)
	{
		/*
		 * Somebody died with open buckets: nobody holds a claim, so they are
		 * there to be taken.
		 */
		claims_rescan(&worker->claims);
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
										sum.rows_failed, worker->setup.recipe->target_name),
							   "enrich.retry tries them again; enrich.resume replaces the target's "
							   "rows without them.",
							   NULL);
			worker_stop(worker);
			return;
		}
		store_replace(worker->store.target);
	}
	if (sum.rows_failed == 0)
		(void) staging_drop(job->id, true);
	catalog_delete_runs(job->id);
	(void) catalog_transition(job->id, JOB_COMPLETED, NULL, NULL, NULL, NULL);
	*(bool *) finished = true;
}

/* Milliseconds until something is due, rounded up. */
static long
time_to_sleep(const Worker *worker)
{
	int64		now = clock_now();
	int64		wake_at = worker->ticks.last_at + TICK_US;
	int64		http = http_timeout(worker->http);

	if (worker->send.more)
		return 0;
	if (worker_may_send(worker))
		wake_at = Min(wake_at, outbox_next_due(&worker->outbox));
	wake_at = Min(wake_at, worker->send.permit_not_before);
	wake_at = Min(wake_at, worker->pace.plan.store_at);
	for (int kind = 0; kind < STEP_KIND_COUNT; kind++)
		if (worker->attempts[kind].not_before > now)
			wake_at = Min(wake_at, worker->attempts[kind].not_before);
	if (http >= 0 && (worker->memory.unread || worker->attempts[STEP_READ].not_before > now))
		wake_at = Min(wake_at, now + Max(http * 1000, UNREAD_US));
	else if (http >= 0)
		wake_at = Min(wake_at, now + http * 1000);
	return (long) Max(0, (wake_at - now + 999) / 1000);
}

static void
sleep_until_event(WaitEventSet *events, long timeout)
{
	static uint32 wait_event = 0;
	WaitEvent	event;

	/* What happens in a transaction must never wait for the network. */
	Assert(!IsTransactionState());
	(void) WaitEventSetWait(events, timeout, &event, 1,
							COMPAT_WAIT_EVENT(wait_event, "PgEnrichHttp"));
	ResetLatch(MyLatch);
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

/* When the next turn is to come. */
typedef enum NextTurn
{
	NEXT_WHEN_DUE,				/* something happens, or a time has come */
	NEXT_AT_ONCE,
	NEXT_NEVER
} NextTurn;

/* What is left to be done when nothing is on its way any more; otherwise: next. */
static NextTurn
end_idle_turn(Worker *worker, NextTurn next)
{
	bool		finished;

	if (worker->control.mode == WORKER_STOPPING)
		return NEXT_NEVER;
	/* There is nothing left that could be answered: they are simply bad. */
	if (!worker_is_spared(worker))
		worker_settle_held(worker);
	if (!outcome_queue_is_empty(&worker->outcomes))
		return NEXT_AT_ONCE;
	/* Only what was committed counts. */
	if (!claims_any(worker->place.slot->job_index) &&
		worker_try_as(worker, STEP_FINISH, finish_step, &finished) && finished)
		worker_enter(worker, WORKER_LEAVING);
	if (worker_is_spared(worker) || worker->control.mode == WORKER_LEAVING ||
		worker->control.mode == WORKER_STOPPING)
		return NEXT_NEVER;
	/* The next turn writes a pause. */
	return worker->control.mode == WORKER_PAUSING ? NEXT_AT_ONCE : next;
}

static NextTurn
take_turn(Worker *worker)
{
	NextTurn	next = NEXT_WHEN_DUE;

	MemoryContextReset(worker->turn);
	MemoryContextSwitchTo(worker->turn);
	/* What others have changed counts for what is not on the wire. */
	turn_recall(worker);
	/* First, so that time spent in the database counts for no deadline. */
	turn_collect(worker);
	worker_notice_changes(worker);
	worker_write_pause(worker);
	if (worker->control.mode == WORKER_LEAVING)
		return NEXT_NEVER;
	/* First with what is at hand: a free permit waits for nothing else. */
	turn_send(worker);
	worker_make_plan(worker);
	if (turn_load(worker))
	{
		turn_send(worker);
		worker_make_plan(worker);
		next = NEXT_AT_ONCE;	/* more may be wanted */
	}
	turn_store(worker);
	if (worker->control.mode == WORKER_LEAVING)
		return NEXT_NEVER;
	return is_idle(worker) ? end_idle_turn(worker, next) : next;
}

void
worker_run_loop(Worker *worker)
{
	WaitEventSet *events = make_events(worker);
	NextTurn	next;

	worker_enter(worker, WORKER_WORKING);
	worker_begin_ticks(worker);
	while ((next = take_turn(worker)) != NEXT_NEVER)
	{
		worker_tick(worker);
		worker_bound_arriving(worker);	/* what was stored has made room */
		sleep_until_event(events, next == NEXT_AT_ONCE ? 0 : time_to_sleep(worker));
	}
	worker_end_ticks(worker);
	FreeWaitEventSet(events);
}
