/*-------------------------------------------------------------------------
 *
 * launcher_clerks.h
 *	  The launcher's clerks: which databases are to be looked into, and who does it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_LAUNCHER_CLERKS_H
#define PG_ENRICH_LAUNCHER_CLERKS_H

#include "postgres.h"

/* Every database is to be visited; just_started: the server has, so autostart counts. */
extern void clerks_visit_all(bool just_started);

/*
 * Send clerks to where they are due, and have one more stand by.  False: no slot is free for
 * that, and shared->clerk_waits says whether anybody waits for it.
 */
extern bool clerks_send(void);

/* Does one stand by?  Else a worker could take the slot that is kept for it. */
extern bool clerks_one_stands_by(void);

/* Is one at work?  When it has ended, a slot may be free that is not now. */
extern bool clerks_any_at_work(void);

/* The launcher ends: whoever stands by is to end, too.  The next one looks into all databases. */
extern void clerks_dismiss(void);

/* How long, in microseconds, until the next one is due; CLOCK_NEVER: nobody knows of any. */
extern int64 clerks_due_in(void);

#endif							/* PG_ENRICH_LAUNCHER_CLERKS_H */
