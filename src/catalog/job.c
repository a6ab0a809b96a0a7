/*-------------------------------------------------------------------------
 *
 * job.c
 *	  Names of a job's states and modes, and which state may follow which.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/job.h"

static const char *const state_names[] = {
	"queued", "bucketizing", "running", "paused", "completed", "failed", "canceled"
};

static const char *const write_mode_names[] = {"update", "insert", "upsert", "overwrite"};

static const char *const row_selection_names[] = {"all", "missing", "changed"};

static int
find_name(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *
job_state_name(JobState state)
{
	return state_names[state];
}

JobState
job_state_of(const char *name)
{
	int			found = find_name(state_names, lengthof(state_names), name);

	if (found < 0)
		elog(ERROR, "unknown job state \"%s\"", name);
	return (JobState) found;
}

bool
job_may_become(JobState from, JobState to)
{
	switch (from)
	{
		case JOB_QUEUED:
			return to == JOB_BUCKETIZING || to == JOB_RUNNING || to == JOB_PAUSED ||
				to == JOB_CANCELED;
		case JOB_BUCKETIZING:
			return to == JOB_RUNNING || to == JOB_FAILED || to == JOB_PAUSED ||
				to == JOB_CANCELED || to == JOB_QUEUED;
		case JOB_RUNNING:
			return to == JOB_COMPLETED || to == JOB_PAUSED || to == JOB_CANCELED;
		case JOB_PAUSED:
			return to == JOB_QUEUED || to == JOB_RUNNING || to == JOB_CANCELED;
		case JOB_COMPLETED:
			return to == JOB_RUNNING;
		case JOB_FAILED:
		case JOB_CANCELED:
			return false;
	}
	return false;
}

bool
job_is_finished(JobState state)
{
	return state == JOB_COMPLETED || state == JOB_FAILED || state == JOB_CANCELED;
}

const char *
write_mode_name(WriteMode mode)
{
	return write_mode_names[mode];
}

bool
write_mode_of(const char *name, WriteMode *mode)
{
	int			found = find_name(write_mode_names, lengthof(write_mode_names), name);

	/* "update" is not for users: it is what a job without a target does */
	if (found <= WRITE_UPDATE)
		return false;
	*mode = (WriteMode) found;
	return true;
}

const char *
row_selection_name(RowSelection rows)
{
	return row_selection_names[rows];
}

bool
row_selection_of(const char *name, RowSelection *rows)
{
	int			found = find_name(row_selection_names, lengthof(row_selection_names), name);

	if (found < 0)
		return false;
	*rows = (RowSelection) found;
	return true;
}
