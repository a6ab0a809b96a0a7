/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  Shared memory: which jobs want workers, who works on what, who must look.
 *
 * Backends tell of changes only when they have committed: a list of jobs that
 * the transaction touched is kept until its end.  A spurious wake is harmless;
 * a missed one would leave a job waiting, so every doubt ends in a visit by a
 * clerk, who reads the catalog.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/shared.h"

#include <signal.h>

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "base/clock.h"

SharedState *shared = NULL;

static LWLock *lock = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* A job that the current transaction changed. */
typedef struct Touched
{
	int64		job;
	bool		ended;			/* there is nothing to be done for it any more */
} Touched;

/* List of Touched *, in TopTransactionContext. */
static List *touched = NIL;
static bool callback_registered = false;

/* The current transaction changed something else that a clerk is to look at. */
static bool visit_wanted = false;

static Size
shared_size(void)
{
	return add_size(offsetof(SharedState, slots),
					mul_size(max_worker_processes, sizeof(WorkerSlot)));
}

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("pg_enrich", 1);
}

static void
start_up(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_enrich", shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, shared_size());
		shared->slot_count = max_worker_processes;
		ConditionVariableInit(&shared->state_changed);
		ConditionVariableInit(&shared->clerk_called);
	}
	lock = &(GetNamedLWLockTranche("pg_enrich"))->lock;
	LWLockRelease(AddinShmemInitLock);
}

void
shared_request(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_up;
}

void
shared_lock(void)
{
	LWLockAcquire(lock, LW_EXCLUSIVE);
}

void
shared_unlock(void)
{
	LWLockRelease(lock);
}

bool
shared_is_locked(void)
{
	return LWLockHeldByMe(lock);
}

void
shared_require(void)
{
	if (shared == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("pg_enrich is not preloaded"),
				errdetail("Its background workers are started by the server itself."),
				errhint("Add pg_enrich to shared_preload_libraries in postgresql.conf and restart "
						"the server."));
}

/* Wake a process of ours.  It may be gone: then there is nobody to wake. */
static void
wake(pid_t pid)
{
	PGPROC	   *proc = pid == 0 ? NULL : BackendPidGetProc(pid);

	if (proc)
		SetLatch(&proc->procLatch);
}

void
shared_wake_launcher(void)
{
	wake(shared->launcher_pid);
}

void
shared_wake_workers(int job_index)
{
	for (int i = 0; i < shared->slot_count; i++)
	{
		const WorkerSlot *slot = &shared->slots[i];

		if (slot->in_use && slot->pid != 0 && (job_index < 0 || slot->job_index == job_index))
			wake(slot->pid);
	}
}

void
shared_wake_worker(int slot_index)
{
	wake(shared->slots[slot_index].pid);
}

/* The entry of a database, made if need be; NULL: no room.  The caller holds the lock. */
static DatabaseEntry *
database_entry(Oid database)
{
	DatabaseEntry *unused = NULL;

	Assert(shared_is_locked());
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
	{
		DatabaseEntry *entry = &shared->databases[i];

		if (entry->database == database)
			return entry;
		if (unused == NULL && entry->database == InvalidOid)
			unused = entry;
	}
	if (unused != NULL)
	{
		memset(unused, 0, sizeof(*unused));
		unused->database = database;
	}
	return unused;
}

void
shared_note_visit(Oid database, bool just_started)
{
	DatabaseEntry *entry;

	shared_lock();
	entry = database_entry(database);
	if (entry != NULL)
	{
		entry->dirty = true;
		entry->just_started |= just_started;
	}
	else
		shared->all_dirty = true;
	shared_unlock();
}

void
shared_visit(Oid database, bool just_started)
{
	shared_note_visit(database, just_started);
	shared_wake_launcher();
}

void
shared_visit_in(Oid database, int64 delay_us)
{
	DatabaseEntry *entry;
	int64		at = clock_now() + delay_us;

	shared_lock();
	entry = database_entry(database);
	if (entry != NULL && (entry->next_visit == 0 || entry->next_visit > at))
		entry->next_visit = at;
	shared_unlock();
	shared_wake_launcher();
}

