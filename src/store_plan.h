/*-------------------------------------------------------------------------
 *
 * store_plan.h
 *	  Which statement writes results, and its plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_STORE_PLAN_H
#define PG_ENRICH_STORE_PLAN_H

#include "postgres.h"

#include "recipe.h"

/* The statements that write results, each planned when it is first needed. */
typedef struct StorePlans StorePlans;

/* What is known of the results at hand. */
typedef struct ResultKeys
{
	int			count;
	Size		bytes;			/* in memory */
	int64		lowest;			/* where the key is a single integer */
	int64		highest;
} ResultKeys;

/* Lives in the current memory context. */
extern StorePlans *store_plans_make(const Recipe *recipe);

/* Widens the range of keys by a row's first key. */
extern void store_plans_note_key(const StorePlans *plans, Datum key, ResultKeys *keys);

/*
 * Writes the results, which are registered as RESULTS_RELATION with an open SPI.
 * Raises whatever the statement does: a unique violation, too, where another
 * session has just inserted a key that was not there, and fewer results at a time
 * take that row's place.
 */
extern void store_plans_execute(StorePlans *plans, const ResultKeys *keys);

#endif							/* PG_ENRICH_STORE_PLAN_H */
