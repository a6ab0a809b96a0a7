/*-------------------------------------------------------------------------
 *
 * clerk.c
 *	  A clerk: visits a database, says which jobs want workers, cleans up.
 *
 * It stands by, connected to no database, until the launcher calls it to one (launcher_clerks.c).
 * Then it is short-lived, connected as the bootstrap superuser, and running no user SQL:
 * what it does could not be done by the jobs' owners, who may be unable to
 * connect, or gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "catalog/catalog_change.h"
#include "catalog/catalog_clerk.h"
#include "catalog/catalog_extension.h"
#include "catalog/catalog_job.h"
#include "common/pg_compat.h"
#include "common/settings.h"
#include "common/subtransaction.h"
#include "server/server.h"
#include "shared/shared.h"
#include "staging/staging.h"
#include "worker/process.h"
#include "worker/vacuum.h"

/* When a drop of staging had to be put off. */
#define CLEAN_RETRY_US (2 * USECS_PER_SEC)

/* While an owner cannot connect: nothing tells of it when that is mended. */
#define UNABLE_RETRY_US (5 * USECS_PER_SEC)

/*
 * While a server takes no requests: ALTER SERVER calls for a clerk, but not all that changes
 * one does (server_watch.c).
 */
#define SPARED_RETRY_US (60 * USECS_PER_SEC)

/* Jobs that are forgotten in one transaction: each takes locks, of which there are so many. */
#define EXPIRED_AT_ONCE 200

/* Where there is no way into the database. */
#define CLOSED_RETRY_US (30 * USECS_PER_SEC)

/* Could a worker not even connect as the job's owner?  True: *why says why not. */
static bool
is_unable(Oid owner, Trouble *why)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(owner));
	bool		may_login;

	if (!HeapTupleIsValid(tuple))
		return false;			/* such a job has been paused */
	may_login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	if (!may_login && COMPAT_BYPASS_ROLELOGINCHECK == 0)
		shared_set_trouble(why, "the job's owner may not log in",
						   "Use ALTER ROLE ... LOGIN. The job then goes on by itself.");
	else if (compat_database_aclcheck(MyDatabaseId, owner, ACL_CONNECT) != ACLCHECK_OK)
		shared_set_trouble(why, "the job's owner may not connect to the database",
						   "Use GRANT CONNECT ON DATABASE. The job then goes on by itself.");
	else
		return false;
	return true;
}

typedef struct Pause
{
	const JobSummary *job;
	const char *reason;
	const char *error;
	const char *hint;
} Pause;

static void
write_pause(void *arg)
{
	const Pause *pause = arg;

	if (!catalog_pause_without_owner(pause->job->id, pause->job->owner))
		(void) catalog_transition(pause->job->id, JOB_PAUSED, pause->reason, pause->error,
								  pause->hint, NULL);
}

static bool
is_lock_not_available(const ErrorData *error, const void *pause pg_attribute_unused())
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/*
 * Pause a job.  Somebody may hold its row in an open transaction: the other
 * jobs do not wait for that, and this one is looked at again.
 */
static void
pause_job(const JobSummary *job, const char *reason, const char *error, const char *hint,
		  bool just_started)
{
	Pause		pause = {job, reason, error, hint};

	if (subtransaction_run(write_pause, &pause, is_lock_not_available) == NULL)
		return;
	if (just_started)			/* must be known to who comes next */
		shared_note_visit(MyDatabaseId, true);
	else
		shared_visit_in(MyDatabaseId, CLEAN_RETRY_US);
}

/* Pause a job that must not go on by itself here.  True: it is not to have workers now. */
static bool
hold_back(const JobSummary *job, bool just_started)
{
	if (job->state == JOB_PAUSED)
		return true;
	if (job->is_copy)
		pause_job(job, "copy", "this database is a copy of the one the job was started in",
				  "enrich.resume lets the job go on here; enrich.cancel ends it.", just_started);
	else if (just_started && !settings_autostart)
		pause_job(job, "user", "the server was started with pg_enrich.autostart off",
				  "enrich.resume lets the job go on.", just_started);
	else if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(job->owner)))
		pause_job(job, NULL, NULL, NULL, just_started);
	else
		return false;
	return true;
}

static int
wanted_workers(const JobSummary *job)
{
	if (!job->bucketized)
		return 1;
	if (job->concurrency == 0)
		return 0;
	if (!server_takes_none(job->server, job->owner))
		return job->workers;
	shared_visit_in(MyDatabaseId, SPARED_RETRY_US);
	return 0;
}

