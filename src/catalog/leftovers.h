/*-------------------------------------------------------------------------
 *
 * leftovers.h
 *	  Rows that were deleted from the catalog, and are to be vacuumed away.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_LEFTOVERS_H
#define PG_ENRICH_LEFTOVERS_H

#include "postgres.h"

/* The tables that jobs leave many rows in; the others have a few for each. */
#define LEFTOVERS_TABLES 3

/* This transaction has deleted so many rows more: once it is committed they are leftovers. */
extern void leftovers_note(uint64 rows);

/*
 * For a clerk, in a transaction: are there enough of them in its database, which nobody vacuums
 * yet, and can nobody see them any more?  Where somebody can, it looks again later.
 */
extern bool leftovers_are_due(void);

/* Have a clerk look again, in 5 s; the more often that came to nothing the later, up to 60 s. */
extern void leftovers_look_again(Oid database);

/*
 * This process vacuums those of a database.  False: another one does.  And it has ended, and
 * they are gone, or not.
 */
extern bool leftovers_begin(Oid database);
extern void leftovers_end(Oid database, bool vacuumed);

/* Where they are.  In a transaction; returns how many: 0 where the extension is not here. */
extern int	leftovers_tables(Oid tables[LEFTOVERS_TABLES]);

#endif							/* PG_ENRICH_LEFTOVERS_H */
