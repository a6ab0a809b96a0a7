/*-------------------------------------------------------------------------
 *
 * leftovers.c
 *	  The space of rows that were deleted from the catalog.
 *
 * A job can have millions of rows there, which go all at once when it is dropped.
 * Autovacuum may be off, or busy elsewhere for hours, while the next job of that size
 * is under way already: so who deletes counts, and a clerk sends a process that vacuums.
 * Not a clerk itself: there is one at a time in a database, and new jobs wait for it.
 *
 * The counts stand in shared memory.  When they are lost, with it, it is autovacuum's
 * affair.
 *
 *-------------------------------------------------------------------------
 */
#include "catalog/leftovers.h"

#include "access/transam.h"
#include "access/xact.h"
#include "commands/vacuum.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"

#include "catalog/catalog_extension.h"
#include "common/pg_enrich.h"
#include "shared/shared.h"

/* So many rows are worth a process: half a megabyte and more. */
#define WORTHWHILE_ROWS 5000

/* Somebody may still see them, or no process can be had: nothing tells when that is over. */
#define LOOK_AGAIN_US (5 * USECS_PER_SEC)

/* The tables that jobs leave many rows in; the others have a few for each. */
static const char *const tables[] = {"catalog_bucket", "catalog_bucket_run", "catalog_failure"};

/* Deleted by the transaction at hand. */
static uint64 noted = 0;

/* What this process, which vacuums, has found there. */
static int64 rows_at_begin = 0;
static bool vacuumed = false;

/* Those of a database; NULL: there are none.  The caller holds the lock. */
static Leftovers *
find_leftovers(Oid database)
{
	Assert(shared_is_locked());
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
		worthwhile = leftovers->rows >= WORTHWHILE_ROWS;
		shared_unlock();
		/* A clerk that was called for what else was changed may have looked before that. */
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

static bool
send_process(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, PG_ENRICH_LIBRARY, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "leftovers_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "pg_enrich clerk", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "pg_enrich clerk", sizeof(worker.bgw_type));
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

void
leftovers_look(void)
{
	const Leftovers *leftovers;
	Leftovers	found = {0};

	shared_lock();
	leftovers = find_leftovers(MyDatabaseId);
	if (leftovers != NULL)
		found = *leftovers;
	shared_unlock();
	if (found.rows < WORTHWHILE_ROWS || found.pid != 0)
		return;
	if (!is_out_of_sight(found.seen_before) || !send_process())
		shared_visit_in(MyDatabaseId, LOOK_AGAIN_US);
}

/* False: another process is at it. */
static bool
attach(Oid database)
{
	Leftovers  *leftovers;
	bool		mine = false;

	shared_lock();
	leftovers = find_leftovers(database);
	if (leftovers != NULL && leftovers->pid == 0)
	{
		leftovers->pid = MyProcPid;
		rows_at_begin = leftovers->rows;
		mine = true;
	}
	shared_unlock();
	return mine;
}

static void
detach(int code pg_attribute_unused(), Datum database)
{
	Leftovers  *leftovers;
	bool		more = false;

	shared_lock();
	leftovers = find_leftovers(DatumGetObjectId(database));
	if (leftovers != NULL)		/* else others have taken its place */
	{
		leftovers->pid = 0;
		if (vacuumed)
			leftovers->rows = Max(leftovers->rows - rows_at_begin, 0);
		more = leftovers->rows >= WORTHWHILE_ROWS;
		if (leftovers->rows == 0)
			memset(leftovers, 0, sizeof(*leftovers));
	}
	shared_unlock();
	if (!vacuumed || more)		/* some may have come meanwhile */
		shared_visit_in(DatumGetObjectId(database), LOOK_AGAIN_US);
}

/* What the command would do; it cannot be run by SPI. */
static void
vacuum_table(Oid relation)
{
	MemoryContext context = CurrentMemoryContext;
	VacuumStmt *statement = makeNode(VacuumStmt);
	ParseState *state = make_parsestate(NULL);

	statement->is_vacuumcmd = true;
	statement->rels = list_make1(makeVacuumRelation(NULL, relation, NIL));
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	ExecVacuum(state, statement, true);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

/* The tables, if they are here. */
static int
find_tables(Oid *found)
{
	int			count = 0;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (OidIsValid(catalog_owner()))
		for (int i = 0; i < (int) lengthof(tables); i++)
			found[count++] = catalog_relation(tables[i]);
	CommitTransactionCommand();
	return count;
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

void
leftovers_main(Datum argument)
{
	Oid			found[lengthof(tables)];
	int			count;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	if (!attach(DatumGetObjectId(argument)))
		proc_exit(0);
	before_shmem_exit(detach, argument);
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
	set("search_path", "pg_catalog, pg_temp");
	/* One that somebody keeps locked is tried again later. */
	set("lock_timeout", "10s");
	set("max_parallel_maintenance_workers", "0");
	pgstat_report_activity(STATE_RUNNING, "vacuuming the catalog");
	/* VACUUM keeps its own things there, across its transactions. */
	PortalContext = AllocSetContextCreate(TopMemoryContext, "pg_enrich vacuum",
										  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(PortalContext);
	count = find_tables(found);
	MemoryContextSwitchTo(PortalContext);
	for (int i = 0; i < count; i++)
		vacuum_table(found[i]);
	vacuumed = true;
	proc_exit(0);
}
