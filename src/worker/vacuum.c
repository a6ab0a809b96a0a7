/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  A process that vacuums away what was deleted from the catalog.
 *
 * A clerk sends it: that does not vacuum itself, as there is one at a time in a database, and
 * new jobs wait for it.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/vacuum.h"

#include "access/xact.h"
#include "commands/vacuum.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "catalog/leftovers.h"
#include "worker/process.h"

static bool vacuumed = false;

void
vacuum_if_due(void)
{
	Process		process = {
		.type = "pg_enrich clerk",
		.name = "pg_enrich clerk",
		.function = "vacuum_main",
		.argument = ObjectIdGetDatum(MyDatabaseId),
	};

	if (leftovers_are_due() && !process_start(&process, NULL))
		leftovers_look_again(MyDatabaseId);
}

static void
detach(int code pg_attribute_unused(), Datum database)
{
	leftovers_end(DatumGetObjectId(database), vacuumed);
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

static int
find_tables(Oid tables[LEFTOVERS_TABLES])
{
	int			count;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	count = leftovers_tables(tables);
	CommitTransactionCommand();
	return count;
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

void
vacuum_main(Datum database)
{
	Oid			tables[LEFTOVERS_TABLES];
	int			count;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	if (!leftovers_begin(DatumGetObjectId(database)))
		proc_exit(0);
	before_shmem_exit(detach, database);
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
	set("search_path", "pg_catalog, pg_temp");
	/* One that somebody keeps locked is tried again later. */
	set("lock_timeout", "10s");
	set("max_parallel_maintenance_workers", "0");
	pgstat_report_activity(STATE_RUNNING, "vacuuming the catalog");
	/* VACUUM keeps its own things there, across its transactions. */
	PortalContext = AllocSetContextCreate(TopMemoryContext, "pg_enrich vacuum",
										  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(PortalContext);
	count = find_tables(tables);
	MemoryContextSwitchTo(PortalContext);
	for (int i = 0; i < count; i++)
		vacuum_table(tables[i]);
	vacuumed = true;
	proc_exit(0);
}
