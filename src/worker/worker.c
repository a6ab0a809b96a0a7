/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A worker process, from its start to its end: one job, as its owner.
 *
 * A worker bucketizes the job's source when that is still to be done, and runs
 * the loop.  It is never restarted by the postmaster: the launcher does that,
 * with backoff, and only while the job wants workers.  Whatever goes wrong here
 * harms this job alone, and its memory goes with the process.
 *
 * How it ends: with nothing left to do, cleanly; by SIGTERM, FATAL at once,
 * with requests in flight or not; with an error, which either pauses the job
 * (something must be fixed) or is left to a restart.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "catalog/catalog_counters.h"
#include "catalog/catalog_extension.h"
#include "catalog/catalog_job.h"
#include "common/pg_compat.h"
#include "recipe/call.h"
#include "staging/bucketize.h"
#include "worker/process.h"
#include "worker/worker_loop.h"
#include "worker/worker_setup.h"

/* Starts without any progress after which a job is paused. */
#define MAX_STARTS 3


/* Give back what this process holds in shared memory. */
static void
release_slot(int code pg_attribute_unused(), Datum argument)
{
	Worker	   *worker = (Worker *) DatumGetPointer(argument);

	if (!outcome_queue_is_empty(&worker->outcomes))
		ereport(LOG,
				errmsg("answers for %d rows of job " INT64_FORMAT " of pg_enrich go with their "
					   "worker, not stored yet",
					   worker->outcomes.rows, worker->place.entry->job),
				errdetail("They will be asked for again if the job goes on."));
	shared_lock();
	if (worker->place.slot->clean_exit)
	{
		/*
		 * No other worker in its place, until the clerk that is asked for
		 * below has looked.
		 */
		worker->place.entry->failures = 0;
		worker->place.entry->wanted = 0;
	}
	else if (!worker->has_no_place)
		shared_put_off(worker->place.entry);
	shared_free_slot(worker->place.slot);
	shared_unlock();
	shared_wake_workers(-1);
	shared_visit(worker->place.database, false);
}

/* False: the slot is not ours any more. */
static bool
attach(Worker *worker, int slot_index, const WorkerOrder *order)
{
	WorkerPlace *place = &worker->place;

	place->slot_index = worker->claims.slot_index = slot_index;
	place->slot = &shared->slots[slot_index];
	place->entry = &shared->jobs[place->slot->job_index];
	place->database = order->database;
	if (!shared_attach(place->slot, order->generation, order->job))
		return false;
	place->seen_version = place->entry->version;
	return true;
}

/* Too many starts came to nothing.  False: the job is not to be paused any more. */
static bool
pause_after_crashes(const Worker *worker, const Job *job)
{
	Trouble		trouble;
	char	   *error = psprintf("workers ended %d times without any progress", MAX_STARTS);
	const char *hint = "See the server log for the reason. enrich.resume tries again.";

	shared_lock();
	trouble = worker->place.entry->trouble;
	shared_unlock();
	/* Known only if it was told: a crash of the whole cluster forgets it. */
	if (trouble.error[0] != '\0')
	{
		error = psprintf("%s, the last time because: %s", error, trouble.error);
		hint = "Mend that, then use enrich.resume. See the server log for more.";
	}
	return catalog_transition(job->id, JOB_PAUSED, "crash", error, hint, NULL);
}

/*
 * Read the job and note the start.  False: there is nothing to do, or it was
 * paused because too many starts came to nothing.
 */
static bool
open_job(Worker *worker)
{
	Job		   *job;
	int64		elapsed = 0;
	bool		wanted;

	if (!worker_begin(worker))
		return false;
	MemoryContextSwitchTo(worker->context);
	job = catalog_load_job(worker->place.entry->job);
	wanted = job != NULL && (job->state == JOB_QUEUED || job->state == JOB_BUCKETIZING ||
							 (job->state == JOB_RUNNING && job->concurrency > 0));
	if (wanted)
	{
		worker->setup.job = job;
		worker_apply_settings(job);
		elapsed = catalog_elapsed(job->id);
		if (catalog_count_start(job->id, worker->place.slot->worker_number) > MAX_STARTS)
			wanted = !pause_after_crashes(worker, job);
	}
	worker_commit();
	MemoryContextSwitchTo(worker->context);
	worker->start_counted = wanted;
	if (wanted)
	{
		char		name[NAMEDATALEN];

		shared_begin_elapsed(worker->place.slot->job_index, elapsed);

		snprintf(name, sizeof(name), "pg_enrich job " INT64_FORMAT, job->id);
		worker_set("application_name", name);
	}
	return wanted;
}

