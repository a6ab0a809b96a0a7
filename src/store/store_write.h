/*-------------------------------------------------------------------------
 *
 * store_write.h
 *	  Rows' results into the target; a row whose values do not fit fails alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_STORE_WRITE_H
#define PG_ENRICH_STORE_WRITE_H

#include "postgres.h"

#include "recipe/recipe.h"
#include "store/store.h"

/* A row of an outcome under way. */
typedef struct StoreItem
{
	const Outcome *outcome;
	int			position;		/* in the outcome */
	char	   *error;			/* why it cannot be stored, or NULL */
} StoreItem;

/* Converters and the prepared statement of a worker's target, made once. */
typedef struct StoreWriter StoreWriter;

/* In the current memory context. */
extern StoreWriter *store_writer_make(const Recipe *recipe);

/*
 * Write the rows that have no error yet, in the current transaction, as the
 * current user; those that do not fit get one.  Returns how many rows were
 * written: a row that is gone from the source or the target is not.  Raises
 * errors that are no row's own fault.
 */
extern int64 store_writer_write(StoreWriter *writer, StoreItem *items, int count);

/* Replace the target's rows by those that were collected, in the current transaction. */
extern void store_writer_replace(StoreWriter *writer);

#endif							/* PG_ENRICH_STORE_WRITE_H */
