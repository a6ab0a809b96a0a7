/*-------------------------------------------------------------------------
 *
 * key_runs.h
 *	  A set of integer keys as few runs of numbers.
 *
 * Rows come in runs of keys, and requests end in any order: between the keys of
 * those at hand may lie others, which are stored already or not answered yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_KEY_RUNS_H
#define PG_ENRICH_KEY_RUNS_H

#include <stdint.h>

/* Both ends belong to it. */
typedef struct KeyRun
{
	int64_t		lowest;
	int64_t		highest;
} KeyRun;

typedef struct KeyRuns
{
	KeyRun	   *runs;			/* room for as many as there are keys, given
								 * by the caller */
	int			count;
} KeyRuns;

/* A key more. */
extern void key_runs_add(KeyRuns *runs, int64_t key);

/*
 * All keys are in: the runs are put in order, and those that no more than a
 * number lies between become one.  As long as there are more than most (1 at
 * least), wider holes are closed, too.
 */
extern void key_runs_settle(KeyRuns *runs, int most);

#endif							/* PG_ENRICH_KEY_RUNS_H */
