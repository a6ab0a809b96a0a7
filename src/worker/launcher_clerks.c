/*-------------------------------------------------------------------------
 *
 * launcher_clerks.c
 *	  The launcher's clerks: which databases are to be looked into, and who does it.
 *
 * One clerk always stands by, a process that is connected to no database yet: so it has
 * its background worker slot when all others are taken, and need not be started when it is
 * called.  Then another one takes its place, before a worker does: workers are started only
 * while one stands by.  Nothing less would keep a slot: parallel queries and other extensions
 * take them, too, and nobody is told how many are free.  Nor can a static worker be one clerk
 * after the other: the server log would show the end of each as a failure.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/launcher_clerks.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "shared/shared.h"
#include "worker/process.h"

/*
 * Longest sleep while a job waits for its end of retention, as that is a time of the wall
 * clock, which may be set meanwhile.
 */
#define EXPIRY_LOOK_US (3600 * USECS_PER_SEC)

/* Clerks at work at the same time: they are short-lived, and worker slots are scarce. */
#define MAX_AT_WORK (SHARED_MAX_CLERKS - 1)

/* One that ended by itself while it stood by is followed by another one so much later. */
#define STAND_BY_AGAIN_US USECS_PER_SEC

/* By their places in shared->calls. */
typedef struct Clerk
{
	BackgroundWorkerHandle *handle; /* NULL: none.  Then one stands by, is at
									 * work, has ended */
	Oid			database;		/* InvalidOid: it stands by */
} Clerk;

static Clerk clerks[SHARED_MAX_CLERKS];

/* Clock of when the next one may stand by. */
static int64 stand_by_at = 0;

/* Which databases exist and (unless all) take connections: List of Oid. */
static List *
list_databases(bool all)
{
	List	   *databases = NIL;
	MemoryContext context = CurrentMemoryContext;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		/* -2 marks a database whose creation or removal was cut short */
		if (!all && (!database->datallowconn || database->datconnlimit == -2))
			continue;
		old = MemoryContextSwitchTo(context);
		databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	(void) pgstat_report_stat(false);
	return databases;
}

/* Databases that no clerk has visited yet since the server started. */
static List *to_visit = NIL;
static bool visit_all_just_started;

void
clerks_visit_all(bool just_started)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	/* Those who were not visited since the start have still just started. */
	visit_all_just_started = just_started || (to_visit != NIL && visit_all_just_started);
	list_free(to_visit);
	to_visit = list_databases(false);
	MemoryContextSwitchTo(old);
}

static bool
clerk_is_at(Oid database)
{
	for (int i = 0; i < SHARED_MAX_CLERKS; i++)
		if (clerks[i].handle != NULL && clerks[i].database == database)
			return true;
	return false;
}

/* The place of the one that stands by; -1: none does. */
static int
standing_by(void)
{
	for (int i = 0; i < SHARED_MAX_CLERKS; i++)
		if (clerks[i].handle != NULL && !OidIsValid(clerks[i].database))
			return i;
	return -1;
}

static int
count_at_work(void)
{
	int			count = 0;

	for (int i = 0; i < SHARED_MAX_CLERKS; i++)
		count += clerks[i].handle != NULL && OidIsValid(clerks[i].database);
	return count;
}

bool
clerks_one_stands_by(void)
{
	return standing_by() >= 0;
}

bool
clerks_any_at_work(void)
{
	return count_at_work() > 0;
}

/* Its place is free: there is one more than can be at work. */
static void
start_clerk(int place)
{
	ClerkOrder	order = {0};
	Process		clerk = {
		.type = "pg_enrich clerk",
		.name = "pg_enrich clerk",
		.function = "clerk_main",
		.argument = Int32GetDatum(place),
		.order = &order,
		.order_size = sizeof(order),
	};

	Assert(clerks[place].handle == NULL && standing_by() < 0);
	shared_lock();
	order.number = ++shared->next_generation;
	memset(&shared->calls[place], 0, sizeof(ClerkCall));
	shared->calls[place].number = order.number;
	shared_unlock();
	clerks[place].database = InvalidOid;
	if (!process_start(&clerk, &clerks[place].handle))
		clerks[place].handle = NULL;
}

/* See to it that one stands by, if there is a slot for it.  Its place, or -1. */
static int
have_one_stand_by(void)
{
	int			place = standing_by();

	if (place < 0 && clock_now() < stand_by_at)
		return -1;
	for (int i = 0; i < SHARED_MAX_CLERKS && place < 0; i++)
		if (clerks[i].handle == NULL)
		{
			start_clerk(i);
			return standing_by();
		}
	return place;
}

