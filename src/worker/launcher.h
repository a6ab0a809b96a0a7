/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  The launcher: starts clerks for databases and workers for jobs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_LAUNCHER_H
#define PG_ENRICH_LAUNCHER_H

#include "postgres.h"

/* Register it with the postmaster; from _PG_init. */
extern void launcher_register(void);

/* Entry points of the background processes. */
extern PGDLLEXPORT void launcher_main(Datum argument);
extern PGDLLEXPORT void clerk_main(Datum place);
extern PGDLLEXPORT void worker_main(Datum slot);

/* What a clerk is told in bgw_extra; its argument is its place in SharedState.calls. */
typedef struct ClerkOrder
{
	uint32		number;			/* of its call */
} ClerkOrder;

/* What a worker is told in bgw_extra. */
typedef struct WorkerOrder
{
	uint32		generation;
	Oid			database;
	Oid			owner;
	int64		job;
} WorkerOrder;

#endif							/* PG_ENRICH_LAUNCHER_H */
