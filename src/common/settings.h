/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  pg_enrich's settings (GUCs).  All can be changed by a reload.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_SETTINGS_H
#define PG_ENRICH_SETTINGS_H

#include "postgres.h"

extern int	settings_max_concurrency;	/* requests in flight in the cluster;
										 * 0 stops everything */
extern bool settings_autostart; /* unfinished jobs go on after a server start */
extern int	settings_worker_memory; /* kB that a worker holds for rows,
									 * requests and answers */
extern int	settings_job_retention; /* seconds that finished jobs are kept;
									 * -1: forever */

extern void settings_define(void);

/*
 * From here to AtEOXact_GUC(true, level), which ends it, whatever is planned
 * finds rows through their indexes: one by one by their keys, or all that lie
 * in a range of them.  Returns the level.
 */
extern int	settings_plan_by_index(void);
extern int	settings_plan_by_range(void);

/*
 * The same way, pg_stat_statements takes no note of what is parsed from here on:
 * names of staging tables occur in no other job, and would fill it.
 */
extern int	settings_without_query_ids(void);

#endif							/* PG_ENRICH_SETTINGS_H */
