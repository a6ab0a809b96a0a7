/*-------------------------------------------------------------------------
 *
 * intake.h
 *	  What a worker reads before it can work: job, server, credentials, recipe.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_INTAKE_H
#define PG_ENRICH_INTAKE_H

#include "postgres.h"

#include "catalog/job.h"
#include "recipe/endpoint.h"
#include "worker/worker_place.h"

typedef struct WorkerSetup
{
	Job		   *job;			/* NULL: it is gone */
	Recipe	   *recipe;
	const Endpoint *endpoint;	/* that requests are sent to by now: it is
								 * another one when server or credentials have
								 * changed, or the job was resumed */
	MemoryContext context;		/* of all that, and of the endpoints before */
	bool		evaluates;		/* some answer may take a transaction to read */
	bool		is_stale;		/* once the job goes on, all is to be read
								 * again */
	bool		server_changed; /* its server or user mapping, as an
								 * invalidation says */
	bool		catalog_changed;	/* ... our table of jobs: when it goes, so
									 * does the extension */
	Oid			job_table;
} WorkerSetup;

/* In a transaction: read all of it. */
extern void intake_job(Worker *worker);

/* A step: server and credentials, where they have changed. */
extern void intake_server_step(Worker *worker, void *arg);

/* The job was resumed: what failed before that was with another endpoint. */
extern void intake_renew(Worker *worker);

/* Read server and credentials again, now.  True: they had changed. */
extern bool intake_refresh(Worker *worker);

/* Have invalidations noted in WorkerSetup from now on. */
extern void intake_watch_changes(Worker *worker);

/*
 * Was the job, its server or a key changed?  Then nothing is sent before this worker has
 * read that.
 */
extern bool worker_is_steered(const Worker *worker);

#endif							/* PG_ENRICH_INTAKE_H */
