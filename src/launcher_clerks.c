/*-------------------------------------------------------------------------
 *
 * launcher_clerks.c
 *	  The launcher's clerks: which databases are to be looked into, and who does it.
 *
 *-------------------------------------------------------------------------
 */
#include "launcher_internal.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "shared.h"

/*
 * Longest sleep while a job waits for its end of retention, as that is a time of the wall
 * clock, which may be set meanwhile.
 */
#define EXPIRY_LOOK_US (3600 * USECS_PER_SEC)

/* Clerks at work at the same time: they are short-lived, and worker slots are scarce. */
#define MAX_CLERKS 2

typedef struct Clerk
{
	BackgroundWorkerHandle *handle; /* NULL: none */
	Oid			database;
} Clerk;

static Clerk clerks[MAX_CLERKS];

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
	for (int i = 0; i < MAX_CLERKS; i++)
		if (clerks[i].handle != NULL && clerks[i].database == database)
			return true;
	return false;
}

static int
free_clerk(void)
{
	for (int i = 0; i < MAX_CLERKS; i++)
		if (clerks[i].handle == NULL)
			return i;
	return -1;
}

/* Send a clerk.  False: no worker slot is free. */
static bool
send_clerk(int number, Oid database, bool just_started)
{
	ClerkOrder	order = {0};

	order.just_started = just_started;
	if (!launcher_start("pg_enrich clerk", "pg_enrich clerk", "clerk_main",
						ObjectIdGetDatum(database),
						&order, sizeof(order), &clerks[number].handle))
	{
		clerks[number].handle = NULL;
		return false;
	}
	clerks[number].database = database;
	return true;
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

bool
clerks_send(void)
{
	Oid			database;
	bool		just_started;
	int			number;

	for (int i = 0; i < MAX_CLERKS; i++)
		if (clerks[i].handle != NULL && launcher_has_ended(clerks[i].handle))
		{
			pfree(clerks[i].handle);
			clerks[i].handle = NULL;
		}
	while ((number = free_clerk()) >= 0 && OidIsValid(database = next_database(&just_started)))
	{
		/* First, so that what changes from now on calls for the next clerk. */
		forget_visit(database);
		if (!database_exists(database))
			shared_forget_database(database);
		else if (!send_clerk(number, database, just_started))
		{
			shared_note_visit(database, just_started);
			return false;
		}
	}
	return true;
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
