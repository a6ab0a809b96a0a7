/*-------------------------------------------------------------------------
 *
 * quota.c
 *	  Arithmetic of a rate limit: so much a minute, evenly spaced.
 *
 * Owns nothing: the caller has the memory, the clock and the lock.  Cannot
 * fail: amounts too large to count are taken as the largest.
 *
 * Why no 60 seconds see more than the limit N.  Let T be what one unit costs.
 * Before the first take in such a window, free_at is at most the slack behind;
 * before the last one it is not ahead.  So the takes but the last cost less
 * than 60 s + slack together, and with T = (60 s + slack + 1 us) / N they are
 * fewer than N units.  Where takes are of one unit, the last one is the N-th
 * at most.  Where they are larger, the last one may reach over: for those T
 * spreads only 39/40 of N, so takes of up to 1/40 of the limit stay within it,
 * and only a larger one can exceed it, by what it is larger.
 *
 *-------------------------------------------------------------------------
 */
#include "quota.h"

#define MINUTE_US	INT64_C(60000000)
#define SPAN_US		(MINUTE_US + QUOTA_SLACK_US + 1)
#define RESERVE		40			/* one part in so many is kept for the last take's overhang */

/* Far more than any uptime, and far from overflow when added to a time. */
#define FOREVER_US	(INT64_MAX / 4)

/* What the units cost in time, rounded up. */
static int64_t
cost_us(int per_minute, int64_t units)
{
	int64_t		spread = units > 1 ? per_minute - per_minute / RESERVE : per_minute;
	int64_t		whole = units / spread;
	int64_t		rest = units % spread;

	if (whole >= FOREVER_US / SPAN_US)
		return FOREVER_US;

	/* rest is below 2^31 and the span below 2^26: no overflow */
	return whole * SPAN_US + (rest * SPAN_US + spread - 1) / spread;
}

bool
quota_take(Quota *quota, int per_minute, int64_t units, int64_t now_us, int64_t *wait_us)
{
	int64_t		free_at = quota->free_at;

	if (free_at == 0)
		free_at = now_us;
	else if (free_at < now_us - QUOTA_SLACK_US)
		free_at = now_us - QUOTA_SLACK_US;

	if (free_at > now_us)
	{
		*wait_us = free_at - now_us;
		return false;
	}
	quota->free_at = free_at + cost_us(per_minute, units);
	*wait_us = 0;
	return true;
}