/*
 * A step before the loop.  There is nothing to be lost yet, so errors are
 * raised, and end the worker.  False: the extension is gone.
 */
static bool
run_step(Worker *worker, WorkerStep step)
{
	if (!worker_begin(worker))
		return false;
	step(worker, NULL);
	worker_commit();
	MemoryContextSwitchTo(worker->turn);
	return true;
}

/* Who bucketizes, and the clock of when it was last shown how far that is. */
typedef struct Progress
{
	Worker	   *worker;
	int64		shown_at;
} Progress;

/*
 * While bucketizing: show how far it is, and stop when the job was canceled or
 * the extension is to go.
 */
static void
bucketize_progress(int64 rows, void *state)
{
	Progress   *progress = state;
	Worker	   *worker = progress->worker;
	int64		now = clock_now();

	CHECK_FOR_INTERRUPTS();
	shared_lock();
	worker->place.entry->rows_staged = rows;
	shared_unlock();
	if (now - progress->shown_at > 500000)
	{
		char		text[128];

		progress->shown_at = now;
		snprintf(text, sizeof(text),
				 "job " INT64_FORMAT " on %s: bucketizing, " INT64_FORMAT " rows",
				 worker->setup.job->id, worker->setup.job->source_name, rows);
		pgstat_report_activity(STATE_RUNNING, text);
		if (catalog_extension_is_wanted())
			worker_enter(worker, WORKER_LEAVING);
	}
	if (worker_is_behind(worker))
	{
		Job		   *job = catalog_load_job(worker->setup.job->id);

		worker->place.seen_version = worker->place.entry->version;
		if (job == NULL || job_is_finished(job->state))
			worker_enter(worker, WORKER_LEAVING);
	}
	if (worker->control.mode == WORKER_LEAVING)
		ereport(ERROR,
				errcode(ERRCODE_QUERY_CANCELED),
				errmsg("bucketizing was canceled"));
}

static void
bucketize_step(Worker *worker, void *arg pg_attribute_unused())
{
	Progress	progress = {.worker = worker};
	Bucketized	found;

	/*
	 * User queries may wait for locks as long as they like: nothing else
	 * waits for them.
	 */
	worker_set("lock_timeout", "0");
	intake_job(worker);
	if (worker->setup.job == NULL || job_is_finished(worker->setup.job->state))
	{
		worker_enter(worker, WORKER_LEAVING);	/* canceled, or dropped, while
												 * it was queued */
		return;
	}
	found = bucketize(worker->setup.endpoint, bucketize_progress, &progress);

	/*
	 * Before the commit does: what takes long of that is bucketizing, as
	 * bucketized_at says.
	 */
	XLogFlush(XactLastRecEnd);
	if (!catalog_set_bucketized(worker->setup.job->id, found.rows, found.buckets,
								found.rows_truncated))
	{
		worker_enter(worker, WORKER_LEAVING);
		ereport(ERROR,
				errcode(ERRCODE_QUERY_CANCELED),
				errmsg("bucketizing was canceled"));
	}
	catalog_forget_starts(worker->setup.job->id);
}

static void
begin_bucketizing_step(Worker *worker, void *arg pg_attribute_unused())
{
	(void) catalog_transition(worker->setup.job->id, JOB_BUCKETIZING, NULL, NULL, NULL, NULL);
}

/* The job gets on: what earlier workers stumbled over is over. */
static void
clear_trouble(const Worker *worker)
{
	shared_set_job_trouble(worker->place.database, worker->setup.job->id, NULL, NULL);
}