void
shared_visit_at(Oid database, TimestampTz at)
{
	DatabaseEntry *entry;

	shared_lock();
	entry = database_entry(database);
	if (entry != NULL && (entry->next_expiry == 0 || entry->next_expiry > at))
		entry->next_expiry = at;
	shared_unlock();
	shared_wake_launcher();
}

void
shared_state_changed(void)
{
	ConditionVariableBroadcast(&shared->state_changed);
}

/*
 * Workers that run a job's source query look at nothing until it sends rows.
 * The caller holds the lock.
 */
static void
interrupt_bucketizing(int job_index)
{
	Assert(shared_is_locked());
	for (int i = 0; i < shared->slot_count; i++)
	{
		const WorkerSlot *slot = &shared->slots[i];

		if (slot->in_use && slot->job_index == job_index && slot->bucketizing && slot->pid != 0)
			kill(slot->pid, SIGINT);
	}
}

/* What this transaction changed has become true: tell everybody concerned. */
static void
tell_touched(void)
{
	ListCell   *cell;

	foreach(cell, touched)
	{
		const Touched *item = lfirst(cell);
		int			index;

		shared_lock();
		index = shared_find_job(MyDatabaseId, item->job);
		if (index >= 0)
		{
			shared->jobs[index].version++;
			shared->jobs[index].not_before = 0;
			if (item->ended)
				interrupt_bucketizing(index);
		}
		shared_unlock();
		if (index >= 0)
			shared_wake_workers(index);
	}
	shared_visit(MyDatabaseId, false);
	if (touched != NIL)
		shared_state_changed();
}

static void
end_of_transaction(XactEvent event, void *arg pg_attribute_unused())
{
	if (touched == NIL && !visit_wanted)
		return;
	if (event == XACT_EVENT_PRE_PREPARE && touched != NIL)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("cannot PREPARE a transaction that has changed pg_enrich jobs"),
				errhint("COMMIT it instead."));
	if (event == XACT_EVENT_COMMIT)
		tell_touched();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		touched = NIL;			/* its memory goes with the transaction's */
		visit_wanted = false;
	}
}

static Touched *
find_touched(int64 job)
{
	ListCell   *cell;

	foreach(cell, touched)
	{
		Touched    *item = lfirst(cell);

		if (item->job == job)
			return item;
	}
	return NULL;
}

static void
hear_of_end(void)
{
	if (!callback_registered)
		RegisterXactCallback(end_of_transaction, NULL);
	callback_registered = true;
}

void
shared_visit_at_commit(void)
{
	hear_of_end();
	visit_wanted = true;
}

void
shared_touch_at_commit(int64 job)
{
	MemoryContext old;
	Touched    *item;

	if (shared == NULL || shared_touched(job))
		return;
	hear_of_end();
	old = MemoryContextSwitchTo(TopTransactionContext);
	item = palloc0(sizeof(Touched));
	item->job = job;
	touched = lappend(touched, item);
	MemoryContextSwitchTo(old);
}

void
shared_end_at_commit(int64 job)
{
	shared_touch_at_commit(job);
	if (shared != NULL)
		find_touched(job)->ended = true;
}

bool
shared_touched(int64 job)
{
	return find_touched(job) != NULL;
}

int
shared_find_job(Oid database, int64 job)
{
	Assert(shared_is_locked());
	for (int i = 0; i < SHARED_MAX_JOBS; i++)
		if (shared->jobs[i].in_use && shared->jobs[i].job == job &&
			shared->jobs[i].database == database)
			return i;
	return -1;
}

static bool
has_workers(int job_index)
{
	for (int i = 0; i < shared->slot_count; i++)
		if (shared->slots[i].in_use && shared->slots[i].job_index == job_index)
			return true;
	return false;
}

/* What its last worker waited for, and the refused rows that it held, are past. */
static void
forget_workers(int job_index)
{
	JobEntry   *entry = &shared->jobs[job_index];

	if (has_workers(job_index))
		return;
	shared_count_elapsed(entry, false);
	entry->throttled_from = 0;
	entry->refused_alone = entry->refused_in_all = 0;
}

/* A job that wants no workers and has none needs no entry. */
static void
free_job_if_idle(int job_index)
{
	if (shared->jobs[job_index].wanted == 0 && !has_workers(job_index))
		shared->jobs[job_index].in_use = false;
}

