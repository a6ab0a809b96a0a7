/*-------------------------------------------------------------------------
 *
 * job.c
 *	  Names of a job's states and modes, and which state may follow which.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/job.h"

#include "common/field.h"

const char *const job_state_words[] = {
	"queued", "bucketizing", "running", "paused", "completed", "failed", "canceled", NULL
};

const char *const result_rows_words[] = {"one", "many", NULL};

const char *const write_mode_words[] = {"update", "insert", "upsert", "overwrite", NULL};

const char *const row_selection_words[] = {"all", "missing", "changed", NULL};

const char *
job_state_name(JobState state)
{
	return job_state_words[state];
}

JobState
job_state_of(const char *name)
{
	int			found = field_find_word(job_state_words, name);

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
	return write_mode_words[mode];
}
