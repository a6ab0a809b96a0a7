/*-------------------------------------------------------------------------
 *
 * activity.c
 *	  What shared memory knows of jobs and servers, as rows for the views.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "common/field.h"
#include "common/pg_compat.h"
#include "shared/permits.h"
#include "shared/shared.h"

/* What one job's entry and its workers' slots say. */
typedef struct JobActivity
{
	JobEntry	entry;
	int			in_flight;
	int			effective;		/* -1: no worker knows its server yet */
	double		rows_per_second;
	int64		memory_used;
	int64		elapsed_us;
	WaitingFor	waiting_for;
	bool		holds_back;		/* a worker does not receive all that is in
								 * flight */
	Trouble		trouble;
	int64		failing_since;	/* clock, while its server is out; else 0 */
	char		failure[256];	/* then the last one */
	int		   *pids;			/* room for as many as there are slots */
	int			pid_count;

	/* Made of these once the lock is no longer held */
	List	   *pid_list;
	const char *waiting_name;	/* or NULL, as the next two */
	const char *error;
	const char *hint;
} JobActivity;

/* The columns of enrich.job_activity(). */
static const Field job_fields[] = {
	FIELD("job", FIELD_INT8, JobActivity, entry.job),
	FIELD("in_flight", FIELD_INT4, JobActivity, in_flight),
	FIELD("effective_concurrency", FIELD_INT4_OR_MINUS, JobActivity, effective),
	FIELD("waiting_for", FIELD_TEXT, JobActivity, waiting_name),
	FIELD("rows_staged", FIELD_INT8, JobActivity, entry.rows_staged),
	FIELD("rows_per_second", FIELD_FLOAT8, JobActivity, rows_per_second),
	FIELD("pids", FIELD_INT4S, JobActivity, pid_list),
	FIELD("error", FIELD_TEXT, JobActivity, error),
	FIELD("hint", FIELD_TEXT, JobActivity, hint),
	FIELD("memory", FIELD_INT8, JobActivity, memory_used),
	FIELD("elapsed", FIELD_INT8, JobActivity, elapsed_us)
};

/* What a server's entry says. */
typedef struct ServerActivity
{
	ServerEntry entry;
	int			in_flight;

	/* Made of these once the lock is no longer held */
	int			effective;
	TimestampTz paused_until;	/* 0: it is not */
	int64		latency_p50;	/* microseconds; -1: not known, as the next
								 * two */
	int64		latency_p95;
	int64		latency_p99;
	int64		throttled_us;
} ServerActivity;

/* The columns of enrich.server_activity(). */
static const Field server_fields[] = {
	FIELD("server", FIELD_OID, ServerActivity, entry.server),
	FIELD("in_flight", FIELD_INT4, ServerActivity, in_flight),
	FIELD("effective_concurrency", FIELD_INT4, ServerActivity, effective),
	FIELD("paused_until", FIELD_TIME, ServerActivity, paused_until),
	FIELD("requests", FIELD_INT8, ServerActivity, entry.requests),
	FIELD("answers_2xx", FIELD_INT8, ServerActivity, entry.answers[2]),
	FIELD("answers_3xx", FIELD_INT8, ServerActivity, entry.answers[3]),
	FIELD("answers_4xx", FIELD_INT8, ServerActivity, entry.answers[4]),
	FIELD("answers_5xx", FIELD_INT8, ServerActivity, entry.answers[5]),
	FIELD("throttled", FIELD_INT8, ServerActivity, entry.throttled),
	FIELD("errors", FIELD_INT8, ServerActivity, entry.errors),
	FIELD("bytes_in", FIELD_INT8, ServerActivity, entry.bytes_in),
	FIELD("bytes_out", FIELD_INT8, ServerActivity, entry.bytes_out),
	FIELD("tokens", FIELD_INT8, ServerActivity, entry.tokens),
	FIELD("latency_p50", FIELD_INTERVAL, ServerActivity, latency_p50),
	FIELD("latency_p95", FIELD_INTERVAL, ServerActivity, latency_p95),
	FIELD("latency_p99", FIELD_INTERVAL, ServerActivity, latency_p99),
	FIELD("stats_reset", FIELD_TIME, ServerActivity, entry.stats_reset),
	FIELD("throttled_for", FIELD_INTERVAL, ServerActivity, throttled_us)
};

static bool
may_see(Oid owner)
{
	return has_privs_of_role(GetUserId(), owner) ||
		has_privs_of_role(GetUserId(), get_role_oid("pg_monitor", false));
}

/*
 * Why a job with these workers sends nothing: what all of them wait for, or that
 * there are none.  While its server is spared, what is still on its way counts
 * for nothing.
 */
static WaitingFor
job_waits_for(const JobActivity *activity, WaitingFor of_workers)
{
	if (activity->failing_since != 0 || of_workers == WAITING_SERVER)
		return WAITING_SERVER;
	/* What cannot be received before others are stored waits for that. */
	if (activity->in_flight > 0 && !(activity->holds_back && of_workers == WAITING_LOCK))
		return WAITING_NOTHING;
	if (activity->pid_count > 0)
		return of_workers;
	if (OidIsValid(activity->entry.no_server))
		return WAITING_SERVER;
	if (activity->entry.no_slot)
		return WAITING_SLOT;
	return activity->entry.concurrency == 0 ? WAITING_CAP : WAITING_NOTHING;
}