static void
set_bucketizing(Worker *worker, bool bucketizing)
{
	shared_lock();
	worker->place.slot->bucketizing = bucketizing;
	shared_unlock();
}

/* Fill the staging table; the job is running after that, or paused. */
static void
run_bucketize(Worker *worker)
{
	if (worker->setup.job->state == JOB_QUEUED && !run_step(worker, begin_bucketizing_step))
		return;
	worker->place.seen_version = worker->place.entry->version;
	set_bucketizing(worker, true);
	if (run_step(worker, bucketize_step) && worker->control.mode != WORKER_LEAVING)
	{
		worker->start_counted = false;	/* the step has forgotten it */
		clear_trouble(worker);
	}
	set_bucketizing(worker, false);
}

static void
intake_step(Worker *worker, void *arg pg_attribute_unused())
{
	intake_job(worker);
	if (worker->setup.job != NULL && worker->setup.job->state == JOB_RUNNING)
	{
		Counters	sum;

		catalog_sum_counters(worker->setup.job->id, &sum);
		shared_lock();
		worker->place.entry->tokens = Max(worker->place.entry->tokens, sum.tokens);
		shared_unlock();
		worker_open_target(worker);
	}
}

static void
run_enrich(Worker *worker)
{
	worker_set("lock_timeout", "200ms");
	worker->http = call_open(worker_max_connections());
	worker->send.permit_not_before = CLOCK_NEVER;
	worker->place.seen_version = worker->place.entry->version;
	if (!run_step(worker, intake_step) || worker->store.target == NULL)
		return;
	clear_trouble(worker);
	shared_lock();
	worker->place.entry->concurrency = worker->setup.job->concurrency;
	shared_unlock();
	worker_run_loop(worker);
}

/*
 * What the error at hand means for the job.  While it is bucketized, anything
 * that does not pass by itself is the end of it.
 */
static JobState
state_after(const Worker *worker, const ErrorData *error)
{
	ErrorClass	class = error_class_of(error);

	if (class == ERROR_CANCELED)
		return JOB_PAUSED;
	if (worker->place.slot->bucketizing && class != ERROR_LOCK && class != ERROR_PASSING)
		return JOB_FAILED;
	return class == ERROR_CONFIGURATION ? JOB_PAUSED : worker->setup.job->state;
}

/*
 * Tried again from the beginning, with backoff.  That was no crash; but a
 * staging table that fills the disk is not to do so for ever.
 */
static void
note_passing_error(Worker *worker, const ErrorData *error)
{
	shared_set_job_trouble(worker->place.database, worker->setup.job->id, error_text(error),
						   error_hint(error));
	if (worker->start_counted && error_class_of(error) != ERROR_UNKNOWN &&
		!(worker->place.slot->bucketizing && error->sqlerrcode == ERRCODE_DISK_FULL) &&
		worker_begin(worker))
	{
		catalog_uncount_start(worker->setup.job->id, worker->place.slot->worker_number);
		worker_commit();
	}
}

static void
record_error(Worker *worker, const ErrorData *error, JobState to)
{
	if (!worker_begin(worker))
		return;
	if (to == JOB_FAILED)
		catalog_transition(worker->setup.job->id, to, NULL, error_text(error),
						   error->hint ? error->hint
						   : "Reading the source raised this: mend it or where_clause, and start a "
						   "new job.",
						   NULL);
	else if (catalog_pause_without_owner(worker->setup.job->id, worker->setup.job->owner))
		;						/* whatever went wrong went wrong because of
								 * that */
	else if (error_class_of(error) == ERROR_CANCELED)
		catalog_transition(worker->setup.job->id, to, "user", "the worker's query was canceled",
						   error_hint(error), NULL);
	else
		catalog_transition(worker->setup.job->id, to, "configuration", error_text(error),
						   error_pause_hint(error), NULL);
	worker_commit();
}

/*
 * The error at hand: into the log and the job's row.  True: the job is at
 * rest, nothing is to be restarted.
 *
 * There may be so many servers in use that there was no place for the job's.  That is no
 * failure: the launcher starts another worker when there is (take_slot).
 */
