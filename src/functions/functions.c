/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  The SQL functions that steer a job: check, delegate, return.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "catalog/catalog_change.h"
#include "catalog/catalog_counters.h"
#include "catalog/catalog_failure.h"
#include "catalog/catalog_job.h"
#include "common/pg_compat.h"
#include "shared/shared.h"
#include "staging/staging.h"

/* The job, if the caller may steer it and it is in shape to be. */
static Job *
open_job(int64 id, const char *function)
{
	shared_require();
	PreventCommandIfReadOnly(function);
	return catalog_steer_job(id);
}

pg_noreturn static void
refuse(const Job *job, const char *action, const char *hint)
{
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("cannot %s job " INT64_FORMAT ": it is %s", action, job->id,
				   job_state_name(job->state)),
			errhint("%s", hint));
}

static void
change_state(Job *job, JobState to, const char *reason, const char *action)
{
	if (!catalog_transition(job->id, to, reason, NULL, NULL, &job->state))
		refuse(job, action, job_is_finished(job->state) ? "It has ended: enrich.drop forgets it."
			   : "See enrich.progress for its state.");
}

PG_FUNCTION_INFO_V1(enrich_pause);
Datum
enrich_pause(PG_FUNCTION_ARGS)
{
	Job		   *job = open_job(PG_GETARG_INT64(0), "enrich.pause()");

	if (job->state == JOB_PAUSED)
		ereport(NOTICE, errmsg("job " INT64_FORMAT " is paused already", job->id));
	else
		change_state(job, JOB_PAUSED, "user", "pause");
	PG_RETURN_VOID();
}

/* Was the job started in another cluster or database than this? */
static bool
is_copy(const Job *job)
{
	return job->database != MyDatabaseId || job->system_identifier != (int64) GetSystemIdentifier();
}

PG_FUNCTION_INFO_V1(enrich_resume);
Datum
enrich_resume(PG_FUNCTION_ARGS)
{
	Job		   *job = open_job(PG_GETARG_INT64(0), "enrich.resume()");

	if (job_is_finished(job->state))
		refuse(job, "resume",
			   job->state == JOB_COMPLETED ? "Use enrich.retry to try its failed rows again."
			   : "Start a new job instead.");
	if (job->state != JOB_PAUSED)
	{
		/*
		 * In a copied database no clerk need have been yet: then this says
		 * that the job may go on here.
		 */
		if (is_copy(job))
			catalog_accept_failures(job->id);
		else
			ereport(NOTICE, errmsg("job " INT64_FORMAT " is not paused", job->id));
		shared_touch_at_commit(job->id);
		PG_RETURN_VOID();
	}
	catalog_accept_failures(job->id);

	/*
	 * From here on nobody else changes it; before, a worker may have
	 * bucketized it.
	 */
	job = catalog_steer_job(job->id);
	catalog_forget_starts(job->id);
	change_state(job, job->buckets_total >= 0 ? JOB_RUNNING : JOB_QUEUED, NULL, "resume");
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(enrich_cancel);
Datum
enrich_cancel(PG_FUNCTION_ARGS)
{
	Job		   *job = open_job(PG_GETARG_INT64(0), "enrich.cancel()");

	if (job->state == JOB_CANCELED)
		ereport(NOTICE, errmsg("job " INT64_FORMAT " is canceled already", job->id));
	else
		change_state(job, JOB_CANCELED, NULL, "cancel");
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(enrich_retry);
Datum
enrich_retry(PG_FUNCTION_ARGS)
{
	Job		   *job = open_job(PG_GETARG_INT64(0), "enrich.retry()");
	int64		rows;

	/*
	 * It is not to be resumed, and completed without the rows that are put
	 * back here.
	 */
	if (!catalog_hold_job(job->id, &job->state))
		job = catalog_steer_job(job->id);	/* dropped meanwhile, and that
											 * says so */
	if (job->state != JOB_COMPLETED && job->state != JOB_PAUSED)
		refuse(job, "retry", job_is_finished(job->state) ? "Start a new job instead."
			   : "Failed rows of a completed or paused job can be retried: pause it first.");
	rows = catalog_retry_failures(job);
	if (rows > 0)
	{
		catalog_forget_starts(job->id);
		if (job->state == JOB_COMPLETED)
			change_state(job, JOB_RUNNING, NULL, "retry");
	}
	PG_RETURN_INT64(rows);
}

static int64
limit_argument(const char *name, int64 value, int64 maximum)
{
	if (value < 0 || value > maximum)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s is out of range: " INT64_FORMAT, name, value),
				errhint("It must be between 0 and " INT64_FORMAT ".", maximum));
	return value;
}

PG_FUNCTION_INFO_V1(enrich_alter);
Datum
enrich_alter(PG_FUNCTION_ARGS)
{
	Job		   *job;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("job must not be NULL"),
				errhint("See enrich.jobs for the jobs there are."));
	job = open_job(PG_GETARG_INT64(0), "enrich.alter()");
	if (job_is_finished(job->state))
		refuse(job, "alter", "Limits of an unfinished job can be changed.");
	if (!PG_ARGISNULL(1))
		catalog_set_concurrency(job->id, (int) limit_argument("concurrency",
															  PG_GETARG_INT32(1),
															  JOB_MAX_CONCURRENCY));
	if (!PG_ARGISNULL(2))
		catalog_set_max_failed_rows(job->id, limit_argument("max_failed_rows",
															PG_GETARG_INT64(2), PG_INT64_MAX));
	if (!PG_ARGISNULL(3))
		catalog_set_max_tokens(job->id,
							   limit_argument("max_tokens", PG_GETARG_INT64(3), PG_INT64_MAX));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(enrich_drop);
Datum
enrich_drop(PG_FUNCTION_ARGS)
{
	Job		   *job = open_job(PG_GETARG_INT64(0), "enrich.drop()");

	if (!job_is_finished(job->state))
		refuse(job, "drop", "Cancel it first.");
	catalog_hold_off_stores(job->id);
	(void) staging_drop(job->id, false);
	catalog_delete_job(job->id);
	shared_touch_at_commit(job->id);
	PG_RETURN_VOID();
}
