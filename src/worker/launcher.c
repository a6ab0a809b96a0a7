/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: has clerks look into databases, starts workers for jobs, and flushes stores.
 *
 * One static process.  It reads pg_database once, when the server starts, and
 * sends a clerk to each database to look for unfinished jobs (launcher_clerks.c).  After that it
 * sleeps: whoever changes a job wakes it at commit, by way of the database's
 * entry in shared memory; it sends a clerk there, the clerk says how many
 * workers each job wants, and the launcher starts those that are missing.
 *
 * Workers wake it, too, when they have stored something: it flushes the WAL in
 * their place (wal_flush.c).
 *
 * It runs no SQL on behalf of users and holds nothing that a restart could not
 * find again: slots whose worker never attached are reclaimed, and if it dies
 * itself the postmaster starts it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "common/pg_compat.h"
#include "shared/permits.h"
#include "shared/shared.h"
#include "shared/wal_flush.h"
#include "worker/launcher.h"
#include "worker/launcher_clerks.h"
#include "worker/process.h"

/* While something waits for a free slot, or a server for a place: no event tells of one. */
#define RETRY_MS 1000

/* Between two lines in the log about that. */
#define SHORTAGE_LOG_US (60 * USECS_PER_SEC)

/* Handles of the workers, by slot; NULL where this launcher started none. */
static BackgroundWorkerHandle **workers;

void
launcher_register(void)
{
	Process		launcher = {
		.type = "pg_enrich launcher",
		.name = "pg_enrich launcher",
		.function = "launcher_main",
	};

	/* Binary upgrade starts a server that must do nothing of its own accord. */
	if (!IsBinaryUpgrade)
		process_register(&launcher);
}

/* A worker that ended before it could attach leaves its slot to us. */
static void
reap_workers(void)
{
	for (int i = 0; i < shared->slot_count; i++)
	{
		WorkerSlot *slot = &shared->slots[i];
		Oid			database = InvalidOid;

		if (workers[i] == NULL || !process_has_ended(workers[i]))
			continue;
		pfree(workers[i]);
		workers[i] = NULL;
		shared_lock();
		if (slot->in_use && slot->pid == 0)
		{
			JobEntry   *entry = &shared->jobs[slot->job_index];

			shared_put_off(entry);
			if (entry->trouble.error[0] == '\0')
				shared_set_trouble(&entry->trouble, "a worker could not be started",
								   "See the server log for the reason. The job tries again by "
								   "itself.");
			database = entry->database;
			shared_free_slot(slot);
		}
		shared_unlock();
		if (OidIsValid(database))
			shared_visit(database, false);
	}
}

/* Worker numbers of a job that are in use, as a bitmap; the caller holds the lock. */
static uint64
numbers_in_use(int job_index)
{
	uint64		used = 0;

	Assert(shared_is_locked());
	foreach_slot_of_job(slot, job_index)
	{
		Assert(slot->worker_number >= 0 && slot->worker_number < 64);
		used |= UINT64CONST(1) << slot->worker_number;
	}
	return used;
}

/* Is there no place for its server among those in use?  The caller holds the lock. */
static bool
waits_for_server(const JobEntry *entry)
{
	return OidIsValid(entry->no_server) && !permits_have_room(entry->database, entry->no_server);
}

/*
 * Take a slot for one more worker of a job, if it wants one now; -1: it does
 * not, or none is free.
 */
static int
take_slot(int job_index, int64 now, WorkerOrder *order, int64 *due)
{
	JobEntry   *entry = &shared->jobs[job_index];
	int			slot = -1;

	shared_lock();
	if (entry->in_use && !entry->unable)
	{
		uint64		used = numbers_in_use(job_index);

		for (int number = 0; number < entry->wanted && slot < 0; number++)
		{
			if (used & (UINT64CONST(1) << number))
				continue;
			if (entry->not_before > now)
			{
				*due = Min(*due, entry->not_before);
				break;
			}
			if (waits_for_server(entry))
				break;
			entry->no_server = InvalidOid;
			slot = shared_take_slot(job_index, number);
			entry->no_slot = slot < 0;
			if (slot < 0)
				break;
		}
		if (slot >= 0)
		{
			order->generation = shared->slots[slot].generation;
			order->database = entry->database;
			order->owner = entry->owner;
			order->job = entry->job;
		}
	}
	shared_unlock();
	return slot;
}

/* What a job waits for that no event tells of, and others have. */
static WaitingFor
waits_for(int job_index, int64 *job)
{
	const JobEntry *entry = &shared->jobs[job_index];
	WaitingFor	waits = WAITING_NOTHING;

	shared_lock();
	*job = entry->job;
	if (entry->in_use && entry->wanted > 0 && waits_for_server(entry))
		waits = WAITING_SERVER;
	else if (entry->in_use && entry->no_slot)
		waits = WAITING_SLOT;
	shared_unlock();
	return waits;
}

static void
give_up_slot(int job_index, int slot, bool is_shortage)
{
	shared_lock();
	shared->jobs[job_index].no_slot = is_shortage;
	shared_free_slot(&shared->slots[slot]);
	shared_unlock();
}

/* Is it a minute since the log was told?  Then it is told now. */
static bool
may_log(int64 *logged_at)
{
	int64		now = clock_now();

	if (*logged_at != 0 && now - *logged_at < SHORTAGE_LOG_US)
		return false;
	*logged_at = now;
	return true;
}

