/*-------------------------------------------------------------------------
 *
 * activity.c
 *	  What shared memory knows of jobs and servers, as rows for the views.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
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
	Size		memory_used;
	int64		elapsed_us;
	WaitingFor	waiting_for;
	bool		holds_back;		/* a worker does not receive all that is in flight */
	Trouble		trouble;
	int64		failing_since;	/* clock, while its server is out; else 0 */
	char		failure[256];	/* then the last one */
	int			pid_count;
	Datum	   *pids;
} JobActivity;

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
		activity->memory_used += slot->memory_used;
		activity->holds_back |= slot->holds_back;
		activity->pids[activity->pid_count++] = Int32GetDatum(slot->pid);
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

/* Why a job does not get on, and what to do; NULL: it does, or there is nothing to be said. */
static const char *
describe_trouble(const JobActivity *activity, const char **hint)
{
	const Trouble *trouble = &activity->trouble;

	*hint = trouble->hint;
	if (trouble->error[0] != '\0')
		return trouble->error;
	if (activity->failing_since == 0)
		return NULL;
	*hint = "It is tried with one request at a time, and no row fails meanwhile. If it is at another "
		"address now: ALTER SERVER.";
	return psprintf("the server has given nothing but failures since %s: %s",
					timestamptz_to_str(wall_clock(activity->failing_since)), activity->failure);
}

static void
put_activity(ReturnSetInfo *result, const JobActivity *activity)
{
	const char *hint;
	const char *error = describe_trouble(activity, &hint);
	Datum		values[11];
	bool		nulls[11] = {false};

	values[0] = Int64GetDatum(activity->entry.job);
	values[1] = Int32GetDatum(activity->in_flight);
	values[2] = Int32GetDatum(activity->effective);
	nulls[2] = activity->effective < 0;
	nulls[3] = activity->waiting_for == WAITING_NOTHING;
	values[3] = nulls[3]
		? (Datum) 0
		: CStringGetTextDatum(shared_waiting_name(activity->waiting_for));
	values[4] = Int64GetDatum(activity->entry.rows_staged);
	values[5] = Float8GetDatum(activity->rows_per_second);
	values[6] = PointerGetDatum(construct_array(activity->pids, activity->pid_count, INT4OID, 4,
												true,
												TYPALIGN_INT));
	nulls[7] = error == NULL;
	values[7] = nulls[7] ? (Datum) 0 : CStringGetTextDatum(error);
	nulls[8] = nulls[7] || hint[0] == '\0';
	values[8] = nulls[8] ? (Datum) 0 : CStringGetTextDatum(hint);
	values[9] = Int64GetDatum((int64) activity->memory_used);
	values[10] = Int64GetDatum(activity->elapsed_us);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
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

		activity.pids = palloc(sizeof(Datum) * shared->slot_count);
		shared_lock();
		read_activity(i, &activity);
		shared_unlock();
		if (activity.entry.in_use && activity.entry.database == MyDatabaseId &&
			may_see(activity.entry.owner))
			put_activity(result, &activity);
	}
	return (Datum) 0;
}

static Datum
interval_of_us(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	return IntervalPGetDatum(interval);
}

static void
put_latency(const Latency *latency, double share, Datum *value, bool *is_null)
{
	int64		microseconds = latency_percentile(latency, share);

	*is_null = microseconds < 0;
	*value = interval_of_us(Max(microseconds, 0));
}

static void
put_server(ReturnSetInfo *result, const ServerEntry *entry, int in_flight)
{
	Datum		values[19];
	bool		nulls[19] = {false};
	int			effective = permits_effective(PG_INT32_MAX, entry);
	int64		now = clock_now();

	values[0] = ObjectIdGetDatum(entry->server);
	values[1] = Int32GetDatum(in_flight);
	values[2] = Int32GetDatum(effective);
	nulls[3] = !entry->health.out && health_pause(&entry->health, now) == 0;
	values[3] = TimestampTzGetDatum(wall_clock(entry->health.paused_until));
	values[4] = Int64GetDatum(entry->requests);
	for (int i = 2; i <= 5; i++)
		values[3 + i] = Int64GetDatum(entry->answers[i]);
	values[9] = Int64GetDatum(entry->throttled);
	values[10] = Int64GetDatum(entry->errors);
	values[11] = Int64GetDatum(entry->bytes_in);
	values[12] = Int64GetDatum(entry->bytes_out);
	values[13] = Int64GetDatum(entry->tokens);
	put_latency(&entry->latency, 0.50, &values[14], &nulls[14]);
	put_latency(&entry->latency, 0.95, &values[15], &nulls[15]);
	put_latency(&entry->latency, 0.99, &values[16], &nulls[16]);
	values[17] = TimestampTzGetDatum(entry->stats_reset);
	values[18] = interval_of_us(health_throttled_us(&entry->health, now));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(enrich_server_activity);
Datum
enrich_server_activity(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ServerEntry *entry = palloc(sizeof(ServerEntry));

	InitMaterializedSRF(fcinfo, 0);
	if (shared == NULL)
		return (Datum) 0;
	foreach_server(i)
	{
		int			in_flight;

		shared_lock();
		*entry = shared->servers[i];
		in_flight = permits_in_flight(i);
		shared_unlock();
		if (!entry->in_use || entry->database != MyDatabaseId ||
			!SearchSysCacheExists1(FOREIGNSERVEROID, ObjectIdGetDatum(entry->server)))
			continue;
		if (server_aclcheck(entry->server, GetUserId()) == ACLCHECK_OK ||
			has_privs_of_role(GetUserId(), get_role_oid("pg_monitor", false)))
			put_server(result, entry, in_flight);
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
