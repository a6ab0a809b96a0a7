/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  Shared memory: which jobs want workers, who works on what, who must look.
 *
 * Here are the memory itself, its lock, and wakes.  What is done with jobs and slots is in
 * shared_jobs.c, and how changes become known in shared_visits.c.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/shared.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

SharedState *shared = NULL;

static LWLock *lock = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

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
	return LWLockHeldByMeInMode(lock, LW_EXCLUSIVE);
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

/* Wake a process of ours, if there is one. */
static void
wake(PGPROC *proc)
{
	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

void
shared_wake_launcher(void)
{
	wake(shared->launcher);
}

void
shared_wake_workers(int job_index)
{
	foreach_slot_of_job(slot, job_index)
	{
		wake(slot->proc);
	}
}

void
shared_wake_worker(const WorkerSlot *slot)
{
	wake(slot->proc);
}

int
shared_find_job(Oid database, int64 job)
{
	Assert(shared_is_locked());
	foreach_job(i)
	{
		if (shared->jobs[i].job == job && shared->jobs[i].database == database)
			return i;
	}
	return -1;
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
