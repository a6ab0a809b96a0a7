/*-------------------------------------------------------------------------
 *
 * key_runs.c
 *	  A set of integer keys as few runs of numbers.
 *
 *-------------------------------------------------------------------------
 */
#include "store/key_runs.h"

#include <stdbool.h>
#include <stdlib.h>

/* How far a key may lie above the one before it and still belong to its run. */
#define NEAR 2

/* Does what begins at lowest go on where a run ends?  Or it begins inside the run. */
static bool
goes_on(const KeyRun *run, int64_t lowest, uint64_t near)
{
	return lowest <= run->highest || (uint64_t) lowest - (uint64_t) run->highest <= near;
}

void
key_runs_add(KeyRuns *runs, int64_t key)
{
	KeyRun	   *last = runs->count > 0 ? &runs->runs[runs->count - 1] : NULL;

	if (last != NULL && key > last->highest && goes_on(last, key, NEAR))
		last->highest = key;
	else
	{
		last = &runs->runs[runs->count++];
		last->lowest = last->highest = key;
	}
}

static int
compare_runs(const void *a, const void *b)
{
	int64_t		left = ((const KeyRun *) a)->lowest;
	int64_t		right = ((const KeyRun *) b)->lowest;

	return (left > right) - (left < right);
}

/* Runs in order; those that lie so near become one. */
static void
merge(KeyRuns *runs, uint64_t near)
{
	int			kept = 0;

	for (int i = 0; i < runs->count; i++)
	{
		KeyRun		run = runs->runs[i];
		KeyRun	   *last = kept > 0 ? &runs->runs[kept - 1] : NULL;

		if (last == NULL || !goes_on(last, run.lowest, near))
			runs->runs[kept++] = run;
		else if (run.highest > last->highest)
			last->highest = run.highest;
	}
	runs->count = kept;
}

void
key_runs_settle(KeyRuns *runs, int most)
{
	uint64_t	near = NEAR;

	qsort(runs->runs, runs->count, sizeof(KeyRun), compare_runs);
	merge(runs, near);
	while (runs->count > most)
	{
		near = near > UINT64_MAX / 2 ? UINT64_MAX : near * 2;
		merge(runs, near);
	}
}
