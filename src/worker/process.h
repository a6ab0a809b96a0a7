/*-------------------------------------------------------------------------
 *
 * process.h
 *	  Our background processes: their entry points, what they are told, how they are started.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PROCESS_H
#define PG_ENRICH_PROCESS_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/* Entry points. */
extern PGDLLEXPORT void launcher_main(Datum argument);
extern PGDLLEXPORT void clerk_main(Datum place);
extern PGDLLEXPORT void vacuum_main(Datum database);
extern PGDLLEXPORT void worker_main(Datum slot);

/* What a clerk is told in bgw_extra; its argument is its place in SharedState.calls. */
typedef struct ClerkOrder
{
	uint32		number;			/* of its call */
} ClerkOrder;

/* What a worker is told in bgw_extra; its argument is its slot. */
typedef struct WorkerOrder
{
	uint32		generation;
	Oid			database;
	Oid			owner;
	int64		job;
} WorkerOrder;

/* A process that is to be started. */
typedef struct Process
{
	const char *type;			/* as pg_stat_activity shows it */
	const char *name;
	const char *function;		/* its entry point */
	Datum		argument;
	const void *order;			/* copied into bgw_extra; NULL: there is none */
	Size		order_size;
} Process;

/* From _PG_init: have the postmaster keep one running; it begins again a second after its end. */
extern void process_register(const Process *process);

/*
 * Start one that is never restarted.  False: no background worker slot is free.  *handle, in
 * the current memory context, unless handle is NULL: then this process hears of its end.
 */
extern bool process_start(const Process *process, BackgroundWorkerHandle **handle);

extern bool process_has_ended(BackgroundWorkerHandle *handle);

#endif							/* PG_ENRICH_PROCESS_H */
