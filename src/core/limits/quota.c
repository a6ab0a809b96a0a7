/*-------------------------------------------------------------------------
 *
 * quota.c
 *	  Arithmetic of a rate limit: so much a minute, evenly spaced.
 *
 * Owns nothing: the caller has the memory, the clock and the lock.  Cannot
 * fail: amounts too large to count are taken as the largest.
 *
 * Why spacing alone lets no 60 seconds see more than N takes of one unit.  Let T
 * be what one costs.  Before the first take in such a window, free_at is at most
 * the slack behind; before the last one it is not ahead.  So the takes but the last
 * cost less than 60 s + slack together, and with T = (60 s + slack + 1 us) / N
 * they are fewer than N, and with the last one N at most.  Larger takes could reach
 * over by what the last one is larger: hence the window.
 *
 *-------------------------------------------------------------------------
 */
#include "limits/quota.h"

#include <string.h>

#define MINUTE_US	INT64_C(60000000)
#define SPAN_US		(MINUTE_US + QUOTA_SLACK_US + 1)

/* Far more than any uptime, and far from overflow when added to a time. */
#define FOREVER_US	(INT64_MAX / 4)

/* What the units cost in time, rounded up. */
static int64_t
cost_us(int per_minute, int64_t units)
{
	int64_t		whole = units / per_minute;
	int64_t		rest = units % per_minute;

	if (whole >= FOREVER_US / SPAN_US)
		return FOREVER_US;

	/* rest is below 2^31 and the span below 2^26: no overflow */
	return whole * SPAN_US + (rest * SPAN_US + per_minute - 1) / per_minute;
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

static int64_t *
bin_at(QuotaWindow *window, int64_t number)
{
	return &window->bins[number % QUOTA_BINS];
}

/* Bins that are older than a minute go. */
static void
advance(QuotaWindow *window, int64_t number)
{
	if (number - window->newest >= QUOTA_BINS)
	{
		memset(window->bins, 0, sizeof(window->bins));
		window->sum = 0;
		window->newest = number;
	}
	while (window->newest < number)
	{
		int64_t    *bin = bin_at(window, ++window->newest);

		window->sum -= *bin;
		*bin = 0;
	}
}

/* How long until the window has room for the units. */
static int64_t
wait_for_room(QuotaWindow *window, int per_minute, int64_t units, int64_t now_us)
{
	int64_t		sum = window->sum;
	int64_t		number = window->newest - QUOTA_BINS;

	while (sum > 0 && units > per_minute - sum)
		sum -= *bin_at(window, ++number);
	return (number + QUOTA_BINS) * QUOTA_BIN_US - now_us;
}

bool
quota_take_within(Quota *quota, QuotaWindow *window, int per_minute, int64_t units,
				  int64_t now_us, int64_t *wait_us)
{
	advance(window, now_us / QUOTA_BIN_US);
	if (window->sum > 0 && units > per_minute - window->sum)
	{
		*wait_us = wait_for_room(window, per_minute, units, now_us);
		return false;
	}
	if (!quota_take(quota, per_minute, units, now_us, wait_us))
		return false;
	if (units > FOREVER_US)
		units = FOREVER_US;
	*bin_at(window, window->newest) += units;
	window->sum += units;
	return true;
}

void
quota_correct(Quota *quota, QuotaWindow *window, int per_minute, int64_t taken_at_us,
			  int64_t taken, int64_t actual)
{
	int64_t		number = taken_at_us / QUOTA_BIN_US;
	int64_t    *bin = bin_at(window, number);
	int64_t		more = actual - taken;

	quota->free_at += cost_us(per_minute, actual) - cost_us(per_minute, taken);
	if (quota->free_at < 1)
		quota->free_at = 1;		/* 0 would mean that nothing was ever taken */

	if (number > window->newest || number <= window->newest - QUOTA_BINS)
		return;
	/* A bin may have been emptied meanwhile, by a change of the limit. */
	if (more < -*bin)
		more = -*bin;
	*bin += more;
	window->sum += more;
}

void
quota_change(Quota *quota, int per_minute_before, int per_minute, int64_t now_us)
{
	if (quota->free_at <= now_us || per_minute_before <= 0 || per_minute <= 0)
		return;
	quota->free_at = now_us + (int64_t) ((double) (quota->free_at - now_us) *
										 per_minute_before / per_minute);
}
