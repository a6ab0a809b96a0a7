/*-------------------------------------------------------------------------
 *
 * leftovers.h
 *	  The space of rows that were deleted from the catalog.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_LEFTOVERS_H
#define PG_ENRICH_LEFTOVERS_H

#include "postgres.h"

/* This transaction has deleted so many rows more: once it is committed they are leftovers. */
extern void leftovers_note(uint64 rows);

/*
 * For a clerk, in a transaction: if there are enough of them in this database, see to it
 * that they are vacuumed away, now or as soon as nobody can see them any more.
 */
extern void leftovers_look(void);

/* The process that does it; argument: the database. */
extern PGDLLEXPORT void leftovers_main(Datum argument);

#endif							/* PG_ENRICH_LEFTOVERS_H */
