/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  The launcher: starts clerks for databases and workers for jobs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_LAUNCHER_H
#define PG_ENRICH_LAUNCHER_H

/* Register it with the postmaster; from _PG_init. */
extern void launcher_register(void);

#endif							/* PG_ENRICH_LAUNCHER_H */
