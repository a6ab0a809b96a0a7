/*-------------------------------------------------------------------------
 *
 * worker_try.c
 *	  A worker's transactions, and what becomes of those that fail.
 *
 * Answers that were paid for lie in the worker's memory, so no error of the
 * database may end it while it runs its loop.  What may pass is tried again
 * with backoff, and shown in shared memory meanwhile: a full disk lets nobody
 * write it into a table.  What a person must mend pauses the job; the answers
 * that could not be stored are kept, and stored as soon as that is possible.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_try.h"

#include "access/xact.h"
#include "common/pg_prng.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "catalog/catalog_extension.h"
#include "catalog/catalog_job.h"
#include "common/encoding.h"
#include "limits/backoff.h"
#include "server/mask.h"
#include "worker/worker.h"

/* Wait after a first failure, and the longest waits. */
#define BACKOFF_US 200000
#define BACKOFF_MAX_US (30 * INT64CONST(1000000))
#define BACKOFF_LOCK_US INT64CONST(1000000)

/* What was changed must come through soon: somebody waits for a cancel, say. */
#define BACKOFF_CONTROL_US INT64CONST(2000000)

/* Errors of which nobody knows whether they pass are taken for lasting after so many. */
#define MAX_UNKNOWN 8

/* Between two lines in the log about what goes on failing. */
#define LOG_US (60 * INT64CONST(1000000))

static const char *const step_names[STEP_KIND_COUNT] = {
	"note what was changed", "read its server and target anew", "read answers", "load rows",
	"store answers", "finish", "drop finished partitions",
	"open connections"
};

bool
worker_begin(Worker *worker)
{
	/* Without this now() would stay what it was when the worker started. */
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (!catalog_lock_extension())
	{
		AbortCurrentTransaction();
		worker_enter(worker, WORKER_LEAVING);
		MemoryContextSwitchTo(worker->turn);
		return false;
	}

	/*
	 * Each statement takes a snapshot of its own, but SPI wants one to be
	 * there.
	 */
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(worker->turn);
	return true;
}

void
worker_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Does anything go wrong that is worth showing?  Locks are shown as what the job waits for. */
static bool
has_trouble(const Worker *worker)
{
	for (int kind = 0; kind < STEP_KIND_COUNT; kind++)
		if (worker->attempts[kind].failed > 0 && worker->attempts[kind].last != ERROR_LOCK &&
			kind != STEP_CLEAN)
			return true;
	return false;
}

void
worker_forget_failure(Worker *worker, StepKind kind)
{
	Attempts   *attempts = &worker->attempts[kind];
	bool		is_scarce = attempts->lacked_memory || kind == STEP_CONNECT;
	int64		logged_at = is_scarce ? attempts->logged_at : 0;

	if (attempts->failed == 0)
		return;
	memset(attempts, 0, sizeof(*attempts));
	attempts->logged_at = logged_at;	/* it may run out again as soon as
										 * more is tried */
	if (!has_trouble(worker))
		worker_show_trouble(worker, NULL, NULL);
}

void
worker_forget_attempts(Worker *worker)
{
	memset(worker->attempts, 0, sizeof(worker->attempts));
	worker_show_trouble(worker, NULL, NULL);
}

/*
 * Twice as long each time, up to a limit; the half of it is left to chance, so
 * that two who hinder each other do not meet again.
 */
static int64
backoff_after(StepKind kind, const Attempts *attempts)
{
	int64		limit = BACKOFF_MAX_US;
	int64		wait;

	if (attempts->last == ERROR_LOCK)
		limit = BACKOFF_LOCK_US;
	else if (kind == STEP_CONTROL || kind == STEP_INTAKE)
		limit = BACKOFF_CONTROL_US;
	/* What a person mends without resuming the job is found in the end, too. */
	if (attempts->last == ERROR_CONFIGURATION)
		return limit;
	wait = backoff_us(BACKOFF_US, limit, attempts->failed - 1);
	return wait / 2 + (int64) (pg_prng_double(&pg_global_prng_state) * (double) (wait / 2));
}

static void
log_failure(const Worker *worker, StepKind kind, Attempts *attempts, const ErrorData *error)
{
	int64		now = clock_now();
	const char *detail = error->detail_log ? error->detail_log : error->detail;

	if (attempts->logged_at != 0 && now - attempts->logged_at < LOG_US)
		return;
	attempts->logged_at = now;
	ereport(LOG,
			errcode(error->sqlerrcode),
			errmsg("job " INT64_FORMAT " of pg_enrich could not %s: %s",
				   worker->setup.job->id, step_names[kind], error->message),
			detail ? errdetail_internal("%s", detail) : 0,
			errhint("%s", error_hint(error)),
			error->context ? errcontext("%s", error->context) : 0);
}

void
worker_note_starved(Worker *worker)
{
	static const char *const error = "no file descriptor is free";
	static const char *const hint = "Raise the limit on open files of the server's processes, or use a lower concurrency.";
	Attempts   *attempts = &worker->attempts[STEP_CONNECT];
	int64		now = clock_now();

	if (now < attempts->not_before)
		return;					/* one of several at the same time */
	attempts->failed++;
	attempts->last = ERROR_PASSING;
	attempts->not_before = now + backoff_after(STEP_CONNECT, attempts);
	worker_show_trouble(worker, error, hint);
	if (attempts->logged_at != 0 && now - attempts->logged_at < LOG_US)
		return;
	attempts->logged_at = now;
	ereport(LOG,
			errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			errmsg("job " INT64_FORMAT " of pg_enrich could not %s: %s",
				   worker->setup.job->id, step_names[STEP_CONNECT], error),
			errhint("%s", hint));
}

