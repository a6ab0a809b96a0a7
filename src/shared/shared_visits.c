/*-------------------------------------------------------------------------
 *
 * shared_visits.c
 *	  How changes become known: who must look, and whom to tell at commit.
 *
 * Backends tell of changes only when they have committed: a list of jobs that
 * the transaction touched is kept until its end.  A spurious wake is harmless;
 * a missed one would leave a job waiting, so every doubt ends in a visit by a
 * clerk, who reads the catalog.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/shared.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"

/* A job that the current transaction changed. */
typedef struct Touched
{
	int64		job;
	bool		ended;			/* there is nothing to be done for it any more */
} Touched;

/* List of Touched *, in TopTransactionContext. */
static List *touched = NIL;
static bool callback_registered = false;

/* The current transaction changed something else that a clerk is to look at. */
static bool visit_wanted = false;

/* The entry of a database, made if need be; NULL: no room.  The caller holds the lock. */
static DatabaseEntry *
database_entry(Oid database)
{
	DatabaseEntry *unused = NULL;

	Assert(shared_is_locked());
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
	{
		DatabaseEntry *entry = &shared->databases[i];

		if (entry->database == database)
			return entry;
		if (unused == NULL && entry->database == InvalidOid)
			unused = entry;
	}
	if (unused != NULL)
	{
		memset(unused, 0, sizeof(*unused));
		unused->database = database;
	}
	return unused;
}

void
shared_note_visit(Oid database, bool just_started)
{
	DatabaseEntry *entry;

	shared_lock();
	entry = database_entry(database);
	if (entry != NULL)
	{
		entry->dirty = true;
		entry->just_started |= just_started;
	}
	else
		shared->all_dirty = true;
	shared_unlock();
}

void
shared_visit(Oid database, bool just_started)
{
	shared_note_visit(database, just_started);
	shared_wake_launcher();
}

void
shared_visit_in(Oid database, int64 delay_us)
{
	DatabaseEntry *entry;
	int64		at = clock_now() + delay_us;

	shared_lock();
	entry = database_entry(database);
	if (entry != NULL && (entry->next_visit == 0 || entry->next_visit > at))
		entry->next_visit = at;
	shared_unlock();
	shared_wake_launcher();
}

void
shared_visit_at(Oid database, TimestampTz at)
{
	DatabaseEntry *entry;

	shared_lock();
	entry = database_entry(database);
	if (entry != NULL && (entry->next_expiry == 0 || entry->next_expiry > at))
		entry->next_expiry = at;
	shared_unlock();
	shared_wake_launcher();
}

/* A state changed, and that is committed: wake those who wait, and the launcher. */
static void
state_changed(void)
{
	ConditionVariableBroadcast(&shared->state_changed);
}

/*
 * Workers that run a job's source query look at nothing until it sends rows.
 * The caller holds the lock.
 */
static void
interrupt_bucketizing(int job_index)
{
	Assert(shared_is_locked());
	foreach_slot_of_job(slot, job_index)
	{
		if (slot->bucketizing && slot->pid != 0)
			kill(slot->pid, SIGINT);
	}
}

/* What this transaction changed has become true: tell everybody concerned. */
static void
tell_touched(void)
{
	ListCell   *cell;

	foreach(cell, touched)
	{
		const Touched *item = lfirst(cell);
		int			index;

		shared_lock();
		index = shared_find_job(MyDatabaseId, item->job);
		if (index >= 0)
		{
			shared->jobs[index].version++;
			shared->jobs[index].not_before = 0;
			if (item->ended)
				interrupt_bucketizing(index);
		}
		shared_unlock();
		if (index >= 0)
			shared_wake_workers(index);
	}
	shared_visit(MyDatabaseId, false);
	if (touched != NIL)
		state_changed();
}

static void
end_of_transaction(XactEvent event, void *arg pg_attribute_unused())
{
	if (touched == NIL && !visit_wanted)
		return;
	if (event == XACT_EVENT_PRE_PREPARE && touched != NIL)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("cannot PREPARE a transaction that has changed pg_enrich jobs"),
				errhint("COMMIT it instead."));
	if (event == XACT_EVENT_COMMIT)
		tell_touched();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		touched = NIL;			/* its memory goes with the transaction's */
		visit_wanted = false;
	}
}

static Touched *
find_touched(int64 job)
{
	ListCell   *cell;

	foreach(cell, touched)
	{
		Touched    *item = lfirst(cell);

		if (item->job == job)
			return item;
	}
	return NULL;
}

static void
hear_of_end(void)
{
	if (!callback_registered)
		RegisterXactCallback(end_of_transaction, NULL);
	callback_registered = true;
}

void
shared_visit_at_commit(void)
{
	hear_of_end();
	visit_wanted = true;
}

void
shared_touch_at_commit(int64 job)
{
	MemoryContext old;
	Touched    *item;

	if (shared == NULL || shared_touched(job))
		return;
	hear_of_end();
	old = MemoryContextSwitchTo(TopTransactionContext);
	item = palloc0(sizeof(Touched));
	item->job = job;
	touched = lappend(touched, item);
	MemoryContextSwitchTo(old);
}

void
shared_end_at_commit(int64 job)
{
	shared_touch_at_commit(job);
	if (shared != NULL)
		find_touched(job)->ended = true;
}

bool
shared_touched(int64 job)
{
	return find_touched(job) != NULL;
}
