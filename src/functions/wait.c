/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  CALL enrich.wait(job): block until a job is at rest.
 *
 * Outside a transaction block the procedure ends its transaction before it
 * sleeps, so that hours of waiting hold back no vacuum.  Waiters are woken by a
 * condition variable whenever any job's state has changed; a look each second
 * makes up for whatever may be missed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "catalog/catalog_counters.h"
#include "catalog/catalog_job.h"
#include "common/pg_compat.h"
#include "shared/shared.h"

#define LOOK_MS 1000

static bool
is_at_rest(JobState state)
{
	return job_is_finished(state) || state == JOB_PAUSED;
}

/* Monotonic time at which an interval from now is up. */
static int64
deadline_of(const Interval *interval)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end;

	end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
												  IntervalPGetDatum(interval)));
	if (TIMESTAMP_IS_NOBEGIN(end))
		return clock_now();
	if (TIMESTAMP_IS_NOEND(end))
		return CLOCK_NEVER;
	return clock_now() + (end - now);
}

/* Inside a transaction block: could this wait ever end? */
static void
check_may_wait(int64 job)
{
	if (shared_touched(job))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("cannot wait for job " INT64_FORMAT " in the transaction that changed it",
					   job),
				errdetail("What start, resume and the like say takes effect at commit."),
				errhint("COMMIT first, then CALL enrich.wait(" INT64_FORMAT ").", job));
}

static void
check_sees_commits(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				errmsg("cannot wait in a transaction of this isolation level"),
				errdetail("It does not see what others commit meanwhile."),
				errhint("Use READ COMMITTED, or CALL enrich.wait outside a transaction block."));
}

/* Sleep until some job's state has changed, or for a while. */
static void
sleep_a_while(int64 deadline)
{
	static uint32 wait_event = 0;
	int64		left = (deadline - clock_now()) / 1000 + 1;

	ConditionVariableTimedSleep(&shared->state_changed, (long) Min(left, LOOK_MS),
								COMPAT_WAIT_EVENT(wait_event, "PgEnrichWait"));
}

/* "completed" is not yet success: say so to whoever sees notices. */
static void
tell_failures(int64 job)
{
	Counters	sum;

	PushActiveSnapshot(GetTransactionSnapshot());
	catalog_sum_counters(job, &sum);
	PopActiveSnapshot();
	if (sum.rows_failed > 0)
		ereport(NOTICE,
				errmsg_plural(INT64_FORMAT " row of job " INT64_FORMAT " failed",
							  INT64_FORMAT " rows of job " INT64_FORMAT " failed",
							  (unsigned long) sum.rows_failed, sum.rows_failed, job),
				errhint("See enrich.failures for the reasons."));
}

static JobState
look_at(int64 job)
{
	JobState	state;

	/* After SPI_commit there is none, and the catalog's statements want one. */
	PushActiveSnapshot(GetTransactionSnapshot());
	state = catalog_steer_job(job)->state;
	PopActiveSnapshot();
	return state;
}

static JobState
wait_for(int64 job, int64 deadline, bool atomic)
{
	JobState	state;

	for (;;)
	{
		/*
		 * Announce the sleep before looking, so that no change falls in
		 * between.
		 */
		ConditionVariablePrepareToSleep(&shared->state_changed);
		state = look_at(job);
		if (is_at_rest(state) || clock_now() >= deadline)
			break;
		if (atomic)
			check_sees_commits();
		else
		{
			ConditionVariableCancelSleep();
			SPI_commit();
			ConditionVariablePrepareToSleep(&shared->state_changed);
		}
		sleep_a_while(deadline);
		CHECK_FOR_INTERRUPTS();
	}
	ConditionVariableCancelSleep();
	return state;
}

PG_FUNCTION_INFO_V1(enrich_wait);
Datum
enrich_wait(PG_FUNCTION_ARGS)
{
	bool		atomic = !(fcinfo->context && IsA(fcinfo->context, CallContext) &&
						   !castNode(CallContext, fcinfo->context)->atomic);
	int64		deadline = CLOCK_NEVER;
	int64		job;
	TupleDesc	descriptor;
	Datum		value;
	bool		is_null = false;
	JobState	state;

	shared_require();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("job must not be NULL"),
				errhint("See enrich.jobs for the jobs there are."));
	job = PG_GETARG_INT64(0);
	check_may_wait(job);
	if (!PG_ARGISNULL(1))
		deadline = deadline_of(PG_GETARG_INTERVAL_P(1));
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	descriptor = BlessTupleDesc(descriptor);

	SPI_connect_ext(atomic ? 0 : SPI_OPT_NONATOMIC);
	state = wait_for(job, deadline, atomic);
	if (is_at_rest(state))
		tell_failures(job);
	SPI_finish();
	value = CStringGetTextDatum(job_state_name(state));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, &value, &is_null)));
}
