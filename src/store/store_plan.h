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

#include "recipe/recipe.h"
#include "store/key_runs.h"

/* The statements that write results, each planned when it is first needed. */
typedef struct StorePlans StorePlans;

/* What is known of the results at hand. */
typedef struct ResultKeys
{
	int			count;
	Size		bytes;			/* in memory */
	KeyRuns		runs;			/* where the key is a single integer */
} ResultKeys;

/* Lives in the current memory context. */
extern StorePlans *store_plans_make(const Recipe *recipe);

/* A result more, of a row with that first key.  There is room for it in keys->runs. */
extern void store_plans_note_key(const StorePlans *plans, Datum key, ResultKeys *keys);

/*
 * Writes the results, which are registered as RESULTS_RELATION with an open SPI;
 * the runs of their keys come in order.
 * Raises whatever the statement does: a unique violation, too, where another
 * session has just inserted a key that was not there, and fewer results at a time
 * take that row's place.
 */
extern void store_plans_execute(StorePlans *plans, ResultKeys *keys);

#endif							/* PG_ENRICH_STORE_PLAN_H */
