/*-------------------------------------------------------------------------
 *
 * leftovers.c
 *	  Rows that were deleted from the catalog, and are to be vacuumed away.
 *
 * A job can have millions of rows there, which go all at once when it is dropped.
 * Autovacuum may be off, or busy elsewhere for hours, while the next job of that size
 * is under way already: so who deletes counts, and a clerk sees to it that they are vacuumed
 * away (vacuum.c) once nobody can see them any more.
 *
 * Partitions by job would give the space back without vacuuming.  But each is a dozen rows
 * in the system catalogs, and jobs are kept for a month, of which there may be one a minute.
 *
 * The counts stand in shared memory.  When they are lost, with it, it is autovacuum's
 * affair.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/leftovers.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "catalog/catalog_extension.h"
#include "limits/backoff.h"
#include "shared/shared.h"

/* So many rows are worth a process: half a megabyte and more. */
#define WORTHWHILE_ROWS 5000

/* Somebody may still see them, or no process can be had: nothing tells when that is over. */
#define LOOK_AGAIN_US (5 * USECS_PER_SEC)
#define LOOK_AGAIN_AT_MOST_US (60 * USECS_PER_SEC)

static const char *const tables[LEFTOVERS_TABLES] = {"catalog_bucket", "catalog_bucket_run", "catalog_failure"};

/* Deleted by the transaction at hand. */
static uint64 noted = 0;

/* Those of a database; NULL: there are none.  The caller holds the lock. */
static Leftovers *
find_leftovers(Oid database)
{
	Assert(shared_is_locked());
	Assert(OidIsValid(database));
	for (int i = 0; i < SHARED_MAX_DATABASES; i++)
		if (shared->leftovers[i].database == database)
			return &shared->leftovers[i];
	return NULL;
}

/*
 * The entry of a database; where there is no room, in place of the fewest, which may be
 * those of a database that was dropped.  The caller holds the lock.
 */
static Leftovers *
make_leftovers(Oid database)
{
	Leftovers  *leftovers = find_leftovers(database);

	if (leftovers != NULL)
		return leftovers;
	leftovers = &shared->leftovers[0];
	for (int i = 1; i < SHARED_MAX_DATABASES; i++)
		if (shared->leftovers[i].rows < leftovers->rows)
			leftovers = &shared->leftovers[i];
	memset(leftovers, 0, sizeof(*leftovers));
	leftovers->database = database;
	return leftovers;
}

static void
end_of_transaction(XactEvent event, void *arg pg_attribute_unused())
{
	if (event == XACT_EVENT_COMMIT && noted > 0 && shared != NULL)
	{
		TransactionId next = ReadNextTransactionId();
		Leftovers  *leftovers;
		bool		worthwhile;

		shared_lock();
		leftovers = make_leftovers(MyDatabaseId);
		leftovers->rows += (int64) noted;
		leftovers->seen_before = next;
		leftovers->looks = 0;	/* nobody has waited for these yet */
		leftovers->look_at = 0;
		worthwhile = leftovers->rows >= WORTHWHILE_ROWS;
		shared_unlock();

		/*
		 * A clerk that was called for what else was changed may have looked
		 * before that.
		 */
		if (worthwhile)
			shared_visit(MyDatabaseId, false);
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		noted = 0;
}

void
leftovers_note(uint64 rows)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(end_of_transaction, NULL);
	registered = true;
	noted += rows;
}

/* Can no transaction that is under way see a row that was deleted before this one began? */
static bool
is_out_of_sight(TransactionId seen_before)
{
	Relation	relation = RelationIdGetRelation(catalog_relation("catalog_bucket"));
	TransactionId oldest = GetOldestNonRemovableTransactionId(relation);

	RelationClose(relation);
	return !TransactionIdPrecedes(oldest, seen_before);
}

bool
leftovers_are_due(void)
{
	const Leftovers *leftovers;
	Leftovers	found = {0};

	shared_lock();
	leftovers = find_leftovers(MyDatabaseId);
	if (leftovers != NULL)
		found = *leftovers;
	shared_unlock();
	if (found.rows < WORTHWHILE_ROWS || found.pid != 0)
		return false;
	if (is_out_of_sight(found.seen_before))
		return true;
	leftovers_look_again(MyDatabaseId);
	return false;
}

void
leftovers_look_again(Oid database)
{
	int64		now = clock_now();
	int64		wait_us = LOOK_AGAIN_US;
	Leftovers  *leftovers;

	shared_lock();
	leftovers = find_leftovers(database);
	if (leftovers != NULL)
	{
		/* A clerk may have come for something else, and too early. */
		if (leftovers->look_at <= now)
			leftovers->look_at = now + backoff_us(LOOK_AGAIN_US, LOOK_AGAIN_AT_MOST_US,
												  leftovers->looks++);
		wait_us = leftovers->look_at - now;
	}
	shared_unlock();
	shared_visit_in(database, wait_us);
}

bool
leftovers_begin(Oid database)
{
	Leftovers  *leftovers;
	bool		mine = false;

	shared_lock();
	leftovers = find_leftovers(database);
	if (leftovers != NULL && leftovers->pid == 0)
	{
		leftovers->pid = MyProcPid;
		leftovers->rows_at_begin = leftovers->rows;
		mine = true;
	}
	shared_unlock();
	return mine;
}

void
leftovers_end(Oid database, bool vacuumed)
{
	Leftovers  *leftovers;
	bool		more = false;

	shared_lock();
	leftovers = find_leftovers(database);
	if (leftovers != NULL && leftovers->pid == MyProcPid)	/* else others have
															 * taken its place */
	{
		leftovers->pid = 0;
		if (vacuumed)
		{
			Assert(leftovers->rows >= leftovers->rows_at_begin);
			leftovers->rows -= leftovers->rows_at_begin;
			leftovers->looks = 0;
		}
		more = leftovers->rows >= WORTHWHILE_ROWS;
		if (leftovers->rows == 0)
			memset(leftovers, 0, sizeof(*leftovers));
	}
	shared_unlock();
	if (!vacuumed || more)		/* some may have come meanwhile */
		leftovers_look_again(database);
}

int
leftovers_tables(Oid found[LEFTOVERS_TABLES])
{
	if (!OidIsValid(catalog_owner()))
		return 0;
	for (int i = 0; i < LEFTOVERS_TABLES; i++)
		found[i] = catalog_relation(tables[i]);
	return LEFTOVERS_TABLES;
}
