/*-------------------------------------------------------------------------
 *
 * quota.h
 *	  Arithmetic of a rate limit: so much a minute, evenly spaced.
 *
 * Quota spaces: the generic cell rate algorithm (ITU-T I.371).  It keeps the time
 * from which the next unit is free; taking moves it on by the units' share of a
 * minute.  It is empty at the start: nothing is saved up while idle, but for
 * QUOTA_SLACK_US, which lets a loop that came late catch up.
 *
 * QuotaWindow sums: where takes differ in size, spacing alone lets a minute see more
 * than the limit by one take.  It knows what the last minute has seen.
 *
 * Pure: time comes in as an argument.  They live in shared memory; the caller locks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_QUOTA_H
#define PG_ENRICH_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_SLACK_US INT64_C(100000)

/* The last minute in bins; one more than a minute has, as it begins inside of one. */
#define QUOTA_BIN_US INT64_C(250000)
#define QUOTA_BINS 241

typedef struct Quota
{
	int64_t		free_at;		/* monotonic microseconds; 0: never used */
} Quota;

typedef struct QuotaWindow
{
	int64_t		newest;			/* time / QUOTA_BIN_US of the newest bin */
	int64_t		sum;
	int64_t		bins[QUOTA_BINS];	/* units; a bin is at its number modulo
									 * QUOTA_BINS */
} QuotaWindow;

/*
 * Take units (> 0) of a limit of per_minute (> 0) units a minute.  True: taken.
 * False: not yet; *wait_us says how long until it is worth asking again.
 * Spacing is stretched by the slack, so that over any 60 seconds no more than
 * per_minute takes of one unit are made.
 */
extern bool quota_take(Quota *quota, int per_minute, int64_t units, int64_t now_us,
					   int64_t *wait_us);

/*
 * The same within a window: over any 60 seconds no more than per_minute units are
 * taken, however large the takes.  One that exceeds the limit by itself is let
 * through when the window is empty.
 */
extern bool quota_take_within(Quota *quota, QuotaWindow *window, int per_minute, int64_t units,
							  int64_t now_us, int64_t *wait_us);

/*
 * What was taken, then, as so many units has turned out to be others: the
 * difference is waited off, or given back.  Until this is called, a take counts as
 * what it was taken as: where that was too low a minute may see more.
 */
extern void quota_correct(Quota *quota, QuotaWindow *window, int per_minute, int64_t taken_at_us,
						  int64_t taken, int64_t actual);

/* The limit has changed: what is still to be waited off is waited off at the new one. */
extern void quota_change(Quota *quota, int per_minute_before, int per_minute, int64_t now_us);

#endif							/* PG_ENRICH_QUOTA_H */
