/*-------------------------------------------------------------------------
 *
 * catalog_job.c
 *	  The table of jobs.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/catalog_job.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "catalog/catalog_counters.h"
#include "catalog/catalog_extension.h"
#include "catalog/catalog_statement.h"
#include "catalog/job_columns.h"
#include "catalog/leftovers.h"
#include "common/field.h"
#include "shared/shared.h"

static void
notify_state(int64 job, JobState state)
{
	char		payload[128];

	snprintf(payload, sizeof(payload), "{\"job\": " INT64_FORMAT ", \"state\": \"%s\"}",
			 job, job_state_name(state));
	Async_Notify("enrich", payload);
	if (state == JOB_CANCELED)
		shared_end_at_commit(job);
	else
		shared_touch_at_commit(job);
}

static bool
is_inserted(const JobColumn *column)
{
	return column->kind != JOB_CONTROL;
}

static void
build_insert(StringInfo sql, Statement *statement)
{
	StringInfoData values;

	initStringInfo(&values);
	appendStringInfoString(sql, "INSERT INTO enrich.catalog_job (");
	for (int i = 0; i < job_column_count; i++)
		if (is_inserted(&job_columns[i]))
		{
			const char *separator = statement->argument_count > 0 ? ", " : "";

			appendStringInfo(sql, "%s%s", separator, job_columns[i].field.name);
			statement_add_type(statement, field_type(&job_columns[i].field));
			appendStringInfo(&values, "%s$%d", separator, statement->argument_count);
		}
	appendStringInfo(sql, ") VALUES (%s) RETURNING job", values.data);
	pfree(values.data);
}

static void
build_select(StringInfo sql, Statement *statement)
{
	for (int i = 0; i < job_column_count; i++)
		appendStringInfo(sql, "%s%s", i > 0 ? ", " : "SELECT ", job_columns[i].field.name);
	appendStringInfoString(sql, " FROM enrich.catalog_job WHERE job" OP_EQ "$1");
	statement_add_type(statement, INT8OID);
}

static BuiltStatement insert_job = {"insert_job", build_insert, {NULL, 0, {0}, NULL}};
static BuiltStatement select_job = {"select_job", build_select, {NULL, 0, {0}, NULL}};

BuiltStatement *const catalog_job_built[] = {&insert_job, &select_job, NULL};

int64
catalog_insert_job(const Job *job)
{
	Arguments	a = {0};
	int64		id;

	for (int i = 0; i < job_column_count; i++)
		if (is_inserted(&job_columns[i]))
			argument_add_field(&a, &job_columns[i].field, job);
	statement_begin(statement_built(&insert_job), &a);
	id = column_int64(0, 1, 0);
	statement_end();
	notify_state(id, JOB_QUEUED);
	return id;
}

Job *
catalog_load_job(int64 id)
{
	Arguments	a = {0};
	MemoryContext old;
	Job		   *job = NULL;

	argument_add(&a, Int64GetDatum(id));
	old = MemoryContextSwitchTo(statement_begin(statement_built(&select_job), &a));
	if (SPI_processed > 0)
	{
		job = palloc0(sizeof(Job));
		for (int i = 0; i < job_column_count; i++)
			column_read(0, i + 1, &job_columns[i].field, job);
	}
	MemoryContextSwitchTo(old);
	statement_end();
	return job;
}

Job *
catalog_steer_job(int64 id)
{
	Job		   *job = catalog_load_job(id);

	/* To those who may not see a job it does not exist. */
	if (job == NULL ||
		(!has_privs_of_role(GetUserId(), job->owner) &&
		 !has_privs_of_role(GetUserId(), get_role_oid("pg_monitor", false))))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("job " INT64_FORMAT " does not exist", id),
				errhint("See enrich.jobs for the jobs there are."));
	if (!has_privs_of_role(GetUserId(), job->owner))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for job " INT64_FORMAT, id),
				errhint("Only its owner, \"%s\", and superusers may steer it.",
						GetUserNameFromId(job->owner, true)
						? GetUserNameFromId(job->owner, true)
						: "?"));
	return job;
}

