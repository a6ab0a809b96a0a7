/*-------------------------------------------------------------------------
 *
 * shared_jobs.c
 *	  Jobs that want workers, and the slots of these.
 *
 * A job's entry is made by a clerk, and freed when it wants no workers and has none.  A slot
 * is taken by the launcher, attached to by the worker that it starts, and freed by that when
 * it ends; or by the launcher, where none has come.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/shared.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "limits/backoff.h"

/* How soon a worker follows one that could not begin, or has ended in an error. */
#define RESTART_US USECS_PER_SEC
#define RESTART_AT_MOST_US (30 * USECS_PER_SEC)

static bool
has_workers(int job_index)
{
	Assert(shared_is_locked());
	return shared_next_slot(shared->slots, job_index, -1) != NULL;
}

/* What its last worker waited for, and the refused rows that it held, are past. */
static void
forget_workers(int job_index)
{
	JobEntry   *entry = &shared->jobs[job_index];

	Assert(entry->in_use);
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
	Assert(shared->jobs[job_index].in_use && shared->jobs[job_index].wanted >= 0);
	if (shared->jobs[job_index].wanted == 0 && !has_workers(job_index))
		shared->jobs[job_index].in_use = false;
}

void
shared_forget_database(Oid database)
{
	shared_lock();
	foreach_job(i)
	{
		if (shared->jobs[i].database == database)
		{
			shared->jobs[i].wanted = 0;
			free_job_if_idle(i);
		}
	}
	shared_unlock();
}

static int
new_job(Oid database, int64 job, Oid owner)
{
	Assert(shared_is_locked());
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
	Assert(shared_is_locked());
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
	Assert(shared_is_locked());
	Assert(shared->jobs[job_index].in_use);
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
shared_put_off(JobEntry *entry)
{
	Assert(shared_is_locked());
	Assert(entry->in_use && entry->failures >= 0);
	entry->not_before = clock_now() + backoff_us(RESTART_US, RESTART_AT_MOST_US, entry->failures);
	entry->failures++;
}

void
shared_rescan(int job_index)
{
	Assert(shared_is_locked());
	Assert(shared->jobs[job_index].in_use);
	shared->jobs[job_index].next_bucket = 0;
	shared->jobs[job_index].rescans++;
}

bool
shared_attach(WorkerSlot *slot, uint32 generation, int64 job)
{
	const JobEntry *entry = &shared->jobs[slot->job_index];
	bool		ours;

	shared_lock();
	ours = slot->in_use && slot->pid == 0 && slot->generation == generation && entry->in_use &&
		entry->job == job;
	if (ours)
	{
		Assert(slot->proc == NULL && slot->in_flight == 0 && slot->claim_count == 0);
		slot->pid = MyProcPid;
		slot->proc = MyProc;
	}
	shared_unlock();
	return ours;
}

void
shared_free_slot(WorkerSlot *slot)
{
	Assert(shared_is_locked());
	Assert(slot->in_use && slot->in_flight >= 0 && slot->claim_count >= 0);
	Assert(slot->pid == 0 || slot->pid == MyProcPid);
	/* What it had claimed and not finished is anybody's again. */
	if (slot->claim_count > 0)
		shared_rescan(slot->job_index);
	slot->in_use = false;
	slot->pid = 0;
	slot->proc = NULL;			/* at once, for those who read it as a hint:
								 * memset() may not be */
	slot->in_flight = 0;
	slot->claim_count = 0;
	forget_workers(slot->job_index);
	free_job_if_idle(slot->job_index);
}