/* *written (a bool): false where the job is at rest already, or ended. */
static void
write_pause_step(Worker *worker, void *written)
{
	const PendingPause *pause = &worker->control.pause;
	const Job  *job = worker->setup.job;

	/* Without its owner, whatever went wrong went wrong because of that. */
	*(bool *) written = !catalog_pause_without_owner(job->id, job->owner) &&
		catalog_transition(job->id, JOB_PAUSED, pause->reason, pause->error,
						   pause->hint[0] != '\0' ? pause->hint : NULL, NULL);
	/* Who sees the pause is to see all that was sent, too. */
	worker_note_counters(worker);
}

void
worker_pause_written(Worker *worker)
{
	worker_counters_noted(worker);
	worker->setup.job->state = JOB_PAUSED;	/* or ended: then reread_step will
											 * know */
}

void
worker_write_pause(Worker *worker)
{
	const PendingPause *pause = &worker->control.pause;
	bool		written;

	if (worker->control.mode != WORKER_PAUSING ||
		!worker_try(worker, write_pause_step, &written))
		return;
	worker_pause_written(worker);
	if (written)
		ereport(LOG,
				errmsg("job " INT64_FORMAT " of pg_enrich is paused, reason %s: %s",
					   worker->setup.job->id, pause->reason, pause->error),
				pause->hint[0] != '\0' ? errhint("%s", pause->hint) : 0);
	worker_drop_pause(worker);
}

/*
 * What the database says may quote what an API has echoed.  No transaction is
 * open any more: so only secrets in UTF-8, or in ASCII, are found.
 */
static char *
masked(const Worker *worker, char *text)
{
	return text == NULL ? NULL : mask_text(text, worker->setup.endpoint->credentials);
}

static void
handle_failure(Worker *worker, StepKind kind, ErrorData *error)
{
	Attempts   *attempts = &worker->attempts[kind];

	error->message = masked(worker, error->message);
	error->detail = masked(worker, error->detail);
	error->hint = masked(worker, error->hint);
	error->context = masked(worker, error->context);
	attempts->failed++;
	attempts->last = error_class_of(error);
	attempts->lacked_memory = error_is_own_memory(error);
	if (attempts->lacked_memory)
		worker_note_memory_refused(worker);
	if (attempts->last == ERROR_UNKNOWN && attempts->failed >= MAX_UNKNOWN)
		attempts->last = ERROR_CONFIGURATION;
	if (kind == STEP_CLEAN && attempts->last != ERROR_CANCELED)
		attempts->last = ERROR_PASSING;

	/*
	 * The job was steered while that was stored, and perhaps resumed: then
	 * once more.
	 */
	if (kind == STEP_STORE && attempts->last == ERROR_CONFIGURATION && worker_is_behind(worker))
		attempts->last = ERROR_PASSING;
	attempts->not_before = clock_now() + backoff_after(kind, attempts);
	switch (attempts->last)
	{
		case ERROR_LOCK:
			break;
		case ERROR_CANCELED:
			worker_note_cancel(worker);
			break;
		case ERROR_CONFIGURATION:
			log_failure(worker, kind, attempts, error);
			worker_pause(worker, "configuration", error_text(error), error_pause_hint(error));
			break;
		case ERROR_PASSING:
		case ERROR_UNKNOWN:
			if (kind != STEP_CLEAN)
				worker_show_trouble(worker, error_text(error), error_hint(error));
			log_failure(worker, kind, attempts, error);
			break;
	}
}

bool
worker_try_as(Worker *worker, StepKind kind, WorkerStep step, void *arg)
{
	Attempts   *attempts = &worker->attempts[kind];
	ErrorData  *volatile error = NULL;
	volatile bool begun = false;

	if (attempts->not_before > clock_now() || worker->control.mode == WORKER_LEAVING)
		return false;
	PG_TRY();
	{
		begun = worker_begin(worker);
		if (begun)
		{
			step(worker, arg);
			worker_commit();
		}
	}
	PG_CATCH();
	{
		/*
		 * Not AbortCurrentTransaction: the error may come from inside a
		 * subtransaction.  First of all, as there may be no memory for
		 * anything else before.
		 */
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(worker->turn);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(worker->turn);
	if (error != NULL)
		handle_failure(worker, kind, error);
	else if (begun)
		worker_forget_failure(worker, kind);
	return begun && error == NULL;
}

bool
worker_try(Worker *worker, WorkerStep step, void *arg)
{
	return worker_try_as(worker, STEP_CONTROL, step, arg);
}

static void
nothing_step(Worker *worker pg_attribute_unused(), void *arg pg_attribute_unused())
{
}

bool
worker_can_begin(Worker *worker, StepKind kind)
{
	return worker_try_as(worker, kind, nothing_step, NULL);
}

/* *text (a const char *) is UTF-8, and then in the database's encoding. */
static void
convert_text_step(Worker *worker, void *text)
{
	const char **converted = text;

	*converted = MemoryContextStrdup(worker->turn, message_from_utf8(*converted));
}

/*
 * Looking for a conversion takes a transaction; whoever has something to say
 * must not fail for want of one.
 */
const char *
worker_message(Worker *worker, const char *utf8)
{
	const char *text = utf8;

	if (!worker_try(worker, convert_text_step, &text))
		return "the API refused a request";
	return text;
}