static void
call_clerk(int place, Oid database, bool just_started)
{
	Assert(clerks[place].handle != NULL && !OidIsValid(clerks[place].database));
	shared_lock();
	Assert(!OidIsValid(shared->calls[place].database) && OidIsValid(database));
	shared->calls[place].database = database;
	shared->calls[place].just_started = just_started;
	shared_unlock();
	clerks[place].database = database;
	ConditionVariableBroadcast(&shared->clerk_called);
}

/* One that has ended without hearing its call leaves that to another. */
static void
reap_clerks(void)
{
	for (int i = 0; i < SHARED_MAX_CLERKS; i++)
	{
		ClerkCall	call;

		if (clerks[i].handle == NULL || !process_has_ended(clerks[i].handle))
			continue;
		pfree(clerks[i].handle);
		clerks[i].handle = NULL;
		/* It may not even have begun, where the system can start no process. */
		if (!OidIsValid(clerks[i].database))
			stand_by_at = clock_now() + STAND_BY_AGAIN_US;
		shared_lock();
		call = shared->calls[i];
		shared_unlock();
		if (OidIsValid(call.database))
			shared_note_visit(call.database, call.just_started);
	}
}

void
clerks_dismiss(void)
{
	shared_lock();
	memset(shared->calls, 0, sizeof(shared->calls));
	shared_unlock();
	ConditionVariableBroadcast(&shared->clerk_called);
}

/* Is a clerk to look into the database now? */
static bool
is_due(const DatabaseEntry *entry)
{
	return entry->dirty || (entry->next_visit != 0 && entry->next_visit <= clock_now()) ||
		(entry->next_expiry != 0 && entry->next_expiry <= GetCurrentTimestamp());
}

/* The next database that a clerk should look into; InvalidOid: none. */
static Oid
next_database(bool *just_started)
{
	Oid			found = InvalidOid;

	*just_started = false;
	shared_lock();
	for (int i = 0; i < SHARED_MAX_DATABASES && !OidIsValid(found); i++)
	{
		DatabaseEntry *entry = &shared->databases[i];

		if (OidIsValid(entry->database) && is_due(entry) && !clerk_is_at(entry->database))
		{
			found = entry->database;
			*just_started = entry->just_started ||
				(visit_all_just_started && list_member_oid(to_visit, found));
		}
	}
	shared_unlock();
	if (!OidIsValid(found) && to_visit != NIL && !clerk_is_at(linitial_oid(to_visit)))
	{
		found = linitial_oid(to_visit);
		*just_started = visit_all_just_started;
	}
	return found;
}

/* A clerk is about to go there: what has changed until now it will see. */
static void
forget_visit(Oid database)
{
	shared_lock();
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
		if (shared->databases[i].database == database)
			memset(&shared->databases[i], 0, sizeof(DatabaseEntry));
	shared_unlock();
	to_visit = list_delete_oid(to_visit, database);
}

static bool
database_exists(Oid database)
{
	List	   *databases = list_databases(true);
	bool		exists = list_member_oid(databases, database);

	list_free(databases);
	return exists;
}

static void
set_waits(bool waits)
{
	shared_lock();
	shared->clerk_waits = waits;
	shared_unlock();
}

bool
clerks_send(void)
{
	Oid			database;
	bool		just_started;
	int			place;

	reap_clerks();
	while ((place = have_one_stand_by()) >= 0 && count_at_work() < MAX_AT_WORK &&
		   OidIsValid(database = next_database(&just_started)))
	{
		/* First, so that what changes from now on calls for the next clerk. */
		forget_visit(database);
		if (database_exists(database))
			call_clerk(place, database, just_started);
		else
			shared_forget_database(database);
	}
	set_waits(place < 0 && count_at_work() == 0 && OidIsValid(next_database(&just_started)));
	return place >= 0;
}

int64
clerks_due_in(void)
{
	int64		due_in = CLOCK_NEVER;
	int64		now = clock_now();
	TimestampTz wall_now = GetCurrentTimestamp();

	shared_lock();
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
	{
		const DatabaseEntry *entry = &shared->databases[i];

		if (!OidIsValid(entry->database))
			continue;
		if (entry->next_visit != 0)
			due_in = Min(due_in, entry->next_visit - now);
		if (entry->next_expiry != 0)
			due_in = Min(due_in, Min(entry->next_expiry - wall_now, EXPIRY_LOOK_US));
	}
	shared_unlock();
	return due_in;
}