/* What its server's health means for a job.  The caller holds the lock. */
static void
read_server(const ServerEntry *server, JobActivity *activity)
{
	Assert(shared_is_locked());
	activity->effective = permits_effective(activity->entry.concurrency, server);
	if (!server->health.out)
		return;
	activity->failing_since = server->health.failing_since;
	strlcpy(activity->failure, server->failure, sizeof(activity->failure));
}

/* Copy what the lock guards; the caller holds it. */
static void
read_activity(int job_index, JobActivity *activity)
{
	WaitingFor	waiting_for = WAITING_NOTHING;
	int64		capacity = 0;
	bool		capacity_known = true;

	Assert(shared_is_locked());
	activity->entry = shared->jobs[job_index];
	activity->effective = -1;
	activity->trouble = activity->entry.trouble;
	activity->elapsed_us = shared_elapsed(&activity->entry);
	foreach_slot_of_job(slot, job_index)
	{
		if (slot->pid == 0)
			continue;
		activity->in_flight += slot->in_flight;
		capacity += slot->capacity;
		capacity_known &= slot->capacity > 0;
		activity->rows_per_second += slot->rows_per_second;
		activity->memory_used += (int64) slot->memory_used;
		activity->holds_back |= slot->holds_back;
		activity->pids[activity->pid_count++] = slot->pid;
		if (slot->waiting_for != WAITING_NOTHING)
			waiting_for = slot->waiting_for;
		if (slot->trouble.error[0] != '\0')
			activity->trouble = slot->trouble;
		if (slot->server_index >= 0)
			read_server(&shared->servers[slot->server_index], activity);
	}
	if (capacity_known && activity->effective > capacity)
		activity->effective = (int) capacity;
	activity->waiting_for = job_waits_for(activity, waiting_for);
}

/* A time of the monotonic clock, as the wall clock shows it. */
static TimestampTz
wall_clock(int64 at)
{
	return GetCurrentTimestamp() + (at - clock_now());
}

/* Why a job does not get on, and what to do; unless it does, or there is nothing to be said. */
static void
describe_trouble(JobActivity *activity)
{
	const Trouble *trouble = &activity->trouble;

	if (trouble->error[0] != '\0')
	{
		activity->error = trouble->error;
		activity->hint = trouble->hint[0] != '\0' ? trouble->hint : NULL;
	}
	else if (activity->failing_since != 0)
	{
		activity->error = psprintf("the server has given nothing but failures since %s: %s",
								   timestamptz_to_str(wall_clock(activity->failing_since)),
								   activity->failure);
		activity->hint = "It is tried with one request at a time, and no row fails meanwhile. "
			"If it is at another address now: ALTER SERVER.";
	}
}

static void
put_activity(ReturnSetInfo *result, JobActivity *activity)
{
	for (int i = 0; i < activity->pid_count; i++)
		activity->pid_list = lappend_int(activity->pid_list, activity->pids[i]);
	if (activity->waiting_for != WAITING_NOTHING)
		activity->waiting_name = shared_waiting_name(activity->waiting_for);
	describe_trouble(activity);
	field_put_row(result, job_fields, lengthof(job_fields), activity);
}

PG_FUNCTION_INFO_V1(enrich_job_activity);
Datum
enrich_job_activity(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	foreach_job(i)
	{
		JobActivity activity = {0};

		activity.pids = palloc(sizeof(int) * shared->slot_count);
		shared_lock();
		read_activity(i, &activity);
		shared_unlock();
		if (activity.entry.in_use && activity.entry.database == MyDatabaseId &&
			may_see(activity.entry.owner))
			put_activity(result, &activity);
	}
	return (Datum) 0;
}

static void
put_server(ReturnSetInfo *result, ServerActivity *activity)
{
	const ServerEntry *entry = &activity->entry;
	int64		now = clock_now();

	activity->effective = permits_effective(PG_INT32_MAX, entry);
	if (entry->health.out || health_pause(&entry->health, now) > 0)
		activity->paused_until = wall_clock(entry->health.paused_until);
	activity->latency_p50 = latency_percentile(&entry->latency, 0.50);
	activity->latency_p95 = latency_percentile(&entry->latency, 0.95);
	activity->latency_p99 = latency_percentile(&entry->latency, 0.99);
	activity->throttled_us = health_throttled_us(&entry->health, now);
	field_put_row(result, server_fields, lengthof(server_fields), activity);
}

PG_FUNCTION_INFO_V1(enrich_server_activity);
Datum
enrich_server_activity(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ServerActivity *activity = palloc(sizeof(ServerActivity));
	const ServerEntry *entry = &activity->entry;

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	foreach_server(i)
	{
		memset(activity, 0, sizeof(*activity));
		shared_lock();
		activity->entry = shared->servers[i];
		activity->in_flight = permits_in_flight(i);
		shared_unlock();
		if (!entry->in_use || entry->database != MyDatabaseId ||
			!SearchSysCacheExists1(FOREIGNSERVEROID, ObjectIdGetDatum(entry->server)))
			continue;
		if (server_aclcheck(entry->server, GetUserId()) == ACLCHECK_OK ||
			has_privs_of_role(GetUserId(), get_role_oid("pg_monitor", false)))
			put_server(result, activity);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(enrich_clerk_waits);
Datum
enrich_clerk_waits(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_BOOL(shared != NULL && shared->clerk_waits);
}