/* Job 0: not even a clerk could look which jobs there are. */
static void
log_no_slot(int64 job)
{
	static int64 logged_at = 0;

	if (!may_log(&logged_at))
		return;
	ereport(LOG,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			job != 0
			? errmsg("job " INT64_FORMAT " of pg_enrich waits for a free background worker slot",
					 job)
			: errmsg("pg_enrich waits for a free background worker slot"),
			errhint("You might need to increase max_worker_processes."));
}

static void
log_no_server(int64 job)
{
	static int64 logged_at = 0;

	if (!may_log(&logged_at))
		return;
	ereport(LOG,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("job " INT64_FORMAT " of pg_enrich waits for its server: too many are in use at "
				   "the same time", job),
			errdetail("At most %d servers can have running jobs.", SHARED_MAX_SERVERS));
}

static bool
start_worker(int slot, const WorkerOrder *order)
{
	char		name[BGW_MAXLEN];
	Process		process = {
		.type = "pg_enrich worker",
		.name = name,
		.function = "worker_main",
		.argument = Int32GetDatum(slot),
		.order = order,
		.order_size = sizeof(*order),
	};

	snprintf(name, sizeof(name), "pg_enrich worker for job " INT64_FORMAT, order->job);
	return process_start(&process, &workers[slot]);
}

/*
 * False: some job waits for a slot, or for a place for its server.  *due: clock of when one may
 * have its worker.
 */
static bool
start_workers(int64 *due)
{
	int64		now = clock_now();
	bool		all = true;

	*due = CLOCK_NEVER;
	foreach_job(job)
	{
		WorkerOrder order = {0};
		WaitingFor	waits;
		int64		number;
		int			slot;

		while ((slot = take_slot(job, now, &order, due)) >= 0)
		{
			if (workers[slot] != NULL)
				pfree(workers[slot]);	/* of one that has left the slot, and
										 * was not reaped yet */
			if (clerks_one_stands_by() && start_worker(slot, &order))
				continue;
			workers[slot] = NULL;

			/*
			 * A clerk that ends wakes us, and leaves one: then there is no
			 * shortage yet.
			 */
			give_up_slot(job, slot, !clerks_any_at_work());
			if (!clerks_any_at_work())
				log_no_slot(order.job);
			all = false;
			break;
		}
		waits = waits_for(job, &number);
		if (waits == WAITING_SERVER)
			log_no_server(number);
		all &= waits == WAITING_NOTHING;
	}
	return all;
}

static void
forget_me(int code pg_attribute_unused(), Datum argument pg_attribute_unused())
{
	shared_lock();
	shared->launcher = NULL;
	shared_unlock();
	clerks_dismiss();
}

/*
 * Slots that a previous launcher gave out and nobody attached to.  True: there
 * was none, the server has just started.
 */
static bool
reclaim_slots(void)
{
	bool		just_started;

	shared_lock();
	shared->launcher = MyProc;
	memset(shared->calls, 0, sizeof(shared->calls));
	just_started = !shared->launched;
	shared->launched = true;
	foreach_slot(slot)
	{
		if (slot->pid == 0)
			shared_free_slot(slot);
	}
	shared_unlock();
	return just_started;
}

/* How long to sleep, in ms: until something is due; -1: until woken. */
static long
time_to_sleep(bool satisfied, int64 due)
{
	int64		due_in = clerks_due_in();

	if (due != CLOCK_NEVER)
		due_in = Min(due_in, due - clock_now());
	if (!satisfied)
		return RETRY_MS;
	/* What WaitLatch can take: whoever wakes early looks again. */
	return due_in == CLOCK_NEVER ? -1 : (long) Max(1, Min(due_in / 1000 + 1, PG_INT32_MAX));
}

static void
notice_changes(void)
{
	bool		all_dirty;

	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		/* job_retention may have changed, and with it what is due when */
		clerks_visit_all(false);
	}
	shared_lock();
	all_dirty = shared->all_dirty;
	shared->all_dirty = false;
	shared_unlock();
	if (all_dirty)
		clerks_visit_all(false);
}

void
launcher_main(Datum argument pg_attribute_unused())
{
	static uint32 wait_event = 0;
	bool		just_started;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	before_shmem_exit(forget_me, (Datum) 0);
	just_started = reclaim_slots();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	workers = MemoryContextAllocZero(TopMemoryContext,
									 sizeof(BackgroundWorkerHandle *) * shared->slot_count);
	MemoryContextSwitchTo(TopMemoryContext);
	clerks_visit_all(just_started);
	pgstat_report_activity(STATE_IDLE, NULL);
	for (;;)
	{
		int64		due;
		bool		satisfied;
		long		timeout;

		notice_changes();
		reap_workers();
		satisfied = clerks_send();
		if (shared->clerk_waits)
			log_no_slot(0);
		satisfied &= start_workers(&due);
		timeout = time_to_sleep(satisfied, due);

		/*
		 * Last: waiting for a lock, somewhere above, would lose a latch that
		 * was set.
		 */
		wal_flush_serve();
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, COMPAT_WAIT_EVENT(wait_event, "PgEnrichLauncher"));
		ResetLatch(MyLatch);
	}
}