void
shared_forget_database(Oid database)
{
	shared_lock();
	for (int i = 0; i < SHARED_MAX_JOBS; i++)
		if (shared->jobs[i].in_use && shared->jobs[i].database == database)
		{
			shared->jobs[i].wanted = 0;
			free_job_if_idle(i);
		}
	shared_unlock();
}

static int
new_job(Oid database, int64 job, Oid owner)
{
	for (int i = 0; i < SHARED_MAX_JOBS; i++)
	{
		JobEntry   *entry = &shared->jobs[i];

		if (entry->in_use)
			continue;
		memset(entry, 0, sizeof(*entry));
		entry->in_use = true;
		entry->database = database;
		entry->job = job;
		entry->owner = owner;
		return i;
	}
	return -1;
}

/* Whether workers can begin, and why not. */
static void
note_ability(JobEntry *entry, const Trouble *unable)
{
	if (unable == NULL && !entry->unable)
		return;
	entry->unable = unable != NULL;
	entry->failures = 0;
	entry->not_before = 0;
	if (unable != NULL)
		entry->trouble = *unable;
	else
		shared_set_trouble(&entry->trouble, NULL, NULL);
}

bool
shared_want(Oid database, int64 job, Oid owner, int wanted, int concurrency,
			const Trouble *unable)
{
	int			index;

	shared_lock();
	index = shared_find_job(database, job);
	if (index < 0 && wanted > 0)
		index = new_job(database, job, owner);
	if (index >= 0)
	{
		shared->jobs[index].wanted = wanted;
		shared->jobs[index].concurrency = concurrency;
		note_ability(&shared->jobs[index], unable);
		free_job_if_idle(index);
	}
	shared_unlock();
	shared_wake_launcher();
	return index >= 0 || wanted == 0;
}

int
shared_take_slot(int job_index, int worker_number)
{
	for (int i = 0; i < shared->slot_count; i++)
	{
		WorkerSlot *slot = &shared->slots[i];

		if (slot->in_use)
			continue;
		memset(slot, 0, sizeof(*slot));
		slot->in_use = true;
		slot->generation = ++shared->next_generation;
		slot->job_index = job_index;
		slot->worker_number = worker_number;
		slot->server_index = -1;
		return i;
	}
	return -1;
}

void
shared_rescan(int job_index)
{
	Assert(shared_is_locked());
	shared->jobs[job_index].next_bucket = 0;
	shared->jobs[job_index].rescans++;
}

void
shared_free_slot(int slot_index)
{
	WorkerSlot *slot = &shared->slots[slot_index];

	Assert(shared_is_locked());
	/* What it had claimed and not finished is anybody's again. */
	if (slot->claim_count > 0)
		shared_rescan(slot->job_index);
	slot->in_use = false;
	slot->in_flight = 0;
	slot->claim_count = 0;
	forget_workers(slot->job_index);
	free_job_if_idle(slot->job_index);
}

/* Clipped between characters. */
static void
copy_text(char *to, size_t size, const char *text)
{
	int			length = text == NULL ? 0 : pg_mbcliplen(text, (int) strlen(text), (int) size - 1);

	memcpy(to, text ? text : "", length);
	to[length] = '\0';
}

void
shared_set_trouble(Trouble *trouble, const char *error, const char *hint)
{
	copy_text(trouble->error, sizeof(trouble->error), error);
	copy_text(trouble->hint, sizeof(trouble->hint), hint);
}

void
shared_set_job_trouble(Oid database, int64 job, const char *error, const char *hint)
{
	int			index;

	shared_lock();
	index = shared_find_job(database, job);
	if (index >= 0)
		shared_set_trouble(&shared->jobs[index].trouble, error, hint);
	shared_unlock();
}

const char *
shared_waiting_name(WaitingFor waiting_for)
{
	switch (waiting_for)
	{
		case WAITING_NOTHING:
			return NULL;
		case WAITING_SERVER:
			return "server";
		case WAITING_CAP:
			return "cap";
		case WAITING_RATE:
			return "rate";
		case WAITING_SLOT:
			return "slot";
		case WAITING_LOCK:
			return "lock";
	}
	return NULL;
}