void
catalog_lock_name(Oid owner, const char *name)
{
	uint32		hash = hash_bytes((const unsigned char *) name, (int) strlen(name)) ^
		(uint32) owner;

	/* An object of a class that nobody else has: our table of jobs. */
	LockDatabaseObject(catalog_relation("catalog_job"), hash, 0, ExclusiveLock);
}

static Statement find_job = {
	"SELECT job FROM enrich.catalog_job WHERE owner" OP_EQ "$1 AND name" OP_EQ "$2"
	" AND enrich.is_unfinished(state)",
	2, {OIDOID, TEXTOID}, NULL
};

int64
catalog_find_job(Oid owner, const char *name)
{
	Arguments	a = {0};
	int64		id = 0;

	argument_add(&a, ObjectIdGetDatum(owner));
	argument_add_text(&a, name);
	statement_begin(&find_job, &a);
	if (SPI_processed > 0)
		id = column_int64(0, 1, 0);
	statement_end();
	return id;
}

/*
 * The wall clock may be set back at any time: what comes later is never shown as earlier.
 * What has elapsed is measured by another clock.
 */
static Statement change_state = {
	"UPDATE enrich.catalog_job SET state = $2, reason = $3, error = $4, hint = $5,"
	" started_at = CASE WHEN $2" OP_EQ "'bucketizing'"
	" THEN COALESCE(started_at, GREATEST(created_at, pg_catalog.clock_timestamp()))"
	" ELSE started_at END,"
	" finished_at = CASE WHEN enrich.is_finished($2)"
	" THEN GREATEST(created_at, started_at, bucketized_at, pg_catalog.clock_timestamp()) END,"
	" elapsed = GREATEST(elapsed, $7)"
	" WHERE job" OP_EQ "$1 AND state" OP_EQ "ANY ($6)",
	7, {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, INT8OID}, NULL
};

static Statement select_state = {
	"SELECT state FROM enrich.catalog_job WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL
};

static Statement hold_job = {
	"SELECT state FROM enrich.catalog_job WHERE job" OP_EQ "$1 FOR UPDATE", 1, {INT8OID}, NULL
};

/* False: the job is not there. */
static bool
read_state(Statement *statement, int64 job, JobState *state)
{
	Arguments	a = {0};
	MemoryContext context;
	bool		found;

	argument_add(&a, Int64GetDatum(job));
	context = statement_begin(statement, &a);
	found = SPI_processed > 0;
	if (found)
		*state = job_state_of(column_text(0, 1, context));
	statement_end();
	return found;
}

bool
catalog_hold_job(int64 job, JobState *state)
{
	return read_state(&hold_job, job, state);
}

bool
catalog_transition(int64 job, JobState to, const char *reason,
				   const char *error, const char *hint, JobState *present)
{
	Arguments	a = {0};
	List	   *from = NIL;
	bool		changed;

	Assert((to == JOB_PAUSED) == (reason != NULL));
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		if (job_may_become((JobState) state, to))
			from = lappend(from, (char *) job_state_name((JobState) state));
	argument_add(&a, Int64GetDatum(job));
	argument_add_text(&a, job_state_name(to));
	argument_add_text(&a, reason);
	argument_add_text(&a, error);
	argument_add_text(&a, hint);
	argument_add(&a, text_array_of(from));
	argument_add(&a, Int64GetDatum(shared_job_elapsed(MyDatabaseId, job)));
	changed = statement_run(&change_state, &a) > 0;
	if (changed)
		notify_state(job, to);
	else if (present != NULL)
		(void) read_state(&select_state, job, present);
	return changed;
}

bool
catalog_pause_without_owner(int64 job, Oid owner)
{
	if (SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		return false;
	catalog_transition(job, JOB_PAUSED, "configuration", "the job's owner does not exist any more",
					   "enrich.cancel, by a superuser, ends the job.", NULL);
	return true;
}

/* Change one of a job's limits, and tell its workers. */
static void
set_limit(Statement *statement, int64 job, Datum value)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, value);
	statement_run(statement, &a);
	shared_touch_at_commit(job);
}

static Statement set_concurrency = {
	"UPDATE enrich.catalog_job SET concurrency = $2 WHERE job" OP_EQ "$1",
	2, {INT8OID, INT4OID}, NULL
};

void
catalog_set_concurrency(int64 job, int concurrency)
{
	set_limit(&set_concurrency, job, Int32GetDatum(concurrency));
}

