/*-------------------------------------------------------------------------
 *
 * vacuum.h
 *	  A process that vacuums away what was deleted from the catalog.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_VACUUM_H
#define PG_ENRICH_VACUUM_H

#include "postgres.h"

/*
 * For a clerk, in a transaction: if enough was deleted in its database, see to it that it is
 * vacuumed away, now or as soon as nobody can see it any more.
 */
extern void vacuum_if_due(void);

#endif							/* PG_ENRICH_VACUUM_H */
