/*-------------------------------------------------------------------------
 *
 * quota.h
 *	  Arithmetic of a rate limit: so much a minute, evenly spaced.
 *
 * The generic cell rate algorithm (ITU-T I.371): the quota keeps the time from
 * which the next unit is free; taking moves it on by the units' share of a
 * minute.  It is empty at the start: nothing is saved up while idle, but for
 * QUOTA_SLACK_US, which lets a loop that came late catch up.  Pure: time comes
 * in as an argument.  It lives in shared memory; the caller locks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_QUOTA_H
#define PG_ENRICH_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_SLACK_US INT64_C(100000)

typedef struct Quota
{
	int64_t		free_at;		/* monotonic microseconds; 0: never used */
} Quota;

/*
 * Take units (> 0) of a limit of per_minute (> 0) units a minute.  True: taken.
 * False: not yet; *wait_us says how long until it is worth asking again.
 * Spacing is stretched by the slack, so that over any 60 seconds no more than
 * per_minute units are taken.  A single take may exceed what a minute holds: it
 * is let through when the quota is free, and the following ones wait it off.
 */
extern bool quota_take(Quota *quota, int per_minute, int64_t units, int64_t now_us,
					   int64_t *wait_us);

#endif							/* PG_ENRICH_QUOTA_H */