static Statement set_max_failed_rows = {
	"UPDATE enrich.catalog_job SET max_failed_rows = $2 WHERE job" OP_EQ "$1",
	2, {INT8OID, INT8OID}, NULL
};

void
catalog_set_max_failed_rows(int64 job, int64 max_failed_rows)
{
	set_limit(&set_max_failed_rows, job, Int64GetDatum(max_failed_rows));
}

static Statement set_max_tokens = {
	"UPDATE enrich.catalog_job SET max_tokens = $2 WHERE job" OP_EQ "$1",
	2, {INT8OID, INT8OID}, NULL
};

void
catalog_set_max_tokens(int64 job, int64 max_tokens)
{
	set_limit(&set_max_tokens, job, Int64GetDatum(max_tokens));
}

static Statement set_refused = {
	"UPDATE enrich.catalog_job SET refused = true WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL
};

void
catalog_set_refused(int64 job)
{
	statement_run_for_job(&set_refused, job);
}

static Statement accept_failures = {
	"UPDATE enrich.catalog_job SET failures_accepted = $2,"
	" loss_accepted = loss_accepted OR (reason IS NOT NULL AND reason" OP_EQ "'failures'),"
	" system_identifier = $3, database = $4 WHERE job" OP_EQ "$1",
	4, {INT8OID, INT8OID, INT8OID, OIDOID}, NULL
};

void
catalog_accept_failures(int64 job)
{
	Arguments	a = {0};
	Counters	sum;

	catalog_sum_counters(job, &sum);
	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int64GetDatum(sum.rows_failed));
	argument_add(&a, Int64GetDatum((int64) GetSystemIdentifier()));
	argument_add(&a, ObjectIdGetDatum(MyDatabaseId));
	statement_run(&accept_failures, &a);
}

static Statement set_replaced = {
	"UPDATE enrich.catalog_job SET replaced = true WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL
};

void
catalog_set_replaced(int64 job)
{
	statement_run_for_job(&set_replaced, job);
}

static Statement set_totals = {
	"UPDATE enrich.catalog_job SET rows_total = $2, buckets_total = $3, rows_truncated = $4,"
	" bucketized_at = GREATEST(created_at, started_at, pg_catalog.clock_timestamp()),"
	" elapsed = GREATEST(elapsed, $5)"
	" WHERE job" OP_EQ "$1 AND enrich.is_unfinished(state) AND state" OP_NE "'running'"
	" RETURNING state",
	5, {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID}, NULL
};

bool
catalog_set_bucketized(int64 job, int64 rows, int64 buckets, int64 rows_truncated)
{
	Arguments	a = {0};
	MemoryContext context;
	bool		found;
	JobState	state = JOB_PAUSED;

	argument_add(&a, Int64GetDatum(job));
	argument_add(&a, Int64GetDatum(rows));
	argument_add(&a, Int64GetDatum(buckets));
	argument_add(&a, Int64GetDatum(rows_truncated));
	argument_add(&a, Int64GetDatum(shared_job_elapsed(MyDatabaseId, job)));
	context = statement_begin(&set_totals, &a);
	found = SPI_processed > 0;
	if (found)
		state = job_state_of(column_text(0, 1, context));
	statement_end();
	if (state != JOB_PAUSED)
	{
		/* Its row is ours now: nobody else has changed it. */
		bool		changed = catalog_transition(job, JOB_RUNNING, NULL, NULL, NULL, NULL);

		Assert(changed);
		(void) changed;
	}
	return found;
}

static Statement delete_job[] = {
	{"DELETE FROM enrich.catalog_failure WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL},
	{"DELETE FROM enrich.catalog_bucket WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL},
	{"DELETE FROM enrich.catalog_bucket_run WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL},
	{"DELETE FROM enrich.catalog_partition WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL},
	{"DELETE FROM enrich.catalog_job_counters WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL},
	{"DELETE FROM enrich.catalog_job WHERE job" OP_EQ "$1", 1, {INT8OID}, NULL}
};

void
catalog_delete_job(int64 job)
{
	Arguments	a = {0};

	argument_add(&a, Int64GetDatum(job));
	for (int i = 0; i < (int) lengthof(delete_job); i++)
		leftovers_note(statement_run(&delete_job[i], &a));
}
