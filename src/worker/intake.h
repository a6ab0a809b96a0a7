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
#include "http/http.h"
#include "recipe/recipe.h"
#include "worker/worker_place.h"

typedef struct WorkerSetup
{
	Job		   *job;			/* NULL: it is gone */
	Server	   *server;
	Credentials *credentials;
	HttpSettings http_settings;
	Recipe	   *recipe;
	MemoryContext context;		/* of all that */
	unsigned	generation;		/* of server and credentials: it is another one when they have
								 * changed, or the job was resumed */
	bool		is_stale;		/* once the job goes on, all is to be read again */
} WorkerSetup;

/* In a transaction: read all of it. */
extern void intake_job(Worker *worker);

/* A step: server and credentials, where they have changed. */
extern void intake_server_step(Worker *worker, void *arg);

/* Read server and credentials again, now.  True: they had changed. */
extern bool intake_refresh(Worker *worker);

extern void intake_watch_changes(void);
extern bool intake_server_changed;	/* set by invalidations */
extern bool intake_catalog_changed;

/*
 * Was the job, its server or a key changed?  Then nothing is sent before this worker has
 * read that.
 */
extern bool worker_is_steered(const Worker *worker);

#endif							/* PG_ENRICH_INTAKE_H */