/* Tell the launcher what each unfinished job wants. */
static void
place_jobs(bool just_started)
{
	ListCell   *cell;
	bool		all = true;

	foreach(cell, catalog_unfinished_jobs())
	{
		const JobSummary *job = lfirst(cell);
		bool		held = hold_back(job, just_started);
		Trouble		why;
		bool		unable = !held && is_unable(job->owner, &why);

		all &= shared_want(MyDatabaseId, job->id, job->owner, held ? 0 : wanted_workers(job),
						   job->concurrency, unable ? &why : NULL);
		if (unable)
			shared_visit_in(MyDatabaseId, UNABLE_RETRY_US);
	}
	/* No room for all of them: look again when some have finished. */
	if (!all)
		shared_visit_in(MyDatabaseId, CLEAN_RETRY_US);
}

static void
clean_jobs(void)
{
	ListCell   *cell;

	foreach(cell, catalog_jobs_to_clean())
	{
		if (!staging_drop(*(int64 *) lfirst(cell), true))
			shared_visit_in(MyDatabaseId, CLEAN_RETRY_US);
	}
}

static void
forget_expired(void)
{
	TimestampTz next;
	List	   *jobs = catalog_expired_jobs(settings_job_retention, EXPIRED_AT_ONCE, &next);
	ListCell   *cell;

	if (list_length(jobs) == EXPIRED_AT_ONCE)
		shared_visit_in(MyDatabaseId, 0);
	foreach(cell, jobs)
	{
		int64		job = *(int64 *) lfirst(cell);

		if (catalog_try_hold_off_stores(job) && staging_drop(job, true))
			catalog_delete_job(job);
		else
			shared_visit_in(MyDatabaseId, CLEAN_RETRY_US);
	}
	if (next != 0)
		shared_visit_at(MyDatabaseId, next);
}

/* A DROP EXTENSION was under way, which may be rolled back: workers have left because of it. */
static bool put_off = false;

/* Each in a transaction of its own.  False: the extension is not here, or may be about to go. */
static bool
in_transaction(void (*step) (bool just_started), bool just_started)
{
	bool		here;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	here = OidIsValid(catalog_owner());
	if (here && !catalog_lock_extension())
	{
		here = false;
		put_off = true;
	}
	if (here)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		step(just_started);
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
	return here;
}

static void
clean_step(bool just_started pg_attribute_unused())
{
	clean_jobs();
	forget_expired();
}

static void
space_step(bool just_started pg_attribute_unused())
{
	vacuum_if_due();
}

/* What was to be done is not: somebody must come again. */
static bool finished = false;
static bool connected = false;

static void
ask_for_another(int code pg_attribute_unused(), Datum database)
{
	if (!finished)
		shared_visit_in(DatumGetObjectId(database), connected ? CLEAN_RETRY_US : CLOSED_RETRY_US);
}

/* The call in that place: is it ours still, and to where?  InvalidOid: to nowhere yet. */
static bool
hear_call(int place, uint32 number, ClerkCall *heard)
{
	ClerkCall  *call = &shared->calls[place];
	bool		ours;

	shared_lock();
	ours = call->number == number;
	*heard = *call;
	if (ours)
		call->database = InvalidOid;
	shared_unlock();
	return ours;
}

/* Stand by until called.  False: nobody will, or the process is to end. */
static bool
await_call(int place, uint32 number, ClerkCall *call)
{
	static uint32 wait_event = 0;
	bool		ours;

	for (;;)
	{
		/* Announced before looking, so that no call falls in between. */
		ConditionVariablePrepareToSleep(&shared->clerk_called);
		ours = hear_call(place, number, call);
		if (!ours || OidIsValid(call->database) || ShutdownRequestPending)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1,
						 COMPAT_WAIT_EVENT(wait_event, "PgEnrichClerk"));
		ResetLatch(MyLatch);
	}
	ConditionVariableCancelSleep();
	return ours && OidIsValid(call->database);
}

void
clerk_main(Datum place)
{
	ClerkOrder	order;
	ClerkCall	call;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	if (!await_call(DatumGetInt32(place), order.number, &call))
		proc_exit(0);

	pqsignal(SIGTERM, die);
	before_shmem_exit(ask_for_another, ObjectIdGetDatum(call.database));
	if (ShutdownRequestPending) /* it came before die could hear it */
		proc_exit(0);
	/* Settings may have changed since the process was started. */
	ProcessConfigFile(PGC_SIGHUP);
	BackgroundWorkerInitializeConnectionByOid(call.database, InvalidOid, 0);
	connected = true;
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("lock_timeout", "1s", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_SESSION);
	pgstat_report_activity(STATE_RUNNING, "looking for jobs");
	if (in_transaction(place_jobs, call.just_started) && in_transaction(clean_step, false))
		(void) in_transaction(space_step, false);
	finished = !put_off;
	shared_wake_launcher();
	proc_exit(0);
}
