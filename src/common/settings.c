/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  pg_enrich's settings (GUCs).
 *
 * None is PGC_POSTMASTER: the validator loads the library in sessions of
 * servers that do not preload it (a restore), where such a setting could not be
 * defined.
 *
 *-------------------------------------------------------------------------
 */
#include "common/settings.h"

#include <limits.h>

#include "utils/guc.h"

int			settings_max_concurrency = 1000;
bool		settings_autostart = true;
int			settings_worker_memory = 256 * 1024;
int			settings_job_retention = 30 * 24 * 3600;

void
settings_define(void)
{
	DefineCustomIntVariable("pg_enrich.max_concurrency",
							"Most requests in flight in the whole cluster.",
							"0 stops all requests. Servers and jobs have caps of their own; the "
							"lowest wins.",
							&settings_max_concurrency, 1000, 0, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_enrich.autostart",
							 "Lets unfinished jobs go on by themselves after a server start.",
							 "When off they are paused, so that a restored copy does not call out.",
							 &settings_autostart, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_enrich.worker_memory",
							"Memory a worker uses for rows, requests and answers.",
							"A worker sends nothing more while it holds this much; a single "
							"request may exceed it.",
							&settings_worker_memory, 256 * 1024, 1024, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_enrich.job_retention",
							"How long finished jobs are kept before they are forgotten.",
							"-1 keeps them until enrich.drop.",
							&settings_job_retention, 30 * 24 * 3600, -1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	MarkGUCPrefixReserved("pg_enrich");
}

static int
turn_off(const char *const *settings, int count)
{
	int			level = NewGUCNestLevel();

	for (int i = 0; i < count; i++)
		(void) set_config_option(settings[i], "off", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	return level;
}

/*
 * Many rows are looked up by their keys at a time, and a table that was just
 * filled has no statistics that say how large it is: the planner must not be
 * tempted into scanning all of it each time, nor into collecting all that lies in a
 * range, of which only the first few are wanted, to sort it.  What it is kept from by
 * such a cost would look worth compiling, too.
 */
int
settings_plan_by_index(void)
{
	static const char *const off[] = {"enable_bitmapscan", "enable_hashagg", "enable_hashjoin",
		"enable_incremental_sort", "enable_memoize", "enable_mergejoin", "enable_seqscan",
	"enable_sort", "jit"};

	return turn_off(off, lengthof(off));
}

int
settings_plan_by_range(void)
{
	static const char *const off[] = {"enable_nestloop", "enable_seqscan", "jit"};

	return turn_off(off, lengthof(off));
}

int
settings_without_query_ids(void)
{
	static const char *const off[] = {"compute_query_id"};

	return turn_off(off, lengthof(off));
}
