/*-------------------------------------------------------------------------
 *
 * worker_control.c
 *	  What a worker is at: working, about to pause its job, stopping, or leaving.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_control.h"

#include "utils/memutils.h"

#include "worker/worker.h"

#define AS_BIT(mode) (1 << (mode))

/* Of each mode, those that may come next: see WorkerMode. */
static const int successors[] PG_USED_FOR_ASSERTS_ONLY = {
	[WORKER_STARTING] = AS_BIT(WORKER_WORKING) | AS_BIT(WORKER_LEAVING),
	[WORKER_WORKING] = AS_BIT(WORKER_PAUSING) | AS_BIT(WORKER_STOPPING) | AS_BIT(WORKER_LEAVING),
	[WORKER_PAUSING] = AS_BIT(WORKER_STOPPING) | AS_BIT(WORKER_LEAVING),
	[WORKER_STOPPING] = AS_BIT(WORKER_WORKING) | AS_BIT(WORKER_PAUSING) | AS_BIT(WORKER_LEAVING),
	[WORKER_LEAVING] = 0
};

void
worker_enter(Worker *worker, WorkerMode mode)
{
	WorkerControl *control = &worker->control;

	Assert(control->mode == mode || (successors[control->mode] & AS_BIT(mode)) != 0);
	control->mode = mode;
}

void
worker_stop(Worker *worker)
{
	if (worker->control.mode == WORKER_WORKING)
		worker_enter(worker, WORKER_STOPPING);
}

/* The job is running as far as is known: that is to be changed. */
static void
begin_pause(Worker *worker, const char *reason, const char *error, const char *hint)
{
	PendingPause *pause = &worker->control.pause;

	pause->reason = MemoryContextStrdup(worker->context, reason);
	pause->error = MemoryContextStrdup(worker->context, error);
	pause->hint = MemoryContextStrdup(worker->context, hint ? hint : "");
	worker_enter(worker, WORKER_PAUSING);
}

void
worker_pause(Worker *worker, const char *reason, const char *error, const char *hint)
{
	worker->setup.is_stale |= strcmp(reason, "configuration") == 0;
	/* The first reason counts. */
	if (worker->control.mode == WORKER_PAUSING || worker->control.mode == WORKER_LEAVING)
		return;
	/* Shown at once: who knows when it can be written. */
	worker_show_trouble(worker, error, hint);

	/*
	 * It may be paused already.  Were that written, it could undo an
	 * enrich.resume of which this worker does not know yet.
	 */
	if (worker->setup.job->state == JOB_RUNNING)
		begin_pause(worker, reason, error, hint);
	else
		worker_stop(worker);
}

void
worker_drop_pause(Worker *worker)
{
	PendingPause *pause = &worker->control.pause;

	if (worker->control.mode != WORKER_PAUSING)
		return;
	pfree(pause->reason);
	pfree(pause->error);
	pfree(pause->hint);
	memset(pause, 0, sizeof(*pause));
	worker_enter(worker, WORKER_STOPPING);
}

void
worker_note_cancel(Worker *worker)
{
	/*
	 * What was steered since is not what is known of the job: then the cancel
	 * came last.
	 */
	if (worker_is_behind(worker))
		worker->setup.job->state = JOB_RUNNING;
	/* Once more: what is still to be done would not end, so let it be. */
	if (worker->control.canceled && worker->control.mode != WORKER_PAUSING)
		worker_enter(worker, WORKER_LEAVING);
	else
		worker_pause(worker, "user", "the worker's query was canceled",
					 "enrich.resume lets the job go on.");
	worker->control.canceled = true;
}

bool
worker_is_spared(const Worker *worker)
{
	return worker->setup.endpoint->server->max_concurrency == 0;
}

bool
worker_may_send(const Worker *worker)
{
	const Attempts *store = &worker->attempts[STEP_STORE];

	/*
	 * While answers cannot be stored, no more are paid for; a lock goes away
	 * by itself.
	 */
	return worker->control.mode == WORKER_WORKING && !worker->setup.is_stale &&
		!worker_is_spared(worker) &&
		(store->failed == 0 || store->last == ERROR_LOCK);
}
