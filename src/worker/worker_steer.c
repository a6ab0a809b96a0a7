/*-------------------------------------------------------------------------
 *
 * worker_steer.c
 *	  What others have changed since the last turn: the job, its server, the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_steer.h"

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "utils/guc.h"
#include "utils/inval.h"

#include "catalog/catalog_job.h"
#include "worker/worker.h"
#include "worker/worker_refuse.h"

/* What the job's row says now counts for the job at hand. */
static void
adopt_steering(Worker *worker, const Job *job)
{
	worker->setup.job->state = job->state;
	worker->setup.job->concurrency = job->concurrency;
	worker->setup.job->max_failed_rows = job->max_failed_rows;
	worker->setup.job->max_tokens = job->max_tokens;
	worker->setup.job->failures_accepted = job->failures_accepted;
	worker->counters.failures_seen = 0; /* until the next look */
	worker->setup.job->loss_accepted = job->loss_accepted;
	/* Then the statements that collect what is stored are to be others. */
	worker->setup.is_stale |= job->replaced != worker->setup.job->replaced;
	worker->setup.job->replaced = job->replaced;
	/* What was in flight when it paused has not been tried anew. */
	if (job->state == JOB_RUNNING)
		worker->setup.job->refused = job->refused;
	shared_lock();
	worker->place.entry->concurrency = job->concurrency;
	shared_unlock();
}

/* Back to work: what stood in the way may be mended. */
static void
begin_anew(Worker *worker)
{
	worker->control.canceled = false;
	intake_renew(worker);
	worker_doubt_anew(worker);
	worker_forget_attempts(worker);
}

/* The job was steered: what is it to be now? */
static void
reread_step(Worker *worker, void *arg pg_attribute_unused())
{
	Job		   *job = catalog_load_job(worker->setup.job->id);

	if (job == NULL || job_is_finished(job->state))
	{
		worker_enter(worker, WORKER_LEAVING);
		return;
	}
	adopt_steering(worker, job);
	if (worker->control.mode == WORKER_STOPPING && job->state == JOB_RUNNING)
		begin_anew(worker);

	/*
	 * Somebody else has paused it: who resumes it does not want this pause
	 * any more.
	 */
	if (job->state != JOB_RUNNING)
		worker_drop_pause(worker);
	if (job->state != JOB_RUNNING || job->concurrency == 0)
		worker_stop(worker);
	else if (worker->control.mode == WORKER_STOPPING)
		worker_enter(worker, WORKER_WORKING);
}

/* Anything may have changed: all is read again, and the rows at hand are stored by that. */
static void
renew_step(Worker *worker, void *arg pg_attribute_unused())
{
	intake_job(worker);
	if (worker->setup.job == NULL)
		worker_enter(worker, WORKER_LEAVING);
	else
		worker_open_target(worker);
}

/* The server says that something is to be done now. */
static void
serve_interrupts(Worker *worker)
{
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
}

void
worker_notice_changes(Worker *worker)
{
	uint32		version = worker->place.entry->version;

	serve_interrupts(worker);
	if (worker->setup.server_changed)
	{
		worker->setup.server_changed = false;
		/* What is wrong with it is looked at again when the job is resumed. */
		if (!worker_try_as(worker, STEP_INTAKE, intake_server_step, NULL))
			worker->setup.server_changed |= !worker->setup.is_stale;
	}
	if (worker->setup.catalog_changed)
	{
		worker->setup.catalog_changed = false;
		(void) worker_can_begin(worker, STEP_CONTROL);
	}
	if (version != worker->place.seen_version && worker_try(worker, reread_step, NULL))
		worker->place.seen_version = version;
	if (worker->setup.is_stale && worker->control.mode == WORKER_WORKING &&
		worker_try_as(worker, STEP_INTAKE, renew_step, NULL))
		worker->setup.is_stale = false;
}