static bool
handle_error(Worker *worker)
{
	ErrorData  *error;
	JobState	to;

	MemoryContextSwitchTo(worker->context);
	error = CopyErrorData();
	HOLD_INTERRUPTS();
	worker->has_no_place = error->sqlerrcode == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED &&
		OidIsValid(worker->place.entry->no_server);
	/* Of servers that wait for a place the launcher tells, now and then. */
	if (worker->control.mode != WORKER_LEAVING && !worker->has_no_place)
		EmitErrorReport();
	FlushErrorState();

	/*
	 * Where no transaction is open nothing else does, and release_slot needs
	 * ours.
	 */
	LWLockReleaseAll();
	AbortOutOfAnyTransaction();
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(worker->context);
	if (worker->control.mode == WORKER_LEAVING || worker->setup.job == NULL)
		return worker->control.mode == WORKER_LEAVING;
	to = state_after(worker, error);
	if (to == worker->setup.job->state)
		note_passing_error(worker, error);
	else
		record_error(worker, error, to);
	return to != worker->setup.job->state;
}

static void
uncount_step(Worker *worker, void *arg pg_attribute_unused())
{
	catalog_uncount_start(worker->setup.job->id, worker->place.slot->worker_number);
}

/* Leaving in good order is no crash, though nothing was stored. */
static void
uncount_start(Worker *worker)
{
	if (worker->start_counted && !worker->counters.stored_before &&
		worker->control.mode != WORKER_LEAVING)
		(void) run_step(worker, uncount_step);
}

/*
 * The job was bucketized: what was read of it for that goes, and it is opened anew.
 * False: it is not to be run, or the extension is gone.
 */
static bool
reopen_job(Worker *worker)
{
	if (worker->control.mode == WORKER_LEAVING || worker->setup.job == NULL)
		return false;
	/* Bucketizing may wait for locks; what follows is not to. */
	worker_set("lock_timeout", "1s");
	if (worker->setup.context != NULL)
		MemoryContextDelete(worker->setup.context);
	worker->setup.context = NULL;
	worker->setup.job = NULL;
	worker->setup.endpoint = NULL;
	worker->setup.recipe = NULL;
	worker->start_counted = false;
	return open_job(worker) && worker->setup.job->state == JOB_RUNNING;
}

/*
 * Whoever has bucketized a job begins to run it, too: no other process has to be
 * started before the first request can go.
 */
static void
run_job(Worker *worker)
{
	bool		runs;

	if (!open_job(worker))
		return;
	runs = worker->setup.job->state == JOB_RUNNING;
	if (!runs)
	{
		run_bucketize(worker);
		uncount_start(worker);
		runs = reopen_job(worker);
	}
	if (runs)
		run_enrich(worker);
	uncount_start(worker);
}

/* Returns whether the worker leaves because there is nothing (more) for it to do. */
static bool
run(Worker *worker)
{
	volatile bool clean = true;

	PG_TRY();
	{
		run_job(worker);
	}
	PG_CATCH();
	{
		clean = handle_error(worker);
	}
	PG_END_TRY();
	return clean;
}

void
worker_main(Datum argument)
{
	Worker	   *worker = MemoryContextAllocZero(TopMemoryContext, sizeof(Worker));
	WorkerOrder order;
	bool		clean;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	if (!attach(worker, DatumGetInt32(argument), &order))
		proc_exit(0);
	before_shmem_exit(release_slot, PointerGetDatum(worker));

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(order.database, order.owner,
											  COMPAT_BYPASS_ROLELOGINCHECK);

	worker->context = AllocSetContextCreate(TopMemoryContext, "pg_enrich worker",
											ALLOCSET_DEFAULT_SIZES);
	worker->turn = AllocSetContextCreate(worker->context, "pg_enrich turn", ALLOCSET_DEFAULT_SIZES);
	intake_watch_changes(worker);
	worker_force_settings();
	clean = run(worker);
	if (worker->http != NULL)
		http_destroy(worker->http);
	shared_lock();
	worker->place.slot->clean_exit = clean;
	shared_unlock();
	proc_exit(clean || worker->has_no_place ? 0 : 1);
}
