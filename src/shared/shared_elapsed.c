/*-------------------------------------------------------------------------
 *
 * shared_elapsed.c
 *	  How long workers have been at work on a job, by the monotonic clock.
 *
 * Counted in the job's entry, once for all of its workers.  What is to survive that is
 * written into the catalog by the workers, and handed back by the first one that begins.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/shared.h"

#include "base/clock.h"

int64
shared_elapsed(const JobEntry *entry)
{
	Assert(shared_is_locked());
	Assert(entry->elapsed_us >= 0 && entry->elapsed_to <= clock_now());
	return entry->elapsed_us + (entry->elapsed_to == 0 ? 0 : clock_now() - entry->elapsed_to);
}

void
shared_count_elapsed(JobEntry *entry, bool works)
{
	Assert(shared_is_locked());
	entry->elapsed_us = shared_elapsed(entry);
	entry->elapsed_to = works ? clock_now() : 0;
}

void
shared_begin_elapsed(int job_index, int64 elapsed_before)
{
	JobEntry   *entry = &shared->jobs[job_index];

	shared_lock();
	shared_count_elapsed(entry, true);
	entry->elapsed_us = Max(entry->elapsed_us, elapsed_before);
	shared_unlock();
}

int64
shared_job_elapsed(Oid database, int64 job)
{
	int64		elapsed = 0;
	int			index;

	if (shared == NULL)
		return 0;
	shared_lock();
	index = shared_find_job(database, job);
	if (index >= 0)
		elapsed = shared_elapsed(&shared->jobs[index]);
	shared_unlock();
	return elapsed;
}
