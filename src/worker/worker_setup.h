/*-------------------------------------------------------------------------
 *
 * worker_setup.h
 *	  What a worker process changes of its surroundings: settings and limits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_WORKER_SETUP_H
#define PG_ENRICH_WORKER_SETUP_H

#include "catalog/job.h"

/*
 * How many connections to APIs the process may have, at least one: a descriptor each.
 * Raises the limit of descriptors as far as that may be.  PostgreSQL reckons with all that
 * the postmaster may open for files alone.  Where that leaves too little it is told to keep
 * fewer files open, before both run into the limit at the same time.
 */
extern int	worker_max_connections(void);

/* Set a parameter for the session, as a user might.  Raises an error if the value is not valid. */
extern void worker_set(const char *name, const char *value);

/*
 * Whatever a role's or a database's defaults are: nothing that could break a
 * worker's own transactions, let it act as somebody else, or change what its
 * statements mean.
 */
extern void worker_force_settings(void);

/* What user SQL runs under: as captured when the job was started. */
extern void worker_apply_settings(const Job *job);

#endif							/* PG_ENRICH_WORKER_SETUP_H */
